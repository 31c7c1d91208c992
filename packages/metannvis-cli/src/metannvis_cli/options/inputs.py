"""Options of what a model is given."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from metannvis_cli.options import completion
from metannvis_cli.options.grouping import as_one
from metannvis_cli.options.values import shape_of

if TYPE_CHECKING:
    from metannvis_methods.vocabulary import Preprocessing

__all__ = ["InputOptions", "input_options", "preprocess_option"]


def known_preprocessing(text: str | None) -> str | None:
    """The text, if it names a preprocessing."""
    if text is None:
        return None
    from metannvis_methods.errors import InvalidArgumentError
    from metannvis_methods.inputs.preprocessing import preprocessing

    from metannvis_cli.wording import WORDING

    try:
        preprocessing(text, wording=WORDING)
    except InvalidArgumentError as error:
        raise click.BadParameter(str(error)) from error
    return text


def known_color(text: str | None) -> str | None:
    """The text, if it names a colour."""
    if text is None:
        return None
    from PIL import ImageColor

    try:
        ImageColor.getrgb(text)
    except ValueError as error:
        raise click.BadParameter(f"{text!r} is no colour: give a name such as white, or #rrggbb") from error
    return text


@dataclass(frozen=True)
class InputOptions:
    """What a command gives a model, and how images are read for it.

    Attributes
    ----------
    files
        ``FILE`` or ``NAME=FILE`` each.
    preprocess
        Name, JSON file or record of a preprocessing of images; ``None``: what the model says, else 0…1.
    crop
        Whether images are cut to the model's aspect; ``None``: as the preprocessing has it.
    background
        Colour that transparent images are laid over; ``None``: as the preprocessing has it.
    tokens
        File of the words of a text.
    shape
        Shape that the model takes if it declares none, batch first.
    """

    files: tuple[str, ...] = ()
    preprocess: str | Preprocessing | None = None
    crop: bool | None = None
    background: str | None = None
    tokens: Path | None = None
    shape: tuple[int, ...] | None = None

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the files, one each, for figures; empty if they are of several inputs."""
        return () if any("=" in file for file in self.files) else tuple(Path(file).name for file in self.files)

    def of(self, known: Preprocessing) -> Preprocessing:
        """A preprocessing with what was said beside it."""
        said: dict[str, Any] = {"crop": self.crop, "background": self.background}
        return dataclasses.replace(known, **{name: value for name, value in said.items() if value is not None})


preprocess_option = click.option(
    "--preprocess",
    "--scale",
    "preprocess",
    metavar="NAME|FILE",
    shell_complete=completion.presets,
    callback=lambda ctx, param, value: known_preprocessing(value),
    help="What the network was trained to get of an image's pixels: unit 0…1, symmetric (imagenet-tf) −1…1, imagenet "
    "(imagenet-torch) that data set's mean 0 and deviation 1, of the middle of the image, imagenet-caffe (ResNet50, VGG16 "
    "of Keras) its mean 0, blue first, none 0…255; or a .json file with mean, std, range or divisor, order, size, crop, or "
    "as timm, torchvision and Hugging Face write it. Default: what the model's file, MODEL.preprocess.json or its first "
    "layers say, else unit; it is told. Arrays stay as they are.",
)

input_options = as_one(
    "inputs",
    InputOptions,
    click.option(
        "--input",
        "-i",
        "files",
        multiple=True,
        metavar="[NAME=]FILE",
        help="Image, .npy, .npz, table (.csv, .tsv), tokens (.txt, .ids), IDX file (MNIST's); or a folder or a pattern, whose "
        "files are explained one by one. Several make a batch, unless --output is a folder. FILE[3] and FILE[0:10] are samples "
        "of a file, FILE[name] is an array of an .npz. NAME says which input of a model with several.",
    ),
    preprocess_option,
    click.option(
        "--crop/--no-crop",
        default=None,
        help="Cut an image to the model's aspect, or distort it; default: as the preprocessing has it, which is --no-crop of "
        "all but imagenet and imagenet-torch.",
    ),
    click.option(
        "--background",
        metavar="COLOR",
        callback=lambda ctx, param, value: known_color(value),
        help="What transparent images are laid over: a name, or #rrggbb; default: white, and it is told.",
    ),
    click.option(
        "--tokens",
        type=click.Path(exists=True, dir_okay=False, path_type=Path),
        help="Words of a text's ids: a word a line, a JSON object or list, or a tokenizer.json.",
    ),
    click.option(
        "--input-shape",
        "shape",
        metavar="N,…",
        callback=lambda ctx, param, value: shape_of(value),
        help="Shape that a model takes which declares none, in its own layout: 1,3,224,224.",
    ),
)
