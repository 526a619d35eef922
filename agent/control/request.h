/* What may be asked of the running agent: one table, and the reading of a request by it. Pure. */
#pragma once

#include "base/buf.h"

#include <jansson.h>

#define SC_REQUEST_MAX (64u * 1024)

enum sc_request_way {
    SC_REQUEST_OF_CONTROL, /* answered by the control thread */
    SC_REQUEST_OF_IO       /* goes to the io thread that has the integration (poll/asked.c) */
};

struct sc_request_row {
    const char *op;      /* NULL ends the table */
    enum sc_request_way way;
    const char *needs;   /* names of members, blank-separated; "" none */
    const char *may;     /* further ones */
};
extern const struct sc_request_row sc_request_rows[];

/* A request as it came. 0: *ret is its object (json_decref), its members are those of *ret_row and of their kinds. -1 + err: what is wrong, for who
 * asked. */
int sc_request_read(struct sc_str body, json_t **ret, const struct sc_request_row **ret_row, struct sc_error *err) SC_WARN_UNUSED;
/* The id of a request that is open ("keep", "cancel"): 16 hex digits. 0: none. */
uint64_t sc_request_id(const json_t *request);
