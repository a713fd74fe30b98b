"""What a merchant sees of a file before its import: columns to correct, and what would go."""

from __future__ import annotations

from pathlib import Path

import pytest
from acts import expect_usable, open_catalog
from playwright.sync_api import Locator, Page, expect
from system import System, archive, picture

LINES = """Ding;Bild;Titel;Breite;Preis
A1;p0.jpg;Roter Becher;10;12,99
A2;p1.jpg|nix.jpg;Blauer Becher;20;14,50
A3;;Ohne Bild;30;1,00
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """An archive whose table does not say what its ids are."""
    made = tmp_path / "becher.zip"
    pictures = [(f"p{i}.jpg", picture(i)) for i in range(3)]
    made.write_bytes(archive([*pictures, ("liste.csv", LINES.encode()), ("hinweis.pdf", b"%PDF")]))
    return made


def upload(page: Page, catalog: str, file: Path) -> Locator:
    """Send a file; returns the part of the page that shows what it holds."""
    open_catalog(page, catalog)
    page.set_input_files("#archive", file)
    page.get_by_role("button", name="Upload", exact=True).click()
    check = page.locator("#check")
    expect(check).to_be_visible()
    return check


def test_columns_are_corrected_with_the_keyboard(page: Page, system: System, file: Path) -> None:
    system.create_catalog("columns")
    check = upload(page, "columns", file)
    expect(check.get_by_role("alert")).to_contain_text("A column must be named first")
    start = check.get_by_role("button", name="Start import")
    expect(start).to_be_disabled()
    kind = check.get_by_role("combobox", name="What the column “Ding” is")
    kind.focus()
    page.keyboard.type("Product ID")
    expect(kind).to_have_value("id")
    expect(check.get_by_role("status")).to_contain_text("check again first")
    again = check.get_by_role("button", name="Check again with these columns")
    again.focus()
    page.keyboard.press("Enter")
    expect(check.locator('[data-count="add"]')).to_have_text("new2")
    expect(again).to_be_hidden()
    expect(check.get_by_role("heading", name="Before the import")).to_be_focused()
    expect(check.get_by_role("alert")).to_be_empty()
    expect(check.locator("#check-facts")).to_have_text(
        "A table with 3 rows · read as UTF-8 · separated by semicolons"
    )
    expect(check.locator('[data-product="A1"]')).to_contain_text("Roter Becher")
    expect(check.locator('[data-product="A2"]')).to_contain_text("1 of 2 missing: nix.jpg")
    failures = check.locator("#check-failure-rows tr")
    expect(failures).to_have_count(2)
    expect(failures.first).to_contain_text("nix.jpg")
    expect(failures.first).to_contain_text("The file does not hold this picture")
    expect(check).not_to_contain_text("Pictures at URLs")
    check.get_by_text("2 files left out").click()
    expect(check.locator("#ignored-names li")).to_have_text(["p2.jpg", "hinweis.pdf"])
    check.get_by_role("combobox", name="Type of the column “Breite”").select_option("text")
    expect(start).to_be_disabled()
    again.click()
    expect(start).to_be_enabled()
    start.click()
    expect(page.locator("#job-status")).to_have_text("Finished with failures")
    product = system.http.get("/v1/catalogs/columns/products/A1").json()
    assert product["attributes"] == {"Breite": "10", "Preis": 12.99}
    known = system.http.get("/v1/catalogs/columns/mapping").json()["columns"]
    assert known["Ding"]["field"] == "id"


def test_what_would_be_removed_must_be_meant(page: Page, system: System, tmp_path: Path) -> None:
    system.create_catalog("guarded")
    members = [(f"p{i:02}.jpg", picture(i, side=48)) for i in range(14)]
    system.finish(system.upload("guarded", archive(members)))
    few = tmp_path / "few.zip"
    few.write_bytes(archive(members[:2]))
    check = upload(page, "guarded", few)
    expect(check.locator('[data-count="unchanged"]')).to_have_text("unchanged2")
    expect(check.locator('[data-count="remove"]')).to_have_count(0)
    page.get_by_role("radio", name="Replace all").check()
    expect(check.locator('[data-count="remove"]')).to_have_text("removed12")
    start = check.get_by_role("button", name="Start and replace all")
    expect(start).to_be_disabled()
    consent = check.get_by_role("checkbox", name="Remove 12 of the catalog’s 14 products")
    consent.focus()
    page.keyboard.press("Space")
    with page.expect_request("**/imports?upload=*&guard=1&mode=replace"):
        start.click()
    expect(page.locator("#job-status")).to_have_text("Succeeded")
    assert system.http.get("/v1/catalogs/guarded").json()["products"] == 2


def test_a_file_can_be_discarded(page: Page, system: System, file: Path) -> None:
    system.create_catalog("discarded")
    check = upload(page, "discarded", file)
    check.get_by_role("button", name="Discard the file").click()
    expect(check).to_be_hidden()
    expect(page.locator("#chosen")).to_contain_text("Drop a .zip")
    assert system.http.get("/v1/catalogs/discarded/imports").json()["items"] == []


def test_a_file_that_takes_too_long_is_imported_without(
    page: Page, system: System, file: Path
) -> None:
    system.create_catalog("slow")
    path = "/v1/catalogs/slow/imports?dry_run=true"
    kept = system.http.post(path, content=file.read_bytes()).json()["upload"]
    detail = "Looking through the file takes longer than 60 seconds."
    late = {"code": "too_slow", "detail": detail, "upload": kept}
    page.route("**/imports?dry_run=true*", lambda route: route.fulfill(status=503, json=late))
    open_catalog(page, "slow")
    page.set_input_files("#archive", file)
    page.get_by_role("button", name="Upload", exact=True).click()
    page.get_by_role("button", name="Import it without a preview").click()
    expect(page.locator("#job-status")).to_have_text("Failed")
    expect(page.locator("#job-error")).to_contain_text("Its columns are: Ding, Bild")


@pytest.mark.parametrize("width", [360, 320])
def test_it_fits_a_phone_and_everything_has_a_name(
    phone: Page, system: System, file: Path, width: int
) -> None:
    phone.set_viewport_size({"width": width, "height": 700})
    catalog = system.create_catalog(f"phone-{width}")
    members = [(f"p{i:02}.jpg", picture(i, side=48)) for i in range(12)]
    system.finish(system.upload(catalog, archive(members)))
    put = system.http.put(f"/v1/catalogs/{catalog}/mapping", json={"Ding": "id"})
    assert put.status_code == 200
    check = upload(phone, catalog, file)
    phone.get_by_role("radio", name="Replace all").check()
    consent = check.get_by_role("checkbox", name="Remove 12 of the catalog’s 12 products")
    consent.check()
    words, box = check.locator("#override-text").bounding_box(), consent.bounding_box()
    assert words and box and box["width"] < 40 and words["width"] > width / 2
    check.locator("#ignored-title").click()
    assert phone.evaluate("document.documentElement.scrollWidth") == width
    expect_usable(phone)
    expect(check.get_by_role("combobox")).to_have_count(7)
