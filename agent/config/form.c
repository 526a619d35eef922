/* What a credential looks like where its kind is known (struct sc_form), and what a connector says of its settings together. */
#include "config/parse.h"

#include <ctype.h>
#include <stdio.h>

/* ---- forms -------------------------------------------------------------------------------------------------------------- */

static bool is_form(const struct sc_form *form)
{
    return form->begins || form->least || form->most || form->hex;
}

static bool fits(const struct sc_form *form, const char *text)
{
    size_t len = strlen(text);
    if (form->begins && strncmp(text, form->begins, strlen(form->begins)) != 0)
        return false;
    if ((form->least && len < form->least) || (form->most && len > form->most))
        return false;
    for (const char *c = text; form->hex && *c; c++) {
        if (!isxdigit((unsigned char)*c))
            return false;
    }
    return true;
}

/* "20 characters that begin with AKIA, or 20 that begin with ASIA" */
static void describe(const struct sc_field *row, struct sc_buf *out)
{
    for (unsigned i = 0; i < SC_MAX_FORMS && is_form(&row->forms[i]); i++) {
        const struct sc_form *f = &row->forms[i];
        sc_buf_add_str(out, i ? ", or " : "");
        if (f->least && f->least == f->most)
            sc_buf_addf(out, "%u ", f->least);
        else if (f->least && f->most)
            sc_buf_addf(out, "%u to %u ", f->least, f->most);
        else if (f->least || f->most)
            sc_buf_addf(out, "at %s %u ", f->least ? "least" : "most", f->least ? f->least : f->most);
        sc_buf_addf(out, "characters%s%s%s", f->hex ? " 0-9 a-f" : "", f->begins ? " that begin with " : "", f->begins ? f->begins : "");
    }
}

/* The first field whose value has none of its forms; NULL: all have. */
static const struct sc_field *odd_one(const struct sc_integration *integration, bool *ret_credential)
{
    const struct sc_field *tables[] = {integration->connector->credentials, integration->connector->settings};
    for (int t = 0; t < 2; t++) {
        for (const struct sc_field *row = tables[t]; row && row->name; row++) {
            const char *text = sc_integration_value(integration, row->name);
            bool good = !text || !is_form(&row->forms[0]);
            for (unsigned i = 0; !good && i < SC_MAX_FORMS && is_form(&row->forms[i]); i++)
                good = fits(&row->forms[i], text);
            *ret_credential = t == 0;
            if (!good)
                return row;
        }
    }
    return NULL;
}

bool sc_integration_odd_form(const struct sc_integration *integration, char *out, size_t cap)
{
    bool credential;
    const struct sc_field *row = odd_one(integration, &credential);
    struct sc_buf forms SC_AUTO_BUF = {0};
    out[0] = '\0';
    if (!row)
        return false;
    describe(row, &forms);
    snprintf(out, cap, "%s.%s has %zu characters and does not look right (expected for %s of %s: %s)", credential ? "credentials" : "settings", row->name,
             strlen(sc_integration_value(integration, row->name)), row->title, integration->connector->title, forms.ptr ? forms.ptr : "");
    return true;
}

/* ---- the connector's own word ------------------------------------------------------------------------------------------- */

struct view {
    struct sc_settings_view face; /* first */
    const struct sc_integration *integration;
};

static const char *value(const struct sc_settings_view *face, const char *name)
{
    const struct view *view = (const struct view *)(const void *)face;
    return sc_integration_value(view->integration, name);
}

int sc_parse_check(struct sc_parse *parse)
{
    const struct sc_connector *connector = parse->integration->connector;
    const struct view view = {{value}, parse->integration};
    char why[SC_CHECK_TEXT] = "";
    if (!connector->check || connector->check(&view.face, why))
        return 0;
    why[sizeof why - 1] = '\0';
    return sc_fail(parse->err, SC_REASON_CONFIG_INVALID, "%s", why[0] ? why : "the settings do not go together");
}
