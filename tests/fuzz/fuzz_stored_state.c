/* What the agent reads back from its buckets, on any bytes: a checkpoint, a segment of identities or of readings, a part of a snapshot's map. Input:
 * one byte that says which, eight bytes (little-endian) of the sequence up to which a segment counts, then the value. What is refused must say so
 * and leave nothing; what is taken must be usable, and must be the same when it is written and read again. */
#include "poll/checkpoint.h"
#include "poll/seen.h"
#include "poll/snapshot.h"

#include <stdio.h>
#include <stdlib.h>

#define CHECK(what)                                                                                                    \
    do {                                                                                                               \
        if (!(what)) {                                                                                                 \
            fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #what);                                                 \
            abort();                                                                                                   \
        }                                                                                                              \
    } while (0)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void checkpoint(struct sc_str value)
{
    struct sc_checkpoint cp, again;
    struct sc_error err = SC_ERROR_INIT;
    SC_AUTO_BUF struct sc_buf first = {0}, second = {0};

    if (sc_checkpoint_parse(&cp, value, &err)) {
        CHECK(err.reason == SC_REASON_CHECKPOINT_INVALID && err.text[0]);
    } else {
        CHECK(err.reason == SC_REASON_OK);
        CHECK(sc_checkpoint_write(&cp, &first) == 0);
        CHECK(sc_checkpoint_parse(&again, sc_buf_str(&first), &err) == 0);
        CHECK(sc_checkpoint_write(&again, &second) == 0);
        CHECK(sc_str_eq(sc_buf_str(&first), sc_buf_str(&second)));
        sc_checkpoint_done(&again);
        sc_checkpoint_trail(&cp, cp.saved_ms, SC_TRAIL_MAX);
        if (cp.trail_count)
            sc_checkpoint_rewind(&cp, cp.trail_count / 2);
    }
    sc_checkpoint_done(&cp);
}

static void segment(struct sc_str value, uint64_t max_seq, bool dated)
{
    struct sc_seen seen, again;
    uint32_t number = value.len >= 8 ? (uint32_t)((unsigned char)value.ptr[4] | (unsigned char)value.ptr[5] << 8) : 0;
    SC_AUTO_BUF struct sc_buf buf = {0};

    sc_seen_init(&seen, 0);
    sc_seen_init(&again, 0);
    seen.dated = again.dated = dated;
    if (sc_seen_load(&seen, number, value, max_seq) == 0) {
        uint64_t entries = sc_seen_entries(&seen);

        CHECK(entries <= SC_SEEN_SEGMENT && sc_seen_end(&seen) == number + 1);
        CHECK(sc_seen_encode(&seen, number, &buf) == 0);
        CHECK(sc_seen_load(&again, number, sc_buf_str(&buf), UINT64_MAX) == 0);
        CHECK(sc_seen_entries(&again) == entries);
        for (uint64_t i = 0; i < entries; i++)
            CHECK(sc_seen_is_stored(&again, (uint64_t)number * SC_SEEN_SEGMENT + i));
        for (uint64_t i = 0; i < 5; i++)
            CHECK((dated ? sc_seen_renew(&seen, i << 60 | i, (uint32_t)max_seq, max_seq - i) : sc_seen_found(&seen, i << 60 | i, max_seq - i, (int64_t)i)) == 0);
        if (dated)
            sc_seen_compact(&seen);
        else
            sc_seen_drop(&seen, (int64_t)max_seq, max_seq, NULL, NULL);
    }
    sc_seen_done(&seen);
    sc_seen_done(&again);
}

static void map(struct sc_str value)
{
    struct sc_map loaded, again;
    uint32_t parts;
    uint64_t seq;
    unsigned changes;
    SC_AUTO_BUF struct sc_buf buf = {0};

    sc_map_init(&loaded, 2000);
    sc_map_init(&again, 0);
    if (sc_map_load(&loaded, 1, 0, value, &parts, &seq) == 0) {
        CHECK(parts > 0 && loaded.used <= 2000);
        CHECK(sc_map_encode(&loaded, 1, 0, seq, &buf) == 0);
        CHECK(sc_map_load(&again, 1, 0, sc_buf_str(&buf), &parts, &seq) == 0);
        CHECK(again.used == loaded.used && parts == 1);
        CHECK(strcmp(again.version, loaded.version) == 0);
        sc_map_begin(&again);
        for (uint64_t i = 0; i < 5; i++)
            CHECK(sc_map_meet(&again, i << 60 | i, (const unsigned char *)"0123456789abcdef", &changes) != SC_MAP_FULL);
        sc_map_commit(&again);
        CHECK(again.used == 5);
    }
    sc_map_done(&loaded);
    sc_map_done(&again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct sc_str value = {(const char *)data + 9, size - 9};
    uint64_t max_seq = 0;

    if (size < 9)
        return 0;
    for (int i = 8; i > 0; i--)
        max_seq = max_seq << 8 | data[i];
    switch (data[0] % 3) {
    case 0:
        checkpoint(value);
        break;
    case 1:
        segment(value, max_seq, data[0] & 0x80);
        break;
    default:
        map(value);
        break;
    }
    return 0;
}
