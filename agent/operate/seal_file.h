/* The files that hold seal keys: one line, 32 bytes as base64, readable by their owner alone. They are read whenever a key is needed and not
 * kept, so that a new file counts at once. */
#pragma once

#include "operate/seal.h"

struct sc_seal_files { /* paths; NULL or "": none */
    const char *key, *old;
};

/* -1 + err: names path, user and mode, and what to do. */
int sc_seal_file_read(const char *path, struct sc_seal_key *ret, struct sc_error *err) SC_WARN_UNUSED;
/* A new key in a new file of mode 0600; a file that is there already is left alone. -1 + err. */
int sc_seal_file_make(const char *path, struct sc_seal_key *ret, struct sc_error *err) SC_WARN_UNUSED;
