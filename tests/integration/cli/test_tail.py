"""`tail` against a real nats-server: what it shows, that it only looks, and that it goes on after whatever happens."""

import datetime
import fcntl
import json
import os
import pty
import re
import signal
import struct
import subprocess
import sys
import termios
import threading
import time
import unittest

from signaltest.tools import wait_until

from fixture import BINARY, KEY, TOKEN, CommandTest

SUBJECT = "local.data.artifacts.raw"
KEV_ID = "CVE-2023-10039~75996bafd57f58616a3c78e6d5b470b1~2026-03-02T17:55:02.1180Z"


def artifact(n, integration="okta-prod", data_type="system_log", connector="okta", **more):
    """(subject, body, headers) as the agent publishes them."""
    escaped = integration.replace("=", "=3D").replace(".", "=2E")
    headers = {"Nats-Msg-Id": f"{escaped}.{data_type}.id-{n}", "ce-id": f"id-{n}", "ce-specversion": "1.0",
               "ce-source": f"signal-client/{connector}/{integration}", "ce-type": f"{connector}.{data_type}",
               "ce-time": f"2026-11-22T10:15:{n % 60:02d}.123Z"}
    body = more.pop("body", json.dumps({"n": n, "text": "readable"}).encode())
    return SUBJECT, body, headers | more.pop("headers", {})


class Following:
    """A `tail` that runs; lines are taken as they come."""

    def __init__(self, test, *words):
        self.test = test
        self.errors = test.workspace.file(f"tail-{id(self)}.err")
        with open(self.errors, "wb") as log:
            self.process = subprocess.Popen([BINARY, "tail", *words], stdout=subprocess.PIPE, stderr=log, stdin=subprocess.DEVNULL,
                                            env=test.environment(), start_new_session=True)
        test.workspace.adopt(self.process)
        self.lines = []
        self.thread = threading.Thread(target=self._read, daemon=True)
        self.thread.start()

    def _read(self):
        for line in self.process.stdout:
            self.lines.append(line)

    def said(self):
        with open(self.errors, encoding="utf-8") as file:
            return file.read()

    def wait_lines(self, count, deadline_s=30):
        wait_until(lambda: len(self.lines) >= count, deadline_s, lambda: f"{count} lines; {len(self.lines)} are there\n{self.said()}")
        return self.lines

    def wait_said(self, text):
        wait_until(lambda: text in self.said(), 30, lambda: f"{text!r} in {self.said()!r}")

    def end(self, number=signal.SIGINT):
        self.process.send_signal(number)
        return self.wait()

    def wait(self):
        code = self.process.wait(timeout=30)
        self.thread.join(30)
        self.process.stdout.close()
        return code


class TailTest(CommandTest):
    make = False
    retention = "limits"

    def setUp(self):
        super().setUp()
        self.js.stream_create("DATA", ["local.data.>"], retention=self.retention, duplicate_window=2_000_000_000)

    def publish(self, *numbers, **more):
        self.js.publish_many([artifact(n, **more) for n in numbers])

    def follow(self, *words):
        """Started, and known to be reading."""
        before = len(self.js.consumer_names("DATA"))
        tail = Following(self, *words)
        wait_until(lambda: len(self.js.consumer_names("DATA")) > before, 30, lambda: f"a consumer\n{tail.said()}")
        return tail

    def no_consumer(self):
        wait_until(lambda: self.js.consumer_names("DATA") == [], 5, "no consumer left behind")

    def seqs(self, *words, **more):
        return [json.loads(line)["seq"] for line in self.call("tail", "--json", *words, **more)[0].splitlines()]


