"""Tests of the OAuth2 token endpoint, at a vendor that has nothing else; run by test_simulator.py."""

import base64
import json
import time
import unittest
from unittest import mock
from urllib.parse import urlencode

from test_base import SimulatorTest

import oauth2
from ledger import SnapshotLedger
from messages import json_response
from vendors.base import Vendor

FORM = {"Content-Type": "application/x-www-form-urlencoded"}
JSON = {"Content-Type": "application/json"}
CLIENT = {"client_id": "sim-client", "client_secret": "sim-secret"}


def make(rules, **texts):
    """A vendor with a token endpoint and one protected path."""

    class Plain(Vendor):
        name = "plain"
        options_table = oauth2.options(rules)
        actions = {"revoke": "revoke"}
        default_match = {"token_error": rules.path}
        words = {"reply": oauth2.REPLIES, "style": ("vendor", "rfc")}

        def __init__(self):
            super().__init__(7, texts)
            self.ledger = SnapshotLedger(lambda: ())
            self.oauth = oauth2.TokenEndpoint(self, rules)
            self.replacements = {"token_error": self.oauth.error_reply}
            self.reports = {"tokens": lambda: list(self.oauth.log)}

        def after_set(self):
            self.oauth.learn_clients()

        def revoke(self, _value):
            return self.oauth.revoke_all()

        def pool(self, request):
            return "token" if request.path.endswith(rules.path) else "data"

        def inspect(self, request, mount):
            if request.path == mount + rules.path:
                return self.oauth.inspect(request)
            worth, _ = self.oauth.bearer(request)
            return None if worth == "good" else self.error(401, request)

        def answer(self, request, mount):
            return self.oauth.answer(request) if request.path == mount + rules.path else json_response(200, b"{}")

        def error(self, status, request):
            return json_response(status, b'{"error":"refused"}')

        def token_refusal(self, request, error, status, description):
            return oauth2.rfc_refusal(request, error, status, description)

        def token_throttled(self, request, seconds):
            return oauth2.rfc_throttled(self, seconds)

        def decorate(self, response, request):
            self.oauth.finish(request, response)

        def shown(self, target):
            return self.oauth.shown(target)

    return Plain()


def basic(identity, secret):
    return {"Authorization": "Basic " + base64.b64encode(f"{identity}:{secret}".encode()).decode()}


class OAuth2Test(SimulatorTest):
    rules = oauth2.Rules("/token", expires_in=100)

    def setUp(self):
        self.serve([make(self.rules)])

    def ask(self, members=None, headers=FORM, target="/plain/token", method="POST", body=None):
        body = body if body is not None else urlencode(CLIENT if members is None else members)
        return self.get(target, headers, method, body)

    def token(self):
        reply = self.ask()
        self.assertEqual(reply.status, 200, reply.body)
        return reply.json()["access_token"]

    def use(self, token):
        return self.get("/plain/data", {"Authorization": f"Bearer {token}"}).status

    def tokens(self):
        return [json.loads(line) for line in self.get("/_sim/tokens/plain").body.splitlines()]

    def refused(self, status, error, violations, **how):
        """One request that is refused so; its violations, and the log's word for it."""
        self.post("plain/clear", {"violations": True})
        reply = self.ask(**how)
        self.assertEqual((reply.status, reply.json().get("error")), (status, error), how)
        self.assertEqual(self.violations(), violations, how)
        self.assertEqual(self.tokens()[-1]["violations"], violations)
        return reply


