"""Manifests made wrong at random, read in one process: COUNT SEED FILE... Prints one JSON object of what happened."""

from __future__ import annotations

import contextlib
import json
import random
import re
import resource
import sys
import time
import traceback
from pathlib import Path

LIMIT = 512 << 20
LARGE = 8 << 10
"""Files beyond this are taken less often."""
TOKENS = [
    b"[", b"]", b"[[", b"]]", b"{", b"}", b"=", b".", b",", b"'", b'"', b"'''", b'"""', b"#", b"\n", b"\r\n", b"\r", b"\\", b"\\u0000", b"\\U0010FFFF", b"\0",
    b"\xff", b"\xc3", b"\xed\xa0\x80", b"\xef\xbb\xbf", b"\xff\xfe", b"\xe2\x80\xae", b"\x1b[2J", b"true", b"nan", b"-inf", b"1e999", b"0x", b"9" * 30, b"1979-05-27T07:32:00Z",
    b"a." * 40, b"[" * 40, b"{a=" * 20, b"a" * 5000, b"schema = 2\n", b"schema = 1\n", b"[profile.x]\n", b"drop = ['name']\n", b"kind = 'ssh'\n", b"[env]\n", b"[[files]]\n",
    b"[entry.set]\n", b"{ env = 'X' }", b"{ file = '/etc/passwd' }", b"::set-output name=x::y", b"%", b"${run.id}", b"..", b"/", b"~", b"-1", b"''", b'"x"', b"[]", b"{}",
]  # fmt: skip


def mutated(data: bytes, others: list[bytes], chance: random.Random) -> bytes:
    """*data* after one to six accidents."""
    for _ in range(chance.randint(1, 6)):
        at, to = sorted((chance.randint(0, len(data)), chance.randint(0, len(data))))
        lines = data.splitlines(keepends=True) or [b""]
        match chance.randrange(8):
            case 0:
                data = data[:at] + bytes([chance.randrange(256)]) + data[at + 1 :]
            case 1:
                data = data[:at] + chance.choice(TOKENS) + data[at:]
            case 2:
                data = data[:at] + data[min(to, at + chance.randint(1, 40)) :]
            case 3:
                data = data + chance.choice(lines)
            case 4:
                chance.shuffle(lines)
                data = b"".join(lines)
            case 5:
                key, equals, _ = chance.choice(lines).partition(b"=")
                data += b"\n" + key + equals + chance.choice(TOKENS) + b"\n"
            case 6:
                other = chance.choice(others)
                data = data[:at] + other[chance.randint(0, len(other)) :]
            case _:
                bit = chance.randrange(8)
                data = data[:at] + bytes([data[at] ^ 1 << bit]) + data[at + 1 :] if at < len(data) else data
    return data[: 1 << 17]


def verdict(data: bytes, kind: str) -> object:
    """What a reading of *data* ends with: findings as people see them, or good."""
    from srpo_manifest.errors import SrpoManifestError
    from srpo_manifest.planning.lints import placed
    from srpo_manifest.planning.sanity import faults
    from srpo_manifest.reading.argsfile import parse_args_file
    from srpo_manifest.reading.formatting import formatted
    from srpo_manifest.reading.lockfile import parse_lock
    from srpo_manifest.reading.manifest import parse_manifest, read_manifest, with_overlays
    from srpo_manifest.reading.migrations import migrated
    from srpo_manifest.reading.toml import Source
    from srpo_manifest.rendering import told
    from srpo_manifest.values.manifest import DirectOptions, LocalOptions

    try:
        if kind == "json":
            parse_args_file(data, "a.json")
            return "good"
        if kind == "lock":
            parse_lock(data, "srpo.lock")
            return "good"
        source = Source(file="a.toml", data=data)
        with contextlib.suppress(SrpoManifestError):
            formatted(source)
        with contextlib.suppress(SrpoManifestError):
            migrated(source, "a-run")
        document = with_overlays(parse_manifest(source))
        wanted = read_manifest(
            document, folder="/x", transports={"local": LocalOptions}, launchers={"direct": DirectOptions}
        )
        return [told(placed(wanted, fault)) for fault in faults(wanted)]
    except SrpoManifestError as error:
        text = [told(finding) for finding in error.findings]
        if any(character in line for line in text for character in "\x1b\x00\u202e\r"):
            raise AssertionError("a terminal would obey this") from error
        return text


def main() -> None:
    """Read so many, each twice."""
    count, seed, *files = int(sys.argv[1]), int(sys.argv[2]), *sys.argv[3:]
    resource.setrlimit(resource.RLIMIT_AS, (LIMIT, LIMIT))
    chance = random.Random(seed)
    corpus = [(path.rpartition(".")[2], Path(path).read_bytes()) for path in files]
    texts = [data for _, data in corpus]
    weights = [1 if len(data) > LARGE else 20 for data in texts]
    for kind, data in corpus:
        verdict(data, kind)
    slowest, broken, good, refused = 0.0, [], 0, 0
    for number in range(count):
        ((kind, data),) = chance.choices(corpus, weights)
        data = mutated(data, texts, chance)
        began = time.process_time()
        try:
            first = verdict(data, kind)
            slowest = max(slowest, time.process_time() - began)
            if verdict(data, kind) != first:
                broken.append([number, "two verdicts", data.hex()[:4000]])
        except BaseException:  # noqa: BLE001 - this is what is looked for
            broken.append([number, traceback.format_exc()[-1500:], data.hex()[:4000]])
            if len(broken) > 5:
                break
        else:
            good += first in ("good", [])
            refused += first not in ("good", [])
    # ru_maxrss would count what the process that started us had. Source: exec_mmap of Linux
    peak = int(re.search(r"VmHWM:\s*(\d+)", Path("/proc/self/status").read_text())[1])
    print(json.dumps({"broken": broken, "good": good, "refused": refused, "slowest_seconds": slowest, "peak_mib": peak >> 10, "seed": seed}))  # fmt: skip


if __name__ == "__main__":
    main()
