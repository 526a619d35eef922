"""1Password Events Reporting: three logs, asked by POST with a reset cursor or with the cursor of the reply before, which never ends.

A cursor is a position for good: it comes with every reply, also with an empty one. It goes over the events as they were stored, so
that one indexed late is behind it whatever its time (option `order` has the other reading of the sheet). Identity in the ledger: uuid.
"""

from collections import Counter
from dataclasses import dataclass
from itertools import count
from types import SimpleNamespace

from bodies import Bytes
from ledger import Served, VersionLedger
from messages import Response, json_response
from options import Option, OptionError
from vendors.base import Vendor
from vendors.falcon_query import NS, format_time
from vendors.onepassword_query import LARGEST_LIMIT, BadBody, EventPage, parse
from vendors.onepassword_records import AUDITS, KINDS, SIGN_INS, USAGES, Account
from vendors.pacing import MINUTE, Backoff, Window
from vendors.patience import InFlight
from vendors.sealed import Sealer
from vendors.templates import ALL_SHAPES, compact, shape_names

DAY = 86400
HOUR = 3600.0
HISTORY = 120 * DAY
FEATURES = {SIGN_INS: "signinattempts", USAGES: "itemusages", AUDITS: "auditevents"}
MESSAGES = {
    400: "Bad request", 401: "Unauthorized access", 403: "Your plan does not include Events Reporting", 404: "Not found",
    405: "Method not allowed", 429: "Too many requests", 500: "Internal server error",
}


@dataclass(frozen=True)
class Route:
    method: str
    api: int
    data_type: str = ""     # "": introspection


ROUTES = {f"/api/v{api}/auth/introspect": Route("GET", api) for api in (1, 2)}
ROUTES |= {f"/api/v{api}/{feature}": Route("POST", api, kind) for api in (1, 2) for kind, feature in FEATURES.items()}
BETA = "/api/v3/"


