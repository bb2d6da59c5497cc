"""The demo as a git repository with a fixed commit, made from the package's own files."""

from __future__ import annotations

from collections.abc import Iterator

from srpo_manifest.demo import demo_files
from srpo_manifest.engine.home import cache_folder
from srpo_manifest.engine.mirror import Mirror

URL = "demo:"
_WHEN = "1735689600 +0000"
_WHO = "srpo-manifest <srpo-manifest@users.noreply.github.com>"


def demo_mirror(*, anew: bool = False) -> Mirror:
    """A bare repository in the cache, made once; what is in it depends on the package alone."""
    return Mirror.imported(URL, cache_folder() / "demo", fast_import(), anew=anew)


def fast_import() -> bytes:
    """The whole history, one commit, in git's fast-import format. Source: git-fast-import(1)."""
    return b"".join(_stream())


def _stream() -> Iterator[bytes]:
    message = b"The miniature trainer\n"
    yield b"commit refs/heads/main\n"
    for role in ("author", "committer"):
        yield f"{role} {_WHO} {_WHEN}\n".encode()
    yield b"data %d\n%s" % (len(message), message)
    for path, (data, executable) in sorted(demo_files().items()):
        yield f"M {'100755' if executable else '100644'} inline {path}\n".encode()
        yield b"data %d\n%s\n" % (len(data), data)
    yield b"done\n"
