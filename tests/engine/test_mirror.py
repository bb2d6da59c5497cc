from __future__ import annotations

import io
import os
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

from srpo_manifest.engine.mirror import Mirror
from srpo_manifest.errors import ManifestError, SrpoManifestError, TransportError
from srpo_manifest.values.upgrade import Span

HOSTILE = (
    "ext::sh -c 'touch canary'", "ext::touch% canary", "fd::17", "transport::address", "-u./canary", "--upload-pack=touch canary",
    "git://example.org/x", "http://example.org/x", "ftp://example.org/x", "ssh://-oProxyCommand=touch/x", "-oProxyCommand=x@host:x",
    "https://user:secret-word@example.org/x", "https://secret-word@example.org/x", "a\nb", "a\0b", "\x1b[2J", "https:///x", "javascript:alert(1)",
)  # fmt: skip
REFS = (
    "-x", "--upload-pack=touch", "a..b", "a b", "a\n", "@{u}", "x@{1}", "main:path", "", "a\\b", "refs//x", "x.lock", "~1", "a^",
)  # fmt: skip


def tree(mirror: Mirror, commit: str) -> dict[str, bytes | None]:
    with tarfile.open(fileobj=io.BytesIO(b"".join(mirror.archive(commit)))) as tar:
        return {entry.name: tar.extractfile(entry).read() if entry.isfile() else None for entry in tar}


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


@pytest.mark.fault(3, "ref-missing")
def test_a_missing_ref_suggests_a_near_one(repository, tmp_path: Path):
    """The error is one sentence with a hint."""
    repository({"a": "1"})
    with pytest.raises(ManifestError) as caught:
        Mirror.of("repo", tmp_path, tmp_path / "cache").ensure("mian")
    assert "did you mean `main`?" in caught.value.findings[0].hints


@pytest.mark.fault(12, "offline")
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


def test_the_archive_holds_what_was_committed(repository, git, tmp_path: Path):
    """Neither the tree's attributes nor the user's filters, line ends and modes change a byte; nothing runs."""
    files = {
        ".gitattributes": "* filter=evil\n*.txt eol=crlf\nstamp export-subst\nhidden export-ignore\nid ident\n",
        "a.txt": "1\n2\n", "stamp": "$Format:%H$", "hidden": "x", "id": "$Id$",
    }  # fmt: skip
    repository(files)
    git(tmp_path, "config", "--global", "filter.evil.smudge", f"touch {tmp_path}/canary; cat")
    git(tmp_path, "config", "--global", "core.autocrlf", "true")
    git(tmp_path, "config", "--global", "tar.umask", "0777")
    mirror = Mirror.of("repo", tmp_path, tmp_path / "cache")
    commit = mirror.ensure("main")
    assert tree(mirror, commit) == {path: text.encode() for path, text in files.items()}
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


def test_a_repository_that_lacks_objects_is_told_and_nothing_is_left(repository, git, tmp_path: Path):
    """Partial clones, whose origin is gone, are of this kind."""
    folder = repository({"a": "1", "b": "2"})
    blob = git(folder, "rev-parse", "HEAD:b")
    (folder / ".git/objects" / blob[:2] / blob[2:]).unlink()
    with pytest.raises(TransportError) as caught:
        Mirror.of("repo", tmp_path, tmp_path / "cache").ensure("main")
    assert caught.value.code == "objects-missing"
    assert str(folder) in str(caught.value)
    assert not [path for path in (tmp_path / "cache").iterdir() if path.is_dir()]


@pytest.mark.fault(21, "objects-missing")
def test_a_damaged_mirror_is_told_and_mended_by_force(repository, tmp_path: Path):
    """The hint's key does what it says."""
    repository({"a": "1"})
    mirror = Mirror.of("repo", tmp_path, tmp_path / "cache")
    commit = mirror.ensure("main")
    for pack in (mirror.folder / "objects/pack").iterdir():
        pack.unlink()
    with pytest.raises(TransportError) as caught:
        tree(mirror, commit)
    assert caught.value.code == "objects-missing"
    assert mirror.ensure(commit, refresh=True) == commit
    assert tree(mirror, commit) == {"a": b"1"}


