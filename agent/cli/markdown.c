/* Pages of docs/ made of the tables: settings and members of an integration (docs/configuration.md), connectors (docs/connectors.md), metrics
 * (docs/metrics.md). */
#include "cli/commands.h"

#include "base/clock.h"
#include "config/integration.h"
#include "operate/metrics.h"

/* ---- cells ------------------------------------------------------------------------------------------------------------- */

/* Text of a table in a table of Markdown. */
static void add_cell(struct sc_buf *out, const char *text)
{
    bool code = false;
    sc_buf_add_str(out, " ");
    for (; *text; text++) {
        code ^= *text == '`';
        if (*text == '|' || (*text == '<' && !code))
            sc_buf_add_char(out, '\\');
        sc_buf_add_char(out, *text == '\n' ? ' ' : *text);
    }
    sc_buf_add_str(out, " |");
}

static void add_names(struct sc_buf *out, const char *const *names, size_t max)
{
    struct sc_buf text SC_AUTO_BUF = {0};
    for (size_t i = 0; i < max && names[i]; i++)
        sc_buf_addf(&text, "%s`%s`", i ? ", " : "", names[i]);
    add_cell(out, sc_buf_str(&text).ptr);
}

static void begin_block(struct sc_buf *out, const char *name, const char *option)
{
    sc_buf_addf(out, "<!-- begin %s: made by `signal-client config --%s` -->\n", name, option);
}

static void end_block(struct sc_buf *out, const char *name)
{
    sc_buf_addf(out, "<!-- end %s -->\n", name);
}

/* ---- settings ---------------------------------------------------------------------------------------------------------- */

/* Bytes in the largest unit that they fill evenly. */
static void add_size(struct sc_buf *out, int64_t bytes)
{
    static const char *const units[] = {"bytes", "KiB", "MiB", "GiB"};
    size_t unit = 0;
    while (unit + 1 < sizeof units / sizeof *units && bytes && bytes % 1024 == 0) {
        bytes /= 1024;
        unit++;
    }
    sc_buf_addf(out, "%lld %s", (long long)bytes, units[unit]);
}

static bool is_size(const char *key)
{
    size_t len = strlen(key);
    return len > 6 && strcmp(key + len - 6, "_bytes") == 0;
}

static void describe_values(const struct sc_setting_facts *facts, struct sc_buf *out)
{
    if (facts->choices) {
        for (const char *c = facts->choices; *c; c++)
            sc_buf_addf(out, *c == ' ' ? ", " : "%c", *c);
    } else if (is_size(facts->key)) {
        add_size(out, facts->min);
        sc_buf_add_str(out, " to ");
        add_size(out, facts->max);
    } else if (facts->min || facts->max) {
        sc_buf_addf(out, "%lld to %lld", (long long)facts->min, (long long)facts->max);
    }
}

static void add_setting(void *arg, const struct sc_setting_facts *facts)
{
    struct sc_buf *out = arg, def SC_AUTO_BUF = {0}, values SC_AUTO_BUF = {0};
    int64_t bytes;
    if (*facts->def)
        sc_buf_addf(&def, "`%s`", facts->def);
    if (is_size(facts->key) && sc_parse_int(sc_str_of(facts->def), &bytes)) {
        sc_buf_add_str(&def, " (");
        add_size(&def, bytes);
        sc_buf_add_str(&def, ")");
    }
    describe_values(facts, &values);
    sc_buf_addf(out, "| `%s` |", facts->key);
    add_cell(out, sc_buf_str(&def).ptr);
    add_cell(out, sc_buf_str(&values).ptr);
    add_names(out, facts->env, sizeof facts->env / sizeof *facts->env);
    add_names(out, facts->node, sizeof facts->node / sizeof *facts->node);
    add_cell(out, facts->help);
    sc_buf_add_char(out, '\n');
}

/* ---- members of an integration ----------------------------------------------------------------------------------------- */

static void add_common_fields(struct sc_buf *out)
{
    for (const struct sc_field *field = sc_integration_common_fields(); field->name; field++) {
        struct sc_buf text SC_AUTO_BUF = {0};
        sc_buf_add_str(&text, field->help);
        if (field->min || field->max)
            sc_buf_addf(&text, "; %lld to %lld", (long long)field->min, (long long)field->max);
        sc_buf_addf(out, "| `settings.%s` |", field->name);
        add_cell(out, field->def ? field->def : "–");
        add_cell(out, sc_buf_str(&text).ptr);
        sc_buf_add_char(out, '\n');
    }
}

