"""PyTorch files: what PyTorch wrote is read as it is; what a hostile hand wrote is refused."""

from __future__ import annotations

import pickle
import pickletools
import struct
import zipfile
from collections import OrderedDict
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from visearch.encoders.checkpoints.weights import load_checkpoint
from visearch.errors import WeightsMismatch

REAL = Path(__file__).parent / "data" / "torch-2.13.pth"
"""torch.save({"epoch": 3, "state_dict": …}) with tensors of several types and strides."""

LEGACY = Path(__file__).parent / "data" / "torch-legacy.pth"
"""The same without the format that PyTorch 1.6 brought."""

FLOATS = b"(Vstorage\nctorch\nFloatStorage\nV0\nVcpu\nI4\ntQ"
"""The persistent id of a storage of four float32."""


def pth(path: Path, program: bytes, compression: int = zipfile.ZIP_STORED) -> Path:
    """Write what ``torch.save`` would, with ``program`` for its pickle."""
    with zipfile.ZipFile(path, "w", compression) as archive:
        archive.writestr("archive/data.pkl", program)
        archive.writestr("archive/data/0", np.arange(4, dtype=np.float32).tobytes())
    return path


def tensor(shape: str, strides: str, offset: int = 0, storage: bytes = FLOATS) -> bytes:
    """Return the program that makes {"w": a tensor}."""
    rebuild = b"(dVw\nctorch._utils\n_rebuild_tensor_v2\n("
    return rebuild + storage + f"I{offset}\n{shape}{strides}I00\nNtRs.".encode()


def test_what_pytorch_wrote_is_read() -> None:
    tensors = load_checkpoint(REAL)
    assert tensors["0.weight"].shape == (3, 2, 3, 3) and tensors["0.weight"].dtype == np.float32
    assert tensors["1.num_batches_tracked"].shape == ()
    rows = np.arange(24, dtype=np.float32).reshape(4, 6)
    np.testing.assert_array_equal(tensors["transposed"], rows.T)
    np.testing.assert_array_equal(tensors["slice"], rows[1:3, 2:5])
    for name in ("half", "brain"):
        np.testing.assert_array_equal(tensors[name].astype(np.float32), [1.5, -2.0])
    np.testing.assert_array_equal(tensors["double"], [0.1])
    np.testing.assert_array_equal(tensors["parameter"], [1, 1])
    np.testing.assert_array_equal(tensors["flags"], [True, False])
    assert tensors["empty"].shape == (0, 3)


def test_the_tests_own_files_are_read(tmp_path: Path) -> None:
    path = pth(tmp_path / "w.pth", tensor("(I2\nI2\nt", "(I2\nI1\nt"))
    np.testing.assert_array_equal(load_checkpoint(path)["w"], [[0, 1], [2, 3]])


class Calls:
    """Pickles as a call of ``function``."""

    def __init__(self, function: Callable[..., Any], *arguments: Any) -> None:
        self.call = (function, arguments)

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        return self.call


@pytest.mark.parametrize(
    ("function", "name"),
    [(eval, "builtins.eval"), (getattr, "builtins.getattr"), (np.load, "numpy.load")],
)
def test_a_pickle_that_calls_something_is_refused_by_name(
    function: Callable[..., Any], name: str, tmp_path: Path
) -> None:
    mark = tmp_path / "it-ran"
    code = f"open({str(mark)!r}, 'w')"
    path = pth(tmp_path / "w.pth", pickle.dumps({"w": Calls(function, code)}))
    with pytest.raises(WeightsMismatch, match=rf"asks for {name}, which no weights need"):
        load_checkpoint(path)
    assert not mark.exists()


