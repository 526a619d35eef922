/* See words.h. */
#include "operate/words.h"

#include <ctype.h>
#include <stdio.h>
#include <strings.h>

#define READ_BYTES 2000u /* what an error has to say stands at its beginning */

/* ---- the table -------------------------------------------------------------------------------------------------------------------------- */

/* Bits of statuses. Many vendors say everything with 400 or 403. */
#define S400 0x01u
#define S401 0x02u
#define S402 0x04u
#define S403 0x08u
#define S404 0x10u
#define S409 0x20u
#define S503 0x40u

#define MFA "A second factor cannot be asked of a program: exempt this user from MFA and single sign-on at the vendor, or use an API key."

struct phrase {
    unsigned statuses;
    enum sc_reason reason;
    const char *text;   /* in lower case; where a letter stands at an end, a word begins or ends there */
    bool names;         /* the name of a right follows */
    const char *advice; /* NULL: the reason's own */
};

static const struct phrase phrases[] = {
    {S401 | S403, SC_REASON_ACCOUNT_SUSPENDED, "account locked", false, NULL},
    {S401 | S403, SC_REASON_ACCOUNT_SUSPENDED, "account is locked", false, NULL},
    {S401 | S403, SC_REASON_ACCOUNT_SUSPENDED, "user is locked", false, NULL},
    {S401 | S403, SC_REASON_ACCOUNT_SUSPENDED, "locked out", false, NULL},
    {S401 | S403, SC_REASON_ACCOUNT_SUSPENDED, "account has been locked", false, NULL},
    {S401 | S403, SC_REASON_ACCOUNT_SUSPENDED, "account suspended", false, NULL},
    {S401 | S403, SC_REASON_ACCOUNT_SUSPENDED, "account is suspended", false, NULL},
    {S401 | S403, SC_REASON_ACCOUNT_SUSPENDED, "has been suspended", false, NULL},
    {S401 | S403, SC_REASON_ACCOUNT_SUSPENDED, "account disabled", false, NULL},
    {S401 | S403, SC_REASON_ACCOUNT_SUSPENDED, "account is disabled", false, NULL},
    {S401 | S403, SC_REASON_ACCOUNT_SUSPENDED, "user disabled", false, NULL},
    {S401 | S403, SC_REASON_ACCOUNT_SUSPENDED, "user is disabled", false, NULL},
    {S401 | S403, SC_REASON_ACCOUNT_SUSPENDED, "account deactivated", false, NULL},
    {S401 | S403, SC_REASON_ACCOUNT_SUSPENDED, "payment required", false, NULL},
    {S401 | S403, SC_REASON_ACCOUNT_SUSPENDED, "past due", false, NULL},
    {S401 | S403, SC_REASON_ACCOUNT_SUSPENDED, "mfa required", false, MFA},
    {S401 | S403, SC_REASON_ACCOUNT_SUSPENDED, "mfa_required", false, MFA},
    {S401 | S403, SC_REASON_ACCOUNT_SUSPENDED, "mfa is required", false, MFA},
    {S401 | S403, SC_REASON_ACCOUNT_SUSPENDED, "multi-factor authentication", false, MFA},
    {S401 | S403, SC_REASON_ACCOUNT_SUSPENDED, "multifactor authentication", false, MFA},
    {S401 | S403, SC_REASON_ACCOUNT_SUSPENDED, "two-factor authentication", false, MFA},
    {S401 | S403, SC_REASON_ACCOUNT_SUSPENDED, "single sign-on", false, MFA},
    {S401 | S403, SC_REASON_ACCOUNT_SUSPENDED, "sso is required", false, MFA},
    {S400 | S403 | S409 | S503, SC_REASON_QUOTA_EXHAUSTED, "dailylimitexceeded", false, NULL},
    {S400 | S403 | S409 | S503, SC_REASON_QUOTA_EXHAUSTED, "daily limit", false, NULL},
    {S400 | S403 | S409 | S503, SC_REASON_QUOTA_EXHAUSTED, "daily quota", false, NULL},
    {S400 | S403 | S409 | S503, SC_REASON_QUOTA_EXHAUSTED, "monthly quota", false, NULL},
    {S400 | S403 | S409 | S503, SC_REASON_RATE_LIMITED, "rate limit", false, NULL},
    {S400 | S403 | S409 | S503, SC_REASON_RATE_LIMITED, "ratelimitexceeded", false, NULL},
    {S400 | S403 | S409 | S503, SC_REASON_RATE_LIMITED, "userratelimitexceeded", false, NULL},
    {S400 | S403 | S409 | S503, SC_REASON_RATE_LIMITED, "rate exceeded", false, NULL},
    {S400 | S403 | S409 | S503, SC_REASON_RATE_LIMITED, "too many requests", false, NULL},
    {S400 | S403 | S409 | S503, SC_REASON_RATE_LIMITED, "throttled", false, NULL},
    {S400 | S403 | S409 | S503, SC_REASON_RATE_LIMITED, "throttling", false, NULL},
    {S400 | S403 | S409 | S503, SC_REASON_RATE_LIMITED, "throttlingexception", false, NULL},
    {S400 | S403 | S409 | S503, SC_REASON_RATE_LIMITED, "request limit exceeded", false, NULL},
    {S400 | S403 | S409 | S503, SC_REASON_RATE_LIMITED, "quota exceeded", false, NULL},
    {S400 | S401 | S403 | S404, SC_REASON_FEATURE_OFF, "not licensed", false, NULL},
    {S400 | S401 | S403 | S404, SC_REASON_FEATURE_OFF, "no license", false, NULL},
    {S400 | S401 | S403 | S404, SC_REASON_FEATURE_OFF, "license required", false, NULL},
    {S400 | S401 | S403 | S404, SC_REASON_FEATURE_OFF, "requires a license", false, NULL},
    {S400 | S401 | S403 | S404, SC_REASON_FEATURE_OFF, "premium license", false, NULL},
    {S400 | S401 | S403 | S404, SC_REASON_FEATURE_OFF, "nonpremiumtenant", false, NULL},
    {S400 | S401 | S403 | S404, SC_REASON_FEATURE_OFF, "not subscribed", false, NULL},
    {S400 | S401 | S403 | S404, SC_REASON_FEATURE_OFF, "feature_not_enabled", false, NULL},
    {S400 | S401 | S403 | S404, SC_REASON_FEATURE_OFF, "feature is not enabled", false, NULL},
    {S400 | S401 | S403 | S404, SC_REASON_FEATURE_OFF, "service_disabled", false, NULL},
    {S400 | S401 | S403 | S404, SC_REASON_FEATURE_OFF, "upgrade your plan", false, NULL},
    {S401 | S403, SC_REASON_PERMISSION_DENIED, "merchant approval for", true, NULL},
    {S401 | S403, SC_REASON_PERMISSION_DENIED, "missing required scope", true, NULL},
    {S401 | S403, SC_REASON_PERMISSION_DENIED, "missing scope", true, NULL},
    {S401 | S403, SC_REASON_PERMISSION_DENIED, "required scope", true, NULL},
    {S401 | S403, SC_REASON_PERMISSION_DENIED, "requires scope", true, NULL},
    {S401 | S403, SC_REASON_PERMISSION_DENIED, "needs scope", true, NULL},
    {S401 | S403, SC_REASON_PERMISSION_DENIED, "missing permission", true, NULL},
    {S401 | S403, SC_REASON_PERMISSION_DENIED, "required permission", true, NULL},
    {S401 | S403, SC_REASON_PERMISSION_DENIED, "requires permission", true, NULL},
    {S401 | S403, SC_REASON_PERMISSION_DENIED, "insufficient_scope", false, NULL},
    {S401 | S403, SC_REASON_PERMISSION_DENIED, "insufficient scope", false, NULL},
    {S401 | S403, SC_REASON_PERMISSION_DENIED, "insufficient permission", false, NULL},
    {S401 | S403, SC_REASON_PERMISSION_DENIED, "insufficient permissions", false, NULL},
    {S400 | S401 | S403, SC_REASON_CONSENT_MISSING, "aadsts65001", false, NULL},
    {S400 | S401 | S403, SC_REASON_CONSENT_MISSING, "consent_required", false, NULL},
    {S400 | S401 | S403, SC_REASON_CONSENT_MISSING, "has not consented", false, NULL},
    {S400 | S401 | S403, SC_REASON_CONSENT_MISSING, "admin consent", false, NULL},
    {S401 | S403, SC_REASON_AUTH_EXPIRED, "token expired", false, NULL},
    {S401 | S403, SC_REASON_AUTH_EXPIRED, "token has expired", false, NULL},
    {S401 | S403, SC_REASON_AUTH_EXPIRED, "token is expired", false, NULL},
    {S401 | S403, SC_REASON_AUTH_EXPIRED, "key expired", false, NULL},
    {S401 | S403, SC_REASON_AUTH_EXPIRED, "key has expired", false, NULL},
    {S401 | S403, SC_REASON_AUTH_EXPIRED, "credentials have expired", false, NULL},
    {S401 | S403, SC_REASON_AUTH_EXPIRED, "password has expired", false, NULL},
    {S401 | S403, SC_REASON_AUTH_EXPIRED, "password expired", false, NULL},
    {S401 | S403, SC_REASON_AUTH_EXPIRED, "been revoked", false, NULL},
    {S401 | S403, SC_REASON_AUTH_EXPIRED, "token revoked", false, NULL},
    {S401 | S403, SC_REASON_AUTH_EXPIRED, "key revoked", false, NULL},
};

