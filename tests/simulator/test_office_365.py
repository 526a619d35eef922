#!/usr/bin/env python3
"""The simulated Office 365 Management Activity API: python3 tests/simulator/test_office_365.py"""

import dataclasses
import gzip
import json
import os
import pickle
import socket
import sys
import threading
import time
import unittest
from calendar import timegm
from collections import Counter
from contextlib import contextmanager
from itertools import count
from unittest import mock
from urllib.parse import urlencode

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(os.path.dirname(HERE), "lib", "python")]

from signaltest.copier import Copy              # noqa: E402  (the paths come first)
from signaltest.ledger import Ledger, Offers    # noqa: E402
from signaltest.tools import wait_until         # noqa: E402
from test_base import SimulatorTest, sha256, split_array    # noqa: E402
from simulator import make_vendors              # noqa: E402
from options import OptionError                 # noqa: E402
from vendors.office_content import TYPES        # noqa: E402

V = "office-365"
TENANT = "41463f53-8812-40f4-890f-865bf6e35190"
PUBLISHER = "0c9d5a3c-1111-4222-8333-944455566677"
ROOT = f"/{V}/api/v1.0/{TENANT}/activity/feed"
TOKEN = f"/office-365-login/{TENANT}/oauth2/v2.0/token"
CLIENT = {"grant_type": "client_credentials", "client_id": "sim-client", "client_secret": "sim-secret",
          "scope": "https://manage.office.com/.default"}
FORM = {"Content-Type": "application/x-www-form-urlencoded"}
DAY = 86400


def iso(epoch):
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(epoch))


def ms(text):
    return timegm(time.strptime(text[:19], "%Y-%m-%dT%H:%M:%S")) * 1000 + int(text[20:23])


@contextmanager
def standing_clock():
    """The monotonic clock stands still, but for a millisecond a look; what the list holds is added to it."""
    begin, looks, ahead = time.monotonic(), count(1), [0.0]
    with mock.patch("time.monotonic", side_effect=lambda: begin + next(looks) * 0.001 + ahead[0]):
        yield ahead


class OfficeTest(SimulatorTest):
    def setUp(self):
        self.start()

    def start(self, *options, vendors=(V,)):
        self.serve(make_vendors(vendors, 7, options))
        self.bearer = self.token().json()["access_token"]

    def set(self, **changes):
        return self.post(f"{V}/set", changes)["results"]

    def token(self, members=None, target=TOKEN):
        return self.get(target, FORM, "POST", urlencode(CLIENT if members is None else members))

    def ask(self, path, method="GET", publisher=PUBLISHER, headers=None, body=None, **query):
        query = {**query, "PublisherIdentifier": publisher} if publisher else query
        target = (path if path.startswith("/") else f"{ROOT}/{path}") + (f"?{urlencode(query)}" if query else "")
        return self.get(target, {"Authorization": f"Bearer {self.bearer}", **(headers or {})}, method, body)

    def window(self, kind="azure_ad", seconds=2 * 3600, low=None, high=None, **more):
        now = self.server.vendors[V].now()
        return {"contentType": TYPES[kind], "startTime": iso(now - seconds if low is None else low),
                "endTime": iso(now + 1 if high is None else high), **more}

    def list(self, kind="azure_ad", **more):
        return self.ask("subscriptions/content", **self.window(kind, **more))

    def follow(self, reply):
        """The reply to NextPageUri with the PublisherIdentifier added, or None."""
        uri = reply.headers["NextPageUri"]
        if uri is None:
            return None
        target = uri.partition(self.host)[2]
        return self.get(f"{target}&PublisherIdentifier={PUBLISHER}", {"Authorization": f"Bearer {self.bearer}"})

    def blobs(self, kind="azure_ad", between=None, **more):
        """References of all pages of a window, and the replies."""
        reply, found, replies = self.list(kind, **more), [], []
        while reply is not None:
            self.assertEqual(reply.status, 200, reply.body)
            replies.append(reply)
            found += reply.json()
            if between:
                between(len(replies))
            reply = self.follow(reply)
        return found, replies

    def fetch(self, reference, **more):
        return self.ask(reference["contentUri"].partition(self.host)[2], **more)

    def walk(self, kind="azure_ad", **more):
        """Events as bytes, of all blobs of a window."""
        records = []
        for reference in self.blobs(kind, **more)[0]:
            reply = self.fetch(reference)
            self.assertEqual(reply.status, 200, reply.body)
            records += split_array(reply.body)
        return records

    def of(self, kind, query=""):
        return [line for line in self.ledger(V, query) if line["type"] == kind]

    def refused(self, reply, status, af, violations=()):
        self.assertEqual((reply.status, reply.json()["error"]["code"]), (status, af), reply.body)
        self.assertTrue(reply.json()["error"]["message"])
        self.assertEqual(self.violations(), list(violations))
        self.post(f"{V}/clear", {"violations": True})