@pytest.mark.parametrize(
    ("program", "reason"),
    [
        (tensor("(I1000\nt", "(I1\nt"), "buffer"),
        (tensor("(I2\nt", "(I-1\nt"), "buffer|stride"),
        (tensor("(I4\nt", "(I1\nt", offset=-1), "offset|buffer"),
        (tensor("(I4\nt", "(I1\nt", storage=FLOATS.replace(b"V0", b"V../x")), "x"),
        (tensor("(I4\nt", "(I1\nt", storage=FLOATS.replace(b"storage", b"module")), "module"),
        (tensor("(I4\nt", "(I1\nt", storage=b"I7\n"), "attribute"),
        (pickle.dumps({"w": [1.0]}), "not tensors: w"),
        (pickle.dumps([]), "no state dict"),
        (b"", "exhausted"),
        (b"\x80\x02}r" + struct.pack("<I", 1 << 31) + b".", "memo entries"),
        (bytes(17 << 20), "the limit is"),
    ],
    ids=[
        "beyond its storage",
        "negative stride",
        "negative offset",
        "storage elsewhere",
        "no storage",
        "number for a storage",
        "list",
        "not a dict",
        "empty",
        "two thousand million memos",
        "too long",
    ],
)
def test_other_programs_are_refused(program: bytes, reason: str, tmp_path: Path) -> None:
    with pytest.raises(WeightsMismatch, match=reason):
        load_checkpoint(pth(tmp_path / "w.pth", program))


def test_a_pickle_cannot_change_how_the_next_one_is_read(tmp_path: Path) -> None:
    """BUILD sets attributes of whatever was made or named before."""
    poison = b"(dVw\nccollections\nOrderedDict\nN}Vget\nNst" + b"bs."
    assert any(opcode.name == "BUILD" for opcode, _, _ in pickletools.genops(poison))
    with pytest.raises(WeightsMismatch):
        load_checkpoint(pth(tmp_path / "w.pth", poison))
    assert len(load_checkpoint(REAL)) == 15
    assert OrderedDict(a=1).get("a") == 1


def test_a_member_that_unpacks_to_more_than_the_file_is_refused(tmp_path: Path) -> None:
    program = tensor("(I4\nt", "(I1\nt")
    path = pth(tmp_path / "w.pth", program, zipfile.ZIP_DEFLATED)
    with pytest.raises(WeightsMismatch, match="compressed"):
        load_checkpoint(path)


def test_files_of_pytorch_before_1_6_are_read() -> None:
    tensors = load_checkpoint(LEGACY)
    rows = np.arange(24, dtype=np.float32).reshape(4, 6)
    np.testing.assert_array_equal(tensors["transposed"], rows.T)
    np.testing.assert_array_equal(tensors["slice"], rows[1:3, 2:5])
    np.testing.assert_array_equal(tensors["half"].astype(np.float32), [1.5, -2.0])
    assert tensors["0.weight"].shape == (3, 2, 3, 3)
    assert len(tensors) == 11 and tensors["1.num_batches_tracked"].shape == ()


def stream(path: Path, *parts: object, after: bytes = b"") -> Path:
    """Write what PyTorch wrote before 1.6; bytes are programs, the rest is pickled."""
    heads = [pickle.dumps(0x1950A86A20F9469CFC6C, protocol=2)]
    heads += [each if isinstance(each, bytes) else pickle.dumps(each, 2) for each in parts]
    path.write_bytes(b"".join(heads) + after)
    return path


SMALL = tensor("(I4\nt", "(I1\nt", storage=FLOATS[:-2] + b"NtQ")
LITTLE = {"little_endian": True}
FOUR = struct.pack("<q4f", 4, 0, 1, 2, 3)


def test_a_stream_is_read_as_pytorch_wrote_it(tmp_path: Path) -> None:
    path = stream(tmp_path / "w.pth", 1001, LITTLE, SMALL, ["0"], after=FOUR)
    np.testing.assert_array_equal(load_checkpoint(path)["w"], [0, 1, 2, 3])


