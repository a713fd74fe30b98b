"""Tells which of the lists inside a document hold its products, for JSON and XML alike."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from functools import lru_cache
from typing import Any, Literal

from visearch.errors import TableUnreadable
from visearch.tables.formats.form import PICTURE_NAME
from visearch.tables.headings import FIELDS, normal, place
from visearch.tables.limits import LONGEST_NAME
from visearch.tables.list_names import (
    NAMED,
    NO_PICTURES,
    OF_PRODUCTS,
    Kind,
    kind_of,
    means_pictures,
)

Path = tuple[str, ...]
"""The names on the way to something; a list and its elements have the same path."""

DEEPEST = 12
"""How many names a path has; what is further inside is not looked at."""

MOST_NODES = 10_000
_ENOUGH = 500
"""Values of an object that show what all of them are."""


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
    has_id = any(_says((name,), "id") for name in node.leaves)
    return has_id and any(
        is_picture or _says((name,), "picture") for name, is_picture in node.leaves.items()
    )


class Outline:
    """The nodes of a document; so many of them that a hostile one takes no more memory."""

    def __init__(self) -> None:
        self.top = Node()
        self.nodes = self.leaves = 0

    def inside(self, node: Node, name: str) -> Node | None:
        """Return a node's own node of this name; None if there are too many."""
        found = node.below.get(name)
        if found is None and self.nodes <= MOST_NODES and len(name) <= LONGEST_NAME:
            self.nodes += 1
            found = node.below[name] = Node()
        return found

    def say(self, node: Node, name: str, value: object) -> None:
        """Remember that a node has a value of this name, unless there is nothing in it."""
        if name in node.leaves:
            node.leaves[name] = node.leaves[name] or _is_picture(name, value)
        elif len(name) <= LONGEST_NAME and value not in ([], {}) and self.leaves < 2 * MOST_NODES:
            self.leaves += 1
            node.leaves[name] = _is_picture(name, value)

    def add(self, node: Node, value: dict[str, Any], depth: int = 0) -> None:
        """Remember what a parsed object holds that is inside of so many."""
        node.count += 1
        for name, inner in value.items():
            inners = _objects(inner)
            if not inners or depth >= DEEPEST:
                if not node.leaves.get(name):  # one picture shows what all of them are
                    self.say(node, name, inner)
            elif (found := self.inside(node, name)) is not None:
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


def _is_picture(name: str, value: object) -> bool:
    first = value[0] if isinstance(value, list) and value else value
    if not isinstance(first, str) or len(first) > LONGEST_NAME:
        return False
    return normal(name) not in NO_PICTURES and PICTURE_NAME.fullmatch(first.strip()) is not None


