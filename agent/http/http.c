/* The loop of one io thread: which transfers there are, what a turn does in which order, who is
 * told when. */
#include "http/http.h"

#include <assert.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>

#include "base/clock.h"
#include "http/transfer.h"

#define MAX_IDLE_CONNECTIONS 64L

int sc_http_global_init(struct sc_error *err)
{
    if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK || sc_peer_global_init() != 0)
        return sc_fail(err, SC_REASON_INTERNAL, "libcurl or OpenSSL cannot be initialised");
    signal(SIGPIPE, SIG_IGN); /* CURLOPT_NOSIGNAL leaves that to the program */
    return 0;
}

void sc_http_global_done(void)
{
    sc_dns_stop();
    curl_global_cleanup();
}

static void assert_owner(const struct sc_http *http)
{
    assert(pthread_equal(http->owner, pthread_self()));
    (void)http;
}

void sc_http_adopt(struct sc_http *http)
{
    http->owner = pthread_self();
}

static void fill_config(struct sc_http *http, const struct sc_http_config *config)
{
    struct sc_http_config *c = &http->config;
    *c = *config;
    c->connect_timeout_s = c->connect_timeout_s ? c->connect_timeout_s : 20;
    c->first_byte_timeout_s = c->first_byte_timeout_s ? c->first_byte_timeout_s : 120;
    c->stall_timeout_s = c->stall_timeout_s ? c->stall_timeout_s : 60;
    c->max_body = c->max_body ? c->max_body : (uint64_t)1 << 30;
    c->max_headers = c->max_headers ? c->max_headers : 256 * 1024;
    c->turn_bytes = c->turn_bytes ? c->turn_bytes : 256 * 1024;
    http->user_agent =
        sc_dup(config->user_agent ? config->user_agent : "signal-client/" SIGNAL_VERSION);
    http->ca_file = sc_dup(config->ca_file ? config->ca_file : "");
    c->user_agent = http->user_agent;
    c->ca_file = http->ca_file;
}

struct sc_http *sc_http_new(const struct sc_http_config *config, struct sc_error *err)
{
    struct sc_http *http = calloc(1, sizeof(*http));
    if (!http)
        goto fail;
    http->last = &http->first;
    http->owner = pthread_self();
    fill_config(http, config);
    http->trust = sc_trust_cache_new(http->ca_file);
    http->multi = curl_multi_init();
    if (!http->user_agent || !http->ca_file || !http->trust || !http->multi)
        goto fail;
    if (curl_multi_setopt(http->multi, CURLMOPT_MAXCONNECTS, MAX_IDLE_CONNECTIONS) != CURLM_OK ||
        curl_multi_setopt(http->multi, CURLMOPT_PIPELINING, CURLPIPE_NOTHING) != CURLM_OK)
        goto fail;
    return http;
fail:
    sc_fail(err, SC_REASON_MEMORY_LIMIT, "out of memory");
    return sc_http_free(http);
}

static void unlink_transfer(struct sc_transfer *t)
{
    *t->link = t->next;
    if (t->next)
        t->next->link = t->link;
    else
        t->http->last = t->link;
}

/* Takes it out of curl's hands and its timer out of the heap. */
static void detach(struct sc_transfer *t)
{
    if (sc_timer_armed(&t->timer))
        sc_heap_remove(&t->http->timers, &t->timer);
    if (t->state != SC_TRANSFER_NEW && t->state != SC_TRANSFER_ENDED)
        curl_multi_remove_handle(t->http->multi, t->easy);
}

struct sc_http *sc_http_free(struct sc_http *http)
{
    if (!http)
        return NULL;
    assert_owner(http);
    assert(!http->in_turn);
    while (http->first) {
        struct sc_transfer *t = http->first;
        detach(t);
        unlink_transfer(t);
        sc_transfer_free(t);
    }
    curl_multi_cleanup(http->multi);
    sc_trust_cache_free(http->trust);
    sc_client_cert_cache_free(&http->certs);
    sc_heap_done(&http->timers);
    free(http->user_agent);
    free(http->ca_file);
    free(http);
    return NULL;
}

