"""Repositories and urls that would run something here: none does. Each holds a canary, a file that must not come to be."""

from __future__ import annotations

import hashlib
import io
import os
import subprocess
import tarfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias

import msgspec
import pytest

from srpo_manifest.builtin.repo import GitRepo
from srpo_manifest.engine.mirror import Mirror
from srpo_manifest.engine.pin import read_pin
from srpo_manifest.errors import SrpoManifestError
from srpo_manifest.planning.entry import PIN
from srpo_manifest.values.facts import Facts, Known
from srpo_manifest.values.step import Sh

RUN = "touch ./canary"
URLS = {
    "a helper that runs what follows": f"ext::sh -c '{RUN}'",
    "the same in a helper's own spelling": f"ext::sh% -c% {RUN.replace(' ', '% ')}",
    "the same in capitals": f"EXT::sh -c '{RUN}'",
    "a descriptor that is open": "fd::0,1/x",
    "a helper that somebody installed": "evil::address",
    "a helper that looks like a scheme": "evil://address",
    "an option of fetch": f"--upload-pack={RUN};",
    "the same, short": f"-u{RUN};",
    "an option for ssh as host (CVE-2017-1000117)": f"ssh://-oProxyCommand={RUN}/x",
    "the same, encoded": f"ssh://%2DoProxyCommand={RUN.replace(' ', '%20')}/x",
    "the same, as user": f"ssh://-oProxyCommand={RUN}@localhost/x",
    "the same, after a user": "ssh://git@-oProxyCommand=touch/x",
    "the same, as the whole": f"-oProxyCommand={RUN}@localhost:x",
    "the same, in scp's spelling": "git@-oProxyCommand=touch:x",
    "a port that is an option": "ssh://localhost:-oProxyCommand=touch/x",
    "names for ssh's %h (CVE-2023-51385)": f"ssh://`{RUN}`.example.org/x",
    "the same, with a pipe": f"git@x|{RUN}:y",
    "a line end for credential helpers (CVE-2020-5260)": "https://example.org/%0ahost=github.com%0aprotocol=https",
    "the same, in the host (CVE-2020-11008)": "https://example.org%0ahost=github.com/x",
    "a carriage return for them (CVE-2024-52006)": "https://example.org/%0dhost=github.com",
    "a terminal's escape in the host (CVE-2024-50349)": "https://%1b[2Jexample.org/x",
    "a line end as it is": "https://example.org/\nhost=github.com",
    "a NUL": "https://example.org/\0x",
    "a password": "https://user:secret-word@example.org/x",
    "a protocol without a check": "git://example.org/x",
    "another": "http://example.org/x",
    "a protocol of curl": "ftp://example.org/x",
    "gopher": "gopher://example.org/x",
}
REFS = {
    "an option": f"--upload-pack={RUN};",
    "a refspec": "+refs/heads/*:refs/heads/*",
    "a command": f"main;{RUN}",
    "a command in another spelling": f"$({RUN})",
    "a path out": "refs/../../config",
    "a line end": "main\n--upload-pack=touch",
}
Tree: TypeAlias = "list[tuple[str, str, bytes | Tree]]"


@pytest.fixture
def canaries(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[], list[Path]]:
    """What came to be that should not have, anywhere in the test's folder, which is the current one."""
    monkeypatch.chdir(tmp_path)
    evil = tmp_path / "bin/git-remote-evil"
    evil.parent.mkdir()
    evil.write_text(f"#!/bin/sh\n{RUN}\n")
    evil.chmod(0o755)
    monkeypatch.setenv("PATH", f"{evil.parent}:{os.environ['PATH']}")
    return lambda: [path for path in tmp_path.rglob("*canary*") if path.name.startswith("canary")]


