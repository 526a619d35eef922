#!/usr/bin/env python3
"""What the tests of symptoms share: one real nats-server and one real agent a class, vendors that answer as told, and `expect`,
which holds code, sentence and advice against log, status and `doctor`.

    tests/symptoms/symptom.py       lists the rows of the catalogue of symptoms and which tests and scripts prove each

A test names its rows by @row(4, "V14"); an exchange script by a comment in its first lines: `# symptoms: 17, V5`."""

import concurrent.futures
import glob
import http.server
import json
import os
import re
import socket
import subprocess
import sys
import threading
import unittest

ROOT = os.path.abspath(os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", ".."))
sys.path.insert(0, os.path.join(ROOT, "tests", "lib", "python"))

from signaltest.jetstream import JetStream  # noqa: E402
from signaltest.kv import Bucket  # noqa: E402
from signaltest.procs import Agent, NatsServer, find_agent  # noqa: E402
from signaltest.tools import Expired, Workspace, wait_until  # noqa: E402

SECRET = "s3cret+of/the=symptoms-test"
SOON = 30.0
LEASE = "lease = { renew_ms = 200; valid_ms = 1000; take_after_ms = 1500; };"


def row(*rows):
    """Rows of the catalogue that the test proves."""
    def mark(function):
        function.symptom_rows = tuple(str(r) for r in rows)
        return function
    return mark


class Stage:
    """A nats-server, an agent and its buckets."""

    def __init__(self, name, settings="", env=None, server=None, stream=True):
        self.binary = os.environ.get("SIGNAL_CLIENT_BINARY") or find_agent()
        if not self.binary:
            raise unittest.SkipTest("no agent is built")
        self.workspace = Workspace(name)
        self.server = (server(self.workspace) if server else NatsServer(self.workspace)).start()
        self.connection = self.server.connect()
        self.js = JetStream(self.connection)
        if stream:
            self.js.stream_create("DATA", ["local.data.>"], duplicate_window=120_000_000_000)
        self.integrations = Bucket.make(self.js, "INTEGRATIONS")
        Bucket.make(self.js, "INTEGRATION_STATUS")  # read from the first moment on: see "A fault of nats-server 2.9.10" in docs/nats.md
        self.agent = Agent(self.workspace, self.binary, self.server, settings=f"{LEASE}\n{settings}", env=env)

    def close(self, failed=False):
        self.connection.close()
        self.workspace.close(failed=failed)

    def put(self, name, value):
        self.integrations.put(name, json.dumps(value).encode())

    def remove(self, name):
        self.integrations.delete(name)

    def status(self, name):
        """The integration's status, {} where there is none yet."""
        return Bucket(self.js, "INTEGRATION_STATUS").get_json(name, {}) or {}

    def log_lines(self, name=None):
        """Lines of the agent's log; of one integration."""
        lines = self.agent.log().splitlines()
        return [line for line in lines if name is None or re.search(rf"\bintegration={re.escape(name)}( |$)", line)]

    def command(self, *arguments, deadline_s=60.0):
        return self.agent.command(*arguments, deadline_s=deadline_s)

    def checks(self, *arguments):
        """What `doctor ... --json` found, and its exit status: ([{check, result, value, cure}], status)."""
        done = self.command("doctor", *arguments, "--json")
        try:
            return json.loads(done.stdout)["checks"], done.returncode
        except (ValueError, KeyError) as error:
            raise AssertionError(f"doctor {arguments}: {error}\n{done.stdout}\n{done.stderr}") from error


def facts_of(status):
    """All places of a status where a reason may stand: the integration, its data types, their notices."""
    todo = [status, *status.get("data_types", {}).values()]
    for facts in list(todo):
        todo += facts.get("notices", [])
    return todo


class SymptomCase(unittest.TestCase):
    """One stage for all tests of the class; each test uses integrations of its own names, which are removed after it."""

    SETTINGS = ""
    ENV = None
    SERVER = None  # makes a NatsServer out of a workspace
    STREAM = True
    DOCTOR = True  # expect() asks `doctor`, too

    @classmethod
    def setUpClass(cls):
        cls.stage = Stage(cls.__name__, cls.SETTINGS, cls.ENV, cls.SERVER, cls.STREAM)
        cls.bad = False
        cls.stage.agent.start()

    @classmethod
    def tearDownClass(cls):
        cls.stage.close(failed=cls.bad)

    def setUp(self):
        self.mine = []

    def tearDown(self):
        outcome = self._outcome.result
        if any(case is self for case, _ in outcome.failures + outcome.errors):
            type(self).bad = True
        for name in self.mine:
            self.stage.remove(name)

    def put(self, value, name=None):
        """An integration, named after the test. Returns its name."""
        name = name or self.id().rsplit(".", 1)[-1].removeprefix("test_").replace("_", "-")
        if name not in self.mine:
            self.mine.append(name)
        self.stage.put(name, value)
        return name

    def expect(self, name, code, sentence, advice, within=SOON, doctor=None, state=None):
        """`code` with `sentence` and `advice` (regular expressions) in the status of `name`, the sentence in its log, and both, where
        `doctor` is not False, among the bad lines and notes of `doctor`."""
        def found():
            return next((f for f in facts_of(self.stage.status(name)) if f.get("reason") == code and re.search(sentence, f.get("detail", ""))), None)
        facts = wait_until(found, within, lambda: f"{code} /{sentence}/ in the status of {name}: "
                           f"{json.dumps(self.stage.status(name))}\n" + "\n".join(self.stage.log_lines(name)[-6:]))
        self.assertRegex(facts.get("advice", "") + " " + facts.get("detail", ""), advice, f"{name}: advice of {code}")
        if state:
            self.assertEqual(facts.get("state"), state)
        wait_until(lambda: any(re.search(sentence, line) for line in self.stage.log_lines(name)), within,
                   lambda: f"/{sentence}/ in the log of {name}:\n" + "\n".join(self.stage.log_lines(name)))
        if doctor is not False and self.DOCTOR:
            self.expect_check(name, doctor or sentence, advice)
        return facts

    def expect_check(self, name, sentence, cure, result=("bad", "notice")):
        arguments = [name] if name else []
        checks, status = self.stage.checks(*arguments)
        told = "\n".join(json.dumps(c) for c in checks)
        hits = [c for c in checks if c["result"] in result and re.search(sentence, c["value"])]
        self.assertTrue(hits, f"doctor {name or ''} names /{sentence}/:\n{told}")
        self.assertTrue(any(re.search(cure, c.get("cure", "") + " " + c["value"]) for c in hits), f"doctor {name or ''} cures by /{cure}/:\n{told}")
        if "bad" in {c["result"] for c in checks}:
            self.assertEqual(status, 1, "doctor's exit status when something is bad")


def okta(url, **changes):
    """An integration of okta at `url` (with its path)."""
    return {"integration_type": "okta", "poll_interval_minutes": 1, "credentials": {"api_token": SECRET},
            "settings": {"base_url": url, "fqdn": "acme.okta.test"}} | changes


class Peer:
    """A vendor on a loopback port that answers as `answer(method, path, headers, body)` says: (status, headers, body)."""

    def __init__(self, answer, host="127.0.0.1", port=0, tls=None):
        self.answer = answer
        self.requests = []
        peer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            timeout = 60

            def reply(self):
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                peer.requests.append((self.command, self.path, dict(self.headers), body))
                status, headers, out = peer.answer(self.command, self.path, self.headers, body)
                out = out.encode() if isinstance(out, str) else out
                self.send_response_only(status)
                for name, value in {"Date": self.date_time_string(), "Content-Type": "application/json", "Content-Length": str(len(out)), **headers}.items():
                    self.send_header(name, value)
                self.end_headers()
                if self.command != "HEAD":
                    self.wfile.write(out)

            do_GET = do_POST = do_PUT = do_DELETE = do_PATCH = do_HEAD = reply

            def log_message(self, *_):
                pass

        class Server(http.server.ThreadingHTTPServer):
            daemon_threads = True
            request_queue_size = 128

            def handle_error(self, *_):
                pass  # the agent hung up: seen in its own log

        self.server = Server((host, port), Handler)
        if tls:
            self.server.socket = tls.wrap_socket(self.server.socket, server_side=True)
        self.scheme = "https" if tls else "http"
        self.host = host
        self.thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        self.thread.start()

    @property
    def port(self):
        return self.server.server_address[1]

    @property
    def url(self):
        return f"{self.scheme}://{self.host}:{self.port}"

    def close(self):
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()


def says(status, body="{}", **headers):
    """An answer that is always the same. Header names with _ for -."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return lambda *_: (status, named, body)


class SilentPort:
    """A listening socket whose queue is full: the kernel drops every SYN."""

    def __init__(self, host="127.0.0.1"):
        self.listener = socket.socket()
        self.listener.bind((host, 0))
        self.listener.listen(0)
        self.fillers = []
        for _ in range(4):
            filler = socket.socket()
            filler.setblocking(False)
            filler.connect_ex(self.listener.getsockname())
            self.fillers.append(filler)

    @property
    def port(self):
        return self.listener.getsockname()[1]

    def close(self):
        for sock in [*self.fillers, self.listener]:
            sock.close()


def may_unshare():
    """Whether this machine lets us have network namespaces of our own."""
    try:
        return subprocess.run(["unshare", "-n", "-m", "true"], capture_output=True, check=False, timeout=10).returncode == 0
    except (OSError, subprocess.TimeoutExpired):
        return False


# ---- many classes at once -------------------------------------------------------------------------------------------------------

def run_classes(jobs=4):
    """Like unittest.main(), with each class in a process of its own, `jobs` at a time: they mostly wait. With arguments, just unittest.main()."""
    program = sys.modules["__main__"]
    names = [name for name, value in vars(program).items()
             if isinstance(value, type) and issubclass(value, unittest.TestCase) and value.__module__ == "__main__" and any(m.startswith("test_") for m in dir(value))]
    if len(sys.argv) > 1:
        unittest.main(module=program)
    with concurrent.futures.ThreadPoolExecutor(jobs) as pool:
        runs = pool.map(lambda name: subprocess.run([sys.executable, program.__file__, name], capture_output=True, text=True, check=False), names)
        done = list(zip(names, runs))
    total = 0
    for name, run in done:
        total += int((re.findall(r"^Ran (\d+) test", run.stderr, flags=re.M) or ["0"])[-1])
        if run.returncode:
            print(f"==== {name}\n{run.stdout}{run.stderr}", file=sys.stderr)
    print(f"\nRan {total} tests in {len(names)} classes", file=sys.stderr)
    sys.exit(any(run.returncode for _, run in done))


# ---- which rows are proved --------------------------------------------------------------------------------------------------------

def proved_rows():
    """{row: [test or script]}"""
    found = {}
    for path in sorted(glob.glob(os.path.join(ROOT, "tests", "symptoms", "test_*.py"))):
        with open(path, encoding="utf-8") as file:
            text = file.read()
        for marks, name in re.findall(r"@row\(([^)]*)\)\s*(?:@[^\n]*\n\s*)*def (test_\w+)", text):
            for mark in re.findall(r"\w+", marks):
                found.setdefault(mark, []).append(f"{os.path.basename(path)}:{name}")
    for path in sorted(glob.glob(os.path.join(ROOT, "tests", "**", "*.exchange"), recursive=True)):
        with open(path, encoding="utf-8") as file:
            head = file.read(1000)
        for marks in re.findall(r"^# symptoms: (.*)$", head, flags=re.M):
            for mark in re.findall(r"V?\d+", marks):
                found.setdefault(mark, []).append(os.path.relpath(path, os.path.join(ROOT, "tests")))
    return found


def main():
    for name, where in sorted(proved_rows().items(), key=lambda item: (item[0].startswith("V"), int(item[0].lstrip("V")))):
        print(f"{name:>4}  {', '.join(where)}")


if __name__ == "__main__":
    try:
        main()
    except (BrokenPipeError, Expired) as error:
        sys.exit(str(error))