@pytest.mark.parametrize(
    ("parts", "after", "reason"),
    [
        ((1002, LITTLE, SMALL, ["0"]), FOUR, "version 1002"),
        ((1001, {"little_endian": False}, SMALL, ["0"]), FOUR, "big-endian"),
        ((1001, LITTLE, SMALL, ["0", "9"]), FOUR, "what type the storage '9'"),
        ((1001, LITTLE, SMALL, []), b"", "0"),
        ((1001, LITTLE, SMALL, ["0"]), FOUR[:-1], "beyond the end"),
        ((1001, LITTLE, SMALL, ["0"]), struct.pack("<q", 1 << 60), "beyond the end"),
        ((1001, LITTLE, SMALL, ["0"]), struct.pack("<q", -1), "beyond the end"),
        ((1001, LITTLE, SMALL, ["0"]), struct.pack("<qf", 1, 0), "buffer"),
        ((1001, LITTLE, SMALL.replace(b"NtQ", b"VpartnTtQ".replace(b"nT", b"\n")), ["0"]), FOUR,
         "a part of the storage"),
        ((1001, LITTLE, b"\x80\x02}r" + struct.pack("<I", 1 << 31) + b"."), b"", "memo entries"),
        ((1001, LITTLE), b"", "exhausted"),
    ],
)  # fmt: skip
def test_other_streams_are_refused(
    parts: tuple[object, ...], after: bytes, reason: str, tmp_path: Path
) -> None:
    with pytest.raises(WeightsMismatch, match=reason):
        load_checkpoint(stream(tmp_path / "w.pth", *parts, after=after))


@pytest.mark.parametrize("real", [REAL, LEGACY], ids=["zip", "stream"])
@pytest.mark.parametrize("share", [0.1, 0.5, 0.9, 0.999])
def test_a_truncated_file_is_refused(share: float, real: Path, tmp_path: Path) -> None:
    data = real.read_bytes()
    path = tmp_path / "cut.pth"
    path.write_bytes(data[: int(len(data) * share)])
    with pytest.raises(WeightsMismatch):
        load_checkpoint(path)


@pytest.mark.parametrize("real", [REAL, LEGACY], ids=["zip", "stream"])
def test_flipped_bytes_are_refused_or_read(real: Path, tmp_path: Path) -> None:
    """Never anything but WeightsMismatch, whatever the damage."""
    whole, path, rng = real.read_bytes(), tmp_path / "w.pth", np.random.default_rng(0)
    program = whole
    if real == REAL:
        with zipfile.ZipFile(REAL) as archive:
            program = next(archive.read(n) for n in archive.namelist() if n.endswith("data.pkl"))
    for _ in range(300):
        damaged = bytearray(program)
        for at in rng.integers(0, len(damaged), 3):
            damaged[at] = rng.integers(0, 256)
        with suppress(WeightsMismatch):
            if real == REAL:
                load_checkpoint(pth(path, bytes(damaged)))
            else:
                path.write_bytes(bytes(damaged))
                load_checkpoint(path)


@pytest.mark.parametrize("content", [b"", b"no weights at all", b"\xff" * 64])
def test_what_is_no_checkpoint_is_refused(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "x.safetensors"
    path.write_bytes(content)
    with pytest.raises(WeightsMismatch, match=r"x\.safetensors cannot be read"):
        load_checkpoint(path)
    with pytest.raises(WeightsMismatch, match="cannot be read"):
        load_checkpoint(tmp_path / "missing.pth")


def test_a_storage_under_another_type_is_refused(tmp_path: Path) -> None:
    odd = FLOATS.replace(b"ctorch\nFloatStorage\n", b"Vmystery\n")
    path = pth(tmp_path / "w.pth", tensor("(I2\nI2\nt", "(I2\nI1\nt", storage=odd))
    with pytest.raises(WeightsMismatch, match="storage of 'mystery'"):
        load_checkpoint(path)


def test_a_dict_is_never_copied(tmp_path: Path) -> None:
    program = b"ccollections\nOrderedDict\n((dVa\nI1\nstR."
    with pytest.raises(WeightsMismatch, match="argument"):
        load_checkpoint(pth(tmp_path / "w.pth", program))
