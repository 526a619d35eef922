/* backfill, backfill stop: walks over the past, which the running agent makes. backfill list: what of them stands in the bucket, beside what the agent says. */
#include "cli/ask.h"

#include "base/clock.h"
#include "base/hash.h"
#include "nats/session.h"
#include "poll/checkpoint.h"

#include <stdlib.h>

#define KEY_END ".=backfill"

int sc_command_backfill(struct sc_cli *cli)
{
    struct sc_args args SC_AUTO_ARGS = {0};
    SC_AUTO_BUF struct sc_buf room = {0}, more = {0};
    if (sc_args_read(cli, &args))
        return SC_EXIT_USAGE;
    const char *type = sc_args_get(&args, "data-type"), *from = sc_args_get(&args, "from"), *to = sc_args_get(&args, "to");
    if (!type || !from || !to)
        return sc_usage_error(cli, "--%s is missing", !type ? "data-type" : !from ? "from" : "to");
    const char *begin = sc_cli_time(from, &room), *end = sc_cli_time(to, &more);
    if (!begin || !end)
        return sc_usage_error(cli, "--%s %.40s: give a time such as 2026-11-22T10:15:00Z, or a day", !begin ? "from" : "to", !begin ? from : to);
    json_t *request = json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:b}", "op", "backfill", "do", "start", "integration", args.words[0], "data_type", type, "from", begin,
                                "to", end, "allow_doubles", sc_args_get(&args, "allow-doubles") != NULL);
    return sc_cli_ask(cli, request, "stopped; look with `backfill list` whether it was begun");
}

int sc_command_backfill_stop(struct sc_cli *cli)
{
    struct sc_args args SC_AUTO_ARGS = {0};
    if (sc_args_read(cli, &args))
        return SC_EXIT_USAGE;
    const char *type = sc_args_get(&args, "data-type");
    json_t *request = json_pack("{s:s, s:s, s:s}", "op", "backfill", "do", "stop", "integration", args.words[0]);
    if (type)
        json_object_set_new(request, "data_type", json_string(type));
    return sc_cli_ask(cli, request, "stopped looking; the agent ends it");
}

/* ---- list ------------------------------------------------------------------------------------------------------------------------------- */

struct found {
    char *name, *type; /* of the key, in plain */
    struct sc_checkpoint cp;
    struct sc_error err;
};

struct all {
    const char *name; /* NULL: all */
    struct found *at;
    size_t count, cap;
    bool failed;
};

/* "=2E" is a '.'. A name that was too long for a key is a hash, and stays one. */
static char *plain(const char *text, size_t len)
{
    char *out = calloc(len + 1, 1);
    size_t n = 0;
    for (size_t i = 0; out && i < len; i++) {
        unsigned char byte;
        bool code = text[i] == '=' && i + 2 < len && sc_unhex((struct sc_str){text + i + 1, 2}, &byte, 1);
        out[n++] = code ? (char)byte : text[i];
        i += code ? 2 : 0;
    }
    return out;
}

static int keep(void *arg, const char *key, uint64_t rev, struct sc_str value)
{
    struct all *all = arg;
    size_t len = strlen(key), tail = sizeof KEY_END - 1, name = strcspn(key, ".");
    (void)rev;
    if (len <= tail || strcmp(key + len - tail, KEY_END) != 0 || name >= len - tail)
        return 0;
    if (all->count == all->cap) {
        size_t cap = 2 * all->cap + 8;
        struct found *grown = realloc(all->at, cap * sizeof *grown);
        if (!grown)
            return all->failed = true, -1;
        all->at = grown;
        all->cap = cap;
    }
    struct found *f = &all->at[all->count++];
    *f = (struct found){.name = plain(key, name), .type = plain(key + name + 1, len - tail - name - 1)};
    all->failed |= !f->name || !f->type;
    if (all->failed)
        return -1;
    bool wanted = !all->name || strcmp(all->name, f->name) == 0;
    if (wanted && (sc_checkpoint_parse(&f->cp, value, &f->err) || f->cp.backfill))
        return 0;
    free(f->name);
    free(f->type);
    sc_checkpoint_done(&f->cp);
    all->count--;
    return 0;
}

static void done(struct all *all)
{
    for (size_t i = 0; i < all->count; i++) {
        free(all->at[i].name);
        free(all->at[i].type);
        sc_checkpoint_done(&all->at[i].cp);
    }
    free(all->at);
}

static int by_name(const void *a, const void *b)
{
    const struct found *x = a, *y = b;
    int order = strcmp(x->name, y->name);
    return order ? order : strcmp(x->type, y->type);
}

/* What the agent says of it; NULL: nothing. */
static const json_t *said_of(const json_t *statuses, const struct found *f)
{
    const json_t *types = json_object_get(json_object_get(statuses, f->name), "data_types");
    return json_object_get(json_object_get(types, f->type), "backfill");
}

