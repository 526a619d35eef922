#!/usr/bin/env python3
"""The simulated Splunk: python3 tests/simulator/test_splunk.py"""

import hashlib
import json
import os
import pickle
import socket
import sys
import time
import unittest
import zlib
from base64 import b64encode
from dataclasses import replace
from types import SimpleNamespace
from urllib.parse import urlencode
from xml.etree import ElementTree

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(os.path.dirname(HERE), "lib", "python")]

from signaltest.copier import Copy              # noqa: E402  (the paths come first)
from signaltest.ledger import Ledger, Offers    # noqa: E402
from simulator import make_vendors              # noqa: E402
from test_base import SimulatorTest, sha256      # noqa: E402
from vendors import splunk_search               # noqa: E402
from vendors.splunk_jobs import ExportStream    # noqa: E402
from vendors.splunk_search import BadSearch     # noqa: E402

TOKEN = {"Authorization": "Bearer sim-token"}
FORM = {**TOKEN, "Content-Type": "application/x-www-form-urlencoded"}
EXPORT = "/services/search/v2/jobs/export"
OLD_EXPORT = "/services/search/jobs/export"
JOBS = "/services/search/jobs"
LOGIN = "/services/auth/login"
_DECODER = json.JSONDecoder()


def with_authorization(value):
    return {**FORM, "Authorization": value}


def results_of(body):
    """Exact bytes of the results in lines that are final, cut out by an independent reading."""
    found = []
    for line in body.decode().split("\n"):
        if not line or '"preview":false' not in line:
            continue
        for member in ('"result":', '"results":['):
            at = line.find(member)
            if at < 0:
                continue
            at += len(member)
            while at < len(line) and line[at] == "{":
                _, end = _DECODER.raw_decode(line, at)
                found.append(line[at:end].encode())
                at = end + 1
            break
    return found


def page_of(body):
    """Exact bytes of the results of a job's page."""
    text, found = body.decode(), []
    at = text.index('"results":[') + len('"results":[')
    while text[at] == "{":
        _, end = _DECODER.raw_decode(text, at)
        found.append(text[at:end].encode())
        at = end + 1
    return found


def identity(record):
    data = json.loads(record)
    if "_cd" in data:
        return f"{data['_cd']}~{data['_bkt'].replace('~', '=7E')}"
    text = "~".join(data.get(name, "") for name in ("_raw", "_time", "host", "source"))
    return "h:" + hashlib.sha256(text.encode()).hexdigest()[:32]


class SplunkTest(SimulatorTest):
    def setUp(self):
        self.start()

    def start(self, *options, vendors=("splunk",)):
        self.serve(make_vendors(vendors, 7, ("splunk.queue_seconds=0", "splunk.run_seconds=0", *options)))

    def set(self, **changes):
        return self.post("splunk/set", changes)["results"]

    def form(self, search="search index=main", earliest=None, latest=None, **more):
        form = {"search": search, "earliest_time": earliest if earliest is not None else int(time.time()) - 86400, "output_mode": "json",
                "preview": "0", **more}
        if latest is not None:
            form["latest_time"] = latest
        return urlencode({name: value for name, value in form.items() if value != ""})

    def export(self, headers=FORM, path=EXPORT, body=None, **more):
        return self.get(f"/splunk{path}", headers, "POST", self.form(**more) if body is None else body)

    def records(self, **more):
        reply = self.export(**more)
        self.assertEqual(reply.status, 200, reply.body)
        return results_of(reply.body)

    def create(self, headers=FORM, **more):
        return self.get(f"/splunk{JOBS}", headers, "POST", self.form(preview="", **more))

    def job(self, **more):
        reply = self.create(**more)
        self.assertEqual(reply.status, 201, reply.body)
        return reply.json()["sid"]

    def status(self, sid):
        return self.get(f"/splunk{JOBS}/{sid}?output_mode=json", TOKEN)

    def content(self, sid):
        return self.status(sid).json()["entry"][0]["content"]

    def results(self, sid, count=10000, offset=0, path="/services/search/v2/jobs"):
        return self.get(f"/splunk{path}/{sid}/results?output_mode=json&count={count}&offset={offset}", TOKEN)

    def login(self, body="username=sim-user&password=sim-password&output_mode=json"):
        return self.get(f"/splunk{LOGIN}", {"Content-Type": "application/x-www-form-urlencoded"}, "POST", body)

    def refused(self, status, violations, text=None, **more):
        self.post("splunk/clear", {"violations": True})
        reply = self.export(**more)
        self.assertEqual((reply.status, self.violations()), (status, violations), reply.body)
        if text is not None:
            self.assertIn(text, reply.json()["messages"][0]["text"])
        return reply


