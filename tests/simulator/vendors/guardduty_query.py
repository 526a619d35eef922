"""What a client asks of a simulated GuardDuty: criteria of a list, and ids of a details request."""

import json
from typing import NamedTuple, Optional

MOST = 50
# Below this a time in milliseconds is one in seconds (1973).
LEAST_MS = 10 ** 11
INVALID = "The request is rejected because an invalid or out-of-range value is specified as an input parameter."

_BOUNDS = {"gt": "gt", "greaterThan": "gt", "gte": "gte", "greaterThanOrEqual": "gte", "lt": "lt", "lessThan": "lt",
           "lte": "lte", "lessThanOrEqual": "lte"}
_CHOICES = {"eq": True, "equals": True, "neq": False, "notEquals": False}
_LIST_MEMBERS = {"maxResults", "nextToken", "sortCriteria", "findingCriteria"}
_FIELDS = ("updatedAt", "service.archived")


class BadRequest(ValueError):
    """The vendor answers 400: `code` is the kind of violation, None where the client could not know better."""

    def __init__(self, code, detail, message=INVALID):
        super().__init__(detail)
        self.code = code
        self.message = message


class Asked(NamedTuple):
    """A list as it was asked for; times are epoch milliseconds, the upper bound is excluded."""

    limit: int
    low: Optional[int]
    high: Optional[int]
    archived: Optional[frozenset]
    descending: bool
    token: str
    terms: str          # what has to stay the same from page to page
    sorted: bool


def read_body(request):
    kind = (request.header("Content-Type") or "").partition(";")[0].strip().lower()
    if kind != "application/json":
        raise BadRequest("content_type", f"{kind or 'none'} instead of application/json")
    try:
        body = json.loads(request.body)
    except ValueError:
        body = None
    if not isinstance(body, dict):
        raise BadRequest("body", "the body is no JSON object")
    return body


def understand_list(detector, body):
    unknown = body.keys() - _LIST_MEMBERS
    if unknown:
        raise BadRequest("body", f"member {sorted(unknown)[0]}")
    token = body.get("nextToken", "")
    if not isinstance(token, str):
        raise BadRequest("body", "nextToken is a text")
    criteria = body.get("findingCriteria", {})
    if not isinstance(criteria, dict) or criteria.keys() - {"criterion"} or not isinstance(criteria.get("criterion", {}), dict):
        raise BadRequest("criteria", "findingCriteria holds `criterion`")
    low, high, archived = _criterion(criteria.get("criterion", {}))
    order = _order(body.get("sortCriteria"))
    terms = json.dumps([detector, body.get("findingCriteria"), body.get("sortCriteria")], sort_keys=True)
    return Asked(limit_of(body.get("maxResults", MOST)), low, high, archived, order == "DESC", token, terms, "sortCriteria" in body)


def limit_of(value):
    if type(value) is not int or not 1 <= value <= MOST:
        raise BadRequest("max_results", f"maxResults {value!r:.40} is not 1 to {MOST}")
    return value


def understand_ids(body):
    """(ids, order or None) of a details request."""
    unknown = body.keys() - {"findingIds", "sortCriteria"}
    if unknown:
        raise BadRequest("body", f"member {sorted(unknown)[0]}")
    ids = body.get("findingIds")
    if not isinstance(ids, list) or not ids or not all(isinstance(identity, str) for identity in ids):
        raise BadRequest("ids", "findingIds is a list of ids")
    if len(ids) > MOST:
        raise BadRequest("ids", f"{len(ids)} ids, {MOST} are allowed")
    return ids, _order(body.get("sortCriteria")) if "sortCriteria" in body else None


def _order(sort):
    if sort is None:
        return "ASC"
    if not isinstance(sort, dict) or sort.get("attributeName") != "updatedAt" or sort.keys() - {"attributeName", "orderBy"}:
        raise BadRequest("sort", "sortCriteria is attributeName updatedAt and orderBy")
    if sort.get("orderBy", "ASC") not in ("ASC", "DESC"):
        raise BadRequest("sort", "orderBy is ASC or DESC")
    return sort.get("orderBy", "ASC")


def _criterion(criterion):
    low, high, archived = None, None, None
    for field, condition in criterion.items():
        if field not in _FIELDS or not isinstance(condition, dict) or not condition:
            raise BadRequest("criteria", f"criterion {field[:40]}")
        if field == "service.archived":
            archived = _archived(condition)
            continue
        for operator, value in condition.items():
            low, high = _narrow(low, high, operator, value)
    return low, high, archived


def _narrow(low, high, operator, value):
    if operator not in _BOUNDS:
        raise BadRequest("criteria", f"updatedAt: operator {operator[:40]}")
    if type(value) is not int:
        raise BadRequest("criteria", f"updatedAt: {value!r:.40} is not a number of milliseconds")
    if value < LEAST_MS:
        raise BadRequest("criteria", f"updatedAt: {value} is in seconds")
    kind = _BOUNDS[operator]
    if kind in ("gt", "gte"):
        return max(low or 0, value + (kind == "gt")), high
    value += kind == "lte"
    return low, value if high is None else min(high, value)


def _archived(condition):
    chosen = {False, True}
    for operator, values in condition.items():
        if operator not in _CHOICES or not isinstance(values, list) or not values or not set(map(str, values)) <= {"true", "false"}:
            raise BadRequest("criteria", "service.archived: equals or notEquals with a list of \"true\", \"false\"")
        named = {value == "true" for value in values}
        chosen &= named if _CHOICES[operator] else {False, True} - named
    return frozenset(chosen)
