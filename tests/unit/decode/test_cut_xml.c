/* XML through sc_cut: what JSON is made of it, what the envelope has, what is refused; each document split at every byte, with pauses.
 * Random documents are written from a tree of which the JSON is known another way (xml_random.c). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "any_harness.h"
#include "check.h"
#include "xml_random.h"

#include <stdlib.h>

#define COUNT(a) (sizeof(a) / sizeof(*(a)))

static const struct sc_cut_spec plain = {.format = SC_CUT_XML, .records = "L.R"};
static const struct sc_cut_spec brackets = {.format = SC_CUT_XML, .records = "L.R[]"};
static const struct sc_cut_spec hosts = {
    .format = SC_CUT_XML,
    .records = "OUT.RESPONSE.HOST_LIST.HOST",
    .nested = "DETECTION_LIST.DETECTION",
    .fields = {"ID", "QID", "QDS.@severity", "QDS.#text", "TAGS"},
    .envelope = {"OUT.RESPONSE.WARNING.URL", "SIMPLE_RETURN.RESPONSE.CODE", "OUT.RESPONSE.DATETIME"}
};
static const struct sc_cut_spec around = {
    .format = SC_CUT_XML, .records = "L.R", .envelope = {"L.@next", "L.page", "L.page.@of", "L.page.n", "M.e"}
};
static const struct sc_cut_spec below = {.format = SC_CUT_XML, .records = "L.R", .envelope = {"L.page.n"}};
static const struct sc_cut_spec direct = {.format = SC_CUT_XML, .records = "L.R", .nested = "D", .fields = {"a"}};
static const struct sc_cut_spec small = {.format = SC_CUT_XML, .records = "L.R", .nested = "W.D", .record_max = 600};
static const struct sc_cut_spec shallow = {.format = SC_CUT_XML, .records = "L.R", .max_depth = 2};
static const struct sc_cut_spec root = {.format = SC_CUT_XML, .records = "R", .fields = {"#text"}};

#define L(x) "<L>" x "</L>"
#define HOSTS(x) "<OUT><RESPONSE><HOST_LIST>" x "</HOST_LIST></RESPONSE></OUT>"

static const struct row {
    const char *why;
    const struct sc_cut_spec *spec;
    const char *body, *want;
} json_rows[] = {
    {"no records", &plain, L(""), "good []\n"},
    {"empty element", &plain, L("<R/><R></R>"), "record {}\nrecord {}\ngood []\n"},
    {"elements are strings", &plain, L("<R><a>1</a><b> x </b><c/><d></d></R>"), "record {\"a\":\"1\",\"b\":\" x \",\"c\":\"\",\"d\":\"\"}\ngood []\n"},
    {"text of the record itself", &plain, L("<R>abc</R><R>  </R>"), "record {\"#text\":\"abc\"}\nrecord {\"#text\":\"  \"}\ngood []\n"},
    {"attributes", &plain, L("<R x=\"1\" y=''><a z='&lt;&#10;'>t</a><b w='&quot;'/></R>"),
     "record {\"@x\":\"1\",\"@y\":\"\",\"a\":{\"@z\":\"<\\n\",\"#text\":\"t\"},\"b\":{\"@w\":\"\\\"\"}}\ngood []\n"},
    {"blanks are text beside attributes", &plain, L("<R><a z='1'>  </a></R>"), "record {\"a\":{\"@z\":\"1\",\"#text\":\"  \"}}\ngood []\n"},
    {"elements in elements", &plain, L("<R><a><b>1</b><c><d>2</d></c></a></R>"), "record {\"a\":{\"b\":\"1\",\"c\":{\"d\":\"2\"}}}\ngood []\n"},
    {"repeated elements", &plain, L("<R><a>1</a><b/><a>2</a><c><a/></c><a x='3'/></R>"),
     "record {\"a\":[\"1\",\"2\",{\"@x\":\"3\"}],\"b\":\"\",\"c\":{\"a\":\"\"}}\ngood []\n"},
    {"indentation is nobody's", &plain, "<L>\n  <R>\n    <a>\n      <b>1</b>\r\n    </a>\n  </R>\n</L>\n", "record {\"a\":{\"b\":\"1\"}}\ngood []\n"},
    {"text beside elements", &plain, L("<R>\n x <a>1</a>\n<b>2</b> y\n z </R>"), "record {\"#text\":\"\\n x  y\\n z \",\"a\":\"1\",\"b\":\"2\"}\ngood []\n"},
    {"attributes, text and elements", &plain, L("<R><a k='v'>s<b/>t</a></R>"), "record {\"a\":{\"@k\":\"v\",\"#text\":\"st\",\"b\":\"\"}}\ngood []\n"},
    {"CDATA", &plain, L("<R><a><![CDATA[<b>&amp;]]]]><![CDATA[>]]></a><b>x<![CDATA[]]>y</b></R>"), "record {\"a\":\"<b>&amp;]]>\",\"b\":\"xy\"}\ngood []\n"},
    {"references", &plain, L("<R><a>&lt;&gt;&amp;&apos;&quot;&#233;&#x1F600;&#9;&#10;&#13;</a></R>"),
     "record {\"a\":\"<>&'\\\"\xC3\xA9\xF0\x9F\x98\x80\\t\\n\\r\"}\ngood []\n"},
    {"ends of lines", &plain, L("<R><a>a\r\nb\rc\r\r\nd</a></R>"), "record {\"a\":\"a\\nb\\nc\\n\\nd\"}\ngood []\n"},
    {"comments and instructions", &plain, "<?x y?><!-- <R> --><L><!-- --><R><a>be<!-- <a> & --><?z?>fore<!----> behind</a></R></L><!-- z -->",
     "record {\"a\":\"before behind\"}\ngood []\n"},
    {"what JSON must escape, and no more", &plain, L("<R><a>\\ / \" \xC2\xA0 \xE2\x80\xA8 \x7F \xC2\x85</a></R>"),
     "record {\"a\":\"\\\\ / \\\" \xC2\xA0 \xE2\x80\xA8 \x7F \xC2\x85\"}\ngood []\n"},
    {"names as they are", &plain, L("<R xmlns:n='u'><n:\xC3\xA9.x-1>2</n:\xC3\xA9.x-1></R>"), "record {\"@xmlns:n\":\"u\",\"n:\xC3\xA9.x-1\":\"2\"}\ngood []\n"},
    {"not in a record", &plain, "<L><X><R><a/></R></X>t<S><a/></S><R/><R><R><a/></R></R></L>", "record {}\nrecord {\"R\":{\"a\":\"\"}}\ngood []\n"},
    {"brackets behind the path mean nothing", &brackets, L("<R/>"), "record {}\ngood []\n"},
    {"the root is the record", &root, "<R x='1'>t</R>", "record {\"@x\":\"1\",\"#text\":\"t\"} [t]\ngood []\n"},
    {"deeper than wanted", &shallow, L("<R><a><b/></a></R><R><a><b><c/></b></a></R>"),
     "record {\"a\":{\"b\":\"\"}}\nrecord {\"a\":{\"b\":{\"c\":\"\"}}} deep\ngood []\n"},
    {"declaration and DOCTYPE", &plain, "<?xml version=\"1.0\" encoding=\"UTF-8\" ?>\n<!DOCTYPE L SYSTEM \"https://qualysapi.example/x.dtd\">\n<L><R/></L>",
     "record {}\ngood []\n"},
    {"DOCTYPE with declarations that change nothing", &plain, "<!DOCTYPE L [<!ELEMENT L ANY><!ATTLIST R a CDATA #IMPLIED>]><L><R/></L>", "record {}\ngood []\n"},
    {"byte order mark", &plain, "\xEF\xBB\xBF<L><R/></L>", "record {}\ngood []\n"},
    {"Latin 1", &plain, "<?xml version='1.0' encoding='ISO-8859-1'?><L><R><a>\xE9\x85</a></R></L>", "record {\"a\":\"\xC3\xA9\xC2\x85\"}\ngood []\n"},
    {"ASCII", &plain, "<?xml version='1.0' encoding='US-ASCII'?><L><R/></L>", "record {}\ngood []\n"},
};

static const struct row host_rows[] = {
    {"a host and what was found on it", &hosts,
     HOSTS("<HOST><ID>7</ID><OS><![CDATA[x]]></OS><DETECTION_LIST><DETECTION><QID>1</QID><QDS severity=\"LOW\">35</QDS></DETECTION>"
           "<DETECTION><QID>2</QID></DETECTION></DETECTION_LIST></HOST>"),
     "record {\"ID\":\"7\",\"OS\":\"x\",\"QID\":\"1\",\"QDS\":{\"@severity\":\"LOW\",\"#text\":\"35\"}} [7|1|LOW|35|-]\n"
     "record {\"ID\":\"7\",\"OS\":\"x\",\"QID\":\"2\"} [7|2|-|-|-]\ngood [-|-|-]\n"},
    {"indented", &hosts, HOSTS("\n <HOST>\n  <ID>7</ID>\n  <DETECTION_LIST>\n   <DETECTION>\n    <QID>1</QID>\n   </DETECTION>\n  </DETECTION_LIST>\n </HOST>\n"),
     "record {\"ID\":\"7\",\"QID\":\"1\"} [7|1|-|-|-]\ngood [-|-|-]\n"},
    {"members behind the list", &hosts,
     HOSTS("<HOST><DETECTION_LIST><DETECTION><QID>1</QID></DETECTION></DETECTION_LIST><ID>7</ID><TAGS><T>a</T><T>b</T></TAGS></HOST>"
           "<HOST><ID>8</ID><DETECTION_LIST><DETECTION/></DETECTION_LIST></HOST>"),
     "record {\"ID\":\"7\",\"TAGS\":{\"T\":[\"a\",\"b\"]},\"QID\":\"1\"} [7|1|-|-|o:]\nrecord {\"ID\":\"8\"} [8|-|-|-|-]\ngood [-|-|-]\n"},
    {"a host without any", &hosts, HOSTS("<HOST><ID>7</ID></HOST><HOST><ID>8</ID><DETECTION_LIST> </DETECTION_LIST></HOST><HOST/>"), "good [-|-|-]\n"},
    {"two lists", &hosts,
     HOSTS("<HOST><DETECTION_LIST><DETECTION><QID>1</QID></DETECTION></DETECTION_LIST><ID>7</ID>"
           "<DETECTION_LIST>\n<DETECTION><QID>2</QID></DETECTION></DETECTION_LIST></HOST>"),
     "record {\"ID\":\"7\",\"QID\":\"1\"} [7|1|-|-|-]\nrecord {\"ID\":\"7\",\"QID\":\"2\"} [7|2|-|-|-]\ngood [-|-|-]\n"},
    {"something else in the list is kept", &hosts,
     HOSTS("<HOST><DETECTION_LIST n='2'><DETECTION><QID>1</QID></DETECTION><more>x</more></DETECTION_LIST><ID>7</ID></HOST>"),
     "record {\"DETECTION_LIST\":{\"@n\":\"2\",\"more\":\"x\"},\"ID\":\"7\",\"QID\":\"1\"} [7|1|-|-|-]\ngood [-|-|-]\n"},
    {"one name on both sides", &hosts,
     HOSTS("<HOST><ID>7</ID><T>a</T><DETECTION_LIST><DETECTION><T>b</T><ID>8</ID><ID>9</ID></DETECTION></DETECTION_LIST></HOST>"),
     "record {\"ID\":[\"7\",\"8\",\"9\"],\"T\":[\"a\",\"b\"]} [a:|-|-|-|-]\ngood [-|-|-]\n"},
    {"attributes and texts of both", &direct, L("<R a='1'>s<D a='2' b='3'>t<c/></D></R><R><D>u</D></R>"),
     "record {\"@a\":[\"1\",\"2\"],\"#text\":[\"s\",\"t\"],\"@b\":\"3\",\"c\":\"\"} [-]\nrecord {\"#text\":\"u\"} [-]\ngood []\n"},
    {"its name deeper is none", &direct, L("<R><x><D/></x><D><D>1</D></D></R>"), "record {\"x\":{\"D\":\"\"},\"D\":\"1\"} [-]\ngood []\n"},
    {"the next page behind the hosts", &hosts,
     "<OUT><RESPONSE><DATETIME>now</DATETIME><HOST_LIST></HOST_LIST><WARNING><CODE>1980</CODE><URL><![CDATA[https://x/?a=1&b=2]]></URL></WARNING></RESPONSE></OUT>",
     "good [https://x/?a=1&b=2|-|now]\n"},
    {"an error inside a success", &hosts, "<SIMPLE_RETURN><RESPONSE><CODE>1960</CODE><TEXT>x</TEXT></RESPONSE></SIMPLE_RETURN>",
     "absent: no element <OUT>: the document is <SIMPLE_RETURN> [-|1960|-]\n"},
    {"the right root, no list", &hosts, "<OUT><RESPONSE><DATETIME>now</DATETIME></RESPONSE></OUT>", "good [-|-|now]\n"},
    {"envelope", &around, "<L next='n&amp;'><page of='3'>1<!-- -->2</page><R><page>9</page></R></L>", "record {\"page\":\"9\"}\ngood [n&|12|3|-|-]\n"},
    {"the last counts, with what is in it", &around, "<L><page of='3'><n>1</n></page><page>2</page></L>", "good [-|2|-|-|-]\n"},
    {"the last counts, without what the first had in it", &below, "<L><page><n>1</n></page><page/></L>", "good [-]\n"},
    {"elements in it", &around, "<L><page>a<n>1</n><n>2</n></page></L>", "good [-|o:|-|2|-]\n"},
    {"empty", &around, "<L><page/></L>", "good [-||-|-|-]\n"},
    {"not that deep", &around, "<L><x><page>2</page></x></L>", "good [-|-|-|-|-]\n"},
};

static const struct row error_rows[] = {
    {"nothing", &plain, "", "failed: the body is empty []\n"},
    {"blanks", &plain, " \n", "failed: ended after 2 bytes, before any element []\n"},
    {"JSON", &plain, "{\"a\":1}", "failed: unexpected '{' at byte 0: not XML []\n"},
    {"text", &plain, "Service Unavailable", "failed: unexpected 'S' at byte 0: not XML []\n"},
    {"a web page", &plain, "<html><body>x</body></html>", "failed: unexpected '<html>': a web page, not the vendor's XML []\n"},
    {"a web page with DOCTYPE", &plain, "<!DOCTYPE HTML PUBLIC \"-//W3C//DTD HTML 4.01//EN\" \"x\">\n<HTML>",
     "failed: unexpected '<!DOCTYPE HTML>': a web page, not the vendor's XML []\n"},
    {"a web page with small letters", &plain, "\n<!doctype html>\n<title>", "failed: unexpected '<!d' at byte 1: a web page, not the vendor's XML []\n"},
    {"cut short in a record", &plain, "<L><R/><R><a>1", "record {}\nfailed: ended after 14 bytes in the middle of an element with records, after 1 of them []\n"},
    {"cut short in a tag", &plain, "<L><R/><R", "record {}\nfailed: ended after 9 bytes inside <L>, after 1 records []\n"},
    {"cut short between records", &plain, "<L><R/>", "record {}\nfailed: ended after 7 bytes inside <L>, after 1 records []\n"},
    {"cut short in the root's end", &plain, "<L><R/></L", "record {}\nfailed: ended after 10 bytes inside <L>, after 1 records []\n"},
    {"text behind the root", &plain, "<L><R/></L>x", "record {}\nfailed: something else behind the root element, which ends at byte 11 []\n"},
    {"an element behind the root", &plain, "<L><R/></L><L/>", "record {}\nfailed: something else behind the root element, which ends at byte 11 []\n"},
    {"an open comment behind the root", &plain, "<L><R/></L><!-- ", "record {}\nfailed: something else behind the root element, which ends at byte 11 []\n"},
    {"wrong end tag", &plain, "<L><R/>\n<R></L>", "record {}\nfailed: XML not well-formed at byte 13, line 2: mismatched tag []\n"},
    {"an attribute twice", &plain, L("<R a='1' a='2'/>"), "failed: XML not well-formed at byte 12, line 1: duplicate attribute []\n"},
    {"bad UTF-8", &plain, L("<R>\xFF</R>"), "failed: XML not well-formed at byte 6, line 1: not well-formed (invalid token) []\n"},
    {"a control character", &plain, L("<R>\x01</R>"), "failed: XML not well-formed at byte 6, line 1: not well-formed (invalid token) []\n"},
    {"a reference to one", &plain, L("<R>&#0;</R>"), "failed: XML not well-formed at byte 6, line 1: reference to invalid character number []\n"},
    {"an entity of its own", &plain, "<!DOCTYPE L [<!ENTITY a \"b\">]><L><R>&a;</R></L>", "failed: the DOCTYPE declares an entity at byte 24 []\n"},
    {"a bomb", &plain, "<!DOCTYPE L [<!ENTITY a \"aaaa\"><!ENTITY b \"&a;&a;\"><!ENTITY c \"&b;&b;\">]><L><R>&c;</R></L>",
     "failed: the DOCTYPE declares an entity at byte 24 []\n"},
    {"somebody's file", &plain, "<!DOCTYPE L [<!ENTITY a SYSTEM \"file:///etc/passwd\">]><L><R>&a;</R></L>", "failed: the DOCTYPE declares an entity at byte 51 []\n"},
    {"a parameter entity", &plain, "<!DOCTYPE L [<!ENTITY % a SYSTEM \"http://127.0.0.1/\"> %a;]><L><R/></L>", "failed: the DOCTYPE declares an entity at byte 52 []\n"},
    {"a parameter entity of the other part", &plain, "<!DOCTYPE L SYSTEM 'x' [%a;]><L><R/></L>", "record {}\ngood []\n"},
    {"an attribute out of nothing", &plain, "<!DOCTYPE L [<!ATTLIST R a CDATA 'x'>]><L><R/></L>", "failed: the DOCTYPE declares an attribute with a value at byte 33 []\n"},
    {"an unknown entity", &plain, L("<R>&nbsp;</R>"), "failed: XML not well-formed at byte 6, line 1: undefined entity []\n"},
    {"an unknown entity, with a DTD elsewhere", &plain, "<!DOCTYPE L SYSTEM 'x'><L><R>a&nbsp;b</R></L>",
     "failed: a reference to an entity that nothing declares at byte 30 []\n"},
    {"an unknown entity in an attribute", &plain, "<!DOCTYPE L SYSTEM 'x'><L><R a='b&nbsp;c'/></L>",
     "failed: a reference to an entity that nothing declares, in an attribute of the element at byte 26 []\n"},
    {"known references, with a DTD elsewhere", &plain, "<!DOCTYPE L SYSTEM 'x'><L><R a='&lt;&#38;&quot;&apos;&gt;&amp;'/></L>",
     "record {\"@a\":\"<&\\\"'>&\"}\ngood []\n"},
    {"broken at once", &plain, "<?xml version=1?><L/>", "failed: not XML: wrong before its first element []\n"},
    {"an unknown encoding", &plain, "<?xml version='1.0' encoding='EBCDIC-XX'?><L/>", "failed: XML in an encoding that is not known; UTF-8, UTF-16, ISO-8859-1 and US-ASCII are []\n"},
};

static void check_rows(const struct row *rows, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        struct sc_buf got = {0};

        any_cut(&got, rows[i].spec, rows[i].body, strlen(rows[i].body), (struct how){0});
        CHECK_TEXT(rows[i].why, got.ptr, rows[i].want);
        any_check(rows[i].spec, rows[i].body, strlen(rows[i].body), 400);
        sc_buf_done(&got);
    }
}

static void test_xml_json(void **state)
{
    (void)state;
    check_rows(json_rows, COUNT(json_rows));
}

static void test_xml_nested(void **state)
{
    (void)state;
    check_rows(host_rows, COUNT(host_rows));
}

static void test_xml_errors(void **state)
{
    (void)state;
    check_rows(error_rows, COUNT(error_rows));
}

/* Sixteen bits a character, both ways round. */
static void test_xml_utf16(void **state)
{
    static const char text[] = "<!DOCTYPE L SYSTEM 'x'><L><R a='1&amp;'><b>x</b></R><R a='&nbsp;'/></L>";

    (void)state;
    for (unsigned big = 0; big < 2; big++) {
        struct sc_buf body = {0}, got = {0};

        sc_buf_add_str(&body, big ? "\xFE\xFF" : "\xFF\xFE");
        for (size_t i = 0; text[i]; i++)
            sc_buf_add(&body, (const char[]){big ? '\0' : text[i], big ? text[i] : '\0'}, 2);
        any_cut(&got, &plain, body.ptr, body.len, (struct how){0});
        CHECK_TEXT("UTF-16", got.ptr, "record {\"@a\":\"1&\",\"b\":\"x\"}\n"
                   "failed: a reference to an entity that nothing declares, in an attribute of the element at byte 106 []\n");
        any_check(&plain, body.ptr, body.len, 200);
        sc_buf_done(&got);
        sc_buf_done(&body);
    }
}

