"""What must hold on the machine before the job starts."""

from __future__ import annotations

import os
from typing import Any, Optional

from .files import Node, Refused
from .story import Events
from .words import expand, late_words, number

CHECKS_REFUSED = 78


def checks(node: Node) -> int:
    """Ask again, on this machine, what the plan could not know."""
    rules = node.rules()
    events = Events(node)
    words = late_words(node, rules)
    refused = False
    for check in rules.get("checks", ()):
        if check["level"] == "allow":
            continue
        found = answer(check["probe"], expand(rules["cwd"], words))
        holds = predicate(check["op"], found, check["value"])
        if holds:
            continue
        message = expand(check["message"], words).replace("{found}", found or "nothing")
        message = message if holds is False else f"check `{check['code']}` has no answer here"
        denied = holds is False and check["level"] == "deny"
        refused = refused or denied
        events.append("warning.raised", code=check["code"], message=message)
        hints = [f"hint: {expand(hint, words)}" for hint in check.get("hints", ())]
        print(f"{'error' if denied else 'warning'}[{check['code']}]: {message}", *hints, sep="\n", flush=True)
    return CHECKS_REFUSED if refused else 0


def answer(probe: str, cwd: str) -> Optional[str]:
    """What the probe prints; None where it fails or prints nothing."""
    import subprocess

    bash = os.environ.get("SRPO_BASH") or "bash"
    asked = subprocess.run(
        [bash, "--noprofile", "--norc", "-c", probe],
        cwd=cwd,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        check=False,
    )
    return (asked.stdout.decode("utf-8", "replace").strip() or None) if asked.returncode == 0 else None


def predicate(op: str, found: Optional[str], value: Any) -> Optional[bool]:
    """Whether it holds; None where that cannot be told."""
    if op in ("present", "absent"):
        return (found is not None) == (op == "present")
    if found is None:
        return None
    if op == "one-of":
        return any(number(found) == number(str(one)) for one in value)
    if op == "equals":
        return number(found) == number(str(value))
    measured, limit = number(found), number(str(value))
    if isinstance(measured, str) or isinstance(limit, str):
        return None
    if op == "multiple-of":
        return bool(limit) and measured % limit == 0
    return measured < limit if op == "less-than" else measured >= limit if op == "at-least" else measured <= limit


def port(node: Node) -> int:
    """Print a TCP port that is free now, or the one that the plan names, or at which the run's nodes meet."""
    import socket

    met = os.environ.get("SRPO_RUN_PORT")
    if met and node.index:
        print(met)
        return 0
    wanted = int(met) if met else node.rules().get("port")
    both = socket.has_dualstack_ipv6()
    family = socket.AF_INET6 if both else socket.AF_INET
    try:
        with socket.create_server(("", wanted or 0), family=family, dualstack_ipv6=both) as server:
            print(server.getsockname()[1])
    except OSError as error:
        Events(node).append(
            "warning.raised", code="port-taken", message=f"port {wanted} cannot be used: {error.strerror}"
        )
        message = f"port `{wanted}` cannot be used on this machine: {error.strerror}"
        raise Refused("port-taken", message, "leave `resources.port` out, and each run gets a free one", 69) from error
    return 0
