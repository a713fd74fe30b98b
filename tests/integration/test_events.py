"""Event streams: what changes is told as it changes, once, and the end last."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any, NamedTuple

import httpx
from system import System, archive, picture


class Event(NamedTuple):
    name: str
    id: str
    data: dict[str, Any]


def events(response: httpx.Response) -> Iterator[Event]:
    """Read events as a browser does."""
    fields: dict[str, str] = {}
    for line in response.iter_lines():
        if not line and "event" in fields:
            yield Event(fields["event"], fields["id"], json.loads(fields["data"]))
            fields = {}
        name, _, value = line.partition(": ")
        fields[name] = value


def follow(system: System, path: str, told: str = "") -> list[Event]:
    headers = {"Last-Event-ID": told} if told else {}
    with system.http.stream("GET", f"{path}/events", headers=headers, timeout=60) as response:
        assert response.status_code == 200
        assert response.headers["content-type"].startswith("text/event-stream")
        return list(events(response))


def test_an_import_is_followed_to_its_end(system: System) -> None:
    catalog = system.create_catalog("followed")
    files = archive((f"p{i}.jpg", picture(i)) for i in range(200))
    path = f"/v1/catalogs/{catalog}/imports/{system.upload(catalog, files)['id']}"
    seen = follow(system, path)
    assert [event.name for event in seen[:-1]] == ["progress"] * (len(seen) - 1)
    assert seen[-1].name == "done"
    assert seen[-1].data == system.http.get(path).json()
    done = [event.data["counts"]["searchable"] for event in seen]
    assert done == sorted(done) and len(set(done)) > 2
    assert len({event.id for event in seen}) == len(seen)
    assert follow(system, path, seen[-1].id) == []
    assert follow(system, path, seen[0].id) == seen[-1:]


def test_a_search_is_followed_to_its_end(system: System) -> None:
    catalog = system.create_catalog("followed-searches")
    system.finish(system.upload(catalog, archive([("a.jpg", picture(1))])))
    search = system.pids()["search"]
    os.kill(search, signal.SIGSTOP)
    try:
        accepted = system.http.post(
            "/v1/searches", data={"catalog": catalog}, files={"image": ("p.jpg", picture(1))}
        )
        path = accepted.headers["Location"]
        with system.http.stream("GET", f"{path}/events", timeout=60) as response:
            told = events(response)
            assert next(told).data["status"] == "queued"
            os.kill(search, signal.SIGCONT)
            *others, last = told
    finally:
        os.kill(search, signal.SIGCONT)
    assert last.name == "done" and last.data["status"] == "succeeded"
    assert {event.name for event in others} <= {"status"}
    assert system.http.get("/v1/searches/unknown/events").status_code == 404


def test_so_many_streams_and_no_more(system: System) -> None:
    catalog = system.create_catalog("streams")
    plan = system.pids()["plan"]
    os.kill(plan, signal.SIGSTOP)
    try:
        record = system.upload(catalog, archive([("a.jpg", picture(1))]))
        path = f"/v1/catalogs/{catalog}/imports/{record['id']}/events"
        most = system.settings.web_threads // 8
        with ExitStack() as streams:
            for _ in range(most):
                one = streams.enter_context(system.http.stream("GET", path, timeout=60))
                assert one.status_code == 200
            refused = system.http.get(path)
            assert (refused.status_code, refused.json()["code"]) == (503, "overloaded")
            assert system.http.get("/healthz").status_code == 200
    finally:
        os.kill(plan, signal.SIGCONT)
    assert system.finish(record)["status"] == "succeeded"
