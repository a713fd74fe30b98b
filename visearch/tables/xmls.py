"""Tables of XML: feeds and exports, in which one element is repeated for each product."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from itertools import islice
from typing import Any

from visearch.errors import TableUnreadable, amount
from visearch.tables.flat import headings_of, name_problem, problem_of
from visearch.tables.grouped import MOST_SAID, means_a_field
from visearch.tables.limits import LONGEST_RECORD, MOST_COLUMNS
from visearch.tables.list_names import NAMED, kind_of
from visearch.tables.nesting import Lists
from visearch.tables.outline import DEEPEST, MOST_NODES, Node, Outline, Path, is_whole
from visearch.tables.table import Cell, Description, Record, Source
from visearch.tables.text import PIECE, Decoding, decoding_of, head_of
from visearch.tables.xml_stream import GOOGLE, declared, name_of, walk

_ENTRIES = (("rss", "channel", "item"), ("RDF", "item"), ("feed", "entry"))
_NAMES = frozenset(
    {
        "product", "item", "entry", "offer", "article", "row", "record", "shopitem",
        "produkt", "artikel", "produit", "producto", "prodotto", "produto",
    }
)  # fmt: skip
"""What the element of a product is called where there is only one."""

MOST_ELEMENTS = 10_000
"""Elements inside one product."""

_MOST_ATTRIBUTES = 1000

_ENOUGH = 50_000
"""Elements after which a document is known."""

_TOO_LONG = (
    f"it is longer than {amount(LONGEST_RECORD, 'bytes')}, or has more than {MOST_ELEMENTS:,} "
    "elements"
)

_NOT_DECLARED = "it uses an entity that is not declared"


class XmlTable:
    """The repeated element of an XML document; its syntax is checked to the end."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._decoding = decoding_of(source, declared(head_of(source)))
        self._root, top = _outlined(source, self._decoding)
        paths, notes = _find(top)
        self._paths = frozenset(paths)
        name = paths[0][-1]
        self._anywhere = name if kind_of(name) == "product" and len(paths[0]) > 1 else None
        self._children = {child for path in self._paths for child in _at(top, path).below}
        self._are_whole = any(Lists(_at(top, path), single=True).looks_right(()) for path in paths)
        self._groups = {
            path[:n]: _at(top, path[:n])
            for path in self._paths
            for n in range(2, len(path))
            if _at(top, path[:n]).listed
        }
        self.headings = headings_of(self.records(), f"<{name}> elements")
        self.description = Description(
            "xml",
            self._decoding.label,
            self._decoding.assumed,
            None,
            notes=(*self._decoding.notes, *notes),
        )

    def records(self) -> Iterator[Record]:
        """Yield the record of each such element."""
        number, size = 1, 0
        too_long: Record | None = None
        said: dict[Path, dict[str, str]] = {}  # by groups, so far
        for event, element in walk(self._source, self._decoding, self._tags()):
            if event == "fed":
                if (item := _prune(element, self._is_product)) is None:
                    continue
                size += PIECE
                if too_long is None and (size > LONGEST_RECORD or _is_crowded(item)):
                    kept = self._record(number, item).cells
                    kept = {name: value for name, value in kept.items() if isinstance(value, str)}
                    too_long = Record(number, kept, _TOO_LONG)
                if too_long is not None:
                    _prune_below(item)
                continue
            if event == "start" and not self._groups:
                continue
            path = _path_of(element)
            if event == "end" and self._is_product(path):
                record = too_long or self._record(number, element)
                if path in self._paths or self._is_like_the_others(element, record):
                    yield _in_groups(record, path, said) if self._groups else record
                    number += 1
                element.clear()
                size, too_long = 0, None
            elif event == "start" and path in self._groups:
                known = self._groups[path].leaves
                pairs = ((name_of(key), value) for key, value in element.items())
                said[path] = {}
                for name, value in pairs:
                    if name in known:
                        _say(said[path], f"{path[-1]}.{name}", value)
            elif event == "end" and path[:-1] in said and not len(element):
                _say(said[path[:-1]], f"{path[-2]}.{path[-1]}", element.text or "")

    def _tags(self) -> tuple[str, ...]:
        """Return the names of the elements that are looked at, the first of which is the root."""
        names = {path[-1] for path in self._paths}
        for path, node in self._groups.items():
            names |= {path[-1], *(name for name in node.leaves if name in node.below)}
        return (self._root, *sorted(map(_tag_of, names)))

    def _is_product(self, path: Path) -> bool:
        """Tell whether an element may be a product, and is not inside of one.

        What is called a product may stand in other places, too, after those that were looked at.
        """
        if path in self._paths:
            return True
        if path[-1] != self._anywhere or any(kind_of(name) == "part" for name in path):
            return False
        return len(path) > 1 and not any(self._is_product(path[:n]) for n in range(1, len(path)))

    def _is_like_the_others(self, element: Any, record: Record) -> bool:
        """Tell whether what is called a product says what products say, and is not the name of one.

        Lists of bestsellers, or of what is deleted, have elements of that name, too.
        """
        if self._children and not len(element):
            return False
        outline = Outline()
        for name, cell in record.cells.items():
            outline.say(outline.top, name, cell)
        return not self._are_whole or not Lists(outline.top, single=False).refers(())

    def _record(self, number: int, element: Any) -> Record:
        found: dict[str, list[str]] = {}
        problem = _collect(element, "", found)
        if len(element) == 0 and (element.text or "").strip():
            found[name_of(element.tag)] = [element.text]
        cells: dict[str, Cell] = {}
        for name, values in found.items():
            trouble = problem_of("".join(values))
            if trouble is None and len(cells) < MOST_COLUMNS:
                bare = name.removeprefix("@")  # an attribute is a value, unless an element is it
                if bare != name and bare not in self._children and bare not in found:
                    name = bare
                if any(values):
                    cells[name] = values[0] if len(values) == 1 else values
            else:
                problem = problem or trouble
        return Record(number, cells, problem)


