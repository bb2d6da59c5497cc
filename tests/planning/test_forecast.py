from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from srpo_manifest.planning.forecast import forecast, wasted_steps
from srpo_manifest.upstream.arriving import Arriving
from srpo_manifest.values.trainer import DoneRule, Loop, Memory, Trainer
from srpo_manifest.values.words import word

LOOP = Loop(
    shape="checkpoint-then-watch",
    max_steps="steps",
    checkpoint_every="every",
    images_below=40,
    batch_factors=("batch", "accumulation"),
    batch_divisors=("sp",),
    checkpoint_bytes=10,
)
MEMORY = Memory(
    state_bytes=800, gpu_bytes=5, host_bytes_per_worker=100, offload="offload", sharding="shard", shards={"node": "node", "none": "one"},
)  # fmt: skip


def values(**given_: object) -> Arriving:
    return {name: () if value is True else (word(str(value)),) for name, value in given_.items()}


def trainer(loop: Loop | None = LOOP, memory: Memory | None = MEMORY) -> Trainer:
    return Trainer(format=1, name="t", title="t", loop=loop, memory=memory, done=DoneRule(checkpoints=1))


def steps_of(last: int, every: int, checkpoints: int) -> tuple[int, list[int], int]:
    """The loop itself, run until so many checkpoints are there: updates, checkpoint steps, wasted steps of an epoch."""
    updates, saved, wasted = 0, [], 0
    for epoch in range(checkpoints if every <= last and every > 0 else 1):
        for step in range(1, last + 1):
            if step == every:
                saved.append(step)
                if len(saved) == checkpoints:
                    return updates, saved, max(0, last - every)
            if step > every - 1:
                wasted += epoch == 0
            else:
                updates += 1
    return updates, saved, max(0, last - every)


@given(last=st.integers(1, 60), every=st.integers(1, 60), checkpoints=st.integers(1, 4))
def test_the_forecast_is_what_the_loop_does(make, last: int, every: int, checkpoints: int):
    """Counted by running upstream's loop, as far as the wanted checkpoints."""
    wanted = make.wanted(trainer=trainer(), done={"checkpoints": checkpoints})
    found = forecast(wanted, values(steps=last, every=every), 8)
    updates, saved, wasted = steps_of(last, every, checkpoints)
    assert (found.updates, list(found.checkpoints or ()), found.disk_bytes) == (updates, saved, 10 * len(saved))
    assert wasted_steps(LOOP, values(steps=last, every=every)) == wasted


def test_the_shipped_script_makes_19_updates_and_one_checkpoint(make):
    """30,000,000 steps, and nothing useful after the twentieth; a picture of each worker for steps 20 to 39."""
    found = forecast(
        make.wanted(trainer=trainer()), values(steps=30_000_000, every=20, batch=1, accumulation=2, sp=1), 8
    )
    assert (found.updates, found.checkpoints, found.images, found.effective_batch) == (19, (20,), 160, 16)


@pytest.mark.parametrize(
    ("given_", "gpu", "host"),
    [
        ({}, 55, 800),
        ({"offload": True}, 5, 1200),
        ({"shard": "node"}, 105, 800),
        ({"shard": "none"}, 805, 800),
    ],
)
def test_state_is_spread_as_the_flags_say(make, given_: dict[str, object], gpu: int, host: int):
    """Two nodes of eight: over sixteen, over the eight of a node, over nobody, or in the host's memory."""
    wanted = make.wanted(trainer=trainer(), resources={"nodes": 2})
    found = forecast(wanted, values(**given_), 8)
    assert (found.gpu_bytes, found.host_bytes) == (gpu, host)


def test_a_plain_loop_saves_again_and_again(make):
    """Until it ends, or the wanted checkpoints are there."""
    loop = Loop(shape="plain", max_steps="steps", checkpoint_every="every", checkpoint_bytes=10)
    plain = make.wanted(trainer=trainer(loop))
    first = forecast(plain, values(steps=50, every=20), 1)
    assert (first.updates, first.checkpoints) == (20, (20,))
    several = make.wanted(trainer=trainer(loop), done={"checkpoints": 5})
    found = forecast(several, values(steps=50, every=20), 1)
    assert (found.updates, found.checkpoints, found.disk_bytes) == (50, (20, 40), 20)
    one = forecast(make.wanted(trainer=trainer(loop), done={"checkpoints": 2}), values(steps=50, every=20), 1)
    assert (one.updates, one.checkpoints) == (40, (20, 40))


def test_what_is_not_known_is_not_told(make):
    """No number of GPUs, no steps, no description: nothing, never a guess."""
    found = forecast(make.wanted(trainer=trainer()), values(steps=20, every=20, batch=1), None)
    assert (found.effective_batch, found.gpu_bytes, found.host_bytes) == (None, None, None)
    assert forecast(make.wanted(trainer=trainer()), {}, 8).updates is None
    assert forecast(make.wanted(), values(steps=20, every=20), 8).checkpoints is None
