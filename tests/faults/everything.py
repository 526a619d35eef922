"""All connectors at once in one agent: `everything`. Tight pools, tokens and credentials revoked, throttles, errors, replies cut,
records that come late and that change, the agent killed again and again; then each data type is judged by itself.

As everywhere where something is killed, of a record that changes only the last version must be there; nothing is there twice.
"""

import hashlib
import time
from collections import Counter
from dataclasses import dataclass, field

from relapses import BRIEF
from scenario import conclude, scenario
from signaltest.ledger import Ledger, Offers, snapshot_identity
from signaltest.tools import Expired, hold, wait_until
from world import IDLE_S, Failed, World

OFTEN = 0.05   # minutes between polls
TENANT = "41463f53-8812-40f4-890f-865bf6e35190"
# Not while something is killed: an agent that dies before it has saved what it was told cannot know it.
REFUSED = {"kind": "status", "status": 401, "skip": 3}
THROTTLED = {"kind": "throttle", "header": "retry_after", "seconds": 1, "skip": 4}


@dataclass(eq=False)
class Part:
    """One vendor with all of its data types. `share`: what part of the run's records are its; `kinds`: option that says how many records of a
    data type there are, and their part of that; `pool`: requests and seconds of the integration's own limit; `revoke`: action that makes
    what it signs in with useless once; `grow`: actions that add and change records."""

    vendor: str
    name: str
    types: tuple
    share: float
    kinds: dict
    settings: dict
    credentials: dict
    options: dict = field(default_factory=dict)
    pool: tuple = (2000, 60)
    revoke: dict = field(default_factory=dict)
    grow: tuple = ()
    snapshot: bool = False

    def start_options(self, records):
        counts = {option: max(1, int(records * self.share * part)) for option, part in self.kinds.items()}
        return {**counts, **self.options}

    def value(self, world):
        settings = {"base_url": f"{world.simulator.url}/{self.vendor}", **self.settings}
        if self.vendor == "office-365":
            settings["auth_url"] = f"{world.simulator.url}/office-365-login"
        requests, seconds = self.pool
        return {"integration_type": self.vendor, "name": self.name, "poll_interval_minutes": OFTEN, "settings": settings,
                "credentials": self.credentials, "data_types": {kind: {"enabled": True, "lookback_hours": 24} for kind in self.types},
                "rate_limit": {"requests": requests, "per_seconds": seconds, "reserve_percent": 0}}


