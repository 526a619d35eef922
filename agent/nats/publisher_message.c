#include "nats/publisher_message.h"

#include "nats/internal.h"

#define BLOCK_OVERHEAD (10 + 2) /* "NATS/1.0\r\n" and the empty line */

/* In packed form the last line's name and value are what the library is told, so it is one that
 * every record has. */
#define LAST_NAME     "ce-specversion"
#define LAST_VALUE    "1.0"
#define LAST_LINE_LEN (sizeof LAST_NAME - 1 + 2 + sizeof LAST_VALUE - 1 + 2)

void sc_wire_done(struct sc_wire *wire)
{
    sc_buf_done(&wire->lines);
    sc_buf_done(&wire->stamp);
    wire->stamped = NULL;
}

static bool is_blank(const char *value)
{
    while (*value == ' ' || (*value >= '\t' && *value <= '\r'))
        value++;
    return *value == '\0';
}

static void add_line(struct sc_buf *lines, const char *name, const char *value)
{
    if (!value || is_blank(value))
        return;
    size_t name_len = strlen(name), value_len = strlen(value);
    if (sc_buf_reserve(lines, name_len + value_len + 5))
        return;
    char *at = lines->ptr + lines->len;
    memcpy(at, name, name_len);
    at += name_len;
    *at++ = ':';
    *at++ = ' ';
    for (size_t i = 0; i < value_len; i++) /* a line break would begin another header */
        *at++ = value[i] == '\r' || value[i] == '\n' ? ' ' : value[i];
    *at++ = '\r';
    *at++ = '\n';
    *at = '\0';
    lines->len += name_len + value_len + 4;
}

static void compose_stamp(struct sc_wire *wire, const struct sc_batch *batch)
{
    const struct sc_stamp *stamp = batch->stamp;
    sc_buf_clear(&wire->stamp);
    if (stamp) {
        add_line(&wire->stamp, "ce-source", stamp->ce_source);
        add_line(&wire->stamp, "ce-type", stamp->ce_type);
        add_line(&wire->stamp, "ce-datacontenttype", stamp->content_type);
        add_line(&wire->stamp, "content-type", stamp->content_type);
    }
    wire->stamped = wire->stamp.failed ? NULL : batch;
}

int64_t sc_wire_compose(struct sc_wire *wire, const struct sc_batch *batch,
                        const struct sc_record *record)
{
    struct sc_buf *lines = &wire->lines;
    if (wire->stamped != batch)
        compose_stamp(wire, batch);
    sc_buf_clear(lines);
    add_line(lines, "Nats-Msg-Id", batch->bytes + record->msg_id_at);
    add_line(lines, "ce-id", batch->bytes + record->ce_id_at);
    if (record->ce_time_at != UINT32_MAX)
        add_line(lines, "ce-time", batch->bytes + record->ce_time_at);
    if (record->extra_at != UINT32_MAX) {
        for (const char *at = batch->bytes + record->extra_at; *at;) {
            const char *value = at + strlen(at) + 1;
            add_line(lines, at, value);
            at = value + strlen(value) + 1;
        }
    }
    sc_buf_add(lines, wire->stamp.ptr, wire->stamp.len);
    if (lines->failed || wire->stamp.failed)
        return -1;
    return (int64_t)(BLOCK_OVERHEAD + lines->len + LAST_LINE_LEN);
}

static natsStatus set_packed(natsMsg *msg, struct sc_buf *lines)
{
    size_t len = lines->len;
    if (sc_buf_add_str(lines, LAST_NAME))
        return NATS_NO_MEMORY;
    natsStatus s = natsMsgHeader_Set(msg, lines->ptr, LAST_VALUE);
    lines->len = len;
    lines->ptr[len] = '\0';
    return s;
}

/* Terminates each name and value in place, and puts the separators back. */
static natsStatus set_each(natsMsg *msg, struct sc_buf *lines)
{
    natsStatus s = natsMsgHeader_Set(msg, LAST_NAME, LAST_VALUE);
    char *end = lines->ptr + lines->len;
    for (char *name = lines->ptr; s == NATS_OK && name < end;) {
        char *colon = strstr(name, ": ");
        char *eol = colon ? strstr(colon + 2, "\r\n") : NULL;
        if (!eol)
            break;
        *colon = *eol = '\0';
        s = natsMsgHeader_Set(msg, name, colon + 2);
        *colon = ':';
        *eol = '\r';
        name = eol + 2;
    }
    return s;
}

natsStatus sc_wire_message(struct sc_wire *wire, const char *subject, const char *reply,
                           const void *body, uint32_t len, natsMsg **ret)
{
    natsMsg *msg = NULL;
    natsStatus s = natsMsg_Create(&msg, subject, reply, body, (int)len);
    if (s == NATS_OK)
        s = wire->packed ? set_packed(msg, &wire->lines) : set_each(msg, &wire->lines);
    if (s != NATS_OK) {
        natsMsg_Destroy(msg);
        return s;
    }
    *ret = msg;
    return NATS_OK;
}

static bool header_is(natsMsg *msg, const char *name, const char *want)
{
    const char *value = NULL;
    return natsMsgHeader_Get(msg, name, &value) == NATS_OK && strcmp(value, want) == 0;
}

bool sc_wire_try(struct sc_session *session, int64_t timeout_ms)
{
    natsConnection *conn = sc_session_conn(session);
    struct sc_wire wire = {.packed = true};
    natsInbox *inbox = NULL;
    natsSubscription *sub = NULL;
    natsMsg *msg = NULL, *back = NULL;
    bool works = false;

    add_line(&wire.lines, "Nats-Msg-Id", "try-1");
    add_line(&wire.lines, "ce-time", "try-2");
    natsStatus s = wire.lines.failed ? NATS_NO_MEMORY : natsInbox_Create(&inbox);
    if (s == NATS_OK)
        s = natsConnection_SubscribeSync(&sub, conn, inbox);
    if (s == NATS_OK)
        s = sc_wire_message(&wire, inbox, NULL, "x", 1, &msg);
    if (s == NATS_OK)
        s = natsConnection_PublishMsg(conn, msg);
    if (s == NATS_OK)
        s = natsSubscription_NextMsg(&back, sub, timeout_ms);
    if (s == NATS_OK)
        works = header_is(back, "Nats-Msg-Id", "try-1") && header_is(back, "ce-time", "try-2") &&
                header_is(back, LAST_NAME, LAST_VALUE);
    natsMsg_Destroy(msg);
    natsMsg_Destroy(back);
    sc_session_drop(session, sub);
    natsInbox_Destroy(inbox);
    sc_wire_done(&wire);
    return works;
}
