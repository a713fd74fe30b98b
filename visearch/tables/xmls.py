"""Tables of XML: feeds and exports, in which one element is repeated for each product."""

from __future__ import annotations

import codecs
import re
from collections import Counter
from collections.abc import Iterator
from functools import lru_cache
from itertools import islice
from typing import Any

from lxml import etree

from visearch.errors import TableUnreadable, amount
from visearch.tables.flat import headings_of, name_problem, problem_of
from visearch.tables.limits import LONGEST_RECORD, MOST_COLUMNS
from visearch.tables.table import Cell, Description, Record, Source
from visearch.tables.text import PIECE, UNREADABLE, Decoding, decoding_of, head_of, texts

_GOOGLE = "{http://base.google.com/ns/1.0}"
_ENTRIES = (("rss", "channel", "item"), ("RDF", "item"), ("feed", "entry"))
_NAMES = ("product", "item", "entry", "offer", "article", "row", "record")
"""What the element of a product is called where there is only one."""

_DEEPEST, _MOST_PATHS = 12, 10_000
MOST_ELEMENTS = 10_000
"""Elements inside one product."""

_MOST_ATTRIBUTES = 1000

_ENOUGH = 50_000
"""Elements after which a document is known."""

_TOO_LONG = (
    f"it is longer than {amount(LONGEST_RECORD, 'bytes')}, or has more than {MOST_ELEMENTS:,} "
    "elements"
)

_NOT_DECLARED = "it uses an entity that is not declared"

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

Path = tuple[str, ...]


