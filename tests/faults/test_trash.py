"""Disk and tables stay bounded: rubbish goes, late and bit by bit; what is named again stays."""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Collection
from pathlib import Path

import pytest
import sqlalchemy as sa
from manual_system import ManualSystem
from system import archive, picture

from visearch.errors import Gone, Overloaded
from visearch.importing import accept, progress
from visearch.importing.retrying import retry
from visearch.records import Import
from visearch.store import catalogs, chunks, imports, products, retention, schema
from visearch.store import trash as rows
from visearch.store.blobs import FRESH_S
from visearch.store.database import Connection
from visearch.upkeep import purge as purging
from visearch.upkeep import trash
from visearch.upkeep.compaction import compact

DAY = 24 * 3600


@pytest.fixture
def manual(tmp_path: Path) -> ManualSystem:
    made = ManualSystem(tmp_path / "home", chunk_items=3)
    made.accept(made.catalog("c"), files(4))
    made.drain()
    return made


def files(n: int, seed: int = 0) -> bytes:
    return archive((f"p{i}.jpg", picture(seed + i, side=64)) for i in range(n))


def names(manual: ManualSystem) -> set[str]:
    folders = ("pictures", "thumbnails", "segments", "damaged", "partial")
    return {name for folder in folders for name in manual.blobs.list(folder)}


def pass_days(manual: ManualSystem, days: float) -> None:
    """Let everything be older by so many days."""
    for path in (manual.settings.home / "blobs").rglob("*"):
        at = path.stat().st_mtime - days * DAY
        os.utime(path, (at, at))
    with manual.database.write() as connection:
        for column in (schema.trash.c.found_at, schema.imports.c.finished_at):
            earlier = {column: column - days * DAY}
            connection.execute(sa.update(column.table).values(earlier))
        deleted = schema.catalogs.c.deleted_at
        connection.execute(sa.update(schema.catalogs).values({deleted: deleted - days * DAY}))


def empty(manual: ManualSystem) -> int:
    purging.purge(manual.backend)
    return trash.empty(manual.backend)


def test_what_a_deleted_catalog_leaves_goes_after_days(manual: ManualSystem) -> None:
    manual.accept(manual.catalog("kept"), files(2))  # two pictures are in both
    manual.drain()
    pass_days(manual, 100)
    progress.remove_catalog(manual.backend, "c")
    pass_days(manual, 1)
    before = names(manual)
    assert empty(manual) == 0
    pass_days(manual, 6.9)
    assert empty(manual) == 0 and names(manual) == before
    pass_days(manual, 0.2)
    assert empty(manual) == 4 + 2  # two pictures and thumbnails, two segments
    pictures = {name for name in names(manual) if name.startswith("pictures/")}
    assert len(pictures) == 2
    with manual.database.read() as connection:
        for table in (schema.images, schema.embeddings, schema.products):
            count = sa.select(sa.func.count()).select_from(table)
            assert connection.execute(count).scalar_one() == 2, table.name
        assert not connection.execute(sa.select(schema.trash)).all()


def test_rubbish_that_is_named_again_stays(manual: ManualSystem) -> None:
    pass_days(manual, 100)
    progress.remove_catalog(manual.backend, "c")
    pass_days(manual, 1)
    assert empty(manual) == 0
    pass_days(manual, 100)
    manual.accept(manual.catalog("again"), files(4))
    manual.drain()
    assert empty(manual) == 0
    pass_days(manual, 100)
    assert empty(manual) == 0
    assert len([name for name in names(manual) if name.startswith("pictures/")]) == 4


def test_what_is_about_to_be_named_stays(manual: ManualSystem) -> None:
    """Its bytes are written anew, so that no deletion under way takes them for old."""
    pass_days(manual, 100)
    progress.remove_catalog(manual.backend, "c")
    pass_days(manual, 1)
    empty(manual)
    pass_days(manual, 100)
    record = manual.accept(manual.catalog("again"), files(4))
    while manual.queue[0][0] != "visearch.embed":
        manual.run(manual.queue.pop(0))
    empty(manual)
    manual.drain()
    assert manual.read(record).status == "succeeded"
    assert len([name for name in names(manual) if name.startswith("pictures/")]) == 4


