"""Every error visearch raises on purpose.

    VisearchError
    ├── SettingsError            a setting or this machine does not allow the start
    ├── InvalidRequest           the caller's input breaks a documented rule
    ├── Forbidden                the caller may not do this
    ├── NotFound                 no such catalog, product, import or search
    ├── Gone                     it existed; its retention is over
    ├── Conflict                 the resource's state forbids the change
    ├── ImageError               one picture cannot be used
    │   ├── UnsupportedImage     not one of the allowed formats
    │   ├── ImageTooLarge        bytes, pixels or a side above the limit
    │   └── ImageCorrupt         truncated or broken
    ├── ArchiveError             an uploaded file cannot be read as a catalog
    │   ├── UnsupportedArchive   not a zip or tar file we read
    │   ├── ArchiveCorrupt       truncated, or the manifest is broken
    │   └── ArchiveTooLarge      bytes or items above the limit
    ├── MemberError              one member of an archive cannot be read
    ├── EncoderError
    │   ├── UnknownEncoder       no encoder has this spec
    │   ├── WeightsMismatch      checkpoint and architecture differ
    │   ├── ExportError          a network cannot be handed to an engine, or came out different
    │   └── EncoderMismatch      vectors of two encoders would meet
    ├── GenerationCorrupt        an index generation fails its checks
    ├── SearchExpired            no answer before the deadline
    ├── Overloaded               the admission bound is reached; retry later
    └── DependencyUnavailable    database, Redis or blob store does not answer

``code`` is part of the HTTP contract: stable, snake_case, one per class unless the
constructor is given a more specific one (``MemberError``). The table from error to
HTTP status lives in ``web/problems.py``.
"""

from __future__ import annotations


class VisearchError(Exception):
    """Base class; ``str(error)`` says what is wrong and what to do."""

    code = "internal_error"

    def __init__(self, detail: str, *, code: str | None = None) -> None:
        super().__init__(detail)
        self.detail = detail
        if code is not None:
            self.code = code


class SettingsError(VisearchError):
    """A setting, or the machine itself, does not allow visearch to start."""

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


class Forbidden(VisearchError):
    """The caller may not do this, whoever it is."""

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


class ImageError(VisearchError):
    """One picture cannot be used; its neighbours are not affected."""


class UnsupportedImage(ImageError):
    """Not one of the allowed picture formats."""

    code = "unsupported_image"


class ImageTooLarge(ImageError):
    """The picture is above the byte, pixel or side limit."""

    code = "image_too_large"


class ImageCorrupt(ImageError):
    """The picture is truncated or broken."""

    code = "image_corrupt"


class ArchiveError(VisearchError):
    """An uploaded file cannot be read as a catalog."""


class UnsupportedArchive(ArchiveError):
    """The file is neither a zip nor a plain tar."""

    code = "unsupported_archive"


class ArchiveCorrupt(ArchiveError):
    """The archive, or the manifest inside it, is broken."""

    code = "archive_corrupt"


class ArchiveTooLarge(ArchiveError):
    """The archive is above the byte or item limit."""

    code = "archive_too_large"


class MemberError(VisearchError):
    """One member of an archive cannot be read; ``code`` says why."""

    code = "member_unreadable"


class EncoderError(VisearchError):
    """An encoder cannot be opened or used."""


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
    """Vectors of two encoders would have met."""

    code = "encoder_mismatch"


class GenerationCorrupt(VisearchError):
    """An index generation fails its checks and must not be served."""

    code = "generation_corrupt"


class SearchExpired(VisearchError):
    """A search was not answered before its deadline."""

    code = "search_expired"


class Overloaded(VisearchError):
    """The admission bound is reached; the caller should retry later."""

    code = "overloaded"


class DependencyUnavailable(VisearchError):
    """The database, Redis or the blob store does not answer."""

    code = "dependency_unavailable"


def first_line(error: BaseException) -> str:
    """Return the first line of an error's message; its class's name if it has none."""
    text = str(error).strip()
    return text.splitlines()[0] if text else type(error).__name__