static void add_members(struct sc_buf *out)
{
    for (const struct sc_member *row = sc_integration_members(); row->name; row++) {
        sc_buf_addf(out, "| `%s%s` |", row->group, row->name);
        add_cell(out, row->def);
        add_cell(out, row->help);
        sc_buf_add_char(out, '\n');
        if (!*row->group && strcmp(row->name, "settings") == 0)
            add_common_fields(out);
    }
}

void sc_markdown_configuration(struct sc_buf *out)
{
    begin_block(out, "settings", "markdown");
    sc_buf_add_str(out, "| key | default | values | environment | node file | what |\n|---|---|---|---|---|---|\n");
    sc_settings_describe(add_setting, out);
    end_block(out, "settings");
    sc_buf_add_char(out, '\n');
    begin_block(out, "integration", "markdown");
    sc_buf_add_str(out, "| member | default | what |\n|---|---|---|\n");
    add_members(out);
    end_block(out, "integration");
}

/* ---- metrics ----------------------------------------------------------------------------------------------------------- */

static void add_labels(struct sc_buf *out, const char *labels)
{
    struct sc_buf text SC_AUTO_BUF = {0};
    while (*labels) {
        size_t len = strcspn(labels, " ");
        sc_buf_addf(&text, "%s`%.*s`", text.len ? ", " : "", (int)len, labels);
        labels += len + (labels[len] == ' ');
    }
    add_cell(out, sc_buf_str(&text).ptr);
}

void sc_markdown_metrics(struct sc_buf *out)
{
    begin_block(out, "metrics", "metrics");
    sc_buf_add_str(out, "| name | type | labels | what |\n|---|---|---|---|\n");
    for (int i = 0; i < SC_METRIC_COUNT; i++) {
        const struct sc_metric_row *row = sc_metric_row((enum sc_metric)i);
        sc_buf_addf(out, "| `%s` | %s |", row->name, sc_metric_type_name(row->type));
        add_labels(out, row->labels);
        add_cell(out, row->help);
        sc_buf_add_char(out, '\n');
    }
    end_block(out, "metrics");
    sc_buf_add_char(out, '\n');
    begin_block(out, "reasons", "metrics");
    sc_buf_add_str(out, "| reason | class | means |\n|---|---|---|\n");
    for (int i = 0; i < SC_REASON_COUNT; i++) {
        sc_buf_addf(out, "| `%s` | `%s` |", sc_reason_code((enum sc_reason)i), sc_class_name(sc_reason_class((enum sc_reason)i)));
        add_cell(out, sc_reason_meaning((enum sc_reason)i));
        sc_buf_add_char(out, '\n');
    }
    end_block(out, "reasons");
}

/* ---- connectors -------------------------------------------------------------------------------------------------------- */

static void add_put(const struct sc_connector *c, struct sc_buf *out)
{
    const struct sc_field *const tables[] = {c->settings, c->credentials};
    sc_buf_addf(out, "\n    signal-client integrations put my-%s --type %s", c->name, c->name);
    for (size_t t = 0; t < 2; t++)
        for (const struct sc_field *field = tables[t]; field && field->name; field++) {
            if (field->required && field->secret)
                sc_buf_addf(out, " --secret %s", field->name);
            else if (field->required)
                sc_buf_addf(out, " --set %s=%s", field->name, field->example ? field->example : "VALUE");
        }
    bool credential = false;
    const struct sc_field *first = c->auth.when ? sc_integration_field(c, c->auth.when, &credential) : NULL;
    if (first && credential && first->secret && !first->required) /* one of several ways to sign in */
        sc_buf_addf(out, " --secret %s", first->name);
    sc_buf_add_str(out, "\n");
}

static void add_fields(const struct sc_field *field, const char *object, struct sc_buf *out)
{
    for (; field && field->name; field++) {
        struct sc_buf text SC_AUTO_BUF = {0};
        sc_describe_field(field, &text);
        sc_buf_addf(out, "| `%s.%s` |", object, field->name);
        add_cell(out, field->title);
        add_cell(out, sc_buf_str(&text).ptr);
        sc_buf_add_char(out, '\n');
    }
}

static const char *what_is_published(const struct sc_data_type *type)
{
    if (type->shape == SC_SHAPE_SNAPSHOT)
        return "each entry of the document once, and each later state of it";
    switch (type->identity) {
    case SC_VERSIONED:
        return "each version of a record once";
    case SC_CONTENT:
        return "each record once, known by its bytes";
    case SC_IMMUTABLE:
    default:
        return "each record once";
    }
}

static void add_span(struct sc_buf *out, uint32_t seconds)
{
    char text[SC_TIME_TEXT];
    add_cell(out, seconds ? sc_duration_text((int64_t)seconds * 1000, text) : "–");
}

