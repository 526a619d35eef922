"""JetStream by its documented request API, and a fast reader of whole streams.

Everything goes through `$JS.API.…` requests, so that what is seen is what the server says. Reads of single
messages use STREAM.MSG.GET (served by the stream's leader), never a direct get, which may be stale.

API: https://docs.nats.io/reference/reference-protocols/nats_api_reference
"""

import base64
import datetime
import json

from .nats import NatsError, Timeout, parse_headers

BATCH = 2000  # messages a pull asks for; two pulls are kept under way, so this bounds what waits in the socket
READ_QUIET_S = 3.0  # a consumer that delivers nothing for so long, though messages are there, is given up
CONSUMER_REFUSED = (10084, 10098, 10099, 10100)  # work queue: not unique, needs a filter, needs acks


class ApiError(NatsError):
    """A refusal by JetStream: `err_code` is the documented number (10059: stream not found)."""

    def __init__(self, subject, error):
        super().__init__(f"{subject}: {error.get('description')} ({error.get('err_code')})")
        self.code = error.get("code")
        self.err_code = error.get("err_code")
        self.description = error.get("description", "")


class ReadIncomplete(NatsError):
    """A pass over a stream ended before the sequence it was to reach."""


class StoredMessage:
    """One message of a stream: where it stands, when it was stored (ns since 1970), what it holds."""

    __slots__ = ("stream", "seq", "subject", "raw_headers", "body", "time_ns", "consumer_seq", "reply")

    def __init__(self, stream, seq, subject, raw_headers, body, time_ns, consumer_seq=0, reply=None):
        self.stream = stream
        self.seq = seq
        self.subject = subject
        self.raw_headers = raw_headers
        self.body = body
        self.time_ns = time_ns
        self.consumer_seq = consumer_seq  # 0 where no consumer delivered it
        self.reply = reply  # where to acknowledge

    @property
    def headers(self):
        return dict(parse_headers(self.raw_headers)[1]) if self.raw_headers else {}


def parse_time_ns(text):
    """RFC 3339 UTC with up to nine digits of fraction -> ns since 1970."""
    whole, _, fraction = text.rstrip("Z").partition(".")
    seconds = datetime.datetime.fromisoformat(whole + "+00:00").timestamp()
    return int(seconds) * 1_000_000_000 + int((fraction + "000000000")[:9])


def from_delivery(message):
    """A message that a consumer delivered -> StoredMessage. Where it stands is in its reply subject."""
    words = message.reply.split(".")
    if len(words) >= 11:  # $JS.ACK.<domain>.<account>.<stream>.<consumer>.…
        del words[2:4]
    return StoredMessage(words[2], int(words[5]), message.subject, message.raw_headers, message.body,
                         int(words[7]), int(words[6]), message.reply)


