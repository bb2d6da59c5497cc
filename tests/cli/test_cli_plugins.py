"""Plugins as strangers install them: distributions on the path, found by their entry points."""

from __future__ import annotations

import json
import re
import time
from pathlib import Path

import pytest
import upstream_target

from srpo_manifest.engine.guards import GuardedTransport
from srpo_manifest.errors import PluginError
from srpo_manifest.ports.probes import Answer
from srpo_manifest.reading.canonical import digest
from srpo_manifest.reading.trainer import parse_trainer
from srpo_manifest.values.plan import Provider

GENERIC = """schema = 1
name = "own"
plugins = [{plugins}]
[repo]
url = "demo:"
[model]
type = "{model}"
[entry]
command = ["bash", "-c", "printf %s \\"$FROM_PLUGIN\\" >seen"]
[done]
exit_zero = true
{rest}
"""
GOOD = """
import json
from srpo_manifest.plugin import AtEnd, EnvVariable, hookimpl, word

class Handler:
    def probes(self, wanted, facts):
        return ()

    def steps(self, wanted, facts):
        yield EnvVariable(name="FROM_PLUGIN", value=word("it's here"))

class Ends:
    def probes(self, wanted, facts):
        return ()

    def steps(self, wanted, facts):
        yield AtEnd(id="tell", script='printf %s "$SRPO_RUN_OUTCOME" >"$SRPO_RUN_DIR/told"', reason="to tell")

@hookimpl
def srpo_build_env(wanted):
    return Handler()

@hookimpl
def srpo_on_stop(wanted):
    return Ends()

@hookimpl
def srpo_observe(event):
    with open("observed", "a") as file:
        file.write(event["event"] + "\\n")
"""
TRANSPORT = """
from typing import Annotated, Literal
from msgspec import Meta
from srpo_manifest.plugin import PipedTransport, TransportOptions, hookimpl

class Options(TransportOptions, kw_only=True):
    kind: Literal["wrapped"]
    mark: Annotated[str, Meta(description="A file to touch.")]

class Kind:
    options = Options

    def open(self, options, wanted, facts):
        return PipedTransport(prefix=("sh", "-c", 'touch "$0" && exec "$@"', options.mark), place="the wrapped machine")

@hookimpl
def srpo_transport():
    return Kind()
"""
TRAINER = """
from srpo_manifest.plugin import hookimpl

@hookimpl
def srpo_trainer():
    return [b\'format = 1\\nname = "theirs"\\ntitle = "of another family"\\nneeds_gpu = false\\n[done]\\nexit_zero = true\\n\']
"""


@pytest.fixture
def install(place):
    """Install a distribution that brings one plugin."""
    site = place.folder / "site"
    place.env["PYTHONPATH"] = str(site)

    def make(name: str, source: str, version: str = "1.2", distribution: str | None = None):
        module = f"plug_{name}_{distribution or 'x'}".replace("-", "_")
        place.write(f"site/{module}.py", source)
        info = f"site/{distribution or f'srpo_manifest_{name}'}-{version}.dist-info"
        place.write(
            f"{info}/METADATA",
            f"Metadata-Version: 2.1\nName: {distribution or f'srpo-manifest-{name}'}\nVersion: {version}\n",
        )
        place.write(f"{info}/entry_points.txt", f"[srpo_manifest]\n{name} = {module}\n")

    return make


def manifest(place, *plugins: str, model: str = "generic", rest: str = "") -> None:
    place.write("srpo.toml", GENERIC.format(plugins=", ".join(map(json.dumps, plugins)), model=model, rest=rest))


def test_a_stage_plugin_has_its_say(place, install, say):
    """Its variable reaches the job, its end step runs on the target, its observer hears every event."""
    install("notify", GOOD)
    manifest(place, "notify")
    said = say("apply", "--json")
    assert said.status == 0, said.err
    assert (place.folder / "seen").read_text() == "it's here"
    (told,) = place.folder.glob(".srpo/runs/*/attempt-1/node-0/told")
    assert told.read_text() == "succeeded"
    observed = (place.folder / "observed").read_text().split()
    assert observed[-1] == "run.ended"
    plan = say("plan", "--json", "--again").json
    assert plan["backend"]["plugins"] == [{"name": "notify", "version": "1.2"}]
    assert [step["provider"] for step in plan["steps"] if step["id"] == "tell"] == ["notify"]


