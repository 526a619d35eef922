"""A strict reader of the Prometheus text format 0.0.4. What a lenient scraper would forgive is an error here: an unknown family, families that
are not of one piece, a series that stands twice, a histogram that does not add up, a number in another form than a plain decimal."""

import re

TYPES = ("counter", "gauge", "histogram", "untyped")
NAME = r"[a-zA-Z_:][a-zA-Z0-9_:]*"
HELP = re.compile(rf"# HELP ({NAME}) (.+)")
TYPE = re.compile(rf"# TYPE ({NAME}) ({'|'.join(TYPES)})")
SAMPLE = re.compile(rf"({NAME})(?:\{{(.*)\}})? (-?[0-9]+(?:\.[0-9]+)?)")
LABEL = re.compile(r'([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\[\\"n])*)"(,|$)')
UNESCAPED = {"\\\\": "\\", '\\"': '"', "\\n": "\n"}


class Malformed(AssertionError):
    """With the number of the line and what is wrong with it."""


class Family:
    def __init__(self, name, text):
        self.name, self.help, self.type = name, text, None
        self.samples = {}  # (name of the sample, frozenset of label pairs): text of the value

    def own(self, sample):
        if self.type != "histogram":
            return sample == self.name
        return sample in (f"{self.name}_bucket", f"{self.name}_sum", f"{self.name}_count")


class Exposition:
    """families: in order, by name."""

    def __init__(self, data):
        text = data.decode("utf-8")  # strict
        if not text.endswith("\n"):
            raise Malformed("the last line has no end")
        self.families = {}
        self._now = None
        for number, line in enumerate(text[:-1].split("\n"), 1):
            try:
                self._take(line)
            except Malformed as error:
                raise Malformed(f"line {number}: {error}: {line[:300]!r}") from None
        for family in self.families.values():
            if family.type is None:
                raise Malformed(f"{family.name} has no type")
            if family.type == "histogram":
                _check_histogram(family)

    def _take(self, line):
        if found := HELP.fullmatch(line):
            if found[1] in self.families:
                raise Malformed("the family stands twice")
            self._now = self.families[found[1]] = Family(found[1], found[2])
        elif found := TYPE.fullmatch(line):
            if not self._now or self._now.name != found[1] or self._now.type or self._now.samples:
                raise Malformed("the type does not follow the help")
            self._now.type = found[2]
        elif found := SAMPLE.fullmatch(line):
            self._sample(found[1], found[2], found[3])
        else:
            raise Malformed("neither help nor type nor sample")

    def _sample(self, name, labels, value):
        family = self._now
        if not family or not family.type or not family.own(name):
            raise Malformed("the sample belongs to another family than the one before it")
        key = (name, frozenset(_labels(labels).items()))
        if key in family.samples:
            raise Malformed("the series stands twice")
        if family.type in ("counter", "histogram") and value.startswith("-"):
            raise Malformed("a counter below 0")
        if family.type == "counter" and not name.endswith("_total"):
            raise Malformed("a counter's name ends in _total")
        family.samples[key] = value

    def value(self, name, **labels):
        """The one series with exactly these labels, as a number; None: there is none."""
        family = self.families.get(re.sub(r"_(bucket|sum|count)$", "", name)) or self.families.get(name)
        value = (self.families.get(name) or family).samples.get((name, frozenset(labels.items()))) if family else None
        return None if value is None else float(value) if "." in value else int(value)

    def find(self, name, **labels):
        """{frozenset of all labels: number} of the series that have these labels and perhaps more."""
        family = self.families.get(name)
        wanted = set(labels.items())
        return {key[1]: float(value) for key, value in family.samples.items() if wanted <= key[1]} if family else {}


def _labels(text):
    pairs, at = {}, 0
    if text == "":
        raise Malformed("braces without labels")
    while text and at < len(text):
        found = LABEL.match(text, at)
        if not found:
            raise Malformed(f"no label at {text[at:at + 40]!r}")
        if found[1] in pairs:
            raise Malformed(f"label {found[1]} stands twice")
        if found[3] == "," and found.end() == len(text):
            raise Malformed("a comma behind the last label")
        pairs[found[1]] = re.sub(r'\\[\\"n]', lambda escape: UNESCAPED[escape[0]], found[2])
        at = found.end()
    return pairs


def _check_histogram(family):
    series = {}
    for (name, labels), value in family.samples.items():
        le = [pair[1] for pair in labels if pair[0] == "le"]
        if bool(le) != name.endswith("_bucket"):
            raise Malformed(f"{name}: le belongs to buckets, and to them alone")
        rest = frozenset(pair for pair in labels if pair[0] != "le")
        series.setdefault(rest, {"buckets": []})[name.rpartition("_")[2]] = float(value)
        if le:
            series[rest]["buckets"].append((float(le[0]), float(value)))
    for labels, one in series.items():
        bounds = [bound for bound, _ in one["buckets"]]
        counts = [count for _, count in one["buckets"]]
        if not bounds or bounds != sorted(set(bounds)) or bounds[-1] != float("inf"):
            raise Malformed(f"{family.name}{dict(labels)}: buckets are {bounds}")
        if counts != sorted(counts) or "sum" not in one or one.get("count") != counts[-1]:
            raise Malformed(f"{family.name}{dict(labels)}: does not add up: {one}")