class Lists:
    """The lists of a document, and which of them are inside of which.

    ``single`` tells that the top is one object, which may be a product itself; else it is a list.
    """

    def __init__(self, top: Node, *, single: bool) -> None:
        self._single = single
        self._nodes: dict[Path, Node] = {(): top}
        self._nodes |= {path: node for path, node in _below(top, ()) if node.listed}
        self._known: dict[Path, tuple[bool, bool]] = {}

    @property
    def outermost(self) -> list[Path]:
        """The lists that are inside of no other."""
        if not self._single:
            return [()]
        return [
            path
            for path in self._nodes
            if path and not any(path[:n] in self._nodes for n in range(1, len(path)))
        ]

    def count(self, path: Path) -> int:
        """Return how many objects there are in the lists of a path."""
        return self._nodes[path].count

    def looks_right(self, path: Path) -> bool:
        """Tell whether the objects of a list have what products need: ids and pictures."""
        has_id, has_picture = self._has(path)
        return has_id and has_picture

    def is_product(self) -> bool:
        """Tell whether the document is one product, not a list of them.

        Raises:
            TableUnreadable: it is not clear.
        """
        top = self._nodes[()]
        outermost = self.outermost
        if not self._single or not (outermost or any(_headings(top, (), parts=False))):
            return False
        parts_only = all(_has_part(top, path) for path in outermost)
        has_id, has_picture = self._has(())
        if not has_id:
            return parts_only and (not outermost or _is_titled(top))
        if self._inside(()):
            return False
        if any(self._kind(path) == "product" for path in outermost):
            return False
        return parts_only or has_picture or self._kind(()) == "product"

    def products(self) -> list[Path]:
        """Return each list that may hold the products, with those of groups instead of groups.

        Raises:
            TableUnreadable: it is not clear which of two lists they are.
        """
        found: dict[Path, None] = {}
        for path in self.outermost:
            found.update(dict.fromkeys(self._products_in(path)))
        return list(found)

    def alike(self, paths: list[Path]) -> list[Path]:
        """Return those that are called as products are best, or look like it.

        They are of several names if that is not clear.
        """
        right = [path for path in paths if self.looks_right(path)]
        named = [path for path in paths if self._kind(path) in NAMED]
        of_products = [path for path in named if self._kind(path) == "product"]
        best = [path for path in of_products if path in right] or of_products
        best += [path for path in named if path in right and path not in best]
        others = [path for path in right if self._kind(path) == "other"]
        pool = best or others or named or right or paths
        names = {_name(path) for path in pool}
        if len(names) == 1 and self._kind(pool[0]) in NAMED:
            return [path for path in paths if _name(path) in names]
        return pool

    def are_one(self, paths: list[Path]) -> bool:
        """Tell whether these lists surely are parts of one, as a shop's departments may be."""
        if len({_name(path) for path in paths}) > 1:
            return False
        are_products = self._kind(paths[0]) == "product" or all(map(self.looks_right, paths))
        return len(paths) == 1 or are_products

    def _products_in(self, outer: Path) -> list[Path]:
        inner = self._inside(outer)
        return [each for path in inner for each in self._products_in(path)] if inner else [outer]

    def _inside(self, outer: Path) -> list[Path]:
        """Return the lists inside of another that are the products instead of it."""
        return list(self._holding(outer, self._nodes[outer], outer))

    def _holding(self, outer: Path, node: Node, path: Path) -> Iterator[Path]:
        for name, inner in node.below.items():
            at, kind = (*path, name), kind_of(name)
            if _is_part(name, inner):
                yield from self._of_part(outer, inner, at)
            elif inner.listed and kind != "group" and self._holds(outer, at):
                yield at
            else:
                yield from self._holding(outer, inner, at)

    def _of_part(self, outer: Path, part: Node, path: Path) -> Iterator[Path]:
        """Yield what is called products inside of what is called a part, but belongs to a group."""
        kind = self._kind(outer)
        if kind in NAMED or (kind != "group" and any(self._has(outer))):
            return
        for at, inner in _below(part, path):
            if inner.listed and kind_of(at[-1]) == "product" and all(self._has(at)):
                if kind != "group":
                    raise _unclear(outer, at)
                yield at

    def _holds(self, outer: Path, inner: Path) -> bool:
        """Tell whether ``inner`` lists products, and ``outer`` only groups them."""
        kind = self._kind(inner)
        has_id, has_picture = self._has(outer)
        is_top = self._single and not outer
        inner_id, inner_picture = self._has(inner)
        if not inner_id or not (inner_picture or (kind == "product" and not has_picture)):
            return False
        above = self._kind(outer)
        if above == "group":
            return True
        if has_id and (above == "product" or (above in NAMED and has_picture)):
            return False
        unclear = False
        if kind == "product":
            holds = True
            unclear = has_id and has_picture and not is_top
        elif kind == "generic":
            holds = not has_id or (is_top and not has_picture)
            unclear = not holds or (not has_id and above == "product")
        else:
            holds = not has_picture and (is_top if has_id else above not in NAMED)
            if kind == "other":  # of such a name, what has no titles may be files
                is_titled, inner_titled = (_is_titled(self._nodes[p]) for p in (outer, inner))
                may_vary = has_id and not has_picture and above not in NAMED
                unclear = may_vary and (is_titled if is_top else inner_titled)
                holds = holds and inner_titled and not is_titled
        if unclear:
            raise _unclear(outer, inner)
        return holds

    def _kind(self, path: Path) -> Kind:
        """Return what a list's elements are by its name, or by that of their id: productId."""
        kind = kind_of(_name(path))
        if _is_part(_name(path), self._nodes[path]):
            return "part"
        if kind != "group":
            for name, _ in _headings(self._nodes[path], (), parts=False):
                if _says(name, "id") and normal(name[-1]).startswith(OF_PRODUCTS):
                    return "product"
        return kind

    def _has(self, path: Path) -> tuple[bool, bool]:
        """Tell whether the objects of a list have an id, and a picture, of their own."""
        if path not in self._known:
            is_top = self._single and not path
            own = list(_headings(self._nodes[path], (), parts=False))
            has_id = any(_says(name, "id") for name, _ in own) or (
                is_top and any(normal(name[-1]) in ("id", "sku") for name, _ in own)
            )
            self._known[path] = has_id, _shows(self._nodes[path])
        return self._known[path]


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
        if node.listed or not _is_titled(node) or not _shows(node):
            return None
        merged.leaves.update(node.leaves)
        merged.below.update(node.below)
    return merged if len(nodes) > 1 else None


