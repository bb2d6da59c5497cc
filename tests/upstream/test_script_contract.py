"""The script contract says what a script needs, sets and does, with lines."""

from __future__ import annotations

import hashlib

import pytest

from srpo_manifest.upstream.script import read_script
from srpo_manifest.values.contract import Choice, Computed, Opaque, Place, Plain, ScriptContract, Variable


def read(text: str) -> ScriptContract:
    return read_script(text.encode(), "train.sh")


def reasons(contract: ScriptContract) -> list[tuple[int, str]]:
    return [(gap.line, gap.reason) for gap in contract.indirect]


def test_variables_that_are_read_first_set_and_never_read_or_exported():
    """Reads, dead names and exports carry the line where they first stand."""
    contract = read("A=$X\nB=1\nX=2\nexport C=$A D\necho ${Y:-1} $X\ntorchrun train.py $Z\nE=$Z\n")
    assert contract.reads == {"X": 1, "Y": 5, "Z": 6}
    assert contract.dead == {"B": 2, "E": 7}
    assert contract.exported == ("C", "D")
    assert contract.sets["B"].text == "1"
    assert contract.sets["C"].pieces == (Variable(name="X", quoted=True),)


def test_reading_before_setting_counts_inside_conditions():
    """A name that an `if` asks for and then sets is still read from the environment."""
    assert read('if [ -z "$PORT" ]; then PORT=29500; fi\ntorchrun train.py $PORT').reads == {"PORT": 1}


def test_loop_names_and_own_values_are_no_reads():
    """What the script sets before, bash's own names and positional words are not asked of the environment."""
    assert read("for i in 1; do echo $i $RANDOM $1 $$ $PWD; done\nread X\necho $X\nA+=1\n").reads == {}


def test_nothing_is_dead_where_other_text_may_read_it():
    """`eval`, `source` and `${!name}` may read any variable."""
    for more in ("eval 'echo $A'", ". ./env.sh", 'B=A\necho "${!B}"'):
        assert read(f"A=1\n{more}\ntorchrun train.py").dead == {}


def test_arithmetic_and_tests_are_reads():
    """A name without `$` in `[[ ]]` or `(( ))` is used."""
    assert read("A=1\nB=2\n[[ A -gt 0 ]] && echo $((B+1))\n").dead == {}


def test_folders_that_are_made():
    """`mkdir` in all harmless spellings gives the folders, and direct mode stays."""
    contract = read('D=out\nmkdir images\nmkdir -p $D/a "b c" 2>/dev/null\ntorchrun train.py')
    assert [token.text for token in contract.makes] == ["images", "out/a", "b c"]
    assert contract.direct


def test_launches_are_taken_apart():
    """Launcher, entry, arguments, module and environment stand apart."""
    contract = read("\nA=1 torchrun --standalone --nproc_per_node=2 \\\n  -m pkg.train \\\n  --lr 1")
    (launch,) = contract.launches
    assert [token.text for token in launch.launcher] == ["torchrun", "--standalone", "--nproc_per_node=2", "-m"]
    assert (launch.entry.text, launch.module, launch.line) == ("pkg.train", True, 2)
    assert [(token.text, token.line) for token in launch.arguments] == [("--lr", 4), ("1", 4)]
    assert launch.environment[0][0] == "A"
    assert launch.environment[0][1].text == "1"


@pytest.mark.parametrize(
    ("command", "entry", "module"),
    [
        ("python -u train.py x", "train.py", False),
        ("python3.11 -X dev -m trainer x", "trainer", True),
        ("/opt/venv/bin/python -m torch.distributed.launch --use_env --nnodes 2 train.py x", "train.py", False),
        ("python -um accelerate.commands.launch --cpu --num_processes 1 train.py x", "train.py", False),
        ("accelerate launch --config_file c.yaml --use-deepspeed --fsdp_version 2 -m trainer x", "trainer", True),
        ("deepspeed -H hosts --no_ssh --include localhost:0 train.py x", "train.py", False),
        ("torchrun --rdzv-conf a=b -r 3 --no-python ./run x", "./run", False),
        ("torchrun --nnodes $N $ROOT/train.py x", None, False),
    ],
)
def test_every_launcher_knows_its_own_options(command, entry, module):
    """An option's value is not taken for the program."""
    contract = read(command)
    (launch,) = contract.launches
    assert (launch.entry.text, launch.module) == (entry, module)
    assert [token.text for token in launch.arguments] == ["x"]
    assert contract.direct


