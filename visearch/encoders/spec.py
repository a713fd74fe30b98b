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

from visearch.encoders.header import read_metadata
from visearch.errors import UnknownEncoder, WeightsMismatch
from visearch.images import Preprocess

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


def metadata_for(architecture: str, dimension: int, preprocess: Preprocess) -> dict[str, str]:
    """Return the safetensors metadata that :func:`resolve` reads back."""
    return {
        "architecture": architecture,
        "dimension": str(dimension),
        "preprocess": json.dumps(preprocess.to_dict(), sort_keys=True),
    }


def resolve(spec: str) -> EncoderSpec:
    """Resolve ``bundled`` or ``file:PATH`` (a file written by ``visearch train``).

    Raises:
        UnknownEncoder: no such spec or file, or the file lacks visearch's metadata.
    """
    if spec == "bundled":
        path = BUNDLED
    elif spec.startswith("file:"):
        path = Path(spec.removeprefix("file:"))
    else:
        raise UnknownEncoder(f"unknown encoder {spec!r}; use 'bundled' or 'file:PATH'")
    if not path.is_file():
        raise UnknownEncoder(f"encoder {spec!r}: {path} is not a file")
    return _read(path, path.stat().st_mtime_ns)


@lru_cache(maxsize=32)
def _read(path: Path, _mtime: int) -> EncoderSpec:
    try:
        metadata = read_metadata(path)
        return EncoderSpec(
            architecture=metadata["architecture"],
            weights=path,
            digest=hashlib.sha256(path.read_bytes()).hexdigest(),
            dimension=int(metadata["dimension"]),
            preprocess=Preprocess.from_dict(json.loads(metadata["preprocess"])),
        )
    except (KeyError, ValueError, WeightsMismatch) as error:
        raise UnknownEncoder(f"{path} was not written by `visearch train`: {error}") from error
