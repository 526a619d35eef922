"""Search jobs of a simulated Splunk, and the forms of its replies.

A job is QUEUED, PARSING, RUNNING, FINALIZING, then DONE or FAILED; all of it follows from the vendor's clock, so that nothing
has to run. It is forgotten when nobody asked for it for a while.
"""

import json
from dataclasses import dataclass
from typing import Optional

from bodies import Records
from vendors.framed import Framed

QUEUED, PARSING, RUNNING, FINALIZING, DONE, FAILED = "QUEUED", "PARSING", "RUNNING", "FINALIZING", "DONE", "FAILED"
UNDONE = (QUEUED, PARSING, RUNNING, FINALIZING)
BATCH = 10      # results in one line of a server that sends arrays


@dataclass
class Job:
    sid: str
    search: object
    window: object
    created: float              # vendor time
    queue_s: float
    run_s: float
    end: str                    # done, failed, or stuck: never out of the queue
    foreign: bool = False       # somebody else's
    touched: float = 0.0        # when somebody asked for it last
    results: Optional[list] = None      # versions, once they are fixed
    stopped: Optional[str] = None       # ended before its time, in this state
    deleted: bool = False
    expired: bool = False
    polls: object = None        # deque of monotonic times

    def state(self, now):
        if self.stopped is not None:
            return self.stopped
        if self.end == "stuck" or now < self.created + self.queue_s:
            return QUEUED
        part = (now - self.created - self.queue_s) / self.run_s if self.run_s > 0 else 1.0
        if part >= 1.0:
            return DONE if self.end == "done" else FAILED
        return PARSING if part < 0.2 else RUNNING if part < 0.8 else FINALIZING

    def seconds_left(self, now):
        return max(0.0, self.created + self.queue_s + self.run_s - now)

    def gone(self, now, life):
        """Deleted, or idle for too long."""
        if not self.deleted and now >= self.touched + life:
            self.expired = True
        return self.deleted or self.expired


def compact(data):
    return json.dumps(data, separators=(",", ":"), ensure_ascii=False).encode()


def message(kind, text):
    return {"messages": [{"type": kind, "text": text}]}


class ExportStream(Framed):
    """Lines of an export, each with one result (or, of some servers, with several)."""

    def __init__(self, records, count, options, before=b"", lastrow=True):
        self.parts = (records, count, options, before, lastrow)
        self.lines = options.lines
        prefix = before + (b"\n" if options.blank_lines else b"")
        suffix = b'{"preview":false,"offset":0,"lastrow":true}\n' if not count and options.empty_export == "lastrow" else b""
        self.gap = b"\n\n" if options.blank_lines else b"\n"
        source = self._single if options.lines == "single" else self._batches
        super().__init__(prefix, suffix, count, lambda: source(records, count, lastrow and options.lastrow == "last"), streamed=True)

    def _single(self, records, count, lastrow):
        for offset, record in enumerate(records()):
            last = b'"lastrow":true,' if lastrow and offset == count - 1 else b""
            yield b'{"preview":false,"offset":%d,%b"result":' % (offset, last), record, b"}" + self.gap

    def _batches(self, records, count, _lastrow):
        for offset, record in enumerate(records()):
            before = b'{"preview":false,"init_offset":%d,"results":[' % offset if offset % BATCH == 0 else b""
            ends = offset % BATCH == BATCH - 1 or offset == count - 1
            yield before, record, b"]}" + self.gap if ends else b","

    def with_message(self, line, at, ends):
        """The same with a line before record `at`; with `ends` nothing comes behind it."""
        records, count, options, before, lastrow = self.parts
        if ends:
            count = min(at, count)
            whole = ExportStream(lambda: (record for record, _ in zip(records(), range(count))), count, options, before, lastrow=False)
            whole.suffix = line + b"\n"
            return whole
        inner = self.source
        self.source = lambda: (((line + b"\n" if ordinal == at else b"") + frame[0], *frame[1:]) for ordinal, frame in enumerate(inner()))
        return self


def previews(records, count, total):
    """Lines that are not final: results so far, with less in them."""
    lines = []
    for offset, record in zip(range(min(count, total)), records()):
        known = json.loads(record)
        few = {name: known[name] for name in ("_time", "host", "count", "_raw") if name in known}
        lines.append(compact({"preview": True, "offset": offset, "result": few}) + b"\n")
    return b"".join(lines)


def results_page(records, count, offset, first):
    """A page of a job's results; `first`: bytes of a record that names the fields."""
    fields = [{"name": name} for name in json.loads(first)] if first else []
    prefix = b'{"preview":false,"init_offset":%d,"messages":[],"fields":%b,"results":[' % (offset, compact(fields))
    return Records(prefix, b",", b"]}", count, records, streamed=count >= 5000)
