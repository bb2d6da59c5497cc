"""The two parents of every value.

Modules whose structs every verb decodes have no `from __future__ import annotations`: msgspec would evaluate each
annotation's text, which costs a third of a cold `plan`.
"""

from __future__ import annotations

from typing import dataclass_transform

import msgspec


@dataclass_transform(frozen_default=True, kw_only_default=True)
class Value(msgspec.Struct, frozen=True, kw_only=True):
    """A frozen value of ours: read back from our own files, tolerant of keys that a newer version added."""


@dataclass_transform(frozen_default=True, kw_only_default=True)
class Strict(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A frozen value that a person writes: an unknown key is an error."""
