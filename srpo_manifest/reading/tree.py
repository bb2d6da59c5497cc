"""Plain data in which every value knows where it was written."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from srpo_manifest.finding import Where
from srpo_manifest.reading.locate import Key, dotted


class Node(NamedTuple):
    """A table (`dict[str, Node]`), an array (`list[Node]`) or a scalar, and its place where it has one."""

    value: Any
    where: Where | None = None

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


def grown(data: Any, places: Mapping[Key, Where], key: Key = ()) -> Node:
    """The tree of plain *data*, with the *places* of its keys."""
    where = places.get(key)
    if isinstance(data, dict):
        return Node({name: grown(value, places, (*key, name)) for name, value in data.items()}, where)
    if isinstance(data, list | tuple):
        return Node([grown(value, places, (*key, index)) for index, value in enumerate(data)], where)
    return Node(data, where)


def plain(node: Node) -> Any:
    """The data alone."""
    if isinstance(node.value, dict):
        return {name: plain(child) for name, child in node.value.items()}
    if isinstance(node.value, list):
        return [plain(child) for child in node.value]
    return node.value


def origins(node: Node, key: Key = ()) -> dict[str, Where]:
    """The place of every key by its dotted spelling; keys that nobody wrote are absent."""
    found = {dotted(key): node.where} if key and node.where else {}
    children = (
        node.value.items()
        if isinstance(node.value, dict)
        else enumerate(node.value)
        if isinstance(node.value, list)
        else ()
    )
    for step, child in children:
        found |= origins(child, (*key, step))
    return found
