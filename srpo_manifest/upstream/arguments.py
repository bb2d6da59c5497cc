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
from srpo_manifest.upstream.generated import generator_of
from srpo_manifest.upstream.literals import NotLiteral, literal
from srpo_manifest.upstream.paths import Paths
from srpo_manifest.upstream.roots import Parse, chosen, parse_of
from srpo_manifest.upstream.sources import Read, Source, Sources
from srpo_manifest.values.contract import ArgumentContract, Flag, Gap
from srpo_manifest.wording import ticked

_KEEPS = {*GROUPS, *PARSES, "add_argument", "add_subparsers", "set_defaults", "print_help", "print_usage", "error", "exit"} | {
    "format_help", "format_usage", "get_default", "prog", "usage", "description", "epilog", "formatter_class",
}  # fmt: skip
_ONLY_LOOKS = {"print", "isinstance", "hasattr", "getattr", "len", "type", "id", "repr", "str"}
_SETTINGS = {
    "prog", "usage", "description", "epilog", "formatter_class", "add_help", "allow_abbrev", "exit_on_error", "parents",
    "fromfile_prefix_chars", "conflict_handler", "help", "aliases", "suggest_on_error", "color", "deprecated",
}  # fmt: skip
_COMMAND = "A..."
_DEEPEST = 8


def read_arguments(source: bytes, path: str, read: Read | None = None) -> ArgumentContract:
    """Read the flags of the program at *path*; *read* gives other files of its repository, by path from the root.

    Returns: the contract. A place that may hide flags is a gap with its line: a contract with gaps proves no flag wrong.
    """
    digest = hashlib.sha256(source).hexdigest()
    try:
        with warnings.catch_warnings():
            # Upstream's unescaped patterns are none of the user's business.
            warnings.simplefilter("ignore")
            tree = ast.parse(source)
        return _Reader(Sources(Source(tree, path), read)).contract(path, digest)
    except SyntaxError as error:
        gap = Gap(line=error.lineno or 1, reason=f"this is not Python: {error.msg}")
    except ValueError as error:
        gap = Gap(line=1, reason=f"this is not Python: {error}")
    except (RecursionError, MemoryError):
        gap = Gap(line=1, reason="it is nested too deeply")
    return ArgumentContract(path=path, digest=digest, gaps=(gap,))