/* What begins a text of 16 bits a character alone, or does not: the first bytes are looked at together, however they come. */
static void test_xml_first_bytes(void **state)
{
    static const char *const bodies[] = {"%\0<\0", "\xFF\xFE<\0", "\xFE\xFF\0<", "<\0L\0", "\0<\0L", "\xEF\xBB\xBF%", "\xEF\xBB<L", "\xFF<L>"};

    (void)state;
    for (size_t i = 0; i < COUNT(bodies); i++)
        for (size_t len = 1; len <= 4; len++)
            any_check(&plain, bodies[i], len, 4);
}

static void cut_text(struct sc_buf *got, const struct sc_cut_spec *spec, const struct sc_buf *body)
{
    any_cut(got, spec, body->ptr, body->len, (struct how){0});
    any_check(spec, body->ptr, body->len, 0);
}

/* `count` of a text between two others. */
static void repeat(struct sc_buf *body, const char *before, const char *text, unsigned count, const char *behind)
{
    body->max = 256u << 20;
    sc_buf_clear(body);
    sc_buf_add_str(body, before);
    for (unsigned i = 0; i < count; i++)
        sc_buf_add_str(body, text);
    sc_buf_add_str(body, behind);
}

static void test_xml_caps(void **state)
{
    struct sc_buf body = {0}, got = {0};
    struct sc_cut_spec one = {.format = SC_CUT_XML, .records = "L.R", .record_max = 1000};

    (void)state;
    repeat(&body, "<L><R>", "<a>", 509, "");
    cut_text(&got, &plain, &body);
    CHECK_TRUE("as deep as may be", strstr(got.ptr, "in the middle of an element"));
    repeat(&body, "<L><R>", "<a>", 511, "");
    cut_text(&got, &plain, &body);
    CHECK_TEXT("too deep", got.ptr, "failed: elements are nested too deep at byte 1536 []\n");
    repeat(&body, "<L><R><", "n", 255, "/></R></L>");
    cut_text(&got, &plain, &body);
    CHECK_TRUE("a long name", strstr(got.ptr, "nnn\":\"\"}\ngood"));
    repeat(&body, "<L><R><", "n", 256, "/></R></L>");
    cut_text(&got, &plain, &body);
    CHECK_TEXT("too long a name", got.ptr, "failed: a name is longer than 255 bytes at byte 6 []\n");
    repeat(&body, "<L><R ", "n", 255, "='1'/></L>");
    cut_text(&got, &plain, &body);
    CHECK_TEXT("too long a name of an attribute", got.ptr, "failed: a name is longer than 255 bytes at byte 3 []\n");
    repeat(&body, "<L><R/><!-- ", "0123456789abcdef", 40000, " --><R/></L>");
    any_cut(&got, &plain, body.ptr, body.len, (struct how){0});
    CHECK_TEXT("a long comment", got.ptr, "record {}\nfailed: a tag, comment or declaration of more than 256 KiB: not taken []\n");
    repeat(&body, "<L><R><a>", "0123456789", 80, "</a></R></L>");
    cut_text(&got, &one, &body);
    CHECK_TRUE("fits", strstr(got.ptr, "89\"}\ngood"));
    repeat(&body, "<L><R/><R><a>", "0123456789", 100, "</a></R></L>");
    any_cut(&got, &one, body.ptr, body.len, (struct how){0});
    CHECK_TEXT("too large", got.ptr,
               "record {}\nrecord_too_large: record 2 is too large: more than 1000 bytes would have to be held []\n");
    sc_buf_done(&body);
    sc_buf_done(&got);
}

