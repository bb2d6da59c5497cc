"""The interface of an entry program: its `argparse` flags, read from the source without running it."""

from __future__ import annotations

import ast
import hashlib
import warnings
from collections.abc import Iterable, Iterator, Sequence

from msgspec.structs import replace

from srpo_manifest.upstream.bindings import GROUPS, PARSES, Bindings, Held
from srpo_manifest.upstream.declaration import OddFlag, flag_of, setting_of
from srpo_manifest.upstream.effects import judge
from srpo_manifest.upstream.literals import NotLiteral, constants, literal, unpacked
from srpo_manifest.values.contract import ArgumentContract, Flag, Gap
from srpo_manifest.wording import ticked

_KEEPS = {*GROUPS, *PARSES, "add_argument", "set_defaults", "print_help", "print_usage", "error", "exit"} | {
    "format_help", "format_usage", "get_default", "prog", "usage", "description", "epilog", "formatter_class",
}  # fmt: skip
_ONLY_LOOKS = {"print", "isinstance", "hasattr", "getattr", "len", "type", "id", "repr", "str"}
_SETTINGS = {
    "prog", "usage", "description", "epilog", "formatter_class", "add_help", "allow_abbrev", "exit_on_error", "parents",
    "fromfile_prefix_chars", "conflict_handler",
}  # fmt: skip


def read_arguments(source: bytes, path: str) -> ArgumentContract:
    """Read the flags of the program at *path*.

    Returns: the contract. A place that may hide flags is a gap with its line: a contract with gaps proves no flag wrong.
    """
    digest = hashlib.sha256(source).hexdigest()
    try:
        with warnings.catch_warnings():
            # Upstream's unescaped patterns are none of the user's business.
            warnings.simplefilter("ignore")
            tree = ast.parse(source)
        return _Reader(tree).contract(path, digest)
    except SyntaxError as error:
        gap = Gap(line=error.lineno or 1, reason=f"this is not Python: {error.msg}")
    except ValueError as error:
        gap = Gap(line=1, reason=f"this is not Python: {error}")
    except (RecursionError, MemoryError):
        gap = Gap(line=1, reason="it is nested too deeply")
    return ArgumentContract(path=path, digest=digest, gaps=(gap,))


