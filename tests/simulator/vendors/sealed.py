"""Opaque cursors: a list in base64, signed with the seed, so that a simulator knows its own, also after a restart, and refuses all others."""

import base64
import binascii
import hmac
import json


class Sealer:
    def __init__(self, name, seed, size, padded):
        self._key = f"{name} cursor {seed}".encode()
        self._size = size           # bytes of the signature
        self._padded = padded

    def seal(self, *members):
        plain = json.dumps(members).encode()
        text = base64.b64encode(self._sign(plain) + plain).decode()
        return text if self._padded else text.rstrip("=")

    def open(self, text):
        """What was sealed, as a list; None if that was not done here, or the text was changed."""
        try:
            raw = base64.b64decode(text if self._padded else text + "=" * (-len(text) % 4), validate=True)
        except (binascii.Error, ValueError, TypeError):
            return None
        plain = raw[self._size:]
        return json.loads(plain) if hmac.compare_digest(raw[:self._size], self._sign(plain)) else None

    def _sign(self, plain):
        return hmac.digest(self._key, plain, "sha256")[:self._size]
