"""Guessed encodings: of texts in many languages, of a few words, of words that are damaged."""

from __future__ import annotations

import re

import pytest
from shop_texts import PAIRS, TEXTS

from visearch.tables.guessing import FALLBACK, guess


def words(raw: bytes) -> list[bytes]:
    return [word for word in re.findall(rb"[\x30-\xff]+", raw) if not word.isascii()]


@pytest.mark.parametrize(("language", "encoding"), PAIRS)
def test_some_phrases_are_enough(language: str, encoding: str) -> None:
    raw = TEXTS[language].encode(encoding)
    assert raw.decode(guess(words(raw))) == TEXTS[language]


@pytest.mark.parametrize(
    ("text", "encoding"),
    [
        ("café", "cp1252"),
        ("café", "mac_roman"),
        ("café", "cp850"),
        ("Größe", "cp1252"),
        ("12€", "cp1252"),
        ("15°", "cp1252"),
        ("It’s “new” – 20°", "cp1252"),
        ("żółty", "cp1250"),
        ("Название", "cp1251"),
        ("Название", "koi8_r"),
        ("РУБАШКА КРАСНАЯ", "cp866"),
        ("颜色 标题 图片", "gb18030"),
        ("標題 顏色", "big5"),
        ("iPhone手机壳", "gb18030"),
        ("商品名 色 価格", "cp932"),
        ("빨간 셔츠", "cp949"),
    ],
)
def test_a_word_or_two(text: str, encoding: str) -> None:
    raw = text.encode(encoding)
    assert raw.decode(guess(words(raw))) == text


def test_a_damaged_word_among_many_does_not_decide() -> None:
    raw = " ".join(f"рубашка{n}" for n in range(40)).encode("cp1251")
    assert guess([*words(raw), b"\x98\xfd"]) == "cp1251"  # which has no 0x98


def test_what_nothing_reads_has_an_answer_all_the_same() -> None:
    assert guess([]) == FALLBACK
    assert isinstance(guess([b"\x81\x8d\xff\xff" * 9]), str)
