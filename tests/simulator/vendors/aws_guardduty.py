"""Amazon GuardDuty: detectors, lists of finding ids, and details of findings; each request signed with Signature Version 4.

Findings are updated in place, so a list and the details of what it named may differ: a details reply holds what is there
now. Identities in the ledger: id and updatedAt, joined by `~`. A finding is offered when it is in a details reply.
"""

import json
from collections import Counter
from types import SimpleNamespace
from urllib.parse import unquote

from bodies import Records
from ledger import Served, VersionLedger
from messages import Response, json_response
from options import Option
from vendors.base import Vendor
from vendors.guardduty_access import Access
from vendors.guardduty_findings import Findings
from vendors.guardduty_query import BadRequest, limit_of, read_body, understand_ids, understand_list
from vendors.okta_events import ALL_SHAPES
from vendors.pacing import Window
from vendors.patience import InFlight, Patience
from vendors.sealed import Sealer
from vendors.templates import compact, digest, shape_names

FINDINGS = "findings"
DETECTOR = "12abc34d567e8fa901bc2d34e56789f0"
LONGEST_BACKOFF = 32.0
# Pauses are varied: half of each is the least that a client may choose.
LEAST_SHARE = 0.5
PACE_WINDOW = 10.0      # seconds over which the client's own pace is looked at
THROTTLES = ("TooManyRequestsException", "ThrottlingException")
NAMES = {       # status: (exception, message)
    400: ("BadRequestException", "The request is rejected because an invalid or out-of-range value is specified as an input parameter."),
    403: ("AccessDeniedException", "User is not authorized to perform this operation."),
    404: ("UnknownOperationException", ""), 405: ("UnknownOperationException", ""),
    429: ("TooManyRequestsException", "Rate exceeded"), 500: ("InternalServerErrorException", "An internal server error has occurred."),
    503: ("ServiceUnavailableException", "The service is temporarily unavailable."),
}
MESSAGES = {"ThrottlingException": "Rate exceeded"}
STEPS = {       # (method, last part of the path): step, action of the policy
    ("GET", "detector"): ("detectors", "ListDetectors"), ("POST", "findings"): ("list", "ListFindings"),
    ("POST", "get"): ("details", "GetFindings"),
}


