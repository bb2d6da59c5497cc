"""The outermost wall: every error becomes a sentence and an exit status."""

from __future__ import annotations

import errno
import io
import os
import sys

from srpo_manifest import __version__

UNWRITABLE = 2
OUR_BUG = 3
INTERRUPTED = 130
_COMPLETE = "_SRPO_MANIFEST_COMPLETE"
"""Set by a shell that wants something completed; click answers."""


def run(arguments: list[str]) -> int:
    """Run one verb. Returns: its exit status (D8)."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    try:
        status = _dispatch(arguments)
        if sys.stdout is not None:
            sys.stdout.flush()
    except KeyboardInterrupt:
        # Where it passed through an `exec` of text (a library makes a class), `python -m` ends by SIGINT unless another `exec` follows.
        exec("")  # noqa: S102
        return INTERRUPTED
    except BrokenPipeError:
        # Who read our output has gone; Python would complain once more at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except OSError as error:
        if sys.stdout is not None and error.errno not in (errno.ENOSPC, errno.EIO, errno.EBADF):
            return _told(error, arguments)
        where = error.filename or "standard output, or a temporary file,"
        print(f"error[output]: {where} cannot be written: {error.strerror}", file=sys.stderr)
        return UNWRITABLE
    except Exception as error:  # noqa: BLE001 - this is the wall
        return _told(error, arguments)
    return status


def _dispatch(arguments: list[str]) -> int:
    if arguments in (["--version"], ["-V"]):
        print(f"srpo-manifest {__version__}")
        return 0
    if (not arguments and _COMPLETE not in os.environ) or arguments in (["--help"], ["-h"]):
        from srpo_manifest.cli.verbs import overview  # noqa: PLC0415 - not needed by a verb

        print(overview())
        return 0 if arguments else 2
    # The two that CI calls by the hundred, in their plain shapes; click reads every other line.
    status = None
    if arguments[:1] == ["validate"]:
        from srpo_manifest.cli import checking  # noqa: PLC0415 - what is not called is not imported

        status = checking.quick(arguments[1:])
    elif arguments[:1] == ["plan"]:
        from srpo_manifest.cli import planning  # noqa: PLC0415 - likewise

        status = planning.quick(arguments[1:])
    if status is not None:
        return status
    from srpo_manifest.cli.app import call  # noqa: PLC0415 - click costs twice a bare Python

    return call(arguments)


def _told(error: Exception, arguments: list[str]) -> int:
    from srpo_manifest.cli.colours import paint_for  # noqa: PLC0415
    from srpo_manifest.errors import SrpoManifestError  # noqa: PLC0415 - costs as much as all of `--version`
    from srpo_manifest.rendering import told  # noqa: PLC0415

    if not isinstance(error, SrpoManifestError):
        _report(error, arguments)
        return OUR_BUG
    paint = paint_for(sys.stderr)
    print("\n\n".join(told(finding, paint) for finding in error.findings), file=sys.stderr)
    return error.exit_code


def _report(error: Exception, arguments: list[str]) -> None:
    """What to paste into an issue: no environment, and of the arguments the verb alone."""
    import platform  # noqa: PLC0415 - only a bug needs them
    import traceback  # noqa: PLC0415

    trace = "".join(traceback.format_exception(error))
    lines = (
        f"error[our-bug]: {type(error).__name__}: {error}",
        "hint: this is a fault of srpo-manifest: please report it with the lines below",
        "",
        f"srpo-manifest {__version__} · Python {platform.python_version()} · {platform.platform()}",
        f"verb: {arguments[0]}",
        trace,
    )
    print("\n".join(lines), file=sys.stderr)
