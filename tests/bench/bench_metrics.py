#!/usr/bin/env python3
"""How long /metrics takes with many integrations, and what putting the figures up costs the io thread.

    tests/bench/bench_metrics.py --agent build/release/signal-client [--integrations 1000] [--scrapes 50]

A real agent with real nats-server; the integrations poll a closed port on loopback, each a source of its own, so that every series there can be
is there. Ends with 1 when the slowest scrape is over the limit (200 ms for 1,000 integrations)."""

import argparse
import http.client
import json
import os
import statistics
import sys
import time

ROOT = os.path.abspath(os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", ".."))
sys.path.insert(0, os.path.join(ROOT, "tests", "lib", "python"))

from signaltest.exposition import Exposition  # noqa: E402
from signaltest.jetstream import JetStream  # noqa: E402
from signaltest.kv import Bucket  # noqa: E402
from signaltest.procs import Agent, NatsServer  # noqa: E402
from signaltest.tools import Workspace, free_port, hold, wait_until  # noqa: E402

SETTLED_S = 20.0  # each source has failed often enough to wait for 15 s and more


def scrape(port):
    """(ms until the last byte, bytes)"""
    begun = time.monotonic()
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    connection.request("GET", "/metrics")
    reply = connection.getresponse()
    body = reply.read()
    connection.close()
    if reply.status != 200:
        raise RuntimeError(f"/metrics says {reply.status}")
    return (time.monotonic() - begun) * 1000, body


def cpu_ms(pid, thread):
    """What the threads of that name have used."""
    total = 0
    for task in os.listdir(f"/proc/{pid}/task"):
        with open(f"/proc/{pid}/task/{task}/stat", encoding="ascii") as file:
            name, _, rest = file.read().partition("(")[2].rpartition(")")
        if name == thread:
            fields = rest.split()
            total += int(fields[11]) + int(fields[12])
    return total * 1000 / os.sysconf("SC_CLK_TCK")


def use_of_io(agent, begun):
    """ms of CPU a second, at the same age of each agent, so that as many requests are tried again meanwhile."""
    hold(max(0, begun + SETTLED_S - time.monotonic()))
    before, at = cpu_ms(agent.pid, "sc-io"), time.monotonic()
    hold(10)
    return (cpu_ms(agent.pid, "sc-io") - before) / (time.monotonic() - at)


def value(number, closed):
    return {"integration_type": "okta", "poll_interval_minutes": 60, "credentials": {"api_token": f"secret-of-the-bench-{number:06}"},
            "settings": {"base_url": f"http://127.0.0.1:{closed}", "fqdn": "acme.okta.test", "source": f"okta-account-{number}"}}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--agent", required=True)
    parser.add_argument("--integrations", type=int, default=1000)
    parser.add_argument("--scrapes", type=int, default=50)
    parser.add_argument("--limit-ms", type=float, default=200)
    options = parser.parse_args()
    with Workspace("bench-metrics") as workspace:
        server = NatsServer(workspace).start()
        js = JetStream(server.connect())
        js.stream_create("DATA", ["local.data.>"])
        bucket = Bucket.make(js, "INTEGRATIONS") or Bucket(js, "INTEGRATIONS")
        port, closed = free_port(), free_port()
        for number in range(options.integrations):
            bucket.put(f"okta-customer-{number:06}", json.dumps(value(number, closed)).encode())
        settings = f'admin = {{ listen = "127.0.0.1:{port}"; }};\npoll = {{ max_concurrent = 4096; }};'
        agent = Agent(workspace, options.agent, server, settings=settings, env={"LOG_LEVEL": "error"}).start()
        begun = time.monotonic()

        def all_there():
            try:
                page = Exposition(scrape(port)[1])
            except OSError:
                return False
            types = page.find("signal_client_reason")
            return len(types) >= options.integrations and not any(("reason", "starting") in labels for labels in types)
        wait_until(all_there, 300, "all integrations to be tried")
        print(f"{options.integrations} integrations were shown and tried {time.monotonic() - begun:.1f} s after the start")
        used = use_of_io(agent, begun)
        times = []
        for _ in range(options.scrapes):
            took, body = scrape(port)
            times.append(took)
        series = sum(len(family.samples) for family in Exposition(body).families.values())
        times.sort()
        size = len(body)
        print(f"/metrics: {size / 1e6:.2f} MB, {series} series; {options.scrapes} scrapes: median {statistics.median(times):.1f} ms, "
              f"slowest {times[-1]:.1f} ms (limit {options.limit_ms:g})")
        agent.terminate()
        other = Agent(workspace, options.agent, server, name="other", settings="poll = { max_concurrent = 4096; };", env={"LOG_LEVEL": "error"}).start()
        print(f"io thread {SETTLED_S:g} to {SETTLED_S + 10:g} s after the start: {used:.1f} ms of CPU a second with the board, "
              f"{use_of_io(other, time.monotonic()):.1f} without")
        return 0 if times[-1] <= options.limit_ms else 1


if __name__ == "__main__":
    sys.exit(main())
