"""Threats, activities and agents of a simulated SentinelOne console: every version is a pure function of the seed, its number, its
revision and its times. Bytes are made when they are sent, and again when somebody reads the ledger.
"""

from functools import lru_cache
from random import Random
from typing import NamedTuple

from vendors.falcon_query import format_time
from vendors.templates import PEOPLE, PLACES, VARIANTS, Look, digest, template

THREATS, ACTIVITIES, AGENTS = "threats", "activities", "agents"
KINDS = (THREATS, ACTIVITIES, AGENTS)
US = 1_000_000
FIRST_ID = {THREATS: 1830000000000000001, ACTIVITIES: 1830500000000000101, AGENTS: 1820000000000000009}
STATES = ((b"unresolved", b"undefined", b"not_mitigated"), (b"in_progress", b"undefined", b"not_mitigated"),
          (b"in_progress", b"true_positive", b"mitigated"), (b"resolved", b"true_positive", b"mitigated"))


class Version(NamedTuple):
    """One version of one record; an activity has but one."""

    kind: str
    number: int
    revision: int
    stamp: int          # updatedAt of threats and agents, createdAt of activities: epoch microseconds
    created: int        # createdAt
    look: Look


class Factory:
    """Identities, scopes and bytes."""

    def __init__(self, seed, accounts, sites, agents):
        self.seed = seed
        self._agents = max(1, agents)
        self.accounts = [str(426418030212073761 + number * 1_000_003) for number in range(max(1, accounts))]
        self.sites = [str(426418030212073985 + number * 2_000_003) for number in range(max(1, sites))]

    def number_id(self, kind, number):
        """The record's id; in the order of numbers."""
        return FIRST_ID[kind] + number * 1_000_003 + int(digest(self.seed, f"{kind}#{number}")[:5], 16) % 999_983

    def time(self, version):
        return format_time(version.stamp * 1000, 6)

    def identify(self, version):
        """Identity in the ledger: id, and for what changes the time of the version."""
        own = str(self.number_id(version.kind, version.number))
        return own if version.kind == ACTIVITIES else f"{own}~{self.time(version)}"

    def scope(self, version):
        """(accountId, siteId); some activities belong to an account alone: siteId None."""
        place = int(digest(self.seed, f"{version.kind}/{version.number}")[:8], 16)
        site = place % len(self.sites)
        alone = version.kind == ACTIVITIES and place // 7 % 3 == 0
        return self.accounts[site % len(self.accounts)], None if alone else self.sites[site]

    def data(self, version):
        """The version's bytes."""
        own = digest(self.seed, f"{version.kind}/{version.number}")
        account, site = self.scope(version)
        agent = int(own[8:14], 16) % self._agents
        incident, verdict, mitigation = STATES[(version.revision - 1) % len(STATES)]
        holes = {b"ID": b"%d" % self.number_id(version.kind, version.number), b"TIME": self.time(version).encode(),
                 b"CREATED": format_time(version.created * 1000, 6).encode(), b"SEEN": format_time((version.stamp - 12 * US) * 1000, 6).encode(),
                 # Of an activity: just before it was created, as in the sheet's sample.
                 b"BEFORE": format_time((version.stamp - 6) * 1000, 6).encode(), b"AGENT": b"%d" % self.number_id(AGENTS, agent),
                 b"THREAT": b"%d" % self.number_id(THREATS, version.number), b"ACCOUNT": account.encode(),
                 b"SITE": b"null" if site is None else b'"%b"' % site.encode(), b"INCIDENT": incident, b"VERDICT": verdict,
                 b"MITIGATION": mitigation, b"REVISION": b"%d" % version.revision, b"NUMBER": b"%d" % version.number,
                 b"HEX": own.encode(), b"UUID": own[:32].encode(), b"BIG": b"%d" % (int(own[16:32], 16) | 1 << 63)}
        return _template(self.seed, version.kind, int(own[-4:], 16) % VARIANTS, version.look) % holes


