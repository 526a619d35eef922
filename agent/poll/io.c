#include "poll/errand.h"

#include <stdio.h>
#include <stdlib.h>

/* Mail of the io thread's own kinds. */
enum {
    MAIL_APPLY = SC_MAIL_POLL + 1,
    MAIL_REMOVE,
    MAIL_REFUSED,
    MAIL_CANCEL,
    MAIL_ASK
};

struct order {
    struct sc_mail mail;
    struct sc_integration *integration;
    char *name, *why;
    bool forget_status;
    uint64_t id; /* of what was asked */
};

static void order_free(struct order *order)
{
    sc_integration_unref(order->integration);
    free(order->name);
    free(order->why);
    free(order);
}

struct sc_log_cx sc_poller_cx(const struct sc_poller *p)
{
    return (struct sc_log_cx){p->inst->config->connector->name, p->inst->config->name, p->label ? p->label : p->type->name};
}

uint64_t sc_io_random(struct sc_io *io)
{
    io->random ^= io->random << 13;
    io->random ^= io->random >> 7;
    io->random ^= io->random << 17;
    return io->random;
}

/* ---- instances ------------------------------------------------------------------------------------------------------------------------ */

static void on_timer(struct sc_timer *timer, void *arg)
{
    (void)timer;
    sc_poller_step(arg);
}

static void on_save_timer(struct sc_timer *timer, void *arg)
{
    (void)timer;
    struct sc_poller *p = arg;
    sc_save_step(p);
}

static char *encoded(const char *a, const char *b, const char *c)
{
    char plain[400], out[1300];
    snprintf(plain, sizeof plain, "%s%s%s", a, b, c);
    return sc_header_encode(sc_str_of(plain), out, sizeof out) ? sc_dup(out) : NULL;
}

void sc_poller_free(struct sc_poller *p)
{
    if (!p)
        return;
    struct sc_news gone = {.what = SC_HEARD_GONE, .until_real = SC_TIME_NONE, .detail = "the integration was removed or moved meanwhile", .advice = ""};
    sc_listeners_last(p, &gone);
    sc_edit_gone(p, "the integration was removed or moved, or the agent stopped");
    struct sc_heap *heap = &p->inst->io->heap;
    sc_heap_remove(heap, &p->timer);
    sc_heap_remove(heap, &p->flush_timer);
    sc_heap_remove(heap, &p->save_timer);
    if (p->batch && !sc_is_dry(p))
        sc_publisher_batch_put(p->inst->io->config.publisher, p->batch);
    sc_errand_free(p);
    sc_buf_done(&p->trace_body);
    free(p->label);
    sc_save_forget(p);
    sc_host_release(p);
    sc_notices_done(&p->notices);
    sc_buf_done(&p->web_page);
    sc_checkpoint_done(&p->cp);
    sc_seen_done(&p->seen);
    sc_seen_done(&p->whole);
    sc_map_done(&p->map);
    sc_cutter_free(p);
    sc_buf_done(&p->kept_head);
    sc_items_done(&p->items);
    sc_twins_forget(&p->twins);
    sc_child_done(p);
    json_decref(p->page_keep);
    sc_buf_done(&p->spill);
    sc_dead_letter_drop(p->dead);
    json_decref(p->position);
    json_decref(p->walk);
    json_decref(p->backfill_past);
    for (uint32_t i = 0; i < p->page_count; i++) {
        json_decref(p->pages[(p->page_head + i) % SC_OPEN_PAGES].position);
        json_decref(p->pages[(p->page_head + i) % SC_OPEN_PAGES].walk);
        sc_children_forget(&p->pages[(p->page_head + i) % SC_OPEN_PAGES].children);
        sc_whole_forget(&p->pages[(p->page_head + i) % SC_OPEN_PAGES].readings);
    }
    free(p->walk_urls);
    sc_secret_free(p->asked_url);
    free(p->part_revs);
    free(p->whole_revs);
    free(p->key);
    free(p->prefix);
    free(p->ce_source);
    free(p->ce_type);
    free(p);
}

