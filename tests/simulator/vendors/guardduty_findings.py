"""Findings of simulated GuardDuty detectors, and how they change. Every version is a pure function of the seed, its number, its
revision and its times; bytes are made when they are sent, and again when somebody reads the ledger.

A finding that is seen again is updated in place: its count grows, its updatedAt is newer, and what was before cannot be asked
for any more. Everything is done under the vendor's lock.
"""

import time
from bisect import bisect_left, insort
from functools import lru_cache
from random import Random
from typing import NamedTuple

from options import OptionError
from vendors.growth import Rate
from vendors.templates import PEOPLE, PLACES, Look, digest, make_look, template

WHICH = ("any", "first", "last", "page")
HISTORY = 90 * 86400
ACCOUNT = 111122223333


class Finding(NamedTuple):
    """One version of a finding; times are epoch milliseconds."""

    number: int
    revision: int
    detector: str
    created: int
    updated: int
    archived: bool
    look: Look


class Factory:
    """Identities and bytes."""

    def __init__(self, seed, options):
        self.seed = seed
        self.region = options.region
        self.members = max(0, options.members)

    def finding_id(self, number):
        return digest(self.seed, f"finding/{number}")[:32]

    def identify(self, version):
        return f"{self.finding_id(version.number)}~{stamp(version.updated)}"

    def data(self, version):
        """The bytes of one version."""
        chance = Random(digest(self.seed, f"content/{version.number}"))
        own, kind = self.finding_id(version.number), chance.choice(_TYPES)
        account = str(ACCOUNT + version.number % (self.members + 1))
        partition = "aws-cn" if self.region.startswith("cn-") else "aws"
        title, severity, action = _KINDS[kind]
        record = {
            "schemaVersion": "2.0", "accountId": account, "region": self.region, "partition": partition, "id": own,
            "arn": f"arn:{partition}:guardduty:{self.region}:{account}:detector/{version.detector}/finding/{own}",
            "type": kind, "title": title, "description": f"{title} — vu {1 + version.revision} fois, „{chance.choice(PEOPLE)}“.",
            "severity": "@@RAW_SEVERITY@@", "createdAt": stamp(version.created), "updatedAt": stamp(version.updated),
            "resource": _resource(chance, kind, own),
            "service": {
                "serviceName": "guardduty", "detectorId": version.detector, "action": action(chance), "archived": version.archived,
                "count": version.revision + chance.choice((0, 2, 40)), "eventFirstSeen": stamp(version.created - 60_000)[:-5] + "Z",
                "eventLastSeen": stamp(version.updated - 1000)[:-5] + "Z", "resourceRole": chance.choice(("TARGET", "ACTOR")),
                "additionalInfo": {"value": "{\"unusual\":{\"hoursOfDay\":[1609513200000]}}", "type": "default",
                                   # Names of the identity and of the reply, deeper than where they count.
                                   "findings": [{"id": "not this one", "updatedAt": "1999-01-01T00:00:00.000Z", "nextToken": "no"}],
                                   "bytesOut": chance.getrandbits(64) | 1 << 63, "ratio": "@@RAW_RATIO@@"}}}
        return template(record, version.look) % {b"SEVERITY": severity, b"RATIO": b"3.40227072E9"}