class ExportTest(SplunkTest):
    def test_export_matches_ledger(self):
        for ids in ("all", "none", "mixed"):
            self.start(f"splunk.ids={ids}", "splunk.zone=mixed")
            records = self.records()
            ledger = self.ledger("splunk", "?all=1")
            self.assertEqual({identity(record): sha256(record) for record in records}, {line["id"]: line["sha256"] for line in ledger})
            self.assertEqual(len(records), 875)     # one in eight is in another index
            self.assertEqual({(line["type"], line["offered"], line["sent"], line["last"], line["whole"]) for line in ledger},
                             {("search", 1, True, True, True)})
            self.assertEqual({"_cd" in json.loads(record) for record in records}, {"all": {True}, "none": {False}}.get(ids, {True, False}))
            self.assertEqual(self.violations(), [])

    def test_the_oracle_can_judge(self):
        copies = []
        for seq, record in enumerate(self.records(), 1):
            own = identity(record)
            headers = f"NATS/1.0\r\nNats-Msg-Id: s.search.{own}\r\nce-id: {own}\r\n\r\n".encode()
            copies.append(Copy(seq, "data", headers, sha256(record), len(record), 0))

        def judged(given):
            return Ledger(Offers("s.search.").add_lines(self.ledger("splunk", "?all=1"))).judge(given)
        self.assertTrue(judged(copies).exact, judged(copies).text())
        self.assertEqual(judged(copies[1:]).wrong(), ["missing"])
        self.assertEqual(judged([*copies, copies[0]]).wrong(), ["doubled_by_id", "doubled_by_body"])
        self.assertIn("altered", judged([replace(copies[0], sha256="0" * 64), *copies[1:]]).wrong())

    def test_lines_as_in_the_sample(self):
        lines = self.export().body.decode().split("\n")     # not splitlines: U+2028 may stand within a text
        self.assertEqual(lines.pop(), "")
        self.assertTrue(lines[0].startswith('{"preview":false,"offset":0,"result":{"_time":"'), lines[0])
        self.assertTrue(lines[-1].startswith(f'{{"preview":false,"offset":{len(lines) - 1},"lastrow":true,"result":{{'), lines[-1])
        first = json.loads(lines[0])["result"]
        self.assertLessEqual({"_time", "_indextime", "_raw", "host", "source", "sourcetype", "index", "_bkt", "_cd"}, first.keys())
        self.assertRegex(first["_time"], r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}\+00:00$")
        self.assertRegex(first["_bkt"], r"^main~\d+~[0-9A-F-]+$")
        values = [value for line in lines for value in json.loads(line)["result"].values()]
        self.assertEqual({type(value) for value in values}, {str, list})
        self.assertEqual({type(item) for value in values if isinstance(value, list) for item in value}, {str})
        self.set(lastrow="never")
        self.assertNotIn(b"lastrow", self.export().body)

    def test_newest_first_unless_sorted(self):
        times = [json.loads(record)["_time"] for record in self.records()]
        self.assertEqual(times, sorted(times, reverse=True))
        self.assertLess(len(set(times)), len(times))
        times = [json.loads(record)["_time"] for record in self.records(search="search index=main | sort 0 _time")]
        self.assertEqual(times, sorted(times))
        self.assertEqual(len(self.records(search="search index=main | head 7")), 7)

    def test_other_forms_of_lines(self):
        expected = self.records()
        for option in ({"lines": "batch"}, {"blank_lines": True}, {"notices": True}, {"lines": "batch", "blank_lines": True, "notices": True}):
            self.start()
            self.set(**option)
            body = self.export().body
            self.assertEqual([identity(record) for record in results_of(body)], [identity(record) for record in expected], option)
            for line in filter(None, body.split(b"\n")):
                json.loads(line)
            self.assertEqual(b"\n\n" in body, "blank_lines" in option)
            self.assertEqual(b'"type":"INFO"' in body, "notices" in option)
            self.assertTrue(all(line["whole"] for line in self.ledger("splunk")))

    def test_previews_are_not_records(self):
        for form in ({"preview": ""}, {"preview": "1"}):
            lines = self.export(**form).body.split(b"\n")
            shown = [json.loads(line) for line in lines if b'"preview":true' in line]
            self.assertEqual([line["offset"] for line in shown], [0, 1, 2])
            hashes = {line["sha256"] for line in self.ledger("splunk")}
            self.assertFalse({sha256(json.dumps(line["result"]).encode()) for line in shown} & hashes)
        self.assertNotIn(b'"preview":true', self.export().body)
        self.set(preview_name="ignored")
        self.assertIn(b'"preview":true', self.export().body)
        self.assertEqual(len(self.records()), len(self.ledger("splunk", "?all=1")))

    def test_empty_export(self):
        now = int(time.time())
        self.assertEqual(self.export(earliest=now - 9000, latest=now - 8000).body, b"")
        self.set(empty_export="lastrow")
        reply = self.export(earliest=now - 9000, latest=now - 8000)
        self.assertEqual(reply.json(), {"preview": False, "offset": 0, "lastrow": True})
        self.assertEqual(reply.headers["Transfer-Encoding"], "chunked")

    def test_windows_tile(self):
        everything = self.records()
        ids = [identity(record) for record in everything]
        stamps = sorted(json.loads(record)["_time"] for record in everything)
        bounds = [stamps[0], stamps[200], stamps[201], stamps[500], "now"]
        found = [identity(record) for low, high in zip(bounds, bounds[1:]) if low != high for record in self.records(earliest=low, latest=high)]
        self.assertEqual(sorted(found), sorted(ids))
        middle = self.records(earliest=stamps[200], latest=stamps[500])
        self.assertIn(stamps[200], {json.loads(record)["_time"] for record in middle})
        self.assertNotIn(stamps[500], {json.loads(record)["_time"] for record in middle})
        self.assertEqual(self.violations(), [])

    def test_bounds_in_seconds_and_fractions(self):
        self.set(append={"count": 3, "at": 1795000000.25})
        self.assertEqual(len(self.records(earliest="1795000000.250", latest="1795000000.251")), 3)
        self.assertEqual(len(self.records(earliest="1795000000", latest="1795000000.25")), 0)
        moment = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(1795000000 + 3600))
        self.assertEqual(len(self.records(earliest=f"{moment}.25+01:00", latest="1795000000.5")), 3)

    def test_old_servers(self):
        self.refused(200, ["deprecated"], path=OLD_EXPORT)
        self.set(v2="missing")
        self.assertEqual(self.refused(404, []).json()["messages"][0]["type"], "WARN")
        self.refused(200, [], path=OLD_EXPORT)
        sid = self.job()
        self.assertEqual(self.results(sid).status, 404)
        self.assertEqual(self.results(sid, path=JOBS).status, 200)

    def test_shapes_and_styles(self):
        for style in ("compact", "spaced"):
            self.start("splunk.shapes=all", "splunk.shape_every=1", f"splunk.style={style}", "splunk.events=70")
            self.assertEqual({identity(record): sha256(record) for record in self.records()},
                             {line["id"]: line["sha256"] for line in self.ledger("splunk", "?all=1")})
            self.assertEqual(len(self.ledger("splunk")), 62)

    def test_seed_decides(self):
        made = []
        for seed in (7, 7, 8):
            self.serve(make_vendors(("splunk",), seed, ("splunk.start=1795000000", "splunk.events=50")))
            made.append(self.records(earliest=1794000000))
        self.assertEqual(made[0], made[1])
        self.assertNotEqual(made[0], made[2])

    def test_sparse_events_and_twins(self):
        self.start("splunk.ids=none", "splunk.twin_every=4", "splunk.events=80")
        records = self.records(search="search index=*")
        self.assertTrue(any("source" not in json.loads(record) for record in records))
        lines = self.ledger("splunk", "?all=1")
        self.assertEqual(len(lines), 80)
        self.assertEqual(sum(line["id"].endswith("#2") for line in lines), 20)
        self.assertEqual(len(set(records)), 60)
        bodies = {line["id"]: line["sha256"] for line in lines}
        self.assertTrue(all(bodies[name] == bodies[name[:-2]] for name in bodies if name.endswith("#2")))


