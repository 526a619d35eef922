"""What happens in the demo besides polling: vendors that get new records, and three acts that are told when they are over.

Each is a generator that yields what it waits for, a `Pause` or an `Until`; the Player steps all of them on one thread. What an
act says was observed: in the vendor's log of requests, in the stream, in the bucket.
"""

import time

from stage import PAGE_SIZE, SOURCES

OKTA, KEV, FALCON = SOURCES
ACT_S = 60          # an act that has to wait longer for something is given up
TORN_RECORDS = 3 * PAGE_SIZE
HUNG_S = 0.25       # how long it hangs before it is killed: what the agent sends meanwhile has no answer
OUTAGE_S = 1.2      # how long the server stays away before it is started again
TALLY_S = 60
CALM_AFTER_S = 30   # from then on new records come less often


class Pause:
    """Lets a span pass that is part of the story."""

    def __init__(self, seconds):
        self.end = time.monotonic() + seconds

    def over(self):
        return time.monotonic() >= self.end


class Until:
    """Waits for something observed; ActFailed after `deadline_s`. The generator is sent what was seen."""

    def __init__(self, look, what, deadline_s=ACT_S):
        self.look, self.what = look, what
        self.end = time.monotonic() + deadline_s
        self.seen = None

    def over(self):
        self.seen = self.look()
        if not self.seen and time.monotonic() >= self.end:
            raise ActFailed(self.what)
        return bool(self.seen)


class ActFailed(Exception):
    """Something that an act waited for was not seen."""


class Act:
    """One of the story's highlights. It begins at `earliest` (seconds of the demo), once the one before is over."""

    def __init__(self, title, run, earliest):
        self.title, self.run, self.earliest = title, run, earliest
        self.begun = self.over = self.happened = False


class Player:
    """Steps generators; `time_of` gives the seconds of the demo."""

    def __init__(self, time_of):
        self.time_of = time_of
        self.playing = []  # [generator, what it waits for]

    def add(self, generator):
        self.playing.append([generator, None])

    def tick(self):
        for pair in list(self.playing):
            generator, wait = pair
            try:
                if wait is None or wait.over():
                    pair[1] = generator.send(getattr(wait, "seen", None))
            except StopIteration:
                self.playing.remove(pair)
            except ActFailed as missed:
                pair[1] = generator.throw(missed)  # `play` catches it, tells it, and goes on

    def end(self):
        self.playing.clear()


