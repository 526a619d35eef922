"""SentinelOne Singularity: threats, activities and agents in lists ordered by a time, paged by a cursor within one walk.

Threats and agents change: an update gives a record a newer updatedAt and moves it to the end of the order, and what was before cannot
be asked for any more. Identities in the ledger: `{id}~{updatedAt}` of threats and agents, `{id}` of activities.
"""

import math
import time
from bisect import bisect_left
from collections import Counter
from itertools import count

from ledger import Served, VersionLedger
from messages import Response, json_response
from options import Option, OptionError
from vendors.base import Vendor
from vendors.pacing import IN_FLIGHT_GRACE, MINUTE, Backoff, Window
from vendors.sealed import Sealer
from vendors.sentinelone_console import Console
from vendors.sentinelone_query import LARGEST_LIMIT, MAIN, BadQuery, ListPage, complaints, parse
from vendors.sentinelone_records import ACTIVITIES, AGENTS, KINDS, THREATS
from vendors.templates import ALL_SHAPES, compact, shape_names

BASE = "/web/api/v2.1/"
DAY = 86400
KEPT_WALKS = 100
# Codes and titles are unverified but for the form, and that of 401.
ERRORS = {
    400: (4000040, "Validation Error"), 401: (4010010, "Authentication Failed"), 403: (4030010, "Insufficient permissions"),
    404: (4040010, "Not Found"), 405: (4050010, "Method not allowed"), 429: (4290010, "Too many requests"),
    500: (5000010, "Server could not process the request."),
}


