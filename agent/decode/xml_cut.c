/* The XML cutter: life cycle, feeding expat, handing over what is complete. Expat gets slices and keeps what it has not read; when a
 * record's element is complete it stands still, so that a pause holds everything up. The made object goes through the JSON cutter:
 * there fields are found and the sink's answers are minded. */
#include "decode/xml_cut.h"
#include "decode/json_cut.h"
#include "decode/xml_state.h"

#include <dlfcn.h>
#include <stdlib.h>

#define SLICE 16384
#define QUIET_MAX (256u << 10) /* longest tag, comment or declaration */
#define PARSER_MAX (32u << 20) /* what expat may keep: names above all */
#define PARSER_KEPT (1u << 20) /* what it may keep for the next body */
#define DEFAULT_RECORD_MAX (8u << 20)
#define MADE_FROM (UINT64_C(64) << 20) /* beyond that no more than MADE_RATIO times what came */
#define MADE_RATIO 200u

/* ---- life cycle ------------------------------------------------------------------------------- */

static int add_paths(struct sc_xml_cut *xml, const struct sc_cut_spec *spec, struct sc_error *err)
{
    SC_AUTO_FREE char *records = NULL, *nested = NULL;
    size_t len = spec->records ? strlen(spec->records) : 0;

    sc_json_paths_init(&xml->paths);
    if (len >= 2 && strcmp(spec->records + len - 2, "[]") == 0)
        len -= 2;
    if (len == 0)
        return sc_fail(err, SC_REASON_INTERNAL, "path \"%s\" of the records: XML needs the names of elements", spec->records ? spec->records : "");
    records = sc_printf("%.*s", (int)len, spec->records);
    nested = sc_printf("%.*s.%s", (int)len, spec->records, spec->nested ? spec->nested : "");
    if (!records || !nested)
        return sc_fail(err, SC_REASON_MEMORY_LIMIT, "no memory for a path");
    if (sc_json_paths_add(&xml->paths, SC_JSON_PATH_WHOLE, records, 0, err) < 0)
        return -1;
    if (spec->nested) {
        if (strstr(spec->nested, "[]"))
            return sc_fail(err, SC_REASON_INTERNAL, "path \"%s\": [] has no meaning there", spec->nested);
        if (sc_json_paths_add(&xml->paths, SC_JSON_PATH_WATCH, nested, 0, err) < 0)
            return -1;
    }
    for (unsigned i = 0; i < SC_CUT_ENVELOPE && spec->envelope[i]; i++)
        if (sc_json_paths_add(&xml->paths, SC_JSON_PATH_VALUE, spec->envelope[i], i, err) < 0)
            return -1;
    return 0;
}

/* From 2.6 on, and in Debian's 2.5.0-1+deb12u2, expat puts off what came in small pieces, up to the end of the body: records would come late, and
 * behind it. What that guards against, a token in very many pieces, QUIET_MAX bounds here. Looked up, for older versions do not have it. */
static void read_at_once(XML_Parser parser)
{
    XML_Bool (*set)(XML_Parser, XML_Bool) = NULL;
    void *symbol = dlsym(RTLD_DEFAULT, "XML_SetReparseDeferralEnabled");

    memcpy(&set, &symbol, sizeof set);
    if (set)
        (void)set(parser, XML_FALSE);
}

/* One for the next body. */
static bool new_parser(struct sc_xml_cut *xml)
{
    sc_xml_memory_use(&xml->memory);
    xml->memory.full = false;
    if (xml->parser && xml->memory.used <= PARSER_KEPT) {
        (void)XML_ParserReset(xml->parser, NULL);
    } else {
        if (xml->parser)
            XML_ParserFree(xml->parser);
        xml->parser = XML_ParserCreate_MM(NULL, sc_xml_memory_suite(), NULL);
    }
    if (xml->parser) {
        read_at_once(xml->parser);
        sc_xml_listen(xml);
    }
    return xml->parser != NULL;
}

