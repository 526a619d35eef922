"""What a request for host detections asks for: parameters as the vendor checks them, and the hosts that they select."""

import re
from calendar import timegm
from time import strptime
from typing import NamedTuple
from urllib.parse import parse_qsl

from vendors.qualys_records import INFO, STATUSES, View

# Of these the sheet gives the value; the names have to be there, for the vendor's own defaults leave records out.
FIXED_NAMES = ("output_format", "show_igs", "show_reopened_info", "status")
DEFAULT_STATUSES = ("New", "Active", "Re-Opened")
TIMES = ("vm_processed_after", "vm_processed_before", "detection_updated_since", "vm_scan_since")
FLAGS = ("show_igs", "show_reopened_info", "show_qds", "show_qds_factors", "show_tags", "show_results", "show_asset_id")
NAMES = frozenset(("action", "output_format", "status", "truncation_limit", "id_min", "id_max", "ids", "qids", "severities", *TIMES, *FLAGS))
LARGEST_BLOCK = 10_000      # hosts in `ids`
BLOCKED_CODES = {"rate": 1965, "concurrency": 1960}

_TIME = re.compile(r"(\d{4}-\d\d-\d\d)(?:T(\d\d:\d\d:\d\d)Z)?")
_BAD_ESCAPE = re.compile(r"[^A-Za-z0-9._~!$'()*,;:@/?&=%+-]|%(?![0-9A-Fa-f]{2})")


class BadQuery(ValueError):
    """The vendor refuses: `number` is its code; `code` the kind of violation, None where the client could not know better."""

    def __init__(self, number, code, detail):
        super().__init__(detail)
        self.number, self.code = number, code


class Asked(NamedTuple):
    pairs: tuple            # parameters as they came, without id_min: what the next URL says again
    view: View
    statuses: tuple
    severities: frozenset
    info: bool
    limit: int
    id_min: int
    id_max: int
    ids: tuple              # ranges; empty: all
    qids: tuple
    times: dict             # of TIMES
    first: bool             # not a next page

    @property
    def full(self):
        """All hosts, however old."""
        return self.first and not self.ids and not self.times.keys() - {"vm_processed_before"}


def raw_pairs(request):
    """(name, value) of query and form, still encoded."""
    texts = [request.query] + ([request.body.decode("latin-1")] if request.method == "POST" else [])
    return [tuple(pair.partition("=")[::2]) for text in texts for pair in text.split("&") if pair]


def check_encoding(pairs):
    """Characters that may not stand in a query as they are; "" if there are none."""
    for name, value in pairs:
        bad = _BAD_ESCAPE.search(f"{name}={value}")
        if bad:
            return f"{bad.group()!r} in {name}"
    return ""


def decode(pairs):
    """Parameters by name; the vendor refuses one given twice."""
    query = {}
    for name, value in parse_qsl("&".join(f"{name}={value}" for name, value in pairs), keep_blank_values=True):
        if name in query:
            raise BadQuery(1904, "query", f"parameter {name} has been specified more than once")
        query[name] = value
    return query


def understand(pairs, options):
    query = decode(pairs)
    for name in query:
        if name not in NAMES or (name == "detection_updated_since" and options.detection_updated_since == "refused"):
            raise BadQuery(1901, "query" if name not in NAMES else None, f"Unrecognized parameter(s): {name}")
    if "action" not in query:
        raise BadQuery(1903, "query", "Missing required parameter(s): action")
    if query["action"] != "list":
        raise BadQuery(1905, "query", f"parameter action has invalid value: {query['action']}")
    if query.get("output_format", "XML") != "XML":
        raise BadQuery(1905, "output_format", f"parameter output_format has invalid value: {query['output_format']}")
    flags = {name: _flag(query, name) for name in FLAGS if name in query}
    times = {name: parse_time(query, name) for name in TIMES if name in query}
    if times.get("vm_processed_after", 0) > times.get("vm_processed_before", 1 << 60):
        raise BadQuery(1907, "window", "vm_processed_after must not be later than vm_processed_before")
    severities = _ranges(query, "severities", 1, 5) or ((1, 5),)
    return Asked(
        pairs=tuple((name, value) for name, value in pairs if name != "id_min"), view=_view(flags), info=flags.get("show_igs", False),
        statuses=_statuses(query), severities=frozenset(n for low, high in severities for n in range(low, high + 1)),
        limit=_number(query, "truncation_limit", 1000), id_min=_number(query, "id_min", 0), id_max=_number(query, "id_max", 1 << 60),
        ids=_block(query), qids=_ranges(query, "qids", 1, 1 << 32), times=times, first="id_min" not in query)


