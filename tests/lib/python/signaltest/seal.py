"""Sealed values by another hand: AES-256-GCM as FIPS 197 and SP 800-38D write it down, in plain Python, so that what the program seals is
opened, and what it must open is sealed, by code that shares nothing with it. Slow, and of use for tests alone."""

import base64
import hashlib
import hmac
import os
import re

from . import secrets

FORM = re.compile(r"sealed:v1:([0-9a-f]{16}):([A-Za-z0-9_-]+)")


class NotOpened(ValueError):
    """Another key, another place, or changed."""


def key_id(key):
    return hmac.new(key, b"signal-client seal key id", hashlib.sha256).digest()[:8].hex()


def key_text(key):
    """As it stands in a key file."""
    return secrets.secret(base64.b64encode(key).decode(), "a seal key") + "\n"


def read_key(path):
    with open(path, encoding="ascii") as file:
        return base64.b64decode(file.read(), validate=False)


def seal(key, integration, field, plain, nonce=None):
    nonce = nonce or os.urandom(12)
    secrets.secret(plain, f"sealed {field}")
    text, tag = _gcm(key, nonce, plain.encode(), f"{integration}/{field}".encode(), True)
    return f"sealed:v1:{key_id(key)}:" + base64.urlsafe_b64encode(nonce + text + tag).decode().rstrip("=")


def unseal(key, integration, field, sealed):
    form = FORM.fullmatch(sealed)
    if not form or form[1] != key_id(key):
        raise NotOpened(sealed)
    raw = base64.urlsafe_b64decode(form[2] + "=" * (-len(form[2]) % 4))
    if base64.urlsafe_b64encode(raw).decode().rstrip("=") != form[2]:
        raise NotOpened("bits left over")
    plain, tag = _gcm(key, raw[:12], raw[12:-16], f"{integration}/{field}".encode(), False)
    if tag != raw[-16:]:
        raise NotOpened(sealed)
    return plain.decode()


# ---- AES-256, one block ------------------------------------------------------------------------------------------------


def _double(x):
    return (x << 1 ^ 0x11B) & 0xFF if x & 0x80 else x << 1


def _make_box():
    box, p, q = [0] * 256, 1, 1
    while True:
        p ^= _double(p)
        for shift in (1, 2, 4):
            q ^= q << shift & 0xFF
        if q & 0x80:
            q ^= 0x09
        turned = [(q << n | q >> 8 - n) & 0xFF for n in range(5)]
        box[p] = turned[0] ^ turned[1] ^ turned[2] ^ turned[3] ^ turned[4] ^ 0x63
        if p == 1:
            break
    box[0] = 0x63
    return box


_BOX = _make_box()


def _schedule(key):
    words, factor = [list(key[i:i + 4]) for i in range(0, 32, 4)], 1
    while len(words) < 60:
        word = list(words[-1])
        if len(words) % 8 == 0:
            word = [_BOX[b] for b in word[1:] + word[:1]]
            word[0] ^= factor
            factor = _double(factor)
        elif len(words) % 8 == 4:
            word = [_BOX[b] for b in word]
        words.append([a ^ b for a, b in zip(words[-8], word)])
    return [sum(words[i:i + 4], []) for i in range(0, 60, 4)]


def _block(schedule, block):
    state = [a ^ b for a, b in zip(block, schedule[0])]
    for number, key in enumerate(schedule[1:], 1):
        state = [_BOX[state[(i + 4 * (i % 4)) % 16]] for i in range(16)]
        if number < 14:
            mixed = []
            for column in range(0, 16, 4):
                a = state[column:column + 4]
                mixed += [_double(a[i]) ^ _double(a[i - 3]) ^ a[i - 3] ^ a[i - 2] ^ a[i - 1] for i in range(4)]
            state = mixed
        state = [a ^ b for a, b in zip(state, key)]
    return bytes(state)


# ---- GCM ---------------------------------------------------------------------------------------------------------------


def _times(x, y):
    product = 0
    for bit in range(127, -1, -1):
        if x >> bit & 1:
            product ^= y
        y = y >> 1 ^ (0xE1 << 120 if y & 1 else 0)
    return product


def _gcm(key, nonce, data, place, seals):
    schedule = _schedule(key)
    h = int.from_bytes(_block(schedule, bytes(16)), "big")
    stream = b"".join(_block(schedule, nonce + (n + 2).to_bytes(4, "big")) for n in range((len(data) + 15) // 16))
    out = bytes(a ^ b for a, b in zip(data, stream))
    text = out if seals else data
    padded = place + bytes(-len(place) % 16) + text + bytes(-len(text) % 16) + (8 * len(place)).to_bytes(8, "big") + (8 * len(text)).to_bytes(8, "big")
    y = 0
    for i in range(0, len(padded), 16):
        y = _times(y ^ int.from_bytes(padded[i:i + 16], "big"), h)
    mask = _block(schedule, nonce + b"\0\0\0\1")
    return out, bytes(a ^ b for a, b in zip(y.to_bytes(16, "big"), mask))