/* A value beside the records is cut behind a whole character. */
static void test_xml_long_envelope(void **state)
{
    struct sc_buf body = {0}, got = {0}, want = {0};

    (void)state;
    repeat(&body, "<L><page><n>x", "\xE2\x82\xAC", 1365, "</n></page></L>");
    cut_text(&got, &below, &body);
    repeat(&want, "good [x", "\xE2\x82\xAC", 1365, "]\n");
    CHECK_TEXT("fits", got.ptr, want.ptr);
    repeat(&body, "<L><page><n>", "\xE2\x82\xAC", 1366, "y</n></page></L>");
    cut_text(&got, &below, &body);
    repeat(&want, "good [", "\xE2\x82\xAC", 1365, "...]\n");
    CHECK_TEXT("cut", got.ptr, want.ptr);
    sc_buf_done(&body);
    sc_buf_done(&got);
    sc_buf_done(&want);
}

/* A parent that is too long to be held gives its nested ones away as it knows them. */
static void test_xml_long_parent(void **state)
{
    static const char nested[] = "<D><q>0123456789012345678901234567890123456789</q></D>";
    struct sc_buf body = {0}, got = {0};
    unsigned count = 0;

    (void)state;
    repeat(&body, "<L><R><a>1</a><W>", nested, 50, "</W></R><R><a>2</a><W><D/></W></R></L>");
    cut_text(&got, &small, &body);
    for (const char *p = got.ptr; (p = strstr(p, "record {\"a\":\"1\",\"q\":\"01")) != NULL; p++)
        count++;
    CHECK_INT("all", count, 50);
    CHECK_TRUE("the next one is whole", strstr(got.ptr, "\nrecord {\"a\":\"2\"}\ngood"));
    repeat(&body, "<L><R><a>1</a><W>", nested, 50, "\n</W>\n<W>\n<D/></W></R></L>");
    cut_text(&got, &small, &body);
    CHECK_TRUE("more lists", strstr(got.ptr, "\nrecord {\"a\":\"1\"}\ngood"));
    repeat(&body, "<L><R><a>1</a><W>", nested, 50, "</W><b>2</b></R></L>");
    cut_text(&got, &small, &body);
    CHECK_TRUE("a member that comes too late", strstr(got.ptr, "\nrecord_too_large: b behind record 50 belongs to records that had to be handed over"));
    repeat(&body, "<L><R><a>1</a><W>", nested, 50, "</W>t</R></L>");
    cut_text(&got, &small, &body);
    CHECK_TRUE("a text that comes too late", strstr(got.ptr, "\nrecord_too_large: text behind record 50 "));
    repeat(&body, "<L><R><a>1</a><W>", nested, 50, "</W><W n='1'/></R></L>");
    cut_text(&got, &small, &body);
    CHECK_TRUE("an attribute that comes too late", strstr(got.ptr, "\nrecord_too_large: W behind record 50 "));
    sc_buf_done(&body);
    sc_buf_done(&got);
}

