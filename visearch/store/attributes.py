"""Products' attributes laid out by attribute, for filters and facets: written and read by blocks.

A row of ``attribute_columns`` is one attribute of one block of products (``columns.py``). Whoever
writes ``products.attributes`` or the pictures of a product writes here in the same transaction,
and holds the catalog's row lock: two writers would lose each other's entries. Only products that
are not deleted have entries.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from itertools import groupby
from operator import itemgetter
from typing import Any

import numpy as np
import sqlalchemy as sa

from visearch.records import Attributes
from visearch.store.columns import BLOCK, EMPTY, Chosen, Column, Keys
from visearch.store.filters import conditions
from visearch.store.schema import attribute_columns

PICTURES = "pictures"
"""The column of the keys of products' live pictures; no attribute's column has this name."""

_ROWS = 64
"""Columns read at a time."""

_NAMED = 1000
"""Columns written at a time."""

_Entry = tuple[int, object]
_Changes = dict[str, tuple[Collection[int], Sequence[_Entry]]]

_columns = attribute_columns.c


def column_name(attribute: str) -> str:
    """Return the name of an attribute's column: attributes' own may be longer than a key."""
    return hashlib.blake2b(attribute.encode(), digest_size=16).hexdigest()


def members(value: Any) -> list[Any]:
    """Return the members of a product's attribute: those of a list, else the value itself."""
    return value if isinstance(value, list) else [value]


def write(
    connection: sa.Connection,
    catalog_pk: int,
    products: Iterable[tuple[int, Attributes, Attributes]],
) -> None:
    """Take over changes of attributes: the product's key, what it had, what it has now."""
    gone: dict[int, dict[str, list[int]]] = defaultdict(lambda: defaultdict(list))
    added: dict[int, dict[str, list[_Entry]]] = defaultdict(lambda: defaultdict(list))
    for pk, old, new in products:
        block, place = divmod(pk, BLOCK)
        for name in old.keys() | new.keys():
            if name in old and name in new and _alike(old[name], new[name]):
                continue
            gone[block][name].append(place)
            if name in new:
                added[block][name].extend((place, member) for member in members(new[name]))
    for block, names in gone.items():
        changes: _Changes = {
            column_name(name): (places, added[block][name]) for name, places in names.items()
        }
        _rewrite(connection, catalog_pk, block, changes)


def _alike(one: object, other: object) -> bool:
    """Tell whether two values are the same; for Python, ``True`` is 1 too."""
    return one == other and isinstance(one, bool) == isinstance(other, bool)


def rewrite(
    connection: sa.Connection, catalog_pk: int, name: str, values: Mapping[int, str]
) -> None:
    """Give products their one value in the column ``name``, by the product's key."""
    by_block: dict[int, list[_Entry]] = defaultdict(list)
    for pk, value in values.items():
        block, place = divmod(pk, BLOCK)
        by_block[block].append((place, value))
    for block, entries in by_block.items():
        changes: _Changes = {name: ([place for place, _ in entries], entries)}
        _rewrite(connection, catalog_pk, block, changes)


def blocks(connection: sa.Connection, catalog_pk: int, name: str) -> Iterator[tuple[int, Column]]:
    """Yield each block's number and its column ``name``, in order of the blocks."""
    for block, packed in _blocks(connection, catalog_pk, {name}):
        yield block, Column.unpack(packed[name])


def add_pictures(
    connection: sa.Connection, catalog_pk: int, pictures: Iterable[tuple[int, int]]
) -> None:
    """Add new pictures: pairs of a product's key and the picture's."""
    added: dict[int, list[_Entry]] = defaultdict(list)
    for product_pk, image_pk in pictures:
        block, place = divmod(product_pk, BLOCK)
        added[block].append((place, image_pk))
    for block, entries in added.items():
        _rewrite(connection, catalog_pk, block, {PICTURES: ((), entries)})


def drop_pictures(connection: sa.Connection, catalog_pk: int, product_pks: Collection[int]) -> None:
    """Forget all pictures of these products."""
    for block, places in _by_block(product_pks).items():
        _rewrite(connection, catalog_pk, block, {PICTURES: (places, ())})


def drop(connection: sa.Connection, catalog_pk: int, product_pks: Collection[int]) -> None:
    """Forget these products: their attributes and their pictures."""
    for block, places in _by_block(product_pks).items():
        names = sa.select(_columns.name).where(
            _columns.catalog_pk == catalog_pk, _columns.block == block
        )
        changes: _Changes = {name: (places, ()) for name in connection.execute(names).scalars()}
        _rewrite(connection, catalog_pk, block, changes)


