/* The steps that do something: they move time, answer requests, write values, disturb the broker. What only compares is in expect.c. */
#include "play.h"

#include <stdio.h>
#include <stdlib.h>

/* ---- words ------------------------------------------------------------------------------------------------------------------ */

static bool take_duration(const char *number, const char *unit, int64_t *ret)
{
    static const struct {
        const char *name;
        double ms;
    } units[] = {{"ms", 1}, {"s", 1000}, {"min", 60000}, {"h", 3600000}};
    char *end;
    double value = strtod(number, &end);
    if (end == number || *end || value < 0)
        return false;
    for (size_t i = 0; i < sizeof units / sizeof *units; i++) {
        if (strcmp(unit, units[i].name) == 0) {
            *ret = (int64_t)(value * units[i].ms + 0.5);
            return true;
        }
    }
    return false;
}

static int take_reason(struct ex_play *play, const char *name, enum sc_reason *ret)
{
    for (int i = 0; i < SC_REASON_COUNT; i++) {
        if (strcmp(sc_reason_code((enum sc_reason)i), name) == 0) {
            *ret = (enum sc_reason)i;
            return 0;
        }
    }
    return ex_wrong(play, "\"%s\" is no reason: signal/reason.h has the codes", name);
}

/* ---- time --------------------------------------------------------------------------------------------------------------------- */

bool ex_has_request(struct ex_play *play)
{
    return play->io && ex_vendor_pending_count(play->io->http) > 0;
}

/* "24..36 s", "41 s", "until TIME": earliest and latest in monotonic ms. A single time has a second's grace. */
static int read_range(struct ex_play *play, int64_t *from, int64_t *to)
{
    char first[64], unit[64];
    const char *rest = play->step->args;
    int64_t now = play->since_ms;
    ex_take_word(&rest, first, sizeof first);
    ex_take_word(&rest, unit, sizeof unit);
    if (strcmp(first, "until") == 0) {
        int64_t at = sc_time_parse_rfc3339(sc_str_of(unit));
        *from = ex_clock_mono() + (at - ex_clock_real());
        *to = *from + 1000;
        return at == SC_TIME_NONE || *rest ? ex_wrong(play, "wait until TIME") : 0;
    }
    char *dots = strstr(first, "..");
    if (dots)
        *dots = '\0';
    if (*rest || !take_duration(first, unit, from) || !take_duration(dots ? dots + 2 : first, unit, to))
        return ex_wrong(play, "a wait is \"41 s\", \"24..36 s\" (ms, s, min, h) or \"until TIME\"");
    *to += now + (dots ? 0 : 1000);
    *from += now;
    return 0;
}

static int step_wait(struct ex_play *play)
{
    int64_t from = 0, to = 0;
    char at[SC_TIME_TEXT];
    if (read_range(play, &from, &to))
        return -1;
    int64_t began = play->since_ms;
    int rc = ex_run_until(play, to, ex_has_request);
    if (rc < 0)
        return -1;
    if (rc == 0) {
        ex_wrong(play, "expected the next request within %lld ms, none came", (long long)(to - began));
        ex_tell_state(play);
        return -1;
    }
    if (ex_clock_mono() < from)
        return ex_wrong(play, "expected no request for %lld ms\n  + %s %s\n    came after %lld ms, at %s", (long long)(from - began),
                        ex_vendor_method(ex_vendor_pending(play->io->http)), ex_vendor_url(ex_vendor_pending(play->io->http)),
                        (long long)(ex_clock_mono() - began), sc_time_rfc3339(ex_clock_real(), at));
    return 0;
}

