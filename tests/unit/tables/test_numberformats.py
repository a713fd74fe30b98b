"""Number formats: which are dates, and what a date is."""

from __future__ import annotations

import pytest
from lxml import etree

from visearch.tables.numberformats import PLAIN, Format, formats, style_of, value_of
from visearch.tables.table import Cell

DATE = Format("date")


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        ("General", "number"),
        ("0.00", "number"),
        ("#,##0.00 [$€-407]", "number"),
        ('0 "days"', "number"),
        ("[Red]0", "number"),
        ("\\d0", "number"),
        ("0%", "number"),
        ("[h]:mm:ss", "number"),
        ("yyyy-mm-dd", "date"),
        ("DD.MM.YY hh:mm;@", "date"),
        ('[$-409]d"th" mmm', "date"),
        ("h:mm AM/PM", "date"),
        ("00000", "code"),
        ("0000000000000", "code"),
        ("0", "number"),
    ],
)
def test_a_format_is_known_by_its_code(code: str, kind: str) -> None:
    styles = etree.Element("styleSheet")
    numbers = etree.SubElement(styles, "numFmts")
    etree.SubElement(numbers, "numFmt", numFmtId="164", formatCode=code)
    uses = etree.SubElement(styles, "cellXfs")
    for number in ("164", "0", "14", "x"):
        etree.SubElement(uses, "xf", numFmtId=number)
    assert [each.kind for each in formats(styles)] == [kind, "number", "date", "number"]


@pytest.mark.parametrize(
    ("text", "meaning", "value"),
    [
        ("12", PLAIN, 12),
        ("12.50", PLAIN, 12.5),
        ("4.006381333931E12", PLAIN, 4006381333931),
        ("-3", PLAIN, -3),
        ("1e30", PLAIN, 1e30),
        ("123", Format("code", 5), "00123"),
        ("1234567", Format("code", 5), "1234567"),
        ("-1", Format("code", 5), -1),
        ("1.5", Format("code", 5), 1.5),
        ("1", DATE, "1900-01-01"),
        ("59", DATE, "1900-02-28"),
        ("61", DATE, "1900-03-01"),
        ("45351", DATE, "2024-02-29"),
        ("45351.5", DATE, "2024-02-29T12:00:00"),
        ("45351.9999999", DATE, "2024-03-01"),
        ("0.25", DATE, "06:00:00"),
        ("2958465", DATE, "9999-12-31"),
        ("2958465.9999999", DATE, 2958465.9999999),
        ("2958466", DATE, 2958466),
        ("-1", DATE, -1),
        ("1e300", DATE, 1e300),
    ],
)
def test_values(text: str, meaning: Format, value: Cell) -> None:
    found = value_of(text, meaning, from_1904=False)
    assert found == value and type(found) is type(value)


@pytest.mark.parametrize("text", ["", "x", "nan", "inf", "1e999"])
def test_what_is_no_number(text: str) -> None:
    with pytest.raises((ValueError, OverflowError)):
        value_of(text, PLAIN, from_1904=False)


def test_styles_that_a_workbook_does_not_have() -> None:
    assert formats(None) == []
    assert [style_of(n, [DATE]) for n in ("0", "1", "-1", "x", None)] == [DATE, *[PLAIN] * 4]