static unsigned bit_of(int status)
{
    static const struct {
        int status;
        unsigned bit;
    } bits[] = {{400, S400}, {401, S401}, {402, S402}, {403, S403}, {404, S404}, {409, S409}, {503, S503}};
    for (size_t i = 0; i < sizeof bits / sizeof *bits; i++) {
        if (bits[i].status == status)
            return bits[i].bit;
    }
    return 0;
}

/* ---- finding ------------------------------------------------------------------------------------------------------------------------------ */

static bool is_word(char c)
{
    return isalnum((unsigned char)c) || c == '_';
}

/* Where the phrase stands alone; behind it. NULL: nowhere. */
static const char *find(struct sc_str text, const char *phrase)
{
    size_t len = strlen(phrase);
    for (size_t i = 0; i + len <= text.len; i++) {
        if (strncasecmp(text.ptr + i, phrase, len) != 0)
            continue;
        bool begins = i == 0 || !is_word(text.ptr[i - 1]), ends = i + len == text.len || !is_word(text.ptr[i + len]);
        if (begins && ends)
            return text.ptr + i + len;
    }
    return NULL;
}

static bool is_name(char c)
{
    return isalnum((unsigned char)c) || (c && strchr("._:/-", c));
}

/* "scope(s): 'okta.logs.read'." -> okta.logs.read. A name has a sign or capital in it: the words between are none. */
static void take_name(const char *at, const char *end, char out[SC_WORDS_NAME])
{
    for (unsigned words = 0; words < 6 && at < end; words++) {
        size_t n = 0, marks = 0;
        while (at < end && !is_name(*at))
            at++;
        for (; at < end && is_name(*at); at++) {
            marks += !isalpha((unsigned char)*at);
            if (n + 1 < SC_WORDS_NAME)
                out[n++] = *at;
        }
        while (n && !isalnum((unsigned char)out[n - 1])) { /* the end of a sentence */
            marks--;
            n--;
        }
        out[n] = '\0';
        if (n > 3 && marks)
            return;
    }
    out[0] = '\0';
}

