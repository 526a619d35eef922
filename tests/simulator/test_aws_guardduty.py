#!/usr/bin/env python3
"""The simulated Amazon GuardDuty: python3 tests/simulator/test_aws_guardduty.py"""

import dataclasses
import hashlib
import json
import os
import pickle
import socket
import sys
import time
import unittest
from calendar import timegm
from contextlib import contextmanager
from itertools import count
from unittest import mock

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(os.path.dirname(HERE), "lib", "python")]

from signaltest.copier import Copy              # noqa: E402  (the paths come first)
from signaltest.ledger import Ledger, Offers    # noqa: E402
from signaltest.tools import wait_until         # noqa: E402
from test_base import SimulatorTest, sha256     # noqa: E402
from simulator import make_vendors              # noqa: E402
from options import OptionError                 # noqa: E402
from vendors import aws_signature               # noqa: E402

V = "aws-guardduty"
KEY, SECRET = "AKIASIMSIMSIMSIMSIM1", "s" * 40
DETECTOR = "12abc34d567e8fa901bc2d34e56789f0"
LIST, DETAILS = f"/detector/{DETECTOR}/findings", f"/detector/{DETECTOR}/findings/get"
SORT = {"attributeName": "updatedAt", "orderBy": "ASC"}
FREELY = (f"{V}.rate_limit=100000", f"{V}.pace=0")
EXAMPLE = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"


def ms(text):
    return timegm(time.strptime(text[:19], "%Y-%m-%dT%H:%M:%S")) * 1000 + int(text[20:23])


def cut_findings(body):
    """The exact bytes of the array's elements."""
    text, decoder, found = body.decode(), json.JSONDecoder(), []
    at = text.index('"findings":[') + len('"findings":[')
    while text[at] != "]":
        _, end = decoder.raw_decode(text, at)
        found.append(text[at:end].encode())
        at = end + (text[end] == ",")
    return found


@contextmanager
def standing_clock():
    """The monotonic clock stands still, but for a millisecond a look; what the list holds is added to it."""
    begin, looks, ahead = time.monotonic(), count(1), [0.0]
    with mock.patch("time.monotonic", side_effect=lambda: begin + next(looks) * 0.001 + ahead[0]):
        yield ahead


class GuardDutyTest(SimulatorTest):
    def setUp(self):
        self.start(*FREELY)

    def start(self, *options, vendors=(V,)):
        self.serve(make_vendors(vendors, 7, options))

    def set(self, **changes):
        return self.post(f"{V}/set", changes)["results"]

    def signed(self, method, path, query, body, key=KEY, secret=SECRET, token=None, stamp=None, region="us-east-1", service="guardduty",
               host=None, date=None, extra=(), unsigned=(), end="aws4_request", kind="application/json"):
        """Headers of a request; `extra` ones are signed, `unsigned` ones are not."""
        stamp = stamp or time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
        headers = [("host", host or self.host), ("x-amz-date", stamp), *extra]
        headers += [("content-type", kind)] if body else []
        headers += [("x-amz-security-token", token)] if token else []
        names = tuple(sorted(name for name, _ in headers if name not in unsigned))
        scope = (date or stamp[:8], region, service, end)
        signature = aws_signature.sign(secret, stamp, scope, aws_signature.canonical_request(method, path, query, headers, names, body))
        return {**dict(headers), "Authorization": f"AWS4-HMAC-SHA256 Credential={key}/{'/'.join(scope)}, SignedHeaders={';'.join(names)}, "
                                                  f"Signature={signature}"}

    def ask(self, path, body=None, query="", method=None, sent=None, **signing):
        """A signed request; `sent` is the body that is sent in place of the signed one."""
        data = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
        method = method or ("POST" if data else "GET")
        headers = self.signed(method, f"/{V}{path}", query, data, **signing)
        target = f"/{V}{path}" + (f"?{query}" if query else "")
        return self.get(target, headers, method, (data if sent is None else sent) or None)

    def criteria(self, seconds=86400, low=None, high=None, **more):
        now = int(self.server.vendors[V].now() * 1000)
        bounds = {"greaterThanOrEqual": now - seconds * 1000 if low is None else low, "lessThan": now + 1 if high is None else high}
        return {"maxResults": 50, "sortCriteria": SORT, "findingCriteria": {"criterion": {"updatedAt": bounds}}, **more}

    def details(self, ids, **signing):
        return self.ask(DETAILS, {"findingIds": ids, "sortCriteria": SORT}, **signing)

    def walk(self, body=None, follow=None, detector=DETECTOR):
        """(records as bytes, list replies) of all pages of a window. `follow` is called between a list and its details."""
        body, records, replies = dict(body or self.criteria()), [], []
        while True:
            reply = self.ask(f"/detector/{detector}/findings", body)
            self.assertEqual(reply.status, 200, reply.body)
            replies.append(reply)
            if follow:
                follow(len(replies))
            ids = reply.json()["findingIds"]
            if ids:
                found = self.ask(f"/detector/{detector}/findings/get", {"findingIds": ids, "sortCriteria": SORT})
                self.assertEqual(found.status, 200, found.body)
                records += cut_findings(found.body)
            if not reply.json().get("nextToken"):
                return records, replies
            body["nextToken"] = reply.json()["nextToken"]

    def refused(self, status, name, violations, path=LIST, body=None, text=None, **more):
        """A refusal with exactly these violations."""
        self.post(f"{V}/clear", {"violations": True})
        reply = self.ask(path, self.criteria() if body is None and path == LIST else body, **more)
        self.assertEqual((reply.status, reply.headers["x-amzn-ErrorType"]), (status, name), reply.body)
        self.assertEqual(reply.json()["__type"], name)
        self.assertEqual(self.violations(), violations)
        if text:
            self.assertIn(text, reply.json()["message"])
        return reply


