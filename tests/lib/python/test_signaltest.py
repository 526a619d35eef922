"""Proves the test library itself: its NATS client and readers against a real nats-server, the witness over restarts,
the cutting of a store, the process helpers, and above all that the oracle finds what it is there to find."""

import base64
import hashlib
import json
import os
import random
import shutil
import subprocess
import sys
import unittest
import urllib.parse

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

from signaltest import seal, secrets, store  # noqa: E402
from signaltest.copier import Copier, Copy, copy_of_stream  # noqa: E402
from signaltest.jetstream import ApiError, JetStream, parse_time_ns  # noqa: E402
from signaltest.kv import WRONG_LAST_SEQUENCE, Bucket  # noqa: E402
from signaltest.ledger import Ledger, Offers, snapshot_identity  # noqa: E402
from signaltest.nats import (Disconnected, NatsError, NoResponders, Timeout, encode_headers, find_header,  # noqa: E402
                             parse_headers)
from signaltest.procs import Agent, NatsServer, Nginx, Process, http_request  # noqa: E402
from signaltest.publisher import OtherPublisher  # noqa: E402
from signaltest.tools import Expired, Workspace, free_port, wait_until  # noqa: E402

SUBJECT = "local.data.artifacts.raw"
PREFIX = "okta-prod.system_log."


def sha(body):
    return hashlib.sha256(body).hexdigest()


def artifact(number, body=None):
    """A message as the agent would publish it: (subject, body, headers)."""
    headers = {"Nats-Msg-Id": f"{PREFIX}id-{number}", "ce-id": f"id-{number}", "ce-type": "okta.system_log"}
    return SUBJECT, body or f'{{"uuid":"id-{number}"}}'.encode(), headers


class WithServer(unittest.TestCase):
    """A fresh server for each test: 30 ms."""

    options = {}

    def setUp(self):
        self.workspace = Workspace(self._testMethodName, quiet=True)
        self.addCleanup(self.workspace.close)
        self.server = NatsServer(self.workspace, **self.options).start()
        self.connection = self.server.connect()
        self.addCleanup(self.connection.close)
        self.js = JetStream(self.connection)

    def data(self, **config):
        return self.js.stream_create("DATA", ["local.data.>"], **config)


class Wire(WithServer):
    def test_publish_and_subscribe_with_headers(self):
        subscription = self.connection.subscribe("a.*")
        self.connection.publish("a.b", b"\x00\r\n\xff", {"X": "1", "Y": "a b"}, reply="r.1")
        message = subscription.next()
        self.assertEqual((message.subject, message.body, message.reply), ("a.b", b"\x00\r\n\xff", "r.1"))
        self.assertEqual(message.headers, {"X": "1", "Y": "a b"})
        self.connection.publish("a.c")
        self.assertEqual(subscription.next().body, b"")
        subscription.unsubscribe()
        self.connection.publish("a.d")
        self.connection.flush()
        self.assertEqual(len(subscription.pending), 0)

    def test_large_and_many_messages_arrive_whole(self):
        subscription = self.connection.subscribe("big")
        bodies = [random.Random(i).randbytes(random.Random(i).randrange(0, 300_000)) for i in range(30)]
        self.connection.send_frames(self.connection.frame("big", body, {"n": str(i)}) for i, body in enumerate(bodies))
        for i, body in enumerate(bodies):
            message = subscription.next()
            self.assertEqual(message.headers["n"], str(i))
            self.assertEqual(sha(message.body), sha(body))

    def test_request_replies_timeouts_and_nobody_there(self):
        with self.assertRaises(NoResponders):
            self.connection.request("nobody", b"x")
        with self.server.connect() as other:
            asked = other.subscribe("ask")
            other.flush()
            numbers = [self.connection.start_request("ask", str(i)) for i in range(3)]
            for message in reversed([asked.next() for _ in range(3)]):
                other.publish(message.reply, b"re " + message.body)
            self.assertEqual([self.connection.finish_request(n).body for n in numbers], [b"re 0", b"re 1", b"re 2"])
            with self.assertRaises(Timeout):
                self.connection.request("ask", b"", timeout=0.05)

    def test_lost_connection_is_told_and_rebuilt_with_its_subscriptions(self):
        subscription = self.connection.subscribe("s")
        self.server.kill()
        with self.assertRaises(Disconnected):
            subscription.next(5)
        with self.assertRaises(Disconnected):
            self.connection.publish("s")
        self.server.start()
        self.connection.reconnect()
        self.connection.publish("s", b"back")
        self.assertEqual(subscription.next().body, b"back")

    def test_bad_subjects_and_header_values_never_reach_the_wire(self):
        for subject in ("", "a b", "a\r\nPUB x 0"):
            with self.assertRaises(ValueError):
                self.connection.publish(subject)
        with self.assertRaises(ValueError):
            self.connection.publish("a", headers={"X": "1\r\nY: 2"})

    def test_header_blocks(self):
        raw = encode_headers([("a", "1"), ("b", "x:y"), ("a", "2")])
        self.assertEqual(parse_headers(raw), ("", [("a", "1"), ("b", "x:y"), ("a", "2")]))
        self.assertEqual(find_header(raw, b"b"), b"x:y")
        self.assertIsNone(find_header(raw, b"c"))
        self.assertEqual(parse_headers(b"NATS/1.0 503\r\n\r\n")[0], "503")