class Events(InFlight, Vendor):
    name = "1password-events"
    # What a request asks for stands in its body, which `match` does not see: any request for a log.
    default_match = {"expired_cursor": "/api/", "cursor_refused": "/api/"}
    options_table = (
        Option("tokens", "list", ["sim-token"], "accepted tokens", secret=True),
        Option("features", "list", list(FEATURES.values()), "what tokens are good for; without it 401 for that log"),
        Option("token_life", "float", 0.0, "seconds from the start after which tokens are expired; 0: never"),
        Option("plan", "bool", True, "the account's plan has Events Reporting; without it 403"),
        Option("region", "right|wrong", "right", "wrong: the account lives in another region, and tokens are unknown here"),
        Option("refused_limit", "int", 10, "requests refused with 401 or 403 a minute; beyond: violations"),
        Option("sign_in_attempts", "int", 1000, "sign-ins at start"),
        Option("item_usages", "int", 500, "uses of items at start"),
        Option("audit_events", "int", 200, "audit events at start"),
        Option("start", "float", 0.0, "time of the first events, epoch seconds; 0: `span` seconds ago"),
        Option("span", "float", 3600.0, "seconds over which the initial events are spread"),
        Option("ties", "int", 2, "so many initial events in a row have the same timestamp"),
        Option("rate", "float", 0.0, "new events a second from now on, of the three logs in turn"),
        Option("index_delay", "float", 0.0, "seconds until a new event can be seen (no figure in the sheet)"),
        Option("late_every", "int", 0, "every n-th new event is seen later still ..."),
        Option("late_seconds", "float", 60.0, "... by so many seconds"),
        Option("order", "stored|time", "stored", "what cursors go over: events as stored, or by time, where a late one may lie"
                                                 " before the cursor (unverified); at start only"),
        Option("start_time", "filters|places", "filters", "an event older than start_time that is stored later does not belong to the chain, or"
                                                          " it does, and start_time is but the place to begin at (unverified)"),
        Option("default_start", "float", HOUR, "seconds before now at which a reset cursor without start_time begins (unverified)"),
        Option("end_time", "excluded|included", "excluded", "whether an event of exactly end_time belongs to it (unverified)"),
        Option("history", "clip|refuse", "clip", "what becomes of a start_time before 120 days: cut off, or 400 (unverified)"),
        Option("page_size", "int", LARGEST_LIMIT, "items on a page at most, whatever limit is asked"),
        Option("has_more", "exact|full", "exact", "true where there are more, or on every full page, the last one too"),
        Option("empty_every", "int", 0, "every n-th page has no items, though has_more is true"),
        Option("empty", "list|null|absent", "list", "items of an empty page (unverified)"),
        Option("idle_cursor", "same|new", "same", "cursor of an empty page: the one used, or another one"),
        Option("cursor_life", "float", 0.0, "seconds that a cursor is good for; 0: for ever (unverified)"),
        Option("envelope", "sample|items_first", "sample", "order of the members"),
        Option("error_form", "status|wrapped", "status", "error bodies: {status, message}, or {Error: {Message}} (unverified)"),
        Option("rate_limit", "int", 600, "requests a minute, the whole account; beyond: 429 without a time"),
        Option("rate_window", "float", MINUTE, "seconds of that window"),
        Option("hour_limit", "int", 30_000, "requests an hour, the whole account"),
        Option("backoff", "bool", True, "coming back earlier than 1, 2, 4 … 32 s after 429s in a row is a violation"),
        # Of events made from now on:
        Option("fraction", "sample|ns|us|ms|s|mixed", "sample", "fraction digits of times; sample: ns for sign-ins, else s"),
        Option("style", "compact|pretty|spaced", "compact", "blanks between tokens"),
        Option("shapes", "list", [], f"unusual JSON: all, or of {', '.join(ALL_SHAPES)}"),
        Option("shape_every", "int", 10, "every n-th event has a shape"),
    )
    actions = {name: name for name in ("append", "expire_cursors", "revoke", "reset_window")}

    def __init__(self, seed, texts):
        super().__init__(seed, texts)
        self.alterations = {"repeated_cursor": self.repeat_cursor, "no_cursor": self.drop_cursor, "cursor_refused": self.refuse_cursor}
        self.born = self.now()
        self.account = Account(seed, self.options, self.now)
        self.ledger = VersionLedger(self.account.factory.data, self._must_be_offered)
        self.known_tokens = set()       # ever accepted: using one later is no violation
        self.generation = 0             # cursors of an earlier one are expired
        self.resets = Counter()         # reset cursors, by data type
        self.api = dict.fromkeys(KINDS, 2)      # version asked last
        self._nonce = count(1)          # so that no two cursors are equal
        self._cursors = Sealer(self.name, seed, 8, padded=False)
        self._pages = Counter()
        self._minute, self._hour, self._refusals = Window(), Window(), Window()
        self._backoff = Backoff()
        self.after_set()

    # Options and actions.

    def after_set(self):
        self.known_tokens.update(self.options.tokens)
        shape_names(self.options.shapes)
        unknown = set(self.options.features) - set(FEATURES.values())
        if unknown:
            raise OptionError(f"features: no {', '.join(sorted(unknown))}")
        self.account.set_rate(self.options.rate)

    def append(self, value):
        """Action: new events. A number, or {"type": data type, "count": n, "late_by": s, "at": epoch, "fraction": ..., "style": ...,
        "shapes": [...]}: with `late_by` their time is so long ago, with `at` it is this for all of them."""
        return self.account.append(value)

    def expire_cursors(self, _value):
        """Action: no cursor given out so far is valid any more."""
        self.generation += 1
        return self.generation

    def revoke(self, token):
        """Action: a token is not accepted any more; using it is no violation."""
        self.options.tokens = [known for known in self.options.tokens if known != token]

    def reset_window(self, _value):
        """Action: both windows are empty again, and nothing was throttled."""
        self._minute.clear()
        self._hour.clear()
        self._backoff.clear()

    # Requests.

    def inspect(self, request, mount):
        path = request.path[len(mount):]
        route = ROUTES.get(path)
        if route is None:
            beta = path.startswith(BETA)
            self.violate(request, "beta" if beta else "path", f"{path} is a beta" if beta else f"no {path} in the sheet")
            return self.error(404, request)
        request.note.update(data_type=route.data_type or "introspect", api=route.api)
        if request.method != route.method:
            self.violate(request, "method", request.method)
            return self.error(405, request)
        complaint = self._backoff.complaint(request) if self.options.backoff else None
        if complaint:
            self.violate(request, "backoff", complaint)
        refusal = self._authorize(request, route) or self._spend(request)
        if refusal:
            return refusal
        try:
            request.asked = self._check_body(request, route)
        except BadBody as bad:
            if bad.code:
                self.violate(request, bad.code, str(bad))
            return self.error(400, request, str(bad))
        return None

    def _authorize(self, request, route):
        value = request.header("Authorization") or ""
        scheme, _, token = value.partition(" ")
        if scheme != "Bearer" or not token or token != token.strip():
            self.violate(request, "authorization", "not `Bearer <token>`" if value else "no Authorization")
            return self._refuse(request, 401)
        expired = self.options.token_life and self.now() >= self.born + self.options.token_life
        if token not in self.options.tokens or expired or self.options.region == "wrong":
            self.counters["refused_tokens"] += 1
            if token not in self.known_tokens:
                self.violate(request, "authorization", "a token never issued")
            return self._refuse(request, 401, "Token expired" if expired else None)
        if not self.options.plan:
            return self._refuse(request, 403)
        if route.data_type and FEATURES[route.data_type] not in self.options.features:
            self.counters["refused_features"] += 1
            return self._refuse(request, 401, f"Token does not have the feature {FEATURES[route.data_type]}")
        return None

    def _refuse(self, request, status, message=None):
        if self._refusals.wait(request.monotonic, self.options.refused_limit, MINUTE) > 0:
            self.violate(request, "refused_again", f"more than {self.options.refused_limit} refusals in a minute")
        self._refusals.take(request.monotonic)
        return self.error(status, request, message)

    def _spend(self, request):
        """The account's windows; a refused request does not count."""
        windows = ((self._minute, self.options.rate_limit, self.options.rate_window), (self._hour, self.options.hour_limit, HOUR))
        if any(window.wait(request.monotonic, limit, seconds) > 0 for window, limit, seconds in windows):
            return self.error(429, request)
        for window, _, _ in windows:
            window.take(request.monotonic)
        return None

    # Bodies of requests.

    def _check_body(self, request, route):
        if request.query:
            self.violate(request, "query", "a query, of which the sheet knows nothing")
        if not route.data_type:
            return SimpleNamespace(route=route)
        asked = parse(request)
        asked.route = route
        if asked.cursor is None:
            self._check_reset(request, asked)
        else:
            self._check_cursor(asked)
        request.note.update(first=asked.cursor is None, limit=asked.limit, start=asked.start, place=asked.place)
        return asked

    def _check_reset(self, request, asked):
        now = int(self.now() * 1e6) * 1000
        asked.place = None
        if asked.start is None:
            asked.start = now - int(self.options.default_start * NS)
        if asked.end is not None and asked.start >= asked.end:
            raise BadBody("window", "start_time is not before end_time")
        if asked.start < now - (HISTORY + DAY) * NS:
            self.violate(request, "history", "start_time lies before the 120 days that can be reached")
        if asked.start < now - HISTORY * NS and self.options.history == "refuse":
            raise BadBody(None, "start_time is more than 120 days ago")

    def _check_cursor(self, asked):
        opened = self._cursors.open(asked.cursor)
        if opened is None or opened[0] != asked.route.data_type:
            raise BadBody("unknown_cursor", "a cursor that this log never gave out")
        _, asked.place, asked.limit, asked.start, asked.end, generation, born, _ = opened
        if generation != self.generation or (self.options.cursor_life and self.now() >= born + self.options.cursor_life):
            self.counters["expired_cursors"] += 1
            raise BadBody(None, "invalid cursor")

    # Answers.

    def answer(self, request, mount):
        self.account.advance()
        return self._page(request.asked) if request.asked.route.data_type else self._introspection(request.asked.route)

    def _introspection(self, route):
        issued = format_time(int(self.born - 30 * DAY) * NS, 0)
        data = {"uuid": self.account.factory.token(), "issued_at": issued, "features": self.options.features}
        if route.api >= 2:
            data["account_uuid"] = self.account.factory.account()
        return json_response(200, compact(data))

    def _page(self, asked):
        kind = asked.route.data_type
        self.api[kind] = asked.route.api
        if asked.cursor is None:
            self.resets[kind] += 1
        self._pages[kind] += 1
        places = self.options.start_time == "places"
        begin = asked.place or self.account.logs[kind].begin(asked.start if places else None)
        events, place, more = self._select(kind, asked, begin, 0 if places and not self.account.logs[kind].by_time else asked.start)
        if self.options.empty_every > 0 and self._pages[kind] % self.options.empty_every == 0 and events:
            events, place, more = [], begin, True
        if self.options.has_more == "full":
            more = more or len(events) >= self._size(asked)
        # A page without items behind which nothing moved: the cursor may stay what it was.
        idle = not events and not more and asked.cursor is not None and self.options.idle_cursor == "same"
        cursor = asked.cursor
        if not idle:
            cursor = self._cursors.seal(kind, place, asked.limit, asked.start, asked.end, self.generation, self.now(), next(self._nonce))
        self.last_link = cursor
        served = [event._replace(api=asked.route.api) for event in events]
        body = EventPage(cursor, more, self.options.envelope, self.options.empty, served, self.account.factory.data)
        page = self.ledger.open(tuple(self._served(event) for event in served)) if served else None
        return Response(200, [("Content-Type", "application/json")], body, page=page, compressible=True)

    def _select(self, kind, asked, begin, start):
        low = max(start, int((self.now() - HISTORY) * 1e6) * 1000)
        high = asked.end + 1 if asked.end is not None and self.options.end_time == "included" else asked.end
        return self.account.logs[kind].after(begin, low, high, self._size(asked))

    def _size(self, asked):
        return max(1, min(asked.limit, self.options.page_size))

    def _served(self, event):
        return Served(event.kind, self.account.factory.identify(event), event)

    # Refusals.

    def error(self, status, request, message=None):
        text = message or MESSAGES.get(status) or MESSAGES[400 if status < 500 else 500]
        data = {"Error": {"Message": text}} if self.options.error_form == "wrapped" else {"status": status, "message": text}
        return json_response(status, compact(data))

    def pool(self, request):
        return "account"

    def decorate(self, response, request):
        if response.header("Retry-After") is None:
            response.wait_until = None      # this vendor has no other header that a client could know
        if response.status == 429 and response.wait_until is None:
            self._backoff.refused(request)
        elif response.status == 200:
            self._backoff.answered(request)

    # Misbehaviours of this vendor only.

    def repeat_cursor(self, response, parameters, request):
        """The cursor is the one that led to this page, and there is said to be more."""
        if not isinstance(response.body, EventPage) or request.asked.cursor is None:
            return False
        response.body = response.body.with_cursor(request.asked.cursor, True)
        return True

    def drop_cursor(self, response, parameters, request):
        """No cursor in the reply; `has_more` (default true) stays as told."""
        if not isinstance(response.body, EventPage):
            return False
        response.body = response.body.with_cursor(None, bool(parameters.get("has_more", True)))
        return True

    def refuse_cursor(self, response, parameters, request):
        """400 for a request that goes on by a cursor; others are let alone."""
        if not isinstance(response.body, EventPage) or request.asked.cursor is None:
            return False
        refusal = self.error(400, request, "invalid cursor")
        response.status, response.body, response.compressible = 400, Bytes(refusal.body.data), False
        if response.page is not None:
            response.page.keys, response.page = (), None
        return True

    # State.

    def _must_be_offered(self):
        """What can be seen now, as the version of the API that was asked last shows it. The ledger is read without our lock."""
        found = []
        with self.lock:
            self.account.advance()
            oldest = int((self.now() - HISTORY) * 1e6) * 1000
            for kind, log in self.account.logs.items():
                found += [event._replace(api=self.api[kind]) for event in log.events if event.ns >= oldest]
        return map(self._served, found)

    def details(self):
        self.account.advance()
        return {"events": {kind: len(log) for kind, log in self.account.logs.items()}, "waiting_events": len(self.account.waiting),
                "resets": dict(self.resets), "expired_cursors": self.counters["expired_cursors"],
                "refused_tokens": self.counters["refused_tokens"], "refused_features": self.counters["refused_features"],
                "window": {"minute": len(self._minute), "hour": len(self._hour)}}

    def save(self):
        return {"account": self.account.save(), "generation": self.generation, "born": self.born, "tokens": self.options.tokens,
                "known": self.known_tokens, "api": self.api, "nonce": next(self._nonce)}

    def restore(self, saved):
        self.account.restore(saved["account"])
        self.generation, self.born, self.api = saved["generation"], saved["born"], saved["api"]
        self.options.tokens, self.known_tokens = saved["tokens"], saved["known"]
        self._nonce = count(saved["nonce"])


VENDOR = Events
