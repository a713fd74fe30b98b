"""The client of the HTTP API: refusals are VisearchErrors, waits end, lists are read whole."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from visearch.cli.client import Client, until
from visearch.errors import VisearchError

IMPORT = {"id": "i1", "catalog": "c", "finished_at": None}


def client(answer: Callable[[httpx.Request], httpx.Response]) -> Client:
    return Client(httpx.Client(base_url="http://here", transport=httpx.MockTransport(answer)))


def test_until_returns_the_first_truthy_result() -> None:
    results = iter([None, 0, "there"])
    assert until(lambda: next(results), 10, "It", every_s=0) == "there"


def test_until_gives_up() -> None:
    with pytest.raises(VisearchError, match=r"^The answer did not come within 0 s\.$") as raised:
        until(lambda: False, 0, "The answer", every_s=0)
    assert raised.value.code == "timeout"


def test_a_list_is_read_page_by_page() -> None:
    asked: list[dict[str, str]] = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(dict(request.url.params))
        last = len(asked) == 2
        return httpx.Response(
            200, json={"items": [{"n": len(asked)}], "next_cursor": None if last else "more"}
        )

    found = list(client(answer).items(IMPORT, status="failed"))
    assert found == [{"n": 1}, {"n": 2}]
    assert asked == [
        {"limit": "500", "status": "failed"},
        {"limit": "500", "status": "failed", "cursor": "more"},
    ]


@pytest.mark.parametrize(
    ("response", "code", "said"),
    [
        (httpx.Response(409, json={"detail": "Not now.", "code": "conflict"}), "conflict", "Not"),
        (httpx.Response(502, text="<html>"), "internal_error", "answered 502"),
    ],
)
def test_a_refusal_is_a_visearch_error(response: httpx.Response, code: str, said: str) -> None:
    with pytest.raises(VisearchError, match=said) as raised:
        client(lambda _: response).call("GET", "/v1/catalogs")
    assert raised.value.code == code


def test_a_server_that_is_away_is_named() -> None:
    def away(_: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("refused")

    with pytest.raises(VisearchError, match="Cannot reach http://here") as raised:
        client(away).catalogs()
    assert raised.value.code == "unreachable"
    assert not client(away).ready()


def test_an_import_is_followed_to_its_end() -> None:
    states: list[Any] = [None, "2026-01-01T00:00:00Z"]

    def answer(request: httpx.Request) -> httpx.Response:
        assert request.url.path == "/v1/catalogs/c/imports/i1"
        return httpx.Response(200, json=IMPORT | {"finished_at": states.pop(0)})

    seen = list(client(answer).follow_import(IMPORT, every_s=0))
    assert [record["finished_at"] is None for record in seen] == [True, True, False]


def test_an_import_that_does_not_end_is_given_up() -> None:
    with pytest.raises(VisearchError, match="The end of import i1") as raised:
        client(lambda _: httpx.Response(200, json=IMPORT)).finished_import(IMPORT, 0, every_s=0)
    assert raised.value.code == "timeout"


def test_an_upload_is_told_piece_by_piece(tmp_path: Path) -> None:
    path, told = tmp_path / "a.zip", list[int]()
    path.write_bytes(b"x" * 10)

    def answer(request: httpx.Request) -> httpx.Response:
        assert request.headers["Content-Length"] == "10"
        return httpx.Response(202, json={"size": len(request.read())})

    assert client(answer).upload("c", path, sent=told.append) == {"size": 10}
    assert told == [10]
    assert client(answer).upload("c", b"y" * 10) == {"size": 10}


def test_a_search_is_waited_for() -> None:
    states = ["queued", "running", "expired"]

    def answer(request: httpx.Request) -> httpx.Response:
        assert request.headers["Prefer"] == "wait=10"
        return httpx.Response(200, text=json.dumps({"id": "s1", "status": states.pop(0)}))

    assert client(answer).search(b"picture", catalog="c")["status"] == "expired"
