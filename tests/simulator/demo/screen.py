"""What the demo prints: one line an event with its time, wrapped to the width, coloured only on a terminal."""

import os
import shutil
import textwrap

WIDEST = 100
NAME = 12
INDENT = 6 + 4 + NAME + 2  # "%6.1f s  " and the name
COLOURS = {"name": "36", "dim": "2", "good": "32", "warn": "33", "bad": "1;31", "bold": "1"}


class Screen:
    """Lines on `stream`. Once nobody reads them any more (`closed`), they are dropped: the demo then comes to its end."""

    def __init__(self, stream):
        self.stream = stream
        self.closed = False
        self.terminal = terminal = stream.isatty()  # a ^C may still be shown on it
        self.coloured = terminal and os.environ.get("TERM", "dumb") != "dumb" and not os.environ.get("NO_COLOR")
        self.width = min(WIDEST, shutil.get_terminal_size((WIDEST, 24)).columns) if terminal else WIDEST
        self.width = max(self.width, INDENT + 30)

    def paint(self, text, mood):
        return f"\033[{COLOURS[mood]}m{text}\033[0m" if self.coloured and mood in COLOURS and text else text

    def event(self, seconds, who, text, mood=""):
        """`   4.2 s  okta-demo     what happened`."""
        lines = textwrap.wrap(clean(text), self.width - INDENT, break_on_hyphens=False) or [""]
        head = self.paint(f"{seconds:6.1f} s", "dim") + "  " + self.paint(f"{who:<{NAME}}", "name") + "  "
        self.write("\n".join((" " * INDENT if number else head) + self.paint(line, mood) for number, line in enumerate(lines)))

    def say(self, text="", mood=""):
        """A paragraph of our own at the left edge; a line that begins with a blank is left as it is."""
        for line in clean(text, "\n").split("\n"):
            whole = line.startswith(" ") or not line
            for part in [line] if whole else textwrap.wrap(line, self.width, break_on_hyphens=False):
                self.write(self.paint(part, mood))

    def end_line(self):
        """Once: behind the ^C that a terminal shows."""
        if self.terminal:
            self.write("")
            self.terminal = False

    def write(self, text):
        if self.closed:
            return
        try:
            self.stream.write(text + "\n")
            self.stream.flush()
        except (OSError, ValueError):  # a closed pipe or terminal
            self.closed = True


def clean(text, keep=""):
    """Text from outside for a terminal: what could move the cursor becomes a question mark."""
    return "".join(c if c.isprintable() or c in keep else "?" for c in str(text))


def quantity(number, noun):
    """1 page, 2 pages, 1,234 events"""
    return f"{number:,} {noun[:-1] if number == 1 and noun.endswith('s') else noun}"
