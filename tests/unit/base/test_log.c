/* The log: form of a line, what never reaches it, and the repeat counter on a clock of our own. */
#include "base/log.h"
#include "base/clock.h"
#include "base/redact.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "check.h"

#include <pthread.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

/* ---- clock and sink ---- */

/* The module itself is compiled here, on this clock; nothing else of the library needs the log. */
static int64_t mono_ms;

#define sc_mono_ms() mono_ms
#define sc_real_ms() 1795256102123
#include "base/log.c"

#define STAMP "2026-11-21T10:15:02.123Z "
enum { MINUTE = 60 * 1000 };

/* All lines since the last look, each ended by '|'. */
static char lines[64 * 1024];

static void keep(const char *line, void *arg)
{
    (void)arg;
    size_t len = strlen(lines);
    if (len + strlen(line) + 2 < sizeof lines)
        snprintf(lines + len, sizeof lines - len, "%s|", line);
}

static int setup(void **state)
{
    (void)state;
    lines[0] = '\0';
    sc_log_init(SC_INFO, STDERR_FILENO);
    sc_log_set_sink(keep, NULL);
    return 0;
}

static void check_lines(const char *why, const char *want)
{
    CHECK_TEXT(why, lines, want);
    lines[0] = '\0';
}

static const struct sc_log_cx okta = {"okta", "okta-prod", "system_log"};

/* ---- one line ---- */

static void test_log_form(void **state)
{
    (void)state;
    SC_LOG(SC_INFO, &okta, "read=50 pages=1", "fetched %d events", 42);
    check_lines("as documented",
                STAMP "[INFO] okta: fetched 42 events integration=okta-prod data_type=system_log "
                      "read=50 pages=1|");
    SC_SAY(SC_WARN, "nats", "slow");
    check_lines("without context", STAMP "[WARN] nats: slow|");
    sc_log_write(SC_ERROR, &(struct sc_log_cx){0}, "", "x");
    check_lines("without component", STAMP "[ERROR] agent: x|");
    sc_log_write(SC_DEBUG, &(struct sc_log_cx){.component = "c", .data_type = "t"}, NULL, "x");
    check_lines("data type alone", STAMP "[DEBUG] c: x data_type=t|");
}

static void test_log_flat(void **state)
{
    (void)state;
    SC_SAY(SC_INFO, "a",
           "one\ntwo\r\t\x1b[31m\x7f end \xC2\x9B"
           "2J \xC3\xA9\xC2\xA0.");
    check_lines("control characters are blanks, letters stay",
                STAMP "[INFO] a: one two   [31m  end   2J \xC3\xA9\xC2\xA0.|");
    SC_LOG(SC_INFO, (&(struct sc_log_cx){"a", "x\ny", NULL}), "k=v\nfake=1", "m");
    check_lines("in every part", STAMP "[INFO] a: m integration=x y k=v fake=1|");
}

static int evaluated;

static int evaluate(void)
{
    return ++evaluated;
}

static void test_log_levels(void **state)
{
    (void)state;
    SC_SAY(SC_DEBUG, "a", "%d", evaluate());
    CHECK_INT("arguments of a line below the level", evaluated, 0);
    sc_log_set_level(SC_DEBUG);
    SC_SAY(SC_DEBUG, "a", "%d", evaluate());
    check_lines("now shown", STAMP "[DEBUG] a: 1|");
    sc_log_set_level(SC_ERROR);
    SC_SAY(SC_WARN, "a", "x");
    check_lines("below", "");
    static const struct {
        const char *in;
        bool good;
        enum sc_level want;
    } rows[] = {
        {"debug",   true,  SC_DEBUG},
        {"INFO",    true,  SC_INFO },
        {"Warn",    true,  SC_WARN },
        {"warning", true,  SC_WARN },
        {"error",   true,  SC_ERROR},
        {"",        false, SC_ERROR},
        {"inf",     false, SC_ERROR},
        {"infos",   false, SC_ERROR},
        {"2",       false, SC_ERROR},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        enum sc_level got = SC_ERROR;
        CHECK_INT(rows[i].in, sc_log_parse_level(rows[i].in, &got), rows[i].good);
        CHECK_INT(rows[i].in, got, rows[i].want);
    }
}

