"""What the values of a column are: its type over all of them, and each of them of that type.

Values keep what was typed. A column is a number only if every value of it reads as one and would
be written again as it stands: ``00123``, ``90.750`` and codes of twelve digits stay texts.
"""

from __future__ import annotations

import math
import re
from datetime import date, datetime
from functools import lru_cache
from typing import Literal, NamedTuple, get_args

from visearch.rules import number_of
from visearch.tables.prices import is_money, price_of
from visearch.tables.table import Cell, Kind

Type = Literal["text", "number", "boolean", "price", "date", "list"]
TYPES: tuple[Type, ...] = get_args(Type)
Value = str | float | bool | list[str]

LONGEST_EXAMPLE = 80
_SHORT = 48
"""Characters of a text that is remembered."""

REMEMBERED = 50_000
"""Values that all columns of a table remember together; each takes some 200 bytes."""

_MOST_CURRENCIES = 32

_LONG_CODE = 12
"""Digits of a whole number from which it is taken for a code: the shortest EAN but one."""
_DIGITS = re.compile(r"-?[0-9]{12,}")
_LONGEST_NUMBER = 24
"""Characters of fifteen digits and six decimals, with a sign and a point; no number is longer."""
_NO_ZERO_LAST = re.compile(r"-?[0-9]+(?:\.[0-9]*[1-9])?")
_DATE = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}"
    r"(?:[T ][0-9]{2}:[0-9]{2}(?::[0-9]{2}(?:\.[0-9]{1,6})?)?(?:Z|[+-][0-9]{2}:?[0-9]{2})?)?"
)
_TRUE = frozenset(
    {"true", "yes", "y", "1", "ja", "oui", "si", "sí", "sì", "tak", "sim", "はい", "是"}
)
_FALSE = frozenset({"false", "no", "n", "0", "nein", "non", "nee", "nie", "não", "いいえ", "否"})
YES_OR_NO = _TRUE | _FALSE
# A spreadsheet writes a number of twelve digits or more so, and keeps fifteen of a longer one.
_SCIENTIFIC = re.compile(r"[1-9](?:[.,][0-9]{1,14}E\+?|E\+)([0-9]{2,3})", re.IGNORECASE)
_ROUNDED = re.compile(r"[1-9][0-9]{14}0+")
_SPACES = "".join(filter(str.isspace, map(chr, range(0x3001))))
_UNSEEN = _SPACES + "\u200b\u200c\u200d\u200e\u200f\u2060\ufeff"
_SEPARATORS = ("|", ";", ",")

# English; German; French; Spanish and Portuguese; Italian; Dutch; Polish; Russian.
FORMULA_ERRORS = frozenset({
    "#N/A", "#REF!", "#VALUE!", "#NAME?", "#DIV/0!", "#NUM!", "#NULL!", "#SPILL!", "#CALC!",
    "#ERROR!", "#NV", "#BEZUG!", "#WERT!", "#ZAHL!", "#VALEUR!", "#NOM?", "#NOMBRE!", "#NUL!",
    "#N/D", "#¡REF!", "#¡VALOR!", "#¿NOMBRE?", "#¡DIV/0!", "#¡NUM!", "#¡NULO!", "#VALOR!",
    "#NOME?", "#NÚM!", "#NULO!", "#RIF!", "#VALORE!", "#NULLO!", "#N/B", "#VERW!", "#WAARDE!",
    "#NAAM?", "#DEEL/0!", "#GETAL!", "#LEEG!", "#N/D!", "#ADR!", "#ARG!", "#NAZWA?", "#DZIEL/0!",
    "#LICZBA!", "#ZERO!", "#\u041d/\u0414", "#ССЫЛКА!", "#ЗНАЧ!", "#ИМЯ?", "#ДЕЛ/0!", "#ЧИСЛО!",
    "#ПУСТО!",
})  # fmt: skip
"""What spreadsheets write as the value of a formula that has none."""


def text_of(cell: Cell) -> str:
    """Return a cell as text without the spaces around it; empty if there is nothing in it."""
    if isinstance(cell, str):
        return cell.strip()
    if cell is None:
        return ""
    if isinstance(cell, bool):
        return "true" if cell else "false"
    if isinstance(cell, list):
        return next((each.strip() for each in cell if each.strip()), "")
    if isinstance(cell, float) and cell.is_integer() and abs(cell) < 1e15:
        return str(int(cell))
    return str(cell)


def id_of(cell: Cell) -> str:
    """Return a cell as an id: without blanks around it, nor what nobody sees there."""
    text = text_of(cell)
    return text if text.isascii() else text.strip(_UNSEEN)


