#!/usr/bin/env python3
"""NATS, the stream, memory and the machine: each real cause, and what log, status, `health` and `doctor` say of it.

Rows that are proved elsewhere: 26 and 82 also by the fault scenarios okta_sigkill and frozen_server; 32 with many polls at once by the unit
tests of poll/room.c's level (tests/unit/operate/test_memory.c)."""

import datetime
import json
import os
import re
import subprocess
import threading
import unittest

from symptom import SECRET, Peer, Stage, SymptomCase, okta, row, run_classes, says
from signaltest.jetstream import JetStream
from signaltest.kv import Bucket
from signaltest.nats import NatsError
from signaltest.procs import Agent, NatsServer
from signaltest.tools import wait_until

SHORT = "nats = { look_s = 1; stall_s = 3; };"


def events(count, start=0):
    """A page of okta events with a next link to where nothing is yet."""
    now = datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%S.000Z")
    return json.dumps([{"uuid": f"u{start + i}", "published": now, "eventType": "x", "filler": "x" * 200} for i in range(count)])


class Feed(Peer):
    """An okta log with `pages` of `batch` more events at each poll; counts what it gave. A page that is not a poll's first waits while the gate is shut."""

    def __init__(self, batch=5, pages=1):
        self.given = 0
        self.batch = batch
        self.pages = self.left = pages
        self.gate = threading.Event()
        self.gate.set()
        self.waits = threading.Event()  # records stand before the gate
        super().__init__(self.page)

    def page(self, _method, path, _headers, _body):
        at = int(re.search(r"after=(\d+)", path).group(1)) if "after=" in path else 0
        count = min(self.batch, self.given - at)  # asked again
        if at == self.given:
            count = self.batch if self.left else 0
            if 0 < self.left < self.pages and not self.gate.is_set():
                self.waits.set()
                self.gate.wait(30)
            self.left = self.left - 1 if self.left else self.pages
        self.given = max(self.given, at + count)
        link = f'<{self.url}/api/v1/logs?after={at + count}>; rel="next"'
        return 200, {"Link": link}, events(count, at)


def feed(case, **changes):
    peer = Feed(**changes)
    case.addCleanup(peer.close)
    return peer


def fast(url, **changes):
    return okta(url, poll_interval_minutes=0.01, **changes)


class LocalCase(SymptomCase):
    """Agent-wide: looked for in the log, `health` and `doctor`."""

    SETTINGS = SHORT

    def log_says(self, sentence, within=30.0, since=0):
        def found():
            return next((line for line in self.stage.agent.log().splitlines()[since:] if re.search(sentence, line)), None)
        return wait_until(found, within, lambda: f"/{sentence}/ in the log:\n{self.stage.agent.log_tail(12)}")

    def lines(self):
        return len(self.stage.agent.log().splitlines())

    def health_says(self, sentence, status=0, within=15.0):
        def found():
            done = self.stage.command("health")
            return done if re.search(sentence, done.stdout) and done.returncode == status else None
        wait_until(found, within, lambda: f"/{sentence}/ with exit {status} from health: {self.stage.command('health').stdout}")

    def doctor_says(self, check, sentence, cure, result="bad", within=10.0):
        """A check of that name with the sentence, and the cure below it."""
        def found():
            told, status = self.stage.checks()
            self.told = told
            hits = [c for c in told if c["check"] == check and c["result"] == result and re.search(sentence, c["value"]) and re.search(cure, c["cure"])]
            return (hits[0], status) if hits else None
        _, status = wait_until(found, within, lambda: f"{result} {check} /{sentence}/ /{cure}/ from doctor:\n" + "\n".join(map(json.dumps, self.told)))
        self.assertEqual(status, 1 if any(c["result"] == "bad" for c in self.told) else 0)


