#!/usr/bin/env python3
"""The simulated Qualys: python3 tests/simulator/test_qualys.py"""

import json
import os
import pickle
import re
import socket
import sys
import time
import unittest
import zlib
from base64 import b64encode
from dataclasses import replace
from urllib.parse import quote, urlsplit
from xml.etree import ElementTree

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(os.path.dirname(HERE), "lib", "python")]

from signaltest.copier import Copy              # noqa: E402  (the paths come first)
from signaltest.ledger import Ledger, Offers    # noqa: E402
from simulator import make_vendors              # noqa: E402
from test_base import SimulatorTest, rfc3339, sha256    # noqa: E402
from vendors.qualys_records import ALL_SHAPES, SHAPES, cdata, shape_names   # noqa: E402

BASIC = "Basic " + b64encode(b"sim-user:sim-password").decode()
QUALYS = {"Authorization": BASIC, "X-Requested-With": "signal-client"}
FORM = {**QUALYS, "Content-Type": "application/x-www-form-urlencoded"}
PATH = "/api/2.0/fo/asset/host/vm/detection/"
FIXED = "action=list&output_format=XML&show_igs=0&show_reopened_info=1&status=New,Active,Fixed,Re-Opened"


def basic(pair):
    return {**QUALYS, "Authorization": "Basic " + b64encode(pair.encode()).decode()}


class QualysTest(SimulatorTest):
    def setUp(self):
        self.start()

    def start(self, *options, vendors=("qualys",)):
        self.serve(make_vendors(vendors, 7, options))

    def set(self, **changes):
        return self.post("qualys/set", changes)["results"]

    def query(self, more="", limit=10, after=86400):
        """Fixed query of the sheet with a lookback of `after` seconds (None: none)."""
        text = f"{FIXED}&truncation_limit={limit}{more}"
        return text + (f"&vm_processed_after={rfc3339(time.time() - after)}" if after is not None else "")

    def page(self, query=None, headers=QUALYS, path=PATH, **more):
        return self.get(f"/qualys{path}?{query or self.query(**more)}", headers)

    def pages(self, **more):
        """Replies of a whole walk, by the URLs that they end with."""
        target, replies = f"/qualys{PATH}?{self.query(**more)}", []
        while target:
            replies.append(self.get(target, QUALYS))
            self.assertEqual(replies[-1].status, 200, replies[-1].body)
            target = next_target(replies[-1].body)
        return replies

    def records(self, **more):
        return [record for reply in self.pages(**more) for record in records_of(reply.body)]

    def refused(self, status, violations, number=None, **more):
        self.post("qualys/clear", {"violations": True})
        reply = self.page(**more)
        self.assertEqual((reply.status, self.violations()), (status, violations), reply.body)
        if number is not None:
            self.assertEqual(code_of(reply.body), number)
        return reply


# An independent reading of the XML, by rules of the documentation: expat instead of what wrote it.

def next_target(body):
    url = ElementTree.fromstring(body).findtext("RESPONSE/WARNING/URL")
    if url is None:
        return None
    parts = urlsplit(url)
    return ("" if parts.path.startswith("/qualys/") else "/qualys") + parts.path + "?" + parts.query


def value_of(element):
    if len(element) == 0 and not element.attrib:
        return element.text or ""
    members = {f"@{name}": value for name, value in element.attrib.items()}
    for child in element:
        value = value_of(child)
        if child.tag in members:
            known = members[child.tag]
            members[child.tag] = [*known, value] if isinstance(known, list) else [known, value]
        else:
            members[child.tag] = value
    if len(element) == 0 and element.text:
        members["#text"] = element.text
    return members


def records_of(body, nested=False):
    """Bytes of all records of a reply."""
    found = []
    for host in ElementTree.fromstring(body).iterfind("RESPONSE/HOST_LIST/HOST"):
        listed = host.find("DETECTION_LIST")
        host.remove(listed)
        fields = value_of(host)
        for detection in listed:
            members = {**fields, "DETECTION": value_of(detection)} if nested else {**fields, **value_of(detection)}
            found.append(json.dumps(members, separators=(",", ":"), ensure_ascii=False).encode())
    return found


def identity(record):
    data = json.loads(record)
    parts = [data["ID"], data["QID"], *(data.get(name, "") for name in ("PORT", "PROTOCOL", "SSL"))]
    return "~".join([*parts, data["LAST_UPDATE_DATETIME"], data["STATUS"]])


def code_of(body):
    root = ElementTree.fromstring(body)
    assert root.tag == "SIMPLE_RETURN", root.tag
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", root.findtext("RESPONSE/DATETIME"))
    return int(root.findtext("RESPONSE/CODE"))


def host_ids(body):
    return [int(element.text) for element in ElementTree.fromstring(body).iterfind("RESPONSE/HOST_LIST/HOST/ID")]


