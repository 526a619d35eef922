"""What a simulated SentinelOne console holds, and how it changes: new records, updates, removals, changes between the pages of a walk.
Everything is done under the vendor's lock.
"""

from bisect import bisect_left, insort
from random import Random

from options import OptionError
from vendors.growth import Rate, Waiting
from vendors.sentinelone_records import ACTIVITIES, AGENTS, KINDS, THREATS, US, Factory, Version
from vendors.templates import make_look

WHICH = ("any", "first", "last", "page")
CHURN = {"threats": THREATS, "activities": ACTIVITIES, "agents": AGENTS}


class Shelf:
    """The present versions of one kind that can be seen, ordered by their time."""

    def __init__(self, kind, factory):
        self.kind = kind
        self.current = {}           # number: version
        self.order = []             # (stamp, id, number)
        self._factory = factory

    def __len__(self):
        return len(self.order)

    def place(self, version):
        """A new record, or a newer version of one."""
        if version.number in self.current:
            self.take(version.number)
        self.current[version.number] = version
        insort(self.order, self._entry(version))

    def take(self, number):
        entry = self._entry(self.current.pop(number))
        del self.order[bisect_left(self.order, entry)]

    def _entry(self, version):
        return version.stamp, self._factory.number_id(self.kind, version.number), version.number


