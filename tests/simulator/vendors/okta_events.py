"""The event log of the simulated Okta org: every event is a pure function of the seed and its position.

The log is a list of segments, each a run of events appended under one recipe; a segment may grow with time (`rate`).
Nothing is stored per event, so a log of a million events costs nothing, and the same seed and start give the same
bytes. Positions are in the order in which the vendor stored the events; `published` may be out of that order.
"""

import hashlib
import json
import random
import re
import time
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Optional

SHAPES = {
    # Each: raw JSON, put into the event as `"shape": {...}` before the event's own uuid.
    "escapes": rb'{"text":"caf\u00e9 \ud83d\ude00 \/ \" \\ \b\f\n\r\t \u0000 \u2028 \uFFFF","k\u0065y\"}":"]}\\\\","\\":"\\\""}',
    "utf8": '{"text":"Ærøskøbing 東京 🜂 \u2028 \u00a0 a\u0301 \U0010ffff","🔑":"値"}'.encode(),
    "deep": b'[{"a":' * 100 + b'{"uuid":"deep","published":"never"}' + b"}]" * 100,
    "numbers": b'[12345678901234567890123,1e400,-1E+400,0.1e-400,-0,-0.0,1E+2,3.40227072E9,9007199254740993,1.00]',
    "empty": b'{"":"","a":{},"b":[],"c":[[],{},[[]]],"d":" ","e":null,"f":false,"g":[null,"",0]}',
    "nested": b'[[{"uuid":"00000000-0000-0000-0000-000000000000","published":"1999-01-01T00:00:00.000Z"}],'
              b'{"target":[{"uuid":"11111111-1111-1111-1111-111111111111"},{"uuid":null}],"events":[{"uuid":7}]}]',
    "long": b'"' + b"0123456789abcde " * 4096 + b'"',
    # Legal, but only for tests that ask for it by name: the member name "uuid" written with an escape.
    "escaped_key": b"null",
}
ALL_SHAPES = ("escapes", "utf8", "deep", "numbers", "empty", "nested", "long")
STYLES = ("compact", "pretty", "spaced")
VARIANTS = 64

_TOKEN = re.compile(rb'"(?:[^"\\]|\\.)*"|[{}\[\],:]|[^\s{}\[\],:"]+', re.S)
_HOLE = re.compile(rb"@@(\w+)@@")


@dataclass(frozen=True)
class Recipe:
    """What the bytes of a segment's events depend on, beside seed and position."""

    style: str = "compact"
    shapes: tuple = ()          # taken in turn ...
    shape_every: int = 1        # ... by every n-th event
    huge_every: int = 0         # every n-th event carries a string ...
    huge_bytes: int = 0         # ... of so many bytes
    collision_every: int = 0    # every n-th event bears the uuid of the one before it
    disorder: float = 0.0       # some events were published up to so many seconds before they were stored
    late_by: float = 0.0        # all were, by so many seconds


