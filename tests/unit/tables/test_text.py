"""Text: the encoding of a whole file, and its lines."""

from __future__ import annotations

import pytest
from shop_files import SHOP_FILES, ShopFile
from shop_texts import TEXTS
from table_files import source

from visearch.tables.limits import LONGEST_RECORD
from visearch.tables.text import (
    PIECE,
    UNREADABLE,
    Decoding,
    beginning,
    decoding_of,
    is_foul,
    stretches,
    texts,
)

MARKS = {
    "utf-8": b"\xef\xbb\xbf",
    "utf-16-le": b"\xff\xfe",
    "utf-16-be": b"\xfe\xff",
    "utf-32-le": b"\xff\xfe\x00\x00",
    "utf-32-be": b"\x00\x00\xfe\xff",
    "gb18030": b"\x84\x31\x95\x33",
}
TABLE = "id,title\r\n1,Größe\r\n2,红色\r\n"


def decoded(raw: bytes, size: int = 1 << 16) -> str:
    return "".join(texts(source(raw, size), decoding_of(source(raw, size))))


@pytest.mark.parametrize("encoding", MARKS)
@pytest.mark.parametrize("size", [1, 3, 1 << 16])
def test_a_byte_order_mark_states_the_encoding(encoding: str, size: int) -> None:
    raw = MARKS[encoding] + TABLE.encode(encoding)
    assert decoding_of(source(raw)) == Decoding(encoding, skip=len(MARKS[encoding]))
    assert decoded(raw, size) == TABLE
    assert beginning(raw)[:9] == TABLE[:9]


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be", "utf-32-le", "utf-32-be"])
@pytest.mark.parametrize("language", ["de", "ru", "zh", "ja", "ar"])
def test_wide_encodings_are_known_without_a_mark(encoding: str, language: str) -> None:
    text = f"id\ttitle\n1\t{TEXTS[language]}\n"
    raw = text.encode(encoding)
    assert decoding_of(source(raw)) == Decoding(encoding, assumed=True)
    assert decoded(raw) == text


def test_a_nul_does_not_make_bytes_wide() -> None:
    for raw in (b"id,t\n1,a\x00,b\n", b"id,t\n\x001,\x00\n", b"id;t\n1;\x00 \x00 \n2;b\n"):
        assert decoding_of(source(raw)) == Decoding("utf-8")


def test_utf8_is_certain_and_what_is_guessed_is_said() -> None:
    assert decoding_of(source(TABLE.encode())) == Decoding("utf-8")
    guessed = decoding_of(source(TEXTS["fr"].encode("cp1252")))
    assert (guessed.label, guessed.assumed) == ("windows-1252", True)
    assert guessed.notes == (
        "The file does not say how its letters are encoded; it is read as windows-1252. "
        "If letters look wrong, save it as UTF-8.",
    )
    assert Decoding("cp1252").notes == ()
    labels = [Decoding(c).label for c in ("cp932", "koi8_r", "gb18030", "mac_roman")]
    assert labels == ["shift_jis", "koi8-r", "gb18030", "macintosh"]


@pytest.mark.parametrize("rows", [3, 300])
@pytest.mark.parametrize("file", SHOP_FILES, ids=lambda file: file.name)
def test_a_few_signs_and_letters_tell_the_encoding(file: ShopFile, rows: int) -> None:
    text = file.text(rows)
    assert decoded(text.encode(file.encoding)) == text


def test_the_encoding_is_told_by_the_whole_file() -> None:
    plain = "1,a plain title\n" * 50_000
    raw = f"id,title\n{plain}2,{TEXTS['pl']}\n{plain}".encode("cp1250")
    assert decoding_of(source(raw)).codec == "cp1250"


def test_some_damage_does_not_make_utf8_another_encoding() -> None:
    raw = TABLE.encode() * 9 + b"3,caf\xe9\n"
    assert decoding_of(source(raw)) == Decoding("utf-8")
    assert decoded(raw).endswith(f"3,caf{UNREADABLE}\n")


