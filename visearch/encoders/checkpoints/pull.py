"""Makes an encoder, in the folder of weights, of a repository on the hub."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

from visearch.encoders.checkpoints.convert import Conversion, convert, timm_conversion
from visearch.encoders.checkpoints.download import Download, download
from visearch.encoders.checkpoints.hub import HubSource, note_path
from visearch.encoders.spec import is_encoder_file, resolve
from visearch.errors import InvalidRequest, UnknownEncoder


def pull(
    source: HubSource,
    weights: Path,
    cache: Path,
    architecture: str | None = None,
    sha256: str | None = None,
) -> Path:
    """Put the encoder that ``source`` names into the folder ``weights`` and return its file.

    A file that visearch wrote is copied unchanged. A commit never changes: if its encoder is
    already in the folder, the network is not used.

    Raises:
        UnknownEncoder: there is no such repository, revision, file or architecture.
        WeightsMismatch: the file has another SHA-256, or does not fit the architecture.
        InvalidRequest: neither the repository nor the caller says which network it is.
        DependencyUnavailable: the hub does not answer.
    """
    out = source.path(weights)
    if source.pinned and out.is_file() and _is_as_asked(out, architecture, sha256):
        return out
    found = download(source, cache, sha256)
    out.parent.mkdir(parents=True, exist_ok=True)
    if is_encoder_file(found.path):
        _require_architecture(found.path, architecture)
        part = out.with_name(out.name + ".part")
        shutil.copyfile(found.path, part)
        part.replace(out)
    else:
        convert(found.path, out, _conversion(found, architecture), source=found.notes(source))
    # Recorded beside the file: a file that visearch wrote must keep its bytes and fingerprint.
    note = json.dumps({"spec": source.spec, **found.notes(source)}, indent=2)
    part = note_path(out).with_suffix(".json.part")
    part.write_text(note, encoding="utf-8")
    part.replace(note_path(out))
    return out


def _is_as_asked(out: Path, architecture: str | None, sha256: str | None) -> bool:
    """Tell whether a pulled file is whole, and what the caller asks for now."""
    try:
        note = json.loads(note_path(out).read_text(encoding="utf-8"))
        found = resolve(f"file:{out}").architecture
    except (OSError, ValueError, UnknownEncoder):
        return False
    return architecture in (None, found) and (sha256 or note["sha256"]).lower() == note["sha256"]


def _require_architecture(path: Path, wanted: str | None) -> None:
    found = resolve(f"file:{path}").architecture
    if wanted not in (None, found):
        raise InvalidRequest(
            f"The file says that its architecture is {found}, not {wanted}. Omit --architecture."
        )


def _conversion(found: Download, architecture: str | None) -> Conversion:
    if found.config is None:
        raise InvalidRequest(
            f"The repository has no config.json that describes {found.file}. Download the file "
            "and use `visearch weights convert`."
        )
    conversion = timm_conversion(found.config)
    return replace(conversion, architecture=architecture) if architecture else conversion
