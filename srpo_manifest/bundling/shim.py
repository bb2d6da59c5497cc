"""Shim mode's files: programs of the launchers' names, and functions of the same names for every bash (`docs/delivery.md`)."""

from __future__ import annotations

from collections.abc import Iterable

from srpo_manifest.bundling.quoting import quote, shell
from srpo_manifest.values.bundle import BundleFile
from srpo_manifest.values.step import Shim
from srpo_manifest.values.words import Word

# A bash that the script starts reads BASH_ENV: `conda activate` puts its folder before ours, and a function still wins.
_START = """\
printf 'script\\n' >>"$SRPO_RUN_DIR/phases"
export BASH_ENV="$SRPO_BUNDLE/shim.sh"
PATH=$SRPO_BUNDLE/shim:$PATH
exec "$BASH" {script}
"""
# `exec`, `nohup` and `env` look at PATH alone: before each command ours comes first again, unseen by `set -x`.
_FUNCTIONS = """\
# Sourced by every bash that the script starts: what a launcher is called with goes to `deliver`.
__srpo_bundle=${{BASH_SOURCE[0]%/*}}
{functions}trap '{{ [[ ${{PATH-}} == "$__srpo_bundle/shim":* ]] || PATH=$__srpo_bundle/shim:${{PATH-}}; }} 2>/dev/null' DEBUG
set -T
"""
_PLAIN = """\
{name}() {{ "$__srpo_bundle/deliver" {name} "$@"; }}
"""
# bash takes any word for a function's name, but for those that it would have to quote
_SPELLED = """\
__srpo_name={name}
case $__srpo_name in
  *[!A-Za-z0-9_./@%+-]*) ;;
  *) eval "$__srpo_name() {{ \\"\\$__srpo_bundle/deliver\\" $__srpo_name \\"\\$@\\"; }}" ;;
esac
"""
_DELIVER = """\
#!/bin/sh
# Hands over what a launcher was called with: PROGRAM [ARGUMENT...]
here=${0%/*}
IFS= read -r python <"$here/../python" || exit
exec "$python" -I "$here/deliver.py" "$@"
"""
_PROGRAM = """\
#!/bin/sh
exec "${{0%/*}}/../deliver" {name} "$@"
"""


def shim_start(shim: Shim) -> str:
    """The leader's last lines: the script itself, with every launcher intercepted."""
    return _START.format(script=shell(shim.script))


def shim_files(shim: Shim, deliver: bytes) -> Iterable[BundleFile]:
    """What intercepts the launchers that *shim* names, and the file *deliver* that is called then."""
    names = sorted({_name(program) for program in shim.programs})
    spelled = [program for program in shim.programs if "/" in str(program)]
    functions = [_PLAIN.format(name=name) for name in names]
    functions += [_SPELLED.format(name=shell(program)) for program in spelled]
    yield BundleFile(name="deliver.py", data=deliver, executable=True)
    yield BundleFile(name="deliver", data=_DELIVER.encode(), executable=True)
    yield BundleFile(name="shim.sh", data=_FUNCTIONS.format(functions="".join(functions)).encode())
    for name in names:
        yield BundleFile(name=f"shim/{name}", data=_PROGRAM.format(name=quote(name)).encode(), executable=True)


def _name(program: Word) -> str:
    return str(program).rpartition("/")[2]