def test_a_stop_is_told_by_its_status_whatever_was_going_on(place, install, say):
    """Here text that a library makes a class of: Python would rather end itself by SIGINT."""
    install("asked", "exec('import os, signal; os.kill(os.getpid(), signal.SIGTERM); os.getpid()')")
    manifest(place, "asked")
    assert say("apply").status == 130


def test_a_plan_does_not_depend_on_what_else_is_installed(place, install, say):
    """Only what the manifest names is loaded."""
    manifest(place)
    before = say("plan", "--json").out
    install("notify", "raise SystemError('nobody asked for me')")
    assert say("plan", "--json").out == before


def test_plugins_list_tells_who_brings_what_and_what_is_broken(place, install, say):
    """Each is loaded to find out."""
    install("notify", GOOD)
    install("broken", "raise ValueError('no')")
    found = {plugin["name"]: plugin for plugin in say("plugins", "list", "--json").json["plugins"]}
    assert found["notify"]["provides"] == ["srpo_build_env", "srpo_observe", "srpo_on_stop"]
    assert found["notify"]["distribution"] == "srpo-manifest-notify"
    assert "ValueError: no" in found["broken"]["fault"]


@pytest.mark.parametrize(
    ("source", "code", "words"),
    [
        ("raise ValueError('no')", "plugin-broken", "plugin `bad` 1.2 cannot be loaded: ValueError: no"),
        (
            "from srpo_manifest.plugin import hookimpl\n@hookimpl\ndef srpo_build_env(wanted):\n    return 7\n",
            "plugin-answer",
            "plugin `bad` 1.2 answered srpo_build_env with `int`, expected a StageHandler",
        ),
        (
            "from srpo_manifest.plugin import hookimpl\n@hookimpl\ndef srpo_build_env(wanted):\n    return 1 / 0\n",
            "plugin-failed",
            "plugin `bad` 1.2 failed in srpo_build_env: ZeroDivisionError",
        ),
        (
            (
                "from srpo_manifest.plugin import hookimpl\nclass H:\n    def probes(self, wanted, facts): return ()\n"
                "    def steps(self, wanted, facts): yield 'x'\n@hookimpl\ndef srpo_build_env(wanted):\n    return H()\n"
            ),
            "plugin-answer",
            "plugin `bad` 1.2 answered stage build-env with `str`, expected a proposal",
        ),
        (
            "from srpo_manifest.plugin import hookimpl\n@hookimpl\ndef srpo_no_such_hook(wanted):\n    return None\n",
            "plugin-incompatible",
            "plugin `bad` 1.2 does not fit srpo-manifest",
        ),
        (
            "from srpo_manifest.plugin import FromTheFuture\n",
            "plugin-incompatible",
            "cannot import name 'FromTheFuture' from 'srpo_manifest.plugin'",
        ),
        (
            "from srpo_manifest.plugin import hookimpl\n@hookimpl\ndef srpo_build_env(wanted, weather):\n    return None\n",
            "plugin-incompatible",
            "weather",
        ),
        ("import nowhere_to_be_found\n", "plugin-broken", "No module named 'nowhere_to_be_found'"),
    ],
)
@pytest.mark.fault(69, "plugin-failed")
@pytest.mark.fault(69, "plugin-answer")
@pytest.mark.fault(69, "plugin-broken")
@pytest.mark.fault(70, "plugin-incompatible")
def test_a_fault_of_a_plugin_has_its_name(place, install, say, source: str, code: str, words: str):
    """One sentence, exit 2, no traceback."""
    install("bad", source)
    manifest(place, "bad")
    said = say("plan")
    assert said.status == 2
    assert said.err.startswith(f"error[{code}]: ")
    assert words in said.err
    assert "`srpo-manifest-bad`" in said.err


STEPS = """
import time
from srpo_manifest.plugin import AtEnd, Check, Content, Put, Sh, hookimpl
class H:
    def probes(self, wanted, facts): return ()
    def steps(self, wanted, facts):
        {}
@hookimpl
def srpo_on_stop(wanted): return H()
"""
ENDS = """
from srpo_manifest.plugin import AtEnd, hookimpl
class H:
    def probes(self, wanted, facts): return ()
    def steps(self, wanted, facts): return [AtEnd(id="end", script={!r}, reason="to tell")]
@hookimpl
def srpo_on_stop(wanted): return H()
"""
PROBES = """
from srpo_manifest.plugin import ControllerProbe, Environment, Facts, Known, TargetProbe, hookimpl
class H:
    def probes(self, wanted, facts): return [{}]
    def steps(self, wanted, facts): return ()
@hookimpl
def srpo_build_env(wanted): return H()
"""


