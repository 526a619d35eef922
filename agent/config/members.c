/* The members of an integration's value beside the connector's fields: what the parser takes for known is what docs/configuration.md
 * says. "data_types.T." stands for each data type. */
#include "config/parse.h"

static const struct sc_member members[] = {
    {"", "integration_type", "required", "A connector or one of its aliases; `_` and `-` mean the same"},
    {"", "name", "the key", "Title for people"},
    {"", "enabled", "true", "false pauses it; its position is kept"},
    {"", "poll_interval_minutes", "the data type's", "0.01 to 10080, fractions allowed; for all data types"},
    {"", "settings", "–", "The connector's settings; a field is found here or under `credentials` alike"},
    {"", "credentials", "–", "The connector's credentials"},
    {"", "data_types", "–", "Members are the connector's data types, each an object, or true or false for its `enabled`"},
    {"data_types.T.", "enabled", "the connector's", "false: this data type is not polled"},
    {"data_types.T.", "poll_interval_minutes", "as above", "For this data type"},
    {"data_types.T.", "lookback_hours", "the connector's", "0 to 87600; how far back the first poll begins"},
    {"data_types.T.", "start", "–",
     "RFC 3339 time, at most a day ahead: the first poll begins there instead of `lookback_hours` ago, however late it comes. A data type "
     "with a position goes on from that; a single document is read whole. `--from-now` writes it"},
    {"", "rate_limit", "–", "The budget"},
    {"rate_limit.", "requests", "the connector's",
     "1 to 1000000000 in `per_seconds`; takes the place of the rate of its budgets. The vendor's headers may lower it, not raise it"},
    {"rate_limit.", "per_seconds", "the connector's", "1 to 2678400 (31 days); together with `requests`, or not at all"},
    {"rate_limit.", "reserve_percent", "10", "0 to 90; left for others who use the same account"},
    {"", "tls", "–", "TLS to the vendor, 1.2 or newer"},
    {"tls.", "ca_file", "–", "PEM file of CAs beside the system's and the agent's own `tls.ca_file`"},
    {"tls.", "cert_file", "–", "PEM file with the client certificate that the vendor or a gateway wants, its chain behind it; read again when it changes"},
    {"tls.", "key_file", "`tls.cert_file`", "PEM file with its private key, without a password"},
    {"tls.", "verify", "true", "false: certificates are not checked, which is warned about"},
    {"", "proxy", "the environment's",
     "`http://[user:password@]host:port`, or `\"\"` for none; it wins over the environment, `NO_PROXY` included"},
    {"", "allow_insecure_http", "false", "true: plain `http://` to other machines; to loopback it is always allowed"},
    {0},
};

const struct sc_member *sc_integration_members(void)
{
    return members;
}

static bool is_known(const char *group, const char *name)
{
    for (const struct sc_member *row = members; row->name; row++)
        if (strcmp(row->group, group) == 0 && strcmp(row->name, name) == 0)
            return true;
    return false;
}

void sc_parse_unknown(struct sc_parse *parse, const json_t *object, const char *where, const char *group)
{
    void *at = json_object_iter((json_t *)(uintptr_t)object);
    for (; at; at = json_object_iter_next((json_t *)(uintptr_t)object, at)) {
        const char *name = json_object_iter_key(at);
        if (!is_known(group, name))
            sc_parse_warn(parse, "%s%.64s is unknown and ignored", where, name);
    }
}
