"""Reads the pickle of a PyTorch state dict without PyTorch and without trust.

A pickle is a program. Here it can use only the few names that a state dict needs, and each of
these only records its arguments (docs/decisions/0007).
"""

from __future__ import annotations

import io
import pickle
import pickletools
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import ml_dtypes
import numpy as np

from visearch.encoders.families.naming import Array
from visearch.errors import excess

MAX_BYTES = 16 << 20
"""A state dict of 10,000 tensors takes 1 MiB."""

MAX_TUPLES = 50_000
"""A tensor needs four. Hashing nested tuples is recursive, so their number bounds the stack."""

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


class Storage(NamedTuple):
    """Memory that tensors share: numbers of one type, kept under a name."""

    kind: str
    name: str

    @property
    def dtype(self) -> np.dtype[Any]:
        """The type of its numbers."""
        return _DTYPES[self.kind]


class Tensor(NamedTuple):
    """A view of a storage; offset and strides count numbers, not bytes."""

    storage: Storage
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]

    def over(self, memory: bytes | memoryview) -> Array:
        """Return the read-only array over the bytes of the storage.

        Raises:
            ValueError: it would reach beyond them.
        """
        dtype = self.storage.dtype
        # numpy checks that the strides stay inside the buffer.
        return np.ndarray(
            self.shape,
            dtype,
            buffer=memory,
            offset=self.offset * dtype.itemsize,
            strides=tuple(stride * dtype.itemsize for stride in self.strides),
        )


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
                Tensor(storage, offset, shape, strides)
            ),
            ("torch._utils", "_rebuild_parameter"): lambda tensor, *_: tensor,
            **{("torch", name): name for name in _DTYPES},
        }

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in self._known:
            raise pickle.UnpicklingError(f"it asks for {module}.{name}, which no weights need")
        return self._known[module, name]

    def persistent_load(self, pid: Any) -> Storage:
        kind, dtype, name, _device, _numbers, *view = pid
        if kind != "storage":
            raise pickle.UnpicklingError(f"it refers to a {kind!r}, not to a storage")
        if not (isinstance(dtype, str) and dtype in _DTYPES and isinstance(name, str)):
            raise pickle.UnpicklingError(f"it refers to a storage of {dtype!r} called {name!r}")
        if any(part is not None for part in view):
            raise pickle.UnpicklingError(f"it refers to a part of the storage {name!r}")
        return Storage(dtype, name)


def program(file: io.BytesIO) -> bytes:
    """Take the next pickle out of a file, unread.

    Raises:
        ValueError: it has no end, or is more than a state dict needs.
    """
    start, tuples = file.tell(), 0
    longest = min(len(file.getbuffer()), MAX_BYTES)
    for opcode, memo, _ in pickletools.genops(file):
        # The unpickler allocates that many memo entries at once.
        if opcode.name in ("PUT", "LONG_BINPUT") and int(memo or 0) > longest:
            raise ValueError(f"its pickle asks for {memo} memo entries")
        tuples += opcode.name.startswith("TUPLE")
        if (size := file.tell() - start) > MAX_BYTES:
            raise ValueError(f"its pickle has {excess(size, MAX_BYTES, 'bytes')}")
    if tuples > MAX_TUPLES:
        raise ValueError(f"its pickle makes {tuples:,} tuples; the limit is {MAX_TUPLES:,}")
    return file.getvalue()[start : file.tell()]


def unpickle(program: bytes) -> Any:
    """Run what :func:`program` returned; whatever it asks for is refused but a state dict."""
    return _Unpickler(io.BytesIO(program)).load()


def state_dict(loaded: Any) -> dict[str, Tensor]:
    """Return the state dict, which may lie beside other data, in what a pickle made.

    Raises:
        ValueError: there is none, or it holds other things than tensors.
    """
    for wrapper in _WRAPPERS:
        if isinstance(loaded, dict) and isinstance(loaded.get(wrapper), dict):
            loaded = loaded[wrapper]
    if not isinstance(loaded, dict) or not loaded:
        raise ValueError("it contains no state dict")
    others = [str(key) for key, value in loaded.items() if not isinstance(value, Tensor)]
    if others:
        raise ValueError(f"these entries are not tensors: {', '.join(others[:10])}")
    return {str(key): value for key, value in loaded.items()}