/* A large parent over and over for tiny nested ones: what would come of it has a limit. */
static void test_xml_multiplied(void **state)
{
    struct sc_buf body = {0}, nested = {0};
    struct sc_error err = SC_ERROR_INIT;
    struct sc_cut_sink sink;
    struct sc_cut *cut;
    size_t used;

    (void)state;
    repeat(&nested, "</a>", "<D/>", 4000, "</R></L>");
    repeat(&body, "<L><R><a>", "0123456789abcdef", 20000, nested.ptr);
    sink = xml_deaf_sink();
    cut = sc_cut_new(&direct, sink, &err);
    CHECK_INT("refused", sc_cut_feed(cut, body.ptr, body.len, &used, &err), -1);
    CHECK_INT("why", err.reason, SC_REASON_RESPONSE_TOO_LARGE);
    CHECK_TRUE("why", strstr(err.text, "more than 200 times as much: not an honest answer"));
    sc_cut_free(cut);
    sc_buf_done(&body);
    sc_buf_done(&nested);
}

/* Expat keeps names: there is an end to it, and the next body is read as ever. */
static void test_xml_endless_names(void **state)
{
    struct sc_error err = SC_ERROR_INIT;
    struct sc_cut *cut = sc_cut_new(&plain, xml_deaf_sink(), &err);
    struct sc_buf piece = {0};
    size_t used;
    int r = 0;

    (void)state;
    CHECK_INT("begins", sc_cut_feed(cut, "<L>", 3, &used, &err), 0);
    for (unsigned i = 0; r == 0 && i < 2000000; i++) {
        sc_buf_clear(&piece);
        for (unsigned last = i + 100; i < last; i++)
            sc_buf_addf(&piece, "<name-that-comes-but-once-%u/>", i);
        r = sc_cut_feed(cut, piece.ptr, piece.len, &used, &err);
    }
    CHECK_INT("refused", r, -1);
    CHECK_TEXT("why", err.text, "more names in the XML than 32 MiB hold: not an honest answer");
    sc_error_clear(&err);
    sc_cut_reset(cut);
    CHECK_INT("the next body", sc_cut_feed(cut, "<L><R/></L>", 11, &used, &err), 0);
    CHECK_INT("the next body", sc_cut_finish(cut, &err), 0);
    CHECK_INT("the next body", sc_cut_records(cut), 1);
    sc_cut_free(cut);
    sc_buf_done(&piece);
}