class Broker(LocalCase):
    """NATS goes away and comes back."""

    @row(24, 38)
    def test_down_then_back(self):
        peer = feed(self)
        name = self.put(fast(peer.url))
        wait_until(lambda: peer.given >= 10, 30, "records flow")
        server = self.stage.server
        server.kill()
        self.log_says(r"broker_unavailable|connection to NATS was lost|connection refused, nothing listens there")
        self.health_says(r"^healthy: .*connection refused, nothing listens there.*broker_unavailable since .*Start NATS, or correct nats\.url")
        self.doctor_says("NATS address", r"connection refused, nothing listens there", r"Start nats-server there")
        server.start()
        self.stage.connection.reconnect()
        before = peer.given
        wait_until(lambda: peer.given > before + 10, 30, "records flow again")
        self.health_says(r"^healthy: .*NATS connected")
        wait_until(lambda: self.stage.status(name).get("reason") == "ok", 20, lambda: f"good again: {self.stage.status(name)}")
        stored = JetStream(self.stage.connection).stream_info("DATA")["state"]["messages"]
        self.assertGreater(stored, 0)

    @row(24, 77)
    def test_hangs(self):
        peer = feed(self)
        self.put(fast(peer.url))
        wait_until(lambda: peer.given >= 10, 30, "records flow")
        since = self.lines()
        self.stage.server.freeze()
        self.addCleanup(self.stage.server.thaw)
        self.log_says(r"broker_stalled: .*(NATS|no answer|says nothing|lease)", since=since)
        self.health_says(r"^healthy: .*broker_stalled since .*check its disk and its load")
        self.doctor_says("NATS address", r"takes connections and says nothing: the server hangs", r"look at its log, its disk")
        self.stage.server.thaw()
        before = peer.given
        wait_until(lambda: peer.given > before + 10, 30, "records flow again")

    @row(38)
    def test_agent_hangs(self):
        self.health_says(r"^healthy")
        self.stage.agent.freeze()
        self.addCleanup(self.stage.agent.thaw)
        path = os.path.join(self.stage.agent.run_dir, "health")
        with open(path, encoding="utf-8") as file:
            line = file.read()
        beat = int(re.search(r'"boot_ms":(\d+)', line).group(1))
        try:  # as if half a minute had passed
            with open(path, "w", encoding="utf-8") as file:
                file.write(line.replace(f'"boot_ms":{beat}', f'"boot_ms":{beat - 31000}'))
            self.health_says(r"^unhealthy: the last heartbeat is 3\d s .*restart it", status=1)
            self.doctor_says("agent here", r"the last heartbeat is 3\d s", r"look at the end of its log")
        finally:
            self.stage.agent.thaw()


class Stalled(LocalCase):
    """A server whose connections are up and which acknowledges nothing, while the lease lasts."""

    CALM = SHORT
    LEASE = "lease = { renew_ms = 500; valid_ms = 20000; take_after_ms = 30000; };"

    @classmethod
    def setUpClass(cls):
        cls.stage = Stage(cls.__name__, "")
        cls.bad = False
        with open(cls.stage.agent.config_path, "r+", encoding="utf-8") as file:
            text = re.sub(r"lease = \{[^}]*\};", cls.LEASE, file.read())
            file.seek(0)
            file.truncate()
            file.write(text + cls.CALM + "\n")
        cls.stage.agent.start()

    @row(24, 77)
    def test_no_acknowledgement(self):
        peer = feed(self, batch=200)
        self.put(fast(peer.url))
        wait_until(lambda: peer.given >= 400, 30, "records flow")
        self.stage.server.freeze()
        self.addCleanup(self.stage.server.thaw)
        self.log_says(r"connection given up with \d+ messages unacknowledged: (NATS is connected, but no acknowledgement came for 3 s: it hangs, or its disk is full"
                      r"|handing over failed)")
        self.health_says(r"broker_stalled since .*NATS is connected and does not acknowledge: check its disk and its load")
        self.stage.server.thaw()
        before = peer.given
        wait_until(lambda: peer.given > before + 400, 30, "records flow again")


class Slow(Stalled):
    """A server that rests for a while: told before it is given up, and afterwards, how long it took."""

    CALM = "nats = { look_s = 1; stall_s = 60; };"
    LEASE = "lease = { renew_ms = 1000; valid_ms = 60000; take_after_ms = 90000; };"

    @row(77, 82)
    def test_no_acknowledgement(self):
        peer = feed(self, batch=400, pages=2)
        self.put(fast(peer.url))
        wait_until(lambda: peer.given >= 800, 30, "records flow")
        peer.gate.clear()
        self.addCleanup(peer.gate.set)
        wait_until(peer.waits.is_set, 30, "a poll that waits for its reply")
        self.stage.server.freeze()
        self.addCleanup(self.stage.server.thaw)
        peer.gate.set()  # what comes now cannot be acknowledged
        self.log_says(r"broker_stalled: NATS is connected and has acknowledged nothing for 10 s \(given up after 1 min\): what waits is sent again, nothing is lost")
        self.health_says(r"broker_stalled: NATS is connected and has acknowledged nothing for 1\d s")
        self.stage.server.thaw()
        self.log_says(r"falling_behind: JetStream is slow: of \d+ acknowledgements lately half took up to .*, 95 of 100 (up to|over) .*; Check the disk and the load")
        before = peer.given
        wait_until(lambda: peer.given > before + 800, 30, "records flow again")
        self.log_says(r"broker_stalled no longer")


