"""What reading a checkout's launch script and entry costs, beside the parsers alone.

    python bench/analysis.py CHECKOUT [SCRIPT] [ROUNDS]

Each round is a fresh Python (cold). Per round: CPU time of importing the readers, of `read_script`, of
`read_arguments` of the entry that the script starts (with the files that its parser leads to), and of the floors on the
same bytes: `tree-sitter` and `ast.parse`. Printed: the medians in ms, and the ratio to the floors.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
from pathlib import Path

SCRIPT = "scripts/finetune/SRPO_training_hpsv2.sh"
ONCE = r"""
import json, sys, time
from pathlib import Path
clock = time.process_time
started = clock()
from srpo_manifest.upstream.arguments import read_arguments
from srpo_manifest.upstream.script import read_script
imported = clock()
root, script = Path(sys.argv[1]), sys.argv[2]
asked = []
def read(path):
    asked.append(path)
    file = root / path
    return file.read_bytes() if file.is_file() else None
text = read(script)
before = clock()
launches = read_script(text, script).launches
shell = clock() - before
entry = launches[0].entry.text
entry = entry.replace(".", "/") + ".py" if launches[0].module else entry
source = read(entry)
before = clock()
contract = read_arguments(source, entry, read)
python = clock() - before
import ast, tree_sitter, tree_sitter_bash
before = clock()
tree_sitter.Parser(tree_sitter.Language(tree_sitter_bash.language())).parse(text)
bare_shell = clock() - before
before = clock()
ast.parse(source)
bare_python = clock() - before
print(json.dumps({
    "import": imported - started, "script": shell, "entry": python, "tree-sitter": bare_shell, "ast.parse": bare_python,
    "flags": len(contract.flags), "gaps": len(contract.gaps), "files": len(asked),
}))
"""


def main(folder: str, script: str, rounds: int) -> None:
    """Measure and print."""
    argv = [sys.executable, "-c", ONCE, folder, script]
    found = [json.loads(subprocess.run(argv, capture_output=True, check=True).stdout) for _ in range(rounds)]
    ms = {name: 1000 * statistics.median(each[name] for each in found) for name in found[0]}
    print(f"{script}: {found[0]['flags']} flags, {found[0]['gaps']} gaps, {found[0]['files']} files asked for")
    for name in ("import", "script", "entry", "tree-sitter", "ast.parse"):
        print(f"{ms[name]:8.1f} ms  {name}")
    floors = ms["tree-sitter"] + ms["ast.parse"]
    print(f"{ms['script'] + ms['entry']:8.1f} ms  both, {(ms['script'] + ms['entry']) / floors:.1f} times the floors")


if __name__ == "__main__":
    if not sys.argv[1:] or not Path(sys.argv[1]).is_dir():
        sys.exit("give the folder of a checkout")
    main(sys.argv[1], sys.argv[2] if len(sys.argv) > 2 else SCRIPT, int(sys.argv[3]) if len(sys.argv) > 3 else 11)