def forget_of(connection: sa.Connection, catalog_pks: Sequence[int], limit: int) -> int:
    """Delete up to ``limit`` columns of these catalogs; returns how many were."""
    key = (_columns.catalog_pk, _columns.block, _columns.name)
    some = sa.select(*key).where(_columns.catalog_pk.in_(catalog_pks)).limit(limit)
    gone = sa.delete(attribute_columns).where(sa.tuple_(*key).in_(some))
    return connection.execute(gone).rowcount


def _by_block(product_pks: Iterable[int]) -> dict[int, list[int]]:
    out: dict[int, list[int]] = defaultdict(list)
    for pk in product_pks:
        block, place = divmod(pk, BLOCK)
        out[block].append(place)
    return out


def _rewrite(connection: sa.Connection, catalog_pk: int, block: int, changes: _Changes) -> None:
    """Change columns of one block: the places to empty, then the entries to add."""
    names = list(changes)
    for start in range(0, len(names), _NAMED):
        some = {name: changes[name] for name in names[start : start + _NAMED]}
        _rewrite_some(connection, catalog_pk, block, some)


def _rewrite_some(
    connection: sa.Connection, catalog_pk: int, block: int, changes: _Changes
) -> None:
    mine = (_columns.catalog_pk == catalog_pk, _columns.block == block)
    query = sa.select(_columns.name, _columns.data).where(*mine, _columns.name.in_(changes))
    stored = {name: Column.unpack(data) for name, data in connection.execute(query)}
    empty: list[str] = []
    updated: list[tuple[str, bytes]] = []
    inserted: list[tuple[str, bytes]] = []
    for name, (gone, added) in changes.items():
        column = stored.get(name, EMPTY).changed(gone, added)
        if len(column.places):
            (updated if name in stored else inserted).append((name, column.pack()))
        elif name in stored:
            empty.append(name)
    if empty:
        connection.execute(sa.delete(attribute_columns).where(*mine, _columns.name.in_(empty)))
    if updated:
        one = sa.update(attribute_columns).where(*mine, _columns.name == sa.bindparam("of"))
        changed = [{"of": name, "packed": data} for name, data in updated]
        connection.execute(one.values(data=sa.bindparam("packed")), changed)
    if inserted:
        key = {"catalog_pk": catalog_pk, "block": block}
        rows = [{**key, "name": name, "data": data} for name, data in inserted]
        connection.execute(sa.insert(attribute_columns), rows)


def passing(
    connection: sa.Connection, catalog_pk: int, where: Mapping[str, Any], also: Collection[str] = ()
) -> Iterator[tuple[int, Chosen, Mapping[str, Column]]]:
    """Yield each block in which products pass a filter: its number, which do, the columns ``also``.

    All blocks are of one moment. A block without any of the columns asked for does not come.

    Raises:
        InvalidRequest: the filter is malformed.
    """
    wanted = {column_name(field): asked for field, asked in conditions(where).items()}
    for block, packed in _blocks(connection, catalog_pk, {*wanted, *also}):
        chosen = np.ones(BLOCK, np.bool_)
        for name, asked in wanted.items():
            chosen &= asked.passes(_unpacked(packed, name))
            if not chosen.any():
                break
        else:
            yield block, chosen, {name: _unpacked(packed, name) for name in also}


def passing_keys(connection: sa.Connection, catalog_pk: int, where: Mapping[str, Any]) -> Keys:
    """Return the keys of the products that pass a filter of some field, ascending.

    Raises:
        InvalidRequest: the filter is malformed.
    """
    found = [
        block * BLOCK + np.flatnonzero(chosen)
        for block, chosen, _ in passing(connection, catalog_pk, where)
    ]
    return np.concatenate((np.empty(0, np.int64), *found))


def _unpacked(packed: Mapping[str, bytes], name: str) -> Column:
    return Column.unpack(packed[name]) if name in packed else EMPTY


def _blocks(
    connection: sa.Connection, catalog_pk: int, names: Collection[str]
) -> Iterator[tuple[int, Mapping[str, bytes]]]:
    """Yield each block that has some of the named columns, and those, in one statement."""
    query = (
        sa.select(_columns.block, _columns.name, _columns.data)
        .where(_columns.catalog_pk == catalog_pk, _columns.name.in_(names))
        .order_by(_columns.block)
        .execution_options(yield_per=_ROWS)
    )
    for block, rows in groupby(connection.execute(query), key=itemgetter(0)):
        yield block, {name: data for _, name, data in rows}
