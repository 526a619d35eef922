/* Query parameters of the list of detections: the operator's own ones (settings.extra_params), and the page size in an address. Pure. */
#pragma once

#include <signal/types.h>

/* What is wrong with them, for people, written to `why`; false: nothing. What names a parameter of the paging or of the window is refused: a
 * second truncation_limit or vm_processed_after would leave hosts out without anybody noticing. */
bool qualys_params_wrong(const char *extra, char *why, size_t cap);
/* They name that parameter (a default then gives way). */
bool qualys_params_name(const char *extra, const char *name);
/* Where the value of truncation_limit stands in an address, when it is a number above `limit`, or 0, which means unlimited. Absent: it can
 * stay as it is. */
struct sc_str qualys_limit_above(const char *url, uint32_t limit);
