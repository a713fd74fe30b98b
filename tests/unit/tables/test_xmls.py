"""XML: which element is a product, what it holds, and what is never loaded or expanded."""

from __future__ import annotations

from pathlib import Path

import pytest
from table_files import cells, opened, read, source

from visearch.errors import TableUnreadable
from visearch.tables.limits import LONGEST_CELL
from visearch.tables.table import Description
from visearch.tables.xmls import XmlTable

GOOGLE = 'xmlns:g="http://base.google.com/ns/1.0"'
RSS = f"""<rss version="2.0" {GOOGLE}><channel><title>Shop</title><link>https://shop.example</link>
<item><g:id>00123</g:id><title> Röd &amp; blå </title><g:image_link>a.jpg</g:image_link>
<g:additional_image_link>b.jpg</g:additional_image_link>
<g:additional_image_link>c.jpg</g:additional_image_link><g:sale_price/>
<g:shipping><g:country>SE</g:country><g:price>5 SEK</g:price></g:shipping>
<description><![CDATA[<p>Soft</p>]]></description></item></channel></rss>"""


def test_a_google_feed() -> None:
    table = opened(f'<?xml version="1.0"?>{RSS}', size=5)
    assert table.description == Description("xml", "utf-8", False, None)
    assert list(table.records()) == [
        (
            1,
            {
                "g:id": "00123",
                "title": " Röd & blå ",
                "g:image_link": "a.jpg",
                "g:additional_image_link": ["b.jpg", "c.jpg"],
                "g:shipping.g:country": "SE",
                "g:shipping.g:price": "5 SEK",
                "description": "<p>Soft</p>",
            },
            None,
        )
    ]
    assert table.headings == list(next(table.records()).cells)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            '<feed xmlns="http://www.w3.org/2005/Atom"><entry><id>1</id><link href="u"/></entry>'
            "</feed>",
            [{"id": "1", "link.@href": "u"}],
        ),
        ("<a><b><c>1</c></b><b><c>2</c></b></a>", [{"c": "1"}, {"c": "2"}]),
        ('<p><x id="1" t="a"/><x id="2"/></p>', [{"id": "1", "t": "a"}, {"id": "2"}]),
        ('<p><x id="1">a</x><x id="2">b</x></p>', [{"id": "1", "x": "a"}, {"id": "2", "x": "b"}]),
        ('<shop><product id="1"><t>a</t></product></shop>', [{"id": "1", "t": "a"}]),
        # An element says what an attribute of its name does not, in each of them.
        (
            '<p><x id="i1"><id>1</id></x><x id="i2"/></p>',
            [{"@id": "i1", "id": "1"}, {"@id": "i2"}],
        ),
        ("<p><x><i><k>1</k></i><i><k>2</k></i></x><x/></p>", [{"i.k": ["1", "2"]}, {}]),
        ("<p><x><d>Hi <b>you</b>!</d></x><x/></p>", [{"d": "Hi you!"}, {}]),
        (
            '<y><cs><c id="1">A</c><c id="2">B</c><c/></cs><os>'
            '<offer id="7"><param name="k">v</param><param name="l"/></offer><offer/></os></y>',
            [{"id": "7", "param": ["v", ""], "param.@name": ["k", "l"]}, {}],
        ),
    ],
)
def test_the_element_of_a_product(text: str, expected: list[dict[str, object]]) -> None:
    table = XmlTable(source(text.encode()))
    assert [dict(record.cells) for record in table.records()] == expected


def product(number: int, inner: str = "", tag: str = "product") -> str:
    picture = f"https://s.example/{number}.jpg"
    said = f"<id>00{number}</id><title>T{number}</title><image>{picture}</image>"
    return f"<{tag}>{said}{inner}</{tag}>"


P1, P2, P3 = product(1), product(2), product(3)
PARTS = "".join(
    f"<{outer}>{product(7, tag=tag)}{product(8, tag=tag)}</{outer}>"
    for outer, tag in [("variants", "variant"), ("offers", "offer"), ("related", "product")]
)
COVER = "<cover><id>7</id><url>https://s.example/7.jpg</url></cover>"
PICTURES = '<images><image id="5">a.jpg</image><image id="6">b.jpg</image></images>'