@lru_cache(maxsize=4096)
def _template(seed, kind, variant, look):
    chance = Random(f"{seed}/{kind}/{variant}")
    record = _MAKERS[kind](chance)
    if variant % 3 == 1:        # members in another order: objects with an id of their own come first
        record = dict(sorted(record.items()))
    return template(record, look, ascii_only=variant % 2 == 0)


_NAMES = (("eicar.com", "Malware"), ("Ransom.Win32.Größe.exe", "Ransomware"), ("mimikatz \"x64\".exe", "Hacktool"),
          ("100%_отчёт.docm", "Malicious Office Document"), ("C:\\Temp\\請求書.pdf.exe", "Trojan"))
_SYSTEMS = (("windows", "Windows 11", "WS"), ("windows", "Windows Server 2022 Standard", "SRV"), ("macos", "macOS 15", "MAC"),
            ("linux", "Debian GNU/Linux 12", "LNX"))
_DONE = ((27, "logged in from 10.0.0.7"), (2001, "killed “eicar.com”"), (4003, "created a new exclusion: C:\\Temp\\*"),
         (90, "started a full disk scan"), (5126, "connected to the console, 100%"))
# Names of the envelope and of the identity, deeper than where they count.
_INDICATORS = [{
    "category": "Evasion", "description": "Code injection — «remote» thread", "ids": [41, 520], "id": "1", "data": [{"id": "2"}],
    "errors": [{"code": 5}], "tactics": [{"name": "Defense Evasion", "source": "MITRE", "techniques": [
        {"link": "https://attack.mitre.test/T1055/", "name": "T1055"}]}]}]
_MITIGATION = [{
    "action": "quarantine", "actionsCounters": {"failed": 0, "success": 1, "total": 1}, "agentSupportsReport": True,
    "lastUpdate": "@@CREATED@@", "latestReport": "/threats/mitigation-report/@@BIG@@", "status": "success",
    "updatedAt": "1999-01-01T00:00:00.000000Z"}]


def _threat(chance):
    name, classification = chance.choice(_NAMES)
    system, version, prefix = chance.choice(_SYSTEMS)
    return {
        "id": "@@ID@@",
        "agentDetectionInfo": {
            "accountId": "@@ACCOUNT@@", "accountName": "Acme", "agentDomain": "ACME",
            "agentIpV4": f"10.0.{chance.randrange(256)}.{chance.randrange(256)}", "agentIpV6": "fe80::1",
            "agentLastLoggedInUserName": chance.choice(PEOPLE), "agentMitigationMode": "protect", "agentOsName": version,
            "agentRegisteredAt": "2026-01-15T08:00:00.000000Z", "agentUuid": "@@UUID@@", "agentVersion": "24.1.2.6",
            "cloudProviders": {}, "externalIp": f"203.0.113.{chance.randrange(256)}", "groupId": "1", "groupName": "Default Group",
            "siteId": "@@RAW_SITE@@", "siteName": "HQ"},
        "agentRealtimeInfo": {
            "accountId": "@@ACCOUNT@@", "activeThreats": chance.randrange(9), "agentComputerName": f"{prefix}-{chance.randrange(1000):03d}",
            "agentId": "@@AGENT@@", "agentInfected": True, "agentOsType": system,
            "networkInterfaces": [{"id": "1820000000000000077", "inet": ["10.0.0.9"], "inet6": [], "physical": "00:50:56:8f:0a:1c"}],
            "scanFinishedAt": None, "storageName": None, "userActionsNeeded": []},
        "containerInfo": {"id": None, "image": None, "labels": None}, "indicators": chance.choice(([], _INDICATORS)),
        "kubernetesInfo": {"cluster": None, "isContainerQuarantine": None}, "mitigationStatus": chance.choice(([], _MITIGATION)),
        "threatInfo": {
            "analystVerdict": "@@VERDICT@@", "automaticallyResolved": False, "classification": classification,
            "cloudFilesHashVerdict": "black", "collectionId": "@@BIG@@", "confidenceLevel": chance.choice(("malicious", "suspicious")),
            "createdAt": "@@CREATED@@", "detectionEngines": [{"key": "on_write", "title": "On-Write Static AI"}],
            "engines": ["On-Write DFI"], "fileExtension": "EXE", "filePath": "\\Device\\HarddiskVolume3\\Users\\@@HEX@@\\" + name,
            "fileSize": "@@RAW_BIG@@", "identifiedAt": "@@CREATED@@", "incidentStatus": "@@INCIDENT@@", "initiatedBy": "agent_policy",
            "maliciousProcessArguments": chance.choice((None, "\"a b\" /c \u0000\t|")), "mitigatedPreemptively": False,
            "mitigationStatus": "@@MITIGATION@@", "processUser": chance.choice(PEOPLE), "publisherName": "",
            "rating": chance.choice((0.1, 1e-05, 7.5)), "sha1": "3395856ce81f2b7382dee72602f798b642f14140", "sha256": None,
            "storyline": "@@UUID@@", "threatId": "@@ID@@", "threatName": name, "revision": "@@RAW_REVISION@@", "updatedAt": "@@TIME@@"},
        "whiteningOptions": ["hash", "path"]}


