"""A run that failed says why, in the words of its log."""

from __future__ import annotations

import json
import os

import pytest

REPORT = """\
Traceback (most recent call last):
  File "fastvideo/SRPO.py", line 700, in main
    data = json.load(open(path))
{error}
E1125 10:00:00.000000 4242 torch/distributed/elastic/multiprocessing/api.py:869] failed (exitcode: {code}) local_rank: 3 (pid: 4250) of binary: /usr/bin/python3
Traceback (most recent call last):
  File "/usr/local/bin/torchrun", line 8, in <module>
torch.distributed.elastic.multiprocessing.errors.ChildFailedError:
============================================================
fastvideo/SRPO.py FAILED
------------------------------------------------------------
Failures:
[1]:
  time      : 2026-11-25_10:00:00
  rank      : 1 (local_rank: 1)
  exitcode  : -15 (pid: 4251)
  error_file: <N/A>
  traceback : Signal 15 (SIGTERM) received by PID 4251
------------------------------------------------------------
Root Cause (first observed failure):
[0]:
  time      : 2026-11-25_10:00:00
  host      : gpu-1
  rank      : 11 (local_rank: 3)
  exitcode  : {code} (pid: 4250)
  error_file: <N/A>
  traceback : To enable traceback see: https://pytorch.org/docs/stable/elastic/errors.html
============================================================
"""

NEWER = """\
W1125 21:49:56.100000 22821 torch/distributed/run.py:874] *****************************************
[W1125 21:49:57.286366457 socket.cpp:207] [c10d] The hostname of the client socket cannot be retrieved. err=-3
W1125 21:49:57.755000 22821 torch/distributed/elastic/multiprocessing/api.py:1028] Sending process 23130 closing signal SIGTERM
E1125 21:49:57.759000 22821 torch/distributed/elastic/multiprocessing/api.py:1002] failed (exitcode: -9) local_rank: 1 (pid: 23132) of binary: /opt/torch/bin/python
E1125 21:49:57.760000 22821 torch/distributed/elastic/multiprocessing/errors/error_handler.py:145] no error file defined for parent, to copy child error file (/tmp/torchelastic_wt0z4d8i/x_x6sifl7e/attempt_0/1/error.json)
Traceback (most recent call last):
  File "/opt/torch/bin/torchrun", line 8, in <module>
    sys.exit(main())
             ^^^^^^
  File "/opt/torch/lib/python3.11/site-packages/torch/distributed/launcher/api.py", line 383, in launch_agent
    raise ChildFailedError(
torch.distributed.elastic.multiprocessing.errors.ChildFailedError:\x20
=======================================================
worker.py FAILED
-------------------------------------------------------
Failures:
[1]:
  time      : 2026-11-25_21:49:57
  host      : localhost
  rank      : 0 (local_rank: 0)
  exitcode  : -15 (pid: 23130)  (SIGTERM)
  error_file: <N/A>
  traceback : Signal 15 (SIGTERM) received by PID 23130
-------------------------------------------------------
Root Cause (first observed failure):
[0]:
  time      : 2026-11-25_21:49:57
  host      : localhost
  rank      : 1 (local_rank: 1)
  exitcode  : -9 (pid: 23132)  (SIGKILL)
  error_file: <N/A>
  traceback : Signal 9 (SIGKILL) received by PID 23132
=======================================================
"""
"""Of torchrun 2.13."""


def test_a_report_without_an_error_tells_the_worker_alone(supervise):
    """What torchrun and its loggers say beside that is no reason."""
    told = supervise.telling(NEWER.splitlines())
    assert told == ("rank 1 killed by signal 9, as when memory runs out", "", False)


@pytest.mark.trap(34, "prevented")
@pytest.mark.parametrize(
    ("error", "code", "worker", "line"),
    [
        (
            "[rank11]: FileNotFoundError: [Errno 2] No such file or directory: 'data/x.json'",
            1,
            "rank 11",
            "FileNotFoundError: [Errno 2] No such file or directory: 'data/x.json'",
        ),
        ("", -9, "rank 11 killed by signal 9, as when memory runs out", ""),
        ("AssertionError", 7, "rank 11 exit status 7", "AssertionError"),
        (
            "SRPO.py: error: unrecognized arguments: --vis_tile_size 256\nConnectionError: Connection reset by peer",
            2,
            "rank 11 exit status 2",
            "SRPO.py: error: unrecognized arguments: --vis_tile_size 256",
        ),
        (
            "torch.OutOfMemoryError: CUDA out of memory.\ntorch.distributed.DistBackendError: NCCL error in: x.cpp:1",
            1,
            "rank 11",
            "torch.OutOfMemoryError: CUDA out of memory.",
        ),
        (
            "[rank3]:[E1125 10:00:00.1 ProcessGroupNCCL.cpp:616] [Rank 3] Watchdog caught collective operation timeout: x",
            -6,
            "rank 11 killed by signal 6",
            "[E1125 10:00:00.1 ProcessGroupNCCL.cpp:616] [Rank 3] Watchdog caught collective operation timeout: x",
        ),
    ],
)
def test_the_most_telling_line_is_the_first_cause(supervise, error, code, worker, line):
    """Neither torchrun's report nor the ranks that were ended with it; its report tells the worker's own status."""
    told = supervise.telling(REPORT.format(error=error, code=code).splitlines())
    assert told.worker == worker
    assert told.line == line or (not line and not told.strong)


