#include "control/internal.h"

#include "base/clock.h"
#include "base/hash.h"
#include "base/log.h"
#include "control/request.h"
#include "nats/service.h"
#include "poll/ask.h"

#include <stdio.h>
#include <stdlib.h>

#define ALIVE_MS   2000
#define SILENT_MS  15000 /* whoever asked is gone */
#define CANCEL_MS  5000  /* how long an end may take that was asked for */
#define TURN_LINES 512u  /* of one request, before others have their turn */

struct open_request {
    uint64_t id; /* 0: free */
    char *reply;
    char op[16];
    struct sc_sink *sink;
    struct sc_io *io; /* NULL: nothing works at it, its end is in the sink */
    int64_t heard_ms, alive_ms, cancelled_ms; /* monotonic; cancelled_ms 0: not */
};

struct sc_control {
    struct sc_control_config config;
    char *appliance_id;
    struct sc_service *service;
    /* the thread's */
    struct open_request open[SC_CONTROL_OPEN];
};

/* ---- answers ----------------------------------------------------------------------------------------------------------------------------- */

static void send_text(struct sc_service *service, const char *reply, const char *text)
{
    if (*reply && text)
        (void)!sc_service_send(service, reply, sc_str_of(text));
}

/* Everything that the sink holds and its end, to somebody for whom no request is kept open. */
static void send_all(struct sc_service *service, const char *reply, struct sc_sink *sink)
{
    bool last = false;
    for (char *text; !last && (text = sc_sink_take(sink, &last));) {
        send_text(service, reply, text);
        free(text);
    }
}

static void answer(struct sc_service *service, const char *reply, json_t *line, bool ok, const char *text)
{
    struct sc_sink *sink = *reply ? sc_sink_new(NULL, NULL) : NULL;
    if (!sink) {
        json_decref(line);
        return;
    }
    if (line)
        sc_sink_put(sink, "line", line);
    sc_sink_end(sink, ok, text);
    send_all(service, reply, sink);
    sc_sink_unref(sink);
}

static void say_alive(struct sc_control *c, struct sc_service *service, struct open_request *r)
{
    struct sc_buf line SC_AUTO_BUF = {0};
    sc_buf_addf(&line, "{\"alive\":{\"id\":\"%016llx\",\"agent\":", (unsigned long long)r->id);
    sc_buf_add_json(&line, sc_str_of(c->appliance_id));
    sc_buf_add_str(&line, ",\"version\":\"" SIGNAL_VERSION "\"}}");
    r->alive_ms = sc_mono_ms();
    if (!line.failed)
        (void)!sc_service_send(service, r->reply, sc_buf_str(&line));
}

/* ---- open requests ------------------------------------------------------------------------------------------------------------------------- */

static void forget(struct open_request *r)
{
    sc_sink_close(r->sink);
    sc_sink_unref(r->sink);
    free(r->reply);
    *r = (struct open_request){0};
}

static struct open_request *request_of(struct sc_control *c, uint64_t id)
{
    for (size_t i = 0; i < SC_CONTROL_OPEN; i++) {
        if (c->open[i].id == id)
            return &c->open[i];
    }
    return NULL;
}

static void cancel(struct open_request *r, const char *why)
{
    if (r->cancelled_ms)
        return;
    SC_SAY(SC_DEBUG, "control", "%s (request %016llx): %s", r->op, (unsigned long long)r->id, why);
    r->cancelled_ms = sc_mono_ms();
    if (r->io)
        sc_io_cancel(r->io, r->id, why);
}

static void on_notify(void *arg)
{
    sc_service_poke(arg);
}

static struct open_request *open_one(struct sc_control *c, struct sc_service *service, const char *op, const char *reply)
{
    struct open_request *r = request_of(c, 0);
    if (!r)
        return NULL;
    *r = (struct open_request){.reply = sc_dup(reply), .sink = sc_sink_new(on_notify, service)};
    if (!r->reply || !r->sink) {
        sc_sink_unref(r->sink);
        free(r->reply);
        *r = (struct open_request){0};
        return NULL;
    }
    while (!r->id)
        sc_random(&r->id, sizeof r->id);
    snprintf(r->op, sizeof r->op, "%s", op);
    r->heard_ms = sc_mono_ms();
    return r;
}

/* ---- requests ------------------------------------------------------------------------------------------------------------------------------ */

static void to_io(struct sc_control *c, struct sc_service *service, json_t *request, const char *op, const char *reply)
{
    const char *name = json_string_value(json_object_get(request, "integration"));
    struct sc_error err = SC_ERROR_INIT;
    struct sc_io *io = sc_registry_find(c->config.registry, name, &err);
    struct open_request *r = io ? open_one(c, service, op, reply) : NULL;
    if (!r) {
        char many[120];
        snprintf(many, sizeof many, "%u requests are open already: wait until one of them has ended", SC_CONTROL_OPEN);
        answer(service, reply, NULL, false, io ? many : err.text);
        json_decref(request);
        return;
    }
    struct sc_log_cx cx = {"control", name, NULL};
    SC_LOG(SC_DEBUG, &cx, NULL, "%s (request %016llx)", op, (unsigned long long)r->id);
    say_alive(c, service, r);
    struct sc_ask *ask = sc_ask_new(r->id, request, r->sink);
    if (!ask) {
        sc_sink_end(r->sink, false, "out of memory");
        json_decref(request);
        return;
    }
    r->io = io;
    sc_io_ask(io, ask);
}

static void set_level(struct sc_service *service, const json_t *request, const char *reply)
{
    char said[SC_LEVEL_SAID];
    bool good = sc_control_level(request, said);
    answer(service, reply, json_pack("{s:s}", "log_level", said), good, said);
}

