"""A file's bytes as text: one encoding for the whole file, and lines in stretches."""

from __future__ import annotations

import codecs
import io
import random
import re
from collections.abc import Iterator
from typing import NamedTuple

from visearch.tables.guessing import guess
from visearch.tables.limits import LONGEST_RECORD
from visearch.tables.table import Source

PIECE = 128 * 1024
"""Bytes that are decoded at a time."""

HEAD = 64 * 1024
"""Bytes of a file that tell whether it is UTF-16 or UTF-32, and of what kind it is."""

UNREADABLE = "\ufdd0"
"""Stands for bytes that the encoding does not have. Unicode promises that no text holds it."""

NO_WIDTH = "\u200b\u2060\ufeff"
"""Characters that nobody sees, and that are copied from web pages."""

_FOUL = re.compile(f"[{UNREADABLE}\ud800-\udfff]")

_BOMS = (
    (b"\xef\xbb\xbf", "utf-8"),
    (b"\xff\xfe\x00\x00", "utf-32-le"),
    (b"\x00\x00\xfe\xff", "utf-32-be"),
    (b"\xff\xfe", "utf-16-le"),
    (b"\xfe\xff", "utf-16-be"),
    (b"\x84\x31\x95\x33", "gb18030"),
)
_LABELS = {
    "mac_roman": "macintosh", "koi8_r": "koi8-r", "cp932": "shift_jis", "big5hkscs": "big5",
    "euc_jp": "euc-jp", "cp949": "euc-kr", "cp437": "ibm437", "cp737": "ibm737", "cp850": "ibm850",
    "cp852": "ibm852", "cp857": "ibm857", "cp862": "ibm862", "cp866": "ibm866",
    "iso8859_2": "iso-8859-2", "iso8859_5": "iso-8859-5", "iso8859_7": "iso-8859-7",
}  # fmt: skip
"""What the codecs are called elsewhere; cp125x is windows-125x, the others as Python has them."""

_ONE_BYTE = ("ascii", "cp125", "cp4", "cp7", "cp8", "iso8859", "koi8", "latin", "mac")
"""How the codecs begin in which every character has one byte."""

_PADDING, _MOST_PADDING = "\x00\x1a", 512
"""What old programs write after the end of a text. Where there is more, a part may be lost."""

_SURE = 2
"""So many good characters for a bad one make a text UTF-8 that is damaged, not another encoding."""

_SAMPLE_WORDS, _LONGEST_WORD = 1000, 1024
_WORD = re.compile(rb"[\x80-\xff][\x30-\xff]*")
_SEPARATORS = re.compile(rb"[\x00-\x2f]")
_BEFORE = re.compile(rb"[\x30-\x7f]*\Z")
_STRUCTURE = ',;\t|\r\n "'


class Decoding(NamedTuple):
    """How a file's bytes become text.

    ``skip`` is the length of its byte order mark; ``overruled`` tells that the file names another
    encoding than its bytes have.
    """

    codec: str
    assumed: bool = False
    skip: int = 0
    overruled: bool = False

    @property
    def label(self) -> str:
        """What the encoding is called outside of Python."""
        number = self.codec.removeprefix("cp")
        return _LABELS.get(self.codec) or (
            f"windows-{number}" if number.startswith("125") else self.codec
        )

    @property
    def notes(self) -> tuple[str, ...]:
        """What the merchant should know about it."""
        if self.overruled:
            return (f"The file names another encoding, but its letters are {self.label}.",)
        if not self.assumed:
            return ()
        return (
            f"The file does not say how its letters are encoded; it is read as {self.label}. "
            "If letters look wrong, save it as UTF-8.",
        )


class Stretch(NamedTuple):
    """Some lines with their ends; ``first`` is the number of the first one.

    ``plain`` tells that nothing in them needs a second look: what no value may hold (``is_foul``),
    Excel's ="00123", characters of no width, or a line that is very long.
    """

    first: int
    lines: list[str]
    plain: bool


