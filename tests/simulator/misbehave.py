"""Misbehaviours: what a vendor, a proxy or the network may do to a reply.

A program is one row of a vendor's queue:

    {"kind": ..., "count": n | "always", "match": "substring of path?query", "after_pages": n, "skip": n,
     "probability": p, ...parameters of the kind}

For each request the programs are gone through in order. The first that takes the place of the vendor's answer does
(kinds of REPLACE and the vendor's own `replacements`); all others that fire alter the reply (kinds of ALTER and the
vendor's own `alterations`). A program counts down when it fires, and is gone at zero. Requests that the vendor refuses
by itself keep replacing programs untouched.
"""

import inspect
import json
import random
import threading
from collections import Counter
from itertools import count

from bodies import Bytes, Gzip, Records, Stream, Truncated, gzip_bomb
from messages import Response, access_denied_page, html_response, http_date
from options import OptionError

CONTROL = frozenset(("kind", "count", "match", "after_pages", "skip", "probability"))
FAR_AHEAD = 10 * 365 * 86400
MEGABYTE = 1024 * 1024
# Kinds behind which a reply is still a good one for every client.
HARMLESS = frozenset(("framing", "close_after"))


# Kinds that take the place of the vendor's answer: f(vendor, request, **parameters) -> Response.

def status(vendor, request, status=500, retry_after=None, body="vendor"):
    """Any status, with the vendor's body (vendor), HTML (html), or nothing (empty). retry_after: see throttle."""
    if body == "html":
        response = html_response(status, f"<html><body><h1>{status}</h1><p>Request blocked.</p></body></html>\n")
    else:
        response = vendor.error(status, request) if body == "vendor" else Response(status)
    if retry_after is not None:
        _retry_after(vendor, response, int(retry_after), as_date=False)
    return response


def throttle(vendor, request, header="reset", seconds=5, status=429):
    """429, naming a time by `header`: reset (the vendor's own header, epoch), retry_after (seconds), date (Retry-After as
    HTTP-date), none, absurd (reset ten years ahead), absurd_retry_after, past (reset gone by), past_date, garbage."""
    response = vendor.error(status, request)
    response.no_budget = True
    now = vendor.now()
    if header == "retry_after":
        _retry_after(vendor, response, int(seconds), as_date=False)
    elif header == "date":
        _retry_after(vendor, response, int(seconds), as_date=True)
    elif header == "absurd_retry_after":
        response.set("Retry-After", str(FAR_AHEAD))
    elif header == "past_date":
        response.set("Retry-After", http_date(now - 3600))
    elif header == "garbage":
        response.set("Retry-After", "soon")
        response.set(vendor.reset_header, "18446744073709551616999")
    elif header != "none":
        ahead = {"reset": int(seconds), "absurd": FAR_AHEAD, "past": -3600}[header]
        reset = int(now) + 1 + ahead if header == "reset" else int(now) + ahead
        response.set(vendor.limit_headers[0], "600")
        response.set(vendor.limit_headers[1], "0")
        response.set(vendor.reset_header, str(reset))
        response.wait_until = float(reset) if header == "reset" else None
    return response


def _retry_after(vendor, response, seconds, as_date):
    # A date has whole seconds: named one later, so that it is never less than `seconds`.
    until = int(vendor.now()) + 1 + seconds if as_date else vendor.now() + seconds
    response.set("Retry-After", http_date(until) if as_date else str(seconds))
    response.wait_until = float(until)


def access_denied(vendor, request):
    """403 with the HTML page of a content delivery network and a reference number."""
    return access_denied_page(request, vendor.seed)


def html_login(vendor, request, content_type="text/html; charset=utf-8"):
    """200 with a login page."""
    response = html_response(200, "<!DOCTYPE html>\n<html><head><title>Sign In</title></head><body>"
                                  "<form method=\"post\" action=\"/login\"><input name=\"username\">"
                                  "</form></body></html>\n")
    response.set("Content-Type", content_type)
    return response


