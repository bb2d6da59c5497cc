"""Interfaces that a library makes from dataclasses, signatures, decorators or files: told, not read."""

from __future__ import annotations

import ast

from srpo_manifest.upstream.sources import Source
from srpo_manifest.wording import ticked

_MAKERS: dict[str, set[str]] = {
    "absl": {"DEFINE_string", "DEFINE_integer", "DEFINE_float", "DEFINE_bool", "DEFINE_boolean", "DEFINE_enum", "DEFINE_list"},
    "click": {"command", "group", "option", "argument"},
    "cyclopts": {"App", "run"},
    "dataclass_wizard": {"parse"},
    "draccus": {"wrap", "parse"},
    "fire": {"Fire"},
    "hydra": {"main", "compose"},
    "jsonargparse": {"CLI", "auto_cli"},
    "lightning": {"LightningCLI"},
    "omegaconf": {"from_cli"},
    "plac": {"call"},
    "pyrallis": {"wrap", "parse"},
    "pytorch_lightning": {"LightningCLI"},
    "simple_parsing": {"parse", "parse_known_args"},
    "typer": {"Typer", "run"},
    "tyro": {"cli"},
}  # fmt: skip
_ENDINGS = ("ArgumentParser", "ArgParser", "TrlParser", "LightningCLI")


def generator_of(node: ast.Call, source: Source) -> str | None:
    """Why the call makes flags that no `add_argument` shows, or None. *source* is the file around it."""
    match node.func:
        case ast.Name(id=name) | ast.Attribute(attr=name) if name.endswith(_ENDINGS):
            return f"{ticked(name)} makes flags that this file does not show"
        case ast.Name(id=name):
            made = [(module, original or name) for module, _, original in source.imports.get(name, ())]
        case ast.Attribute(attr=name):
            made = [(module, name) for module, _, _ in source.imports.get(_root(node.func), ())]
        case _:
            return None
    for module, original in made:
        library = module.partition(".")[0]
        if original in _MAKERS.get(library, ()):
            return f"{ticked(ast.unparse(node.func))} of {ticked(library)} makes flags that this file does not show"
    return None


def _root(node: ast.expr) -> str:
    while isinstance(node, ast.Attribute):
        node = node.value
    return node.id if isinstance(node, ast.Name) else ""
