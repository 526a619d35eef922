/* Makes the n-th allocation fail: malloc, calloc, realloc, strdup and strndup called by our code
 * (not inside shared libraries). Link the program to test_failalloc. One thread arms; any thread
 * may allocate.
 *
 *   for (long n = 1, failed = 1; failed; n++) {
 *       failalloc_arm(n);
 *       int rc = the_call();
 *       failed = failalloc_disarm();
 *       check that rc tells of the failure when `failed`, and that nothing leaks or is half done;
 *   }                                                                   the last round ran without
 * a failure */
#pragma once

#include <stdbool.h>

/* The n-th allocation from now fails, once; n = 1 is the next one. */
void failalloc_arm(long n);
/* Back to normal. True when an allocation failed since failalloc_arm(). */
bool failalloc_disarm(void);