class WireWithPassword(WithServer):
    options = {"user": "u", "password": "p w", "max_payload": 4096}

    def test_login_and_payload_limit(self):
        with self.assertRaisesRegex(NatsError, "Authorization"):
            self.server.user = None
            self.server.connect()
        self.assertEqual(self.connection.info["max_payload"], 4096)
        self.connection.publish("a", b"x" * 5000)
        with self.assertRaisesRegex(Disconnected, "Maximum Payload|closed|receiving|sending"):
            self.connection.flush()


class Streams(WithServer):
    def test_create_update_info_purge_delete(self):
        self.data(duplicate_window=2_000_000_000)
        self.assertEqual(self.js.stream_names(SUBJECT), ["DATA"])
        self.js.stream_update("DATA", max_msgs=7)
        self.assertEqual(self.js.stream_info("DATA")["config"]["max_msgs"], 7)
        self.js.publish_many(artifact(i) for i in range(5))
        self.assertEqual(self.js.stream_purge("DATA", seq=3), 2)
        self.assertEqual(self.js.stream_state("DATA")["first_seq"], 3)
        self.js.message_delete("DATA", 4)
        self.assertEqual([s.seq for s in self.js.read("DATA")], [3, 5])
        self.js.stream_delete("DATA")
        self.assertFalse(self.js.stream_exists("DATA"))
        with self.assertRaises(ApiError) as caught:
            self.js.stream_info("DATA")
        self.assertEqual(caught.exception.err_code, 10059)

    def test_publish_is_acknowledged_and_a_repeat_is_a_duplicate(self):
        self.data()
        self.assertEqual(self.js.publish(*artifact(1)), {"stream": "DATA", "seq": 1})
        self.assertTrue(self.js.publish(*artifact(1))["duplicate"])
        with self.assertRaises(ApiError) as caught:
            self.js.publish(SUBJECT, b"", {"Nats-Expected-Last-Sequence": "9"})
        self.assertEqual(caught.exception.err_code, WRONG_LAST_SEQUENCE)

    def test_single_messages(self):
        self.data()
        self.js.publish_many((f"local.data.{'ab'[i % 2]}", str(i).encode(), {"n": str(i)}) for i in range(6))
        stored = self.js.message("DATA", seq=3)
        self.assertEqual((stored.seq, stored.subject, stored.body, stored.headers), (3, "local.data.a", b"2", {"n": "2"}))
        self.assertEqual(self.js.message("DATA", last_by_subj="local.data.b").seq, 6)
        self.assertEqual(self.js.message("DATA", seq=4, next_by_subj="local.data.a").seq, 5)
        self.assertIsNone(self.js.message("DATA", seq=7))
        self.assertIsNone(self.js.message("DATA", last_by_subj="local.data.c"))

    def test_both_readers_see_the_same(self):
        self.data()
        self.js.publish_many((f"local.data.{'ab'[i % 2]}", os.urandom(i % 50), {"n": str(i)}) for i in range(500))
        for options in ({}, {"start": 17}, {"end": 33}, {"start": 4, "end": 9, "subject": "local.data.b"}):
            by_consumer = [self.parts(s) for s in self.js.read("DATA", **options)]
            by_get = [self.parts(s) for s in self.js.read_by_get("DATA", **options)]
            self.assertEqual(by_consumer, by_get)
        self.assertEqual([s.body for s in self.js.read("DATA", end=3, headers_only=True)], [b""] * 3)
        self.assertEqual(list(self.js.read("DATA", subject="local.data.c")), [])
        self.assertEqual(self.js.consumer_names("DATA"), [])

    @staticmethod
    def parts(stored):
        return stored.seq, stored.subject, stored.raw_headers, stored.body, stored.time_ns

    def test_a_large_stream_is_read_whole(self):
        self.data()
        body = b"x" * 1000
        self.js.publish_many(artifact(i, body) for i in range(40_000))
        self.assertEqual(len(copy_of_stream(self.js, "DATA")), 40_000)

    def test_times_are_exact(self):
        self.assertEqual(parse_time_ns("2026-11-22T00:41:30.7719651Z"), 1795308090_771965100)
        self.assertEqual(parse_time_ns("1970-01-01T00:00:01Z"), 1_000_000_000)

    def test_a_work_queue_refuses_a_reader_and_is_read_all_the_same(self):
        self.data(retention="workqueue")
        self.js.publish_many(artifact(i) for i in range(20))
        self.js.consumer_create("DATA", durable="other", ack_policy="explicit")
        self.assertEqual([s.seq for s in self.js.read("DATA")], list(range(1, 21)))


