"""Plain data in which every value knows where it was written."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import cached_property
from typing import Any, NamedTuple

from srpo_manifest.finding import Where
from srpo_manifest.reading.locate import Key, dotted
from srpo_manifest.reading.page import Page, is_secret
from srpo_manifest.reading.spanned import Item, Span

BROKEN = object()
"""The value of a key whose text cannot be read: it is there, and nobody knows what it is."""


class Mark(NamedTuple):
    """Where a key and its value stand. The place for people is made when somebody asks."""

    page: Page
    key: Key
    names: list[Span]
    """Wherever the key is written: a table has many headers."""
    value: Span

    @property
    def where(self) -> Where:
        """Of the key's name."""
        return self.page.spot(self.names[0], self.key)

    @property
    def mentions(self) -> tuple[Where, ...]:
        """Of the key's name, wherever it is written."""
        return tuple(self.page.spot(name, self.key) for name in self.names)

    @property
    def where_value(self) -> Where:
        """Of the value; of the name, where the value may be a secret."""
        return self.where if is_secret(self.key) else self.page.spot(self.value, self.key)


class Node(NamedTuple):
    """A table (`dict[str, Node]`), an array (`list[Node]`) or a scalar, and its mark where it has one."""

    value: Any
    mark: Mark | Where | None = None

    @property
    def where(self) -> Where | None:
        """The place of its key."""
        return self.mark.where if isinstance(self.mark, Mark) else self.mark

    @property
    def where_value(self) -> Where | None:
        """The place of the value itself."""
        return self.mark.where_value if isinstance(self.mark, Mark) else self.mark

    @property
    def is_editable(self) -> bool:
        """Whether the place of the value is the value, in one line."""
        mark = self.mark
        return isinstance(mark, Mark) and not is_secret(mark.key) and mark.page.is_in_one_line(mark.value)

    @property
    def table(self) -> dict[str, Node] | None:
        """The table that this is, or None."""
        return self.value if isinstance(self.value, dict) else None

    def at(self, key: Key) -> Node | None:
        """What stands at *key*, or None."""
        node = self
        for step in key:
            table = node.table
            if table is not None and step in table:
                node = table[str(step)]
            elif isinstance(node.value, list) and isinstance(step, int) and step < len(node.value):
                node = node.value[step]
            else:
                return None
        return node

    def place(self, key: Key) -> Where | None:
        """Where *key*, or what is nearest around it, was written."""
        while key:
            node = self.at(key)
            if node is not None and node.where is not None:
                return node.where
            key = key[:-1]
        return None


def grown(data: Any, mark: Callable[[Key], Where | None] = lambda _: None, key: Key = ()) -> Node:
    """The tree of plain *data*; *mark* tells where each key is."""
    where = mark(key)
    if isinstance(data, dict):
        return Node({name: grown(value, mark, (*key, name)) for name, value in data.items()}, where)
    if isinstance(data, list | tuple):
        return Node([grown(value, mark, (*key, index)) for index, value in enumerate(data)], where)
    return Node(data, where)


def marked(item: Item, page: Page) -> Node:
    """The tree of what was read from *page*."""
    top = {name: _marked(one, page, (name,), item.keys[name]) for name, one in item.value.items()}
    return Node(top, Where(file=page.file))


def _marked(item: Item, page: Page, key: Key, names: list[Span]) -> Node:
    mark = Mark(page, key, names, item.span)
    if isinstance(item.value, dict):
        return Node({one: _marked(child, page, (*key, one), item.keys[one]) for one, child in item.value.items()}, mark)
    if isinstance(item.value, list):
        return Node([_marked(child, page, (*key, n), [child.span]) for n, child in enumerate(item.value)], mark)
    return Node(BROKEN if item.how == "broken" else item.value, mark)


def plain(node: Node) -> Any:
    """The data alone; what is broken is left out."""
    if isinstance(node.value, dict):
        return {name: plain(child) for name, child in node.value.items() if child.value is not BROKEN}
    if isinstance(node.value, list):
        return [plain(child) for child in node.value if child.value is not BROKEN]
    return node.value


class Origins(Mapping[str, Where]):
    """The place of every key, or of its value, by its dotted spelling; keys that nobody wrote are absent. Made when somebody asks."""

    def __init__(self, tree: Node, *, of_values: bool = False) -> None:
        self._tree, self._of_values = tree, of_values

    def __getitem__(self, key: str) -> Where:
        return self._places[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self._places)

    def __len__(self) -> int:
        return len(self._places)

    @cached_property
    def _places(self) -> dict[str, Where]:
        return dict(_origins(self._tree, (), of_values=self._of_values))


def _origins(node: Node, key: Key, *, of_values: bool) -> Iterator[tuple[str, Where]]:
    if key and (where := node.where_value if of_values else node.where):
        yield dotted(key), where
    children = (
        node.value.items()
        if isinstance(node.value, dict)
        else enumerate(node.value)
        if isinstance(node.value, list)
        else ()
    )
    for step, child in children:
        yield from _origins(child, (*key, step), of_values=of_values)