def is_foul(text: str) -> bool:
    """Tell whether a text holds what no value may: a NUL, or half of a character."""
    return "\x00" in text or (not text.isascii() and _FOUL.search(text) is not None)


def without_foul(text: str) -> str:
    """Return a text in which a mark stands for what cannot be read."""
    return _FOUL.sub("\ufffd", text.replace("\x00", "\ufffd")) if is_foul(text) else text


def head_of(source: Source) -> bytes:
    """Return the first ``HEAD`` bytes of a file, or all of them."""
    return next(even(source), b"")[:HEAD]


def beginning(head: bytes) -> str:
    """Return roughly what a text begins with; only its ASCII is certain."""
    found = _unicode(head) or Decoding("utf-8")
    text = head[found.skip :].decode(found.codec, "replace")
    kept = text.rstrip(_PADDING)
    return kept if kept and len(text) - len(kept) <= _MOST_PADDING else text


def decoding_of(source: Source, stated: str | None = None) -> Decoding:
    """Return how to read a file, after one look at the whole of it.

    Args:
        source: the file.
        stated: the codec that the file itself names, if it does.

    The encoding is what a byte order mark or ``stated`` says, UTF-8 if the file is valid UTF-8
    or nearly so, UTF-16 or UTF-32 if it looks like it, else a guess from words of all parts.
    Letters that are valid UTF-8 are so by no accident, though an encoding of one byte is stated.
    """
    if (found := _unicode(head_of(source), assumed=stated is None)) is not None:
        return found
    if stated is not None and stated != "utf-8" and not stated.startswith(_ONE_BYTE):
        return Decoding(stated)
    good, bad = _utf8_characters(source)
    if stated not in (None, "utf-8"):
        sure = good > 0 and not bad
        return Decoding("utf-8", overruled=True) if sure else Decoding(stated)
    if not bad or good >= _SURE * bad:
        return Decoding("utf-8")
    return Decoding(guess(words_of(source)), assumed=True)


def texts(source: Source, decoding: Decoding) -> Iterator[str]:
    """Yield a file's text in pieces; ``UNREADABLE`` stands for bytes that cannot be decoded.

    A few NULs or Ctrl-Z at the end of the file are no part of it.
    """
    padding = ""
    for text in _decoded(source, decoding):
        padded = padding + text
        kept = padded.rstrip(_PADDING)
        padding = padded[len(kept) :]
        if kept:
            yield kept
        if len(padding) > _MOST_PADDING:
            yield padding
            padding = ""


def _decoded(source: Source, decoding: Decoding) -> Iterator[str]:
    decoder = codecs.getincrementaldecoder(decoding.codec)(_HANDLER)
    skip = decoding.skip
    for piece in even(source):
        if text := decoder.decode(piece[skip:]):
            yield text
        skip = 0
    if text := decoder.decode(b"", final=True):
        yield text


def stretches(source: Source, decoding: Decoding) -> Iterator[Stretch]:
    """Yield a file's lines with their ends, of which LF, CR and CRLF may be mixed.

    Of a line that is longer than ``LONGEST_RECORD`` some of the rest is missing.
    """
    first, size = 1, 0
    held: list[str] = []  # of a line whose end has not come
    for text in texts(source, decoding):
        # After a CR, only the next character tells whether the line ends here.
        if "\n" in text or "\r" in text or (held and held[-1].endswith("\r")):
            stretch = _stretch(first, "".join(held) + text)
            rest = "" if stretch.lines[-1].endswith("\n") else stretch.lines.pop()
            held, size = [rest] if rest else [], len(rest)
            if stretch.lines:
                yield stretch
                first += len(stretch.lines)
        elif size <= LONGEST_RECORD:
            held.append(text)
            size += len(text)
    if held:
        yield _stretch(first, "".join(held))


def even(source: Source) -> Iterator[bytes]:
    """Yield the bytes in pieces of ``PIECE``, whatever the source's pieces are."""
    held = bytearray()
    for piece in source():
        held += piece
        while len(held) >= PIECE:
            yield bytes(held[:PIECE])
            del held[:PIECE]
    if held:
        yield bytes(held)


