/* Reads a script. Everything that can be known to be wrong without playing it is refused here, with its line. */
#include "script.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

#define INDENT 4

enum has { NEVER, MAY, MUST };

static const struct word {
    const char *text;
    enum ex_word word;
    enum has args, block;
    bool headers, body; /* the block is header lines; a body may follow */
} words[] = {
    {"integration", EX_INTEGRATION, MUST, MUST, false, false},
    {"clock", EX_CLOCK, MUST, NEVER, false, false},
    {"setting", EX_SETTING, MUST, NEVER, false, false},
    {"nats", EX_NATS, MUST, NEVER, false, false},
    {"stored", EX_STORED, MUST, NEVER, false, false},
    {"given", EX_GIVEN, MUST, MUST, false, false},
    {"chunks", EX_CHUNKS, MUST, NEVER, false, false},
    {"request", EX_REQUEST, MUST, MAY, true, true},
    {"reply", EX_REPLY, MUST, MAY, true, true},
    {"fail", EX_FAIL, MUST, NEVER, false, false},
    {"wait", EX_WAIT, MUST, NEVER, false, false},
    {"after", EX_AFTER, MUST, NEVER, false, false},
    {"record", EX_RECORD, MUST, MAY, true, true},
    {"duplicate", EX_DUPLICATE, MUST, MAY, true, true},
    {"checkpoint", EX_CHECKPOINT, MUST, MAY, false, false},
    {"status", EX_STATUS, MUST, MUST, false, false},
    {"log", EX_LOG, MUST, NEVER, false, false},
    {"letter", EX_LETTER, MUST, NEVER, false, true},
    {"put", EX_PUT, MUST, MUST, false, false},
    {"delete", EX_DELETE, MUST, NEVER, false, false},
    {"write", EX_WRITE, MUST, MUST, false, false},
    {"hold", EX_HOLD, MUST, NEVER, false, false},
    {"release", EX_RELEASE, MUST, NEVER, false, false},
    {"broker", EX_BROKER, MUST, NEVER, false, false},
    {"refuse", EX_REFUSE, MUST, NEVER, false, false},
    {"crash", EX_CRASH, NEVER, NEVER, false, false},
    {"restart", EX_RESTART, NEVER, NEVER, false, false},
    {"host-clock", EX_HOST_CLOCK, MUST, NEVER, false, false},
    {"poll", EX_POLL, MUST, NEVER, false, false},
    {"dry", EX_DRY, MUST, NEVER, false, false},
    {"said", EX_SAID, MUST, NEVER, false, false},
    {"ended", EX_ENDED, MUST, NEVER, false, false},
    {"give-up", EX_GIVE_UP, NEVER, NEVER, false, false},
    {"untouched", EX_UNTOUCHED, NEVER, NEVER, false, false},
    {"memory", EX_MEMORY, MUST, NEVER, false, false},
    {"ask", EX_ASK, MUST, MUST, false, false},
    {"again", EX_AGAIN, MUST, MAY, true, true},
    {"body", EX_BODY, MAY, MAY, false, false},
    {"cut", EX_CUT, MUST, NEVER, false, false},
    {"fails", EX_FAILS, MUST, NEVER, false, false},
};

struct reader {
    struct ex_script *script;
    struct sc_buf *report;
    const struct word *word; /* of the line whose block is being read */
    struct sc_buf block;
    struct ex_step *step;    /* the last one; NULL: none yet */
    char *args;
    unsigned line, word_line, block_line, blank; /* blank: empty lines that may belong to the block */
};

static int wrong(struct reader *r, unsigned line, const char *fmt, ...) SC_PRINTF(3, 4);

static int wrong(struct reader *r, unsigned line, const char *fmt, ...)
{
    va_list args;
    sc_buf_addf(r->report, "%s:%u: ", r->script->path, line);
    va_start(args, fmt);
    sc_buf_addv(r->report, fmt, args);
    va_end(args);
    sc_buf_add_char(r->report, '\n');
    return -1;
}

bool ex_word_is_setup(enum ex_word word)
{
    return word <= EX_CHUNKS;
}

