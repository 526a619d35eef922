"""Defects that were there once and must not come back, second part: streams made anew or made smaller, gaps, sources,
cursors, stops, identities, and vendors that misbehave in every way at once: stream_anew_and_put, gap_after_window,
interest_large_page, no_room_for_dead_letters, expired_cursor_and_kill, source_there_and_back, sigterm_without_server,
same_id_other_bytes, many_misbehaviours, dropped_identities_are_no_loss."""

import os
import re

from relapses import BRIEF, OFTEN, SOON, agent_with, end, forget, okta, polls, settle, whole
from scenario import conclude, scenario
from signaltest.copier import copy_of_stream
from signaltest.ledger import Ledger
from signaltest.tools import hold, wait_until
from world import EDITION, KEV, OKTA, STREAM, World, key_of


# -- streams ----------------------------------------------------------------------------------------------------------

@scenario("stream_anew_and_put", {"events": 60, "page": 20, "entries": 60, "rounds": 3})
def stream_anew_and_put(options, size):
    """The stream is deleted and made anew, and at once an integration is enabled, so that it loads while nobody has
    noticed yet; the next records make it noticed. Both integrations poll on within seconds."""
    with World("stream_anew", options, {"okta": okta(size), "cisa-kev": {"entries": size.entries}},
               stream=BRIEF) as world:
        world.put(OKTA, poll_interval_minutes=OFTEN)
        world.put(KEV, poll_interval_minutes=OFTEN)
        agent = world.new_agent().start()
        settle(world)
        for number in range(size.rounds):
            world.put(KEV, poll_interval_minutes=OFTEN, enabled=False)
            wait_until(lambda: world.status(KEV).get("reason") == "disabled", SOON, lambda: str(world.status(KEV)))
            world.copier.catch_up()
            world.js.stream_delete(STREAM)
            world.make_stream(**BRIEF)
            world.put(KEV, poll_interval_minutes=OFTEN)
            hold(world.rng.uniform(0, 0.3))
            world.simulator.set("okta", append=10)
            world.simulator.set("cisa-kev", **EDITION)
            polls(world, 4)
            settle(world)
            world.expect(agent.alive, f"round {number}: the agent ended with {agent.exit_status}")
        verdict = end(world, gaps=True)
        return conclude(world, f"{size.rounds} streams more; {verdict}")


@scenario("gap_after_window", {"events": 60, "page": 20})
def gap_after_window(options, size):
    """Ended when the gap artifact of a stream that was made anew is acknowledged, started again when the stream has
    forgotten its message id: there is one gap artifact."""
    with World("gap_after", options, {"okta": okta(size)}, stream=BRIEF) as world:
        world.put(OKTA, poll_interval_minutes=OFTEN)
        agent = world.new_agent().start()
        settle(world)
        agent.kill()
        world.copier.catch_up()
        world.js.stream_delete(STREAM)
        world.make_stream(**BRIEF)
        agent.start(crash_at="gap.after")
        agent.wait_exit(SOON)
        world.expect(agent.exit_status == agent.CRASHED, f"exit status {agent.exit_status} instead of a crash")
        forget(world)
        agent.start()
        polls(world)
        world.simulator.set("okta", append=20)
        verdict = end(world, gaps=True)
        world.expect(len(verdict.gaps) == 1, f"{len(verdict.gaps)} gap artifacts: {verdict.gaps}")
        return conclude(world, str(verdict))


@scenario("interest_large_page", {"events": 20_000, "page": 20_000, "window": 1024})
def interest_large_page(options, size):
    """Interest stream whose consumer takes everything, one page of 20,000 records; the agent ends when a third of
    it is handed over, and comes back after the duplicate window: what was saved within the page counts. At most 1,000
    and the window twice; status says bounded."""
    with World("interest_page", options, {"okta": okta(size)}, stream={"retention": "interest", **BRIEF},
               acknowledge=True) as world:
        world.put(OKTA)
        wait_until(lambda: world.js.consumer_names(STREAM), SOON, "the witness's consumer")
        agent = world.new_agent().start(crash_at=f"publish.after:{size.events // 3}")
        wait_until(lambda: not agent.alive, SOON, lambda: f"a third of the page\n{world.describe()}")
        world.expect(agent.exit_status == agent.CRASHED, f"exit status {agent.exit_status} instead of a crash")
        forget(world)
        world.copier.catch_up()
        killed_at = world.copier.ours
        agent.start()
        verdict = end(world, 3 * SOON, allow=("doubled_by_id", "doubled_by_body"))
        doubles = sum(len(copies) - 1 for copies in verdict.doubles.values())
        world.expect(killed_at < size.events, f"{killed_at} records were there already: a window as large as the page?")
        world.expect(doubles <= 1000 + size.window, f"{doubles} doubles after a kill at {killed_at}")
        promise = world.promise()
        world.expect(promise == "bounded", f"status says {promise!r} of an interest stream, not 'bounded'")
        figures = verdict.text().splitlines()[0]
        return conclude(world, f"killed at {killed_at}, {doubles} doubles, promise {promise}; {figures}")


