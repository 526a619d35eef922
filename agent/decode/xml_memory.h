/* What expat allocates, counted and capped: it keeps every name that a document has, so a hostile one could have it keep everything. */
#pragma once

#include <expat.h>
#include <stdbool.h>
#include <stddef.h>

struct sc_xml_memory {
    size_t used, max;
    bool full; /* something was refused for the cap's sake */
};

/* Functions for XML_ParserCreate_MM. They count for what was named last on this thread: name it before each call of expat. */
const XML_Memory_Handling_Suite *sc_xml_memory_suite(void);
void sc_xml_memory_use(struct sc_xml_memory *memory);
