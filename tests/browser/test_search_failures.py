"""The shopper's page when something goes wrong, is slow or is hostile."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from acts import expect_found, first_hit, hand_over, open_search
from playwright.sync_api import Page, Route, expect
from system import System, archive, picture


def test_a_file_that_is_no_picture_is_explained(page: Page, shelf: str, tmp_path: Path) -> None:
    text = tmp_path / "notes.txt"
    text.write_text("no picture at all")
    open_search(page, shelf)
    page.set_input_files("#file", text)
    alert = page.get_by_role("alert")
    expect(alert).to_contain_text("not a picture we can read")
    expect(alert).to_contain_text("Convert it")
    page.set_input_files("#file", {"name": "a.jpg", "mimeType": "image/jpeg", "buffer": picture(2)})
    expect_found(page, "p2", "Thing 2")
    expect(alert).to_be_empty()


def problem(status: int, code: str, **headers: str) -> dict[str, Any]:
    body = {"status": status, "code": code, "detail": f"{code} happened", "title": "x"}
    return {"status": status, "json": body, "headers": headers}


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (problem(503, "overloaded", **{"Retry-After": "7"}), "Wait 7 seconds"),
        (problem(413, "payload_too_large"), "too large"),
        (problem(500, "internal_error"), "Something went wrong on the server"),
        ({"status": 502, "body": "<html>proxy</html>"}, "status 502"),
        (None, "cannot be reached"),
    ],
)
def test_a_failure_says_what_to_do(
    page: Page, shelf: str, query: Path, answer: dict[str, Any] | None, words: str
) -> None:
    def refuse(route: Route) -> None:
        if answer is None:
            route.abort()
        else:
            route.fulfill(**answer)

    page.route("**/v1/searches", refuse)
    open_search(page, shelf)
    page.set_input_files("#file", query)
    alert = page.get_by_role("alert")
    expect(alert).to_contain_text(words)
    if "too large" in words:
        return
    page.unroute("**/v1/searches")
    alert.get_by_role("button", name="Try again").click()
    expect_found(page, "p3", "Thing 3")


def test_a_slow_search_is_polled_and_a_new_one_withdraws_it(
    page: Page, shelf: str, query: Path
) -> None:
    slow = {"id": "slow", "status": "queued", "catalog": shelf, "results": None, "error": None}
    withdrawn: list[str] = []

    def job(route: Route) -> None:
        if route.request.method == "DELETE":
            withdrawn.append(route.request.url)
        route.fulfill(json=slow)

    page.route("**/v1/searches/slow", job)
    page.route("**/v1/searches", lambda route: route.fulfill(status=202, json=slow))
    open_search(page, shelf)
    with page.expect_request("**/v1/searches/slow") as polled:
        page.set_input_files("#file", query)
    assert polled.value.headers["prefer"] == "wait=5"
    expect(page.get_by_role("status")).to_have_text("Searching…")
    page.unroute("**/v1/searches")
    hand_over(page, "paste", picture(8))
    expect_found(page, "p8", "Thing 8")
    assert len(withdrawn) == 1
    slow.update(status="expired", error={"code": "search_expired", "detail": "x", "status": 503})
    page.route("**/v1/searches", lambda route: route.fulfill(status=202, json=slow))
    hand_over(page, "paste", picture(9))
    expect(page.get_by_role("alert")).to_contain_text("The search took too long")


def test_hostile_product_texts_stay_text(page: Page, system: System) -> None:
    evil = "<img src=x onerror=window.hacked=1>"
    rows = f'id,image,title,url,{evil}\n"{evil}",a.jpg,{evil},javascript:window.hacked=2,{evil}\n'
    catalog = system.create_catalog("hostile", title=evil)
    system.finish(
        system.upload(catalog, archive([("manifest.csv", rows.encode()), ("a.jpg", picture(1))]))
    )
    open_search(page, catalog)
    hand_over(page, "paste", picture(1))
    expect_found(page, evil.replace('"', '\\"'), evil)
    expect(first_hit(page).locator(".tags")).to_contain_text(f"{evil} {evil}")
    expect(first_hit(page).get_by_role("link")).to_have_count(0)
    page.goto(f"/merchant?catalog={catalog}")
    expect(page.get_by_role("heading", name=evil)).to_be_visible()
    assert page.evaluate("window.hacked") is None
