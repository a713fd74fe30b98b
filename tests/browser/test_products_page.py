"""Products on the merchant's page: found, edited, deleted; and two that are one, merged."""

from __future__ import annotations

from typing import Any

import pytest
from acts import expect_usable, open_catalog
from playwright.sync_api import Locator, Page, expect
from system import System, archive, eventually, picture


@pytest.fixture
def goods(system: System, request: pytest.FixtureRequest) -> str:
    """A catalog of the test's own with a lamp and 24 mugs, the last two of which look the same."""
    name = request.node.name.removeprefix("test_").replace("_", "-").split("[")[0][:50]
    catalog = system.create_catalog(name)
    table = (
        "id,image,title,url,colour,price\nlamp/1,lamp.jpg,Große Lampe,https://s.example/l,red,9.5\n"
    )
    table += "".join(f"mug-{i:02},m{i}.jpg,Mug {i},,blue,{i}\n" for i in range(24))
    files = [(f"m{i}.jpg", picture(min(i, 22))) for i in range(24)]
    data = archive([("table.csv", table.encode()), ("lamp.jpg", picture(77)), *files])
    system.finish(system.upload(catalog, data))
    return catalog


def stored(system: System, catalog: str, product_id: str) -> dict[str, Any]:
    answer = system.http.get(f"/v1/catalogs/{catalog}/products/{product_id}")
    return dict(answer.raise_for_status().json())


def shelf(page: Page, catalog: str) -> Locator:
    open_catalog(page, catalog)
    products = page.get_by_role("region", name="Products", exact=True)
    expect(products.locator("tbody tr")).to_have_count(20)
    return products


def test_products_are_browsed_and_found(page: Page, goods: str) -> None:
    products = shelf(page, goods)
    rows = products.locator("tbody tr")
    products.get_by_role("button", name="Next").click()
    expect(rows).to_have_count(5)
    products.get_by_label("Find by ID or title").fill("grosse")
    page.keyboard.press("Enter")
    expect(rows).to_have_count(1)
    expect(rows).to_contain_text("lamp/1 · 1 picture")
    expect(rows).to_contain_text("colour: red; price: 9.5")
    expect(rows.get_by_role("link", name="Große Lampe")).to_have_attribute(
        "href", "https://s.example/l"
    )
    products.get_by_label("Find by ID or title").fill("xyz")
    products.get_by_role("button", name="Find").click()
    expect(products.get_by_text("No product is called “xyz”.")).to_be_visible()
    products.get_by_label("Find by ID or title").fill("")
    page.keyboard.press("Enter")
    expect(rows).to_have_count(20)


def test_an_edit_sends_only_what_was_changed(page: Page, system: System, goods: str) -> None:
    products = shelf(page, goods)
    products.get_by_role("button", name="Edit Große Lampe").focus()
    page.keyboard.press("Enter")
    dialog = page.get_by_role("dialog", name="Edit Große Lampe")
    dialog.get_by_label("Title").fill("Kleine Lampe")
    dialog.get_by_label("Description").fill("Two\nlines")
    # Meanwhile somebody else changes what this user does not.
    there = f"/v1/catalogs/{goods}/products/lamp%2F1"
    system.http.patch(there, json={"attributes": {"stock": 3}}).raise_for_status()
    price = dialog.locator("#edit-attributes li").nth(1)
    price.get_by_label("Value", exact=True).fill("cheap")
    dialog.get_by_role("button", name="Save").click()
    expect(dialog.get_by_role("alert")).to_contain_text("is not a number")
    price.get_by_label("Value", exact=True).fill("12")
    dialog.get_by_role("button", name="Remove colour").click()
    dialog.get_by_role("button", name="Add an attribute").click()
    added = dialog.locator("#edit-attributes li").last
    expect(added.get_by_label("Name of the attribute")).to_be_focused()
    page.keyboard.type("sizes")
    added.get_by_label("Kind of value").select_option("List")
    added.get_by_label("Value", exact=True).fill("S\nM\n")
    with page.expect_request("**/products/lamp%2F1") as sent:
        dialog.get_by_role("button", name="Save").click()
    assert sent.value.post_data_json == {
        "title": "Kleine Lampe",
        "description": "Two\nlines",
        "attributes": {"colour": None, "price": 12, "sizes": ["S", "M"]},
    }
    expect(dialog).to_be_hidden()
    expect(products.get_by_role("button", name="Edit Kleine Lampe")).to_be_focused()
    product = stored(system, goods, "lamp%2F1")
    assert product["url"] == "https://s.example/l"
    assert product["attributes"] == {"price": 12, "stock": 3, "sizes": ["S", "M"]}


def test_deleting_a_product_asks_first(page: Page, system: System, goods: str) -> None:
    products = shelf(page, goods)
    products.get_by_role("button", name="Delete Mug 3", exact=True).click()
    dialog = page.get_by_role("dialog", name="Delete this product?")
    expect(dialog).to_contain_text("mug-03")
    page.keyboard.press("Escape")
    expect(dialog).to_be_hidden()
    assert stored(system, goods, "mug-03")["title"] == "Mug 3"
    products.get_by_role("button", name="Delete Mug 3", exact=True).click()
    dialog.get_by_role("button", name="Delete for good").click()
    expect(dialog).to_be_hidden()
    expect(products.get_by_role("button", name="Delete Mug 3", exact=True)).to_have_count(0)
    expect(products.get_by_role("heading", name="Products")).to_be_focused()
    assert system.http.get(f"/v1/catalogs/{goods}/products/mug-03").status_code == 404
    expect(page.locator("#desk-facts")).to_contain_text("24 products")


def test_twins_are_merged(page: Page, system: System, goods: str) -> None:
    listed = f"/v1/catalogs/{goods}/duplicates"
    eventually(lambda: system.http.get(listed).json()["items"], seconds=120, what="the twins")
    shelf(page, goods)
    twins = page.get_by_role("region", name="Products that look the same")
    expect(twins.locator("li")).to_have_count(1)
    expect_usable(page)
    twins.get_by_role("button", name="Keep this one, mug-22, and merge mug-23 into it").click()
    dialog = page.get_by_role("dialog", name="Merge these products?")
    expect(dialog).to_contain_text("mug-23 is deleted")
    expect_usable(page)
    dialog.get_by_role("button", name="Merge").click()
    expect(twins).to_be_hidden()
    assert system.http.get(f"/v1/catalogs/{goods}/products/mug-23").status_code == 404
    assert len(stored(system, goods, "mug-22")["images"]) == 1


@pytest.mark.parametrize("width", [360, 320])
def test_a_phone_shows_all_of_it(phone: Page, goods: str, width: int) -> None:
    phone.set_viewport_size({"width": width, "height": 700})
    products = shelf(phone, goods)
    wide = "document.documentElement.scrollWidth"
    assert phone.evaluate(wide) == width
    expect_usable(phone)
    products.get_by_role("button", name="Edit Große Lampe").tap()
    dialog = phone.get_by_role("dialog")
    expect(dialog).to_be_visible()
    assert phone.evaluate(wide) == width
    assert dialog.evaluate("(each) => each.scrollWidth <= each.clientWidth")
    expect_usable(phone)
