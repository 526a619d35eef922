#!/usr/bin/env python3
"""How much of a bare nats.c publisher's speed does the whole agent keep, from the vendor's pages to JetStream?

    tests/bench/bench_path.py [--build DIR] [--pages 100] [--pairs 9] [--window 1024] [--io-threads N]
                              [--events-per-s 10] [--min-ratio 0.80] [--max-cpu 1.5] [--keep]
    tests/bench/bench_path.py --hold SECONDS [--pages 400]     the agent alone, again and again, for a profiler

nginx on loopback serves pages of Okta's System Log: 1,000 records of 1 KiB each, chained by Link headers, an empty
page at the end. The agent, as it is released, walks them with everything on that is on in normal operation (identities,
checkpoints, status, the lease); each round is a new integration, so that no record is known. Against it:
`bench_publish --only bare`, the shortest program that publishes as many bodies of the same size under the same headers
with js_PublishMsgAsync and the same window. Both publish to one stream of one server, which is emptied before each of
them, in alternating pairs, the agent first in one and second in the next. That headers and bodies are of the same size
is checked on what is stored.

The agent's time is from the start of its first request, by nginx' log, to the stamp of the last message in the stream;
that of the bare program from its first call to its last acknowledgement. The agent's CPU is that of all its threads,
from before the integration is put until its walk is closed and saved; the bare program's that of all its threads while
it publishes. It warms up with a round that does not count, as the agent does.

A row for each pair, medians, and JSON as the last line. The exit status is 1 where the median of the ratios misses."""

import argparse
import json
import os
import re
import statistics
import subprocess
import sys
import time
import uuid

ROOT = os.path.abspath(os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", ".."))
sys.path.insert(0, os.path.join(ROOT, "tests", "lib", "python"))

from signaltest.jetstream import JetStream  # noqa: E402
from signaltest.kv import Bucket  # noqa: E402
from signaltest.procs import Agent, NatsServer, Nginx  # noqa: E402
from signaltest.tools import Workspace, exit_on_signals, wait_until  # noqa: E402

STREAM, SUBJECT = "DATA", "local.data.artifacts.raw"
PAGE_RECORDS = 1000
RECORD_BYTES = 1024
PATIENCE_S = 120
HEADERS = ("Nats-Msg-Id", "ce-specversion", "ce-id", "ce-source", "ce-type", "ce-time", "ce-datacontenttype",
           "content-type")


# ---- the vendor -------------------------------------------------------------------------------------------

def event(number, time_ms):
    """An entry of the System Log, exactly RECORD_BYTES long."""
    second, ms = divmod(time_ms, 1000)
    published = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(second)) + f".{ms:03d}Z"
    user = f"00u{number % 5000:08d}x697"
    record = {
        "uuid": str(uuid.UUID(int=0x6f1ac0d811f011f08a3c000000000000 + number)),
        "published": published,
        "eventType": "user.session.start",
        "version": "0",
        "severity": "INFO",
        "displayMessage": "User login to Okta",
        "actor": {"id": user, "type": "User", "alternateId": f"user{number % 5000}@example.com",
                  "displayName": "Jos\u00e9 \"Pepe\" M\u00fcller"},
        "client": {"userAgent": {"rawUserAgent": "", "os": "Windows 10", "browser": "CHROME"}, "zone": "null",
                   "device": "Computer", "ipAddress": f"203.0.113.{number % 250}",
                   "geographicalContext": {"city": "Lyon", "country": "France",
                                           "geolocation": {"lat": 45.748, "lon": 4.85}}},
        "outcome": {"result": "SUCCESS", "reason": None},
        "target": [{"id": user, "type": "User", "detailEntry": None}],
        "transaction": {"type": "WEB", "id": f"WVdjb3{number:010d}", "detail": {}},
        "debugContext": {"debugData": {"requestId": f"Y{number:09d}", "requestUri": "/api/v1/authn", "url": "/api?"}},
        "authenticationContext": {"authenticationStep": 0, "externalSessionId": f"trs{number:09d}"},
        "securityContext": {"asNumber": 3215, "isProxy": False},
    }
    text = json.dumps(record, separators=(",", ":"), ensure_ascii=False).encode()
    fill = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/120.0 Safari/537.36 "
    room = RECORD_BYTES - len(text)
    record["client"]["userAgent"]["rawUserAgent"] = (fill * 8)[:room]
    text = json.dumps(record, separators=(",", ":"), ensure_ascii=False).encode()
    assert room >= 0 and len(text) == RECORD_BYTES, len(text)
    return text


