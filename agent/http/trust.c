#include "http/trust.h"

#include <curl/curl.h>
#include <errno.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>

#include "base/buf.h"

#define MAX_FILE (16u * 1024 * 1024)
#define MAX_SETS 64

struct ca_file {
    struct ca_file *next;
    char *path;
    STACK_OF(X509) * certs; /* NULL: never read well */
    struct timespec mtime;
    off_t size;
    ino_t inode;
    uint64_t generation; /* of certs; 0: none */
    int64_t bad_since;   /* monotonic; 0: fine */
};

struct ca_set {
    struct ca_set *next;
    struct sc_trust *trust;
    char *extra;                      /* path of the request's file; "" = none */
    uint64_t system, config, request; /* generations it was made of */
};

struct sc_trust_cache {
    struct ca_file system;
    char *system_dir;
    char *ca_file;
    struct ca_file *files;
    struct ca_set *sets;
    unsigned set_count;
    uint64_t generation;
};

static void drop_certs(struct ca_file *file)
{
    sk_X509_pop_free(file->certs, X509_free);
    file->certs = NULL;
}

/* The system's bundle and directory: OpenSSL's variables, else what curl was built with. */
static void find_system_roots(struct sc_trust_cache *cache)
{
    const char *bundle = getenv("SSL_CERT_FILE"), *dir = getenv("SSL_CERT_DIR");
    char *built_file = NULL, *built_dir = NULL;
    CURL *easy = curl_easy_init();
    if (easy) {
        curl_easy_getinfo(easy, CURLINFO_CAINFO, &built_file);
        curl_easy_getinfo(easy, CURLINFO_CAPATH, &built_dir);
    }
    cache->system.path = sc_dup(bundle && *bundle ? bundle : built_file ? built_file : "");
    cache->system_dir = sc_dup(dir && *dir ? dir : built_dir ? built_dir : "");
    curl_easy_cleanup(easy);
}

struct sc_trust_cache *sc_trust_cache_new(const char *ca_file)
{
    struct sc_trust_cache *cache = calloc(1, sizeof(*cache));
    if (!cache)
        return NULL;
    find_system_roots(cache);
    cache->ca_file = sc_dup(ca_file ? ca_file : "");
    if (!cache->ca_file || !cache->system.path || !cache->system_dir)
        return sc_trust_cache_free(cache);
    return cache;
}

static void free_set(struct ca_set *set)
{
    sc_trust_unref(set->trust);
    free(set->extra);
    free(set);
}

struct sc_trust_cache *sc_trust_cache_free(struct sc_trust_cache *cache)
{
    if (!cache)
        return NULL;
    while (cache->files) {
        struct ca_file *file = cache->files;
        cache->files = file->next;
        drop_certs(file);
        free(file->path);
        free(file);
    }
    while (cache->sets) {
        struct ca_set *set = cache->sets;
        cache->sets = set->next;
        free_set(set);
    }
    drop_certs(&cache->system);
    free(cache->system.path);
    free(cache->system_dir);
    free(cache->ca_file);
    free(cache);
    return NULL;
}

struct sc_trust *sc_trust_unref(struct sc_trust *trust)
{
    if (trust && --trust->refs == 0) {
        X509_STORE_free(trust->store);
        free(trust);
    }
    return NULL;
}

