"""Base64 as clients write it: with line breaks, URL-safe, without padding, as a data URL."""

from __future__ import annotations

import base64
import binascii
import re

_DATA_URL = re.compile(r"\s*data:[^,]{0,256};base64,", re.IGNORECASE)
_SPACE = dict.fromkeys(map(ord, " \t\r\n\f\v"))
_URL_SAFE = str.maketrans("-_", "+/")


def bytes_of(text: str) -> bytes:
    """Decode base64 (RFC 4648, sections 4 and 5) with or without padding; raises ValueError."""
    if url := _DATA_URL.match(text):
        text = text[url.end() :]
    # The usual form first: a picture has millions of characters.
    try:
        return base64.b64decode(text, validate=True)
    except binascii.Error:
        plain = text.translate(_SPACE).translate(_URL_SAFE).rstrip("=")
        return base64.b64decode(plain + "=" * (-len(plain) % 4), validate=True)
