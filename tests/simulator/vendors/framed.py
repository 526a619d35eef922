"""A body whose records stand each in a frame of its own: lines of a stream, elements within elements."""

from bodies import CHUNK, Records


class Framed(Records):
    """`source` is called for a fresh iterator of (bytes before, record, bytes behind)."""

    def __init__(self, prefix, suffix, count, source, streamed=False):
        super().__init__(prefix, b"", suffix, count, source, streamed)

    def frames(self):
        for ordinal, (before, record, behind) in enumerate(self.source()):
            yield before, self.replaced.get(ordinal, record), behind

    def records(self):
        return (record for _, record, _ in self.frames())

    def span(self, ordinal):
        begin = len(self.prefix)
        for at, (before, record, behind) in enumerate(self.frames()):
            begin += len(before)
            if at == ordinal:
                return begin, begin + len(record)
            begin += len(record) + len(behind)
        raise IndexError(f"no record {ordinal} on a page of {self.count}")

    def length(self):
        if self.sized:
            return len(self._joined())
        if self._total is None:
            self._total = sum(map(len, self._pieces()))
        return self._total

    def complete_within(self, sent):
        total = len(self._joined()) if self.sized else self._total
        if total is not None and sent >= total:
            return self.count
        complete, end = 0, len(self.prefix)
        for before, record, behind in self.frames():
            end += len(before) + len(record)
            if end > sent:
                break
            complete += 1
            end += len(behind)
        return complete

    def replace(self, ordinal, data):
        super().replace(ordinal, data)
        self._total = None

    def _joined(self):
        if self._whole is None:
            self._whole = b"".join(self._pieces())
        return self._whole

    def _pieces(self):
        piece, size = [self.prefix], len(self.prefix)
        for frame in self.frames():
            piece += frame
            size += sum(map(len, frame))
            if size >= CHUNK:
                yield b"".join(piece)
                piece, size = [], 0
        piece.append(self.suffix)
        yield b"".join(piece)
