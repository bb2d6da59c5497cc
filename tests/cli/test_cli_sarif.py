"""SARIF as the standard has it: what we write of it, held against its own rules."""

from __future__ import annotations

import json
from typing import Any

import jsonschema
from mistakes import mistakes, written

ALL = [
    one for one in mistakes() if one.what in ("", "whole") and '"ssh"' not in one.text and one.code != "unknown-kind"
]


def closed(required: str, /, **properties: Any) -> dict[str, Any]:
    """An object with these properties and no other."""
    return {"type": "object", "required": required.split(), "properties": properties, "additionalProperties": False}


def several(items: Any, least: int = 0) -> dict[str, Any]:
    return {"type": "array", "items": items, "minItems": least, "uniqueItems": True}


NUMBER = {"type": "integer", "minimum": 1}
TEXT = {"type": "string"}
MESSAGE = closed("text", text=TEXT, markdown=TEXT)
ARTIFACT = closed("uri", uri={"type": "string", "format": "uri-reference"}, uriBaseId=TEXT)
REGION = closed(
    "startLine startColumn endLine endColumn", startLine=NUMBER, startColumn=NUMBER, endLine=NUMBER, endColumn=NUMBER
)
LOCATION = closed(
    "physicalLocation",
    physicalLocation=closed("artifactLocation", artifactLocation=ARTIFACT, region=REGION),
    logicalLocations=several(closed("fullyQualifiedName", fullyQualifiedName=TEXT), 1),
    message=MESSAGE,
)
REPLACEMENT = closed("deletedRegion insertedContent", deletedRegion=REGION, insertedContent=closed("text", text=TEXT))
FIX = closed(
    "description artifactChanges",
    description=MESSAGE,
    artifactChanges=several(
        closed("artifactLocation replacements", artifactLocation=ARTIFACT, replacements=several(REPLACEMENT, 1)), 1
    ),
)
RESULT = closed(
    "ruleId level message locations partialFingerprints",
    ruleId=TEXT,
    level={"enum": ["none", "note", "warning", "error"]},
    message=MESSAGE,
    locations={"type": "array", "items": LOCATION, "minItems": 1},
    relatedLocations=several(LOCATION),
    fixes=several(FIX),
    partialFingerprints={"type": "object", "additionalProperties": TEXT},
)
RULE = closed(
    "id shortDescription fullDescription help", id=TEXT, shortDescription=MESSAGE, fullDescription=MESSAGE, help=MESSAGE
)
DRIVER = closed("name version rules", name=TEXT, version=TEXT, rules=several(RULE))
RUN = closed(
    "tool results columnKind",
    tool=closed("driver", driver=DRIVER),
    results={"type": "array", "items": RESULT},
    columnKind={"enum": ["utf16CodeUnits", "unicodeCodePoints"]},
)
SARIF = closed(
    "version runs", **{"$schema": {"type": "string", "format": "uri"}}, version={"const": "2.1.0"}, runs=several(RUN, 1)
)
"""Sections 3.13 to 3.58 of the standard, of the properties that we write."""


def test_every_mistake_in_sarif_is_as_the_standard_has_it(place, say) -> None:
    """Each with its rule, and each rule with its texts."""
    for number, one in enumerate(ALL):
        place.write(f"{number:03}.toml", written(one.whole).text)
    found = json.loads(say("validate", "--format", "sarif", *(f"{number:03}.toml" for number in range(len(ALL)))).out)
    jsonschema.Draft202012Validator(SARIF).validate(found)
    (run,) = found["runs"]
    results = run["results"]
    assert [one["ruleId"] for one in results] == [one.code for one in ALL]
    rules = [rule["id"] for rule in run["tool"]["driver"]["rules"]]
    assert rules == sorted({one.code for one in ALL})
    assert len({json.dumps(one["partialFingerprints"]) for one in results}) == len(results)
    for result, one in zip(results, ALL, strict=True):
        region = result["locations"][0]["physicalLocation"].get("region")
        place_ = written(one.whole).place
        assert (region is None) == (place_.line == 0), one
        if region:
            assert (region["startLine"], region["startColumn"]) == (place_.line, place_.column)
            assert region["endColumn"] == place_.column + place_.width
