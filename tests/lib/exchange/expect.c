/* What must have come: requests, records, checkpoints, status, log lines, dead letters. Each difference is told with both sides. */
#include "play.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

#define SHOWN 600 /* of a text, in a report */

/* ---- differences ------------------------------------------------------------------------------------------------------------ */

static void add_side(struct sc_buf *out, const char *mark, struct sc_str text)
{
    sc_buf_addf(out, "  %s ", mark);
    for (size_t i = 0; i < text.len && i < SHOWN; i++) {
        unsigned char c = (unsigned char)text.ptr[i];
        if (c == '\n')
            sc_buf_addf(out, "\n  %s ", mark);
        else if (c < 0x20 || c == 0x7F)
            sc_buf_addf(out, "\\x%02X", c);
        else
            sc_buf_add_char(out, (char)c);
    }
    sc_buf_addf(out, "%s\n", text.len > SHOWN ? " ..." : "");
}

/* - expected, + came, and where they part. Always -1. */
static int differ(struct ex_play *play, unsigned line, const char *what, struct sc_str want, struct sc_str got)
{
    size_t at = 0;
    while (at < want.len && at < got.len && want.ptr[at] == got.ptr[at])
        at++;
    ex_wrong_at(play, line, "%s differs from byte %zu on (expected %zu bytes, %zu came)", what, at, want.len, got.len);
    add_side(play->report, "-", want);
    add_side(play->report, "+", got);
    if (at > SHOWN / 2) { /* the beginning says nothing */
        size_t from = at - 40;
        sc_buf_add_str(play->report, "    there:\n");
        add_side(play->report, "-", (struct sc_str){want.ptr + from, want.len - from < 120 ? want.len - from : 120});
        add_side(play->report, "+", (struct sc_str){got.ptr + from, got.len - from < 120 ? got.len - from : 120});
    }
    return -1;
}

/* ---- requests ------------------------------------------------------------------------------------------------------------------ */

/* Path and query where the URL lies below an integration's address, else all of it. */
static const char *short_url(const struct ex_play *play, const char *url)
{
    for (const struct sc_instance *i = play->io->instances; i; i = i->next) {
        size_t len = strlen(i->config->base_url);
        if (strncmp(url, i->config->base_url, len) == 0 && url[len] == '/')
            return url + len;
    }
    return url;
}

static int compare_headers(struct ex_play *play, const struct sc_transfer *t)
{
    const char *at = play->step->block;
    struct sc_str line;
    for (unsigned n = play->step->block_line; ex_next_line(&at, &line); n++) {
        char name[128];
        const char *colon = memchr(line.ptr, ':', line.len);
        snprintf(name, sizeof name, "%.*s", (int)(colon - line.ptr), line.ptr);
        struct sc_str got = ex_header(ex_vendor_headers(t), name, 0);
        struct sc_str want = {colon + 1, line.len - (size_t)(colon + 1 - line.ptr)};
        while (want.len && *want.ptr == ' ')
            want = (struct sc_str){want.ptr + 1, want.len - 1};
        if (sc_str_is(want, "(absent)")) {
            if (got.ptr)
                return ex_wrong_at(play, n, "expected no header %s\n  + %s: %.*s", name, name, (int)got.len, got.ptr);
        } else if (!got.ptr) {
            return ex_wrong_at(play, n, "expected header %s, it did not come; the request has\n%s", name, ex_vendor_headers(t));
        } else if (!sc_str_eq(want, got)) {
            return differ(play, n, name, want, got);
        } else if (ex_header(ex_vendor_headers(t), name, 1).ptr) {
            return ex_wrong_at(play, n, "header %s came twice", name);
        }
    }
    return 0;
}

static bool line_matches(const struct ex_play *play, const struct sc_transfer *t)
{
    SC_AUTO_FREE char *got = sc_printf("%s %s", ex_vendor_method(t), short_url(play, ex_vendor_url(t)));
    return got && strcmp(got, play->step->args) == 0;
}

/* Log lines that the script has not named. */
static void add_lines(struct ex_play *play, enum sc_level least)
{
    for (size_t i = 0; i < play->line_count; i++) {
        if (!play->lines[i].expected && play->lines[i].level >= least)
            add_side(play->report, "+", sc_str_of(play->lines[i].text));
    }
}

