"""A system with small limits, whose search worker stops and goes on again."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from shop import b64, find, post_search
from system import System, archive, eventually, picture

DEADLINE_S, RETENTION_S, QUEUE = 4, 3, 4
UPLOAD_BYTES, ITEMS = 200_000, 20


@pytest.fixture(scope="module")
def strict(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    """A running system with small limits."""
    running = System(
        tmp_path_factory.mktemp("strict") / "home",
        search_deadline_s=str(DEADLINE_S),
        search_retention_s=str(RETENTION_S),
        search_queue_limit=str(QUEUE),
        max_upload_bytes=str(UPLOAD_BYTES),
        max_import_items=str(ITEMS),
    ).start()
    yield running
    assert running.stop() == 0, running.output()


@contextmanager
def _stopped(system: System, role: str) -> Iterator[None]:
    """Stop a role's process for the time of the block, as a swamped machine would."""
    pid = system.pids()[role]
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


def _read(system: System, search_id: str) -> dict[str, Any]:
    return dict(system.http.get(f"/v1/searches/{search_id}").raise_for_status().json())


def test_without_a_search_worker_every_search_still_has_an_end(strict: System) -> None:
    catalog = strict.create_catalog("stopped")
    question = {"catalog": catalog, "image": b64(picture(1))}
    alive = strict.http.get("/readyz")
    assert (alive.status_code, alive.json()["search_workers"]) == (200, 1)

    with _stopped(strict, "search"):
        waited = post_search(strict, question, wait=1)
        assert waited.status_code == 202  # not in time, so it goes on
        accepted = [waited.json()["id"]]
        while (answer := post_search(strict, question, wait=0)).status_code == 202:
            accepted.append(answer.json()["id"])
            assert len(accepted) <= QUEUE + 32, "the bound does not hold"
        assert (answer.status_code, answer.json()["code"]) == (503, "overloaded")
        assert int(answer.headers["Retry-After"]) >= 1
        assert len(accepted) >= QUEUE

        cancelled = strict.http.delete(f"/v1/searches/{accepted[-1]}").json()
        assert cancelled["status"] == "cancelled"
        assert cancelled["finished_at"]
        assert cancelled["error"] is None
        assert _read(strict, accepted[-1]) == cancelled

        expired = strict.http.get(f"/v1/searches/{accepted[0]}", headers={"Prefer": "wait=10"})
        end = expired.json()
        assert (end["status"], end["results"]) == ("expired", None)
        assert (end["error"]["code"], end["error"]["status"]) == ("search_expired", 503)
        assert strict.http.delete(f"/v1/searches/{accepted[0]}").json() == end

        eventually(lambda: strict.http.get("/readyz").status_code == 503, what="not ready")
        missing = strict.http.get("/readyz").json()
        assert missing == {
            "ready": False,
            "database": True,
            "redis": True,
            "search_workers": 0,
            "troubles": [],
        }
        assert strict.http.get("/healthz").status_code == 200

    eventually(lambda: strict.http.get("/readyz").status_code == 200, what="ready again")
    # Known, but past its retention: not the same as never heard of.
    gone = strict.http.get(f"/v1/searches/{accepted[0]}")
    assert (gone.status_code, gone.json()["code"]) == (410, "gone")
    assert strict.http.delete(f"/v1/searches/{accepted[0]}").status_code == 410
    eventually(
        lambda: post_search(strict, question).json().get("status") == "succeeded",
        what="a search that succeeds",
    )


def test_a_search_that_goes_on_in_time_has_one_end(strict: System) -> None:
    catalog = strict.create_catalog("resumed")
    find(strict, catalog, picture(2))
    with _stopped(strict, "search"):
        one = post_search(strict, {"catalog": catalog, "image": b64(picture(3))}, wait=0).json()
        two = post_search(strict, {"catalog": catalog, "image": b64(picture(4))}, wait=0).json()
        strict.http.delete(f"/v1/searches/{two['id']}").raise_for_status()
    done = strict.http.get(f"/v1/searches/{one['id']}", headers={"Prefer": "wait=10"}).json()
    assert done["status"] == "succeeded"
    time.sleep(0.5)  # a wrong second end would come now
    assert _read(strict, one["id"]) == done
    assert _read(strict, two["id"])["status"] == "cancelled"


@pytest.mark.parametrize("how", ["length", "stream", "form"])
@pytest.mark.parametrize("size", [UPLOAD_BYTES + 1, 3 << 20])
def test_a_file_above_the_limit_is_413(strict: System, how: str, size: int) -> None:
    catalog = strict.create_catalog("large")
    data = archive([("a.jpg", picture(1)), ("b.jpg", bytes(size))])
    path = f"/v1/catalogs/{catalog}/imports"
    if how == "form":
        answer = strict.http.post(path, files={"file": ("c.zip", data)})
    else:
        pieces = (data[i : i + 65_536] for i in range(0, len(data), 65_536))
        answer = strict.http.post(path, content=data if how == "length" else pieces)
    assert (answer.status_code, answer.json()["code"]) == (413, "archive_too_large")
    # On a connection of its own: the server may close one whose body it did not read.
    assert httpx.get(strict.url + path).json()["items"] == []
    uploads = Path(strict.home, "blobs", "uploads")
    assert not uploads.exists() or not list(uploads.iterdir())


def test_a_file_at_the_limit_is_taken(strict: System) -> None:
    catalog = strict.create_catalog("at-the-limit")
    empty = len(archive([("a.jpg", picture(1)), ("b.jpg", b"")]))
    data = archive([("a.jpg", picture(1)), ("b.jpg", bytes(UPLOAD_BYTES - empty))])
    assert len(data) == UPLOAD_BYTES
    assert strict.finish(strict.upload(catalog, data))["counts"]["searchable"] == 1


def test_a_file_of_too_many_items_fails(strict: System) -> None:
    catalog = strict.create_catalog("too-many")
    files = [(f"{i}.jpg", picture(i, side=40)) for i in range(ITEMS + 1)]
    done = strict.finish(strict.upload(catalog, archive(files)))
    assert (done["status"], done["error"]["code"]) == ("failed", "archive_too_large")
    assert done["counts"]["searchable"] == 0
    assert strict.finish(strict.upload(catalog, archive(files[:-1])))["status"] == "succeeded"
