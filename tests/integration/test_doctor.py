#!/usr/bin/env python3
"""`doctor NAME` in the whole agent: what it finds, what it spends, and that it changes nothing; all connectors against their simulated vendors.

    tests/integration/test_doctor.py [-v]      SIGNAL_CLIENT_BINARY names the agent; else the newest in the build trees"""

import base64
import json
import os
import subprocess
import sys
import unittest
import urllib.parse

ROOT = os.path.abspath(os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", ".."))
sys.path[:0] = [os.path.join(ROOT, "tests", folder) for folder in ("symptoms", "faults", os.path.join("lib", "python"))]

from everything import PARTS  # noqa: E402
from signaltest.simulator import Simulator  # noqa: E402
from signaltest.tools import wait_until  # noqa: E402
from network import Raw, read_request  # noqa: E402
from symptom import Peer, Stage, okta, says  # noqa: E402

TOKEN = "00tok-Plain/Never+Shown=1"
HANDFUL = 5   # requests for one data type
JOBS = {"tenable": ("vulnerabilities", "assets")}  # data types whose first request makes something at the vendor


class Case(unittest.TestCase):
    SETTINGS = ""
    VENDORS = {"okta": {"events": 250, "tokens": [TOKEN], "rate_limit": 1_000_000_000}}

    def setUp(self):
        self.stage = Stage(self.id().rsplit(".", 1)[-1], self.SETTINGS)
        self.addCleanup(self.close)
        self.simulator = Simulator(self.stage.workspace, self.VENDORS).start()
        self.output = []

    def close(self):
        outcome = self._outcome.result
        self.stage.close(failed=any(case is self for case, _ in outcome.failures + outcome.errors))

    # ---- the operator ---------------------------------------------------------------------------------------------

    def put(self, name="okta-prod", token=TOKEN, **changes):
        self.stage.put(name, okta(f"{self.simulator.url}/okta", credentials={"api_token": token}, poll_interval_minutes=60, **changes))

    def doctor(self, *words, want=None):
        """{(check, data type): [check, …]}; the text form is searched for secrets, too."""
        done = self.stage.command("doctor", *words, "--json")
        self.output.append(done.stdout + done.stderr)
        checks = json.loads(done.stdout)["checks"]
        bad = any(c["result"] == "bad" for c in checks)
        self.assertEqual(done.returncode, 1 if bad else 0, done.stdout)
        if want is not None:
            self.assertEqual(bad, want == "bad", done.stdout)
        found = {}
        for check in checks:
            found.setdefault((check["check"], check.get("data_type", "")), []).append(check)
        return found

    def asked(self, vendor="okta"):
        return len(self.simulator.requests(vendor))

    def idle(self, name="okta-prod"):
        wait_until(lambda: any("fetched" in line for line in self.stage.log_lines(name)), 30, lambda: self.stage.agent.log_tail(20))

    def stored(self):
        """What must not change: the stream, positions and identities."""
        state = self.stage.js.stream_state("DATA")
        buckets = {}
        for bucket in ("CHECKPOINTS", "SEEN"):
            buckets[bucket] = self.stage.js.stream_state(f"KV_{bucket}")["last_seq"]
        return state["messages"], state["last_seq"], buckets

    def expect_no_secret(self, *secrets):
        text = "\n".join(self.output) + (self.stage.agent.log() if self.stage.agent.starts else "")
        for secret in secrets:
            for form in (secret, urllib.parse.quote(secret, safe=""), base64.b64encode(secret.encode()).decode()):
                self.assertNotIn(form, text)


class Doctor(Case):
    def test_a_good_integration(self):
        self.put()
        self.stage.agent.start()
        self.idle()
        before, asked = self.stored(), self.asked()
        found = self.doctor("okta-prod", want="good")
        self.assertEqual(self.asked() - asked, 1)
        self.assertEqual(self.stored(), before)
        self.assertRegex(found["configuration", ""][0]["value"], r"^revision \d+ is in use since .*, 1 of 1 data types enabled$")
        self.assertEqual(found["source", ""][0]["value"], f"okta at {self.simulator.url}/okta, not encrypted")
        self.assertRegex(found["tcp", ""][0]["value"], rf"^connected to 127\.0\.0\.1 port {self.simulator.port} ")
        self.assertRegex(found["clock", ""][0]["value"], r"differ by -?[01]\.\d s")
        self.assertRegex(found["authentication", ""][0]["value"], r"^a key in the header Authorization; .*the vendor takes it$")
        self.assertRegex(found["page", "system_log"][0]["value"], r"^\d+ events in 1 request.*the vendor allows it, permission: Read-Only Administrator")
        self.assertRegex(found["position", "system_log"][0]["value"], "^everything up to the cursor, newest record of .*; promise exact$")
        self.assertRegex(found["live", "system_log"][0]["value"], "^active; last good poll .*; next poll ")
        self.assertEqual(found["requests", ""][0]["value"], "1 spent on this")
        self.assertEqual(len([line for line in self.stage.log_lines("okta-prod") if "fetched" in line]), 1, "the live poll is undisturbed")
        text = self.stage.command("doctor", "okta-prod").stdout
        self.assertRegex(text, r"(?m)^ok    page            system_log: \d+ events")
        self.expect_no_secret(TOKEN)

    def test_nobody_polls(self):
        """No agent runs: the command has one of its own for this, which polls nothing."""
        self.put()
        found = self.doctor("okta-prod", want="good")
        self.assertEqual(self.asked(), 1)
        self.assertEqual(self.stage.js.stream_state("DATA")["messages"], 0)
        self.assertIn("250 events in 1 request", found["page", "system_log"][0]["value"])
        self.assertEqual(found["live", "system_log"][0]["value"], "no agent is running: nothing is polled")
        self.expect_no_secret(TOKEN)

    def test_a_refused_credential(self):
        self.put()
        self.stage.agent.start()
        self.idle()
        self.simulator.set("okta", revoke=TOKEN)
        asked = self.asked()
        found = self.doctor("okta-prod", want="bad")
        self.assertEqual(self.asked() - asked, 1)
        auth = found["authentication", ""][0]
        self.assertEqual((auth["result"], auth["reason"]), ("bad", "auth_expired"))
        self.assertIn("API", auth["cure"])
        page = found["page", "system_log"][0]
        self.assertEqual((page["result"], page["value"]), ("skipped", "not asked: the credential is refused (auth_expired), see authentication"))
        self.assertEqual(found["live", "system_log"][0]["result"], "ok", "the live walk has not met it yet, and is not told")
        self.doctor("okta-prod")
        self.doctor("okta-prod")
        self.assertLessEqual(self.asked() - asked, 3)
        self.expect_no_secret(TOKEN)

    def test_a_named_wait(self):
        """The vendor has said when it may be asked again: not asked before, and said."""
        peer = Peer(says(429, "{}", Retry_After="300"))
        self.addCleanup(peer.close)
        self.stage.put("okta-slow", okta(peer.url))
        self.stage.agent.start()
        wait_until(lambda: self.stage.status("okta-slow").get("reason") == "rate_limited", 30, lambda: self.stage.agent.log_tail())
        asked = len(peer.requests)
        found = self.doctor("okta-slow")
        self.assertEqual(len(peer.requests), asked)
        page = found["page", "system_log"][0]
        self.assertEqual(page["result"], "skipped")
        self.assertRegex(page["value"], r"^not asked: the vendor has said when it may be asked again: asks at \d\d:\d\d:\d\dZ$")
        self.assertEqual(found["live", "system_log"][0]["result"], "notice")
        self.assertEqual(found["requests", ""][0]["value"], "0 spent on this")

    def test_disabled(self):
        self.put(data_types={"system_log": {"enabled": False}})
        self.stage.agent.start()
        wait_until(lambda: self.stage.status("okta-prod").get("reason") == "disabled", 30, lambda: self.stage.agent.log_tail())
        found = self.doctor("okta-prod", want="good")
        self.assertEqual(found["page", "system_log"][0]["value"], "this data type is disabled; --data-type system_log looks at it all the same")
        self.assertEqual(self.asked(), 0)
        found = self.doctor("okta-prod", "--data-type", "system_log", want="good")
        self.assertIn("250 events in 1 request", found["page", "system_log"][0]["value"])
        self.put(enabled=False)
        wait_until(lambda: "revision 2 (\"enabled\"" in self.stage.status("okta-prod").get("detail", ""), 30, lambda: json.dumps(self.stage.status("okta-prod")))
        found = self.doctor("okta-prod", want="good")
        self.assertIn("events in 1 request", found["page", "system_log"][0]["value"])
        self.assertTrue(any(c.get("reason") == "disabled" for c in found["configuration", ""]))
        self.assertEqual(self.stage.js.stream_state("DATA")["messages"], 0)

    def test_a_value_that_is_refused(self):
        """The last good one is in use, and examined; one that never was good is told, too."""
        self.put()
        self.stage.agent.start()
        self.idle()
        self.stage.integrations.put("okta-prod", b'{"integration_type": "okta"')
        wait_until(lambda: self.stage.status("okta-prod").get("reason") == "config_invalid", 30, lambda: self.stage.agent.log_tail())
        found = self.doctor("okta-prod", want="bad")
        refused = [c for c in found["configuration", ""] if c["result"] == "bad"]
        self.assertEqual(len(refused), 1)
        self.assertRegex(refused[0]["value"], "^revision 2 is not in use: .*JSON")
        self.assertEqual(refused[0]["cure"], self.stage.status("okta-prod")["advice"])
        self.assertEqual(found["page", "system_log"][0]["result"], "ok")
        self.stage.put("never", {"integration_type": "okta", "settings": {"fqdn": "a.okta.com"}, "credentials": {}})
        wait_until(lambda: self.stage.status("never").get("reason") == "config_invalid", 30, lambda: self.stage.agent.log_tail())
        found = self.doctor("never", want="bad")
        self.assertIn("api_token", json.dumps(list(found.values())))
        found = self.doctor("nobody", want="bad")
        self.assertIn("nobody", found["integration", ""][0]["value"])

    def test_the_way_is_tried_without_asking(self):
        """The first connection carries nothing and is closed before the page is asked for, on another one."""
        heard, order = [], []

        def script(connection):
            number = len(order)
            order.append(("open", number))
            data = read_request(connection)
            heard.append(data)
            order.append(("request" if data else "closed", number))
            if data:
                connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\nConnection: close\r\n"
                                   b'Link: <http://x/>; rel="self"\r\n\r\n[]')
        peer = Raw(script)
        self.addCleanup(peer.close)
        self.stage.put("okta-raw", okta(peer.url(), enabled=False))
        self.stage.agent.start()
        wait_until(lambda: self.stage.status("okta-raw").get("reason") == "disabled", 30, lambda: self.stage.agent.log_tail())
        self.doctor("okta-raw")
        wait_until(lambda: ("closed", 0) in order, 10, lambda: str(order))
        self.assertIsNone(heard[0])
        self.assertEqual(order[:2], [("open", 0), ("closed", 0)])
        self.assertTrue(heard[1].startswith(b"GET /api/v1/logs?"), heard)

    def test_one_at_a_time(self):
        """And it ends when who asked goes away."""
        gate = []
        def answer(*_):
            wait_until(lambda: gate, 30, "the gate")
            return 200, {"Link": f'<{peer.url}/api/v1/logs?after=1>; rel="next"'}, "[]"
        peer = Peer(answer)
        self.addCleanup(peer.close)
        self.addCleanup(gate.append, 1)
        self.stage.put("okta-slow", okta(peer.url, enabled=False))
        self.stage.agent.start()
        wait_until(lambda: self.stage.status("okta-slow").get("reason") == "disabled", 30, lambda: self.stage.agent.log_tail())
        first = subprocess.Popen([self.stage.agent.binary, "doctor", "okta-slow", "--json"], env=self.stage.agent.environment(),
                                 stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self.addCleanup(first.stdout.close)
        self.addCleanup(first.stderr.close)
        wait_until(lambda: peer.requests, 30, "the first one asks")
        found = self.doctor("okta-slow", want="bad")
        self.assertIn("is being examined already", found["agent", ""][0]["value"])
        self.assertEqual(len(peer.requests), 1)
        first.terminate()
        first.wait(20)
        gate.append(1)
        wait_until(lambda: "page" in {check for check, _ in self.doctor("okta-slow")}, 30, "free again")


class Offline(Case):
    SETTINGS = "offline_mode = true;"

    def test_offline(self):
        self.put()
        self.stage.agent.start()
        wait_until(lambda: self.stage.status("okta-prod").get("reason") == "offline", 30, lambda: self.stage.agent.log_tail())
        found = self.doctor("okta-prod", want="good")
        self.assertEqual(self.asked(), 0)
        self.assertEqual(found["page", "system_log"][0]["value"], "not asked: offline_mode is set")


class AllConnectors(Case):
    """Each connector once against its simulated vendor: the permission of each data type, a handful of requests, nothing published, nothing made."""

    VENDORS = {part.vendor: part.start_options(400) for part in PARTS}

    def value(self, part):
        settings = {"base_url": f"{self.simulator.url}/{part.vendor}", **part.settings}
        if part.vendor == "office-365":
            settings["auth_url"] = f"{self.simulator.url}/office-365-login"
        if part.vendor == "splunk":
            settings["url"] = settings["base_url"]
        return {"integration_type": part.vendor, "settings": settings, "credentials": part.credentials,
                "data_types": {kind: {"enabled": True} for kind in part.types}}

    def test_before_anything_is_polled(self):
        for part in PARTS:
            self.stage.put(part.name, self.value(part) | {"enabled": False})
        self.stage.agent.start()
        for part in PARTS:
            with self.subTest(part.vendor):
                wait_until(lambda p=part: self.stage.status(p.name).get("reason") == "disabled", 30, lambda: self.stage.agent.log_tail())
                before = self.asked(part.vendor)
                found = self.doctor(part.name, want="good")
                spent = self.asked(part.vendor) - before
                self.assertLessEqual(spent, HANDFUL * len(part.types) + 2)
                for kind in part.types:
                    page = found["page", kind][0]
                    if kind in JOBS.get(part.vendor, ()):
                        self.assertRegex(page["value"], "^not asked: the next request, POST .*makes something at the vendor")
                        self.assertIn("permission needed: ", page["value"])
                    elif page["result"] == "ok":
                        self.assertRegex(page["value"], r"^\d+ .* in [1-5] requests?")
                    else:
                        self.assertEqual(page["result"], "skipped", page)
                self.assertRegex(found["requests", ""][0]["value"], rf"^{spent} spent on this")
        self.assertEqual(self.stage.js.stream_state("DATA")["messages"], 0)
        self.assertEqual(self.simulator.violations(), [])
        self.expect_no_secret(*{secret for part in PARTS for name, secret in part.credentials.items() if name not in ("tenant_id", "username", "client_id")})


if __name__ == "__main__":
    unittest.main()