def test_an_option_that_is_not_known_is_a_doubt():
    """The entry is then only the likely one, and direct mode is refused."""
    contract = read("torchrun --brand-new train.py --a")
    assert contract.launches[0].entry.text == "train.py"
    assert reasons(contract) == [(1, "`--brand-new` is no option of `torchrun` that is known")]


def test_the_only_python_file_behind_options_of_the_environment_is_the_likely_program():
    """The launch is told with all its words, and with the doubt."""
    (launch,) = read("torchrun $OPTIONS train.py --a").launches
    assert launch.entry.text == "train.py"
    assert launch.doubt == "which program `torchrun` starts is certain only when the script runs"
    assert not read("torchrun $OPTIONS train.py --a").direct


@pytest.mark.parametrize(
    "command", ["torchrun $OPTIONS a.py b.py", 'torchrun "$@"', "python", "python -c 'x'", "torchrun"]
)
def test_without_a_certain_program_there_is_no_launch(command):
    """A launcher whose program cannot be told starts nothing that is known, and says why."""
    contract = read(command)
    assert not contract.launches
    assert contract.indirect


def test_forwarding_counts_only_behind_the_entry():
    """`"$@"` among the arguments forwards; nothing of it is a word of its own."""
    for spelling in ('"$@"', "$@", '"${@}"'):
        contract = read(f"torchrun train.py --a {spelling} --b")
        assert contract.forwards_arguments
        assert [token.text for token in contract.launches[0].arguments] == ["--a", "--b"]
        assert contract.direct
    assert not read("torchrun train.py").forwards_arguments


def test_forwarded_arguments_arrive_in_bash(bash):
    """Where the contract says so, bash hands arguments of the script on."""
    assert bash.run(b'torchrun train.py "$@"', {}, ["--x", "a b"]) == [["torchrun", "train.py", "--x", "a b"]]


def test_errexit_follows_the_options():
    """`set -e` in all spellings; with it a `mkdir` of a folder that is there ends the script."""
    assert read("set -euo pipefail").errexit
    assert read("set -o errexit").errexit
    assert not read("set -e\nset +e").errexit
    assert reasons(read("set -e\nmkdir images")) == [
        (2, "`mkdir` without `-p` ends the script when the folder is there")
    ]
    assert read("set -e\nmkdir -p images").indirect == ()


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("if [ -d x ]; then echo; fi", "`if` decides at run time"),
        ("source env.sh", "`source` reads `env.sh`, which is not in the repository"),
        ("for i in *; do echo; done", "`for` repeats commands"),
        ("while read A; do echo; done", "`while` decides at run time"),
        ("case $X in a) ;; esac", "`case` decides at run time"),
        ("f() { rm x; }; f", "`rm` changes files"),
        ("ssh host 'torchrun train.py'", "`ssh` runs commands on another machine"),
        ("bash -c 'torchrun train.py'", "`bash` runs text that is not in the script"),
        ("eval $(x)", "`eval` runs text that is not in the script"),
        ("cd /data", "`cd` changes the folder"),
        ("conda activate x", "`conda` fetches or installs"),
        ("sed -i s/a/b/ conf", "`sed` changes files"),
        ("rm -rf out", "`rm` changes files"),
        ("pip install x", "`pip` fetches or installs"),
        ("python -m pip install x", "`pip` fetches or installs"),
        ("echo x | tee y", "`|` sends output elsewhere"),
        ("set -- x", "`set` gives the script other arguments"),
        ("echo x > y", "`> y` sends input or output elsewhere"),
        ("cd x && echo y", "`&&` or `||` decides at run time"),
        ("sleep 5", "`sleep` waits"),
        ("PATH=/x:$PATH", "it changes `PATH`"),
        ("set -f", "what `set` does is not known"),
        ("unset A", "`unset` takes variables out of the environment"),
        ("A=$(pip list)", "`$(pip list)` runs a command"),
        ("cat <(ls)", "`<(ls)` runs a command"),
        ("$TOOL x", "which program runs here is known only at run time"),
        ("./prepare", "what `prepare` does is not known"),
        ("mkdir -m 700 x", "`mkdir` is used with other options than `-p`"),
        ("export A=$(date)", "what a command prints is known only when the script runs"),
        ("declare -i A=1", "`declare` is used in a way that is not understood"),
    ],
)
def test_what_direct_mode_cannot_do_is_said_with_its_line(line, reason):
    """Each effect besides the launch is told, and the launch is still read."""
    contract = read(f"\n{line}\ntorchrun train.py")
    assert (2, reason) in reasons(contract)
    assert not contract.direct
    assert [launch.entry.text for launch in contract.launches] == ["train.py"]


