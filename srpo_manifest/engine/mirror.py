"""Bare mirrors in the user's cache: the only place where git talks to the network."""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

from srpo_manifest import piped
from srpo_manifest.engine.urls import checked_ref, checked_url
from srpo_manifest.errors import ManifestError, TransportError
from srpo_manifest.ports.probes import Answer
from srpo_manifest.wording import did_you_mean, plural, ticked

FETCH_SECONDS = 1800.0
ASK_SECONDS = 120.0
_COMMIT = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
_SHORT = re.compile(r"[0-9a-f]{7,63}")
_SAFE = (
    "core.hooksPath=/dev/null",
    "core.fsmonitor=false",
    "core.autocrlf=false",
    "core.eol=lf",
    "gc.auto=0",
    "maintenance.auto=false",
    "credential.interactive=false",
    "protocol.allow=never",
    "protocol.https.allow=always",
    "protocol.ssh.allow=always",
    "protocol.file.allow=always",
)
"""Nothing of a repository may run here, and no transport beyond the three is taken."""


class Mirror:
    """A bare repository of ours that holds what a url had when it was asked."""

    def __init__(self, url: str, folder: Path) -> None:
        """*url* is checked; *folder* need not be there yet."""
        self.url, self.folder = url, folder

    @classmethod
    def of(cls, url: str, base: Path, cache: Path) -> Mirror:
        """The mirror of *url* beneath *cache*; relative paths hang on *base*.

        Raises: ManifestError for a url that git must not be given.
        """
        checked = checked_url(url, base)
        stem = re.sub(r"[^A-Za-z0-9]+", "-", checked.removesuffix(".git"))[-40:].strip("-")
        return cls(checked, cache / f"{stem}-{hashlib.sha256(checked.encode()).hexdigest()[:16]}.git")

    def ensure(self, ref: str | None, *, offline: bool = False, refresh: bool = False) -> str:
        """The full hash of the commit that *ref* means (None: the default branch), with its objects here.

        A branch or tag is asked anew unless *offline*; a commit that is here is not. A name that is both is the tag, as
        in git. *refresh* makes the mirror anew.
        Raises: ManifestError `ref-missing`, `ref-unsafe`, `offline`; TransportError `git-missing`, `repo-unreachable`.
        """
        if ref is not None:
            checked_ref(ref)
        with self._held():
            if refresh and not offline:
                self._make()
            if ref is not None and (_COMMIT.fullmatch(ref) or _SHORT.fullmatch(ref)):
                found = self._commit(ref) if self._is_there() else None
                if found is not None and found.startswith(ref):
                    return found
            if offline:
                found = self._commit(ref or "HEAD") if self._is_there() else None
                if found is None:
                    raise ManifestError(
                        "offline",
                        f"{ticked(ref or 'the default branch')} of {ticked(self.url)} is not in the cache, and the network is forbidden",
                        "run it once without `--offline`",
                    )
                return found
            self._fetch()
            found = self._commit(ref or "HEAD")
            if found is None and ref is not None and _COMMIT.fullmatch(ref):
                found = self._fetch_commit(ref)
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
        """A regular file's bytes at the commit; None where there is none of that path, a link included.

        Raises: TransportError `objects-missing` where the mirror lacks the file's bytes.
        """
        listed = self._git("ls-tree", "-z", "--full-tree", commit, "--", path).output
        mode, _, rest = listed.partition(b" ")
        kind, _, rest = rest.partition(b" ")
        blob, _, _ = rest.partition(b"\t")
        if kind != b"blob" or mode == b"120000":
            return None
        return self._git("cat-file", "blob", blob.decode()).output

    def archive(self, commit: str) -> Iterator[bytes]:
        """The commit's tree as a tar, the same bytes for the same commit. Raises: TransportError."""
        answer = self._git("archive", "--format=tar", commit, timeout_seconds=FETCH_SECONDS)
        yield answer.output

    @classmethod
    def imported(cls, url: str, folder: Path, stream: bytes) -> Mirror:
        """A mirror made from a fast-import stream; its folder's name carries the stream's digest."""
        mirror = cls(url, folder / f"{hashlib.sha256(stream).hexdigest()[:16]}.git")
        with mirror._held():
            if not mirror._is_there():
                mirror._made_aside(
                    lambda aside: _run(["--git-dir", str(aside), "fast-import", "--quiet", "--done"], data=stream)
                )
        return mirror

    def _is_there(self) -> bool:
        """A mirror is renamed into its place when it is whole: one that is there is whole."""
        return (self.folder / "HEAD").is_file()

    def _fetch(self) -> None:
        if self._is_there():
            self._fetch_into(self.folder)
        else:
            self._make()

    def _make(self) -> None:
        self._made_aside(self._fetch_into)

    def _fetch_into(self, folder: Path) -> None:
        """Every branch and tag as the url has them now, and which branch is its default."""
        at = ["--git-dir", str(folder)]
        wanted = ["+refs/heads/*:refs/heads/*", "+refs/tags/*:refs/tags/*"]
        fetch = [*at, "fetch", "--quiet", "--prune", "--force", "--no-auto-gc", "--no-write-fetch-head", "--no-tags"]
        answer = _run([*fetch, "--", self.url, *wanted], timeout_seconds=FETCH_SECONDS)
        if answer.status != 0:
            raise self._unreachable(answer)
        heads = _run([*at, "ls-remote", "--symref", "--", self.url, "HEAD"])
        if target := re.match(rb"ref: (refs/heads/[^\t]+)\tHEAD", heads.output):
            _checked([*at, "symbolic-ref", "HEAD", target[1].decode("utf-8", "surrogateescape")])

    def _made_aside(self, make: Callable[[Path], object]) -> None:
        """Make the mirror beside its place and rename it: a half-made one is never taken for a whole one."""
        self.folder.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        aside = Path(tempfile.mkdtemp(prefix=f"{self.folder.name}.aside.", dir=self.folder.parent))
        try:
            _checked(["init", "--quiet", "--bare", "--initial-branch=main", "--", str(aside)])
            make(aside)
            if self.folder.exists():
                shutil.rmtree(self.folder)
            aside.rename(self.folder)
        finally:
            shutil.rmtree(aside, ignore_errors=True)

    def _commit(self, name: str) -> str | None:
        """The commit that *name* means here: the tag of that name before the branch, then a hash."""
        for candidate in (f"refs/tags/{name}", f"refs/heads/{name}", name):
            answer = self._try("rev-parse", "--verify", "--quiet", "--end-of-options", f"{candidate}^{{commit}}")
            if answer.status == 0:
                return answer.text
        return None

    def _fetch_commit(self, commit: str) -> str | None:
        """A commit that no branch or tag reaches; some hosts hand it out."""
        answer = self._try(
            "fetch", "--quiet", "--no-write-fetch-head", "--", self.url, commit, timeout_seconds=FETCH_SECONDS
        )
        return self._commit(commit) if answer.status == 0 else None

    def _missing(self, ref: str | None) -> ManifestError:
        output = self._git("for-each-ref", "--format=%(refname:lstrip=2)", "refs/heads", "refs/tags").text
        names = output.splitlines()
        if ref is None:
            return ManifestError("ref-missing", f"{ticked(self.url)} has no default branch", "name one with `repo.ref`")
        return ManifestError(
            "ref-missing",
            f"{ticked(self.url)} has no branch, tag or commit {ticked(ref)}",
            *did_you_mean(ref, names),
            f"it has {plural(len(names), 'branch or tag', 'branches and tags')}; a short commit needs 7 digits",
        )

    def _unreachable(self, answer: Answer) -> TransportError:
        complaint = _said(answer)
        hints = ["see whether the address is right and the network is there"]
        if "dubious ownership" in complaint:
            hints = [f"the repository belongs to somebody else: `git config --global --add safe.directory {self.url}`"]
        elif (
            "Authentication" in complaint or "could not read Username" in complaint or "Permission denied" in complaint
        ):
            hints = ["set up git's credential helper, or use an ssh url with a key"]
        return TransportError("repo-unreachable", f"git could not fetch {ticked(self.url)}: {complaint}", *hints)

    @contextlib.contextmanager
    def _held(self) -> Iterator[None]:
        """One process at a time; the lock is flock's, and never stale."""
        from filelock import FileLock, Timeout  # noqa: PLC0415 - a locked plan needs no mirror

        self.folder.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        try:
            with FileLock(f"{self.folder}.lock", timeout=FETCH_SECONDS, mode=0o600):
                for killed in self.folder.parent.glob(f"{self.folder.name}.aside.*"):
                    shutil.rmtree(killed, ignore_errors=True)
                yield
        except Timeout as late:
            raise TransportError(
                "mirror-held", f"another process has held {ticked(self.folder)} for half an hour", "see what it does"
            ) from late

    def _git(self, *arguments: str, timeout_seconds: float = ASK_SECONDS) -> Answer:
        return _checked(["--git-dir", str(self.folder), *arguments], timeout_seconds=timeout_seconds)

    def _try(self, *arguments: str, timeout_seconds: float = ASK_SECONDS) -> Answer:
        return _run(["--git-dir", str(self.folder), *arguments], timeout_seconds=timeout_seconds)