static void test_log_long(void **state)
{
    (void)state;
    char *text = malloc(3 * 1024 * 1024);
    assert_non_null(text);
    for (size_t len = 4000; len < 4200; len++) {
        for (size_t i = 0; i < len; i++)
            text[i] = i % 2 ? '\xA9' : '\xC3';
        text[len & ~(size_t)1] = '\0';
        const char *component =
            len % 4 < 2 ? "a" : "ab"; /* the cut comes before and in a character */
        SC_SAY(SC_INFO, component, "%s", text);
        size_t got = strlen(lines) - 1;
        CHECK_TRUE("4 KiB with the newline", got <= 4095);
        CHECK_TRUE("no more is cut than must be",
                   got == strlen(STAMP "[INFO] : ") + strlen(component) + strlen(text) ||
                       got >= 4094);
        CHECK_INT("no half character", (unsigned char)lines[got - 1], 0xA9);
        lines[0] = '\0';
    }
    memset(text, 'x', 3 * 1024 * 1024 - 1);
    text[3 * 1024 * 1024 - 1] = '\0';
    SC_SAY(SC_INFO, "a", "%s", text);
    check_lines(
        "absurd",
        STAMP "[INFO] agent: a log line was dropped: memory ran out, or it is longer than 1 MiB|");
    free(text);
}

static void test_log_redacted(void **state)
{
    (void)state;
    static const char secret[] = "sEcReT-0123456789\nsecond";
    sc_redact_add(secret, strlen(secret));
    SC_LOG(SC_INFO, &okta, "token=sEcReT-0123456789\nsecond", "got %s.", secret);
    check_lines("message and fields, with a newline in it",
                STAMP "[INFO] okta: got [redacted]. integration=okta-prod "
                      "data_type=system_log token=[redacted]|");
    char text[5000];
    memset(text, 'x', sizeof text);
    for (size_t at = 3900; at < 4110; at++) { /* the cut goes through the secret */
        memset(text, 'x', sizeof text);
        memcpy(text + at, secret, strlen(secret));
        text[sizeof text - 1] = '\0';
        SC_SAY(SC_INFO, "a", "%s", text);
        CHECK_TRUE("not even its beginning", strstr(lines, "sE") == NULL);
        lines[0] = '\0';
    }
    sc_redact_remove(secret, strlen(secret));
}

/* ---- repeats ---- */

static void test_log_repeats(void **state)
{
    (void)state;
    mono_ms = 0;
    for (int i = 0; i < 5; i++)
        SC_LOG(SC_WARN, &okta, i % 2 ? "n=1" : "n=2", "429");
    check_lines("once", STAMP "[WARN] okta: 429 integration=okta-prod data_type=system_log n=2|");
    mono_ms = 10 * MINUTE - 1;
    SC_LOG(SC_WARN, &okta, NULL, "429");
    check_lines("still counted", "");
    mono_ms = 10 * MINUTE;
    SC_LOG(SC_WARN, &okta, NULL, "429");
    check_lines("again, with the count",
                STAMP "[WARN] okta: 429 integration=okta-prod data_type=system_log repeated=5|");
    SC_LOG(SC_WARN, &okta, NULL, "429");
    check_lines("counted anew", "");
    SC_LOG(SC_ERROR, &okta, NULL, "500");
    check_lines("another message of the source", STAMP
                "[WARN] okta: 429 integration=okta-prod data_type=system_log repeated=1|" STAMP
                "[ERROR] okta: 500 integration=okta-prod data_type=system_log|");
    SC_LOG(SC_WARN, &okta, NULL, "429");
    SC_LOG(SC_ERROR, &okta, NULL, "500");
    SC_LOG(SC_WARN, &okta, NULL, "429");
    check_lines("two that alternate are both counted", "");
    mono_ms = 30 * MINUTE;
    SC_SAY(SC_INFO, "nats", "connected");
    check_lines("nothing is lost: what is over is told with the next line of anybody", STAMP
                "[WARN] okta: 429 integration=okta-prod data_type=system_log repeated=2|" STAMP
                "[ERROR] okta: 500 integration=okta-prod data_type=system_log repeated=1|" STAMP
                "[INFO] nats: connected|");
    SC_LOG(SC_WARN, &okta, NULL, "429");
    check_lines("and is new after",
                STAMP "[WARN] okta: 429 integration=okta-prod data_type=system_log|");
}

