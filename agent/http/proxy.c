#include "http/proxy.h"

#include <curl/curl.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/redact.h"

/* Takes "host:port" and "scheme://user:password@host:port" apart. curl's default ports. */
static bool describe(const char *text, struct sc_proxy *proxy)
{
    CURLU *u = curl_url();
    char *scheme = NULL, *host = NULL, *port = NULL, *user = NULL;
    bool ok = u &&
              curl_url_set(u, CURLUPART_URL, text,
                           CURLU_NON_SUPPORT_SCHEME | CURLU_DEFAULT_SCHEME) == CURLUE_OK &&
              curl_url_get(u, CURLUPART_HOST, &host, 0) == CURLUE_OK;
    if (ok && !strstr(text, "://"))
        scheme = NULL; /* curl means http, whatever the name begins with */
    else if (ok)
        ok = curl_url_get(u, CURLUPART_SCHEME, &scheme, 0) == CURLUE_OK;
    if (ok) {
        proxy->tls = scheme && strcmp(scheme, "https") == 0;
        proxy->socks = scheme && strncmp(scheme, "socks", 5) == 0;
        ok = !scheme || proxy->tls || proxy->socks || strcmp(scheme, "http") == 0;
        proxy->port = proxy->tls ? 443 : 1080;
        if (curl_url_get(u, CURLUPART_PORT, &port, 0) == CURLUE_OK)
            proxy->port = (uint16_t)strtoul(port, NULL, 10);
        proxy->has_user = curl_url_get(u, CURLUPART_USER, &user, 0) == CURLUE_OK;
        snprintf(proxy->name, sizeof(proxy->name), "%s:%u", host, proxy->port);
    }
    curl_free(scheme);
    curl_free(host);
    curl_free(port);
    curl_free(user);
    curl_url_cleanup(u);
    return ok;
}

static const char *from_environment(const char *const names[], size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const char *value = getenv(names[i]);
        if (value && *value)
            return value;
    }
    return NULL;
}

/* The names in curl's order. HTTP_PROXY in capitals is ours: curl leaves it out because a CGI
 * program must. */
static int choose_from_environment(bool tls, struct sc_proxy *ret)
{
    static const char *const secure[] = {"https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"};
    static const char *const plain[] = {"http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"};
    const char *value = from_environment(tls ? secure : plain, 4);
    if (!value)
        return 0;
    ret->from_env = true;
    if (!describe(value, ret))
        snprintf(ret->name, sizeof(ret->name), "of the environment");
    if (!tls && !(getenv("http_proxy") && *getenv("http_proxy"))) {
        ret->url = sc_dup(value);
        return ret->url ? 0 : -1;
    }
    return 0;
}

int sc_proxy_choose(const char *wanted, bool target_is_tls, struct sc_proxy *ret,
                    struct sc_error *err)
{
    *ret = (struct sc_proxy){0};
    if (!wanted) {
        if (choose_from_environment(target_is_tls, ret) != 0)
            return sc_fail(err, SC_REASON_MEMORY_LIMIT, "out of memory");
        return 0;
    }
    if (*wanted && !describe(wanted, ret)) {
        ret->name[0] = '\0';
        return sc_fail(
            err, SC_REASON_CONFIG_INVALID,
            "proxy cannot be used: give it as http://host:port, https://host:port or "
            "socks5h://host:port, with user:password@ before the host where it wants one");
    }
    ret->url = sc_dup(wanted);
    return ret->url ? 0 : sc_fail(err, SC_REASON_MEMORY_LIMIT, "out of memory");
}

void sc_proxy_done(struct sc_proxy *proxy)
{
    sc_secret_free(proxy->url);
    *proxy = (struct sc_proxy){0};
}
