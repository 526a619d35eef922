"""Exports of a simulated Tenable container: what a request asks for, which records it selects, and how a job goes on.

A job is QUEUED, then PROCESSING while its chunks become available one by one, then FINISHED; or it ends in ERROR or
CANCELLED. All of it follows from the vendor's clock, so that nothing has to run.
"""

from dataclasses import dataclass, field
from random import Random
from typing import Optional

from vendors.tenable_records import FIXED, OPEN, REOPENED, STATES

QUEUED, PROCESSING, FINISHED, CANCELLED, ERROR = "QUEUED", "PROCESSING", "FINISHED", "CANCELLED", "ERROR"
RUNNING = (QUEUED, PROCESSING)
VULNERABILITIES, ASSETS = "vulnerabilities", "assets"
MONTH = 30 * 86400


class BadExport(ValueError):
    """The vendor answers 400: `code` is the kind of violation, None where the client could not know better."""

    def __init__(self, code, detail):
        super().__init__(detail)
        self.code = code


@dataclass(frozen=True)
class Kind:
    data_type: str
    size: str               # member that says how large chunks are
    least: int
    most: int
    default: Optional[int]  # None: it is required
    times: tuple            # filters on times
    others: tuple = ()


KINDS = {
    "vulns": Kind(VULNERABILITIES, "num_assets", 50, 5000, 50, ("since", "indexed_at", "first_found", "last_found", "last_fixed"),
                  ("state",)),
    "assets": Kind(ASSETS, "chunk_size", 100, 10000, None, ("updated_at", "deleted_at", "terminated_at")),
}


@dataclass(frozen=True)
class Wanted:
    """What a create request asks for."""

    size: int
    filters: dict
    unlicensed: bool = False


@dataclass
class Job:
    uuid: str
    kind: str               # vulns or assets
    created: float          # vendor time
    wanted: Wanted
    groups: list            # by chunk: numbers of findings or assets
    numbers: list           # of the chunks
    queue_s: float
    chunk_s: float
    end: str                # finished, error, cancelled, or stuck: never begun
    foreign: bool = False   # somebody else's
    failed: tuple = ()      # numbers of chunks that fail
    stopped: Optional[str] = None       # ended before its time, in this state ...
    at_stop: int = 0                    # ... with so many chunks done
    gone: bool = False      # expired: unknown from now on
    chunks_gone: bool = False
    contents: dict = field(default_factory=dict)    # chunk: versions, once they are fixed
    polls: list = field(default_factory=list)       # when its status was asked, monotonic

    def done(self, now):
        """How many chunks are done, failed ones too."""
        if self.stopped is not None:
            return self.at_stop
        if self.end == "stuck" or now < self.created + self.queue_s:
            return 0
        most = len(self.numbers) if self.end == "finished" else len(self.numbers) // 2
        ahead = now - self.created - self.queue_s
        return most if self.chunk_s <= 0 else min(most, int(ahead / self.chunk_s))

    def status(self, now):
        if self.stopped is not None:
            return self.stopped
        if self.end == "stuck" or now < self.created + self.queue_s:
            return QUEUED
        if self.end == "finished":
            return FINISHED if self.done(now) == len(self.numbers) else PROCESSING
        return self.end.upper() if self.done(now) == len(self.numbers) // 2 else PROCESSING

    def stop(self, state, now):
        self.at_stop = len(self.numbers) if state == FINISHED else self.done(now)
        self.stopped = state

    def available(self, now):
        """Numbers of the chunks that can be fetched."""
        return [number for number in self.numbers[:self.done(now)] if number not in self.failed]


def understand(kind, body, now, options):
    """Wanted of a create request's members."""
    unknown = body.keys() - {kind.size, "filters"} - ({"include_unlicensed"} if kind.data_type == VULNERABILITIES else set())
    if unknown:
        raise BadExport("body", f"{sorted(unknown)[0]} is not allowed")
    size = body.get(kind.size, kind.default)
    if type(size) is not int or not kind.least <= size <= kind.most:
        raise BadExport("chunk_size", f"{kind.size} must be {kind.least} to {kind.most}")
    unlicensed = body.get("include_unlicensed", False)
    if not isinstance(unlicensed, bool):
        raise BadExport("body", "include_unlicensed must be a boolean")
    filters = body.get("filters", {})
    if not isinstance(filters, dict):
        raise BadExport("filter", "filters must be an object")
    return Wanted(size, _checked(kind, filters, now, options), unlicensed)


