"""Random secrets through every verb and failure: nothing of ours holds one (R11)."""

from __future__ import annotations

import base64
import json
import os
import random
import threading
import urllib.parse
from pathlib import Path

import pytest
from supervising.story import spellings

SHORTEST = 6
"""Shorter ones are not looked for: they would hide half of every text (docs/run-folder.md)."""
LETTERS = "abcdefghijkmnopqrstuvwxyzABCDEFGHJKLMNPQRSTUVWXYZ0123456789"
ODD = "'\"$`\\%&?#=+/ :;<>(){}[]|~^*!,.é漢🦊\t"
MANIFEST = """schema = 1
name = "secretive"
[repo]
url = "demo:"
[model]
type = "generic"
[entry]
command = ["python3", "-c", {script}]
[done]
exit_zero = true
[env]
"""
TELLS = """
import base64, os, sys, urllib.parse
for name in sorted(os.environ):
    if name.startswith("SECRET_"):
        value = os.environ[name]
        assert value, name
        data = os.fsencode(value)
        print(value, base64.b64encode(data).decode(), base64.b64encode(b"user:" + data).decode(), urllib.parse.quote(value, safe=""), repr(value))
        sys.stdout.write(value[: len(value) // 2])
        sys.stdout.flush()
        print(value[len(value) // 2 :])
"""
CRASHES = """
names = sorted(name for name in os.environ if name.startswith("SECRET_"))
value = os.environ[names[int(os.environ["WHICH"])]]
how = int(os.environ["WHICH"]) % 4
raise SystemExit("Error: cannot log in with " + [value, base64.b64encode(b"u:" + os.fsencode(value)).decode(), urllib.parse.quote(value, safe=""), repr(value)][how])
"""


def made(chance: random.Random, number: int) -> str:
    """At least twelve letters with odd ones between: none is in a text by chance."""
    text = "".join(chance.choice(LETTERS) for _ in range(chance.randint(12, 40)))
    for _ in range(chance.randint(0, 6) if number % 2 else 0):
        at = chance.randrange(len(text))
        text = text[:at] + chance.choice(ODD) + text[at:]
    return text.strip()


def forms(secret: str) -> set[bytes]:
    data = secret.encode()
    found = {secret, urllib.parse.quote(secret, safe=""), urllib.parse.quote(secret), json.dumps(secret)[1:-1]}
    found |= {base64.b64encode(data).decode().rstrip("="), base64.urlsafe_b64encode(data).decode().rstrip("=")}
    return {one.encode() for one in found}


class Watch:
    """Everything that a list of processes would show, as long as it lasts."""

    def __init__(self) -> None:
        self.seen: set[bytes] = set()
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._look)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _look(self) -> None:
        while not self._over.wait(0.1):
            for entry in Path("/proc").iterdir():
                if entry.name.isdigit():
                    try:
                        self.seen.add((entry / "cmdline").read_bytes())
                    except OSError:
                        continue


@pytest.mark.slow
@pytest.mark.fault(34, "secret-missing")
def test_no_secret_is_told_or_written_by_us(place, many, tmp_path_factory, cache):
    """But in the job's own log. Each form, each verb, each failure; the seed is told."""
    seed = int(os.environ.get("SRPO_MANIFEST_TEST_SEED", "0")) or int.from_bytes(os.urandom(4), "big")
    print("seed", seed)
    chance = random.Random(seed)
    files = tmp_path_factory.mktemp("secrets")
    rounds, each = many(1, 10), many(400, 1_000)
    secrets: list[str] = []
    said: list[tuple[str, str]] = []
    with Watch() as watch:
        for turn in range(rounds):
            mine = [made(chance, number) for number in range(each)]
            secrets += mine
            apply_all(place, said, mine, files / str(turn), turn)
    assert said
    told = {f"what `{verb}` said": text.encode("utf-8", "surrogateescape") for verb, text in said}
    told["the list of processes"] = b"\n".join(watch.seen)
    for folder in (place.folder, cache):
        for path in folder.rglob("*"):
            inside = str(path.relative_to(folder))
            if path.is_file() and not (inside.startswith(".srpo/runs/") and path.name == "log"):
                told[inside] = path.read_bytes()
    assert any(name.endswith("result.json") for name in told)
    leaks = [(name, secret) for name, data in told.items() for secret in secrets if any(form in data for form in forms(secret))]  # fmt: skip
    assert leaks == []
    assert sum(b"***" in data for name, data in told.items() if name.endswith("result.json")) >= 4 * rounds
    logs = b"".join(path.read_bytes() for path in place.folder.glob(".srpo/runs/*/attempt-1/node-0/log"))
    assert all(secret.encode() in logs for secret in secrets), "the job had them all"


