#!/usr/bin/env python3
"""The simulated Tenable: python3 tests/simulator/test_tenable.py"""

import json
import os
import pickle
import sys
import threading
import time
import unittest
from datetime import datetime

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(os.path.dirname(HERE), "lib", "python")]

from signaltest.copier import Copy              # noqa: E402  (the paths come first)
from signaltest.ledger import Ledger, Offers    # noqa: E402
from simulator import make_vendors              # noqa: E402
from test_base import SimulatorTest, sha256, split_array    # noqa: E402

KEYS = "accessKey=sim-access;secretKey=sim-secret"
TENABLE = {"X-ApiKeys": KEYS, "User-Agent": "Integration/1.0 (WitFoo; signal-client; Build/1.0)", "Accept": "application/json"}
JSON = {**TENABLE, "Content-Type": "application/json"}
ALL_STATES = ["OPEN", "REOPENED", "FIXED"]
NOBODY = "c0ffee00-0000-4000-8000-000000000007"


class TenableTest(SimulatorTest):
    def setUp(self):
        self.start()

    def start(self, *options, vendors=("tenable",)):
        self.serve(make_vendors(vendors, 7, ("tenable.queue_seconds=0", "tenable.chunk_seconds=0", *options)))

    def set(self, **changes):
        return self.post("tenable/set", changes)["results"]

    def create(self, kind="vulns", body=None, headers=JSON, since=86400, **more):
        """The reply to a create request; `body` replaces the usual one, `more` goes into it."""
        if body is None:
            moment = int(time.time()) - since
            body = ({"num_assets": 50, "filters": {"since": moment, "state": ALL_STATES}} if kind == "vulns" else
                    {"chunk_size": 100, "filters": {"updated_at": moment}})
        text = body if isinstance(body, (str, bytes)) else json.dumps({**body, **more})
        return self.get(f"/tenable/{kind}/export", headers, "POST", text)

    def export(self, kind="vulns", **more):
        reply = self.create(kind, **more)
        self.assertEqual((reply.status, list(reply.json())), (200, ["export_uuid"]), reply.body)
        return reply.json()["export_uuid"]

    def status(self, uuid, kind="vulns"):
        return self.get(f"/tenable/{kind}/export/{uuid}/status", TENABLE)

    def chunk(self, uuid, number, kind="vulns"):
        return self.get(f"/tenable/{kind}/export/{uuid}/chunks/{number}", TENABLE)

    def cancel(self, uuid, kind="vulns"):
        return self.get(f"/tenable/{kind}/export/{uuid}/cancel", TENABLE, "POST", "")

    def records(self, kind="vulns", **more):
        """All records of an export as bytes."""
        uuid = self.export(kind, **more)
        status = self.status(uuid, kind).json()
        self.assertEqual(status["status"], "FINISHED")
        return [record for number in status["chunks_available"] for record in split_array(self.chunk(uuid, number, kind).body)]

    def refused(self, status, violations, kind="vulns", **more):
        self.post("tenable/clear", {"violations": True})
        reply = self.create(kind, **more)
        self.assertEqual(reply.status, status, reply.body)
        self.assertEqual(self.violations(), violations)
        return reply

    def of(self, data_type, query="?all=1"):
        return [line for line in self.ledger("tenable", query) if line["type"] == data_type]

    def age_named_times(self):
        """No request can have been on its way any more when they were named."""
        named = self.server.vendors["tenable"]._named
        for pool, (path, moment) in named.items():
            named[pool] = (path, moment - 1)

    def skew(self, seconds):
        """So many seconds later, by the vendor's clock."""
        self.set(clock_skew=seconds)


def identity(record):
    """The identity that the sheet names, from a record's own members."""
    if "finding_id" in record:
        parts = [record["finding_id"]]
    elif "asset" in record:
        parts = [record["asset"]["uuid"], str(record["plugin"]["id"]), str(record["port"]["port"]), record["port"]["protocol"]]
    else:
        return f"{record['id']}~{record['updated_at']}"
    return "~".join([*parts, record["last_found"], record["state"]])


