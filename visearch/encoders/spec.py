"""Encoder specs: a short string → what an encoder is, read without loading jax.

The web server and the ingest workers need an encoder's fingerprint and preprocessing,
not its arithmetic; both stand in the metadata of its safetensors file.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from visearch.encoders.checkpoints import hub
from visearch.encoders.checkpoints.header import read_metadata
from visearch.errors import EncoderMismatch, UnknownEncoder, WeightsMismatch
from visearch.images import Preprocess
from visearch.records import Catalog
from visearch.settings import Settings

METADATA_KEY = "visearch"
BUNDLED = Path(__file__).parent / "bundled" / "encoder.safetensors"


@dataclass(frozen=True)
class EncoderSpec:
    """One encoder: an architecture, the file of its weights, its preprocessing."""

    architecture: str
    weights: Path
    digest: str
    dimension: int
    preprocess: Preprocess

    @property
    def fingerprint(self) -> str:
        """Architecture + weights digest + preprocessing, in 16 hex digits after the name.

        Two encoders with one fingerprint give the same embedding for the same picture.
        """
        text = "\n".join((self.architecture, self.digest, self.preprocess.identity()))
        return f"{self.architecture}-{hashlib.sha256(text.encode()).hexdigest()[:16]}"


def metadata_for(
    architecture: str, dimension: int, preprocess: Preprocess, **notes: Any
) -> dict[str, str]:
    """Return the safetensors metadata that :func:`resolve` reads back.

    ``notes`` (the recipe, say) are kept with it. All of it is one entry: safetensors
    writes several in random order, and the same weights must give the same digest.
    """
    body = {
        "architecture": architecture,
        "dimension": dimension,
        "preprocess": preprocess.to_dict(),
        **notes,
    }
    return {METADATA_KEY: json.dumps(body, sort_keys=True)}


def read_notes(path: Path) -> dict[str, Any]:
    """Return what :func:`metadata_for` put into a file.

    Raises:
        WeightsMismatch: not safetensors. KeyError, ValueError: not written by visearch.
    """
    body: dict[str, Any] = json.loads(read_metadata(path)[METADATA_KEY])
    return body


def resolve(spec: str) -> EncoderSpec:
    """Resolve ``bundled``, ``file:PATH`` (a file that visearch wrote) or a pulled ``hf-hub:…``.

    Raises:
        UnknownEncoder: no such spec or file, it was not pulled yet, or it lacks
            visearch's metadata.
    """
    if spec in ("bundled", "bundled:"):
        path, remedy = BUNDLED, "install visearch again"
    elif spec.startswith("file:"):
        path, remedy = Path(spec.removeprefix("file:")), "there is no such file"
    elif spec.startswith(hub.PREFIX):
        path = hub.HubSource.parse(spec).path(weights_folder())
        remedy = f"run `visearch weights pull {spec}` first"
    else:
        raise UnknownEncoder(
            f"unknown encoder {spec!r}; use 'bundled', 'file:PATH' or 'hf-hub:OWNER/NAME@REVISION'"
        )
    if not path.is_file():
        raise UnknownEncoder(f"encoder {spec!r}: {remedy}")
    return _read(path, path.stat().st_mtime_ns)


def weights_folder() -> Path:
    """Return the folder of pulled weights; it is this machine's, not a catalog's."""
    return Settings.from_env().home / "weights"


def check(catalog: Catalog, fingerprint: str) -> None:
    """Refuse to mix vectors of two encoders; raises EncoderMismatch."""
    if catalog.fingerprint != fingerprint:
        raise EncoderMismatch(
            f"catalog {catalog.name!r} was made with encoder {catalog.fingerprint}, "
            f"but {catalog.encoder!r} is now {fingerprint}; make a new catalog with it"
        )


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
        )
    except (KeyError, ValueError, TypeError, WeightsMismatch) as error:
        raise UnknownEncoder(
            f"{path.name} is no encoder of visearch; `visearch weights convert` makes one of it"
        ) from error


def _positive(value: Any) -> int:
    if type(value) is not int or value < 1:
        raise ValueError(f"the dimension is {value!r}")
    return value
