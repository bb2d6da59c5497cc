"""Runs that are drawn from a seed: a shape, a way to end, and who is killed when."""

from __future__ import annotations

import random
from typing import NamedTuple

from shapes import Shape, drawn_shape

ROUTES = ("none", "none", "none", "done", "verb", "verb", "by-hand", "signal", "max-hours", "interrupt")
VICTIMS = ("client", "outer", "inner", "inner", "outer", "leader", "worker", "launcher")
PAIRS = ("client", "leader", "worker", "launcher")
ANCHORS = ("started", "said", "identity", "exit", "exit", "stop.asked", "job.started", "image.written")


class Act(NamedTuple):
    """Something that happens to a run, so many seconds after its anchor: a kill of `what`, or a stop."""

    kind: str
    what: str
    anchor: str
    seconds: float


class Trial(NamedTuple):
    """One run and what is done to it."""

    seed: int
    shape: Shape
    route: str
    acts: tuple[Act, ...]
    both: bool = False
    """Whether both supervisors die: then nobody is left who knows, and `lost` is the truth."""

    @property
    def victims(self) -> str:
        return "+".join(act.what for act in self.acts if act.kind == "kill") or "nobody"


def drawn(seed: int) -> Trial:
    """The same for the same *seed*."""
    chance = random.Random(seed)
    route = chance.choice(ROUTES)
    by_itself = route == "none" or (route != "done" and chance.random() < 0.3)
    shape = drawn_shape(chance, "done" if route == "done" else chance.choice("0179") if by_itself else "forever")
    both = chance.random() < 0.05
    first = chance.choice(VICTIMS)
    victims = [*chance.sample(("outer", "inner"), 2)] if both else [first, *chance.sample(PAIRS, chance.random() < 0.3)]
    acts = [
        Act("kill", victim, chance.choice(ANCHORS), chance.choice((0, chance.uniform(0, 0.6)))) for victim in victims
    ]
    if route in ("verb", "by-hand", "signal", "interrupt"):
        anchor = chance.choice(("said", "job.started"))
        acts.append(Act("stop", route, anchor, chance.uniform(0, 0.8)))
    return Trial(seed=seed, shape=shape, route=route, acts=tuple(acts), both=both)


class Told(NamedTuple):
    """What became of a trial: its outcome in a word, and what must not be."""

    trial: Trial
    outcome: str
    faults: tuple[str, ...]
    log: str = ""

    def __str__(self) -> str:
        return f"seed {self.trial.seed}: {'; '.join(self.faults)}\n  {self.trial}\n  {self.log}"


def summary(told: list[Told]) -> str:
    """Counts, victim by outcome."""
    outcomes = sorted({one.outcome for one in told})
    rows: dict[str, list[str]] = {}
    for one in told:
        rows.setdefault(one.trial.victims, []).append(one.outcome)
    lines = [f"{'victims':24}" + "".join(f"{outcome:>12}" for outcome in outcomes)]
    lines += [
        f"{victims:24}" + "".join(f"{found.count(outcome):>12}" for outcome in outcomes)
        for victims, found in sorted(rows.items())
    ]
    return "\n".join(lines)
