"""The traps that upstream sets, by the number that the tests and the docs use; and where the tests plant them."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

TRAPS = {
    1: "`HOST_NUM`, `HOST_GPU_NUM` or `INDEX` has no value: the word vanishes, exit 2",
    2: "`CHIEF_IP` has no value: no rendezvous host, exit 1",
    3: "`INDEX` is not below `HOST_NUM`: a silent hang",
    4: "fewer nodes start than `HOST_NUM` says: a silent hang",
    5: "`CHIEF_IP` is no address of the first node",
    6: "the rendezvous port is taken",
    7: "two runs on a host share port and rendezvous id",
    8: "more workers than GPUs: an invalid device, after NCCL has started",
    9: "the preprocessing script starts 8 workers whatever is there, and uses the global rank as a device",
    10: "arguments behind the script's name are dropped",
    11: "a variable that the script sets itself is given in vain",
    12: "the entry program is not where the script looks for it",
    13: "the script has CRLF line ends",
    14: "the `torchrun` on PATH belongs to another Python",
    15: "a flag of the script has no value",
    16: "a flag that upstream does not know",
    17: "a value of another type than upstream takes",
    18: "a value that begins with a dash is read as an option",
    19: "an abbreviated flag",
    20: "the training never ends, and learns nothing after its checkpoint",
    21: "the checkpoint's step is never reached",
    22: "no step before the checkpoint's: nothing is trained",
    23: "resuming is accepted and ignored",
    24: "a flag that is set is never read",
    25: "another VAE is accepted and ignored",
    26: "the preprocessing's model path is ignored",
    27: "an odd number of branches: another objective is trained",
    28: "prompts that the preprocessing drops, keeps blank, or cuts off",
    29: "embeddings that are listed twice to fill up the workers",
    30: "an earlier run's checkpoints are written over",
    31: "runs share a folder of pictures, and write over them",
    32: "TensorBoard files stay empty",
    33: "another package of the trainer's name is imported",
    34: "a worker's own error is seen in the mixed output alone",
    35: "the index of embeddings is not under the name that is read",
    36: "the reward model's weights are not where the README puts them",
    37: "CLIP, PickScore or the base model is not there, or only in a cache that is empty",
    38: "the reward model's name in another spelling",
    39: "a flag that argparse lets out and the program needs",
    40: "a size that is no multiple of 16",
    41: "timesteps beyond the table that they index",
    42: "a batch of more than one prompt",
    43: "an empty index: an endless spin without a word",
    44: "an embedding that is missing, cut off, or of another shape",
    45: "the disk is full at the first checkpoint",
    46: "too little memory of GPU or host, GPUs without bf16, or packages that are missing or of other versions",
}


class Planted(NamedTuple):
    """A test that plants a trap. `code` is what tells it; `prevented` where a run cannot meet it."""

    number: int
    code: str
    file: str
    test: str


def planted(root: Path) -> list[Planted]:
    """Every `@pytest.mark.trap(NUMBER, CODE)` and `trapped(NUMBER, CODE, …)` of the tests."""
    return sorted({one for file in (root / "tests").rglob("test_*.py") for one in _of(root, file)})


def _of(root: Path, file: Path) -> Iterator[Planted]:
    for function in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if not isinstance(function, ast.FunctionDef) or not function.name.startswith("test_"):
            continue
        for decorator in function.decorator_list:
            for call in ast.walk(decorator):
                match call:
                    case ast.Call(
                        func=ast.Attribute(attr="trap") | ast.Name(id="trapped"),
                        args=[ast.Constant(value=int(number)), ast.Constant(value=str(code)), *_],
                    ):
                        yield Planted(number, code, str(file.relative_to(root)), function.name)
                    case _:
                        pass