class GuardDuty(InFlight, Vendor):
    name = "aws-guardduty"
    secret_headers = ("authorization", "x-amz-security-token", "cookie")
    default_match = {"expired_cursor": "/findings"}
    options_table = Access.options + (
        # The sheet: one details request per list, nothing beside it; and what a killed client leaves behind.
        Option("max_concurrent", "int", 4, "parallel requests beyond this are violations, answered with 429"),
        Option("region", "str", "us-east-1", "region in the scope of signatures; at start only for records"),
        Option("detectors", "list", [DETECTOR], "detectors of the account in this region; empty: GuardDuty is not enabled"),
        Option("members", "int", 2, "member accounts whose findings the detector returns too; at start only"),
        Option("findings", "int", 1000, "findings at start"),
        Option("start", "float", 0.0, "time of the first finding, epoch seconds; 0: `span` seconds ago"),
        Option("span", "float", 3600.0, "seconds over which the initial findings are spread"),
        Option("ties", "int", 3, "so many initial findings in a row have the same updatedAt"),
        Option("rate", "float", 0.0, "new findings a second from now on"),
        Option("list_lag", "float", 0.0, "a version is listed only so many seconds after its updatedAt"),
        Option("page_size", "int", 50, "ids on a page of a list at most, whatever was asked for"),
        Option("last_token", "empty|absent|null", "empty", "nextToken of the last page (null: not in the sheet)"),
        Option("trailing_page", "bool", False, "a last page that is full has a nextToken, which leads to an empty page"),
        Option("paging", "place|offset", "place", "a next page goes on behind the last finding, or at a number: with `offset` an update moves"
                                                  " all behind it by one, and a walk may miss a finding (unverified)"),
        Option("token_life", "float", 0.0, "seconds that a nextToken is good for; 0: for ever (undocumented)"),
        Option("detail_order", "asked|reversed", "asked", "order of details where no sortCriteria is given"),
        Option("details_missing", "int", 0, "every n-th finding has no details"),
        Option("rate_limit", "int", 20, "requests a window; beyond: throttled (no figure is published)"),
        Option("rate_window", "float", 1.0, "seconds of the sliding window"),
        Option("throttle_form", "429|400|mixed", "mixed", "TooManyRequestsException, ThrottlingException, or one after the other"),
        Option("retry_after", "int", 0, "seconds that a throttle names in Retry-After; 0: none (unverified)"),
        Option("pace", "float", 2.0, f"more requests a second than this, over {PACE_WINDOW:g} s, are violations; 0: not looked at"),
        Option("backoff", "bool", True, "coming back earlier than half of 1, 2, 4 … 32 s after throttles in a row is a violation"),
        Option("error_body", "both|message|type|empty", "both", "members of error bodies: message and __type"),
        Option("error_type", "plain|url|absent", "plain", "header x-amzn-ErrorType: the name, the name and a URL, or none"),
        # Of findings made from now on:
        Option("style", "compact|pretty|spaced", "compact", "blanks between tokens"),
        Option("shapes", "list", [], f"unusual JSON: all, or of {', '.join(ALL_SHAPES)}"),
        Option("shape_every", "int", 10, "every n-th finding has a shape"),
    )
    actions = {name: name for name in ("append", "update", "archive", "churn", "expire_cursors", "revoke_key", "expire_session",
                                       "reset_window")}

    def __init__(self, seed, texts):
        super().__init__(seed, texts)
        self.access = Access(self)
        self.findings = Findings(seed, self.options, self.now)
        self.ledger = VersionLedger(self.findings.factory.data, self._must_be_offered)
        self.tokens = Sealer("guardduty", seed, 16, True)
        self.replacements = {"aws_error": self.aws_error}
        self.alterations = {"repeated_cursor": self.repeat_cursor}
        self.generation = 0             # tokens of an earlier one are expired
        self.walks = Counter()          # first pages of lists, by detector
        self.known_detectors = set()
        self.skipped = set()            # Served that somebody asked for and did not get
        self._window, self._paced = Window(), Window()
        self._patience = Patience(LONGEST_BACKOFF, LEAST_SHARE)
        self.after_set()

    # Options and actions.

    def after_set(self):
        self.access.learn()
        self.known_detectors.update(self.options.detectors)
        shape_names(self.options.shapes)
        self.findings.set_rate(self.options.rate)

    def append(self, value):
        """Action: new findings. A number, or {"count": n, "late_by": s, "at": epoch, "style": ..., "shapes": [...]}: with `late_by`
        they were updated so long ago, with `at` all of them then, though they are seen only now."""
        return self.findings.append(value)

    def update(self, value):
        """Action: findings are seen again. A number, or {"count": n, "which": "any|first|last"}, or {"ids": [...]}."""
        return self.findings.change(value, "update")

    def archive(self, value):
        """Action: findings are archived, or fetched back; as update."""
        return self.findings.change(value, "archive")

    def churn(self, value):
        """Action: behind each of the next `pages` pages of ids something changes, before their details can be asked for: {"pages": n,
        "append": n, "update": n, "archive": n, "which": "any|first|last|page"}."""
        self.findings.set_churn(value)

    def expire_cursors(self, _value):
        """Action: no nextToken given out so far is valid any more."""
        self.generation += 1
        return self.generation

    def revoke_key(self, identity):
        """Action: an access key is not accepted any more; using it is no violation."""
        self.options.keys = [entry for entry in self.options.keys if entry.partition(":")[0] != identity]

    def expire_session(self, identity):
        """Action: the session of a temporary key has ended; using it is no violation."""
        self.access.expired.add(identity)

    def reset_window(self, _value):
        """Action: the windows are empty again, and nothing was throttled."""
        for pacing in (self._window, self._paced, self._patience):
            pacing.clear()
        self._waits.clear()

    # Requests.

    def inspect(self, request, mount):
        path = request.path[len(mount):]
        detector = self._route(request, path)
        if detector is None:
            return self.error(404, request)
        step, action = request.note["step"], request.note["action"]
        refusal = self._pace(request) or self.access.check(request, path)
        if refusal:
            return refusal
        if action in self.options.denied:
            self.counters["denied"] += 1
            return self.error(403, request, "AccessDeniedException", f"User: arn:aws:iam::111122223333:user/signal-client is not authorized to "
                              f"perform: guardduty:{action} on resource: arn:aws:guardduty:{self.options.region}:111122223333:detector/{detector}")
        try:
            request.asked = getattr(self, f"_check_{step}")(request, detector)
        except BadRequest as bad:
            if bad.code:
                self.violate(request, bad.code, str(bad))
            return self.error(400, request, message=bad.message)
        return None

    def _route(self, request, path):
        """The detector in the path (empty where none is), with the step noted; None: no such operation."""
        parts = path.split("/")[1:]
        named = {1: "detector", 3: "findings", 4: "get"}.get(len(parts))
        shape = ["detector", parts[1] if len(parts) > 1 else "", "findings", "get"][:len(parts)]
        step = STEPS.get((request.method, named)) if parts == shape else None
        if step is None:
            self.violate(request, "path", f"no {request.method} {path} in the sheet")
            return None
        request.note.update(step=step[0], action=step[1])
        if request.query and step[0] != "detectors":
            self.violate(request, "query", "a query beside a body")
        return unquote(parts[1]) if len(parts) > 1 else ""

    def _pace(self, request):
        """The vendor's window, and what the client promised to keep below."""
        complaint = self._patience.complaint(request, 1.0 if self.options.backoff else 0.0)
        if complaint:
            self.violate(request, "backoff", complaint)
        most = int(self.options.pace * PACE_WINDOW) + 2
        if self.options.pace > 0 and self._paced.wait(request.monotonic, most, PACE_WINDOW) > 0:
            self.violate(request, "pace", f"more than {most} requests in {PACE_WINDOW:g} s")
        self._paced.take(request.monotonic)
        if self._window.wait(request.monotonic, self.options.rate_limit, self.options.rate_window) > 0:
            return self._throttled(request)
        self._window.take(request.monotonic)
        return None

    def _throttled(self, request):
        form = self.options.throttle_form
        if form == "mixed":
            form = ("429", "400")[self.counters["throttles"] % 2]
        self.counters["throttles"] += 1
        response = self.error(int(form), request, THROTTLES[form == "400"], "Rate exceeded")
        if self.options.retry_after:
            response.set("Retry-After", str(self.options.retry_after))
            response.wait_until = self.now() + self.options.retry_after
        return response

    def _check_detectors(self, request, _detector):
        pairs = request.parameters()
        query = dict(pairs)
        if len(query) != len(pairs) or query.keys() - {"maxResults", "nextToken"}:
            raise BadRequest("query", f"parameters {sorted(name for name, _ in pairs)}")
        if request.body:
            self.violate(request, "body", "a body in a GET")
        text = query.get("maxResults", "50")
        limit = limit_of(int(text) if text.isascii() and text.isdigit() and len(text) < 9 else text)
        content = self._open(request, query["nextToken"], "detectors") if query.get("nextToken") else None
        return SimpleNamespace(limit=limit, at=content["place"] if content else 0)

    def _check_detector(self, request, detector):
        if detector in self.options.detectors:
            return
        code = None if detector in self.known_detectors else "detector"
        raise BadRequest(code, f"detector {detector[:60]!r}", "The request is rejected because the input detectorId is not owned by the"
                         " current account.")

    def _check_list(self, request, detector):
        self._check_detector(request, detector)
        asked = understand_list(detector, read_body(request))
        if not asked.sorted or asked.descending:
            self.violate(request, "sort", "newest first, or in no order: what is updated while one pages is missed")
        if asked.high is None:
            self.violate(request, "open_window", "no upper bound: what is updated while one pages moves to the end, again and again")
        if asked.low is None:
            self.violate(request, "open_window", "no lower bound")
        if asked.low is not None and asked.high is not None and asked.low >= asked.high:
            self.violate(request, "window", f"from {asked.low} to below {asked.high}")
        content = self._open(request, asked.token, asked.terms) if asked.token else None
        request.note.update(low=asked.low, high=asked.high, first=content is None, limit=asked.limit)
        return SimpleNamespace(detector=detector, list=asked, content=content)

    def _open(self, request, token, terms):
        """What a nextToken stands for."""
        content = self.tokens.open(token)
        if content is None:
            raise BadRequest("unknown_cursor", "a nextToken never issued")
        content = dict(zip(("terms", "generation", "issued", "place", "number"), content))
        if content["terms"] != terms:
            raise BadRequest("criteria_changed", "other criteria than those of the page before")
        life = self.options.token_life
        if content["generation"] != self.generation or (life and self.now() >= content["issued"] + life):
            self.counters["expired_cursors"] += 1
            raise BadRequest(None, "nextToken expired", "The request is rejected because the nextToken is invalid.")
        return content

    def _check_details(self, request, detector):
        self._check_detector(request, detector)
        ids, order = understand_ids(read_body(request))
        if len(set(ids)) != len(ids):
            self.violate(request, "ids", "an id given twice")
        unknown = [identity for identity in ids if not self._has(detector, identity)]
        if unknown:
            self.violate(request, "ids", f"{len(unknown)} ids that this detector does not have, {unknown[0][:80]!r}")
        request.note.update(ids=len(ids))
        return SimpleNamespace(detector=detector, ids=list(dict.fromkeys(ids)), order=order)

    def _has(self, detector, identity):
        number = self.findings.by_id.get(identity)
        return number is not None and self.findings.current[number].detector == detector

    # Answers.

    def answer(self, request, mount):
        self.findings.advance()
        return getattr(self, f"_answer_{request.note['step']}")(request, request.asked)

    def _answer_detectors(self, _request, asked):
        self.counters["detector_lists"] += 1
        every = self.options.detectors
        page, behind = every[asked.at:asked.at + asked.limit], asked.at + asked.limit
        token = self.tokens.seal("detectors", self.generation, self.now(), behind, 0) if behind < len(every) else None
        return self._json(self._with_token({"detectorIds": page}, token))

    def _answer_list(self, request, asked):
        wanted, content = asked.list, asked.content
        found = self.findings.between(asked.detector, wanted.low, wanted.high, wanted.archived, wanted.descending)
        if content is None:
            self.walks[asked.detector] += 1
            left, number = found, 0
        elif self.options.paging == "offset":
            number = content["number"]
            left = found[number:]
        else:
            place, number = tuple(content["place"]), content["number"]
            left = [entry for entry in found if (entry[:2] < place if wanted.descending else entry[:2] > place)]
        limit = max(1, min(wanted.limit, self.options.page_size))
        page, more = left[:limit], len(left) > limit or (self.options.trailing_page and len(left) == limit)
        token = None
        if more:
            token = self.tokens.seal(wanted.terms, self.generation, self.now(), page[-1][:2], number + len(page))
        self.last_link = token
        response = self._json(self._with_token({"findingIds": [identity for _, identity, _ in page]}, token))
        request.note.update(listed=len(page))
        self.findings.change_behind_page([entry[2] for entry in page])
        return response

    def _with_token(self, data, token):
        if token is not None:
            return {**data, "nextToken": token}
        form = self.options.last_token
        return data if form == "absent" else {**data, "nextToken": "" if form == "empty" else None}

    def _json(self, data):
        response = json_response(200, compact(data))
        response.compressible = True
        return response

    def _answer_details(self, _request, asked):
        found = []
        for identity in asked.ids:
            if not self._has(asked.detector, identity):
                continue
            version = self.findings.current[self.findings.by_id[identity]]
            if self.options.details_missing and version.number % self.options.details_missing == 0:
                self.skipped.add(self._served(version))
            elif self.findings.is_kept(version):
                found.append(version)
        if asked.order:
            found.sort(key=lambda version: version.updated, reverse=asked.order == "DESC")
        elif self.options.detail_order == "reversed":
            found.reverse()
        page = self.ledger.open(tuple(map(self._served, found))) if found else None
        body = Records(b'{"findings":[', b",", b"]}", len(found), lambda: map(self.findings.factory.data, found))
        return Response(200, [("Content-Type", "application/json")], body, page=page, compressible=True)

    def _served(self, version):
        return Served(FINDINGS, self.findings.factory.identify(version), version)

    # Refusals.

    def error(self, status, request, name=None, message=None):
        known = NAMES.get(status) or NAMES[500 if status >= 500 else 400]
        name = name or known[0]
        if message is None:
            message = MESSAGES.get(name, known[1])
        if name in THROTTLES:
            request.note.update(throttled=True)
        members = {"message": message, "__type": name}
        kept = {"both": ("message", "__type"), "message": ("message",), "type": ("__type",), "empty": ()}[self.options.error_body]
        response = json_response(status, compact({member: members[member] for member in kept}))
        if self.options.error_type != "absent":
            url = ":http://internal.amazon.com/coral/com.amazonaws.guardduty/" if self.options.error_type == "url" else ""
            response.set("x-amzn-ErrorType", name + url)
        return response

    def decorate(self, response, request):
        if request.note.get("throttled"):
            self._patience.refused(request)
        elif response.status == 200:
            self._patience.answered(request)
        own = digest(self.seed, f"request/{self.counters['requests']}")
        response.set("x-amzn-RequestId", f"{own[:8]}-{own[8:12]}-4{own[13:16]}-8{own[17:20]}-{own[20:32]}")

    def pool(self, request):
        return "account"

    # Misbehaviours of this vendor only.

    def aws_error(self, request, error="ThrottlingException", status=400, message="-"):
        """Any exception under any status; message `-`: the usual one."""
        return self.error(int(status), request, error, None if message == "-" else message)

    def repeat_cursor(self, response, parameters, request):
        """The nextToken is the one that led to this page."""
        asked = request.asked
        if not request.note.get("listed") or not asked.list.token:
            return False
        data = json.loads(b"".join(response.body.chunks()))
        response.body = self._json({**data, "nextToken": asked.list.token}).body
        return True

    # State.

    def _must_be_offered(self):
        """What is listed now; but for those whose details somebody asked for in vain."""
        with self.lock:         # the ledger is read without it
            self.findings.advance()
            found = [version for detector in self.options.detectors for version in self.findings.listed(detector)]
            skipped = set(self.skipped)
        return (served for served in map(self._served, found) if served not in skipped)

    def details(self):
        self.findings.advance()
        return {"findings": len(self.findings.current), "versions": self.findings.versions, "walks": dict(self.walks),
                "churn_left": self.findings.churn_left, "detector_lists": self.counters["detector_lists"],
                "throttles": self.counters["throttles"], "expired_cursors": self.counters["expired_cursors"],
                "denied": self.counters["denied"], **self.access.details()}

    def save(self):
        return {"findings": self.findings.save(), "generation": self.generation, "skipped": self.skipped, "access": self.access.save(),
                "detectors": self.options.detectors, "known_detectors": self.known_detectors}

    def restore(self, saved):
        self.findings.restore(saved["findings"])
        self.access.restore(saved["access"])
        self.generation, self.skipped = saved["generation"], saved["skipped"]
        self.options.detectors, self.known_detectors = saved["detectors"], saved["known_detectors"]


VENDOR = GuardDuty
