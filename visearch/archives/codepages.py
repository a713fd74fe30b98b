r"""Names of files in zips that do not say how they are encoded: read as the manifest spells them.

Without a manifest, letters that are not Latin are read as what looks most like words.

Windows writes names in the code page of its country and says nothing about it. In the pages of
East Asia, the second byte of a character may be a backslash (``\x5c``), which is no separator then.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator
from itertools import islice
from urllib.parse import unquote

from visearch.archives.member import normalise
from visearch.tables.guessing import NAMES, guess
from visearch.tables.text import words_of

DEFAULT = "cp437"
"""What a zip without any hint is read as: the page that the format was made with."""

PAGES = (
    DEFAULT, "cp850", "cp852", "cp866", "cp932", "cp936", "cp949", "cp950", "cp1252", "cp1250",
    "cp1251", "cp1253", "cp1254", "cp737", "cp855", "cp857", "cp858", "cp862", "koi8_r",
)  # fmt: skip
"""The pages that are tried; of several that fit as well, the first is taken."""

_LATIN = ("cp437", "cp850", "cp852", "cp857", "cp1250", "cp1252", "cp1254")

MOST_WANTED = 1000
"""So many names outside ASCII are enough to tell the page."""

_LETTERS = re.compile(rb"[A-Za-z\x80-\xff]{2}")  # one that is alone may be any letter
_FIRST_LEAD = 0x81  # the lowest first byte of a character of two, in every page
_BACKSLASH = 0x5C


def decoded(raw: bytes, page: str) -> str:
    """Return a raw name as a normalised path; bytes that the page lacks become U+FFFD."""
    return normalise(raw.decode(page, "replace"))


def provisional(raw: bytes) -> str:
    """Return a raw name as a normalised path while nobody knows its page.

    A backslash that may be half a character is none that separates.
    """
    if _BACKSLASH not in raw:
        return normalise(raw.decode(DEFAULT))
    parts = bytearray(raw)
    for at, byte in enumerate(raw):
        if byte == _BACKSLASH and not _follows_lead(raw, at):
            parts[at] = ord("/")
    return normalise(parts.decode(DEFAULT), backslashes=False)


def is_folder(raw: bytes) -> bool:
    """Tell whether a raw name ends with a separator."""
    if raw.endswith(b"/"):
        return True
    return raw.endswith(b"\\") and not _follows_lead(raw, len(raw) - 1)


def _follows_lead(raw: bytes, at: int) -> bool:
    return at > 0 and raw[at - 1] >= _FIRST_LEAD


def choose(raws: Iterable[bytes], wanted: Iterable[str]) -> str:
    """Return the page in which most of the raw names are names that a manifest wants.

    Where names are the same in all pages, those of folders tell; where none is wanted, its letters.

    Args:
        raws: the names in the archive whose encoding is not known.
        wanted: names, or paths, as the manifest spells them.
    """
    spelled = _spelled(wanted)
    names: Counter[str] = Counter()
    folders: Counter[str] = Counter()
    sample: list[bytes] = []
    for raw in raws:
        if len(sample) < MOST_WANTED:
            sample.append(raw)
        for separator in (b"/", b"\\"):
            *above, name = raw.split(separator)
            names.update(spelled.get(name, ()))
            for folder in above:
                folders.update(spelled.get(folder, ()))
    if not names and not folders:
        return guessed(sample)
    return max(PAGES, key=lambda page: (names[page], folders[page]))


def guessed(raws: Iterable[bytes]) -> str:
    """Return the page in which these names look most like words of a language.

    Of Latin letters a few names tell too little: with one name more, the others would be spelled
    otherwise, and be other products. They are read as the format says.
    """
    words = words_of(lambda: (raw + b"\n" for raw in raws))
    page = guess([word for word in words if _LETTERS.search(word)], NAMES)
    return DEFAULT if page in _LATIN else page


def _spelled(wanted: Iterable[str]) -> dict[bytes, set[str]]:
    """Return what each part of the wanted paths is in each page, and which pages those are."""
    spelled: dict[bytes, set[str]] = {}
    for name in islice(_parts(wanted), MOST_WANTED):
        # Also as it is typed: normalised, a compatibility character becomes another one, which has
        # another code.
        for form in {name, *(unicodedata.normalize(kind, name) for kind in ("NFC", "NFD"))}:
            for page in PAGES:
                try:
                    spelled.setdefault(form.encode(page), set()).add(page)
                except UnicodeEncodeError:
                    continue
    return spelled


def _parts(paths: Iterable[str]) -> Iterator[str]:
    """Yield each part of the paths that is not ASCII, once."""
    seen: set[str] = set()
    for path in paths:
        if "%" in path:
            path = unquote(path)
        if path.isascii():
            continue
        for part in map(str.strip, path.replace("\\", "/").split("/")):
            if not part.isascii() and part not in seen:
                seen.add(part)
                yield part