static void test_log_repeat_keys(void **state)
{
    (void)state;
    static const struct sc_log_cx cxs[] = {
        {"okta", "a",  "t" },
        {"okta", "b",  "t" },
        {"okta", "a",  "u" },
        {"jira", "a",  "t" },
        {"okta", "a",  NULL},
        {"okta", NULL, "a" },
    };
    mono_ms = 0;
    for (int round = 0; round < 2; round++)
        for (size_t i = 0; i < sizeof cxs / sizeof cxs[0]; i++)
            sc_log_write(SC_WARN, &cxs[i], NULL, "m");
    check_lines("each context counts for itself",
                STAMP "[WARN] okta: m integration=a data_type=t|" STAMP
                      "[WARN] okta: m integration=b data_type=t|" STAMP
                      "[WARN] okta: m integration=a data_type=u|" STAMP
                      "[WARN] jira: m integration=a data_type=t|" STAMP
                      "[WARN] okta: m integration=a|" STAMP "[WARN] okta: m data_type=a|");
    for (int i = 0; i < 3; i++)
        SC_SAY(SC_INFO, "a", "same");
    check_lines("INFO is never counted",
                STAMP "[INFO] a: same|" STAMP "[INFO] a: same|" STAMP "[INFO] a: same|");
}

static void test_log_repeat_bounded(void **state)
{
    (void)state;
    mono_ms = 0;
    SC_SAY(SC_WARN, "first", "m");
    SC_SAY(SC_WARN, "first", "m");
    check_lines("counted", STAMP "[WARN] first: m|");
    for (int i = 0; i < 63; i++) {
        char component[16];
        snprintf(component, sizeof component, "c%d", i);
        mono_ms++;
        SC_SAY(SC_WARN, component, "m");
    }
    CHECK_TRUE("room for 64", strstr(lines, "first") == NULL);
    lines[0] = '\0';
    SC_SAY(SC_WARN, "one-more", "m");
    check_lines("the oldest gives its place and its count",
                STAMP "[WARN] first: m repeated=1|" STAMP "[WARN] one-more: m|");
    SC_SAY(SC_WARN, "two-more", "m");
    check_lines("then the next oldest", STAMP "[WARN] two-more: m|");
    SC_SAY(SC_WARN, "one-more", "m");
    check_lines("not the newest", "");
    SC_SAY(SC_WARN, "c0", "m");
    check_lines("c0 it was", STAMP "[WARN] c0: m|");
}

/* ---- descriptor and threads ---- */

enum { THREADS = 4, LINES = 500 };

static void *log_many(void *arg)
{
    for (int i = 0; i < LINES; i++)
        SC_LOG(SC_INFO, (&(struct sc_log_cx){"t", arg, NULL}), NULL, "line %d of a thread", i);
    return NULL;
}

struct reader {
    int fd, good, bad;
};

/* A datagram is what one write(2) wrote. */
static void *read_lines(void *arg)
{
    struct reader *r = arg;
    char line[5000];
    ssize_t len;
    while (r->good + r->bad < THREADS * LINES && (len = read(r->fd, line, sizeof line - 1)) > 0) {
        line[len] = '\0';
        bool good = strncmp(line, STAMP "[INFO] t: line ", strlen(STAMP "[INFO] t: line ")) == 0 &&
                    strchr(line, '\n') == line + len - 1;
        *(good ? &r->good : &r->bad) += 1;
    }
    return NULL;
}

static void test_log_one_write(void **state)
{
    (void)state;
    int fds[2];
    pthread_t threads[THREADS], reader;
    assert_int_equal(socketpair(AF_UNIX, SOCK_DGRAM, 0, fds), 0);
    struct reader r = {.fd = fds[1]};
    sc_log_set_sink(NULL, NULL);
    sc_log_init(SC_INFO, fds[0]);
    CHECK_INT("thread", pthread_create(&reader, NULL, read_lines, &r), 0);
    static char names[THREADS][2] = {"0", "1", "2", "3"};
    for (int i = 0; i < THREADS; i++)
        CHECK_INT("thread", pthread_create(&threads[i], NULL, log_many, names[i]), 0);
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    pthread_join(reader, NULL);
    CHECK_INT("a line a write", r.good, THREADS * LINES);
    CHECK_INT("torn or joined", r.bad, 0);
    close(fds[0]);
    close(fds[1]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_log_form, setup),
        cmocka_unit_test_setup(test_log_flat, setup),
        cmocka_unit_test_setup(test_log_levels, setup),
        cmocka_unit_test_setup(test_log_long, setup),
        cmocka_unit_test_setup(test_log_redacted, setup),
        cmocka_unit_test_setup(test_log_repeats, setup),
        cmocka_unit_test_setup(test_log_repeat_keys, setup),
        cmocka_unit_test_setup(test_log_repeat_bounded, setup),
        cmocka_unit_test_setup(test_log_one_write, setup),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
