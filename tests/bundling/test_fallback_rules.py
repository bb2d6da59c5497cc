"""`rules.sh` says what `rules.json` says."""

from __future__ import annotations

import subprocess

from hypothesis import given, settings
from hypothesis import strategies as st
from supervising import words

from srpo_manifest.bundling.fallback import shell_rules

RULES = {
    "format": 1, "name": "demo", "plan": "0123abcd", "cwd": "/x", "repo": "/r", "port": None, "checks": [], "target_files": {},
    "done": {"checkpoints": 2, "images": None, "files": [], "exit_zero": False},
    "stop": {"grace_seconds": 5, "checkpoint_seconds": 10, "max_hours": 1.5, "stall_minutes": 30},
    "artifacts": {"checkpoints": None, "marker": None, "weights": None, "images": None, "collect_images": True},
}  # fmt: skip
WORDS = {"run.id": "demo-1 *", "run.dir": "/run $dir", "target.home": "/home/it's me", "repo.dir": "/r"}
texts = st.lists(
    st.one_of(
        st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=8),
        st.sampled_from(
            ["$$", "${", "${x}", "${run.id}", "${run.dir}", "${target.home}", "${repo.dir}", "$", "'", "`id`", "\\"]
        ),
    ),
    max_size=6,
).map("".join)


def expand(text: str) -> str:
    """By the supervisor in Python."""
    bound: str = words.expand(text, WORDS)
    return bound


def sourced(rules: dict[str, object], script: str) -> list[str]:
    """What *script* prints, piece by piece, after the rules were set."""
    env = {
        "SRPO_RUN_ID": WORDS["run.id"],
        "SRPO_RUN_DIR": WORDS["run.dir"],
        "HOME": WORDS["target.home"],
        "PATH": "/usr/bin:/bin",
    }
    text = f"declare -A target_files\n{shell_rules(rules, ['B', 'A'])}{script}"
    done = subprocess.run(["bash", "-s"], input=text.encode(), env=env, capture_output=True, check=True)
    return done.stdout.decode().split("\0")[:-1]


@settings(max_examples=12)
@given(st.lists(texts, min_size=4, max_size=4))
def test_texts_are_bound_as_python_binds_them(made):
    """Late words in folders, patterns and messages; everything else as it stands."""
    cwd, pattern, message, hint = made
    check = {
        "code": "c",
        "level": "deny",
        "op": "one-of",
        "value": ["a", 1.5],
        "message": message,
        "probe": cwd,
        "hints": [hint],
    }
    rules = RULES | {"cwd": cwd, "checks": [check, check | {"level": "allow"}]}
    rules["done"] = {**RULES["done"], "files": [pattern]}  # type: ignore[dict-item]
    found = sourced(rules, 'check() { printf "%s\\0" "$@"; }\nprintf "%s\\0" "$cwd" "${done_files[@]}"\nask_checks\n')
    assert found == [
        expand(cwd), expand(pattern.replace("\\", "\\\\")), "c", "deny", "one-of", "a\n1.5", expand(message), cwd, expand(hint),
    ]  # fmt: skip


def test_what_is_not_given_is_empty():
    """A flag is `yes` or empty, hours come as seconds, names are sorted."""
    names = (
        "done_checkpoints",
        "done_images",
        "exit_zero",
        "max_hours",
        "max_seconds",
        "weights",
        "images",
        "collect_images",
        "port",
    )
    found = sourced(
        RULES, "".join(f'printf "%s\\0" "${name}"\n' for name in names) + 'printf "%s\\0" "${secrets[*]}"\n'
    )
    assert found == ["2", "0", "", "1.5", "5400.00", "*", "", "yes", "", "A B"]
