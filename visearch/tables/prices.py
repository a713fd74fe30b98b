"""Prices as people write them: ``12,99``, ``1.299,00 €``, ``$1,299.00``, ``CHF 1'299.-``."""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache
from typing import NamedTuple

import price_parser

_LONGEST = 48
_MOST_DIGITS = 15
"""A float holds that many exactly."""

_PRICE = re.compile(
    r"(?P<minus>[-\u2212]?) ?"
    r"(?P<before>[^0-9,'\u2019+\-\u2212]{0,12}?) ?"
    r"(?P<sign>[-\u2212]?) ?"
    r"(?P<number>(?:(?<![^\W0-9])[.,])?[0-9](?:[0-9.,'\u2019 ]*[0-9])?)"
    r"(?:[.,:][-\u2013\u2014]{1,2})? ?"  # "12,-" and "99:-" are whole amounts
    r"(?P<after>[^0-9,]{0,12})"
)
_LABEL = re.compile(
    r"(?:uvp|rrp|msrp|srp|pvp|price|preis|prix|precio|prezzo|prijs|cena|preço|цена|价格|價格|価格|가격)"
    r"(?:[.:*\s]+|(?=[\W0-9]))",
    re.IGNORECASE,
)
"""What a price may call itself."""
_PLAIN = re.compile(r"[0-9]{1,9}\.[0-9]{1,2}")
"""What most prices look like; the rest is slower to read."""
_SPACED = re.compile(r"[0-9]{1,3}([ '\u2019])[0-9]{3}(?:\1[0-9]{3})*(?:[.,][0-9]+)?")
_DOTS = re.compile(r"[0-9]{1,3}(?:\.[0-9]{3})+")
# India writes 12,34,567.
_COMMAS = re.compile(r"[0-9]{1,3}(?:,[0-9]{3})+|[0-9]{1,2}(?:,[0-9]{2})*,[0-9]{3}")
_SPACES = re.compile("[ '\u2019]")

_CODES = {
    "€": "EUR",
    "euro": "EUR",
    "£": "GBP",
    "₹": "INR",
    "₽": "RUB",
    "\u0440\u0443\u0431": "RUB",
    "₺": "TRY",
    "TL": "TRY",
    "₩": "KRW",
    "₴": "UAH",
    "₪": "ILS",
    "zł": "PLN",
    "Kč": "CZK",
    "Ft": "HUF",
    "円": "JPY",
    "US$": "USD",
    "R$": "BRL",
    "CA$": "CAD",
    "AU$": "AUD",
    "NZ$": "NZD",
    "HK$": "HKD",
}
"""Signs that mean one currency only; "$", "¥" and "kr" do not and stay as they were written."""

_UNLISTED = {"บาท": "THB", "元": "元"}
"""Signs that the parser does not know."""

_MEANT: dict[str, frozenset[str]] = {
    sign: frozenset(codes.split())
    for sign, codes in {
        "$": "USD CAD AUD NZD HKD SGD TWD MXN ARS CLP COP BRL UYU DOP",
        "C$": "CAD",
        "A$": "AUD",
        "S$": "SGD",
        "NT$": "TWD",
        "MX$": "MXN",
        "¥": "JPY CNY RMB",
        "元": "CNY RMB TWD HKD",
        "kr": "SEK NOK DKK ISK",
        "Rs": "INR PKR LKR NPR MUR",
        "Fr.": "CHF",
        "lei": "RON",
        "лв": "BGN",
        "грн": "UAH",
        "원": "KRW",
        "₫": "VND",
        "₸": "KZT",
        "฿": "THB",
        "KD": "KWD",
        "DT": "TND",
    }.items()
}
"""The currencies that a sign may stand for beside their code: ``$12.99 CAD``."""

_IN_THOUSANDTHS = {
    "KWD": ".", "KD": ".", "BHD": ".", "OMR": ".", "JOD": ".", "IQD": ".", "LYD": ".",
    "TND": ".,", "DT": ".,",
}  # fmt: skip
"""Currencies whose prices have three decimals, and the decimal signs that are written there."""


class Price(NamedTuple):
    """An amount, its currency if it states one, and the decimal sign if it shows one."""

    amount: int | float
    currency: str | None
    decimal: str | None


def price_of(text: str, decimal: str | None = None) -> Price | None:
    """Return the price that a text is as a whole; None if it is anything else.

    ``decimal`` holds the decimal signs of the column: they decide of ``1.299`` and ``1,299``, which
    are taken for a thousand and more otherwise. In a currency of three decimals, so does that.
    """
    if _PLAIN.fullmatch(text):
        return Price(float(text), None, ".")
    return None if len(text) > _LONGEST else _price(text, decimal)


