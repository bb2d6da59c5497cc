"""What goes wrong between us, git, its server and the disk: made to happen with real parts."""

from __future__ import annotations

import contextlib
import json
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import msgspec
import pytest
import servers
from trees import digest_of

from srpo_manifest.builtin.repo import GitRepo
from srpo_manifest.engine.mirror import Mirror
from srpo_manifest.engine.pin import read_pin
from srpo_manifest.engine.repositories import Repositories
from srpo_manifest.errors import SrpoManifestError
from srpo_manifest.planning.entry import PIN
from srpo_manifest.values.facts import Facts, Known
from srpo_manifest.values.fault import Fault
from srpo_manifest.values.lock import Pin
from srpo_manifest.values.step import Proposal, Sh
from srpo_manifest.values.wanted import Wanted
from srpo_manifest.wording import gigabytes

ENSURE = (
    "import sys; from pathlib import Path; from srpo_manifest.engine.mirror import Mirror;"
    "print(Mirror.of(sys.argv[1], Path('.'), Path(sys.argv[2])).ensure(sys.argv[3] if sys.argv[3:] else 'main'))"
)


@pytest.fixture
def wanted(make, tmp_path: Path):
    """A manifest over `repo`, with a workspace of its own."""
    found = make.wanted(
        repo={"url": "repo", "ref": "main"},
        paths={"workspace": str(tmp_path / "space")},
        entry={"command": ["true"]},
    )
    return msgspec.structs.replace(found, folder=str(tmp_path))


@pytest.fixture
def unpack(wanted, tmp_path: Path):
    """Pin a commit, pack it, and unpack it with the very step that runs on targets; returns the checkout and what was said."""

    def call(mirror: Mirror, commit: str, **env: str) -> tuple[Path, subprocess.CompletedProcess[str], list[Fault]]:
        pin = read_pin(mirror, mirror.url, "main", commit, (), wanted.trainer)
        proposals = steps(wanted, pin)
        (step,) = (one for one in proposals if isinstance(one, Sh) and one.id == "checkout")
        bundle = tmp_path / "bundle"
        bundle.mkdir(exist_ok=True)
        (bundle / "tree.tar").write_bytes(b"".join(mirror.archive(commit)))
        (bundle / "step.sh").write_text(step.script)
        done = subprocess.run(
            ["bash", bundle / "step.sh"],
            env=os.environ | {"SRPO_BUNDLE": str(bundle)} | env, capture_output=True, text=True, check=False,
        )  # fmt: skip
        checkout = tmp_path / "space/.srpo/checkouts" / pin.tree
        return checkout, done, [one for one in proposals if isinstance(one, Fault)]

    return call


def steps(wanted: Wanted, pin: Pin) -> list[Proposal]:
    return list(GitRepo().steps(wanted, Facts(facts={PIN: Known(value=msgspec.to_builtins(pin))})))


def remove(checkout: Path) -> None:
    if checkout.exists():
        subprocess.run(["chmod", "-R", "u+w", checkout], check=True)
        shutil.rmtree(checkout)


def bytes_of(process: Path) -> bytes:
    try:
        return process.read_bytes()
    except OSError:
        return b""


def error_of(mirror: Mirror, ref: str | None = "main", **how: bool) -> SrpoManifestError:
    with pytest.raises(SrpoManifestError) as caught:
        mirror.ensure(ref, **how)
    return caught.value


@pytest.mark.fault(2, "git-old")
def test_a_git_that_does_not_know_our_options_is_refused(repository, tmp_path: Path, monkeypatch):
    """Before it fetches; what is in the cache needs no fetch. One without a version that we can read is tried."""
    folder = repository({"a": "1"})
    here = Mirror.of("repo", tmp_path, tmp_path / "cache")
    commit = here.ensure("main")
    for number, (says, code) in enumerate(
        (("git version 2.29.9", "git-old"), ("git version 2.30.0", ""), ("jgit", ""))
    ):
        fake = tmp_path / f"bin{number}/git"
        fake.parent.mkdir()
        fake.write_text(f'#!/bin/bash\n[ "$1" = --version ] && echo {says} && exit\nexec /usr/bin/git "$@"\n')
        fake.chmod(0o755)
        monkeypatch.setenv("PATH", f"{fake.parent}:{os.environ['PATH']}")
        mirror = Mirror.of(str(folder), tmp_path, tmp_path / f"cache{number}")
        if code:
            error = error_of(mirror)
            assert (error.code, error.findings[0].hints) == (code, ("install a newer git, or put one first on PATH",))
            assert here.ensure(commit) == commit
        else:
            assert mirror.ensure("main") == commit


