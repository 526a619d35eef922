/* status: words, the order of urgency, what is stale, and the whole table and detail as texts. The time is 2026-11-22T12:00:00Z throughout. */
#include "cli/status.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#include "check.h"

#define ROWS(rows) (sizeof(rows) / sizeof((rows)[0]))
#define NOW INT64_C(1795348800000) /* 2026-11-22T12:00:00Z */

/* ---- words ---- */

static void test_status_words(void **state)
{
    (void)state;
    static const struct {
        int64_t ms;
        const char *want, *ago;
    } spans[] = {
        {-5, "now", "just now"},           {999, "now", "just now"},       {1000, "1 s", "1 s ago"},      {119000, "119 s", "119 s ago"},
        {120000, "2 min", "2 min ago"},    {7199000, "119 min", "119 min ago"}, {7200000, "2 h", "2 h ago"}, {172799000, "47 h", "47 h ago"},
        {172800000, "2 d", "2 d ago"},     {INT64_C(8640000000), "100 d", "100 d ago"},
    };
    static const struct {
        uint64_t n;
        const char *amount, *bytes;
    } amounts[] = {
        {0, "0", "0 B"},           {999, "999", "999 B"},         {1000, "1,000", "1.0 kB"},          {120034, "120,034", "120 kB"},
        {999999, "999,999", "1.0 MB"}, {1234567, "1.2 M", "1.2 MB"}, {45000000, "45 M", "45 MB"}, {INT64_C(9990000000000), "10 T", "10 TB"},
    };
    char room[SC_WORDS];
    for (size_t i = 0; i < ROWS(spans); i++) {
        CHECK_TEXT("span", sc_span_words(spans[i].ms, room), spans[i].want);
        CHECK_TEXT("ago", sc_ago_words(spans[i].ms, room), spans[i].ago);
    }
    for (size_t i = 0; i < ROWS(amounts); i++) {
        CHECK_TEXT("amount", sc_amount_words(amounts[i].n, room), amounts[i].amount);
        CHECK_TEXT("bytes", sc_bytes_words(amounts[i].n, room), amounts[i].bytes);
    }
}

static void test_status_wrap(void **state)
{
    (void)state;
    static const struct {
        const char *why, *first, *text, *want;
    } rows[] = {
        {"fits", "  -> ", "one two", "  -> one two\n"},
        {"exactly", "", "twelve chars twelve chars", "twelve chars\ntwelve chars\n"},
        {"behind the mark", "-> ", "aaaa bbbb cccc dddd", "-> aaaa bbbb\n   cccc dddd\n"},
        {"a word too long stays whole", "", "a https://example.com/very/long b", "a\nhttps://example.com/very/long\nb\n"},
        {"blanks are one", "", "  a   b  ", "a b\n"},
        {"columns, not bytes", "", "äöüäö äöüäöü", "äöüäö äöüäöü\n"},
        {"a terminal's control", "", "a\033[2Jb\rc", "a?[2Jb?c\n"},
        {"nothing", "x ", "", "x \n"},
    };
    for (size_t i = 0; i < ROWS(rows); i++) {
        struct sc_buf out = {0};
        sc_wrap_add(&out, rows[i].first, rows[i].text, 12);
        CHECK_TEXT(rows[i].why, sc_buf_str(&out).ptr, rows[i].want);
        sc_buf_done(&out);
    }
}

static void test_status_fit(void **state)
{
    (void)state;
    static const struct {
        const char *text, *want;
        size_t width;
        bool pad;
    } rows[] = {
        {"okta", "okta  ", 6, true}, {"okta-prod", "okta-…", 6, true}, {"okta-prod", "okta-prod", 9, true}, {"äöü", "äöü", 3, false},
        {"äöüx", "äö…", 3, false},   {"a\nb", "a?b", 5, false},        {"", "  ", 2, true},
    };
    for (size_t i = 0; i < ROWS(rows); i++) {
        struct sc_buf out = {0};
        sc_fit_add(&out, rows[i].text, rows[i].width, rows[i].pad);
        CHECK_TEXT(rows[i].text, sc_buf_str(&out).ptr ? sc_buf_str(&out).ptr : "", rows[i].want);
        sc_buf_done(&out);
    }
}

