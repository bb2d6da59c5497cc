"""Stage resolve-repo: a url and ref become a commit; its tree goes to the target, unpacked once and read-only."""

from __future__ import annotations

from collections.abc import Iterable

from srpo_manifest.plugin import (
    PIN,
    Answer,
    Check,
    Content,
    ControllerProbe,
    Facts,
    Fault,
    Finding,
    Known,
    Pin,
    Probe,
    Proposal,
    Put,
    ReadRepository,
    Sh,
    StageHandler,
    TargetProbe,
    Unknown,
    Vendor,
    Wanted,
    anchors,
    gigabytes,
    hookimpl,
    listed,
    quote,
    script_of,
    shell,
    ticked,
)

SHOWN = 20
"""Paths that a refusal names."""


@hookimpl
def srpo_resolve_repo(wanted: Wanted) -> StageHandler:  # noqa: ARG001 - git serves every manifest
    """The built-in answer: git on the controller, a tar on the target."""
    return GitRepo()


class GitRepo:
    """Pins, carries and links the checkout."""

    def probes(self, wanted: Wanted, facts: Facts) -> Iterable[Probe]:
        repo = wanted.manifest.repo
        yield ControllerProbe(
            name=PIN,
            question=ReadRepository(url=repo.url, ref=repo.ref, script=script_of(wanted), description=wanted.trainer),
        )
        pin = facts.get(PIN, Pin)
        if isinstance(pin, Unknown):
            return
        yield TargetProbe(name="target.workspace", script=writable(shell(anchors.workspace(wanted))))
        yield TargetProbe(name="target.store", script=_whose(wanted))
        yield TargetProbe(
            name="target.checkout",
            script=f"[ -d {shell(anchors.checkout(wanted, pin.tree))} ] && echo present || echo absent",
        )
        yield TargetProbe(name="target.vendor", script=_look_at_vendor(wanted), parse=parse_vendor)

    def steps(self, wanted: Wanted, facts: Facts) -> Iterable[Proposal]:
        pin = facts.get(PIN, Pin)
        if isinstance(pin, Unknown):
            yield Fault(
                finding=Finding(
                    code=pin.code or "repo-unknown",
                    level="deny",
                    message=pin.reason if pin.code else f"the repository is not pinned: {pin.reason}",
                    hints=pin.hints,
                ),
                key="repo.ref" if pin.code == "ref-missing" else "repo.url",
                final=True,
                observed=True,
            )
            return
        yield from _peculiar(pin)
        yield Check(
            code="workspace-unwritable",
            level="deny",
            fact="target.workspace",
            op="equals",
            value="writable",
            message=f"the workspace {ticked(anchors.workspace(wanted))} cannot be written on the target",
            hints=("set `paths.workspace` to a folder of yours",),
            key="paths.workspace",
        )
        store = anchors.workspace(wanted) + "/.srpo"
        yield Check(
            code="store-foreign",
            level="deny",
            fact="target.store",
            op="equals",
            value="ours",
            message=f"others can write to {ticked(store)} on the target ({{found}}): what lies there would be run as yours",
            hints=("set `paths.workspace` to a folder of yours, or take the rights of others away: `chmod go-w`",),
            key="paths.workspace",
        )
        yield Put(
            id="tree",
            name="tree.tar",
            content=Content(tree=pin.commit, digest=pin.tree),
            reason="the pinned commit's tree",
        )
        present = facts.get("target.checkout", str) == "present"
        again = wanted.manifest.repo.refresh == "always"
        yield Sh(
            id="checkout",
            script=_unpack(wanted, pin),
            action="keep" if present and not again else "run",
            reason="forced by repo.refresh"
            if again
            else f"tree {pin.tree[:12]} is {'there' if present else 'not there yet'}",
        )
        yield from self._vendor(wanted, facts, pin)

    def _vendor(self, wanted: Wanted, facts: Facts, pin: Pin) -> Iterable[Proposal]:
        path = wanted.manifest.repo.path
        vendor = facts.get("target.vendor", Vendor)
        if isinstance(vendor, Unknown):
            vendor = Vendor(kind="absent")
        if vendor.kind == "clean" and vendor.tree == pin.tree:
            return
        if vendor.kind in ("clean", "other", "busy"):
            yield Fault(finding=_not_ours(path, vendor, pin), key="repo.path", final=True, observed=True)
            return
        yield Sh(
            id="vendor-link",
            script=_link(wanted, pin.tree),
            action="keep" if vendor.kind == "ours" and vendor.tree == pin.tree else "run",
            reason=f"{path} shows the checkout",
        )


