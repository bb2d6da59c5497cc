"""A plan as lines for people."""

from __future__ import annotations

from collections.abc import Iterable

from srpo_manifest.bundling.quoting import quote
from srpo_manifest.finding import visible
from srpo_manifest.upstream.flags import spelled
from srpo_manifest.values.contract import Setting
from srpo_manifest.values.plan import Forecast, Option, Plan, SecretRef
from srpo_manifest.wording import gigabytes, plural

_LINE = 100


def show(plan: Plan, *, origins: bool = False) -> list[str]:
    """What will happen, why, and the command; findings are told apart. *origins* shows every flag's way."""
    at = f"{plan.repo.commit[:12] or 'not pinned'}{f' ({plan.repo.ref})' if plan.repo.ref else ''}"
    lines = [
        *(f"{visible(refusal.message)}" for refusal in plan.refusals if refusal.code == "gpu-memory"),
        f"plan {plan.id[:12]} of {plan.name}",
        f"  source    {visible(plan.repo.url)} at {at}",
        f"  target    {plan.backend.transport} · {plan.backend.launcher} · {plural(plan.job.nodes, 'node')}",
        f"  in        {visible(plan.job.cwd)}",
        *_forecast(plan.forecast),
        "",
        "  steps",
    ]
    width = max((len(step.id) for step in plan.steps), default=3)
    lines += [f"    {step.action:4}  {step.id:{width}}  {visible(step.reason)}" for step in plan.steps]
    lines += [f"    {plan.job.action:4}  {'job':{width}}  {plan.job.mode} mode"]
    lines += _options(plan.options, whole=origins)
    lines += _environment(plan)
    lines += ["", "  command", *_command(plan.job.argv)]
    return [*lines, *_checks(plan)]


def _forecast(forecast: Forecast) -> Iterable[str]:
    parts = []
    if forecast.updates is not None:
        parts.append(plural(forecast.updates, "update"))
    if forecast.checkpoints is not None:
        steps = ", ".join(map(str, forecast.checkpoints))
        parts.append(
            f"{plural(len(forecast.checkpoints), 'checkpoint')} at step {steps}"
            if forecast.checkpoints
            else "no checkpoint"
        )
    if forecast.effective_batch is not None:
        parts.append(f"effective batch {forecast.effective_batch}")
    for size, where in (
        (forecast.disk_bytes, "on disk"),
        (forecast.gpu_bytes, "on each GPU"),
        (forecast.host_bytes, "of memory on each node"),
    ):
        if size:
            parts.append(f"{gigabytes(size)} {where}")
    if parts:
        yield f"  forecast  {', '.join(parts)} (estimate)"


def _options(options: Iterable[Option], *, whole: bool) -> Iterable[str]:
    rows = [
        (option, _setting(option.script), _final(option))
        for option in options
        if whole or option.origin not in ("script", "default")
    ]
    shown = [row for row in rows if whole or row[1] != row[2]]
    if not shown:
        return
    width = max(len(option.name) for option, _, _ in shown)
    yield ""
    yield "  flags" if whole else "  flags that change"
    for option, before, after in shown:
        effect = {"never-read": "  never read upstream", "no-effect": "  without effect upstream"}.get(
            option.effect, ""
        )
        yield f"    {option.name:{width}}  {before} → {after}  ({option.origin}){effect}"


def _final(option: Option) -> str:
    if option.final is None:
        return "not given" if option.origin == "default" else "taken away"
    if option.final[0].startswith(f"--{option.name}="):
        return visible(_shown(option.final[0].partition("=")[2]))
    return visible(" ".join(map(_shown, option.final[1:]))) or "on"


def _setting(setting: Setting | None) -> str:
    if setting is None:
        return "-"
    if isinstance(setting, bool):
        return "on" if setting else "off"
    values = setting if isinstance(setting, tuple) else (setting,)
    return visible(" ".join(spelled(value) for value in values)) or "-"


def _environment(plan: Plan) -> Iterable[str]:
    yield ""
    yield "  environment"
    for name, value in plan.job.env.items():
        if isinstance(value, SecretRef):
            source, what = next((key, text) for key in ("env", "file", "target_file") if (text := getattr(value, key)))
            yield f"    {name} from {source} {visible(what)}"
        else:
            text = visible(value)
            yield f"    {name}={text if len(text) <= _LINE else text[:_LINE] + f'… ({len(text)} characters)'}"


def _command(argv: Iterable[str]) -> Iterable[str]:
    """The command with each option on its own line, as scripts write it."""
    line = "    "
    for word in argv:
        piece = visible(_shown(word))
        if line.strip() and (word.startswith("--") or len(line) + len(piece) > _LINE):
            yield f"{line}\\"
            line = "      "
        line += f"{piece} "
    if line.strip():
        yield line.rstrip()


def _shown(word: str) -> str:
    bare = word.replace("${", "").replace("*}", "").replace("}", "")
    return word if quote(bare) == bare else quote(word)


def _checks(plan: Plan) -> Iterable[str]:
    states = [check.state for check in plan.checks]
    if states:
        yield ""
        open_codes = sorted({check.code for check in plan.checks if check.state == "unknown"})
        later = f"; asked on the target before the start: {', '.join(open_codes)}" if open_codes else ""
        yield f"  checks    {states.count('true')} of {len(states)} hold{later}"