class FindingsTest(GuardDutyTest):
    def test_walk_matches_ledger(self):
        records, replies = self.walk()
        ledger = self.ledger(V)
        self.assertEqual((len(records), len(replies)), (1000, 20))
        self.assertEqual([sha256(record) for record in records], [line["sha256"] for line in ledger])
        self.assertEqual(["{id}~{updatedAt}".format(**json.loads(record)) for record in records], [line["id"] for line in ledger])
        self.assertEqual({(line["offered"], line["sent"], line["last"], line["whole"], line["type"]) for line in ledger},
                         {(1, True, True, True, "findings")})
        self.assertEqual(len(self.ledger(V, "?all=1")), 1000)
        times = [json.loads(record)["updatedAt"] for record in records]
        self.assertEqual(times, sorted(times))
        self.assertEqual(self.violations(), [])
        self.assertEqual(self.state(V)["walks"], {DETECTOR: 1})

    def test_what_is_only_listed_was_not_offered(self):
        self.ask(LIST, self.criteria())
        self.assertEqual(self.ledger(V), [])
        self.assertEqual({line["offered"] for line in self.ledger(V, "?all=1")}, {0})

    def test_the_oracle_can_judge(self):
        """Findings change between list and details; each version that was served is there once, and the present ones."""
        def change(page):
            if page % 4 == 1:
                self.set(update={"count": 3, "which": "first"}, append=1)
        start = int(time.time() * 1000) - 86_400_000
        records = [*self.walk(follow=change)[0], *self.walk()[0]]
        found = {record: json.loads(record) for record in records}
        self.assertGreater(len(found), 1010)
        self.assertLess(start, min(ms(data["updatedAt"]) for data in found.values()))
        copies = []
        for seq, (record, data) in enumerate(found.items(), 1):
            own = f"{data['id']}~{data['updatedAt']}"
            headers = f"NATS/1.0\r\nNats-Msg-Id: g.findings.{own}\r\nce-id: {own}\r\n\r\n".encode()
            copies.append(Copy(seq, "data", headers, sha256(record), len(record), 0))

        def judged(seen):
            return Ledger(Offers("g.findings.").add_lines(self.ledger(V, "?all=1"))).judge(seen)
        self.assertTrue(judged(copies).exact, judged(copies).text())
        self.assertEqual(judged(copies[1:]).wrong(), ["missing"])
        self.assertEqual(judged([*copies, copies[0]]).wrong(), ["doubled_by_id", "doubled_by_body"])
        self.assertEqual(judged([dataclasses.replace(copies[0], sha256="0" * 64), *copies[1:]]).wrong(), ["altered"])

    def test_sample_members(self):
        reply = self.ask(LIST, self.criteria(maxResults=2))
        self.assertEqual((list(reply.json()), len(reply.json()["findingIds"])), (["findingIds", "nextToken"], 2))
        reply = self.details(reply.json()["findingIds"])
        self.assertEqual(list(reply.json()), ["findings"])
        data = reply.json()["findings"][0]
        self.assertEqual(list(data), ["schemaVersion", "accountId", "region", "partition", "id", "arn", "type", "title", "description",
                                      "severity", "createdAt", "updatedAt", "resource", "service"])
        self.assertEqual(data["arn"], f"arn:aws:guardduty:us-east-1:{data['accountId']}:detector/{DETECTOR}/finding/{data['id']}")
        self.assertRegex(data["updatedAt"], r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$")
        self.assertEqual(data["service"]["detectorId"], DETECTOR)
        text = b"".join(self.walk()[0]).decode()
        for part in ('"severity":5.0,', '"severity":7.999999999999999999,', '"ratio":3.40227072E9', "不審"):
            self.assertIn(part, text)
        self.assertRegex(text, r'"bytesOut":\d{19,20},')
        self.assertEqual(len({json.loads(record)["accountId"] for record in self.walk()[0]}), 3)

    def test_detectors(self):
        reply = self.ask("/detector", query="maxResults=50")
        self.assertEqual(reply.body, b'{"detectorIds":["%b"],"nextToken":""}' % DETECTOR.encode())
        self.assertEqual(self.ask("/detector").status, 200)
        self.set(detectors=[f"{number:032x}" for number in range(120)])
        found, query = [], "maxResults=50"
        while query:
            data = self.ask("/detector", query=query).json()
            found += data["detectorIds"]
            query = data["nextToken"] and f"maxResults=50&nextToken={data['nextToken'].replace('+', '%2B').replace('/', '%2F').replace('=', '%3D')}"
        self.assertEqual(found, [f"{number:032x}" for number in range(120)])
        self.assertEqual((self.violations(), self.state(V)["detector_lists"]), ([], 5))
        self.set(detectors=[])
        self.assertEqual(self.ask("/detector").json()["detectorIds"], [])
        self.assertEqual(self.ledger(V, "?all=1"), [])
        for query in ("maxResults=51", "maxResults=0", "maxResults=x"):
            self.refused(400, "BadRequestException", ["max_results"], "/detector", query=query)
        self.refused(400, "BadRequestException", ["query"], "/detector", query="limit=5")
        self.refused(400, "BadRequestException", ["unknown_cursor"], "/detector", query="nextToken=abc")

    def test_several_detectors(self):
        second = "0" * 31 + "1"
        self.start(*FREELY, f"{V}.detectors={DETECTOR},{second}", f"{V}.findings=101")
        first, other = (self.walk(detector=detector)[0] for detector in (DETECTOR, second))
        self.assertEqual((len(first), len(other)), (51, 50))
        self.assertEqual({json.loads(record)["service"]["detectorId"] for record in other}, {second})
        self.assertEqual(len(self.ledger(V)), 101)
        self.post(f"{V}/clear", {"violations": True})
        reply = self.details([json.loads(other[0])["id"]])
        self.assertEqual((reply.json(), self.violations()), ({"findings": []}, ["ids"]))
        self.set(detectors=[DETECTOR])
        self.refused(400, "BadRequestException", [], f"/detector/{second}/findings", self.criteria(), text="not owned by the current account")
        self.refused(400, "BadRequestException", ["detector"], "/detector/ffff/findings", self.criteria())

    def test_equal_times_at_a_page_boundary(self):
        moment = time.time() - 600
        self.set(append={"count": 7, "at": moment})
        body = self.criteria(low=int(moment * 1000), high=int(moment * 1000) + 1, maxResults=2)
        records, replies = self.walk(body)
        self.assertEqual((len(records), len(set(records)), len(replies)), (7, 7, 4))
        times = [json.loads(record)["updatedAt"] for record in self.walk()[0]]
        self.assertEqual(times.count(times[0]), 3)

    def test_bounds(self):
        times = sorted({ms(json.loads(record)["updatedAt"]) for record in self.walk()[0]})
        low, high = times[10], times[20]
        for lower, upper, count in (("greaterThanOrEqual", "lessThan", 30), ("gte", "lt", 30), ("greaterThan", "lessThan", 27),
                                    ("gt", "lte", 30), ("gte", "lessThanOrEqual", 33)):
            body = self.criteria()
            body["findingCriteria"]["criterion"]["updatedAt"] = {lower: low, upper: high}
            self.assertEqual(len(self.ask(LIST, body).json()["findingIds"]), count, (lower, upper))
        self.assertEqual(self.violations(), [])

    def test_newest_first(self):
        down = [reply.json()["findingIds"] for reply in self.walk(self.criteria(sortCriteria={**SORT, "orderBy": "DESC"}))[1]]
        self.post(f"{V}/clear", {"violations": True})
        self.assertEqual(sum(down, [])[::-1], sum((reply.json()["findingIds"] for reply in self.walk()[1]), []))
        self.assertEqual(self.violations(), [])

    def test_archived(self):
        self.assertEqual(len(self.set(archive=10)["archive"]), 10)
        for condition, count in (({"equals": ["false"]}, 990), ({"eq": ["true"]}, 10), ({"notEquals": ["true"]}, 990), (None, 1000)):
            body = self.criteria()
            if condition:
                body["findingCriteria"]["criterion"]["service.archived"] = condition
            self.assertEqual(len(self.walk(body)[0]), count)
        self.assertEqual(self.violations(), [])

    def test_update_in_place(self):
        identity = self.ask(LIST, self.criteria()).json()["findingIds"][0]
        before = self.details([identity]).json()["findings"][0]
        self.set(update={"ids": [identity]})
        after = self.details([identity]).json()["findings"][0]
        self.assertEqual(after["service"]["count"], before["service"]["count"] + 1)
        self.assertGreater(ms(after["updatedAt"]), ms(before["updatedAt"]))
        self.assertEqual((after["createdAt"], after["id"]), (before["createdAt"], identity))
        lines = self.ledger(V)
        self.assertEqual([(line["id"], line["last"], line["whole"]) for line in lines],
                         [(f"{identity}~{before['updatedAt']}", False, True), (f"{identity}~{after['updatedAt']}", True, True)])
        self.assertEqual(self.walk()[1][-1].json()["findingIds"][-1], identity)

    def test_what_is_updated_while_one_pages(self):
        """Behind the frozen upper bound: this walk does not list it any more, the next one does."""
        body = self.criteria(high=int(time.time() * 1000))
        last = [identity for _, identity, _ in self.server.vendors[V].findings.orders[DETECTOR][-2:]]

        def change(page):
            if page == 3:
                self.set(update={"ids": last}, append=1)
        records, replies = self.walk(body, change)
        listed = sum(len(reply.json()["findingIds"]) for reply in replies)
        self.assertEqual((listed, len(records)), (998, 998))
        newer = self.walk(self.criteria(low=body["findingCriteria"]["criterion"]["updatedAt"]["lessThan"]))[0]
        self.assertEqual(len(newer), 3)
        self.assertTrue(all(line["offered"] for line in self.ledger(V, "?all=1")))

    def test_details_are_newer_than_the_list(self):
        self.set(churn={"pages": 1, "update": 50, "which": "page"})
        ids = self.ask(LIST, self.criteria()).json()["findingIds"]
        high = self.criteria()["findingCriteria"]["criterion"]["updatedAt"]["lessThan"]
        reply = self.details(ids).json()
        self.assertEqual(len(reply["findings"]), 50)
        self.assertTrue(all(high - 60_000 < ms(data["updatedAt"]) <= high for data in reply["findings"]))

    def test_paging_by_offset_misses_what_moved(self):
        self.set(paging="offset", churn={"pages": 1, "update": 1, "which": "first"})
        self.assertEqual(len(self.walk(self.criteria(high=int(time.time() * 1000)))[0]), 999)
        missed = [line for line in self.ledger(V, "?all=1") if not line["offered"]]
        self.assertEqual(len(missed), 1)        # the first of the second page, which is the last of the first one by now

    def test_late_finding(self):
        self.walk()
        added = self.set(append={"late_by": 500})["append"]
        ids = self.ask(LIST, self.criteria(seconds=600)).json()
        self.assertIn(added[0], ids["findingIds"])
        self.assertNotEqual(ids["findingIds"][-1], added[0])

    def test_list_lag(self):
        self.set(list_lag=120)
        added = self.set(append=2)["append"]
        self.assertFalse(set(added) & set(sum((reply.json()["findingIds"] for reply in self.walk()[1]), [])))
        self.assertFalse({line["id"].partition("~")[0] for line in self.ledger(V, "?all=1")} & set(added))
        self.set(list_lag=0)
        self.assertEqual(set(self.walk()[1][-1].json()["findingIds"][-2:]), set(added))

    def test_retention(self):
        added = self.set(append={"late_by": 91 * 86400})["append"] + self.set(append={"late_by": 89 * 86400})["append"]
        self.assertEqual(self.ask(LIST, self.criteria(seconds=100 * 86400, maxResults=1)).json()["findingIds"], added[1:])
        self.assertEqual(len(self.details(added).json()["findings"]), 1)
        self.assertEqual(len(self.ledger(V, "?all=1")), 1001)

    def test_last_page(self):
        self.start(*FREELY, f"{V}.findings=100")
        self.assertEqual(self.walk()[1][-1].json()["nextToken"], "")
        self.set(last_token="absent")
        self.assertEqual(list(self.walk()[1][-1].json()), ["findingIds"])
        self.set(last_token="null", trailing_page=True)
        records, replies = self.walk()
        self.assertEqual((len(records), len(replies), replies[-1].body), (100, 3, b'{"findingIds":[],"nextToken":null}'))
        self.set(page_size=7)
        self.assertEqual(len(self.walk()[1]), 15)

    def test_details_missing(self):
        self.set(details_missing=10)
        self.assertEqual(len(self.walk()[0]), 900)
        self.assertEqual(len(self.ledger(V, "?all=1")), 900)
        self.set(details_missing=0)
        updated = self.set(update=1000)["update"]
        self.assertEqual(len(self.walk()[0]), 1000)
        self.assertTrue(set(updated) <= {line["id"] for line in self.ledger(V, "?all=1")})

    def test_order_of_details(self):
        ids = self.ask(LIST, self.criteria(maxResults=9)).json()["findingIds"]
        asked = [ids[4], ids[0], ids[8]]

        def order(**more):
            return [data["id"] for data in self.ask(DETAILS, {"findingIds": asked, **more}).json()["findings"]]
        self.assertEqual(order(), asked)
        self.assertEqual(order(sortCriteria=SORT), [ids[0], ids[4], ids[8]])
        self.assertEqual(order(sortCriteria={**SORT, "orderBy": "DESC"}), [ids[8], ids[4], ids[0]])
        self.set(detail_order="reversed")
        self.assertEqual(order(), asked[::-1])

    def test_growth_and_restart(self):
        self.set(rate=1000)
        wait_until(lambda: self.state(V)["findings"] >= 1020, 5, "growth")
        self.set(rate=0)
        self.set(append=1, update=5)
        body = self.criteria(maxResults=10)
        first = self.ask(LIST, body).json()
        self.details(first["findingIds"])
        vendor = self.server.vendors[V]
        saved, pages = pickle.loads(pickle.dumps(vendor.save())), vendor.ledger.pages
        before = self.ledger(V, "?all=1")
        vendors = make_vendors((V,), 7, FREELY)
        vendors[0].restore(saved)
        vendors[0].ledger.pages = pages
        self.serve(vendors)
        self.assertEqual(self.ask(LIST, {**body, "nextToken": first["nextToken"]}).status, 200)
        key = lambda line: line["id"]       # noqa: E731
        self.assertEqual(sorted(self.ledger(V, "?all=1"), key=key), sorted(before, key=key))
        self.assertEqual(self.violations(), [])

    def test_bytes_depend_on_seed_and_start_only(self):
        def hashes():
            self.start(f"{V}.start={int(time.time()) - 5000}.5", f"{V}.findings=50")
            return sorted(line["sha256"] for line in self.ledger(V, "?all=1"))
        with mock.patch("time.time", return_value=1790000000.0):
            first = hashes()
        with mock.patch("time.time", return_value=1790000000.0):
            self.assertEqual((hashes(), len(first)), (first, 50))

    def test_unusual_json(self):
        for style in ("compact", "pretty", "spaced"):
            self.set(append={"count": 7, "style": style, "shapes": ["all"]})
        body = self.criteria(seconds=60)
        ids = self.ask(LIST, body).json()["findingIds"]
        sent = [sha256(record) for identity in ids for record in cut_findings(self.ask(DETAILS, {"findingIds": [identity]}).body)]
        self.assertEqual(len(sent), len(ids))
        self.assertEqual(set(sent), {line["sha256"] for line in self.ledger(V)})
        self.assertIn(b"12345678901234567890123,1e400,", b"".join(self.ask(DETAILS, {"findingIds": ids}).body.split()))

    def test_mistakes_of_a_test(self):
        vendor = self.server.vendors[V]
        for change in ({"append": {"colour": 1}}, {"append": {"style": "loud"}}, {"update": {"which": "some"}}, {"update": {"ids": ["x"]}},
                       {"churn": {"page": 1}}, {"shapes": ["round"]}, {"paging": "both"}):
            with self.assertRaises(OptionError, msg=change):
                vendor.set(change)
            vendor.options.shapes = []


class SignatureTest(GuardDutyTest):
    STAMP = "20260102T030405Z"

    def test_vectors(self):
        body, scope = b'{"maxResults":50}', ("20260102", "us-east-1", "guardduty", "aws4_request")
        headers = [("Content-Type", "application/json"), ("Host", "guardduty.us-east-1.amazonaws.com"), ("X-Amz-Date", self.STAMP)]
        text = aws_signature.canonical_request("POST", LIST, "", headers, ("content-type", "host", "x-amz-date"), body)
        self.assertEqual(hashlib.sha256(text.encode()).hexdigest(), "b924173fe177f103355a695cc8c17c12a221ac74bc8424d28343d1d42deb2118")
        self.assertEqual(aws_signature.sign(EXAMPLE, self.STAMP, scope, text), "77d9b00da380f27bb2cbcad6683575d506eaf9ace34b3290e58975d22a0b209e")
        headers.append(("X-Amz-Security-Token", "EXAMPLETOKEN=="))
        text = aws_signature.canonical_request("POST", LIST, "", headers, ("content-type", "host", "x-amz-date", "x-amz-security-token"), body)
        self.assertEqual(aws_signature.sign(EXAMPLE, self.STAMP, scope, text), "c1880f527d6fb2a4c87062f2372544d4f7af79376d0bef44d85b656c896e9c2a")
        vanilla = aws_signature.canonical_request("GET", "", "", [("Host", "example.amazonaws.com"), ("X-Amz-Date", "20150830T123600Z")],
                                                  ("host", "x-amz-date"), b"")
        self.assertEqual(aws_signature.sign(EXAMPLE, "20150830T123600Z", ("20150830", "us-east-1", "service", "aws4_request"), vanilla),
                         "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31")

    def test_vectors_by_request(self):
        for token, signed, signature in (
                ("", "content-type;host;x-amz-date", "77d9b00da380f27bb2cbcad6683575d506eaf9ace34b3290e58975d22a0b209e"),
                (":EXAMPLETOKEN==", "content-type;host;x-amz-date;x-amz-security-token",
                 "c1880f527d6fb2a4c87062f2372544d4f7af79376d0bef44d85b656c896e9c2a")):
            at = aws_signature.epoch_of(self.STAMP)
            self.start(*FREELY, f"{V}.keys=ASIAEXAMPLE:{EXAMPLE}{token}", f"{V}.clock_skew={at - time.time()}", f"{V}.start={at - 4000}")
            headers = {"Host": "guardduty.us-east-1.amazonaws.com", "Content-Type": "application/json", "X-Amz-Date": self.STAMP,
                       "Authorization": f"AWS4-HMAC-SHA256 Credential=ASIAEXAMPLE/20260102/us-east-1/guardduty/aws4_request, "
                                        f"SignedHeaders={signed}, Signature={signature}"}
            if token:
                headers["X-Amz-Security-Token"] = token[1:]
            reply = self.get(f"/{V}{LIST}", headers, "POST", b'{"maxResults":50}')
            self.assertEqual(reply.status, 200, reply.body)
            self.assertEqual(len(reply.json()["findingIds"]), 50)
            self.assertEqual(set(self.violations()), {"sort", "open_window"})
            self.assertEqual(json.loads(self.get(f"/_sim/requests/{V}").body.splitlines()[-1])["note"]["signed_path"], LIST)

    def test_canonical_form(self):
        for raw, wanted in (("", ""), ("b=2&a=1", "a=1&b=2"), ("a=2&a=10", "a=10&a=2"), ("x=a+b", "x=a%2Bb"), ("x=a b", "x=a%20b"),
                            ("x=%7e%2a%2F", "x=~%2A%2F"), ("k", "k="), ("k=%c3%a6", "k=%C3%A6"), ("a-b=1&a=2", "a=2&a-b=1"), ("A=1&a=2", "A=1&a=2")):
            self.assertEqual(aws_signature.canonical_query(raw), wanted, raw)
        for raw, wanted in (("", "/"), ("/", "/"), ("/a b/ü", "/a%20b/%C3%BC"), ("/a%20b", "/a%20b"), ("/~-_.$", "/~-_.%24")):
            self.assertEqual(aws_signature.canonical_path(raw), wanted, raw)
        text = aws_signature.canonical_request("GET", "/", "", [("My", "  a   b "), ("my", "c")], ("my",), b"")
        self.assertEqual(text.split("\n")[3:6], ["my:a b,c", "", "my"])
        for stamp in (None, "", "20260102", "20261302T030405Z", "20260102T250405Z", "2026-01-02T03:04:05Z"):
            self.assertIsNone(aws_signature.epoch_of(stamp))

    def test_path_with_and_without_mount(self):
        headers = self.signed("GET", "/detector", "maxResults=50", b"")
        self.assertEqual(self.get(f"/{V}/detector?maxResults=50", headers).status, 200)
        self.assertEqual(self.ask("/detector", query="maxResults=50").status, 200)
        self.assertEqual(self.violations(), [])

    def test_query_in_any_order(self):
        """Both signer and verifier sort it."""
        self.refused(400, "BadRequestException", ["unknown_cursor"], "/detector", query="nextToken=a%2Bb%3D&maxResults=5")

    def test_refusals(self):
        text = "does not match the signature you provided"
        invalid = "InvalidSignatureException"
        self.refused(403, invalid, ["signature"], secret="x" * 40, text=text)
        self.refused(403, invalid, ["signature"], sent=b'{"maxResults":49}', text=text)
        self.refused(403, "UnrecognizedClientException", ["authorization"], key="AKIAOTHER")
        self.refused(403, invalid, [], region="eu-west-1", text="valid region, not 'eu-west-1'")
        self.set(refused_limit=1000)
        self.refused(403, invalid, ["scope"], service="execute-api", text="correct service: 'guardduty'")
        self.refused(403, invalid, ["scope"], end="aws5", text="terminator")
        self.refused(403, invalid, ["scope"], date="20200101", text="Date in Credential scope")
        self.refused(403, "IncompleteSignatureException", ["date"], stamp="2026-01-02")
        self.refused(403, invalid, ["signed_headers"], unsigned=("x-amz-date",))
        self.refused(403, invalid, ["signed_headers"], unsigned=("host",))
        self.refused(403, invalid, ["signed_headers"], unsigned=("content-type",))

    def test_missing_and_broken_authorization(self):
        for value, name in ((None, "MissingAuthenticationTokenException"), ("AWS4-HMAC-SHA256 Credential=x", "IncompleteSignatureException"),
                            ("Bearer x", "IncompleteSignatureException")):
            self.post(f"{V}/clear", {"violations": True})
            reply = self.get(f"/{V}/detector", {"Authorization": value} if value else {})
            self.assertEqual((reply.status, reply.json()["__type"], self.violations()), (403, name, ["authorization"]))

    def test_header_signed_and_not_sent(self):
        """As libcurl 7.88.1 does it with a header that was switched off."""
        headers = self.signed("GET", f"/{V}/detector", "", b"", extra=(("expect", ""),))
        del headers["expect"]
        reply = self.get(f"/{V}/detector", headers)
        self.assertEqual((reply.status, self.violations()), (403, ["signed_headers"]))

    def test_order_of_signed_headers(self):
        headers = self.signed("GET", f"/{V}/detector", "", b"")
        headers["Authorization"] = headers["Authorization"].replace("host;x-amz-date", "x-amz-date;host")
        self.assertEqual((self.get(f"/{V}/detector", headers).status, self.violations()), (403, ["signed_headers"]))

    def test_clock(self):
        now = int(time.time())
        for ahead, text in ((-400, "Signature expired: "), (400, "Signature not yet current: ")):
            stamp = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(now + ahead))
            reply = self.refused(403, "InvalidSignatureException", [], stamp=stamp, text=text + stamp)
            self.assertIn("5 min.)", reply.json()["message"])
        self.assertEqual(self.state(V)["bad_dates"], 2)
        self.set(clock_skew=600)
        self.refused(403, "InvalidSignatureException", [], text="Signature expired")
        shifted = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(time.time() + 600))
        self.assertEqual(self.ask(LIST, self.criteria(), stamp=shifted).status, 200)
        self.set(clock_skew=0, clock_tolerance=0)
        self.assertEqual(self.ask("/detector", stamp=self.STAMP).status, 200)

    def test_sessions(self):
        self.start(*FREELY, f"{V}.keys=ASIASIM:{SECRET}:tok/en+==")
        session = {"key": "ASIASIM", "token": "tok/en+=="}
        self.assertEqual(self.ask("/detector", **session).status, 200)
        self.refused(403, "UnrecognizedClientException", [], key="ASIASIM")
        self.refused(403, "UnrecognizedClientException", ["authorization"], key="ASIASIM", token="other")
        self.refused(403, "InvalidSignatureException", ["signed_headers"], unsigned=("x-amz-security-token",), **session)
        self.set(expire_session="ASIASIM")
        self.refused(403, "ExpiredTokenException", [], text="expired", **session)
        self.set(keys=[f"ASIASIM:{SECRET}:tok/en+==", f"ASIANEW:{SECRET}:second"])
        self.assertEqual(self.ask("/detector", key="ASIANEW", token="second").status, 200)

    def test_rotation_and_secrets(self):
        self.set(revoke_key=KEY)
        self.refused(403, "UnrecognizedClientException", [], text="security token included in the request is invalid")
        self.set(keys=[f"{KEY}:{'n' * 40}"])
        self.refused(403, "InvalidSignatureException", [])
        self.assertEqual(self.ask("/detector", secret="n" * 40).status, 200)
        shown = self.get("/_sim/state").body + self.get(f"/_sim/requests/{V}").body + self.get("/_sim/violations").body
        for secret in (b"s" * 40, b"n" * 40, b"Signature="):
            self.assertNotIn(secret, shown)

    def test_refused_again_and_again(self):
        self.set(revoke_key=KEY)
        for _ in range(12):
            self.ask("/detector")
        self.assertEqual(self.violations(), ["refused_again"] * 2)

    def test_stale_signature(self):
        headers = self.signed("GET", f"/{V}/detector", "", b"")
        with standing_clock() as ahead:
            self.assertEqual([self.get(f"/{V}/detector", headers).status for _ in range(2)], [200, 200])
            self.assertEqual(self.violations(), [])
            ahead[0] += 10
            self.assertEqual(self.get(f"/{V}/detector", headers).status, 200)
        self.assertEqual(self.violations(), ["stale_signature"])

    def test_denied(self):
        self.set(denied=["GetFindings"])
        self.assertEqual(self.ask(LIST, self.criteria()).status, 200)
        self.refused(403, "AccessDeniedException", [], DETAILS, {"findingIds": ["x"]}, text="not authorized to perform: guardduty:GetFindings")
        self.set(denied=["ListDetectors", "ListFindings"])
        self.refused(403, "AccessDeniedException", [], "/detector")
        self.refused(403, "AccessDeniedException", [])

    def test_status_of_refusals(self):
        self.set(auth_status=400)
        self.refused(400, "UnrecognizedClientException", ["authorization"], key="AKIAOTHER")


