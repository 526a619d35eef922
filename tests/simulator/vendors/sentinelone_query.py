"""What a query of a SentinelOne list asks for, and how the reply is framed. Written from the vendor sheet."""

import re
from types import SimpleNamespace

from bodies import Records
from vendors.falcon_query import parse_time
from vendors.sentinelone_records import ACTIVITIES, AGENTS, THREATS
from vendors.templates import compact

LARGEST_LIMIT = 1000
DEEPEST_SKIP = 1000
MAIN = {THREATS: "updatedAt", ACTIVITIES: "createdAt", AGENTS: "updatedAt"}
OTHER = {THREATS: ("createdAt",), ACTIVITIES: (), AGENTS: ("createdAt",)}      # times that are there too
OPERATORS = ("gte", "gt", "lte", "lt")
SCOPES = ("accountIds", "siteIds")
PLAIN = ("limit", "cursor", "skip", "sortBy", "sortOrder") + SCOPES

_TIME = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,6})?Z")
_NUMBER = re.compile(r"[0-9]{1,9}")
_IDS = re.compile(r"[0-9]{1,20}(,[0-9]{1,20})*")


class BadQuery(ValueError):
    """The vendor answers 400: `code` is the kind of violation, None where the client could not know better."""

    def __init__(self, code, detail):
        super().__init__(detail)
        self.code = code


class ListPage(Records):
    """Records within data, pagination and errors."""

    def __init__(self, following, total, errors, form, versions, make):
        self.following, self.parts = following, (total, errors, form, versions, make)
        pagination = {"nextCursor": following, **({} if total is None else {"totalItems": total})}
        before, behind = b"", b',"pagination":%b' % compact(pagination)
        if form == "pagination_first":
            before, behind = behind[1:] + b",", b""
        if errors or form in ("errors_first", "pagination_first"):
            before = b'"errors":%b,' % compact(errors) + before
        elif form == "errors_null":
            behind = b',"errors":null' + behind
        super().__init__(b"{" + before + b'"data":[', b",", b"]" + behind + b"}", len(versions), lambda: map(make, versions))

    def changed(self, following=None, errors=None, keep=None):
        """The same with another cursor, or with errors and only the first so many records."""
        total, own, form, versions, make = self.parts
        return ListPage(following or self.following, total, errors or own, form, versions[:keep], make)


def parse(pairs, kind, options):
    """The query as the list understands it: kind, bounds, limit, skip, scope, sort, descending, cursor, terms."""
    query = dict(pairs)
    if len(query) != len(pairs):
        raise BadQuery("query", "a parameter given twice")
    asked = SimpleNamespace(kind=kind, bounds=_bounds(query, kind, options), limit=_limit(query, kind, options), cursor=query.get("cursor"),
                            scope=tuple(_ids(query, name) for name in SCOPES), skip=0)
    asked.terms = sorted([name, value] for name, value in pairs if name != "cursor")
    asked.sort, asked.descending = _sort(query, kind)
    if "skip" in query:
        asked.skip = _whole(query, "skip", 0, DEEPEST_SKIP)
    return asked


def complaints(pairs, kind):
    """(code, detail) of what the vendor takes and a client had better not do."""
    query = dict(pairs)
    if query.get("sortBy") != MAIN[kind] or query.get("sortOrder") != "asc":
        yield "sort", f"only sortBy={MAIN[kind]}&sortOrder=asc lets a checkpoint move from page to page"
    if "skip" in query:
        yield "skip", "reaches the first 1000 records only"
    if "limit" not in query:
        yield "limit", "none: pages of a few records"


def _bounds(query, kind, options):
    """{time: (low, high)} in microseconds, both ends included."""
    bounds = {}
    for name, value in query.items():
        if name in PLAIN:
            continue
        field, _, operator = name.partition("__")
        if operator not in OPERATORS or field not in (MAIN[kind], *OTHER[kind]):
            raise BadQuery("filter" if operator else "query", f"{name}: Unknown field")
        if options.other_filters == "refused" and (field, operator) != (MAIN[kind], "gte"):
            raise BadQuery(None, f"{name}: Unknown field")
        if not _TIME.fullmatch(value) or parse_time(value) is None:
            raise BadQuery("time", f"{name}: {value[:40]!r} is not like 2026-11-20T05:14:08.925421Z")
        us = parse_time(value) // 1000
        low, high = bounds.get(field, (None, None))
        if operator in ("gte", "gt"):
            least = us + (operator == "gt")
            low = least if low is None else max(low, least)
        else:
            most = us - (operator == "lt")
            high = most if high is None else min(high, most)
        bounds[field] = low, high
    return bounds


def _limit(query, kind, options):
    if "limit" not in query:
        return options.default_limit
    limit = _whole(query, "limit", 1, LARGEST_LIMIT)
    if kind != THREATS and limit > options.other_limit:
        raise BadQuery(None, f"limit: {limit} is beyond {options.other_limit}")
    return limit


def _sort(query, kind):
    """(field, newest first); field None: as the vendor likes it."""
    field, order = query.get("sortBy"), query.get("sortOrder", "asc")
    if field is not None and field not in (MAIN[kind], *OTHER[kind]):
        raise BadQuery("sort", f"sortBy: {field[:40]!r} is not a valid choice")
    if order not in ("asc", "desc"):
        raise BadQuery("sort", f"sortOrder: {order[:40]!r} is not a valid choice")
    return field, order == "desc"


def _ids(query, name):
    if name not in query:
        return ()
    if not _IDS.fullmatch(query[name]):
        raise BadQuery(name, f"{name}: {query[name][:40]!r} is no list of ids")
    return tuple(sorted(set(query[name].split(","))))


def _whole(query, name, least, most):
    text = query[name]
    if not (_NUMBER.fullmatch(text) and least <= int(text) <= most):
        raise BadQuery(name, f"{name}: {text[:40]!r} is not {least} to {most}")
    return int(text)