static int step_after(struct ex_play *play)
{
    char number[64], unit[64];
    const char *rest = play->step->args;
    int64_t ms;
    ex_take_word(&rest, number, sizeof number);
    ex_take_word(&rest, unit, sizeof unit);
    if (*rest || !take_duration(number, unit, &ms))
        return ex_wrong(play, "after takes one time: \"38 s\" (ms, s, min, h)");
    if (ex_calm(play))
        return -1;
    int64_t began = ex_clock_mono();
    if (ex_has_request(play))
        return ex_wrong(play, "expected no request now\n  + %s %s", ex_vendor_method(ex_vendor_pending(play->io->http)),
                        ex_vendor_url(ex_vendor_pending(play->io->http)));
    int rc = ex_run_until(play, began + ms, ex_has_request);
    if (rc > 0)
        return ex_wrong(play, "expected no request for %lld ms\n  + %s %s\n    came after %lld ms", (long long)ms,
                        ex_vendor_method(ex_vendor_pending(play->io->http)), ex_vendor_url(ex_vendor_pending(play->io->http)),
                        (long long)(ex_clock_mono() - began));
    if (rc == 0)
        ex_clock_forward(began + ms - ex_clock_mono());
    return rc < 0 ? -1 : ex_calm(play);
}

/* ---- replies ------------------------------------------------------------------------------------------------------------------- */

static int give(struct ex_play *play, struct ex_reply *reply)
{
    struct sc_transfer *t = play->io ? ex_vendor_matched(play->io->http) : NULL;
    if (!t)
        return ex_wrong(play, "there is no request that waits for a reply");
    ex_vendor_reply(t, reply);
    play->exchanges++;
    return ex_calm(play);
}

/* cut N [REASON [TEXT]]: the connection ends behind N bytes of the body. */
static int cut_reply(struct ex_play *play, struct ex_reply *reply)
{
    char number[32], reason[64] = "connection_lost";
    const char *rest = play->step->cut;
    int64_t at;
    ex_take_word(&rest, number, sizeof number);
    if (!sc_parse_int(sc_str_of(number), &at) || at < 0 || (uint64_t)at > reply->body_len)
        return ex_wrong(play, "cut %s: the body has %zu bytes", number, reply->body_len);
    if (*rest)
        ex_take_word(&rest, reason, sizeof reason);
    reply->body_len = (size_t)at;
    reply->text = *rest ? rest : "the connection ended in the middle of the reply";
    return take_reason(play, reason, &reply->reason);
}

static int step_reply(struct ex_play *play)
{
    const struct ex_step *step = play->step;
    int64_t status;
    struct ex_reply reply = {.headers = step->block ? step->block : "", .body = step->body ? step->body : "", .body_len = step->body_len};
    char word[32];
    const char *rest = step->args;
    ex_take_word(&rest, word, sizeof word);
    if (!sc_parse_int(sc_str_of(word), &status) || status < 100 || status > 599)
        return ex_wrong(play, "reply takes a status from 100 to 599");
    reply.status = (int)status;
    if (step->cut && cut_reply(play, &reply))
        return -1;
    return give(play, &reply);
}

static int step_fail(struct ex_play *play)
{
    char reason[64];
    const char *rest = play->step->args;
    struct ex_reply reply = {.headers = "", .body = ""};
    ex_take_word(&rest, reason, sizeof reason);
    if (take_reason(play, reason, &reply.reason))
        return -1;
    reply.text = *rest ? rest : sc_reason_meaning(reply.reason);
    return give(play, &reply);
}

/* ---- setting up ----------------------------------------------------------------------------------------------------------------- */

static int step_clock(struct ex_play *play)
{
    int64_t at = sc_time_parse_rfc3339(sc_str_of(play->step->args));
    if (at == SC_TIME_NONE)
        return ex_wrong(play, "clock takes a time as 2026-05-01T10:05:00Z");
    ex_clock_set(at);
    return 0;
}

static int step_setting(struct ex_play *play)
{
    char key[64];
    const char *rest = play->step->args;
    struct sc_error err = SC_ERROR_INIT;
    ex_take_word(&rest, key, sizeof key);
    if (play->override_count == sizeof play->overrides / sizeof *play->overrides)
        return ex_wrong(play, "too many settings");
    if (sc_settings_check_option(key, rest, &err))
        return ex_wrong(play, "%s", err.text);
    char *copy = sc_dup(key);
    play->overrides[play->override_count++] = (struct sc_option){copy, rest};
    return 0;
}

static int step_nats(struct ex_play *play)
{
    char key[64];
    const char *rest = play->step->args;
    ex_take_word(&rest, key, sizeof key);
    return ex_broker_set(play->broker, key, rest)
               ? ex_wrong(play, "nats takes max_payload, duplicate_window_s, batches, purged, lacks (numbers), created (a time), retention "
                                "(limits, interest, workqueue)")
               : 0;
}

