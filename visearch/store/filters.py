"""Attribute filters → SQL, exact on both databases.

``{"colour": "red", "size": ["S", "M"], "price": {"gte": 10, "lte": 20}}``: fields are
ANDed, a list means any of. An attribute that is itself a list matches if one member does.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa

from visearch.errors import InvalidRequest
from visearch.rules import MAX_FILTER_FIELDS, is_storable, number_of

MAX_VALUES = 256
_BOUNDS = {"gte": ">=", "lte": "<="}

# One row per member of the attribute: the value itself, or each element of a list.
_MEMBERS = {
    "sqlite": """SELECT 1 FROM json_each(products.attributes, :path) AS m WHERE {test}""",
    "postgresql": """SELECT 1 FROM (SELECT CASE WHEN jsonb_typeof(a.v) = 'array'
        THEN a.v ELSE jsonb_build_array(a.v) END AS list
        FROM (SELECT CAST(products.attributes AS jsonb) -> :path AS v) AS a) AS l,
        jsonb_array_elements(l.list) AS m(value) WHERE {test}""",
}


def attribute_conditions(dialect: str, where: Mapping[str, Any]) -> list[sa.TextClause]:
    """Return one condition per filtered field, for a statement that selects from products.

    Raises:
        InvalidRequest: a filter does not have one of these forms.
    """
    if len(where) > MAX_FILTER_FIELDS:
        raise _invalid(None, f"A filter has at most {MAX_FILTER_FIELDS} fields.")
    return [
        _condition(dialect, position, field, wanted)
        for position, (field, wanted) in enumerate(where.items())
    ]


def _condition(dialect: str, position: int, field: str, wanted: Any) -> sa.TextClause:
    tests, values = _tests(dialect, field, wanted)
    check_field(field)
    # SQLite compares with the key as the stored JSON spells it: escaped.
    path = f"$.{json.dumps(field)}" if dialect == "sqlite" else field
    text = _MEMBERS[dialect].format(test=" OR ".join(tests) or "1 = 0")
    # Names of bound parameters must differ between the fields of one statement.
    text = text.replace(":path", f":f{position}_path").replace(":v_", f":f{position}_v_")
    bound = {f"f{position}_{name}": value for name, value in values.items()}
    return sa.text(f"EXISTS ({text})").bindparams(**bound, **{f"f{position}_path": path})


def check_field(field: str) -> None:
    """Raise InvalidRequest if no attribute can be looked up by this name."""
    _check_text(field, field)
    if '"' in field:
        raise _invalid(field, "A field name cannot contain a quotation mark.")


def _tests(dialect: str, field: str, wanted: Any) -> tuple[list[str], dict[str, Any]]:
    if isinstance(wanted, Mapping):
        return _range(dialect, field, wanted)
    values = wanted if isinstance(wanted, list) else [wanted]
    if len(values) > MAX_VALUES:
        raise _invalid(field, f"A field has at most {MAX_VALUES} values to choose from.")
    if not all(isinstance(v, str | int | float | bool) for v in values):
        raise _invalid(field, "A value is a string, a number or a boolean.")
    tests, bound = [], {}
    for i, value in enumerate(values):
        if isinstance(value, str):
            _check_text(field, value)
        elif not isinstance(value, bool):
            value = _number(field, value)
        for at, form in enumerate(_forms(value)):
            test, literal = _equals(dialect, f":v_{i}_{at}", form)
            tests.append(test)
            bound[f"v_{i}_{at}"] = literal
    return tests, bound


def _forms(value: Any) -> list[Any]:
    """Return what a value stands for: a text that spells a number also for the number.

    The values of a CSV file that do were stored as numbers.
    """
    number = number_of(value) if isinstance(value, str) else None
    return [value] if number is None else [value, number]


def _equals(dialect: str, name: str, value: Any) -> tuple[str, Any]:
    if dialect == "sqlite":
        kind = (
            "m.type IN ('true', 'false')"
            if isinstance(value, bool)
            else "m.type = 'text'"
            if isinstance(value, str)
            else "m.type IN ('integer', 'real')"
        )
        return f"({kind} AND m.value = {name})", value
    if isinstance(value, str):
        return f"(jsonb_typeof(m.value) = 'string' AND m.value #>> '{{}}' = {name})", value
    kind = "boolean" if isinstance(value, bool) else "numeric"
    json_kind = "boolean" if isinstance(value, bool) else "number"
    cast = f"CASE WHEN jsonb_typeof(m.value) = '{json_kind}' THEN CAST(m.value AS {kind}) END"
    return f"({cast} = CAST({name} AS {kind}))", value


def _range(dialect: str, field: str, wanted: Mapping[str, Any]) -> tuple[list[str], dict[str, Any]]:
    if not wanted or set(wanted) - set(_BOUNDS):
        raise _invalid(field, "A range has 'gte', 'lte' or both.")
    if not all(isinstance(v, int | float) and not isinstance(v, bool) for v in wanted.values()):
        raise _invalid(field, "The bounds of a range are numbers.")
    number = (
        "CASE WHEN m.type IN ('integer', 'real') THEN m.value END"
        if dialect == "sqlite"
        else "CASE WHEN jsonb_typeof(m.value) = 'number' THEN CAST(m.value AS numeric) END"
    )
    tests = [f"{number} {_BOUNDS[op]} :v_{op}" for op in wanted]
    bounds = {f"v_{op}": _number(field, value) for op, value in wanted.items()}
    return [f"({' AND '.join(tests)})"], bounds


def _number(field: str, value: float) -> float:
    """Return a number that both databases can compare with."""
    try:
        if math.isfinite(value):
            return value if abs(value) < 2**63 else float(value)
    except OverflowError:  # a whole number no float can hold
        pass
    raise _invalid(field, "A number must be finite.")


def _check_text(field: str, text: str) -> None:
    if not is_storable(text):
        raise _invalid(field, "A text cannot hold a NUL or half of a surrogate pair.")


def _invalid(field: str | None, detail: str) -> InvalidRequest:
    escaped = (field or "").replace("~", "~0").replace("/", "~1")
    pointer = "/filter" if field is None else f"/filter/{escaped}"
    return InvalidRequest(f"{pointer}: {detail}", ((pointer, detail),))
