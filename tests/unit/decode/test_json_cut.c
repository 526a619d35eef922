/* The JSON cutter, case by case: what is a record, what is an error and how it is worded, what is
 * captured. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "check.h"
#include "cut_harness.h"

#include <stdlib.h>

#define COUNT(a) (sizeof(a) / sizeof(*(a)))

static const struct how whole = {0};

/* ---- records -------------------------------------------------------------------------------- */

static const struct {
    const char *why, *path, *body;
    const char *records[6];
} cut_rows[] = {
    {"empty array",                          "[]",                 "[]",                                                          {0}                           },
    {"null is an empty list",                "items[]",            "{\"items\":null}",                                            {0}                           },
    {"null, deeper",                         "data.items[]",       "{\"data\":{\"items\": null },\"x\":1}",                         {0}                           },
    {"null is the whole body",               "[]",                 " null ",                                                      {0}                           },
    {"empty array with blanks",              "[]",                 " [ \n] ",                                                     {0}                           },
    {"objects",                              "[]",                 "[{\"a\":1},{}]",                                              {"{\"a\":1}", "{}"}           },
    {"blanks are nobody's",                  "[]",                 "[ {\"a\" : 1} ,\r\n\t{} ]",                                   {"{\"a\" : 1}", "{}"}         },
    {"any value is a record",
     "[]",                                                         "[1 ,\"a\",null,[ 2],true,-0.5e1]",
     {"1", "\"a\"", "null", "[ 2]", "true", "-0.5e1"}                                                                                                           },
    {"a number ends at the comma",           "[]",                 "[12,34]",                                                     {"12", "34"}                  },
    {"a number ends at the bracket",         "[]",                 "[12]",                                                        {"12"}                        },
    {"nested arrays are not cut",            "[]",                 "[[[1],[2]],[]]",                                              {"[[1],[2]]", "[]"}           },
    {"brackets in strings",                  "[]",                 "[{\"a\":\"]},{\\\"[\"},1]",                                   {"{\"a\":\"]},{\\\"[\"}", "1"}},
    {"member",                               "items[]",            "{\"items\":[1]}",                                             {"1"}                         },
    {"member, others around",                "items[]",            "{\"a\":[7],\"items\":[1],\"b\":{\"items\":[8]}}",             {"1"}                         },
    {"two levels",                           "data.items[]",       "{\"data\":{\"x\":1,\"items\":[1,2]}}",                        {"1", "2"}                    },
    {"same name deeper",                     "items[]",            "{\"a\":{\"items\":[8]},\"items\":[1]}",                       {"1"}                         },
    {"same name higher",                     "data.items[]",       "{\"items\":[8],\"data\":{\"items\":[1]}}",                    {"1"}                         },
    {"same name in an array",
     "data.items[]",                                               "{\"data\":{\"a\":[{\"items\":[8]}],\"items\":[1]}}",
     {"1"}                                                                                                                                                      },
    {"an array is not an object on the way",
     "data.items[]",                                               "{\"data\":[{\"items\":[8]}],\"data\":{\"items\":[1]}}",
     {"1"}                                                                                                                                                      },
    {"same name inside a record",
     "items[]",                                                    "{\"items\":[{\"items\":[1,2]}]}",
     {"{\"items\":[1,2]}"}                                                                                                                                      },
    {"same name as text",
     "items[]",                                                    "{\"a\":\"items\",\"b\":\"\\\"items\\\":[8]\",\"items\":[1]}",
     {"1"}                                                                                                                                                      },
    {"name begins the same",                 "item[]",             "{\"items\":[8],\"ite\":[8],\"item\":[1]}",                    {"1"}                         },
    {"upper case is another name",           "items[]",            "{\"Items\":[8],\"items\":[1]}",                               {"1"}                         },
    {"escaped name",                         "items[]",            "{\"\\u0069tem\\u0073\":[1]}",                                 {"1"}                         },
    {"escaped name, not ours",
     "items[]",                                                    "{\"items\\u0000\":[8],\"\\titems\":[8],\"items\":[1]}",
     {"1"}                                                                                                                                                      },
    {"name with UTF-8, written both ways",
     "d\xC3\xA9j\xC3\xA0.v\xC3\xBA[]",                             "{\"d\\u00e9j\xC3\xA0\":{\"v\\u00FA\":[1]}}",
     {"1"}                                                                                                                                                      },
    {"name beyond the BMP",                  "\xF0\x9F\x98\x80[]", "{\"\\ud83d\\uDE00\":[1]}",                                    {"1"}                         },
    {"a lone surrogate is another name",
     "\xF0\x9F\x98\x80[]",                                         "{\"\\ud83d\":[8],\"\\ude00\":[8],\"\xF0\x9F\x98\x80\":[1]}",
     {"1"}                                                                                                                                                      },
    {"dot in a name",
     "@odata\\.value[]",                                           "{\"@odata\":{\"value\":[8]},\"@odata.value\":[1]}",
     {"1"}                                                                                                                                                      },
    {"brackets and star in a name",          "\\[\\]\\*\\\\[]",    "{\"[]*\\\\\":[1]}",                                           {"1"}                         },
    {"byte order mark",                      "[]",                 "\xEF\xBB\xBF[1]",                                             {"1"}                         },
    {"byte order mark and blanks",           "[]",                 "\xEF\xBB\xBF [1]\n",                                          {"1"}                         },
    {"escapes stay as they are",             "[]",                 "[\"\\u0041\\/\\ud83d\"]",                                     {"\"\\u0041\\/\\ud83d\""}     },
    {"big number stays as it is",
     "[]",                                                         "[12345678901234567890123456789.00]",
     {"12345678901234567890123456789.00"}                                                                                                                       },
    {"the way twice, the array once",
     "data.items[]",                                               "{\"data\":{\"x\":1},\"data\":{\"items\":[1]}}",
     {"1"}                                                                                                                                                      },
};

