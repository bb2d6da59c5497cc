"""Manifests that several suites run: the miniature trainer, and a job of the test's own."""

from __future__ import annotations


def running(*command: str, more: str = "") -> str:
    """A manifest whose job is *command*, done when that ends well."""
    words = ", ".join(f'"{word}"' for word in command)
    return (
        'schema = 1\nname = "own"\n[repo]\nurl = "demo:"\n[model]\ntype = "generic"\n[done]\nexit_zero = true\n'
        f"[entry]\ncommand = [{words}]\n{more}"
    )


def demo(name: str = "demo") -> str:
    """The miniature trainer, done after a fraction of a second."""
    return (
        f'schema = 1\nname = "{name}"\n[repo]\nurl = "demo:"\n[model]\ntype = "demo"\nbase = "builtin"\n'
        "[entry.set]\nmax_train_steps = 4\ncheckpointing_steps = 4\nstep_seconds = 0.02\n"
    )
