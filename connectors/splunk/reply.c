/* See reply.h. */
#include "splunk/reply.h"

#include "rest/rest.h"
#include <strings.h>

static const char *behind_string(const char *c, const char *end)
{
    for (c++; c < end && *c != '"'; c++)
        c += *c == '\\' && c + 1 < end;
    return c < end ? c + 1 : end;
}

/* Behind the value at c; NULL: it is cut short. */
static const char *behind_value(const char *c, const char *end)
{
    unsigned depth = 0;
    while (c < end) {
        if (*c == '"') {
            c = behind_string(c, end);
            continue;
        }
        depth += *c == '{' || *c == '[';
        if (depth && (*c == '}' || *c == ']') && --depth == 0)
            return c + 1;
        c++;
    }
    return NULL;
}

/* The next object of a list; *at moves behind it. False at its end; then *ret_whole says whether that was seen. */
static bool next_object(const char **at, const char *end, struct sc_str *ret, bool *ret_whole)
{
    const char *c = *at;
    while (c < end && *c != '{' && *c != ']')
        c++;
    *ret_whole = c < end && *c == ']';
    if (c == end || *c == ']')
        return false;
    const char *behind = behind_value(c, end);
    *ret = (struct sc_str){c, (size_t)((behind ? behind : end) - c)};
    *at = behind ? behind : end;
    return true;
}

static void read_message(struct sc_str object, struct splunk_message *ret)
{
    rest_error_member(object, "type", ret->type, sizeof ret->type);
    rest_error_member(object, "text", ret->text, sizeof ret->text);
}

enum splunk_tone splunk_read_messages(struct sc_str list, struct splunk_message *ret)
{
    struct splunk_message warning = {0};
    struct sc_str object;
    bool whole = true;
    *ret = (struct splunk_message){0};
    if (!list.len || *list.ptr != '[')
        return SPLUNK_QUIET;
    const char *at = list.ptr + 1, *end = list.ptr + list.len;
    while (next_object(&at, end, &object, &whole)) {
        read_message(object, ret);
        if (strcasecmp(ret->type, "ERROR") == 0 || strcasecmp(ret->type, "FATAL") == 0)
            return SPLUNK_FAILS;
        if (strcasecmp(ret->type, "WARN") == 0 && !warning.type[0])
            warning = *ret;
    }
    *ret = warning;
    return !whole ? SPLUNK_TOO_LONG : warning.type[0] ? SPLUNK_WARNS : SPLUNK_QUIET;
}

bool splunk_first_message(struct sc_str list, struct splunk_message *ret)
{
    struct sc_str object;
    bool whole;
    *ret = (struct splunk_message){0};
    const char *at = list.ptr;
    if (!list.len || *list.ptr != '[' || !next_object(&at, list.ptr + list.len, &object, &whole))
        return false;
    read_message(object, ret);
    return ret->text[0];
}

bool splunk_is_busy(const struct splunk_message *message)
{
    static const char *const signs[] = {"concurren", "quota", "maximum number of"};
    for (size_t i = 0; i < sizeof signs / sizeof *signs; i++) {
        for (const char *c = message->text; *c; c++) {
            if (strncasecmp(c, signs[i], strlen(signs[i])) == 0)
                return true;
        }
    }
    return false;
}

static int64_t number_of(const char *digits, size_t len)
{
    int64_t n = len && len < 16 ? 0 : -1;
    for (size_t i = 0; i < len && n >= 0; i++)
        n = digits[i] >= '0' && digits[i] <= '9' ? n * 10 + (digits[i] - '0') : -1;
    return n;
}

struct splunk_job splunk_read_entry(struct sc_str entry)
{
    struct splunk_job job = {.results = -1};
    struct sc_str object;
    bool whole;
    char count[20];
    const char *at = entry.ptr;
    if (!entry.len || !next_object(&at, entry.ptr + entry.len, &object, &whole))
        return job;
    struct sc_str content = rest_error_value(object, "content");
    if (!content.len)
        return job;
    rest_error_member(content, "dispatchState", job.state, sizeof job.state);
    size_t len = rest_error_member(content, "resultCount", count, sizeof count);
    if (len < rest_error_value(content, "resultCount").len) /* else its last digits may be missing */
        job.results = number_of(count, len);
    if (splunk_read_messages(rest_error_value(content, "messages"), &job.message) == SPLUNK_QUIET)
        splunk_first_message(rest_error_value(content, "messages"), &job.message);
    return job;
}
