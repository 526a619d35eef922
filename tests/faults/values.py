"""What operators put into the bucket INTEGRATIONS: credential_rotation, bad_puts."""

import hashlib
import json

from scenario import conclude, scenario
from signaltest.tools import wait_until
from world import IDLE_S, OKTA, World

FREELY = {"rate_limit": 1_000_000_000}
DETECT_MINUTES = 0.05  # polls every 3 s: a good request within 1 s of the put is the put's doing, not the schedule's


def sent_with(token):
    """How the simulator's log shows the header of a token."""
    return "sha256:" + hashlib.sha256(f"SSWS {token}".encode()).hexdigest()[:16]


@scenario("credential_rotation", {"rounds": 4}, {"rounds": 20})
def credential_rotation(options, size):
    """The token is revoked, the agent gets 401, a new one is put: first good request with it within 1 s of the put."""
    with World("credential", options, {"okta": {"events": 20, **FREELY}}) as world:
        token = "sim-token"
        world.put(OKTA, poll_interval_minutes=DETECT_MINUTES)
        agent = world.new_agent().start()
        world.wait_closed()
        slowest = 0.0
        for number in range(size.rounds):
            newest = world.simulator.requests("okta")[-1]["n"]
            world.simulator.set("okta", revoke=token)
            wait_until(lambda n=newest: any(r["status"] == 401 for r in world.simulator.requests("okta", since=n)),
                       IDLE_S, lambda: f"a 401 for the old token\n{world.describe()}")
            token = f"token-of-round-{number}-{world.rng.getrandbits(64):x}"
            world.simulator.set("okta", tokens=[token])
            world.simulator.set("okta", append=5)
            put = world.put(OKTA, token=token, poll_interval_minutes=DETECT_MINUTES)
            good = wait_until(lambda t=token: next((r for r in world.simulator.requests("okta") if r["status"] == 200 and
                                                    r["headers"].get("authorization") == sent_with(t)), None),
                              IDLE_S, lambda: f"a good request with the new token\n{world.describe()}")
            after = good["wall"] - put.time_ns / 1e9
            slowest = max(slowest, after)
            world.expect(after <= 1.0, f"round {number}: first good request {after:.2f} s after the put")
            world.expect(token not in agent.log(), f"round {number}: the token is in the log")
        verdict = world.finish()
        return conclude(world, f"{size.rounds} rotations, slowest {slowest:.3f} s; {verdict}")


def bad_values(world):
    """(why, value, word that log and status must name)."""
    def changed(**changes):
        return world.integration(OKTA, **changes)
    no_token = changed()
    no_token["credentials"] = {}
    no_type = changed()
    del no_type["integration_type"]
    return [
        ("bad JSON", b'{"integration_type": "okta", ', "JSON"),
        ("no object", b"[1]", "JSON"),
        ("missing credential", no_token, "api_token"),
        ("missing type", no_type, "integration_type"),
        ("unknown type", changed(integration_type="no-such-vendor"), "no-such-vendor"),
        ("negative interval", changed(poll_interval_minutes=-1), "poll_interval_minutes"),
        ("interval of the wrong kind", changed(poll_interval_minutes="often"), "poll_interval_minutes"),
        ("plain http to elsewhere", changed(settings={"base_url": "http://acme.example"}), "base_url"),
    ]


@scenario("bad_puts", {"events": 50})
def bad_puts(options, size):
    """Bad JSON, a missing field, an unknown type, a bad value: the last good value goes on polling, log and status name
    the field and why; a good value afterwards is taken."""
    with World("bad_puts", options, {"okta": {"events": size.events, **FREELY}}) as world:
        world.put(OKTA)
        agent = world.new_agent().start()
        world.wait_closed()
        for why, value, word in bad_values(world):
            at = len(agent.log())
            world.put_raw(OKTA[1], value)
            named = lambda: word.lower() in "\n".join(  # noqa: E731
                line for line in agent.log()[at:].splitlines() if "[WARN]" in line or "[ERROR]" in line).lower()
            soft_wait(world, named, f"{why}: no WARN or ERROR names {word!r}")
            soft_wait(world, lambda: word.lower() in json.dumps(world.status()).lower(),
                      f"{why}: status does not name {word!r}")
            world.simulator.set("okta", append=2)
            world.let_polls_pass()
            world.wait_closed()
            world.put(OKTA)
            soft_wait(world, lambda: world.status().get("state") in ("active", "waiting", "processing"),
                      f"{why}: a good value put afterwards leaves status {world.status().get('state')!r}")
        world.put_raw("never-good", b"{")
        world.let_polls_pass()
        world.expect(agent.alive, f"the agent ended with {agent.exit_status}")
        verdict = world.finish()
        return conclude(world, f"{len(bad_values(world))} bad values; {verdict}")


def soft_wait(world, observe, finding, deadline_s=15):
    """A finding instead of an end, so that one run shows all that is wrong."""
    try:
        wait_until(observe, deadline_s, finding)
    except AssertionError:
        world.expect(False, finding)
