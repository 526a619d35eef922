/* Which record it is: its name, whether it was handed over before, and what a document's map says of it. io thread of the poller. */
#include "poll/errand.h"

#include <stdio.h>

#define MAX_TWINS 64u /* states of one id in one document that are told apart */
#define MAX_HOLES 3u  /* places without a state in a row: nothing lies behind */

/* ---- its name ------------------------------------------------------------------------------------------------------------------ */

/* False: a part is not there, or is nothing that names anything. */
static bool take_parts(const struct sc_id_parts *where, const struct sc_cut_record *record, struct sc_record_name *name)
{
    for (unsigned n = 0; n < where->count; n++) {
        const struct sc_cut_value *v = &record->fields[where->at[n]];
        bool is_text = (v->kind == SC_CUT_STRING || v->kind == SC_CUT_NUMBER) && !v->cut;
        bool none = v->kind == SC_CUT_ABSENT || v->kind == SC_CUT_NULL;
        if (where->optional[n] ? !is_text && !none : !is_text || v->text.len == 0)
            return false;
        name->parts[n] = is_text ? v->text : (struct sc_str){"", 0};
    }
    name->count = where->count;
    return where->count > 0;
}

struct sc_record_name sc_record_name(const struct sc_poller *p, const struct sc_cut_record *record)
{
    struct sc_record_name name = {.by = SC_NAME_NONE};
    if (p->id_suffix[0])
        name.by = SC_NAME_BYTES;
    else if (take_parts(&p->id_parts, record, &name))
        name.by = SC_NAME_ID;
    else if (take_parts(&p->id_else_parts, record, &name))
        name.by = SC_NAME_ELSE;
    else if (p->type->identity == SC_CONTENT)
        name.by = SC_NAME_BYTES;
    return name;
}

static uint64_t fingerprint_of(const struct sc_poller *p, const char *text, size_t len)
{
    return sc_siphash(p->fingerprint_key, text, len);
}

bool sc_record_identify(const struct sc_poller *p, const struct sc_record_name *name, struct sc_str bytes, struct sc_record_id *id)
{
    unsigned char hash[16];
    if (name->by == SC_NAME_NONE || (name->by == SC_NAME_BYTES && !bytes.ptr))
        return false;
    if (name->by == SC_NAME_BYTES) {
        sc_content_hash(bytes.ptr, bytes.len, hash);
        memcpy(id->text, "h:", 2);
        sc_hex(hash, 16, id->text + 2);
        id->len = 34 + (size_t)snprintf(id->text + 34, sizeof id->text - 34, "%s", p->id_suffix);
    } else {
        id->len = sc_recipe_id(name->parts, name->count, id->text);
    }
    id->twin = 0;
    /* Equal ones are told apart by their number on the page: where the id is the content, and where a thing comes whole, in which each record
     * stands once (two findings of one kind at two places of a host). */
    if ((p->type->identity == SC_CONTENT && name->by != SC_NAME_ID) || p->type->whole) {
        id->twin = fingerprint_of(p, id->text, id->len) | 1;
        uint32_t n = sc_twins_next(&p->twins, id->twin);
        if (n > 1)
            id->len += (size_t)snprintf(id->text + id->len, sizeof id->text - id->len, "#%u", n);
    }
    return true;
}

/* ---- known? ---------------------------------------------------------------------------------------------------------------------- */

/* Same identity: same bytes -> seen; other bytes in an immutable type -> the next "#n". */
static void find_in_set(struct sc_poller *p, struct sc_record_id *id, size_t base_len)
{
    for (unsigned n = 1; n < 100; n++) {
        id->len = base_len;
        if (n > 1)
            id->len += (size_t)snprintf(id->text + base_len, sizeof id->text - base_len, "#%u", n);
        id->fingerprint = fingerprint_of(p, id->text, id->len);
        const struct sc_seen *set = &p->seen;
        id->waits = false;
        id->known = sc_seen_find(set, id->fingerprint);
        if (id->known == SC_SEEN_NONE)
            id->known = sc_beside_find(p, id->fingerprint, &set);
        if (id->known == SC_SEEN_NONE)
            break;
        uint32_t hash = sc_seen_hash(set, id->known);
        id->waits = set != &p->seen && !sc_seen_is_stored(set, id->known);
        if (hash == 0 && set == &p->seen) /* known from a segment or a read-back: the first sight of its bytes */
            sc_seen_set_hash(&p->seen, id->known, id->hash);
        if (hash == 0 || hash == id->hash || p->type->identity != SC_IMMUTABLE)
            return;
    }
    if (id->len > base_len && p->anchored) {
        struct sc_log_cx cx = sc_poller_cx(p);
        p->collisions++;
        SC_LOG_EACH(SC_WARN, &cx, NULL, "identity_collision: id %.*s came with other bytes; published as %s", (int)base_len, id->text, id->text);
    }
}

/* twin: the document holds the id more than once with different bytes; its nth state is known as id#n. */
static void snapshot_identity(const struct sc_poller *p, struct sc_record_id *id, const struct sc_record_name *name, unsigned twin,
                              const unsigned char hash[16])
{
    char own[SC_RECIPE_ID_MAX + 16], version[SC_RECIPE_ID_MAX + 1], hex[33];
    size_t len = sc_recipe_id(name->parts, name->count, own);
    if (twin > 1)
        len += (size_t)snprintf(own + len, sizeof own - len, "#%u", twin);
    struct sc_str v = sc_str_of(p->version[0]);
    size_t version_len = sc_recipe_id(&v, 1, version);
    sc_hex(hash, 16, hex);
    if (len + 34 + version_len > SC_RECIPE_ID_MAX) { /* the id gives way: its hash stands for it */
        unsigned char digest[16];
        sc_content_hash(own, len, digest);
        memcpy(own, "h:", 2);
        sc_hex(digest, 16, own + 2);
        len = 34;
    }
    id->fingerprint = fingerprint_of(p, own, len);
    id->len = (size_t)snprintf(id->text, sizeof id->text, "%s~%s~%s", own, hex, version);
    if (id->len >= sizeof id->text)
        id->len = sizeof id->text - 1;
}