/* ---- a view from JSON: {"agent":…, "lease":…, "integrations":{name:{"rev":7,"enabled":true,"status":…}}} ---- */

static struct sc_status_view view_of(const char *text)
{
    json_error_t where;
    json_t *root = json_loads(text, 0, &where), *one;
    const char *name;
    struct sc_status_view view = {.now_ms = NOW, .columns = 100};
    if (!root)
        fail_msg("%s at %d", where.text, where.position);
    view.agent = json_incref(json_object_get(root, "agent"));
    view.lease = json_incref(json_object_get(root, "lease"));
    view.at = calloc(json_object_size(json_object_get(root, "integrations")) + 1, sizeof *view.at);
    json_object_foreach(json_object_get(root, "integrations"), name, one) {
        view.at[view.count++] = (struct sc_status_one){
            .name = sc_dup(name),
            .rev = (uint64_t)sc_json_number(one, "rev"),
            .enabled = !json_is_false(json_object_get(one, "enabled")),
            .readable = !json_is_false(json_object_get(one, "readable")),
            .type = sc_dup("okta"),
            .saved = sc_dup(json_string_value(json_object_get(one, "saved"))),
            .unsealed = sc_dup(json_string_value(json_object_get(one, "unsealed"))),
            .status = json_incref(json_object_get(one, "status")),
        };
    }
    json_decref(root);
    return view;
}

static void view_done(struct sc_status_view *view)
{
    sc_status_view_done(view);
}

#define AGENT                                                                                                                                        \
    "\"agent\":{\"version\":\"1.2.0\",\"agent\":\"edge-1\",\"pid\":4670,\"started\":\"2026-11-22T09:00:00Z\",\"epoch\":7,\"io_threads\":2,"              \
    "\"integrations\":3,\"broker\":{\"ready\":true,\"reason\":\"ok\",\"text\":\"\",\"stream\":\"DATA\"}}"
#define ANSWERS "agent edge-1, version 1.2.0, process 4670, up 3 h: holds the lease (epoch 7); NATS is ready, stream DATA; 3 integrations on 2 io threads"
#define LEASE(renewed, released) "\"lease\":{\"v\":1,\"agent\":\"edge-1\",\"epoch\":7,\"renewed\":\"" renewed "\",\"released\":" released "}"

static void test_status_agent(void **state)
{
    (void)state;
    static const struct {
        const char *why, *view, *want;
        bool bad;
    } rows[] = {
        {"it answers", "{" AGENT "}", ANSWERS, false},
        {"never any", "{}", "no agent answers, and none has ever held the lease here: start one with `signal-client run`", true},
        {"given back", "{" LEASE("2026-11-22T11:59:00Z", "true") "}",
         "no agent runs: edge-1 gave the lease back 60 s ago (2026-11-22T11:59:00Z); start it to go on from there", true},
        {"mute", "{" LEASE("2026-11-22T11:59:57Z", "false") "}",
         "agent edge-1 holds the lease (renewed 3 s ago) and does not answer on signal-client.edge-1.control: an older version, or this user may not ask it", true},
        {"dead", "{" LEASE("2026-11-22T09:00:00Z", "false") "}",
         "no agent answers: edge-1 held the lease last and renewed it 3 h ago (2026-11-22T09:00:00Z), not since; see whether it runs and reaches NATS", true},
        {"its NATS is away", "{\"agent\":{\"version\":\"1\",\"agent\":\"e\",\"pid\":1,\"epoch\":1,\"broker\":{\"ready\":false,\"reason\":\"stream_full\",\"text\":\"2.0 of 2.0 GB\"}}}",
         "agent e, version 1, process 1: holds the lease (epoch 1); NATS: stream_full: 2.0 of 2.0 GB; 0 integrations on 0 io threads", true},
        {"not what was asked for", "{\"agent\":{\"broker\":[],\"pid\":\"x\"}}", "agent , version , process 0: holds the lease (epoch 0); NATS: : ; 0 integrations on 0 io threads", true},
    };
    for (size_t i = 0; i < ROWS(rows); i++) {
        struct sc_status_view view = view_of(rows[i].view);
        struct sc_buf out = {0};
        bool bad;
        sc_status_agent_line(&view, &out, &bad);
        CHECK_TEXT(rows[i].why, sc_buf_str(&out).ptr, rows[i].want);
        CHECK_INT(rows[i].why, bad, rows[i].bad);
        sc_buf_done(&out);
        view_done(&view);
    }
}