class TokenTest(OAuth2Test):
    def test_token(self):
        reply = self.ask().json()
        self.assertEqual((reply["token_type"], reply["expires_in"]), ("Bearer", 100))
        self.assertEqual(self.use(reply["access_token"]), 200)
        self.assertNotEqual(self.token(), reply["access_token"])
        self.assertEqual(self.use(reply["access_token"]), 200)
        self.assertEqual(self.violations(), [])
        self.assertTrue(reply["access_token"].isascii() and len(reply["access_token"].split(".")) == 3)

    def test_log(self):
        self.token()
        self.ask({**CLIENT, "client_secret": "wrong"})
        self.misbehave("token_error", "plain", reply="invalid_grant")
        self.ask()
        first, second, third = self.tokens()
        self.assertEqual([first[name] for name in ("n", "client_id", "status", "outcome", "expires_in", "left", "since_refusal")],
                         [1, "sim-client", 200, "issued", "100", None, None])
        self.assertEqual([second["status"], second["outcome"], second["token"]], [401, "invalid_client", None])
        self.assertEqual([third["status"], third["outcome"]], [400, "invalid_grant"])
        self.assertTrue(99 < second["left"] <= 100 and second["accepted"])
        self.assertTrue(0 <= third["since_refusal"] < 5 and third["wall"] >= second["wall"])
        shown = self.get("/_sim/state").body + self.get("/_sim/requests/plain").body + self.get("/_sim/tokens/plain").body
        self.assertNotIn(b"sim-secret", shown)
        self.assertEqual(first["token"], oauth2.shown_token(next(iter(self.server.vendors["plain"].oauth.tokens))))

    def test_one_request_per_expiry_can_be_counted(self):
        token = self.token()
        self.post("plain/set", {"clock_skew": 90})
        self.assertEqual(self.use(token), 200)
        self.token()
        self.post("plain/set", {"clock_skew": 190.5})
        self.assertEqual(self.use(token), 401)
        self.token()
        entries = self.tokens()
        self.assertEqual([entry["accepted"] for entry in entries], [False, True, False])
        self.assertTrue(9 < entries[1]["left"] <= 10 and -1 <= entries[2]["left"] < 0)

    def test_expires_in(self):
        for raw, value in (("1799", 1799), ('"1799"', "1799"), ("17.5", 17.5), ("-1", -1), ("null", None), ("0", 0)):
            self.post("plain/set", {"token_expires_in": raw})
            self.assertEqual(self.ask().json()["expires_in"], value)
        self.post("plain/set", {"token_expires_in": ""})
        reply = self.ask().json()
        self.assertNotIn("expires_in", reply)
        self.assertEqual(self.use(reply["access_token"]), 200)
        self.assertEqual(self.tokens()[-1]["lives"], 100)

    def test_expiry_that_lies(self):
        self.post("plain/set", {"token_expires_in": "3600", "token_lives": 60})
        token = self.token()
        self.post("plain/set", {"clock_skew": 61})
        self.assertEqual(self.use(token), 401)
        self.assertEqual(self.violations(), [])
        self.post("plain/set", {"token_expires_in": "60", "token_lives": 3600})
        token = self.token()
        self.post("plain/set", {"clock_skew": 61 + 59})
        self.assertEqual((self.use(token), self.violations()), (200, []))
        self.post("plain/set", {"clock_skew": 61 + 63})
        self.assertEqual((self.use(token), self.violations()), (200, ["expired_bearer"]))

    def test_revocation(self):
        tokens = [self.token(), self.token()]
        self.assertEqual(self.post("plain/set", {"revoke": True})["results"]["revoke"], 2)
        self.assertEqual([self.use(token) for token in tokens], [401, 401])
        self.assertEqual(self.violations(), [])
        self.assertEqual(self.use(self.token()), 200)
        with mock.patch.object(oauth2, "REFUSED_GRACE", 0.0):
            self.assertEqual(self.use(tokens[0]), 401)
        self.assertEqual(self.violations(), ["refused_bearer"])

    def test_bad_bearers(self):
        token = self.token()
        self.assertEqual(self.get("/plain/data", {}).status, 401)
        for value in (f"bearer {token}", f"Bearer  {token}", token, f"Bearer {token}x", "Bearer"):
            self.assertEqual(self.get("/plain/data", {"Authorization": value}).status, 401, value)
        self.assertEqual(self.violations(), ["authorization"] * 6)
        self.serve([make(self.rules)])      # another one with the same seed: it knows its tokens by their signature
        self.assertEqual(self.use(token), 401)
        self.assertEqual(self.violations(), [])

    def test_strict(self):
        self.refused(400, "invalid_request", ["token_content_type"], headers=JSON)
        self.refused(400, "invalid_request", ["token_content_type"], headers={})
        self.refused(400, "invalid_request", ["token_member"], members={"client_id": "sim-client"})
        self.refused(400, "invalid_request", ["token_body"], body="client_id")
        self.refused(401, "invalid_client", ["token_client"], members={**CLIENT, "client_id": "other"})
        self.refused(405, "refused", ["token_method"], method="PUT")
        self.refused(400, "invalid_request", ["token_query", "secret_in_url", "token_member"], members={},
                     target="/plain/token?" + urlencode(CLIENT))
        self.assertIn("client_secret=sha256:", self.get("/_sim/violations").json()[0]["target"])
        for extra, violation in (({"members": {**CLIENT, "scope": "x"}}, "token_member"),
                                 ({"target": "/plain/token?x=1"}, "token_query"),
                                 ({"body": urlencode(CLIENT) + "&client_id=sim-client"}, "token_member"),
                                 ({"headers": {**FORM, **basic("a", "b")}}, "token_authorization")):
            self.post("plain/clear", {"violations": True})
            self.assertEqual(self.ask(**extra).status, 200)
            self.assertEqual(self.violations(), [violation])

    def test_client_that_was_known(self):
        self.post("plain/set", {"clients": ["sim-client:new-secret"]})
        self.refused(401, "invalid_client", [])
        self.assertEqual(self.ask({**CLIENT, "client_secret": "new-secret"}).status, 200)

    def test_error_replies(self):
        for reply in oauth2.REFUSALS:
            self.misbehave("token_error", "plain", reply=reply)
            answer = self.ask()
            self.assertEqual((answer.status, answer.json()["error"]), (oauth2.REFUSALS[reply][0], reply))
        for status in (400, 401, 403):
            self.misbehave("token_error", "plain", reply="invalid_client", status=status)
            self.assertEqual(self.ask().status, status)
        self.misbehave("token_error", "plain", reply="AADSTS7000215")
        answer = self.ask()
        self.assertEqual((answer.status, answer.json()["error_codes"]), (401, [7000215]))
        self.assertTrue(answer.json()["error_description"].startswith("AADSTS7000215: Invalid client secret provided."))
        self.misbehave("token_error", "plain", reply="html_login")
        answer = self.ask()
        self.assertEqual((answer.status, answer.headers["Content-Type"]), (200, "text/html; charset=utf-8"))
        self.assertEqual(self.violations(), [])
        self.assertEqual(self.ask().status, 200)
        self.assertEqual(self.tokens()[-2]["outcome"], "html_login")

    def test_throttles(self):
        for retry_after in (None, 20):
            self.misbehave("token_error", "plain", reply="throttled", **({"retry_after": 20} if retry_after else {}))
            reply = self.ask()
            self.assertEqual((reply.status, reply.headers["Retry-After"]), (429, retry_after and "20"))
            self.ask()
        self.assertEqual(self.violations(), ["before_named_time"])
        self.assertEqual([bool(entry["violations"]) for entry in self.tokens()], [False, False, False, True])
        self.assertEqual(self.use(self.server.vendors["plain"].oauth.issue("sim-client", time.time(), None, 10)), 200)

    def test_odd_contents(self):
        def answered(reply, **more):
            self.misbehave("token_error", "plain", reply=reply, **more)
            answer = self.ask()
            self.assertEqual(answer.status, 200)
            return answer
        for reply in ("garbage", "truncated", "empty"):
            with self.assertRaises(ValueError):
                answered(reply).json()
        self.assertIsInstance(answered("array").json(), list)
        self.assertIsInstance(answered("number").json()["access_token"], int)
        self.assertEqual(len(answered("huge", bytes=500000).json()["access_token"]), 500000)
        self.assertNotIn("access_token", answered("missing").json())
        self.assertEqual([answered(reply).json()["access_token"] for reply in ("null", "blank", "line_break")],
                         [None, "", "abc\r\nX-Injected: 1"])
        self.assertEqual(answered("other_type").json()["token_type"], "mac")
        self.assertEqual(self.state("plain")["misbehaved"], {"token_error": len(oauth2.ODDITIES)})

    def test_generic_misbehaviours(self):
        self.misbehave("slow_first_byte", "plain", seconds=0.3, match="/token")
        began = time.monotonic()
        token = self.token()
        self.assertGreater(time.monotonic() - began, 0.25)
        self.misbehave("status", "plain", status=500, match="/token")
        self.assertEqual([self.use(token), self.ask().status, self.ask().status], [200, 500, 200])
        self.assertEqual(self.tokens()[1]["outcome"], "500")

    def test_status_and_length(self):
        self.post("plain/set", {"token_status": 201, "token_bytes": 3000})
        reply = self.ask()
        self.assertEqual(reply.status, 201)
        self.assertTrue(3000 <= len(reply.json()["access_token"]) < 3050)
        self.assertEqual(self.use(reply.json()["access_token"]), 200)

    def test_budget(self):
        self.post("plain/set", {"token_rate": 2})
        self.assertEqual([self.ask().status for _ in range(3)], [200, 200, 429])
        self.assertEqual(self.violations(), ["token_budget"])

    def test_mistakes_are_refused(self):
        for row in ({"reply": "no such"}, {"status": "many"}, {"other": 1}):
            row = json.dumps({"kind": "token_error", **row})
            self.assertEqual(self.get("/_sim/plain/misbehave", {}, "POST", row).status, 400, row)


