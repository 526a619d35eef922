"""The logs of a simulated Duo account: every record is a pure function of the seed, its number, its time and its look.

A record is seen from a time of its own on: two minutes after its timestamp as the vendor says, or later, when it is late.
"""

import hashlib
import json
import time
from bisect import bisect_left, insort
from functools import lru_cache
from random import Random
from typing import NamedTuple

from options import OptionError
from vendors.okta_events import ALL_SHAPES, SHAPES, STYLES, restyle

AUTH, ADMIN, ACTIVITY = "auth_logs", "admin_logs", "activity_logs"
TELEPHONY, ENROLLMENT = "telephony_logs", "offline_enrollment_logs"
KINDS = (AUTH, ADMIN, ACTIVITY, TELEPHONY, ENROLLMENT)
BY_SECOND = (ADMIN, ENROLLMENT)         # without identity, and with times of whole seconds


class Look(NamedTuple):
    """How the bytes of a record are made, beside its number and time."""

    style: str = "compact"
    shape: str = ""         # unusual JSON in it


class Event(NamedTuple):
    kind: str
    number: int
    us: int                 # timestamp, epoch microseconds
    visible: float          # from when on it is seen, epoch seconds
    look: Look
    content: int            # number that the content is made of: that of an earlier record where both are equal
    copy: int = 1           # which of equal records it is


