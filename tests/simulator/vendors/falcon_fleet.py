"""The alerts and devices of a simulated Falcon customer, and how they change: new ones, updates, removals, changes between
the pages of a walk. Everything is done under the vendor's lock.
"""

from random import Random

from options import OptionError
from vendors.falcon_query import NS
from vendors.falcon_records import ALERT, DEVICE, Factory, Look, Shelf
from vendors.okta_events import ALL_SHAPES, STYLES

# Fraction digits of an alert's times, taken in turn.
DIGITS = {"ns": (9,), "us": (6,), "ms": (3,), "s": (0,), "mixed": (9, 3, 0, 6)}
WHICH = ("any", "first", "last", "page")


class Fleet:
    def __init__(self, seed, options, now):
        self._seed = seed
        self._options = options
        self._now = now
        self._factory = Factory(seed, options.devices)
        self.shelves = {sort: Shelf(sort, self._factory.identify) for sort in (ALERT, DEVICE)}
        self._churn = {}
        self._changes = 0               # how often records were chosen by chance
        self._last_stamp = 0
        self._rate = (0.0, 0.0, 0)      # alerts a second, since when, made so far
        self._fill()

    # What there is.

    def identify(self, version):
        """composite_id or device_id."""
        return self._factory.identify(version)

    def time(self, version):
        """updated_timestamp or modified_timestamp."""
        return self._factory.time(version)

    def data(self, version):
        """The version's bytes."""
        return self._factory.data(version)

    @property
    def alerts(self):
        return self.shelves[ALERT]

    @property
    def devices(self):
        return self.shelves[DEVICE]

    def _fill(self):
        """The initial records, evenly over the span."""
        start = int((self._options.start or self._now() - self._options.span) * 1e6) * 1000
        for shelf, total in ((self.devices, self._options.devices), (self.alerts, self._options.alerts)):
            step = max(1000, int(self._options.span * NS / max(1, total)))
            for number in range(total):
                look = self._look(shelf)
                stamp = start + number * step + number * 7919 % 1000
                shelf.add(_cut(stamp, _digits(shelf.sort, look)), stamp - number % 3 * 60 * NS, look)

    def _look(self, shelf, **changes):
        number, options = len(shelf.current), self._options
        fraction = changes.get("fraction", options.fraction)
        style = changes.get("style", options.style)
        shapes = changes.get("shapes", options.shapes)
        if fraction not in DIGITS or style not in STYLES:
            raise OptionError(f"fraction: one of {', '.join(DIGITS)}; style: one of {', '.join(STYLES)}")
        every = 1 if "shapes" in changes else max(1, options.shape_every)
        chosen = ALL_SHAPES if list(shapes) == ["all"] else tuple(shapes)
        shape = chosen[number // every % len(chosen)] if chosen and number % every == 0 else ""
        check_shapes(chosen)
        odd = shelf.sort == ALERT and options.odd_every > 0 and number % options.odd_every == 0
        return Look(DIGITS[fraction][number % len(DIGITS[fraction])], style, shape, odd)

    def _now_stamp(self):
        """Nanoseconds now; each one later than the one before."""
        stamp = int(self._now() * 1e6) * 1000 + len(self.alerts.current) * 7919 % 1000
        self._last_stamp = max(self._last_stamp + 1000, stamp)
        return self._last_stamp

    def append(self, value):
        """New alerts; see the vendor's action."""
        wanted = {"count": value} if isinstance(value, int) else dict(value)
        number, late = int(wanted.pop("count", 1)), int(float(wanted.pop("late_by", 0)) * NS)
        unknown = wanted.keys() - {"fraction", "style", "shapes"}
        if unknown:
            raise OptionError(f"append: no {', '.join(sorted(unknown))}")
        return [self._new(self.alerts, self._now_stamp() - late, self._look(self.alerts, **wanted)) for _ in range(number)]

    def add_devices(self, value):
        """So many new devices."""
        return [self._new(self.devices, self._now_stamp(), self._look(self.devices)) for _ in range(int(value))]

    def _new(self, shelf, stamp, look):
        version = shelf.add(_cut(stamp, _digits(shelf.sort, look)), stamp, look)
        return self._factory.identify(version)

    def change(self, sort, value, page=()):
        """Newer versions of alerts or devices. `page`: numbers of those just listed."""
        shelf = self.shelves[sort]
        wanted = {"count": value} if isinstance(value, int) else dict(value)
        changed = []
        for number in self._chosen(shelf, wanted, page):
            before = shelf.current[number]
            digits = _digits(shelf.sort, before.look)
            stamp = max(_cut(self._now_stamp(), digits), before.stamp + 10 ** (9 - digits))
            version = shelf.replace(number, before.stamp if wanted.get("same_stamp") else stamp)
            changed.append(self._factory.identify(version))
        return changed

    def _chosen(self, shelf, wanted, page):
        """Numbers of the records that a change is for."""
        if "ids" in wanted:
            numbers = [shelf.by_id.get(identity) for identity in wanted["ids"]]
            for identity, number in zip(wanted["ids"], numbers):
                if number is None or shelf.current[number] is None:
                    raise OptionError(f"no {identity}")
            return numbers
        which = wanted.get("which", "any")
        if which not in WHICH:
            raise OptionError(f"which: one of {', '.join(WHICH)}")
        living = list(page) if which == "page" else [number for _, _, number in shelf.order]
        living = [number for number in living if shelf.current[number] is not None]
        number = max(0, min(int(wanted.get("count", 1)), len(living)))
        if which in ("any", "page"):
            self._changes += 1
            return Random(f"{self._seed}/change/{self._changes}").sample(living, number)
        return living[:number] if which == "first" else living[len(living) - number:]

    def remove(self, value):
        """Records vanish; see the vendor's action."""
        gone, value = [], dict(value)
        for name, shelf in (("alerts", self.alerts), ("devices", self.devices)):
            wanted = value.get(name, 0)
            for number in self._chosen(shelf, {"ids": wanted} if isinstance(wanted, list) else {"count": int(wanted)}, ()):
                gone.append(self._factory.identify(shelf.current[number]))
                shelf.remove(number)
        return gone

    def set_churn(self, value):
        """See the vendor's action `churn`."""
        value = dict(value)
        unknown = value.keys() - {"pages", "alerts", "updates", "new_devices", "modified", "which"}
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
        # A page of devices says nothing of alerts.
        for sort, name in ((ALERT, "updates"), (DEVICE, "modified")):
            if churn.get(name) and not (which == "page" and shelf.sort != sort):
                self.change(sort, {"count": churn[name], "which": which}, numbers)
        self.append(churn.get("alerts", 0))
        self.add_devices(churn.get("new_devices", 0))

    def set_rate(self, rate):
        """So many new alerts a second from now on."""
        self.advance()
        if rate != self._rate[0]:
            self._rate = (rate, self._now(), 0)

    def advance(self):
        """Bring in the alerts that are due by the rate."""
        rate, since, made = self._rate
        if rate <= 0:
            return
        due = int((self._now() - since) * rate)
        for number in range(made, due):
            self._new(self.alerts, int((since + (number + 1) / rate) * 1e6) * 1000, self._look(self.alerts))
        self._rate = (rate, since, max(made, due))

    # State.

    def save(self):
        kept = ("current", "by_id", "order", "serial", "_entries")
        return {"shelves": {sort: {name: getattr(shelf, name) for name in kept} for sort, shelf in self.shelves.items()},
                "factory": self._factory, "last_stamp": self._last_stamp, "changes": self._changes}

    def restore(self, saved):
        self._factory, self._last_stamp, self._changes = saved["factory"], saved["last_stamp"], saved["changes"]
        for sort, members in saved["shelves"].items():
            vars(self.shelves[sort]).update(members, identify=self._factory.identify)


def check_shapes(names):
    for name in names:
        if name != "all" and name not in ALL_SHAPES:
            raise OptionError(f"no shape {name}; there are: all, {', '.join(ALL_SHAPES)}")


def _digits(sort, look):
    return look.digits if sort == ALERT else 0


def _cut(stamp, digits):
    """A time as it is printed with so many fraction digits."""
    unit = 10 ** (9 - digits)
    return stamp // unit * unit