class JsonTest(OAuth2Test):
    rules = oauth2.Rules("/token", encoding="json", status=201, expires_in=100, optional=("note",), fixed=(
        ("grant_type", "client_credentials"), ("audience", "https://api.test"), ("scope", "read")))

    def test_members(self):
        good = {**CLIENT, **dict(self.rules.fixed)}

        def without(name, **changes):
            return {"headers": JSON, "body": json.dumps({key: value for key, value in {**good, **changes}.items() if key != name})}
        self.assertEqual(self.ask(**without("")).status, 201)
        self.assertEqual(self.ask(**without("", note="x")).status, 201)
        self.assertEqual(self.violations(), [])
        self.refused(400, "invalid_request", ["token_member"], **without("grant_type"))
        self.refused(400, "unsupported_grant_type", ["token_member"], **without("", grant_type="password"))
        self.refused(400, "invalid_scope", ["token_member"], **without("scope"))
        self.refused(400, "invalid_target", ["token_member"], **without("", audience="https://other.test"))
        self.refused(400, "invalid_request", ["token_body"], **without("", scope=1))
        self.refused(400, "invalid_request", ["token_body"], headers=JSON, body="[1]")
        self.refused(400, "invalid_request", ["token_content_type"], members=good)


class BasicTest(OAuth2Test):
    rules = oauth2.Rules("/token", client_auth="basic", fixed=(("grant_type", "client_credentials"), ("resource", "urn:api")))

    def test_basic(self):
        members = dict(self.rules.fixed)
        good = {**FORM, **basic("sim-client", "sim-secret")}
        self.assertEqual(self.ask(members, good).status, 200)
        self.assertEqual(self.violations(), [])
        self.refused(401, "invalid_client", ["token_authorization"], members=members)
        self.refused(401, "invalid_client", ["token_authorization"], members=members, headers={**FORM, "Authorization": "Basic !"})
        self.refused(401, "invalid_client", ["token_client"], members=members, headers={**FORM, **basic("sim-client", "no")})
        self.refused(400, "invalid_target", ["token_member"], members={"grant_type": "client_credentials"}, headers=good)
        self.post("plain/clear", {"violations": True})
        self.assertEqual(self.ask({**members, **CLIENT}, good).status, 200)
        self.assertEqual(self.violations(), ["token_member"])
        self.post("plain/clear", {"violations": True})
        self.post("plain/set", {"clients": ["a b:p+s%/"]})
        self.assertEqual(self.ask(members, {**FORM, **basic("a%20b", "p%2Bs%25%2F")}).status, 200)
        self.assertEqual(self.ask(members, {**FORM, **basic("a b", "p+s%/")}).status, 200)
        self.assertEqual(self.violations(), [])


class EitherTest(OAuth2Test):
    rules = oauth2.Rules("/token", client_auth="either")

    def test_either(self):
        self.assertEqual(self.ask().status, 200)
        self.assertEqual(self.ask({}, {**FORM, **basic("sim-client", "sim-secret")}).status, 200)
        self.assertEqual(self.violations(), [])


if __name__ == "__main__":
    unittest.main()