def garbage_json(vendor, request, text='[{"uuid": nope, ]} \x00\x01'):
    """200 application/json that is no JSON; `text` to choose it."""
    return Response(200, [("Content-Type", "application/json")], Bytes(text.encode()))


def body(vendor, request, text="", status=200, content_type="application/json"):
    """Any reply without records."""
    return Response(status, [("Content-Type", content_type)], Bytes(text.encode()))


def redirect(vendor, request, to="other_host", status=302):
    """To another host (the trap of this simulator by another name), to itself for ever (self), or to a given URL."""
    port = (request.header("Host") or "localhost").rpartition(":")[2]
    other = f"{request.scheme}://localhost:{port}" if port.isdigit() else f"{request.scheme}://localhost"
    location = {"other_host": f"{other}/_trap{request.target}", "self": request.origin() + request.target}.get(to, to)
    response = html_response(status, "<html><body>Moved</body></html>\n")
    response.set("Location", location)
    return response


def expired_cursor(vendor, request, status=400):
    """The vendor does not know the cursor any more. Use with "match": "after=" or the like."""
    return vendor.error(status, request)


def bomb(vendor, request, bytes=1024 * MEGABYTE):
    """A few KiB of gzip that unpack to `bytes` of JSON."""
    return Response(200, [("Content-Type", "application/json"), ("Content-Encoding", "gzip")], gzip_bomb(int(bytes)),
                    identity_only=True)