@pytest.mark.fault(16, "ours are removed")
def test_locks_that_a_killed_git_left_are_no_obstacle(repository, git, tmp_path: Path):
    """Ours is held: no other git works in the mirror."""
    folder = repository({"a": "1"})
    mirror = Mirror.of("repo", tmp_path, tmp_path / "cache")
    mirror.ensure("main")
    repository({"a": "2"})
    for name in ("refs/heads/main.lock", "packed-refs.lock", "shallow.lock"):
        (mirror.folder / name).touch()
    assert mirror.ensure("main") == git(folder, "rev-parse", "HEAD")


def test_the_process_that_holds_a_mirror_is_named(repository, tmp_path: Path):
    """Whoever waits too long learns for whom."""
    repository({"a": "1"})
    mirror = Mirror(str(tmp_path / "repo"), tmp_path / "cache/x.git", patience_seconds=0.05)
    with mirror._held(), pytest.raises(TransportError) as caught:
        Mirror(mirror.url, mirror.folder, patience_seconds=0.05).ensure("main")
    assert caught.value.code == "mirror-held"
    assert f"process {os.getpid()}" in str(caught.value)


def test_the_default_is_what_head_is(repository, git, tmp_path: Path):
    """A detached HEAD is one; a HEAD whose branch is gone is none, and branches can still be named."""
    folder = repository({"a": "1"})
    first = git(folder, "rev-parse", "HEAD")
    second = git(repository({"a": "2"}), "rev-parse", "HEAD")
    git(folder, "checkout", "-q", first)
    mirror = Mirror.of("repo", tmp_path, tmp_path / "cache")
    assert (mirror.ensure(None), mirror.ensure("HEAD"), mirror.ensure("main")) == (first, first, second)
    git(folder, "symbolic-ref", "HEAD", "refs/heads/nowhere")
    with pytest.raises(ManifestError) as caught:
        mirror.ensure(None)
    assert caught.value.code == "ref-missing"
    assert mirror.ensure("main") == second


def test_of_a_tag_and_a_branch_the_tag_is_meant(repository, git, tmp_path: Path):
    """As in git; the whole name means the branch."""
    folder = repository({"a": "1"})
    git(folder, "tag", "both")
    first = git(folder, "rev-parse", "HEAD")
    second = git(repository({"a": "2"}), "rev-parse", "HEAD")
    git(folder, "branch", "both")
    mirror = Mirror.of("repo", tmp_path, tmp_path / "cache")
    assert (mirror.ensure("both"), mirror.ensure("refs/heads/both")) == (first, second)


@pytest.mark.fault(7, "taken as it is")
def test_a_shallow_clone_can_be_used(repository, git, tmp_path: Path):
    """The commit is wanted, not its history."""
    folder = repository({"a": "1"})
    repository({"a": "2"})
    git(tmp_path, "clone", "-q", "--depth=1", f"file://{folder}", "shallow")
    mirror = Mirror.of("shallow", tmp_path, tmp_path / "cache")
    assert tree(mirror, mirror.ensure(None)) == {"a": b"2"}


@pytest.mark.fault(1, "git-missing")
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
    assert tree(mirror, commit) == {"a": b"1", "sub": None, "sub/module": None}
    assert mirror.read(commit, "sub/module") is None


def test_only_a_files_own_path_reads_it(repository, tmp_path: Path):
    """No link is followed, and no path that only leads to a file, or a pattern that fits, is one."""
    folder = repository({"a": "1", "d/b": "2"})
    (folder / "out").symlink_to("/etc/passwd")
    repository({"*": "star"})
    mirror = Mirror.of("repo", tmp_path, tmp_path / "cache")
    commit = mirror.ensure("main")
    paths = ("out", "", ".", "..", "./a", "d", "d/", "d/../a", "/a", "../a", ":(top)a", "?")
    assert {path: mirror.read(commit, path) for path in paths} == dict.fromkeys(paths)
    assert mirror.read(commit, "*") == b"star"


