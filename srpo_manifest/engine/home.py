"""Where things of ours lie on the controller: state (records of runs) and cache (mirrors)."""

from __future__ import annotations

import os
from pathlib import Path


def state_folder() -> Path:
    """`$SRPO_MANIFEST_HOME`, or the platform's state folder."""
    given = os.environ.get("SRPO_MANIFEST_HOME")
    if given:
        return Path(given).expanduser().absolute()
    from platformdirs import user_state_path  # noqa: PLC0415 - not needed where the variable is set

    return user_state_path("srpo-manifest", appauthor=False)


def cache_folder() -> Path:
    """`$SRPO_MANIFEST_CACHE`, or the platform's cache folder."""
    given = os.environ.get("SRPO_MANIFEST_CACHE")
    if given:
        return Path(given).expanduser().absolute()
    from platformdirs import user_cache_path  # noqa: PLC0415 - not needed where the variable is set

    return user_cache_path("srpo-manifest", appauthor=False)
