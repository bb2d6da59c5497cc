"""A decision to files that run by themselves (`docs/run-folder.md`). Deterministic: no clock, no run id."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import msgspec

from srpo_manifest.bundling.fallback import shell_rules
from srpo_manifest.bundling.quoting import command, quote, shell
from srpo_manifest.bundling.shim import shim_files, shim_start
from srpo_manifest.values.base import Value
from srpo_manifest.values.bundle import Bundle, BundleFile
from srpo_manifest.values.plan import SecretRef
from srpo_manifest.values.planned import Planned, Proposed
from srpo_manifest.values.step import AtEnd, Check, JobStep, Put, Sh
from srpo_manifest.values.words import Word

RULES_FORMAT = 1
_PROGRAMS = ("launch.sh", "supervise.py")
PYTHONS = ("python3", "/usr/bin/python3", *(f"python3.{minor}" for minor in range(14, 8, -1)))
"""Where a Python of at least 3.9 is looked for on the target, to supervise with; the training interpreter comes last."""

_LEADER = """\
# The job of {name}, plan {plan}: everything long runs here, under the supervisor.
prepare() {{
  printf '%s\\n' "$1" >>"$SRPO_RUN_DIR/phases"
  "$BASH" --noprofile --norc -e -o pipefail "$SRPO_BUNDLE/steps/$2" && return
  echo "srpo-manifest: preparation step $1 failed (steps/$2)" >&2
  exit 70
}}
supervise() {{ "$BASH" --noprofile --norc "$SRPO_BUNDLE/../supervisor" "$@"; }}
export SRPO_REPO_DIR={checkout}
{sourced}{prepared}
printf 'checks\\n' >>"$SRPO_RUN_DIR/phases"
cd -- {cwd} || exit 70
{made}supervise checks || exit
SRPO_RUN_PORT=$(supervise port) || exit
export SRPO_RUN_PORT
{exported}
if [ -n "${{SRPO_DRY_RUN:-}}" ]; then exit 0; fi
{started}"""
_DIRECT = """\
printf 'job\\n' >>"$SRPO_RUN_DIR/phases"
exec {argv}
"""


# One that fails or hangs leaves time for the others.
_ENDING = """\
failed=0
end() {
  timeout -k 2 "$2" "$BASH" --noprofile --norc "$SRPO_BUNDLE/steps/$1" && return
  failed=$?
  echo "srpo-manifest: the step $1 for the end failed with status $failed" >&2
}
"""


class _Script(Value):
    """A step's own file: its name sorts as it runs."""

    id: str
    name: str
    text: str
    sourced: bool = False


def render(planned: Planned, *, runtime: Mapping[str, bytes], deliver: bytes = b"") -> Bundle:
    """The bundle of an applicable plan.

    The files of *runtime*, by name, are what every bundle carries, *deliver* what shim mode does.

    Raises: AssertionError where the plan has no job: the caller refuses such a plan first.
    """
    assert planned.job is not None  # noqa: S101 - a plan without a command has a refusal
    steps = tuple(_scripts(planned.proposed))
    ends = tuple(_ends(planned.proposed))
    rules = _rules(planned)
    files = [
        *(BundleFile(name=name, data=data, executable=name in _PROGRAMS) for name, data in runtime.items()),
        _text("settings.sh", _settings(planned)),
        _text("leader.sh", _leader(planned, planned.job, steps)),
        _text("rules.json", _json(rules)),
        _text("rules.sh", shell_rules(rules, secrets(planned))),
        _text("plan.json", _json(planned.plan)),
        *(_text(f"steps/{script.name}", script.text) for script in (*steps, *ends)),
        *_carried(planned.proposed),
        *(shim_files(planned.job.shim, deliver) if planned.job.shim else ()),
    ]
    if ends:
        seconds = max(1, int(float(str(planned.plan.rules.stop["grace_seconds"])) / len(ends)))
        files.append(
            _text(
                "on_stop.sh",
                _ENDING + "".join(f"end {quote(end.name)} {seconds}\n" for end in ends) + 'exit "$failed"\n',
            )
        )
    if planned.plan.rules.end:
        files.append(_text("end.sh", f"exec {' '.join(map(quote, planned.plan.rules.end.command))}\n"))
    return Bundle(plan=planned.plan.id, files=tuple(sorted(files, key=lambda file: file.name)))


def secrets(planned: Planned) -> dict[str, SecretRef]:
    """Variables that the controller reads at apply, by name: they travel on standard input alone."""
    return {
        name: value for name, value in planned.env.items() if isinstance(value, SecretRef) and value.target_file is None
    }


