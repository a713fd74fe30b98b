"""What a workbook's number formats mean for values: dates, and codes with leading zeros."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, Literal, NamedTuple

from visearch.tables.table import Cell

_BUILT_IN_DATES = frozenset([*range(14, 23), *range(27, 37), 45, 47, *range(50, 59)])
_IGNORED = re.compile(r'"[^"]*"|\\.|_.|\*.|\[[^\]]*\]')  # literal texts, colours, conditions
_ELAPSED = re.compile(r"\[(h+|m+|s+)\]", re.IGNORECASE)
_DATE = re.compile("[dmyhsbg]", re.IGNORECASE)
_GENERAL = re.compile("general", re.IGNORECASE)
_ZEROS = re.compile("0{2,}")

_DAY = 86_400
_LAST_DAY = 2_958_465
"""31 December 9999."""


class Format(NamedTuple):
    """How a number is meant: as a date, as a code of so many digits, or as it is."""

    kind: Literal["number", "date", "code"]
    digits: int = 0


PLAIN = Format("number")


def formats(styles: Any | None) -> list[Format]:
    """Return the format of each of a workbook's cell styles, in order."""
    if styles is None:
        return []
    codes = {
        found.get("numFmtId", ""): found.get("formatCode", "")
        for found in styles.iterfind("{*}numFmts/{*}numFmt")
    }
    ids = [style.get("numFmtId", "0") for style in styles.iterfind("{*}cellXfs/{*}xf")]
    meanings = {each: _meaning(each, codes.get(each)) for each in set(ids)}
    return [meanings[each] for each in ids]


def value_of(text: str, meaning: Format, *, from_1904: bool) -> Cell:
    """Return the value of a number as it is stored: an int where it is whole, else a float.

    A date is ISO text. One that no calendar has stays a number.

    Raises:
        ValueError: it is not a number.
    """
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(text)
    if meaning.kind == "date" and (moment := _moment(number, from_1904=from_1904)):
        return moment
    whole = int(number) if number.is_integer() and abs(number) < 1e18 else None
    if meaning.kind == "code" and whole is not None and whole >= 0:
        return f"{whole:0{meaning.digits}d}"
    return number if whole is None else whole


def style_of(number: str | None, known: Sequence[Format]) -> Format:
    """Return the format of a cell's style."""
    if number is None or not number.isdecimal() or int(number) >= len(known):
        return PLAIN
    return known[int(number)]


def _meaning(number: str, code: str | None) -> Format:
    if code is None:
        known = number.isdecimal() and int(number) in _BUILT_IN_DATES
        return Format("date") if known else PLAIN
    first = code.split(";")[0]  # the others are for negative numbers, zero and texts
    if _ELAPSED.search(first):
        return PLAIN  # a length of time
    bare = _IGNORED.sub("", first)
    if _ZEROS.fullmatch(bare):
        return Format("code", len(bare))
    return Format("date") if _DATE.search(_GENERAL.sub("", bare)) else PLAIN


def _moment(number: float, *, from_1904: bool) -> str | None:
    if not 0 <= number <= _LAST_DAY:
        return None
    seconds = round(number * _DAY)
    if seconds < _DAY and not from_1904:
        return (datetime(1900, 1, 1) + timedelta(seconds=seconds)).time().isoformat()
    # Excel takes 1900 for a leap year: day 60 does not exist, and the days before it are one off.
    epoch = datetime(1904, 1, 1) if from_1904 else datetime(1899, 12, 30 if number >= 60 else 31)
    try:
        moment = epoch + timedelta(seconds=seconds)
    except OverflowError:
        return None
    return moment.isoformat() if seconds % _DAY else moment.date().isoformat()
