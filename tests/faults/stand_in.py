#!/usr/bin/env python3
"""A stand-in for the agent, to test the fault kernel itself: slow, small, and right as far as it goes; with
STAND_IN_FLAW it is wrong in one chosen way, and the kernel has to find that.

It takes the agent's environment, polls okta and cisa-kev one page at a time, reads the whole stream back before its
first publish on a connection, and keeps checkpoint, lease, trace, status and a few crash points in the agent's form. It
is no model for the agent: it knows nothing of floors, segments, windows or budgets.

Every flaw shows whenever the thing happens that it is a flaw against, not only when a kill hits the right millisecond:

    no_read_back     never reads the stream back; its first life saves nothing, so that there is always something to read
    late_checkpoint  saves a page before its records, of which one is always still to come
    skip             leaves out the first record of each life
    alter            changes each record by a byte
    no_rewind        ignores a lost tail, in both vendors
    no_fence         publishes without looking at its lease, and goes on from its own position, whoever moved the checkpoint
    slow_stop        ignores SIGTERM

`slow_save` is no flaw: as no_read_back its first life saves nothing, but it reads the stream back, and has to pass.
"""

import datetime
import fcntl
import hashlib
import http.client
import json
import os
import re
import signal
import sys
import threading
import time
from urllib.parse import urlsplit

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib", "python"))

from signaltest.jetstream import ApiError, JetStream  # noqa: E402
from signaltest.kv import Bucket  # noqa: E402
from signaltest.nats import Connection, NatsError, find_header  # noqa: E402

POINTS = ("anchor.before", "anchor.after", "publish.after", "checkpoint.before", "checkpoint.after", "recover.done")
FLAW = os.environ.get("STAND_IN_FLAW", "")
SUBJECT = os.environ.get("APPLIANCE_ID", "local") + ".data.artifacts.raw"
LEASE_S, RENEW_S = 15.0, 5.0
KEV_PATH = "/sites/default/files/feeds/known_exploited_vulnerabilities.json"


class VendorError(Exception):
    pass


class Refused(VendorError):
    """401."""


