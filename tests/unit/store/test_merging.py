"""Merging products: the pictures move, nothing is doubled, and the order of writes holds."""

from __future__ import annotations

import pytest

from visearch.errors import Conflict, InvalidRequest, NotFound
from visearch.ids import new_id
from visearch.records import Catalog
from visearch.rules import MOST_IMAGES
from visearch.store import (
    catalogs,
    changes,
    descriptions,
    duplicates,
    images,
    looking,
    merging,
    products,
)
from visearch.store.database import Connection, Database
from visearch.store.images import NewImage

Pictures = dict[str, list[str]]


def a_shop(connection: Connection, pictures: Pictures) -> Catalog:
    names = {"encoder": "bundled", "fingerprint": "f", "dimension": 8}
    shop = catalogs.create(connection, f"m-{new_id()}", title="", metric="cosine", **names)
    revision = catalogs.next_revision(connection, shop.pk)
    for product_id, digests in pictures.items():
        text = {"title": product_id, "url": None, "description": None, "attributes": {}}
        version = catalogs.next_accepted(connection, shop.pk)
        pk = descriptions.insert(connection, shop.pk, product_id, text, version)
        looking.write(connection, shop.pk, {pk: looking.text_of(product_id, product_id)})
        new = [NewImage(pk, i, sha256, sha256, "s", i) for i, sha256 in enumerate(digests)]
        images.insert(connection, shop.pk, revision, new, fingerprint="f")
        products.describe(connection, shop, product_id, {"attributes": {"of": product_id}})
    return catalogs.get(connection, shop.name)


def test_the_pictures_of_one_go_to_the_other(either_database: Database) -> None:
    with either_database.write() as connection:
        shop = a_shop(connection, {"a": ["1", "2"], "b": ["3", "2", "4", "4"]})
        first = products.get(connection, shop, "b").images[0]
        merged = merging.merge(connection, shop, "a", "b")
        assert [image.sha256 for image in merged.images] == ["1", "2", "3", "4"]
        assert merged.images[2] == first
        assert (merged.title, merged.attributes) == ("a", {"of": "a"})
        with pytest.raises(NotFound):
            products.get(connection, shop, "b")
        # An index hears only of the two pictures that are gone.
        now = catalogs.get(connection, shop.name)
        gone = changes.removed_since(connection, now, shop.revision, 0)
        added = changes.added_since(connection, now, shop.revision)
        assert (len(gone), len(added.keys)) == (2, 0)
        live = changes.live_at(connection, now, now.revision)
        of_a = changes.filtered(connection, now, {"of": "a"})
        assert of_a.tolist() == live.keys.tolist()
        assert len(changes.filtered(connection, now, {"of": "b"})) == 0
        assert len(looking.keys(connection, shop.pk, "b")) == 0


def test_a_merge_is_a_write_of_both(either_database: Database) -> None:
    with either_database.write() as connection:
        shop = a_shop(connection, {"a": ["1"], "b": ["2"]})
        earlier = catalogs.next_accepted(connection, shop.pk)
        merging.merge(connection, shop, "a", "b")
        known = descriptions.known(connection, shop.pk, ["a", "b"])
        assert all(row.images_version > earlier for row in known.values())
        assert known["b"].deleted and known["b"].meta_version > earlier


def test_pairs_within_one_product_are_forgotten(either_database: Database) -> None:
    with either_database.write() as connection:
        shop = a_shop(connection, {"a": ["1"], "b": ["2"], "c": ["3"]})
        keys = changes.live_at(connection, shop, shop.revision).keys.tolist()
        pairs = [(keys[0], keys[1], 0.99), (keys[1], keys[2], 0.98)]
        duplicates.note(connection, shop, pairs, shop.revision)
        merging.merge(connection, shop, "a", "b")
        (left,) = duplicates.page(connection, shop, 0.9, "", 10)
        assert {hit.product_id for hit in left.hits} == {"a", "c"}


@pytest.mark.parametrize(
    ("keep", "drop", "error"),
    [("a", "a", InvalidRequest), ("a", "x", NotFound), ("x", "a", NotFound), ("a", "b", Conflict)],
)
def test_what_cannot_be_merged_is_refused(
    either_database: Database, keep: str, drop: str, error: type[Exception]
) -> None:
    many = [str(i) for i in range(MOST_IMAGES)]
    with either_database.write() as connection:
        shop = a_shop(connection, {"a": many, "b": ["one more"]})
    with pytest.raises(error), either_database.write() as connection:
        merging.merge(connection, shop, keep, drop)
    with either_database.read() as connection:
        assert len(products.get(connection, shop, "a").images) == MOST_IMAGES
        assert len(products.get(connection, shop, "b").images) == 1