class JetStream:
    """The JetStream API on a connection. Methods raise ApiError where the server refuses."""

    def __init__(self, connection, domain=None, timeout=5.0):
        self.connection = connection
        self.prefix = f"$JS.{domain}.API" if domain else "$JS.API"
        self.timeout = timeout

    def api(self, subject, body=None, timeout=None):
        """One API request; returns the parsed reply."""
        payload = b"" if body is None else json.dumps(body).encode()
        reply = self.connection.request(f"{self.prefix}.{subject}", payload, timeout=timeout or self.timeout).json()
        if "error" in reply:
            raise ApiError(subject, reply["error"])
        return reply

    # -- streams ------------------------------------------------------------------------------------------

    def stream_create(self, name, subjects, **config):
        """Creates a stream on file; `config` takes the API's own members, durations in nanoseconds."""
        return self.api(f"STREAM.CREATE.{name}", {"name": name, "subjects": list(subjects), "storage": "file",
                                                  "retention": "limits", "discard": "old", **config})

    def stream_update(self, name, **changes):
        config = self.stream_info(name)["config"]
        config.update(changes)
        return self.api(f"STREAM.UPDATE.{name}", config)

    def stream_info(self, name):
        return self.api(f"STREAM.INFO.{name}")

    def stream_state(self, name):
        """messages, bytes, first_seq, last_seq, …"""
        return self.stream_info(name)["state"]

    def stream_names(self, subject=None):
        return self.api("STREAM.NAMES", {"subject": subject} if subject else {}).get("streams") or []

    def stream_exists(self, name):
        try:
            self.stream_info(name)
        except ApiError as error:
            if error.err_code == 10059:
                return False
            raise
        return True

    def stream_delete(self, name):
        return self.api(f"STREAM.DELETE.{name}")

    def stream_purge(self, name, subject=None, seq=None, keep=None):
        body = {k: v for k, v in {"filter": subject, "seq": seq, "keep": keep}.items() if v is not None}
        return self.api(f"STREAM.PURGE.{name}", body)["purged"]

    # -- messages -----------------------------------------------------------------------------------------

    def publish(self, subject, body=b"", headers=None, timeout=None):
        """Publishes and waits for the acknowledgement: {"stream", "seq", "duplicate"?}."""
        reply = self.connection.request(subject, body, headers, timeout or self.timeout).json()
        if "error" in reply:
            raise ApiError(subject, reply["error"])
        return reply

    def publish_many(self, messages, window=500):
        """Publishes (subject, body, headers) tuples with `window` unacknowledged; returns the acknowledgements."""
        connection, started, acks = self.connection, [], []
        for subject, body, headers in messages:
            started.append((subject, connection.start_request(subject, body, headers)))
            if len(started) >= window:
                acks.extend(self._collect(started))
                started = []
        acks.extend(self._collect(started))
        return acks

    def _collect(self, started):
        for subject, number in started:
            reply = self.connection.finish_request(number, self.timeout).json()
            if "error" in reply:
                raise ApiError(subject, reply["error"])
            yield reply

    def message(self, stream, seq=None, last_by_subj=None, next_by_subj=None):
        """One message by STREAM.MSG.GET, or None where there is none.

        seq alone: that one. last_by_subj: the newest on the subject. next_by_subj: the first at or after `seq`."""
        body = {"seq": seq, "last_by_subj": last_by_subj, "next_by_subj": next_by_subj}
        try:
            reply = self.api(f"STREAM.MSG.GET.{stream}", {k: v for k, v in body.items() if v is not None})["message"]
        except ApiError as error:
            if error.err_code == 10037:
                return None
            raise
        return StoredMessage(stream, reply["seq"], reply["subject"], base64.b64decode(reply.get("hdrs", "")),
                             base64.b64decode(reply.get("data", "")), parse_time_ns(reply["time"]))

    def message_delete(self, stream, seq):
        return self.api(f"STREAM.MSG.DELETE.{stream}", {"seq": seq})

    # -- consumers ----------------------------------------------------------------------------------------

    def consumer_create(self, stream, durable=None, **config):
        """Creates a pull consumer and returns its name; ephemeral unless `durable` names it."""
        body = {"ack_policy": "none", "deliver_policy": "all", "replay_policy": "instant", **config}
        if durable:
            body["durable_name"] = durable
            subject = f"CONSUMER.DURABLE.CREATE.{stream}.{durable}"
        else:
            body.setdefault("inactive_threshold", 60_000_000_000)
            subject = f"CONSUMER.CREATE.{stream}"
        return self.api(subject, {"stream_name": stream, "config": body})["name"]

    def consumer_info(self, stream, consumer):
        return self.api(f"CONSUMER.INFO.{stream}.{consumer}")

    def consumer_names(self, stream):
        return self.api(f"CONSUMER.NAMES.{stream}").get("consumers") or []

    def consumer_delete(self, stream, consumer):
        return self.api(f"CONSUMER.DELETE.{stream}.{consumer}")

    # -- whole streams ------------------------------------------------------------------------------------

    def read(self, stream, start=1, end=None, subject=None, headers_only=False):
        """Yields every stored message from `start` to `end` (default: the last one at the time of the call).

        By an ephemeral pull consumer; where the stream refuses one (work queue) or where it stops short, by
        STREAM.MSG.GET. Where it is to end is asked of the store itself: a consumer's count of what is pending
        was seen to be wrong on 2.9.10 (0 for a start before the first message, and after a recovery)."""
        state = self.stream_state(stream)
        newest = self.message(stream, last_by_subj=subject or ">")
        if newest is None:
            return
        end = newest.seq if end is None else min(end, newest.seq)
        at = max(start, state["first_seq"], 1)
        if at > end:
            return
        try:
            for stored in self._read_by_consumer(stream, at, subject, headers_only):
                if stored.seq > end:
                    return
                yield stored
                at = stored.seq + 1
                if stored.seq >= newest.seq or at > end:
                    return
        except Timeout:
            yield from self.read_by_get(stream, at, end, subject)
        except ApiError as error:
            if error.err_code not in CONSUMER_REFUSED:
                raise
            yield from self.read_by_get(stream, at, end, subject)

    def _read_by_consumer(self, stream, start, subject, headers_only):
        """Endless: whoever iterates knows when to stop. Raises Timeout when the consumer goes quiet."""
        config = {"deliver_policy": "by_start_sequence", "opt_start_seq": start}
        if subject:
            config["filter_subject"] = subject
        if headers_only:
            config["headers_only"] = True
        consumer = self.consumer_create(stream, **config)
        pull = Pull(self, stream, consumer)
        try:
            expected = 1
            while True:
                stored = from_delivery(pull.next(READ_QUIET_S))
                if stored.consumer_seq != expected:
                    raise ReadIncomplete(f"{stream}: consumer sequence {stored.consumer_seq} instead of {expected}")
                expected += 1
                yield stored
        finally:
            pull.close()
            if self.connection.connected:
                self.consumer_delete(stream, consumer)

    def read_by_get(self, stream, start=1, end=None, subject=None):
        """As `read`, one request a message: slower, but works on any stream."""
        end = self.stream_state(stream)["last_seq"] if end is None else end
        seq = max(start, 1)
        while seq <= end:
            stored = self.message(stream, seq=seq, next_by_subj=subject or ">")
            if stored is None or stored.seq > end:
                return
            yield stored
            seq = stored.seq + 1