@pytest.mark.parametrize(
    ("text", "ids"),
    [
        # Groups are no products, whatever they have.
        (f'<s><category name="x">{P1}{P2}</category><category name="y">{P3}</category></s>', "123"),
        (
            "<s><category><id>9</id><name>x</name><image>c.jpg</image><products>"
            f"{P1}{P2}</products></category><category>{P3}</category></s>",
            "123",
        ),
        (
            f'<s><group id="g">{product(1, tag="item")}{product(2, tag="item")}</group>'
            f'<group id="h">{product(3, tag="item")}</group></s>',
            "123",
        ),
        (f"<s><category>{P1}</category><category>{P2}</category></s>", "12"),
        (f"<s><shirts>{P1}{P2}</shirts><shoes>{P3}</shoes></s>", "123"),
        (f"<s><c><c>{P1}{P2}</c>{P3}</c><c>{product(4)}</c></s>", "1234"),
        # What belongs to a product is none.
        (f"<s>{product(1, PARTS)}{P2}</s>", "12"),
        (f"<s>{product(1, PICTURES)}{product(2, PICTURES)}</s>", "12"),
        (f"<s>{product(1, PARTS + PICTURES, 'tuote')}{product(2, tag='tuote')}</s>", "12"),
        (f"<s>{product(1, COVER, 'tuote')}{product(2, COVER, 'tuote')}</s>", "12"),
        (product(1, PICTURES), "1"),
        (f"<s><entry>{P1}<stock>5</stock></entry><entry>{P2}</entry></s>", "12"),
        (
            f"<s><category><name>A</name><children><category>{P1}</category></children></category>"
            f"<category>{P2}</category></s>",
            "12",
        ),
        # What only refers to products is none, nor is anything else of that name.
        (f"<s><ps>{P1}{P2}</ps><top><product>001</product></top></s>", "12"),
        (f"<s><ps>{P1}{P2}</ps><top><product>001</product><product>002</product></top></s>", "12"),
        (f'<s><ps>{P1}{P2}</ps><top><product id="001"/><product id="002"/></top></s>', "12"),
        (f"<s><header><product>Exporter 3.1</product></header>{P1}{P2}</s>", "12"),
        (f"<s><header><product><name>E</name><v>3</v></product></header>{P1}{P2}</s>", "12"),
        (f"<s><ps>{P1}{P2}</ps><deleted><product><id>7</id></product></deleted></s>", "12"),
        # What has no id and no picture is passed over.
        (f'<s><cs><c id="1"/><c id="2"/><c id="3"/></cs>{product(1, tag="x")}<x/></s>', "1"),
        (f"<s><ad><t>a</t></ad><ad><t>b</t></ad><ad/>{product(1, tag='x')}<x/></s>", "1"),
    ],
)
def test_the_products_of_a_document(text: str, ids: str) -> None:
    records = [record.cells for record in read(text) if record.cells]
    found = [cells["id"] if "id" in cells else cells["product.id"] for cells in records]
    assert found == [f"00{each}" for each in ids]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (
            f"<s><as>{product(1, tag='shirt')}{product(2, tag='shirt')}</as>"
            f"<bs>{product(3, tag='shoe')}{product(4, tag='shoe')}</bs></s>",
            "several elements that could be products: <shirt> and <shoe>. Send one <product>",
        ),
        (
            f"<s>{product(1, P2 + P3, 'tuote')}{product(4, tag='tuote')}</s>",
            "not clear which the products are: 's.tuote', or 's.tuote.product' inside of them",
        ),
        (
            f"<s><category><items>{product(1, tag='item')}</items>{product(2, tag='special')}"
            f"</category><category><items>{product(3, tag='item')}</items></category></s>",
            "<item> and <special>",
        ),
        (
            f"<s>{P1}{P2}{product(3, tag='item')}{product(4, tag='item')}</s>",
            "<product> and <item>",
        ),
        (
            f"<s><product><koodi>1</koodi></product>{product(3, tag='item')}</s>",
            "<product> and <item>",
        ),
    ],
)
def test_products_that_would_be_lost_are_refused(text: str, words: str) -> None:
    with pytest.raises(TableUnreadable) as caught:
        read(text)
    assert words in caught.value.detail