/* ---- one row: its kind, and whether it is bad ---- */

static void test_status_kinds(void **state)
{
    (void)state;
#define GOOD  "\"state\":\"active\",\"reason\":\"ok\",\"next_poll\":\"2026-11-22T12:01:00Z\""
#define FRESH LEASE("2026-11-22T11:59:58Z", "false")
#define DEAD  LEASE("2026-11-22T11:00:00Z", "false")
    static const struct {
        const char *why, *who, *one, *facts;
        enum sc_row_kind kind;
        int exit_code;
    } rows[] = {
        {"good", AGENT, "\"rev\":1", GOOD, SC_ROW_GOOD, 0},
        {"an error", AGENT, "\"rev\":1", "\"state\":\"error\",\"reason\":\"auth_expired\"", SC_ROW_ERROR, 1},
        {"a put that was refused", AGENT, "\"rev\":1", "\"state\":\"active\",\"reason\":\"config_invalid\"", SC_ROW_ERROR, 1},
        {"throttled", AGENT, "\"rev\":1", "\"state\":\"rate_limited\",\"reason\":\"rate_limited\"", SC_ROW_LIMITED, 0},
        {"works, with a notice", AGENT, "\"rev\":1", "\"state\":\"active\",\"reason\":\"silent\"", SC_ROW_NOTICE, 0},
        {"a long poll", AGENT, "\"rev\":1", "\"state\":\"processing\",\"reason\":\"ok\"", SC_ROW_PROCESSING, 0},
        {"a long poll with a notice", AGENT, "\"rev\":1", "\"state\":\"processing\",\"reason\":\"falling_behind\"", SC_ROW_NOTICE, 0},
        {"an export is made", AGENT, "\"rev\":1", "\"state\":\"processing\",\"reason\":\"waits_for_vendor\"", SC_ROW_PROCESSING, 0},
        {"the first poll", AGENT, "\"rev\":1", "\"state\":\"waiting\",\"reason\":\"starting\"", SC_ROW_WAITING, 0},
        {"paused", AGENT, "\"rev\":1,\"enabled\":false", "\"state\":\"paused\",\"reason\":\"disabled\"", SC_ROW_PAUSED, 0},
        {"gone", AGENT, "\"rev\":0", GOOD, SC_ROW_LEFT_OVER, 0},
        {"not due yet, and somebody renews the lease", FRESH, "\"rev\":1", GOOD, SC_ROW_GOOD, 1},
        {"long overdue", FRESH, "\"rev\":1", "\"state\":\"active\",\"reason\":\"ok\",\"next_poll\":\"2026-11-22T11:50:00Z\"", SC_ROW_STALE, 1},
        {"a wait that is long over", FRESH, "\"rev\":1", "\"state\":\"error\",\"reason\":\"vendor_error\",\"until\":\"2026-11-22T11:50:00Z\"", SC_ROW_STALE, 1},
        {"nobody renews the lease", DEAD, "\"rev\":1", GOOD, SC_ROW_STALE, 1},
        {"what is paused does not get stale", DEAD, "\"rev\":1", "\"state\":\"paused\",\"reason\":\"disabled\"", SC_ROW_PAUSED, 1},
        {"the clock here is behind", FRESH, "\"rev\":1", "\"state\":\"active\",\"reason\":\"ok\",\"next_poll\":\"2026-11-22T11:59:30Z\"", SC_ROW_GOOD, 1},
    };
    for (size_t i = 0; i < ROWS(rows); i++) {
        char text[1600];
        snprintf(text, sizeof text, "{%s,\"integrations\":{\"a\":{%s,\"status\":{\"updated\":\"2026-11-22T11:59:00Z\",\"data_types\":{\"t\":{%s}}}}}}", rows[i].who,
                 rows[i].one, rows[i].facts);
        struct sc_status_view view = view_of(text);
        struct sc_status_rows got;
        CHECK_INT(rows[i].why, sc_status_rows(&view, &got), 0);
        CHECK_INT(rows[i].why, got.count, 1);
        CHECK_INT(rows[i].why, got.at[0].kind, rows[i].kind);
        CHECK_INT(rows[i].why, sc_status_exit(&view, &got), rows[i].exit_code);
        free(got.at);
        view_done(&view);
    }
}

