from __future__ import annotations

import io
import os
import signal
import subprocess
import sys
import tarfile
import time
from pathlib import Path

import pytest

from srpo_manifest.engine.mirror import Mirror
from srpo_manifest.errors import ManifestError, SrpoManifestError, TransportError

HOSTILE = (
    "ext::sh -c 'touch canary'", "ext::touch% canary", "fd::17", "transport::address", "-u./canary", "--upload-pack=touch canary",
    "git://example.org/x", "http://example.org/x", "ftp://example.org/x", "ssh://-oProxyCommand=touch/x", "-oProxyCommand=x@host:x",
    "https://user:secret-word@example.org/x", "https://secret-word@example.org/x", "a\nb", "a\0b", "\x1b[2J", "https:///x", "javascript:alert(1)",
)  # fmt: skip
REFS = (
    "-x",
    "--upload-pack=touch",
    "a..b",
    "a b",
    "a\n",
    "@{u}",
    "x@{1}",
    "main:path",
    "",
    "a\\b",
    "refs//x",
    "x.lock",
    "~1",
    "a^",
)


def test_every_kind_of_ref_means_its_commit(repository, git, tmp_path: Path):
    """Branch, tag, short and full commit, and nothing for the default branch."""
    folder = repository({"a.sh": "1\n"})
    git(folder, "tag", "-a", "v1", "-m", "x")
    first = git(folder, "rev-parse", "HEAD")
    repository({"a.sh": "2\n", "d/ü b.py": "x"})
    git(folder, "branch", "side", first)
    second = git(folder, "rev-parse", "HEAD")
    mirror = Mirror.of("repo", tmp_path, tmp_path / "cache")
    assert {ref: mirror.ensure(ref) for ref in (None, "main", "v1", "side", first, second[:9])} == {
        None: second, "main": second, "v1": first, "side": first, first: first, second[:9]: second,
    }  # fmt: skip
    assert mirror.tree_of(first) == git(folder, "rev-parse", f"{first}^{{tree}}")
    assert mirror.files(second) == ("a.sh", "d/ü b.py")
    assert (mirror.read(first, "a.sh"), mirror.read(second, "d/ü b.py")) == (b"1\n", b"x")
    assert mirror.read(second, "d") is None
    assert mirror.read(second, "nothing") is None


def test_a_branch_is_asked_anew_and_a_commit_is_not(repository, git, tmp_path: Path):
    """What moved upstream is seen; a commit that is here needs no source any more."""
    folder = repository({"a": "1"})
    mirror = Mirror.of(str(folder), tmp_path, tmp_path / "cache")
    first = mirror.ensure("main")
    repository({"a": "2"})
    git(folder, "branch", "-m", "main", "trunk")
    assert mirror.ensure(None) == git(folder, "rev-parse", "HEAD") != first
    with pytest.raises(ManifestError) as caught:
        mirror.ensure("main")
    assert caught.value.code == "ref-missing"
    folder.rename(tmp_path / "away")
    assert mirror.ensure(first) == first
    assert mirror.ensure("trunk", offline=True)
    with pytest.raises(TransportError) as lost:
        mirror.ensure("trunk")
    assert lost.value.code == "repo-unreachable"


def test_a_missing_ref_suggests_a_near_one(repository, tmp_path: Path):
    """The error is one sentence with a hint."""
    repository({"a": "1"})
    with pytest.raises(ManifestError) as caught:
        Mirror.of("repo", tmp_path, tmp_path / "cache").ensure("mian")
    assert "did you mean `main`?" in caught.value.findings[0].hints


def test_offline_says_what_is_not_in_the_cache(repository, tmp_path: Path):
    """No process talks to the source."""
    repository({"a": "1"})
    with pytest.raises(ManifestError) as caught:
        Mirror.of("repo", tmp_path, tmp_path / "cache").ensure("main", offline=True)
    assert caught.value.code == "offline"


@pytest.mark.parametrize("url", HOSTILE)
def test_a_hostile_url_starts_nothing(url: str, tmp_path: Path, monkeypatch):
    """It is refused before git sees it, and no message shows what may be a secret."""
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SrpoManifestError) as caught:
        Mirror.of(url, tmp_path, tmp_path / "cache").ensure("main")
    assert caught.value.code in ("url-unsafe", "url-credentials")
    assert "secret-word" not in str(caught.value.findings)
    assert list(tmp_path.iterdir()) == [tmp_path / "gitconfig"]


@pytest.mark.parametrize("ref", REFS)
def test_a_hostile_ref_starts_nothing(ref: str, repository, tmp_path: Path):
    """Only plain names of branches, tags and commits reach git."""
    repository({"a": "1"})
    with pytest.raises(ManifestError) as caught:
        Mirror.of("repo", tmp_path, tmp_path / "cache").ensure(ref)
    assert caught.value.code == "ref-unsafe"


def test_nothing_of_the_repository_runs(repository, git, tmp_path: Path):
    """Hooks, filters and attributes of the source are data."""
    folder = repository({".gitattributes": "* filter=evil\n*.txt eol=crlf\n", "a.txt": "1\n2\n"})
    hook = folder / ".git/hooks/post-checkout"
    hook.write_text(f"#!/bin/sh\ntouch {tmp_path}/canary\n")
    hook.chmod(0o755)
    git(folder, "config", "filter.evil.smudge", f"touch {tmp_path}/canary; cat")
    mirror = Mirror.of("repo", tmp_path, tmp_path / "cache")
    commit = mirror.ensure("main")
    with tarfile.open(fileobj=io.BytesIO(b"".join(mirror.archive(commit)))) as tar:
        assert tar.getnames() == [".gitattributes", "a.txt"]
    assert not (tmp_path / "canary").exists()