class Buckets(WithServer):
    def test_values_revisions_markers(self):
        bucket = Bucket.make(self.js, "CHECKPOINTS", history=5)
        self.assertIsNone(bucket.get("a.b"))
        first = bucket.put("a.b", {"x": 1})
        self.assertEqual(bucket.get_json("a.b"), {"x": 1})
        second = bucket.update("a.b", b"2", first)
        with self.assertRaises(ApiError) as caught:
            bucket.update("a.b", b"3", first)
        self.assertEqual(caught.exception.err_code, WRONG_LAST_SEQUENCE)
        with self.assertRaises(ApiError):
            bucket.create("a.b", b"4")
        bucket.create("c", "text")
        self.assertEqual(sorted(bucket.keys()), ["a.b", "c"])
        self.assertEqual(bucket.get("a.b").revision, second)
        bucket.delete("a.b")
        self.assertIsNone(bucket.get("a.b"))
        self.assertEqual(bucket.entry("a.b").operation, "DEL")
        self.assertEqual(bucket.keys(), ["c"])
        self.assertEqual([e.operation for e in bucket.history("a.b")], ["PUT", "PUT", "DEL"])
        bucket.create("a.b", b"again")
        bucket.purge("a.b")
        self.assertEqual([e.operation for e in bucket.history("a.b")], ["PURGE"])
        self.assertIsNone(Bucket(self.js, "NONE").get("x"))

    def test_a_bucket_has_the_standard_configuration(self):
        bucket = Bucket.make(self.js, "INTEGRATIONS")
        Bucket.make(self.js, "INTEGRATIONS")
        config = self.js.stream_info(bucket.stream)["config"]
        wanted = {"subjects": ["$KV.INTEGRATIONS.>"], "max_msgs_per_subject": 1, "discard": "new", "deny_delete": True,
                  "allow_rollup_hdrs": True, "allow_direct": True, "retention": "limits"}
        self.assertEqual({k: config[k] for k in wanted}, wanted)
        self.assertTrue(bucket.exists())
        bucket.destroy()
        self.assertFalse(bucket.exists())