/* ---- the whole of it ---- */

static const char everything[] =
    "{" AGENT ",\"integrations\":{"
    "\"broken\":{\"rev\":6,\"status\":{\"state\":\"error\",\"reason\":\"config_invalid\",\"detail\":\"revision 6 is not in use: settings.fqdn is missing\","
    "\"advice\":\"correct the value and save it\",\"data_types\":{}}},"
    "\"falcon-prod\":{\"rev\":2,\"unsealed\":\"credentials.client_secret\",\"status\":{\"updated\":\"2026-11-22T11:59:58Z\","
    "\"notices\":[{\"reason\":\"auth_expiring\",\"detail\":\"client_secret ends on 2026-11-30, in 8 days\",\"advice\":\"Make a new one.\",\"since\":\"2026-11-20T00:00:00Z\"}],"
    "\"data_types\":{"
    "\"alerts\":{\"state\":\"active\",\"reason\":\"auth_expiring\",\"detail\":\"client_secret ends on 2026-11-30, in 8 days\",\"advice\":\"Make a new one.\","
    "\"since\":\"2026-11-20T00:00:00Z\",\"records\":1234567,\"last_record_time\":\"2026-11-22T11:58:00Z\",\"next_poll\":\"2026-11-22T12:04:00Z\"},"
    "\"hosts\":{\"state\":\"error\",\"reason\":\"permission_denied\",\"detail\":\"403 Forbidden, next request at 12:30:00Z\",\"advice\":\"Grant \\\"Hosts: Read\\\".\","
    "\"since\":\"2026-11-22T09:00:00Z\",\"until\":\"2026-11-22T12:30:00Z\",\"records\":0,\"failures\":{\"count\":4,\"since\":\"2026-11-22T09:00:00.123Z\"}}}}},"
    "\"okta-prod\":{\"rev\":9,\"status\":{\"updated\":\"2026-11-22T11:59:58Z\",\"data_types\":{\"system_log\":{\"state\":\"processing\",\"reason\":\"ok\","
    "\"since\":\"2026-11-22T11:00:00Z\",\"records\":120034,\"last_record_time\":\"2026-11-22T06:00:00Z\",\"progress\":{\"percent\":41}}}}},"
    "\"okta-old\":{\"rev\":0,\"status\":{\"updated\":\"2026-11-01T00:00:00Z\",\"data_types\":{\"system_log\":{\"state\":\"active\",\"reason\":\"ok\",\"records\":7}}}},"
    "\"kev\":{\"rev\":3,\"enabled\":false,\"status\":{\"data_types\":{\"vulnerabilities\":{\"state\":\"paused\",\"reason\":\"disabled\",\"since\":\"2026-11-21T12:00:00Z\",\"records\":1480}}}},"
    "\"new-one\":{\"rev\":11}}}";

static void compose(const char *text, bool detail, bool color, struct sc_buf *out)
{
    struct sc_status_view view = view_of(text);
    struct sc_status_rows rows;
    view.color = color;
    CHECK_INT("rows", sc_status_rows(&view, &rows), 0);
    if (detail)
        sc_status_detail(&view, &rows, out);
    else
        sc_status_table(&view, &rows, out);
    free(rows.at);
    view_done(&view);
}

