/* How fast the JSON cutter is, beside two yardsticks from the same run: memchr() from quote to
 * quote (what the memory and the shape of the text allow) and jansson's json_loadb() (what a tree
 * costs). Not a test.
 *
 *   bench_json_cut [chunk bytes, default 16384] [file path]     file: a JSON text, with the path of
 * its records, beside ours */
#include "decode/json_cut.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define RECORDS  1000
#define ROOM     4096 /* for one record, with much to spare */
#define ROUNDS   15
#define ROUND_NS 200000000.0

struct count {
    uint64_t records, bytes, slices;
};

/* Records of one kind that differ as real ones do, so that the processor cannot learn the page by
 * heart. */
static uint64_t seed = 42;

static unsigned pick(unsigned n)
{
    seed = seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (unsigned)(seed >> 33) % n;
}

#define PICK(...)                                                                                  \
    ((const char *const[]){                                                                        \
        __VA_ARGS__}[pick(sizeof((const char *const[]){__VA_ARGS__}) / sizeof(char *))])

static char *add_record(char *p, int i)
{
    p += snprintf(
        p, ROOM,
        "{\"uuid\":\"7c0f5a52-0001-11f1-9c1f-%012d\",\"published\":\"2026-05-01T10:%02u:%02u.%"
        "03uZ\",\"eventType\":%s,"
        "\"version\":\"0\",\"severity\":%s,\"displayMessage\":%s,\"legacyEventType\":%s,",
        i, pick(60), pick(60), pick(1000),
        PICK("\"user.session.start\"", "\"user.authentication.sso\"", "\"policy.evaluate_sign_on\"",
             "\"user.mfa.okta_verify\""),
        PICK("\"INFO\"", "\"WARN\"", "\"ERROR\"", "\"INFO\""),
        PICK("\"User login to Okta\"", "\"User single sign on to app\"",
             "\"Evaluation of sign-on policy\""),
        PICK("\"core.user_auth.login_success\"", "null", "\"core.user_auth.login_failed\""));
    p += snprintf(
        p, ROOM,
        "\"actor\":{\"id\":\"00u1abcdEFGH%04x\",\"type\":\"User\",\"alternateId\":%s,"
        "\"displayName\":%s,\"detailEntry\":null},",
        pick(65536),
        PICK("\"dana@acme.test\"", "\"a.very.long.name@subsidiary.acme.test\"", "\"bo@acme.test\""),
        PICK("\"D\xC3\xA1na P\xC3\xB8"
             "e\"",
             "\"Bo\"", "\"Alexandra Constantinopolous-Smith\"", "\"\xE5\xB1\xB1\xE7\x94\xB0\""));
    p += snprintf(
        p, ROOM,
        "\"client\":{\"userAgent\":{\"rawUserAgent\":%s,\"os\":%s,\"browser\":%s},"
        "\"zone\":\"null\",\"device\":%s,\"id\":null,"
        "\"ipAddress\":\"%u.%u.%u.%u\",",
        PICK("\"Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like "
             "Gecko) Chrome/126.0.0.0 Safari/537.36\"",
             "\"Mozilla\\/5.0 (X11; Linux x86_64) \\\"curl\\\" 8\"", "\"okta-auth-js/7.7.0\""),
        PICK("\"Linux\"", "\"Windows 10\"", "\"Mac OS X\""),
        PICK("\"UNKNOWN\"", "\"CHROME\"", "null"), PICK("\"Computer\"", "\"Mobile\""), pick(256),
        pick(256), pick(256), pick(256));
    p += snprintf(
        p, ROOM,
        "\"geographicalContext\":{\"city\":%s,\"state\":%s,\"country\":\"Norway\",\"postalCode\":%"
        "s,\"geolocation\":{\"lat\":%u.%u,"
        "\"lon\":-%u.%u}}},\"outcome\":{\"result\":%s,\"reason\":%s},\"target\":%s,",
        PICK("\"Troms\xC3\xB8\"", "\"Oslo\"", "\"Bergen\"", "null"), PICK("\"Oslo\"", "null"),
        PICK("\"0150\"", "\"9008\"", "null"), pick(90), pick(10000), pick(180), pick(100),
        PICK("\"SUCCESS\"", "\"FAILURE\"", "\"ALLOW\""),
        PICK("null", "\"INVALID_CREDENTIALS\"", "\"Sign-on policy evaluation resulted in ALLOW\""),
        PICK("null", "[]",
             "[{\"id\":\"0oa1\",\"type\":\"AppInstance\",\"alternateId\":\"Salesforce\","
             "\"detailEntry\":{}}]"));
    p += snprintf(
        p, ROOM,
        "\"transaction\":{\"type\":\"WEB\",\"id\":\"Y1abc%x\",\"detail\":{}},\"debugContext\":{"
        "\"debugData\":{\"requestUri\":%s,"
        "\"risk\":%s}},\"authenticationContext\":{\"authenticationStep\":%u,\"externalSessionId\":"
        "\"102%x\"},\"securityContext\":"
        "{\"asNumber\":%s,\"isProxy\":%s},\"request\":{\"ipChain\":[{\"ip\":\"198.51.100.%u\","
        "\"version\":\"V4\"}]}}",
        pick(1 << 30),
        PICK("\"/api/v1/authn\"", "\"/idp/idx/identify\"", "\"\\/oauth2\\/v1\\/authorize\""),
        PICK("\"{reasons=\\u0041nomalous, level=LOW}\"", "\"{level=LOW}\""), pick(3), pick(1 << 30),
        PICK("null", "2116", "64500"), PICK("false", "true", "null"), pick(256));
    return p;
}

