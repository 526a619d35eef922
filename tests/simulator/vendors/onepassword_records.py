"""The events of a simulated 1Password account: every one is a pure function of the seed, its number, its time and its look.

A log holds them in the order in which the cursors go over them: as they were stored, whatever their time (`stored`), or by time.
"""

import base64
from bisect import bisect_right, insort
from functools import lru_cache
from random import Random
from typing import NamedTuple

from options import OptionError
from vendors.falcon_query import NS, format_time
from vendors.growth import Rate, Waiting
from vendors.templates import PEOPLE, PLACES, VARIANTS, Look, digest, make_look, template

SIGN_INS, USAGES, AUDITS = "sign_in_attempts", "item_usages", "audit_events"
KINDS = (SIGN_INS, USAGES, AUDITS)
# Fraction digits, taken in turn; `sample`: nanoseconds for sign-ins, whole seconds for the others.
DIGITS = {"ns": (9,), "us": (6,), "ms": (3,), "s": (0,), "mixed": (9, 0, 3, 6)}


class Event(NamedTuple):
    kind: str
    number: int
    ns: int             # timestamp, epoch nanoseconds, cut off to what is printed
    digits: int
    look: Look
    api: int = 2        # version of the API that shows it


class Factory:
    """Identities and bytes."""

    def __init__(self, seed):
        self.seed = seed

    def account(self):
        return _uuid(digest(self.seed, "account"))

    def token(self):
        return _uuid(digest(self.seed, "token"))

    def identify(self, event):
        return _uuid(digest(self.seed, f"{event.kind}/{event.number}"))

    def time(self, event):
        """As Go prints it: without the zeros at the end of the fraction."""
        text = format_time(event.ns, event.digits)
        return text[:-1].rstrip("0").rstrip(".") + "Z" if event.digits else text

    def data(self, event):
        """The event's bytes."""
        own = digest(self.seed, f"{event.kind}/{event.number}")
        holes = {b"UUID": _uuid(own).encode(), b"TIME": self.time(event).encode(), b"SESSION": _uuid(own[8:]).encode(),
                 b"ITEM": _uuid(own[16:]).encode(), b"OTHER": _uuid(own[24:]).encode(), b"ACCOUNT": self.account().encode(),
                 b"LOGIN": format_time(event.ns - 600 * NS, 0).encode(), b"NUMBER": b"%d" % event.number,
                 b"BIG": b"%d" % (int(own[:16], 16) | 1 << 63)}
        return _template(self.seed, event.kind, int(own[-4:], 16) % VARIANTS, event.look, event.api) % holes


class Log:
    """The events of one kind that can be seen."""

    def __init__(self, by_time):
        self.by_time = by_time
        self.events = []
        self.order = []         # by_time: (ns, place in `events`), sorted; else empty: the order is that of `events`

    def add(self, event):
        self.events.append(event)
        if self.by_time:
            insort(self.order, (event.ns, len(self.events) - 1))

    def __len__(self):
        return len(self.events)

    def begin(self, low=None):
        """Place before the first event; or before the first one stored that is not older than `low`."""
        if self.by_time:
            return [-1, -1]
        return [0 if low is None else next((at for at, event in enumerate(self.events) if event.ns >= low), len(self.events))]

    def after(self, place, low, high, limit):
        """(events, place behind them, whether there are more): those behind a place with low <= ns < high. None: no bound."""
        found, at = [], bisect_right(self.order, tuple(place)) if self.by_time else place[0]
        while at < len(self.events):
            event = self.events[self.order[at][1]] if self.by_time else self.events[at]
            if low <= event.ns and (high is None or event.ns < high):
                if len(found) == limit:
                    return found, place, True
                found.append(event)
            at += 1
            # By time a place is that of an event, so that what is stored late before it stays behind us.
            place = list(self.order[at - 1]) if self.by_time else [at]
        return found, place, False