PARTS = (
    Part("okta", "okta", ("system_log",), 0.2, {"events": 1}, {"fqdn": "acme.okta.test"}, {"api_token": "sim-token"},
         {"rate_limit": 240, "duplicates": 3}, (240, 60), grow=({"append": 20}, {"append": {"count": 5, "late_by": 30}})),
    Part("cisa-kev", "kev", ("vulnerabilities",), 0.01, {"entries": 1}, {"use_mirror": False}, {}, snapshot=True,
         grow=({"edit": {"index": 3}, "add": 1, "bump": "day"},)),
    Part("crowdstrike-falcon", "falcon", ("detections", "devices", "hosts"), 0.12, {"alerts": 0.7, "devices": 0.15}, {"detail_batch": 300},
         {"client_id": "sim-client", "client_secret": "sim-secret"}, {"rate_limit": 400, "fraction": "mixed"}, (360, 60),
         {"revoke_tokens": True}, grow=({"append": 10}, {"update": 10}, {"modify": 5})),
    Part("tenable", "tenable", ("vulnerabilities", "assets"), 0.2, {"findings": 0.9, "assets": 0.1}, {"fqdn": "cloud.tenable.test"},
         {"client_id": "sim-access", "api_secret": "sim-secret"}, {"chunk_order": "mixed", "chunk_numbers": "gaps", "empty_every": 7}, (400, 60),
         grow=({"append": 10}, {"scan": 10}, {"fix": 5}, {"update_assets": 3}, {"fail_exports": True})),
    Part("cisco-duo", "duo", ("auth_logs", "admin_logs", "activity_logs", "telephony_logs", "offline_enrollment_logs"), 0.05,
         {"auth_logs": 0.5, "admin_logs": 0.2, "activity_logs": 0.1, "telephony_logs": 0.1, "offline_enrollment_logs": 0.1},
         {"fqdn": "api-1a2b3c4d.duosecurity.com"}, {"integration_key": "DISIMSIMSIMSIMSIMSIM", "secret_key": "s" * 40},
         {"twin_every": 9, "rate_limit": 120}, (100, 60), grow=({"append": {"type": "admin_logs", "count": 5}},)),
    Part("aws-guardduty", "guardduty", ("findings",), 0.015, {"findings": 1}, {"region": "us-east-1"},
         {"access_key_id": "AKIASIMSIMSIMSIMSIM1", "secret_access_key": "s" * 40}, {"throttle_form": "mixed"}, (18, 10),
         grow=({"append": 5}, {"update": 5})),
    Part("office-365", "office", ("azure_ad", "exchange", "sharepoint", "general", "dlp"), 0.08,
         {"azure_ad": 0.4, "exchange": 0.3, "sharepoint": 0.2, "general": 0.05, "dlp": 0.05}, {},
         {"tenant_id": TENANT, "client_id": "sim-client", "client_secret": "sim-secret"},
         {"events_per_blob": 20, "list_lag": 2.0, "throttle_form": "mixed", "uri_origin": "vendor", "backoff_first": 0, "twin_grace": 0.05}, (1500, 60), {"revoke_tokens": True},
         grow=({"append": {"type": "exchange", "count": 30, "per_blob": 3}},)),
    Part("sentinelone", "s1", ("threats", "activities", "agents"), 0.08, {"threats": 0.2, "activities": 0.7, "agents": 0.1},
         {"host": "usea1-acme.sentinelone.test"}, {"api_key": "sim-token"}, {"rate_limit": 200}, (180, 60),
         grow=({"append": {"type": "activities", "count": 10, "late_by": 100}}, {"update": 5}, {"modify": 5})),
    Part("1password-events", "op", ("sign_in_attempts", "item_usages", "audit_events"), 0.05,
         {"sign_in_attempts": 0.4, "item_usages": 0.4, "audit_events": 0.2}, {"host": "events.1password.test"}, {"api_token": "sim-token"},
         {"rate_limit": 300}, (240, 60), grow=({"append": {"type": "item_usages", "count": 10, "late_by": 400}}, {"append": {"type": "audit_events", "count": 9}})),
    Part("qualys", "qualys", ("host_detections",), 0.1, {"detections": 0.97, "hosts": 0.03}, {"host": "qualysapi.qualys.test", "truncation_limit": 100},
         {"username": "sim-user", "password": "sim-password"}, {"rate_window": 60.0, "rate_limit": 100}, (80, 60),
         grow=({"append": 10}, {"scan": 3}, {"fix": 2})),
    Part("splunk", "splunk", ("search",), 0.1, {"events": 1}, {}, {"username": "sim-user", "password": "sim-password"},
         {"ids": "mixed", "twin_every": 11, "notices": True, "preview_name": "ignored"}, (60, 60), {"expire_sessions": True}, grow=({"append": {"count": 20, "late_by": 100}},)),
)


class Fleet:
    def __init__(self, world):
        self.world = world

    def put(self, part):
        value = part.value(self.world)
        if part.vendor == "splunk":
            value["settings"]["url"] = value["settings"]["base_url"]
        self.world.put_raw(part.name, value)

    def refuse(self, part):
        """Its credential, once, for certain."""
        since = max((line["n"] for line in self.world.simulator.requests(part.vendor)), default=0)
        self.world.simulator.clear(part.vendor)
        self.world.simulator.misbehave(part.vendor, {"kind": "status", "status": 401})
        wait_until(lambda: any(line["status"] == 401 for line in self.world.simulator.requests(part.vendor, since)), IDLE_S, "a 401")

    def lines(self, part):
        return self.world.simulator.ledger(part.vendor, everything=True)

    def offers(self, part):
        """By data type: what must be there, what may be."""
        by_type = {kind: [] for kind in part.types}
        for line in self.lines(part):
            by_type[line.get("type", part.types[0])].append(line)
        for kind, lines in by_type.items():
            prefix = f"{part.name}.{kind}."
            hashed = {"h:" + hashlib.sha256(line["id"].encode()).hexdigest()[:32]: line["id"] for line in lines}
            identity = snapshot_identity if part.snapshot else lambda recipe_id, known=hashed: known.get(recipe_id, recipe_id)
            yield Offers(prefix, identity).add_lines(lines, superseded=False)

    def owed(self, part):
        """What nobody was offered yet."""
        return sum(not line["offered"] for line in self.lines(part) if line.get("last", True))

    def points(self, part):
        return {kind: self.world.checkpoint((part.vendor, part.name, kind)) for kind in part.types}

    def closed(self, part):
        """Data types without an open walk."""
        return {(part.vendor, kind) for kind, point in self.points(part).items() if point and not point.get("open") and not point.get("walk")}

    def settle(self):
        """Everything was offered, and behind that each data type was at rest once, one after the other: between polls none stays so for long."""
        owed = {part: -1 for part in PARTS}     # ledgers are long: not looked at again once nothing is owed
        open_types, last, since = {(part.vendor, kind) for part in PARTS for kind in part.types}, None, time.monotonic()
        while open_types:
            for part in PARTS:
                if owed[part]:
                    owed[part] = self.owed(part)
                if not owed[part] and any(vendor == part.vendor for vendor, _ in open_types):
                    open_types -= self.closed(part)
            now = self.world.copier.ours, list(owed.values()), len(open_types)
            if now != last:
                last, since = now, time.monotonic()
            if time.monotonic() - since > IDLE_S:
                waiting = [part for part in PARTS if any(vendor == part.vendor for vendor, _ in open_types)]
                raise Failed(f"stuck: nothing new for {IDLE_S:g} s; not at rest: {sorted(open_types)}\n{self.describe(waiting)}")
            hold(0.2)

    def polls(self, number=2):
        """Something is asked of each vendor so many times more."""
        before = {part.vendor: self.world.simulator.state(part.vendor)["requests"] for part in PARTS}
        try:
            wait_until(lambda: all(self.world.simulator.state(vendor)["requests"] >= n + number for vendor, n in before.items()), 3 * IDLE_S, "polls")
        except Expired as error:
            raise Failed(f"{number} more polls of each: {error}\n{self.describe(PARTS)}") from error

    def describe(self, parts):
        texts = []
        for part in parts:
            status = self.world.look(lambda p=part: self.world.bucket("INTEGRATION_STATUS").get_json(p.name)) or {}
            told = {kind: (one.get("reason"), one.get("detail")) for kind, one in status.get("data_types", {}).items()}
            texts.append(f"{part.vendor}: {self.owed(part)} never offered; {told}\n    {str(self.points(part))[:900]}")
        return "\n".join([*texts, *(f"{agent.name}: {agent.log_tail(12)}" for agent in self.world.agents)])


