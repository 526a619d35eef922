/* What a refusal means and how it is told. io thread of the poller. */
#pragma once

#include "poll/poller.h"

struct sc_answer {
    enum sc_reason reason;
    char detail[760];  /* the sentence: no secret (of a redacted body), for log and status */
    char advice[320];  /* "": the reason's own */
};

/* Of a reply that is no page (or of none: status 0). body: its beginning, redacted; verdict: the connector's, which comes first. */
void sc_answer_judge(struct sc_poller *p, const struct sc_http_result *result, const struct sc_verdict *verdict, struct sc_str body, struct sc_answer *ret);
/* The vendor's number of the request that is being judged, from one of the usual headers; its length, 0: there is none. */
size_t sc_answer_request_id(const struct sc_poller *p, char *out, size_t cap);
/* Behind a sentence, where the reason is one that goes into a case with the vendor. */
void sc_answer_add_request_id(const struct sc_poller *p, enum sc_reason reason, char *detail, size_t cap);
/* The region that the vendor names, where the settings name another host. NULL: they agree, or it is unknown. */
const struct sc_region *sc_answer_region(const struct sc_integration *config, struct sc_str named);
void sc_answer_tell_region(const struct sc_integration *config, const struct sc_region *right, char *detail, size_t detail_cap, char *advice,
                           size_t advice_cap);
