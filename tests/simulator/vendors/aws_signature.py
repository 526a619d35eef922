"""AWS Signature Version 4: what is signed, and with which key. Pure; every service of AWS can use it."""

import hashlib
import hmac
import re
from calendar import timegm
from typing import NamedTuple
from urllib.parse import quote, unquote_to_bytes

ALGORITHM = "AWS4-HMAC-SHA256"
TERMINATOR = "aws4_request"

_AUTHORIZATION = re.compile(r"AWS4-HMAC-SHA256 +Credential=([^,\s]+), *SignedHeaders=([^,\s]+), *Signature=([^,\s]+)")
_STAMP = re.compile(r"(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z")


class Given(NamedTuple):
    """An Authorization header in its parts."""

    key: str
    scope: tuple        # date, region, service, terminator
    signed: tuple       # names of headers
    signature: str


def understand(header):
    """Given of an Authorization header, or None."""
    match = _AUTHORIZATION.fullmatch(header or "")
    if match is None:
        return None
    key, *scope = match.group(1).split("/")
    return Given(key, tuple(scope), tuple(match.group(2).split(";")), match.group(3)) if len(scope) == 4 else None


def canonical_path(path):
    """Each segment with all but the unreserved bytes as %XX; one slash for no path."""
    return "/".join(quote(unquote_to_bytes(part), safe="-_.~") for part in path.split("/")) or "/"


def canonical_query(raw):
    """Parameters by name, then value, encoded as RFC 3986 says."""
    pairs = []
    for part in raw.split("&") if raw else []:
        name, _, value = part.partition("=")
        pairs.append(tuple(quote(unquote_to_bytes(text), safe="-_.~") for text in (name, value)))
    return "&".join(f"{name}={value}" for name, value in sorted(pairs))


def canonical_request(method, path, raw_query, headers, signed, body):
    """`headers`: all of the request; those `signed` are taken, in that order. One that was not sent is empty."""
    lines = [method, canonical_path(path), canonical_query(raw_query)]
    for name in signed:
        values = [" ".join(value.split()) for key, value in headers if key.lower() == name]
        lines.append(f"{name}:{','.join(values)}")
    return "\n".join([*lines, "", ";".join(signed), hashlib.sha256(body).hexdigest()])


def text_to_sign(stamp, scope, canonical):
    return "\n".join((ALGORITHM, stamp, "/".join(scope), hashlib.sha256(canonical.encode("latin-1", "replace")).hexdigest()))


def sign(secret, stamp, scope, canonical):
    """The signature, in lower-case hex digits."""
    key = b"AWS4" + secret.encode()
    for part in scope:
        key = hmac.digest(key, part.encode(), "sha256")
    return hmac.new(key, text_to_sign(stamp, scope, canonical).encode(), "sha256").hexdigest()


def epoch_of(stamp):
    """Epoch seconds of an X-Amz-Date, or None."""
    match = _STAMP.fullmatch(stamp or "")
    if match is None:
        return None
    year, month, day, hour, minute, second = map(int, match.groups())
    good = 1 <= month <= 12 and 1 <= day <= 31 and hour < 24 and minute < 60 and second < 61
    return timegm((year, month, day, hour, minute, second)) if good else None