class Witness(WithServer):
    def test_copies_everything_over_restarts(self):
        self.data()
        copier = self.copier()
        for round_number in range(3):
            self.js.publish_many(artifact(round_number * 300 + i) for i in range(300))
            copier.wait_count(300 * (round_number + 1), 10)
            self.server.kill()
            self.server.start()
            self.connection.reconnect()
        copier.catch_up()
        self.assertEqual([c.seq for c in copier.copies], list(range(1, 901)))
        self.assertEqual((copier.holes, copier.rolled_back), ([], []))
        self.assertEqual(copier.copies, copy_of_stream(self.js, "DATA"))

    def test_consumes_a_work_queue(self):
        self.data(retention="workqueue")
        copier = self.copier(acknowledge=True)
        self.js.publish_many(artifact(i) for i in range(400))
        copier.wait_count(400, 10)
        self.server.kill()
        self.server.start()
        self.connection.reconnect()
        self.js.publish_many(artifact(400 + i) for i in range(100))
        copier.catch_up()
        self.assertEqual(sorted(c.ce_id for c in copier.copies), sorted(f"id-{i}" for i in range(500)))

    def test_a_stream_that_forgets_leaves_no_hole_behind_a_witness_that_keeps_up(self):
        self.data(max_msgs=50)
        copier = self.copier()
        for i in range(200):
            self.js.publish(*artifact(i))
            if i % 25 == 0:
                copier.wait_count(i + 1, 10)
        copier.wait_count(200, 10)
        self.assertEqual(copier.holes, [])
        self.assertEqual(self.js.stream_state("DATA")["messages"], 50)

    def test_goes_on_in_another_stream_of_the_same_name(self):
        self.data()
        copier = self.copier()
        self.js.publish_many(artifact(i) for i in range(50))
        copier.wait_count(50, 10)
        self.js.stream_delete("DATA")
        self.data()
        self.js.publish_many(artifact(50 + i) for i in range(50))
        copier.wait_count(100, 10)
        self.assertEqual([c.ce_id for c in copier.copies], [f"id-{i}" for i in range(100)])

    def test_gives_up_when_nothing_comes(self):
        self.data()
        with self.assertRaisesRegex(Expired, "0 of 1 copied"):
            self.copier().wait_count(1, 0.2)

    def test_another_publisher_goes_on_over_a_restart(self):
        self.data()
        other = OtherPublisher(self.server.connect, SUBJECT, per_s=2000)
        self.workspace.at_close(other.stop)
        wait_until(lambda: other.sent > 50, 10, "50 sent")
        self.server.kill()
        self.server.start()
        before = other.sent
        wait_until(lambda: other.sent > before + 50, 10, "50 more sent")
        other.stop()
        self.connection.reconnect()
        verdict = Ledger().judge(copy_of_stream(self.js, "DATA"))
        self.assertGreaterEqual(verdict.others, other.sent)
        self.assertEqual(verdict.stored, 0)

    def copier(self, **options):
        copier = Copier(self.server.connect, "DATA", **options)
        self.addCleanup(copier.stop)
        return copier