static double now_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static int count_begin(void *arg)
{
    (void)arg;
    return 0;
}

static int count_data(void *arg, const char *bytes, size_t len)
{
    struct count *count = arg;

    (void)bytes;
    count->bytes += len;
    count->slices++;
    return 0;
}

static int count_end(void *arg, const struct sc_cut_record *record)
{
    struct count *count = arg;

    count->records += record->fields[0].kind == SC_CUT_STRING;
    return 0;
}

struct body {
    char *text;
    size_t len, chunk;
    struct sc_json_spec spec;
};

static double run_cut(const struct body *body, struct count *ret)
{
    struct count count = {0};
    struct sc_error err = SC_ERROR_INIT;
    struct sc_json_cut *cut = sc_json_cut_new(
        &body->spec, (struct sc_cut_sink){&count, count_begin, count_data, count_end}, &err);
    double begin, end;
    unsigned times = 0;

    if (!cut) {
        fprintf(stderr, "%s\n", err.text);
        exit(1);
    }
    begin = now_ns();
    do {
        sc_json_cut_reset(cut);
        count = (struct count){0};
        for (size_t at = 0, used; at < body->len; at += used) {
            size_t n = body->len - at < body->chunk ? body->len - at : body->chunk;

            if (sc_json_cut_feed(cut, body->text + at, n, &used, &err) != 0) {
                fprintf(stderr, "%s\n", err.text);
                exit(1);
            }
        }
        if (sc_json_cut_finish(cut, &err) != 0) {
            fprintf(stderr, "%s\n", err.text);
            exit(1);
        }
        times++;
        end = now_ns();
    } while (end - begin < ROUND_NS);
    sc_json_cut_free(cut);
    *ret = count;
    return (double)body->len * times / (end - begin) * 1e3; /* MB/s */
}

static double run_quotes(const struct body *body)
{
    const char *const text_end = body->text + body->len;
    double begin = now_ns(), end;
    unsigned times = 0;
    volatile uint64_t quotes = 0;

    do {
        uint64_t n = 0;

        for (const char *p = body->text; (p = memchr(p, '"', (size_t)(text_end - p))); p++)
            n++;
        quotes = n;
        times++;
        end = now_ns();
    } while (end - begin < ROUND_NS);
    (void)quotes;
    return (double)body->len * times / (end - begin) * 1e3;
}

static double run_jansson(const struct body *body)
{
    double begin = now_ns(), end;
    unsigned times = 0;

    do {
        json_decref(json_loadb(body->text, body->len, 0, NULL));
        times++;
        end = now_ns();
    } while (end - begin < ROUND_NS);
    return (double)body->len * times / (end - begin) * 1e3;
}

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return x < y ? -1 : x > y;
}

