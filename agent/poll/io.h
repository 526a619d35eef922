/* One io thread: a curl multi, a heap of timers, a mailbox, and all state of the sources that live on it. Nothing of that state is touched by
 * another thread; the others post. */
#pragma once

#include "config/integration.h"
#include "config/settings.h"
#include "nats/publisher.h"
#include "nats/reader.h"
#include "operate/memory.h"
#include "poll/board.h"
#include "poll/status_writer.h"

/* Names of integrations that are being wound up on some io thread: the same name may not start elsewhere before. */
struct sc_retiring {
    pthread_mutex_t lock;
    char **names;
    uint32_t count, cap;
};

struct sc_io_config {
    const struct sc_settings *settings;
    struct sc_publisher *publisher;
    struct sc_reader *reader;
    struct sc_status_writer *status;
    struct sc_retiring *retiring;
    const char *agent; /* appliance id */
    unsigned index, threads;
    struct sc_board *board; /* NULL: nobody counts */
    bool on_request;        /* nothing is polled but what somebody asks for (poll/ask.h) */
    const struct sc_memory *memory; /* NULL: never short */
};

struct sc_io;
/* In two parts, for tests that own the clock: without a thread, and one turn of its loop; false: it has stopped. */
struct sc_io *sc_io_new(const struct sc_io_config *config, struct sc_error *err);
bool sc_io_turn(struct sc_io *io);
struct sc_io *sc_io_start(const struct sc_io_config *config, struct sc_error *err);
/* New requests end at once; what is handed over is waited for, positions are saved; bounded. Call stop_begin on all, then stop_wait on each. */
void sc_io_stop_begin(struct sc_io *io);
void sc_io_stop_wait(struct sc_io *io, int64_t timeout_ms);
/* After publisher and reader have ended (they may still return mail until then). Returns NULL. */
struct sc_io *sc_io_free(struct sc_io *io);
/* Takes the reference. Any thread. A new revision of a known name is an update. */
void sc_io_apply(struct sc_io *io, struct sc_integration *integration);
/* Any thread. forget_status: the integration is gone (not merely moved). */
void sc_io_remove(struct sc_io *io, const char *name, bool forget_status);
/* A put that was refused: shown in status and log, nothing else changes. Any thread. */
void sc_io_refused(struct sc_io *io, const char *name, uint64_t rev, const char *why);
/* What one hour was like; number counts the hours, 0: the first is not over yet. */
struct sc_io_hour {
    uint64_t number, integrations, idle, bad, polls, records;
    char names[400]; /* of those in error, with their reasons */
};
/* The hourly line of the agent, when the hour *said + 1 is over on all io threads; true: it was written. */
bool sc_io_hour_say(struct sc_io *const *ios, unsigned count, uint64_t *said);
/* Monotonic ms of the last turn. Any thread. */
int64_t sc_io_turned_at(const struct sc_io *io);
