"""Cisco Duo Admin API: five logs, each request signed.

The logs of version 2 are asked in windows of milliseconds and paged by `next_offset`, the newest two minutes are withheld;
those of version 1 give the oldest records from a second on, without a cursor and without identities. Identities in the
ledger: txid, activity_id, telephony_id; of version 1 `h:` and 32 hex digits of the record's SHA-256, `#2` behind it for the
second of two equal records.
"""

import json
from collections import Counter, deque
from dataclasses import dataclass
from types import SimpleNamespace

from bodies import Records
from ledger import Served, VersionLedger
from messages import Response, json_response
from options import Option
from vendors import duo_signature
from vendors.base import Vendor
from vendors.duo_records import ACTIVITY, ADMIN, ALL_SHAPES, AUTH, BY_SECOND, ENROLLMENT, TELEPHONY, Account, shape_names

DAY = 86400
MINUTE = 60.0
HISTORY = 180 * DAY
LARGEST_LIMIT = 1000
LONGEST_BACKOFF = 32.0
# Clients may round, and their requests may take different ways.
BACKOFF_TOLERANCE = 0.9
# A signature seen again after so many seconds was not made afresh: Date has whole seconds.
SIGNATURE_AGE = 2.5
# Below this a time in milliseconds is one in seconds (1973), above it a time in seconds is one in milliseconds.
LEAST_MS = 10 ** 11


@dataclass(frozen=True)
class Endpoint:
    data_type: str
    version: int
    member: str = ""        # of the response: where the records are


ENDPOINTS = {
    "/admin/v2/logs/authentication": Endpoint(AUTH, 2, "authlogs"),
    "/admin/v2/logs/activity": Endpoint(ACTIVITY, 2, "items"),
    "/admin/v2/logs/telephony": Endpoint(TELEPHONY, 2, "items"),
    "/admin/v1/logs/administrator": Endpoint(ADMIN, 1),
    "/admin/v1/logs/offline_enrollment": Endpoint(ENROLLMENT, 1),
}
ERRORS = {      # status: (code, message)
    400: (40002, "Invalid request parameters"), 401: (40101, "Missing request credentials"),
    403: (40301, "Access forbidden"), 404: (40401, "Resource not found"), 405: (40501, "Method not allowed"),
    429: (42901, "Too Many Requests"), 500: (50000, "Internal server error"),
}
CREDENTIAL_ERRORS = {
    40101: "Missing request credentials", 40102: "Invalid integration key in request credentials",
    40103: "Invalid signature in request credentials", 40104: "Missing request timestamp", 40105: "Bad request timestamp",
}
NAMES = {1: ("mintime",), 2: ("limit", "maxtime", "mintime", "next_offset", "sort")}


class BadQuery(ValueError):
    """The vendor answers 400: `code` is the kind of violation, None where the client could not know better."""

    def __init__(self, code, detail):
        super().__init__(detail)
        self.code = code


class LogPage(Records):
    """Records of version 2 within their envelope."""

    def __init__(self, member, metadata, form, items, make):
        self.parts = (member, metadata, form, items, make)
        member, known = member.encode(), _compact(metadata)
        before, behind = b'{"stat":"OK","response":{', b"}}"
        if form == "stat_last":
            before, behind = b'{"response":{', b'},"stat":"OK"}'
        if form == "metadata_first":
            before += b'"metadata":%b,' % known
        else:
            behind = b',"metadata":%b' % known + behind
        super().__init__(b'%b"%b":[' % (before, member), b",", b"]" + behind, len(items), lambda: map(make, items))

    def with_next(self, following):
        """The same with another `next_offset`."""
        member, metadata, form, items, make = self.parts
        return LogPage(member, {"next_offset": following, **{k: v for k, v in metadata.items() if k != "next_offset"}},
                       form, items, make)