@pytest.mark.fault(4, "ref-missing")
def test_a_commit_that_the_server_does_not_hand_out(repository, git, tmp_path: Path):
    """Everything is fetched, then the commit alone; the error says which commits are handed out."""
    folder = repository({"a": "1"})
    first = git(folder, "rev-parse", "HEAD")
    repository({"a": "2"})
    git(folder, "commit", "-q", "--amend", "-m", "rewritten")
    gone = git(folder, "rev-parse", "HEAD@{1}")
    git(tmp_path, "config", "--global", "protocol.version", "0")  # a newer server hands out whatever it has
    mirror = Mirror.of("repo", tmp_path, tmp_path / "cache")
    error = error_of(mirror, gone)
    assert error.code == "ref-missing"
    assert error.findings[0].hints[0].startswith("none of its 1 branch or tag leads to it: ")
    git(folder, "config", "uploadpack.allowAnySHA1InWant", "true")
    assert (mirror.ensure(gone), mirror.ensure(first)) == (gone, first)


@pytest.mark.fault(7, "ref-missing")
def test_a_shallow_clone_that_lacks_the_commit(repository, git, tmp_path: Path):
    """The hint says why; the user's clone is left as it is."""
    folder = repository({"a": "1"})
    first = git(folder, "rev-parse", "HEAD")
    repository({"a": "2"})
    git(tmp_path, "clone", "-q", "--depth=1", f"file://{folder}", "shallow")
    error = error_of(Mirror.of("shallow", tmp_path, tmp_path / "cache"), first)
    assert error.code == "ref-missing"
    assert "it is a shallow clone: name its origin, or run `git fetch --unshallow` in it" in error.findings[0].hints
    assert git(tmp_path / "shallow", "rev-list", "--count", "HEAD") == "1"


@pytest.mark.fault(8, "submodules-absent")
def test_submodules_are_told_and_not_fetched(repository, git, unpack, tmp_path: Path):
    """Whatever their urls say."""
    folder = repository(
        {"a": "1", ".gitmodules": f'[submodule "sub"]\npath = sub\nurl = file://{tmp_path}/elsewhere\n'}
    )
    git(folder, "update-index", "--add", "--cacheinfo", f"160000,{'1' * 40},sub")
    git(folder, "commit", "-q", "-m", "link")
    mirror = Mirror.of("repo", tmp_path, tmp_path / "cache")
    checkout, done, faults = unpack(mirror, mirror.ensure("main"))
    assert done.returncode == 0, done.stderr
    assert list((checkout / "sub").iterdir()) == []
    assert [(fault.finding.code, fault.finding.level) for fault in faults] == [("submodules-absent", "warn")]
    assert "`sub` will be empty" in faults[0].finding.message