@pytest.mark.parametrize("stated", ["utf-8", None])
def test_a_statement_that_is_wrong_is_not_believed(stated: str | None) -> None:
    raw = TEXTS["ru"].encode("cp1251")
    assert decoding_of(source(raw), stated) == Decoding("cp1251", assumed=True)
    assert decoding_of(source(raw), "koi8_r") == Decoding("koi8_r")


@pytest.mark.parametrize("stated", ["iso8859-1", "cp1252", "cp1251", "ascii"])
def test_a_text_in_utf8_is_read_as_such_whatever_it_states(stated: str) -> None:
    found = decoding_of(source(TABLE.encode()), stated)
    assert found == Decoding("utf-8", overruled=True)
    assert "utf-8" in found.notes[0]
    assert decoding_of(source(b"id,title\n"), stated) == Decoding(stated)
    assert decoding_of(source("Größe".encode("cp1252")), stated) == Decoding(stated)


def test_an_encoding_of_several_bytes_is_believed() -> None:
    assert decoding_of(source("联通".encode("gb18030")), "gb18030") == Decoding("gb18030")


@pytest.mark.parametrize(
    ("encoding", "padding"),
    [
        ("utf-8", "\x1a"),
        ("utf-8", "\x00\x00"),
        ("utf-8", "\x1a\x00" * 9),
        ("cp1252", "\r\n\x1a"),
        ("utf-16-le", "\x1a"),
    ],
)
@pytest.mark.parametrize("size", [1, 3, 1 << 16])
def test_what_fills_up_a_file_is_no_part_of_it(encoding: str, padding: str, size: int) -> None:
    table = TABLE if encoding != "cp1252" else "id,title\r\n1,Größe\r\n"
    raw = f"{table}{padding}".encode(encoding)
    assert decoded(raw, size) == table + padding.rstrip("\x00\x1a")
    assert beginning(raw).endswith("\n")


def test_what_fills_up_a_file_inside_of_it_stays() -> None:
    for text in ("id\n1\x1a2\n\x1a3\n", "id,t\n1,a\x00,b\n"):
        assert decoded(text.encode(), 1) == text
    lost = TABLE.encode() + b"\x00" * 5000  # as after a crash: the replace must not go on
    assert "\x00" in decoded(lost) and "\x00" in beginning(lost)


@pytest.mark.parametrize("size", [1, 2, 5, 1 << 16])
def test_line_ends_may_be_mixed(size: int) -> None:
    raw = b"a\r\nb\rc\n\r\r\n\n\re"
    parts = list(stretches(source(raw, size), Decoding("utf-8")))
    assert [line for part in parts for line in part.lines] == [
        "a\r\n", "b\r", "c\n", "\r", "\r\n", "\n", "\r", "e",
    ]  # fmt: skip


@pytest.mark.parametrize("end", ["\r\n", "\r", "\n"])
@pytest.mark.parametrize("shift", range(3))
def test_stretches_are_numbered_wherever_a_piece_ends(end: str, shift: int) -> None:
    lines = ["x" * (98 + shift) + end] + ["y" * 98 + end] * 5000
    parts = list(stretches(source("".join(lines).encode()), Decoding("utf-8")))
    assert len(parts) > 2
    assert [line for part in parts for line in part.lines] == lines
    numbers = [n for part in parts for n in range(part.first, part.first + len(part.lines))]
    assert numbers == list(range(1, len(lines) + 1))


def test_a_line_without_end_is_not_held_whole() -> None:
    raw = b"x" * (3 * LONGEST_RECORD) + b"\nnext\n"
    first, second = (
        line for part in stretches(source(raw), Decoding("utf-8")) for line in part.lines
    )
    assert LONGEST_RECORD < len(first) <= LONGEST_RECORD + 2 * PIECE
    assert second == "next\n"


@pytest.mark.parametrize("text", ["a\x00b", UNREADABLE, "\ud800", "é\udfff"])
def test_what_no_value_may_hold(text: str) -> None:
    assert is_foul(text)
    assert not is_foul("aé红\U0001f600")
