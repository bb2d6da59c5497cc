"""What a change of upstream means for one manifest.

A change matters where it alters the plan or the findings of this manifest, or what the trainer would do with them:
a flag that the manifest gives or the script passes, a default that nobody overrides, a flag that is wanted and nobody
gives, a variable, a needed file, a rule of the trainer description.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

import msgspec
from msgspec.structs import replace

from srpo_manifest.finding import Where
from srpo_manifest.planning.upgrade import items
from srpo_manifest.values.contract import Flag
from srpo_manifest.values.lock import EntryContract
from srpo_manifest.values.trainer import Trainer
from srpo_manifest.values.upgrade import ORDER, Change
from srpo_manifest.values.wanted import Wanted
from srpo_manifest.wording import did_you_mean, listed, ticked

_DEAD = ("never-read", "no-effect")
_SHAPES = ("type", "nargs", "choices", "action", "const", "effect", "conditional", "positional")
"""Fields of a flag that change what a value given to it means."""


class Stake:
    """What one manifest has at stake in both readings of its entry. *same_job*: both plans start the very same job."""

    def __init__(
        self, wanted: Wanted, before: EntryContract, after: EntryContract, *, same_job: bool = False, shim: bool = False
    ) -> None:
        self._wanted, self._same_job, self._shim = wanted, same_job, shim
        both = [flag for one in (before, after) if one.arguments for flag in one.arguments.flags]
        self._given = given(wanted, both)
        self._described = described(wanted.trainer)
        self._passed = passed(after, both)
        self._flags = {flag.name: flag for flag in after.arguments.flags} if after.arguments else {}
        scripts = [one.script for one in (before, after) if one.script]
        self._exported = {name for one in scripts for name in one.exported}
        self._obstacles = [gap.reason for gap in (*after.script.gaps, *after.script.indirect)] if after.script else []
        self._came = set(self._flags) - {flag.name for flag in (before.arguments.flags if before.arguments else ())}

    def weighed(self, changes: Iterable[Change]) -> tuple[Change, ...]:
        """The changes with their verdicts, the most important first."""
        found = [self._weighed(change) for change in changes]
        return tuple(sorted(found, key=lambda one: (not one.matters, ORDER.index(one.what))))

    def _weighed(self, change: Change) -> Change:
        matters, why = self._verdict(change)
        if change.what == "rule" and change.where is None and (bound := self._wanted.trainer.evidence.get(change.name)):
            change = replace(change, where=Where(file=bound.file))
        return replace(change, matters=matters, why=why)

    def _verdict(self, change: Change) -> tuple[bool, str]:
        match change.what:
            case "script":
                return (not change.field or not self._same_job), "it is the script that this manifest starts"
            case "entry" | "launcher" | "launch":
                return (False, "the plan stays the same") if self._same_job else (True, "the plan's command changes")
            case "mode":
                why = f": {self._obstacles[0]}" if self._obstacles else ""
                return (
                    True,
                    "direct mode serves it now" if change.after == "direct" else f"direct mode serves it no more{why}",
                )
            case "flag":
                return self._of_flag(change)
            case "argument":
                return self._of_argument(change)
            case "variable":
                return self._of_variable(change)
            case "folder":
                return (
                    (False, "one more folder is made") if change.before is None else (True, "nothing makes it any more")
                )
            case "rule":
                return True, _resting(self._wanted.trainer, change.name, held=bool(change.after))
            case "forwarding":
                return False, "what the manifest gives arrives all the same"
            case "gap":
                return False, "what could be read tells the rest"
            case "file":
                return not change.field, change.why
            case "import":
                return (
                    False,
                    "`plan` asks the training interpreter for it" if change.after else "nothing needs it any more",
                )
            case "text":
                return self._of_text(change)
            case _:
                return False, "the plan tells whether it matters"

    def _of_flag(self, change: Change) -> tuple[bool, str]:
        name = change.name.partition("#")[0]
        giver = self._giver(name)
        rests = f"the description of {ticked(self._wanted.trainer.name)} rests on it" if name in self._described else ""
        if not change.field:
            return self._came_or_gone(change, name, giver, rests)
        if change.field == "unread" and "default" not in {*change.before} ^ {*change.after}:
            return False, "more or less of it is known"
        if change.field in ("default", "unread"):
            if giver:
                return False, f"{giver}: the default is not used"
            flag = self._flags.get(name)
            dead = flag is not None and flag.effect in _DEAD
            return (False, "nothing reads it") if dead else (True, f"nobody sets it{_kept(change, name)}")
        if change.field == "required" or change.field.endswith("_at"):
            if change.after and not giver:
                return True, "nobody gives it, and the program wants it"
            return False, giver or "it may be left out now"
        if change.field == "effect" and not {change.before, change.after} & set(_DEAD):
            return False, "more or less of it is known"
        who = giver or rests
        return change.field in _SHAPES and bool(who), who or "nobody sets it"

    def _came_or_gone(self, change: Change, name: str, giver: str, rests: str) -> tuple[bool, str]:
        who = giver or rests
        if change.after is None:
            near = did_you_mean(name, sorted(self._came)) if who else ()
            return bool(who), "; ".join((who, *near)) if who else "nobody set it"
        if change.after.get("required") and not giver:
            return True, "nobody gives it, and the program wants it"
        return bool(who), who or "nobody sets it"

    def _giver(self, name: str) -> str:
        """Who gives the flag a value: a sentence, empty for nobody."""
        if name in self._given:
            return f"{ticked(self._given[name])} gives it"
        return "the script passes it" if name in self._passed else ""

    def _of_argument(self, change: Change) -> tuple[bool, str]:
        name = change.name.partition(" #")[0]
        if name in self._given and change.after is not None and change.before is not None:
            return False, f"{ticked(self._given[name])} gives its own"
        if self._same_job:
            return False, "the plan stays the same"
        return True, "the script gives it, and nobody else does" if change.after else "the script gives it no more"

    def _of_variable(self, change: Change) -> tuple[bool, str]:
        ours = change.name in self._wanted.manifest.env
        if change.field == "read before set":
            if change.after:
                return True, "`[env]` gives it" if ours else "it needs a value, of `[env]` or of the target"
            return ours, "`[env]` gives it, and nothing reads it" if ours else "nothing needs it any more"
        if change.field == "set and never read":
            return (
                ours,
                "`[env]` gives it too"
                if ours
                else "it never reached the trainer"
                if change.before
                else "it has no effect",
            )
        if self._same_job:
            return False, "the plan stays the same"
        if ours:
            return False, "`[env]` gives its own"
        reaches = change.field != "value" or change.name in self._exported
        return reaches, "the job finds it in its environment" if reaches else "the arguments tell what it does"

    def _of_text(self, change: Change) -> tuple[bool, str]:
        script = not change.name.endswith(".py")
        if script and self._shim:
            return True, "the script itself runs, with whatever changed in it"
        return (
            False,
            "what it accepts and does is told above" if script else "its code changed; what it accepts is told above",
        )


def given(wanted: Wanted, flags: Iterable[Flag]) -> dict[str, str]:
    """Flags that the manifest, or what was said beside it, gives or takes away; each with the key that does."""
    names = {alias.lstrip("-"): flag.name for flag in flags for alias in flag.aliases}
    entry, model = wanted.manifest.entry, wanted.manifest.model
    found: dict[str, str] = {}
    for key in ("base", "vae", "lora"):
        flag = getattr(wanted.trainer.model, key)
        if flag is not None and getattr(model, key) is not None:
            found[flag] = f"model.{key}"
    found |= dict.fromkeys(entry.set, "entry.set") | dict.fromkeys(entry.unset, "entry.unset")
    for key, tokens in (
        ("entry.args_file", wanted.args_file.args),
        ("entry.extra_args", entry.extra_args),
        ("--", wanted.passthrough),
    ):
        words = (token.lstrip("-").partition("=")[0] for token in tokens if re.match(r"--?[A-Za-z]", token))
        found |= dict.fromkeys((names.get(word, word) for word in words), key)
    return found | dict.fromkeys(wanted.trainer.pinned, "the run")


def described(trainer: Trainer) -> set[str]:
    """Flags that the trainer description reads or writes."""
    found = {*trainer.per_run.folder, *trainer.per_run.name}
    if (loop := trainer.loop) is not None:
        found |= {loop.max_steps, loop.checkpoint_every, *loop.batch_factors, *loop.batch_divisors}
    if (memory := trainer.memory) is not None:
        found |= {flag for flag in (memory.offload, memory.sharding) if flag}
    found |= {check.flag for check in trainer.checks if check.flag}
    conditions = [one for file in trainer.files for one in file.when] + [
        one for check in trainer.checks for one in check.when
    ]
    found |= {condition.lstrip("!").partition("=")[0] for condition in conditions}
    patterns = (
        trainer.artifacts.checkpoints,
        trainer.artifacts.images,
        *trainer.done.files,
        *(file.path for file in trainer.files),
        *(advice.text for advice in trainer.afterwards),
    )
    return found | {name for pattern in patterns if pattern for name in re.findall(r"\{(\w+)\}", pattern)}


def passed(entry: EntryContract, flags: Iterable[Flag]) -> set[str]:
    """Flags that the script itself passes."""
    names = {alias.lstrip("-"): flag.name for flag in flags for alias in flag.aliases}
    launches = entry.script.launches if entry.script else ()
    words = (name.partition("#")[0] for launch in launches for name in items(launch.arguments))
    return {names.get(word, word) for word in words if word}


def _resting(trainer: Trainer, rule: str, *, held: bool) -> str:
    """What rests on a rule."""
    parts = ["the loop"] if trainer.loop and trainer.loop.rule == rule else []
    parts += ["the memory"] if trainer.memory and trainer.memory.rule == rule else []
    parts += [one.path for one in trainer.files if one.rule == rule]
    parts += [one.code for one in trainer.checks if one.rule == rule]
    parts += [f"dead flag {one.flag}" for one in trainer.dead if one.rule == rule]
    parts += ["the advice for afterwards" for one in trainer.afterwards if one.rule == rule]
    parts += [f"the log's {one.event}" for one in trainer.log if one.rule == rule]
    parts = list(dict.fromkeys(parts))
    what = listed(parts, "and") if parts else f"the description of {ticked(trainer.name)}"
    return f"{what} {'rests' if len(parts) < 2 else 'rest'} on it" if held else f"{what} rested on it: unknown now"


def _kept(change: Change, name: str) -> str:
    """What to write so that a default stays what it was."""
    if change.field != "default" or change.before is None:
        return ""
    return f"; {ticked(f'{name} = {msgspec.json.encode(change.before).decode()}')} in `[entry.set]` keeps it"