@pytest.mark.parametrize(
    ("command", "reason"),
    [
        ("exec torchrun train.py", "`exec` replaces the shell"),
        ("nohup torchrun train.py", "`nohup` starts it apart from the terminal"),
        ("torchrun train.py &", "`&` leaves it running in the background"),
        ("torchrun train.py > log", "`> log` sends input or output elsewhere"),
        ("torchrun train.py | tee log", "`|` sends output elsewhere"),
        ("if x; then torchrun train.py; fi", "`if` decides at run time"),
        ("timeout 5h torchrun train.py", "`timeout` ends it"),
    ],
)
def test_a_launch_in_other_clothes_is_still_seen(command, reason):
    """What is done to the launch is told, and its program is read."""
    contract = read(command)
    assert (1, reason) in reasons(contract)
    assert [launch.entry.text for launch in contract.launches] == ["train.py"]


def test_an_export_must_have_one_value_for_the_launch():
    """An export that changes after the launch would be told wrong."""
    assert not read("export A=1\ntorchrun train.py\nA=2").direct
    assert not read("torchrun train.py\nexport A=1").direct
    assert read("export A=1\nA=2\ntorchrun train.py").sets["A"].text == "2"


@pytest.mark.parametrize(
    ("source", "line"),
    [
        (b"A=1\r\ntorchrun train.py\r\n", 1),
        (b"torchrun train.py\nA=1\r\n", 2),
        (b"#!/usr/bin/env python\nprint()\n", 1),
        (b"torchrun train.py\n\0", 2),
        (b'echo "\ntorchrun train.py', 1),
        (b"if true; then\ntorchrun train.py\n", 2),
        (b"(" * 3000, 1),
    ],
)
def test_what_is_no_bash_is_a_gap(source, line):
    """Carriage returns, another language and broken syntax give a gap with a line, and no launch."""
    contract = read_script(source, "train.sh")
    assert not contract.launches
    assert [gap.line for gap in contract.gaps] == [line]


@pytest.mark.parametrize("first", ["#!/bin/bash", "#!/bin/sh", "#! /usr/bin/env bash", "#!/bin/bash -e", "# nothing"])
def test_every_shell_line_of_bash_is_taken(first):
    """The first line may name bash or sh in all ways."""
    assert read(f"{first}\ntorchrun train.py").direct


def test_bytes_that_are_no_text_are_never_guessed():
    """A word that is not UTF-8 is unknown; in a comment it matters to nobody."""
    assert read_script(b"# \xff\ntorchrun train.py", "x").direct
    contract = read_script(b"torchrun train.py '\xff'", "x")
    assert contract.launches[0].arguments[0].text is None
    assert not contract.direct


def test_pieces_of_a_token_keep_text_and_variables_apart():
    """`$HOST:29601` is a variable, unquoted, and text."""
    (launch,) = read("torchrun --rdzv_endpoint $HOST:29601 train.py").launches
    assert launch.launcher[2].pieces == (Variable(name="HOST"), Plain(text=":29601"))


