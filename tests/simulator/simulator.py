#!/usr/bin/env python3
"""Vendor simulator: HTTP APIs as their vendors behave, and as they misbehave, on loopback. See README.md."""

import argparse
import json
import os
import pickle
import signal
import sys

from options import OptionError
from server import Server
from vendors import load


def main(arguments=None):
    options = _arguments(arguments)
    try:
        vendors = make_vendors(options.vendor, options.seed, options.option)
    except OptionError as error:
        sys.exit(f"simulator: {error}")
    if options.state:
        restore(options.state, vendors)
    server = Server(_address(options.listen), vendors, options.seed, options.tls)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: server.stop())
    line = f"ready {server.url}\n"
    if options.ready_file:
        write_whole(options.ready_file, [line.encode()])
    print(line, end="", flush=True)
    server.serve()
    if options.ledger:
        write_ledger(options.ledger, server)
    if options.state:
        saved = {vendor.name: (vendor.save(), vendor.ledger.pages) for vendor in vendors}
        write_whole(options.state, [pickle.dumps(saved)])


def _arguments(arguments):
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--listen", default="127.0.0.1:0", metavar="HOST:PORT", help="port 0: any free one")
    parser.add_argument("--vendor", action="append", required=True, metavar="NAME",
                        help="okta, cisa-kev, crowdstrike-falcon, tenable, cisco-duo, qualys, splunk,"
                             " sentinelone, 1password-events, aws-guardduty, office-365; more than once")
    parser.add_argument("--seed", type=int, default=1, help="the same seed makes the same records")
    parser.add_argument("--option", action="append", default=[], metavar="VENDOR.NAME=VALUE", help="more than once")
    parser.add_argument("--ledger", metavar="DIR", help="write ledgers, requests and violations there at the end")
    parser.add_argument("--ready-file", metavar="PATH", help="write the ready line there too")
    parser.add_argument("--state", metavar="FILE", help="go on from this file if it is there; write it at the end")
    parser.add_argument("--tls", nargs=2, metavar=("CERT", "KEY"))
    return parser.parse_args(arguments)


def make_vendors(names, seed, settings=()):
    """Vendors by name, with options as texts `vendor.name=value`."""
    texts = {name: {} for name in names}
    for setting in settings:
        key, equals, value = setting.partition("=")
        vendor, dot, name = key.partition(".")
        if not equals or not dot or vendor not in texts:
            raise OptionError(f"{setting}: not VENDOR.NAME=VALUE of a vendor that runs")
        texts[vendor][name] = value
    return [load(name)(seed, texts[name]) for name in names]


def restore(path, vendors):
    """Go on from a state file of our own making."""
    if not os.path.exists(path):
        return
    with open(path, "rb") as file:
        saved = pickle.load(file)
    for vendor in vendors:
        if vendor.name in saved:
            model, vendor.ledger.pages = saved[vendor.name]
            vendor.restore(model)


def write_ledger(directory, server):
    os.makedirs(directory, exist_ok=True)
    for name, vendor in server.vendors.items():
        write_whole(os.path.join(directory, f"{name}.ledger.jsonl"), vendor.ledger.lines())
        write_whole(os.path.join(directory, f"{name}.requests.jsonl"), server.control.request_lines(name))
    violations = (json.dumps(violation).encode() + b"\n" for violation in server.control.violations())
    write_whole(os.path.join(directory, "violations.jsonl"), violations)


def write_whole(path, chunks):
    """A reader sees the whole file or none."""
    temporary = f"{path}.{os.getpid()}.tmp"
    with open(temporary, "wb") as file:
        for chunk in chunks:
            file.write(chunk)
    os.replace(temporary, path)


def _address(text):
    host, _, port = text.rpartition(":")
    if not host or not port.isdigit():
        sys.exit(f"simulator: --listen {text}: not HOST:PORT")
    return host.strip("[]"), int(port)


if __name__ == "__main__":
    main()