class PowerLoss(WithServer):
    """What nats-server makes of a store whose tail was never synced."""

    def lose(self, messages, lose, into_record, kill=False, size=1000):
        self.data(duplicate_window=60_000_000_000)
        self.js.publish_many(artifact(i, os.urandom(size)) for i in range(1, messages + 1))
        created = self.js.stream_info("DATA")["created"]
        before = copy_of_stream(self.js, "DATA")
        self.server.kill() if kill else self.server.terminate()
        cut = store.cut_tail(self.server.store_dir, "DATA", lose, into_record)
        self.server.start()
        self.connection.reconnect()
        info = self.js.stream_info("DATA")
        self.assertEqual(info["state"]["last_seq"], cut.last_seq)
        self.assertEqual(info["created"], created)
        self.assertEqual(copy_of_stream(self.js, "DATA"), before[:cut.last_seq])
        return cut

    def test_cut_at_a_record(self):
        self.assertEqual(self.lose(1000, 100, 0).last_seq, 900)

    def test_cut_inside_a_record_after_a_kill(self):
        self.assertEqual(self.lose(1000, 100, 50, kill=True).last_seq, 900)

    def test_cut_takes_no_more_than_the_last_block(self):
        cut = self.lose(1500, 10 ** 6, 3, size=6000)
        self.assertTrue(0 < cut.last_seq < 1500, cut)
        self.assertEqual(cut.last_seq + cut.lost, 1500)

    def test_cut_of_everything(self):
        self.assertEqual(self.lose(100, 100, 0), store.Cut(0, 100))

    def test_lost_ids_are_no_duplicates_and_sequences_are_taken_again(self):
        self.lose(100, 10, 7)
        self.assertTrue(self.js.publish(*artifact(90))["duplicate"])
        self.assertEqual(self.js.publish(*artifact(91)), {"stream": "DATA", "seq": 91})

    def test_the_witness_says_what_was_rolled_back(self):
        self.data()
        copier = Copier(self.server.connect, "DATA")
        self.addCleanup(copier.stop)
        self.js.publish_many(artifact(i) for i in range(100))
        copier.wait_count(100, 10)
        self.server.terminate()
        store.cut_tail(self.server.store_dir, "DATA", 10)
        self.server.start()
        self.connection.reconnect()
        wait_until(lambda: len(copier.rolled_back) == 10, 10, "rolled back")  # before the sequences are taken again
        self.js.publish_many(artifact(200 + i) for i in range(10))
        wait_until(lambda: copier.count == 100, 10, "copied again")
        self.assertEqual(copier.copies, copy_of_stream(self.js, "DATA"))


class Oracle(unittest.TestCase):
    """Each kind of fault, made on purpose in a stream that is otherwise right, is found, and nothing else is."""

    def setUp(self):
        self.offers = Offers(PREFIX)
        self.copies = []
        for number in range(100):
            subject, body, headers = artifact(number)
            self.offers.add(f"id-{number}", sha(body))
            self.copies.append(self.copy(number + 1, body, headers))

    @staticmethod
    def copy(seq, body, headers):
        return Copy(seq, SUBJECT, encode_headers(headers), sha(body), len(body), seq)

    def judge(self, *more_offers):
        return Ledger(self.offers, *more_offers).judge(self.copies)

    def finds(self, *kinds):
        verdict = self.judge()
        self.assertEqual(verdict.wrong(), list(kinds), verdict.text())
        return verdict

    def test_a_right_stream_is_exact(self):
        verdict = self.finds()
        self.assertTrue(verdict.exact)
        self.assertEqual((verdict.offered, verdict.stored), (100, 100))

    def test_missing(self):
        del self.copies[40]
        self.assertIn("id-40", self.finds("missing").missing[0])

    def test_doubled_by_id(self):
        _, body, headers = artifact(7)
        self.copies.append(self.copy(101, body, headers))
        verdict = self.finds("doubled_by_id", "doubled_by_body")
        self.assertIn("seq 8, 101", verdict.doubled_by_id[0])
        self.assertEqual([c.seq for c in verdict.doubles[PREFIX + "id-7"]], [8, 101])

    def test_doubled_by_body_under_another_id(self):
        _, body, _ = artifact(7)
        self.offers.add("id-x", sha(b"what id-x really is"), required=False)
        self.copies.append(self.copy(101, body, {"Nats-Msg-Id": PREFIX + "id-x", "ce-id": "id-x"}))
        self.assertEqual(len(self.finds("doubled_by_body", "altered").doubled_by_body), 1)

    def test_equal_bodies_of_different_records_are_no_doubles(self):
        for name in ("twin-a", "twin-b"):
            self.offers.add(name, sha(b"same"))
            self.copies.append(self.copy(200, b"same", {"Nats-Msg-Id": PREFIX + name, "ce-id": name}))
        self.finds()

    def test_altered(self):
        _, body, headers = artifact(3)
        self.copies[3] = self.copy(4, body + b" ", headers)
        self.assertIn("id-3", self.finds("altered").altered[0])

    def test_foreign_identity_and_foreign_message(self):
        self.copies.append(self.copy(101, b"?", {"Nats-Msg-Id": PREFIX + "id-100", "ce-id": "id-100"}))
        self.copies.append(self.copy(102, b"!", {"Nats-Msg-Id": "someone-else", "ce-id": "1"}))
        self.copies.append(self.copy(103, b"#", {}))
        self.assertEqual(len(self.finds("foreign").foreign), 3)

    def test_mislabelled(self):
        _, body, headers = artifact(3)
        self.copies[3] = self.copy(4, body, {**headers, "ce-id": "id-4"})
        self.finds("mislabelled")

    def test_gaps_and_other_publishers_are_counted_apart(self):
        self.copies.append(self.copy(101, b"{}", {"Nats-Msg-Id": "okta-prod.system_log.gap.1", "ce-id": "1",
                                                  "ce-type": "signal-client.gap"}))
        self.copies.append(self.copy(102, b"n", {"Nats-Msg-Id": "other-1", "ce-id": "1"}))
        verdict = self.finds()
        self.assertEqual((len(verdict.gaps), verdict.others), (1, 1))

    def test_snapshot_versions(self):
        offers = Offers("kev.vulnerabilities.", snapshot_identity)
        for body in (b"old", b"new"):
            offers.add("CVE-1", sha(body))
            recipe = f"CVE-1~{sha(body)[:16]}~2026.01.0{len(body)}"
            self.copies.append(self.copy(300, body, {"Nats-Msg-Id": "kev.vulnerabilities." + recipe, "ce-id": recipe}))
        self.assertTrue(self.judge(offers).exact)
        self.copies.pop()
        self.assertEqual(self.judge(offers).wrong(), ["missing"])

    def test_percent_encoded_and_hashed_identities(self):
        for identity in ("with blank", "x" * 200):
            self.offers.add(identity, sha(identity.encode()))
            recipe = "h:" + hashlib.sha256(identity.encode()).hexdigest()[:32]
            self.copies.append(self.copy(101, identity.encode(), {"Nats-Msg-Id": PREFIX + recipe, "ce-id": recipe}))
        self.offers.add("a%b", sha(b"%"))
        self.copies.append(self.copy(103, b"%", {"Nats-Msg-Id": PREFIX + "a%25b", "ce-id": "a%25b"}))
        self.finds()

    def test_tolerated_bytes_may_come_or_not_but_the_vendors_own_must(self):
        self.offers.add_lines([{"id": "id-5", "sha256": sha(b"garbled"), "altered": True}])
        self.finds()
        self.copies.append(self.copy(101, b"garbled", {"Nats-Msg-Id": PREFIX + "id-5#2", "ce-id": "id-5#2"}))
        self.finds("foreign")  # an identity of its own is nobody's until the scenario says so

    def test_the_report_is_short(self):
        self.copies = self.copies[:50]
        text = self.judge().text()
        self.assertIn("missing 50", text)
        self.assertIn("and 47 more", text)
        self.assertLess(len(text.splitlines()), 8)


