"""An XML document as a stream of events: its encoding, its entities, and what ends it."""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterable, Iterator
from functools import lru_cache
from html.entities import html5
from typing import Any

from lxml import etree

from visearch.errors import TableUnreadable
from visearch.tables.table import Source
from visearch.tables.text import UNREADABLE, Decoding, texts

GOOGLE = "{http://base.google.com/ns/1.0}"

_DECLARED = re.compile(rb"""<\?xml[^>]*?encoding\s*=\s*["']([A-Za-z0-9._:-]+)["']""")
_NO_XML = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff\ud800-\udfff]")
_CODECS = re.compile(
    r"utf-?(8|16|32)([-_]?[lb]e)?|(us-)?ascii|latin-?1|iso-?8859-?\d+|windows-?\d+|cp-?\d+|ibm\d+"
    r"|koi8-[ru]|gb(k|2312|18030)|big5(-?hkscs)?|shift[-_]jis|euc-(jp|kr)|macintosh|mac-roman",
    re.IGNORECASE,
)
"""Python has codecs that are no encodings of texts: only these are used."""

_REPLACED = {
    "iso8859-1": "cp1252", "ascii": "cp1252", "gb2312": "gb18030", "gbk": "gb18030",
    "shift_jis": "cp932", "euc_kr": "cp949", "big5": "big5hkscs",
}  # fmt: skip
"""What is read by a larger encoding that has the same characters and more."""

_BLANK = " \t\r\n\ufeff"
_ENTITY = re.compile("&([A-Za-z][A-Za-z0-9]{1,31});")
_CDATA = re.compile(r"(<!\[CDATA\[|\]\]>)")
_CUT = re.compile(r"(?:&[A-Za-z0-9]{0,32}|<(?:!\[?C?D?A?T?A?)?|\]\]?)\Z")
"""The beginning of an entity, or of a mark, at the end of a piece."""

_CHARACTERS = {
    name.removesuffix(";"): text
    for name, text in html5.items()
    if name.endswith(";") and not set(text) & set("<>&\"'")
}
"""Entities of HTML, which feeds use without declaring them. None is a sign that XML needs."""

_UNDECLARED = re.compile("Entity '([^']{1,100})' not defined")

SAFE: dict[str, Any] = {
    "resolve_entities": False,
    "no_network": True,
    "load_dtd": False,
    "huge_tree": False,
    "remove_comments": True,
    "remove_pis": True,
}
"""How lxml's parsers read strangers' XML: nothing outside of it is loaded, nothing is expanded."""


def walk(
    source: Source, decoding: Decoding, tags: tuple[str, ...] | None = None
) -> Iterator[tuple[str, Any]]:
    """Yield ``("start", element)`` and ``("end", element)``; ``("fed", root)`` after each piece.

    With ``tags``, only elements of these names. Nothing outside of the document is loaded.
    """
    parser = etree.XMLPullParser(
        ("start", "end"),
        tag=tags,
        encoding="utf-8",
        **SAFE,
    )
    root = None
    try:
        for text in _with_characters(_from_start(texts(source, decoding))):
            parser.feed(_NO_XML.sub(UNREADABLE, text).encode())
            _check_entities(parser)
            for event, element in parser.read_events():
                if root is None:
                    root = element.getroottree().getroot()
                    _check_root(root)
                yield event, element
            if root is not None:
                yield "fed", root
        parser.close()
    except etree.ParseError as error:
        raise TableUnreadable(
            f"The file is not valid XML: {fault(error)}. Export it again."
        ) from error


def fault(error: Any) -> str:
    """Return what lxml says is wrong with a document, without the text that it quotes."""
    return str(error.msg or "it is cut").splitlines()[0]


def _check_entities(parser: Any) -> None:
    """Raise for an entity that is not declared: lxml stops there and does not say so."""
    for entry in parser.feed_error_log:
        found = _UNDECLARED.match(entry.message)
        if found and entry.level == etree.ErrorLevels.FATAL:
            raise TableUnreadable(
                f"The file is not valid XML: line {entry.line:,}: the entity &{found[1]}; is not "
                "declared. Export it again."
            )


def _from_start(pieces: Iterable[str]) -> Iterator[str]:
    """Yield a document without what is blank before it, as PHP puts there."""
    begun, lines = False, 0
    for piece in pieces:
        text = piece
        if not begun:
            text = piece.lstrip(_BLANK)
            lines += piece.count("\n", 0, len(piece) - len(text))
            begun = bool(text)
            declaration, end, rest = text.partition("?>")
            if end and declaration.startswith("<?xml"):  # keep the numbers of the lines after it
                text = "".join((declaration, end, "\n" * lines, rest))
        if text:
            yield text


def _with_characters(pieces: Iterable[str]) -> Iterator[str]:
    """Yield a document with characters for the entities of HTML, but those inside of CDATA."""
    rest, inside = "", False
    for piece in pieces:
        text = rest + piece
        cut = _CUT.search(text, max(0, len(text) - 40))
        text, rest = (text[: cut.start()], cut[0]) if cut else (text, "")
        if not inside and "<![CDATA[" not in text:
            yield _ENTITY.sub(_character, text) if "&" in text else text
            continue
        parts = _CDATA.split(text)
        for n, part in enumerate(parts):
            if n % 2:
                inside = part != "]]>"
            elif not inside and "&" in part:
                parts[n] = _ENTITY.sub(_character, part)
        yield "".join(parts)
    if rest:
        yield rest


def _character(found: re.Match[str]) -> str:
    return _CHARACTERS.get(found[1], found[0])


def _check_root(root: Any) -> None:
    dtd = root.getroottree().docinfo.internalDTD
    if dtd is not None and next(iter(dtd.iterentities()), None) is not None:
        raise TableUnreadable(
            "The XML declares entities, which visearch does not expand. Write their text instead."
        )
    name = name_of(root.tag).casefold()
    if name == "html":
        raise TableUnreadable("This is a web page (HTML), not a table. Export CSV, XLSX or XML.")
    if name == "workbook":
        raise TableUnreadable("This is an XML file of Excel 2003. Save it as .xlsx or as CSV.")


@lru_cache(1000)
def name_of(tag: str) -> str:
    """Return a name without its namespace, of which only Google's is kept, as ``g:``."""
    if tag.startswith(GOOGLE):
        return f"g:{tag.removeprefix(GOOGLE)}"
    return tag.rpartition("}")[2]


def declared(head: bytes) -> str | None:
    """Return the codec of the encoding that an XML declaration names, if it is one of texts."""
    found = _DECLARED.search(head[:1024])
    label = found[1].decode("ascii") if found is not None else ""
    if not _CODECS.fullmatch(label):
        return None
    try:
        codec = codecs.lookup(label).name
    except LookupError:
        return None
    if codec.startswith(("utf-16", "utf-32")):
        return None  # the declaration was read as ASCII
    return _REPLACED.get(codec, codec)
