"""Qualys VMDR: detections by host as XML, in pages of hosts that end with the URL of the next.

Records change: each scan of a host makes newer versions of all its detections (or, as an option, leaves some as they were).
Identities in the ledger: HOST/ID, QID, PORT, PROTOCOL, SSL (empty where absent; or UNIQUE_VULN_ID alone), then
LAST_UPDATE_DATETIME and STATUS, joined by `~`. Its bytes are those of the JSON that is made of the XML: see qualys_records.
"""

import binascii
import json
import math
import time
from base64 import b64decode
from collections import Counter, deque
from types import SimpleNamespace
from xml.sax.saxutils import escape

from bodies import Bytes
from ledger import Served, VersionLedger
from messages import Response, html_response
from options import Option, OptionError
from vendors import qualys_query
from vendors.base import Vendor
from vendors.framed import Framed
from vendors.qualys_query import BLOCKED_CODES, BadQuery
from vendors.qualys_records import ALL_SHAPES, KIND, STATUSES, Fleet, Pair, View, cdata, shape_names, stamp

MINUTE = 60.0
MONTH = 30 * 86400.0
IN_FLIGHT_GRACE = 0.25      # a request may have been on its way when the one before was blocked
STREAMED_FROM = 5000        # records: larger pages are generated while they are sent
DETECTIONS, KNOWLEDGE, ABOUT = "detections", "knowledge_base", "about"
PATHS = {"/fo/asset/host/vm/detection/": DETECTIONS, "/fo/knowledge_base/vuln/": KNOWLEDGE}
CODES = {400: 1905, 401: 2000, 403: 2012, 405: 1908, 409: 1960, 429: 1965, 500: 999}
TEXTS = {
    999: "Internal Error", 1901: "Unrecognized parameter(s)", 1905: "Invalid value", 1908: "Unsupported request method",
    1920: "The requested operation is blocked by one or more existing Business Objects",
    1960: "This API cannot be run again until {running} currently running instance(s) have finished.",
    1965: "This API cannot be run again for another {wait} seconds", 2000: "Bad Login/Password", 2012: "User license is not authorized to run this API",
}
# How a blocked call names its time; words for headers that this vendor does not have stand for the nearest that it has.
THROTTLES = {"reset": "to_wait", "date": "retry_after", "past": "zero", "past_date": "zero", "absurd_retry_after": "absurd",
             **{word: word for word in ("to_wait", "retry_after", "none", "zero", "absurd", "garbage")}}


class HostPage(Framed):
    """A page of hosts, with the URL of the next behind them where there is one."""

    def __init__(self, vendor, hosts, warning):
        self.vendor, self.hosts, self.warning = vendor, hosts, warning
        form, root = vendor.options, "HOST_LIST_VM_DETECTION_OUTPUT"
        line = "\n" if form.style == "pretty" else ""
        head = '<?xml version="1.0" encoding="UTF-8"?>\n'
        if form.doctype == "system":
            head += f'<!DOCTYPE {root} SYSTEM "https://{form.platform}/api/2.0/fo/asset/host/vm/detection/dtd/output.dtd">\n'
        prefix = f"{head}<{root}>{line}<RESPONSE>{line}<DATETIME>{stamp(vendor.now())}</DATETIME>{line}"
        suffix = f"{self._warning(*warning) if warning else ''}</RESPONSE>{line}</{root}>{line}"
        if hosts or form.empty == "element":
            prefix, suffix = prefix + "<HOST_LIST>", f"{line}</HOST_LIST>{line}{suffix}"
        count = sum(len(pairs) for _, pairs in hosts)
        super().__init__(prefix.encode(), suffix.encode(), count, self._frames, streamed=count >= STREAMED_FROM)

    def _warning(self, limit, url):
        written = cdata(url).wire if self.vendor.options.url_escaping == "cdata" else escape(url)
        return (f"<WARNING><CODE>{self.vendor.options.warning_code}</CODE><TEXT>{limit} record limit exceeded. Use URL to get next batch of results."
                f"</TEXT><URL>{written}</URL></WARNING>")

    def _frames(self):
        factory = self.vendor.fleet.factory
        for host, pairs in self.hosts:
            style = pairs[0].detection.look.style
            before = factory.host_head(host, pairs[0].view, style) + b"<DETECTION_LIST>"
            for pair in pairs:
                behind = b"</DETECTION_LIST></HOST>" if pair is pairs[-1] else b""
                yield before, factory.wire(pair), behind
                before = b""


