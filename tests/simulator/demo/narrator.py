"""What the agent's log says, told to somebody who reads such a log for the first time.

Every event is a line that the agent wrote; the time is the line's own. A WARN or ERROR line that is not known here is
shown as it is, so that nothing goes unsaid.
"""

import re
from dataclasses import dataclass, field
from datetime import datetime

from screen import quantity

LINE = re.compile(r"(\S+Z) \[([A-Z]+)\] ([\w.-]+): (.*)")
FIELDS = re.compile(r"((?: [a-z_]+=\S+)+)$")
THROTTLED = re.compile(r"429 Too Many Requests.* next request at (\S+)(?: \(([^):]*)[^)]*\))?[,;]")
REFUSED = re.compile(r"401 Unauthorized:? ?(.*?)(?:; the credential .*)?, next request at (\S+); (.*)")
READ_BACK = re.compile(r"read back (\d+) messages, (\d+) of ours found, (\d+) sent again")
AGAIN = re.compile(r"publishing to stream (\S+) again after (.*?);")
GIVEN_UP = re.compile(r"connection given up with (\d+) messages unacknowledged")
HELD = re.compile(r"held \(epoch (\d+)\)")
LOST = re.compile(r"the connection to NATS was lost; since ")
OFTEN = re.compile(r"polled more often than every (\d+) s")


@dataclass
class Entry:
    """One line of the log, taken apart."""

    time: float
    level: str
    about: str
    text: str
    fields: dict = field(default_factory=dict)

    @classmethod
    def parse(cls, line):
        """None where it is no line of the log's form: the start mark of the log file."""
        match = LINE.match(line)
        if not match:
            return None
        when, level, about, text = match.groups()
        tail = FIELDS.search(text)
        fields = dict(pair.split("=", 1) for pair in tail.group(1).split()) if tail else {}
        return cls(datetime.fromisoformat(when.replace("Z", "+00:00")).timestamp(), level, about,
                   text[:tail.start()] if tail else text, fields)


class LogReader:
    """New whole lines of a file that grows."""

    def __init__(self, path):
        self.path = path
        self.offset = 0

    def lines(self):
        with open(self.path, "rb") as file:
            file.seek(self.offset)
            data = file.read()
        data = data[:data.rfind(b"\n") + 1]
        self.offset += len(data)
        return data.decode("utf-8", "replace").splitlines()


class Narrator:
    """Calls tell(who, text, mood, at) for what is worth telling. `outage` says whether NATS is known to be down."""

    def __init__(self, log_path, tell, outage):
        self.reader = LogReader(log_path)
        self.tell = tell
        self.outage = outage
        self.told = set()  # integrations whose first poll was told in full

    def tick(self):
        for line in self.reader.lines():
            entry = Entry.parse(line)
            if entry:
                self._tell(entry)

    def _tell(self, entry):
        who = entry.fields.get("integration", "agent")
        if entry.text.startswith("fetched "):
            text, mood = fetched(entry, in_full=who not in self.told)
            self.told.add(who)
        elif entry.level in ("WARN", "ERROR"):
            text, mood = self._trouble(entry)
        else:
            text, mood = progress(entry)
        if text:
            self.tell(who, text, mood, at=entry.time)

    def _trouble(self, entry):
        if match := THROTTLED.search(entry.text):
            why = f"as its header asked ({match[2]})" if match[2] else "the agent's own choice, as no header named a time"
            return f"vendor says 429: waits {wait_of(entry, match[1])}until {match[1]} {why}; nothing is lost", "warn"
        if match := REFUSED.search(entry.text):
            return f"vendor says 401 Unauthorized ({match[1]}). Advice in log and status: {match[3]}", "warn"
        if match := GIVEN_UP.search(entry.text):
            kept = f", {quantity(int(match[1]), 'records')} without an answer are kept" if match[1] != "0" else ""
            return f"NATS is gone{kept}; polling pauses, nothing is lost", "warn"
        if match := OFTEN.search(entry.text):
            return f"note: this vendor likes at most one poll in {int(match[1]) // 60} min; the demo is in a hurry", ""
        if LOST.match(entry.text) and entry.fields.get("integration"):
            return None, ""  # told of the agent as a whole: "connection given up"
        if entry.about == "nats" and self.outage():
            return None, ""  # each try to connect
        return entry.text, "bad" if entry.level == "ERROR" else "warn"


def wait_of(entry, until):
    """"2.3 s, " where `until` is a time of this day."""
    try:
        hours, minutes, seconds = (int(part) for part in until.rstrip("Z").split(":"))
    except ValueError:
        return ""
    return f"{(hours * 3600 + minutes * 60 + seconds - entry.time) % 86400:.1f} s, "


def fetched(entry, in_full):
    count, noun = entry.text.split()[1:3]
    read, pages = int(entry.fields.get("read", count)), quantity(int(entry.fields.get("pages", 0)), "pages")
    if count == "0":
        return f"polled, {pages}: nothing new{f' among {quantity(read, noun)}' if read else ''}", ""
    what = quantity(int(count), noun) if read <= int(count) else f"{int(count):,} new of {quantity(read, noun)}"
    by = " by JetStream" if in_full else ""
    return f"fetched {what}, {pages}; all acknowledged{by}, position saved", "good" if entry.level == "INFO" else "warn"


def progress(entry):
    """What INFO lines are worth a word; others are left to the log."""
    if match := READ_BACK.match(entry.text):
        return f"read the stream back before sending anything again: {match[2]} of them are there, {match[3]} sent now", ""
    if match := AGAIN.match(entry.text):
        return f"publishing to stream {match[1]} again, {match[2]} after the loss", ""
    if match := HELD.match(entry.text):
        return f"runs, and holds the lease (epoch {match[1]}): it is the one that polls", ""
    if entry.text.startswith("created stream"):
        return entry.text, ""
    return None, ""
