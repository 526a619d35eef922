"""Assets and findings of a simulated Tenable container, and how they change. Every version of a record is a pure function of
the seed, its number, its revision and its times; bytes are made when they are sent, and again when somebody reads the ledger.

A scan sees findings again: their last_found is the end of the scan, which is some minutes before they are indexed and can be
exported. Everything is done under the vendor's lock.
"""

import hashlib
import json
import time
from functools import lru_cache
from random import Random
from typing import NamedTuple

from options import OptionError
from vendors.okta_events import ALL_SHAPES, SHAPES, STYLES, restyle

OPEN, REOPENED, FIXED = "OPEN", "REOPENED", "FIXED"
STATES = (OPEN, REOPENED, FIXED)
PLUGINS = 400       # plugins that findings are of
WHICH = ("any", "first", "last")


class Look(NamedTuple):
    """How the bytes of a record are made, beside its numbers."""

    style: str = "compact"
    shape: str = ""         # unusual JSON in it


class Asset(NamedTuple):
    """One version of an asset; times are epoch milliseconds."""

    number: int
    revision: int
    created: int
    updated: int
    licensed: bool
    look: Look
    deleted: int = 0        # 0: it is not
    terminated: int = 0


class Finding(NamedTuple):
    """One version of a finding."""

    number: int
    revision: int
    asset: int              # number
    state: str
    first_found: int
    last_found: int
    last_fixed: int         # 0: never
    indexed: int
    look: Look


