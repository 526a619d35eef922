#!/usr/bin/env python3
"""The agent's log as those see it who read it by program: each line one JSON object, whatever a vendor sends; and its level, changed while the agent
runs, of all or of one integration, until its time is over.

    SIGNAL_CLIENT_BINARY=build/dev/signal-client tests/integration/test_log.py
"""

import json
import os
import re
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib", "python"))

from signaltest.jetstream import JetStream  # noqa: E402
from signaltest.kv import Bucket  # noqa: E402
from signaltest.procs import Agent, NatsServer, find_agent  # noqa: E402
from signaltest.simulator import Simulator  # noqa: E402
from signaltest.tools import Workspace, wait_until  # noqa: E402

SOON = 30.0
TOKEN = "00logTokenOfDana"


class LogTest(unittest.TestCase):
    def setUp(self):
        binary = os.environ.get("SIGNAL_CLIENT_BINARY") or find_agent()
        self.assertTrue(binary, "no agent is built")
        self.workspace = Workspace(self.id().rsplit(".", 1)[-1])
        self.addCleanup(self.close)
        self.server = NatsServer(self.workspace).start()
        self.connection = self.server.connect()
        self.js = JetStream(self.connection)
        self.js.stream_create("DATA", ["local.data.>"])
        self.bucket = Bucket.make(self.js, "INTEGRATIONS")
        self.simulator = Simulator(self.workspace, {"okta": {"events": 20, "tokens": [TOKEN], "rate_limit": 1_000_000_000}}).start()
        self.agent = Agent(self.workspace, binary, self.server, settings="lease = { renew_ms = 200; valid_ms = 1000; take_after_ms = 1500; };",
                           env={"LOG_LEVEL": "info", "LOG_FORMAT": "json"})

    def close(self):
        self.connection.close()
        outcome = self._outcome.result
        self.workspace.close(failed=any(case is self for case, _ in outcome.failures + outcome.errors))

    def put(self, name, interval=60):
        return self.bucket.put(name, {"integration_type": "okta", "settings": {"fqdn": "a.okta.com", "base_url": f"{self.simulator.url}/okta", "source": name},
                                      "credentials": {"api_token": TOKEN}, "poll_interval_minutes": interval})

    def lines(self):
        """Every line but the harness's own; whatever is no JSON fails."""
        with open(self.agent.log_path, "rb") as file:
            raw = file.read()
        return [json.loads(line.decode("utf-8")) for line in raw[:raw.rfind(b"\n") + 1].splitlines() if not line.startswith(b"--- start")]

    def line(self, **wanted):
        def find():
            return next((line for line in self.lines() if all(re.search(want, str(line.get(name, ""))) for name, want in wanted.items())), None)
        return wait_until(find, SOON, lambda: f"a line with {wanted}\n{self.agent.log_tail()}")

    def poll_again(self, name, count):
        """Another revision; returns when its poll is told, which is the first thing after a put that always is."""
        rev = self.put(name, 60 + count)
        self.line(integration=f"^{name}$", text=f"^revision {rev} is in use")
        wait_until(lambda: sum(1 for line in self.lines() if line.get("integration") == name and line["text"].startswith("fetched ")) >= count, SOON,
                   lambda: f"poll {count} of {name}\n{self.agent.log_tail()}")

    def test_each_line_is_an_object(self):
        self.simulator.misbehave("okta", {"kind": "status", "status": 500})
        self.agent.start()
        self.put("okta-prod")
        fetched = self.line(text="^fetched 20 events$", integration="^okta-prod$")
        self.assertEqual((fetched["level"], fetched["component"], fetched["data_type"], fetched["read"]), ("INFO", "okta", "system_log", 20), fetched)
        self.assertRegex(fetched["time"], r"^20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$")
        failed = self.line(reason="^vendor_error$", integration="^okta-prod$")
        self.assertEqual((failed["level"], failed["data_type"]), ("WARN", "system_log"), failed)
        self.line(text=r"^good again after .* \(1 time\)$", reason="^vendor_error$")
        self.bucket.put("odd", b'{"integration_type":"okta","name":"\xff\xfe\x00\x1b[2J","settings":{"fqdn":"\xc3\x28"}')
        self.line(integration="^odd$", level="^ERROR$", text="is not in use")
        self.agent.terminate()
        texts = [line["text"] for line in self.lines()]
        self.assertEqual(texts[-1], "stopped")
        for line in self.lines():
            self.assertLessEqual({"time", "level", "component", "text"}, set(line), line)

    def test_level_while_it_runs(self):
        self.agent.start()
        for name in ("okta-prod", "okta-test"):
            self.put(name)
            self.line(text="^fetched 20 events$", integration=f"^{name}$")
        self.assertNotIn("DEBUG", {line["level"] for line in self.lines()})
        self.assertEqual(self.command("log"), "info\n")
        said = self.command("log", "debug", "--integration", "okta-prod", "--for", "10m")
        self.assertRegex(said, r"^info; okta-prod: debug until \d\d:\d\d:\d\dZ\n$")
        self.line(component="^control$", level="^WARN$", text="^the log level of okta-prod is debug from now on, for 10 min")
        for count, name in ((2, "okta-test"), (2, "okta-prod")):
            self.poll_again(name, count)
        debug = {line.get("integration") for line in self.lines() if line["level"] == "DEBUG"}
        self.assertEqual(debug, {"okta-prod"})
        self.assertEqual(self.command("log", "reset"), "the level of the settings holds again; now: info\n")
        before = len([line for line in self.lines() if line["level"] == "DEBUG"])
        self.poll_again("okta-prod", 3)
        self.assertEqual(len([line for line in self.lines() if line["level"] == "DEBUG"]), before)
        self.command("log", "debug", "--integration", "okta-prod", "--for", "1s")
        self.line(text="^the log level of okta-prod has had its time: info again$")
        self.assertEqual(json.loads(self.command("log", "--json")), {"log_level": "info"})
        self.assertRegex(self.command("log", "debug"), r"^debug until \d\d:\d\d:\d\dZ, then info\n$", "a log at DEBUG fills disks: an hour where nobody said")
        self.agent.terminate()
        done = self.agent.command("log", "debug", deadline_s=30)
        self.assertEqual(done.returncode, 1)
        self.assertRegex(done.stderr, "no agent runs")

    def command(self, *words):
        done = self.agent.command(*words, deadline_s=30)
        self.assertEqual((done.returncode, done.stderr), (0, ""), words)
        return done.stdout


if __name__ == "__main__":
    unittest.main()