def _are_ids(names: Collection[str]) -> bool:
    """Tell whether names look like ids; 0, 1, 2 are places, which change from file to file."""
    places = {str(number) for number in range(len(names) + 1)}
    return not places.issuperset(names) and all(any(map(str.isdigit, name)) for name in names)


@lru_cache(maxsize=4096)
def means_a_field(heading: str) -> bool:
    """Tell whether a heading would be taken for more than an attribute."""
    return any(place(heading, field) is not None for field in FIELDS)


def _below(node: Node, path: Path) -> Iterator[tuple[Path, Node]]:
    for name, inner in node.below.items():
        yield (*path, name), inner
        yield from _below(inner, (*path, name))


def _headings(node: Node, path: Path, *, parts: bool) -> Iterator[tuple[Path, bool]]:
    """Yield the names of what objects hold, without lists inside; those of their parts if asked."""
    for name, is_picture in node.leaves.items():
        yield (*path, name), is_picture
    for name, inner in node.below.items():
        if not inner.listed or (parts and _is_part(name, inner)):
            yield from _headings(inner, (*path, name), parts=parts)


def _is_titled(node: Node) -> bool:
    return any(_says((name,), "title") for name in node.leaves)


def _shows(node: Node) -> bool:
    """Tell whether objects have pictures, or parts that have."""
    return any(
        is_picture or _says(name, "picture") or (len(name) > 1 and _says(name[:1], "picture"))
        for name, is_picture in _headings(node, (), parts=True)
    )


def _says(name: Path, field: Literal["id", "picture", "title"]) -> bool:
    return place(".".join(part.removeprefix("g:") for part in name), field) is not None


def _name(path: Path) -> str:
    return path[-1] if path else ""


def _has_part(top: Node, path: Path) -> bool:
    for name in path:
        top = top.below[name]
        if _is_part(name, top):
            return True
    return False


def _is_part(name: str, node: Node) -> bool:
    """Tell whether objects are parts of one: by their name, or as pictures, which have no title."""
    if kind_of(name) == "part":
        return True
    if not means_pictures(name):
        return False
    inside = (node, *(inner for _, inner in _below(node, ())))
    leaves = (leaf for each in inside for leaf in each.leaves.items())
    return not any(_says((leaf,), "title") and not is_picture for leaf, is_picture in leaves)


def _unclear(outer: Path, inner: Path) -> TableUnreadable:
    around = f"'{'.'.join(outer)}'" if outer else "the outermost objects"
    return TableUnreadable(
        f"It is not clear which the products are: {around}, or '{'.'.join(inner)}' inside "
        "of them. Send one list of the products; call what belongs to one 'variants'."
    )