static int make(struct sc_xml_cut *xml, const struct sc_cut_spec *spec, struct sc_cut_sink sink, struct sc_error *err)
{
    struct sc_json_spec json = {.records = "", .max_depth = spec->max_depth, .field_max = spec->field_max, .whole = true};
    size_t most = spec->record_max ? spec->record_max : DEFAULT_RECORD_MAX;

    memcpy(json.fields, spec->fields, sizeof(json.fields));
    xml->records_path = spec->records;
    xml->nested = spec->nested != NULL;
    xml->held_max = most;
    xml->single_max = spec->nested ? 2 * most : most;
    xml->out.max = 4 * xml->single_max + 65536; /* every byte escaped, every node with quotes and a comma: more than there can be */
    if (add_paths(xml, spec, err) < 0)
        return -1;
    if (sc_xml_tree_init(&xml->around) < 0 || sc_xml_tree_init(&xml->inner) < 0)
        return sc_fail(err, SC_REASON_INTERNAL, "no random bytes from the system");
    xml->json = sc_json_cut_new(&json, sink, err);
    if (!xml->json)
        return -1;
    xml->memory.max = PARSER_MAX;
    return new_parser(xml) ? 0 : sc_fail(err, SC_REASON_MEMORY_LIMIT, "no memory for an XML parser");
}

struct sc_xml_cut *sc_xml_cut_new(const struct sc_cut_spec *spec, struct sc_cut_sink sink, struct sc_error *err)
{
    struct sc_xml_cut *xml = calloc(1, sizeof(*xml));

    if (!xml) {
        (void)sc_fail(err, SC_REASON_MEMORY_LIMIT, "no memory for an XML cutter");
        return NULL;
    }
    if (make(xml, spec, sink, err) < 0) {
        sc_xml_cut_free(xml);
        return NULL;
    }
    sc_xml_cut_reset(xml);
    return xml;
}

void sc_xml_cut_free(struct sc_xml_cut *xml)
{
    if (!xml)
        return;
    if (xml->parser)
        XML_ParserFree(xml->parser);
    sc_json_cut_free(xml->json);
    sc_xml_tree_done(&xml->around);
    sc_xml_tree_done(&xml->inner);
    sc_buf_done(&xml->out);
    free(xml);
}

void sc_xml_cut_reset(struct sc_xml_cut *xml)
{
    sc_json_cut_reset(xml->json);
    sc_xml_tree_clear(&xml->around);
    sc_xml_tree_clear(&xml->inner);
    sc_buf_clear(&xml->out);
    xml->depth = xml->record_depth = xml->nested_depth = 0;
    xml->begun = xml->root_seen = xml->wrong_root = xml->done = xml->external = false;
    xml->handed = xml->ready = xml->complete = xml->suspended = xml->made = xml->ended = false;
    xml->first_inner = xml->last_inner = xml->turn = 0;
    xml->given = 0;
    xml->end = xml->quiet = xml->bytes = xml->made_bytes = xml->records = 0;
    xml->failure = (struct sc_error)SC_ERROR_INIT;
    if (!new_parser(xml))
        (void)sc_fail(&xml->failure, SC_REASON_MEMORY_LIMIT, "no memory for an XML parser");
    memset(xml->envelope, 0, sizeof(xml->envelope));
}

/* ---- errors ----------------------------------------------------------------------------------- */

static int report(const struct sc_xml_cut *xml, struct sc_error *err)
{
    return sc_fail(err, xml->failure.reason, "%s", xml->failure.text);
}

/* What came instead of XML. Which byte of it expat minds depends on the chunks. */
static int not_xml(struct sc_xml_cut *xml, enum XML_Error code)
{
    size_t len = xml->bytes < SC_XML_HEAD ? (size_t)xml->bytes : SC_XML_HEAD, at = 0;
    unsigned char c;

    while (at < len && (xml->head[at] == ' ' || xml->head[at] == '\t' || xml->head[at] == '\r' || xml->head[at] == '\n'))
        at++;
    c = at < len ? (unsigned char)xml->head[at] : 0;
    if (c > 0x20 && c < 0x7F && c != '<')
        return sc_fail(&xml->failure, SC_REASON_BAD_RESPONSE, "unexpected '%c' at byte %zu: not XML", c, at);
    if (len - at >= 3 && memcmp(xml->head + at, "<!d", 3) == 0) /* XML writes <!DOCTYPE; more of it may not be here yet */
        return sc_fail(&xml->failure, SC_REASON_BAD_RESPONSE, "unexpected '<!d' at byte %zu: a web page, not the vendor's XML", at);
    if (code == XML_ERROR_UNKNOWN_ENCODING)
        return sc_fail(&xml->failure, SC_REASON_BAD_RESPONSE, "XML in an encoding that is not known; UTF-8, UTF-16, ISO-8859-1 and US-ASCII are");
    return sc_fail(&xml->failure, SC_REASON_BAD_RESPONSE, "not XML: wrong before its first element");
}