def test_products_have_what_is_said_of_their_groups() -> None:
    """But never their id or their pictures."""
    text = (
        f'<s><group id="g" rank="1"><name>Shirts</name>{P1}{P2}<note>late</note></group>'
        f"<group>{P3}<title/></group></s>"
    )
    said = [
        {k: v for k, v in record.items() if k not in ("id", "title", "image")}
        for record in cells(text)
    ]
    assert said == [{"group.rank": "1", "group.name": "Shirts"}] * 2 + [{}]


def test_products_in_a_place_that_comes_late() -> None:
    junk = "<c><n>1</n></c>" * 30_000
    assert cells(f"<s><a>{P1}{P2}</a>{junk}<b>{product(3, PARTS)}</b></s>")[2]["id"] == "003"
    others = '<t><product>001</product><product id="7"/><product><id>7</id></product></t>'
    found = cells(f"<s><a>{P1}{P2}</a>{junk}{others}<b>{P3}</b></s>")
    assert [record["id"] for record in found] == ["001", "002", "003"]


def test_what_is_left_out_is_said() -> None:
    specials = product(3, tag="special") + product(4, tag="special")
    notes = opened(f"<s><ps>{P1}{P2}</ps><x>{specials}</x><c/><c/></s>").description.notes
    assert notes == ("The list 's.ps.product' is read; left out: s.x.special.",)


def test_a_group_says_at_most_a_hundred_values() -> None:
    group = "".join(f"<k{n}>1</k{n}>" for n in range(500))
    text = f"<s><category>{group}{P1}{P2}</category><category>{P3}</category></s>"
    assert [len(record) for record in cells(text)] == [103, 103, 3]


@pytest.mark.parametrize(
    ("declared", "encoding"),
    [
        ("windows-1251", "cp1251"),
        ("koi8-r", "koi8_r"),
        ("utf-8", "utf-8"),
        ("UTF-16", "utf-16"),
        ("utf-8", "cp1251"),
        (None, "cp1251"),
        (None, "utf-16-be"),
        ("rot13", "utf-8"),
        ("no-such", "utf-8"),
    ],
)
def test_encodings(declared: str | None, encoding: str) -> None:
    titles = ["Красная рубашка из хлопка", "Синие джинсы", "Шерстяное пальто", "Кожаный ремень"]
    head = f'<?xml version="1.0" encoding="{declared}"?>' if declared else ""
    items = "".join(f"<item><t>{title}</t></item>" for title in titles)
    raw = f"{head}<rss><channel>{items}</channel></rss>".encode(encoding)
    assert [record["t"] for record in cells(raw)] == titles


def test_latin_1_is_read_with_the_quotes_of_windows() -> None:
    text = '<?xml version="1.0" encoding="iso-8859-1"?><p><product><t>“é”</t></product></p>'
    assert cells(text.encode("cp1252")) == [{"t": "“é”"}]


def test_what_cannot_be_read_fails_its_record() -> None:
    raw = (
        "<p>" + "<product><id>0</id><t>Größe</t></product>" * 9 + "<product><id>1</id><t>a\x0b</t>"
        "</product><product><id>2</id><t>"
    ).encode() + b"\xff</t></product><product><id>3</id></product></p>"
    odd = [(dict(record.cells), record.problem) for record in read(raw)[9:]]
    problem = "a character cannot be read; save the file as UTF-8"
    assert odd == [({"id": "1"}, problem), ({"id": "2"}, problem), ({"id": "3"}, None)]


