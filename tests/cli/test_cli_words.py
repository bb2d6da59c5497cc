"""Random words through the whole way to a process: shell text, files, environment (R12)."""

from __future__ import annotations

import json
import os
import random
import shutil
import subprocess

import pytest

from srpo_manifest.bundling.quoting import quote
from srpo_manifest.piped import PipedTransport

MANIFEST = """schema = 1
name = "words"
[repo]
url = "demo:"
[model]
type = "generic"
[entry]
command = ["python3", "-c", "import os,sys,json; json.dump([sys.argv[1:], dict(os.environ)], open('seen', 'w'))"]
args_file = "args.json"
[done]
exit_zero = true
[lints]
not-interpolated = "allow"
secret-literal = "allow"
"""
PIECES = ["'", '"', "$", "`", "\\", "\n", "\t", " ", "*", "?", "[a]", "~", "!", "$(touch canary)", "${HOME}", "`touch canary`", "$'\\n'", "%s", "&&", ";", "|", ">x", "#", "-", "--", "=", "é", "漢", "🦊", "\u202e", "\u0301", "\ufeff", "{}", "{a,b}", "$$", "$@", "${", "}", "a", "0"]  # fmt: skip


def texts(chance: random.Random, count: int, more: list[str]) -> list[str]:
    return ["".join(chance.choice(PIECES + more) for _ in range(chance.randint(0, 12))) for _ in range(count)]


@pytest.fixture
def chance() -> random.Random:
    seed = int(os.environ.get("SRPO_MANIFEST_TEST_SEED", "0")) or int.from_bytes(os.urandom(4), "big")
    print("seed", seed)
    return random.Random(seed)


@pytest.mark.slow
@pytest.mark.fault(31, "passed on byte for byte")
def test_words_and_values_arrive_byte_for_byte(place, say, chance):
    """Ten thousand, half of them arguments and half of them variables, in one run."""
    words, values = texts(chance, 5_000, []), texts(chance, 5_000, [])
    env = {f"VALUE_{number}": value for number, value in enumerate(values)}
    place.write("args.json", json.dumps({"args": words[:1_000], "env": env}))
    place.write("extra.toml", f"[entry]\nextra_args = {json.dumps(words[1_000:2_000], ensure_ascii=False)}\n")
    place.write("srpo.toml", MANIFEST)
    said = say("apply", "--with", "extra.toml", "--", *words[2_000:])
    assert said.status == 0, said.err[-2000:]
    argv, found = json.loads((place.folder / "seen").read_text(encoding="utf-8"))
    assert argv == words
    assert {name: found.get(name) for name in env} == env
    assert not list(place.folder.rglob("canary"))


@pytest.mark.fault(31, "passed on byte for byte")
def test_words_arrive_through_the_transport_whatever_their_bytes(tmp_path, chance):
    """Bytes that are no text among them; a process has its arguments and its variables from one script."""
    words = texts(chance, 10_000, ["\x01", "\x7f", "\r", "\x1b[2J", os.fsdecode(b"\xff"), os.fsdecode(b"\xc3(")])
    out = tmp_path / "seen"
    program = "import os,sys; open(sys.argv[1], 'wb').write(b'\\0'.join([*map(os.fsencode, sys.argv[2:]), *(os.environb[b'V%d' % n] for n in range(len(sys.argv) - 2))]))"  # fmt: skip
    python = quote(shutil.which("python3") or "python3")
    for first in range(0, len(words), 5_000):
        part = words[first : first + 5_000]
        exported = "".join(f"export V{number}={quote(word)}\n" for number, word in enumerate(part))
        script = f"{exported}exec {python} -c {quote(program)} {quote(str(out))} {' '.join(map(quote, part))}\n"
        answer = PipedTransport().exec(script, timeout_seconds=120)
        assert answer.status == 0, answer.complaint
        assert out.read_bytes() == b"\0".join(os.fsencode(word) for word in [*part, *part])


def test_the_words_of_this_test_are_awkward(chance, tmp_path):
    """A quoting that only wraps them in double quotes would be found out."""
    broken = 0
    for word in texts(chance, 40, []):
        said = subprocess.run(["bash", "-c", f'printf %s "{word}"'], capture_output=True, cwd=tmp_path, check=False)
        broken += said.stdout != word.encode()
    assert broken > 10
