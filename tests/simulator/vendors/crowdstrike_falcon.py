"""CrowdStrike Falcon: OAuth2, then alerts (detections) and devices (devices, hosts) in lists, details and combined replies.

Records change: an alert that is updated, a device that reports, has a newer version with a newer time, and what was
before cannot be asked for any more. Lists by offset look at what is there now, so that everything behind an alert that
is updated moves by one; scrolls are frozen at their first page, as far as ids go; cursors go on behind a record's place.
"""

import base64
import binascii
import hashlib
import hmac
import json
import math
import time
from collections import Counter, deque
from dataclasses import dataclass
from types import SimpleNamespace

import oauth2
from bodies import Records
from ledger import Served, VersionLedger
from messages import Response, json_response
from options import Option
from vendors.base import Vendor
from vendors.falcon_fleet import Fleet, check_shapes
from vendors.falcon_query import BadQuery, Filter, check_encoding, parse_number, parse_sort
from vendors.falcon_records import ALERT, DEVICE, is_hidden
from vendors.okta_events import ALL_SHAPES

TOKEN_PATH = "/oauth2/token"
RULES = oauth2.Rules(TOKEN_PATH, status=201, token_type="bearer", expires_in=1799, per_minute=300)
MINUTE = 60.0
# A request to another endpoint may have been on its way when a 429 was sent.
IN_FLIGHT_GRACE = 0.25
DEEPEST = 10_000            # offset + limit
PLACES = {ALERT: ("updated_timestamp", "created_timestamp"), DEVICE: ("modified_timestamp",)}
ALERTS_READ, HOSTS_READ = "alerts:read", "hosts:read"


@dataclass(frozen=True)
class Route:
    data_type: str
    scope: str
    steps: dict         # method: name of `_check_<name>` and `_answer_<name>`


ROUTES = {
    "/alerts/queries/alerts/v2": Route("detections", ALERTS_READ, {"GET": "alert_list"}),
    "/alerts/entities/alerts/v2": Route("detections", ALERTS_READ, {"POST": "alert_details"}),
    "/alerts/combined/alerts/v1": Route("detections", ALERTS_READ, {"POST": "alert_combined"}),
    "/devices/queries/devices-scroll/v1": Route("devices", HOSTS_READ, {"GET": "device_scroll"}),
    "/devices/entities/devices/v2": Route("devices", HOSTS_READ, {"POST": "device_details", "GET": "device_details_by_get"}),
    "/devices/combined/devices/v1": Route("hosts", HOSTS_READ, {"GET": "host_combined"}),
}
MESSAGES = {
    400: "invalid request", 401: "access denied, invalid bearer token", 403: "access denied, authorization failed",
    404: "not found", 405: "method not allowed", 415: "unsupported media type",
    429: "API rate limit exceeded.", 500: "Internal Server Error: Please provide trace-id to support",
}
ENVELOPES = {       # order of the members
    "errors_first": ("errors", "meta", "resources"), "errors_last": ("meta", "resources", "errors"),
    "meta_last": ("errors", "resources", "meta"), "details": ("meta", "errors", "resources"),
}


class Envelope(Records):
    """Resources within meta and errors."""

    def __init__(self, meta, errors, order, items, make, null=False):
        self.meta, self.errors, self.order, self.items, self.make, self.null = meta, errors, order, items, make, null
        listed = items or not null
        members = {"meta": _compact(meta), "errors": _compact(errors) if errors or not null else b"null"}
        at = order.index("resources")
        before = b"".join(b'"%b":%b,' % (name.encode(), members[name]) for name in order[:at])
        behind = b"".join(b',"%b":%b' % (name.encode(), members[name]) for name in order[at + 1:])
        super().__init__(b"{" + before + (b'"resources":[' if listed else b'"resources":null'), b",",
                         (b"]" if listed else b"") + behind + b"}", len(items), lambda: map(make, items))

    def failed(self, errors, keep):
        """The same with errors, and only the first so many resources."""
        return Envelope(self.meta, errors, self.order, self.items[:keep], self.make, self.null)


@dataclass
class Scroll:
    """What a scroll's offset stands for."""

    numbers: list       # of the devices, as they were when it began
    at: int
    expires: float
    terms: tuple        # filter and sort of its first page


