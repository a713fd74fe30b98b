"""Products and their pictures."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from pydantic import BaseModel, Field

from web.api.fields import AttributeChanges, Attributes, Description, Title, Url
from web.api.schemas.base import Request
from web.api.schemas.searches import ImageRef


class ProductText(Request):
    """A product without its pictures."""

    title: Title | None = None
    url: Url | None = None
    description: Description | None = None
    attributes: Attributes = Field(default={})


class NewProduct(ProductText):
    """A product with its pictures inside JSON, or their URLs."""

    images: list[ImageRef] = Field(default=[], max_length=10)


class ProductChanges(Request):
    """A merge patch (RFC 7396): absent fields and attributes stay, null removes one."""

    title: Title | None = None
    url: Url | None = None
    description: Description | None = None
    attributes: AttributeChanges | None = None


class ProductImage(BaseModel):
    """One picture of a product."""

    id: str
    url: str


class Product(BaseModel):
    """A product."""

    id: str
    title: str | None
    url: str | None
    description: str | None
    attributes: dict[str, Any]
    images: list[ProductImage]
    updated_at: datetime


class ProductList(BaseModel):
    """A page of products."""

    items: list[Product]
    next_cursor: str | None
