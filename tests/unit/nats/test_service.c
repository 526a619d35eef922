/* Where an answer may be sent: to inboxes alone. */
#include "nats/service.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "check.h"

static void test_service_inbox(void **state)
{
    (void)state;
    static const struct {
        const char *reply;
        bool want;
    } rows[] = {
        {"_INBOX.pQ3xYz", true},
        {"_INBOX.pQ3xYz.aB-1_2=", true},
        {"_INBOX_alice.x.1", true},
        {"_INBOX-1.x", true},
        {"_R_.aBcD.x", true},
        {"", false},
        {"_INBOX", false},
        {"_INBOX.", false},
        {"_INBOX..a", false},
        {"_INBOX.a.", false},
        {"_INBOX.*", false},
        {"_INBOX.>", false},
        {"_INBOX.a b", false},
        {"_INBOX.$KV", false},
        {"_INBOX.a\x1b[2J", false},
        {"_R_", false},
        {"_R_x.a", false},
        {"_R", false},
        {"_inbox.a", false},
        {"$KV.CHECKPOINTS.okta-prod.system_log", false},
        {"$JS.API.STREAM.PURGE.DATA", false},
        {"$JS.ACK.DATA.c.1.2.3.4.5", false},
        {"local.data.artifacts.raw", false},
        {"signal-client.local.control", false},
        {"orders.new", false},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        if (sc_service_is_inbox(rows[i].reply) != rows[i].want)
            fail_msg("\"%s\" is %s", rows[i].reply, rows[i].want ? "an inbox" : "no inbox");
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_service_inbox)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
