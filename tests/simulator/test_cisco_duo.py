#!/usr/bin/env python3
"""The simulated Cisco Duo: python3 tests/simulator/test_cisco_duo.py"""

import base64
import hashlib
import hmac
import json
import os
import pickle
import sys
import time
import unittest
from collections import Counter
from email.utils import formatdate, parsedate_to_datetime
from unittest import mock
from urllib.parse import quote

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(os.path.dirname(HERE), "lib", "python")]

from signaltest.copier import Copy              # noqa: E402  (the paths come first)
from signaltest.ledger import Ledger, Offers    # noqa: E402
from test_base import SimulatorTest, sha256     # noqa: E402
from simulator import make_vendors              # noqa: E402
from vendors import cisco_duo, duo_signature    # noqa: E402
from vendors.duo_records import KINDS           # noqa: E402

IKEY, SKEY = "DISIMSIMSIMSIMSIMSIM", "s" * 40
HOST = "api-1a2b3c4d.duosecurity.com"
PATHS = {endpoint.data_type: path for path, endpoint in cisco_duo.ENDPOINTS.items()}
MEMBERS = {endpoint.data_type: endpoint.member for endpoint in cisco_duo.ENDPOINTS.values()}
IDS = {"auth_logs": "txid", "activity_logs": "activity_id", "telephony_logs": "telephony_id"}


def encode(parameters):
    return "&".join(f"{quote(name, safe='')}={quote(str(value), safe='')}" for name, value in sorted(parameters.items()))


def cut_records(body, start):
    """The exact bytes of the array's elements that follow `start`."""
    text, decoder, found = body.decode(), json.JSONDecoder(), []
    at = text.index(start) + len(start)
    while text[at] != "]":
        _, end = decoder.raw_decode(text, at)
        found.append(text[at:end].encode())
        at = end + (text[end] == ",")
    return found