def _in_groups(record: Record, path: Path, said: Mapping[Path, Mapping[str, str]]) -> Record:
    """Return a record with what is said of the groups that it is in."""
    cells: dict[str, Cell] = {}
    for n in range(2, len(path)):
        cells |= said.get(path[:n], {})
    return record._replace(cells={**cells, **record.cells}) if cells else record


def _say(said: dict[str, str], heading: str, value: str) -> None:
    """Add a value of a group to those that its products have, unless it is none of them."""
    if not value or heading in said or len(said) >= MOST_SAID or means_a_field(heading):
        return
    if name_problem(heading) is None and problem_of(value) is None:
        said[heading] = value


def _prune(root: Any, is_product: Callable[[Path], bool]) -> Any | None:
    """Free all that is below the root but the last, which may not have ended, at each level.

    A product is left as it is; it is returned if it may not have ended.
    """
    element = root
    path: Path = (name_of(root.tag),)
    while not is_product(path):
        if not len(element):
            return None
        del element[:-1]
        element = element[-1]
        if not isinstance(element.tag, str):
            return None
        path = (*path, name_of(element.tag))
    return element


def _prune_below(element: Any) -> None:
    while len(element):
        del element[:-1]
        element = element[-1]


def _is_crowded(element: Any) -> bool:
    return next(islice(element.iter(), MOST_ELEMENTS, None), None) is not None


def _path_of(element: Any) -> Path:
    names = [name_of(element.tag), *(name_of(above.tag) for above in element.iterancestors())]
    return tuple(reversed(names))


def _tag_of(name: str) -> str:
    """Return what lxml calls an element of this name in any namespace."""
    return f"{GOOGLE}{name[2:]}" if name.startswith("g:") else f"{{*}}{name}"


def _outlined(source: Source, decoding: Decoding) -> tuple[str, Node]:
    """Return the name of the root, and what is known of the elements below it.

    After so many elements, and two that could be a product, the rest is taken to be alike.
    """
    outline = Outline()
    root = ""
    above: list[tuple[Node | None, set[str]]] = [(outline.top, set())]
    elements, enough = 0, False
    for event, element in walk(source, decoding):
        if event == "start":
            name, elements, root = name_of(element.tag), elements + 1, root or element.tag
            over, seen = above[-1]
            node = outline.inside(over, name) if over is not None else None
            if node is not None and over is not None:
                node.count += 1
                node.repeated = node.repeated or name in seen
                seen.add(name)
                enough = enough or over.count > 1
                _say_attributes(outline, node, element)
            above.append((node if len(above) < DEEPEST else None, set()))
        elif event == "end":
            above.pop()
            over = above[-1][0]
            if over is not None and not len(element):
                outline.say(over, name_of(element.tag), element.text)
        else:
            _prune_below(element)
            if outline.nodes > MOST_NODES:
                raise TableUnreadable(
                    f"The XML has more than {MOST_NODES:,} kinds of elements. Send a feed in "
                    "which each product has the same ones."
                )
            if elements > _ENOUGH and enough:
                break
    return root, outline.top