class WalkTest(QualysTest):
    def test_walk_matches_ledger(self):
        replies = self.pages()
        records = [record for reply in replies for record in records_of(reply.body)]
        ledger = self.ledger("qualys", "?all=1")
        self.assertEqual({identity(record): sha256(record) for record in records}, {line["id"]: line["sha256"] for line in ledger})
        self.assertEqual(len(records), len(ledger))
        self.assertEqual({(line["type"], line["offered"], line["sent"], line["last"], line["whole"]) for line in ledger},
                         {("host_detections", 1, True, True, True)})
        self.assertEqual(len(replies), 6)
        ids = [number for reply in replies for number in host_ids(reply.body)]
        self.assertEqual(ids, sorted(set(ids)))
        self.assertEqual(len(ids), 60)
        self.assertEqual(self.violations(), [])
        self.assertEqual(self.state("qualys")["walks"], {"host_detections": 1})

    def test_the_oracle_can_judge(self):
        copies = []
        for seq, record in enumerate(self.records(), 1):
            own = identity(record)
            headers = f"NATS/1.0\r\nNats-Msg-Id: q.host_detections.{own}\r\nce-id: {own}\r\n\r\n".encode()
            copies.append(Copy(seq, "data", headers, sha256(record), len(record), 0))

        def judged(given):
            return Ledger(Offers("q.host_detections.").add_lines(self.ledger("qualys", "?all=1"))).judge(given)
        self.assertTrue(judged(copies).exact, judged(copies).text())
        self.assertEqual(judged(copies[1:]).wrong(), ["missing"])
        self.assertEqual(judged([*copies, copies[0]]).wrong(), ["doubled_by_id", "doubled_by_body"])
        self.assertIn("altered", judged([replace(copies[0], sha256="0" * 64), *copies[1:]]).wrong())

    def test_bytes_of_the_sample(self):
        body = self.page(limit=1).body.decode()
        self.assertTrue(body.startswith('<?xml version="1.0" encoding="UTF-8"?>\n<HOST_LIST_VM_DETECTION_OUTPUT><RESPONSE><DATETIME>2'), body[:200])
        host = re.search(r"<HOST>.*?<DETECTION_LIST>", body, re.S).group()
        self.assertEqual(re.findall(r"<([A-Z_]+)>", host), ["HOST", "ID", "ASSET_ID", "IP", "TRACKING_METHOD", "OS", "DNS", "LAST_SCAN_DATETIME",
                                                            "LAST_VM_SCANNED_DATE", "LAST_VM_SCANNED_DURATION", "DETECTION_LIST"])
        self.assertRegex(host, r"<OS><!\[CDATA\[.*?\]\]></OS><DNS><!\[CDATA\[srv-0.acme.test\]\]></DNS>")
        with_port = next(text for text in re.findall(r"<DETECTION>.*?</DETECTION>", body, re.S) if "<PORT>" in text)
        self.assertEqual(re.findall(r"<([A-Z_]+)[ >]", re.sub(r"<!\[CDATA\[.*?\]\]>", "", with_port, flags=re.S)), [
            "DETECTION", "QID", "TYPE", "SEVERITY", "PORT", "PROTOCOL", "SSL", "RESULTS", "STATUS", "FIRST_FOUND_DATETIME", "LAST_FOUND_DATETIME",
            "QDS", "TIMES_FOUND", "LAST_TEST_DATETIME", "LAST_UPDATE_DATETIME", "IS_IGNORED", "IS_DISABLED", "LAST_PROCESSED_DATETIME"])
        self.assertRegex(with_port, r'<QDS severity="(LOW|MEDIUM|HIGH|CRITICAL)">\d+</QDS>')
        following = int(re.search(r"id_min=(\d+)", body).group(1))
        query = self.query(limit=1)[:-20]
        self.assertTrue(body.endswith(
            f"</HOST></HOST_LIST><WARNING><CODE>1980</CODE><TEXT>1 record limit exceeded. Use URL to get next batch of results.</TEXT><URL>"
            f"<![CDATA[https://qualysapi.qualys.test{PATH}?{query}{body[body.index(query) + len(query):][:20]}&id_min={following}]]></URL></WARNING>"
            "</RESPONSE></HOST_LIST_VM_DETECTION_OUTPUT>"), body[-700:])
        self.assertEqual(host_ids(self.page(limit=2).body)[1], following)

    def test_last_page_has_no_warning_and_an_empty_one_no_list(self):
        last = self.pages()[-1]
        self.assertNotIn(b"WARNING", last.body)
        empty = self.page(more=f"&vm_processed_before={rfc3339(time.time() - 80000)}")
        self.assertRegex(empty.body, rb"<RESPONSE><DATETIME>[^<]+</DATETIME></RESPONSE>")
        self.set(empty="element")
        self.assertIn(b"<HOST_LIST></HOST_LIST>", self.page(after=0).body)

    def test_forms_of_the_url(self):
        for options in (("next_url=mounted",), ("url_escaping=entities",), ("next_url=mounted", "style=pretty", "doctype=system")):
            self.start(*(f"qualys.{option}" for option in options))
            self.assertEqual(len(self.records()), len(self.ledger("qualys", "?all=1")), options)
            self.assertEqual(self.violations(), [])
        self.assertIn(b'<!DOCTYPE HOST_LIST_VM_DETECTION_OUTPUT SYSTEM "https://', self.page().body)
        self.set(url_escaping="entities")
        self.assertIn(b"&amp;id_min=", self.page().body)

    def test_version_5_and_its_link(self):
        self.set(link_header=True)
        for path, linked in ((PATH, False), (PATH.replace("2.0", "5.0"), True)):
            reply = self.page(path=path)
            self.assertEqual(reply.status, 200)
            self.assertEqual("Link" in reply.headers, linked)
            self.assertIn(path.encode() + b"?", reply.body)
        self.set(versions=["5.0"])
        self.assertIn(b"<html>", self.refused(404, ["path"]).body)

    def test_post_form(self):
        reply = self.get(f"/qualys{PATH}", FORM, "POST", self.query())
        self.assertEqual(reply.status, 200)
        following = self.get(next_target(reply.body), QUALYS)
        self.assertEqual(host_ids(self.page().body), host_ids(reply.body))
        self.assertEqual(host_ids(following.body), host_ids(self.pages()[1].body))
        self.assertEqual(self.violations(), [])
        reply = self.get(f"/qualys{PATH}", QUALYS, "POST", self.query())
        self.assertEqual((reply.status, self.violations()), (400, ["content_type"]))

    def test_own_id_min_goes_on(self):
        pages = self.pages()
        again = self.page(more=f"&id_min={host_ids(pages[2].body)[3] + 1}")
        self.assertEqual(host_ids(again.body)[0], host_ids(pages[2].body)[4])
        self.assertEqual(self.violations(), [])

    def test_all_kinds_of_xml(self):
        for style in ("compact", "pretty", "spaced"):
            self.start("qualys.shapes=all", "qualys.shape_every=1", f"qualys.style={style}", "qualys.detections=300", "qualys.unique_ids=present")
            records = self.records(more="&show_tags=1&show_qds_factors=1", limit=25)
            self.assertEqual({identity(record): sha256(record) for record in records},
                             {line["id"]: line["sha256"] for line in self.ledger("qualys", "?all=1")}, style)
            texts = {json.loads(record)["RESULTS"] for record in records}
            self.assertEqual(texts, {text.value for text in SHAPES.values()})
            self.assertTrue(any(isinstance(json.loads(record)["TAGS"]["TAG"], list) for record in records))
            self.assertTrue(any(isinstance(json.loads(record)["TAGS"]["TAG"], dict) for record in records))
            self.assertTrue(all("UNIQUE_VULN_ID" in json.loads(record) for record in records))
        self.assertEqual(shape_names(["all"]), ALL_SHAPES)
        self.assertEqual(ElementTree.fromstring(f"<a>{cdata('x]]>y]]>').wire}</a>").text, "x]]>y]]>")

    def test_nested_form_and_unique_identity(self):
        self.start("qualys.form=nested", "qualys.unique_ids=identity")
        found = [record for reply in self.pages() for record in records_of(reply.body, nested=True)]
        ledger = {line["id"]: line["sha256"] for line in self.ledger("qualys", "?all=1")}
        self.assertEqual({sha256(record) for record in found}, set(ledger.values()))
        first = json.loads(found[0])["DETECTION"]
        self.assertIn(f"{first['UNIQUE_VULN_ID']}~{first['LAST_UPDATE_DATETIME']}~{first['STATUS']}", ledger)

    def test_large_page_is_streamed(self):
        self.start("qualys.hosts=400", "qualys.detections=8000")
        reply = self.page(limit=1000)
        self.assertEqual(reply.headers["Transfer-Encoding"], "chunked")
        self.assertGreater(len(records_of(reply.body)), 5000)
        self.assertTrue(all(line["whole"] for line in self.ledger("qualys")))

    def test_seed_decides(self):
        made = []
        for seed in (7, 7, 8):
            self.serve(make_vendors(("qualys",), seed, ("qualys.start=1795000000",)))
            made.append(self.records(after=30 * 86400 * 40))
        self.assertEqual(made[0], made[1])
        self.assertNotEqual(made[0], made[2])


