/* Scalars as operators write them: 5, "5" and 5.0 are all five. */
#include "config/parse.h"

#include "base/clock.h"
#include "config/text.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#define MAX_WARNINGS 20

int sc_parse_no_memory(struct sc_parse *parse)
{
    return sc_fail(parse->err, SC_REASON_MEMORY_LIMIT, "out of memory while reading integration %s", parse->integration->name);
}

void sc_parse_warn(struct sc_parse *parse, const char *fmt, ...)
{
    char text[320];
    va_list args;
    if (++parse->warning_count > MAX_WARNINGS)
        return;
    va_start(args, fmt);
    vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    for (char *c = text; *c; c++)
        if ((unsigned char)*c < 0x20)
            *c = ' ';
    sc_buf_addf(&parse->warnings, "%s%s", parse->warnings.len ? "\n" : "", text);
}

const json_t *sc_parse_member(const json_t *object, const char *name)
{
    const json_t *value = json_object_get(object, name);
    return value && !json_is_null(value) ? value : NULL;
}

int sc_parse_object(struct sc_parse *parse, const json_t *object, const char *where, const char *name, const json_t **ret)
{
    *ret = sc_parse_member(object, name);
    if (*ret && !json_is_object(*ret))
        return sc_fail(parse->err, SC_REASON_CONFIG_INVALID, "%s%s must be an object {…}", where, name);
    return 0;
}

char *sc_parse_text(struct sc_parse *parse, const json_t *value, const char *where)
{
    char *text;
    if (json_is_string(value)) {
        text = sc_dup(json_string_value(value));
    } else if (json_is_boolean(value)) {
        text = sc_dup(json_is_true(value) ? "true" : "false");
    } else if (json_is_integer(value)) {
        text = sc_printf("%" JSON_INTEGER_FORMAT, json_integer_value(value));
    } else {
        sc_fail(parse->err, SC_REASON_CONFIG_INVALID, "%s must be a text in quotes", where);
        return NULL;
    }
    if (!text)
        sc_parse_no_memory(parse);
    return text;
}

int sc_parse_bool(struct sc_parse *parse, const json_t *object, const char *where, const char *name, bool *ret)
{
    const json_t *value = sc_parse_member(object, name);
    if (!value)
        return 0;
    if (json_is_boolean(value)) {
        *ret = json_is_true(value);
        return 0;
    }
    if (json_is_string(value) && sc_text_to_bool(json_string_value(value), ret))
        return 0;
    return sc_fail(parse->err, SC_REASON_CONFIG_INVALID, "%s%s must be true or false", where, name);
}

/* Decimal digits with at most one '.', nothing else. */
static bool is_decimal(const char *text)
{
    size_t digits = strspn(text, "0123456789");
    size_t fraction = text[digits] == '.' ? strspn(text + digits + 1, "0123456789") + 1 : 0;
    return digits + fraction < 32 && digits > 0 && fraction != 1 && text[digits + fraction] == '\0';
}

int sc_parse_scaled(struct sc_parse *parse, const json_t *object, const char *where, const char *name, double unit, int64_t min,
                    int64_t max, const char *limits, int64_t *ret)
{
    const json_t *value = sc_parse_member(object, name);
    double number = NAN;
    if (!value)
        return 0;
    if (json_is_number(value))
        number = json_number_value(value);
    else if (json_is_string(value) && is_decimal(json_string_value(value)))
        number = strtod(json_string_value(value), NULL);
    number = round(number * unit);
    if (!(number >= (double)min && number <= (double)max))
        return sc_fail(parse->err, SC_REASON_CONFIG_INVALID, "%s%s must be a number from %s", where, name, limits);
    *ret = (int64_t)number;
    return 0;
}

int sc_parse_uint(struct sc_parse *parse, const json_t *object, const char *where, const char *name, uint32_t min, uint32_t max,
                  uint32_t *ret)
{
    const json_t *value = sc_parse_member(object, name);
    int64_t number = -1;
    if (!value)
        return 0;
    if (json_is_integer(value))
        number = json_integer_value(value);
    else if (json_is_real(value) && json_real_value(value) == floor(json_real_value(value)) && fabs(json_real_value(value)) < 1e15)
        number = (int64_t)json_real_value(value);
    else if (!json_is_string(value) || !sc_parse_int(sc_str_of(json_string_value(value)), &number))
        number = -1;
    if (number < min || number > max)
        return sc_fail(parse->err, SC_REASON_CONFIG_INVALID, "%s%s must be a whole number from %u to %u", where, name, min, max);
    *ret = (uint32_t)number;
    return 0;
}
