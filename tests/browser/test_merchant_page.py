"""The merchant's page: creating a catalog, uploading to it and searching it."""

from __future__ import annotations

import csv
import io
import re
from pathlib import Path

from acts import open_catalog
from playwright.sync_api import Page, Route, expect
from system import System, archive, picture


def upload_files(broken: bool = True) -> bytes:
    members = [(f"mugs/p{i}.jpg", picture(i)) for i in range(6)]
    return archive([*members, ("mugs/torn.jpg", picture(9)[:300])] if broken else members)


def test_from_an_empty_catalog_to_a_search(page: Page, system: System, tmp_path: Path) -> None:
    file = tmp_path / "autumn.zip"
    file.write_bytes(upload_files())
    page.goto("/merchant")
    page.get_by_role("button", name="New catalog").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("Name").fill("autumn")
    dialog.get_by_label("Title").fill("Autumn")
    dialog.get_by_role("button", name="Create").click()
    expect(page).to_have_url(re.compile(r"/merchant\?catalog=autumn$"))
    expect(page.get_by_role("heading", name="Autumn")).to_be_focused()
    page.set_input_files("#archive", file)
    expect(page.locator("#chosen")).to_contain_text("autumn.zip")
    page.get_by_role("button", name="Upload", exact=True).click()
    check = page.get_by_role("region", name="Before the import of “autumn.zip”")
    expect(check.get_by_role("heading", name="Before the import")).to_be_focused()
    expect(check.locator("#check-facts")).to_have_text("Pictures without a table")
    expect(check.locator('[data-count="add"]')).to_have_text("new7")
    assert system.http.get("/v1/catalogs/autumn/imports").json()["items"] == []
    check.get_by_role("button", name="Start import").click()
    expect(check).to_be_hidden()

    job = page.get_by_role("region", name="Import of")
    expect(job.get_by_role("status")).to_have_text("Finished with failures", timeout=60_000)
    expect(job.locator('[data-step="searchable"]')).to_have_text("searchable6")
    expect(job.locator('[data-step="failed"]')).to_have_text("failed1")
    failure = job.locator("#ledger-rows tr")
    expect(failure).to_have_count(1)
    expect(failure).to_contain_text("mugs/torn.jpg")
    expect(failure).to_contain_text("The picture is damaged")
    expect(page.locator("#desk-facts")).to_contain_text("6 products, 6 pictures")

    with page.expect_download() as saved:
        job.get_by_role("button", name="Download the ledger").click()
    rows = list(csv.DictReader(io.StringIO(saved.value.path().read_text())))
    assert len(rows) == 7
    assert {row["code"] for row in rows if row["status"] == "failed"} == {"image_corrupt"}

    page.get_by_role("link", name="Search this catalog").click()
    expect(page.get_by_label("Search in")).to_have_value("autumn")
    page.set_input_files("#file", {"name": "q.jpg", "mimeType": "image/jpeg", "buffer": picture(4)})
    expect(page.locator(".hits > li:first-child h3")).to_have_text("mugs/p4")


def test_a_wrong_name_is_refused_with_the_rule(page: Page, system: System, shelf: str) -> None:
    page.goto("/merchant")
    page.get_by_role("button", name="New catalog").click()
    dialog = page.get_by_role("dialog")
    for wrong, words in (("My Shop!", "not a valid name"), ("", "Give the"), (shelf, "already")):
        dialog.get_by_label("Name").fill(wrong)
        dialog.get_by_role("button", name="Create").click()
        expect(dialog.locator("#create-name-error")).to_contain_text(words)
        expect(dialog.get_by_label("Name")).to_have_attribute("aria-invalid", "true")
    page.keyboard.press("Escape")
    expect(dialog).to_be_hidden()
    names = {catalog["name"] for catalog in system.http.get("/v1/catalogs").json()["items"]}
    assert "My Shop!" not in names


def test_deleting_asks_first(page: Page, system: System) -> None:
    system.create_catalog("doomed")
    open_catalog(page, "doomed")
    page.get_by_role("button", name="Delete", exact=True).click()
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text("0 products")
    dialog.get_by_role("button", name="Keep it").click()
    assert system.http.get("/v1/catalogs/doomed").status_code == 200
    page.get_by_role("button", name="Delete", exact=True).click()
    dialog.get_by_role("button", name="Delete for good").click()
    expect(page.get_by_role("button", name="doomed")).to_have_count(0)
    assert system.http.get("/v1/catalogs/doomed").status_code == 404


def test_replace_warns_and_is_what_is_sent(page: Page, system: System, tmp_path: Path) -> None:
    system.create_catalog("swap")
    file = tmp_path / "swap.zip"
    file.write_bytes(upload_files(broken=False))
    open_catalog(page, "swap")
    warning = page.get_by_text("every product that is not in the file will be removed")
    expect(warning).to_be_hidden()
    page.get_by_role("radio", name="Replace all").check()
    expect(warning).to_be_visible()
    page.set_input_files("#archive", file)
    with page.expect_request("**/imports?dry_run=true&mode=replace"):
        page.get_by_role("button", name="Upload", exact=True).click()
    expect(page.locator('[data-count="remove"]')).to_have_text("removed0")
    with page.expect_request("**/imports?upload=*&mode=replace"):
        page.get_by_role("button", name="Start and replace all").click()
    expect(page.locator("#job-status")).to_have_text("Succeeded", timeout=60_000)


def test_a_file_that_is_no_archive_is_explained(page: Page, shelf: str, tmp_path: Path) -> None:
    file = tmp_path / "catalog.zip"
    file.write_bytes(bytes(range(256)))
    open_catalog(page, shelf)
    page.set_input_files("#archive", file)
    page.get_by_role("button", name="Upload", exact=True).click()
    expect(page.locator("#upload-error")).to_contain_text("Send a .zip, a .tar")


def test_a_running_import_is_followed_and_cancelled(page: Page, system: System) -> None:
    system.create_catalog("running")
    counts = {"items": 10, "fetched": 6, "decoded": 5, "embedded": 4, "searchable": 4, "failed": 0}
    record = {
        **{"id": "i1", "catalog": "running", "status": "running", "mode": "upsert"},
        **{"counts": counts, "progress": 0.4, "eta_s": 30.0, "error": None},
        **{"created_at": "2026-01-01T10:00:00Z", "finished_at": None},
    }

    def one(route: Route) -> None:
        if route.request.method == "DELETE":
            record.update(status="cancelled", finished_at="2026-01-01T10:01:00Z")
        route.fulfill(json=record)

    imports = "**/v1/catalogs/running/imports"
    page.route(f"{imports}/i1", one)
    page.route(f"{imports}?*", lambda r: r.fulfill(json={"items": [record], "next_cursor": None}))
    open_catalog(page, "running")
    expect(page.locator("#job-text")).to_have_text("40% of 10 pictures, about 30 s left")
    assert page.locator("#job-progress").evaluate("bar => bar.value") == 0.4
    page.get_by_role("button", name="Cancel the import").click()
    expect(page.locator("#job-status")).to_have_text("Cancelled")
    expect(page.get_by_role("button", name="Cancel the import")).to_be_hidden()
