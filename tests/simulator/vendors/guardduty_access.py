"""Who may ask a simulated GuardDuty: access keys, sessions, signatures and clocks, and the refusals in AWS's words."""

import hmac
import time
from collections import deque

from options import Option
from vendors import aws_signature

SERVICE = "guardduty"
MINUTE = 60.0
# A signature seen again after so many seconds was not made afresh: X-Amz-Date has whole seconds.
SIGNATURE_AGE = 2.5
KEPT_SIGNATURES = 50_000
INVALID, UNKNOWN = "InvalidSignatureException", "UnrecognizedClientException"
MISMATCH = ("The request signature we calculated does not match the signature you provided. Check your AWS Secret Access Key and signing"
            " method. Consult the service documentation for details.")
UNKNOWN_TEXT = "The security token included in the request is invalid."


class Access:
    options = (
        Option("keys", "list", ["AKIASIMSIMSIMSIMSIM1:" + "s" * 40], "accepted access keys, id:secret, with :token where it is temporary",
               secret=True),
        Option("denied", "list", [], "of ListDetectors, ListFindings, GetFindings: what the policy does not allow (403)"),
        Option("auth_status", "int", 403, "status of refused signatures, keys and tokens (unverified)"),
        Option("clock_tolerance", "float", 300.0, "seconds that X-Amz-Date may be off; 0: not looked at (unverified)"),
        Option("refused_limit", "int", 10, "refused credentials a minute and key; beyond: violations"),
    )

    def __init__(self, vendor):
        self.vendor = vendor
        self.known = set()          # entries ever accepted: using one later is no violation
        self.expired = set()        # ids of temporary keys whose session has ended
        self._refused = {}          # by key id: times of refused credentials
        self._signatures = {}       # signature: when it was first seen

    def learn(self):
        self.known.update(self.vendor.options.keys)

    def check(self, request, path):
        """A Response to refuse the request, or None. `path`: without where the vendor is mounted."""
        header = request.header("Authorization")
        if header is None:
            return self._refuse(request, "", "MissingAuthenticationTokenException", "Missing Authentication Token",
                                ("authorization", "no Authorization"))
        given = aws_signature.understand(header)
        if given is None:
            return self._refuse(request, "", "IncompleteSignatureException", "Authorization header requires 'Credential', 'SignedHeaders' and"
                                " 'Signature' parameters.", ("authorization", f"no `{aws_signature.ALGORITHM} Credential=…` with all its parts"))
        request.note.update(key=given.key)
        return (self._check_scope(request, given) or self._check_clock(request, given) or self._check_headers(request, given)
                or self._check_key(request, given, path))

    def _check_scope(self, request, given):
        stamp = request.header("X-Amz-Date")
        date, region, service, terminator = given.scope
        if aws_signature.epoch_of(stamp) is None:
            return self._refuse(request, given.key, "IncompleteSignatureException", "Authorization header requires existence of either a"
                                " 'X-Amz-Date' or a 'Date' header.", ("date", f"X-Amz-Date {stamp!r} is not like 20260102T030405Z"))
        if date != stamp[:8]:
            return self._refuse(request, given.key, INVALID, f"Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date"
                                f" from HTTP: '{date}' != '{stamp[:8]}', from '{stamp}'.", ("scope", f"date {date} beside {stamp}"))
        if service != SERVICE:
            return self._refuse(request, given.key, INVALID, f"Credential should be scoped to correct service: '{SERVICE}'.",
                                ("scope", f"service {service}"))
        if terminator != aws_signature.TERMINATOR:
            return self._refuse(request, given.key, INVALID, "Credential should be scoped with a valid terminator: 'aws4_request', not"
                                f" '{terminator}'.", ("scope", f"terminator {terminator}"))
        if region != self.vendor.options.region:
            # What an operator has set: no violation of the client's.
            return self._refuse(request, given.key, INVALID, f"Credential should be scoped to a valid region, not '{region}'.")
        return None

    def _check_clock(self, request, given):
        stamp, now, tolerance = request.header("X-Amz-Date"), self.vendor.now(), self.vendor.options.clock_tolerance
        off = aws_signature.epoch_of(stamp) - now
        if not tolerance or abs(off) <= tolerance:
            return None
        # Where clocks differ the client cannot know before the first refusal: refused_limit judges the others.
        self.vendor.counters["bad_dates"] += 1
        edge = now - tolerance if off < 0 else now + tolerance
        text = (f"Signature expired: {stamp} is now earlier than" if off < 0 else f"Signature not yet current: {stamp} is still later than")
        sign = "-" if off < 0 else "+"
        return self._refuse(request, given.key, INVALID, f"{text} {_stamp(edge)} ({_stamp(now)} {sign} {tolerance / MINUTE:g} min.)")

    def _check_headers(self, request, given):
        present = {name.lower() for name, _ in request.headers}
        must = {"host", "x-amz-date"} | {name for name in present if name == "content-type" or name.startswith("x-amz-")}
        missing = sorted(must - set(given.signed))
        if missing:
            return self._refuse(request, given.key, INVALID, MISMATCH, ("signed_headers", f"not signed: {', '.join(missing)}"))
        if list(given.signed) != sorted(set(given.signed)) or any(name != name.lower() for name in given.signed):
            return self._refuse(request, given.key, INVALID, MISMATCH, ("signed_headers", "not in lower case, in order, each once"))
        absent = sorted(set(given.signed) - present)
        if absent:
            return self._refuse(request, given.key, INVALID, MISMATCH, ("signed_headers", f"signed and not sent: {', '.join(absent)}"))
        return None

    def _check_key(self, request, given, path):
        token = request.header("X-Amz-Security-Token")
        own = [_split(entry) for entry in self.known if entry.partition(":")[0] == given.key]
        accepted = [_split(entry) for entry in self.vendor.options.keys if entry.partition(":")[0] == given.key]
        if not accepted:
            violation = None if own else ("authorization", "an access key never issued")
            return self._refuse(request, given.key, UNKNOWN, UNKNOWN_TEXT, violation)
        if token not in [entry[2] for entry in accepted]:
            # A token left out is an operator's mistake; one that nobody gave out is not.
            known = token is None or token in [entry[2] for entry in own]
            return self._refuse(request, given.key, UNKNOWN, UNKNOWN_TEXT, None if known else ("authorization", "a session token never issued"))
        secrets = [entry[1] for entry in accepted if entry[2] == token]
        if not any(self._matches(secret, request, given, path) for secret in secrets):
            replaced = any(self._matches(entry[1], request, given, path) for entry in own if entry[1] not in secrets)
            return self._refuse(request, given.key, INVALID, MISMATCH, None if replaced else
                                ("signature", "wrong secret key, or something else signed than was sent"))
        self._check_fresh(request, given)
        if given.key in self.expired:
            return self._refuse(request, given.key, "ExpiredTokenException", "The security token included in the request is expired")
        return None

    def _matches(self, secret, request, given, path):
        """The path may be signed with or without where we are mounted."""
        for signed_path in (request.path, path):
            canonical = aws_signature.canonical_request(request.method, signed_path, request.query, request.headers, given.signed,
                                                        request.body)
            if hmac.compare_digest(aws_signature.sign(secret, request.header("X-Amz-Date"), given.scope, canonical).encode(),
                                   given.signature.encode()):
                request.note.update(signed_path=signed_path)
                return True
        return False

    def _check_fresh(self, request, given):
        if len(self._signatures) >= KEPT_SIGNATURES:
            self._signatures.clear()
        first = self._signatures.setdefault(given.signature, request.monotonic)
        if request.monotonic - first > SIGNATURE_AGE:
            self.vendor.violate(request, "stale_signature", f"the signature was used {request.monotonic - first:.1f} s ago already")

    def _refuse(self, request, key, name, message, violation=None):
        if violation:
            self.vendor.violate(request, *violation)
        self.vendor.counters["refused_credentials"] += 1
        times = self._refused.setdefault(key, deque())
        while times and times[0] <= request.monotonic - MINUTE:
            times.popleft()
        times.append(request.monotonic)
        if len(times) > self.vendor.options.refused_limit:
            self.vendor.violate(request, "refused_again", f"{len(times)} refused credentials in a minute")
        return self.vendor.error(self.vendor.options.auth_status, request, name, message)

    def details(self):
        return {"refused_credentials": self.vendor.counters["refused_credentials"], "bad_dates": self.vendor.counters["bad_dates"]}

    def save(self):
        return {"keys": self.vendor.options.keys, "known": self.known, "expired": self.expired}

    def restore(self, saved):
        self.vendor.options.keys, self.known, self.expired = saved["keys"], saved["known"], saved["expired"]


def _split(entry):
    """(id, secret, token or None)."""
    key, _, rest = entry.partition(":")
    secret, colon, token = rest.partition(":")
    return key, secret, token if colon else None


def _stamp(epoch):
    return time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(epoch))