def endless_body(vendor, request, bytes=1024 * MEGABYTE, start="[", fill=" "):
    """A body without end (up to `bytes`): `start`, then `fill` again and again. fill "[" nests without end."""
    block = (fill.encode() * (65536 // len(fill.encode()) + 1))[:65536]

    def source():
        yield start.encode()
        for _ in range(int(bytes) // len(block)):
            yield block

    return Response(200, [("Content-Type", "application/json")], Stream(source), identity_only=True)


# Kinds that alter the reply: f(response, request, **parameters); False where there is nothing to alter.

def slow_first_byte(response, request, seconds=5.0):
    """Nothing for so many seconds, then the whole reply."""
    response.delivery.first_byte_delay = float(seconds)


def stall(response, request, at=None, seconds=5.0):
    """Silence behind byte `at` of the body (default: its middle), then the rest."""
    response.identity_only = True
    response.delivery.stall_at = _middle(response) if at is None else int(at)
    response.delivery.stall_seconds = float(seconds)


def drip(response, request, bytes_per_second=1024):
    """The body comes slowly."""
    response.delivery.bytes_per_second = int(bytes_per_second)


def cut(response, request, at=None, record=None, framing="length", by="close"):
    """The connection ends behind byte `at` of the body, or in the middle of record `record` (default: the middle
    one). framing: length (Content-Length told the whole), chunked, close (the end of the connection is the end of the
    body). by: close or reset."""
    response.identity_only = True
    response.delivery.cut_at = _offset(response, at, record)
    response.delivery.framing = framing
    response.delivery.cut_by = by


def reset(response, request, at=-1):
    """TCP reset, before the status line (-1) or behind byte `at` of the body."""
    response.identity_only = True
    response.delivery.cut_at = int(at)
    response.delivery.cut_by = "reset"


def close_after(response, request):
    """A complete reply on a connection that then closes without having announced it."""
    response.delivery.close_silently = True


def truncated_json(response, request, at=None, record=None):
    """The body ends in the middle of a record, with the Content-Length that fits the stump."""
    if not isinstance(response.body, Records):
        return False
    response.body = Truncated(response.body, _offset(response, at, record))


def bad_utf8(response, request, record=0, bytes="c328"):
    """Bytes (hexadecimal) that are no UTF-8, within the last string of a record. The ledger shows them as altered."""
    if not isinstance(response.body, Records) or not 0 <= int(record) < response.body.count:
        return False
    whole = response.body.record(int(record))
    quote = whole.rindex(b'"')
    # The last quote of an object always closes a string: what stands before it is inside one.
    data = whole[:quote] + bytearray.fromhex(bytes) + whole[quote:]
    response.body.replace(int(record), data)
    if response.page is not None:
        key = response.page.keys[int(record)]
        response.page.altered[int(record)] = (getattr(key, "identity", None) or _identity(whole), data)


def wrong_length(response, request, error=10):
    """Content-Length is wrong by so many bytes: more than is sent (then the connection closes), or less."""
    response.identity_only = True
    response.delivery.framing = "length"
    response.delivery.length_error = int(error)
    response.delivery.close_silently = int(error) > 0


def framing(response, request, framing="chunked"):
    """length, chunked or close."""
    response.delivery.framing = framing


def gzip_truncated(response, request, at=None):
    """A gzip stream that ends too early, with the Content-Length of the stump."""
    packed = Gzip(response.body)
    response.body = Truncated(packed, packed.length() // 2 if at is None else int(at))
    response.set("Content-Encoding", "gzip")
    response.identity_only = True


def wrong_encoding(response, request, encoding="gzip"):
    """Content-Encoding says what the body is not."""
    response.set("Content-Encoding", encoding)
    response.identity_only = True


def header_flood(response, request, bytes=300 * 1024, lines="many"):
    """A header block of more than `bytes`: many lines, or one."""
    size = int(bytes)
    if lines == "one":
        response.headers.append(("X-Flood", "f" * size))
    else:
        response.headers += [(f"X-Flood-{number}", "f" * 1000) for number in range(size // 1000 + 1)]


def set_header(response, request, name="X-Test", value=""):
    """One header with another value."""
    response.set(name, value)


def duplicate_header(response, request, name="Content-Length", value="1"):
    """One header line more, beside what is there."""
    response.headers.append((name, value))


def drop_header(response, request, name="Link"):
    """A header is missing."""
    response.drop(name)


REPLACE = {"status": status, "throttle": throttle, "access_denied": access_denied, "html_login": html_login,
           "garbage_json": garbage_json, "body": body, "redirect": redirect, "expired_cursor": expired_cursor,
           "gzip_bomb": bomb, "endless_body": endless_body}
ALTER = {kind.__name__: kind for kind in (
    slow_first_byte, stall, drip, cut, reset, close_after, truncated_json, bad_utf8, wrong_length, framing,
    gzip_truncated, wrong_encoding, header_flood, set_header, duplicate_header, drop_header)}


# Values that a parameter may have, where they are words.
WORDS = {
    "header": ("reset", "retry_after", "date", "none", "absurd", "absurd_retry_after", "past", "past_date", "garbage"),
    "framing": ("length", "chunked", "close"), "by": ("close", "reset"), "lines": ("many", "one"),
}
DEFAULT_MATCH = {"expired_cursor": "after="}


def _middle(response):
    return max(1, response.body.length() // 2)


def _offset(response, at, record):
    """Byte to end at. Within a record, wherever the body has one."""
    if at is not None:
        return int(at)
    if isinstance(response.body, Records) and response.body.count:
        begin, end = response.body.span(response.body.count // 2 if record is None else int(record))
        return (begin + end) // 2
    return _middle(response)


def _identity(record):
    data = json.loads(record)
    return data.get("uuid") or data.get("cveID") or data.get("id")


class Program:
    """One row of the queue."""

    def __init__(self, number, row, seed, vendor):
        self.number = number
        self.kind = row.get("kind")
        self.replaces = self.kind in REPLACE or self.kind in vendor.replacements
        self.own = self.kind in vendor.alterations
        known = {**REPLACE, **ALTER, **vendor.replacements, **vendor.alterations}
        if self.kind not in known:
            raise OptionError(f"no kind {self.kind}; there are: {', '.join(sorted(known))}")
        self.function = known[self.kind]
        self.parameters = {name: value for name, value in row.items() if name not in CONTROL}
        if self.kind in vendor.replacements:
            self._check_parameters(1, vendor.words)
            self.function = self._without_vendor(self.function)
        elif not self.own:
            self._check_parameters(2, WORDS)
        self.left = None if row.get("count", 1) == "always" else int(row.get("count", 1))
        self.match = row.get("match", {**DEFAULT_MATCH, **vendor.default_match}.get(self.kind, ""))
        self.skip = int(row.get("skip", 0))
        self.after_pages = int(row.get("after_pages", 0))
        self.probability = float(row.get("probability", 1.0))
        self.chance = random.Random(f"{seed}/{number}")
        self.fired = 0

    @staticmethod
    def _without_vendor(method):
        return lambda _vendor, request, **parameters: method(request, **parameters)

    def _check_parameters(self, skipped, words):
        """A mistake is refused when it is programmed, not found when it fires."""
        known = dict(list(inspect.signature(self.function).parameters.items())[skipped:])
        for name, value in self.parameters.items():
            if name not in known:
                raise OptionError(f"{self.kind}: no parameter {name}; there are: {', '.join(known)}")
            default = known[name].default
            if name in words:
                right = value in words[name]
            elif default is None or isinstance(default, (int, float)):
                right = isinstance(value, (int, float)) or (value is None and default is None)
            else:
                right = isinstance(value, str)
            if not right:
                raise OptionError(f"{self.kind}: {name} cannot be {value!r}")

    def due(self, request, pages):
        """Whether it fires for this request; `pages` with records were served before."""
        if self.left == 0 or self.match not in request.target or pages < self.after_pages:
            return False
        if self.skip > 0:
            self.skip -= 1
            return False
        return self.probability >= 1.0 or self.chance.random() < self.probability

    def count_down(self):
        self.fired += 1
        if self.left is not None:
            self.left -= 1

    def describe(self):
        return {"id": self.number, "kind": self.kind, "parameters": self.parameters, "match": self.match,
                "left": "always" if self.left is None else self.left, "fired": self.fired}


class Programs:
    """The queue of one vendor."""

    def __init__(self, seed):
        self._seed = seed
        self._rows = []
        self._fired = Counter()
        self._numbers = count(1)
        self._lock = threading.Lock()

    def add(self, row, vendor):
        program = Program(next(self._numbers), row, self._seed, vendor)
        with self._lock:
            self._rows.append(program)
        return program.number

    def clear(self):
        with self._lock:
            self._rows = []

    def pending(self):
        with self._lock:
            return [program.describe() for program in self._rows if program.left != 0]

    def fired(self):
        """How often each kind was applied, also by programs cleared since."""
        with self._lock:
            return {kind: times for kind, times in self._fired.items() if times}

    def apply(self, vendor, request, mount, refusal):
        """The reply to a request, and the kinds that had a part in it."""
        pages = len(vendor.ledger.pages)
        with self._lock:
            due = []
            for program in self._rows:
                blocked = program.replaces and (refusal or any(other.replaces for other in due))
                if not blocked and program.due(request, pages):
                    due.append(program)
                    # Counted here, so that a request on another connection does not take the same turn.
                    program.count_down()
                    self._fired[program.kind] += 1
        replacing = next((program for program in due if program.replaces), None)
        if refusal:
            response = refusal
        elif replacing:
            response = replacing.function(vendor, request, **replacing.parameters)
        else:
            response = vendor.answer(request, mount)
        vendor.decorate(response, request)
        applied = [replacing.kind] if replacing else []
        for program in due:
            if program.replaces:
                continue
            if program.own:
                done = program.function(response, program.parameters, request)
            else:
                done = program.function(response, request, **program.parameters)
            if done is False:
                self._give_back(program)
            else:
                applied.append(program.kind)
        return response, applied

    def _give_back(self, program):
        with self._lock:
            program.fired -= 1
            self._fired[program.kind] -= 1
            if program.left is not None:
                program.left += 1