struct sc_poller *sc_poller_new(struct sc_instance *inst, unsigned index)
{
    struct sc_poller *p = calloc(1, sizeof *p);
    const struct sc_integration *config = inst->config;
    struct sc_buf key = {0}, prefix = {0};
    if (!p)
        return NULL;
    p->inst = inst;
    p->index = index;
    p->type = config->types[index].type;
    p->host = (struct sc_host){.api = &sc_host_services, .type = p->type};
    sc_checkpoint_key(config->name, p->type->name, NULL, &key);
    sc_msg_id_prefix(config->name, p->type->name, NULL, &prefix);
    p->key = sc_buf_take(&key);
    p->prefix = sc_buf_take(&prefix);
    p->prefix_len = p->prefix ? strlen(p->prefix) : 0;
    p->ce_source = encoded("signal-client/", config->connector->name, "");
    if (p->ce_source) {
        char *both = sc_printf("%s/%s", p->ce_source, config->name);
        free(p->ce_source);
        p->ce_source = both;
    }
    p->ce_type = sc_printf("%s.%s", config->connector->name, p->type->name);
    p->stamp = (struct sc_stamp){p->ce_source, p->ce_type, "application/json"};
    p->gap_stamp = (struct sc_stamp){p->ce_source, "signal-client.gap", "application/json"};
    p->child_stamp = p->gap_stamp;
    p->timer = (struct sc_timer){.fire = on_timer, .arg = p};
    p->flush_timer = (struct sc_timer){.fire = sc_record_flush, .arg = p};
    p->save_timer = (struct sc_timer){.fire = on_save_timer, .arg = p};
    p->covered_ms = p->newest_ms = SC_TIME_NONE;
    p->first_poll = true;
    p->notices = (struct sc_notices){.owner = p, .told = sc_judge_told};
    p->pace = (struct sc_pace){.good_ms = inst->io->now};
    p->facts = (struct sc_status_facts){.reason = SC_REASON_STARTING, .since_real = sc_real_ms()};
    sc_checkpoint_init(&p->cp);
    sc_buf_init(&p->spill, (size_t)inst->io->config.settings->http_max_record_bytes + 65536);
    sc_cutter_describe(p);
    if (!p->key || !p->prefix || !p->ce_source || !p->ce_type) {
        sc_poller_free(p);
        return NULL;
    }
    return p;
}

static void retiring(struct sc_retiring *r, const char *name, bool add)
{
    pthread_mutex_lock(&r->lock);
    if (add) {
        if (r->count == r->cap) {
            uint32_t cap = r->cap ? r->cap * 2 : 16;
            char **grown = realloc(r->names, cap * sizeof *grown);
            if (grown) {
                r->names = grown;
                r->cap = cap;
            }
        }
        char *copy = r->count < r->cap ? sc_dup(name) : NULL;
        if (copy)
            r->names[r->count++] = copy;
    } else {
        for (uint32_t i = 0; i < r->count; i++) {
            if (strcmp(r->names[i], name) == 0) {
                free(r->names[i]);
                r->names[i] = r->names[--r->count];
                break;
            }
        }
    }
    pthread_mutex_unlock(&r->lock);
}

static void instance_free(struct sc_instance *inst)
{
    while (inst->errands) {
        struct sc_poller *p = inst->errands;
        inst->errands = p->errand->next;
        sc_poller_free(p);
    }
    for (unsigned i = 0; i < inst->poller_count; i++)
        sc_poller_free(inst->pollers[i]);
    sc_heap_remove(&inst->io->heap, &inst->status_timer);
    free(inst->pollers);
    free(inst->refused);
    sc_notices_done(&inst->notices);
    if (inst->retired)
        retiring(inst->io->config.retiring, inst->config->name, false);
    sc_integration_unref(inst->config);
    free(inst);
}

/* A retired instance goes when nothing of it is out any more and its positions are saved. */
static bool is_done(const struct sc_instance *inst)
{
    for (unsigned i = 0; i < inst->poller_count; i++) {
        const struct sc_poller *p = inst->pollers[i];
        bool open = p->phase != SC_OFF || !(p->page_count == 0) || p->saving;
        if (p->out || open)
            return false;
    }
    return sc_errands_done(inst);
}

