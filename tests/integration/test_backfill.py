#!/usr/bin/env python3
"""`checkpoint show`, `set`, `reset` and `backfill` as an operator types them, with an agent and without one; a real nats-server and a simulated vendor.

    tests/integration/test_backfill.py [-v]      SIGNAL_CLIENT_BINARY names the agent; else the newest in the build trees"""

import json
import os
import sys
import time
import unittest
from datetime import datetime, timezone

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

from test_control import DEADLINE_S, TOKEN, Control  # noqa: E402
from signaltest.kv import Bucket  # noqa: E402
from signaltest.tools import wait_until  # noqa: E402

DAY = 86400


def at(seconds):
    return datetime.fromtimestamp(seconds, timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


class Backfill(Control):
    VENDORS = {"okta": {"events": 1200, "span": 3 * 86400, "tokens": [TOKEN], "rate_limit": 1_000_000_000}}

    def run_command(self, *words, want=0):
        done = self.agent.command(*words)
        self.said.append(done.stdout + done.stderr)
        self.assertEqual(done.returncode, want, f"{words}\n{done.stdout}\n{done.stderr}\n{self.tail()}")
        return done.stdout

    def count(self):
        return self.js.stream_state("DATA")["messages"]

    def ids(self):
        return [message.headers["Nats-Msg-Id"] for message in self.js.read("DATA")]

    def begin(self, lookback=24):
        self.agent.start()
        self.put(data_types={"system_log": {"lookback_hours": lookback}}, rate_limit={"requests": 100_000, "per_seconds": 1, "reserve_percent": 0})
        self.told("fetched")

    def test_backfill(self):
        """What lies before the first poll's lookback: begun, listed, done; a second one of the same days publishes nothing."""
        self.begin()
        live = self.count()
        self.assertTrue(0 < live < 1200, live)
        now = time.time()
        window = ("--data-type", "system_log", "--from", at(now - 4 * DAY), "--to", at(now - DAY / 2))
        self.assertIn("are in the stream and are recognised", self.run_command("backfill", "okta-prod", *window))

        def listed():
            rows = json.loads(self.run_command("backfill", "list", "--json"))
            return rows if rows and rows[0]["state"] == "done" else None
        row, = wait_until(listed, DEADLINE_S, lambda: self.agent.log_tail(20))
        self.assertEqual((row["integration"], row["data_type"]), ("okta-prod", "system_log"), row)
        whole = self.count()
        self.assertEqual(row["records"], whole - live, row)
        self.assertIn("okta-prod", self.run_command("backfill", "list", "okta-prod"))
        self.assertRegex(self.run_command("checkpoint", "show", "okta-prod"), r"backfill +done, of records from 20")
        self.run_command("backfill", "stop", "okta-prod", want=1)
        self.run_poll("okta-prod")
        self.run_command("backfill", "okta-prod", *window)
        wait_until(lambda: self.agent.log().count("backfill: done") == 2, DEADLINE_S, lambda: self.agent.log_tail(20))
        self.assertEqual(self.count(), whole)
        self.assertEqual(len(set(self.ids())), whole)
        self.nothing_leaked()

    def test_by_hand(self):
        """Back, forward, anew; while the agent runs and while none does."""
        self.begin()
        live = self.count()
        now = time.time()
        self.assertIn("by hand", self.run_command("checkpoint", "set", "okta-prod", "--data-type", "system_log", "--time", at(now - DAY / 2)) + self.told("by hand"))
        wait_until(lambda: self.agent.log().count("fetched") == 2, DEADLINE_S, lambda: self.agent.log_tail(20))
        self.assertEqual(self.count(), live)
        self.run_command("checkpoint", "set", "okta-prod", "--data-type", "system_log", "--time", at(now + DAY), want=1)
        self.agent.terminate(6)
        shown = json.loads(self.run_command("checkpoint", "show", "okta-prod", "--json"))
        self.assertEqual([row["data_type"] for row in shown], ["system_log"])
        position = shown[0]["value"]["position"]
        self.assertIn("position", self.run_command("checkpoint", "show", "okta-prod"))
        self.run_command("checkpoint", "set", "okta-prod", "--data-type", "system_log", "--time", at(now - DAY / 4))
        again = json.loads(self.run_command("checkpoint", "show", "okta-prod", "--json"))[0]["value"]["position"]
        self.assertNotEqual(again, position)
        self.run_command("checkpoint", "set", "okta-prod", "--data-type", "system_log", "--position", json.dumps(position))
        self.run_command("checkpoint", "reset", "okta-prod", "--data-type", "system_log")
        self.run_command("checkpoint", "reset", "okta-prod", "--republish", want=1)  # nobody was asked
        self.run_command("checkpoint", "show", "okta-prod", "--data-type", "nothing", want=1)
        self.agent.start()
        wait_until(lambda: self.agent.log().count("fetched") >= 3, DEADLINE_S, lambda: self.agent.log_tail(20))
        gaps = [m for m in range(live + 1, self.count() + 1)]
        self.assertLessEqual(len(gaps), 1)  # from a position back to one further on: what lies between is named
        self.nothing_leaked()

    def test_unreadable(self):
        """A checkpoint that somebody has spoilt: named with its place, and begun anew by hand."""
        self.begin()
        live = self.count()
        self.agent.terminate(6)
        bucket = Bucket(self.js, "CHECKPOINTS")
        bucket.put("okta-prod.system_log", {"v": 1, "connector": 7})
        self.assertIn("connector", self.run_command("checkpoint", "show", "okta-prod", want=1))
        self.run_command("checkpoint", "reset", "okta-prod", "--data-type", "system_log")
        self.agent.start()
        self.told("fetched 0 events", since=0)
        self.assertEqual(self.count(), live)


for inherited in set(dir(Control)) - set(vars(Backfill)):
    if inherited.startswith("test_"):
        setattr(Backfill, inherited, None)
del Control

if __name__ == "__main__":
    unittest.main()
