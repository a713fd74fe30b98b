"""Which write each part of a product's description is from: ``products.field_versions``.

    {"title": 7, "attributes": 5, "attributes/colour": 9}

A number is the acceptance number of a PATCH: the title is of the 7th write that its catalog has
accepted, and so on. Single attributes have numbers of their own; that of ``attributes`` is for
whatever else the product has, or has not. An import that was accepted earlier brings only what no
later PATCH has said.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from visearch.records import Attributes
from visearch.rules import MAX_COUNT, attributes_problem

WHOLE = "attributes"
_ONE = "attributes/"
MOST_NOTED = 4 * MAX_COUNT
"""Attributes of a product with a number of their own; beyond, the oldest ones share one."""

Versions = Mapping[str, int]


def noted(versions: Versions, changes: Mapping[str, Any], version: int) -> dict[str, int]:
    """Return the numbers after a PATCH numbered ``version`` has changed these fields."""
    out = dict(versions)
    for name, value in changes.items():
        if name != WHOLE:
            out[name] = version
        elif value is None:  # all attributes are removed, those too that nobody has heard of yet
            out = {field: at for field, at in out.items() if not field.startswith(_ONE)}
            out[WHOLE] = version
        else:
            out |= {f"{_ONE}{attribute}": version for attribute in value}
    return _bounded(out)


def later(versions: Versions, accepted: int) -> dict[str, int]:
    """Return the numbers above ``accepted``: once that write is in, no others matter."""
    return {field: at for field, at in versions.items() if at > accepted}


def taken(
    versions: Versions, accepted: int, brought: Mapping[str, Any], had: Attributes
) -> dict[str, Any]:
    """Return what fields become by a write numbered ``accepted`` that brings ``brought``.

    ``had`` are the product's attributes before it. What was changed by a later PATCH stays.
    """
    stays = later(versions, accepted)
    changes = {field: value for field, value in brought.items() if field not in stays}
    if WHOLE in changes:
        single = [field.removeprefix(_ONE) for field in stays if field.startswith(_ONE)]
        changes[WHOLE] = _without_changing(changes[WHOLE], had, single)
    return changes


def merged(had: Attributes, changes: Mapping[str, Any] | None) -> Attributes:
    """Return attributes after a merge patch (RFC 7396): None removes one, or all of them."""
    both = {} if changes is None else {**had, **changes}
    return {name: value for name, value in both.items() if value is not None}


def _without_changing(brought: Attributes, had: Attributes, names: list[str]) -> Attributes:
    """Return the attributes brought, but of these names what the product had.

    If they are too many or too large with those, the last ones that were brought go.
    """
    mine = {name: value for name, value in brought.items() if name not in names}
    kept = {name: had[name] for name in names if name in had}
    while mine and attributes_problem({**mine, **kept}):
        mine.popitem()
    return {**mine, **kept}


def _bounded(versions: dict[str, int]) -> dict[str, int]:
    """Let the oldest numbers of single attributes be that of all, if they are too many.

    Names can be made up without end; an import that was accepted so long ago then brings none.
    """
    single = sorted(
        (field for field in versions if field.startswith(_ONE)), key=versions.__getitem__
    )
    for field in single[: max(0, len(single) - MOST_NOTED)]:
        versions[WHOLE] = max(versions.get(WHOLE, 0), versions.pop(field))
    return versions
