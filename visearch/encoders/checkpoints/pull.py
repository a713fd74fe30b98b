"""From a repository of the hub to an encoder in the folder of weights."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

from visearch.encoders.checkpoints.convert import Recipe, convert, timm_recipe
from visearch.encoders.checkpoints.download import Download, download
from visearch.encoders.checkpoints.header import read_metadata
from visearch.encoders.checkpoints.hub import HubSource, note_path
from visearch.encoders.spec import METADATA_KEY, resolve
from visearch.errors import InvalidRequest, UnknownEncoder, WeightsMismatch


def pull(
    source: HubSource,
    weights: Path,
    cache: Path,
    architecture: str | None = None,
    sha256: str | None = None,
) -> Path:
    """Put the encoder that ``source`` names into the folder ``weights``; return its file.

    One that visearch wrote is taken as it is. What a commit names never changes: if it is
    there already, nothing is asked of the network.

    Raises:
        UnknownEncoder: there is no such repository, revision, file or architecture.
        WeightsMismatch: the file is not what was promised, or does not fit.
        InvalidRequest: nothing says what kind of network it is.
        DependencyUnavailable: the hub does not answer.
    """
    out = source.path(weights)
    if source.pinned and out.is_file() and _is_as_asked(out, architecture, sha256):
        return out
    found = download(source, cache, sha256)
    out.parent.mkdir(parents=True, exist_ok=True)
    if _is_ours(found.path):
        _require_architecture(found.path, architecture)
        part = out.with_name(out.name + ".part")
        shutil.copyfile(found.path, part)
        part.replace(out)
    else:
        convert(found.path, out, _recipe(found, architecture), source=found.notes(source))
    # Beside the file too: what visearch wrote keeps its bytes, and so its fingerprint.
    note = json.dumps({"spec": source.spec, **found.notes(source)}, indent=2)
    part = note_path(out).with_suffix(".json.part")
    part.write_text(note, encoding="utf-8")
    part.replace(note_path(out))
    return out


def _is_as_asked(out: Path, architecture: str | None, sha256: str | None) -> bool:
    """Tell whether a file pulled before is whole, and would be pulled again as it is."""
    try:
        note = json.loads(note_path(out).read_text(encoding="utf-8"))
        found = resolve(f"file:{out}").architecture
    except (OSError, ValueError, UnknownEncoder):
        return False
    return architecture in (None, found) and (sha256 or note["sha256"]).lower() == note["sha256"]


def _require_architecture(path: Path, wanted: str | None) -> None:
    found = resolve(f"file:{path}").architecture
    if wanted not in (None, found):
        raise InvalidRequest(f"the file says itself that it is a {found}, not a {wanted}")


def _is_ours(path: Path) -> bool:
    try:
        return METADATA_KEY in read_metadata(path)
    except WeightsMismatch:
        return False


def _recipe(found: Download, architecture: str | None) -> Recipe:
    if found.config is None:
        raise InvalidRequest(
            f"the repository has no config.json that says what {found.file} is; download it "
            "and use `visearch weights convert`"
        )
    recipe = timm_recipe(found.config)
    return replace(recipe, architecture=architecture) if architecture else recipe
