#!/usr/bin/env python3
"""What vendors answer: a real agent, a vendor on loopback that answers as told, and what status, log and commands make of it."""

import subprocess
import unittest

from symptom import SECRET, Peer, SymptomCase, okta, row, says

KNOWN = "00sswsTokenOfDana-and-the-rest-of-it-000000"


def falcon(url, **changes):
    return {"integration_type": "crowdstrike-falcon", "poll_interval_minutes": 1, "settings": {"base_url": url},
            "credentials": {"client_id": "b7a1c0ffee01b7a1c0ffee01b7a1c0ff", "client_secret": SECRET},
            "data_types": {"devices": False, "hosts": False}} | changes


class Vendor(SymptomCase):

    def peer(self, answer):
        peer = Peer(answer)
        self.addCleanup(peer.close)
        return peer

    def refuses(self, code, sentence, advice, answer, doctor=None, **changes):
        name = self.put(okta(self.peer(answer).url, **changes))
        return self.expect(name, code, sentence, advice, doctor=doctor, state="error" if code not in ("rate_limited", "quota_exhausted") else "rate_limited")

    @row(8)
    def test_never_worked(self):
        self.refuses("auth_invalid", r"401 Unauthorized: E0000011 Invalid token provided; .*the credential has not worked yet \(revision \d+\), next request at",
                     "Make a new API token", says(401, '{"errorCode":"E0000011","errorSummary":"Invalid token provided"}'),
                     doctor=r"401 Unauthorized: E0000011 Invalid token provided; .*the credential has not worked yet \(revision \d+\)$")

    @row(8, 9)
    def test_worked_and_was_revoked(self):
        good = []

        def answer(*_):
            good.append(1)
            if len(good) == 1:
                return 200, {"Link": f'<{peer.url}/api/v1/logs?after=1>; rel="next"'}, "[]"
            return 401, {}, '{"errorCode":"E0000011","errorSummary":"Invalid token provided"}'
        peer = self.peer(answer)
        name = self.put(okta(peer.url, poll_interval_minutes=0.02))
        self.expect(name, "auth_expired", r"; the credential had worked until \S+Z and was not changed here, next request at", "Make a new API token",
                    doctor=r"; the credential had worked until \S+Z and was not changed here$")

    @row(13, 60)
    def test_a_scope_that_is_named(self):
        self.refuses("permission_denied", r'403 Forbidden: .*; it asks for "okta.logs.read"', 'Grant "okta.logs.read" at the vendor',
                     says(403, '{"error":"insufficient_scope"}', WWW_Authenticate='Bearer error="insufficient_scope", scope="okta.logs.read"'))

    @row(16)
    def test_throttled(self):
        self.refuses("rate_limited", r"429 Too Many Requests: E0000047 .*next request at \S+Z \(Retry-After: 7\), 1 of 120 requests in 1 min", "Nothing to do: nothing is lost",
                     says(429, '{"errorCode":"E0000047","errorSummary":"Too many requests"}', Retry_After="7"),
                     doctor=r"429 Too Many Requests: E0000047 .*next request at \S+Z \(Retry-After: 7\), \d of 120 requests in 1 min")

    @row("V3")
    def test_throttled_in_disguise(self):
        self.refuses("rate_limited", "403 Forbidden: .*secondary rate limit", "Nothing to do", says(403, '{"message":"You have exceeded a secondary rate limit"}'))

    @row("V4")
    def test_a_reset_that_makes_no_sense(self):
        name = self.put(okta(self.peer(says(429, '{"errorCode":"E0000047"}', X_Rate_Limit_Reset="2107000000")).url))
        self.expect(name, "rate_limited", "429 Too Many Requests", "Nothing to do")
        lines = [line for line in self.stage.log_lines(name) if "is not believed" in line]
        self.assertEqual(len(lines), 1, lines)
        self.assertIn('the vendor sent "X-Rate-Limit-Reset: 2107000000"', lines[0])

    @row("V7")
    def test_not_licensed(self):
        facts = self.refuses("feature_off", "403 Forbidden: E0000997 .*not licensed", "License it or switch it on",
                             says(403, '{"errorCode":"E0000997","errorSummary":"This organisation is not licensed for it"}'))
        self.assertIn("T", facts["until"])

    @row(62)
    def test_busy(self):
        self.refuses("vendor_busy", "409 Conflict: E0000998 job 8f2a is running", "end the other job",
                     says(409, '{"errorCode":"E0000998","errorSummary":"job 8f2a is running"}'))

    @row(63)
    def test_the_vendor_fails(self):
        self.refuses("vendor_error", "503 Service Unavailable: E0000503 down.*request id Yabc", "the vendor's side .* open a case with the vendor",
                     says(503, '{"errorCode":"E0000503","errorSummary":"down"}', X_Okta_Request_Id="Yabc"))

    @row(95)
    def test_closed_account(self):
        for status, body in ((402, '{"errorSummary":"unpaid"}'), (423, "{}"), (403, '{"message":"This account has been suspended"}')):
            with self.subTest(status):
                name = self.put(okta(self.peer(says(status, body)).url), name=f"closed-{status}")
                self.expect(name, "account_suspended", str(status), "Settle the billing", state="error")

    @row(111)
    def test_an_unknown_answer(self):
        self.refuses("vendor_error", r'unknown answer 418 from http://127.0.0.1:\d+: "I am a teapot with \[redacted\]", .*request id T-1', "doctor NAME --json",
                     says(418, f"I am a teapot\r\n with {SECRET}", X_Request_Id="T-1"))

    @row("V1")
    def test_wrong_cloud_by_the_token_endpoint(self):
        name = self.put(falcon(self.peer(says(403, '{"errors":[{"code":403,"message":"access denied"}]}', X_Cs_Region="eu-1")).url))
        self.expect(name, "wrong_host", "api.crowdstrike.com does not know this credential, the vendor says region eu-1", "Set fqdn to api.eu-1.crowdstrike.com")

    @row("V1")
    def test_wrong_cloud_by_the_api(self):
        def answer(method, path, *_):
            if path.startswith("/oauth2"):
                return 201, {}, '{"access_token":"tokenOfDana1","token_type":"bearer","expires_in":1799}'
            return 403, {"X-Cs-Region": "us-2"}, '{"errors":[{"code":403,"message":"access denied"}]}'
        name = self.put(falcon(self.peer(answer).url))
        self.expect(name, "wrong_host", "the vendor says region us-2", "Set fqdn to api.us-2.crowdstrike.com")

    @row(11)
    def test_a_client_that_is_refused(self):
        name = self.put(falcon(self.peer(says(401, '{"error":"invalid_client"}')).url))
        self.expect(name, "oauth_invalid_client", r"\(client …c0ff\): 401 Unauthorized: invalid_client", "Compare client id, secret and cloud")

    @row("V2")
    def test_an_error_inside_a_success(self):
        def answer(method, path, *_):
            if path.startswith("/oauth2"):
                return 201, {}, '{"access_token":"tokenOfDana1","token_type":"bearer","expires_in":1799}'
            return 200, {"X-Cs-TraceId": "trace-7"}, '{"meta":{"pagination":{"total":0}},"resources":[],"errors":[{"code":500,"message":"shard unavailable"}]}'
        name = self.put(falcon(self.peer(answer).url))
        self.expect(name, "vendor_error", "an error inside a reply of status 200, nothing of it counts: 500 shard unavailable.*request id trace-7", "vendor's side")

    @row(61)
    def test_an_id_that_does_not_exist(self):
        peer = self.peer(says(404, '{"errors":[{"code":4040010,"title":"Resource not found"}]}'))
        name = self.put({"integration_type": "sentinelone", "settings": {"base_url": peer.url, "host": "x.test", "site_ids": "4711"},
                         "credentials": {"api_key": SECRET}, "data_types": {"agents": False, "activities": False}})
        self.expect(name, "not_found", "settings.site_ids is 4711: it does not exist, or belongs to another organisation", "Copy site_ids anew")

    @row("V19")
    def test_pages_that_go_round(self):
        def answer(method, path, *_):
            n = 2 if "after=1" in path else 1
            return 200, {"Link": f'<{peer.url}/api/v1/logs?after={n}>; rel="next"'}, f'[{{"uuid":"u{n}","published":"2026-05-01T10:0{n}:00.000Z"}}]'
        peer = self.peer(answer)
        name = self.put(okta(peer.url))
        self.expect(name, "paging_loop", "which this walk has read already: stopped|the same 1 records as the one before", "open a case")

    @row("V10")
    def test_a_refused_password_is_tried_once(self):
        peer = self.peer(says(401, '<?xml version="1.0"?><SIMPLE_RETURN><RESPONSE><CODE>2000</CODE><TEXT>Bad Login/Password</TEXT></RESPONSE></SIMPLE_RETURN>'))
        name = self.put({"integration_type": "qualys", "poll_interval_minutes": 0.02, "settings": {"base_url": peer.url},
                         "credentials": {"username": "acme_ab1", "password": SECRET}})
        self.expect(name, "auth_invalid", "not asked again before the integration is saved, so that the account is not locked", "unlock it or set a new password")
        self.stage.agent.stop()
        self.stage.agent.start()
        self.expect(name, "auth_invalid", "the login was refused at .* and is not tried again before the integration is saved", "unlock it or set a new password")
        self.assertEqual(len(peer.requests), 1, "attempts")


