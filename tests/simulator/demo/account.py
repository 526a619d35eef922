"""The count at the end: what the vendors offered, record by record, against what the stream holds.

By signaltest's ledger, an oracle that shares no code with the agent. A record offered is one identity with one content.
"""

import os
from dataclasses import dataclass

from signaltest.copier import copy_of_stream
from signaltest.ledger import Ledger
from stage import SOURCES, STREAM

SPOIL = "SIGNAL_CLIENT_DEMO_SPOIL"  # lose, double or alter a record before the count: for the test of the count itself
HEADINGS = ("integration", "requests", "offered", "published", "missing", "twice", "altered")


@dataclass
class Row:
    name: str
    requests: int
    offered: int
    published: int
    missing: int
    twice: int
    altered: int

    @property
    def exact(self):
        return not (self.missing or self.twice or self.altered) and self.offered == self.published

    def cells(self):
        return (self.name, *(f"{n:,}" for n in (self.requests, self.offered, self.published, self.missing, self.twice, self.altered)))


class Account:
    """All findings of one judgement."""

    def __init__(self, stage, copies, violations=()):
        self.violations = list(violations)
        self.rows, self.examples = [], []
        every = []
        for source in stage.sources:
            offers = stage.offers(source)
            every += offers
            prefix = f"{source.name}."
            mine = [copy for copy in copies if (copy.msg_id or "").startswith(prefix)]
            verdict = Ledger(*offers).judge(mine)
            self._add(source, verdict, stage.simulator.state(source.vendor)["requests"])
        whole = Ledger(*every).judge(copies)
        self.foreign, self.gaps = whole.foreign, whole.gaps

    def _add(self, source, verdict, requests):
        twice = max(len(verdict.doubled_by_id), len(verdict.doubled_by_body))
        self.rows.append(Row(source.name, requests, verdict.offered, verdict.stored, len(verdict.missing), twice,
                             len(verdict.altered) + len(verdict.mislabelled)))
        for kind in verdict.KINDS:
            self.examples += [f"{kind.replace('_', ' ')}: {item}" for item in getattr(verdict, kind)[:3]]

    @property
    def missing(self):
        return sum(row.missing for row in self.rows)

    @property
    def exact(self):
        return all(row.exact for row in self.rows) and not (self.foreign or self.gaps or self.violations)

    def table(self):
        """Lines of the table, with a total."""
        total = Row("total", *(sum(getattr(row, name) for row in self.rows)
                               for name in ("requests", "offered", "published", "missing", "twice", "altered")))
        rows = [HEADINGS] + [row.cells() for row in self.rows] + [total.cells()]
        widths = [max(len(row[column]) for row in rows) for column in range(len(HEADINGS))]
        return ["  " + row[0].ljust(widths[0]) + "".join("  " + cell.rjust(width) for cell, width in zip(row[1:], widths[1:]))
                for row in rows]

    def findings(self):
        """Sentences on what is wrong, the worst first."""
        total = {name: sum(getattr(row, name) for row in self.rows) for name in ("missing", "twice", "altered")}
        said = [f"{total[name]:,} {'record' if total[name] == 1 else 'records'} {word}"
                for name, word in (("missing", "missing"), ("twice", "there twice"), ("altered", "altered")) if total[name]]
        said += [f"{len(self.foreign)} in the stream that nobody offered"] if self.foreign else []
        said += [f"{len(self.gaps)} gaps reported by the agent"] if self.gaps else []
        said += [f"{len(self.violations)} times a vendor's rule was broken: {self.violations[0]['code']}"] if self.violations else []
        return said


def judge_now(stage):
    """From the witness's copies: cheap, while the agent runs."""
    return Account(stage, list(stage.witness.copies))


def judge_stream(stage):
    """From what the stream holds, once the agent has ended."""
    js = stage.js()
    try:
        spoil(js, os.environ.get(SPOIL, ""))
        return Account(stage, copy_of_stream(js, STREAM), stage.simulator.violations())
    finally:
        js.connection.close()


def spoil(js, how):
    """Makes the count find something: whether it can is tested, not believed."""
    if not how:
        return
    victim = js.message(STREAM, seq=js.stream_state(STREAM)["last_seq"] // 2)
    if how in ("lose", "alter"):
        js.message_delete(STREAM, victim.seq)
    if how in ("double", "alter"):
        name = victim.headers["Nats-Msg-Id"]
        other = f"{name[:-1]}%{ord(name[-1]):02X}"  # the same id in a spelling that the server does not take for a duplicate
        js.publish(victim.subject, victim.body + (b" " if how == "alter" else b""), {**victim.headers, "Nats-Msg-Id": other})
