/* One connector module in many variants; VARIANT names what is wrong with it. */
#include <signal/connector.h>

#define GOOD     1
#define ALPHA    2
#define NEWER    3 /* refuses our ABI, tells its own when asked for more */
#define OLDER    4
#define SILENT   5 /* refuses every ABI */
#define SHORT    6 /* its struct ends too early */
#define STRANGER 7 /* no entry symbol */
#define TABLES   8
#define TAKER    9 /* another name, but an alias that is taken */

static const struct sc_field settings[] = {
    {.name = "fqdn", .title = "Host", .kind = SC_HOST, .required = true},
    {0},
};

static const struct sc_data_type data_types[] = {
    {
        .name = "system_log",
        .title = "System log",
        .noun = "events",
        .interval_s = 300,
        .recipe = VARIANT == TABLES ? 0 : 1,
        .records = "[]",
        .id = {"uuid"},
    },
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
static const char *const aliases[] = {"zulu_time", NULL};

static const struct sc_connector connector = {
    .abi = VARIANT == NEWER   ? SC_CONNECTOR_ABI + 1
           : VARIANT == OLDER ? SC_CONNECTOR_ABI - 1
                              : SC_CONNECTOR_ABI,
    .size = VARIANT == SHORT ? 16 : sizeof connector,
    .name = VARIANT == ALPHA   ? "alpha"
            : VARIANT == TAKER ? "taker"
                               : "zulu",
    .title = "A vendor",
    .category = "Tests",
    .aliases = VARIANT == GOOD || VARIANT == TAKER ? aliases : NULL,
    .base_url = "https://{fqdn}",
    .settings = settings,
    .data_types = data_types,
    .ops = &ops,
};

#if VARIANT == NEWER || VARIANT == SILENT
__attribute__((visibility("default"))) const struct sc_connector *sc_connector_entry(uint32_t host_abi);

const struct sc_connector *sc_connector_entry(uint32_t host_abi)
{
    return VARIANT == NEWER && host_abi > SC_CONNECTOR_ABI ? &connector : NULL;
}
#elif VARIANT == STRANGER
__attribute__((visibility("default"))) const struct sc_connector *not_the_entry(void);

const struct sc_connector *not_the_entry(void)
{
    return &connector;
}
#else
__attribute__((visibility("default"))) const struct sc_connector *sc_connector_entry(uint32_t host_abi);

const struct sc_connector *sc_connector_entry(uint32_t host_abi)
{
    (void)host_abi;
    return &connector;
}
#endif