static void check_width(const char *text)
{
    while (*text) {
        size_t len = strcspn(text, "\n");
        char line[400];
        snprintf(line, sizeof line, "%.*s", (int)len, text);
        if (sc_text_width(line) > 100)
            fail_msg("over 100 columns: %s", line);
        text += len + (text[len] == '\n');
    }
}

static void test_status_table(void **state)
{
    (void)state;
    struct sc_buf out = {0};
    compose(everything, false, false, &out);
    CHECK_TEXT("the table", sc_buf_str(&out).ptr,
               "agent edge-1, version 1.2.0, process 4670, up 3 h: holds the lease (epoch 7); NATS is ready, stream\n"
               "DATA; 3 integrations on 2 io threads\n"
               "5 integrations: 2 in error, 1 without a word, 1 with a notice, 1 processing, 1 paused, 1 left over\n"
               "\n"
               "INTEGRATION  DATA TYPE        STATE        REASON             SINCE   LAG    RECORDS  NEXT\n"
               "broken       -                error        config_invalid\n"
               "falcon-prod  hosts            error        permission_denied  3 h            0        in 30 min\n"
               "new-one      -                no word yet  -\n"
               "falcon-prod  alerts           active       auth_expiring      2 d     2 min  1.2 M    in 4 min\n"
               "okta-prod    system_log       processing   ok                 60 min  6 h    120,034  41 %\n"
               "kev          vulnerabilities  paused       disabled           24 h           1,480\n"
               "okta-old     system_log       left over    was ok             21 d           7\n"
               "\n"
               "broken: config_invalid: revision 6 is not in use: settings.fqdn is missing\n"
               "  -> correct the value and save it\n"
               "falcon-prod hosts: permission_denied: 403 Forbidden, next request at 12:30:00Z, 4 times since\n"
               "2026-11-22T09:00:00Z\n"
               "  -> Grant \"Hosts: Read\".\n"
               "new-one: no agent has said anything of it yet\n"
               "  -> It is taken up within a second of its put by a running agent: see the first line, then the\n"
               "     agent's log.\n"
               "okta-old system_log: a status whose integration is gone: it was removed while no agent ran\n"
               "  -> Nothing polls it; `nats kv del INTEGRATION_STATUS NAME` takes it away.\n"
               "falcon-prod: auth_expiring: client_secret ends on 2026-11-30, in 8 days\n"
               "  -> Make a new one.\n"
               "falcon-prod: not sealed: credentials.client_secret\n"
               "  -> Seal them: `signal-client seal --rotate --unsealed`.\n");
    check_width(sc_buf_str(&out).ptr);
    sc_buf_clear(&out);
    compose(everything, false, true, &out);
    CHECK_TRUE("colour where it is wanted", strstr(out.ptr, "falcon-prod  hosts            \033[31merror        permission_denied\033[0m  3 h"));
    sc_buf_done(&out);
}

/* Names as long as they may be, of every kind at once, and many that say the same. */
static void test_status_crowd(void **state)
{
    (void)state;
    struct sc_buf text = {0}, out = {0};
    sc_buf_add_str(&text, "{" AGENT ",\"integrations\":{");
    for (int i = 0; i < 300; i++)
        sc_buf_addf(&text,
                    "%s\"integration-with-a-name-that-goes-on-and-on-%03d\":{\"rev\":1,\"status\":{\"data_types\":{\"a_data_type_with_quite_a_long_name\":"
                    "{\"state\":\"rate_limited\",\"reason\":\"duplicate_integration\",\"detail\":\"the broker is away\",\"advice\":\"Wait.\",\"since\":\"2026-11-22T11:00:00Z\","
                    "\"records\":999999,\"last_record_time\":\"2026-11-22T11:58:01Z\",\"until\":\"2026-11-22T13:59:00Z\"},"
                    "\"b\":{\"state\":\"error\",\"reason\":\"vendor_error\",\"detail\":\"of its own %d\",\"advice\":\"Look.\"}}}}",
                    i ? "," : "", i, i);
    sc_buf_add_str(&text, "}}");
    compose(text.ptr, false, false, &out);
    check_width(sc_buf_str(&out).ptr);
    CHECK_TRUE("said once, with the first names", strstr(out.ptr, "… and 295 more: `signal-client status NAME` shows all of one."));
    CHECK_TRUE("advice once", strstr(out.ptr, "-> Look.") && !strstr(strstr(out.ptr, "-> Look.") + 3, "-> Look."));
    sc_buf_done(&text);
    sc_buf_done(&out);
}

