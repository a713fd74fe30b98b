"""What a search refuses: the status, the code and the field, and never a 500."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from shop import b64, post_search
from system import System, picture

FIELDS = ("catalog", "limit", "offset", "box", "filter", "min_score", "group", "image", "product")


@pytest.mark.parametrize(
    ("field", "value", "pointer"),
    [
        ("colour", "red", "/colour"),
        ("a/b~c", 1, "/a~1b~0c"),
        ("limit", 0, "/limit"),
        ("limit", 101, "/limit"),
        ("offset", -1, "/offset"),
        ("min_score", 1.5, "/min_score"),
        ("box", [0.5, 0.1, 0.2, 0.9], "/box"),
        ("box", [0, 0, 1, 2], "/box/3"),
        ("filter", {"price": {"gt": 1}}, "/filter/price"),
        ("filter", {"price": None}, "/filter/price"),
        ("filter", {"price": {"gte": "1"}}, "/filter/price"),
        ("filter", {"price": 10**400}, "/filter/price"),
        ("filter", {"a/b": [["x"]]}, "/filter/a~1b"),
        ("filter", {"a": ["x" * 200] * 100}, "/filter"),
        ("filter", {f"f{i}": 1 for i in range(17)}, "/filter"),
        ("facets", ["colour", "x" * 257], "/facets/1"),
        ("catalog", "No Such", "/catalog"),
        ("image", {"url": "file:///etc/passwd"}, "/image/url"),
        ("image", {"base64": "%%%"}, "/image/base64"),
        ("product", {"id": "also"}, "/image"),
    ],
)
def test_an_invalid_field_is_named(
    system: System, shop: str, field: str, value: Any, pointer: str
) -> None:
    body = {"catalog": shop, "image": b64(picture(1)), field: value}
    answer = post_search(system, body)
    problem = answer.json()
    assert answer.status_code == problem["status"] == 422, problem
    assert problem["code"] == "invalid_request"
    assert problem["instance"] == "/v1/searches"
    assert problem["type"]
    assert problem["title"]
    assert problem["detail"]
    assert pointer in [error["pointer"] for error in problem["errors"]]


@pytest.mark.parametrize(
    ("fields", "pointer"),
    [
        ({"limit": "many"}, "/limit"),
        ({"filter": "{"}, "filter"),
        ({"box": "[1]"}, "/box/1"),
        ({"colour": "red"}, "/colour"),
    ],
)
def test_an_invalid_form_field_is_named(
    system: System, shop: str, fields: dict[str, str], pointer: str
) -> None:
    answer = system.http.post(
        "/v1/searches", files={"image": ("q.jpg", picture(1))}, data={"catalog": shop, **fields}
    )
    assert answer.status_code == 422
    assert pointer in [error["pointer"] for error in answer.json()["errors"]]


def test_a_body_that_is_no_search(system: System) -> None:
    for content in (b"", b"{", b"null", b"[]", b'"x"', b"{}", b'{"image": {}}', b"\xff"):
        answer = system.http.post(
            "/v1/searches", content=content, headers={"Content-Type": "application/json"}
        )
        assert answer.status_code == 422, content
    form = system.http.post("/v1/searches", files={"picture": ("q.jpg", picture(1))})
    assert (form.status_code, form.json()["errors"][0]["pointer"]) == (422, "image")
    text = system.http.post(
        "/v1/searches", content=b"hello", headers={"Content-Type": "text/plain"}
    )
    assert text.status_code == 415


def test_a_surrogate_or_a_nan_in_a_filter_is_refused(system: System, shop: str) -> None:
    for text in (r'{"a": "\ud800"}', r'{"\ud800": 1}', '{"a": NaN}', '{"a": {"gte": Infinity}}'):
        answer = system.http.post(
            "/v1/searches",
            files={"image": ("q.jpg", picture(1))},
            data={"catalog": shop, "filter": text},
        )
        assert answer.status_code == 422, text


def test_a_picture_that_cannot_be_used_fails_with_its_reason(system: System, shop: str) -> None:
    for data, code, status in (
        (b"plain text", "unsupported_image", 415),
        (picture(1)[:-600], "image_corrupt", 422),
    ):
        record = post_search(system, {"catalog": shop, "image": b64(data)}).json()
        assert record["status"] == "failed"
        assert record["results"] is None
        assert (record["error"]["code"], record["error"]["status"]) == (code, status)
        assert record["error"]["instance"] == f"/v1/searches/{record['id']}"
    empty = system.http.post("/v1/searches", files={"image": ("q.jpg", b"")})
    assert (empty.status_code, empty.json()["code"]) == (422, "image_corrupt")


def test_a_picture_above_the_limit_is_413(system: System, shop: str) -> None:
    for extra in (1, 12 << 20):  # just above, and above what the server reads at all
        large = picture(1) + bytes((20 << 20) - len(picture(1)) + extra)
        answer = system.http.post(
            "/v1/searches", files={"image": ("q.jpg", large)}, data={"catalog": shop}
        )
        assert (answer.status_code, answer.json()["code"]) == (413, "image_too_large")


def test_what_does_not_exist_is_404(system: System) -> None:
    body = {"catalog": "no-such-catalog", "image": b64(picture(1))}
    assert post_search(system, body).json()["code"] == "not_found"
    unknown = "/v1/searches/01890000-0000-7000-8000-000000000000"
    for answer in (system.http.get(unknown), system.http.delete(unknown)):
        assert (answer.status_code, answer.json()["code"]) == (404, "not_found")
    nowhere = system.http.get("/v1/nowhere")
    assert nowhere.headers["content-type"] == "application/problem+json"
    wrong = system.http.put(unknown)
    assert (wrong.status_code, wrong.json()["code"]) == (405, "method_not_allowed")
    assert set(wrong.headers["Allow"].split(", ")) >= {"GET", "DELETE"}


_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=6), inner, max_size=4)
    ),
    max_leaves=8,
)


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(body=st.dictionaries(st.sampled_from(FIELDS) | st.text(max_size=5), _json, max_size=5))
def test_no_body_makes_the_server_stumble(system: System, shop: str, body: dict[str, Any]) -> None:
    wanted = {"catalog": shop, "image": b64(picture(1)), **body}
    answer = system.http.post(
        "/v1/searches",
        content=json.dumps(wanted).encode(),
        headers={"Content-Type": "application/json", "Prefer": "wait=10"},
    )
    assert answer.status_code in (200, 404, 415, 422), answer.text
    if answer.status_code == 200:
        record = answer.json()
        assert record["status"] == "succeeded" or record["error"]["status"] < 500, record


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/v1/searches"),
        ("PUT", "/v1/catalogs/deep"),
        ("PATCH", "/v1/catalogs/{}/products/x"),
    ],
)
def test_json_nested_beyond_reason_is_invalid(
    system: System, shop: str, method: str, path: str
) -> None:
    body = b'{"filter": ' + b"[" * 100_000 + b"]" * 100_000 + b"}"
    answer = system.http.request(
        method, path.format(shop), content=body, headers={"Content-Type": "application/json"}
    )
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_request")


def test_a_filter_nested_beyond_reason_is_invalid(system: System, shop: str) -> None:
    answer = system.http.post(
        "/v1/searches",
        files={"image": ("q.jpg", picture(1))},
        data={"catalog": shop, "filter": "[" * 100_000},
    )
    assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, "filter")
