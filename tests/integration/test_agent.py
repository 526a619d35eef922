#!/usr/bin/env python3
"""The whole agent against a real nats-server and nginx: CISA's catalogue as a file, one very large page.

    tests/integration/test_agent.py [-v]      SIGNAL_CLIENT_BINARY names the agent; else the newest in the build trees

The catalogue is `data/known_exploited_vulnerabilities.json` of a shared folder beside the checkout, where there is one
(`../shared`), and the test says so when it is skipped; a generated one is always used too."""

import json
import os
import sys
import unittest

ROOT = os.path.abspath(os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", ".."))
sys.path.insert(0, os.path.join(ROOT, "tests", "lib", "python"))

from signaltest.jetstream import JetStream  # noqa: E402
from signaltest.kv import Bucket  # noqa: E402
from signaltest.procs import Agent, NatsServer, Nginx, find_agent  # noqa: E402
from signaltest.tools import Workspace, wait_until  # noqa: E402

FEED = "sites/default/files/feeds/known_exploited_vulnerabilities.json"
REAL = os.path.join(ROOT, "..", "shared", "data", "known_exploited_vulnerabilities.json")


def record_slices(document):
    """Exact bytes of each record, by an own reading of the text: JSONDecoder.raw_decode tells where a value ends."""
    decoder = json.JSONDecoder()
    text = document.decode()
    at = text.index("[", text.index('"vulnerabilities"')) + 1
    slices = {}
    while True:
        while text[at] in " \t\r\n,":
            at += 1
        if text[at] == "]":
            return slices
        value, end = decoder.raw_decode(text, at)
        slices[value["cveID"]] = text[at:end].encode()
        at = end


class AgentCase(unittest.TestCase):
    def setUp(self):
        binary = os.environ.get("SIGNAL_CLIENT_BINARY") or find_agent()
        self.assertTrue(binary, "no agent is built")
        self.workspace = Workspace(self.id().rsplit(".", 1)[-1])
        self.addCleanup(self.close)
        self.server = NatsServer(self.workspace).start()
        self.js = JetStream(self.server.connect())
        self.js.stream_create("DATA", ["local.data.>"], duplicate_window=2_000_000_000)
        Bucket.make(self.js, "INTEGRATIONS")
        self.agent = Agent(self.workspace, binary, self.server)

    def close(self):
        outcome = self._outcome.result
        bad = any(case is self for case, _ in outcome.failures + outcome.errors)
        self.workspace.close(failed=bad)

    def put(self, name, value):
        Bucket(self.js, "INTEGRATIONS").put(name, json.dumps(value).encode())

    def status(self, name, data_type):
        whole = Bucket(self.js, "INTEGRATION_STATUS").get_json(name, {}) if Bucket(self.js, "INTEGRATION_STATUS").exists() else {}
        return whole.get("data_types", {}).get(data_type, {})

    def stored(self):
        return [m for m in self.js.read("DATA")]

    def polls(self):
        return self.agent.log().count(" fetched ")

    def wait_polls(self, more=1):
        goal = self.polls() + more
        wait_until(lambda: self.polls() >= goal, 60, lambda: f"{more} more polls\n{self.agent.log_tail(30)}")


class Catalogue(AgentCase):
    def serve(self, document):
        folder = self.workspace.file("www", "")
        path = os.path.join(folder, FEED)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        temporary = path + ".new"
        with open(temporary, "wb") as file:
            file.write(document)
        os.replace(temporary, path)
        return folder

    def run_catalogue(self, document):
        slices = record_slices(document)
        parsed = json.loads(document)
        self.assertEqual(len(slices), parsed["count"])
        nginx = Nginx(self.workspace, self.serve(document)).start()
        self.agent.start()
        self.put("kev", {"integration_type": "cisa-kev", "settings": {"base_url": nginx.url, "use_mirror": False},
                         "poll_interval_minutes": 0.02})
        self.wait_polls()
        messages = self.stored()
        self.assertEqual(len(messages), len(slices))
        self.assertEqual({m.headers["ce-id"].split("~")[0] for m in messages}, set(slices))
        for message in messages:
            self.assertEqual(message.body, slices[message.headers["ce-id"].split("~")[0]])
        self.assertEqual(messages[0].headers["ce-type"], "cisa-kev.vulnerabilities")
        self.wait_polls(2)  # 304
        wait_until(lambda: " 304 " in "\n".join(nginx.access_log()), 30, "a 304 in nginx' log")
        self.assertEqual(self.js.stream_state("DATA")["last_seq"], len(slices))
        self.serve(document)  # the same bytes under new validators: 200
        before = sum(" 200 " in line for line in nginx.access_log())
        self.serve(document)
        os.utime(os.path.join(self.workspace.file("www", ""), FEED), (1_700_000_000, 1_700_000_000))
        wait_until(lambda: sum(" 200 " in line for line in nginx.access_log()) > before, 60, "another 200")
        self.wait_polls(2)
        self.assertEqual(self.js.stream_state("DATA")["last_seq"], len(slices))
        self.changed(parsed, len(slices))
        return parsed

    def changed(self, parsed, count):
        newer = json.loads(json.dumps(parsed))
        newer["catalogVersion"] = "2030.01.02"
        newer["dateReleased"] = "2030-01-02T10:00:00.0000Z"
        newer["vulnerabilities"][3]["dueDate"] = "2031-01-01"
        newer["vulnerabilities"].append({**newer["vulnerabilities"][0], "cveID": "CVE-2099-99999"})
        newer["count"] += 1
        self.serve(self.rewrite(newer))
        wait_until(lambda: self.js.stream_state("DATA")["last_seq"] >= count + 2, 60, "two new artifacts")
        self.wait_polls(2)
        fresh = [m.headers["ce-id"].split("~")[0] for m in self.js.read("DATA", start=count + 1)]
        self.assertEqual(sorted(fresh), sorted([newer["vulnerabilities"][3]["cveID"], "CVE-2099-99999"]))
        older = {**parsed, "catalogVersion": "2020.01.01", "dateReleased": "2020-01-01T10:00:00.0000Z", "count": 1,
                 "vulnerabilities": [{**parsed["vulnerabilities"][0], "dueDate": "1999-01-01"}]}
        self.serve(json.dumps(older).encode())
        wait_until(lambda: "is older" in self.agent.log(), 60, "a word in the log")
        self.wait_polls(2)
        self.assertEqual(self.js.stream_state("DATA")["last_seq"], count + 2)

    def rewrite(self, newer):
        """The newer document with every unchanged record byte for byte as it was: only two differ."""
        head = {k: v for k, v in newer.items() if k != "vulnerabilities"}
        parts = []
        for record in newer["vulnerabilities"]:
            same = self.slices.get(record["cveID"])
            parts.append(same if same and json.loads(same) == record else json.dumps(record).encode())
        return json.dumps(head)[:-1].encode() + b', "vulnerabilities": [\n' + b",\n".join(parts) + b"\n]}"

    def test_real_catalogue(self):
        if not os.path.exists(REAL):
            self.skipTest("the real catalogue is not beside this checkout")
        with open(REAL, "rb") as file:
            document = file.read()
        self.slices = record_slices(document)
        self.run_catalogue(document)

    def test_generated_catalogue(self):
        records = [{"cveID": f"CVE-2026-{n:05}", "vendorProject": "Ex\u00e4mple", "product": "A", "dateAdded": "2026-03-02",
                    "dueDate": "2026-04-01", "notes": 'a "quoted" \\ \u2028 note', "cwes": ["CWE-22"]} for n in range(50)]
        document = json.dumps({"title": "t", "catalogVersion": "2026.03.02", "dateReleased": "2026-03-02T17:55:02.1180Z",
                               "count": 50, "vulnerabilities": records}, ensure_ascii=False, indent=1).encode()
        self.slices = record_slices(document)
        self.run_catalogue(document)

    def test_levels_above_info(self):
        """An agent that logs errors alone works until it is told to stop."""
        document = b'{"catalogVersion": "1", "dateReleased": "2026-03-02T17:55:02.1180Z", "count": 1, "vulnerabilities": [{"cveID": "CVE-2026-00001"}]}'
        nginx = Nginx(self.workspace, self.serve(document)).start()
        for level in ("warn", "error"):
            with self.subTest(level=level):
                self.agent.env["LOG_LEVEL"] = level
                self.agent.start()
                before = len(nginx.access_log())
                self.put("kev", {"integration_type": "cisa-kev", "settings": {"base_url": nginx.url, "use_mirror": False},
                                 "poll_interval_minutes": 0.02})
                wait_until(lambda: len(nginx.access_log()) > before + 2, 60, lambda: f"three requests\n{self.agent.log_tail()}")
                self.assertTrue(self.agent.alive)
                self.assertEqual(self.agent.terminate(6), 0)
        self.assertEqual(self.js.stream_state("DATA")["last_seq"], 1)


class LargePage(AgentCase):
    MIB = int(os.environ.get("SIGNAL_LARGE_PAGE_MIB", "64"))

    def test_one_large_page(self):
        """One page of records of 1 KiB, as large as SIGNAL_LARGE_PAGE_MIB (the promise: 1000), in bounded memory."""
        folder = self.workspace.file("www", "")
        count = self.MIB * 1024
        with open(os.path.join(folder, "page.json"), "wb") as file:
            file.write(b"[")
            for n in range(count):
                record = b'{"uuid":"%08x-0000-4000-8000-000000000000","published":"2026-11-21T10:15:02.%03dZ","pad":"' % (n, n % 1000)
                record += b"x" * (1022 - len(record)) + b'"}'
                file.write((b"," if n else b"") + record)
            file.write(b"]")
        with open(os.path.join(folder, "empty.json"), "wb") as file:
            file.write(b"[]")
        nginx = Nginx(self.workspace, folder, locations="""
        location = /api/v1/logs {
            add_header Link '<http://127.0.0.1:PORT/api/v1/logs?after=end>; rel="next"';
            if ($arg_after = end) { rewrite ^ /empty.json last; }
            rewrite ^ /page.json last;
        }
        location = /page.json { add_header Link '<http://127.0.0.1:PORT/api/v1/logs?after=end>; rel="next"'; }
        location = /empty.json { add_header Link '<http://127.0.0.1:PORT/api/v1/logs?after=end>; rel="next"'; }
        """)
        nginx.locations = nginx.locations.replace("PORT", str(nginx.port))
        nginx.start()
        self.agent.env["LOG_LEVEL"] = "info"
        self.agent.start()
        self.put("okta-prod", {"integration_type": "okta", "settings": {"base_url": nginx.url, "fqdn": "a.okta.com"},
                               "credentials": {"api_token": "some-token-1"}, "poll_interval_minutes": 60,
                               "rate_limit": {"requests": 100000, "per_seconds": 1}})
        wait_until(lambda: self.polls() >= 1, 600, lambda: f"the page\n{self.agent.log_tail(20)}")
        self.assertEqual(self.js.stream_state("DATA")["last_seq"], count)
        peak = self.agent.memory_peak_bytes()
        print(f"{self.MIB} MiB in one page: peak RSS {peak / 1048576:.1f} MiB", flush=True)
        sanitized = any(name in os.environ for name in ("ASAN_OPTIONS", "TSAN_OPTIONS"))
        if not sanitized:
            self.assertLess(peak, 64 * 1048576)


if __name__ == "__main__":
    unittest.main()