class Factory:
    """Identities and bytes."""

    def __init__(self, seed, finding_ids):
        self.seed = seed
        self.finding_ids = finding_ids

    def asset_id(self, number):
        return _uuid(self._digest(b"asset/%d" % number))

    def place(self, finding):
        """(plugin, port, protocol): no two findings of one asset have them in common."""
        digest = self._digest(b"finding/%d" % finding.number)
        return 19506 + finding.number % PLUGINS, int(digest[:4], 16) % 100 + finding.number // PLUGINS * 100, "TCP" if digest[4] < "c" else "UDP"

    def finding_id(self, finding):
        """finding_id, or None where the record has none."""
        if self.finding_ids == "none" or (self.finding_ids == "mixed" and finding.number % 3 == 2):
            return None
        return _uuid(self._digest(b"finding/%d" % finding.number))

    def identify(self, version):
        """The identity with what changes when the record changes, parts joined by `~`."""
        if isinstance(version, Asset):
            return f"{self.asset_id(version.number)}~{stamp(version.updated)}"
        own = self.finding_id(version)
        parts = (own,) if own else (self.asset_id(version.asset), *map(str, self.place(version)))
        return "~".join((*parts, stamp(version.last_found), version.state))

    def data(self, version):
        """The bytes of one version."""
        record = self._asset(version) if isinstance(version, Asset) else self._finding(version)
        if version.look.shape:
            record = {"shape": "@@SHAPE@@", **record}
        text = json.dumps(record, separators=(",", ":"), ensure_ascii=False).encode()
        text = text.replace(b'"@@SCORE@@"', b"7.10")
        if version.look.shape:
            text = text.replace(b'"@@SHAPE@@"', SHAPES[version.look.shape])
        return restyle(text, version.look.style)

    def _digest(self, what):
        return hashlib.blake2b(what, key=b"%d" % self.seed, digest_size=16).hexdigest()

    def _finding(self, version):
        plugin, port, protocol = self.place(version)
        digest = self._digest(b"finding/%d" % version.number)
        chance, host = Random(digest), Random(self._digest(b"asset/%d" % version.asset))
        name, family, severity, cve = chance.choice(_PLUGINS)
        own, level = self.finding_id(version), ("info", "low", "medium", "high", "critical").index(severity)
        scan = self._digest(b"scan/%d" % version.last_found)
        record = {
            "asset": {"agent_uuid": self._digest(b"agent/%d" % version.asset), "uuid": self.asset_id(version.asset),
                      **_host(host, version.asset), "last_authenticated_results": stamp(version.first_found),
                      "operating_system": [host.choice(_SYSTEMS)], "tracked": True, "network_id": _uuid("0" * 32),
                      # Names of the identity, deeper than where they count.
                      "tags": [{"uuid": "not this one", "id": 7, "state": "NONE", "last_found": "1999-01-01T00:00:00.000Z"}]},
            "output": chance.choice(_OUTPUTS).replace("@@", digest[:8]), "plugin": {
                "id": plugin, "name": name, "family": family, "severity": None, "cve": cve, "bid": [chance.getrandbits(64) | 1 << 63],
                "cvss3_base_score": chance.choice((9.8, 1e-05, 0.1, 10.0)), "vpr": {"score": "@@SCORE@@", "drivers": {
                    "age_of_vuln": {"lower_bound": 366, "upper_bound": 730}, "cvss_impact_score_predicted": False}},
                "xrefs": [{"type": "IAVA", "id": "2026-A-0001"}], "description": f"{name} — l'hôte est touché ({plugin})."},
            "port": {"port": port, "protocol": protocol, "service": chance.choice(("", "www", "ms-wbt-server?"))},
            "recast_rule_uuid": None, "scan": {
                "uuid": _uuid(scan), "schedule_uuid": f"template-{scan}", "started_at": stamp(version.last_found - 3_600_000),
                "completed_at": stamp(version.last_found)},
            "severity": severity, "severity_id": level, "severity_default_id": level, "severity_modification_type": "NONE",
            "state": version.state, "first_found": stamp(version.first_found), "last_found": stamp(version.last_found),
            "indexed": stamp(version.indexed), "source": "NESSUS", "revision": version.revision}
        if own:
            record["finding_id"] = own
        if version.last_fixed:
            record["last_fixed"] = stamp(version.last_fixed)
        return record

    def _asset(self, version):
        host = Random(self._digest(b"asset/%d" % version.number))
        names = _host(host, version.number)
        return {
            "id": self.asset_id(version.number), "has_agent": version.number % 2 == 0, "has_plugin_results": True,
            "created_at": stamp(version.created), "terminated_at": stamp(version.terminated) if version.terminated else None,
            "deleted_at": stamp(version.deleted) if version.deleted else None, "updated_at": stamp(version.updated),
            "first_seen": stamp(version.created), "last_seen": stamp(version.updated - 300_000),
            "last_licensed_scan_date": stamp(version.created) if version.licensed else None,
            "agent_uuid": self._digest(b"agent/%d" % version.number), "bios_uuid": None, "mac_addresses": ["00:50:56:8f:0a:1c"],
            "hostnames": [names["hostname"]], "ipv4s": [names["ipv4"]], "ipv6s": [], "fqdns": [names["fqdn"]],
            "operating_systems": [host.choice(_SYSTEMS)], "system_types": ["general-purpose"],
            "network_interfaces": [{"name": "eth0", "id": "not this one", "updated_at": "1999-01-01T00:00:00.000Z",
                                    "ipv4s": [names["ipv4"]], "fqdns": []}],
            "sources": [{"name": "NESSUS_AGENT", "first_seen": stamp(version.created), "last_seen": stamp(version.updated)}],
            "tags": [{"uuid": self._digest(b"tag")[:8], "key": "Standort", "value": "Zürich — 東京", "added_by": None}],
            "acr_score": "@@SCORE@@", "serial": host.getrandbits(64) | 1 << 63, "revision": version.revision}