void ex_tell_state(struct ex_play *play)
{
    static const char *const phases[] = {"off", "loading", "idle", "walking", "closing"};
    char at[SC_TIME_TEXT];
    sc_buf_addf(play->report, "    it is %s; the agent:\n", sc_time_rfc3339(ex_clock_real(), at));
    for (const struct sc_instance *i = play->io ? play->io->instances : NULL; i; i = i->next) {
        for (unsigned k = 0; k < i->poller_count; k++) {
            const struct sc_poller *p = i->pollers[k];
            sc_buf_addf(play->report, "    %s.%s is %s, %s: %s\n", i->config->name, p->type->name, phases[p->phase], sc_reason_code(p->facts.reason),
                        p->facts.detail);
            if (sc_timer_armed(&p->timer))
                sc_buf_addf(play->report, "    its next step is in %lld ms\n", (long long)(p->timer.due_ms - ex_clock_mono()));
        }
    }
    add_lines(play, SC_WARN);
}

int ex_expect_request(struct ex_play *play)
{
    const struct ex_step *step = play->step;
    int rc = ex_settle(play, ex_has_request);
    if (rc < 0)
        return -1;
    if (rc == 0) {
        ex_wrong(play, "expected a request, none came\n  - %s", step->args);
        ex_tell_state(play);
        return -1;
    }
    struct sc_transfer *t = ex_vendor_pending(play->io->http);
    if (play->options->show)
        ex_show_request(play, t);
    if (ex_expect_no_more_records(play, "before this request"))
        return -1;
    if (!line_matches(play, t)) {
        SC_AUTO_FREE char *got = sc_printf("%s %s", ex_vendor_method(t), short_url(play, ex_vendor_url(t)));
        return differ(play, step->line, "the request", sc_str_of(step->args), sc_str_of(got));
    }
    if (compare_headers(play, t))
        return -1;
    if (!sc_str_eq(ex_vendor_body(t), (struct sc_str){step->body, step->body_len}))
        return differ(play, step->has_body ? step->body_line : step->line, "the request's body",
                      (struct sc_str){step->body ? step->body : "", step->body_len}, ex_vendor_body(t));
    ex_vendor_match(play->io->http, t);
    return 0;
}

/* ---- records ---------------------------------------------------------------------------------------------------------------------- */

static bool has_record(struct ex_play *play)
{
    return play->records_told < ex_broker_records(play->broker);
}

/* Byte for byte what the vendor sent: it stands in a reply of this play. */
static bool stands_in_a_reply(const struct ex_play *play, const struct ex_record *r)
{
    for (const struct ex_step *s = play->script->steps; s <= play->step; s++) {
        if (s->word == EX_REPLY && s->body && memmem(s->body, s->body_len, r->body, r->body_len))
            return true;
    }
    return false;
}

static const char *kind_of(const struct ex_record *r)
{
    return r->doubled     ? "a record that the stream held already, past its duplicate window: it stands there twice"
           : r->duplicate ? "a record that the stream held already (acknowledged as a duplicate)"
           : r->refused   ? "a record that was refused as too large"
                          : "a record";
}