def _view(flags):
    return View(qds=flags.get("show_qds", True), factors=flags.get("show_qds_factors", False), tags=flags.get("show_tags", False),
                results=flags.get("show_results", True), reopened=flags.get("show_reopened_info", False))


def _statuses(query):
    if "status" not in query:
        return DEFAULT_STATUSES
    words = tuple(query["status"].split(","))
    if not set(words) <= set(STATUSES):
        raise BadQuery(1905, "query", f"parameter status has invalid value: {query['status']}")
    return words


def _flag(query, name):
    if query[name] not in ("0", "1"):
        raise BadQuery(1905, "query", f"parameter {name} has invalid value: {query[name]}")
    return query[name] == "1"


def _number(query, name, default):
    text = query.get(name)
    if text is None:
        return default
    if not (text.isascii() and text.isdigit() and len(text) <= 18):
        raise BadQuery(1905, "query", f"parameter {name} has invalid value: {text}")
    return int(text)


def _ranges(query, name, least, most):
    """Numbers and ranges like 3-5, with commas between."""
    found = []
    for part in query[name].split(",") if name in query else ():
        low, dash, high = part.partition("-")
        low, high = (low, high) if dash else (low, low)
        if not (low.isascii() and low.isdigit() and high.isascii() and high.isdigit()) or not least <= int(low) <= int(high) <= most:
            raise BadQuery(1905, "query", f"parameter {name} has invalid value: {query[name][:80]}")
        found.append((int(low), int(high)))
    return tuple(found)


def _block(query):
    ranges = _ranges(query, "ids", 1, 1 << 60)
    if len(ranges) > LARGEST_BLOCK:
        raise BadQuery(1905, "ids", f"parameter ids has {len(ranges)} hosts, {LARGEST_BLOCK} may be asked for at once")
    return ranges


def parse_time(query, name):
    """A date, or a date with a time in UTC, as epoch seconds."""
    match = _TIME.fullmatch(query[name])
    try:
        return timegm(strptime(f"{match.group(1)} {match.group(2) or '00:00:00'}", "%Y-%m-%d %H:%M:%S"))
    except (AttributeError, ValueError):
        raise BadQuery(1905, "time", f"parameter {name} has invalid value: {query[name][:40]}") from None


def within(number, ranges):
    return not ranges or any(low <= number <= high for low, high in ranges)


def select(fleet, asked, inclusive):
    """(host, [detection]) in the order of the hosts' ids; hosts without any detection left are left out."""
    for number, host in fleet.hosts.items():
        identity = fleet.factory.host_id(number)
        if not asked.id_min <= identity <= asked.id_max or not within(identity, asked.ids) or not _processed_within(host, asked.times, inclusive):
            continue
        shelf = [found for found in fleet.detections[number] if is_wanted(fleet.factory, found, asked)
                 and found.updated >= asked.times.get("detection_updated_since", 0)]
        if shelf:
            yield host, shelf


def is_wanted(factory, found, asked):
    """By what is asked of detections, times aside."""
    return (found.status in asked.statuses and (asked.info or factory.type(found) != INFO) and factory.severity(found) in asked.severities
            and within(factory.qid(found), asked.qids))


def _processed_within(host, times, inclusive):
    after, before = times.get("vm_processed_after", 0), times.get("vm_processed_before", 1 << 60)
    held = after <= host.processed <= before if inclusive else after < host.processed < before
    return held and host.processed >= times.get("vm_scan_since", 0)
