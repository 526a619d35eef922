"""The vendor simulator as a process, and its control API."""

import json
import os
import sys
import urllib.parse

from . import secrets
from .ledger import Offers, snapshot_identity
from .procs import START_S, TESTS, Process, get_json, http_request
from .tools import free_port, wait_until

PROGRAM = os.path.join(TESTS, "simulator", "simulator.py")


class Simulator(Process):
    """Plays `vendors` ({"okta": {"events": 1000}, …}: options at start) on a port that stays over restarts."""

    def __init__(self, workspace, vendors, seed=1, name="simulator", program=PROGRAM):
        super().__init__(workspace, name)
        self.vendors = vendors
        self.seed = seed
        self.port = free_port()
        self.ready_path = workspace.file(name, "ready")
        self.program = program
        self.tokens_path = workspace.file(name, "tokens")
        workspace.at_close(lambda: secrets.of_file(self.tokens_path))

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}"

    def start(self):
        if os.path.exists(self.ready_path):
            os.remove(self.ready_path)
        argv = [sys.executable, self.program, "--listen", f"127.0.0.1:{self.port}", "--seed", str(self.seed),
                "--ready-file", self.ready_path]
        for vendor, options in self.vendors.items():
            argv += ["--vendor", vendor]
            for key, value in options.items():
                argv += ["--option", f"{vendor}.{key}={_option_text(value)}"]
        self.spawn(argv, env=os.environ | {"SIMULATOR_TOKENS_FILE": self.tokens_path})
        wait_until(self._ready, START_S, lambda: f"simulator ready\n{self.log_tail()}")
        return self

    def _ready(self):
        if not self.alive:
            self._not_started(f"exit status {self.exit_status}")
        return os.path.exists(self.ready_path)

    # -- control API --------------------------------------------------------------------------------------

    def state(self, vendor=None):
        """What the simulator says of itself, or of one vendor: requests, pages, last_link, …"""
        state = get_json(self.port, "/_sim/state")
        return state["vendors"][vendor] if vendor else state

    def ledger(self, vendor, everything=False, data_type=None):
        """Records offered; with `everything` those never offered too, so that they are missed. `data_type`: only those
        of this one, where the vendor has several."""
        query = {"all": 1} if everything else {}
        lines = _lines(http_request(self.port, f"/_sim/ledger/{vendor}{_query(query)}", timeout=120))
        return [line for line in lines if data_type is None or line.get("type", data_type) == data_type]

    def tokens(self, vendor):
        """The log of token requests of a vendor with OAuth2: {"n", "wall", "status", "outcome", "left", …}."""
        return _lines(http_request(self.port, f"/_sim/tokens/{vendor}"))

    def requests(self, vendor, since=0):
        """The log of requests numbered above `since`: {"n", "wall", "target", "status", "page", "body_sent", …}."""
        return _lines(http_request(self.port, f"/_sim/requests/{vendor}?since={since}", timeout=120))

    def violations(self):
        return _lines(http_request(self.port, "/_sim/violations"))

    def set(self, vendor, **changes):
        return json.loads(http_request(self.port, f"/_sim/{vendor}/set", "POST", changes) or b"null")

    def misbehave(self, vendor, *programs):
        """Programs as the simulator's README lists them: {"kind": "cut", "at": 17, "skip": 3}, …"""
        http_request(self.port, f"/_sim/{vendor}/misbehave", "POST", list(programs))

    def clear(self, vendor, **what):
        """No misbehaviour from now on. what: violations, ledger, requests = True clear those too."""
        http_request(self.port, f"/_sim/{vendor}/clear", "POST", what)

    def offers(self, vendor, prefix, everything=True, data_type=None, superseded=True):
        """What the vendor has, as the oracle takes it; `superseded`: see Offers.add_lines."""
        identity_of = snapshot_identity if vendor == "cisa-kev" else (lambda recipe_id: recipe_id)
        return Offers(prefix, identity_of).add_lines(self.ledger(vendor, everything, data_type), superseded)


def _option_text(value):
    if isinstance(value, bool):
        return "true" if value else "false"
    return ",".join(map(str, value)) if isinstance(value, (list, tuple)) else str(value)


def _query(parameters):
    return "?" + urllib.parse.urlencode(parameters) if parameters else ""


def _lines(text):
    """JSON lines, or one JSON list."""
    text = text.strip()
    if text.startswith(b"["):
        return json.loads(text)
    return [json.loads(line) for line in text.splitlines() if line]
