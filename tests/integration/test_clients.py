"""Requests as clients of many kinds send them."""

from __future__ import annotations

import base64
import json
import socket
import subprocess
from pathlib import Path

import pytest
from shop import ids
from system import System, picture


@pytest.mark.parametrize(
    "text",
    [
        base64.b64encode(picture(3)).decode(),
        base64.encodebytes(picture(3)).decode(),
        base64.urlsafe_b64encode(picture(3)).decode().rstrip("="),
        "data:image/jpeg;base64," + base64.b64encode(picture(3)).decode(),
    ],
)
def test_a_picture_in_base64_may_be_written_as_clients_do(
    system: System, shop: str, text: str
) -> None:
    body = {"catalog": shop, "image": {"base64": text}, "limit": 1}
    assert ids(system.api.finished_search(json=body)) == ["item/03"]


@pytest.mark.parametrize("media", [None, "text/plain", "application/x-www-form-urlencoded"])
def test_json_is_read_whatever_its_type_is_said_to_be(
    system: System, shop: str, media: str | None
) -> None:
    headers = {"Prefer": "wait=10"} | ({} if media is None else {"Content-Type": media})
    body = json.dumps({"catalog": shop, "product": {"id": "item/03"}})
    answer = system.http.post("/v1/searches", content=body, headers=headers)
    assert (answer.status_code, answer.json().get("status")) == (200, "succeeded"), answer.text
    made = system.http.put("/v1/catalogs/typed", content=b'{"title": "T"}', headers=headers)
    assert made.status_code in (200, 201) and made.json()["title"] == "T", made.text


def test_a_raw_picture_is_refused_with_what_to_send(system: System, shop: str) -> None:
    headers = {"Content-Type": "image/jpeg"}
    answer = system.http.post("/v1/searches", content=picture(3), headers=headers)
    assert answer.status_code == 415 and "as 'image'" in answer.json()["detail"]


def test_a_product_is_put_by_parts_without_file_names(system: System) -> None:
    catalog = system.create_catalog("unnamed-parts")
    lines = b"--x\r\nContent-Disposition: form-data; name="
    body = lines + b'"image"\r\n\r\n' + picture(5) + b"\r\n"
    body += lines + b'"product"\r\n\r\n{"title": "Mug"}\r\n--x--\r\n'
    headers = {"Content-Type": "multipart/form-data; boundary=x"}
    path = f"/v1/catalogs/{catalog}/products/mug"
    done = system.finish(system.http.put(path, content=body, headers=headers).json())
    assert done["status"] == "succeeded"
    assert system.http.get(path).json()["title"] == "Mug"


@pytest.mark.parametrize(
    ("path", "methods"),
    [
        ("/v1/searches", {"POST", "OPTIONS"}),
        ("/v1/catalogs", {"GET", "HEAD", "OPTIONS"}),
        ("/healthz", {"GET", "HEAD", "OPTIONS"}),
        ("/", {"GET", "HEAD", "OPTIONS"}),
    ],
)
def test_a_place_says_what_it_takes(system: System, path: str, methods: set[str]) -> None:
    answer = system.http.options(path)
    assert answer.status_code in (200, 204)
    assert set(answer.headers["allow"].split(", ")) == methods
    if "HEAD" in methods:
        head, whole = system.http.head(path), system.http.get(path)
        assert (head.status_code, head.content) == (whole.status_code, b"")
        assert head.headers["content-type"] == whole.headers["content-type"]


def test_curl_waits_for_the_word_to_go_on(system: System, tmp_path: Path) -> None:
    """curl asks for it with every body of more than a megabyte, and waits a second at most."""
    file = tmp_path / "large.zip"
    file.write_bytes(bytes(3 << 20))
    catalog = system.create_catalog("curl")
    url = f"http://127.0.0.1:{system.port}/v1/catalogs/{catalog}/imports"
    command = ["curl", "-sS", "-v", "-T", str(file), "-X", "POST", url]
    ran = subprocess.run(
        command, capture_output=True, text=True, timeout=30, check=True, env={"no_proxy": "*"}
    )
    assert json.loads(ran.stdout)["code"] == "unsupported_archive", ran.stderr
    assert "Expect: 100-continue" in ran.stderr and "HTTP/1.1 100 Continue" in ran.stderr


def test_a_refusal_is_sent_before_the_body_where_it_is_waited_for(system: System) -> None:
    head = (
        f"POST /v1/catalogs/none/imports HTTP/1.1\r\nHost: 127.0.0.1:{system.port}\r\n"
        f"Content-Length: {1 << 50}\r\nExpect: 100-continue\r\n\r\n"
    )
    with socket.create_connection(("127.0.0.1", system.port), timeout=10) as client:
        client.sendall(head.encode())
        assert client.recv(4096).startswith(b"HTTP/1.1 413")
