"""Stage pre-launch: whether the training interpreter has what the trainer imports, asked without importing any of it."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from srpo_manifest.builtin.command import finals_of
from srpo_manifest.builtin.interpreter import found_python, made_later, prologue
from srpo_manifest.builtin.resources import NVIDIA_SMI
from srpo_manifest.plugin import (
    Answer,
    Check,
    EntryContract,
    Facts,
    Known,
    Level,
    Probe,
    Proposal,
    StageHandler,
    TargetProbe,
    Unknown,
    Wanted,
    arrivals,
    arriving,
    entry_of,
    hookimpl,
    quote,
    ticked,
)

PACKAGES = "target.packages"
_DISTRIBUTIONS = {
    "PIL": "Pillow",
    "cv2": "opencv-python",
    "yaml": "PyYAML",
    "sklearn": "scikit-learn",
    "skimage": "scikit-image",
    "dateutil": "python-dateutil",
    "clip": "openai-clip",
    "open_clip": "open-clip-torch",
    "google": "protobuf",
}
"""What pip calls a package whose name Python does not tell."""
# Python of any version from 3.8 on runs it. The driver's least major version by CUDA's: "CUDA Compatibility", minor version compatibility.
_LOOK = r"""import sys
sys.path[:] = [folder for folder in sys.path if folder]
import importlib.util, json, os, re
from importlib.machinery import PathFinder
want = json.loads(sys.argv[1])
def spec(name, ask=importlib.util.find_spec):
    try:
        return ask(name)
    except (ImportError, ValueError, AttributeError):
        return None
def release(text):
    return [int(part) for part in re.match(r"v?(\d*(?:\.\d+)*)", text)[1].split(".") if part]
def holds(version, condition):
    operator, wanted = re.match(r"\s*(==|!=|>=|<=|>|<)?\s*(\S+)", condition).groups()
    have, limit = release(version), release(wanted)
    if wanted.endswith(".*"):
        return (have[:len(limit)] == limit) == (operator != "!=")
    size = max(len(have), len(limit))
    have, limit = ([*one, *[0] * (size - len(one))] for one in (have, limit))
    return {"!=": have != limit, ">=": have >= limit, "<=": have <= limit, ">": have > limit, "<": have < limit}.get(operator, have == limit)
def installed():
    from importlib import metadata
    for name, condition in want["pins"].items():
        try:
            yield name, condition, metadata.version(name)
        except metadata.PackageNotFoundError:
            pass
there = list(installed())
def differing():
    for name, condition, version in there:
        if not all(holds(version, one) for one in condition.split(",")):
            yield "%s %s (known to work: %s)" % (name, version, condition)
def built_for():
    torch = spec("torch")
    for folder in (torch and torch.submodule_search_locations) or ():
        try:
            with open(os.path.join(folder, "version.py"), encoding="utf-8") as file:
                text = file.read()
        except OSError:
            continue
        hip, cuda = (re.search(r"^%s\b[^=\n]*=\s*(?:['\"]([\d.]+)|(None))" % kind, text, re.M) for kind in ("hip", "cuda"))
        if cuda and not (hip and hip[1]):
            return cuda[1] or "none"
    return ""
