"""The world of a fault scenario: one nats-server, one simulator, agents, the witness, and what is known of them.

It is built before the first agent starts: the stream DATA with the scenario's configuration, the bucket INTEGRATIONS,
the copier that writes every message down. `finish` waits until everything offered has been taken and the walks are
closed, lets two more polls pass, and judges the stream against the simulator's ledger.
"""

import os
import random
import sys
import time
from urllib.parse import urlsplit

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib", "python"))

from signaltest.copier import Copier, copy_of_stream  # noqa: E402
from signaltest.jetstream import JetStream  # noqa: E402
from signaltest.kv import Bucket  # noqa: E402
from signaltest.ledger import Ledger  # noqa: E402
from signaltest.nats import Disconnected, NatsError  # noqa: E402
from signaltest.procs import Agent, NatsServer  # noqa: E402
from signaltest.publisher import OtherPublisher  # noqa: E402
from signaltest.simulator import Simulator  # noqa: E402
from signaltest.tools import Expired, Workspace, wait_until  # noqa: E402

STREAM = "DATA"
SUBJECT = "local.data.artifacts.raw"
OKTA = ("okta", "okta-prod", "system_log")
KEV = ("cisa-kev", "kev", "vulnerabilities")
# One integration with three data types: `put(FALCON)` polls the first alone, `put(FALCON, data_types=FALCON_ALL)` all,
# and then the others are put into `sources` by the scenario.
FALCON = ("crowdstrike-falcon", "falcon", "detections")
FALCON_DEVICES = ("crowdstrike-falcon", "falcon", "devices")
FALCON_HOSTS = ("crowdstrike-falcon", "falcon", "hosts")
FALCON_ALL = {source[2]: {"enabled": True} for source in (FALCON, FALCON_DEVICES, FALCON_HOSTS)}
FALCON_CLIENT = {"client_id": "sim-client", "client_secret": "sim-secret"}
POLL_MINUTES = 0.02
IDLE_S = float(os.environ.get("FAULTS_IDLE_S", "60"))  # no progress at all for so long is a failure
STOP_S = 6.0         # a graceful stop takes at most 5 s; one for a loaded machine
SECOND_NS = 1_000_000_000
EDITION = {"edit": {"index": 3}, "add": 1, "bump": "day"}  # cisa-kev: one entry changed, one added, a newer version
WIDE = {"requests": 1_000_000, "per_seconds": 1, "reserve_percent": 0}


class Failed(AssertionError):
    """A scenario's finding against the agent."""


def key_of(source):
    """Checkpoint key, and with a dot behind it the prefix of message ids."""
    return f"{source[1]}.{source[2]}"