class PairLedger(VersionLedger):
    """Where one identity went out with several bodies any of them may come, and at least one must: which, nobody can say."""

    def _plain_lines(self, pages, everything):
        lines = [json.loads(line) for line in super()._plain_lines(pages, everything)]
        offered = Counter(line["id"] for line in lines if line["offered"])
        for line in lines:
            if offered[line["id"]] > 1 or (offered[line["id"]] and not line["offered"]):
                line.update(last=False, whole=False, variants=offered[line["id"]])
            yield json.dumps(line).encode() + b"\n"


class Qualys(Vendor):
    name = "qualys"
    secret_headers = ("authorization", "cookie")
    limit_headers = ("X-RateLimit-Limit", "X-RateLimit-Remaining")
    reset_header = "X-RateLimit-ToWait-Sec"
    default_match = {"expired_cursor": "id_min="}
    words = {"header": tuple(THROTTLES)}
    options_table = (
        Option("max_concurrent", "int", 3, "parallel requests beyond this are violations: two, and one of a client that was killed"),
        Option("users", "list", ["sim-user:sim-password"], "accepted user:password", secret=True),
        Option("weak_users", "list", [], "accepted ones without VM module or API access (403)", secret=True),
        Option("versions", "list", ["2.0", "5.0"], "path versions that are there; others: 404"),
        Option("no_header", "400|403", "403", "status without X-Requested-With (unverified which)"),
        Option("bad_login_code", "int", 2000, "code of a bad login (unverified)"),
        Option("lock_after", "int", 0, "so many bad logins in a row lock the user, until the action unlock; 0: never (unverified)"),
        Option("refused_limit", "int", 3, "bad logins a minute and user; beyond: violations"),
        Option("rate_limit", "int", 300, "calls a window and function; beyond: blocked with code 1965"),
        Option("rate_window", "float", 3600.0, "seconds of the sliding window; 86400 for old subscriptions"),
        Option("rate_status", "409|400|200", "409", "status of a blocked call (a vendor table prints 400 for 1965)"),
        Option("errors_with", "status|200", "status", "errors come with a status of their own, or all with 200"),
        Option("concurrency", "int", 2, "calls of a function that may run at once; beyond: blocked with code 1960"),
        Option("processing", "float", 0.0, "seconds that a call runs before its first byte, and runs on where the client is gone"),
        Option("busy_backoff", "float", 0.5, "coming back sooner behind a 1960 is a violation"),
        Option("full_extracts", "int", 1, "walks without any time in a month; beyond: violations"),
        Option("hosts", "int", 60, "hosts at start"),
        Option("detections", "int", 600, "detections at start"),
        Option("start", "float", 0.0, "when the first host was processed, epoch seconds; 0: `span` seconds ago"),
        Option("span", "float", 3600.0, "seconds over which the initial hosts are spread"),
        Option("ties", "int", 3, "so many initial hosts in a row were processed in the same second"),
        Option("rate", "float", 0.0, "new detections a second from now on"),
        Option("untouched_every", "int", 0, "a scan leaves every n-th detection of a host as it was, though the host's fields change"),
        Option("bounds", "inclusive|exclusive", "inclusive", "vm_processed_after and _before (unverified)"),
        Option("detection_updated_since", "works|refused", "works", "whether the parameter is known (unverified)"),
        Option("host_order", "ascending|mixed", "ascending", "order of hosts on a page; pages are in order (assumed by the sheet)"),
        Option("unique_ids", "absent|present|identity", "absent", "UNIQUE_VULN_ID in records; identity: the ledger uses it (unverified)"),
        Option("form", "merged|nested", "merged", "how the ledger makes JSON of a record: see qualys_records"),
        Option("platform", "str", "qualysapi.qualys.test", "host that URLs name"),
        Option("next_url", "vendor|mounted", "vendor", "next URL with the vendor's host and path, or with ours and where we are mounted"),
        Option("url_escaping", "cdata|entities", "cdata", "how the next URL is written"),
        Option("warning_code", "int", 1980, "code of a truncated reply (unverified)"),
        Option("link_header", "bool", False, "the next URL of version 5.0 stands in a Link header too (unverified)"),
        Option("doctype", "absent|system", "absent", "whether replies name a DTD"),
        Option("empty", "absent|element", "absent", "HOST_LIST of a reply without hosts"),
        Option("content_type", "str", "application/xml", "of replies with XML"),
        # Of records made from now on:
        Option("style", "compact|pretty|spaced", "compact", "blanks between tags, and within them"),
        Option("shapes", "list", [], f"unusual XML: all, or of {', '.join(ALL_SHAPES)}"),
        Option("shape_every", "int", 10, "every n-th record has a shape"),
    )
    actions = {name: name for name in ("append", "scan", "fix", "reopen", "add_hosts", "remove_hosts", "churn", "occupy", "revoke_user",
                                       "unlock", "reset_window")}

    def __init__(self, seed, texts):
        super().__init__(seed, texts)
        self.replacements = {"throttle": self.throttle, "simple_return": self.simple_return, "entity_bomb": self.entity_bomb}
        self.alterations = {"repeated_url": self.repeat_url, "bad_utf8": self.spoil_utf8}
        if self.options.hosts < 1:
            raise OptionError("hosts: at least 1")
        self.fleet = Fleet(seed, self.options, self.now)
        self.ledger = PairLedger(self.fleet.factory.data, self._must_be_offered)
        self.known_users = set()        # ever accepted: using one later is no violation
        self.walks = Counter()
        self.asked = None               # what the last good request for detections wanted
        self._fulls = deque()           # monotonic times of walks without a time
        self._calls = {}                # by function: times of its calls within the window
        self._running = {}              # by function: when its calls end
        self._named = {}
        self._busy = {}                 # by function: when calls were blocked for concurrency, the first in a row and the last
        self._refused = {}
        self._locked, self._bad_in_row = set(), Counter()
        self._churn = {}
        self.after_set()

    # Options and actions.

    def after_set(self):
        self.known_users.update(self.options.users, self.options.weak_users)
        shape_names(self.options.shapes)
        self.fleet.set_rate(self.options.rate)

    def append(self, value):
        """Action: new detections. A number, or {"count": n, "late_by": s, "style": ..., "shapes": [...]}: with `late_by` their
        hosts were processed so long ago, though it is seen only now."""
        return self.fleet.append(value)

    def scan(self, value):
        """Action: hosts are scanned again. A number, or {"count": n, "which": "any|first|last", "late_by": s, "same_stamp": bool}:
        same_stamp: within the second of the scan before."""
        return self.fleet.change(value)

    def fix(self, value):
        """Action: a scan finds one detection of each host fixed; as scan."""
        return self.fleet.change(value, "fix")

    def reopen(self, value):
        """Action: a scan finds one fixed detection of each host again; as scan."""
        return self.fleet.change(value, "reopen")

    def add_hosts(self, value):
        """Action: new hosts. A number, or {"count": n, "detections": of each, "late_by": s}."""
        return self.fleet.add_hosts(value)

    def remove_hosts(self, value):
        """Action: hosts are purged with all they have: so many from the first on, or those of a list of ids."""
        return self.fleet.remove_hosts(value)

    def churn(self, value):
        """Action: behind each of the next `pages` pages something changes: {"pages": n, "append": n, "scan": n, "fix": n,
        "reopen": n, "add_hosts": n, "remove_hosts": n}."""
        value = {name: int(number) for name, number in dict(value).items()}
        unknown = value.keys() - {"pages", "append", "scan", "fix", "reopen", "add_hosts", "remove_hosts"}
        if unknown:
            raise OptionError(f"churn: no {', '.join(sorted(unknown))}")
        self._churn = value

    def occupy(self, value):
        """Action: calls of somebody else run: {"count": n, "seconds": s, "function": "detections|knowledge_base"}."""
        value = dict(value)
        function = value.get("function", DETECTIONS)
        if function not in PATHS.values() or value.keys() - {"count", "seconds", "function"}:
            raise OptionError("occupy: count, seconds, function (detections or knowledge_base)")
        until = time.monotonic() + float(value.get("seconds", 5.0))
        self._running.setdefault(function, []).extend([until] * int(value.get("count", 1)))

    def revoke_user(self, name):
        """Action: a user is not accepted any more; using it is no violation."""
        for option in ("users", "weak_users"):
            setattr(self.options, option, [pair for pair in getattr(self.options, option) if pair.partition(":")[0] != name])

    def unlock(self, _value):
        """Action: no user is locked any more."""
        self._locked.clear()
        self._bad_in_row.clear()

    def reset_window(self, _value):
        """Action: the windows of all functions are empty again, and nothing runs."""
        for record in (self._calls, self._running, self._waits, self._named, self._busy):
            record.clear()

    # Requests.

    def function(self, path):
        if path == "/msp/about.php":
            return ABOUT
        version, _, rest = path.removeprefix("/api/").partition("/")
        return PATHS.get("/" + rest) if path.startswith("/api/") and version in self.options.versions else None

    def _function_of(self, request):
        return self.function(request.path.removeprefix(f"/{self.name}"))

    def inspect(self, request, mount):
        path = request.path[len(mount):]
        function = self.function(path)
        if function is None:
            self.violate(request, "path", f"no {path} on this platform")
            return self.error(404, request)
        request.note.update(function=function)
        if not (request.header("X-Requested-With") or "").strip():
            self.violate(request, "x_requested_with", "no X-Requested-With")
            return self.error(int(self.options.no_header), request, 1903, "X-Requested-With header is required")
        refusal = self._authorize(request)
        if refusal or function == ABOUT:
            return refusal or self._only_get(request)
        if request.method not in ("GET", "POST"):
            self.violate(request, "method", request.method)
            return self.error(405, request)
        refusal = self._check_concurrency(request, function) or self._spend(request, function)
        if refusal:
            return refusal
        try:
            self._check_form(request)
            request.asked = getattr(self, f"_check_{function}")(request)
        except BadQuery as bad:
            if bad.code:
                self.violate(request, bad.code, str(bad))
            return self.error(400, request, bad.number, str(bad))
        self._running.setdefault(function, []).append(request.monotonic + self.options.processing)
        return None

    def _only_get(self, request):
        if request.method == "GET":
            return None
        self.violate(request, "method", request.method)
        return self.error(405, request)

    def _check_form(self, request):
        wrong = qualys_query.check_encoding(qualys_query.raw_pairs(request))
        if wrong:
            self.violate(request, "encoding", wrong)
        form = (request.header("Content-Type") or "").partition(";")[0].strip().lower()
        if request.method == "POST" and form != "application/x-www-form-urlencoded":
            raise BadQuery(1903, "content_type", "Content-Type must be application/x-www-form-urlencoded")

    def _check_detections(self, request):
        asked = qualys_query.understand(qualys_query.raw_pairs(request), self.options)
        names = {name for name, _ in asked.pairs}
        missing = [name for name in qualys_query.FIXED_NAMES if name not in names]
        if missing:
            self.violate(request, "fixed_query", f"without {', '.join(missing)} the vendor's defaults decide what is left out")
        if asked.limit == 0:
            self.violate(request, "unlimited", "truncation_limit=0")
        if asked.full:
            while self._fulls and self._fulls[0] <= request.monotonic - MONTH:
                self._fulls.popleft()
            self._fulls.append(request.monotonic)
            if len(self._fulls) > self.options.full_extracts:
                self.violate(request, "full_extract", f"{len(self._fulls)} walks without a time within a month")
        request.note.update(first=asked.first, id_min=asked.id_min, **asked.times)
        return asked

    def _check_knowledge_base(self, request):
        query = qualys_query.decode(qualys_query.raw_pairs(request))
        for name in query.keys() - {"action", "ids", "details"}:
            raise BadQuery(1901, "query", f"Unrecognized parameter(s): {name}")
        if query.get("action") != "list":
            raise BadQuery(1905 if "action" in query else 1903, "query", "action must be list")
        texts = query.get("ids", "").split(",")
        if not all(text.isascii() and text.isdigit() for text in texts):
            raise BadQuery(1905 if "ids" in query else 1903, "query", "ids must be QIDs")
        return SimpleNamespace(qids=[int(text) for text in texts])

    def _check_concurrency(self, request, function):
        """Calls run on where the client gave up; the requests in flight count too, though they may be of another function."""
        running = self._still_running(function, request.monotonic)
        if max(running, self.in_flight - 1) < self.options.concurrency:
            return None
        first, last = self._busy.get(function, (0.0, 0.0))
        again = request.monotonic - last < self.options.busy_backoff
        if again and request.monotonic - first > IN_FLIGHT_GRACE:
            self.violate(request, "busy_backoff", f"{request.monotonic - last:.2f} s after the one before was blocked")
        self._busy[function] = (first if again else request.monotonic, request.monotonic)
        return self._blocked(request, "concurrency")

    def _still_running(self, function, moment):
        ends = self._running.get(function, [])
        ends[:] = [end for end in ends if end > moment]
        return len(ends)

    def _spend(self, request, function):
        """The subscription's sliding window for a function; a blocked call does not count."""
        if self._left(function, request.monotonic)[0] <= 0:
            return self._blocked(request, "rate")
        self._calls[function].append(request.monotonic)
        return None

    def _left(self, function, moment):
        """(calls left in the window, seconds until the next is allowed)."""
        calls = self._calls.setdefault(function, deque())
        while calls and calls[0] <= moment - self.options.rate_window:
            calls.popleft()
        limit = self.options.rate_limit
        if len(calls) < limit:
            return limit - len(calls), 0
        first = calls[-limit] if limit > 0 else moment
        return 0, max(1, math.ceil(first + self.options.rate_window - moment))

    def _blocked(self, request, why):
        code = BLOCKED_CODES[why]
        self.counters[f"blocked_{why}"] += 1
        if why == "concurrency":
            return self.error(409, request, code)
        return self.error(int(self.options.rate_status), request, code)

    # Credentials.

    def _authorize(self, request):
        from_header = _basic(request.header("Authorization"))
        if from_header is None:
            self.violate(request, "authorization", "no `Basic <base64 of user:password>`")
            return self.error(401, request)
        name = from_header.partition(":")[0]
        known = from_header in self.options.users or from_header in self.options.weak_users
        if known and name not in self._locked:
            self._bad_in_row.pop(name, None)
            return self.error(403, request) if from_header in self.options.weak_users else None
        if from_header not in self.known_users:
            self.violate(request, "authorization", "a user and password never accepted")
        return self._refuse_login(request, name)

    def _refuse_login(self, request, name):
        times = self._refused.setdefault(name, deque())
        while times and times[0] <= request.monotonic - MINUTE:
            times.popleft()
        times.append(request.monotonic)
        self.counters["refused_logins"] += 1
        self._bad_in_row[name] += 1
        if self.options.lock_after and self._bad_in_row[name] >= self.options.lock_after:
            self._locked.add(name)
        if len(times) > self.options.refused_limit:
            self.violate(request, "refused_again", f"{len(times)} bad logins in a minute")
        return self.error(401, request)

    # Answers.

    def answer(self, request, mount):
        self.fleet.advance()
        function = request.note["function"]
        response = getattr(self, f"_answer_{function}")(request, mount)
        if function != ABOUT:
            response.delivery.first_byte_delay += self.options.processing
        return response

    def _answer_about(self, _request, _mount):
        return self._xml('<?xml version="1.0" encoding="UTF-8" ?>\n<ABOUT><API-VERSION MAJOR="2" MINOR="0"/><WEB-VERSION>10.30.0.0-1</WEB-VERSION>'
                         "<SCANNER-VERSION>12.18.44-1</SCANNER-VERSION><VULNSIGS-VERSION>2.6.201-2</VULNSIGS-VERSION></ABOUT>\n")

    def _answer_knowledge_base(self, request, _mount):
        known = {self.fleet.factory.qid(found): found for shelf in self.fleet.detections.values() for found in shelf}
        entries = "".join(
            f"<VULN><QID>{qid}</QID><VULN_TYPE>Vulnerability</VULN_TYPE>"
            f"<SEVERITY_LEVEL>{self.fleet.factory.severity(known[qid])}</SEVERITY_LEVEL>"
            f"<TITLE>{cdata(f'Weakness {qid} — <remote> & local').wire}</TITLE></VULN>" for qid in request.asked.qids if qid in known)
        return self._xml('<?xml version="1.0" encoding="UTF-8" ?>\n<KNOWLEDGE_BASE_VULN_LIST_OUTPUT><RESPONSE>'
                         f"<DATETIME>{stamp(self.now())}</DATETIME><VULN_LIST>{entries}</VULN_LIST></RESPONSE></KNOWLEDGE_BASE_VULN_LIST_OUTPUT>\n")

    def _xml(self, text, status=200):
        return Response(status, [("Content-Type", self.options.content_type)], Bytes(text.encode()), compressible=status == 200)

    def _answer_detections(self, request, mount):
        asked = request.asked
        self.asked = asked
        self.walks[KIND] += asked.first
        found = list(qualys_query.select(self.fleet, asked, self.options.bounds == "inclusive"))
        limit = asked.limit or len(found)
        chosen, behind = found[:limit], found[limit:]
        url = self._next_url(request, mount, asked, behind[0][0]) if behind else None
        if self.options.host_order == "mixed":
            chosen = chosen[1::2] + chosen[::2]
        hosts = [(host, [self._pair(host, detection, asked.view) for detection in shelf]) for host, shelf in chosen]
        body = HostPage(self, hosts, (limit, url) if url else None)
        keys = tuple(self._served(pair) for _, pairs in hosts for pair in pairs)
        page = self.ledger.open(keys) if keys else None
        response = Response(200, [("Content-Type", self.options.content_type)], body, page=page, compressible=True)
        if url and self.options.link_header and request.path[len(mount):].startswith("/api/5.0/"):
            response.headers.append(("Link", f'<{url}>; rel="next"'))
        self.last_link = url
        self._change_behind_page()
        return response

    def _next_url(self, request, mount, asked, following):
        pairs = (*asked.pairs, ("id_min", str(self.fleet.factory.host_id(following.number))))
        query = "&".join(f"{name}={value}" for name, value in pairs)
        if self.options.next_url == "mounted":
            return f"{request.origin()}{request.path}?{query}"
        return f"https://{self.options.platform}{request.path[len(mount):]}?{query}"

    def _pair(self, host, detection, view):
        ids = {"identity": "unique"}.get(self.options.unique_ids, self.options.unique_ids)
        return Pair(host, detection, view, self.options.form, ids)

    def _served(self, pair):
        return Served(KIND, self.fleet.factory.identify(pair), pair)

    def _change_behind_page(self):
        if self._churn.get("pages", 0) <= 0:
            return
        self._churn["pages"] -= 1
        for name, number in self._churn.items():
            if name != "pages" and number:
                getattr(self, name)(number)

    # Refusals.

    def error(self, status, request, code=None, text=None):
        if status == 429 and self.in_flight > self.options.max_concurrent:
            return self._blocked(request, "concurrency")
        if status == 404 or status > 500:
            page = f"<!DOCTYPE html>\n<html><head><title>{status}</title></head><body><h1>HTTP Status {status}</h1></body></html>\n"
            return html_response(status, page)
        code = code or (self.options.bad_login_code if status == 401 else CODES.get(status, 999))
        function = self._function_of(request) or DETECTIONS
        _, wait = self._left(function, request.monotonic)
        if text is None:
            text = TEXTS.get(code, "Request refused").format(running=max(1, self._still_running(function, request.monotonic)), wait=wait)
        status = 400 if status == 405 else status       # the vendor has a code for it, but not the status
        if self.options.errors_with == "200" and status < 500:
            status = 200
        items = {1960: ("CALLS_TO_FINISH", 1), 1965: ("SECONDS_TO_WAIT", wait)}
        return self._simple_return(status, code, text, items.get(code))

    def _simple_return(self, status, code, text, item=None):
        listed = f"<ITEM_LIST><ITEM><KEY>{item[0]}</KEY><VALUE>{item[1]}</VALUE></ITEM></ITEM_LIST>" if item else ""
        return self._xml('<?xml version="1.0" encoding="UTF-8" ?>\n<SIMPLE_RETURN><RESPONSE>'
                         f"<DATETIME>{stamp(self.now())}</DATETIME><CODE>{code}</CODE><TEXT>{escape(text)}</TEXT>{listed}"
                         "</RESPONSE></SIMPLE_RETURN>\n", status)

    def decorate(self, response, request):
        """The budget of the function on every reply; 0 means: not blocked."""
        function = self._function_of(request)
        if function in (None, ABOUT) or response.no_budget:
            return
        left, wait = self._left(function, request.monotonic)
        for name, value in (("X-RateLimit-Limit", self.options.rate_limit), ("X-RateLimit-Window-Sec", f"{self.options.rate_window:.0f}"),
                            ("X-RateLimit-Remaining", left), ("X-RateLimit-ToWait-Sec", wait),
                            ("X-Concurrency-Limit-Limit", self.options.concurrency),
                            ("X-Concurrency-Limit-Running", self._still_running(function, request.monotonic))):
            response.set(name, str(value))
        if wait and response.wait_until is None:
            response.wait_until = self.now() + wait

    def pool(self, request):
        """A budget belongs to a function, whatever the version."""
        return request.path.partition("/fo/")[2] or request.path

    def name_wait(self, request, until):
        """A day is an honest time too, where the window is a day."""
        if until - self.now() <= self.options.rate_window + 1:
            self._waits[self.pool(request)] = until
            self._named.setdefault(self.pool(request), time.monotonic())

    def check_wait(self, request):
        pool = self.pool(request)
        if request.monotonic - self._named.get(pool, 0.0) > IN_FLIGHT_GRACE:
            super().check_wait(request)
        if pool not in self._waits:
            self._named.pop(pool, None)

    # Misbehaviours, of this vendor only or in its own form.

    def throttle(self, request, header="to_wait", seconds=5, status=409):
        """Blocked with code 1965, naming a time by `header`: to_wait, retry_after, none, zero (ToWait-Sec 0), absurd (ten years), garbage."""
        header = THROTTLES[header]
        response = self._simple_return(int(status), 1965, TEXTS[1965].format(wait=seconds))
        response.no_budget = True
        named = {"to_wait": seconds, "zero": 0, "absurd": 10 * 365 * 86400, "garbage": "soon"}
        if header in named:
            for name, value in (("X-RateLimit-Limit", self.options.rate_limit), ("X-RateLimit-Remaining", 0), (self.reset_header, named[header])):
                response.set(name, str(value))
        if header == "retry_after":
            response.set("Retry-After", str(seconds))
        if header in ("to_wait", "retry_after"):
            response.wait_until = self.now() + float(seconds)
        return response

    def simple_return(self, request, status=200, code=999, text=""):
        """An error as the vendor writes it, with any status, 200 too."""
        self.counters["simple_returns"] += 1
        return self._simple_return(int(status), int(code), text or TEXTS.get(int(code), "Internal Error").format(running=1, wait=60))

    def entity_bomb(self, request, levels=12):
        """XML whose entities expand to ten to the power of `levels` characters, and one that names a file."""
        rows = "".join(f'<!ENTITY e{level} "{f"&e{level - 1};" * 10}">' for level in range(1, int(levels)))
        return self._xml('<?xml version="1.0"?><!DOCTYPE HOST_LIST_VM_DETECTION_OUTPUT [<!ENTITY e0 "0123456789">' + rows +
                         '<!ENTITY file SYSTEM "file:///etc/hostname">]><HOST_LIST_VM_DETECTION_OUTPUT><RESPONSE><HOST_LIST><HOST><ID>1</ID>'
                         f"<OS>&e{int(levels) - 1};</OS><DNS>&file;</DNS><DETECTION_LIST><DETECTION><QID>1</QID><STATUS>New</STATUS>"
                         "</DETECTION></DETECTION_LIST></HOST></HOST_LIST></RESPONSE></HOST_LIST_VM_DETECTION_OUTPUT>")

    def repeat_url(self, response, parameters, request):
        """The next URL is that of this page."""
        if not isinstance(response.body, HostPage) or response.body.warning is None or request.asked.first:
            return False
        body = response.body
        url = body.warning[1].rpartition("id_min=")[0] + f"id_min={request.asked.id_min}"
        response.body = HostPage(self, body.hosts, (body.warning[0], url))
        return True

    def spoil_utf8(self, response, parameters, request):
        """Bytes that are no UTF-8 (`bytes`, hexadecimal) at the end of the STATUS of record `record`. The ledger shows it as altered."""
        record, data = int(parameters.get("record", 0)), bytes.fromhex(parameters.get("bytes", "c328"))
        if not isinstance(response.body, HostPage) or not 0 <= record < response.body.count:
            return False
        served = response.page.keys[record]
        status = served.version.detection.status.encode()
        wire, whole = response.body.record(record), self.fleet.factory.data(served.version)
        response.body.replace(record, wire.replace(b">" + status + b"<", b">" + status + data + b"<"))
        response.page.altered[record] = (served.identity, whole.replace(b'"STATUS":"' + status, b'"STATUS":"' + status + data))
        return True

    # State.

    def _must_be_offered(self):
        """The present versions, of what the client asks for."""
        with self.lock:         # the ledger is read without it
            self.fleet.advance()
            found_at = [(host, found) for number, host in self.fleet.hosts.items() for found in self.fleet.detections[number]]
        asked = self.asked or SimpleNamespace(statuses=STATUSES, info=False, severities=range(1, 6), qids=(), view=View())
        for host, found in found_at:
            if qualys_query.is_wanted(self.fleet.factory, found, asked):
                yield self._served(self._pair(host, found, asked.view))

    def details(self):
        self.fleet.advance()
        moment = time.monotonic()
        return {"hosts": len(self.fleet.hosts), "detections": sum(map(len, self.fleet.detections.values())), "walks": dict(self.walks),
                "scans": self.fleet.changes, "calls": {name: len(calls) for name, calls in self._calls.items()},
                "running": {name: self._still_running(name, moment) for name in list(self._running)},
                "locked": len(self._locked), "churn_left": self._churn.get("pages", 0),
                **{name: self.counters[name] for name in ("blocked_rate", "blocked_concurrency", "refused_logins")}}

    def save(self):
        return {"fleet": self.fleet.save(), "users": self.options.users, "weak_users": self.options.weak_users, "known": self.known_users,
                "locked": self._locked, "asked": self.asked, "fulls": len(self._fulls)}

    def restore(self, saved):
        self.fleet.restore(saved["fleet"])
        self.options.users, self.options.weak_users, self.known_users = saved["users"], saved["weak_users"], saved["known"]
        self._locked, self.asked = saved["locked"], saved["asked"]
        self._fulls = deque([time.monotonic()] * saved["fulls"])


def _basic(header):
    """user:password of a header, or None."""
    scheme, _, packed = (header or "").partition(" ")
    try:
        text = b64decode(packed, validate=True).decode()
    except (binascii.Error, UnicodeDecodeError):
        return None
    return text if scheme == "Basic" and ":" in text else None


VENDOR = Qualys
