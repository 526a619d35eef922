#include "qualys/params.h"

#include <stdio.h>
#include <strings.h>

#define MAX_NAME 64

static int hex_digit(char c)
{
    return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* The name of the parameter that begins at `at`, decoded as a server would; a longer one is cut. */
static void read_name(const char *at, char name[MAX_NAME])
{
    size_t n = 0;
    for (; *at && *at != '=' && *at != '&' && n + 1 < MAX_NAME; at++) {
        int high = *at == '%' ? hex_digit(at[1]) : -1, low = high >= 0 ? hex_digit(at[2]) : -1;
        name[n++] = low >= 0 ? (char)(high << 4 | low) : *at;
        at += low >= 0 ? 2 : 0;
    }
    name[n] = '\0';
}

static const char *next_param(const char *at)
{
    at += strcspn(at, "&");
    return *at ? at + 1 : NULL;
}

bool qualys_params_name(const char *extra, const char *name)
{
    char named[MAX_NAME];
    for (const char *at = extra; at; at = next_param(at)) {
        read_name(at, named);
        if (strcasecmp(named, name) == 0)
            return true;
    }
    return false;
}

bool qualys_params_wrong(const char *extra, char *why, size_t cap)
{
    static const char *const ours[] = {"action", "output_format", "truncation_limit", "id_min", "vm_processed_after", "vm_processed_before"};
    for (const char *c = extra; c && *c; c++) {
        if (*c <= ' ' || *c > '~' || strchr("#?\"<>\\^`{|}", *c)) {
            snprintf(why, cap, "settings.extra_params holds a blank, '#', '?' or another character that cannot stand in a query: write it as %%XX");
            return true;
        }
    }
    for (size_t i = 0; extra && i < sizeof ours / sizeof *ours; i++) {
        if (qualys_params_name(extra, ours[i])) {
            snprintf(why, cap, "settings.extra_params names %s, which the connector sets itself: hosts would be left out unnoticed", ours[i]);
            return true;
        }
    }
    return false;
}

struct sc_str qualys_limit_above(const char *url, uint32_t limit)
{
    static const char name[] = "truncation_limit=";
    const char *at = strchr(url, '?');
    for (at = at ? at + 1 : NULL; at; at = next_param(at)) {
        if (strncmp(at, name, sizeof name - 1) != 0)
            continue;
        const char *digits = at + sizeof name - 1;
        size_t len = strspn(digits, "0123456789");
        uint64_t value = 0;
        for (size_t i = 0; i < len && value <= UINT32_MAX; i++)
            value = value * 10 + (uint64_t)(digits[i] - '0');
        bool number = len && (digits[len] == '\0' || digits[len] == '&');
        return number && (value > limit || value == 0) ? (struct sc_str){digits, len} : (struct sc_str){0};
    }
    return (struct sc_str){0};
}