class Story:
    def __init__(self, stage, tell, time_of, pace=1.0):
        """pace: 1 for a demo of 20 s or more, less for a shorter one."""
        self.stage, self.tell, self.time_of = stage, tell, time_of
        self.offering = True
        self.begin_no_more = False
        self.acts = [Act("a 429 with its wait and reason", self.throttle, 3.0 * pace),
                     Act("a credential rotated while it runs", self.rotate, 8.0 * pace),
                     Act("a broker restart survived", self.restart, 12.5 * pace)]

    @property
    def told(self):
        return all(act.over for act in self.acts)

    @property
    def acting(self):
        return any(act.begun and not act.over for act in self.acts)

    # -- the course of it ---------------------------------------------------------------------------------

    def play(self):
        """One act after another."""
        for act in self.acts:
            yield Until(lambda a=act: self.time_of() >= a.earliest and not self.begin_no_more, "", float("inf"))
            act.begun = True
            try:
                yield from act.run()
                act.happened = True
            except ActFailed as missed:
                self.tell("demo", f"{act.title}: {missed} was not seen within {ACT_S} s", "warn")
                self.put_back()
            act.over = True
            yield Pause(0.5)

    def put_back(self):
        """What an act that was given up has left: a server that is stopped or gone, a token that nobody put."""
        self.stage.server.thaw()
        self.stage.start_server()
        if self.stage.unused_secrets:
            self.stage.put_secrets(OKTA)
        self.offering = True

    def everyday(self):
        """New records, now and then, for ever."""
        rng, turn = self.stage.rng, 0
        while True:
            calm = self.time_of() > CALM_AFTER_S
            yield Pause(rng.uniform(4, 9) if calm else rng.uniform(1.2, 2.4))
            if not self.offering:
                continue
            turn += 1
            if turn % 4 == 2:
                self.stage.simulator.set(KEV.vendor, edit={"index": rng.randrange(200)}, add=rng.randint(1, 3), bump="day")
            elif turn % 4 == 0:
                self.stage.simulator.set(FALCON.vendor, append=rng.randint(2, 9), update=rng.randint(1, 3), modify=rng.randint(1, 4))
            else:
                self.stage.simulator.set(OKTA.vendor, append=rng.randint(3, 40))

    def first_quiet_poll(self):
        """One poll without news, so that the reader knows of the others."""
        def unchanged():
            return next((r for r in self.stage.simulator.requests(KEV.vendor) if r["status"] == 304), None)
        yield Until(unchanged, "", float("inf"))
        self.tell(KEV.name, "vendor says 304 Not Modified: nothing to fetch. Such polls go on and are not shown")

    def first_artifact(self):
        """What an artifact is: the first of them, as the witness read it from the stream."""
        def first():
            return next((copy for copy in list(self.stage.witness.copies) if copy.ce_type == "okta.system_log"), None)
        copy = yield Until(first, "", float("inf"))
        self.tell("stream", f"the first {copy.ce_type}: sequence {copy.seq}, {copy.length:,} bytes as the vendor sent them, "
                            f"Nats-Msg-Id {copy.msg_id}")

    def tally(self):
        """Every now and then, once the acts are over: where it stands."""
        while True:
            yield Pause(TALLY_S)
            ids = [copy.msg_id for copy in list(self.stage.witness.copies)]
            asked = sum(self.stage.simulator.state(source.vendor)["requests"] for source in self.stage.sources)
            self.tell("stream", f"{len(ids):,} records so far, {len(ids) - len(set(ids))} twice, from {asked:,} requests")

    # -- acts ---------------------------------------------------------------------------------------------

    def _answered(self, source, since, status):
        """A look for the first request after number `since` that was answered so."""
        def look():
            return next((r for r in self.stage.simulator.requests(source.vendor, since) if r["status"] == status), None)
        return look

    def throttle(self):
        """The vendor refuses one request, and names a time by its own header."""
        simulator, since = self.stage.simulator, self.stage.last_request(OKTA.vendor)
        simulator.set(OKTA.vendor, append=12)
        simulator.misbehave(OKTA.vendor, {"kind": "throttle", "header": "reset", "seconds": 1})
        refused = yield Until(self._answered(OKTA, since, 429), "a request answered with 429")
        again = yield Until(lambda: simulator.requests(OKTA.vendor, refused["n"])[:1], "a request after the wait")
        early = "before_named_time" in again[0]["violations"]
        self.tell(OKTA.name, f"asked again {again[0]['wall'] - refused['wall']:.1f} s later, "
                             f"{'too early' if early else 'not before the time that the vendor named'}",
                  "bad" if early else "", at=again[0]["wall"])

    def rotate(self):
        """The token is revoked at the vendor, the agent says so, an operator puts a new one."""
        stage, since = self.stage, self.stage.last_request(OKTA.vendor)
        stage.new_secrets(OKTA)
        self.tell("vendor", "okta: the API token was revoked; an operator makes a new one")
        yield Until(self._answered(OKTA, since, 401), "a request with the old token")
        yield Pause(0.7)  # an operator reads the line before typing
        put_ns, revision = stage.put_secrets(OKTA)
        fresh = stage.okta_header(OKTA)

        def used():
            return next((r for r in stage.simulator.requests(OKTA.vendor, since)
                         if r["status"] == 200 and r["headers"].get("authorization") == fresh), None)
        first = yield Until(used, "a good request with the new token")
        used_ms = (first["wall"] - put_ns / 1e9) * 1000
        self.tell(OKTA.name, f"new token saved to NATS KV (revision {revision}), used {max(used_ms, 0.1):.1f} ms later without a restart "
                             f"(agent is still process {stage.agent.pid})", "good", at=first["wall"])

    def restart(self):
        """nats-server hangs and is killed in the middle of a page, and is started again on the same files."""
        stage = self.stage
        self.offering = False  # so that the figures below are those of this page
        yield Until(lambda: stage.published(OKTA) >= stage.simulator.state(OKTA.vendor)["events"], "all events in the stream")
        before = stage.published(OKTA)
        stage.simulator.set(OKTA.vendor, append=TORN_RECORDS)
        stage.simulator.misbehave(OKTA.vendor, {"kind": "drip", "bytes_per_second": 200_000, "count": 3})
        yield Until(lambda: stage.published(OKTA) > before + 20, "records of the page in the stream")
        stage.server.freeze()
        yield Pause(HUNG_S)
        gone = stage.kill_server()
        self.tell("broker", f"nats-server hung, then killed (SIGKILL) in the middle of a page: {stage.published(OKTA) - before} of "
                            f"{TORN_RECORDS} records had come", "warn", at=gone)
        yield Pause(OUTAGE_S)
        stage.start_server()
        away = time.time() - gone
        self.tell("broker", f"nats-server is back after {away:.1f} s")
        yield Until(lambda: stage.published(OKTA) >= before + TORN_RECORDS, "the rest of the records in the stream")
        self.offering = True
        ids = [copy.msg_id for copy in list(stage.witness.copies)]
        doubled = len(ids) - len(set(ids))
        self.tell("broker", f"all {TORN_RECORDS} records are in the stream, {doubled} twice", "bad" if doubled else "good")