class Console:
    def __init__(self, seed, options, now):
        self._seed = seed
        self._options = options
        self._now = now
        self.factory = Factory(seed, options.accounts, options.sites, options.agents)
        self.shelves = {kind: Shelf(kind, self.factory) for kind in KINDS}
        self.made = dict.fromkeys(KINDS, 0)
        self.waiting = Waiting()
        self._rates = {name: Rate() for name in ("rate", "update_rate", "agent_rate")}
        self._churn = {}
        self._changes = 0           # how often records were chosen by chance
        self._last_us = 0
        self._fill()

    def _fill(self):
        """The initial records, evenly over the span; all of them can be seen."""
        start = int((self._options.start or self._now() - self._options.span) * US)
        ties = max(1, self._options.ties)
        for kind, shelf in self.shelves.items():
            total = getattr(self._options, kind)
            step = int(self._options.span * US) // max(1, total)
            for number in range(total):
                first = number // ties * ties
                shelf.place(self._version(kind, start + first * step + first * 7919 % max(1, step), number % 5 * 60))

    def _version(self, kind, stamp, age=0, **changes):
        """A new record; `age`: seconds from its creation to its first update."""
        number = self.made[kind]
        created = stamp if kind == ACTIVITIES else stamp - age * US
        version = Version(kind, number, 1, stamp, created, make_look(number, self._options, **changes))
        self.made[kind] = number + 1
        return version

    # Changes.

    def append(self, value):
        """See the vendor's action."""
        wanted = {"count": value} if isinstance(value, int) else dict(value)
        number, kind = int(wanted.pop("count", 1)), wanted.pop("type", ACTIVITIES)
        at, late = wanted.pop("at", None), float(wanted.pop("late_by", 0.0))
        unknown = wanted.keys() - {"style", "shapes"}
        if unknown or kind not in KINDS:
            raise OptionError(f"append: no {', '.join(sorted(unknown))}" if unknown else f"type: one of {', '.join(KINDS)}")
        return [self._new(kind, self._now_us() - int(late * US) if at is None else int(float(at) * US), self._now(), **wanted) for _ in range(number)]

    def _new(self, kind, stamp, moment, **changes):
        version = self._version(kind, stamp, **changes)
        every = self._options.late_every
        if every > 0 and version.number % every == every - 1:
            self.waiting.put(moment + self._options.late_seconds, version)
        else:
            self.shelves[kind].place(version)
        return self.factory.identify(version)

    def _now_us(self):
        """Each one later than the one before."""
        self._last_us = max(self._last_us + 1, int(self._now() * US))
        return self._last_us

    def change(self, kind, value, page=(), stamp=None):
        """Newer versions of threats or agents. `page`: numbers of those just listed."""
        shelf = self.shelves[kind]
        wanted = {"count": value} if isinstance(value, int) else dict(value)
        changed = []
        for number in self._chosen(shelf, wanted, page):
            before = shelf.current[number]
            version = before._replace(revision=before.revision + 1, stamp=max(stamp or self._now_us(), before.stamp + 1))
            shelf.place(version)
            changed.append(self.factory.identify(version))
        return changed

    def _chosen(self, shelf, wanted, page):
        """Numbers of the records that a change is for."""
        unknown = wanted.keys() - {"count", "which", "ids"}
        if unknown:
            raise OptionError(f"no {', '.join(sorted(unknown))}")
        if "ids" in wanted:
            numbers = {str(identity): number for _, identity, number in shelf.order}
            missing = [identity for identity in wanted["ids"] if identity not in numbers]
            if missing:
                raise OptionError(f"no {missing[0]}")
            return [numbers[identity] for identity in wanted["ids"]]
        which = wanted.get("which", "any")
        if which not in WHICH:
            raise OptionError(f"which: one of {', '.join(WHICH)}")
        living = [number for number in page if number in shelf.current] if which == "page" else [number for _, _, number in shelf.order]
        total = max(0, min(int(wanted.get("count", 1)), len(living)))
        if which in ("any", "page"):
            self._changes += 1
            return Random(f"{self._seed}/change/{self._changes}").sample(living, total)
        return living[:total] if which == "first" else living[len(living) - total:]

    def remove(self, value):
        """Agents vanish; see the vendor's action."""
        shelf = self.shelves[AGENTS]
        gone = []
        for number in self._chosen(shelf, {"ids": value} if isinstance(value, list) else {"count": int(value)}, ()):
            gone.append(str(self.factory.number_id(AGENTS, number)))
            shelf.take(number)
        return gone

    def set_churn(self, value):
        """See the vendor's action `churn`."""
        value = dict(value)
        unknown = value.keys() - {"pages", *CHURN, "updates", "modified", "which"}
        if unknown:
            raise OptionError(f"churn: no {', '.join(sorted(unknown))}")
        if value.get("which", "any") not in WHICH:
            raise OptionError(f"which: one of {', '.join(WHICH)}")
        self._churn = {name: number if name == "which" else int(number) for name, number in value.items()}

    @property
    def churn_left(self):
        """Pages behind which something will still change."""
        return self._churn.get("pages", 0)

    def after_page(self, shelf, numbers):
        """What `churn` wants to happen between this page and the next request."""
        churn = self._churn
        if self.churn_left <= 0:
            return
        churn["pages"] -= 1
        which = churn.get("which", "any")
        # A page of agents says nothing of threats.
        for kind, name in ((THREATS, "updates"), (AGENTS, "modified")):
            if churn.get(name) and not (which == "page" and shelf.kind != kind):
                self.change(kind, {"count": churn[name], "which": which}, numbers)
        for name, kind in CHURN.items():
            self.append({"type": kind, "count": churn.get(name, 0)})

    # Time.

    def set_rates(self):
        """As the options want it from now on."""
        self.advance()
        for name, rate in self._rates.items():
            rate.set(getattr(self._options, name), self._now())

    def advance(self):
        """Bring in what is due."""
        now = self._now()
        for version in self.waiting.due(now):
            self.shelves[version.kind].place(version)
        for moment in self._rates["rate"].due(now):
            self._new(ACTIVITIES, int(moment * US), moment)
        for name, kind in (("update_rate", THREATS), ("agent_rate", AGENTS)):
            for moment in self._rates[name].due(now):
                self.change(kind, 1, stamp=int(moment * US))

    # State.

    def save(self):
        self.advance()
        return {"current": {kind: shelf.current for kind, shelf in self.shelves.items()}, "made": self.made, "changes": self._changes,
                "order": {kind: shelf.order for kind, shelf in self.shelves.items()}, "last": self._last_us, "waiting": self.waiting.saved()}

    def restore(self, saved):
        self.made, self._changes, self._last_us = saved["made"], saved["changes"], saved["last"]
        self.waiting.restore(saved["waiting"])
        for kind, shelf in self.shelves.items():
            shelf.current, shelf.order = saved["current"][kind], saved["order"][kind]