static void test_json_cut_records(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(cut_rows); i++) {
        struct sc_json_spec spec = {.records = cut_rows[i].path};
        const char *body = cut_rows[i].body;
        struct seen seen;
        size_t n = 0;

        harness_cut(&seen, &spec, body, strlen(body), whole);
        CHECK_TEXT(cut_rows[i].why, seen.err.text, "");
        for (; n < COUNT(cut_rows[i].records) && cut_rows[i].records[n]; n++) {
            CHECK_TRUE(cut_rows[i].why, n < seen.count);
            CHECK_BYTES(cut_rows[i].why, body + seen.records[n].at, seen.records[n].len,
                        cut_rows[i].records[n], strlen(cut_rows[i].records[n]));
        }
        CHECK_INT(cut_rows[i].why, seen.count, n);
        CHECK_INT(cut_rows[i].why, seen.slices, n); /* one slice a record when it is at hand */
        harness_done(&seen);
    }
}

/* ---- records that are no objects ------------------------------------------------------------- */

static const struct {
    const char *why, *body;
    const char *records[12];
} scalar_rows[] = {
    {"strings",                                   "{\"resources\":[\"8f3a\",\"8f3b\"]}",    {"\"8f3a\"", "\"8f3b\""}                                                       },
    {"one string",                                "{\"resources\":[\"8f3a\"]}",             {"\"8f3a\""}                                                                   },
    {"one digit",                                 "{\"resources\":[7]}",                    {"7"}                                                                          },
    {"empty strings",                             "{\"resources\":[\"\",\"\" ,\"\"]}",      {"\"\"", "\"\"", "\"\""}                                                       },
    {"strings that look like more",
     "{\"resources\":[\"],\",\"\\\",\\\"\",\"{\\\"id\\\":1}\",\",\"]}",                     {"\"],\"", "\"\\\",\\\"\"", "\"{\\\"id\\\":1}\"", "\",\""}                     },
    {"a backslash before the quote that ends it",
     "{\"resources\":[\"\\\\\",\"\\\\\\\"\"]}",                                             {"\"\\\\\"", "\"\\\\\\\"\""}                                                   },
    {"escapes and UTF-8 as they are",
     "{\"resources\":[\"\\u00e9\\ud83d\\ude00\",\"\xC3\xA9\xF0\x9F\x98\x80\",\"\\/\"]}",    {"\"\\u00e9\\ud83d\\ude00\"", "\"\xC3\xA9\xF0\x9F\x98\x80\"", "\"\\/\""}       },
    {"blanks are nobody's",
     "{\"resources\":[ \"a\" , 1\t,\r\n2\n, true ]}",                                       {"\"a\"", "1", "2", "true"}                                                    },
    {"numbers, each form",
     "{\"resources\":[0,-0,12,-7,0.50,1e5,1E+5,-1.25e-10,9007199254740993]}",               {"0", "-0", "12", "-7", "0.50", "1e5", "1E+5", "-1.25e-10", "9007199254740993"}},
    {"numbers, blanks behind",                    "{\"resources\":[0 ,12\n,1.5\t,1e5\r]}",  {"0", "12", "1.5", "1e5"}                                                      },
    {"literals",                                  "{\"resources\":[null,true,false,null]}", {"null", "true", "false", "null"}                                              },
    {"of all kinds",
     "{\"resources\":[1,\"1\",null,[1],{\"id\":1},[],{},2]}",                               {"1", "\"1\"", "null", "[1]", "{\"id\":1}", "[]", "{}", "2"}                   },
    {"the same value again is a record again",
     "{\"resources\":[1,1,\"a\",\"a\"]}",                                                   {"1", "1", "\"a\"", "\"a\""}                                                   },
    {"the path's name as a record",
     "{\"resources\":[\"resources\",\"errors\"]}",                                          {"\"resources\"", "\"errors\""}                                                },
    {"between arrays that are captured",
     "{\"errors\":[\"e\"],\"resources\":[\"a\",2],\"meta\":[3]}",                           {"\"a\"", "2"}                                                                 },
};

static void check_scalars(size_t row, const struct sc_json_spec *spec, struct how how)
{
    const char *body = scalar_rows[row].body, *why = scalar_rows[row].why;
    struct seen seen;
    size_t n = 0;

    harness_cut(&seen, spec, body, strlen(body), how);
    CHECK_TEXT(why, seen.err.text, "");
    for (; n < COUNT(scalar_rows[row].records) && scalar_rows[row].records[n]; n++) {
        CHECK_TRUE(why, n < seen.count);
        CHECK_BYTES(why, body + seen.records[n].at, seen.records[n].len,
                    scalar_rows[row].records[n], strlen(scalar_rows[row].records[n]));
        if (body[seen.records[n].at] != '{')
            CHECK_INT("no member, no id", seen.records[n].fields[0].kind, SC_CUT_ABSENT);
        CHECK_TRUE("nothing wrong with it", !seen.records[n].bad_utf8 && !seen.records[n].too_deep);
    }
    CHECK_INT(why, seen.count, n);
    harness_done(&seen);
    harness_check(spec, body, strlen(body), how);
}

static void test_json_cut_scalars(void **state)
{
    struct sc_json_spec spec = {
        .records = "resources[]", .fields = {"id"   },
             .envelope = { "errors", "meta"}
    };

    (void)state;
    for (size_t i = 0; i < COUNT(scalar_rows); i++)
        for (size_t split = 0; split < strlen(scalar_rows[i].body); split++)
            for (size_t n = 0; n < 8; n++)
                check_scalars(i, &spec,
                              (struct how){.split = split,
                                           .chunk = n / 2,
                                           .pause_percent = n % 2 * 60,
                                           .seed = split});
}

