"""Products inside of groups: what parsed JSON lists, with what is said of the groups around it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from itertools import islice
from types import MappingProxyType
from typing import Any, NamedTuple

from visearch.tables.flat import record_of
from visearch.tables.headings import FIELDS, place
from visearch.tables.outline import Path
from visearch.tables.table import Cell, Record

MOST_SAID = 100
"""Values of a group that its products have: each product has them all."""

_NOTHING: Mapping[str, Any] = MappingProxyType({})
_GROUP = "group"
"""What a group is called that stands in a list without a name."""


@lru_cache(maxsize=4096)
def means_a_field(heading: str) -> bool:
    """Tell whether a heading would be taken for more than an attribute."""
    return any(place(heading, field) is not None for field in FIELDS)


class Found(NamedTuple):
    """A product as it was found, and what is said of the groups that it is in, by their names."""

    value: Any
    groups: Mapping[str, Mapping[str, Cell]]

    def record(self, number: int) -> Record:
        """Return the product's record; a group never says its id, its title or its pictures."""
        record = record_of(number, self.value)
        if not self.groups:
            return record
        cells: dict[str, Cell] = {}
        for said in self.groups.values():
            cells |= said
        return record._replace(cells=cells | dict(record.cells))


class Grouped:
    """The lists of these paths, which hold the products, inside of lists that group them."""

    def __init__(self, paths: Iterable[Path]) -> None:
        self._paths = frozenset(paths)
        self._way = frozenset(path[:n] for path in self._paths for n in range(len(path)))

    def products(
        self, value: Any, path: Path, groups: Mapping[str, Mapping[str, Cell]] = _NOTHING
    ) -> Iterator[Found]:
        """Yield the products that an element of a list is, or holds.

        What should be a group, and is no object, is yielded: it may stand for products.
        """
        on_way = path in self._way
        if path in self._paths or (on_way and not isinstance(value, dict)):
            yield Found(value, groups)
        elif on_way:
            name = path[-1] if path else _GROUP
            yield from self._inside(value, path, {**groups, name: _said(name, value)})

    def _inside(
        self, value: dict[str, Any], path: Path, groups: Mapping[str, Mapping[str, Cell]]
    ) -> Iterator[Found]:
        for name, inner in value.items():
            at = (*path, name)
            if not inner or not (at in self._paths or at in self._way):
                continue  # an empty group is written as null, "" or {}, too
            if isinstance(inner, dict) and at not in self._paths:
                yield from self._inside(inner, at, groups)
            else:  # some programs write a list of one as that one
                for each in inner if isinstance(inner, list) else [inner]:
                    yield from self.products(each, at, groups)


def _said(name: str, group: Mapping[str, Any]) -> dict[str, Cell]:
    """Return the plain values of a group; it is read once, however many products it has."""
    plain = {key: value for key, value in group.items() if not isinstance(value, dict | list)}
    cells = record_of(0, {name: plain}).cells.items()
    return dict(islice(((key, cell) for key, cell in cells if not means_a_field(key)), MOST_SAID))