class _Reader:
    """Gathers what each parser of a program is given."""

    def __init__(self, sources: Sources) -> None:
        self.sources = sources
        self.bindings = Bindings(sources)
        self.paths = Paths(self.bindings)
        while not any(self.bindings.is_maker(call) and self.paths.is_reached(call) for call in sources.each(ast.Call)):
            if not self.bindings.load_called(self.paths.reached):
                break
            self.paths = Paths(self.bindings)
        self.flags: dict[ast.Call, list[Flag]] = {}
        self.places: dict[tuple[ast.Call, str], list[ast.Call]] = {}
        self.defaults: list[tuple[ast.Call, str, object, bool, ast.Call]] = []
        self.makers: list[ast.Call] = []
        self.commands: dict[ast.Call, list[tuple[str, ast.Call]]] = {}
        self.unnamed: set[ast.Call] = set()
        """Parsers with commands whose names are not known."""
        self.parses: list[Parse] = []
        self.generated = False
        self.gaps: list[Gap] = []
        calls = [call for call in sources.each(ast.Call) if self.bindings.is_maker(call)]
        runs = any(self.paths.is_reached(call) for call in calls)
        for call in sources.each(ast.Call):
            if self.paths.is_reached(call) or not runs:
                self._call(call)
        for attribute in sources.each(ast.Attribute):
            if self.paths.is_reached(attribute) or not runs:
                self._attribute(attribute)

    def contract(self, path: str, digest: str) -> ArgumentContract:
        """The flags of the parser that reads the command line."""
        inner = {made for maker in self.makers for made in self._parents(maker)}
        inner |= {made for commands in self.commands.values() for _, made in commands}
        makers = [made for made in self.makers if made not in inner]
        roots = chosen(self.parses, self.paths)
        if not self.makers and not self.generated:
            self._gap_at(1, "no `argparse` parser is made in this file")
        elif self.makers and not roots.makers:
            self._gap(self.makers[0], "nothing in this file reads the command line with this parser")
        for node, reason in roots.doubts:
            self._gap(node, reason)
        flags: list[Flag] = []
        for made in roots.makers or makers:
            found = list(self._flags_of(made, ()))
            flags += [replace(flag, conditional=True) for flag in found] if roots.several else found
        namespaces = {Held("namespace", parse.made) for parse in self.parses}
        return ArgumentContract(
            path=path,
            digest=digest,
            flags=tuple(judge(self.bindings, self.paths, namespaces, self._merged(flags))),
            allows_unknown=roots.allows_unknown,
            gaps=tuple(sorted(set(self.gaps), key=lambda gap: (gap.file, gap.line, gap.reason))),
        )

    def _call(self, node: ast.Call) -> None:
        """Calls that make, fill, use or pass on a parser."""
        if self.bindings.is_maker(node):
            self._make(node)
        elif not isinstance(node.func, ast.Attribute):
            self._look_for_generators(node)
        else:
            held = self.bindings.holds(node.func.value)
            self._method(node, node.func.attr, [each for each in held if each.kind == "parser"])
        for argument in (*node.args, *(word.value for word in node.keywords)):
            if any(held.kind in ("parser", "subparsers") for held in self.bindings.holds(argument)):
                self._passed(node, argument)

    def _attribute(self, node: ast.Attribute) -> None:
        """A parser's inner parts may change its flags."""
        if not any(held.kind == "parser" for held in self.bindings.holds(node.value)):
            return
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
            self.parses += [parse_of(node, held, self.bindings) for held in owners]
        elif method == "add_subparsers" and owners:
            self._add_commands(node, owners)
        elif owners and method not in _KEEPS and not _is_a_type(node, method):
            self._gap(node, f"{ticked(method)} may change the flags")
        elif not owners:
            self._look_for_generators(node)

    def _add(self, node: ast.Call, owners: Sequence[Held]) -> None:
        if not owners:
            receiver = node.func.value if isinstance(node.func, ast.Attribute) else node.func
            self._gap(node, f"{ticked(ast.unparse(receiver))} is a parser that other code hands in")
            return
        home = self.sources.home(node)
        file = "" if home is self.sources.entry else home.path
        classes = {name: owners[0] for name, owners in home.classes.items() if len(owners) == 1}
        own: dict[str, ast.AST | None] = dict.fromkeys((*home.functions, *home.classes, *home.imports)) | classes
        for each in self.paths.rounds(node):
            try:
                flag = flag_of(node, each.names, own)
            except OddFlag as odd:
                self._gap(node, str(odd))
                continue
            for held in owners:
                self.flags.setdefault(held.made, []).append(replace(flag, conditional=not each.certain, file=file))
                self.places.setdefault((held.made, flag.dest), []).append(node)

    def _add_commands(self, node: ast.Call, owners: Sequence[Held]) -> None:
        words = {word.arg: word.value for word in node.keywords}
        dest = words.get("dest")
        required = words.get("required")
        if isinstance(dest, ast.expr) and not isinstance(dest, ast.Constant):
            self._gap(node, "the name of the commands is known only when the program runs")
            return
        name = str(dest.value) if isinstance(dest, ast.Constant) and dest.value is not None else ""
        unread = ("required",) if required is not None and not isinstance(required, ast.Constant) else ()
        for held in owners:
            flag = Flag(
                name=name or "command", dest=name or "==SUPPRESS==", positional=True, nargs=_COMMAND, action="other",
                required=isinstance(required, ast.Constant) and required.value is True, unread=unread,
                line=node.lineno, conditional=not self.paths.is_certain(node),
            )  # fmt: skip
            self.flags.setdefault(held.made, []).append(flag)

    def _set_defaults(self, node: ast.Call, owners: Sequence[Held]) -> None:
        rounds = self.paths.rounds(node)
        for held in owners:
            for word in node.keywords:
                try:
                    known = word.arg is not None and len(rounds) == 1 and rounds[0].certain
                    value = literal(word.value, rounds[0].names) if known else None
                except NotLiteral:
                    value, known = None, False
                self.defaults.append((held.made, word.arg or "", value, known, node))

    def _make(self, node: ast.Call) -> None:
        self.makers.append(node)
        if isinstance(node.func, ast.Attribute) and node.func.attr == "add_parser":
            self._make_command(node, node.func)
        for word in node.keywords:
            plain = word.arg != "conflict_handler" or ast.unparse(word.value) == "'error'"
            if word.arg not in _SETTINGS or not plain:
                self._gap(node, f"the parser is made with {ticked(ast.unparse(word))}")
            elif word.arg == "parents" and not self._all_known(word.value):
                self._gap(node, "the parser takes flags of parsers that other code makes")

    def _make_command(self, node: ast.Call, func: ast.Attribute) -> None:
        rounds = self.paths.rounds(node)
        given = (*node.args[:1], *(word.value for word in node.keywords if word.arg == "aliases"))
        try:
            found = [literal(each, rounds[0].names) for each in given] if len(rounds) == 1 else []
        except NotLiteral:
            found = []
        names = [name for each in found for name in (each if isinstance(each, list) else [each])]
        if not names or not all(isinstance(name, str) for name in names):
            self._gap(node, "the names of the program's commands are known only when it runs")
            self.unnamed.update(held.made for held in self.bindings.holds(func.value))
            return
        if not rounds[0].certain:
            self._gap(node, f"whether there is a command {ticked(str(names[0]))} is known only when the program runs")
        for held in self.bindings.holds(func.value):
            self.commands.setdefault(held.made, []).extend((str(name), node) for name in names)

    def _parents(self, maker: ast.Call) -> list[ast.Call]:
        given = next((word.value for word in maker.keywords if word.arg == "parents"), None)
        items = given.elts if isinstance(given, ast.List | ast.Tuple) else []
        return [held.made for item in items for held in self.bindings.holds(item)]

    def _all_known(self, node: ast.expr) -> bool:
        return isinstance(node, ast.List | ast.Tuple) and all(len(self.bindings.holds(item)) == 1 for item in node.elts)

    def _passed(self, node: ast.Call, argument: ast.expr) -> None:
        """A parser as an argument: followed where the function can be read, a gap elsewhere."""
        if any(argument is value for value, _ in self.bindings.passed(node)):
            return
        if isinstance(node.func, ast.Name) and node.func.id in _ONLY_LOOKS:
            return
        if not (isinstance(argument, ast.List | ast.Tuple) or self.bindings.is_maker(node)):
            self._gap(node, f"{ticked(ast.unparse(node.func))} may add flags")

    def _look_for_generators(self, node: ast.Call) -> None:
        if reason := generator_of(node, self.sources.home(node)):
            self.generated = True
            self._gap(node, reason)

    def _flags_of(self, made: ast.Call, seen: tuple[ast.Call, ...]) -> Iterator[Flag]:
        if made in seen:
            return
        for parent in self._parents(made):
            yield from (self._with_defaults(made, flag) for flag in self._flags_of(parent, (*seen, made)))
        commands = self.commands.get(made, [])
        for flag in self.flags.get(made, ()):
            if flag.nargs == _COMMAND and flag.action == "other":
                known = bool(commands) and made not in self.unnamed
                choices = tuple(name for name, _ in commands) if known else None
                yield replace(flag, choices=choices, unread=flag.unread if known else (*flag.unread, "choices"))
            else:
                yield self._with_defaults(made, flag)
        for name, inner in commands:
            for flag in self._flags_of(inner, (*seen, made)):
                if flag.command or flag.nargs == _COMMAND:
                    self._gap(inner, f"command {ticked(name)} has commands of its own")
                else:
                    yield replace(flag, command=name)

    def _with_defaults(self, made: ast.Call, flag: Flag) -> Flag:
        """The flag as `set_defaults` leaves it: what is said before the flag holds only where the flag says nothing."""
        places = [each for each in self.places.get((made, flag.dest), ()) if each.lineno == flag.line]
        explicit = any(word.arg == "default" for each in places for word in each.keywords)
        inherited = self._ancestors(made)
        for owner, dest, value, known, node in self.defaults:
            if dest not in ("", flag.dest) or (
                owner is not made and (owner not in inherited or not places or explicit)
            ):
                continue
            before = all(self._comes_before(node, each) for each in places)
            after = all(self._comes_after(node, each) for each in places)
            if before and explicit and not after:
                continue
            setting = setting_of(value)
            sure = known and (before or after) and owner is made
            if not sure or (setting is None and value is not None):
                flag = replace(flag, default=None, unread=tuple(dict.fromkeys((*flag.unread, "default"))))
            else:
                rest = tuple(field for field in flag.unread if field != "default")
                flag = replace(flag, default=setting, unread=rest)
        return flag

    def _ancestors(self, made: ast.Call, depth: int = 0) -> set[ast.Call]:
        """Parsers whose defaults *made* takes over."""
        found = set(self._parents(made)) if depth < _DEEPEST else set()
        return found.union(*(self._ancestors(parent, depth + 1) for parent in found))

    def _comes_before(self, node: ast.Call, place: ast.Call) -> bool:
        same = self.sources.function_of(node) is self.sources.function_of(place)
        return same and (node.lineno, node.col_offset) < (place.lineno, place.col_offset)

    def _comes_after(self, node: ast.Call, place: ast.Call) -> bool:
        """Whether `set_defaults` at *node* certainly runs after the flag was declared at *place*."""
        here, there = self.sources.function_of(node), self.sources.function_of(place)
        if here is there:
            return (node.lineno, node.col_offset) > (place.lineno, place.col_offset)
        receiver = node.func.value if isinstance(node.func, ast.Attribute) else node
        if not isinstance(receiver, ast.Name) or there is None:
            return False
        scope = self.bindings.scope_of(receiver, receiver.id)
        made = [site for site in self.paths.sites.get(there, ()) if self.sources.function_of(site) is here]
        own = scope is (here or self.sources.home(node).tree)
        return own and bool(made) and all(site.lineno < node.lineno for site in self.paths.sites[there])

    def _merged(self, flags: Iterable[Flag]) -> list[Flag]:
        """One flag of each name: two branches may declare the same."""
        merged: dict[tuple[str, str], Flag] = {}
        for flag in flags:
            other = merged.setdefault((flag.command, flag.name), flag)
            if other is flag:
                continue
            if replace(other, line=flag.line, file=flag.file, conditional=flag.conditional) != flag:
                self.gaps.append(
                    Gap(line=flag.line, file=flag.file, reason=f"{ticked(flag.name)} is declared twice, in two ways")
                )
                merged[flag.command, flag.name] = replace(other, conditional=True)
            elif other.conditional and not flag.conditional:
                merged[flag.command, flag.name] = flag
        return list(merged.values())

    def _gap(self, node: ast.expr, reason: str) -> None:
        home = self.sources.home(node)
        self._gap_at(node.lineno, reason, "" if home is self.sources.entry else home.path)

    def _gap_at(self, line: int, reason: str, file: str = "") -> None:
        self.gaps.append(Gap(line=line, reason=reason, file=file))


def _is_a_type(node: ast.Call, method: str) -> bool:
    """`parser.register("type", …)` gives a converter a name, and leaves the flags alone."""
    return (
        method == "register"
        and bool(node.args)
        and isinstance(node.args[0], ast.Constant)
        and node.args[0].value == "type"
    )
