/* The text of /metrics: labels from anywhere, numbers without rounding, histograms; and the table itself. */
#include "operate/metrics.h"

#include "base/redact.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include "check.h"

#define ROWS(a) (sizeof(a) / sizeof *(a))

static void test_metrics_labels(void **state)
{
    static const struct {
        const char *value, *want, *why;
    } rows[] = {
        {"okta-prod", "a=\"okta-prod\"", "plain"},
        {"", "a=\"\"", "empty"},
        {"a\"b\\c\nd", "a=\"a\\\"b\\\\c\\nd\"", "what the format escapes"},
        {"\t\x01{}=,", "a=\"\t\x01{}=,\"", "and nothing else"},
        {"\xC3\xA9\xE2\x82\xAC\xF0\x9F\x98\x80", "a=\"\xC3\xA9\xE2\x82\xAC\xF0\x9F\x98\x80\"", "UTF-8 of two, three, four bytes"},
        {"\xC0\xAFx", "a=\"\xEF\xBF\xBD\xEF\xBF\xBDx\"", "overlong"},
        {"\xE0\x80\x80", "a=\"\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD\"", "overlong in three"},
        {"\xED\xA0\x80", "a=\"\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD\"", "a surrogate"},
        {"\xF4\x90\x80\x80", "a=\"\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD\"", "beyond Unicode"},
        {"\xE2\x82", "a=\"\xEF\xBF\xBD\xEF\xBF\xBD\"", "cut short"},
        {"in hunter22 out", "a=\"in [redacted] out\"", "a known secret"},
    };
    (void)state;
    sc_redact_add("hunter22", 8);
    for (size_t i = 0; i < ROWS(rows); i++) {
        struct sc_buf out SC_AUTO_BUF = {0};
        sc_label_add(&out, "a", rows[i].value);
        CHECK_TEXT(rows[i].why, sc_buf_str(&out).ptr, rows[i].want);
        sc_label_add(&out, "b", "c");
        CHECK_TEXT("and another", out.ptr + out.len - 6, ",b=\"c\"");
    }
    sc_redact_remove("hunter22", 8);
}

/* Long values are bounded, and two that differ at their end alone stay two. */
static void test_metrics_long_labels(void **state)
{
    (void)state;
    char one[300], other[300], fits[129];
    memset(one, 'x', sizeof one - 1);
    one[sizeof one - 1] = '\0';
    memcpy(other, one, sizeof one);
    other[sizeof other - 2] = 'y';
    memset(fits, 'z', 128);
    fits[128] = '\0';
    struct sc_buf a SC_AUTO_BUF = {0}, b SC_AUTO_BUF = {0}, c SC_AUTO_BUF = {0}, d SC_AUTO_BUF = {0};
    sc_label_add(&a, "n", one);
    sc_label_add(&b, "n", other);
    sc_label_add(&c, "n", fits);
    CHECK_INT("cut", a.len, 128 + 4);
    CHECK_TRUE("still two", strcmp(a.ptr, b.ptr) != 0 && strncmp(a.ptr, b.ptr, 114) == 0);
    CHECK_INT("as long as may be", c.len, 128 + 4);
    CHECK_TRUE("and whole", !strchr(c.ptr, '#'));
    memcpy(one + 110, "\xC3\xA9", 2); /* the cut would fall between them */
    sc_label_add(&d, "n", one);
    CHECK_TRUE("no character is cut in two", strncmp(d.ptr + 3 + 110, "#", 1) == 0);
}