class XmlTable:
    """The repeated element of an XML document; its syntax is checked to the end."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._decoding = decoding_of(source, _declared(head_of(source)))
        self._path = _find(source, self._decoding)
        self.headings = headings_of(self.records(), f"<{_name(self._path[-1])}> elements")
        self.description = Description(
            "xml", self._decoding.label, self._decoding.assumed, None, notes=self._decoding.notes
        )

    def records(self) -> Iterator[Record]:
        """Yield the record of each such element."""
        number, size = 1, 0
        too_long: Record | None = None
        tags = (self._path[0], self._path[-1])  # the first of which gives us the root
        for event, element in _walk(self._source, self._decoding, tags):
            if event == "end":
                if _path_of(element) == self._path:
                    yield too_long or _record(number, element)
                    element.clear()
                    number, size, too_long = number + 1, 0, None
            elif event == "fed" and (item := _prune(element, self._path)) is not None:
                size += PIECE
                if too_long is None and (size > LONGEST_RECORD or _is_crowded(item)):
                    kept = _record(number, item).cells
                    kept = {name: value for name, value in kept.items() if isinstance(value, str)}
                    too_long = Record(number, kept, _TOO_LONG)
                if too_long is not None:
                    _prune(item, ())


def _walk(
    source: Source, decoding: Decoding, tags: tuple[str, ...] | None = None
) -> Iterator[tuple[str, Any]]:
    """Yield ``("start", element)`` and ``("end", element)``; ``("fed", root)`` after each piece.

    With ``tags``, only elements of these names. Nothing outside of the document is loaded.
    """
    parser = etree.XMLPullParser(
        ("start", "end"),
        tag=tags,
        encoding="utf-8",
        resolve_entities=False,
        no_network=True,
        load_dtd=False,
        huge_tree=False,
        remove_comments=True,
        remove_pis=True,
    )
    root = None
    try:
        for text in texts(source, decoding):
            parser.feed(_NO_XML.sub(UNREADABLE, text).encode())
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


def _prune(element: Any, path: Path) -> Any | None:
    """Free all that is below an element but the last, which may not have ended, at each level.

    The element at ``path`` is left as it is; it is returned if it may not have ended.
    """
    left = path
    while len(element):
        on_path = bool(left) and element.tag == left[0]
        left = left[1:] if on_path else ()
        if on_path and not left:
            return element
        del element[:-1]
        element = element[-1]
    return None


def _is_crowded(element: Any) -> bool:
    return next(islice(element.iter(), MOST_ELEMENTS, None), None) is not None


def _path_of(element: Any) -> Path:
    tags = [element.tag, *(above.tag for above in element.iterancestors())]
    return tuple(reversed(tags))


def _find(source: Source, decoding: Decoding) -> Path:
    """Return the path of the element that holds a product each.

    After so many elements, and two that could be a product, the rest is taken to be alike.
    """
    counts: Counter[Path] = Counter()
    parents: set[Path] = set()
    with_attributes: set[Path] = set()
    path: Path = ()
    for event, element in _walk(source, decoding):
        if event == "end":
            path = path[:-1]
        elif event == "start":
            path = (*path, element.tag)
            if len(path) <= _DEEPEST:
                counts[path] += 1
                parents.add(path[:-1])
                if element.attrib:
                    with_attributes.add(path)
        else:
            _prune(element, ())
            if len(counts) > _MOST_PATHS:
                raise TableUnreadable(
                    f"The XML has more than {_MOST_PATHS:,} kinds of elements. Send a feed in "
                    "which each product has the same ones."
                )
            if counts.total() > _ENOUGH and any(counts[each] > 1 for each in parents):
                break
    if found := _choose(counts, parents, with_attributes):
        return found
    raise TableUnreadable(
        "The XML has no element that is repeated for each product. Send a feed (RSS, Atom), or "
        "one <product> for each."
    )


def _choose(counts: Counter[Path], parents: set[Path], with_attributes: set[Path]) -> Path | None:
    """Return the outermost repeated path, of those whose elements hold something."""
    for path in counts:
        if tuple(map(_name, path)) in _ENTRIES:
            return path
    repeated = {path for path, count in counts.items() if count > 1}
    named = {path for path in counts if path[1:] and _name(path[-1]).casefold() in _NAMES}
    for holding in (parents, with_attributes):
        candidates = (repeated | named) & holding
        outermost = [
            path
            for path in counts
            if path in candidates and not any(path[:n] in candidates for n in range(2, len(path)))
        ]
        if found := [path for path in outermost if path in named] or outermost:
            return max(found, key=lambda path: counts[path])
    return None


def _check_root(root: Any) -> None:
    dtd = root.getroottree().docinfo.internalDTD
    if dtd is not None and next(iter(dtd.iterentities()), None) is not None:
        raise TableUnreadable(
            "The XML declares entities, which visearch does not expand. Write their text instead."
        )
    name = _name(root.tag).casefold()
    if name == "html":
        raise TableUnreadable("This is a web page (HTML), not a table. Export CSV, XLSX or XML.")
    if name == "workbook":
        raise TableUnreadable("This is an XML file of Excel 2003. Save it as .xlsx or as CSV.")


def _record(number: int, element: Any) -> Record:
    found: dict[str, list[str]] = {}
    problem = _collect(element, "", found)
    if len(element) == 0 and (element.text or "").strip():
        found[_name(element.tag)] = [element.text]
    cells: dict[str, Cell] = {}
    for name, values in found.items():
        trouble = problem_of("".join(values))
        if trouble is None and len(cells) < MOST_COLUMNS:
            if any(values):
                cells[name] = values[0] if len(values) == 1 else values
        else:
            problem = problem or trouble
    return Record(number, cells, problem)


def _collect(element: Any, prefix: str, found: dict[str, list[str]]) -> str | None:
    """Add the values of an element to those found, by name; return the first problem."""
    problem = _collect_attributes(element, f"{prefix}@", found)
    for child in element:
        if not isinstance(child.tag, str):
            problem = problem or _NOT_DECLARED
            continue
        name = f"{prefix}{_name(child.tag)}"
        if trouble := name_problem(name):
            problem = problem or trouble
            continue
        text = child.text or ""
        if len(child):
            if not any(map(str.strip, (text, *(inner.tail or "" for inner in child)))):
                problem = _collect(child, f"{name}.", found) or problem
                continue
            if any(not isinstance(inner.tag, str) for inner in child):
                problem = problem or _NOT_DECLARED
            # Text with elements in it is taken as text: somebody wrote HTML without escaping it.
            text = "".join(child.itertext())
        found.setdefault(name, []).append(text)
        trouble = _collect_attributes(child, f"{name}.@", found)
        problem = problem or trouble
    return problem


def _collect_attributes(element: Any, prefix: str, found: dict[str, list[str]]) -> str | None:
    keys = element.keys()
    if len(keys) > _MOST_ATTRIBUTES:  # each is looked for among all of them
        return f"an element has more than {_MOST_ATTRIBUTES:,} attributes"
    for key in keys:
        found.setdefault(f"{prefix}{_name(key)}", []).append(element.get(key))
    return None


@lru_cache(1000)
def _name(tag: str) -> str:
    """Return a name without its namespace, of which only Google's is kept, as ``g:``."""
    if tag.startswith(_GOOGLE):
        return f"g:{tag.removeprefix(_GOOGLE)}"
    return tag.rpartition("}")[2]


def _declared(head: bytes) -> str | None:
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
