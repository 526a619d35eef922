#!/usr/bin/env python3
"""`signal-client demo`: the agent, a private nats-server and simulated vendors on this machine, and what happens as it happens.

    demo.py --agent signal-client [--for SECONDS] [--keep]

The command (agent/cli/demo.c) starts this program. Exit status 0: every record offered is in the stream, once; 1: it is not, or the
demo could not run.
"""

import argparse
import os
import shutil
import signal
import sys
import threading
import time

signal.signal(signal.SIGINT, signal.SIG_DFL)  # while modules are loaded; then Signals sees to it
HERE = os.path.dirname(os.path.realpath(__file__))
sys.path[:0] = [HERE, os.path.join(HERE, "..", "..", "lib", "python")]

if sys.version_info < (3, 10):
    sys.exit("signal-client: demo needs Python 3.10 or newer, this is " + sys.version.split()[0] + ": apt-get install python3")

from account import judge_now, judge_stream  # noqa: E402
from narrator import Narrator  # noqa: E402
from screen import Screen  # noqa: E402
from signaltest.nats import NatsError  # noqa: E402
from signaltest.procs import find_program  # noqa: E402
from signaltest.tools import Expired  # noqa: E402
from stage import STREAM, Problem, Stage, program_name  # noqa: E402
from story import Player, Story  # noqa: E402

TICK_S = 0.04
SHOWN_BEHIND_S = 0.1    # so that log and acts come in the order of their times
STORY_S = 10        # a demo of at least so long goes on until all acts are over,
LONGER_S = 30       # but not longer than this beyond its time
SETTLE_S = 40       # for what is still on its way at the end
ACT_END_S = 20      # for an act that is under way at the end
STOP_S = 10


FORESEEN = (Problem, Expired, NatsError, OSError)


class Signals:
    """The first SIGINT, SIGTERM or SIGHUP asks for the end, a second one ends at once."""

    def __init__(self):
        self.asked = threading.Event()
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, self._note)

    def _note(self, _number, _frame):
        if not self.asked.is_set():
            self.asked.set()
            return
        self.ignore()
        raise KeyboardInterrupt

    @staticmethod
    def ignore():
        """While everything is put away."""
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)


