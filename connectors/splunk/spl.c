/* See spl.h. Text between double quotes, backticks (macros, comments) and brackets (subsearches, which have bounds of their own) is passed over. */
#include "splunk/spl.h"

#include <stddef.h>
#include <string.h>
#include <strings.h>

#define MINUTE 60
#define HOUR   (60 * MINUTE)
#define DAY    (24 * HOUR)
#define FAR    (20LL * 366 * DAY) /* further back is taken for unknown */

/* Commands that leave each event one event with its own members. */
static const char *const harmless[] = {"search",    "where",     "eval",    "rex",     "regex",    "dedup",       "sort",        "reverse",
                                       "head",      "tail",      "lookup",  "spath",   "extract",  "kv",          "xmlkv",       "eventstats",
                                       "streamstats", "fillnull", "filldown", "makemv", "nomv",     "replace",     "iplocation",  "convert",
                                       "strcat",    "tags",      "addinfo", "fields",  "rename",   NULL};

static bool is_word(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '.';
}

static bool is_blank(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

static const char *skip_blank(const char *c)
{
    while (is_blank(*c))
        c++;
    return c;
}

static const char *behind_quote(const char *c)
{
    for (c++; *c && *c != '"'; c++) {
        if (*c == '\\' && c[1])
            c++;
    }
    return *c ? c + 1 : c;
}

static const char *behind_backticks(const char *c)
{
    bool comment = strncmp(c, "```", 3) == 0;
    const char *end = strstr(c + (comment ? 3 : 1), comment ? "```" : "`");
    return end ? end + (comment ? 3 : 1) : c + strlen(c);
}

/* From one piece of the text to the next: a character, or all that is quoted or bracketed. */
static const char *next(const char *c)
{
    unsigned depth = 0;
    do {
        if (*c == '"') {
            c = behind_quote(c);
        } else if (*c == '`') {
            c = behind_backticks(c);
        } else {
            depth += *c == '[';
            depth -= depth && *c == ']';
            c++;
        }
    } while (depth && *c);
    return c;
}

/* ---- bounds ------------------------------------------------------------------------------------------------------------ */

static int64_t unit_s(const char *name, size_t len)
{
    static const struct {
        const char *name;
        int64_t s; /* the longest that it may be */
    } units[] = {
        {"s", 1},         {"sec", 1},           {"secs", 1},          {"second", 1},        {"seconds", 1},       {"m", MINUTE},
        {"min", MINUTE},  {"mins", MINUTE},     {"minute", MINUTE},   {"minutes", MINUTE},  {"h", HOUR},          {"hr", HOUR},
        {"hrs", HOUR},    {"hour", HOUR},       {"hours", HOUR},      {"d", DAY},           {"day", DAY},         {"days", DAY},
        {"w", 7 * DAY},   {"week", 7 * DAY},    {"weeks", 7 * DAY},   {"mon", 31 * DAY},    {"month", 31 * DAY},  {"months", 31 * DAY},
        {"q", 92 * DAY},  {"qtr", 92 * DAY},    {"qtrs", 92 * DAY},   {"quarter", 92 * DAY}, {"quarters", 92 * DAY}, {"y", 366 * DAY},
        {"yr", 366 * DAY}, {"yrs", 366 * DAY},  {"year", 366 * DAY},  {"years", 366 * DAY},
    };
    for (size_t i = 0; i < sizeof units / sizeof *units; i++) {
        if (strlen(units[i].name) == len && strncasecmp(units[i].name, name, len) == 0)
            return units[i].s;
    }
    return SPL_UNKNOWN;
}

/* "-15m", "@d", "@w1": *at moves behind it. What it reaches back, or SPL_UNKNOWN. */
static int64_t step_s(const char **at, const char *end)
{
    const char *c = *at;
    char sign = *c++;
    int64_t amount = 0, digits = 0;
    if (sign != '-' && sign != '+' && sign != '@')
        return SPL_UNKNOWN;
    for (; sign != '@' && c < end && *c >= '0' && *c <= '9' && digits < 9; c++, digits++)
        amount = amount * 10 + (*c - '0');
    const char *name = c;
    while (c < end && ((*c >= 'a' && *c <= 'z') || (*c >= 'A' && *c <= 'Z')))
        c++;
    int64_t unit = c > name ? unit_s(name, (size_t)(c - name)) : digits ? 1 : SPL_UNKNOWN;
    if (sign == '@' && unit == 7 * DAY && c < end && *c >= '0' && *c <= '7') /* @w1: a day of the week */
        c++;
    *at = c;
    if (unit == SPL_UNKNOWN)
        return SPL_UNKNOWN;
    return sign == '+' ? 0 : sign == '@' || !digits ? unit : amount * unit;
}

/* How far back a relative time reaches. */
static int64_t reach_of(const char *value, const char *end)
{
    size_t len = (size_t)(end - value);
    int64_t reach = 0;
    if ((len == 3 && strncasecmp(value, "now", 3) == 0) || (len == 5 && strncasecmp(value, "now()", 5) == 0))
        return 0;
    if (!len)
        return SPL_UNKNOWN;
    while (value < end) {
        int64_t step = step_s(&value, end);
        if (step == SPL_UNKNOWN || (reach += step) > FAR)
            return SPL_UNKNOWN;
    }
    return reach;
}

/* Behind "earliest", if a '=' follows: its value. */
static bool read_value(const char *c, const char **ret_value, const char **ret_end)
{
    c = skip_blank(c);
    if (*c != '=')
        return false;
    c = skip_blank(c + 1);
    const char *end = c;
    if (*c == '"') {
        end = behind_quote(c++);
        end -= end > c && end[-1] == '"';
    } else {
        while (*end && !is_blank(*end) && !strchr("|,[]\"`", *end) && !(*end == ')' && end[-1] != '('))
            end++;
    }
    *ret_value = c;
    *ret_end = end;
    return true;
}

struct bounds {
    bool any, earliest;
    int64_t reach_s; /* of the earliest one */
};

/* A word: is it a bound? */
static void note_bound(const char *at, size_t len, struct bounds *ret)
{
    bool earliest = len == 8 && strncmp(at, "earliest", 8) == 0, latest = len == 6 && strncmp(at, "latest", 6) == 0;
    const char *value, *end;
    if ((!earliest && !latest) || !read_value(at + len, &value, &end))
        return;
    ret->any = true;
    if (!earliest)
        return;
    int64_t s = reach_of(value, end);
    if (!ret->earliest || s == SPL_UNKNOWN || (ret->reach_s != SPL_UNKNOWN && s > ret->reach_s))
        ret->reach_s = s;
    ret->earliest = true;
}

/* ---- commands ------------------------------------------------------------------------------------------------------------ */

struct command {
    const char *name;
    size_t len;
    const char *end; /* the '|' behind it, or the text's end */
};

static bool is_command(const struct command *command, const char *name)
{
    return command->len == strlen(name) && strncasecmp(command->name, name, command->len) == 0;
}

static struct command read_command(const char *text)
{
    struct command command = {.name = skip_blank(text)};
    while (is_word(command.name[command.len]))
        command.len++;
    command.end = command.name;
    while (*command.end && *command.end != '|')
        command.end = next(command.end);
    return command;
}

static bool names_inner_member(const struct command *command)
{
    for (const char *c = command->name; c < command->end; c++) {
        bool begins = c == command->name || !is_word(c[-1]);
        if (begins && (*c == '_' || *c == '*'))
            return true;
    }
    return false;
}

/* `fields - _raw`, `rename _* as *` take away what an event is recognised by. */
static bool leaves_events(const struct command *command)
{
    size_t i = 0;
    while (harmless[i] && !is_command(command, harmless[i]))
        i++;
    if (!harmless[i])
        return false;
    bool takes_away = is_command(command, "rename") || (is_command(command, "fields") && memchr(command->name, '-', (size_t)(command->end - command->name)));
    return !takes_away || !names_inner_member(command);
}

static void read_bounds(const char *from, const char *end, struct bounds *ret)
{
    while (from < end) {
        if (!is_word(*from)) {
            from = next(from);
            continue;
        }
        size_t len = 0;
        while (is_word(from[len]))
            len++;
        note_bound(from, len, ret);
        from += len;
    }
}

struct spl spl_read(const char *text)
{
    text = skip_blank(text ? text : "");
    bool piped = *text == '|';
    struct command command = read_command(text + (piped ? 1 : 0));
    bool is_search = is_command(&command, "search") && (is_blank(command.name[command.len]) || !command.name[command.len]);
    struct spl ret = {.is_bare = !piped && !is_search, .makes_rows = piped && !is_search};
    struct bounds bounds = {0};
    read_bounds(command.name, command.end, &bounds);
    while (*command.end) {
        command = read_command(command.end + 1);
        if (!ret.makes_rows && is_command(&command, "search")) /* behind `stats ... as latest` it is a member's name */
            read_bounds(command.name, command.end, &bounds);
        ret.makes_rows = ret.makes_rows || !leaves_events(&command);
    }
    ret.has_bounds = bounds.any;
    ret.reach_s = bounds.earliest ? bounds.reach_s : SPL_UNKNOWN; /* else to the beginning of the index */
    return ret;
}