/* Longer than a chunk, than what is kept of a value, than anything: the bytes come all the same. */
static void test_json_cut_long_scalars(void **state)
{
    enum { LONG = 20000 };
    static const char tail[] = ",7]}";
    static const size_t chunks[] = {0, 1, 15, 16, 17, 4096, 16384};
    struct sc_json_spec spec = {.records = "resources[]", .fields = {"id"}};
    char *body = malloc(LONG + 100);

    (void)state;
    for (size_t i = 0; i < 2 * COUNT(chunks); i++) {
        const char *quote = i % 2 ? "\"" : "";
        size_t at = (size_t)snprintf(body, 100, "{\"resources\":[%s", quote);
        struct seen seen;

        memset(body + at, '8', LONG);
        at += LONG + (size_t)snprintf(body + at + LONG, 50, "%s%s", quote, tail);
        harness_cut(&seen, &spec, body, at,
                    (struct how){.chunk = chunks[i / 2], .pause_percent = 20, .seed = i});
        CHECK_TEXT("long", seen.err.text, "");
        CHECK_INT("long", seen.count, 2);
        CHECK_INT("long", seen.records[0].at, 14);
        CHECK_INT("long", seen.records[0].len, LONG + 2 * strlen(quote));
        CHECK_BYTES("the next", body + seen.records[1].at, seen.records[1].len, "7", 1);
        harness_done(&seen);
    }
    free(body);
}

/* A string that is no UTF-8 is told of as such, and only that one. */
static void test_json_cut_bad_scalars(void **state)
{
    static const char body[] = "{\"resources\":[\"a\",\"b\xC3\",\"\xC3\xA9\",\"\xFFz\",4]}";
    static const int bad_at[] = {-1, 2, -1, 1, -1};
    struct sc_json_spec spec = {.records = "resources[]"};

    (void)state;
    for (size_t split = 0; split < sizeof(body) - 1; split++) {
        struct how how = {.split = split, .chunk = split % 3, .pause_percent = 30, .seed = split};
        struct seen seen;

        harness_cut(&seen, &spec, body, sizeof(body) - 1, how);
        CHECK_TEXT("bad UTF-8 is no error", seen.err.text, "");
        CHECK_INT("all of them", seen.count, COUNT(bad_at));
        for (size_t i = 0; i < COUNT(bad_at); i++) {
            CHECK_INT("the bad ones", seen.records[i].bad_utf8, bad_at[i] >= 0);
            if (bad_at[i] >= 0)
                CHECK_INT("where", seen.records[i].bad_at, bad_at[i]);
        }
        harness_done(&seen);
        harness_check(&spec, body, sizeof(body) - 1, how);
    }
}

/* ---- errors --------------------------------------------------------------------------------- */

