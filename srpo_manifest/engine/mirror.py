"""Bare mirrors in the user's cache: the only place where git talks to the network."""

from __future__ import annotations

import contextlib
import hashlib
import os
import posixpath
import re
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from srpo_manifest import piped
from srpo_manifest.engine.locks import held
from srpo_manifest.engine.urls import checked_ref, checked_url
from srpo_manifest.errors import ManifestError, TransportError
from srpo_manifest.ports.probes import Answer
from srpo_manifest.values.upgrade import FileChange, Span
from srpo_manifest.wording import did_you_mean, plural, ticked

FETCH_SECONDS = 1800.0
ASK_SECONDS = 120.0
_FULL = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
_HASH = re.compile(r"[0-9a-f]{7,64}")
_DEFAULT = "refs/default"
"""Our name for what the url's HEAD is; no branch or tag can be called so."""
_SETTINGS = (
    "core.hooksPath=/dev/null",
    "core.fsmonitor=false",
    "credential.interactive=false",
    "fetch.unpackLimit=1",  # a pack comes whole or not at all; loose objects could come without what they name
    "gc.auto=0",
    "maintenance.auto=false",
    "tar.umask=0002",
)
_ATTRIBUTES = "* -text -eol -filter -ident -working-tree-encoding -export-ignore -export-subst\n"
"""They outrank the tree's own and the user's: `git archive` would run filters and rewrite files by those."""
_KEPT = ("GIT_SSH", "GIT_SSH_COMMAND", "GIT_CONFIG_GLOBAL", "GIT_CONFIG_NOSYSTEM", "GIT_SSL_CAINFO")
_TELLING = ("fatal:", "error:", "ERROR:", "ssh:", "remote: fatal:")
_NOT_WHOLE = re.compile(
    r"(unable to|could not|cannot) (read|find|fetch) '?[0-9a-f]{40}|missing (blob|tree|object)|is corrupt|bad (object|file)"
    r"|[Nn]ot a (valid|tree) object|single revision|does not match index|repository corruption on the remote side"
)
_OBJECT = re.compile("[0-9a-f]{40}")


