/* What the text of a refusal means where neither the vendor's table nor its status says it: words that vendors of all kinds use. Pure.
 *
 * Only ever sharpens a status: an unknown text changes nothing, and a page of the web is nobody's word. The text comes from outside. */
#pragma once

#include <signal/connector.h>

#define SC_WORDS_NAME 96

struct sc_words {
    enum sc_reason reason;      /* OK: nothing was recognised */
    char name[SC_WORDS_NAME];   /* of the scope or permission that the text says is missing; "": it names none */
    const char *advice;         /* better than the reason's own; NULL: none */
};

/* status: of the reply. text: the beginning of its body, which may be cut short. The first of what fits in this order: suspended or locked, throttle,
 * feature, permission, consent, expired. */
struct sc_words sc_read_words(int status, struct sc_str text);
/* The value of a parameter in the header WWW-Authenticate (`Bearer error="insufficient_scope", scope="a b"`), as printable ASCII. Its length; 0: it is
 * not there. */
size_t sc_challenge_value(struct sc_str header, const char *name, char *out, size_t cap);
/* Text from outside for a sentence: at most `cap` - 1 bytes, control characters as blanks, runs of blanks as one, UTF-8 kept whole, the rest as '?'. */
size_t sc_words_plain(struct sc_str text, char *out, size_t cap);
/* Length of a sentence without the full stop, for a longer one to go on behind it. */
size_t sc_words_open(const char *text);
/* A page of the web, or nothing at all: nobody's word. */
bool sc_words_is_page(struct sc_str text);