class LateTest(SplunkTest):
    def test_what_is_indexed_later_is_found_by_index_time(self):
        now = int(time.time())
        closed = {"earliest": now - 7300, "latest": now - 7000}
        self.assertEqual(self.records(**closed), [])
        self.set(append={"count": 4, "late_by": 7200})
        self.assertEqual(len(self.records(**closed)), 4)
        self.set(clock_skew=100.0)
        self.set(append={"count": 2, "late_by": 600})
        self.assertEqual(len(self.records(index_earliest=now + 90, index_latest=now + 3000)), 2)
        self.assertEqual(len(self.records(index_earliest=now + 90, index_latest=now + 91)), 0)

    def test_index_bounds_elsewhere(self):
        self.set(index_bounds="refused")
        self.refused(400, [], "index_earliest", index_earliest=1)
        self.set(index_bounds="ignored")
        self.assertEqual(len(self.records(index_earliest=int(time.time()) + 100)), 875)

    def test_index_lag_and_rate(self):
        self.set(rate=10.0, index_lag=3.0)
        self.set(clock_skew=10.0)
        found = self.state("splunk")
        self.assertGreater(found["events"] - found["found"], 20)
        self.assertGreater(found["found"], 1050)

    def test_events_come_while_somebody_asks(self):
        self.set(churn={"pages": 2, "append": 3, "late_by": 100})
        self.assertEqual([len(self.records()) for _ in range(4)], [875, 878, 881, 881])

    def test_several_events_of_one_time(self):
        moment = int(time.time()) - 9000
        self.set(append={"count": 5, "at": moment + 0.5, "index": "main"})
        found = self.records(earliest=moment, latest=moment + 1)
        self.assertEqual((len(found), len(set(map(identity, found)))), (5, 5))
        self.assertEqual(len({json.loads(record)["_time"] for record in found}), 1)

    def test_state_goes_on(self):
        vendor = make_vendors(("splunk",), 7)[0]
        vendor.set({"append": 5, "foreign_jobs": {"count": 1}})
        other = make_vendors(("splunk",), 7)[0]
        model, other.ledger.pages = pickle.loads(pickle.dumps((vendor.save(), vendor.ledger.pages)))
        other.restore(model)
        self.assertEqual(list(other.ledger.lines(True)), list(vendor.ledger.lines(True)))
        self.assertEqual(other.details()["jobs"], vendor.details()["jobs"])