def _checked(arguments: list[str], *, timeout_seconds: float = ASK_SECONDS) -> Answer:
    """Raises: TransportError `objects-missing` or `git-failed` where git ends badly."""
    answer = _run(arguments, timeout_seconds=timeout_seconds)
    if answer.status == 0:
        return answer
    complaint = _said(answer)
    if re.search("missing (blob|tree|object)|unable to (read|find)|bad object|not a valid object", complaint):
        raise TransportError(
            "objects-missing",
            f"the repository is not whole: {complaint}",
            'fetch it anew with `repo.refresh = "always"`, or mend the repository that `repo.url` names',
        )
    verb = next(argument for argument in arguments if argument.isidentifier() or "-" in argument.strip("-"))
    raise TransportError("git-failed", f"`git {verb}` ended with status {answer.status}: {complaint}")


def _run(arguments: list[str], *, data: bytes = b"", timeout_seconds: float = ASK_SECONDS) -> Answer:
    if not piped.which("git"):
        raise TransportError("git-missing", "git is not on this machine's PATH", "install git")
    settings = [part for setting in _SAFE for part in ("-c", setting)]
    return piped.run(["git", *settings, *arguments], data=(data,), timeout_seconds=timeout_seconds, env=_environment())


def _environment() -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("GIT_") or name in _KEPT}
    return kept | {
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_ASKPASS": "",
        "SSH_ASKPASS": "",
        "GIT_OPTIONAL_LOCKS": "0",
        "LC_ALL": "C",
    }


_KEPT = ("GIT_SSH", "GIT_SSH_COMMAND", "GIT_CONFIG_GLOBAL", "GIT_CONFIG_NOSYSTEM", "GIT_SSL_CAINFO")


def _said(answer: Answer) -> str:
    """Git's last words that matter, without credentials."""
    lines = [line.strip() for line in answer.error.decode("utf-8", "replace").splitlines() if line.strip()]
    telling = [line for line in lines if line.startswith(("fatal:", "error:", "ERROR:", "ssh:"))] or lines
    text = telling[0] if telling else f"exit status {answer.status}"
    return re.sub(r"://[^/@\s]+@", "://***@", text)
