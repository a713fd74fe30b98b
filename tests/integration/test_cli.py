"""The command line: what it prints, its JSON, its exit status, one line per error."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from system import System, archive, picture


def test_an_import_with_failures_lists_them(system: System, tmp_path: Path) -> None:
    path = tmp_path / "a.zip"
    path.write_bytes(archive([("a.jpg", picture(1)), ("b.jpg", b"no picture")]))
    shown = system.cli("import", str(path), "--catalog", "cli-mixed")
    assert shown.returncode == 3
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


def test_a_folder_is_imported(system: System, tmp_path: Path) -> None:
    (tmp_path / "mugs").mkdir()
    (tmp_path / "mugs" / "blue.jpg").write_bytes(picture(1))
    (tmp_path / ".DS_Store").write_bytes(b"x")
    done = system.cli("import", str(tmp_path), "--catalog", "cli-folder", "--json")
    assert done.returncode == 0, done.stdout + done.stderr
    assert json.loads(done.stdout)["counts"]["searchable"] == 1
    (product,) = system.api.pages("/v1/catalogs/cli-folder/products")
    assert (product["id"], product["attributes"]) == ("mugs/blue", {"folder": "mugs"})


def test_a_dry_run_says_what_would_be_and_a_mapping_corrects_it(
    system: System, tmp_path: Path
) -> None:
    system.create_catalog("cli-dry")
    path, mapping = tmp_path / "a.zip", tmp_path / "mapping.json"
    rows = b"id,code,image\n1,A,a.jpg\n2,B,b.jpg\n"
    path.write_bytes(archive([("list.csv", rows), ("a.jpg", picture(1))]))
    mapping.write_text('{"code": "id", "id": "attribute"}')
    ask = ("import", str(path), "--catalog", "cli-dry", "--mapping", str(mapping))
    shown = system.cli(*ask, "--dry-run")
    assert shown.returncode == 3, shown.stdout + shown.stderr
    assert "plain" in shown.stdout and "1 failed" in shown.stdout
    assert "line 3: b.jpg: picture_missing: " in shown.stdout
    told = json.loads(system.cli(*ask, "--dry-run", "--json").stdout)
    assert [each["id"] for each in told["products"]] == ["A", "B"]
    assert system.http.get("/v1/catalogs/cli-dry").json()["products"] == 0
    assert system.cli(*ask).returncode == 3
    (product,) = system.api.pages("/v1/catalogs/cli-dry/products")
    assert (product["id"], product["attributes"]) == ("A", {"id": "1"})


def test_a_replace_that_removes_too_much_is_stopped(system: System, tmp_path: Path) -> None:
    many, one = tmp_path / "many.zip", tmp_path / "one.zip"
    many.write_bytes(archive((f"{i}.jpg", picture(i, side=96)) for i in range(12)))
    one.write_bytes(archive([("0.jpg", picture(0, side=96))]))
    ask = ("--catalog", "cli-guard", "--mode", "replace")
    assert system.cli("import", str(many), *ask).returncode == 0
    assert system.cli("import", str(one), *ask, "--guard", "0.2", "--dry-run").returncode == 1
    done = system.cli("import", str(one), *ask, "--guard", "0.2")
    assert (done.returncode, "replace_guarded" in done.stdout) == (1, True), done.stdout
    assert system.http.get("/v1/catalogs/cli-guard").json()["products"] == 12
    assert system.cli("import", str(one), *ask, "--guard", "1").returncode == 0
    assert system.http.get("/v1/catalogs/cli-guard").json()["products"] == 1


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
        (["import", "{file}", "--catalog", "cli-none"], "The file is a picture, which visearch"),
        (["import", "nowhere", "--catalog", "cli-none"], "There is no file or folder nowhere"),
        (["import", "{file}", "--catalog", "cli-none", "--mapping", "{{"], "not valid JSON"),
        (["import", "{file}", "--catalog", "none", "--dry-run"], "There is no catalog 'none'"),
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
