"""Exports as shop systems write them: the same goods in every format."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from xml.sax.saxutils import escape, quoteattr

import openpyxl

WORDS = {
    "de": ("Große Lampe", "Schöne „Lampe“ für den Flur; mit Schirm, 40 cm.", "Größe"),
    "fr": ("Théière émaillée", "Une théière, l'été comme l'hiver : « à la carte ».", "Taille"),
    "es": ("Camisón de niña", "¿Frío? Camisón de algodón, año tras año.", "Talla"),
    "pl": ("Żółta łyżka", "Łyżka z drewna, długość źdźbła.", "Rozmiar"),
    "ja": ("急須 〜丸型〜", "日本製の急須。食器洗い機不可。", "サイズ"),
}
"""Of each language a title, a description, and what a size is called."""


@dataclass(frozen=True)
class Goods:
    """A product: its pictures in order, and a variant for each of its sizes."""

    id: str
    language: str
    title: str
    price: float
    pictures: tuple[str, ...]
    sizes: tuple[str, ...]

    @property
    def description(self) -> str:
        """Its description, in its language."""
        return WORDS[self.language][1]

    def changed(self) -> Goods:
        """Return it with another title."""
        return replace(self, title=f"{self.title} II")


def goods(number: int, pictures: Sequence[str]) -> Goods:
    """Return the product of a number."""
    language = list(WORDS)[number % len(WORDS)]
    sizes = (("S", "M", "L")[: number % 4],)[0]
    title = f"{WORDS[language][0]} {number}"
    return Goods(f"g-{number:05}", language, title, 5 + number / 4, tuple(pictures), sizes)


def _rows(one: Goods) -> int:
    return max(1, len(one.sizes), len(one.pictures))


def _at(values: Sequence[str], place: int) -> str:
    return values[place] if place < len(values) else ""


def _delimited(rows: Sequence[Sequence[object]], delimiter: str = ",") -> str:
    out = io.StringIO(newline="")
    csv.writer(out, delimiter=delimiter).writerows(rows)
    return out.getvalue()


def _shopify(all_goods: Sequence[Goods], headings: Sequence[str]) -> bytes:
    rows: list[Sequence[object]] = [headings]
    for one in all_goods:
        for place in range(_rows(one)):
            first = place == 0
            rows.append(
                (
                    one.id,
                    one.title if first else "",
                    f"<p>{escape(one.description)}</p>" if first else "",
                    "Acme" if first else "",
                    WORDS[one.language][2] if first and one.sizes else "",
                    _at(one.sizes, place),
                    f"{one.id}-{place}" if place < max(1, len(one.sizes)) else "",
                    f"{one.price:.2f}" if place < max(1, len(one.sizes)) else "",
                    _at(one.pictures, place),
                    place + 1 if place < len(one.pictures) else "",
                )
            )
    return _delimited(rows).encode()


def shopify_old(all_goods: Sequence[Goods]) -> bytes:
    """Shopify's product CSV before 2025: a row for each variant and each further picture."""
    return _shopify(
        all_goods,
        ("Handle", "Title", "Body (HTML)", "Vendor", "Option1 Name", "Option1 Value",
         "Variant SKU", "Variant Price", "Image Src", "Image Position"),
    )  # fmt: skip


def shopify_new(all_goods: Sequence[Goods]) -> bytes:
    """Shopify's product CSV since 2025."""
    return _shopify(
        all_goods,
        ("URL handle", "Title", "Description", "Vendor", "Option1 name", "Option1 value", "SKU",
         "Price", "Product image URL", "Image position"),
    )  # fmt: skip


