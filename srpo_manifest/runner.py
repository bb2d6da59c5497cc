"""The embedding interface: what the command line does, as calls for another program.

runner = Runner(Said(manifest="manifests/flux.toml"))
decision = runner.plan()
record = runner.apply(decision)
status = runner.contact(record).status()
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import msgspec

from srpo_manifest.engine.deciding import (
    Decision,
    asked,
    decided,
    open_transport,
    same_or_stale,
    unfaithful,
)
from srpo_manifest.engine.loading import load, load_plugins, unsaved
from srpo_manifest.engine.lockfiles import DEMO
from srpo_manifest.engine.repositories import Repositories
from srpo_manifest.errors import ManifestError, PluginError, SrpoManifestError, TransportError
from srpo_manifest.planning.anchors import RUNS_FOLDER, workspace
from srpo_manifest.planning.runs import RUNS, runs_probe, started_of
from srpo_manifest.ports.transport import machines
from srpo_manifest.values.base import Value
from srpo_manifest.values.facts import Facts, PastRun, Unknown
from srpo_manifest.values.lock import Pin
from srpo_manifest.values.plan import FORMAT as PLAN_FORMAT
from srpo_manifest.values.plan import SavedPlan
from srpo_manifest.values.run import FORMAT, Record, Status
from srpo_manifest.values.said import Said
from srpo_manifest.values.upgrade import Report
from srpo_manifest.values.wanted import Wanted
from srpo_manifest.values.words import Word

if TYPE_CHECKING:
    from srpo_manifest.engine.contact import Contact
    from srpo_manifest.engine.packing import Packer
    from srpo_manifest.engine.tracing import Trace

__all__ = ["Decision", "Runner", "Said", "Upgrade"]

Emit: TypeAlias = Callable[..., None]


def _silent(_event: str, **_data: Any) -> None:
    """Nobody listens."""


class Upgrade(Value):
    """What a lock would become: told, and not yet written. `missing` says why it cannot be."""

    report: Report
    pin: Pin
    missing: ManifestError | None = None


def examine_this_machine() -> Decision:
    """As `Runner.examine`, where there is no manifest."""
    from srpo_manifest.engine.examining import nobodys, this_machine  # noqa: PLC0415 - a plan examines nothing
    from srpo_manifest.engine.registry import Registry  # noqa: PLC0415 - likewise

    return this_machine(Registry(), Repositories(nobodys(str(Path.cwd())), offline=True))


class Runner:
    """One manifest: plan it, save the plan, apply it.

    Raises on construction: ManifestError where the manifest does not decode; PluginError for a plugin that it names.
    """

    def __init__(self, said: Said, *, emit: Emit = _silent, saved: SavedPlan | None = None) -> None:
        """*saved* takes the place of the manifest file. *emit* hears the events of what is done here."""
        self.emit = emit
        self.saved = saved
        self.wanted: Wanted = load(said) if saved is None else unsaved(saved, said)
        self.registry = load_plugins(self.wanted)
        self.sent: Record | None = None
        """The record of the run that `apply` has sent off, or was sending when it was interrupted."""
        self.repositories = Repositories(self.wanted, lock=said.lock, locked=said.locked, offline=said.offline)

    def plan(self, facts: Facts | None = None, *, again: bool = False) -> Decision:
        """Decide; *facts* take the place of asking. Raises: TransportError; PluginError; ManifestError."""
        if facts is None:
            facts = asked(self.wanted, self.registry, self.repositories)
            unknown = sum(isinstance(fact, Unknown) for fact in facts.facts.values())
            self.emit("facts.gathered", known=len(facts.facts) - unknown, unknown=unknown)
        return self._decided(facts, again=again)

    def examine(self) -> Decision:
        """What the plan asks, and everything beside it that a run needs; `planning.checkup` makes rows of it.

        Raises: PluginError; ManifestError.
        """
        from srpo_manifest.engine.examining import examined  # noqa: PLC0415 - a plan examines nothing

        demo = self.wanted.manifest.repo.url == DEMO
        knower = "this package" if demo else self.repositories.lock_path
        fits = bool(self.repositories.known().facts)
        return examined(
            self.wanted, self.registry, self.repositories, f"{knower} {'knows' if fits else 'does not know'} the script"
        )

    def replan(self, *, again: bool = False) -> Decision:
        """The saved plan, made anew from its own facts and then from the facts of now.

        Raises: ManifestError where the file was edited; PlanRefused; StalePlan where a fact changed
        that the plan rests on.
        """
        if self.saved is None:
            raise AssertionError("there is no saved plan")
        facts = msgspec.json.decode(self.saved.facts, type=Facts)
        unfaithful(self.saved.plan, decided(self.wanted, facts, self.registry, again=again))
        now = decided(
            self.wanted, asked(self.wanted, self.registry, self.repositories, keep=facts), self.registry, again=again
        )
        now.refuse()
        same_or_stale(self.saved.plan, now)
        self._told(now)
        return now

    def trace(self, decision: Decision) -> Trace:
        """Run upstream's script in a scratch folder of this machine, and compare what it hands over with the decision.

        Raises: TransportError; ManifestError.
        """
        from srpo_manifest.engine.tracing import Trace, trace  # noqa: PLC0415 - likewise
        from srpo_manifest.planning.entry import script_of  # noqa: PLC0415 - a plan runs nothing

        wanted, script = decision.wanted, script_of(decision.wanted)
        if script is None or script.endswith(".py"):
            return Trace(result="not-traced", reason="no script is run")
        entry = msgspec.structs.replace(wanted.manifest.entry, mode="shim")
        manifest = msgspec.structs.replace(wanted.manifest, entry=entry)
        shimmed = decided(msgspec.structs.replace(wanted, manifest=manifest), decision.facts, self.registry)
        if shimmed.planned.job is None:
            return Trace(result="not-traced", reason="there is no command to compare with")
        tree = self.repositories.archive(shimmed.plan.repo.commit, shimmed.plan.repo.tree)
        return trace(shimmed.planned, script, tree)

    def save(self, decision: Decision) -> SavedPlan:
        """The plan with everything needed to plan again; no secrets."""
        wanted = decision.wanted
        return SavedPlan(
            format=PLAN_FORMAT,
            plan=decision.plan,
            manifest=msgspec.Raw(msgspec.json.encode(wanted.data)),
            facts=msgspec.Raw(msgspec.json.encode(decision.facts)),
            said={
                "file": wanted.file,
                "args_file": msgspec.to_builtins(wanted.args_file),
                "passthrough": list(wanted.passthrough),
                "lints": wanted.lints,
                "bash": wanted.bash,
            },
        )

    def lock(self, decision: Decision) -> bool:
        """Write the decision's pin into the lock. Returns: whether the file changed."""
        pin = decision.facts.get("repo.pin", Pin)
        return not isinstance(pin, Unknown) and self.repositories.write(pin)

    def relock(self, *, upgrade: bool = False) -> tuple[Pin, bool]:
        """Read the pinned commit anew, or with *upgrade* what the ref means now. Returns: the pin, and whether the lock changed."""
        pin = self.repositories.renewed(upgrade=upgrade)
        return pin, self.repositories.write(pin)

    def changes(self, *, upgrade: bool = True) -> Upgrade:
        """What `relock` would change, and what that means for this manifest; nothing is written but git's cache.

        Raises: ManifestError; TransportError; PluginError.
        """
        from srpo_manifest.engine.upgrading import report  # noqa: PLC0415 - a plan compares no commits

        sides = self.repositories.sides(upgrade=upgrade)
        return Upgrade(
            report=report(self.wanted, self.registry, sides, self.repositories.lock_path),
            pin=sides.after,
            missing=sides.missing,
        )

    def take(self, upgrade: Upgrade) -> bool:
        """Write what `changes` told of into the lock. Returns: whether it changed. Raises: ManifestError `script-missing`."""
        if upgrade.missing is not None:
            raise upgrade.missing
        return self.repositories.write(upgrade.pin)

    def packer(self) -> Packer:
        """What brings the long files of a bundle."""
        from srpo_manifest.engine.packing import Packer  # noqa: PLC0415 - a plan carries nothing

        return Packer(self.wanted.folder, self.repositories.archive)

    def apply(
        self, decision: Decision, *, dry_run: bool = False, given_up: Callable[[], bool] = lambda: False
    ) -> Record:
        """Start what was decided; it goes on by itself from here. Once *given_up* says so, nothing more is sent.

        Raises: PlanRefused; ManifestError for a secret or carried file without value; LaunchError; TransportError.
        """
        from srpo_manifest.engine import launching, meeting, records, rollout  # noqa: PLC0415 - a plan launches nothing
        from srpo_manifest.engine.locks import forget, held  # noqa: PLC0415 - likewise

        decision.refuse()
        plan = decision.plan
        values = launching.read_secrets(decision.planned, self.wanted.folder)
        bundle = launching.bundle_of(decision.planned)
        stream = self.packer().tar(bundle)
        self.lock(decision)
        backend = decision.wanted.manifest.backend
        transport = open_transport(decision.wanted, self.registry, decision.facts)
        launcher = self.registry.open_launcher(backend.launcher)
        run = records.new_id(plan.name)
        started = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        record = self._record(decision.wanted, run, plan.id, started, self._proven_bash(transport))
        self.sent = record
        records.save(record, msgspec.json.encode(plan))
        pending = Status(format=FORMAT, run=run, state="pending")
        folder = launching.folder_of(decision.planned, run)
        several = machines(transport)
        try:
            if several[1:]:
                given = decision.planned.env.get("CHIEF_IP")
                chief = given.text if isinstance(given, Word) else values.get("CHIEF_IP")
                with held(records.coming(run), code="launch-busy", patience_seconds=1.0):
                    ranks = meeting.meet(several, chief=chief, port=decision.planned.port)
                    rollout.roll_out(
                        stream, run, folder, values, several, ranks, launcher, dry_run=dry_run, given_up=given_up
                    )
                    records.saw(record, pending)
                    forget(records.coming(run))
            else:
                launching.launch(stream, folder, values, transport, launcher, dry_run=dry_run, given_up=given_up)
                records.saw(record, pending)
        except SrpoManifestError as error:
            # what a plugin broke off may have started all the same
            if error.code != "launch-unsure" and not isinstance(error, PluginError):
                records.discard(record)
            raise
        self.emit("step.finished", run=run, step="launch", action="run")
        return record

    def runs(self) -> tuple[PastRun, ...]:
        """Runs of the manifest's name on its target, the newest first. Raises: TransportError."""
        from srpo_manifest.engine.gather import ask_target  # noqa: PLC0415 - likewise

        transport = self.registry.open_transport(self.wanted.manifest.backend.transport, None, Facts())
        found = Facts(facts=ask_target(transport, [runs_probe(self.wanted)])).get(RUNS, tuple[PastRun, ...])
        if isinstance(found, Unknown):
            raise TransportError(
                found.code or "runs-unknown", f"the target's runs are not known: {found.reason}", *found.hints
            )
        return found

    def restore(self, runs: tuple[PastRun, ...]) -> tuple[Record, ...]:
        """Make the records anew that are missing here, or torn, from what the target told. Returns: those.

        Raises: TransportError `home-unwritable` or `home-unsafe`.
        """
        from srpo_manifest.engine import records  # noqa: PLC0415 - likewise

        known = records.survey()
        kept = {record.id for record in known.records} | {one.id for one in known.damaged if not one.mendable}
        missing = [run for run in runs if run.id not in kept and started_of(run.id)]
        made = tuple(self._record(self.wanted, run.id, run.plan, started_of(run.id)) for run in missing)
        records.restore(
            (record, records.Brief(state=run.state, outcome=run.outcome))
            for record, run in zip(made, missing, strict=True)
        )
        return made

    def contact(self, record: Record) -> Contact:
        """The run's target: ask it, follow it, stop it."""
        from srpo_manifest.engine.contact import Contact  # noqa: PLC0415 - likewise

        return Contact(record)

    def _decided(self, facts: Facts, *, again: bool) -> Decision:
        decision = decided(self.wanted, facts, self.registry, again=again)
        self._told(decision)
        return decision

    def _told(self, decision: Decision) -> None:
        plan = decision.plan
        self.emit("plan.made", plan=plan.id, warnings=len(plan.warnings), refusals=len(plan.refusals))

    def _record(self, wanted: Wanted, run: str, plan: str, started: str, bash: dict[str, str] | None = None) -> Record:
        manifest = wanted.manifest
        return Record(
            format=FORMAT,
            id=run,
            name=manifest.name,
            plan=plan,
            manifest=str(Path(self.wanted.file).absolute()),
            workspace=str(workspace(wanted)),
            folder=str(workspace(wanted) + f"/{RUNS_FOLDER}/{run}"),
            transport=msgspec.to_builtins(manifest.backend.transport) | (bash or {}),
            launcher=msgspec.to_builtins(manifest.backend.launcher),
            plugins=manifest.plugins,
            started=started,
            fetch=manifest.outputs.fetch,
            to=str(Path(self.wanted.folder, manifest.outputs.to).absolute()),
        )

    def _proven_bash(self, transport: object) -> dict[str, str]:
        """The bash that answered, so that `status` and `stop` use the very same one."""
        bash = getattr(transport, "bash", None)
        return {"bash": bash} if isinstance(bash, str) else {}
