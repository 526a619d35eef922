#!/usr/bin/env python3
"""The simulated 1Password Events API: python3 tests/simulator/test_1password_events.py"""

import dataclasses
import importlib
import json
import os
import pickle
import re
import sys
import time
import unittest
from collections import Counter
from http.client import HTTPException
from types import SimpleNamespace
from unittest import mock

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(os.path.dirname(HERE), "lib", "python")]

from signaltest.copier import Copy              # noqa: E402  (the paths come first)
from signaltest.ledger import Ledger, Offers    # noqa: E402
from test_base import SimulatorTest, rfc3339, sha256     # noqa: E402
from simulator import make_vendors              # noqa: E402
from vendors import growth, pacing, patience, sealed     # noqa: E402
from vendors.onepassword_records import KINDS   # noqa: E402

NAME = "1password-events"
VENDOR = importlib.import_module("vendors.1password_events")
FEATURES = VENDOR.FEATURES
HEADERS = {"Authorization": "Bearer sim-token", "Content-Type": "application/json", "User-Agent": "test/1"}
DAY = 86400


def cut_items(body):
    """The exact bytes of the items."""
    text, decoder, found = body.decode(), json.JSONDecoder(), []
    at = re.match(r'\{(?:"cursor":"[^"]*",)?(?:"has_more":(?:true|false),)?"items":\[', text).end()
    while text[at] != "]":
        _, end = decoder.raw_decode(text, at)
        found.append(text[at:end].encode())
        at = end + (text[end] == ",")
    return found


class EventsTest(SimulatorTest):
    def setUp(self):
        self.start()

    def start(self, *options, vendors=(NAME,)):
        self.serve(make_vendors(vendors, 7, [f"{NAME}.{option}" for option in ("rate_limit=100000", *options)]))

    def set(self, **changes):
        return self.post(f"{NAME}/set", changes)["results"]

    def ask(self, body=None, kind="sign_in_attempts", headers=None, api=2, method="POST", query="", raw=None):
        body = {"limit": 1000, "start_time": rfc3339(time.time() - DAY)} if body is None else body
        data = json.dumps(body).encode() if raw is None else raw
        return self.get(f"/{NAME}/api/v{api}/{FEATURES[kind]}{query}", {**HEADERS, **(headers or {})}, method, data)

    def good(self, *arguments, **named):
        reply = self.ask(*arguments, **named)
        self.assertEqual(reply.status, 200, reply.body)
        return reply.json()

    def reset(self, limit=1000, seconds=DAY, **more):
        return {"limit": limit, "start_time": rfc3339(time.time() - seconds), **more}

    def walk(self, kind="sign_in_attempts", body=None, between=None, **named):
        """(items as bytes, last cursor, has_more of the pages) until there are no more."""
        body, items, more = self.reset() if body is None else body, [], []
        while True:
            reply = self.ask(body, kind, **named)
            self.assertEqual(reply.status, 200, reply.body)
            page = reply.json()
            items += cut_items(reply.body) if page.get("items") else []
            more.append(page["has_more"])
            if not page["has_more"]:
                return items, page["cursor"], more
            body = {"cursor": page["cursor"]}
            if between:
                between(len(more))

    def of(self, kind="sign_in_attempts", query=""):
        return [line for line in self.ledger(NAME, query) if line["type"] == kind]

    def refused(self, status, violations, body=None, **named):
        self.post(f"{NAME}/clear", {"violations": True})
        reply = self.ask(body, **named)
        self.assertEqual((reply.status, self.violations()), (status, violations), reply.body)
        self.assertEqual(reply.json()["status"], status)
        return reply.json()["message"]

    def vendor(self):
        return self.server.vendors[NAME]