bool ex_next_line(const char **at, struct sc_str *line)
{
    if (!*at || !**at)
        return false;
    size_t n = strcspn(*at, "\n");
    *line = (struct sc_str){*at, n};
    *at += n + ((*at)[n] == '\n');
    return true;
}

void ex_take_word(const char **rest, char *out, size_t cap)
{
    *rest += strspn(*rest, " \t");
    size_t n = strcspn(*rest, " \t");
    snprintf(out, cap, "%.*s", (int)n, *rest);
    *rest += n;
    *rest += strspn(*rest, " \t");
}

struct sc_str ex_header(const char *block, const char *name, unsigned nth)
{
    struct sc_str line;
    size_t len = strlen(name);
    while (ex_next_line(&block, &line)) {
        if (line.len <= len || line.ptr[len] != ':' || strncasecmp(line.ptr, name, len) != 0 || nth--)
            continue;
        size_t skip = len + 1;
        while (skip < line.len && line.ptr[skip] == ' ')
            skip++;
        return (struct sc_str){line.ptr + skip, line.len - skip};
    }
    return (struct sc_str){0};
}

/* ---- bodies ------------------------------------------------------------------------------------------------------------------ */

static int hex_digit(char c)
{
    return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* \n \r \t \0 \\ and \xHH; returns the length, -1 for anything else. */
static ptrdiff_t unescape(char *text, size_t len)
{
    static const char from[] = "nrt0\\", to[] = "\n\r\t\0\\";
    size_t n = 0;
    for (size_t i = 0; i < len; i++) {
        if (text[i] != '\\') {
            text[n++] = text[i];
            continue;
        }
        const char *at = ++i < len ? memchr(from, text[i], sizeof from - 1) : NULL;
        if (at) {
            text[n++] = to[at - from];
        } else if (i + 2 < len && text[i] == 'x' && hex_digit(text[i + 1]) >= 0 && hex_digit(text[i + 2]) >= 0) {
            text[n++] = (char)(hex_digit(text[i + 1]) * 16 + hex_digit(text[i + 2]));
            i += 2;
        } else {
            return -1;
        }
    }
    return (ptrdiff_t)n;
}

static int read_file(const char *path, struct sc_buf *out)
{
    char bytes[65536];
    size_t n;
    FILE *file = fopen(path, "rb");
    if (!file)
        return -1;
    while ((n = fread(bytes, 1, sizeof bytes, file)) > 0)
        sc_buf_add(out, bytes, n);
    int rc = ferror(file) || out->failed ? -1 : 0;
    fclose(file);
    return rc;
}

static int body_of_file(struct reader *r, struct sc_buf *out)
{
    const char *slash = strrchr(r->script->path, '/');
    const char *name = r->args + strlen("file ");
    SC_AUTO_FREE char *path = sc_printf("%.*s%s", slash ? (int)(slash + 1 - r->script->path) : 0, r->script->path, name);
    if (!path || read_file(path, out))
        return wrong(r, r->word_line, "%s cannot be read: %s", path ? path : name, strerror(errno));
    return 0;
}

/* `body 3 ,` repeats its one line, with {n} counted from 1 and the text between: pages of many records. */
static int body_repeated(struct reader *r, struct sc_buf *out)
{
    char count[16], between[16];
    const char *rest = r->args;
    ex_take_word(&rest, count, sizeof count);
    ex_take_word(&rest, between, sizeof between);
    unsigned long most = strtoul(count, NULL, 10);
    for (unsigned long n = 1; n <= most; n++) {
        const char *at = r->block.ptr ? r->block.ptr : "", *mark;
        while ((mark = strstr(at, "{n}")) != NULL) {
            sc_buf_add(out, at, (size_t)(mark - at));
            sc_buf_addf(out, "%lu", n);
            at = mark + 3;
        }
        sc_buf_add_str(out, at);
        if (n < most)
            sc_buf_add_str(out, between);
    }
    return out->failed ? wrong(r, r->word_line, "this body grows over 16 MiB") : 0;
}

static int take_body(struct reader *r)
{
    struct sc_buf out = {0};
    const struct word *of = NULL;
    for (size_t i = 0; r->step && i < sizeof words / sizeof *words; i++)
        of = words[i].word == r->step->word ? &words[i] : of;
    if (!of || !of->body)
        return wrong(r, r->word_line, "a body belongs below request, reply, record, duplicate or letter");
    int rc = 0;
    if (strncmp(r->args, "file ", 5) == 0)
        rc = body_of_file(r, &out);
    else if (isdigit((unsigned char)r->args[0]))
        rc = body_repeated(r, &out);
    else
        sc_buf_add(&out, r->block.ptr ? r->block.ptr : "", r->block.len);
    size_t len = out.len;
    if (rc == 0 && strcmp(r->args, "escaped") == 0) {
        ptrdiff_t n = unescape(out.ptr, out.len);
        len = (size_t)n;
        rc = n < 0 ? wrong(r, r->block_line, "escapes are \\n \\r \\t \\0 \\\\ and \\xHH") : 0;
    } else if (rc == 0 && r->args[0] && strncmp(r->args, "file ", 5) != 0 && !isdigit((unsigned char)r->args[0])) {
        rc = wrong(r, r->word_line, "\"body %s\": there are body, body escaped, body file NAME, body COUNT BETWEEN", r->args);
    }
    if (rc) {
        sc_buf_done(&out);
        return -1;
    }
    /* Several below one reply are one body, so that a page may be a head, many records and a tail. */
    struct ex_step *step = r->step;
    char *grown = realloc(step->body, step->body_len + len + 1);
    if (!grown)
        abort();
    memcpy(grown + step->body_len, out.ptr ? out.ptr : "", len);
    grown[step->body_len + len] = '\0';
    step->body = grown;
    step->body_len += len;
    if (!step->has_body)
        step->body_line = r->block_line ? r->block_line : r->word_line;
    step->has_body = true;
    sc_buf_done(&out);
    return 0;
}

/* ---- steps -------------------------------------------------------------------------------------------------------------------- */

static struct ex_step *add_step(struct ex_script *script, enum ex_word word, unsigned line)
{
    if (script->count == script->cap) {
        script->cap = script->cap ? script->cap * 2 : 64;
        script->steps = realloc(script->steps, script->cap * sizeof *script->steps);
        if (!script->steps)
            abort();
    }
    struct ex_step *step = &script->steps[script->count++];
    *step = (struct ex_step){.word = word, .line = line};
    return step;
}

static int check_headers(struct reader *r)
{
    const char *at = r->block.ptr;
    struct sc_str line;
    for (unsigned n = r->block_line; ex_next_line(&at, &line); n++) {
        const char *colon = memchr(line.ptr, ':', line.len);
        if (!colon || colon == line.ptr || memchr(line.ptr, ' ', (size_t)(colon - line.ptr)))
            return wrong(r, n, "\"%.*s\" is no header line (Name: value); bodies stand below the word body", (int)line.len, line.ptr);
    }
    return 0;
}

static int take_part(struct reader *r)
{
    struct ex_script *script = r->script;
    if (r->word->word == EX_BODY)
        return take_body(r);
    if (r->word->word == EX_FAILS) {
        if (script->fails_count < sizeof script->fails / sizeof *script->fails)
            script->fails[script->fails_count++] = sc_dup(r->args);
        return 0;
    }
    if (!r->step || r->step->word != EX_REPLY || r->step->cut)
        return wrong(r, r->word_line, "cut belongs below a reply, once");
    r->step->cut = sc_dup(r->args);
    return 0;
}

/* The line before and its block are complete. */
static int finish_word(struct reader *r)
{
    const struct word *word = r->word;
    int rc = 0;
    if (!word)
        return 0;
    if (word->args == MUST && !r->args[0])
        rc = wrong(r, r->word_line, "%s: something must follow on the line", word->text);
    else if (word->args == NEVER && r->args[0])
        rc = wrong(r, r->word_line, "%s stands alone on its line", word->text);
    else if (word->block == MUST && !r->block.len)
        rc = wrong(r, r->word_line, "%s: indented lines must follow", word->text);
    else if (word->block == NEVER && r->block.len)
        rc = wrong(r, r->block_line, "%s takes no indented lines", word->text);
    else if (word->headers)
        rc = check_headers(r);
    if (rc == 0 && word->word >= EX_BODY) {
        rc = take_part(r);
    } else if (rc == 0) {
        r->step = add_step(r->script, word->word, r->word_line);
        r->step->args = sc_dup(r->args);
        r->step->block_line = r->block_line;
        r->step->block = r->block.len ? sc_buf_take(&r->block) : NULL;
        if (ex_word_is_setup(word->word) && r->script->count > 1 && !ex_word_is_setup(r->step[-1].word))
            rc = wrong(r, r->word_line, "%s stands before the first exchange", word->text);
    }
    free(r->args);
    r->args = NULL;
    r->word = NULL;
    sc_buf_done(&r->block);
    r->block_line = r->blank = 0;
    return rc;
}

static int take_line(struct reader *r, const char *text, size_t len)
{
    if (len >= INDENT && memcmp(text, "    ", INDENT) == 0 && strspn(text, " \t\r") < len) {
        if (!r->word)
            return wrong(r, r->line, "indented lines belong below a word");
        for (; r->blank && r->block_line; r->blank--)
            sc_buf_add_char(&r->block, '\n');
        if (r->block_line)
            sc_buf_add_char(&r->block, '\n');
        else
            r->block_line = r->line;
        r->blank = 0;
        sc_buf_add(&r->block, text + INDENT, len - INDENT);
        return 0;
    }
    if (strspn(text, " \t\r") >= len) {
        r->blank++;
        return 0;
    }
    if (finish_word(r))
        return -1;
    if (text[0] == '#')
        return 0;
    if (text[0] == ' ' || text[0] == '\t')
        return wrong(r, r->line, "indented by less than %d blanks", INDENT);
    size_t n = 0;
    while (n < len && !isspace((unsigned char)text[n]))
        n++;
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        if (strlen(words[i].text) == n && memcmp(words[i].text, text, n) == 0)
            r->word = &words[i];
    }
    if (!r->word)
        return wrong(r, r->line, "unknown word \"%.*s\"", (int)n, text);
    while (n < len && isspace((unsigned char)text[n]))
        n++;
    while (len > n && isspace((unsigned char)text[len - 1]))
        len--;
    r->args = sc_dup_str((struct sc_str){text + n, len - n});
    r->word_line = r->line;
    return r->args ? 0 : -1;
}

