"""Splunk: searches whose results come as a stream of lines (export) or as a job with pages; tokens, sessions, Basic.

Events do not change, but they are found only once they are indexed, which may be long after their time. Identities in the
ledger: `_cd~_bkt` (a `~` inside written `=7E`); of events without these `h:` and 32 hex digits of the SHA-256 of
`_raw~_time~host~source`, `#2` behind it for the second of two equal ones; of rows of a transforming search `h:` and 32 hex digits
of the row's SHA-256, then `~`, earliest, `~`, latest as the request gave them.
"""

import binascii
import hashlib
import re
import time
from base64 import b64decode
from collections import Counter, deque
from dataclasses import dataclass
from types import SimpleNamespace
from urllib.parse import parse_qsl
from xml.sax.saxutils import escape

import misbehave
from bodies import Bytes
from ledger import Served, VersionLedger
from messages import Response, html_response, json_response, note_token
from options import Option, OptionError
from vendors import splunk_search
from vendors.base import Vendor
from vendors.splunk_events import ALL_SHAPES, KIND, ZONES, Event, Indexes, Row, identify_row, shape_names
from vendors.splunk_jobs import DONE, FAILED, UNDONE, ExportStream, Job, compact, message, previews, results_page
from vendors.splunk_search import BadSearch

MINUTE = 60.0
LOGIN = "/services/auth/login"
FORM = "application/x-www-form-urlencoded"
SEARCH_NAMES = frozenset(("search", "earliest_time", "latest_time", "output_mode", "index_earliest", "index_latest", "timeout", "max_time"))
NAMES = {
    "export": SEARCH_NAMES | {"preview"}, "create": SEARCH_NAMES | {"exec_mode", "count", "max_count", "id"},
    "results": frozenset(("output_mode", "count", "offset")), "login": frozenset(("username", "password", "output_mode")),
}
TEXTS = {
    400: "Bad Request", 401: "call not properly authenticated", 403: "insufficient permission to access this resource", 404: "Not Found",
    405: "Method Not Allowed", 429: "Too Many Requests", 500: "Internal Server Error",
    503: "Search not executed: The maximum number of concurrent historical searches on this instance has been reached.",
}
_JOB = re.compile(r"/services/search/(v2/)?jobs/([^/]+)(/results)?")
_BAD_ESCAPE = re.compile(r"[^A-Za-z0-9._~*+&=%!$'(),;:@/?-]|%(?![0-9A-Fa-f]{2})")
_SECRET = re.compile(r"\b(password|username|token)=[^&]*")


@dataclass
class Session:
    user: str
    used: float         # vendor time
    ended: bool = False


class BadForm(ValueError):
    """The vendor answers 400; `code` is the kind of violation."""

    def __init__(self, code, text):
        super().__init__(text)
        self.code = code


