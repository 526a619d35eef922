#!/usr/bin/env python3
"""The simulator's own test, with the other test_*.py here: python3 tests/simulator/test_simulator.py"""

import gzip
import http.client
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import unittest
import zlib
from email.utils import parsedate_to_datetime
from urllib.parse import quote

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)

from test_base import OKTA, Reply, SimulatorTest, first_query, rfc3339, sha256, split_array  # noqa: E402
from vendors.cisa_kev import MAIN, MIRROR, PATHS, _split    # noqa: E402
from vendors.okta_events import SHAPES          # noqa: E402

KEV = {"Accept": "application/json", "User-Agent": "test/1"}
FEED, COPY = MAIN + PATHS[MAIN], MIRROR + PATHS[MIRROR]


class OktaTest(SimulatorTest):
    def test_walk_matches_ledger(self):
        records, _ = self.walk(limit=300)
        self.assertEqual(len(records), 1000)
        ledger = self.ledger()
        self.assertEqual([line["sha256"] for line in ledger], [sha256(record) for record in records])
        self.assertEqual([line["id"] for line in ledger], [json.loads(record)["uuid"] for record in records])
        self.assertEqual({(line["offered"], line["sent"]) for line in ledger}, {(1, True)})
        self.assertEqual([ledger[0]["page"], ledger[-1]["page"]], [1, 4])
        self.assertEqual(self.violations(), [])
        self.assertEqual(len({line["id"] for line in ledger}), 1000)
        self.assertTrue(900 < sum(map(len, records)) / 1000 < 1400)

    def test_next_link_never_ends_and_finds_later_events(self):
        _, link = self.walk()
        empty = self.get(link)
        self.assertEqual((empty.body, empty.next()), (b"[]", link))
        self.post("okta/set", {"append": {"count": 3, "late_by": 7200}})
        late = self.get(link).json()
        self.assertEqual(len(late), 3)
        self.assertLess(late[0]["published"], rfc3339(time.time() - 7000))
        self.post("okta/set", {"empty_next": "new"})
        _, link = self.walk(link)
        self.assertNotEqual(self.get(link).next(), link)
        self.assertEqual(self.violations(), [])

    def test_closed_window(self):
        everything, _ = self.walk()
        times = sorted(json.loads(event)["published"] for event in everything)
        since, until = times[len(times) // 4], times[len(times) // 2]
        want = [moment for moment in times if since <= moment < until]
        got, target = [], first_query(limit=7, since=since) + "&until=" + quote(until, safe="")
        while target:
            reply = self.get(target)
            self.assertLessEqual(len(reply.json()), 7)
            got += [event["published"] for event in reply.json()]
            target = reply.next()
        self.assertEqual(got, want)  # by `published`, all of them, and the last page has no next
        self.assertTrue(want)
        self.assertEqual(self.violations(), [])
        early = first_query(since=since) + "&until=" + quote(rfc3339(time.time() - 5), safe="")
        self.assertEqual(self.get(early).status, 200)
        self.assertEqual(self.violations(), ["until"])  # what is stored late may be missing

    def test_headers(self):
        reply = self.get(first_query())
        self.assertEqual(len(reply.headers.get_all("Link")), 2)
        self.assertIn(f"<http://{self.host}/okta/api/v1/logs?", reply.headers.get_all("Link")[1])
        self.assertEqual(reply.headers["X-Rate-Limit-Limit"], "600")
        self.assertEqual(reply.headers["X-Rate-Limit-Remaining"], "599")
        date = parsedate_to_datetime(reply.headers["Date"]).timestamp()
        self.assertTrue(0 < int(reply.headers["X-Rate-Limit-Reset"]) - date <= 62)
        self.post("okta/set", {"link_style": "joined", "clock_skew": 1000})
        reply = self.get(first_query())
        self.assertEqual(len(reply.headers.get_all("Link")), 1)
        self.assertGreater(parsedate_to_datetime(reply.headers["Date"]).timestamp() - date, 990)

    def test_bytes_depend_on_seed_and_start_only(self):
        self.start("okta.start=1700000000", "okta.events=50")
        first = [line["sha256"] for line in self.ledger(query="?all=1")]
        self.start("okta.start=1700000000", "okta.events=50")
        self.assertEqual([line["sha256"] for line in self.ledger(query="?all=1")], first)
        self.assertEqual(len(first), 50)

    def test_checks(self):
        def answered(target, code, violation, headers=OKTA, method="GET", error=None):
            self.post("okta/clear", {"violations": True})
            reply = self.get(target, headers, method)
            self.assertEqual(reply.status, code, reply.body)
            if error:
                self.assertEqual(reply.json()["errorCode"], error)
            self.assertEqual(self.violations(), [violation] if violation else [])

        without = {name: value for name, value in OKTA.items()}
        for header, violation in (("Accept", "accept"), ("User-Agent", "user_agent")):
            headers = {name: value for name, value in without.items() if name != header}
            answered(first_query(), 200, violation, headers)
        for value in ("Bearer sim-token", "SSWS  sim-token", "SSWS other", ""):
            answered(first_query(), 401, "authorization", {**OKTA, "Authorization": value}, error="E0000011")
        answered("/okta/api/v1/users", 404, "path")
        answered(first_query(), 405, "method", method="POST")
        answered(first_query() + "&until=2026-01-01T00:00:00Z", 400, "until")
        answered(first_query().replace("ASCENDING", "DESCENDING"), 400, "sort_order", error="E0000001")
        answered(first_query(limit=1001), 400, "limit", error="E0000001")
        answered(first_query(since="yesterday"), 400, "since", error="E0000001")
        answered(first_query(since=rfc3339(time.time() - 181 * 86400)), 400, "since", error="E0000053")
        answered(first_query() + "&after=1795308824246_1", 400, "unknown_cursor", error="E0000031")
        answered("/okta/api/v1/logs?sortOrder=ASCENDING&limit=1", 200, "since")
        answered(self.get(first_query(limit=10)).next().replace("limit=10", "limit=20"), 200, "link_altered")
        answered(first_query(since=rfc3339(time.time() + 3600)), 200, None)

    def test_tokens(self):
        self.post("okta/set", {"tokens": ["sim-token", "second"], "weak_tokens": ["weak"]})
        self.assertEqual(self.get(first_query(), {**OKTA, "Authorization": "SSWS second"}).status, 200)
        refused = self.get(first_query(), {**OKTA, "Authorization": "SSWS weak"})
        self.assertEqual(refused.json()["errorCode"], "E0000006")
        self.post("okta/set", {"revoke": "sim-token"})
        self.assertEqual(self.get(first_query()).status, 401)
        self.assertEqual(self.violations(), [])
        shown = self.get("/_sim/state").body + self.get("/_sim/requests/okta").body
        self.assertNotIn(b"sim-token", shown)
        self.assertNotIn(b"second", shown.replace(b"seconds", b""))

    def test_cursors_expire(self):
        link = self.get(first_query()).next()
        self.post("okta/set", {"expire_cursors": True})
        self.assertEqual(self.get(link).status, 400)
        self.assertEqual(self.violations(), [])
        self.assertEqual(self.state()["expired_cursors"], 1)

    def test_rate_window(self):
        self.post("okta/set", {"rate_limit": 2, "rate_window": 0.2})
        self.get(first_query())
        self.assertEqual(self.get(first_query()).headers["X-Rate-Limit-Remaining"], "0")
        self.assertEqual(self.violations(), [])
        reply = self.get(first_query())
        self.assertEqual((reply.status, reply.json()["errorCode"]), (429, "E0000047"))
        self.get(first_query())
        self.assertEqual(self.violations(), ["before_named_time"] * 2)
        self.post("okta/set", {"reset_window": True})

    def test_duplicates(self):
        self.post("okta/set", {"duplicates": 5})
        records, _ = self.walk(limit=100)
        self.assertEqual(len(records), 1000 + 9 * 5)
        ledger = self.ledger()
        self.assertEqual(len(ledger), 1000)
        self.assertEqual(sum(line["offered"] == 2 for line in ledger), 45)

    def test_collisions(self):
        self.post("okta/set", {"append": {"count": 10, "collision_every": 5}})
        self.walk()
        ledger = self.ledger()
        self.assertEqual(len({line["sha256"] for line in ledger}), 1010)
        self.assertEqual(len({line["id"] for line in ledger}), 1008)

    def test_unusual_json(self):
        for style in ("compact", "pretty", "spaced"):
            self.post("okta/set", {"append": {"count": len(SHAPES), "style": style, "shapes": list(SHAPES)}})
        self.post("okta/set", {"append": {"count": 2, "huge_every": 2, "huge_bytes": 3000000}})
        self.post("okta/set", {"page_size": len(SHAPES)})
        records, _ = self.walk(first_query(since=rfc3339(time.time() - 2)))
        records = records[-3 * len(SHAPES) - 2:]
        ledger = self.ledger()[-len(records):]
        self.assertEqual([sha256(record) for record in records], [line["sha256"] for line in ledger])
        self.assertEqual([json.loads(record)["uuid"] for record in records], [line["id"] for line in ledger])
        self.assertIn(b"12345678901234567890123,1e400,", b"".join(records))
        self.assertGreater(len(records[-1]), 3000000)

    def test_published_out_of_order(self):
        self.post("okta/set", {"append": {"count": 100, "disorder": 60}})
        published = [json.loads(record)["published"] for record in self.walk()[0]][-100:]
        self.assertNotEqual(published, sorted(published))

    def test_events_come_at_a_rate(self):
        _, link = self.walk()
        self.post("okta/set", {"rate": 2000})
        deadline = time.monotonic() + 5
        while self.state()["events"] < 1050 and time.monotonic() < deadline:
            pass
        self.post("okta/set", {"rate": 0})
        records, _ = self.walk(link)
        self.assertGreaterEqual(len(records), 50)
        self.assertEqual(self.state()["events"], 1000 + len(records))

    def test_large_page_is_streamed(self):
        self.start("okta.events=30000", "okta.page_size=30000")
        reply = self.get(first_query())
        self.assertEqual(reply.headers["Transfer-Encoding"], "chunked")
        self.assertEqual(len(reply.json()), 30000)
        self.assertTrue(all(line["sent"] for line in self.ledger()))

    def test_speed(self):
        self.start("okta.events=30000")
        begin = time.monotonic()
        connection = http.client.HTTPConnection(self.host)
        target = first_query()
        for _ in range(30):
            connection.request("GET", target, headers=OKTA)
            reply = Reply(connection.getresponse())
            target = reply.next()
        connection.close()
        self.assertGreater(30 / (time.monotonic() - begin), 20)


class CisaKevTest(SimulatorTest):
    def fetch(self, target=FEED, **headers):
        return self.get(target, {**KEV, **{name.replace("_", "-"): value for name, value in headers.items()}})

    def test_document(self):
        reply = self.fetch()
        document = reply.json()
        self.assertEqual(list(document), ["title", "catalogVersion", "dateReleased", "count", "vulnerabilities"])
        self.assertEqual(document["count"], len(document["vulnerabilities"]))
        self.assertEqual(len({entry["cveID"] for entry in document["vulnerabilities"]}), 1500)
        ledger = self.ledger("cisa-kev")
        self.assertEqual([line["id"] for line in ledger], [entry["cveID"] for entry in document["vulnerabilities"]])
        records = _split(reply.body.decode()).records
        self.assertEqual([line["sha256"] for line in ledger], [sha256(data) for _, data in records])

    def test_file_is_served_byte_for_byte(self):
        document = self.fetch().body
        directory = tempfile.mkdtemp()
        self.addCleanup(shutil.rmtree, directory)
        path = os.path.join(directory, "kev.json")
        with open(path, "wb") as file:
            file.write(document)
        self.start(f"cisa-kev.file={path}")
        self.assertEqual(self.fetch().body, document)

    def test_header_members_behind_the_array(self):
        self.start("cisa-kev.header_after=1", "cisa-kev.layout=compact", "cisa-kev.entries=3")
        self.post("cisa-kev/set", {"add": 1, "bump": "day"})
        document = self.fetch().json()
        self.assertEqual(list(document)[0], "vulnerabilities")
        self.assertEqual((document["count"], document["catalogVersion"]), (4, "2026.03.03"))

    def test_validators(self):
        first = self.fetch()
        unchanged = self.fetch(If_None_Match=first.headers["ETag"])
        self.assertEqual((unchanged.status, unchanged.body), (304, b""))
        self.assertEqual(self.fetch(If_Modified_Since=first.headers["Last-Modified"]).status, 304)
        self.post("cisa-kev/set", {"edit": {"index": 2}})
        changed = self.fetch(If_None_Match=first.headers["ETag"], If_Modified_Since=first.headers["Last-Modified"])
        self.assertEqual(changed.status, 200)
        self.assertNotEqual(changed.headers["Last-Modified"], first.headers["Last-Modified"])
        self.assertEqual(changed.json()["catalogVersion"], first.json()["catalogVersion"])
        self.assertEqual(self.violations(), [])
        self.assertEqual(self.fetch(COPY, If_None_Match=changed.headers["ETag"]).status, 200)
        self.assertEqual(self.violations(), ["validator"])
        self.post("cisa-kev/set", {"validators": "ignore"})
        self.assertEqual(self.fetch(If_None_Match=changed.headers["ETag"]).status, 200)
        self.post("cisa-kev/set", {"validators": "none"})
        self.assertIsNone(self.fetch().headers["ETag"])

    def test_revisions(self):
        first = self.fetch().json()["vulnerabilities"]
        results = self.post("cisa-kev/set", {
            "edit": {"cveID": first[5]["cveID"], "members": {"dueDate": "2027-01-01"}}, "retract": {"index": 9}, "add": 2,
            "bump": "day", "mirror_serve": 1})["results"]
        second = self.fetch().json()
        self.assertEqual(second["count"], 1501)
        self.assertEqual([entry["cveID"] for entry in second["vulnerabilities"][:2]], results["add"])
        self.assertNotIn(results["retract"][0], [entry["cveID"] for entry in second["vulnerabilities"]])
        self.assertEqual(second["vulnerabilities"][7]["dueDate"], "2027-01-01")
        self.assertEqual(self.fetch(COPY).json()["catalogVersion"], "2026.03.02")
        self.post("cisa-kev/set", {"count_error": 5, "serve": 0})
        self.assertEqual(self.fetch().json()["count"], 1506)
        self.post("cisa-kev/set", {"serve": 2})
        self.assertEqual(self.fetch().json()["vulnerabilities"], first)
        ledger = self.ledger("cisa-kev")
        self.assertEqual(len(ledger), 1500 + 2 + 1)
        self.assertEqual(len({line["id"] for line in ledger}), 1502)

    def test_checks(self):
        denied = self.get(FEED, {"Accept": "application/json"})
        self.assertEqual(denied.status, 403)
        self.assertIn(b"Access Denied", denied.body)
        self.assertIn(b"Reference", denied.body)
        self.get(FEED, {"User-Agent": "test"})
        self.get(FEED + "?x=1", KEV)
        self.get(FEED, {**KEV, "Authorization": "Bearer x"})
        self.assertEqual(self.violations(), ["user_agent", "accept", "query", "authorization"])

    def test_gzip(self):
        reply = self.fetch(Accept_Encoding="gzip")
        self.assertEqual(reply.headers["Content-Encoding"], "gzip")
        self.assertEqual(gzip.decompress(reply.body), self.fetch().body)
        self.assertTrue(all(line["sent"] for line in self.ledger("cisa-kev")))

    def test_mirror_fails_on_its_own(self):
        self.misbehave("access_denied", "cisa-kev", match="/cisa-kev/", count="always")
        self.assertEqual(self.fetch().status, 403)
        self.assertEqual(self.fetch(COPY).status, 200)


class MisbehaviourTest(SimulatorTest):
    def test_statuses(self):
        for code in (401, 403, 404, 500, 502, 503, 504):
            self.misbehave("status", status=code)
            reply = self.get(first_query())
            self.assertEqual(reply.status, code)
            self.assertIn("errorCode", reply.json())
        self.misbehave("status", status=403, body="html")
        self.assertIn(b"<html>", self.get(first_query()).body)
        self.misbehave("status", status=503, retry_after=30)
        self.assertEqual(self.get(first_query()).headers["Retry-After"], "30")
        self.assertEqual(self.ledger(), [])
        self.assertEqual(self.get(first_query()).status, 200)
        self.assertEqual(self.violations(), ["before_named_time"])

    def test_throttles(self):
        for header, name in (("reset", "X-Rate-Limit-Reset"), ("retry_after", "Retry-After"), ("date", "Retry-After"),
                             ("absurd", "X-Rate-Limit-Reset"), ("past", "X-Rate-Limit-Reset"), ("none", None)):
            self.start()
            self.misbehave("throttle", header=header, seconds=20)
            reply = self.get(first_query())
            self.assertEqual(reply.status, 429)
            present = [key for key in ("X-Rate-Limit-Reset", "Retry-After") if reply.headers[key]]
            self.assertEqual(present, [name] if name else [])
            self.get(first_query())
            early = ["before_named_time"] if header in ("reset", "retry_after", "date") else []
            self.assertEqual(self.violations(), early, header)

    def test_program_conditions(self):
        self.misbehave("status", status=500, match="after=", skip=1, count=2)
        target = first_query(limit=10)
        self.assertEqual(self.get(target).status, 200)
        link = self.get(target).next()
        self.assertEqual([self.get(link).status for _ in range(4)], [200, 500, 500, 200])
        self.misbehave("status", status=502, after_pages=len(self.server.vendors["okta"].ledger.pages) + 2)
        self.assertEqual([self.get(link).status for _ in range(4)], [200, 200, 502, 200])
        self.misbehave("status", status=503, probability=0.5, count="always")
        seen = [self.get(link).status for _ in range(40)]
        self.assertTrue(5 < seen.count(503) < 35)
        self.post("okta/clear", {})
        self.assertEqual(self.get(link).status, 200)

    def test_cut_within_a_record(self):
        whole = split_array(self.get(first_query()).body)
        for framing in ("length", "chunked", "close"):
            self.post("okta/clear", {"ledger": True})
            self.misbehave("cut", record=3, framing=framing)
            data = self.raw(first_query())
            head, _, body = data.partition(b"\r\n\r\n")
            self.assertEqual(b"Content-Length" in head, framing == "length")
            self.assertIn(whole[2], body)
            self.assertNotIn(whole[3], body)
            self.assertIn(whole[3][:100], body)
            self.assertEqual([line["sent"] for line in self.ledger()][:5], [True] * 3 + [False] * 2, framing)
        self.misbehave("cut", at=10)
        self.assertEqual(len(self.raw(first_query()).partition(b"\r\n\r\n")[2]), 10)

    def test_reset(self):
        for at in (-1, 0, 100):
            self.misbehave("reset", at=at)
            with self.assertRaises(ConnectionResetError):
                self.raw(first_query())

    def test_delays(self):
        for kind, parameters in (("slow_first_byte", {"seconds": 0.3}), ("stall", {"seconds": 0.3, "at": 10}),
                                 ("drip", {"bytes_per_second": 4000})):
            self.misbehave(kind, **parameters)
            begin = time.monotonic()
            self.assertEqual(len(self.get(first_query(limit=1)).json()), 1)
            self.assertGreater(time.monotonic() - begin, 0.2, kind)

    def test_wrong_bodies(self):
        self.misbehave("truncated_json", record=1)
        reply = self.get(first_query())
        self.assertEqual(int(reply.headers["Content-Length"]), len(reply.body))
        with self.assertRaises(ValueError):
            reply.json()
        self.assertEqual([line["sent"] for line in self.ledger()][:2], [True, False])
        self.misbehave("garbage_json")
        with self.assertRaises(ValueError):
            self.get(first_query()).json()
        self.misbehave("html_login")
        reply = self.get(first_query())
        self.assertEqual((reply.status, reply.headers["Content-Type"][:9]), (200, "text/html"))
        self.misbehave("body", text="{}", status=200)
        self.assertEqual(self.get(first_query()).body, b"{}")

    def test_bad_utf8_is_noted_as_sent(self):
        self.misbehave("bad_utf8", record=2)
        body = self.get(first_query(limit=5)).body
        with self.assertRaises(UnicodeDecodeError):
            body.decode()
        ledger = self.ledger()
        altered = [line for line in ledger if line.get("altered")]
        self.assertEqual((len(ledger), len(altered)), (5, 1))
        records = split_array(body.replace(b"\xc3\x28", b""))
        self.assertEqual(altered[0]["id"], json.loads(records[2])["uuid"])
        self.assertEqual(altered[0]["length"], len(records[2]) + 2)

    def test_cursors(self):
        links = [self.get(first_query(limit=10)).next()]
        for _ in range(2):
            links.append(self.get(links[-1]).next())
        self.misbehave("repeated_cursor", back=2)
        self.assertEqual(self.get(links[2]).next(), links[0])
        self.misbehave("expired_cursor", status=404)
        self.assertEqual(self.get(first_query()).status, 200)
        self.assertEqual(self.get(links[1]).status, 404)
        self.misbehave("drop_header", name="Link")
        self.assertIsNone(self.get(links[1]).next())

    def test_redirects(self):
        self.misbehave("redirect")
        location = self.get(first_query()).headers["Location"]
        self.assertTrue(location.startswith("http://localhost:"))
        self.get("/" + location.split("/", 3)[3])
        self.assertEqual(self.violations(), ["redirect_followed", "credential_sent_elsewhere"])
        self.misbehave("redirect", to="self", status=307)
        target = first_query()
        self.assertTrue(self.get(target).headers["Location"].endswith(target))

    def test_headers(self):
        self.misbehave("header_flood")
        head = self.raw(first_query()).partition(b"\r\n\r\n")[0]
        self.assertGreater(len(head), 256 * 1024)
        self.misbehave("duplicate_header", name="Content-Length", value="5")
        self.assertEqual(self.raw(first_query()).partition(b"\r\n\r\n")[0].count(b"Content-Length"), 2)
        for error in (10, -10):
            self.misbehave("wrong_length", error=error)
            head, _, body = self.raw(first_query()).partition(b"\r\n\r\n")
            told = int(re.search(rb"Content-Length: (\d+)", head).group(1))
            self.assertEqual(told - len(body), error)

    def test_encodings(self):
        self.misbehave("gzip_truncated")
        reply = self.get(first_query())
        self.assertEqual(int(reply.headers["Content-Length"]), len(reply.body))
        with self.assertRaises(EOFError):
            gzip.decompress(reply.body)
        complete = sum(line["sent"] for line in self.ledger())
        self.assertTrue(0 < complete < 1000)
        plain = zlib.decompressobj(31).decompress(reply.body)
        self.assertEqual(plain.count(b'"uuid":') - 1, complete)
        self.misbehave("wrong_encoding", encoding="gzip")
        reply = self.get(first_query())
        self.assertEqual((reply.headers["Content-Encoding"], reply.body[:1]), ("gzip", b"["))
        self.misbehave("gzip_bomb", bytes=64 * 1024 * 1024)
        reply = self.get(first_query())
        self.assertLess(len(reply.body), 256 * 1024)
        self.assertEqual(len(gzip.decompress(reply.body)), 64 * 1024 * 1024 + 4)

    def test_close_after_reply(self):
        self.misbehave("close_after")
        connection = http.client.HTTPConnection(self.host, timeout=5)
        connection.request("GET", first_query(), headers=OKTA)
        response = connection.getresponse()
        self.assertIsNone(response.headers["Connection"])
        response.read()
        self.assertEqual(connection.sock.recv(1), b"")
        connection.close()

    def test_many_at_once(self):
        self.post("okta/set", {"max_concurrent": 2})
        self.misbehave("slow_first_byte", seconds=0.5, count="always")
        seen = []
        threads = [threading.Thread(target=lambda: seen.append(self.get(first_query()).status)) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(sorted(seen), [200, 200, 429, 429])
        self.assertEqual(self.violations(), ["concurrency"] * 2)
        self.assertEqual((self.state()["peak_in_flight"], self.state()["in_flight"]), (4, 0))

    def test_programs_combine(self):
        self.post("okta/misbehave", [{"kind": "status", "status": 503}, {"kind": "header_flood", "lines": "one", "bytes": 5000},
                                     {"kind": "status", "status": 500}])
        replies = [self.get(first_query()) for _ in range(3)]
        self.assertEqual([reply.status for reply in replies], [503, 500, 200])
        self.assertEqual([len(reply.headers["X-Flood"] or "") for reply in replies], [5000, 0, 0])
        self.assertEqual(self.state()["misbehaved"], {"status": 2, "header_flood": 1})

    def test_endless_body(self):
        self.misbehave("endless_body", start="", fill="[", bytes=1000000)
        self.assertGreater(len(self.get(first_query()).body), 900000)

    def test_client_that_goes_away(self):
        self.start("okta.events=100000", "okta.page_size=100000")
        with socket.create_connection(self.server.url[7:].split(":"), timeout=5) as connection:
            lines = [f"GET {first_query()} HTTP/1.1"] + [f"{name}: {value}" for name, value in OKTA.items()]
            connection.sendall(("\r\n".join(lines) + "\r\n\r\n").encode())
            connection.recv(1000)
        while self.state()["in_flight"]:
            pass
        ledger = self.ledger()
        self.assertEqual(len(ledger), 100000)
        self.assertLess(sum(line["sent"] for line in ledger), 100000)

    def test_mistakes_are_refused(self):
        for path, data in (("okta/misbehave", {"kind": "no such"}), ("okta/misbehave", {"kind": "cut", "where": 3}),
                           ("okta/misbehave", {"kind": "throttle", "header": "x"}), ("okta/set", {"nothing": 1}),
                           ("okta/set", {"rate_limit": "many"}), ("cisa-kev/set", {"edit": {"cveID": "none"}})):
            self.assertEqual(self.get(f"/_sim/{path}", {}, "POST", json.dumps(data)).status, 400, data)


class ProcessTest(unittest.TestCase):
    """The program as tests start it."""

    def setUp(self):
        self.directory = tempfile.mkdtemp()
        self.addCleanup(shutil.rmtree, self.directory)

    def run_once(self, listen, requests, *arguments):
        path = os.path.join(self.directory, "ready")
        process = subprocess.Popen(
            [sys.executable, os.path.join(HERE, "simulator.py"), "--listen", listen, "--vendor", "okta", "--seed", "3",
             "--ready-file", path, "--state", os.path.join(self.directory, "state"), *arguments],
            stdout=subprocess.PIPE, text=True)
        with process:
            line = process.stdout.readline()
            with open(path, encoding="ascii") as file:
                self.assertEqual(file.read(), line)
            host = line.split("//")[1].strip()
            replies = []
            for request in requests:
                connection = http.client.HTTPConnection(host, timeout=5)
                connection.request("GET", request(replies), headers=OKTA)
                replies.append(Reply(connection.getresponse()))
                connection.close()
            process.send_signal(signal.SIGTERM)
            self.assertEqual(process.wait(5), 0)
        return host, replies

    def test_restart_on_the_same_port(self):
        since = first_query(limit=400)
        ledger = os.path.join(self.directory, "ledger")
        host, before = self.run_once("127.0.0.1:0", [lambda _: since, lambda replies: replies[0].next()])
        _, after = self.run_once(host, [lambda _: before[0].next(), lambda _: before[1].next()], "--ledger", ledger)
        self.assertEqual(after[0].body, before[1].body)
        self.assertEqual(len(after[1].json()), 200)
        with open(os.path.join(ledger, "okta.ledger.jsonl"), encoding="utf-8") as file:
            lines = [json.loads(line) for line in file]
        self.assertEqual([line["offered"] for line in lines], [1] * 400 + [2] * 400 + [1] * 200)


def load_tests(loader, tests, _pattern):
    """The other test files of this folder too."""
    names = sorted(name[:-3] for name in os.listdir(HERE) if re.fullmatch(r"test_\w+\.py", name))
    return unittest.TestSuite([tests, loader.loadTestsFromNames([name for name in names if name not in ("test_base", "test_simulator")])])


if __name__ == "__main__":
    unittest.main()
