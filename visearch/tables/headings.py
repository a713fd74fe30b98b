"""What headings mean, in the languages that merchants write them in."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable
from functools import lru_cache
from typing import Literal, get_args

from visearch.tables import heading_words as words_of

Field = Literal[
    "id", "title", "picture", "url", "price", "group", "position", "description", "attribute",
    "ignore",
]  # fmt: skip
FIELDS: tuple[Field, ...] = get_args(Field)

# "productId", "imageURLs": a new word begins with a capital, an abbreviation is one word.
_HUMP = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z](?!s(?![a-z]))[a-z])")
_GAPS = re.compile(r"[\s_\-./:()\[\]#*\"'\u2019\uff08\uff09]+")
_SIGN = re.compile(r"(?<=\w)\s*#$")  # "Item #" is its number
_NUMBER = re.compile(r"(?<=[^0-9])[0-9]{1,2}(?![0-9])")


@lru_cache(maxsize=4096)
def normal(heading: str) -> str:
    """Return a heading as it is compared: lower case, no accents, one space between words."""
    return _folded(_HUMP.sub(" ", _bare(heading)))


def _bare(heading: str) -> str:
    letters = unicodedata.normalize("NFKD", heading)
    return "".join(letter for letter in letters if not unicodedata.combining(letter)).strip()


def _folded(bare: str) -> str:
    folded = _SIGN.sub(" number", bare).casefold().replace("ł", "l")
    return " ".join(_GAPS.sub(" ", folded).split())


def _joined(heading: str) -> str:
    """Return a heading without its gaps: people write ``SKUCode``, ``sku_code`` and ``SKU code``"""
    return normal(heading).replace(" ", "")


def _split(text: str) -> list[str]:
    return [name for part in text.replace("\n", ",").split(",") if (name := part.strip())]


def _ranked(text: str) -> dict[str, int]:
    """Read a list of headings, the surest first: name → place."""
    return {name: place for place, name in reversed(list(enumerate(map(_joined, _split(text)))))}


def _words(text: str) -> frozenset[str]:
    return frozenset(map(normal, _split(text)))


_MEANINGS: dict[Field, dict[str, int]] = {
    "id": _ranked(words_of.ID),
    "title": _ranked(words_of.TITLE),
    "picture": _ranked(words_of.PICTURE + words_of.SOME_PICTURES + words_of.PICTURE_NAMES),
    "url": _ranked(words_of.URL),
    "price": _ranked(words_of.PRICE),
    "group": _ranked(words_of.GROUP),
    "description": _ranked(words_of.DESCRIPTION),
}
_NUMBERED: tuple[Field, ...] = ("picture", "description")
_ALL_PICTURES = _words(words_of.PICTURE)
_PICTURE_NAMES = _ranked(words_of.PICTURE_NAMES)
_CONTAINERS = _ranked(words_of.CONTAINERS)
_MONEY, _CODES, _VARIANTS = map(_words, (words_of.MONEY, words_of.CODES, words_of.VARIANTS))
_NO_PRODUCT = _words(words_of.NO_PRODUCT)


def place(heading: str, field: Field) -> int | None:
    """Return how surely a heading means a field, 0 the surest; None if it does not."""
    known = _MEANINGS.get(field, {})
    found = _place(heading, known, numbered=field in _NUMBERED)
    if found is None and "." in heading:  # of a nested object: a brand's id is not the product's
        outer, _, inner = heading.rpartition(".")
        if _joined(outer) in _CONTAINERS and (rank := known.get(_joined(inner))) is not None:
            return rank + len(known)
    return found


def _place(heading: str, known: dict[str, int], *, numbered: bool) -> int | None:
    name = _joined(heading)
    found = known.get(name)
    if found is None and numbered:  # "image 2", "photo3", "Image 1 URL"
        found = known.get(_NUMBER.sub("", name, count=1))
    return found


def names_all_pictures(heading: str) -> bool:
    """Tell whether a table with this heading has no pictures in columns of unknown headings.

    The words must stand apart: ``imageUrl`` is of a program, which may have ``zoomUrl`` as well.
    """
    outer, _, inner = heading.rpartition(".")
    name = _folded(_bare(inner if _joined(outer) in _CONTAINERS else heading))
    return name in _ALL_PICTURES or _NUMBER.sub("", name).strip() in _ALL_PICTURES


def may_name_pictures(heading: str) -> bool:
    """Tell whether a heading of no known meaning leaves it to its values, logos apart."""
    known = any(place(heading, field) is not None for field in FIELDS)
    return not known and not _says(
        heading, lambda words: bool(_NO_PRODUCT & words), words_of.NO_PRODUCT_SIGNS
    )


def names_files_only(heading: str) -> bool:
    """Tell whether a heading means names of files, which another column may give in full."""
    return _place(heading, _PICTURE_NAMES, numbered=True) is not None


def promises_prices(heading: str) -> bool:
    """Tell whether a column of this heading holds prices, if its values allow it."""
    return _says(heading, lambda words: bool(_MONEY & words), words_of.MONEY_SIGNS)


def promises_codes(heading: str) -> bool:
    """Tell whether digits in a column of this heading are codes and not numbers."""
    return _says(heading, lambda words: bool(_CODES & words), words_of.CODE_SIGNS)


def promises_variants(heading: str) -> bool:
    """Tell whether a column of this heading says in what the variants of a product differ."""
    return _says(heading, lambda words: bool(_VARIANTS & words), words_of.VARIANT_SIGNS)


def _says(heading: str, words: Callable[[set[str]], bool], signs: tuple[str, ...]) -> bool:
    name = normal(heading)
    return words(set(name.split())) or any(normal(sign) in name for sign in signs)