static int compare_record(struct ex_play *play, const struct ex_record *r)
{
    const struct ex_step *step = play->step;
    const struct {
        const char *name, *value;
    } headers[] = {{"ce-id", r->ce_id}, {"ce-time", r->ce_time}, {"ce-type", r->ce_type}, {"ce-source", r->ce_source}};
    const char *at = step->block;
    struct sc_str line;
    for (unsigned n = step->block_line; ex_next_line(&at, &line); n++) {
        bool known = false;
        for (size_t i = 0; i < sizeof headers / sizeof *headers; i++) {
            SC_AUTO_FREE char *own = sc_printf("%s: %s", headers[i].name, headers[i].value ? headers[i].value : "(absent)");
            size_t len = strlen(headers[i].name);
            bool this_one = line.len > len && line.ptr[len] == ':' && strncmp(line.ptr, headers[i].name, len) == 0;
            known = known || this_one;
            if (this_one && !sc_str_is(line, own))
                return differ(play, n, headers[i].name, line, sc_str_of(own));
        }
        if (!known)
            return ex_wrong_at(play, n, "a record has ce-id, ce-time, ce-type, ce-source");
    }
    if (step->has_body && !sc_str_eq((struct sc_str){step->body, step->body_len}, (struct sc_str){r->body, r->body_len}))
        return differ(play, step->body_line, "the record's body", (struct sc_str){step->body, step->body_len}, (struct sc_str){r->body, r->body_len});
    if (!step->has_body && strcmp(r->ce_type, "signal-client.gap") != 0 && !stands_in_a_reply(play, r)) {
        ex_wrong(play, "the body of %s is not what the vendor sent: it stands in no reply byte for byte", r->msg_id);
        add_side(play->report, "+", (struct sc_str){r->body, r->body_len});
        return -1;
    }
    return 0;
}

static int expect_one(struct ex_play *play, const char *id, bool duplicate)
{
    int rc = ex_settle(play, has_record);
    if (rc < 0)
        return -1;
    if (rc == 0)
        return ex_wrong(play, "expected a record, none came\n  - %s", id);
    const struct ex_record *r = ex_broker_record(play->broker, play->records_told++);
    if (strcmp(r->msg_id, id) != 0)
        return differ(play, play->step->line, "the next record", sc_str_of(id), sc_str_of(r->msg_id));
    bool again = play->step->word == EX_AGAIN;
    if (r->doubled != again || (r->duplicate && !duplicate))
        return ex_wrong(play, "expected a new record, came %s\n  + %s", kind_of(r), id);
    if (duplicate && !r->duplicate)
        return ex_wrong(play, "expected a record that the stream holds already, came %s\n  + %s", kind_of(r), id);
    return compare_record(play, r);
}

/* "okta.system_log.u{1..300}" stands for three hundred records in a row. */
int ex_expect_record(struct ex_play *play, bool duplicate)
{
    const char *args = play->step->args, *open = strchr(args, '{'), *close = open ? strchr(open, '}') : NULL;
    long long from = 0, to = 0;
    if (play->options->show)
        return ex_settle(play, has_record) < 0 ? -1 : 0;
    if (!close || sscanf(open, "{%lld..%lld}", &from, &to) != 2)
        return expect_one(play, args, duplicate);
    for (; from <= to; from++) {
        SC_AUTO_FREE char *id = sc_printf("%.*s%lld%s", (int)(open - args), args, from, close + 1);
        if (expect_one(play, id, duplicate))
            return -1;
    }
    return 0;
}

int ex_expect_no_more_records(struct ex_play *play, const char *before)
{
    if (play->options->show || !has_record(play))
        return 0;
    const struct ex_record *r = ex_broker_record(play->broker, play->records_told);
    ex_wrong(play, "%s was handed over %s that the script does not name\n  + record %s", kind_of(r), before, r->msg_id);
    add_side(play->report, "+", (struct sc_str){r->body, r->body_len});
    return -1;
}

/* ---- checkpoints -------------------------------------------------------------------------------------------------------------------- */

static char *as_text(const json_t *value)
{
    return value ? json_dumps(value, JSON_ENCODE_ANY | JSON_COMPACT) : sc_dup("(absent)");
}