@pytest.mark.fault(69, "plugin-answer")
@pytest.mark.parametrize(
    ("source", "code", "words"),
    [
        (PROBES.format('TargetProbe(name="x", script="true", parse=lambda answer: 1 / 0)'), "plugin-failed", "plugin `odd` 1.2 failed in the parser of `x`: ZeroDivisionError"),
        (PROBES.format('TargetProbe(name="x", script="true", parse=lambda answer: 7)'), "plugin-answer", "answered the parser of `x` with `int`, expected Known or Unknown"),
        (PROBES.format('TargetProbe(name="x", script="true", parse=lambda answer: Known(value=object()))'), "plugin-answer", "`Known`, which plugin `odd` 1.2 answered stage build-env with, has another shape"),
        (PROBES.format('TargetProbe(name="x", script=7)'), "plugin-answer", "`script`: Expected `str`, got `int`"),
        (PROBES.format('TargetProbe(name="x", script="", parse=7)'), "plugin-answer", "`parse`: it is no function"),
        (PROBES.format('ControllerProbe(name="x", question=Environment(variable=7))'), "plugin-answer", "`question`: `variable`: Expected `str`"),
        (PROBES.format('ControllerProbe(name="x", question=7)'), "plugin-answer", "`question`: "),
        (PROBES.format('TargetProbe(name="target.supervisor", script="true", parse=lambda answer: Known(value=1))'), "plugin-answer", "`target.supervisor`, which plugin `odd` 1.2 answered stage build-env with, is a fact that another part asks for"),
        (PROBES.format('TargetProbe(name="target.runs", script="true", parse=lambda answer: Known(value=1))'), "plugin-answer", "is a fact that another part asks for"),
        (STEPS.format('yield Check(code="no good", level="deny", fact="x", op="present", value=None, message="x")'), "plugin-answer", "`no good`, which plugin `odd` 1.2 answered stage on-stop with, is no code"),
        (STEPS.format('yield AtEnd(id="x", script="true", reason="x")').replace("on_stop", "launch"), "plugin-answer", "expected a JobStep, or a Fault"),
        (STEPS.format('yield AtEnd(id=7, script="true", reason="x")'), "plugin-answer", "`id`: Expected `str`, got `int`"),
        (STEPS.format('yield Sh(id="x", script=None, reason="x")'), "plugin-answer", "`script`: Expected `str`, got `null`"),
        (STEPS.format('yield Put(id="x", name="x", content="x", reason="x")'), "plugin-answer", "`content`: "),
    ],
)  # fmt: skip
def test_a_fault_within_an_answer_of_a_plugin_has_its_name(place, install, say, source: str, code: str, words: str):
    """Parsers of probes, and fields that hold something else than their type says."""
    install("odd", source)
    manifest(place, "odd")
    said = say("plan")
    assert said.status == 2
    assert said.err.startswith(f"error[{code}]: ")
    assert words in said.err
    assert "`srpo-manifest-odd`" in said.err


@pytest.mark.fault(69, "plugin-hung")
@pytest.mark.parametrize(
    "source",
    ["import time\ntime.sleep(60)", STEPS.format("time.sleep(60); yield"), STEPS.format("while True:\n            try: time.sleep(60)\n            except Exception: pass")],
)  # fmt: skip
def test_a_plugin_that_hangs_is_named(place, install, say, source: str):
    """Its import or a hook, even one that takes every error for its own."""
    install("slow", source)
    manifest(place, "slow")
    said = say("plan", SRPO_MANIFEST_PLUGIN_SECONDS="0.5")
    assert said.status == 2
    assert said.err.startswith("error[plugin-hung]: plugin `slow` 1.2 did not answer within 0.5 seconds in ")
    assert "`srpo-manifest-slow`" in said.err


@pytest.mark.fault(69, "plugin-hung")
def test_an_observer_that_hangs_is_asked_no_more(place, install, say):
    """The run and its view go on; no later verb of the run waits for it again."""
    install(
        "slow",
        "import time\nfrom srpo_manifest.plugin import hookimpl\n@hookimpl\ndef srpo_observe(event):\n    time.sleep(60)\n",
    )
    manifest(place, "slow")
    said = say("apply", "--json", SRPO_MANIFEST_PLUGIN_SECONDS="0.5")
    assert said.status == 0, said.err
    assert [event["code"] for event in said.events if event["event"] == "warning.raised"].count("plugin-hung") == 1


