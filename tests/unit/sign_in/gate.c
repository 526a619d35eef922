/* A vendor that can be signed in to in each way, for exchange scripts: one list, asked once a poll. */
#include "sign/aws_sigv4.h"

#include <stdio.h>

static const char *sign(struct sc_host *host, const struct sc_to_sign *in, struct sc_header out[SC_MAX_SIGN_HEADERS])
{
    const struct sc_host_api *api = host->api;
    const struct aws_keys keys = {.service = "gate", .region = "eu-west-1", .key_id = api->setting(host, "username"), .secret = api->setting(host, "password")};
    return aws_sigv4(host, in, &keys, out);
}

static const struct sc_oauth2_error login_errors[] = {
    {403, NULL, SC_REASON_ACCOUNT_SUSPENDED, "Have the account unlocked."},
    {0},
};
static const struct sc_oauth2 login = {
    .token_url = "/auth/login",
    .client = SC_OAUTH2_CLIENT_NONE,
    .params = {{"username", "{username}"}, {"password", "{password}"}, {"output_mode", "json"}},
    .token_member = "sessionKey",
    .errors = login_errors,
};
static const struct sc_auth by_login = {.kind = SC_AUTH_LOGIN, .header = "Authorization", .value = "Gate {token}", .oauth2 = &login};
static const struct sc_auth by_signature = {.kind = SC_AUTH_SIGNED, .sign = sign, .when = "signed", .otherwise = &by_login};
static const struct sc_auth by_basic = {.kind = SC_AUTH_BASIC, .user = "username", .password = "password", .when = "basic_auth", .otherwise = &by_signature};

static const struct sc_field settings[] = {
    {.name = "basic_auth", .title = "Basic", .kind = SC_BOOL, .def = "false"},
    {.name = "signed", .title = "Signed", .kind = SC_BOOL, .def = "false"},
    {.name = "path", .title = "Path", .def = "/events?since=0"},
    {0},
};
static const struct sc_field credentials[] = {
    {.name = "auth_token", .title = "Token", .secret = true},
    {.name = "username", .title = "User", .secret = true, .alias = "access_key"},
    {.name = "password", .title = "Password", .secret = true, .alias = "secret_key"},
    {0},
};
static const struct sc_data_type data_types[] = {
    {.name = "events", .title = "Events", .noun = "events", .interval_s = 300, .recipe = 1, .records = "[]", .id = {"id"}},
    {.name = "alerts", .title = "Alerts", .noun = "alerts", .interval_s = 300, .recipe = 1, .records = "[]", .id = {"id"}, .off_by_default = true},
    {0},
};

static enum sc_next request(struct sc_host *host, struct sc_request *out)
{
    bool alerts = strcmp(host->type->name, "alerts") == 0;
    out->url = alerts ? "/alerts" : host->api->setting(host, "path");
    out->headers[0] = (struct sc_header){"x-amz-date", "of the connector"}; /* the signature's own takes its place */
    return SC_SEND;
}

static void response(struct sc_host *host, const struct sc_response *in, struct sc_verdict *out)
{
    (void)host;
    if (!in->body_complete || !in->body_prefix.ptr || !memmem(in->body_prefix.ptr, in->body_prefix.len, "signature expired", 17))
        return;
    out->action = SC_REFUSE;
    out->reason = SC_REASON_CLOCK_SKEW;
    snprintf(out->detail, sizeof out->detail, "signature expired");
}

static enum sc_more page(struct sc_host *host, const struct sc_page *in, struct sc_verdict *out)
{
    (void)host, (void)in, (void)out;
    return SC_WALKED;
}

static const struct sc_connector_ops ops = {.request = request, .response = response, .page = page};

static const struct sc_connector gate = {
    .abi = SC_CONNECTOR_ABI,
    .size = sizeof gate,
    .name = "gate",
    .title = "Gate",
    .category = "Tests",
    .base_url = "https://gate.test",
    .auth = {.kind = SC_AUTH_HEADER, .header = "Authorization", .value = "Bearer {auth_token}", .when = "auth_token", .otherwise = &by_basic},
    .settings = settings,
    .credentials = credentials,
    .data_types = data_types,
    .ops = &ops,
    .auth_advice = "Make a new one in the gate's console.",
};

SC_CONNECTOR_EXPORT(gate)
