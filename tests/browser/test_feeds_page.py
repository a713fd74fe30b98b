"""Feeds on the merchant's page: made, run, read, paused, changed and deleted."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from acts import expect_usable, open_catalog
from picture_server import Host, Town
from playwright.sync_api import Locator, Page, expect
from shop import FETCHING
from system import System

ADDRESS = FETCHING["fetch_allow"].split(",")[0]


@pytest.fixture(scope="module")
def host() -> Iterator[Host]:
    town = Town()
    yield town.host(ADDRESS)
    town.close()


@pytest.fixture
def catalog(system: System, request: pytest.FixtureRequest) -> str:
    name = request.node.name.removeprefix("test_").replace("_", "-").split("[")[0][:50]
    return system.create_catalog(name)


def write(host: Host, *titles: str) -> str:
    """Let the feed say this; returns its URL."""
    rows = [f"p{n},{host.url(f'/drawn/{n}')},{title}\n" for n, title in enumerate(titles)]
    host.files["feed.csv"] = ("id,image,title\n" + "".join(rows)).encode()
    return host.url("/file/feed.csv")


def open_feeds(page: Page, catalog: str) -> Locator:
    open_catalog(page, catalog)
    return page.get_by_role("region", name="Feeds")


def make(page: Page, feeds: Locator, url: str, often: str) -> Locator:
    """Make the feed "main" by keyboard; returns its entry."""
    feeds.get_by_role("button", name="New feed").focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("textbox", name="Name", exact=True)).to_be_focused()
    page.keyboard.type("main")
    page.keyboard.press("Tab")
    page.keyboard.type(url)
    page.keyboard.press("Tab")
    page.keyboard.type(often)
    page.keyboard.press("Shift+Tab")
    page.keyboard.press("Enter")
    return feeds.get_by_role("listitem").filter(has_text="main")


def test_a_feed_is_made_and_run_and_its_changes_are_told(
    page: Page, host: Host, catalog: str
) -> None:
    feeds = open_feeds(page, catalog)
    entry = make(page, feeds, write(host, "A", "B", "C"), "Every hour")
    expect(entry).to_contain_text("3 added")
    expect(entry).to_contain_text("Succeeded")
    expect(entry).to_contain_text("Every 1 hour; next on")
    expect(page.get_by_role("region", name="Products", exact=True)).to_contain_text("p2")
    write(host, "A", "Other")
    run = entry.get_by_role("button", name="Run now: the feed main")
    run.focus()
    page.keyboard.press("Enter")
    expect(entry).to_contain_text("1 changed, 1 unchanged")
    entry.get_by_role("button", name="Details of the run").click()
    expect(page.get_by_role("heading", name="Import of")).to_be_focused()
    expect(page.locator("#job-status")).to_have_text("Succeeded")
    run.click()
    expect(entry).to_contain_text("Unchanged")


def test_a_feed_is_paused_changed_and_deleted(
    page: Page, system: System, host: Host, catalog: str
) -> None:
    feeds = open_feeds(page, catalog)
    entry = make(page, feeds, write(host, "A"), "Only when asked")
    expect(entry).to_contain_text("Runs only when asked.")
    expect(entry.get_by_role("button", name="Pause the feed main")).to_have_count(0)
    entry.get_by_role("button", name="Edit the feed main").click()
    page.get_by_label("Fetch it").select_option("At set times")
    page.get_by_label("Times").fill("61 * * * *")
    page.get_by_label("Products that the file no longer names").select_option("are removed")
    dialog = page.get_by_role("dialog")
    dialog.get_by_role("button", name="Save").click()
    alert = dialog.get_by_role("alert")
    expect(alert).to_contain_text("The schedule cannot be read: bad minute.")
    expect(alert).not_to_contain_text("/schedule")
    expect(alert.locator(".notice")).to_be_in_viewport(ratio=1)
    expect(page.get_by_label("Times")).to_have_attribute("aria-invalid", "true")
    page.get_by_label("Times").fill("15 3 * * *")
    page.keyboard.press("Enter")
    expect(dialog).to_be_hidden()
    expect(entry.get_by_role("button", name="Edit the feed main")).to_be_focused()
    expect(entry).to_contain_text("At “15 3 * * *” (UTC)")
    expect(entry).to_contain_text("is removed")
    entry.get_by_role("button", name="Pause the feed main").click()
    expect(entry).to_contain_text("paused")
    resume = entry.get_by_role("button", name="Resume the feed main")
    expect(resume).to_be_focused()
    resume.press("Enter")
    expect(entry).to_contain_text("next on")
    entry.get_by_role("button", name="Delete the feed main").click()
    dialog.get_by_role("button", name="Delete", exact=True).click()
    expect(entry).to_have_count(0)
    expect(feeds.get_by_role("heading", name="Feeds")).to_be_focused()
    assert system.http.get(f"/v1/catalogs/{catalog}/feeds").json()["items"] == []


def test_why_a_run_failed_is_told(page: Page, host: Host, catalog: str) -> None:
    feeds = open_feeds(page, catalog)
    entry = make(page, feeds, host.url("/status/404"), "Every day")
    expect(entry).to_contain_text("Failed")
    expect(entry).to_contain_text("404")
    feeds.get_by_role("button", name="New feed").click()
    page.get_by_role("textbox", name="Name", exact=True).fill("main")
    page.get_by_label("URL of the file").fill("nonsense")
    save = page.get_by_role("dialog").get_by_role("button", name="Save")
    save.click()
    expect(page.get_by_role("dialog")).to_contain_text("There is a feed “main” already.")
    page.get_by_role("textbox", name="Name", exact=True).fill("My Feed")
    save.click()
    expect(page.get_by_role("dialog")).to_contain_text("“My Feed” is not a valid name.")
    page.get_by_role("textbox", name="Name", exact=True).fill("other")
    save.click()
    expect(page.get_by_role("dialog")).to_contain_text("https://host/path")


def test_feeds_fit_on_a_phone(phone: Page, host: Host, catalog: str) -> None:
    feeds = open_feeds(phone, catalog)
    entry = make(phone, feeds, write(host, "A", "B"), "Every 6 hours")
    expect(entry).to_contain_text("2 added")
    wide = "document.documentElement.scrollWidth"
    assert phone.evaluate(wide) == 360
    expect_usable(phone)
    entry.get_by_role("button", name="Edit the feed main").tap()
    expect(phone.get_by_role("dialog")).to_be_visible()
    assert phone.evaluate(wide) == 360
    expect_usable(phone)
