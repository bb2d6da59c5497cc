"""Manifests of any size that cost an explainer most: `NAME...` reads each, and prints as JSON what that costs."""

from __future__ import annotations

import json
import resource
import sys
import time
from collections.abc import Callable

SIZES = (2 << 10, 4 << 10, 8 << 10)
LIMIT_BYTES = 1 << 20
VALUES = 19_500
"""A little less than the most values that a file may set."""
BASE = 'schema = 1\nname = "a"\nmodel.type = "generic"\n'


def _lines(line: str) -> Callable[[int], str]:
    """As many of these lines as have place; `N` in one is its number, of five digits."""

    def made(size: int) -> str:
        found, length = [BASE], len(BASE)
        while length < size:
            found.append(line.replace("N", f"{len(found):05}") + "\n")
            length += len(found[-1])
        return "".join(found)

    return made


def _long(begin: str, middle: str, end: str = "\n") -> Callable[[int], str]:
    """One thing that is as long as all."""
    return lambda size: BASE + begin + middle * (size // len(middle)) + end


NASTY: dict[str, Callable[[int], str]] = {
    "unknown keys": _lines("kN = 1"),
    "unknown keys that look like known ones": _lines("resources.nodesN = 1"),
    "unknown keys of other tables": _lines("end.nodesN = 1"),
    "the same key": _lines("name = 'a'"),
    "the same key of a long name": _lines("resources." + "n" * 200 + " = 1"),
    "the same table": _lines("[repo]\nref = 'N'"),
    "tables": _lines("[tN]"),
    "tables in tables": _lines("[a.b.c.d.e.f.g.h.i.j.k.l.m.n.o.pN]"),
    "arrays of tables": _lines("[[files]]\npath = 1"),
    "arrays of one table": _lines("[[files]]"),
    "variables": _lines("env.VN = 1"),
    "variables of a name that is none": _lines("env.'a N' = { env = 1 }"),
    "references with many unknown keys": lambda size: _lines("kN = 1")(size // 2).replace(
        BASE, BASE + "[env." + "N" * (size // 2) + "]\n"
    ),
    "flags": _lines("entry.set.fN = {}"),
    "wrong values": _lines("x.N = yes"),
    "keys alone": _lines("name"),
    "no keys": _lines("= 1"),
    "open headers": _lines("[a"),
    "open arrays": _lines("a = ["),
    "open arrays of tables": _lines("a = [\n[a"),
    "open braces": _lines("a = {"),
    "open braces with a comma": _lines("a = { b = 1,"),
    "open strings": _lines('a = "'),
    "open long strings": _lines('a = [\\"""'),
    "open long literal strings": _lines("a = '''a'''' '''"),
    "open quotes of both kinds": _lines("a = '''\nb = \"\"\"\\"),
    "open quotes in a key": _lines('"\\"""'),
    "brackets": _long("a = ", "["),
    "brackets, line by line": _lines("[" * 40),
    "closed brackets": _lines("plugins = " + "[" * 16 + "]" * 16),
    "dots": _long("a", ".a"),
    "dots and blanks": _long("a", " ."),
    "braces in dots": _long("", "a.b.c.d.e.f={"),
    "an array": _long("plugins = [", "1,", "]\n"),
    "an array of bad words": _long("plugins = [", "yes,", "]\n"),
    "an array without commas": _long("plugins = [", "1 ", "]\n"),
    "an array of lines": _long("plugins = [", "1,\n", "]\n"),
    "an array of lines, open": _long("plugins = [", "'a',\n", ""),
    "an array of comments": _long("plugins = [", "#\n", "]\n"),
    "a table in braces": lambda size: (
        BASE + "repo = {" + ",".join(f"k{number} = 1" for number in range(size // 10)) + "}\n"
    ),
    "a table in braces of lines": lambda size: (
        BASE + "repo = {" + ",\n".join(f"k{number} = 1" for number in range(size // 11)) + "}\n"
    ),
    "a long string": _long('name = "', "a", '"\n'),
    "a long string of escapes": _long('name = "', "\\n", '"\n'),
    "a long string of bad escapes": _long('name = "', "\\q", '"\n'),
    "a long string of long escapes": _long('name = "', "\\u0041", '"\n'),
    "a long string of controls": _long('name = "', "\x01", '"\n'),
    "a long open string": _long('name = "', "\\a", "\n"),
    "a long string of lines": _long('name = """', "\\\n", '"""\n'),
    "quotes": _long("a = ", '"'),
    "a long key": _long("", "n", " = 1\n"),
    "a long key in quotes": _long('"', "\\n", '" = 1\n'),
    "a long key that is nearly known": _long("resources.nodes", "_"),
    "a long name of a table with a wrong value": _long("[entry.set.", "n", "]\na = 1\n"),
    "a long word": _long("name = ", "a"),
    "a long number": _long("resources.nodes = ", "1"),
    "a long number with underscores": _long("resources.nodes = ", "1_"),
    "a long fraction": _long("stop.max_hours = 1.", "1"),
    "a long date": _long("name = 1979-05-27T07:32:00.", "0"),
    "a long comment": _long("name = x #", "é"),
    "blanks": _long("", " "),
    "blanks before every key": _lines(" " * 200 + "a b"),
    "blank lines": _long("", "\n", "a"),
    "carriage returns": _long("", "\r"),
    "profiles": _lines("[profile.pN]"),
    "a drop": _long("drop = [", "'a',", "]\n"),
    "emoji": _lines("'🚀N' = '🚀"),
}
"""What a file may hold, in any number of bytes."""


def read(data: bytes) -> list[str]:
    """Every finding as people see it."""
    from srpo_manifest.engine.checking import findings
    from srpo_manifest.rendering import told
    from srpo_manifest.values.said import Said

    return [told(one) for one in findings(Said(manifest="srpo.toml"), data)]


def counted(data: bytes) -> int:
    """Calls of functions, ours and Python's own, that reading takes."""
    count = 0

    def note(_frame: object, event: str, _arg: object) -> None:
        nonlocal count
        count += event in {"call", "c_call"}

    sys.setprofile(note)
    try:
        read(data)
    finally:
        sys.setprofile(None)
    return count


def largest(name: str) -> bytes:
    """The largest of that name that is read at all: so many bytes, so many values."""
    made = NASTY[name]
    probe = made(SIZES[-1])
    values = max(1, sum(map(probe.count, "=,["))) / len(probe)
    return made(int(min(LIMIT_BYTES - 200, VALUES / values))).encode()[:LIMIT_BYTES]


def main() -> None:
    """Count the calls at each of the sizes, and read the largest."""
    read(BASE.encode() + b"a = 1\n[env.b]\n")  # what is imported once counts for nobody
    costs = {}
    for name in sys.argv[1:]:
        calls = [counted(NASTY[name](size).encode()) for size in SIZES]
        data = largest(name)
        began = time.process_time()
        found = read(data)
        costs[name] = {
            "calls": calls,
            "bytes": len(data),
            "findings": len(found),
            "seconds": time.process_time() - began,
        }
    print(json.dumps({"costs": costs, "peak_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10}))


if __name__ == "__main__":
    main()
