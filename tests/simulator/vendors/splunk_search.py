"""Searches as the simulated Splunk understands them: a first command, terms, bounds of time, and a few commands behind pipes.

Commands: search, tstats, savedsearch at the start; sort, head, stats behind. Terms are all to be met: a field with a value (`*`
stands for anything), or a text within `_raw`. Others are refused as unknown commands are.
"""

import fnmatch
import json
import re
from calendar import timegm
from time import strptime
from typing import NamedTuple, Optional

OWN_BOUNDS = ("earliest", "latest", "_index_earliest", "_index_latest")
UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}
FAR = 366 * 86400       # a time so far ahead is no time in seconds

_TERM = re.compile(r'([\w.{}:]+)=("(?:[^"\\]|\\.)*"|[^\s"]+)|("(?:[^"\\]|\\.)*")|([^\s"]+)|(")')
_ISO = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(\.\d{1,9})?(Z|[+-]\d\d:?\d\d)")
_RELATIVE = re.compile(r"(?:([+-])(\d*)([smhdw]))?(?:@([smhd]))?")


class BadSearch(ValueError):
    """The vendor answers 400 with FATAL: `code` is the kind of violation, None where the client could not know better."""

    def __init__(self, code, text):
        super().__init__(text)
        self.code = code


class Search(NamedTuple):
    text: str
    terms: tuple            # (field or None, pattern)
    bounds: dict            # of OWN_BOUNDS, as they stand in the search
    by: Optional[tuple]     # fields of a transforming search; None: it gives events
    oldest_first: bool
    head: Optional[int]

    @property
    def transforming(self):
        return self.by is not None

    def wants(self, event, factory):
        """Whether the terms hold; without a term on the index the default one is meant."""
        patterns = [pattern for name, pattern in self.terms if name == "index"] or ["main"]
        if not all(fnmatch.fnmatchcase(event.index, pattern) for pattern in patterns):
            return False
        others = [term for term in self.terms if term[0] != "index"]
        fields = factory.fields(event) if others else {}
        return all(_holds(name, pattern, fields) for name, pattern in others)


class Window(NamedTuple):
    """Bounds in epoch seconds, the first included and the last not; None: no bound."""

    earliest: Optional[float]
    latest: Optional[float]
    index_earliest: Optional[float] = None
    index_latest: Optional[float] = None


def _holds(name, pattern, fields):
    if name is None:
        return pattern == "*" or pattern.lower() in fields["_raw"].lower()
    values = fields.get(name, [])
    return any(fnmatch.fnmatchcase(value, pattern) for value in ([values] if isinstance(values, str) else values))


def parse(text, saved):
    """A Search; `saved` are the names of saved searches."""
    stages = _stages(text.strip())
    first, stages = stages[0], stages[1:]
    terms, by = (), None
    if text.strip().startswith("|"):
        first, stages = stages[0] if stages else "", stages[1:]
        terms, by = _generating(first, saved)
    else:
        word, _, rest = first.partition(" ")
        if word != "search":
            raise BadSearch("spl_prefix", f"Unknown search command '{word.partition('=')[0]}'.")
        terms = _terms(rest)
    oldest_first, head = False, None
    for stage in stages:
        words = stage.split()
        if words[:1] == ["sort"]:
            oldest_first = words[-1] in ("_time", "+_time")
        elif words[:1] == ["head"] and len(words) == 2 and words[1].isdigit():
            head = int(words[1])
        elif words[:1] == ["stats"]:
            by = _by(words)
        else:
            raise BadSearch(None, f"Unknown search command '{words[0] if words else ''}'.")
    bounds = {name: pattern for name, pattern in terms if name in OWN_BOUNDS}
    return Search(text, tuple(term for term in terms if term[0] not in OWN_BOUNDS), bounds, by, oldest_first, head)


def _generating(stage, saved):
    words = stage.split()
    if words[:2] == ["tstats", "count"]:
        where = stage.partition(" where ")[2].partition(" by ")[0]
        return _terms(where), _by(words)
    if words[:1] == ["savedsearch"]:
        name = stage.partition(" ")[2].strip().strip('"')
        if name not in saved:
            raise BadSearch(None, f"Error in 'savedsearch' command: Unable to find saved search named '{name}'.")
        return (), ("sourcetype",)
    raise BadSearch(None, f"Unknown search command '{words[0] if words else ''}'.")


