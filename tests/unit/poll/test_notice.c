/* Notices: one a reason, most urgent first, told when they begin, change and end; without memory nothing is half there. */
#include "poll/notice.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>

#include "check.h"
#include "failalloc.h"

struct heard {
    char text[400];
};

static void hear(void *owner, const struct sc_notice *notice, enum sc_notice_event event)
{
    static const char *const words[] = {"begins", "changes", "ends"};
    struct heard *heard = owner;
    size_t at = strlen(heard->text);
    snprintf(heard->text + at, sizeof heard->text - at, "%s%s %s", at ? ", " : "", sc_reason_code(notice->reason), words[event]);
}

static void test_notice_events(void **state)
{
    (void)state;
    struct heard heard = {""};
    struct sc_notices set = {.owner = &heard, .told = hear};
    sc_notice_clear(&set, SC_REASON_SILENT);
    CHECK_TEXT("what does not hold does not end", heard.text, "");
    sc_notice_set(&set, SC_REASON_SILENT, "0 records in 3 h", NULL, 1000);
    sc_notice_set(&set, SC_REASON_SILENT, "0 records in 3 h", NULL, 2000);
    CHECK_TEXT("the same again is no news", heard.text, "silent begins");
    sc_notice_set(&set, SC_REASON_SILENT, "0 records in 4 h", "Look.", 3000);
    CHECK_INT("since it began", sc_notice_find(&set, SC_REASON_SILENT)->since_ms, 1000);
    CHECK_TEXT("with the newest figures", sc_notice_find(&set, SC_REASON_SILENT)->detail, "0 records in 4 h");
    sc_notice_clear(&set, SC_REASON_SILENT);
    CHECK_TEXT("begins, changes, ends", heard.text, "silent begins, silent changes, silent ends");
    CHECK_TRUE("gone", !sc_notice_find(&set, SC_REASON_SILENT) && !set.first);
    sc_notices_done(&set);
}

static void test_notice_order(void **state)
{
    (void)state;
    static const struct {
        const char *why;
        enum sc_reason reasons[4];
        const char *want;
    } rows[] = {
        {"in the order of urgency, however they came", {SC_REASON_RECORD_INVALID, SC_REASON_FALLING_BEHIND, SC_REASON_AUTH_EXPIRING, SC_REASON_SILENT},
         "auth_expiring silent falling_behind record_invalid "},
        {"what is an error comes first", {SC_REASON_AUTH_EXPIRING, SC_REASON_VENDOR_ERROR, SC_REASON_AUTH_EXPIRED, SC_REASON_STARTING},
         "auth_expired auth_expiring vendor_error starting "},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct sc_notices set = {0};
        char got[200] = "";
        for (size_t k = 0; k < 4; k++)
            sc_notice_set(&set, rows[i].reasons[k], "x", NULL, 1);
        for (const struct sc_notice *n = set.first; n; n = n->next)
            snprintf(got + strlen(got), sizeof got - strlen(got), "%s ", sc_reason_code(n->reason));
        CHECK_TEXT(rows[i].why, got, rows[i].want);
        sc_notices_done(&set);
    }
    CHECK_TRUE("nothing is less urgent than ok", sc_notice_rank(SC_REASON_OK) > sc_notice_rank(SC_REASON_WAITS_FOR_VENDOR));
}

static void test_notice_json(void **state)
{
    (void)state;
    struct sc_notices set = {0};
    struct sc_buf out = {0};
    sc_notices_json(&set, &out);
    CHECK_TEXT("none", sc_buf_str(&out).ptr, "[]");
    sc_notice_set(&set, SC_REASON_DUPLICATE_INTEGRATION, "a and \"b\"", NULL, 1790000000123);
    sc_notice_set(&set, SC_REASON_SILENT, "0", "Look.\n", 1790000000000);
    sc_buf_clear(&out);
    sc_notices_json(&set, &out);
    CHECK_TEXT("all of them, quoted", sc_buf_str(&out).ptr,
               "[{\"reason\":\"silent\",\"detail\":\"0\",\"advice\":\"Look.\\n\",\"since\":\"2026-09-21T14:13:20.000Z\"},"
               "{\"reason\":\"duplicate_integration\",\"detail\":\"a and \\\"b\\\"\",\"advice\":\"Disable one of the two.\",\"since\":\"2026-09-21T14:13:20.123Z\"}]");
    sc_buf_done(&out);
    sc_notices_done(&set);
}

/* With the nth allocation failing: the notice is there whole, or not at all; one that was there stays whole. */
static void test_notice_without_memory(void **state)
{
    (void)state;
    for (long n = 1; n < 8; n++) {
        struct heard heard = {""};
        struct sc_notices set = {.owner = &heard, .told = hear};
        failalloc_arm(n);
        sc_notice_set(&set, SC_REASON_SILENT, "one", "first", 1);
        failalloc_disarm();
        CHECK_TRUE("whole or not", !set.first || (strcmp(set.first->detail, "one") == 0 && strcmp(set.first->advice, "first") == 0));
        CHECK_TEXT("told when it is there", heard.text, set.first ? "silent begins" : "");
        sc_notice_set(&set, SC_REASON_SILENT, "one", "first", 1);
        failalloc_arm(n);
        sc_notice_set(&set, SC_REASON_SILENT, "two", "second", 2);
        failalloc_disarm();
        bool is_new = strcmp(set.first->detail, "two") == 0;
        CHECK_TEXT("both texts are of one time", set.first->advice, is_new ? "second" : "first");
        sc_notices_done(&set);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_notice_events),
        cmocka_unit_test(test_notice_order),
        cmocka_unit_test(test_notice_json),
        cmocka_unit_test(test_notice_without_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