void sc_http_set_done(struct sc_http *http, void (*done)(struct sc_transfer *transfer,
                                                         const struct sc_http_result *result))
{
    http->done = done;
}

struct sc_transfer *sc_http_start(struct sc_http *http, const struct sc_http_request *request,
                                  struct sc_error *err)
{
    assert_owner(http);
    struct sc_transfer *t = sc_transfer_new(http, request, err);
    if (!t)
        return NULL;
    t->link = http->last;
    *http->last = t;
    http->last = &t->next;
    t->ready_turn = http->turn + 1;
    http->work = true;
    return t;
}

void sc_http_cancel(struct sc_transfer *t)
{
    assert_owner(t->http);
    if (t->cancelled || t->in_done)
        return;
    t->cancelled = t->stopped = true;
    t->ready_turn = t->http->turn + 1;
    t->http->work = true;
}

void sc_http_resume(struct sc_transfer *t)
{
    assert_owner(t->http);
    if (t->stopped || !(t->paused || t->in_body))
        return;
    t->resume_asked = true;
    t->ready_turn = t->http->turn + 1;
    t->http->work = true;
}

struct sc_str sc_http_header(const struct sc_transfer *t, const char *name, unsigned nth)
{
    return t->final ? sc_head_get(&t->head, name, nth) : (struct sc_str){NULL, 0};
}

int sc_http_headers(const struct sc_transfer *t, struct sc_buf *out)
{
    const char *text = t->head.text.ptr;

    for (uint32_t i = 0; t->final && i < t->head.count; i++) {
        const struct sc_head_line *l = &t->head.lines[i];

        sc_buf_addf(out, "%.*s: %.*s\n", (int)l->name_len, text + l->name, (int)l->value_len, text + l->value);
    }
    return out->failed ? -1 : 0;
}

void sc_http_wakeup(struct sc_http *http)
{
    curl_multi_wakeup(http->multi);
}

static void give_to_curl(struct sc_transfer *t)
{
    t->state = SC_TRANSFER_CONNECTING;
    if (curl_multi_add_handle(t->http->multi, t->easy) == CURLM_OK)
        return;
    sc_transfer_fail(t, SC_REASON_MEMORY_LIMIT, "out of memory while starting a transfer");
    t->state = SC_TRANSFER_NEW;
    sc_http_end(t, CURLE_OUT_OF_MEMORY);
}

void sc_http_end(struct sc_transfer *t, CURLcode code)
{
    struct sc_http *http = t->http;
    bool onward = t->redirect && !t->stopped && (code == CURLE_OK || t->drained_enough);
    if (onward) {
        detach(t);
        t->state = SC_TRANSFER_NEW;
        if (sc_transfer_follow(t) == 0) {
            give_to_curl(t);
            http->work = true;
            return;
        }
    }
    sc_outcome_fill(t, code);
    detach(t);
    t->state = SC_TRANSFER_ENDED;
    t->stopped = true;
    sc_outcome_ask(t);
    http->work = true;
}

/* Waits for sockets, curl's timers, ours, a wakeup, at most timeout_ms. */
static void wait_for_work(struct sc_http *http, int64_t timeout_ms)
{
    int64_t wait = timeout_ms < 0 ? 0 : timeout_ms > 3600000 ? 3600000 : timeout_ms;
    if (http->work || wait == 0) {
        http->work = false;
        return;
    }
    if (http->timers.count > 0) {
        int64_t left = http->timers.nodes[0]->due_ms - sc_mono_ms();
        wait = left < 0 ? 0 : left < wait ? left : wait;
    }
    curl_multi_poll(http->multi, NULL, 0, (int)wait, NULL);
}

