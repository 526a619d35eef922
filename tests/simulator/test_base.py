"""What the simulator's tests are made of: a simulator in this process, and a client that sees every byte."""

import hashlib
import http.client
import json
import os
import re
import socket
import sys
import threading
import time
import unittest
from urllib.parse import quote

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

from server import Server               # noqa: E402  (the path comes first)
from simulator import make_vendors      # noqa: E402

OKTA = {"Authorization": "SSWS sim-token", "Accept": "application/json", "User-Agent": "test/1"}


def rfc3339(epoch):
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(epoch))


def first_query(limit=1000, since=None):
    moment = quote(since or rfc3339(time.time() - 86400), safe="")
    return f"/okta/api/v1/logs?since={moment}&sortOrder=ASCENDING&limit={limit}"


def sha256(data):
    return hashlib.sha256(data).hexdigest()


def split_array(data):
    """The exact bytes of an array's elements."""
    text, decoder, found = data.decode(), json.JSONDecoder(), []
    at = re.compile(r"\s*\[\s*").match(text).end()
    while text[at] != "]":
        _, end = decoder.raw_decode(text, at)
        found.append(text[at:end].encode())
        at = re.compile(r"\s*,?\s*").match(text, end).end()
    return found


class Reply:
    def __init__(self, response):
        self.status = response.status
        self.headers = response.headers
        self.body = response.read()

    def json(self):
        return json.loads(self.body)

    def next(self):
        """Path and query of the next link, of headers that come one a line."""
        for line in self.headers.get_all("Link") or []:
            if 'rel="next"' in line:
                return re.search(r"<https?://[^/]+([^>]*)>", line).group(1)
        return None


class SimulatorTest(unittest.TestCase):
    options = ()

    def setUp(self):
        self.start()

    def start(self, *options, vendors=("okta", "cisa-kev")):
        self.serve(make_vendors(vendors, 7, options))

    def serve(self, vendors):
        self.server = Server(("127.0.0.1", 0), vendors, 7)
        self.host = self.server.url.partition("//")[2]
        thread = threading.Thread(target=self.server.serve)
        thread.start()
        server = self.server

        def end():
            server.stop()
            thread.join()
        self.addCleanup(end)

    def get(self, target, headers=OKTA, method="GET", body=None):
        connection = http.client.HTTPConnection(self.host, timeout=5)
        try:
            connection.request(method, target, body=body, headers=headers)
            return Reply(connection.getresponse())
        finally:
            connection.close()

    def post(self, target, data):
        reply = self.get(f"/_sim/{target}", {}, "POST", json.dumps(data))
        self.assertEqual(reply.status, 200, reply.body)
        return reply.json()

    def misbehave(self, kind, vendor="okta", **row):
        return self.post(f"{vendor}/misbehave", {"kind": kind, **row})

    def state(self, vendor="okta"):
        return self.get(f"/_sim/state/{vendor}").json()

    def ledger(self, vendor="okta", query=""):
        return [json.loads(line) for line in self.get(f"/_sim/ledger/{vendor}{query}").body.splitlines()]

    def violations(self):
        return [violation["code"] for violation in self.get("/_sim/violations").json()]

    def walk(self, target=None, limit=1000):
        """All records until an empty array, as bytes, and the last next link."""
        target, records = target or first_query(limit), []
        while True:
            reply = self.get(target)
            self.assertEqual(reply.status, 200, reply.body)
            page = split_array(reply.body)
            if not page:
                return records, reply.next()
            records += page
            target = reply.next()

    def raw(self, target, headers=OKTA):
        """Everything that comes on a connection until it ends."""
        with socket.create_connection(self.server.url[7:].split(":"), timeout=5) as connection:
            lines = [f"GET {target} HTTP/1.1", f"Host: {self.host}", "Connection: close"]
            lines += [f"{name}: {value}" for name, value in headers.items()]
            connection.sendall(("\r\n".join(lines) + "\r\n\r\n").encode())
            data = b""
            while chunk := connection.recv(65536):
                data += chunk
        return data