class QueryTest(GuardDutyTest):
    def test_bad_lists(self):
        def with_bounds(**bounds):
            return {**self.criteria(), "findingCriteria": {"criterion": {"updatedAt": bounds}}}
        bad = "BadRequestException"
        for code, body in (
                ("max_results", self.criteria(maxResults=51)), ("max_results", self.criteria(maxResults=0)),
                ("max_results", self.criteria(maxResults="50")), ("max_results", self.criteria(maxResults=True)),
                ("body", self.criteria(MaxResults=5)), ("body", self.criteria(nextToken=5)), ("body", b"[]"), ("body", b"{"),
                ("criteria", with_bounds(greaterThanOrEqual="2026-01-02T03:04:05.000Z")), ("criteria", with_bounds(greaterThanOrEqual=1.5)),
                ("criteria", with_bounds(greaterThanOrEqual=1767322445)), ("criteria", with_bounds(after=1767322445000)),
                ("criteria", with_bounds()), ("criteria", self.criteria(findingCriteria={"criterion": {"updated_at": {"gt": 1}}})),
                ("criteria", self.criteria(findingCriteria={"updatedAt": {}})), ("criteria", self.criteria(findingCriteria=[])),
                ("criteria", self.criteria(findingCriteria={"criterion": {"service.archived": {"equals": "false"}}})),
                ("sort", self.criteria(sortCriteria={"attributeName": "createdAt", "orderBy": "ASC"})),
                ("sort", self.criteria(sortCriteria={**SORT, "orderBy": "asc"})), ("sort", self.criteria(sortCriteria="updatedAt")),
                ("unknown_cursor", self.criteria(nextToken="abc")), ("unknown_cursor", self.criteria(nextToken="!"))):
            self.refused(400, bad, [code], LIST, body)
        self.refused(400, bad, ["content_type"], LIST, b"{}", kind="text/plain")

    def test_lists_that_lose(self):
        """Answered, as the vendor does; but a client that asks so will miss something."""
        for change, codes in (({"sortCriteria": {**SORT, "orderBy": "DESC"}}, ["sort"]), ({"findingCriteria": {}}, ["open_window"] * 2)):
            self.post(f"{V}/clear", {"violations": True})
            reply = self.ask(LIST, {**self.criteria(), **change})
            self.assertEqual((reply.status, self.violations()), (200, codes))
        self.post(f"{V}/clear", {"violations": True})
        body = self.criteria()
        del body["sortCriteria"]
        self.ask(LIST, body)
        self.ask(LIST, self.criteria(low=1790000000001, high=1790000000001))
        self.assertEqual(self.violations(), ["sort", "window"])

    def test_bad_details(self):
        for code, body in (("ids", {"findingIds": []}), ("ids", {}), ("ids", {"findingIds": "x"}), ("ids", {"findingIds": [1]}),
                           ("ids", {"findingIds": ["x"] * 51}), ("body", {"findingIds": ["x"], "maxResults": 5}),
                           ("sort", {"findingIds": ["x"], "sortCriteria": {"attributeName": "severity"}})):
            self.refused(400, "BadRequestException", [code], DETAILS, body)
        self.post(f"{V}/clear", {"violations": True})
        identity = self.ask(LIST, self.criteria()).json()["findingIds"][0]
        reply = self.details([identity, identity, "nobody"])
        self.assertEqual((len(reply.json()["findings"]), self.violations()), (1, ["ids", "ids"]))

    def test_tokens(self):
        body = self.criteria()
        token = self.ask(LIST, body).json()["nextToken"]
        self.refused(400, "BadRequestException", ["criteria_changed"], LIST, {**self.criteria(seconds=3600), "nextToken": token})
        self.assertEqual(self.ask(LIST, {**body, "maxResults": 10, "nextToken": token}).status, 200)
        self.set(expire_cursors=True)
        self.refused(400, "BadRequestException", [], LIST, {**body, "nextToken": token}, text="nextToken is invalid")
        self.set(token_life=60)
        token = self.ask(LIST, body).json()["nextToken"]
        self.assertEqual(self.ask(LIST, {**body, "nextToken": token}).status, 200)
        self.set(clock_skew=61)
        self.refused(400, "BadRequestException", [], LIST, {**body, "nextToken": token})
        self.assertEqual(self.state(V)["expired_cursors"], 2)

    def test_paths(self):
        for method, path in (("GET", "/detectors"), ("POST", "/detector"), ("GET", LIST), ("DELETE", LIST), ("POST", f"/detector/{DETECTOR}"),
                             ("POST", f"{DETAILS}/x"), ("POST", f"/detector/{DETECTOR}/filter")):
            self.post(f"{V}/clear", {"violations": True})
            reply = self.ask(path, method=method)
            self.assertEqual((reply.status, self.violations()), (404, ["path"]), (method, path))
        self.post(f"{V}/clear", {"violations": True})
        self.assertEqual((self.ask(LIST, self.criteria(), query="a=1").status, self.violations()), (200, ["query"]))