class Demo:
    def __init__(self, options, screen, signals):
        self.options, self.screen, self.signals = options, screen, signals
        self.began = time.time()
        self.began_s = time.monotonic()
        self.stage = Stage(os.path.abspath(options.agent), options.keep)
        self.player = Player(self.elapsed)
        pace = max(0.5, min(1.0, options.seconds / 20)) if options.seconds else 1.0
        self.story = Story(self.stage, self.tell, self.elapsed, pace)
        self.narrator = None
        self.untold = []
        self.clock = threading.Event()  # never set: its wait is the beat of the loops

    def elapsed(self):
        return time.monotonic() - self.began_s

    def tell(self, who, text, mood="", at=None):
        """`at`: seconds since 1970 of what happened, where that is not now."""
        self.untold.append((at - self.began if at else self.elapsed(), who, text, mood))

    def show(self, behind_s=0.0):
        """Prints what was told, in the order in which it happened; what is younger than `behind_s` may still be overtaken."""
        self.untold.sort(key=lambda event: event[0])
        while self.untold and self.untold[0][0] <= self.elapsed() - behind_s:
            self.screen.event(*self.untold.pop(0))

    # -- the three parts ----------------------------------------------------------------------------------

    def run(self):
        """The whole demo; its exit status."""
        keep = True  # what went wrong can only be found in the logs
        try:
            self.screen.say("signal-client demo: NATS, vendors and agent on this machine alone; nothing goes to the network.\n")
            self.stage.start()
            self.introduce()
            self.go_on()
            account = self.end()
            keep = not account.exact
            self.sum_up(account)
            return 0 if account.exact else 1
        except KeyboardInterrupt:
            keep = False
            raise
        except FORESEEN as problem:
            raise Problem(f"{first_line(problem)} (logs are kept in {self.stage.workspace.path})") from problem
        finally:
            self.show()
            self.signals.ignore()
            self.stage.workspace.close(failed=keep)

    def introduce(self):
        stage, name = self.stage, program_name(self.stage.binary)
        vendors = ", ".join(source.vendor for source in stage.sources)
        self.screen.say(
            f"  broker   nats-server {stage.server_version} with JetStream, {stage.server.url}, stream {STREAM}\n"
            f"  vendors  simulated at {stage.simulator.url}: {vendors}\n"
            f"  agent    process {stage.agent.pid}\n"
            f"  files    {stage.workspace.path}, the agent's log is agent.log\n")
        self.screen.say("In another terminal, while this runs:\n\n" + self.commands(name) +
                        f"\n\n{self.how_it_ends()}\n")
        self.narrator = Narrator(stage.agent.log_path, self.tell, lambda: stage.stopped_server)
        self.narrator.tick()
        for source in stage.sources:
            stage.new_secrets(source)
            now = time.time()
            stage.put(source)
            self.tell(source.name, f"put into NATS KV: {source.title}, polled every {source.interval_s:g} s", at=now)

    def commands(self, name):
        lines = [f"  export NATS_URL={self.stage.server.url}", f"  {name} tail --last 3", f"  {name} status", f"  {name} doctor okta-demo"]
        if shutil.which("nats"):
            lines.append(f"  nats stream view {STREAM}")
        return "\n".join(lines)

    def how_it_ends(self):
        span = f"for {self.options.seconds} s, or until Ctrl-C," if self.options.seconds else "until Ctrl-C,"
        return f"It goes on {span} and ends with a count of every record."

    def go_on(self):
        story = self.story
        for generator in (story.play(), story.everyday(), story.first_artifact(), story.first_quiet_poll(), story.tally()):
            self.player.add(generator)
        asked_at = None
        while True:
            self.narrator.tick()
            self.player.tick()
            self.show(SHOWN_BEHIND_S)
            self.stage.check_alive()
            if self.is_over():
                if self.signals.asked.is_set():
                    self.screen.end_line()
                if not story.acting or (asked_at and self.elapsed() - asked_at > ACT_END_S):
                    return
                if not asked_at:
                    why = "Ctrl-C" if self.signals.asked.is_set() else "the time is up"
                    self.tell("demo", f"{why}: what is being shown comes to its end first (Ctrl-C{' again' if why == 'Ctrl-C' else ''}: at once)")
                asked_at = asked_at or self.elapsed()
                story.begin_no_more = True
            self.clock.wait(TICK_S)

    def is_over(self):
        limit, now = self.options.seconds, self.elapsed()
        if self.signals.asked.is_set() or self.screen.closed:
            return True
        if not limit or now < limit:
            return False
        return self.story.told or limit < STORY_S or now >= limit + LONGER_S

    def end(self):
        """Nothing more is offered; what is on its way arrives; the agent stops; the account is made."""
        self.player.end()
        for source in self.stage.sources:
            self.stage.simulator.clear(source.vendor)
        self.story.put_back()
        self.tell("demo", "the vendors get no more records; what is still to come is waited for")
        end = time.monotonic() + SETTLE_S
        while judge_now(self.stage).missing and time.monotonic() < end:
            self.narrator.tick()
            self.show(SHOWN_BEHIND_S)
            self.stage.check_alive()
            self.clock.wait(4 * TICK_S)
        self.narrator.tick()
        stopping = time.monotonic()
        try:
            status = self.stage.agent.terminate(STOP_S)
            self.tell("agent", f"stopped by SIGTERM after {time.monotonic() - stopping:.1f} s"
                               f"{f', exit status {status}' if status else ''}", "bad" if status else "")
        except Expired:
            self.stage.agent.kill()
            self.tell("agent", f"did not end within {STOP_S} s of SIGTERM and was killed", "bad")
        self.show()
        return judge_stream(self.stage)

    # -- the summary --------------------------------------------------------------------------------------

    def sum_up(self, account):
        say = self.screen.say
        say(f"\nAfter {self.elapsed():.0f} s, each record that the vendors offered against the stream, byte for byte:\n", "bold")
        say("\n".join(account.table()) + "\n")
        if account.exact:
            say("Nothing is missing, nothing is there twice; no vendor's rule was broken.", "good")
        else:
            say("Not as promised: " + ", ".join(account.findings()) + ".", "bad")
            say("\n".join(f"  {example}"[:self.screen.width] for example in account.examples))
        left_out = [act.title for act in self.story.acts if not act.happened]
        if left_out:
            say("Not seen in this run: " + ", ".join(left_out) + ".", "warn")
        self.look_into(account)

    def look_into(self, account):
        say, stage, name = self.screen.say, self.stage, program_name(self.stage.binary)
        if self.options.keep:
            stage.server.stop()
            say(f"\nEverything is kept in {stage.workspace.path}. To look into the stream:\n\n"
                f"  {find_program('nats-server')} -c {stage.server.config_path} &\n{self.commands(name)}")
        elif not account.exact:
            say(f"\nStore and logs are kept in {stage.workspace.path}.")
        else:
            say(f"\nTo look into the stream: `{name} demo --keep` leaves it. Or, while a demo runs, in another terminal (its first lines "
                f"name the port):\n\n{self.commands(name)}")


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--agent", required=True, metavar="PATH", help="the signal-client binary")
    parser.add_argument("--for", dest="seconds", type=int, default=0, metavar="SECONDS", help="0: until Ctrl-C")
    parser.add_argument("--keep", action="store_true", help="leave store and logs")
    return parser.parse_args()


def main():
    options, signals = parse_arguments(), Signals()
    sys.stdout.reconfigure(errors="replace")
    screen = Screen(sys.stdout)
    try:
        return Demo(options, screen, signals).run()
    except KeyboardInterrupt:
        screen.say("\nended at once: nothing was counted")
    except FORESEEN as problem:
        print(f"signal-client: demo: {first_line(problem)}", file=sys.stderr)
    return 1


def first_line(problem):
    return (str(problem).splitlines() or [type(problem).__name__])[0]


if __name__ == "__main__":
    code = main()
    try:
        sys.stdout.flush()
    except OSError:  # nobody reads any more
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    sys.exit(code)
