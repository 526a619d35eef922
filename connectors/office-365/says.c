/* What the vendor says when it refuses. Statuses are not documented, so codes decide, wherever they stand: the body may be JSON, JSON in single
 * quotes (the vendor's own sample) or text. Pure. */
#include "office.h"

#include <ctype.h>
#include <stdio.h>

#define GUIDS     "tenant_id and publisher_id have to be GUIDs."
#define RE_ENABLE "Ask who disabled it, and have auditing of this content type enabled again, or disable the data type. It is looked at again each day, and when the integration is saved."
#define AUDIT_OFF "Turn on auditing (Microsoft Purview portal > Audit > Start recording user and admin activity); it takes up to 60 minutes. Then save the integration; by itself it is looked at each day."
#define CLOCK     "If it stays, compare this machine's clock with the vendor's."

static const struct {
    const char *code;
    enum sc_reason reason;
    const char *advice; /* NULL: the reason's own */
} codes[] = {
    {"AF10001", SC_REASON_PERMISSION_DENIED, NULL},
    {"AF20001", SC_REASON_CONFIG_INVALID, GUIDS},
    {"AF20002", SC_REASON_CONFIG_INVALID, GUIDS},
    {"AF20010", SC_REASON_CONFIG_INVALID, OFFICE_OWN_TENANT},
    {"AF20011", SC_REASON_NOT_FOUND, OFFICE_OWN_TENANT},
    {"AF20012", SC_REASON_CONFIG_INVALID, OFFICE_OWN_TENANT},
    {"AF20013", SC_REASON_CONFIG_INVALID, OFFICE_OWN_TENANT},
    {"AF20020", SC_REASON_FEATURE_OFF, "This cloud does not know the content type: disable the data type. The others go on."},
    {"AF20022", SC_REASON_VENDOR_BUSY, "Nothing to do: a subscription that was just started, or found, is not in force everywhere at once."},
    {"AF20023", SC_REASON_FEATURE_OFF, RE_ENABLE},
    {"AF20030", SC_REASON_VENDOR_ERROR, CLOCK},
    {"AF20055", SC_REASON_VENDOR_ERROR, CLOCK},
    {"AF429", SC_REASON_RATE_LIMITED, NULL},
    {"AF50000", SC_REASON_VENDOR_ERROR, NULL},
};

/* "AF" and three to five digits, standing alone. */
static void find_code(struct sc_str body, char out[OFFICE_CODE])
{
    for (size_t i = 0; i + 5 <= body.len; i++) {
        size_t n = 2;
        if (body.ptr[i] != 'A' || body.ptr[i + 1] != 'F' || (i && isalnum((unsigned char)body.ptr[i - 1])))
            continue;
        while (i + n < body.len && isdigit((unsigned char)body.ptr[i + n]))
            n++;
        bool alone = i + n == body.len || !isalnum((unsigned char)body.ptr[i + n]);
        if (n >= 5 && n <= 7 && alone) {
            snprintf(out, OFFICE_CODE, "%.*s", (int)n, body.ptr + i);
            return;
        }
    }
}

void office_read_code(struct sc_str body, char out[OFFICE_CODE])
{
    struct sc_str error = rest_error_value(body, "error");
    out[0] = '\0';
    if (error.len && *error.ptr == '{' && rest_error_member(error, "code", out, OFFICE_CODE) && strncmp(out, "AF", 2) == 0)
        return;
    out[0] = '\0';
    find_code(body, out);
}

void office_refuse(struct sc_verdict *out, enum sc_reason reason, const char *advice)
{
    out->action = SC_REFUSE;
    out->reason = reason;
    snprintf(out->advice, sizeof out->advice, "%s", advice ? advice : "");
}

bool office_is_one_of(const char *code, const char *const *some)
{
    while (*some && strcmp(code, *some) != 0)
        some++;
    return *some != NULL;
}

static bool has_text(struct sc_str body, const char *text)
{
    return body.len && memmem(body.ptr, body.len, text, strlen(text));
}

/* "Tenant <id> does not exist", of a tenant that is there: AF20011 says it of one that is not, in other words. */
static bool is_audit_off(struct sc_str body, const char *code)
{
    return has_text(body, "DataServiceException") || (!code[0] && has_text(body, "Tenant ") && has_text(body, "does not exist"));
}

void office_judge(struct sc_str body, const char *code, struct sc_verdict *out)
{
    if (is_audit_off(body, code)) {
        office_refuse(out, SC_REASON_FEATURE_OFF, AUDIT_OFF);
        snprintf(out->detail, sizeof out->detail, "unified audit logging is not switched on in the tenant (\"Tenant ... does not exist\")");
        return;
    }
    for (size_t i = 0; i < sizeof codes / sizeof *codes; i++) {
        if (strcmp(codes[i].code, code) == 0)
            office_refuse(out, codes[i].reason, codes[i].advice);
    }
    if (!out->detail[0])
        snprintf(out->detail, sizeof out->detail, "%s", code);
}
