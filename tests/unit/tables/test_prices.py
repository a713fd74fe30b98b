"""Prices as people write them, and what is none."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from visearch.tables.prices import decimal_in, is_money, price_of


@pytest.mark.parametrize(
    ("text", "amount", "currency"),
    [
        ("12", 12, None),
        ("12.99", 12.99, None),
        ("12,99", 12.99, None),
        ("1.299,00", 1299.0, None),
        ("1.299,00 €", 1299.0, "EUR"),
        ("$1,299.00", 1299.0, "$"),
        ("EUR 12.99", 12.99, "EUR"),
        ("12.99 EUR", 12.99, "EUR"),
        ("usd 3", 3, "USD"),
        ("US$5", 5, "USD"),
        ("12 Euro", 12, "EUR"),
        ("-5.00", -5.0, None),
        ("-$5.00", -5.0, "$"),
        ("$-5", -5, "$"),
        ("1 299,00 zł", 1299.0, "PLN"),
        ("1\u202f299,00\u00a0€", 1299.0, "EUR"),
        ("CHF 1'299.-", 1299, "CHF"),
        ("99:-", 99, None),
        ("99,50 kr.", 99.5, "kr"),
        ("R$ 12,90", 12.9, "BRL"),
        ("\uff11\uff12\uff19\uff19円", 1299, "JPY"),
        ("Rs. 1,299", 1299, "Rs"),
        ("12,34,567.50", 1234567.5, None),
        ("1.299", 1299, None),
        ("1,299", 1299, None),
        ("1,299,000", 1299000, None),
        ("0.125", 0.125, None),
        ("1299.999", 1299.999, None),
        (".75", 0.75, None),
        ("$12.99 USD", 12.99, "USD"),
        ("$12.99 CAD", 12.99, "CAD"),
        ("CAD $12.99", 12.99, "CAD"),
        ("12,99 € EUR", 12.99, "EUR"),
        ("¥1,200 JPY", 1200, "JPY"),
        ("99 kr SEK", 99, "SEK"),
        ("129元", 129, "元"),
        ("199 บาท", 199, "THB"),
        ("12,99 €*", 12.99, "EUR"),
        ("UVP 13,99 €", 13.99, "EUR"),
        ("UVP*: 13,99 €", 13.99, "EUR"),
        ("Price: $12.99", 12.99, "$"),
        ("价格129元", 129, "元"),
        ("12.500 KWD", 12.5, "KWD"),
        ("KWD 1,250.500", 1250.5, "KWD"),
        ("1,250 KWD", 1250, "KWD"),
        ("OMR 0.750", 0.75, "OMR"),
        ("12,500 TND", 12.5, "TND"),
    ],
)
def test_a_price(text: str, amount: float, currency: str | None) -> None:
    found = price_of(text)
    assert found is not None
    assert (found.amount, found.currency) == (amount, currency)


@pytest.mark.parametrize(
    "text",
    [
        "", "EUR", "Free", "3 for 12 EUR", "12.99 or 13", "12.99 €/kg", "5 kg", "50%", "10-12",
        "2024-01-01", "1.2.3", "1,2,3", "1,299,00", "1 2 3", "12 EUR 13", "$12 EUR", "1e5",
        "¥5 USD", "£5 USD EUR", "pricey 5", "UVP", "*", "12.99 * 2",
        "1" * 16, "9" * 100_000, " " * 100_000,
    ],
)  # fmt: skip
def test_no_price(text: str) -> None:
    assert price_of(text) is None


@pytest.mark.parametrize(
    ("text", "decimal", "amount"),
    [("1.299", ".", 1.299), ("1.299", ",", 1299), ("1,299", ",", 1.299), ("1,299", ".", 1299)],
)
def test_the_column_decides_of_three_digits(text: str, decimal: str, amount: float) -> None:
    found = price_of(text, decimal)
    assert found is not None and found.amount == amount


@pytest.mark.parametrize(
    ("heading", "decimal"),
    [("Price (KWD)", "."), ("prix_tnd", ".,"), ("Price", None), ("Price (EUR)", None)],
)
def test_headings_that_name_a_currency_of_three_decimals(heading: str, decimal: str | None) -> None:
    assert decimal_in(heading) == decimal


@pytest.mark.parametrize(
    ("sign", "sure"), [("EUR", True), ("$", True), ("zł", False), ("kr", False)]
)
def test_signs_that_can_only_be_money(sign: str, sure: bool) -> None:
    assert is_money(sign) == sure


@settings(max_examples=200, deadline=None)
@given(
    cents=st.integers(0, 10**11),
    style=st.sampled_from([(",", "."), (".", ","), (" ", ","), ("'", "."), ("", "."), ("", ",")]),
    currency=st.sampled_from(["", "€", "EUR", "$", "CHF", "£", "Kč"]),
    first=st.booleans(),
)
def test_every_way_to_write_a_price_is_read(
    cents: int, style: tuple[str, str], currency: str, first: bool
) -> None:
    thousands, decimal = style
    whole = f"{cents // 100:,}".replace(",", thousands)
    number = f"{whole}{decimal}{cents % 100:02}"
    text = (f"{currency} {number}" if first else f"{number} {currency}").strip()
    found = price_of(text)
    assert found is not None
    assert found.amount == cents / 100
    assert (found.currency is None) == (not currency)


@settings(max_examples=200, deadline=None)
@given(st.text(max_size=60))
def test_no_text_is_an_error(text: str) -> None:
    price_of(text)
    price_of(text, ",")
