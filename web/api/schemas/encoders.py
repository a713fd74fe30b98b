"""The encoders that a server offers."""

from __future__ import annotations

from pydantic import BaseModel


class Encoder(BaseModel):
    """An encoder: how a client names it, what it is, and how many numbers an embedding has."""

    name: str
    fingerprint: str
    dimension: int


class EncoderList(BaseModel):
    """All encoders, the server's own first."""

    items: list[Encoder]