class Splunk(Vendor):
    name = "splunk"
    secret_headers = ("authorization", "cookie")
    default_match = {"expired_cursor": "/jobs/", "fatal": "/jobs"}
    words = {"type": ("DEBUG", "INFO", "WARN", "ERROR", "FATAL"), "header": misbehave.WORDS["header"]}
    options_table = (
        Option("max_concurrent", "int", 4, "parallel requests beyond this are violations, answered with 429"),
        Option("tokens", "list", ["sim-token"], "accepted authentication tokens", secret=True),
        Option("weak_tokens", "list", [], "accepted ones of a role without `search` (403)", secret=True),
        Option("users", "list", ["sim-user:sim-password"], "accepted user:password", secret=True),
        Option("basic", "accepted|refused", "accepted", "whether HTTP Basic works on each call"),
        Option("session_idle", "float", 3600.0, "seconds without a request until a session key is dead (unverified)"),
        Option("login_limit", "int", 10, "logins a minute and user; beyond: violations"),
        Option("refused_limit", "int", 3, "refused credentials of one kind a minute; beyond: violations"),
        Option("v2", "present|missing", "present", "whether the server has the v2 paths; missing: 404 there"),
        Option("events", "int", 1000, "events at start"),
        Option("start", "float", 0.0, "time of the first event, epoch seconds; 0: so that all can be found now"),
        Option("span", "float", 3600.0, "seconds over which the initial events are spread"),
        Option("ties", "int", 3, "so many initial events in a row have the same time"),
        Option("rate", "float", 0.0, "new events a second from now on"),
        Option("index_lag", "float", 5.0, "seconds from an event's time until it is indexed"),
        Option("ids", "mixed|all|none", "all", "which events have _cd and _bkt"),
        Option("twin_every", "int", 0, "every n-th event is one more of the event before it"),
        Option("zone", f"{'|'.join(ZONES)}|mixed", "+00:00", "offset of _time"),
        Option("saved_searches", "list", ["Errors by type"], "saved searches that are there"),
        Option("index_bounds", "works|refused|ignored", "works", "what becomes of index_earliest and index_latest (unverified)"),
        Option("preview_name", "works|ignored", "works", "whether preview=0 is obeyed (unverified)"),
        Option("previews", "int", 3, "lines of an export that are not final, where previews are not switched off"),
        Option("lines", "single|batch", "single", "a line of an export has `result`, or `results`"),
        Option("blank_lines", "bool", False, "blank lines in exports"),
        Option("lastrow", "last|never", "last", "whether the last line of an export says so"),
        Option("empty_export", "nothing|lastrow", "nothing", "an export without results is empty, or a line without one"),
        Option("notices", "bool", False, "exports begin with lines of diagnostics"),
        Option("search_slots", "int", 10, "searches that may run at once; beyond: no new one"),
        Option("slots_answer", "503|fatal", "503", "what such a request is answered (unverified)"),
        Option("disk_jobs", "int", 50, "jobs that the role's disk quota holds; beyond: no new one"),
        Option("own_jobs", "int", 2, "running jobs that this client may have; beyond: violations"),
        Option("left_jobs", "int", 5, "finished jobs that this client may leave behind undeleted; beyond: violations"),
        Option("status_polls", "int", 40, "status requests a minute and job; beyond: violations"),
        Option("max_result_rows", "int", 50_000, "results on a page at most, whatever was asked (unverified)"),
        Option("job_life", "float", 600.0, "seconds without a request until a job is forgotten"),
        # Of jobs created from now on:
        Option("queue_seconds", "float", 0.2, "how long they are QUEUED"),
        Option("run_seconds", "float", 0.5, "how long they run then"),
        Option("job_end", "done|failed|stuck", "done", "how they end; stuck: QUEUED for ever"),
        Option("snapshot", "created|done", "created", "when their results are fixed"),
        # Of events made from now on:
        Option("style", "compact|spaced", "compact", "blanks between tokens"),
        Option("shapes", "list", [], f"unusual JSON: all, or of {', '.join(ALL_SHAPES)}"),
        Option("shape_every", "int", 10, "every n-th event has a shape"),
    )
    actions = {name: name for name in ("append", "churn", "expire_sessions", "revoke_token", "revoke_user", "finish_jobs", "fail_jobs",
                                       "expire_jobs", "foreign_jobs")}

    def __init__(self, seed, texts):
        super().__init__(seed, texts)
        self.replacements = {"fatal": self.fatal, "throttle": self.throttle}
        self.alterations = {"message_line": self.message_line}
        self.indexes = Indexes(seed, self.options, self.now)
        self.ledger = VersionLedger(self.indexes.factory.data, self._must_be_offered)
        self.known = set()          # credentials ever accepted: using one later is no violation
        self.sessions = {}
        self.jobs = {}
        self.walks = Counter()      # searches, by mode
        self.owed = splunk_search.parse("search index=main", ())
        self.v2_missed = False      # somebody was told that there is no v2
        self._refused = {}          # by hash of the credential: times
        self._logins = {}
        self._churn = {}
        self.after_set()

    # Options and actions.

    def after_set(self):
        self.known.update(f"Bearer {token}" for token in (*self.options.tokens, *self.options.weak_tokens))
        self.known.update(self.options.users)
        shape_names(self.options.shapes)
        self.indexes.set_rate(self.options.rate)

    def append(self, value):
        """Action: new events, indexed now. A number, or {"count": n, "late_by": s, "at": epoch, "index": name, "shapes": [...],
        "spaced": bool}: with `late_by` their time is so long ago, with `at` it is this for all of them."""
        return self.indexes.append(value)

    def churn(self, value):
        """Action: behind each of the next `pages` replies with results events are indexed: {"pages": n, "append": n, "late_by": s}."""
        value = dict(value)
        unknown = value.keys() - {"pages", "append", "late_by"}
        if unknown:
            raise OptionError(f"churn: no {', '.join(sorted(unknown))}")
        self._churn = value

    def expire_sessions(self, _value):
        """Action: all session keys are dead; using one once more is no violation."""
        for session in self.sessions.values():
            session.ended = True
        return len(self.sessions)

    def revoke_token(self, token):
        """Action: a token is not accepted any more; using it is no violation."""
        for name in ("tokens", "weak_tokens"):
            setattr(self.options, name, [known for known in getattr(self.options, name) if known != token])

    def revoke_user(self, name):
        """Action: a user is not accepted any more, and has no session; using it is no violation."""
        self.options.users = [pair for pair in self.options.users if pair.partition(":")[0] != name]
        for session in self.sessions.values():
            session.ended = session.ended or session.user == name

    def finish_jobs(self, _value):
        """Action: all running jobs are DONE now."""
        return self._stop_all(DONE)

    def fail_jobs(self, _value):
        """Action: all running jobs are FAILED now."""
        return self._stop_all(FAILED)

    def _stop_all(self, state):
        now = self.now()
        running = [job for job in self._alive() if job.state(now) in UNDONE]
        for job in running:
            if state == DONE:
                self._fix_results(job)
            job.stopped = state
        return [job.sid for job in running]

    def expire_jobs(self, _value):
        """Action: no job created so far is known any more."""
        for job in self.jobs.values():
            job.expired = True

    def foreign_jobs(self, value):
        """Action: other users run jobs: {"count": n, "seconds": s, "search": SPL}."""
        value = dict(value)
        if value.keys() - {"count", "seconds", "search"}:
            raise OptionError("foreign_jobs: count, seconds, search")
        search = splunk_search.parse(value.get("search", "search index=os"), ())
        window, made = splunk_search.Window(self.now() - 3600, self.now()), []
        for _ in range(int(value.get("count", 1))):
            job = self._new_job(search, window, foreign=True)
            job.queue_s, job.run_s, job.end = 0.0, float(value.get("seconds", 3600.0)), "done"
            made.append(job.sid)
        return made

    # Requests.

    def inspect(self, request, mount):
        path = request.path[len(mount):]
        step, sid, version = self._route(request, path)
        if step is None:
            self.violate(request, "path", f"no {path} in the sheet")
            return self.error(404, request)
        request.note.update(step=step)
        if request.method not in _METHODS[step]:
            self.violate(request, "method", request.method)
            return self.error(405, request)
        refusal = None if step == "login" else self._authorize(request)
        if refusal or self._no_such_version(request, step, version):
            return refusal or self.error(404, request)
        try:
            form = self._form(request, step)
            return getattr(self, f"_check_{step}")(request, form, sid)
        except (BadForm, BadSearch) as bad:
            if bad.code:
                self.violate(request, bad.code, str(bad))
            return self.error(400, request, str(bad), "FATAL")

    @staticmethod
    def _route(request, path):
        """(step, sid, version) of a path: version 1 or 2, 0 where there is but one."""
        if path == LOGIN:
            return "login", None, 0
        if path in ("/services/search/v2/jobs/export", "/services/search/jobs/export"):
            return "export", None, 2 if "/v2/" in path else 1
        if path == "/services/search/jobs":
            return "list" if request.method == "GET" else "create", None, 0
        match = _JOB.fullmatch(path)
        if match is None or (match[1] and not match[3]):
            return None, None, 0
        step = "results" if match[3] else "delete" if request.method == "DELETE" else "status"
        return step, match[2], 0 if not match[3] else 2 if match[1] else 1

    def _no_such_version(self, request, step, version):
        if version == 2 and self.options.v2 == "missing":
            self.v2_missed = True
            return True
        if version == 1 and not self.v2_missed:
            self.violate(request, "deprecated", f"the first form of {step}, though nobody was told that there is no v2")
        return False

    def _form(self, request, step):
        """Members of query and form; the search endpoints take a form."""
        if request.method == "POST":
            kind = (request.header("Content-Type") or "").partition(";")[0].strip().lower()
            if kind != FORM:
                raise BadForm("content_type", f"Content-Type must be {FORM}")
        form = {}
        for text in (request.query, request.body.decode("latin-1") if request.method == "POST" else ""):
            bad = _BAD_ESCAPE.search(text)
            if bad:
                self.violate(request, "encoding", f"{bad.group()!r} is not encoded")
            for name, value in parse_qsl(text, keep_blank_values=True):
                if name in form:
                    raise BadForm("form", f"{name} is given twice")
                form[name] = value
        for name in form.keys() - NAMES.get(step, frozenset(("output_mode", "count", "offset"))):
            raise BadForm("form", f'Argument "{name}" is not supported by this handler.')
        if step == "login" and _SECRET.search(request.query):
            self.violate(request, "secret_in_url", "credentials in the query")
        if step not in ("login", "delete") and form.get("output_mode") != "json":
            self.violate(request, "output_mode", f"output_mode {form.get('output_mode')}: the reply is XML")
            request.note.update(xml=True)
        return form

    def shown(self, target):
        return _SECRET.sub(r"\1=…", target)

    # Credentials.

    def _authorize(self, request):
        header = request.header("Authorization") or ""
        scheme, _, value = header.partition(" ")
        if scheme == "Bearer" and value in self.options.weak_tokens:
            return self.error(403, request)
        if scheme == "Bearer" and value in self.options.tokens:
            return None
        if scheme == "Splunk" and self._session_lives(value):
            return None
        pair = _decoded(value) if scheme == "Basic" else None
        if pair in self.options.users and self.options.basic == "accepted":
            return None
        if header not in self.known and pair not in self.known and value not in self.sessions:
            self.violate(request, "authorization", "a credential never accepted" if header else "no Authorization")
        return self._refuse(request, header)

    def _session_lives(self, key):
        session = self.sessions.get(key)
        if session is None or session.ended or self.now() >= session.used + self.options.session_idle:
            return False
        session.used = self.now()
        return True

    def _refuse(self, request, credential, text=None):
        digest = hashlib.sha256(credential.encode("utf-8", "replace")).hexdigest()
        times = self._refused.setdefault(digest, deque())
        while times and times[0] <= request.monotonic - MINUTE:
            times.popleft()
        times.append(request.monotonic)
        self.counters["refused_credentials"] += 1
        if len(times) > self.options.refused_limit:
            self.violate(request, "refused_again", f"{len(times)} times in a minute with a credential that is refused")
        return self.error(401, request, text)

    def _check_login(self, request, form, _sid):
        if not form.get("username") or "password" not in form:
            raise BadForm("form", "username and password are required")
        pair = f"{form['username']}:{form['password']}"
        if pair not in self.options.users:
            if pair not in self.known:
                self.violate(request, "authorization", "a user and password never accepted")
            return self._refuse(request, pair, "Login failed")
        times = self._logins.setdefault(form["username"], deque())
        while times and times[0] <= request.monotonic - MINUTE:
            times.popleft()
        times.append(request.monotonic)
        if len(times) > self.options.login_limit:
            self.violate(request, "login_again", f"{len(times)} logins in a minute")
        request.asked = SimpleNamespace(user=form["username"], json=form.get("output_mode") == "json")
        return None

    # What a search asks for.

    def _understand(self, form):
        if not form.get("search"):
            raise BadForm("form", "search is required")
        if self.options.index_bounds == "refused":
            for name in ("index_earliest", "index_latest"):
                if name in form:
                    raise BadForm(None, f'Argument "{name}" is not supported by this handler.')
        search = splunk_search.parse(form["search"], self.options.saved_searches)
        window = splunk_search.window_of(search, form, self.now(), self.options.index_bounds)
        texts = "~".join(form.get(name, "") for name in ("earliest_time", "latest_time"))
        return search, window, texts

    def _check_search(self, request, form):
        search, window, texts = self._understand(form)
        if window.earliest is None and window.index_earliest is None:
            self.violate(request, "unbounded", "a search over all times")
        request.note.update(earliest=window.earliest, latest=window.latest, search=search.text)
        request.asked = SimpleNamespace(search=search, window=window, texts=texts, form=form)
        return self._check_slots(request)

    def _check_export(self, request, form, _sid):
        if form.get("preview", "1") not in ("0", "1", "true", "false", "t", "f"):
            raise BadForm("form", "preview must be a boolean")
        return self._check_search(request, form)

    def _check_create(self, request, form, _sid):
        if form.get("exec_mode", "normal") not in ("normal", "blocking", "oneshot"):
            raise BadForm("form", f"exec_mode {form['exec_mode']}")
        now = self.now()
        refusal = self._check_search(request, form)
        own = [job for job in self._alive() if not job.foreign]
        running, left = sum(job.state(now) in UNDONE for job in own), sum(job.state(now) not in UNDONE for job in own)
        if refusal is None and running >= self.options.own_jobs:
            self.violate(request, "second_job", f"{running} jobs are running, {self.options.own_jobs} may")
        if refusal is None and left > self.options.left_jobs:
            self.violate(request, "left_jobs", f"{left} finished jobs were not deleted")
        return refusal

    def _check_slots(self, request):
        """No new search where all places, or all of the disk, are taken."""
        now, alive = self.now(), list(self._alive())
        running = sum(job.state(now) in UNDONE for job in alive) + self.in_flight - 1
        if running < self.options.search_slots and len(alive) < self.options.disk_jobs:
            return None
        self.counters["refused_searches"] += 1
        text = TEXTS[503] if running >= self.options.search_slots else "The maximum disk usage quota for this user has been reached."
        if self.options.slots_answer == "503":
            return self.error(503, request, text, "FATAL")
        return json_response(200, compact(message("FATAL", text)) + b"\n")

    def _alive(self):
        now = self.now()
        return (job for job in self.jobs.values() if not job.gone(now, self.options.job_life))

    def _check_list(self, request, form, _sid):
        request.asked = None

    def _check_status(self, request, form, sid):
        refusal = self._find_job(request, sid)
        if refusal is None:
            polls = request.asked.polls
            while polls and polls[0] <= request.monotonic - MINUTE:
                polls.popleft()
            polls.append(request.monotonic)
            if len(polls) > self.options.status_polls:
                self.violate(request, "status_polls", f"{len(polls)} status requests in a minute")
        return refusal

    def _check_delete(self, request, form, sid):
        refusal = self._find_job(request, sid)
        if refusal is None and request.asked.foreign:
            self.violate(request, "foreign_job", "deleting a job of somebody else")
        return refusal

    def _check_results(self, request, form, sid):
        refusal = self._find_job(request, sid)
        if refusal is None:
            count, offset = (_number(form, name, default) for name, default in (("count", 100), ("offset", 0)))
            if request.asked.foreign:
                self.violate(request, "foreign_job", "results of a job of somebody else")
            request.asked = (request.asked, min(count or self.options.max_result_rows, self.options.max_result_rows), offset)
        return refusal

    def _find_job(self, request, sid):
        job = self.jobs.get(sid)
        if job is None:
            self.violate(request, "unknown_job", f"a sid never given out: {sid[:40]}")
        if job is None or job.gone(self.now(), self.options.job_life):
            return self.error(404, request, "Unknown sid.", "FATAL")
        job.touched = self.now()
        request.note.update(sid=sid)
        request.asked = job
        return None

    # Answers.

    def answer(self, request, mount):
        self.indexes.advance()
        if request.note.get("xml") and request.note["step"] in ("export", "status", "list", "results"):
            return _xml(200, "<response/>\n")      # nothing that this client could use
        return getattr(self, f"_answer_{request.note['step']}")(request.asked)

    def _answer_login(self, asked):
        key = hashlib.blake2b(f"{asked.user}/{len(self.sessions)}".encode(), key=b"%d" % self.seed, digest_size=16).hexdigest()
        self.sessions[key] = Session(asked.user, self.now())
        note_token(key)
        if asked.json:
            return json_response(200, compact({"sessionKey": key, "message": "", "code": ""}))
        return _xml(200, f"<response>\n  <sessionKey>{key}</sessionKey>\n</response>\n")

    def _versions(self, search, window, texts):
        """What a search finds now: events, or rows."""
        events = splunk_search.run(search, window, self.indexes, self.now())
        if not search.transforming:
            return events
        return [Row(row, texts) for row in splunk_search.count_rows(search, events, self.indexes.factory)]

    def _open(self, search, versions):
        """The page of the ledger, and the bytes of its records."""
        self.owed = None if search.transforming else search
        page = self.ledger.open(tuple(map(self._served, versions))) if versions else None
        return page, lambda: map(self.indexes.factory.data, versions)

    def _answer_export(self, asked):
        self.walks["export"] += 1
        versions = self._versions(asked.search, asked.window, asked.texts)
        page, records = self._open(asked.search, versions)
        before = b""
        if self.options.notices:
            before = compact({"preview": False, **message("DEBUG", "Configuration initialization took 3 ms")}) + b"\n" + compact(
                {"preview": False, **message("INFO", "Your timerange was substituted based on your search string")}) + b"\n"
        if asked.form.get("preview", "1") not in ("0", "false", "f") or self.options.preview_name == "ignored":
            before += previews(records, self.options.previews, len(versions))
        body = ExportStream(records, len(versions), self.options, before)
        self._change_behind()
        return Response(200, [("Content-Type", "application/json; charset=utf-8")], body, page=page)

    def _new_job(self, search, window, foreign=False, texts=""):
        options = self.options
        sid = f"{int(self.now())}.{len(self.jobs) + 1}"
        job = self.jobs[sid] = Job(sid, search, (window, texts), self.now(), options.queue_seconds, options.run_seconds, options.job_end,
                                   foreign, self.now(), polls=deque())
        if options.snapshot == "created":
            self._fix_results(job)
        return job

    def _fix_results(self, job):
        if job.results is None:
            job.results = self._versions(job.search, *job.window)

    def _answer_create(self, asked):
        self.walks["job"] += 1
        mode, as_json = asked.form.get("exec_mode", "normal"), asked.form.get("output_mode") == "json"
        if mode == "oneshot":
            versions = self._versions(asked.search, asked.window, asked.texts)
            count = _number(asked.form, "count", 100)
            return self._results_reply(asked.search, versions[:min(count or len(versions), self.options.max_result_rows)], 0)
        job = self._new_job(asked.search, asked.window, texts=asked.texts)
        response = json_response(201, compact({"sid": job.sid})) if as_json else _xml(201, f"<response><sid>{job.sid}</sid></response>\n")
        if mode == "blocking":
            response.delivery.first_byte_delay += job.seconds_left(self.now())
        return response

    def _entry(self, job):
        now = self.now()
        state = job.state(now)
        if state == DONE:
            self._fix_results(job)
        count = len(job.results) if state == DONE else 0
        notes = [{"type": "FATAL", "text": "Search auto-canceled"}] if state == FAILED else []
        content = {"sid": job.sid, "dispatchState": state, "isDone": state in (DONE, FAILED), "isFailed": state == FAILED,
                   "resultCount": count, "eventCount": count, "doneProgress": 1.0 if state == DONE else 0.25, "messages": notes}
        return {"name": job.search.text, "content": content}

    def _answer_status(self, job):
        return json_response(200, compact({"entry": [self._entry(job)]}))

    def _answer_list(self, _asked):
        return json_response(200, compact({"entry": [self._entry(job) for job in self._alive()]}))

    def _answer_delete(self, job):
        job.deleted = True
        return json_response(200, compact(message("INFO", "Search job cancelled.")))

    def _answer_results(self, asked):
        job, count, offset = asked
        state = job.state(self.now())
        if state != DONE:
            return Response(204)
        self._fix_results(job)
        return self._results_reply(job.search, job.results[offset:offset + count], offset)

    def _results_reply(self, search, versions, offset):
        page, records = self._open(search, versions)
        first = next(iter(records()), b"")
        self._change_behind()
        return Response(200, [("Content-Type", "application/json; charset=utf-8")], results_page(records, len(versions), offset, first),
                        page=page, compressible=True)

    def _served(self, version):
        identity = self.indexes.factory.identify(version) if isinstance(version, Event) else identify_row(version)
        return Served(KIND, identity, version)

    def _change_behind(self):
        if self._churn.get("pages", 0) <= 0:
            return
        self._churn["pages"] -= 1
        self.indexes.append({"count": int(self._churn.get("append", 0)), "late_by": float(self._churn.get("late_by", 0.0))})

    # Refusals.

    def error(self, status, request, text=None, kind="WARN"):
        if status in (502, 504):
            return html_response(status, f"<html><body><h1>{status}</h1></body></html>\n")
        text = text or TEXTS.get(status, "Error")
        if "output_mode=json" in request.query or b"output_mode=json" in request.body:
            return json_response(status, compact(message(kind, text)))
        return _xml(status, f'<response>\n  <messages>\n    <msg type="{kind}">{escape(text)}</msg>\n  </messages>\n</response>\n')

    # Misbehaviours, of this vendor only or in its own form.

    def fatal(self, request, status=200, type="FATAL", text="Error in 'litsearch' command: Your Splunk license expired"):
        """A reply with one message and nothing else, whatever was asked; as a line it is an export that failed."""
        self.counters["fatals"] += 1
        return json_response(int(status), compact(message(type, text)) + b"\n")

    def throttle(self, request, header="retry_after", seconds=5, status=429):
        """As everywhere, but for the header: this vendor has none of its own, a proxy before it says Retry-After."""
        other = {"reset": "retry_after", "absurd": "absurd_retry_after", "past": "past_date"}
        return misbehave.throttle(self, request, other.get(header, header), seconds, status)

    def message_line(self, response, parameters, request):
        """A line with a message (`type`, `text`) before record `record` of an export (default: the middle one); with `ends`
        (default for ERROR and FATAL) the reply ends behind it, as if it were complete. Of exports with single lines only."""
        body, kind = response.body, parameters.get("type", "ERROR")
        if not isinstance(body, ExportStream) or body.lines == "batch":
            return False
        at = int(parameters.get("record", body.count // 2))
        line = compact({"preview": False, **message(kind, parameters.get("text", "Search process did not exit cleanly"))})
        response.body = body.with_message(line, at, parameters.get("ends", kind in ("ERROR", "FATAL")))
        return True

    # State.

    def _must_be_offered(self):
        """The events that a client finds with the search that it makes."""
        if self.owed is None:
            return
        with self.lock:         # the ledger is read without it
            self.indexes.advance()
            found = list(self.indexes.find(None, None, self.now()))
        for event in found:
            if self.owed.wants(event, self.indexes.factory):
                yield self._served(event)

    def details(self):
        self.indexes.advance()
        now = self.now()
        jobs = [{"sid": job.sid, "state": "gone" if job.gone(now, self.options.job_life) else job.state(now), "foreign": job.foreign}
                for job in list(self.jobs.values())[-20:]]
        return {"events": len(self.indexes.events), "found": len(self.indexes.find(None, None, now)), "walks": dict(self.walks), "jobs": jobs,
                "sessions": len(self.sessions), "churn_left": self._churn.get("pages", 0),
                **{name: self.counters[name] for name in ("refused_credentials", "refused_searches")}}

    def save(self):
        return {"indexes": self.indexes.save(), "sessions": self.sessions, "jobs": self.jobs, "owed": self.owed, "known": self.known,
                "v2_missed": self.v2_missed, "tokens": self.options.tokens, "weak_tokens": self.options.weak_tokens, "users": self.options.users}

    def restore(self, saved):
        self.indexes.restore(saved["indexes"])
        self.sessions, self.jobs, self.owed, self.known = saved["sessions"], saved["jobs"], saved["owed"], saved["known"]
        self.v2_missed = saved["v2_missed"]
        self.options.tokens, self.options.weak_tokens, self.options.users = saved["tokens"], saved["weak_tokens"], saved["users"]
        for job in self.jobs.values():
            job.polls.clear()       # of another machine's clock, perhaps


_METHODS = {"login": ("POST",), "export": ("POST",), "create": ("POST",), "list": ("GET",), "status": ("GET",), "results": ("GET",),
            "delete": ("DELETE",)}


def _xml(status, text):
    return Response(status, [("Content-Type", "text/xml; charset=UTF-8")], Bytes(b'<?xml version="1.0" encoding="UTF-8"?>\n' + text.encode()))


def _decoded(packed):
    try:
        return b64decode(packed, validate=True).decode()
    except (binascii.Error, UnicodeDecodeError):
        return None


def _number(form, name, default):
    text = form.get(name)
    if text is None:
        return default
    if not (text.isascii() and text.isdigit() and len(text) <= 12):
        raise BadForm("form", f"{name} must be a whole number")
    return int(text)


VENDOR = Splunk
