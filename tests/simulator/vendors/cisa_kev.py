"""CISA Known Exploited Vulnerabilities: one document, at the site and at a mirror.

The catalogue is a list of revisions; each publication through the control API makes a new one. The site and the mirror
serve a revision each, with validators of their own. Records are kept as the bytes they are served in; an edited record
is written again, all others keep theirs.
"""

import hashlib
import json
import random
import re
from dataclasses import dataclass, replace
from datetime import datetime, timedelta, timezone
from email.utils import parsedate_to_datetime

from bodies import Records
from ledger import SnapshotLedger
from messages import Response, access_denied_page, html_response, http_date
from options import Option, OptionError
from vendors.base import Vendor

MAIN, MIRROR = "/cisa-kev", "/kev-mirror"
PATHS = {
    MAIN: "/sites/default/files/feeds/known_exploited_vulnerabilities.json",
    MIRROR: "/cisagov/kev-data/develop/known_exploited_vulnerabilities.json",
}
HEADER_MEMBERS = ("title", "catalogVersion", "dateReleased", "count")


@dataclass(frozen=True)
class Revision:
    prefix: bytes
    separator: bytes
    suffix: bytes
    records: tuple              # of (cveID, bytes)
    published: int = 0          # epoch seconds: Last-Modified

    def with_member(self, name, value):
        """The same with another value of a header member, wherever it stands."""
        pattern = re.compile(rb'("%s"\s*:\s*)("(?:[^"\\]|\\.)*"|-?\d+)' % name.encode())
        encoded = json.dumps(value).encode()

        def put(match):
            return match.group(1) + encoded

        prefix, found = pattern.subn(put, self.prefix, 1)
        if found:
            return replace(self, prefix=prefix)
        return replace(self, suffix=pattern.sub(put, self.suffix, 1))

    def member(self, name):
        match = re.search(rb'"%s"\s*:\s*("(?:[^"\\]|\\.)*"|-?\d+)' % name.encode(), self.prefix + self.suffix)
        return json.loads(match.group(1)) if match else None

    def body(self):
        return Records(self.prefix, self.separator, self.suffix, len(self.records),
                       lambda: (data for _, data in self.records))

    def digest(self):
        checksum = hashlib.sha256()
        for chunk in self.body().chunks():
            checksum.update(chunk)
        return checksum.hexdigest()