def test_the_archive_depends_on_the_commit_alone(repository, tmp_path: Path):
    """Two mirrors give the same bytes."""
    repository({"a.sh": "1\n", "d/b": "2\n"})
    mirrors = [Mirror.of("repo", tmp_path, tmp_path / name) for name in ("one", "two")]
    archives = [b"".join(mirror.archive(mirror.ensure("main"))) for mirror in mirrors]
    assert archives[0] == archives[1]


def test_two_at_once_make_one_mirror(repository, git, tmp_path: Path):
    """Both get the commit; nothing half-made is left."""
    folder = repository({f"f{number}": "x" * 1000 for number in range(200)})
    program = (
        "import sys; from pathlib import Path; from srpo_manifest.engine.mirror import Mirror;"
        "print(Mirror.of(sys.argv[1], Path('.'), Path(sys.argv[2])).ensure('main'))"
    )
    both = [
        subprocess.Popen([sys.executable, "-c", program, folder, tmp_path / "cache"], stdout=subprocess.PIPE, text=True)
        for _ in range(3)
    ]
    commit = git(folder, "rev-parse", "HEAD")
    assert [one.communicate()[0].strip() for one in both] == [commit] * 3
    assert len([path for path in (tmp_path / "cache").iterdir() if path.is_dir()]) == 1


def test_a_clone_that_was_killed_is_not_taken_for_a_whole_one(repository, git, tmp_path: Path):
    """Whatever the moment, the next call makes the mirror and clears the remains."""
    folder = repository({f"f{number}": os.urandom(20_000) for number in range(100)})
    program = (
        "import sys; from pathlib import Path; from srpo_manifest.engine.mirror import Mirror;"
        "Mirror.of(sys.argv[1], Path('.'), Path(sys.argv[2])).ensure('main')"
    )
    cache = tmp_path / "cache"
    for pause in (0.3, 0.5, 0.7):
        one = subprocess.Popen([sys.executable, "-c", program, folder, cache], start_new_session=True)
        time.sleep(pause)
        os.killpg(one.pid, signal.SIGKILL)
        one.wait()
    mirror = Mirror.of(str(folder), tmp_path, cache)
    assert mirror.ensure("main") == git(folder, "rev-parse", "HEAD")
    assert len([path for path in cache.iterdir() if path.is_dir()]) == 1


def test_a_repository_that_lacks_objects_is_told_and_nothing_is_left(repository, git, tmp_path: Path):
    """The upstream's copy at hand is of this kind."""
    folder = repository({"a": "1", "b": "2"})
    blob = git(folder, "rev-parse", "HEAD:b")
    (folder / ".git/objects" / blob[:2] / blob[2:]).unlink()
    with pytest.raises(TransportError) as caught:
        Mirror.of("repo", tmp_path, tmp_path / "cache").ensure("main")
    assert caught.value.code in ("objects-missing", "repo-unreachable")
    assert not [path for path in (tmp_path / "cache").iterdir() if path.is_dir()]


def test_without_git_the_error_says_so(repository, tmp_path: Path, monkeypatch):
    """Git is the first thing that a bare machine lacks."""
    repository({"a": "1"})
    (tmp_path / "bin").mkdir()
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    with pytest.raises(TransportError) as caught:
        Mirror.of("repo", tmp_path, tmp_path / "cache").ensure("main")
    assert caught.value.code == "git-missing"


def test_the_network_being_away_is_told_in_gits_words(tmp_path: Path, monkeypatch):
    """A git that cannot reach its host, with credentials in its complaint, which are not repeated."""
    (tmp_path / "bin").mkdir()
    fake = tmp_path / "bin/git"
    fake.write_text(
        '#!/bin/bash\ncase " $* " in *" fetch "*) echo "fatal: unable to access '
        "'https://me:secret-word@example.org/x/': Could not resolve host\" >&2; exit 128;; esac\n"
        'exec /usr/bin/git "$@"\n'
    )
    fake.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}/bin:{os.environ['PATH']}")
    with pytest.raises(TransportError) as caught:
        Mirror.of("https://example.org/x", tmp_path, tmp_path / "cache").ensure("main")
    assert caught.value.code == "repo-unreachable"
    assert "Could not resolve host" in str(caught.value)
    assert "secret-word" not in str(caught.value)


def test_a_gitlink_without_modules_is_an_empty_folder(repository, git, tmp_path: Path):
    """A repository that forgot `.gitmodules` can still be trained with."""
    folder = repository({"a": "1"})
    git(folder, "update-index", "--add", "--cacheinfo", f"160000,{'1' * 40},sub/module")
    git(folder, "commit", "-q", "-m", "link")
    mirror = Mirror.of("repo", tmp_path, tmp_path / "cache")
    commit = mirror.ensure("main")
    with tarfile.open(fileobj=io.BytesIO(b"".join(mirror.archive(commit)))) as tar:
        assert "sub/module" in tar.getnames()
    assert mirror.read(commit, "sub/module") is None


def test_a_link_is_not_followed(repository, tmp_path: Path):
    """A script that is a link out of the tree has no bytes for us."""
    folder = repository({"a": "1"})
    (folder / "out").symlink_to("/etc/passwd")
    repository({})
    mirror = Mirror.of("repo", tmp_path, tmp_path / "cache")
    assert mirror.read(mirror.ensure("main"), "out") is None


def test_refresh_makes_the_mirror_anew(repository, tmp_path: Path):
    """A damaged cache is mended by force."""
    repository({"a": "1"})
    mirror = Mirror.of("repo", tmp_path, tmp_path / "cache")
    commit = mirror.ensure("main")
    (mirror.folder / "stray").write_text("x")
    assert mirror.ensure(commit, refresh=True) == commit
    assert not (mirror.folder / "stray").exists()