class SentinelOne(Vendor):
    name = "sentinelone"
    default_match = {"expired_cursor": "cursor="}
    options_table = (
        Option("tokens", "list", ["sim-token"], "accepted API tokens", secret=True),
        Option("token_life", "float", 0.0, "seconds from the start after which tokens are expired; 0: never"),
        Option("forbidden", "list", [], f"data types that the role may not read (403): of {', '.join(KINDS)}"),
        Option("token_accounts", "list", [], "accountIds that tokens are good for; none: all; beyond them 403"),
        Option("refused_limit", "int", 10, "requests refused with 401 or 403 a minute; beyond: violations"),
        Option("threats", "int", 300, "threats at start"),
        Option("activities", "int", 1000, "activities at start"),
        Option("agents", "int", 300, "agents at start"),
        Option("accounts", "int", 2, "accounts; at start only"),
        Option("sites", "int", 4, "sites, dealt out to the accounts in turn; at start only"),
        Option("start", "float", 0.0, "time of the first records, epoch seconds; 0: `span` seconds ago"),
        Option("span", "float", 3600.0, "seconds over which the initial records are spread"),
        Option("ties", "int", 2, "so many initial records in a row have the same time"),
        Option("rate", "float", 0.0, "new activities a second from now on"),
        Option("update_rate", "float", 0.0, "updates of threats a second from now on"),
        Option("agent_rate", "float", 0.0, "updates of agents a second from now on"),
        Option("late_every", "int", 0, "every n-th new record can be seen only ..."),
        Option("late_seconds", "float", 60.0, "... so many seconds after its time (undocumented)"),
        Option("threat_days", "float", 365.0, "days that a threat is kept (unverified)"),
        Option("activity_days", "float", 365.0, "days that an activity is kept; 90 by some contracts (unverified)"),
        Option("default_limit", "int", 10, "limit of a request without one (unverified)"),
        Option("other_limit", "int", LARGEST_LIMIT, "largest limit of activities and agents (unverified)"),
        Option("other_filters", "works|refused", "works", "whether __gt, __lt, __lte, and createdAt of threats and agents are known (unverified)"),
        Option("paging", "place|frozen", "place", "a cursor goes on behind the place of the last record, or over the order that the first page"
                                                  " found, in which a record may be newer than what follows (unverified)"),
        Option("trailing", "full|always|never", "full", "a last page with a cursor, which leads to an empty one: if it is full, always, never"),
        Option("cursor_life", "float", 0.0, "seconds that a cursor is good for; 0: for ever (undocumented)"),
        Option("one_walk", "bool", True, "a cursor used after a newer first page of the same scope is a violation"),
        Option("total_items", "count|zero|absent", "count", "totalItems, which is informational"),
        Option("envelope", "sample|errors_first|errors_null|pagination_first", "sample", "members of replies, and their order"),
        Option("rate_limit", "int", 1000, "requests a window, all endpoints together; beyond: 429"),
        Option("endpoint_limit", "int", 0, "requests a window and endpoint; 0: no such limit (unverified)"),
        Option("rate_window", "float", MINUTE, "seconds of the sliding windows"),
        Option("retry_after", "bool", False, "a 429 names a time in Retry-After (unverified)"),
        Option("backoff", "bool", True, "coming back earlier than 1, 2, 4 … 32 s after 429s in a row that name no time is a violation"),
        # Of records made from now on:
        Option("style", "compact|pretty|spaced", "compact", "blanks between tokens"),
        Option("shapes", "list", [], f"unusual JSON: all, or of {', '.join(ALL_SHAPES)}"),
        Option("shape_every", "int", 10, "every n-th record has a shape"),
    )
    actions = {name: name for name in ("append", "update", "modify", "remove", "churn", "expire_cursors", "revoke", "reset_window")}

    def __init__(self, seed, texts):
        super().__init__(seed, texts)
        self.alterations = {"repeated_cursor": self.repeat_cursor, "partial": self.partial}
        self.replacements = {"errors_with_200": self.fail_with_200}
        self.born = self.now()
        self.console = Console(seed, self.options, self.now)
        self.ledger = VersionLedger(self.console.factory.data, self._must_be_offered)
        self.known_tokens = set()       # ever accepted: using one later is no violation
        self.generation = 0             # cursors of an earlier one are expired
        self.walks = Counter()          # first pages, by data type
        self.scopes = {kind: set() for kind in KINDS}   # (accountIds, siteIds) asked for
        self._frozen = {}               # number of a walk: the order that its first page found
        self._newest = {}               # (kind, scope): number of the newest walk
        self._numbers = count(1)
        self._cursors = Sealer(self.name, seed, 16, padded=True)
        self._windows = {}              # "account" or a path
        self._refusals = Window()
        self._backoff = Backoff()
        self._named = {}
        self.after_set()

    # Options and actions.

    def after_set(self):
        self.known_tokens.update(self.options.tokens)
        shape_names(self.options.shapes)
        unknown = set(self.options.forbidden) - set(KINDS)
        if unknown:
            raise OptionError(f"forbidden: no {', '.join(sorted(unknown))}")
        self.console.set_rates()

    def append(self, value):
        """Action: new records. A number, or {"type": data type, "count": n, "late_by": s, "at": epoch, "style": ..., "shapes": [...]}:
        with `late_by` their time is so long ago though they are seen only now, with `at` it is this for all of them."""
        return self.console.append(value)

    def update(self, value):
        """Action: threats are updated. A number, or {"count": n, "which": "any|first|last"}, or {"ids": [...]}."""
        return self.console.change(THREATS, value)

    def modify(self, value):
        """Action: agents are updated; as update."""
        return self.console.change(AGENTS, value)

    def remove(self, value):
        """Action: agents vanish. A number, or a list of ids."""
        return self.console.remove(value)

    def churn(self, value):
        """Action: behind each of the next `pages` pages something changes: {"pages": n, "threats": new ones, "activities": new ones,
        "agents": new ones, "updates": of threats, "modified": agents, "which": "any|first|last|page"}."""
        self.console.set_churn(value)

    def expire_cursors(self, _value):
        """Action: no cursor given out so far is valid any more."""
        self.generation += 1
        return self.generation

    def revoke(self, token):
        """Action: a token is not accepted any more; using it is no violation."""
        self.options.tokens = [known for known in self.options.tokens if known != token]

    def reset_window(self, _value):
        """Action: all windows are empty again, and nothing was throttled."""
        self._windows.clear()
        self._backoff.clear()
        self._waits.clear()

    # Requests.

    def inspect(self, request, mount):
        path = request.path[len(mount):]
        kind = path.removeprefix(BASE)
        if not path.startswith(BASE) or kind not in KINDS:
            self.violate(request, "path", f"no {path} in the sheet")
            return self.error(404, request)
        request.note.update(data_type=kind)
        if request.method != "GET":
            self.violate(request, "method", request.method)
            return self.error(405, request)
        complaint = self._backoff.complaint(request) if self.options.backoff else None
        if complaint:
            self.violate(request, "backoff", complaint)
        refusal = self._authorize(request, kind) or self._spend(request)
        if refusal:
            return refusal
        try:
            request.asked = self._check_query(request, kind)
        except BadQuery as bad:
            if bad.code:
                self.violate(request, bad.code, str(bad))
            return self.error(400, request, str(bad))
        beyond = set(request.asked.scope[0]) - set(self._readable_accounts())
        if beyond:
            return self._refuse(request, 403, f"accountIds: {', '.join(sorted(beyond))}")
        return None

    def _authorize(self, request, kind):
        value = request.header("Authorization") or ""
        scheme, _, token = value.partition(" ")
        if scheme != "ApiToken" or not token or token != token.strip():
            self.violate(request, "authorization", "not `ApiToken <token>`" if value else "no Authorization")
            return self._refuse(request, 401)
        expired = self.options.token_life and self.now() >= self.born + self.options.token_life
        if token not in self.options.tokens or expired:
            self.counters["refused_tokens"] += 1
            if token not in self.known_tokens:
                self.violate(request, "authorization", "a token never issued")
            return self._refuse(request, 401)
        if kind in self.options.forbidden:
            self.counters["refused_types"] += 1
            return self._refuse(request, 403)
        return None

    def _refuse(self, request, status, detail=None):
        if self._refusals.wait(request.monotonic, self.options.refused_limit, MINUTE) > 0:
            self.violate(request, "refused_again", f"more than {self.options.refused_limit} refusals in a minute")
        self._refusals.take(request.monotonic)
        return self.error(status, request, detail)

    def _spend(self, request):
        """The windows of the account and of the endpoint; a refused request does not count."""
        spent = []
        for pool, limit in (("account", self.options.rate_limit), (request.path, self.options.endpoint_limit)):
            if pool != "account" and limit <= 0:
                continue
            window = self._windows.setdefault(pool, Window())
            wait = window.wait(request.monotonic, limit, self.options.rate_window)
            if wait > 0:
                return self._throttled(request, pool, wait)
            spent.append(window)
        for window in spent:
            window.take(request.monotonic)
        return None

    def _throttled(self, request, pool, seconds):
        response = self.error(429, request)
        if self.options.retry_after:
            whole = math.ceil(seconds)
            request.note.update(pool=pool)
            response.set("Retry-After", str(whole))
            response.wait_until = self.now() + whole
        return response

    # Queries.

    def _check_query(self, request, kind):
        pairs = request.parameters()
        asked = parse(pairs, kind, self.options)
        for code, detail in complaints(pairs, kind):
            self.violate(request, code, detail)
        asked.walk = asked.behind = None
        if asked.cursor is not None:
            self._check_cursor(request, asked)
        request.note.update(first=asked.cursor is None, limit=asked.limit, bounds={name: list(bound) for name, bound in asked.bounds.items()})
        return asked

    def _check_cursor(self, request, asked):
        opened = self._cursors.open(asked.cursor)
        if opened is None or opened[0] != asked.kind:
            raise BadQuery("unknown_cursor", "cursor: never given out here")
        _, terms, behind, walk, paging, generation, born = opened
        lost = paging != self.options.paging or (paging == "frozen" and walk not in self._frozen)
        if lost or generation != self.generation or (self.options.cursor_life and self.now() >= born + self.options.cursor_life):
            self.counters["expired_cursors"] += 1
            raise BadQuery(None, "cursor: expired")
        if terms != asked.terms:
            self.violate(request, "cursor_mixed", f"{asked.terms} beside a cursor of {terms}")
        if self.options.one_walk and self._newest.get((asked.kind, asked.scope), 0) > walk:
            self.violate(request, "cursor_kept", "a newer walk has begun")
        asked.walk, asked.behind = walk, tuple(behind)

    def _readable_accounts(self):
        return self.options.token_accounts or self.console.factory.accounts

    # Answers.

    def answer(self, request, mount):
        self.console.advance()
        asked = request.asked
        shelf = self.console.shelves[asked.kind]
        if asked.cursor is None:
            self.walks[asked.kind] += 1
            asked.walk = self._newest[asked.kind, asked.scope] = next(self._numbers)
            self.scopes[asked.kind].add(asked.scope)
        left, total = self._frozen_left(shelf, asked) if self.options.paging == "frozen" else self._left(shelf, asked)
        page = left[:asked.limit]
        # The place behind this page does not depend on what a record becomes later.
        behind = page[-1][0] if page else asked.behind
        more = len(left) > asked.limit
        trail = page and (self.options.trailing == "always" or (self.options.trailing == "full" and len(page) == asked.limit))
        following = None
        if more or trail:
            following = self._cursors.seal(asked.kind, asked.terms, behind, asked.walk, self.options.paging, self.generation, self.now())
        self.last_link = following
        numbers = [number for _, number in page if number in shelf.current]
        response = self._reply([shelf.current[number] for number in numbers], following, total)
        self.console.after_page(shelf, numbers)
        return response

    def _reply(self, versions, following, total):
        shown = {"count": total, "zero": 0, "absent": None}[self.options.total_items]
        body = ListPage(following, shown, [], self.options.envelope, versions, self.console.factory.data)
        page = self.ledger.open(tuple(self._served(version) for version in versions)) if versions else None
        return Response(200, [("Content-Type", "application/json")], body, page=page, compressible=True)

    def _left(self, shelf, asked):
        """([(place, number)] behind the cursor, number of all that match)."""
        found = self._select(shelf, asked)[asked.skip:]
        at = 0 if asked.behind is None else bisect_left(found, (asked.behind, math.inf))
        return found[at:], len(found)

    def _frozen_left(self, shelf, asked):
        if asked.cursor is None:
            numbers = [number for _, number in self._select(shelf, asked)[asked.skip:]]
            self._frozen[asked.walk] = [((at,), number) for at, number in enumerate(numbers)]
            while len(self._frozen) > KEPT_WALKS:
                del self._frozen[next(iter(self._frozen))]
        order = self._frozen[asked.walk]
        return order[asked.behind[0] + 1 if asked.behind else 0:], len(order)

    def _select(self, shelf, asked):
        """[(place, number)] of all that match, in the order asked for; places only grow."""
        entries, main, bounds = shelf.order, MAIN[shelf.kind], asked.bounds
        low, high = bounds.get(main, (None, None))
        begin = 0 if low is None else bisect_left(entries, (low,))
        end = len(entries) if high is None else bisect_left(entries, (high + 1,))
        entries = [entry for entry in entries[begin:max(begin, end)] if self._wanted(shelf.current[entry[2]], asked)]
        if asked.sort is None:
            # Nobody promised an order.
            return sorted(((number * 2654435761 % 2 ** 32, number), number) for _, _, number in entries)
        if asked.sort != main:
            entries = sorted((shelf.current[number].created, identity, number) for _, identity, number in entries)
        if asked.descending:
            return [((-stamp, -identity), number) for stamp, identity, number in reversed(entries)]
        return [((stamp, identity), number) for stamp, identity, number in entries]

    def _wanted(self, version, asked):
        low, high = asked.bounds.get("createdAt", (None, None))
        return ((low is None or low <= version.created) and (high is None or version.created <= high)
                and self._kept(version) and self._in_scope(version, asked.scope))

    def _in_scope(self, version, scope):
        accounts, sites = scope
        if not accounts and not sites and not self.options.token_accounts:
            return True
        account, site = self.console.factory.scope(version)
        return account in self._readable_accounts() and (not accounts or account in accounts) and (not sites or site in sites)

    def _kept(self, version):
        """Whether retention has left it."""
        days = {THREATS: self.options.threat_days, ACTIVITIES: self.options.activity_days}.get(version.kind)
        return days is None or version.created >= (self.now() - days * DAY) * 1e6

    def _served(self, version):
        return Served(version.kind, self.console.factory.identify(version), version)

    # Refusals.

    def error(self, status, request, detail=None):
        code, title = ERRORS.get(status) or (status * 10_000 + 10, ERRORS[500 if status >= 500 else 400][1])
        return json_response(status, compact({"errors": [{"code": code, "detail": detail, "title": title}], "data": None}))

    def pool(self, request):
        return request.note.get("pool", "account")

    def name_wait(self, request, until):
        super().name_wait(request, until)
        self._named[self.pool(request)] = (request.path, time.monotonic())

    def check_wait(self, request):
        """Of the account, and of the endpoint."""
        for pool in ("account", request.path):
            path, named = self._named.get(pool, (None, 0.0))
            if path == request.path or request.monotonic - named > IN_FLIGHT_GRACE:
                request.note["pool"] = pool
                super().check_wait(request)
        request.note.pop("pool", None)

    def decorate(self, response, request):
        if response.header("Retry-After") is None:
            response.wait_until = None      # no other header is known of this vendor
        if response.status == 429 and response.wait_until is None:
            self._backoff.refused(request)
        elif response.status == 200:
            self._backoff.answered(request)

    # Misbehaviours of this vendor only.

    def fail_with_200(self, request, code=5000010, title="Server could not process the request."):
        """Status 200 with errors, and data null."""
        return json_response(200, compact({"errors": [{"code": int(code), "detail": None, "title": title}], "data": None}))

    def repeat_cursor(self, response, parameters, request):
        """nextCursor is the one that led to this page."""
        if not isinstance(response.body, ListPage) or request.asked.cursor is None:
            return False
        response.body = response.body.changed(following=request.asked.cursor)
        return True

    def partial(self, response, parameters, request):
        """200 with errors, and only the first `keep` records (default: half of them). `code`, `title`."""
        if not isinstance(response.body, ListPage):
            return False
        keep = int(parameters.get("keep", response.body.count // 2))
        error = {"code": int(parameters.get("code", 5000010)), "detail": None, "title": parameters.get("title", ERRORS[500][1])}
        response.body = response.body.changed(errors=[error], keep=keep)
        if response.page is not None:
            response.page.keys = response.page.keys[:keep]
        return True

    # State.

    def _must_be_offered(self):
        """The present versions, of the scopes asked for. The ledger is read without our lock."""
        found = []
        with self.lock:
            self.console.advance()
            for kind, shelf in self.console.shelves.items():
                scopes = self.scopes[kind] or {((), ())}
                found += [version for version in shelf.current.values()
                          if self._kept(version) and any(self._in_scope(version, scope) for scope in scopes)]
        return map(self._served, found)

    def details(self):
        self.console.advance()
        return {"records": {kind: len(shelf) for kind, shelf in self.console.shelves.items()}, "waiting_records": len(self.console.waiting),
                "walks": dict(self.walks), "churn_left": self.console.churn_left, "accounts": self.console.factory.accounts,
                "sites": self.console.factory.sites, "expired_cursors": self.counters["expired_cursors"],
                "refused_tokens": self.counters["refused_tokens"], "refused_types": self.counters["refused_types"],
                "window": {"used": len(self._windows.get("account", ())), "limit": self.options.rate_limit}}

    def save(self):
        return {"console": self.console.save(), "generation": self.generation, "born": self.born, "tokens": self.options.tokens,
                "known": self.known_tokens, "scopes": self.scopes, "frozen": self._frozen, "newest": self._newest, "number": next(self._numbers)}

    def restore(self, saved):
        self.console.restore(saved["console"])
        self.generation, self.born, self.scopes = saved["generation"], saved["born"], saved["scopes"]
        self.options.tokens, self.known_tokens = saved["tokens"], saved["known"]
        self._frozen, self._newest, self._numbers = saved["frozen"], saved["newest"], count(saved["number"])


VENDOR = SentinelOne