class _Reader(ast.NodeVisitor):
    """One walk over the program that gathers what each parser is given."""

    def __init__(self, tree: ast.Module) -> None:
        self.bindings = Bindings(tree)
        self.names = constants(tree)
        self.flags: dict[ast.Call, list[Flag]] = {}
        self.defaults: list[tuple[ast.Call, str, object, bool]] = []
        self.makers: list[ast.Call] = []
        self.parsed: dict[ast.Call, bool] = {}
        self.gaps: list[Gap] = []
        self.sometimes: set[ast.AST] = set()
        self.sometimes = self._called_under_conditions(tree)
        self.visit(tree)

    def contract(self, path: str, digest: str) -> ArgumentContract:
        """The flags of the parser that reads the command line."""
        parents = {made for maker in self.makers for made in self._parents(maker)}
        roots = [made for made in self.makers if made in self.parsed and made not in parents]
        strict = [made for made in roots if not self.parsed[made]]
        if not self.makers:
            self._gap_at(1, "no `argparse` parser is made in this file")
        elif not roots:
            roots = [made for made in self.makers if made not in parents]
            self._gap_at(self.makers[0].lineno, "nothing in this file reads the command line with this parser")
        elif len(roots) > 1:
            self._gap_at(roots[1].lineno, "more than one parser reads the command line")
        flags = self._merged(flag for made in roots for flag in self._flags_of(made, ()))
        namespaces = {Held("namespace", made) for made in self.parsed}
        return ArgumentContract(
            path=path,
            digest=digest,
            flags=tuple(judge(self.bindings, namespaces, flags)),
            allows_unknown=bool(self.parsed) and not strict,
            gaps=tuple(sorted(set(self.gaps), key=lambda gap: (gap.line, gap.reason))),
        )

    def visit_For(self, node: ast.For) -> None:
        """A loop over literals is unrolled."""
        before = self.names
        hidden = {each.id for each in ast.walk(node.target) if isinstance(each, ast.Name)}
        kept = {name: value for name, value in before.items() if name not in hidden}
        self.visit(node.iter)
        rounds = self._rounds(node)
        for values in [{}] if rounds is None else rounds:
            self.names = kept | values
            self._visit_all(node.body)
        self.names = before
        self._visit_all(node.orelse)

    def visit_Call(self, node: ast.Call) -> None:
        """Calls that make, fill, use or pass on a parser."""
        self.generic_visit(node)
        if self.bindings.is_maker(node):
            self._make(node)
        elif not isinstance(node.func, ast.Attribute):
            self._look_for_other_parsers(node)
        else:
            owners = [held for held in self.bindings.holds(node.func.value) if held.kind == "parser"]
            self._method(node, node.func.attr, owners)
        for argument in (*node.args, *(word.value for word in node.keywords)):
            if any(held.kind == "parser" for held in self.bindings.holds(argument)):
                self._passed(node, argument)

    def visit_Attribute(self, node: ast.Attribute) -> None:
        """A parser's inner parts may change its flags."""
        self.generic_visit(node)
        if any(held.kind == "parser" for held in self.bindings.holds(node.value)):
            called = isinstance(parent := self.bindings.parents[node], ast.Call) and parent.func is node
            method = node.attr in (*GROUPS, *PARSES, "add_argument", "set_defaults", "add_subparsers")
            if not called and (method or node.attr not in _KEEPS):
                self._gap(node, f"{ticked(ast.unparse(node))} may change the flags")

    def _method(self, node: ast.Call, method: str, owners: Sequence[Held]) -> None:
        if method == "add_argument":
            self._add(node, owners)
        elif method == "set_defaults":
            self._set_defaults(node, owners)
        elif method in PARSES:
            for held in owners:
                self.parsed[held.made] = self.parsed.get(held.made, True) and PARSES[method] == "pair"
        elif method == "add_subparsers" and owners:
            self._gap(node, "the program has commands with flags of their own")
        elif owners and method not in _KEEPS:
            self._gap(node, f"{ticked(method)} may change the flags")
        elif not owners:
            self._look_for_other_parsers(node)

    def _add(self, node: ast.Call, owners: Sequence[Held]) -> None:
        if not owners:
            receiver = node.func.value if isinstance(node.func, ast.Attribute) else node.func
            if not any(held.kind == "subparsers" for held in self.bindings.holds(receiver)):
                self._gap(node, f"{ticked(ast.unparse(receiver))} is a parser that other code hands in")
            return
        try:
            flag = flag_of(node, self.names)
        except OddFlag as odd:
            self._gap(node, str(odd))
            return
        for held in owners:
            self.flags.setdefault(held.made, []).append(replace(flag, conditional=self._is_conditional(node)))

    def _set_defaults(self, node: ast.Call, owners: Sequence[Held]) -> None:
        for held in owners:
            for word in node.keywords:
                try:
                    value, known = (
                        literal(word.value, self.names),
                        word.arg is not None and not self._is_conditional(node),
                    )
                except NotLiteral:
                    value, known = None, False
                self.defaults.append((held.made, word.arg or "", value, known))

    def _make(self, node: ast.Call) -> None:
        self.makers.append(node)
        for word in node.keywords:
            plain = word.arg != "conflict_handler" or ast.unparse(word.value) == "'error'"
            if word.arg not in _SETTINGS or not plain:
                self._gap(node, f"the parser is made with {ticked(ast.unparse(word))}")
            elif word.arg == "parents" and not self._all_known(word.value):
                self._gap(node, "the parser takes flags of parsers that other code makes")

    def _parents(self, maker: ast.Call) -> list[ast.Call]:
        given = next((word.value for word in maker.keywords if word.arg == "parents"), None)
        items = given.elts if isinstance(given, ast.List | ast.Tuple) else []
        return [held.made for item in items for held in self.bindings.holds(item)]

    def _all_known(self, node: ast.expr) -> bool:
        return isinstance(node, ast.List | ast.Tuple) and all(map(self.bindings.holds, node.elts))

    def _passed(self, node: ast.Call, argument: ast.expr) -> None:
        """A parser as an argument: followed in this file, a gap elsewhere."""
        if any(argument is value for value, _ in self.bindings.passed(node)):
            return
        if isinstance(node.func, ast.Name) and node.func.id in _ONLY_LOOKS:
            return
        if not (isinstance(argument, ast.List | ast.Tuple) or self.bindings.is_maker(node)):
            self._gap(node, f"{ticked(ast.unparse(node.func))} may add flags")

    def _look_for_other_parsers(self, node: ast.Call) -> None:
        name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
        if name.endswith(("ArgumentParser", "ArgParser", "TrlParser")):
            self._gap(node, f"{ticked(name)} makes flags that this file does not show")

    def _flags_of(self, made: ast.Call, seen: tuple[ast.Call, ...]) -> Iterator[Flag]:
        if made in seen:
            return
        for parent in self._parents(made):
            yield from self._flags_of(parent, (*seen, made))
        for flag in self.flags.get(made, ()):
            given = [each[2:] for each in self.defaults if each[0] is made and each[1] in ("", flag.dest)]
            if not given:
                yield flag
                continue
            value, known = given[-1]
            setting = setting_of(value) if known else None
            yield replace(flag, default=setting, default_known=known and (setting is not None or value is None))

    def _merged(self, flags: Iterable[Flag]) -> list[Flag]:
        """One flag of each name: two branches may declare the same."""
        merged: dict[str, Flag] = {}
        for flag in flags:
            other = merged.setdefault(flag.name, flag)
            if other is not flag and replace(other, line=flag.line) != flag:
                self._gap_at(flag.line, f"{ticked(flag.name)} is declared twice, in two ways")
        return list(merged.values())

    def _gap(self, node: ast.expr, reason: str) -> None:
        self._gap_at(node.lineno, reason)

    def _gap_at(self, line: int, reason: str) -> None:
        self.gaps.append(Gap(line=line, reason=reason))

    def _visit_all(self, nodes: Iterable[ast.AST]) -> None:
        for node in nodes:
            self.visit(node)

    def _rounds(self, node: ast.For) -> list[dict[str, object]] | None:
        """The names of each round; None where they are not known for certain."""
        if any(isinstance(each, ast.Break | ast.Continue) for each in ast.walk(node)):
            return None
        try:
            items = literal(node.iter, self.names)
            return [unpacked(node.target, item) for item in items] if isinstance(items, list) else None
        except NotLiteral:
            return None

    def _is_conditional(self, node: ast.AST) -> bool:
        """Whether something may keep *node* from being run once."""
        while not isinstance(parent := self.bindings.parents[node], ast.Module):
            match parent:
                case ast.FunctionDef() | ast.AsyncFunctionDef():
                    return parent in self.sometimes
                case ast.If(test=test) if node is not test and not (_is_main(test) and node in parent.body):
                    return True
                case ast.For() if self._rounds(parent) is None:
                    return True
                case ast.While() | ast.Try() | ast.TryStar() | ast.Match() | ast.IfExp() | ast.BoolOp() | ast.Lambda():
                    return True
                case _:
                    node = parent
        return False

    def _called_under_conditions(self, tree: ast.Module) -> set[ast.AST]:
        """Functions whose every call stands under a condition."""
        calls: dict[ast.AST, list[bool]] = {}
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and (function := self.bindings.callee(node)):
                calls.setdefault(function, []).append(self._is_conditional(node))
        return {function for function, conditions in calls.items() if all(conditions)}


def _is_main(test: ast.expr) -> bool:
    return ast.unparse(test) == "__name__ == '__main__'"
