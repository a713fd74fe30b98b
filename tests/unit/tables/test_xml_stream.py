"""XML as a stream: what is blank before it, and entities that are not declared."""

from __future__ import annotations

import pytest
from table_files import cells, read

from visearch.errors import TableUnreadable
from visearch.tables.text import PIECE


def titled(title: str, before: str = "") -> str:
    return f"{before}<p><product><id>1</id><t>{title}</t></product></p>"


@pytest.mark.parametrize(
    ("written", "read_as"),
    [
        ("A&nbsp;B", "A\xa0B"),
        ("caf&eacute; &Auml;&euro;", "café Ä€"),
        ("&amp;nbsp; &lt;b&gt; &quot;&apos; &#233;&#xe9;", "&nbsp; <b> \"' éé"),
        ("<![CDATA[A&nbsp;B]]>&nbsp;<![CDATA[ &eacute; ]]>", "A&nbsp;B\xa0 &eacute; "),
        ("<![CDATA[]]]]><![CDATA[>&uuml;]]>&uuml;", "]]>&uuml;ü"),
        ("&AMP;", None),
    ],
)
def test_entities_of_html_are_characters(written: str, read_as: str | None) -> None:
    if read_as is None:  # a sign that XML needs is never put in
        with pytest.raises(TableUnreadable, match="entity &AMP; is not declared"):
            read(titled(written))
    else:
        assert [record["t"] for record in cells(titled(written))] == [read_as]


def test_entities_of_html_in_attributes() -> None:
    assert cells('<p><product id="1" t="A&nbsp;B"/></p>') == [{"id": "1", "t": "A\xa0B"}]


@pytest.mark.parametrize("written", ["a&eacute;b", "a<![CDATA[&eacute;]]>b", "]]&gt;&eacute;]"])
def test_pieces_may_end_anywhere(written: str) -> None:
    whole = cells(titled(written))[0]["t"]
    for before in range(len(written) + 12):
        text = titled(written)
        at = text.index(written)
        filled = text[:at] + "x" * (PIECE - at - before) + written + text[at + len(written) :]
        assert cells(filled)[0]["t"] == "x" * (PIECE - at - before) + str(whole)


def test_an_entity_that_nobody_knows_is_named_with_its_line() -> None:
    text = "<p>" + "<product><id>1</id></product>\n" * 9000
    for start in ("", '\n\n<?xml version="1.0"?>'):
        with pytest.raises(TableUnreadable) as caught:
            read(f"{start}{text}<product><t>a &such; b</t></product></p>")
        line = f"{9001 + start.count(chr(10)):,}"
        assert f"line {line}: the entity &such; is not declared" in caught.value.detail


def test_another_fault_is_not_taken_for_an_entity() -> None:
    with pytest.raises(TableUnreadable, match="Opening and ending tag mismatch"):
        read('<!DOCTYPE s SYSTEM "s.dtd"><s><x a="1">&such;</x><x></s>')


@pytest.mark.parametrize("blank", ["\n", "\r\n\r\n", " \t\n", "\ufeff\n", "\n\ufeff", "\n" * 9000])
def test_what_is_blank_before_the_declaration(blank: str) -> None:
    text = titled("a", f'{blank}<?xml version="1.0" encoding="UTF-8"?>\n')
    assert cells(text) == [{"id": "1", "t": "a"}]
    declared = titled("ü", '\n<?xml version="1.0" encoding="windows-1252"?>\n').encode("cp1252")
    assert cells(declared) == [{"id": "1", "t": "ü"}]
