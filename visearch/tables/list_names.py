"""What the name of a list says of its elements: products, groups of them, or parts of one."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Literal

from visearch.tables.headings import normal

Kind = Literal["product", "generic", "offer", "group", "part", "other"]
"""What a list's name says of its elements. Offers are products, or a product's variants."""


def _words(text: str) -> frozenset[str]:
    return frozenset(normal(word) for word in text.split(","))


_KINDS: tuple[tuple[Kind, frozenset[str]], ...] = (
    (
        "product",
        _words("""product, products, product list, productlist, article, articles, goods, produkt,
        produkte, produkty, artikel, produit, produits, producto, productos, artículo, artículos,
        prodotto, prodotti, articolo, articoli, producten, artikelen, produto, produtos, towar,
        towary, shopitem"""),
    ),
    (
        "generic",
        _words("""item, items, item list, itemlist, entry, entries, row, rows, record, records,
        data, result, results, hits, nodes"""),
    ),
    ("offer", _words("offer, offers")),
    (
        "group",
        _words("""category, categories, subcategory, subcategories, group, groups, collection,
        collections, section, sections, department, departments, catalog, catalogs, catalogue,
        catalogues, shop, shops, store, stores, vendor, vendors, brand, brands, kategorie,
        kategorien, warengruppe, warengruppen, gruppe, gruppen, catégorie, catégories, groupe,
        groupes, categoría, categorías, grupo, grupos, categoria, gruppo, gruppi, categorieën,
        kategoria, grupa, grupy"""),
    ),
    (
        "part",
        _words("""variant, variants, variation, variations, varianten, variante, variantes,
        varianti, image, images, picture, pictures, photo, photos, bild, bilder, foto, fotos,
        immagini, imágenes, imagens, zdjęcia, media, gallery, option, options, attribute,
        attributes, property, properties, param, params, sku, skus, size, sizes, color, colors,
        colour, colours, review, reviews, price, prices, shipping, tag, tags, related,
        related products, relatedproducts, relations, accessory, accessories, similar,
        recommendations, upsell, upsells, cross sell, cross sells, crosssells, component,
        components, bundle, bundled items, parts, combinations, combination"""),
    ),
)
OF_PRODUCTS = ("product", "produkt", "article", "artikel")
NAMED: tuple[Kind, ...] = ("product", "generic", "offer")
_OF_PICTURES = re.compile(
    r"(?:image|picture|photo|bild(?:er)?|foto|media|asset|galler(?:y|ie))s? ?[0-9]*"
    r"(?: (?:list|entries|items|set|files|urls|links|data))?$"
)
NO_PICTURES = _words("logo, icon, favicon, banner, avatar, swatch")
"""What has a picture and need not be a product."""


@lru_cache(maxsize=4096)
def kind_of(name: str) -> Kind:
    """Return what the name of a list says of its elements."""
    bare = normal(name)
    return next((kind for kind, words in _KINDS if bare in words), "other")


@lru_cache(maxsize=4096)
def means_pictures(name: str) -> bool:
    """Tell whether a list is called as one of pictures, such as ``productImages``."""
    return _OF_PICTURES.search(normal(name)) is not None