found = {
    "missing": ", ".join(note for name, note in want["modules"].items() if spec(name) is None),
    "foreign": ", ".join("%s in %s" % (name, os.path.dirname(one.origin)) for name in want["own"] for one in [spec(name, PathFinder.find_spec)] if one and one.origin and one.origin != "namespace"),
    "pins": ", ".join(differing()),
    "pinned": ", ".join("%s %s" % (name, version) for name, _, version in there),
    "cuda": built_for(),
}
found["cpu"] = "is built without CUDA" if found["cuda"] == "none" else ""
least = {"11": 450, "12": 525, "13": 580}.get(found["cuda"].partition(".")[0])
driver = (sys.argv[2:] or [""])[0]
found["driver"] = "is built for CUDA %s, which needs an NVIDIA driver of %d or newer; the target has %s" % (found["cuda"], least, driver) if least and driver[:1].isdigit() and int(driver.partition(".")[0]) < least else ""
print(found[want["only"]] if want["only"] else json.dumps(found))
"""
_ASK = """python=$({found}) || exit 0
driver=$({smi} --query-gpu=driver_version --format=csv,noheader 2>/dev/null | head -n 1)
cd / && PYTHONPATH={path} PYTHONDONTWRITEBYTECODE=1 timeout 60 "$python" -c {look} {want} "$driver"
"""


@hookimpl
def srpo_pre_launch(wanted: Wanted) -> StageHandler:  # noqa: ARG001 - whether there is something to ask is known with the pin
    """The built-in answer for programs in Python."""
    return Packages()


class Packages:
    """What the program imports at its start, its own folders, versions that matter, and what torch was built for."""

    def probes(self, wanted: Wanted, facts: Facts) -> Iterable[Probe]:
        if _is_asked(wanted, facts) and not made_later(wanted):
            yield TargetProbe(name=PACKAGES, script=_script(wanted, facts), parse=parse_packages)

    def steps(self, wanted: Wanted, facts: Facts) -> Iterable[Proposal]:
        if not _is_asked(wanted, facts):
            return
        answer = facts.get(PACKAGES, dict[str, str])
        found: dict[str, str] = {} if isinstance(answer, Unknown) else answer
        entry = entry_of(wanted, facts)
        python = ticked(wanted.manifest.python.path)
        built = found if found.get("cuda") else {}

        def check(
            code: str, key: str, message: str, *hints: str, level: Level = "deny", told: dict[str, str] = found
        ) -> Check:
            return Check(
                code=code,
                level=level,
                fact=f"{PACKAGES}.{key}",
                op="absent",
                value=None,
                message=message,
                hints=hints,
                probe=_script(wanted, facts, only=key),
                known=told.get(key),
                key="python.path",
            )

        if _modules(wanted, facts, entry):
            yield check(
                "package-missing",
                "missing",
                f"the training interpreter {python} lacks {{found}}",
                "install it there, or set `python.path` to the environment that has it",
            )
        if _own(entry):
            yield check(
                "package-foreign",
                "foreign",
                f"the training interpreter {python} has another {{found}}: it would be imported in place of the checkout's, which has no `__init__.py`",
                "uninstall it there, or set `python.path` to an environment without it",
            )
        if wanted.trainer.packages:
            yield check(
                "package-version",
                "pins",
                f"the training interpreter {python} has other versions than those that {wanted.trainer.title} is known to work with: {{found}}",
                'install the known ones, or silence it with `[lints] package-version = "allow"` once it has worked',
                level="warn",
                told=found if found.get("pinned") else {},
            )
        if wanted.trainer.needs_gpu and "torch" in entry.imports:
            yield check(
                "torch-cpu",
                "cpu",
                f"the torch of {python} {{found}}, and this trainer needs GPUs",
                "install torch from the index of the CUDA version that the driver supports",
                told=built,
            )
            yield check(
                "driver-old",
                "driver",
                f"the torch of {python} {{found}}: no worker could start",
                "update the driver, or install a torch that is built for an older CUDA",
                told=built,
            )


def parse_packages(answer: Answer) -> Known | Unknown:
    """One JSON object of texts; nothing at all where the interpreter is not there, which another check tells."""
    if answer.status != 0:
        return Unknown(reason="it took longer than 60 seconds" if answer.status == 124 else answer.complaint)
    if not answer.text:
        return Unknown(reason="the training interpreter does not answer")
    try:
        return Known(value=json.loads(answer.output))
    except ValueError:
        return Unknown(reason=f"the training interpreter said {answer.text[:80]!r}")


def _by_pip(module: str) -> str:
    """What pip calls the package, where that is another name."""
    name = _DISTRIBUTIONS.get(module)
    return f"; pip calls it {name}" if name else ""


def _is_asked(wanted: Wanted, facts: Facts) -> bool:
    return bool(entry_of(wanted, facts).imports or wanted.trainer.packages or wanted.trainer.modules)


def _script(wanted: Wanted, facts: Facts, only: str = "") -> str:
    entry = entry_of(wanted, facts)
    want: dict[str, Any] = {
        "modules": _modules(wanted, facts, entry),
        "own": _own(entry),
        "pins": wanted.trainer.packages,
        "only": only,
    }
    given = wanted.manifest.env.get("PYTHONPATH")
    return prologue(wanted) + _ASK.format(
        found=found_python(wanted),
        smi=NVIDIA_SMI,
        path=quote(given if isinstance(given, str) else ""),
        look=quote(_LOOK),
        want=quote(json.dumps(want, sort_keys=True)),
    )


def _modules(wanted: Wanted, facts: Facts, entry: EntryContract) -> dict[str, str]:
    """What must be found, with what to say where it is not."""
    asked = {name: f"{ticked(name)} ({one.at}{_by_pip(name)})" for name, one in entry.imports.items() if not one.own}
    values = arriving(finals_of(wanted, facts), entry.arguments, wanted.trainer)
    for module in wanted.trainer.modules:
        if all(arrivals.holds(condition, values) for condition in module.when):
            asked[module.name] = f"{ticked(module.name)} ({module.why})"
    return asked


def _own(entry: EntryContract) -> list[str]:
    return [name for name, one in entry.imports.items() if one.own]