static void begin_new(struct sc_http *http)
{
    for (struct sc_transfer *t = http->first; t; t = t->next)
        if (t->state == SC_TRANSFER_NEW && !t->cancelled)
            give_to_curl(t);
}

static void read_messages(struct sc_http *http)
{
    CURLMsg *msg;
    int left;
    while ((msg = curl_multi_info_read(http->multi, &left)) != NULL) {
        struct sc_transfer *t = NULL;
        CURLcode code = msg->data.result;
        if (msg->msg == CURLMSG_DONE &&
            curl_easy_getinfo(msg->easy_handle, CURLINFO_PRIVATE, &t) == CURLE_OK)
            sc_http_end(t, code);
    }
}

/* Goes on with one that body() or we had paused. curl offers what it holds at once, here. */
static void unpause(struct sc_transfer *t)
{
    struct sc_http *http = t->http;
    t->paused = t->yielded = t->resume_asked = false;
    t->progress_ms = http->now_ms;
    CURLcode code = curl_easy_pause(t->easy, CURLPAUSE_CONT);
    if (code != CURLE_OK)
        sc_http_end(t, code);
    else if (!sc_timer_armed(&t->timer) &&
             sc_heap_set(&http->timers, &t->timer,
                         http->now_ms + (int64_t)http->config.stall_timeout_s * 1000) != 0) {
        sc_transfer_fail(t, SC_REASON_MEMORY_LIMIT, "out of memory");
        sc_http_end(t, CURLE_OUT_OF_MEMORY);
    }
}

/* After the others had their share of this turn. What pauses again in here waits for the next one.
 */
static void resume_paused(struct sc_http *http)
{
    for (struct sc_transfer *t = http->first; t; t = t->next) {
        if (t->state != SC_TRANSFER_BODY || t->stopped || t->turn_seen == http->turn)
            continue;
        bool asked = t->resume_asked && t->ready_turn <= http->turn;
        if (asked && !t->paused)
            t->resume_asked = false;
        if ((asked && t->paused) || (t->yielded && !t->paused))
            unpause(t);
    }
}

static void end_cancelled(struct sc_http *http)
{
    for (struct sc_transfer *t = http->first; t; t = t->next)
        if (t->cancelled && t->state != SC_TRANSFER_ENDED)
            sc_http_end(t, CURLE_ABORTED_BY_CALLBACK);
}

static void reap(struct sc_http *http)
{
    struct sc_transfer *next;
    for (struct sc_transfer *t = http->first; t; t = next) {
        if (t->state == SC_TRANSFER_ENDED && !sc_outcome_asked(t)) {
            next = t->next;
            continue;
        }
        if (t->state == SC_TRANSFER_ENDED && t->ready_turn <= http->turn) {
            if (t->cancelled) {
                t->result.aborted = true;
                t->result.reason = SC_REASON_OK;
                t->result.text[0] = '\0';
            }
            t->in_done = true;
            if (t->on_done)
                t->on_done(t, &t->result);
            next = t->next;
            unlink_transfer(t);
            sc_transfer_free(t);
            continue;
        }
        next = t->next;
        if (t->state == SC_TRANSFER_NEW || t->state == SC_TRANSFER_ENDED || t->yielded ||
            t->resume_asked || t->cancelled)
            http->work = true;
    }
}

void sc_http_turn(struct sc_http *http, int64_t timeout_ms)
{
    int running;
    assert_owner(http);
    if (http->in_turn)
        return; /* a callback of ours that waits for itself */
    wait_for_work(http, timeout_ms);
    http->in_turn = true;
    http->work = false;
    http->turn++;
    http->now_ms = sc_mono_ms();
    end_cancelled(http);
    begin_new(http);
    curl_multi_perform(http->multi, &running);
    read_messages(http);
    resume_paused(http);
    sc_heap_run(&http->timers, http->now_ms);
    end_cancelled(http);
    reap(http);
    http->in_turn = false;
}