class DuoTest(SimulatorTest):
    def setUp(self):
        self.start("cisco-duo.rate_limit=100000")

    def start(self, *options, vendors=("cisco-duo",)):
        self.serve(make_vendors(vendors, 7, options))

    def headers(self, path, query, ikey=IKEY, skey=SKEY, form="sha1", host=HOST, date=None, method="GET", name="Date"):
        date = date or formatdate(time.time())
        own = [(name, date)] if name.lower().startswith("x-duo") else []
        text = duo_signature.canonical_text(form, date, method, host, path, query, b"", own)
        pair = f"{ikey}:{duo_signature.sign(skey, text, form)}"
        return {name: date, "Authorization": "Basic " + base64.b64encode(pair.encode()).decode(), "User-Agent": "test/1"}

    def ask(self, kind="auth_logs", query=None, sent=None, **signing):
        """A signed request; `query` is text or parameters, `sent` the query that is sent in its place."""
        path = PATHS[kind]
        query = encode(query or {}) if not isinstance(query, str) else query
        headers = self.headers(path, query, **signing)
        return self.get(f"/cisco-duo{path}?{query if sent is None else sent}", headers, signing.get("method", "GET"))

    def window(self, limit=100, seconds=86400, **more):
        now = int(time.time() * 1000)
        return {"mintime": now - seconds * 1000, "maxtime": now, "limit": limit, "sort": "ts:asc", **more}

    def walk(self, kind="auth_logs", query=None, follow=None):
        """(records as bytes, replies) of all pages of a window. `follow` is called between pages."""
        query, records, replies = dict(query or self.window()), [], []
        while True:
            reply = self.ask(kind, query)
            self.assertEqual((reply.status, reply.json().get("stat")), (200, "OK"), reply.body)
            records += cut_records(reply.body, f'"{MEMBERS[kind]}":[')
            replies.append(reply)
            following = reply.json()["response"]["metadata"].get("next_offset")
            if following is None:
                return records, replies
            query["next_offset"] = ",".join(following) if isinstance(following, list) else following
            if follow:
                follow(len(replies))

    def of(self, kind, query=""):
        return [line for line in self.ledger("cisco-duo", query) if line["type"] == kind]

    def refused(self, code, violations, kind="auth_logs", query=None, **more):
        self.post("cisco-duo/clear", {"violations": True})
        reply = self.ask(kind, self.window() if query is None else query, **more)
        self.assertEqual((reply.status, reply.json()["stat"], reply.json()["code"]), (code // 100, "FAIL", code), reply.body)
        self.assertEqual(self.violations(), violations)
        return reply.json()


class LogTest(DuoTest):
    def test_the_oracle_can_judge(self):
        self.post("cisco-duo/set", {"append": {"type": "admin_logs", "count": 5}, "twin_every": 3})
        self.post("cisco-duo/set", {"append": {"type": "admin_logs", "count": 6}})
        for kind in ("auth_logs", "admin_logs"):
            records = (self.walk(kind)[0] if kind in IDS else cut_records(self.ask(kind).body, '"response":['))
            copies, equal = [], Counter()
            for seq, record in enumerate(records, 1):
                equal[record] += 1
                own = json.loads(record)[IDS[kind]] if kind in IDS else f"h:{sha256(record)[:32]}"
                own += f"#{equal[record]}" if equal[record] > 1 else ""
                headers = f"NATS/1.0\r\nNats-Msg-Id: d.{kind}.{own}\r\nce-id: {own}\r\n\r\n".encode()
                copies.append(Copy(seq, "data", headers, sha256(record), len(record), 0))

            def judged(found):
                return Ledger(Offers(f"d.{kind}.").add_lines(self.of(kind, "?all=1"))).judge(found)
            self.assertTrue(judged(copies).exact, judged(copies).text())
            self.assertEqual(max(equal.values()), 1 if kind in IDS else 2)
            self.assertEqual(judged(copies[1:]).wrong(), ["missing"])
            self.assertEqual(judged([*copies, copies[0]]).wrong(), ["doubled_by_id", "doubled_by_body"])

    def test_walk_matches_ledger(self):
        for kind, name in IDS.items():
            records, replies = self.walk(kind, self.window(limit=30))
            ledger = self.of(kind)
            self.assertEqual([sha256(record) for record in records], [line["sha256"] for line in ledger])
            self.assertEqual([json.loads(record)[name] for record in records], [line["id"] for line in ledger])
            self.assertEqual({(line["offered"], line["sent"], line["last"]) for line in ledger}, {(1, True, True)})
            self.assertEqual(len(self.of(kind, "?all=1")), len(records))
            self.assertEqual(len(replies), -(-len(records) // 30))
        self.assertEqual(self.violations(), [])
        self.assertEqual(self.state("cisco-duo")["walks"], {kind: 1 for kind in IDS})

    def test_sample_members(self):
        reply = self.ask(query=self.window(limit=2)).json()
        self.assertEqual(list(reply), ["stat", "response"])
        self.assertEqual(list(reply["response"]), ["authlogs", "metadata"])
        metadata = reply["response"]["metadata"]
        last = reply["response"]["authlogs"][-1]
        self.assertEqual(metadata["total_objects"], 1000)
        self.assertEqual(metadata["next_offset"][1], last["txid"])
        moment = parsedate_to_datetime(formatdate(last["timestamp"], usegmt=True)).timestamp()
        self.assertEqual(int(metadata["next_offset"][0]) // 1000, moment)
        self.assertEqual(int(metadata["next_offset"][0]) % 1000, int(last["isotimestamp"][20:23]))
        metadata = self.ask("telephony_logs", self.window(limit=2)).json()["response"]["metadata"]
        self.assertIsInstance(metadata["next_offset"], str)
        self.assertEqual(metadata["total_objects"], {"relation": "eq", "value": 100})

    def test_equal_times_at_a_page_boundary(self):
        moment = time.time() - 600
        self.post("cisco-duo/set", {"append": {"count": 7, "at": moment}})
        query = self.window(limit=2)
        query.update(mintime=int(moment * 1000), maxtime=int(moment * 1000) + 1)
        records, replies = self.walk(query=query)
        self.assertEqual((len(records), len(set(records)), len(replies)), (7, 7, 4))
        self.assertEqual(len({json.loads(record)["isotimestamp"] for record in records}), 1)
        initial = [json.loads(record)["isotimestamp"] for record in self.walk(query=self.window(limit=1000))[0]]
        self.assertEqual(Counter(Counter(initial).values()), {2: 500, 7: 1})

    def test_both_ends_are_included(self):
        times = {int(reply["next_offset"][0]) for reply in
                 [self.ask(query=self.window(limit=n)).json()["response"]["metadata"] for n in (100, 200)]}
        low, high = sorted(times)
        stamps = [json.loads(record)["isotimestamp"] for record in self.walk(query=self.window(mintime=low, maxtime=high))[0]]
        self.assertEqual(len(stamps), 102)      # two at each end
        tiled = self.walk(query=self.window(mintime=high + 1))[0]
        self.assertGreater(json.loads(tiled[0])["isotimestamp"], stamps[-1])

    def test_newest_are_withheld(self):
        added = self.post("cisco-duo/set", {"append": 3})["results"]["append"]
        self.assertEqual(len(self.walk()[0]), 1000)
        self.assertNotIn(added[0], [line["id"] for line in self.of("auth_logs", "?all=1")])
        self.post("cisco-duo/set", {"clock_skew": 121})
        records, _ = self.walk()
        self.assertEqual([json.loads(record)["txid"] for record in records[1000:]], added)
        self.assertIn(added[0], [line["id"] for line in self.of("auth_logs", "?all=1")])

    def test_late_record(self):
        tail = self.window(seconds=1000)
        before = self.walk(query=tail)[0]
        added = self.post("cisco-duo/set", {"append": {"late_by": 500}})["results"]["append"]
        records = self.walk(query=tail)[0]
        ids = [json.loads(record)["txid"] for record in records]
        self.assertEqual(len(records), len(before) + 1)
        self.assertLess(ids.index(added[0]), len(ids) - 1)
        self.post("cisco-duo/set", {"append": {"late_by": 500, "type": "admin_logs"}})
        self.assertEqual(self.state("cisco-duo")["seen"]["admin_logs"], 201)

    def test_what_comes_while_one_pages(self):
        def add(page):
            if page == 5:
                self.post("cisco-duo/set", {"append": {"late_by": 3000}})      # before the cursor: this walk misses it
                self.post("cisco-duo/set", {"append": {"late_by": 130}})       # behind it
        records, _ = self.walk(query=self.window(limit=100), follow=add)
        self.assertEqual(len(records), 1001)
        missed = [line for line in self.of("auth_logs", "?all=1") if not line["offered"]]
        self.assertEqual(len(missed), 1)

    def test_version_1(self):
        self.post("cisco-duo/set", {"v1_page": 60, "twin_every": 10})
        self.post("cisco-duo/set", {"append": {"type": "admin_logs", "count": 20, "at": int(time.time()) - 5}})
        mintime, seen = int(time.time()) - 86400, {}
        while True:
            reply = self.ask("admin_logs", {"mintime": mintime})
            records = cut_records(reply.body, '"response":[')
            self.assertEqual(records, [record for record in records if json.loads(record)["timestamp"] >= mintime])
            self.assertLessEqual(len(records), 60)
            seen.update((sha256(record), record) for record in records)
            if len(records) < 60:
                break
            mintime = json.loads(records[-1])["timestamp"]
        ledger = self.of("admin_logs", "?all=1")
        self.assertEqual(len(ledger), 220)
        self.assertEqual({line["sha256"] for line in ledger}, set(seen))
        twins = [line for line in ledger if line["id"].endswith("#2")]
        self.assertEqual(len(twins), 2)
        self.assertTrue(all(line["id"].partition("#")[0] == "h:" + line["sha256"][:32] for line in ledger))
        self.assertEqual(len({line["id"] for line in ledger}), 220)
        self.assertEqual(len(json.loads(self.ask("offline_enrollment_logs").body)["response"]), 20)
        self.assertEqual(self.violations(), [])

    def test_last_page(self):
        query = self.window(limit=500)
        self.assertNotIn("next_offset", self.walk(query=query)[1][-1].json()["response"]["metadata"])
        self.post("cisco-duo/set", {"last_offset": "null", "total": "object", "trailing_page": True})
        _, replies = self.walk(query=query)
        last = replies[-1].json()["response"]
        self.assertEqual((len(replies), last["authlogs"]), (3, []))
        self.assertEqual(last["metadata"], {"next_offset": None, "total_objects": {"relation": "eq", "value": 1000}})

    def test_envelopes(self):
        for envelope, order, inner in (("stat_last", ["response", "stat"], ["authlogs", "metadata"]),
                                       ("metadata_first", ["stat", "response"], ["metadata", "authlogs"])):
            self.post("cisco-duo/set", {"envelope": envelope})
            reply = self.ask(query=self.window(limit=2)).json()
            self.assertEqual((list(reply), list(reply["response"])), (order, inner))
            self.assertEqual(self.ask("admin_logs").json()["stat"], "OK")

    def test_growth_and_restart(self):
        self.post("cisco-duo/set", {"rate": 1000})
        deadline = time.monotonic() + 5
        while self.state("cisco-duo")["records"]["auth_logs"] < 1020 and time.monotonic() < deadline:
            pass
        self.post("cisco-duo/set", {"rate": 0})
        self.assertGreaterEqual(self.state("cisco-duo")["records"]["auth_logs"], 1020)
        query = self.window(limit=10)
        following = self.ask(query=query).json()["response"]["metadata"]["next_offset"]
        saved, pages = pickle.loads(pickle.dumps(self.server.vendors["cisco-duo"].save())), self.server.vendors["cisco-duo"].ledger.pages
        vendors = make_vendors(("cisco-duo",), 7, ())
        vendors[0].restore(saved)
        vendors[0].ledger.pages = pages
        self.serve(vendors)
        self.assertEqual(self.ask(query={**query, "next_offset": ",".join(following)}).status, 200)
        self.assertEqual(len(self.of("auth_logs")), 20)
        self.assertEqual(self.violations(), [])

    def test_bytes_depend_on_seed_and_start_only(self):
        def hashes():
            self.start("cisco-duo.start=1790000000", "cisco-duo.auth_logs=50")
            return [line["sha256"] for line in self.ledger("cisco-duo", "?all=1")]
        first = hashes()
        self.assertEqual((hashes(), len(first)), (first, 470))

    def test_unusual_json(self):
        for number, kind in enumerate(KINDS):
            for style in ("compact", "pretty", "spaced"):
                self.post("cisco-duo/set", {"append": {"type": kind, "count": 7, "at": int(time.time()) - 900 + number, "style": style,
                                                       "shapes": ["all"]}})
        for kind in IDS:
            records, _ = self.walk(kind)
            self.assertEqual({sha256(record) for record in records}, {line["sha256"] for line in self.of(kind)})
        self.assertIn(b"12345678901234567890123,1e400,", b"".join(self.walk("telephony_logs")[0]))
        text = self.ask(query=self.window(limit=1000)).body.decode()
        self.assertIn('"ratio":3.40227072E9', text)
        self.assertTrue(any(ord(letter) > 0xFFFF for letter in text))


class SignatureTest(DuoTest):
    def test_vector(self):
        query = ("limit=1000&maxtime=1787333358000&mintime=1787329758000"
                 "&next_offset=1787330000271%2C0b6f0c5e-1111-4222-8333-944455566677&sort=ts%3Aasc")
        text = duo_signature.canonical_text("sha1", "Fri, 21 Aug 2026 17:29:18 -0000", "get", HOST.upper(),
                                            "/admin/v2/logs/authentication", query)
        self.assertEqual(duo_signature.sign("k" * 40, text), "8b89c2a88f03b6e2737f2bbf2fef1fcb57310fef")

    def test_seven_lines(self):
        """The newer form, written out: the five lines, the hash of no body and that of the own headers."""
        lines = ["Fri, 21 Aug 2026 17:29:18 -0000", "GET", HOST, "/admin/v1/logs/administrator", "mintime=1"]
        headers = [("Host", HOST), ("X-Duo-B", "2"), ("x-duo-a", "One")]
        for own, joined in ((headers[:1], b""), (headers, b"x-duo-a\0One\0x-duo-b\x002")):
            text = "\n".join([*lines, hashlib.sha512(b"").hexdigest(), hashlib.sha512(joined).hexdigest()])
            signed = duo_signature.canonical_text("sha512", *lines, b"", own)
            self.assertEqual(signed, text)
            self.assertEqual(duo_signature.sign("k" * 40, signed, "sha512"), hmac.digest(b"k" * 40, text.encode(), "sha512").hex())

    def test_vector_by_request(self):
        stamp = 1787333358
        self.start(f"cisco-duo.clients=DIAAAAAAAAAAAAAAAAAA:{'k' * 40}", f"cisco-duo.clock_skew={stamp - time.time()}",
                   f"cisco-duo.start={stamp - 4000}")
        query = "limit=1000&maxtime=1787333358000&mintime=1787329758000&sort=ts%3Aasc"
        reply = self.ask(query=query, ikey="DIAAAAAAAAAAAAAAAAAA", skey="k" * 40, date="Fri, 21 Aug 2026 17:29:18 -0000")
        self.assertEqual(reply.status, 200, reply.body)
        self.assertEqual(self.violations(), [])

    def test_canonical_query(self):
        for raw, wanted in (("", ""), ("b=2&a=1", "a=1&b=2"), ("a=2&a=10", "a=10&a=2"), ("x=a+b", "x=a%20b"), ("x=%7e%2a%2F", "x=~%2A%2F"),
                            ("k=a,b:c", "k=a%2Cb%3Ac"), ("k=", "k="), ("k=%c3%a6", "k=%C3%A6"), ("a=2&B=1", "B=1&a=2")):
            self.assertEqual(duo_signature.canonical_query(raw), wanted, raw)

    def test_forms(self):
        query = self.window()
        for more in ({}, {"form": "sha512"}, {"host": "127.0.0.1"}, {"name": "X-Duo-Date"}, {"name": "X-Duo-Date", "form": "sha512"},
                     {"date": formatdate(time.time())[:-5] + "+0000"}, {"date": formatdate(time.time() + 7200)[:-5] + "+0200"}):
            self.assertEqual(self.ask(query=query, **more).status, 200, more)
        self.assertEqual(self.violations(), [])
        self.post("cisco-duo/set", {"signatures": "sha1"})
        self.assertEqual(self.ask(query=query).status, 200)
        self.refused(40103, ["signature"], form="sha512")

    def test_path_may_be_signed_as_sent(self):
        query = encode(self.window())
        target = "/cisco-duo" + PATHS["auth_logs"]
        self.assertEqual(self.get(f"{target}?{query}", self.headers(target, query)).status, 200)
        note = json.loads(self.get("/_sim/requests/cisco-duo").body.splitlines()[-1])["note"]
        self.assertEqual(note["signed"], ["sha1", HOST, target])

    def test_refusals(self):
        query = encode(self.window())
        self.assertEqual(self.refused(40103, ["signature"], skey="x" * 40)["message"], "Invalid signature in request credentials")
        self.refused(40103, ["signature"], host=self.host)          # with its port
        self.refused(40103, ["signature"], query=query, sent=query.replace("limit=100", "limit=99"))
        self.refused(40102, ["authorization"], ikey="DIOTHER")
        self.refused(40105, ["date"], date="21 Aug 2026 17:29:18")
        self.refused(40105, ["date"], date=formatdate(time.time(), usegmt=True))
        self.post("cisco-duo/set", {"gmt_dates": True, "refused_limit": 1000})
        self.assertEqual(self.ask(query=self.window(), date=formatdate(time.time(), usegmt=True)).status, 200)
        for headers in ({}, {"Authorization": "Basic !!!"}, {"Authorization": "Bearer x"}):
            self.post("cisco-duo/clear", {"violations": True})
            reply = self.get(f"/cisco-duo{PATHS['auth_logs']}?{query}", headers)
            self.assertEqual((reply.status, reply.json()["code"], self.violations()), (401, 40101, ["authorization"]))
        self.post("cisco-duo/clear", {"violations": True})
        headers = self.headers(PATHS["auth_logs"], query)
        del headers["Date"]
        self.assertEqual(self.get(f"/cisco-duo{PATHS['auth_logs']}?{query}", headers).json()["code"], 40104)
        self.assertEqual(self.violations(), ["date"])

    def test_signature_in_capitals(self):
        query = encode(self.window())
        headers = self.headers(PATHS["auth_logs"], query)
        key, _, signature = base64.b64decode(headers["Authorization"][6:]).decode().partition(":")
        headers["Authorization"] = "Basic " + base64.b64encode(f"{key}:{signature.upper()}".encode()).decode()
        self.assertEqual(self.get(f"/cisco-duo{PATHS['auth_logs']}?{query}", headers).json()["code"], 40103)

    def test_query_must_be_sent_as_signed(self):
        query = encode(self.window())
        for sent in ("&".join(reversed(query.split("&"))), query.replace("%3A", ":"), query.replace("%3A", "%3a")):
            self.post("cisco-duo/clear", {"violations": True})
            self.assertEqual(self.ask(query=query, sent=sent).status, 200)
            self.assertEqual(self.violations(), ["not_as_signed"], sent)

    def test_signed_text_must_be_canonical(self):
        with mock.patch.object(duo_signature, "canonical_query", lambda raw: raw):
            headers = self.headers(PATHS["auth_logs"], "sort=ts:asc")
        self.assertEqual(self.get(f"/cisco-duo{PATHS['auth_logs']}?sort=ts:asc", headers).json()["code"], 40103)
        self.assertEqual(self.violations(), ["signature"])

    def test_clock(self):
        self.post("cisco-duo/set", {"clock_skew": 1000})
        reply = self.ask(query=self.window())
        self.assertEqual((reply.status, reply.json()["code"]), (401, 40105))
        offset = parsedate_to_datetime(reply.headers["Date"]).timestamp() - time.time()
        self.assertTrue(990 < offset < 1010)
        self.assertEqual(self.ask(query=self.window(), date=formatdate(time.time() + offset)).status, 200)
        self.post("cisco-duo/set", {"clock_skew": 290})
        self.assertEqual(self.ask(query=self.window()).status, 200)
        self.post("cisco-duo/set", {"clock_skew": 9000, "clock_tolerance": 0})
        self.assertEqual(self.ask(query=self.window()).status, 200)
        self.assertEqual((self.violations(), self.state("cisco-duo")["bad_dates"]), ([], 1))

    def test_signature_made_once_for_all(self):
        query = encode(self.window())
        headers = self.headers(PATHS["auth_logs"], query)
        target = f"/cisco-duo{PATHS['auth_logs']}?{query}"
        with mock.patch.object(cisco_duo, "SIGNATURE_AGE", 60.0):
            self.assertEqual([self.get(target, headers).status for _ in range(2)], [200, 200])
        self.assertEqual(self.violations(), [])
        with mock.patch.object(cisco_duo, "SIGNATURE_AGE", 0.0):
            self.get(target, headers)
        self.assertEqual(self.violations(), ["stale_signature"])

    def test_clients(self):
        weak = f"DIWEAK:{'w' * 40}"
        self.post("cisco-duo/set", {"weak_clients": [weak]})
        self.assertEqual(self.refused(40301, [], ikey="DIWEAK", skey="w" * 40)["message_detail"], "Grant read log")
        self.post("cisco-duo/set", {"clients": [f"{IKEY}:{'n' * 40}"]})
        self.refused(40103, [])                                     # the key that was valid
        self.refused(40103, ["signature"], skey="z" * 40)
        self.assertEqual(self.ask(query=self.window(), skey="n" * 40).status, 200)
        self.post("cisco-duo/set", {"revoke_client": IKEY})
        self.refused(40102, [], skey="n" * 40)
        shown = b"".join(self.get(f"/_sim/{what}").body for what in ("state", "requests/cisco-duo", "violations"))
        for secret in (SKEY, "n" * 40, "w" * 40):
            self.assertNotIn(secret.encode(), shown)

    def test_refused_again_and_again(self):
        self.post("cisco-duo/set", {"clients": [f"{IKEY}:{'n' * 40}"], "refused_limit": 3})
        for _ in range(3):
            self.assertEqual(self.ask(query=self.window()).status, 401)
        self.assertEqual(self.violations(), [])
        self.ask(query=self.window())
        self.assertEqual(self.violations(), ["refused_again"])


class RuleTest(DuoTest):
    def test_queries(self):
        good = self.window()

        def changed(*without, **more):
            return {name: value for name, value in {**good, **more}.items() if name not in without}
        self.refused(40002, ["mintime"], query=changed("mintime"))
        self.refused(40002, ["maxtime"], query=changed("maxtime"))
        self.refused(40002, ["mintime"], query=changed(mintime=good["mintime"] // 1000))
        self.refused(40002, ["window"], query=changed(mintime=good["maxtime"]))
        self.refused(40002, ["limit"], query=changed(limit=1001))
        self.refused(40002, ["limit"], query=changed(limit=0))
        self.refused(40002, ["limit"], query=changed(limit="ten"))
        self.refused(40002, ["sort"], query=changed(sort="ts"))
        self.refused(40002, ["query"], query=changed(page=1))
        self.refused(40002, ["query"], query=encode(good) + "&sort=ts%3Aasc")
        self.refused(40002, ["unknown_cursor"], query=changed(next_offset="1787330000271,0b6f0c5e-1111-4222-8333-944455566677"))
        self.refused(40002, ["mintime"], "admin_logs", {"mintime": good["mintime"]})
        self.refused(40002, ["query"], "admin_logs", {"mintime": 1790000000, "limit": 10})
        self.post("cisco-duo/clear", {"violations": True})
        self.assertEqual(len(self.ask(query=changed("limit")).json()["response"]["authlogs"]), 100)
        newest = [entry["timestamp"] for entry in self.ask(query=changed("sort")).json()["response"]["authlogs"]]
        self.assertEqual(newest, sorted(newest, reverse=True))
        self.assertEqual(self.violations(), ["sort"])

    def test_paths_and_methods(self):
        headers = self.headers("/admin/v1/users", "")
        self.assertEqual(self.get("/cisco-duo/admin/v1/users", headers).json()["code"], 40401)
        self.assertEqual(self.ask(query=self.window(), method="POST").json()["code"], 40501)
        self.assertEqual(self.violations(), ["path", "method"])

    def test_newest_first_pages_too(self):
        records, replies = self.walk(query=self.window(limit=300, sort="ts:desc"))
        stamps = [json.loads(record)["isotimestamp"] for record in records]
        self.assertEqual((len(set(records)), len(replies)), (1000, 4))
        self.assertEqual(stamps, sorted(stamps, reverse=True))

    def test_window_may_not_change_while_paging(self):
        query = self.window()
        following = ",".join(self.ask(query=query).json()["response"]["metadata"]["next_offset"])
        for change in ({"maxtime": query["maxtime"] + 5}, {"limit": 50}, {"mintime": query["mintime"] - 1}):
            self.post("cisco-duo/clear", {"violations": True})
            self.assertEqual(self.ask(query={**query, "next_offset": following, **change}).status, 200)
            self.assertEqual(self.violations(), ["window_changed"])
        self.refused(40002, ["unknown_cursor"], "activity_logs", {**query, "next_offset": following})

    def test_cursors_expire(self):
        query = self.window()
        following = ",".join(self.ask(query=query).json()["response"]["metadata"]["next_offset"])
        self.post("cisco-duo/set", {"expire_cursors": True})
        self.assertEqual(self.refused(40002, [], query={**query, "next_offset": following})["message_detail"], "next_offset: expired")
        self.assertEqual(self.ask(query=query).status, 200)
        self.assertEqual(self.ask(query={**query, "next_offset": following}).status, 200)
        self.post("cisco-duo/set", {"cursor_life": 60, "clock_skew": 61})
        self.refused(40002, [], query={**query, "next_offset": following})
        self.assertEqual(self.state("cisco-duo")["expired_cursors"], 2)

    def test_history(self):
        self.post("cisco-duo/set", {"append": {"at": time.time() - 181 * 86400}})
        records, _ = self.walk(query=self.window(seconds=180 * 86400 + 3600, limit=1000))
        self.assertEqual((len(records), self.violations()), (1000, []))
        self.assertEqual(len(self.of("auth_logs", "?all=1")), 1000)
        self.walk(query=self.window(seconds=200 * 86400, limit=1000))
        self.assertEqual(self.violations(), ["history"])
        self.post("cisco-duo/set", {"history": "refuse"})
        self.refused(40002, [], query=self.window(seconds=180 * 86400 + 3600))

    @mock.patch.object(cisco_duo, "BACKOFF_TOLERANCE", 60.0)
    def test_throttle(self):
        self.post("cisco-duo/set", {"rate_limit": 2, "rate_window": 30})
        self.assertEqual([self.ask(query=self.window()).status for _ in range(2)], [200, 200])
        reply = self.ask(query=self.window())
        self.assertEqual((reply.status, reply.json()), (429, {"stat": "FAIL", "code": 42901, "message": "Too Many Requests"}))
        self.assertEqual([name for name in reply.headers if name.lower() in ("retry-after", "x-rate-limit-reset")], [])
        self.assertEqual(self.ask("admin_logs").status, 200)        # a budget of its own
        self.assertEqual(self.violations(), [])
        self.ask(query=self.window())
        self.assertEqual(self.violations(), ["backoff"])
        self.assertEqual(self.server.vendors["cisco-duo"]._throttles["/cisco-duo" + PATHS["auth_logs"]][0], 2)
        self.post("cisco-duo/set", {"reset_window": True})
        self.assertEqual(self.ask(query=self.window()).status, 200)
        self.misbehave("throttle", "cisco-duo", header="none")
        self.assertEqual([self.ask(query=self.window()).status for _ in range(2)], [429, 429])
        self.post("cisco-duo/set", {"backoff": False, "rate_limit": 1000})
        self.assertEqual(self.ask(query=self.window()).status, 200)
        self.assertEqual(self.violations(), ["backoff"] * 2)

    def test_first_pages_a_minute(self):
        self.post("cisco-duo/set", {"polls": 2})
        self.walk(query=self.window(limit=100))
        self.walk(query=self.window(limit=100))
        self.assertEqual(self.violations(), [])
        self.ask(query=self.window())
        self.ask("admin_logs")
        self.assertEqual(self.violations(), ["polled_often"])

    def test_backoff_grows(self):
        throttles = self.server.vendors["cisco-duo"]._throttles
        path = "/cisco-duo" + PATHS["auth_logs"]
        for times, ago, violations in ((1, 1, []), (2, 2, []), (5, 1, ["backoff"]), (5, 15, []), (6, 15, ["backoff"]), (6, 29, []), (20, 29, []),
                                       (20, 5, ["backoff"])):
            self.post("cisco-duo/clear", {"violations": True})
            throttles[path] = (times, time.monotonic() - ago)
            self.assertEqual(self.ask(query=self.window()).status, 200)
            self.assertEqual(self.violations(), violations, (times, ago))
            self.assertEqual(throttles, {})

    def test_named_time(self):
        self.post("cisco-duo/set", {"backoff": False})
        self.misbehave("throttle", "cisco-duo", header="retry_after", seconds=30)
        self.assertEqual(self.ask(query=self.window()).headers["Retry-After"], "30")
        self.ask(query=self.window())
        self.assertEqual(self.violations(), ["before_named_time"])

    def test_own_misbehaviours(self):
        self.misbehave("stat_fail", "cisco-duo", code=50001)
        reply = self.ask(query=self.window())
        self.assertEqual((reply.status, reply.json()["stat"], reply.json()["code"]), (200, "FAIL", 50001))
        self.misbehave("repeated_cursor", "cisco-duo")
        for kind in ("auth_logs", "activity_logs"):
            query = self.window(limit=20)
            first = self.ask(kind, query).json()["response"]["metadata"]["next_offset"]
            following = ",".join(first) if isinstance(first, list) else first
            again = self.ask(kind, {**query, "next_offset": following}).json()["response"]
            self.assertEqual(again["metadata"]["next_offset"] == first, kind == "auth_logs")
            self.assertEqual(len(again[MEMBERS[kind]]), 20)
        self.assertEqual(self.state("cisco-duo")["misbehaved"], {"stat_fail": 1, "repeated_cursor": 1})

    def test_generic_misbehaviours(self):
        for status, code in ((401, 40101), (403, 40301), (500, 50000), (503, 50300)):
            self.misbehave("status", "cisco-duo", status=status)
            reply = self.ask(query=self.window())
            self.assertEqual((reply.status, reply.json()["code"]), (status, code))
        self.misbehave("cut", "cisco-duo", record=3)
        query = encode(self.window())
        self.raw(f"/cisco-duo{PATHS['auth_logs']}?{query}", self.headers(PATHS["auth_logs"], query))
        self.assertEqual([line["sent"] for line in self.of("auth_logs")][:5], [True] * 3 + [False] * 2)
        self.misbehave("bad_utf8", "cisco-duo", record=1)
        self.ask(query=self.window())
        altered = [line for line in self.of("auth_logs") if line.get("altered")]
        self.assertEqual((len(altered), altered[0]["id"] in {line["id"] for line in self.of("auth_logs", "?all=1")}), (1, True))
        self.misbehave("truncated_json", "cisco-duo", record=1)
        with self.assertRaises(ValueError):
            self.ask(query=self.window()).json()
        self.post("cisco-duo/set", {"gzip": "always"})
        self.assertEqual(self.ask(query=self.window()).headers["Content-Encoding"], "gzip")

    def test_mistakes_are_refused(self):
        for row in ({"append": {"type": "none"}}, {"append": {"what": 1}}, {"shapes": ["none"]}, {"total": "many"}):
            self.assertEqual(self.get("/_sim/cisco-duo/set", {}, "POST", json.dumps(row)).status, 400, row)


if __name__ == "__main__":
    unittest.main()