class SelectionTest(QualysTest):
    def test_bounds_and_equal_times(self):
        ledger = self.records(limit=100)
        times = sorted({json.loads(record)["LAST_SCAN_DATETIME"] for record in ledger})
        low, high = times[3], times[6]
        for bounds, expected in (("inclusive", times[3:7]), ("exclusive", times[4:6])):
            self.set(bounds=bounds)
            found = [json.loads(record) for record in records_of(
                self.page(f"{FIXED}&vm_processed_after={low}&vm_processed_before={high}").body)]
            self.assertEqual(sorted({record["LAST_SCAN_DATETIME"] for record in found}), expected)
            self.assertEqual(len({record["ID"] for record in found}), 3 * len(expected))
        day = low[:10]
        self.assertTrue(records_of(self.page(f"{FIXED}&vm_processed_after={day}").body))

    def test_filters(self):
        everything = {identity(record) for record in self.records(limit=100)}
        self.set(fix=10)
        fixed = [json.loads(record) for record in self.records(limit=100) if b'"STATUS":"Fixed"' in record]
        self.assertEqual(len(fixed), 10)
        self.assertTrue(all(record["LAST_FIXED_DATETIME"] == record["LAST_UPDATE_DATETIME"] for record in fixed))
        for more, check in (("&severities=3-5", lambda record: record["SEVERITY"] in "345"),
                            ("&show_qds=0", lambda record: "QDS" not in record), ("&show_results=0", lambda record: "RESULTS" not in record)):
            found = [json.loads(record) for record in self.records(limit=100, more=more)]
            self.assertTrue(found and all(map(check, found)), more)
        ids = [json.loads(record)["ID"] for record in self.records(limit=100)]
        chosen = self.page(f"{FIXED}&ids={ids[0]},{ids[-1]}")
        self.assertEqual({str(number) for number in host_ids(chosen.body)}, {ids[0], ids[-1]})
        self.assertEqual(self.violations(), [])
        self.assertTrue(everything)

    def test_vendor_defaults_leave_out_what_is_fixed(self):
        self.set(fix=10)
        query = f"action=list&truncation_limit=100&vm_processed_after={rfc3339(time.time() - 86400)}"
        reply = self.refused(200, ["fixed_query"], query=query)
        self.assertNotIn(b"<STATUS>Fixed", reply.body)

    def test_information_gathered_is_only_shown_on_demand(self):
        self.assertFalse(any(b'"TYPE":"Info"' in record for record in self.records()))
        self.assertFalse(any(b"Info" in line["id"].encode() for line in self.ledger("qualys", "?all=1")))
        before = len(self.ledger("qualys", "?all=1"))
        query = self.query(limit=100).replace("show_igs=0", "show_igs=1")
        self.assertIn(b"<TYPE>Info</TYPE>", self.page(query).body)
        self.assertGreater(len(self.ledger("qualys", "?all=1")), before)

    def test_detection_updated_since(self):
        self.set(untouched_every=2, scan={"count": 60})
        since = rfc3339(time.time() - 60)
        found = self.records(limit=100, more=f"&detection_updated_since={since}")
        self.assertTrue(found and all(json.loads(record)["LAST_UPDATE_DATETIME"] >= since for record in found))
        self.assertLess(len(found), len(self.records(limit=100)))
        self.set(detection_updated_since="refused")
        self.refused(400, [], 1901, more=f"&detection_updated_since={since}")

    def test_refused_queries(self):
        self.set(rate_limit=1000)
        now = rfc3339(time.time())
        for number, violations, query in (
                (1901, ["query"], self.query(more="&colour=red")), (1903, ["query"], "output_format=XML"), (1905, ["query"], "action=delete"),
                (1905, ["output_format"], "action=list&output_format=CSV"),
                (1905, ["query"], self.query().replace("Re-Opened", "Reopened")), (1905, ["query"], self.query(limit="-1")),
                (1905, ["query"], self.query(limit="many")), (1905, ["query"], self.query(more="&id_min=x")),
                (1905, ["time"], f"{FIXED}&vm_processed_after=1795000000"), (1905, ["time"], f"{FIXED}&vm_processed_after=2026-11-20T02:00:00%2B00:00"),
                (1905, ["time"], f"{FIXED}&vm_processed_after=2026-13-20"), (1905, ["query"], self.query(more="&severities=0-9")),
                (1905, ["query"], self.query().replace("show_igs=0", "show_igs=no")), (1904, ["query"], self.query(more="&action=list")),
                (1907, ["window"], f"{FIXED}&vm_processed_after={now}&vm_processed_before=2026-01-01"),
                (1905, ["ids"], self.query(more="&ids=" + ",".join("123" for _ in range(10001))))):
            self.refused(400, violations, number, query=query)
        self.post("qualys/clear", {"violations": True})
        reply = self.get(f"/qualys{PATH}?{self.query()}", QUALYS, "DELETE")
        self.assertEqual((reply.status, code_of(reply.body), self.violations()), (400, 1908, ["method"]))

    def test_nuisances_are_answered_but_noted(self):
        self.refused(200, ["unlimited"], limit=0)
        self.refused(200, [], after=None)
        self.refused(200, ["full_extract"], after=None)
        self.post("qualys/clear", {"violations": True})
        reply = self.raw(f"/qualys{PATH}?{self.query(more='&qids=1')}&show_tags={{1}}", QUALYS)
        self.assertIn(b" 400 ", reply.partition(b"\r\n")[0])
        self.assertEqual(self.violations(), ["encoding", "query"])