def apply_all(place, said: list[tuple[str, str]], secrets: list[str], files: Path, turn: int) -> None:
    """Every verb, with *secrets* in variables, files of this machine, and files of the target."""
    files.mkdir()
    lines, env = [], {}
    for number, secret in enumerate(secrets):
        name = f"SECRET_{number:04}"
        if number % 8 == 0:
            (files / name).write_text(secret + "\n")
            key = "target_file" if number % 16 else "file"
            lines.append(f'{name} = {{ {key} = "{files / name}" }}')
        else:
            env[f"FROM_{number:04}"] = secret
            lines.append(f'{name} = {{ env = "FROM_{number:04}" }}')
    table = "\n".join(lines)

    def write(script: str, more: str = "") -> None:
        place.write("srpo.toml", MANIFEST.format(script=json.dumps(script)) + table + "\n" + more)

    def run(*words: str, status: tuple[int, ...] = (0,), **other: str) -> None:
        done = place.run(*words, **(env | other))
        said.append((" ".join(words), done.out + done.err))
        assert done.status in status, done.err[-2000:]

    write(TELLS)
    for words in (["validate"], ["plan"], ["plan", "--json", "--origin"], ["plan", "--out", "p.json"], ["doctor"], ["bundle", "--out", f"b{turn}"]):  # fmt: skip
        run(*words, status=(0, 4))
    run("apply", FROM_0001="", status=(0, 1, 2))
    missing = env.pop("FROM_0002")
    run("apply", status=(2,))
    env["FROM_0002"] = missing
    run("apply", "--dry-run", "--json")
    run("apply", "p.json", "--json", "--again")
    for verb in (["status"], ["status", "--json"], ["runs", "--json", "--refresh"], ["attach", "--json"], ["wait"], ["stop"], ["doctor", "--json"]):  # fmt: skip
        run(*verb, status=(0, 4))
    write(TELLS + CRASHES, 'WHICH = "@"\n')
    text = (place.folder / "srpo.toml").read_text()
    for which in (1, 2, 3, 4):
        place.write("srpo.toml", text.replace('WHICH = "@"', f'WHICH = "{which}"'))
        run("apply", "--json", status=(1,))
        run("status", "--json")
        run("attach", status=(1,))
    write(TELLS + "import time; time.sleep(60)\n")
    run("apply", "--detach")
    run("apply", status=(4,))
    run("stop", "--json")
    target = files / "SECRET_0008"
    kept = target.read_text()
    target.unlink()
    run("apply", "--again", status=(5,))
    target.write_text(kept)
    (place.folder / ".srpo/runs").rename(place.folder / ".srpo/aside")
    (place.folder / ".srpo/runs").touch()
    run("apply", "--again", status=(4, 5))
    (place.folder / ".srpo/runs").unlink()
    (place.folder / ".srpo/aside").rename(place.folder / ".srpo/runs")


def test_the_supervisors_spellings_hide_what_a_text_may_hold_of_a_secret():
    """Whole lines, base64 wherever it begins, URLs, escapes; what is too short stays, and is said to."""
    secret = "p&ss w'ord/+é\nsecond-line"  # noqa: S105 - it opens nothing
    data = secret.encode()
    texts = [secret, "second-line", urllib.parse.quote(secret), urllib.parse.quote_plus(secret), repr(secret), json.dumps(secret)]  # fmt: skip
    texts += [
        base64.b64encode(b"x" * before + data + b"y" * after).decode() for before in range(4) for after in range(3)
    ]
    for text in texts:
        hidden = text
        for spelled in spellings([secret]):
            hidden = hidden.replace(spelled, "***")
        assert hidden != text
        assert len(hidden.replace("***", "")) < 12, hidden
    assert spellings(["short"]) == []
    assert all(len(spelled) >= SHORTEST for spelled in spellings([secret, "abcdef"]))