static void add_interval(const struct sc_data_type *type, struct sc_buf *out)
{
    char usual[SC_TIME_TEXT], least[SC_TIME_TEXT];
    struct sc_buf text SC_AUTO_BUF = {0};
    sc_buf_add_str(&text, sc_duration_text((int64_t)type->interval_s * 1000, usual));
    if (type->min_interval_s)
        sc_buf_addf(&text, ", not under %s", sc_duration_text((int64_t)type->min_interval_s * 1000, least));
    add_cell(out, sc_buf_str(&text).ptr);
}

static void add_data_type(const struct sc_data_type *type, struct sc_buf *out)
{
    struct sc_buf what SC_AUTO_BUF = {0};
    sc_buf_addf(&what, "%s%s%s%s", type->title, type->help ? ": " : "", type->help ? type->help : "", type->off_by_default ? "; off unless enabled" : "");
    sc_buf_addf(out, "| `%s` |", type->name);
    add_cell(out, sc_buf_str(&what).ptr);
    add_interval(type, out);
    add_span(out, type->lookback_s);
    add_span(out, type->lag_s);
    add_cell(out, what_is_published(type));
    add_names(out, type->id, SC_MAX_ID_PARTS);
    add_cell(out, type->permission ? type->permission : "–");
    sc_buf_add_char(out, '\n');
}

void sc_markdown_connector(const struct sc_connector *c, struct sc_buf *out)
{
    sc_buf_addf(out, "## %s\n%s (%s)", c->name, c->title, c->category);
    if (c->base_url)
        sc_buf_addf(out, ", asked at `%s`", c->base_url);
    for (const char *const *alias = c->aliases; alias && *alias; alias++)
        sc_buf_addf(out, "%s`%s`", alias == c->aliases ? "; also called " : ", ", *alias);
    sc_buf_add_str(out, ".");
    if (c->vendor_docs)
        sc_buf_addf(out, " Vendor's documentation: <%s>.", c->vendor_docs);
    sc_buf_add_str(out, "\n");
    add_put(c, out);
    if ((c->settings && c->settings->name) || (c->credentials && c->credentials->name)) {
        sc_buf_add_str(out, "\n| field | what | |\n|---|---|---|\n");
        add_fields(c->settings, "settings", out);
        add_fields(c->credentials, "credentials", out);
    }
    if (c->auth.otherwise) {
        sc_buf_add_str(out, "\nTo sign in, give ");
        sc_auth_describe(c, out);
        sc_buf_add_str(out, ".\n");
    }
    if (c->auth_advice)
        sc_buf_addf(out, "\nWhen the credential is refused: %s\n", c->auth_advice);
    sc_buf_add_str(out, "\n| data type | what | polled every | first poll looks back | records may come late by | published | identity | permission to grant |\n"
                        "|---|---|---|---|---|---|---|---|\n");
    for (const struct sc_data_type *type = c->data_types; type && type->name; type++)
        add_data_type(type, out);
    if (!c->pools || !c->pools->name)
        return;
    sc_buf_add_str(out, "\nBudgets:\n");
    for (const struct sc_pool *pool = c->pools; pool->name; pool++) {
        sc_buf_addf(out, "- `%s`: ", pool->name);
        sc_describe_pool(pool, out);
        sc_buf_add_char(out, '\n');
    }
}

void sc_markdown_connectors(const struct sc_plugins *plugins, struct sc_buf *out)
{
    sc_buf_add_str(out, "# Connectors\nWhat each vendor needs, made from the connectors' own tables by `signal-client connectors list --markdown`.\n\n"
                        "Fields that every connector has beside these (address, proxy, TLS, intervals, lookback, a budget of one's own):\n"
                        "[configuration.md](configuration.md#integrations). Of a budget a tenth is left for others who use the same account, unless\n"
                        "`rate_limit.reserve_percent` says otherwise. \"First poll looks back –\": it begins with everything that there is. An identity's\n"
                        "members are part of `Nats-Msg-Id` ([artifacts.md](artifacts.md)).\n\n");
    for (size_t i = 0; i < sc_plugins_count(plugins); i++) {
        const struct sc_connector *c = sc_plugins_at(plugins, i)->connector;
        sc_buf_addf(out, "- [%s](#%s)\n", c->title, c->name);
    }
    for (size_t i = 0; i < sc_plugins_count(plugins); i++) {
        sc_buf_add_char(out, '\n');
        sc_markdown_connector(sc_plugins_at(plugins, i)->connector, out);
    }
}
