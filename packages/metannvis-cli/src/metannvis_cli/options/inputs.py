"""Options of what a model is given."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import click

from metannvis_cli.options.grouping import as_one
from metannvis_cli.options.values import shape_of

__all__ = ["InputOptions", "input_options"]


@dataclass(frozen=True)
class InputOptions:
    """What a command gives a model, and how images are read for it.

    Attributes
    ----------
    files
        ``FILE`` or ``NAME=FILE`` each.
    scale, crop
        See :func:`metannvis_methods.inputs.read_image`.
    shape
        Shape that the model takes if it declares none, batch first.
    """

    files: tuple[str, ...] = ()
    scale: str = "unit"
    crop: bool = False
    shape: tuple[int, ...] | None = None

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the files, one each, for figures; empty if they are of several inputs."""
        return () if any("=" in file for file in self.files) else tuple(Path(file).name for file in self.files)


input_options = as_one(
    "inputs",
    InputOptions,
    click.option(
        "--input",
        "-i",
        "files",
        multiple=True,
        metavar="[NAME=]FILE",
        help="Image, .npy or .npz; several make a batch. NAME says which input of a model with several.",
    ),
    click.option(
        "--scale",
        type=click.Choice(["unit", "symmetric", "imagenet", "none"]),
        default="unit",
        show_default=True,
        help="What an image's pixels become: 0…1, −1…1, ImageNet's mean 0 and deviation 1, or 0…255. "
        "Arrays stay as they are.",
    ),
    click.option("--crop", is_flag=True, help="Cut an image to the model's aspect instead of distorting it."),
    click.option(
        "--input-shape",
        "shape",
        metavar="N,…",
        callback=lambda ctx, param, value: shape_of(value),
        help="Shape that a model takes which declares none, in its own layout: 1,3,224,224.",
    ),
)
