"""Hosts and detections of a simulated Qualys subscription, as XML and as the JSON that is to be made of it.

A record of the ledger is one detection with the fields of its host, in compact JSON, without escapes beyond those that
JSON needs (`json.dumps`, ensure_ascii off):
- members in the order of the document: those of HOST without DETECTION_LIST, then those of DETECTION (form `merged`), or
  these in a member DETECTION (form `nested`);
- an element is a string, its text as XML means it: CDATA taken off, references resolved, CR LF and CR one LF;
- with attributes it is an object, `@name` first, then its text as `#text`; with elements in it an object of these;
- of elements with the same name beside each other an array; an empty element is "".
"""

import hashlib
import json
import time
from functools import lru_cache
from random import Random
from typing import NamedTuple
from xml.sax.saxutils import escape

from options import OptionError

KIND = "host_detections"
STATUSES = ("New", "Active", "Fixed", "Re-Opened")
STYLES = ("compact", "pretty", "spaced")
NEW, ACTIVE, FIXED, REOPENED = STATUSES
INFO = "Info"
DAY = 86400
FIRST_ID = 12048


class Look(NamedTuple):
    """How the bytes of a detection are made, beside its number and times."""

    style: str = "compact"
    shape: str = ""


class View(NamedTuple):
    """What a request asks to be shown."""

    qds: bool = True
    factors: bool = False
    tags: bool = False
    results: bool = True
    reopened: bool = True


class Host(NamedTuple):
    number: int
    processed: int          # when its newest results were processed, epoch seconds
    scans: int = 1


class Detection(NamedTuple):
    host: int
    number: int             # on its host
    status: str
    first: int              # epoch seconds
    updated: int
    times: int
    look: Look
    fixed: int = 0
    reopened: int = 0
    reopenings: int = 0


class Pair(NamedTuple):
    """A version of a record."""

    host: Host
    detection: Detection
    view: View
    form: str
    ids: str        # composite or unique: what the identity is made of; absent: without UNIQUE_VULN_ID in the record


class Text(NamedTuple):
    """A text, and how it is written in XML."""

    value: str
    wire: str


class Element(NamedTuple):
    name: str
    content: object         # str, Text, or a list of elements
    attributes: tuple = ()  # (name, value)


def stamp(epoch):
    return _stamp(int(epoch))


@lru_cache(maxsize=8192)
def _stamp(epoch):
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(epoch))


def cdata(text):
    """In a CDATA section; `]]>` ends one, so that it needs two."""
    return Text(text, "<![CDATA[" + text.replace("]]>", "]]]]><![CDATA[>") + "]]>")


# XML that a parser must understand though the vendor seldom writes it: text and how it is written.
SHAPES = {
    "references": Text('a < b & c > "d" é \U0001f600 \t\n|\r|',
                       "a &lt; b &amp; c &gt; &quot;d&quot; &#233; &#x1F600; &#9;&#xA;|&#13;|"),
    "sections": Text("one ]]> two </RESULTS> three &amp; <HOST><ID>1</ID>",
                     "<![CDATA[one ]]]]><![CDATA[> two </RESULTS> th]]>ree<![CDATA[ &amp; <HOST><ID>1</ID>]]>"),
    "line_ends": Text("a\nb\nc\n\nd\t ", "<![CDATA[a\r\nb\rc\r\r\nd\t ]]>"),
    "comments": Text("before behind", "be<!-- <DETECTION> & --><?skip this?>fore<!----> behind"),
    "utf8": Text("Ærøskøbing 東京 🜂 \u2028 \u00a0 a\u0301 \U0010ffff \u007f \u0085 \\ / \"", "<![CDATA[Ærøskøbing 東京 🜂 \u2028 \u00a0 a\u0301 \U0010ffff"
                 " \u007f \u0085 \\ / \"]]>"),
    "blanks": Text("  \n\t ", "<![CDATA[  \n\t ]]>"),
    "empty": Text("", "<![CDATA[]]>"),
    "long": cdata("port 443 · 0123456789 <td> & " * 4096),
    "json": cdata('{"ID":"1","QID":[38170,"\\u0041"],"x":1e400}\\'),
}
ALL_SHAPES = tuple(SHAPES)


