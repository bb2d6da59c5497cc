"""A bundle on its way to its run folder: what a killed client, or a killed bash on the target, leaves is told from what still comes.

While it is unpacked the folder is `runs/.ID.TAG.new`, renamed when it is whole; until its supervisor has it, it holds
`starting`, one tag a line. A tag names a process that does it: number, start in ticks, boot.
"""

from __future__ import annotations


def node_name(node: int) -> str:
    """The folder of a node beneath the run's."""
    return f"attempt-1/node-{node}"


TAKEN = """taken() {
  local slots=("$1"/attempt-1/node-*/slots)
  [ -e "${slots[0]}" ]
}
"""
"""Bash: whether a supervisor has had the run in a folder. Machines of one run may share that folder."""
TAGS = """tag() {
  local stat boot fields
  { read -r stat <"/proc/$1/stat" && read -r boot </proc/sys/kernel/random/boot_id; } 2>/dev/null || return
  read -r -a fields <<<"${stat##*) }"
  case ${fields[0]} in Z | X) return 1 ;; esac
  printf '%s-%s-%s' "$1" "${fields[19]}" "${boot%%-*}"
}
lives() { [ -n "$1" ] && [ "$(tag "${1%%-*}")" = "$1" ]; }
"""
"""Bash: the tag of a process, and whether the process of a tag lives. Source: proc_pid_stat(5), fields 3 and 22."""

BEGUN = """begun() {
  local mark=${1%.*}
  if [ ! -f "$1" ]; then lives "${mark##*.}"; return; fi
  while read -r mark; do lives "$mark" && return; done <"$1"
  return 1
}
"""
"""Bash: whether a process lives that a folder or the lines of `starting` name."""

SWEEP = (
    BEGUN
    + TAKEN
    + """abroad() {
  local words=$1
  [ ! -f "$1" ] || read -r words <"$1"
  case $words in *-"${me##*-}" | *-"${me##*-}".*) return 1 ;; esac
}
for left in "$runs"/.*.new "$runs"/.*.gone "$runs"/*/starting; do
  at=${left%/starting}
  if [ ! -e "$left" ] || [ -L "$at" ]; then continue; fi
  if begun "$left" || { abroad "$left" && [ -z "$(find "$left" -maxdepth 0 -mmin +1440)" ]; }; then continue; fi
  if [ "$at" = "$left" ]; then
    rm -rf -- "$at"
  elif taken "$at"; then
    rm -f -- "$left"
  else
    discard "$at"
  fi
done 2>/dev/null
"""
)
"""Bash: remove from `$runs` what dead processes left half done; those of another machine, or boot, cannot be seen, and get a day."""


def unstarted(pending: str, never: str, node: int = 0) -> str:
    """Bash for the run in `$run`: print *pending* while it comes and *never* where it came to nothing, and end there."""
    return f"""{TAGS}{BEGUN}left='' coming=''
for mark in "${{run%/*}}/.${{run##*/}}".*.new "$run/starting"; do
  [ -e "$mark" ] || continue
  left=yes
  if begun "$mark"; then coming=yes; fi
done
if [ -n "$left" ] && [ ! -e "$run/{node_name(node)}/slots" ]; then
  if [ -n "$coming" ]; then {pending}; else {never}; fi
  exit
fi
"""
