"""Tells which of the lists inside a document hold its products, for JSON and XML alike."""

from __future__ import annotations

from collections.abc import Iterator

from visearch.errors import TableUnreadable
from visearch.tables.headings import normal
from visearch.tables.list_names import NAMED, NO_PICTURES, OF_PRODUCTS, Kind, kind_of
from visearch.tables.outline import Node, Path, below, headings, is_part, is_titled, says, shows


class Lists:
    """The lists of a document, and which of them are inside of which.

    ``single`` tells that the top is one object, which may be a product itself; else it is a list.
    """

    def __init__(self, top: Node, *, single: bool) -> None:
        self._single = single
        self._nodes: dict[Path, Node] = {(): top}
        self._nodes |= {path: node for path, node in below(top, ()) if node.listed}
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
        if not self._single or not (outermost or any(headings(top, (), parts=False))):
            return False
        parts_only = all(_has_part(top, path) for path in outermost)
        has_id, has_picture = self._has(())
        if not has_id:
            return parts_only and (not outermost or is_titled(top))
        if self._inside(()):
            return False
        if any(self._kind(path) == "product" for path in outermost):
            return False
        own = headings(top, (), parts=False)
        if not is_titled(top) and not any(is_it or says(name, "picture") for name, is_it in own):
            # They are pictures of an untitled product, or pictures to sell.
            self._check_named([path for path in outermost if self.looks_right(path)])
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

        They are of several names if that is not clear, or others inside of a group would be lost.
        """
        sure = {_name(path) for path in paths if self.looks_right(path)}
        paths = [path for path in paths if _name(path) not in sure or not self.refers(path)]
        right = dict.fromkeys(path for path in paths if self.looks_right(path))
        named = [path for path in paths if self._kind(path) in NAMED]
        of_products = [path for path in named if self._kind(path) == "product"]
        best = [path for path in of_products if path in right] or of_products
        best += [path for path in named if path in right and self._kind(path) != "product"]
        others = [path for path in right if self._kind(path) == "other"]
        pool = best or others or named or list(right) or paths
        if best:
            outermost = set(self.outermost)
            lost = (path for path in others if path not in outermost)
            pool = [*best, *(path for path in lost if not _is_logo(path))]
        names = {_name(path) for path in pool}
        if len(names) == 1 and self._kind(pool[0]) in NAMED:
            return [path for path in paths if _name(path) in names]
        return pool

    def left_out(self, chosen: list[Path], *, whole: bool = False) -> tuple[str, ...]:
        """Return a note of the lists that are neither read nor hold one that is.

        With ``whole``, only of those that have ids and pictures, or are called as what is read.
        """
        if not chosen:
            return ()
        way = {path[:n] for path in chosen for n in range(len(path) + 1)}
        lists = dict.fromkeys([*self.outermost, *self.products()])
        others = [path for path in lists if path not in way]
        if whole:
            name = _name(chosen[0])
            others = [path for path in others if self.looks_right(path) or _name(path) == name]
        if not others:
            return ()
        read, left = (", ".join(".".join(path) for path in paths) for paths in (chosen, others))
        return (f"The list '{read}' is read; left out: {left}.",)

    def refers(self, path: Path) -> bool:
        """Tell whether objects are no products but refer to some: they have no picture, and no id
        or nothing else.
        """
        has_id, has_picture = self._has(path)
        own = headings(self._nodes[path], (), parts=True)
        return not has_picture and (not has_id or all(says(name, "id") for name, _ in own))

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
            if is_part(name, inner):
                yield from self._of_part(outer, inner, at)
            elif inner.listed and kind != "group" and self._holds(outer, at):
                yield at
            else:
                yield from self._holding(outer, inner, at)

    def _check_named(self, paths: list[Path]) -> None:
        """Raise if lists of a document are its parts only by what they hold."""
        for path in paths:
            by_name = any(kind_of(name) == "part" for name in path)
            if not by_name and _has_part(self._nodes[()], path):
                raise _unclear((), path)

    def _of_part(self, outer: Path, part: Node, path: Path) -> Iterator[Path]:
        """Yield what is called products inside of what is called a part, but belongs to a group."""
        kind = self._kind(outer)
        if kind in NAMED or (kind != "group" and any(self._has(outer))):
            return
        for at, inner in below(part, path):
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
                titled, inner_titled = (is_titled(self._nodes[p]) for p in (outer, inner))
                may_vary = has_id and not has_picture and above not in NAMED
                unclear = may_vary and (titled if is_top else inner_titled)
                holds = holds and inner_titled and not titled
        if unclear:
            raise _unclear(outer, inner)
        return holds

    def _kind(self, path: Path) -> Kind:
        """Return what a list's elements are by its name, or by that of their id: productId."""
        kind = kind_of(_name(path))
        if is_part(_name(path), self._nodes[path]):
            return "part"
        if kind != "group":
            for name, _ in headings(self._nodes[path], (), parts=False):
                if says(name, "id") and normal(name[-1]).startswith(OF_PRODUCTS):
                    return "product"
        return kind

    def _has(self, path: Path) -> tuple[bool, bool]:
        """Tell whether the objects of a list have an id, and a picture, of their own."""
        if path not in self._known:
            is_top = self._single and not path
            own = list(headings(self._nodes[path], (), parts=False))
            has_id = any(says(name, "id") for name, _ in own) or (
                is_top and any(normal(name[-1]) in ("id", "sku") for name, _ in own)
            )
            self._known[path] = has_id, shows(self._nodes[path])
        return self._known[path]


def _name(path: Path) -> str:
    return path[-1] if path else ""


def _has_part(top: Node, path: Path) -> bool:
    for name in path:
        top = top.below[name]
        if is_part(name, top):
            return True
    return False


def _is_logo(path: Path) -> bool:
    return normal(_name(path)).removesuffix("s") in NO_PICTURES


def _unclear(outer: Path, inner: Path) -> TableUnreadable:
    around = f"'{'.'.join(outer)}'" if outer else "the outermost objects"
    return TableUnreadable(
        f"It is not clear which the products are: {around}, or '{'.'.join(inner)}' inside "
        "of them. Send one list of the products; call what belongs to one 'variants'."
    )