static const struct {
    const char *why, *path, *body, *text;
    size_t records; /* before */
} error_rows[] = {
    {"empty",                                 "[]",           "",                                     "the body is empty",                                          0},
    {"mark only",                             "[]",           "\xEF\xBB\xBF",                         "the body is empty",                                          0},
    {"half a mark",                           "[]",           "\xEF\xBB",                             "the body is empty",                                          0},
    {"blanks",                                "[]",           " \n\t ",                               "the body is empty: 4 bytes, all blank",                      0},
    {"web page",                              "[]",           "<!DOCTYPE html>",                      "unexpected '<' at byte 0: not JSON",                         0},
    {"web page after blanks",                 "a[]",          "\r\n<html>",                           "unexpected '<' at byte 2: not JSON",                         0},
    {"plain text",                            "[]",           "Service unavailable",                  "unexpected 'S' at byte 0: not JSON",                         0},
    {"plain text that begins like a literal", "[]",           "too many requests",
     "unexpected 'o' at byte 1: not JSON",                                                                                                                          0},
    {"gzip",                                  "[]",           "\x1F\x8B\x08",                         "unexpected byte 0x1f at byte 0: not JSON",                   0},
    {"wrong mark",                            "[]",           "\xEF\xBB[]",                           "unexpected '[' at byte 2: not JSON",                         0},
    {"mark in the middle",                    "[]",           "[\xEF\xBB\xBF]",
     "unexpected byte 0xef at byte 1: a value was expected",                                                                                                        0},
    {"two marks",                             "[]",           "\xEF\xBB\xBF\xEF\xBB\xBF[]",           "unexpected byte 0xef at byte 3: not JSON",
     0                                                                                                                                                               },
    {"text after",                            "[]",           "[1] x",                                "unexpected 'x' at byte 4: text after the JSON value",        1},
    {"second value",                          "[]",           "[1][2]",                               "unexpected '[' at byte 3: text after the JSON value",        1},
    {"form feed is no blank",                 "[]",           "[1,\f2]",
     "unexpected byte 0x0c at byte 3: a value was expected",                                                                                                        1},
    {"comma after the last",                  "[]",           "[1,]",                                 "unexpected ']' at byte 3: a value was expected",             1},
    {"comma before the first",                "[]",           "[,1]",                                 "unexpected ',' at byte 1: a value was expected",             0},
    {"no comma",                              "[]",           "[1 2]",                                "unexpected '2' at byte 3: ',' or ']' was expected",          1},
    {"wrong bracket",                         "[]",           "[1}",                                  "unexpected '}' at byte 2: ',' or ']' was expected",          1},
    {"wrong bracket inside",                  "[]",           "[{\"a\":[1}]",
     "unexpected '}' at byte 8: ',' or ']' was expected",                                                                                                           0},
    {"object closed wrong",                   "[]",           "[{\"a\":1]]",
     "unexpected ']' at byte 7: ',' or '}' was expected",                                                                                                           0},
    {"no colon",                              "[]",           "[{\"a\" 1}]",                          "unexpected '1' at byte 6: ':' was expected",                 0},
    {"no value",                              "[]",           "[{\"a\":}]",                           "unexpected '}' at byte 6: a value was expected after ':'",   0},
    {"name without quotes",                   "[]",           "[{a:1}]",                              "unexpected 'a' at byte 2: a member name was expected",
     0                                                                                                                                                               },
    {"member comma",                          "[]",           "[{\"a\":1,}]",                         "unexpected '}' at byte 8: a member name was expected",
     0                                                                                                                                                               },
    {"literal",                               "[]",           "[nul]",                                "unexpected ']' at byte 4: true, false or null was expected", 0},
    {"literal in capitals",                   "[]",           "[True]",                               "unexpected 'T' at byte 1: a value was expected",             0},
    {"literal goes on",                       "[]",           "[nulll]",                              "unexpected 'l' at byte 5: ',' or ']' was expected",          1},
    {"leading zero",                          "[]",           "[01]",                                 "unexpected '1' at byte 2: ',' or ']' was expected",          1},
    {"plus",                                  "[]",           "[+1]",                                 "unexpected '+' at byte 1: a value was expected",             0},
    {"minus alone",                           "[]",           "[-]",                                  "unexpected ']' at byte 2: wrong number",                     0},
    {"point without digits",                  "[]",           "[1.]",                                 "unexpected ']' at byte 3: wrong number",                     0},
    {"point first",                           "[]",           "[.5]",                                 "unexpected '.' at byte 1: a value was expected",             0},
    {"exponent without digits",               "[]",           "[1e+]",                                "unexpected ']' at byte 4: wrong number",                     0},
    {"two points",                            "[]",           "[1.2.3]",                              "unexpected '.' at byte 4: ',' or ']' was expected",          1},
    {"hexadecimal",                           "[]",           "[0x1]",                                "unexpected 'x' at byte 2: ',' or ']' was expected",          1},
    {"not a number",                          "[]",           "[NaN]",                                "unexpected 'N' at byte 1: a value was expected",             0},
    {"minus infinity",                        "[]",           "[-Infinity]",                          "unexpected 'I' at byte 2: wrong number",                     0},
    {"comment",                               "[]",           "[/**/1]",                              "unexpected '/' at byte 1: a value was expected",             0},
    {"single quotes",                         "[]",           "['a']",                                "unexpected ''' at byte 1: a value was expected",             0},
    {"escape",                                "[]",           "[\"\\x41\"]",                          "unexpected 'x' at byte 3: wrong escape in a string",         0},
    {"escape digits",                         "[]",           "[\"\\u00g0\"]",                        "unexpected 'g' at byte 6: wrong escape in a string",
     0                                                                                                                                                               },
    {"escape cut by the quote",               "[]",           "[\"\\u00\"]",
     "unexpected '\"' at byte 6: wrong escape in a string",                                                                                                         0},
    {"line break in a string",                "[]",           "[\"a\nb\"]",
     "unexpected byte 0x0a at byte 3: control character in a string",                                                                                               0},
    {"tab in a name",                         "[]",           "[{\"a\tb\":1}]",
     "unexpected byte 0x09 at byte 4: control character in a string",                                                                                               0},
    {"bad UTF-8 outside",                     "items[]",      "{\"a\":\"x\xFFy\",\"items\":[1]}",     "bad UTF-8 at byte 7",                                        0},
    {"bad UTF-8 in a name outside",           "items[]",      "{\"items\":[1],\"\xC3\":1}",           "bad UTF-8 at byte 14",
     1                                                                                                                                                               },
    {"no member",                             "items[]",      "{\"Items\":[1]}",                      "no member \"items\"",                                        0},
    {"no member, empty object",               "data.items[]", "{}",                                   "no member \"data.items\"",                                   0},
    {"member at another depth",               "items[]",      "{\"data\":{\"items\":[1]}}",           "no member \"items\"",                                        0},
    {"member in an array",                    "items[]",      "[{\"items\":[1]}]",
     "no member \"items\": the body is an array",                                                                                                                   0},
    {"body is text",                          "items[]",      "\"items\"",                            "no member \"items\": the body is a string",                  0},
    {"body is null",                          "items[]",      "null",                                 "no member \"items\": the body is null",                      0},
    {"null on the way to the array",          "data.items[]", "{\"data\":null}",                      "no member \"data.items\"",                                   0},
    {"false for the array",                   "items[]",      "{\"items\":false}",                    "\"items\" is false, not an array",                           0},
    {"null again",                            "items[]",      "{\"items\":null,\"items\":null}",
     "second \"items[]\" at byte 22: which are the records is not clear",                                                                                           0},
    {"ends after null",                       "items[]",      "{\"items\":null",                      "ended after 13 bytes, after the records",                    0},
    {"object for the array",                  "data.items[]", "{\"data\":{\"items\":{\"a\":[]}}}",
     "\"data.items\" is an object, not an array",                                                                                                                   0},
    {"string for the array",                  "items[]",      "{\"items\":\"[1]\"}",
     "\"items\" is a string, not an array",                                                                                                                         0},
    {"object for the top array",              "[]",           "{\"errorCode\":\"E0000011\"}",
     "the body is an object, not an array",                                                                                                                         0},
    {"number for the top array",              "[]",           " 12 ",                                 "the body is a number, not an array",                         0},
    {"number up to the end",                  "[]",           "12",                                   "the body is a number, not an array",                         0},
    {"false for the top array",               "[]",           "false",                                "the body is false, not an array",                            0},
    {"array twice",                           "items[]",      "{\"items\":[1],\"items\":[2]}",
     "second \"items[]\" at byte 21: which are the records is not clear",                                                                                           1},
    {"array after null",                      "items[]",      "{\"items\":null,\"items\":[2]}",
     "second \"items[]\" at byte 22: which are the records is not clear",                                                                                           0},
    {"array twice, by the way",               "a.b[]",        "{\"a\":{\"b\":[1]},\"a\":{\"b\":[]}}",
     "second \"a.b[]\" at byte 24: which are the records is not clear",                                                                                             1},
    {"ends in a record",                      "[]",           "[1,{\"a\":",                           "ended after 8 bytes in the middle of record 2",              1},
    {"ends in a number record",               "[]",           "[1,2",                                 "ended after 4 bytes in the middle of record 2",              1},
    {"ends between records",                  "[]",           "[1,2,",
     "ended after 5 bytes between the records, after 2 of them",                                                                                                    2},
    {"ends behind a record",                  "[]",           "[{}",
     "ended after 3 bytes between the records, after 1 of them",                                                                                                    1},
    {"ends before the records",               "items[]",      "{\"a\":1",                             "ended after 6 bytes, before the records",
     0                                                                                                                                                               },
    {"ends after the records",                "items[]",      "{\"items\":[1]",
     "ended after 12 bytes, after the records",                                                                                                                     1},
    {"ends in a literal",                     "[]",           "tru",                                  "ended after 3 bytes, before the records",                    0},
    {"ends in a string record",               "items[]",      "{\"items\":[\"a\",\"b",
     "ended after 16 bytes in the middle of record 2",                                                                                                              1},
    {"ends in an escape of a string record",  "[]",           "[\"a\\",
     "ended after 4 bytes in the middle of record 1",                                                                                                               0},
    {"ends in a literal record",              "[]",           "[1,tru",                               "ended after 6 bytes in the middle of record 2",
     1                                                                                                                                                               },
    {"ends behind a string record",           "[]",           "[\"a\"",
     "ended after 4 bytes between the records, after 1 of them",                                                                                                    1},
    {"ends behind a number record and blank", "[]",           "[12 ",
     "ended after 4 bytes between the records, after 1 of them",                                                                                                    1},
    {"a string record is not continued",      "[]",           "[\"a\"\"b\"]",
     "unexpected '\"' at byte 4: ',' or ']' was expected",                                                                                                          1},
    {"a number record is not continued",      "[]",           "[12a]",
     "unexpected 'a' at byte 3: ',' or ']' was expected",                                                                                                           1},
    {"ends in a wrong number",                "[]",           "1.",                                   "ended after 2 bytes, before the records",                    0},
};