def exact_number(text: str) -> int | float | None:
    """Return the number that a text is, if the number would be written as the text is."""
    if text.isdigit() and text.isascii() and len(text) < _LONG_CODE and text[0] != "0":
        return int(text)  # as most are; the rest is slower to read
    return _exact(text) if len(text) <= _LONGEST_NUMBER else None


@lru_cache(maxsize=8192)  # sizes are few, and each is looked at and then read
def _exact(text: str) -> int | float | None:
    if text == "-0" or _DIGITS.fullmatch(text) or not _NO_ZERO_LAST.fullmatch(text):
        return None
    if len(text) > 15 and sum(letter.isdigit() for letter in text) > 15:
        return None  # a float would round it
    return number_of(text)


def is_date(text: str) -> bool:
    """Tell whether a text is an ISO date, or a date and a time."""
    if text[4:5] != "-" or not _DATE.fullmatch(text):
        return False
    try:
        date.fromisoformat(text) if len(text) == 10 else datetime.fromisoformat(text)
    except ValueError:
        return False
    return True


def is_damaged(code: str) -> bool:
    """Tell whether a spreadsheet has cut digits off a long code: others may look the same now."""
    if not "1" <= code[:1] <= "9":
        return False
    found = _SCIENTIFIC.fullmatch(code)
    if found is not None:
        return int(found[1]) >= _LONG_CODE - 1
    return _ROUNDED.fullmatch(code) is not None


def is_empty(cell: Cell) -> bool:
    """Tell whether a cell says nothing."""
    if isinstance(cell, str):
        return not cell.strip()
    return cell is None or cell == []


class Evidence:
    """What the values of one column have in common so far; its size does not grow with them.

    ``kind`` is that of the file: in JSON and XLSX a text was meant to be one, though it may look
    like a number. So many texts are ``remembered``: one that comes again is known at once.
    """

    __slots__ = (
        "_all", "_currencies", "_decimals", "_keeps_types", "_money", "_prices", "_room", "_seen",
        "_typed", "_values", "example", "is_open",
    )  # fmt: skip

    def __init__(self, kind: Kind, remembered: int = 0) -> None:
        self.example: str | None = None
        self._typed = kind in ("json", "ndjson", "xlsx")
        self._keeps_types = kind in ("json", "ndjson")
        self._all: set[Type] = {"number", "boolean", "date", "list"}
        self.is_open = True  # some type besides text is still possible
        self._values = self._prices = 0
        self._money = True  # every value so far states its currency
        self._currencies: set[str] = set()
        self._decimals: set[str] = set()
        self._seen: dict[str, bool] = {}  # short texts, and whether each was counted as a price
        self._room = remembered

    def add(self, cell: Cell, *, price: bool = False) -> None:
        """Look at one value; ``price`` says that the column's heading promises prices."""
        if not self.is_open and not price:
            return
        if isinstance(cell, str):
            if (counted := self._seen.get(cell)) is not None:
                self._values += 1  # it says nothing new
                self._prices += counted
                return
            text = cell.strip()
            if not text:
                return
        else:
            if is_empty(cell):
                return
            text = text_of(cell)
        if self.example is None:
            self.example = text[:LONGEST_EXAMPLE]
        self._values += 1
        if self._all:
            self._narrow(cell, text)
        before = self._prices
        if price or self._money:
            self._look_for_a_price(cell, text)
        self.is_open = bool(self._all) or self._money
        if self._room and isinstance(cell, str) and len(cell) <= _SHORT:
            self._seen[cell] = self._prices > before
            self._room -= 1

    def _narrow(self, cell: Cell, text: str) -> None:
        """Leave of the possible types those that this value is of."""
        left = self._all
        if not isinstance(cell, str):
            left &= self._types(cell)
            return
        left.discard("list")
        if "number" in left and (self._typed or exact_number(text) is None):
            left.discard("number")
        if "boolean" in left and (self._typed or text.lower() not in ("true", "false")):
            left.discard("boolean")
        if "date" in left and not is_date(text):
            left.discard("date")

    def _types(self, cell: Cell) -> set[Type]:
        if isinstance(cell, bool):
            return {"boolean"}
        if isinstance(cell, int | float):
            return set() if self._is_long_code(cell) else {"number"}
        return {"list"} if isinstance(cell, list) else set()

    def _is_long_code(self, cell: float) -> bool:
        # JSON says that it is a number; a spreadsheet makes numbers of codes.
        whole = isinstance(cell, int) or cell.is_integer()
        return not self._keeps_types and whole and abs(cell) >= 10 ** (_LONG_CODE - 1)

    def _look_for_a_price(self, cell: Cell, text: str) -> None:
        found = None if isinstance(cell, bool | list) else price_of(text)
        if found is None:
            self._money = False
            return
        self._prices += 1
        if found.decimal is not None:
            self._decimals.add(found.decimal)
        if found.currency is None or not is_money(found.currency):
            self._money = False
        if found.currency is not None and len(self._currencies) < _MOST_CURRENCIES:
            self._currencies.add(found.currency)

    def guess(self, *, price: bool, code: bool) -> Type:
        """Return the type of the values seen.

        Args:
            price: the heading promises prices: most of the values are enough.
            code: the heading promises codes: their digits are no numbers.
        """
        if not self._values:
            return "price" if price else "text"
        if price and 2 * self._prices > self._values:
            return "price"
        if code:
            return "list" if "list" in self._all else "text"
        for each in ("number", "boolean", "date", "list"):
            if each in self._all:
                return each
        return "price" if self._money else "text"

    @property
    def currency(self) -> str | None:
        """The only currency that the values state; None if it is none, or several."""
        return next(iter(self._currencies)) if len(self._currencies) == 1 else None

    @property
    def decimal(self) -> str | None:
        """The only decimal sign that shows in the prices; None if it is none, or both."""
        return next(iter(self._decimals)) if len(self._decimals) == 1 else None