static int step_stored(struct ex_play *play)
{
    char id[600];
    const char *rest = play->step->args;
    char time[64], at[8];
    ex_take_word(&rest, id, sizeof id);
    ex_take_word(&rest, time, sizeof time);
    ex_take_word(&rest, at, sizeof at);
    int64_t stored = sc_time_parse_rfc3339(sc_str_of(*at ? rest : time));
    if (*at && (strcmp(at, "at") != 0 || stored == SC_TIME_NONE))
        return ex_wrong(play, "stored ID [TIME [at TIME]]");
    ex_broker_stored(play->broker, id, time, stored != SC_TIME_NONE ? stored : ex_clock_real());
    play->records_told = play->records_shown = ex_broker_records(play->broker);
    return 0;
}

static int step_chunks(struct ex_play *play)
{
    int64_t n;
    if (!sc_parse_int(sc_str_of(play->step->args), &n) || n < 1)
        return ex_wrong(play, "chunks takes a number of bytes");
    if (!play->options->chunk)
        play->chunk = (size_t)n;
    return 0;
}

/* ---- the broker, the operator, the end of a process -------------------------------------------------------------------------------- */

static int step_hold(struct ex_play *play, bool on)
{
    static const char *const kinds[EX_HELD_KINDS] = {"posts", "acks", "saves", "reads"};
    for (int i = 0; i < EX_HELD_KINDS; i++) {
        if (strcmp(play->step->args, kinds[i]) == 0) {
            ex_broker_hold(play->broker, (enum ex_held)i, on);
            return ex_calm(play);
        }
    }
    return ex_wrong(play, "hold and release take posts, acks, saves or reads");
}

static int step_broker(struct ex_play *play)
{
    char word[32], reason[64];
    const char *rest = play->step->args;
    enum sc_reason why = SC_REASON_OK;
    ex_take_word(&rest, word, sizeof word);
    if (strcmp(word, "up") == 0) {
        ex_broker_state(play->broker, SC_BROKER_READY, SC_REASON_OK, "");
    } else if (strcmp(word, "anew") == 0) {
        ex_broker_new_generation(play->broker);
    } else if (strcmp(word, "down") == 0) {
        ex_take_word(&rest, reason, sizeof reason);
        if (take_reason(play, reason, &why))
            return -1;
        ex_broker_state(play->broker, SC_BROKER_DOWN, why, *rest ? rest : sc_reason_meaning(why));
    } else {
        return ex_wrong(play, "broker takes up, anew, or down REASON TEXT");
    }
    return ex_calm(play);
}

static int step_refuse(struct ex_play *play)
{
    int64_t n;
    if (!sc_parse_int(sc_str_of(play->step->args), &n) || n < 1)
        return ex_wrong(play, "refuse takes how many records come back as too large");
    ex_broker_refuse(play->broker, (unsigned)n);
    return 0;
}

static int step_write(struct ex_play *play)
{
    char bucket[64], key[600];
    const char *rest = play->step->args;
    ex_take_word(&rest, bucket, sizeof bucket);
    ex_take_word(&rest, key, sizeof key);
    if (!*key || *rest)
        return ex_wrong(play, "write takes a bucket and a key");
    ex_broker_write(play->broker, bucket, key, play->step->block);
    return 0;
}

static int step_host_clock(struct ex_play *play)
{
    int64_t at = sc_time_parse_rfc3339(sc_str_of(play->step->args));
    if (at == SC_TIME_NONE)
        return ex_wrong(play, "host-clock takes a time as 2026-05-01T10:05:00Z");
    ex_clock_of_host(at);
    return 0;
}

static int step_memory(struct ex_play *play)
{
    static const char *const words[] = {"ample", "near", "full"};
    static const unsigned percents[] = {10, 86, 96};
    for (int i = 0; i < 3; i++) {
        if (strcmp(play->step->args, words[i]) != 0)
            continue;
        play->memory.limit = UINT64_C(512) << 20;
        play->memory.resident = play->memory.limit / 100 * percents[i];
        play->memory.level = i;
        return 0;
    }
    return ex_wrong(play, "memory takes ample, near or full");
}

