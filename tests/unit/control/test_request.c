/* What may be asked of the running agent, and what is said of everything else. */
#include "control/request.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include "check.h"

#define ROWS(array) (sizeof(array) / sizeof *(array))

static void test_request_read(void **state)
{
    static const struct {
        const char *text, *op, *why; /* op NULL: refused, and why holds a part of the sentence */
    } rows[] = {
        {"{\"v\":1,\"op\":\"agent\"}", "agent", "the least"},
        {" {\"op\":\"agent\",\"v\":1}\n", "agent", "blanks and order do not matter"},
        {"{\"v\":1,\"op\":\"log\",\"level\":\"debug\"}", "log", "a level"},
        {"{\"v\":1,\"op\":\"log\"}", "log", "a question"},
        {"{\"v\":1,\"op\":\"log\",\"level\":\"reset\",\"integration\":\"okta-prod\"}", "log", "no level"},
        {"{\"v\":1,\"op\":\"log\",\"level\":\"debug\",\"seconds\":600,\"integration\":\"okta-prod\"}", "log", "for a while"},
        {"{\"v\":1,\"op\":\"poll\",\"integration\":\"okta-prod\"}", "poll", "one integration"},
        {"{\"v\":1,\"op\":\"poll\",\"integration\":\"eu/okta=1.a_b\",\"data_type\":\"system_log\",\"dry\":true,\"trace\":false,\"limit\":5,\"from\":"
         "\"2026-11-22T10:15:00Z\"}", "poll", "all members"},
        {"{\"v\":1,\"op\":\"poll\",\"integration\":\"a\",\"data_type\":[\"b\",\"c-d\"]}", "poll", "several data types"},
        {"{\"v\":1,\"op\":\"checkpoint\",\"integration\":\"a\",\"do\":\"set\",\"data_type\":\"b\",\"position\":{\"time\":\"x\"},\"allow_doubles\":true}", "checkpoint", "a position"},
        {"{\"v\":1,\"op\":\"checkpoint\",\"integration\":\"a\",\"do\":\"reset\",\"republish\":true,\"look\":true}", "checkpoint", "anew"},
        {"{\"v\":1,\"op\":\"backfill\",\"integration\":\"a\",\"do\":\"start\",\"from\":\"2026-11-01T00:00:00Z\",\"to\":\"2026-11-02T00:00:00Z\"}", "backfill", "a window"},
        {"{\"v\":1,\"op\":\"backfill\",\"integration\":\"a\",\"do\":\"stop\"}", "backfill", "no more of it"},
        {"{\"v\":1,\"op\":\"backfill\",\"integration\":\"a\"}", NULL, "needs a member \"do\""},
        {"{\"v\":1,\"op\":\"backfill\",\"do\":\"stop\"}", NULL, "needs a member \"integration\""},
        {"{\"v\":1,\"op\":\"backfill\",\"integration\":\"a\",\"do\":\"go\"}", NULL, "\"do\" must be"},
        {"{\"v\":1,\"op\":\"backfill\",\"integration\":\"a\",\"do\":\"start\",\"to\":\"soon\"}", NULL, "\"to\" must be a time"},
        {"{\"v\":1,\"op\":\"checkpoint\",\"integration\":\"a\",\"do\":\"set\",\"position\":[]}", NULL, "\"position\" must be"},
        {"{\"v\":1,\"op\":\"checkpoint\",\"integration\":\"a\",\"do\":\"set\",\"position\":\"{}\"}", NULL, "\"position\" must be"},
        {"{\"v\":1,\"op\":\"checkpoint\",\"integration\":\"a\",\"do\":\"reset\",\"republish\":1}", NULL, "\"republish\" must be true or false"},
        {"{\"v\":1,\"op\":\"cancel\",\"id\":\"00112233445566ff\"}", "cancel", "an id"},
        {"", NULL, "one JSON object"},
        {"null", NULL, "one JSON object"},
        {"[]", NULL, "one JSON object"},
        {"{\"v\":1,\"op\":\"agent\"} x", NULL, "one JSON object"},
        {"{\"v\":1,\"op\":\"agent\",\"op\":\"log\"}", NULL, "one JSON object"}, /* a member twice */
        {"{\"op\":\"agent\"}", NULL, "\"v\": 1"},
        {"{\"v\":2,\"op\":\"agent\"}", NULL, "\"v\": 1"},
        {"{\"v\":1.0,\"op\":\"agent\"}", NULL, "\"v\": 1"},
        {"{\"v\":\"1\",\"op\":\"agent\"}", NULL, "\"v\": 1"},
        {"{\"v\":1}", NULL, "\"op\" is missing"},
        {"{\"v\":1,\"op\":7}", NULL, "\"op\" is missing"},
        {"{\"v\":1,\"op\":\"\"}", NULL, "does not know the op \"\""},
        {"{\"v\":1,\"op\":\"exec\"}", NULL, "does not know the op \"exec\""},
        {"{\"v\":1,\"op\":\"agent\",\"integration\":\"x\"}", NULL, "op \"agent\" takes no member \"integration\""},
        {"{\"v\":1,\"op\":\"poll\",\"integration\":\"a\",\"level\":\"debug\"}", NULL, "op \"poll\" takes no member \"level\""},
        {"{\"v\":1,\"op\":\"poll\",\"integration\":\"a\",\"dr\":true}", NULL, "takes no member \"dr\""},
        {"{\"v\":1,\"op\":\"poll\"}", NULL, "needs a member \"integration\""},
        {"{\"v\":1,\"op\":\"log\",\"level\":\"debug\",\"seconds\":0}", NULL, "\"seconds\" must be a number from 1"},
        {"{\"v\":1,\"op\":\"log\",\"level\":\"debug\",\"integration\":\"a b\"}", NULL, "\"integration\" must be the name"},
        {"{\"v\":1,\"op\":\"log\",\"level\":\"loud\"}", NULL, "\"level\" must be debug"},
        {"{\"v\":1,\"op\":\"poll\",\"integration\":\"\"}", NULL, "\"integration\" must be"},
        {"{\"v\":1,\"op\":\"poll\",\"integration\":\"a b\"}", NULL, "\"integration\" must be"},
        {"{\"v\":1,\"op\":\"poll\",\"integration\":\"a*\"}", NULL, "\"integration\" must be"},
        {"{\"v\":1,\"op\":\"poll\",\"integration\":\"a\\nb\"}", NULL, "\"integration\" must be"},
        {"{\"v\":1,\"op\":\"poll\",\"integration\":\"a\\u0000b\"}", NULL, "one JSON object"},
        {"{\"v\":1,\"op\":\"poll\",\"integration\":[\"a\"]}", NULL, "\"integration\" must be"},
        {"{\"v\":1,\"op\":\"poll\",\"integration\":\"a\",\"data_type\":[]}", NULL, "\"data_type\" must be"},
        {"{\"v\":1,\"op\":\"poll\",\"integration\":\"a\",\"data_type\":[\"b\",7]}", NULL, "\"data_type\" must be"},
        {"{\"v\":1,\"op\":\"poll\",\"integration\":\"a\",\"data_type\":\"b.c\"}", NULL, "\"data_type\" must be"},
        {"{\"v\":1,\"op\":\"poll\",\"integration\":\"a\",\"dry\":1}", NULL, "\"dry\" must be true or false"},
        {"{\"v\":1,\"op\":\"poll\",\"integration\":\"a\",\"limit\":0}", NULL, "\"limit\" must be"},
        {"{\"v\":1,\"op\":\"poll\",\"integration\":\"a\",\"limit\":1e3}", NULL, "\"limit\" must be"},
        {"{\"v\":1,\"op\":\"poll\",\"integration\":\"a\",\"limit\":9000000000000}", NULL, "\"limit\" must be"},
        {"{\"v\":1,\"op\":\"poll\",\"integration\":\"a\",\"from\":\"yesterday\"}", NULL, "\"from\" must be a time"},
        {"{\"v\":1,\"op\":\"poll\",\"integration\":\"a\",\"from\":\"1960-01-01T00:00:00Z\"}", NULL, "\"from\" must be a time"},
        {"{\"v\":1,\"op\":\"keep\",\"id\":\"0011\"}", NULL, "\"id\" must be"},
        {"{\"v\":1,\"op\":\"keep\",\"id\":\"00112233445566zz\"}", NULL, "\"id\" must be"},
    };
    (void)state;
    for (size_t i = 0; i < ROWS(rows); i++) {
        const struct sc_request_row *row = NULL;
        struct sc_error err = SC_ERROR_INIT;
        json_t *request = NULL;
        int rc = sc_request_read(sc_str_of(rows[i].text), &request, &row, &err);
        CHECK_INT(rows[i].text, rc, rows[i].op ? 0 : -1);
        if (rows[i].op)
            CHECK_TEXT(rows[i].why, row->op, rows[i].op);
        else if (!strstr(err.text, rows[i].why))
            CHECK_TEXT(rows[i].text, err.text, rows[i].why);
        json_decref(request);
    }
}

