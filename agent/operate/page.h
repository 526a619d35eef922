/* Answers that come from somebody else than the vendor's API, and those that are about where we come from: what can be read off their text. Pure. */
#pragma once

#include <signal/types.h>

#define SC_PAGE_TITLE 100

/* A web page (HTML): true, and its title with blanks folded; "" where it has none. The text may be cut short anywhere. */
bool sc_page_read(struct sc_str text, char title[SC_PAGE_TITLE]);
/* The refusal is about the address that the request came from. quoted: the address that it names, "" where it names none. */
bool sc_page_refuses_address(struct sc_str text, char quoted[48]);
/* A web server that wants a client certificate and got none, or one that it does not like: nginx tells it in a page. */
bool sc_page_wants_cert(int status, struct sc_str text);
bool sc_address_is_private(const char *address); /* behind NAT nobody outside sees it; loopback included */