def _activity(chance):
    kind, text = chance.choice(_DONE)
    person = chance.choice(PEOPLE)
    attached = kind in (2001, 90)
    data = {
        "ipAddress": f"198.51.100.{chance.randrange(256)}", "username": person, "id": "7", "createdAt": "1999-01-01T00:00:00.000000Z",
        "size": "@@RAW_BIG@@", "ratio": chance.choice((0.25, 3.5e-07, -0.0)), "place": chance.choice(PLACES)[0], "data": [],
        "pagination": {"nextCursor": "none"}}
    return {
        "id": "@@ID@@", "accountId": "@@ACCOUNT@@", "accountName": "Acme", "activityType": kind, "activityUuid": "@@UUID@@",
        "agentId": "@@AGENT@@" if attached else None, "agentUpdatedVersion": None, "comments": None, "createdAt": "@@TIME@@", "data": data,
        "description": None, "groupId": None, "hash": None, "osFamily": chance.choice(_SYSTEMS)[0] if attached else None,
        "primaryDescription": f"User {person} {text}", "secondaryDescription": None, "siteId": "@@RAW_SITE@@", "siteName": None,
        "threatId": "@@THREAT@@" if kind == 2001 else None, "updatedAt": "@@BEFORE@@", "userId": "55"}


def _agent(chance):
    system, version, prefix = chance.choice(_SYSTEMS)
    return {
        "id": "@@ID@@", "uuid": "@@UUID@@", "accountId": "@@ACCOUNT@@", "accountName": "Acme",
        "activeDirectory": {"computerDistinguishedName": f"CN={prefix},OU=Zürich,DC=acme,DC=test", "computerMemberOf": []},
        "activeThreats": chance.randrange(3), "agentVersion": "24.1.2.6", "computerName": f"{prefix}-@@NUMBER@@", "coreCount": 8,
        "cpuId": "Intel(R) Core(TM) — 7", "createdAt": "@@CREATED@@", "domain": "acme.test", "encryptedApplications": chance.random() < 0.5,
        "externalIp": f"198.51.100.{chance.randrange(256)}", "groupName": "Default Group", "infected": False, "isActive": True,
        "lastActiveDate": "@@SEEN@@", "lastLoggedInUserName": chance.choice(PEOPLE), "licenseKey": "",
        "locations": [{"id": "1", "name": chance.choice(PLACES)[0], "updatedAt": "1999-01-01T00:00:00.000000Z"}], "modelName": "VMware7,1",
        "networkInterfaces": [{"gatewayIp": "10.0.0.1", "id": "1820000000000000088", "inet": ["10.0.0.9"], "inet6": ["fe80::1"]}],
        "osName": version, "osType": system, "policyUpdatedAt": None, "revision": "@@RAW_REVISION@@", "scanStatus": "finished",
        "siteId": "@@RAW_SITE@@", "siteName": "HQ", "tags": {"sentinelone": [{"id": "9", "key": "Größe", "value": "≥ 2"}]},
        "totalMemory": "@@RAW_BIG@@", "updatedAt": "@@TIME@@", "userActionsNeeded": []}


_MAKERS = {THREATS: _threat, ACTIVITIES: _activity, AGENTS: _agent}