class Seals(unittest.TestCase):
    """AES-256-GCM, test case 16 of its authors (McGrew and Viega), and the form of a sealed value."""

    def test_cipher(self):
        key = bytes.fromhex("feffe9928665731c6d6a8f9467308308" * 2)
        plain = bytes.fromhex("d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a721c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b39")
        text, tag = seal._gcm(key, bytes.fromhex("cafebabefacedbaddecaf888"), plain, bytes.fromhex("feedfacedeadbeeffeedfacedeadbeefabaddad2"), True)
        self.assertEqual(text.hex(), "522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa8cb08e48590dbb3da7b08b1056828838c5f61e6393ba7a0abcc9f662")
        self.assertEqual(tag.hex(), "76fc6ece0f4e1768cddf8853bb2d551b")

    def test_form(self):
        key = bytes(range(32))
        sealed = seal.seal(key, "okta-prod", "api_token", "00Abc_defGHI-jklMNO", bytes(12))
        self.assertEqual(sealed, "sealed:v1:354e57c6051f6cfc:AAAAAAAAAAAAAAAAPoz0vNZz59hu7-F8NUb69Z8NGTcl99t-n01AK2CX_gnXAro")
        self.assertEqual(seal.unseal(key, "okta-prod", "api_token", sealed), "00Abc_defGHI-jklMNO")
        for other in ((bytes(32), "okta-prod", "api_token", sealed), (key, "okta", "api_token", sealed), (key, "okta-prod", "api_token", sealed[:-1] + "p")):
            with self.assertRaises(seal.NotOpened):
                seal.unseal(*other)