/* Many names, many of one name: time stays in proportion. The test's own time limit is the check. */
static void test_xml_many_members(void **state)
{
    struct sc_buf body = {0}, got = {0};

    (void)state;
    body.max = 64u << 20;
    sc_buf_add_str(&body, "<L><R>");
    for (unsigned i = 0; i < 80000; i++)
        sc_buf_addf(&body, "<n%u/><a>%u</a>", i, i);
    sc_buf_add_str(&body, "</R></L>");
    struct sc_cut_spec spec = {.format = SC_CUT_XML, .records = "L.R", .record_max = 64u << 20};
    any_cut(&got, &spec, body.ptr, body.len, (struct how){0});
    CHECK_TRUE("good", strncmp(got.ptr, "record {\"n0\":\"\",\"a\":[\"0\",\"1\",", 29) == 0 && strstr(got.ptr, "\"n79999\":\"\"}\ngood"));
    repeat(&body, "<L><R>", "<W><D/></W>", 80000, "</R></L>");
    spec.nested = "W.D";
    any_cut(&got, &spec, body.ptr, body.len, (struct how){0});
    CHECK_INT("eighty thousand", got.len, 80000 * 10 + 8);
    sc_buf_done(&body);
    sc_buf_done(&got);
}

static void test_xml_bad_specs(void **state)
{
    static const struct {
        struct sc_cut_spec spec;
        const char *want;
    } bad[] = {
        {{.format = SC_CUT_XML}, "no cutter: path \"\" of the records: XML needs the names of elements\n"},
        {{.format = SC_CUT_XML, .records = ""}, "no cutter: path \"\" of the records: XML needs the names of elements\n"},
        {{.format = SC_CUT_XML, .records = "[]"}, "no cutter: path \"[]\" of the records: XML needs the names of elements\n"},
        {{.format = SC_CUT_XML, .records = "A..B"}, "no cutter: path \"A..B\": a name is missing at 2\n"},
        {{.format = SC_CUT_XML, .records = "A", .nested = ""}, "no cutter: path \"A.\": a name is missing at 2\n"},
        {{.format = SC_CUT_XML, .records = "A", .nested = "B[]"}, "no cutter: path \"B[]\": [] has no meaning there\n"},
        {{.format = SC_CUT_XML, .records = "A", .envelope = {"B[]"}}, "no cutter: path \"B[]\": [] is only for the records\n"},
        {{.format = (enum sc_cut_format)9, .records = "A"}, "no cutter: no cutter for format 9\n"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(bad); i++) {
        struct sc_buf got = {0};

        any_cut(&got, &bad[i].spec, "", 0, (struct how){0});
        CHECK_TEXT("spec", got.ptr, bad[i].want);
        sc_buf_done(&got);
    }
}

static void test_xml_random(void **state)
{
    uint64_t seed = 20261122;

    (void)state;
    for (unsigned turn = 0; turn < 1500; turn++) {
        struct sc_buf body = {0}, want = {0}, got = {0};
        struct sc_cut_spec spec = {.format = SC_CUT_XML, .records = "L.P.R", .nested = turn % 2 ? "N.D" : NULL};

        xml_random(&body, &want, spec.nested != NULL, &seed);
        any_cut(&got, &spec, body.ptr, body.len, (struct how){0});
        sc_buf_add_str(&want, "good []\n");
        if (strcmp(got.ptr, want.ptr) != 0)
            print_error("%s\n", body.ptr);
        CHECK_TEXT("document", got.ptr, want.ptr);
        any_check(&spec, body.ptr, body.len, turn % 50 ? 0 : 2000);
        sc_buf_done(&body);
        sc_buf_done(&want);
        sc_buf_done(&got);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_xml_json),         cmocka_unit_test(test_xml_nested),      cmocka_unit_test(test_xml_errors),
        cmocka_unit_test(test_xml_utf16),        cmocka_unit_test(test_xml_caps),        cmocka_unit_test(test_xml_long_parent),
        cmocka_unit_test(test_xml_multiplied),   cmocka_unit_test(test_xml_many_members), cmocka_unit_test(test_xml_bad_specs),
        cmocka_unit_test(test_xml_first_bytes),  cmocka_unit_test(test_xml_long_envelope), cmocka_unit_test(test_xml_random),       cmocka_unit_test(test_xml_endless_names),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
