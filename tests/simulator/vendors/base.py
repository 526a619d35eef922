"""What every vendor of the simulator is made of.

A vendor answers a request in two steps. `inspect` checks it against the vendor's rules: it notes violations and may
refuse, as the vendor would. `answer` makes the reply. Between the two a programmed misbehaviour may take the place of
`answer`. Both run under `self.lock`; bodies are sent outside it and must not depend on what changes.
"""

import threading
import time
from collections import Counter

from options import Option, Options, OptionError

# A named time further ahead than this is nonsense that a client may cap: coming back earlier is no violation.
LONGEST_HONEST_WAIT = 3600.0
# Clients may round: coming back this much early is no violation.
WAIT_TOLERANCE = 0.05


class Vendor:
    name = ""
    # Headers whose values are secret: only a hash of them is ever shown.
    secret_headers = ("authorization", "cookie", "x-api-key")

    common_options = (
        Option("gzip", "auto|never|always", "never", "content encoding of replies with records"),
        Option("framing", "auto|length|chunked|close", "auto", "how the end of a body is told"),
        Option("clock_skew", "float", 0.0, "seconds that the vendor's clock is ahead of ours; shows in Date"),
        Option("page_delay", "float", 0.0, "seconds before the first byte of each 200 reply"),
        Option("max_concurrent", "int", 75, "parallel requests beyond this are violations, answered with 429"),
    )
    options_table = ()
    # Names of methods called by the control API's `set`, beside options: {"name": "method"}.
    actions = {}
    # Misbehaviours that only this vendor has: {"kind": method(response, parameters, request)}.
    alterations = {}
    # The same, in place of the answer: {"kind": method(request, **parameters)}; what `match` is unless it is given;
    # parameters that are words: {"parameter": words}.
    replacements = {}
    default_match = {}
    words = {}
    # JSON lines that only this vendor has, read by `GET /_sim/<report>/<vendor>`: {"report": method}.
    reports = {}
    # Headers of a 429: (limit, remaining), and the time to come back at, in epoch seconds.
    limit_headers = ("X-Rate-Limit-Limit", "X-Rate-Limit-Remaining")
    reset_header = "X-Rate-Limit-Reset"

    def __init__(self, seed, texts):
        self.seed = seed
        self.options = Options(self.common_options + self.options_table, texts)
        self.lock = threading.RLock()
        self.counters = Counter()
        self.statuses = Counter()
        self.violation_list = []
        self.violation_counts = Counter()
        self.last_link = None
        self.in_flight = 0
        self.peak_in_flight = 0
        self._waits = {}
        self.ledger = None

    # To be given by each vendor.

    def mounts(self):
        """Path prefixes under which the vendor answers."""
        return (f"/{self.name}",)

    def inspect(self, request, mount):
        """Note violations; return a Response to refuse the request, or None."""
        raise NotImplementedError

    def answer(self, request, mount):
        raise NotImplementedError

    def error(self, status, request):
        """A reply with this status as the vendor writes it."""
        raise NotImplementedError

    def decorate(self, response, request):
        """Add the headers that every reply of the vendor carries."""

    def shown(self, target):
        """A request's target for logs and violations: without secrets."""
        return target

    def clear(self, what):
        """`clear` of the control API, beside programs, violations, ledger and requests."""

    def details(self):
        """Members added to the vendor's entry in /_sim/state."""
        return {}

    def save(self):
        """What must survive a restart, as an object that pickle can write."""
        return None

    def restore(self, saved):
        pass

    # Common to all.

    def now(self):
        """Epoch seconds by the vendor's clock."""
        return time.time() + self.options.clock_skew

    def violate(self, request, code, detail):
        request.violations.append(code)
        self.violation_counts[code] += 1
        self.violation_list.append({
            "vendor": self.name, "code": code, "detail": detail, "method": request.method, "target": self.shown(request.target),
            "wall": request.wall, "monotonic": request.monotonic})

    def pool(self, request):
        """Name of the budget that a request spends, and so of the wait that a 429 names."""
        return request.path

    def name_wait(self, request, until):
        """The client was told not to come back before `until`, in vendor time."""
        if until - self.now() <= LONGEST_HONEST_WAIT:
            self._waits[self.pool(request)] = until

    def check_wait(self, request):
        until = self._waits.get(self.pool(request))
        if until is None:
            return
        early = until - self.now()
        if early > WAIT_TOLERANCE:
            self.violate(request, "before_named_time", f"{early:.2f} s before the time named")
        else:
            del self._waits[self.pool(request)]

    def set(self, changes):
        """Apply options and actions in the order given; return what the actions returned."""
        for name in changes:
            if name not in self.options and name not in self.actions:
                known = sorted([*self.options.values(), *self.actions])
                raise OptionError(f"{self.name} has no option or action {name}; there are: {', '.join(known)}")
        results = {}
        with self.lock:
            self.before_set()
            for name, value in changes.items():
                if name in self.actions:
                    results[name] = getattr(self, self.actions[name])(value)
                else:
                    self.options.set(name, value)
            self.after_set()
        return results

    def before_set(self):
        pass

    def after_set(self):
        pass

    def state(self):
        with self.lock:
            return {
                "requests": self.counters["requests"],
                "statuses": {str(status): times for status, times in sorted(self.statuses.items())},
                "pages": len(self.ledger.pages), "records_offered": self.ledger.offered(),
                "body_bytes": self.counters["body_bytes"], "last_link": self.last_link,
                "in_flight": self.in_flight, "peak_in_flight": self.peak_in_flight,
                "violations": sum(self.violation_counts.values()), "violation_codes": dict(self.violation_counts),
                "waits": {pool: round(until - self.now(), 3) for pool, until in self._waits.items()},
                "now": self.now(), "options": self.options.values(), **self.details()}
