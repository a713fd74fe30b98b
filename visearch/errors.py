"""Every error visearch raises on purpose, and how their messages write amounts.

    VisearchError
    ├── SettingsError            a setting, or this machine, prevents the start
    ├── InvalidRequest           the caller's input breaks a documented rule
    │   └── IdempotencyMismatch  another request was sent with the same key
    ├── PayloadTooLarge          the body of a request is above the limit of its route
    ├── RequestTimeout           the body of a request comes too slowly
    ├── Forbidden                the caller may not do this
    ├── NotFound                 no such catalog, product, import or search
    ├── Gone                     it existed; its retention is over
    ├── Conflict                 the resource's state forbids the change
    ├── ReplaceIncomplete        a file that replaces a catalog does not say all that is to stay
    ├── ReplaceGuarded           a file would remove more of a catalog than its guard allows
    ├── ImageError               one picture cannot be used
    │   ├── UnsupportedImage     not one of the accepted formats
    │   ├── ImageTooLarge        bytes, pixels or a side above the limit
    │   ├── ImageCorrupt         truncated or broken
    │   ├── DecoderCrashed       it ended the process that decoded it
    │   └── DecodeTimeout        it takes longer to decode than a picture may
    ├── ArchiveError             an uploaded file cannot be read as a catalog
    │   ├── UnsupportedArchive   not a zip or an uncompressed tar
    │   ├── ArchiveCorrupt       truncated, or the manifest is broken
    │   │   └── TableUnreadable  a table-like file cannot be understood as a whole
    │   ├── MappingIncomplete    no column of a table is known to hold what every product needs
    │   └── ArchiveTooLarge      bytes or items above the limit
    ├── MemberError              one member of an archive cannot be read
    ├── FetchError               what a URL names cannot be fetched
    │   ├── UrlNotFound          its host has nothing there
    │   ├── UrlRefusedAddress    it leads to where visearch does not go
    │   ├── UrlTimeout           its host takes longer than it may
    │   ├── UrlTooLarge          what is there has too many bytes
    │   ├── UrlNotAPicture       what is there is something else
    │   ├── UrlRateLimited       its host wants to be asked less often
    │   └── UrlUnreachable       its host cannot be connected to, or breaks off
    ├── EncoderError             an encoder cannot be opened, used or trained
    │   ├── UnknownEncoder       no encoder has this spec
    │   ├── WeightsMismatch      the checkpoint does not fit the architecture
    │   ├── ExportError          a network has no export, or its export gives other vectors
    │   ├── TrainingFailed       training cannot go on
    │   └── EncoderMismatch      vectors of two encoders would be compared
    ├── GenerationCorrupt        an index generation fails its checks
    ├── BlobDamaged              a blob is not what its name says, or cannot be read
    ├── BackupDamaged            a backup is not what was written
    ├── SearchExpired            no answer before the deadline
    ├── TooSlow                  this needs longer than it may take
    ├── Overloaded               too much is waiting; retry later
    ├── DependencyUnavailable    database, Redis or blob store does not answer now
    └── DependencyBroken         one of them cannot be used until its operator repairs it

``code`` is part of the HTTP contract: stable, snake_case, one per class unless the
constructor is given a more specific one (``MemberError``). ``web/problems.py`` maps
errors to HTTP statuses.
"""

from __future__ import annotations

from typing import Literal

Unit = Literal["bytes", "pixels"]

_SCALES: dict[Unit, tuple[tuple[int, str], ...]] = {
    "bytes": ((1 << 30, "GB"), (1 << 20, "MB"), (1 << 10, "kB")),
    "pixels": ((10**9, "billion pixels"), (10**6, "million pixels")),
}


class VisearchError(Exception):
    """Base class; ``detail`` says what is wrong with what was sent, then what to do."""

    code = "internal_error"

    def __init__(self, detail: str, *, code: str | None = None) -> None:
        super().__init__(detail)
        self.detail = detail
        if code is not None:
            self.code = code


def first_line(error: BaseException) -> str:
    """Return the first line of an error's message; its class's name if it has none."""
    text = str(error).strip()
    return text.splitlines()[0] if text else type(error).__name__


class SettingsError(VisearchError):
    """A setting, or the machine itself, prevents visearch from starting."""

    code = "invalid_settings"


class InvalidRequest(VisearchError):
    """The caller's input breaks a documented rule.

    ``fields`` lists ``(pointer, detail)`` pairs, where ``pointer`` is a JSON pointer
    (RFC 6901) or a form field's name.
    """

    code = "invalid_request"

    def __init__(self, detail: str, fields: tuple[tuple[str, str], ...] = ()) -> None:
        super().__init__(detail)
        self.fields = fields


class IdempotencyMismatch(InvalidRequest):
    """Another request was sent with the same idempotency key."""

    code = "idempotency_mismatch"


class PayloadTooLarge(VisearchError):
    """The body of a request is above the limit of its route."""

    code = "payload_too_large"


class RequestTimeout(VisearchError):
    """The body of a request comes too slowly to wait for it."""

    code = "request_timeout"


class Forbidden(VisearchError):
    """The caller may not do this, whatever key they hold."""

    code = "forbidden"


class NotFound(VisearchError):
    """The named resource does not exist, or is not the caller's."""

    code = "not_found"


class Gone(VisearchError):
    """The resource existed and its retention is over."""

    code = "gone"


class Conflict(VisearchError):
    """The state of the resource forbids the change."""

    code = "conflict"


class ReplaceIncomplete(VisearchError):
    """A file that was to replace a catalog has rows without a readable id: nothing is removed."""

    code = "replace_incomplete"


