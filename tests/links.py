#!/usr/bin/env python3
"""Links of README.md and of every page in the tree: a relative one leads to a file that is there, an anchor to a heading. Prints those
that do not, one a line; status 1 when there is one."""

import os
import re
import shutil
import subprocess
import sys
import urllib.parse

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
LINK = re.compile(r"(?<!!)\[[^\]\n]*(?:\n[^\]\n]*)?\]\(([^()\s]+)\)|^\[[^\]]+\]:\s+(\S+)", re.M)
CODE_BLOCK = re.compile(r"^(```|~~~)[^\n]*\n.*?^\1\s*$", re.M | re.S)


def pages():
    """What belongs to the tree: tracked, or new and not ignored; without git, everything outside of build trees."""
    if shutil.which("git"):
        listed = subprocess.run(["git", "-C", ROOT, "ls-files", "-co", "--exclude-standard", "*.md"], capture_output=True, text=True, check=False)
        if listed.returncode == 0:
            return sorted(name for name in set(listed.stdout.splitlines()) if os.path.exists(os.path.join(ROOT, name)))
    found = []
    for folder, folders, files in os.walk(ROOT):
        folders[:] = [f for f in folders if f != "build" and not f.startswith(".")]
        found += [os.path.relpath(os.path.join(folder, f), ROOT) for f in files if f.endswith(".md")]
    return sorted(found)


def read(name):
    with open(os.path.join(ROOT, name), encoding="utf-8") as file:
        return file.read()


def anchors(text):
    """Of headings, as the usual viewers make them."""
    seen = {}
    for heading in re.findall(r"^#{1,6} +(.+?) *#*$", CODE_BLOCK.sub("", text), re.M):
        plain = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading)
        slug = re.sub(r"[^\w\- ]", "", plain.lower()).replace(" ", "-")
        number = seen.setdefault(slug, 0)
        seen[slug] += 1
        yield f"{slug}-{number}" if number else slug


def indented(lines):
    """Each line, and whether it is code by its indent: a blank line, a heading, or such code stands above it."""
    before = True
    for line in lines:
        code = before and line.startswith(("    ", "\t"))
        yield line, code
        before = code or not line.strip() or line.startswith("#")


def lines_with_links(text):
    bare = CODE_BLOCK.sub(lambda m: "\n" * m[0].count("\n"), text)
    bare = "\n".join("" if code else re.sub(r"`[^`]*`", "code", line) for line, code in indented(bare.split("\n")))
    for match in LINK.finditer(bare):
        yield bare.count("\n", 0, match.start()) + 1, match[1] or match[2]


def offence(page, target):
    url = urllib.parse.urlsplit(target)
    if url.scheme or url.netloc:
        return None
    path = os.path.normpath(os.path.join(os.path.dirname(page), urllib.parse.unquote(url.path))) if url.path else page
    if path.startswith("..") or os.path.isabs(path):
        return "leads out of the tree"
    if not os.path.exists(os.path.join(ROOT, path)):
        return f"{path} is not there"
    if url.fragment and path.endswith(".md") and url.fragment not in anchors(read(path)):
        return f"{path} has no heading #{url.fragment}"
    return None


def main():
    links, bad = 0, 0
    for page in pages():
        for line, target in lines_with_links(read(page)):
            links += 1
            why = offence(page, target)
            if why:
                bad += 1
                print(f"{page}:{line}: {target}: {why}")
    if links == 0:
        print("no link was found at all: this check looks at nothing")
    return 1 if bad or links == 0 else 0


if __name__ == "__main__":
    sys.exit(main())
