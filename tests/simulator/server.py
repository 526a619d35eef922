"""An HTTP/1.1 server over plain sockets: a thread per connection, and every byte under our control.

Requests go to the vendor mounted at their path, through its queue of misbehaviours; `/_sim/` is the control API and
`/_trap` is where redirects lead that nobody should follow with a credential.
"""

import hashlib
import select
import socket
import ssl
import struct
import threading
import time
from collections import deque
from itertools import count

from bodies import Gzip
from control import Control
from messages import REASONS, Request, html_response, http_date
from misbehave import HARMLESS, Programs

LARGEST_HEAD = 64 * 1024
LARGEST_REQUEST_BODY = 16 * 1024 * 1024
KEPT_REQUESTS = 200_000
PIECE = 256 * 1024
LOGGED_HEADERS = ("host", "user-agent", "accept", "accept-encoding", "if-none-match", "if-modified-since", "range",
                  "content-type")


class ConnectionEnd(Exception):
    """This connection is to be closed: by the client, by a misbehaviour, or at the end of the simulator."""


class Server:
    def __init__(self, address, vendors, seed, tls=None):
        self.vendors = {vendor.name: vendor for vendor in vendors}
        self.programs = {name: Programs(f"{seed}/{name}") for name in self.vendors}
        self.requests = {name: deque(maxlen=KEPT_REQUESTS) for name in self.vendors}
        self.mounts = {mount: vendor for vendor in vendors for mount in vendor.mounts()}
        self.stopping = threading.Event()
        self.started = time.monotonic()
        self.trapped = []
        self.control = Control(self)
        self.scheme = "https" if tls else "http"
        self._tls = _tls_context(*tls) if tls else None
        self._numbers = count(1)
        self._connections = set()
        self._lock = threading.Lock()
        self._wake_in, self._wake_out = socket.socketpair()
        family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
        self._listener = socket.socket(family, socket.SOCK_STREAM)
        self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._listener.bind(address)
        self._listener.listen(1024)

    @property
    def url(self):
        host, port = self._listener.getsockname()[:2]
        return f"{self.scheme}://{f'[{host}]' if ':' in host else host}:{port}"

    def serve(self):
        """Accept until stop()."""
        while not self.stopping.is_set():
            ready, _, _ = select.select([self._listener, self._wake_in], [], [])
            if self._listener not in ready:
                continue
            accepted, _ = self._listener.accept()
            connection = Connection(self, accepted, next(self._numbers))
            with self._lock:
                self._connections.add(connection)
            threading.Thread(target=connection.run, daemon=True).start()
        self._listener.close()
        with self._lock:
            connections = list(self._connections)
        for connection in connections:
            connection.abort()
        for connection in connections:
            connection.ended.wait(2)
        self._wake_in.close()
        self._wake_out.close()

    def stop(self):
        """From any thread, or from a signal handler."""
        if not self.stopping.is_set():
            # In this order: once it is set, serve() may end at any moment and close what is written to here.
            self._wake_out.send(b"x")
            self.stopping.set()

    def forget(self, connection):
        with self._lock:
            self._connections.discard(connection)

    def wrap(self, accepted):
        return self._tls.wrap_socket(accepted, server_side=True) if self._tls else accepted

    def route(self, path):
        """The mount of a path, or None."""
        mount = "/" + path.split("/", 2)[1] if path.startswith("/") else ""
        return mount if mount in self.mounts else None

    def trap(self, request):
        """Somebody followed a redirect to another host."""
        vendor = self.mounts.get(self.route(request.path.removeprefix("/_trap")))
        self.trapped.append(request.target)
        if vendor:
            secret = any(name.lower() in vendor.secret_headers for name, _ in request.headers)
            with vendor.lock:
                vendor.violate(request, "redirect_followed", "to another host")
                if secret:
                    vendor.violate(request, "credential_sent_elsewhere", "a secret header was sent to another host")
        return html_response(200, "<html><body>trap</body></html>\n")


