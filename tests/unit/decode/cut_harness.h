/* Feeds a body to a cutter in pieces, each directly before a page without access, with a sink that
 * pauses at random, and checks every promise of json_cut.h on the way. A broken promise prints
 * itself and aborts (the fuzzer uses this too). */
#pragma once

#include "json_reference.h"

struct how {
    size_t chunk;       /* bytes a feed; 0: the whole rest, or random when `random_chunks` */
    size_t split;       /* not 0: the first feed has that many bytes (goes before `chunk`) */
    bool random_chunks; /* 0 to 64 bytes a feed */
    unsigned pause_percent;
    uint64_t seed;
};

struct seen_value {
    enum sc_cut_kind kind;
    bool cut;
    char *text; /* owned */
    size_t len;
};

struct seen_record {
    size_t at, len;
    bool bad_utf8, too_deep;
    size_t bad_at;
    struct seen_value fields[SC_CUT_FIELDS];
};

struct seen {
    enum reference_verdict verdict;
    size_t at; /* of the error: bytes consumed */
    struct sc_error err;
    struct seen_record *records;
    size_t count;
    size_t slices, pauses, feeds;
    struct seen_value envelope[SC_CUT_ENVELOPE];
};

void harness_cut(struct seen *ret, const struct sc_json_spec *spec, const char *text, size_t len,
                 struct how how);
void harness_done(struct seen *seen);
/* Aborts unless both are the same. */
void harness_compare(const struct seen *seen, const struct reference *reference,
                     const struct sc_json_spec *spec, const char *text, size_t len, struct how how);
/* The two above and reference_read(), in one. */
void harness_check(const struct sc_json_spec *spec, const char *text, size_t len, struct how how);

/* A copy of the bytes that ends where memory ends; valid until the next call. */
const char *harness_guard(const char *bytes, size_t len);
unsigned harness_random(uint64_t *seed, unsigned n); /* 0 .. n - 1 */
void harness_print(const char *text, size_t len);

#define HARNESS_CHECK(x) ((x) ? (void)0 : harness_broken(__FILE__, __LINE__, #x))
void harness_broken(const char *file, int line, const char *what) __attribute__((noreturn));
