"""Reads PyTorch checkpoints (``.pth``, ``.pt``, ``.bin``) without PyTorch and without trust.

``torch.save`` writes a zip: a pickle of the state dict, and each storage as a plain member.
A pickle is a program. Here it can use only the few names that a state dict needs, and each
of these only records its arguments (docs/decisions/0007).
"""

from __future__ import annotations

import io
import pickle
import pickletools
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import ml_dtypes
import numpy as np

from visearch.encoders.families.naming import Array
from visearch.errors import WeightsMismatch, excess

MAX_PICKLE_BYTES = 16 << 20
"""A state dict of 10,000 tensors takes 1 MiB."""

MAX_TUPLES = 50_000
"""A tensor needs four. Hashing nested tuples is recursive, so their number bounds the stack."""

_ZIP = b"PK\x03\x04"
_LEGACY = bytes.fromhex("80028a0a6cfc9c46f9206aa85019")
_DTYPES: Mapping[str, np.dtype[Any]] = {
    "DoubleStorage": np.dtype("<f8"),
    "FloatStorage": np.dtype("<f4"),
    "HalfStorage": np.dtype("<f2"),
    "BFloat16Storage": np.dtype(ml_dtypes.bfloat16),
    "LongStorage": np.dtype("<i8"),
    "IntStorage": np.dtype("<i4"),
    "ShortStorage": np.dtype("<i2"),
    "CharStorage": np.dtype("i1"),
    "ByteStorage": np.dtype("u1"),
    "BoolStorage": np.dtype("?"),
}
_WRAPPERS = ("state_dict", "model")
"""Keys under which training scripts store the state dict beside other data."""


class _Storage(NamedTuple):
    dtype: str
    member: str


class _Tensor(NamedTuple):
    storage: _Storage
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]


class _Dict(dict[Any, Any]):
    """Replaces OrderedDict, and drops the module versions that PyTorch attaches to it."""

    __slots__ = ()

    def __new__(cls) -> _Dict:  # PyTorch fills it after creation; a copy would cost memory
        return super().__new__(cls)

    def __init__(self) -> None:
        super().__init__()

    def __setstate__(self, state: object) -> None:
        pass


class _Unpickler(pickle.Unpickler):
    """Knows only the names that a state dict needs; makes tuples, strings and dicts."""

    def __init__(self, file: io.BytesIO) -> None:
        super().__init__(file)
        # New objects for every file: a pickle can set attributes of the objects it gets.
        self._known: dict[tuple[str, str], Callable[..., Any] | str] = {
            ("collections", "OrderedDict"): type("_Dict", (_Dict,), {"__slots__": ()}),
            ("torch._utils", "_rebuild_tensor_v2"): lambda storage, offset, shape, strides, *_: (
                _Tensor(storage, offset, shape, strides)
            ),
            ("torch._utils", "_rebuild_parameter"): lambda tensor, *_: tensor,
            **{("torch", name): name for name in _DTYPES},
        }

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in self._known:
            raise pickle.UnpicklingError(f"it asks for {module}.{name}, which no weights need")
        return self._known[module, name]

    def persistent_load(self, pid: Any) -> _Storage:
        kind, dtype, member, *_ = pid
        if kind != "storage":
            raise pickle.UnpicklingError(f"it refers to a {kind!r}, not to a storage")
        if not (isinstance(dtype, str) and dtype in _DTYPES and isinstance(member, str)):
            raise pickle.UnpicklingError(f"it refers to a storage of {dtype!r} called {member!r}")
        return _Storage(dtype, member)


def looks_like(head: bytes) -> bool:
    """Tell whether PyTorch wrote the file that starts with ``head`` (14 bytes or more)."""
    return head.startswith((_ZIP, _LEGACY))


def load(path: Path) -> dict[str, Array]:
    """Read the tensors of a state dict; they may share memory and are read-only.

    Raises:
        WeightsMismatch: the file is broken or hostile, in the format used before PyTorch 1.6,
            or contains no state dict.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            return _read(archive)
    except Exception as error:  # a broken pickle or zip raises almost any exception
        raise WeightsMismatch(
            f"{path.name} cannot be read as PyTorch weights: {_why(error).rstrip('.')}."
        ) from error


def _why(error: Exception) -> str:
    if isinstance(error, zipfile.BadZipFile):
        return (
            f"{error}; files of PyTorch before 1.6 are not supported. Load it in PyTorch and "
            "save its state_dict again, preferably as safetensors"
        )
    return f"{error or type(error).__name__}"


def _read(archive: zipfile.ZipFile) -> dict[str, Array]:
    pickles = [name for name in archive.namelist() if name.endswith("/data.pkl")]
    if len(pickles) != 1:
        raise ValueError(f"it has {len(pickles)} members called data.pkl, not one")
    folder = pickles[0].removesuffix("data.pkl")
    order = folder + "byteorder"
    if order in archive.namelist() and _member(archive, order) != b"little":
        raise ValueError("it was written on a big-endian machine")
    storages: dict[str, bytes] = {}
    tensors = _state_dict(_unpickle(_member(archive, pickles[0], MAX_PICKLE_BYTES)))
    for tensor in tensors.values():
        member = tensor.storage.member
        if member not in storages:
            storages[member] = _member(archive, f"{folder}data/{member}")
    return {str(key): _array(tensor, storages) for key, tensor in tensors.items()}


def _member(archive: zipfile.ZipFile, name: str, most: int | None = None) -> bytes:
    info = archive.getinfo(name)
    if info.compress_type != zipfile.ZIP_STORED:
        raise ValueError(f"{name} is compressed, which PyTorch never does")
    if most is not None and info.file_size > most:
        raise ValueError(f"{name} has {excess(info.file_size, most, 'bytes')}")
    return archive.read(info)


def _unpickle(program: bytes) -> Any:
    tuples = 0
    for opcode, memo, _ in pickletools.genops(program):
        # The unpickler allocates that many memo entries at once.
        if opcode.name in ("PUT", "LONG_BINPUT") and int(memo or 0) > len(program):
            raise ValueError(f"its pickle asks for {memo} memo entries")
        tuples += opcode.name.startswith("TUPLE")
    if tuples > MAX_TUPLES:
        raise ValueError(f"its pickle makes {tuples:,} tuples; the limit is {MAX_TUPLES:,}")
    return _Unpickler(io.BytesIO(program)).load()


def _state_dict(loaded: Any) -> dict[str, _Tensor]:
    for wrapper in _WRAPPERS:
        if isinstance(loaded, dict) and isinstance(loaded.get(wrapper), dict):
            loaded = loaded[wrapper]
    if not isinstance(loaded, dict) or not loaded:
        raise ValueError("it contains no state dict")
    others = [str(key) for key, value in loaded.items() if not isinstance(value, _Tensor)]
    if others:
        raise ValueError(f"these entries are not tensors: {', '.join(others[:10])}")
    return loaded


def _array(tensor: _Tensor, storages: Mapping[str, bytes]) -> Array:
    dtype = _DTYPES[tensor.storage.dtype]
    # numpy checks that the strides stay inside the buffer.
    return np.ndarray(
        tensor.shape,
        dtype,
        buffer=storages[tensor.storage.member],
        offset=tensor.offset * dtype.itemsize,
        strides=tuple(stride * dtype.itemsize for stride in tensor.strides),
    )
