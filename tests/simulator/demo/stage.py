"""What the demo consists of: a private nats-server, the simulated vendors, the agent, and the integrations put into it.

Everything lies in one temporary directory that only this user can enter, listens on 127.0.0.1 alone, and ends with the
workspace, however this process ends.
"""

import hashlib
import json
import os
import random
import secrets
import shlex
import shutil
import subprocess
import time
from dataclasses import dataclass

from signaltest.copier import Copier
from signaltest.jetstream import JetStream
from signaltest.kv import Bucket
from signaltest.ledger import Offers, snapshot_identity
from signaltest.nats import NatsError
from signaltest.procs import Agent, NatsServer
from signaltest.simulator import Simulator
from signaltest.tools import Expired, Workspace, wait_until

STREAM = "DATA"
START_S = 20
OLDEST_SERVER = (2, 9)
PAGE_SIZE = 100
MIRROR = "/kev-mirror/cisagov/kev-data/develop/known_exploited_vulnerabilities.json"


class Problem(Exception):
    """Something foreseeable that ends the demo: one sentence that says what, and what to do."""


@dataclass(frozen=True)
class Source:
    """One integration of the demo and the vendor behind it."""

    name: str
    vendor: str
    title: str
    data_types: tuple
    interval_s: float
    options: dict        # of the simulated vendor
    settings: dict       # "{url}" is the simulator's address
    secrets: tuple = ()
    off: tuple = ()      # data types that are not polled


SOURCES = (
    Source("okta-demo", "okta", "Okta System Log", ("system_log",), 2, {"events": 250, "page_size": PAGE_SIZE},
           {"fqdn": "acme.okta.test", "base_url": "{url}/okta"}, ("api_token",)),
    Source("kev-demo", "cisa-kev", "CISA Known Exploited Vulnerabilities", ("vulnerabilities",), 3, {"entries": 300},
           {"base_url": "{url}/cisa-kev", "mirror_url": "{url}" + MIRROR}),
    Source("falcon-demo", "crowdstrike-falcon", "CrowdStrike Falcon, alerts and devices", ("detections", "devices"), 4,
           {"alerts": 120, "devices": 40}, {"base_url": "{url}/crowdstrike-falcon", "page_size": "50"},
           ("client_id", "client_secret"), off=("hosts",)),  # hosts are the devices once more
)


def made_up(field):
    """A secret that looks like the vendor's: `put` refuses others."""
    return {"api_token": "00" + secrets.token_hex(20), "client_id": secrets.token_hex(16)}.get(field, secrets.token_hex(20))


