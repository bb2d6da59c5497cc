"""`validate` in a stranger's checkout, watched by strace (R10)."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest

import srpo_manifest

HEAD = 'schema = 1\nname = "x"\n[model]\ntype = "generic"\n'
TOP = 'schema = 1\nname = "x"\n{}\n[model]\ntype = "generic"\n'
HOSTILE = {
    "good": HEAD,
    "climbs": TOP.format('extends = "../../outside/secret.toml"'),
    "absolute": TOP.format('extends = "{outside}/secret.toml"'),
    "home": TOP.format('extends = "~/secret.toml"'),
    "variable": TOP.format('extends = "$HOME/secret.toml"'),
    "by-link": TOP.format('extends = "link.part"'),
    "by-folder": TOP.format('extends = "folder/secret.toml"'),
    "pipe-part": TOP.format('extends = "pipe.part"'),
    "device": TOP.format('extends = "/dev/zero"'),
    "args-climb": HEAD + '[entry]\nargs_file = "../../outside/secret.json"\n',
    "args-link": HEAD + '[entry]\nargs_file = "link.json"\n',
    "args-process": HEAD + '[entry]\nargs_file = "/proc/self/environ"\n',
    "secret-file": HEAD + '[env]\nX = {{ file = "../../outside/secret.toml" }}\n',
    "concept": HEAD + '[paths]\nconcept_file = "../../outside/secret.json"\n',
    "requirements": HEAD + '[python]\nkind = "venv"\npath = "v"\nrequirements = "../../outside/secret.json"\n',
    "url": HEAD + '[repo]\nurl = "ssh://-oProxyCommand=touch%20canary/x"\n',
    "ext": HEAD + "[repo]\nurl = \"ext::sh -c 'touch canary'\"\n",
    "script": HEAD + '[entry]\nscript = "../../outside/run.sh"\n',
    "setup": HEAD + '[python]\nsetup = ["touch canary"]\n',
    "preload": HEAD + '[env]\nLD_PRELOAD = "./evil.so"\n',
    "plugin": TOP.format('plugins = ["nobody"]'),
    "kind": HEAD + '[backend.transport]\nkind = "nobody"\n',
    "deep": "a." * 5000 + "a = 1\n",
    "brackets": "a = " + "[" * 5000,
    "many": HEAD + "[entry.set]\n" + "".join(f"a{n} = 1\n" for n in range(30_000)),
    "huge": "#" * (2 << 20),
    "utf-16": "\ufeffschema = 1\n",
    "folder-of": HEAD + '[repo]\nurl = "demo:"\n',
}
SHADOWS = (
    "msgspec",
    "tomllib",
    "click",
    "srpo_manifest_evil",
    "platformdirs",
    "conftest",
    "sitecustomize",
    "pluggy",
    "json",
)


class Call(NamedTuple):
    """One call of the kernel."""

    name: str
    text: str
    failed: bool


def calls(trace: str) -> list[Call]:
    """Whole calls; those that strace tells in two parts are joined by process."""
    begun: dict[str, str] = {}
    found = []
    for line in trace.splitlines():
        pid, _, text = line.partition(" ")
        text = text.strip()
        if text.endswith("<unfinished ...>"):
            begun[pid] = text.removesuffix("<unfinished ...>")
            continue
        if resumed := re.match(r"<\.\.\. \w+ resumed>(.*)", text):
            text = begun.pop(pid, "") + resumed[1]
        if named := re.match(r"(\w+)\(", text):
            found.append(Call(named[1], text, " = -1 " in text))
    return found


@pytest.fixture(scope="module")
def stranger(tmp_path_factory: pytest.TempPathFactory, root: Path) -> Path:
    """Somebody's repository, with everything that may lead out of it, or run."""
    place = tmp_path_factory.mktemp("stranger")
    repo, outside = place / "repo", place / "outside"
    shutil.copytree(root / "manifests", repo / "manifests")
    shutil.copytree(root / "tests/reading", repo / "reading", ignore=shutil.ignore_patterns("*.py", "__pycache__"))
    (repo / ".git").mkdir()
    outside.mkdir()
    (place / "home").mkdir()
    for path in (outside / "secret.toml", place / "home/secret.toml"):
        path.write_text('name = "leaked"\n')
    (outside / "secret.json").write_text('{"args": ["--leaked"]}')
    (outside / "m.toml").write_text(HEAD.replace('"x"', '"leaked"'))
    hostile = repo / "hostile"
    hostile.mkdir()
    for name, text in HOSTILE.items():
        encoding = "utf-16-le" if name == "utf-16" else "utf-8"
        (hostile / f"{name}.toml").write_text(text.replace("{outside}", str(outside)), encoding=encoding)
    (hostile / "link.part").symlink_to(outside / "secret.toml")
    (hostile / "link.json").symlink_to(outside / "secret.json")
    (hostile / "folder").symlink_to(outside)
    (hostile / "out.toml").symlink_to(outside / "m.toml")
    (hostile / "loop.toml").symlink_to("loop.toml")
    (hostile / "zero.toml").symlink_to("/dev/zero")
    os.mkfifo(hostile / "pipe.part")
    os.mkfifo(hostile / "pipe.toml")
    (hostile / "is-folder.toml").mkdir()
    locked = repo / "locked"
    locked.mkdir()
    (locked / "m.toml").write_text(HEAD)
    (locked / "srpo.lock").symlink_to(outside / "secret.toml")
    for name in SHADOWS:
        (repo / f"{name}.py").write_text("open('canary', 'w').close()\nraise SystemExit('shadowed')\n")
    info = repo / "nobody-1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: nobody\nVersion: 1\n")
    (info / "entry_points.txt").write_text("[srpo_manifest]\nnobody = srpo_manifest_evil\n")
    return place