class StandIn:
    def __init__(self):
        config = open(os.environ["SIGNAL_CLIENT_CONFIG"], encoding="utf-8").read()
        self.run_dir = re.search(r'dir = "([^"]+)"', config).group(1)
        self.lock = open(os.path.join(self.run_dir, "lock"), "w", encoding="ascii")
        fcntl.flock(self.lock, fcntl.LOCK_EX)
        crash, _, times = os.environ.get("SIGNAL_CLIENT_CRASH_AT", "").partition(":")
        self.crash, self.crash_left = crash, int(times or 1)
        trace = os.environ.get("SIGNAL_CLIENT_TRACE")
        self.trace = open(trace, "a", encoding="ascii") if trace else None
        self.stopping = threading.Event()
        self.first_life = not os.path.exists(os.path.join(self.run_dir, "instance"))
        self.me = self.instance()
        self.ahead, self.held = {}, []  # positions that are ahead of the bucket's, records that come behind their checkpoint
        self.epoch, self.lease_sent, self.n, self.skipped = 0, 0.0, 0, False
        self.refused, self.due = {}, {}

    def instance(self):
        path = os.path.join(self.run_dir, "instance")
        if not os.path.exists(path):
            with open(path, "w", encoding="ascii") as file:
                file.write(os.urandom(8).hex())
        return open(path, encoding="ascii").read()

    def log(self, level, text):
        now = datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3]
        print(f"{now}Z [{level}] {text}", file=sys.stderr, flush=True)

    def point(self, name):
        if name == self.crash:
            self.crash_left -= 1
            if self.crash_left == 0:
                os._exit(137)

    # -- life ---------------------------------------------------------------------------------------------

    def run(self):
        while not self.stopping.is_set():
            try:
                with Connection(os.environ["NATS_URL"], name="stand-in") as connection:
                    self.serve(JetStream(connection))
            except (NatsError, OSError) as error:
                self.log("WARN", f"nats: {error}")
                self.stopping.wait(0.05)

    def serve(self, js):
        self.js = js
        self.buckets = {name: Bucket(js, name) for name in ("INTEGRATIONS", "CHECKPOINTS", "INTEGRATION_STATUS",
                                                            "INTEGRATION_LEASES")}
        for name in list(self.buckets)[1:]:
            Bucket.make(js, name)
        self.take_lease()
        self.stream = js.stream_names(SUBJECT)[0]
        self.known = set()
        self.last_seq = self.high = js.stream_state(self.stream)["last_seq"]
        self.proven = set()
        if FLAW != "no_read_back":
            for stored in js.read(self.stream, headers_only=True):
                self.known.add(find_header(stored.raw_headers, b"Nats-Msg-Id"))
        self.point("recover.done")
        while not self.stopping.is_set():
            self.renew_lease()
            for key in self.buckets["INTEGRATIONS"].keys():
                self.poll(key)
            self.stopping.wait(0.05)

    def take_lease(self):
        bucket, seen, since = self.buckets["INTEGRATION_LEASES"], None, 0.0
        while not self.stopping.is_set():
            entry = bucket.get("agent")
            lease = entry.json() if entry else {"epoch": 0, "holder": self.me}
            if entry and entry.revision != seen:
                seen, since = entry.revision, time.monotonic()
            if lease["holder"] in (self.me, "") or time.monotonic() - since > LEASE_S:
                self.epoch, self.lease_sent = lease["epoch"] + 1, time.clock_gettime(time.CLOCK_BOOTTIME)
                try:
                    self.lease_revision = bucket.update("agent", self.lease(), entry.revision if entry else 0)
                    return
                except ApiError:
                    continue
            self.stopping.wait(0.1)

    def lease(self):
        return {"holder": self.me, "epoch": self.epoch}

    def renew_lease(self):
        now = time.clock_gettime(time.CLOCK_BOOTTIME)
        if now - self.lease_sent < RENEW_S:
            return
        try:
            self.lease_revision = self.buckets["INTEGRATION_LEASES"].update("agent", self.lease(), self.lease_revision)
            self.lease_sent = now
        except ApiError as error:
            if FLAW != "no_fence":
                raise NatsError("the lease is somebody else's") from error

    def fence(self):
        """The moment for which the lease is good, in ns: what is handed over now bears it in the trace, so that a freeze
        between looking and handing over is seen as what it is."""
        now = time.clock_gettime_ns(time.CLOCK_BOOTTIME)
        if FLAW != "no_fence" and now / 1e9 - self.lease_sent > 10:
            raise NatsError("the lease is too old")
        return now

    # -- one poll -----------------------------------------------------------------------------------------

    def poll(self, name):
        value = self.buckets["INTEGRATIONS"].get(name).json()
        token = value["credentials"].get("api_token")
        due = (value["poll_interval_minutes"], token)
        if (token and self.refused.get(name) == token) or (self.due.get(name, (0, due))[0] > time.monotonic()
                                               and self.due[name][1] == due):
            return
        self.due[name] = time.monotonic() + value["poll_interval_minutes"] * 60, due
        try:
            if value["integration_type"] == "okta":
                while not self.stopping.is_set() and self.okta_page(name, value, token):
                    self.renew_lease()
            else:
                self.kev(name, value)
            self.report(name, value, "active")
        except Refused:
            self.refused[name] = token
            self.report(name, value, "error")
        except (VendorError, OSError, http.client.HTTPException) as error:
            self.log("WARN", f"{name}: {error}")
            self.due[name] = time.monotonic() + 0.1, due

    def okta_page(self, name, value, token):
        key = f"{name}.system_log"
        entry = self.buckets["CHECKPOINTS"].get(key)
        checkpoint = self.ahead.get(key) or (entry.json() if entry else {"position": {"next": ""}})
        revision = entry.revision if entry else 0
        lost = key not in self.proven and checkpoint.get("proof", {}).get("seq", 0) > self.last_seq
        if lost and FLAW != "no_rewind":
            checkpoint["position"]["next"] = ""
        self.proven.add(key)
        since = (datetime.datetime.now(datetime.timezone.utc) - datetime.timedelta(days=1)).strftime("%Y-%m-%dT%H:%M:%SZ")
        target = checkpoint["position"]["next"] or f"/api/v1/logs?sortOrder=ASCENDING&limit=1000&since={since}"
        body, links = self.get(value, target, {"Authorization": f"SSWS {token}"})
        records = list(cut(body, body.index("[") + 1))
        following = urlsplit(re.search(r'<([^>]+)>; rel="next"', ", ".join(links)).group(1))
        following = following.path[len(urlsplit(value["settings"]["base_url"]).path):] + "?" + following.query
        if not records:
            self.publish(f"{key}.", "okta.system_log", self.held)
            self.held = []
            if checkpoint.get("open") or checkpoint["position"]["next"] != following:
                self.save(key, {"position": {"next": following}, "open": False, "proof": {"seq": self.high}}, revision)
            return False
        if not checkpoint.get("open"):
            self.point("anchor.before")
            revision = self.save(key, {**checkpoint, "open": True}, revision)
            self.point("anchor.after")
        done = {"position": {"next": following}, "open": True}
        items = [(json.loads(r)["uuid"], r) for r in records]
        if FLAW == "late_checkpoint":
            revision = self.save(key, done, revision)
            items, self.held = self.held + items[:-1], items[-1:]
        self.publish(f"{key}.", "okta.system_log", items)
        self.point("checkpoint.before")
        self.save(key, {**done, "proof": {"seq": self.high}}, revision)
        self.point("checkpoint.after")
        return True

    def kev(self, name, value):
        """Every poll compares the whole catalogue with what the stream holds."""
        body, _ = self.get(value, KEV_PATH, {})
        version = json.loads(body)["catalogVersion"]
        records = [(json.loads(r)["cveID"], r) for r in cut(body, body.index("[", body.index('"vulnerabilities"')) + 1)]
        key, items = f"{name}.vulnerabilities", []
        if FLAW == "no_rewind" and (self.buckets["CHECKPOINTS"].get_json(key) or {}).get("position") == {"version": version}:
            return
        held = {k.rpartition(b"~")[0] for k in self.known if k and k.startswith(key.encode())}
        for cve, record in records:
            stem = f"{cve}~{hashlib.sha256(record.encode()).hexdigest()[:16]}"
            if f"{key}.{stem}".encode() not in held:
                items.append((f"{stem}~{version}", record))
        if items:
            self.publish(f"{key}.", "cisa-kev.vulnerabilities", items)
            entry = self.buckets["CHECKPOINTS"].entry(key)
            self.save(key, {"position": {"version": version}, "open": False, "proof": {"seq": self.high}},
                      entry.revision if entry else 0)

    def publish(self, prefix, kind, items):
        frames = []
        for identity, record in items:
            msg_id = prefix + identity
            if msg_id.encode() in self.known:
                continue
            if FLAW == "skip" and not self.skipped:
                self.skipped = True
                continue
            if FLAW == "alter":
                record = record.replace(":", ": ", 1)
            if len(record) + 1024 > self.js.connection.info["max_payload"]:
                self.dead_letter(msg_id, record)
                continue
            frames.append((SUBJECT, record.encode(), {"Nats-Msg-Id": msg_id, "ce-id": identity, "ce-type": kind}))
        for at in range(0, len(frames), 10):
            now_ns = self.fence()
            batch = frames[at:at + 10]
            for _, _, headers in batch:
                self.trace and print(now_ns, self.epoch, headers["Nats-Msg-Id"], file=self.trace, flush=True)
            acks = self.js.publish_many(batch)
            self.point("publish.after")
            self.high = max([self.high] + [ack["seq"] for ack in acks])
            self.known.update(headers["Nats-Msg-Id"].encode() for _, _, headers in batch)

    def dead_letter(self, msg_id, record):
        path = os.path.join(self.run_dir, "dead-letters", msg_id)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w", encoding="utf-8") as file:
            file.write(record)

    def save(self, key, checkpoint, revision):
        self.n += 1
        if FLAW == "no_fence" or (self.first_life and FLAW in ("no_read_back", "slow_save")):
            self.ahead[key] = checkpoint
            if FLAW != "no_fence":
                return revision
        value = {"v": 1, **checkpoint, "writer": {"agent": self.me, "epoch": self.epoch, "n": self.n}}
        try:
            return self.buckets["CHECKPOINTS"].update(key, value, revision)
        except ApiError:
            if FLAW != "no_fence":
                raise
            return self.buckets["CHECKPOINTS"].entry(key).revision

    def report(self, name, value, state):
        kept = self.js.stream_info(self.stream)["config"]
        promise = ("bounded" if kept["retention"] != "limits" else "at_least_once" if kept["max_msgs"] > 0 else "exact")
        status = {"state": state, "data_types": {d: {"promise": promise} for d in value["data_types"]}}
        if self.buckets["INTEGRATION_STATUS"].get_json(name) != status:
            self.buckets["INTEGRATION_STATUS"].put(name, status)

    @staticmethod
    def get(value, target, headers):
        base = urlsplit(value["settings"]["base_url"])
        connection = http.client.HTTPConnection(base.hostname, base.port, timeout=10)
        try:
            connection.request("GET", base.path + target, headers={"Accept": "application/json", "User-Agent": "stand-in/1",
                                                                   **headers})
            reply = connection.getresponse()
            body = reply.read().decode()
        finally:
            connection.close()
        if reply.status == 401:
            raise Refused("401")
        if reply.status != 200:
            raise VendorError(f"status {reply.status}")
        return body, reply.headers.get_all("Link") or []


def cut(text, at):
    """The records of the array whose first one begins at or behind `at`, as they stand in the text."""
    decoder = json.JSONDecoder()
    while True:
        at = re.compile(r"[\s,]*").match(text, at).end()
        if text[at] == "]":
            return
        _, end = decoder.raw_decode(text, at)
        yield text[at:end]
        at = end


def main():
    if sys.argv[1:] == ["version", "--crash-points"]:
        print("\n".join(POINTS))
        return 0
    agent = StandIn()
    if FLAW != "slow_stop":
        signal.signal(signal.SIGTERM, lambda *_: agent.stopping.set())
    else:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    agent.run()
    return 0


if __name__ == "__main__":
    sys.exit(main())
