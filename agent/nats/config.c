/* The settings of a connection: copies for threads that may outlive the caller's, and URLs without
 * secrets. */
#include "nats/internal.h"

#include "base/redact.h"

#include <stdlib.h>

void sc_url_public(const char *urls, char *out, size_t cap)
{
    size_t n = 0;
    for (const char *p = urls; *p && n + 1 < cap;) {
        size_t len = strcspn(p, ",");
        const char *start = p, *end = p + len;
        const char *scheme = memmem(p, len, "://", 3);
        const char *host = scheme ? scheme + 3 : start;
        const char *at = memrchr(host, '@', (size_t)(end - host));
        for (const char *c = start; c < end && n + 1 < cap; c++) {
            if (at && c >= host && c <= at)
                continue;
            out[n++] = *c;
        }
        p = end;
        if (*p == ',') {
            p++;
            if (*p && n + 1 < cap)
                out[n++] = ',';
        }
    }
    if (cap)
        out[n] = '\0';
}

struct sc_nats_config *sc_nats_config_free(struct sc_nats_config *config)
{
    if (!config)
        return NULL;
    const char **texts[] = {&config->url,     &config->creds_file,  &config->user,
                            &config->ca_file, &config->client_cert, &config->client_key,
                            &config->domain,  &config->name,        &config->password};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        char *text = NULL;
        memcpy(&text, texts[i], sizeof text);
        sc_secret_free(text);
    }
    free(config);
    return NULL;
}

struct sc_nats_config *sc_nats_config_dup(const struct sc_nats_config *config)
{
    struct sc_nats_config *copy = calloc(1, sizeof *copy);
    if (!copy)
        return NULL;
    const struct {
        const char *from, **to;
    } texts[] = {
        {config->url,         &copy->url        },
        {config->creds_file,  &copy->creds_file },
        {config->user,        &copy->user       },
        {config->password,    &copy->password   },
        {config->ca_file,     &copy->ca_file    },
        {config->client_cert, &copy->client_cert},
        {config->client_key,  &copy->client_key },
        {config->domain,      &copy->domain     },
        {config->name,        &copy->name       },
    };
    copy->request_timeout_ms = config->request_timeout_ms;
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        if (!texts[i].from)
            continue;
        *texts[i].to = sc_dup(texts[i].from);
        if (!*texts[i].to)
            return sc_nats_config_free(copy);
    }
    return copy;
}
