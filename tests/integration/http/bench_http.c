/* MB/s of one body over one connection: plain curl easy beside this module, plain and TLS, and with
 * small turns and pauses. bench_http [MiB] [path-to-measure-instead-of-the-own-server] The own
 * server sends the same block again and again. */
#include <curl/curl.h>

#include "certs.h"
#include "client.h"

static uint64_t total;

/* CPU time of this thread: steadier than the clock on a shared machine. */
static double cpu_s(void)
{
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void row(const char *name, const char *what, uint64_t bytes, double s, double cpu)
{
    double mb = (double)bytes / 1e6;
    printf("%-6s %-17s %7.0f MB/s  %7.0f MB per CPU second\n", name, what, mb / s, mb / cpu);
}

static void serve(struct rawhttp_conn *c)
{
    static char block[1 << 18];
    while (rawhttp_request(c)) {
        rawhttp_say(c, "HTTP/1.1 200 OK\r\nContent-Length: %llu\r\n\r\n",
                    (unsigned long long)total);
        for (uint64_t left = total; left > 0;) {
            size_t n = left < sizeof(block) ? (size_t)left : sizeof(block);
            if (!rawhttp_send(c, block, n))
                return;
            left -= n;
        }
    }
}

static size_t count(char *bytes, size_t size, size_t n, void *arg)
{
    (void)bytes;
    *(uint64_t *)arg += size * n;
    return size * n;
}

static double with_easy(const char *url, uint64_t *ret_bytes)
{
    uint64_t got = 0;
    CURL *easy = curl_easy_init();
    curl_easy_setopt(easy, CURLOPT_URL, url);
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, count);
    curl_easy_setopt(easy, CURLOPT_WRITEDATA, &got);
    curl_easy_setopt(easy, CURLOPT_SSL_VERIFYPEER, 0L);
    curl_easy_setopt(easy, CURLOPT_SSL_VERIFYHOST, 0L);
    curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    curl_easy_setopt(easy, CURLOPT_ACCEPT_ENCODING, "gzip, deflate");
    int64_t before = sc_mono_ns();
    CURLcode code = curl_easy_perform(easy);
    double s = (double)(sc_mono_ns() - before) / 1e9;
    curl_easy_cleanup(easy);
    if (code != CURLE_OK)
        printf("  curl: %s\n", curl_easy_strerror(code));
    *ret_bytes = got;
    return s;
}

static double with_module(const char *url, uint32_t turn_bytes, size_t most, uint64_t *ret_bytes)
{
    struct sc_http_config config = {.turn_bytes = turn_bytes, .max_body = 1ull << 40};
    struct sc_http *http = client_new(&config);
    struct fetch f = {.url = url, .no_verify = true, .count_only = true, .most = most, .proxy = ""};
    int64_t before = sc_mono_ns();
    fetch_start(http, &f);
    while (f.dones == 0) {
        if (f.paused)
            f.paused = false, sc_http_resume(f.transfer);
        sc_http_turn(http, 1000);
    }
    double s = (double)(sc_mono_ns() - before) / 1e9;
    if (f.result.reason != SC_REASON_OK)
        printf("  %s\n", f.result.text);
    sc_http_free(http);
    *ret_bytes = f.bytes;
    return s;
}

static void measure(const char *name, const char *url)
{
    static const struct {
        const char *name;
        uint32_t turn;
        size_t most;
    } rows[] = {
        {"turn 256 KiB",     0,     0    },
        {"turn 64 KiB",      65536, 0    },
        {"turn 16 KiB",      16384, 0    },
        {"turn 8 KiB",       8192,  0    },
        {"pause each 10 kB", 0,     10000}
    };
    uint64_t bytes;
    for (int round = 0; round < 3; round++) {
        double cpu = cpu_s(), s = with_easy(url, &bytes);
        row(name, "curl easy", bytes, s, cpu_s() - cpu);
        for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
            cpu = cpu_s();
            s = with_module(url, rows[i].turn, rows[i].most, &bytes);
            row(name, rows[i].name, bytes, s, cpu_s() - cpu);
        }
    }
}

int main(int argc, char **argv)
{
    total = (argc > 1 ? strtoull(argv[1], NULL, 10) : 1024) << 20;
    if (sc_http_global_init(NULL) != 0)
        return 1;
    if (argc > 2) {
        measure("given", argv[2]);
        return 0;
    }
    struct cert leaf = cert_make(&(struct cert_want){.name = "bench"});
    SSL_CTX *tls = cert_server(&leaf, NULL, 0);
    struct rawhttp *plain = rawhttp_start(serve, NULL, NULL),
                   *secure = rawhttp_start(serve, NULL, tls);
    measure("http", url_of("http", "127.0.0.1", rawhttp_port(plain), "/"));
    measure("https", url_of("https", "127.0.0.1", rawhttp_port(secure), "/"));
    rawhttp_stop(plain);
    rawhttp_stop(secure);
    SSL_CTX_free(tls);
    cert_done(&leaf);
    sc_http_global_done();
    return 0;
}