/* All PEM certificates of a file. NULL + err. */
static STACK_OF(X509) * read_pem(const char *path, struct sc_error *err)
{
    STACK_OF(X509) *certs = sk_X509_new_null();
    BIO *bio = BIO_new_file(path, "r");
    X509 *cert;
    if (!certs || !bio) {
        sc_fail(err, SC_REASON_CONFIG_INVALID,
                "CA file %s: %s; in a container this is the container's path", path,
                strerror(errno));
        goto fail;
    }
    while ((cert = PEM_read_bio_X509_AUX(bio, NULL, NULL, NULL)) != NULL) {
        if (!sk_X509_push(certs, cert)) {
            X509_free(cert);
            sc_fail(err, SC_REASON_MEMORY_LIMIT, "out of memory");
            goto fail;
        }
    }
    if (ERR_GET_REASON(ERR_peek_last_error()) != PEM_R_NO_START_LINE) {
        sc_fail(err, SC_REASON_CONFIG_INVALID, "CA file %s: certificate %d in it is damaged", path,
                sk_X509_num(certs) + 1);
        goto fail;
    }
    if (sk_X509_num(certs) == 0) {
        sc_fail(
            err, SC_REASON_CONFIG_INVALID,
            "CA file %s: 0 certificates in it; it must hold PEM, \"-----BEGIN CERTIFICATE-----\"",
            path);
        goto fail;
    }
    ERR_clear_error();
    BIO_free(bio);
    return certs;
fail:
    ERR_clear_error();
    BIO_free(bio);
    sk_X509_pop_free(certs, X509_free);
    return NULL;
}

static int check_dates(const char *path, STACK_OF(X509) * certs, struct sc_error *err)
{
    const ASN1_TIME *end = NULL;
    char text[SC_PEER_DATE];
    for (int i = 0; i < sk_X509_num(certs); i++) {
        end = X509_get0_notAfter(sk_X509_value(certs, i));
        if (X509_cmp_current_time(end) > 0)
            return 0;
    }
    return sc_fail(err, SC_REASON_CONFIG_INVALID,
                   "CA file %s: all its certificates (%d) have expired, the last on %s", path,
                   sk_X509_num(certs), sc_peer_date(end, text));
}

/* 0: file->certs are up to date, or still good enough. */
static int refresh(struct sc_trust_cache *cache, struct ca_file *file, int64_t now_ms,
                   struct sc_error *err)
{
    struct stat st;
    struct sc_error why = SC_ERROR_INIT;
    STACK_OF(X509) *certs = NULL;

    if (stat(file->path, &st) != 0)
        sc_fail(&why, SC_REASON_CONFIG_INVALID,
                "CA file %s: %s; in a container this is the container's path", file->path,
                strerror(errno));
    else if (!S_ISREG(st.st_mode))
        sc_fail(&why, SC_REASON_CONFIG_INVALID, "CA file %s is not a file", file->path);
    else if (st.st_size > (off_t)MAX_FILE)
        sc_fail(&why, SC_REASON_CONFIG_INVALID, "CA file %s is over 16 MiB", file->path);
    else if (file->certs && file->bad_since == 0 && st.st_size == file->size &&
             st.st_ino == file->inode && st.st_mtim.tv_sec == file->mtime.tv_sec &&
             st.st_mtim.tv_nsec == file->mtime.tv_nsec)
        return 0;
    else
        certs = read_pem(file->path, &why);
    if (certs && file != &cache->system && check_dates(file->path, certs, &why) != 0) {
        sk_X509_pop_free(certs, X509_free);
        certs = NULL;
    }
    if (!certs) {
        if (file->bad_since == 0)
            file->bad_since = now_ms;
        if (file->certs && now_ms - file->bad_since < SC_TRUST_GRACE_MS)
            return 0;
        return sc_fail(err, why.reason, "%s", why.text);
    }
    drop_certs(file);
    file->certs = certs;
    file->mtime = st.st_mtim;
    file->size = st.st_size;
    file->inode = st.st_ino;
    file->bad_since = 0;
    file->generation = ++cache->generation;
    return 0;
}

static struct ca_file *find_file(struct sc_trust_cache *cache, const char *path)
{
    for (struct ca_file *file = cache->files; file; file = file->next)
        if (strcmp(file->path, path) == 0)
            return file;
    struct ca_file *file = calloc(1, sizeof(*file));
    if (!file || !(file->path = sc_dup(path))) {
        free(file);
        return NULL;
    }
    file->next = cache->files;
    cache->files = file;
    return file;
}

