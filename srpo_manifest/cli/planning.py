"""Planning and showing it; click is not needed for that."""

from __future__ import annotations

from typing import Any

from srpo_manifest.values.base import Value
from srpo_manifest.values.said import Said

REFUSED = 4
SOMETHING = 6


class Asked(Value):
    """What `plan` is asked for beside the manifest: files by path, and how to show it."""

    facts: str | None = None
    save_facts: str | None = None
    out: str | None = None
    other: str | None = None
    origins: bool = False
    again: bool = False
    trace: bool = False
    detailed_exitcode: bool = False
    as_json: bool = False


def quick(arguments: list[str]) -> int | None:
    """`plan --facts FILE [--json] [MANIFEST]`: no machine is asked. Returns: None where click must read the line."""
    rest = list(arguments)
    given: dict[str, Any] = {}
    if "--json" in rest:
        rest.remove("--json")
        given["as_json"] = True
    if "--facts" not in rest[:-1]:
        return None
    at = rest.index("--facts")
    given["facts"] = rest[at + 1]
    del rest[at : at + 2]
    if len(rest) > 1 or any(one.startswith("-") for one in (*rest, given["facts"])):
        return None
    return plan(Said(manifest=rest[0]) if rest else Said(), Asked(**given))


def plan(said: Said, asked: Asked) -> int:
    """Plan, save what is to be saved, and show it. Returns: the exit status."""
    import msgspec  # noqa: PLC0415 - likewise

    from srpo_manifest.cli.output import data, say, tell  # noqa: PLC0415 - a verb's help needs no decoder
    from srpo_manifest.cli.saved import read_facts, read_saved, write  # noqa: PLC0415 - likewise
    from srpo_manifest.reading.facts import render_facts  # noqa: PLC0415 - likewise
    from srpo_manifest.reading.savedplan import render_saved_plan  # noqa: PLC0415 - likewise
    from srpo_manifest.runner import Runner  # noqa: PLC0415 - likewise

    runner = Runner(said)
    decision = runner.plan(read_facts(asked.facts) if asked.facts else None, again=asked.again)
    made = decision.plan
    if asked.save_facts:
        write(asked.save_facts, render_facts(decision.facts))
    if asked.out:
        write(asked.out, render_saved_plan(runner.save(decision)))
    traced = runner.trace(decision) if asked.trace else None
    if asked.as_json:
        data(made if traced is None else {**msgspec.to_builtins(made), "trace": traced})
    elif asked.other:
        from srpo_manifest.planning.diff import diff  # noqa: PLC0415 - only `--diff` needs it

        print("\n".join(diff(read_saved(asked.other).plan, made)) or "no difference")
    else:
        from srpo_manifest.planning.show import show  # noqa: PLC0415 - only people need it

        print("\n".join(show(made, origins=asked.origins)))
        if traced is not None:
            from srpo_manifest.engine.tracing import shown  # noqa: PLC0415 - likewise

            print(f"  trace     {shown(traced)}")
        say("")
        tell(decision.planned.findings)
    if not made.applicable or (traced is not None and traced.result == "differs"):
        return REFUSED
    return SOMETHING if asked.detailed_exitcode and made.job.action == "run" else 0