def stamp_of(record):
    return time.mktime(time.strptime(json.loads(record)["_time"][:19], "%Y-%m-%dT%H:%M:%S")) - time.timezone


class SearchTest(SplunkTest):
    def test_first_word(self):
        self.refused(400, ["spl_prefix"], "Unknown search command 'index'", search="index=main")
        self.refused(400, [], "Unknown search command 'frobnicate'", search="search index=main | frobnicate x")
        self.refused(400, [], "Mismatched quotes", search='search index=main "x')
        self.assertEqual(self.refused(400, ["form"], body="output_mode=json").json()["messages"][0]["type"], "FATAL")

    def test_terms(self):
        everything = self.records()
        for search, check in (("search index=main host=fw2", lambda data: data["host"] == "fw2"),
                              ('search sourcetype="WinEventLog*"', lambda data: data["sourcetype"] == "WinEventLog:Security"),
                              ('search index=main "DENY tcp"', lambda data: "deny tcp" in data["_raw"]),
                              ('search index=main AND "an | pipe"', lambda data: False)):
            found = self.records(search=search)
            self.assertEqual(found, [record for record in everything if check(json.loads(record))], search)
        self.assertEqual({json.loads(record)["index"] for record in self.records(search="search index=os")}, {"os"})
        self.assertEqual(len(self.records(search="search index=*")), 1000)

    def test_own_bounds_win(self):
        now = int(time.time())
        found = self.records(search="search index=main earliest=-15m latest=now", earliest=now - 86400, latest=now - 50000)
        self.assertTrue(0 < len(found) < 300)
        self.assertTrue(all(stamp_of(record) >= now - 902 for record in found))
        self.assertEqual(self.records(search=f"search index=main _index_earliest={now - 900}"), self.records(index_earliest=now - 900))
        self.assertEqual(self.violations(), [])

    def test_times(self):
        now = 1795003333.5
        for text, expected in (("1795000000", 1795000000), ("1795000000.125", 1795000000.125), ("now", now), ("", None), ("0", None),
                               ("-15m", now - 900), ("-1h@h", 1794999600), ("@d", 1794960000), ("+5s", now + 5), ("-d", now - 86400),
                               ("2026-11-18T11:06:40Z", 1795000000), ("2026-11-18T12:06:40.250+0100", 1795000000.25)):
            self.assertEqual(splunk_search.parse_time(text, "earliest_time", now), expected, text)
        for text in ("yesterday", "-15x", "1795000000000", "2026-11-18", "2026-13-18T11:06:40Z", "rt-5m", "-"):
            self.assertRaises(BadSearch, splunk_search.parse_time, text, "earliest_time", now)
        self.refused(400, ["time"], "Invalid earliest_time", earliest="yesterday")
        self.refused(400, ["window"], "Invalid time range", earliest=1795000000, latest=1795000000)

    def test_unbounded_search_is_noted(self):
        self.refused(200, ["unbounded"], earliest="")

    def test_transforming_searches(self):
        now = int(time.time())
        rows = self.records(search="search index=main | stats count by host", earliest=now - 86400, latest=now)
        counted = {json.loads(row)["host"]: int(json.loads(row)["count"]) for row in rows}
        self.assertEqual((len(counted), sum(counted.values())), (5, 875))
        lines = self.ledger("splunk", "?all=1")
        self.assertEqual({line["id"] for line in lines}, {f"h:{sha256(row)[:32]}~{now - 86400}~{now}" for row in rows})
        self.assertEqual({(line["last"], line["whole"]) for line in lines}, {(False, True)})
        self.set(append={"count": 1, "index": "main", "late_by": 100})
        self.records(search="search index=main | stats count by host", earliest=now - 86400, latest=now)
        self.assertEqual(len(self.ledger("splunk")), 6)
        self.assertEqual(len(self.records(search="| tstats count where index=os by sourcetype")), 3)
        self.assertEqual([json.loads(row) for row in self.records(search="| tstats count where index=none")], [{"count": "0"}])
        self.assertEqual(len(self.records(search='| savedsearch "Errors by type"')), 3)
        self.refused(400, [], "Unable to find saved search", search="| savedsearch other")

    def test_forms(self):
        for body, violations, text in ((self.form(color="red"), ["form"], '"color" is not supported'),
                                       (self.form() + "&output_mode=json", ["form"], "twice"), (self.form(preview="maybe"), ["form"], "preview")):
            self.refused(400, violations, text, body=body)
        self.refused(400, ["content_type"], "Content-Type", headers=TOKEN)
        self.refused(200, ["encoding"], body=self.form().replace("search+index%3Dmain", "search index%3Dmain"))
        reply = self.refused(200, ["output_mode"], body=self.form(output_mode=""))
        self.assertTrue(reply.body.startswith(b"<?xml"))
        self.assertEqual(self.ledger("splunk")[0]["offered"], 1)

    def test_methods_and_paths(self):
        for method, path, status, violation in (("GET", EXPORT, 405, "method"), ("POST", "/services/search/v2/jobs", 404, "path"),
                                                ("GET", "/services/search/v2/jobs/1.1", 404, "path"), ("PUT", JOBS, 405, "method"),
                                                ("GET", "/servicesNS/-/-/search/jobs", 404, "path"), ("GET", LOGIN, 405, "method")):
            self.post("splunk/clear", {"violations": True})
            reply = self.get(f"/splunk{path}", TOKEN, method)
            self.assertEqual((reply.status, self.violations()), (status, [violation]), path)
            self.assertEqual(ElementTree.fromstring(reply.body).tag, "response")


