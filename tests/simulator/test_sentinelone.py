#!/usr/bin/env python3
"""The simulated SentinelOne: python3 tests/simulator/test_sentinelone.py"""

import calendar
import dataclasses
import json
import os
import pickle
import re
import sys
import time
import unittest
from http.client import HTTPException
from unittest import mock
from urllib.parse import quote

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(os.path.dirname(HERE), "lib", "python")]

from signaltest.copier import Copy              # noqa: E402  (the paths come first)
from signaltest.ledger import Ledger, Offers    # noqa: E402
from test_base import SimulatorTest, sha256     # noqa: E402
from simulator import make_vendors              # noqa: E402
from vendors import pacing, sentinelone         # noqa: E402
from vendors.sentinelone_query import MAIN      # noqa: E402

NAME = "sentinelone"
HEADERS = {"Authorization": "ApiToken sim-token", "Accept": "application/json", "User-Agent": "test/1"}
DAY = 86400
KINDS = ("threats", "activities", "agents")


def iso(epoch, us=0):
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(epoch)) + f".{us:06d}Z"


def stamp_of(record, kind):
    return record["threatInfo"]["updatedAt"] if kind == "threats" else record[MAIN[kind]]


def identity_of(record, kind):
    return record["id"] if kind == "activities" else f"{record['id']}~{stamp_of(record, kind)}"


def cut_records(body):
    """The exact bytes of the elements of data."""
    text, decoder, found = body.decode(), json.JSONDecoder(), []
    at = re.match(r'\{(?:"errors":(?:null|\[.*?\]),)?(?:"pagination":\{[^}]*\},)?"data":\[', text).end()
    while text[at] != "]":
        _, end = decoder.raw_decode(text, at)
        found.append(text[at:end].encode())
        at = end + (text[end] == ",")
    return found


class SentinelTest(SimulatorTest):
    def setUp(self):
        self.start()

    def start(self, *options, vendors=(NAME,)):
        self.serve(make_vendors(vendors, 7, [f"{NAME}.{option}" for option in ("rate_limit=100000", *options)]))

    def set(self, **changes):
        return self.post(f"{NAME}/set", changes)["results"]

    def vendor(self):
        return self.server.vendors[NAME]

    def query(self, kind, limit=1000, since=None, without=(), **more):
        found = {"limit": limit, "sortBy": MAIN[kind], "sortOrder": "asc", f"{MAIN[kind]}__gte": since or iso(time.time() - DAY), **more}
        return {name: value for name, value in found.items() if name not in without}

    def ask(self, kind="threats", query=None, headers=None, method="GET"):
        """`query`: parameters, or text as it is sent."""
        query = self.query(kind) if query is None else query
        if not isinstance(query, str):
            query = "&".join(f"{name}={quote(str(value), safe='')}" for name, value in query.items())
        return self.get(f"/{NAME}/web/api/v2.1/{kind}?{query}", {**HEADERS, **(headers or {})}, method)

    def good(self, kind="threats", query=None):
        reply = self.ask(kind, query)
        self.assertEqual(reply.status, 200, reply.body[:300])
        return reply.json()

    def walk(self, kind="threats", query=None, between=None):
        """(records as bytes, sizes of the pages) until nextCursor is null."""
        query, records, sizes = dict(query or self.query(kind)), [], []
        while True:
            reply = self.ask(kind, query)
            self.assertEqual(reply.status, 200, reply.body[:300])
            page = cut_records(reply.body)
            records += page
            sizes.append(len(page))
            query["cursor"] = reply.json()["pagination"]["nextCursor"]
            if query["cursor"] is None:
                return records, sizes
            if between:
                between(len(sizes))

    def of(self, kind, query=""):
        return [line for line in self.ledger(NAME, query) if line["type"] == kind]

    def refused(self, status, violations, kind="threats", query=None, **more):
        self.post(f"{NAME}/clear", {"violations": True})
        reply = self.ask(kind, query, **more)
        self.assertEqual((reply.status, self.violations()), (status, violations), reply.body[:300])
        body = reply.json()
        self.assertEqual((list(body), body["data"], list(body["errors"][0])), (["errors", "data"], None, ["code", "detail", "title"]))
        return body["errors"][0]