static void test_status_detail(void **state)
{
    (void)state;
    struct sc_buf out = {0};
    compose("{" AGENT ",\"integrations\":{\"okta-prod\":{\"rev\":9,\"saved\":\"2026-11-20T12:00:00Z\",\"status\":{\"connector\":\"okta\",\"updated\":\"2026-11-22T11:59:58Z\","
            "\"credential_saved\":\"2026-08-21T12:00:00Z\",\"credential_ends\":\"2026-11-30T12:00:00Z\",\"credential_ends_by\":\"api_token: JWT\","
            "\"budgets\":[\"logs: 540 of 600 a minute (X-Rate-Limit-Limit), 12 used, 60 kept for others\"],\"latency_ms\":{\"first_byte_p50\":200,\"first_byte_p95\":900,\"lookup_p95\":5},"
            "\"data_types\":{\"system_log\":{\"state\":\"active\",\"reason\":\"falling_behind\",\"detail\":\"the last 3 polls took longer than their interval\",\"advice\":\"Ask for larger pages.\","
            "\"since\":\"2026-11-22T11:00:00Z\",\"notices\":[{\"reason\":\"falling_behind\",\"detail\":\"the last 3 polls took longer than their interval\",\"advice\":\"x\"},"
            "{\"reason\":\"duplicate_integration\",\"detail\":\"okta-prod and okta-two both read system_log\",\"advice\":\"Disable one of the two.\",\"since\":\"2026-11-22T10:00:00Z\"}],"
            "\"last_poll\":\"2026-11-22T11:59:00Z\",\"last_success\":\"2026-11-22T11:59:00Z\",\"last_record_time\":\"2026-11-22T11:58:00Z\",\"next_poll\":\"2026-11-22T12:04:00Z\",\"interval_seconds\":300,"
            "\"records\":120034,\"pages\":800,\"bytes\":34000000,\"checkpoint\":\"everything up to the cursor, newest record of 2026-11-22T11:58:00.000Z\",\"promise\":\"exact\","
            "\"timing_ms\":{\"dns\":100,\"connect\":1000,\"tls\":0,\"first_byte\":155000,\"transfer\":20000,\"budget_wait\":50000,\"nats_wait\":0,\"total\":250000},"
            "\"requests\":{\"last_poll\":130,\"hour\":720,\"hour_throttled\":12,\"day\":9000,\"day_throttled\":40,\"hour_waiting_percent\":20}}}}}}}",
            true, false, &out);
    CHECK_TEXT("one integration", sc_buf_str(&out).ptr,
               "agent edge-1, version 1.2.0, process 4670, up 3 h: holds the lease (epoch 7); NATS is ready, stream\n"
               "DATA; 3 integrations on 2 io threads\n"
               "\n"
               "okta-prod: okta, revision 9 saved 2026-11-20T12:00:00Z (2 d ago)\n"
               "credential    saved 2026-08-21T12:00:00Z (93 d ago); ends 2026-11-30T12:00:00Z (in 8 d) by\n"
               "              api_token: JWT\n"
               "budget        logs: 540 of 600 a minute (X-Rate-Limit-Limit), 12 used, 60 kept for others\n"
               "answers       begin after 200 ms (p50), 900 ms (p95); looking up the name takes 5 ms (p95)\n"
               "\n"
               "system_log\n"
               "state         active, falling_behind since 2026-11-22T11:00:00Z (60 min ago)\n"
               "              the last 3 polls took longer than their interval\n"
               "              -> Ask for larger pages.\n"
               "notice        duplicate_integration: okta-prod and okta-two both read system_log (for 2 h)\n"
               "              -> Disable one of the two.\n"
               "polls         every 5 min; last 2026-11-22T11:59:00Z (60 s ago); next 2026-11-22T12:04:00Z (in 4\n"
               "              min)\n"
               "a poll takes  4:10: waiting for the vendor's first byte 62 %, waiting for the vendor's limit 20 %,\n"
               "              transferring 8 %; 130 requests\n"
               "requests      720 in the last hour (12 throttled), 9,000 in 24 h (40 throttled); 20 % of the last\n"
               "              hour was waiting for the vendor's limit\n"
               "records       120,034 in 800 pages, 34 MB; the newest is 2 min old\n"
               "position      everything up to the cursor, newest record of 2026-11-22T11:58:00.000Z\n"
               "promise       exact\n");
    check_width(sc_buf_str(&out).ptr);
    sc_buf_done(&out);
}

