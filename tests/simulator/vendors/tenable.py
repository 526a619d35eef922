"""Tenable Vulnerability Management: exports of vulnerabilities and assets as jobs with chunks.

Records change: a finding is seen again by each scan, is fixed, comes back; an asset is updated. An export holds what was
there when it was created (or, as an option, when its chunks became available). Identities in the ledger, parts joined by `~`:
finding_id (else asset.uuid, plugin.id, port.port, port.protocol), last_found, state; of an asset id, updated_at.
"""

import hashlib
import json
import math
import re
import time
from collections import Counter, deque

from bodies import Records
from ledger import Served, VersionLedger
from messages import Response, html_response, json_response
from options import Option, OptionError
from vendors.base import Vendor
from vendors.tenable_exports import (
    ASSETS, CANCELLED, ERROR, FINISHED, KINDS, RUNNING, VULNERABILITIES, BadExport, Job, Wanted, normal, number_chunks, select_assets,
    select_findings, understand)
from vendors.tenable_records import ALL_SHAPES, Container, Finding, shape_names

MINUTE = 60.0
# A request to another path may have been on its way when a 429 was sent.
IN_FLIGHT_GRACE = 0.25
STREAMED_FROM = 10_000      # records: larger chunks are generated while they are sent
REASONS = {400: "Bad Request", 401: "Unauthorized", 403: "Forbidden", 404: "Not Found", 405: "Method Not Allowed", 409: "Conflict",
           415: "Unsupported Media Type", 500: "Internal Server Error"}
MESSAGES = {401: "Invalid Credentials", 403: "You need ADMIN(64) user permissions to perform this action",
            404: "Export not found", 500: "An internal server error occurred"}
# What does not come from the application itself is HTML.
GATEWAY_TITLES = {429: "Too Many Requests", 502: "Bad Gateway", 503: "Service Temporarily Unavailable", 504: "Gateway Time-out"}
# Of libraries and tools: they say nothing about who is asking.
NAMELESS_AGENTS = re.compile(r"(curl|libcurl|python|Python-urllib|Go-http-client|Java|okhttp|Wget)\b")
DESCRIPTIVE_AGENT = re.compile(r"Integration/\S+ \([^;()]+; [^;()]+; Build/[^;()]+\)")

_PATH = re.compile(r"/(vulns|assets)/export(?:/([^/]+)/(?:(status|cancel)|chunks/([^/]+)))?")