class Taken(NamedTuple):
    """A value as it is kept, the currency it states, and whether it is not of its column's type."""

    value: Value
    currency: str | None = None
    odd: bool = False


class Reader:
    """Reads the values of one column of a known type.

    ``stated`` tells that the merchant has named the type: then ``00123`` is a number. A value that
    cannot be of the type stays the text that was typed, whoever has named it.
    """

    def __init__(
        self,
        kind: Kind,
        of: Type,
        *,
        stated: bool = False,
        decimal: str | None = None,
        remembered: int = 0,
    ) -> None:
        self._keeps_types = kind in ("json", "ndjson")
        self._of = of
        self._stated = stated
        self._decimal = decimal
        self._taken: dict[str, Taken] = {}
        self._room = 0 if of == "list" else remembered
        self.is_text = of == "text"

    def read(self, cell: Cell) -> Taken | None:
        """Return what is kept of a cell; None of an empty one."""
        if isinstance(cell, str):
            return self._taken.get(cell) or self._read_text(cell)
        if is_empty(cell):
            return None
        if isinstance(cell, list):
            texts = [each.strip() for each in cell if each.strip()]
            return Taken(texts) if texts else None
        if isinstance(cell, bool):
            return self._typed(cell, fits=self._of == "boolean")
        if isinstance(cell, int | float):
            return self._typed(cell, fits=self._of in ("number", "price"))
        return None

    def _read_text(self, cell: str) -> Taken | None:
        text = cell.strip()
        if not text:
            return None
        taken = self._text(text)
        if self._room and len(cell) <= _SHORT:
            self._taken[cell] = taken
            self._room -= 1
        return taken

    def _typed(self, cell: float | bool, *, fits: bool) -> Taken:
        # JSON says what is a number; a spreadsheet makes numbers of sizes and codes.
        if fits or (self._keeps_types and not (self._stated and self._of == "text")):
            return Taken(_finite(cell))
        return Taken(text_of(cell), odd=self._of != "text")

    def _text(self, text: str) -> Taken:
        if self._of == "number":
            exact = exact_number(text)
            return Taken(exact) if exact is not None else self._amount(text)
        if self._of == "price":
            return self._amount(text)
        if self._of == "text":
            return Taken(text)
        if self._of == "list":
            return Taken(self._parts(text))
        if self._of == "date":
            return Taken(text, odd=not is_date(text))
        word = text.lower()
        if word in ("true", "false") or (self._stated and word in YES_OR_NO):
            return Taken(word in _TRUE)
        return Taken(text, odd=True)

    def _amount(self, text: str) -> Taken:
        """Return a price, or a number as people write it where the merchant has named the type."""
        is_price = self._of == "price"
        decimal = self._decimal or (None if is_price else ".")
        price = price_of(text, decimal) if is_price or self._stated else None
        if price is None:
            return Taken(text, odd=True)
        return Taken(price.amount, price.currency if is_price else None)

    def _parts(self, text: str) -> Value:
        if not self._stated:
            return text
        sign = next((sign for sign in _SEPARATORS if sign in text), None)
        return [part.strip() for part in text.split(sign) if part.strip()] if sign else [text]


def _finite(cell: float | bool) -> Value:
    try:
        return cell if isinstance(cell, bool) or math.isfinite(cell) else str(cell)
    except OverflowError:  # an integer that no float holds
        return str(cell)
