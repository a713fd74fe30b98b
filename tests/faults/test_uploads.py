"""Files that were previewed: kept for a while, shared by the imports made of them, then deleted."""

from __future__ import annotations

from pathlib import Path

import pytest
import sqlalchemy as sa
from manual_system import ManualSystem
from system import archive, picture

from visearch.errors import Gone, NotFound
from visearch.ids import new_id
from visearch.importing import uploads
from visearch.importing.uploads import accept_upload, keep
from visearch.records import Import
from visearch.store import schema
from visearch.store.schema_imports import uploads as rows
from visearch.store.uploads import Upload
from visearch.upkeep import purge as purging
from visearch.upkeep.purge import purge

HOUR = 3600
DAY = 24 * HOUR


@pytest.fixture
def manual(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ManualSystem:
    made = ManualSystem(tmp_path / "home")
    made.catalog("c")
    monkeypatch.setattr(purging, "UPLOADING_S", -1)  # nothing is spared for being young
    return made


def kept(manual: ManualSystem) -> Upload:
    return keep(manual.backend, "c", [archive([("a.jpg", picture(1, side=48))])])


def begin(manual: ManualSystem, upload: Upload) -> Import:
    record = accept_upload(
        manual.backend, "c", upload.id, mode="upsert", request_id="test", import_id=new_id(),
        guard=None, choices={},
    )  # fmt: skip
    manual.backend.flush()
    return record


def grow_older(manual: ManualSystem, seconds: float) -> None:
    with manual.database.write() as connection:
        at = rows.c.created_at
        connection.execute(sa.update(rows).values(created_at=at - seconds))
        ended = schema.imports.c.finished_at
        connection.execute(sa.update(schema.imports).values(finished_at=ended - seconds))
    purge(manual.backend)


def test_a_file_that_nobody_imports_goes(manual: ManualSystem) -> None:
    upload = kept(manual)
    grow_older(manual, 5 * HOUR)
    assert manual.blobs.exists(upload.source)
    grow_older(manual, 2 * HOUR)
    assert not manual.blobs.exists(upload.source)
    with pytest.raises(Gone):
        begin(manual, upload)
    grow_older(manual, 8 * DAY)
    with pytest.raises(NotFound):
        begin(manual, upload)


def test_a_file_is_that_of_several_imports(manual: ManualSystem) -> None:
    upload = kept(manual)
    first = begin(manual, upload)
    manual.drain()
    grow_older(manual, 7 * HOUR)
    assert manual.blobs.exists(upload.source), "the import's may be retried"
    with manual.database.write() as connection:  # as if it were kept for longer
        connection.execute(sa.update(rows).values(source=upload.source, created_at=1e12))
    second = begin(manual, upload)
    with manual.database.write() as connection:
        connection.execute(sa.delete(rows))
    grow_older(manual, 8 * DAY)
    assert manual.read(first).source == "" and manual.blobs.exists(upload.source)
    manual.drain()
    assert manual.read(second).status == "succeeded"
    grow_older(manual, 8 * DAY)
    assert not manual.blobs.exists(upload.source)


def test_what_can_never_be_imported_goes_at_once(manual: ManualSystem) -> None:
    upload = kept(manual)
    uploads.discard(manual.backend, upload)
    assert not manual.blobs.exists(upload.source)
    used = kept(manual)
    begin(manual, used)
    uploads.discard(manual.backend, used)
    assert manual.blobs.exists(used.source)
