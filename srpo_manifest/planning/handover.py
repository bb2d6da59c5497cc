"""What Linux hands to a program: words and variables are bounded, each and all together."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from srpo_manifest.errors import ManifestError
from srpo_manifest.finding import Finding
from srpo_manifest.planning.sanity import LIMIT_BYTES
from srpo_manifest.values.fault import Fault
from srpo_manifest.values.plan import SecretRef
from srpo_manifest.values.planned import Planned
from srpo_manifest.values.words import Word
from srpo_manifest.wording import ticked

TOTAL_BYTES = (2 << 20) - (128 << 10)
"""All of them: a quarter of the usual stack (8 MiB), less room for what the job inherits. Source: execve(2)."""
_POINTER = 8


def faults(argv: Iterable[Word], env: Mapping[str, Word | SecretRef], given: Iterable[str]) -> Iterable[Fault]:
    """Words and variables that are too long; those of the manifest itself, *given*, are refused where they stand."""
    given = set(given)
    for place, size in enumerate(map(length, argv)):
        if size > LIMIT_BYTES:
            message = f"word {place} of the command is {size:,} bytes long; Linux takes {LIMIT_BYTES:,}"
            yield _fault("argument-too-long", message, "entry")
    for name, value in env.items():
        if isinstance(value, Word) and name not in given and (size := _variable(name, value)) > LIMIT_BYTES:
            yield _fault("env-too-long", _too_long(name, size), "env")
    if (size := total(argv, env)) > TOTAL_BYTES:
        yield _fault("command-too-large", _too_large(size), "entry")


def refuse(planned: Planned, values: Mapping[str, str]) -> None:
    """Refuse what only the values of secrets make too long. Raises: ManifestError `env-too-long` or `command-too-large`."""
    sizes = {name: len(f"{name}={value}".encode("utf-8", "surrogateescape")) for name, value in values.items()}
    for name, size in sizes.items():
        if size > LIMIT_BYTES:
            raise ManifestError("env-too-long", _too_long(name, size), _HINT)
    size = total(planned.job.argv if planned.job else (), planned.env) + sum(sizes.values())
    if size > TOTAL_BYTES:
        raise ManifestError("command-too-large", _too_large(size), _HINT)


def length(word: Word) -> int:
    """In bytes, as far as it is known when it is planned."""
    return len(str(word).encode("utf-8", "surrogateescape"))


def total(argv: Iterable[Word], env: Mapping[str, Word | SecretRef]) -> int:
    """Bytes of all words and variables, with what the kernel adds to each."""
    words = [length(word) for word in argv]
    words += [_variable(name, value) for name, value in env.items() if isinstance(value, Word)]
    return sum(words) + len(words) * (_POINTER + 1)


_HINT = "put it in a file"


def _variable(name: str, value: Word) -> int:
    return len(name) + 1 + length(value)


def _too_long(name: str, size: int) -> str:
    return (
        f"the value of {ticked(name)} is {size - len(name) - 1:,} bytes long; Linux takes {LIMIT_BYTES:,} with the name"
    )


def _too_large(size: int) -> str:
    return f"the command and its variables take {size:,} bytes; Linux takes {TOTAL_BYTES:,} beside what a job inherits"


def _fault(code: str, message: str, key: str) -> Fault:
    return Fault(finding=Finding(code=code, level="deny", message=message, hints=(_HINT,)), key=key, final=True)
