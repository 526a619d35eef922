/* XML documents made at random from trees, with the JSON that is to be made of each record: found from the tree by plain loops over all
 * pairs of members, without any of the cutter's code. */
#pragma once

#include "base/buf.h"
#include "decode/cut.h"

/* <L><P><R>... records; `nested`: each R has lists N with D in them, and elements before, between and behind. `want` is what the
 * harness says of the records. */
void xml_random(struct sc_buf *body, struct sc_buf *want, bool nested, uint64_t *seed);
/* A sink that takes everything and keeps nothing. */
struct sc_cut_sink xml_deaf_sink(void);