def _stretch(first: int, text: str) -> Stretch:
    lines = io.StringIO(text, newline="").readlines()
    odd = "\x00" in text or '="' in text or len(text) > LONGEST_RECORD
    odd = odd or (not text.isascii() and any(map(text.__contains__, f"{UNREADABLE}{NO_WIDTH}")))
    return Stretch(first, lines, not odd)


def _mark(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeDecodeError):
        raise error
    return UNREADABLE, error.end


_HANDLER = "visearch.tables.unreadable"
codecs.register_error(_HANDLER, _mark)


def _unicode(head: bytes, *, assumed: bool = True) -> Decoding | None:
    """Return the Unicode encoding that a byte order mark names, or NULs give away."""
    for mark, codec in _BOMS:
        if head.startswith(mark) and _decodes(head, codec):
            return Decoding(codec, skip=len(mark))
    wide = _wide(head)
    return None if wide is None else Decoding(wide, assumed)


def _decodes(head: bytes, codec: str) -> bool:
    """Tell whether these first bytes are valid; the last character may be cut."""
    try:
        codecs.getincrementaldecoder(codec)().decode(head)
    except UnicodeDecodeError:
        return codec in ("utf-8", "utf-16-le", "utf-16-be")  # a text with some damage
    return True


def _wide(head: bytes) -> str | None:
    """Return UTF-16 or UTF-32 if these bytes without a mark look like it: every ASCII has NULs."""
    if b"\x00" not in head:
        return None
    # Of a text in bytes that has some NULs, the delimiters are not beside them.
    in_bytes = sum(map(head.count, _STRUCTURE.encode()))
    best, most = None, 0
    for codec, size in (("utf-32-le", 4), ("utf-32-be", 4), ("utf-16-le", 2), ("utf-16-be", 2)):
        text = head[: len(head) // size * size].decode(codec, "replace")
        structure = sum(map(text.count, _STRUCTURE))
        odd = text.count("\x00") + text.count("\ufffd")
        frequent = structure * 100 >= len(text) and structure * 3 >= in_bytes
        if structure > most and frequent and odd * 4 <= structure:
            best, most = codec, structure
    return best


def _utf8_characters(source: Source) -> tuple[int, int]:
    """Return how many characters beyond ASCII are valid UTF-8, and how many are not."""
    good = bad = 0
    decoder = codecs.getincrementaldecoder("utf-8")("replace")
    for piece in even(source):
        if piece.isascii() and not decoder.getstate()[0]:
            continue
        text = decoder.decode(piece)
        odd = text.count("\ufffd") - piece.count(b"\xef\xbf\xbd")
        bad += odd
        good += len(text) - len(text.encode("ascii", "ignore")) - odd
    return good, bad + len(decoder.decode(b"", final=True))


def words_of(source: Source) -> list[bytes]:
    """Return words that are not ASCII, drawn from the whole file, the same each time.

    A word ends at a byte below 0x30, which is never part of a longer character. It begins with
    the letters before its first byte that is not ASCII.
    """
    draw = random.Random(0)
    words: list[bytes] = []
    seen = 0
    for part in _whole_words(source):
        for found in _WORD.finditer(part):
            if len(found[0]) > _LONGEST_WORD:
                continue
            before = _BEFORE.search(part, max(0, found.start() - 16), found.start())
            word = (before[0] if before else b"") + found[0]
            seen += 1
            if len(words) < _SAMPLE_WORDS:
                words.append(word)
            elif (place := draw.randrange(seen)) < _SAMPLE_WORDS:
                words[place] = word
    return words


def _whole_words(source: Source) -> Iterator[bytes]:
    """Yield the bytes in pieces that end where a word does."""
    rest = b""
    for piece in even(source):
        held = rest + piece
        rest = _SEPARATORS.split(held[-_LONGEST_WORD:])[-1]
        yield held[: len(held) - len(rest)]
    yield rest