int ex_expect_checkpoint(struct ex_play *play)
{
    const struct ex_step *step = play->step;
    json_error_t why;
    const char *name;
    json_t *want;
    int rc = 0;
    if (ex_settle(play, NULL) < 0 || ex_expect_no_more_records(play, "before this checkpoint"))
        return -1;
    if (play->options->show)
        return 0;
    const struct ex_value *v = ex_broker_value(play->broker, "CHECKPOINTS", step->args);
    json_t *members = step->block ? json_loads(step->block, JSON_REJECT_DUPLICATES, &why) : NULL;
    if (step->block && !json_is_object(members)) {
        json_decref(members);
        return ex_wrong_at(play, step->block_line, "not a JSON object: line %d: %s", why.line, why.text);
    }
    if (!step->block)
        return v ? ex_wrong(play, "expected no checkpoint %s\n  + %.*s", step->args, SHOWN, v->value.ptr) : 0;
    json_t *stored = v && !v->deleted ? json_loadb(v->value.ptr, v->value.len, 0, NULL) : NULL;
    if (!stored)
        rc = ex_wrong(play, "expected a checkpoint %s, there is none", step->args);
    json_object_foreach (members, name, want) {
        const json_t *got = json_object_get(stored, name);
        bool same = json_is_null(want) ? !got || json_is_null(got) : got && json_equal(want, got);
        if (!stored || same)
            continue;
        SC_AUTO_FREE char *a = as_text(json_is_null(want) ? NULL : want), *b = as_text(got);
        rc = ex_wrong(play, "member %s of checkpoint %s\n  - %s\n  + %s", name, step->args, a, b);
    }
    json_decref(stored);
    json_decref(members);
    return rc;
}

/* ---- status ------------------------------------------------------------------------------------------------------------------------- */

/* "okta-prod" or "okta-prod.system_log". The status of this very moment, as it would be written. */
static json_t *status_now(struct ex_play *play, json_t **ret_members)
{
    const char *args = play->step->args;
    for (struct sc_instance *inst = play->io ? play->io->instances : NULL; inst; inst = inst->next) {
        size_t len = strlen(inst->config->name);
        if (inst->retired || strncmp(args, inst->config->name, len) != 0 || (args[len] && args[len] != '.'))
            continue;
        sc_status_fire(&inst->status_timer, inst);
        const char *text = ex_broker_status_of(play->broker, inst->config->name);
        json_t *root = text ? json_loads(text, 0, NULL) : NULL;
        *ret_members = args[len] ? json_object_get(json_object_get(root, "data_types"), args + len + 1) : root;
        return root;
    }
    const char *text = ex_broker_status_of(play->broker, args); /* of a value that never was good, or was deleted */
    return *ret_members = text ? json_loads(text, 0, NULL) : NULL;
}

static int compare_member(struct ex_play *play, unsigned n, struct sc_str line, const json_t *members)
{
    char name[64], op[8];
    SC_AUTO_FREE char *copy = sc_dup_str(line);
    const char *rest = copy;
    ex_take_word(&rest, name, sizeof name);
    ex_take_word(&rest, op, sizeof op);
    const json_t *value = json_object_get(members, name);
    SC_AUTO_FREE char *got = json_is_string(value) ? sc_dup(json_string_value(value)) : as_text(value);
    if (strcmp(op, "=") == 0)
        return strcmp(got, rest) == 0 ? 0 : differ(play, n, name, sc_str_of(rest), sc_str_of(got));
    if (strcmp(op, "~") == 0 && *rest)
        return strstr(got, rest) ? 0 : ex_wrong_at(play, n, "%s should hold\n  - %s\n  + %s", name, rest, got);
    return ex_wrong_at(play, n, "a line of status is \"name = value\" or \"name ~ part of it\"");
}

int ex_expect_status(struct ex_play *play)
{
    const char *at = play->step->block;
    struct sc_str line;
    json_t *members = NULL;
    int rc = 0;
    if (ex_settle(play, NULL) < 0)
        return -1;
    if (play->options->show)
        return 0;
    json_t *root = status_now(play, &members);
    if (!members)
        rc = ex_wrong(play, "there is no status of %s", play->step->args);
    for (unsigned n = play->step->block_line; members && ex_next_line(&at, &line); n++) {
        if (compare_member(play, n, line, members))
            rc = -1;
    }
    json_decref(root);
    return rc;
}

/* ---- log and dead letters -------------------------------------------------------------------------------------------------------------- */

static struct ex_log_line *find_line(struct ex_play *play)
{
    char level[16];
    const char *rest = play->step->args;
    enum sc_level wanted;
    ex_take_word(&rest, level, sizeof level);
    for (size_t i = 0; sc_log_parse_level(level, &wanted) && i < play->line_count; i++) {
        struct ex_log_line *l = &play->lines[i];
        if (!l->expected && l->level == wanted && strstr(l->text, rest))
            return l;
    }
    return NULL;
}

