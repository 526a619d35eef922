"""The files of a stopped nats-server's stream, and a power loss played on them.

Layout of nats-server 2.9 (seen on 2.9.10): `<store>/jetstream/$G/streams/<STREAM>/` holds `meta.inf`, `meta.sum`,
and in `msgs/` for each block N of at most 8 MiB `N.blk` (the records), `N.idx` (written at times; at a clean stop),
`N.fss` (subjects, at a clean stop). A record is: u32 length (top bit: has headers), u64 sequence, i64 time, u16 length
of the subject, subject, [u32 length of the headers, headers], body, u64 checksum; little endian.

What cutting does (each tried, after SIGTERM and after SIGKILL, with and without `N.idx` and `N.fss`): the server
notices that the last checksum differs from the index, rebuilds the block from `N.blk`, drops a half record silently
and comes up with the lower last_seq; the creation time stays, new messages take the sequences again, and message ids
of lost records are no longer known as duplicates. A block cut to 0 bytes ends the stream at the block before; a lone
one gives an empty stream with last_seq 0. So only `N.blk` is cut here and everything else is left: power loss leaves
a stale index too. 2.10 and later keep `index.db` beside the blocks, which would have to go as well.
"""

import os
import struct
from dataclasses import dataclass

HAS_HEADERS = 0x80000000


@dataclass(frozen=True)
class Record:
    seq: int
    at: int
    size: int


@dataclass(frozen=True)
class Cut:
    """What a cut left: the newest sequence that is still whole, and how many records went."""

    last_seq: int
    lost: int


def blocks(store_dir, stream, account="$G"):
    """Paths of the stream's blocks, oldest first."""
    folder = os.path.join(store_dir, "jetstream", account, "streams", stream, "msgs")
    numbers = sorted(int(name[:-4]) for name in os.listdir(folder) if name.endswith(".blk"))
    return [os.path.join(folder, f"{n}.blk") for n in numbers]


def records(block):
    """The records of one block file, in order."""
    with open(block, "rb") as file:
        data = file.read()
    out, at = [], 0
    while at + 12 <= len(data):
        size = struct.unpack_from("<I", data, at)[0] & ~HAS_HEADERS
        if size < 22 or at + size > len(data):
            break
        out.append(Record(struct.unpack_from("<Q", data, at + 4)[0], at, size))
        at += size
    return out


def cut_tail(store_dir, stream, lose, into_record=0):
    """Cuts the last block so that its last `lose` records are gone, as if never synced. The server must be stopped.

    Of the first lost record `into_record` bytes stay, so that the file ends in the middle of it. Never cuts more than
    the last block holds: older blocks were synced when they were closed."""
    paths = [path for path in blocks(store_dir, stream) if os.path.getsize(path)]
    if not paths:
        return Cut(0, 0)
    held = records(paths[-1])
    lose = min(lose, len(held))
    if lose == 0:
        return Cut(held[-1].seq if held else 0, 0)
    first_lost = held[-lose]
    os.truncate(paths[-1], first_lost.at + min(into_record, first_lost.size - 1))
    if lose < len(held):
        return Cut(held[-lose - 1].seq, lose)
    return Cut(records(paths[-2])[-1].seq if len(paths) > 1 else 0, lose)