/* The bucket may hold anything: nothing of it brings the command down, nothing reaches a terminal as a command. */
static void test_status_hostile(void **state)
{
    (void)state;
    static const char *const values[] = {
        "7", "[]", "\"x\"", "{}", "{\"data_types\":[]}", "{\"data_types\":{\"\":null}}", "{\"data_types\":{\"t\":[1]}}",
        "{\"data_types\":{\"t\":{\"state\":5,\"reason\":{},\"since\":\"never\",\"records\":\"many\",\"notices\":7,\"progress\":[],\"failures\":1}}}",
        "{\"data_types\":{\"t\":{\"state\":\"error\",\"reason\":\"x\",\"detail\":\"\\u001b[2J\\u0007\\u009b\",\"notices\":[3,{},{\"detail\":9}],\"since\":\"9999-12-31T00:00:00Z\"}}}",
        "{\"notices\":{\"a\":1},\"budgets\":[1,null,\"\\u001b]0;x\\u0007\"],\"latency_ms\":[],\"credential_ends\":\"2026-11-30T12:00:00Z\",\"credential_ends_by\":[1],\"data_types\":{\"\\u001b[31m\":{\"state\":\"active\",\"reason\":\"ok\","
        "\"timing_ms\":{\"total\":-5},\"requests\":{\"day\":-1}}}}",
        "{\"data_types\":{\"t\":{\"state\":\"active\",\"reason\":\"ok\",\"timing_ms\":{\"total\":1,\"dns\":9223372036854775807},\"records\":-1,\"interval_seconds\":9223372036854775807}}}",
    };
    for (size_t i = 0; i < ROWS(values); i++) {
        char text[1200];
        snprintf(text, sizeof text, "{\"integrations\":{\"a\":{\"rev\":1,\"status\":%s}}}", values[i]);
        for (int detail = 0; detail < 2; detail++) {
            struct sc_buf out = {0};
            compose(text, detail, false, &out);
            CHECK_TRUE(values[i], !out.failed && out.len && !memchr(out.ptr, 0x1B, out.len) && !memchr(out.ptr, 7, out.len) && !strstr(out.ptr, "\xC2\x9B"));
            sc_buf_done(&out);
        }
        struct sc_status_view view = view_of(text);
        struct sc_status_rows rows;
        CHECK_INT(values[i], sc_status_rows(&view, &rows), 0);
        json_t *document = sc_status_json(&view, &rows, false);
        CHECK_TRUE("the document is one", json_is_object(document));
        json_decref(document);
        free(rows.at);
        view_done(&view);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_status_words), cmocka_unit_test(test_status_wrap),  cmocka_unit_test(test_status_fit),    cmocka_unit_test(test_status_agent),
        cmocka_unit_test(test_status_kinds), cmocka_unit_test(test_status_table), cmocka_unit_test(test_status_crowd), cmocka_unit_test(test_status_detail),
        cmocka_unit_test(test_status_hostile),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