class JobTest(SplunkTest):
    def test_job_matches_ledger(self):
        sid = self.job()
        self.assertRegex(sid, r"^\d{10}\.\d+$")
        content = self.content(sid)
        self.assertEqual([content[name] for name in ("sid", "dispatchState", "isDone", "isFailed", "resultCount", "messages")],
                         [sid, "DONE", True, False, 875, []])
        records = []
        while len(records) < 875:
            reply = self.results(sid, 200, len(records))
            self.assertTrue(reply.body.startswith(b'{"preview":false,"init_offset":%d,"messages":[],"fields":[{"name":"_time"},' % len(records)))
            records += page_of(reply.body)
        self.assertEqual(page_of(self.results(sid, 200, 875).body), [])
        self.assertEqual({identity(record): sha256(record) for record in records},
                         {line["id"]: line["sha256"] for line in self.ledger("splunk", "?all=1")})
        self.assertEqual(records, [*self.records()])
        self.assertEqual(self.get(f"/splunk{JOBS}/{sid}", TOKEN, "DELETE").status, 200)
        self.assertEqual(self.status(sid).status, 404)
        self.assertEqual(self.violations(), [])

    def test_life_of_a_job(self):
        self.set(queue_seconds=100, run_seconds=100)
        sid, seen = self.job(), []
        for seconds in (0, 105, 150, 190, 205):
            self.set(clock_skew=seconds)
            seen.append(self.content(sid)["dispatchState"])
            self.assertEqual(self.results(sid).status, 200 if seen[-1] == "DONE" else 204)
        self.assertEqual(seen, ["QUEUED", "PARSING", "RUNNING", "FINALIZING", "DONE"])

    def test_failed_and_stuck(self):
        self.set(job_end="failed")
        content = self.content(self.job())
        self.assertEqual((content["dispatchState"], content["isFailed"], content["messages"][0]["type"]), ("FAILED", True, "FATAL"))
        self.set(job_end="stuck")
        sid = self.job()
        self.set(clock_skew=500)
        self.assertEqual(self.content(sid)["dispatchState"], "QUEUED")
        self.assertEqual(self.set(finish_jobs=True)["finish_jobs"], [sid])
        self.assertEqual(self.content(sid)["resultCount"], 875)
        other = self.job()
        self.set(fail_jobs=True)
        self.assertTrue(self.content(other)["isFailed"])

    def test_results_are_fixed(self):
        for snapshot, expected in (("created", 875), ("done", 876)):
            self.start(f"splunk.snapshot={snapshot}")
            self.set(run_seconds=50)
            sid = self.job()
            self.set(append={"count": 1, "index": "main", "late_by": 60})
            self.set(clock_skew=60)
            self.assertEqual(self.content(sid)["resultCount"], expected)

    def test_jobs_are_forgotten(self):
        sid = self.job()
        self.set(clock_skew=500)
        self.assertEqual(self.status(sid).status, 200)
        self.set(clock_skew=1000)
        self.assertEqual(self.status(sid).status, 200)
        self.set(clock_skew=1700)
        reply = self.status(sid)
        self.assertEqual((reply.status, reply.json()["messages"]), (404, [{"type": "FATAL", "text": "Unknown sid."}]))
        self.set(clock_skew=0)
        self.assertEqual(self.results(sid).status, 404)
        other = self.job()
        self.set(expire_jobs=True)
        self.assertEqual(self.results(other).status, 404)
        self.assertEqual(self.violations(), [])
        self.assertEqual(self.status("1795150000.42").status, 404)
        self.assertEqual(self.violations(), ["unknown_job"])

    def test_pages_are_capped(self):
        self.set(max_result_rows=50)
        sid = self.job()
        self.assertEqual([len(page_of(self.results(sid, count).body)) for count in (0, 10, 10000)], [50, 10, 50])
        self.assertEqual(self.results(sid, "x").status, 400)
        self.assertEqual(len(page_of(self.get(f"/splunk/services/search/v2/jobs/{sid}/results?output_mode=json", TOKEN).body)), 50)

    def test_slots(self):
        self.set(search_slots=3, foreign_jobs={"count": 3, "seconds": 60})
        for reply in (self.create(), self.export()):
            self.assertEqual((reply.status, reply.json()["messages"][0]["type"]), (503, "FATAL"))
        self.set(slots_answer="fatal")
        for reply in (self.create(), self.export()):
            self.assertEqual((reply.status, reply.json()["messages"][0]["type"]), (200, "FATAL"))
        self.set(clock_skew=70)
        self.assertEqual((self.create().status, self.export().status), (201, 200))
        self.assertEqual(self.violations(), [])
        self.set(disk_jobs=1, slots_answer="503")
        self.assertIn("disk usage quota", self.create().json()["messages"][0]["text"])

    def test_nuisances_are_noted(self):
        self.set(run_seconds=100)
        for _ in range(3):
            self.job()
        self.assertEqual(self.violations(), ["second_job"])
        self.post("splunk/clear", {"violations": True})
        self.set(clock_skew=200, left_jobs=2, run_seconds=0)
        sid = self.job()
        self.assertEqual(self.violations(), ["left_jobs"])
        self.post("splunk/clear", {"violations": True})
        self.set(status_polls=2)
        for _ in range(3):
            self.status(sid)
        self.assertEqual(self.violations(), ["status_polls"])

    def test_jobs_of_others(self):
        foreign = self.set(foreign_jobs={"count": 2, "seconds": 0})["foreign_jobs"]
        own = self.job()
        listed = [entry["content"]["sid"] for entry in self.get(f"/splunk{JOBS}?output_mode=json", TOKEN).json()["entry"]]
        self.assertEqual(listed, [*foreign, own])
        self.assertEqual(self.violations(), [])
        self.assertEqual(self.results(foreign[0]).status, 200)
        self.get(f"/splunk{JOBS}/{foreign[1]}", TOKEN, "DELETE")
        self.assertEqual(self.violations(), ["foreign_job", "foreign_job"])

    def test_modes(self):
        reply = self.create(exec_mode="oneshot", count=0)
        self.assertEqual((reply.status, len(page_of(reply.body))), (200, 875))
        self.assertEqual(len(page_of(self.create(exec_mode="oneshot").body)), 100)
        self.set(run_seconds=0.3)
        begin = time.monotonic()
        sid = self.job(exec_mode="blocking")
        self.assertGreaterEqual(time.monotonic() - begin, 0.25)
        self.assertTrue(self.content(sid)["isDone"])
        self.assertEqual(self.create(exec_mode="fast").status, 400)
        reply = self.create(output_mode="")
        self.assertRegex(ElementTree.fromstring(reply.body).findtext("sid"), r"^\d+\.\d+$")