static void test_json_cut_errors(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(error_rows); i++) {
        struct sc_json_spec spec = {.records = error_rows[i].path};

        for (size_t chunk = 0; chunk < 4; chunk++) {
            struct how how = {.chunk = chunk};
            struct seen seen;

            harness_cut(&seen, &spec, error_rows[i].body, strlen(error_rows[i].body), how);
            CHECK_TEXT(error_rows[i].why, seen.err.text, error_rows[i].text);
            CHECK_INT(error_rows[i].why, seen.err.reason, SC_REASON_BAD_RESPONSE);
            CHECK_INT(error_rows[i].why, seen.count, error_rows[i].records);
            harness_done(&seen);
            harness_check(&spec, error_rows[i].body, strlen(error_rows[i].body), how);
        }
    }
}

static void test_json_cut_nul_bytes(void **state)
{
    static const char *const bodies[] = {"\0[]",       "[\0]",          "[1\0]",
                                         "[]\0",       "[\"\0\"]",      "[{\"\0\":1}]",
                                         "[\"\\\0\"]", "[\"\\u00\0\"]", "[n\0"};
    static const size_t lens[] = {3, 3, 4, 3, 5, 8, 6, 9, 3};

    (void)state;
    for (size_t i = 0; i < COUNT(bodies); i++) {
        struct sc_json_spec spec = {.records = "[]"};
        struct seen seen;

        harness_cut(&seen, &spec, bodies[i], lens[i], whole);
        CHECK_TRUE(bodies[i], strstr(seen.err.text, "unexpected byte 0x00 at byte "));
        harness_done(&seen);
    }
}

/* ---- captured values ------------------------------------------------------------------------ */

static const struct {
    const char *why, *path, *record;
    enum sc_cut_kind kind;
    const char *text;
} value_rows[] = {
    {"string",                              "id",       "{\"id\":\"abc\"}",                                             SC_CUT_STRING, "abc"             },
    {"empty string",                        "id",       "{\"id\":\"\"}",                                                SC_CUT_STRING, ""                },
    {"number as written",                   "id",       "{\"id\":-1.50E+3}",                                            SC_CUT_NUMBER, "-1.50E+3"        },
    {"big number",                          "id",       "{\"id\":123456789012345678901234567890}",                      SC_CUT_NUMBER,
     "123456789012345678901234567890"                                                                                                                    },
    {"true",                                "id",       "{\"id\":true}",                                                SC_CUT_TRUE,   "true"            },
    {"false",                               "id",       "{\"id\":false}",                                               SC_CUT_FALSE,  "false"           },
    {"null",                                "id",       "{\"id\":null}",                                                SC_CUT_NULL,   "null"            },
    {"object",                              "id",       "{\"id\":{\"id\":1}}",                                          SC_CUT_OBJECT, ""                },
    {"array",                               "id",       "{\"id\":[1]}",                                                 SC_CUT_ARRAY,  ""                },
    {"absent",                              "id",       "{\"ID\":1}",                                                   SC_CUT_ABSENT, ""                },
    {"record is no object",                 "id",       "[{\"id\":1}]",                                                 SC_CUT_ABSENT, ""                },
    {"record is a string",                  "id",       "\"id\"",                                                       SC_CUT_ABSENT, ""                },
    {"deeper",                              "actor.id", "{\"id\":1,\"actor\":{\"x\":{\"id\":2},\"id\":3}}",             SC_CUT_NUMBER, "3"               },
    {"not that deep",                       "id",       "{\"actor\":{\"id\":2}}",                                       SC_CUT_ABSENT, ""                },
    {"not in arrays",                       "actor.id", "{\"actor\":[{\"id\":2}]}",                                     SC_CUT_ABSENT, ""                },
    {"after other objects",                 "a.b.c",
     "{\"a\":{\"x\":{\"b\":{\"c\":9}},\"b\":{\"c\":{\"c\":8}},\"d\":1}}",                                               SC_CUT_OBJECT, ""                },
    {"escapes",                             "id",       "{\"id\":\"\\\"\\\\\\/\\b\\f\\n\\r\\t\\u0041\\u00e9\\u20AC\"}", SC_CUT_STRING,
     "\"\\/\b\f\n\r\tA\xC3\xA9\xE2\x82\xAC"                                                                                                              },
    {"raw UTF-8",                           "id",       "{\"id\":\"a\xC3\xA9\xF0\x9F\x98\x80z\"}",                      SC_CUT_STRING,
     "a\xC3\xA9\xF0\x9F\x98\x80z"                                                                                                                        },
    {"surrogate pair",                      "id",       "{\"id\":\"\\ud83d\\ude00\"}",                                  SC_CUT_STRING, "\xF0\x9F\x98\x80"},
    {"highest pair",                        "id",       "{\"id\":\"\\uDBFF\\uDFFF\"}",                                  SC_CUT_STRING, "\xF4\x8F\xBF\xBF"},
    {"lone high",                           "id",       "{\"id\":\"\\ud83d\"}",                                         SC_CUT_STRING, "\xEF\xBF\xBD"    },
    {"lone low",                            "id",       "{\"id\":\"\\ude00x\"}",                                        SC_CUT_STRING, "\xEF\xBF\xBDx"   },
    {"high, text, low",                     "id",       "{\"id\":\"\\ud83dx\\ude00\"}",                                 SC_CUT_STRING,
     "\xEF\xBF\xBDx\xEF\xBF\xBD"                                                                                                                         },
    {"high, escape, low",                   "id",       "{\"id\":\"\\ud83d\\n\\ude00\"}",                               SC_CUT_STRING,
     "\xEF\xBF\xBD\n\xEF\xBF\xBD"                                                                                                                        },
    {"two highs, low",                      "id",       "{\"id\":\"\\ud83d\\ud83d\\ude00\"}",                           SC_CUT_STRING,
     "\xEF\xBF\xBD\xF0\x9F\x98\x80"                                                                                                                      },
    {"high, other unit",                    "id",       "{\"id\":\"\\ud83d\\u0041\"}",                                  SC_CUT_STRING,
     "\xEF\xBF\xBD"
     "A"                                                                                                                                                 },
    {"last one counts",                     "id",       "{\"id\":1,\"id\":\"two\"}",                                    SC_CUT_STRING, "two"             },
    {"last one counts, with what is in it", "actor.id", "{\"actor\":{\"id\":1},\"actor\":{}}",
     SC_CUT_ABSENT,                                                                                                                    ""                },
    {"last one counts, other kind",         "actor.id", "{\"actor\":{\"id\":1},\"actor\":7}",                           SC_CUT_ABSENT,
     ""                                                                                                                                                  },
    {"escaped name",                        "id",       "{\"\\u0069\\u0064\":5}",                                       SC_CUT_NUMBER, "5"               },
    {"name with a dot",                     "a\\.b.c",  "{\"a\":{\"b\":{\"c\":1}},\"a.b\":{\"c\":2}}",                  SC_CUT_NUMBER,
     "2"                                                                                                                                                 },
    {"blanks",                              "id",       "{ \"id\" : \n 5 }",                                            SC_CUT_NUMBER, "5"               },
};

