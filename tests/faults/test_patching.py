"""A PATCH against writes on their way: what it says stays, and it keeps nothing else from them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from manual_system import ManualSystem
from system import archive, picture

from visearch.errors import InvalidRequest
from visearch.records import Product
from visearch.store import attributes, catalogs, products


@pytest.fixture
def manual(tmp_path: Path) -> Iterator[ManualSystem]:
    made = ManualSystem(tmp_path, chunk_items=1)
    made.catalog("c")
    yield made
    made.database.close()


def small(i: int) -> bytes:
    return picture(i, side=64)


def patch(manual: ManualSystem, product_id: str = "x", **changes: Any) -> None:
    with manual.database.write() as connection:
        products.describe(connection, catalogs.get(connection, "c"), product_id, changes)


def product(manual: ManualSystem, product_id: str = "x") -> Product:
    found = manual.product("c", product_id)
    assert found is not None
    check_columns(manual, found)
    return found


def check_columns(manual: ManualSystem, found: Product) -> None:
    """A filter finds the product by each attribute that it has."""
    with manual.database.read() as connection:
        catalog = catalogs.get(connection, "c")
        for name, value in found.attributes.items():
            page = products.page(connection, catalog, "", 10, {name: value})
            assert found.id in [each.id for each in page], name
        none = attributes.passing_keys(connection, catalog.pk, {"gone": "x"})
        assert len(none) == 0


def test_an_earlier_write_undoes_no_attribute_and_brings_the_others(manual: ManualSystem) -> None:
    old = {"colour": "red", "size": "M", "material": "wood"}
    manual.put("c", "x", small(1), attributes=old)
    manual.drain()
    manual.put("c", "x", small(2), attributes={"colour": "green", "size": "L", "gone": "x"})
    patch(manual, attributes={"colour": "blue", "gone": None})
    manual.drain()
    assert product(manual).attributes == {"size": "L", "colour": "blue"}


def test_a_later_write_replaces_all_of_it(manual: ManualSystem) -> None:
    manual.put("c", "x", small(1), attributes={"colour": "red"})
    manual.drain()
    patch(manual, title="patched", description="patched", attributes={"colour": "blue", "n": 1})
    manual.put("c", "x", small(2), title="put", attributes={"colour": "green"})
    manual.drain()
    found = product(manual)
    assert (found.title, found.description) == ("put", None)
    assert found.attributes == {"colour": "green"}


def test_a_description_is_patched_like_a_title(manual: ManualSystem) -> None:
    manual.put("c", "x", small(1), title="old", description="old")
    manual.drain()
    manual.put("c", "x", small(2), title="put", description="put")
    patch(manual, description="patched")
    manual.drain()
    found = product(manual)
    assert (found.title, found.description) == ("put", "patched")


def test_a_patch_between_two_chunks_of_an_import_stays(manual: ManualSystem) -> None:
    table = "id,image,colour,size,gone\nx,1.jpg,red,,a\nx,2.jpg,,L,\n"
    files = [("manifest.csv", table.encode()), ("1.jpg", small(1)), ("2.jpg", small(2))]
    record = manual.accept("c", archive(files))
    while manual.read(record).counts.searchable == 0:
        manual.run(manual.queue.pop(0))
    patch(manual, attributes={"colour": "blue", "gone": None})
    manual.drain()
    found = product(manual)
    assert len(found.images) == 2
    assert found.attributes == {"colour": "blue", "size": "L"}


def test_all_attributes_removed_are_so_for_an_earlier_write_too(manual: ManualSystem) -> None:
    manual.put("c", "x", small(1), attributes={"colour": "red"})
    manual.drain()
    manual.put("c", "x", small(2), attributes={"colour": "green"})
    patch(manual, attributes=None)
    patch(manual, attributes={"n": 1})
    manual.drain()
    assert product(manual).attributes == {"n": 1}


def test_a_merge_of_more_than_a_product_can_have_changes_nothing(manual: ManualSystem) -> None:
    many = {str(i): i for i in range(64)}
    manual.put("c", "x", small(1), attributes=many)
    manual.drain()
    with pytest.raises(InvalidRequest, match="at most 64 attributes, not 65"):
        patch(manual, title="new", attributes={"one more": 1})
    assert (product(manual).title, product(manual).attributes) == (None, many)
    patch(manual, attributes={"one more": 1, "0": None})
    assert len(product(manual).attributes) == 64