class Shelf:
    """The records of one log in the order in which the vendor pages through them."""

    def __init__(self, kind, factory):
        self.kind = kind
        self.events = []
        self.order = []         # (milliseconds or seconds, identity or "", number)
        self._factory = factory
        self._unit = 1_000_000 if kind in BY_SECOND else 1000

    def add(self, us, visible, look, twin=False):
        """A record, or one more with the bytes of the last."""
        number = len(self.events)
        if twin and self.events:
            event = self.events[-1]._replace(number=number, copy=self.events[-1].copy + 1, visible=visible)
        else:
            event = Event(self.kind, number, us // self._unit * self._unit if self.kind in BY_SECOND else us, visible, look, number)
        self.events.append(event)
        identity = "" if self.kind in BY_SECOND else self._factory.identify(event)
        insort(self.order, (event.us // self._unit, identity, number))
        return event

    def between(self, low, high, now, oldest=0):
        """Entries of `order` from low to high, both included, that are seen now and are not too old. None: no bound."""
        begin = bisect_left(self.order, (max(low or 0, oldest),))
        end = len(self.order) if high is None else bisect_left(self.order, (high + 1,))
        return [entry for entry in self.order[begin:end] if self.events[entry[2]].visible <= now]


class Factory:
    """Identities and bytes."""

    def __init__(self, seed):
        self.seed = seed

    def identify(self, event):
        """txid, activity_id, telephony_id; of a log without identities the hash of the bytes."""
        if event.kind in BY_SECOND:
            digest = hashlib.sha256(self.data(event)).hexdigest()[:32]
            return f"h:{digest}#{event.copy}" if event.copy > 1 else f"h:{digest}"
        return _uuid(self._digest(event.kind, event.number))

    def data(self, event):
        """The record's bytes."""
        chance = Random(self._digest(event.kind, event.content))
        record = _MAKERS[event.kind](chance, event, _uuid(self._digest(event.kind, event.content)))
        if event.look.shape:
            record = {"shape": "@@SHAPE@@", **record}
        text = json.dumps(record, separators=(",", ":"), ensure_ascii=False).encode()
        text = text.replace(b'"@@RATIO@@"', b"3.40227072E9")
        if event.look.shape:
            text = text.replace(b'"@@SHAPE@@"', SHAPES[event.look.shape])
        return restyle(text, event.look.style)

    def _digest(self, kind, number):
        return hashlib.blake2b(b"%b/%d" % (kind.encode(), number), key=b"%d" % self.seed, digest_size=24).hexdigest()


class Account:
    """All logs, and how they grow. Everything is done under the vendor's lock."""

    def __init__(self, seed, options, now):
        self._options = options
        self._now = now
        self.factory = Factory(seed)
        self.shelves = {kind: Shelf(kind, self.factory) for kind in KINDS}
        self._last_us = 0
        self._rate = (0.0, 0.0, 0)      # records a second, since when, made so far
        self._fill()

    def _fill(self):
        """The initial records, evenly over the span; all of them can be seen."""
        span = self._options.span
        start = self._options.start or self._now() - span - self._options.withheld
        for kind, shelf in self.shelves.items():
            total = getattr(self._options, kind)
            for number in range(total):
                ties = max(1, self._options.ties)
                us = int((start + number // ties * ties * span / max(1, total)) * 1e6) + 271_776 * (number // ties) % 1_000_000
                us = min(us, int((start + span) * 1e6))
                self._add(shelf, us, us / 1e6, {})

    def _add(self, shelf, us, visible, changes):
        every = self._options.twin_every
        twin = shelf.kind in BY_SECOND and every > 0 and len(shelf.events) % every == every - 1
        return shelf.add(us, visible, self._look(shelf, **changes), twin)

    def _look(self, shelf, style=None, shapes=None):
        number, every = len(shelf.events), 1 if shapes is not None else max(1, self._options.shape_every)
        chosen = shape_names(self._options.shapes if shapes is None else shapes)
        shape = chosen[number // every % len(chosen)] if chosen and number % every == 0 else ""
        style = style or self._options.style
        if style not in STYLES:
            raise OptionError(f"style: one of {', '.join(STYLES)}")
        return Look(style, shape)

    def append(self, value):
        """See the vendor's action."""
        wanted = {"count": value} if isinstance(value, int) else dict(value)
        count, kind = int(wanted.pop("count", 1)), wanted.pop("type", AUTH)
        at, late = wanted.pop("at", None), float(wanted.pop("late_by", 0.0))
        unknown = wanted.keys() - {"style", "shapes"}
        if unknown or kind not in KINDS:
            raise OptionError(f"append: no {', '.join(sorted(unknown))}" if unknown else f"type: one of {', '.join(KINDS)}")
        added = []
        for _ in range(count):
            us = self._now_us() - int(late * 1e6) if at is None else int(float(at) * 1e6)
            added.append(self._add(self.shelves[kind], us, self._seen_from(kind, us), wanted))
        return [self.factory.identify(event) for event in added]

    def _seen_from(self, kind, us):
        delay = 0.0 if kind in BY_SECOND else self._options.withheld
        return max(self._now(), us / 1e6 + delay)

    def _now_us(self):
        """Each one later than the one before."""
        self._last_us = max(self._last_us + 1000, int(self._now() * 1e6))
        return self._last_us

    def set_rate(self, rate):
        """So many new authentications a second from now on."""
        self.advance()
        if rate != self._rate[0]:
            self._rate = (rate, self._now(), 0)

    def advance(self):
        """Bring in what is due by the rate."""
        rate, since, made = self._rate
        due = int((self._now() - since) * rate) if rate > 0 else 0
        for number in range(made, due):
            us = int((since + (number + 1) / rate) * 1e6)
            self._add(self.shelves[AUTH], us, us / 1e6 + self._options.withheld, {})
        self._rate = (rate, since, max(made, due))

    def save(self):
        return {"logs": {kind: (shelf.events, shelf.order) for kind, shelf in self.shelves.items()}, "last_us": self._last_us}

    def restore(self, saved):
        self._last_us = saved["last_us"]
        for kind, (events, order) in saved["logs"].items():
            self.shelves[kind].events, self.shelves[kind].order = events, order


def shape_names(names):
    """Shapes by name; "all" is all of them."""
    chosen = ALL_SHAPES if list(names) == ["all"] else tuple(names)
    for name in chosen:
        if name not in ALL_SHAPES:
            raise OptionError(f"no shape {name}; there are: all, {', '.join(ALL_SHAPES)}")
    return chosen


def _uuid(digest):
    return f"{digest[:8]}-{digest[8:12]}-4{digest[13:16]}-8{digest[17:20]}-{digest[20:32]}"


@lru_cache(maxsize=8192)
def _second(epoch):
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(epoch))


def _iso(us, fraction=True):
    second, rest = divmod(us, 1_000_000)
    return f"{_second(second)}{f'.{rest:06d}' if fraction else ''}+00:00"


_PEOPLE = ("dana", "bjørn.ærø", "zoë müller", "łukasz", "山田 太郎", "o'neil \"red\"", "\U0001f464 ana\u2028x")
_PLACES = (("Oslo", "Oslo", "Norway"), ("Zürich", "ZH", "Switzerland"), ("São Paulo", "SP", "Brazil"), (None, None, None))
_OUTCOMES = (("success", "user_approved"), ("success", "valid_passcode"), ("denied", "no_response"), ("fraud", "user_marked_fraud"))


def _key(chance, prefix):
    return prefix + "".join(chance.choice("ABCDEFGHJKLMNPQRSTUVWXYZ0123456789") for _ in range(18))


def _location(chance):
    city, state, country = chance.choice(_PLACES)
    return {"city": city, "state": state, "country": country}


def _auth(chance, event, identity):
    result, reason = chance.choice(_OUTCOMES)
    person = chance.choice(_PEOPLE)
    return {
        "txid": identity, "timestamp": event.us // 1_000_000, "isotimestamp": _iso(event.us), "event_type": "authentication",
        "factor": chance.choice(("duo_push", "passcode", "sms_passcode", None)), "result": result, "reason": reason, "alias": "",
        "email": f"{chance.randrange(1000)}@acme.test", "trusted_endpoint_status": "not trusted",
        "user": {"key": _key(chance, "DU"), "name": person, "groups": ["staff", "Zürich — intern"]},
        "application": {"key": _key(chance, "DI"), "name": chance.choice(("VPN", "RDP 100%", "Wiki \\ intern"))},
        "access_device": {"ip": f"198.51.100.{chance.randrange(256)}", "os": "Windows", "os_version": "11", "browser": "Edge",
                          "epkey": None, "flash_version": "uninstalled", "location": _location(chance),
                          # Names of the envelope and of the identity, deeper than where they count.
                          "security_agents": [{"txid": "not this one", "timestamp": 1, "authlogs": [], "metadata": {}}]},
        "auth_device": {"ip": f"198.51.100.{chance.randrange(256)}", "name": f"+47{chance.randrange(10**8):08d}", "key": None,
                        "location": _location(chance)},
        "adaptive_trust_assessments": {"more_secure_auth": {"features_version": "3.0", "trust_level": "NORMAL",
                                                            "score": chance.choice((0.1, 1e-05, 52)), "ratio": "@@RATIO@@",
                                                            "counter": chance.getrandbits(64) | 1 << 63}}}


def _admin(chance, event, identity):
    address = f"198.51.100.{chance.randrange(256)}"
    details = {"ip_address": address, "device": f"+1555{chance.randrange(10**7):07d}", "session": identity, "name": chance.choice(_PEOPLE)}
    return {
        "action": chance.choice(("admin_login", "user_update", "integration_create", "phone_delete")),
        "description": json.dumps(details, ensure_ascii=chance.random() < 0.5),
        "isotimestamp": _iso(event.us, fraction=False), "object": chance.choice((None, "Acme VPN", "dana", "Gruppe „Zürich“")),
        "timestamp": event.us // 1_000_000, "username": chance.choice(("Dana Poe", "Bjørn Ærø", "API", "山田 太郎"))}


def _activity(chance, event, identity):
    person = chance.choice(_PEOPLE)
    return {
        "access_device": {"browser": "Chrome", "ip": {"address": f"198.51.100.{chance.randrange(256)}"}, "location": _location(chance)},
        "action": {"details": chance.choice((None, json.dumps({"bypass": person}))), "name": chance.choice(("bypass_create", "user_update"))},
        "activity_id": identity, "actor": {"details": None, "key": _key(chance, "DE"), "name": person, "type": "admin"},
        "akey": _key(chance, "DA"), "application": None, "old_target": None, "outcome": {"result": "SUCCESS"},
        "target": {"details": {"items": [{"activity_id": "not this one", "ts": "1999-01-01T00:00:00.000000+00:00"}]},
                   "key": _key(chance, "DU"), "name": person, "type": "user"}, "ts": _iso(event.us)}


def _telephony(chance, event, identity):
    return {
        "context": chance.choice(("authentication", "enrollment", "administrator login")), "credits": chance.choice((0, 1, 2.5)),
        "phone": f"+1555{chance.randrange(10**7):07d}", "telephony_id": identity, "ts": _iso(event.us),
        "txid": f"{chance.getrandbits(32):08x}-aaaa-422c-9dd4-{chance.getrandbits(48):012x}", "type": chance.choice(("sms", "phone"))}


def _enrollment(chance, event, identity):
    details = {"user_agent": "DuoCredProv/4.2.0 (Windows NT 10.0; x64)", "hostname": f"WS-{identity[:13]}", "factor": "duo_otp"}
    return {
        "action": chance.choice(("o2fa_user_provisioned", "o2fa_user_deprovisioned")), "description": json.dumps(details),
        "isotimestamp": _iso(event.us, fraction=False), "object": "Acme Laptop — Windows Logon",
        "timestamp": event.us // 1_000_000, "username": chance.choice(_PEOPLE)}


_MAKERS = {AUTH: _auth, ADMIN: _admin, ACTIVITY: _activity, TELEPHONY: _telephony, ENROLLMENT: _enrollment}