class NoSpace(LocalCase):
    """A store on a file system that is full: the server stops answering without an error."""

    @classmethod
    def setUpClass(cls):
        cls.mount = None
        if os.geteuid() != 0:
            raise unittest.SkipTest("only root may mount a small file system")

        def server(workspace):
            cls.mount = workspace.file("small", "")
            if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=12m", "tmpfs", cls.mount], check=False, capture_output=True).returncode:
                raise unittest.SkipTest("no file system can be mounted here")
            return NatsServer(workspace, store_dir=cls.mount)
        cls.stage = Stage(cls.__name__, SHORT, server=server)
        cls.bad = False
        cls.stage.agent.start()

    @classmethod
    def tearDownClass(cls):
        cls.stage.agent.stop()
        cls.stage.server.kill()
        subprocess.run(["umount", "-l", cls.mount], check=False)
        super().tearDownClass()

    @row(24)
    def test_disk_is_full(self):
        peer = feed(self, batch=1000)
        self.put(fast(peer.url))
        wait_until(lambda: peer.given >= 2000, 30, "records flow")
        with open(os.path.join(self.mount, "filler"), "wb") as file:  # somebody else's data
            try:
                while True:
                    file.write(b"x" * 65536)
                    file.flush()
            except OSError:
                pass
        self.log_says(r"no acknowledgement came for 3 s: it hangs, or its disk is full|lease.*(no answer|disk is full)|insufficient", within=40)
        self.health_says(r"broker_stalled since|stream_full since", within=30)