class Tenable(Vendor):
    name = "tenable"
    secret_headers = ("x-apikeys", "authorization", "cookie")
    default_match = {"expired_cursor": "/export/"}
    options_table = (
        # Two data types, and what a killed client leaves behind; the sheet: do not multi-thread.
        Option("max_concurrent", "int", 4, "parallel requests beyond this are violations, answered with 429"),
        Option("keys", "list", ["sim-access:sim-secret"], "accepted access:secret of administrators", secret=True),
        Option("weak_keys", "list", [], "accepted ones of other users (403)", secret=True),
        Option("user_agent", "any|form", "any", "any: but for none and that of a library; form: Integration/1.0 (Vendor; Product; Build/1.0)"),
        Option("refused_limit", "int", 10, "refused keys a minute; beyond: violations"),
        Option("assets", "int", 120, "assets at start"),
        Option("findings", "int", 1200, "findings at start"),
        Option("unlicensed_every", "int", 9, "every n-th asset has no license"),
        Option("start", "float", 0.0, "when the first record was indexed, epoch seconds; 0: `span` seconds ago"),
        Option("span", "float", 3600.0, "seconds over which the initial records are spread"),
        Option("ties", "int", 4, "so many initial findings in a row have the same times"),
        Option("rate", "float", 0.0, "new findings a second from now on"),
        Option("index_lag", "float", 300.0, "seconds from last_found until a finding is indexed and can be exported"),
        Option("finding_ids", "mixed|all|none", "mixed", "which findings have a finding_id; at start only"),
        Option("retention_days", "float", 456.0, "findings not seen for so long are not exported (unverified)"),
        Option("no_filter", "30_days|all", "30_days", "what an export without time filter holds (unverified)"),
        Option("indexed_at", "works|refused", "works", "whether the filter indexed_at is known (unverified)"),
        Option("rate_limit", "int", 400, "requests a window and access key; beyond: 429"),
        Option("rate_window", "float", MINUTE, "seconds of the sliding window"),
        Option("slots", "int", 10, "running exports of each kind, all clients together; beyond: 429"),
        Option("slots_retry", "int", 30, "seconds that such a 429 names"),
        Option("own_exports", "int", 1, "running exports of each kind that this client may have; beyond: violation"),
        Option("status_polls", "int", 40, "status requests a minute and export; beyond: violation"),
        # Of exports created from now on:
        Option("queue_seconds", "float", 0.5, "how long they are QUEUED"),
        Option("chunk_seconds", "float", 0.2, "time from chunk to chunk"),
        Option("job_end", "finished|error|cancelled|stuck", "finished", "how they end; error, cancelled: half-way; stuck: QUEUED for ever"),
        Option("failed_chunks", "int", 0, "so many chunks, the last ones, fail in an export that is FINISHED all the same"),
        Option("snapshot", "created|available", "created", "when the contents of a chunk are fixed"),
        Option("chunk_numbers", "dense|gaps", "dense", "whether numbers of chunks are contiguous"),
        Option("chunk_order", "ascending|mixed", "ascending", "order in which chunks become available"),
        Option("empty_every", "int", 0, "behind every n-th chunk comes an empty one"),
        Option("empty_export", "none|chunk", "none", "an export without records has no chunk, or an empty one"),
        # Of all:
        Option("chunk_life", "float", 86400.0, "seconds from creation until an export is unknown (unverified)"),
        Option("status_filters", "absent|object|text", "absent", "whether a status shows the export's filters (unverified)"),
        Option("chunk_type", "str", "application/json", "Content-Type of chunks (unverified)"),
        # Of records made from now on:
        Option("style", "compact|pretty|spaced", "compact", "blanks between tokens"),
        Option("shapes", "list", [], f"unusual JSON: all, or of {', '.join(ALL_SHAPES)}"),
        Option("shape_every", "int", 10, "every n-th record has a shape"),
    )
    actions = {name: name for name in (
        "append", "scan", "fix", "reopen", "add_assets", "update_assets", "delete_assets", "terminate_assets", "churn",
        "finish_exports", "fail_exports", "cancel_exports", "expire_exports", "expire_chunks", "foreign_exports", "conflict",
        "revoke_key", "regenerate_key", "reset_window")}

    def __init__(self, seed, texts):
        super().__init__(seed, texts)
        self.container = Container(seed, self.options, self.now)
        self.ledger = VersionLedger(self.container.factory.data, self._must_be_offered)
        self.jobs = {}
        self.known_keys = set()         # ever accepted: using one later is no violation
        self.walks = Counter()          # exports created, by data type
        self.unlicensed_asked = False
        self._conflicts = {}            # kind: uuid of the job that the next create is refused for
        self._churn = {}
        self._windows = {}              # by access key: times of its requests
        self._refused = deque()
        self._named = {}
        self.after_set()

    # Options and actions.

    def after_set(self):
        self.known_keys.update(self.options.keys, self.options.weak_keys)
        shape_names(self.options.shapes)
        self.container.set_rate(self.options.rate)

    def append(self, value):
        """Action: new findings, indexed now. A number, or {"count": n, "late_by": s, "style": ..., "shapes": [...]}: last_found
        is `index_lag` and `late_by` seconds ago."""
        return self.container.append(value)

    def scan(self, value):
        """Action: a scan sees findings again. A number, or {"count": n, "which": "any|first|last"}."""
        return self.container.change_findings(value, "scan")

    def fix(self, value):
        """Action: findings are fixed; as scan."""
        return self.container.change_findings(value, "fix")

    def reopen(self, value):
        """Action: fixed findings come back; as scan."""
        return self.container.change_findings(value, "reopen")

    def add_assets(self, value):
        """Action: new assets. A number, or {"count": n, "late_by": s}: updated_at is so long ago."""
        return self.container.add_assets(value)

    def update_assets(self, value):
        """Action: assets are updated; as scan."""
        return self.container.change_assets(value, "update")

    def delete_assets(self, value):
        """Action: assets are deleted: they and their findings are in no export but one with deleted_at; as scan."""
        return self.container.change_assets(value, "delete")

    def terminate_assets(self, value):
        """Action: assets are terminated: they are in no export but one with terminated_at; as scan."""
        return self.container.change_assets(value, "terminate")

    def churn(self, value):
        """Action: behind each of the next `chunks` chunks something changes: {"chunks": n, "append": n, "scan": n, "fix": n,
        "reopen": n, "add_assets": n, "update_assets": n}."""
        value = {name: int(number) for name, number in dict(value).items()}
        unknown = value.keys() - {"chunks", "append", "scan", "fix", "reopen", "add_assets", "update_assets"}
        if unknown:
            raise OptionError(f"churn: no {', '.join(sorted(unknown))}")
        self._churn = value

    def finish_exports(self, _value):
        """Action: all running exports are FINISHED now, with all their chunks."""
        return self._stop_all(FINISHED)

    def fail_exports(self, _value):
        """Action: all running exports end in ERROR now."""
        return self._stop_all(ERROR)

    def cancel_exports(self, _value):
        """Action: an administrator cancels all running exports."""
        return self._stop_all(CANCELLED)

    def _stop_all(self, state):
        now = self.now()
        running = [job for job in self.jobs.values() if job.status(now) in RUNNING]
        for job in running:
            job.stop(state, now)
        return [job.uuid for job in running]

    def expire_exports(self, _value):
        """Action: no export created so far is known any more."""
        for job in self.jobs.values():
            job.gone = True

    def expire_chunks(self, _value):
        """Action: the chunks of all exports are gone; their status is still told."""
        for job in self.jobs.values():
            job.chunks_gone = True

    def foreign_exports(self, value):
        """Action: other clients run exports. {"kind": "vulns|assets", "count": n, "filters": {...}, "seconds": s}: QUEUED for so
        long (default: an hour)."""
        value = dict(value)
        kind, filters = value.get("kind", "vulns"), value.get("filters", {"severity": ["critical"]})
        if kind not in KINDS or value.keys() - {"kind", "count", "filters", "seconds"}:
            raise OptionError("foreign_exports: kind (vulns or assets), count, filters, seconds")
        return [self._foreign(kind, filters, float(value.get("seconds", 3600.0))) for _ in range(int(value.get("count", 1)))]

    def conflict(self, value):
        """Action: the next create of a kind is refused with 409 for a job of somebody else, which is over at once: {"kind":
        "vulns|assets", "filters": {...}, "gone": bool}. Its filters need not be those asked for; gone: it is unknown already."""
        value = dict(value)
        kind = value.get("kind", "vulns")
        if kind not in KINDS or value.keys() - {"kind", "filters", "gone"}:
            raise OptionError("conflict: kind (vulns or assets), filters, gone")
        uuid = self._foreign(kind, value.get("filters", {}), 0.0)
        self.jobs[uuid].gone = bool(value.get("gone"))
        self._conflicts[kind] = uuid
        return uuid

    def _foreign(self, kind, filters, seconds):
        filters = normal(filters)
        known = {name: value for name, value in filters.items() if name in KINDS[kind].times + KINDS[kind].others}
        job = self._create(kind, Wanted(KINDS[kind].default or 1000, known), foreign=True)
        job.wanted = Wanted(job.wanted.size, filters)
        job.queue_s, job.chunk_s, job.end = seconds, 0.0, "finished"
        return job.uuid

    def revoke_key(self, access):
        """Action: an access key is not accepted any more; using it is no violation."""
        for name in ("keys", "weak_keys"):
            setattr(self.options, name, [pair for pair in getattr(self.options, name) if pair.partition(":")[0] != access])

    def regenerate_key(self, pair):
        """Action: the user's only valid pair is this one (`access:secret`) from now on."""
        self.options.keys = [pair]

    def reset_window(self, _value):
        """Action: the windows of all users are empty again."""
        self._windows.clear()
        self._waits.clear()

    # Requests.

    def inspect(self, request, mount):
        path = request.path[len(mount):]
        match = _PATH.fullmatch(path)
        if match is None:
            self.violate(request, "path", f"no {path} in the sheet")
            return self.error(404, request)
        kind, uuid, what, chunk = match.groups()
        step = "create" if uuid is None else what or "chunk"
        request.note.update(data_type=KINDS[kind].data_type, step=step)
        if request.method != ("POST" if step in ("create", "cancel") else "GET"):
            self.violate(request, "method", request.method)
            return self.error(405, request)
        self._check_agent(request)
        refusal = self._authorize(request)
        if refusal:
            return refusal
        if request.query:
            self.violate(request, "query", "a query, though the sheet knows none")
        try:
            request.asked, refusal = getattr(self, f"_check_{step}")(request, kind, uuid, chunk)
        except BadExport as bad:
            if bad.code:
                self.violate(request, bad.code, str(bad))
            return self.error(400, request, str(bad))
        return refusal

    def _check_agent(self, request):
        agent = request.header("User-Agent") or ""
        right = DESCRIPTIVE_AGENT.fullmatch(agent) if self.options.user_agent == "form" else agent and not NAMELESS_AGENTS.match(agent)
        if not right:
            self.violate(request, "user_agent", f"{agent!r} does not say which product asks")

    def _authorize(self, request):
        value = request.header("X-ApiKeys") or ""
        match = re.fullmatch(r"accessKey=([^;\s]+);secretKey=([^;\s]+)", value)
        pair = f"{match.group(1)}:{match.group(2)}" if match else ""
        if pair in self.options.weak_keys:
            return self._spend(request, match.group(1)) or self.error(403, request)
        if pair in self.options.keys:
            return self._spend(request, match.group(1))
        if pair not in self.known_keys:
            self.violate(request, "authorization", "keys never issued" if match else
                         "X-ApiKeys is not `accessKey=<access>;secretKey=<secret>`" if value else "no X-ApiKeys")
        while self._refused and self._refused[0] <= request.monotonic - MINUTE:
            self._refused.popleft()
        self._refused.append(request.monotonic)
        self.counters["refused_keys"] += 1
        if len(self._refused) > self.options.refused_limit:
            self.violate(request, "refused_again", f"{len(self._refused)} refused keys in a minute")
        return self.error(401, request)

    def _spend(self, request, access):
        """The user's sliding window; a refused request does not count."""
        window = self._windows.setdefault(access, deque())
        while window and window[0] <= request.monotonic - self.options.rate_window:
            window.popleft()
        limit = self.options.rate_limit
        if len(window) >= limit:
            first = window[-limit] if limit > 0 else request.monotonic
            return self._throttled(request, first + self.options.rate_window - time.monotonic())
        window.append(request.monotonic)
        return None

    def _throttled(self, request, seconds):
        response = self.error(429, request)
        whole = max(1, math.ceil(seconds))
        response.set("retry-after", str(whole))
        response.wait_until = self.now() + whole
        return response

    def _check_create(self, request, kind, _uuid, _chunk):
        if (request.header("Content-Type") or "").partition(";")[0].strip().lower() != "application/json":
            raise BadExport("content_type", "Content-Type must be application/json")
        try:
            body = json.loads(request.body)
        except (ValueError, RecursionError):
            body = None
        if not isinstance(body, dict):
            raise BadExport("body", "the body must be a JSON object")
        wanted = understand(KINDS[kind], body, self.now(), self.options)
        request.note.update(filters=wanted.filters)
        return (kind, wanted), self._check_slots(request, kind, wanted)

    def _check_slots(self, request, kind, wanted):
        """409 for a duplicate of a running export, 429 where all slots are taken."""
        if kind in self._conflicts:
            return self._duplicate(self._conflicts.pop(kind), request)
        now = self.now()
        running = [job for job in self.jobs.values() if job.kind == kind and not job.gone and job.status(now) in RUNNING]
        for job in running:
            if job.wanted.filters == wanted.filters:
                return self._duplicate(job.uuid, request)
        if len(running) >= self.options.slots:
            request.note["slots"] = True
            return self._throttled(request, self.options.slots_retry)
        mine = sum(not job.foreign for job in running)
        if mine >= self.options.own_exports:
            self.violate(request, "second_export", f"{mine} exports of this kind are running, {self.options.own_exports} may")
        return None

    def _duplicate(self, uuid, request):
        self.counters["duplicates"] += 1
        request.note.update(active_job_id=uuid)
        return json_response(409, _compact({"active_job_id": uuid, "failure_reason": "Export already running with the same filters"}))

    def _check_job(self, request, kind, uuid):
        """(job, refusal)."""
        job = self.jobs.get(uuid)
        if job is None or job.kind != kind:
            self.violate(request, "unknown_export", f"no export {uuid[:60]} was ever created")
            return None, self.error(404, request)
        if job.gone or self.now() >= job.created + self.options.chunk_life:
            self.counters["expired"] += 1
            return job, self.error(404, request)
        return job, None

    def _check_status(self, request, kind, uuid, _chunk):
        job, refusal = self._check_job(request, kind, uuid)
        if job is not None:
            job.polls = [at for at in job.polls if at > request.monotonic - MINUTE] + [request.monotonic]
            if len(job.polls) > self.options.status_polls:
                self.violate(request, "status_polls", f"{len(job.polls)} status requests in a minute")
        return job, refusal

    def _check_cancel(self, request, kind, uuid, _chunk):
        return self._check_job(request, kind, uuid)

    def _check_chunk(self, request, kind, uuid, chunk):
        job, refusal = self._check_job(request, kind, uuid)
        if refusal:
            return job, refusal
        number = int(chunk) if chunk.isascii() and chunk.isdigit() and len(chunk) < 9 else 0
        if number not in job.available(self.now()):
            self.violate(request, "chunk", f"chunk {chunk[:20]} is not available")
            return job, self.error(404, request, "Chunk not found")
        if job.chunks_gone:
            self.counters["expired"] += 1
            return job, self.error(404, request, "Chunk not found")
        return (job, number), None

    # Answers.

    def answer(self, request, mount):
        return getattr(self, f"_answer_{request.note['step']}")(request.asked)

    def _answer_create(self, asked):
        kind, wanted = asked
        self.unlicensed_asked = self.unlicensed_asked or wanted.unlicensed
        job = self._create(kind, wanted)
        self.walks[KINDS[kind].data_type] += 1
        self.last_link = job.uuid
        return json_response(200, _compact({"export_uuid": job.uuid}))

    def _create(self, kind, wanted, foreign=False):
        self.container.advance()
        options, now = self.options, self.now()
        groups = (select_findings(self.container, wanted, now, options) if kind == "vulns" else select_assets(self.container, wanted))
        digest = hashlib.sha256(f"{self.seed}/export/{len(self.jobs)}".encode()).hexdigest()
        groups, numbers = number_chunks(groups, options, digest)
        uuid = f"{digest[:8]}-{digest[8:12]}-4{digest[13:16]}-8{digest[17:20]}-{digest[20:32]}"
        failed = tuple(numbers[len(numbers) - min(options.failed_chunks, len(numbers)):]) if not foreign else ()
        job = Job(uuid, kind, now, wanted, groups, numbers, options.queue_seconds, options.chunk_seconds, options.job_end, foreign, failed)
        if options.snapshot == "created":
            for number in numbers:
                self._fix_contents(job, number)
        self.jobs[uuid] = job
        return job

    def _fix_contents(self, job, number):
        if number not in job.contents:
            shelf = self.container.findings if job.kind == "vulns" else self.container.assets
            job.contents[number] = tuple(shelf[record] for record in job.groups[job.numbers.index(number)])

    def _answer_status(self, job):
        now = self.now()
        available = job.available(now)
        for number in available:
            self._fix_contents(job, number)
        status, done = job.status(now), job.done(now)
        failed = [number for number in job.numbers[:done] if number in job.failed]
        data = {"uuid": job.uuid, "status": status, "chunks_available": available, "chunks_failed": failed,
                "chunks_cancelled": job.numbers[done:] if status == CANCELLED else [], "total_chunks": len(job.numbers),
                "finished_chunks": len(available), "created": int(job.created * 1000)}
        if self.options.status_filters != "absent":
            as_text = self.options.status_filters == "text"
            data["filters"] = json.dumps(job.wanted.filters) if as_text else job.wanted.filters
        return json_response(200, _compact(data))

    def _answer_cancel(self, job):
        now = self.now()
        if job.status(now) in RUNNING:
            job.stop(CANCELLED, now)
        return json_response(200, _compact({"status": job.status(now)}))

    def _answer_chunk(self, asked):
        job, number = asked
        self._fix_contents(job, number)
        versions = job.contents[number]
        page = self.ledger.open(tuple(self._served(version) for version in versions)) if versions else None
        body = Records(b"[", b",", b"]", len(versions), lambda: map(self.container.factory.data, versions),
                       streamed=len(versions) > STREAMED_FROM)
        self._change_behind_chunk()
        return Response(200, [("Content-Type", self.options.chunk_type)], body, page=page, compressible=True)

    def _change_behind_chunk(self):
        if self._churn.get("chunks", 0) <= 0:
            return
        self._churn["chunks"] -= 1
        for name, number in self._churn.items():
            if name != "chunks" and number:
                getattr(self, name)(number)

    def _served(self, version):
        kind = VULNERABILITIES if isinstance(version, Finding) else ASSETS
        return Served(kind, self.container.factory.identify(version), version)

    # Refusals.

    def error(self, status, request, message=None):
        if status == 429 or status > 500:
            title = f"{status} {GATEWAY_TITLES.get(status, 'Error')}"
            return html_response(status, f"<html>\r\n<head><title>{title}</title></head>\r\n<body>\r\n<center><h1>{title}</h1></center>\r\n"
                                         "<hr><center>nginx</center>\r\n</body>\r\n</html>\r\n")
        reason = REASONS.get(status, "Error")
        return json_response(status, _compact({"statusCode": status, "error": reason, "message": message or MESSAGES.get(status, reason)}))

    def pool(self, request):
        """A 429 is about all requests of the user, or about running exports of one kind."""
        return request.path if request.note.get("slots") else "user"

    def name_wait(self, request, until):
        super().name_wait(request, until)
        self._named[self.pool(request)] = (request.path, time.monotonic())

    def check_wait(self, request):
        path, named = self._named.get("user", (None, 0.0))
        if path == request.path or request.monotonic - named > IN_FLIGHT_GRACE:
            super().check_wait(request)
        if request.path in self._waits and request.method == "POST":
            request.note["slots"] = True
            super().check_wait(request)
            del request.note["slots"]

    # State.

    def _must_be_offered(self):
        """The present versions that an export may hold; of unlicensed assets only once somebody asked for them."""
        with self.lock:         # the ledger is read without it
            self.container.advance()
            assets, findings = list(self.container.assets), list(self.container.findings)
        oldest = int((self.now() - self.options.retention_days * 86400) * 1000)
        for finding in findings:
            asset = assets[finding.asset]
            if (asset.licensed or self.unlicensed_asked) and not asset.deleted and max(finding.last_found, finding.last_fixed) >= oldest:
                yield self._served(finding)
        for asset in assets:
            if not asset.deleted and not asset.terminated:
                yield self._served(asset)

    def details(self):
        self.container.advance()
        now = self.now()
        shown = [{"uuid": job.uuid, "kind": job.kind, "status": "gone" if job.gone else job.status(now), "chunks": len(job.numbers),
                  "available": len(job.available(now)), "foreign": job.foreign} for job in list(self.jobs.values())[-20:]]
        return {"assets": len(self.container.assets), "findings": len(self.container.findings), "versions": self.container.versions,
                "walks": dict(self.walks), "exports": shown, "churn_left": self._churn.get("chunks", 0),
                "duplicates": self.counters["duplicates"], "expired": self.counters["expired"],
                "refused_keys": self.counters["refused_keys"]}

    def save(self):
        return {"container": self.container.save(), "jobs": self.jobs, "keys": self.options.keys, "weak_keys": self.options.weak_keys,
                "known": self.known_keys, "unlicensed": self.unlicensed_asked, "conflicts": self._conflicts}

    def restore(self, saved):
        self.container.restore(saved["container"])
        self.jobs, self.known_keys, self.unlicensed_asked = saved["jobs"], saved["known"], saved["unlicensed"]
        self.options.keys, self.options.weak_keys = saved["keys"], saved["weak_keys"]
        self._conflicts = saved["conflicts"]
        for job in self.jobs.values():
            job.polls = []      # of another machine's clock, perhaps


def _compact(data):
    return json.dumps(data, separators=(",", ":"), ensure_ascii=False).encode()


VENDOR = Tenable
