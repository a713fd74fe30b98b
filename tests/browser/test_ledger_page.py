"""The ledger on the merchant's page: by fate and stage, in words, and the file to correct."""

from __future__ import annotations

import csv
import io

import pytest
from acts import expect_usable, open_catalog
from playwright.sync_api import Locator, Page, expect
from system import System, archive, picture

N = 30


@pytest.fixture(scope="module")
def mixed(system: System) -> str:
    """A catalog whose one import has failures of three kinds; returns its name."""
    catalog = system.create_catalog("mixed", title="Mixed")
    table = "id,image,colour\n" + "".join(f"p{i:02},p{i}.jpg,=red\n" for i in range(N))
    table += "gone,gone.jpg,blue\ntorn,torn.jpg,blue\n,p1.jpg,blue\n"
    files = [(f"p{i}.jpg", picture(i)) for i in range(N)]
    torn = ("torn.jpg", picture(9)[:300])
    system.finish(system.upload(catalog, archive([("table.csv", table.encode()), *files, torn])))
    return catalog


def open_import(page: Page, catalog: str) -> Locator:
    open_catalog(page, catalog)
    page.get_by_role("button", name="Details of the import").first.click()
    ledger = page.get_by_role("region", name="What became of each picture")
    expect(ledger).to_be_visible()
    return ledger


def test_failures_come_first_and_in_words(page: Page, mixed: str) -> None:
    ledger = open_import(page, mixed)
    rows = ledger.locator("tbody tr")
    expect(rows).to_have_count(3)
    for words in (
        "The file does not hold this picture",
        "The picture is damaged",
        "cannot be used",
    ):
        expect(rows.filter(has_text=words)).to_have_count(1)
    expect(ledger.locator("img")).to_have_count(0)
    ledger.get_by_label("Came as far as").select_option("Opening the picture")
    expect(rows).to_have_count(1)
    expect(rows).to_contain_text("torn.jpg")
    ledger.get_by_label("Fate").select_option("Under way")
    expect(ledger.get_by_text("No picture of this import is like that.")).to_be_visible()
    expect(rows).to_have_count(0)


def test_pages_are_turned_by_keyboard(page: Page, mixed: str) -> None:
    ledger = open_import(page, mixed)
    ledger.get_by_label("Fate").select_option("Searchable")
    rows = ledger.locator("tbody tr")
    expect(rows).to_have_count(25)
    expect(rows.first).to_contain_text("Done")
    loaded = "(image) => image.complete && image.naturalWidth > 0"
    page.wait_for_function(loaded, arg=rows.first.locator("img").element_handle())
    following = ledger.get_by_role("button", name="Next")
    following.focus()
    page.keyboard.press("Enter")
    expect(rows).to_have_count(N - 25)
    expect(ledger.get_by_text("Page 2")).to_be_visible()
    expect(ledger.get_by_role("button", name="Previous")).to_be_focused()
    page.keyboard.press("Enter")
    expect(rows).to_have_count(25)
    expect(following).to_be_enabled()


def test_what_failed_is_downloaded_to_be_corrected(page: Page, mixed: str) -> None:
    open_import(page, mixed)
    with page.expect_download() as saved:
        page.get_by_role("button", name="Download what to fix").click()
    text = saved.value.path().read_text(encoding="utf-8")
    assert text.startswith("\ufeff")
    rows = list(csv.DictReader(io.StringIO(text.removeprefix("\ufeff"), newline="")))
    assert [row["id"] for row in rows] == ["gone", "torn", ""]
    assert list(rows[0]) == ["id", "image", "colour", "fate", "code", "reason"]


def test_an_archive_without_a_table_says_so(page: Page, system: System) -> None:
    catalog = system.create_catalog("no-table")
    system.finish(system.upload(catalog, archive([("a.jpg", picture(1)), ("b.jpg", b"none")])))
    open_import(page, catalog)
    page.get_by_role("button", name="Download what to fix").click()
    expect(page.locator("#job-error")).to_contain_text("pictures only")


def test_on_a_phone_the_ledger_stays_in_its_width(phone: Page, mixed: str) -> None:
    open_import(phone, mixed)
    assert phone.evaluate("document.documentElement.scrollWidth") == 360
    expect_usable(phone)
