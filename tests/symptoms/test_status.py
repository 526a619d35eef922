#!/usr/bin/env python3
"""What status says while work goes on or does not: paused, shared budgets, two that read the same, one data type refused, records dated ahead.

What needs hours has the clock turned by hand (tests/connectors/okta): silent, silent-not (22), behind (34), late-vendor (35), slow-names (37), quota (17, 36),
overdue (21, 63, 87), long-poll (88, 106), no-place (47), budget (18, 19), future-record (105), two-integrations (18, 27), paused (20)."""

import datetime
import json
import time
import unittest

from symptom import Peer, SymptomCase, okta, row, says, wait_until

LINK = 'Link'


def minutes_ago(minutes):
    return (datetime.datetime.now(datetime.timezone.utc) - datetime.timedelta(minutes=minutes)).strftime("%Y-%m-%dT%H:%M:%S.000Z")


def log_of(peer_url, *records):
    """An organisation's log: these records once, then nothing."""
    def answer(method, path, headers, body):
        done = "after=end" in path
        return 200, {LINK: f'<{peer_url()}/api/v1/logs?after=end>; rel="next"'}, "[]" if done else json.dumps(records)
    return answer


class Status(SymptomCase):

    def peer(self, answer):
        peer = Peer(answer)
        self.addCleanup(peer.close)
        return peer

    def log_peer(self, *records):
        holder = []
        holder.append(self.peer(log_of(lambda: holder[0].url, *records)))
        return holder[0]

    def good(self, name, within=30.0):
        wait_until(lambda: self.stage.status(name).get("data_types", {}).get("system_log", {}).get("last_success"), within, lambda: str(self.stage.status(name)))
        return self.stage.status(name)

    def told(self, *words, status=None):
        done = self.stage.command("status", *words)
        if status is not None:
            self.assertEqual(done.returncode, status, done.stdout + done.stderr)
        return " ".join(done.stdout.split())

    @row(27)
    def test_two_that_read_the_same(self):
        peer = self.log_peer()
        a, b = self.put(okta(peer.url), "same-a"), self.put(okta(peer.url), "same-b")
        for name in (a, b):
            facts = self.expect(name, "duplicate_integration", r"same-[ab] and same-[ab] both read system_log of http://127.0.0.1:\d+ acme.okta.test: each record is published twice",
                                "Disable one of the two")
            self.assertNotEqual(facts.get("state"), "error")
        self.assertIn("both read system_log of", self.told())
        self.stage.remove(b)
        wait_until(lambda: self.stage.status(a).get("reason") == "ok", 20, lambda: str(self.stage.status(a)))
        for other, enabled in (("same-c", False), ("same-d", True)):
            path = self.stage.workspace.file(f"{other}.json")
            with open(path, "w", encoding="utf-8") as file:
                json.dump(okta(peer.url, enabled=enabled, credentials={"api_token": "00another-one-of-the-symptoms-test-0123456"}), file)
            done = self.stage.command("integrations", "put", other, "--file", path)
            self.mine.append(other)
            self.assertEqual(done.returncode, 0, done.stderr)
            warned = "warning: duplicate_integration: same-d and same-a read the same data type of the same source" in done.stderr
            self.assertEqual(warned, enabled, "what is disabled reads nothing: " + done.stderr)

    @row(18, 19)
    def test_a_budget_that_others_use_up(self):
        def answer(method, path, headers, body):
            return 200, {LINK: f'<{peer.url}/api/v1/logs?after=end>; rel="next"', "X-Rate-Limit-Limit": "600", "X-Rate-Limit-Remaining": "40",
                         "X-Rate-Limit-Reset": str(int(time.time()) + 50)}, "[]" if "after=end" in path else '[{"uuid":"u1","published":"2026-05-01T10:00:00.000Z"}]'
        peer = self.peer(answer)
        name = self.put(okta(peer.url))
        self.expect(name, "budget_wait", r"waits for the request budget until .*; logs: 540 of 600 a minute \(X-Rate-Limit-Limit\), \d used, 60 kept for others, others have used 9\d %",
                    "Nothing to do", state="rate_limited")
        self.assertIn("budget logs: 540 of 600 a minute (X-Rate-Limit-Limit)", self.told(name))

    @row(20)
    def test_paused(self):
        newest = minutes_ago(10)
        peer = self.log_peer({"uuid": "p1", "published": newest})
        name = self.put(okta(peer.url))
        self.good(name)
        self.put(okta(peer.url, enabled=False))
        self.expect(name, "disabled", r'paused by revision \d+ \("enabled": false\); the position is kept, newest record of ' + newest[:19], "Enable it before", state="paused")
        self.assertRegex(self.told(), rf"{name} system_log paused disabled")

    @row(21)
    def test_the_same_failure_again_and_again(self):
        peer = self.peer(says(502, "{}"))
        name = self.put(okta(peer.url))
        wait_until(lambda: self.stage.status(name).get("data_types", {}).get("system_log", {}).get("failures", {}).get("count", 0) >= 3, 30,
                   lambda: str(self.stage.status(name)))
        facts = self.expect(name, "vendor_error", r"502 Bad Gateway.*next request at", "vendor's side", state="error", doctor="502 Bad Gateway")
        self.assertEqual(facts["state"], "error")
        self.assertRegex(self.told(status=1), rf"{name} system_log: vendor_error: 502 Bad Gateway.*, next request at \S+( .*)?, \d+ times since ")
        told = [line for line in self.stage.log_lines(name) if "[WARN]" in line and "502" in line]
        self.assertEqual(len(told), 1, "said once, however often it fails:\n" + "\n".join(told))

    @row(30, 31)
    def test_one_data_type_lacks_its_right_and_each_has_its_time(self):
        def answer(method, path, headers, body):
            if "auditevents" in path:
                return 401, {}, '{"status":401,"message":"Unauthorized access"}'
            if "introspect" in path:
                return 200, {}, '{"uuid":"I1","issued_at":"2026-04-01T00:00:00Z","features":["signinattempts","itemusages"],"account_uuid":"A1"}'
            return 200, {}, '{"cursor":"c1","has_more":false,"items":[]}'
        peer = self.peer(answer)
        name = self.put({"integration_type": "1password-events", "settings": {"base_url": peer.url}, "credentials": {"api_token": "eyJ-of-the-symptoms-test"},
                         "data_types": {"sign_in_attempts": {"poll_interval_minutes": 5}, "item_usages": {"poll_interval_minutes": 60}}})

        def types():
            return self.stage.status(name).get("data_types", {})
        wanted = {"audit_events": "error", "sign_in_attempts": "active", "item_usages": "active"}
        wait_until(lambda: {k: v["state"] for k, v in types().items()} == wanted, 30, lambda: json.dumps(self.stage.status(name)))
        got = types()
        self.assertEqual(got["audit_events"]["reason"], "permission_denied", got["audit_events"])
        self.assertRegex(got["audit_events"]["advice"], "(?i)other data types go on")
        self.assertEqual((got["sign_in_attempts"]["interval_seconds"], got["item_usages"]["interval_seconds"]), (300, 3600))
        self.assertLess(got["sign_in_attempts"]["next_poll"], got["item_usages"]["next_poll"])
        self.assertRegex(self.told(name, status=1), r"item_usages state active.*polls every 1 h; last .*; next ")

    @row(105)
    def test_records_dated_ahead(self):
        peer = self.log_peer({"uuid": "d1", "published": "2026-05-01T10:00:00.000Z"}, {"uuid": "d2", "published": "2093-01-01T00:00:00.000Z"})
        name = self.put(okta(peer.url))
        self.expect(name, "record_invalid", r"of the last poll's 2 events 1 is dated ahead of the vendor's clock, up to 2093-01-01T00:00:00Z: published, but not used for the position",
                    "Have the dates corrected", state="active")

    def test_times_of_a_poll_are_sums_over_its_requests(self):
        peer = self.log_peer({"uuid": "t1", "published": "2026-05-01T10:00:00.000Z"})
        name = self.put(okta(peer.url))
        facts = self.good(name)["data_types"]["system_log"]
        timing, requests = facts["timing_ms"], facts["requests"]
        self.assertEqual(requests["last_poll"], 2)
        self.assertEqual(requests["hour"], len(peer.requests))
        parts = {k: v for k, v in timing.items() if k != "total"}
        self.assertEqual(set(parts), {"dns", "connect", "tls", "first_byte", "transfer", "budget_wait", "nats_wait", "back_off", "vendor_wait"})
        self.assertLessEqual(max(parts.values()), timing["total"] + 50)
        self.assertRegex(self.told(name), r"a poll takes .*; 2 requests")


if __name__ == "__main__":
    unittest.main()