def test_the_verbs_of_a_run_do_without_a_plugin_that_has_broken_since(place, install, say):
    """Whatever became of it, the run is asked and stopped."""
    install("notify", GOOD)
    manifest(place, "notify")
    assert say("apply").status == 0
    install("notify", "raise ValueError('no')")
    assert say("status").out.split()[1].startswith("succeeded")
    assert [say(verb).status for verb in ("logs", "stop", "wait", "attach")] == [0, 0, 0, 0]


PARTLY = """
from srpo_manifest.plugin import hookimpl
@hookimpl
def srpo_observe(event):
    raise ValueError('heard')
"""
BROKEN = {
    "raises": ("raise ValueError('no')", "plugin-broken"),
    "leaves": ("raise SystemExit(0)", "plugin-broken"),
    "hangs": ("import time\ntime.sleep(60)", "plugin-hung"),
    "is of another time": ("from srpo_manifest.plugin import FromTheFuture", "plugin-incompatible"),
    "fits in part": (f"{PARTLY}@hookimpl\ndef srpo_no_such_hook(wanted):\n    return None\n", "plugin-incompatible"),
}
IN_EXEC = ("raises in exec", "leaves in exec", "executes to another type", "answers with text", "answers without a status")  # fmt: skip
VERBS = (["status"], ["logs"], ["stop"], ["wait"], ["fetch"])


@pytest.mark.fault(69, "the verbs of a run do without")
@pytest.mark.parametrize("how", BROKEN)
def test_no_verb_of_a_run_waits_for_a_stage_plugin(place, install, say, how: str):
    """Only who follows loads observers, and names the one that cannot be loaded."""
    source, code = BROKEN[how]
    install("notify", GOOD)
    manifest(place, "notify")
    assert say("apply").status == 0
    install("notify", f"open('asked', 'w')\n{source}")
    for verb in VERBS:
        said = say(*verb)
        assert said.status == 0, said.err
    assert not (place.folder / "asked").exists()
    said = say("attach", "--json", SRPO_MANIFEST_PLUGIN_SECONDS="0.5")
    assert said.status == 0, said.err
    (warning,) = (event for event in said.events if event["event"] == "warning.raised")
    assert (warning["code"], "plugin `notify` 1.2" in warning["message"]) == (code, True)


POST = "    def __post_init__(self): raise KeyError('no')\n"
PLACE = """
class Odd(PipedTransport):
    place = property(lambda self: 1 / 0, lambda self, place: None)
PipedTransport = Odd
"""
EXEC = """
from srpo_manifest.plugin import Answer
class Odd(PipedTransport):
    def exec(self, script, data=(), *, timeout_seconds): return odd()
PipedTransport = Odd
def odd(): """
REACHES = {
    "raises at import": ("raise ValueError('no')", "plugin-broken"),
    "leaves at import": ("raise SystemExit(0)", "plugin-broken"),
    "hangs at import": ("import time\ntime.sleep(600)", "plugin-hung"),
    "raises in open": (TRANSPORT.replace("return PipedTransport", "raise ValueError('no') #"), "plugin-failed"),
    "leaves in open": (TRANSPORT.replace("return PipedTransport", "raise SystemExit(0) #"), "plugin-failed"),
    "hangs in open": (TRANSPORT.replace("return PipedTransport", "import time; time.sleep(600) #"), "plugin-hung"),
    "opens nothing": (TRANSPORT.replace("return PipedTransport", "return None #"), "plugin-answer"),
    "answers with another type": (TRANSPORT.replace("return Kind()", "return 7"), "plugin-answer"),
    "has options of another type": (TRANSPORT.replace("options = Options", "options = {}"), "plugin-answer"),
    "wants other options today": (TRANSPORT.replace("mark:", "marks:"), "plugin-incompatible"),
    "has options that nobody decodes": (TRANSPORT.replace("mark:", "odd: list | set = ()\n    mark:"), "plugin-failed"),
    "has options that raise": (TRANSPORT.replace("class Kind:", f"{POST}class Kind:"), "plugin-failed"),
    "has a place that raises": (f"{TRANSPORT}{PLACE}", "plugin-failed"),
    "raises in exec": (f"{TRANSPORT}{EXEC}raise KeyError('no')", "plugin-failed"),
    "leaves in exec": (f"{TRANSPORT}{EXEC}raise SystemExit(0)", "plugin-failed"),
    "executes to another type": (f"{TRANSPORT}{EXEC}return 'text'", "plugin-answer"),
    "answers with text": (f"{TRANSPORT}{EXEC}return Answer(status=0, output='text')", "plugin-answer"),
    "answers without a status": (f"{TRANSPORT}{EXEC}return Answer(status=None, output=b'')", "plugin-answer"),
}


