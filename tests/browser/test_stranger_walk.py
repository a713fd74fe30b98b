"""A stranger's walk: a WooCommerce export becomes a shop that finds its products, by page alone."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from acts import choose_file, expect_found, press, reach
from exports import Goods, goods, woocommerce
from picture_server import Host, Town
from PIL import ImageEnhance
from playwright.sync_api import Page, expect
from shop import FETCHING

from visearch.demo.archive import jpeg
from visearch.demo.draw import DemoProduct, products

GONE, WANTED = 5, 7
TAKEN_FOR = {
    "Artikelnummer": "id",
    "Name": "title",
    "Regulärer Preis": "price",
    "Übergeordnetes Produkt": "group",
    "Bilder": "picture",
    "Beschreibung": "description",
    "Veröffentlicht": "attribute",
}


class Steps(dict[str, float]):
    """The seconds that each step of a walk takes; nothing is asserted of them."""

    @contextmanager
    def __call__(self, what: str) -> Iterator[None]:
        begun = time.monotonic()
        yield
        self[what] = time.monotonic() - begun

    def __str__(self) -> str:
        total = {**self, "in all": sum(self.values())}
        return "\n".join(["", *(f"{seconds:6.1f} s  {what}" for what, seconds in total.items())])


@pytest.fixture
def drawn() -> list[DemoProduct]:
    """What the shop sells, two pictures of each."""
    return list(products(12))


@pytest.fixture
def host(drawn: list[DemoProduct]) -> Iterator[Host]:
    """The server of the shop's pictures."""
    town = Town()
    made = town.host(FETCHING["fetch_allow"].split(",")[0])
    for number, product in enumerate(drawn):
        for place, view in enumerate(product.views):
            made.files[f"{number}-{place}.jpg"] = jpeg(view)
    yield made
    town.close()


@pytest.fixture
def sold(drawn: list[DemoProduct], host: Host) -> list[Goods]:
    """The shop's products as it exports them; a picture of one of them is gone."""
    urls = [[host.url(f"/file/{n}-{place}.jpg") for place in range(2)] for n in range(len(drawn))]
    urls[GONE][1] = host.url("/status/404")
    return [goods(number, pictures) for number, pictures in enumerate(urls)]


def photo(product: DemoProduct) -> bytes:
    """A product as a phone sees it: from nearer, brighter and in fewer pixels."""
    near = product.views[0].crop((14, 10, 306, 302)).resize((240, 240))
    return jpeg(ImageEnhance.Brightness(near).enhance(1.15), quality=70)


def test_a_stranger_makes_a_shop_searchable_by_keyboard(
    page: Page, drawn: list[DemoProduct], sold: list[Goods], tmp_path: Path
) -> None:
    step = Steps()
    export, query = tmp_path / "wc-product-export.csv", tmp_path / "photo.jpg"
    export.write_bytes(woocommerce(sold))
    query.write_bytes(photo(drawn[WANTED]))
    page.on("filechooser", lambda _: None)  # Playwright begins to catch them after a while

    with step("a catalog is made"):
        page.goto("/merchant")
        press(page, page.get_by_role("button", name="New catalog"))
        page.keyboard.type("laden")
        page.keyboard.press("Tab")
        page.keyboard.type("Mein Laden")
        page.keyboard.press("Enter")
        expect(page.get_by_role("heading", name="Mein Laden")).to_be_focused()

    with step("the file is chosen, uploaded and looked through"):
        choose_file(page, page.locator("#archive"), export)
        expect(page.get_by_role("button", name="Upload", exact=True)).to_be_focused()
        page.keyboard.press("Enter")
        check = page.get_by_role("region", name="Before the import of “wc-product-export.csv”")
        heading = check.get_by_role("heading", name="Before the import")
        expect(heading).to_be_focused()

    wanted = sold[WANTED]
    row = check.locator(f'[data-product="{wanted.id}"]')
    with step("the preview is read, a column is left out"):
        n_rows = sum(1 + len(one.sizes) for one in sold)
        expect(check.locator("#check-facts")).to_have_text(
            f"A WooCommerce export with {n_rows} rows · read as UTF-8 · separated by commas"
        )
        for count, text in {"products": 12, "pictures": 24, "add": 12, "failed": 0}.items():
            expect(check.locator(f'[data-count="{count}"] dd')).to_have_text(str(text))
        expect(check.locator("#check-notes")).to_contain_text("Pictures at URLs are fetched when")
        for column, field in TAKEN_FOR.items():
            select = check.get_by_role("combobox", name=f"What the column “{column}” is")
            expect(select).to_have_value(field)
        for words in (
            wanted.title,
            "2 pictures",
            "price: 6.75",
            "Talla: S, M, L",
            "Veröffentlicht",
        ):
            expect(row).to_contain_text(words)
        reach(page, check.get_by_role("combobox", name="What the column “Veröffentlicht” is"))
        page.keyboard.type("Leave out")
        press(page, check.get_by_role("button", name="Check again with these columns"))
        expect(heading).to_be_focused()
        expect(row).to_contain_text("Talla: S, M, L")
        expect(row).not_to_contain_text("Veröffentlicht")

    with step("the import is started and ends"):
        press(page, check.get_by_role("button", name="Start import"))
        job = page.get_by_role("region", name="Import of")
        expect(job.get_by_role("heading", name="Import of")).to_be_focused()
        expect(job.get_by_role("status")).to_have_text("Finished with failures", timeout=60_000)
        expect(job.locator('[data-step="searchable"]')).to_have_text("searchable23")
        expect(page.locator("#desk-facts")).to_contain_text("12 products, 23 pictures")

    with step("the ledger says what failed and why"):
        rows = job.locator("#ledger-rows tr")
        expect(rows).to_have_count(1)
        for words in ("/status/404", f"of {sold[GONE].id}", "There is nothing at this URL", "(404"):
            expect(rows).to_contain_text(words)
        reach(page, job.get_by_label("Fate"))
        page.keyboard.type("Searchable")
        expect(rows).to_have_count(23)
        loaded = "(image) => image.complete && image.naturalWidth > 0"
        page.wait_for_function(loaded, arg=rows.first.locator("img").element_handle())

    with step("a photo of a product finds it"):
        press(page, page.get_by_role("link", name="Search this catalog"))
        expect(page.get_by_label("Search in")).to_have_value("laden")
        choose_file(page, page.locator("#file"), query)
        expect_found(page, wanted.id, wanted.title)
    print(step)