static void test_request_size(void **state)
{
    char *text = malloc(SC_REQUEST_MAX + 2);
    const struct sc_request_row *row;
    json_t *request = NULL;
    (void)state;
    assert_non_null(text);
    memset(text, ' ', SC_REQUEST_MAX + 1);
    memcpy(text, "{\"v\":1,\"op\":\"agent\"}", 20);
    struct sc_error err = SC_ERROR_INIT;
    CHECK_INT("as large as one may be", sc_request_read((struct sc_str){text, SC_REQUEST_MAX}, &request, &row, &err), 0);
    json_decref(request);
    CHECK_INT("one more", sc_request_read((struct sc_str){text, SC_REQUEST_MAX + 1}, &request, &row, &err), -1);
    CHECK_TEXT("says so", err.text, "a request has at most 65536 bytes");
    struct sc_error absent = SC_ERROR_INIT;
    CHECK_INT("did not fit where it came in", sc_request_read((struct sc_str){0}, &request, &row, &absent), -1);
    free(text);
}

static void test_request_id(void **state)
{
    json_t *request = json_pack("{s:s}", "id", "00000000000000ff"), *none = json_object();
    (void)state;
    CHECK_INT("an id", sc_request_id(request), 255);
    CHECK_INT("none", sc_request_id(none), 0);
    json_decref(request);
    json_decref(none);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_request_read),
        cmocka_unit_test(test_request_size),
        cmocka_unit_test(test_request_id),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
