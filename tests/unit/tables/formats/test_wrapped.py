"""Names of pictures without what programs wrap around them."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from visearch.tables.formats.form import names
from visearch.tables.formats.wrapped import unwrapped

A, B = "https://s.example/a.jpg", "https://s.example/b.jpg"


@pytest.mark.parametrize(
    ("cell", "expected"),
    [
        (f'["{A}","{B}"]', [A, B]),
        ('["https:\\/\\/s.example\\/a.jpg"]', [A]),
        (f"['{A}', '{B}']", [A, B]),
        (f'"{A}"', [A]),
        (f"'{A}'", [A]),
        (f"'{A}", [A]),
        (f"\u201c{A}\u201d", [A]),
        (f'"{A}","{B}"', [A, B]),
        (f'"{A},{B}"', [A, B]),
        (f'=IMAGE("{A}")', [A]),
        (f'=BILD("{A}";4;50;50)', [A]),
        (f'=HYPERLINK("{A}","front | back")', [A]),
        ("//s.example/a.jpg", [A]),
        ("//s.example/a.jpg, //s.example/b.jpg", [A, B]),
        (["//s.example/a.jpg", B], [A, B]),
        # What only looks like it.
        ("[1] front.jpg", ["[1] front.jpg"]),
        ("[front]", ["[front]"]),
        ("[1, 2]", ["[1, 2]"]),
        ("//server/share/a.jpg", ["//server/share/a.jpg"]),
        ("/a.b/c.jpg", ["/a.b/c.jpg"]),
        ("it's.jpg", ["it's.jpg"]),
        ("'74 Jersey.jpg", ["'74 Jersey.jpg"]),
        ("\u2019n Deur.jpg", ["\u2019n Deur.jpg"]),
        ("'74 Jersey.jpg|'75 Jersey.jpg", ["'74 Jersey.jpg", "'75 Jersey.jpg"]),
        ('"a.jpg', ['"a.jpg']),
        ("'a b.jpg'", ["a b.jpg"]),
        ("\u201ea.jpg\u201c", ["a.jpg"]),
        ("\u00aba.jpg\u00bb", ["a.jpg"]),
        (f"{A}'", [f"{A}'"]),
        ("=A1", ["=A1"]),
        ("[]", []),
        ('""', []),
    ],
)
def test_what_a_cell_names(cell: str | list[str], expected: list[str]) -> None:
    assert names(cell) == expected


@settings(max_examples=200, deadline=None)
@given(st.text("[]\"'=|,; /.ab:()\\\\", max_size=40))
def test_no_text_is_an_error(text: str) -> None:
    assert all(isinstance(each, str) for each in unwrapped(text))


@pytest.mark.parametrize("text", ["[" * 100_000 + "]", '"a" ' * 100_000 + "x", "=" + " " * 100_000])
def test_long_cells_take_no_longer_each(text: str) -> None:
    assert unwrapped(text)