class Pull:
    """Messages of a pull consumer with requests always under way. `next` raises nats.Timeout when idle."""

    EXPIRES_NS = 30_000_000_000

    def __init__(self, js, stream, consumer, batch=BATCH):
        self.js = js
        self.subject = f"{js.prefix}.CONSUMER.MSG.NEXT.{stream}.{consumer}"
        self.batch = batch
        self.inbox = js.connection.new_inbox()
        self.subscription = js.connection.subscribe(self.inbox)
        self.asked = 0
        self._ask()

    def _ask(self):
        body = json.dumps({"batch": self.batch, "expires": self.EXPIRES_NS}).encode()
        self.js.connection.publish(self.subject, body, reply=self.inbox)
        self.asked += self.batch

    def next(self, timeout):
        """The next message of the stream; notices of the server only renew the request."""
        while True:
            message = self.subscription.next(timeout)
            if message.reply and message.reply.startswith("$JS.ACK."):
                self.asked -= 1
                if self.asked == self.batch // 2:
                    self._ask()
                return message
            self._notice(message)

    def _notice(self, message):
        if message.status in (404, 408, 409):
            self.asked = 0
            text = parse_headers(message.raw_headers)[0].lower()
            if "consumer deleted" in text or "not found" in text or "server shutdown" in text:
                raise NatsError(f"the consumer is gone: {text}")
            self._ask()
        elif message.status == 503:
            raise NatsError("the consumer is gone: no responders")

    def close(self):
        if self.js.connection.connected:
            self.subscription.unsubscribe()