def shape_names(names):
    """Shapes by name; "all" is all of them."""
    chosen = ALL_SHAPES if list(names) == ["all"] else tuple(names)
    for name in chosen:
        if name not in SHAPES:
            raise OptionError(f"no shape {name}; there are: all, {', '.join(ALL_SHAPES)}")
    return chosen


# Writing.

def write_xml(element, style="compact", depth=0):
    """An element as text; `spaced` has blanks within tags and other quotes."""
    begin = "\n" + "  " * depth if style == "pretty" else ""
    blank, quote = (" ", "'") if style == "spaced" else ("", '"')
    quoted = {quote: f"&#{ord(quote)};"}
    attributes = "".join(f" {name}{blank}={blank}{quote}{escape(value, quoted)}{quote}" for name, value in element.attributes)
    head, tail = f"{begin}<{element.name}{attributes}{blank}>", f"</{element.name}{blank}>"
    if isinstance(element.content, list):
        inner = "".join(write_xml(child, style, depth + 1) for child in element.content)
        return head + inner + begin + tail
    wire = element.content.wire if isinstance(element.content, Text) else escape(element.content)
    if not wire and style != "pretty":
        return f"{begin}<{element.name}{attributes}/>"
    return head + wire + tail


def open_xml(name, elements, style, depth):
    """A start tag with elements behind it."""
    begin = "\n" + "  " * depth if style == "pretty" else ""
    return f"{begin}<{name}>" + "".join(write_xml(element, style, depth + 1) for element in elements)


def to_json(elements, attributes=()):
    """Elements beside each other as the members of an object."""
    members = {"@" + name: value for name, value in attributes}
    for element in elements:
        value = _value(element)
        if element.name not in members:
            members[element.name] = value
        elif isinstance(members[element.name], list):
            members[element.name].append(value)
        else:
            members[element.name] = [members[element.name], value]
    return members


def _value(element):
    if isinstance(element.content, list):
        return to_json(element.content, element.attributes)
    text = element.content.value if isinstance(element.content, Text) else element.content
    if not element.attributes:
        return text
    return {**{"@" + name: value for name, value in element.attributes}, **({"#text": text} if text else {})}


# What records are made of.

_SYSTEMS = ("Ubuntu 24.04", "Windows Server 2022 64 bit Edition", "Red Hat Enterprise Linux 9.4", "macOS Sequoia 15", "Cisco IOS \"XE\" <17> & later")
_RESULTS = (
    "certificate name mismatch",
    "Package\tInstalled Version\tRequired Version\nlibssl3\t3.0.2-0ubuntu1.10\t3.0.2-0ubuntu1.18\nopenssl\t3.0.2\t3.0.13",
    "HKLM\\Software\\Microsoft <DWORD> = 0x1 & 'x'\n%windir%\\System32\\ntoskrnl.exe Version is 10.0.20348.1",
    "Zugriff ohne Paßwort möglich: «anonymous» 山田 太郎 \U0001f512",
    "SSH-2.0-OpenSSH_8.9p1 ]]> listening 198.51.100.7:22",
    "12345678901234567890123 3.40227072E9 -0.0 1e400 null true")
_TAGS = ("Cloud Agent", "Zürich — intern", "PCI <scope> & more", "東京")


