"""Reply bodies.

A body can be asked again and again for its bytes, so that a page of a gigabyte is never held in memory and the
ledger can tell afterwards which records lay within the bytes that were sent.

    sized               True: length() is cheap and the reply may carry Content-Length
    length()            number of bytes; walks an unsized body
    chunks()            the bytes, in pieces of any size
    complete_within(n)  how many records lie wholly within the first n bytes
"""

import zlib

CHUNK = 256 * 1024


class Bytes:
    """A body without records: errors, HTML, garbage."""

    sized = True

    def __init__(self, data=b""):
        self.data = data

    def length(self):
        return len(self.data)

    def chunks(self):
        if self.data:
            yield self.data

    def complete_within(self, sent):
        return 0


class Stream:
    """A body without records and of any length; `source` is called for a fresh iterator of bytes."""

    sized = False

    def __init__(self, source):
        self.source = source

    def length(self):
        return sum(len(chunk) for chunk in self.source())

    def chunks(self):
        return self.source()

    def complete_within(self, sent):
        return 0


class Records:
    """Records between a prefix and a suffix; `source` is called for a fresh iterator of the records' bytes.

    `streamed` bodies are generated while they are sent. `replaced` maps the ordinal of a record on this page to the
    bytes sent in its place.
    """

    def __init__(self, prefix, separator, suffix, count, source, streamed=False):
        self.prefix = prefix
        self.separator = separator
        self.suffix = suffix
        self.count = count
        self.source = source
        self.sized = not streamed
        self.replaced = {}
        self._whole = None
        self._total = None          # bytes of a streamed body, once it was walked to its end

    def replace(self, ordinal, data):
        self.replaced[ordinal] = data
        self._whole = None

    def records(self):
        if not self.replaced:
            return self.source()
        return (self.replaced.get(ordinal, record) for ordinal, record in enumerate(self.source()))

    def record(self, ordinal):
        for at, record in enumerate(self.records()):
            if at == ordinal:
                return record
        raise IndexError(f"no record {ordinal} on a page of {self.count}")

    def span(self, ordinal):
        """Offsets of the first byte of a record and of the byte behind it."""
        begin = len(self.prefix)
        for at, record in enumerate(self.records()):
            if at == ordinal:
                return begin, begin + len(record)
            begin += len(record) + len(self.separator)
        raise IndexError(f"no record {ordinal} on a page of {self.count}")

    def length(self):
        if self.sized:
            return len(self._joined())
        if self._total is not None:
            return self._total
        records = sum(len(record) for record in self.records())
        return len(self.prefix) + records + len(self.separator) * max(0, self.count - 1) + len(self.suffix)

    def chunks(self):
        if self.sized:
            yield self._joined()
            return
        total = 0
        for piece in self._pieces():
            total += len(piece)
            yield piece
        self._total = total

    def complete_within(self, sent):
        total = len(self._joined()) if self.sized else self._total
        if total is not None and sent >= total:
            return self.count
        complete, end = 0, len(self.prefix)
        for record in self.records():
            end += len(record)
            if end > sent:
                break
            complete += 1
            end += len(self.separator)
        return complete

    def _joined(self):
        if self._whole is None:
            self._whole = b"".join((self.prefix, self.separator.join(self.records()), self.suffix))
        return self._whole

    def _pieces(self):
        piece, size = [self.prefix], len(self.prefix)
        first = True
        for record in self.records():
            if not first:
                piece.append(self.separator)
            first = False
            piece.append(record)
            size += len(record)
            if size >= CHUNK:
                yield b"".join(piece)
                piece, size = [], 0
        piece.append(self.suffix)
        yield b"".join(piece)


class Truncated:
    """The first `limit` bytes of another body, as if they were all."""

    sized = True

    def __init__(self, inner, limit):
        self.inner = inner
        self.limit = min(limit, inner.length())

    def length(self):
        return self.limit

    def chunks(self):
        left = self.limit
        for chunk in self.inner.chunks():
            if left <= 0:
                return
            yield chunk[:left]
            left -= len(chunk)

    def complete_within(self, sent):
        return self.inner.complete_within(min(sent, self.limit))


class Gzip:
    """Another body with Content-Encoding gzip."""

    LEVEL = 1

    def __init__(self, inner):
        self.inner = inner
        self.sized = inner.sized
        self._whole = None
        self._total = None

    def length(self):
        return len(self._joined()) if self.sized else sum(len(chunk) for chunk in self._packed())

    def chunks(self):
        if self.sized:
            yield self._joined()
        else:
            yield from self._packed()

    def complete_within(self, sent):
        """Records within what a client can unpack of the first `sent` bytes."""
        total = len(self._joined()) if self.sized else self._total
        if total is not None and sent >= total:
            return self.inner.complete_within(self.inner.length())
        unpacker, plain, left = zlib.decompressobj(31), 0, sent
        for chunk in self.chunks():
            plain += len(unpacker.decompress(chunk[:left]))
            left -= len(chunk)
            if left <= 0:
                break
        return self.inner.complete_within(plain)

    def _joined(self):
        if self._whole is None:
            self._whole = b"".join(self._packed())
        return self._whole

    def _packed(self):
        packer, total = zlib.compressobj(self.LEVEL, zlib.DEFLATED, 31), 0
        for chunk in self.inner.chunks():
            packed = packer.compress(chunk)
            if packed:
                total += len(packed)
                yield packed
        packed = packer.flush()
        yield packed
        self._total = total + len(packed)


def gzip_bomb(size):
    """A gzip body that unpacks to `size` bytes of JSON: one string of blanks. Costs almost nothing to make."""
    block = b" " * (1024 * 1024)
    blocks = max(1, size // len(block))

    def source():
        packer = zlib.compressobj(9, zlib.DEFLATED, -15)
        yield b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff"
        yield packer.compress(b'["') + packer.flush(zlib.Z_FULL_FLUSH)
        # Behind a full flush a block does not refer to what came before: one packed block serves for all.
        packed = packer.compress(block) + packer.flush(zlib.Z_FULL_FLUSH)
        checksum = zlib.crc32(b'["')
        for _ in range(blocks):
            checksum = zlib.crc32(block, checksum)
            yield packed
        yield packer.compress(b'"]') + packer.flush()
        checksum = zlib.crc32(b'"]', checksum)
        total = (blocks * len(block) + 4) & 0xFFFFFFFF
        yield checksum.to_bytes(4, "little") + total.to_bytes(4, "little")

    return Stream(source)
