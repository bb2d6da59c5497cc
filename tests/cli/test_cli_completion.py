"""What a shell is told when somebody presses TAB."""

from __future__ import annotations

import pytest


@pytest.fixture
def tab(say):
    """What bash would offer for the last of the words."""

    def press(*words: str) -> list[str]:
        line = " ".join(("srpo-manifest", *words))
        said = say(COMP_WORDS=line, COMP_CWORD=str(len(words)), _SRPO_MANIFEST_COMPLETE="bash_complete")
        assert (said.status, said.err) == (0, "")
        return [one.partition(",")[2] for one in said.out.splitlines() if one.startswith("plain,")]

    return press


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_a_shell_gets_its_script(say, shell: str):
    """By one variable, as with every program that click reads for."""
    said = say(_SRPO_MANIFEST_COMPLETE=f"{shell}_source")
    assert said.status == 0
    assert "_srpo_manifest_completion" in said.out


def test_keys_and_their_values_are_completed(tab):
    """Those of a plugin's backend, too; a value where there are few."""
    assert tab("plan", "--set", "entry.mo") == ["entry.mode="]
    assert tab("plan", "--set", "entry.mode=d") == ["entry.mode=direct"]
    assert tab("plan", "--set", "outputs.per_run=") == ["outputs.per_run=true", "outputs.per_run=false"]
    assert tab("apply", "--set", "backend.transport.ho") == ["backend.transport.host="]
    assert tab("apply", "--set", "backend.transport.kind=") == [
        "backend.transport.kind=local",
        "backend.transport.kind=ssh",
    ]
    assert tab("plan", "--set", "repo") == ["repo.url=", "repo.ref=", "repo.path=", "repo.refresh="]


def test_codes_keys_verbs_profiles_and_plugins_are_completed(place, tab):
    """Each where it may stand."""
    assert tab("explain", "unknown-k") == ["unknown-key", "unknown-kind"]
    assert tab("explain", "host-unk") == ["host-unknown"]
    assert tab("explain", "backend.transport.silent") == ["backend.transport.silent_seconds"]
    assert tab("plan", "--deny", "gpu-co") == ["gpu-count", "gpu-count-unknown"]
    assert tab("va") == ["validate"]
    assert tab("plugins", "check", "exam") == ["example"]
    text = (place.folder / "srpo.toml").read_text()
    place.write("srpo.toml", f"{text}[profile.smoke]\n[profile.whole]\n")
    assert tab("plan", "--profile", "s") == ["smoke"]


def test_what_cannot_be_completed_offers_nothing(place, tab):
    """Nor does a plugin that is broken, or talks, spoil the line."""
    place.write("site/plug_bad.py", "print('talk')\nraise ValueError('no')")
    place.write("site/bad-1.dist-info/METADATA", "Metadata-Version: 2.1\nName: bad\nVersion: 1\n")
    place.write("site/bad-1.dist-info/entry_points.txt", "[srpo_manifest]\nbad = plug_bad\n")
    place.env["PYTHONPATH"] = str(place.folder / "site")
    assert tab("nonsense", "--set", "x") == []
    assert tab("explain", "host-unk") == ["host-unknown"]
