"""Options that several commands share, each group as one object, and how their values are read."""

from __future__ import annotations

import ast
import functools
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from metannvis_cli.errors import reported
from metannvis_cli.progress import Console
from metannvis_cli.quiet_libraries import quiet_libraries

__all__ = [
    "DIRECTIONS",
    "CheckOptions",
    "InputOptions",
    "ModelOptions",
    "OutputOptions",
    "axes_of",
    "check_options",
    "input_options",
    "json_option",
    "literal",
    "method_option",
    "model_argument",
    "model_options",
    "output_options",
    "parse_options",
    "raised_limits",
    "shape_of",
    "target_options",
    "tolerance_option",
    "work",
]

if TYPE_CHECKING:
    from metannvis_translate import Tolerance

Function = Callable[..., Any]


@dataclass(frozen=True)
class ModelOptions:
    """How a model file is opened.

    Attributes
    ----------
    trust
        Whether a file may run code when it is opened.
    architecture
        ``module:factory`` of the module that a state dict belongs to.
    """

    trust: bool = False
    architecture: str | None = None


@dataclass(frozen=True)
class CheckOptions:
    """How a translation that a command makes is checked.

    Attributes
    ----------
    no_verify
        Not at all.
    tolerance
        Largest differences by their names in :class:`metannvis_translate.Tolerance`.
    """

    no_verify: bool = False
    tolerance: Mapping[str, float] | None = None

    @property
    def of_translate(self) -> dict[str, Any]:
        """The same as arguments of :func:`metannvis_translate.translate`."""
        limits = {} if self.tolerance is None else {"tolerance": tolerance_of(self.tolerance)}
        return {**({"verify": False} if self.no_verify else {}), **limits}


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


@dataclass(frozen=True)
class OutputOptions:
    """Files that a command writes.

    Attributes
    ----------
    paths
        As many as are wanted, the ending of each decides what is written.
    overwrite
        Whether files that exist are replaced.
    """

    paths: tuple[Path, ...] = ()
    overwrite: bool = False


#: Words of ``metannvis_methods.explain`` that have an option of their own.
WORDS = {
    "inputs": "--input",
    "target": "--target",
    "labels": "--labels",
    "layer": "--layer",
    "neuron": "--neuron",
    "baselines": "--baseline",
    "toolset": "--toolset",
    "seed": "--seed",
    "batch_size": "--batch-size",
}


def work(function: Function) -> Function:
    """The function of a command: it gets ``console=``, errors end it with a message, libraries are quiet while it runs."""

    @click.option("--debug", is_flag=True, help="Show where an error came from, and what libraries say.")
    @click.option("--quiet", "-q", is_flag=True, help="Nothing on stderr but errors.")
    @click.option("--verbose", "-v", is_flag=True, help="Say on stderr what is done.")
    @click.option(
        "--limit",
        "raised",
        multiple=True,
        metavar="NAME=NUMBER",
        help="Allow a file to come to more: nodes, unpacked_bytes, … as the message says that refuses it.",
    )
    @click.pass_context
    @functools.wraps(function)
    def run(
        ctx: click.Context,
        /,
        *args: Any,
        debug: bool,
        quiet: bool,
        verbose: bool,
        raised: Sequence[str],
        **kwargs: Any,
    ) -> Any:
        above = ctx.find_root().params
        console = Console(
            quiet=quiet or above.get("quiet", False),
            verbose=verbose or above.get("verbose", False),
            debug=debug or above.get("debug", False),
        )
        with reported(console), quiet_libraries(console), raised_limits(raised):
            return function(*args, console=console, **kwargs)

    return run


def raised_limits(texts: Sequence[str]) -> AbstractContextManager[Any]:
    """The limits that ``--limit`` sets, inside a ``with`` block.

    Raises
    ------
    click.BadParameter
        A text is no ``NAME=NUMBER``, or there is no limit of that name.
    """
    if not texts:
        return nullcontext()
    figures: dict[str, int] = {}
    for text in texts:
        name, _, number = text.partition("=")
        if not number.isdecimal():
            raise click.BadParameter(f"{text!r} has to read NAME=NUMBER", param_hint="--limit")
        figures[name.strip().replace("-", "_")] = int(number)
    from metannvis_translate import InvalidArgumentError, limits

    try:
        return limits(**figures)
    except InvalidArgumentError as error:
        raise click.BadParameter(str(error), param_hint="--limit") from error


def together(*decorators: Function) -> Function:
    """Several decorators as one, of which the first is the outermost."""

    def decorate(function: Function) -> Function:
        for decorator in reversed(decorators):
            function = decorator(function)
        return function

    return decorate


def as_one(keyword: str, kind: type[Any], *options: Function) -> Function:
    """Options as one object, which the command gets as an argument of that name.

    Parameters
    ----------
    keyword
        Name of the argument.
    kind
        A dataclass, whose fields are named as the options' values are.
    options
        The options, in the order of the help.
    """

    def decorate(function: Function) -> Function:
        @functools.wraps(function)
        def gather(*args: Any, **kwargs: Any) -> Any:
            gathered = kind(**{field.name: kwargs.pop(field.name) for field in fields(kind)})
            return function(*args, **{keyword: gathered}, **kwargs)

        return together(*options)(gather)

    return decorate