def write_pages(folder, pages, events_per_s):
    """p0, p1, …, and the empty one at the end."""
    first_ms = int(time.time() * 1000) - pages * PAGE_RECORDS * 1000 // events_per_s - 600_000
    for page in range(pages):
        start = page * PAGE_RECORDS
        records = [event(n, first_ms + n * 1000 // events_per_s) for n in range(start, start + PAGE_RECORDS)]
        with open(os.path.join(folder, f"p{page}.json"), "wb") as file:
            file.write(b"[" + b",".join(records) + b"]")
    with open(os.path.join(folder, f"p{pages}.json"), "wb") as file:
        file.write(b"[]")


class Vendor(Nginx):
    """`/api/v1/logs?since=…` is page 0, `?after=N` page N; each names the next one, the empty one itself."""

    def __init__(self, workspace, pages, events_per_s):
        folder = workspace.file("pages", "")
        write_pages(folder, pages, events_per_s)
        self.pages = pages
        locations = ("sendfile on;\n        access_log requests.log bench;\n"
                     "        location = /api/v1/logs {\n            rewrite ^ /p$bench_page.json break;\n"
                     "            default_type application/json;\n"
                     "            add_header Link '<http://$http_host/api/v1/logs?after=$bench_next>; rel=\"next\"';\n"
                     "        }")
        super().__init__(workspace, folder, locations=locations)

    def spawn(self, argv):
        following = "".join(f"        {n} {min(n + 1, self.pages)};\n" for n in range(1, self.pages + 1))
        maps = ("    log_format bench '$msec $request_time $bench_page';\n"
                "    map $arg_after $bench_page { '' 0; default $arg_after; }\n"
                f"    map $arg_after $bench_next {{\n        default 1;\n{following}    }}\n")
        path = self.workspace.file(self.name, "nginx.conf")
        with open(path, encoding="utf-8") as file:
            config = file.read()
        with open(path, "w", encoding="utf-8") as file:
            file.write(config.replace("    server {", maps + "    server {", 1))
        super().spawn(argv)

    def last_start(self):
        """When the newest request for page 0 began (s since 1970), and how many pages were asked for since."""
        with open(os.path.join(self.prefix, "requests.log"), encoding="ascii") as file:
            lines = [line.split() for line in file]
        at = max(i for i, line in enumerate(lines) if line[2] == "0")
        return float(lines[at][0]) - float(lines[at][1]), len(lines) - at


# ---- one round of each --------------------------------------------------------------------------------------

def cpu_s(pid):
    """utime + stime of all threads, in ticks of 10 ms."""
    with open(f"/proc/{pid}/stat", "rb") as file:
        words = file.read().rpartition(b")")[2].split()
    return (int(words[11]) + int(words[12])) / os.sysconf("SC_CLK_TCK")


class Bench:
    def __init__(self, workspace, options):
        self.options = options
        self.records = options.pages * PAGE_RECORDS
        self.server = NatsServer(workspace).start()
        self.js = JetStream(self.server.connect(), timeout=30)
        self.js.stream_create(STREAM, ["local.data.>"], duplicate_window=10_000_000_000)
        self.integrations = Bucket.make(self.js, "INTEGRATIONS")
        self.vendor = Vendor(workspace, options.pages, options.events_per_s).start()
        settings = f"nats = {{ window_messages = {options.window}; }};\n" if options.window else ""
        if options.io_threads:
            settings += f"io = {{ threads = {options.io_threads}; }};\n"
        self.agent = Agent(workspace, os.path.join(options.build, "signal-client"), self.server, settings=settings,
                           env={"LOG_LEVEL": "info", "NATS_CREATE": "false"},
                           connectors=os.path.join(options.build, "connectors"))
        self.window = options.window or self.default_window()
        self.rounds = 0

    def default_window(self):
        shown = self.agent.command("config").stdout
        found = re.search(r"window_messages\s*=?\s*(\d+)", shown)
        if not found:
            raise RuntimeError(f"`signal-client config` shows no nats.window_messages:\n{shown[:2000]}")
        return int(found[1])

    def checkpoint(self, name):
        message = self.js.message("KV_CHECKPOINTS", last_by_subj=f"$KV.CHECKPOINTS.{name}.system_log")
        return json.loads(message.body) if message and message.body else {}

    def closed(self, name):
        if not self.agent.alive:
            raise RuntimeError(f"the agent has ended\n{self.agent.log_tail(30)}")
        if self.js.stream_state(STREAM)["messages"] < self.records:
            return False
        checkpoint = self.checkpoint(name)
        return bool(checkpoint.get("position")) and not checkpoint.get("open") and not checkpoint.get("walk")

    def ours(self):
        self.js.stream_purge(STREAM)
        name = f"okta-{self.rounds:04d}"
        self.rounds += 1
        before = cpu_s(self.agent.pid)
        self.integrations.put(name, {
            "integration_type": "okta", "name": name, "enabled": True, "poll_interval_minutes": 60,
            "settings": {"base_url": self.vendor.url, "fqdn": "acme.okta.test"}, "credentials": {"api_token": "bench"},
            "data_types": {"system_log": {"enabled": True}},
            "rate_limit": {"requests": 1_000_000, "per_seconds": 1, "reserve_percent": 0}})
        wait_until(lambda: self.closed(name), PATIENCE_S, lambda: f"the walk closed\n{self.agent.log_tail(30)}")
        cpu = cpu_s(self.agent.pid) - before
        state = self.js.stream_state(STREAM)
        last = self.js.message(STREAM, seq=state["last_seq"]).time_ns / 1e9
        began, requests = self.vendor.last_start()
        if state["messages"] != self.records or requests < self.options.pages + 1:
            raise RuntimeError(f"{state['messages']} messages of {self.records} after {requests} requests")
        saves = self.checkpoint(name)["writer"]["n"]
        self.integrations.delete(name)
        return {"per_s": self.records / (last - began), "us": cpu / self.records * 1e6, "saves": saves}

    def bare(self):
        out = subprocess.run([os.path.join(self.options.build, "tests", "bench", "bench_publish"), "--only", "bare",
                              "--url", self.server.url, "--stream", STREAM, "--subject", SUBJECT, "--rounds", "1",
                              "--warm", str(max(self.records // 10, 1)), "--records", str(self.records),
                              "--size", str(RECORD_BYTES), "--window", str(self.window)],
                             capture_output=True, text=True, timeout=PATIENCE_S, check=True).stdout
        result = json.loads(out.splitlines()[-1])
        return {"per_s": result["bare_per_s"], "us": result["bare_us"]}

    def newest_form(self):
        """Lengths of the newest message's headers and body."""
        newest = self.js.message(STREAM, last_by_subj=SUBJECT)
        return {**{k: len(v) for k, v in newest.headers.items()}, "body": len(newest.body)}

    def warm_up(self):
        """A round of each; what they store must be of the same form."""
        self.agent.start()
        wait_until(lambda: "publishing to stream" in self.agent.log(), PATIENCE_S, self.agent.log_tail)
        self.ours()
        ours = self.newest_form()
        self.bare()
        bare = self.newest_form()
        if ours != bare or set(HEADERS) != set(ours) - {"body"}:
            raise RuntimeError(f"not the same messages: ours {ours}, bare {bare}")


def show(what, ours, bare):
    print(f"{what:8} ours {ours['per_s']:8.0f}/s {ours['us']:6.2f} us   bare {bare['per_s']:8.0f}/s {bare['us']:6.2f} us"
          f"   rate {ours['per_s'] / bare['per_s']:5.3f}  CPU {ours['us'] / bare['us']:5.2f}", flush=True)


def run_pairs(bench, options):
    ours, bare = [], []
    for pair in range(options.pairs):
        for which in ("ours", "bare") if pair % 2 == 0 else ("bare", "ours"):
            (ours if which == "ours" else bare).append(getattr(bench, which)())
        show(f"pair {pair + 1}", ours[-1], bare[-1])

    def middle(rows, key):
        return statistics.median(row[key] for row in rows)

    ratio = statistics.median(o["per_s"] / b["per_s"] for o, b in zip(ours, bare))
    cpu_ratio = statistics.median(o["us"] / b["us"] for o, b in zip(ours, bare))
    show("medians", {"per_s": middle(ours, "per_s"), "us": middle(ours, "us")},
         {"per_s": middle(bare, "per_s"), "us": middle(bare, "us")})
    ok = ratio >= options.min_ratio and cpu_ratio <= options.max_cpu
    print(json.dumps({"records": bench.records, "size": RECORD_BYTES, "window": bench.window, "pairs": options.pairs,
                      "ours_per_s": round(middle(ours, "per_s")), "bare_per_s": round(middle(bare, "per_s")),
                      "ours_us": round(middle(ours, "us"), 2), "bare_us": round(middle(bare, "us"), 2),
                      "ratio": round(ratio, 3), "cpu_ratio": round(cpu_ratio, 3),
                      "saves": round(middle(ours, "saves")), "ok": ok}))
    return 0 if ok else 1


def hold(bench, seconds):
    print(f"agent {bench.agent.pid}", flush=True)
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        result = bench.ours()
        print(f"ours {result['per_s']:8.0f}/s {result['us']:6.2f} us, {result['saves']} saves", flush=True)
    return 0


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--build", default=os.path.join(ROOT, "build"), help="build tree (Release, no fault points)")
    parser.add_argument("--pages", type=int, default=100)
    parser.add_argument("--pairs", type=int, default=9)
    parser.add_argument("--window", type=int, default=0, help="of both sides; default: the agent's own default")
    parser.add_argument("--events-per-s", type=int, default=10,
                        help="by the records' own times: what lies within 5 minutes of the newest is kept as identities")
    parser.add_argument("--io-threads", type=int, default=0)
    parser.add_argument("--min-ratio", type=float, default=0.80)
    parser.add_argument("--max-cpu", type=float, default=1.5)
    parser.add_argument("--hold", type=float, default=0, metavar="SECONDS")
    parser.add_argument("--keep", action="store_true", help="keep the logs")
    options = parser.parse_args()
    exit_on_signals()
    with Workspace("bench-path", keep=options.keep) as workspace:
        bench = Bench(workspace, options)
        bench.warm_up()
        status = hold(bench, options.hold) if options.hold else run_pairs(bench, options)
        bench.agent.terminate()
        return status


if __name__ == "__main__":
    sys.exit(main())