@pytest.fixture
def take(make, canaries, tmp_path: Path):
    """All that is done with a repository: fetched, read, packed, unpacked by the step of targets. Returns the files, or the code."""
    wanted = make.wanted(
        repo={"url": "x"}, paths={"workspace": str(tmp_path / "space")}, entry={"script": "scripts/run.sh"}
    )
    count = iter(range(1000))

    def call(url: str, ref: str | None = None) -> dict[str, bytes] | str:
        try:
            mirror = Mirror.of(url, tmp_path, tmp_path / f"cache/{next(count)}")
            commit = mirror.ensure(ref)
            pin = read_pin(mirror, url, ref, commit, (), wanted.trainer)
            tar = tmp_path / "bundle/tree.tar"
            tar.parent.mkdir(exist_ok=True)
            tar.write_bytes(b"".join(mirror.archive(commit)))
            for path in mirror.files(commit):
                mirror.read(commit, path)
        except SrpoManifestError as error:
            return "a secret is told" if "secret-word" in str(error.findings) else error.code
        facts = Facts(facts={PIN: Known(value=msgspec.to_builtins(pin))})
        (step,) = (one for one in GitRepo().steps(wanted, facts) if isinstance(one, Sh) and one.id == "checkout")
        done = subprocess.run(
            ["bash", "-c", step.script],
            env=os.environ | {"SRPO_BUNDLE": str(tar.parent)}, capture_output=True, text=True, check=False,
        )  # fmt: skip
        if done.returncode != 0:
            return "refused by tar"
        with tarfile.open(fileobj=io.BytesIO(tar.read_bytes())) as sent:
            return {one.name: sent.extractfile(one).read() for one in sent if one.isfile()}

    return call


@pytest.fixture
def forge(tmp_path: Path, git) -> Callable[[str, Tree], str]:
    """A repository whose tree no git would make: objects are written by hand. Returns its path."""

    def call(name: str, tree: Tree) -> str:
        folder = tmp_path / name
        folder.mkdir()
        git(folder, "init", "-q", "--bare", "-b", "main")

        def put(kind: str, data: bytes) -> str:
            whole = b"%s %d\0%s" % (kind.encode(), len(data), data)
            name = hashlib.sha1(whole).hexdigest()  # noqa: S324 - git's own
            file = folder / "objects" / name[:2] / name[2:]
            file.parent.mkdir(exist_ok=True)
            if not file.exists():
                file.write_bytes(zlib.compress(whole))
            return name

        def rows(entries: Tree) -> bytes:
            found = b""
            for mode, entry, content in entries:
                if isinstance(content, list):
                    held = put("tree", rows(content))
                else:
                    held = "1" * 40 if mode == "160000" else put("blob", content)
                found += b"%s %s\0%s" % (mode.encode(), entry.encode(), bytes.fromhex(held))
            return found

        root = put("tree", rows(tree))
        who = b"x <x@example.org> 1735689600 +0000"
        commit = put("commit", b"tree %s\nauthor %s\ncommitter %s\n\nx\n" % (root.encode(), who, who))
        (folder / "refs/heads/main").write_text(f"{commit}\n")
        return str(folder)

    return call


def test_hostile_urls_and_refs_reach_no_program(take, canaries, repository):
    """28 urls and 6 refs, each refused by its grammar."""
    repository({"a": "1"})
    codes = {name: take(url) for name, url in URLS.items()}
    assert {name: code for name, code in codes.items() if code not in ("url-unsafe", "url-credentials")} == {}
    assert {name: take("repo", ref) for name, ref in REFS.items()} == dict.fromkeys(REFS, "ref-unsafe")
    assert canaries() == []


