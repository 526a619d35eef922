"""What a request body of the 1Password Events API asks for, and how the reply is framed. Written from the vendor sheet."""

import json
from types import SimpleNamespace

from bodies import Records
from vendors.falcon_query import parse_time
from vendors.templates import compact

LARGEST_LIMIT = 1000
USUAL_LIMIT = 100
RESET = ("limit", "start_time", "end_time")


class BadBody(ValueError):
    """The vendor answers 400: `code` is the kind of violation, None where the client could not know better."""

    def __init__(self, code, detail):
        super().__init__(detail)
        self.code = code


class EventPage(Records):
    """Items beside cursor and has_more."""

    def __init__(self, cursor, more, form, empty, events, make):
        self.parts = (form, empty, events, make)
        known = {"cursor": cursor, "has_more": more}
        plain = b",".join(compact({name: value})[1:-1] for name, value in known.items() if value is not None)
        before, behind = (b'{"items":[', b"]," + plain + b"}") if form == "items_first" else (b"{" + plain + b',"items":[', b"]}")
        if not events and empty != "list":
            before, behind = b"{" + plain + (b',"items":null}' if empty == "null" else b"}"), b""
        super().__init__(before, b",", behind, len(events), lambda: map(make, events))

    def with_cursor(self, cursor, more):
        """The same with another cursor; None: without one."""
        return EventPage(cursor, more, *self.parts)


def parse(request):
    """A reset cursor (cursor None, limit, start, end in nanoseconds or None), or one to go on by (cursor)."""
    body = _object(request)
    unknown = sorted(body.keys() - {"cursor", *RESET})
    if unknown:
        raise BadBody("body", f"unknown member {unknown[0]}")
    if "cursor" in body:
        beside = sorted(body.keys() - {"cursor"})
        if beside:
            raise BadBody("cursor_mixed", f"{', '.join(beside)} beside cursor")
        if not isinstance(body["cursor"], str):
            raise BadBody("unknown_cursor", "the cursor is no text")
        return SimpleNamespace(cursor=body["cursor"])
    asked = SimpleNamespace(cursor=None, limit=body.get("limit", USUAL_LIMIT), start=_time(body, "start_time"), end=_time(body, "end_time"))
    if type(asked.limit) is not int or not 1 <= asked.limit <= LARGEST_LIMIT:
        raise BadBody("limit", f"limit {asked.limit!r} is not 1 to {LARGEST_LIMIT}")
    return asked


def _object(request):
    kind = (request.header("Content-Type") or "").partition(";")[0].strip().lower()
    if kind != "application/json":
        raise BadBody("content_type", f"{kind or 'none'} instead of application/json")
    try:
        body = json.loads(request.body)
    except ValueError:
        body = None
    if not isinstance(body, dict):
        raise BadBody("body", "the body is no JSON object")
    return body


def _time(body, name):
    """Epoch nanoseconds, or None where it is not given."""
    if name not in body:
        return None
    stamp = parse_time(body[name]) if isinstance(body[name], str) else None
    if stamp is None:
        raise BadBody(name, f"{name} {body[name]!r} is not RFC 3339")
    return stamp