static double median(double *values)
{
    qsort(values, ROUNDS, sizeof(*values), compare);
    return values[ROUNDS / 2];
}

static void report(const char *name, const struct body *body)
{
    double cut[ROUNDS], quotes[ROUNDS], tree[ROUNDS], c, q, t;
    struct count count = {0};

    for (unsigned i = 0; i < ROUNDS; i++) { /* interleaved: all three see the same neighbours */
        cut[i] = run_cut(body, &count);
        quotes[i] = run_quotes(body);
        tree[i] = run_jansson(body);
    }
    c = median(cut), q = median(quotes), t = median(tree);
    printf("%-24s %7zu bytes %5llu records: cut %5.0f MB/s (best %5.0f, %4.0f ns a record) | "
           "memchr of quotes %5.0f MB/s (x%.2f) "
           "| json_loadb %4.0f MB/s (x%.1f)\n",
           name, body->len, (unsigned long long)count.records, c, cut[ROUNDS - 1],
           (double)body->len / (double)(count.records ? count.records : 1) / c * 1e3, q, c / q, t,
           c / t);
}

static struct body make_body(bool pretty, size_t chunk)
{
    struct body body = {
        .chunk = chunk, .spec = {.records = "[]", .fields = {"uuid", "published", "actor.id"}}
    };
    char *compact = malloc(RECORDS * ROOM), *p = compact;
    json_t *tree;

    *p++ = '[';
    for (int i = 0; i < RECORDS; i++) {
        p = add_record(p, i);
        *p++ = i + 1 < RECORDS ? ',' : ']';
    }
    body.text = compact;
    body.len = (size_t)(p - compact);
    if (pretty) {
        tree = json_loadb(compact, body.len, 0, NULL);
        body.text = json_dumps(tree, JSON_INDENT(4));
        body.len = strlen(body.text);
        json_decref(tree);
        free(compact);
    }
    return body;
}

/* The array in an object, as member `name`, beside others of which two are wanted as they stand.
 * Named "errors" it is wanted itself: nothing but text that is captured and cut. */
static struct body wrap(const struct body *array, const char *name)
{
    struct body body = *array;

    body.text = malloc(array->len + ROOM);
    body.len = (size_t)snprintf(body.text, array->len + ROOM,
                                "{\"meta\":{\"query_time\":0.01,\"pagination\":{\"offset\":1000,"
                                "\"limit\":1000,\"total\":51234},"
                                "\"trace_id\":\"5a1c6f2e\"},\"%s\":%.*s,\"%s\":[]}",
                                name, (int)array->len, array->text,
                                strcmp(name, "errors") == 0 ? "resources" : "errors");
    body.spec.records = "resources[]";
    body.spec.envelope[0] = "meta.pagination";
    body.spec.envelope[1] = "errors";
    return body;
}

static struct body load_body(const char *file, const char *path, size_t chunk)
{
    struct body body = {
        .chunk = chunk, .spec = {.records = path, .fields = {"cveID", "id"}}
    };
    FILE *f = fopen(file, "rb");

    if (!f) {
        perror(file);
        exit(1);
    }
    body.text = malloc(64 << 20);
    body.len = fread(body.text, 1, 64 << 20, f);
    fclose(f);
    return body;
}

int main(int argc, char **argv)
{
    size_t chunk = argc > 1 ? strtoul(argv[1], NULL, 10) : 16384;
    struct body compact = make_body(false, chunk), pretty = make_body(true, chunk);
    struct body wrapped = wrap(&compact, "resources"), errors = wrap(&compact, "errors");

    report("okta-like, compact", &compact);
    report("okta-like, pretty", &pretty);
    report("in an envelope", &wrapped);
    report("one captured array", &errors);
    free(compact.text);
    free(pretty.text);
    free(wrapped.text);
    free(errors.text);
    if (argc > 3) {
        struct body file = load_body(argv[2], argv[3], chunk);

        report("file", &file);
        free(file.text);
    }
    return 0;
}