class Showing(TailTest):
    def test_new_ones(self):
        self.publish(1)
        tail = self.follow()
        self.publish(2)
        self.js.publish(*artifact(3, "kev", "vulnerabilities", "cisa-kev", body=b'{\n  "cveID": "CVE-2023-10039"\n}', headers={"ce-id": KEV_ID}))
        self.js.publish(SUBJECT, b"not ours \xff")
        self.assertEqual([line.decode() for line in tail.wait_lines(3)], [
            '2026-11-22T10:15:02.123Z  okta-prod  system_log  id-2  {"n": 2, "text": "readable"}\n',
            f'2026-11-22T10:15:03.123Z  kev        vulnerabilities  {KEV_ID}  {{ "cveID": "CVE-2023-10039" }}\n',
            "-                         -          -                -  not ours \\xff\n"])
        self.assertEqual(tail.end(), 0)
        self.assertEqual(tail.said(), "")
        self.no_consumer()
        self.assertEqual(self.js.stream_state("DATA")["messages"], 4, "nothing was published")

    def test_a_body_is_cut_an_id_is_not(self):
        self.publish(1, body=b'{"long": "' + b"x" * 300 + b'"}')
        line = self.call("tail", "--last", "1", "--for", "0")[0]
        head = "2026-11-22T10:15:01.123Z  okta-prod  system_log  id-1  "
        self.assertEqual(line, head + ('{"long": "' + "x" * 300)[:99] + "…\n")

    def test_last(self):
        self.publish(*range(3000))
        self.publish(3000, 3001, 3002, integration="kev", data_type="vulnerabilities")
        self.publish(*range(4000, 6500), integration="a.b/c")
        self.assertEqual(self.seqs("--last", "2", "--for", "0"), [5502, 5503])
        self.assertEqual(self.seqs("kev", "--last", "2", "--for", "0"), [3002, 3003])
        self.assertEqual(self.seqs("--data-type", "vulnerabilities", "--last", "50", "--for", "0"), [3001, 3002, 3003])
        self.assertEqual(self.seqs("okta-prod", "--last", "1500", "--for", "0"), list(range(1501, 3001)))
        self.assertEqual(self.seqs("a.b/c", "--last", "3", "--count", "2"), [5501, 5502])
        self.assertEqual(self.seqs("kev", "--data-type", "system_log", "--last", "5", "--for", "0"), [])
        self.no_consumer()

    def test_since(self):
        self.publish(*range(10))
        last_ms = self.js.message("DATA", seq=10).time_ns // 1_000_000
        wait_until(lambda: time.time_ns() // 1_000_000 > last_ms + 1, 5, "the next millisecond")
        self.publish(*range(10, 15))
        self.js.message_delete("DATA", 11)
        self.js.message_delete("DATA", 13)
        at = datetime.datetime.fromtimestamp(last_ms / 1000 + 0.001, datetime.timezone.utc).isoformat(timespec="milliseconds")
        self.assertEqual(self.seqs("--since", at, "--for", "0"), [12, 14, 15])
        self.assertEqual(len(self.seqs("--since", "1h", "--for", "0")), 13)
        self.assertEqual(self.seqs("--since", "1h", "--last", "2", "--for", "0"), [14, 15])
        _, err = self.call("tail", "--since", "2999-01-01T00:00:00Z", want=2)
        self.assertIn("give a time that has passed", err)

    def test_json(self):
        body = b'{"n": 12345678901234567890.10,\r\n "b": "\\u00fc"}'
        self.publish(7, integration="a.b", body=body, headers={"ce-sckey": "a%20b"})
        self.publish(8, body=b"text \x1b[2J\n")
        out, _ = self.call("tail", "--last", "2", "--for", "0", "--json")
        first, second = out.splitlines()
        self.assertIn('"body":' + body.decode().replace("\r\n", "  ") + "}", first, "the text of the record itself")
        row = json.loads(first)
        self.assertEqual({k: v for k, v in row.items() if k != "body"}, {
            "seq": 1, "time": "2026-11-22T10:15:07.123Z", "integration": "a.b", "data_type": "system_log", "id": "id-7", "subject": SUBJECT,
            "headers": {"Nats-Msg-Id": "a=2Eb.system_log.id-7", "ce-id": "id-7", "ce-specversion": "1.0", "ce-source": "signal-client/okta/a.b",
                        "ce-type": "okta.system_log", "ce-time": "2026-11-22T10:15:07.123Z", "ce-sckey": "a%20b"}})
        self.assertEqual(json.loads(second)["body"], "text \x1b[2J\n")

    def test_raw(self):
        bodies = [b'{"a": 1}', b"", b"\x00\xff\x1b[2J\nsecond line"]
        for n, body in enumerate(bodies):
            self.publish(n, body=body)
        done = subprocess.run([BINARY, "tail", "--raw", "--last", "3", "--for", "0"], env=self.environment(), capture_output=True, check=True,
                              timeout=60)
        self.assertEqual(done.stdout, b"".join(body + b"\n" for body in bodies))

    def test_gap(self):
        gap = {"integration": "okta-prod", "data_type": "system_log", "partition": None, "from": "2026-11-21T10:15:02.123Z",
               "to": "2026-11-21T10:21:40.000Z", "reason": "the stream was replaced", "certain": False}
        self.publish(1, body=json.dumps(gap).encode(), headers={"ce-type": "signal-client.gap", "ce-id": "gap~12",
                                                                "Nats-Msg-Id": "okta-prod.system_log.gap~12"})
        out, _ = self.call("tail", "okta-prod", "--data-type", "system_log", "--last", "1", "--for", "0")
        self.assertEqual(out, "2026-11-22T10:15:01.123Z  okta-prod  system_log  gap~12  GAP from 2026-11-21T10:15:02.123Z to "
                              "2026-11-21T10:21:40.000Z: the stream was replaced (records may be missing)\n")

    def test_secrets_in_headers(self):
        bucket = self.bucket.make(self.js, "INTEGRATIONS")
        bucket.put("good", {"integration_type": "acme", "settings": {"fqdn": "a.acme.test"}, "credentials": {"api_token": TOKEN}})
        bucket.put("bad", {"integration_type": "gone", "credentials": {"deep": [{"x": "h1dden-Too"}]}})
        bucket.put("proxied", {"integration_type": "acme", "settings": {"fqdn": "a.acme.test"}, "credentials": {"api_token": "unused-one"},
                               "proxy": f"http://user:{KEY}@proxy:3128"})
        self.publish(1, headers={"ce-sckey": f"was {TOKEN}", "ce-scparent": f"h1dden-Too {KEY}", "ce-id": TOKEN})
        for words in (["--headers"], ["--json"], []):
            out, _ = self.call("tail", "--last", "1", "--for", "0", *words)  # call() looks for TOKEN and KEY
            self.assertNotIn("h1dden-Too", out)
            self.assertIn("[redacted]", out)
        self.publish(2, body=json.dumps({"said": "h1dden-Too"}).encode())
        self.assertIn('{"said": "h1dden-Too"}', self.call("tail", "--last", "1", "--for", "0")[0], "a body is the customer's data")
        self.js.stream_delete("DATA")  # the credentials in these headers are the test's own doing

    def test_headers(self):
        self.publish(1, headers={"x": "a\tb"})
        self.publish(2, headers={"empty": ""})  # makes the library refuse all headers of the message
        out, _ = self.call("tail", "--last", "2", "--for", "0", "--headers")
        for line in ("ce-id: id-1", "x: a b", "ce-id: id-2", "empty: "):
            self.assertIn(f"\n    {line}\n", out)

    def test_name_that_is_not_there(self):
        self.bucket.make(self.js, "INTEGRATIONS").put("okta-prod", {})
        self.publish(1)
        self.assertEqual(self.call("tail", "okta-prod", "--for", "0")[1], "")
        self.assertIn("no integration okta-prd is configured", self.call("tail", "okta-prd", "--for", "0")[1])

    def test_no_control_reaches_a_terminal(self):
        nasty = b"\x1b]0;title\x07\x9b31m\xc2\x9b\x00\r\n\t\xe2\x80\xae\x7f end"
        self.publish(1, body=nasty, headers={"ce-id": "%1B[2J%C2%9B", "x": "\x1b[31m\x9b"})
        self.publish(2, body=b'"\x7f\xc2\x9b\xe2\x80\xae"')
        for words in ([], ["--headers"], ["--json"], ["--raw"]):
            screen = self.on_terminal("--last", "2", "--for", "0", *words, columns=200)
            self.assertIsNone(re.search(rb"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]|\xc2[\x80-\x9f]|\xe2\x80\xae|[^\xc2-\xf4\x80-\xbf]\x9b", screen),
                              (words, screen))
            self.assertIn(b"end", screen)
        self.assertEqual(json.loads(self.on_terminal("--last", "1", "--for", "0", "--json"))["body"], "\x7f\x9b\u202e")

    def on_terminal(self, *words, columns=90):
        master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
        process = subprocess.Popen([BINARY, "tail", *words], stdin=slave, stdout=slave, stderr=slave, env=self.environment(), start_new_session=True)
        self.workspace.adopt(process)
        os.close(slave)
        screen = b""
        while True:
            try:
                piece = os.read(master, 65536)
            except OSError:
                break
            if not piece:
                break
            screen += piece
        os.close(master)
        self.assertEqual(process.wait(timeout=30), 0, screen)
        return screen

    def test_lines_fit_a_terminal(self):
        self.publish(1, body=("ü" * 200).encode(), headers={"ce-id": KEV_ID})
        for columns in (60, 80, 100, 200):
            line = self.on_terminal("--last", "1", "--for", "0", columns=columns).decode().rstrip("\r\n")
            self.assertLessEqual(len(line), max(columns, 57 + 8), line)
        self.assertEqual(len(line), 200)
        self.assertIn(KEV_ID, line)


class Ends(TailTest):
    def test_wrong(self):
        self.js.stream_delete("DATA")
        _, err = self.call("tail", want=1)
        self.assertIn(f"no stream takes {SUBJECT}", err)
        self.assertIn("--nats.create=true", err)
        _, err = self.call("tail", want=1, env={"NATS_URL": "nats://127.0.0.1:1"})
        self.assertIn("connection refused", err)

    def test_signals(self):
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            tail = self.follow()
            self.assertEqual(tail.end(number), 0, tail.said())
            self.no_consumer()

    def test_for(self):
        self.publish(1)
        self.assertEqual(self.seqs("--for", "200ms"), [])
        self.assertEqual(self.seqs("--last", "9", "--for", "0"), [1])
        self.js.stream_purge("DATA")
        self.assertEqual(self.seqs("--last", "9", "--for", "0"), [])

    def test_reader_goes_away(self):
        """As `tail | head -1` does: at the next message, and when there is none."""
        for publish in (True, False):
            read, write = os.pipe()
            with open(self.workspace.file("pipe.err"), "w+b") as errors:
                process = subprocess.Popen([BINARY, "tail"], stdout=write, stderr=errors, env=self.environment(), start_new_session=True)
                self.workspace.adopt(process)
                os.close(write)
                wait_until(lambda: self.js.consumer_names("DATA"), 30, "a consumer")
                if publish:
                    self.publish(1)
                    self.assertTrue(os.read(read, 10))
                os.close(read)
                if publish:
                    self.publish(2)
                self.assertEqual(process.wait(timeout=30), 0)
                errors.seek(0)
                self.assertEqual(errors.read(), b"")
            self.no_consumer()


class Outages(TailTest):
    def test_restart(self):
        """Goes on where it was: nothing twice, nothing left out, also of what was published before it is back."""
        tail = self.follow("--json")
        self.publish(*range(50))
        tail.wait_lines(50)
        self.server.kill()
        tail.wait_said("trying until it is back")
        self.server.start()
        self.connection.reconnect()
        self.publish(*range(50, 90))
        tail.wait_said("NATS is back: going on where it was")
        self.publish(*range(90, 120))
        tail.wait_lines(120)
        self.server.terminate()
        self.server.start()
        self.connection.reconnect()
        self.publish(120, 121)
        tail.wait_lines(122)
        self.assertEqual(tail.end(), 0)
        self.assertEqual([json.loads(line)["body"]["n"] for line in tail.lines], list(range(122)))
        self.no_consumer()

    def test_away_until_the_end(self):
        tail = self.follow("--for", "3s", "--json")
        self.server.kill()
        self.assertEqual(tail.wait(), 0, "everything there was had been shown")

    def test_stream_made_anew(self):
        tail = self.follow("--json")
        self.publish(*range(5))
        tail.wait_lines(5)
        self.js.stream_delete("DATA")
        self.js.stream_create("DATA", ["local.data.>"])
        self.publish(5, 6)
        tail.wait_lines(7)
        self.assertEqual(tail.end(), 0)
        self.assertEqual([json.loads(line)["body"]["n"] for line in tail.lines], list(range(7)))
        self.assertIn("stream DATA was made anew: going on at its beginning", tail.said())

    def test_consumer_deleted(self):
        tail = self.follow("--json")
        self.publish(*range(5))
        tail.wait_lines(5)
        for name in self.js.consumer_names("DATA"):
            self.js.consumer_delete("DATA", name)
        self.publish(5, 6)
        tail.wait_lines(7)
        self.assertEqual(tail.end(), 0)
        self.assertEqual([json.loads(line)["seq"] for line in tail.lines], list(range(1, 8)))


class WorkQueue(TailTest):
    retention = "workqueue"

    def test_messages_stay(self):
        self.publish(*range(5))
        self.assertEqual(self.seqs("--last", "3", "--for", "0"), [3, 4, 5])
        self.assertEqual(self.seqs("--since", "1h", "--for", "0"), [1, 2, 3, 4, 5])
        tail = Following(self, "--json")
        tail.wait_said("is a work queue: it is looked at without taking from it")
        self.publish(5, 6)
        tail.wait_lines(2)
        self.assertEqual(tail.end(), 0)
        self.assertEqual([json.loads(line)["seq"] for line in tail.lines], [6, 7])
        self.assertEqual(self.js.stream_state("DATA")["messages"], 7)
        self.assertEqual(self.js.consumer_names("DATA"), [])
        worker = self.js.consumer_create("DATA", "worker", ack_policy="explicit")
        self.assertEqual(self.js.consumer_info("DATA", worker)["num_pending"], 7, "who works on the queue gets all of them")

    def test_restart(self):
        tail = Following(self, "--json")
        tail.wait_said("is a work queue")
        self.publish(0, 1)
        tail.wait_lines(2)
        self.server.kill()
        self.server.start()
        self.connection.reconnect()
        self.publish(2, 3)
        tail.wait_lines(4)
        self.assertEqual(tail.end(), 0)
        self.assertEqual([json.loads(line)["seq"] for line in tail.lines], [1, 2, 3, 4])


class Interest(TailTest):
    retention = "interest"

    def test_others_get_theirs(self):
        self.js.consumer_create("DATA", "worker", ack_policy="explicit")
        tail = Following(self, "--json")
        wait_until(lambda: len(self.js.consumer_names("DATA")) == 2, 30, "a consumer")
        self.publish(*range(5))
        tail.wait_lines(5)
        self.assertEqual(tail.end(), 0)
        self.assertEqual(self.js.consumer_info("DATA", "worker")["num_pending"], 5)
        self.assertEqual(self.js.stream_state("DATA")["messages"], 5)


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1], verbosity=2)
