"""Words of ``explain`` that stand beside every method."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from metannvis_cli.options import completion
from metannvis_cli.options.grouping import Function, as_one

__all__ = ["VocabularyOptions", "vocabulary_options"]

NOISE = "smoothgrad, smoothgrad_sq, vargrad"


@dataclass(frozen=True)
class VocabularyOptions:
    """Words that stand beside every method, as they were typed.

    Attributes
    ----------
    model_output
        Which of several outputs.
    region, reduce
        Where in a dense output the target is meant, and what is made of it there.
    reshape
        How tokens lie.
    feature_mask
        A word, with a number, or a file.
    data
        A file of samples.
    value_range
        Black and white.
    noise
        A kind, samples, a standard deviation.
    uncertainty
        A kind, samples.
    along
        Axis of volumes along which a method for images goes slice by slice.
    device, autocast
        Where the method runs, and in which half precision.
    deadline
        Seconds.
    logits
        Whether what goes into the last softmax or sigmoid is explained.
    unfit
        What is done about a method that does not fit.
    """

    model_output: str | None = None
    region: str | None = None
    reduce: str = "sum"
    reshape: str | None = None
    feature_mask: str | None = None
    data: Path | None = None
    value_range: tuple[float, float] | None = None
    noise: str | None = None
    uncertainty: str | None = None
    along: str | None = None
    device: str | None = None
    autocast: str | None = None
    deadline: float | None = None
    logits: str = "auto"
    unfit: str = "warn"

    def words(self) -> dict[str, Any]:
        """What was given, as ``explain`` takes it.

        Raises
        ------
        click.BadParameter
            A text is no such word.
        """
        logits: bool | str = {"yes": True, "no": False}.get(self.logits, self.logits)
        found: dict[str, Any] = {"unfit": self.unfit, "logits": logits, "deadline": self.deadline}
        if self.along is not None:
            found["along"] = self.along
        if self.device is not None:
            found["device"] = self.device
        if self.autocast is not None:
            found["autocast"] = True if self.autocast == "auto" else self.autocast
        if self.model_output is not None:
            found["output"] = int(self.model_output) if _is_whole(self.model_output) else self.model_output
        if self.reshape is not None:
            found["reshape"] = _grid(self.reshape)
        if self.feature_mask is not None:
            found["feature_mask"] = _mask(self.feature_mask)
        if self.data is not None:
            found["data"] = _array(self.data, "--data")
        if self.value_range is not None:
            found["value_range"] = self.value_range
        if self.noise is not None:
            found["noise"] = _noise(self.noise)
        if self.uncertainty is not None:
            found["uncertainty"] = _uncertainty(self.uncertainty)
        return found

    def aimed(self, target: Any) -> Any:
        """The target, over the region if there is one."""
        if self.region is None:
            return target
        from metannvis_methods import SegmentationTarget

        if not isinstance(target, int):
            raise click.BadParameter("a region is of one class: give --target CLASS", param_hint="--region")
        where: Any = self.region
        if where not in ("argmax", "otsu"):
            try:
                where = float(where)
            except ValueError:
                where = _array(Path(where), "--region")
        return SegmentationTarget(target, where, self.reduce)


def vocabulary_options(*names: str) -> Function:
    """The options of these words, by the names of their fields; without names, of all."""
    return as_one(
        "vocabulary", VocabularyOptions, *(option for name, option in OPTIONS.items() if name in names or not names)
    )


#: Options by the names of their fields, in the order of the help.
OPTIONS: Mapping[str, Function] = {
    "model_output": click.option(
        "--model-output",
        metavar="NAME|INDEX",
        help="Which of several outputs of the model: its name, path or index.",
    ),
    "region": click.option(
        "--region",
        metavar="argmax|otsu|NUMBER|FILE",
        help="Where in a dense output the target is meant: where the class is the largest, above Otsu's threshold or a "
        "number, or a mask in an .npy file.",
    ),
    "reduce": click.option(
        "--reduce", type=click.Choice(["sum", "mean", "count"]), default="sum", help="What is made of the region."
    ),
    "reshape": click.option("--reshape", metavar="auto|H,W", help="How the tokens of a layer lie on the image."),
    "feature_mask": click.option(
        "--feature-mask",
        metavar="WORD|FILE",
        shell_complete=completion.words("superpixels", "grid", "pixels", "channels"),
        help="Features of methods that take some: superpixels, grid, grid:CELLS, pixels, channels, or an .npy file.",
    ),
    "data": click.option(
        "--data",
        type=click.Path(exists=True, dir_okay=False, path_type=Path),
        help="Samples (.npy) for the baselines mean and neutral.",
    ),
    "value_range": click.option(
        "--value-range",
        type=(float, float),
        metavar="LOW HIGH",
        help="What black and white are; default: what the preprocessing or the model makes of them.",
    ),
    "noise": click.option(
        "--noise",
        metavar="KIND[:SAMPLES[:STDEV]]",
        help=f"The method over noisy copies: {NOISE}; STDEV is a share of the range of a sample.",
    ),
    "uncertainty": click.option(
        "--uncertainty",
        metavar="mc-dropout[:SAMPLES]",
        help="The method once for each of so many dropout masks: mean and standard deviation; 50 by default.",
    ),
    "along": click.option(
        "--along",
        type=click.Choice(["D", "H", "W"], case_sensitive=False),
        help="Axis of volumes along which a method for images goes slice by slice.",
    ),
    "device": click.option(
        "--device", metavar="NAME", help="Where the method runs: cpu, cuda:0; default: where the model is."
    ),
    "autocast": click.option(
        "--autocast",
        type=click.Choice(["auto", "bfloat16", "float16"]),
        help="Half precision within methods that run in PyTorch; single again where that is not finite.",
    ),
    "deadline": click.option(
        "--deadline", type=click.FloatRange(0, min_open=True), metavar="SECONDS", help="When the run has to end."
    ),
    "logits": click.option(
        "--logits",
        type=click.Choice(["auto", "yes", "no"]),
        default="auto",
        help="Whether what goes into a softmax or sigmoid that the model ends in is explained.",
    ),
    "unfit": click.option(
        "--unfit",
        type=click.Choice(["warn", "raise", "ignore"]),
        default="warn",
        help="What is done about a method that does not fit the model or the input.",
    ),
}


def _is_whole(text: str) -> bool:
    return text.removeprefix("-").isdecimal()


def _grid(text: str) -> Any:
    if text == "auto":
        return text
    parts = text.split(",")
    if len(parts) != 2 or not all(part.strip().isdecimal() for part in parts):
        raise click.BadParameter(f"{text!r} is neither auto nor a grid such as 14,14", param_hint="--reshape")
    return int(parts[0]), int(parts[1])


def _mask(text: str) -> Any:
    from metannvis_methods.inputs.feature_masks import MASKS

    word, _, number = text.partition(":")
    if word not in MASKS:
        return _array(Path(text), "--feature-mask", f" or one of {', '.join(MASKS)}")
    if not number:
        return word
    option: Mapping[str, str] = {"grid": "cells", "superpixels": "n_segments"}
    if word not in option or not number.isdecimal():
        raise click.BadParameter(f"{text!r}: a number stands behind grid and superpixels", param_hint="--feature-mask")
    return word, {option[word]: int(number)}


def _noise(text: str) -> Any:
    from metannvis_methods import SmoothGrad
    from metannvis_methods.errors import InvalidArgumentError

    kind, *numbers = text.split(":")
    try:
        words: dict[str, Any] = {"kind": kind}
        if numbers:
            words["samples"] = int(numbers[0])
        if len(numbers) > 1:
            words["stdev"] = float(numbers[1])
        if len(numbers) > 2:
            raise ValueError("too many numbers")
        return SmoothGrad(**words)
    except (ValueError, InvalidArgumentError) as error:
        raise click.BadParameter(
            f"{text!r} has to read KIND[:SAMPLES[:STDEV]], KIND one of {NOISE}: {error}", param_hint="--noise"
        ) from error


def _uncertainty(text: str) -> Any:
    from metannvis_methods import MCDropout
    from metannvis_methods.errors import InvalidArgumentError

    kind, _, number = text.partition(":")
    try:
        if kind.casefold().replace("_", "-") != "mc-dropout":
            raise ValueError(f"{kind!r} is not mc-dropout")
        return MCDropout(int(number)) if number else MCDropout()
    except (ValueError, InvalidArgumentError) as error:
        raise click.BadParameter(
            f"{text!r} has to read mc-dropout[:SAMPLES]: {error}", param_hint="--uncertainty"
        ) from error


def _array(path: Path, hint: str, otherwise: str = "") -> Any:
    from metannvis_translate.reading import read_npy

    if path.suffix.lower() != ".npy" or not path.is_file():
        raise click.BadParameter(f"{str(path)!r} is no .npy file{otherwise}", param_hint=hint)
    return read_npy(path)
