"""`rules.sh`: what the supervisor in bash needs of `rules.json` (`docs/run-folder.md`)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from srpo_manifest.bundling.quoting import quote, shell
from srpo_manifest.values.words import Late, LateName, Text, joined

_BOUND: tuple[LateName, ...] = ("run.id", "run.dir", "repo.dir", "target.home")
"""The words that `rules.json` may hold."""


def shell_rules(rules: Mapping[str, Any], secrets: Iterable[str]) -> str:
    """Bash text that sets what `rules.json` says, as far as it concerns a supervisor that reads no log."""
    done, stop, artifacts = rules["done"], rules["stop"], rules["artifacts"]
    hours = stop["max_hours"]
    plain = {
        "rules_format": rules["format"],
        "name": rules["name"],
        "plan": rules["plan"],
        "done_checkpoints": done["checkpoints"] or 0,
        "done_images": done["images"] or 0,
        "exit_zero": done["exit_zero"],
        "grace_seconds": stop["grace_seconds"],
        "checkpoint_seconds": stop["checkpoint_seconds"],
        "max_hours": None if hours is None else f"{hours:g}",
        "max_seconds": None if hours is None else f"{hours * 3600:.2f}",
        "marker": artifacts["marker"],
        "weights": artifacts["weights"] or "*",
        "collect_images": artifacts["collect_images"],
        "port": rules["port"],
    }
    return "\n".join(
        [
            f"SRPO_REPO_DIR={_bound(rules['repo'])}",
            f"cwd={_bound(rules['cwd'])}",
            *(f"{name}={_flat(value)}" for name, value in plain.items()),
            f"checkpoints={_pattern(artifacts['checkpoints'])}",
            f"images={_pattern(artifacts['images'])}",
            f"done_files=({' '.join(map(_pattern, done['files']))})",
            f"secrets=({' '.join(sorted({*secrets, *rules['target_files']}))})",
            *(f"target_files[{name}]={_bound(path)}" for name, path in rules["target_files"].items()),
            "ask_checks() {",
            *(_check(check) for check in rules["checks"] if check["level"] != "allow"),
            "  :",
            "}\n",
        ]
    )


def _check(check: Mapping[str, Any]) -> str:
    value = check["value"]
    values = value if isinstance(value, list | tuple) else () if value is None else (value,)
    told = map(_bound, (check["message"], *check["hints"]))
    message, *hints = told
    words = (check["code"], check["level"], check["op"], "\n".join(map(str, values)))
    return " ".join(("  check", *map(quote, words), message, quote(check["probe"]), *hints))


def _flat(value: object) -> str:
    """A flag is `yes` or empty, and so is what is not given."""
    return "" if value is None or value is False else "yes" if value is True else quote(str(value))


def _pattern(pattern: str | None) -> str:
    """A backslash means itself: to Python's patterns it is nothing special."""
    return "" if pattern is None else _bound(pattern.replace("\\", "\\\\"))


def _bound(text: str) -> str:
    """*text* as a word whose late pieces are variables; `$$` is one literal `$`, and any other `${…}` itself."""
    pieces: list[Text | Late] = []
    position = 0
    for match in re.finditer(r"\$\$|\$\{([a-z.]+)\}", text):
        pieces.append(Text(text=text[position : match.start()]))
        late = next((name for name in _BOUND if name == match[1]), None)
        pieces.append(Late(name=late) if late else Text(text="$" if match[0] == "$$" else match[0]))
        position = match.end()
    return shell(joined(*pieces, Text(text=text[position:])))