static struct sc_instance *instance_named(struct sc_io *io, const char *name)
{
    for (struct sc_instance *i = io->instances; i; i = i->next) {
        if (!i->retired && strcmp(i->config->name, name) == 0)
            return i;
    }
    return NULL;
}

static void on_instance_reap(struct sc_io *io)
{
    for (struct sc_instance **at = &io->instances; *at;) {
        struct sc_instance *inst = *at;
        sc_errands_reap(inst);
        if (inst->retired && is_done(inst)) {
            *at = inst->next;
            if (inst->forget_status && !instance_named(io, inst->config->name)) /* not when it was put again meanwhile */
                sc_status_post(io->config.status, inst->config->name, NULL);
            instance_free(inst);
        } else {
            at = &inst->next;
        }
    }
}

void sc_instance_free_if_done(struct sc_instance *inst)
{
    (void)inst; /* reaped between turns: nothing is freed inside its own callback */
}

static void instance_retire(struct sc_instance *inst, bool forget_status)
{
    inst->retired = true;
    inst->forget_status = forget_status;
    retiring(inst->io->config.retiring, inst->config->name, true);
    sc_errands_end(inst, "the integration was removed or moved meanwhile");
    for (unsigned i = 0; i < inst->poller_count; i++) {
        inst->pollers[i]->retired = true;
        inst->pollers[i]->stopping_save = true;
        sc_poller_wake(inst->pollers[i]);
    }
}

static void retire_and_judge(struct sc_instance *inst, bool forget_status)
{
    instance_retire(inst, forget_status);
    sc_judge_doubles(inst);
}

static struct sc_instance *instance_new(struct sc_io *io, struct sc_integration *config)
{
    struct sc_instance *inst = calloc(1, sizeof *inst);
    if (!inst)
        return NULL;
    inst->io = io;
    inst->config = config;
    inst->used_since = sc_real_ms();
    inst->notices = (struct sc_notices){.owner = inst, .told = sc_judge_told_instance};
    inst->status_timer = (struct sc_timer){.fire = sc_status_fire, .arg = inst};
    inst->source = sc_source_of(io, config->source);
    if (inst->source)
        inst->source->connector = config->connector->name;
    inst->credential = inst->source ? sc_credential_of(inst->source, config->credential_key) : NULL;
    inst->pollers = calloc(config->type_count ? config->type_count : 1, sizeof *inst->pollers);
    bool good = inst->credential && inst->pollers;
    for (unsigned i = 0; good && i < config->type_count; i++) {
        inst->pollers[i] = sc_poller_new(inst, i);
        good = inst->pollers[i] != NULL;
        inst->poller_count += good;
    }
    if (!good) {
        sc_integration_ref(config); /* the caller keeps its own */
        instance_free(inst);
        return NULL;
    }
    return inst;
}

/* ---- applying what the operator wrote --------------------------------------------------------------------------------------------------- */

static void say_warnings(const struct sc_integration *config)
{
    struct sc_log_cx cx = {config->connector->name, config->name, NULL};
    for (const char *line = config->warnings; line && *line;) {
        size_t n = strcspn(line, "\n");
        SC_LOG(SC_WARN, &cx, NULL, "%.*s", (int)n, line);
        line += n + (line[n] == '\n');
    }
}

void sc_poller_end_waits(struct sc_poller *p, bool at_once, const char *said)
{
    enum sc_class cls = sc_reason_class(p->hold.reason);
    struct sc_log_cx cx = sc_poller_cx(p);
    sc_log_anew(&cx);
    if (p->hold.until_ms && cls != SC_CLASS_THROTTLED && !p->hold.named) {
        p->hold = (struct sc_hold){0};
        p->attempts = 0;
    }
    p->scopes_told = false;
    sc_poller_waited(p); /* for somebody to write */
    if (p->phase == SC_IDLE && (at_once || p->due_ms > p->inst->io->now))
        p->due_ms = p->inst->io->now;
    enum sc_class told = sc_reason_class(p->facts.reason);
    if (told == SC_CLASS_AUTH || told == SC_CLASS_CONFIG) /* the next refusal is told anew, though it may be the same */
        sc_poller_say(p, SC_REASON_STARTING, SC_TIME_NONE, said, NULL);
    p->first_poll = true;
    sc_poller_wake(p);
}

