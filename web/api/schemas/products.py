"""Products and their pictures."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from pydantic import BaseModel, Field

from web.api.fields import Attributes, Title, Url
from web.api.schemas.base import Request
from web.api.schemas.searches import InlineImage


class ProductText(Request):
    """A product without its pictures."""

    title: Title | None = None
    url: Url | None = None
    attributes: Attributes = Field(default={})


class NewProduct(ProductText):
    """A product with its pictures inside JSON."""

    images: list[InlineImage] = Field(default=[], max_length=10)


class ProductChanges(Request):
    """Changes that need no new embedding; absent fields stay."""

    title: Title | None = None
    url: Url | None = None
    attributes: Attributes | None = None


class ProductImage(BaseModel):
    """One picture of a product."""

    id: str
    url: str


class Product(BaseModel):
    """A product."""

    id: str
    title: str | None
    url: str | None
    attributes: dict[str, Any]
    images: list[ProductImage]
    updated_at: datetime


class ProductList(BaseModel):
    """A page of products."""

    items: list[Product]
    next_cursor: str | None
