"""``Idempotency-Key``: sent again, a POST makes nothing new, whatever happened in between."""

from __future__ import annotations

import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest
import sqlalchemy as sa
from system import System, archive, eventually, picture

from visearch.store.database import Database
from visearch.store.schema import idempotency

AT_ONCE = 50


def upload(system: System, catalog: str, key: str, data: bytes) -> httpx.Response:
    headers = {"Idempotency-Key": key, "Content-Type": "application/zip"}
    path = f"/v1/catalogs/{catalog}/imports"
    with httpx.Client(base_url=system.url, timeout=60) as http:
        return http.post(path, content=data, headers=headers)


def search(system: System, catalog: str, key: str, seed: int) -> httpx.Response:
    with httpx.Client(base_url=system.url, timeout=60) as http:
        return http.post(
            "/v1/searches",
            headers={"Idempotency-Key": key},
            data={"catalog": catalog},
            files={"image": ("p.jpg", picture(seed))},  # in a form with a boundary of its own
        )


def imports_of(system: System, catalog: str) -> list[dict[str, Any]]:
    found = system.http.get(f"/v1/catalogs/{catalog}/imports").json()["items"]
    return [dict(each) for each in found]


@pytest.mark.parametrize("what", ["import", "search"])
def test_fifty_at_once_make_one(system: System, what: str) -> None:
    catalog = system.create_catalog(f"fifty-{what}")
    data = archive([("a.jpg", picture(1))])
    send = upload if what == "import" else search
    with ThreadPoolExecutor(AT_ONCE) as pool:
        answers = list(
            pool.map(
                lambda _: send(system, catalog, "k", data if what == "import" else 1),
                range(AT_ONCE),
            )
        )
    assert {answer.status_code for answer in answers} == {202}
    assert len({answer.headers["Location"] for answer in answers}) == 1
    assert len({answer.json()["id"] for answer in answers}) == 1
    assert sum("Idempotency-Replayed" not in answer.headers for answer in answers) == 1
    if what == "import":
        assert len(imports_of(system, catalog)) == 1


def test_another_request_with_the_same_key_is_refused(system: System) -> None:
    catalog = system.create_catalog("mismatch")
    upload(system, catalog, "k", archive([("a.jpg", picture(1))]))
    wrong = upload(system, catalog, "k", archive([("a.jpg", picture(2))]))
    assert (wrong.status_code, wrong.json()["code"]) == (422, "idempotency_mismatch")
    assert len(imports_of(system, catalog)) == 1
    for key in ("", "x" * 256, "two words"):
        refused = upload(system, catalog, key, b"PK")
        assert (refused.status_code, refused.json()["code"]) == (422, "invalid_request")


def test_what_made_nothing_may_be_sent_again(system: System) -> None:
    data = archive([("a.jpg", picture(1))])
    assert upload(system, "not-yet", "k", data).status_code == 404
    system.create_catalog("not-yet")
    assert upload(system, "not-yet", "k", data).status_code == 202


def test_a_restart_forgets_no_key(system: System) -> None:
    catalog = system.create_catalog("restart")
    data = archive([("a.jpg", picture(1))])
    first = upload(system, catalog, "k", data).json()
    system.wait_restarted("web", system.kill("web"))
    eventually(lambda: is_up(system), what="the web server")
    system.finish(first)
    again = upload(system, catalog, "k", data)
    assert (again.status_code, again.json()["id"]) == (202, first["id"])
    assert again.json()["status"] == "succeeded"  # as it is by now


def test_equal_requests_that_wait_leave_threads_to_others(system: System) -> None:
    """The first one hangs; more of them than the server has threads wait for it."""
    catalog, data = system.create_catalog("hangs"), archive([("a.jpg", picture(1))])
    first = upload(system, catalog, "k", data).json()["id"]
    with Database(system.settings.database).write() as connection:
        mine = idempotency.c.resource == first
        hangs = {"status": None, "created_at": time.time()}
        connection.execute(sa.update(idempotency).where(mine).values(**hangs))
    with ThreadPoolExecutor(40) as pool:
        sent = [pool.submit(upload, system, catalog, "k", data) for _ in range(40)]
        time.sleep(2.5)
        begun = time.monotonic()
        assert system.http.get("/v1/catalogs").status_code == 200
        assert time.monotonic() - begun < 2
        with Database(system.settings.database).write() as connection:
            connection.execute(sa.update(idempotency).where(mine).values(status=202))
        answers = Counter(each.result().status_code for each in sent)
    assert answers.keys() == {202, 409}, answers


def test_a_request_that_makes_no_resource_of_its_own_is_taken_over_too(system: System) -> None:
    catalog = system.create_catalog("retried")
    data = archive([("a.jpg", picture(1)), ("b.jpg", b"no picture")])
    done = system.finish(upload(system, catalog, "first", data).json())
    path = f"/v1/catalogs/{catalog}/imports/{done['id']}/retry"

    def retry() -> httpx.Response:
        return system.http.post(path, headers={"Idempotency-Key": "again"})

    again = retry()
    assert again.status_code == 202, again.text
    system.finish(again.json())
    with Database(system.settings.database).write() as connection:  # as if its server had died
        newest = sa.select(sa.func.max(idempotency.c.created_at)).scalar_subquery()
        lost = {"status": None, "location": None, "created_at": 0.0}
        mine = idempotency.c.created_at == newest
        connection.execute(sa.update(idempotency).where(mine).values(**lost))
    told = retry()
    assert told.status_code == 202, told.text


def is_up(system: System) -> bool:
    try:
        return httpx.get(f"{system.url}/healthz").is_success
    except httpx.HTTPError:
        return False


@pytest.mark.parametrize("made", [True, False])
def test_a_request_whose_server_died_is_answered_by_the_next(system: System, made: bool) -> None:
    catalog = system.create_catalog(f"died-{made}".lower())
    data = archive([("a.jpg", picture(1))])
    key = f"died-{made}"
    before = upload(system, catalog, key, data).json()["id"]
    lost = {"status": None, "location": None, "created_at": 0.0}
    database = Database(system.settings.database)
    with database.write() as connection:  # as it was when the server died
        mine = idempotency.c.resource == before
        unmade = {} if made else {"resource": "0" * 36}
        connection.execute(sa.update(idempotency).where(mine).values(**lost, **unmade))
    database.close()
    again = upload(system, catalog, key, data)
    assert (again.status_code, again.json()["id"]) == (202, before if made else "0" * 36)
    assert len(imports_of(system, catalog)) == (1 if made else 2)
    assert upload(system, catalog, key, data).json()["id"] == again.json()["id"]