class ChangeTest(QualysTest):
    def test_scan_makes_newer_versions(self):
        before = self.records(limit=100)
        scanned = set(map(str, self.set(scan={"count": 5, "which": "first"})["scan"]))
        after = self.records(limit=100)
        changed = set(after) - set(before)
        self.assertEqual({json.loads(record)["ID"] for record in changed}, scanned)
        self.assertEqual(len({identity(record) for record in changed} & {identity(record) for record in before}), 0)
        lines = self.ledger("qualys")
        self.assertEqual(sum(not line["last"] for line in lines), len(changed))
        self.assertTrue(all(line["whole"] for line in lines))

    def test_untouched_detections_keep_their_identity_though_bytes_change(self):
        self.set(untouched_every=2)
        before = self.records(limit=100)
        self.set(scan={"count": 60})
        after = self.records(limit=100)
        same = {identity(record) for record in before} & {identity(record) for record in after}
        self.assertTrue(same)
        self.assertFalse(set(before) & set(after))
        lines = [line for line in self.ledger("qualys", "?all=1") if line["id"] in same]
        self.assertEqual({(line["last"], line["whole"], line["variants"]) for line in lines}, {(False, False, 2)})
        offers = Offers("q.host_detections.").add_lines(self.ledger("qualys", "?all=1"))
        self.assertEqual(len(offers), len(set(map(identity, [*before, *after])) - same))

    def test_a_version_never_offered_is_owed_unless_its_identity_went_out(self):
        self.records(limit=100)
        self.set(untouched_every=2, scan={"count": 60})
        new = [line for line in self.ledger("qualys", "?all=1") if not line["offered"]]
        offered = {line["id"] for line in self.ledger("qualys")}
        self.assertEqual({line["last"] for line in new if line["id"] in offered}, {False})
        self.assertEqual({line["last"] for line in new if line["id"] not in offered}, {True})
        self.assertTrue(all(line["whole"] for line in self.ledger("qualys") if "variants" not in line))

    def test_life_of_a_detection(self):
        host = str(self.set(add_hosts={"count": 1, "detections": 1})["add_hosts"][0])
        seen = []
        for change in ("scan", "fix", "scan", "reopen", "scan"):
            seen.append(json.loads(self.one(host)))
            self.set(**{change: {"count": 1, "which": "last"}})
        self.assertEqual([record["STATUS"] for record in seen], ["New", "Active", "Fixed", "Fixed", "Re-Opened"])
        self.assertEqual([record["TIMES_FOUND"] for record in seen], ["1", "2", "2", "2", "3"])
        self.assertEqual(seen[4]["TIMES_REOPENED"], "1")
        updated = [record["LAST_UPDATE_DATETIME"] for record in seen]
        self.assertEqual(updated, sorted(set(updated)))

    def one(self, host):
        return next(record for record in self.records(limit=100) if json.loads(record)["ID"] == host)

    def test_within_one_second(self):
        host = str(self.set(add_hosts={"count": 1, "detections": 1})["add_hosts"][0])
        first = self.one(host)
        self.set(scan={"count": 1, "which": "last"})
        second = self.one(host)
        self.set(scan={"count": 1, "which": "last", "same_stamp": True})
        third = self.one(host)
        self.assertNotEqual(identity(first), identity(second))
        self.assertEqual(identity(second), identity(third))
        self.assertNotEqual(second, third)

    def test_late_records(self):
        closed = rfc3339(time.time() - 1800)
        before = f"{FIXED}&truncation_limit=1000&vm_processed_before={closed}&vm_processed_after={rfc3339(time.time() - 86400)}"
        known = set(records_of(self.page(before).body))
        self.set(add_hosts={"count": 2, "late_by": 3000})
        late = set(records_of(self.page(before).body)) - known
        self.assertEqual(len({json.loads(record)["ID"] for record in late}), 2)
        self.assertTrue(self.set(append={"count": 3, "late_by": 600, "shapes": ["utf8"]})["append"])

    def test_changes_while_a_walk_is_open(self):
        self.set(churn={"pages": 6, "append": 2, "scan": 3, "add_hosts": 1, "remove_hosts": 1, "fix": 1, "reopen": 1})
        pages = self.pages(more=f"&vm_processed_before={rfc3339(time.time() - 1)}")
        ids = [number for reply in pages for number in host_ids(reply.body)]
        self.assertEqual(ids, sorted(set(ids)))
        self.assertLess(len(ids), 60)       # those scanned since then lie behind the window
        self.records(limit=100)
        present = [line for line in self.ledger("qualys", "?all=1") if line["last"]]
        self.assertTrue(present and all(line["sent"] for line in present))
        self.assertTrue(any(not line["last"] for line in self.ledger("qualys")))

    def test_mixed_order_on_a_page(self):
        self.set(host_order="mixed")
        pages = [host_ids(reply.body) for reply in self.pages()]
        self.assertTrue(any(page != sorted(page) for page in pages))
        self.assertEqual(sorted(sum(pages, [])), sum(map(sorted, pages), []))
        self.assertEqual(len(sum(pages, [])), 60)

    def test_rate(self):
        self.set(rate=5.0)
        before = self.state("qualys")["detections"]
        self.set(clock_skew=10.0)
        self.assertGreaterEqual(self.state("qualys")["detections"], before + 50)

    def test_state_goes_on(self):
        vendor = make_vendors(("qualys",), 7)[0]
        vendor.set({"scan": 3, "append": 5, "remove_hosts": 2})
        saved = pickle.dumps((vendor.save(), vendor.ledger.pages))
        other = make_vendors(("qualys",), 7)[0]
        model, other.ledger.pages = pickle.loads(saved)
        other.restore(model)
        self.assertEqual(list(other.ledger.lines(True)), list(vendor.ledger.lines(True)))


