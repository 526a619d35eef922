"""Events of a simulated Splunk: every event is a pure function of the seed, its number, its times and its look.

An event has a time of its own (`_time`) and one at which it was indexed, from which on it is found.
"""

import hashlib
import json
import time
from bisect import bisect_left, insort
from functools import lru_cache
from random import Random
from typing import NamedTuple

from options import OptionError

KIND = "search"
ZONES = {"+00:00": 0, "+05:30": 19800, "-08:00": -28800}

# Text that is unusual as it is written in JSON: raw JSON strings and arrays, for a member `shape` of a result.
SHAPES = {
    "escapes": rb'"caf\u00e9 \ud83d\ude00 \/ \" \\ \b\f\n\r\t \u0000 \u2028 \uFFFF ]}\\\\"',
    "utf8": '"Ærøskøbing 東京 🜂 \u2028 \u00a0 a\u0301 \U0010ffff"'.encode(),
    "empty": b'""',
    "many": '["one","","{\\"preview\\":true}","two\\nlines","Zürich"]'.encode(),
    "number": b'"12345678901234567890123"',
    "result": rb'"{\"preview\":false,\"offset\":0,\"result\":{\"_cd\":\"1:1\",\"_bkt\":\"x~1~Y\"}}\n{\"messages\":[{\"type\":\"FATAL\"}]}"',
    "long": b'"' + b"0123456789abcde " * 4096 + b'"',
}
ALL_SHAPES = tuple(SHAPES)


class Look(NamedTuple):
    """How the bytes of an event are made, beside its number and times."""

    spaced: bool = False
    shape: str = ""
    zone: str = "+00:00"
    ids: bool = True        # with _cd and _bkt
    sparse: bool = False    # without source, sourcetype and _indextime


class Event(NamedTuple):
    number: int
    us: int             # _time, epoch microseconds
    indexed: float      # epoch seconds
    index: str
    look: Look
    content: int        # number that the content is made of: that of an earlier event where both are equal
    copy: int = 1       # which of equal events it is


class Row(NamedTuple):
    """A row of a transforming search, as it was served."""

    data: bytes
    window: str


def identify_row(row):
    return f"h:{hashlib.sha256(row.data).hexdigest()[:32]}~{row.window}"


class Factory:
    """Identities and bytes."""

    def __init__(self, seed):
        self.seed = seed

    def identify(self, event):
        """`_cd~_bkt`, else the hash of `_raw~_time~host~source`, `#2` behind it for the second of two equal events."""
        fields = self.fields(event)
        if event.look.ids:
            return "~".join(_part(fields[name]) for name in ("_cd", "_bkt"))
        text = "~".join(_part(fields.get(name, "")) for name in ("_raw", "_time", "host", "source"))
        digest = hashlib.sha256(text.encode()).hexdigest()[:32]
        return f"h:{digest}#{event.copy}" if event.copy > 1 else f"h:{digest}"

    def fields(self, event):
        """Members as texts, or lists of texts where a field has several values."""
        digest = self._digest(event.content)
        chance = Random(digest)
        sourcetype, source, raw, more = chance.choice(_MAKERS)(chance, _clock(event.us))
        fields = {"_time": _iso(event.us, event.look.zone), "_indextime": str(int(event.indexed)), "_raw": raw,
                  "host": f"fw{1 + event.content % 5}", "source": source, "sourcetype": sourcetype, "index": event.index, **more}
        if event.look.sparse:
            for name in ("_indextime", "source", "sourcetype"):
                del fields[name]
        if event.look.ids:
            fields.update(_bkt=f"{event.index}~{12 + event.number // 5000}~{self._digest(-1)[:8].upper()}-5907-11F1-1D2D-A004CBCEB1DC",
                          _cd=f"{12 + event.number // 5000}:{345 + event.number * 17}")
        return fields

    def data(self, version):
        """The bytes of an event, or of a row."""
        if isinstance(version, Row):
            return version.data
        fields = self.fields(version)
        if version.look.shape:
            fields = {"shape": "@@SHAPE@@", **fields}
        separators = (", ", ": ") if version.look.spaced else (",", ":")
        text = json.dumps(fields, separators=separators, ensure_ascii=False).encode()
        return text.replace(b'"@@SHAPE@@"', SHAPES[version.look.shape], 1) if version.look.shape else text

    def _digest(self, number):
        return hashlib.blake2b(b"event/%d" % number, key=b"%d" % self.seed, digest_size=24).hexdigest()