class BudgetTest(GuardDutyTest):
    def test_throttles(self):
        self.set(rate_limit=2, rate_window=60, backoff=False)
        replies = [self.ask("/detector") for _ in range(4)]
        self.assertEqual([(reply.status, reply.headers["x-amzn-ErrorType"]) for reply in replies[2:]],
                         [(429, "TooManyRequestsException"), (400, "ThrottlingException")])
        self.assertEqual({reply.json()["message"] for reply in replies[2:]}, {"Rate exceeded"})
        self.assertIsNone(replies[2].headers["Retry-After"])
        for form, status in (("429", 429), ("400", 400)):
            self.set(throttle_form=form)
            self.assertEqual(self.ask("/detector").status, status)
        self.assertEqual(self.violations(), [])

    def test_retry_after(self):
        self.set(rate_limit=1, rate_window=60, backoff=False, retry_after=30)
        self.ask("/detector")
        self.assertEqual(self.ask("/detector").headers["Retry-After"], "30")
        self.ask("/detector")
        self.assertEqual(self.violations(), ["before_named_time"])

    @staticmethod
    def later(seconds):
        return time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(time.time() + seconds))

    def test_backoff(self):
        """Half of 1, 2, 4 … s at least; a good reply ends it."""
        asked = count(1)

        def ask():
            """Status, and whether it came too early; each time signed for another second."""
            self.post(f"{V}/clear", {"violations": True})
            return self.ask("/detector", stamp=self.later(next(asked))).status, self.violations()
        with standing_clock() as ahead:
            self.misbehave("throttle", V, header="none")
            self.assertEqual((self.ask("/detector").status, self.violations()), (429, []))
            self.assertEqual(ask(), (200, ["backoff"]))         # nothing was throttled since
            self.assertEqual(ask(), (200, []))
            self.misbehave("throttle", V, header="none")
            self.ask("/detector")
            ahead[0] += 0.6
            self.misbehave("aws_error", V)
            self.assertEqual(self.ask("/detector", stamp=self.later(next(asked))).status, 400)
            self.assertEqual(self.violations(), [])
            ahead[0] += 0.6
            self.assertEqual(ask(), (200, ["backoff"]))         # 1 s is due now

    def test_pace(self):
        self.set(pace=0.5)
        for _ in range(8):
            self.ask("/detector")
        self.assertEqual(self.violations(), ["pace"])
        self.set(reset_window=True)
        self.ask("/detector")
        self.assertEqual(self.violations(), ["pace"])

    def test_concurrency(self):
        self.set(max_concurrent=1)
        self.misbehave("slow_first_byte", V, seconds=60)
        headers = self.signed("GET", f"/{V}/detector", "", b"")
        head = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        with socket.create_connection(self.host.split(":"), timeout=5) as connection:
            connection.sendall(f"GET /{V}/detector HTTP/1.1\r\n{head}\r\n".encode())
            wait_until(lambda: self.state(V)["in_flight"] == 1, 5, "the first request")
            self.assertEqual(self.ask("/detector").status, 429)
        self.assertEqual(self.violations(), ["concurrency"])


