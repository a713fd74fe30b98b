"""Both pages for everyone: names, landmarks, small screens, and what the server allows."""

from __future__ import annotations

from pathlib import Path

import pytest
from acts import expect_usable
from playwright.sync_api import Page, expect
from system import System

PAGES = ("/?catalog=shelf", "/merchant?catalog=shelf")


def settle(page: Page, address: str) -> None:
    page.goto(address)
    ready = "#past-rows tr" if address.startswith("/merchant") else "#sample-list img"
    page.locator(ready).first.wait_for()


@pytest.mark.parametrize("address", PAGES)
def test_everything_has_a_name_and_a_place(page: Page, shelf: str, address: str) -> None:
    settle(page, address)
    assert page.locator("html").get_attribute("lang") == "en"
    assert page.locator("h1").count() == 1
    for landmark in ("banner", "navigation", "main", "contentinfo"):
        expect(page.get_by_role(landmark)).to_have_count(1)
    page.evaluate("document.querySelectorAll('details').forEach((each) => { each.open = true; })")
    expect_usable(page)


@pytest.mark.parametrize("width", [360, 320])
def test_a_phone_never_scrolls_sideways(phone: Page, shelf: str, query: Path, width: int) -> None:
    phone.set_viewport_size({"width": width, "height": 700})
    wide = "document.documentElement.scrollWidth"
    for address in PAGES:
        settle(phone, address)
        phone.evaluate("document.querySelectorAll('details').forEach((d) => { d.open = true; })")
        assert phone.evaluate(wide) == width
    phone.get_by_role("button", name="New catalog").tap()
    assert phone.evaluate(wide) == width
    settle(phone, PAGES[0])
    phone.set_input_files("#file", query)
    phone.locator(".hit").first.wait_for()
    assert phone.evaluate(wide) == width
    expect_usable(phone)


def test_pages_carry_a_strict_policy(system: System) -> None:
    for path in ("/", "/merchant"):
        answer = system.http.get(path)
        policy = answer.headers["Content-Security-Policy"]
        assert "default-src 'self'" in policy
        assert "unsafe" not in policy
        assert "<script>" not in answer.text
        assert "style=" not in answer.text


def test_the_reader_of_the_api_runs_under_its_policy(page: Page) -> None:
    """Its one script runs, by its digest; a violation would fail the page."""
    answer = page.goto("/docs/swagger")
    assert answer is not None
    policy = answer.headers["content-security-policy"]
    assert "default-src 'self'" in policy and "script-src 'self' 'sha256-" in policy
    page.locator(".opblock").first.wait_for()