class Processes(unittest.TestCase):
    def test_nginx_serves_a_folder(self):
        with Workspace("nginx", quiet=True) as workspace:
            folder = os.path.dirname(workspace.file("www", "a.json"))
            with open(os.path.join(folder, "a.json"), "w", encoding="ascii") as file:
                file.write('{"a":1}')
            nginx = Nginx(workspace, folder).start()
            self.assertEqual(http_request(nginx.port, "/a.json"), b'{"a":1}')
            wait_until(lambda: "GET /a.json" in "\n".join(nginx.access_log()), 10, "the line in nginx' log")
            self.assertEqual(nginx.terminate(), 0)

    def test_freeze_thaw_and_exit_status(self):
        with Workspace("freeze", quiet=True) as workspace:
            server = NatsServer(workspace).start()
            server.freeze()
            with self.assertRaises((Timeout, TimeoutError)):
                server.connect(connect_timeout=0.2)
            server.thaw()
            server.connect().close()
            self.assertEqual(server.kill(), -9)
            self.assertEqual(server.start().terminate(), 1 if server.exit_status else 0)
            self.assertFalse(server.alive)

    def test_a_program_that_does_not_start_is_told_with_its_log(self):
        with Workspace("nostart", quiet=True) as workspace:
            with self.assertRaisesRegex(Expired, "(?s)did not start.*Parse error"):
                NatsServer(workspace, extra="nonsense {{{").start()

    def test_everything_is_gone_after_a_failure_but_the_logs(self):
        with self.assertRaises(ZeroDivisionError):
            with Workspace("fails", quiet=True) as workspace:
                server = NatsServer(workspace).start()
                1 / 0
        self.assertFalse(server.alive)
        self.assertTrue(os.path.exists(server.log_path))
        self.assertTrue(workspace.failed)
        shutil.rmtree(workspace.path)

    def test_everything_is_gone_when_the_test_itself_is_killed(self):
        program = (f"import sys; sys.path.insert(0, {os.path.dirname(os.path.abspath(__file__))!r})\n"
                   "from signaltest.tools import Workspace\nfrom signaltest.procs import NatsServer\n"
                   "w = Workspace('killed'); s = NatsServer(w).start(); print(s.pid, w.path, flush=True); input()\n")
        child = subprocess.Popen([sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        with child:
            pid, path = child.stdout.readline().split()
            child.kill()
        wait_until(lambda: not os.path.exists(path), 10, "the workspace removed")
        wait_until(lambda: not os.path.exists(f"/proc/{pid}") or self.zombie(pid), 10, "nats-server gone")

    @staticmethod
    def zombie(pid):
        try:
            with open(f"/proc/{pid}/stat", encoding="ascii") as file:
                return file.read().rpartition(")")[2].split()[0] == "Z"
        except FileNotFoundError:
            return True

    def test_ports_stay_out_of_the_kernels_range(self):
        with open("/proc/sys/net/ipv4/ip_local_port_range", encoding="ascii") as file:
            lowest = int(file.read().split()[0])
        self.assertTrue(all(free_port() < lowest for _ in range(20)))

    def test_wait_until_says_what_it_saw_last(self):
        seen = []
        with self.assertRaisesRegex(Expired, r"saw \d+"):
            wait_until(lambda: seen.append(1), 0.05, lambda: f"saw {len(seen)}")
        self.assertEqual(wait_until(lambda: 7, 1, "seven"), 7)

    def test_a_process_keeps_its_log_over_restarts(self):
        with Workspace("log", quiet=True) as workspace:
            process = Process(workspace, "echo")
            for word in ("one", "two"):
                process.spawn(["/bin/echo", word])
                self.assertEqual(process.wait_exit(5), 0)
            self.assertEqual([line for line in process.log().splitlines() if line in ("one", "two")], ["one", "two"])


class Secrets(unittest.TestCase):
    """The search of every suite's outputs can fail: whatever is planted is found, in each form, in each place."""

    VALUE = "pl/nted+secret=\u00e9\"1"

    def setUp(self):
        self.before = dict(secrets._known)
        secrets.forget()
        self.addCleanup(secrets._known.update, self.before)
        self.addCleanup(secrets.forget)

    def close(self, write):
        """What closing says when `write` has put something into an output."""
        workspace = Workspace("planted", quiet=True)
        self.addCleanup(shutil.rmtree, workspace.path, ignore_errors=True)
        write(workspace)
        try:
            workspace.close()
        except AssertionError as error:
            return str(error)
        return ""

    def test_each_form(self):
        secrets.secret(self.VALUE, "a test")
        raw = self.VALUE.encode()
        planted = {"plain": raw, "percent": urllib.parse.quote(raw, safe="").encode(), "hex": raw.hex().encode(), "JSON": json.dumps(self.VALUE).encode()}
        for before in (b"", b"x", b"xy", b"user:", b"abcd"):
            for after in (b"", b"z", b"zz"):
                planted[f"base64 {before!r} {after!r}"] = base64.b64encode(before + raw + after)
                planted[f"base64url {before!r} {after!r}"] = base64.urlsafe_b64encode(before + raw + after).rstrip(b"=")
        for name, text in planted.items():
            said = self.close(lambda workspace, text=text: workspace.note(b"before " + text + b" behind"))
            self.assertIn("secrets in outputs", said, name)
            self.assertNotIn(self.VALUE, said)
        for text in (self.VALUE[1:], self.VALUE[:-1], self.VALUE.upper(), base64.b64encode(raw[3:]).decode()):
            self.assertEqual(self.close(lambda workspace, text=text: workspace.note(text)), "", text)

    def test_each_place(self):
        secrets.of_integration({"integration_type": "okta", "credentials": {"api_token": self.VALUE}})
        with Workspace("places", quiet=True) as workspace:
            server = NatsServer(workspace, password="another secret", user="u").start()
            with server.connect() as connection:
                js = JetStream(connection)
                Bucket.make(js, "INTEGRATIONS").put("okta-prod", {"credentials": {"api_token": self.VALUE}})
                status = Bucket.make(js, "INTEGRATION_STATUS")
                self.assertEqual(secrets.search(workspace._outputs), [], "where credentials belong")
                status.put("okta-prod", {"detail": "401 for another secret"})
            server.terminate()
            found = secrets.search(workspace._outputs)
            self.assertEqual(["password of NATS" in line and "KV_INTEGRATION_STATUS" in line for line in found], [True], found)
            os.remove(found[0].split(": ")[0])
            agent = Agent(workspace, "/bin/sh", server)
            agent.command("-c", f"echo 'it is {self.VALUE}'")
            with open(os.path.join(agent.run_dir, "health"), "w", encoding="utf-8") as file:
                file.write(self.VALUE)
            agent.spawn(["/bin/echo", self.VALUE])
            agent.wait_exit(10)
            found = secrets.search(workspace._outputs)
            for place in ("/noted", "/run/health", "/agent.log"):
                self.assertTrue(any(place in line for line in found), (place, found))
                os.remove(next(line for line in found if place in line).split(": ")[0])

    def test_what_is_one(self):
        for value, count in (({"integration_type": "splunk", "credentials": {"username": "nobody-in-particular", "password": "hunter2hunter2"}}, 1),
                             ({"integration_type": "qualys", "credentials": {"username": "nobody-in-particular", "password": "hunter2hunter2"}}, 2),
                             ({"integration_type": "okta", "settings": {"api_token": "in-the-wrong-place", "fqdn": "acme.okta.com"}}, 1),
                             ({"integration_type": "okta", "credentials": {"api_token": "short"}, "proxy": "http://user:pass%2Fword@proxy:3128"}, 1),
                             ({"integration_type": "okta", "credentials": {"api_token": "sealed:v1:00:aa"}}, 0), ([], 0), ("{", 0), ({"credentials": 5}, 0)):
            secrets.forget()
            secrets.of_integration(value)
            self.assertEqual(len(secrets._known), count, value)


if __name__ == "__main__":
    unittest.main()
