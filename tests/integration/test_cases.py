"""Small files as merchants have them: each is read as the list beside them says."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import Any

import pytest
from shop import wait_fresh
from system import System, archive, picture, shared_data


def cases() -> list[dict[str, str]]:
    """Return the rows of the list, if this machine has it."""
    folder = shared_data()
    if folder is None or not (folder / "cases" / "cases.csv").is_file():
        return []
    with (folder / "cases" / "cases.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


IMPORTS = [case for case in cases() if case["how"] == "import"]
SEARCHES = [case for case in cases() if case["how"] == "search"]


@pytest.fixture(scope="module")
def folder(shared: Path) -> Path:
    """The folder of the files."""
    return shared / "cases"


@pytest.mark.parametrize("case", IMPORTS, ids=lambda case: case["file"])
def test_a_file_is_imported(system: System, folder: Path, case: dict[str, str]) -> None:
    name = f"case-{case['file'].partition('.')[0]}"
    catalog, mode = system.create_catalog(name), "upsert"
    if "mode=replace" in case["note"]:
        mode = "replace"
        before = io.StringIO("id,image\r\nB2,b.jpg\r\n").getvalue().encode()
        held = archive([("b.jpg", picture(1)), ("manifest.csv", before)])
        system.finish(system.upload(catalog, held))
    data = (folder / case["file"]).read_bytes()
    done = wait_fresh(system, system.finish(system.upload(catalog, data, mode=mode)))
    failed = {item["product_id"] for item in system.items(done, status="failed")}
    for product_id, wanted in json.loads(case["products"]).items():
        answer = system.http.get(f"/v1/catalogs/{catalog}/products/{product_id}")
        assert answer.status_code == 200, (product_id, done, system.items(done))
        assert holds(answer.json(), wanted), answer.json()
        assert product_id not in failed
    assert set(json.loads(case["failed"])) <= failed
    if mode == "replace":
        assert system.http.get(f"/v1/catalogs/{catalog}/products/B2").status_code == 200


@pytest.mark.parametrize("case", SEARCHES, ids=lambda case: case["file"])
def test_a_file_is_searched_by(system: System, folder: Path, case: dict[str, str]) -> None:
    system.create_catalog("cases")
    found = system.search((folder / case["file"]).read_bytes(), "cases")
    assert found["status"] == "succeeded", found


def holds(product: dict[str, Any], wanted: dict[str, Any]) -> bool:
    """Tell whether a product has what is wanted of it."""
    attributes = wanted.get("attributes", {})
    return all(product[key] == value for key, value in wanted.items() if key != "attributes") and (
        {key: product["attributes"].get(key) for key in attributes} == attributes
    )
