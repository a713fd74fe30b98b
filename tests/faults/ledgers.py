"""What a finished import must look like, whatever happened to the system meanwhile."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from system import System, archive, eventually, picture


def upload(system: System, catalog: str, seeds: Sequence[int]) -> dict[str, Any]:
    """Upload one small picture per seed, each a product of its own."""
    files = ((f"p{seed}.jpg", picture(seed, side=96)) for seed in seeds)
    return system.upload(system.create_catalog(catalog), archive(files))


def held(system: System, stage: str) -> list[tuple[Any, ...]]:
    """Return (chunk, attempt, worker) of what a worker holds in a stage now."""
    sql = "SELECT import_pk, chunk, worker FROM chunks WHERE state = 'running' AND stage = ?"
    return system.query(sql, stage)


def wait_until_held(system: System, stage: str) -> list[tuple[Any, ...]]:
    """Wait until a worker holds something in a stage."""
    return eventually(lambda: held(system, stage), what=f"a chunk in {stage}")


def wait_for_items(system: System, record: dict[str, Any], n: int) -> None:
    """Wait until ``n`` items of an import are searchable; it must still run then."""
    now = eventually(
        lambda: (now := system.read_import(record))["counts"]["searchable"] >= n and now,
        what=f"{n} searchable items",
    )
    assert now["finished_at"] is None, "the import was over before the fault; make it longer"


def assert_complete(system: System, record: dict[str, Any], seeds: Sequence[int]) -> None:
    """Everything of an import is there, and nothing twice."""
    done = system.finish(record)
    assert (done["status"], done["counts"]["failed"]) == ("succeeded", 0), _troubles(system, done)
    assert done["counts"]["searchable"] == len(seeds)
    catalog = system.http.get(f"/v1/catalogs/{record['catalog']}").raise_for_status().json()
    assert (catalog["products"], catalog["images"]) == (len(seeds), len(seeds))
    # A search is told of the last commit within a second.
    eventually(lambda: is_fresh(system, record["catalog"], len(seeds)), what="a fresh index")
    for seed in seeds[:: max(1, len(seeds) // 5)]:
        found = system.search(picture(seed, side=96), record["catalog"], limit=50)
        assert found["status"] == "succeeded", found
        names = [hit["product_id"] for hit in found["results"]]
        assert (names[0], names.count(f"p{seed}")) == (f"p{seed}", 1), names
    assert system.query("SELECT count(*) FROM chunks WHERE state != 'done'") == [(0,)]
    assert system.query("SELECT count(*) FROM outbox") == [(0,)]


def is_fresh(system: System, catalog: str, size: int) -> bool:
    """Tell whether the index that answers holds ``size`` pictures."""
    found = system.search(picture(1, side=96), catalog, limit=1)
    return bool(found.get("total") == size)


def _troubles(system: System, record: dict[str, Any]) -> Any:
    return record, [(i["path"], i["code"]) for i in system.items(record, status="failed")]