@pytest.mark.fault(69, "exit status 2, with its name")
@pytest.mark.parametrize("how", REACHES)
def test_a_transport_that_has_broken_since_is_named_by_every_verb_of_the_run(place, install, say, how: str):
    """Nobody else can reach the run: that is said, with whom to ask, and is no bug of ours."""
    source, code = REACHES[how]
    install("wrapped", TRANSPORT)
    tables = (
        f'[paths]\nworkspace = "{place.folder}"\n[backend.transport]\nkind = "wrapped"\nmark = "{place.folder}/mark"\n'
    )
    manifest(place, rest=tables)
    assert say("apply").status == 0
    install("wrapped", source)
    for verb in VERBS:
        said = say(*verb, SRPO_MANIFEST_PLUGIN_SECONDS="0.5")
        if verb == ["wait"] and how in IN_EXEC:  # the end is on record: nobody has to be asked
            assert said.status == 0, said.err
            continue
        assert said.status == 2, said.err
        assert said.err.startswith(f"error[{code}]: plugin `wrapped` 1.2 "), said.err
        assert "`srpo-manifest-wrapped`" in said.err
    said = say("runs", "--refresh", SRPO_MANIFEST_PLUGIN_SECONDS="0.5")
    assert said.status == 0, said.err
    said = say("plan", SRPO_MANIFEST_PLUGIN_SECONDS="0.5")
    assert (said.status, "`wrapped`" in said.err, "our-bug" in said.err) == (2, True, False), said.err
    install("wrapped", TRANSPORT)


LAUNCHER = """
from typing import Literal
from srpo_manifest.plugin import DirectLauncher, LauncherOptions, hookimpl

class Options(LauncherOptions):
    kind: Literal["starter"]

class Odd(DirectLauncher):
    def status(self, *given): return 1 / 0

class Odder(DirectLauncher):
    def status(self, *given): return 7

class Kind:
    options = Options

    def open(self, options):
        return DirectLauncher()

@hookimpl
def srpo_launcher():
    return Kind()
"""


@pytest.mark.fault(69, "exit status 2, with its name")
def test_a_launcher_that_has_broken_since_is_named(place, install, say):
    """As a transport is."""
    install("starter", LAUNCHER)
    manifest(place, rest='[backend.launcher]\nkind = "starter"\n')
    assert say("apply").status == 0
    assert say("stop").status == 0
    for source, code, words in (
        ("return 7", "plugin-answer", "answered open() with `int`"),
        ("return Odd()", "plugin-failed", "failed in status(): ZeroDivisionError"),
        ("return Odder()", "plugin-answer", "answered status() with `int`, expected str"),
    ):
        install("starter", LAUNCHER.replace("return DirectLauncher()", source))
        said = say("stop")
        assert (said.status, said.err.split(": ")[0]) == (2, f"error[{code}]")
        assert f"plugin `starter` 1.2 {words}" in said.err
        assert "`srpo-manifest-starter`" in said.err


@pytest.mark.fault(69, "exit status 2, with its name")
@pytest.mark.parametrize("source", ["raise KeyError('no')", "return 7"])
def test_a_launch_that_a_plugin_broke_off_stays_on_record(place, install, say, source: str):
    """It may have started all the same: nothing is forgotten that could be asked and stopped."""
    odd = f"whole = PipedTransport.exec(self, script, data, timeout_seconds=timeout_seconds)\n        if 'bundle/launch.sh' in script: {source}\n        return whole"
    install(
        "wrapped",
        TRANSPORT
        + EXEC.replace("return odd()", f"\n        {odd}")
        .partition("def odd")[0]
        .replace("PipedTransport.exec", "super().exec")
        .replace("super().exec(self, ", "super().exec("),
    )
    tables = (
        f'[paths]\nworkspace = "{place.folder}"\n[backend.transport]\nkind = "wrapped"\nmark = "{place.folder}/mark"\n'
    )
    manifest(place, rest=tables)
    said = say("apply")
    assert said.status == 2, said.err
    assert "plugin `wrapped` 1.2 " in said.err
    (run,) = say("runs", "--json").json["runs"]
    install("wrapped", TRANSPORT)
    assert say("wait", run["id"]).status == 0


