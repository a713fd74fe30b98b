"""A search worker whose background thread keeps failing is not ready, and says which it is."""

from __future__ import annotations

from system import System, eventually


def test_readyz_names_a_thread_that_keeps_failing(system: System) -> None:
    system.create_catalog("odd")
    ready = system.http.get("/readyz")
    assert (ready.status_code, ready.json()["troubles"]) == (200, [])
    system.query("ALTER TABLE catalogs RENAME COLUMN created_at TO lost")

    def refused() -> bool:
        return system.http.get("/readyz").status_code == 503

    def named() -> list[str]:
        troubles = system.http.get("/readyz").json()["troubles"]
        return [each for each in troubles if "the thread 'indexes' has failed since" in each]

    (trouble,) = eventually(named, seconds=60, what="trouble of the index thread")
    assert trouble.startswith("search@")
    body = system.http.get("/readyz").json()
    assert (body["ready"], body["search_workers"]) == (False, 0) and refused()
    assert (body["database"], body["redis"]) == (True, True)

    system.query("ALTER TABLE catalogs RENAME COLUMN lost TO created_at")
    eventually(lambda: not refused(), seconds=60, what="a worker that is ready again")
    assert system.http.get("/readyz").json()["troubles"] == []