/* Another search, page size, way of asking. */
static bool asks_otherwise(const struct sc_integration *a, const struct sc_integration *b)
{
    if (a->value_count != b->value_count)
        return true;
    for (size_t i = 0; i < a->value_count; i++) {
        const char *now = sc_integration_value(b, a->values[i].name);
        if (!a->values[i].secret && (!now || strcmp(a->values[i].text, now) != 0))
            return true;
    }
    return false;
}

static void instance_update(struct sc_instance *inst, struct sc_integration *config)
{
    struct sc_credential *credential = sc_credential_of(inst->source, config->credential_key);
    struct sc_log_cx cx = {config->connector->name, config->name, NULL};
    bool changed = credential && credential != inst->credential;
    sc_errands_end(inst, "the integration was saved meanwhile: ask again");
    struct sc_integration *old = inst->config;
    inst->used_since = sc_real_ms();
    for (unsigned i = 0; i < inst->poller_count && asks_otherwise(old, config); i++)
        sc_poller_ask_anew(inst->pollers[i]);
    for (struct sc_poller *p = asks_otherwise(old, config) ? inst->errands : NULL; p; p = p->errand->next)
        sc_poller_ask_anew(p);
    inst->config = config;
    if (credential)
        inst->credential = credential;
    sc_token_put(inst);
    inst->credential->hold = (struct sc_hold){0};
    inst->source->hold = (struct sc_hold){0};
    free(inst->refused);
    inst->refused = NULL;
    for (unsigned i = 0; i < inst->poller_count; i++)
        sc_worked_put(inst->pollers[i], old->rev, !changed);
    sc_integration_unref(old);
    sc_source_override_budgets(inst);
    SC_LOG_EACH(SC_INFO, &cx, NULL, "revision %llu is in use%s", (unsigned long long)config->rev, changed ? " with a new credential" : "");
    sc_credential_begin(inst, changed);
    for (unsigned i = 0; i < inst->poller_count; i++)
        sc_poller_end_waits(inst->pollers[i], changed, "asks again with what was just saved");
    for (struct sc_poller *p = inst->errands; p; p = p->errand->next) {
        if (sc_is_backfill(p))
            sc_poller_end_waits(p, changed, "asks again with what was just saved");
    }
    sc_status_touch(inst, true);
}

static void apply(struct sc_io *io, struct sc_integration *config)
{
    struct sc_instance *inst = instance_named(io, config->name);
    struct sc_log_cx cx = {config->connector->name, config->name, NULL};
    say_warnings(config);
    if (inst && inst->config->connector == config->connector && strcmp(inst->config->source, config->source) == 0) {
        instance_update(inst, config);
        sc_judge_doubles(inst);
        return;
    }
    if (inst)
        retire_and_judge(inst, false);
    inst = instance_new(io, config);
    if (!inst) {
        SC_LOG(SC_ERROR, &cx, NULL, "out of memory: this integration does not run; raise the container's memory limit and save it again");
        sc_integration_unref(config);
        return;
    }
    inst->next = io->instances;
    io->instances = inst;
    sc_source_override_budgets(inst);
    SC_LOG_EACH(SC_INFO, &cx, NULL, "revision %llu is in use, %zu data types", (unsigned long long)config->rev, config->type_count);
    sc_judge_doubles(inst);
    sc_credential_begin(inst, true);
    for (unsigned i = 0; i < inst->poller_count; i++)
        sc_poller_wake(inst->pollers[i]);
    sc_status_touch(inst, true);
}

static void take_order(struct sc_io *io, struct order *order)
{
    struct sc_instance *inst = order->name ? instance_named(io, order->name) : NULL;
    if (order->mail.kind == MAIL_APPLY) {
        apply(io, order->integration);
    } else if (order->mail.kind == MAIL_CANCEL) {
        sc_asked_cancel(io, order->id, order->why);
    } else if (order->mail.kind == MAIL_REMOVE && inst) {
        retire_and_judge(inst, order->forget_status);
    } else if (order->mail.kind == MAIL_REFUSED && inst) {
        free(inst->refused);
        inst->refused = sc_printf("%s; revision %llu goes on", order->why ? order->why : "", (unsigned long long)inst->config->rev);
        sc_status_touch(inst, true);
    }
    order->integration = NULL;
    order_free(order);
}