class CredentialTest(SplunkTest):
    def test_three_kinds(self):
        session = self.login().json()
        self.assertEqual((list(session), session["message"], session["code"]), (["sessionKey", "message", "code"], "", ""))
        for value in ("Bearer sim-token", f"Splunk {session['sessionKey']}", "Basic " + b64encode(b"sim-user:sim-password").decode()):
            self.refused(200, [], headers=with_authorization(value))
        self.set(basic="refused")
        self.refused(401, [], "call not properly authenticated", headers=with_authorization("Basic " + b64encode(b"sim-user:sim-password").decode()))

    def test_login(self):
        reply = self.login("username=sim-user&password=sim-password")
        self.assertRegex(ElementTree.fromstring(reply.body).findtext("sessionKey"), r"^[0-9a-f]{32}$")
        for body, status, violations in (("username=sim-user&output_mode=json", 400, ["form"]),
                                         ("username=sim-user&password=bad&output_mode=json", 401, ["authorization"])):
            self.post("splunk/clear", {"violations": True})
            reply = self.login(body)
            self.assertEqual((reply.status, self.violations()), (status, violations))
        self.assertEqual(reply.json(), {"messages": [{"type": "WARN", "text": "Login failed"}]})
        self.post("splunk/clear", {"violations": True})
        self.set(login_limit=2)
        for _ in range(2):
            self.login()
        self.assertEqual(self.violations(), ["login_again"])

    def test_credentials_stay_out_of_urls_and_logs(self):
        self.get(f"/splunk{LOGIN}?username=sim-user&password=sim-password", {"Content-Type": "application/x-www-form-urlencoded"}, "POST", "")
        self.assertEqual(self.violations(), ["secret_in_url"])
        self.records()
        key = self.login().json()["sessionKey"]
        self.export(headers=with_authorization(f"Splunk {key}"))
        text = b"".join(self.get(f"/_sim/{path}").body for path in ("requests/splunk", "state", "violations"))
        for secret in ("sim-password", "sim-token", key):
            self.assertNotIn(secret.encode(), text)

    def test_session_ends(self):
        key = self.login().json()["sessionKey"]
        headers = with_authorization(f"Splunk {key}")
        for skew, status in ((3500, 200), (7000, 200), (10700, 401)):
            self.set(clock_skew=skew)
            self.refused(status, [], headers=headers)
        headers = with_authorization(f"Splunk {self.login().json()['sessionKey']}")
        self.refused(200, [], headers=headers)
        self.set(expire_sessions=True)
        for _ in range(3):
            self.refused(401, [], "call not properly authenticated", headers=headers)
        self.refused(401, ["refused_again"], headers=headers)

    def test_refused_credentials(self):
        for value in ("", "Bearer other", "Splunk 00aa11bb22cc33dd", "Basic !", "Bearer"):
            self.refused(401, ["authorization"], headers=with_authorization(value))
        self.set(weak_tokens=["weak"])
        self.refused(403, [], headers=with_authorization("Bearer weak"))
        self.set(revoke_token="sim-token")
        self.refused(401, [])
        self.set(tokens=["new"])
        self.refused(200, [], headers=with_authorization("Bearer new"))

    def test_revoked_user(self):
        key = self.login().json()["sessionKey"]
        self.set(revoke_user="sim-user")
        self.refused(401, [], headers=with_authorization(f"Splunk {key}"))
        self.assertEqual((self.login().status, self.violations()), (401, []))


