#!/usr/bin/env python3
"""How long `status` takes with many integrations, as it is typed: process, connectors, NATS, table.

    tests/bench/bench_status.py --agent build/release/signal-client [--integrations 1000] [--runs 20]

A real agent with real nats-server; the integrations poll a closed port on loopback, so every line of the table is an error with its sentence. Ends with
1 when the slowest run is over the limit (1 s for 1,000 integrations)."""

import argparse
import json
import os
import statistics
import sys
import time

ROOT = os.path.abspath(os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", ".."))
sys.path.insert(0, os.path.join(ROOT, "tests", "lib", "python"))

from signaltest.jetstream import JetStream  # noqa: E402
from signaltest.kv import Bucket  # noqa: E402
from signaltest.procs import Agent, NatsServer  # noqa: E402
from signaltest.tools import Workspace, free_port, wait_until  # noqa: E402


def value(number, closed):
    return {"integration_type": "okta", "poll_interval_minutes": 60, "credentials": {"api_token": f"secret-of-the-bench-{number:06}"},
            "settings": {"base_url": f"http://127.0.0.1:{closed}", "fqdn": "acme.okta.test", "source": f"okta-account-{number}"}}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--agent", required=True)
    parser.add_argument("--integrations", type=int, default=1000)
    parser.add_argument("--runs", type=int, default=20)
    parser.add_argument("--limit-ms", type=float, default=1000)
    options = parser.parse_args()
    with Workspace("bench-status") as workspace:
        server = NatsServer(workspace).start()
        js = JetStream(server.connect())
        js.stream_create("DATA", ["local.data.>"])
        bucket = Bucket.make(js, "INTEGRATIONS") or Bucket(js, "INTEGRATIONS")
        closed = free_port()
        for number in range(options.integrations):
            bucket.put(f"okta-customer-{number:06}", json.dumps(value(number, closed)).encode())
        agent = Agent(workspace, options.agent, server, settings="poll = { max_concurrent = 4096; };", env={"LOG_LEVEL": "error"}).start()

        def statuses():
            try:
                return js.stream_info("KV_INTEGRATION_STATUS")["state"].get("num_subjects", 0)
            except Exception:  # noqa: BLE001  (the bucket is made with the first status)
                return 0
        wait_until(lambda: statuses() >= options.integrations, 300, lambda: f"all statuses to be written: {statuses()}")
        for words in (["status"], ["status", "--json"], ["status", "okta-customer-000007"]):
            times, size = [], 0
            for _ in range(options.runs):
                begun = time.monotonic()
                done = agent.command(*words)
                times.append((time.monotonic() - begun) * 1000)
                size = len(done.stdout)
            times.sort()
            print(f"{' '.join(words)}: {options.integrations} integrations, {size / 1e3:.0f} kB; {options.runs} runs: median {statistics.median(times):.0f} ms, "
                  f"slowest {times[-1]:.0f} ms (limit {options.limit_ms:g})")
            if times[-1] > options.limit_ms:
                return 1
        return 0


if __name__ == "__main__":
    sys.exit(main())