@pytest.mark.parametrize(
    ("inner", "problem"),
    [
        (f"<t>{'x' * (LONGEST_CELL + 1)}</t>", "a value is longer than 1,048,576 characters"),
        (f"<t>{'x' * 1000}</t>" * 8500, "it is longer than 8 MB, or has more than 10,000"),
        ("<t/>" * 50_000, "it is longer than 8 MB, or has more than 10,000 elements"),
    ],
)
def test_a_product_that_is_too_large_fails_alone(inner: str, problem: str) -> None:
    odd, good = read(f"<p><product><id>1</id>{inner}</product><product><id>2</id></product></p>")
    assert odd.cells == {"id": "1"} and odd.problem is not None and odd.problem.startswith(problem)
    assert (good.cells, good.problem) == ({"id": "2"}, None)


def test_entities_of_a_file_that_is_not_loaded_fail_their_record(tmp_path: Path) -> None:
    secret = tmp_path / "secret.dtd"
    secret.write_text('<!ENTITY x "secret">')
    items = "<offer><id>1</id><t>&x;</t></offer><offer><id>2</id></offer>"
    first, second = read(f'<!DOCTYPE s SYSTEM "{secret.as_uri()}"><s>{items}</s>')
    assert first.problem == "it uses an entity that is not declared"
    assert "secret" not in str(first) and second.problem is None


LAUGHS = "".join(f'<!ENTITY l{n} "{f"&l{n - 1};" * 10}">' for n in range(1, 10))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('<!DOCTYPE s [<!ENTITY x SYSTEM "file:///etc/passwd">]><s><t>&x;</t></s>', "entities"),
        (f'<!DOCTYPE s [<!ENTITY l0 "lol">{LAUGHS}]><s><t>&l9;</t></s>', "entities|amplification"),
        (f'<!DOCTYPE s [<!ENTITY l0 "lol">{LAUGHS}]><s a="&l9;"/>', "entities|amplification"),
        ("<p><x><id>1</id></x><x>", "not valid XML: Premature end"),
        ("<p><x></p>", "not valid XML: Opening and ending tag mismatch"),
        ("<p><x/><![CDATA[a</p>", r"not valid XML: CData section not finished\. Export"),
        ("<p>\n<x>&such;</x></p>", "not valid XML: line 2: the entity &such; is not declared"),
        ("<a>" * 300, "not valid XML: Excessive depth"),
        ("<p>" + "".join(f"<e{n}/>" for n in range(10_001)) + "</p>", "10,000 kinds of elements"),
        (f"<{'p' * 2000}><product><id>1</id></product></{'p' * 2000}>", "no element that"),
        ("<p><t>1</t></p>", "no element that is repeated"),
        ("<p><product/><product/></p>", "no <product> elements that can be read|no element"),
        ('<?xml version="1.0"?><html><body/></html>', "web page"),
        ("<Workbook><Row><Cell/></Row></Workbook>", "Excel 2003"),
    ],
)
def test_documents_that_are_refused(text: str, words: str) -> None:
    with pytest.raises(TableUnreadable, match=words):
        read(text)


def test_elements_beside_the_products_are_passed_over() -> None:
    """More than one product may have, before, between and after them."""
    junk = '<c id="1"/>' * 20_000
    product = "<product><id>{}</id></product>"
    text = f"<s><cs>{junk}</cs>{product.format(1)}{junk}{product.format(2)}<cs>{junk}</cs></s>"
    assert cells(text) == [{"id": "1"}, {"id": "2"}]


def test_an_element_with_very_many_attributes_fails_at_once() -> None:
    many = " ".join(f'a{n}="1"' for n in range(100_000))
    odd, good = read(f"<p><x {many}><id>1</id></x><x><id>2</id></x></p>")
    assert odd.cells == {"id": "1"} and good.cells == {"id": "2"}
    assert odd.problem == "an element has more than 1,000 attributes"


def test_a_long_name_is_not_repeated_for_each_value_below_it() -> None:
    name = "x" * 5000
    inner = "".join(f"<e{n}>1</e{n}>" for n in range(2000))
    text = f"<p><x><id>1</id><{name}>{inner}</{name}></x><x><id>2</id></x></p>"
    odd, good = read(text)
    assert odd.cells == {"id": "1"} and good.problem is None
    assert odd.problem == "the name of a value is longer than 1,000 characters"
