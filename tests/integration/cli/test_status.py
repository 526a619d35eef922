"""`status` against a real nats-server: what is read, how much is asked for it, what stands there when no agent answers, and --watch."""

import datetime
import fcntl
import json
import os
import pty
import signal
import struct
import subprocess
import termios
import threading
import unittest
import urllib.request

from signaltest.kv import Bucket
from signaltest.nats import Timeout
from signaltest.tools import wait_until

from fixture import BINARY, TOKEN, CommandTest

ACME = {"integration_type": "acme", "settings": {"fqdn": "a.acme.test"}, "credentials": {"api_token": TOKEN}}
GONE = "what stands here is what the agent said last; nobody keeps it fresh"


def ago(seconds):
    return (datetime.datetime.now(datetime.timezone.utc) - datetime.timedelta(seconds=seconds)).strftime("%Y-%m-%dT%H:%M:%S.000Z")


def status(name, state="active", reason="ok", detail="", advice="", **more):
    facts = {"state": state, "reason": reason, "detail": detail, "advice": advice, "since": ago(7300), "last_record_time": ago(130), "records": 120034,
             "next_poll": ago(-300)} | more
    return {"v": 1, "integration": name, "connector": "acme", "agent": "local", "updated": ago(2), "state": state, "reason": reason, "detail": detail,
            "advice": advice, "data_types": {"events": facts}}