@pytest.mark.slow
@pytest.mark.fault(10, "made whole by the next call")
def test_a_fetch_that_is_killed_anywhere_heals(repository, git, tmp_path: Path):
    """Ten moments of a first fetch and of a later one: the next call finishes, and leaves nothing aside."""
    seed = random.randrange(1 << 30)
    moments = random.Random(seed)
    folder = repository({f"f{number}": os.urandom(20_000) for number in range(100)})
    cache = tmp_path / "cache"
    start = time.monotonic()
    argv = [sys.executable, "-c", ENSURE, folder, cache]
    subprocess.run([*argv[:-1], tmp_path / "first"], check=True, capture_output=True)
    whole = time.monotonic() - start
    for _ in range(10):
        one = subprocess.Popen(argv, start_new_session=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        time.sleep(moments.uniform(0.2, 1) * whole)
        os.killpg(one.pid, signal.SIGKILL)
        one.wait()
        repository({"more": os.urandom(300_000)})
    mirror = Mirror.of(str(folder), tmp_path, cache)
    assert mirror.ensure("main") == git(folder, "rev-parse", "HEAD"), seed
    assert len([path for path in cache.iterdir() if path.is_dir()]) == 1, seed
    assert not list(mirror.folder.rglob("*.lock")), seed
    assert not list(mirror.folder.glob("objects/pack/*tmp_*")), seed
    git(mirror.folder, "fsck", "--full", "--strict")


@pytest.mark.fault(12, "repo-unreachable")
def test_no_network_and_nothing_in_the_cache(need, tmp_path: Path):
    """Told at once, without a question."""
    need("root", "unshare")
    done = subprocess.run(
        ["unshare", "-n", sys.executable, "-c", ENSURE, "https://example.invalid/x.git", tmp_path / "cache"],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert "TransportError: git could not fetch `https://example.invalid/x.git`: " in done.stderr
    assert "Could not resolve host" in done.stderr


@pytest.mark.fault(13, "repo-unreachable")
def test_a_server_that_stalls(repository, tmp_path: Path):
    """It is waited for in vain no longer than said, and no git of the fetch is left."""
    with servers.mute() as port:
        url = f"https://localhost:{port}/x.git"
        mirror = Mirror(url, tmp_path / "cache/x.git", quiet_seconds=2)
        error = error_of(mirror)
        assert error.code == "repo-unreachable"
        assert "said nothing for 2 seconds" in str(error)
        deadline = time.monotonic() + 20
        while left := [one for one in Path("/proc").glob("[0-9]*/cmdline") if url.encode() in bytes_of(one)]:
            assert time.monotonic() < deadline, left
            time.sleep(0.1)
    assert [path.name for path in (tmp_path / "cache").iterdir() if path.is_dir()] == []


@pytest.mark.fault(14, "repo-unreachable")
def test_a_server_that_asks_for_credentials(tmp_path: Path, monkeypatch, need):
    """There is nobody to ask; the hint says what to set up. A redirection to plain http is not followed."""
    need("openssl")
    pem = servers.certificate(tmp_path)
    monkeypatch.setenv("GIT_SSL_CAINFO", str(tmp_path / "localhost.crt"))
    monkeypatch.setenv("GIT_ASKPASS", "/bin/false")

    def ask(handler) -> None:
        if handler.path.startswith("/away"):
            handler.send_response(302)
            handler.send_header("Location", f"http://{handler.headers['Host']}/x.git/info/refs")
        else:
            handler.send_response(401)
            handler.send_header("WWW-Authenticate", 'Basic realm="x"')
        handler.send_header("Content-Length", "0")
        handler.end_headers()

    with servers.https(pem, ask) as url:
        error = error_of(Mirror.of(f"{url}/x.git", tmp_path, tmp_path / "cache"))
        away = error_of(Mirror.of(f"{url}/away.git", tmp_path, tmp_path / "cache"))
    assert error.code == away.code == "repo-unreachable"
    assert "could not read Username" in str(error)
    assert error.findings[0].hints == ("set up git's credential helper, or use an ssh url with a key",)
    assert re.search("(?i)protocol", str(away)), str(away)


@pytest.mark.fault(16, "left alone")
def test_a_lock_that_a_git_left_in_the_source(repository, git, tmp_path: Path):
    """Nothing is written there, so nothing waits for it; in the mirror it is ours, and goes."""
    folder = repository({"a": "1"})
    (folder / ".git/index.lock").write_text("")
    mirror = Mirror.of("repo", tmp_path, tmp_path / "cache")
    assert mirror.ensure("main") == git(folder, "rev-parse", "HEAD")
    assert (folder / ".git/index.lock").exists()


@pytest.mark.fault(18, "disk-full")
def test_a_disk_that_is_full_during_a_fetch(repository, git, need, tmp_path: Path):
    """What was there stays whole, what was begun goes, and the error says where room is needed."""
    need("root", "unshare")
    folder = repository({"a": "1"})
    first = git(folder, "rev-parse", "HEAD")
    (tmp_path / "disk").mkdir()
    program = f"""
import os, subprocess, sys
from pathlib import Path
from srpo_manifest.engine.mirror import Mirror
from srpo_manifest.errors import TransportError
mirror = Mirror.of(sys.argv[1], Path("."), Path(sys.argv[2]) / "cache")
assert mirror.ensure("main") == {first!r}
(Path(sys.argv[1]) / "big").write_bytes(os.urandom(6_000_000))
for words in ("add -A", "commit -q -m big"):
    subprocess.run(["git", "-C", sys.argv[1], *words.split()], check=True)
codes = []
for how in ({{}}, {{"refresh": True}}):
    try:
        mirror.ensure("main", **how)
    except TransportError as error:
        codes.append(error.code)
        print(error, error.findings[0].hints)
assert codes == ["disk-full", "disk-full"], codes
assert mirror.ensure({first!r}) == {first!r}
assert not list(mirror.folder.glob("objects/pack/*tmp_*"))
assert b"".join(mirror.archive({first!r}))
assert len([one for one in mirror.folder.parent.iterdir() if one.is_dir()]) == 1
subprocess.run(["git", "-C", mirror.folder, "fsck", "--full"], check=True)
"""
    mount = f'mount -t tmpfs -o size=3m none {tmp_path}/disk && exec "$@"'
    done = subprocess.run(
        ["unshare", "-m", "bash", "-c", mount, "x", sys.executable, "-c", program, folder, tmp_path / "disk"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert "No space left on device" in done.stdout


@pytest.mark.slow
@pytest.mark.fault(19, "repo-large")
def test_a_huge_file_streams(repository, git, wanted, many, tmp_path: Path):
    """Neither fetching nor packing holds it in memory; the plan tells it with its size."""
    size = many(300, 5000) << 20
    folder = repository({"a": "1"})
    with (folder / "weights.bin").open("wb") as file:
        file.truncate(size)
    git(folder, "-c", "core.bigFileThreshold=1m", "-c", "core.compression=1", "add", "-A")
    git(folder, "commit", "-q", "-m", "big")
    program = """
import json, resource, sys
from pathlib import Path
from srpo_manifest.engine.mirror import Mirror
mirror = Mirror.of(sys.argv[1], Path("."), Path(sys.argv[2]))
commit = mirror.ensure("main")
size = sum(map(len, mirror.archive(commit)))
peaks = [resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
print(json.dumps([commit, size, max(peaks)]))
"""
    done = subprocess.run(
        [sys.executable, "-c", program, folder, tmp_path / "cache"], check=True, capture_output=True, text=True
    )
    commit, sent, peak = json.loads(done.stdout)
    assert sent > size
    assert peak < 200_000
    mirror = Mirror.of(str(folder), tmp_path, tmp_path / "cache")
    pin = read_pin(mirror, "repo", "main", commit, (), wanted.trainer)
    assert pin.large == {"weights.bin": size}
    (told,) = (one for one in steps(wanted, pin) if isinstance(one, Fault))
    assert told.finding.code == "repo-large"
    assert f"`weights.bin` ({gigabytes(size)})" in told.finding.message


@pytest.mark.fault(20, "names-alike")
def test_names_that_differ_in_case_alone(repository, unpack, tmp_path: Path):
    """Both are named by the plan; a disk that holds one of them alone is refused, by a tar that meets one here."""
    repository({"README": "1", "Readme": "2", "d/a": "3", "\u00e9": "4", "e\u0301": "5"})
    mirror = Mirror.of("repo", tmp_path, tmp_path / "cache")
    commit = mirror.ensure("main")
    checkout, done, faults = unpack(mirror, commit)
    assert done.returncode == 0, done.stderr
    assert {(checkout / name).read_text() for name in ("README", "Readme")} == {"1", "2"}
    assert [fault.finding.code for fault in faults] == ["names-alike"]
    assert "`README`, `Readme`, " in faults[0].finding.message
    subprocess.run(["chmod", "-R", "u+w", checkout], check=True)
    shutil.rmtree(checkout)
    tar = tmp_path / "bin/tar"
    tar.parent.mkdir()
    tar.write_text('#!/bin/bash\n[ "$1" = -x ] && set -- "$@" --transform "s/.*/\\L&/"\nexec /usr/bin/tar "$@"\n')
    tar.chmod(0o755)
    _, done, _ = unpack(mirror, commit, PATH=f"{tar.parent}:{os.environ['PATH']}")
    assert done.returncode == 1
    assert done.stderr.startswith("error[names-alike]: this disk does not tell apart `README`, `Readme`, ")
    assert list(checkout.parent.iterdir()) == []


@pytest.mark.slow
def test_an_unpacking_that_is_killed_anywhere(repository, unpack, many, tmp_path: Path):
    """Nothing half is seen at any time; the next one makes the tree and clears what the killed ones left."""
    repository({f"d{number % 7}/f{number}": os.urandom(2000) for number in range(300)})
    mirror = Mirror.of("repo", tmp_path, tmp_path / "cache")
    start = time.monotonic()
    commit = mirror.ensure("main")
    checkout, _, _ = unpack(mirror, commit)
    whole, good = time.monotonic() - start, digest_of(checkout)
    seed = random.randrange(1 << 30)
    moments = random.Random(seed)
    argv = ["bash", tmp_path / "bundle/step.sh"]
    env = os.environ | {"SRPO_BUNDLE": str(tmp_path / "bundle")}
    for _ in range(many(15, 60)):
        remove(checkout)
        one = subprocess.Popen(argv, env=env, start_new_session=True)
        time.sleep(moments.uniform(0, whole / 4))
        with contextlib.suppress(ProcessLookupError):
            os.killpg(one.pid, signal.SIGKILL)
        one.wait()
        assert not checkout.exists() or digest_of(checkout) == good, seed
    remove(checkout)
    subprocess.run(argv, env=env, check=True)
    assert digest_of(checkout) == good, seed
    assert list(checkout.parent.iterdir()) == [checkout], seed


@pytest.mark.fault(21, "fetched again, once")
def test_a_damaged_object_of_the_cache(repository, git, wanted, tmp_path: Path, monkeypatch):
    """Wherever the bytes were turned: the tree arrives as committed, or the error says how to mend the cache."""
    monkeypatch.setenv("SRPO_MANIFEST_CACHE", str(tmp_path / "cache"))
    folder = repository({f"f{number}": os.urandom(3000) for number in range(10)})
    commit, tree = git(folder, "rev-parse", "HEAD"), git(folder, "rev-parse", "HEAD^{tree}")
    good = b"".join(Repositories(wanted).archive(commit, tree))
    seed = random.randrange(1 << 30)
    places = random.Random(seed)
    base = next((tmp_path / "cache/repositories").glob("*.git"))
    mended = 0
    for kind in ("pack", "pack", "pack", "pack", "idx", "idx", "gone"):
        (file,) = base.glob(f"objects/pack/*.{'pack' if kind == 'gone' else kind}")
        data = bytearray(file.read_bytes())
        file.chmod(0o600)
        for _ in range(20):
            data[places.randrange(len(data))] ^= 0xFF
        file.write_bytes(b"" if kind == "gone" else data)
        before = base.stat().st_ino
        assert b"".join(Repositories(wanted).archive(commit, tree)) == good, (kind, seed)
        mended += base.stat().st_ino != before
    assert mended > 3, seed
    (file,) = base.glob("objects/pack/*.pack")
    file.chmod(0o600)
    file.write_bytes(b"")
    with pytest.raises(SrpoManifestError) as offline:
        b"".join(Repositories(wanted, offline=True).archive(commit, tree))
    assert offline.value.code in ("objects-missing", "offline")
    folder.rename(tmp_path / "away")
    with pytest.raises(SrpoManifestError) as caught:
        b"".join(Repositories(wanted).archive(commit, tree))
    assert caught.value.code == "repo-unreachable"


@pytest.mark.fault(22, "taken literally")
def test_names_with_line_ends_and_dashes(repository, unpack, tmp_path: Path):
    """They arrive on the target as they are, and nothing takes one for an option."""
    canary = tmp_path / "canary"
    names = (
        "-rf", "--checkpoint=1", f"--checkpoint-action=exec=touch {canary}".replace("/", "_"), "a\nb", "c\rd", "-C", "--",
        "$(touch canary)", "`touch canary`", "e\\nf", " g", "h ", "'i", '"j', "*", "k\x1b[2J", "-d/-e",
    )  # fmt: skip
    repository(dict.fromkeys(names, "x"))
    mirror = Mirror.of("repo", tmp_path, tmp_path / "cache")
    commit = mirror.ensure("main")
    checkout, done, _ = unpack(mirror, commit)
    assert (done.returncode, done.stderr) == (0, "")
    assert sorted(str(path.relative_to(checkout)) for path in checkout.rglob("*") if path.is_file()) == sorted(names)
    assert sorted(mirror.files(commit)) == sorted(names)
    assert not list(tmp_path.rglob("canary*"))