/* The identity, and whether the map knows this state of the record; the map is not changed yet. */
static bool snapshot_record_is_new(struct sc_poller *p, const struct sc_record_name *name, struct sc_record_id *id)
{
    struct sc_batch *batch = p->batch;
    if (p->scan_only || p->older)
        return false;
    sc_content_hash(batch->bytes + p->record_at, batch->used - p->record_at, id->content);
    unsigned free_twin = 0, holes = 0;
    bool published = false;
    for (unsigned twin = 1; twin <= MAX_TWINS && holes < MAX_HOLES; twin++) {
        snapshot_identity(p, id, name, twin, id->content);
        if (sc_map_is_same(&p->map, id->fingerprint, id->content))
            return false;
        published = published || sc_map_was(&p->map, id->fingerprint, id->content);
        if (!free_twin && !sc_map_is_met(&p->map, id->fingerprint))
            free_twin = twin;
        holes = sc_map_has(&p->map, id->fingerprint) ? 0 : holes + 1;
    }
    snapshot_identity(p, id, name, free_twin ? free_twin : MAX_TWINS, id->content);
    return !published || sc_map_settle(&p->map, id->fingerprint, id->content);
}

static int snapshot_take_in(struct sc_poller *p, struct sc_record_id *id)
{
    unsigned changes = 1;
    if (sc_map_meet(&p->map, id->fingerprint, id->content, &changes) == SC_MAP_FULL)
        return sc_fail(&p->cut_error, SC_REASON_MEMORY_LIMIT, "more than %lld records in the document: raise poll.max_identities",
                       (long long)p->inst->io->config.settings->poll_max_identities);
    if (changes > 1)
        id->len += (size_t)snprintf(id->text + id->len, sizeof id->text - id->len, "#%u", changes);
    return 0;
}

/* -1, 0, 1: the document against the newest version that was read, or begun, before. */
static int version_order(const struct sc_poller *p)
{
    for (unsigned i = 0; i < 2 && p->type->version[i]; i++) {
        char name[16];
        snprintf(name, sizeof name, "version%u", i);
        const char *stored = json_string_value(json_object_get(p->cp.reached, name));
        if (!stored)
            stored = json_string_value(json_object_get(p->cp.position, name));
        int order = stored ? sc_version_compare(sc_str_of(p->version[i]), sc_str_of(stored)) : 1;
        if (order)
            return order;
    }
    return 0;
}

void sc_snapshot_judge(struct sc_poller *p)
{
    int order = version_order(p);
    p->version_known = true;
    p->older = order < 0;
    if (order > 0) { /* noted with the next anchor, so that an older copy is known as one even if this walk is broken off */
        json_decref(p->cp.reached);
        p->cp.reached = json_object();
        for (unsigned i = 0; p->cp.reached && i < 2 && p->type->version[i]; i++)
            json_object_set_new(p->cp.reached, i ? "version1" : "version0", json_string(p->version[i]));
        p->anchored = sc_is_dry(p);
    }
    if (!p->older)
        sc_map_version(&p->map, p->version[0]);
}

void sc_record_version(struct sc_poller *p)
{
    bool all = true;
    if (p->version_known)
        return;
    for (unsigned i = 0; i < 2 && p->type->version[i]; i++) {
        struct sc_str v = sc_host_services.envelope(&p->host, p->type->version[i]);
        if (!v.ptr)
            all = false;
        else
            snprintf(p->version[i], sizeof p->version[i], "%.*s", (int)v.len, v.ptr);
    }
    if (!all) { /* it stands behind the records: this pass only looks, a second one publishes */
        p->scan_only = true;
        return;
    }
    sc_snapshot_judge(p);
}

/* ---- the decision ------------------------------------------------------------------------------------------------------------------ */

bool sc_record_is_new(struct sc_poller *p, const struct sc_record_name *name, struct sc_record_id *id)
{
    struct sc_str bytes = {p->batch->bytes + p->record_at, p->batch->used - p->record_at};
    id->hash = sc_hash32(bytes.ptr, bytes.len);
    id->hash += id->hash == 0;
    if (sc_is_dry(p))
        return sc_dry_is_new(p, name, id);
    if (p->type->shape == SC_SHAPE_SNAPSHOT)
        return snapshot_record_is_new(p, name, id);
    if (sc_record_identify(p, name, bytes, id))
        find_in_set(p, id, id->len);
    return id->known == SC_SEEN_NONE;
}

int sc_record_take_in(struct sc_poller *p, struct sc_record_id *id)
{
    if (p->type->shape == SC_SHAPE_SNAPSHOT)
        return sc_is_dry(p) ? 0 : snapshot_take_in(p, id);
    id->known = sc_seen_add(&p->seen, id->fingerprint, id->hash, p->page->number);
    return id->known == SC_SEEN_NONE ? sc_fail(&p->cut_error, SC_REASON_MEMORY_LIMIT, "out of memory for identities") : 0;
}
