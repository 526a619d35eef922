/* Qualys' error body, read from its first bytes without a parser:
 *   <SIMPLE_RETURN><RESPONSE><DATETIME/><CODE>1960</CODE><TEXT>...</TEXT><ITEM_LIST>...</ITEM_LIST></RESPONSE></SIMPLE_RETURN>
 * It may be cut short, and it may be anything. Pure. */
#pragma once

#include <signal/types.h>

struct qualys_fault {
    char code[16];  /* "1960"; empty: none */
    char text[160]; /* printable ASCII, what was none is ' ' or '?' */
};

/* The body's root element is SIMPLE_RETURN; *ret is what it says, empty where it does not. */
bool qualys_simple_return(struct sc_str body, struct qualys_fault *ret);
/* The same of two texts that were read already. */
void qualys_fault_set(struct qualys_fault *fault, struct sc_str code, struct sc_str text);
/* A web page: nothing of the API's. */
bool qualys_is_web_page(struct sc_str body);