def _say_attributes(outline: Outline, node: Node, element: Any) -> None:
    keys = element.keys()
    if len(keys) <= _MOST_ATTRIBUTES:
        for key in keys:
            outline.say(node, name_of(key), element.get(key))


def _at(top: Node, path: Path) -> Node:
    for name in path:
        top = top.below[name]
    return top


def _find(top: Node) -> tuple[list[Path], tuple[str, ...]]:
    """Return the paths of the elements that hold a product each, and a note of what is left out.

    Raises:
        TableUnreadable: there are none, or it is not clear which.
    """
    for path in _ENTRIES:
        if _has(top, path):
            return [path], ()
    for name, root in top.below.items():  # there is one, unless its name is too long
        _mark(root, inside=False, in_named=False)
        if name.casefold() in _NAMES and Lists(root, single=True).is_product():
            return [(name,)], ()
    lists = Lists(top, single=True)
    paths = lists.products()
    if not paths:
        raise TableUnreadable(
            "The XML has no element that is repeated for each product. Send a feed (RSS, Atom), or "
            "one <product> for each."
        )
    chosen = lists.alike(paths)
    if lists.are_one(chosen):
        return chosen, lists.left_out(chosen, whole=True)
    right = [path for path in chosen if lists.looks_right(path)]
    names = dict.fromkeys(path[-1] for path in chosen)
    if right and len(names) > 1:
        shown = " and ".join(f"<{name}>" for name in list(names)[:5])
        raise TableUnreadable(
            f"The XML has several elements that could be products: {shown}. Send one <product> "
            "for each product."
        )
    chosen = [path for path in chosen if _at(top, path).below] or chosen
    return right or [max(chosen, key=lists.count)], ()


def _mark(node: Node, *, inside: bool, in_named: bool, in_group: bool = False) -> None:
    """Mark the elements below that may stand side by side, or are called as one product is.

    In a group, what has an id and a picture may be a product, however it is called.
    """
    for name, inner in node.below.items():
        kind, whole = kind_of(name), is_whole(inner)
        is_named = name.casefold() in _NAMES or (whole and kind in NAMED)
        may_be = is_named and (not inside or ((whole or kind == "product") and not in_named))
        may_be |= in_group and whole and kind == "other" and not in_named
        inner.listed = (inner.repeated or may_be) and bool(inner.below or inner.leaves)
        _mark(
            inner,
            inside=inside or inner.listed,
            in_named=in_named or is_named,
            in_group=kind == "group" if inner.listed else in_group,
        )


def _has(top: Node, path: Path) -> bool:
    for name in path:
        if name not in top.below:
            return False
        top = top.below[name]
    return True


def _collect(element: Any, prefix: str, found: dict[str, list[str]]) -> str | None:
    """Add the values of an element to those found, by name; return the first problem."""
    problem = _collect_attributes(element, f"{prefix}@", found)
    for child in element:
        if not isinstance(child.tag, str):
            problem = problem or _NOT_DECLARED
            continue
        name = f"{prefix}{name_of(child.tag)}"
        if trouble := name_problem(name):
            problem = problem or trouble
            continue
        text = child.text or ""
        if len(child):
            if not any(map(str.strip, (text, *(inner.tail or "" for inner in child)))):
                problem = _collect(child, f"{name}.", found) or problem
                continue
            if any(not isinstance(inner.tag, str) for inner in child):
                problem = problem or _NOT_DECLARED
            # Text with elements in it is taken as text: somebody wrote HTML without escaping it.
            text = "".join(child.itertext())
        found.setdefault(name, []).append(text)
        trouble = _collect_attributes(child, f"{name}.@", found)
        problem = problem or trouble
    return problem


def _collect_attributes(element: Any, prefix: str, found: dict[str, list[str]]) -> str | None:
    keys = element.keys()
    if len(keys) > _MOST_ATTRIBUTES:  # each is looked for among all of them
        return f"an element has more than {_MOST_ATTRIBUTES:,} attributes"
    for key in keys:
        found.setdefault(f"{prefix}{name_of(key)}", []).append(element.get(key))
    return None
