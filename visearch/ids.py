"""Identifiers: UUIDv7 (RFC 9562) as text, so that sorting by id sorts by time."""

from __future__ import annotations

import secrets
import time
import uuid


def new_id() -> str:
    """Return a fresh UUIDv7: 48 bits of milliseconds, then random bits."""
    milliseconds = time.time_ns() // 1_000_000
    value = (milliseconds & (2**48 - 1)) << 80 | secrets.randbits(80)
    value = value & ~(0xF << 76) | 0x7 << 76
    value = value & ~(0b11 << 62) | 0b10 << 62
    return str(uuid.UUID(int=value))