size_t sc_words_open(const char *text)
{
    size_t len = strlen(text);
    while (len && (text[len - 1] == '.' || text[len - 1] == ' '))
        len--;
    return len;
}

bool sc_words_is_page(struct sc_str text)
{
    for (size_t i = 0; i < text.len; i++) {
        if (!isspace((unsigned char)text.ptr[i]))
            return text.ptr[i] == '<' && find((struct sc_str){text.ptr, text.len < 400 ? text.len : 400}, "html") != NULL;
    }
    return true;
}

struct sc_words sc_read_words(int status, struct sc_str text)
{
    struct sc_words words = {0};
    unsigned bit = bit_of(status);
    text.len = text.len < READ_BYTES ? text.len : READ_BYTES;
    if (!bit || !text.ptr || sc_words_is_page(text))
        return words;
    for (size_t i = 0; i < sizeof phrases / sizeof *phrases; i++) {
        const char *behind = phrases[i].statuses & bit ? find(text, phrases[i].text) : NULL;
        if (!behind || (phrases[i].reason == SC_REASON_AUTH_EXPIRED && find(text, "invalid"))) /* "is invalid or has expired" says neither */
            continue;
        words.reason = phrases[i].reason;
        words.advice = phrases[i].advice;
        if (phrases[i].names)
            take_name(behind, text.ptr + text.len, words.name);
        return words;
    }
    return words;
}