class CredentialTest(QualysTest):
    def test_header_is_mandatory(self):
        reply = self.refused(403, ["x_requested_with"], 1903, headers={"Authorization": BASIC})
        self.assertIn(b"X-Requested-With", reply.body)
        self.set(no_header="400")
        self.refused(400, ["x_requested_with"], headers={**QUALYS, "X-Requested-With": " "})
        self.refused(200, [], headers={**QUALYS, "X-Requested-With": "curl"})

    def test_refused_users(self):
        for headers in ({"X-Requested-With": "x"}, {**QUALYS, "Authorization": "Basic ???"}, {**QUALYS, "Authorization": "Bearer x"},
                        basic("sim-user:wrong")):
            self.refused(401, ["authorization"], 2000, headers=headers)
        self.set(weak_users=["reader:p"])
        self.refused(403, [], 2012, headers=basic("reader:p"))
        self.set(bad_login_code=2013)
        self.refused(401, ["authorization"], 2013, headers=basic("nobody:x"))

    def test_a_revoked_user_may_ask_a_few_times(self):
        self.set(revoke_user="sim-user", refused_limit=1)
        self.refused(401, [], 2000)
        self.refused(401, ["refused_again"])

    def test_rotation(self):
        self.set(users=["sim-user:new"])
        self.refused(401, [])
        self.refused(200, [], headers=basic("sim-user:new"))

    def test_bad_logins_lock_the_user(self):
        self.set(lock_after=2, refused_limit=10)
        self.page(headers=basic("sim-user:wrong"))
        self.refused(200, [])
        for _ in range(2):
            self.page(headers=basic("sim-user:wrong"))
        self.refused(401, [], 2000)
        self.set(unlock=True)
        self.refused(200, [])

    def test_secrets_are_hashed(self):
        self.page()
        text = self.get("/_sim/requests/qualys").body + self.get("/_sim/state").body
        for secret in (BASIC.encode(), b"sim-password"):
            self.assertNotIn(secret, text)

    def test_connection_test(self):
        reply = self.get("/qualys/msp/about.php", QUALYS)
        self.assertEqual((reply.status, ElementTree.fromstring(reply.body).tag), (200, "ABOUT"))
        self.assertEqual(self.get("/qualys/msp/about.php", basic("x:y")).status, 401)
        self.assertEqual(self.get("/qualys/msp/about.php", QUALYS, "POST", "").status, 400)
        self.assertEqual(self.state("qualys")["calls"].get("about", 0), 0)


