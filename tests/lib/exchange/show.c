/* --show: what came, in the script's own form, so that an author who has written the vendor's side takes over the agent's after looking at it. */
#include "play.h"

#include <stdio.h>
#include <stdlib.h>

static const char *const names[] = {
    [EX_INTEGRATION] = "integration", [EX_CLOCK] = "clock",     [EX_SETTING] = "setting", [EX_NATS] = "nats",     [EX_STORED] = "stored",
    [EX_GIVEN] = "given",             [EX_CHUNKS] = "chunks",   [EX_REPLY] = "reply",     [EX_FAIL] = "fail",     [EX_WAIT] = "wait",
    [EX_AFTER] = "after",             [EX_LETTER] = "letter",   [EX_PUT] = "put",         [EX_DELETE] = "delete", [EX_WRITE] = "write",
    [EX_HOLD] = "hold",               [EX_RELEASE] = "release", [EX_BROKER] = "broker",   [EX_REFUSE] = "refuse", [EX_CRASH] = "crash",
    [EX_RESTART] = "restart",         [EX_HOST_CLOCK] = "host-clock", [EX_POLL] = "poll",       [EX_DRY] = "dry",
    [EX_GIVE_UP] = "give-up",         [EX_UNTOUCHED] = "untouched", [EX_MEMORY] = "memory",
};

void ex_show_block(const char *text, size_t len)
{
    printf("    ");
    for (size_t i = 0; i < len; i++) {
        putchar(text[i]);
        if (text[i] == '\n')
            printf("    ");
    }
    putchar('\n');
}

/* Steps that are the script's own doing are repeated as they stand. */
void ex_show_step(const struct ex_play *play)
{
    const struct ex_step *s = play->step;
    char at[SC_TIME_TEXT];
    const char *name = (size_t)s->word < sizeof names / sizeof *names ? names[s->word] : NULL;
    if (!name)
        return;
    if (s->word == EX_WAIT || s->word == EX_AFTER)
        printf("# %s\n", sc_time_rfc3339(ex_clock_real(), at));
    printf("%s%s%s\n", name, s->args[0] ? " " : "", s->args);
    if (s->block)
        ex_show_block(s->block, strlen(s->block));
    if (s->has_body) {
        printf("body\n");
        ex_show_block(s->body, s->body_len);
    }
    if (s->cut)
        printf("cut %s\n", s->cut);
}

void ex_show_request(const struct ex_play *play, const struct sc_transfer *t)
{
    const char *at = ex_vendor_headers(t), *url = ex_vendor_url(t);
    struct sc_str line, body = ex_vendor_body(t);
    char time[SC_TIME_TEXT];
    for (const struct sc_instance *i = play->io->instances; i; i = i->next) {
        size_t len = strlen(i->config->base_url);
        url = strncmp(url, i->config->base_url, len) == 0 && url[len] == '/' ? url + len : url;
    }
    printf("# %s\nrequest %s %s\n", sc_time_rfc3339(ex_clock_real(), time), ex_vendor_method(t), url);
    while (ex_next_line(&at, &line))
        printf("    %.*s\n", (int)line.len, line.ptr);
    if (body.len) {
        printf("body\n");
        ex_show_block(body.ptr, body.len);
    }
}

void ex_show_outcome(struct ex_play *play)
{
    for (; play->records_shown < ex_broker_records(play->broker); play->records_shown++) {
        const struct ex_record *r = ex_broker_record(play->broker, play->records_shown);
        printf("%s%s %s\n    ce-time: %s\n    ce-type: %s\nbody\n", r->refused ? "# refused: " : r->doubled ? "# doubled: " : "",
               r->duplicate ? "duplicate" : "record", r->msg_id, r->ce_time ? r->ce_time : "(absent)", r->ce_type);
        ex_show_block(r->body, r->body_len);
    }
    for (; play->shown_lines < play->line_count; play->shown_lines++) {
        static const char *const levels[] = {"DEBUG", "INFO", "WARN", "ERROR"};
        const struct ex_log_line *l = &play->lines[play->shown_lines];
        const char *text = strchr(l->text, ']');
        printf("log %s %s\n", levels[l->level], text ? text + 2 : l->text);
    }
    if (play->step->word == EX_CHECKPOINT || play->step->word == EX_STATUS)
        ex_show_end(play);
}

void ex_show_end(struct ex_play *play)
{
    for (struct sc_instance *i = play->io ? play->io->instances : NULL; i; i = i->next)
        sc_status_fire(&i->status_timer, i);
    for (const struct ex_value *v = ex_broker_values(play->broker); v; v = v->next) {
        bool status = strcmp(v->bucket, "INTEGRATION_STATUS") == 0;
        if (v->deleted || (!status && strcmp(v->bucket, "CHECKPOINTS") != 0))
            continue;
        printf("%s %s\n", status ? "# status" : "checkpoint", v->key);
        ex_show_block(v->value.ptr, v->value.len);
    }
}
