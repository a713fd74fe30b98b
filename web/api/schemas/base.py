"""What all shapes share: requests that forbid unknown fields, and problems."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class Request(BaseModel):
    """Base of what clients send."""

    model_config = ConfigDict(extra="forbid")


class FieldProblem(BaseModel):
    """One invalid field."""

    pointer: str
    detail: str


class Problem(BaseModel):
    """An error (RFC 9457), served as ``application/problem+json``."""

    type: str
    title: str
    status: int
    detail: str
    instance: str
    code: str
    errors: list[FieldProblem] | None = None