static int add_certs(struct sc_trust *trust, STACK_OF(X509) * certs)
{
    for (int i = 0; i < sk_X509_num(certs); i++, trust->count++)
        if (X509_STORE_add_cert(trust->store, sk_X509_value(certs, i)) != 1)
            return -1;
    return 0;
}

static struct sc_trust *build(struct sc_trust_cache *cache, struct ca_file *config,
                              struct ca_file *request)
{
    struct sc_trust *trust = calloc(1, sizeof(*trust));
    if (!trust || !(trust->store = X509_STORE_new()))
        goto fail;
    trust->refs = 1;
    /* As curl does: an anchor may be an intermediate or the server's own certificate. */
    X509_STORE_set_flags(trust->store, X509_V_FLAG_TRUSTED_FIRST | X509_V_FLAG_PARTIAL_CHAIN);
    if (cache->system.certs && add_certs(trust, cache->system.certs) != 0)
        goto fail;
    trust->system = trust->count;
    if (!cache->system.certs && *cache->system_dir)
        X509_STORE_load_path(trust->store, cache->system_dir);
    if ((config && add_certs(trust, config->certs) != 0) ||
        (request && add_certs(trust, request->certs) != 0))
        goto fail;
    snprintf(trust->label, sizeof(trust->label), "/nonexistent/roots-%llu",
             (unsigned long long)++cache->generation);
    ERR_clear_error();
    return trust;
fail:
    ERR_clear_error();
    if (trust)
        X509_STORE_free(trust->store);
    free(trust);
    return NULL;
}

/* The set for that extra file, taken out of the list; NULL: none yet. */
static struct ca_set *take_set(struct sc_trust_cache *cache, const char *extra)
{
    for (struct ca_set **at = &cache->sets; *at; at = &(*at)->next) {
        struct ca_set *set = *at;
        bool last = !set->next && cache->set_count >= MAX_SETS;
        if (strcmp(set->extra, extra) != 0 && !last)
            continue;
        *at = set->next;
        cache->set_count--;
        if (strcmp(set->extra, extra) == 0)
            return set;
        free_set(set); /* one too many: the one not used for longest */
        return NULL;
    }
    return NULL;
}

static void put_set(struct sc_trust_cache *cache, struct ca_set *set)
{
    set->next = cache->sets;
    cache->sets = set;
    cache->set_count++;
}

struct sc_trust *sc_trust_get(struct sc_trust_cache *cache, const char *ca_file, int64_t now_ms,
                              struct sc_error *err)
{
    const char *extra = ca_file && strcmp(ca_file, cache->ca_file) != 0 ? ca_file : "";
    struct ca_file *config = *cache->ca_file ? find_file(cache, cache->ca_file) : NULL;
    struct ca_file *request = *extra ? find_file(cache, extra) : NULL;
    struct ca_set *set = NULL;

    if (*cache->system.path)
        refresh(cache, &cache->system, now_ms, NULL); /* none at all shows as "0 trusted CAs" */
    if ((*cache->ca_file && !config) || (*extra && !request))
        goto no_memory;
    if ((config && refresh(cache, config, now_ms, err) != 0) ||
        (request && refresh(cache, request, now_ms, err) != 0))
        return NULL;

    uint64_t of_config = config ? config->generation : 0,
             of_request = request ? request->generation : 0;
    set = take_set(cache, extra);
    if (!set || set->system != cache->system.generation || set->config != of_config ||
        set->request != of_request) {
        if (set)
            free_set(set);
        set = calloc(1, sizeof(*set));
        if (!set || !(set->extra = sc_dup(extra)) || !(set->trust = build(cache, config, request)))
            goto no_memory;
        set->system = cache->system.generation;
        set->config = of_config;
        set->request = of_request;
    }
    put_set(cache, set);
    set->trust->refs++;
    return set->trust;
no_memory:
    if (set)
        free_set(set);
    sc_fail(err, SC_REASON_MEMORY_LIMIT, "out of memory while reading CA files");
    return NULL;
}