@pytest.mark.parametrize(
    ("word", "quoted"),
    [
        ("$(x)", [False]),
        ('"a $(x)"', [True]),
        ('"$(x)"$(y)', [True, False]),
        ("--a=${B%$(x)}", [False]),
        ('"${B%$(x)}"', [True]),
        ('"$N"', [True]),
        ("$N", [False]),
        ('"$((RANDOM))"', [True]),
        ("*.txt", [False]),
        ('"${A[@]}"', [False]),
        ('"x${A[@]:1}"', [False]),
    ],
)
def test_what_only_the_script_can_tell_is_one_word_in_quotes(word: str, quoted: list[bool]):
    """Of arrays and arguments quotes make no single word; a variable's own value is quoted where it is used."""
    contract = read(f"N=$(date)\ntorchrun train.py {word} --end\n")
    pieces = [piece for token in contract.launches[0].arguments for piece in token.pieces if isinstance(piece, Opaque)]
    assert [piece.quoted for piece in pieces] == quoted


def test_files_that_it_looks_for_in_its_folder():
    """Sourced or run by a relative path, for certain, before it goes elsewhere."""
    text = """source a/env.sh
. "b.sh"
bash c.sh x
./d.sh
tools/e
source /abs.sh
. ~/home.sh
bash -c 'x'
source $F
echo a/b
if [ -e x ]; then source maybe.sh; fi
cd elsewhere
source later.sh
torchrun train.py
"""
    assert read(text).files == {"a/env.sh": 1, "b.sh": 2, "c.sh": 3, "./d.sh": 4, "tools/e": 5}


def conditions(text: str) -> list[list[str]]:
    return [[gap.reason for gap in launch.conditions] for launch in read(text).launches]


def test_a_launch_says_under_which_conditions_it_is_reached():
    """What is certain has none; a condition, a loop and an early end are told apart, with their lines."""
    assert (
        conditions("f() { torchrun a.py; }\nf\nfor i in 1 2; do torchrun b.py; done\n{ torchrun c.py; } | cat")
        == [[]] * 4
    )
    assert conditions("if [ -d x ]; then torchrun a.py; else torchrun b.py; fi") == [["`if` decides at run time"]] * 2
    assert conditions("for f in *; do torchrun a.py; done") == [["`for` repeats commands"]]
    assert conditions("cd x && torchrun a.py") == [["`&&` or `||` decides at run time"]]
    launch = read("[ -d x ] || exit 1\ntorchrun a.py").launches[0]
    assert [(gap.line, gap.reason) for gap in launch.conditions] == [(1, "`exit` may come before")]
    assert not launch.certain


def test_an_end_that_is_certain_ends_the_reading():
    """Behind `exit`, and in a branch that is surely not taken, nothing is started."""
    assert not read("exit 0\ntorchrun a.py").launches
    assert not read("if false; then torchrun a.py; fi").launches
    assert [token.text for token in read("exec torchrun a.py\ntorchrun b.py").launches[0].before] == ["exec"]


def test_asking_for_arguments_hides_no_launch():
    """A script that ends when it is given none is meant to have some."""
    for question in (
        "if [ $# -lt 1 ]; then exit 1; fi",
        '[ -z "$1" ] && exit 1',
        'A=$1\nif [ "$A" == "" ]; then exit; fi',
    ):
        (launch,) = read(f"{question}\ntorchrun a.py").launches
        assert [gap.reason for gap in launch.conditions] == ["`exit` may come before"]


def test_each_launch_says_by_itself_whether_it_is_resolved():
    """One unknown word leaves the others as they are, and has its line."""
    first, second = read("python prepare.py $(date)\ntorchrun train.py \\\n  $NODES ${X:-1}").launches
    assert [gap.line for gap in first.unknown] == [1]
    assert not first.resolved
    assert second.resolved
    assert second.certain


def test_where_the_scripts_own_cd_leads():
    """The folder of a launch is relative to the start; what is not known is None."""
    assert read("cd a/b\ncd ..\ntorchrun x.py").launches[0].folder == "a"
    assert read("cd $DATA\ntorchrun x.py").launches[0].folder is None
    contract = read_script(b'cd "$(dirname "$0")/.."\npython x.py', "a/b/run.sh")
    assert contract.launches[0].folder == "a"