class Falcon(Vendor):
    name = "crowdstrike-falcon"
    limit_headers = ("X-RateLimit-Limit", "X-RateLimit-Remaining")
    reset_header = "X-RateLimit-RetryAfter"
    default_match = {"token_error": TOKEN_PATH, "expired_cursor": "offset="}
    words = {"reply": oauth2.REPLIES, "style": ("vendor", "rfc")}
    options_table = oauth2.options(RULES) + (
        Option("alerts", "int", 1000, "alerts at start"),
        Option("devices", "int", 300, "devices at start"),
        Option("start", "float", 0.0, "time of the first record, epoch seconds; 0: `span` seconds ago"),
        Option("span", "float", 3600.0, "seconds over which the initial records are spread"),
        Option("rate", "float", 0.0, "new alerts a second from now on"),
        Option("scopes", "list", [ALERTS_READ, HOSTS_READ], "what tokens are good for; without it 403 for that data type"),
        Option("refused_client", "int", 403, "status for a wrong client: 400, 401, 403"),
        Option("home_region", "str", "", "the customer lives in this cloud, not here: refused, named in X-Cs-Region"),
        Option("rate_limit", "int", 6000, "requests a window, all clients together"),
        Option("rate_window", "float", MINUTE, "seconds of the sliding window"),
        Option("bad_bearer_limit", "int", 15, "requests a minute and address with a bad bearer"),
        Option("token_429_header", "bool", True, "a 429 of the token endpoint names a time"),
        Option("list_limit", "int", 1000, "ids on a page of alerts at most"),
        Option("depth", "int", DEEPEST, "offset + limit at most"),
        Option("detail_limit", "int", 1000, "alerts in one details request at most; more: 400"),
        Option("detail_order", "asked|reversed", "asked", "order of details"),
        Option("details_missing", "int", 0, "every n-th record has no details"),
        Option("scroll_expiry", "float", 120.0, "seconds that a scroll's offset lives"),
        Option("scroll_token", "new|once|same", "new", "offset of a next page: another one, one for a single use, or the same"
                                                       " for all pages (each use goes on)"),
        Option("scroll_end", "empty|page", "empty", "offset of the last page: empty, or one that leads to a page without ids"),
        Option("next_end", "absent|empty", "absent", "next of the last combined page"),
        Option("hosts_sort", "any|pipe|dot", "any", "sort form that the combined devices take"),
        Option("envelope", "sample|errors_first|errors_last|meta_last", "sample", "order of the members of replies"),
        Option("empty", "list|null", "list", "how nothing is written in errors and resources"),
        # Of records made from now on:
        Option("fraction", "ns|us|ms|s|mixed", "ns", "fraction digits of updated_timestamp"),
        Option("style", "compact|pretty|spaced", "compact", "blanks between tokens"),
        Option("shapes", "list", [], f"unusual JSON: all, or of {', '.join(ALL_SHAPES)}"),
        Option("shape_every", "int", 10, "every n-th record has a shape"),
        Option("odd_every", "int", 0, "every n-th alert has an id with `~`, a blank, a quote or beyond ASCII"),
    )
    actions = {name: name for name in ("append", "update", "add_devices", "modify", "remove", "churn", "expire_cursors",
                                       "revoke_tokens", "revoke_client", "reset_window")}

    def __init__(self, seed, texts):
        super().__init__(seed, texts)
        self.oauth = oauth2.TokenEndpoint(self, RULES)
        self.replacements = {"token_error": self.oauth.error_reply}
        self.alterations = {"partial": self.partial}
        self.reports = {"tokens": lambda: list(self.oauth.log)}
        self.fleet = Fleet(seed, self.options, self.now)
        self.ledger = VersionLedger(self.fleet.data, self._must_be_offered)
        self.skipped = set()            # Served that somebody asked for and did not get
        self.scrolls = {}
        self.generation = 0             # cursors of an earlier one are expired
        self.walks = Counter()          # first pages of lists, by data type
        self._window = deque()
        self._bad_bearers = {}
        self._named = {}
        self.after_set()

    # Options and actions.

    def after_set(self):
        self.oauth.learn_clients()
        check_shapes(self.options.shapes)
        self.fleet.set_rate(self.options.rate)

    def append(self, value):
        """Action: new alerts. A number, or {"count": n, "late_by": s, "fraction": ..., "style": ..., "shapes": [...]}:
        with `late_by` their time is so long ago, though they are seen only now."""
        return self.fleet.append(value)

    def add_devices(self, value):
        """Action: so many new devices."""
        return self.fleet.add_devices(value)

    def update(self, value):
        """Action: alerts are updated. A number, or {"count": n, "which": "any|first|last"}, or {"ids": [...]}."""
        return self.fleet.change(ALERT, value)

    def modify(self, value):
        """Action: devices are modified; as update. {"same_stamp": true}: within the second of the version before."""
        return self.fleet.change(DEVICE, value)

    def remove(self, value):
        """Action: records vanish. {"alerts": n or [ids], "devices": n or [ids]}."""
        return self.fleet.remove(value)

    def churn(self, value):
        """Action: behind each of the next `pages` list or combined pages something changes: {"pages": n, "alerts": new ones,
        "updates": n, "new_devices": n, "modified": n, "which": "any|first|last|page"}."""
        self.fleet.set_churn(value)

    def expire_cursors(self, _value):
        """Action: no scroll offset, `next` or `after` issued so far is valid any more."""
        self.generation += 1
        for scroll in self.scrolls.values():
            scroll.expires = 0.0
        return self.generation

    def revoke_tokens(self, _value):
        """Action: all tokens are refused from now on; using one once more is no violation."""
        return self.oauth.revoke_all()

    def revoke_client(self, identity):
        """Action: a client is not accepted any more and its tokens are dead; using it is no violation."""
        self.options.clients = [client for client in self.options.clients if client.partition(":")[0] != identity]
        for token in self.oauth.tokens.values():
            token.revoked = token.revoked or token.client == identity

    def reset_window(self, _value):
        """Action: the account's window is empty again."""
        self._window.clear()
        self._waits.pop("account", None)

    # Requests.

    def inspect(self, request, mount):
        path = request.path[len(mount):]
        if path == TOKEN_PATH:
            request.note.update(step="token")
            refusal = self.oauth.inspect(request)
            if refusal is None and self.options.home_region:
                return self.token_refusal(request, "invalid_client", None, None)
            return refusal
        route = ROUTES.get(path)
        if route is None:
            old = path.startswith("/detects/")
            self.violate(request, "decommissioned" if old else "path", f"no {path}{' any more' if old else ' in the sheet'}")
            return self.error(404, request)
        step = route.steps.get(request.method)
        request.note.update(data_type=route.data_type, step=step)
        if step is None:
            self.violate(request, "method", request.method)
            return self.error(405, request)
        refusal = self._authorize(request) or self._spend(request)
        if refusal:
            return refusal
        if route.scope not in self.options.scopes:
            self.counters["refused_scopes"] += 1
            return self.error(403, request, "access denied, scope not permitted")
        try:
            request.asked = getattr(self, f"_check_{step}")(request)
        except BadQuery as bad:
            if bad.code:
                self.violate(request, bad.code, str(bad))
            return self.error(400, request, str(bad))
        return None

    def answer(self, request, mount):
        if request.path[len(mount):] == TOKEN_PATH:
            return self.oauth.answer(request)
        self.fleet.advance()
        return getattr(self, f"_answer_{request.note['step']}")(request.asked)

    def _authorize(self, request):
        worth, _ = self.oauth.bearer(request)
        if worth == "good" and not self.options.home_region:
            return None
        times = self._bad_bearers.setdefault(request.peer, deque())
        while times and times[0] <= request.monotonic - MINUTE:
            times.popleft()
        self.counters["bad_bearers"] += 1
        limit = self.options.bad_bearer_limit
        request.note.update(bearer=worth, budget=[limit, max(0, limit - len(times) - 1)])
        if len(times) >= limit:
            self.violate(request, "bad_bearer_budget", f"more than {limit} bad bearers a minute from {request.peer}")
            return self._throttled(request, times[0] + MINUTE)
        times.append(request.monotonic)
        response = self.error(401, request)
        return self._with_region(response)

    def _spend(self, request):
        """The account's sliding window; a refused request does not count."""
        while self._window and self._window[0] <= request.monotonic - self.options.rate_window:
            self._window.popleft()
        limit = self.options.rate_limit
        request.note["budget"] = [limit, max(0, limit - len(self._window) - 1)]
        if len(self._window) >= limit:
            return self._throttled(request, self._window[-limit] + self.options.rate_window)
        self._window.append(request.monotonic)
        return None

    def _throttled(self, request, until):
        """429 until a moment of the monotonic clock."""
        response = self.error(429, request)
        # Whole seconds, and never earlier than the window allows.
        response.wait_until = float(math.ceil(self.now() + max(0.0, until - time.monotonic())))
        response.set(self.reset_header, str(int(response.wait_until)))
        return response

    def _with_region(self, response):
        if self.options.home_region:
            response.set("X-Cs-Region", self.options.home_region)
        return response

    # Queries.

    def _query(self, request, names):
        pairs = request.parameters()
        query = dict(pairs)
        if len(query) != len(pairs):
            self.violate(request, "query", "a parameter given twice")
        for name in query.keys() - set(names):
            self.violate(request, "query", f"parameter {name}")
        wrong = check_encoding(request.query)
        if wrong:
            self.violate(request, "encoding", wrong)
        return query

    def _terms(self, query, sort, separators):
        """Filter and order that a query wants."""
        places = PLACES[sort]
        wanted = query.get("sort")
        return SimpleNamespace(
            filter=Filter(query.get("filter") or "", places), sort=parse_sort(wanted, places, separators) if wanted else None,
            terms=(query.get("filter") or "", wanted or ""))

    def _check_alert_list(self, request):
        query = self._query(request, ("filter", "sort", "limit", "offset", "include_hidden"))
        asked = self._terms(query, ALERT, "|")
        asked.limit = parse_number(query, "limit", 100, 1, 1000)
        asked.offset = parse_number(query, "offset", 0, 0, DEEPEST)
        if query.get("include_hidden", "true") not in ("true", "false"):
            raise BadQuery("query", "include_hidden is true or false")
        asked.hidden = query.get("include_hidden", "true") == "true"
        if asked.limit > self.options.list_limit:
            raise BadQuery(None, f"limit beyond {self.options.list_limit}")
        if asked.offset + asked.limit > self.options.depth:
            code = "depth" if asked.offset + asked.limit > DEEPEST else None
            raise BadQuery(code, f"offset + limit beyond {self.options.depth}")
        request.note.update(offset=asked.offset, filter=asked.terms[0])
        return asked

    def _check_device_scroll(self, request):
        query = self._query(request, ("filter", "sort", "limit", "offset"))
        asked = self._terms(query, DEVICE, ".")
        asked.limit = parse_number(query, "limit", 100, 1, 5000)
        asked.token, asked.scroll = query.get("offset") or None, None
        if asked.token:
            asked.scroll = self.scrolls.get(asked.token)
            if asked.scroll is None:
                raise BadQuery("unknown_cursor", "an offset never issued")
            if self.now() >= asked.scroll.expires:
                self.counters["expired_cursors"] += 1
                raise BadQuery(None, "scroll offset expired")
            self._check_mixed(request, asked.scroll.terms, asked.terms)
        request.note.update(first=asked.token is None, filter=asked.terms[0])
        return asked

    def _check_host_combined(self, request):
        query = self._query(request, ("filter", "sort", "limit", "offset"))
        asked = self._terms(query, DEVICE, {"any": "|.", "pipe": "|", "dot": "."}[self.options.hosts_sort])
        asked.limit = parse_number(query, "limit", 100, 1, 10000)
        return self._check_cursor(request, asked, query.get("offset"))

    def _check_alert_combined(self, request):
        body = self._body(request)
        for name in body.keys() - {"filter", "sort", "limit", "after"}:
            self.violate(request, "body", f"member {name}")
        if not all(isinstance(body.get(name, ""), str) for name in ("filter", "sort", "after")):
            raise BadQuery("body", "filter, sort and after are texts")
        asked = self._terms(body, ALERT, "|")
        asked.limit = body.get("limit", 100)
        if type(asked.limit) is not int or not 1 <= asked.limit <= 1000:
            raise BadQuery("limit", f"limit {asked.limit} is not 1 to 1000")
        return self._check_cursor(request, asked, body.get("after"))

    def _check_cursor(self, request, asked, token):
        asked.behind = None
        if token:
            opened = self._open_cursor(token)
            if opened is None:
                raise BadQuery("unknown_cursor", "a cursor never issued")
            if opened["generation"] != self.generation:
                self.counters["expired_cursors"] += 1
                raise BadQuery(None, "cursor expired")
            self._check_mixed(request, tuple(opened["terms"]), asked.terms)
            asked.behind = tuple(opened["behind"])
        request.note.update(first=not token, filter=asked.terms[0])
        return asked

    def _check_mixed(self, request, first, now):
        if first != now:
            self.violate(request, "cursor_mixed", f"filter and sort are {now}, were {first} on the first page")

    def _body(self, request):
        kind = (request.header("Content-Type") or "").partition(";")[0].strip().lower()
        if kind != "application/json":
            raise BadQuery("content_type", f"{kind or 'none'} instead of application/json")
        if request.query:
            self.violate(request, "query", "a query beside a body")
        try:
            body = json.loads(request.body)
        except ValueError:
            body = None
        if not isinstance(body, dict):
            raise BadQuery("body", "the body is no JSON object")
        return body

    def _ids(self, request, member, most, allowed):
        body = self._body(request)
        for name in body.keys() - {member}:
            self.violate(request, "body", f"member {name}")
        return self._checked_ids(request, body.get(member), member, most, allowed)

    def _checked_ids(self, request, ids, member, most, allowed):
        if not isinstance(ids, list) or not ids or not all(isinstance(identity, str) for identity in ids):
            raise BadQuery("body", f"no {member}: a list of ids")
        if len(ids) > min(most, allowed):
            raise BadQuery("ids" if len(ids) > most else None, f"{len(ids)} ids, {min(most, allowed)} are allowed")
        if len(set(ids)) != len(ids):
            self.violate(request, "ids", "an id given twice")
        shelf = self.fleet.alerts if member == "composite_ids" else self.fleet.devices
        unknown = [identity for identity in ids if identity not in shelf.by_id]
        if unknown:
            self.violate(request, "ids", f"{len(unknown)} ids that no list named, {unknown[0][:80]!r}")
        request.note.update(ids=len(ids))
        return list(dict.fromkeys(ids))

    def _check_alert_details(self, request):
        return self._ids(request, "composite_ids", 1000, self.options.detail_limit)

    def _check_device_details(self, request):
        return self._ids(request, "ids", 5000, 5000)

    def _check_device_details_by_get(self, request):
        pairs = request.parameters()
        if any(name != "ids" for name, _ in pairs):
            self.violate(request, "query", "only ids, repeated")
        return self._checked_ids(request, [value for name, value in pairs if name == "ids"], "ids", 100, 100)

    # Answers.

    def _select(self, shelf, asked, hidden=True):
        """[(place, number)] of the records that match, in the order asked for; places only grow."""
        main = PLACES[shelf.sort][0]
        entries = asked.filter.cut(shelf.order, main)
        if "created_timestamp" in asked.filter.bounds or not hidden:
            bounds = asked.filter
            entries = [entry for entry in entries if self._wanted(shelf.current[entry[2]], bounds, hidden)]
        if asked.sort is None:
            # Nobody promised an order.
            return sorted(((number * 2654435761 % 2 ** 32,), number) for _, _, number in entries)
        field, descending = asked.sort
        if field != main:
            entries = sorted((shelf.current[number].created, serial, number) for _, serial, number in entries)
        if descending:
            return [((-stamp, -serial), number) for stamp, serial, number in reversed(entries)]
        return [((stamp, serial), number) for stamp, serial, number in entries]

    @staticmethod
    def _wanted(version, bounds, hidden):
        return ((hidden or not is_hidden(version))
                and bounds.holds(updated_timestamp=version.stamp, created_timestamp=version.created,
                                 modified_timestamp=version.stamp))

    def _answer_alert_list(self, asked):
        found = self._select(self.fleet.alerts, asked, asked.hidden)
        numbers = [number for _, number in found[asked.offset:asked.offset + asked.limit]]
        if asked.offset == 0:
            self.walks["detections"] += 1
        return self._list(self.fleet.alerts, numbers, {"offset": asked.offset, "limit": asked.limit, "total": len(found)})

    def _answer_device_scroll(self, asked):
        scroll = asked.scroll
        if scroll is None:
            self.walks["devices"] += 1
            scroll = Scroll([number for _, number in self._select(self.fleet.devices, asked)], 0, 0.0, asked.terms)
        numbers = scroll.numbers[scroll.at:scroll.at + asked.limit]
        following, expires = self._next_scroll(asked, scroll, len(numbers))
        numbers = [number for number in numbers if self.fleet.devices.current[number] is not None]
        return self._list(self.fleet.devices, numbers, {"total": len(scroll.numbers), "offset": following, "expires_at": expires})

    def _next_scroll(self, asked, scroll, taken):
        """The offset behind a page, which is empty at the end, and when it expires."""
        expires, mode = self.now() + self.options.scroll_expiry, self.options.scroll_token
        at = scroll.at + taken
        if mode == "once" and asked.token:
            scroll.expires = 0.0
        if mode == "same":
            scroll.at, scroll.expires = at, expires
        if taken == 0 or (at >= len(scroll.numbers) and self.options.scroll_end == "empty"):
            return "", int(expires)
        if mode == "same" and asked.token:
            return asked.token, int(expires)
        token = "FGluY2x1ZGVfY29udGV4" + base64.b64encode(self._sign(b"scroll %d" % len(self.scrolls))).decode()
        self.scrolls[token] = scroll if mode == "same" else Scroll(scroll.numbers, at, expires, scroll.terms)
        return token, int(expires)

    def _list(self, shelf, numbers, pagination):
        make = lambda number: json.dumps(self.fleet.identify(shelf.current[number])).encode()  # noqa: E731
        # The ids are those of this moment, whatever is removed while the reply is on its way.
        texts = [make(number) for number in numbers]
        response = self._reply({"pagination": pagination}, texts, lambda text: text, "list")
        self.fleet.after_page(shelf, numbers)
        return response

    def _answer_host_combined(self, asked):
        return self._combined(self.fleet.devices, "hosts", asked, "next")

    def _answer_alert_combined(self, asked):
        return self._combined(self.fleet.alerts, "detections", asked, "after")

    def _combined(self, shelf, data_type, asked, member):
        found = self._select(shelf, asked)
        if asked.behind is None:
            self.walks[data_type] += 1
        left = [(place, number) for place, number in found if asked.behind is None or place > asked.behind]
        page = left[:asked.limit]
        pagination = {"total": len(found), "limit": asked.limit}
        if len(left) > asked.limit:
            pagination[member] = self._seal(page[-1][0], asked.terms)
        elif self.options.next_end == "empty":
            pagination[member] = ""
        numbers = [number for _, number in page]
        response = self._versions(data_type, [shelf.current[number] for number in numbers], {"pagination": pagination})
        self.fleet.after_page(shelf, numbers)
        return response

    def _answer_alert_details(self, ids):
        return self._details(self.fleet.alerts, "detections", ids)

    def _answer_device_details(self, ids):
        return self._details(self.fleet.devices, "devices", ids)

    _answer_device_details_by_get = _answer_device_details

    def _details(self, shelf, data_type, ids):
        every, versions = self.options.details_missing, []
        for identity in ids:
            number = shelf.by_id.get(identity)
            version = None if number is None else shelf.current[number]
            if version is None:
                continue
            if every > 0 and number % every == every - 1:
                self.skipped.add(self._served(data_type, version))
            else:
                versions.append(version)
        if self.options.detail_order == "reversed":
            versions.reverse()
        return self._versions(data_type, versions, {})

    def _served(self, data_type, version):
        parts = (self.fleet.identify(version), self.fleet.time(version))
        return Served(data_type, "~".join(part.replace("~", "=7E") for part in parts), version)

    def _versions(self, data_type, versions, meta):
        response = self._reply(meta, versions, self.fleet.data, "details")
        if versions:
            response.page = self.ledger.open(tuple(self._served(data_type, version) for version in versions))
        return response

    def _reply(self, meta, items, make, kind):
        order = ENVELOPES.get(self.options.envelope) or ENVELOPES["errors_last" if kind == "list" else "details"]
        body = Envelope({"query_time": 0.02, **meta, **self._trace()}, [], order, items, make, self.options.empty == "null")
        return Response(200, [("Content-Type", "application/json")], body, compressible=True)

    def _trace(self):
        digest = hashlib.sha256(f"{self.seed}/{self.counters['requests']}".encode()).hexdigest()
        return {"powered_by": "detectsapi", "trace_id": f"{digest[:8]}-{digest[8:12]}-4{digest[13:16]}-9{digest[17:20]}-{digest[20:32]}"}

    # Refusals.

    def error(self, status, request, message=None):
        text = message or MESSAGES.get(status) or MESSAGES[400 if status < 500 else 500]
        data = {"meta": {"query_time": 0.001, **self._trace()}, "errors": [{"code": status, "message": text}],
                "resources": None if self.options.empty == "null" else []}
        return json_response(status, _compact(data))

    def token_refusal(self, request, error, status, description):
        """A refusal of the token endpoint, in Falcon's envelope."""
        if error == "invalid_client":
            return self._with_region(self.error(status or self.options.refused_client, request,
                                                "access denied, authorization failed"))
        usual, text = oauth2.REFUSALS[error]
        return self.error(status or usual, request, description or text)

    def token_throttled(self, request, seconds):
        response = self.error(429, request)
        if seconds is not None and self.options.token_429_header:
            response.wait_until = float(math.ceil(self.now() + seconds))
            response.set(self.reset_header, str(int(response.wait_until)))
        return response

    def decorate(self, response, request):
        self.oauth.finish(request, response)
        if not response.no_budget:
            limit, remaining = request.note.get("budget", (self.options.rate_limit, self.options.rate_limit))
            response.set(self.limit_headers[0], str(limit))
            response.set(self.limit_headers[1], str(0 if response.status == 429 else remaining))
        response.set("X-Cs-TraceId", self._trace()["trace_id"])

    def pool(self, request):
        return "token" if request.path.endswith(TOKEN_PATH) else "account"

    def name_wait(self, request, until):
        super().name_wait(request, until)
        self._named[self.pool(request)] = (request.path, time.monotonic())

    def check_wait(self, request):
        path, named = self._named.get(self.pool(request), (None, 0.0))
        if path == request.path or request.monotonic - named > IN_FLIGHT_GRACE:
            super().check_wait(request)

    # Misbehaviour of this vendor only.

    def partial(self, response, parameters, request):
        """200 with errors, and only the first `keep` resources (default: half of them): a shard failed. `code`, `message`."""
        if not isinstance(response.body, Envelope):
            return False
        keep = int(parameters.get("keep", response.body.count // 2))
        error = {"code": int(parameters.get("code", 500)), "message": parameters.get("message", "1 of 5 shards failed")}
        response.body = response.body.failed([error], keep)
        if response.page is not None:
            response.page.keys = response.page.keys[:keep]
        return True

    # Cursors.

    def _seal(self, place, terms):
        plain = json.dumps([list(place), list(terms), self.generation]).encode()
        return base64.b64encode(self._sign(plain) + plain).decode()

    def _open_cursor(self, token):
        try:
            raw = base64.b64decode(token, validate=True)
        except (binascii.Error, ValueError):
            return None
        if not hmac.compare_digest(raw[:8], self._sign(raw[8:])):
            return None
        behind, terms, generation = json.loads(raw[8:])
        return {"behind": behind, "terms": terms, "generation": generation}

    def _sign(self, plain):
        return hmac.digest(b"falcon cursor %d" % self.seed, plain, "sha256")[:8]

    # State.

    def _must_be_offered(self):
        """The present versions; but for those whose details somebody asked for in vain."""
        with self.lock:         # the ledger is read without it
            found = [(data_type, version) for data_type, shelf in
                     (("detections", self.fleet.alerts), ("devices", self.fleet.devices), ("hosts", self.fleet.devices)) for version in shelf.living()]
            skipped = set(self.skipped)
        return (served for served in (self._served(*pair) for pair in found) if served not in skipped)

    def shown(self, target):
        return self.oauth.shown(target)

    def clear(self, what):
        if what.get("tokens"):
            self.oauth.log.clear()

    def details(self):
        self.fleet.advance()
        return {"alerts": len(self.fleet.alerts), "devices": len(self.fleet.devices), "walks": dict(self.walks),
                "versions": self.fleet.alerts.serial + self.fleet.devices.serial, "scrolls": len(self.scrolls),
                "expired_cursors": self.counters["expired_cursors"], "refused_scopes": self.counters["refused_scopes"],
                "bad_bearers": self.counters["bad_bearers"], "churn_left": self.fleet.churn_left,
                "window": {"used": len(self._window), "limit": self.options.rate_limit}, **self.oauth.details()}

    def save(self):
        return {"fleet": self.fleet.save(), "oauth": self.oauth.save(), "scrolls": self.scrolls, "generation": self.generation,
                "skipped": self.skipped, "scopes": self.options.scopes}

    def restore(self, saved):
        self.fleet.restore(saved["fleet"])
        self.oauth.restore(saved["oauth"])
        self.scrolls, self.generation, self.skipped = saved["scrolls"], saved["generation"], saved["skipped"]
        self.options.scopes = saved["scopes"]


def _compact(data):
    return json.dumps(data, separators=(",", ":"), ensure_ascii=False).encode()


VENDOR = Falcon
