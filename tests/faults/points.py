"""Every crash point of the agent, and every byte of a page: crash_points, byte_cuts."""

import os

from scenario import conclude, scenario
from signaltest.tools import wait_until
from world import EDITION, IDLE_S, KEV, OKTA, STREAM, Failed, World

FREELY = {"rate_limit": 1_000_000_000}


@scenario("crash_points", {"events": 80, "passes": 1}, {"events": 200, "passes": 3})
def crash_points(options, size):
    """The agent ends itself at each scripted point (first passing, and in `full` later ones too), is started again,
    and the stream is judged. A point that is never reached is a failure."""
    with World("crash_list", options, {"okta": {}}) as world:
        listed = world.new_agent().command("version", "--crash-points")
        points = listed.stdout.split()
        if listed.returncode != 0 or not points:
            raise Failed("no crash points: build the agent with fault points\n" + listed.stderr[:500])
    visited, findings = [], []
    for point in points:
        for number in range(size.passes):
            times = 1 if number == 0 else options.rng.randint(2, 12)
            with World(f"crash_{point}_{times}", options, vendors(size), max_payload=256 * 1024) as world:
                try:
                    if crash_at(world, point, times, size):
                        visited.append(f"{point}:{times}")
                    elif times == 1:
                        world.expect(False, "never reached")
                except (Failed, AssertionError) as error:
                    world.expect(False, str(error))
                findings += [f"{point}:{times}: {finding}" for finding in world.findings]
    if findings:
        raise Failed("\n".join(findings))
    return f"{len(points)} points, {len(visited)} crashes"


def vendors(size):
    """Both vendors; every 60th event is larger than the server takes, so that dead letters are written."""
    return {"okta": {"events": size.events, "page_size": 20, "page_delay": 0.03, "huge_every": 60,
                     "huge_bytes": 300 * 1024, **FREELY}, "cisa-kev": {"entries": 60}}


def crash_at(world, point, times, size):
    """Three stages offer every point its chance: recovery with a page open and a first walk; a later walk; another
    stream under the same name, which makes a gap. True when the agent crashed there."""
    world.put(OKTA)
    world.put(KEV)
    agent = world.new_agent().start()
    world.run_on(world.rng.randint(1, size.events // 2), agent)
    agent.kill()
    crashed = start_and_wait(world, agent, f"{point}:{times}")
    if not crashed:
        world.simulator.set("okta", append=40)
        world.simulator.set("cisa-kev", **EDITION)
        crashed = wait_crash_or_end(world, agent)
    if not crashed:
        agent.kill()
        world.copier.catch_up()
        world.js.stream_delete(STREAM)
        world.make_stream()
        world.simulator.set("okta", append=40)
        crashed = start_and_wait(world, agent, f"{point}:{times}")
    if crashed:
        world.expect(agent.exit_status == agent.CRASHED, f"exit status {agent.exit_status}")
        agent.start()
    ledger = world.ledger
    world.wait_closed()
    world.let_polls_pass()
    world.wait_closed()
    world.copier.catch_up()
    verdict = ledger().judge(world.copier.copies)
    letters = dead_letters(agent)
    missing = [m for m in verdict.missing if not any(m.split()[0].rpartition(".")[2] in name for name in letters)]
    wrong = verdict.wrong(allow=("missing",)) + (["missing"] if missing else [])
    world.expect(not wrong, f"{verdict}\n  not in the dead letters: {missing[:3]}")
    return crashed


def start_and_wait(world, agent, point):
    agent.start(crash_at=point)
    return wait_crash_or_end(world, agent)


def wait_crash_or_end(world, agent):
    """True when the agent crashed; False when all walks closed and two more polls passed without."""
    def ended():
        return not agent.alive or all(world.closed(source) for source in world.sources)
    wait_until(ended, IDLE_S, lambda: f"a crash or the end\n{world.describe()}")
    before = {source[0]: world.simulator.state(source[0])["requests"] for source in world.sources}
    wait_until(lambda: not agent.alive or all(world.simulator.state(v)["requests"] >= n + 2 for v, n in before.items()),
               IDLE_S, lambda: f"two more polls\n{world.describe()}")
    return not agent.alive


def dead_letters(agent):
    """Names of all files below the agent's run directory; a dead letter bears the record's identity."""
    return [name for _, _, names in os.walk(agent.run_dir) for name in names]


@scenario("byte_cuts", {"integrations": 6, "offsets": 48}, {"integrations": 24, "offsets": 0})
def byte_cuts(options, size):
    """A page of three events is cut behind each of its bytes (`quick`: a sample), by FIN and by RST in turn; several
    integrations of different sources share the work. Each must end with every event once."""
    with World("byte_cuts", options, {"okta": {"events": 3, "page_size": 3, **FREELY}}) as world:
        for number in range(size.integrations):
            world.put(("okta", f"cut-{number}", "system_log"), settings={"source": f"cut-{number}"})
        agent = world.new_agent().start()
        world.wait_closed()
        length = shortest_page(world)
        wanted = set(range(length))
        if size.offsets:
            edges = {0, 1, 2, length // 2, length - 2, length - 1}
            wanted = edges | set(world.rng.sample(range(length), min(length, size.offsets) - len(edges)))
        done = set()
        while wanted - done:
            before = len(done), length
            cut_round(world, sorted(wanted - done), size.integrations, done)
            world.expect(agent.alive, f"the agent ended with {agent.exit_status}")
            length = shortest_page(world)  # pages differ a little; a byte that not every page has is not asked for
            wanted = {at for at in wanted if at < length}
            if (len(done), length) == before or not agent.alive:
                raise Failed(f"no further byte was cut: {len(done)} of {len(wanted)}\n{world.describe()}")
        verdict = world.finish()
        return conclude(world, f"page of {length} bytes cut at {len(done)} places; {verdict}")


def shortest_page(world):
    return min(r["body_sent"] for r in world.simulator.requests("okta") if r["page"] and r["complete"])


def cut_round(world, offsets, integrations, done):
    """New pages, every other request for one cut; what was really cut is read from the simulator's log."""
    offsets = offsets[:integrations * 20]
    log = world.simulator.requests("okta")
    newest = log[-1]["n"] if log else 0
    world.simulator.misbehave("okta", *({"kind": "cut", "at": at, "skip": 2 * i, "by": "reset" if i % 2 else "close"}
                                        for i, at in enumerate(offsets)))
    world.simulator.set("okta", append=3 * (2 * len(offsets) // integrations + 1))
    world.wait_closed()
    world.simulator.clear("okta")
    done.update(r["body_sent"] for r in world.simulator.requests("okta", since=newest)
                if "cut" in r["misbehaviours"] and r["page"] and not r["complete"])
