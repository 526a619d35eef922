"""What a simulated Office 365 tenant has recorded: events, gathered in blobs of one content type. Every event is a pure function of
the seed, its number and its time; bytes are made when they are sent, and again when somebody reads the ledger.

An event may stand in more than one blob, as the vendor says it may. A blob is listed by the time at which it became available
(contentCreated); a late one is seen later than that. Everything is done under the vendor's lock.
"""

import time
from bisect import bisect_left, insort
from dataclasses import dataclass
from functools import lru_cache
from random import Random
from typing import NamedTuple, Optional

from options import OptionError
from vendors.growth import Rate
from vendors.templates import PEOPLE, Look, digest, make_look, template

TYPES = {       # data type: content type
    "azure_ad": "Audit.AzureActiveDirectory", "exchange": "Audit.Exchange", "sharepoint": "Audit.SharePoint",
    "general": "Audit.General", "dlp": "DLP.All",
}
KINDS = {content_type: kind for kind, content_type in TYPES.items()}
MOST_AGE = 90 * 60      # an event is so much older than its blob, at most


class Event(NamedTuple):
    kind: str           # data type
    number: int
    second: int         # CreationTime, epoch seconds
    look: Look
    variant: int = 0    # of a repeated event whose bytes differ


@dataclass
class Blob:
    kind: str
    number: int         # within its content type
    created: Optional[int]      # contentCreated, epoch milliseconds; None: waits for a subscription
    visible: float      # when it is listed, epoch seconds
    events: tuple
    expired: bool = False
    gone: bool = False

    @property
    def identity(self):
        first = f"{_compact_second(self.created // 1000)}{self.created % 1000:03d}{self.number:06d}"
        name = TYPES[self.kind].replace(".", "_")
        return f"{first}${first}${name.lower()}${name}"