static int step_restart(struct ex_play *play, bool crash)
{
    if (ex_calm(play))
        return -1;
    if (crash)
        ex_agent_crash(play);
    else if (ex_agent_stop(play))
        return -1;
    sc_log_init(SC_INFO, 2); /* another process: no line counts as a repetition */
    return ex_agent_start(play);
}

static int setup_step(struct ex_play *play)
{
    const struct ex_step *step = play->step;
    switch ((int)step->word) {
    case EX_INTEGRATION:
        return ex_put_value(play, step->args, step->block, false);
    case EX_CLOCK:
        return step_clock(play);
    case EX_SETTING:
        return step_setting(play);
    case EX_NATS:
        return step_nats(play);
    case EX_STORED:
        return step_stored(play);
    case EX_GIVEN:
        return ex_given_checkpoint(play, step->args, step->block);
    case EX_CHUNKS:
        return step_chunks(play);
    default:
        return ex_wrong(play, "not a step");
    }
}

static int expect_step(struct ex_play *play)
{
    switch ((int)play->step->word) {
    case EX_REQUEST:
        return ex_expect_request(play);
    case EX_RECORD:
    case EX_AGAIN:
        return ex_expect_record(play, false);
    case EX_DUPLICATE:
        return ex_expect_record(play, true);
    case EX_CHECKPOINT:
        return ex_expect_checkpoint(play);
    case EX_STATUS:
        return ex_expect_status(play);
    case EX_LOG:
        return ex_expect_log(play);
    case EX_LETTER:
        return ex_expect_letter(play);
    case EX_SAID:
        return ex_expect_said(play);
    case EX_ENDED:
        return ex_expect_ended(play);
    case EX_UNTOUCHED:
        return ex_expect_untouched(play);
    case EX_END:
        return ex_expect_end(play);
    default:
        return ex_wrong(play, "not a step");
    }
}

static int one_step(struct ex_play *play)
{
    const struct ex_step *step = play->step;
    if (ex_word_is_setup(step->word))
        return setup_step(play);
    switch ((int)step->word) {
    case EX_REPLY:
        return step_reply(play);
    case EX_FAIL:
        return step_fail(play);
    case EX_WAIT:
        return step_wait(play);
    case EX_AFTER:
        return step_after(play);
    case EX_PUT:
        return ex_put_value(play, step->args, step->block, true);
    case EX_DELETE:
        return ex_delete_value(play, step->args);
    case EX_WRITE:
        return step_write(play);
    case EX_HOLD:
        return step_hold(play, true);
    case EX_RELEASE:
        return step_hold(play, false);
    case EX_BROKER:
        return step_broker(play);
    case EX_REFUSE:
        return step_refuse(play);
    case EX_CRASH:
        return step_restart(play, true);
    case EX_RESTART:
        return step_restart(play, false);
    case EX_HOST_CLOCK:
        return step_host_clock(play);
    case EX_MEMORY:
        return step_memory(play);
    case EX_POLL:
    case EX_DRY:
        return ex_step_ask(play, step->word == EX_DRY);
    case EX_GIVE_UP:
        return ex_step_give_up(play);
    case EX_ASK:
        return ex_step_ask_for(play);
    default:
        return expect_step(play);
    }
}

int ex_step(struct ex_play *play)
{
    const struct ex_step *step = play->step;
    if (play->options->show && !play->setting_up)
        ex_show_outcome(play);
    if (play->options->show)
        ex_show_step(play);
    bool waits = step->word == EX_WAIT || step->word == EX_RECORD || step->word == EX_DUPLICATE || step->word == EX_CHECKPOINT ||
                 step->word == EX_STATUS || step->word == EX_LOG || step->word == EX_LETTER || step->word == EX_SAID || step->word == EX_ENDED || step->word == EX_UNTOUCHED ||
                 step->word == EX_AGAIN;
    int rc = one_step(play);
    if (!waits)
        play->since_ms = ex_clock_mono();
    return rc;
}
