"""How findings look to people."""

from __future__ import annotations

from srpo_manifest.finding import Finding, Related, Spot, Where
from srpo_manifest.rendering import told


def finding(where: Where, *related: Related) -> Finding:
    return Finding(code="a-code", level="deny", message="wrong", where=where, related=related)


def spot(line: int, column: int, width: int, text: str, file: str = "a.toml") -> Spot:
    return Spot(file=file, line=line, column=column, width=width, text=text)


def test_places_of_one_file_share_a_snippet() -> None:
    """In the order of the file; lines that follow each other have no gap, one line stands once."""
    found = finding(
        spot(11, 5, 2, "b = 12"),
        Related(message="first", where=spot(2, 1, 1, "b = 1")),
        Related(message="with this", where=spot(10, 1, 1, "c = 1")),
        Related(message="and this", where=spot(11, 1, 1, "b = 12")),
        Related(message="of that", where=spot(3, 1, 1, "x = 1", "other.toml")),
    )
    assert (
        told(found)
        == """\
error[a-code]: wrong
   --> a.toml:11:5
   |
 2 | b = 1
   | - first
...
10 | c = 1
   | - with this
11 | b = 12
   | - and this
   |     ^^
note: of that
  --> other.toml:3:1
  |
3 | x = 1
  | ^"""
    )


def test_a_place_without_a_line_to_show_keeps_notes_apart() -> None:
    """What may hold a secret is never drawn."""
    found = finding(Where(file="a.toml", line=4, column=2), Related(message="first", where=spot(2, 1, 1, "b = 1")))
    assert told(found).splitlines()[1:4] == ["  --> a.toml:4:2", "note: first", "  --> a.toml:2:1"]


def test_of_a_long_line_the_part_about_the_place_is_shown() -> None:
    """At either end, in the middle, and of a place that is itself too long."""
    text = "".join(f"{number:04}" for number in range(1000))
    for column, width in ((1, 4), (2001, 4), (3997, 4), (2001, 1500)):
        *_, shown, marks = told(finding(spot(1, column, width, text))).splitlines()
        line, signs = shown.removeprefix("1 | "), marks.removeprefix("  | ")
        assert len(line) <= 142
        start = signs.index("^")
        marked = line[start : start + signs.count("^")]
        assert text[column - 1 :].startswith(marked)
        assert len(marked) == min(width, 100)
        assert line.startswith("…") == (column > 41)
        assert line.endswith("…") == (column < 3900)


def test_carets_stand_below_what_a_terminal_draws() -> None:
    """Wide characters take two cells, combining ones none, and what a terminal would obey is spelled out."""
    for before, cells in (("漢字 = ", 7), ("e\u0301 = ", 4), ("\U0001f680 ", 3), ("\t\x1b ", 7), ("\u202e ", 7)):
        *_, shown, marks = told(finding(spot(1, len(before) + 1, 1, before + "1"))).splitlines()
        assert shown.endswith("1")
        assert marks == f"  | {' ' * cells}^"


def test_colours_change_no_letter() -> None:
    """Every piece is painted by its role."""
    found = finding(spot(11, 5, 2, "b = 12"), Related(message="first", where=spot(2, 1, 1, "b = 1")))
    roles: set[str] = set()

    def paint(role: str, text: str) -> str:
        roles.add(role)
        return f"<{text}>"

    assert told(found, paint).replace("<", "").replace(">", "") == told(found).replace("-->", "--")
    assert roles == {"error", "title", "frame", "note"}
