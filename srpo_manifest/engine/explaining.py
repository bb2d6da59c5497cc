"""Explanations of code words, from the files that ship."""

from __future__ import annotations

import os
import tomllib
from typing import Any

import msgspec

import srpo_manifest
from srpo_manifest.values.explanation import Area

AREAS = (
    "text", "manifest", "flags", "script", "repository", "target", "training", "running", "plugins", "descriptions",
    "program",
)  # fmt: skip
"""In the order in which one meets them."""
_FOLDER = os.path.join(os.path.dirname(srpo_manifest.__file__), "explanations")


def areas() -> dict[str, Area]:
    """Every area by its name."""
    return {name: msgspec.convert(_read(f"{name}.toml"), Area) for name in AREAS}


def codes() -> list[str]:
    """Every code word of ours."""
    return [code for area in areas().values() for code in area.codes]


def examples() -> dict[str, Any]:
    """A value for each key of a manifest, side by side: keys that exclude one another as well."""
    return _read("examples.toml")


def _read(name: str) -> dict[str, Any]:
    with open(os.path.join(_FOLDER, name), "rb") as file:
        return tomllib.load(file)