/* ---- broker --------------------------------------------------------------------------------------------------------------------------------- */

static void broker_news(struct sc_io *io, struct sc_broker_news *news)
{
    bool new_generation = news->facts.generation != io->broker.generation;
    io->broker = news->facts;
    free(news);
    for (struct sc_instance *i = io->instances; i; i = i->next) {
        for (unsigned k = 0; k < i->poller_count; k++) {
            struct sc_poller *p = i->pollers[k];
            if (new_generation && (p->loaded || p->phase != SC_OFF))
                sc_poller_reset(p);
            if (io->broker.state == SC_BROKER_READY) {
                if (sc_reason_class(p->hold.reason) == SC_CLASS_BROKER)
                    p->hold = (struct sc_hold){0};
                sc_poller_unpause(p);
            } else if (sc_poller_should_run(p)) {
                sc_poller_say(p, io->broker.reason, SC_TIME_NONE, io->broker.text, NULL);
            }
            sc_poller_wake(p);
        }
        for (struct sc_poller *p = i->errands; p; p = p->errand->next) {
            if (sc_is_backfill(p) && new_generation && (p->loaded || p->phase != SC_OFF))
                sc_poller_reset(p);
            if (sc_is_backfill(p) && io->broker.state == SC_BROKER_READY) {
                if (sc_reason_class(p->hold.reason) == SC_CLASS_BROKER)
                    p->hold = (struct sc_hold){0};
                sc_poller_unpause(p);
            }
            sc_poller_wake(p);
        }
    }
}

static void unpause_all(struct sc_io *io)
{
    for (struct sc_instance *i = io->instances; i; i = i->next) {
        for (unsigned k = 0; k < i->poller_count; k++)
            sc_poller_unpause(i->pollers[k]);
        for (struct sc_poller *p = i->errands; p; p = p->errand->next)
            sc_poller_unpause(p);
    }
}

/* ---- the loop -------------------------------------------------------------------------------------------------------------------------------- */

static void dispatch(struct sc_io *io, struct sc_mail *mail)
{
    switch (mail->kind) {
    case SC_MAIL_BATCH:
        sc_record_outcomes(((struct sc_batch *)mail)->owner, (struct sc_batch *)mail);
        break;
    case SC_MAIL_KV:
        sc_save_written(((struct sc_kv_write *)mail)->owner, (struct sc_kv_write *)mail);
        break;
    case SC_MAIL_CREDIT:
        io->credit.waiting = false; /* before anybody asks again */
        unpause_all(io);
        break;
    case SC_MAIL_BROKER:
        broker_news(io, (struct sc_broker_news *)mail);
        break;
    case SC_MAIL_POLL:
        sc_poller_loaded(((struct sc_recover *)mail)->owner, (struct sc_recover *)mail);
        break;
    case MAIL_ASK:
        sc_asked_take(io, (struct sc_ask *)mail);
        break;
    default:
        take_order(io, (struct order *)mail);
    }
}

static bool anything_out(const struct sc_io *io)
{
    for (const struct sc_instance *i = io->instances; i; i = i->next) {
        if (!is_done(i))
            return true;
    }
    return false;
}

static void begin_stop(struct sc_io *io)
{
    io->stopping = true;
    sc_asked_cancel(io, 0, "the agent stops");
    for (struct sc_instance *i = io->instances; i; i = i->next) {
        for (unsigned k = 0; k < i->poller_count; k++) {
            i->pollers[k]->stopping_save = true;
            sc_poller_wake(i->pollers[k]);
        }
        for (struct sc_poller *p = i->errands; p; p = p->errand->next) {
            p->stopping_save = true;
            sc_poller_wake(p);
        }
    }
}