static int parser_failed(struct sc_xml_cut *xml)
{
    enum XML_Error code = XML_GetErrorCode(xml->parser);
    uint64_t at = sc_xml_at(xml);

    if (xml->failure.reason != SC_REASON_OK)
        return -1;
    if (code == XML_ERROR_NO_MEMORY && xml->memory.full)
        return sc_fail(&xml->failure, SC_REASON_BAD_RESPONSE, "more names in the XML than %u MiB hold: not an honest answer", PARSER_MAX >> 20);
    if (code == XML_ERROR_NO_MEMORY)
        return sc_fail(&xml->failure, SC_REASON_MEMORY_LIMIT, "no memory for the XML parser");
    if (xml->done)
        return sc_fail(&xml->failure, SC_REASON_BAD_RESPONSE, "something else behind the root element, which ends at byte %llu",
                       (unsigned long long)xml->end);
    if (!xml->root_seen)
        return not_xml(xml, code);
    return sc_fail(&xml->failure, SC_REASON_BAD_RESPONSE, "XML not well-formed at byte %llu, line %lu: %s", (unsigned long long)at,
                   (unsigned long)XML_GetCurrentLineNumber(xml->parser), XML_ErrorString(code));
}

/* ---- handing over ----------------------------------------------------------------------------- */

static int make_record(struct sc_xml_cut *xml)
{
    sc_buf_clear(&xml->out);
    if (sc_xml_write(&xml->out, &xml->around, 1, &xml->inner, xml->turn) < 0)
        return sc_fail(&xml->failure, SC_REASON_MEMORY_LIMIT, "no memory for record %llu", (unsigned long long)xml->records + 1);
    xml->made_bytes += xml->out.len;
    if (xml->made_bytes > MADE_FROM && xml->made_bytes / MADE_RATIO > xml->bytes)
        return sc_fail(&xml->failure, SC_REASON_RESPONSE_TOO_LARGE,
                       "%llu bytes of XML became over %llu MiB of records, more than %u times as much: not an honest answer",
                       (unsigned long long)xml->bytes, (unsigned long long)(xml->made_bytes >> 20), MADE_RATIO);
    sc_json_cut_reset(xml->json);
    xml->given = 0;
    xml->made = true;
    return 0;
}

/* The one whose turn it is: to its end, or until the sink pauses. */
static int hand_record(struct sc_xml_cut *xml)
{
    struct sc_error why = SC_ERROR_INIT;
    size_t used = 0;
    int r;

    if (!xml->made && make_record(xml) < 0)
        return -1;
    r = sc_json_cut_feed(xml->json, xml->out.ptr + xml->given, xml->out.len - xml->given, &used, &why);
    xml->given += used;
    if (r < 0)
        return sc_fail(&xml->failure, why.reason, "record %llu: %s", (unsigned long long)xml->records + 1, why.text);
    if (r == 0) {
        xml->made = false;
        xml->records++;
    }
    return r;
}

/* All that is complete. */
static int hand_over(struct sc_xml_cut *xml)
{
    int r = 0;

    if (!xml->nested) {
        r = hand_record(xml);
    } else {
        while (r == 0 && xml->turn) {
            r = hand_record(xml);
            if (r == 0)
                xml->turn = xml->inner.nodes[xml->turn].next;
        }
    }
    if (r != 0)
        return r;
    sc_xml_tree_clear(&xml->inner);
    xml->first_inner = xml->last_inner = 0;
    xml->handed = !xml->complete;
    xml->ready = xml->complete = false;
    return 0;
}

/* ---- the body --------------------------------------------------------------------------------- */

static int parsed(struct sc_xml_cut *xml, enum XML_Status status)
{
    xml->suspended = status == XML_STATUS_SUSPENDED;
    if (status == XML_STATUS_ERROR || xml->failure.reason != SC_REASON_OK)
        return parser_failed(xml);
    if (xml->quiet > QUIET_MAX)
        return sc_fail(&xml->failure, SC_REASON_BAD_RESPONSE, "a tag, comment or declaration of more than %u KiB: not taken", QUIET_MAX >> 10);
    return 0;
}

