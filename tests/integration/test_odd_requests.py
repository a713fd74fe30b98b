"""Requests that no client of ours sends: names, numbers and heads that nothing can hold."""

from __future__ import annotations

import base64
import json
import socket
from http.client import HTTPResponse

import pytest
from shop import SHOP
from system import System

C = f"/v1/catalogs/{SHOP}"
HEAD = b"PUT / HTTP/1.1\r\nHost: localhost\r\n"
NAMES = ["a%00b", "%ED%A0%80", "x" * 5_000, "%FF", "%0A"]
NAMED = [
    "/v1/catalogs/{}",
    "/v1/catalogs/{}/products",
    "/v1/catalogs/{}/products/a",
    "/v1/catalogs/{}/imports",
    "/v1/catalogs/{}/duplicates",
    "/v1/searches/{}",
    C + "/imports/{}",
    C + "/imports/{}/items",
    C + "/reindex/{}",
    "/thumbnails/{}.jpg",
    "/samples/{}",
    "/static/{}",
]  # fmt: skip]


def cursor(text: str) -> str:
    return base64.urlsafe_b64encode(text.encode("utf-8", "surrogatepass")).decode()


CURSORS = [
    *map(cursor, ("a\0b", "9" * 40, "\ud800", "-1", "x" * 40_000, "1.0,1,2", "nan,1,2")),
    cursor(f"0.99,-{'9' * 30},1"), cursor(f"0.99,1,{'9' * 5000}"), "%00", "ä", "=", "9" * 50,
]  # fmt: skip
LISTS = ["/v1/catalogs", f"{C}/products", f"{C}/imports", f"{C}/duplicates"]


@pytest.mark.parametrize("place", NAMED)
def test_a_name_that_nothing_has_is_not_found(system: System, place: str) -> None:
    with system.open_http() as http:
        for name in NAMES:
            told = http.get(place.format(name))
            assert (told.status_code, told.json()["code"]) == (404, "not_found"), name


@pytest.mark.parametrize("name", NAMES)
def test_a_catalog_cannot_have_an_odd_name(system: System, name: str) -> None:
    told = system.http.put(f"/v1/catalogs/{name}", json={})
    assert (told.status_code, told.json()["code"]) == (422, "invalid_request")


@pytest.mark.parametrize("place", LISTS)
def test_no_cursor_breaks_a_list(system: System, shop: str, place: str) -> None:
    for each in CURSORS:
        told = system.http.get(place, params={"cursor": each})
        assert told.status_code in (200, 422), (each[:50], told.text)
        for limit in ("0", "501", "-1", "9" * 30, "9" * 5000, "nan", "1e3", "\0"):
            assert system.http.get(place, params={"limit": limit}).status_code == 422, limit


def test_no_parameter_breaks_a_list(system: System, shop: str) -> None:
    for value in ("\0", "\ud800".encode("utf-8", "surrogatepass"), "9" * 400, "x" * 9_000):
        for name in ("colour", "a\0b", 'a"b', "x" * 3_000):
            told = system.http.get(f"{C}/products", params=[(name, value)])
            assert told.status_code in (200, 422), (name, value)
    for score in ("nan", "inf", "-inf", "1e999", "9" * 400):
        told = system.http.get(f"{C}/duplicates", params={"min_score": score})
        assert told.status_code == 422, score


@pytest.mark.parametrize(
    "text",
    [
        '{"min_score": NaN}',
        '{"filter": {"price": Infinity}}',
        '{"filter": {"price": 1e999}}',
        '{"filter": {"price": {"gte": ' + "9" * 400 + "}}}",
        '{"offset": ' + "9" * 5_000 + "}",
        '{"filter": {"colour": "\\ud800"}}',
        '{"filter": {"\\u0000": "x"}}',
        '{"facets": ["\\ud800"]}',
        '{"\\ud800": 1}',
        "[" * 100_000,
    ],
)
def test_json_that_nothing_can_hold_is_invalid(system: System, shop: str, text: str) -> None:
    body = text.replace("{", f'{{"catalog": "{SHOP}", "product": {{"id": "item/01"}}, ', 1)
    headers = {"Content-Type": "application/json"}
    told = system.http.post("/v1/searches", content=body, headers=headers)
    assert (told.status_code, told.json()["code"]) == (422, "invalid_request")
    assert json.loads(told.text)["detail"]


@pytest.mark.parametrize("encoder", ["hf-hub:a\0b", "hf-hub:" + "x" * 9_000, "\ud800", "file:\0"])
def test_an_encoder_that_no_file_can_be_is_refused(system: System, encoder: str) -> None:
    body = json.dumps({"encoder": encoder})
    for method, path in (("PUT", "/v1/catalogs/odd-encoder"), ("POST", f"{C}/reindex")):
        headers = {"Content-Type": "application/json"}
        told = system.http.request(method, path, content=body, headers=headers)
        assert (told.status_code, told.json()["code"]) == (422, "invalid_request")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("Prefer", "wait=" + "9" * 400),
        ("Prefer", 'wait="'),
        ("Accept", "q=;,;;,*/*;q=x"),
        ("If-None-Match", '"'),
        ("X-Request-ID", "\xff\x7f"),
        ("Content-Type", "multipart/form-data; boundary="),
        ("Content-Type", "multipart/form-data; boundary=\xff"),
        ("Content-Type", "\xff/;;=;"),
        ("Origin", "http://[x"),
        ("Host", "[::1"),
    ],
)
def test_no_head_breaks_a_request(system: System, name: str, value: str) -> None:
    head = {name: value.encode("latin-1")}
    with system.open_http() as http:
        for method, path in (("GET", "/v1/searches/x"), ("POST", "/v1/searches"), ("PUT", C)):
            told = http.request(method, path, headers=head, content=b"{}")
            assert told.status_code < 500, told.text


def test_an_unknown_place_or_method_has_a_problem_document(system: System) -> None:
    with system.open_http() as http:
        for method, path, status, code in (
            ("GET", "/nothing/here", 404, "not_found"),
            ("BREW", "/v1/searches", 405, "method_not_allowed"),
            ("POST", "/healthz", 405, "method_not_allowed"),
            ("PATCH", "/docs/nothing", 404, "not_found"),
        ):
            told = http.request(method, path)
            assert (told.status_code, told.json()["code"]) == (status, code)
            assert told.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (b"NONSENSE\r\n\r\n", 400),
        (b"GET http://[x HTTP/1.1\r\nHost: localhost\r\n\r\n", 400),
        (HEAD + b"Content-Length: " + b"9" * 5000 + b"\r\n\r\n", 400),
        (HEAD + b"X: " + b"x" * 70_000 + b"\r\n\r\n", 431),
        (HEAD + b"Transfer-Encoding: gzip\r\n\r\n", 501),
        (HEAD + b"Transfer-Encoding: chunked\r\n\r\n1;" + b"x" * 5000, 400),
    ],
)  # fmt: skip
def test_what_is_hardly_http_has_a_problem_document(
    system: System, sent: bytes, status: int
) -> None:
    with socket.create_connection(("127.0.0.1", system.port), timeout=10) as client:
        client.sendall(sent)
        told = HTTPResponse(client)
        told.begin()
        assert (told.status, json.load(told)["status"]) == (status, status)
        assert told.headers["Content-Type"] == "application/problem+json"
        assert told.headers["X-Request-ID"]
