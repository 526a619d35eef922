/* Characters of text from outside: which they are, and which must not reach a terminal as they are. */
#pragma once

#include "base/buf.h"

/* Length of the character at the beginning of a text that is not empty, and its code; 0: no UTF-8 (RFC 3629: no surrogates, nothing overlong). */
size_t sc_utf8_take(struct sc_str text, uint32_t *ret);
/* C0, DEL, C1, and what turns the writing direction or hides: a terminal would obey it, or show another text than the line holds. */
bool sc_utf8_is_harmful(uint32_t code);
/* Bytes at the beginning of a text that can be shown as they are: up to what is harmful, or no UTF-8. */
size_t sc_utf8_harmless(struct sc_str text);
