"""The stream itself loses messages: power_loss (behind the acknowledgement), operator_purge (on purpose)."""

from scenario import conclude, scenario
from signaltest import store
from signaltest.copier import copy_of_stream
from signaltest.tools import wait_until
from world import EDITION, IDLE_S, KEV, OKTA, STREAM, World

FREELY = {"rate_limit": 1_000_000_000}


def lose_power(world, agent, most, agent_dies):
    """Stops nats-server, cuts the artifact stream's last block but nothing of CHECKPOINTS, starts it again."""
    if agent_dies:
        agent.kill()
    if world.rng.random() < 0.5:
        world.server.kill()
    else:
        world.server.terminate()
    cut = store.cut_tail(world.server.store_dir, STREAM, world.rng.randint(1, most), world.rng.randint(0, 60))
    world.server.start()
    world.connection.reconnect()
    came_up_at = world.js.stream_state(STREAM)["last_seq"]
    if agent_dies:
        world.expect(came_up_at == cut.last_seq, f"the stream came up at {came_up_at}, cut to {cut.last_seq}")
        agent.start()
    return cut.lost


def wait_whole(world):
    """Until the stream holds everything again; a gap beside is right."""
    wait_until(lambda: "missing" not in world.ledger().judge(copy_of_stream(world.js, STREAM)).wrong(), IDLE_S,
               lambda: f"everything back in the stream\n{world.ledger().judge(copy_of_stream(world.js, STREAM))}\n"
                       f"{world.describe()}")


@scenario("power_loss", {"events": 1500, "pages": 30, "page_delay": 0.04, "rounds": 2, "most": 200, "entries": 200},
          {"events": 20_000, "pages": 200, "rounds": 8, "most": 2000, "entries": 1500})
def power_loss(options, size):
    """nats-server stopped, the last block of the artifact stream cut short but not that of CHECKPOINTS, started; with
    a page open and with all walks closed, the agent alive and dead, for okta and cisa-kev."""
    vendors = {"okta": {"events": size.events, "page_size": size.events // size.pages, "page_delay": size.page_delay,
                        **FREELY}, "cisa-kev": {"entries": size.entries}}
    with World("power_loss", options, vendors) as world:
        world.put(OKTA)
        world.put(KEV)
        agent = world.new_agent().start()
        lost, share = 0, int(0.5 * size.events / size.rounds)
        for number in range(size.rounds):
            world.run_on(world.rng.randint(1, share), agent)
            lost += lose_power(world, agent, size.most, agent_dies=number % 2 == 0)
        world.wait_closed()
        for agent_dies in (True, False):
            lost += lose_power(world, agent, size.most, agent_dies)
            wait_whole(world)
        world.simulator.set("cisa-kev", **EDITION)
        wait_whole(world)
        verdict = world.finish(gaps=True, stream=True)
        world.expect(lost > 0, "nothing was lost: nothing was tested")
        return conclude(world, f"{lost} messages lost in {size.rounds + 2} cuts, then an edition with one edited and one "
                               f"added; {verdict}")


@scenario("operator_purge", {"events": 1200, "pages": 24, "page_delay": 0.03},
          {"events": 10_000, "pages": 100})
def operator_purge(options, size):
    """An operator purges the stream: under a running agent in the middle of a walk, and while the agent is stopped with
    all walks closed. Nothing is rewound, nothing is sent again."""
    vendors = {"okta": {"events": size.events, "page_size": size.events // size.pages, "page_delay": size.page_delay,
                        **FREELY}, "cisa-kev": {"entries": 100}}
    with World("operator_purge", options, vendors) as world:
        world.put(OKTA)
        world.put(KEV)
        agent = world.new_agent().start()
        purged = 0
        for _ in range(2):
            world.run_on(world.rng.randint(1, size.events // 3), agent)
            purged += world.js.stream_purge(STREAM, seq=world.copier.last_seq + 1)
        world.wait_closed()
        for how in ("kill", "term"):
            world.stop_agent(agent, how)
            world.copier.catch_up()
            purged += world.js.stream_purge(STREAM)
            before = [world.checkpoint(source).get("position") for source in world.sources]
            agent.start()
            world.let_polls_pass()
            after = [world.checkpoint(source).get("position") for source in world.sources]
            world.expect(after == before, f"the purge moved the position from {before} to {after}")
            world.simulator.set("okta", append=20)
            world.wait_closed()
        since = [r["target"] for r in world.simulator.requests("okta") if "after=" not in r["target"]]
        world.expect(len(since) == 1, f"the log was asked from the start again: {since[:4]}")
        verdict = world.finish()
        return conclude(world, f"{purged} messages purged; {verdict}")