def _checked(kind, filters, now, options):
    for name, value in filters.items():
        if name not in kind.times + kind.others:
            raise BadExport("filter", f"filters.{name} is not allowed")
        if name in kind.times:
            if type(value) is not int or value < 0:
                raise BadExport("filter", f"filters.{name} must be Unix time in seconds")
            if value > now + 86400:
                raise BadExport("filter", f"filters.{name} lies ahead: milliseconds?")
    if "since" in filters and {"first_found", "last_found", "last_fixed"} & filters.keys():
        raise BadExport("filter", "since cannot be combined with first_found, last_found or last_fixed")
    if "indexed_at" in filters and options.indexed_at == "refused":
        raise BadExport(None, "filters.indexed_at is not allowed")
    states = filters.get("state", [OPEN])
    if not isinstance(states, list) or not states or not all(isinstance(s, str) and s.upper() in STATES for s in states):
        raise BadExport("filter", f"filters.state must be a list of {', '.join(STATES)}")
    return normal(filters)


def normal(filters):
    """Filters as they are compared: states in upper case and in order."""
    return {**filters, "state": sorted({state.upper() for state in filters["state"]})} if "state" in filters else dict(filters)


def select_findings(container, wanted, now, options):
    """Numbers of the findings, of each asset together."""
    filters, chosen = wanted.filters, []
    states = filters.get("state", [OPEN, REOPENED])
    timed = filters.keys() & set(KINDS["vulns"].times)
    bare = int((now - MONTH) * 1000) if not timed and options.no_filter == "30_days" else 0
    oldest = int((now - options.retention_days * 86400) * 1000)
    for finding in container.findings:
        asset = container.assets[finding.asset]
        seen = finding.last_fixed if finding.state == FIXED else finding.last_found
        kept = finding.state in states and seen >= max(bare, oldest) and (asset.licensed or wanted.unlicensed)
        if kept and not asset.deleted and seen >= filters.get("since", 0) * 1000 and _holds(filters, finding):
            chosen.append((finding.asset, finding.number))
    return [[number for _, number in group] for group in _grouped(sorted(chosen), wanted.size)]


def _holds(filters, finding):
    if "indexed_at" in filters and finding.indexed <= filters["indexed_at"] * 1000:
        return False
    return all(getattr(finding, name) >= filters[name] * 1000 for name in ("first_found", "last_found", "last_fixed") if name in filters)


def _grouped(pairs, size):
    """Chunks with all findings of at most so many assets."""
    chunks, assets = [], set()
    for asset, number in pairs:
        if asset not in assets:
            if len(assets) % size == 0:
                chunks.append([])
            assets.add(asset)
        chunks[-1].append((asset, number))
    return chunks


def select_assets(container, wanted):
    """Numbers of the assets. Those deleted or terminated are for the filters that name them."""
    filters = wanted.filters
    chosen = []
    for asset in container.assets:
        if "deleted_at" in filters or "terminated_at" in filters:
            held = all(getattr(asset, member) > filters[name] * 1000 for name, member in
                       (("deleted_at", "deleted"), ("terminated_at", "terminated")) if name in filters)
        else:
            held = not asset.deleted and not asset.terminated
        if held and ("updated_at" not in filters or asset.updated > filters["updated_at"] * 1000):
            chosen.append(asset.number)
    return [chosen[at:at + wanted.size] for at in range(0, len(chosen), wanted.size)]


def number_chunks(groups, options, seed):
    """(groups, numbers): with empty chunks, gaps and disorder as the options want them."""
    every, spread = options.empty_every, []
    for at, group in enumerate(groups):
        spread.append(group)
        if every > 0 and at % every == every - 1:
            spread.append([])
    if not spread and options.empty_export == "chunk":
        spread.append([])
    numbers = [1 + at + (at // 2 * 3 if options.chunk_numbers == "gaps" else 0) for at in range(len(spread))]
    if options.chunk_order == "mixed":
        order = Random(seed).sample(range(len(spread)), len(spread))
        return [spread[at] for at in order], [numbers[at] for at in order]
    return spread, numbers