class CisaKev(Vendor):
    name = "cisa-kev"
    options_table = (
        Option("entries", "int", 1500, "entries of a generated catalogue"),
        Option("file", "str", "", "serve this catalogue instead, byte for byte"),
        Option("layout", "pretty|compact", "pretty", "generated: as the real file is indented, or without blanks"),
        Option("header_after", "bool", False, "generated: header members behind the array"),
        Option("validators", "honour|ignore|none", "honour", "304 where due; never; or send none at all"),
        Option("gzip", "auto|never|always", "auto", "content encoding of the document"),
    )
    actions = {name: name for name in ("edit", "add", "retract", "bump", "version", "released", "count_error", "touch",
                                       "serve", "mirror_serve")}

    def __init__(self, seed, texts):
        super().__init__(seed, texts)
        self.ledger = SnapshotLedger(lambda: self.revisions[-1].records)
        self.added = 0
        first = self._load() if self.options.file else self._generate()
        self.revisions = [replace(first, published=int(self.now()) - 3600)]
        self.digests = [first.digest()]
        self.served = {MAIN: 0, MIRROR: 0}      # how many revisions behind the newest
        self._draft = None
        self._wrong_count = None

    def mounts(self):
        return tuple(PATHS)

    # Documents.

    def _load(self):
        try:
            with open(self.options.file, encoding="utf-8", newline="") as file:
                text = file.read()
        except OSError as error:
            raise OptionError(f"file: {error}") from error
        return _split(text)

    def _generate(self):
        chance = random.Random(f"kev/{self.seed}")
        day = datetime(2026, 3, 2, tzinfo=timezone.utc)
        records = tuple(self._encode(_entry(chance, number, day - timedelta(days=number // 3)))
                        for number in range(self.options.entries))
        pretty = self.options.layout == "pretty"
        header = {"title": "CISA Catalog of Known Exploited Vulnerabilities", "catalogVersion": "2026.03.02",
                  "dateReleased": "2026-03-02T17:55:02.1180Z", "count": len(records)}
        comma, colon = (",\n    ", ": ") if pretty else (",", ":")
        members = comma.join(f'"{name}"{colon}{json.dumps(value)}' for name, value in header.items())
        begin, end = ("[\n        ", "\n    ]") if pretty else ("[", "]")
        opening, closing = ("{\n    ", "\n}") if pretty else ("{", "}")
        before, after = ("", comma + members) if self.options.header_after else (members + comma, "")
        return Revision(f'{opening}{before}"vulnerabilities"{colon}{begin}'.encode(),
                        b",\n        " if pretty else b",", f"{end}{after}{closing}".encode(), records)

    def _encode(self, entry):
        return entry["cveID"], encode_entry(entry, self.options.layout)

    # Actions: those of one `set` make one new revision, published together.

    def before_set(self):
        self._draft = self.revisions[-1]
        self._wrong_count = None

    def after_set(self):
        draft, self._draft = self._draft, None
        if draft is self.revisions[-1]:
            return
        error = self._wrong_count or 0
        draft = draft.with_member("count", len(draft.records) + error)
        # Last-Modified has whole seconds and must differ from revision to revision.
        published = max(int(self.now()), self.revisions[-1].published + 1)
        self.revisions.append(replace(draft, published=published))
        self.digests.append(self.revisions[-1].digest())

    def edit(self, value):
        """Action: change members of entries. {"cveID" or "index": which, "members": {...}}, or a list of these."""
        changed = []
        for item in value if isinstance(value, list) else [value]:
            records = list(self._draft.records)
            at = self._find(item)
            entry = json.loads(records[at][1])
            members = item.get("members") or {"notes": f"{entry.get('notes', '')} ; edited {len(self.revisions)}"}
            entry.update(members)
            records[at] = self._encode(entry)
            self._draft = replace(self._draft, records=tuple(records))
            changed.append(records[at][0])
        return changed

    def add(self, value):
        """Action: a number of new entries, at the head as CISA does; or a list of entries as objects."""
        entries = value
        if isinstance(value, int):
            chance, entries = random.Random(f"kev/{self.seed}/added/{self.added}"), []
            released = datetime.strptime(self._draft.member("catalogVersion"), "%Y.%m.%d")
            for _ in range(value):
                self.added += 1
                entries.append(_entry(chance, 500000 + self.added, released))
        records = tuple(self._encode(entry) for entry in entries)
        self._draft = replace(self._draft, records=records + self._draft.records)
        return [identity for identity, _ in records]

    def retract(self, value):
        """Action: entries vanish. {"cveID" or "index": which}, or a list of these."""
        gone = []
        for item in value if isinstance(value, list) else [value]:
            records = list(self._draft.records)
            gone.append(records.pop(self._find(item))[0])
            self._draft = replace(self._draft, records=tuple(records))
        return gone

    def bump(self, value):
        """Action: a new edition. "day": catalogVersion and dateReleased of the next day; "time": only a later hour."""
        released = datetime.fromisoformat(_micro(self._draft.member("dateReleased")))
        released += timedelta(minutes=7) if value == "time" else timedelta(days=1)
        if value != "time":
            self.version(released.strftime("%Y.%m.%d"))
        self.released(released.strftime("%Y-%m-%dT%H:%M:%S.") + f"{released.microsecond // 100:04d}Z")
        return self._draft.member("catalogVersion"), self._draft.member("dateReleased")

    def version(self, value):
        """Action: set catalogVersion."""
        self._draft = self._draft.with_member("catalogVersion", value)

    def released(self, value):
        """Action: set dateReleased."""
        self._draft = self._draft.with_member("dateReleased", value)

    def count_error(self, value):
        """Action: the new revision's `count` is wrong by so much."""
        self._wrong_count = int(value)
        self._draft = replace(self._draft)

    def touch(self, _value):
        """Action: the same bytes again, published now: other validators."""
        self._draft = replace(self._draft)

    def serve(self, value):
        """Action: the site serves the revision so many behind the newest."""
        self.served[MAIN] = abs(int(value))

    def mirror_serve(self, value):
        """Action: so does the mirror."""
        self.served[MIRROR] = abs(int(value))

    def _find(self, item):
        if "index" in item:
            return range(len(self._draft.records))[int(item["index"])]
        for at, (identity, _) in enumerate(self._draft.records):
            if identity == item.get("cveID"):
                return at
        raise OptionError(f"no entry {item}")

    # Requests.

    def inspect(self, request, mount):
        if request.path[len(mount):] != PATHS[mount]:
            self.violate(request, "path", f"no {request.path} in the sheet")
            return self.error(404, request)
        if request.method != "GET":
            self.violate(request, "method", request.method)
            return self.error(405, request)
        if request.query:
            self.violate(request, "query", "the document takes none")
        if not (request.header("User-Agent") or "").strip():
            self.violate(request, "user_agent", "none")
            return self.error(403, request)
        if "application/json" not in (request.header("Accept") or ""):
            self.violate(request, "accept", "no application/json in Accept")
        if request.header("Authorization") or request.header("Cookie"):
            self.violate(request, "authorization", "a credential for a public document")
        self._check_validators(request, mount)
        return None

    def _check_validators(self, request, mount):
        etag, date = request.header("If-None-Match"), request.header("If-Modified-Since")
        if etag is not None and etag not in [self._etag(mount, at) for at in range(len(self.revisions))]:
            self.violate(request, "validator", f"If-None-Match {etag} is not of this address")
        if date is not None and date not in [self._modified(mount, at) for at in range(len(self.revisions))]:
            self.violate(request, "validator", f"If-Modified-Since {date} is not of this address")

    def _etag(self, mount, at):
        # One revision has one validator; `touch` makes another for the same bytes.
        tag = f'"{self.digests[at][:12]}-{self.revisions[at].published:x}"'
        return tag if mount == MAIN else f'W/"{hashlib.sha256(tag.encode()).hexdigest()[:40]}"'

    def _modified(self, mount, at):
        # The mirror copies some minutes later.
        return http_date(self.revisions[at].published + (0 if mount == MAIN else 240))

    def answer(self, request, mount):
        at = max(0, len(self.revisions) - 1 - self.served[mount])
        validators = [] if self.options.validators == "none" else [
            ("ETag", self._etag(mount, at)), ("Last-Modified", self._modified(mount, at))]
        if self.options.validators == "honour" and self._unchanged(request, validators):
            return Response(304, validators)
        revision = self.revisions[at]
        kind = "application/json" if mount == MAIN else "text/plain; charset=utf-8"
        return Response(200, [("Content-Type", kind)] + validators, revision.body(),
                        page=self.ledger.open(revision.records))

    @staticmethod
    def _unchanged(request, validators):
        (_, tag), (_, modified) = validators
        asked = request.header("If-None-Match")
        if asked is not None:
            weak = [item.strip().removeprefix("W/") for item in asked.split(",")]
            return asked.strip() == "*" or tag.removeprefix("W/") in weak
        since = request.header("If-Modified-Since")
        try:
            return since is not None and parsedate_to_datetime(since) >= parsedate_to_datetime(modified)
        except ValueError:
            return False

    def error(self, status, request):
        if status == 403:
            return access_denied_page(request, self.seed)
        if status == 304:
            return Response(304)
        return html_response(status, f"<html><head><title>{status}</title></head><body><h1>Error {status}</h1></body>"
                                     "</html>\n")

    def decorate(self, response, request):
        response.headers.append(("Vary", "Accept-Encoding"))

    def details(self):
        latest = self.revisions[-1]
        return {"revisions": len(self.revisions), "entries": len(latest.records), "count": latest.member("count"),
                "catalogVersion": latest.member("catalogVersion"), "dateReleased": latest.member("dateReleased"),
                "serves": {mount: max(0, len(self.revisions) - 1 - behind) for mount, behind in self.served.items()}}

    def save(self):
        return {"revisions": self.revisions, "digests": self.digests, "served": self.served, "added": self.added}

    def restore(self, saved):
        self.revisions, self.digests = saved["revisions"], saved["digests"]
        self.served, self.added = saved["served"], saved["added"]


def encode_entry(entry, layout):
    """An entry as CISA writes it: ASCII, slashes escaped, indented by four blanks at its depth in the document."""
    if layout == "compact":
        return json.dumps(entry, separators=(",", ":")).encode()
    text = json.dumps(entry, indent=4).replace("/", "\\/")
    return text.replace("\n", "\n        ").encode()


def _split(text):
    """Cut a catalogue into its parts; joined again they are the file, if its separators are all alike."""
    found = re.search(r'"vulnerabilities"\s*:\s*\[\s*', text)
    if not found:
        raise OptionError("file: no vulnerabilities[]")
    decoder, at, end, records, separator = json.JSONDecoder(), found.end(), found.end(), [], b","
    while text[at] != "]":
        entry, end = decoder.raw_decode(text, at)
        records.append((entry["cveID"], text[at:end].encode()))
        at = re.compile(r"\s*,?\s*").match(text, end).end()
        if text[at] != "]" and len(records) == 1:
            separator = text[end:at].encode()
    return Revision(text[:found.end()].encode(), separator, text[end:].encode(), tuple(records))


def _micro(moment):
    """An RFC 3339 time with any number of fraction digits, with six."""
    head, _, fraction = moment.rstrip("Z").partition(".")
    return f"{head}.{fraction[:6]:0<6}+00:00"


_MAKERS = ("Examplesoft", "Acme", "Contoso", "Globex", "Initech", "Umbrella", "Hooli", "Vandelay")
_PRODUCTS = ("Gateway", "Router OS", "Mail Server", "VPN Client", "Kernel", "File Transfer", "Endpoint Manager")
_FLAWS = (("Path Traversal", "CWE-22"), ("Command Injection", "CWE-78"), ("Use-After-Free", "CWE-416"),
          ("Deserialization of Untrusted Data", "CWE-502"), ("Authentication Bypass", "CWE-287"),
          ("SQL Injection", "CWE-89"))


def _entry(chance, number, added):
    maker, product, (flaw, weakness) = chance.choice(_MAKERS), chance.choice(_PRODUCTS), chance.choice(_FLAWS)
    identity = f"CVE-{added.year - number % 4}-{10000 + number}"
    entry = {
        "cveID": identity, "vendorProject": maker, "product": product,
        "vulnerabilityName": f"{maker} {product} {flaw} Vulnerability", "dateAdded": added.strftime("%Y-%m-%d"),
        "shortDescription": f"{maker} {product} contains a {flaw.lower()} flaw that stems from the vendor\u2019s handling "
                            "of requests and lets an unauthenticated attacker take control of the device.",
        "requiredAction": "Apply mitigations per vendor instructions, follow applicable BOD 22-01 guidance for cloud "
                          "services, or discontinue use of the product if mitigations are unavailable.",
        "dueDate": (added + timedelta(days=21)).strftime("%Y-%m-%d"),
        "knownRansomwareCampaignUse": chance.choice(("Unknown", "Unknown", "Known")),
        "notes": f"https://vendor.example/advisory/{number} ; https://nvd.nist.gov/vuln/detail/{identity}",
        "cwes": [weakness] if number % 11 else [],
    }
    if number % 7 == 0:
        entry["forensicTriage"] = chance.choice(("Yes", "No"))
    return entry


VENDOR = CisaKev
