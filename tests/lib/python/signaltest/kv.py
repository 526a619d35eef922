"""Key-value buckets by their documented conventions: bucket B is stream KV_B, key k is subject $KV.B.k.

Reads go by STREAM.MSG.GET, writes by a publish; create and update carry the expected last subject sequence, so
that a lost race is an ApiError with err_code 10071.

Conventions: https://github.com/nats-io/nats-architecture-and-design/blob/main/adr/ADR-8.md
"""

import json
from dataclasses import dataclass

from . import secrets
from .jetstream import ApiError

WRONG_LAST_SEQUENCE = 10071


@dataclass(frozen=True)
class Entry:
    """One revision of a key. `operation` is PUT, DEL or PURGE; markers have an empty value."""

    key: str
    value: bytes
    revision: int
    operation: str
    time_ns: int

    def json(self):
        return json.loads(self.value)


class Bucket:
    """One bucket. Nothing is created by opening it; `make` does."""

    def __init__(self, js, name):
        self.js = js
        self.name = name
        self.stream = f"KV_{name}"
        self.subject = f"$KV.{name}"

    @classmethod
    def make(cls, js, name, history=1, ttl_ns=0, **config):
        """Creates the bucket as every client library does; harmless where the same bucket exists."""
        js.stream_create(f"KV_{name}", [f"$KV.{name}.>"], max_msgs_per_subject=history, max_age=ttl_ns,
                         **{"discard": "new", "allow_rollup_hdrs": True, "deny_delete": True, "allow_direct": True,
                            "max_msgs": -1, "max_bytes": -1, "max_msg_size": -1, "num_replicas": 1,
                            "duplicate_window": min(ttl_ns, 120_000_000_000) if ttl_ns else 120_000_000_000, **config})
        return cls(js, name)

    def exists(self):
        return self.js.stream_exists(self.stream)

    def destroy(self):
        self.js.stream_delete(self.stream)

    def entry(self, key):
        """The newest revision, markers included; None where the key never was (or the bucket is not there)."""
        try:
            return self._entry(self.js.message(self.stream, last_by_subj=f"{self.subject}.{key}"))
        except ApiError as error:
            if error.err_code == 10059:
                return None
            raise

    def get(self, key):
        """The newest revision, or None where the key is absent or deleted."""
        entry = self.entry(key)
        return entry if entry and entry.operation == "PUT" else None

    def get_json(self, key, default=None):
        entry = self.get(key)
        return entry.json() if entry else default

    def put(self, key, value):
        """Stores bytes, text or (as JSON) anything else; returns the revision."""
        return self._write(key, value, None)

    def create(self, key, value):
        """Stores only where the key is absent or deleted; else ApiError 10071."""
        try:
            return self.update(key, value, 0)
        except ApiError as error:
            entry = self.entry(key) if error.err_code == WRONG_LAST_SEQUENCE else None
            if entry is None or entry.operation == "PUT":
                raise
            return self.update(key, value, entry.revision)

    def update(self, key, value, revision):
        """Stores only on top of `revision`; else ApiError 10071."""
        return self._write(key, value, {"Nats-Expected-Last-Subject-Sequence": str(revision)})

    def delete(self, key):
        return self._write(key, b"", {"KV-Operation": "DEL"})

    def purge(self, key):
        return self._write(key, b"", {"KV-Operation": "PURGE", "Nats-Rollup": "sub"})

    def keys(self):
        return [e.key for e in self.latest() if e.operation == "PUT"]

    def latest(self):
        """The newest revision of every key, markers included, in the order written."""
        newest = {}
        for stored in self.js.read(self.stream):
            newest[stored.subject] = stored
        return [self._entry(s) for s in sorted(newest.values(), key=lambda s: s.seq)]

    def history(self, key):
        """What the bucket still holds of a key, oldest first."""
        return [self._entry(s) for s in self.js.read(self.stream, subject=f"{self.subject}.{key}")]

    def _write(self, key, value, headers):
        if not isinstance(value, (bytes, str)):
            value = json.dumps(value)
        if self.name == "INTEGRATIONS":
            secrets.of_integration(value)
        return self.js.publish(f"{self.subject}.{key}", value, headers)["seq"]

    def _entry(self, stored):
        if stored is None:
            return None
        operation = stored.headers.get("KV-Operation", "PUT") if stored.raw_headers else "PUT"
        return Entry(stored.subject[len(self.subject) + 1:], stored.body, stored.seq, operation, stored.time_ns)
