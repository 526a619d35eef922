"""Okta System Log: GET /api/v1/logs, polling queries with an opaque `next` link that never ends.

A query without `until` walks the log in the order in which the vendor stored the events: delayed events come late and
are never missed, `published` may be out of order, and `next` is there even on an empty page. Links hold a cursor
signed with the seed, so that the simulator knows its own cursors, also after a restart, and refuses all others.

A query with `until` goes over a closed window in order of `published`; its last page has no `next`. It may miss delayed events, so one whose window
has not long been closed is a violation.
"""

import base64
import binascii
import hashlib
import hmac
import json
import math
from collections import deque
from dataclasses import replace
from datetime import datetime
from itertools import count
from urllib.parse import quote, unquote

from bodies import Records
from ledger import LogLedger
from messages import Response, json_response
from options import Option, OptionError
from vendors.base import Vendor
from vendors.okta_events import ALL_SHAPES, SHAPES, STYLES, EventLog, Recipe

PATH = "/api/v1/logs"
DAY = 86400
RETENTION = 90 * DAY
OLDEST_SINCE = 180 * DAY
LARGEST_LIMIT = 1000
SETTLED = 60        # seconds behind `until`: what was stored late is there
STREAMED_FROM = 8 * 1024 * 1024     # pages estimated larger than this are generated while they are sent
USUAL_RECORD = 1200

ERRORS = {      # status: (errorCode, errorSummary)
    400: ("E0000001", "Api validation failed: logs"),
    401: ("E0000011", "Invalid token provided"),
    403: ("E0000006", "You do not have permission to perform the requested action"),
    404: ("E0000007", "Not found: Resource not found: logs (System Log)"),
    405: ("E0000022", "The endpoint does not support the provided HTTP method"),
    429: ("E0000047", "API call exceeded rate limit due to too many requests."),
    500: ("E0000009", "Internal Server Error"),
}


class Positions(list):
    """Keys of a page that are no range."""

    @property
    def stop(self):
        return max(self, default=-1) + 1