static void test_json_cut_fields(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(value_rows); i++) {
        struct sc_json_spec spec = {
            .records = "a.r[]", .fields = {"none", value_rows[i].path, "id.x", value_rows[i].path}
        };
        char body[512];
        int len = snprintf(
            body, sizeof(body),
            "{\"id\":0,\"a\":{\"id\":0,\"r\":[{\"id\":\"before\",\"actor\":{\"id\":0}},%s]}}",
            value_rows[i].record);

        for (size_t chunk = 0; chunk < 20; chunk++) {
            struct how how = {.chunk = chunk, .pause_percent = chunk % 3 ? 50 : 0, .seed = i};
            struct seen seen;

            harness_cut(&seen, &spec, body, (size_t)len, how);
            CHECK_TEXT(value_rows[i].why, seen.err.text, "");
            CHECK_INT(value_rows[i].why, seen.count, 2);
            for (unsigned f = 1; f <= 3; f += 2) { /* asked for twice: both get it */
                CHECK_INT(value_rows[i].why, seen.records[1].fields[f].kind, value_rows[i].kind);
                CHECK_BYTES(value_rows[i].why, seen.records[1].fields[f].text,
                            seen.records[1].fields[f].len, value_rows[i].text,
                            strlen(value_rows[i].text));
                CHECK_INT(value_rows[i].why, seen.records[1].fields[f].cut, false);
            }
            CHECK_INT(value_rows[i].why, seen.records[1].fields[0].kind, SC_CUT_ABSENT);
            harness_done(&seen);
            harness_check(&spec, body, (size_t)len, how);
        }
    }
}

/* A body with one value of `len` plain bytes, then `tail`, as an id. */
static char *long_value(const char *open, size_t len, const char *tail, size_t *ret)
{
    char *body = malloc(len + 200);
    size_t at = (size_t)snprintf(body, len + 200, "[{\"id\":%s", open);

    memset(body + at, '7', len);
    at += len;
    *ret = at + (size_t)snprintf(body + at, 100, "%s,\"x\":1}]", tail);
    return body;
}

static void test_json_cut_long_values(void **state)
{
    static const struct {
        const char *why, *open, *tail;
        size_t len, want;
        bool cut;
    } rows[] = {
        {"fits",                                  "\"", "\"",               4096,  4096, false},
        {"one too many",                          "\"", "\"",               4097,  4096, true },
        {"many too many",                         "\"", "\"",               20000, 4096, true },
        {"character fits",                        "\"", "\xE2\x82\xAC\"",   4093,  4096, false},
        {"character does not fit",                "\"", "\xE2\x82\xAC\"",   4094,  4094, true },
        {"character does not fit by one",         "\"", "\xE2\x82\xAC\"",   4095,  4095, true },
        {"escape fits",                           "\"", "\\u20ac\"",        4093,  4096, false},
        {"escape does not fit, nor what follows", "\"", "\\u20acabc\"",     4094,  4094, true },
        {"pair does not fit",                     "\"", "\\ud83d\\ude00\"", 4093,  4093, true },
        {"number fits",                           "",   "",                 4096,  4096, false},
        {"number is cut",                         "",   ".5",               4095,  4096, true },
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        static const size_t chunks[] = {0, 1, 7, 1000, 4096, 4097};

        for (size_t c = 0; c < COUNT(chunks); c++) {
            struct sc_json_spec spec = {.records = "[]", .fields = {"id"}};
            struct how how = {.chunk = chunks[c], .pause_percent = 10};
            struct seen seen;
            size_t len;
            char *body = long_value(rows[i].open, rows[i].len, rows[i].tail, &len);

            harness_cut(&seen, &spec, body, len, how);
            CHECK_TEXT(rows[i].why, seen.err.text, "");
            CHECK_INT(rows[i].why, seen.records[0].fields[0].len, rows[i].want);
            CHECK_INT(rows[i].why, seen.records[0].fields[0].cut, rows[i].cut);
            CHECK_INT(rows[i].why, seen.records[0].len, len - 2);
            harness_done(&seen);
            harness_check(&spec, body, len, how);
            free(body);
        }
    }
}

