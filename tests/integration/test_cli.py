"""The command line: what it prints, its JSON, its exit status, one line per error."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from system import System, archive, picture


def test_an_import_with_failures_lists_them_and_succeeds(system: System, tmp_path: Path) -> None:
    path = tmp_path / "a.zip"
    path.write_bytes(archive([("a.jpg", picture(1)), ("b.jpg", b"no picture")]))
    shown = system.cli("import", str(path), "--catalog", "cli-mixed")
    assert shown.returncode == 0
    assert "partial: 1 searchable, 1 failed" in shown.stdout
    assert "b.jpg: unsupported_image: " in shown.stdout
    told = system.cli("import", str(path), "--catalog", "cli-mixed", "--json")
    assert json.loads(told.stdout)["failures"][0]["code"] == "unsupported_image"


def test_an_unusable_file_ends_with_its_reason(system: System, tmp_path: Path) -> None:
    path = tmp_path / "a.zip"
    path.write_bytes(archive([("a.jpg", picture(1))])[:-30])
    done = system.cli("import", str(path), "--catalog", "cli-broken")
    assert done.returncode == 1
    assert "archive_corrupt" in done.stdout


def test_search_as_json_has_the_contract_s_fields(system: System, tmp_path: Path) -> None:
    path = tmp_path / "a.zip"
    path.write_bytes(archive([(f"{i}.jpg", picture(i)) for i in range(3)]))
    assert system.cli("import", str(path), "--catalog", "cli-find").returncode == 0
    (tmp_path / "q.jpg").write_bytes(picture(2))
    done = system.cli("search", str(tmp_path / "q.jpg"), "--catalog", "cli-find", "--json")
    found = json.loads(done.stdout)
    assert found["results"][0]["product_id"] == "2"


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["search", "{file}", "--catalog", "nowhere"], "There is no catalog 'nowhere'"),
        (["search", "{file}", "--catalog", "Bad Name"], "/catalog"),
        (["catalog", "rm", "nowhere", "--yes"], "There is no catalog 'nowhere'. GET /v1/catalogs"),
        (["catalog", "rollback-index", "nowhere"], "There is no catalog 'nowhere'"),
        (["catalog", "ls", "--server", "http://127.0.0.1:9"], "Is `visearch up` running?"),
        (["import", "{file}", "--catalog", "cli-none"], "not an archive that visearch can read"),
    ],
)
def test_errors_are_one_line(
    arguments: list[str], reason: str, system: System, tmp_path: Path
) -> None:
    (tmp_path / "x.jpg").write_bytes(picture(1))
    done = system.cli(*[a.format(file=tmp_path / "x.jpg") for a in arguments])
    assert done.returncode == 1
    assert reason in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Origin": "http://evil.example"}, 403),
        ({"Origin": "null"}, 403),
        ({"Origin": "http://[::1"}, 403),
        ({"Host": "evil.example"}, 403),
        ({"Host": "[::1"}, 403),
        ({"Host": "shop.example", "Origin": "https://shop.example"}, 201),
        ({"Origin": "https://shop.example"}, 201),
        ({"Origin": "{url}"}, 201),
        ({"Host": "localhost:1"}, 201),
        ({}, 201),
    ],
)
def test_only_our_own_pages_may_change_anything(
    headers: dict[str, str], status: int, system: System
) -> None:
    name = f"origin-{abs(hash(str(headers))) % 10**9}"
    sent = {key: value.format(url=system.url) for key, value in headers.items()}
    answer = system.http.put(f"/v1/catalogs/{name}", json={}, headers=sent)
    assert answer.status_code == status, answer.text
    if status == 403:
        assert answer.json()["code"] == "forbidden"
