"""What was offered to the client: the reference that a test compares a stream with.

A page is noted when its reply is made and closed when its bytes are out; it holds the numbers of its records, never
their bytes. A line per record is made only when somebody reads the ledger:

    {"id", "sha256", "length",        the record, of exactly the bytes between the separators of its array
     "page": first page it was on, "offered": number of times, "sent": true if it ever went out whole}

"altered": true marks bytes that a misbehaviour changed on the way.
Of records that change and can be asked for only as they are now (VersionLedger) a line says also "type", "last": true
for the present version, and "whole": true if it ever went out in a reply that was complete and unspoilt.
`sent` counts bytes that the kernel accepted; a client that vanishes may have read less.
"""

import hashlib
import json
import threading
from array import array
from dataclasses import dataclass, field
from typing import NamedTuple


@dataclass
class Page:
    number: int
    keys: object                    # range of log positions, or tuple of (identity, bytes)
    complete: int = 0               # records that went out whole, counted from the first
    altered: dict = field(default_factory=dict)     # ordinal -> (identity, bytes sent instead)
    whole: bool = False             # all of the reply went out
    spoilt: bool = False            # as a reply that no client may take for good


class Ledger:
    def __init__(self):
        self.pages = []
        self._lock = threading.Lock()

    def open(self, keys):
        with self._lock:
            page = Page(len(self.pages) + 1, keys)
            self.pages.append(page)
            return page

    def offered(self):
        with self._lock:
            return sum(len(page.keys) for page in self.pages)

    def clear(self):
        with self._lock:
            self.pages = []

    def lines(self, everything=False):
        """JSON lines as bytes, one a record. `everything` adds records never offered."""
        with self._lock:
            pages = list(self.pages)
        yield from self._plain_lines(pages, everything)
        for page in pages:
            for ordinal, (identity, data) in page.altered.items():
                yield _line(identity, data, page.number, 1, ordinal < page.complete, True, self.kind(page.keys[ordinal]))

    def kind(self, key):
        """Data type of a page's record, where a vendor has more than one."""
        return getattr(key, "kind", None)

    def _plain_lines(self, pages, everything):
        raise NotImplementedError


class LogLedger(Ledger):
    """Records are positions of a log; `record(position)` gives identity and bytes, `size()` the log's length."""

    def __init__(self, record, size):
        super().__init__()
        self.record = record
        self.size = size

    def _plain_lines(self, pages, everything):
        size = max([self.size()] + [page.keys.stop for page in pages])
        first, times, sent = array("I", bytes(4 * size)), array("I", bytes(4 * size)), bytearray(size)
        for page in pages:
            for ordinal, position in enumerate(page.keys):
                if ordinal in page.altered:
                    continue
                first[position] = first[position] or page.number
                times[position] += 1
                sent[position] |= ordinal < page.complete
        for position in range(size):
            if times[position] or everything:
                identity, data = self.record(position)
                yield _line(identity, data, first[position], times[position], bool(sent[position]))


class SnapshotLedger(Ledger):
    """Records are (identity, bytes) of whole documents; `current()` gives those of the present one."""

    def __init__(self, current):
        super().__init__()
        self.current = current

    def _plain_lines(self, pages, everything):
        entries = {}
        for page in pages:
            for ordinal, key in enumerate(page.keys):
                if ordinal in page.altered:
                    continue
                entry = entries.setdefault(key, [page.number, 0, False])
                entry[1] += 1
                entry[2] |= ordinal < page.complete
        if everything:
            for key in self.current():
                entries.setdefault(key, [0, 0, False])
        for (identity, data), (number, times, sent) in entries.items():
            yield _line(identity, data, number, times, sent)


class Served(NamedTuple):
    """A version of a record as a data type offers it."""

    kind: str           # data type
    identity: str
    version: object


class VersionLedger(Ledger):
    """Records are versions (Served); `data(version)` gives bytes, `current()` the present ones that must be offered."""

    def __init__(self, data, current):
        super().__init__()
        self.data = data
        self.current = current
        self._digests = {}

    def _plain_lines(self, pages, everything):
        entries = {}
        for page in pages:
            whole = page.whole and not page.spoilt
            for ordinal, served in enumerate(page.keys):
                if ordinal in page.altered:
                    continue
                entry = entries.setdefault(served, [page.number, 0, False, False])
                entry[1] += 1
                entry[2] |= ordinal < page.complete
                entry[3] |= whole
        last = set(self.current())
        if everything:
            for served in last:
                entries.setdefault(served, [0, 0, False, False])
        for served, (number, times, sent, whole) in entries.items():
            yield self._version_line(served, number, times, sent, whole, served in last)

    def _version_line(self, served, number, times, sent, whole, last):
        found = self._digests.get(served.version)
        if found is None:
            data = self.data(served.version)
            found = self._digests[served.version] = hashlib.sha256(data).hexdigest(), len(data)
        return json.dumps({"id": served.identity, "sha256": found[0], "length": found[1], "page": number, "offered": times,
                           "sent": sent, "type": served.kind, "last": last, "whole": whole}).encode() + b"\n"


def _line(identity, data, page, offered, sent, altered=False, kind=None):
    mark = f',"type":{json.dumps(kind)}' if kind else ""
    mark += ',"altered":true' if altered else ""
    return (f'{{"id":{json.dumps(identity)},"sha256":"{hashlib.sha256(data).hexdigest()}","length":{len(data)},'
            f'"page":{page},"offered":{offered},"sent":{"true" if sent else "false"}{mark}}}\n').encode()