def _by(words):
    return tuple(word.strip(",") for word in words[words.index("by") + 1:]) if "by" in words else ()


def _stages(text):
    """Split at the pipes that stand outside of quotes."""
    stages, quoted, last, at = [], False, 0, 0
    while at < len(text):
        if text[at] == "\\":
            at += 1
        elif text[at] == '"':
            quoted = not quoted
        elif text[at] == "|" and not quoted:
            stages.append(text[last:at].strip())
            last = at + 1
        at += 1
    if quoted:
        raise BadSearch(None, "Error in 'SearchParser': Mismatched quotes and/or parenthesis.")
    return [*stages, text[last:].strip()]


def _terms(text):
    terms = []
    for match in _TERM.finditer(text):
        name, value, quoted, word, stray = match.groups()
        if stray or (word and (word in ("OR", "NOT") or "(" in word or ")" in word)):
            raise BadSearch(None, "Error in 'SearchParser': the simulated server knows terms that are all to be met, and nothing else.")
        if name:
            terms.append((name, _unquoted(value)))
        elif word not in ("AND", "*"):
            terms.append((None, _unquoted(quoted or word)))
    return tuple(terms)


def _unquoted(text):
    return re.sub(r"\\(.)", r"\1", text[1:-1]) if text.startswith('"') else text


def parse_time(text, name, now):
    """A modifier of time as epoch seconds; None for none."""
    if text in (None, "", "0"):
        return None
    if text == "now" or text == "now()":
        return now
    if re.fullmatch(r"\d+(\.\d{1,9})?", text):
        if float(text) > now + FAR:
            raise BadSearch("time", f"Invalid {name}: {text} lies years ahead: milliseconds?")
        return float(text)
    match = _ISO.fullmatch(text)
    if match:
        return _iso(match, name)
    match = _RELATIVE.fullmatch(text)
    if match is None:
        raise BadSearch("time", f"Invalid {name}.")
    sign, number, unit, snap = match.groups()
    moved = now + (int(number or 1) * UNITS[unit] * (-1 if sign == "-" else 1) if sign else 0)
    return moved // UNITS[snap] * UNITS[snap] if snap else moved


def _iso(match, name):
    zone = 0 if match[3] == "Z" else (int(match[3][1:3]) * 60 + int(match[3][-2:])) * (-60 if match[3][0] == "-" else 60)
    try:
        return timegm(strptime(match[1], "%Y-%m-%dT%H:%M:%S")) - zone + float(match[2] or 0)
    except ValueError:
        raise BadSearch("time", f"Invalid {name}.") from None


def window_of(search, form, now, index_bounds):
    """The Window of a search: its own bounds win over those of the form, both of them where it has one."""
    own = search.bounds
    given = own if own.keys() & {"earliest", "latest"} else {"earliest": form.get("earliest_time"), "latest": form.get("latest_time")}
    earliest, latest = (parse_time(given.get(name), f"{name}_time", now) for name in ("earliest", "latest"))
    if earliest is not None and latest is not None and earliest >= latest:
        raise BadSearch("window", "Invalid time range: latest_time must be after earliest_time.")
    index = {name: own.get(f"_{name}", form.get(name) if index_bounds == "works" else None) for name in ("index_earliest", "index_latest")}
    return Window(earliest, latest, *(parse_time(index[name], name, now) for name in ("index_earliest", "index_latest")))


def run(search, window, indexes, now):
    """Events, newest first unless the search sorts them."""
    found = []
    for event in indexes.find(window.earliest, window.latest, now):
        late = window.index_latest is not None and event.indexed >= window.index_latest
        if late or (window.index_earliest is not None and event.indexed < window.index_earliest):
            continue
        if search.wants(event, indexes.factory):
            found.append(event)
    if not search.oldest_first:
        found.reverse()
    return found[:search.head]


def count_rows(search, events, factory):
    """Rows of `stats count by ...` as bytes: all values are strings."""
    counted = {}
    for event in events:
        fields = {**factory.fields(event), "index": event.index}
        values = [fields.get(name) for name in search.by]
        if None not in values:
            key = tuple(value if isinstance(value, str) else value[0] for value in values)
            counted[key] = counted.get(key, 0) + 1
    rows = [{**dict(zip(search.by, key)), "count": str(number)} for key, number in sorted(counted.items())]
    if not search.by and not rows:
        rows = [{"count": "0"}]
    return [json.dumps(row, separators=(",", ":"), ensure_ascii=False).encode() for row in rows]