class BudgetTest(QualysTest):
    def budget(self, reply):
        return [int(reply.headers[f"X-RateLimit-{name}"]) for name in ("Limit", "Window-Sec", "Remaining", "ToWait-Sec")]

    def test_budget_is_told_and_kept(self):
        self.set(rate_limit=2)
        self.assertEqual(self.budget(self.page()), [2, 3600, 1, 0])
        told = self.page()
        self.assertEqual(self.budget(told)[:3], [2, 3600, 0])
        self.assertTrue(3598 <= self.budget(told)[3] <= 3600)
        self.assertEqual((told.headers["X-Concurrency-Limit-Limit"], told.headers["X-Concurrency-Limit-Running"]), ("2", "0"))
        blocked = self.page()
        self.assertEqual((blocked.status, code_of(blocked.body)), (409, 1965))
        self.assertEqual(ElementTree.fromstring(blocked.body).findtext("RESPONSE/ITEM_LIST/ITEM/KEY"), "SECONDS_TO_WAIT")
        self.assertEqual(self.budget(blocked)[2], 0)
        self.assertEqual(self.state("qualys")["blocked_rate"], 1)

    def test_coming_back_early_is_a_violation(self):
        self.set(rate_limit=1)
        self.page()
        deadline = time.monotonic() + 5
        while not self.violations() and time.monotonic() < deadline:
            self.page()
        self.assertIn("before_named_time", self.violations())

    def test_each_function_has_a_budget_of_its_own(self):
        self.set(rate_limit=1)
        self.page()
        reply = self.get("/qualys/api/2.0/fo/knowledge_base/vuln/?action=list&ids=1,2", QUALYS)
        self.assertEqual((reply.status, self.budget(reply)[2]), (200, 0))
        self.assertEqual(self.page(path=PATH.replace("2.0", "5.0")).status, 409)

    def test_forms_of_a_block(self):
        self.set(rate_limit=0)
        for option, status in (({"rate_status": "400"}, 400), ({"rate_status": "200"}, 200), ({"rate_status": "409"}, 409),
                               ({"errors_with": "200"}, 200)):
            self.set(reset_window=True, **option)
            reply = self.page()
            self.assertEqual((reply.status, code_of(reply.body)), (status, 1965))

    def test_window_slides_and_refused_calls_cost_nothing(self):
        self.set(rate_limit=1, rate_window=600.0)
        self.assertEqual(self.page().status, 200)
        self.assertEqual(self.page().status, 409)
        self.set(rate_window=0.000001)
        self.assertEqual(self.page().status, 200)
        self.assertEqual(self.state("qualys")["calls"], {"detections": 1})

    def test_concurrency(self):
        self.set(occupy={"count": 2, "seconds": 60})
        reply = self.page()
        self.assertEqual((reply.status, code_of(reply.body), self.violations()), (409, 1960, []))
        self.assertEqual(reply.headers["X-Concurrency-Limit-Running"], "2")
        self.assertEqual(self.budget(reply)[3], 0)
        self.set(reset_window=True)
        self.assertEqual(self.page().status, 200)

    def test_overlapping_retries_are_a_violation(self):
        self.set(occupy={"count": 2, "seconds": 60}, busy_backoff=30)
        self.page()
        deadline = time.monotonic() + 5
        while "busy_backoff" not in self.violations() and time.monotonic() < deadline:
            self.page()
        self.assertIn("busy_backoff", self.violations())

    def test_a_call_runs_on_where_its_client_is_gone(self):
        self.set(processing=20.0, concurrency=1)
        connection = self.get_and_leave(f"/qualys{PATH}?{self.query()}")
        deadline = time.monotonic() + 5
        while self.state("qualys")["running"].get("detections") != 1 and time.monotonic() < deadline:
            pass
        self.assertEqual(self.state("qualys")["running"], {"detections": 1})
        connection.close()
        self.set(processing=0.0)
        reply = self.page()
        self.assertEqual((reply.status, code_of(reply.body)), (409, 1960))
        self.assertEqual(self.violations(), [])

    def get_and_leave(self, target):
        connection = socket.create_connection(self.server.url[7:].split(":"), timeout=5)
        lines = [f"GET {target} HTTP/1.1", f"Host: {self.host}", *(f"{name}: {value}" for name, value in QUALYS.items())]
        connection.sendall(("\r\n".join(lines) + "\r\n\r\n").encode())
        return connection

    def test_too_many_at_once(self):
        self.set(page_delay=60.0)
        for number in (1, 2):
            self.addCleanup(self.get_and_leave(f"/qualys{PATH}?{self.query()}").close)
            deadline = time.monotonic() + 5
            while self.state("qualys")["statuses"].get("200", 0) < number and time.monotonic() < deadline:
                pass
        self.assertEqual(self.state("qualys")["in_flight"], 2)
        reply = self.page()
        self.assertEqual((reply.status, code_of(reply.body), self.violations()), (409, 1960, []))
        self.set(max_concurrent=2)
        reply = self.page()
        self.assertEqual((reply.status, code_of(reply.body), self.violations()), (409, 1960, ["concurrency"]))
        self.assertEqual(reply.headers["X-Concurrency-Limit-Limit"], "2")

    def test_knowledge_base(self):
        qids = sorted({json.loads(record)["QID"] for record in self.records(limit=100)})[:3]
        reply = self.get(f"/qualys/api/2.0/fo/knowledge_base/vuln/?action=list&ids={','.join(qids)},999999999", QUALYS)
        found = ElementTree.fromstring(reply.body)
        self.assertEqual(found.tag, "KNOWLEDGE_BASE_VULN_LIST_OUTPUT")
        self.assertEqual([element.findtext("QID") for element in found.iterfind("RESPONSE/VULN_LIST/VULN")], qids)
        self.assertEqual(self.violations(), [])
        for query, number in (("action=list", 1903), ("action=list&ids=a", 1905), ("ids=1", 1903), ("action=list&ids=1&x=1", 1901)):
            reply = self.get(f"/qualys/api/2.0/fo/knowledge_base/vuln/?{query}", QUALYS)
            self.assertEqual((reply.status, code_of(reply.body)), (400, number), query)


