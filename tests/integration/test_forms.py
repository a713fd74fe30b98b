"""Forms as clients of many kinds write them."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from system import System, picture

BOUNDARY = "a-line-between"


def form(*parts: tuple[str, bytes]) -> bytes:
    """Return a form of parts, each with the rest of its Content-Disposition."""
    out = b""
    for disposition, data in parts:
        head = f"--{BOUNDARY}\r\nContent-Disposition: form-data; {disposition}\r\n\r\n"
        out += head.encode() + data + b"\r\n"
    return out + f"--{BOUNDARY}--\r\n".encode()


def send(system: System, body: bytes | Iterator[bytes]) -> tuple[int, dict[str, object]]:
    headers = {"Content-Type": f"multipart/form-data; boundary={BOUNDARY}", "Prefer": "wait=10"}
    answer = system.http.post("/v1/searches", content=body, headers=headers)
    return answer.status_code, answer.json()


@pytest.mark.parametrize("name", ['; filename="q.jpg"', "; filename*=utf-8''caf%C3%A9.jpg", ""])
def test_a_file_may_be_named_in_either_way_or_not(system: System, shop: str, name: str) -> None:
    parts = ((f'name="image"{name}', picture(1)), ('name="catalog"', shop.encode()))
    status, found = send(system, form(*parts))
    assert (status, found["status"]) == (200, "succeeded")


def test_of_a_repeated_field_the_first_counts(system: System, shop: str) -> None:
    image = ('name="image"; filename="q.jpg"', picture(1))
    catalogs = [('name="catalog"', name.encode()) for name in (shop, "no-such-catalog")]
    assert send(system, form(image, *catalogs))[0] == 200
    assert send(system, form(image, *reversed(catalogs)))[0] == 404


def test_a_form_sent_in_chunks_is_held_to_the_limit(system: System, shop: str) -> None:
    data = form(('name="image"; filename="q.jpg"', bytes(40 << 20)))
    pieces = (data[at : at + 65_536] for at in range(0, len(data), 65_536))
    status, problem = send(system, pieces)
    assert (status, problem["code"]) == (413, "image_too_large")


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"no form at all", "malformed"),
        (form(('name="image"; filename="q.jpg"', b"x"))[:-20], "cut off"),
        (form(('name="picture"', b"text, no file")), "no picture"),
        (form(('name="catalog"', b"\xff\xfe")), "not UTF-8"),
        (form(('name="filter"', b"x" * 500_001)), "more than 500,000 bytes"),
    ],
)
def test_what_is_no_form_of_ours_is_said(system: System, body: bytes, reason: str) -> None:
    status, problem = send(system, body)
    assert (status, problem["code"]) == (422, "invalid_request")
    assert reason in str(problem["detail"])
