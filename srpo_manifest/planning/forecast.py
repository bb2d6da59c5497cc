"""What the run will bring, as far as the trainer description can tell."""

from __future__ import annotations

from srpo_manifest.values.plan import Forecast
from srpo_manifest.values.trainer import Trainer
from srpo_manifest.values.words import Word

_AT_MOST = 100_000_000


def forecast(trainer: Trainer, finals: dict[str, tuple[Word, ...]], workers: int | None) -> Forecast:
    """Updates, checkpoint steps and images of one epoch of the trainer's loop, effective batch, bytes of checkpoints."""
    loop = trainer.loop
    if loop is None or loop.shape != "checkpoint-then-watch":
        return Forecast()
    last, every = _number(finals, loop.max_steps), _number(finals, loop.checkpoint_every)
    if last is None or every is None:
        return Forecast()
    saved = (every,) if 1 <= every <= last else ()
    watched = range(every, min(last + 1, loop.images_below or _AT_MOST)) if saved else range(0)
    batch = [_number(finals, name) for name in (loop.batch, loop.accumulation) if name]
    effective = None if workers is None or None in batch else workers
    for factor in batch:
        effective = effective * factor if effective is not None and factor is not None else None
    return Forecast(
        updates=max(0, min(last, every - 1)),
        checkpoints=saved,
        images=len(watched) * (workers or 1),
        effective_batch=effective,
        disk_bytes=None if loop.checkpoint_bytes is None else loop.checkpoint_bytes * len(saved),
    )


def _number(finals: dict[str, tuple[Word, ...]], flag: str) -> int | None:
    values = finals.get(flag, ())
    text = values[0].text if len(values) == 1 else None
    return int(text) if text and text.lstrip("-").isdigit() else None
