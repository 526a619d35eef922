/* A thread with its own connection for work that reads: loading checkpoints, read-back. Jobs run one after another; a job that fails
 * because the connection broke is run again on a new one. */
#pragma once

#include "base/mailbox.h"
#include "nats/session.h"

struct sc_read_job {
    struct sc_mail mail;         /* comes back to `home` with kind `mail.kind` as set by the poster */
    struct sc_mailbox *home;
    /* On the reader's thread. 0 done; -1 + err. broker_unavailable, broker_stalled: run again after a new connection, with back-off. */
    int (*run)(struct sc_read_job *job, struct sc_session *session, struct sc_error *err);
    struct sc_error error;       /* when it did not succeed */
    bool cancelled;              /* the reader ended before it ran */
};

struct sc_reader;
struct sc_reader *sc_reader_start(const struct sc_nats_config *config, struct sc_error *err);
struct sc_reader *sc_reader_stop(struct sc_reader *reader); /* waiting jobs come back cancelled; returns NULL */
void sc_reader_post(struct sc_reader *reader, struct sc_read_job *job);
