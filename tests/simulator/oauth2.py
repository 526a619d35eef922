"""An OAuth2 token endpoint for simulated vendors: client credentials, and what such endpoints do wrong.

A vendor makes a TokenEndpoint with the Rules of its sheet, adds `options(rules)` to its own, and gives it each request
for the token path (`inspect`, `answer`, `finish`) and each bearer (`bearer`). Every token request is written down with
its time, so that a test can count one request per expiry and see that nothing was asked before a named time.
"""

import base64
import hashlib
import hmac
import json
import math
import time
from collections import deque
from dataclasses import dataclass, field
from itertools import count
from typing import Optional
from urllib.parse import parse_qsl, quote, unquote, unquote_plus

from bodies import Bytes
from messages import Response, html_response, json_response, note_token
from options import Option

MINUTE = 60.0
# A refused token may be in requests that were on their way; so long after its first refusal nobody has an excuse.
REFUSED_GRACE = 1.0
# A token may be sent so long behind the end that was told: it was on its way.
EXPIRED_GRACE = 1.0
DOMAIN = b"simulated token"

AAD = {     # what a Microsoft-like endpoint says; {client} is the client id
    "AADSTS7000215": ("invalid_client", 401, "Invalid client secret provided. Ensure the secret being sent in the request is "
                      "the client secret value, not the client secret ID, for a secret added to app '{client}'."),
    "AADSTS7000222": ("invalid_client", 401, "The provided client secret keys for app '{client}' are expired. Visit the "
                      "Azure portal to create new keys for your app."),
    "AADSTS700016": ("unauthorized_client", 400, "Application with identifier '{client}' was not found in the directory "
                     "'Contoso'. You may have sent your authentication request to the wrong tenant."),
    "AADSTS90002": ("invalid_request", 400, "Tenant 'contoso' not found. Check to make sure you have the correct tenant ID."),
    "AADSTS1002012": ("invalid_scope", 400, "The provided value for scope is not valid. Client credential flows must have a "
                      "scope value with /.default suffixed to the resource identifier."),
}
REFUSALS = {    # RFC 6749 5.2: usual status, description
    "invalid_request": (400, "The request is missing a required parameter."),
    "invalid_client": (401, "Client authentication failed."),
    "invalid_grant": (400, "The provided authorization grant is invalid, expired or revoked."),
    "unauthorized_client": (400, "The client is not authorized to use this grant type."),
    "unsupported_grant_type": (400, "The grant type is not supported."),
    "invalid_scope": (400, "The requested scope is invalid or unknown."),
    "invalid_target": (400, "The requested audience or resource is invalid."),
    "server_error": (500, "The server could not complete the request."),
}
# Good status, bad content: how the reply's JSON differs.
ODDITIES = ("garbage", "truncated", "array", "empty", "number", "huge", "missing", "null", "blank", "line_break", "other_type")
REPLIES = (*REFUSALS, *AAD, "throttled", "html_login", *ODDITIES)


@dataclass(frozen=True)
class Rules:
    """What the vendor's sheet says of its endpoint."""

    path: str
    encoding: str = "form"      # form or json
    client_auth: str = "body"   # body, basic, or either
    fixed: tuple = ()           # (member, value) that must be there with this value: grant_type, scope, audience, resource
    optional: tuple = ()        # members that may be there
    status: int = 200
    token_type: str = "Bearer"
    expires_in: int = 3600
    per_minute: int = 0         # token requests a minute and address; 0: as many as you like


@dataclass
class Token:
    client: str
    issued: float               # vendor time
    told: Optional[float]       # until when it lives by what the client was told; None: nothing was told
    ends: float                 # when it really ends
    revoked: bool = False
    refused: Optional[float] = None     # when it was first refused, on the monotonic clock


@dataclass
class Asked:
    """One token request as it was understood."""

    entry: dict
    fault: Optional[tuple] = None       # (error, status or None)
    client: str = ""
    began: float = 0.0                  # monotonic
    secrets: list = field(default_factory=list)