static void test_metrics_lines(void **state)
{
    (void)state;
    static const struct {
        int64_t value;
        const char *want;
    } rows[] = {{0, "0"}, {1, "0.001"}, {10, "0.01"}, {999, "0.999"}, {1000, "1"}, {1200, "1.2"}, {-1, "-0.001"}, {-2500, "-2.5"},
                {INT64_C(1795337622123), "1795337622.123"}, {INT64_MAX, "9223372036854775.807"}, {INT64_MIN, "-9223372036854775.808"}};
    for (size_t i = 0; i < ROWS(rows); i++) {
        struct sc_buf out SC_AUTO_BUF = {0};
        SC_AUTO_FREE char *want = sc_printf("signal_client_lag_seconds{a=\"b\"} %s\n", rows[i].want);
        sc_metric_milli(&out, SC_METRIC_LAG, sc_str_of("a=\"b\""), NULL, NULL, rows[i].value);
        CHECK_TEXT("exactly", out.ptr, want);
    }
    struct sc_buf out SC_AUTO_BUF = {0};
    sc_metric_count(&out, SC_METRIC_RECORDS, sc_str_of(""), NULL, NULL, UINT64_MAX);
    sc_metric_count(&out, SC_METRIC_RECORDS, sc_str_of(""), "c", "d", 0);
    sc_metric_count(&out, SC_METRIC_RECORDS, sc_str_of("a=\"b\""), "c", "d", 10);
    CHECK_TEXT("counts", out.ptr, "signal_client_records_total 18446744073709551615\nsignal_client_records_total{c=\"d\"} 0\n"
                                  "signal_client_records_total{a=\"b\",c=\"d\"} 10\n");
}

static void test_metrics_histogram(void **state)
{
    (void)state;
    static const uint32_t bounds[] = {1, 250, 1000};
    static const uint64_t counts[] = {2, 0, 3, 4};
    struct sc_buf out SC_AUTO_BUF = {0};
    sc_metric_histogram(&out, SC_METRIC_NATS_LATENCY, sc_str_of(""), bounds, counts, 3, 12500030);
    CHECK_TEXT("cumulated, in seconds", out.ptr,
               "signal_client_nats_publish_seconds_bucket{le=\"0.001\"} 2\nsignal_client_nats_publish_seconds_bucket{le=\"0.25\"} 2\n"
               "signal_client_nats_publish_seconds_bucket{le=\"1\"} 5\nsignal_client_nats_publish_seconds_bucket{le=\"+Inf\"} 9\n"
               "signal_client_nats_publish_seconds_sum 12.50003\nsignal_client_nats_publish_seconds_count 9\n");
}

static bool is_name(const char *text, size_t len)
{
    return len && strspn(text, "abcdefghijklmnopqrstuvwxyz_0123456789") >= len && text[0] > '9';
}

static bool ends_in(const char *text, const char *end)
{
    size_t a = strlen(text), b = strlen(end);
    return a >= b && strcmp(text + a - b, end) == 0;
}

/* Names are a contract: what Prometheus' own rules ask for, and no name twice. */
static void test_metrics_table(void **state)
{
    (void)state;
    for (int i = 0; i < SC_METRIC_COUNT; i++) {
        const struct sc_metric_row *row = sc_metric_row((enum sc_metric)i);
        bool pipeline = strcmp(row->name, "pipeline_stage_count") == 0;
        CHECK_TRUE(row->name, is_name(row->name, strlen(row->name)) && (pipeline || strncmp(row->name, "signal_client_", 14) == 0));
        CHECK_INT(row->name, ends_in(row->name, "_total"), row->type == SC_METRIC_COUNTER);
        CHECK_TRUE(row->name, pipeline || !(ends_in(row->name, "_count") || ends_in(row->name, "_sum") || ends_in(row->name, "_bucket")));
        CHECK_TRUE("one line of help", *row->help && !strpbrk(row->help, "\n|"));
        for (int k = 0; k < i; k++)
            CHECK_TRUE(row->name, strcmp(row->name, sc_metric_row((enum sc_metric)k)->name) != 0);
        for (const char *at = row->labels; *at;) {
            size_t len = strcspn(at, " ");
            CHECK_TRUE(row->name, is_name(at, len) && strncmp(at, "le", len) != 0);
            at += len + (at[len] == ' ');
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_metrics_labels), cmocka_unit_test(test_metrics_long_labels), cmocka_unit_test(test_metrics_lines),
        cmocka_unit_test(test_metrics_histogram), cmocka_unit_test(test_metrics_table),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