class Indexes:
    """All events in the order of their time, and how they grow. Everything is done under the vendor's lock."""

    def __init__(self, seed, options, now):
        self._options = options
        self._now = now
        self.factory = Factory(seed)
        self.events = []
        self.order = []         # (time in microseconds, number)
        self._last_us = 0
        self._rate = (0.0, 0.0, 0)      # events a second, since when, made so far
        self._fill()

    def _fill(self):
        options = self._options
        start = options.start or self._now() - options.span - options.index_lag
        for number in range(options.events):
            ties = max(1, options.ties)
            us = int((start + number // ties * ties * options.span / max(1, options.events)) * 1000) * 1000
            self._add(us, us / 1e6 + options.index_lag, {})

    def _add(self, us, indexed, changes):
        """One more event; a twin has all of the event before it but its place in the index."""
        number, every = len(self.events), self._options.twin_every
        wanted = dict(changes)
        index = wanted.pop("index", "os" if number % 8 == 7 else "main")
        event = Event(number, us, indexed, index, self._look(number, **wanted), number)
        if every > 0 and number % every == every - 1:
            before = self.events[-1]
            event = before._replace(number=number, copy=before.copy + 1)
        self.events.append(event)
        insort(self.order, (event.us, number))
        return event

    def _look(self, number, shapes=None, spaced=None):
        every = 1 if shapes is not None else max(1, self._options.shape_every)
        chosen = shape_names(self._options.shapes if shapes is None else shapes)
        shape = chosen[number // every % len(chosen)] if chosen and number % every == 0 else ""
        with_ids = {"all": True, "none": False}.get(self._options.ids, number % 3 != 2)
        zone = list(ZONES)[number % len(ZONES)] if self._options.zone == "mixed" else self._options.zone
        spaced = self._options.style == "spaced" if spaced is None else bool(spaced)
        return Look(spaced, shape, zone, with_ids, number % 11 == 8 and not with_ids)

    def append(self, value):
        """See the vendor's action."""
        wanted = {"count": value} if isinstance(value, int) else dict(value)
        count, at, late = int(wanted.pop("count", 1)), wanted.pop("at", None), float(wanted.pop("late_by", 0.0))
        unknown = wanted.keys() - {"index", "shapes", "spaced"}
        if unknown:
            raise OptionError(f"append: no {', '.join(sorted(unknown))}")
        made = []
        for _ in range(count):
            us = self._now_us() - int(late * 1e6) if at is None else int(round(float(at) * 1000)) * 1000
            made.append(self._add(us // 1000 * 1000, self._now(), wanted))
        return [self.factory.identify(event) for event in made]

    def _now_us(self):
        """Each one later than the one before."""
        self._last_us = max(self._last_us + 1000, int(self._now() * 1e6))
        return self._last_us

    def find(self, low, high, now):
        """Events of a time from `low` on and before `high` (epoch seconds; None: no bound) that are indexed by now."""
        begin = 0 if low is None else bisect_left(self.order, (round(low * 1e6),))
        end = len(self.order) if high is None else bisect_left(self.order, (round(high * 1e6),))
        return [event for event in (self.events[number] for _, number in self.order[begin:end]) if event.indexed <= now]

    def set_rate(self, rate):
        self.advance()
        if rate != self._rate[0]:
            self._rate = (rate, self._now(), 0)

    def advance(self):
        """Bring in what is due by the rate."""
        rate, since, made = self._rate
        due = int((self._now() - since) * rate) if rate > 0 else 0
        for number in range(made, due):
            us = int((since + (number + 1) / rate) * 1000) * 1000
            self._add(us, us / 1e6 + self._options.index_lag, {})
        self._rate = (rate, since, max(made, due))

    def save(self):
        return {"events": self.events, "order": self.order, "last_us": self._last_us}

    def restore(self, saved):
        self.events, self.order, self._last_us = saved["events"], saved["order"], saved["last_us"]


def shape_names(names):
    """Shapes by name; "all" is all of them."""
    chosen = ALL_SHAPES if list(names) == ["all"] else tuple(names)
    for name in chosen:
        if name not in SHAPES:
            raise OptionError(f"no shape {name}; there are: all, {', '.join(ALL_SHAPES)}")
    return chosen


def _part(text):
    """A part of an identity: `~` stands between parts only."""
    return text.replace("=3D", "=3D3D").replace("=7E", "=3D7E").replace("~", "=7E")


@lru_cache(maxsize=8192)
def _second(epoch):
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(epoch))


def _iso(us, zone):
    return f"{_second(us // 1_000_000 + ZONES[zone])}.{us // 1000 % 1000:03d}{zone}"


def _clock(us):
    return time.strftime("%b %d %H:%M:%S", time.gmtime(us // 1_000_000))


_PEOPLE = ("dana", "bjørn.ærø", "zoë müller", "łukasz", "山田 太郎", "o'neil \"red\"", "\U0001f464 ana\u2028x")


def _firewall(chance, clock):
    target, port = f"198.51.100.{chance.randrange(256)}", str(chance.randrange(1024, 65536))
    raw = f"{clock} fw1 deny tcp 10.0.0.{chance.randrange(256)} {target} {port} id={chance.getrandbits(64) | 1 << 63}"
    return "syslog", "udp:514", raw, {"dest": target, "dest_port": port, "action": "deny"}


def _application(chance, clock):
    person = chance.choice(_PEOPLE)
    raw = json.dumps({"at": clock, "user": person, "result": {"_raw": "not this one", "score": 0.1, "big": chance.getrandbits(64) | 1 << 63},
                      "messages": [{"type": "FATAL", "text": "no error of the search"}]}, ensure_ascii=chance.random() < 0.5)
    return "app:json", "/var/log/app/access.json", raw, {"user": person, "tags{}": ["web", "Zürich — intern", ""], "score": "3.40227072E9"}


def _windows(chance, clock):
    person = chance.choice(_PEOPLE)
    raw = (f"{clock} LogName=Security\r\nEventCode=4625\r\nMessage=An account failed to log on.\r\n\tAccount Name:\t{person}\r\n"
           f"\tProcess:\tC:\\Windows\\System32\\svchost.exe\r\n\tRecord:\t{chance.getrandbits(40)}")
    return "WinEventLog:Security", "WinEventLog:Security", raw, {"Account_Name": ["-", person], "EventCode": "4625", "punct": "__::_=\r\n\t\\"}


_MAKERS = (_firewall, _application, _windows)
