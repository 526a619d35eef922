/* AWS Signature Version 4, in headers: X-Amz-Date, Authorization, with temporary keys X-Amz-Security-Token. */
#pragma once

#include <signal/connector.h>

struct aws_keys {
    const char *service, *region; /* "guardduty", "eu-west-1" */
    const char *key_id, *secret;
    const char *session_token;    /* of temporary keys; NULL or empty: none */
};

/* As sc_auth.sign. Signed are host, date, token, Content-Type where the request has one, and the body. The path is encoded once more, as all
 * services but S3 do it. The query may stand in any order. */
const char *aws_sigv4(struct sc_host *host, const struct sc_to_sign *in, const struct aws_keys *keys, struct sc_header out[SC_MAX_SIGN_HEADERS]);
