"""`srpo-manifest` and `python -m srpo_manifest`."""

from __future__ import annotations

import os
import sys


def main() -> int:
    """Run what the command line says. Returns: the exit status."""
    from srpo_manifest.cli.boundary import run  # noqa: PLC0415 - after the path is settled

    return run(sys.argv[1:])


if __name__ == "__main__":
    # `python -m` looks into the current folder first: a stranger's checkout may hold a `msgspec.py`.
    if not sys.flags.safe_path and sys.path[:1] in ([""], [os.getcwd()]):  # noqa: PTH109 - pathlib costs half a Python
        del sys.path[0]
    sys.exit(main())
