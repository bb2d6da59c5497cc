"""Stage resolve-bash: which bash runs things, proven by asking it."""

from __future__ import annotations

from collections.abc import Iterable

from srpo_manifest.plugin import (
    Answer,
    Ask,
    Assume,
    Bash,
    ControllerProbe,
    Environment,
    Facts,
    Fault,
    Find,
    Finding,
    Known,
    Probe,
    Proposal,
    StageHandler,
    TargetProbe,
    Unknown,
    Wanted,
    anchors,
    hookimpl,
    ticked,
)

_SAY = 'printf "%s" "$BASH_VERSION"'
_LEAST = (3, 2)


@hookimpl
def srpo_resolve_bash(wanted: Wanted) -> StageHandler:
    """Precedence: `--bash`, manifest, SRPO_BASH, PATH; flag and variable concern the local transport only."""
    return LocalBash() if anchors.is_local(wanted) else TargetBash()


def chosen_bash(wanted: Wanted, facts: Facts) -> Bash | Unknown:
    """The first candidate that answered; a candidate that somebody named must answer itself."""
    failures = [f"{path} (PATH): skipped, it starts WSL" for path in _stubs(facts)]
    for path, source in _candidates(wanted, facts):
        answer = facts.get(f"bash.{path}", str)
        if isinstance(answer, str):
            return Bash(path=path, version=answer)
        failures.append(f"{path} ({source}): {answer.reason}")
    found = facts.get("bash.PATH", list[str])
    return Unknown(
        reason="; ".join(failures) or (found.reason if isinstance(found, Unknown) else "there is none on PATH")
    )


class LocalBash:
    """Candidates of this machine, each asked for its version."""

    def probes(self, wanted: Wanted, facts: Facts) -> Iterable[Probe]:
        yield ControllerProbe(name="bash.SRPO_BASH", question=Environment(variable="SRPO_BASH"))
        yield ControllerProbe(name="bash.PATH", question=Find(program="bash"), parse=_lines)
        for path, _ in _candidates(wanted, facts):
            yield ControllerProbe(
                name=f"bash.{path}", question=Ask(argv=(path, "--noprofile", "--norc", "-c", _SAY)), parse=parse_version
            )

    def steps(self, wanted: Wanted, facts: Facts) -> Iterable[Proposal]:
        bash = chosen_bash(wanted, facts)
        if isinstance(bash, Unknown):
            yield Fault(
                finding=Finding(
                    code="no-bash",
                    level="deny",
                    message=f"no bash answers on this machine: {bash.reason}",
                    hints=("install bash, or name one with `--bash PATH`, `backend.transport.bash` or SRPO_BASH",),
                ),
                key="backend.transport.bash",
                final=True,
                observed=True,
            )
        platform = facts.get("controller.platform", str)
        if platform != "linux":
            yield Fault(
                finding=Finding(
                    code="target-not-linux",
                    level="deny",
                    message=f"jobs run on Linux, and this machine is {ticked(platform if isinstance(platform, str) else 'unknown')}",
                    hints=('write `[backend.transport]` with `kind = "ssh"`, or on Windows `kind = "wsl"`',),
                ),
                key="backend.transport",
                final=True,
                observed=True,
            )


class TargetBash:
    """Another machine's bash: what the transport reached."""

    def probes(self, wanted: Wanted, facts: Facts) -> Iterable[Probe]:
        yield TargetProbe(name="target.bash", script=_SAY, parse=parse_version)
        yield TargetProbe(name="target.kernel", script="uname -s")

    def steps(self, wanted: Wanted, facts: Facts) -> Iterable[Proposal]:
        yield Assume(fact="target.kernel", op="equals", value="Linux")


def parse_version(answer: Answer) -> Known | Unknown:
    """`5.2.15(1)-release`: known from 3.2 on. Source: bash(1), BASH_VERSION."""
    if answer.status != 0:
        return Unknown(reason=answer.complaint)
    text = answer.text
    parts = text.split(".")
    if len(parts) < 2 or not parts[0].isdigit() or not parts[1].isdigit():
        return Unknown(reason="it is no bash: it does not know BASH_VERSION")
    if (int(parts[0]), int(parts[1])) < _LEAST:
        return Unknown(reason=f"its version {text} is older than 3.2")
    return Known(value=text)


def _candidates(wanted: Wanted, facts: Facts) -> list[tuple[str, str]]:
    variable = facts.get("bash.SRPO_BASH", str)
    named = (
        (wanted.bash, "--bash"),
        (wanted.manifest.backend.transport.bash, "backend.transport.bash"),
        (variable if isinstance(variable, str) else None, "SRPO_BASH"),
    )
    for path, source in named:
        if path:
            return [(path, source)]
    found = facts.get("bash.PATH", list[str])
    return [] if isinstance(found, Unknown) else [(path, "PATH") for path in found if not _is_wsl_stub(path)]


def _stubs(facts: Facts) -> list[str]:
    found = facts.get("bash.PATH", list[str])
    return [] if isinstance(found, Unknown) else [path for path in found if _is_wsl_stub(path)]


def _is_wsl_stub(path: str) -> bool:
    """Windows' own `bash.exe` starts WSL, not a bash of this machine (microsoft/WSL#13277)."""
    return "\\system32\\" in path.lower() or "\\windowsapps\\" in path.lower()


def _lines(answer: Answer) -> Known | Unknown:
    return (
        Known(value=answer.text.splitlines())
        if answer.status == 0 and answer.text
        else Unknown(reason="there is none on PATH")
    )