def test_refresh_makes_the_mirror_anew(repository, tmp_path: Path):
    """A damaged cache is mended by force."""
    repository({"a": "1"})
    mirror = Mirror.of("repo", tmp_path, tmp_path / "cache")
    commit = mirror.ensure("main")
    (mirror.folder / "stray").write_text("x")
    assert mirror.ensure(commit, refresh=True) == commit
    assert not (mirror.folder / "stray").exists()


def test_two_commits_are_compared_path_by_path(repository, git, tmp_path: Path, monkeypatch):
    """Which came, went, moved or differ, whatever their names and the user's settings; how many commits, and when."""
    git(tmp_path, "config", "--global", "diff.external", f"touch {tmp_path}/canary")
    git(tmp_path, "config", "--global", "diff.renames", "false")
    git(tmp_path, "config", "--global", "log.showSignature", "true")
    text = "".join(f"line {number}\n" for number in range(50))
    monkeypatch.setenv("GIT_COMMITTER_DATE", "2025-03-04T05:06:07+02:00")
    folder = repository({"moved.sh": text, "a\nb ü": "1", "gone": "x", "d/same": "s"})
    mirror = Mirror.of("repo", tmp_path, tmp_path / "cache")
    first = mirror.ensure("main")
    assert mirror.date_of(first) == "2025-03-04T05:06:07+02:00"
    (folder / "moved.sh").rename(folder / "start.sh")
    (folder / "gone").unlink()
    repository({"start.sh": text + "more\n", "a\nb ü": "2", "new": "n"})
    second = mirror.ensure("main")
    found = {one.path: (one.to, one.before is None, one.after is None) for one in mirror.changed(first, second)}
    assert found == {
        "moved.sh": ("start.sh", False, False),
        "a\nb ü": ("a\nb ü", False, False),
        "gone": (None, False, True),
        "new": ("new", True, False),
    }
    assert mirror.changed(second, second) == ()
    assert not (tmp_path / "canary").exists()
    git(folder, "reset", "-q", "--hard", first)
    repository({"other": "o"})
    repository({"other": "p"})
    third = mirror.ensure("main")
    assert (mirror.between(second, third), mirror.between(first, second)) == (Span(added=2, gone=1), Span(added=1, gone=0))  # fmt: skip


def test_a_mirror_that_lacks_files_still_tells_what_moved_whole(repository, git, tmp_path: Path):
    """Where a blob is missing, ids alone are compared."""
    folder = repository({"a.sh": "a\n" * 50, "b.sh": "b\n" * 50})
    mirror = Mirror.of("repo", tmp_path, tmp_path / "cache")
    first = mirror.ensure("main")
    (folder / "a.sh").rename(folder / "c.sh")
    (folder / "b.sh").unlink()
    repository({"d.sh": "b\n" * 50 + "more\n"})
    second = mirror.ensure("main")
    assert {one.path: one.to for one in mirror.changed(first, second)} == {"a.sh": "c.sh", "b.sh": "d.sh"}
    blob = git(mirror.folder, "rev-parse", f"{first}:b.sh")
    listed = git(mirror.folder, "cat-file", "--batch-all-objects", "--batch-check=%(objectname)").split()
    lacking = tmp_path / "lacking.git"
    subprocess.run(["git", "init", "-q", "--bare", lacking], check=True)
    names = "".join(f"{one}\n" for one in listed if one != blob).encode()
    pack = subprocess.run(
        ["git", "-C", mirror.folder, "pack-objects", "-q", "--stdout"], input=names, check=True, capture_output=True
    )
    subprocess.run(["git", "-C", lacking, "unpack-objects", "-q"], input=pack.stdout, check=True)
    found = Mirror(mirror.url, lacking).changed(first, second)
    assert {one.path: one.to for one in found} == {"a.sh": "c.sh", "b.sh": None, "d.sh": "d.sh"}
