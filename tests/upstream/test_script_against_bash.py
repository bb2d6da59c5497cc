"""What the script reader says is what real bash does."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from srpo_manifest.upstream.script import read_script

ENVIRONMENT = {"NODES": "2", "EMPTY": "", "TWO": "one two", "HOST": "10.0.0.1", "HOME": "/home/somebody"}

KNOWN = {
    "plain": "torchrun --nnodes 1 train.py --lr 5e-6",
    "no newline at the end": "torchrun train.py --a 1 \\\n  --b 2",
    "dangling backslash at the end": "torchrun train.py --a 1 \\",
    "dangling backslash and newline": "torchrun train.py --a 1 \\\n",
    "backslash before a blank line": "torchrun train.py --a \\\n\n",
    "backslash before a comment": "torchrun train.py --a \\\n  # --b 2 \\\n",
    "no blank before the backslash": "torchrun train.py --seed 42\\\n--lr 3 --x\\\n  4",
    "a word that goes on": 'torchrun train.py --o=a\\\nb"c"\\\n\'d\'',
    "comment ends in a backslash": "# nothing \\\ntorchrun train.py",
    "comment behind": "torchrun train.py --a # --b",
    "hash inside a word": "torchrun train.py a#b '#c'",
    "single quotes": "torchrun train.py 'a  b' 'it'\\''s' '$NODES' '\\n'",
    "double quotes": 'A=x\ntorchrun train.py "a  $A  b" " $A" "\\$A \\" \\\\ \\n" "" "a\\\nb" "*"',
    "ansi quotes": "torchrun train.py $'a\\tb\\n' $'it\\'s' $'\\x41\\u00e9\\101' $'\\q'",
    "ascii ansi quotes": "torchrun train.py $'a\\tb\\n' $'it\\'s' $'\\x41\\101' $'\\q' $'\\e[0m'",
    "pieces side by side": "A=1\ntorchrun train.py a'b'\"c$A\"d$A\"\"",
    "escapes": "torchrun train.py a\\ b \\* \\~ \\$A \\\\ \\#",
    "environment": 'torchrun --nnodes $NODES --ep "$HOST:29601" train.py $TWO "$TWO" x$TWO/y$EMPTY',
    "empty vanishes": 'A=\ntorchrun train.py $A $EMPTY "$A" "$EMPTY" --x=$A x',
    "values of values": "A=$NODES\nB=$A-$HOST\nA=7\ntorchrun train.py $B $A",
    "values that split": 'FLAGS="--a 1   --b  2"\ntorchrun train.py $FLAGS "$FLAGS" x$FLAGS',
    "continued string": 'FLAGS="--a 1 \\\n  --b 2\n"\ntorchrun train.py $FLAGS',
    "split at the edges": 'A=" x "\ntorchrun train.py a${A}b $A',
    "appended": "A=1\nA+=2\nA+=' 3'\ntorchrun train.py $A",
    "defaults": 'torchrun train.py ${NODES:-4} ${EMPTY:-5} ${NO:-6} "${NO:-a b}" ${NO:-a b} ${NO:-} ${NO:-"q"}',
    "defaults of the script's own": "A=1\nB=\ntorchrun train.py ${A:-2} ${B:-3} ${B:-$A} ${A:+y} ${B:+n} x",
    "defaults of defaults": "A=${NO:-7}\nB=${A:-8}\nC=${NODES:-9}\ntorchrun train.py $A $B ${C:-1}",
    "assigning defaults": ': "${NO:=3}" ${NODES:=4}\ntorchrun train.py $NO $NODES',
    "demanded values": ": ${NODES:?}\ntorchrun train.py ${NODES:?not set} ${HOST:?}",
    "lengths": "A=abc\ntorchrun train.py ${#A}",
    "arithmetic": "A=3\nB=4\ntorchrun train.py $((A*B)) $(( $A + 2 * $B - 1 )) $((2*(A+1)))",
    "one line": 'A=1 B="x $A"; torchrun train.py $B; ',
    "arrays": 'A=(--a 1 "--b c" \'$d\')\ntorchrun train.py "${A[@]}" ${A[@]}',
    "arrays over lines": 'A=(\n  --a 1 # one\n  # two\n  --b "$TWO"\n)\ntorchrun train.py "${A[@]}"',
    "growing arrays": 'A=()\nA+=(x "y z")\nA+=($NODES)\ntorchrun train.py "${A[@]}" end',
    "empty array": 'A=()\ntorchrun train.py "${A[@]}" ${A[@]} end',
    "home": "D=~/data\ntorchrun train.py ~ ~/x $D --d=~/y a~b",
    "own home": "HOME=/srv\ntorchrun train.py ~/x",
    "joined output": "torchrun train.py 2>&1 --a 1",
    "words after a redirection": "torchrun train.py 2>&1 --a 1 >&2 --b",
    "quoted braces": "torchrun train.py '{a,b}' \"{1..3}\" \\{a,b\\} --c='{\"x\": 1}'",
    "exports": "export A=1 B\nexport C='x y'\ntorchrun train.py $A $C",
    "prefix": "A=1\nA=2 B=$A torchrun train.py $A",
    "options of bash": "set -euo pipefail\nset -x\nset +e\ntorchrun train.py",
    "harmless": 'echo "starting $NODES" >&2\nprintf "%s" x > /dev/null\nmkdir -p out\ndate\ntorchrun train.py',
    "answers that nobody uses": "NOW=$(date +%s)\necho $(hostname)\ntorchrun train.py",
    "python": "python3 -u train.py --a",
    "python with a module": "python -m torch.distributed.run --nproc_per_node=2 train.py --a",
    "accelerate": "accelerate launch --multi_gpu --num-processes 2 train.py --a 1",
    "deepspeed": "deepspeed --num_gpus=2 --module trainer.main --a",
    "non-ascii": "torchrun train.py --p 'ein Fuß' \"中文\" é",
    "odd names": "_a1=x\ntorchrun train.py $_a1 ${_a1}b",
    "tabs": "\ttorchrun\ttrain.py\t--a\t'\t'",
    "assignments with patterns": 'A=*.py\nB={a,b}\nC=[x]\ntorchrun train.py "$A" $B "$C"',
    "two launches": "python prepare.py\ntorchrun train.py",
}  # fmt: skip

UNKNOWN = {
    "file names": "torchrun train.py *.json",
    "file names of a value": "A='*.json'\ntorchrun train.py $A",
    "braces": "torchrun train.py {a,b}",
    "counted": "torchrun train.py a{1..3}",
    "commands": "torchrun train.py $(date)",
    "backticks": 'A=`date`\ntorchrun train.py "$A"',
    "patterns": "A=x.sh\ntorchrun train.py ${A%.sh}",
    "positional": "torchrun train.py $1",
    "its own process": "torchrun train.py $$ $RANDOM",
    "under a condition": "if true; then A=1; fi\ntorchrun train.py $A",
    "in a loop": "for i in 1 2; do A=$i; done\ntorchrun train.py $A",
    "of a function": "f() { A=1; }\nA=0\nf\ntorchrun train.py $A",
    "in a function": "A=0\nf() { torchrun train.py $A; }\nA=1\nf",
    "sourced": "source env.sh\ntorchrun train.py $A",
    "evaluated": "A=1\neval A=2\ntorchrun train.py $A",
    "asked": "read A < /dev/null\ntorchrun train.py $A",
    "one element": 'A=(x y)\nA[1]=z\ntorchrun train.py "${A[@]}"',
    "scalar of an array": "A=(x y)\ntorchrun train.py $A",
    "other separators": "IFS=,\nA=1,2\ntorchrun train.py $A",
    "counting": "i=1\n((i++))\ntorchrun train.py $i",
    "counting inside": "i=1\ntorchrun train.py $((i++)) $i",
    "another user's home": "torchrun train.py ~root/x",
    "hidden tilde": "torchrun train.py a=~/x",
    "translated": 'torchrun train.py $"hello"',
    "default that runs": "torchrun train.py ${NO:-$(date)}",
    "unset only": "torchrun train.py ${EMPTY-x}",
    "nested default": "torchrun train.py ${NO:-${NODES}}",
    "integer attribute": "declare -i A=1+1\ntorchrun train.py $A",
}  # fmt: skip


@pytest.mark.parametrize("name", KNOWN)
def test_tokens_are_what_bash_hands_over(name, bash, predicted):
    """Every word that the contract claims to know arrives so, and nothing else does."""
    source = KNOWN[name].encode()
    contract = read_script(source, "train.sh")
    expected = bash.run(source, ENVIRONMENT)
    assert expected
    if name == "ansi quotes":
        assert predicted(contract, ENVIRONMENT) is None
    else:
        assert predicted(contract, ENVIRONMENT) == expected


@pytest.mark.parametrize("name", UNKNOWN)
def test_what_only_running_could_tell_is_said_to_be_unknown(name, bash, predicted):
    """Where a word is not certain, no word is claimed, and direct mode is refused with a line."""
    source = UNKNOWN[name].encode()
    contract = read_script(source, "train.sh")
    assert len(contract.launches) == 1
    assert predicted(contract, ENVIRONMENT) is None
    assert not contract.direct
    assert all(gap.line >= 1 and gap.reason for gap in contract.indirect)
    assert contract.indirect


NAMES = st.sampled_from(["A", "B", "C", "NODES", "EMPTY", "TWO", "NO"])
BARE = st.text(alphabet="ab1-=./:,@%+_", min_size=1, max_size=4)
INSIDE = st.text(alphabet="a b\t\n*'#{}~;&|()<>!?=", max_size=5)


def _expansion(name: str, form: str) -> str:
    return form.replace("NAME", name)


EXPANSIONS = st.builds(
    _expansion,
    NAMES,
    st.sampled_from(
        ["$NAME", "${NAME}", "${NAME:-d}", "${NAME:-d e}", "${NAME:+s}", "${#NAME}", "${NAME:=z}", "${NAME%x}"]
    ),
)
SUMS = st.builds(
    "$(({}{}{}))".format, st.integers(0, 9), st.sampled_from(["+", "-", "*", " + 2 * "]), st.integers(0, 9) | NAMES
)
DOUBLE = st.lists(
    st.text(alphabet="a b\t*'#{}~;&|()<>?=.", max_size=4)
    | EXPANSIONS
    | st.sampled_from(["\\$", '\\"', "\\\\", "\\n", "\\\n", "$ "]),
    max_size=4,
).map(lambda parts: '"' + "".join(parts) + '"')
SINGLE = st.text(alphabet='a b$"\\`*\n#', max_size=4).map(lambda text: f"'{text}'")
ANSI = st.lists(
    st.sampled_from(["a", " ", "\\n", "\\t", "\\'", "\\\\", "\\x41", "\\101", '"', "$A", "\\z", "\\0"]), max_size=4
).map(lambda parts: "$'" + "".join(parts) + "'")
ESCAPES = st.sampled_from(["\\ ", "\\*", "\\'", '\\"', "\\$", "\\\\", "\\a", "\\\n", "\\~", "\\{"])
ODD = st.sampled_from(["~", "~/x", "*", "[a]", "{a,b}", "!", "^", "]", "a~b", "x=~/y", "a#b", "%", "$"])
WORDS = st.lists(BARE | EXPANSIONS | DOUBLE | SINGLE | ANSI | ESCAPES | SUMS | ODD, min_size=1, max_size=4).map("".join)
GAPS = st.sampled_from([" ", "  ", "\t", " \\\n  ", " \\\n", "\\\n "])


def _line(words: list[str], gaps: list[str], end: str) -> str:
    return "torchrun train.py" + "".join(gap + word for gap, word in zip(gaps, words, strict=False)) + end


SETTING = st.builds("{}{}{}".format, NAMES, st.sampled_from(["=", "=", "+="]), WORDS | st.just(""))
ARRAY = st.builds(
    lambda name, sign, words: f"{name}{sign}({' '.join(words)})",
    NAMES,
    st.sampled_from(["=", "+="]),
    st.lists(WORDS, max_size=3),
)
OTHER = st.sampled_from([
    "", "# a comment \\", "export A", ": ${B:=q}", "echo $A", "B=1 true", "unset C", "if true; then C=1; fi",
    "for A in x y; do B=$A; done", "while false; do A=1; done", "f() { A=8; }; f", "{ A=3; }", "(A=4)", "A=5 | cat",
    "A=6 && B=7", '[ -n "$A" ] || A=x', "case $A in x) B=1;; *) B=2;; esac", "! A=1", "A=1 &", "read B <<< x", "eval A=1",
    "export A=4 B=$A", "declare C=4", "printf -v A x", ": $((A=3)) $((B++))", "((B=2))", "let C=4", "readonly D=1",
    "cat <<EOF\n$A \\\nEOF", "cat <<'EOF' >/dev/null\ntorchrun $A\nEOF", "A=1; B=$A; C=2", "mkdir -p $A", "set -x", "IFS=:",
    "A=$(B=1; echo 2)", "typeset -i B=3", "B=([2]=x)", "A[0]=1", "mapfile -t A <<< y", "A=~/x", 'A="$B"$C', "export -n A",
])  # fmt: skip
LAUNCH = st.builds(
    _line,
    st.lists(WORDS | st.sampled_from(['"${A[@]}"', "${B[@]}", '"$@"', "2>&1"]), max_size=6),
    st.lists(GAPS, min_size=6, max_size=6),
    st.sampled_from(["", " \\", " \\\n", " \\\n\n", " # x \\\n", " \\\n # y", ";", " "]),
)
SCRIPTS = st.tuples(st.lists(SETTING | ARRAY | OTHER, max_size=5), LAUNCH, st.sampled_from(["\n", "", "\nA=9\n"])).map(
    lambda parts: "\n".join([*parts[0], parts[1]]) + parts[2]
)


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(source=SCRIPTS)
def test_any_script_is_read_right_or_not_claimed(source, bash, predicted):
    """For arbitrary settings, quotes and continuations the contract's words are bash's, or the contract has a gap."""
    contract = read_script(source.encode(), "train.sh")
    claimed = predicted(contract, ENVIRONMENT)
    if contract.gaps or claimed is None:
        assert not contract.direct
    else:
        assert claimed == bash.run(source.encode(), ENVIRONMENT)