class Container:
    """What there is now."""

    def __init__(self, seed, options, now):
        self._seed = seed
        self._options = options
        self._now = now
        self.factory = Factory(seed, options.finding_ids)
        self.assets = []            # by number: the present version
        self.findings = []
        self.versions = 0
        self._last_ms = 0
        self._changes = 0           # how often records were chosen by chance
        self._rate = (0.0, 0.0, 0)  # findings a second, since when, made so far
        self._fill()

    def _fill(self):
        start, span = self._options.start or self._now() - self._options.span, self._options.span
        lag = self._options.index_lag
        for number in range(self._options.assets):
            updated = int((start + number * span / max(1, self._options.assets)) * 1000)
            self._new_asset(updated, updated - 86_400_000 * (number % 5))
        ties = max(1, self._options.ties)
        for number in range(self._options.findings):
            indexed = int((start + number // ties * ties * span / max(1, self._options.findings)) * 1000)
            # A part was found before, as most findings of a scan are, and a part is gone or came back.
            state = (OPEN, OPEN, OPEN, FIXED, OPEN, REOPENED, OPEN)[number % 7]
            self._new_finding(indexed - int(lag * 1000), indexed, self._look(number), state)

    def _look(self, number, style=None, shapes=None):
        every = 1 if shapes is not None else max(1, self._options.shape_every)
        chosen = shape_names(self._options.shapes if shapes is None else shapes)
        shape = chosen[number // every % len(chosen)] if chosen and number % every == 0 else ""
        style = style or self._options.style
        if style not in STYLES:
            raise OptionError(f"style: one of {', '.join(STYLES)}")
        return Look(style, shape)

    def _new_asset(self, updated, created):
        number, every = len(self.assets), self._options.unlicensed_every
        licensed = not (every > 0 and number % every == every - 1)
        self.assets.append(Asset(number, 1, created, updated, licensed, self._look(number)))
        self.versions += 1
        return self.factory.asset_id(number)

    def _new_finding(self, found, indexed, look, state=OPEN):
        number, day = len(self.findings), 86_400_000
        first = found - day * (number % 9)
        fixed = found if state == FIXED else 0
        # What is gone was found last by the scan before.
        last = found - day if state == FIXED else found
        finding = Finding(number, 1, number * 7919 % max(1, len(self.assets)), state, min(first, last), last, fixed, indexed, look)
        self.findings.append(finding)
        self.versions += 1
        return self.factory.identify(finding)

    def _now_ms(self):
        """Each one later than the one before."""
        self._last_ms = max(self._last_ms + 1, int(self._now() * 1000))
        return self._last_ms

    # Changes. Each returns the identities that are new.

    def append(self, value):
        wanted = {"count": value} if isinstance(value, int) else dict(value)
        count, late = int(wanted.pop("count", 1)), float(wanted.pop("late_by", 0.0))
        unknown = wanted.keys() - {"style", "shapes"}
        if unknown:
            raise OptionError(f"append: no {', '.join(sorted(unknown))}")
        now = self._now_ms()
        found = now - int((self._options.index_lag + late) * 1000)
        return [self._new_finding(found, now, self._look(len(self.findings), **wanted)) for _ in range(count)]

    def add_assets(self, value):
        wanted = {"count": value} if isinstance(value, int) else dict(value)
        late = int(float(wanted.get("late_by", 0.0)) * 1000)
        if wanted.keys() - {"count", "late_by"}:
            raise OptionError("add_assets: count, late_by")
        return [self._new_asset(now - late, now - late) for now in (self._now_ms() for _ in range(int(wanted.get("count", 1))))]

    def change_findings(self, value, to):
        """A scan sees findings again (scan), or not any more (fix), or anew (reopen)."""
        suitable = [finding.number for finding in self.findings if (finding.state == FIXED) == (to == "reopen")]
        now = self._now_ms()
        found, changed = now - int(self._options.index_lag * 1000), []
        for number in self._chosen(suitable, value):
            before = self.findings[number]
            seen = max(found, before.last_found + 1)
            news = {"scan": {"last_found": seen}, "fix": {"state": FIXED, "last_fixed": max(found, before.last_found)},
                    "reopen": {"state": REOPENED, "last_found": seen}}[to]
            after = before._replace(revision=before.revision + 1, indexed=now, **news)
            self.findings[number] = after
            self.versions += 1
            changed.append(self.factory.identify(after))
        return changed

    def change_assets(self, value, to):
        """Assets are updated (update), deleted (delete) or terminated (terminate)."""
        changed = []
        for number in self._chosen([asset.number for asset in self.assets if not asset.deleted], value):
            before, now = self.assets[number], self._now_ms()
            news = {"update": {}, "delete": {"deleted": now}, "terminate": {"terminated": now}}[to]
            after = before._replace(revision=before.revision + 1, updated=max(now, before.updated + 1), **news)
            self.assets[number] = after
            self.versions += 1
            changed.append(self.factory.identify(after))
        return changed

    def _chosen(self, suitable, value):
        wanted = {"count": value} if isinstance(value, int) else dict(value)
        which = wanted.get("which", "any")
        if which not in WHICH or wanted.keys() - {"count", "which"}:
            raise OptionError(f"count, and which: one of {', '.join(WHICH)}")
        count = max(0, min(int(wanted.get("count", 1)), len(suitable)))
        if which == "any":
            self._changes += 1
            return Random(f"{self._seed}/change/{self._changes}").sample(suitable, count)
        return suitable[:count] if which == "first" else suitable[len(suitable) - count:]

    def set_rate(self, rate):
        """So many new findings a second from now on."""
        self.advance()
        if rate != self._rate[0]:
            self._rate = (rate, self._now(), 0)

    def advance(self):
        """Bring in the findings that are due by the rate."""
        rate, since, made = self._rate
        due = int((self._now() - since) * rate) if rate > 0 else 0
        for number in range(made, due):
            indexed = int((since + (number + 1) / rate) * 1000)
            self._new_finding(indexed - int(self._options.index_lag * 1000), indexed, self._look(len(self.findings)))
        self._rate = (rate, since, max(made, due))

    # State.

    def save(self):
        return {"assets": self.assets, "findings": self.findings, "versions": self.versions, "last_ms": self._last_ms,
                "changes": self._changes, "finding_ids": self.factory.finding_ids}

    def restore(self, saved):
        self.assets, self.findings, self.versions = saved["assets"], saved["findings"], saved["versions"]
        self._last_ms, self._changes = saved["last_ms"], saved["changes"]
        self.factory.finding_ids = saved["finding_ids"]


def shape_names(names):
    """Shapes by name; "all" is all of them."""
    chosen = ALL_SHAPES if list(names) == ["all"] else tuple(names)
    for name in chosen:
        if name not in ALL_SHAPES:
            raise OptionError(f"no shape {name}; there are: all, {', '.join(ALL_SHAPES)}")
    return chosen


def stamp(ms):
    """ISO 8601 with milliseconds."""
    second, rest = divmod(ms, 1000)
    return f"{_second(second)}.{rest:03d}Z"


@lru_cache(maxsize=8192)
def _second(epoch):
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(epoch))


def _uuid(digest):
    return f"{digest[:8]}-{digest[8:12]}-4{digest[13:16]}-8{digest[17:20]}-{digest[20:32]}"


_SYSTEMS = ("Ubuntu 24.04", "Microsoft Windows Server 2022 Standard", "Debian GNU/Linux 12", "Cisco IOS XE 17.9 — “Cupertino”")
_PLUGINS = (
    ("Nessus Scan Information", "Settings", "info", []), ("Apache Log4j < 2.15.0 RCE", "Misc.", "critical", ["CVE-2021-44228"]),
    ("SSL Certificate — Zertifikat läuft ab", "General", "medium", []), ("MS15-034: HTTP.sys 100% CPU", "Windows", "high", ["CVE-2015-1635"]),
    ("SSH Weak \"MAC\" Algorithms", "Misc.", "low", ["CVE-2008-5161"]))
_OUTPUTS = ("", "Information about this scan : \n\n  Nessus version : 10.8.3\n  Scan id : @@\n\tHost — 東京 \U0001f5a5\n",
            "Path : C:\\Program Files\\Java\\@@\n\u0000\u2028  Installed version : 2.14.1\n", "]}, \"id\": \"@@\"")


def _host(chance, number):
    name = f"{chance.choice(('srv', 'ws', 'zürich'))}-{number}"
    return {"hostname": name, "fqdn": f"{name}.acme.test", "ipv4": f"10.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}"}