class Content:
    def __init__(self, seed, options, now):
        self._seed, self._options, self._now = seed, options, now
        self.blobs = {kind: [] for kind in TYPES}
        self.orders = {kind: [] for kind in TYPES}      # (contentCreated, contentId, number)
        self.by_id = {}
        self.events = {kind: 0 for kind in TYPES}       # made so far
        self._last_ms = 0
        self._rate = Rate()
        self._fill()

    def _fill(self):
        """The initial blobs, evenly over the span; of types without a subscription they wait for one."""
        options = self._options
        start, ties = options.start or self._now() - options.span, max(1, options.ties)
        for kind, content_type in TYPES.items():
            total, sizes = getattr(options, kind), []
            while sum(sizes) < total:
                sizes.append(min(self._size(kind, len(sizes)), total - sum(sizes)))
            for number, size in enumerate(sizes):
                created = int((start + number // ties * ties * options.span / len(sizes)) * 1000) + number // ties * 7919 % 1000
                created = min(created, int((start + options.span) * 1000))
                self._add(kind, created if content_type in options.subscribed else None, size, {})

    def _size(self, kind, number):
        return Random(digest(self._seed, f"size/{kind}/{number}")).randint(1, max(1, 2 * self._options.events_per_blob - 1))

    def _add(self, kind, created, size, changes, visible=None):
        """One more blob with so many new events, and sometimes with some of the blob before."""
        shelf, every = self.blobs[kind], self._options.duplicate_every
        chance = Random(digest(self._seed, f"blob/{kind}/{len(shelf)}"))
        around = (created or int(self._now() * 1000)) // 1000
        events = []
        for _ in range(size):
            number = self.events[kind]
            self.events[kind] += 1
            events.append(Event(kind, number, around - chance.randrange(MOST_AGE), make_look(number, self._options, **changes)))
        own = tuple(events)
        if every > 0 and shelf and len(shelf) % every == every - 1:
            variant = int(self._options.duplicate_form == "changed")
            events += [event._replace(variant=variant) for event in shelf[-1].events[:2]]
        chance.shuffle(events)
        lag = self._options.list_lag * chance.random()
        blob = Blob(kind, len(shelf), created, (around + lag if visible is None else visible), tuple(events))
        shelf.append(blob)
        if created is not None:
            self._place(blob)
        return [self.event_id(event) for event in own]

    def _place(self, blob):
        self.by_id[blob.identity] = blob
        insort(self.orders[blob.kind], (blob.created, blob.identity, blob.number))

    def _now_ms(self):
        self._last_ms = max(self._last_ms, int(self._now() * 1000))
        return self._last_ms

    # Looking.

    def event_id(self, event):
        own = digest(self._seed, f"event/{event.kind}/{event.number}")
        return f"{own[:8]}-{own[8:12]}-4{own[13:16]}-8{own[17:20]}-{own[20:32]}"

    def data(self, event):
        """The event's bytes."""
        own = self.event_id(event)
        chance = Random(digest(self._seed, f"content/{event.kind}/{event.number}"))
        record = {"CreationTime": _second(event.second), "Id": own, **_MAKERS[event.kind](chance)}
        record["OrganizationId"] = self._options.tenant
        record["Version"] = 1 + event.variant
        return template(record, event.look) % {b"RATIO": b"3.40227072E9", b"SCORE": b"0.10"}

    def expires(self, blob):
        """Epoch seconds."""
        return blob.created / 1000 + self._options.blob_life

    def is_expired(self, blob):
        return blob.expired or self._now() >= self.expires(blob)

    def between(self, kind, low, high):
        """Blobs from low to below high (milliseconds) that are listed now."""
        order, now = self.orders[kind], self._now()
        entries = order[bisect_left(order, (low,)):bisect_left(order, (high,))]
        return [blob for blob in (self.blobs[kind][number] for _, _, number in entries) if blob.visible <= now]

    def seen(self, kind):
        """Blobs that can be fetched now."""
        now = self._now()
        return [blob for blob in self.blobs[kind]
                if blob.created is not None and blob.visible <= now and not blob.gone and not self.is_expired(blob)]

    # Changing.

    def append(self, value, subscribed):
        """See the vendor's action. `subscribed`: data types whose blobs need not wait."""
        wanted = {"count": value} if isinstance(value, int) else dict(value)
        kind, count = wanted.pop("type", "azure_ad"), int(wanted.pop("count", 1))
        size, late, at = wanted.pop("per_blob", None), float(wanted.pop("late_by", 0.0)), wanted.pop("at", None)
        unknown = wanted.keys() - {"style", "shapes"}
        if unknown or kind not in TYPES:
            raise OptionError(f"append: no {', '.join(sorted(unknown))}" if unknown else f"type: one of {', '.join(TYPES)}")
        added = []
        while len(added) < count:
            created = self._now_ms() - int(late * 1000) if at is None else int(float(at) * 1000)
            part = min(int(size or self._size(kind, len(self.blobs[kind]))), count - len(added))
            visible = self._now() if late or at is not None else None
            added += self._add(kind, created if kind in subscribed else None, part, wanted, visible)
        return added

    def enable(self, kind, moment):
        """What waited becomes available at a moment, a millisecond apart."""
        waiting = [blob for blob in self.blobs[kind] if blob.created is None]
        for ahead, blob in enumerate(waiting):
            blob.created = int(moment * 1000) + ahead
            blob.visible = blob.created / 1000
            self._place(blob)
        return len(waiting)

    def chosen(self, value):
        """Blobs that an action is for: {"type": data type, "count": n} (the oldest that can be fetched), or {"ids": [...]}."""
        wanted = dict(value)
        if "ids" in wanted:
            missing = [identity for identity in wanted["ids"] if identity not in self.by_id]
            if missing:
                raise OptionError(f"no {missing[0]}")
            return [self.by_id[identity] for identity in wanted["ids"]]
        kind = wanted.get("type", "azure_ad")
        if kind not in TYPES:
            raise OptionError(f"type: one of {', '.join(TYPES)}")
        found = sorted(self.seen(kind), key=lambda blob: (blob.created, blob.number))
        return found[:int(wanted.get("count", 1))]

    def set_rate(self, rate, subscribed):
        self.advance(subscribed)
        self._rate.set(rate, self._now())

    def advance(self, subscribed):
        """Bring in what is due by the rate."""
        for moment in self._rate.due(self._now()):
            created = int(moment * 1000) if "azure_ad" in subscribed else None
            self._add("azure_ad", created, self._size("azure_ad", len(self.blobs["azure_ad"])), {})

    def save(self):
        return {"blobs": self.blobs, "events": self.events, "last_ms": self._last_ms}

    def restore(self, saved):
        self.blobs, self.events, self._last_ms = saved["blobs"], saved["events"], saved["last_ms"]
        self.by_id, self.orders = {}, {kind: [] for kind in TYPES}
        for shelf in self.blobs.values():
            for blob in shelf:
                if blob.created is not None:
                    self._place(blob)


@lru_cache(maxsize=8192)
def _second(epoch):
    """As events say it: UTC without a zone."""
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(epoch))


@lru_cache(maxsize=8192)
def _compact_second(epoch):
    return time.strftime("%Y%m%d%H%M%S", time.gmtime(epoch))


def stamp(ms):
    return f"{_second(ms // 1000)}.{ms % 1000:03d}Z"


# Names of the identity, deeper than where they count.
_DECOY = [{"Id": "not this one", "CreationTime": "1999-01-01T00:00:00", "contentUri": "https://other.example/"}]


def _common(chance, operation, record_type, workload):
    return {"Operation": operation, "RecordType": record_type, "ResultStatus": chance.choice(("Succeeded", "Failed", "PartiallySucceeded")),
            "UserKey": f"1003BFFD{chance.getrandbits(32):08X}", "UserType": chance.choice((0, 2, 4)), "Workload": workload,
            "ClientIP": chance.choice((f"203.0.113.{chance.randrange(256)}", f"[2001:db8::{chance.randrange(65536):x}]:443")),
            "UserId": f"{chance.choice(('ann', 'bjørn', 'zoë', 'o.neil', '山田'))}@acme.example"}


def _azure_ad(chance):
    return {**_common(chance, chance.choice(("UserLoggedIn", "Add user.", "Update group.")), chance.choice((8, 15)), "AzureActiveDirectory"),
            "AzureActiveDirectoryEventType": 1, "ExtendedProperties": [{"Name": "UserAgent", "Value": "Mozilla/5.0 (\"X11\"; 100%)"}],
            "ModifiedProperties": [{"Name": "DisplayName", "NewValue": chance.choice(PEOPLE), "OldValue": ""}], "Actor": _DECOY,
            "ErrorNumber": str(chance.choice((0, 50126))), "Ticks": chance.getrandbits(64) | 1 << 63}


def _exchange(chance):
    return {**_common(chance, chance.choice(("MailItemsAccessed", "New-InboxRule")), 50, "Exchange"), "LogonType": 0,
            "MailboxGuid": f"{chance.getrandbits(32):08x}-1111-4222-8333-{chance.getrandbits(48):012x}", "ExternalAccess": False,
            "Folders": [{"FolderItems": [{"InternetMessageId": "<a\\b@mail.example>", "SizeInBytes": chance.randrange(1 << 40)}],
                         "Id": "LgAAAAB", "Path": "\\Posteingang\\Übersicht"}], "OperationCount": chance.randrange(100), "Decoy": _DECOY}


def _sharepoint(chance):
    name = chance.choice(("Plan – final (1).docx", "予算.xlsx", "a&b's.txt", "x\u2028y.pdf"))
    return {**_common(chance, chance.choice(("FileAccessed", "FileDownloaded", "SharingSet")), 6, "OneDrive"), "EventSource": "SharePoint",
            "ItemType": "File", "ListItemUniqueId": None, "ObjectId": f"https://acme.sharepoint.example/sites/team/{name}",
            "SourceFileName": name, "UserAgent": "", "FileSyncBytesCommitted": str(chance.getrandbits(60)), "ratio": "@@RAW_RATIO@@"}


def _general(chance):
    return {**_common(chance, chance.choice(("MessageSent", "TeamCreated", "ViewReport")), 25, "MicrosoftTeams"),
            "Members": [{"DisplayName": chance.choice(PEOPLE), "Role": 1, "UPN": "ann@acme.example"}], "TeamName": "Équipe \U0001f680",
            "AADGroupId": None, "ExtraProperties": [], "Decoy": _DECOY, "MessageId": chance.getrandbits(53)}


def _dlp(chance):
    return {**_common(chance, "DLPRuleMatch", 13, "Exchange"), "IncidentId": f"{chance.getrandbits(64)}", "SensitiveInfoDetectionIsIncluded":
            False, "PolicyDetails": [{"PolicyName": "Kreditkarten — «intern»", "Rules": [{
                "RuleName": "High \"volume\"", "Severity": "High", "ConditionsMatched": {"SensitiveInformation": [
                    {"Confidence": 85, "Count": chance.randrange(10 ** 12), "score": "@@RAW_SCORE@@"}]}}]}],
            "ExchangeMetaData": {"From": "ann@acme.example", "To": [], "Subject": "Rechnung 'März' \\ 3", "Id": "not this one"}}


_MAKERS = {"azure_ad": _azure_ad, "exchange": _exchange, "sharepoint": _sharepoint, "general": _general, "dlp": _dlp}