size_t sc_challenge_value(struct sc_str header, const char *name, char *out, size_t cap)
{
    size_t len = strlen(name), n = 0;
    out[0] = '\0';
    for (size_t i = 0; i + len + 1 < header.len; i++) {
        bool begins = i == 0 || strchr(" ,\t", header.ptr[i - 1]);
        if (!begins || strncasecmp(header.ptr + i, name, len) != 0 || header.ptr[i + len] != '=')
            continue;
        const char *at = header.ptr + i + len + 1, *end = header.ptr + header.len;
        bool quoted = at < end && *at == '"';
        for (at += quoted; at < end && n + 1 < cap && *at != '"' && (quoted || !strchr(" ,\t", *at)); at++)
            out[n++] = *at >= ' ' && *at <= '~' ? *at : '?';
        out[n] = '\0';
        return n;
    }
    return 0;
}

/* Bytes of the character of UTF-8 at `at`; 0: it is none, or is cut short. */
static size_t character(const unsigned char *at, size_t left)
{
    size_t n = at[0] < 0x80 ? 1 : at[0] >= 0xC2 && at[0] < 0xE0 ? 2 : at[0] >= 0xE0 && at[0] < 0xF0 ? 3 : at[0] >= 0xF0 && at[0] < 0xF5 ? 4 : 0;
    for (size_t i = 1; i < n && i < left; i++) {
        if ((at[i] & 0xC0) != 0x80)
            return 0;
    }
    bool odd = n > 1 && left > 1 && ((at[0] == 0xE0 && at[1] < 0xA0) || (at[0] == 0xED && at[1] > 0x9F) || (at[0] == 0xF0 && at[1] < 0x90) ||
                                     (at[0] == 0xF4 && at[1] > 0x8F) || (at[0] == 0xC2 && at[1] < 0xA0));
    return n > left || odd ? 0 : n;
}

size_t sc_words_plain(struct sc_str text, char *out, size_t cap)
{
    size_t used = 0;
    for (size_t i = 0; i < text.len;) {
        const unsigned char *at = (const unsigned char *)text.ptr + i;
        size_t n = character(at, text.len - i);
        bool blank = at[0] <= ' ' || at[0] == 0x7F;
        if (used + (n ? n : 1) + 1 > cap)
            break;
        if (blank && (used == 0 || out[used - 1] == ' ')) {
            i++;
            continue;
        }
        for (size_t k = 0; k < (n ? n : 1); k++)
            out[used++] = blank ? ' ' : n ? (char)at[k] : '?';
        i += n ? n : 1;
    }
    while (used && out[used - 1] == ' ')
        used--;
    out[used] = '\0';
    return used;
}