def test_trees_that_no_git_makes_are_refused(take, canaries, forge):
    """Names that lead out, or into a `.git`, come no further than the fetch; so do submodules that are options."""
    script = ("100755", "post-checkout", f"#!/bin/sh\n{RUN}\n".encode())

    def modules(text: str) -> Tree:
        return [("100644", ".gitmodules", text.encode()), ("160000", "sub", b"")]

    trees: dict[str, Tree] = {
        "a folder .git with hooks": [("40000", ".git", [("40000", "hooks", [script])])],
        "the same in capitals (CVE-2014-9390)": [("40000", ".GIT", [("40000", "hooks", [script])])],
        "the same as Windows calls it (CVE-2019-1352)": [("40000", "git~1", [script])],
        "the same with a letter that HFS ignores": [("40000", ".g\u200cit", [script])],
        "a way up": [("40000", "..", [("100644", "canary", b"x")])],
        "here": [("40000", ".", [("100644", "canary", b"x")])],
        "a slash in a name": [("100644", "../canary", b"x")],
        "a path from the root": [("100644", "/tmp/srpo-canary", b"x")],
        "a link and a folder of one name (CVE-2021-21300)": [
            ("120000", "a", b".."), ("40000", "a", [("100644", "canary", b"x")]),
        ],
        "a submodule whose url is an option (CVE-2018-17456)": modules('[submodule "sub"]\npath = sub\nurl = --upload-pack=touch\n'),
        "a submodule whose path is an option (CVE-2018-17456)": modules('[submodule "sub"]\npath = --upload-pack=touch\nurl = x\n'),
        "a submodule whose name leads out (CVE-2018-11235)": modules('[submodule "../../hooks"]\npath = sub\nurl = x\n'),
        "a submodule that runs its update": modules('[submodule "sub"]\npath = sub\nurl = x\nupdate = !touch canary\n'),
        "a submodule's url with a line end": modules('[submodule "sub"]\npath = sub\nurl = "https://x\\nhost=y/"\n'),
        ".gitmodules as a link": [("120000", ".gitmodules", b"elsewhere")],
    }  # fmt: skip
    codes = {name: take(forge(f"forged{number}", tree)) for number, (name, tree) in enumerate(trees.items())}
    assert codes == dict.fromkeys(trees, "repo-hostile")
    assert canaries() == []
    assert not Path("/tmp/srpo-canary").exists()


def test_what_git_would_obey_in_a_tree_is_data(take, canaries, repository, git, tmp_path: Path):
    """Attributes, filters, links, large-file pointers, submodules and odd names arrive as committed."""
    for number in range(3):
        (tmp_path / "home").mkdir(exist_ok=True)
        git(tmp_path, "config", "--global", f"filter.f{number}.smudge", RUN)
        git(tmp_path, "config", "--global", f"filter.f{number}.process", RUN)
        git(tmp_path, "config", "--global", f"filter.f{number}.required", "true")
    git(tmp_path, "config", "--global", "diff.evil.textconv", RUN)
    git(tmp_path, "config", "--global", "tar.tar.command", RUN)
    files = {
        ".gitattributes": "".join(f"f{n} filter=f{n}\n" for n in range(3)) + "e export-subst\nx export-ignore\n* diff=evil merge=evil\n",
        "f0": "1", "f1": "2", "f2": "3", "e": f"$Format:%H{RUN}$", "x": "kept",
        "weights": "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n",
        ".lfsconfig": '[lfs]\nurl = ext::touch% canary\n[lfs "customtransfer.x"]\npath = touch\nargs = canary\n',
        ".gitmodules": '[submodule "sub"]\npath = "sub\\r"\nurl = ext::touch% canary\n',  # CVE-2025-48384
        "-rf": "a", "--checkpoint-action=exec=touch canary": "b", "--use-compress-program=touch canary": "c",
        "hooks/post-checkout": RUN, "Makefile": RUN, ".envrc": RUN, "conftest.py": "open('canary', 'w')",
        "sitecustomize.py": "open('canary', 'w')", ".bashrc": RUN, ".tarrc": RUN,
    }  # fmt: skip
    folder = tmp_path / "repo"
    folder.mkdir()
    git(folder, "init", "-q", "-b", "main")
    for name in ("scripts", "etc"):
        (folder / name).symlink_to("/etc")
    plain = {"GIT_CONFIG_GLOBAL": "/dev/null", "GIT_AUTHOR_NAME": "x", "GIT_AUTHOR_EMAIL": "x", "GIT_COMMITTER_NAME": "x", "GIT_COMMITTER_EMAIL": "x"}  # fmt: skip
    for name, text in files.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(text)
    for words in (("add", "-A"), ("commit", "-q", "-m", "x")):
        subprocess.run(["git", "-C", folder, *words], check=True, env=os.environ | plain)
    assert take(str(folder)) == {name: text.encode() for name, text in files.items()}
    (checkout,) = (tmp_path / "space/.srpo/checkouts").iterdir()
    assert (checkout / "scripts").is_symlink()  # it leads out, and is refused as the way to a script
    mirror = Mirror.of(str(folder), tmp_path, tmp_path / "cache/again")
    commit = mirror.ensure(None)
    assert mirror.read(commit, "scripts/passwd") is None
    assert mirror.read(commit, "scripts") is None
    assert canaries() == []


