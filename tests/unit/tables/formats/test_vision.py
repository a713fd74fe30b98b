"""Google Vision Product Search's bulk CSV, which has no headings."""

from __future__ import annotations

from paper_tables import PaperTable, csv_table, good, reading_of, rows_of
from table_files import opened

from visearch.tables.products import products, read
from visearch.tables.table import Record

BULK = """
gs://shop/p/1.jpg,i1,set-1,P1,apparel-v2,Red shirt,"style=women,colour=red,colour=pink",
gs://shop/p/2.jpg,,set-1,P1,apparel-v2,,,
gs://shop/q/3.jpg,i3,set-2,P2,homegoods-v2,P2,,"0.1,0.1,0.5,0.5"
"""


def bulk(text: str) -> PaperTable:
    """Return the table as it is read of a file whose first line is taken for headings."""
    table = csv_table(text)
    seen: dict[str, int] = {}
    names = []
    for place, name in enumerate(table.headings, 1):
        seen[name] = seen.get(name, 0) + 1
        names.append(f"column {place}" if not name else f"{name} (2)" if seen[name] > 1 else name)
    rows = [line.split(",") for line in text.strip().splitlines()[1:]]
    assert rows
    again = csv_table("\n".join([",".join(f"c{n}" for n in range(8)), *text.strip().splitlines()]))
    records = [
        Record(record.line - 1, {names[int(h[1:])]: v for h, v in record.cells.items()})
        for record in list(again.records())[1:]
    ]
    return PaperTable(names, records)


def test_rows_of_a_product_are_its_pictures() -> None:
    table = bulk(BULK)
    assert table.headings[-1] == "column 8"
    assert reading_of(table).format.name == "vision"
    rows = good(rows_of(table))
    shirt = rows["P1"]
    assert (shirt.title, shirt.images) == ("Red shirt", ("p/1.jpg", "p/2.jpg"))
    assert shirt.lines == (1, 2)
    assert shirt.attributes == {
        "product_category": "apparel-v2",
        "style": "women",
        "colour": ["red", "pink"],
        "product_set_id": "set-1",
    }
    assert rows["P2"].title == "P2" and rows["P2"].images == ("q/3.jpg",)


def test_a_first_line_that_leaves_out_the_last_columns() -> None:
    text = "gs://b/1.jpg,,s,P,c\ngs://b/2.jpg,,s,Q,c,Cup,colour=red,\ngs://b/3.jpg,,s,P,c\n"
    rows = good(list(products(read(opened(text)))))
    assert rows["P"].images == ("1.jpg", "3.jpg") and rows["P"].title is None
    assert (rows["Q"].title, rows["Q"].attributes["colour"]) == ("Cup", "red")


def test_a_first_line_with_equal_values() -> None:
    rows = good(rows_of(bulk("gs://b/1.jpg,,s,P,c,P,,\ngs://b/2.jpg,,s,Q,c,Q,,\n")))
    assert [(row.id, row.title) for row in rows.values()] == [("P", "P"), ("Q", "Q")]


def test_the_merchant_is_told_where_the_pictures_are_looked_for() -> None:
    assert "path inside the bucket" in reading_of(bulk(BULK)).table.description.notes[-1]


def test_a_file_with_headings() -> None:
    head = "image-uri,image-id,product-set-id,product-id,product-category,product-display-name"
    rows = good(rows_of(f"{head},labels\ngs://b/1.jpg,,s,P,c,Cup,a=b\n"))
    assert rows["P"].attributes == {"product_category": "c", "product_set_id": "s", "a": "b"}
