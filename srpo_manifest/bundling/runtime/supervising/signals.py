"""The signals that supervisors mind."""

from __future__ import annotations

import signal

WAKE = signal.SIGUSR1
ASKED = signal.SIGUSR2
"""A stop was asked for, and a full disk kept the request from being written."""
STOPS = {signal.SIGTERM, signal.SIGINT, ASKED}
SIGNALS = STOPS | {WAKE, signal.SIGCHLD}