@dataclass
class Segment:
    first: int                  # position of its first event
    base_us: int                # when that was stored, epoch microseconds
    step_us: int                # time between two events
    count: Optional[int]        # None: grows with time, one event per step
    recipe: Recipe = field(default_factory=Recipe)

    def size(self, now_us):
        return self.count if self.count is not None else max(0, (now_us - self.base_us) // self.step_us)

    def stored_us(self, position):
        return self.base_us + (position - self.first) * self.step_us


class EventLog:
    def __init__(self, seed):
        self.seed = seed
        self.segments = []
        self._key = b"%d" % seed
        self._templates = {}

    def append(self, count, now, step_us=1000, recipe=Recipe(), base_us=None):
        """`count` more events, the last one stored now unless told otherwise."""
        now_us = int(now * 1e6)
        self.close(now_us)
        begin = base_us if base_us is not None else now_us - count * step_us
        self.segments.append(Segment(self._end(now_us), max(begin, self._last_us()), step_us, count, recipe))

    def grow(self, rate, now, recipe=Recipe()):
        """From now on `rate` events a second; 0 ends it."""
        now_us = int(now * 1e6)
        self.close(now_us)
        if rate > 0:
            base = max(now_us, self._last_us())
            self.segments.append(Segment(self._end(now_us), base, max(1, int(1e6 / rate)), None, recipe))

    def close(self, now_us):
        """End the growth of the last segment."""
        if self.segments and self.segments[-1].count is None:
            self.segments[-1].count = self.segments[-1].size(now_us)

    def size(self, now):
        return self._end(int(now * 1e6))

    def _end(self, now_us):
        return self.segments[-1].first + self.segments[-1].size(now_us) if self.segments else 0

    def _last_us(self):
        last = self.segments[-1] if self.segments else None
        return last.stored_us(last.first + max(0, last.count - 1)) if last else 0

    def find(self, since, now):
        """First position stored at or after `since` (epoch seconds)."""
        since_us, now_us = int(since * 1e6), int(now * 1e6)
        for segment in self.segments:
            size = segment.size(now_us)
            if size and segment.stored_us(segment.first + size - 1) >= since_us:
                behind = since_us - segment.base_us
                skip = -(-behind // segment.step_us) if behind > 0 else 0
                return segment.first + skip
        return self._end(now_us)

    def stored(self, position, now):
        """Epoch seconds at which the event at `position` was stored; now, behind the end."""
        segment = self._segment(position)
        if segment is None or position >= self.size(now):
            return now
        return segment.stored_us(position) / 1e6

    def recipe(self, position):
        segment = self._segment(position)
        return segment.recipe if segment else Recipe()

    def _segment(self, position):
        for segment in reversed(self.segments):
            if segment.first <= position:
                return segment
        return None

    def record(self, position):
        """(uuid, bytes) of one event."""
        return next(self._events(position, position + 1))

    def records(self, begin, end):
        """Bytes of the events begin..end-1."""
        return (data for _, data in self._events(begin, end))

    def _events(self, begin, end):
        position = begin
        while position < end:
            segment = self._segment(position)
            stop = end if segment.count is None else min(end, segment.first + segment.count)
            if stop <= position:
                raise IndexError(f"no event at {position}")
            yield from self._run(segment, position, stop)
            position = stop

    def _run(self, segment, begin, end):
        recipe, plain = segment.recipe, self._plain(segment.recipe.style)
        special = recipe.shapes or recipe.huge_every
        late_us, disorder_us = int(recipe.late_by * 1e6), int(recipe.disorder * 1e6)
        for position in range(begin, end):
            digest = self._digest(position)
            published_us = segment.base_us + (position - segment.first) * segment.step_us - late_us
            if disorder_us and digest[0] in "0123":
                published_us -= int(digest[1:9], 16) % disorder_us
            named = digest
            if recipe.collision_every and (position + 1) % recipe.collision_every == 0 and position:
                named = self._digest(position - 1)
            uuid = f"{named[:8]}-{named[8:12]}-11f1-{named[16:20]}-{named[20:32]}"
            template = self._special(recipe, position) if special else None
            second, millisecond = divmod(published_us // 1000, 1000)
            yield uuid, (template or plain[int(digest[32:34], 16) % VARIANTS]) % {
                b"UUID": uuid.encode(),
                b"PUBLISHED": b"%s.%03dZ" % (_second(second), millisecond),
                b"TRANSACTION": digest[34:56].encode(),
                b"SESSION": digest[40:64].encode(),
                b"POSITION": b"%d" % position}

    def _digest(self, position):
        return hashlib.blake2b(b"%d" % position, key=self._key, digest_size=32).hexdigest()

    # Templates: finished events with holes, so that an event costs one formatting.

    def _plain(self, style):
        if style not in self._templates:
            self._templates[style] = [self._template(variant, style) for variant in range(VARIANTS)]
        return self._templates[style]

    def _special(self, recipe, position):
        if recipe.huge_every and (position + 1) % recipe.huge_every == 0:
            return self._cached(("huge", recipe.huge_bytes, recipe.style), recipe.style,
                                lambda: b'"' + b"x" * recipe.huge_bytes + b'"')
        if recipe.shapes and position % recipe.shape_every == 0:
            shape = recipe.shapes[position // recipe.shape_every % len(recipe.shapes)]
            return self._cached((shape, recipe.style), recipe.style, lambda: SHAPES[shape])
        return None

    def _cached(self, key, style, raw):
        if key not in self._templates:
            self._templates[key] = self._template(0, style, key[0], raw())
        return self._templates[key]

    def _template(self, variant, style, shape=None, raw=None):
        event = _sample(random.Random(f"{self.seed}/{variant}"))
        if shape:
            event = {"shape": "@@SHAPE@@", **event}
        text = json.dumps(event, separators=(",", ":"), ensure_ascii=False).encode()
        if shape:
            text = text.replace(b'"@@SHAPE@@"', raw)
        if shape == "escaped_key":
            text = text.replace(b'"uuid":', b'"\\u0075uid":')
        text = restyle(text, style).replace(b"%", b"%%")
        return _HOLE.sub(rb"%(\1)s", text)


@lru_cache(maxsize=8192)
def _second(epoch):
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(epoch)).encode()


def restyle(text, style):
    """The same JSON with other blanks between its tokens; strings and numbers stay as they are."""
    if style == "compact":
        return text
    tokens = _TOKEN.findall(text)
    return _pretty(tokens) if style == "pretty" else _spaced(tokens)


def _pretty(tokens):
    out, depth = [], 1
    for at, token in enumerate(tokens):
        if token in b"{[":
            depth += 1
            empty = tokens[at + 1] in (b"}", b"]")
            out.append(token if empty else token + b"\n" + b"  " * depth)
        elif token in b"}]":
            depth -= 1
            empty = tokens[at - 1] in (b"{", b"[")
            out.append(token if empty else b"\n" + b"  " * depth + token)
        elif token == b",":
            out.append(b",\n" + b"  " * depth)
        else:
            out.append(b" : " if token == b":" else token)
    return b"".join(out)


def _spaced(tokens):
    blanks = (b" ", b"\t", b"\r\n", b"", b"\n\n", b"  ")
    out = []
    for at, token in enumerate(tokens):
        out.append(token)
        if at + 1 < len(tokens):
            out.append(blanks[(at * 7 + len(token)) % len(blanks)])
    return b"".join(out)


_EVENTS = (
    ("user.session.start", "User login to Okta", "core.user_auth.login_success"),
    ("user.authentication.sso", "User single sign on to app", "app.auth.sso"),
    ("user.authentication.auth_via_mfa", "Authentication of user via MFA", "core.user.factor.attempt_success"),
    ("policy.evaluate_sign_on", "Evaluation of sign-on policy", None),
    ("user.session.end", "User logout from Okta", "core.user_auth.logout_success"),
    ("user.account.lock", "Max sign in attempts exceeded", "core.user_auth.account_locked"),
    ("group.user_membership.add", "Add user to group membership", "core.user_group_member.user_add"),
)
_PEOPLE = ("Dana Poe", "Bjørn Ærø", "Zoë Müller", "Łukasz Żak", "Иван Петров", "山田 太郎", "O'Neil \"Red\" Smith", "Ana 100%")
_CITIES = (("Oslo", "Norway", 59.9, 10.7), ("Zürich", "Switzerland", 47.37, 8.54), ("São Paulo", "Brazil", -23.55, -46.63),
           ("東京", "Japan", 35.68, 139.69), ("Reykjavík", "Iceland", 64.15, -21.94))


def _sample(chance):
    kind, message, legacy = chance.choice(_EVENTS)
    person, (city, country, latitude, longitude) = chance.choice(_PEOPLE), chance.choice(_CITIES)
    login = f"user{chance.randrange(1000):03d}@acme.test"
    address = f"198.51.100.{chance.randrange(256)}"
    browser, system = chance.choice((("CHROME", "Windows 10"), ("FIREFOX", "Linux"), ("SAFARI", "Mac OS X")))
    target = None if chance.random() < 0.5 else [
        {"id": f"0oa{chance.getrandbits(64):016x}", "type": "AppInstance", "alternateId": "Wiki — intern",
         "displayName": "Wiki", "detailEntry": {"signOnModeType": "SAML_2_0"}}]
    return {
        "uuid": "@@UUID@@", "published": "@@PUBLISHED@@", "eventType": kind, "version": "0",
        "severity": chance.choice(("INFO", "INFO", "WARN")), "displayMessage": message, "legacyEventType": legacy,
        "actor": {"id": f"00u{chance.getrandbits(64):016x}", "type": "User", "alternateId": login, "displayName": person,
                  "detailEntry": None},
        "client": {"userAgent": {"rawUserAgent": f"Mozilla/5.0 ({system}) {browser.title()}/128.0", "os": system,
                                 "browser": browser},
                   "zone": "null", "device": "Computer", "id": None, "ipAddress": address,
                   "geographicalContext": {"city": city, "state": city, "country": country,
                                           "postalCode": f"{chance.randrange(10000):04d}",
                                           "geolocation": {"lat": latitude, "lon": longitude}}},
        "outcome": {"result": chance.choice(("SUCCESS", "SUCCESS", "FAILURE")), "reason": None}, "target": target,
        "transaction": {"type": "WEB", "id": "@@TRANSACTION@@", "detail": {}},
        "debugContext": {"debugData": {"requestUri": "/api/v1/authn", "logPosition": "@@POSITION@@"}},
        "authenticationContext": {"authenticationStep": 0, "externalSessionId": "102@@SESSION@@"},
        "securityContext": {"asNumber": None, "isProxy": None},
        "request": {"ipChain": [{"ip": address, "version": "V4"}]},
    }
