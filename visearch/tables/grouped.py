"""Products inside of groups: what parsed JSON lists, with what is said of the groups around it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

from visearch.tables.flat import record_of
from visearch.tables.nesting import Path, means_a_field
from visearch.tables.table import Record

_NOTHING: Mapping[str, Any] = MappingProxyType({})
_GROUP = "group"
"""What a group is called that stands in a list without a name."""


class Found(NamedTuple):
    """A product as it was found, and the plain values of the groups that it is in, by name."""

    value: Any
    groups: Mapping[str, Any]

    def record(self, number: int) -> Record:
        """Return the product's record; a group never says its id, its title or its pictures."""
        record = record_of(number, self.value)
        if not self.groups:
            return record
        said = record_of(number, self.groups).cells
        said = {name: cell for name, cell in said.items() if not means_a_field(name)}
        return record._replace(cells={**said, **record.cells})


class Grouped:
    """The lists of these paths, which hold the products, inside of lists that group them."""

    def __init__(self, paths: Iterable[Path]) -> None:
        self._paths = frozenset(paths)
        self._way = frozenset(path[:n] for path in self._paths for n in range(len(path)))

    def products(
        self, value: Any, path: Path, groups: Mapping[str, Any] = _NOTHING
    ) -> Iterator[Found]:
        """Yield the products that an element of a list is, or holds.

        What should be a group, and is no object, is yielded: it may stand for products.
        """
        on_way = path in self._way
        if path in self._paths or (on_way and not isinstance(value, dict)):
            yield Found(value, groups)
        elif on_way:
            said = {k: v for k, v in value.items() if not isinstance(v, dict | list)}
            groups = {**groups, path[-1] if path else _GROUP: said}
            yield from self._inside(value, path, groups)

    def _inside(
        self, value: dict[str, Any], path: Path, groups: Mapping[str, Any]
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
