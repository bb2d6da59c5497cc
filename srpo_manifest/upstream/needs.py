"""Flags that `argparse` lets be None while the program cannot do without a value."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from srpo_manifest.upstream.paths import Paths
from srpo_manifest.upstream.sources import Function
from srpo_manifest.values.contract import Flag

_ORDERS = (ast.Lt, ast.LtE, ast.Gt, ast.GtE)
_WANTS_A_VALUE = {"range", "int", "float", "len", "abs", "round", "sum", "sorted", "iter", "open"}
_WANTS_A_PATH = {
    "os.path.join", "os.path.exists", "os.path.isfile", "os.path.isdir", "os.path.basename", "os.path.dirname", "os.path.abspath",
    "os.makedirs", "os.mkdir", "Path", "pathlib.Path",
}  # fmt: skip


class Need(NamedTuple):
    """A line where None is an error, and whether each run comes to it as far as can be seen."""

    line: int
    always: bool


def need_of(flag: Flag, reads: Iterable[ast.expr], paths: Paths) -> Need | None:
    """The first line that cannot bear None as the flag's value, where nothing asks for None before.

    *reads* are the places of the entry that read the flag.
    """
    if flag.default is not None or "default" in flag.unread or flag.required or flag.positional or flag.conditional:
        return None
    if flag.action not in ("store", "append"):
        return None
    reads = list(reads)
    asked = [question for node in reads if (question := _question(node, paths))]
    found = [need for node in reads for need in _needs(node, paths, asked)]
    return min(found, key=lambda need: (not need.always, need.line), default=None)


def _needs(node: ast.expr, paths: Paths, asked: list[ast.AST]) -> Iterator[Need]:
    if _depends_on_flags(node, paths) or _is_answered(node, asked, paths):
        return
    if _breaks_on_none(node, paths):
        yield Need(node.lineno, _is_always(node, paths))
        return
    function = paths.sources.function_of(node)
    if function is None or (name := _copy_of(node, paths)) is None:
        return
    copies = [each for each in paths.sources.names_in(function) if each.id == name]
    looked = [each for each in copies if isinstance(each.ctx, ast.Load) and each.lineno >= node.lineno]
    stored = [each for each in copies if not isinstance(each.ctx, ast.Load)]
    questions = [*asked, *(question for each in looked if (question := _question(each, paths)))]
    alone = len(stored) == 1
    for each in looked:
        if any(store.lineno > node.lineno and _is_before(store, each, function, paths) for store in stored):
            return
        if _is_answered(each, questions, paths):
            return
        if _breaks_on_none(each, paths) and not _depends_on_flags(each, paths):
            yield Need(each.lineno, alone and _is_always(node, paths) and _is_always(each, paths))
            return


def _is_before(store: ast.Name, use: ast.Name, function: Function, paths: Paths) -> bool:
    """Whether *store* certainly puts another value in the name before *use*."""
    return store.lineno < use.lineno and not _branches(store, function, paths) - _branches(use, function, paths)


def _branches(node: ast.AST, function: Function, paths: Paths) -> set[ast.AST]:
    kinds = (ast.If, ast.For, ast.While, ast.Try, ast.Match, ast.IfExp)
    found: set[ast.AST] = set()
    for parent in paths.sources.above(node):
        if parent is function:
            break
        if isinstance(parent, kinds):
            found.add(parent)
    return found


def _depends_on_flags(node: ast.AST, paths: Paths) -> bool:
    """Whether a condition around *node* asks about flags, or an error there is caught."""
    for parent in paths.sources.above(node):
        match parent:
            case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.Module():
                return False
            case ast.Try() | ast.TryStar() | ast.Lambda() | ast.Match():
                return True
            case ast.If(test=test) | ast.IfExp(test=test) | ast.While(test=test) if node is not test:
                if _asks_for_flags(test, paths):
                    return True
            case ast.BoolOp(values=values) if node is not values[0]:
                return True
            case _:
                pass
        node = parent
    return False


def _is_always(node: ast.AST, paths: Paths) -> bool:
    function = paths.sources.function_of(node)
    return not paths.is_guarded(node, loops=False) and (function is None or paths.is_certain(function.body[0]))


def _asks_for_flags(test: ast.expr, paths: Paths) -> bool:
    """Whether a condition looks at the namespace, or at a name that is no plain local."""
    return any(
        held.kind in ("namespace", "pair")
        for each in ast.walk(test)
        if isinstance(each, ast.Name | ast.Attribute)
        for held in paths.bindings.holds(each)
    )


def _question(node: ast.expr, paths: Paths) -> ast.AST | None:
    """The statement that decides something by the value: None is thought of there."""
    inner: ast.AST = node
    for parent in paths.sources.above(node):
        match parent:
            case ast.If(test=test) | ast.While(test=test) | ast.IfExp(test=test) | ast.Assert(test=test):
                return parent if inner is test and not _orders(node, paths) else None
            case ast.expr():
                inner = parent
            case _:
                return None
    return None


def _orders(node: ast.expr, paths: Paths) -> bool:
    parent = paths.bindings.parents[node]
    return isinstance(parent, ast.Compare) and all(isinstance(each, _ORDERS) for each in parent.ops)


def _is_answered(node: ast.AST, asked: Iterable[ast.AST], paths: Paths) -> bool:
    """Whether None cannot come so far: a question around *node*, or one before it that ends the run or sets another value."""
    around = set(paths.sources.above(node))
    return any(question in around or (_ends(question) and question.lineno < node.lineno) for question in asked)  # type: ignore[attr-defined]  # statements and expressions have lines


def _ends(question: ast.AST) -> bool:
    if not isinstance(question, ast.If):
        return isinstance(question, ast.Assert)
    kinds = (ast.Return, ast.Raise, ast.Assign, ast.Continue, ast.Break)
    return any(isinstance(each, kinds) or "exit" in ast.unparse(each) for each in (*question.body, *question.orelse))


def _breaks_on_none(node: ast.expr, paths: Paths) -> bool:
    parent = paths.bindings.parents[node]
    match parent:
        case ast.BinOp(op=ast.Mod(), left=left) if left is not node:
            return not _is_text(left)
        case ast.BinOp():
            return True
        case ast.UnaryOp(op=ast.USub() | ast.UAdd() | ast.Invert()):
            return True
        case ast.Compare(ops=ops):
            return all(isinstance(each, _ORDERS) for each in ops)
        case ast.Subscript(value=value):
            return value is node
        case ast.For(iter=value) | ast.Starred(value=value):
            return value is node
        case ast.Attribute():
            return True
        case ast.Call(args=[*args]) if any(each is node for each in args):
            func = ast.unparse(parent.func)
            if func == "getattr":
                return False
            first = args[0] is node
            return func in _WANTS_A_PATH or (first and (func in _WANTS_A_VALUE or func.endswith(".from_pretrained")))
        case _:
            return False


def _is_text(node: ast.expr) -> bool:
    return isinstance(node, ast.JoinedStr) or (isinstance(node, ast.Constant) and isinstance(node.value, str))


def _copy_of(node: ast.expr, paths: Paths) -> str | None:
    """The name that `name = args.flag`, or its place in a pair of tuples, stores into."""
    parent = paths.bindings.parents[node]
    match parent:
        case ast.Assign(targets=[ast.Name(id=name)]):
            return name
        case ast.Tuple(elts=values):
            position = values.index(node)
            match paths.bindings.parents[parent]:
                case ast.Assign(targets=[ast.Tuple(elts=targets)], value=value) if (
                    value is parent
                    and len(targets) == len(values)
                    and isinstance(target := targets[position], ast.Name)
                ):
                    return target.id
    return None
