"""Signatures of requests to Duo's Admin API: what is signed, and whether a request's signature is right. Pure."""

import base64
import binascii
import hashlib
import hmac
import re
from email.utils import parsedate_to_datetime
from urllib.parse import quote, unquote_to_bytes

FORMS = {"sha1": hashlib.sha1, "sha512": hashlib.sha512}

_NUMERIC_ZONE = re.compile(r"[A-Z][a-z]{2}, \d{1,2} [A-Z][a-z]{2} \d{4} \d\d:\d\d:\d\d [+-]\d{4}")
_DATE = re.compile(r"[A-Z][a-z]{2}, \d{1,2} [A-Z][a-z]{2} \d{4} \d\d:\d\d:\d\d (?:[+-]\d{4}|GMT)")


def pairs_of(raw_query):
    """(name, value) as bytes, decoded as a form is, in the order sent."""
    pairs = []
    for part in raw_query.split("&") if raw_query else []:
        name, _, value = part.partition("=")
        pairs.append(tuple(unquote_to_bytes(text.replace("+", " ")) for text in (name, value)))
    return pairs


def canonical_query(raw_query):
    """The parameters as they are signed: sorted, unreserved bytes as they are, all others as %XX."""
    return "&".join(f"{quote(name, safe='')}={quote(value, safe='')}" for name, value in sorted(pairs_of(raw_query)))


def canonical_text(form, date, method, host, path, raw_query, body=b"", headers=()):
    """What is signed: five lines, and two more in the newer form. `headers`: all of the request."""
    lines = [date, method.upper(), host.lower(), path, canonical_query(raw_query)]
    if form == "sha512":
        own = sorted((name.lower(), value) for name, value in headers if name.lower().startswith("x-duo-"))
        joined = "\0".join(text for pair in own for text in pair)
        lines += [hashlib.sha512(body).hexdigest(), hashlib.sha512(joined.encode("latin-1", "replace")).hexdigest()]
    return "\n".join(lines)


def sign(secret_key, text, form="sha1"):
    return hmac.new(secret_key.encode(), text.encode("utf-8", "replace"), FORMS[form]).hexdigest()


def split_basic(header):
    """(integration key, signature) of an Authorization header, or None."""
    scheme, _, packed = (header or "").partition(" ")
    try:
        key, colon, signature = base64.b64decode(packed, validate=True).decode("ascii").partition(":")
    except (binascii.Error, ValueError):
        return None
    return (key, signature) if scheme == "Basic" and colon and key else None


def matches(secret_key, signature, forms, request, hosts, paths):
    """(form, host, path) under which a signature is right, or None. Upper-case digits are not."""
    date = date_of(request) or ""
    for form in forms:
        for host in hosts:
            for path in paths:
                text = canonical_text(form, date, request.method, host, path, request.query, request.body, request.headers)
                if hmac.compare_digest(sign(secret_key, text, form).encode(), signature.encode()):
                    return form, host, path
    return None


def date_of(request):
    """The header that is signed as the first line: the vendor's own goes before Date."""
    return request.header("X-Duo-Date") or request.header("Date")


def epoch_of(date, named_zones):
    """Epoch seconds of a Date header in the vendor's form, or None. `named_zones`: GMT will do."""
    if not (_DATE if named_zones else _NUMERIC_ZONE).fullmatch(date or ""):
        return None
    try:
        moment = parsedate_to_datetime(date)
    except ValueError:
        return None
    # The zone -0000 gives a time without one, which is UTC.
    return (moment if moment.tzinfo else parsedate_to_datetime(date[:-5] + "+0000")).timestamp()
