/* What Splunk's replies say of themselves, beside the results. Pure. */
#pragma once

#include <signal/connector.h>

/* {"type": "FATAL", "text": "..."}, as printable ASCII. */
struct splunk_message {
    char type[16], text[180];
};

enum splunk_tone {
    SPLUNK_QUIET,   /* nothing, or DEBUG and INFO */
    SPLUNK_WARNS,   /* WARN: *ret is the first such one */
    SPLUNK_FAILS,   /* ERROR or FATAL: *ret is the first such one */
    SPLUNK_TOO_LONG /* none of these in what is here, but the list is cut short */
};

/* A JSON list of messages; absent: quiet. */
enum splunk_tone splunk_read_messages(struct sc_str list, struct splunk_message *ret);
/* The first message of any type; false: there is none. */
bool splunk_first_message(struct sc_str list, struct splunk_message *ret);
/* It is about the number or the size of searches that run at a time. */
bool splunk_is_busy(const struct splunk_message *message);

struct splunk_job {
    char state[24]; /* dispatchState; empty: it is not said in what is here */
    int64_t results; /* resultCount; -1: not said */
    struct splunk_message message;
};

/* The member "entry" of a job's status, which may be cut short. */
struct splunk_job splunk_read_entry(struct sc_str entry);
