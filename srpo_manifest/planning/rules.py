"""When it is done, how it stops, where results go: the manifest's wishes over the trainer description's."""

from __future__ import annotations

from srpo_manifest.planning import anchors
from srpo_manifest.upstream.arriving import Arriving
from srpo_manifest.values.plan import EndRule, Rules
from srpo_manifest.values.wanted import Wanted
from srpo_manifest.values.words import Arrived, Text, Word, joined, word

WAIT_HOURS = 1.0
"""How long the end waits for the outputs to be fetched, where the manifest does not say."""


def rules(wanted: Wanted, values: Arriving) -> Rules:
    """The rules as the supervisor reads them."""
    manifest, trainer = wanted.manifest, wanted.trainer
    given = manifest.done or trainer.done
    files = (
        (manifest.done.files or ()) if manifest.done else [pattern(file, values) or file for file in trainer.done.files]
    )
    done: dict[str, object] = {
        "checkpoints": given.checkpoints,
        "images": given.images,
        "files": list(files),
        "exit_zero": given.exit_zero or not (given.checkpoints or given.images or files),
    }
    stop: dict[str, object] = {
        "grace_seconds": manifest.stop.grace_seconds,
        "checkpoint_seconds": manifest.stop.checkpoint_seconds,
        "max_hours": manifest.stop.max_hours,
        "stall_minutes": manifest.stop.stall_minutes,
    }
    artifacts = trainer.artifacts
    outputs: dict[str, object] = {
        "checkpoints": pattern(artifacts.checkpoints, values),
        "marker": artifacts.marker,
        "weights": artifacts.weights,
        "images": pattern(artifacts.images, values),
        "collect_images": artifacts.collect_images,
        "fetch": list(manifest.outputs.fetch),
    }
    return Rules(done=done, stop=stop, outputs=outputs, end=end(wanted))


def end(wanted: Wanted) -> EndRule | None:
    """What follows the end. What a job of this machine made need not be waited for: it is at home."""
    given = wanted.manifest.end
    if given is None:
        return None
    waits = given.when == "fetched" and not anchors.is_local(wanted)
    hours = given.wait_hours or WAIT_HOURS
    return EndRule(command=given.command, wait_seconds=hours * 3600 if waits else 0.0)


def pattern(template: str | None, values: Arriving) -> str | None:
    """A glob with `{flag}` replaced by that flag's final value, whose own glob characters mean themselves.

    What only the script can tell may be anything within one name.
    """
    if template is None:
        return None
    made = Word()
    rest = template
    while rest:
        before, brace, after = rest.partition("{")
        made = made + before
        if not brace:
            break
        flag, _, rest = after.partition("}")
        found = values.get(flag, ())
        if len(found) != 1:
            return None
        made = made + _plain(found[0])
    return str(made).removeprefix("./")


def _plain(value: Word) -> Word:
    text = value.text
    if text is None:
        return joined(*(Text(text="*") if isinstance(piece, Arrived) else piece for piece in value.pieces))
    return word("".join(f"[{character}]" if character in "*?[" else character for character in text.rstrip("/")))