def options(rules):
    """Rows for the vendor's options_table."""
    return (
        Option("clients", "list", ["sim-client:sim-secret"], "accepted clients, id:secret", secret=True),
        Option("token_expires_in", "str", str(rules.expires_in), "the reply's expires_in as raw JSON; empty: none"),
        Option("token_lives", "float", 0.0, "how long a token really lives; 0: as told"),
        Option("token_status", "int", rules.status, "status of a good reply"),
        Option("token_bytes", "int", 0, "tokens are at least so long"),
        Option("token_rate", "int", rules.per_minute, "token requests a minute and address; 0: not limited"),
    )


class TokenEndpoint:
    def __init__(self, vendor, rules):
        self.vendor = vendor
        self.rules = rules
        self.tokens = {}
        self.known_clients = set()      # ever accepted: using one later is no violation
        self.log = []
        self.refused_bearers = 0
        self._numbers = count(1)
        self._times = {}                # peer: times of its token requests
        self._last_refusal = None       # monotonic
        self.learn_clients()

    def learn_clients(self):
        """To be called whenever options may have changed."""
        self.known_clients.update(self.vendor.options.clients)

    # A token request.

    def inspect(self, request):
        """Note violations and the log's line; return a Response to refuse the request at once, or None."""
        asked = request.asked = Asked(self._entry(request), began=request.monotonic)
        self.log.append(asked.entry)
        throttled = self._spend(request)
        if throttled:
            return throttled
        if request.method != "POST":
            self.vendor.violate(request, "token_method", request.method)
            return self.vendor.error(405, request)
        self._check_target(request)
        members = self._members(request)
        if members is None:
            asked.fault = ("invalid_request", None)
        else:
            asked.fault = self._check_members(request, members) or self._check_client(request, members)
        asked.entry["client_id"] = asked.client
        return self._refuse(request, *asked.fault) if asked.fault else None

    def _entry(self, request):
        newest = max(self.tokens.values(), key=lambda token: token.issued, default=None)
        now = self.vendor.now()
        return {"n": next(self._numbers), "wall": request.wall, "monotonic": request.monotonic, "peer": request.peer,
                "client_id": None, "status": None, "outcome": None, "token": None, "expires_in": None, "lives": None,
                # Of the newest token: seconds left by what was told, and whether it would still be accepted.
                "left": None if newest is None or newest.told is None else round(newest.told - now, 3),
                "accepted": newest is not None and not newest.revoked and now < newest.ends,
                "since_refusal": None if self._last_refusal is None else round(request.monotonic - self._last_refusal, 3),
                "violations": request.violations}

    def _spend(self, request):
        limit = self.vendor.options.token_rate
        times = self._times.setdefault(request.peer, deque())
        while times and times[0] <= request.monotonic - MINUTE:
            times.popleft()
        times.append(request.monotonic)
        if limit:
            request.note["budget"] = [limit, max(0, limit - len(times))]
        if not limit or len(times) <= limit:
            return None
        self.vendor.violate(request, "token_budget", f"{len(times)} token requests in a minute, {limit} are allowed")
        return self.throttled(request, math.ceil(times[-limit] + MINUTE - request.monotonic))

    def _check_target(self, request):
        if request.query:
            self.vendor.violate(request, "token_query", "a token request has no query")
        target = unquote_plus(request.target)
        if any(secret and secret in target for secret in self.secrets()):
            self.vendor.violate(request, "secret_in_url", "a client secret in the URL")

    def _members(self, request):
        """The body's members, or None when it is not what the vendor reads."""
        wanted = {"form": "application/x-www-form-urlencoded", "json": "application/json"}[self.rules.encoding]
        kind = (request.header("Content-Type") or "").partition(";")[0].strip().lower()
        if kind != wanted:
            self.vendor.violate(request, "token_content_type", f"{kind or 'none'} instead of {wanted}")
            return None
        try:
            if self.rules.encoding == "json":
                pairs = json.loads(request.body, object_pairs_hook=list)
            else:
                pairs = parse_qsl(request.body.decode(), keep_blank_values=True, strict_parsing=bool(request.body))
        except ValueError:
            pairs = None
        good = isinstance(pairs, list) and all(isinstance(pair, tuple) and isinstance(pair[1], str) for pair in pairs)
        if not good:
            self.vendor.violate(request, "token_body", f"no {self.rules.encoding} members with text values")
            return None
        if len(dict(pairs)) != len(pairs):
            self.vendor.violate(request, "token_member", "a member given twice")
        return dict(pairs)

    def _check_members(self, request, members):
        """What the vendor would refuse; members too many are a violation alone."""
        fixed = dict(self.rules.fixed)
        for name in members.keys() - fixed.keys() - {"client_id", "client_secret", *self.rules.optional}:
            self.vendor.violate(request, "token_member", f"{name} is not in the sheet")
        for name, value in fixed.items():
            if members.get(name) != value:
                wrong = "missing" if name not in members else "not as the vendor wants it"
                self.vendor.violate(request, "token_member", f"{name} is {wrong}")
                error = {"grant_type": "unsupported_grant_type" if name in members else "invalid_request",
                         "scope": "invalid_scope"}.get(name, "invalid_target")
                return error, None
        return None

    def _check_client(self, request, members):
        header = request.header("Authorization")
        if header is not None and self.rules.client_auth == "body":
            self.vendor.violate(request, "token_authorization", "an Authorization header; the client goes into the body")
        if header is None and self.rules.client_auth == "basic":
            self.vendor.violate(request, "token_authorization", "no basic authentication")
            return "invalid_client", None
        if header is not None and self.rules.client_auth != "body":
            if "client_secret" in members:
                self.vendor.violate(request, "token_member", "client_secret in the body beside basic authentication")
            pairs = _basic(header)
            if pairs is None:
                self.vendor.violate(request, "token_authorization", "no `Basic <base64 of id:secret>`")
                return "invalid_client", None
        else:
            for name in ("client_id", "client_secret"):
                if not members.get(name):
                    self.vendor.violate(request, "token_member", f"{name} is missing")
                    return "invalid_request", None
            pairs = [f"{members['client_id']}:{members['client_secret']}"]
        request.asked.client = pairs[0].partition(":")[0]
        if any(pair in self.vendor.options.clients for pair in pairs):
            return None
        if not any(pair in self.known_clients for pair in pairs):
            self.vendor.violate(request, "token_client", "a client never issued")
        return "invalid_client", None

    def answer(self, request):
        """A token for a good request."""
        raw, now = self.vendor.options.token_expires_in, self.vendor.now()
        told = _seconds(raw)
        lives = self.vendor.options.token_lives or (told if told else self.rules.expires_in)
        text = self.issue(request.asked.client, now, told, lives)
        entry = request.asked.entry
        entry.update(token=shown_token(text), expires_in=raw, lives=lives)
        return self._reply(json.dumps(text), raw)

    def issue(self, client, now, told, lives):
        header = _base64(b'{"alg":"HS256","typ":"JWT"}')
        plain = {"sub": client, "iat": round(now, 3), "jti": f"{len(self.tokens)}/{time.monotonic_ns()}"}
        missing = self.vendor.options.token_bytes - len(header) - 46 - len(_base64(json.dumps(plain).encode()))
        if missing > 0:
            plain["pad"] = "x" * (missing * 3 // 4 + 3)
        body = f"{header}.{_base64(json.dumps(plain).encode())}"
        text = f"{body}.{_base64(self._sign(body))}"
        self.tokens[text] = Token(client, now, now + told if told is not None else None, now + lives)
        note_token(text)
        return text

    def _reply(self, access_token, expires_in, token_type=None):
        """A good reply; `access_token` is JSON, or None for a reply without."""
        members = [] if access_token is None else [f'"access_token":{access_token}']
        members.append(f'"token_type":{json.dumps(token_type or self.rules.token_type)}')
        if expires_in:
            members.append(f'"expires_in":{expires_in}')
        return json_response(self.vendor.options.token_status, f"{{{','.join(members)}}}".encode())

    def finish(self, request, response):
        """Note in the log what the client was told, whoever said it."""
        asked = request.asked
        if not isinstance(asked, Asked) or asked.entry["status"] is not None:
            return
        entry = asked.entry
        entry["status"] = response.status
        if 200 <= response.status < 300:
            entry["outcome"] = entry["outcome"] or "issued"
        else:
            self._last_refusal = time.monotonic()
            entry["outcome"] = entry["outcome"] or (asked.fault[0] if asked.fault else str(response.status))

    # Replies that are no token.

    def _refuse(self, request, error, status, description=None):
        request.asked.entry["outcome"] = error
        return self.vendor.token_refusal(request, error, status, description)

    def throttled(self, request, seconds):
        request.asked.entry["outcome"] = "throttled"
        return self.vendor.token_throttled(request, seconds)

    def error_reply(self, request, reply="invalid_client", status=None, retry_after=None, bytes=1024 * 1024, style="vendor"):
        """Misbehaviour token_error: `reply` (REPLIES) in place of a token. status: another than usual. retry_after: with
        `throttled` or a refusal, seconds told. bytes: length of a huge token. style rfc: as RFC 6749 says, whatever the
        vendor does."""
        entry = request.asked.entry
        entry["outcome"] = reply
        if reply == "throttled":
            response = self.vendor.token_throttled(request, None)
        elif reply == "html_login":
            response = html_response(int(status or 200), "<!DOCTYPE html>\n<html><head><title>Sign in to your account</title>"
                                     "</head><body><form method=\"post\" action=\"/login\"></form></body></html>\n")
        elif reply in AAD:
            error, usual, text = AAD[reply]
            client = request.asked.client or "unknown"
            response = rfc_refusal(request, error, int(status or usual), f"{reply}: {text.format(client=client)} Trace ID: "
                                   f"00000000-0000-4000-8000-{entry['n']:012d}", code=int(reply.removeprefix("AADSTS")))
        elif reply in REFUSALS:
            refuse = rfc_refusal if style == "rfc" else self.vendor.token_refusal
            response = refuse(request, reply, int(status) if status else None, None)
        else:
            response = self._odd(reply, int(bytes))
        if retry_after is not None:
            response.set("Retry-After", str(int(retry_after)))
            response.wait_until = self.vendor.now() + int(retry_after)
        return response

    def _odd(self, reply, size):
        kind = [("Content-Type", "application/json")]
        status, expires = self.vendor.options.token_status, self.vendor.options.token_expires_in
        if reply in ("garbage", "truncated", "array", "empty"):
            data = {"garbage": b'{"access_token": nope, ]} \x00\x01', "truncated": b'{"access_token":"eyJhbGciOi',
                    "array": b'["access_token","expires_in"]', "empty": b""}[reply]
            return Response(status, kind, Bytes(data))
        if reply == "other_type":
            return self._reply('"0123456789abcdef"', expires, "mac")
        token = {"number": "1234567890123456789", "huge": '"' + "h" * size + '"', "missing": None, "null": "null",
                 "blank": '""', "line_break": r'"abc\r\nX-Injected: 1"'}[reply]
        return self._reply(token, expires)

    # Bearers.

    def bearer(self, request):
        """What the Authorization header is worth: ("good", token), or (missing|malformed|unknown|expired|revoked, None)."""
        value = request.header("Authorization")
        if value is None:
            self.vendor.violate(request, "authorization", "no Authorization")
            return "missing", None
        scheme, _, text = value.partition(" ")
        if scheme != "Bearer" or not text or any(char.isspace() for char in text):
            self.vendor.violate(request, "authorization", "not `Bearer <token>`")
            return "malformed", None
        token = self.tokens.get(text)
        if token is None:
            body, _, signature = text.rpartition(".")
            ours = body.isascii() and hmac.compare_digest(signature.encode(), _base64(self._sign(body)).encode())
            if not ours:        # one of before a restart is ours, and forgotten
                self.vendor.violate(request, "authorization", "a token never issued")
            self.refused_bearers += 1
            return "unknown", None
        now = self.vendor.now()
        if token.told is not None and now > token.told + EXPIRED_GRACE:
            self.vendor.violate(request, "expired_bearer", f"{now - token.told:.1f} s behind the end that was told")
        if not token.revoked and now < token.ends:
            return "good", token
        self.refused_bearers += 1
        if token.refused is None:
            token.refused = request.monotonic
        elif request.monotonic - token.refused > REFUSED_GRACE:
            self.vendor.violate(request, "refused_bearer", f"refused {request.monotonic - token.refused:.1f} s ago already")
        return "revoked" if token.revoked else "expired", None

    def revoke_all(self):
        """No token issued so far is accepted any more."""
        living = [token for token in self.tokens.values() if not token.revoked and self.vendor.now() < token.ends]
        for token in living:
            token.revoked = True
        return len(living)

    def _sign(self, body):
        return hmac.digest(b"%b %d" % (DOMAIN, self.vendor.seed), body.encode(), "sha256")

    # Looking.

    def secrets(self):
        return {client.partition(":")[2] for client in self.known_clients}

    def shown(self, target):
        """A target without the secrets of clients, however they are encoded."""
        for secret in sorted(filter(None, self.secrets()), key=len, reverse=True):
            for form in {secret, quote(secret), quote(secret, safe="")}:
                target = target.replace(form, "sha256:" + hashlib.sha256(secret.encode()).hexdigest()[:16])
        return target

    def details(self):
        issued = sum(entry["token"] is not None for entry in self.log)
        return {"token_requests": len(self.log), "tokens_issued": issued, "refused_bearers": self.refused_bearers}

    def save(self):
        return {"tokens": self.tokens, "known": self.known_clients, "clients": self.vendor.options.clients}

    def restore(self, saved):
        self.tokens, self.known_clients = saved["tokens"], saved["known"]
        self.vendor.options.clients = saved["clients"]


def rfc_refusal(request, error, status, description, code=None):
    """An error as RFC 6749 5.2 writes it; with `code` as Microsoft does."""
    usual, text = REFUSALS[error]
    data = {"error": error, "error_description": description or text}
    if code is not None:
        data.update(error_codes=[code], timestamp=time.strftime("%Y-%m-%d %H:%M:%SZ", time.gmtime(request.wall)))
    response = json_response(status or usual, json.dumps(data).encode())
    if response.status == 401:
        response.headers.append(("WWW-Authenticate", 'Basic realm="token"'))
    return response


def rfc_throttled(vendor, seconds):
    """429 with Retry-After, or without when no time is known."""
    response = json_response(429, b'{"error":"temporarily_unavailable","error_description":"Too many requests."}')
    if seconds is not None:
        response.set("Retry-After", str(seconds))
        response.wait_until = vendor.now() + seconds
    return response


def shown_token(text):
    """How the log of requests shows the header `Authorization: Bearer <text>`."""
    return "sha256:" + hashlib.sha256(f"Bearer {text}".encode()).hexdigest()[:16]


def _basic(header):
    """`id:secret` in the forms a client may have meant: decoded as RFC 6749 2.3.1 wants, and as it stands."""
    scheme, _, data = header.partition(" ")
    try:
        plain = base64.b64decode(data, validate=True).decode()
    except ValueError:
        return None
    if scheme.lower() != "basic" or ":" not in plain:
        return None
    identity, _, secret = plain.partition(":")
    return [f"{unquote(identity.replace('+', ' '))}:{unquote(secret.replace('+', ' '))}", plain]


def _seconds(raw):
    """expires_in as a client must read it: a positive number, also as text; else None."""
    try:
        value = json.loads(raw) if raw else None
        seconds = float(value) if not isinstance(value, bool) and value is not None else 0.0
    except (TypeError, ValueError):
        return None
    return seconds if 0 < seconds < 1e12 else None


def _base64(data):
    return base64.urlsafe_b64encode(data).decode().rstrip("=")