def _settings(planned: Planned) -> str:
    names = " ".join(sorted(secrets(planned)))
    pythons = [*map(quote, PYTHONS), *([shell(planned.python)] if planned.python else [])]
    return (
        f"name={quote(planned.plan.name)}\nworkspace={shell(planned.workspace)}\n"
        f"secrets=({names})\npython_candidates=({' '.join(pythons)})\n"
    )


def _leader(planned: Planned, job: JobStep, steps: Iterable[_Script]) -> str:
    steps = tuple(steps)
    exported = (
        f"export {name}={shell(value)}" for name, value in sorted(planned.env.items()) if isinstance(value, Word)
    )
    return _LEADER.format(
        name=planned.plan.name,
        plan=planned.plan.id,
        checkout=shell(planned.checkout),
        sourced="".join(f'. "$SRPO_BUNDLE/steps/{step.name}"\n' for step in steps if step.sourced),
        prepared="".join(f"prepare {quote(step.id)} {quote(step.name)}\n" for step in steps if not step.sourced),
        cwd=shell(planned.cwd),
        made=f"mkdir -p -- {command(job.makes)} || exit 70\n" if job.makes else "",
        exported="\n".join(exported),
        started=shim_start(job.shim) if job.shim else _DIRECT.format(argv=command(job.argv)),
    )


def _scripts(proposed: Iterable[Proposed]) -> Iterable[_Script]:
    steps = [one.proposal for one in proposed if isinstance(one.proposal, Sh)]
    for number, step in enumerate(steps, 1):
        yield _Script(
            id=step.id, name=f"{number:02}-{step.id}.sh", text=_ended(step.script), sourced=step.place == "job"
        )


def _ends(proposed: Iterable[Proposed]) -> Iterable[_Script]:
    ends = [one.proposal for one in proposed if isinstance(one.proposal, AtEnd)]
    for number, end in enumerate(ends, 1):
        yield _Script(id=end.id, name=f"end-{number:02}-{end.id}.sh", text=_ended(end.script))


def _carried(proposed: Iterable[Proposed]) -> Iterable[BundleFile]:
    for one in proposed:
        put = one.proposal
        if not isinstance(put, Put):
            continue
        content = put.content
        if content.text is not None:
            yield _text(put.name, content.text)
        else:
            yield BundleFile(
                name=put.name, controller_file=content.controller_file, tree=content.tree, digest=content.digest
            )


def _rules(planned: Planned) -> dict[str, object]:
    plan = planned.plan
    outputs = dict(plan.rules.outputs)
    outputs.pop("fetch", None)
    return {
        "format": RULES_FORMAT,
        "name": plan.name,
        "plan": plan.id,
        "cwd": str(planned.cwd),
        "done": plan.rules.done,
        "stop": plan.rules.stop,
        "artifacts": outputs,
        "log": [
            {key: value for key, value in msgspec.to_builtins(rule).items() if value and key != "rule"}
            for rule in planned.log
        ],
        "checks": [_check(check) for check in planned.checks if check.probe],
        "target_files": {
            name: value.target_file
            for name, value in sorted(planned.env.items())
            if isinstance(value, SecretRef) and value.target_file is not None
        },
        "port": planned.port,
        "end": plan.rules.end,
        "repo": str(planned.checkout),
        **_shim(planned),
    }


def _shim(planned: Planned) -> dict[str, object]:
    """The program and the variables that the trainer gets as planned; nothing where no script runs."""
    if planned.job is None or planned.job.shim is None:
        return {}
    kept = {name: value for name in planned.job.shim.keeps if isinstance(value := planned.env.get(name), Word)}
    variables = {name: str(value) for name, value in sorted(kept.items())}
    return {"shim": {"entry": planned.job.shim.entry, "variables": variables}}


def _check(check: Check) -> dict[str, object]:
    return {
        "code": check.code,
        "level": check.level,
        "fact": check.fact,
        "probe": check.probe,
        "op": check.op,
        "value": check.value,
        "message": check.message,
        "hints": list(check.hints),
    }


def _json(value: object) -> str:
    return msgspec.json.format(msgspec.json.encode(value), indent=2).decode() + "\n"


def _ended(script: str) -> str:
    return script if script.endswith("\n") else script + "\n"


def _text(name: str, text: str) -> BundleFile:
    return BundleFile(name=name, data=text.encode("utf-8", "surrogateescape"))
