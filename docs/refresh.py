#!/usr/bin/env python3
"""Writes what is made of the program's own tables: commands.md, connectors.md, and the marked tables of configuration.md and metrics.md.

    docs/refresh.py build/signal-client

A test fails when one of them is older than the tables (tests/unit/cli/test_commands.c)."""

import os
import re
import subprocess
import sys

DOCS = os.path.dirname(os.path.abspath(__file__))
WHOLE = {"commands.md": ["help", "--markdown"], "connectors.md": ["connectors", "list", "--markdown"]}
BLOCKS = {"configuration.md": ["config", "--markdown"], "metrics.md": ["config", "--metrics"]}
BLOCK = re.compile(r"<!-- begin (\w+):.*?<!-- end \1 -->\n", re.S)


def printed(agent, words):
    env = {"PATH": os.environ.get("PATH", "")}  # settings of this shell are no part of a page
    return subprocess.run([agent, *words], check=True, capture_output=True, text=True, env=env).stdout


def read(name):
    with open(os.path.join(DOCS, name), encoding="utf-8") as file:
        return file.read()


def write(name, text):
    if read(name) != text:
        with open(os.path.join(DOCS, name), "w", encoding="utf-8") as file:
            file.write(text)
        print("written:", name)


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    agent = os.path.abspath(sys.argv[1])
    for name, words in WHOLE.items():
        write(name, printed(agent, words))
    for name, words in BLOCKS.items():
        blocks = {match[1]: match[0] for match in BLOCK.finditer(printed(agent, words))}
        page = read(name)
        there = {match[1] for match in BLOCK.finditer(page)}
        if there != set(blocks):
            sys.exit(f"{name} has the blocks {sorted(there)}, the program prints {sorted(blocks)}")
        write(name, BLOCK.sub(lambda match, found=blocks: found[match[1]], page))


if __name__ == "__main__":
    main()
