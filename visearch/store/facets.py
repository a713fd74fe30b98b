"""Facets: how many of a catalog's products have each value of an attribute."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import JSONB

from visearch.records import Catalog
from visearch.searches import FacetValue
from visearch.store.filters import attribute_conditions, check_field
from visearch.store.schema import images, products

MAX_VALUES = 100
"""Values of one facet in an answer: the most frequent ones."""


def count_values(
    connection: sa.Connection,
    catalog: Catalog,
    fields: Sequence[str],
    where: Mapping[str, Any],
) -> dict[str, list[FacetValue]]:
    """Count the products that pass the filter ``where`` and have a searchable picture.

    Each field has its ``MAX_VALUES`` most frequent values; equal counts are in order of value.
    A product with several values of a field counts for each.

    Raises:
        InvalidRequest: the filter or a field's name is malformed.
    """
    if not fields:
        return {}
    dialect = connection.dialect.name
    shown = sa.exists().where(images.c.product_pk == products.c.pk, images.c.removed.is_(None))
    picked = (
        sa.select(products.c.pk, products.c.attributes)
        .where(products.c.catalog_pk == catalog.pk, products.c.deleted.is_(sa.false()), shown)
        .where(*attribute_conditions(dialect, where))
        .cte("picked")
    )
    return {field: _values(connection, picked, field) for field in fields}


def _values(connection: sa.Connection, picked: sa.CTE, field: str) -> list[FacetValue]:
    check_field(field)
    members, kind = _MEMBERS[connection.dialect.name](picked, field)
    value = members.c.value
    # A product may list one value several times; it counts once.
    count = sa.func.count(sa.distinct(picked.c.pk))
    query = (
        sa.select(kind.label("kind"), value.label("value"), count.label("n"))
        .select_from(picked.join(members, sa.true()))
        .group_by(kind, value)
        .order_by(count.desc(), value)
        .limit(MAX_VALUES)
    )
    found = connection.execute(query).all()
    return [FacetValue(value=_plain(row.kind, row.value), count=row.n) for row in found]


def _plain(kind: str, value: Any) -> Any:
    """Return the value as in JSON: SQLite gives 1 for true."""
    return bool(value) if kind in ("true", "false") else value


_Members = tuple[sa.TableValuedAlias, sa.ColumnElement[str]]


def _sqlite(picked: sa.CTE, field: str) -> _Members:
    """Return one row per member of the attribute, and the member's kind."""
    # The key as the stored JSON spells it: escaped.
    each = sa.func.json_each(picked.c.attributes, f"$.{json.dumps(field)}")
    members = each.table_valued("value", "type", name="m")
    number = members.c.type.in_(("integer", "real"))
    return members, sa.case((number, "number"), else_=members.c.type)


def _postgresql(picked: sa.CTE, field: str) -> _Members:
    """Return one row per member of the attribute, and the member's kind."""
    attribute = sa.cast(picked.c.attributes, JSONB)[field]
    is_list = sa.func.jsonb_typeof(attribute) == "array"
    alone = sa.case(
        (attribute.is_(sa.null()), sa.cast([], JSONB)),
        else_=sa.func.jsonb_build_array(attribute),
    )
    each = sa.func.jsonb_array_elements(sa.case((is_list, attribute), else_=alone))
    members = each.table_valued(sa.column("value", JSONB), name="m")
    return members, sa.func.jsonb_typeof(members.c.value)


_MEMBERS = {"sqlite": _sqlite, "postgresql": _postgresql}