class Duo(Vendor):
    name = "cisco-duo"
    default_match = {"expired_cursor": "next_offset="}
    options_table = (
        Option("clients", "list", ["DISIMSIMSIMSIMSIMSIM:" + "s" * 40], "accepted ikey:skey", secret=True),
        Option("weak_clients", "list", [], "accepted ones without \"Grant read log\" (403)", secret=True),
        Option("host", "str", "api-1a2b3c4d.duosecurity.com", "API hostname as it may be signed, beside that of the request"),
        Option("signatures", "any|sha1|sha512", "any", "forms accepted: five lines with SHA-1, seven with SHA-512"),
        Option("clock_tolerance", "float", 300.0, "seconds that Date may be off; 0: not looked at (unverified)"),
        Option("gmt_dates", "bool", False, "Date may end in GMT instead of a numeric zone"),
        Option("refused_limit", "int", 10, "refused credentials a minute and ikey; beyond: violations"),
        Option("auth_logs", "int", 1000, "authentications at start"),
        Option("admin_logs", "int", 200, "actions of administrators at start"),
        Option("activity_logs", "int", 100, "activities at start"),
        Option("telephony_logs", "int", 100, "calls and messages at start"),
        Option("offline_enrollment_logs", "int", 20, "offline enrollments at start"),
        Option("start", "float", 0.0, "time of the first records, epoch seconds; 0: so that all can be seen now"),
        Option("span", "float", 3600.0, "seconds over which the initial records are spread"),
        Option("ties", "int", 2, "so many initial records in a row have the same timestamp"),
        Option("rate", "float", 0.0, "new authentications a second from now on"),
        Option("withheld", "float", 120.0, "seconds for which version 2 withholds a record"),
        Option("history", "clip|refuse", "clip", "what becomes of a mintime before 180 days: cut off, or 400 (unverified)"),
        Option("v1_page", "int", 1000, "records on a page of version 1 (unverified)"),
        Option("cursor_life", "float", 0.0, "seconds that a next_offset is good for; 0: for ever"),
        Option("last_offset", "absent|null", "absent", "next_offset of the last page"),
        Option("trailing_page", "bool", False, "a last page that is full has a next_offset, which leads to an empty page"),
        Option("total", "sheet|int|object", "sheet", "total_objects; sheet: int for authentications, else object"),
        Option("envelope", "sheet|stat_last|metadata_first", "sheet", "order of the members"),
        Option("rate_limit", "int", 30, "requests a window and endpoint; beyond: 429 without a time"),
        Option("rate_window", "float", MINUTE, "seconds of the sliding window"),
        Option("polls", "int", 0, "first pages a minute and endpoint; beyond: violations; 0: not judged (Duo advises one)"),
        Option("backoff", "bool", True, "coming back earlier than 1, 2, 4 … 32 s after 429s in a row is a violation"),
        # Of records made from now on:
        Option("style", "compact|pretty|spaced", "compact", "blanks between tokens"),
        Option("shapes", "list", [], f"unusual JSON: all, or of {', '.join(ALL_SHAPES)}"),
        Option("shape_every", "int", 10, "every n-th record has a shape"),
        Option("twin_every", "int", 0, "every n-th record of version 1 is byte for byte the one before"),
    )
    actions = {name: name for name in ("append", "expire_cursors", "revoke_client", "reset_window")}

    def __init__(self, seed, texts):
        super().__init__(seed, texts)
        self.alterations = {"repeated_cursor": self.repeat_cursor}
        self.replacements = {"stat_fail": self.fail_with_200}
        self.account = Account(seed, self.options, self.now)
        self.ledger = VersionLedger(self.account.factory.data, self._must_be_offered)
        self.known_clients = set()      # ever accepted: using one later is no violation
        self.cursors = {}               # (data type, next_offset): {terms of its walk: when it was given out}
        self.generation = 0             # cursors of an earlier one are expired
        self.walks = Counter()          # first pages, by data type
        self._used = {}                 # data type: the next_offset that was used last
        self._windows = {}              # by endpoint: times of its requests
        self._polls = {}                # by endpoint: times of first pages
        self._refused = {}              # by ikey: times of refused credentials
        self._throttles = {}            # by endpoint: (429s in a row, when the last was)
        self._signatures = {}           # signature: when it was first seen
        self.after_set()

    # Options and actions.

    def after_set(self):
        self.known_clients.update(self.options.clients, self.options.weak_clients)
        shape_names(self.options.shapes)
        self.account.set_rate(self.options.rate)

    def append(self, value):
        """Action: new records. A number, or {"type": data type, "count": n, "late_by": s, "at": epoch, "style": ...,
        "shapes": [...]}: with `late_by` their time is so long ago, with `at` it is this for all of them."""
        return self.account.append(value)

    def expire_cursors(self, _value):
        """Action: no next_offset given out so far is valid any more."""
        self.generation += 1
        return self.generation

    def revoke_client(self, identity):
        """Action: an integration key is not accepted any more; using it is no violation."""
        for name in ("clients", "weak_clients"):
            setattr(self.options, name, [pair for pair in getattr(self.options, name) if pair.partition(":")[0] != identity])

    def reset_window(self, _value):
        """Action: the windows of all endpoints are empty again, and nothing was throttled."""
        self._windows.clear()
        self._throttles.clear()

    # Requests.

    def inspect(self, request, mount):
        path = request.path[len(mount):]
        endpoint = ENDPOINTS.get(path)
        if endpoint is None:
            self.violate(request, "path", f"no {path} in the sheet")
            return self.error(404, request)
        request.note.update(data_type=endpoint.data_type)
        if request.method != "GET":
            self.violate(request, "method", request.method)
            return self.error(405, request)
        self._check_backoff(request)
        refusal = self._authorize(request, path) or self._spend(request)
        if refusal:
            return refusal
        try:
            request.asked = self._check_query(request, endpoint)
            self._check_polls(request)
        except BadQuery as bad:
            if bad.code:
                self.violate(request, bad.code, str(bad))
            return self.error(400, request, detail=str(bad))
        return None

    def _check_backoff(self, request):
        times, last = self._throttles.get(request.path, (0, 0.0))
        least = min(LONGEST_BACKOFF, 2.0 ** (times - 1)) if times else 0.0
        if self.options.backoff and request.monotonic - last < least * BACKOFF_TOLERANCE:
            self.violate(request, "backoff", f"{request.monotonic - last:.2f} s after {times} refusals with 429 in a row, {least:.0f} s are due")

    def _spend(self, request):
        window = _since(self._windows, request.path, request.monotonic - self.options.rate_window)
        if len(window) >= self.options.rate_limit:
            return self.error(429, request)
        window.append(request.monotonic)
        return None

    def _check_polls(self, request):
        if self.options.polls and request.note.get("first", True):
            times = _since(self._polls, request.path, request.monotonic - MINUTE)
            times.append(request.monotonic)
            if len(times) > self.options.polls:
                self.violate(request, "polled_often", f"{len(times)} first pages in a minute")

    # Credentials.

    def _authorize(self, request, path):
        given = duo_signature.split_basic(request.header("Authorization"))
        if given is None:
            self.violate(request, "authorization", "no `Basic <base64 of ikey:signature>`")
            return self._refuse(request, 40101, "")
        key, signature = given
        date = duo_signature.date_of(request)
        stamp = duo_signature.epoch_of(date, self.options.gmt_dates)
        if stamp is None:
            self.violate(request, "date", f"Date {date!r} is not like `Fri, 21 Aug 2026 17:29:18 -0000`")
            return self._refuse(request, 40105 if date else 40104, key)
        off = stamp - self.now()
        if self.options.clock_tolerance and abs(off) > self.options.clock_tolerance:
            # Where clocks differ the client cannot know before the first refusal: refused_limit judges the others.
            self.counters["bad_dates"] += 1
            return self._refuse(request, 40105, key, "Date is outside of the permitted range")
        return self._check_signature(request, path, key, signature)

    def _check_signature(self, request, path, key, signature):
        accepted = [pair for pair in (*self.options.clients, *self.options.weak_clients) if pair.partition(":")[0] == key]
        if not accepted:
            if not any(pair.partition(":")[0] == key for pair in self.known_clients):
                self.violate(request, "authorization", "an integration key never issued")
            return self._refuse(request, 40102, key)
        found = next((pair for pair in accepted if self._matches(pair, signature, request, path)), None)
        if found is None:
            replaced = [pair for pair in self.known_clients if pair.partition(":")[0] == key and pair not in accepted]
            if not any(self._matches(pair, signature, request, path) for pair in replaced):
                self.violate(request, "signature", "wrong secret key, or another text signed than was sent")
            return self._refuse(request, 40103, key)
        request.note.update(signed=self._matches(found, signature, request, path))
        self._check_fresh(request, signature)
        if request.query != duo_signature.canonical_query(request.query):
            self.violate(request, "not_as_signed", "order or escaping of the query sent is not that of the signed one")
        if found in self.options.weak_clients:
            self.counters["refused_grants"] += 1
            return self.error(403, request, detail="Grant read log")
        return None

    def _matches(self, pair, signature, request, path):
        """(form, host, path) that were signed: the host without its port, the path with or without where we are mounted."""
        forms = duo_signature.FORMS if self.options.signatures == "any" else (self.options.signatures,)
        sent = (request.header("Host") or "").rpartition("]")
        host = (sent[0] + sent[1] + sent[2].partition(":")[0]).lower()
        return duo_signature.matches(pair.partition(":")[2], signature, forms, request, (self.options.host.lower(), host),
                                     (path, request.path))

    def _check_fresh(self, request, signature):
        first = self._signatures.setdefault(signature, request.monotonic)
        if request.monotonic - first > SIGNATURE_AGE:
            self.violate(request, "stale_signature", f"the signature was used {request.monotonic - first:.1f} s ago already")

    def _refuse(self, request, code, key, detail=None):
        self.counters["refused_credentials"] += 1
        times = _since(self._refused, key, request.monotonic - MINUTE)
        times.append(request.monotonic)
        if len(times) > self.options.refused_limit:
            self.violate(request, "refused_again", f"{len(times)} refused credentials in a minute")
        return self.error(401, request, code, CREDENTIAL_ERRORS[code], detail)

    # Queries.

    def _check_query(self, request, endpoint):
        pairs = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in duo_signature.pairs_of(request.query)]
        query = dict(pairs)
        if len(query) != len(pairs):
            raise BadQuery("query", "a parameter given twice")
        for name in query:
            if name not in NAMES[endpoint.version]:
                raise BadQuery("query", name)
        asked = SimpleNamespace(endpoint=endpoint, mintime=_number(query, "mintime", endpoint.version == 2))
        request.note.update(mintime=asked.mintime)
        return self._check_v2(request, asked, query) if endpoint.version == 2 else self._check_v1(request, asked)

    def _check_v1(self, request, asked):
        if asked.mintime is not None and asked.mintime >= LEAST_MS:
            raise BadQuery("mintime", "mintime: milliseconds instead of seconds")
        return asked

    def _check_v2(self, request, asked, query):
        asked.maxtime = _number(query, "maxtime", True)
        asked.limit = _number(query, "limit", False)
        asked.limit = 100 if asked.limit is None else asked.limit
        asked.sort = query.get("sort", "ts:desc")
        if asked.mintime < LEAST_MS or asked.maxtime < LEAST_MS:
            raise BadQuery("mintime", "mintime: seconds instead of milliseconds")
        if asked.mintime >= asked.maxtime:
            raise BadQuery("window", "mintime must be less than maxtime")
        if not 1 <= asked.limit <= LARGEST_LIMIT:
            raise BadQuery("limit", f"limit: {asked.limit} is not 1 to {LARGEST_LIMIT}")
        if asked.sort not in ("ts:asc", "ts:desc"):
            raise BadQuery("sort", f"sort: {asked.sort}")
        if asked.sort != "ts:asc":
            self.violate(request, "sort", "newest first: what comes while one pages is missed")
        if asked.mintime < (self.now() - HISTORY - DAY) * 1000:
            self.violate(request, "history", "mintime lies before the 180 days that are kept")
        if asked.mintime < (self.now() - HISTORY) * 1000 and self.options.history == "refuse":
            raise BadQuery(None, "mintime: older than 180 days")
        asked.after = self._check_cursor(request, asked, query["next_offset"]) if "next_offset" in query else None
        request.note.update(maxtime=asked.maxtime, first=asked.after is None)
        return asked

    def _check_cursor(self, request, asked, text):
        given = self.cursors.get((asked.endpoint.data_type, text))
        if given is None:
            raise BadQuery("unknown_cursor", "next_offset: never issued")
        if _terms(asked) not in given:
            self.violate(request, "window_changed", f"{_terms(asked)} with a next_offset of {next(iter(given))}")
        generation, at = given.get(_terms(asked)) or next(iter(given.values()))
        expired = self.options.cursor_life and self.now() >= at + self.options.cursor_life
        if generation != self.generation or expired:
            self.counters["expired_cursors"] += 1
            raise BadQuery(None, "next_offset: expired")
        self._used[asked.endpoint.data_type] = text
        place, _, identity = text.partition(",")
        return int(place), identity

    # Answers.

    def answer(self, request, mount):
        self.account.advance()
        return self._page_v2(request.asked) if request.asked.endpoint.version == 2 else self._page_v1(request.asked)

    def _page_v1(self, asked):
        shelf = self.account.shelves[asked.endpoint.data_type]
        found = shelf.between(asked.mintime, None, self.now())[:self.options.v1_page]
        self.walks[shelf.kind] += 1
        events = [shelf.events[number] for _, _, number in found]
        body = Records(*self._v1_frame(), len(events), lambda: map(self.account.factory.data, events))
        return self._reply(shelf.kind, events, body)

    def _v1_frame(self):
        if self.options.envelope == "stat_last":
            return b'{"response":[', b",", b'],"stat":"OK"}'
        return b'{"stat":"OK","response":[', b",", b"]}"

    def _page_v2(self, asked):
        endpoint, now = asked.endpoint, self.now()
        shelf = self.account.shelves[endpoint.data_type]
        found = shelf.between(asked.mintime, asked.maxtime, now, int((now - HISTORY) * 1000))
        if asked.sort == "ts:desc":
            found.reverse()
        left = found if asked.after is None else [entry for entry in found if _behind(entry, asked.after, asked.sort)]
        if asked.after is None:
            self.walks[endpoint.data_type] += 1
        page = left[:asked.limit]
        more = len(left) > asked.limit or (self.options.trailing_page and len(page) == asked.limit)
        metadata = self._metadata(asked, page[-1] if more else None, len(found))
        events = [shelf.events[number] for _, _, number in page]
        body = LogPage(endpoint.member, metadata, self.options.envelope, events, self.account.factory.data)
        return self._reply(endpoint.data_type, events, body)

    def _metadata(self, asked, last, total):
        metadata = {}
        if last is not None:
            text = f"{last[0]},{last[1]}"
            issued = self.cursors.setdefault((asked.endpoint.data_type, text), {})
            issued[_terms(asked)] = (self.generation, self.now())
            self.last_link = text
            metadata["next_offset"] = _written(asked.endpoint.data_type, text)
        elif self.options.last_offset == "null":
            metadata["next_offset"] = None
        as_int = self.options.total == "int" or (self.options.total == "sheet" and asked.endpoint.data_type == AUTH)
        return {**metadata, "total_objects": total if as_int else {"relation": "eq", "value": total}}

    def _reply(self, kind, events, body):
        page = self.ledger.open(tuple(self._served(event) for event in events)) if events else None
        return Response(200, [("Content-Type", "application/json")], body, page=page, compressible=True)

    def _served(self, event):
        return Served(event.kind, self.account.factory.identify(event), event)

    # Refusals.

    def error(self, status, request, code=None, message=None, detail=None):
        known = ERRORS.get(status) or (status * 100, ERRORS[500][1] if status >= 500 else "Request refused")
        data = {"stat": "FAIL", "code": code or known[0], "message": message or known[1]}
        if detail is not None:
            data["message_detail"] = detail
        return json_response(status, _compact(data))

    def decorate(self, response, request):
        if response.status == 429:
            times, _ = self._throttles.get(request.path, (0, 0.0))
            self._throttles[request.path] = (times + 1, request.monotonic)
        elif response.status == 200:
            self._throttles.pop(request.path, None)

    # Misbehaviours of this vendor only.

    def fail_with_200(self, request, code=50000, message="Internal server error"):
        """Status 200, but `stat` says FAIL."""
        return json_response(200, _compact({"stat": "FAIL", "code": int(code), "message": message}))

    def repeat_cursor(self, response, parameters, request):
        """The next_offset is the one that led to this page."""
        kind = request.note.get("data_type")
        if not isinstance(response.body, LogPage) or request.asked.after is None:
            return False
        response.body = response.body.with_next(_written(kind, self._used[kind]))
        return True

    # State.

    def _must_be_offered(self):
        """What can be seen now. The ledger is read without our lock."""
        found = []
        with self.lock:
            self.account.advance()
            now = self.now()
            for kind, shelf in self.account.shelves.items():
                oldest = 0 if kind in BY_SECOND else int((now - HISTORY) * 1000)
                found += [shelf.events[number] for _, _, number in shelf.between(None, None, now, oldest)]
        return map(self._served, found)

    def details(self):
        self.account.advance()
        now = self.now()
        return {"records": {kind: len(shelf.events) for kind, shelf in self.account.shelves.items()},
                "seen": {kind: len(shelf.between(None, None, now)) for kind, shelf in self.account.shelves.items()},
                "walks": dict(self.walks), "cursors": len(self.cursors), "expired_cursors": self.counters["expired_cursors"],
                "refused_credentials": self.counters["refused_credentials"], "refused_grants": self.counters["refused_grants"],
                "bad_dates": self.counters["bad_dates"]}

    def save(self):
        return {"account": self.account.save(), "cursors": self.cursors, "generation": self.generation,
                "clients": self.options.clients, "weak_clients": self.options.weak_clients, "known": self.known_clients}

    def restore(self, saved):
        self.account.restore(saved["account"])
        self.cursors, self.generation, self.known_clients = saved["cursors"], saved["generation"], saved["known"]
        self.options.clients, self.options.weak_clients = saved["clients"], saved["weak_clients"]


def _since(table, key, oldest):
    """The times under a key of a table, without those up to `oldest`."""
    times = table.setdefault(key, deque())
    while times and times[0] <= oldest:
        times.popleft()
    return times


def _terms(asked):
    """What has to stay the same while paging."""
    return asked.mintime, asked.maxtime, asked.limit, asked.sort


def _behind(entry, place, sort):
    return entry[:2] > place if sort == "ts:asc" else entry[:2] < place


def _written(data_type, text):
    """A next_offset as replies of this log show it: in two strings, or joined already."""
    return text.split(",") if data_type == AUTH else text


def _number(query, name, required):
    text = query.get(name)
    if text is None:
        if required:
            raise BadQuery(name, f"{name}: missing")
        return None
    if not (text.isascii() and text.isdigit() and len(text) <= 16):
        raise BadQuery(name, f"{name}: {text[:40]} is not a whole number")
    return int(text)


def _compact(data):
    return json.dumps(data, separators=(",", ":"), ensure_ascii=False).encode()


VENDOR = Duo
