/* Replies of a token endpoint on any bytes. Input: one byte that chooses the status, then the body. A token that is accepted can stand in a
 * header; what is told is printable; without a token there is a reason. */
#include "auth/oauth2.h"
#include "base/redact.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#define CHECK(what)                                                                                                    \
    do {                                                                                                               \
        if (!(what)) {                                                                                                 \
            fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__, #what);                                         \
            abort();                                                                                                   \
        }                                                                                                              \
    } while (0)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool is_printable(const char *text)
{
    for (; *text; text++) {
        if (*text < ' ' || *text > '~')
            return false;
    }
    return true;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const int statuses[] = {200, 201, 204, 301, 400, 401, 403, 404, 429, 500, 503, 999};
    static const struct sc_oauth2_error errors[] = {{400, "invalid_client", SC_REASON_OAUTH_INVALID_CLIENT, "x"}, {-1, "AADSTS1", SC_REASON_CONSENT_MISSING, NULL}, {0}};
    static const struct sc_oauth2 table = {.errors = errors};
    struct sc_oauth2_reply reply;
    if (size == 0)
        return 0;
    struct sc_str body = {(const char *)data + 1, size - 1};
    sc_oauth2_read(&table, statuses[data[0] % (sizeof statuses / sizeof *statuses)], body, data[0] & 0x80, &reply);
    CHECK((reply.reason == SC_REASON_OK) == (reply.token != NULL));
    CHECK(is_printable(reply.detail) && is_printable(reply.advice));
    if (reply.token) {
        CHECK(reply.token[0] && is_printable(reply.token) && !strchr(reply.token, ' '));
        CHECK(strlen(reply.token) <= SC_OAUTH2_TOKEN_MAX && reply.lifetime_ms >= 1000);
    }
    sc_secret_free(reply.token);
    return 0;
}