class MisbehaviourTest(QualysTest):
    def test_errors_as_the_vendor_writes_them(self):
        for status, number in ((400, 1905), (401, 2000), (403, 2012), (409, 1960), (500, 999)):
            self.misbehave("status", "qualys", status=status)
            reply = self.page()
            self.assertEqual((reply.status, code_of(reply.body)), (status, number))
        for status in (404, 503):
            self.misbehave("status", "qualys", status=status)
            reply = self.page()
            self.assertEqual((reply.status, b"<html>" in reply.body), (status, True))
        self.assertEqual(self.ledger("qualys"), [])

    def test_error_with_200(self):
        self.misbehave("simple_return", "qualys", code=1965)
        reply = self.page()
        self.assertEqual((reply.status, code_of(reply.body)), (200, 1965))

    def test_throttle_names_seconds(self):
        for header, name, value in (("to_wait", "X-RateLimit-ToWait-Sec", "7"), ("reset", "X-RateLimit-ToWait-Sec", "7"),
                                    ("retry_after", "Retry-After", "7"), ("zero", "X-RateLimit-ToWait-Sec", "0"),
                                    ("garbage", "X-RateLimit-ToWait-Sec", "soon"), ("none", "X-RateLimit-ToWait-Sec", None)):
            self.set(reset_window=True)
            self.misbehave("throttle", "qualys", header=header, seconds=7)
            reply = self.page()
            self.assertEqual((reply.status, code_of(reply.body), reply.headers[name]), (409, 1965, value), header)
        self.assertEqual(self.get("/_sim/qualys/misbehave", {}, "POST", '{"kind":"throttle","header":"nonsense"}').status, 400)

    def test_repeated_url(self):
        self.misbehave("repeated_url", "qualys")
        first = self.page()
        second = self.get(next_target(first.body), QUALYS)
        self.assertEqual(next_target(second.body), next_target(first.body))
        self.assertNotEqual(host_ids(first.body), host_ids(second.body))

    def test_cut_within_a_record(self):
        self.misbehave("cut", "qualys", record=5)
        whole = self.raw_cut()
        self.assertEqual(whole.count(b"</DETECTION>"), 5)
        ledger = self.ledger("qualys")
        self.assertEqual(sum(line["sent"] for line in ledger), 5)
        self.assertFalse(any(line["whole"] for line in ledger))

    def raw_cut(self):
        return self.raw(f"/qualys{PATH}?{self.query()}", QUALYS).partition(b"\r\n\r\n")[2]

    def test_every_cut_counts_whole_records(self):
        size = len(self.page(limit=2).body)
        for at in range(0, size, 997):
            self.post("qualys/clear", {"ledger": True})
            self.misbehave("cut", "qualys", at=at)
            body = self.raw(f"/qualys{PATH}?{self.query(limit=2)}", QUALYS).partition(b"\r\n\r\n")[2]
            self.assertEqual(len(body), at)
            self.assertEqual(sum(line["sent"] for line in self.ledger("qualys")), body.count(b"</DETECTION>"), at)

    def test_truncated_and_spoilt(self):
        self.misbehave("truncated_json", "qualys", record=3)
        reply = self.page()
        self.assertRaises(ElementTree.ParseError, ElementTree.fromstring, reply.body)
        self.misbehave("bad_utf8", "qualys", record=3)
        reply = self.page()
        self.assertRaises(ElementTree.ParseError, ElementTree.fromstring, reply.body)
        self.assertIn(b"\xc3\x28</STATUS>", reply.body)
        altered = [line for line in self.ledger("qualys") if line.get("altered")]
        self.assertEqual(len(altered), 1)
        repaired = records_of(reply.body.replace(b"\xc3\x28</STATUS>", b"\xc3\xa9</STATUS>"))[3].replace(b"\xc3\xa9", b"\xc3\x28")
        self.assertEqual(altered[0]["sha256"], sha256(repaired))

    def test_gzip(self):
        self.set(gzip="auto")
        reply = self.page(headers={**QUALYS, "Accept-Encoding": "gzip"})
        self.assertEqual(reply.headers["Content-Encoding"], "gzip")
        self.assertEqual(host_ids(zlib.decompress(reply.body, 31)), host_ids(self.page().body))

    def test_entity_bomb(self):
        self.misbehave("entity_bomb", "qualys", levels=3)
        reply = self.page()
        self.assertEqual(reply.status, 200)
        self.assertEqual(reply.body.count(b"<!ENTITY"), 4)
        self.assertLess(len(reply.body), 2000)
        self.assertEqual(self.ledger("qualys"), [])

    def test_html_pages(self):
        self.misbehave("html_login", "qualys")
        self.assertIn(b"<form", self.page().body)
        self.assertEqual(self.get(f"/qualys/api/2.0/fo/nothing/?x={quote('y')}", QUALYS).status, 404)
        self.assertEqual(self.violations(), ["path"])


if __name__ == "__main__":
    unittest.main()
