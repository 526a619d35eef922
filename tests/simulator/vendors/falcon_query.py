"""What a Falcon query asks for: FQL filters on times, sort forms, whole numbers. Written from the vendor sheet."""

import re
from bisect import bisect_left, bisect_right
from datetime import datetime, timezone
from functools import lru_cache

NS = 1_000_000_000

_TIME = re.compile(r"(\d{4}-\d\d-\d\d)T(\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?(Z|[+-]\d\d:\d\d)")
_TERM = re.compile(r"([a-z_]+):(>=|<=|>|<|)'([^']*)'")
# Bytes of a filter that a URL may not hold as they are.
_UNENCODED = re.compile(r"['<>+ \"]")


class BadQuery(ValueError):
    """The vendor answers 400: `code` is the kind of violation, None where the sheet does not forbid it."""

    def __init__(self, code, detail):
        super().__init__(detail)
        self.code = code


def parse_time(text):
    """Epoch nanoseconds of an RFC 3339 time with 0 to 9 fraction digits and a zone, or None."""
    match = _TIME.fullmatch(text)
    if not match:
        return None
    day, clock, fraction, zone = match.groups()
    try:
        moment = datetime.fromisoformat(f"{day}T{clock}{'+00:00' if zone == 'Z' else zone}")
    except ValueError:
        return None
    whole = moment - datetime(1970, 1, 1, tzinfo=timezone.utc)
    return (whole.days * 86400 + whole.seconds) * NS + int((fraction or "0").ljust(9, "0"))


def format_time(stamp, digits):
    """RFC 3339 with so many fraction digits; more precise digits are cut off."""
    second, fraction = divmod(stamp, NS)
    return f"{_second(second)}{f'.{fraction:09d}'[:digits + 1] if digits else ''}Z"


@lru_cache(maxsize=8192)
def _second(epoch):
    return datetime.fromtimestamp(epoch, timezone.utc).strftime("%Y-%m-%dT%H:%M:%S")


class Filter:
    """Terms joined by `+`, all of them on times: {field: (least, most)} in nanoseconds, both ends included."""

    def __init__(self, text, fields):
        self.text = text
        self.bounds = {}
        at = 0
        while text and at <= len(text):
            match = _TERM.match(text, at)
            if not match:
                raise BadQuery("filter", f"no FQL at {text[at:at + 40]!r}")
            field, operator, value = match.groups()
            if field not in fields:
                raise BadQuery("filter", f"no field {field}; there are: {', '.join(fields)}")
            stamp = parse_time(value)
            if stamp is None:
                raise BadQuery("filter", f"{value!r} is not RFC 3339 with a zone")
            self._narrow(field, operator, stamp)
            at = match.end()
            if at == len(text):
                break
            if text[at] != "+":
                raise BadQuery("filter", f"no `+` at {text[at:at + 40]!r}")
            at += 1

    def _narrow(self, field, operator, stamp):
        least, most = self.bounds.get(field, (None, None))
        low = {">": stamp + 1, ">=": stamp, "": stamp}.get(operator)
        high = {"<": stamp - 1, "<=": stamp, "": stamp}.get(operator)
        self.bounds[field] = (low if least is None else max(least, low) if low is not None else least,
                              high if most is None else min(most, high) if high is not None else most)

    def holds(self, **stamps):
        return all((low is None or low <= stamps[field]) and (high is None or stamps[field] <= high)
                   for field, (low, high) in self.bounds.items())

    def cut(self, order, field):
        """The part of a list of (stamp, ...) in order that the bounds of `field` leave."""
        low, high = self.bounds.get(field, (None, None))
        begin = 0 if low is None else bisect_left(order, (low,))
        end = len(order) if high is None else bisect_right(order, (high + 1,))
        # (high + 1,) sorts before every (high + 1, ...), so that exactly those up to `high` are left.
        return order[begin:max(begin, end)]


def check_encoding(raw_query):
    """Why the raw query breaks the rule that FQL is URL-encoded, or None."""
    for part in raw_query.split("&"):
        name, _, value = part.partition("=")
        found = name == "filter" and _UNENCODED.search(value)
        if found:
            return f"{found.group()!r} in the filter is not URL-encoded"
    return None


def parse_sort(text, fields, separators):
    """(field, descending) of `field|asc`, `field.desc` ...; `separators` are those that the endpoint knows."""
    for separator in separators:
        field, found, direction = text.rpartition(separator)
        if found and field in fields and direction in ("asc", "desc"):
            return field, direction == "desc"
    shown = " or ".join(f"{fields[0]}{separator}asc" for separator in separators)
    raise BadQuery("sort", f"{text!r} is not like {shown}")


def parse_number(query, name, default, least, most, code=None):
    """A whole number of the query."""
    text = query.get(name)
    if text is None:
        return default
    if not (text.isascii() and text.isdigit() and len(text) <= 9):
        raise BadQuery(code or name, f"{name}={text} is not a whole number")
    if not least <= int(text) <= most:
        raise BadQuery(code or name, f"{name}={text} is not {least} to {most}")
    return int(text)
