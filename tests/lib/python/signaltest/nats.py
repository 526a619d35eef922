"""A small NATS client: one socket, one thread, no background work.

A Connection belongs to the thread that uses it. Bytes are read only while a call waits (next, request,
flush), so nothing happens behind the caller's back; the server's pings are answered then. A connection that
is lost says so (Disconnected) and is never rebuilt silently: `reconnect` is an explicit call, which makes the
subscriptions again. Messages that were on the way at that moment are gone, as with any core NATS client.

Protocol: https://docs.nats.io/reference/reference-protocols/nats-protocol
"""

import json
import os
import re
import select
import socket
import ssl
import time
from collections import deque
from urllib.parse import unquote, urlsplit

RECEIVE_BYTES = 256 * 1024
HEADER_VERSION = b"NATS/1.0"


class NatsError(Exception):
    """Anything that the server or the connection refused."""


class Disconnected(NatsError):
    """The connection is gone; `reconnect` makes a new one."""


class Timeout(NatsError):
    """Nothing arrived within the time given."""


class NoResponders(NatsError):
    """Nobody listens on the subject of a request (JetStream off, or no stream)."""


def parse_headers(raw):
    """Raw header block -> (status line after the version, [(name, value)]), in the order sent."""
    lines = raw.split(b"\r\n")
    status = lines[0][len(HEADER_VERSION):].decode("latin-1").strip()
    pairs = []
    for line in lines[1:]:
        if line:
            name, _, value = line.partition(b":")
            pairs.append((name.decode("latin-1"), value.decode("latin-1").strip()))
    return status, pairs


def encode_headers(headers):
    """Mapping or list of pairs -> raw header block."""
    pairs = headers.items() if hasattr(headers, "items") else headers
    out = [HEADER_VERSION]
    for name, value in pairs:
        if re.search(r"[\r\n]", f"{name}{value}"):
            raise ValueError(f"line break in header {name!r}")
        out.append(f"{name}: {value}".encode("latin-1"))
    return b"\r\n".join(out) + b"\r\n\r\n"


def find_header(raw, name):
    """Value of one header in a raw block without parsing the rest; None when absent. Names are case sensitive."""
    at = raw.find(b"\r\n" + name + b":")
    if at < 0:
        return None
    start = at + 3 + len(name)
    return raw[start:raw.find(b"\r\n", start)].strip()


class Message:
    """One message as it came off the wire."""

    __slots__ = ("subject", "sid", "reply", "raw_headers", "body")

    def __init__(self, subject, sid, reply, raw_headers, body):
        self.subject = subject
        self.sid = sid
        self.reply = reply
        self.raw_headers = raw_headers
        self.body = body

    @property
    def headers(self):
        """Header names to values; of a repeated name the last."""
        return dict(parse_headers(self.raw_headers)[1]) if self.raw_headers else {}

    @property
    def status(self):
        """Status code of a server's notice (100, 404, 408, 409, 503), or None for ordinary messages."""
        if self.body or not self.raw_headers.startswith(HEADER_VERSION + b" "):
            return None
        code = self.raw_headers[len(HEADER_VERSION) + 1:len(HEADER_VERSION) + 4]
        return int(code) if code.isdigit() else None

    def json(self):
        return json.loads(self.body)


class Subscription:
    """Messages of one subscription, in the order of arrival. Made by Connection.subscribe."""

    def __init__(self, connection, sid, subject, queue):
        self.connection = connection
        self.sid = sid
        self.subject = subject
        self.queue = queue
        self.pending = deque()

    def next(self, timeout=5.0):
        """The next message. Raises Timeout, or Disconnected when nothing is left and the connection is lost."""
        if not self.pending:
            self.connection.pump_until(lambda: self.pending, timeout, f"a message on {self.subject}")
        return self.pending.popleft()

    def unsubscribe(self):
        self.connection.unsubscribe(self)


