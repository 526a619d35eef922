/* How old a credential is, when it says that it ends, whether it stands in the bucket unsealed: for status and notices. io thread. */
#include "poll/poller.h"

#include <stdio.h>

void sc_credential_begin(struct sc_instance *inst, bool changed)
{
    if (changed)
        inst->credential_saved = inst->config->saved_ms;
    sc_judge_credential(inst);
}

/* The certificate's file may have become another one, without a put. */
static void look(struct sc_instance *inst)
{
    const struct sc_integration *config = inst->config;
    struct sc_error unsaid = SC_ERROR_INIT; /* who uses the file says what is wrong with it */
    struct sc_expiry file;
    inst->ends = config->expiry;
    inst->ends_field = config->expiry_field;
    if (!config->cert_file || sc_expiry_file(config->cert_file, &file, &unsaid) || file.at_ms == SC_TIME_NONE ||
        (inst->ends.at_ms != SC_TIME_NONE && inst->ends.at_ms <= file.at_ms))
        return;
    inst->ends = file;
    inst->ends_field = "tls.cert_file";
}

/* A date that has passed is said and nothing else: whether the credential is refused is the vendor's to say. */
void sc_judge_credential(struct sc_instance *inst)
{
    const struct sc_expiry *ends = &inst->ends;
    const char *advice = inst->config->connector->auth_advice;
    look(inst);
    if (ends->at_ms != SC_TIME_NONE && ends->at_ms != inst->config->expiry.at_ms)
        advice = "Have the client certificate renewed and put it in its file; it is read again without a restart.";
    int64_t now = sc_real_ms(), left = ends->at_ms == SC_TIME_NONE ? INT64_MAX : ends->at_ms - now;
    char text[SC_EXPIRY_TEXT], detail[300];
    if (left > 0)
        sc_notice_clear(&inst->notices, SC_REASON_AUTH_EXPIRED);
    if (left <= 0 || left > SC_EXPIRY_WARN_MS)
        sc_notice_clear(&inst->notices, SC_REASON_AUTH_EXPIRING);
    if (left > SC_EXPIRY_WARN_MS)
        return;
    snprintf(detail, sizeof detail, "%.100s %s", inst->ends_field, sc_expiry_text(ends, now, text));
    sc_notice_set(&inst->notices, left > 0 ? SC_REASON_AUTH_EXPIRING : SC_REASON_AUTH_EXPIRED, detail, advice, now);
}

static void add_time(struct sc_buf *out, const char *name, int64_t ms)
{
    char text[SC_TIME_TEXT];
    if (ms > 0)
        sc_buf_addf(out, ",\"%s\":\"%s\"", name, sc_time_rfc3339(ms, text));
}

/* "credentials.api_token, proxy" as an array. */
static void add_unsealed(struct sc_buf *out, const char *names)
{
    sc_buf_add_str(out, ",\"unsealed\":[");
    for (const char *at = names; *at;) {
        size_t len = strcspn(at, ",");
        sc_buf_add_json(out, (struct sc_str){at, len});
        at += len + strspn(at + len, ", ");
        if (*at)
            sc_buf_add_char(out, ',');
    }
    sc_buf_add_char(out, ']');
}

void sc_status_credential(struct sc_buf *out, const struct sc_instance *inst)
{
    add_time(out, "credential_saved", inst->credential_saved);
    if (inst->ends.at_ms != SC_TIME_NONE) {
        add_time(out, "credential_ends", inst->ends.at_ms);
        sc_buf_add_str(out, ",\"credential_ends_by\":");
        SC_AUTO_FREE char *by = sc_printf("%s: %s", inst->ends_field, inst->ends.what);
        sc_buf_add_json(out, sc_str_of(by ? by : inst->ends.what));
    }
    if (inst->config->unsealed)
        add_unsealed(out, inst->config->unsealed);
}
