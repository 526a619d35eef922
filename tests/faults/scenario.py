"""Scenarios by name: what each does, and how large it is as `quick` (CI, seconds) and as `full` (the issue's figures)."""

from dataclasses import dataclass
from types import SimpleNamespace

ALL = {}


@dataclass(frozen=True)
class Scenario:
    name: str
    run: object
    quick: dict
    full: dict
    title: str

    def size(self, full, events=None):
        chosen = {**self.quick, **(self.full if full else {})}
        if events and "events" in chosen:
            chosen["events"] = events
        return SimpleNamespace(**chosen)


def scenario(name, quick, full=None):
    """Registers run(options, size) -> one line that sums up what was seen. It raises world.Failed, or leaves findings."""
    def register(function):
        title = " ".join((function.__doc__ or "").split())
        ALL[name] = Scenario(name, function, quick, full or {}, title)
        return function
    return register


def conclude(world, text):
    """Ends a scenario: raises with everything found, or returns the summary."""
    from world import Failed
    if world.findings:
        raise Failed("\n".join(world.findings))
    return text
