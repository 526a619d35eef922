"""Splunk: exports and jobs over windows of time: waves_splunk_export, waves_splunk_session, waves_splunk_job,
waves_splunk_index_time, waves_splunk_rows.

Events are indexed late, equal events have no place in the index, searches fail behind their results, jobs vanish and fail, sessions
die. Every event that can be found must be there once, and of rows each that was served whole.
"""

from relapses import BRIEF
from scenario import conclude, scenario
from signaltest.tools import wait_until
from waves import ODD, THROTTLED, Vendor, deal, kill
from world import IDLE_S, World

SEARCH = "search"
RUNNING = ("QUEUED", "PARSING", "RUNNING", "FINALIZING")
LATE = 75           # seconds: beyond the lag of a minute, so that the next poll finds it
SOON = 50           # within it: the windows of rows do not go back
ERROR_LINE = {"kind": "message_line", "type": "ERROR"}
WARN_LINE = {"kind": "message_line", "type": "WARN"}
FATAL = {"kind": "fatal", "match": "/export"}


class Splunk(Vendor):
    idle_s = IDLE_S + 75        # events of the last minute are not asked for

    def __init__(self, world, size, settings, credentials, late):
        self.size, self.late = size, late
        super().__init__(world, "splunk", "spl", (SEARCH,), ("jobs",) if settings.get("mode") == "job" else ("export",),
                         {"settings": {"url": "https://splunk.acme.test:8089", "page_size": size.page, **settings}, "credentials": credentials})

    def wave(self, records, agent):
        """Events that are indexed late, some behind each of the next replies; until so many more messages are in the stream."""
        before = self.world.copier.ours
        self.set(append={"count": self.size.wave, "late_by": self.late, "shapes": ODD[:1]})
        self.set(append={"count": 5, "late_by": 600})
        self.set(churn={"pages": self.size.churn, "append": 2, "late_by": 2 * LATE})
        self.world.copier.wait_count(before + records, self.idle_s, self.describe, alive=lambda: agent.alive)


    def befall(self, action):
        """What an action does to a job it can do only while one runs."""
        if action.endswith("_jobs"):
            wait_until(lambda: any(job["state"] in RUNNING for job in self.state()["jobs"]), self.idle_s, "a running job")
        if action:
            self.set(**{action: True})


def options_of(size, **choices):
    return {"events": size.events, "span": 10 * 3600.0, "start": 0.0, "ties": 5, "page_delay": 0.01, "ids": "mixed", "twin_every": 9, "zone": "mixed",
            "shapes": ["all"], "shape_every": 7, "style": "spaced", **choices}


