"""Faults on request, for those who test what watches a trainer. README.md says what each does."""

import os
import signal
import subprocess
import sys
import time

DEFAULTS = {
    "hang": 5,
    "crash": 15,
    "ignore-term": 0,
    "chatty": 8,
    "sessions": 0,
    "exit-zero": 1,
    "slow-checkpoint": 10,
    "no-marker": 0,
    "die-rank": 0,
    "spawn-orphan": 600,
    "spin": 1,
}


def read_faults(text):
    """`hang=3,sessions` as `{"hang": 3.0, "sessions": 0.0}`."""
    faults = {}
    for item in filter(None, text.split(",")):
        name, _, value = item.partition("=")
        if name not in DEFAULTS:
            sys.exit(f"DEMO_FAULT: unknown fault `{name}`, known are {', '.join(DEFAULTS)}")
        faults[name] = float(value or DEFAULTS[name])
    return faults


def enter_process(faults):
    """What befalls every process at its start, the agent included."""
    if "ignore-term" in faults:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)


def enter_worker(faults, rank):
    """What befalls a worker at its start."""
    if "sessions" in faults:
        os.setsid()
    if rank == 0 and "spawn-orphan" in faults:
        orphan = f"sleep {faults['spawn-orphan']:g} & echo spawned orphan $!"
        subprocess.run(["sh", "-c", orphan], start_new_session=True, check=True)
    if rank == 0 and "chatty" in faults:
        chatter = b"chatter \xff\xfe\xc3 \x1b[31mnoise\x1b[0m\r" * 30 + b"\n"
        sys.stdout.flush()
        for _ in range(int(faults["chatty"] * 2**20 / len(chatter)) + 1):
            sys.stdout.buffer.write(chatter)
        sys.stdout.flush()


def enter_step(faults, rank, step):
    """What befalls a worker at the start of a step."""
    if faults.get("exit-zero") == step:
        sys.exit(0)
    if faults.get("crash") == step:
        raise RuntimeError(f"DEMO_FAULT asked for a crash at step {step}")
    if faults.get("die-rank") == rank and step == 2:
        os.kill(os.getpid(), signal.SIGKILL)
    while faults.get("hang") == step:
        time.sleep(3600)
    while faults.get("spin") == step:
        pass