static void test_json_cut_long_names(void **state)
{
    (void)state;
    for (size_t len = 250; len < 270; len++) {
        char path[300], body[1000];
        struct sc_json_spec spec = {.records = "[]", .fields = {path}};
        struct sc_error err = SC_ERROR_INIT;
        int n;

        memset(path, 'k', len);
        path[len] = '\0';
        if (len > 255) {
            CHECK_TRUE("too long", !sc_json_cut_new(&spec, (struct sc_cut_sink){0}, &err));
            CHECK_TRUE("too long", strstr(err.text, "names are too long"));
            path[255] = '\0';
        }
        n = snprintf(body, sizeof(body), "[{\"%sk\":1,\"\\u006b%s\":2,\"\\u006b%s\":3}]", path,
                     path, path + 1);
        for (size_t chunk = 0; chunk < 3; chunk++)
            harness_check(&spec, body, (size_t)n, (struct how){.chunk = chunk});
        /* the first part of a name that does not fit is not a name */
        n = snprintf(body, sizeof(body),
                     "[{\"%s\xE2\x82\xAC\":1},{\"%s\\u20ac\":2},{\"%s\\ud83d\\ude00\":3}]", path,
                     path, path);
        for (size_t chunk = 0; chunk < 3; chunk++)
            harness_check(&spec, body, (size_t)n, (struct how){.chunk = chunk});
    }
}

/* ---- UTF-8 ---------------------------------------------------------------------------------- */

static const struct {
    const char *why, *bytes;
    int bad; /* offset, -1: good */
} utf8_rows[] = {
    {"two bytes, first and last",      "\xC2\x80\xDF\xBF",                 -1},
    {"three bytes, first and last",    "\xE0\xA0\x80\xEF\xBF\xBF",         -1},
    {"around the surrogates",          "\xED\x9F\xBF\xEE\x80\x80",         -1},
    {"four bytes, first and last",     "\xF0\x90\x80\x80\xF4\x8F\xBF\xBF", -1},
    {"delete is no control character", "\x7F",                             -1},
    {"continuation alone",             "a\x80",                            1 },
    {"two-byte overlong",              "ab\xC0\x80",                       2 },
    {"two-byte overlong, last",        "\xC1\xBF",                         0 },
    {"three-byte overlong",            "\xE0\x9F\xBF",                     0 },
    {"four-byte overlong",             "\xF0\x8F\xBF\xBF",                 0 },
    {"surrogate",                      "\xED\xA0\x80",                     0 },
    {"last surrogate",                 "\xED\xBF\xBF",                     0 },
    {"above U+10FFFF",                 "\xF4\x90\x80\x80",                 0 },
    {"lead that is none",              "\xF5\x80\x80\x80",                 0 },
    {"FE",                             "\xFE",                             0 },
    {"FF",                             "\xFF",                             0 },
    {"cut by the quote",               "\xE2\x82",                         0 },
    {"cut by ASCII",                   "x\xE2\x82y",                       1 },
    {"cut by an escape",               "\xC3\\u00e9",                      0 },
    {"cut by a lead",                  "\xE2\x82\xC3\xA9",                 0 },
    {"the first of two",               "\xC3\xA9\xFF\xFF",                 2 },
    {"Latin-1",                        "d\xE9j\xE0",                       1 },
};

static void test_json_cut_utf8(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(utf8_rows); i++) {
        static const char *const frames[] = {"[{\"id\":\"%s\"},7]", "[{\"%s\":1},7]",
                                             "[[\"0123456789abcdef0123456789\",\"%s\"], 7]"};
        static const size_t before[] = {7, 2, 31};

        for (size_t f = 0; f < COUNT(frames); f++) {
            struct sc_json_spec spec = {.records = "[]", .fields = {"id"}};
            char body[200];
            size_t len = 0;

            for (const char *p = frames[f]; *p; p++) /* snprintf would do, but for the warning */
                if (p[0] == '%') {
                    memcpy(body + len, utf8_rows[i].bytes, strlen(utf8_rows[i].bytes));
                    len += strlen(utf8_rows[i].bytes);
                    p++;
                } else {
                    body[len++] = *p;
                }
            for (size_t chunk = 0; chunk < 40; chunk++) {
                struct how how = {.chunk = chunk, .pause_percent = 20, .seed = chunk};
                struct seen seen;

                harness_cut(&seen, &spec, body, len, how);
                CHECK_TEXT(utf8_rows[i].why, seen.err.text, "");
                CHECK_INT(utf8_rows[i].why, seen.count, 2);
                CHECK_INT(utf8_rows[i].why, seen.records[0].bad_utf8, utf8_rows[i].bad >= 0);
                if (utf8_rows[i].bad >= 0)
                    CHECK_INT(utf8_rows[i].why, seen.records[0].bad_at,
                              before[f] + (size_t)utf8_rows[i].bad);
                CHECK_INT("the next record is clean", seen.records[1].bad_utf8, false);
                harness_done(&seen);
            }
        }
    }
}

/* ---- depth ---------------------------------------------------------------------------------- */

