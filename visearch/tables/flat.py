"""JSON objects as cells: nested ones are flattened, lists become lists of texts."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping
from typing import Any

from visearch.errors import TableUnreadable
from visearch.tables.csv_rows import FOUL_CELL
from visearch.tables.limits import CELL_TOO_LONG, LONGEST_CELL, LONGEST_NAME, MOST_COLUMNS
from visearch.tables.table import Cell, Record
from visearch.tables.text import is_foul

_LONGEST_INT = 10**18
"""Above it a number is kept as the text of its digits: it is a code, and databases hold 64 bits."""

_MOST_IN_LIST = 100_000
"""Values of all objects of a list, with those that only some of them have counted for each."""

TOO_DEEP = "it is nested too deeply"
_TOO_MANY = f"it has more than {MOST_COLUMNS:,} values"


def record_of(number: int, value: Any) -> Record:
    """Return the record of a parsed JSON value, which should be an object."""
    if not isinstance(value, dict):
        return Record(number, {}, "it is not a JSON object")
    cells: dict[str, Cell] = {}
    try:
        problem = _flatten(value, "", cells)
    except RecursionError:
        problem = TOO_DEEP
    return Record(number, cells, problem)


def headings_of(records: Iterable[Record], what: str) -> list[str]:
    """Return every heading of these records, in the order in which they are found first.

    Raises:
        TableUnreadable: there is none, or there are more than ``MOST_COLUMNS``.
    """
    headings: dict[str, None] = {}
    for record in records:
        headings.update(dict.fromkeys(record.cells))
        if len(headings) > MOST_COLUMNS:
            raise TableUnreadable(
                f"The {what} have more than {MOST_COLUMNS:,} different names of values. "
                "Use the same names in each."
            )
    if not headings:
        raise TableUnreadable(f"The file has no {what} that can be read. Send one for a product.")
    return list(headings)


def _flatten(value: Mapping[str, Any], prefix: str, cells: dict[str, Cell]) -> str | None:
    """Add the values below ``prefix`` to the cells; return the first problem, if there is one."""
    problem = None
    for key, inner in value.items():
        name = f"{prefix}{key.strip() or 'column'}"
        if trouble := name_problem(name):
            problem = problem or trouble
            continue
        if isinstance(inner, dict):
            trouble = _flatten(inner, f"{name}.", cells)
        elif isinstance(inner, list) and inner and all(isinstance(i, dict) for i in inner):
            trouble = _columns(inner, f"{name}.", cells)
        elif isinstance(inner, list):
            trouble = _put(cells, name, [_text(item) for item in inner])
        else:
            trouble = _put(cells, name, inner)
        problem = problem or trouble
    return problem


def _columns(items: list[dict[str, Any]], prefix: str, cells: dict[str, Cell]) -> str | None:
    """Add a list of objects as one list for each of their keys, all of the same length."""
    keys = dict.fromkeys(key for item in items for key in item)
    if len(keys) * len(items) > _MOST_IN_LIST:
        return f"a list of objects has more than {_MOST_IN_LIST:,} values"
    problem = None
    for key in keys:
        name = f"{prefix}{key.strip() or 'column'}"
        texts = [_text(item.get(key)) for item in items]
        trouble = name_problem(name) or _put(cells, name, texts)
        problem = problem or trouble
    return problem


def _put(cells: dict[str, Cell], name: str, value: Cell) -> str | None:
    """Add a value unless it cannot be a cell; return why not."""
    problem = None
    if isinstance(value, str):
        problem = problem_of(value)
    elif isinstance(value, list):
        problem = problem_of("".join(value))
    elif isinstance(value, float):
        problem = None if math.isfinite(value) else "a number is too large, or not a number"
    elif isinstance(value, int) and abs(value) >= _LONGEST_INT:
        value = str(value)
    if problem is None and len(cells) >= MOST_COLUMNS and name not in cells:
        problem = _TOO_MANY
    if problem is None:
        cells[name] = value
    return problem


def name_problem(name: str) -> str | None:
    """Return why a value cannot be called so, if it cannot."""
    if len(name) > LONGEST_NAME:
        return f"the name of a value is longer than {LONGEST_NAME:,} characters"
    return FOUL_CELL if is_foul(name) else None


def problem_of(text: str) -> str | None:
    """Return why a text cannot be a value, if it cannot."""
    if len(text) > LONGEST_CELL:
        return CELL_TOO_LONG
    return FOUL_CELL if is_foul(text) else None


def _text(value: Any) -> str:
    if value is None:
        return ""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