static void keep_or_cancel(struct sc_control *c, struct sc_service *service, const json_t *request, bool is_cancel, const char *reply)
{
    uint64_t id = sc_request_id(request);
    struct open_request *r = id ? request_of(c, id) : NULL;
    if (r && is_cancel)
        cancel(r, "cancelled by who asked");
    else if (r)
        r->heard_ms = sc_mono_ms();
    answer(service, reply, NULL, r != NULL, r ? "" : "no request with this id is open");
}

static bool holds_lease(const struct sc_control *c)
{
    return sc_boot_ms() < atomic_load_explicit(&c->config.fence->valid_until_boot_ms, memory_order_acquire);
}

static void on_request(void *arg, struct sc_service *service, struct sc_str body, const char *reply)
{
    struct sc_control *c = arg;
    struct sc_error err = SC_ERROR_INIT;
    const struct sc_request_row *row = NULL;
    json_t *request = NULL;
    if (!holds_lease(c)) /* another agent answers */
        return;
    if (sc_request_read(body, &request, &row, &err)) {
        SC_SAY(SC_DEBUG, "control", "a request was refused: %s", err.text);
        answer(service, reply, NULL, false, err.text);
        return;
    }
    if (row->way == SC_REQUEST_OF_IO) {
        if (*reply)
            to_io(c, service, request, row->op, reply);
        else
            json_decref(request);
        return;
    }
    if (strcmp(row->op, "agent") == 0)
        answer(service, reply, sc_control_facts(&c->config), true, "");
    else if (strcmp(row->op, "log") == 0)
        set_level(service, request, reply);
    else
        keep_or_cancel(c, service, request, strcmp(row->op, "cancel") == 0, reply);
    json_decref(request);
}

/* ---- a turn -------------------------------------------------------------------------------------------------------------------------------- */

/* Goodbyes are said after the lease is lost. */
static bool is_wanted(void *arg)
{
    const struct sc_control *c = arg;
    bool open = false;
    for (size_t i = 0; i < SC_CONTROL_OPEN; i++)
        open = open || c->open[i].id;
    return open || holds_lease(c);
}

/* True: the end was sent. */
static bool pass_on(struct sc_service *service, struct open_request *r)
{
    bool last = false;
    for (unsigned n = 0; n < TURN_LINES && !last; n++) {
        char *text = sc_sink_take(r->sink, &last);
        if (!text)
            return false;
        send_text(service, r->reply, text);
        free(text);
    }
    if (!last)
        sc_service_poke(service);
    return last;
}

static void look_after(struct sc_control *c, struct sc_service *service, struct open_request *r, bool held)
{
    int64_t now = sc_mono_ms();
    if (pass_on(service, r)) {
        forget(r);
        return;
    }
    if (sc_service_stopping(service))
        cancel(r, "the agent stops");
    else if (!held)
        cancel(r, "this agent has lost the lease: ask again, the one that holds it answers");
    else if (now - r->heard_ms >= SILENT_MS)
        cancel(r, "nothing was heard for 15 s from who asked");
    if (r->cancelled_ms && (now - r->cancelled_ms >= CANCEL_MS || sc_service_stopping(service))) {
        sc_sink_end(r->sink, false, sc_service_stopping(service) ? "the agent stops" : "what was asked was given up");
        if (pass_on(service, r))
            forget(r);
    } else if (now - r->alive_ms >= ALIVE_MS) {
        say_alive(c, service, r);
    }
}

static int64_t on_turn(void *arg, struct sc_service *service)
{
    struct sc_control *c = arg;
    bool held = holds_lease(c);
    int64_t next = INT64_MAX;
    for (size_t i = 0; i < SC_CONTROL_OPEN; i++) {
        struct open_request *r = &c->open[i];
        if (r->id)
            look_after(c, service, r, held);
        if (r->id && r->alive_ms + ALIVE_MS < next)
            next = r->alive_ms + ALIVE_MS;
    }
    return next;
}

/* ---- start and stop ------------------------------------------------------------------------------------------------------------------------ */

struct sc_control *sc_control_start(const struct sc_control_config *config, struct sc_error *err)
{
    struct sc_control *c = calloc(1, sizeof *c);
    SC_AUTO_FREE char *subject = sc_printf("signal-client.%s.control", config->appliance_id);
    if (!c || !subject || !(c->appliance_id = sc_dup(config->appliance_id))) {
        free(c);
        sc_fail(err, SC_REASON_MEMORY_LIMIT, "out of memory for the control subject");
        return NULL;
    }
    c->config = *config;
    c->config.appliance_id = c->appliance_id;
    struct sc_service_config service = {
        .nats = config->nats,
        .role = "control",
        .subject = subject,
        .max_body = SC_REQUEST_MAX,
        .wanted = is_wanted,
        .request = on_request,
        .turn = on_turn,
        .arg = c,
    };
    c->service = sc_service_start(&service, err);
    if (!c->service) {
        free(c->appliance_id);
        free(c);
        return NULL;
    }
    return c;
}

struct sc_control *sc_control_stop(struct sc_control *c)
{
    if (!c)
        return NULL;
    sc_service_stop(c->service);
    for (size_t i = 0; i < SC_CONTROL_OPEN; i++) {
        if (!c->open[i].id)
            continue;
        if (c->open[i].io)
            sc_io_cancel(c->open[i].io, c->open[i].id, "the agent stops");
        forget(&c->open[i]);
    }
    free(c->appliance_id);
    free(c);
    return NULL;
}

void sc_control_poke(struct sc_control *c)
{
    if (c)
        sc_service_poke(c->service);
}