class LogTest(EventsTest):
    def test_ledger_is_read_while_events_come(self):
        seen = iter(self.vendor()._must_be_offered())
        next(seen)
        self.set(append={"type": "audit_events", "count": 3})
        rest = list(seen)
        self.assertEqual(1 + len(rest), len(list(self.vendor()._must_be_offered())) - 3)

    def test_walk_matches_ledger(self):
        for kind, total in zip(KINDS, (1000, 500, 200)):
            items, _, more = self.walk(kind, self.reset(limit=300))
            ledger = self.of(kind)
            self.assertEqual([sha256(item) for item in items], [line["sha256"] for line in ledger])
            self.assertEqual([json.loads(item)["uuid"] for item in items], [line["id"] for line in ledger])
            self.assertEqual({(line["offered"], line["sent"], line["last"]) for line in ledger}, {(1, True, True)})
            self.assertEqual((len(items), len(set(items)), len(self.of(kind, "?all=1"))), (total, total, total))
            self.assertEqual(more, [True] * (-(-total // 300) - 1) + [False])
        self.assertEqual(self.violations(), [])
        self.assertEqual(self.state(NAME)["resets"], dict.fromkeys(KINDS, 1))
        notes = [json.loads(line)["note"] for line in self.get(f"/_sim/requests/{NAME}").body.splitlines()]
        self.assertEqual([(note["first"], note["limit"]) for note in notes[:4]], [(True, 300)] + [(False, 300)] * 3)

    def test_the_oracle_can_judge(self):
        items, _, _ = self.walk("audit_events")
        copies = []
        for seq, item in enumerate(items, 1):
            own = json.loads(item)["uuid"]
            headers = f"NATS/1.0\r\nNats-Msg-Id: p.audit_events.{own}\r\nce-id: {own}\r\n\r\n".encode()
            copies.append(Copy(seq, "data", headers, sha256(item), len(item), 0))

        def judged(found):
            return Ledger(Offers("p.audit_events.").add_lines(self.of("audit_events", "?all=1"))).judge(found)
        self.assertTrue(judged(copies).exact, judged(copies).text())
        self.assertEqual(judged(copies[1:]).wrong(), ["missing"])
        self.assertEqual(judged([*copies, copies[0]]).wrong(), ["doubled_by_id", "doubled_by_body"])
        copies[0] = dataclasses.replace(copies[0], sha256=sha256(b"other"))
        self.assertEqual(judged(copies).wrong(), ["altered"])

    def test_sample_members(self):
        expected = {
            "sign_in_attempts": "uuid session_uuid timestamp country category action_type type details target_user client location account_uuid",
            "item_usages": "uuid timestamp used_version vault_uuid item_uuid action user client location account_uuid",
            "audit_events": "uuid timestamp actor_uuid actor_details action object_type object_uuid session location account_uuid"}
        for kind, names in expected.items():
            page = self.good(kind=kind)
            self.assertEqual(list(page), ["cursor", "has_more", "items"])
            orders = {tuple(item) for item in page["items"]}
            self.assertTrue(any(" ".join(order) == names for order in orders) or kind == "audit_events", orders)
            for item in page["items"]:
                self.assertLessEqual(set(names.split()), set(item))
                self.assertRegex(item["uuid"], "^[A-Z2-7]{26}$")
            # In some an object with a uuid of its own comes before the identity.
            self.assertTrue(any(order.index("uuid") > 1 for order in orders))
        stamps = [item["timestamp"] for item in self.good()["items"]]
        self.assertTrue(any(re.fullmatch(r".*\.[0-9]{7,9}Z", stamp) for stamp in stamps))
        self.assertFalse(any(re.search(r"0Z$", stamp) and "." in stamp for stamp in stamps))     # as Go prints them
        self.assertTrue(all(re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", item["timestamp"])
                            for item in self.good(kind="item_usages")["items"]))

    def test_unusual_values(self):
        body = self.ask(kind="audit_events").body + self.ask().body
        for text in ("山田 太郎".encode(), b"\\u017bak", b"1e-05", b'"longitude":-0.0', b'"has_more":true}', b"\\ud83d\\udc64"):
            self.assertTrue(text in body, text)
        self.assertTrue(re.search(rb'"aux_id":[0-9]{19,20},', body))
        self.set(append={"count": 7, "shapes": ["all"], "style": "spaced"})
        items, _, _ = self.walk(body=self.reset(seconds=60))
        self.assertEqual([sha256(item) for item in items[-7:]], [line["sha256"] for line in self.of()][-7:])
        self.assertIn(b"12345678901234567890123", b"".join(items[-7:]))

    def test_bytes_depend_on_seed_and_start_only(self):
        lines = []
        for _ in range(2):
            self.start("start=1795000000", "sign_in_attempts=50")
            lines.append([line["sha256"] for line in self.of(query="?all=1")])
        self.assertEqual((lines[0], len(lines[0])), (lines[1], 50))

    def test_version_1(self):
        items, cursor, _ = self.walk("audit_events", api=1)
        self.assertTrue(all("account_uuid" not in json.loads(item) for item in items))
        ledger = self.of("audit_events", "?all=1")
        self.assertEqual([line["sha256"] for line in ledger], [sha256(item) for item in items])
        self.assertEqual({line["last"] for line in ledger}, {True})
        self.assertEqual(self.good({"cursor": cursor}, "audit_events", api=2)["items"], [])

    def test_state_is_kept(self):
        _, cursor, _ = self.walk()
        self.set(append={"count": 3}, late_every=1, late_seconds=100)
        self.set(append={"count": 2})
        vendor = self.vendor()
        saved = pickle.loads(pickle.dumps((vendor.save(), vendor.ledger.pages)))
        before = [line["sha256"] for line in self.of(query="?all=1")]
        self.start("sign_in_attempts=5")
        model, self.vendor().ledger.pages = saved
        self.vendor().restore(model)
        self.assertEqual([line["sha256"] for line in self.of(query="?all=1")], before)
        self.assertEqual(len(self.good({"cursor": cursor})["items"]), 3)
        self.set(clock_skew=101)
        self.assertEqual(len(self.good({"cursor": cursor})["items"]), 5)


class CursorTest(EventsTest):
    def test_a_cursor_is_a_position_for_good(self):
        _, cursor, _ = self.walk()
        empty = self.good({"cursor": cursor})
        self.assertEqual(empty, {"cursor": cursor, "has_more": False, "items": []})
        added = self.set(append=3)["append"]
        for _ in range(2):      # a reply may be lost: the same cursor gives the same again
            self.assertEqual([item["uuid"] for item in self.good({"cursor": cursor})["items"]], added)
        self.set(idle_cursor="new")
        _, cursor, _ = self.walk(body={"cursor": cursor})
        self.assertNotEqual(self.good({"cursor": cursor})["cursor"], cursor)
        self.assertEqual(self.violations(), [])

    def test_page_size_is_that_of_the_reset_cursor(self):
        cursor = self.good(self.reset(limit=7))["cursor"]
        self.assertEqual(len(self.good({"cursor": cursor})["items"]), 7)
        self.assertEqual(len(self.good({"start_time": rfc3339(time.time() - DAY)})["items"]), 100)
        self.set(page_size=50)
        self.assertEqual(len(self.good()["items"]), 50)

    def test_start_is_included_and_end_an_option(self):
        moment = int(time.time()) - 600.0
        self.set(append={"count": 4, "at": moment})
        self.set(append={"count": 1, "at": moment + 1})
        self.set(append={"count": 1, "at": moment - 1})
        start = rfc3339(moment)

        def found(**more):
            items = self.good({"limit": 1000, "start_time": start, **more})["items"]
            return Counter(item["timestamp"] for item in items)
        self.assertEqual((found()[start], found()[rfc3339(moment + 1)], found()[rfc3339(moment - 1)]), (4, 1, 0))
        end = rfc3339(moment + 1)
        self.assertNotIn(end, found(end_time=end))
        self.set(end_time="included")
        self.assertEqual((found(end_time=end)[end], found(end_time=end)[start]), (1, 4))
        offset = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(moment + 7200)) + "+02:00"
        self.assertEqual(len(self.good({"limit": 1000, "start_time": offset})["items"]), sum(found().values()))

    def test_without_a_start(self):
        added = self.set(append={"at": time.time() - 3700, "count": 2})["append"]
        for start, seen in ((3600, False), (3800, True)):
            self.set(default_start=start)
            found = [json.loads(item) for item in self.walk(body={})[0]]
            self.assertEqual([identity in {item["uuid"] for item in found} for identity in added], [seen] * 2)
            self.assertTrue(all(item["timestamp"] >= rfc3339(time.time() - start - 5) for item in found))
        self.assertEqual(self.violations(), [])

    def test_equal_times_at_a_page_boundary(self):
        self.set(append={"count": 9, "at": time.time() - 5})
        items, _, more = self.walk(body=self.reset(limit=2, seconds=60))
        self.assertGreaterEqual(len(set(items)), 9)
        self.assertEqual((len(items), len(more)), (len(set(items)), -(-len(items) // 2)))
        initial = Counter(json.loads(item)["timestamp"] for item in self.walk()[0])
        self.assertEqual(Counter(initial.values()), {2: 500, 9: 1})

    def test_late_event_comes_behind_the_cursor(self):
        _, cursor, _ = self.walk()
        added = self.set(append={"count": 2, "late_by": 1800})["append"]
        page = self.good({"cursor": cursor})
        self.assertEqual([item["uuid"] for item in page["items"]], added)
        self.assertLess(page["items"][0]["timestamp"], rfc3339(time.time() - 1700))
        self.set(append={"late_by": 2 * DAY})       # before the start of the chain
        self.assertEqual(self.good({"cursor": page["cursor"]})["items"], [])
        self.set(start_time="places")
        cursor = self.good(self.reset(seconds=600))["cursor"]
        before = len(self.good(self.reset(seconds=600))["items"])
        added = self.set(append={"late_by": 1800})["append"]
        self.assertEqual([item["uuid"] for item in self.good({"cursor": cursor})["items"]], added)
        items = self.good(self.reset(seconds=600))["items"]
        self.assertEqual((len(items), items[-1]["uuid"]), (before + 1, added[0]))

    def test_late_event_is_missed_where_the_order_is_by_time(self):
        self.start("order=time")
        cursor = self.good(self.reset(limit=900))["cursor"]
        added = self.set(append={"count": 1, "late_by": 1800})["append"] + self.set(append={"count": 1, "late_by": 60})["append"]
        items, cursor, _ = self.walk(body={"cursor": cursor})
        found = [json.loads(item)["uuid"] for item in items]
        self.assertEqual(([identity in found for identity in added], len(found)), ([False, True], 101))
        self.assertEqual([line["id"] for line in self.of(query="?all=1") if not line["offered"]], added[:1])
        self.assertIn(added[0], [item["uuid"] for item in self.good(self.reset(seconds=1900))["items"]])
        stamps = [json.loads(item)["timestamp"][:19] for item in self.walk()[0]]
        self.assertEqual(stamps, sorted(stamps))

    def test_indexing_takes_time(self):
        _, cursor, _ = self.walk()
        self.set(index_delay=30, late_every=2, late_seconds=600)
        self.set(append=4)
        self.assertEqual((self.good({"cursor": cursor})["items"], self.state(NAME)["waiting_events"]), ([], 4))
        self.assertEqual(len(self.of(query="?all=1")), 1000)
        self.vendor().options.clock_skew = 31       # time passes, and nobody else looks
        first = self.good({"cursor": cursor})
        self.assertEqual(len(first["items"]), 2)
        self.set(clock_skew=700)
        self.assertEqual(len(self.good({"cursor": first["cursor"]})["items"]), 2)

    def test_events_come_at_a_rate(self):
        self.set(rate=1000)
        deadline = time.monotonic() + 5
        while sum(self.state(NAME)["events"].values()) < 1760 and time.monotonic() < deadline:
            pass
        self.set(rate=0)
        events = self.state(NAME)["events"]
        self.assertGreaterEqual(sum(events.values()), 1760)
        self.assertTrue(all(events[kind] > total for kind, total in zip(KINDS, (1000, 500, 200))), events)
        self.assertEqual(len(self.walk()[0]), events["sign_in_attempts"])

    def test_what_was_due_comes_when_the_rate_changes(self):
        self.set(rate=10)
        self.set(clock_skew=6)
        self.set(rate=0, append=1)
        self.assertGreaterEqual(sum(self.state(NAME)["events"].values()), 1761)
        before = self.state(NAME)["events"]
        self.set(clock_skew=60)
        self.assertEqual(self.state(NAME)["events"], before)

    def test_forms_of_has_more_and_empty_pages(self):
        self.set(has_more="full")
        items, _, more = self.walk(body=self.reset(limit=500))
        self.assertEqual((len(items), more), (1000, [True, True, False]))
        self.set(has_more="exact", empty_every=2)
        items, _, more = self.walk(body=self.reset(limit=500))
        self.assertEqual(len(set(items)), 1000)
        self.assertGreater(len(more), 2)
        _, cursor, _ = self.walk()
        self.set(empty="null", empty_every=0)
        self.assertEqual(self.good({"cursor": cursor}), {"cursor": cursor, "has_more": False, "items": None})
        self.set(empty="absent")
        self.assertEqual(self.good({"cursor": cursor}), {"cursor": cursor, "has_more": False})
        self.set(envelope="items_first")
        self.assertEqual(list(self.good()), ["items", "cursor", "has_more"])
        self.assertEqual(self.violations(), [])

    def test_cursors_expire(self):
        cursor = self.good(self.reset(limit=10))["cursor"]
        self.set(expire_cursors=True)
        self.assertEqual(self.refused(400, [], {"cursor": cursor}), "invalid cursor")
        cursor = self.good(self.reset(limit=10))["cursor"]
        self.set(cursor_life=60)
        self.assertEqual(self.ask({"cursor": cursor}).status, 200)
        self.set(clock_skew=61)
        self.refused(400, [], {"cursor": cursor})
        self.assertEqual(self.state(NAME)["expired_cursors"], 2)

    def test_cursors_of_others(self):
        cursor = self.good(self.reset(limit=10))["cursor"]
        self.refused(400, ["unknown_cursor"], {"cursor": cursor}, kind="item_usages")
        for wrong in (cursor[:-3], "aGVsbG8gY3Vyc29yIDI", "", "ä", 7, None, [cursor]):
            self.refused(400, ["unknown_cursor"], {"cursor": wrong})
        for beside in ({"limit": 10}, {"start_time": rfc3339(time.time() - DAY)}, {"end_time": rfc3339(time.time())}):
            self.refused(400, ["cursor_mixed"], {"cursor": cursor, **beside})
        self.assertEqual(self.ask({"cursor": cursor}).status, 200)


class RuleTest(EventsTest):
    def test_bodies(self):
        start = rfc3339(time.time() - DAY)
        for limit in (0, 1001, "10", 10.0, True, None):
            self.refused(400, ["limit"], {"limit": limit, "start_time": start})
        for moment in ("yesterday", "2026-05-01", "2026-05-01T00:00:00", 1795000000, None, "2026-13-01T00:00:00Z"):
            self.refused(400, ["start_time"], {"start_time": moment})
        self.refused(400, ["end_time"], {"start_time": start, "end_time": "now"})
        self.refused(400, ["window"], {"start_time": start, "end_time": start})
        self.refused(400, ["body"], {"start_time": start, "page_size": 10})
        for raw in (b"", b"[]", b'"x"', b"{", b"limit=10"):
            self.refused(400, ["body"], raw=raw)
        self.refused(400, ["content_type"], headers={"Content-Type": "text/plain"})
        self.post(f"{NAME}/clear", {"violations": True})
        self.assertEqual(self.ask(headers={"Content-Type": "application/json; charset=utf-8"}).status, 200)
        self.assertEqual(self.violations(), [])
        self.assertEqual(self.ask(query="?limit=10").status, 200)
        self.assertEqual(self.violations(), ["query"])

    def test_paths_and_methods(self):
        self.refused(405, ["method"], method="GET")
        for path, violation in (("/api/v3/auditevents", "beta"), ("/api/v2/users", "path"), ("/api/v2/auditevents/", "path")):
            self.post(f"{NAME}/clear", {"violations": True})
            self.assertEqual(self.get(f"/{NAME}{path}", HEADERS).json(), {"status": 404, "message": "Not found"})
            self.assertEqual(self.violations(), [violation])

    def test_history(self):
        self.set(append={"count": 2, "at": time.time() - 121 * DAY})
        self.set(append={"count": 3, "at": time.time() - 119 * DAY})
        self.assertEqual(len(self.walk(body=self.reset(seconds=120 * DAY + 3600))[0]), 1003)
        self.assertEqual(self.violations(), [])
        self.assertEqual(len(self.walk(body=self.reset(seconds=130 * DAY))[0]), 1003)
        self.assertEqual(self.violations(), ["history"])
        self.assertEqual(len(self.of(query="?all=1")), 1003)
        self.set(history="refuse")
        self.refused(400, [], self.reset(seconds=120 * DAY + 3600))

    def test_authorization(self):
        for value in ("sim-token", "bearer sim-token", "Bearer  sim-token", "Basic sim-token", "Bearer ", "Bearer other", ""):
            self.refused(401, ["authorization"], headers={"Authorization": value})
        token = "eyJhbGciOiJFUzI1NiJ9.e30.c2lnbmF0dXJl"
        self.set(tokens=["sim-token", token], refused_limit=1000)
        self.assertEqual(self.ask(headers={"Authorization": f"Bearer {token}"}).status, 200)
        self.set(revoke="sim-token")
        self.refused(401, [])
        self.set(token_life=100)
        self.assertEqual(self.ask(headers={"Authorization": f"Bearer {token}"}).status, 200)
        self.set(clock_skew=101)
        self.assertEqual(self.refused(401, [], headers={"Authorization": f"Bearer {token}"}), "Token expired")
        self.set(token_life=0, region="wrong")
        self.refused(401, [], headers={"Authorization": f"Bearer {token}"})
        shown = b"".join(self.get(f"/_sim/{what}").body for what in ("state", f"requests/{NAME}", "violations"))
        for secret in ("sim-token", token):
            self.assertNotIn(secret.encode(), shown)

    def test_features_and_plan(self):
        self.set(features=["signinattempts", "auditevents"])
        self.assertEqual(self.refused(401, [], kind="item_usages"), "Token does not have the feature itemusages")
        self.assertEqual([self.ask(kind=kind).status for kind in ("sign_in_attempts", "audit_events")], [200, 200])
        self.assertEqual(self.get(f"/{NAME}/api/v2/auth/introspect", HEADERS).json()["features"], ["signinattempts", "auditevents"])
        self.set(plan=False)
        self.refused(403, [])
        self.assertEqual(self.state(NAME)["refused_features"], 1)

    def test_introspection(self):
        reply = self.get(f"/{NAME}/api/v2/auth/introspect", HEADERS).json()
        self.assertEqual(list(reply), ["uuid", "issued_at", "features", "account_uuid"])
        self.assertEqual(reply["account_uuid"], self.good()["items"][0]["account_uuid"])
        self.assertEqual(reply["features"], list(FEATURES.values()))
        self.assertEqual(list(self.get(f"/{NAME}/api/v1/auth/introspect", HEADERS).json()), ["uuid", "issued_at", "features"])
        self.assertEqual(self.violations(), [])
        self.assertEqual(self.get(f"/{NAME}/api/v2/auth/introspect", HEADERS, "POST", "{}").status, 405)
        self.assertEqual(self.get(f"/{NAME}/api/v2/auth/introspect", {**HEADERS, "Authorization": "Bearer x"}).status, 401)
        self.assertEqual(self.violations(), ["method", "authorization"])

    def test_refused_again_and_again(self):
        self.set(revoke="sim-token", refused_limit=3)
        self.assertEqual([self.ask().status for _ in range(3)], [401] * 3)
        self.assertEqual(self.violations(), [])
        self.ask()
        self.assertEqual(self.violations(), ["refused_again"])

    @mock.patch.object(pacing, "BACKOFF_TOLERANCE", 60.0)
    @mock.patch.object(pacing, "IN_FLIGHT_GRACE", 0.0)
    def test_budgets_of_the_account(self):
        for limits in ({"rate_limit": 2}, {"rate_limit": 100, "hour_limit": 4}):
            self.set(**limits)
            self.assertEqual([self.ask(kind=kind).status for kind in KINDS], [200, 200, 429])
            self.assertEqual(self.violations(), [])
            backoff = self.vendor()._backoff
            self.assertEqual(backoff.times, 1)
            self.set(rate_limit=100)
            if "hour_limit" not in limits:
                backoff.last -= 1000    # what is due has passed
                self.assertEqual(self.ask().status, 200)
                self.assertEqual(backoff.times, 0)
                self.vendor()._hour._times.pop()
        reply = self.ask(kind="audit_events")
        self.assertEqual(reply.json(), {"status": 429, "message": "Too many requests"})
        self.assertFalse([name for name in reply.headers if name.lower() == "retry-after" or "rate" in name.lower()])
        self.assertEqual(self.violations(), ["backoff"])

    def test_backoff(self):
        backoff = self.vendor()._backoff
        path = f"/{NAME}/api/v2/signinattempts"
        for times, ago, violations in ((1, 1, []), (2, 0.5, ["backoff"]), (2, 2, []), (5, 8, ["backoff"]), (5, 16, []),
                                       (20, 20, ["backoff"]), (20, 32, [])):
            self.post(f"{NAME}/clear", {"violations": True})
            backoff.times, backoff.last, backoff._path = times, time.monotonic() - ago, path
            self.assertEqual(self.ask().status, 200)
            self.assertEqual((self.violations(), backoff.times), (violations, 0), (times, ago))

    def test_no_budget_and_a_new_one(self):
        self.set(backoff=False)
        for changes in ({"rate_limit": 0}, {"rate_limit": 1}, {"rate_limit": 100, "hour_limit": 1}):
            self.set(**changes)
            self.assertEqual([self.ask().status for _ in range(2)][-1], 429)
        self.set(reset_window=True)
        self.assertEqual([self.ask().status for _ in range(2)], [200, 429])
        self.set(reset_window=True, hour_limit=100, rate_limit=2, rate_window=0.0)
        self.assertEqual([self.ask().status for _ in range(3)], [200] * 3)
        self.assertEqual(self.state(NAME)["window"]["hour"], 3)

    @mock.patch.object(pacing, "IN_FLIGHT_GRACE", 60.0)
    def test_backoff_of_requests_on_their_way(self):
        backoff, path = self.vendor()._backoff, f"/{NAME}/api/v2/signinattempts"
        backoff.times, backoff.last, backoff._path = 3, time.monotonic(), path
        self.assertEqual(self.ask(kind="audit_events").status, 200)
        self.assertEqual((self.violations(), backoff.times), ([], 0))
        self.misbehave("throttle", NAME, header="none", count=2)
        for kind in KINDS[:2]:
            self.assertEqual(self.ask(kind=kind).status, 429)
        self.assertEqual((self.violations(), backoff.times), ([], 1))       # two at once are one refusal
        self.set(backoff=False)
        self.assertEqual(self.ask().status, 200)
        self.assertEqual(self.violations(), [])

    def test_named_time(self):
        self.misbehave("throttle", NAME, header="retry_after", seconds=30)
        self.assertEqual(self.ask().headers["Retry-After"], "30")
        self.ask()
        self.assertEqual(self.violations(), ["before_named_time"])

    @mock.patch.object(patience, "IN_FLIGHT_GRACE", 60.0)
    def test_named_time_of_requests_on_their_way(self):
        self.misbehave("throttle", NAME, header="retry_after", seconds=30)
        self.assertEqual(self.ask().status, 429)
        self.assertEqual(self.ask(kind="audit_events").status, 200)
        self.assertEqual(self.violations(), [])
        target, named = self.vendor()._named["account"]
        self.vendor()._named["account"] = target, named - 100      # on its way no more
        self.ask(kind="audit_events")
        self.assertEqual(self.violations(), ["before_named_time"])

    def test_a_time_in_a_header_that_this_vendor_does_not_have(self):
        self.set(backoff=False)
        self.misbehave("throttle", NAME, header="reset", seconds=30)
        self.assertEqual([self.ask().status for _ in range(2)], [429, 200])
        self.assertEqual(self.violations(), [])


class MisbehaviourTest(EventsTest):
    def test_own(self):
        self.misbehave("repeated_cursor", NAME)
        cursor = self.good(self.reset(limit=10))["cursor"]
        again = self.good({"cursor": cursor})
        self.assertEqual((again["cursor"], again["has_more"], len(again["items"])), (cursor, True, 10))
        self.misbehave("no_cursor", NAME, has_more=False)
        self.assertEqual(list(self.good()), ["has_more", "items"])
        self.misbehave("cursor_refused", NAME)
        self.assertEqual(self.ask().status, 200)        # not for a reset cursor
        offered = self.state(NAME)["records_offered"]
        self.assertEqual(self.ask({"cursor": cursor}).json(), {"status": 400, "message": "invalid cursor"})
        self.assertEqual(self.state(NAME)["records_offered"], offered)
        self.assertEqual(self.ask({"cursor": cursor}).status, 200)
        self.misbehave("expired_cursor", NAME)
        self.assertEqual(self.ask({"cursor": cursor}).status, 400)
        self.assertEqual(self.state(NAME)["misbehaved"], {"repeated_cursor": 1, "no_cursor": 1, "cursor_refused": 1, "expired_cursor": 1})
        self.assertEqual(self.violations(), [])

    def test_own_ones_wait_for_what_they_fit(self):
        for kind in ("repeated_cursor", "no_cursor", "cursor_refused"):
            self.misbehave(kind, NAME)
        self.misbehave("status", NAME, status=500)
        self.assertEqual(self.ask().status, 500)
        self.assertEqual(len(self.state(NAME)["programs"]), 3)
        self.assertEqual(list(self.good()), ["has_more", "items"])
        self.assertEqual([program["kind"] for program in self.state(NAME)["programs"]], ["repeated_cursor", "cursor_refused"])

    def test_generic(self):
        for status in (401, 403, 429, 500, 503):
            self.misbehave("status", NAME, status=status)
            self.assertEqual(self.ask().json()["status"], status)
        self.set(error_form="wrapped", reset_window=True)
        self.misbehave("status", NAME, status=500)
        self.assertEqual(self.ask().json(), {"Error": {"Message": "Internal server error"}})
        self.misbehave("html_login", NAME)
        self.assertIn(b"<html>", self.ask().body)
        self.misbehave("garbage_json", NAME)
        with self.assertRaises(ValueError):
            self.ask().json()
        self.misbehave("truncated_json", NAME, record=3)
        with self.assertRaises(ValueError):
            self.ask().json()
        self.assertEqual([(line["sent"], line["whole"]) for line in self.of()][:5], [(True, False)] * 3 + [(False, False)] * 2)
        self.misbehave("bad_utf8", NAME, record=1)
        self.ask()
        altered = [line for line in self.of() if line.get("altered")]
        self.assertEqual([line["id"] for line in altered], [self.of()[1]["id"]])
        self.set(gzip="always")
        self.assertEqual(self.ask().headers["Content-Encoding"], "gzip")

    def test_mistakes_are_refused(self):
        for row in ({"append": {"type": "none"}}, {"append": {"what": 1}}, {"shapes": ["none"]}, {"empty": "no"}, {"append": {"fraction": "x"}},
                    {"features": ["auditevents", "none"]}):
            self.assertEqual(self.get(f"/_sim/{NAME}/set", {}, "POST", json.dumps(row)).status, 400, row)


class PartsTest(unittest.TestCase):
    def test_backoff(self):
        backoff = pacing.Backoff()
        for times, passed, path, complains in (
                (0, 0.0, "/a", False), (1, 0.5, "/a", True), (1, 0.91, "/a", False), (1, 0.1, "/b", False), (1, 0.5, "/b", True),
                (1, 0.1, "/a", True), (4, 7.0, "/b", True), (4, 7.3, "/b", False), (9, 28.0, "/a", True), (9, 29.0, "/a", False),
                (9, -0.1, "/a", False)):
            backoff.times, backoff.last, backoff._path = times, 1000.0, "/a"
            found = backoff.complaint(SimpleNamespace(monotonic=1000.0 + passed, path=path))
            self.assertEqual(found is not None, complains, (times, passed, path, found))
        backoff.times, backoff.last = 3, 1000.0
        backoff.answered(SimpleNamespace(monotonic=999.9, path="/a"))       # on its way when the other one was refused
        self.assertEqual(backoff.times, 3)
        backoff.answered(SimpleNamespace(monotonic=1000.1, path="/a"))
        self.assertEqual(backoff.times, 0)

    def test_window(self):
        window = pacing.Window()
        waits = []
        for now in (0.0, 1.0, 2.0, 3.0, 60.0, 60.5, 61.0):
            waits.append(window.wait(now, 3, 60.0))
            if not waits[-1]:
                window.take(now)
        self.assertEqual(waits, [0.0, 0.0, 0.0, 57.0, 0.0, 0.5, 0.0])
        self.assertEqual((window.wait(61.0, 0, 60.0), len(window)), (60.0, 3))

    def test_rate_and_waiting(self):
        rate = growth.Rate()
        self.assertEqual(rate.due(50.0), [])
        rate.set(2.0, 100.0)
        self.assertEqual([rate.due(now) for now in (100.4, 101.0, 101.0, 102.6)], [[], [100.5, 101.0], [], [101.5, 102.0, 102.5]])
        rate.set(2.0, 200.0)        # no change
        self.assertEqual(rate.due(103.0), [103.0])
        waiting = growth.Waiting()
        for visible, thing in ((3.0, "c"), (1.0, "a"), (1.0, "b"), (9.0, "d")):
            waiting.put(visible, thing)
        again = growth.Waiting()
        again.restore(waiting.saved())
        self.assertEqual((waiting.due(0.9), waiting.due(3.0), len(waiting)), ([], ["a", "b", "c"], 1))
        self.assertEqual(again.due(9.0), ["a", "b", "c", "d"])

    def test_cursors(self):
        sealer = sealed.Sealer("x", 7, 8, padded=False)
        text = sealer.seal("a", [1, None], 2.5)
        self.assertEqual((sealer.open(text), text.endswith("=")), (["a", [1, None], 2.5], False))
        for other in (sealed.Sealer("x", 8, 8, False), sealed.Sealer("y", 7, 8, False)):
            self.assertIsNone(other.open(text))
        for wrong in (text[:-2], text + "A", "", "*", None, 5):
            self.assertIsNone(sealer.open(wrong))


class CarefulClientTest(EventsTest):
    """A client that does as the sheet says has everything once, whatever happens to replies."""

    def setUp(self):
        self.start("order=stored", "has_more=full", "empty_every=3", "ties=5", "start_time=places")

    def poll(self, kind, keep):
        """Until there are no more; what is kept is the cursor, the newest time, and the records by their uuid."""
        for _ in range(200):
            body = {"cursor": keep["cursor"]} if keep["cursor"] else {"limit": 50, "start_time": keep["newest"]}
            try:
                reply = self.ask(body, kind)
                page = reply.json()
                if reply.status == 400 and keep["cursor"]:
                    keep["cursor"] = None
                if reply.status != 200 or not page.get("cursor"):
                    continue
            except (ValueError, OSError, HTTPException):
                continue
            for item in cut_items(reply.body) if page.get("items") else []:
                data = json.loads(item)
                keep["records"].setdefault(data["uuid"], item)
                keep["newest"] = max(keep["newest"], data["timestamp"][:19] + "Z")
            keep["cursor"] = page["cursor"]
            if not page["has_more"]:
                return
        self.fail(f"{kind} does not end")

    def test_everything_once(self):
        keeps = {kind: {"cursor": None, "newest": rfc3339(time.time() - DAY), "records": {}} for kind in KINDS}
        self.set(backoff=False, late_every=4, late_seconds=60)
        for turn in range(6):
            for kind, late in zip(KINDS, (0, 120, 0)):
                self.set(append={"type": kind, "count": 30 + turn, "late_by": late})
            for row in ({"kind": "cut", "skip": 2}, {"kind": "truncated_json", "skip": 5}, {"kind": "status", "status": 503, "skip": 1, "count": 2},
                        {"kind": "no_cursor", "skip": 4}, {"kind": "cursor_refused", "skip": 7}, {"kind": "html_login", "skip": 9}):
                self.post(f"{NAME}/misbehave", row)
            if turn == 3:
                self.set(expire_cursors=True, empty="null", envelope="items_first")
            for kind, keep in keeps.items():
                self.poll(kind, keep)
        self.set(clock_skew=61)
        for kind, keep in keeps.items():
            self.poll(kind, keep)
            owed = {line["id"]: line["sha256"] for line in self.of(kind, "?all=1") if not line.get("altered")}
            self.assertEqual({own: sha256(data) for own, data in keep["records"].items()}, owed)
        self.assertGreater(sum(self.state(NAME)["misbehaved"].values()), 15)
        self.assertEqual(self.violations(), [])


if __name__ == "__main__":
    unittest.main()