static int begin(struct sc_xml_cut *xml, const char **p, const char *end, bool over)
{
    while (*p != end && xml->bytes < SC_XML_FIRST)
        xml->head[xml->bytes++] = *(*p)++;
    if (xml->bytes < SC_XML_FIRST && !over)
        return 0;
    xml->begun = true;
    return parsed(xml, XML_Parse(xml->parser, xml->head, (int)xml->bytes, 0));
}

static int parse(struct sc_xml_cut *xml, const char **p, const char *end)
{
    size_t n = (size_t)(end - *p) < SLICE ? (size_t)(end - *p) : SLICE;
    const char *from = *p;

    if (xml->bytes < SC_XML_HEAD) {
        size_t room = SC_XML_HEAD - (size_t)xml->bytes;

        memcpy(xml->head + xml->bytes, from, n < room ? n : room);
    }
    xml->bytes += n;
    xml->quiet += n;
    *p += n;
    return parsed(xml, XML_Parse(xml->parser, from, (int)n, 0));
}

int sc_xml_cut_feed(struct sc_xml_cut *xml, const char *bytes, size_t len, size_t *ret_used, struct sc_error *err)
{
    const char *p = len ? bytes : "", *const chunk = p, *const end = p + len;
    int r = 0;

    *ret_used = 0;
    if (xml->failure.reason != SC_REASON_OK)
        return report(xml, err);
    sc_xml_memory_use(&xml->memory);
    while (r == 0 && (xml->ready || xml->suspended || p != end)) {
        if (xml->ready)
            r = hand_over(xml);
        else if (xml->suspended)
            r = parsed(xml, XML_ResumeParser(xml->parser));
        else
            r = xml->begun ? parse(xml, &p, end) : begin(xml, &p, end, false);
    }
    *ret_used = (size_t)(p - chunk);
    return r < 0 ? report(xml, err) : r;
}

static int ended_early(struct sc_xml_cut *xml)
{
    unsigned long long bytes = xml->bytes, records = xml->records;

    if (!bytes)
        return sc_fail(&xml->failure, SC_REASON_BAD_RESPONSE, "the body is empty");
    if (!xml->root_seen)
        return sc_fail(&xml->failure, SC_REASON_BAD_RESPONSE, "ended after %llu bytes, before any element", bytes);
    if (xml->record_depth || xml->ready)
        return sc_fail(&xml->failure, SC_REASON_BAD_RESPONSE, "ended after %llu bytes in the middle of an element with records, after %llu of them",
                       bytes, records);
    return sc_fail(&xml->failure, SC_REASON_BAD_RESPONSE, "ended after %llu bytes inside <%s>, after %llu records", bytes, xml->root, records);
}

int sc_xml_cut_finish(struct sc_xml_cut *xml, struct sc_error *err)
{
    size_t names = strcspn(xml->records_path, ".[");
    const char *none = "";

    if (xml->failure.reason != SC_REASON_OK)
        return report(xml, err);
    sc_xml_memory_use(&xml->memory);
    if (!xml->begun && begin(xml, &none, none, true) < 0)
        return report(xml, err);
    if (!xml->done || xml->ready) {
        (void)ended_early(xml);
        return report(xml, err);
    }
    if (!xml->ended && XML_Parse(xml->parser, "", 0, 1) != XML_STATUS_OK) {
        (void)parser_failed(xml);
        return report(xml, err);
    }
    xml->ended = true;
    if (xml->wrong_root)
        return sc_fail(err, SC_REASON_BAD_RESPONSE, "no element <%.*s>: the document is <%s>", (int)names, xml->records_path, xml->root);
    return 0;
}

bool sc_xml_cut_absent(const struct sc_xml_cut *xml)
{
    return xml->ended && xml->wrong_root && xml->failure.reason == SC_REASON_OK;
}

uint64_t sc_xml_cut_records(const struct sc_xml_cut *xml)
{
    return xml->records;
}

bool sc_xml_cut_in_record(const struct sc_xml_cut *xml)
{
    return xml->made && sc_json_cut_in_record(xml->json);
}

const struct sc_cut_value *sc_xml_cut_envelope(const struct sc_xml_cut *xml, unsigned index)
{
    static const struct sc_cut_value absent;

    return index < SC_CUT_ENVELOPE ? &xml->envelope[index] : &absent;
}