class Okta(Vendor):
    name = "okta"
    options_table = (
        Option("tokens", "list", ["sim-token"], "accepted API tokens", secret=True),
        Option("weak_tokens", "list", [], "accepted tokens without the right to read the log (403)", secret=True),
        Option("events", "int", 1000, "events in the log at start"),
        Option("start", "str", "", "when the first event was stored (epoch or RFC 3339); default: `span` seconds ago"),
        Option("span", "float", 3600.0, "seconds over which the initial events are spread"),
        Option("rate", "float", 0.0, "new events a second from now on"),
        Option("page_size", "int", 1000, "events a page at most; beyond 1000 it is used whatever limit is asked"),
        Option("duplicates", "int", 0, "so many events of the page before are repeated at the head of each page"),
        Option("empty_next", "same|new", "same", "next link of an empty page: the one used, or another one"),
        Option("link_style", "lines|joined|next_first|unquoted|tricky", "lines", "how Link headers are written"),
        Option("link_since", "bool", False, "next links show since beside after"),
        Option("rate_limit", "int", 600, "requests a window"),
        Option("rate_window", "float", 60.0, "seconds of a window"),
        Option("rate_headers", "bool", True, "send X-Rate-Limit-*"),
        # Of events made from now on:
        Option("style", "compact|pretty|spaced", "compact", "blanks between tokens of new events"),
        Option("shapes", "list", [], f"unusual JSON in new events: all, or of {', '.join(SHAPES)}"),
        Option("shape_every", "int", 10, "every n-th event has a shape"),
        Option("huge_every", "int", 0, "every n-th new event is huge"),
        Option("huge_bytes", "int", 8 * 1024 * 1024, "by so many bytes"),
        Option("collision_every", "int", 0, "every n-th new event bears the uuid of the one before it"),
        Option("disorder", "float", 0.0, "a quarter of new events was published up to so many seconds earlier"),
    )
    actions = {name: name for name in ("append", "expire_cursors", "revoke", "reset_window")}

    def __init__(self, seed, texts):
        super().__init__(seed, texts)
        self.alterations = {"repeated_cursor": self.repeat_cursor}
        self.log = EventLog(seed)
        self.ledger = LogLedger(self.log.record, lambda: self.log.size(self._log_now()))
        self.known_tokens = set()
        self.generation = 0             # cursors of an earlier one are expired
        self.used_cursors = deque(maxlen=1000)  # targets of next links that the client followed
        self.window_end = 0.0
        self.window_used = 0
        self._latest = 0.0
        self._rate = 0.0
        self._nonce = count(1)
        self._published = []            # of each position, as far as somebody wanted it
        self._fill()
        self.after_set()

    def _fill(self):
        events, now = self.options.events, self.now()
        start = _parse_start(self.options.start) if self.options.start else now - self.options.span
        step = max(1, int(self.options.span * 1e6 / max(1, events)))
        if events:
            self.log.append(events, now, step, self._recipe(), int(start * 1e6))

    # Options at run time.

    def after_set(self):
        self.known_tokens.update(self.options.tokens, self.options.weak_tokens)
        recipe = self._recipe()
        tail = self.log.segments[-1] if self.log.segments else None
        growing = tail is not None and tail.count is None
        outdated = growing and tail.recipe != recipe
        if self._rate != self.options.rate or outdated or (self.options.rate > 0 and not growing):
            self._rate = self.options.rate
            self.log.grow(self._rate, self._log_now(), recipe)

    def _recipe(self, **changes):
        options = self.options
        recipe = Recipe(style=options.style, shapes=_shape_names(options.shapes),
                        shape_every=max(1, options.shape_every), huge_every=options.huge_every, huge_bytes=options.huge_bytes,
                        collision_every=options.collision_every, disorder=options.disorder)
        if "shapes" in changes:
            shapes = changes["shapes"]
            changes["shapes"] = _shape_names([shapes] if isinstance(shapes, str) else shapes)
            changes.setdefault("shape_every", 1)
        if changes.get("style", "compact") not in STYLES:
            raise OptionError(f"style: one of {', '.join(STYLES)}")
        try:
            return replace(recipe, **changes)
        except TypeError as error:
            raise OptionError(str(error)) from error

    def append(self, value):
        """Action: add events now. A number, or {"count": n, "step_ms": ms, "late_by": s, "style": ..., ...}."""
        changes = {"count": value} if isinstance(value, int) else dict(value)
        number, step_ms = int(changes.pop("count", 1)), float(changes.pop("step_ms", 1))
        first = self.log.size(self._log_now())
        if number > 0:
            self.log.append(number, self._log_now(), max(1, int(step_ms * 1000)), self._recipe(**changes))
        return {"first": first, "events": self.log.size(self._log_now())}

    def expire_cursors(self, _value):
        """Action: no next link issued so far is valid any more."""
        self.generation += 1
        return self.generation

    def revoke(self, token):
        """Action: a token is not accepted any more; using it is answered with 401, without being a violation."""
        self.options.tokens = [known for known in self.options.tokens if known != token]
        self.options.weak_tokens = [known for known in self.options.weak_tokens if known != token]

    def reset_window(self, _value):
        """Action: a new rate window begins with the next request."""
        self.window_end = 0.0

    # Requests.

    def inspect(self, request, mount):
        path = request.path[len(mount):]
        if path != PATH:
            self.violate(request, "path", f"no {path} in the sheet")
            return self.error(404, request)
        if request.method != "GET":
            self.violate(request, "method", request.method)
            return self.error(405, request)
        if "application/json" not in (request.header("Accept") or ""):
            self.violate(request, "accept", "no application/json in Accept")
        if not request.header("User-Agent"):
            self.violate(request, "user_agent", "none")
        return self._spend(request) or self._authorize(request) or self._check_query(request)

    def _spend(self, request):
        """The rate window. A request is counted even if it is refused."""
        now = self.now()
        if now >= self.window_end:
            self.window_end = float(math.ceil(now + self.options.rate_window))
            self.window_used = 0
        self.window_used += 1
        if self.window_used <= self.options.rate_limit:
            return None
        if "before_named_time" not in request.violations:
            self.violate(request, "before_named_time", "the window was announced as used up")
        response = self.error(429, request)
        response.wait_until = self.window_end
        return response

    def _authorize(self, request):
        value = request.header("Authorization") or ""
        scheme, _, token = value.partition(" ")
        if scheme != "SSWS" or not token or token != token.strip():
            self.violate(request, "authorization", "not `SSWS <token>`" if value else "no Authorization")
            return self.error(401, request)
        if token in self.options.weak_tokens:
            return self.error(403, request)
        if token not in self.options.tokens:
            self.counters["refused_tokens"] += 1
            if token not in self.known_tokens:
                self.violate(request, "authorization", "a token never issued")
            return self.error(401, request)
        return None

    def _check_query(self, request):
        parameters = request.parameters()
        query = dict(parameters)
        if len(query) != len(parameters):
            self.violate(request, "query", "a parameter given twice")
        if "after" in query:
            return self._check_cursor(request, query)
        refused = self._check_until(request, query) if "until" in query else None
        if refused:
            return refused
        for name in query.keys() - {"since", "until", "sortOrder", "limit"}:
            self.violate(request, "query", f"parameter {name}")
        if query.get("sortOrder") != "ASCENDING":
            self.violate(request, "sort_order", f"sortOrder={query.get('sortOrder')}")
            return self.error(400, request)
        if "limit" not in query:
            self.violate(request, "limit", "none")
        if not _valid_limit(query.get("limit", "100")):
            self.violate(request, "limit", query["limit"])
            return self.error(400, request)
        if "since" not in query:
            self.violate(request, "since", "none")
            return None
        since = _parse_rfc3339(query["since"])
        if since is None:
            self.violate(request, "since", f"{query['since']} is not RFC 3339")
            return self.error(400, request)
        if since < self.now() - OLDEST_SINCE:
            self.violate(request, "since", "older than 180 days")
            return self.error(400, request, "E0000053", "The since parameter must be within 180 days")
        return None

    def _check_until(self, request, query):
        until, since = _parse_rfc3339(query["until"]), _parse_rfc3339(query.get("since", ""))
        if until is None or since is None or since > until:
            self.violate(request, "until", f"{query.get('since')} to {query['until']} is no window")
            return self.error(400, request)
        if until > self.now() - SETTLED:
            self.violate(request, "until", "a bounded query may miss delayed events")
        return None

    def _check_cursor(self, request, query):
        cursor = self._open_cursor(query["after"])
        if cursor is None:
            built = "since" in query and not self.options.link_since
            self.violate(request, "unknown_cursor", "after beside since" if built else "a link never issued")
            return self.error(400, request, "E0000031", "Invalid search criteria.")
        if cursor["generation"] != self.generation:
            self.counters["expired_cursors"] += 1
            return self.error(400, request, "E0000031", "Invalid search criteria.")
        if unquote(request.query) != unquote(self._query(cursor, query["after"])):
            self.violate(request, "link_altered", "the query differs from that of the link")
        return None

    def answer(self, request, mount):
        query, now = dict(request.parameters()), self._log_now()
        size = self.log.size(now)
        if "after" in query:
            cursor = self._open_cursor(query["after"])
            self.used_cursors.append(request.target)
        else:
            since = _parse_rfc3339(query["since"]) if "since" in query else now - 7 * DAY
            begin = self.log.find(max(since, now - RETENTION), now)
            cursor = {"position": begin, "limit": query.get("limit", "100"), "since": query.get("since", ""),
                      "until": query.get("until", ""), "origin": begin}
        if cursor["until"]:
            return self._answer_bounded(request, mount, cursor, size, "after" in query)
        begin = cursor["position"]
        end = min(size, begin + self._page_size(int(cursor["limit"])))
        first = max(cursor["origin"], begin - self.options.duplicates) if end > begin else begin
        response = self._page(first, end)
        response.headers.append(("Content-Type", "application/json"))
        if end == begin and "after" in query and self.options.empty_next == "same":
            following = request.target[len(mount):]
        else:
            following = f"{PATH}?{self._query({**cursor, 'position': end})}"
        self.last_link = following
        base = request.origin() + mount
        response.headers += self._links(base + request.target[len(mount):], following and base + following)
        return response

    def _answer_bounded(self, request, mount, cursor, size, goes_on):
        """In order of `published`; what is stored later than its page was made is missed. The cursor's position is the last event that was sent."""
        for position in range(len(self._published), size):
            self._published.append(_parse_rfc3339(json.loads(self.log.record(position)[1])["published"]))
        since, until = _parse_rfc3339(cursor["since"]), _parse_rfc3339(cursor["until"])
        behind = (self._published[cursor["position"]], cursor["position"]) if goes_on else (0, -1)
        inside = sorted(key for key in ((t, p) for p, t in enumerate(self._published[:size]) if since <= t < until) if key > behind)
        number = self._page_size(int(cursor["limit"]))
        keys = Positions(position for _, position in inside[:number])
        body = Records(b"[", b",", b"]", len(keys), lambda: (self.log.record(position)[1] for position in keys))
        response = Response(200, [("Content-Type", "application/json")], body, page=self.ledger.open(keys) if keys else None)
        more = len(inside) > number
        base = request.origin() + mount
        following = more and f"{base}{PATH}?{self._query({**cursor, 'position': keys[-1]})}"
        response.headers += self._links(base + request.target[len(mount):], following)
        return response

    def _page_size(self, limit):
        return self.options.page_size if self.options.page_size > LARGEST_LIMIT else min(limit, self.options.page_size)

    def _page(self, begin, end):
        recipe = self.log.recipe(begin)
        frame = {"compact": (b"[", b",", b"]"), "pretty": (b"[\n  ", b",\n  ", b"\n]\n"),
                 "spaced": (b"\r\n [ \t", b"\n ,\r\n", b" \n]\r\n ")}[recipe.style]
        usual = USUAL_RECORD + (recipe.huge_bytes // recipe.huge_every if recipe.huge_every else 0)
        body = Records(*frame, end - begin, lambda: self.log.records(begin, end),
                       streamed=(end - begin) * usual > STREAMED_FROM)
        return Response(200, [], body, page=self.ledger.open(range(begin, end)) if end > begin else None)

    def _links(self, this, following):
        style = self.options.link_style
        if not following:
            return [("Link", f'<{this}>; rel="self"')]
        if style == "unquoted":
            return [("link", f"<{this}>;rel=self"), ("link", f"<{following}>;rel=next")]
        if style == "tricky":
            return [("LINK", f"<{this}>; title=\"a, <b>; rel=\\\"next\\\"\"; rel=\"self\" ,"
                             f" <{following}> ; title=\"x,y\" ; REL=\"Next\"")]
        links = [f'<{this}>; rel="self"', f'<{following}>; rel="next"']
        if style == "next_first":
            links.reverse()
        return [("Link", ", ".join(links))] if style == "joined" else [("Link", link) for link in links]

    # Cursors.

    def _query(self, cursor, token=None):
        bounds = f"&since={quote(cursor['since'], safe='')}" if (self.options.link_since or cursor["until"]) and cursor["since"] else ""
        bounds += f"&until={quote(cursor['until'], safe='')}" if cursor["until"] else ""
        return f"limit={cursor['limit']}&sortOrder=ASCENDING{bounds}&after={token or self._seal(cursor)}"

    def _seal(self, cursor):
        plain = json.dumps([cursor["position"], cursor["limit"], cursor["since"], cursor["until"], cursor["origin"], self.generation,
                            next(self._nonce)]).encode()
        sealed = base64.urlsafe_b64encode(self._sign(plain) + plain).decode().rstrip("=")
        return f"{int(self.log.stored(cursor['position'], self._log_now()) * 1000)}_{sealed}"

    def _open_cursor(self, token):
        try:
            raw = base64.urlsafe_b64decode(token.partition("_")[2] + "===")
        except (binascii.Error, ValueError):
            return None
        signature, plain = raw[:8], raw[8:]
        if not hmac.compare_digest(signature, self._sign(plain)):
            return None
        position, limit, since, until, origin, generation, _ = json.loads(plain)
        return {"position": position, "limit": limit, "since": since, "until": until, "origin": origin, "generation": generation}

    def _sign(self, plain):
        return hmac.digest(b"okta cursor %d" % self.seed, plain, "sha256")[:8]

    # Replies.

    def error(self, status, request, code=None, summary=None):
        known = ERRORS.get(status) or ERRORS[400 if status < 500 else 500]
        code, summary = code or known[0], summary or known[1]
        identity = "oae" + hashlib.sha256(f"{self.seed}/{self.counters['requests']}".encode()).hexdigest()[:20]
        return json_response(status, json.dumps({
            "errorCode": code, "errorSummary": summary, "errorLink": code, "errorId": identity,
            "errorCauses": [] if status != 400 else [{"errorSummary": summary}]}, separators=(",", ":")).encode())

    def decorate(self, response, request):
        identity = hashlib.sha256(f"{self.seed}:{self.counters['requests']}".encode()).hexdigest()[:27]
        response.headers.append(("X-Okta-Request-Id", identity))
        if self.options.rate_headers and not response.no_budget:
            remaining = max(0, self.options.rate_limit - self.window_used)
            response.headers += [("X-Rate-Limit-Limit", str(self.options.rate_limit)),
                                 ("X-Rate-Limit-Remaining", str(remaining)),
                                 ("X-Rate-Limit-Reset", str(int(self.window_end)))]

    # Misbehaviour of this vendor only.

    def repeat_cursor(self, response, parameters, request):
        """The next link is one that the client followed `back` pages before the one just used (0: that one)."""
        back = int(parameters.get("back", 1))
        if len(self.used_cursors) <= back or response.status != 200:
            return False
        mount = self.mounts()[0]
        target = self.used_cursors[-1 - back]
        response.drop("Link")
        base = request.origin()
        response.headers += self._links(base + request.target, base + target)
        self.last_link = target[len(mount):]
        return True

    # State.

    def _log_now(self):
        """The vendor's time for its log, which does not shrink when the clock is set back."""
        self._latest = max(self._latest, self.now())
        return self._latest

    def details(self):
        return {"events": self.log.size(self._log_now()), "segments": len(self.log.segments),
                "refused_tokens": self.counters["refused_tokens"], "expired_cursors": self.counters["expired_cursors"],
                "window": {"used": self.window_used, "limit": self.options.rate_limit, "reset": self.window_end}}

    def save(self):
        self.log.close(int(self._log_now() * 1e6))
        return {"segments": self.log.segments, "generation": self.generation, "tokens": self.options.tokens,
                "weak_tokens": self.options.weak_tokens, "known": self.known_tokens, "used": self.used_cursors}

    def restore(self, saved):
        self.log.segments, self.generation = saved["segments"], saved["generation"]
        self.options.tokens, self.options.weak_tokens = saved["tokens"], saved["weak_tokens"]
        self.known_tokens, self.used_cursors = saved["known"], saved["used"]
        self.after_set()


def _shape_names(names):
    chosen = ALL_SHAPES if list(names) == ["all"] else tuple(names)
    for name in chosen:
        if name not in SHAPES:
            raise OptionError(f"no shape {name}; there are: all, {', '.join(SHAPES)}")
    return chosen


def _valid_limit(text):
    return text.isascii() and text.isdigit() and int(text) <= LARGEST_LIMIT


def _parse_rfc3339(text):
    """Epoch seconds, or None. A zone is required."""
    if len(text) < 20 or text[10] not in "Tt":
        return None
    try:
        moment = datetime.fromisoformat(text.upper())
    except ValueError:
        return None
    return moment.timestamp() if moment.tzinfo else None


def _parse_start(text):
    try:
        return float(text)
    except ValueError:
        moment = _parse_rfc3339(text)
    if moment is None:
        raise OptionError(f"start: {text} is neither epoch seconds nor RFC 3339")
    return moment


VENDOR = Okta
