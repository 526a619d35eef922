/* What an io thread counts of its sources and data types, and the page of it that it puts on the board (board.h). io thread. */
#include "poll/poller.h"

/* ---- counting ---------------------------------------------------------------------------------------------------------------------------- */

void sc_show_request(struct sc_source *source, const struct sc_http_result *result)
{
    struct sc_source_counts *c = &source->counts;
    const struct sc_http_timing *t = &result->timing;
    uint64_t ms = (uint64_t)t->dns + t->connect + t->tls + t->first_byte + t->transfer;
    unsigned bucket = 0;
    while (bucket < SC_REQUEST_BUCKETS && ms > sc_request_bucket_ms[bucket])
        bucket++;
    c->requests[sc_reply_class(result->status)]++;
    c->bucket[bucket]++;
    c->total_ms += ms;
    c->dns_ms += t->dns;
    c->connect_ms += t->connect;
    c->tls_ms += t->tls;
    c->first_byte_ms += t->first_byte;
    c->transfer_ms += t->transfer;
}

/* A wait may be looked at early and found to go on: what is counted already is not counted again. */
void sc_show_budget_wait(struct sc_poller *p, int64_t until_ms)
{
    struct sc_source_counts *c = &p->inst->source->counts;
    int64_t now = p->inst->io->now, from = p->budget_counted > now ? p->budget_counted : now;
    if (p->budget_counted < now)
        c->budget_waits++;
    if (until_ms <= from)
        return;
    c->budget_wait_ms += (uint64_t)(until_ms - from);
    p->budget_counted = until_ms;
}

void sc_show_dead_letter(struct sc_poller *p)
{
    p->counts.dead_letters++;
    p->inst->io->dead_letters++;
}

/* ---- the page ---------------------------------------------------------------------------------------------------------------------------- */

static int64_t next_poll(const struct sc_poller *p)
{
    int64_t now = p->inst->io->now;
    if (p->phase == SC_IDLE)
        return sc_real_ms() + (p->due_ms > now ? p->due_ms - now : 0);
    return p->phase == SC_WALKING && p->facts.until_real > 0 ? p->facts.until_real : 0;
}

static void show_type(const struct sc_poller *p, const char *integration, struct sc_board_type *out)
{
    *out = (struct sc_board_type){
        .integration = integration,
        .connector = p->inst->config->connector->name,
        .data_type = p->type->name,
        .state = sc_poller_state(p),
        .reason = p->inst->refused ? SC_REASON_CONFIG_INVALID : sc_poller_shown(p).reason,
        .promise = sc_poller_promise(p),
        .overflowed = p->seen.overflowed || p->whole.overflowed,
        .last_poll = p->facts.last_poll,
        .last_success = p->facts.last_success,
        .last_record = p->covered_ms == SC_TIME_NONE ? 0 : p->covered_ms,
        .next_poll = next_poll(p),
        .interval_ms = p->inst->config->types[p->index].interval_ms,
        .collisions = p->collisions,
        .counts = p->counts,
    };
}

static struct sc_board_page *page_with_room(const struct sc_io *io)
{
    uint32_t types = 0, sources = 0;
    size_t bytes = 0;
    for (const struct sc_instance *i = io->instances; i; i = i->next) {
        types += i->poller_count;
        bytes += strlen(i->config->name) + 1;
    }
    for (const struct sc_source *s = io->sources; s; s = s->next) {
        sources++;
        bytes += strlen(s->key) + 1;
    }
    return sc_board_page_new(types, sources, bytes);
}

static const char *add_name(char **at, const char *name)
{
    char *copy = *at;
    *at = stpcpy(copy, name) + 1;
    return copy;
}

static struct sc_board_page *page_of(const struct sc_io *io)
{
    struct sc_board_page *page = page_with_room(io);
    if (!page)
        return NULL;
    char *names = page->names;
    for (const struct sc_instance *i = io->instances; i; i = i->next) {
        if (i->retired) /* its successor may bear the same name */
            continue;
        const char *name = add_name(&names, i->config->name);
        for (unsigned k = 0; k < i->poller_count; k++)
            show_type(i->pollers[k], name, &page->types[page->type_count++]);
    }
    for (const struct sc_source *s = io->sources; s; s = s->next)
        page->sources[page->source_count++] =
            (struct sc_board_source){.source = add_name(&names, s->key), .connector = s->connector, .counts = s->counts};
    page->made_ms = io->now;
    page->dead_letters = io->dead_letters;
    return page;
}

void sc_show_turn(struct sc_io *io)
{
    struct sc_board *board = io->config.board;
    if (!board || (io->shown_at && io->now - io->shown_at < SC_BOARD_STEP_MS))
        return;
    struct sc_board_page *page = page_of(io);
    io->shown_at = io->now;
    if (page) /* without memory the old one stays, and its age is told */
        sc_board_put(board, io->config.index, page);
}
