#include "fixture.h"

#include <ftw.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>
#include <unistd.h>
#include <cmocka.h>

static char dir[64];
static char *paths[256];
static size_t path_count;

const char *fixture_dir(void)
{
    if (!*dir) {
        snprintf(dir, sizeof dir, "/tmp/signal-config-XXXXXX");
        assert_non_null(mkdtemp(dir));
    }
    return dir;
}

const char *fixture_file(const char *name, const char *text)
{
    char *path = sc_printf("%s/%s", fixture_dir(), name);
    assert_non_null(path);
    assert_true(path_count < sizeof paths / sizeof *paths);
    paths[path_count++] = path;
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fputs(text, file);
    fclose(file);
    return path;
}

static int remove_one(const char *path, const struct stat *info, int kind, struct FTW *at)
{
    (void)info, (void)kind, (void)at;
    return remove(path);
}

void fixture_done(void)
{
    if (*dir)
        nftw(dir, remove_one, 8, FTW_DEPTH | FTW_PHYS);
    while (path_count)
        free(paths[--path_count]);
    *dir = '\0';
}

void fixture_clean_environment(void)
{
    static const char *const names[] = {
        "NATS_URL",
        "NATS_CREDS",
        "NATS_USER",
        "NATS_PASSWORD",
        "NATS_CA",
        "NATS_DOMAIN",
        "NATS_CREATE",
        "LOG_LEVEL",
        "LOG_FORMAT",
        "HTTPS_PROXY",
        "HTTP_PROXY",
        "NO_PROXY",
        "https_proxy",
        "http_proxy",
        "no_proxy",
        "APPLIANCE_ID",
        "SIGNAL_CLIENT_CONNECTORS",
        "SIGNAL_CLIENT_SEAL_KEY_FILE",
        "SIGNAL_CLIENT_SEAL_OLD_KEY_FILE",
    };
    for (size_t i = 0; i < ROWS(names); i++)
        unsetenv(names[i]);
    setenv("SIGNAL_CLIENT_CONFIG", fixture_file("empty.conf", ""), 1);
    setenv("WF_NODE_CONFIG_FILE", fixture_file("empty.json", "{}"), 1);
}

/* ---- a vendor -------------------------------------------------------------------------------------------------------- */

static const char *const regions[] = {"eu", "us-gov", NULL};
static const struct sc_field settings[] = {
    {.name = "fqdn", .title = "Acme domain", .example = "x.acme.test", .kind = SC_HOST, .required = true},
    {.name = "org", .title = "Organisation"},
    {.name = "region", .title = "Region", .kind = SC_CHOICE, .choices = regions, .def = "eu"},
    {.name = "depth", .title = "Depth", .kind = SC_INTEGER, .min = 1, .max = 9, .def = "3"},
    {.name = "offset", .title = "Offset", .kind = SC_INTEGER},
    {.name = "use_mirror", .title = "Mirror", .kind = SC_BOOL, .def = "true"},
    {.name = "mirror_url", .title = "Mirror", .kind = SC_URL},
    {0},
};
static const struct sc_field credentials[] = {
    {.name = "api_token", .title = "API token", .example = "never shown", .required = true, .secret = true},
    {.name = "client_id", .title = "Client"},
    {.name = "private_key", .title = "Key", .secret = true},
    {0},
};
static const struct sc_data_type data_types[] = {
    {.name = "events",
     .title = "Events",
     .noun = "events",
     .interval_s = 300,
     .min_interval_s = 60,
     .lookback_s = 86400,
     .recipe = 1,
     .records = "[]",
     .id = {"id"}},
    {.name = "assets",
     .title = "Assets",
     .noun = "assets",
     .interval_s = 3600,
     .recipe = 1,
     .records = "[]",
     .id = {"id"},
     .off_by_default = true},
    {0},
};
const struct sc_connector fixture_connector = {
    .abi = SC_CONNECTOR_ABI,
    .size = sizeof fixture_connector,
    .name = "acme",
    .title = "Acme",
    .category = "Tests",
    .base_url = "https://{fqdn}/api",
    .source = "{fqdn}",
    .settings = settings,
    .credentials = credentials,
    .data_types = data_types,
};

const struct sc_connector *fixture_find(void *arg, const char *type)
{
    (void)arg;
    return strcasecmp(type, "acme") == 0 || strcmp(type, "acme_old") == 0 ? &fixture_connector : NULL;
}