@pytest.mark.fault(41, "file-unreadable")
@pytest.mark.fault(41, "file-outside")
@pytest.mark.parametrize("how", ["module", "script"])
def test_validate_starts_nothing_asks_nobody_and_opens_nothing_outside(stranger: Path, need, how: str):
    """Over the whole corpus: one execve (its own), no socket, no file but Python's, the package's and the repository's."""
    need("strace")
    repo = stranger / "repo"
    files = sorted(f"hostile/{file.name}" for file in (repo / "hostile").iterdir() if file.suffix == ".toml")
    files += ["manifests", "manifests/diffusers", "locked/m.toml", "reading/full.toml", "not-there.toml"]
    script = Path(sys.executable).with_name("srpo-manifest")
    program = [sys.executable, "-m", "srpo_manifest"] if how == "module" else [str(script)]
    trace = stranger / f"{how}.trace"
    env = {name: value for name, value in os.environ.items() if not name.startswith(("SRPO_", "PYTHON"))}
    said = subprocess.run(
        ["strace", "-f", "-qq", "-s", "4096", "-e", "trace=%process,%network,%file", "-o", trace, *program, "validate", *files],
        cwd=repo, env=env | {"HOME": str(stranger / "home")}, capture_output=True, text=True, timeout=300, check=False, stdin=subprocess.DEVNULL,
    )  # fmt: skip
    assert said.returncode == 2, said.stderr
    assert "Traceback" not in said.stderr
    assert "leaked" not in said.stdout + said.stderr
    for code in ("file-outside", "file-unreadable", "too-deep", "file-too-large", "not-utf8", "plugin-missing", "lock-unreadable"):  # fmt: skip
        assert f"error[{code}]" in said.stdout, code
    assert not list(stranger.rglob("canary"))
    found = calls(trace.read_text(encoding="utf-8", errors="replace"))
    assert len(found) > 100
    assert [call.text for call in found if call.name.startswith("execve")][1:] == []
    started = ("fork", "vfork", "clone", "clone3", "socket", "connect", "bind", "sendto", "socketpair")
    assert [call.text for call in found if call.name in started] == []
    package = Path(srpo_manifest.__file__).parent
    prefixes = {sys.prefix, sys.base_prefix, os.path.realpath(sys.base_prefix), os.path.realpath(sys.prefix), *sys.path}
    allowed = [str(repo), str(package), "/usr/lib", "/lib", "/usr/local/lib", "/usr/share", "/etc/ld.so", "/etc/localtime", "/proc/self/fd", "/dev/null"]  # fmt: skip
    allowed += [
        prefix for prefix in prefixes if prefix not in ("", "/", "/usr") and not str(stranger).startswith(prefix)
    ]
    strange = []
    for call in found:
        if not call.name.startswith("open") or call.failed:
            continue
        path = re.search(r'"((?:[^"\\]|\\.)*)"', call.text)
        at = str(repo / path[1]) if path else ""
        inside = any(at == one or at.startswith(one.rstrip("/") + "/") or (one == "/etc/ld.so" and at.startswith(one)) for one in allowed)  # fmt: skip
        if not inside or os.path.realpath(at).startswith((str(stranger / "outside"), str(stranger / "home"))):
            strange.append(call.text)
    assert strange == []
    shadows = [call.text for call in found if any(f"{repo}/{name}.py" in call.text for name in SHADOWS)]
    assert shadows == []


def test_a_module_in_the_current_folder_is_never_ours(tmp_path: Path):
    """Whatever the verb; `python -m` looks there first."""
    for name in SHADOWS:
        (tmp_path / f"{name}.py").write_text("open('canary', 'w').close()\n")
    env = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    for verb in (["--version"], ["validate", "x.toml"], ["doctor"]):
        subprocess.run(
            [sys.executable, "-m", "srpo_manifest", *verb], cwd=tmp_path, env=env, capture_output=True, check=False, timeout=120
        )  # fmt: skip
        assert not (tmp_path / "canary").exists(), verb
