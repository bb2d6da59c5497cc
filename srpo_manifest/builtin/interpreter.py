"""Stage build-env: the training interpreter, and the lines sourced before everything."""

from __future__ import annotations

import posixpath
from collections.abc import Iterable

from srpo_manifest.builtin.environment import carried
from srpo_manifest.plugin import (
    Answer,
    Assume,
    Check,
    Facts,
    Fault,
    Finding,
    Interpreter,
    Known,
    Probe,
    Proposal,
    Put,
    Sh,
    StageHandler,
    TargetProbe,
    Unknown,
    Wanted,
    anchors,
    hookimpl,
    quote,
    shell,
    ticked,
)

PYTHON = "target.python"
_REQUIRED = """{line}
[ $? -eq 0 ] || {{ printf 'python.setup failed: %s\\n' {shown} >&2; exit 70; }}
"""
SAY_PYTHON = """import os, sys
folder, name = os.path.split(sys.executable)
print(os.path.join(os.path.realpath(folder), name))
print("%d.%d.%d" % sys.version_info[:3])"""
"""Its own path, with the folder's links resolved but not its own: two names in one folder are one environment."""
_ASK_PYTHON = """python=$({found}) || exit 0
"$python" -I -S -c {say}
"""


@hookimpl
def srpo_build_env(wanted: Wanted) -> StageHandler:  # noqa: ARG001 - every job has an interpreter
    """The built-in answer for `[python]`."""
    return TrainingPython()


class TrainingPython:
    """An existing interpreter, a virtual environment made on the target, or a conda environment."""

    def probes(self, wanted: Wanted, facts: Facts) -> Iterable[Probe]:
        if not made_later(wanted):
            script = prologue(wanted) + _ASK_PYTHON.format(found=found_python(wanted), say=quote(SAY_PYTHON))
            yield TargetProbe(name=PYTHON, script=script, parse=parse_python)

    def steps(self, wanted: Wanted, facts: Facts) -> Iterable[Proposal]:
        if lines := prologue(wanted):
            yield Sh(id="setup", script=lines, place="job", reason="python.setup and the interpreter's folder")
        python = wanted.manifest.python
        if python.kind == "venv" and made_later(wanted):
            yield from _venv(wanted, facts)
            return
        answer = facts.get(PYTHON, Interpreter)
        if isinstance(facts.facts.get(PYTHON), Unknown) and isinstance(answer, Unknown) and lines:
            message = f"the lines before the job end badly where the plan asked: {answer.reason}"
            finding = Finding(code="setup-failed", level="warn", message=message, hints=("correct `[python]`",))
            yield Fault(finding=finding, key="python", observed=True)
        if isinstance(answer, Interpreter):
            yield Assume(fact=PYTHON, op="present")
        yield Check(
            code="python-missing",
            level="deny",
            fact=PYTHON,
            op="present",
            value=None,
            message=f"the training interpreter {ticked(python.path)} does not answer on the target",
            hints=("set `python.path` to the program, environment or prefix that has the trainer's packages",),
            probe=f"{prologue(wanted)}{found_python(wanted)} || :",
            key="python.path",
        )


def parse_python(answer: Answer) -> Known | Unknown:
    """Two lines: the interpreter's own path, and its version. Nothing: it is not there, and that is known."""
    lines = answer.text.splitlines()
    if answer.status == 0 and not lines:
        return Known(value="")
    if answer.status != 0 or len(lines) != 2:
        return Unknown(reason=answer.complaint)
    return Known(value={"path": lines[0], "version": lines[1]})


def program(wanted: Wanted) -> str:
    """The interpreter as the job's PATH finds it."""
    python = wanted.manifest.python
    return posixpath.basename(python.path) if python.kind == "existing" else "python"


def found_python(wanted: Wanted) -> str:
    """Prints the interpreter's path: the very one that a path names, never its namesake further down PATH."""
    exact = anchors.interpreter(wanted)
    return f"command -v {quote(program(wanted)) if exact is None else shell(exact)}"


def prologue(wanted: Wanted) -> str:
    """Lines sourced before probes and job: the manifest's, then the interpreter's folder in front of PATH."""
    python = wanted.manifest.python
    risky, lines = list(python.setup), []
    place = anchors.workspace(wanted)
    if python.kind == "existing" and "/" in python.path:
        lines.append(f'PATH={shell(anchors.beneath(place, posixpath.dirname(python.path)))}:"$PATH"')
    elif python.kind == "venv" or (python.kind == "conda" and "/" in python.path):
        home = anchors.beneath(place, python.path)
        lines += [
            f'PATH={shell(home + "/bin")}:"$PATH"',
            f"export {'VIRTUAL_ENV' if python.kind == 'venv' else 'CONDA_PREFIX'}={shell(home)}",
        ]
    elif python.kind == "conda":
        risky += ['eval "$(conda shell.bash hook)"', f"conda activate {quote(python.path)}"]
    required = (_REQUIRED.format(line=line, shown=quote(line)) for line in risky)
    return "".join((*required, *(f"{line}\n" for line in lines)))


def _venv(wanted: Wanted, facts: Facts) -> Iterable[Proposal]:
    home = anchors.beneath(anchors.workspace(wanted), wanted.manifest.python.path)
    install, want = "", "none"
    if wanted.manifest.python.requirements is not None:
        yield Put(
            id="requirements",
            name="files/requirements.txt",
            content=carried(facts, wanted.manifest.python.requirements),
            reason="python.requirements",
        )
        want = '$(cksum <"$SRPO_BUNDLE/files/requirements.txt")'
        install = (
            '"$home/bin/python" -m pip install --quiet --requirement "$SRPO_BUNDLE/files/requirements.txt" || exit\n'
        )
    yield Sh(id="venv", reason='python.kind = "venv"', script=f"""home={shell(home)}
want={want}
is_ready() {{ [ "$(cat "$home/.srpo-ready" 2>/dev/null)" = "$want" ]; }}
! is_ready || exit 0
mkdir -p -- "$(dirname -- "$home")" && exec 9>>"$home.building" || exit
"${{SRPO_PYTHON:-python3}}" -I -c 'import fcntl; fcntl.flock(9, fcntl.LOCK_EX)' || exit
! is_ready || exit 0
anew=
if [ -s "$home.building" ]; then
  echo "$home was cut off while it was made: it is made anew"
  anew=--clear
elif [ ! -e "$home" ] || [ -e "$home/.srpo-ready" ]; then
  echo "$$" >&9
fi
rm -f -- "$home/.srpo-ready"
PATH=${{PATH#"$home/bin:"}} python3 -m venv $anew "$home" || exit
{install}: >"$home.building"
printf '%s\\n' "$want" >"$home/.srpo-ready.new" && mv -T -- "$home/.srpo-ready.new" "$home/.srpo-ready"
""")  # fmt: skip


def made_later(wanted: Wanted) -> bool:
    """A virtual environment is made by a step: the plan does not rest on it."""
    return wanted.manifest.python.kind == "venv"