class Odd:
    """A transport that does *what* in place of asking anybody."""

    place = "somewhere"

    def __init__(self, what) -> None:
        self.what = what

    def exec(self, _script, data=(), *, timeout_seconds):
        return self.what(data, timeout_seconds)


def test_data_that_cannot_be_made_is_no_fault_of_the_transport():
    """Whoever makes it sees the own error, whatever the plugin makes of that."""

    def broken():
        yield b"first"
        raise LookupError("no more")

    def renamed(data, _seconds):
        try:
            list(data)
        except LookupError:
            raise ValueError("mine") from None

    transport = GuardedTransport(Odd(renamed), Provider(name="odd", version="1"))
    with pytest.raises(LookupError, match="no more"):
        transport.exec("cat", broken(), timeout_seconds=1)


def test_every_machine_of_a_transport_is_guarded():
    """The further ones as the first."""
    whole, broken = Odd(None), Odd(lambda _data, _seconds: 1 / 0)
    whole.others = [broken]
    (other,) = GuardedTransport(whole, Provider(name="odd", version="1")).others
    with pytest.raises(PluginError, match="`odd` 1 failed in exec"):
        other.exec("true", timeout_seconds=1)
    whole.others = 7
    with pytest.raises(PluginError, match="`odd` 1 failed in others"):
        GuardedTransport(whole, Provider(name="odd", version="1"))


def test_a_transport_that_knows_no_time_is_left(monkeypatch):
    """Some time after the one that it was given; at a terminal it may ask a person, who has Ctrl-C."""
    monkeypatch.setenv("SRPO_MANIFEST_PLUGIN_SECONDS", "0.2")
    transport = GuardedTransport(Odd(lambda _data, _seconds: time.sleep(60)), Provider(name="odd", version="1"))
    with pytest.raises(PluginError, match=r"`odd` 1 did not answer within 0\.5 seconds in exec"):
        transport.exec("true", timeout_seconds=0.3)
    monkeypatch.setattr("sys.stdin", Path("/dev/tty"))
    monkeypatch.setattr(Path, "isatty", lambda _: True, raising=False)
    answer = Answer(status=0, output=b"")
    asks = GuardedTransport(Odd(lambda _data, _seconds: time.sleep(0.6) or answer), Provider(name="odd", version="1"))
    assert asks.exec("true", timeout_seconds=0.1) == answer


@pytest.mark.parametrize("kind", ["local", "direct", "srpo-manifest"])
def test_a_plugin_takes_no_built_in_place(place, install, say, kind: str):
    """Whoever claims one is not asked, and not imported."""
    install(kind, "open('asked', 'w')\nraise SystemExit(7)")
    manifest(place, rest='[backend]\ntransport.kind = "local"\nlauncher.kind = "direct"\n')
    assert say("apply").status == 0
    assert [say(*verb).status for verb in VERBS] == [0] * len(VERBS)
    assert not (place.folder / "asked").exists()


@pytest.mark.fault(69, "the steps of the others run")
def test_end_steps_of_others_run_beside_one_that_hangs_or_fails(place, install, say):
    """Each has its share of the grace; what failed is told by name."""
    install("a-hangs", ENDS.format("sleep 60"))
    install("b-fails", ENDS.format("exit 3"))
    install("c-tells", ENDS.format('printf %s "$SRPO_RUN_OUTCOME" >"$SRPO_RUN_DIR/told"'))
    manifest(place, "a-hangs", "b-fails", "c-tells", rest="[stop]\ngrace_seconds = 6")
    said = say("apply", "--json")
    assert said.status == 0, said.err
    (told,) = place.folder.glob(".srpo/runs/*/attempt-1/node-0/told")
    assert told.read_text() == "succeeded"
    assert "on-stop-failed" in [event.get("code") for event in said.events]
    log = say("logs").out
    assert "the step end-01-end.sh for the end failed with status 124" in log
    assert "the step end-02-end.sh for the end failed with status 3" in log