static char *nested(const char *before, unsigned depth, const char *after, size_t *ret)
{
    size_t room = strlen(before) + strlen(after) + depth * 8 + 2;
    char *body = malloc(room);
    size_t at = (size_t)snprintf(body, room, "%s", before);

    for (unsigned i = 0; i < depth; i++)
        at += (size_t)snprintf(body + at, room - at, "%s", i % 2 ? "{\"a\":" : "[");
    if (depth % 2 == 0)
        body[at++] = '1';
    for (unsigned i = depth; i-- > 0;)
        body[at++] = i % 2 ? '}' : ']';
    *ret = at + (size_t)snprintf(body + at, room - at, "%s", after);
    return body;
}

/* As long as a path may be, twice over: sixteen names to the records, sixteen more to a field. */
static void test_json_cut_longest_paths(void **state)
{
    static const char body[] =
        "{\"a\":{\"b\":{\"c\":{\"d\":{\"e\":{\"f\":{\"g\":{\"h\":{\"i\":{\"j\":{\"k\":{\"l\":{"
        "\"m\":{\"n\":{\"o\":{\"p\":["
        "{\"a\":{\"b\":{\"c\":{\"d\":{\"e\":{\"f\":{\"g\":{\"h\":{\"i\":{\"j\":{\"k\":{\"l\":{"
        "\"m\":{\"n\":{\"o\":{\"p\":"
        "{\"p\":7}}}}}}}}}}}}}}}}},{\"a\":{\"b\":1}}],\"q\":5}}}}}}}}}}}}}}}}";
    struct sc_json_spec spec = {
        .records = "a.b.c.d.e.f.g.h.i.j.k.l.m.n.o.p[]",
        .fields = {"a.b.c.d.e.f.g.h.i.j.k.l.m.n.o.p", "a.b"},
        .envelope = {"a.b.c.d.e.f.g.h.i.j.k.l.m.n.o.q"                                }
    };

    (void)state;
    for (size_t chunk = 0; chunk < 5; chunk++) {
        struct how how = {.chunk = chunk};
        struct seen seen;

        harness_cut(&seen, &spec, body, sizeof(body) - 1, how);
        CHECK_TEXT("deep", seen.err.text, "");
        CHECK_INT("deep", seen.count, 2);
        CHECK_INT("deep", seen.records[0].fields[0].kind, SC_CUT_OBJECT);
        CHECK_INT("deep", seen.records[1].fields[0].kind, SC_CUT_ABSENT);
        CHECK_INT("deep", seen.records[1].fields[1].kind, SC_CUT_NUMBER);
        CHECK_BYTES("deep", seen.envelope[0].text, seen.envelope[0].len, "5", 1);
        harness_done(&seen);
        harness_check(&spec, body, sizeof(body) - 1, how);
    }
}

static void test_json_cut_depth(void **state)
{
    static const struct {
        const char *why, *path, *before, *after;
        uint32_t max;
        unsigned depth;
        const char *text;
        bool too_deep;
    } rows[] = {
        {"at the cap",                         "[]",    "[",                           ",5]",           3,    3,    "", false},
        {"beyond the cap",                     "[]",    "[",                           ",5]",           3,    4,    "", true },
        {"far beyond the cap",                 "[]",    "[",                           ",5]",           3,    4095, "", true },
        {"beyond all levels",                  "[]",    "[",                           ",5]",           3,    4096,
         "nested deeper than 4096 levels at byte 12284",                                                                false},
        {"default cap",                        "[]",    "[",                           ",5]",           0,    128,  "", false},
        {"beyond the default cap",             "[]",    "[",                           ",5]",           0,    129,  "", true },
        {"counted from the record on",         "a.b[]", "{\"a\":{\"b\":[",             ",5]}}",         3,    3,    "", false},
        {"counted from the record on, beyond", "a.b[]", "{\"a\":{\"b\":[",             ",5]}}",         3,    4,    "", true },
        {"cap is all levels",                  "[]",    "[",                           ",5]",           4096, 4095, "", false},
        {"outside, at the cap",                "r[]",   "{\"x\":",                     ",\"r\":[4,5]}", 3,    2,    "", false},
        {"outside, beyond the cap",            "r[]",   "{\"x\":",                     ",\"r\":[4,5]}", 3,    3,
         "nested deeper than 3 levels at byte 11",                                                                      false},
        {"outside again, beyond the cap",      "r[]",   "{\"r\":[4,[[[[5]]]]],\"x\":", "}",             3,    3,
         "nested deeper than 3 levels at byte 29",                                                                      false},
        {"the way is too deep",                "a.b[]", "{\"a\":{\"b\":[4,",           ",5]}}",         2,    0,
         "nested deeper than 2 levels at byte 10",                                                                      false},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        for (size_t chunk = 0; chunk < 3; chunk++) {
            struct sc_json_spec spec = {.records = rows[i].path, .max_depth = rows[i].max};
            struct how how = {.chunk = chunk};
            struct seen seen;
            size_t len;
            char *body = nested(rows[i].before, rows[i].depth, rows[i].after, &len);

            harness_cut(&seen, &spec, body, len, how);
            CHECK_TEXT(rows[i].why, seen.err.text, rows[i].text);
            if (!*rows[i].text) {
                CHECK_INT(rows[i].why, seen.count, 2);
                CHECK_INT(rows[i].why, seen.records[0].too_deep, rows[i].too_deep);
                CHECK_INT("the next record is not", seen.records[1].too_deep, false);
            }
            harness_done(&seen);
            harness_check(&spec, body, len, how);
            free(body);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_json_cut_records),       cmocka_unit_test(test_json_cut_scalars),
        cmocka_unit_test(test_json_cut_long_scalars),  cmocka_unit_test(test_json_cut_bad_scalars),
        cmocka_unit_test(test_json_cut_errors),        cmocka_unit_test(test_json_cut_nul_bytes),
        cmocka_unit_test(test_json_cut_fields),        cmocka_unit_test(test_json_cut_long_values),
        cmocka_unit_test(test_json_cut_long_names),    cmocka_unit_test(test_json_cut_utf8),
        cmocka_unit_test(test_json_cut_longest_paths), cmocka_unit_test(test_json_cut_depth),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
