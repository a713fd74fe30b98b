"""Which write each field and attribute is from: a later PATCH stays, whatever finishes after it."""

from __future__ import annotations

from typing import Any

from visearch.rules import MAX_COUNT, attributes_problem
from visearch.store.versions import MOST_NOTED, later, merged, noted, taken


def brought(attributes: dict[str, Any]) -> dict[str, Any]:
    return {"title": "new", "url": None, "attributes": attributes}


def test_a_patch_numbers_what_it_names_and_nothing_else() -> None:
    changes = {"title": None, "attributes": {"colour": "red", "size": None}}
    versions = noted({"url": 2, "attributes/size": 3}, changes, 7)
    assert versions == {"url": 2, "title": 7, "attributes/colour": 7, "attributes/size": 7}
    assert noted(versions, {"attributes": None}, 9) == {"url": 2, "title": 7, "attributes": 9}


def test_an_older_write_brings_all_but_what_was_patched_later() -> None:
    versions = {"title": 7, "attributes/colour": 7, "attributes/size": 7}
    had = {"colour": "red", "material": "wood"}  # the size was removed
    changes = taken(versions, 5, brought({"colour": "blue", "size": "L", "new": True}), had)
    assert changes == {"url": None, "attributes": {"colour": "red", "new": True}}


def test_a_newer_write_brings_all_of_it() -> None:
    versions = {"title": 7, "attributes": 6, "attributes/colour": 7}
    changes = taken(versions, 7, brought({"colour": "blue"}), {"colour": "red"})
    assert changes == brought({"colour": "blue"})
    assert later(versions, 7) == {}
    assert later(versions, 6) == {"title": 7, "attributes/colour": 7}


def test_once_all_attributes_were_removed_older_writes_bring_none() -> None:
    changes = taken({"attributes": 7}, 5, brought({"colour": "blue"}), {"size": "L"})
    assert changes == {"title": "new", "url": None}


def test_what_a_patch_says_is_kept_though_an_older_write_brings_all_that_fits() -> None:
    full = {str(i): i for i in range(MAX_COUNT)}
    changes = taken({"attributes/patched": 7}, 5, brought(full), {"patched": 1})
    assert len(changes["attributes"]) == MAX_COUNT
    assert changes["attributes"]["patched"] == 1
    assert attributes_problem(changes["attributes"]) is None


def test_a_merge_is_that_of_rfc_7396() -> None:
    had = {"a": 1, "b": ["x"]}
    assert merged(had, {"a": None, "c": False}) == {"b": ["x"], "c": False}
    assert merged(had, {"gone": None}) == had
    assert merged(had, {}) == had
    assert merged(had, None) == {}


def test_the_numbers_of_made_up_names_do_not_grow_without_end() -> None:
    versions: dict[str, int] = {}
    for version in range(1, 3 * MOST_NOTED):
        versions = noted(versions, {"attributes": {f"name {version}": None}}, version)
    assert len(versions) == MOST_NOTED + 1
    oldest = min(at for name, at in versions.items() if name != "attributes")
    assert versions["attributes"] == oldest - 1
