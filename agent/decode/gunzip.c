/* gzip by its first bytes. Members behind one another are one text (RFC 1952 2.2). Limits as for a body that a header says is
 * compressed: so many bytes in all, and beyond 64 MiB not more than 200 times what came. */
#include "decode/gunzip.h"

#include <stdlib.h>
#include <zlib.h>

#define PIECE 65536
#define RATIO 200u
#define RATIO_FROM (UINT64_C(64) << 20)

enum state {
    BEGIN,  /* no byte seen */
    MARK,   /* the first of the two was */
    MEMBER, /* inside one */
    AFTER,  /* behind one: another, or the end */
    BROKEN  /* what came before has been handed out, `failure` has not been told */
};

struct sc_gunzip {
    enum state state;
    bool made; /* z is initialised */
    bool more; /* z may have text left that its last call had no room for */
    z_stream z;
    uint64_t max, in, out;
    struct sc_error failure;
    Bytef text[PIECE];
};

static const char mark[2] = {SC_GUNZIP_MARK, '\x8B'};

struct sc_gunzip *sc_gunzip_new(uint64_t max, struct sc_error *err)
{
    struct sc_gunzip *gz = calloc(1, sizeof(*gz));

    if (!gz) {
        (void)sc_fail(err, SC_REASON_MEMORY_LIMIT, "no memory for a cutter");
        return NULL;
    }
    gz->max = max;
    sc_gunzip_reset(gz);
    return gz;
}

void sc_gunzip_free(struct sc_gunzip *gz)
{
    if (gz && gz->made)
        inflateEnd(&gz->z);
    free(gz);
}

void sc_gunzip_reset(struct sc_gunzip *gz)
{
    gz->state = BEGIN;
    gz->more = false;
    gz->in = gz->out = 0;
    gz->failure = (struct sc_error)SC_ERROR_INIT;
}

static int fail(struct sc_gunzip *gz, enum sc_reason reason, const char *what)
{
    gz->state = BROKEN;
    return sc_fail(&gz->failure, reason, "%s at byte %llu of the gzip body", what, (unsigned long long)gz->in);
}

/* A new body, or a new member. */
static int begin(struct sc_gunzip *gz)
{
    int r = gz->made ? inflateReset(&gz->z) : inflateInit2(&gz->z, 15 + 16);

    gz->made |= r == Z_OK;
    gz->state = MEMBER;
    gz->z.next_in = NULL;
    gz->z.avail_in = 0;
    return r == Z_OK ? 0 : fail(gz, SC_REASON_MEMORY_LIMIT, "no memory to inflate");
}

static int too_large(struct sc_gunzip *gz)
{
    gz->state = BROKEN;
    return sc_fail(&gz->failure, SC_REASON_RESPONSE_TOO_LARGE,
                   "inflated, the answer is over %llu bytes, the most that is taken: ask for smaller pages, or raise the limit",
                   (unsigned long long)gz->max);
}

static int check_ratio(struct sc_gunzip *gz)
{
    if (gz->out <= RATIO_FROM || gz->out / RATIO <= gz->in)
        return 0;
    gz->state = BROKEN;
    return sc_fail(&gz->failure, SC_REASON_RESPONSE_TOO_LARGE,
                   "%llu compressed bytes became over %llu MiB, more than %u times as much: not an honest answer", (unsigned long long)gz->in,
                   (unsigned long long)(gz->out >> 20), RATIO);
}

static int inflate_some(struct sc_gunzip *gz, const char **bytes, size_t *len, struct sc_str *ret)
{
    uInt given = *len > UINT32_MAX / 2 ? UINT32_MAX / 2 : (uInt)*len, used;
    int r;

    gz->z.next_in = (z_const Bytef *)(uintptr_t)*bytes;
    gz->z.avail_in = given;
    gz->z.next_out = gz->text;
    gz->z.avail_out = PIECE;
    r = inflate(&gz->z, Z_NO_FLUSH);
    used = given - gz->z.avail_in;
    *bytes += used;
    *len -= used;
    gz->in += used;
    gz->more = gz->z.avail_out == 0;
    *ret = (struct sc_str){(const char *)gz->text, PIECE - gz->z.avail_out};
    if (ret->len > gz->max - gz->out) {
        ret->len = (size_t)(gz->max - gz->out);
        return too_large(gz);
    }
    gz->out += ret->len;
    if (r == Z_STREAM_END) {
        gz->state = AFTER;
        gz->more = false;
    } else if (r == Z_MEM_ERROR) {
        return fail(gz, SC_REASON_MEMORY_LIMIT, "no memory to inflate");
    } else if (r != Z_OK && r != Z_BUF_ERROR) {
        return fail(gz, SC_REASON_BAD_RESPONSE, "corrupt compressed data");
    }
    return check_ratio(gz);
}

/* The two bytes, each of which may be the last of its chunk. */
static int look(struct sc_gunzip *gz, const char **bytes, size_t *len, bool over)
{
    if (gz->state == BEGIN && *len) {
        gz->state = MARK;
        gz->in = 1;
        ++*bytes;
        --*len;
    }
    if (gz->state == BEGIN || (!*len && !over))
        return 0;
    if (!*len || **bytes != mark[1]) {
        gz->state = BROKEN;
        return sc_fail(&gz->failure, SC_REASON_BAD_RESPONSE, "unexpected byte 0x1f at byte 0: neither text nor gzip");
    }
    if (begin(gz) < 0)
        return -1;
    gz->z.next_in = (z_const Bytef *)(uintptr_t)mark;
    gz->z.avail_in = 1;
    gz->z.next_out = gz->text;
    gz->z.avail_out = PIECE;
    return inflate(&gz->z, Z_NO_FLUSH) == Z_OK ? 0 : fail(gz, SC_REASON_BAD_RESPONSE, "corrupt compressed data");
}

static int step(struct sc_gunzip *gz, const char **bytes, size_t *len, bool over, struct sc_str *ret)
{
    if ((gz->state == BEGIN || gz->state == MARK) && look(gz, bytes, len, over) < 0)
        return -1;
    while (!ret->len && (gz->state == MEMBER || gz->state == AFTER) && (*len || gz->more)) {
        if (gz->state == AFTER && **bytes != mark[0])
            return fail(gz, SC_REASON_BAD_RESPONSE, "something else behind the compressed data");
        if (gz->state == AFTER && begin(gz) < 0)
            return -1;
        if (inflate_some(gz, bytes, len, ret) < 0)
            return -1;
    }
    if (over && gz->state == MEMBER && !ret->len)
        return fail(gz, SC_REASON_BAD_RESPONSE, "ended in the middle of the compressed data");
    return 0;
}

int sc_gunzip_next(struct sc_gunzip *gz, const char **bytes, size_t *len, bool over, struct sc_str *ret, struct sc_error *err)
{
    *ret = (struct sc_str){0};
    if ((gz->state != BROKEN && step(gz, bytes, len, over, ret) == 0) || ret->len)
        return 0;
    return sc_fail(err, gz->failure.reason, "%s", gz->failure.text);
}