@pytest.mark.parametrize(
    "step",
    [
        'Put(id="x", name="../../x", content=Content(text="x"), reason="x")',
        'Put(id="x", name="/tmp/x", content=Content(text="x"), reason="x")',
        'Put(id="x", name="steps/01-x.sh", content=Content(text="x"), reason="x")',
        'Put(id="x", name="supervise.py", content=Content(text="x"), reason="x")',
        'Sh(id="../x", script="true", reason="x")',
        'AtEnd(id="a/../../x", script="true", reason="x")',
    ],
)
def test_a_name_of_a_plugin_that_leads_out_of_the_bundle(place, install, say, step: str):
    """Refused before anything is written, wherever it would be written."""
    install("bad", STEPS.format(f"yield {step}"))
    manifest(place, "bad")
    for verb in (["plan"], ["bundle", "--out", "b"], ["apply"]):
        said = say(*verb)
        assert (said.status, "error[plugin-answer]" in said.err) == (2, True), said.err
    assert not (place.folder / "b").exists()


@pytest.mark.fault(70, "plugin-conflict")
def test_two_distributions_with_one_plugin_are_both_named(place, install, say):
    """Which one is meant is for a person to say."""
    install("twin", GOOD, distribution="one-of-them")
    install("twin", GOOD, distribution="the-other")
    manifest(place, "twin")
    said = say("plan")
    assert said.status == 2
    assert (
        "error[plugin-conflict]: several distributions bring a plugin `twin`: `one-of-them` and `the-other`" in said.err
    )


def test_an_observer_that_fails_is_told_once_and_the_run_goes_on(place, install, say):
    """A notifier is no reason to lose a training."""
    install(
        "loud",
        "from srpo_manifest.plugin import hookimpl\n@hookimpl\ndef srpo_observe(event):\n    raise ValueError('no line')\n",
    )
    manifest(place, "loud")
    said = say("apply", "--json")
    assert said.status == 0, said.err
    warnings = [event for event in said.events if event["event"] == "warning.raised"]
    assert [event["code"] for event in warnings] == ["plugin-failed"]


def test_a_plugin_that_is_not_installed_suggests_one_that_is(place, install, say):
    """In `plugins`, as a transport, as a trainer."""
    install("notify", GOOD)
    manifest(place, "notifi")
    said = say("validate")
    assert said.status == 2
    assert "error[plugin-missing]: `plugins` names `notifi`" in said.out
    assert "did you mean `notify`?" in said.out
    manifest(place, rest='[backend.transport]\nkind = "shh"\n')
    assert "`backend.transport.kind` names `shh`" in say("plan").err
    manifest(place, model="flux-dev-srpoo")
    assert "did you mean `flux-dev-srpo`?" in say("plan").err


def test_nothing_of_a_plugin_runs_where_none_may(place, install, say):
    """`--no-plugins`: whether it is installed is known, what it would say is not, and the rest of the file is checked."""
    canary = place.folder / "ran"
    for name in ("wrapped", "notify", "theirs"):
        install(name, f"open({str(canary)!r}, 'w')")
    table = '[backend.transport]\nkind = "wrapped"\nmarc = 1\nbash = "/bin/bash"\n'
    manifest(place, "notify", model="theirs", rest=table)
    said = say("validate", "--no-plugins")
    assert said.status == 0, said.out
    told = "note[plugins-unread]: no plugin was imported: what `notify`, `wrapped`, and `theirs` would say is not known"
    assert told in said.out
    manifest(place, "notifi", model="theirs", rest=f"{table}[stopp]\n".replace('"/bin/bash"', "7"))
    said = say("validate", "--no-plugins")
    assert said.status == 2
    found = re.findall(r"^error\[(.*?)\]", said.out, re.MULTILINE)
    assert sorted(found) == ["plugin-missing", "unknown-key", "wrong-type"]
    assert not canary.exists()
    manifest(place, "notify")
    say("validate")
    assert canary.exists()
    place.write("srpo.toml", 'schema = 1\nname = "a"\nmodel.type = "generic"\n')
    assert "plugins-unread" not in say("validate", "--no-plugins").out


@pytest.mark.fault(70, "plugin-conflict")
def test_two_plugins_that_answer_one_question_are_both_named(place, install, say):
    """Neither wins by chance."""
    answer = (
        "from srpo_manifest.plugin import hookimpl\nclass H:\n    def probes(self, wanted, facts): return ()\n"
        "    def steps(self, wanted, facts): return ()\n@hookimpl\ndef srpo_launch(wanted):\n    return H()\n"
    )
    install("one", answer)
    install("two", answer)
    manifest(place, "one", "two")
    said = say("plan")
    assert (said.status, "plugins `one` and `two` both answer stage launch" in said.err) == (2, True)