def test_a_word_that_leads_into_the_checkout_says_where():
    """`$0` and what is made of it is no known text, but a known place, and so is the working directory."""
    text = b'HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" &> /dev/null && pwd)\npython "$HERE/../x.py"'
    launch = read_script(text, "a/b/run.sh").launches[0]
    assert launch.entry.pieces == (Place(path="a/b", quoted=True), Plain(text="/../x.py"))
    assert launch.resolved
    launch = read_script(b'python x.py "$PWD" $(pwd -P)', "a/b/run.sh").launches[0]
    assert launch.arguments[0].pieces == (Place(path="", base="cwd", quoted=True),)
    assert launch.arguments[1].pieces == (Place(path="", base="cwd", physical=True),)


def test_arguments_that_the_script_is_not_given_are_told_once():
    """A plan can warn that `$1` is used; what a test asks for, and what has a default, is no such use."""
    contract = read(
        'torchrun x.py $1\ntorchrun y.py "$2" $1 ${3:-4} "$@"\n[ -n "$5" ] && echo\ncase $6 in a) ;; esac\n'
        "f() { echo $7; }; f 1 2\nA=${8}\necho ${@:2}"
    )
    assert contract.arguments == {"1": 1, "2": 2, "8": 6, "@": 7}
    assert [launch.resolved for launch in contract.launches] == [True, True]


def test_a_script_that_demands_arguments_does_not_go_on_without_them():
    """Behind a usage message, and under `set -u`, `$1` is not empty but unknown."""
    for text in (
        "if [ $# -lt 1 ]; then echo usage; exit 1; fi\ntorchrun x.py $1",
        'A=$1\n[ -z "$A" ] && exit 1\ntorchrun x.py $A',
        "set -u\ntorchrun x.py $1",
    ):
        (launch,) = read(text).launches
        assert not launch.resolved


def test_sums_and_operators_over_the_environment_are_put_off():
    """They are worked out once the plan knows the values; what is random or stored is not."""
    launch = read('torchrun x.py $((N * ${M:-8})) "${A%.*}"').launches[0]
    quoted = {name: (Variable(name=name, quoted=True),) for name in "NA"}
    assert launch.arguments[0].pieces == (
        Computed(
            source="$((N * ${_0}))",
            values=(("_0", (Variable(name="M", quoted=True, default="8"),)), ("N", quoted["N"])),
            quoted=True,
        ),
    )
    assert launch.arguments[1].pieces == (Computed(source="${A%.*}", values=(("A", quoted["A"]),), quoted=True),)
    for source in ("$((RANDOM % N))", "$((N++))", "${A%$(date)}", "$(( $(nproc) * N ))"):
        assert not read(f"torchrun x.py {source}").launches[0].resolved


def test_sourced_files_of_the_repository_are_read():
    """Their variables and functions count, they are listed with digests, and lines are told by the `source`."""
    files = {
        "a/env.sh": b"# one\nexport PORT=7\nf() {\n  torchrun x.py --port $PORT $1 $2\n}\nif [ -z $Q ]; then return; fi\n"
    }
    for spelling in (
        "source a/env.sh",
        '. "$(dirname "$0")/env.sh"',
        "cd a\n. ./env.sh",
        "source ${BASH_SOURCE%/*}/env.sh",
    ):
        contract = read_script(f"{spelling}\nf y $(date)".encode(), "a/run.sh", read=files.get)
        (launch,) = contract.launches
        assert [token.text for token in launch.arguments] == ["--port", "7", "y", None]
        assert launch.line == spelling.count("\n") + 1
        assert contract.sources == {"a/env.sh": hashlib.sha256(files["a/env.sh"]).hexdigest()}
        assert contract.exported == ("PORT",)
        assert not contract.direct


def test_a_sourced_file_that_is_not_bash_or_not_there_is_told():
    """Nothing is known after it, and the line of the `source` says why."""
    contract = read_script(b"A=1\nsource x.sh\ntorchrun t.py $A", "run.sh", read={"x.sh": b"if\n"}.get)
    assert (2, "in `x.sh` line 1: this could not be read as bash") in reasons(contract)
    assert not contract.launches[0].resolved
    contract = read_script(b"A=1\nsource /etc/profile\ntorchrun t.py $A", "run.sh", read={}.get)
    assert (2, "`source` reads `/etc/profile`, which is not in the repository") in reasons(contract)
    assert [gap.line for gap in contract.launches[0].unknown] == [3]


