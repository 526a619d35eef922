/* Acknowledgements are small and come at the rate of the records, so they are read in place,
 * without a tree. */
#include "nats/publisher_ack.h"

#define DEPTH_MAX 16

void sc_ack_token_write(char out[SC_ACK_TOKEN_LEN], uint32_t slot, uint32_t nonce)
{
    static const char digits[] = "0123456789abcdef";
    for (int i = 3; i >= 0; i--, slot >>= 4)
        out[i] = digits[slot & 15];
    for (int i = SC_ACK_TOKEN_LEN - 1; i >= 4; i--, nonce >>= 4)
        out[i] = digits[nonce & 15];
}

static bool read_hex(const char *text, size_t len, uint32_t *ret)
{
    uint32_t value = 0;
    for (size_t i = 0; i < len; i++) {
        char c = text[i];
        uint32_t digit;
        if (c >= '0' && c <= '9')
            digit = (uint32_t)(c - '0');
        else if (c >= 'a' && c <= 'f')
            digit = (uint32_t)(c - 'a' + 10);
        else
            return false;
        value = value << 4 | digit;
    }
    *ret = value;
    return true;
}

bool sc_ack_token_read(struct sc_str token, uint32_t *ret_slot, uint32_t *ret_nonce)
{
    return token.len == SC_ACK_TOKEN_LEN && read_hex(token.ptr, 4, ret_slot) &&
           read_hex(token.ptr + 4, 8, ret_nonce);
}

uint32_t sc_ack_stream_hash(struct sc_str name)
{
    uint32_t hash = 2166136261u;
    for (size_t i = 0; i < name.len; i++)
        hash = (hash ^ (unsigned char)name.ptr[i]) * 16777619u;
    return hash;
}

struct cursor {
    const char *at, *end;
};

static char peek(struct cursor *c)
{
    while (c->at < c->end && (*c->at == ' ' || *c->at == '\t' || *c->at == '\n' || *c->at == '\r'))
        c->at++;
    return c->at < c->end ? *c->at : '\0';
}

static bool take(struct cursor *c, char wanted)
{
    if (peek(c) != wanted)
        return false;
    c->at++;
    return true;
}

/* The text between the quotes, escapes left in. */
static bool take_string(struct cursor *c, struct sc_str *ret)
{
    if (!take(c, '"'))
        return false;
    const char *start = c->at;
    while (c->at < c->end && *c->at != '"')
        c->at += *c->at == '\\' ? 2 : 1;
    if (c->at >= c->end)
        return false;
    *ret = (struct sc_str){start, (size_t)(c->at - start)};
    c->at++;
    return true;
}

static bool take_number(struct cursor *c, uint64_t *ret)
{
    uint64_t value = 0;
    peek(c);
    const char *start = c->at;
    for (; c->at < c->end && *c->at >= '0' && *c->at <= '9'; c->at++) {
        uint64_t digit = (uint64_t)(*c->at - '0');
        if (value > (UINT64_MAX - digit) / 10)
            return false;
        value = value * 10 + digit;
    }
    *ret = value;
    return c->at > start;
}

static bool take_word(struct cursor *c, struct sc_str *ret)
{
    peek(c);
    const char *start = c->at;
    while (c->at < c->end && strchr(",]} \t\r\n", *c->at) == NULL)
        c->at++;
    *ret = (struct sc_str){start, (size_t)(c->at - start)};
    return ret->len > 0;
}

/* Any value; brackets are only counted, since nothing is taken from within. */
static bool skip_value(struct cursor *c)
{
    int depth = 0;
    do {
        struct sc_str ignored;
        switch (peek(c)) {
        case '{':
        case '[':
            if (++depth > DEPTH_MAX)
                return false;
            c->at++;
            break;
        case '}':
        case ']':
            if (--depth < 0)
                return false;
            c->at++;
            break;
        case ',':
        case ':':
            if (depth == 0)
                return false;
            c->at++;
            break;
        case '"':
            if (!take_string(c, &ignored))
                return false;
            break;
        default:
            if (!take_word(c, &ignored))
                return false;
        }
    } while (depth > 0);
    return true;
}

/* Next member's key, the cursor on its value. 1; 0 at the end of the object; -1 when it is none. */
static int next_member(struct cursor *c, bool *first, struct sc_str *ret_key)
{
    if (take(c, '}'))
        return 0;
    if (!*first && !take(c, ','))
        return -1;
    *first = false;
    return take_string(c, ret_key) && take(c, ':') ? 1 : -1;
}

static bool parse_error(struct cursor *c, struct sc_ack *ack, struct sc_str *text)
{
    struct sc_str key;
    bool first = true;
    int more;
    if (!take(c, '{'))
        return false;
    while ((more = next_member(c, &first, &key)) > 0) {
        uint64_t number = 0;
        bool ok;
        if (sc_str_is(key, "code")) {
            ok = take_number(c, &number);
            ack->code = (uint16_t)number;
        } else if (sc_str_is(key, "err_code")) {
            ok = take_number(c, &number);
            ack->err_code = (uint16_t)number;
        } else if (sc_str_is(key, "description")) {
            ok = take_string(c, text);
        } else {
            ok = skip_value(c);
        }
        if (!ok)
            return false;
    }
    return more == 0;
}

void sc_ack_parse(struct sc_str body, struct sc_ack *ret, struct sc_str *ret_text)
{
    struct cursor c = {body.ptr, body.ptr + body.len};
    struct sc_str key, stream = {0}, word;
    bool first = true, error = false, duplicate = false, ok = body.len > 0 && take(&c, '{');
    int more = 0;

    ret->seq = 0;
    ret->code = ret->err_code = 0;
    ret->kind = SC_ACK_STRANGE;
    *ret_text = (struct sc_str){0};
    while (ok && (more = next_member(&c, &first, &key)) > 0) {
        if (sc_str_is(key, "seq")) {
            ok = take_number(&c, &ret->seq);
        } else if (sc_str_is(key, "stream")) {
            ok = take_string(&c, &stream);
        } else if (sc_str_is(key, "duplicate")) {
            ok = take_word(&c, &word);
            duplicate = ok && sc_str_is(word, "true");
        } else if (sc_str_is(key, "error") && peek(&c) == '{') {
            ok = parse_error(&c, ret, ret_text);
            error = ok;
        } else {
            ok = skip_value(&c);
        }
    }
    ret->stream_hash = sc_ack_stream_hash(stream);
    if (!ok || more < 0)
        return;
    if (error)
        ret->kind = SC_ACK_ERROR;
    else if (ret->seq > 0 && stream.len > 0)
        ret->kind = duplicate ? SC_ACK_DUPLICATE : SC_ACK_STORED;
}
