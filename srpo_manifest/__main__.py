"""`srpo-manifest` and `python -m srpo_manifest`."""

from __future__ import annotations

import sys

from srpo_manifest.cli.boundary import run


def main() -> int:
    """Run what the command line says. Returns: the exit status."""
    return run(sys.argv[1:])


if __name__ == "__main__":
    sys.exit(main())
