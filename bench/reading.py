"""What a clean manifest costs in process, beside tomllib and msgspec alone on the same text.

    python bench/reading.py [ROUNDS]

Ours is all that `validate` does with a text: read with the place of every key, overlaid, typed, with its own checks. The
floor is `msgspec.convert(tomllib.loads(text))` with the types that ours ends with. Each round times both in turn; the
table shows the median of the paired ratios, the medians in ms, and the lines of each manifest.
"""

from __future__ import annotations

import statistics
import sys
import time
import tomllib
from collections.abc import Callable
from pathlib import Path

import msgspec

from srpo_manifest.reading.manifest import parse_manifest, read_manifest, with_overlays
from srpo_manifest.reading.toml import Source
from srpo_manifest.values.manifest import AnyManifest, DirectOptions, LocalOptions

ROOT = Path(__file__).resolve().parent.parent
BACKEND = {"transport": {"kind": "local"}, "launcher": {"kind": "direct"}}
LARGE = "".join(f'[[files]]\npath = "data/shard-{number:05}.tar"\n' for number in range(500))


def floor(text: str) -> None:
    """What nobody can do without."""
    data = tomllib.loads(text)
    data.pop("profile", None)
    msgspec.convert({"backend": BACKEND} | data, AnyManifest, strict=True)


def ours(text: str) -> None:
    """The same with places, overlays and checks."""
    document = with_overlays(parse_manifest(Source(file="srpo.toml", data=text.encode())))
    read_manifest(document, folder="/x", transports={"local": LocalOptions}, launchers={"direct": DirectOptions})


def seconds(what: Callable[[str], None], text: str) -> float:
    """CPU time of one reading."""
    began = time.process_time_ns()
    what(text)
    return (time.process_time_ns() - began) / 1e9


def main(rounds: int) -> None:
    """Measure and print."""
    texts = {file.name: file.read_text("utf-8") for file in sorted((ROOT / "manifests").glob("*.toml"))}
    texts["full.toml"] = (
        (ROOT / "tests/reading/full.toml").read_text("utf-8").replace('"ssh"\nhost = "gpu-1"', '"local"')
    )
    texts["500 files"] = 'schema = 1\nname = "a"\nmodel.type = "generic"\n' + LARGE
    for name, text in texts.items():
        floor(text), ours(text)
        pairs = [
            (seconds(ours, text), seconds(floor, text)) for _ in range(rounds if len(text) < 10_000 else rounds // 10)
        ]
        ratio = statistics.median(own / least for own, least in pairs)
        own, least = (1000 * statistics.median(each) for each in zip(*pairs, strict=True))
        print(f"{ratio:6.2f}  {own:7.2f} ms  {least:7.2f} ms  {text.count(chr(10)):5} lines  {name}", flush=True)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 300)
