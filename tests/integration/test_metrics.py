#!/usr/bin/env python3
"""/healthz, /readyz and /metrics of a running agent, against nats-server and simulated vendors; and clients that nobody wants.

    tests/integration/test_metrics.py [-v]      SIGNAL_CLIENT_BINARY names the agent; else the newest in the build trees

Where `promtool` is installed (Debian's package prometheus) it judges the text and docs/alerts.yml too."""

import http.client
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import time
import unittest

ROOT = os.path.abspath(os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", ".."))
sys.path.insert(0, os.path.join(ROOT, "tests", "lib", "python"))

from signaltest.exposition import Exposition, Malformed  # noqa: E402
from signaltest.jetstream import JetStream  # noqa: E402
from signaltest.kv import Bucket  # noqa: E402
from signaltest.procs import Agent, NatsServer, find_agent  # noqa: E402
from signaltest.simulator import Simulator  # noqa: E402
from signaltest.tools import Workspace, free_port, wait_until  # noqa: E402

TOKEN = "sim-token"
SECRET = "a-Secret-of-the-metrics-test"
EVENTS = 230
LEASE = "lease = { renew_ms = 200; valid_ms = 1000; take_after_ms = 1500; };"
OKTA = {"connector": "okta", "data_type": "system_log", "integration": "okta-prod"}
SOON = 30.0
SLOW = 40
PROMTOOL = shutil.which("promtool")


class MetricsCase(unittest.TestCase):
    VENDORS = {"okta": {"events": EVENTS, "page_size": 100, "rate_limit": 1_000_000_000, "tokens": [TOKEN, SECRET]}}

    STREAM = {}

    def setUp(self):
        self.binary = os.environ.get("SIGNAL_CLIENT_BINARY") or find_agent()
        self.assertTrue(self.binary, "no agent is built")
        self.workspace = Workspace(self.id().rsplit(".", 1)[-1])
        self.addCleanup(self.close)
        self.server = NatsServer(self.workspace).start()
        connection = self.server.connect()
        self.addCleanup(connection.close)
        self.js = JetStream(connection)
        self.js.stream_create("DATA", ["local.data.>"], duplicate_window=2_000_000_000, **self.STREAM)
        Bucket.make(self.js, "INTEGRATIONS")
        self.port = free_port()
        self.agent = self.new_agent("agent", self.port)

    def close(self):
        outcome = self._outcome.result
        bad = any(case is self for case, _ in outcome.failures + outcome.errors)
        self.workspace.close(failed=bad)

    def new_agent(self, name, port):
        self.letters = self.workspace.file(name, "letters", "")
        settings = (f'admin = {{ listen = "127.0.0.1:{port}"; }};\n{LEASE}\nio = {{ threads = 2; }};\n'
                    f'dead_letter = {{ dir = "{self.letters.rstrip("/")}"; }};')
        return Agent(self.workspace, self.binary, self.server, name=name, settings=settings)

    def put(self, **changes):
        value = {"integration_type": "okta", "poll_interval_minutes": 0.02, "credentials": {"api_token": SECRET},
                 "settings": {"base_url": f"{self.simulator.url}/okta", "fqdn": "acme.okta.test"},
                 "rate_limit": {"requests": 1_000_000, "per_seconds": 1}} | changes
        Bucket(self.js, "INTEGRATIONS").put("okta-prod", json.dumps(value).encode())

    def begin(self):
        """The simulator, the agent, one integration; until everything offered is published."""
        self.simulator = Simulator(self.workspace, self.VENDORS).start()
        self.agent.start()
        self.put()
        return self.wait_value("signal_client_records_total", EVENTS, **OKTA)

    def ask(self, path, method="GET", port=None, headers=None):
        connection = http.client.HTTPConnection("127.0.0.1", port or self.port, timeout=10)
        try:
            connection.request(method, path, headers=headers or {})
            reply = connection.getresponse()
            return reply.status, dict(reply.getheaders()), reply.read()
        finally:
            connection.close()

    def answers(self, path, port=None):
        """(status, text), or None while nobody listens."""
        try:
            status, _, body = self.ask(path, port=port)
            return status, body.decode()
        except (OSError, http.client.HTTPException):
            return None

    def wait_answer(self, path, status, word, port=None):
        seen = [None]

        def as_wanted():
            seen[0] = self.answers(path, port)
            return seen[0] and seen[0][0] == status and word in seen[0][1]
        wait_until(as_wanted, SOON, lambda: f"{path} to say {status} {word}; it says {seen[0]}\n{self.agent.log_tail()}")

    def metrics(self, port=None):
        status, headers, body = self.ask("/metrics", port=port)
        self.assertEqual(status, 200)
        self.assertEqual(headers["Content-Type"], "text/plain; version=0.0.4; charset=utf-8")
        self.assertNotIn(SECRET.encode(), body)
        return Exposition(body)

    def wait_metrics(self, judge, what):
        found = []

        def good():
            if self.answers("/healthz") is None:
                return False
            found[:] = [self.metrics()]
            return judge(found[0])
        wait_until(good, SOON, lambda: f"{what}\n{self.agent.log_tail()}")
        return found[0]

    def wait_value(self, name, value, **labels):
        return self.wait_metrics(lambda page: page.value(name, **labels) == value, f"{name}{labels} = {value}")


class Counted(MetricsCase):
    def test_what_is_polled_is_counted(self):
        page = self.begin()
        self.assertEqual(self.js.stream_state("DATA")["last_seq"], EVENTS)
        page = self.wait_metrics(lambda seen: (seen.value("signal_client_polls_total", outcome="success", **OKTA) or 0) >= 2, "two polls")
        self.assertEqual(page.value("signal_client_records_total", **OKTA), EVENTS)  # the second poll has published nothing twice
        self.assertGreaterEqual(page.value("signal_client_records_read_total", **OKTA), EVENTS)
        self.assertGreaterEqual(page.value("signal_client_pages_total", **OKTA), 3)
        sizes = sum(len(message.body) for message in self.js.read("DATA"))
        self.assertGreaterEqual(page.value("signal_client_record_bytes_total", **OKTA), sizes)
        self.assertEqual(page.value("signal_client_state", state="active", **OKTA), 1)
        self.assertEqual(sum(page.find("signal_client_state", **OKTA).values()), 1)
        self.assertEqual(page.value("signal_client_reason", reason="ok", **OKTA), 1)
        self.assertEqual(page.value("signal_client_promise", promise="exact", **OKTA), 1)
        self.assertEqual(page.value("signal_client_nats_ready"), 1)
        self.assertEqual(page.value("signal_client_lease_held"), 1)
        self.assertGreaterEqual(page.value("signal_client_lease_epoch"), 1)
        self.assertEqual(page.value("signal_client_nats_acknowledged_total"), EVENTS)
        self.assertEqual(page.value("signal_client_nats_publish_seconds_count"), EVENTS)
        self.assertEqual(page.value("signal_client_nats_stream_sequence"), EVENTS)
        self.assertEqual(page.value("pipeline_stage_count", stage="source_client", status="success"), EVENTS)
        self.assertEqual(page.value("pipeline_stage_count", stage="source_client", status="dead_letter"), 0)
        self.assertEqual(len(page.find("signal_client_budget_waits_total")), 1)
        source = dict(next(iter(page.find("signal_client_budget_waits_total", connector="okta"))))
        self.assertTrue(source["source"].startswith(f"okta|{self.simulator.url}"), source)
        asked = page.value("signal_client_requests_total", **{"class": "2xx"}, **source)
        self.assertGreaterEqual(asked, 4)
        self.assertLessEqual(asked, len(self.simulator.requests("okta")))
        self.assertEqual(page.value("signal_client_request_seconds_count", **source), asked)
        self.assertEqual(len(page.find("signal_client_view_age_seconds")), 2)  # both threads' pages make one
        now = time.time()
        self.assertLess(abs(page.value("signal_client_last_success_timestamp_seconds", **OKTA) - now), SOON)
        self.assertGreater(page.value("signal_client_lag_seconds", **OKTA), 0)
        self.assertAlmostEqual(page.value("signal_client_poll_interval_seconds", **OKTA), 1.2)

    def test_each_family_is_the_tables(self):
        page = self.begin()
        table = documented(self.binary)
        self.assertEqual(list(page.families), [name for name in page.families if name in table])
        self.assertEqual(set(page.families), set(table))
        for name, family in page.families.items():
            kind, labels = table[name]
            self.assertEqual(family.type, kind, name)
            for (_, pairs), _ in family.samples.items():
                self.assertEqual({pair[0] for pair in pairs} - {"le"}, labels, name)

    def test_what_is_removed_is_gone_and_the_whole_stays_counted(self):
        self.begin()
        Bucket(self.js, "INTEGRATIONS").delete("okta-prod")
        page = self.wait_metrics(lambda seen: not seen.find("signal_client_state", integration="okta-prod"), "the integration to go")
        self.assertEqual(page.value("pipeline_stage_count", stage="source_client", status="success"), EVENTS)

    def test_throttles_and_refusals_show(self):
        self.begin()
        self.simulator.misbehave("okta", {"kind": "throttle", "header": "retry_after", "seconds": 2, "count": 1})
        page = self.wait_metrics(lambda seen: seen.value("signal_client_throttled_total", **OKTA), "a throttle")
        self.assertEqual(page.value("signal_client_failures_total", **{"class": "throttled"}, **OKTA), 1)
        self.assertEqual(sum(page.find("signal_client_requests_total", **{"class": "429"}).values()), 1)
        self.wait_value("signal_client_state", 1, state="active", **OKTA)
        self.simulator.set("okta", revoke=SECRET)
        page = self.wait_value("signal_client_state", 1, state="error", **OKTA)
        self.assertEqual(page.value("signal_client_reason", reason="auth_expired", **OKTA), 1)
        self.assertEqual(page.value("signal_client_failures_total", **{"class": "auth"}, **OKTA), 1)
        self.assertEqual(self.answers("/readyz")[0], 200)  # a vendor's word is no matter of readiness

    @unittest.skipUnless(PROMTOOL, "promtool is not installed (Debian's package prometheus)")
    def test_promtool_agrees(self):
        self.begin()
        done = subprocess.run([PROMTOOL, "check", "metrics"], input=self.ask("/metrics")[2], capture_output=True, timeout=60, check=False)
        said = done.stderr.decode() + done.stdout.decode()
        # The name is that of the pipeline all stages of which count alike; the rule would have it another one.
        complaints = [line for line in said.splitlines() if line and not line.startswith("pipeline_stage_count ")]
        self.assertEqual(complaints, [])
        self.assertIn(done.returncode, (0, 3), said)  # 3: it has complained


class DeadLetters(MetricsCase):
    STREAM = {"max_msg_size": 1536 + 1250}  # what a record may not use, and a size between the smallest and the largest of the simulator

    def test_each_is_counted_once(self):
        self.simulator = Simulator(self.workspace, self.VENDORS).start()
        self.agent.start()
        self.put()
        page = self.wait_metrics(lambda seen: (seen.value("signal_client_polls_total", outcome="success", **OKTA) or 0) >= 2, "two polls")
        stored, dead = self.js.stream_state("DATA")["messages"], len(os.listdir(self.letters))
        self.assertGreater(stored, 0)
        self.assertGreater(dead, 0)
        self.assertEqual(stored + dead, EVENTS)
        self.assertEqual(page.value("signal_client_dead_letters_total", **OKTA), dead)
        self.assertEqual(page.value("signal_client_records_total", **OKTA), stored)
        self.assertEqual(page.value("pipeline_stage_count", stage="source_client", status="dead_letter"), dead)
        self.assertEqual(page.value("pipeline_stage_count", stage="source_client", status="success"), stored)


class Ready(MetricsCase):
    def test_health_and_readiness_follow_what_happens(self):
        self.begin()
        self.wait_answer("/readyz", 200, "stream DATA")
        self.server.kill()
        self.wait_answer("/readyz", 503, "not ready: ")
        self.assertEqual(self.answers("/healthz")[0], 200)  # or an orchestrator would restart us in a loop
        self.assertEqual(self.agent.command("health").returncode, 0)
        self.wait_value("signal_client_nats_ready", 0)
        self.server.start()
        self.wait_answer("/readyz", 200, "this agent polls")
        self.assertGreaterEqual(self.metrics().value("signal_client_nats_reconnects_total"), 1)
        self.assertEqual(self.agent.terminate(10), 0)
        self.assertIsNone(self.answers("/readyz"))

    def test_a_standby_is_ready_and_takes_over(self):
        self.agent.start()
        self.wait_answer("/readyz", 200, "this agent polls")
        port = free_port()
        other = self.new_agent("other", port).start()
        self.wait_answer("/readyz", 200, "stands by", port)
        page = self.metrics(port)
        self.assertEqual(page.value("signal_client_lease_held"), 0)
        self.assertEqual(page.value("signal_client_nats_reason", reason="lease_held"), 1)
        self.agent.kill()
        self.wait_answer("/readyz", 200, "this agent polls", port)
        self.assertEqual(self.metrics(port).value("signal_client_lease_held"), 1)
        self.assertEqual(other.terminate(10), 0)

    def test_an_agent_that_logs_errors_alone_runs(self):
        self.agent.env["LOG_LEVEL"] = "error"
        self.begin()
        self.assertTrue(self.agent.alive)
        self.assertEqual(self.agent.terminate(10), 0)
        self.assertNotIn("[INFO]", self.agent.log())

    def test_a_hung_loop_is_unhealthy_by_the_same_word_as_the_command(self):
        self.agent.start()
        self.wait_answer("/healthz", 200, "healthy: ")
        with open(os.path.join(self.agent.run_dir, "health"), encoding="utf-8") as file:
            line = json.load(file)
        line["boot_ms"] -= 60_000  # as a main loop leaves it that does not turn any more; it would write every 5 s

        def stale():
            temporary = os.path.join(self.agent.run_dir, "health.test")
            with open(temporary, "w", encoding="utf-8") as file:
                file.write(json.dumps(line, separators=(",", ":")) + "\n")
            os.replace(temporary, os.path.join(self.agent.run_dir, "health"))
            status, text = self.answers("/healthz")
            return status == 503 and "unhealthy: the last heartbeat" in text
        wait_until(stale, SOON, "an unhealthy answer")


class Refused(MetricsCase):
    """None of these needs a vendor or a lease."""

    def setUp(self):
        super().setUp()
        self.agent.start()
        self.wait_answer("/healthz", 200, "healthy")

    def raw(self, data, deadline_s=SOON):
        """All that comes back for these bytes until the server ends the connection."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=deadline_s) as peer:
            peer.sendall(data)
            got = b""
            try:
                while part := peer.recv(65536):
                    got += part
            except ConnectionResetError:
                pass
            return got

    def test_clients_that_ask_for_something_else(self):
        head = b"Host: 127.0.0.1\r\n"
        rows = [
            (b"POST /metrics HTTP/1.1\r\n" + head + b"Content-Length: 3\r\n\r\nabc", 405, "not GET"),
            (b"DELETE /metrics HTTP/1.1\r\n" + head + b"\r\n", 405, "not GET"),
            (b"OPTIONS * HTTP/1.1\r\n" + head + b"\r\n", 405, "not GET"),
            (b"GET /metrics HTTP/1.1\r\n" + head + b"Content-Length: 5\r\n\r\nabcde", 413, "a body"),
            (b"GET /metrics HTTP/1.1\r\n" + head + b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 413, "a body"),
            (b"GET /metrics HTTP/1.1\r\nHost: evil.example\r\n\r\n", 421, "a name that somebody has pointed here"),
            (b"GET /metrics HTTP/1.1\r\nHost: 127.0.0.1.evil.example:80\r\n\r\n", 421, "the same in disguise"),
            (b"GET / HTTP/1.1\r\n" + head + b"\r\n", 404, "no such page"),
            (b"GET /metrics/../../etc/passwd HTTP/1.1\r\n" + head + b"\r\n", 404, "no such page"),
            (b"GET /healthz HTTP/1.1\r\nHost: localhost:9\r\n\r\n", 200, "localhost is fine"),
            (b"GET /healthz?verbose=1 HTTP/1.1\r\nHost: [::1]:9\r\n\r\n", 200, "an address is fine, a query is ignored"),
            (b"GET /healthz HTTP/1.0\r\n\r\n", 200, "an old client without a Host"),
            (b"GET /healthz HTTP/1.1\r\n" + head + b"X: " + b"x" * 60_000 + b"\r\n\r\n", 431, "headers over the cap"),
            (b"GET /" + b"x" * 60_000 + b" HTTP/1.1\r\n" + head + b"\r\n", 414, "a path over the cap"),
        ]
        for data, status, why in rows:
            with self.subTest(why):
                got = self.raw(data)
                self.assertRegex(got[:40], rb"^HTTP/1\.[01] %d " % status)
        self.assertEqual(self.ask("/healthz")[0], 200)

    def test_garbage_is_ended_and_forgotten(self):
        for data in (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", b"\r\n" * 40_000, b"\x00" * 4096, b"GET\r\n\r\n", bytes(range(256)) * 40):
            self.raw(data)
        self.assertEqual(self.ask("/healthz")[0], 200)

    def test_head_has_no_body_and_the_same_length(self):
        status, headers, body = self.ask("/healthz", "HEAD")
        self.assertEqual((status, body), (200, b""))
        self.assertGreater(int(headers["Content-Length"]), 20)
        self.assertEqual(headers["Connection"], "close")
        self.assertEqual((headers["Cache-Control"], headers["X-Content-Type-Options"]), ("no-store", "nosniff"))

    def test_slow_clients_do_not_keep_others_out(self):
        """As many of them as there are places, and more: each sends a byte now and then, so that none is ever idle."""
        begun = time.monotonic()
        slow = [socket.create_connection(("127.0.0.1", self.port), timeout=SOON) for _ in range(SLOW)]
        try:
            for peer in slow:
                peer.sendall(b"GET /healthz HTTP/1.1\r\nX: ")

            def drip():
                for peer in slow:
                    try:
                        peer.send(b"x", socket.MSG_NOSIGNAL | socket.MSG_DONTWAIT)
                    except OSError:
                        pass
                try:
                    connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=0.5)
                    connection.request("GET", "/healthz")
                    return connection.getresponse().status == 200
                except (OSError, http.client.HTTPException):
                    return False
                finally:
                    connection.close()
            wait_until(drip, 60, "an answer beside the slow ones")
        finally:
            for peer in slow:
                peer.close()
        print(f"answered beside {SLOW} slow clients after {time.monotonic() - begun:.1f} s", flush=True)
        self.assertTrue(self.agent.alive)

    def test_an_address_that_is_taken_ends_the_start(self):
        second = self.new_agent("second", self.port).start()
        self.assertEqual(second.wait_exit(SOON), 1)
        self.assertIn(f"cannot listen on admin.listen = 127.0.0.1:{self.port}: Address already in use", second.log())


class Pages(unittest.TestCase):
    """docs/alerts.yml against the table, and the reader of this test against what it must not take."""

    def test_alerts_name_what_there_is(self):
        table = documented(os.environ.get("SIGNAL_CLIENT_BINARY") or find_agent())
        with open(os.path.join(ROOT, "docs", "alerts.yml"), encoding="utf-8") as file:
            text = file.read()
        used = set(re.findall(r"\b(?:signal_client|pipeline)_[a-z_]+", "\n".join(re.findall(r"(?m)^ +expr: (.*)$", text))))
        plain = {re.sub(r"_(bucket|sum|count)$", "", name) if name not in table else name for name in used}
        self.assertGreater(len(plain), 8)
        self.assertEqual(plain - set(table), set())
        with open(os.path.join(ROOT, "docs", "metrics.md"), encoding="utf-8") as file:
            page = file.read()
        for alert in re.findall(r"(?m)^ +- alert: (\w+)$", text):
            self.assertIn(f"`{alert}`", page)

    @unittest.skipUnless(PROMTOOL, "promtool is not installed (Debian's package prometheus)")
    def test_promtool_takes_the_alerts(self):
        done = subprocess.run([PROMTOOL, "check", "rules", os.path.join(ROOT, "docs", "alerts.yml")], capture_output=True, text=True,
                              timeout=60, check=False)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)

    def test_the_reader_is_strict(self):
        good = "# HELP a_total x\n# TYPE a_total counter\na_total{b=\"c\\\"\\\\\\n\"} 1\na_total 2.5\n"
        self.assertEqual(Exposition(good.encode()).value("a_total", b='c"\\\n'), 1)
        histogram = "# HELP h x\n# TYPE h histogram\nh_bucket{le=\"1\"} 2\nh_bucket{le=\"+Inf\"} 3\nh_sum 4\nh_count 3\n"
        self.assertEqual(Exposition(histogram.encode()).value("h_count"), 3)
        head = "# HELP a_total x\n# TYPE a_total counter\n"
        for bad, why in [
                (good[:-1], "last line"), ("a_total 1\n", "no head"), (head + "b_total 1\n", "another family"),
                (head + "a_total 1\na_total 1\n", "twice"), (head + "a_total -1\n", "below 0"), (head + "a_total 1e3\n", "form"),
                (head + "a_total NaN\n", "form"), (head + "a_total{} 1\n", "braces"), (head + 'a_total{b="c",} 1\n', "comma"),
                (head + 'a_total{b="c" } 1\n', "blank"), (head + 'a_total{b="c",b="d"} 1\n', "label twice"),
                (head + 'a_total{b="\\x"} 1\n', "escape"), (head + 'a_total{b="c} 1\n', "quote"), (head + "\na_total 1\n", "empty line"),
                (head + head, "head twice"), ("# HELP a_total x\na_total 1\n", "no type"), ("# TYPE a counter\n", "no help"),
                ("# HELP a x\n# TYPE a counter\na 1\n", "name of a counter"), (histogram.replace("h_count 3", "h_count 4"), "count"),
                (histogram.replace("} 2", "} 9"), "not cumulated"), (histogram.replace('h_bucket{le="+Inf"} 3\n', ""), "no +Inf"),
                (histogram.replace("h_sum 4\n", ""), "no sum")]:
            with self.subTest(why), self.assertRaises(Malformed):
                Exposition(bad.encode())


def documented(binary):
    """{name: (type, labels)} as the program prints its table."""
    page = subprocess.run([binary, "config", "--metrics"], capture_output=True, text=True, timeout=30, check=True).stdout
    rows = re.findall(r"(?m)^\| `([a-z_]+)` \| (\w+) \| (.*?) ?\| .* \|$", page)
    assert len(rows) > 30, page[:500]
    return {name: (kind, set(re.findall(r"`(\w+)`", labels))) for name, kind, labels in rows}


if __name__ == "__main__":
    unittest.main()