def woocommerce(all_goods: Sequence[Goods]) -> bytes:
    """WooCommerce's export of a German shop: parents, then their variations."""
    rows: list[Sequence[object]] = [
        ("ID", "Typ", "Artikelnummer", "Name", "Veröffentlicht", "Beschreibung", "Regulärer Preis",
         "Übergeordnetes Produkt", "Bilder", "Attribut 1 Name", "Attribut 1 Wert(e)"),
    ]  # fmt: skip
    for number, one in enumerate(all_goods, 1):
        kind = "variable" if one.sizes else "simple"
        size = WORDS[one.language][2] if one.sizes else ""
        price = f"{one.price:.2f}".replace(".", ",")
        rows.append(
            (10 * number, kind, one.id, one.title, 1, one.description, "" if one.sizes else price,
             "", ", ".join(one.pictures), size, ", ".join(one.sizes))
        )  # fmt: skip
        rows.extend(
            (10 * number + place, "variation", f"{one.id}-{value}", f"{one.title} - {value}", 1, "",
             price, one.id, "", size, value)
            for place, value in enumerate(one.sizes, 1)
        )  # fmt: skip
    return b"\xef\xbb\xbf" + _delimited(rows).encode()


def _offers(one: Goods) -> list[dict[str, str]]:
    """Return the offers of a Google Merchant feed: one for each variant."""
    common = {
        "title": one.title,
        "description": one.description,
        "link": f"https://shop.example/{one.id}",
        "image_link": one.pictures[0],
        "additional_image_link": ",".join(one.pictures[1:]),
        "price": f"{one.price:.2f} EUR",
        "availability": "in_stock",
    }
    if not one.sizes:
        return [{"id": one.id, **common, "item_group_id": "", "size": ""}]
    return [
        {"id": f"{one.id}-{size}", **common, "item_group_id": one.id, "size": size}
        for size in one.sizes
    ]


def google_tsv(all_goods: Sequence[Goods]) -> bytes:
    """A Google Merchant feed as TSV."""
    offers = [offer for one in all_goods for offer in _offers(one)]
    return _delimited([list(offers[0]), *(list(o.values()) for o in offers)], "\t").encode()


def google_xml(all_goods: Sequence[Goods]) -> bytes:
    """A Google Merchant feed as RSS."""
    items = []
    for offer in (offer for one in all_goods for offer in _offers(one)):
        links = offer.pop("additional_image_link")
        tags = [*offer.items(), *(("additional_image_link", link) for link in links.split(","))]
        item = "".join(f"<g:{tag}>{escape(text)}</g:{tag}>" for tag, text in tags if text)
        items.append(f"<item>{item}</item>")
    namespace = quoteattr("http://base.google.com/ns/1.0")
    return (
        f'<?xml version="1.0"?><rss version="2.0" xmlns:g={namespace}><channel>'
        f"<title>Shop</title>{''.join(items)}</channel></rss>"
    ).encode()


def _plain(one: Goods) -> dict[str, object]:
    return {
        "sku": one.id,
        "title": one.title,
        "description": one.description,
        "price": one.price,
        "image": "|".join(one.pictures),
        "lang": one.language,
    }


def semicolons(all_goods: Sequence[Goods]) -> bytes:
    """A table of a merchant's own, as Excel saves "Unicode text", but with semicolons."""
    rows = [_plain(one) for one in all_goods]
    return _delimited([list(rows[0]), *(list(row.values()) for row in rows)], ";").encode("utf-16")


def workbook(all_goods: Sequence[Goods]) -> bytes:
    """The same as a workbook."""
    book, out = openpyxl.Workbook(), io.BytesIO()
    rows = [_plain(one) for one in all_goods]
    book.active.append(list(rows[0]))
    for row in rows:
        book.active.append(list(row.values()))
    book.save(out)
    return out.getvalue()


def ndjson(all_goods: Sequence[Goods]) -> bytes:
    """The same as a JSON object on each line, with pictures as a list."""
    rows = ({**_plain(one), "image": list(one.pictures)} for one in all_goods)
    return "\n".join(json.dumps(row, ensure_ascii=False) for row in rows).encode()


FORMATS: dict[str, tuple[str, Callable[[Sequence[Goods]], bytes]]] = {
    "shopify-old": ("products_export.csv", shopify_old),
    "shopify-new": ("products.csv", shopify_new),
    "woocommerce": ("wc-product-export.csv", woocommerce),
    "google-tsv": ("feed.txt", google_tsv),
    "google-xml": ("feed.xml", google_xml),
    "semicolons": ("artikel.txt", semicolons),
    "workbook": ("artikel.xlsx", workbook),
    "ndjson": ("export.ndjson", ndjson),
}
"""The name of each file, and how it is written."""
