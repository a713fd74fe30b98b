"""A catalog's whole index against a dict: writes, builds, crashes, reloads, rollbacks.

The database, the blobs, the builder and the searcher are the real ones. Only the embeddings are
made here, few and coarse, so that ties and copies are common.
"""

from __future__ import annotations

import os
import shutil
import sqlite3
import tempfile
from pathlib import Path

import numpy as np
import pytest
import sqlalchemy as sa
from clouds import oracle
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from visearch.backend import Backend, LoneBackend
from visearch.errors import DependencyUnavailable
from visearch.ids import new_id
from visearch.searching.indexes import Indexes
from visearch.settings import Settings
from visearch.store import catalogs, products, segments
from visearch.store.blobs import Blobs
from visearch.store.database import Database
from visearch.store.migrate import migrate
from visearch.store.schema import embeddings, generations, images
from visearch.store.schema import products as products_table
from visearch.upkeep import compaction
from visearch.upkeep.purge import purge

D = 3
IDS = st.integers(0, 40)
SEEDS = st.integers(0, 11)
TEMPLATE = Path(tempfile.mkdtemp(prefix="visearch-machine-")) / "empty.db"


def point(seed: int) -> np.ndarray:
    """Return one of few unit vectors."""
    grid = np.random.default_rng(np.random.SeedSequence(seed)).integers(-2, 3, size=D) + 0.25
    return (grid / np.linalg.norm(grid)).astype(np.float32)


def empty_database(path: Path) -> Database:
    """Copy a migrated database: migrating takes longer than a run."""
    if not TEMPLATE.exists():
        made = Database(f"sqlite:///{TEMPLATE}")
        migrate(made)
        made.close()
        with sqlite3.connect(TEMPLATE) as connection:  # so that everything is in the one file
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    shutil.copy(TEMPLATE, path)
    return Database(f"sqlite:///{path}")


class BrokenBlobs(Blobs):
    """A store that goes away when a generation is put into it."""

    def put_folder(self, prefix: str, folder: Path) -> None:
        """Copy half of the files, then fail."""
        (first, *_) = sorted(path for path in folder.rglob("*") if path.is_file())
        self.put(f"{prefix}/{first.relative_to(folder)}", first.read_bytes())
        raise DependencyUnavailable("the disk is full")


