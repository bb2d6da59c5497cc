"""Clocks that jump, and a machine that stands still: a grace is time in which the job could run."""

from __future__ import annotations

import signal
import subprocess
import time

import pytest

JUMP = """
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static long ahead(void) {
  long seconds = 0;
  FILE *file = fopen(getenv("JUMP_FILE"), "r");
  if (file) { if (fscanf(file, "%ld", &seconds) != 1) seconds = 0; fclose(file); }
  return seconds;
}

int clock_gettime(clockid_t clock, struct timespec *now) {
  static int (*real)(clockid_t, struct timespec *);
  if (!real) real = (int (*)(clockid_t, struct timespec *))dlsym(RTLD_NEXT, "clock_gettime");
  int failed = real(clock, now);
  if (!failed && clock == CLOCK_REALTIME) now->tv_sec += ahead();
  return failed;
}

time_t time(time_t *told) {
  struct timespec now;
  clock_gettime(CLOCK_REALTIME, &now);
  if (told) *told = now.tv_sec;
  return now.tv_sec;
}
"""
DAYS = 30 * 86400


@pytest.mark.slow
@pytest.mark.parametrize("days", [30, -30])
def test_the_wall_clock_jumps(bundle, tmp_path, need, days):
    """A month to and fro during the run and during a stop changes nothing but the times that are told."""
    need("gcc")
    (tmp_path / "jump.c").write_text(JUMP)
    library, jump = tmp_path / "jump.so", tmp_path / "jump"
    subprocess.run(["gcc", "-shared", "-fPIC", "-o", library, tmp_path / "jump.c", "-ldl"], check=True)
    bundle.rules["stop"] |= {"max_hours": 1, "stall_minutes": 10, "grace_seconds": 3}
    run = bundle.start("progress:2", "deaf", "say:ready", "forever", LD_PRELOAD=str(library), JUMP_FILE=str(jump))
    run.until_said("ready")
    run.until_event("job.started")
    jump.write_text(str(days * 86400))
    time.sleep(1.5)
    assert (run.status()["state"], run.events("warning.raised")) == ("running", [])
    asked = time.monotonic()
    run.stop()
    run.until_event("stop.asked")
    jump.write_text("0")
    ended = run.end()
    assert (ended["outcome"], ended["exit"]) == ("stopped", -9)
    assert time.monotonic() - asked >= 3
    times = [event["time"] for event in run.events()]
    assert abs(int(max(times)[:4]) - int(min(times)[:4])) <= 1
    assert max(times)[:7] != min(times)[:7]


@pytest.mark.slow
@pytest.mark.parametrize("clock", ["--boottime", "--monotonic"])
def test_another_time_since_boot(bundle, need, clock):
    """Supervisors in a time namespace, a month ahead of who asks: a stop arrives, and nothing is left."""
    need("root", "unshare")
    bundle.write("worker:say:hears", "say:ready", "forever")
    launched = subprocess.run(
        ["unshare", "--time", clock, str(DAYS), "--fork", "bash", bundle.folder / "launch.sh", "--detach"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert launched.returncode == 0, launched.stderr
    (run,) = bundle.runs()
    run.until_said("ready")
    run.until(lambda: run.status()["state"] == "running")
    run.stop()
    ended = run.end()
    assert (ended["outcome"], ended["exit"]) == ("stopped", -15)
    assert bundle.processes(run) == []


SAVER = "trap 'echo told >told; for i in {1..20}; do sleep 0.1; done; echo saved >saved; exit 0' TERM\necho ready\nwhile :; do sleep 0.1; done"


@pytest.mark.slow
@pytest.mark.parametrize("asleep", ["supervisors", "everything"])
def test_a_machine_that_sleeps_longer_than_the_grace(bundle, supervise, asleep):
    """Whoever was saving when everything stood still has the rest of his grace after it: no KILL comes at once."""
    bundle.rules["stop"]["grace_seconds"] = 3
    bundle.before = f"enter job\n{SAVER}"
    run = bundle.start()
    run.until_said("ready")
    run.stop()
    run.until((bundle.cwd / "told").exists)
    sleepers = {bundle.supervisor(run, name) for name in ("outer", "inner")}

    def tell(number):
        for pid in sleepers:
            if found := supervise.process(pid):
                supervise.send(found, number)

    tell(signal.SIGSTOP)
    for _ in range(10 * (asleep == "everything")):  # until none is left that could start another
        sleepers |= set(bundle.processes(run))
        tell(signal.SIGSTOP)
    time.sleep(4)
    tell(signal.SIGCONT)
    ended = run.end()
    assert (bundle.cwd / "saved").read_text() == "saved\n"
    assert (ended["outcome"], ended["exit"]) == ("stopped", 0)
