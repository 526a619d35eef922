"""Agent and nats-server die and come back: okta_sigkill, okta_sigterm, outage_6s_kill_at_reconnect,
frozen_server, versions."""

import os

from scenario import conclude, scenario
from signaltest.procs import find_connectors
from signaltest.tools import hold, wait_until
from world import IDLE_S, KEV, OKTA, World

FREELY = {"rate_limit": 1_000_000_000}


def plan(rng, kills, server_kills, share):
    """What dies, in which order, and for how long the server stays away.

    Every third server kill is an outage of 3 to 6 s; in every other one the agent dies too, and counts as a kill."""
    both = server_kills // 2
    acts = ["agent"] * (kills - both) + ["both"] * both + ["server"] * (server_kills - both)
    rng.shuffle(acts)
    out, number = [], 0
    for act in acts:
        down = 0.0
        if act != "agent":
            number += 1
            down = rng.uniform(3, 6) if number % 3 == 0 else 0.0
        out.append((act, rng.randint(1, max(1, 2 * share)), down))
    return out


def restarts(options, size, how):
    vendors = {"okta": {"events": size.events, "page_size": max(1, size.events // size.pages),
                        "page_delay": size.page_delay, **FREELY}}
    with World(f"okta_{'sigkill' if how == 'kill' else 'sigterm'}", options, vendors, others_per_s=100) as world:
        world.put(OKTA)
        agent = world.new_agent().start()
        share = int(0.55 * size.events / (size.kills + size.server_kills))
        opens = done = 0
        for act, messages, down in plan(world.rng, size.kills, size.server_kills, share):
            if not world.run_on(messages, agent):
                break
            if act != "agent":
                world.server.kill()
            if act != "server":
                world.stop_agent(agent, how)
                done += 1
            if act != "agent":
                hold(down)
                world.server.start()
            if act != "server":
                opens += world.page_open()
                agent.start()
        world.expect(done == size.kills, f"the walk was over after {done} of {size.kills} kills: pace the simulator")
        if how == "kill":
            world.expect(opens * 4 >= size.kills * 3, f"a page was open in only {opens} of {done} kills")
        verdict = world.finish()
        return conclude(world, f"{done} kills, page open in {opens}, {size.server_kills} server kills; {verdict}")


RESTARTS = {"events": 3000, "pages": 60, "page_delay": 0.03, "kills": 6, "server_kills": 3}
RESTARTS_FULL = {"events": 50_000, "pages": 500, "page_delay": 0.08, "kills": 20, "server_kills": 10}


@scenario("okta_sigkill", RESTARTS, RESTARTS_FULL)
def okta_sigkill(options, size):
    """Okta with a duplicate window of 2 s: agent SIGKILLed after random numbers of messages, nats-server killed
    between, every third time away for 3 to 6 s, the agent alive in half of them, another publisher throughout."""
    return restarts(options, size, "kill")


@scenario("okta_sigterm", RESTARTS, RESTARTS_FULL)
def okta_sigterm(options, size):
    """As okta_sigkill with SIGTERM: each stop is clean and within 5 s, the server there or not."""
    return restarts(options, size, "term")


@scenario("outage_6s_kill_at_reconnect", {"events": 1200, "pages": 24, "page_delay": 0.03, "rounds": 3, "outage": 3},
          {"events": 6000, "pages": 60, "rounds": 6, "outage": 6})
def outage_6s_kill_at_reconnect(options, size):
    """Records handed over while nats-server is away, agent killed within 50 ms of its reconnect and started again
    after the duplicate window."""
    vendors = {"okta": {"events": size.events, "page_size": size.events // size.pages, "page_delay": size.page_delay,
                        **FREELY}}
    with World("outage", options, vendors, others_per_s=100) as world:
        world.put(OKTA)
        agent = world.new_agent().start()
        share = int(0.7 * size.events / size.rounds)
        for _ in range(size.rounds):
            world.run_on(world.rng.randint(1, share), agent)
            world.server.kill()
            hold(size.outage)
            world.expect(agent.alive, f"the agent ended in the outage with {agent.exit_status}")
            world.server.start(wait=False)
            wait_until(world.server.agent_connections, IDLE_S, "the agent's reconnect")
            hold(world.rng.uniform(0, 0.05))
            agent.kill()
            world.server.wait_ready()
            hold(world.window_s + 0.5)
            agent.start()
        verdict = world.finish()
        return conclude(world, f"{size.rounds} outages of {size.outage} s; {verdict}")


@scenario("frozen_server", {"events": 1200, "pages": 24, "page_delay": 0.03, "rounds": 1, "freeze": 4},
          {"events": 6000, "pages": 60, "rounds": 4, "freeze": 20})
def frozen_server(options, size):
    """nats-server stopped with its connections up and continued: what lay in the old socket is stored late and must
    not come again (duplicate window 2 min, which is what covers an old socket)."""
    vendors = {"okta": {"events": size.events, "page_size": size.events // size.pages, "page_delay": size.page_delay,
                        **FREELY}}
    with World("frozen", options, vendors, stream={"duplicate_window_s": 120}) as world:
        world.put(OKTA)
        agent = world.new_agent().start()
        share = int(0.7 * size.events / size.rounds)
        for _ in range(size.rounds):
            world.run_on(world.rng.randint(1, share), agent)
            world.server.freeze()
            hold(size.freeze)
            world.server.thaw()
        verdict = world.finish()
        world.expect(agent.alive, f"the agent ended with {agent.exit_status}")
        return conclude(world, f"{size.rounds} freezes of {size.freeze} s; {verdict}")


@scenario("versions", {"events": 2000, "pages": 40, "page_delay": 0.03, "handovers": 6},
          {"events": 10_000, "pages": 100, "handovers": 12})
def versions(options, size):
    """Two versions of the agent (--agent and --other; without --other the same one) take turns on live checkpoints, in
    the middle of walks, by SIGKILL and by SIGTERM."""
    vendors = {"okta": {"events": size.events, "page_size": size.events // size.pages, "page_delay": size.page_delay,
                        **FREELY}, "cisa-kev": {"entries": 100}}
    with World("versions", options, vendors) as world:
        world.put(OKTA)
        world.put(KEV)
        agent = world.new_agent()
        binaries = [options.agent, options.other or options.agent]
        agent.start()
        share = int(0.8 * size.events / size.handovers)
        for turn in range(size.handovers):
            world.run_on(world.rng.randint(1, share), agent)
            world.stop_agent(agent, "kill" if turn % 2 else "term")
            agent.binary = os.path.abspath(binaries[(turn + 1) % 2])
            agent.env["SIGNAL_CLIENT_CONNECTORS"] = find_connectors(agent.binary)
            agent.start()
        verdict = world.finish()
        return conclude(world, f"{size.handovers} handovers; {verdict}")