def run(options, size, name, settings, credentials, killing, calm, late=LATE, grows=True, actions=("",), **choices):
    """Kills over waves, misbehaving every second time; then without kills rounds of everything else, actions of the vendor's among it."""
    with World(name, options, {"splunk": options_of(size, **choices)}, stream=BRIEF) as world:
        vendor = Splunk(world, size, settings, credentials, late)
        vendor.put()
        agent = world.new_agent().start()
        acts = deal(world, size)
        for number, act in enumerate(acts):
            if number % 2:
                vendor.misbehave(*killing)
                vendor.befall(actions[number % len(actions)])
            vendor.wave(world.rng.randint(1, size.wave // 2 if grows else 2), agent)
            kill(world, agent, act)
        vendor.settle()
        served = vendor.served()
        killed = vendor.judge(served)
        for number in range(size.rounds):
            vendor.misbehave(*calm[number % len(calm)])
            vendor.wave(size.wave // 2 if grows else 1, agent)
            vendor.befall(actions[number % len(actions)])
            vendor.polls()
            vendor.settle()
        verdict = vendor.judge(served)
        return conclude(world, f"{len(acts)} kills, {killed.stored} stored; then {verdict}")


SMALL = {"events": 900, "page": 40, "wave": 40, "churn": 6, "kills": 4, "server_kills": 2, "rounds": 3}
LARGE = {"events": 40_000, "page": 300, "wave": 900, "churn": 60, "kills": 30, "server_kills": 8, "rounds": 12}
TOKEN = {"auth_token": "sim-token"}
USER = {"username": "sim-user", "password": "sim-password"}


@scenario("waves_splunk_export", SMALL, LARGE)
def waves_splunk_export(options, size):
    """Exports with previews that cannot be switched off and diagnostics between the lines. Replies cut, errors behind results, throttles."""
    return run(options, size, "waves_splunk_export", {}, TOKEN,
               [{"kind": "cut", "skip": 1}, ERROR_LINE, {"kind": "status", "status": 500, "skip": 3}],
               [[ERROR_LINE, WARN_LINE, {"kind": "cut", "count": 2, "skip": 1}],
                [THROTTLED, FATAL, {"kind": "cut", "framing": "chunked", "skip": 1}],
                [{**ERROR_LINE, "count": 3}, {"kind": "garbage_json", "skip": 2}, {"kind": "stall", "seconds": 2.0, "skip": 4}]],
               preview_name="ignored", notices=True, blank_lines=True)


@scenario("waves_splunk_session", SMALL, LARGE)
def waves_splunk_session(options, size):
    """A server without v2 paths whose lines hold lists; user and password, sessions that die."""
    dead = {"kind": "status", "status": 401, "match": "/export"}
    return run(options, size, "waves_splunk_session", {}, USER,
               [{"kind": "cut", "skip": 1}],
               [[dead, {"kind": "cut", "count": 2, "skip": 1}], [THROTTLED, dead]],
               v2="missing", lines="batch", blank_lines=True, empty_export="lastrow", lastrow="never", login_limit=60, actions=("expire_sessions",))


@scenario("waves_splunk_job", SMALL, LARGE)
def waves_splunk_job(options, size):
    """Jobs whose results come in pages, fewer than asked for; pages cut, refused and garbled, jobs that are killed over."""
    return run(options, size, "waves_splunk_job", {"mode": "job"}, TOKEN,
               [{"kind": "cut", "match": "/results", "skip": 1}, {"kind": "status", "status": 500, "match": "/jobs", "skip": 2}],
               [[{"kind": "cut", "match": "/results", "count": 2, "skip": 1}],
                [{"kind": "status", "status": 404, "match": "/results"}, THROTTLED],
                [{"kind": "garbage_json", "match": "/results", "count": 2}, {"kind": "status", "status": 404, "match": "output_mode", "skip": 3}]],
               max_result_rows=max(1, size.page - 3), queue_seconds=0.5, run_seconds=1.0, snapshot="done", left_jobs=100, own_jobs=100,
               disk_jobs=1000, search_slots=100, actions=("fail_jobs", "expire_jobs"))


# Each wave is read a minute after it was made.
@scenario("waves_splunk_index_time", {**SMALL, "kills": 2, "server_kills": 1, "rounds": 1}, LARGE)
def waves_splunk_index_time(options, size):
    """Windows by the time of indexing, over events that are indexed two hours after their own time: far before the position. No equal
    events: the simulated server's second one bears the first one's time of indexing, whenever it is made."""
    return run(options, size, "waves_splunk_index", {"index_time": True}, TOKEN,
               [{"kind": "cut", "skip": 1}, ERROR_LINE],
               [[ERROR_LINE, {"kind": "cut", "count": 2, "skip": 1}], [THROTTLED]], late=2 * 3600, twin_every=0)


@scenario("waves_splunk_rows", SMALL, LARGE)
def waves_splunk_rows(options, size):
    """Rows of `stats`, known by their window: what was published of one that was killed over is recognised, the same rows of the next
    window are other ones."""
    return run(options, size, "waves_splunk_rows", {"custom_search": "index=main | stats count by host, sourcetype"}, TOKEN,
               [{"kind": "cut", "skip": 1}], [[{"kind": "cut", "count": 2, "skip": 1}], [THROTTLED]], late=SOON, grows=False)
