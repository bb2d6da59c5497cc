"""Bare mirrors in the user's cache: the only place where git talks to the network."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import posixpath
import re
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from srpo_manifest.engine import git
from srpo_manifest.engine.git import ASK_SECONDS, FETCH_SECONDS, QUIET_SECONDS
from srpo_manifest.engine.locks import held
from srpo_manifest.engine.urls import checked_ref, checked_url
from srpo_manifest.errors import ManifestError, TransportError
from srpo_manifest.ports.probes import Answer
from srpo_manifest.values.upgrade import FileChange, Span
from srpo_manifest.wording import did_you_mean, plural, ticked

_FULL = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
_HASH = re.compile(r"[0-9a-f]{7,64}")
_DEFAULT = "refs/default"
"""Our name for what the url's HEAD is; no branch or tag can be called so."""
_ATTRIBUTES = "* -text -eol -filter -ident -working-tree-encoding -export-ignore -export-subst\n"
"""They outrank the tree's own and the user's: `git archive` would run filters and rewrite files by those."""
_NOT_HANDED_OUT = re.compile("not our ref|unadvertised object|couldn't find remote ref|not advertised")


class Mirror:
    """A bare repository of ours that holds what a url had when it was asked."""

    def __init__(
        self, url: str, folder: Path, *, patience_seconds: float = FETCH_SECONDS, quiet_seconds: float = QUIET_SECONDS
    ) -> None:
        """*url* is checked; *folder* need not be there yet.

        Another process at it is waited for so long as *patience_seconds*; a server may be silent for *quiet_seconds*.
        """
        self.url, self.folder = url, folder
        self._patience_seconds, self._quiet_seconds = patience_seconds, quiet_seconds

    @classmethod
    def of(cls, url: str, base: Path, cache: Path) -> Mirror:
        """The mirror of *url* beneath *cache*; relative paths hang on *base*.

        Raises: ManifestError for a url that git must not be given.
        """
        checked = checked_url(url, base)
        stem = re.sub(r"[^A-Za-z0-9]+", "-", checked.removesuffix(".git"))[-40:].strip("-")
        return cls(checked, cache / f"{stem}-{hashlib.sha256(checked.encode()).hexdigest()[:16]}.git")

    @classmethod
    def imported(cls, url: str, folder: Path, stream: bytes, *, anew: bool = False) -> Mirror:
        """A mirror made from a fast-import stream of `main`; its folder's name carries the stream's digest."""
        mirror = cls(url, folder / f"{hashlib.sha256(stream).hexdigest()[:16]}.git")

        def take(aside: Path) -> None:
            git.checked("fast-import", "--quiet", "--done", at=aside, data=stream)
            git.checked("update-ref", _DEFAULT, "refs/heads/main", at=aside)

        with mirror._held():
            if anew or not mirror._is_there():
                mirror._make(take)
        return mirror

    def ensure(self, ref: str | None, *, offline: bool = False, refresh: bool = False) -> str:
        """The full hash of the commit that *ref* means (None: the default branch), with its objects here.

        A branch or tag is asked anew unless *offline*; a commit that is here is not. A name that is both is the tag, as
        in git. *refresh* makes the mirror anew.
        Raises: ManifestError `ref-missing`, `ref-unsafe`, `offline`; TransportError `git-missing`, `git-old`, `disk-full`,
        `repo-unreachable`, `repo-hostile`, `objects-missing`, `mirror-held`, `cache-unwritable`.
        """
        if ref is not None:
            checked_ref(ref)
        with self._held():
            here = self._commit(ref) if self._is_there() else None
            by_hash = ref is not None and here is not None and _HASH.fullmatch(ref) and here.startswith(ref)
            if here is not None and (offline or (by_hash and not refresh)):
                return here
            if offline:
                raise ManifestError(
                    "offline",
                    f"{ticked(ref or 'the default branch')} of {ticked(self.url)} is not in the cache, and the network is forbidden",
                    "run it once without `--offline`",
                )
            git.new_enough()
            if refresh or not self._is_there():
                self._make(self._fetch)
            else:
                self._renew()
            found = self._commit(ref) or self._fetched_alone(ref)
            if found is None:
                raise self._missing(ref)
            return found

    def tree_of(self, commit: str) -> str:
        """The commit's tree id. Raises: TransportError."""
        return self._git("rev-parse", "--verify", "--end-of-options", f"{commit}^{{tree}}").text

    def files(self, commit: str) -> tuple[str, ...]:
        """Paths of all files of the commit. Raises: TransportError."""
        output = self._git("ls-tree", "-r", "-z", "--name-only", "--full-tree", commit).output
        return tuple(path.decode("utf-8", "surrogateescape") for path in output.split(b"\0") if path)

    def listing(self, commit: str) -> Iterator[tuple[str, int, str]]:
        """Every path of the commit with its mode and its bytes: 0 for a submodule, and where the file is not here.

        Raises: TransportError.
        """
        output = self._git("ls-tree", "-r", "-l", "-z", "--full-tree", commit).output
        # Shape: `mode kind id size\tpath\0`; the size is `-` for a submodule.
        for line in filter(None, output.split(b"\0")):
            about, _, path = line.partition(b"\t")
            mode, _, _, size = about.decode().split()
            yield mode, int(size) if size.isdigit() else 0, path.decode("utf-8", "surrogateescape")

    def is_tag(self, name: str) -> bool:
        """Whether the url had a tag of this name when it was asked. Raises: TransportError."""
        return git.run("show-ref", "--verify", "--quiet", f"refs/tags/{name}", at=self.folder).status == 0

    def read(self, commit: str, path: str) -> bytes | None:
        """A regular file's bytes at the commit; None where no file has just that path, and for a link.

        Raises: TransportError `objects-missing` where the mirror lacks the file's bytes.
        """
        if path.startswith(("/", "../")) or path in ("", "..") or posixpath.normpath(path) != path:
            return None
        # Shape: `mode kind id\tpath\0`; a folder's path may list what is in it.
        listed = self._git("ls-tree", "-z", "--full-tree", commit, "--", path).output
        about, _, name = listed.removesuffix(b"\0").partition(b"\t")
        if name != path.encode("utf-8", "surrogateescape"):
            return None
        mode, kind, blob = about.decode().split()
        return self._git("cat-file", "blob", blob).output if kind == "blob" and mode != "120000" else None

    def read_all(self, commit: str, paths: Iterable[str]) -> dict[str, bytes]:
        """The bytes of many files at once; those that are not there are left out. Raises: TransportError."""
        wanted = [path for path in paths if "\n" not in path]
        asked = b"".join(f"{commit}:{path}\n".encode("utf-8", "surrogateescape") for path in wanted)
        rest = git.checked("cat-file", "--batch", at=self.folder, data=asked).output
        found = {}
        for path in wanted:
            # Shape: `id blob bytes\n`, the bytes, a newline; or a line that ends in `missing`.
            head, _, rest = rest.partition(b"\n")
            kind, _, size = head.partition(b" ")[2].partition(b" ")
            if size.isdigit():
                if kind == b"blob":
                    found[path] = rest[: int(size)]
                rest = rest[int(size) + 1 :]
        return found

    def archive(self, commit: str) -> Iterator[bytes]:
        """The commit's tree as a tar, every file as committed: the same bytes for the same commit.

        A submodule is an empty folder. Raises: TransportError.
        """
        with tempfile.TemporaryDirectory() as folder:
            tar = Path(folder) / "tree.tar"
            self._git("archive", "--format=tar", f"--output={tar}", commit, timeout_seconds=FETCH_SECONDS)
            with tar.open("rb") as file:
                while chunk := file.read(1 << 20):
                    yield chunk

    def date_of(self, commit: str) -> str:
        """When the commit was made, ISO 8601 with its zone. Raises: TransportError."""
        return self._git("log", "-1", "--no-show-signature", "--format=%cI", "--end-of-options", commit).text

    def between(self, old: str, new: str) -> Span:
        """How many commits only one of the two has. Raises: TransportError."""
        counted = self._git("rev-list", "--count", "--left-right", "--end-of-options", f"{old}...{new}").text
        gone, added = map(int, counted.split())
        return Span(added=added, gone=gone)

    def changed(self, old: str, new: str) -> tuple[FileChange, ...]:
        """Every path that the two trees differ in; a file that moved nearly whole is one that was renamed.

        Raises: TransportError.
        """
        try:
            raw = self._differing(old, new, "--find-renames")
        except TransportError as error:
            if error.code != "objects-missing":
                raise
            raw = self._differing(old, new, "--find-renames=100%")  # by ids alone: no file is looked into
        # Shape: `:mode mode id id status[score]\0path\0`, for a rename with a second path.
        words = iter(raw.split(b"\0"))
        found = []
        for about in words:
            if not about:
                continue
            _, _, before, after, status = about.decode().split()
            path = next(words).decode("utf-8", "backslashreplace")
            to = next(words).decode("utf-8", "backslashreplace") if status.startswith("R") else path
            ids = [None if set(one) == {"0"} else one for one in (before, after)]
            found.append(FileChange(path=path, to=to if ids[1] else None, before=ids[0], after=ids[1]))
        return tuple(found)

    def _differing(self, old: str, new: str, renames: str) -> bytes:
        how = ("--raw", "-z", "-r", "--no-abbrev", renames, "--no-ext-diff", "--no-textconv")
        return self._git("diff-tree", *how, "--end-of-options", old, new).output

    def _is_there(self) -> bool:
        """A mirror is renamed into its place when it is whole: one that is there is whole."""
        return self.folder.is_dir()

    def _make(self, fill: Callable[[Path], object]) -> None:
        """Make the mirror beside its place and rename it: a half-made one is never taken for a whole one."""
        aside = Path(tempfile.mkdtemp(prefix=f"{self.folder.name}.aside.", dir=self.folder.parent))
        try:
            git.checked("init", "--quiet", "--bare", "--template=", "--initial-branch=main", "--", str(aside))
            (aside / "info").mkdir(exist_ok=True)
            (aside / "info/attributes").write_text(_ATTRIBUTES)
            fill(aside)
            if self._is_there():
                self.folder.rename(f"{aside}.old")
            aside.rename(self.folder)
        finally:
            self._clear()

    def _clear(self) -> None:
        """Remove what was made beside the mirror and is not taken, by this process or one that was killed."""
        for left in self.folder.parent.glob(f"{self.folder.name}.aside.*"):
            if sys.platform == "win32":  # which does not remove read-only files, as git's objects are
                for path in left.rglob("*"):
                    path.chmod(0o700)
            shutil.rmtree(left, ignore_errors=True)

    def _unlock(self) -> None:
        """Remove the locks and half packs of a git that was killed: no other works here while ours is held."""
        for left in (*self.folder.rglob("*.lock"), *self.folder.glob("objects/pack/*tmp_*")):
            left.unlink(missing_ok=True)

    def _renew(self) -> None:
        """Fetch into the mirror that is there; where it turns out to be damaged, it is made anew."""
        self._unlock()
        try:
            self._fetch(self.folder)
        except TransportError as error:
            if error.code != "objects-missing":
                self._unlock()
                raise
            self._make(self._fetch)

    def _fetch(self, folder: Path) -> None:
        """Every branch and tag as the url has them now, and what its HEAD is."""
        everything = ("+refs/heads/*:refs/heads/*", "+refs/tags/*:refs/tags/*")
        answer = self._fetched(folder, *everything, f"+HEAD:{_DEFAULT}")
        if re.search(rb"(?i)couldn't find remote ref HEAD", answer.error):
            git.checked("update-ref", "-d", _DEFAULT, at=folder)
            answer = self._fetched(folder, *everything)
        if answer.status != 0:
            raise self._unreachable(answer)

    def _fetched(self, folder: Path, *refs: str) -> Answer:
        how = ("--progress", "--prune", "--force", "--no-tags", "--no-recurse-submodules", "--no-write-fetch-head")
        command = ("fetch", *how, "--update-shallow", "--", self.url, *refs)
        try:
            return git.run(*command, at=folder, timeout_seconds=FETCH_SECONDS, quiet_seconds=self._quiet_seconds)
        except TransportError as error:
            if error.code != "command-timeout":
                raise
            raise TransportError(
                "repo-unreachable", f"{ticked(self.url)} stalls: {error}", "see whether the server or the network is overloaded, and try again"
            ) from error  # fmt: skip

    def _fetched_alone(self, ref: str | None) -> str | None:
        """A commit that no branch or tag reaches; some hosts hand it out."""
        if ref is None or not _FULL.fullmatch(ref):
            return None
        answer = self._fetched(self.folder, ref)
        if answer.status == 0:
            return self._commit(ref)
        if not _NOT_HANDED_OUT.search(git.said(answer)):
            raise self._unreachable(answer)
        return None

    def _commit(self, ref: str | None) -> str | None:
        """The commit that *ref* means here: the tag of that name before the branch, then a hash or a whole name."""
        names = [_DEFAULT] if ref in (None, "HEAD") else [f"refs/tags/{ref}", f"refs/heads/{ref}"]
        if ref is not None and (_HASH.fullmatch(ref) or ref.startswith("refs/")):
            names.append(ref)
        for name in names:
            sought = ("rev-parse", "--verify", "--quiet", "--end-of-options", f"{name}^{{commit}}")
            answer = git.run(*sought, at=self.folder)
            if answer.status == 0:
                return answer.text
        return None

    def _missing(self, ref: str | None) -> ManifestError:
        if ref is None:
            return ManifestError("ref-missing", f"{ticked(self.url)} has no default branch", "name one with `repo.ref`")
        names = self._git("for-each-ref", "--format=%(refname:lstrip=2)", "refs/heads", "refs/tags").text.splitlines()
        count = plural(len(names), "branch or tag", "branches and tags")
        hints = [*did_you_mean(ref, names), f"it has {count}; a short commit needs 7 digits"]
        if _FULL.fullmatch(ref):
            hints = [
                f"none of its {count} leads to it: take a commit that one does; a locked one is replaced by `lock --upgrade`"
            ]
        if (self.folder / "shallow").exists():
            hints.append("it is a shallow clone: name its origin, or run `git fetch --unshallow` in it")
        return ManifestError("ref-missing", f"{ticked(self.url)} has no branch, tag or commit {ticked(ref)}", *hints)

    def _unreachable(self, answer: Answer) -> TransportError:
        complaint = git.said(answer)
        if git.is_full_disk(complaint):
            return git.disk_full(f"the mirror of {ticked(self.url)} has no room", complaint)
        if (problem := git.is_hostile(complaint)) is not None:
            return TransportError(
                "repo-hostile",
                f"{ticked(self.url)} holds an object that no git makes: {problem}",
                "do not use it; where it is yours, `git fsck` tells which commit to rewrite",
            )
        if git.is_not_whole(complaint):
            return TransportError(
                "objects-missing",
                f"the repository {ticked(self.url)} is not whole: {complaint}",
                "name a whole clone in `repo.url`, or its origin; a partial clone cannot be cloned",
            )
        hint = "see whether the address is right and the network is there"
        if "dubious ownership" in complaint:
            hint = f"it belongs to somebody else; where that is right, `git config --global --add safe.directory {self.url}`"
        elif re.search("Authentication|could not read Username|Permission denied", complaint):
            hint = "set up git's credential helper, or use an ssh url with a key"
        return TransportError("repo-unreachable", f"git could not fetch {ticked(self.url)}: {complaint}", hint)

    @contextlib.contextmanager
    def _held(self) -> Iterator[None]:
        """One process at a time."""
        try:
            with held(self.folder, code="mirror-held", patience_seconds=self._patience_seconds):
                self._clear()
                yield
        except OSError as error:
            if error.errno == errno.ENOSPC:
                raise git.disk_full(f"the mirror of {ticked(self.url)} has no room", str(error)) from error
            raise TransportError(
                "cache-unwritable",
                f"the cache of repositories cannot be written: {error}",
                "set SRPO_MANIFEST_CACHE to a folder of yours",
            ) from error

    def _git(self, *arguments: str, timeout_seconds: float = ASK_SECONDS) -> Answer:
        return git.checked(*arguments, at=self.folder, timeout_seconds=timeout_seconds)
