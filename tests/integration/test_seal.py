#!/usr/bin/env python3
"""Sealed credentials in the whole agent: a real nats-server, a simulated vendor, key files that are missing, come later and change under it.

    tests/integration/test_seal.py [-v]      SIGNAL_CLIENT_BINARY names the agent; else the newest in the build trees"""

import hashlib
import json
import os
import subprocess
import sys
import unittest

ROOT = os.path.abspath(os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", ".."))
sys.path.insert(0, os.path.join(ROOT, "tests", "lib", "python"))

from signaltest import seal  # noqa: E402
from signaltest.jetstream import JetStream  # noqa: E402
from signaltest.kv import Bucket  # noqa: E402
from signaltest.procs import Agent, NatsServer, find_agent  # noqa: E402
from signaltest.simulator import Simulator  # noqa: E402
from signaltest.tools import Workspace, wait_until  # noqa: E402

OLD, NEW = "00tok-Old.Never/Shown", "00tok-New.Never/Shown"
IDLE_S = 20


class SealedAgent(unittest.TestCase):
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
        self.simulator = Simulator(self.workspace, {"okta": {"events": 40, "tokens": [OLD, NEW], "rate_limit": 1_000_000_000}}).start()
        self.key, self.old_key = self.workspace.file("keys", "seal.key"), self.workspace.file("keys", "seal.old")
        settings = f'seal = {{ key_file = "{self.key}"; old_key_file = "{self.old_key}"; }};'
        self.agent = Agent(self.workspace, binary, self.server, settings=settings)

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

    def command(self, *words, stdin="", want=0):
        done = subprocess.run([self.agent.binary, *words], input=stdin, env=self.agent.environment(), capture_output=True, text=True, timeout=60,
                              check=False)
        self.assertEqual(done.returncode, want, f"{words}\n{done.stdout}\n{done.stderr}")
        return done.stdout + done.stderr

    def new_key(self, path):
        return json.loads(self.command("seal", "--new-key", path, "--json"))["key"]

    def put(self, token):
        self.command("integrations", "put", "okta-prod", "--type", "okta", "--set", "fqdn=a.okta.com", "--set", f"base_url={self.simulator.url}/okta",
                     "--interval-minutes", "0.02", "--secret", "api_token", stdin=token + "\n")

    # ---- what is seen ---------------------------------------------------------------------------------------------

    def told(self, text, since=0):
        """The first line of the log with that text."""
        def find():
            return next((line for line in self.agent.log()[since:].splitlines() if text in line), None)
        return wait_until(find, IDLE_S, lambda: f"in the log: {text}\n{self.agent.log_tail(20)}")

    def good_request(self, token):
        """A request of from now on that was answered with 200 for this token."""
        asked = self.simulator.requests("okta")
        newest = asked[-1]["n"] if asked else 0
        sent = "sha256:" + hashlib.sha256(f"SSWS {token}".encode()).hexdigest()[:16]
        return wait_until(lambda: next((r for r in self.simulator.requests("okta", since=newest)
                                        if r["status"] == 200 and r["headers"].get("authorization") == sent), None),
                          IDLE_S, lambda: f"a good request with {token}\n{self.agent.log_tail(20)}")

    def all_published(self):
        """Every record of the vendor, once."""
        offered = len(self.simulator.ledger("okta", everything=True))
        wait_until(lambda: self.js.stream_state("DATA")["last_seq"] >= offered, IDLE_S, lambda: f"{offered} records\n{self.agent.log_tail(20)}")
        messages = list(self.js.read("DATA"))
        self.assertEqual((len(messages), len({m.headers["Nats-Msg-Id"] for m in messages})), (offered, offered))

    def nothing_leaked(self):
        """No secret in any revision of any bucket, in the stream, in the log."""
        texts = [self.agent.log().encode()]
        for stream in ("KV_INTEGRATIONS", "KV_INTEGRATION_STATUS", "KV_CHECKPOINTS", "KV_SEEN", "DATA"):
            texts += [m.body for m in self.js.read(stream)]
        keys = [seal.read_key(path) for path in (self.key, self.old_key) if os.path.exists(path)]
        for secret in [OLD.encode(), NEW.encode(), *keys, *(seal.key_text(key).strip().encode() for key in keys)]:
            self.assertFalse([text for text in texts if secret in text], secret)

    def status(self):
        return Bucket(self.js, "INTEGRATION_STATUS").get_json("okta-prod", {}) if Bucket(self.js, "INTEGRATION_STATUS").exists() else {}

    # ---- the tests ------------------------------------------------------------------------------------------------

    def test_put_sealed_and_polled(self):
        key = self.new_key(self.key)
        self.agent.start()
        self.told(f"seal.key_file {self.key} holds key {key}")
        self.told(f"[ERROR] config: seal.old_key_file: key file {self.old_key} cannot be read by user ")
        self.put(OLD)
        self.assertTrue(self.bucket.get_json("okta-prod")["credentials"]["api_token"].startswith(f"sealed:v1:{key}:"))
        self.good_request(OLD)
        self.all_published()
        with open(f"/proc/{self.agent.pid}/limits", encoding="ascii") as file:
            core = next(line.split()[4:6] for line in file if line.startswith("Max core file size"))
        self.assertEqual(core, ["0", "0"], "no core that secrets could stand in")
        self.nothing_leaked()

    def test_key_missing_then_there(self):
        """A value that cannot be opened changes nothing that runs; the key file that comes later needs no put and no restart."""
        first = self.new_key(self.key)
        self.agent.start()
        self.put(OLD)
        self.good_request(OLD)
        later = self.workspace.file("keys", "later.key")
        second = self.new_key(later)
        at = len(self.agent.log())
        value = self.bucket.get_json("okta-prod")
        value["credentials"]["api_token"] = seal.seal(seal.read_key(later), "okta-prod", "api_token", NEW)
        revision = self.bucket.put("okta-prod", value)
        line = self.told(f"revision {revision} is not in use", at)
        for words in (f"credentials.api_token is sealed with key {second}", f"key file {self.old_key} cannot be read", "the last good one stays in use",
                      "key files are looked at again each minute", "[ERROR]"):
            self.assertIn(words, line)
        wait_until(lambda: f"is sealed with key {second}" in json.dumps(self.status()), IDLE_S, lambda: f"the status says it: {self.status()}")
        self.good_request(OLD)
        os.rename(later, self.old_key)
        self.server.stop()  # the watch compares the bucket when it is back, as it does each minute
        self.server.start()
        self.connect()
        self.told(f"revision {revision}, refused before, can be opened now", at)
        self.good_request(NEW)
        wait_until(lambda: "not in use" not in json.dumps(self.status()), IDLE_S, lambda: f"the status forgets it: {self.status()}")
        self.all_published()
        self.assertNotEqual(first, second)
        self.nothing_leaked()

    def test_started_without_key(self):
        """An integration that cannot be opened at the start is said to be so, in log and status, and asks nothing of the vendor."""
        self.new_key(self.key)
        self.put(OLD)
        away = self.key + ".away"
        os.rename(self.key, away)
        self.agent.start()
        self.told("which is not at hand: key file " + self.key + " cannot be read by user ")
        status = wait_until(self.status, IDLE_S, "a status")
        self.assertEqual((status["state"], status["reason"]), ("error", "config_invalid"))
        self.assertIn("is sealed with key", status["detail"])
        self.assertEqual(self.simulator.requests("okta"), [])
        os.rename(away, self.key)
        self.put(OLD)
        self.good_request(OLD)

    def test_new_key_while_running(self):
        """old -> new key under a running agent: no refused request, no other credential, nothing lost or twice; then the old key goes."""
        first = self.new_key(self.key)
        self.agent.start()
        self.put(OLD)
        self.good_request(OLD)
        fresh = self.workspace.file("keys", "fresh.key")
        second = self.new_key(fresh)
        os.rename(self.key, self.old_key)
        os.rename(fresh, self.key)
        at = len(self.agent.log())
        said = self.command("seal", "--rotate")
        self.assertIn(f"okta-prod: 1 sealed with key {second}", said)
        self.assertIn(f"nothing in the bucket needs key {first} any more", said)
        self.assertIn(f"sealed:v1:{second}:", self.bucket.get("okta-prod").value.decode())
        line = self.told("is in use", at)
        self.assertNotIn("with a new credential", line, "another seal is no other credential")
        os.remove(self.old_key)
        self.simulator.set("okta", append=20)
        self.good_request(OLD)
        self.all_published()
        self.agent.stop()
        self.agent.start()
        self.simulator.set("okta", append=20)
        self.good_request(OLD)
        self.all_published()
        self.assertEqual([r for r in self.simulator.requests("okta") if r["status"] == 401], [])
        self.assertNotIn("is not in use", self.agent.log())
        self.nothing_leaked()


if __name__ == "__main__":
    unittest.main()