@scenario("no_room_for_dead_letters", {"events": 60, "page": 20, "more": 60})
def no_room_for_dead_letters(options, size):
    """The stream's max_msg_size is lowered under a running agent, and the dead-letter directory cannot be made: the
    data type stops with dead_letter_failed and its position stays, also over SIGKILL. When the directory can be made
    it goes on by itself (it tries every 30 s): every record is in the stream or a dead letter."""
    with World("dead_letters", options, {"okta": okta(size)}, stream=BRIEF) as world:
        world.put(OKTA, poll_interval_minutes=OFTEN)
        obstacle = world.workspace.file("obstacle")
        with open(obstacle, "wb"):
            pass
        letters = os.path.join(obstacle, "letters")
        agent = agent_with(world, f'dead_letter = {{ dir = "{letters}"; }};').start()
        settle(world)
        sizes = sorted(len(stored.raw_headers) + len(stored.body) for stored in world.js.read(STREAM))
        position = world.checkpoint()["position"]
        world.js.stream_update(STREAM, max_msg_size=sizes[len(sizes) // 2])
        world.simulator.set("okta", append=size.more)

        def stops(when):
            wait_until(lambda: world.status().get("reason") == "dead_letter_failed", SOON,
                       lambda: f"{when}: dead_letter_failed\n{world.describe()}")
            hold(1)  # a save takes 0.2 s
            now = world.checkpoint()["position"]
            world.expect(now == position, f"{when}: the position moved from {position} to {now}")
            conclude(world, when)

        stops("running")
        agent.kill()
        forget(world)
        world.put(OKTA, poll_interval_minutes=OFTEN, name="so that its status is another")
        agent.start()
        wait_until(lambda: agent.log().count("cannot be made") > 1, SOON,
                   lambda: f"stopped again after the kill\n{world.describe()}")
        stops("after the kill")
        os.remove(obstacle)
        os.mkdir(obstacle)

        def lost():
            names = os.listdir(letters) if os.path.isdir(letters) else []
            verdict = world.ledger().judge(copy_of_stream(world.js, STREAM))
            return [m for m in verdict.missing if not any(m.split()[0].rpartition(".")[2] in name for name in names)]

        wait_until(lambda: not lost(), 60,
                   lambda: f"{len(lost())} records neither published nor kept\n{world.describe()}")
        kept = len(os.listdir(letters))
        world.js.stream_update(STREAM, max_msg_size=-1)
        world.simulator.set("okta", append=size.more)
        verdict = end(world, allow=("missing",))
        world.expect(not lost(), f"{len(lost())} records neither published nor kept: {lost()[:3]}")
        world.expect(kept > 0, "no dead letter: nothing was tested")
        return conclude(world, f"{kept} files of dead letters; {verdict.text().splitlines()[0]}")


# -- sources, cursors, stops, identities ------------------------------------------------------------------------------

@scenario("expired_cursor_and_kill", {"events": 1200, "page": 30, "rounds": 4})
def expired_cursor_and_kill(options, size):
    """All cursors expire in the middle of a walk and the agent is killed: at once, and some pages later, when the walk
    goes on by time. What was published above the floor of the walk is met again and known."""
    with World("expired", options, {"okta": okta(size, page_delay=0.08)}, stream=BRIEF) as world:
        world.put(OKTA, poll_interval_minutes=OFTEN)
        agent = world.new_agent().start()
        share = size.events // (3 * size.rounds)
        for number in range(size.rounds):
            world.run_on(world.rng.randint(share // 2, share), agent)
            world.simulator.set("okta", expire_cursors=1)
            if number % 2:
                world.run_on(share, agent)
            agent.kill()
            forget(world)
            agent.start()
        verdict = end(world, 3 * SOON)
        expired = world.simulator.state("okta")["expired_cursors"]
        world.expect(2 * expired >= size.rounds, f"only {expired} expired cursors were used: pace the simulator")
        return conclude(world, f"{expired} expired cursors; {verdict}")


@scenario("source_there_and_back", {"events": 60, "page": 20, "more": 20})
def source_there_and_back(options, size):
    """settings.base_url is changed to another address of the same log and back again: each time another source with the
    same events. They are in the stream already, and none is published twice."""
    with World("source_back", options, {"okta": okta(size)}, stream=BRIEF) as world:
        here = f"127.0.0.1:{world.simulator.port}"
        there = f"localhost:{world.simulator.port}"
        for number, host in enumerate((here, there, here, there)):
            world.put(OKTA, poll_interval_minutes=OFTEN, settings={"base_url": f"http://{host}/okta"})
            agent = world.agents[0] if world.agents else world.new_agent().start()
            wait_until(lambda h=host: h in ((world.checkpoint() or {}).get("source") or ""), SOON,
                       lambda: f"a checkpoint of {host}\n{world.describe()}")
            settle(world)
            if number == 2:
                agent.kill()
                agent.start()
            forget(world)
            world.simulator.set("okta", append=size.more)
            settle(world)
        verdict = end(world, gaps=True)
        return conclude(world, str(verdict))


@scenario("sigterm_without_server", {"events": 1200, "page": 30, "integrations": 6, "threads": 4})
def sigterm_without_server(options, size):
    """SIGTERM with nats-server down, several polling threads, all in the middle of walks: gone within 5 s with status
    0, and nothing missing or twice afterwards."""
    with World("sigterm_down", options, {"okta": okta(size, page_delay=0.05)}, stream=BRIEF) as world:
        for number in range(size.integrations):
            world.put(("okta", f"org-{number}", "system_log"), settings={"source": f"org-{number}"})
        agent = agent_with(world, f"io = {{ threads = {size.threads}; }};").start()
        world.run_on(200, agent)
        world.server.kill()
        hold(1)  # all threads wait for the server
        world.expect(agent.alive, f"the agent ended with {agent.exit_status}")
        world.stop_agent(agent, "term")
        forget(world)
        world.server.start()
        agent.start()
        verdict = end(world, 3 * SOON)
        return conclude(world, f"{size.threads} threads; {verdict}")


@scenario("same_id_other_bytes", {"events": 90, "page": 9, "every": 10})
def same_id_other_bytes(options, size):
    """Every tenth event bears the uuid of the one before it, also across the border of two pages: published as #2,
    once, over overlapping pages, a kill in the walk, a start after it, and an expired cursor."""
    with World("same_id", options, {"okta": okta(size, collision_every=size.every, page_delay=0.05, duplicates=5)},
               stream=BRIEF) as world:
        world.put(OKTA, poll_interval_minutes=OFTEN)
        agent = world.new_agent().start()
        world.run_on(size.events // 3, agent)
        agent.kill()
        forget(world)
        agent.start()
        settle(world)
        agent.kill()
        forget(world)
        world.simulator.set("okta", expire_cursors=1)
        agent.start()
        polls(world)
        world.simulator.set("okta", append=size.events)
        settle(world)
        offers = world.simulator.offers("okta", key_of(OKTA) + ".")
        offers.identity_of = lambda recipe_id: re.sub(r"#\d+$", "", recipe_id)
        verdict = end(world, ledger=Ledger(offers))
        second = [copy.msg_id for copy in world.copier.copies if "#" in (copy.msg_id or "")]
        twice = sum(len(bodies) - 1 for bodies in offers.required.values())
        world.expect(twice > 0 and len(second) == twice and all(i.endswith("#2") for i in second),
                     f"{twice} uuids with other bytes, published as {second[:4]} and so on, {len(second)} in all")
        return conclude(world, f"{len(second)} published as #2; {verdict}")


# -- vendors that misbehave -------------------------------------------------------------------------------------------

PATIENT = ("none", "absurd", "absurd_retry_after", "garbage", "past", "past_date")  # no time that can be believed: 30 s


def okta_programs(size):
    named = [{"kind": "throttle", "header": header, "seconds": 1} for header in ("reset", "retry_after", "date")]
    unnamed = [{"kind": "throttle", "header": header, "seconds": 1} for header in PATIENT[:size.unnamed]]
    return named + unnamed + [
        {"kind": "status", "status": 401}, {"kind": "status", "status": 403}, {"kind": "status", "status": 500},
        {"kind": "status", "status": 503, "retry_after": 2}, {"kind": "access_denied"}, {"kind": "html_login"},
        {"kind": "garbage_json"}, {"kind": "redirect"}, {"kind": "redirect", "to": "self"},
        {"kind": "truncated_json"}, {"kind": "cut"}, {"kind": "cut", "by": "reset", "framing": "chunked"},
        {"kind": "stall", "seconds": 4}, {"kind": "gzip_truncated"}, {"kind": "repeated_cursor", "back": 0},
        {"kind": "repeated_cursor", "back": 1}]


def kev_programs(size):
    """CISA has no next link, and no header but Retry-After: any other is as none."""
    return [program for program in okta_programs(size) if program["kind"] != "repeated_cursor"
            and (size.unnamed or program.get("header") != "reset")]


@scenario("many_misbehaviours", {"events": 300, "page": 15, "entries": 60, "times": 1, "unnamed": 0, "deadline": 120},
          {"events": 1500, "times": 3, "unnamed": len(PATIENT), "deadline": 3600})
def many_misbehaviours(options, size):
    """okta and cisa-kev refuse, throttle with every kind of header, break off, stall, send pages that are none,
    redirect and repeat links, in a random order, while new records come and somebody puts the integrations again and
    again: none missing, none twice, and no request before a time that the vendor named."""
    vendors = {"okta": okta(size), "cisa-kev": {"entries": size.entries, "validators": "ignore"}}
    with World("misbehaving", options, vendors, stream=BRIEF) as world:
        programs = {"okta": okta_programs(size) * size.times, "cisa-kev": kev_programs(size) * size.times}
        for vendor, rows in programs.items():
            world.rng.shuffle(rows)
            world.simulator.misbehave(vendor, *({**row, "probability": 0.6} for row in rows))
        agent = agent_with(world, "http = { stall_timeout_s = 1; first_byte_timeout_s = 3; };").start()
        puts = [0]

        def all_over():
            """One step: a put, which ends the waits that nobody named; new records when the last ones are there."""
            hold(0.2)
            puts[0] += 1
            for source in (OKTA, KEV):
                world.put(source, poll_interval_minutes=OFTEN, name=f"put {puts[0]}")
            world.simulator.set("okta", append=5)
            missing = world.ledger().judge(list(world.copier.copies)).missing
            if not any(m.startswith(key_of(KEV)) for m in missing):
                world.simulator.set("cisa-kev", **EDITION)
            return not any(world.simulator.state(vendor)["programs"] for vendor in programs)

        def left():
            return str({v: [row["kind"] for row in world.simulator.state(v)["programs"]] for v in programs})

        wait_until(all_over, size.deadline, lambda: f"all misbehaviours over, left {left()}\n{world.describe()}")
        for source in (OKTA, KEV):
            world.put(source, poll_interval_minutes=OFTEN)
        whole(world, 3 * SOON)
        world.expect(agent.alive, f"the agent ended with {agent.exit_status}")
        verdict = end(world, 3 * SOON)
        return conclude(world, f"{sum(map(len, programs.values()))} misbehaviours, {puts[0]} puts; {verdict}")


@scenario("dropped_identities_are_no_loss", {"events": 14_000, "page": 1000})
def dropped_identities_are_no_loss(options, size):
    """Identities that the position has passed are dropped from their bucket, and the agent is killed before it saves again: the
    start takes that for no loss, warns of nothing and reads nothing back."""
    with World("dropped_identities", options, {"okta": okta(size)}) as world:
        world.put(OKTA, poll_interval_minutes=OFTEN)
        agent = world.new_agent().start()
        settle(world)
        agent.kill()
        agent.start()
        polls(world, 2)
        world.expect("bucket SEEN" not in agent.log_tail(10_000), "the start took dropped identities for lost ones")
        verdict = end(world)
        return conclude(world, str(verdict).splitlines()[0])
