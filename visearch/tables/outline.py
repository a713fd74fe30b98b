"""What is known of the objects of a document: what each holds, and what is inside of which."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Any, Literal

from visearch.tables.formats.form import PICTURE_NAME
from visearch.tables.headings import normal, place
from visearch.tables.limits import LONGEST_NAME
from visearch.tables.list_names import NO_PICTURES, kind_of, means_pictures

Path = tuple[str, ...]
"""The names on the way to something; a list and its elements have the same path."""

DEEPEST = 12
"""How many names a path has; what is further inside is not looked at."""

MOST_NODES = 10_000
_ENOUGH = 500
"""Values of an object that show what all of them are; further ones need no nodes."""


class Node:
    """What is known of the objects of one path: names of their values, and what is inside them.

    ``leaves`` tells of each value whether it names a picture file. ``listed`` says that they stand
    in a list, ``repeated`` that one object has several of them.
    """

    __slots__ = ("below", "count", "leaves", "listed", "repeated")

    def __init__(self) -> None:
        self.below: dict[str, Node] = {}
        self.leaves: dict[str, bool] = {}
        self.listed = self.repeated = False
        self.count = 0


def is_whole(node: Node) -> bool:
    """Tell whether objects themselves say what products need: an id and a picture."""
    has_id = any(says((name,), "id") for name in node.leaves)
    return has_id and any(
        is_picture or says((name,), "picture") for name, is_picture in node.leaves.items()
    )


class Outline:
    """The nodes of a document; so many of them that a hostile one takes no more memory."""

    def __init__(self) -> None:
        self.top = Node()
        self.nodes = self.leaves = 0
        self.is_full = False

    def inside(self, node: Node, name: str, *, lists: bool = True) -> Node | None:
        """Return a node's own node of this name; None if there are too many.

        ``lists`` tells that it is a list, or holds one; ``is_full`` tells that there was no room
        for one.
        """
        found = node.below.get(name)
        if found is None and len(name) <= LONGEST_NAME and (lists or len(node.below) < _ENOUGH):
            if self.nodes > MOST_NODES:
                self.is_full |= lists
                return None
            self.nodes += 1
            found = node.below[name] = Node()
        return found

    def say(self, node: Node, name: str, value: object) -> None:
        """Remember that a node has a value of this name, unless there is nothing in it.

        One picture shows what all of them are.
        """
        if name in node.leaves:
            if node.count <= _ENOUGH and not node.leaves[name]:
                node.leaves[name] = _is_picture(name, value)
        elif len(name) <= LONGEST_NAME and value not in ([], {}) and self.leaves < 2 * MOST_NODES:
            self.leaves += 1
            node.leaves[name] = _is_picture(name, value)

    def add(self, node: Node, value: dict[str, Any], depth: int = 0) -> None:
        """Remember what a parsed object holds that is inside of so many."""
        node.count += 1
        for name, inner in value.items():
            inners = _objects(inner)
            if not inners or depth >= DEEPEST:
                if name not in node.leaves or (node.count <= _ENOUGH and not node.leaves[name]):
                    self.say(node, name, inner)
                continue
            found = node.below.get(name)
            if found is None:
                found = self.inside(node, name, lists=_has_lists(name, inner, depth))
            if found is not None:
                found.listed |= isinstance(inner, list)
                for each in inners:
                    self.add(found, each, depth + 1)

    def by_key(self) -> dict[Path, bool]:
        """Make a list of each object whose values plainly are products.

        Return their paths, and whether the name of each value is its id.
        """
        keyed: dict[Path, bool] = {}
        self.top = _with_lists(self.top, (), keyed)
        return keyed


def _objects(value: object) -> list[dict[str, Any]]:
    """Return the objects that a value is, or lists: then the first value tells it."""
    if isinstance(value, dict):
        return [value] if value else []
    if isinstance(value, list) and value and isinstance(value[0], dict):
        return [each for each in value if isinstance(each, dict)]
    return []


def _has_lists(name: str, value: object, depth: int) -> bool:
    """Tell whether a value is a list of objects, or holds one, that may be products."""
    if depth > DEEPEST or kind_of(name) == "part" or means_pictures(name):
        return False
    if isinstance(value, dict):
        return any(_has_lists(key, inner, depth + 1) for key, inner in value.items())
    return bool(_objects(value))


def _is_picture(name: str, value: object) -> bool:
    first = value[0] if isinstance(value, list) and value else value
    if not isinstance(first, str) or len(first) > LONGEST_NAME:
        return False
    return normal(name) not in NO_PICTURES and PICTURE_NAME.fullmatch(first.strip()) is not None


def _with_lists(node: Node, path: Path, keyed: dict[Path, bool]) -> Node:
    if not node.leaves and (merged := _merged(list(node.below.values())[:_ENOUGH])) is not None:
        has_ids = any(place(name, "id") is not None for name in merged.leaves)
        if has_ids or _are_ids(node.below):
            keyed[path] = not has_ids
            merged.leaves.setdefault("id", False)
            return merged
    for name, inner in node.below.items():
        if not inner.listed:
            node.below[name] = _with_lists(inner, (*path, name), keyed)
    return node


def _merged(nodes: list[Node]) -> Node | None:
    """Return what objects have together, if each of them plainly is a product."""
    merged = Node()
    merged.listed = True
    for node in nodes:
        if node.listed or not is_titled(node) or not shows(node):
            return None
        merged.leaves.update(node.leaves)
        merged.below.update(node.below)
    return merged if len(nodes) > 1 else None


def _are_ids(names: Collection[str]) -> bool:
    """Tell whether names look like ids; 0, 1, 2 are places, which change from file to file."""
    places = {str(number) for number in range(len(names) + 1)}
    return not places.issuperset(names) and all(any(map(str.isdigit, name)) for name in names)


def below(node: Node, path: Path) -> Iterator[tuple[Path, Node]]:
    """Yield all that is inside of a node of this path, with its own path."""
    for name, inner in node.below.items():
        yield (*path, name), inner
        yield from below(inner, (*path, name))


def headings(node: Node, path: Path, *, parts: bool) -> Iterator[tuple[Path, bool]]:
    """Yield the names of what objects hold, without lists inside; those of their parts if asked."""
    for name, is_picture in node.leaves.items():
        yield (*path, name), is_picture
    for name, inner in node.below.items():
        if not inner.listed or (parts and is_part(name, inner)):
            yield from headings(inner, (*path, name), parts=parts)


def is_titled(node: Node) -> bool:
    """Tell whether objects themselves have a title."""
    return any(says((name,), "title") for name in node.leaves)


def shows(node: Node) -> bool:
    """Tell whether objects have pictures, or parts that have."""
    return any(
        is_picture or says(name, "picture") or (len(name) > 1 and says(name[:1], "picture"))
        for name, is_picture in headings(node, (), parts=True)
    )


def says(name: Path, field: Literal["id", "picture", "title"]) -> bool:
    """Tell whether the name of a value means a field."""
    return place(".".join(part.removeprefix("g:") for part in name), field) is not None


def is_part(name: str, node: Node) -> bool:
    """Tell whether objects are parts of one: by their name, or as pictures, which have no title."""
    if kind_of(name) == "part":
        return True
    if not means_pictures(name):
        return False
    inside = (node, *(inner for _, inner in below(node, ())))
    leaves = (leaf for each in inside for leaf in each.leaves.items())
    return not any(says((leaf,), "title") and not is_picture for leaf, is_picture in leaves)
