"""Tests of the simulated CrowdStrike Falcon: clients and tokens, budgets, misbehaviours, and how a stream is judged; run by
test_simulator.py."""

import gzip
import hashlib
import http.client
import json
import os
import pickle
import socket
import sys
import time
import unittest
from unittest import mock

from test_base import Reply, sha256
from test_crowdstrike import ALERTS, HOSTS, SCROLL, CLIENT, FalconTest, V, identity, resources

from simulator import make_vendors
from vendors import crowdstrike_falcon

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib", "python"))

from signaltest.copier import Copy                  # noqa: E402  (the path comes first)
from signaltest.ledger import Ledger, Offers        # noqa: E402
from signaltest.nats import encode_headers          # noqa: E402
from signaltest.tools import wait_until             # noqa: E402


class AuthenticationTest(FalconTest):
    def test_token(self):
        reply = self.token()
        self.assertEqual(reply.status, 201)
        self.assertEqual((reply.json()["token_type"], reply.json()["expires_in"]), ("bearer", 1799))
        self.assertEqual(self.violations(), [])
        self.assertEqual(reply.headers["X-RateLimit-Limit"], "300")
        self.assertEqual(self.state(V)["tokens_issued"], 2)
        self.assertEqual(len(self.get(f"/_sim/tokens/{V}").body.splitlines()), 2)

    def test_extra_members_are_violations(self):
        self.assertEqual(self.token({**CLIENT, "grant_type": "client_credentials"}).status, 201)
        self.assertEqual(self.violations(), ["token_member"])

    def test_wrong_client(self):
        for status in (403, 401, 400):
            self.set(refused_client=status)
            reply = self.token({**CLIENT, "client_secret": "wrong"})
            self.assertEqual((reply.status, reply.json()["errors"][0]["code"]), (status, status))
            self.assertEqual(reply.json()["errors"][0]["message"], "access denied, authorization failed")
        self.assertEqual(self.violations(), ["token_client"] * 3)

    def test_rotation(self):
        self.set(revoke_client="sim-client", clients=["sim-client:second"])
        self.assertEqual((self.ask(ALERTS).status, self.token().status), (401, 403))
        self.bearer = self.token({**CLIENT, "client_secret": "second"}).json()["access_token"]
        self.assertEqual(self.ask(ALERTS).status, 200)
        self.assertEqual(self.violations(), [])
        shown = self.get("/_sim/state").body + self.get(f"/_sim/requests/{V}").body + self.get(f"/_sim/tokens/{V}").body
        for secret in (b"sim-secret", b":second", self.bearer.encode()):
            self.assertNotIn(secret, shown)

    def test_revoked_tokens(self):
        self.set(revoke_tokens=True)
        self.assertEqual(self.ask(ALERTS).json()["errors"][0]["code"], 401)
        self.bearer = self.token().json()["access_token"]
        self.assertEqual(self.ask(ALERTS).status, 200)
        self.assertEqual(self.violations(), [])

    def test_bad_bearers_have_a_budget(self):
        self.set(revoke_tokens=True)
        replies = [self.ask(ALERTS) for _ in range(15)]
        self.assertEqual({reply.status for reply in replies}, {401})
        self.assertEqual([replies[0].headers["X-RateLimit-Limit"], replies[14].headers["X-RateLimit-Remaining"]], ["15", "0"])
        reply = self.ask(ALERTS)
        self.assertEqual(reply.status, 429)
        self.assertTrue(50 < int(reply.headers["X-RateLimit-RetryAfter"]) - time.time() <= 61)
        self.assertEqual(self.violations()[-1], "bad_bearer_budget")
        self.assertEqual(self.state(V)["bad_bearers"], 16)
        # Another address has its own.
        connection = http.client.HTTPConnection(self.host, timeout=5, source_address=("127.0.0.2", 0))
        connection.request("GET", f"/{V}{ALERTS}", headers={"Authorization": "Bearer x"})
        self.assertEqual(Reply(connection.getresponse()).status, 401)
        connection.close()

    def test_scopes(self):
        self.set(scopes=["hosts:read"])
        reply = self.ask(ALERTS)
        self.assertEqual((reply.status, reply.json()["errors"][0]["code"]), (403, 403))
        self.assertEqual((self.details(["x"]).status, self.ask(SCROLL).status, self.ask(HOSTS).status), (403, 200, 200))
        self.set(scopes=["alerts:read", "detections:read"])
        self.assertEqual((self.ask(ALERTS).status, self.ask(SCROLL).status, self.ask(HOSTS).status), (200, 403, 403))
        self.assertEqual(self.violations(), [])

    def test_wrong_cloud(self):
        self.set(home_region="eu-1")
        for reply, status in ((self.token(), 403), (self.ask(ALERTS), 401)):
            self.assertEqual((reply.status, reply.headers["X-Cs-Region"]), (status, "eu-1"))
        self.assertEqual(self.violations(), [])

    def test_token_errors(self):
        self.misbehave("token_error", V, reply="invalid_scope")
        self.assertEqual(self.token().json()["errors"][0]["code"], 400)
        self.misbehave("token_error", V, reply="invalid_client", style="rfc")
        self.assertEqual(self.token().json()["error"], "invalid_client")
        self.misbehave("token_error", V, reply="throttled")
        reply = self.token()
        self.assertEqual((reply.status, reply.headers["X-RateLimit-RetryAfter"], reply.headers["Retry-After"]), (429, None, None))
        self.assertEqual((self.ask(ALERTS).status, self.token().status), (200, 201))

    def test_token_endpoint_names_a_time(self):
        self.misbehave("throttle", V, seconds=20, match="/oauth2/token")
        reply = self.token()
        self.assertEqual(reply.status, 429)
        self.assertTrue(19 <= int(reply.headers["X-RateLimit-RetryAfter"]) - time.time() <= 21)
        self.assertEqual((self.ask(ALERTS).status, self.violations()), (200, []))
        self.token()
        self.assertEqual(self.violations(), ["before_named_time"])
        entries = [json.loads(line) for line in self.get(f"/_sim/tokens/{V}").body.splitlines()]
        self.assertEqual([entry["outcome"] for entry in entries], ["issued", "429", "issued"])
        self.assertEqual((entries[2]["violations"], entries[1]["since_refusal"]), (["before_named_time"], None))

    def test_token_budget(self):
        self.set(token_rate=2)
        reply = [self.token() for _ in range(2)][-1]
        self.assertEqual(reply.status, 429)
        self.assertGreater(int(reply.headers["X-RateLimit-RetryAfter"]), time.time() + 50)
        self.assertEqual(self.ask(ALERTS).status, 200)
        self.set(token_429_header=False)
        self.assertIsNone(self.token().headers["X-RateLimit-RetryAfter"])
        self.assertEqual(self.violations(), ["token_budget", "before_named_time", "token_budget"])


