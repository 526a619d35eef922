"""What a client asks of a simulated Office 365 Management Activity API: paths, identifiers and windows, and what is wrong with them."""

import re
from calendar import timegm
from typing import NamedTuple, Optional
from urllib.parse import unquote

from vendors.office_content import KINDS

DAY = 86400
HISTORY = 7 * DAY
ANONYMOUS = "00000000-0000-0000-0000-000000000000"

TEXTS = {
    "AF10001": "The permission set ({0}) sent in the request did not include the expected permission {1}.",
    "AF20001": "Missing parameter: {0}.", "AF20002": "Invalid parameter type: {0}. Expected type: {1}",
    "AF20010": "The tenant ID passed in the URL ({0}) does not match the tenant ID passed in the access token ({1}).",
    "AF20011": "Specified tenant ID ({0}) does not exist in the system or has been deleted.",
    "AF20012": "Specified tenant ID ({0}) is incorrectly configured in the system.",
    "AF20013": "The tenant ID passed in the URL ({0}) is not a valid GUID.",
    "AF20020": "The specified content type is not valid.", "AF20022": "No subscription found for the specified content type.",
    "AF20023": "The subscription was disabled by {0}.", "AF20024": "The subscription is already enabled. No property change.",
    "AF20030": "Start time and end time must both be specified (or both omitted) and must be less than or equal to 24 hours apart, with the"
               " start time no more than 7 days in the past.",
    "AF20031": "Invalid nextPage Input: {0}.", "AF20050": "The specified content ({0}) does not exist.",
    "AF20051": "Content requested with the key {0} has already expired. Content older than 7 days cannot be retrieved.",
    "AF20052": "Content ID {0} in the URL is invalid.", "AF429": "Too many requests. Method={0}, PublisherId={1}",
    "AF50000": "An internal error occurred. Retry the request.",
}
TEXTS["AF20055"] = TEXTS["AF20030"]

_PATH = re.compile(r"/api/v1(?:\.0)?/([^/]+)/activity/feed/(?:subscriptions/(list|start|content)|(audit)/([^/]+))")
_TIME = re.compile(r"(\d{4})-(\d\d)-(\d\d)(?:T(\d\d):(\d\d)(?::(\d\d))?(Z?))?")
_GUID = re.compile(r"[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}")
_CONTENT_ID = re.compile(r"\d{23}\$\d{23}\$\w+\$\w+")

NAMES = {       # parameters by step; PublisherIdentifier is everywhere
    "list": (), "start": ("contentType",), "content": ("contentType", "startTime", "endTime", "nextPage"), "audit": (),
}


class BadCall(ValueError):
    """The vendor refuses: `af` is its code, filled with `values`; `code` the kind of violation, None where the client could not know."""

    def __init__(self, code, detail, af, *values):
        super().__init__(detail)
        self.code = code
        self.af = af
        self.values = values


class Path(NamedTuple):
    tenant: str
    step: str           # list, start, content, audit
    content_id: str


class Window(NamedTuple):
    """Epoch seconds, as the texts say; the end is excluded."""

    low: float
    high: float
    texts: Optional[tuple]      # startTime and endTime as they were given; None: neither was


def parse_path(path):
    match = _PATH.fullmatch(path)
    if match is None:
        return None
    tenant, step, audit, content_id = match.groups()
    return Path(unquote(tenant), step or audit, unquote(content_id or ""))


def is_guid(text):
    return _GUID.fullmatch(text) is not None


def check_content_id(text):
    if _CONTENT_ID.fullmatch(text) is None:
        raise BadCall("content_id", f"{text[:80]!r} is no contentId", "AF20052", text[:120])


def content_kind(query):
    """Data type of the parameter contentType."""
    text = query.get("contentType")
    if text is None:
        raise BadCall("content_type", "contentType is missing", "AF20001", "contentType")
    if text not in KINDS:
        raise BadCall("content_type", f"contentType {text[:60]!r}", "AF20020")
    return KINDS[text]


def understand_window(query, now, options):
    texts = query.get("startTime"), query.get("endTime")
    if texts == (None, None):
        return Window(now - DAY, now, None)
    if None in texts:
        raise BadCall("window", "one of startTime and endTime", options.window_code)
    low, high = (_epoch(name, text, options) for name, text in zip(("startTime", "endTime"), texts))
    if low >= high:
        raise BadCall("window", f"{texts[0]} is not before {texts[1]}", options.window_code)
    if high - low > DAY:
        raise BadCall("window", f"{texts[0]} to {texts[1]} is more than 24 hours", options.window_code)
    if low < now - HISTORY:
        # Where clocks differ the client may not know how old it is.
        known = low < now - HISTORY - abs(options.clock_skew)
        raise BadCall("window" if known else None, f"{texts[0]} is more than 7 days ago", options.window_code)
    return Window(low, high, texts)


def _epoch(name, text, options):
    match = _TIME.fullmatch(text)
    if match is None:
        raise BadCall("time", f"{name} {text[:40]!r} is not like 2026-01-05T20:00:00", "AF20002", name, "DateTime")
    if match.group(7) and options.z_times == "refused":
        raise BadCall(None, f"{name} {text} has a zone", "AF20002", name, "DateTime")
    year, month, day, hour, minute, second = (int(part or 0) for part in match.groups()[:6])
    if not (1 <= month <= 12 and 1 <= day <= 31 and hour < 24 and minute < 60 and second < 60):
        raise BadCall("time", f"{name} {text} is no time", "AF20002", name, "DateTime")
    return timegm((year, month, day, hour, minute, second))