def weather(world, part, *more):
    """What befalls a vendor; what is left of the last time is over."""
    rng = world.rng
    programs = [{"kind": "cut", "skip": rng.randint(0, 6)}, {"kind": "status", "status": 500, "skip": rng.randint(0, 6)}, *more]
    world.simulator.clear(part.vendor)
    world.simulator.misbehave(part.vendor, *rng.sample(programs, rng.randint(1, len(programs))))


@scenario("everything", {"records": 6_000, "kills": 4, "rounds": 2}, {"records": 230_000, "kills": 10, "rounds": 4})
def everything(options, size):
    """All connectors at once: kills of the agent, random 401, 429, 5xx and cuts, late records and changes, pools that hold each back."""
    vendors = {part.vendor: part.start_options(size.records) for part in PARTS}
    with World("everything", options, vendors, stream=BRIEF) as world:
        fleet = Fleet(world)
        for part in PARTS:
            fleet.put(part)
        agent = world.new_agent().start()
        total, done = sum(len(offers) for part in PARTS for offers in fleet.offers(part)), 0
        for act in range(size.kills):
            for part in world.rng.sample(PARTS, 5):
                weather(world, part, REFUSED)
            part = world.rng.choice([part for part in PARTS if part.revoke])
            world.simulator.set(part.vendor, **part.revoke)
            done += (total - done) // (2 * (size.kills - act))
            world.copier.wait_count(min(done, total // 2 + act), 3 * IDLE_S, lambda: fleet.describe(PARTS), alive=lambda: agent.alive)
            agent.kill()
            agent.start()
        fleet.refuse(PARTS[0])
        for part in PARTS:      # what was refused waits for the operator
            world.simulator.clear(part.vendor)
            fleet.put(part)
        for _ in range(size.rounds):
            for part in PARTS:
                world.simulator.set(part.vendor, **{name: what for grow in part.grow for name, what in grow.items()})
                weather(world, part, THROTTLED)
            fleet.settle()
        for part in PARTS:
            world.simulator.clear(part.vendor)
        fleet.polls()   # whatever was named before is over
        agent.kill()
        agent.start()
        fleet.settle()
        fleet.polls()
        fleet.settle()
        by_part = {part: list(fleet.offers(part)) for part in PARTS}
        verdict = world.finish(settle=False, ledger=Ledger(*(one for offers in by_part.values() for one in offers)))
        figures = ", ".join(f"{part.vendor} {sum(map(len, offers))}" for part, offers in by_part.items())
        refused = Counter(line["status"] for part in PARTS for line in world.simulator.requests(part.vendor) if (line["status"] or 0) >= 400)
        for status in (401, 429, 500):
            world.expect(refused[status], f"nobody was answered {status}: not what this scenario is about")
        conclude(world, "")
        told = ", ".join(f"{count} times {status}" for status, count in sorted(refused.items()))
        return conclude(world, f"{size.kills + 1} kills, {told}; {figures}; {verdict}")