class Put(SymptomCase):
    """What is refused before anything is stored."""


    def put_by_hand(self, kind, secrets, *options, want=1):
        agent = self.stage.agent
        done = subprocess.run([agent.binary, "integrations", "put", "x", "--type", kind, *options], env=agent.environment(), input="\n".join(secrets) + "\n",
                              capture_output=True, text=True, timeout=20, check=False)
        self.assertEqual(done.returncode, want, done.stderr)
        return done.stderr

    def put_okta(self, token, *options, want=1, fqdn="acme.okta.com"):
        return self.put_by_hand("okta", [token], "--set", f"fqdn={fqdn}", "--secret", "api_token", *options, want=want)

    @row(69)
    def test_a_variable_that_nobody_replaced(self):
        for text in ("$API_TOKEN", "${API_TOKEN}", "{$API_TOKEN}", "%API_TOKEN%"):
            with self.subTest(text):
                self.assertIn("credentials.api_token is the name of a variable, not a value: substitution did not happen where it was written",
                              self.put_okta(text))

    @row(91)
    def test_a_credential_that_was_not_copied_exactly(self):
        for text, words in ((f"{KNOWN} ", "ends in white space"), (f'"{KNOWN}"', "ends in a quote"), (f" {KNOWN}", "begins with white space")):
            with self.subTest(text):
                said = self.put_okta(text)
                self.assertIn(words, said)
                self.assertIn("characters", said)
                self.assertNotIn(KNOWN, said)

    @row(91, 98)
    def test_a_credential_of_another_kind(self):
        said = self.put_okta("xoxb-this-is-somebody-elses")
        self.assertIn("credentials.api_token has 27 characters and does not look right (expected for API token of Okta: characters that begin with 00)", said)
        self.assertIn("--as-is", said)
        self.put_okta("xoxb-this-is-somebody-elses", "--as-is", "--disabled", want=0)
        self.stage.remove("x")

    @row(89)
    def test_settings_that_do_not_go_together(self):
        said = self.put_by_hand("qualys", ["acme_ab1", "whatever-1"], "--set", "extra_params=id_min=5", "--secret", "username", "--secret", "password")
        self.assertIn("settings.extra_params names id_min", said)
        self.assertIn('is "https://acme.okta.com/admin": give the host alone: acme.okta.com', self.put_okta(KNOWN, fqdn="https://acme.okta.com/admin"))

    def test_what_is_stored_runs_whatever_it_looks_like(self):
        """The agent never refuses a credential for its form; when the vendor does, the form is told."""
        peer = Peer(says(401, '{"errorCode":"E0000011"}'))
        self.addCleanup(peer.close)
        name = self.put(okta(peer.url))
        self.expect(name, "auth_invalid", "credentials.api_token has 27 characters and does not look right", "Make a new API token")


if __name__ == "__main__":
    unittest.main()
