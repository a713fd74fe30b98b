"""Reads PyTorch checkpoints (``.pth``, ``.pt``, ``.bin``) without PyTorch and without trust.

``torch.save`` writes a zip: a pickle of the state dict, and each storage as a plain member.
Before PyTorch 1.6 it wrote one stream: a magic number, a version, facts about the machine, the
state dict, the names of the storages, each a pickle; then, for each storage, the count of its
numbers and the numbers.
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping
from pathlib import Path

from visearch.encoders.checkpoints import pickles
from visearch.encoders.checkpoints.pickles import Tensor
from visearch.encoders.families.naming import Array
from visearch.errors import WeightsMismatch, excess

_ZIP = b"PK\x03\x04"
_MAGIC = 0x1950A86A20F9469CFC6C
_LEGACY = b"\x80\x02\x8a\x0a" + _MAGIC.to_bytes(10, "little")
_VERSION = 1001
_COUNT_BYTES = 8


def looks_like(head: bytes) -> bool:
    """Tell whether PyTorch wrote the file that starts with ``head`` (14 bytes or more)."""
    return head.startswith((_ZIP, _LEGACY))


def load(path: Path) -> dict[str, Array]:
    """Read the tensors of a state dict; they may share memory and are read-only.

    Raises:
        WeightsMismatch: the file is broken or hostile, or contains no state dict.
    """
    try:
        with path.open("rb") as file:
            is_zip = file.read(len(_ZIP)) == _ZIP
        if not is_zip:
            return _read_stream(path.read_bytes())
        with zipfile.ZipFile(path) as archive:
            return _read_zip(archive)
    except Exception as error:  # a broken pickle or zip raises almost any exception
        why = str(error or type(error).__name__).rstrip(".")
        raise WeightsMismatch(f"{path.name} cannot be read as PyTorch weights: {why}.") from error


def _read_zip(archive: zipfile.ZipFile) -> dict[str, Array]:
    found = [name for name in archive.namelist() if name.endswith("/data.pkl")]
    if len(found) != 1:
        raise ValueError(f"it has {len(found)} members called data.pkl, not one")
    folder = found[0].removesuffix("data.pkl")
    order = folder + "byteorder"
    if order in archive.namelist() and _member(archive, order) != b"little":
        raise ValueError("it was written on a big-endian machine")
    pickled = io.BytesIO(_member(archive, found[0], pickles.MAX_BYTES))
    tensors = pickles.state_dict(pickles.unpickle(pickles.program(pickled)))
    names = {tensor.storage.name for tensor in tensors.values()}
    return _arrays(tensors, {name: _member(archive, f"{folder}data/{name}") for name in names})


def _member(archive: zipfile.ZipFile, name: str, most: int | None = None) -> bytes:
    info = archive.getinfo(name)
    if info.compress_type != zipfile.ZIP_STORED:
        raise ValueError(f"{name} is compressed, which PyTorch never does")
    if most is not None and info.file_size > most:
        raise ValueError(f"{name} has {excess(info.file_size, most, 'bytes')}")
    return archive.read(info)


def _read_stream(data: bytes) -> dict[str, Array]:
    file = io.BytesIO(data)
    magic, version, machine, loaded, names = (
        pickles.unpickle(pickles.program(file)) for _ in range(5)
    )
    if (magic, version) != (_MAGIC, _VERSION):
        raise ValueError(f"it has version {version} of its format, not {_VERSION}")
    if machine.get("little_endian") is not True:
        raise ValueError("it was written on a big-endian machine")
    tensors = pickles.state_dict(loaded)
    kinds = {tensor.storage.name: tensor.storage.dtype for tensor in tensors.values()}
    storages, memory, at = {}, memoryview(data), file.tell()
    for name in names:
        if name not in kinds:
            raise ValueError(f"no tensor says of what type the storage {name!r} is")
        count = int.from_bytes(memory[at : at + _COUNT_BYTES], "little", signed=True)
        start, size = at + _COUNT_BYTES, count * kinds[name].itemsize
        at = start + size
        if size < 0 or at > len(data):
            raise ValueError(f"its storage {name} reaches beyond the end of the file")
        storages[name] = memory[start:at]
    return _arrays(tensors, storages)


def _arrays(
    tensors: Mapping[str, Tensor], storages: Mapping[str, bytes | memoryview]
) -> dict[str, Array]:
    return {key: tensor.over(storages[tensor.storage.name]) for key, tensor in tensors.items()}