class ReplaceGuarded(VisearchError):
    """A file that is to replace a catalog would remove more of it than its guard allows."""

    code = "replace_guarded"


class ImageError(VisearchError):
    """One picture cannot be used; its neighbours are not affected."""


class UnsupportedImage(ImageError):
    """The file is not a picture in one of the accepted formats."""

    code = "unsupported_image"


class ImageTooLarge(ImageError):
    """The picture exceeds the limit on bytes, pixels or side length."""

    code = "image_too_large"


class ImageCorrupt(ImageError):
    """The picture is truncated or broken."""

    code = "image_corrupt"


class DecoderCrashed(ImageError):
    """The picture ended the process that decoded it."""

    code = "decode_crashed"


class DecodeTimeout(ImageError):
    """The picture takes longer to decode than one picture may."""

    code = "decode_timeout"


class ArchiveError(VisearchError):
    """An uploaded file cannot be read as a catalog."""


class UnsupportedArchive(ArchiveError):
    """The file is neither a zip nor an uncompressed tar."""

    code = "unsupported_archive"


class ArchiveCorrupt(ArchiveError):
    """The archive, or the manifest inside it, is broken."""

    code = "archive_corrupt"


class TableUnreadable(ArchiveCorrupt):
    """A table-like file cannot be understood as a whole."""

    code = "table_unreadable"


class MappingIncomplete(ArchiveError):
    """A table can be read, but no column is known to be the product's id, or its pictures."""

    code = "mapping_incomplete"


class ArchiveTooLarge(ArchiveError):
    """The archive exceeds the limit on bytes or items."""

    code = "archive_too_large"


class MemberError(VisearchError):
    """One member of an archive cannot be read; ``code`` says why."""

    code = "member_unreadable"


class FetchError(VisearchError):
    """What a URL names cannot be fetched.

    ``passes``: the same may succeed later. ``asked_s``: for so many seconds nobody should try.
    """

    code = "url_error"

    def __init__(self, detail: str, *, passes: bool = False, asked_s: float | None = None) -> None:
        super().__init__(detail)
        self.passes = passes
        self.asked_s = asked_s


class UrlNotFound(FetchError):
    """The URL's host has nothing there."""

    code = "url_not_found"


class UrlRefusedAddress(FetchError):
    """The URL leads to where visearch does not go, such as a private network."""

    code = "url_refused_address"


class UrlTimeout(FetchError):
    """The URL's host takes longer than it may."""

    code = "url_timeout"


class UrlTooLarge(FetchError):
    """What the URL names has more bytes than it may."""

    code = "url_too_large"


class UrlNotAPicture(FetchError):
    """What the URL names is not a picture."""

    code = "url_not_a_picture"


class UrlRateLimited(FetchError):
    """The URL's host wants to be asked less often."""

    code = "url_rate_limited"


class UrlUnreachable(FetchError):
    """The URL's host cannot be connected to, or breaks off."""

    code = "url_unreachable"


class EncoderError(VisearchError):
    """An encoder cannot be opened, used or trained."""


class UnknownEncoder(EncoderError):
    """No encoder has this spec."""

    code = "unknown_encoder"


class WeightsMismatch(EncoderError):
    """The checkpoint's keys or shapes differ from the architecture's."""

    code = "weights_mismatch"


class ExportError(EncoderError):
    """A network cannot be exported to another runtime, or its export gives other vectors."""

    code = "export_failed"


class TrainingFailed(EncoderError):
    """Training cannot go on."""

    code = "training_failed"


class EncoderMismatch(EncoderError):
    """Vectors of two encoders would have been compared."""

    code = "encoder_mismatch"


class GenerationCorrupt(VisearchError):
    """An index generation fails its checks and must not be served."""

    code = "generation_corrupt"


class BlobDamaged(VisearchError):
    """A blob's content does not have the digest that is its name, or its disk cannot read it."""

    code = "blob_damaged"


class BackupDamaged(VisearchError):
    """A backup fails its checks and must not be restored."""

    code = "backup_damaged"


class SearchExpired(VisearchError):
    """A search was not answered before its deadline."""

    code = "search_expired"


class TooSlow(VisearchError):
    """The database, or a worker, needs longer for this than it may take."""

    code = "too_slow"


class Overloaded(VisearchError):
    """Too much work is waiting; the caller should retry later."""

    code = "overloaded"


class DependencyUnavailable(VisearchError):
    """The database, Redis or the blob store does not answer; the same may succeed later.

    ``dependency`` says which, for people to read.
    """

    code = "dependency_unavailable"

    def __init__(self, detail: str, dependency: str = "a dependency") -> None:
        super().__init__(detail)
        self.dependency = dependency


class DependencyBroken(VisearchError):
    """The database or the blob store cannot be used: waiting does not help, its operator can."""

    code = "dependency_broken"


def amount(count: int, unit: Unit) -> str:
    """Write an amount as a person reads it: ``20 MB``, ``1.5 million pixels``, ``812 bytes``."""
    for size, name in _SCALES[unit]:
        if count >= size:
            return f"{count / size:,.1f}".removesuffix(".0") + f" {name}"
    return f"{count:,} {unit}"


def excess(count: int, limit: int, unit: Unit) -> str:
    """Write an amount that is above its limit: ``70 million pixels; the limit is 64 million``."""
    found, allowed = amount(count, unit), amount(limit, unit)
    if found == allowed:  # rounded to the same number
        found, allowed = f"{count:,} {unit}", f"{limit:,} {unit}"
    return f"{found}; the limit is {allowed.removesuffix(' pixels')}"
