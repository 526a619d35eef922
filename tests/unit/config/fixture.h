/* What the tests of agent/config share: an environment without our variables, files, a vendor. */
#pragma once

#include "config/integration.h"
#include "config/settings.h"

#define ROWS(rows) (sizeof(rows) / sizeof((rows)[0]))

/* Forgets every variable that settings are read from, and names two files that hold nothing. */
void fixture_clean_environment(void);
/* A file below a directory that fixture_done() removes; the path lives until then. */
const char *fixture_file(const char *name, const char *text);
const char *fixture_dir(void);
void fixture_done(void);

/* "acme" (alias "acme_old"): every kind of field, two data types. Else NULL. */
extern const struct sc_connector fixture_connector;
const struct sc_connector *fixture_find(void *arg, const char *type);