bool sc_io_turn(struct sc_io *io)
{
    if (io->stopping && !anything_out(io))
        return false;
    io->now = sc_mono_ms();
    atomic_store_explicit(&io->turned_at, io->now, memory_order_relaxed);
    if (atomic_load(&io->stop) == 2)
        return false;
    if (atomic_load(&io->stop) && !io->stopping)
        begin_stop(io);
    struct sc_mail *mail = sc_mailbox_take(&io->box);
    while (mail) {
        struct sc_mail *next = mail->next;
        dispatch(io, mail);
        mail = next;
    }
    if (sc_room_turn(io))
        unpause_all(io);
    int64_t due = sc_heap_run(&io->heap, io->now);
    on_instance_reap(io);
    sc_show_turn(io);
    int64_t wait = due - sc_mono_ms();
    sc_http_turn(io->http, wait < 0 ? 0 : wait > 1000 ? 1000 : wait);
    return true;
}

static void *loop(void *arg)
{
    struct sc_io *io = arg;
    pthread_setname_np(pthread_self(), "sc-io");
    sc_http_adopt(io->http);
    while (sc_io_turn(io))
        ;
    return NULL;
}

static void wake(void *arg)
{
    sc_http_wakeup(arg);
}

/* Mail that came after the loop had ended. The publisher lives until its last batch is back. */
static void drop_mail(struct sc_io *io)
{
    struct sc_mail *mail = sc_mailbox_take(&io->box);
    while (mail) {
        struct sc_mail *next = mail->next;
        if (mail->kind == SC_MAIL_BATCH)
            sc_publisher_batch_put(io->config.publisher, (struct sc_batch *)mail);
        else if (mail->kind == SC_MAIL_KV)
            sc_save_drop((struct sc_kv_write *)mail);
        else if (mail->kind == SC_MAIL_POLL)
            sc_recover_free((struct sc_recover *)mail);
        else if (mail->kind == SC_MAIL_BROKER)
            free(mail);
        else if (mail->kind == MAIL_ASK)
            sc_ask_free((struct sc_ask *)mail);
        else if (mail->kind >= MAIL_APPLY)
            order_free((struct order *)mail);
        mail = next;
    }
}

struct sc_io *sc_io_free(struct sc_io *io)
{
    if (!io)
        return NULL;
    sc_http_adopt(io->http); /* its thread has ended */
    drop_mail(io);
    sc_asked_cancel(io, 0, "the agent stops");
    while (io->instances) {
        struct sc_instance *next = io->instances->next;
        instance_free(io->instances);
        io->instances = next;
    }
    while (io->sources) {
        struct sc_source *s = io->sources;
        io->sources = s->next;
        for (uint32_t i = 0; i < s->budget_count; i++) {
            sc_budget_done(s->budgets[i]);
            free(s->budgets[i]);
        }
        while (s->credentials) {
            struct sc_credential *c = s->credentials;
            s->credentials = c->next;
            sc_tokens_free(c);
            free(c);
        }
        free(s->key);
        free(s);
    }
    sc_http_free(io->http);
    sc_lookups_done(io);
    sc_heap_done(&io->heap);
    sc_mailbox_done(&io->box);
    pthread_mutex_destroy(&io->hour_lock);
    free(io);
    return NULL;
}