class RulesTest(FalconTest):
    """Budgets, replies and misbehaviours that all endpoints share."""

    def test_account_window(self):
        self.set(rate_limit=2, rate_window=30)
        self.assertEqual([self.ask(path).headers["X-RateLimit-Remaining"] for path in (ALERTS, HOSTS)], ["1", "0"])
        reply = self.ask(SCROLL)
        self.assertEqual((reply.status, reply.headers["Retry-After"]), (429, None))
        self.assertTrue(25 < int(reply.headers["X-RateLimit-RetryAfter"]) - time.time() <= 31)
        self.assertEqual(self.violations(), [])
        self.assertEqual((self.ask(ALERTS).status, self.violations()), (429, []))       # may have been on its way
        with mock.patch.object(crowdstrike_falcon, "IN_FLIGHT_GRACE", 0.0):
            self.ask(HOSTS)
        self.assertEqual(self.violations(), ["before_named_time"])
        self.set(reset_window=True)
        self.assertEqual(self.ask(ALERTS).status, 200)

    def test_throttle(self):
        self.misbehave("throttle", V, seconds=20)
        reply = self.ask(ALERTS)
        self.assertEqual((reply.status, reply.headers["X-Rate-Limit-Reset"]), (429, None))
        self.assertTrue(19 <= int(reply.headers["X-RateLimit-RetryAfter"]) - time.time() <= 21)
        self.ask(ALERTS)
        self.assertEqual((self.violations(), self.token().status), (["before_named_time"], 201))

    def test_headers(self):
        reply = self.ask(ALERTS)
        self.assertEqual((reply.headers["X-RateLimit-Limit"], reply.headers["Content-Type"]), ("6000", "application/json"))
        self.assertIsNone(reply.headers["X-RateLimit-RetryAfter"])
        self.assertTrue(reply.json()["meta"]["trace_id"])
        self.assertEqual([json.loads(line).get("note", {}).get("data_type") for line in
                          self.get(f"/_sim/requests/{V}").body.splitlines()], [None, "detections"])

    def test_envelopes(self):
        ids = self.ask(ALERTS, limit=20).json()["resources"]
        for envelope, order in crowdstrike_falcon.ENVELOPES.items():
            if envelope == "details":
                continue
            self.set(envelope=envelope)
            for reply in (self.ask(ALERTS, limit=20), self.details(ids), self.ask(HOSTS, limit=20)):
                self.assertEqual((tuple(reply.json()), len(resources(reply))), (order, 20))
        self.set(empty="null")
        data = self.ask(ALERTS, filter="updated_timestamp:>'2100-01-01T00:00:00Z'").json()
        self.assertEqual((data["errors"], data["resources"]), (None, None))

    def test_errors_inside_a_200(self):
        for path in (ALERTS, HOSTS):
            self.misbehave("partial", V, code=504)
            data = self.ask(path, limit=20).json()
            self.assertEqual((data["errors"][0]["code"], len(data["resources"])), (504, 10))
        lines = self.lines("hosts", "")
        self.assertEqual((len(lines), any(line["whole"] for line in lines)), (10, False))
        self.misbehave("partial", V, keep=0)
        self.assertEqual(self.ask(HOSTS, limit=20).json()["resources"], [])
        self.assertEqual(self.ask(HOSTS, limit=20).json()["errors"], [])

    def test_generic_misbehaviours(self):
        for code in (401, 403, 404, 500, 502, 503):
            self.misbehave("status", V, status=code)
            reply = self.ask(ALERTS)
            self.assertEqual((reply.status, reply.json()["errors"][0]["code"]), (code, code))
        self.misbehave("html_login", V)
        self.assertEqual(self.ask(ALERTS).headers["Content-Type"], "text/html; charset=utf-8")
        self.misbehave("garbage_json", V)
        with self.assertRaises(ValueError):
            self.ask(ALERTS).json()
        self.misbehave("expired_cursor", V)
        self.assertEqual([self.ask(ALERTS).status, self.ask(ALERTS, offset=10).status], [200, 400])
        self.misbehave("slow_first_byte", V, seconds=0.2)
        began = time.monotonic()
        self.ask(ALERTS)
        self.assertGreater(time.monotonic() - began, 0.15)
        self.misbehave("stall", V, seconds=0.2, at=100)
        self.ask(ALERTS)
        self.assertGreater(time.monotonic() - began, 0.35)
        self.assertEqual(self.violations(), [])

    def test_cut_replies_are_not_whole(self):
        self.misbehave("cut", V, record=3)
        with self.assertRaises(http.client.IncompleteRead):
            self.ask(HOSTS, limit=20)
        lines = self.lines("hosts", "")
        self.assertEqual([line["sent"] for line in lines], [True] * 3 + [False] * 17)
        self.assertFalse(any(line["whole"] for line in lines))
        self.misbehave("truncated_json", V, record=1, match=SCROLL)
        with self.assertRaises(ValueError):
            self.ask(SCROLL).json()
        length = len(self.ask(HOSTS, limit=20).body)
        self.post(f"{V}/clear", {"ledger": True})
        self.misbehave("cut", V, at=length - 1)      # all records, but not the end
        with self.assertRaises(http.client.IncompleteRead):
            self.ask(HOSTS, limit=20)
        self.assertEqual({(line["sent"], line["whole"]) for line in self.lines("hosts", "")}, {(True, False)})

    def test_client_that_goes_away(self):
        self.begin("alerts=1", "devices=10000")
        with socket.create_connection(self.host.split(":"), timeout=5) as connection:
            connection.sendall(f"GET /{V}{HOSTS}?limit=10000 HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {self.bearer}\r\n\r\n".encode())
            connection.recv(1000)
        wait_until(lambda: not self.state(V)["in_flight"], 10, "the end of the reply")
        lines = self.lines("hosts", "")
        self.assertTrue(len(lines) == 10000 and 0 < sum(line["sent"] for line in lines) < 10000)
        self.assertFalse(any(line["whole"] for line in lines))

    def test_bad_utf8(self):
        self.misbehave("bad_utf8", V, record=2)
        body = self.ask(HOSTS, limit=5).body
        self.assertIn(b"\xc3\x28", body)
        altered = [line for line in self.lines("hosts", "") if line.get("altered")]
        clean = resources(self.ask(HOSTS, limit=5))
        self.assertEqual([line["id"] for line in altered], [identity(clean[2], "device_id")])

    def test_gzip(self):
        self.set(gzip="auto")
        for path in (ALERTS, HOSTS):
            reply = self.ask(path, self.headers(**{"Accept-Encoding": "gzip"}), limit=50)
            self.assertEqual(reply.headers["Content-Encoding"], "gzip")
            self.assertEqual(len(json.loads(gzip.decompress(reply.body))["resources"]), 50)
        self.assertTrue(all(line["whole"] for line in self.lines("hosts", "")))

    def test_state_survives(self):
        offset = self.ask(SCROLL, limit=50).json()["meta"]["pagination"]["offset"]
        following = self.ask(HOSTS, limit=50).json()["meta"]["pagination"]["next"]
        self.set(update=5, append=2, remove={"devices": 1})
        with self.vendor.lock:
            saved = pickle.dumps((self.vendor.save(), self.vendor.ledger.pages))
        before = sorted(map(str, self.ledger(V, "?all=1")))
        vendor = make_vendors([V], 7)[0]
        model, vendor.ledger.pages = pickle.loads(saved)
        vendor.restore(model)
        self.serve([vendor])
        self.assertEqual(sorted(map(str, self.ledger(V, "?all=1"))), before)
        self.assertEqual((self.ask(SCROLL, limit=50, offset=offset).status, self.ask(HOSTS, limit=50, offset=following).status),
                         (200, 200))
        self.assertEqual((len(self.walk_alerts()), self.violations()), (252, []))

    def test_mistakes_are_refused(self):
        for data in ({"append": {"many": 1}}, {"append": {"fraction": "x"}}, {"append": {"shapes": ["x"]}}, {"update": {"ids": ["x"]}},
                     {"churn": {"x": 1}}, {"churn": {"which": "x"}}, {"churn": 5}, {"remove": 5}, {"modify": {"which": "x"}},
                     {"scroll_token": "x"}, {"nothing": 1}, {"shapes": ["x"]}):
            self.assertEqual(self.get(f"/_sim/{V}/set", {}, "POST", json.dumps(data)).status, 400, data)
            self.set(shapes=[])

    def test_tokens_over_a_long_walk(self):
        """What a scenario asserts: one token a life, none of them early."""
        self.post(f"{V}/clear", {"tokens": True})
        self.bearer = self.token().json()["access_token"]
        for round_ in range(3):
            self.set(clock_skew=1740 * (round_ + 1) + 5)
            self.bearer = self.token().json()["access_token"]
            self.assertEqual(self.ask(ALERTS).status, 200)
        entries = [json.loads(line) for line in self.get(f"/_sim/tokens/{V}").body.splitlines()]
        self.assertEqual(len(entries), 4)
        self.assertTrue(all(entry["left"] < 60 for entry in entries[1:]))