def test_what_is_stored_again_while_the_bin_is_emptied_stays(
    manual: ManualSystem, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After the folder was listed, and before its turn to be deleted."""
    pass_days(manual, 100)
    progress.remove_catalog(manual.backend, "c")
    pass_days(manual, 1)
    empty(manual)
    pass_days(manual, 8)
    data = picture(0, side=64)
    since = rows.since

    def store_again(connection: Connection, names: Collection[str]) -> dict[str, float]:
        manual.blobs.put_digest("pictures", data)
        return since(connection, names)

    monkeypatch.setattr(trash.trash, "since", store_again)
    assert trash.empty(manual.backend) == 2 * 4 + 2 - 1
    name = f"pictures/{hashlib.sha256(data).hexdigest()}"
    assert manual.blobs.get(name) == data
    monkeypatch.undo()
    assert trash.empty(manual.backend) == 0 and manual.blobs.exists(name)


def test_a_long_import_holds_off_the_bin(manual: ManualSystem) -> None:
    progress.remove_catalog(manual.backend, "c")
    pass_days(manual, 1)
    empty(manual)
    pass_days(manual, 100)
    manual.accept(manual.catalog("long"), files(4, 50))
    with manual.database.write() as connection:
        earlier = time.time() - FRESH_S - 1
        active = schema.imports.c.status == "received"
        connection.execute(sa.update(schema.imports).where(active).values(created_at=earlier))
    assert empty(manual) == 0


def test_pictures_of_a_deleted_product_go_too(manual: ManualSystem) -> None:
    with manual.database.write() as connection:
        products.delete(connection, catalogs.get(connection, "c"), "p0")
    with manual.database.read() as connection:
        catalog = catalogs.get(connection, "c")
    assert compact(manual.backend, catalog)
    pass_days(manual, 100)
    empty(manual)
    pass_days(manual, 8)
    assert empty(manual) == 2  # its picture and thumbnail; the segment has others


def test_ended_imports_are_forgotten_in_time(
    manual: ManualSystem, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(purging, "ROWS", 3)
    manual.put("c", "single", picture(9, side=64))
    manual.drain()

    def left() -> int:
        purging.purge(manual.backend)
        with manual.database.read() as connection:
            query = sa.select(sa.func.count()).select_from(schema.imports)
            return connection.execute(query).scalar_one()

    pass_days(manual, 6)
    assert left() == 2
    pass_days(manual, 2)
    assert left() == 1
    pass_days(manual, 83)
    assert left() == 0
    with manual.database.read() as connection:
        assert not connection.execute(sa.select(schema.import_items)).all()
    assert manual.product("c", "single") is not None


def fail(manual: ManualSystem, record: Import) -> Import:
    """Let the first chunk of an import fail for good, and the import end; returns it."""
    with manual.database.write() as connection:
        chunks.close_all(connection, record.pk)
        ends = {"status": "failed", "code": "worker_lost"}
        items = schema.import_items
        failed = sa.update(items).where(items.c.import_pk == record.pk).values(ends)
        imports.count(connection, record.pk, failed=connection.execute(failed).rowcount)
        imports.end(connection, record.pk, "failed")
    manual.queue.clear()
    return manual.read(record)


def planned(manual: ManualSystem) -> Import:
    """Return an import of a file, listed and not decoded."""
    record = manual.accept("c", files(3, 60))
    manual.run(manual.queue.pop(0))
    return record


def test_what_is_retried_while_it_is_purged_keeps_all_that_it_needs(
    manual: ManualSystem, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It was found to have ended long ago, and somebody retried it at that moment."""
    record = fail(manual, planned(manual))
    pass_days(manual, 8)
    uploads = retention.uploads

    def retry_now(connection: Connection, before: float) -> list[retention.Upload]:
        found = uploads(connection, before)
        monkeypatch.undo()
        retry(manual.backend, record)
        return found

    monkeypatch.setattr(retention, "uploads", retry_now)
    purging.purge(manual.backend)
    assert manual.read(record).status == "running"
    manual.drain()
    assert manual.read(record).status == "succeeded"


def test_what_is_being_forgotten_cannot_be_retried(
    manual: ManualSystem, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its ledger goes bit by bit: half a ledger must not be taken for a whole one."""
    record = fail(manual, manual.put("c", "x", picture(60, side=64)))
    pass_days(manual, 8)

    def forget_some(*_: object) -> int:
        raise ZeroDivisionError("for the test: the maintainer dies here")

    with monkeypatch.context() as patch:
        patch.setattr(purging.ledger, "forget_some", forget_some)
        purging.purge(manual.backend)
    with pytest.raises(Gone, match="no longer kept"):
        retry(manual.backend, record)
    purging.purge(manual.backend)
    with manual.database.read() as connection:
        assert record.id not in retention.statuses(connection, [record.id])


def test_an_upload_that_was_given_up_goes_though_its_maintainer_died(manual: ManualSystem) -> None:
    record = fail(manual, planned(manual))
    pass_days(manual, 8)
    with manual.database.write() as connection:
        assert retention.forget_upload(connection, record.pk, time.time())
    assert manual.blobs.exists(record.source)
    purging.purge(manual.backend)
    assert not manual.blobs.exists(record.source)


def test_no_work_is_accepted_without_room(
    manual: ManualSystem, monkeypatch: pytest.MonkeyPatch
) -> None:
    object.__setattr__(manual.settings, "import_queue_limit", 1)
    manual.accept("c", files(2))
    for more in (lambda: manual.accept("c", files(2)), lambda: manual.put("c", "x", b"x")):
        with pytest.raises(Overloaded, match="1 imports are under way"):
            more()
    manual.drain()
    manual.accept("c", files(2))
    object.__setattr__(manual.settings, "import_queue_limit", 9)
    object.__setattr__(manual.settings, "disk_reserve_bytes", 1 << 60)
    with pytest.raises(Overloaded, match="in reserve"):
        manual.accept("c", files(2))
    object.__setattr__(manual.settings, "disk_reserve_bytes", 1)
    monkeypatch.setattr(accept, "LOOK_BYTES", 1000)
    looks = iter([None, None])

    def full(backend: object) -> None:
        if next(looks, "full") == "full":
            raise Overloaded("for the test")

    monkeypatch.setattr(accept, "check_disk", full)
    uploads = set(manual.blobs.list("uploads"))
    parts = (b"PK\x03\x04" + b"x" * 5000 for _ in range(9))
    with pytest.raises(Overloaded, match="for the test"):
        accept.accept_file(manual.backend, "c", parts, mode="upsert", request_id="test")
    assert set(manual.blobs.list("uploads")) == uploads


def test_a_cancelled_import_fails_what_is_left_without_touching_it(manual: ManualSystem) -> None:
    record = manual.accept("c", files(9, 20))
    manual.run(manual.queue.pop(0))
    with manual.database.write() as connection:
        progress.cancel(connection, record)
    done = manual.read(record)
    assert (done.status, done.counts.items, done.counts.failed) == ("cancelled", 9, 9)
    assert manual.codes(record) == ["cancelled"] * 9
    manual.drain()
    assert manual.read(record) == done


def test_a_row_says_what_it_says_once(manual: ManualSystem) -> None:
    """A small file must not become a large ledger by naming many pictures a row."""
    names = [f"{n}.jpg" for n in range(1001)]
    row = f"a,{'|'.join(names[:900])},{'T' * 1500},{'x' * 9000}\n"
    files = [(name, b"x") for name in names]
    small = archive([("manifest.csv", b"id,image,title,size\n" + row.encode()), *files])
    record = manual.accept("c", small)
    manual.run(manual.queue.pop(0))
    with manual.database.read() as connection:
        query = sa.select(sa.func.count(), sa.func.sum(sa.func.length(schema.import_rows.c.title)))
        mine = schema.import_rows.c.import_pk == record.pk
        assert connection.execute(query.where(mine)).one() == (1, 1500)
    many = f"id,image\nb,{'|'.join(names)}\n".encode()
    refused = manual.accept("c", archive([("manifest.csv", many), *files]))
    manual.drain()
    assert manual.codes(refused) == ["invalid_manifest_row"]