model_argument = click.argument("path", metavar="MODEL", type=click.Path(exists=True, path_type=Path))

model_options = as_one(
    "model",
    ModelOptions,
    click.option("--trust", is_flag=True, help="Open a model file that runs code when it is opened."),
    click.option(
        "--architecture", metavar="MODULE:FACTORY", help="What makes the module that a state dict belongs to."
    ),
)


def _read_tolerance(ctx: click.Context, param: click.Parameter, texts: Sequence[str]) -> dict[str, float] | None:
    """``NUMBER`` for outputs and layers, ``NAME=NUMBER`` for one of the limits."""
    figures: dict[str, float] = {}
    for text in texts:
        name, equals, number = text.rpartition("=")
        try:
            figure = float(number)
        except ValueError:
            raise click.BadParameter(f"{text!r} has to read NUMBER or NAME=NUMBER", param_hint="--tolerance") from None
        figures |= {name.strip(): figure} if equals else {"outputs": figure, "layers": figure}
    if not figures:
        return None
    tolerance_of(figures)
    return figures


def tolerance_of(figures: Mapping[str, float]) -> Tolerance:
    """The tolerance that ``--tolerance`` sets.

    Raises
    ------
    click.BadParameter
        There is no limit of that name, or it is not positive.
    """
    from metannvis_translate import InvalidArgumentError, Tolerance

    try:
        return Tolerance(**figures)
    except TypeError:
        known = ", ".join(field.name for field in fields(Tolerance))
        raise click.BadParameter(
            f"the limits are {known}; not all of {sorted(figures)}", param_hint="--tolerance"
        ) from None
    except InvalidArgumentError as error:
        raise click.BadParameter(str(error), param_hint="--tolerance") from error


tolerance_option = click.option(
    "--tolerance",
    multiple=True,
    metavar="[NAME=]NUMBER",
    callback=_read_tolerance,
    help="Largest relative difference of outputs and layers that passes the check; with a NAME another limit: "
    "gradients_l2, float64, differences.",
)

check_options = as_one(
    "check",
    CheckOptions,
    click.option("--no-verify", is_flag=True, help="Do not compare a translation with its model."),
    tolerance_option,
)

json_option = click.option("--json", "as_json", is_flag=True, help="Write JSON to stdout.")

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

target_options = together(
    click.option(
        "--target",
        "-t",
        "targets",
        multiple=True,
        metavar="CLASS",
        help="Index of a class, its name with --labels, or a position I,J,… in a dense output; "
        "several: one a sample. Default: the predicted class.",
    ),
    click.option(
        "--labels",
        type=click.Path(exists=True, dir_okay=False, path_type=Path),
        help="Names of the classes, one a line, or a JSON list.",
    ),
)

method_option = click.option(
    "--option",
    "-o",
    "options",
    multiple=True,
    metavar="NAME=VALUE",
    help="Option of the method, by the toolkit's name; the value is a Python literal.",
)

DIRECTIONS = {
    "figure": "a figure by .png, .pdf, .svg",
    "page": "a page by .html",
    "result": "the whole result by .npz",
    "values": "its values by .npy",
}


def output_options(*kinds: str) -> Function:
    """``--output`` and ``--overwrite`` for a command that can write these kinds of file."""
    known = ", ".join(DIRECTIONS[kind] for kind in kinds)
    return as_one(
        "output",
        OutputOptions,
        click.option(
            "--output",
            "paths",
            multiple=True,
            type=click.Path(dir_okay=False, path_type=Path),
            help=f"File to write; its ending decides: {known}. May be given several times.",
        ),
        click.option("--overwrite", is_flag=True, help="Replace files that exist."),
    )


def literal(text: str) -> Any:
    """A Python literal; other text is a string. Runs no code."""
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
        return text


def parse_options(texts: Sequence[str], taken: Mapping[str, str] = WORDS) -> dict[str, Any]:
    """``NAME=VALUE`` texts as keyword arguments.

    Raises
    ------
    click.BadParameter
        A text has no ``=``, a name is no identifier, is given twice, or has an option of its own.
    """
    found: dict[str, Any] = {}
    for text in texts:
        name, sign, value = text.partition("=")
        name = name.strip().replace("-", "_")
        if not sign or not name.isidentifier():
            raise click.BadParameter(f"{text!r} has to read NAME=VALUE", param_hint="--option")
        if name in taken:
            raise click.BadParameter(f"{name} has an option of its own: {taken[name]}", param_hint="--option")
        if name in found:
            raise click.BadParameter(f"{name} is given twice", param_hint="--option")
        found[name] = literal(value.strip())
    return found


def shape_of(text: str | None) -> tuple[int, ...] | None:
    """``"1,3,224,224"`` as numbers."""
    return None if text is None else _numbers(text, "sizes such as 1,3,224,224")


def axes_of(text: str | None) -> tuple[int, ...]:
    """``"2,3"`` as numbers; the batch, axis 0, is none of them."""
    return () if text is None else _numbers(text, "axes beside the batch such as 2,3")


def _numbers(text: str, what: str) -> tuple[int, ...]:
    try:
        numbers = tuple(int(part) for part in text.split(","))
    except ValueError:
        numbers = ()
    if not numbers or min(numbers) < 1:
        raise click.BadParameter(f"{text!r} is no list of {what}")
    return numbers
