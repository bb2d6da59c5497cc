"""What the script reader says is what real bash does."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from srpo_manifest.upstream.script import read_script

ENVIRONMENT = {"NODES": "2", "EMPTY": "", "TWO": "one two", "HOST": "10.0.0.1", "HOME": "/home/somebody"}

SOURCED = {
    "args.sh": b"set -- p 'q r'\n",
    "env.sh": b"A=$B.s\nexport S='s t'\n",
    "more/fun.sh": b'g() { A="$1$B"; }\nif [ -n "$A" ]; then return; fi\nB=more\n',
}

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
    "patterns": "A=x.sh\ntorchrun train.py ${A%.sh}",
    "under a condition": "if true; then A=1; fi\ntorchrun train.py $A",
    "in a loop": "for i in 1 2; do A=$i; done\ntorchrun train.py $A",
    "of a function": "f() { A=1; }\nA=0\nf\ntorchrun train.py $A",
    "in a function": "A=0\nf() { torchrun train.py $A; }\nA=1\nf",
    "one element": 'A=(x y)\nA[1]=z\ntorchrun train.py "${A[@]}"',
    "scalar of an array": "A=(x y)\ntorchrun train.py $A",
    "counting": "i=1\n((i++))\ntorchrun train.py $i",
    "counting inside": "i=1\ntorchrun train.py $((i++)) $i",
    "unset only": "torchrun train.py ${EMPTY-x}",
    "nested default": "torchrun train.py ${NO:-${NODES}}",
    "cut values": 'A=a/b.tar.gz\ntorchrun train.py ${A%.*} ${A%%.*} ${A##*/} ${A#*/} ${A%/*} ${A%x} ${A#[a-c]} ${A%"gz"}',
    "replaced values": "A=a-b-a\nB=-\ntorchrun train.py ${A/a/x} ${A//a/} ${A//-/_} ${A/#a/y} ${A/%a/z} ${A//$B/+} ${A/b}",
    "changed letters": "A=aBc\ntorchrun train.py ${A^^} ${A,,} ${A^} ${A,}",
    "parts of values": "A=abcdef\ntorchrun train.py ${A:1} ${A:1:2} ${A: -2} ${A:(-3):1} ${A:9}",
    "words of a condition": 'A=1\nB=\ntorchrun train.py ${A:+--flag "$A x"} ${B:+--no "$B"} ${B:+} ${A+y} ${B+z}',
    "set but empty": "A=\ntorchrun train.py ${A-x} ${A:-y} ${NO-z} ${NODES-q}",
    "defaults of variables": 'torchrun train.py ${NO:-$HOST/x} "${NO:-${NO2:-${NODES}y}}"',
    "defaults in quotes": 'A=${NO:-"a b"}\ntorchrun train.py "$A" "${NO:-"c"}" ${NO:-"d"} "${NO:-e f}"',
    "elements": 'A=(x "y z" $NODES)\nB=("a b" c)\ntorchrun train.py "${B[0]}" ${B[1]} ${#B[@]} "${B[*]}" "${B[-1]}"',
    "elements set": 'A=(x y)\nA[1]=z\nA[2]="u v"\ntorchrun train.py "${A[@]}"',
    "decided": 'A=x\nif [ "$A" = x ]; then B=1; elif false; then B=2; else B=3; fi\ntorchrun train.py $B',
    "decided otherwise": 'A=\nif [ -n "$A" ]; then B=1; elif [[ $A == "" && 2 -gt 1 ]]; then B=2; else B=3; fi\ntorchrun train.py $B',
    "a launch in a condition": "MODE=b\nif [[ $MODE == a* ]]; then torchrun a.py; else torchrun b.py; fi",
    "numbers compared": "N=8\n[ $N -ge 8 ] && A=big || A=small\n(( N > 4 )) && B=4\ntorchrun train.py $A $B",
    "cases": "A=base\ncase $A in small) B=1;; b*|c) B=2;; *) B=3;; esac\ntorchrun train.py $B",
    "a default by a condition": 'if [ -z "$NO" ]; then NO=5; fi\n[ -n "$NODES" ] || NODES=7\n[[ -z "${HOST}" ]] && HOST=h\ntorchrun train.py $NO $NODES $HOST',
    "a default of other values by a condition": 'if [ -z "$NO" ]; then NO="$HOST/$TWO"; fi\n[ -z "$NODES" ] && NODES="$HOST"\n[ -z "$EMPTY" ] && export EMPTY=$HOME/x\ntorchrun train.py $NO "$NO" $NODES $EMPTY',
    "both ways the same": "if [ -d x ]; then A=1; else A=1; fi\ntorchrun train.py $A",
    "loops": 'for i in 1 "2 3"; do for j in a b; do torchrun train.py "$i" $j; done; done',
    "loops left": "for i in 1 2 3; do [ $i = 1 ] && continue; A+=$i; [ $i = 2 ] && break; done\ntorchrun train.py $A $i",
    "counted loops": "i=0\nwhile [ $i -lt 3 ]; do A+=$i; i=$((i+1)); done\nfor ((j=0; j<2; j++)); do A+=$j; done\ntorchrun train.py $A $i",
    "functions": 'f() { local A=$1; shift; B="$A-$#-$*"; torchrun train.py "$@" $A; }\nA=0\nf x "y z" w\nf q\ntorchrun train.py $A',
    "functions left": 'f() { A=1; if [ "$1" = x ]; then return; fi; A=2; }\nf x\ntorchrun train.py $A\nf y\ntorchrun train.py $A',
    "arguments of its own": 'torchrun train.py ${1:-8} $#\nset -- a "b c"\ntorchrun train.py $1 "$2" "$@" $#',
    "options that are not given": "A=1\nwhile [[ $# -gt 0 ]]; do case $1 in --a) A=$2; shift 2;; *) exit 1;; esac; done\ntorchrun train.py $A",
    "own shells": "A=1\n(A=2; torchrun train.py $A)\n{ A=3; }\ntorchrun train.py $A | cat\n",
    "here-documents": "cat <<EOF >/dev/null\nA=2 torchrun x.py\nEOF\nA=1\npython train.py $A <<'EOF'\n$A torchrun\nEOF\n",
    "answers that are certain": 'A=a/b.sh\nB=$(basename $A .sh)\nC=$(dirname "$A")\nD=`echo x  y`\ntorchrun train.py $B $C "$D" $(seq 1 3) $(expr 6 / 4)',
    "made by eval, not before": "A=1\ntorchrun train.py $A\neval A=2",
    "left in a subshell": "(exit 1)\ntorchrun train.py",
    "reset": "A=1\nunset A\ntorchrun train.py x$A ${A-gone} ${A:-empty}",
    "division": "torchrun train.py $((64 / 8 / 3)) $((7 % 4)) $((-7 / 2)) $((3 > 2))",
    "arguments handed to a function": 'main() { A=1; while [[ $# -gt 0 ]]; do A=$1; shift; done; torchrun train.py $A "$@"; }\nmain "$@"',
    "options that getopts would read": 'A=1\nwhile getopts "a:" o; do A=$OPTARG; done\ntorchrun train.py $A',
    "set for a sourced file": 'B=1\nB=2 . ./env.sh\ntorchrun train.py "$A" $B',
    "arguments set by a sourced file": ". ./args.sh\ntorchrun train.py $1 $#",
    "text with a program at its end": 'nohup env "A=x /bin/python" torchrun train.py',
    "a test with quotes": '[ -n "$NO" ] || NO=5\n[ -z $NODES ] && NODES=5\ntorchrun train.py $NO $NODES',
    "braces": "torchrun train.py {a,b} a{1..3} x{,y}z {10,} {3..1} --o={p,q}",
    "loops over braces": "for i in {10,} {1..2}; do torchrun train.py $i; done",
    "lists in brackets": """torchrun train.py trainer.logger=['console','wandb'] a.b=[0,1] +c=["x"]""",
    "arrays with comments in brackets": 'A=(\n  --a 1  # ["x"]\n  --b 2\n)\ntorchrun train.py "${A[@]}"',
    "blanks in a counted loop": "for (( i = 0; i <= 2-1; i++ ))\ndo\n  torchrun train.py $i\ndone",
    "arguments that are not given": 'A=$2\ntorchrun train.py $1 "$1" x$A "$*" a"$@"b ${@:2} "${@:2}" $# ${3} "${@:1}"',
    "sums of the environment": 'A=$((NODES * 8))\ntorchrun train.py $A "$((A / NODES))" $((${NO:-4} + NODES)) $[NODES+1] x$((NODES > 1 && EMPTY == 0))',
    "operators over the environment": 'A=$HOST\ntorchrun train.py ${HOST%.*} "${A%%.*}" ${A##*.} ${A//./-} ${#A} ${A:0:2} ${TWO#* } ${TWO/o/0} "${TWO^^}"',
    "sums of a function's words": "f() { torchrun train.py $(($1 * 2)) $((${2:-3} + $#)) $(( $NODES * $1 )); }\nf 4",
    "texts of its own path": 'torchrun train.py $(basename "$0") ${0##*/} `basename "${BASH_SOURCE[0]}" .sh`',
    "an operator with nothing before it": "if [ $1 == x ]; then A=1; else A=2; fi\ntorchrun train.py $A",
    "evaluated": 'A=1\neval A=2\ntorchrun train.py $A\neval "torchrun train.py \\"a  b\\" $NODES \\$A --p=\'$A c\'"',
    "evaluated values": """A="torchrun --n $NODES train.py --x '{\\"a\\": [1, 2]}' --h=${NO:-7} --e=$((NODES*2)) \\"q $HOST\\" $EMPTY $TWO"\neval "$A"\nB="torchrun --nnodes $NODES x.py -a '\\$NODES'"\neval $B >/dev/null 2>&1""",
    "evaluated values in quotes": "A=\"torchrun train.py 'a $TWO b' '$EMPTY' 'x'$NODES'y'\"\neval $A",
    "evaluated settings": 'eval "A=$NODES B=\'x y\'"\ntorchrun train.py $A "$B"; eval "f() { torchrun f.py \\$1; }"; f "$A"',
    "brackets among other words": 'A="--a 1 --b 2"\nB="[x] y"\ntorchrun train.py $A ${B#* }',
    "options of the environment": "torchrun $NO train.py --x $TWO\ntorchrun --nnodes=2 $HOSTS train.py\npython $NO -u train.py",
    "continued lines before a value in quotes": 'A="--a 1 \\\n  $NODES \\\n${HOST} \\\n   $(echo x) \\\n"\ntorchrun train.py $A "$A"',
    "last names of values": 'A=$TWO/x/$HOST\ntorchrun train.py $(basename "$A") $(basename $HOST) "`basename "/$NODES/"`"',
    "after exec": "exec torchrun train.py\ntorchrun never.py",
}  # fmt: skip

UNKNOWN = {
    "file names": "torchrun train.py *.json",
    "file names of a value": "A='*.json'\ntorchrun train.py $A",
    "commands": "torchrun train.py $(date)",
    "backticks": 'A=`date`\ntorchrun train.py "$A"',
    "its own process": "torchrun train.py $$ $RANDOM",
    "sourced": "source env.sh\ntorchrun train.py $A",
    "evaluated": "A=1\neval A=$(date)\ntorchrun train.py $A",
    "asked": "read A < /dev/null\ntorchrun train.py $A",
    "other separators": "IFS=,\nA=1,2\ntorchrun train.py $A",
    "another user's home": "torchrun train.py ~root/x",
    "hidden tilde": "torchrun train.py a=~/x",
    "translated": 'torchrun train.py $"hello"',
    "default that runs": "torchrun train.py ${NO:-$(date)}",
    "patterns of classes": "A=x.sh\ntorchrun train.py ${A%%[[:alpha:]]*}",
    "under a condition of the run": "if [ -d x ]; then A=1; fi\ntorchrun train.py $A",
    "in an endless loop": "while [ -d $NODES ]; do A=$i; done\ntorchrun train.py $A",
    "a function of a condition": "A=0\nif [ -d x ]; then f() { A=1; }; else f() { A=2; }; fi\nf\ntorchrun train.py $A",
    "case of the environment": "case $NODES in 2) A=1;; esac\ntorchrun train.py $A",
    "the other pattern": "A=a&\nA=a\ntorchrun train.py ${A/a/&b}",
    "alternative of the environment": "torchrun train.py ${NODES:+--nodes $NODES}",
    "made upper by a name": "declare -u A=x\ntorchrun train.py $A",
    "last of a pipeline": "shopt -s lastpipe\nA=1\necho 2 | read A\ntorchrun train.py $A",
    "a test without quotes": "[ -n $EMPTY ] || EMPTY=5\ntorchrun train.py $EMPTY",
    "a list that may vanish": "shopt -s nullglob\ntorchrun train.py a=[0,1]",
    "braces within braces": "torchrun train.py {a,{b,c}} {01..3}",
    "integer attribute": "declare -i A=1+1\ntorchrun train.py $A",
}  # fmt: skip


@pytest.mark.parametrize("name", KNOWN)
def test_tokens_are_what_bash_hands_over(name, bash, predicted):
    """Every word that the contract claims to know arrives so, and nothing else does."""
    source = KNOWN[name].encode()
    contract = read_script(source, "script.sh", read=SOURCED.get)
    expected = bash.run(source, ENVIRONMENT, files=SOURCED)
    assert expected
    if name == "ansi quotes":
        assert predicted(contract, ENVIRONMENT) is None
    else:
        assert predicted(contract, ENVIRONMENT) == expected


@pytest.mark.parametrize(
    "words",
    [
        "'torchrun train.py $A'$NODES",
        "torchrun train.py '$'$NODES",
        "$NODES train.py",
        "torchrun train.py $NODES'>x'",
    ],
)
def test_a_value_that_eval_may_read_as_more_than_a_word_is_left_alone(words):
    """What bash would take for a part of a name, a quoted text or a redirection is not read."""
    contract = read_script(f"eval {words}".encode(), "train.sh")
    assert not contract.launches
    assert not contract.direct


@pytest.mark.parametrize("value", ["$HOME", "a;b", "`date`", "'", "~", "*", "{a,b}", "a>b", "#", "a\tb"])
def test_an_evaluated_value_counts_only_if_it_means_nothing_to_bash(value, predicted):
    """The plan knows the value, and then does not claim what `eval` makes of it."""
    contract = read_script(b"eval torchrun train.py $NODES", "train.sh")
    assert predicted(contract, {"NODES": "x y"}) == [["torchrun", "train.py", "x", "y"]]
    assert predicted(contract, {"NODES": value}) is None


PLACES = {
    "folder of the script": 'A=$(dirname "$0")\ntorchrun $A/train.py $(dirname $(dirname "$A/x/y")) "${0%/*}" "$0"',
    "absolute": 'A="$( cd "$( dirname "${BASH_SOURCE[0]}" )" >/dev/null 2>&1 && pwd )"\ntorchrun "$A"/train.py --at=$A/..',
    "folder above": 'A=$(cd "$(dirname "$0")/.." && pwd)\ntorchrun $A/train.py $(realpath "$A") "$(readlink -f "$0")"',
    "working directory": 'torchrun train.py $(pwd) "$PWD/x" `pwd`/y ${PWD} ${NO:-$PWD}',
    "another folder": 'A=$PWD\ncd "$(dirname "$0")"\ntorchrun train.py $A $PWD $(pwd -P)\ncd ..\ntorchrun $PWD/train.py',
    "a folder that is not there": 'A=$(dirname "$0")\ncd nowhere\ntorchrun train.py $A $(basename $A)',
    "a sourced file": '. "$(dirname "$0")/here.sh"\ntorchrun train.py $H $(dirname "$0")',
    "parents": 'A=$(realpath "$(dirname "$0")/../x/t.sh")\ntorchrun train.py $(dirname "$0")/../x',
}  # fmt: skip


@pytest.mark.parametrize("name", PLACES)
def test_places_are_those_of_a_script_called_by_its_path(name, bash, predicted):
    """The script is called by its absolute path in the checkout, from another folder."""
    source = PLACES[name].encode()
    files = {"deep/here.sh": b'H=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)/$(basename ${BASH_SOURCE[0]})\n'}
    contract = read_script(source, "deep/script.sh", read=files.get)
    where = ENVIRONMENT | {"@repo": str(bash.folder), "@cwd": str(bash.folder / "elsewhere")}
    received = bash.run(source, ENVIRONMENT, files=files, at="deep/script.sh", cwd="elsewhere")
    assert received
    assert predicted(contract, where) == received


def test_a_folder_that_may_not_be_there_is_not_claimed():
    """`cd` may have failed, and then the script goes on where it was."""
    for source in ("cd nowhere; torchrun train.py $PWD", "torchrun train.py $(cd nowhere && pwd)"):
        assert not read_script(source.encode(), "train.sh").launches[0].resolved


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
        [
            "$NAME",
            "${NAME}",
            "${NAME:-d}",
            "${NAME:-d e}",
            "${NAME:+s}",
            "${#NAME}",
            "${NAME:=z}",
            "${NAME%x}",
            "${NAME-u}",
            "${NAME+v}",
            "${NAME=w}",
            "${NAME##*a}",
            "${NAME#?}",
            "${NAME/a/-}",
            "${NAME//[ab]/x}",
            "${NAME^}",
            "${NAME,,}",
            "${NAME:1}",
            "${NAME:0:1}",
            "${NAME[0]}",
            "${NAME:-$B}",
            "${NAME:-${C:-k}}",
            "${NAME:+$A}",
            "${NAME:-'q'}",
            '${NAME:-"q r"}',
            '${NAME:+"s t"}',
            "${NAME%$A}",
            "$1",
            "$*",
            "$@",
            "${@:2}",
            "$((NAME+1))",
            "$((${NAME:-3}*2))",
            "$(dirname $0)",
            "$PWD",
            "${0##*/}",
            "$(realpath $0)",
            "$(basename $NAME)",
            '$(basename "$NAME")',
            "${1:-o}",
            "$#",
        ]
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
ODD = st.sampled_from(
    ["~", "~/x", "*", "[a]", "{a,b}", "{1..3}", "{,x}", "k=[0,1]", "!", "^", "]", "a~b", "x=~/y", "a#b", "%", "$"]
)
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
    'case $A in a*) B=1;; "") B=2;; *b) C=3; esac', 'if [ "$A" = "$B" ]; then C=1; elif [[ $A == *a ]]; then C=2; else C=3; fi',
    'f() { local A=$1; B="$2$A$#"; }; f x "$C"', 'f() { [ -n "$1" ] && return; A=r; }; f $B; f', 'for A in x "y z"; do B+=$A; done',
    'for A in $B 1; do [ "$A" = 1 ] && break; C=$A; done', 'while [ "$((i+=1))" -lt 4 ]; do A+=$i; done', "i=0; while [ $i -lt 3 ]; do i=$((i+1)); B=$i; done",
    "for ((i=0; i<2; i++)); do A+=$i; done", '[ -z "$A" ] && A=5', '[ -n "$B" ] || B=5', "[[ $A == *b* ]] || B=n", "[ $C -gt 2 ] && A=g",
    "set -- x 'y z'; A=$2", "A=${B%x*}; C=${A##*/}", "B=${A/a/b}; C=${B//1/}", "A=${B^^}; C=${A:1:2}", 'A=$(basename "$B" .x)', 'A=$(dirname "$B")', "A=`echo $B`",
    "source env.sh", '. ./more/fun.sh; g "$C"', ". more/fun.sh", "cd more && . ./fun.sh", "(exit 2)", "[ -d nowhere ] && exit", "C=${A:+x $B}", "A=${NO-n} B=${C-m}",
    "D=(a 'b c' $A); B=${D[1]} C=${#D[@]}", 'A=(x $B); A+=(z); C="${A[*]}"', "unset A B", "trap 'A=2' EXIT", "alias torchrun=echo", "export C; C=$A", "A=$((B+1)) C=$((7/2))",
    'torchrun other.py "$A"', "if [ -e nowhere ]; then torchrun other.py $A; A=e; fi", "for C in 1 2; do torchrun other.py $C; done", "g() { torchrun other.py $1; }; g $A",
    "A=$(B=1; echo 2)", 'eval "A=$B"', "eval B=\\$C", 'eval "torchrun other.py $A \'$B\' \\"$C\\""', "eval torchrun other.py $NODES $TWO $A", "typeset -i B=3", "B=([2]=x)", "A[0]=1", "mapfile -t A <<< y", "A=~/x", 'A="$B"$C', "export -n A",
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


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(source=SCRIPTS)
def test_any_script_is_read_right_or_not_claimed(source, bash, holds, predicted):
    """For arbitrary settings, quotes and continuations the contract's words are bash's, or the contract has a gap."""
    contract = read_script(source.encode(), "script.sh", read=SOURCED.get)
    if contract.gaps or not all(launch.resolved for launch in contract.launches):
        assert not contract.direct
    if not contract.gaps:
        received = bash.run(source.encode(), ENVIRONMENT, files=SOURCED)
        where = ENVIRONMENT | {"@repo": str(bash.folder), "@cwd": str(bash.folder)}
        assert holds(contract, where, received)
        assert not contract.direct or len(received) == 1 or predicted(contract, where) is None


@settings(max_examples=25, deadline=None)
@given(source=SCRIPTS)
def test_carriage_returns_are_one_finding(source):
    """A script with CRLF is never read as if the carriage returns were not there."""
    contract = read_script((source + "\n").replace("\n", "\r\n").encode(), "script.sh")
    assert len(contract.gaps) == 1
    assert not contract.launches
