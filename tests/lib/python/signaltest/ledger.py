"""The oracle: what a vendor offered against what a stream holds.

An Offers is one integration's data type: the identities that the vendor offered, each with the SHA-256 of its bytes.
A Ledger is all of them; `judge` takes every message of the stream (copier.Copy) and says what is

  missing          offered, and in no message
  doubled by id    more than one message with the same Nats-Msg-Id
  doubled by body  more messages with the same bytes than identities were offered with them
  altered          an offered identity with bytes that were never offered for it
  foreign          a message that nobody offered: not ours by its id, or with an identity that is not in the ledger
  mislabelled      Nats-Msg-Id does not end in ce-id, so that consumers and server disagree on what it is

Messages of a test's other publishers are named by prefix and left out. Gap artifacts are listed, and are wrong or
right as the scenario says.
"""

import hashlib
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from urllib.parse import unquote

GAP_TYPE = "signal-client.gap"
EXAMPLES = 3


@dataclass
class Offers:
    """What one integration was offered of one data type.

    `prefix` is what its message ids begin with: `{integration}.{data_type}.`. `identity_of` takes the recipe's id (the
    rest of the message id) to the vendor's identity; for a snapshot that is the part before the content hash."""

    prefix: str
    identity_of: object = staticmethod(lambda recipe_id: recipe_id)
    required: dict = field(default_factory=lambda: defaultdict(set))   # identity -> bodies that must be there
    tolerated: dict = field(default_factory=lambda: defaultdict(set))  # identity -> bodies that may be there

    def add(self, identity, sha256, required=True):
        (self.required if required else self.tolerated)[identity].add(sha256)

    def add_lines(self, lines, superseded=True):
        """Lines of the simulator's ledger: {"id", "sha256", "altered"?}. Bytes that a misbehaviour changed may come
        or not; the vendor's own must.

        Of a record that changes ("last", "whole": VersionLedger) the present version must come, and each that went out
        in a complete reply; one that was only in a reply cut short, and then superseded, may. `superseded` False: any
        superseded one only may, for a client that dies between reply and publication cannot ask for it again."""
        for line in lines:
            owed = line.get("last", True) or (superseded and line.get("whole", True))
            self.add(line["id"], line["sha256"], required=owed and not line.get("altered"))
        return self

    def __len__(self):
        return sum(map(len, self.required.values()))


@dataclass
class Verdict:
    """Findings of one judgement: lists of short texts, and the copies behind those that scenarios look at again."""

    offered: int = 0
    stored: int = 0
    others: int = 0
    missing: list = field(default_factory=list)
    doubled_by_id: list = field(default_factory=list)
    doubled_by_body: list = field(default_factory=list)
    altered: list = field(default_factory=list)
    foreign: list = field(default_factory=list)
    mislabelled: list = field(default_factory=list)
    gaps: list = field(default_factory=list)
    doubles: dict = field(default_factory=dict)  # message id -> its copies, where there is more than one

    KINDS = ("missing", "doubled_by_id", "doubled_by_body", "altered", "foreign", "mislabelled")

    def wrong(self, allow=()):
        """Names of the kinds of findings there are, but for those allowed."""
        return [kind for kind in self.KINDS if getattr(self, kind) and kind not in allow]

    @property
    def exact(self):
        return not self.wrong()

    def text(self):
        """One line of figures, then the first examples of each kind."""
        figures = ", ".join(f"{kind.replace('_', ' ')} {len(getattr(self, kind))}" for kind in self.KINDS)
        lines = [f"ledger: offered {self.offered}, stored {self.stored}, {figures}, gaps {len(self.gaps)}"
                 f"{f', others {self.others}' if self.others else ''}"]
        for kind in self.KINDS + ("gaps",):
            found = getattr(self, kind)
            lines += [f"  {kind.replace('_', ' ')}: {item}" for item in found[:EXAMPLES]]
            if len(found) > EXAMPLES:
                lines.append(f"  {kind.replace('_', ' ')}: … and {len(found) - EXAMPLES} more")
        return "\n".join(lines)

    __str__ = text


