/* Requests on the control subject of any bytes: what is taken has a known op and no member that it does not know; what is refused is said in words. */
#include "control/request.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#define CHECK(what)                                                                                                    \
    do {                                                                                                               \
        if (!(what)) {                                                                                                 \
            fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__, #what);                                         \
            abort();                                                                                                   \
        }                                                                                                              \
    } while (0)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct sc_request_row *row = NULL;
    struct sc_error err = SC_ERROR_INIT;
    json_t *request = NULL;
    int rc = sc_request_read((struct sc_str){(const char *)data, size}, &request, &row, &err);
    CHECK(rc == 0 ? request && row && row->op && err.reason == SC_REASON_OK : !request && err.text[0]);
    if (rc == 0) {
        const char *name;
        json_t *value;
        CHECK(json_is_object(request) && json_object_size(request) <= 10 && size <= SC_REQUEST_MAX);
        CHECK(strcmp(json_string_value(json_object_get(request, "op")), row->op) == 0);
        json_object_foreach (request, name, value)
            CHECK(strlen(name) <= 16 && !json_is_null(value) && !json_is_real(value) && (!json_is_object(value) || strcmp(name, "position") == 0));
        CHECK(sc_request_id(request) == 0 || json_object_get(request, "id"));
    }
    json_decref(request);
    return 0;
}