def test_files_that_source_each_other_end():
    """A file that reads itself is followed only so far."""
    assert read_script(b". ./x.sh", "run.sh", read={"x.sh": b". ./x.sh\n"}.get).indirect


@pytest.mark.parametrize(
    "line",
    [
        "conda activate x",
        'eval "$(conda shell.bash hook)"',
        "source activate x",
        "source ~/venv/bin/activate",
        "source /opt/conda/etc/profile.d/conda.sh",
        "module load cuda/12",
    ],
)
def test_another_environment_leaves_the_scripts_own_values(line):
    """Switching sets a closed list of variables; direct mode is refused with the line."""
    contract = read(f"A=1\nCUDA_HOME=/x\n{line}\ntorchrun train.py $A $B $CUDA_HOME")
    (launch,) = contract.launches
    assert [gap.reason for gap in launch.unknown] == [launch.unknown[0].reason]
    assert "CUDA_HOME" in launch.unknown[0].reason
    assert 3 in [gap.line for gap in contract.indirect]


@pytest.mark.parametrize(
    "command", ["eval $X $CMD", 'eval "$(cat x)"', "bash -c '$CMD'", 'ssh host "$CMD"', "sbatch x.sh"]
)
def test_text_that_is_run_elsewhere_is_said_to_be_unknown(command):
    """No launch is claimed from it, and the line is told."""
    contract = read(f"CMD='torchrun train.py'\n{command}")
    assert not contract.launches
    assert [gap.line for gap in contract.indirect][:1] == [2]


def test_commands_before_the_launcher_are_kept_apart():
    """`srun`'s own words are no words of the launch."""
    (launch,) = read("A=1 srun -N 2 --job-name python -J torchrun torchrun --nnodes 2 train.py --lr 1").launches
    assert [token.text for token in launch.before] == ["srun", "-N", "2", "--job-name", "python", "-J", "torchrun"]
    assert [token.text for token in launch.launcher] == ["torchrun", "--nnodes", "2"]


def test_colossalai_starts_a_trainer():
    """Its own options are known."""
    (launch,) = read("colossalai run --nproc_per_node 4 --hostfile hosts train.py -p gemini").launches
    assert launch.entry.text == "train.py"
    assert not launch.doubt


def test_a_default_of_other_variables_is_a_choice():
    """`${A:-$B/x}` of the environment is resolved, with all its parts."""
    (launch,) = read('torchrun train.py "${A:-$B/x}" ${C-1}').launches
    assert launch.arguments[0].pieces == (
        Choice(name="A", default=(Variable(name="B", quoted=True), Plain(text="/x")), quoted=True),
    )
    assert launch.arguments[1].pieces == (Choice(name="C", default=(Plain(text="1"),), only_unset=True),)


def test_an_alias_counts_only_where_bash_heeds_it():
    """A script ignores aliases unless it switches them on."""
    assert read("alias torchrun=echo\ntorchrun train.py").launches
    assert not read("shopt -s expand_aliases\nalias torchrun=echo\ntorchrun train.py").launches


def test_a_grammar_that_runs_on_is_corrected():
    """Two assignments on one line end with the line, whatever stands in them."""
    contract = read("A=${NO-n} B=${C-m}\ntorchrun train.py $A\nL=$A/$B.$A-x\npython y.py $L")
    assert [launch.environment for launch in contract.launches] == [(), ()]
    assert contract.launches[1].resolved


def test_an_endless_script_is_read_in_time():
    """Loops that go on, and functions that call themselves, are doubted after some rounds."""
    contract = read(
        "f() { f; f; }\nf\nwhile true; do A=$A$A; for i in 1 2 3; do for j in 1 2 3; do f; done; done; done\ntorchrun x.py $A"
    )
    assert not contract.launches[0].resolved