class ContentTest(OfficeTest):
    def test_walk_matches_ledger(self):
        self.assertEqual(self.ask("subscriptions/start", "POST", contentType="Audit.General").status, 200)
        wait_until(lambda: self.state(V)["seen"]["general"] == self.state(V)["blobs"]["general"], 5, "the first blobs")
        for kind, total in (("azure_ad", 400), ("exchange", 400), ("sharepoint", 300), ("general", 200), ("dlp", 50)):
            records = self.walk(kind, high=time.time() + 5)
            ledger = self.of(kind)
            found = {json.loads(record)["Id"]: sha256(record) for record in records}
            self.assertEqual(found, {line["id"]: line["sha256"] for line in ledger})
            self.assertEqual(len(ledger), total)
            self.assertEqual(len(self.of(kind, "?all=1")), total)
            self.assertEqual({(line["sent"], line["last"], line["whole"]) for line in ledger}, {(True, True, True)})
            # Duplicates are by design: the same event in two blobs, with the same bytes.
            self.assertEqual(sum(line["offered"] for line in ledger), len(records))
            self.assertEqual(max(Counter(records).values()), 2)
        self.assertEqual(self.violations(), [])

    def test_the_oracle_can_judge(self):
        found = {json.loads(record)["Id"]: record for record in self.walk()}
        copies = []
        for seq, (own, record) in enumerate(found.items(), 1):
            headers = f"NATS/1.0\r\nNats-Msg-Id: o.azure_ad.{own}\r\nce-id: {own}\r\n\r\n".encode()
            copies.append(Copy(seq, "data", headers, sha256(record), len(record), 0))

        def judged(seen):
            return Ledger(Offers("o.azure_ad.").add_lines(self.of("azure_ad", "?all=1"))).judge(seen)
        self.assertTrue(judged(copies).exact, judged(copies).text())
        self.assertEqual(judged(copies[1:]).wrong(), ["missing"])
        self.assertEqual(judged([*copies, copies[0]]).wrong(), ["doubled_by_id", "doubled_by_body"])
        self.assertEqual(judged([dataclasses.replace(copies[0], sha256="0" * 64), *copies[1:]]).wrong(), ["altered"])

    def test_list_as_in_the_sheet(self):
        self.set(page_size=3)
        window = self.window("exchange")
        reply = self.ask("subscriptions/content", **window)
        first = reply.json()[0]
        self.assertEqual(list(first), ["contentType", "contentId", "contentUri", "contentCreated", "contentExpiration"])
        self.assertEqual(first["contentType"], "Audit.Exchange")
        self.assertRegex(first["contentId"], r"^(\d{23})\$\1\$audit_exchange\$Audit_Exchange$")
        self.assertEqual(first["contentId"][:17], first["contentCreated"].translate({ord(c): None for c in "-:T.Z"}))
        self.assertEqual(first["contentUri"], f"http://{self.host}{ROOT}/audit/{first['contentId']}")
        self.assertEqual(ms(first["contentExpiration"]) - ms(first["contentCreated"]), 7 * DAY * 1000)
        self.assertRegex(reply.headers["NextPageUri"], rf"^http://{self.host}{ROOT}/subscriptions/content\?contentType=Audit\.Exchange"
                         rf"&startTime={window['startTime']}&endTime={window['endTime']}&nextPage=\d{{10}}R\d{{5}}$")

    def test_blob_as_in_the_sheet(self):
        reference = self.blobs("exchange")[0][0]
        data = self.fetch(reference).json()
        self.assertEqual(list(data[0])[:2], ["CreationTime", "Id"])
        self.assertTrue({"Operation", "OrganizationId", "RecordType", "ResultStatus", "UserKey", "UserType", "Workload", "ClientIP",
                         "UserId"} <= set(data[0]))
        self.assertRegex(data[0]["CreationTime"], r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d$")
        self.assertEqual(data[0]["OrganizationId"], TENANT)
        text = b"".join(self.walk("azure_ad") + self.walk("sharepoint") + self.walk("dlp")).decode()
        self.assertIn('"ratio":3.40227072E9', text)
        self.assertIn('"score":0.10', text)
        self.assertRegex(text, r'"Ticks":\d{19,20}[,}]')
        self.assertTrue(any(ord(letter) > 0x7FF for letter in text))

    def test_events_are_unordered_and_older_than_their_blob(self):
        disordered = 0
        for reference in self.blobs()[0][:40]:
            times = [event["CreationTime"] for event in self.fetch(reference).json()]
            disordered += times != sorted(times)
            self.assertTrue(all(moment <= reference["contentCreated"] for moment in times))
        self.assertGreater(disordered, 10)

    def test_dollar_may_be_escaped(self):
        reference = self.blobs()[0][0]
        target = reference["contentUri"].partition(self.host)[2]
        self.assertEqual(self.ask(target.replace("$", "%24")).body, self.ask(target).body)
        self.assertEqual((self.violations(), self.state(V)["refetched"]), ([], 1))

    def test_pages(self):
        self.set(page_size=10)
        found, replies = self.blobs()
        self.assertEqual([len(reply.json()) for reply in replies][:-1], [10] * (len(replies) - 1))
        self.assertEqual(len({blob["contentId"] for blob in found}), self.state(V)["blobs"]["azure_ad"])
        created = [blob["contentCreated"] for blob in found]
        self.assertEqual(created, sorted(created))
        self.assertEqual(self.violations(), [])
        self.set(page_size=len(found), trailing_page=True)
        again, replies = self.blobs()
        self.assertEqual((again, len(replies), replies[-1].body), (found, 2, b"[]"))

    def test_equal_times_at_a_page_boundary(self):
        moment = int(time.time()) - 5000        # before the initial ones
        self.set(append={"count": 7, "per_blob": 1, "at": moment}, page_size=2)
        found, replies = self.blobs(low=moment, high=moment + 1)
        self.assertEqual(len(replies), -(-len(found) // 2))
        self.assertEqual(len({blob["contentId"] for blob in found if ms(blob["contentCreated"]) == moment * 1000}), 7)

    def test_large_blob(self):
        added = self.set(append={"type": "dlp", "count": 12_000, "per_blob": 12_000})["append"]
        blob = self.blobs("dlp")[0][-1]
        records = split_array(self.fetch(blob).body)
        self.assertEqual({json.loads(record)["Id"] for record in records} - {line["id"] for line in self.of("dlp")}, set())
        self.assertGreaterEqual(len(records), len(added))
        self.assertEqual({line["whole"] for line in self.of("dlp")}, {True})

    def test_start_is_included_end_is_not(self):
        moment = int(time.time()) - 600
        self.start(f"{V}.azure_ad=0")
        self.set(append={"count": 2, "per_blob": 1, "at": moment})
        self.assertEqual([len(self.blobs(low=low, high=high)[0]) for low, high in
                          ((moment, moment + 1), (moment - 1, moment), (moment + 1, moment + 2))], [2, 0, 0])
        self.assertEqual(len(self.ask("subscriptions/content", contentType=TYPES["azure_ad"]).json()), 2)

    def test_late_blob(self):
        before = self.blobs()[0]
        added = self.set(append={"count": 3, "late_by": 1800})["append"]
        found = self.blobs()[0]
        new = [blob for blob in found if blob not in before]
        self.assertTrue(new and found.index(new[0]) < len(found) - 1)
        self.assertTrue(set(added) <= {event["Id"] for blob in new for event in self.fetch(blob).json()})

    def test_what_comes_while_one_pages(self):
        self.set(page_size=20, churn={"pages": 1, "append": 1, "late_by": 3500})
        count = self.state(V)["blobs"]["azure_ad"]
        self.assertEqual(len(self.blobs()[0]), count)          # before the place of the next page: this walk misses it
        self.assertEqual(len(self.blobs()[0]), count + 1)
        self.set(churn={"pages": 1, "append": 1})
        self.assertEqual(len(self.blobs(high=time.time() + 5)[0]), count + 2)

    def test_list_lag(self):
        self.set(list_lag=3000)
        added = self.set(append={"count": 60, "per_blob": 1})["append"]
        now = [blob["contentId"] for blob in self.blobs()[0]]
        self.assertFalse(set(added) & {line["id"] for line in self.of("azure_ad", "?all=1")})
        self.set(clock_skew=1500)
        later = [blob["contentId"] for blob in self.blobs(seconds=9000)[0]]
        new = [int(identity[17:23]) for identity in later if identity not in now]
        self.assertTrue(set(now) <= set(later))
        # Not in order: older ones are still hidden before the newest that is seen.
        self.assertTrue(10 < len(new) < 50, len(new))
        self.assertLess(len(new), max(new) - min(new) + 1)

    def test_duplicates(self):
        self.start(f"{V}.duplicate_every=2", f"{V}.duplicate_form=changed", f"{V}.exchange=40")
        records = self.walk("exchange")
        copies = {}
        for record in records:
            copies.setdefault(json.loads(record)["Id"], set()).add(record)
        self.assertEqual((len(copies), max(map(len, copies.values()))), (40, 2))
        lines = self.of("exchange")
        self.assertEqual({(line["id"], line["sha256"]) for line in lines},
                         {(own, sha256(record)) for own, found in copies.items() for record in found})
        self.start(f"{V}.duplicate_every=0", f"{V}.exchange=40")
        self.assertEqual(len(self.walk("exchange")), 40)

    def test_expired_and_gone(self):
        self.start(f"{V}.duplicate_every=0")
        found = self.blobs("dlp")[0]
        ids = self.set(expire_blobs={"type": "dlp", "count": 2})["expire_blobs"]
        self.assertEqual(ids, [blob["contentId"] for blob in found[:2]])
        self.set(remove_blobs={"ids": [found[2]["contentId"]]})
        self.assertEqual(self.blobs("dlp")[0], found)
        self.refused(self.fetch(found[0]), 400, "AF20051")
        self.refused(self.fetch(found[2]), 400, "AF20050")
        self.set(gone_status=404)
        self.refused(self.fetch(found[1]), 404, "AF20051")
        self.assertEqual(self.fetch(found[3]).status, 200)
        owed = {line["id"] for line in self.of("dlp", "?all=1")}
        lost = {event["Id"] for event in self.fetch(found[3]).json()}
        self.assertTrue(lost <= owed)
        dead = self.server.vendors[V].content.blobs["dlp"][:3]
        self.assertEqual(len(owed), 50 - sum(len(blob.events) for blob in dead))
        self.assertEqual([self.state(V)[name] for name in ("expired_blobs", "gone_blobs")], [2, 1])
        self.set(blob_life=60)
        self.refused(self.fetch(found[3]), 404, "AF20051")
        self.assertTrue({line["id"] for line in self.of("dlp")} >= lost)    # what went out whole is owed still

    def test_growth_and_restart(self):
        self.set(rate=500)
        wait_until(lambda: self.state(V)["blobs"]["azure_ad"] >= 120, 5, "growth")
        self.set(rate=0, page_size=10, append=3)
        reply = self.list()
        self.fetch(reply.json()[0])
        vendor = self.server.vendors[V]
        saved, pages = pickle.loads(pickle.dumps(vendor.save())), vendor.ledger.pages
        before = sorted(self.ledger(V, "?all=1"), key=lambda line: line["id"])
        vendors = make_vendors((V,), 7, (f"{V}.page_size=10",))
        vendors[0].restore(saved)
        vendors[0].ledger.pages = pages
        old_host = self.host
        self.serve(vendors)
        target = f"{reply.headers['NextPageUri'].partition(old_host)[2]}&PublisherIdentifier={PUBLISHER}"
        self.assertEqual(self.ask(target, publisher=None).status, 200)
        self.assertEqual(sorted(self.ledger(V, "?all=1"), key=lambda line: line["id"]), before)
        self.assertEqual(self.violations(), [])

    def test_bytes_depend_on_seed_and_start_only(self):
        def hashes():
            self.start(f"{V}.start=1790000000", f"{V}.azure_ad=30", f"{V}.blob_life=1e9")
            return sorted(line["sha256"] for line in self.ledger(V, "?all=1"))
        first = hashes()
        self.assertEqual((hashes(), len(first)), (first, 780))

    def test_unusual_json(self):
        for kind in ("azure_ad", "dlp"):
            for style in ("compact", "pretty", "spaced"):
                self.set(append={"type": kind, "count": 7, "style": style, "shapes": ["all"]})
            sent = {sha256(record) for record in self.walk(kind)}
            self.assertEqual(sent, {line["sha256"] for line in self.of(kind)})
        self.assertIn(b"12345678901234567890123,1e400,", b"".join(self.walk("dlp")))

    def test_mistakes_of_a_test(self):
        vendor = self.server.vendors[V]
        for change in ({"append": {"colour": 1}}, {"append": {"type": "teams"}}, {"churn": {"page": 1}}, {"expire_blobs": {"ids": ["x"]}},
                       {"expire_blobs": {"type": "x"}}, {"disable_subscription": "x"}, {"throttle_form": "500"}):
            with self.assertRaises(OptionError, msg=change):
                vendor.set(change)
        with self.assertRaises(OptionError):
            make_vendors((V,), 7, (f"{V}.subscribed=Audit.Teams",))


class SubscriptionTest(OfficeTest):
    def test_list_and_start(self):
        listed = {entry["contentType"]: entry for entry in self.ask("subscriptions/list").json()}
        self.assertEqual(listed["Audit.Exchange"], {"contentType": "Audit.Exchange", "status": "enabled", "webhook": None})
        self.assertEqual(listed["Audit.General"]["status"], "disabled")
        self.refused(self.list("general"), 400, "AF20023")
        self.assertEqual(self.of("general", "?all=1"), [])
        reply = self.ask("subscriptions/start", "POST", contentType="Audit.General")
        self.assertEqual((reply.status, reply.json()), (200, {"contentType": "Audit.General", "status": "enabled", "webhook": None}))
        wait_until(lambda: self.state(V)["seen"]["general"] == self.state(V)["blobs"]["general"], 5, "the first blobs")
        self.assertEqual(len({json.loads(record)["Id"] for record in self.walk("general", high=time.time() + 5)}), 200)
        self.assertTrue(all(ms(blob["contentCreated"]) > (time.time() - 60) * 1000 for blob in self.blobs("general")[0]))
        self.assertEqual(self.violations(), [])
        self.refused(self.ask("subscriptions/start", "POST", contentType="Audit.General"), 400, "AF20024", ["start_again"])
        self.set(reset_window=True)
        self.refused(self.ask("subscriptions/start", "POST", contentType="Audit.Exchange"), 400, "AF20024")

    def test_none_at_all(self):
        self.start(f"{V}.subscribed=", f"{V}.disabled=")
        self.assertEqual(self.ask("subscriptions/list").body, b"[]")
        self.refused(self.list(), 400, "AF20022")
        self.set(start_lag=60, first_content_delay=120)
        self.ask("subscriptions/start", "POST", contentType=TYPES["azure_ad"])
        self.assertEqual(self.ask("subscriptions/list").body, b"[]")
        self.refused(self.list(), 400, "AF20022")
        self.set(clock_skew=61)
        self.assertEqual((len(self.ask("subscriptions/list").json()), self.list().body), (1, b"[]"))
        self.set(clock_skew=180)
        self.assertEqual(len({json.loads(record)["Id"] for record in self.walk()}), 400)

    def test_lost_subscription(self):
        blob = self.blobs("dlp")[0][0]
        self.set(disable_subscription="DLP.All")
        self.refused(self.list("dlp"), 400, "AF20023")
        self.refused(self.fetch(blob), 400, "AF20023")
        self.assertEqual(self.of("dlp", "?all=1"), [])
        self.set(disabled_start="refused")
        self.refused(self.ask("subscriptions/start", "POST", contentType="DLP.All"), 400, "AF20023")
        self.set(drop_subscription="DLP.All", reset_window=True)
        self.refused(self.list("dlp"), 400, "AF20022")
        self.assertEqual(self.ask("subscriptions/start", "POST", contentType="DLP.All").status, 200)
        self.assertEqual(self.fetch(blob).status, 200)
        self.assertEqual(self.state(V)["starts"], 1)

    def test_start_again(self):
        self.set(drop_subscription="DLP.All")
        self.ask("subscriptions/start", "POST", contentType="DLP.All")
        self.set(drop_subscription="DLP.All")
        self.assertEqual(self.ask("subscriptions/start", "POST", contentType="DLP.All").status, 200)
        self.assertEqual(self.violations(), ["start_again"])

    def test_start_has_no_body_and_says_so(self):
        self.ask("subscriptions/start", "POST", contentType="Audit.General", body="{}")
        self.assertEqual(self.violations(), ["body"])
        self.post(f"{V}/clear", {"violations": True})
        head = (f"POST {ROOT}/subscriptions/start?contentType=Audit.General&PublisherIdentifier={PUBLISHER} HTTP/1.1\r\nHost: {self.host}\r\n"
                f"Authorization: Bearer {self.bearer}\r\nConnection: close\r\n\r\n")
        self.set(reset_window=True, drop_subscription="Audit.General")
        with socket.create_connection(self.host.split(":"), timeout=5) as connection:
            connection.sendall(head.encode())
            self.assertTrue(connection.recv(65536).startswith(b"HTTP/1.1 200 "))
        self.assertEqual(self.violations(), ["content_length"])


class CallTest(OfficeTest):
    def test_windows(self):
        now = time.time()

        def ask(start, end):
            pairs = {"startTime": start, "endTime": end}
            return self.ask("subscriptions/content", contentType="DLP.All", **{name: value for name, value in pairs.items() if value})
        for start, end in ((iso(now - 3600), None), (None, iso(now)), (iso(now), iso(now - 60)), (iso(now), iso(now)),
                           (iso(now - DAY - 60), iso(now)), (iso(now - 7 * DAY - 60), iso(now - 7 * DAY + 60))):
            self.refused(ask(start, end), 400, "AF20030", ["window"])
        for start in ("yesterday", "2026-01-05 20:00:00", iso(now) + ".000", iso(now) + "+00:00", "2026-13-01", str(int(now))):
            self.refused(ask(start, iso(now)), 400, "AF20002", ["time"])
        self.set(window_code="AF20055", clock_skew=100)
        self.refused(ask(iso(now - 7 * DAY + 60), iso(now - 7 * DAY + 120)), 400, "AF20055")      # it cannot know
        self.set(clock_skew=0)
        for start, end in ((iso(now - 7 * DAY + 60), iso(now - 6 * DAY)), (iso(now - 3600) + "Z", iso(now) + "Z"), (iso(now - 3600)[:16], iso(now)),
                           (iso(now - DAY)[:10], iso(now - DAY)[:10] + "T12:00:00"), (None, None)):
            self.assertEqual(ask(start, end).status, 200, (start, end))
        self.assertEqual(self.violations(), [])
        self.set(z_times="refused")
        self.refused(ask(iso(now - 60) + "Z", iso(now) + "Z"), 400, "AF20002")

    def test_next_page(self):
        self.set(page_size=10)
        window = self.window()
        first = self.ask("subscriptions/content", **window)
        token = first.headers["NextPageUri"].partition("nextPage=")[2]
        self.assertEqual(self.ask("subscriptions/content", nextPage=token, **window).status, 200)
        self.refused(self.ask("subscriptions/content", nextPage="2026R1", **window), 400, "AF20031", ["unknown_cursor"])
        for other in (self.window("dlp"), self.window(seconds=60), {"contentType": window["contentType"]}):
            self.refused(self.ask("subscriptions/content", nextPage=token, **other), 400, "AF20031", ["window_changed"])
        self.set(expire_cursors=True)
        self.refused(self.ask("subscriptions/content", nextPage=token, **window), 400, "AF20031")
        self.set(page_life=60)
        reply = self.ask("subscriptions/content", contentType=window["contentType"])
        self.assertEqual(self.follow(reply).status, 200)
        self.set(clock_skew=61)
        self.refused(self.follow(reply), 400, "AF20031")
        self.assertEqual(self.state(V)["expired_cursors"], 2)

    def test_forms_of_next_page(self):
        for name in ("nextpageuri", "NEXTPAGEURI", "NextPageUrl"):
            self.set(page_size=10, next_header=name)
            data = self.raw_headers()
            self.assertIn(f"\r\n{name}: http://".encode(), data)
        self.set(next_header="NextPageUri", next_publisher=True, uri_api="v1")
        reply = self.list()
        self.assertIn(f"&PublisherIdentifier={PUBLISHER}&", reply.headers["NextPageUri"])
        self.assertIn("/api/v1/", reply.headers["NextPageUri"])
        self.assertEqual(self.get(reply.headers["NextPageUri"].partition(self.host)[2], {"Authorization": f"Bearer {self.bearer}"}).status, 200)
        self.assertEqual(self.fetch(reply.json()[0]).status, 200)
        self.assertEqual(self.violations(), [])
        self.set(uri_origin="vendor")
        reply = self.list()
        self.assertTrue(reply.headers["NextPageUri"].startswith(f"https://manage.office.com/api/v1/{TENANT}/activity/feed/subscriptions/"))
        self.assertTrue(reply.json()[0]["contentUri"].startswith(f"https://manage.office.com/api/v1/{TENANT}/activity/feed/audit/"))

    def raw_headers(self):
        target = f"{ROOT}/subscriptions/content?{urlencode({**self.window(), 'PublisherIdentifier': PUBLISHER})}"
        return self.raw(target, {"Authorization": f"Bearer {self.bearer}"}).partition(b"\r\n\r\n")[0]

    def test_parameters(self):
        self.refused(self.ask("subscriptions/content", contentType="Audit.Teams"), 400, "AF20020", ["content_type"])
        self.refused(self.ask("subscriptions/content"), 400, "AF20001", ["content_type"])
        self.refused(self.ask("subscriptions/start", "POST"), 400, "AF20001", ["content_type"])
        self.refused(self.ask("subscriptions/list", publisher="me"), 400, "AF20002", ["publisher"])
        self.assertEqual((self.ask("subscriptions/list", publisher=None).status, self.violations()), (200, ["publisher"]))
        self.assertEqual((self.ask("subscriptions/list", x="1").status, self.violations()[1:]), (200, ["query"]))
        self.post(f"{V}/clear", {"violations": True})
        blob = self.blobs()[0][0]
        self.assertEqual((self.fetch(blob, publisher=None).status, self.violations()), (200, ["publisher"]))
        self.set(publisher=TENANT)
        self.assertEqual((self.ask("subscriptions/list").status, self.violations()[1:]), (200, ["publisher"]))

    def test_paths_and_content_ids(self):
        for method, path in (("GET", "subscriptions"), ("GET", "subscriptions/stop"), ("GET", "audit/a/b"), ("GET", "audit/")):
            self.assertEqual(self.ask(path, method).status, 404)
        self.assertEqual(self.violations(), ["path"] * 4)
        for method, path in (("POST", "subscriptions/content"), ("GET", "subscriptions/start"), ("POST", "audit/x")):
            self.assertEqual(self.ask(path, method).status, 405)
        self.post(f"{V}/clear", {"violations": True})
        self.refused(self.ask("audit/x"), 400, "AF20052", ["content_id"])
        self.refused(self.ask(f"audit/{'1' * 23}${'1' * 23}$a$A"), 400, "AF20050", ["unknown_blob"])

    def test_tenants(self):
        for tenant, af, violations in (("contoso.example", "AF20013", ["tenant"]), (PUBLISHER, "AF20010", ["tenant"])):
            self.refused(self.ask(f"/{V}/api/v1.0/{tenant}/activity/feed/subscriptions/list"), 400, af, violations)
        for fault in ("AF20010", "AF20011", "AF20012"):
            self.set(tenant_fault=fault)
            self.refused(self.ask("subscriptions/list"), 400, fault)
        self.set(tenant_fault="none", audit_log=False)
        for reply in (self.ask("subscriptions/list"), self.ask("subscriptions/start", "POST", contentType="DLP.All"), self.list()):
            error = reply.json()["error"]
            self.assertEqual(reply.status, 400)
            self.assertIn(f"Microsoft.Office.Compliance.Audit.DataServiceException: Tenant {TENANT} does not exist.", error["message"])
            self.assertFalse(error["code"].startswith("AF"))
        self.assertEqual(self.violations(), [])

    def test_permissions(self):
        self.set(permissions=["ActivityFeed.Read"])
        self.assertEqual(self.list().status, 200)
        self.refused(self.list("dlp"), 401, "AF10001")
        self.set(permissions=["ActivityFeed.ReadDlp"], permission_status=403)
        self.refused(self.ask("subscriptions/list"), 403, "AF10001")
        self.assertEqual(self.state(V)["refused_permissions"], 2)


class TokenTest(OfficeTest):
    def test_token(self):
        data = self.token().json()
        self.assertEqual((data["token_type"], data["expires_in"]), ("Bearer", 3599))
        self.set(token_expires_in='"3599"')
        self.assertEqual(self.token().json()["expires_in"], "3599")
        self.assertEqual((self.violations(), self.state(V)["token_requests"]), ([], 3))

    def test_refusals(self):
        for change, status, code, violations in (
                ({"client_secret": "x"}, 401, 7000215, ["token_client"]), ({"scope": "https://graph.microsoft.com/.default"}, 400, 1002012,
                                                                           ["token_member"]),
                ({"scope": None}, 400, 1002012, ["token_member"]), ({"grant_type": "password"}, 400, 900144, ["token_member"]),
                ({"resource": "https://manage.office.com"}, 200, None, ["token_member"])):
            members = {name: value for name, value in {**CLIENT, **change}.items() if value is not None}
            reply = self.token(members)
            self.assertEqual((reply.status, reply.json().get("error_codes", [None])), (status, [code]), change)
            self.assertEqual(self.violations(), violations)
            self.post(f"{V}/clear", {"violations": True})
        reply = self.token(target=TOKEN.replace(TENANT, PUBLISHER))
        self.assertEqual((reply.status, reply.json()["error_codes"]), (400, [90002]))
        self.assertEqual(self.violations(), [])
        for target in (TOKEN.replace("v2.0/", ""), f"/{V}{TOKEN.removeprefix('/office-365-login')}", f"/office-365-login{ROOT}/subscriptions/list"):
            self.assertEqual(self.token(target=target).status, 404)
        self.assertEqual(self.violations(), ["path"] * 3)

    def test_other_cloud(self):
        self.serve(make_vendors((V,), 7, (f"{V}.resource=https://manage-gcc.office.com",)))
        self.assertEqual(self.token().status, 400)
        self.assertEqual(self.token({**CLIENT, "scope": "https://manage-gcc.office.com/.default"}).status, 200)
        self.serve(make_vendors((V,), 7, (f"{V}.resource=any",)))
        self.assertEqual(self.token({**CLIENT, "scope": f"http://{self.host}/.default"}).status, 200)
        self.assertEqual(self.violations(), [])

    def test_bearers(self):
        self.set(revoke_tokens=True)
        reply = self.ask("subscriptions/list")
        self.assertEqual((reply.status, list(reply.json()), self.violations()), (401, ["Message"], []))
        self.bearer = self.token().json()["access_token"]
        self.assertEqual(self.ask("subscriptions/list").status, 200)
        self.bearer = "made.up.token"
        self.assertEqual((self.ask("subscriptions/list").status, self.violations()), (401, ["authorization"]))

    def test_rotation_and_secrets(self):
        self.set(revoke_client="sim-client", clients=["sim-client:second"])
        self.assertEqual((self.ask("subscriptions/list").status, self.token().status), (401, 401))
        self.bearer = self.token({**CLIENT, "client_secret": "second"}).json()["access_token"]
        self.assertEqual((self.ask("subscriptions/list").status, self.violations()), (200, []))
        shown = self.get("/_sim/state").body + self.get(f"/_sim/requests/{V}").body + self.get(f"/_sim/tokens/{V}").body
        for secret in (b"sim-secret", b":second", self.bearer.encode()):
            self.assertNotIn(secret, shown)


class BudgetTest(OfficeTest):
    def test_throttle_comes_as_403(self):
        self.set(rate_limit=2, backoff_first=0)
        replies = [self.list() for _ in range(3)]
        self.assertEqual([reply.status for reply in replies], [200, 200, 403])
        self.assertEqual(replies[2].json(), {"error": {"code": "AF429", "message": "Too many requests. Method=GetAvailableContent, "
                                                                                    f"PublisherId={PUBLISHER}"}})
        self.assertIsNone(replies[2].headers["Retry-After"])
        self.set(throttle_form="429")
        self.refused(self.list(), 429, "AF429")
        self.set(throttle_form="mixed")
        self.assertEqual({self.list().status for _ in range(2)}, {403, 429})
        self.assertEqual(self.violations(), [])

    def test_the_anonymous_share_a_pool(self):
        self.set(anonymous_limit=2, backoff_first=0)
        for _ in range(2):
            self.ask("subscriptions/list", publisher=None)
        reply = self.ask("subscriptions/list", publisher=None)
        self.assertEqual((reply.status, reply.json()["error"]["message"]),
                         (403, "Too many requests. Method=ListSubscriptions, PublisherId=00000000-0000-0000-0000-000000000000"))
        self.assertEqual(self.ask("subscriptions/list").status, 200)

    def test_backoff(self):
        self.set(rate_limit=1, rate_window=600)
        with standing_clock() as ahead:
            self.assertEqual([self.list().status for _ in range(2)], [200, 403])
            ahead[0] += 20
            self.refused(self.list(), 403, "AF429", ["backoff"])        # 60 s are due now
            ahead[0] += 61
            self.refused(self.list(), 403, "AF429")
            ahead[0] += 90
            self.set(rate_limit=100)
            self.assertEqual((self.list().status, self.violations()), (200, ["backoff"]))
            self.assertEqual((self.list().status, self.violations()), (200, ["backoff"]))

    def test_longest_pause(self):
        self.set(rate_limit=0)
        with standing_clock() as ahead:
            for _ in range(8):
                self.assertEqual(self.list().status, 403)
                ahead[0] += 600
        self.assertEqual(self.violations(), [])

    def test_requests_on_their_way(self):
        """Blobs that were asked for together are refused together: one refusal, and no violation."""
        found = self.blobs()[0][:4]
        self.set(rate_limit=1, reset_window=True)
        self.list()
        threads = [threading.Thread(target=self.fetch, args=(blob,)) for blob in found]
        with standing_clock():
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
        self.assertEqual(self.violations(), [])
        self.assertEqual(self.server.vendors[V]._patience.times, 1)

    def test_a_time_that_was_named(self):
        """By a proxy, for the vendor names none."""
        found = self.blobs()[0]
        self.misbehave("throttle", V, header="retry_after", seconds=20)
        with standing_clock():
            self.assertEqual(self.fetch(found[0]).status, 429)
            self.fetch(found[1])            # may have been on its way
        self.assertEqual(self.violations(), [])
        self.set(reset_window=True)
        self.misbehave("throttle", V, header="retry_after", seconds=20)
        self.fetch(found[0])
        self.fetch(found[0])
        self.assertEqual(sorted(self.violations()), ["backoff", "before_named_time"])

    def test_concurrency(self):
        found = self.blobs()[0]
        self.set(max_concurrent=1)
        self.misbehave("slow_first_byte", V, seconds=60)
        path = found[0]["contentUri"].partition(self.host)[2]
        with socket.create_connection(self.host.split(":"), timeout=5) as connection:
            connection.sendall(f"GET {path}?PublisherIdentifier={PUBLISHER} HTTP/1.1\r\nHost: {self.host}\r\n"
                               f"Authorization: Bearer {self.bearer}\r\n\r\n".encode())
            wait_until(lambda: self.state(V)["in_flight"] == 1, 5, "the first request")
            self.refused(self.fetch(found[1]), 429, "AF429", ["concurrency"])


class MisbehaviourTest(OfficeTest):
    def test_own(self):
        blob = self.blobs()[0][0]
        for code, status in (("AF20051", 400), ("AF50000", 500), ("AF429", 429), ("AF20031", 400)):
            self.set(reset_window=True)
            self.misbehave("af_error", V, code=code)
            self.refused(self.fetch(blob), status, code)
        self.set(reset_window=True)
        self.misbehave("af_error", V, code="AF429", status=403)
        self.refused(self.fetch(blob), 403, "AF429")
        self.misbehave("token_error", V, reply="AADSTS7000222")
        self.assertEqual(self.token().json()["error_codes"], [7000222])

    def test_generic(self):
        blob = self.blobs()[0][0]
        for status, code in ((500, "AF50000"), (403, "AF10001"), (404, "AF20050")):
            self.misbehave("status", V, status=status)
            self.refused(self.fetch(blob), status, code)
        for status in (502, 503, 504):
            self.misbehave("status", V, status=status)
            self.assertIn("text/html", self.fetch(blob).headers["Content-Type"])
        self.misbehave("status", V, status=503, match="/oauth2/")
        self.assertEqual((self.token().status, self.token().status), (503, 200))
        self.misbehave("bad_utf8", V, match="/audit/")
        self.fetch(blob)
        altered = [line for line in self.ledger(V) if line.get("altered")]
        self.assertEqual([line["type"] for line in altered], ["azure_ad"])
        self.misbehave("expired_cursor", V)
        self.set(page_size=10)
        self.assertEqual(self.follow(self.list()).status, 400)
        self.assertEqual(self.violations(), [])

    def test_cut_blob_is_not_whole(self):
        blob = next(blob for blob in self.blobs()[0] if len(self.fetch(blob).json()) > 2)
        self.post(f"{V}/clear", {"ledger": True})
        self.misbehave("truncated_json", V, match="/audit/", record=1)
        with self.assertRaises(ValueError):
            self.fetch(blob).json()
        lines = self.ledger(V)
        self.assertEqual((sum(line["sent"] for line in lines), {line["whole"] for line in lines}), (1, {False}))

    def test_gzip(self):
        self.set(gzip="always")
        self.assertEqual(self.fetch(json.loads(gzip.decompress(self.list().body))[0]).headers["Content-Encoding"], "gzip")


if __name__ == "__main__":
    unittest.main()