int ex_script_read(struct ex_script *script, const char *path, struct sc_buf *report)
{
    struct reader r = {.script = script, .report = report};
    *script = (struct ex_script){.path = sc_dup(path)};
    FILE *file = fopen(path, "r");
    char *text = NULL;
    size_t cap = 0;
    ssize_t len;
    if (!file)
        return wrong(&r, 0, "cannot be read: %s", strerror(errno));
    int rc = 0;
    while (rc == 0 && (len = getline(&text, &cap, file)) >= 0) {
        r.line++;
        if (len && text[len - 1] == '\n')
            text[--len] = '\0';
        rc = take_line(&r, text, (size_t)len);
    }
    if (rc == 0)
        rc = finish_word(&r);
    while (rc && (len = getline(&text, &cap, file)) >= 0) { /* what a script of the self-test must be told may stand further down */
        if (strncmp(text, "fails ", 6) == 0 && script->fails_count < sizeof script->fails / sizeof *script->fails)
            script->fails[script->fails_count++] = sc_printf("%.*s", (int)strcspn(text + 6, "\n"), text + 6);
    }
    add_step(script, EX_END, r.line + 1)->args = sc_dup("");
    free(r.args);
    sc_buf_done(&r.block);
    free(text);
    fclose(file);
    return rc;
}

void ex_script_done(struct ex_script *script)
{
    for (size_t i = 0; i < script->count; i++) {
        free(script->steps[i].args);
        free(script->steps[i].block);
        free(script->steps[i].body);
        free(script->steps[i].cut);
    }
    for (size_t i = 0; i < script->fails_count; i++)
        free(script->fails[i]);
    free(script->steps);
    free(script->path);
    *script = (struct ex_script){0};
}
