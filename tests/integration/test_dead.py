"""Work that was given up: an operator finds all of it in one list, and sends it again."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from system import System, archive, eventually, picture

from visearch.store import imports
from visearch.store.database import Database


@pytest.fixture(scope="module")
def encoder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where another encoder lies at times."""
    return tmp_path_factory.mktemp("encoders") / "half.safetensors"


@pytest.fixture(scope="module")
def system(tmp_path_factory: pytest.TempPathFactory, encoder: Path) -> Iterator[System]:
    """A system that offers that encoder."""
    settings = {"encoders": f"file:{encoder}", "reindex_share": "1.0"}
    running = System(tmp_path_factory.mktemp("dead") / "home", **settings).start()
    made = running.cli("weights", "cut", "bundled", "--dimension", "128", "--out", str(encoder))
    assert made.returncode == 0, made.stderr
    yield running
    assert running.stop() == 0, running.output()


@contextmanager
def held(system: System, role: str) -> Iterator[None]:
    """Stop a role meanwhile: what it has to do waits."""
    pid = system.pids()[role]
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


def dead(system: System, **query: Any) -> dict[str, Any]:
    return dict(system.http.get("/v1/dead", params=query).raise_for_status().json())


def state(system: System, item: dict[str, Any]) -> dict[str, Any]:
    return dict(system.http.get(item["url"]).raise_for_status().json())


def failed_reindex(system: System, catalog: str, encoder: Path) -> dict[str, Any]:
    """Have a new catalog's reindex fail for want of its encoder; returns its entry in the list."""
    system.create_catalog(catalog)
    system.finish(system.upload(catalog, archive((f"p{i}.jpg", picture(i)) for i in range(3))))
    aside = encoder.with_suffix(".aside")
    with held(system, "embed"):
        body = {"encoder": f"file:{encoder}", "activate": "manual"}
        begun = system.http.post(f"/v1/catalogs/{catalog}/reindex", json=body)
        assert begun.status_code == 202, begun.text
        encoder.rename(aside)
    try:
        eventually(lambda: dead(system)["items"], what="the failure")
    finally:
        aside.rename(encoder)
    (item,) = dead(system)["items"]
    assert begun.headers["Location"] == item["url"] and item["id"] == begun.json()["id"]
    return dict(item)


def test_a_failed_reindex_is_listed_and_sent_again(system: System, encoder: Path) -> None:
    catalog = "again"
    item = failed_reindex(system, catalog, encoder)
    assert (item["kind"], item["catalog"], item["pictures"]) == ("reindex", catalog, 3)
    assert item["code"] == "unknown_encoder" and "cannot be opened" in item["detail"]
    assert item["finished_at"] and item["retry"] == f"/v1/dead/{item['id']}/retry"

    aside = encoder.with_suffix(".aside")
    encoder.rename(aside)
    refused = system.http.post(item["retry"])
    aside.rename(encoder)
    assert (refused.status_code, refused.json()["code"]) == (422, "unknown_encoder")
    assert dead(system)["items"] == [item]

    key = {"Idempotency-Key": "again"}
    with held(system, "embed"):
        sent = system.http.post(item["retry"], headers=key)
        assert sent.status_code == 202 and sent.json()["id"] != item["id"]
        again = {"url": sent.headers["Location"]}
        assert again["url"] == f"/v1/catalogs/{catalog}/reindex/{sent.json()['id']}"
        assert system.http.post(item["retry"], headers=key).json()["id"] == sent.json()["id"]
        assert dead(system)["items"] == [] and state(system, item)["status"] == "superseded"
        assert system.http.post(item["retry"]).status_code == 404
        assert state(system, again) == sent.json()
        for name in ("encoder", "activate"):
            assert sent.json()[name] == state(system, item)[name]
        assert sent.json()["status"] == "running"
        assert system.http.delete(again["url"]).status_code == 204


def test_a_failed_reindex_can_be_given_up(system: System, encoder: Path) -> None:
    item = failed_reindex(system, "given-up", encoder)
    assert system.http.delete(item["url"]).status_code == 204
    assert dead(system)["items"] == [] and state(system, item)["status"] == "cancelled"
    assert system.http.delete(item["url"]).status_code == 409


def test_imports_and_reindexes_share_the_pages(system: System, encoder: Path) -> None:
    catalog = "both"
    reindex = failed_reindex(system, catalog, encoder)
    with held(system, "plan"):
        record = system.upload(catalog, archive([("a.jpg", picture(1))]))
        database = Database(system.settings.database)
        with database.write() as connection:  # as the planner does after its last try
            pk = imports.by_id(connection, record["id"]).pk
            imports.end(connection, pk, "failed", items=0, code="plan_failed", detail="For a test.")
        database.close()
    first = dead(system, limit=1)
    (item,) = first["items"]
    assert (item["kind"], item["id"], item["code"]) == ("import", record["id"], "plan_failed")
    assert item["url"] == f"/v1/catalogs/{catalog}/imports/{record['id']}"
    rest = dead(system, limit=1, cursor=first["next_cursor"])
    assert rest == {"items": [reindex], "next_cursor": None}

    sent = system.http.post(item["retry"])
    assert sent.status_code == 202 and sent.headers["Location"] == item["url"]
    assert system.finish(sent.json())["status"] == "succeeded"
    assert [each["id"] for each in dead(system)["items"]] == [reindex["id"]]
    system.http.delete(f"/v1/catalogs/{catalog}").raise_for_status()
    assert dead(system)["items"] == []
    assert system.http.post(reindex["retry"]).status_code == 404
