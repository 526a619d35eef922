/* Dates inside credentials. Copies of what was decoded are overwritten: the middle part of a token is no secret, but it is nobody's business. */
#include "operate/expiry.h"

#include "base/buf.h"
#include "base/clock.h"
#include "base/hash.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <jansson.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define CLAIMS_MAX       16384 /* of the encoded middle part */
#define CERTIFICATES_MAX 512
#define FILE_MAX         (1024 * 1024)
#define LATEST_S         INT64_C(253402300799) /* the end of year 9999 */
#define DAY_MS           INT64_C(86400000)

static const struct sc_expiry none = {SC_TIME_NONE, ""};

/* ---- JSON web tokens ------------------------------------------------------------------------------------------------------------------ */

static bool is_base64url(struct sc_str part)
{
    for (size_t i = 0; i < part.len; i++) {
        if (!isalnum((unsigned char)part.ptr[i]) && part.ptr[i] != '-' && part.ptr[i] != '_')
            return false;
    }
    return part.len > 1;
}

/* Three parts between dots; the middle one. */
static bool claims_of(struct sc_str token, struct sc_str *ret)
{
    const char *end = token.ptr + token.len, *dot = memchr(token.ptr, '.', token.len);
    const char *second = dot ? memchr(dot + 1, '.', (size_t)(end - dot - 1)) : NULL;
    if (!second || memchr(second + 1, '.', (size_t)(end - second - 1)))
        return false;
    *ret = (struct sc_str){dot + 1, (size_t)(second - dot - 1)};
    return ret->len <= CLAIMS_MAX && is_base64url((struct sc_str){token.ptr, (size_t)(dot - token.ptr)}) && is_base64url(*ret) &&
           is_base64url((struct sc_str){second + 1, (size_t)(end - second - 1)});
}

static struct sc_expiry of_token(struct sc_str token, const char *what)
{
    struct sc_str part;
    char claims[CLAIMS_MAX];
    size_t len;
    if (!claims_of(token, &part) || !sc_from_base64(part, false, (unsigned char *)claims, &len))
        return none;
    json_t *root = json_loadb(claims, len, 0, NULL);
    const json_t *exp = json_object_get(root, "exp");
    double seconds = json_is_number(exp) ? json_number_value(exp) : 0; /* NumericDate may have a fraction */
    bool good = seconds >= 1 && seconds <= (double)LATEST_S;
    json_decref(root);
    explicit_bzero(claims, sizeof claims);
    return good ? (struct sc_expiry){(int64_t)seconds * 1000, what} : none;
}

/* ---- certificates --------------------------------------------------------------------------------------------------------------------- */

static int64_t end_of(const X509 *certificate)
{
    struct tm tm = {0};
    if (ASN1_TIME_to_tm(X509_get0_notAfter(certificate), &tm) != 1)
        return SC_TIME_NONE;
    return (int64_t)timegm(&tm) * 1000;
}

static struct sc_expiry of_certificates(struct sc_str text)
{
    struct sc_expiry first = none;
    BIO *bio = text.len <= FILE_MAX ? BIO_new_mem_buf(text.ptr, (int)text.len) : NULL;
    for (int i = 0; bio && i < CERTIFICATES_MAX; i++) {
        X509 *certificate = PEM_read_bio_X509(bio, NULL, NULL, NULL);
        if (!certificate)
            break;
        int64_t at = end_of(certificate);
        if (at != SC_TIME_NONE && (first.at_ms == SC_TIME_NONE || at < first.at_ms))
            first = (struct sc_expiry){at, "notAfter of the certificate"};
        X509_free(certificate);
    }
    BIO_free(bio);
    ERR_clear_error();
    return first;
}

/* ---- any of them ---------------------------------------------------------------------------------------------------------------------- */

static struct sc_str trimmed(struct sc_str text)
{
    while (text.len && strchr(" \t\r\n", text.ptr[text.len - 1]) && text.ptr[text.len - 1])
        text.len--;
    while (text.len && strchr(" \t\r\n", *text.ptr) && *text.ptr)
        text = (struct sc_str){text.ptr + 1, text.len - 1};
    return text;
}

/* What stands between two lines of a NATS credentials file. */
static bool user_token(struct sc_str text, struct sc_str *ret)
{
    static const char begin[] = "-----BEGIN NATS USER JWT-----", end[] = "------END NATS USER JWT------";
    const char *from = memmem(text.ptr, text.len, begin, sizeof begin - 1);
    if (!from)
        return false;
    from += sizeof begin - 1;
    const char *to = memmem(from, (size_t)(text.ptr + text.len - from), end, sizeof end - 1);
    if (!to)
        return false;
    *ret = trimmed((struct sc_str){from, (size_t)(to - from)});
    return true;
}

struct sc_expiry sc_expiry_of(struct sc_str value)
{
    static const char certificate[] = "-----BEGIN ";
    struct sc_str token;
    if (!value.ptr || !value.len)
        return none;
    if (user_token(value, &token))
        return of_token(token, "exp of the NATS user");
    if (memmem(value.ptr, value.len, certificate, sizeof certificate - 1))
        return of_certificates(value);
    return of_token(trimmed(value), "exp of the JSON web token");
}

/* -1: errno. */
static ssize_t read_all(int fd, char *text, size_t cap)
{
    size_t used = 0;
    while (used < cap) {
        ssize_t n = read(fd, text + used, cap - used);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -1;
        if (n == 0)
            break;
        used += (size_t)n;
    }
    return (ssize_t)used;
}

int sc_expiry_file(const char *path, struct sc_expiry *ret, struct sc_error *err)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    char *text = fd < 0 ? NULL : malloc(FILE_MAX);
    ssize_t len = text ? read_all(fd, text, FILE_MAX) : -1;
    int why = errno;
    if (fd >= 0)
        close(fd);
    if (len >= 0)
        *ret = sc_expiry_of((struct sc_str){text, (size_t)len});
    if (text && len > 0)
        explicit_bzero(text, (size_t)len);
    free(text);
    return len >= 0 ? 0 : sc_fail(err, SC_REASON_CONFIG_INVALID, "%s: %s", path, strerror(why));
}

const char *sc_expiry_text(const struct sc_expiry *expiry, int64_t now_real_ms, char out[SC_EXPIRY_TEXT])
{
    char at[SC_TIME_TEXT], ago[SC_TIME_TEXT];
    int64_t left = expiry->at_ms - now_real_ms;
    sc_time_rfc3339(expiry->at_ms, at);
    if (left <= 0)
        snprintf(out, SC_EXPIRY_TEXT, "ended %s ago, at %s (%s)", sc_duration_text(-left, ago), at, expiry->what);
    else if (left < 2 * DAY_MS)
        snprintf(out, SC_EXPIRY_TEXT, "ends in %s, at %s (%s)", sc_duration_text(left, ago), at, expiry->what);
    else
        snprintf(out, SC_EXPIRY_TEXT, "ends in %" PRId64 " days, at %s (%s)", left / DAY_MS, at, expiry->what);
    return out;
}
