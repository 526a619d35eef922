/* Things that a reply shows whole (struct sc_data_type.whole): when each of them was read last, so that what has not changed since is known
 * without its identity. io thread of the poller.
 *
 * A record that is lag_s or more older than a reading of its host was to be seen then. If it is still what the vendor shows, it is what was shown then,
 * and was published, or known by the same rule. A host that was never read has no reading, and all of it is published; what is younger than that
 * before a reading is recognised by its identity, which is kept until the walks' overlap has passed it. Readings belong to a filter
 * (sc_request.view): with another one older records may come to be seen.
 *
 * A reading counts like an acknowledgement: once all records of its page are in the stream. It then stands as high as the newest message of ours, so
 * that it is forgotten with that one. */
#include "poll/errand.h"

#include <stdlib.h>

/* Beside the identities of records, and never equal to one: those hold no blank. False: the record does not say what it belongs to. */
static bool fingerprint_of(const struct sc_poller *p, const struct sc_cut_record *record, uint64_t *ret)
{
    char text[SC_RECIPE_ID_MAX + 8] = "whole ";
    const struct sc_cut_value *v = p->whole_at < SC_CUT_FIELDS ? &record->fields[p->whole_at] : NULL;
    if (!v || (v->kind != SC_CUT_STRING && v->kind != SC_CUT_NUMBER) || v->cut || v->text.len == 0)
        return false;
    size_t len = 6 + sc_recipe_id(&v->text, 1, text + 6);
    *ret = sc_siphash(p->fingerprint_key, text, len) ^ p->view;
    return true;
}

/* Without memory it is not noted, and what it holds is published once more after its next change. */
static void note(struct sc_readings *list, uint64_t fingerprint)
{
    if (list->count && list->seen[list->count - 1] == fingerprint) /* its records follow each other */
        return;
    if (list->count == list->cap) {
        uint32_t cap = list->cap ? list->cap * 2 : 64;
        uint64_t *grown = realloc(list->seen, cap * sizeof *grown);
        if (!grown)
            return;
        list->seen = grown;
        list->cap = cap;
    }
    list->seen[list->count++] = fingerprint;
}

bool sc_whole_knows(struct sc_poller *p, const struct sc_cut_record *record, int64_t time_ms)
{
    uint64_t fingerprint;
    if (!fingerprint_of(p, record, &fingerprint))
        return false;
    note(&p->page->readings, fingerprint);
    const struct sc_seen *whole = sc_is_dry(p) ? sc_dry_whole(p, &p->whole) : &p->whole;
    uint64_t number = sc_seen_find(whole, fingerprint);
    if (number == SC_SEEN_NONE || time_ms == SC_TIME_NONE)
        return false;
    int64_t read_ms = (int64_t)sc_seen_hash(whole, number) * 1000;
    return time_ms <= read_ms - (int64_t)p->type->lag_s * 1000;
}

void sc_whole_begin(struct sc_poller *p)
{
    struct sc_readings *list = &p->page->readings;
    /* When it was asked for by the vendor's clock, as far as its Date tells; the own one may be ahead. */
    int64_t asked = p->answered_ms - (p->inst->io->now - p->asked_ms);
    if (asked > p->asked_at)
        asked = p->asked_at;
    list->count = list->part;
    if (list->part == 0 || asked < list->asked_ms)
        list->asked_ms = asked;
}

void sc_whole_part(struct sc_poller *p)
{
    p->page->readings.part = p->page->readings.count;
}

void sc_whole_forget(struct sc_readings *list)
{
    free(list->seen);
    *list = (struct sc_readings){0};
}

void sc_whole_keep(struct sc_poller *p, struct sc_open_page *page)
{
    struct sc_readings *list = &page->readings;
    bool sane = list->asked_ms > 0 && list->asked_ms / 1000 < UINT32_MAX;
    for (uint32_t i = 0; sane && !p->errand && i < list->count; i++) {
        if (sc_seen_renew(&p->whole, list->seen[i], (uint32_t)(list->asked_ms / 1000), p->cp.proof_seq) == 0)
            p->dirty = true;
    }
    sc_whole_forget(list);
}
