"""Previews: a worker looks through a file while its sender waits; the file is kept."""

from __future__ import annotations

from flask import Response

from visearch.errors import InvalidRequest
from visearch.importing import uploads
from visearch.importing.accept import Mode
from visearch.importing.previewing import PreviewAnswer, PreviewOrder
from visearch.searches import Failure
from visearch.store import catalogs
from visearch.store.redis import previews
from visearch.store.uploads import Upload
from visearch.tables.mapping import Choice
from web.api.common import reply, request_id, slot
from web.api.uploads import SentFile, choices_without_file
from web.problems import failed
from web.services import services

BUSY = "As many files are being looked through as the server can. Try again in a minute."

HOPELESS = ("archive_corrupt", "archive_too_large", "table_unreadable", "unsupported_archive")
"""Codes of files that no option makes better: they are not kept."""


def preview(catalog: str, upload_id: str | None, mode: Mode, guard: float | None) -> Response:
    """Answer with what an import of the file would do.

    Raises:
        NotFound: no such catalog, or no such upload.
        Gone: the upload is no longer kept.
        InvalidRequest: the body cannot be used.
        ArchiveError: the file is no archive that is read.
        Overloaded: as many files are being looked through as requests may wait for.
    """
    with slot(services().previews, BUSY):
        upload, choices = _sent(catalog) if upload_id is None else _kept(catalog, upload_id)
        order = PreviewOrder(
            catalog=catalog,
            upload=upload.id,
            media=upload.media,
            source=upload.source,
            mode=mode,
            guard=guard,
            choices=choices,
        )
        answer = _ask(order)
    if answer.preview is not None:
        return reply(answer.preview)
    assert answer.failure is not None
    if answer.failure.code in HOPELESS:
        uploads.discard(services(), upload)
        return failed(answer.failure)
    return failed(answer.failure, upload=upload.id)


def _sent(catalog: str) -> tuple[Upload, dict[str, Choice]]:
    file = SentFile()
    upload = uploads.keep(services(), catalog, file.pieces, file.name)
    try:
        return upload, file.choices()
    except InvalidRequest:
        uploads.discard(services(), upload)
        raise


def _kept(catalog: str, upload_id: str) -> tuple[Upload, dict[str, Choice]]:
    choices = choices_without_file()
    with services().database.read() as connection:
        found = catalogs.get(connection, catalog)
        return uploads.find(services(), connection, found, upload_id), choices


def _ask(order: PreviewOrder) -> PreviewAnswer:
    web, within_s = services(), services().settings.preview_timeout_s
    body = previews.ask(
        web.redis, web.send, order.model_dump_json(), request_id=request_id(), within_s=within_s
    )
    if body is not None:
        return PreviewAnswer.model_validate_json(body)
    detail = (
        f"Looking through the file takes longer than {within_s:g} seconds. Try again, split the "
        f"file, or start its import without a preview: upload={order.upload}."
    )
    return PreviewAnswer(failure=Failure(code="too_slow", detail=detail, fields=[]))
