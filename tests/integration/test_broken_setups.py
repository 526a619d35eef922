#!/usr/bin/env python3
"""Set-ups that are broken as those of new users are: `doctor` names what is wrong, what it prescribes is done, then it is clean and records flow.

    tests/integration/test_broken_setups.py [-v]      SIGNAL_CLIENT_BINARY names the agent; else the newest in the build trees"""

import json
import os
import re
import ssl
import subprocess
import sys
import unittest

ROOT = os.path.abspath(os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", ".."))
sys.path[:0] = [os.path.join(ROOT, "tests", folder) for folder in ("symptoms", os.path.join("lib", "python"))]

from network import IN_BOX, Authority, Nameserver, Squid, faked, faketime_library, run_in_box, set_resolv_conf  # noqa: E402
from signaltest.kv import Bucket  # noqa: E402
from signaltest.procs import Agent, NatsServer  # noqa: E402
from signaltest.simulator import Simulator  # noqa: E402
from signaltest.tools import free_port, wait_until  # noqa: E402
from symptom import LEASE, SOON, Peer, Stage  # noqa: E402

TOKEN = "00" + "Tok-3n_" * 5 + "abcde"
IN_THE_BOX = os.environ.get(IN_BOX) is not None
SHORT = "http = { connect_timeout_s = 2; };"


class Case(unittest.TestCase):
    """What an operator does: look with `doctor`, do what it says, look again."""

    def stage_up(self, start=True, **options):
        self.stage = Stage(self.id().rsplit(".", 1)[-1], SHORT, **options)
        self.addCleanup(self.stage_down)
        self.simulator = Simulator(self.stage.workspace, {"okta": {"events": 300, "tokens": [TOKEN], "rate_limit": 100_000},
                                                          "sentinelone": {"threats": 30, "agents": 30, "activities": 30},
                                                          "cisco-duo": {"auth_logs": 20}}).start()
        if start:
            self.stage.agent.start()

    def stage_down(self):
        outcome = self._outcome.result
        self.stage.close(failed=any(case is self for case, _ in outcome.failures + outcome.errors))

    def okta(self, url=None, token=TOKEN, **changes):
        return {"integration_type": "okta", "poll_interval_minutes": 0.1, "settings": {"fqdn": "acme.okta.com", "base_url": url or f"{self.simulator.url}/okta"},
                "credentials": {"api_token": token}} | changes

    def look(self, *name, agent=None):
        done = (agent or self.stage.agent).command("doctor", *name, "--json", deadline_s=60)
        try:
            return json.loads(done.stdout)["checks"]
        except ValueError as error:
            raise AssertionError(f"{done.stdout}\n{done.stderr}") from error

    def names(self, sentence, cure, *name, check=None, result="bad", agent=None):
        """doctor's line that says so, and prescribes that."""
        seen = []
        def found():
            seen[:] = self.look(*name, agent=agent)
            return next((c for c in seen if c["result"] == result and (not check or c["check"] == check) and re.search(sentence, c["value"])), None)
        line = wait_until(found, SOON, lambda: f"/{sentence}/ of doctor {name}:\n" + "\n".join(map(json.dumps, seen)))
        self.assertRegex(line["cure"] + " " + line["value"], cure)
        return line

    def is_mended(self, *name, agent=None, notices=True):
        """Nothing is bad any more, and records flow."""
        seen = []
        def clean():
            seen[:] = self.look(*name, agent=agent)
            return not any(c["result"] == "bad" or (not notices and c["result"] == "notice") for c in seen)
        wait_until(clean, SOON, lambda: f"doctor {name} is clean:\n" + "\n".join(map(json.dumps, seen)))
        wait_until(lambda: self.stage.js.stream_state("DATA")["messages"] > 0, SOON, lambda: self.stage.agent.log_tail())


@unittest.skipIf(IN_THE_BOX, "outside of the box")
class AtTheVendor(Case):
    def test_wrong_host_or_port(self):
        self.stage_up()
        self.stage.put("okta-prod", self.okta(f"http://127.0.0.1:{free_port()}"))
        self.names("refuses connections: the host is up, nothing listens there", "check host and port", "okta-prod", check="tcp")
        self.stage.put("okta-prod", self.okta())
        self.is_mended("okta-prod")

    def test_a_token_with_a_line_end(self):
        self.stage_up()
        self.stage.put("okta-prod", self.okta(token=TOKEN + "\n"))
        self.names("api_token", "line break|line end|blank", "okta-prod")
        self.stage.put("okta-prod", self.okta())
        self.is_mended("okta-prod")

    def test_an_expired_token(self):
        self.stage_up()
        self.stage.put("okta-prod", self.okta())
        wait_until(lambda: self.stage.status("okta-prod").get("state") == "active", SOON, lambda: self.stage.agent.log_tail())
        self.simulator.set("okta", revoke=TOKEN)
        self.names("401 Unauthorized.*had worked until", r"Make a new API token \(Security > API > Tokens\)", "okta-prod", check="authentication")
        fresh = TOKEN[:-5] + "fghij"
        self.simulator.set("okta", tokens=[fresh])
        self.stage.put("okta-prod", self.okta(token=fresh))
        self.is_mended("okta-prod")

    def test_a_right_is_missing_for_one_data_type(self):
        self.stage_up()
        self.simulator.misbehave("sentinelone", {"kind": "status", "status": 403, "match": "/threats", "count": "always"})
        value = {"integration_type": "sentinelone", "settings": {"host": "usea1-acme.sentinelone.test", "base_url": f"{self.simulator.url}/sentinelone"},
                 "credentials": {"api_key": "sim-token"}, "poll_interval_minutes": 0.1}
        self.stage.put("s1", value)
        line = self.names("403 Forbidden", "Give the service user the role Viewer", "s1", check="page")
        self.assertEqual(line["data_type"], "threats")
        good = [c["data_type"] for c in self.look("s1") if c["check"] == "page" and c["result"] == "ok"]
        self.assertEqual(sorted(good), ["activities", "agents"])
        self.simulator.clear("sentinelone")
        self.stage.put("s1", value)
        self.is_mended("s1")

    def test_a_ca_of_the_house(self):
        self.stage_up()
        ca = Authority(self.stage.workspace, "House CA")
        pem, key = ca.issue("vendor")
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(pem, key)

        def answer(method, path, headers, body):
            url = f"{vendor.url}/api/v1/logs?after=1"
            record = [{"uuid": "u1", "published": "2026-05-01T10:08:00.000Z"}]
            return 200, {"Link": f'<{url}>; rel="next"'}, json.dumps([] if "after=1" in path else record)
        vendor = Peer(answer, tls=context)
        self.addCleanup(vendor.close)
        self.stage.put("okta-prod", self.okta(vendor.url))
        self.names('"House CA", not among', "tls.ca_file", "okta-prod", check="tls")
        self.stage.put("okta-prod", self.okta(vendor.url, tls={"ca_file": ca.pem}))
        self.is_mended("okta-prod")
        self.names(r'^TLSv1\.3, certificate of .*, signed by "House CA", (29|30) days left, chain of 1', ".", "okta-prod", check="tls", result="ok")

    def test_a_proxy_that_wants_a_password(self):
        self.stage_up()
        passwords = self.stage.workspace.file("passwords")
        with open(passwords, "w", encoding="ascii") as file:
            file.write("lab:" + subprocess.run(["openssl", "passwd", "-apr1", "right-0ne"], capture_output=True, text=True, check=True).stdout)
        os.chmod(passwords, 0o644)
        os.chmod(os.path.dirname(passwords), 0o755)
        squid = Squid(self.stage.workspace, f"auth_param basic program /usr/lib/squid/basic_ncsa_auth {passwords}\nauth_param basic realm lab\n"
                                            "acl known proxy_auth REQUIRED\nhttp_access allow known\nhttp_access deny all").start()
        self.stage.put("okta-prod", self.okta(proxy=f"http://{squid.address}"))
        self.names('wants Basic realm="lab": no user and password set', "http://user:password@host:port", "okta-prod")
        self.stage.put("okta-prod", self.okta(proxy=f"http://lab:right-0ne@{squid.address}"))
        self.is_mended("okta-prod")
        self.assertNotIn("right-0ne", json.dumps(self.look("okta-prod")) + self.stage.agent.log())

    @unittest.skipUnless(faketime_library(), "needs the package faketime")
    def test_a_clock_six_minutes_off(self):
        """The vendor checks signatures by the clock: the agent signs with the vendor's time meanwhile."""
        self.stage_up(env=faked("-372s"))
        self.stage.put("duo", {"integration_type": "cisco-duo", "poll_interval_minutes": 1, "credentials": {"integration_key": "DISIMSIMSIMSIMSIMSIM", "secret_key": "s" * 40},
                               "settings": {"fqdn": "api-1a2b3c4d.duosecurity.com", "base_url": f"{self.simulator.url}/cisco-duo"},
                               "data_types": {"auth_logs": {"enabled": True, "lookback_hours": 24}, "admin_logs": False}})
        self.names(r"clock is 6 min 1\d s behind that of", r"Repair time synchronisation on this host \(chronyc sources -v\)", "duo", check="clock", result="notice")
        self.stage.agent.terminate()
        for name in faked("-372s"):
            del self.stage.agent.env[name]
        self.stage.agent.start()
        self.names("^this host's clock and the vendor's Date differ by -?[01]\\.\\d s", ".", "duo", check="clock", result="ok")
        self.is_mended("duo")

    def test_http_without_tls(self):
        self.stage_up()
        path = self.stage.workspace.file("value.json")
        with open(path, "w", encoding="utf-8") as file:
            json.dump(self.okta("http://acme.okta.example"), file)
        refused = self.stage.command("integrations", "put", "okta-prod", "--file", path)
        self.assertNotEqual(refused.returncode, 0)
        self.assertRegex(refused.stderr, "base_url.*https")
        self.stage.put("okta-prod", self.okta("http://acme.okta.example"))  # somebody else wrote it
        self.names("base_url.*https://", "[Cc]orrect", "okta-prod")
        self.stage.put("okta-prod", self.okta())
        self.is_mended("okta-prod")


@unittest.skipIf(IN_THE_BOX, "outside of the box")
class AtNats(Case):
    def test_a_wrong_password(self):
        self.stage_up(start=False, server=lambda workspace: NatsServer(workspace, user="agent", password="right-0ne-of-nats"))
        self.stage.put("okta-prod", self.okta())
        self.stage.agent.env["NATS_PASSWORD"] = "wr0ng-of-nats"
        self.stage.agent.start()
        line = self.names("authentication refused; check user and password", r"nats\.user and nats\.password \(NATS_USER, NATS_PASSWORD\)", check="NATS connection")
        self.assertNotIn("wr0ng-of-nats", json.dumps(line))
        self.names("authentication refused; check user and password", r"nats\.user and nats\.password", "okta-prod")
        self.stage.agent.terminate()
        del self.stage.agent.env["NATS_PASSWORD"]
        self.stage.agent.start()
        self.is_mended()
        self.is_mended("okta-prod")

    def test_no_stream_takes_the_subject(self):
        self.stage_up(start=False, stream=False)
        self.stage.agent.env["NATS_CREATE"] = "false"
        self.stage.js.stream_create("DATA", ["other.>"])
        for bucket in ("CHECKPOINTS", "SEEN", "INTEGRATION_LEASES"):
            Bucket.make(self.stage.js, bucket, history=5)
        self.stage.agent.start()
        self.stage.put("okta-prod", self.okta())
        self.names("no stream takes", "local.data", check="stream")
        self.names("no_stream|no stream takes", "[Ss]tream", "okta-prod")
        self.stage.js.stream_update("DATA", subjects=["other.>", "local.data.>"])
        self.is_mended()
        self.is_mended("okta-prod")

    def test_a_full_stream(self):
        self.stage_up(start=False, stream=False)
        self.stage.js.stream_create("DATA", ["local.data.>"], max_msgs=50, discard="new", duplicate_window=120_000_000_000)
        self.stage.agent.start()
        self.stage.put("okta-prod", self.okta())
        self.names("^DATA is full: 50 messages", "Raise max_bytes or max_msgs", check="stream")
        self.names("stream_full", "max_bytes|max_msgs", "okta-prod")
        self.stage.js.stream_update("DATA", max_msgs=-1)
        self.is_mended()
        self.is_mended("okta-prod")

    def test_two_agents(self):
        """One polls, the other one stands by; doctor says which, and asks the one that polls."""
        self.stage_up()
        self.stage.put("okta-prod", self.okta())
        wait_until(lambda: "this agent polls" in self.stage.agent.log(), SOON, lambda: self.stage.agent.log_tail())
        second = Agent(self.stage.workspace, self.stage.binary, self.stage.server, name="second", settings=LEASE).start()
        wait_until(lambda: "stand" in second.log(), SOON, lambda: second.log_tail())
        line = next(c for c in self.look(agent=second) if c["check"] == "lease")
        self.assertEqual(line["result"], "ok")
        self.is_mended("okta-prod", agent=second)
        self.stage.agent.terminate()
        wait_until(lambda: "this agent polls" in second.log(), SOON, lambda: second.log_tail())
        self.is_mended("okta-prod", agent=second)


@unittest.skipUnless(IN_THE_BOX, "in the box")
class InTheBox(Case):
    def test_a_filtered_name(self):
        nameserver = Nameserver({"vendor.example": "203.0.113.10"})
        self.addCleanup(set_resolv_conf, "")
        self.addCleanup(nameserver.close)
        set_resolv_conf("nameserver 127.0.0.1\n")
        self.stage_up()
        url = f"http://api.blocked.test:{self.simulator.port}/okta"
        self.stage.put("okta-prod", self.okta(url, allow_insecure_http=True))
        self.names(r"127\.0\.0\.1 says that the name does not exist \(NXDOMAIN\), while it resolves others", "have blocked.test allowed", "okta-prod", check="dns")
        nameserver.names["api.blocked.test"] = "127.0.0.1"
        self.is_mended("okta-prod")


if __name__ == "__main__":
    if IN_THE_BOX or len(sys.argv) > 1:
        unittest.main()
    if not unittest.main(exit=False).result.wasSuccessful():
        sys.exit(1)
    sys.exit(run_in_box(os.path.abspath(__file__)))