class ListTest(SentinelTest):
    def test_ledger_is_read_while_records_come(self):
        seen = iter(self.vendor()._must_be_offered())
        next(seen)
        self.set(append={"type": "threats", "count": 3})
        rest = list(seen)
        self.assertEqual(1 + len(rest), len(list(self.vendor()._must_be_offered())) - 3)

    def test_walk_matches_ledger(self):
        for kind, total in zip(KINDS, (300, 1000, 300)):
            records, sizes = self.walk(kind, self.query(kind, limit=70))
            ledger = self.of(kind)
            self.assertEqual([sha256(record) for record in records], [line["sha256"] for line in ledger])
            self.assertEqual([identity_of(json.loads(record), kind) for record in records], [line["id"] for line in ledger])
            self.assertEqual({(line["offered"], line["sent"], line["last"], line["whole"]) for line in ledger}, {(1, True, True, True)})
            self.assertEqual((len(records), len(set(records)), len(self.of(kind, "?all=1"))), (total,) * 3)
            self.assertEqual(sizes, [70] * (total // 70) + [total % 70])
            stamps = [stamp_of(json.loads(record), kind) for record in records]
            self.assertEqual(stamps, sorted(stamps))
        self.assertEqual(self.violations(), [])
        self.assertEqual(self.state(NAME)["walks"], dict.fromkeys(KINDS, 1))
        notes = [json.loads(line)["note"] for line in self.get(f"/_sim/requests/{NAME}").body.splitlines()]
        self.assertEqual([(note["first"], note["limit"]) for note in notes[:5]], [(True, 70)] + [(False, 70)] * 4)

    def test_the_oracle_can_judge(self):
        def change(page):
            if page == 2:
                self.set(update={"count": 3, "which": "first"})
        records, _ = self.walk(query=self.query("threats", limit=100), between=change)

        def copies(found):
            for seq, record in enumerate(found, 1):
                own = identity_of(json.loads(record), "threats")
                headers = f"NATS/1.0\r\nNats-Msg-Id: s.threats.{own}\r\nce-id: {own}\r\n\r\n".encode()
                yield Copy(seq, "data", headers, sha256(record), len(record), 0)

        def judged(found):
            return Ledger(Offers("s.threats.").add_lines(self.of("threats", "?all=1"))).judge(found)
        good = list(copies(records))
        self.assertEqual(len(records), 303)
        self.assertTrue(judged(good).exact, judged(good).text())
        self.assertEqual(judged(good[:-1]).wrong(), ["missing"])        # an updated one as it is now
        self.assertEqual(judged(good[1:]).wrong(), ["missing"])         # and as it was
        self.assertEqual(judged([*good, good[7]]).wrong(), ["doubled_by_id", "doubled_by_body"])
        self.assertEqual(judged([dataclasses.replace(good[0], sha256=sha256(b"x")), *good[1:]]).wrong(), ["altered"])

    def test_sample_members(self):
        threat = self.good("threats")["data"]
        self.assertTrue(all(record["id"] == record["threatInfo"]["threatId"] and re.fullmatch(r"18300[0-9]{14}", record["id"]) for record in threat))
        self.assertTrue(all(re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z", record["threatInfo"]["updatedAt"]) for record in threat))
        self.assertTrue(all(record["threatInfo"]["createdAt"] <= record["threatInfo"]["updatedAt"] for record in threat))
        self.assertLessEqual({"agentDetectionInfo", "agentRealtimeInfo", "indicators", "mitigationStatus", "threatInfo"}, set(threat[0]))
        self.assertTrue(any(list(record)[0] == "id" for record in threat) and any(list(record)[0] != "id" for record in threat))
        activity = self.good("activities")["data"]
        self.assertTrue(all(record["updatedAt"] < record["createdAt"] for record in activity))
        self.assertEqual({type(record["siteId"]) for record in activity}, {str, type(None)})
        agent = self.good("agents")["data"]
        self.assertLessEqual({"uuid", "computerName", "lastActiveDate", "siteName", "infected"}, set(agent[0]))
        self.assertEqual(list(self.good()), ["data", "pagination"])
        self.assertEqual(self.good()["pagination"], {"nextCursor": None, "totalItems": 300})

    def test_unusual_values(self):
        body = self.ask("threats").body + self.ask("activities").body
        for text in ("請求書".encode(), b"\\u017bak", b"1e-05", b'"ratio":-0.0', b"\\u0000", b'"pagination":{"nextCursor":"none"}'):
            self.assertTrue(text in body, text)
        self.assertTrue(re.search(rb'"fileSize":[0-9]{19,20},', body))
        self.set(append={"count": 7, "type": "threats", "shapes": ["all"], "style": "pretty"})
        records, _ = self.walk(query=self.query("threats", since=iso(time.time() - 60)))
        self.assertEqual([sha256(record) for record in records[-7:]], [line["sha256"] for line in self.of("threats")][-7:])
        self.assertTrue(b"12345678901234567890123" in b"".join(records[-7:]))

    def test_bytes_depend_on_seed_and_start_only(self):
        lines = []
        for _ in range(2):
            self.start("start=1795000000", "threats=50")
            lines.append([line["sha256"] for line in self.of("threats", "?all=1")])
        self.assertEqual((lines[0], len(lines[0])), (lines[1], 50))

    def test_empty_list_and_last_page(self):
        page = self.good(query=self.query("threats", since=iso(time.time() + 60)))
        self.assertEqual(page, {"data": [], "pagination": {"nextCursor": None, "totalItems": 0}})
        for trailing, sizes in (("full", [100, 100, 100, 0]), ("never", [100] * 3), ("always", [100, 100, 100, 0])):
            self.set(trailing=trailing)
            self.assertEqual(self.walk(query=self.query("threats", limit=100))[1], sizes)
        self.assertEqual(self.walk(query=self.query("threats", limit=299))[1], [299, 1, 0])
        self.set(trailing="full")
        self.assertEqual(self.walk(query=self.query("threats", limit=299))[1], [299, 1])

    def test_forms_of_replies(self):
        for form, names in (("errors_first", ["errors", "data", "pagination"]), ("errors_null", ["data", "errors", "pagination"]),
                            ("pagination_first", ["errors", "pagination", "data"])):
            self.set(envelope=form)
            reply = self.ask()
            self.assertEqual((list(reply.json()), len(cut_records(reply.body)), bool(reply.json()["errors"])), (names, 300, False))
        for total, shown in (("zero", {"nextCursor": None, "totalItems": 0}), ("absent", {"nextCursor": None})):
            self.set(total_items=total)
            self.assertEqual(self.good()["pagination"], shown)

    def test_state_is_kept(self):
        for paging in ("place", "frozen"):
            self.start(f"paging={paging}")
            query = self.query("threats", limit=100)
            cursor = self.good(query=query)["pagination"]["nextCursor"]
            self.set(late_every=1, late_seconds=100)
            self.set(append={"type": "threats", "count": 2})
            self.set(update={"count": 2, "which": "first"})
            vendor = self.vendor()
            saved = pickle.loads(pickle.dumps((vendor.save(), vendor.ledger.pages)))
            before = [line["sha256"] for line in self.of("threats", "?all=1")]
            self.start("threats=5", f"paging={paging}")
            model, self.vendor().ledger.pages = saved
            self.vendor().restore(model)
            self.assertEqual([line["sha256"] for line in self.of("threats", "?all=1")], before)
            records, _ = self.walk(query={**query, "cursor": cursor})
            self.assertEqual(len(records), 202 if paging == "place" else 200)
            self.set(clock_skew=101)
            self.assertEqual(self.good()["pagination"]["totalItems"], 302)


class TimeTest(SentinelTest):
    def test_bounds(self):
        moment = int(time.time()) - 600
        self.set(append={"count": 3, "at": moment})
        self.set(append={"count": 1, "at": moment + 0.000002})
        self.set(append={"count": 1, "at": moment - 1})

        def found(**bounds):
            query = self.query("activities", without=("createdAt__gte",))
            query.update({f"createdAt__{name}": value for name, value in bounds.items()})
            return [record["createdAt"] for record in self.good("activities", query)["data"]]
        self.assertEqual(found(gte=iso(moment))[:3], [iso(moment)] * 3)
        self.assertGreater(found(gt=iso(moment))[0], iso(moment))
        self.assertEqual(found(gt=iso(moment - 1), lt=iso(moment, 2)).count(iso(moment)), 3)
        self.assertEqual(found(gte=iso(moment), lte=iso(moment, 2))[-1], iso(moment, 2))
        self.assertEqual(found(gte=iso(moment), lt=iso(moment)), [])
        self.assertEqual(found(gte=iso(moment)[:19] + "Z"), found(gte=iso(moment)))
        self.assertEqual(self.violations(), [])
        self.set(other_filters="refused")
        self.assertEqual(len(found(gte=iso(moment))) > 3, True)
        self.refused(400, [], "activities", self.query("activities", createdAt__lt=iso(moment)))
        self.refused(400, [], "threats", self.query("threats", createdAt__gte=iso(moment)))

    def test_created_and_updated(self):
        self.set(update={"count": 5, "which": "first"})
        since = iso(time.time() - 1800)
        updated = self.good(query=self.query("threats", since=since, createdAt__lte=since))["data"]
        self.assertGreaterEqual(len(updated), 5)
        self.assertTrue(all(record["threatInfo"]["createdAt"] <= since <= record["threatInfo"]["updatedAt"] for record in updated))
        self.set(other_filters="works")
        by_creation = self.good(query=self.query("threats", sortBy="createdAt"))["data"]
        stamps = [record["threatInfo"]["createdAt"] for record in by_creation]
        self.assertEqual((stamps, len(stamps)), (sorted(stamps), 300))
        self.assertEqual(self.violations(), ["sort"])

    def test_more_than_a_page_with_one_time(self):
        moment = int(time.time()) - 5
        self.set(append={"count": 25, "at": moment, "type": "threats"})
        records, sizes = self.walk(query=self.query("threats", limit=10, since=iso(moment)))
        stamps = [stamp_of(json.loads(record), "threats") for record in records]
        self.assertEqual((stamps[:25], len(set(records)), sizes[:2]), ([iso(moment)] * 25, len(records), [10, 10]))
        self.assertEqual(self.violations(), [])

    def test_late_record(self):
        since = iso(time.time() - 1000)
        before, _ = self.walk("activities", self.query("activities", since=since))
        added = self.set(append={"late_by": 500})["append"]
        records, _ = self.walk("activities", self.query("activities", since=since))
        ids = [json.loads(record)["id"] for record in records]
        self.assertEqual(len(ids), len(before) + 1)
        self.assertLess(ids.index(added[0]), len(ids) - 1)

    def test_records_that_are_seen_late(self):
        self.set(late_every=2, late_seconds=90)
        self.set(append={"type": "agents", "count": 4})
        self.assertEqual((self.good("agents")["pagination"]["totalItems"], self.state(NAME)["waiting_records"]), (302, 2))
        self.assertEqual(len(self.of("agents", "?all=1")), 302)
        self.vendor().options.clock_skew = 91       # time passes, and nobody else looks
        self.assertEqual(self.good("agents")["pagination"]["totalItems"], 304)

    def test_retention(self):
        self.set(append={"at": time.time() - 100 * DAY, "count": 2})
        self.set(append={"at": time.time() - 366 * DAY, "type": "threats"})
        since = iso(time.time() - 400 * DAY)
        self.assertEqual(self.good("activities", self.query("activities", since=since))["pagination"]["totalItems"], 1002)
        self.assertEqual(self.good("threats", self.query("threats", since=since))["pagination"]["totalItems"], 300)
        self.set(activity_days=90, threat_days=400)
        self.assertEqual(self.good("activities", self.query("activities", since=since))["pagination"]["totalItems"], 1000)
        self.assertEqual(self.good("threats", self.query("threats", since=since))["pagination"]["totalItems"], 301)
        self.assertEqual(len(self.of("activities", "?all=1")), 1002)      # two of them were offered
        self.assertEqual(sum(line["last"] for line in self.of("activities", "?all=1")), 1000)

    def test_rates(self):
        self.set(rate=500, update_rate=200, agent_rate=200)
        deadline = time.monotonic() + 5
        while self.state(NAME)["records"]["activities"] < 1050 and time.monotonic() < deadline:
            pass
        self.set(rate=0, update_rate=0, agent_rate=0)
        self.assertGreaterEqual(self.state(NAME)["records"]["activities"], 1050)
        for kind in ("threats", "agents"):
            self.assertGreater(sum(record["threatInfo"]["revision"] > 1 if kind == "threats" else record["revision"] > 1
                                   for record in self.good(kind)["data"]), 5)


class ChangeTest(SentinelTest):
    def test_a_threat_comes_again_when_it_changes(self):
        first = self.good()["data"][0]
        [changed] = self.set(update={"ids": [first["id"]]})["update"]
        data = self.good()["data"]
        self.assertEqual((data[-1]["id"], len(data)), (first["id"], 300))
        self.assertGreater(data[-1]["threatInfo"]["updatedAt"], first["threatInfo"]["updatedAt"])
        self.assertEqual(data[-1]["threatInfo"]["createdAt"], first["threatInfo"]["createdAt"])
        self.assertEqual(data[-1]["threatInfo"]["incidentStatus"], "in_progress")
        lines = [line for line in self.of("threats", "?all=1") if line["id"].startswith(first["id"])]
        self.assertEqual([(line["last"], line["whole"], line["id"] == changed) for line in lines], [(False, True, False), (True, True, True)])

    def test_changes_between_pages(self):
        self.set(churn={"pages": 2, "updates": 4, "threats": 1, "activities": 2, "agents": 1, "modified": 3, "which": "first"})
        records, sizes = self.walk(query=self.query("threats", limit=100))
        ids = [identity_of(json.loads(record), "threats") for record in records]
        self.assertEqual((len(ids), len(set(ids))), (310, 310))         # 300, 2 new, 8 again
        self.assertEqual(len({identity.partition("~")[0] for identity in ids}), 302)
        self.assertEqual((self.state(NAME)["records"], self.state(NAME)["churn_left"]), ({"threats": 302, "activities": 1004, "agents": 302}, 0))
        self.assertEqual(sum(line["last"] for line in self.of("threats", "?all=1")), 302)
        self.set(churn={"pages": 1, "updates": 2, "modified": 2, "which": "page"})
        page = {record["id"] for record in self.good(query=self.query("threats", limit=10))["data"]}
        again = [record["id"] for record in self.good()["data"][-2:]]
        self.assertLessEqual(set(again), page)

    def test_a_record_updated_before_its_page_is_not_lost(self):
        query = self.query("threats", limit=100)
        last = self.good()["data"][-1]["id"]
        records, _ = self.walk(query=query, between=lambda page: page == 1 and self.set(update={"ids": [last]}))
        self.assertEqual([json.loads(record)["id"] for record in records].count(last), 1)
        self.assertEqual(len(records), 300)

    def test_frozen_order(self):
        self.set(paging="frozen")
        victim = self.good()["data"][150]["id"]
        query = self.query("threats", limit=100)

        def change(page):
            if page == 1:
                self.set(update={"ids": [victim]})
                self.set(append={"type": "threats"})
        records, sizes = self.walk(query=query, between=change)
        found = [json.loads(record) for record in records]
        self.assertEqual((len(found), [record["id"] for record in found].index(victim), sizes), (300, 150, [100, 100, 100, 0]))
        # In the middle stands a time that is newer than all behind it.
        self.assertGreater(found[150]["threatInfo"]["updatedAt"], found[-1]["threatInfo"]["updatedAt"])
        self.assertEqual(sum(not line["offered"] for line in self.of("threats", "?all=1")), 1)
        cursor = self.good(query=query)["pagination"]["nextCursor"]
        self.set(paging="place")
        self.refused(400, [], query={**query, "cursor": cursor})

    def test_removed_agents(self):
        first = self.good("agents")["data"][0]["id"]
        query = self.query("agents", limit=100)
        self.assertEqual(self.set(remove=[first])["remove"], [first])
        records, _ = self.walk("agents", query, between=lambda page: self.set(remove=1))
        self.assertLess(len(records), 300)
        self.assertNotIn(first, [json.loads(record)["id"] for record in records])
        self.assertEqual(sum(line["last"] for line in self.of("agents", "?all=1")), self.state(NAME)["records"]["agents"])


class CursorTest(SentinelTest):
    def next(self, query, kind="threats"):
        return self.good(kind, query)["pagination"]["nextCursor"]

    def test_terms_may_not_change(self):
        query = self.query("threats", limit=50)
        cursor = self.next(query)
        for change in ({"limit": 60}, {"updatedAt__gte": iso(time.time() - 7200)}, {"siteIds": self.state(NAME)["sites"][0]}):
            self.post(f"{NAME}/clear", {"violations": True})
            self.assertEqual(self.ask(query={**query, "cursor": cursor, **change}).status, 200)
            self.assertEqual(self.violations(), ["cursor_mixed"])
        self.post(f"{NAME}/clear", {"violations": True})
        first = self.ask(query={**query, "cursor": cursor}).json()["data"]
        self.assertEqual(self.ask(query={"cursor": cursor, **query}).json()["data"], first)     # the order does not matter; asked again: the same
        self.assertEqual(self.violations(), [])

    def test_cursors_of_others(self):
        query = self.query("threats", limit=50)
        cursor = self.next(query)
        agents = self.query("agents", limit=50)
        self.refused(400, ["unknown_cursor"], "agents", {**agents, "cursor": cursor})
        for wrong in ("YWdlbnRfaWQ6NTg=", cursor[:-4], "", "ä"):
            self.refused(400, ["unknown_cursor"], query={**query, "cursor": wrong})

    def test_cursors_have_to_be_escaped(self):
        query = self.query("threats", limit=1)
        plain = "&".join(f"{name}={quote(str(value), safe='')}" for name, value in query.items())
        cursor = next(found for found in (self.next(query) for _ in range(400)) if "+" in found)
        self.refused(400, ["unknown_cursor"], query=f"{plain}&cursor={cursor}")
        self.assertEqual(self.ask(query={**query, "cursor": cursor}).status, 200)

    def test_cursors_expire(self):
        query = self.query("threats", limit=50)
        cursor = self.next(query)
        self.set(expire_cursors=True)
        self.assertEqual(self.refused(400, [], query={**query, "cursor": cursor})["code"], 4000040)
        cursor = self.next(query)
        self.set(cursor_life=60)
        self.assertEqual(self.ask(query={**query, "cursor": cursor}).status, 200)
        self.set(clock_skew=61)
        self.refused(400, [], query={**query, "cursor": cursor})
        self.assertEqual(self.state(NAME)["expired_cursors"], 2)

    def test_a_cursor_belongs_to_one_walk(self):
        query = self.query("threats", limit=50)
        cursor = self.next(query)
        scoped = {**query, "siteIds": self.state(NAME)["sites"][0]}
        self.next(scoped)
        self.assertEqual(self.ask(query={**query, "cursor": cursor}).status, 200)
        self.assertEqual(self.violations(), [])         # another scope has walks of its own
        self.next(query)
        self.assertEqual(self.ask(query={**query, "cursor": cursor}).status, 200)
        self.assertEqual(self.violations(), ["cursor_kept"])
        self.set(one_walk=False)
        self.post(f"{NAME}/clear", {"violations": True})
        self.assertEqual(self.ask(query={**query, "cursor": cursor}).status, 200)
        self.assertEqual(self.violations(), [])


class RuleTest(SentinelTest):
    def test_limits(self):
        for limit in (0, 1001, "ten", "-1", "1e2", ""):
            for kind in KINDS:
                self.refused(400, ["limit"], kind, self.query(kind, limit=limit))
        self.post(f"{NAME}/clear", {"violations": True})
        self.assertEqual(len(self.good(query=self.query("threats", without=("limit",)))["data"]), 10)
        self.assertEqual(self.violations(), ["limit"])
        self.set(other_limit=100)
        for kind in KINDS[1:]:
            self.refused(400, [], kind, self.query(kind, limit=101))
            self.assertEqual(self.ask(kind, self.query(kind, limit=100)).status, 200)
        self.assertEqual(self.ask(query=self.query("threats", limit=101)).status, 200)

    def test_queries(self):
        self.refused(400, ["sort"], query=self.query("threats", sortBy="id"))
        self.refused(400, ["sort"], query=self.query("threats", sortOrder="up"))
        self.refused(400, ["sort"], "activities", self.query("activities", sortBy="updatedAt"))
        self.refused(400, ["filter"], "activities", self.query("activities", updatedAt__gte=iso(time.time())))
        self.refused(400, ["filter"], query=self.query("threats", updatedAt__after=iso(time.time())))
        self.refused(400, ["query"], query=self.query("threats", countOnly="true"))
        self.refused(400, ["query"], query=f"limit=10&limit=20&updatedAt__gte={iso(time.time())}&sortBy=updatedAt&sortOrder=asc")
        for wrong in ("1795000000000", "2026-11-20", "2026-11-20T05:14:08", "2026-11-20T05:14:08+00:00", "2026-11-20T05:14:08.9254210Z",
                      "2026-13-20T05:14:08Z", ""):
            self.refused(400, ["time"], query=self.query("threats", updatedAt__gte=wrong))
        for name in ("accountIds", "siteIds"):
            for wrong in ("", "a", "1,", "1, 2"):
                self.refused(400, [name], query=self.query("threats", **{name: wrong}))

    def test_order(self):
        for change, without in (({"sortOrder": "desc"}, ()), ({}, ("sortOrder",)), ({}, ("sortBy",))):
            self.post(f"{NAME}/clear", {"violations": True})
            records, sizes = self.walk(query=self.query("threats", limit=130, without=without, **change))
            self.assertEqual((len(set(records)), sizes, set(self.violations())), (300, [130, 130, 40], {"sort"}))
            stamps = [stamp_of(json.loads(record), "threats") for record in records]
            self.assertEqual(stamps == sorted(stamps, reverse=bool(change)), without != ("sortBy",))

    def test_skip(self):
        data = self.good()["data"]
        self.assertEqual(self.good(query=self.query("threats", skip=7))["data"], data[7:])
        self.assertEqual(self.violations(), ["skip"])
        self.refused(400, ["skip"], query=self.query("threats", skip=1001))

    def test_paths_and_methods(self):
        self.refused(405, ["method"], method="POST")
        for path in ("/web/api/v2.0/threats", "/web/api/v2.1/threats/", "/web/api/v2.1/users", "/threats"):
            self.post(f"{NAME}/clear", {"violations": True})
            self.assertEqual(self.get(f"/{NAME}{path}", HEADERS).json()["errors"][0]["code"], 4040010)
            self.assertEqual(self.violations(), ["path"])

    def test_scopes(self):
        state = self.state(NAME)
        account, site = state["accounts"][1], state["sites"][1]
        for kind in KINDS:
            both = self.walk(kind, self.query(kind, siteIds=",".join(state["sites"])))[0]
            one = [json.loads(record) for record in self.walk(kind, self.query(kind, siteIds=site))[0]]
            whole = [json.loads(record) for record in self.walk(kind, self.query(kind, accountIds=account))[0]]
            self.assertTrue(0 < len(one) < len(whole) < len(both) <= state["records"][kind], (kind, len(one), len(whole), len(both)))
            owners = {record["agentDetectionInfo"]["siteId"] if kind == "threats" else record["siteId"] for record in one}
            self.assertEqual(owners, {site})
        self.assertEqual(len(self.of("agents", "?all=1")), 300)
        self.assertEqual(self.violations(), [])

    def test_only_the_scopes_asked_for_are_owed(self):
        site = self.state(NAME)["sites"][2]
        self.assertEqual(len(self.of("agents", "?all=1")), 300)
        records, _ = self.walk("agents", self.query("agents", siteIds=site))
        self.assertEqual(len(self.of("agents", "?all=1")), len(records))

    def test_scope_of_the_token(self):
        mine, other = self.state(NAME)["accounts"]
        self.set(token_accounts=[mine])
        everything = self.good("agents")["data"]
        self.assertEqual({record["accountId"] for record in everything}, {mine})
        self.assertEqual(len(self.of("agents", "?all=1")), len(everything))
        self.assertEqual(self.refused(403, [], "agents", self.query("agents", accountIds=other))["detail"], f"accountIds: {other}")
        self.refused(403, [], "agents", self.query("agents", accountIds="1"))

    def test_authorization(self):
        for value in ("sim-token", "Bearer sim-token", "apitoken sim-token", "ApiToken  sim-token", "ApiToken ", "ApiToken other", ""):
            error = self.refused(401, ["authorization"], headers={"Authorization": value})
            self.assertEqual(error, {"code": 4010010, "detail": None, "title": "Authentication Failed"})
        self.set(tokens=["sim-token", "second"], refused_limit=1000)
        self.assertEqual(self.ask(headers={"Authorization": "ApiToken second"}).status, 200)
        self.set(revoke="sim-token")
        self.refused(401, [])
        self.set(token_life=100)
        self.assertEqual(self.ask(headers={"Authorization": "ApiToken second"}).status, 200)
        self.set(clock_skew=101)
        self.refused(401, [], headers={"Authorization": "ApiToken second"})
        shown = b"".join(self.get(f"/_sim/{what}").body for what in ("state", f"requests/{NAME}", "violations"))
        for secret in (b"sim-token", b'second"', b"ApiToken second"):
            self.assertNotIn(secret, shown)

    def test_role(self):
        self.set(forbidden=["agents"])
        self.assertEqual(self.refused(403, [], "agents")["code"], 4030010)
        self.assertEqual([self.ask(kind).status for kind in KINDS], [200, 200, 403])
        self.assertEqual(self.state(NAME)["refused_types"], 2)

    def test_refused_again_and_again(self):
        self.set(revoke="sim-token", refused_limit=3)
        self.assertEqual([self.ask().status for _ in range(3)], [401] * 3)
        self.assertEqual(self.violations(), [])
        self.ask()
        self.assertEqual(self.violations(), ["refused_again"])


class BudgetTest(SentinelTest):
    @mock.patch.object(pacing, "BACKOFF_TOLERANCE", 60.0)
    @mock.patch.object(pacing, "IN_FLIGHT_GRACE", 0.0)
    def test_without_a_named_time(self):
        self.set(rate_limit=2)
        self.assertEqual([self.ask(kind).status for kind in KINDS], [200, 200, 429])
        self.assertEqual((self.violations(), self.vendor()._backoff.times), ([], 1))
        reply = self.ask("agents")
        self.assertEqual((reply.status, reply.json()["errors"][0]["code"], reply.headers["Retry-After"]), (429, 4290010, None))
        self.assertEqual(self.violations(), ["backoff"])
        self.set(rate_limit=100)
        self.vendor()._backoff.last -= 1000
        self.assertEqual(self.ask("agents").status, 200)
        self.assertEqual((self.violations(), self.vendor()._backoff.times), (["backoff"], 0))
        self.set(rate_window=0.0, rate_limit=1)
        self.assertEqual([self.ask(kind).status for kind in KINDS], [200] * 3)

    @mock.patch.object(sentinelone, "IN_FLIGHT_GRACE", 60.0)
    def test_with_a_named_time(self):
        self.set(rate_limit=1, retry_after=True, rate_window=30)
        self.assertEqual([self.ask().status for _ in range(2)], [200, 429])
        self.assertEqual(self.violations(), [])
        reply = self.ask()
        self.assertTrue(20 <= int(reply.headers["Retry-After"]) <= 30)
        self.assertEqual(self.violations(), ["before_named_time"])
        # Of another endpoint: on its way already, and then not any more.
        self.ask("agents")
        self.assertEqual(self.violations(), ["before_named_time"])
        path, named = self.vendor()._named["account"]
        self.vendor()._named["account"] = path, named - 100
        self.ask("activities")
        self.assertEqual(self.violations(), ["before_named_time"] * 2)
        self.set(reset_window=True)
        self.assertEqual(self.ask().status, 200)
        self.assertEqual(len(self.violations()), 2)

    @mock.patch.object(sentinelone, "IN_FLIGHT_GRACE", 60.0)
    def test_an_endpoint_of_its_own(self):
        self.set(endpoint_limit=1, retry_after=True, rate_window=30)
        self.assertEqual([self.ask().status for _ in range(2)], [200, 429])
        path, named = self.vendor()._named[f"/{NAME}/web/api/v2.1/threats"]
        self.vendor()._named[path] = path, named - 100
        self.assertEqual(self.ask("agents").status, 200)
        self.assertEqual(self.violations(), [])
        self.assertEqual(self.ask().status, 429)
        self.assertEqual(self.violations(), ["before_named_time"])

    def test_a_time_in_a_header_that_this_vendor_does_not_have(self):
        self.set(backoff=False)
        self.misbehave("throttle", NAME, header="reset", seconds=30)
        self.assertEqual([self.ask().status for _ in range(2)], [429, 200])
        self.assertEqual(self.violations(), [])

    def test_backoff_grows(self):
        backoff, path = self.vendor()._backoff, f"/{NAME}/web/api/v2.1/threats"
        for times, ago, violations in ((1, 1, []), (3, 1, ["backoff"]), (3, 4, []), (5, 8, ["backoff"]), (5, 16, []), (20, 20, ["backoff"]),
                                       (20, 32, [])):
            self.post(f"{NAME}/clear", {"violations": True})
            backoff.times, backoff.last, backoff._path = times, time.monotonic() - ago, path
            self.assertEqual(self.ask().status, 200)
            self.assertEqual((self.violations(), backoff.times), (violations, 0), (times, ago))


class MisbehaviourTest(SentinelTest):
    def test_own(self):
        self.misbehave("errors_with_200", NAME, title="Shard failed")
        self.assertEqual(self.good(), {"errors": [{"code": 5000010, "detail": None, "title": "Shard failed"}], "data": None})
        self.misbehave("partial", NAME, keep=2)
        page = self.good(query=self.query("threats", limit=10))
        self.assertEqual((list(page), len(page["data"])), (["errors", "data", "pagination"], 2))
        self.assertEqual([line["whole"] for line in self.of("threats")], [False] * 2)
        self.misbehave("repeated_cursor", NAME)
        query = self.query("threats", limit=10)
        cursor = self.good(query=query)["pagination"]["nextCursor"]
        again = self.good(query={**query, "cursor": cursor})
        self.assertEqual((again["pagination"]["nextCursor"], len(again["data"])), (cursor, 10))
        self.assertNotEqual(self.good(query={**query, "cursor": cursor})["pagination"]["nextCursor"], cursor)
        self.misbehave("expired_cursor", NAME)
        self.assertEqual(self.ask(query=query).status, 200)
        cursor = self.good(query=query)["pagination"]["nextCursor"]
        self.assertEqual(self.ask(query={**query, "cursor": cursor}).status, 400)
        self.assertEqual(self.state(NAME)["misbehaved"], {"errors_with_200": 1, "partial": 1, "repeated_cursor": 1, "expired_cursor": 1})
        self.assertEqual(self.violations(), [])

    def test_own_ones_wait_for_what_they_fit(self):
        for kind in ("partial", "repeated_cursor"):
            self.misbehave(kind, NAME)
        self.misbehave("status", NAME, status=500)
        self.assertEqual(self.ask().status, 500)
        self.assertEqual({program["kind"] for program in self.state(NAME)["programs"]}, {"partial", "repeated_cursor"})
        self.assertEqual(list(self.good()), ["errors", "data", "pagination"])
        self.assertEqual([program["kind"] for program in self.state(NAME)["programs"]], ["repeated_cursor"])

    def test_generic(self):
        for status, code in ((401, 4010010), (403, 4030010), (500, 5000010), (503, 5030010)):
            self.misbehave("status", NAME, status=status)
            reply = self.ask()
            self.assertEqual((reply.status, reply.json()["errors"][0]["code"]), (status, code))
        self.misbehave("html_login", NAME)
        self.assertIn(b"<html>", self.ask().body)
        self.misbehave("truncated_json", NAME, record=3)
        with self.assertRaises(ValueError):
            self.ask().json()
        self.assertEqual([(line["sent"], line["whole"]) for line in self.of("threats")][:5], [(True, False)] * 3 + [(False, False)] * 2)
        self.misbehave("bad_utf8", NAME, record=1)
        self.ask()
        altered = [line for line in self.of("threats") if line.get("altered")]
        self.assertEqual([line["id"] for line in altered], [self.of("threats")[1]["id"]])
        self.misbehave("throttle", NAME, header="retry_after", seconds=30)
        self.assertEqual(self.ask().status, 429)
        self.ask()
        self.assertEqual(self.violations(), ["before_named_time"])
        self.set(gzip="always")
        self.assertEqual(self.ask().headers["Content-Encoding"], "gzip")

    def test_mistakes_are_refused(self):
        for row in ({"append": {"type": "none"}}, {"append": {"what": 1}}, {"shapes": ["none"]}, {"update": {"ids": ["1"]}}, {"churn": {"x": 1}},
                    {"modify": {"which": "none"}}, {"modify": {"same_stamp": True}}, {"paging": "offset"}, {"forbidden": ["none"]}):
            self.assertEqual(self.get(f"/_sim/{NAME}/set", {}, "POST", json.dumps(row)).status, 400, row)


class CarefulClientTest(SentinelTest):
    """A client that does as the sheet says has every version that it was shown, and the present ones, once, whatever happens to replies."""

    def poll(self, kind, keep):
        """One walk from two minutes before the highest time; what is kept is this time, and the records by id and time."""
        since = iso(max(keep["start"], keep["high"] - 120))
        query = self.query(kind, limit=60, since=since)
        for _ in range(300):
            try:
                reply = self.ask(kind, query)
                page = reply.json()
                if reply.status == 400:
                    query.pop("cursor", None)
                if reply.status != 200 or page.get("errors") or page["pagination"]["nextCursor"] == query.get("cursor", 0):
                    continue
            except (ValueError, OSError, HTTPException):
                continue
            for record in cut_records(reply.body):
                data = json.loads(record)
                keep["records"].setdefault(identity_of(data, kind), record)
                keep["high"] = max(keep["high"], calendar.timegm(time.strptime(stamp_of(data, kind)[:19], "%Y-%m-%dT%H:%M:%S")))
            query["cursor"] = page["pagination"]["nextCursor"]
            if query["cursor"] is None:
                return
        self.fail(f"{kind} does not end")

    def everything_once(self, *options):
        self.start("ties=5", "one_walk=false", *options)
        start = int(time.time()) - DAY
        keeps = {kind: {"start": start, "high": start, "records": {}} for kind in KINDS}
        self.set(backoff=False, late_every=4, late_seconds=60)
        for turn in range(5):
            for kind in KINDS:
                self.set(append={"type": kind, "count": 20, "late_by": 40 * (turn % 2)})
            self.set(churn={"pages": 12, "updates": 3, "modified": 5, "activities": 4, "which": ("any", "page", "first")[turn % 3]})
            for row in ({"kind": "cut", "skip": 2}, {"kind": "truncated_json", "skip": 5}, {"kind": "status", "status": 503, "skip": 1, "count": 2},
                        {"kind": "errors_with_200", "skip": 4}, {"kind": "partial", "skip": 6}, {"kind": "expired_cursor", "skip": 4},
                        {"kind": "repeated_cursor", "skip": 3}, {"kind": "html_login", "skip": 9}):
                self.post(f"{NAME}/misbehave", row)
            for kind, keep in keeps.items():
                self.poll(kind, keep)
        self.post(f"{NAME}/clear", {})
        self.set(clock_skew=61, churn={})
        for kind, keep in keeps.items():
            self.poll(kind, keep)
            copies = []
            for seq, (own, record) in enumerate(keep["records"].items(), 1):
                headers = f"NATS/1.0\r\nNats-Msg-Id: s.{kind}.{own}\r\nce-id: {own}\r\n\r\n".encode()
                copies.append(Copy(seq, "data", headers, sha256(record), len(record), 0))
            verdict = Ledger(Offers(f"s.{kind}.").add_lines(self.of(kind, "?all=1"))).judge(copies)
            self.assertTrue(verdict.exact, verdict.text())
            self.assertGreater(verdict.stored, 380)
        self.assertGreater(sum(self.state(NAME)["misbehaved"].values()), 20)
        self.assertEqual(self.violations(), [])

    def test_everything_once(self):
        self.everything_once()

    def test_everything_once_of_a_frozen_order(self):
        self.everything_once("paging=frozen", "trailing=always", "envelope=errors_null")


if __name__ == "__main__":
    unittest.main()