struct sc_io *sc_io_new(const struct sc_io_config *config, struct sc_error *err)
{
    const struct sc_settings *s = config->settings;
    struct sc_http_config hc = {
        .user_agent = s->user_agent,
        .ca_file = s->tls_ca_file && s->tls_ca_file[0] ? s->tls_ca_file : NULL,
        .connect_timeout_s = (uint32_t)s->http_connect_timeout_s,
        .first_byte_timeout_s = (uint32_t)s->http_first_byte_timeout_s,
        .stall_timeout_s = (uint32_t)s->http_stall_timeout_s,
        .max_body = (uint64_t)s->http_max_body_bytes,
        .max_headers = 256 * 1024,
        .max_redirects = 3,
        .turn_bytes = 256 * 1024,
    };
    struct sc_io *io = calloc(1, sizeof *io);
    if (!io) {
        sc_fail(err, SC_REASON_MEMORY_LIMIT, "out of memory for an io thread");
        return NULL;
    }
    io->config = *config;
    io->credit.mail.kind = SC_MAIL_CREDIT;
    io->broker = (struct sc_broker_facts){.reason = SC_REASON_STARTING, .text = "starting"};
    io->now = sc_mono_ms();
    io->turned_at = io->now;
    sc_random(&io->random, sizeof io->random);
    io->random |= 1;
    io->http = sc_http_new(&hc, err);
    if (!io->http || sc_mailbox_init(&io->box, 4096, wake, io->http)) {
        sc_http_free(io->http);
        free(io);
        return NULL;
    }
    sc_http_set_done(io->http, sc_reply_done);
    sc_hour_begin(io);
    io->judge_timer = (struct sc_timer){.fire = sc_judge_fire, .arg = io};
    sc_heap_set(&io->heap, &io->judge_timer, io->now + SC_JUDGE_STEP_MS);
    return io;
}

struct sc_io *sc_io_start(const struct sc_io_config *config, struct sc_error *err)
{
    struct sc_io *io = sc_io_new(config, err);
    if (!io)
        return NULL;
    if (pthread_create(&io->thread, NULL, loop, io)) {
        sc_fail(err, SC_REASON_MEMORY_LIMIT, "an io thread cannot be started");
        return sc_io_free(io);
    }
    sc_publisher_subscribe(config->publisher, &io->box);
    return io;
}

void sc_io_stop_begin(struct sc_io *io)
{
    atomic_store(&io->stop, 1);
    sc_http_wakeup(io->http);
}

void sc_io_stop_wait(struct sc_io *io, int64_t timeout_ms)
{
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    int64_t ns = until.tv_nsec + timeout_ms % 1000 * 1000000;
    until.tv_sec += timeout_ms / 1000 + ns / 1000000000;
    until.tv_nsec = ns % 1000000000;
    if (pthread_clockjoin_np(io->thread, NULL, CLOCK_MONOTONIC, &until)) {
        atomic_store(&io->stop, 2); /* leave what has no outcome: the checkpoint says that the page is open */
        sc_http_wakeup(io->http);
        pthread_join(io->thread, NULL);
    }
}

static void post_order(struct sc_io *io, uint32_t kind, struct sc_integration *integration, const char *name, const char *why, bool forget)
{
    struct order *order = calloc(1, sizeof *order);
    if (!order) {
        SC_SAY(SC_ERROR, "agent", "out of memory: a change of an integration is not in use");
        return;
    }
    *order = (struct order){.mail.kind = kind, .integration = integration, .name = sc_dup(name), .why = sc_dup(why), .forget_status = forget};
    sc_mailbox_return(&io->box, &order->mail);
}

void sc_io_apply(struct sc_io *io, struct sc_integration *integration)
{
    post_order(io, MAIL_APPLY, integration, NULL, NULL, false);
}

void sc_io_remove(struct sc_io *io, const char *name, bool forget_status)
{
    post_order(io, MAIL_REMOVE, NULL, name, NULL, forget_status);
}

void sc_io_refused(struct sc_io *io, const char *name, uint64_t rev, const char *why)
{
    char text[400];
    snprintf(text, sizeof text, "revision %llu is not in use: %s", (unsigned long long)rev, why);
    post_order(io, MAIL_REFUSED, NULL, name, text, false);
}

void sc_io_ask(struct sc_io *io, struct sc_ask *ask)
{
    ask->mail.kind = MAIL_ASK;
    sc_mailbox_return(&io->box, &ask->mail);
}

void sc_io_cancel(struct sc_io *io, uint64_t id, const char *why)
{
    struct order *order = calloc(1, sizeof *order);
    if (!order)
        return; /* who asked is heard no more: it ends by itself */
    *order = (struct order){.mail.kind = MAIL_CANCEL, .why = sc_dup(why), .id = id};
    sc_mailbox_return(&io->box, &order->mail);
}

int64_t sc_io_turned_at(const struct sc_io *io)
{
    return atomic_load_explicit(&((struct sc_io *)(uintptr_t)io)->turned_at, memory_order_relaxed);
}
