"""How large the parts of a table may be, so that memory does not depend on who wrote the file."""

from __future__ import annotations

from visearch.errors import amount

LONGEST_CELL = 1024 * 1024
"""Characters of one value. A description with its pictures inside as data is longer."""

LONGEST_RECORD = 8 * LONGEST_CELL
"""Characters of one record, or bytes where it is read as bytes: what a reader holds at a time."""

LONGEST_NAME = 1000
"""Characters of the name of a value in JSON and XML, with those of the objects it is inside of."""

MOST_COLUMNS = 16_384
"""Headings of a table; Excel's own limit."""

MOST_ROWS = 1_048_576
"""Rows of a sheet; Excel's own limit."""

LARGEST_SHEET = 2 * 1024**3
"""Bytes of one part of a workbook when unpacked. A full sheet of 20 columns has about 1 GiB."""

LARGEST_PART = 16 * 1024 * 1024
"""Bytes of a part of a workbook that is held whole: its list of sheets, its number formats."""

MOST_PARTS = 10_000
"""Files inside a workbook."""

MOST_STRINGS = 16 * MOST_ROWS
"""Different texts of a workbook; where each begins takes 8 bytes of memory."""

CELL_TOO_LONG = f"a value is longer than {LONGEST_CELL:,} characters"
RECORD_TOO_LONG = f"it is longer than {amount(LONGEST_RECORD, 'bytes')}"
