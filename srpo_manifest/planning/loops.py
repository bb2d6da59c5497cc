"""What the trainer's loop makes of the wishes: waste, wishes that never come true, and an end that never comes."""

from __future__ import annotations

from collections.abc import Iterable

from srpo_manifest.finding import Finding, Fix
from srpo_manifest.planning.forecast import wasted_steps
from srpo_manifest.upstream.arriving import Arriving, text_of
from srpo_manifest.values.fault import Fault
from srpo_manifest.values.plan import Forecast
from srpo_manifest.values.trainer import Loop
from srpo_manifest.values.wanted import Wanted
from srpo_manifest.wording import plural, ticked


def faults(wanted: Wanted, values: Arriving, forecast: Forecast) -> Iterable[Fault]:
    """Findings that follow from the forecast."""
    loop = wanted.trainer.loop
    if loop is None or forecast.checkpoints is None:
        return
    if loop.shape == "checkpoint-then-watch":
        yield from _endless(wanted, loop, values, forecast)
    yield from _unreachable(wanted, loop, forecast)


def _endless(wanted: Wanted, loop: Loop, values: Arriving, forecast: Forecast) -> Iterable[Fault]:
    done = wanted.manifest.done
    every = text_of(values, loop.checkpoint_every)
    if done is not None and done.exit_zero:
        yield Fault(
            finding=Finding(
                code="never-ends",
                level="deny",
                message=f"`done.exit_zero` waits for an end with status 0, and {wanted.trainer.title} never ends by itself",
                hints=("set `done.checkpoints` in its place: the run is then ended when they are whole",),
            ),
            key="done.exit_zero",
        )
        return
    wasted = wasted_steps(loop, values)
    again = done is not None and (done.checkpoints or 0) > 1
    if again and wasted and forecast.checkpoints:
        last = text_of(values, loop.max_steps)
        yield Fault(
            finding=Finding(
                code="steps-wasted",
                level="warn",
                message=f"between two checkpoints {plural(wasted, 'step')} train nothing: an epoch has {last} steps, and only those before step {every} learn",
                hints=(f"set `entry.set.{loop.max_steps} = {every}`",),
                fix=Fix(message=f"`entry.set.{loop.max_steps} = {every}`", replacement=every or ""),
            ),
            key="done.checkpoints",
        )
    elif forecast.checkpoints:
        yield Fault(
            finding=Finding(
                code="never-ends",
                level="note",
                message=f"{wanted.trainer.title} never ends by itself, and learns nothing more after the checkpoint at step {every}: the run is ended when its results are whole",
            ),
            key="done",
        )


def _unreachable(wanted: Wanted, loop: Loop, forecast: Forecast) -> Iterable[Fault]:
    done = wanted.manifest.done
    saved = len(forecast.checkpoints or ()) if loop.shape == "plain" else None
    for key, wish, most in (
        ("images", done and done.images, forecast.images),
        ("checkpoints", done and done.checkpoints, saved),
    ):
        if wish and most is not None and wish > most:
            told = f"the loop brings {plural(most, key.removesuffix('s'))}"
            if key == "images" and loop.images_below:
                told += f": they are made from the checkpoint's step on, below step {loop.images_below}"
            yield Fault(
                finding=Finding(
                    code="done-unreachable",
                    level="deny",
                    message=f"`done.{key}` is {wish}, and {told}",
                    hints=(f"wish for {most} at most, or change {ticked(loop.checkpoint_every)} and {ticked(loop.max_steps)}",),
                ),
                key=f"done.{key}",
            )  # fmt: skip
