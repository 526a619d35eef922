"""Records as templates with holes, so that one costs a formatting: `@@NAME@@` within a string, or `"@@RAW_NAME@@"` for a value that is
no string."""

import hashlib
import json
import re
from typing import NamedTuple

from options import OptionError
from vendors.okta_events import ALL_SHAPES, SHAPES, STYLES, restyle

VARIANTS = 32
PEOPLE = ("Dana Poe", "Bjørn Ærø", "Zoë Müller", "Łukasz Żak", "Иван Петров", "山田 太郎", "O'Neil \"Red\" Smith", "Ana 100%\u2028\U0001f464",
          "back\\slash <b>&amp;</b>")
PLACES = (("Oslo", "Oslo", "Norway", "NO", 59.9, 10.7), ("Zürich", "ZH", "Switzerland", "CH", 47.37, 8.54),
          ("São Paulo", "SP", "Brazil", "BR", -23.55, -46.63), ("東京", "東京都", "Japan", "JP", 35.68, 139.69),
          ("Null Island", "", "", "", 0.0, -0.0))

_HOLE = re.compile(rb"@@(\w+)@@")
_RAW = re.compile(rb'"@@RAW_(\w+)@@"')


class Look(NamedTuple):
    """How the bytes of a record are made, beside its number and time."""

    style: str = "compact"
    shape: str = ""         # unusual JSON in it


def make_look(number, options, style=None, shapes=None):
    """Look of the record with this number: by the vendor's options, or as an append wants it."""
    every = 1 if shapes is not None else max(1, options.shape_every)
    chosen = shape_names(options.shapes if shapes is None else shapes)
    style = style or options.style
    if style not in STYLES:
        raise OptionError(f"style: one of {', '.join(STYLES)}")
    return Look(style, chosen[number // every % len(chosen)] if chosen and number % every == 0 else "")


def shape_names(names):
    """Shapes by name; "all" is all of them."""
    chosen = ALL_SHAPES if list(names) == ["all"] else tuple(names)
    for name in chosen:
        if name not in ALL_SHAPES:
            raise OptionError(f"no shape {name}; there are: all, {', '.join(ALL_SHAPES)}")
    return chosen


def template(record, look, ascii_only=False):
    """Bytes to be formatted with a dict of bytes."""
    if look.shape:
        record = {"shape": "@@SHAPE@@", **record}
    text = json.dumps(record, separators=(",", ":"), ensure_ascii=ascii_only).encode()
    if look.shape:
        text = text.replace(b'"@@SHAPE@@"', SHAPES[look.shape])
    text = restyle(_RAW.sub(rb"@@\1@@", text), look.style)
    return _HOLE.sub(rb"%(\1)s", text.replace(b"%", b"%%"))


def compact(data):
    return json.dumps(data, separators=(",", ":"), ensure_ascii=False).encode()


def digest(seed, what):
    """64 hex digits that depend on the seed."""
    return hashlib.blake2b(what.encode(), key=b"%d" % seed, digest_size=32).hexdigest()
