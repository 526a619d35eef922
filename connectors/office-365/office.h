/* The parts of this connector, apart because each tells a story of its own. Private to the folder. */
#pragma once

#include "rest/rest.h"

#define OFFICE_CODE           16

#define OFFICE_NEW_SECRET "Make a client secret (Entra admin center > App registrations > the app > Certificates & secrets) and save its value."
#define OFFICE_OWN_TENANT \
    "Set tenant_id to the directory (tenant) id, a GUID, of the tenant that is read; the app is registered there, or consented to."

/* A data type: what the engine knows, and what it is called at the vendor. */
struct office_feed {
    struct rest_data_type rest; /* first: sc_data_type.engine points to it */
    const char *content_type;
};

const char *office_content_type(const struct sc_host *host);

/* says.c: the vendor's code in an error body ("AF20022"), "" when there is none; and what it says, in one line. */
void office_read_code(struct sc_str body, char out[OFFICE_CODE]);
/* says.c: a refusal by its code, whatever the status; a code that is not known leaves the verdict as it is. */
void office_judge(struct sc_str body, const char *code, struct sc_verdict *out);
void office_refuse(struct sc_verdict *out, enum sc_reason reason, const char *advice);
bool office_is_one_of(const char *code, const char *const *some);

/* subscription.c: a URL with PublisherIdentifier, which every request has. NULL: out of memory. */
const char *office_with_publisher(struct sc_host *host, const char *url);
/* subscription.c: the content type is subscribed to, as far as is known. While it is not, requests and replies are these two's. */
bool office_is_subscribed(const struct sc_host *host);
void office_ask_subscription(struct sc_host *host, struct sc_request *out);
void office_subscription_answered(struct sc_host *host, const struct sc_response *in, struct sc_verdict *out);
/* subscription.c: the vendor says that the subscription is gone. False: that is not what the code says, or it is too early to believe it. */
bool office_lose_subscription(struct sc_host *host, const char *code, struct sc_verdict *out);
