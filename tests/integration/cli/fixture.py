"""What the tests of the commands share: a nats-server for each test, and the program as an operator types it."""

import os
import subprocess
import sys
import unittest

from signaltest.jetstream import JetStream
from signaltest.kv import Bucket
from signaltest.procs import NatsServer
from signaltest.secrets import secret
from signaltest.tools import Workspace

BINARY, CONNECTORS = sys.argv[1], sys.argv[2]
TOKEN = secret("t0k-3n.Never/Shown")
KEY = secret("k3y-Never+Shown")


class CommandTest(unittest.TestCase):
    """Each test has a nats-server of its own; `make` makes the bucket first."""

    make = True
    login = {}

    def setUp(self):
        self.workspace = Workspace(type(self).__name__)
        self.addCleanup(self.workspace.close)
        self.server = NatsServer(self.workspace, searched=False, **self.login).start()  # no agent writes: some tests publish what `tail` must not show
        self.connection = self.server.connect()
        self.addCleanup(self.connection.close)
        self.js = JetStream(self.connection)
        self.bucket = Bucket(self.js, "INTEGRATIONS")
        if self.make:
            Bucket.make(self.js, "INTEGRATIONS", history=5)

    def environment(self, **more):
        kept = {k: v for k, v in os.environ.items() if k in ("PATH", "ASAN_OPTIONS", "UBSAN_OPTIONS", "LSAN_OPTIONS", "TSAN_OPTIONS")}
        return kept | {"NATS_URL": self.server.url, "SIGNAL_CLIENT_CONNECTORS": CONNECTORS} | more

    def call(self, *words, stdin="", want=0, env=None):
        """Runs a command; its exit code must be `want`, and no secret may be anywhere in what it says."""
        done = subprocess.run([BINARY, *words], input=stdin.encode(), capture_output=True, timeout=60, check=False,
                              env=self.environment(**(env or {})))
        out, err = done.stdout.decode(), done.stderr.decode()
        self.workspace.note(done.stdout + done.stderr)
        self.assertEqual(done.returncode, want, f"{words}\nstdout: {out}\nstderr: {err}")
        for secret in (TOKEN, KEY):
            self.assertNotIn(secret, out + err)
        return out, err

    def put_acme(self, name="acme-prod", *more, **rest):
        return self.call("integrations", "put", name, "--type", "acme", "--set", "fqdn=a.acme.test", "--secret", "api_token", *more,
                         stdin=TOKEN + "\n", **rest)
