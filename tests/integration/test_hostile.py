#!/usr/bin/env python3
"""What others may write where the agent and its commands read: requests with reply subjects that are no inboxes, floods, values of buckets and answers
of an impostor that are made to command a terminal or to exhaust whoever reads them. A real nats-server and a simulated vendor.

    tests/integration/test_hostile.py [-v]      SIGNAL_CLIENT_BINARY names the agent; else the newest in the build trees"""

import json
import os
import resource
import subprocess
import sys
import threading
import unittest

ROOT = os.path.abspath(os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", ".."))
sys.path.insert(0, os.path.join(ROOT, "tests", "lib", "python"))

from signaltest.jetstream import JetStream  # noqa: E402
from signaltest.kv import Bucket  # noqa: E402
from signaltest.nats import Timeout  # noqa: E402
from signaltest.procs import Agent, NatsServer, find_agent  # noqa: E402
from signaltest.simulator import Simulator  # noqa: E402
from signaltest.tools import Workspace, wait_until  # noqa: E402

TOKEN = "00tok-Plain/Never+Shown=2"
SUBJECT = "signal-client.local.control"
DEADLINE_S = 60
EVIL = "a\x1b[2J\x1b]0;owned\x07b\x9b31mc\x7f\r\nFAKE\x08\u202ed"  # what a terminal would obey
DEEP = b"[" * 200000
LONG = "x" * (9 << 20)


def commands_of(text):
    """What of a text a terminal would take for a command, or would show in another order."""
    return [hex(ord(c)) for c in text if (c < " " and c != "\n") or "\x7f" <= c < "\xa0" or "\u202a" <= c <= "\u202e" or "\u2066" <= c <= "\u2069"]


class Hostile(unittest.TestCase):
    def setUp(self):
        binary = os.environ.get("SIGNAL_CLIENT_BINARY") or find_agent()
        self.assertTrue(binary, "no agent is built")
        self.workspace = Workspace(self.id().rsplit(".", 1)[-1])
        self.addCleanup(self.close)
        self.server = NatsServer(self.workspace, max_payload=16 << 20).start()
        self.connection = self.server.connect()
        self.js = JetStream(self.connection)
        self.js.stream_create("DATA", ["local.data.>"])
        self.bucket = Bucket.make(self.js, "INTEGRATIONS", history=10)
        self.agent = Agent(self.workspace, binary, self.server)

    def close(self):
        self.connection.close()
        outcome = self._outcome.result
        self.workspace.close(failed=any(case is self for case, _ in outcome.failures + outcome.errors))

    def tearDown(self):
        if self.agent.alive:
            self.assertEqual(self.agent.terminate(6), 0, self.agent.log_tail(20))

    def start(self, records=300):
        """An agent that has published what there is."""
        self.simulator = Simulator(self.workspace, {"okta": {"events": records, "tokens": [TOKEN], "rate_limit": 1_000_000_000}}).start()
        self.bucket.put("okta-prod", {"integration_type": "okta", "settings": {"fqdn": "a.okta.com", "base_url": f"{self.simulator.url}/okta"},
                                      "credentials": {"api_token": TOKEN}, "poll_interval_minutes": 60})
        self.agent.start()
        wait_until(lambda: "fetched" in self.agent.log(), DEADLINE_S, lambda: self.agent.log_tail(20))
        self.assertEqual(self.js.stream_state("DATA")["messages"], records)

    def store(self, bucket, key, value):
        """As any client does, without this library's look into it."""
        self.js.publish(f"{bucket.subject}.{key}", value)

    def ask(self, request, reply=None, deadline_s=DEADLINE_S):
        """The answers up to the end."""
        inbox, answers = reply or self.connection.new_inbox(), []
        subscription = self.connection.subscribe(inbox)
        self.connection.publish(SUBJECT, json.dumps({"v": 1, **request}), reply=inbox)

        def ended():
            try:
                answers.append(json.loads(subscription.next(0.1).body))
            except Timeout:
                return False
            return "end" in answers[-1]
        wait_until(ended, deadline_s, lambda: f"an end of {request}: {answers}")
        subscription.unsubscribe()
        return answers

    def run_command(self, *words, deadline_s=30):
        """Bounded in memory (where no sanitizer wants all addresses) and time; ends by itself, and says nothing that a terminal would obey."""
        done = subprocess.run([self.agent.binary, *words], env=self.agent.environment(), stdin=subprocess.DEVNULL, capture_output=True,
                              timeout=deadline_s, check=False)
        out = done.stdout.decode() + done.stderr.decode()
        self.assertIn(done.returncode, (0, 1, 2), f"{words}: {out[-3000:]}")
        self.assertEqual(commands_of(out), [], f"{words}: {out[:3000]!r}")
        if "--json" in words and done.stdout:
            for line in done.stdout.splitlines() if words[0] == "poll" else [done.stdout]:
                json.loads(line)
        return out

    # ---- the control subject --------------------------------------------------------------------------------------

    def test_reply_subjects(self):
        """An answer goes to an inbox alone: whoever may ask must not have the agent write where only the agent may."""
        self.start()
        before = {name: self.js.stream_state(name)["last_seq"] for name in ("DATA", "KV_CHECKPOINTS", "KV_SEEN", "KV_INTEGRATIONS")}
        places = ["$JS.API.STREAM.PURGE.DATA", "$JS.API.STREAM.DELETE.DATA", "$JS.API.STREAM.PURGE.KV_CHECKPOINTS", "$KV.CHECKPOINTS.okta-prod.system_log",
                  "$KV.INTEGRATIONS.new-one", "$KV.INTEGRATION_LEASES.agent", "$KV.INTEGRATION_LEASES.other", "$KV.SEEN.x", "local.data.artifacts.raw",
                  "local.data.dead", SUBJECT, "signal-client.other.control", "orders.new", "_INBOX", "_INBOX.*", "_INBOX.>", "_INBOX.a..b", "_INBOX."]
        heard = [self.connection.subscribe(place) for place in ("orders.>", "signal-client.other.>", "_INBOX", "$JS.>")]
        for place in places:
            for request in ({"op": "agent"}, {"op": "nonsense"}, {"op": "log"}, {"op": "poll", "integration": "okta-prod", "dry": True},
                            {"op": "checkpoint", "do": "set", "integration": "okta-prod", "look": True}):
                self.connection.publish(SUBJECT, json.dumps({"v": 1, **request}), reply=place)
        for reply in ("_INBOX.plain.1", "_INBOX_alice.x"):  # a server lets no client use _R_
            self.assertTrue(self.ask({"op": "agent"}, reply)[-1]["end"]["ok"])
        self.assertTrue(self.ask({"op": "poll", "integration": "okta-prod", "dry": True})[-1]["end"]["ok"])
        self.assertEqual({name: self.js.stream_state(name)["last_seq"] for name in before}, before)
        self.assertEqual(self.js.stream_state("DATA")["messages"], 300)
        self.assertIsNone(Bucket(self.js, "INTEGRATION_LEASES").entry("other"))
        for subscription in heard:
            got = []
            try:
                while True:
                    message = subscription.next(0.05)
                    got += [message.subject] * (b'"end"' in message.body or b'"alive"' in message.body)
            except Timeout:
                pass
            self.assertEqual(got, [], subscription.subject)
        refused = [line for line in self.agent.log().splitlines() if "no inbox" in line and "[WARN]" in line]
        self.assertEqual(len(refused), 1, refused[:3])  # the rest is counted

    def test_flood(self):
        """Ten thousand requests of every kind: bounded, answered again afterwards, and the agent stops in time in the middle of more."""
        self.start()
        evil = json.dumps({"v": 1, "op": EVIL, "integration": EVIL}).encode()
        bodies = [b"", os.urandom(4000), evil, DEEP[:60000], b'{"v":1,"op":"log","level":"warn"}', b'{"v":1,"op":"log","level":"debug"}',
                  b'{"v":1,"op":"agent"}', b'{"v":1,"op":"poll","integration":"okta-prod"}', b'{"v":1,"op":"checkpoint","integration":"okta-prod","do":"reset"}',
                  b'{"v":1,"op":"poll","integration":"' + b"a" * 500 + b'"}', b"\xff" * 70000, '{"v":1,"op":"é'.encode() + "é".encode() * 40 + b'"}']
        inbox = self.connection.new_inbox()
        frames = [self.connection.frame(SUBJECT, body, reply=inbox) for body in bodies]
        began = os.path.getsize(self.agent.log_path)
        for _ in range(100):
            self.connection.send_frames(frames[:9] * 11 + frames[9:])
        self.connection.flush(30)

        def answered():
            try:
                return self.ask({"op": "agent"}, deadline_s=5)
            except AssertionError:
                return None
        wait_until(answered, DEADLINE_S, "an answer after the flood")
        self.assertEqual(commands_of(self.agent.log()), [])
        self.assertLess(os.path.getsize(self.agent.log_path) - began, 8 << 20)
        ids = [m.headers["Nats-Msg-Id"] for m in self.js.read("DATA")]
        self.assertEqual(len({i for i in ids if ".gap~" not in i}), 300)  # positions were set back by some of them, which is told in the stream
        self.assertEqual(len(ids), len(set(ids)))
        if "asan" not in self.agent.binary and "tsan" not in self.agent.binary:
            self.assertLess(self.agent.memory_peak_bytes(), 400 << 20)
        stop, flood = [], self.server.connect()

        def more():
            while not stop:
                flood.send_frames(frames[:8] * 20)
        thread = threading.Thread(target=more, daemon=True)
        thread.start()
        try:
            self.assertEqual(self.agent.terminate(6), 0, self.agent.log_tail(20))
        finally:
            stop.append(True)
            thread.join()
            flood.close()

    # ---- what commands read ---------------------------------------------------------------------------------------

    def impostor(self, *answers):
        """Answers as the agent would, until the test ends."""
        connection, stop = self.server.connect(), []
        subscription = connection.subscribe("signal-client.*.control")

        def serve():
            while not stop:
                try:
                    message = subscription.next(0.2)
                except Timeout:
                    continue
                for answer in answers if message.reply else ():
                    connection.publish(message.reply, answer if isinstance(answer, bytes) else json.dumps(answer))
        thread = threading.Thread(target=serve, daemon=True)
        thread.start()

        def end():
            stop.append(True)
            thread.join()
            connection.close()
        self.addCleanup(end)

    def evil_status(self):
        facts = {name: EVIL for name in ("state", "reason", "detail", "advice", "since", "last_poll", "next_poll", "last_success", "phase")}
        facts |= {"interval_seconds": 1 << 62, "records": -(1 << 63), "failures": {"count": 1 << 62, "since": EVIL}, "until": "9999-12-31T23:59:59Z",
                  "since": "0001-01-01T00:00:00Z", "timing_ms": {EVIL: 1 << 62, "total": (1 << 63) - 1, "dns": (1 << 63) - 1, "connect": (1 << 63) - 1},
                  "notices": [{"reason": EVIL, "detail": EVIL, "advice": EVIL, "since": EVIL}], "progress": {"reached": EVIL, "page": 1e300, "since": EVIL},
                  "requests": {"total": (1 << 63) - 1}, "checkpoint": {EVIL: EVIL}, "backfill": {"text": EVIL, "reason": EVIL, "detail": EVIL, "state": EVIL},
                  "last_poll": "9999-12-31T23:59:59.999Z", "next_poll": "0001-01-01T00:00:00Z"}
        return {"v": 1, "written": "9999-12-31T23:59:59Z", "agent": EVIL, "source": {"key": EVIL, EVIL: EVIL}, "reason": EVIL, "state": EVIL, "detail": EVIL,
                "advice": EVIL, "integration_type": EVIL, "connector": EVIL, "data_types": {EVIL: facts, "system_log": facts}, "notices": facts["notices"],
                "expires": [{"what": EVIL, "at": EVIL}], "credential": {"expires": "0001-01-01T00:00:00Z", "since": EVIL}}

    def evil_buckets(self):
        status, checkpoints = Bucket.make(self.js, "INTEGRATION_STATUS"), Bucket.make(self.js, "CHECKPOINTS")
        leases = Bucket.make(self.js, "INTEGRATION_LEASES")
        leases.put("agent", {"v": 1, "holder": EVIL, "agent": EVIL, "epoch": 1 << 62, "renewed": EVIL, "taken": EVIL, "version": EVIL, "released": False})
        self.bucket.put("okta-prod", {"integration_type": EVIL, "settings": {"fqdn": EVIL, EVIL: [EVIL]}, "credentials": {"api_token": TOKEN}})
        self.bucket.put("okta-two", {"integration_type": "okta", "settings": {"fqdn": EVIL}, "enabled": EVIL, "poll_interval_minutes": 1 << 62})
        self.bucket.put("na\x1b[2Jme\x9b", {"integration_type": "okta"})
        for name in ("okta-prod", "okta-two", "left\x1b[2J", "left-\x9b"):
            status.put(name, self.evil_status())
        backfill = {"state": EVIL, "from": EVIL, "to": "9999-12-31T23:59:59Z", "id": EVIL}
        checkpoint = {"v": 1, "agent": EVIL, "saved": EVIL, "connector": EVIL, "source": EVIL, "recipe": 1, "epoch": 1, "n": 1, "position": {EVIL: EVIL, "time": EVIL},
                      "floor": {"page": 1, "walk": 1}, "seen": {"first": 1, "end": 1 << 31}, "backfill": backfill, "gaps": [{"from": EVIL, "to": EVIL, "reason": EVIL}]}
        for key in ("okta-prod.system_log", "okta-prod.ty\x1bpe", "okta-prod.=1B=5B2J", "=1B=9B.=1B.=backfill", "okta-prod.system_log.=backfill",
                    "okta-prod.raw\x1b[2J.=backfill"):
            checkpoints.put(key, checkpoint)
        stored = {"v": 1, "agent": EVIL}
        checkpoints.put("okta-prod.short", stored)
        self.js.publish("local.data.artifacts.raw", json.dumps({"a": EVIL}), {"Nats-Msg-Id": "okta-prod/\x1b[2J/\x9bx", "ce-source": "signal-client/okta/\x1b[2Jx",
                                                                              "ce-type": "\x1b]0;x\x07", "ce-time": "\x1b[1m"})

    COMMANDS = (("status",), ("status", "--json"), ("status", "okta-prod"), ("status", "okta-prod", "--json"), ("status", "okta-two"), ("doctor",), ("doctor", "--json"),
                ("doctor", "okta-prod"), ("doctor", "okta-prod", "--json"), ("checkpoint", "show", "okta-prod"), ("checkpoint", "show", "okta-prod", "--json"),
                ("backfill", "list"), ("backfill", "list", "--json"), ("integrations", "list"), ("integrations", "list", "--json"),
                ("integrations", "show", "okta-prod"), ("integrations", "show", "okta-prod", "--json"), ("integrations", "show", "okta-two"),
                ("tail", "--last", "5", "--count", "1", "--headers"), ("tail", "--last", "5", "--count", "1", "--json"), ("tail", "--last", "5", "--count", "1"))

    def test_terminal(self):
        """Nothing that stands in a bucket, a message or an answer commands the terminal of who looks."""
        self.evil_buckets()
        line = {name: EVIL for name in ("text", "result", "data_type", "reason", "advice", "log_level", "version", "agent", "hint", "check", "value", "cure")}
        line |= {"notices": [dict(line)], "broker": {EVIL: EVIL, "stream": EVIL}, "since": EVIL, "integrations": 1 << 62, "uptime_seconds": 1 << 62, "kind": EVIL}
        self.impostor({"alive": {"id": EVIL, "agent": EVIL}}, {"line": line}, {"check": line},
                      {"trace": {"at": EVIL * 2, "kind": "\x1b[2J", "data_type": EVIL, "text": EVIL, "headers": [EVIL], "body": EVIL}},
                      {"end": {"ok": False, "text": EVIL}})
        for words in (*self.COMMANDS, ("poll", "okta-prod"), ("poll", "okta-prod", "--trace"), ("poll", "okta-prod", "--trace", "--json"),
                      ("checkpoint", "set", "okta-prod", "--data-type", "system_log", "--time", "2026-01-01T00:00:00Z", "--yes"),
                      ("backfill", "okta-prod", "--data-type", "system_log", "--from", "2026-01-01", "--to", "2026-01-02"), ("log", "debug")):
            with self.subTest(words=words):
                self.run_command(*words)

    def test_large_and_deep(self):
        """Values of ten megabytes, values nested without end, a thousand thousand members: an answer, soon."""
        status, checkpoints = Bucket.make(self.js, "INTEGRATION_STATUS"), Bucket.make(self.js, "CHECKPOINTS")
        many = {"v": 1, "data_types": {f"t{i}": {"state": "active", "reason": "ok"} for i in range(50000)}}
        nested = b'{"v":1,"data_types":' + b'{"a":' * 2000 + b"1" + b"}" * 2000 + b"}"
        long = json.dumps({"v": 1, "detail": LONG, "integration_type": "x", "agent": "a", "position": {"time": "b"}})
        for bucket, prefix in ((self.bucket, "okta-"), (status, "okta-"), (checkpoints, "okta-prod.")):
            for name, value in (("prod", long), ("two", DEEP), ("three", nested), ("four", os.urandom(3000)), ("five", b"")):
                self.store(bucket, prefix + name, value)
        self.store(status, "okta-six", json.dumps(many))
        self.impostor(b"\xff\xfe", DEEP, json.dumps({"line": {"text": "y" * (1 << 20)}}), {"end": {"ok": True, "text": ""}})
        for words in self.COMMANDS[:-3]:
            with self.subTest(words=words):
                self.run_command(*words)

    def test_agent_reads_them(self):
        """The agent, too: its own buckets as others may have left them, and it goes on with what is sound."""
        self.start()
        for key, value in (("deep", DEEP), ("long", json.dumps({"integration_type": LONG})), ("odd\x1b[2J", json.dumps({"integration_type": EVIL})),
                           ("evil", json.dumps({"integration_type": "okta", "settings": {"fqdn": EVIL}, "credentials": {"api_token": TOKEN}})), ("raw", os.urandom(5000))):
            self.store(self.bucket, key, value)
        wait_until(lambda: "integration=evil" in self.agent.log(), DEADLINE_S, lambda: self.agent.log_tail(20))
        self.assertTrue(self.ask({"op": "poll", "integration": "okta-prod"})[-1]["end"]["ok"])
        self.assertEqual(commands_of(self.agent.log()), [])


if __name__ == "__main__":
    sys.setrecursionlimit(20000)  # of the reader here
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    unittest.main(verbosity=2)
