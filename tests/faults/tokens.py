"""Tokens that end during a long walk: token_truthful, token_lying, token_throttled, token_refused."""

from scenario import conclude, scenario
from signaltest.tools import wait_until
from world import FALCON, IDLE_S, Failed, World

VENDOR = FALCON[0]
FREELY = {"rate_limit": 1_000_000_000, "token_rate": 0}
SIZE = {"alerts": 500, "page": 10, "page_delay": 0.1, "life": 2}
FULL = {"alerts": 4000, "page": 20, "page_delay": 0.1, "life": 5}


def begin(name, options, size, **more):
    world = World(name, options, {VENDOR: {"alerts": size.alerts, "devices": 0, "page_delay": size.page_delay,
                                           "token_expires_in": str(size.life), **FREELY, **more}})
    world.put(FALCON, settings={"page_size": size.page})
    return world


def issued(world):
    return [entry for entry in world.simulator.tokens(VENDOR) if entry["token"] is not None]


def end(world, least):
    """Complete and exact, and the token requests of the whole run."""
    verdict = world.finish()
    tokens = issued(world)
    if len(tokens) < least:
        raise Failed(f"only {len(tokens)} tokens in the whole run: the walk was too short to prove anything")
    return verdict, world.simulator.tokens(VENDOR), tokens


@scenario("token_truthful", SIZE, FULL)
def token_truthful(options, size):
    """Tokens live as long as told, much shorter than the walk: each is renewed once, shortly before its end, and none is
    ever refused."""
    with begin("token_truthful", options, size) as world:
        world.new_agent().start()
        verdict, asked, tokens = end(world, 4)
        early = [entry for entry in asked[1:] if entry["left"] is not None and entry["left"] > size.life / 10 + 0.1]
        world.expect(len(asked) == len(tokens), f"{len(asked)} token requests for {len(tokens)} tokens: {asked}")
        world.expect(not early, f"asked with more than a tenth of the life left: {early[:3]}")
        refused = world.simulator.state(VENDOR)["refused_bearers"]
        world.expect(refused == 0, f"{refused} requests with a token that had ended")
        return conclude(world, f"{len(tokens)} tokens of {size.life} s, {len(asked)} token requests, none refused; {verdict}")


@scenario("token_lying", SIZE, FULL)
def token_lying(options, size):
    """The vendor says that a token lives for half an hour and ends it after seconds: one 401, one renewal, and on."""
    with begin("token_lying", options, size, token_expires_in="1799", token_lives=float(size.life)) as world:
        world.new_agent().start()
        verdict, asked, tokens = end(world, 4)
        useless = [entry for entry in asked[1:] if entry["accepted"]]
        refused = world.simulator.state(VENDOR)["refused_bearers"]
        world.expect(len(asked) == len(tokens), f"{len(asked)} token requests for {len(tokens)} tokens")
        world.expect(not useless, f"asked while the last token was still accepted: {useless[:3]}")
        world.expect(refused == len(tokens) - 1, f"{refused} refused requests for {len(tokens) - 1} ends")
        return conclude(world, f"{len(tokens)} tokens said to live 1799 s, ended after {size.life} s; {refused} times 401; {verdict}")


@scenario("token_throttled", {**SIZE, "alerts": 300, "wait": 4}, {**FULL, "alerts": 3000, "wait": 8})
def token_throttled(options, size):
    """The token endpoint answers 429 with a time while a walk is open; then 503; then a page of a captive portal. Nothing is
    asked before the named time (the simulator counts that), and the walk goes on by itself."""
    with begin("token_throttled", options, size) as world:
        agent = world.new_agent().start()
        world.run_on(size.alerts // 5, agent)
        world.simulator.misbehave(VENDOR, {"kind": "token_error", "reply": "throttled", "retry_after": size.wait, "count": 1},
                                  {"kind": "token_error", "reply": "server_error", "count": 1, "skip": 1},
                                  {"kind": "token_error", "reply": "html_login", "count": 1, "skip": 3})
        wait_until(lambda: world.status(FALCON).get("reason") == "rate_limited", IDLE_S, lambda: str(world.status(FALCON)))
        said = world.status(FALCON)
        world.expect("token request" in said.get("detail", "") and said.get("until"), f"status does not explain itself: {said}")
        verdict, asked, tokens = end(world, 4)
        outcomes = [entry["outcome"] for entry in asked]
        for outcome in ("throttled", "server_error", "html_login"):
            world.expect(outcomes.count(outcome) == 1, f"{outcome} came {outcomes.count(outcome)} times: {outcomes}")
        return conclude(world, f"{len(asked)} token requests, {len(tokens)} tokens; {verdict}")


@scenario("token_refused", {**SIZE, "alerts": 200}, {**FULL, "alerts": 1000})
def token_refused(options, size):
    """The client is revoked in the middle of a walk: one token request, then silence and a sentence; a new client that is put
    is used at once, and the walk goes on where it was."""
    with begin("token_refused", options, size, token_expires_in="1799") as world:
        agent = world.new_agent().start()
        world.run_on(size.alerts // 5, agent)
        world.simulator.set(VENDOR, revoke_client="sim-client")
        wait_until(lambda: world.status(FALCON).get("reason") == "oauth_invalid_client", IDLE_S, lambda: str(world.status(FALCON)))
        before = len(world.simulator.tokens(VENDOR))
        world.expect(before == 2, f"{before} token requests until the refusal was told, not 2")
        world.simulator.set(VENDOR, clients=["new-client:new-secret"])
        world.put(FALCON, settings={"page_size": size.page}, credentials={"client_id": "new-client", "client_secret": "new-secret"})
        verdict, asked, tokens = end(world, 2)
        world.expect(len(asked) == before + 1, f"{len(asked) - before} token requests with the new client, not 1")
        return conclude(world, f"{len(asked)} token requests, {len(tokens)} tokens; {verdict}")