class MisbehaviourTest(SplunkTest):
    def test_message_lines(self):
        for kind, ends in (("WARN", False), ("ERROR", True), ("FATAL", True)):
            self.post("splunk/clear", {"ledger": True})
            self.misbehave("message_line", "splunk", type=kind, record=10, text="Search process did not exit cleanly")
            body = self.export().body
            lines = body.split(b"\n")
            self.assertEqual(json.loads(lines[10]), {"preview": False, "messages": [{"type": kind, "text": "Search process did not exit cleanly"}]})
            self.assertEqual(len(results_of(body)), 10 if ends else 875)
            self.assertEqual(b"lastrow" in body, not ends)
            ledger = self.ledger("splunk")
            self.assertEqual(sum(line["sent"] for line in ledger), 10 if ends else 875)
            self.assertFalse(any(line["whole"] for line in ledger))
            self.assertTrue(all(line["last"] for line in ledger))

    def test_fatal_with_200(self):
        self.misbehave("fatal", "splunk", count=2)
        for reply in (self.export(), self.create()):
            self.assertEqual((reply.status, reply.json()["messages"][0]["type"]), (200, "FATAL"))
        self.assertEqual(self.ledger("splunk"), [])

    def test_cuts(self):
        size = len(self.export().body)
        for framing in ("length", "chunked", "close"):
            for at in (1, 700, size // 2, size - 2):
                self.post("splunk/clear", {"ledger": True})
                self.misbehave("cut", "splunk", at=at, framing=framing)
                data = self.raw_export()
                if framing != "chunked":
                    self.assertEqual(len(data), at)
                    complete = sum(1 for record in whole_results(data))
                    self.assertEqual(sum(line["sent"] for line in self.ledger("splunk")), complete, (framing, at))
                self.assertFalse(any(line["whole"] for line in self.ledger("splunk")))

    def raw_export(self):
        body = self.form()
        lines = [f"POST /splunk{EXPORT} HTTP/1.1", f"Host: {self.host}", "Connection: close", f"Content-Length: {len(body)}",
                 *(f"{name}: {value}" for name, value in FORM.items())]
        with socket.create_connection(self.server.url[7:].split(":"), timeout=5) as connection:
            connection.sendall(("\r\n".join(lines) + "\r\n\r\n" + body).encode())
            data = b""
            while chunk := connection.recv(65536):
                data += chunk
        return data.partition(b"\r\n\r\n")[2]

    def test_spans_are_those_of_the_records(self):
        for lines in ("single", "batch"):
            records = [b'{"n":"%d"}' % number * (number % 3 + 1) for number in range(25)]
            body = ExportStream(lambda: iter(records), len(records), SimpleNamespace(
                lines=lines, blank_lines=False, lastrow="last", empty_export="nothing"), b"before\n")   # noqa: B023
            whole = b"".join(body.chunks())
            self.assertEqual(len(whole), body.length())
            spans = [body.span(number) for number in range(25)]
            self.assertEqual([whole[begin:end] for begin, end in spans], records)
            for sent in range(len(whole)):
                self.assertEqual(body.complete_within(sent), sum(end <= sent for _, end in spans), sent)
            self.assertRaises(IndexError, body.span, 25)

    def test_cut_between_lines_looks_complete(self):
        self.misbehave("truncated_json", "splunk", record=20)
        reply = self.export()
        self.assertEqual(len(whole_results(reply.body)), 20)
        self.assertFalse(any(line["whole"] for line in self.ledger("splunk")))

    def test_spoilt_record(self):
        self.misbehave("bad_utf8", "splunk", record=3)
        body = self.export().body
        line = body.split(b"\n")[3]
        self.assertIn(b"\xc3\x28", line)
        altered = [line for line in self.ledger("splunk") if line.get("altered")]
        begin = line.index(b'"result":') + 9
        self.assertEqual([row["sha256"] for row in altered], [sha256(line[begin:-1])])

    def test_throttle(self):
        self.misbehave("throttle", "splunk", seconds=60)
        reply = self.export()
        self.assertEqual((reply.status, reply.headers["Retry-After"]), (429, "60"))
        self.export()
        self.assertEqual(self.violations(), ["before_named_time"])
        self.misbehave("throttle", "splunk", header="reset", seconds=3)
        self.assertEqual(self.create().headers["Retry-After"], "3")

    def test_errors_as_the_vendor_writes_them(self):
        for status, text in ((401, "call not properly authenticated"), (403, "insufficient permission"), (503, "maximum number of concurrent")):
            self.misbehave("status", "splunk", status=status)
            reply = self.export()
            self.assertEqual(reply.status, status)
            self.assertIn(text, reply.json()["messages"][0]["text"])
        self.misbehave("status", "splunk", status=502)
        self.assertIn(b"<html>", self.export().body)
        self.misbehave("garbage_json", "splunk")
        self.assertRaises(ValueError, self.export().json)

    def test_gzip(self):
        self.set(gzip="always")
        reply = self.export()
        self.assertEqual(len(results_of(zlib.decompress(reply.body, 31))), 875)
        self.assertTrue(all(line["whole"] for line in self.ledger("splunk")))

    def test_parallel_requests(self):
        self.set(max_concurrent=0)
        self.assertEqual((self.export().status, self.violations()), (429, ["concurrency"]))


def whole_results(data):
    """Results that are there to their last byte, though the reply may end within the next one."""
    return [line for line in data.split(b"\n") if _complete(line)]


def _complete(line):
    try:
        _DECODER.raw_decode(line[line.index(b'"result":') + 9:].decode())
    except ValueError:
        return False
    return True


if __name__ == "__main__":
    unittest.main()
