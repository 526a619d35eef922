/* What holds of the whole agent: facts (figures as JSON) and notices (what is not well while work goes on). Any thread. */
#pragma once

#include "base/buf.h"

enum sc_fact {
    SC_FACT_LOOPS,
    SC_FACT_NATS,
    SC_FACT_STREAM,
    SC_FACT_ACCOUNT,
    SC_FACT_MEMORY,
    SC_FACT_CLOCK,
    SC_FACT_PREVIOUS_RUN,
    SC_FACT_COUNT
};

struct sc_facts;
struct sc_facts *sc_facts_new(void); /* NULL: out of memory */
struct sc_facts *sc_facts_free(struct sc_facts *facts);

/* The text of a JSON value; moved out of `json`, which is empty then. One that `failed` changes nothing. */
void sc_facts_put(struct sc_facts *facts, enum sc_fact fact, struct sc_buf *json);
/* It holds from now on, or goes on with these figures. advice NULL: that of the reason. Told to the log when it begins. */
void sc_facts_notice(struct sc_facts *facts, enum sc_reason reason, const char *detail, const char *advice);
void sc_facts_clear(struct sc_facts *facts, enum sc_reason reason);
/* Once in a while: notices that last are told to the log again, each once an hour. */
void sc_facts_remind(struct sc_facts *facts, int64_t now_mono_ms);

/* {"loops":…,"nats":…,"stream":…,"account":…,"memory":…,"clock":…,"previous_run":…,"notices":[…]}; what is not known is left out. Redacted. */
int sc_facts_json(struct sc_facts *facts, struct sc_buf *out);
/* The notice that holds longest, and the names of the others: "since 10:15:02Z stream_unread: …; advice; also clock_skew"; "" when there is none. */
void sc_facts_oldest(struct sc_facts *facts, struct sc_buf *out);