class MisbehaviourTest(GuardDutyTest):
    def test_bodies_of_errors(self):
        path = "/detector/none/findings"
        for form, members in (("both", ["message", "__type"]), ("message", ["message"]), ("type", ["__type"]), ("empty", [])):
            self.set(error_body=form)
            self.assertEqual(list(self.ask(path, self.criteria()).json()), members)
        self.set(error_type="url")
        self.assertTrue(self.ask(path, self.criteria()).headers["x-amzn-ErrorType"].startswith("BadRequestException:http"))
        self.set(error_type="absent")
        self.assertIsNone(self.ask(path, self.criteria()).headers["x-amzn-ErrorType"])

    def test_own(self):
        self.misbehave("aws_error", V, error="ExpiredTokenException", status=403, message="x")
        reply = self.ask("/detector")
        self.assertEqual((reply.status, reply.json()), (403, {"message": "x", "__type": "ExpiredTokenException"}))
        body = self.criteria()
        token = self.ask(LIST, body).json()["nextToken"]
        self.misbehave("repeated_cursor", V)
        again = self.ask(LIST, {**body, "nextToken": token}).json()
        self.assertEqual((again["nextToken"], len(again["findingIds"])), (token, 50))

    def test_generic(self):
        for status, name in ((500, "InternalServerErrorException"), (503, "ServiceUnavailableException"), (403, "AccessDeniedException"),
                             (502, "InternalServerErrorException")):
            self.misbehave("status", V, status=status)
            reply = self.ask("/detector")
            self.assertEqual((reply.status, reply.json()["__type"]), (status, name))
        ids = self.ask(LIST, self.criteria()).json()["findingIds"]
        self.misbehave("bad_utf8", V, match="/get", record=1)
        self.details(ids)
        altered = [line for line in self.ledger(V) if line.get("altered")]
        self.assertEqual((len(altered), altered[0]["type"]), (1, "findings"))
        self.misbehave("truncated_json", V, match="/get", record=3)
        with self.assertRaises(ValueError):
            self.details(ids).json()
        self.misbehave("html_login", V)
        self.assertIn(b"Sign In", self.ask("/detector").body)
        self.assertEqual(self.violations(), [])

    def test_cut_reply_is_not_whole(self):
        ids = self.ask(LIST, self.criteria()).json()["findingIds"]
        self.misbehave("cut", V, match="/get", record=10)
        headers = self.signed("POST", f"/{V}{DETAILS}", "", json.dumps({"findingIds": ids}).encode())
        with self.assertRaises(Exception):
            self.get(f"/{V}{DETAILS}", headers, "POST", json.dumps({"findingIds": ids}).encode())
        lines = self.ledger(V)
        self.assertEqual((sum(line["sent"] for line in lines), {line["whole"] for line in lines}), (10, {False}))

    def test_gzip(self):
        self.set(gzip="always")
        self.assertEqual(self.ask(LIST, self.criteria()).headers["Content-Encoding"], "gzip")


if __name__ == "__main__":
    unittest.main()