class ExportTest(TenableTest):
    def test_exports_match_ledger(self):
        for kind, data_type in (("vulns", "vulnerabilities"), ("assets", "assets")):
            records = self.records(kind)
            ledger = self.of(data_type)
            self.assertEqual({identity(json.loads(record)): sha256(record) for record in records},
                             {line["id"]: line["sha256"] for line in ledger})
            self.assertEqual(len(records), len(ledger))
            self.assertEqual({(line["offered"], line["sent"], line["last"], line["whole"]) for line in ledger}, {(1, True, True, True)})
        self.assertEqual(self.violations(), [])
        self.assertEqual(self.state("tenable")["walks"], {"vulnerabilities": 1, "assets": 1})

    def test_the_oracle_can_judge(self):
        def judged(copies):
            return Ledger(Offers("t.vulnerabilities.").add_lines(self.of("vulnerabilities"))).judge(copies)
        copies = []
        for seq, record in enumerate(self.records(), 1):
            own = identity(json.loads(record))
            headers = f"NATS/1.0\r\nNats-Msg-Id: t.vulnerabilities.{own}\r\nce-id: {own}\r\n\r\n".encode()
            copies.append(Copy(seq, "data", headers, sha256(record), len(record), 0))
        self.assertTrue(judged(copies).exact, judged(copies).text())
        self.assertEqual(judged(copies[1:]).wrong(), ["missing"])
        self.assertEqual(judged([*copies, copies[0]]).wrong(), ["doubled_by_id", "doubled_by_body"])

    def test_members_of_samples(self):
        finding = next(json.loads(record) for record in self.records() if b'"state":"FIXED"' in record)
        self.assertLessEqual({"asset", "output", "plugin", "port", "scan", "severity", "severity_id", "severity_modification_type", "state",
                              "first_found", "last_found", "last_fixed", "indexed"}, finding.keys())
        self.assertLess(finding["last_found"], finding["last_fixed"])
        asset = json.loads(self.records("assets")[0])
        self.assertLessEqual({"id", "has_agent", "hostnames", "ipv4s", "fqdns", "operating_systems", "created_at", "updated_at",
                              "last_seen", "sources", "tags"}, asset.keys())
        self.assertRegex(asset["updated_at"], r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$")

    def test_both_kinds_of_identity(self):
        with_id = ["finding_id" in json.loads(record) for record in self.records()]
        self.assertTrue(any(with_id) and not all(with_id))
        for option, present in (("all", {True}), ("none", {False})):
            self.start(f"tenable.finding_ids={option}")
            self.assertEqual({"finding_id" in json.loads(record) for record in self.records()}, present)
            ids = [line["id"] for line in self.of("vulnerabilities")]
            self.assertEqual(len(ids), len(set(ids)))

    def test_life_of_a_job(self):
        self.set(queue_seconds=100, chunk_seconds=50)
        uuid = self.export("assets")
        seen = []
        for seconds in (0, 80, 110, 160, 210):
            self.skew(seconds)
            status = self.status(uuid, "assets").json()
            seen.append((status["status"], status["chunks_available"]))
        self.assertEqual(seen, [("QUEUED", []), ("QUEUED", []), ("PROCESSING", []), ("PROCESSING", [1]), ("FINISHED", [1, 2])])
        self.assertEqual(list(status), ["uuid", "status", "chunks_available", "chunks_failed", "chunks_cancelled", "total_chunks",
                                        "finished_chunks", "created"])
        self.assertEqual((status["uuid"], status["total_chunks"], status["finished_chunks"]), (uuid, 2, 2))
        self.assertTrue(abs(status["created"] / 1000 - time.time()) < 30)
        self.assertEqual([len(self.chunk(uuid, number, "assets").json()) for number in (2, 1, 2)], [20, 100, 20])
        self.assertEqual(self.violations(), [])

    def test_chunks_while_processing(self):
        self.set(queue_seconds=0, chunk_seconds=100)
        uuid = self.export("assets")
        self.skew(101)
        self.assertEqual(len(self.chunk(uuid, 1, "assets").json()), 100)
        self.assertEqual(self.violations(), [])
        self.assertEqual(self.chunk(uuid, 2, "assets").status, 404)
        for wrong in ("3", "0", "x", "-1"):
            self.assertEqual(self.chunk(uuid, wrong, "assets").status, 404)
        self.assertEqual(self.violations(), ["chunk"] * 5)

    def test_chunk_size_is_in_assets(self):
        uuid = self.export()
        chunks = [self.chunk(uuid, number).json() for number in self.status(uuid).json()["chunks_available"]]
        by_chunk = [{finding["asset"]["uuid"] for finding in chunk} for chunk in chunks]
        self.assertEqual([len(assets) for assets in by_chunk], [50, 50, 7])
        self.assertEqual(len(set().union(*by_chunk)), 107)
        self.assertGreater(len(chunks[0]), 50)

    def test_numbers_and_order_of_chunks(self):
        self.set(chunk_numbers="gaps", chunk_order="mixed", empty_every=2)
        uuid = self.export(since=86400)
        available = self.status(uuid).json()["chunks_available"]
        sizes = [len(self.chunk(uuid, number).json()) for number in available]
        self.assertEqual((sorted(available), sizes.count(0)), ([1, 2, 6, 7], 1))
        self.assertEqual(sum(sizes), len(self.of("vulnerabilities")))
        self.assertEqual(self.chunk(uuid, available[sizes.index(0)]).body, b"[]")

    def test_empty_exports(self):
        uuid = self.export("assets", since=-100)
        self.assertEqual((self.status(uuid, "assets").json()["status"], self.status(uuid, "assets").json()["chunks_available"]), ("FINISHED", []))
        self.set(empty_export="chunk")
        self.assertEqual(self.records("assets", since=-200), [])

    def test_ends(self):
        self.set(queue_seconds=1, chunk_seconds=1)
        for end, number, later in (("error", 1, 100), ("cancelled", 1, 200)):
            self.set(job_end=end)
            uuid = self.export()
            self.skew(later)
            status = self.status(uuid).json()
            self.assertEqual((status["status"], len(status["chunks_available"])), (end.upper(), number))
            self.assertEqual(self.chunk(uuid, 1).status, 200)
        self.assertEqual(status["chunks_cancelled"], [2, 3])
        self.set(job_end="stuck")
        uuid = self.export()
        self.skew(7200)
        self.assertEqual(self.status(uuid).json()["status"], "QUEUED")
        self.assertEqual(self.cancel(uuid).json(), {"status": "CANCELLED"})
        self.assertEqual(self.status(uuid).json()["status"], "CANCELLED")
        self.set(job_end="finished", failed_chunks=1, queue_seconds=0, chunk_seconds=0)
        status = self.status(self.export(since=7000)).json()
        self.assertEqual([status[name] for name in ("status", "chunks_available", "chunks_failed")], ["FINISHED", [1, 2], [3]])
        self.assertEqual(self.violations(), [])

    def test_actions_on_jobs(self):
        self.set(queue_seconds=0, chunk_seconds=1000)
        for action, state, available in (("fail_exports", "ERROR", 0), ("cancel_exports", "CANCELLED", 0), ("finish_exports", "FINISHED", 3)):
            uuid = self.export()
            self.assertEqual(self.status(uuid).json()["status"], "PROCESSING")
            self.assertEqual(self.set(**{action: True})[action], [uuid])
            status = self.status(uuid).json()
            self.assertEqual((status["status"], len(status["chunks_available"])), (state, available))
        self.assertEqual(self.cancel(uuid).json(), {"status": "FINISHED"})

    def test_expiry(self):
        uuid = self.export()
        self.set(expire_chunks=True)
        self.assertEqual((self.status(uuid).status, self.chunk(uuid, 1).status), (200, 404))
        self.skew(86401)
        for reply in (self.status(uuid), self.chunk(uuid, 1), self.cancel(uuid)):
            self.assertEqual((reply.status, reply.json()["error"]), (404, "Not Found"))
        uuid = self.export()
        self.set(expire_exports=True)
        self.assertEqual(self.status(uuid).status, 404)
        self.assertEqual((self.violations(), self.state("tenable")["expired"]), ([], 5))
        self.assertEqual(self.status(NOBODY).status, 404)
        self.assertEqual(self.status(uuid, "assets").status, 404)
        self.assertEqual(self.violations(), ["unknown_export"] * 2)

    def test_restart(self):
        self.set(queue_seconds=0, chunk_seconds=0, keys=["new-access:new-secret", "sim-access:sim-secret"])
        uuid = self.export()
        before = self.chunk(uuid, 2).body
        self.set(scan={"count": 1200})
        saved, pages = pickle.loads(pickle.dumps(self.server.vendors["tenable"].save())), self.server.vendors["tenable"].ledger.pages
        vendors = make_vendors(("tenable",), 7, ())
        vendors[0].restore(saved)
        vendors[0].ledger.pages = pages
        self.serve(vendors)
        self.assertEqual(self.chunk(uuid, 2).body, before)
        self.assertIn(2, {line["offered"] for line in self.of("vulnerabilities")})

    def test_generation_by_seed(self):
        def hashes():
            self.start("tenable.start=1790000000")
            return [line["sha256"] for line in self.ledger("tenable", "?all=1")]
        first = hashes()
        self.assertEqual(hashes(), first)
        self.assertGreater(len(first), 1000)

    def test_unusual_json(self):
        for style in ("compact", "pretty", "spaced"):
            self.set(append={"count": 7, "style": style, "shapes": ["all"]})
        self.set(style="spaced", shapes=["numbers"], shape_every=1, add_assets=3)
        for kind, data_type in (("vulns", "vulnerabilities"), ("assets", "assets")):
            records = self.records(kind, **({"include_unlicensed": True} if kind == "vulns" else {}))
            self.assertEqual({sha256(record) for record in records}, {line["sha256"] for line in self.of(data_type)})
            text = b"".join(records)
            self.assertIn(b"12345678901234567890123", text)
            self.assertIn(b"7.10", text)
            self.assertIn("東京".encode(), text)

    def test_findings_come_at_a_rate(self):
        self.set(rate=2000)
        deadline = time.monotonic() + 5
        while self.state("tenable")["findings"] < 1250 and time.monotonic() < deadline:
            pass
        self.set(rate=0)
        self.assertEqual(len(self.records(include_unlicensed=True)), self.state("tenable")["findings"])
        self.assertGreaterEqual(self.state("tenable")["findings"], 1250)


class FilterTest(TenableTest):
    def test_since_is_included(self):
        findings = [json.loads(record) for record in self.records(include_unlicensed=True)]
        moment = sorted(self.time_of(finding) for finding in findings)[600] // 1000 * 1000
        self.skew(1)
        found = self.records(body={"filters": {"since": moment // 1000, "state": ALL_STATES}, "include_unlicensed": True})
        wanted = {identity(finding) for finding in findings if self.time_of(finding) >= moment}
        self.assertEqual({identity(json.loads(record)) for record in found}, wanted)
        self.assertTrue(300 < len(wanted) < 900)

    @staticmethod
    def time_of(finding):
        """Epoch milliseconds of what `since` looks at."""
        text = finding["last_fixed" if finding["state"] == "FIXED" else "last_found"]
        return round(datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp() * 1000)

    def test_since_at_the_second(self):
        self.start("tenable.start=1790000000", "tenable.findings=4", "tenable.ties=4", "tenable.index_lag=0",
                   f"tenable.clock_skew={1790000100 - time.time()}", "tenable.unlicensed_every=0")
        for since, number in ((1790000000, 4), (1790000001, 0)):
            self.assertEqual(len(self.records(body={"filters": {"since": since, "state": ALL_STATES}})), number)

    def test_updated_at_is_left_out(self):
        self.start("tenable.start=1790000000", "tenable.assets=1", f"tenable.clock_skew={1790000100 - time.time()}")
        for moment, number in ((1789999999, 1), (1790000000, 0)):
            self.assertEqual(len(self.records("assets", body={"chunk_size": 100, "filters": {"updated_at": moment}})), number)

    def test_late_indexing(self):
        """What was scanned before the last export was created, and indexed after it: only an overlap finds it."""
        self.records()
        created = int(time.time())
        late, = self.set(append={"count": 1, "late_by": 1800})["append"]

        def found(**filters):
            records = self.records(body={"filters": {"state": ALL_STATES, **filters}, "include_unlicensed": True})
            return late in {identity(json.loads(record)) for record in records}
        self.assertFalse(found(since=created))
        self.assertTrue(found(since=created - 3600))
        self.assertTrue(found(indexed_at=created - 1))
        self.assertIn(late, {line["id"] for line in self.of("vulnerabilities")})
        self.set(indexed_at="refused")
        self.refused(400, [], body={"filters": {"indexed_at": created}})

    def test_states(self):
        by_state = {state: len(self.records(body={"filters": {"since": 1, "state": [state]}})) for state in ALL_STATES}
        self.assertTrue(all(by_state.values()), by_state)
        either = self.records(body={"filters": {"since": 1, "state": ["open", "Fixed"]}})
        self.assertEqual(len(either), by_state["OPEN"] + by_state["FIXED"])
        self.assertEqual(len(self.records(body={"filters": {"since": 2}})), by_state["OPEN"] + by_state["REOPENED"])

    def test_licenses(self):
        licensed = self.records()
        required = len(self.of("vulnerabilities"))
        everything = self.records(include_unlicensed=True)
        self.assertEqual((len(licensed), len(everything)), (required, 1200))
        self.assertLess(required, 1200)
        self.assertEqual(len(self.of("vulnerabilities")), 1200)
        self.assertEqual(len(self.records("assets")), 120)

    def test_without_time(self):
        self.set(append={"count": 5, "late_by": 40 * 86400}, clock_skew=1)
        bare = {"filters": {"state": ALL_STATES}, "include_unlicensed": True}
        self.assertEqual(len(self.records(body=bare)), 1200)
        self.set(no_filter="all")
        self.assertEqual(len(self.records(body=bare)), 1205)
        self.set(append={"count": 5, "late_by": 460 * 86400})
        self.assertEqual(len(self.records(body=bare)), 1205)
        self.assertEqual(len(self.of("vulnerabilities")), 1205)

    def test_deleted_and_terminated(self):
        before = int(time.time()) - 1
        self.set(delete_assets=3, terminate_assets={"count": 2, "which": "last"})
        self.assertEqual(len(self.records("assets")), 115)
        for name, number in (("deleted_at", 3), ("terminated_at", 2)):
            records = self.records("assets", body={"chunk_size": 100, "filters": {name: before}})
            self.assertEqual([bool(json.loads(record)[name]) for record in records], [True] * number)
        left = {json.loads(record)["asset"]["uuid"] for record in self.records(include_unlicensed=True)}
        gone = {json.loads(record)["id"] for record in self.records("assets", body={"chunk_size": 100, "filters": {"deleted_at": before - 1}})}
        self.assertEqual((len(left), left & gone), (117, set()))
        self.assertFalse([line for line in self.of("vulnerabilities") if not line["offered"]])

    def test_refused_bodies(self):
        moment = int(time.time())
        for kind, size, sizes in (("vulns", "num_assets", (49, 5001, "50", 50.0, True)), ("assets", "chunk_size", (99, 10001, None))):
            for value in sizes:
                reply = self.refused(400, ["chunk_size"], kind, **{size: value})
                self.assertEqual(list(reply.json()), ["statusCode", "error", "message"])
        self.refused(400, ["chunk_size"], "assets", body={"filters": {"updated_at": moment}})
        for name in ("first_found", "last_found", "last_fixed"):
            self.refused(400, ["filter"], body={"filters": {"since": moment, name: moment}})
        for filters in ({"since": str(moment)}, {"since": moment * 1000}, {"since": -1}, {"since": 1.5}, {"since": True}, {"state": "OPEN"},
                        {"state": ["GONE"]}, {"state": []}, {"updated_at": 1}, {"colour": "red"}, [1]):
            self.refused(400, ["filter"], body={"filters": filters})
        self.refused(400, ["filter"], "assets", body={"chunk_size": 100, "filters": {"since": moment}})
        self.refused(400, ["body"], other=1)
        self.refused(400, ["body"], "assets", include_unlicensed=True)
        self.refused(400, ["body"], include_unlicensed="yes")
        self.refused(400, ["body"], body="[1]")
        self.refused(400, ["body"], body="{")
        self.refused(400, ["body"], body="[" * 100000)
        self.refused(400, ["content_type"], headers=TENABLE)
        self.refused(200, [], body={"filters": {"last_found": moment, "last_fixed": moment}})
        self.refused(200, [], body={})


class ChangeTest(TenableTest):
    def test_scan_fix_reopen(self):
        first = self.records(include_unlicensed=True)
        self.skew(1)
        changed = {name: set(self.set(**{name: 5})[name]) for name in ("scan", "fix", "reopen")}
        second = self.records(include_unlicensed=True, since=86000)
        news = {identity(json.loads(record)) for record in second} - {identity(json.loads(record)) for record in first}
        latest = {line["id"] for line in self.of("vulnerabilities") if line["last"]}
        self.assertEqual(news, set.union(*changed.values()) & latest)
        self.assertTrue(all(name.endswith("~FIXED") for name in changed["fix"]))
        self.assertTrue(all(name.endswith("~REOPENED") for name in changed["reopen"]))
        ledger = self.of("vulnerabilities")
        self.assertEqual((sum(line["last"] for line in ledger), len(ledger)), (1200, 1200 + len(news)))
        self.assertEqual({line["whole"] for line in ledger}, {True})
        for record in second:
            finding = json.loads(record)
            self.assertLessEqual(finding["first_found"], finding["last_found"])
            self.assertLess(finding["last_found"], finding["indexed"])

    def test_one_scan_has_one_time(self):
        names = self.set(scan=40)["scan"]
        self.assertEqual(len({name.split("~")[-2] for name in names if not name.endswith("FIXED")}), 1)

    def test_updated_assets(self):
        self.records("assets")
        since = int(time.time()) - 1
        added = self.set(add_assets=2)["add_assets"]
        updated = self.set(update_assets=4)["update_assets"]
        late = self.set(add_assets={"count": 1, "late_by": 300})["add_assets"]
        found = [json.loads(record) for record in self.records("assets", body={"chunk_size": 100, "filters": {"updated_at": since}})]
        self.assertLessEqual(set(updated), {identity(asset) for asset in found})
        self.assertLessEqual(set(added), {asset["id"] for asset in found})
        self.assertNotIn(late[0], {asset["id"] for asset in found})
        overlapped = self.records("assets", body={"chunk_size": 100, "filters": {"updated_at": since - 600}})
        self.assertIn(late[0], {json.loads(record)["id"] for record in overlapped})

    def test_changes_while_an_export_is_open(self):
        for snapshot, fixed in (("created", 200), ("available", 1400)):
            self.start(f"tenable.snapshot={snapshot}", "tenable.findings=1400")
            uuid = self.export(include_unlicensed=True)
            self.set(fix={"count": 1400})
            states = [finding["state"] for number in self.status(uuid).json()["chunks_available"] for finding in self.chunk(uuid, number).json()]
            self.assertEqual((len(states), states.count("FIXED")), (1400, fixed))
            again = self.chunk(uuid, 1).body
            self.set(scan=1400)
            self.assertEqual(self.chunk(uuid, 1).body, again)

    def test_churn(self):
        self.set(churn={"chunks": 2, "append": 3, "scan": 2, "fix": 1, "reopen": 1, "add_assets": 2, "update_assets": 1})
        versions = self.state("tenable")["versions"]
        self.records()
        state = self.state("tenable")
        self.assertEqual((state["churn_left"], state["versions"] - versions, state["findings"], state["assets"]), (0, 20, 1206, 124))


class ConcurrencyTest(TenableTest):
    def test_duplicate(self):
        self.set(queue_seconds=100)
        moment = int(time.time()) - 86400
        body = {"num_assets": 50, "filters": {"since": moment, "state": ALL_STATES}}
        uuid = self.export(body=body)
        for same in (body, {"num_assets": 500, "filters": {"state": ["fixed", "open", "reopened"], "since": moment}}):
            reply = self.create(body=same)
            self.assertEqual((reply.status, reply.json()["active_job_id"], list(reply.json())),
                             (409, uuid, ["active_job_id", "failure_reason"]))
        self.assertEqual((self.violations(), self.state("tenable")["duplicates"]), ([], 2))
        self.skew(101)
        self.assertNotEqual(self.export(body=body), uuid)

    def test_an_expired_export_is_no_duplicate(self):
        self.set(queue_seconds=100)
        first = self.export(body={})
        self.set(expire_exports=True)
        self.assertNotEqual(self.export(body={}), first)
        self.assertEqual(self.violations(), [])

    def test_one_export_of_each_kind(self):
        self.set(queue_seconds=100)
        self.export()
        self.export("assets")
        self.assertEqual(self.violations(), [])
        self.export(since=5)
        self.assertEqual(self.violations(), ["second_export"])

    def test_exports_of_others_are_not_ours(self):
        self.set(foreign_exports={"count": 9})
        self.export()
        self.assertEqual(self.violations(), [])

    def test_slots(self):
        others = self.set(foreign_exports={"count": 10})["foreign_exports"]
        self.assertEqual(len(set(others)), 10)
        reply = self.create()
        self.assertEqual((reply.status, reply.headers["retry-after"]), (429, "30"))
        self.assertIn(b"<html>", reply.body)
        self.age_named_times()
        self.export("assets")
        self.assertEqual(self.status(others[0]).json()["status"], "QUEUED")
        self.assertEqual(self.violations(), [])     # the 429 was about exports of vulnerabilities alone
        self.create()
        self.assertEqual(self.violations(), ["before_named_time"])
        self.post("tenable/clear", {"violations": True})
        self.skew(3601)
        self.export()
        self.assertEqual(self.violations(), [])

    def test_somebody_elses_job(self):
        filters = {"since": int(time.time()) - 60, "state": ["OPEN"]}
        other = self.set(conflict={"kind": "vulns", "filters": filters})["conflict"]
        self.assertEqual(self.create().json()["active_job_id"], other)
        self.set(status_filters="object")
        self.assertEqual(self.status(other).json()["filters"], filters)
        self.set(status_filters="text")
        self.assertEqual(json.loads(self.status(other).json()["filters"]), filters)
        gone = self.set(conflict={"gone": True})["conflict"]
        self.assertEqual(self.create().json()["active_job_id"], gone)
        self.assertEqual((self.status(gone).status, self.violations()), (404, []))
        self.export()

    def test_foreign_job_with_the_same_filters(self):
        filters = {"since": 1790000000, "state": ["OPEN"]}
        other, = self.set(foreign_exports={"filters": filters})["foreign_exports"]
        self.assertEqual(self.create(body={"filters": filters}).json()["active_job_id"], other)

    def test_parallel_requests(self):
        self.misbehave("slow_first_byte", "tenable", seconds=1.5, count="always", match="/status")
        uuid, seen = self.export(), []
        threads = [threading.Thread(target=lambda: seen.append(self.status(uuid).status)) for _ in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(sorted(seen), [200] * 4 + [429] * 2)
        self.assertEqual(self.violations(), ["concurrency"] * 2)


class RuleTest(TenableTest):
    def test_keys(self):
        for value in (None, "accessKey=sim-access; secretKey=sim-secret", "secretKey=sim-secret;accessKey=sim-access",
                      "accessKey=sim-access;secretKey=wrong", "accessKey=sim-access;secretKey=sim-secret;"):
            self.post("tenable/clear", {"violations": True})
            reply = self.create(headers={**JSON, "X-ApiKeys": value} if value else {name: JSON[name] for name in JSON if name != "X-ApiKeys"})
            self.assertEqual((reply.status, reply.json()),
                             (401, {"statusCode": 401, "error": "Unauthorized", "message": "Invalid Credentials"}))
            self.assertEqual(self.violations(), ["authorization"], value)
        self.post("tenable/clear", {"violations": True})
        self.set(weak_keys=["weak:key"], regenerate_key="new-access:new-secret")
        self.assertEqual(self.create(headers={**JSON, "X-ApiKeys": "accessKey=weak;secretKey=key"}).json()["statusCode"], 403)
        self.assertEqual(self.create().status, 401)
        self.assertEqual(self.create(headers={**JSON, "X-ApiKeys": "accessKey=new-access;secretKey=new-secret"}).status, 200)
        self.set(revoke_key="weak")
        self.assertEqual(self.create(headers={**JSON, "X-ApiKeys": "accessKey=weak;secretKey=key"}).status, 401)
        self.assertEqual(self.violations(), [])
        shown = b"".join(self.get(f"/_sim/{what}").body for what in ("state", "requests/tenable", "violations"))
        for secret in (b"sim-secret", b"sim-access", b"new-secret"):
            self.assertNotIn(secret, shown)

    def test_refused_again_and_again(self):
        self.set(regenerate_key="new-access:new-secret", refused_limit=3)
        for _ in range(3):
            self.create()
        self.assertEqual(self.violations(), [])
        self.create()
        self.assertEqual(self.violations(), ["refused_again"])

    def test_agent(self):
        for agent, violations in (("curl/8.5.0", ["user_agent"]), ("", ["user_agent"]), ("python-requests/2.31", ["user_agent"]),
                                  ("signal-client/1.0", [])):
            self.refused(200, violations, headers={**JSON, "User-Agent": agent}, since=86400 + len(agent))
        self.set(user_agent="form")
        self.refused(200, ["user_agent"], headers={**JSON, "User-Agent": "signal-client/1.0"}, since=100)
        self.refused(200, [], since=101)

    def test_paths_and_methods(self):
        uuid = self.export()
        for target, method, status, violation in (
                ("/vulns/export", "GET", 405, "method"), (f"/vulns/export/{uuid}/status", "POST", 405, "method"),
                (f"/vulns/export/{uuid}/cancel", "GET", 405, "method"), ("/scans", "GET", 404, "path"),
                (f"/vulns/export/{uuid}", "GET", 404, "path"), (f"/vulns/export/{uuid}/chunks/", "GET", 404, "path"),
                (f"/vulns/export/{uuid}/status?x=1", "GET", 200, "query")):
            self.post("tenable/clear", {"violations": True})
            self.assertEqual(self.get("/tenable" + target, JSON, method).status, status, target)
            self.assertEqual(self.violations(), [violation])

    def test_rate(self):
        self.set(rate_limit=2)
        uuid = self.export()
        self.assertEqual(self.status(uuid).status, 200)
        reply = self.status(uuid)
        self.assertEqual((reply.status, self.violations()), (429, []))
        self.assertTrue(55 <= int(reply.headers["retry-after"]) <= 60)
        self.assertTrue(reply.headers["Content-Type"].startswith("text/html"))
        self.assertFalse([name for name in reply.headers if name.lower().startswith("x-rate")])
        self.status(uuid)
        self.assertEqual(self.violations(), ["before_named_time"])
        self.set(reset_window=True)
        self.assertEqual(self.chunk(uuid, 1).status, 200)

    def test_named_time_is_for_the_user(self):
        uuid = self.export()
        self.misbehave("throttle", "tenable", header="retry_after", seconds=30)
        self.assertEqual(self.status(uuid).headers["Retry-After"], "30")
        self.age_named_times()
        self.chunk(uuid, 1)
        self.assertEqual(self.violations(), ["before_named_time"])

    def test_status_is_not_asked_all_the_time(self):
        self.set(status_polls=3)
        uuid = self.export()
        for _ in range(3):
            self.status(uuid)
        self.assertEqual(self.violations(), [])
        self.status(uuid)
        self.assertEqual(self.violations(), ["status_polls"])

    def test_misbehaviours(self):
        uuid = self.export()
        self.misbehave("status", "tenable", status=502, match="/status")
        reply = self.status(uuid)
        self.assertEqual((reply.status, reply.headers["Content-Type"][:9]), (502, "text/html"))
        self.misbehave("status", "tenable", status=500)
        self.assertEqual(self.status(uuid).json()["statusCode"], 500)
        self.misbehave("expired_cursor", "tenable", status=404)
        self.assertEqual(self.create(since=50).status, 200)
        self.assertEqual(self.status(uuid).status, 404)
        self.misbehave("garbage_json", "tenable", match="/chunks/")
        with self.assertRaises(ValueError):
            self.chunk(uuid, 1).json()
        self.misbehave("cut", "tenable", record=3, match="/chunks/")
        self.raw(f"/tenable/vulns/export/{uuid}/chunks/1", TENABLE)
        ledger = self.of("vulnerabilities", "")
        self.assertEqual((sum(line["sent"] for line in ledger), {line["whole"] for line in ledger}), (3, {False}))
        self.misbehave("bad_utf8", "tenable", record=1, match="/chunks/")
        self.chunk(uuid, 1)
        altered = [line for line in self.of("vulnerabilities", "") if line.get("altered")]
        self.assertEqual((len(altered), altered[0]["id"] in {line["id"] for line in self.of("vulnerabilities")}), (1, True))
        self.set(gzip="always", chunk_type="application/octet-stream")
        reply = self.chunk(uuid, 1)
        self.assertEqual((reply.headers["Content-Encoding"], reply.headers["Content-Type"]), ("gzip", "application/octet-stream"))

    def test_large_chunk_is_streamed(self):
        self.start("tenable.findings=12000", "tenable.assets=60", "tenable.unlicensed_every=0")
        uuid = self.export(body={"num_assets": 5000, "filters": {"since": 1, "state": ALL_STATES}})
        reply = self.chunk(uuid, 1)
        self.assertEqual((reply.headers["Transfer-Encoding"], len(reply.json())), ("chunked", 12000))
        self.assertTrue(all(line["sent"] for line in self.of("vulnerabilities")))

    def test_mistakes_are_refused(self):
        for row in ({"append": {"what": 1}}, {"scan": {"which": "none"}}, {"churn": {"pages": 1}}, {"shapes": ["none"]},
                    {"foreign_exports": {"kind": "x"}}, {"conflict": {"kind": "x"}}, {"snapshot": "never"}):
            self.assertEqual(self.get("/_sim/tenable/set", {}, "POST", json.dumps(row)).status, 400, row)


if __name__ == "__main__":
    unittest.main()