@pytest.mark.parametrize(
    ("lines", "line", "strong"),
    [
        ((), "", False),
        (("step 1", "loss 0.3"), "", False),
        (("mkdir: cannot create directory 'images': File exists",), "", False),
        (("run.sh: line 9: torchrun: command not found", "bye"), "run.sh: line 9: torchrun: command not found", False),
        (
            ("2026-11-25 10:00:00.123 | ERROR    | __main__:main:1 - no prompts",),
            "ERROR    | __main__:main:1 - no prompts",
            False,
        ),
        (
            ("ValueError: old", "During handling of the above exception, another", "KeyError: 'new'"),
            "KeyError: 'new'",
            True,
        ),
        (("Exception: plain", "an error of sorts"), "Exception: plain", True),
        (
            ("pip: ERROR: no match", "srpo-manifest: preparation step venv failed (steps/1)"),
            "pip: ERROR: no match",
            False,
        ),
        (
            ("error[port-taken]: port `1` cannot be used", "hint: cannot be helped"),
            "error[port-taken]: port `1` cannot be used",
            True,
        ),
    ],
)
def test_a_line_is_chosen_by_what_it_says(supervise, lines, line, strong):
    """Certain errors beat likely ones, later ones earlier ones; habits of the scripts are none."""
    told = supervise.telling(lines)
    assert (told.line, told.strong) == (line, strong)


@pytest.mark.trap(34, "prevented")
def test_a_crash_is_told_in_its_own_words(bundle):
    """The real miniature: the worker's traceback, not the agent's status alone."""
    run = bundle.start_demo(DEMO_FAULT="crash=2")
    ended = run.end()
    assert ended["reason"] == "exit status 1 (rank 0): RuntimeError: DEMO_FAULT asked for a crash at step 2"
    assert run.events("run.ended")[0]["reason"] == run.result()["reason"] == ended["reason"]


def test_a_killed_worker_is_told(bundle):
    """No traceback: the agent's line has the signal."""
    ended = bundle.start_demo(DEMO_FAULT="die-rank").end()
    assert ended["reason"] == "exit status 1 (rank 0 killed by signal 9, as when memory runs out)"


def test_a_refused_flag_is_told(bundle):
    """What argparse says."""
    ended = bundle.start_demo("--vis_tile_size 256").end()
    assert ended["reason"] == "exit status 2: train.py: error: unrecognized arguments: --vis_tile_size 256"


def test_a_reason_fits_its_slot_and_holds_no_secret(bundle, supervise):
    """Long lines are cut after secrets were taken out; the result tells more than the slot."""
    bundle.secrets = ("TOKEN",)
    two_lines = "first-half\nsecond-half"
    run = bundle.start("say:" + "\\" * 60, "say:ValueError: second-half " + '"' * 300, "exit:1", TOKEN=two_lines)
    ended = run.end()
    assert ended["reason"].startswith('exit status 1: ValueError: *** "')
    assert 120 < len(ended["reason"]) <= supervise.TOLD_BYTES
    (_, _, end), torn = supervise.read_slots(run.node / "slots")
    assert torn == []
    assert len(end["reason"]) == 120
    kept = b"".join(path.read_bytes() for path in run.node.iterdir() if path.name != "log" and path.is_file())
    assert b"second-half" not in kept


def test_exit_zero_without_artifacts_tells_the_error_that_the_script_swallowed(bundle):
    """A script without `set -e` ends with the status of its last command."""
    ended = bundle.start("say:ModuleNotFoundError: No module named 'x'", "exit:0").end()
    assert ended["reason"] == "exit status 0 with 0 of 1 checkpoint: ModuleNotFoundError: No module named 'x'"


def test_the_heir_of_a_supervisor_tells_the_reason(bundle):
    """It reads the log's end again."""
    run = bundle.start("say:ValueError: early", "sleep:1", "exit:1")
    run.until_said("early")
    os.kill(bundle.supervisor(run, "inner"), 9)
    assert run.end()["reason"] == "exit status 1: ValueError: early"


def test_an_older_result_is_read(bundle):
    """Digests and files came later."""
    run = bundle.start("checkpoint:1-1", "forever")
    run.end()
    result = run.result()
    for checkpoint in result["checkpoints"]:
        del checkpoint["files"]
    (run.node / "result.json").write_text(json.dumps(result))
    status = run.status()
    assert [(one["whole"], one["files"]) for one in status["checkpoints"]] == [(True, [])]
