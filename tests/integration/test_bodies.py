"""What a request may carry: every route has a limit on its body, announced or not."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from system import System

MB = 1 << 20
ROUTES = [
    ("PUT", "/v1/catalogs/bodies"),
    ("PATCH", "/v1/catalogs/bodies/products/a"),
    ("POST", "/v1/catalogs/bodies/reindex"),
    ("POST", "/v1/catalogs/bodies/rollback"),
    ("DELETE", "/v1/catalogs/bodies"),
    ("POST", "/no/such/route"),
]


def pieces(size: int) -> Iterator[bytes]:
    """Send a body of a length that the request does not tell."""
    for _ in range(size // 65_536 + 1):
        yield bytes(65_536)


@pytest.mark.parametrize("chunked", [False, True])
@pytest.mark.parametrize(("method", "path"), ROUTES)
def test_a_body_above_the_limit_is_413(
    system: System, method: str, path: str, chunked: bool
) -> None:
    large = pieces(2 * MB) if chunked else bytes(2 * MB)
    # Through a bare client: the document need not promise a body where it defines none.
    with system.open_http() as http:
        told = http.request(method, path, content=large)
    assert (told.status_code, told.json()["code"]) == (413, "payload_too_large")
    assert told.headers["X-Request-ID"]


def test_a_product_and_a_search_may_be_larger(system: System) -> None:
    nothing = {"Content-Type": "application/json"}
    for method, path in (("PUT", "/v1/catalogs/bodies/products/a"), ("POST", "/v1/searches")):
        told = system.http.request(method, path, content=bytes(5 * MB), headers=nothing)
        assert told.status_code == 422, told.text
    told = system.http.post("/v1/searches", content=bytes(30 * MB), headers=nothing)
    assert (told.status_code, told.json()["code"]) == (413, "image_too_large")
    told = system.http.put(
        "/v1/catalogs/bodies/products/a", content=bytes(300 * MB), headers=nothing
    )
    assert (told.status_code, told.json()["code"]) == (413, "payload_too_large")


def test_the_rest_of_a_connection_is_not_taken_for_a_request(system: System) -> None:
    """A refused body that looks like requests is thrown away with its connection."""
    inner = b"DELETE /v1/catalogs/kept HTTP/1.1\r\nHost: localhost\r\n\r\n" * 40_000
    system.create_catalog("kept")
    with system.open_http() as http:
        assert http.put("/v1/catalogs/kept", content=inner).status_code == 413
    assert system.http.get("/v1/catalogs/kept").status_code == 200
