"""How large a request's body may be, by route; the server stores no more of it than that."""

from __future__ import annotations

import re
from dataclasses import dataclass

from visearch.errors import (
    ArchiveTooLarge,
    ImageTooLarge,
    PayloadTooLarge,
    VisearchError,
    amount,
)
from visearch.importing.accept import MAX_PRODUCT_IMAGES
from visearch.settings import Settings

MARGIN = 1 << 20
"""What a form's own headers, or the other fields of a JSON body, may add to its files."""

_IMPORTS = re.compile("/v1/catalogs/[^/]*/imports")
_PRODUCT = re.compile("/v1/catalogs/[^/]*/products/.*", re.DOTALL)
_GOLDEN = re.compile("/v1/catalogs/[^/]*/golden/[^/]*")

REFUSAL = "visearch.refusal"
"""The key of a WSGI environment under which the server leaves the error that it refuses with."""


@dataclass(frozen=True)
class Bound:
    """The most bytes that a body may have, and the error of one that has more."""

    limit: int
    error: type[VisearchError]
    detail: str
    is_file: bool = False
    """Whether it is a whole catalog: only so many are received at a time."""
    reserve: float = 1.0
    """The share of the disk's reserve that must be left beside it."""

    def refusal(self) -> VisearchError:
        """Return the error of a body above the limit."""
        return self.error(self.detail)


def bound_of(settings: Settings, method: str, path: str) -> Bound:
    """Return the bound for the body of a request."""
    picture = settings.max_image_bytes
    in_base64 = picture * 4 // 3
    if method == "POST" and path == "/v1/searches":
        detail = f"The picture has more than {picture:,} bytes, the limit. Send a smaller copy."
        # Nothing is left of a search: it is answered as long as there is any room.
        return Bound(in_base64 + MARGIN, ImageTooLarge, detail, reserve=0.5)
    if method == "POST" and _IMPORTS.fullmatch(path):
        limit = settings.max_upload_bytes
        detail = f"The file has more than {limit:,} bytes, the limit. Split it into several."
        return Bound(limit + MARGIN, ArchiveTooLarge, detail, is_file=True)
    limit = MARGIN
    if method == "PUT" and _PRODUCT.fullmatch(path):
        limit += MAX_PRODUCT_IMAGES * in_base64
    if method == "PUT" and _GOLDEN.fullmatch(path):
        limit += in_base64
    detail = f"The body has more than {amount(limit, 'bytes')}, the limit. Send less at a time."
    return Bound(limit, PayloadTooLarge, detail)