def _not_ours(path: str, vendor: Vendor, pin: Pin) -> Finding:
    """Why the user's own folder cannot stand for the checkout."""
    if vendor.kind == "busy":
        return Finding(
            code="vendor-busy",
            level="deny",
            message=f"{ticked(path)} is a folder of yours, and a git is at work in it or was killed there: {vendor.differs[0]}",
            hints=("let it end; where none is at work, remove that file. Or set `repo.path` to another place",),
        )
    found = f"it is at tree {vendor.tree[:12]}, wanted is {pin.tree[:12]}" if vendor.kind == "clean" else "it differs"
    more = f" and {len(vendor.differs) - SHOWN} more" if len(vendor.differs) > SHOWN else ""
    changed = f": {listed(vendor.differs[:SHOWN], 'and')}{more}" if vendor.differs else ""
    return Finding(
        code="vendor-differs",
        level="deny",
        message=f"{ticked(path)} is a folder of yours and {found}{changed}; it is never touched",
        hints=("move it away, or set `repo.path` to another place",),
    )


def _peculiar(pin: Pin) -> Iterable[Fault]:
    """What of the tree does not travel as one would expect."""
    if pin.submodules:
        yield _told(
            "submodules-absent",
            f"submodules are not fetched: {listed(pin.submodules, 'and')} will be empty in the checkout",
            "where the trainer needs one, use a repository that holds its files, or fetch it in `[python] setup`",
        )
    if pin.large:
        sizes = ", ".join(f"{ticked(path)} ({gigabytes(size)})" for path, size in pin.large.items())
        yield _told(
            "repo-large",
            f"the checkout has large files, which travel with every bundle: {sizes}",
            "keep weights and data out of the repository, and name them in `[[files]]`",
        )
    if pin.alike:
        yield _told(
            "names-alike",
            f"names of the checkout differ in case alone: {listed(pin.alike, 'and')}; a disk that does not tell them apart is refused",
            "keep the workspace on a disk that tells them apart, or rename them upstream",
        )


def _told(code: str, message: str, hint: str) -> Fault:
    return Fault(finding=Finding(code=code, level="warn", message=message, hints=(hint,)), key="repo.url")


def parse_vendor(answer: Answer) -> Known | Unknown:
    """First line the kind, second the tree, then one line for each path that differs."""
    if answer.status != 0:
        return Unknown(reason=answer.complaint)
    kind, _, rest = answer.text.partition("\n")
    tree, _, paths = rest.partition("\n")
    return Known(value={"kind": kind, "tree": tree, "differs": [path for path in paths.split("\n") if path]})


def _vendor_path(wanted: Wanted) -> str:
    return shell(anchors.beneath(anchors.workspace(wanted), wanted.manifest.repo.path))


def writable(folder: str) -> str:
    """Prints `writable` when the folder, or the nearest one above it that is there, can be written."""
    return (
        f'at={folder}\nwhile [ ! -e "$at" ]; do at=$(dirname -- "$at"); done\n'
        '[ -d "$at" ] && [ -w "$at" ] && echo writable || echo "$at"'
    )


def _whose(wanted: Wanted) -> str:
    """Prints `ours` where nobody else can write to our folder, or it is not there yet; links are followed."""
    return f"""at={shell(anchors.workspace(wanted))}/.srpo
if [ ! -e "$at" ]; then echo ours
elif [ ! -O "$at" ]; then echo 'it belongs to another user'
else
  mode=$(stat -L -c %A -- "$at") || exit
  case $mode in ?????w*|????????w*) echo "its mode is $mode" ;; *) echo ours ;; esac
fi
"""


