"""``visearch quantize``: its options; the work, which needs jax, is loaded when it is called."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import click
import numpy as np
from PIL import Image

from visearch.cli.common import as_json, needs_extras, one_line_errors, print_json
from visearch.errors import ImageError, InvalidRequest

SUFFIXES = (".jpg", ".jpeg", ".png", ".webp")


@click.command()
@click.argument("encoder")
@click.option("--out", required=True, type=click.Path(dir_okay=False, path_type=Path))
@click.option(
    "--pictures",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Folder of pictures like those to come [default: drawn ones].",
)
@click.option("--count", type=click.IntRange(min=16), default=300, show_default=True)
@as_json
@one_line_errors
def quantize(encoder: str, out: Path, pictures: Path | None, count: int, as_json: bool) -> None:
    """Make the int8 form of ENCODER, an encoder of its own: use it as file:OUT.

    It is faster and less exact; compare the two with `visearch evaluate`. The first COUNT
    pictures, by name, set the range of every activation.
    """
    with needs_extras("worker,cpu"):
        from visearch.encoders.runtimes.quantize import quantize as make
    from visearch.encoders.checkpoints.int8 import is_quantized
    from visearch.encoders.spec import resolve

    spec = resolve(encoder)
    if is_quantized(spec):
        raise InvalidRequest(f"{encoder} is int8 already. Quantize the encoder it came from.")
    out.parent.mkdir(parents=True, exist_ok=True)
    images = list(islice(_read(pictures) if pictures else _drawn(count), count))
    if len(images) < 16:
        raise InvalidRequest(
            f"{pictures} holds {len(images)} pictures, which are too few. Give 16 or more."
        )
    pixels = np.stack([spec.preprocess.pixels(image) for image in images])
    cosine = make(spec, pixels, out)
    result = {
        "encoder": f"file:{out}",
        "fingerprint": resolve(f"file:{out}").fingerprint,
        "bytes": out.stat().st_size,
        "mean_cosine_to_float32": round(cosine, 5),
    }
    if as_json:
        print_json(result)
    else:
        click.echo(f"{out}: {result['bytes']} bytes, mean cosine to float32 {cosine:.4f}")


def _drawn(count: int) -> Iterator[Image.Image]:
    from visearch.demo.draw import products

    for product in products(-(-count // 2)):
        yield from product.views


def _read(folder: Path) -> Iterator[Image.Image]:
    from visearch.images import decode

    for path in sorted(p for p in folder.rglob("*") if p.suffix.lower() in SUFFIXES):
        try:
            yield decode(path.read_bytes())
        except ImageError as error:
            raise InvalidRequest(f"{path}: {error.detail}") from error
