/* Jobs come back whatever happens to the server. */
#include "fixture.h"
#include "nats/reader.h"

#include <stdio.h>

static struct natsd server;
static struct sc_mailbox home;

struct job {
    struct sc_read_job job;
    int tries, fail_times;
    bool bad;
    struct sc_stream_info info;
};

static int run_info(struct sc_read_job *read_job, struct sc_session *session, struct sc_error *err)
{
    struct job *job = (struct job *)read_job;
    job->tries++;
    if (job->tries <= job->fail_times)
        return sc_fail(err, SC_REASON_BROKER_UNAVAILABLE, "as if broken");
    if (job->bad)
        return sc_fail(err, SC_REASON_CHECKPOINT_INVALID, "cannot be read");
    return sc_stream_info(session, "DATA", &job->info, err);
}

static struct job *new_job(uint32_t kind)
{
    struct job *job = calloc(1, sizeof *job);
    job->job = (struct sc_read_job){.mail.kind = kind, .home = &home, .run = run_info};
    return job;
}

static struct job *next_back(void)
{
    struct sc_mail *mail = sc_mailbox_wait(&home, WITHIN_MS);
    assert_non_null(mail);
    assert_null(mail->next);
    return (struct job *)mail;
}

static void test_reader(void **state)
{
    (void)state;
    struct sc_error err = SC_ERROR_INIT;
    natsd_start(&server, NULL);
    struct sc_nats_config config = fx_config(&server);
    assert_int_equal(sc_mailbox_init(&home, 16, NULL, NULL), 0);
    struct sc_session *session = fx_open(&server);
    assert_int_equal(sc_stream_create(session, "DATA", "d.>", 1000000000, &err), 0);
    struct sc_reader *reader = sc_reader_start(&config, &err);
    assert_non_null(reader);

    struct job *job = new_job(100);
    sc_reader_post(reader, &job->job);
    assert_ptr_equal(next_back(), job);
    assert_int_equal(job->job.mail.kind, 100);
    assert_string_equal(job->info.name, "DATA");
    assert_false(job->job.cancelled);
    free(job);

    job = new_job(101);
    job->fail_times = 2;
    sc_reader_post(reader, &job->job);
    assert_ptr_equal(next_back(), job);
    assert_int_equal(job->tries, 3);
    assert_int_equal(job->job.error.reason, SC_REASON_OK);
    free(job);

    job = new_job(102);
    job->bad = true;
    sc_reader_post(reader, &job->job);
    assert_ptr_equal(next_back(), job);
    assert_int_equal(job->tries, 1);
    assert_int_equal(job->job.error.reason, SC_REASON_CHECKPOINT_INVALID);
    assert_false(job->job.cancelled);
    free(job);

    natsd_kill(&server);
    job = new_job(103); /* posted while the server is away */
    sc_reader_post(reader, &job->job);
    natsd_restart(&server);
    assert_ptr_equal(next_back(), job);
    assert_string_equal(job->info.name, "DATA");
    free(job);
    sc_session_close(session);

    natsd_freeze(&server);
    struct job *one = new_job(104), *two = new_job(105);
    sc_reader_post(reader, &one->job);
    sc_reader_post(reader, &two->job);
    int64_t began = sc_mono_ms();
    assert_null(sc_reader_stop(reader));
    assert_true(sc_mono_ms() - began < 2000);
    int back = 0;
    for (struct sc_mail *mail = sc_mailbox_take(&home), *next; mail; mail = next, back++) {
        next = mail->next;
        assert_true(((struct job *)mail)->job.cancelled);
        free(mail);
    }
    assert_int_equal(back, 2);
    natsd_thaw(&server);
    natsd_kill(&server);

    reader = sc_reader_start(&config, &err); /* never connected */
    job = new_job(106);
    sc_reader_post(reader, &job->job);
    assert_null(sc_reader_stop(reader));
    assert_ptr_equal(next_back(), job);
    assert_true(job->job.cancelled);
    free(job);
    sc_mailbox_done(&home);
    natsd_stop(&server);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_reader)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