def _look_at_vendor(wanted: Wanted) -> str:
    return f"""at={_vendor_path(wanted)}
if [ -L "$at" ]; then
  to=$(readlink -- "$at")
  case $to in */{anchors.CHECKOUTS}/*) printf 'ours\\n%s\\n' "${{to##*/}}";; *) printf 'other\\n\\n%s\\n' "a link to $to";; esac
elif [ ! -e "$at" ]; then echo absent
elif [ -d "$at" ] && [ -z "$(ls -A -- "$at")" ]; then echo absent
elif [ -e "$at/.git" ] && command -v git >/dev/null; then
  lock=$(git -C "$at" rev-parse --path-format=absolute --git-path index.lock)
  if [ -e "$lock" ]; then
    who=
    for open in /proc/[0-9]*/fd/*; do
      [ "$open" -ef "$lock" ] && who=${{open#/proc/}} && who=", and process ${{who%%/*}} has it open" && break
    done
    printf 'busy\\n\\n%s\\n' "$lock is $(($(date +%s) - $(stat -c %Y -- "$lock"))) seconds old${{who:-, and no process here has it open}}"
    exit
  fi
  changed=$(git -C "$at" -c core.fsmonitor=false status --porcelain --untracked-files=all | cut -c 4-) || exit 1
  if [ -z "$changed" ]; then printf 'clean\\n%s\\n' "$(git -C "$at" rev-parse 'HEAD^{{tree}}')"; else printf 'other\\n\\n%s\\n' "$changed"; fi
else printf 'other\\n\\n%s\\n' "no git checkout"
fi
"""


_TOLD_APART = """
found=$(find "$aside" -mindepth 1 -printf x | wc -c) sent=$(tar -tf "$SRPO_BUNDLE/tree.tar" --quoting-style=escape | wc -l)
[ "$found" -eq "$sent" ] || {{ printf 'error[names-alike]: this disk does not tell apart %s\\nhint: move `paths.workspace` to one that does\\n' {names} >&2; exit 1; }}"""


def _unpack(wanted: Wanted, pin: Pin) -> str:
    """Aside, read-only, then renamed: a checkout that is there is whole.

    What an unpacking of this machine left that was killed is removed, and after a day anybody's.
    """
    again = "rm_old" if wanted.manifest.repo.refresh == "always" else '[ -d "$to" ] && exit 0'
    told_apart = _TOLD_APART.format(names=quote(listed(pin.alike, "and"))) if pin.alike else ""
    return f"""to={shell(anchors.checkout(wanted, pin.tree))}
host=$(uname -n)
aside=$to.aside.$host.$$
discard() {{ if [ -L "$1" ]; then rm -- "$1"; elif [ -e "$1" ]; then chmod -R u+w -- "$1" && rm -rf -- "$1"; fi; }}
rm_old() {{ [ ! -d "$to" ] || {{ mv -T -- "$to" "$to.old.$host.$$" && discard "$to.old.$host.$$"; }}; }}
for at in "$to" "${{to%/*}}"; do
  [ ! -L "$at" ] || {{ printf '%s is a link, and no folder of ours: take it away\\n' "$at" >&2; exit 1; }}
done
for left in "$to".aside.* "$to".old.*; do
  case $left in "$to".*."$host".*) [ -e "/proc/${{left##*.}}" ] || discard "$left" ;; esac
  [ -z "$(find "$left" -maxdepth 0 -mmin +1440 2>/dev/null)" ] || discard "$left"
done
{again}
mkdir -p -- "$aside" || exit
trap 'discard "$aside"' EXIT
tar -x --no-same-owner -f "$SRPO_BUNDLE/tree.tar" -C "$aside" || exit{told_apart}
chmod -R a-w -- "$aside" || exit
mv -T -- "$aside" "$to" 2>/dev/null || [ -d "$to" ]
"""


def _link(wanted: Wanted, tree: str) -> str:
    return f"""at={_vendor_path(wanted)}
to={shell(anchors.checkout(wanted, tree))}
if [ -L "$at" ] && [ "$(readlink -- "$at")" = "$to" ]; then exit 0; fi
if [ -d "$at" ] && [ ! -L "$at" ]; then rmdir -- "$at" 2>/dev/null || {{ echo {quote(wanted.manifest.repo.path)} 'is a folder of yours: left as it is' >&2; exit 1; }}; fi
above=${{at%/*}}
mkdir -p -- "$above" || exit
root=$(cd -P -- {shell(anchors.workspace(wanted))} && pwd) || exit
case $(cd -P -- "$above" && pwd)/ in
  "${{root%/}}"/*) ;;
  *) printf '%s leads out of the workspace: take the link away\\n' "$above" >&2; exit 1 ;;
esac
ln -s -- "$to" "$at.new.$$" && mv -T -- "$at.new.$$" "$at"
"""
