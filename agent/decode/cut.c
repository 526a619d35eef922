/* The one cutter for all formats: picks the reader, inflates before it, and keeps the promise that a pause leaves a byte to offer
 * again. */
#include "decode/cut.h"
#include "decode/gunzip.h"
#include "decode/json_cut.h"
#include "decode/ndjson_cut.h"
#include "decode/xml_cut.h"

#include <stdlib.h>

#define DEFAULT_BODY_MAX (UINT64_C(1) << 30)

struct sc_cut {
    struct sc_json_cut *json; /* one of the three */
    struct sc_ndjson_cut *lines;
    struct sc_xml_cut *xml;
    uint64_t body_max;
    struct sc_gunzip *gunzip; /* made for the first body that needs it */
    bool begun, packed, finished;
    struct sc_str piece;      /* of the inflated text: not taken by the reader yet */
    int said;                 /* by the reader, last */
    bool owed;                /* the first byte of the next feed is read already */
};

static int make(struct sc_cut *cut, const struct sc_cut_spec *spec, struct sc_cut_sink sink, struct sc_error *err)
{
    struct sc_json_spec json = {.records = spec->records, .max_depth = spec->max_depth, .field_max = spec->field_max};

    memcpy(json.fields, spec->fields, sizeof(json.fields));
    memcpy(json.envelope, spec->envelope, sizeof(json.envelope));
    switch (spec->format) {
    case SC_CUT_JSON:
        cut->json = sc_json_cut_new(&json, sink, err);
        return cut->json ? 0 : -1;
    case SC_CUT_NDJSON:
        cut->lines = sc_ndjson_cut_new(spec, sink, err);
        return cut->lines ? 0 : -1;
    case SC_CUT_XML:
        cut->xml = sc_xml_cut_new(spec, sink, err);
        return cut->xml ? 0 : -1;
    }
    return sc_fail(err, SC_REASON_INTERNAL, "no cutter for format %d", (int)spec->format);
}

struct sc_cut *sc_cut_new(const struct sc_cut_spec *spec, struct sc_cut_sink sink, struct sc_error *err)
{
    struct sc_cut *cut = calloc(1, sizeof(*cut));

    if (!cut) {
        (void)sc_fail(err, SC_REASON_MEMORY_LIMIT, "no memory for a cutter");
        return NULL;
    }
    cut->body_max = spec->body_max ? spec->body_max : DEFAULT_BODY_MAX;
    if (make(cut, spec, sink, err) == 0)
        return cut;
    sc_cut_free(cut);
    return NULL;
}

void sc_cut_free(struct sc_cut *cut)
{
    if (!cut)
        return;
    sc_json_cut_free(cut->json);
    sc_ndjson_cut_free(cut->lines);
    sc_xml_cut_free(cut->xml);
    sc_gunzip_free(cut->gunzip);
    free(cut);
}

void sc_cut_reset(struct sc_cut *cut)
{
    cut->begun = cut->packed = cut->finished = cut->owed = false;
    cut->piece = (struct sc_str){0};
    cut->said = 0;
    if (cut->gunzip)
        sc_gunzip_reset(cut->gunzip);
    if (cut->json)
        sc_json_cut_reset(cut->json);
    else if (cut->lines)
        sc_ndjson_cut_reset(cut->lines);
    else
        sc_xml_cut_reset(cut->xml);
}

static int read_text(struct sc_cut *cut, const char *bytes, size_t len, size_t *ret_used, struct sc_error *err)
{
    return cut->said = cut->json    ? sc_json_cut_feed(cut->json, bytes, len, ret_used, err)
                       : cut->lines ? sc_ndjson_cut_feed(cut->lines, bytes, len, ret_used, err)
                                    : sc_xml_cut_feed(cut->xml, bytes, len, ret_used, err);
}

/* What is left of a piece; after a pause or an error also nothing, so that the reader says again what it said. */
static int read_piece(struct sc_cut *cut, struct sc_error *err)
{
    size_t used = 0;
    int r = 0;

    if (cut->piece.len || cut->said != 0)
        r = read_text(cut, cut->piece.ptr, cut->piece.len, &used, err);
    if (used)
        cut->piece = (struct sc_str){cut->piece.ptr + used, cut->piece.len - used};
    return r;
}

static int read_packed(struct sc_cut *cut, const char **bytes, size_t *len, bool over, struct sc_error *err)
{
    int r;

    do {
        r = read_piece(cut, err);
        if (r != 0)
            return r;
        if (sc_gunzip_next(cut->gunzip, bytes, len, over, &cut->piece, err) < 0)
            return -1;
    } while (cut->piece.len || *len);
    return 0;
}

/* The first byte says how the body is read. */
static int begin(struct sc_cut *cut, char first, struct sc_error *err)
{
    cut->packed = first == SC_GUNZIP_MARK;
    if (cut->packed && !cut->gunzip) {
        cut->gunzip = sc_gunzip_new(cut->body_max, err);
        if (!cut->gunzip)
            return -1;
    }
    cut->begun = true;
    return 0;
}

static int feed(struct sc_cut *cut, const char *bytes, size_t len, size_t *ret_used, struct sc_error *err)
{
    size_t left = len;
    int r;

    *ret_used = 0;
    if (!cut->begun && len && begin(cut, *bytes, err) < 0)
        return -1;
    if (!cut->packed)
        return read_text(cut, bytes, len, ret_used, err);
    r = read_packed(cut, &bytes, &left, false, err);
    *ret_used = len - left;
    return r;
}

int sc_cut_feed(struct sc_cut *cut, const char *bytes, size_t len, size_t *ret_used, struct sc_error *err)
{
    size_t known = cut->owed && len ? 1 : 0, used;
    int r = feed(cut, len ? bytes + known : "", len - known, &used, err);

    used += known;
    if (len)
        cut->owed = r == SC_CUT_PAUSE && used == len;
    *ret_used = used - (cut->owed && len);
    return r;
}

int sc_cut_finish(struct sc_cut *cut, struct sc_error *err)
{
    const char *none = "";
    size_t len = 0;

    if (cut->packed) {
        int r = read_packed(cut, &none, &len, true, err);

        if (r != 0)
            return r;
    }
    cut->finished = true; /* what was compressed was good to its end */
    return cut->said = cut->json    ? sc_json_cut_finish(cut->json, err)
                       : cut->lines ? sc_ndjson_cut_finish(cut->lines, err)
                                    : sc_xml_cut_finish(cut->xml, err);
}

bool sc_cut_absent(const struct sc_cut *cut)
{
    return cut->finished && (cut->json ? sc_json_cut_absent(cut->json) : cut->xml && sc_xml_cut_absent(cut->xml));
}

uint64_t sc_cut_records(const struct sc_cut *cut)
{
    return cut->json ? sc_json_cut_records(cut->json) : cut->lines ? sc_ndjson_cut_records(cut->lines) : sc_xml_cut_records(cut->xml);
}

bool sc_cut_in_record(const struct sc_cut *cut)
{
    return cut->json ? sc_json_cut_in_record(cut->json) : cut->lines ? sc_ndjson_cut_in_record(cut->lines) : sc_xml_cut_in_record(cut->xml);
}

const struct sc_cut_value *sc_cut_envelope(const struct sc_cut *cut, unsigned index)
{
    return cut->json    ? sc_json_cut_envelope(cut->json, index)
           : cut->lines ? sc_ndjson_cut_envelope(cut->lines, index)
                        : sc_xml_cut_envelope(cut->xml, index);
}