def snapshot_identity(recipe_id):
    """Recipe's id of a snapshot's record, `{identity}~{hash}~{version}` -> identity."""
    return recipe_id.split("~")[0]


class Ledger:
    """All that was offered. `others` are prefixes of message ids that belong to publishers of the test itself."""

    def __init__(self, *offers, others=("other-",)):
        self.offers = list(offers)
        self.others = tuple(others)

    def judge(self, copies):
        verdict = Verdict(offered=sum(map(len, self.offers)))
        mine = {id(offers): [] for offers in self.offers}
        for copy in copies:
            self._sort(copy, verdict, mine)
        for offers in self.offers:
            _judge_one(offers, mine[id(offers)], verdict)
        return verdict

    def _sort(self, copy, verdict, mine):
        """Finds out whose message it is."""
        msg_id = unquote(copy.msg_id or "")
        if msg_id.startswith(self.others):
            verdict.others += 1
            return
        verdict.stored += 1
        if copy.ce_type == GAP_TYPE:
            verdict.gaps.append(f"seq {copy.seq} {msg_id}")
            return
        for offers in self.offers:
            if msg_id.startswith(offers.prefix):
                mine[id(offers)].append((msg_id[len(offers.prefix):], copy))
                break
        else:
            verdict.foreign.append(f"seq {copy.seq}: message id {msg_id!r} belongs to nobody")
            return
        ce_id = unquote(copy.ce_id or "")
        if not ce_id or not msg_id.endswith("." + ce_id):
            verdict.mislabelled.append(f"seq {copy.seq}: message id {msg_id!r}, ce-id {ce_id!r}")


def _judge_one(offers, found, verdict):
    hashed = {"h:" + hashlib.sha256(i.encode()).hexdigest()[:32]: i for i in (*offers.required, *offers.tolerated)
              if _is_hashed(i)}
    by_msg_id, by_identity, by_body = defaultdict(list), defaultdict(list), defaultdict(list)
    for recipe_id, copy in found:
        identity = hashed.get(recipe_id) or offers.identity_of(recipe_id)
        by_msg_id[recipe_id].append(copy)
        by_body[copy.sha256].append(copy)
        if identity in offers.required or identity in offers.tolerated:
            by_identity[identity].append(copy)
        else:
            verdict.foreign.append(f"seq {copy.seq}: {offers.prefix}{recipe_id} was never offered")

    for recipe_id, copies in by_msg_id.items():
        if len(copies) > 1:
            verdict.doubles[offers.prefix + recipe_id] = copies
            verdict.doubled_by_id.append(f"{offers.prefix}{recipe_id} at {_places(copies)}")

    owners = Counter(body for source in (offers.required, offers.tolerated) for bodies in source.values()
                     for body in bodies)
    for body, copies in by_body.items():
        if len(copies) > max(1, owners[body]):
            verdict.doubled_by_body.append(f"{body[:16]} at {_places(copies)}, {copies[0].msg_id}")

    for identity, copies in by_identity.items():
        right = offers.required.get(identity, set()) | offers.tolerated.get(identity, set())
        for copy in copies:
            if copy.sha256 not in right:
                verdict.altered.append(f"seq {copy.seq}: {offers.prefix}{identity} has {copy.length} bytes "
                                       f"{copy.sha256[:16]}, offered {' '.join(b[:16] for b in sorted(right))}")

    for identity, bodies in offers.required.items():
        seen = {copy.sha256 for copy in by_identity.get(identity, ())}
        altered = len(seen - bodies - offers.tolerated.get(identity, set()))
        absent = sorted(bodies - seen)
        for body in absent[:max(0, len(absent) - altered)]:  # an altered one stands for what it was made of
            verdict.missing.append(f"{offers.prefix}{identity} {body[:16]}")


def _is_hashed(identity):
    return len(identity.encode()) > 128 or any(not 0x21 <= ord(c) <= 0x7E for c in identity)


def _places(copies):
    return "seq " + ", ".join(str(copy.seq) for copy in copies[:4]) + (", …" if len(copies) > 4 else "")
