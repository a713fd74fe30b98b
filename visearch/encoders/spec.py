"""Encoder specs: a short string → what the encoder is, without loading jax.

The web server and the ingest workers need an encoder's fingerprint and preprocessing but do
not run it. Both come from the metadata of its safetensors file.
"""

from __future__ import annotations

import hashlib
import json
import struct
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

from visearch.encoders.checkpoints import hub
from visearch.encoders.layout import parts
from visearch.errors import EncoderMismatch, InvalidRequest, UnknownEncoder, WeightsMismatch
from visearch.fusion.weights import Weights, check
from visearch.images import Preprocess
from visearch.records import Catalog
from visearch.settings import Settings

METADATA_KEY = "visearch"
MAX_HEADER_BYTES = 100_000_000
BUNDLED = Path(__file__).parent / "bundled" / "encoder.safetensors"


@dataclass(frozen=True)
class EncoderSpec:
    """An encoder: its architecture, its file of weights, its preprocessing.

    ``digest`` is the SHA-256 of the file, ``dimension`` the length of an embedding.
    ``part_weights`` say how much each part of it counts where nobody says otherwise (None: as in
    an inner product).
    """

    architecture: str
    weights: Path
    digest: str
    dimension: int
    preprocess: Preprocess
    part_weights: Weights | None = field(default=None, hash=False)

    @cached_property
    def fingerprint(self) -> str:
        """The architecture's name and 16 hex digits of weights digest and preprocessing.

        Encoders with the same fingerprint give the same embedding for the same picture.
        """
        text = "\n".join((self.architecture, self.digest, self.preprocess.identity()))
        return f"{self.architecture}-{hashlib.sha256(text.encode()).hexdigest()[:16]}"


def metadata_for(
    architecture: str, dimension: int, preprocess: Preprocess, **notes: Any
) -> dict[str, str]:
    """Return the safetensors metadata that :func:`resolve` reads back.

    ``notes``, such as the training recipe, are kept with it. All of it is one entry, because
    safetensors writes several in random order and equal weights must give equal files.
    """
    body = {
        "architecture": architecture,
        "dimension": dimension,
        "preprocess": preprocess.to_dict(),
        **notes,
    }
    return {METADATA_KEY: json.dumps(body, sort_keys=True)}


def read_notes(path: Path) -> dict[str, Any]:
    """Return what :func:`metadata_for` wrote into a file.

    Raises:
        WeightsMismatch: the file is not safetensors.
        KeyError, ValueError: visearch did not write it.
    """
    body: dict[str, Any] = json.loads(_read_metadata(path)[METADATA_KEY])
    return body


def is_encoder_file(path: Path) -> bool:
    """Tell whether visearch wrote this file of weights, so that it describes itself."""
    try:
        return METADATA_KEY in _read_metadata(path)
    except WeightsMismatch:
        return False


def resolve(spec: str) -> EncoderSpec:
    """Resolve ``bundled``, ``file:PATH`` (written by visearch) or a pulled ``hf-hub:…``.

    Raises:
        UnknownEncoder: there is no such spec or file, it was not pulled yet, or its file was
            not written by visearch.
    """
    if spec in ("bundled", "bundled:"):
        path, remedy = BUNDLED, "Its file is missing. Install visearch again"
    elif spec.startswith("file:"):
        path, remedy = Path(spec.removeprefix("file:")), "There is no such file. Check the path"
    elif spec.startswith(hub.PREFIX):
        path = hub.HubSource.parse(spec).path(weights_folder())
        remedy = f"It is not on this machine. Run `visearch weights pull {spec}` first"
    else:
        raise UnknownEncoder(
            f"There is no encoder {spec!r}. Use 'bundled', 'file:PATH' or "
            "'hf-hub:OWNER/NAME@REVISION'."
        )
    if not path.is_file():
        raise UnknownEncoder(f"The encoder {spec!r} cannot be opened. {remedy}.")
    try:
        return _read(path, path.stat().st_mtime_ns)
    except OSError as error:
        raise UnknownEncoder(
            f"The encoder {spec!r} cannot be read ({error.strerror}). Check who may read its file."
        ) from error


def weights_folder() -> Path:
    """Return the folder of pulled weights, which all catalogs of this machine share."""
    return Settings.from_env().home / "weights"


def require_same_encoder(catalog: Catalog, fingerprint: str) -> None:
    """Raise EncoderMismatch if the catalog's vectors come from another encoder."""
    if catalog.fingerprint != fingerprint:
        raise EncoderMismatch(
            f"The catalog {catalog.name!r} was made with the encoder {catalog.fingerprint}, "
            f"but {catalog.encoder!r} is now {fingerprint}. Make a new catalog for it."
        )


def _read_metadata(path: Path) -> dict[str, str]:
    """Read the string metadata of a safetensors file, without its tensors and without numpy."""
    try:
        with path.open("rb") as file:
            (length,) = struct.unpack("<Q", file.read(8))
            header = json.loads(file.read(min(length, MAX_HEADER_BYTES)))
        return dict(header.get("__metadata__", {}))
    except (struct.error, ValueError, AttributeError, TypeError) as error:
        raise WeightsMismatch(f"{path.name} is not a safetensors file ({error}).") from error


@lru_cache(maxsize=32)
def _read(path: Path, _mtime: int) -> EncoderSpec:
    try:
        notes = read_notes(path)
        return EncoderSpec(
            architecture=notes["architecture"],
            weights=path,
            digest=hashlib.sha256(path.read_bytes()).hexdigest(),
            dimension=_positive(notes["dimension"]),
            preprocess=Preprocess.from_dict(notes["preprocess"]),
            part_weights=_part_weights(notes),
        )
    except (KeyError, ValueError, TypeError, WeightsMismatch, InvalidRequest) as error:
        raise UnknownEncoder(
            f"{path.name} is not an encoder file. Make one of it with `visearch weights convert`."
        ) from error


def _part_weights(notes: dict[str, Any]) -> Weights | None:
    recipe = notes.get("recipe") or {}
    weights = recipe.get("part_weights") if isinstance(recipe, dict) else recipe
    if not weights:
        return None
    if not isinstance(weights, dict):
        raise TypeError(f"weights of parts are an object, not {weights!r}")
    check(weights, parts(notes["architecture"], _positive(notes["dimension"])))
    return weights


def _positive(value: Any) -> int:
    if type(value) is not int or value < 1:
        raise ValueError(f"the dimension must be 1 or more, not {value!r}")
    return value