class Connection:
    def __init__(self, server, accepted, number):
        self.server = server
        self.number = number
        self.ended = threading.Event()
        self._socket = accepted
        self._peer = _peer_of(accepted)
        self._buffer = b""
        accepted.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def run(self):
        try:
            self._socket = self.server.wrap(self._socket)
            while not self.server.stopping.is_set():
                self._serve_one()
        except (ConnectionEnd, OSError):
            pass
        finally:
            self.server.forget(self)
            self.abort()
            self._socket.close()
            self.ended.set()

    def abort(self):
        """Wake the thread that serves the connection, and let the client see its end."""
        try:
            self._socket.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass    # closed already, by the client or by a reset

    # Receiving.

    def _serve_one(self):
        request = self._receive()
        if request.path.startswith("/_sim/"):
            self._send(request, self.server.control.answer(request))
        elif request.path.startswith("/_trap"):
            self._send(request, self.server.trap(request))
        elif (mount := self.server.route(request.path)) is not None:
            self._serve_vendor(request, mount)
        else:
            self._send(request, html_response(404, "<html><body>Not Found</body></html>\n"))
        if request.version == "HTTP/1.0" or (request.header("Connection") or "").lower() == "close":
            raise ConnectionEnd

    def _receive(self):
        while b"\r\n\r\n" not in self._buffer:
            if len(self._buffer) > LARGEST_HEAD:
                self._refuse(431)
            self._fill()
        head, _, self._buffer = self._buffer.partition(b"\r\n\r\n")
        lines = head.decode("latin-1").split("\r\n")
        parts = lines[0].split(" ")
        if len(parts) != 3 or not parts[2].startswith("HTTP/1."):
            self._refuse(400)
        headers = []
        for line in lines[1:]:
            name, colon, value = line.partition(":")
            if not colon or not name or name != name.strip():
                self._refuse(400)
            headers.append((name, value.strip()))
        request = Request(*parts, headers, scheme=self.server.scheme, connection=self.number,
                          monotonic=time.monotonic(), wall=time.time(), peer=self._peer)
        self._receive_body(request)
        return request

    def _receive_body(self, request):
        if request.header("Transfer-Encoding"):
            self._refuse(411)
        length = request.header("Content-Length") or "0"
        if not length.isdigit() or int(length) > LARGEST_REQUEST_BODY:
            self._refuse(400)
        if request.header("Expect"):
            self._push(b"HTTP/1.1 100 Continue\r\n\r\n")
        while len(self._buffer) < int(length):
            self._fill()
        request.body, self._buffer = self._buffer[:int(length)], self._buffer[int(length):]

    def _fill(self):
        data = self._socket.recv(65536)
        if not data:
            raise ConnectionEnd
        self._buffer += data

    def _refuse(self, status):
        reason = REASONS[status]
        self._push(f"HTTP/1.1 {status} {reason}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".encode())
        raise ConnectionEnd

    # Answering for a vendor.

    def _serve_vendor(self, request, mount):
        vendor = self.server.mounts[mount]
        entry = self._log(vendor, request)
        account = Account(vendor, request, entry)
        try:
            with vendor.lock:
                response, entry["misbehaviours"] = self._decide(vendor, request, mount)
                self._encode(vendor, request, response)
                account.answered(response)
            if response.status == 200:
                response.delivery.first_byte_delay += vendor.options.page_delay
            if response.delivery.framing is None and vendor.options.framing != "auto":
                response.delivery.framing = vendor.options.framing
            self._send(request, response, account)
        finally:
            account.close()

    def _decide(self, vendor, request, mount):
        vendor.counters["requests"] += 1
        vendor.check_wait(request)
        refusal = None
        if vendor.in_flight > vendor.options.max_concurrent:
            vendor.violate(request, "concurrency", f"{vendor.in_flight} parallel requests")
            refusal = vendor.error(429, request)
        refusal = refusal or vendor.inspect(request, mount)
        response, applied = self.server.programs[vendor.name].apply(vendor, request, mount, refusal)
        if response.page is not None and not HARMLESS.issuperset(applied):
            response.page.spoilt = True
        if response.wait_until is not None:
            vendor.name_wait(request, response.wait_until)
        if response.header("Date") is None:
            response.headers.insert(0, ("Date", http_date(vendor.now())))
        return response, applied

    @staticmethod
    def _encode(vendor, request, response):
        if response.identity_only or (response.page is None and not response.compressible):
            return
        accepted = "gzip" in (request.header("Accept-Encoding") or "").lower()
        if vendor.options.gzip == "always" or (vendor.options.gzip == "auto" and accepted):
            response.body = Gzip(response.body)
            response.set("Content-Encoding", "gzip")

    def _log(self, vendor, request):
        entry = {
            "n": next(self.server.control.request_numbers), "wall": request.wall, "monotonic": request.monotonic,
            "connection": self.number, "method": request.method, "target": vendor.shown(request.target),
            "headers": {name.lower(): _shown(vendor, name.lower(), value) for name, value in request.headers
                        if name.lower() in LOGGED_HEADERS or name.lower() in vendor.secret_headers},
            "status": None, "misbehaviours": [], "violations": [], "page": None, "body_sent": 0, "complete": False,
            "seconds": None}
        self.server.requests[vendor.name].append(entry)
        return entry

    # Sending.

    def _send(self, request, response, account=None):
        """Send a reply as its Delivery says. The account is closed before the client can know that it has all."""
        delivery, body = response.delivery, response.body
        account = account or NoAccount()
        bodiless = request.method == "HEAD" or response.status in (204, 304)
        framing = delivery.framing or ("length" if body.sized else "chunked")
        self._wait(delivery.first_byte_delay)
        if delivery.cut_at is not None and delivery.cut_at < 0:
            self._end(delivery, account)
        head = self._head(response, framing, bodiless)
        if bodiless or (body.sized and not body.length()):
            account.close(complete=True)
        self._push(head)
        if not bodiless:
            self._send_body(body, delivery, framing, account)
        if framing == "close" or delivery.close_silently:
            raise ConnectionEnd

    def _head(self, response, framing, bodiless):
        reason = REASONS.get(response.status, "Unknown")
        lines = [f"HTTP/1.1 {response.status} {reason}"]
        lines += [f"{name}: {value}" for name, value in response.headers]
        if bodiless:
            pass
        elif framing == "length":
            lines.append(f"Content-Length: {max(0, response.body.length() + response.delivery.length_error)}")
        elif framing == "chunked":
            lines.append("Transfer-Encoding: chunked")
        else:
            lines.append("Connection: close")
        return ("\r\n".join(lines) + "\r\n\r\n").encode("utf-8", "surrogateescape")

    def _send_body(self, body, delivery, framing, account):
        end = body.length() if body.sized else None
        stalled = delivery.stall_at is None
        for chunk in body.chunks():
            view = memoryview(chunk)
            while view:
                size = self._piece(len(view), delivery, account.sent, stalled, end)
                if size > 0:
                    piece, view = view[:size], view[size:]
                    last = account.sent + size == end
                    if last:
                        account.sent = end
                        account.close(complete=True)
                    self._push(b"%x\r\n%b\r\n" % (size, piece) if framing == "chunked" else piece)
                    if not last:
                        account.sent += size
                    if delivery.bytes_per_second:
                        self._wait(size / delivery.bytes_per_second)
                if account.sent == delivery.cut_at:
                    self._end(delivery, account)
                if not stalled and account.sent >= delivery.stall_at:
                    stalled = True
                    self._wait(delivery.stall_seconds)
        account.close(complete=True)
        if framing == "chunked":
            self._push(b"0\r\n\r\n")

    @staticmethod
    def _piece(left, delivery, sent, stalled, end):
        """How many bytes to send at once: up to the next place where something happens."""
        size = min(left, PIECE)
        if delivery.bytes_per_second:
            size = min(size, max(1, delivery.bytes_per_second // 10))
        if not stalled:
            size = min(size, max(0, delivery.stall_at - sent))
        if delivery.cut_at is not None:
            size = min(size, delivery.cut_at - sent)
        # The last byte goes alone: without it the client cannot have the whole reply.
        return size - 1 if sent + size == end and size > 1 else size

    def _push(self, data):
        self._socket.sendall(data)

    def _wait(self, seconds):
        if seconds > 0 and self.server.stopping.wait(seconds):
            raise ConnectionEnd

    def _end(self, delivery, account):
        """Cut the connection."""
        account.close()
        if delivery.cut_by == "reset":
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self._socket.close()
        raise ConnectionEnd


class Account:
    """What became of one request: closed once, into the log, the ledger and the vendor's counters."""

    def __init__(self, vendor, request, entry):
        self.vendor, self.request, self.entry = vendor, request, entry
        self.response = None
        self.sent = 0
        self.closed = False
        with vendor.lock:
            vendor.in_flight += 1
            vendor.peak_in_flight = max(vendor.peak_in_flight, vendor.in_flight)

    def answered(self, response):
        self.response = response
        self.vendor.statuses[response.status] += 1
        self.entry["status"] = response.status
        self.entry["violations"] = list(self.request.violations)
        self.entry["page"] = response.page.number if response.page else None
        if self.request.note:
            self.entry["note"] = dict(self.request.note)

    def close(self, complete=False):
        if self.closed:
            return
        self.closed = True
        page = self.response.page if self.response else None
        records = self.response.body.complete_within(self.sent) if page else 0
        with self.vendor.lock:
            self.vendor.in_flight -= 1
            self.vendor.counters["body_bytes"] += self.sent
            if page:
                page.complete = records
                page.whole = complete
            self.entry["body_sent"], self.entry["complete"] = self.sent, complete
            self.entry["seconds"] = round(time.monotonic() - self.request.monotonic, 6)


class NoAccount:
    """For replies that are nobody's: those of the control API."""

    def __init__(self):
        self.sent = 0

    def close(self, complete=False):
        """Nobody counts."""


def _shown(vendor, name, value):
    """A header's value for the log: of a secret one only a hash."""
    if name in vendor.secret_headers:
        return "sha256:" + hashlib.sha256(value.encode("latin-1", "replace")).hexdigest()[:16]
    return value


def _peer_of(accepted):
    try:
        return accepted.getpeername()[0]
    except OSError:
        return ""       # gone already


def _tls_context(certificate, key):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    return context
