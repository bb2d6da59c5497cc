"""Jobs of many shapes, in bash: a leader, perhaps a launcher below it, workers in sessions of their own.

Each process writes `KIND PID START` to `pids` of its folder when it is ready: a test kills these, and looks for them at
the end. Savers write `saved` when TERM lets them; `printed` means that the last line of progress was printed.
"""

from __future__ import annotations

import json
import random
from typing import NamedTuple

STEPS = 3
_HEADER = json.dumps({"w": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}})
TREE = f"""
ready() {{ read -ra stat </proc/$$/stat; echo "$kind $$ ${{stat[21]}}" >>pids; }}
kind=$1
case $kind in
  quiet) ready; exec sleep 600 ;;
  deaf) trap '' TERM; ready; exec sleep 600 ;;
  loud) ready; while :; do echo "noise of $$"; sleep 0.2; done ;;
  saver) trap 'sleep 0.3; echo $$ >>saved; exit 0' TERM; ready; sleep 600 & wait ;;
  forker) ready; (setsid bash "$0" quiet &) ; exec setsid -w bash "$0" quiet ;;
  stranger) ready; (env -i setsid bash "$0" quiet &) ; exec sleep 600 ;;
  checkpoint)
    ready; mkdir -p out/$2/checkpoint-1-1; to=out/$2/checkpoint-1-1
    printf '\\x{len(_HEADER):x}\\0\\0\\0\\0\\0\\0\\0%s' {_HEADER!r} >$to/model.safetensors
    sleep 0.5; printf 1234 >>$to/model.safetensors; echo '{{}}' >$to/config.json
    exec sleep 600 ;;
  launcher) # as torchrun: it hands TERM on, and ends when a worker does. RUN SECONDS THEN WORKERS
    run=$2 seconds=$3 then=$4; shift 4
    end() {{
      kill "${{workers[@]}}" 2>/dev/null
      case " $* " in *deaf*) sleep 0.3; kill -KILL "${{workers[@]}}" 2>/dev/null ;; esac
      wait; exit "$code"
    }}
    for worker; do setsid bash "$0" "$worker" "$run" & workers+=($!); done
    workers_of="$*" code=1
    trap 'end "$workers_of"' TERM
    ready
    sleep "$seconds" & timer=$!
    wait -n
    kill -0 $timer 2>/dev/null && end "$workers_of"
    case $then in done) touch done-file; wait -n ;; forever) sleep 600 & wait -n ;; *) code=$then ;; esac
    end "$workers_of" ;;
esac
"""
WORKERS = ("quiet", "quiet", "loud", "saver", "saver", "deaf", "forker", "stranger", "checkpoint")


class Shape(NamedTuple):
    """What the leader starts, and how it would end by itself: `then` is its status, `done` or `forever`."""

    leader: str
    """`workers` starts them itself, `launcher` waits for one, `becomes` is the launcher, `deaf` ignores TERM."""
    workers: tuple[str, ...]
    seconds: float
    then: str

    @property
    def launches(self) -> bool:
        return self.leader in ("launcher", "becomes")

    @property
    def deaf(self) -> bool:
        """Whether TERM alone does not end it."""
        return self.leader == "deaf" or "deaf" in self.workers

    def text(self) -> str:
        """For the leader's bash."""
        lines = [
            "enter job",
            'export PYTHONDONTWRITEBYTECODE=1; printf "%s" "$$" >leader',
            f'for ((i = 1; i <= {STEPS}; i++)); do echo "Progress: $i/{STEPS}"; done; touch printed',
        ]
        if self.leader == "deaf":
            lines.append("trap '' TERM")
        if self.launches:
            words = f'bash tree.sh launcher "$SRPO_RUN_ID" {self.seconds} {self.then} {" ".join(self.workers)}'
            lines.append(f"exec {words}" if self.leader == "becomes" else f"{words}; exit")
            return "\n".join(lines)
        lines += [f'setsid bash tree.sh {worker} "$SRPO_RUN_ID" &' for worker in self.workers]
        lines.append(f"sleep {self.seconds}")
        lines += {"done": ["touch done-file", "sleep 600"], "forever": ["sleep 600"]}.get(
            self.then, [f"exit {self.then}"]
        )
        return "\n".join(lines)


def drawn_shape(chance: random.Random, then: str) -> Shape:
    """Any shape that ends as told."""
    leader = chance.choice(("workers", "workers", "launcher", "becomes", "deaf"))
    count = chance.randrange(0 if leader in ("workers", "deaf") else 1, 4)
    workers = tuple(chance.choice(WORKERS) for _ in range(count))
    return Shape(leader=leader, workers=workers, seconds=round(chance.uniform(0.1, 1.0), 2), then=then)