class Account:
    """All logs, and how they grow. Everything is done under the vendor's lock."""

    def __init__(self, seed, options, now):
        self._options = options
        self._now = now
        self.factory = Factory(seed)
        self.logs = {kind: Log(options.order == "time") for kind in KINDS}
        self.made = dict.fromkeys(KINDS, 0)
        self._last_ns = 0
        self._turn = 0
        self._rate = Rate()
        self.waiting = Waiting()
        self._fill()

    def _fill(self):
        """The initial events, evenly over the span; all of them can be seen."""
        start = int((self._options.start or self._now() - self._options.span) * 1e6) * 1000
        ties = max(1, self._options.ties)
        for kind in KINDS:
            total = getattr(self._options, kind)
            step = int(self._options.span * NS) // max(1, total)
            for number in range(total):
                first = number // ties * ties
                self.logs[kind].add(self._event(kind, start + first * step + first * 7_919_271 % max(1, step)))

    def _event(self, kind, ns, fraction=None, **changes):
        number = self.made[kind]
        fraction = fraction or self._options.fraction
        if fraction != "sample" and fraction not in DIGITS:
            raise OptionError(f"fraction: one of sample, {', '.join(DIGITS)}")
        turns = DIGITS.get(fraction) or (9 if kind == SIGN_INS else 0,)
        digits = turns[number % len(turns)]
        event = Event(kind, number, ns // 10 ** (9 - digits) * 10 ** (9 - digits), digits, make_look(number, self._options, **changes))
        self.made[kind] = number + 1
        return event

    def append(self, value):
        """See the vendor's action."""
        wanted = {"count": value} if isinstance(value, int) else dict(value)
        number, kind = int(wanted.pop("count", 1)), wanted.pop("type", SIGN_INS)
        at, late = wanted.pop("at", None), float(wanted.pop("late_by", 0.0))
        unknown = wanted.keys() - {"style", "shapes", "fraction"}
        if unknown or kind not in KINDS:
            raise OptionError(f"append: no {', '.join(sorted(unknown))}" if unknown else f"type: one of {', '.join(KINDS)}")
        added = []
        for _ in range(number):
            event = self._event(kind, self._now_ns() - int(late * NS) if at is None else int(float(at) * 1e6) * 1000, **wanted)
            self._come(event, self._now())
            added.append(self.factory.identify(event))
        return added

    def _come(self, event, moment):
        """Seen from this moment on, or later as the options want it."""
        every, delay = self._options.late_every, self._options.index_delay
        if every > 0 and event.number % every == every - 1:
            delay += self._options.late_seconds
        if delay > 0:
            self.waiting.put(moment + delay, event)
        else:
            self.logs[event.kind].add(event)

    def _now_ns(self):
        """Each one later than the one before."""
        self._last_ns = max(self._last_ns + 1271, int(self._now() * 1e6) * 1000)
        return self._last_ns

    def set_rate(self, rate):
        """So many new events a second from now on, of all kinds in turn."""
        self.advance()
        self._rate.set(rate, self._now())

    def advance(self):
        """Bring in what is due."""
        now = self._now()
        for moment in self._rate.due(now):
            self._turn += 1
            self._come(self._event(KINDS[self._turn % len(KINDS)], int(moment * 1e6) * 1000), moment)
        for event in self.waiting.due(now):
            self.logs[event.kind].add(event)

    def save(self):
        self.advance()
        return {"logs": {kind: (log.by_time, log.events, log.order) for kind, log in self.logs.items()}, "made": self.made,
                "last": self._last_ns, "waiting": self.waiting.saved()}

    def restore(self, saved):
        self.made, self._last_ns = saved["made"], saved["last"]
        self.waiting.restore(saved["waiting"])
        for kind, members in saved["logs"].items():
            log = self.logs[kind]
            log.by_time, log.events, log.order = members


def _uuid(hexadecimal):
    """26 of A-Z and 2-7."""
    return base64.b32encode(bytes.fromhex(hexadecimal[:34].ljust(34, "7")))[:26].decode()


@lru_cache(maxsize=4096)
def _template(seed, kind, variant, look, api):
    chance = Random(f"{seed}/{kind}/{variant}")
    record = _MAKERS[kind](chance)
    if api >= 2:
        record["account_uuid"] = "@@ACCOUNT@@"
    if variant % 3 == 1:        # members in another order: objects with a uuid of their own come first
        record = dict(sorted(record.items()))
    return template(record, look, ascii_only=variant % 4 == 0)


def _person(chance):
    return {"uuid": _uuid(f"{chance.getrandbits(128):032x}"), "name": chance.choice(PEOPLE),
            "email": f"user{chance.randrange(1000):03d}@acme.test"}


def _client(chance):
    return {"app_name": chance.choice(("1Password Browser", "1Password for Mac", "1Password CLI — β")),
            "app_version": str(81000000 + chance.randrange(99)), "platform_name": "Chrome", "platform_version": "140",
            "os_name": chance.choice(("Linux", "MacOSX", "Windows")), "os_version": "6",
            "ip_address": chance.choice((f"198.51.100.{chance.randrange(256)}", f"2001:db8::{chance.randrange(65536):x}"))}


def _location(chance):
    city, region, country, _, latitude, longitude = chance.choice(PLACES)
    return {"country": country, "region": region, "city": city, "latitude": latitude, "longitude": longitude}


def _sign_in(chance):
    category, kind = chance.choice((("success", "credentials_ok"), ("success", "mfa_ok"), ("credentials_failed", "password_secret_bad"),
                                    ("mfa_failed", "totp_bad"), ("firewall_failed", "country_blocked")))
    # Names of the envelope and of the identity, deeper than where they count.
    details = chance.choice((None, None, {"value": chance.choice(PLACES)[2]},
                             {"items": [{"uuid": "NOTTHISONE", "timestamp": "1999-01-01T00:00:00Z"}], "cursor": "none", "has_more": True}))
    return {"uuid": "@@UUID@@", "session_uuid": "@@SESSION@@", "timestamp": "@@TIME@@", "country": chance.choice(PLACES)[3], "category": category,
            "action_type": "", "type": kind, "details": details, "target_user": {**_person(chance), "type": "user"},
            "client": _client(chance), "location": _location(chance)}


def _usage(chance):
    return {"uuid": "@@UUID@@", "timestamp": "@@TIME@@", "used_version": chance.choice((0, 7, "@@RAW_NUMBER@@")), "vault_uuid": "@@SESSION@@",
            "item_uuid": "@@ITEM@@", "action": chance.choice(("fill", "reveal", "secure-copy", "enter-item-edit-mode", "export", "share")),
            "user": _person(chance), "client": _client(chance), "location": _location(chance)}


def _audit(chance):
    action, sort = chance.choice((("suspend", "user"), ("create", "vault"), ("grant", "gva"), ("update", "account"), ("sendpkg", "invite")))
    record = {"uuid": "@@UUID@@", "timestamp": "@@TIME@@", "actor_uuid": "@@SESSION@@", "actor_details": _person(chance), "action": action,
              "object_type": sort, "object_uuid": "@@ITEM@@", "session": {
                  "uuid": "@@OTHER@@", "login_time": "@@LOGIN@@", "device_uuid": f"{chance.getrandbits(120):026x}"[:26],
                  "ip": f"198.51.100.{chance.randrange(256)}"}, "location": _location(chance)}
    if action != "suspend":
        record |= {"aux_id": "@@RAW_BIG@@", "aux_uuid": "@@OTHER@@", "aux_info": chance.choice(("R", "{\"items\":[]}", "Größe: 1e400")),
                   "object_details": {**_person(chance), "scores": [0.1, 1e-05, "@@RAW_BIG@@", -0.0]}}
    return record


_MAKERS = {SIGN_INS: _sign_in, USAGES: _usage, AUDITS: _audit}
