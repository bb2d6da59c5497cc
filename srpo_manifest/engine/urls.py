"""Urls and refs that git may be given: checked before any process starts."""

from __future__ import annotations

import re
from pathlib import Path

from srpo_manifest.errors import ManifestError
from srpo_manifest.wording import ticked

_SCHEMES = ("https", "ssh", "file")
_HOST = re.compile(r"(\w[\w.-]*|\[[0-9A-Fa-f:.]+\])(:[0-9]{1,5})?")
_ENCODED_CONTROL = re.compile("%([01][0-9a-f]|7f)", re.IGNORECASE)
_SCP = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]*@[A-Za-z0-9][A-Za-z0-9.-]*:[^:].*", re.DOTALL)
_REF = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_./+=@,#%-]*")
_FORMS = "https, ssh, `git@host:path`, a local path, or `demo:`"


def checked_url(url: str, folder: Path) -> str:
    """The url as git gets it; a local path becomes absolute under *folder*.

    Raises: ManifestError `url-unsafe` or `url-credentials`. No message shows what may be a secret.
    """
    if not url.isprintable() or url.startswith("-") or _ENCODED_CONTROL.search(url):
        raise _unsafe("a url that begins with a dash or holds control characters")
    scheme, separator, rest = url.partition("://")
    if separator:
        if scheme not in _SCHEMES:
            raise _unsafe(
                f"the transport {ticked(scheme)}", "write `https://` in its place" if scheme == "http" else ""
            )
        authority = rest.partition("/")[0]
        user, at, host = authority.rpartition("@")
        if ":" in user or (at and scheme != "ssh"):
            raise ManifestError(
                "url-credentials",
                f"`repo.url` holds credentials for {ticked(host)}",
                "take them out: git asks its credential helper, or use ssh",
            )
        if scheme != "file" and (not _HOST.fullmatch(host) or user.startswith(("-", "%"))):
            raise _unsafe("a url without a host, or with one that no machine has")
        return url
    if "::" in url:
        raise _unsafe(f"the transport {ticked(url.partition('::')[0])}")
    if _SCP.fullmatch(url):
        return url
    if ":" in url and not Path(url).drive:
        raise _unsafe(f"{ticked(url)}, which is no url that git may be given")
    return str((folder / Path(url).expanduser()).absolute())


def checked_ref(ref: str) -> str:
    """A branch, tag or commit. Raises: ManifestError `ref-unsafe`. Source: git-check-ref-format(1)."""
    if (
        _REF.fullmatch(ref)
        and ".." not in ref
        and "@{" not in ref
        and "//" not in ref
        and not ref.endswith((".lock", "/", "."))
    ):
        return ref
    raise ManifestError(
        "ref-unsafe", f"{ticked(ref)} is no branch, tag or commit", "write its plain name, such as `main`, `v1.0`, or a commit's hash"
    )  # fmt: skip


def _unsafe(found: str, hint: str = "") -> ManifestError:
    hints = [hint] if hint else [f"`repo.url` takes {_FORMS}"]
    return ManifestError("url-unsafe", f"`repo.url` uses {found}", *hints)