class Full(LocalCase):
    """A stream that has reached its limit, and one near it."""

    @row(23)
    def test_stream_is_full(self):
        js = self.stage.js
        config = js.stream_info("DATA")["config"] | {"discard": "new", "max_bytes": 30000}
        js.api("STREAM.UPDATE.DATA", config)
        peer = feed(self)
        name = self.put(fast(peer.url))
        facts = wait_until(lambda: next((t for t in self.stage.status(name).get("data_types", {}).values() if t["reason"] == "stream_full"), None), 30,
                           lambda: f"stream_full in status: {self.stage.status(name)}\n{self.stage.agent.log_tail()}")
        self.assertRegex(facts["detail"], r"stream DATA refuses records: maximum bytes exceeded \(10077\), \d+ of 29 KiB; nothing is lost")
        self.assertRegex(facts["advice"], r"Raise the stream's limits \(max_bytes, max_msgs\)")
        self.log_says(r"stream_full: stream DATA refuses records: maximum bytes exceeded \(10077\), \d+ of 29 KiB")
        self.health_says(r"^healthy: .*stream_full since .*Raise the stream's limits")
        self.doctor_says("stream", r"DATA is (nearly )?full: \d+ messages, \d+ of 29 KiB, discards new", r"Raise max_bytes or max_msgs")
        js.api("STREAM.UPDATE.DATA", config | {"max_bytes": 50_000_000})
        before = peer.given
        wait_until(lambda: peer.given > before + 20, 60, "records flow again")
        ids = [m.headers["Nats-Msg-Id"] for m in all_messages(self.stage)]
        self.assertEqual(len(ids), len(set(ids)))

    @row(23)
    def test_nearly_full(self):
        js = self.stage.js
        config = js.stream_info("DATA")["config"]
        used = js.stream_info("DATA")["state"]["bytes"]
        since = self.lines()
        js.api("STREAM.UPDATE.DATA", config | {"discard": "new", "max_bytes": max(used * 100 // 95, 2000)})
        if not used:
            self.stage.connection.publish("local.data.other", b"x" * 1900)
        self.log_says(r"stream_full: stream DATA holds .* of .*: when it is full it refuses, and polling pauses", since=since)
        js.api("STREAM.UPDATE.DATA", config | {"discard": "new", "max_bytes": 50_000_000})
        self.log_says(r"stream_full no longer", since=since)


def all_messages(stage):
    return list(JetStream(stage.connection).read("DATA", subject="local.data.artifacts.raw"))


class AccountFull(LocalCase):
    """The storage that the server lends to all streams of the account together is used up."""

    SERVER = staticmethod(lambda workspace: NatsServer(workspace, extra="""
        accounts { APP { jetstream: { max_file: 300KB }, users: [ { user: all, password: pw } ] } }
        no_auth_user: all"""))

    @row(23)
    def test_account_storage(self):
        """Not even the status can be written then: log and `health` tell it."""
        peer = feed(self, batch=100)
        self.put(fast(peer.url))
        self.mine.clear()  # nor can a key be removed
        self.log_says(r"stream_full: stream DATA refuses records: [a-z ]+ \(100\d\d\); the stream itself has no limit and holds \d+ KiB: a limit of the "
                      r"account or of the server's storage is reached; nothing is lost", within=60)
        self.health_says(r"^healthy: .*stream_full since .*free the account's storage")


class WrongSubject(LocalCase):
    """A stream is there, but it takes something else."""

    STREAM = False
    ENV = {"NATS_CREATE": "false"}

    @row(23)
    def test_no_stream(self):
        self.stage.js.stream_create("OTHER", ["local.logs.>"])
        peer = feed(self)
        name = self.put(fast(peer.url))
        facts = wait_until(lambda: next((t for t in self.stage.status(name).get("data_types", {}).values() if t["reason"] == "no_stream"), None), 30,
                           lambda: f"no_stream in status: {self.stage.status(name)}\n{self.stage.agent.log_tail()}")
        self.assertRegex(facts["detail"], r"no stream takes local\.data\.artifacts\.raw")
        self.assertRegex(facts["advice"], r"Create a stream that takes the subject, or set nats\.create = true")
        self.health_says(r"^healthy: .*no stream takes local\.data\.artifacts\.raw")
        self.doctor_says("stream", r"no stream takes local\.data\.artifacts\.raw: polling waits, nothing is lost", r"nats stream add DATA")
        self.stage.js.stream_create("DATA", ["local.data.>"])
        wait_until(lambda: peer.given >= 10, 60, "records flow without a restart")


class NoAck(LocalCase):
    """A stream that would not tell what it stored."""

    STREAM = False

    @row(23)
    def test_no_ack(self):
        self.stage.js.api("STREAM.CREATE.DATA", {"name": "DATA", "subjects": ["local.data.>"], "no_ack": True})
        name = self.put(fast(feed(self).url))
        facts = wait_until(lambda: next((t for t in self.stage.status(name).get("data_types", {}).values() if t["reason"] == "stream_refused"), None), 30,
                           lambda: f"stream_refused: {self.stage.status(name)}\n{self.stage.agent.log_tail()}")
        self.assertRegex(facts["detail"], r"no_ack")
        self.assertRegex(facts["advice"], r"Set no_ack of the stream to false")
        self.doctor_says("stream settings", r"no_ack", r"Set no_ack to false")


class Refused(LocalCase):
    """Users whom the server does not let in, or not everywhere."""

    SERVER = staticmethod(lambda workspace: NatsServer(workspace, extra="""
        accounts { APP { jetstream: enabled, users: [
            { user: all, password: pw }
            { user: mute, password: pw, permissions: { publish: { deny: ["local.data.artifacts.raw"] } } }
            { user: blind, password: pw, permissions: { publish: { deny: ["$JS.API.STREAM.INFO.KV_CHECKPOINTS", "$JS.API.STREAM.MSG.GET.KV_CHECKPOINTS"] } } }
        ] } }
        no_auth_user: all"""))
    ENV = {"NATS_USER": "mute", "NATS_PASSWORD": "pw"}

    @row(24)
    def test_permission_to_publish(self):
        name = self.put(fast(feed(self).url))
        line = self.log_says(r"broker_unavailable: NATS refuses us for lack of permission: Permissions Violation for Publish to \"local\.data\.artifacts\.raw\"; grant it")
        self.assertIn("tried again until it is accepted", line)
        facts = wait_until(lambda: next((t for t in self.stage.status(name).get("data_types", {}).values() if t["reason"] == "broker_unavailable"), None), 30,
                           lambda: f"in status: {self.stage.status(name)}")
        self.assertRegex(facts["detail"], r"lack of permission: Permissions Violation for Publish to \"local\.data\.artifacts\.raw\"; grant it to the agent's user")
        self.health_says(r"^healthy: .*lack of permission")
        self.assertLess(len(re.findall("connection given up", self.stage.agent.log())), 12, "tried again at a decent pace")

    @row(24)
    def test_doctor_without_rights(self):
        agent = self.other("blind", "pw")
        done = agent.command("doctor", "--json")
        told = json.loads(done.stdout)["checks"]
        rights = next(c for c in told if c["check"] == "permissions")
        self.assertRegex(rights["value"], r"\$JS\.API\.STREAM\.INFO\.KV_CHECKPOINTS \(positions\), \$JS\.API\.STREAM\.MSG\.GET\.KV_CHECKPOINTS \(positions\)")

    @row(24)
    def test_wrong_password(self):
        done = self.other("mute", "wrong").command("doctor", "--json")
        self.assertEqual(done.returncode, 1)
        bad = [c for c in json.loads(done.stdout)["checks"] if c["check"] == "NATS connection"][0]
        self.assertEqual(bad["result"], "bad")
        self.assertRegex(bad["value"], r"authentication refused; check user and password")
        self.assertNotIn("wrong\"", done.stdout.replace("wrong user", ""))

    def other(self, user, password):
        """The commands as another user of the same server."""
        agent = Agent(self.stage.workspace, self.stage.binary, self.stage.server, name=f"as-{user}", env={"NATS_USER": user, "NATS_PASSWORD": password})
        return agent


class Address(unittest.TestCase):
    """A name that does not resolve, and a port where something else listens."""

    @row(24)
    def test_wrong_name_and_port(self):
        stage = Stage("Address", "")
        self.addCleanup(stage.close)
        peer = Peer(says(200, "hello"))
        self.addCleanup(peer.close)
        for url, sentence, cure in [("nats://no-such-host.invalid:4222", r"no-such-host\.invalid:4222: the name does not resolve", r"name|nameserver"),
                                    (f"nats://127.0.0.1:{peer.port}", r"says nothing|something else than NATS", r"hangs|port")]:
            agent = Agent(stage.workspace, stage.binary, stage.server, name=f"at-{len(url)}", env={"NATS_URL": url})
            done = agent.command("doctor", "--json")
            bad = [c for c in json.loads(done.stdout)["checks"] if c["check"] == "NATS address"][0]
            self.assertEqual(done.returncode, 1)
            self.assertRegex(bad["value"], sentence)
            self.assertRegex(bad["cure"], cure)


class Readers(LocalCase):
    """Who reads the stream."""

    @row(25)
    def test_nobody_then_an_idle_one_then_deleted(self):
        js = self.stage.js
        peer = feed(self)
        self.put(fast(peer.url))
        self.log_says(r"stream_unread: nobody reads stream DATA: it has no consumer and \d+ messages; .* records/s come in; Start the consumer")
        self.health_says(r"^healthy: .*stream_unread: nobody reads stream DATA")
        self.doctor_says("readers", r"nobody reads DATA: it has no consumer", r"Start what reads it", result="notice")
        since = self.lines()
        js.api("CONSUMER.DURABLE.CREATE.DATA.exp", {"stream_name": "DATA", "config": {"durable_name": "exp", "ack_policy": "explicit"}})
        self.log_says(r"stream_unread no longer", since=since)
        self.log_says(r"stream_unread: \d+ artifacts unread, consumer exp idle since 20\d\d-.*; .* records/s come in", since=since)
        self.doctor_says("readers", r"consumer exp: \d+ artifacts unread, 0 not acknowledged, never seen reading", r"Artifact Exporter", result="notice")
        config = js.stream_info("DATA")["config"]
        js.api("STREAM.UPDATE.DATA", config | {"max_msgs": 5, "discard": "old"})
        self.addCleanup(js.api, "STREAM.UPDATE.DATA", config)
        self.doctor_says("readers", r"DATA deletes what consumer exp has not read: \d+ artifacts are gone", r"discard: new")
        self.health_says(r"DATA deletes what consumer exp has not read: \d+ artifacts are gone")

    @row(25)
    def test_message_ids_copied(self):
        """A consumer that copies artifacts to another subject of the stream, headers and all."""
        js = self.stage.js
        self.put(fast(feed(self).url))
        message = wait_until(lambda: next(iter(all_messages(self.stage)), None), 30, "a record")
        headers = message.headers | {"Nats-Msg-Id": message.headers["Nats-Msg-Id"] + "x"}  # the very same one is dropped by the server
        self.stage.connection.publish("local.data.enriched", message.body, headers)
        self.stage.connection.flush()
        self.doctor_says("message ids", r"subject local\.data\.enriched of the same stream bears our message ids", r"leave the header Nats-Msg-Id behind")
        js.api("STREAM.PURGE.DATA", {"filter": "local.data.enriched"})


class Buckets(LocalCase):
    """What others do to the buckets."""

    ENV = {"NATS_CREATE": "false"}  # or the agent would make INTEGRATIONS again at once

    @row(28)
    def test_garbage_in_checkpoints(self):
        peer = feed(self)
        name = self.put(fast(peer.url))
        wait_until(lambda: peer.given >= 10, 30, "records flow")
        checkpoints = Bucket(self.stage.js, "CHECKPOINTS")
        key = wait_until(lambda: next((k for k in checkpoints.keys() if k.startswith(name)), None), 20, "a checkpoint")
        self.stage.agent.terminate()
        checkpoints.put(key, b'{"v":1,"conn')
        self.stage.agent.start()
        facts = wait_until(lambda: next((t for t in self.stage.status(name).get("data_types", {}).values() if t["reason"] == "checkpoint_invalid"), None), 40,
                           lambda: f"checkpoint_invalid: {self.stage.status(name)}\n{self.stage.agent.log_tail()}")
        self.assertRegex(facts["detail"], rf"checkpoint {re.escape(key)} \(revision \d+\) cannot be used: not a JSON object \(byte \d+.*nothing is asked meanwhile")
        self.assertRegex(facts["advice"], r"checkpoint show.*checkpoint set.*checkpoint reset")
        self.doctor_says("positions", rf"{re.escape(key)} \(revision \d+\) is not a checkpoint", r"checkpoint (set|reset)")
        asked = len(peer.requests)
        wait_until(lambda: self.stage.command("health").returncode == 0, 10, "a little later")
        self.assertEqual(len(peer.requests), asked, "nothing is asked meanwhile")

    @row(10, 110)
    def test_bad_put_by_another_client(self):
        peer = feed(self)
        name = self.put(fast(peer.url))
        wait_until(lambda: peer.given >= 10, 30, "records flow")
        self.stage.js.stream_update("KV_INTEGRATIONS", max_msgs_per_subject=5)
        self.stage.integrations.put(name, b'{"integration_type": "okta",\n "credentials": {')
        facts = wait_until(lambda: (s := self.stage.status(name)).get("reason") == "config_invalid" and s, 30, lambda: f"config_invalid: {self.stage.status(name)}")
        self.assertRegex(facts["detail"], r"revision \d+ is not in use: .*line \d")
        self.assertRegex(facts["advice"], r"until then the last good one stays in use")
        running = re.search(r"; revision (\d+) goes on", facts["detail"]).group(1)
        shown = json.loads(self.stage.command("integrations", "show", name, "--revision", running, "--json").stdout)
        self.assertTrue(shown["valid"])
        self.assertNotIn(SECRET, json.dumps(shown))
        self.assertEqual(self.stage.command("integrations", "show", name, "--revision", "99999").returncode, 1)
        before = peer.given
        wait_until(lambda: peer.given > before, 30, "the last good value goes on")
        self.doctor_says(name, r"revision \d+ cannot be used: .*line \d", r"Correct the value and save it")
        self.stage.put(name, fast(peer.url))
        wait_until(lambda: self.stage.status(name).get("reason") == "ok", 30, lambda: f"good again: {self.stage.status(name)}")

    @row(10)
    def test_bucket_made_anew(self):
        peer = feed(self)
        name = self.put(fast(peer.url))
        wait_until(lambda: peer.given >= 10, 30, "records flow")
        since = self.lines()
        self.stage.js.api("STREAM.DELETE.KV_INTEGRATIONS")
        try:
            self.log_says(r"config_lost: bucket INTEGRATIONS was deleted; what it held last stays in use", within=60, since=since)
            self.health_says(r"^healthy: .*config_lost")
            self.doctor_says("buckets", r"there is no bucket INTEGRATIONS", r"nats kv add INTEGRATIONS")
            before = peer.given
            wait_until(lambda: peer.given > before, 30, "polled all the same")
        finally:
            self.stage.integrations = Bucket.make(self.stage.js, "INTEGRATIONS")
        self.stage.put(name, fast(peer.url, name="again"))
        self.log_says(rf"revision \d+ is in use.*integration={name}", within=90, since=since)


class MachineCase(LocalCase):
    """`doctor` as a new user types it, without an agent."""

    STREAM = False

    @classmethod
    def setUpClass(cls):
        cls.stage = Stage(cls.__name__, "", stream=False)
        cls.bad = False

    def ask(self, settings="", env=None, name="asked"):
        agent = Agent(self.stage.workspace, self.stage.binary, self.stage.server, name=name, settings=settings, env=env)
        done = agent.command("doctor", "--json")
        self.assertTrue(done.stdout, done.stderr)
        return agent, json.loads(done.stdout)["checks"], done

    def says(self, checks, check, result, sentence, cure=""):
        hits = [c for c in checks if c["check"] == check and c["result"] == result and re.search(sentence, c["value"]) and re.search(cure, c["cure"])]
        self.assertTrue(hits, f"{result} {check} /{sentence}/ /{cure}/:\n" + "\n".join(map(json.dumps, checks)))


class Ends(MachineCase):
    def certificate(self, name, days):
        pem, key = self.stage.workspace.file(f"{name}.pem"), self.stage.workspace.file(f"{name}.key")
        made = subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-subj", "/CN=lab", "-days", str(days),
                               "-addext", "subjectAltName=IP:127.0.0.1", "-out", pem, "-keyout", key], capture_output=True, check=False)
        self.assertEqual(made.returncode, 0, made.stderr)
        return pem, key

    @row(24, 102)
    def test_certificate_of_the_server(self):
        """NATS with a CA that nobody knows: named with issuer and end, then trusted."""
        pem, key = self.certificate("server", 10)
        server = NatsServer(self.stage.workspace, name="tls", extra=f'tls {{ cert_file: "{pem}", key_file: "{key}" }}').start(wait=False)
        self.addCleanup(server.stop)

        def ask(name, settings=""):
            done = Agent(self.stage.workspace, self.stage.binary, server, name=name, settings=settings).command("doctor", "--json")
            return json.loads(done.stdout)["checks"]
        wait_until(lambda: any(c["check"] == "NATS certificate" for c in ask("waits")), 20, "the server listens")
        checks = ask("stranger")
        self.says(checks, "NATS certificate", "notice", r"TLSv1\.3, /CN=lab, issued by /CN=lab; ends in (9|10) d", r"renewed")
        self.says(checks, "NATS connection", "bad", r"TLS failed", r"Mend this first")
        checks = ask("trusts", f'tls = {{ ca_file = "{pem}"; }};')
        self.says(checks, "NATS connection", "ok", r"round trip")

    @row(102)
    def test_certificates_that_end(self):
        """A CA file of ours whose certificate ends in ten days, and one that has ended: told ahead by the agent, too."""
        for days, result, sentence in ((10, "notice", r"1 certificate, ends in (9|10) (d|days)"), (400, "ok", r"1 certificate, ends in")):
            pem, _ = self.certificate(f"ca{days}", days)
            _, checks, _ = self.ask(f'tls = {{ ca_file = "{pem}"; }};', name=f"ca{days}")
            self.says(checks, "CA file", result, sentence)
        agent = Agent(self.stage.workspace, self.stage.binary, self.stage.server, name="ends", settings=f'tls = {{ ca_file = "{self.stage.workspace.file("ca10.pem")}"; }};')
        agent.start()
        self.addCleanup(agent.stop)
        wait_until(lambda: re.search(r"auth_expiring: tls\.ca_file .*ca10\.pem ends in .*; Put a new file in its place", agent.log()), 20, agent.log_tail)


class Machine(MachineCase):
    """What lies on this machine, and set-ups that work by luck."""

    @row(5)
    def test_files(self):
        """A CA file without a certificate, one that is missing, key files that others may read, proxies."""
        empty, key = self.stage.workspace.file("empty.pem"), self.stage.workspace.file("seal.key")
        for path in (empty, key):
            with open(path, "w", encoding="utf-8") as file:
                file.write("nothing\n")
        os.chmod(key, 0o644)
        settings = f'tls = {{ ca_file = "{empty}"; client_cert = "/nonexistent/cert.pem"; client_key = "/nonexistent/key.pem"; }}; seal = {{ key_file = "{key}"; }};'
        _, checks, done = self.ask(settings, {"HTTPS_PROXY": "http://dana:hunter2hunter2@proxy:3128"})
        self.says(checks, "CA file", "bad", r"tls\.ca_file .*empty\.pem: nothing in it begins with", r"PEM")
        self.says(checks, "certificate", "bad", r"/nonexistent/cert\.pem: No such file", r"in a container it is the container's own")
        self.says(checks, "seal key", "bad", r"seal\.key_file: .*seal\.key.*(0644|others)", r"nothing that is sealed with it can be used")
        self.says(checks, "proxy", "ok", r"https_proxy = http://.*@proxy:3128 \(environment (HTTPS_PROXY|https_proxy)\)")
        self.assertNotIn("hunter2hunter2", done.stdout + done.stderr)
        self.assertEqual(done.returncode, 1)

    @row(23)
    def test_streams_that_weaken_the_promise(self):
        js = self.stage.js
        for config, check, result, sentence, cure in [
                ({"retention": "workqueue"}, "stream settings", "notice", r"retention is workqueue: what was consumed cannot be read back", r"retention by limits"),
                ({"duplicate_window": 1_000_000_000}, "stream settings", "notice", r"message ids are remembered for 1 s", r"duplicate_window to 2m"),
                ({"storage": "memory"}, "stream storage", "notice", r"kept in memory alone", r"file storage"),
                ({"max_age": 3600_000_000_000, "discard": "old"}, "stream", "notice", r"at most 1 h old, discards old", r"discard: new"),
                ({"max_msg_size": 1024}, "stream settings", "notice", r"messages up to 1\.0 KiB are taken", r"max_msg_size")]:
            js.api("STREAM.CREATE.DATA", {"name": "DATA", "subjects": ["local.data.>"]} | config)
            try:
                _, checks, _ = self.ask()
            finally:
                js.stream_delete("DATA")
            self.says(checks, check, result, sentence, cure)

    @row(28)
    def test_buckets_that_forget(self):
        Bucket.make(self.stage.js, "CHECKPOINTS", ttl_ns=60_000_000_000)
        self.addCleanup(Bucket(self.stage.js, "CHECKPOINTS").destroy)
        _, checks, _ = self.ask()
        self.says(checks, "buckets", "bad", r"CHECKPOINTS \(positions\) forgets its values after 1 min", r"Take the TTL away")
        self.says(checks, "lease", "bad", r"no agent has ever run with these buckets", r"Start the agent")

    @row(103)
    def test_dead_letters_are_counted(self):
        agent = Agent(self.stage.workspace, self.stage.binary, self.stage.server, name="letters")
        folder = os.path.join(agent.run_dir, "dead-letters")
        os.makedirs(folder)
        for number in range(3):
            with open(os.path.join(folder, f"a.b.{number}"), "w", encoding="utf-8") as file:
                file.write("x")
        checks = json.loads(agent.command("doctor", "--json").stdout)["checks"]
        self.says(checks, "dead letters", "notice", r"3 files \(3 bytes\) in .*dead-letters, the newest .*free", r"which record could not be published")

    def test_text_for_people(self):
        """Aligned in 100 columns, no colour where there is no terminal; a name that is unknown is said so."""
        agent = Agent(self.stage.workspace, self.stage.binary, self.stage.server, name="text")
        done = agent.command("doctor")
        self.assertEqual(done.returncode, 1)
        self.assertNotIn("\033", done.stdout)
        self.assertLessEqual(max(len(line) for line in done.stdout.splitlines() if self.stage.workspace.path not in line), 100)
        self.assertRegex(done.stdout, r"(?m)^BAD   lease           no agent has ever run\S* .*\n +-> Start the agent")
        named = agent.command("doctor", "nobody")
        self.assertEqual(named.returncode, 1)
        self.assertIn("there is no integration nobody", re.sub(r"\s+", " ", named.stdout))


class Twins(LocalCase):

    @row(27)
    def test_two_integrations_of_one_account(self):
        peer = feed(self)
        a = self.put(fast(peer.url), name="okta-a")
        b = self.put(fast(peer.url), name="okta-b")
        for name, other in ((a, b), (b, a)):
            self.expect(name, "duplicate_integration", rf"{other} .*each record is published twice", r"[Dd]isable one")
        self.doctor_says(a, r"duplicate_integration: okta-a and okta-b both read", r"Disable one", result="notice")


class Agents(LocalCase):
    """Two agents, and one that is killed."""

    SETTINGS = SHORT + "memory = { limit_bytes = 16777216; };"

    @row(28, 38)
    def test_a_second_agent_stands_by(self):
        self.log_says(r"held \(epoch \d+\): this agent polls")
        second = Agent(self.stage.workspace, self.stage.binary, self.stage.server, name="second", settings=LEASE_OF_STAGE)
        second.start()
        self.addCleanup(second.stop)
        wait_until(lambda: re.search(r"standby: lease held by agent local, instance [0-9a-f]+, epoch \d+", second.log()), 20, second.log_tail)
        done = wait_until(lambda: (h := second.command("health")).returncode == 0 and "lease held by agent local" in h.stdout and h, 10, "health of the second")
        self.assertNotIn("broker_", done.stdout)

    @row(32, 76)
    def test_memory_is_short_and_killed_for_it(self):
        """16 MiB are what the agent needs to stand there: it is at its limit, and goes on, one poll at a time."""
        peer = feed(self)
        self.put(fast(peer.url))
        self.log_says(r"memory_limit: memory is short: \d+(\.\d)? of 16 MiB in use; one poll.* at a time go(es)? on; Raise the memory limit")
        wait_until(lambda: peer.given >= 20, 30, "records flow all the same")
        self.health_says(r"^healthy: .*memory_limit: memory is short: \d+(\.\d)? of 16 MiB in use")
        self.doctor_says("memory", r"\d+(\.\d)? of 16 MiB in use", r"Raise the container's memory limit")
        since = self.lines()
        self.stage.agent.kill()
        self.stage.agent.start()
        self.log_says(r"memory_limit: .*of 16 MiB in use", since=since)
        facts = wait_until(lambda: self.facts().get("previous_run", {}).get("text"), 20, "the agent's word on the run before")
        self.assertRegex(facts, r"the previous run ended without stopping after 20\S+Z, \d+(\.\d)? of 16 MiB in use: probably killed for its memory")

    def facts(self):
        reply = self.stage.connection
        inbox = reply.new_inbox()
        answers = reply.subscribe(inbox)
        reply.publish("signal-client.local.control", b'{"v":1,"op":"agent"}', reply=inbox)
        try:
            while True:
                answer = answers.next(2)
                if answer.status:
                    return {}
                if "line" in answer.json():
                    return answer.json()["line"]
        except NatsError:
            return {}
        finally:
            answers.unsubscribe()


class Killed(LocalCase):
    """No limit is known: killed without saying so."""

    @row(76)
    def test_killed_and_stopped(self):
        self.health_says(r"^healthy")
        since = self.lines()
        self.stage.agent.kill()
        self.stage.agent.start()
        self.log_says(r"the previous run ended without stopping after .* in use(, no limit is set)?: it was killed or crashed; it goes on where its checkpoints stand", since=since)
        self.health_says(r"^healthy")
        self.stage.agent.terminate()
        self.health_says(r"^unhealthy: the agent was stopped .* ago; start it", status=1)
        since = self.lines()
        self.stage.agent.start()
        self.log_says(r"this agent polls", since=since)
        self.assertNotIn("previous run", "\n".join(self.stage.agent.log().splitlines()[since:]))


LEASE_OF_STAGE = "lease = { renew_ms = 200; valid_ms = 1000; take_after_ms = 1500; };"

if __name__ == "__main__":
    run_classes()
