"""The types of single fields that requests and files share: what a name or an id may be."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from visearch import rules

CATALOG_NAME = "[a-z0-9][a-z0-9_-]{0,62}"

CatalogName = Annotated[str, Field(pattern=f"^{CATALOG_NAME}$")]
ProductId = Annotated[
    str, Field(min_length=1, max_length=rules.LONGEST_ID, pattern=rules.ID_PATTERN)
]
Fraction = Annotated[float, Field(ge=0, le=1)]