class AgainstADict(RuleBasedStateMachine):
    """The model is {product: vector}."""

    @initialize()
    def start(self) -> None:
        self.home = Path(tempfile.mkdtemp(prefix="visearch-machine-"))
        self.database = empty_database(self.home / "visearch.db")
        config = Settings(home=self.home, generations_kept=3)
        self.blobs = Blobs(config.blobs, self.home / "cache")
        self.backend = self.backend_over(self.blobs, config)
        self.failing = self.backend_over(BrokenBlobs(config.blobs, self.home / "cache"), config)
        with self.database.write() as connection:
            common = {"encoder": "bundled", "fingerprint": "f", "dimension": D}
            catalogs.create(connection, "shop", title="", metric="cosine", **common)
        self.model: dict[int, np.ndarray] = {}
        self.reload()

    def backend_over(self, blobs: Blobs, config: Settings) -> Backend:
        backend = LoneBackend(config, lambda *_: None)
        backend.database, backend.blobs = self.database, blobs
        return backend

    def teardown(self) -> None:
        if hasattr(self, "home"):
            self.database.close()
            shutil.rmtree(self.home)

    @rule(written=st.dictionaries(IDS, SEEDS, max_size=20))
    def write(self, written: dict[int, int]) -> None:
        """Add products, or replace the pictures of existing ones."""
        segment = segments.put(
            self.blobs, np.array([point(seed) for seed in written.values()]).reshape(-1, D)
        )
        with self.database.write() as connection:
            catalog = catalogs.get(connection, "shop")
            revision = catalogs.next_revision(connection, catalog.pk)
            for row, product in enumerate(written):
                key = self.product(connection, catalog.pk, product)
                old = (images.c.product_pk == key, images.c.removed.is_(None))
                connection.execute(sa.update(images).where(*old).values(removed=revision))
                self.picture(connection, catalog.pk, key, revision, segment, row)
        self.model |= {product: point(seed) for product, seed in written.items()}

    def product(self, connection: sa.Connection, catalog: int, product: int) -> int:
        name = str(product)
        mine = (products_table.c.catalog_pk == catalog, products_table.c.external_id == name)
        known = connection.execute(sa.select(products_table.c.pk).where(*mine)).scalar_one_or_none()
        if known is not None:
            revive = sa.update(products_table).where(*mine).values(deleted=False)
            connection.execute(revive)
            return known
        versions = {"meta_version": 1, "images_version": 1, "field_versions": {}, "updated_at": 0.0}
        values = {"catalog_pk": catalog, "external_id": name, "attributes": {}, **versions}
        made = connection.execute(sa.insert(products_table).values(deleted=False, **values))
        return int(made.inserted_primary_key[0])

    def picture(
        self,
        connection: sa.Connection,
        catalog: int,
        product: int,
        revision: int,
        segment: str,
        row: int,
    ) -> None:
        made = connection.execute(
            sa.insert(images).values(
                id=new_id(),
                catalog_pk=catalog,
                product_pk=product,
                position=0,
                sha256="",
                thumbnail="",
                added=revision,
            )
        )
        connection.execute(
            sa.insert(embeddings).values(
                image_pk=made.inserted_primary_key[0], fingerprint="f", segment=segment, row=row
            )
        )

    @precondition(lambda self: self.model)
    @rule(data=st.data())
    def delete(self, data: st.DataObject) -> None:
        product = data.draw(st.sampled_from(sorted(self.model)))
        with self.database.write() as connection:
            products.delete(connection, catalogs.get(connection, "shop"), str(product))
        del self.model[product]

    @rule()
    def compact(self) -> None:
        compaction.compact(self.backend, self.catalog())

    @precondition(lambda self: self.model)
    @rule()
    def crash(self) -> None:
        """A builder dies before it has published."""
        with pytest.raises(DependencyUnavailable):
            compaction.compact(self.failing, self.catalog())

    @rule(data=st.data())
    def spoil(self, data: st.DataObject) -> None:
        """A bit of the generation in use flips, and a worker starts."""
        name = self.catalog().generation
        if name is not None:
            folder = self.home / "blobs" / "generations" / name
            files = sorted(path for path in folder.rglob("*") if path.is_file())
            path = data.draw(st.sampled_from(files))
            whole = bytearray(path.read_bytes())
            at = data.draw(st.integers(0, 8 * len(whole) - 1))
            whole[at // 8] ^= 1 << at % 8
            path.write_bytes(whole)
            self.reload()

    @rule()
    def maintain(self) -> None:
        """What was refused is rebuilt; nothing else is due, because too little changed."""
        compaction.compact_all(self.backend)

    @rule()
    def clean_up(self) -> None:
        purge(self.backend)

    @rule()
    def reload(self) -> None:
        self.indexes = Indexes(self.database, self.blobs)

    @rule(back=st.integers(0, 3))
    def roll_back(self, back: int) -> None:
        """Serve an older kept generation."""
        catalog = self.catalog()
        with self.database.write() as connection:
            kept = connection.execute(sa.select(generations.c.id)).scalars().all()
            if kept:
                catalogs.publish_generation(
                    connection, catalog, sorted(kept)[-1 - back % len(kept)]
                )

    def catalog(self):
        with self.database.read() as connection:
            return catalogs.get(connection, "shop")

    @invariant()
    def is_what_the_model_is(self) -> None:
        if not hasattr(self, "indexes"):
            return
        self.indexes.refresh()
        snapshot = self.indexes.get("shop")
        assert snapshot.parts[0].size == len(self.model)
        assert snapshot.parts[0].revision == self.catalog().revision
        names = sorted(self.model)
        vectors = np.array([self.model[name] for name in names], np.float32).reshape(-1, D)
        for seed in (3, 5):
            found = snapshot.parts[0].search(point(seed), 10)
            _, scores = oracle(point(seed)[None], vectors, 10, "cosine")
            assert [near.score for near in found] == scores[0].tolist()
            with self.database.read() as connection:
                hits = products.hydrate(connection, snapshot.catalog, found)
            assert len(hits) == len(found), "a hit without its product"
            for hit in hits:
                expected = oracle(
                    point(seed)[None], self.model[int(hit.product_id)][None], 1, "cosine"
                )
                assert hit.score == expected[1][0, 0]


TestAgainstADict = AgainstADict.TestCase
TestAgainstADict.settings = settings(
    settings.get_profile("index-quick"),
    max_examples=1500 if os.environ.get("HYPOTHESIS_PROFILE") == "index-thorough" else 40,
)
