"""The lines of a manifest: UTF-8 text of bounded length, numbered for error messages."""

from __future__ import annotations

from collections.abc import Iterator

from visearch.errors import ArchiveCorrupt, amount

LONGEST = 1024 * 1024
_BOM = b"\xef\xbb\xbf"
_RESAVE = "save it as UTF-8 (in a spreadsheet: 'CSV UTF-8')"


def text_lines(pieces: Iterator[bytes]) -> Iterator[tuple[int, str]]:
    """Yield ``(number, line)``, numbered from 1, with line ends but without a leading BOM.

    Raises:
        ArchiveCorrupt: not UTF-8, a NUL character, or a line longer than ``LONGEST`` bytes.
    """
    for number, raw in enumerate(_raw_lines(pieces), 1):
        yield number, _text(raw.removeprefix(_BOM) if number == 1 else raw, number)


def broken(line: int, what: str) -> ArchiveCorrupt:
    """Return the error for a manifest that cannot be read at ``line``."""
    return ArchiveCorrupt(f"Manifest line {line}: {what}.")


def _raw_lines(pieces: Iterator[bytes]) -> Iterator[bytes]:
    rest, number = b"", 1
    for piece in pieces:
        *whole, rest = (rest + piece).split(b"\n")
        for line in whole:
            yield _bounded(line, number) + b"\n"
            number += 1
        _bounded(rest, number)
    if rest:
        yield rest


def _bounded(line: bytes, number: int) -> bytes:
    if len(line) > LONGEST:
        raise broken(number, f"the line is longer than {amount(LONGEST, 'bytes')}; shorten it")
    return line


def _text(raw: bytes, number: int) -> str:
    if raw.startswith((b"\xff\xfe", b"\xfe\xff")) or b"\x00" in raw:
        raise broken(number, f"the manifest is not UTF-8 text; {_RESAVE}")
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError as error:
        raise broken(number, f"the manifest is not UTF-8 text; {_RESAVE}") from error
