#!/usr/bin/env python3
"""The fault kernel: real agent, real nats-server, simulated vendors; things die by a seed; the ledger judges the stream.

    tests/faults/kernel.py --list
    tests/faults/kernel.py [--run NAME]... [--full] [--seed N] [--agent PATH] [--other PATH] [--env NAME=VALUE]...
                          [--events N] [--keep] [--jobs N]

Ends with the line `faults: N passed, N failed`; exit status 1 when anything failed, 2 when it cannot start. A failure
prints what was found and keeps the directory with all logs. The same seed makes the same plan; what the machine's
timing makes of it may differ.
"""

import argparse
import concurrent.futures
import os
import random
import subprocess
import sys
import time
import traceback

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib", "python"))

from scenario import ALL  # noqa: E402
from signaltest.procs import find_agent, find_program  # noqa: E402
from signaltest.tools import exit_on_signals  # noqa: E402
import restarts, losses, streams, standby, points, values, relapses, relapses2, falcon, tokens, waves  # noqa: E401,E402,F401  (register)
import tenable, cisco_duo, aws_guardduty, office_365, qualys, splunk, everything, backfill  # noqa: E401,E402,F401


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--list", action="store_true", help="name the scenarios")
    parser.add_argument("--run", action="append", metavar="NAME", help="only this one; more than once")
    parser.add_argument("--full", action="store_true", help="the issue's sizes instead of CI's")
    parser.add_argument("--seed", type=int, default=1, help="default 1; 0 takes one from the clock and prints it")
    parser.add_argument("--agent", metavar="PATH", help="binary; default: the newest in the build trees")
    parser.add_argument("--other", metavar="PATH", help="binary of another version, for the scenario `versions`")
    parser.add_argument("--env", action="append", default=[], metavar="NAME=VALUE", help="for the agent; more than once")
    parser.add_argument("--events", type=int, help="so many events in scenarios that have them")
    parser.add_argument("--keep", action="store_true", help="keep the directories of good runs too")
    parser.add_argument("--jobs", type=int, default=1, help="so many scenarios at once, each in a process of its own: they mostly wait")
    return parser.parse_args()


def main():
    options = arguments()
    if options.list:
        for known in ALL.values():
            print(f"{known.name:30}{known.title}")
        return 0
    unknown = [name for name in options.run or () if name not in ALL]
    if unknown:
        return refuse(f"no scenario {', '.join(unknown)}; --list names them")
    options.agent = options.agent or find_agent()
    if not options.agent or not os.access(options.agent, os.X_OK):
        return refuse(f"no agent at {options.agent}: build it, or name it with --agent" if options.agent
                      else "no agent: build it, or name it with --agent")
    try:
        find_program("nats-server")
    except FileNotFoundError as error:
        return refuse(str(error))
    exit_on_signals()
    options.env = dict(pair.partition("=")[::2] for pair in options.env)
    options.seed = options.seed or time.time_ns() % 1_000_000
    print(f"faults: agent {options.agent}, seed {options.seed}, {'full' if options.full else 'quick'}", flush=True)
    names = list(options.run or ALL)
    results = run_beside(names, options) if options.jobs > 1 and len(names) > 1 else [run(ALL[name], options) for name in names]
    print(f"faults: {sum(results)} passed, {len(results) - sum(results)} failed")
    return 0 if all(results) else 1


def run_beside(names, options):
    """Each in a process of its own, `jobs` at once; what one says is printed when it has ended."""
    def one(name):
        ended = subprocess.run([*command, "--run", name], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
        said = [line for line in ended.stdout.splitlines() if not line.startswith("faults: ")]
        print("\n".join(said), flush=True)
        return ended.returncode == 0
    command = [sys.executable, os.path.abspath(__file__), "--seed", str(options.seed), "--agent", options.agent, *(["--full"] if options.full else []),
               *(["--keep"] if options.keep else []), *(["--events", str(options.events)] if options.events else []),
               *(["--other", options.other] if options.other else []), *(f"--env={name}={value}" for name, value in options.env.items())]
    with concurrent.futures.ThreadPoolExecutor(options.jobs) as pool:
        return list(pool.map(one, names))


def run(chosen, options):
    """One scenario; True when nothing was found."""
    began = time.monotonic()
    options.rng = random.Random(f"{chosen.name}/{options.seed}")
    try:
        said, good = chosen.run(options, chosen.size(options.full, options.events)), True
    except AssertionError as error:  # Failed and Expired: findings
        said, good = str(error), False
    except Exception:  # a fault of the harness or its environment; as bad, and the others go on
        said, good = traceback.format_exc(), False
    print(f"{'ok  ' if good else 'FAIL'} {chosen.name} ({time.monotonic() - began:.1f} s): {said}", flush=True)
    return good


def refuse(why):
    print(f"faults: {why}", file=sys.stderr)
    return 2


if __name__ == "__main__":
    sys.exit(main())
