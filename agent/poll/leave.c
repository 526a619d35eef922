/* Taking back what an open walk has made at the vendor (a job), when the data type is switched off or its integration goes: one request, sent at once
 * or not at all, never waited for by anybody but its own poller. Not at a stop of the agent: the walk goes on with the next start.
 * io thread of the poller. */
#include "poll/backfill.h"

#include <stdio.h>

#define FIRST_BYTE_S 10u /* what is deleted may be put again under the same name, and waits for this */

static bool leaves(const struct sc_poller *p)
{
    const struct sc_io *io = p->inst->io;
    return p->inst->config->connector->ops->leave && !p->left && !io->stopping && !io->config.settings->offline_mode && (sc_is_backfill(p) ? p->errand->backfill->stop : !p->errand && (p->edit || !sc_poller_is_enabled(p)));
}

bool sc_leave_due(const struct sc_poller *p)
{
    return leaves(p) && !p->finish && p->walk && json_object_size(p->walk) > 0;
}

bool sc_leave_stored_due(const struct sc_poller *p)
{
    return leaves(p) && json_object_size(p->cp.walk) > 0;
}

static void dropped(const struct sc_poller *p, const char *why)
{
    struct sc_log_cx cx = sc_poller_cx(p);
    SC_LOG(SC_DEBUG, &cx, NULL, "what the walk made at the vendor is not taken back: %s", why);
}

/* The walk is no longer one that could go on. */
static void forget_walk(struct sc_poller *p)
{
    json_decref(p->cp.walk);
    p->cp.walk = NULL;
    p->cp.walk_page = 0;
    p->dirty = true;
}

static bool on_head(void *arg, struct sc_transfer *transfer, int status)
{
    (void)arg, (void)transfer, (void)status;
    return true;
}

/* What it says does not matter. */
static ptrdiff_t on_body(void *arg, struct sc_transfer *transfer, const char *bytes, size_t len)
{
    (void)arg, (void)transfer, (void)bytes, (void)len;
    return -1;
}

static void on_done(struct sc_transfer *transfer, const struct sc_http_result *result)
{
    struct sc_poller *p = result->arg;
    struct sc_log_cx cx = sc_poller_cx(p);
    bool taken = (result->status >= 200 && result->status < 300) || result->status == 404 || result->status == 410;
    p->out--;
    sc_show_request(p->inst->source, result);
    p->leaving = NULL;
    sc_reply_keep_named_wait(p, transfer, result);
    sc_request_release(p);
    p->request_pools[0] = NULL;
    if (taken && p->loaded && !p->leave_stale) {
        forget_walk(p);
        SC_LOG(SC_INFO, &cx, NULL, "what the open walk had made at the vendor is taken back; polled again, it begins anew from its position");
    } else {
        char why[64];
        snprintf(why, sizeof why, "the vendor says %d", result->status);
        dropped(p, result->status ? why : result->text[0] ? result->text : "no answer");
    }
    sc_poller_wake(p);
}

static int send_it(struct sc_poller *p, const struct sc_request *rq, struct sc_error *err)
{
    const struct sc_integration *config = p->inst->config;
    SC_AUTO_BUF struct sc_buf url = {0};
    char *lines[SC_HEADER_LINES] = {NULL}, shown[512];
    int rc = sc_url_join(config->base_url, rq->url, &url);
    if (rc == 0)
        rc = sc_authorize(p, rq, url.ptr, lines, err);
    if (rc == 0) {
        struct sc_http_request hr = {
            .method = sc_method_name(rq->method), .url = url.ptr, .headers = (const char *const *)lines, .content = rq->body, .proxy = config->proxy,
            .ca_file = config->ca_file, .cert_file = config->cert_file, .key_file = config->key_file, .verify = config->tls_verify, .allow_plain_http = config->allow_insecure_http, .no_redirects = true,
            .first_byte_timeout_s = FIRST_BYTE_S, .arg = p, .done = on_done, .head = on_head, .body = on_body,
        };
        p->leaving = sc_http_start(p->inst->io->http, &hr, err);
        rc = p->leaving ? 0 : -1;
    }
    for (unsigned i = 0; lines[i]; i++)
        sc_secret_free(lines[i]);
    if (rc == 0) {
        struct sc_log_cx cx = sc_poller_cx(p);
        SC_LOG(SC_DEBUG, &cx, NULL, "request %s %s, to take back what the walk has made", sc_method_name(rq->method),
               sc_redact_url(url.ptr, shown, sizeof shown));
    }
    return rc;
}

static bool token_at_hand(const struct sc_poller *p)
{
    const struct sc_token *t = p->asked_token;
    return t && t->credential == p->inst->credential && t->value && p->inst->io->now < t->expires_ms;
}

void sc_leave_send(struct sc_poller *p)
{
    struct sc_request rq = {0};
    struct sc_error err = SC_ERROR_INIT;
    const struct sc_hold *hold = NULL;
    p->left = true;
    p->leave_stale = false;
    sc_host_release(p);
    if (!p->inst->config->connector->ops->leave(&p->host, &rq))
        return;
    if (!rq.url)
        dropped(p, "out of memory");
    else if (sc_poller_not_before(p, &hold) > p->inst->io->now || sc_request_when(p, &rq) > p->inst->io->now)
        dropped(p, "the vendor may not be asked now");
    else if (!rq.no_auth && sc_auth_needs_token(p) && !token_at_hand(p))
        dropped(p, "there is no token at hand");
    else if (send_it(p, &rq, &err))
        dropped(p, err.text[0] ? err.text : "out of memory");
    else {
        sc_request_take(p, &rq);
        p->out++;
    }
    sc_host_release(p);
}

void sc_leave_cancel(struct sc_poller *p)
{
    struct sc_transfer *transfer = p->leaving;
    p->leaving = NULL;
    if (transfer)
        sc_http_cancel(transfer);
}
