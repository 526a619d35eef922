/* The agent's line of an hour, out of what the io threads have put up. (The line of an integration: tests/lib/exchange/probe/hourly.exchange.) */
#include "poll/poller.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "check.h"

#include <stdlib.h>

static char line[4096];
static unsigned lines;

static void keep(const char *text, void *arg)
{
    (void)arg;
    lines++;
    snprintf(line, sizeof line, "%s", strstr(text, "] ") ? strstr(text, "] ") + 2 : text);
}

static struct sc_io *put(struct sc_io_hour hour)
{
    struct sc_io *io = calloc(1, sizeof *io);
    assert_non_null(io);
    pthread_mutex_init(&io->hour_lock, NULL);
    io->hour = hour;
    return io;
}

static void test_hourly_agent(void **state)
{
    (void)state;
    struct sc_io *ios[2] = {put((struct sc_io_hour){.number = 1, .integrations = 1, .polls = 1, .records = 1}), put((struct sc_io_hour){0})};
    uint64_t said = 0;
    sc_log_init(SC_INFO, 2);
    sc_log_set_sink(keep, NULL);
    CHECK_INT("one thread's hour is not over", sc_io_hour_say(ios, 2, &said), false);
    ios[1]->hour = (struct sc_io_hour){.number = 1};
    CHECK_INT("now both are", sc_io_hour_say(ios, 2, &said), true);
    CHECK_TEXT("one of each", line, "agent: last hour: 1 integration, 1 poll, 1 record");
    CHECK_INT("once", sc_io_hour_say(ios, 2, &said), false);
    ios[0]->hour = (struct sc_io_hour){.number = 2, .integrations = 700, .idle = 10, .bad = 1, .polls = 9744, .records = 1204120, .names = "jamf (auth_expired)"};
    ios[1]->hour = (struct sc_io_hour){.number = 2, .integrations = 312, .idle = 300, .bad = 2, .polls = 256, .records = 0,
                                       .names = "okta-eu (dns_failure), okta-us (dns_failure)"};
    CHECK_INT("the next hour", sc_io_hour_say(ios, 2, &said), true);
    CHECK_TEXT("sums", line, "agent: last hour: 1,012 integrations, 10,000 polls, 1,204,120 records; good and nothing new: 310; in error: 3, jamf (auth_expired), "
                             "okta-eu (dns_failure), okta-us (dns_failure)");
    memset(ios[0]->hour.names, 'x', 300);
    ios[0]->hour.names[300] = '\0';
    ios[0]->hour.number = ios[1]->hour.number = 3;
    CHECK_INT("too many names", sc_io_hour_say(ios, 2, &said), true);
    CHECK_TEXT("are cut", strstr(line, "xx, …") ? "xx, …" : line, "xx, …");
    CHECK_INT("a line an hour", lines, 3);
    sc_log_set_sink(NULL, NULL);
    for (int i = 0; i < 2; i++) {
        pthread_mutex_destroy(&ios[i]->hour_lock);
        free(ios[i]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_hourly_agent)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
