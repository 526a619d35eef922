/* A connector for tests of the engine: windows of time with pages by cursor, and with lists of files by URL. */
#include "rest/rest.h"

static struct sc_str next_page(struct sc_host *host)
{
    return host->api->header(host, "Next-Page", 0);
}

static const struct sc_data_type data_types[] = {
    {
        .name = "tiles", /* milliseconds, two minutes late, no overlap */
        .title = "Tiles",
        .noun = "events",
        .help = "Windows that touch",
        .interval_s = 300,
        .lookback_s = 3600,
        .overlap_s = 600,
        .lag_s = 120,
        .recipe = 1,
        .records = "items[]",
        .id = {"id"},
        .envelope = {"next"},
        .engine = &(const struct rest_data_type){.method = SC_GET,
                                                 .path = "/tiles",
                                                 .query = "max={to|epoch_ms}&min={from|epoch_ms}",
                                                 .page_size = 100,
                                                 .next = REST_NEXT_BODY_CURSOR,
                                                 .cursor = "next",
                                                 .cursor_param = "next",
                                                 .cursor_lost = {400},
                                                 .window = &(const struct rest_window){.unit_ms = 1}},
    },
    {
        .name = "files", /* by day at most, an hour again, seconds, kept for a week */
        .title = "Files",
        .noun = "events",
        .help = "Lists of files",
        .interval_s = 300,
        .lookback_s = 86400,
        .overlap_s = 86400,
        .recipe = 1,
        .records = "[]",
        .id = {"id"},
        .engine = &(const struct rest_data_type){.method = SC_GET,
                                                 .page_size = 100,
                                                 .next = REST_NEXT_URL,
                                                 .link = next_page,
                                                 .reach_s = 7 * 86400,
                                                 .cursor_lost = {400},
                                                 .list = &(const struct rest_list){.path = "/files",
                                                                                   .query = "from={from|utc_s}&to={to|utc_s}",
                                                                                   .reply = {.items = "[]", .item = "url", .more = {"id", "made"}},
                                                                                   .each = true},
                                                 .window = &(const struct rest_window){.overlap_s = 3600, .longest_s = 86400, .unit_ms = 1000}},
    },
    {0},
};

static const struct sc_connector connector = {
    .abi = SC_CONNECTOR_ABI,
    .size = sizeof(struct sc_connector),
    .name = "windows",
    .title = "Windows",
    .category = "Test",
    .base_url = "https://api.acme.test",
    .data_types = data_types,
    .ops = &rest_ops,
};

SC_CONNECTOR_EXPORT(connector)