class Connection:
    """A connection to one server, for one thread."""

    def __init__(self, url="nats://127.0.0.1:4222", user=None, password=None, name="signaltest",
                 connect_timeout=5.0, tls=None):
        parts = urlsplit(url)
        self.host = parts.hostname or "127.0.0.1"
        self.port = parts.port or 4222
        self.user = user if user is not None else (unquote(parts.username) if parts.username else None)
        self.password = password if password is not None else (unquote(parts.password) if parts.password else None)
        self.name = name
        self.connect_timeout = connect_timeout
        self.tls = tls if tls is not None else (ssl.create_default_context() if parts.scheme == "tls" else None)
        self.info = {}
        self.last_error = ""
        self._socket = None
        self._subscriptions = {}
        self._next_sid = 1
        self._inbox = "_INBOX." + os.urandom(11).hex()
        self._replies = {}
        self._next_reply = 1
        self._connect()

    # -- life ---------------------------------------------------------------------------------------------

    @property
    def connected(self):
        return self._socket is not None

    def reconnect(self, timeout=10.0):
        """A new socket to the same server, with the subscriptions made again. Tries until `timeout`."""
        deadline = time.monotonic() + timeout
        self._drop()
        while True:
            try:
                return self._connect()
            except (OSError, NatsError) as error:
                if time.monotonic() >= deadline:
                    raise Disconnected(f"no connection to {self.host}:{self.port} within {timeout} s: {error}") from error
                select.select([], [], [], 0.01)

    def close(self):
        self._drop()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def _connect(self):
        self._buffer = b""
        self._pongs = 0
        try:
            self._socket = socket.create_connection((self.host, self.port), timeout=self.connect_timeout)
            self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            deadline = time.monotonic() + self.connect_timeout
            self._greet(deadline)
            self._send(b"CONNECT " + json.dumps(self._hello()).encode() + b"\r\nPING\r\n")
            self.pump_until(lambda: self._pongs, max(0.1, deadline - time.monotonic()), "the server's first PONG")
        except BaseException:
            self._drop()
            raise
        # The server may deliver as soon as it knows the subjects, so they come after the handshake.
        again = [self._sub_line(s) for s in self._subscriptions.values()]
        self._send(b"".join([f"SUB {self._inbox}.* 0\r\n".encode()] + again))

    def _greet(self, deadline):
        """Reads the INFO line, and turns TLS on where asked."""
        line = b""
        while not line.endswith(b"\r\n"):
            self._socket.settimeout(max(0.01, deadline - time.monotonic()))
            try:
                byte = self._socket.recv(1)  # byte by byte: nothing behind INFO may be swallowed before TLS
            except TimeoutError as error:
                raise Timeout("the server sent no INFO") from error
            if not byte:
                raise Disconnected("the server closed the connection before INFO")
            line += byte
        if not line.startswith(b"INFO "):
            raise NatsError(f"not a NATS server: {line[:80]!r}")
        self.info = json.loads(line[5:])
        if self.tls or self.info.get("tls_required"):
            context = self.tls or ssl.create_default_context()
            self._socket = context.wrap_socket(self._socket, server_hostname=self.host)
        self._socket.settimeout(self.connect_timeout)

    def _hello(self):
        hello = {"verbose": False, "pedantic": False, "lang": "python-signaltest", "version": "1", "protocol": 1,
                 "name": self.name, "headers": True, "no_responders": True}
        if self.user is not None:
            hello["user"] = self.user
            hello["pass"] = self.password or ""
        return hello

    def _drop(self):
        held, self._socket = self._socket, None
        if held is not None:
            held.close()
        for number in list(self._replies):
            self._replies[number] = Disconnected("the connection was lost while a reply was awaited")

    # -- sending ------------------------------------------------------------------------------------------

    def publish(self, subject, body=b"", headers=None, reply=None):
        """Sends one message; returns when the kernel has it, not when the server has."""
        self._send(self.frame(subject, body, headers, reply))

    @staticmethod
    def frame(subject, body=b"", headers=None, reply=None):
        """The bytes of one PUB or HPUB, for callers that send many at once with send_frames."""
        if isinstance(body, str):
            body = body.encode()
        if not subject or re.search(r"\s", subject + (reply or "")):
            raise ValueError(f"bad subject {subject!r} or reply {reply!r}")
        to = f"{subject} {reply}" if reply else subject
        if headers:
            block = headers if isinstance(headers, bytes) else encode_headers(headers)
            return f"HPUB {to} {len(block)} {len(block) + len(body)}\r\n".encode() + block + body + b"\r\n"
        return f"PUB {to} {len(body)}\r\n".encode() + body + b"\r\n"

    def send_frames(self, frames):
        self._send(b"".join(frames))

    def flush(self, timeout=5.0):
        """Returns when the server has handled everything sent before."""
        wanted = self._pongs + 1
        self._send(b"PING\r\n")
        self.pump_until(lambda: self._pongs >= wanted, timeout, "PONG")

    def _send(self, data):
        if self._socket is None:
            raise Disconnected("not connected")
        try:
            self._socket.settimeout(30.0)
            self._socket.sendall(data)
        except OSError as error:
            self._drop()
            raise Disconnected(f"sending failed: {error}") from error

    # -- subscriptions and requests -----------------------------------------------------------------------

    def subscribe(self, subject, queue=None):
        subscription = Subscription(self, self._next_sid, subject, queue)
        self._next_sid += 1
        self._subscriptions[subscription.sid] = subscription
        self._send(self._sub_line(subscription))
        return subscription

    def unsubscribe(self, subscription):
        if self._subscriptions.pop(subscription.sid, None) and self.connected:
            self._send(f"UNSUB {subscription.sid}\r\n".encode())

    @staticmethod
    def _sub_line(subscription):
        queue = f"{subscription.queue} " if subscription.queue else ""
        return f"SUB {subscription.subject} {queue}{subscription.sid}\r\n".encode()

    def new_inbox(self):
        return "_INBOX." + os.urandom(11).hex()

    def request(self, subject, body=b"", headers=None, timeout=5.0):
        """Sends a request and waits for its one reply. Raises NoResponders, Timeout, Disconnected."""
        number = self.start_request(subject, body, headers)
        return self.finish_request(number, timeout)

    def start_request(self, subject, body=b"", headers=None):
        """First half of `request`: sends, returns a number for finish_request. Many may be under way."""
        number = self._next_reply
        self._next_reply += 1
        self._replies[number] = None
        try:
            self._send(self.frame(subject, body, headers, f"{self._inbox}.{number}"))
        except BaseException:
            del self._replies[number]
            raise
        return number

    def finish_request(self, number, timeout=5.0):
        try:
            self.pump_until(lambda: self._replies[number] is not None, timeout, "a reply")
            reply = self._replies[number]
        finally:
            del self._replies[number]
        if isinstance(reply, Exception):
            raise reply
        if reply.status == 503:
            raise NoResponders("no responders")
        return reply

    # -- receiving ----------------------------------------------------------------------------------------

    def pump_until(self, done, timeout, what):
        """Reads from the socket until done() is true. Raises Timeout naming `what`, or Disconnected."""
        deadline = time.monotonic() + timeout
        while not done():
            left = deadline - time.monotonic()
            if left <= 0:
                raise Timeout(f"no {what} within {timeout} s" if not what.startswith(("a ", "the "))
                              else f"{what} did not arrive within {timeout} s")
            self.pump(left)

    def pump(self, timeout):
        """One read from the socket, at most `timeout` seconds, and the handling of what it brought."""
        if self._socket is None:
            raise Disconnected("not connected")
        self._socket.settimeout(max(timeout, 0.001))
        try:
            data = self._socket.recv(RECEIVE_BYTES)
        except (TimeoutError, ssl.SSLWantReadError):
            return
        except OSError as error:
            self._drop()
            raise Disconnected(f"receiving failed: {error}") from error
        if not data:
            self._drop()
            raise Disconnected(f"the server closed the connection{': ' + self.last_error if self.last_error else ''}")
        self._parse(self._buffer + data if self._buffer else data)

    def _parse(self, data):
        """Handles all whole protocol lines in `data`; keeps the rest for the next read."""
        at, end = 0, len(data)
        while True:
            line_end = data.find(b"\r\n", at)
            if line_end < 0:
                break
            kind = data[at:at + 1]
            if kind == b"M" or kind == b"H":
                words = data[at:line_end].decode("latin-1").split(" ")
                body_at = line_end + 2
                after = body_at + int(words[-1])
                if after + 2 > end:
                    break
                header_bytes = int(words[-2]) if kind == b"H" else 0
                reply = words[3] if len(words) == (6 if kind == b"H" else 5) else None
                self._deliver(Message(words[1], int(words[2]), reply, data[body_at:body_at + header_bytes],
                                      data[body_at + header_bytes:after]))
                at = after + 2
                continue
            self._control(data[at:line_end])
            at = line_end + 2
            if self._socket is None:
                return
        self._buffer = data[at:] if at else data

    def _deliver(self, message):
        if message.sid == 0:
            number = int(message.subject.rpartition(".")[2])
            if number in self._replies and self._replies[number] is None:
                self._replies[number] = message
            return
        subscription = self._subscriptions.get(message.sid)
        if subscription is not None:
            subscription.pending.append(message)

    def _control(self, line):
        if line == b"PING":
            self._send(b"PONG\r\n")
        elif line == b"PONG":
            self._pongs += 1
        elif line.startswith(b"INFO "):
            self.info = json.loads(line[5:])
        elif line.startswith(b"-ERR"):
            self.last_error = line[4:].decode("latin-1").strip().strip("'")
            if not self.last_error.lower().startswith("permissions violation"):
                self._drop()
                raise Disconnected(f"the server said: {self.last_error}")
