"""One flag and its value: what argparse would take, and how the value is spelled."""

from __future__ import annotations

from srpo_manifest.discretion import names_secret
from srpo_manifest.values.contract import Flag, Scalar, Setting
from srpo_manifest.wording import listed, ticked

SWITCHES = ("store_true", "store_false", "store_const", "boolean")


def spelled(value: Scalar) -> str:
    """Numbers as `repr` gives them (`5e-06`), strings as they are."""
    return value if isinstance(value, str) else repr(value)


def shown(flag: Flag, value: Scalar) -> str:
    """The value in a message: of a flag that is named like a secret, a star for each character."""
    text = str(value).lower() if isinstance(value, bool) else spelled(value)
    return ticked("*" * len(text) if names_secret(flag.name) else text)


def dashed(flag: Flag) -> str:
    """How the flag is written: a flag without a long spelling has its name with one dash among its aliases."""
    short = f"-{flag.name}"
    return short if short in flag.aliases else f"--{flag.name}"


def arity(flag: Flag) -> tuple[int, int | None]:
    """How many values the flag takes: least and most (None: any number)."""
    if flag.action in ("store_true", "store_false", "store_const", "boolean", "count"):
        return 0, 0
    match flag.nargs:
        case None:
            return 1, 1
        case int(count):
            return count, count
        case "?":
            return 0, 1
        case "*":
            return 0, None
        case _:
            return 1, None


def fault_of_values(flag: Flag, values: tuple[Scalar, ...]) -> str | None:
    """Why argparse would refuse these values for the flag, or None. A typed value must be of the flag's type."""
    least, most = arity(flag)
    if len(values) < least or (most is not None and len(values) > most):
        wanted = str(least) if least == most else f"at least {least}" if most is None else f"{least} to {most}"
        if flag.action in SWITCHES and len(values) == 1 and str(values[0]).lower() in ("true", "false"):
            plain = str(values[0]).lower()
            return f"flag {ticked(flag.name)} is a switch, and a text is no value of it: write `{plain}` without quotes"
        return f"flag {ticked(flag.name)} takes {wanted} value{'' if wanted == '1' else 's'}, {len(values)} given"
    for value in values:
        if fault := _fault_of_type(flag, value):
            return fault
        if flag.choices is not None and not _chosen(flag, value):
            return f"flag {ticked(flag.name)} takes {listed(flag.choices)}, not {shown(flag, value)}"
    return None


def refused_default(flag: Flag) -> tuple[str, ...] | None:
    """The flag's own default as one would write it, where `argparse` refuses just that; None where all is well."""
    default = flag.default
    if default is None or isinstance(default, bool) or flag.action != "store" or flag.unread:
        return None
    if isinstance(default, tuple) and flag.nargs is None:
        return None
    texts = tuple(map(spelled, default if isinstance(default, tuple) else (default,)))
    return texts if fault_of_values(flag, texts) else None


def tokens_of(flag: Flag, values: tuple[str, ...], *, on: bool) -> tuple[str, ...] | None:
    """The tokens that set the flag so; none for a switch that is off; None where no spelling is read right.

    Source: argparse drops a value that is `--`; it takes `-0.3` as a value but reads `-1e-5` as an option before Python 3.13, so such a value is
    glued with `=`, which works for one value only.
    """
    spelling = dashed(flag)
    if flag.action == "boolean":
        return (spelling,) if on else (f"--no-{flag.name}",)
    if not values:
        return (spelling,) if on else ()
    if "--" in values:
        return None
    if not any(map(misread, values)):
        return (spelling, *values)
    return (f"{spelling}={values[0]}",) if len(values) == 1 else None


def typed(flag: Flag, texts: tuple[str, ...]) -> Setting:
    """The script's own tokens as values, for the eye: numbers where the flag takes numbers."""
    if flag.action in SWITCHES:
        return flag.action != "store_false"
    values = tuple(_number(flag, text) for text in texts)
    return values[0] if len(values) == 1 and flag.nargs is None else values


def _number(flag: Flag, text: str) -> Scalar:
    try:
        return int(text) if flag.type == "int" else float(text) if flag.type == "float" else text
    except ValueError:
        return text


def misread(value: str) -> bool:
    """Whether `argparse` before Python 3.13 takes the value for an option."""
    if not value.startswith("-") or value == "-":
        return False
    whole, _, part = value[1:].partition(".")
    plain = (whole + part).isascii() and (whole + part).isdigit() and (bool(part) or "." not in value)
    return not plain


def _fault_of_type(flag: Flag, value: Scalar) -> str | None:
    name, told = ticked(flag.name), shown(flag, value)
    if isinstance(value, bool):
        return f"flag {name} takes a value, not {told}"
    if flag.type == "int":
        fits = isinstance(value, int) or (isinstance(value, str) and _reads(int, value))
        return None if fits else f"flag {name} takes an integer upstream (`type=int`), not {told}"
    if flag.type == "float":
        fits = not isinstance(value, str) or _reads(float, value)
        return None if fits else f"flag {name} takes a number, not {told}"
    return None


def _reads(kind: type[int | float], text: str) -> bool:
    try:
        kind(text)
    except ValueError:
        return False
    return True


def _chosen(flag: Flag, value: Scalar) -> bool:
    """Whether the value is among the choices once `argparse` has converted it; a conversion of upstream's own is trusted."""
    return flag.type in ("bool", "other") or _number(flag, spelled(value)) in (flag.choices or ())