def test_the_settings_of_a_source_run_nothing_here(take, canaries, repository, git, tmp_path: Path):
    """A local repository brings its own configuration and hooks (CVE-2022-24765, CVE-2024-32004 and 32465)."""
    folder = repository({"a": "1"})
    outside = repository({"secret": "s"}, "outside")
    settings = {
        "core.fsmonitor": RUN, "core.sshCommand": RUN, "core.gitProxy": RUN, "core.pager": RUN, "core.editor": RUN,
        "core.alternateRefsCommand": RUN, "core.hooksPath": "hooks", "core.askPass": RUN, "credential.helper": f"!{RUN}",
        "uploadpack.packObjectsHook": RUN, "diff.external": RUN, "gpg.program": RUN, "remote.origin.uploadpack": RUN,
        "remote.origin.url": "ext::touch% canary", "remote.origin.promisor": "true", "remote.origin.vcs": "evil",
        "extensions.partialClone": "origin", "uploadpack.advertiseBundleURIs": "true",
        "bundle.version": "1", "bundle.mode": "all", "bundle.x.uri": f"file://{tmp_path}/canary",
        "alias.upload-pack": f"!{RUN}", "include.path": f"{tmp_path}/more",
    }  # fmt: skip
    (tmp_path / "more").write_text(f"[core]\n\tfsmonitor = {RUN}\n")
    for name, value in settings.items():
        git(folder, "config", name, value)
    for name in ("post-checkout", "pre-receive", "post-index-change", "reference-transaction", "fsmonitor-watchman"):
        hook = folder / ".git/hooks" / name
        hook.parent.mkdir(exist_ok=True)
        hook.write_text(f"#!/bin/sh\n{RUN}\n")
        hook.chmod(0o755)
    (folder / ".git/objects/info").mkdir(exist_ok=True)
    (folder / ".git/objects/info/alternates").write_text(f"{outside}/.git/objects\n")
    assert take(str(folder)) == {"a": b"1"}
    assert take(f"file://{folder}") == {"a": b"1"}
    blob = git(folder, "rev-parse", "HEAD:a")
    (folder / ".git/objects" / blob[:2] / blob[2:]).unlink()  # git would ask the promisor for it
    assert take(str(folder)) == "objects-missing"
    assert take(f"file://{folder}") == "objects-missing"
    assert canaries() == []


def test_the_environment_gives_git_no_orders(take, canaries, repository, monkeypatch):
    """What others left in it is not for the git that we start."""
    repository({"a": "1"})
    for name, value in {
        "GIT_CONFIG_COUNT": "2", "GIT_CONFIG_KEY_0": "core.fsmonitor", "GIT_CONFIG_VALUE_0": RUN,
        "GIT_CONFIG_KEY_1": "uploadpack.packObjectsHook", "GIT_CONFIG_VALUE_1": RUN,
        "GIT_CONFIG_PARAMETERS": f"'uploadpack.packObjectsHook'='{RUN}'", "GIT_EXEC_PATH": "/nowhere", "GIT_DIR": "/nowhere",
        "GIT_TEMPLATE_DIR": "/nowhere", "GIT_PROXY_COMMAND": RUN, "GIT_EXTERNAL_DIFF": RUN, "GIT_ASKPASS": RUN, "GIT_PAGER": RUN,
        "GIT_ALLOW_PROTOCOL": "ext", "GIT_OBJECT_DIRECTORY": "/nowhere", "GIT_TRACE": f"{Path.cwd()}/canary", "GIT_EDITOR": RUN,
        "GIT_ATTR_SOURCE": "HEAD", "GIT_INDEX_FILE": "canary", "GIT_WORK_TREE": "/", "SSH_ASKPASS": RUN,
    }.items():  # fmt: skip
        monkeypatch.setenv(name, value)
    assert take("repo") == {"a": b"1"}
    assert canaries() == []


def test_a_users_rewritten_url_stays_within_the_protocols(take, canaries, git, tmp_path: Path):
    """`insteadOf` is the user's own; what it makes of a url meets the list of protocols all the same."""
    git(tmp_path, "config", "--global", "url.ext::touch% canary .insteadOf", "https://example.org/")
    assert take("https://example.org/x") == "repo-unreachable"
    assert canaries() == []