class OraclesRulesTest(FalconTest):
    """How the ledger's lines become what a stream must hold."""

    def test_required(self):
        self.ask(HOSTS, limit=10)
        served = {line["id"] for line in self.lines("hosts", "")}
        self.misbehave("cut", V, record=19)
        with self.assertRaises(http.client.IncompleteRead):
            self.ask(HOSTS, limit=20)
        self.set(modify={"count": 120})
        offers = Offers("falcon.hosts.").add_lines(self.lines("hosts"))
        present = {line["id"] for line in self.lines("hosts") if line["last"]}
        self.assertEqual((len(served), len(present)), (10, 120))
        # The versions of a complete reply and the present ones must be there; those of a reply that was cut may.
        self.assertEqual(set(offers.required), served | present)
        self.assertEqual((len(set(offers.tolerated) - served), len(offers)), (10, 130))
        loose = Offers("falcon.hosts.").add_lines(self.lines("hosts"), superseded=False)
        self.assertEqual(set(loose.required), present)
        self.assertTrue(served <= set(loose.tolerated))

    def test_judgement(self):
        """A stream that holds every version once is right; without a present one, or with one twice, it is not."""
        records = self.walk_alerts()
        self.set(update={"count": 60, "which": "first"})
        records += self.walk_alerts(filter=f"updated_timestamp:>'{json.loads(records[-1])['updated_timestamp']}'")
        copies = [self.copy(number, record) for number, record in enumerate(records, 1)]
        lines = self.lines("detections")
        self.assertTrue(any("h:" in copy.msg_id for copy in copies) and any("h:" not in copy.msg_id for copy in copies))
        for superseded in (True, False):
            ledger = Ledger(Offers("falcon.detections.").add_lines(lines, superseded))
            self.assertTrue(ledger.judge(copies).exact)
            # The first record was superseded: it may be missing only where something was killed.
            self.assertEqual(ledger.judge(copies[1:]).wrong(), ["missing"] if superseded else [])
            self.assertEqual(ledger.judge(copies[:-1]).wrong(), ["missing"])
            self.assertEqual(ledger.judge(copies + copies[:1]).wrong(), ["doubled_by_id", "doubled_by_body"])

    @staticmethod
    def copy(number, record):
        recipe = identity(record)
        if len(recipe.encode()) > 128:
            recipe = "h:" + hashlib.sha256(recipe.encode()).hexdigest()[:32]
        headers = encode_headers({"Nats-Msg-Id": f"falcon.detections.{recipe}", "ce-id": recipe})
        return Copy(number, "local.data.artifacts.raw", headers, sha256(record), len(record), number)


if __name__ == "__main__":
    unittest.main()
