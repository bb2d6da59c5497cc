"""Every verb, its one line, and the overview that `--help` prints: no module is imported to tell them."""

from __future__ import annotations

VERBS: dict[str, str] = {
    "validate": "check manifests; nothing is started, no network is opened",
    "fmt": "bring manifests into the house form; values and comments stay",
    "migrate": "rewrite a manifest of an older schema with today's keys",
    "lock": "pin the repository and what its scripts accept, in srpo.lock; tell what an upgrade changes",
    "plan": "show what apply would do, and the exact command",
    "apply": "do what the plan says, and follow the run to its end",
    "bundle": "write the run's self-contained files to a folder",
    "runs": "list the runs on record",
    "status": "ask the target how a run is",
    "logs": "print a run's log",
    "attach": "follow a run again",
    "wait": "wait for a run's end",
    "stop": "end a run gracefully",
    "fetch": "bring a run's images, logs and checkpoints home; what broke off goes on where it was",
    "prune": "tell which old runs, checkouts and records can go; delete them with --yes",
    "doctor": "ask the target and this machine everything a run needs, with the fix for each finding",
    "explain": "tell what a code or a key of the manifest means",
    "schema": "print the manifest's JSON Schema",
    "plugins": "list what is installed, check whether it is in order, begin a new one",
}


def overview() -> str:
    """What `srpo-manifest --help` prints."""
    width = max(map(len, VERBS))
    lines = [f"  {verb:{width}}  {text}" for verb, text in VERBS.items()]
    return "\n".join(
        (
            "usage: srpo-manifest VERB [OPTIONS] [MANIFEST] [-- ARGUMENTS]",
            "",
            "One strict manifest says what to train; plan shows the exact command; apply does it.",
            "The manifest is ./srpo.toml unless another is named.",
            "",
            *lines,
            "",
            "  --version  print the version",
            "  --help     print this; `srpo-manifest VERB --help` tells a verb's options",
            "",
            "exit status: 0 good, 1 the run ended badly, 2 manifest or usage wrong, 3 our bug, 4 refused or stale,",
            "5 transport or launcher, 6 something would run (plan --detailed-exitcode) or an upgrade matters (lock --dry-run),",
            "130 interrupted",
        )
    )