class Mirror:
    """A bare repository of ours that holds what a url had when it was asked."""

    def __init__(self, url: str, folder: Path, *, patience_seconds: float = FETCH_SECONDS) -> None:
        """*url* is checked; *folder* need not be there yet; another process at it is waited for so long."""
        self.url, self.folder, self._patience_seconds = url, folder, patience_seconds

    @classmethod
    def of(cls, url: str, base: Path, cache: Path) -> Mirror:
        """The mirror of *url* beneath *cache*; relative paths hang on *base*.

        Raises: ManifestError for a url that git must not be given.
        """
        checked = checked_url(url, base)
        stem = re.sub(r"[^A-Za-z0-9]+", "-", checked.removesuffix(".git"))[-40:].strip("-")
        return cls(checked, cache / f"{stem}-{hashlib.sha256(checked.encode()).hexdigest()[:16]}.git")

    @classmethod
    def imported(cls, url: str, folder: Path, stream: bytes) -> Mirror:
        """A mirror made from a fast-import stream of `main`; its folder's name carries the stream's digest."""
        mirror = cls(url, folder / f"{hashlib.sha256(stream).hexdigest()[:16]}.git")

        def take(aside: Path) -> None:
            _checked("fast-import", "--quiet", "--done", at=aside, data=stream)
            _checked("update-ref", _DEFAULT, "refs/heads/main", at=aside)

        with mirror._held():
            if not mirror._is_there():
                mirror._make(take)
        return mirror

    def ensure(self, ref: str | None, *, offline: bool = False, refresh: bool = False) -> str:
        """The full hash of the commit that *ref* means (None: the default branch), with its objects here.

        A branch or tag is asked anew unless *offline*; a commit that is here is not. A name that is both is the tag, as
        in git. *refresh* makes the mirror anew.
        Raises: ManifestError `ref-missing`, `ref-unsafe`, `offline`; TransportError `git-missing`, `repo-unreachable`,
        `objects-missing`, `mirror-held`.
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
            if refresh or not self._is_there():
                self._make(self._fetch)
            else:
                self._unlock()
                self._fetch(self.folder)
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
        rest = _checked("cat-file", "--batch", at=self.folder, data=asked).output
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
            _checked("init", "--quiet", "--bare", "--template=", "--initial-branch=main", "--", str(aside))
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
        """Remove the locks of a git that was killed: no other works here while ours is held."""
        for left in self.folder.rglob("*.lock"):
            left.unlink(missing_ok=True)

    def _fetch(self, folder: Path) -> None:
        """Every branch and tag as the url has them now, and what its HEAD is."""
        everything = ("+refs/heads/*:refs/heads/*", "+refs/tags/*:refs/tags/*")
        answer = self._fetched(folder, *everything, f"+HEAD:{_DEFAULT}")
        if re.search(rb"(?i)couldn't find remote ref HEAD", answer.error):
            _checked("update-ref", "-d", _DEFAULT, at=folder)
            answer = self._fetched(folder, *everything)
        if answer.status != 0:
            raise self._unreachable(answer)

    def _fetched(self, folder: Path, *refs: str) -> Answer:
        how = ("--quiet", "--prune", "--force", "--no-tags", "--no-recurse-submodules", "--no-write-fetch-head")
        return _run("fetch", *how, "--update-shallow", "--", self.url, *refs, at=folder, timeout_seconds=FETCH_SECONDS)

    def _fetched_alone(self, ref: str | None) -> str | None:
        """A commit that no branch or tag reaches; some hosts hand it out."""
        if ref is None or not _FULL.fullmatch(ref):
            return None
        return self._commit(ref) if self._fetched(self.folder, ref).status == 0 else None

    def _commit(self, ref: str | None) -> str | None:
        """The commit that *ref* means here: the tag of that name before the branch, then a hash or a whole name."""
        names = [_DEFAULT] if ref in (None, "HEAD") else [f"refs/tags/{ref}", f"refs/heads/{ref}"]
        if ref is not None and (_HASH.fullmatch(ref) or ref.startswith("refs/")):
            names.append(ref)
        for name in names:
            sought = ("rev-parse", "--verify", "--quiet", "--end-of-options", f"{name}^{{commit}}")
            answer = _run(*sought, at=self.folder)
            if answer.status == 0:
                return answer.text
        return None

    def _missing(self, ref: str | None) -> ManifestError:
        if ref is None:
            return ManifestError("ref-missing", f"{ticked(self.url)} has no default branch", "name one with `repo.ref`")
        names = self._git("for-each-ref", "--format=%(refname:lstrip=2)", "refs/heads", "refs/tags").text.splitlines()
        return ManifestError(
            "ref-missing",
            f"{ticked(self.url)} has no branch, tag or commit {ticked(ref)}",
            *did_you_mean(ref, names),
            f"it has {plural(len(names), 'branch or tag', 'branches and tags')}; a short commit needs 7 digits",
        )

    def _unreachable(self, answer: Answer) -> TransportError:
        complaint = _said(answer)
        if _NOT_WHOLE.search(complaint):
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
        with held(self.folder, code="mirror-held", patience_seconds=self._patience_seconds):
            self._clear()
            yield

    def _git(self, *arguments: str, timeout_seconds: float = ASK_SECONDS) -> Answer:
        return _checked(*arguments, at=self.folder, timeout_seconds=timeout_seconds)


def _checked(
    *arguments: str, at: Path | None = None, data: bytes = b"", timeout_seconds: float = ASK_SECONDS
) -> Answer:
    """Raises: TransportError `objects-missing` or `git-failed` where git ends badly."""
    answer = _run(*arguments, at=at, data=data, timeout_seconds=timeout_seconds)
    if answer.status == 0:
        return answer
    complaint = _said(answer)
    if _NOT_WHOLE.search(complaint):
        raise TransportError(
            "objects-missing", f"the mirror {ticked(at)} is not whole: {complaint}", 'make it anew: `repo.refresh = "always"`'
        )  # fmt: skip
    raise TransportError(
        "git-failed", f"`git {arguments[0]}` ended with status {answer.status}: {complaint}", "see what git says about it"
    )  # fmt: skip


def _run(*arguments: str, at: Path | None = None, data: bytes = b"", timeout_seconds: float = ASK_SECONDS) -> Answer:
    """Git with our settings and attributes, asking nobody; *at* is the repository."""
    programs = piped.which("git")
    if not programs:
        raise TransportError("git-missing", "git is not on this machine's PATH", "install git")
    settings = [part for setting in _SETTINGS for part in ("-c", setting)]
    place = [] if at is None else ["--git-dir", str(at)]
    argv = [programs[0], *settings, *place, "--literal-pathspecs", *arguments]
    return piped.run(argv, data=(data,), timeout_seconds=timeout_seconds, env=_environment(), hot=True)


def _environment() -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("GIT_") or name in _KEPT}
    return kept | {
        "GIT_ALLOW_PROTOCOL": "https:ssh:file",
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_ASKPASS": "",
        "SSH_ASKPASS": "",
        "GIT_OPTIONAL_LOCKS": "0",
        "LC_ALL": "C",
    }


def _said(answer: Answer) -> str:
    """The line of git's complaint that tells most, without credentials."""
    lines = [line.strip() for line in answer.error.decode("utf-8", "replace").splitlines() if line.strip()]
    telling = [line for line in lines if line.startswith(_TELLING)] or lines or [f"exit status {answer.status}"]
    line = min(telling, key=lambda line: (not _NOT_WHOLE.search(line), not _OBJECT.search(line)))
    return re.sub(r"://[^/@\s]+@", "://***@", line)