static bool has_line(struct ex_play *play)
{
    return find_line(play) != NULL;
}

int ex_expect_log(struct ex_play *play)
{
    char level[16];
    const char *rest = play->step->args;
    enum sc_level wanted;
    ex_take_word(&rest, level, sizeof level);
    if (!sc_log_parse_level(level, &wanted) || wanted == SC_DEBUG || !*rest)
        return ex_wrong(play, "log takes a level (INFO, WARN, ERROR) and a part of the line");
    if (ex_settle(play, has_line) < 0)
        return -1;
    struct ex_log_line *l = find_line(play);
    if (l)
        l->expected = true;
    if (l || play->options->show)
        return 0;
    ex_wrong(play, "expected a log line, it did not come\n  - %s\n    of those that came the script has not named", play->step->args);
    add_lines(play, SC_INFO);
    return -1;
}

/* A file whose name begins so, with that body. */
int ex_expect_letter(struct ex_play *play)
{
    const struct ex_step *step = play->step;
    SC_AUTO_FREE char *dir = sc_printf("%s/letters", play->options->scratch);
    SC_AUTO_FREE char *found = NULL;
    if (ex_settle(play, NULL) < 0)
        return -1;
    DIR *open = opendir(dir);
    for (const struct dirent *entry; open && !found && (entry = readdir(open));) {
        if (strncmp(entry->d_name, step->args, strlen(step->args)) == 0)
            found = sc_printf("%s/%s", dir, entry->d_name);
    }
    if (open)
        closedir(open);
    if (!found)
        return play->options->show ? 0 : ex_wrong(play, "expected a dead letter, there is none\n  - %s", step->args);
    char bytes[65536];
    FILE *file = fopen(found, "rb");
    size_t n = file ? fread(bytes, 1, sizeof bytes, file) : 0;
    if (file)
        fclose(file);
    if (step->has_body && !sc_str_eq((struct sc_str){step->body, step->body_len}, (struct sc_str){bytes, n}))
        return differ(play, step->body_line, "the dead letter", (struct sc_str){step->body, step->body_len}, (struct sc_str){bytes, n});
    return 0;
}

/* ---- the end ------------------------------------------------------------------------------------------------------------------------------ */

static int holds_secret(struct ex_play *play, const char *where, const char *text)
{
    for (size_t i = 0; text && i < play->secret_count; i++) {
        if (ex_finds(text, play->secrets[i]))
            return ex_wrong(play, "a credential stands in %s", where);
    }
    return 0;
}

static int expect_no_secret(struct ex_play *play)
{
    int rc = 0;
    for (size_t i = 0; i < play->line_count; i++)
        rc |= holds_secret(play, "the log", play->lines[i].text);
    for (struct ex_value *v = ex_broker_values(play->broker); v; v = v->next)
        rc |= holds_secret(play, v->bucket, v->deleted ? NULL : v->value.ptr);
    return rc;
}

static int expect_quiet_log(struct ex_play *play)
{
    for (size_t i = 0; i < play->line_count; i++) {
        if (play->lines[i].level >= SC_WARN && !play->lines[i].expected)
            return ex_wrong(play, "a log line came that the script does not name\n  + %s", play->lines[i].text);
    }
    return 0;
}

int ex_expect_end(struct ex_play *play)
{
    if (ex_settle(play, NULL) < 0)
        return -1;
    struct sc_transfer *t = play->io ? ex_vendor_pending(play->io->http) : NULL;
    if (t)
        return ex_wrong(play, "a request came that the script does not name\n  + %s %s", ex_vendor_method(t), short_url(play, ex_vendor_url(t)));
    const char *unseen = play->io ? ex_vendor_unseen(play->io->http) : NULL;
    if (unseen)
        return ex_wrong(play, "a request was begun and given up that the script does not name\n  + %s", unseen);
    if (ex_expect_nothing_asked(play) || ex_expect_no_more_records(play, "before the end") || ex_agent_stop(play) || ex_expect_no_more_records(play, "at the stop"))
        return -1;
    if (play->options->show) {
        ex_show_end(play);
        return 0;
    }
    return expect_quiet_log(play) | expect_no_secret(play);
}
