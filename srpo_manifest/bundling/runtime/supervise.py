#!/usr/bin/env python3
"""The supervisor of a run on one machine: starts the job, watches it, ends it, and leaves its story in plain files.

Two processes supervise, `outer` above `inner`, and both are subreapers: when one dies, the kernel hands the job to
the other, which goes on from what the files and one shared page tell. When both die, `adopt` starts two new ones.
Readers (`status`, `follow`) need the files alone. The work is done in `supervising/`. Standard library only, Python
3.9 or newer, Linux. The files of a run are described in `docs/run-folder.md`.
"""

from __future__ import annotations

import argparse
import os
import sys
from typing import Callable

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))  # `-I` leaves it out
from supervising.adopting import adopt  # noqa: E402
from supervising.checking import checks, port  # noqa: E402
from supervising.ending import FETCHED, KEEP  # noqa: E402
from supervising.files import Node, Record, Refused, plainly  # noqa: E402
from supervising.following import follow, seek  # noqa: E402
from supervising.launching import launch  # noqa: E402
from supervising.runs import runs  # noqa: E402
from supervising.status import status  # noqa: E402
from supervising.stopping import mark, stop  # noqa: E402


def parsed() -> Record:
    """The command line: the verb's function as `act`, and its arguments."""
    parser = argparse.ArgumentParser(prog="supervise.py", description="Supervises one run on this machine.")
    verbs = parser.add_subparsers(required=True, metavar="VERB")

    def verb(act: Callable[..., int], node: bool = False) -> argparse.ArgumentParser:
        made = verbs.add_parser(act.__name__, help=act.__doc__, description=act.__doc__)
        made.set_defaults(act=act)
        if node:
            made.add_argument("node", type=Node, metavar="NODE_DIR", help="RUN/attempt-N/node-I")
        return made

    one = verb(launch, node=True)
    one.add_argument("--detach", action="store_true")
    one.add_argument("--dry-run", action="store_true")
    one.add_argument("--secrets-on-stdin", action="store_true", dest="on_stdin")
    one.add_argument("--secrets", nargs="*", default=[], metavar="NAME", dest="names")
    one.add_argument("--chief", metavar="ADDRESS", help="the first of several nodes, as the others reach it")
    one.add_argument("--port", type=int, help="where they meet there")
    verb(status, node=True)
    one = verb(stop, node=True)
    one.add_argument("--grace", type=float, metavar="SECONDS")
    one.add_argument("--checkpoint", type=float, metavar="SECONDS")
    one.add_argument("--reason", default="a stop was asked for")
    one = verb(mark, node=True)
    one.add_argument("what", choices=(FETCHED, KEEP))
    one = verb(follow, node=True)
    one.add_argument("--events", type=int, required=True, metavar="OFFSET")
    one.add_argument("--log", type=int, metavar="OFFSET")
    one.add_argument("--wait", type=float, default=0.0, metavar="SECONDS")
    one.add_argument("--events-mark", default="", metavar="MARK")
    one.add_argument("--log-mark", default="", metavar="MARK")
    one = verb(seek, node=True)
    one.add_argument("--lines", type=int, metavar="N")
    one.add_argument("--since", type=float, metavar="UNIX_SECONDS")
    one.add_argument("--ago", type=float, metavar="SECONDS")
    verb(adopt, node=True)
    one = verb(runs)
    one.add_argument("folder", metavar="RUNS_FOLDER")
    one.add_argument("name", metavar="NAME")
    for inside in (checks, port):
        verb(inside).set_defaults(node=Node(os.environ.get("SRPO_RUN_DIR", ".")))
    return vars(parser.parse_args())


def main() -> int:
    """Do the verb. Returns: the exit status."""
    given = parsed()
    act: Callable[..., int] = given.pop("act")
    try:
        ended = act(**given)
        sys.stdout.flush()
    except Refused as refused:
        print(f"error[{refused.code}]: {refused}\nhint: {refused.hint}", file=sys.stderr)
        return refused.status
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except OSError as error:
        print(f"error[files]: {plainly(error)}", file=sys.stderr)
        return 70
    return ended


if __name__ == "__main__":
    sys.exit(main())