static int64_t time_of(const json_t *object, const char *name)
{
    const char *text = sc_json_text(object, name);
    return *text ? sc_time_parse_rfc3339(sc_str_of(text)) : SC_TIME_NONE;
}

static int percent_of(const struct found *f)
{
    bool begun;
    int64_t from = time_of(f->cp.backfill, "from"), to = time_of(f->cp.backfill, "to"), at = sc_checkpoint_covers(&f->cp, &begun);
    if (strcmp(sc_json_text(f->cp.backfill, "state"), "done") == 0)
        return 100;
    if (at == SC_TIME_NONE || from == SC_TIME_NONE || to <= from || at < from)
        return 0;
    return at >= to ? 100 : (int)((at - from) * 100 / (to - from));
}

static void add_found(struct sc_buf *out, const struct found *f, const json_t *said)
{
    const char *text = sc_json_text(said, "text"), *reason = sc_json_text(said, "reason"), *detail = sc_json_text(said, "detail");
    sc_add_clean(out, f->name);
    sc_buf_add_char(out, '.');
    sc_add_clean(out, f->type);
    if (f->err.reason) {
        sc_buf_add_str(out, "  unreadable: ");
        sc_add_clean(out, f->err.text);
        sc_buf_add_char(out, '\n');
        return;
    }
    SC_AUTO_BUF struct sc_buf window = {0};
    sc_buf_addf(&window, "  %.16s  %.40s to %.40s", sc_json_text(f->cp.backfill, "state"), sc_json_text(f->cp.backfill, "from"), sc_json_text(f->cp.backfill, "to"));
    sc_add_clean(out, sc_buf_str(&window).ptr);
    sc_buf_add_str(out, "\n  ");
    if (*text)
        sc_add_clean(out, text);
    else
        sc_buf_addf(out, "%d %% (%llu records published)%s", percent_of(f), (unsigned long long)f->cp.records,
                    strcmp(sc_json_text(f->cp.backfill, "state"), "open") == 0 ? "; no agent says anything of it: it goes on with the next one that polls the data type" : "");
    sc_buf_add_char(out, '\n');
    if (*detail && strcmp(reason, "ok") != 0) {
        sc_buf_add_str(out, "  ");
        sc_add_clean(out, detail);
        sc_buf_add_char(out, '\n');
    }
}

static int print_json(const struct all *all, const json_t *statuses)
{
    json_t *list = json_array();
    for (size_t i = 0; i < all->count; i++) {
        const struct found *f = &all->at[i];
        json_t *one = json_pack("{s:s, s:s, s:b, s:s}", "integration", f->name, "data_type", f->type, "readable", f->err.reason == SC_REASON_OK, "error",
                                f->err.reason ? f->err.text : "");
        if (!f->err.reason) {
            json_object_update(one, f->cp.backfill);
            json_object_set_new(one, "records", json_integer((json_int_t)f->cp.records));
            json_object_set_new(one, "percent", json_integer(percent_of(f)));
        }
        const json_t *said = said_of(statuses, f);
        if (json_is_object(said))
            json_object_update_missing(one, (json_t *)(uintptr_t)said);
        json_array_append_new(list, one);
    }
    return sc_print_json(list);
}

int sc_command_backfill_list(struct sc_cli *cli)
{
    struct sc_args args SC_AUTO_ARGS = {0};
    struct sc_error err = SC_ERROR_INIT;
    SC_AUTO_BUF struct sc_buf out = {0};
    if (sc_args_read(cli, &args))
        return SC_EXIT_USAGE;
    struct all all = {.name = args.word_count ? args.words[0] : NULL};
    struct sc_session *session = sc_open_nats(cli, SC_TIMEOUT_MS, &err);
    if (!session)
        return sc_say(SC_EXIT_BAD, "%s", err.text);
    int rc = sc_kv_each(session, SC_CHECKPOINTS, keep, &all, &err);
    if (rc && err.reason == SC_REASON_NO_STREAM && !all.failed)
        rc = 0;
    json_t *statuses = rc ? NULL : sc_get_statuses(session);
    sc_session_close(session);
    if (rc || all.failed) {
        rc = sc_say(SC_EXIT_BAD, "%s", all.failed ? "out of memory" : err.text);
    } else {
        if (all.count)
            qsort(all.at, all.count, sizeof *all.at, by_name);
        for (size_t i = 0; !cli->json && i < all.count; i++)
            add_found(&out, &all.at[i], said_of(statuses, &all.at[i]));
        if (!cli->json && !all.count)
            sc_buf_addf(&out, "no backfill%s%s\n", all.name ? " of " : "", all.name ? all.name : "");
        rc = cli->json ? print_json(&all, statuses) : sc_print(&out);
    }
    json_decref(statuses);
    done(&all);
    return rc;
}
