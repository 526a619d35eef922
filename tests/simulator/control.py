"""The control API under /_sim/: what tests read and change while the simulator runs."""

import json
import time
from itertools import count

from bodies import Stream
from messages import Response, json_response
from options import OptionError


class Control:
    def __init__(self, server):
        self.server = server
        self.request_numbers = count(1)

    def answer(self, request):
        parts = request.path.strip("/").split("/")[1:]
        try:
            if request.method == "GET":
                return self._get(request, parts)
            if request.method == "POST":
                return self._post(request, parts)
        except (OptionError, KeyError, IndexError, TypeError, ValueError) as error:
            return _reply({"error": f"{type(error).__name__}: {error}"}, 400)
        return _reply({"error": "GET or POST"}, 405)

    def _get(self, request, parts):
        query = dict(request.parameters())
        match parts:
            case ["state"]:
                return _reply(self.state())
            case ["state", name]:
                return _reply(self.state()["vendors"][name])
            case ["ledger", name]:
                everything = query.get("all") == "1"
                return _lines(self._vendor(name).ledger.lines(everything))
            case ["requests", name]:
                since = int(query.get("since", 0))
                return _lines(self.request_lines(self._vendor(name).name, since))
            case ["violations"]:
                return _reply(self.violations())
            case [report, name] if report in self._vendor(name).reports:
                vendor = self.server.vendors[name]
                with vendor.lock:
                    return _lines([json.dumps(line).encode() + b"\n" for line in vendor.reports[report]()])
        return _reply({"error": f"no {request.path}"}, 404)

    def _post(self, request, parts):
        data = json.loads(request.body or b"{}")
        match parts:
            case [name, "set"]:
                return _reply({"results": self._vendor(name).set(data)})
            case [name, "misbehave"]:
                vendor = self._vendor(name)
                rows = data if isinstance(data, list) else [data]
                programs = self.server.programs[name]
                return _reply({"ids": [programs.add(row, vendor) for row in rows]})
            case [name, "clear"]:
                return _reply(self._clear(self._vendor(name), data))
        return _reply({"error": f"no {request.path}"}, 404)

    def _clear(self, vendor, what):
        """Programs always; violations, ledger, requests and what the vendor has where named."""
        self.server.programs[vendor.name].clear()
        with vendor.lock:
            if what.get("violations"):
                vendor.violation_list.clear()
                vendor.violation_counts.clear()
            if what.get("ledger"):
                vendor.ledger.clear()
            if what.get("requests"):
                self.server.requests[vendor.name].clear()
            vendor.clear(what)
        return {"cleared": True}

    def _vendor(self, name):
        if name not in self.server.vendors:
            raise OptionError(f"no vendor {name}; there are: {', '.join(self.server.vendors)}")
        return self.server.vendors[name]

    def state(self):
        vendors = {}
        for name, vendor in self.server.vendors.items():
            programs = self.server.programs[name]
            vendors[name] = {**vendor.state(), "misbehaved": programs.fired(), "programs": programs.pending()}
        return {"url": self.server.url, "uptime": round(time.monotonic() - self.server.started, 3),
                "trapped": len(self.server.trapped), "vendors": vendors}

    def violations(self):
        found = []
        for vendor in self.server.vendors.values():
            with vendor.lock:
                found += vendor.violation_list
        return sorted(found, key=lambda violation: violation["monotonic"])

    def request_lines(self, name, since=0):
        """JSON lines of the log, of requests numbered above `since`."""
        with self.server.vendors[name].lock:
            entries = list(self.server.requests[name])
        return (json.dumps(entry).encode() + b"\n" for entry in entries if entry["n"] > since)


def _reply(data, status=200):
    return json_response(status, json.dumps(data, ensure_ascii=False).encode() + b"\n")


def _lines(lines):
    return Response(200, [("Content-Type", "application/x-ndjson")], Stream(lambda: _batched(lines)))


def _batched(lines, size=500):
    batch = []
    for line in lines:
        batch.append(line)
        if len(batch) == size:
            yield b"".join(batch)
            batch = []
    if batch:
        yield b"".join(batch)