class StatusTest(CommandTest):
    """The buckets as an agent leaves them; the agent's own part is a thread that answers like one."""

    def setUp(self):
        super().setUp()
        self.statuses = Bucket.make(self.js, "INTEGRATION_STATUS") or Bucket(self.js, "INTEGRATION_STATUS")
        self.leases = Bucket.make(self.js, "INTEGRATION_LEASES") or Bucket(self.js, "INTEGRATION_LEASES")
        self.answering = None

    def tearDown(self):
        if self.answering:
            self.answering.set()
            self.thread.join()

    def say(self, name, *args, configured=True, **more):
        if configured:
            self.bucket.put(name, json.dumps(ACME).encode())
        self.statuses.put(name, json.dumps(status(name, *args, **more)).encode())

    def hold_lease(self, seconds=1, released=False, agent="local"):
        self.leases.put("agent", json.dumps({"v": 1, "holder": "00" * 16, "agent": agent, "epoch": 7, "renewed": ago(seconds), "released": released}).encode())

    def answer(self, **facts):
        """Answers op "agent" until the test is over."""
        line = {"version": "9.9.9", "agent": "local", "pid": 4711, "started": ago(10900), "epoch": 7, "io_threads": 2, "integrations": 3,
                "broker": {"ready": True, "reason": "ok", "text": "", "stream": "DATA"}} | facts
        self.answering = threading.Event()
        ready = threading.Event()

        def loop():
            with self.server.connect() as connection:
                asked = connection.subscribe("signal-client.local.control")
                connection.flush()
                ready.set()
                while not self.answering.is_set():
                    try:
                        message = asked.next(timeout=0.1)
                    except Timeout:
                        continue
                    if json.loads(message.body).get("op") == "agent":
                        for reply in ({"alive": {"id": "1"}}, {"line": line}, {"end": {"ok": True, "text": ""}}):
                            connection.publish(message.reply, json.dumps(reply).encode())
        self.thread = threading.Thread(target=loop, daemon=True)
        self.thread.start()
        self.assertTrue(ready.wait(10))

    def asked(self):
        """Messages that clients have sent to the server so far."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.server.monitor_port}/varz", timeout=10) as reply:
            return json.load(reply)["in_msgs"]


class Table(StatusTest):
    def test_all_good(self):
        self.answer()
        self.say("okta-prod")
        out, err = self.call("status")
        self.assertEqual(err, "")
        self.assertIn("agent local, version 9.9.9, process 4711, up 3 h: holds the lease (epoch 7); NATS is ready, stream\nDATA", out)
        self.assertIn("1 integration: 1 good\n", out)
        self.assertRegex(out, r"(?m)^okta-prod +events +active +ok +2 h +2 min +120,034 +in (4 min|5 min|29\d s)$")

    def test_an_error_ends_with_1_and_says_what_to_do(self):
        self.answer()
        self.say("good")
        self.say("bad", "error", "auth_expired", "401 Unauthorized, next request at 10:30:00Z", "Make a new credential.", failures={"count": 214, "since": ago(3600)})
        out, _ = self.call("status", want=1)
        self.assertLess(out.index("bad "), out.index("good "))
        self.assertRegex(out, r"(?m)^bad events: auth_expired: 401 Unauthorized, next request at 10:30:00Z, 214 times since\n\S+Z\n  -> Make a new credential\.$")

    def test_no_agent_makes_what_it_said_stale(self):
        self.say("okta-prod")
        self.hold_lease(seconds=3 * 3600)
        out, _ = self.call("status", want=1)
        self.assertIn("no agent answers: local held the lease last and renewed it 3 h ago", out)
        self.assertRegex(out, r"(?m)^okta-prod +events +stale +was ok ")
        self.assertIn(GONE, out)
        self.hold_lease(seconds=60, released=True)
        self.assertIn("no agent runs: local gave the lease back 60 s ago", self.call("status", want=1)[0])

    def test_an_agent_that_does_not_answer_is_not_taken_for_dead(self):
        self.say("okta-prod")
        self.hold_lease(seconds=2)
        out, _ = self.call("status", want=1)
        self.assertIn("and does not answer on signal-client.local.control", out)
        self.assertRegex(out, r"(?m)^okta-prod +events +active +ok ")

    def test_what_no_agent_has_taken_up_and_what_is_left_over(self):
        self.answer()
        self.bucket.put("new", json.dumps(ACME).encode())
        self.bucket.put("off", json.dumps(ACME | {"enabled": False}).encode())
        self.bucket.put("odd", b"no json " + TOKEN.encode())
        self.say("removed", configured=False)
        out, _ = self.call("status", want=1)
        self.assertRegex(out, r"(?m)^new +- +no word yet")
        self.assertRegex(out, r"(?m)^off +- +paused +disabled")
        self.assertRegex(out, r"(?m)^odd +- +error")
        self.assertRegex(out, r"(?m)^removed +events +left over +was ok")
        self.assertIn("removed events: a status whose integration is gone", out)

    def test_nothing_at_all(self):
        self.assertIn("no integrations yet", self.call("status", want=1)[0])

    def test_secrets_that_are_not_sealed_are_named_where_they_should_be(self):
        self.answer()
        self.say("okta-prod")
        self.assertNotIn("not sealed", self.call("status")[0])
        key = self.workspace.file("seal.key")
        self.call("seal", "--new-key", key)
        out, _ = self.call("status", f"--seal.key_file={key}")
        self.assertIn("okta-prod: not sealed: credentials.api_token\n  -> Seal them: `signal-client seal --rotate --unsealed`.", out)
        self.assertIn("not sealed    credentials.api_token", self.call("status", "okta-prod", f"--seal.key_file={key}")[0])

    def test_what_the_agent_says_of_itself_comes_first(self):
        self.answer(notices=[{"reason": "stream_unread", "detail": "12 artifacts unread", "advice": "Start the consumer."}])
        self.say("okta-prod")
        self.assertIn("\nagent: stream_unread: 12 artifacts unread\n  -> Start the consumer.\n", self.call("status")[0])

    def test_one(self):
        self.answer()
        self.say("okta-prod", timing_ms={"first_byte": 155000, "total": 250000}, requests={"last_poll": 130, "day": 9000}, interval_seconds=300)
        out, _ = self.call("status", "okta-prod")
        for line in ("okta-prod: acme, revision 1 saved ", "a poll takes  4:10: waiting for the vendor's first byte 62 %; 130 requests", "polls         every 5 min; next "):
            self.assertIn(line, out)
        _, err = self.call("status", "nope", want=1)
        self.assertIn("there is no integration nope", err)

    def test_json_is_one_document_with_the_statuses_as_stored(self):
        self.answer()
        self.say("okta-prod", "error", "vendor_error")
        self.say("removed", configured=False)
        out, _ = self.call("status", "--json", want=1)
        document = json.loads(out)
        self.assertFalse(document["ok"])
        self.assertEqual(document["agent"]["version"], "9.9.9")
        self.assertEqual(document["integrations"]["okta-prod"]["status"], self.statuses.get_json("okta-prod"))
        self.assertEqual(document["integrations"]["removed"]["revision"], 0)
        self.assertEqual(json.loads(self.call("status", "okta-prod", "--json", want=1)[0])["integration"]["status"]["reason"], "vendor_error")

    def test_nats_that_cannot_be_reached(self):
        _, err = self.call("status", want=1, env={"NATS_URL": "nats://127.0.0.1:1"})
        self.assertIn("connection refused", err)


class Cost(StatusTest):
    def fill(self, count):
        for n in range(count):
            self.say(f"okta-customer-{n:06}", "active" if n % 3 else "error", "ok" if n % 3 else "vendor_error", f"500, try {n}", "Wait.")

    def test_a_thousand_integrations_take_no_request_each(self):
        self.answer()
        self.fill(10)
        before = self.asked()
        self.call("status", want=1)
        few = self.asked() - before
        self.fill(1000)
        before = self.asked()
        out, _ = self.call("status", want=1)
        many = self.asked() - before
        self.assertIn("1000 integrations: 334 in error, 666 good", out)
        self.assertLess(few, 40)
        self.assertLess(many, few + 150, "messages that the command sends: pulls of many keys each, not one a key")


class Watch(StatusTest):
    def begin(self, stdout, *words, **more):
        process = subprocess.Popen([BINARY, "status", "--watch", *words], stdout=stdout, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, start_new_session=True,
                                   env=self.environment(TERM="xterm", **more))
        self.workspace.adopt(process)
        return process

    def end(self, process):
        process.send_signal(signal.SIGINT)
        self.assertEqual(process.wait(20), 0)

    def read_all(self, stream, into):
        def loop():
            while True:
                try:
                    got = os.read(stream, 65536)
                except OSError:
                    return
                if not got:
                    return
                into.append(got)
        thread = threading.Thread(target=loop, daemon=True)
        thread.start()
        return thread

    def test_without_a_terminal_a_line_for_each_change(self):
        self.answer()
        self.say("okta-prod")
        process, said = self.begin(subprocess.PIPE), []
        thread = self.read_all(process.stdout.fileno(), said)
        text = lambda: b"".join(said).decode()  # noqa: E731
        wait_until(lambda: "okta-prod events: active, ok" in text(), 20, text)
        self.say("okta-prod", records=5)  # other figures of the same are no change
        self.say("okta-prod", "error", "vendor_error", "500 Internal Server Error")
        wait_until(lambda: "okta-prod events: error, vendor_error: 500 Internal Server Error" in text(), 20, text)
        self.say("okta-prod")
        wait_until(lambda: text().count("okta-prod events: active, ok") == 2, 20, text)
        self.bucket.put("new", json.dumps(ACME).encode())
        wait_until(lambda: "new: no agent has said anything of it yet" in text(), 20, text)
        self.end(process)
        thread.join(10)
        self.assertNotIn("\033", text())
        self.assertEqual(text().count("okta-prod"), 3, text())
        process.stdout.close()

    def test_a_terminal_is_drawn_anew_and_put_right_again(self):
        self.answer()
        for n in range(40):
            self.say(f"okta-{n:02}")
        master, slave = pty.openpty()
        self.addCleanup(os.close, master)
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 20, 110, 0, 0))
        before = termios.tcgetattr(slave)
        process, said = self.begin(slave), []
        self.read_all(master, said)
        text = lambda: b"".join(said).decode(errors="replace")  # noqa: E731
        wait_until(lambda: "okta-00" in text(), 20, text)
        self.assertTrue(text().startswith("\033[?1049h\033[?25l"), repr(text()[:40]))
        self.assertIn("\033[32mactive", text())
        frame = text().split("\033[H")[1]
        self.assertLessEqual(frame.count("\n"), 19, "no more lines than the terminal has")
        self.say("okta-07", "error", "vendor_error", "500 Internal Server Error", "Wait.")
        wait_until(lambda: "\033[31merror" in text(), 20, text)
        self.end(process)
        wait_until(lambda: text().endswith("\033[?25h\033[?1049l"), 10, lambda: repr(text()[-60:]))
        self.assertEqual(termios.tcgetattr(slave), before)
        os.close(slave)

    def test_no_color(self):
        self.answer()
        self.say("okta-prod")
        master, slave = pty.openpty()
        self.addCleanup(os.close, master)
        process, said = self.begin(slave, NO_COLOR="1"), []
        self.read_all(master, said)
        text = lambda: b"".join(said).decode(errors="replace")  # noqa: E731
        wait_until(lambda: "okta-prod" in text(), 20, text)
        self.assertNotIn("\033[3", text())
        self.end(process)
        os.close(slave)

    def test_it_goes_on_over_a_restart_of_nats(self):
        self.say("okta-prod")
        self.hold_lease()
        process, said = self.begin(subprocess.PIPE), []
        thread = self.read_all(process.stdout.fileno(), said)
        text = lambda: b"".join(said).decode()  # noqa: E731
        wait_until(lambda: "okta-prod events: active, ok" in text(), 20, text)
        self.server.kill()
        wait_until(lambda: "NATS: NATS is away since" in text(), 30, text)
        self.server.start()
        wait_until(lambda: text().count("NATS: answers") == 2, 30, text)
        self.end(process)
        thread.join(10)
        process.stdout.close()


if __name__ == "__main__":
    unittest.main(argv=["test_status"])
