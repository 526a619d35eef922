#!/usr/bin/env python3
"""The control subject in the whole agent: `poll` live and dry, traces, requests of anybody who may publish there; a real nats-server and a simulated
vendor.

    tests/integration/test_control.py [-v]      SIGNAL_CLIENT_BINARY names the agent; else the newest in the build trees"""

import base64
import json
import os
import signal
import subprocess
import sys
import unittest
import urllib.parse

ROOT = os.path.abspath(os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", ".."))
sys.path.insert(0, os.path.join(ROOT, "tests", "lib", "python"))

from signaltest.jetstream import JetStream  # noqa: E402
from signaltest.kv import Bucket  # noqa: E402
from signaltest.nats import Timeout  # noqa: E402
from signaltest.procs import Agent, NatsServer, find_agent  # noqa: E402
from signaltest.simulator import Simulator  # noqa: E402
from signaltest.tools import Workspace, wait_until  # noqa: E402

TOKEN = "00tok-Plain/Never+Shown=1"
SUBJECT = "signal-client.local.control"
DEADLINE_S = 30


class Conversation:
    """One request on the control subject and what is answered."""

    def __init__(self, connection, request, subject=SUBJECT):
        self.connection = connection
        self.inbox = connection.new_inbox()
        self.subscription = connection.subscribe(self.inbox)
        self.answers = []
        body = request if isinstance(request, bytes) else json.dumps({"v": 1, **request}).encode()
        connection.publish(subject, body, reply=self.inbox)

    def take(self, timeout=0.05):
        """One answer more, if one comes. False: nobody listens on the subject, or nothing came."""
        try:
            message = self.subscription.next(timeout)
        except Timeout:
            return False
        if message.body:
            self.answers.append(json.loads(message.body))
        return bool(message.body)

    def until(self, name, deadline_s=DEADLINE_S):
        """The first answer of that kind."""
        def find():
            self.take()
            return next((a for a in self.answers if a and name in a), None)
        return wait_until(find, deadline_s, lambda: f"an answer {name}: {self.answers[-5:]}")[name]

    def end(self, deadline_s=DEADLINE_S):
        end = self.until("end", deadline_s)
        self.subscription.unsubscribe()
        return end

    def of(self, name):
        return [a[name] for a in self.answers if a and name in a]


class Control(unittest.TestCase):
    VENDORS = {"okta": {"events": 2500, "tokens": [TOKEN], "rate_limit": 1_000_000_000}}

    def setUp(self):
        binary = os.environ.get("SIGNAL_CLIENT_BINARY") or find_agent()
        self.assertTrue(binary, "no agent is built")
        self.workspace = Workspace(self.id().rsplit(".", 1)[-1])
        self.addCleanup(self.close)
        self.server = NatsServer(self.workspace).start()
        self.connection = None
        self.connect()
        self.js.stream_create("DATA", ["local.data.>"])
        self.bucket = Bucket.make(self.js, "INTEGRATIONS", history=10)
        self.simulator = Simulator(self.workspace, self.VENDORS).start()
        self.agent = Agent(self.workspace, binary, self.server)
        self.said = []  # every output of a command and every answer, for the search after secrets

    def connect(self):
        if self.connection:
            self.connection.close()
        self.connection = self.server.connect()
        self.js = JetStream(self.connection)

    def close(self):
        self.connection.close()
        outcome = self._outcome.result
        self.workspace.close(failed=any(case is self for case, _ in outcome.failures + outcome.errors))

    # ---- the operator ---------------------------------------------------------------------------------------------

    def put(self, name="okta-prod", interval=60, **more):
        self.bucket.put(name, {"integration_type": "okta", "settings": {"fqdn": "a.okta.com", "base_url": f"{self.simulator.url}/okta"},
                               "credentials": {"api_token": TOKEN}, "poll_interval_minutes": interval, **more})

    def run_poll(self, *words, want=0, deadline_s=60, agent=None):
        agent = agent or self.agent
        done = subprocess.run([agent.binary, "poll", *words], env=agent.environment(), stdin=subprocess.DEVNULL, capture_output=True, text=True,
                              timeout=deadline_s, check=False)
        self.said.append(done.stdout + done.stderr)
        self.assertEqual(done.returncode, want, f"{words}\n{done.stdout}\n{done.stderr}\n{self.tail()}")
        return done

    def look(self, *words):
        """A poll that is left to itself; ended with the test."""
        process = subprocess.Popen([self.agent.binary, "poll", *words], env=self.agent.environment(), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                   stderr=subprocess.PIPE, text=True)
        def end():
            process.kill()
            process.communicate()
        self.addCleanup(end)
        return process

    def tail(self):
        return self.agent.log_tail(20) if self.agent.starts else ""

    def lines(self, done, kind="line"):
        """All of a kind; of "line" the last words alone, not what was waited for on the way."""
        found = [value[kind] for value in map(json.loads, done.stdout.splitlines()) if kind in value]
        return [value for value in found if value.get("result") != "waits"]

    def ask(self, **request):
        return Conversation(self.connection, request)

    # ---- what is seen ---------------------------------------------------------------------------------------------

    def idle(self, records=None):
        """The agent answers, and the first walk is over."""
        self.told("fetched")
        if records is not None:
            self.assertEqual(self.js.stream_state("DATA")["messages"], records)

    def told(self, text, since=0, agent=None):
        agent = agent or self.agent
        def find():
            return next((line for line in agent.log()[since:].splitlines() if text in line), None)
        return wait_until(find, DEADLINE_S, lambda: f"in the log: {text}\n{agent.log_tail(20)}")

    def stored(self):
        """Everything that a dry run must leave as it is."""
        keep = {}
        for stream in ("DATA", "KV_CHECKPOINTS", "KV_SEEN"):
            keep[stream] = self.js.stream_state(stream)["last_seq"]
        return keep

    def lease(self):
        return Bucket(self.js, "INTEGRATION_LEASES").get_json("agent", {}) if Bucket(self.js, "INTEGRATION_LEASES").exists() else {}

    def nothing_leaked(self, *more):
        """The token in no output, however it may be written."""
        secret = TOKEN.encode()
        forms = {TOKEN, urllib.parse.quote(TOKEN, safe=""), json.dumps(TOKEN)[1:-1]}
        for shift in range(3):
            whole = base64.b64encode(b"x" * shift + secret).decode().rstrip("=")
            forms.add(whole[4 if shift else 0:len(whole) // 4 * 4 - 4])
        texts = [*self.said, self.agent.log() if self.agent.starts else "", *more]
        for form in forms:
            self.assertFalse([text for text in texts if form in text], form)

    # ---- the tests ------------------------------------------------------------------------------------------------

    def test_poll_live_and_dry(self):
        """A dry run moves nothing; a live poll does what the next one would have done, now."""
        self.agent.start()
        self.put()
        self.idle(2500)
        before = self.stored()
        dry = self.run_poll("okta-prod", "--dry-run", "--json")
        line, = self.lines(dry)
        self.assertEqual((line["result"], line["dry"], line["would_publish"]), ("ok", True, 0), line)
        self.simulator.set("okta", append=40)
        line, = self.lines(self.run_poll("okta-prod", "--dry-run", "--json"))
        self.assertEqual((line["would_publish"], line["read"] - line["known"]), (40, 40), line)
        self.assertLess(line["first_record_time"], line["last_record_time"])
        self.assertEqual(self.stored(), before)
        line, = self.lines(self.run_poll("okta-prod", "--dry-run", "--json", "--from", "2020-01-01T00:00:00Z", "--limit", "1500"))
        self.assertTrue(line["limited"])
        self.assertEqual((line["read"], line["known"], line["would_publish"]), (2000, 2000, 0), line)
        self.assertEqual(self.stored(), before)
        done = self.run_poll("okta-prod")
        self.assertRegex(done.stdout, r"^system_log: fetched 40 events \(40 read, ")
        self.assertEqual(self.js.stream_state("DATA")["messages"], 2540)
        self.told("fetched 40 events")
        self.assertRegex(self.run_poll("okta-prod").stdout, "system_log: fetched 0 events")
        self.nothing_leaked()

    def test_limit(self):
        """The position is saved behind the page in which the limit is reached; the next poll goes on."""
        self.agent.start()
        self.put(data_types={"system_log": {"enabled": False}})
        self.told("no data type is enabled")
        before = len(self.simulator.requests("okta"))
        self.assertIn("no data type of okta-prod is enabled", self.run_poll("okta-prod", want=1).stderr)
        done = self.run_poll("okta-prod", "--data-type", "system_log", want=1)
        self.assertIn("this data type is disabled", done.stderr)
        self.assertEqual(len(self.simulator.requests("okta")), before)
        line, = self.lines(self.run_poll("okta-prod", "--data-type", "system_log", "--dry-run", "--json", "--limit", "10"))
        self.assertEqual((line["read"], line["would_publish"], line.get("known"), line["limited"]), (1000, 1000, None, True), line)
        self.assertEqual(self.js.stream_state("DATA")["messages"], 0)
        self.simulator.misbehave("okta", {"kind": "status", "status": 401, "count": 1})
        self.put()
        self.told("401 Unauthorized")
        line, = self.lines(self.run_poll("okta-prod", "--json", "--limit", "1001"))
        self.assertEqual((line["result"], line["fetched"], line["limited"]), ("ok", 2000, True), line)
        self.assertEqual(self.js.stream_state("DATA")["messages"], 2000)
        line, = self.lines(self.run_poll("okta-prod", "--json"))
        self.assertEqual((line["fetched"], self.js.stream_state("DATA")["messages"]), (500, 2500), line)

    def test_trace(self):
        """What is asked, what comes back, what is decided, in order; and no secret in it though the vendor quotes one."""
        self.agent.start()
        self.put()
        self.idle(2500)
        self.simulator.set("okta", append=5)
        done = self.run_poll("okta-prod", "--trace", "--json")
        traces = self.lines(done, "trace")
        kinds = [t["kind"] for t in traces]
        self.assertEqual([k for i, k in enumerate(kinds) if k in ("request", "response", "page", "save") and k != "save"],
                         ["request", "response", "page"] * 2, kinds)
        self.assertIn("save", kinds)
        self.assertEqual(kinds[0], "decision")
        request = next(t for t in traces if t["kind"] == "request")
        self.assertIn("Authorization: SSWS [redacted]", request["headers"])
        self.assertTrue(request["url"].startswith(f"{self.simulator.url}/okta/api/v1/logs?"), request)
        response = next(t for t in traces if t["kind"] == "response")
        self.assertEqual((response["status"], len(response["body"]) <= 400, set(response["timing_ms"])),
                         (200, True, {"dns", "connect", "tls", "first_byte", "transfer"}))
        quoted = json.dumps({"errorSummary": f"no such token {TOKEN}", "u": urllib.parse.quote(TOKEN, safe=""), "b": base64.b64encode(TOKEN.encode()).decode()})
        self.simulator.misbehave("okta", {"kind": "body", "status": 401, "text": quoted, "count": "always"})
        done = self.run_poll("okta-prod", "--dry-run", "--trace", want=1)
        self.assertIn(" > Authorization: SSWS [redacted]", done.stdout)
        self.assertRegex(done.stdout, r"request   system_log  GET http.*\n(.*\n)*.*response  system_log  401 Unauthorized, \d+ bytes in ")
        self.assertRegex(done.stderr, "system_log: failed: auth_expired: 401 Unauthorized")
        self.assertGreaterEqual((done.stdout + done.stderr).count("[redacted]"), 4)
        self.nothing_leaked()

    def test_failures_told(self):
        """A refusal with sentence and advice, exit 1; a wait that the vendor named is told and waited for."""
        self.agent.start()
        self.put()
        self.idle(2500)
        before = self.stored()
        self.simulator.misbehave("okta", {"kind": "status", "status": 403, "count": "always"})
        done = self.run_poll("okta-prod", "--dry-run", want=1)
        self.assertRegex(done.stderr, r"system_log: failed: permission_denied: 403 Forbidden.*; Use the API token of ")
        self.simulator.clear("okta")
        self.assertEqual(self.stored(), before)
        self.assertNotIn("[ERROR]", self.agent.log())
        self.assertEqual(self.run_poll("okta-prod").stdout.split("(")[0], "system_log: fetched 0 events ")
        self.simulator.misbehave("okta", {"kind": "throttle", "header": "retry_after", "seconds": 2, "count": 1})
        done = self.run_poll("okta-prod")
        self.assertRegex(done.stderr, r"system_log: waits: rate_limited: 429 Too Many Requests.*, next request at .* \(Retry-After: ")
        self.assertRegex(done.stdout, "system_log: fetched 0 events")
        self.simulator.misbehave("okta", {"kind": "throttle", "header": "retry_after", "seconds": 3, "count": 1})
        done = self.run_poll("okta-prod", "--dry-run", want=1)
        self.assertRegex(done.stderr, r"failed: rate_limited: 429 Too Many Requests.*, may be asked again at .* \(Retry-After: ")
        asked = len(self.simulator.requests("okta"))
        done = self.run_poll("okta-prod", "--dry-run")  # obeyed, by everybody
        self.assertRegex(done.stderr, "system_log: waits: ")
        times = [r["wall"] for r in self.simulator.requests("okta")][asked - 1:]
        self.assertGreaterEqual(times[1] - times[0], 3)
        self.assertIn("there is no integration okta-pord; there are: okta-prod", self.run_poll("okta-pord", want=1).stderr)
        self.assertIn("okta-prod has no data type logs; there are: system_log", self.run_poll("okta-prod", "--data-type", "logs", want=1).stderr)
        self.assertIn("--from is for --dry-run", self.run_poll("okta-prod", "--from", "2026-01-01T00:00:00Z", want=2).stderr)
        self.nothing_leaked()

    def test_requests_of_anybody(self):
        """What is not a request is answered with a sentence; sixteen at a time; cancelled, kept, forgotten."""
        self.agent.start()
        self.put()
        self.idle(2500)
        for body, words in ((b"", "one JSON object"), (b"[]", "one JSON object"), (b'{"v":2,"op":"agent"}', '"v": 1'), (b'{"v":1}', '"op" is missing'),
                            (b'{"v":1,"op":"rm"}', "does not know the op"), (b'{"v":1,"op":"agent","x":1}', 'takes no member "x"'),
                            (b'{"v":1,"op":"poll"}', 'needs a member "integration"'), (b'{"v":1,"op":"poll","integration":"a b"}', "the name of an integration"),
                            (b'{"v":1,"op":"poll","integration":"nix"}', "there is no integration nix"),
                            (b'{"v":1,"op":"cancel","id":"0123456789abcdef"}', "no request with this id"),
                            (b'{"v":1,"op":"poll","integration":"' + b"a" * 70000 + b'"}', "at most 65536 bytes")):
            end = Conversation(self.connection, body).end()
            self.assertEqual((end["ok"], words in end["text"]), (False, True), end)
        facts = self.ask(op="agent")
        self.assertTrue(facts.end()["ok"])
        line, = facts.of("line")
        self.assertEqual((line["pid"], line["integrations"], line["broker"]["ready"], line["broker"]["stream"]), (self.agent.pid, 1, True, "DATA"), line)
        level = self.ask(op="log", level="warn")
        self.assertTrue(level.end()["ok"])
        self.assertEqual(self.ask(op="agent").until("line")["log_level"], "warn")
        self.ask(op="log", level="debug").end()

        self.simulator.misbehave("okta", {"kind": "slow_first_byte", "seconds": 600, "count": "always"})
        asked = [self.ask(op="poll", integration="okta-prod", dry=True) for _ in range(17)]
        refused = asked.pop().end()
        self.assertEqual((refused["ok"], "16 requests are open" in refused["text"]), (False, True), refused)
        ids = [one.until("alive")["id"] for one in asked]
        self.assertEqual(len(set(ids)), 16)
        self.assertTrue(self.ask(op="keep", id=ids[1]).end()["ok"])
        self.assertTrue(self.ask(op="cancel", id=ids[0]).end()["ok"])
        self.assertEqual(asked[0].end(), {"ok": False, "text": "cancelled by who asked"})
        again = self.ask(op="poll", integration="okta-prod", dry=True)  # a place is free
        again.until("alive")
        def three():
            asked[1].take()
            return len(asked[1].of("alive")) >= 3
        wait_until(three, DEADLINE_S, "alive every 2 s")
        self.assertEqual(asked[2].end(), {"ok": False, "text": "nothing was heard for 15 s from who asked"})
        self.agent.terminate()
        self.assertEqual(again.end()["ok"], False)

    def test_two_agents(self):
        """The one that stands by does not answer."""
        self.agent.start()
        self.put()
        self.idle(2500)
        other = Agent(self.workspace, self.agent.binary, self.server, name="other")
        other.start()
        self.told("standby", agent=other)
        for _ in range(3):
            facts = self.ask(op="agent")
            self.assertTrue(facts.end()["ok"])
            self.assertEqual([line["pid"] for line in facts.of("line")], [self.agent.pid])
        self.agent.terminate()
        self.told("held (epoch", agent=other)
        def taken():
            facts = self.ask(op="agent")
            facts.take(0.5)
            return facts.of("line") and facts.of("line")[0]["pid"] == other.pid
        wait_until(taken, DEADLINE_S, "the other one answers")
        self.assertRegex(self.run_poll("okta-prod").stdout, "fetched 0 events")

    def test_nats_restarts(self):
        """While somebody looks, and afterwards."""
        self.agent.start()
        self.put()
        self.idle(2500)
        self.simulator.misbehave("okta", {"kind": "slow_first_byte", "seconds": 600, "count": 1})
        looking = self.look("okta-prod", "--dry-run")
        self.told("data_type=system_log/dry-run")
        self.server.kill()
        out, err = looking.communicate(timeout=DEADLINE_S)
        self.assertEqual((looking.returncode, "connection" in err), (1, True), out + err)
        self.server.start()
        self.connect()
        self.simulator.clear("okta")
        def answered():
            facts = self.ask(op="agent")
            facts.take(0.5)
            return facts.of("line") and facts.of("line")[0]["broker"]["ready"]
        wait_until(answered, DEADLINE_S, lambda: f"the agent answers again\n{self.agent.log_tail()}")
        self.assertRegex(self.run_poll("okta-prod").stdout, "fetched 0 events")
        self.assertEqual(self.js.stream_state("DATA")["messages"], 2500)

    def test_no_agent(self):
        """A command starts an agent of its own: it takes the lease, does what was asked and nothing else, gives the lease back."""
        self.put()
        self.put("okta-other")
        done = self.run_poll("okta-prod", "--json")
        self.assertIn("no agent runs: one is started for this command", done.stderr)
        line, = self.lines(done)
        self.assertEqual((line["result"], line["fetched"]), ("ok", 2500), line)
        self.assertTrue(self.lease()["released"], self.lease())
        status = Bucket(self.js, "INTEGRATION_STATUS")
        self.assertEqual(status.get_json("okta-prod")["data_types"]["system_log"]["records"], 2500)
        self.assertIsNone(status.get_json("okta-other", None))
        messages = list(self.js.read("DATA"))
        self.assertEqual(len(messages), 2500)
        self.assertEqual({m.headers["ce-source"] for m in messages}, {"signal-client/okta/okta-prod"})
        self.assertFalse(os.path.exists(os.path.join(self.agent.run_dir, "health")), "nothing says that the agent runs")
        self.agent.start()
        self.told("goes on from")
        self.told("integration=okta-other")
        self.nothing_leaked()

    def test_no_agent_and_one_comes(self):
        """An agent that is started meanwhile stands by, and has the lease when the command has ended."""
        self.put()
        self.simulator.misbehave("okta", {"kind": "slow_first_byte", "seconds": 600, "count": 1})
        looking = self.look("okta-prod", "--dry-run")
        wait_until(lambda: self.lease().get("released") is False and self.simulator.state("okta")["requests"], DEADLINE_S, "the command's agent asks")
        self.agent.start()
        self.told("standby")
        held = self.lease()
        self.assertEqual(self.simulator.state("okta")["requests"], 1)
        looking.send_signal(signal.SIGINT)
        out, err = looking.communicate(timeout=DEADLINE_S)
        self.assertEqual((looking.returncode, "stopped" in err), (1, True), out + err)
        self.told("held (epoch")
        self.assertNotEqual(self.lease()["holder"], held["holder"])
        self.simulator.clear("okta")
        self.idle(2500)

    def test_deaf_holder(self):
        """Somebody renews the lease and does not answer: said, not waited for, and nothing is started."""
        leases = Bucket.make(self.js, "INTEGRATION_LEASES")
        self.put()
        stop = []
        import threading  # renewed as an agent of an older version does
        connection = self.server.connect()
        bucket = Bucket(JetStream(connection), "INTEGRATION_LEASES")
        tick = threading.Event()
        def renew():
            n = 0
            while not stop:
                n += 1
                bucket.put("agent", {"v": 1, "holder": "aa" * 16, "agent": "edge-1", "epoch": 3, "renewed": f"2026-01-01T00:00:{n % 60:02d}.000Z",
                                     "released": False})
                tick.wait(0.5)
        thread = threading.Thread(target=renew)
        thread.start()
        try:
            wait_until(lambda: leases.get_json("agent", None), 5, "a lease")
            err = self.run_poll("okta-prod", want=1).stderr
        finally:
            stop.append(True)
            tick.set()
            thread.join()
            connection.close()
        self.assertIn("agent edge-1 holds the lease (renewed at 2026-01-01T00:00:", err)
        self.assertIn(f"does not answer on {SUBJECT}: it is of an older version", err)
        self.assertNotIn("one is started", err)


if __name__ == "__main__":
    unittest.main()