def test_a_transport_of_a_plugin(place, install, say):
    """Its options are typed, its errors are placed, every later verb goes the same way by the record alone."""
    install("wrapped", TRANSPORT)
    mark = place.folder / "mark"
    table = f'[paths]\nworkspace = "{place.folder}"\n[backend.transport]\nkind = "wrapped"\n'
    manifest(place, rest=table)
    assert "error[missing-key]" in say("plan").err
    manifest(place, rest=f'{table}mark = "{mark}"\nmarc = 1\n')
    assert "did you mean `mark`?" in say("plan").err
    manifest(place, rest=f'{table}mark = "{mark}"\n')
    said = say("apply", "--json")
    assert said.status == 0, said.err
    assert mark.exists()
    mark.unlink()
    (place.folder / "srpo.toml").unlink()
    assert say("status").status == 0
    assert mark.exists()


def test_a_trainer_of_a_plugin(place, install, say):
    """A description is data: `model.type` names the plugin."""
    install("theirs", TRAINER)
    manifest(place, model="theirs")
    assert say("plan").status == 0


def described(text: str) -> str:
    return (
        f"from srpo_manifest.plugin import hookimpl\n\n@hookimpl\ndef srpo_trainer():\n    return [{text.encode()!r}]\n"
    )


@pytest.mark.parametrize(
    ("writes", "outcome"),
    [("printf x >seen.json", "succeeded"), ("true", "unverified"), ("printf x >seen.json; exit 3", "failed")],
)
def test_a_trainer_of_a_plugin_is_done_when_its_files_are_new_and_it_ended_well(place, install, say, writes, outcome):
    """One without the other is no success; a file that an earlier run left is not new."""
    place.write("seen.json", "old")
    place.write("seen.md", "old")
    text = 'format = 1\nname = "theirs"\ntitle = "x"\nneeds_gpu = false\n[done]\nexit_zero = true\nfiles = ["seen.*"]\n'
    install("theirs", described(text))
    manifest(place, model="theirs", rest="")
    whole = (place.folder / "srpo.toml").read_text()
    whole = re.sub(r"command = .*", f'command = ["bash", "-c", "{writes}"]', whole).replace(
        "[done]\nexit_zero = true\n", ""
    )
    place.write("srpo.toml", whole)
    assert say("apply", "--json").events[-1]["outcome"] == outcome


def test_a_description_that_ships_works_the_same_when_a_plugin_brings_it(place, install, root):
    """The very file, under another name: the core knows nothing of the family that it describes."""
    work = upstream_target.settle(place)
    name, script = "diffusers-dreambooth-lora-flux", "examples/dreambooth/train_dreambooth_lora_flux.py"
    ours = (root / f"srpo_manifest/upstream/trainers/{name}.toml").read_text()
    theirs = ours.replace(f'"{name}"', '"theirs"')
    install("theirs", described(theirs))
    plans = {}
    for model, text in ((name, ours), ("theirs", theirs)):
        for file in ("dreambooth-lora.toml", "srpo.lock"):
            place.write(
                f"m/{file}", (root / "manifests/diffusers" / file).read_text().replace(f'"{name}"', f'"{model}"')
            )
        lock = place.folder / "m/srpo.lock"
        lock.write_text(
            re.sub(
                r'description = ".*"', f'description = "{digest(parse_trainer(text.encode(), "x"))}"', lock.read_text()
            )
        )
        assert script in lock.read_text()
        plans[model] = place.run("plan", "--offline", "--locked", "--json", "m/dreambooth-lora.toml").json
    one, other = plans.values()
    assert one.pop("manifest") != other.pop("manifest")
    assert json.dumps(one).replace(name, "theirs") == json.dumps(other)
    assert [refusal["code"] for refusal in other["refusals"]] == ["file-missing", "base-incomplete"]
    assert work.exists()


def test_a_description_of_a_plugin_that_claims_nonsense_is_placed(install, say, place):
    """In the plugin's own text."""
    install("theirs", described('format = 1\nname = "theirs"\ntitle = "x"\n[[files]]\npath = "{"\n'))
    manifest(place, model="theirs")
    said = say("plan")
    assert said.status == 2
    assert said.err.startswith(
        "error[bad-template]: `files.0.path` holds a brace that stands around no name\n  --> theirs.toml:5:1"
    )