class Findings:
    def __init__(self, seed, options, now):
        self._seed, self._options, self._now = seed, options, now
        self.factory = Factory(seed, options)
        self.current = []           # by number: the present version
        self.by_id = {}
        self.orders = {}            # by detector: (updated, id, number), in order
        self.versions = 0
        self.churn_left = 0
        self._churn = {}
        self._changes = 0           # how often findings were chosen by chance
        self._last_ms = 0
        self._rate = Rate()
        self._fill()

    def _fill(self):
        """The initial findings, evenly over the span."""
        options = self._options
        start, total = options.start or self._now() - options.span, options.findings if options.detectors else 0
        for number in range(total):
            ties = max(1, options.ties)
            updated = int((start + number // ties * ties * options.span / total) * 1000) + number // ties * 7919 % 1000
            self._add(min(updated, int((start + options.span) * 1000)), make_look(number, options), number % 3 * 60_000)

    def _add(self, updated, look, age=0):
        number = len(self.current)
        detectors = self._options.detectors
        if not detectors:
            raise OptionError("no detector: GuardDuty is not enabled")
        self.current.append(None)
        self.by_id[self.factory.finding_id(number)] = number
        self._place(Finding(number, 1, detectors[number % len(detectors)], updated - age, updated, False, look))
        return self.factory.finding_id(number)

    def _place(self, version):
        before = self.current[version.number]
        order = self.orders.setdefault(version.detector, [])
        own = self.factory.finding_id(version.number)
        if before is not None:
            del order[bisect_left(order, (before.updated, own, version.number))]
        insort(order, (version.updated, own, version.number))
        self.current[version.number] = version
        self.versions += 1

    def _now_ms(self):
        self._last_ms = max(self._last_ms, int(self._now() * 1000))
        return self._last_ms

    # Looking.

    def between(self, detector, low, high, archived, descending):
        """Entries of `orders` from low to below high (None: no bound) whose findings are listed now."""
        order, now = self.orders.get(detector, []), self._now()
        low = max(low or 0, int((now - HISTORY) * 1000))
        latest = int((now - self._options.list_lag) * 1000) + 1 if self._options.list_lag > 0 else None
        high = min((bound for bound in (high, latest) if bound is not None), default=None)
        end = len(order) if high is None else bisect_left(order, (high,))
        found = order[bisect_left(order, (low,)):max(0, end)]
        if archived is not None:
            found = [entry for entry in found if self.current[entry[2]].archived in archived]
        return found[::-1] if descending else found

    def listed(self, detector):
        return [self.current[number] for _, _, number in self.between(detector, None, None, None, False)]

    def is_kept(self, version):
        return version.updated >= (self._now() - HISTORY) * 1000

    # Changing.

    def append(self, value):
        """See the vendor's action."""
        wanted = {"count": value} if isinstance(value, int) else dict(value)
        count, late, at = int(wanted.pop("count", 1)), int(float(wanted.pop("late_by", 0)) * 1000), wanted.pop("at", None)
        unknown = wanted.keys() - {"style", "shapes"}
        if unknown:
            raise OptionError(f"append: no {', '.join(sorted(unknown))}")
        updated = None if at is None else int(float(at) * 1000)
        return [self._add(self._now_ms() - late if updated is None else updated, make_look(len(self.current), self._options, **wanted))
                for _ in range(count)]

    def change(self, value, what, page=()):
        """Newer versions: `what` is update or archive. `page`: numbers of the findings just listed."""
        wanted = {"count": value} if isinstance(value, int) else dict(value)
        changed = []
        for number in self._chosen(wanted, page):
            before = self.current[number]
            archived = not before.archived if what == "archive" else before.archived
            updated = max(self._now_ms(), before.updated + 1)
            self._place(before._replace(revision=before.revision + 1, updated=updated, archived=archived))
            changed.append(self.factory.identify(self.current[number]))
        return changed

    def _chosen(self, wanted, page):
        if "ids" in wanted:
            for identity in wanted["ids"]:
                if identity not in self.by_id:
                    raise OptionError(f"no {identity}")
            return [self.by_id[identity] for identity in wanted["ids"]]
        which, count = wanted.get("which", "any"), int(wanted.get("count", 1))
        if which not in WHICH or wanted.keys() - {"count", "which"}:
            raise OptionError(f"ids, or count and which: one of {', '.join(WHICH)}")
        ordered = list(page) if which == "page" else [number for _, _, number in sorted(sum(self.orders.values(), []))]
        if which == "first":
            return ordered[:count]
        if which == "last":
            return ordered[len(ordered) - min(count, len(ordered)):]
        self._changes += 1
        return Random(f"{self._seed}/change/{self._changes}").sample(ordered, min(count, len(ordered)))

    def set_churn(self, value):
        """See the vendor's action."""
        value = dict(value)
        unknown = value.keys() - {"pages", "append", "update", "archive", "which"}
        if unknown or value.get("which", "any") not in WHICH:
            raise OptionError(f"churn: no {', '.join(sorted(unknown)) or value['which']}")
        self._churn, self.churn_left = value, int(value.get("pages", 0))

    def change_behind_page(self, page):
        if self.churn_left <= 0:
            return
        self.churn_left -= 1
        if self._churn.get("append"):
            self.append(int(self._churn["append"]))
        for what in ("update", "archive"):
            if self._churn.get(what):
                self.change({"count": self._churn[what], "which": self._churn.get("which", "any")}, what, page)

    def set_rate(self, rate):
        self.advance()
        self._rate.set(rate, self._now())

    def advance(self):
        """Bring in what is due by the rate."""
        for moment in self._rate.due(self._now()):
            self._add(int(moment * 1000), make_look(len(self.current), self._options))

    def save(self):
        return {"current": self.current, "orders": self.orders, "versions": self.versions, "last_ms": self._last_ms,
                "changes": self._changes}

    def restore(self, saved):
        self.current, self.orders, self.versions = saved["current"], saved["orders"], saved["versions"]
        self._last_ms, self._changes = saved["last_ms"], saved["changes"]
        self.by_id = {self.factory.finding_id(number): number for number in range(len(self.current))}


@lru_cache(maxsize=8192)
def _second(epoch):
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(epoch))


def stamp(ms):
    return f"{_second(ms // 1000)}.{ms % 1000:03d}Z"


def _resource(chance, kind, own):
    if ":EC2/" in kind:
        address = f"10.0.{chance.randrange(256)}.{chance.randrange(256)}"
        return {"resourceType": "Instance", "instanceDetails": {
            "instanceId": f"i-{own[:17]}", "instanceType": "m5.large", "launchTime": "2025-11-02T07:45:11Z", "platform": None,
            "imageDescription": "Amazon Linux 2 — Größe M", "tags": [{"key": "Name", "value": chance.choice(PEOPLE)}],
            "networkInterfaces": [{"ipv6Addresses": [], "privateIpAddress": address, "securityGroups": [{"groupName": "défaut"}]}]}}
    if ":S3/" in kind:
        return {"resourceType": "S3Bucket", "s3BucketDetails": [{
            "arn": f"arn:aws:s3:::bucket-{own[:8]}", "name": f"bucket-{own[:8]}", "type": "Destination", "createdAt": 1513612692.000001,
            "owner": {"id": own * 2}, "tags": [], "publicAccess": {"effectivePermission": "NOT_PUBLIC"}}]}
    return {"resourceType": "AccessKey", "accessKeyDetails": {
        "accessKeyId": f"AKIA{own[:16].upper()}", "principalId": own[:20], "userName": chance.choice(PEOPLE), "userType": "IAMUser"}}


def _place(chance):
    city, _, country, _, latitude, longitude = chance.choice(PLACES)
    return {"city": {"cityName": city}, "country": {"countryName": country}, "geoLocation": {"lat": latitude, "lon": longitude}}


def _scan(chance):
    ports = [{"port": port, "portName": "Unknown"} for port in chance.sample(range(1, 65536), 3)]
    return {"actionType": "PORT_PROBE", "portProbeAction": {"blocked": False, "portProbeDetails": [
        {"localPortDetails": port, "remoteIpDetails": {"ipAddressV4": f"198.51.100.{chance.randrange(256)}", **_place(chance)}}
        for port in ports]}}


def _call(chance):
    return {"actionType": "AWS_API_CALL", "awsApiCallAction": {
        "api": chance.choice(("ListBuckets", "ConsoleLogin", "DeleteTrail")), "callerType": "Remote IP", "errorCode": "",
        "remoteIpDetails": {"ipAddressV4": f"203.0.113.{chance.randrange(256)}", **_place(chance)}}}


def _name(chance):
    return {"actionType": "DNS_REQUEST", "dnsRequestAction": {
        "domain": f"pool-{chance.randrange(1000)}.example", "protocol": "UDP", "blocked": chance.random() < 0.5}}


_KINDS = {      # type: title, severity as it is written, action
    "Recon:EC2/Portscan": ("EC2 instance scans ports", b"5.0", _scan),
    "CryptoCurrency:EC2/BitcoinTool.B!DNS": ("EC2 instance asks for a \"mining\" domain", b"8", _name),
    "UnauthorizedAccess:IAMUser/ConsoleLoginSuccess.B": ("Console login from two countries — 不審", b"5.00", _call),
    "Policy:S3/BucketBlockPublicAccessDisabled": ("Public access of a bucket \\ is no longer blocked", b"2", _call),
    "Impact:EC2/AbusedDomainRequest.Reputation": ("Domain with a poor reputation \U0001f480", b"7.999999999999999999", _name),
}
_TYPES = tuple(_KINDS)