class Factory:
    """Identities and bytes: a pure function of the seed and a Pair."""

    def __init__(self, seed):
        self.seed = seed

    def host_id(self, number):
        return FIRST_ID + 7 * number + int(self._digest(f"host/{number}")[:4], 16) % 6

    def qid(self, detection):
        base = 38000 + int(self._digest(f"qids/{detection.host}")[:4], 16) % 500
        return base + detection.number // 2 * 13

    def severity(self, detection):
        return 1 + int(self._digest(f"severity/{detection.host}/{detection.number}")[:2], 16) % 5

    @staticmethod
    def place(detection):
        """PORT, PROTOCOL and SSL; two detections with one QID differ in their port. A third has none."""
        if detection.number % 3 == 0:
            return "", "", ""
        return ("443", "tcp", "1") if detection.number % 2 else ("161", "udp", "0")

    @staticmethod
    def type(detection):
        return INFO if detection.number % 7 == 6 else "Potential" if detection.number % 7 == 3 else "Confirmed"

    def unique_id(self, detection):
        return str(1_000_000_000_000 + detection.host * 100_000 + detection.number)

    def identify(self, pair):
        detection = pair.detection
        parts = [str(self.host_id(detection.host)), str(self.qid(detection)), *self.place(detection)]
        if pair.ids == "unique":
            parts = [self.unique_id(detection)]
        return "~".join([*parts, stamp(detection.updated), detection.status])

    def host_elements(self, host, view):
        chance = Random(self._digest(f"host/{host.number}"))
        number, identity = host.number, self.host_id(host.number)
        elements = [
            Element("ID", str(identity)), Element("ASSET_ID", str(330000 + identity)),
            Element("IP", f"10.0.{number // 250 % 250}.{5 + number % 250}"),
            Element("TRACKING_METHOD", chance.choice(("AGENT", "IP", "DNS"))), Element("OS", cdata(chance.choice(_SYSTEMS))),
            Element("DNS", cdata(f"srv-{number}.acme.test")), Element("LAST_SCAN_DATETIME", stamp(host.processed)),
            Element("LAST_VM_SCANNED_DATE", stamp(host.processed - 120)), Element("LAST_VM_SCANNED_DURATION", str(60 + host.scans % 600))]
        if view.tags:
            tags = chance.sample(_TAGS, 1 + number % 3)
            listed = [[Element("TAG_ID", str(chance.getrandbits(33))), Element("NAME", cdata(tag))] for tag in tags]
            elements.append(Element("TAGS", [Element("TAG", members) for members in listed]))
        return elements

    def detection_elements(self, detection, view, ids):
        chance = Random(self._digest(f"detection/{detection.host}/{detection.number}"))
        result = chance.choice(_RESULTS)
        port, protocol, ssl = self.place(detection)
        severity = self.severity(detection)
        elements = [Element("UNIQUE_VULN_ID", self.unique_id(detection))] if ids != "absent" else []
        elements += [Element("QID", str(self.qid(detection))), Element("TYPE", self.type(detection)), Element("SEVERITY", str(severity))]
        if port:
            elements += [Element("PORT", port), Element("PROTOCOL", protocol), Element("SSL", ssl)]
        if view.results:
            elements.append(Element("RESULTS", SHAPES[detection.look.shape] if detection.look.shape else cdata(result)))
        elements += [Element("STATUS", detection.status), Element("FIRST_FOUND_DATETIME", stamp(detection.first)),
                     Element("LAST_FOUND_DATETIME", stamp((detection.fixed or detection.updated) - 120))]
        elements += self._scored(chance, severity, view)
        elements += [Element("TIMES_FOUND", str(detection.times)), Element("LAST_TEST_DATETIME", stamp(detection.updated - 120)),
                     Element("LAST_UPDATE_DATETIME", stamp(detection.updated))]
        if detection.fixed:
            elements.append(Element("LAST_FIXED_DATETIME", stamp(detection.fixed)))
        if view.reopened and detection.reopenings:
            elements += [Element("LAST_REOPENED_DATETIME", stamp(detection.reopened)), Element("TIMES_REOPENED", str(detection.reopenings))]
        return elements + [Element("IS_IGNORED", "0"), Element("IS_DISABLED", "0"), Element("LAST_PROCESSED_DATETIME", stamp(detection.updated))]

    @staticmethod
    def _scored(chance, severity, view):
        score = chance.randrange(100)
        elements = [Element("QDS", str(score), (("severity", ("LOW", "LOW", "MEDIUM", "HIGH", "CRITICAL")[severity - 1]),))] if view.qds else []
        if view.factors:
            factors = (("CVSS", "9.8"), ("CVSS_vector", "AV:N/AC:L & \"x\""), ("RTI", "easy_exploit,'high'"))[:1 + score % 3]
            elements.append(Element("QDS_FACTORS", [Element("QDS_FACTOR", cdata(text), (("name", name),)) for name, text in factors]))
        return elements

    def data(self, pair):
        """The record's bytes, as they are to be published."""
        detection = to_json(self.detection_elements(pair.detection, pair.view, pair.ids))
        host = to_json(self.host_elements(pair.host, pair.view))
        members = {**host, **detection} if pair.form == "merged" else {**host, "DETECTION": detection}
        return json.dumps(members, separators=(",", ":"), ensure_ascii=False).encode()

    def wire(self, pair):
        """<DETECTION> as the vendor writes it."""
        look = pair.detection.look
        return write_xml(Element("DETECTION", self.detection_elements(pair.detection, pair.view, pair.ids)), look.style, 4).encode()

    def host_head(self, host, view, style):
        """<HOST> with all that stands before its detections."""
        return open_xml("HOST", self.host_elements(host, view), style, 2).encode()

    def _digest(self, what):
        return hashlib.blake2b(what.encode(), key=b"%d" % self.seed, digest_size=24).hexdigest()


