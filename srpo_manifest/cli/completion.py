"""What a shell is told when somebody presses TAB: keys, codes, profiles and plugins, of those that are installed as well."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import click
from click.shell_completion import CompletionItem

if TYPE_CHECKING:
    from srpo_manifest.engine.inventory import Brought


def files(_context: click.Context, _parameter: click.Parameter, begun: str) -> list[CompletionItem]:
    """Names of files, as the shell itself completes them."""
    return [CompletionItem(begun, type="file")]


def settings(_context: click.Context, _parameter: click.Parameter, begun: str) -> list[CompletionItem]:
    """For `--set KEY=VALUE`: keys, then the values of one that takes few; those of every backend once one is begun."""
    from srpo_manifest.reading.keys import every_key  # noqa: PLC0415 - only TAB needs types
    from srpo_manifest.reading.locate import undotted  # noqa: PLC0415 - likewise
    from srpo_manifest.reading.shapes import choices, description, kinds, shape_of  # noqa: PLC0415 - likewise
    from srpo_manifest.values.manifest import DirectOptions, LocalOptions, Manifest  # noqa: PLC0415 - likewise

    whole: list[Any] = [Manifest[LocalOptions, DirectOptions]]
    whole += _brought().manifests().values() if begun.startswith("backend.") else ()
    name, equals, _ = begun.partition("=")
    told: dict[str, str] = {}
    for kind in whole:
        for key in (name,) if equals else every_key(kind):
            shape = shape_of(kind, undotted(key) or ())
            if equals:
                values = [*choices(shape), *(("true", "false") if "boolean" in kinds(shape) else ())]
                told |= {f"{key}={value}": "" for value in values}
            elif shape is not None and kinds(shape) != ["table"]:
                told.setdefault(f"{key}=", description(shape))
    return _begun(begun, told)


def words(_context: click.Context, _parameter: click.Parameter, begun: str) -> list[CompletionItem]:
    """For `explain`: codes and keys."""
    from srpo_manifest.reading.keys import every_key  # noqa: PLC0415 - likewise

    plugins = _brought()
    keys = [*every_key(), *(key for kind in plugins.manifests().values() for key in every_key(kind))]
    return _begun(begun, _codes(plugins) | dict.fromkeys(keys, ""))


def codes(_context: click.Context, _parameter: click.Parameter, begun: str) -> list[CompletionItem]:
    """For `--allow`, `--warn` and `--deny`."""
    return _begun(begun, {"all": "every check"} | _codes(_brought()))


def profiles(context: click.Context, _parameter: click.Parameter, begun: str) -> list[CompletionItem]:
    """Those of the manifest that the line names, or of `srpo.toml`."""
    from srpo_manifest.engine.loading import profiles as named  # noqa: PLC0415 - likewise
    from srpo_manifest.values.said import Said  # noqa: PLC0415 - likewise

    return _begun(begun, dict.fromkeys(named(Said(manifest=context.params.get("manifest") or "srpo.toml")), ""))


def plugins(_context: click.Context, _parameter: click.Parameter, begun: str) -> list[CompletionItem]:
    """Names of plugins; none is loaded."""
    from srpo_manifest.engine.registry import Registry  # noqa: PLC0415 - likewise

    return _begun(begun, dict.fromkeys(Registry().names(), ""))


def _codes(found: Brought) -> dict[str, str]:
    from srpo_manifest.engine.explaining import areas  # noqa: PLC0415 - likewise

    every = (*areas().values(), *(area for several in found.areas.values() for area in several))
    return {code: one.title for area in every for code, one in area.codes.items()}


def _brought() -> Brought:
    """What plugins bring; what one of them prints would be taken for an answer, or spoil the line."""
    from srpo_manifest.engine.inventory import brought  # noqa: PLC0415 - likewise

    with contextlib.redirect_stderr(io.StringIO()):
        return brought()


def _begun(begun: str, told: Mapping[str, str]) -> list[CompletionItem]:
    return [CompletionItem(word, help=says or None) for word, says in told.items() if word.startswith(begun)]
