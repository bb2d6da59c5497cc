"""What the run will bring, as far as the trainer description can tell: marked an estimate wherever it is shown."""

from __future__ import annotations

from srpo_manifest.upstream.arriving import Arriving, number_of, text_of
from srpo_manifest.values.plan import Forecast
from srpo_manifest.values.trainer import Loop, Memory
from srpo_manifest.values.wanted import Wanted

_AT_MOST = 100_000_000


def forecast(wanted: Wanted, values: Arriving, gpus_per_node: int | None) -> Forecast:
    """Until the done rule's checkpoints are there: updates, checkpoint steps, images, batch; bytes on disk, GPU and host.

    Units: bytes of the whole run on disk, of one GPU, of one node's memory. What cannot be told is None.
    """
    trainer = wanted.trainer
    workers = None if gpus_per_node is None else gpus_per_node * wanted.manifest.resources.nodes
    counted = Forecast() if trainer.loop is None else _counted(wanted, trainer.loop, values, workers)
    if trainer.memory is None or workers is None or gpus_per_node is None:
        return counted
    return _weighed(counted, trainer.memory, values, workers, gpus_per_node)


def wasted_steps(loop: Loop, values: Arriving) -> int:
    """Steps of an epoch that train nothing, behind the checkpoint's: none where the loop has no such steps."""
    last, every = number_of(values, loop.max_steps), number_of(values, loop.checkpoint_every)
    if loop.shape != "checkpoint-then-watch" or last is None or every is None:
        return 0
    return max(0, last - every)


def _counted(wanted: Wanted, loop: Loop, values: Arriving, workers: int | None) -> Forecast:
    last, every = number_of(values, loop.max_steps), number_of(values, loop.checkpoint_every)
    if last is None or every is None:
        return Forecast(effective_batch=_batch(loop, values, workers))
    given = wanted.manifest.done or wanted.trainer.done
    epochs = max(1, given.checkpoints or 1)
    if loop.shape == "plain":
        saved = tuple(range(every, min(last, _AT_MOST) + 1, every)) if every > 0 else ()
        wanted_ = saved[:epochs] if given.checkpoints else saved
        ended = bool(given.checkpoints) and len(wanted_) == epochs and not given.exit_zero
        saved, updates, images = wanted_, wanted_[-1] if ended else last, None
    else:
        saved = (every,) * epochs if 1 <= every <= last else ()
        updates = max(0, min(last, every - 1)) * (epochs if saved else 1)
        watched = range(every, min(last + 1, loop.images_below or _AT_MOST)) if saved else range(0)
        images = None if workers is None or loop.images_below is None else len(watched) * workers
    return Forecast(
        updates=updates,
        checkpoints=saved,
        images=images,
        effective_batch=_batch(loop, values, workers),
        disk_bytes=None if loop.checkpoint_bytes is None else loop.checkpoint_bytes * len(saved),
    )


def _batch(loop: Loop, values: Arriving, workers: int | None) -> int | None:
    factors = [number_of(values, name) for name in loop.batch_factors]
    divisors = [number_of(values, name) for name in loop.batch_divisors]
    if workers is None or not factors or None in factors or None in divisors or 0 in divisors:
        return None
    batch = workers
    for factor in factors:
        batch *= factor or 0
    for divisor in divisors:
        batch //= divisor or 1
    return batch


def _weighed(counted: Forecast, memory: Memory, values: Arriving, workers: int, gpus_per_node: int) -> Forecast:
    offloaded = memory.offload is not None and memory.offload in values
    spread = memory.shards.get(text_of(values, memory.sharding) or "" if memory.sharding else "", "workers")
    state = memory.state_bytes // {"workers": workers, "node": gpus_per_node, "one": 1}[spread]
    return Forecast(
        updates=counted.updates,
        checkpoints=counted.checkpoints,
        images=counted.images,
        effective_batch=counted.effective_batch,
        disk_bytes=counted.disk_bytes,
        gpu_bytes=(memory.gpu_bytes + (0 if offloaded else state)) or None,
        host_bytes=(memory.host_bytes_per_worker * gpus_per_node + (state * gpus_per_node if offloaded else 0)) or None,
    )