class Fleet:
    """All hosts with their detections, and how they change. Everything is done under the vendor's lock."""

    def __init__(self, seed, options, now):
        self._options = options
        self._now = now
        self.factory = Factory(seed)
        self.hosts = {}         # number: Host, in the order of their ids
        self.detections = {}    # number of the host: [Detection]
        self.added = 0
        self.changes = 0
        self._turn = 0
        self._rate = (0.0, 0.0, 0)      # new detections a second, since when, made so far
        self._fill()

    def _fill(self):
        options, count = self._options, self._options.hosts
        start = options.start or self._now() - options.span
        for number in range(count):
            ties = max(1, options.ties)
            processed = int(start + number // ties * ties * options.span / max(1, count))
            host = self._new_host(processed)
            for turn in range(options.detections // count + (number < options.detections % count)):
                self._new_detection(host, processed, known=not turn and not number % 2)

    def _new_host(self, processed):
        self.hosts[self.added] = Host(self.added, processed)
        self.detections[self.added] = []
        self.added += 1
        return self.added - 1

    def _new_detection(self, host, at, style=None, shapes=None, known=False):
        """`known`: it was found before already."""
        shelf = self.detections[host]
        turn, every = self._turn, 1 if shapes is not None else max(1, self._options.shape_every)
        self._turn += 1
        chosen = shape_names(self._options.shapes if shapes is None else shapes)
        shape = chosen[turn // every % len(chosen)] if chosen and turn % every == 0 else ""
        style = style or self._options.style
        if style not in STYLES:
            raise OptionError(f"style: one of {', '.join(STYLES)}")
        status, first = (ACTIVE, at - 90 * DAY) if known else (NEW, at)
        shelf.append(Detection(host, len(shelf), status, first, at, 1 if status == NEW else 44, Look(style, shape)))
        return shelf[-1]

    # Changes. Each is a scan of the host: all that it has is looked at again.

    def _processed(self, host, late, same):
        """The host's next time, in whole seconds, and later than the one before unless it is to be the same."""
        before = self.hosts[host].processed
        return before if same else max(before + 1, int(self._now() - late))

    def scan(self, host, late=0.0, same=False, change=None):
        """`change`: None, fix or reopen one of its detections."""
        at = self._processed(host, late, same)
        self.hosts[host] = self.hosts[host]._replace(processed=at, scans=self.hosts[host].scans + 1)
        self.changes += 1
        shelf, every = self.detections[host], self._options.untouched_every
        changed = self._find(shelf, change)
        for place, found in enumerate(shelf):
            if found is changed or not every or found.number % every != every - 1:
                shelf[place] = _seen_again(found, at, change if found is changed else None)
        return at

    @staticmethod
    def _find(shelf, change):
        wanted = {"fix": (NEW, ACTIVE, REOPENED), "reopen": (FIXED,)}.get(change, ())
        return next((found for found in shelf if found.status in wanted), None)

    def append(self, value):
        wanted = {"count": value} if isinstance(value, int) else dict(value)
        count, late = int(wanted.pop("count", 1)), float(wanted.pop("late_by", 0.0))
        if wanted.keys() - {"style", "shapes"}:
            raise OptionError(f"append: no {', '.join(sorted(wanted))}")
        numbers = list(self.hosts) or [self._new_host(int(self._now() - late))]
        chosen = [numbers[(self.changes + turn) % len(numbers)] for turn in range(count)]
        made = []
        for host in dict.fromkeys(chosen):
            at = self.scan(host, late)
            made += [self._new_detection(host, at, **wanted) for _ in range(chosen.count(host))]
        return [f"{self.factory.host_id(found.host)}/{self.factory.qid(found)}" for found in made]

    def change(self, value, change=None):
        """Scan, fix, reopen: hosts by number of them and which."""
        wanted = {"count": value} if isinstance(value, int) else dict(value)
        count, which = int(wanted.pop("count", 1)), wanted.pop("which", "any")
        late, same = float(wanted.pop("late_by", 0.0)), bool(wanted.pop("same_stamp", False))
        if wanted or which not in ("any", "first", "last"):
            raise OptionError("count, which (any, first, last), late_by, same_stamp")
        known = {"fix": (NEW, ACTIVE, REOPENED), "reopen": (FIXED,)}.get(change, STATUSES)
        able = [number for number in self.hosts if any(found.status in known for found in self.detections[number])]
        if which == "any":
            Random(f"{change}/{self.changes}").shuffle(able)
        chosen = able[-count:] if which == "last" and count else able[:count]
        for number in chosen:
            self.scan(number, late, same, change)
        return [self.factory.host_id(number) for number in chosen]

    def add_hosts(self, value):
        wanted = {"count": value} if isinstance(value, int) else dict(value)
        count, late, each = int(wanted.pop("count", 1)), float(wanted.pop("late_by", 0.0)), int(wanted.pop("detections", 3))
        if wanted:
            raise OptionError("add_hosts: count, late_by, detections")
        made = []
        for _ in range(count):
            at = int(self._now() - late)
            host = self._new_host(at)
            for _ in range(each):
                self._new_detection(host, at)
            made.append(self.factory.host_id(host))
        return made

    def remove_hosts(self, value):
        """A number of hosts from the first on, or their ids."""
        wanted = value if isinstance(value, list) else [self.factory.host_id(number) for number in list(self.hosts)[:int(value)]]
        gone = [number for number in self.hosts if self.factory.host_id(number) in wanted]
        for number in gone:
            del self.hosts[number], self.detections[number]
        return [self.factory.host_id(number) for number in gone]

    def set_rate(self, rate):
        self.advance()
        if rate != self._rate[0]:
            self._rate = (rate, self._now(), 0)

    def advance(self):
        """Bring in what is due by the rate."""
        rate, since, made = self._rate
        due = int((self._now() - since) * rate) if rate > 0 else 0
        if due > made:
            self._rate = (rate, since, due)
            self.append(due - made)

    def save(self):
        return {"hosts": self.hosts, "detections": self.detections, "added": self.added, "changes": self.changes, "turn": self._turn}

    def restore(self, saved):
        self.hosts, self.detections, self.added = saved["hosts"], saved["detections"], saved["added"]
        self.changes, self._turn = saved["changes"], saved["turn"]


def _seen_again(found, at, change):
    if change == "fix":
        return found._replace(status=FIXED, updated=at, fixed=at)
    if change == "reopen":
        return found._replace(status=REOPENED, updated=at, fixed=0, reopened=at, reopenings=found.reopenings + 1, times=found.times + 1)
    if found.status == FIXED:
        return found._replace(updated=at)
    return found._replace(status=ACTIVE if found.status == NEW else found.status, updated=at, times=found.times + 1)