class Stage:
    def __init__(self, binary, keep):
        self.binary = binary
        self.rng = random.Random()
        self.workspace = Workspace("demo", keep=keep, quiet=True)
        os.chmod(self.workspace.path, 0o700)
        self.server = self.simulator = self.agent = self.witness = None
        self.sources = SOURCES
        self.secrets = {}
        self.unused_secrets = False  # the vendor has new ones, the bucket not yet
        self.stopped_server = False  # by an act: its absence is then no surprise

    # -- starting -----------------------------------------------------------------------------------------

    def start(self):
        self.server = self._start("nats-server", lambda: NatsServer(self.workspace))
        self._check_server()
        vendors, seed = {source.vendor: source.options for source in self.sources}, self.rng.randrange(1 << 30)
        self.simulator = self._start("the simulated vendors", lambda: Simulator(self.workspace, vendors, seed=seed))
        self.agent = self._make_agent()
        self.agent.start()
        self._wait_agent()
        self.witness = Copier(self.server.connect, STREAM)
        self.workspace.at_close(self.witness.stop)

    @staticmethod
    def _start(what, make, tries=3):
        """A port that was free may be taken a moment later: then it is tried on others."""
        for left in reversed(range(tries)):
            try:
                return make().start()
            except Expired as error:
                if not left or "in use" not in str(error):
                    raise Problem(f"{what} did not start: {last_line(str(error))}") from error

    def _check_server(self):
        with self.server.connect() as connection:
            version = connection.info.get("version", "0")
        numbers = tuple(int(part) for part in version.split("-")[0].split(".") if part.isdigit())
        if numbers[:2] < OLDEST_SERVER:
            raise Problem(f"nats-server {version} is too old, 2.9 or newer is needed: apt-get install nats-server")
        self.server_version = version

    def _make_agent(self):
        node_file = self.workspace.file("agent", "node.json")
        with open(node_file, "w", encoding="utf-8") as file:
            file.write("{}\n")  # so that no node file of this machine is taken
        dead_letters = self.workspace.file("agent", "dead-letters", "")
        return Agent(self.workspace, self.binary, self.server,
                     settings=f"dead_letter = {{ dir = {json.dumps(dead_letters.rstrip('/'))}; }};\n",
                     env={"LOG_LEVEL": "info", "WF_NODE_CONFIG_FILE": node_file})

    def _wait_agent(self):
        """Until it holds the lease and publishes: only then may the stream be looked at."""
        def ready():
            log = self.agent.log()
            return not self.agent.alive or ("publishing to stream" in log and "this agent polls" in log)
        try:
            wait_until(ready, START_S, "the agent ready")
        except Expired as error:
            raise Problem(f"the agent was not ready within {START_S} s: {last_line(self.agent.log())}") from error
        if not self.agent.alive:
            raise Problem(f"the agent did not start: {last_line(self.agent.log())}")

    # -- integrations -------------------------------------------------------------------------------------

    def put(self, source):
        """`signal-client integrations put`, as an operator does it; secrets go by standard input."""
        arguments = ["--type", source.vendor]
        for key, value in source.settings.items():
            arguments += ["--set", f"{key}={value.replace('{url}', self.simulator.url)}"]
        for data_type in source.off:
            arguments += ["--data-type", f"{data_type}=off"]
        return self._put(source, arguments + ["--interval-minutes", f"{source.interval_s / 60:.4f}"])

    def put_secrets(self, source):
        """The same for new secrets alone; returns when the bucket took them (ns since 1970), and the revision."""
        self._put(source, [])
        with self.server.connect() as connection:
            entry = Bucket(JetStream(connection), "INTEGRATIONS").entry(source.name)
        return entry.time_ns, entry.revision

    def _put(self, source, arguments):
        for field in source.secrets:
            arguments = arguments + ["--secret", field]
        typed = "".join(self.secrets[source.name, field] + "\n" for field in source.secrets)
        done = subprocess.run([self.agent.binary, "integrations", "put", source.name, *arguments], input=typed, text=True,
                              env=self.agent.environment(), capture_output=True, timeout=START_S, check=False,
                              start_new_session=True)  # Ctrl-C is for us alone
        self.unused_secrets = False
        if done.returncode:
            raise Problem(f"`signal-client integrations put {source.name}` was refused: {last_line(done.stderr)}")
        return done.stderr

    def new_secrets(self, source):
        """Makes up secrets and tells the vendor to accept these and no others."""
        self.unused_secrets = True
        old = [self.secrets.get((source.name, field)) for field in source.secrets]
        for field in source.secrets:
            self.secrets[source.name, field] = made_up(field)
        if source.vendor == "okta":
            revoked = {"revoke": old[0]} if old[0] else {}
            self.simulator.set("okta", **revoked, tokens=[self.secrets[source.name, "api_token"]])
        if source.vendor == "crowdstrike-falcon":
            pair = [self.secrets[source.name, field] for field in source.secrets]
            self.simulator.set(source.vendor, clients=[":".join(pair)])

    def okta_header(self, source):
        """How the vendor's log of requests shows the present token."""
        value = f"SSWS {self.secrets[source.name, 'api_token']}"
        return "sha256:" + hashlib.sha256(value.encode()).hexdigest()[:16]

    # -- looking ------------------------------------------------------------------------------------------

    def last_request(self, vendor):
        requests = self.simulator.requests(vendor)
        return requests[-1]["n"] if requests else 0

    def offers(self, source):
        """What the vendor has of each of its data types, as the oracle takes it: one Offers each. Of records that change, each
        version that went out must be there, and the present one; what was replaced unseen cannot be asked for any more."""
        lines = self.simulator.ledger(source.vendor, everything=True)
        return [self._offers_of(source, data_type, lines) for data_type in source.data_types]

    @staticmethod
    def _offers_of(source, data_type, lines):
        offers = Offers(f"{source.name}.{data_type}.")
        if source.vendor == "cisa-kev":
            offers.identity_of = snapshot_identity
        for line in lines:
            if line.get("type", data_type) == data_type:
                there = line.get("last", True) or line.get("whole", True)
                offers.add(line["id"], line["sha256"], required=there and not line.get("altered"))
        return offers

    def published(self, source):
        """What the witness saw of an integration so far."""
        prefix = f"Nats-Msg-Id: {source.name}.".encode()
        return sum(prefix in copy.raw_headers for copy in list(self.witness.copies))

    def check_alive(self):
        """Nothing may end by itself. Raises Problem naming what did."""
        for what, process in (("the agent", self.agent), ("the simulated vendors", self.simulator)):
            if not process.alive:
                raise Problem(f"{what} ended with status {process.exit_status}: {last_line(process.log())}")
        if not self.server.alive and not self.stopped_server:
            raise Problem(f"nats-server ended by itself with status {self.server.exit_status}: {last_line(self.server.log())}")

    # -- acting -------------------------------------------------------------------------------------------

    def kill_server(self):
        """Returns when it was (seconds since 1970)."""
        self.stopped_server = True
        now = time.time()
        self.server.kill()
        return now

    def start_server(self):
        if not self.server.alive:
            self._start("nats-server", lambda: self.server, tries=1)
        self.stopped_server = False

    def js(self):
        """JetStream over a new connection; the caller closes js.connection."""
        try:
            return JetStream(self.server.connect())
        except (NatsError, OSError) as error:
            raise Problem(f"nats-server does not answer: {error}") from error


def program_name(binary):
    """What to type for it: the bare name where that starts the same file."""
    found = shutil.which("signal-client")
    if found and os.path.realpath(found) == os.path.realpath(binary):
        return "signal-client"
    near = os.path.join(os.curdir, os.path.relpath(binary))
    return shlex.quote(near if len(near) + 8 < len(binary) and os.pardir not in near else binary)


def last_line(text):
    lines = [line.strip() for line in text.splitlines() if line.strip() and not line.startswith("--- start")]
    return lines[-1] if lines else "it left no word"
