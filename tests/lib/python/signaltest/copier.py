"""A thread that writes down every message of a stream: the witness for streams that forget.

It has its own connection and consumer and survives server restarts by reading on from its last sequence. Where the
stream lost its tail (power loss), what had been copied beyond it moves to `rolled_back`. On a work-queue or interest
stream it is told to acknowledge; it then uses a durable consumer and counts a redelivered message once. A message is
known by sequence and time: a work-queue stream of nats-server 2.9.10 that was killed while acknowledgements were
coming in was seen to begin again at sequence 1.
"""

import hashlib
import threading
from dataclasses import dataclass

from .jetstream import JetStream, Pull, from_delivery
from .nats import NatsError, Timeout, find_header
from .publisher import PREFIX
from .tools import Expired, wait_until

OTHERS = f"Nats-Msg-Id: {PREFIX}".encode()
IDLE_S = 0.1  # how long one look for the next message may take; bounds how late a stop is noticed


@dataclass(frozen=True, slots=True)
class Copy:
    """One stored message as it was seen."""

    seq: int
    subject: str
    raw_headers: bytes
    sha256: str
    length: int
    time_ns: int

    @classmethod
    def of(cls, stored):
        return cls(stored.seq, stored.subject, stored.raw_headers, hashlib.sha256(stored.body).hexdigest(),
                   len(stored.body), stored.time_ns)

    @property
    def msg_id(self):
        return _text(self.raw_headers, b"Nats-Msg-Id")

    @property
    def ce_id(self):
        return _text(self.raw_headers, b"ce-id")

    @property
    def ce_type(self):
        return _text(self.raw_headers, b"ce-type")


def _text(raw, name):
    value = find_header(raw, name)
    return None if value is None else value.decode("latin-1")


def _is_ours(copy):
    return OTHERS not in copy.raw_headers


class Copier(threading.Thread):
    """Copies `stream` until `stop`. `connect` returns a new nats.Connection or raises.

    `copies` only grows, but for a roll-back; `holes` are ranges of sequences that were gone before they could be
    copied (a witness that was too slow is no witness: scenarios check that there are none)."""

    def __init__(self, connect, stream, acknowledge=False, durable="copier"):
        super().__init__(name=f"copier-{stream}", daemon=True)
        self.connect = connect
        self.stream = stream
        self.acknowledge = acknowledge
        self.durable = durable if acknowledge else None
        self.copies = []
        self.rolled_back = []
        self.holes = []
        self.reconnects = 0
        self.last_seq = 0
        self.ours = 0  # copies that are not another publisher's
        self.last_error = None
        self._created = None
        self._seen = set()
        self._stopping = threading.Event()
        self._changed = threading.Condition()
        self.start()

    # -- for the test's thread ----------------------------------------------------------------------------

    @property
    def count(self):
        return len(self.copies)

    def wait_count(self, count, idle_s, what="more messages", alive=lambda: True):
        """Waits until `count` messages are copied, other publishers' not counted. False when alive() turned false
        before; Expired when none came for `idle_s`."""
        with self._changed:
            while self.ours < count:
                before = self.ours
                if not self._changed.wait_for(lambda: self.ours != before or not alive(), idle_s):
                    raise Expired(f"{what}: {before} of {count} copied, none for {idle_s:g} s"
                                  f"{f' (copier: {self.last_error})' if self.last_error else ''}")
                if not alive():
                    return False
        return True

    def nudge(self):
        """Makes a waiting wait_count look at its alive() again."""
        with self._changed:
            self._changed.notify_all()

    def catch_up(self, deadline_s=20.0):
        """Waits until everything that the stream holds now has been copied."""
        with self.connect() as connection:
            js = JetStream(connection)
            wanted = js.stream_state(self.stream)["last_seq"]
            if self.acknowledge:
                wait_until(lambda: js.stream_state(self.stream)["messages"] == 0, deadline_s,
                           lambda: f"copier of {self.stream}: {js.stream_state(self.stream)['messages']} not consumed")
            else:
                wait_until(lambda: self.last_seq >= wanted, deadline_s,
                           lambda: f"copier of {self.stream}: at {self.last_seq} of {wanted} ({self.last_error})")

    def stop(self):
        self._stopping.set()
        self.join(timeout=30)

    # -- the thread ---------------------------------------------------------------------------------------

    def run(self):
        while not self._stopping.is_set():
            try:
                with self.connect() as connection:
                    self.last_error = None
                    self._copy(JetStream(connection, timeout=2.0))
            except (NatsError, OSError) as error:
                self.last_error = error
                self.reconnects += 1
                self._stopping.wait(0.01)

    def _copy(self, js):
        self._notice_losses(js)
        pull = Pull(js, self.stream, self._consumer(js))
        while not self._stopping.is_set():
            try:
                message = pull.next(IDLE_S)
            except Timeout:
                self.nudge()
                continue
            self._note(from_delivery(message))
            if self.acknowledge:
                js.connection.publish(message.reply, b"+ACK")

    def _consumer(self, js):
        if self.acknowledge:
            return js.consumer_create(self.stream, durable=self.durable, ack_policy="explicit", max_ack_pending=-1,
                                      ack_wait=1_000_000_000)
        return js.consumer_create(self.stream, deliver_policy="by_start_sequence", opt_start_seq=self.last_seq + 1)

    def _notice_losses(self, js):
        """After a reconnect: another stream under the name, or the same with its tail lost."""
        info = js.stream_info(self.stream)
        last, created = info["state"]["last_seq"], info["created"]
        if self._created not in (None, created):
            self._seen.clear()
            self.last_seq = 0
        elif last < self.last_seq and not self.acknowledge:
            with self._changed:
                self.rolled_back += [c for c in self.copies if c.seq > last]
                self.copies = [c for c in self.copies if c.seq <= last]
                self.ours = sum(map(_is_ours, self.copies))
                self._seen = {(c.seq, c.time_ns) for c in self.copies}
                self.last_seq = last
        self._created = created

    def _note(self, stored):
        if (stored.seq, stored.time_ns) in self._seen:
            return
        if not self.acknowledge and stored.seq > self.last_seq + 1:
            self.holes.append((self.last_seq + 1, stored.seq - 1))
        copy = Copy.of(stored)
        self._seen.add((stored.seq, stored.time_ns))
        with self._changed:
            self.copies.append(copy)
            self.ours += _is_ours(copy)
            self.last_seq = max(self.last_seq, stored.seq)
            self._changed.notify_all()


def copy_of_stream(js, stream):
    """Everything that a stream holds now, as copies."""
    return [Copy.of(stored) for stored in js.read(stream)]