@lru_cache(maxsize=8192)  # a shop's prices are few, and each is read twice
def _price(text: str, decimal: str | None) -> Price | None:
    # Full-width digits become digits, and any kind of space a plain one. Stars mean footnotes.
    plain = " ".join(unicodedata.normalize("NFKC", text).split()).strip("* ")
    label = _LABEL.match(plain)
    found = _PRICE.fullmatch(plain, label.end() if label is not None else 0)
    if found is None:
        return None
    currencies = _meant(_stated(found["before"]) | _stated(found["after"]))
    if None in currencies or len(currencies) > 1:
        return None
    currency = next(iter(currencies), None)
    amount = _amount(found["number"], decimal, _IN_THOUSANDTHS.get(currency or "", ""))
    if amount is None:
        return None
    value, shown = amount
    negative = bool(found["minus"] or found["sign"])
    return Price(-value if negative else value, currency, shown)


def decimal_in(heading: str) -> str | None:
    """Return the decimal signs of a column whose heading names a currency of three decimals."""
    words = re.findall(r"[a-z]+", heading.casefold())
    return next((_IN_THOUSANDTHS[w.upper()] for w in words if w.upper() in _IN_THOUSANDTHS), None)


def _stated(part: str) -> set[str | None]:
    """Return the currencies that stand on one side of an amount; None of what is none."""
    sign = part.strip()
    if not sign:
        return set()
    whole = _currency(sign)
    return {whole} if whole is not None else {_currency(each) for each in sign.split()}


def _meant(currencies: set[str | None]) -> set[str | None]:
    """Leave out a sign beside the code of a currency that it may stand for."""
    return {
        each
        for each in currencies
        if each is None or not _MEANT.get(each, frozenset()).intersection(currencies)
    }


def is_money(currency: str) -> bool:
    """Tell whether a sign can only be money: "m" or "kr" may be anything, "€" and "EUR" may not."""
    code = len(currency) == 3 and currency.isascii() and currency.isupper()
    return code or any(unicodedata.category(letter) == "Sc" for letter in currency)


@lru_cache(maxsize=1024)
def _currency(sign: str) -> str | None:
    # Asked of the sign alone: the parser finds prices inside of sentences, which are not meant
    # here. What it knows is which signs are currencies.
    if sign in _UNLISTED:
        return _UNLISTED[sign]
    for form in (sign, sign.rstrip("."), sign.upper() if len(sign) == 3 else sign.lower()):
        found = price_parser.Price.fromstring(None, currency_hint=form).currency
        if found is not None and found.rstrip(".") == form.rstrip("."):
            return _CODES.get(found.rstrip("."), "EUR" if found == "eur" else found)
    return None


def _amount(
    number: str, decimal: str | None, thousandths: str
) -> tuple[int | float, str | None] | None:
    """Return the value, and the decimal sign if it shows without doubt; None if it is no number."""
    if sum(letter.isdigit() for letter in number) > _MOST_DIGITS:
        return None
    if _SPACES.search(number):
        if not _SPACED.fullmatch(number):
            return None
        number = _SPACES.sub("", number)
        whole, sign, part = number.partition("." if "." in number else ",")
        return _decimal(whole, part, sign) if sign else (int(number), None)
    signs = [letter for letter in number if letter in ".,"]
    if not signs:
        return int(number), None
    if len(signs) == 1:
        return _one_sign(number, signs[0], (decimal or "") + thousandths)
    last = signs[-1]
    if len(set(signs)) == 1:
        grouped = _DOTS if last == "." else _COMMAS
        return (int(number.replace(last, "")), None) if grouped.fullmatch(number) else None
    whole, _, part = number.rpartition(last)
    grouped = _COMMAS if last == "." else _DOTS
    return _decimal(whole, part, last) if grouped.fullmatch(whole) else None


def _one_sign(number: str, sign: str, decimals: str) -> tuple[int | float, str | None]:
    whole, _, part = number.partition(sign)
    thousands = len(part) == 3 and 1 <= len(whole) <= 3 and not whole.startswith("0")
    if not thousands:
        return _decimal(whole, part, sign)
    # Either a thousand and more or three decimals: only the rest of the column can tell.
    return (_decimal(whole, part, sign)[0] if sign in decimals else int(whole + part)), None


def _decimal(whole: str, part: str, sign: str) -> tuple[float, str]:
    digits = whole.replace(".", "").replace(",", "")
    return float(f"{digits or '0'}.{part}"), sign