class World:
    """Use as a context manager; the workspace with all logs is kept when the scenario fails."""

    def __init__(self, scenario, options, vendors, stream=None, acknowledge=False, others_per_s=0, max_payload=None):
        self.options = options
        self.rng = random.Random(f"{scenario}/{options.seed}")
        self.workspace = Workspace(scenario, keep=options.keep)
        self.findings = []
        self.sources = []
        self.agents = []
        self._offered_at = {}  # vendor: requests when all had been offered
        try:
            self.server = NatsServer(self.workspace, max_payload=max_payload).start()
            self.simulator = Simulator(self.workspace, vendors, seed=options.seed).start()
            self.connection = self.server.connect()
            self.js = JetStream(self.connection)
            self.make_stream(**(stream or {}))
            Bucket.make(self.js, "INTEGRATIONS")
            # The agent makes these when they are missing (tests/integration/test_agent.py); here they are looked at from the
            # first moment on, and nats-server 2.9.10 falls when a stream is read in the moment of its making.
            for name in ("CHECKPOINTS", "INTEGRATION_STATUS"):
                Bucket.make(self.js, name)
            self.copier = Copier(self.server.connect, STREAM, acknowledge=acknowledge)
            self.workspace.at_close(self.copier.stop)
            self.other = OtherPublisher(self.server.connect, SUBJECT, others_per_s) if others_per_s else None
            if self.other:
                self.workspace.at_close(self.other.stop)
        except BaseException:
            self.workspace.close(failed=True)
            raise

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        self.workspace.close(failed=(kind is not None or bool(self.findings)) and kind is not KeyboardInterrupt)

    # -- making -------------------------------------------------------------------------------------------

    def make_stream(self, duplicate_window_s=2, **config):
        self.window_s = duplicate_window_s
        self.js.stream_create(STREAM, ["local.data.>"], duplicate_window=int(duplicate_window_s * SECOND_NS), **config)

    def new_agent(self, name=None):
        agent = Agent(self.workspace, self.options.agent, self.server, name=name or f"agent{len(self.agents) or ''}",
                      env=self.options.env)
        self.agents.append(agent)
        return agent

    def integration(self, source, token="sim-token", **changes):
        """The integration's value as an operator would put it."""
        vendor, _, data_type = source
        value = {"integration_type": vendor, "name": source[1], "enabled": True, "poll_interval_minutes": POLL_MINUTES,
                 "settings": {"base_url": f"{self.simulator.url}/{vendor}"}, "credentials": {},
                 "data_types": {data_type: {"enabled": True}}, "rate_limit": WIDE}
        if vendor == "okta":
            value["settings"]["fqdn"] = "acme.okta.test"
            value["credentials"]["api_token"] = token
        if vendor == "cisa-kev":
            value["settings"]["use_mirror"] = False
        if vendor == "crowdstrike-falcon":
            value["credentials"].update(FALCON_CLIENT)
            value["data_types"] = {name: {"enabled": name == data_type} for name in FALCON_ALL}
        for name, change in changes.items():
            value[name] = {**value[name], **change} if isinstance(change, dict) and name in value else change
        return value

    def put(self, source, **changes):
        """Puts the integration and takes it into the judgement; returns the bucket's entry."""
        if source not in self.sources:
            self.sources.append(source)
        return self.put_raw(source[1], self.integration(source, **changes))

    def put_raw(self, key, value):
        bucket = self.bucket("INTEGRATIONS")
        bucket.put(key, value)
        return bucket.entry(key)

    # -- looking ------------------------------------------------------------------------------------------

    def bucket(self, name):
        """The bucket over a live connection."""
        if not self.connection.connected:
            self.connection.reconnect()
        return Bucket(self.js, name)

    def look(self, function, absent=None):
        """function() while the server may be going down or coming up: `absent` where it cannot be asked now. A server
        that was restarted since the last look is asked again over a new connection."""
        for _ in range(2):
            try:
                if not self.connection.connected:
                    self.connection.reconnect(timeout=0.5)
                return function()
            except Disconnected:
                continue
            except (NatsError, OSError):
                break
        return absent

    def checkpoint(self, source=OKTA):
        return self.look(lambda: self.bucket("CHECKPOINTS").get_json(key_of(source)))

    def page_open(self, source=OKTA):
        return bool((self.checkpoint(source) or {}).get("open"))

    def status(self, source=OKTA):
        return self.look(lambda: self.bucket("INTEGRATION_STATUS").get_json(source[1])) or {}

    def promise(self, source=OKTA):
        return self.status(source).get("data_types", {}).get(source[2], {}).get("promise")

    def closed(self, source):
        """The walk is closed, everything that the vendor has was offered, and the position is behind it.

        Okta: the position is the simulator's last link. A catalogue has no such mark: the poll after the one that
        offered the last of it has begun. Integrations that share a vendor: as many messages as there must be."""
        checkpoint = self.checkpoint(source)
        if not checkpoint or checkpoint.get("open") or checkpoint.get("walk") or not checkpoint.get("position"):
            return False
        vendor = source[0]
        if self.sharing(source):
            return self.copier.ours >= self.expected()
        state = self.simulator.state(vendor)
        if vendor == "okta":
            at, last = checkpoint["position"].get("next"), state["last_link"]
            return bool(at and last) and _path(at).endswith(_path(last)) and self.all_offered(vendor)
        if not self.all_offered(vendor):
            self._offered_at.pop(vendor, None)
            return False
        begun = _polls_begun(state, source)
        return begun > self._offered_at.setdefault(vendor, begun)

    def all_offered(self, vendor):
        wanted = {source[2] for source in self.sources if source[0] == vendor}
        return all(line["offered"] for line in self.simulator.ledger(vendor, everything=True)
                   if line.get("type") in (None, *wanted))

    def sharing(self, source):
        """More than one integration asks this vendor, so that its last link is somebody's, not this one's."""
        return sum(other[0] == source[0] for other in self.sources) > 1

    def ledger(self):
        return Ledger(*(self.simulator.offers(vendor, f"{name}.{data_type}.", data_type=data_type)
                        for vendor, name, data_type in self.sources))

    def expected(self):
        """How many artifacts all the integrations together must give."""
        return sum(len(offers) for offers in self.ledger().offers)

    def describe(self):
        """What is known now, for the message of a failure."""
        lines = [f"stored {self.copier.count} (ours {self.copier.ours}), reconnects {self.copier.reconnects}"]
        for source in self.sources:
            lines.append(f"checkpoint {key_of(source)}: {str(self.checkpoint(source))[:600]}")
            state = self.look(lambda s=source: self.status(s), {}) or {}
            lines.append(f"status {source[1]}: {state.get('state')} {state.get('reason')} {state.get('detail')}")
        for agent in self.agents:
            lines.append(f"{agent.name}: {'running' if agent.alive else f'ended with {agent.exit_status}'}\n"
                         f"{agent.log_tail(8)}")
        return "\n".join(lines)

    # -- acting -------------------------------------------------------------------------------------------

    def stop_agent(self, agent, how="kill"):
        """SIGKILL, or SIGTERM with its promise: gone within 5 s with status 0."""
        if how == "kill":
            agent.kill()
            return
        began = time.monotonic()
        try:
            status = agent.terminate(STOP_S)
        except Expired:
            self.expect(False, f"SIGTERM: the agent was still there after {STOP_S:g} s")
            agent.kill()
            return
        self.expect(status == 0, f"SIGTERM: exit status {status} after {time.monotonic() - began:.1f} s")

    def run_on(self, messages, agent):
        """Waits for so many more stored messages. False when the walk ended before."""
        wanted = self.copier.ours + messages
        total = self.expected()
        if wanted > total:
            wanted = total
        self.copier.wait_count(wanted, IDLE_S, f"{agent.name} going on", alive=lambda: agent.alive)
        self.expect(agent.alive, f"{agent.name} ended by itself with {agent.exit_status}")
        return self.copier.ours < total

    # -- judging ------------------------------------------------------------------------------------------

    def expect(self, good, finding):
        if not good and finding not in self.findings:
            self.findings.append(finding)
        return good

    def progress(self):
        """Anything that changes while the agent gets on: used to tell slow from stuck."""
        state = {source[0]: self.simulator.state(source[0])["pages"] for source in self.sources}
        return self.copier.ours, str(state), str([self.checkpoint(source) for source in self.sources])

    def wait_closed(self, idle_s=IDLE_S):
        """Until every walk is closed with everything taken; fails after `idle_s` without any progress."""
        last = [None, time.monotonic()]

        def all_closed():
            now = self.progress()
            if now != last[0]:
                last[:] = now, time.monotonic()
            elif time.monotonic() - last[1] > idle_s:
                raise Failed(f"stuck: no progress for {idle_s:g} s\n{self.describe()}")
            return all(self.closed(source) for source in self.sources)

        try:
            wait_until(all_closed, 3600, "all walks closed")
        except Expired as error:
            raise Failed(f"{error}\n{self.describe()}") from error

    def let_polls_pass(self, polls=2):
        """So many more polls of every vendor, so that what a later poll would send twice is seen."""
        before = {source: _polls_begun(self.simulator.state(source[0]), source) for source in self.sources}
        sharing = max((sum(o[0] == s[0] and o[2] == s[2] for o in self.sources) for s in self.sources), default=1)

        def passed():
            return all(_polls_begun(self.simulator.state(source[0]), source) >= n + polls * sharing
                       for source, n in before.items())
        try:
            wait_until(passed, IDLE_S, f"{polls} more polls")
        except Expired as error:
            raise Failed(f"{error}\n{self.describe()}") from error

    def finish(self, allow=(), gaps=False, stream=False, settle=True, ledger=None):
        """Waits for the end and judges; returns the verdict. `allow`: kinds of findings that the caller judges itself.

        The witness's copies are judged, or with `stream` what the stream holds now: after a power loss the witness saw
        what nobody has any more."""
        if settle:
            self.wait_closed()
            self.let_polls_pass()
            self.wait_closed()
        if stream:
            self.connection.connected or self.connection.reconnect()
            copies = copy_of_stream(self.js, STREAM)
        else:
            self.copier.catch_up()
            copies = self.copier.copies
            self.expect(not self.copier.holes, f"the witness missed sequences {self.copier.holes[:3]}: no judgement")
        verdict = (ledger or self.ledger()).judge(copies)
        wrong = verdict.wrong(allow) + (["gaps"] if verdict.gaps and not gaps else [])
        self.expect(not wrong, verdict.text())
        violations = self.simulator.violations()
        self.expect(not violations, f"the vendor's rules were broken {len(violations)} times: {violations[:2]}")
        self.verdict = verdict
        return verdict


def _polls_begun(state, source):
    """What grows with every poll: walks begun, where the simulator counts them by data type; else requests."""
    walks = state.get("walks")
    return state["requests"] if walks is None else walks.get(source[2], 0)


def _path(link):
    """Path and query of a link, absolute or not."""
    parts = urlsplit(link)
    return parts.path + ("?" + parts.query if parts.query else "")
