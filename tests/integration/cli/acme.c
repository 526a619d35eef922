/* A vendor for these tests: nothing of it is ever called. */
#include <signal/connector.h>

static const struct sc_field settings[] = {
    {.name = "fqdn", .title = "Acme domain", .example = "x.acme.test", .kind = SC_HOST, .required = true},
    {.name = "use_mirror", .title = "Mirror", .kind = SC_BOOL},
    {0},
};
static const struct sc_field credentials[] = {
    {.name = "api_token", .title = "API token", .required = true, .secret = true},
    {.name = "signing_key", .title = "Signing key", .secret = true, .alias = "hook_key"},
    {.name = "client_id", .title = "Client", .alias = "org"},
    {0},
};
static const struct sc_pool pools[] = {
    {.name = "api", .scope = SC_PER_CREDENTIAL, .requests = 60, .per_s = 60, .remaining_header = "X-Remaining"},
    {0},
};
static const struct sc_data_type data_types[] = {
    {.name = "events",
     .title = "Events",
     .noun = "events",
     .interval_s = 300,
     .lookback_s = 86400,
     .recipe = 1,
     .records = "[]",
     .id = {"id"},
     .permission = "Events: Read"},
    {.name = "assets",
     .title = "Assets",
     .noun = "assets",
     .interval_s = 3600,
     .recipe = 1,
     .shape = SC_SHAPE_SNAPSHOT,
     .identity = SC_VERSIONED,
     .records = "[]",
     .id = {"id"}},
    {0},
};

static enum sc_next request(struct sc_host *host, struct sc_request *out)
{
    (void)host, (void)out;
    return SC_DONE;
}

static void response(struct sc_host *host, const struct sc_response *in, struct sc_verdict *out)
{
    (void)host, (void)in, (void)out;
}

static enum sc_more page(struct sc_host *host, const struct sc_page *in, struct sc_verdict *out)
{
    (void)host, (void)in, (void)out;
    return SC_WALKED;
}

static const struct sc_connector_ops ops = {request, response, page};

static const struct sc_connector acme = {
    .abi = SC_CONNECTOR_ABI,
    .size = sizeof acme,
    .name = "acme",
    .title = "Acme",
    .category = "Tests",
    .base_url = "https://{fqdn}",
    .auth = {SC_AUTH_HEADER, "Authorization", "Bearer {api_token}"},
    .settings = settings,
    .credentials = credentials,
    .pools = pools,
    .data_types = data_types,
    .ops = &ops,
    .auth_advice = "Acme console > Tokens",
};

SC_CONNECTOR_EXPORT(acme)
