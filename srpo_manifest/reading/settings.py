"""`--set KEY=VALUE` as an overlay."""

from __future__ import annotations

import json

from srpo_manifest.errors import ManifestError
from srpo_manifest.finding import Where
from srpo_manifest.reading.locate import Key, displayed, undotted
from srpo_manifest.reading.overlay import tree_of
from srpo_manifest.reading.toml import Source
from srpo_manifest.reading.tree import Node
from srpo_manifest.values.manifest import AnyManifest
from srpo_manifest.wording import ticked

FILE = "--set"


def setting(argument: str) -> Node:
    """The overlay that one `--set` means: the value is TOML, and bare text where the key takes text.

    Raises: ManifestError `set-syntax`.

    >>> setting("repo.ref=1234567").at(("repo", "ref")).value
    '1234567'
    """
    spelled, equals, value = argument.partition("=")
    key = undotted(spelled)
    if not equals or key is None:
        raise _unreadable(argument, "it is written `--set KEY=VALUE`, such as `--set entry.set.max_train_steps=20`")
    from srpo_manifest.reading.shapes import kind_of, kinds, shape_of  # noqa: PLC0415 - only `--set` pays

    accepted = kinds(shape_of(AnyManifest, key))
    bare = f"{spelled}={json.dumps(value, ensure_ascii=False)}"
    file = f"{FILE} {displayed(key)}"
    tree, wrong = tree_of(Source(file=file, data=argument.encode("utf-8", "surrogatepass")))
    if not _sets_alone(tree, key):
        raise _unreadable(argument, "one `--set` sets one key: give another one for the next")
    if wrong and (value.lstrip()[:1] in ('"', "'", "[", "{") or (accepted and "string" not in accepted)):
        raise _unreadable(argument, f"a value is written as in the manifest: {_example(accepted)}")
    found = tree.at(key)
    if wrong or (found and "string" in accepted and kind_of(found.value) not in accepted):
        return tree_of(Source(file=file, data=bare.encode("utf-8", "surrogatepass"))).tree
    return tree


def _sets_alone(tree: Node, key: Key) -> bool:
    """Whether nothing beside *key* is there."""
    for step in key:
        if tree.table is None or set(tree.table) - {step}:
            return False
        tree = tree.table.get(str(step), Node(None))
    return True


def _unreadable(argument: str, hint: str) -> ManifestError:
    key = argument.partition("=")[0].strip()
    return ManifestError(
        "set-syntax", f"the value of {ticked(key)} cannot be read", hint, where=Where(file=FILE, key=key)
    )


def _example(accepted: list[str]) -> str:
    examples = {
        "integer": "`20`",
        "number": "`0.5`",
        "boolean": "`true`",
        "array": '`["a", "b"]`',
        "table": '`{ env = "NAME" }`',
    }
    return examples.get(accepted[0] if accepted else "", '`"text"`')
