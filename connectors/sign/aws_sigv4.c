#include "sign/aws_sigv4.h"

#include "sign/canonical.h"

#include <stdio.h>
#include <strings.h>

#define WHY_MEMORY "out of memory for a signature"
#define MAX_SECRET 256
#define DIGEST_LEN 32

struct stamp {
    char date[9], time[17]; /* 20260102, 20260102T030405Z */
};

static bool is_blank(const char *text)
{
    return !text || !*text;
}

static bool make_stamp(struct sc_host *host, int64_t ms, struct stamp *ret)
{
    const char *t = host->api->rfc3339(host, ms); /* 2026-01-02T03:04:05.000Z */
    if (!t || strlen(t) < 19)
        return false;
    snprintf(ret->date, sizeof ret->date, "%.4s%.2s%.2s", t, t + 5, t + 8);
    snprintf(ret->time, sizeof ret->time, "%.8sT%.2s%.2s%.2sZ", ret->date, t + 11, t + 14, t + 17);
    return true;
}

static const char *sha256_hex(struct sc_host *host, struct sc_str data)
{
    unsigned char out[64];
    size_t len = host->api->digest(SC_SHA256, data, out);
    return len ? host->api->hex(host, (struct sc_str){(const char *)out, len}) : NULL;
}

/* ---- the canonical request ----------------------------------------------------------------------------------------------------- */

static const char *content_type(const struct sc_to_sign *in)
{
    for (const struct sc_header *h = in->headers; h && h->name; h++)
        if (strcasecmp(h->name, "Content-Type") == 0)
            return h->value;
    return NULL;
}

/* Without blanks around; runs of blanks inside count as one. */
static const char *trimmed(struct sc_host *host, const char *value)
{
    char out[512];
    size_t n = 0;
    for (; *value; value++) {
        bool blank = *value == ' ' || *value == '\t';
        if (blank && (!n || out[n - 1] == ' '))
            continue;
        if (n + 1 >= sizeof out)
            return NULL;
        out[n++] = blank ? ' ' : *value;
    }
    while (n && out[n - 1] == ' ')
        n--;
    return host->api->text(host, "%.*s", (int)n, out);
}

struct signed_headers {
    const char *lines, *names; /* sorted by name */
};

static bool make_headers(struct sc_host *host, const struct sc_to_sign *in, const struct aws_keys *keys, const struct stamp *stamp,
                         struct signed_headers *ret)
{
    const char *type = content_type(in);
    bool token = !is_blank(keys->session_token);
    type = type ? trimmed(host, type) : "";
    if (!type)
        return false;
    ret->lines = host->api->text(host, "%s%s%shost:%s\nx-amz-date:%s\n%s%s%s", *type ? "content-type:" : "", type, *type ? "\n" : "", in->host,
                                 stamp->time, token ? "x-amz-security-token:" : "", token ? keys->session_token : "", token ? "\n" : "");
    ret->names = host->api->text(host, "%shost;x-amz-date%s", *type ? "content-type;" : "", token ? ";x-amz-security-token" : "");
    return ret->lines && ret->names;
}

/* Its hash; *ret_why when it is not to be had. */
static const char *hash_request(struct sc_host *host, const struct sc_to_sign *in, const struct signed_headers *headers, const char **ret_why)
{
    char query[SIGN_MAX_TEXT], path[SIGN_MAX_TEXT];
    const char *why = sign_canonical_query(in->query, query);
    if (!why)
        why = sign_canonical_path(in->path, path);
    *ret_why = why ? why : WHY_MEMORY;
    const char *body = why ? NULL : sha256_hex(host, in->body);
    const char *whole =
        body ? host->api->text(host, "%s\n%s\n%s\n%s\n%s\n%s", in->method, path, query, headers->lines, headers->names, body) : NULL;
    return whole ? sha256_hex(host, sc_str_of(whole)) : NULL;
}

/* ---- the signature -------------------------------------------------------------------------------------------------------------- */

static bool derive_key(struct sc_host *host, const struct aws_keys *keys, const struct stamp *stamp, unsigned char key[64])
{
    char first[MAX_SECRET + 5];
    const char *steps[] = {stamp->date, keys->region, keys->service, "aws4_request"};
    int len = snprintf(first, sizeof first, "AWS4%s", keys->secret);
    struct sc_str with = {first, (size_t)len};
    bool good = true;
    for (size_t i = 0; good && i < sizeof steps / sizeof *steps; i++) {
        unsigned char next[64];
        good = host->api->hmac(SC_SHA256, with, sc_str_of(steps[i]), next) == DIGEST_LEN;
        memcpy(key, next, DIGEST_LEN);
        explicit_bzero(next, sizeof next);
        with = (struct sc_str){(const char *)key, DIGEST_LEN};
    }
    explicit_bzero(first, sizeof first);
    return good;
}

static const char *sign_text(struct sc_host *host, const struct aws_keys *keys, const struct stamp *stamp, const char *text)
{
    unsigned char key[64], mac[64];
    size_t len = derive_key(host, keys, stamp, key) ? host->api->hmac(SC_SHA256, (struct sc_str){(const char *)key, DIGEST_LEN}, sc_str_of(text), mac) : 0;
    explicit_bzero(key, sizeof key);
    return len ? host->api->hex(host, (struct sc_str){(const char *)mac, len}) : NULL;
}

static const char *check_keys(const struct aws_keys *keys)
{
    if (is_blank(keys->key_id) || is_blank(keys->secret))
        return "access key id or secret access key is missing: give both in credentials";
    if (is_blank(keys->region) || is_blank(keys->service))
        return "the region is missing: give it in settings";
    return strlen(keys->secret) > MAX_SECRET ? "the secret access key is too long: copy it again" : NULL;
}

const char *aws_sigv4(struct sc_host *host, const struct sc_to_sign *in, const struct aws_keys *keys, struct sc_header out[SC_MAX_SIGN_HEADERS])
{
    struct stamp stamp;
    struct signed_headers headers;
    unsigned n = 0;
    const char *why = check_keys(keys);
    if (why)
        return why;
    if (!make_stamp(host, in->now, &stamp) || !make_headers(host, in, keys, &stamp, &headers))
        return WHY_MEMORY;
    const char *hash = hash_request(host, in, &headers, &why);
    if (!hash)
        return why;
    const char *scope = host->api->text(host, "%s/%s/%s/aws4_request", stamp.date, keys->region, keys->service);
    const char *text = scope ? host->api->text(host, "AWS4-HMAC-SHA256\n%s\n%s\n%s", stamp.time, scope, hash) : NULL;
    const char *signature = text ? sign_text(host, keys, &stamp, text) : NULL;
    const char *value = signature ? host->api->text(host, "AWS4-HMAC-SHA256 Credential=%s/%s, SignedHeaders=%s, Signature=%s", keys->key_id, scope,
                                                    headers.names, signature)
                                  : NULL;
    const char *date = value ? host->api->text(host, "%s", stamp.time) : NULL;
    if (!date)
        return WHY_MEMORY;
    out[n++] = (struct sc_header){"X-Amz-Date", date};
    if (!is_blank(keys->session_token))
        out[n++] = (struct sc_header){"X-Amz-Security-Token", keys->session_token};
    out[n++] = (struct sc_header){"Authorization", value};
    out[n] = (struct sc_header){NULL, NULL};
    return NULL;
}
