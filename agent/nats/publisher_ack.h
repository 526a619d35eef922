/* What comes back for a message: the reply token that names its slot, and the acknowledgement.
 * Pure. */
#pragma once

#include <signal/types.h>

/* "ssssnnnnnnnn": slot and nonce in lower-case hex. A slot is used again and again; its nonce tells
 * one use from another. */
#define SC_ACK_TOKEN_LEN 12
#define SC_ACK_SLOTS_MAX 65536u

void sc_ack_token_write(char out[SC_ACK_TOKEN_LEN], uint32_t slot, uint32_t nonce);
bool sc_ack_token_read(struct sc_str token, uint32_t *ret_slot, uint32_t *ret_nonce);

enum sc_ack_kind {
    SC_ACK_STORED,
    SC_ACK_DUPLICATE,     /* stored before under this id; seq is the old one */
    SC_ACK_ERROR,         /* known not stored */
    SC_ACK_NO_RESPONDERS, /* no stream takes the subject: known not stored */
    SC_ACK_STRANGE        /* an answer that says neither */
};

struct sc_ack {
    uint64_t seq;
    uint32_t slot, nonce;
    uint32_t stream_hash; /* sc_ack_stream_hash() of the stream's name in the answer */
    uint16_t code, err_code;
    uint8_t kind;
    char *text; /* SC_ACK_ERROR: the server's description, heap, may be NULL */
};

uint32_t sc_ack_stream_hash(struct sc_str name);
/* {"stream":"DATA","seq":12,"duplicate":true} or
 * {"error":{"code":503,"err_code":10077,"description":"..."},...}: sets kind, seq, stream_hash,
 * code, err_code. *ret_text views the description inside body. */
void sc_ack_parse(struct sc_str body, struct sc_ack *ret, struct sc_str *ret_text);
