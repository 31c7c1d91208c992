"""Comparison of two model files: ``metannvis check``."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from metannvis_cli.errors import Failure
from metannvis_cli.options import completion
from metannvis_cli.options.check import tolerance_of, tolerance_option
from metannvis_cli.options.command import json_option, work
from metannvis_cli.options.examples import example
from metannvis_cli.options.inputs import InputOptions, input_options
from metannvis_cli.options.model import ModelOptions, model_options
from metannvis_cli.options.run import seed_option
from metannvis_cli.progress import Console
from metannvis_cli.tables import echo_json, shape_text

if TYPE_CHECKING:
    from metannvis_translate import LayerMap

    from metannvis_cli.models import Opened


@click.command("check", epilog=example("metannvis check net.pt2 net.keras --input digit.npy"))
@click.argument("source", type=click.Path(exists=True, path_type=Path))
@click.argument("target", type=click.Path(exists=True, path_type=Path))
@input_options
@click.option("--float64", "double", is_flag=True, help="Compare copies in double precision: the proof.")
@click.option("--no-gradients", is_flag=True, help="Compare outputs only.")
@tolerance_option
@click.option(
    "--layer",
    "pairs",
    multiple=True,
    metavar="NAME[=NAME]",
    shell_complete=completion.layers,
    help="A layer of SOURCE to compare too, and its name in TARGET where that is another.",
)
@click.option("--batch", type=click.IntRange(1), default=2, show_default=True, help="Number of random inputs.")
@seed_option("Of random inputs.", default=0)
@model_options
@json_option
@work
def command(
    source: Path,
    target: Path,
    inputs: InputOptions,
    double: bool,
    no_gradients: bool,
    tolerance: Mapping[str, float] | None,
    pairs: Sequence[str],
    batch: int,
    seed: int,
    model: ModelOptions,
    as_json: bool,
    console: Console,
) -> None:
    """Compare two model files on --input, or on random inputs: outputs, input gradients, and the layers named.

    Exit code 1 if they disagree.
    """
    from metannvis_translate import check_equivalence

    from metannvis_cli.inputs import check_files
    from metannvis_cli.models import holds_weights, open_model
    from metannvis_cli.summary import repeat_of_models

    check_files(inputs)
    # an architecture is for the one of the two that holds weights, if one does
    own = [holds_weights(path) or not any(map(holds_weights, (source, target))) for path in (source, target)]
    how = [model if needed else dataclasses.replace(model, architecture=None) for needed in own]
    a = open_model(source, how[0], console, shape=inputs.shape)
    b = open_model(target, how[1], console)
    _refuse_others(a, b)
    console.progress(0, 1, "compare")
    report = check_equivalence(
        a.model,
        b.model,
        a.inputs_or_examples(inputs, console, batch=batch, seed=seed),
        layers=_layers(pairs, a, b, inputs, console) if pairs else None,
        tolerance=None if tolerance is None else tolerance_of(tolerance),
        gradients=not no_gradients,
        permutations=_permutations(a, b),
        dtype="float64" if double else None,
    )
    console.clear()
    if as_json:
        options = {"float64": double, "gradients": not no_gradients, "tolerance": tolerance, "layers": list(pairs)}
        given = {
            "batch": batch,
            "seed": seed,
            "preprocess": inputs.preprocess,
            "input_shape": inputs.shape,
            **dataclasses.asdict(model),
        }
        models = {"source": source, "target": target}
        repeat = repeat_of_models(models, inputs.files, {**options, **given})
        echo_json({**report.to_dict(), "repeat": repeat})
    else:
        click.echo(report)
    if not report.passed:
        raise Failure(f"{source} and {target} disagree")


def _refuse_others(a: Opened, b: Opened) -> None:
    """Refuse models that cannot be given the same: of other numbers of inputs, or of other sizes, however they lie.

    Raises
    ------
    Failure
        The message has the shapes that both declare.
    """
    if not a.specs or not b.specs:
        return
    sizes = [[sorted(size for size in spec.shape[1:] if size) for spec in one.specs] for one in (a, b)]
    free = any(None in spec.shape[1:] for one in (a, b) for spec in one.specs)
    ranks = [[len(spec.shape) for spec in one.specs] for one in (a, b)]
    if ranks[0] != ranks[1] or (not free and sizes[0] != sizes[1]):
        takes = [f"{one.path} takes {', '.join(shape_text(spec.shape) for spec in one.specs)}" for one in (a, b)]
        raise Failure(f"the two cannot be given the same input: {takes[0]}, and {takes[1]}")


def _layers(pairs: Sequence[str], a: Opened, b: Opened, inputs: InputOptions, console: Console) -> LayerMap:
    """Which layer of one is which of the other, as the caller says it; how the two lie follows from their axes and shapes."""
    from metannvis_translate import LayerMap, LayerRow, UnknownLayerError, list_layers

    examples = a.inputs_or_examples(inputs, console)
    found = [
        {info.name: info for info in list_layers(opened.model, example_inputs=given)}
        for opened, given in ((a, examples), (b, None))
    ]
    rows = []
    for pair in pairs:
        mine, _, theirs = pair.partition("=")
        names = (mine, theirs or mine)
        for name, known in zip(names, found, strict=True):
            if name not in known:
                raise UnknownLayerError(name, known)
        source, target = (known[name] for name, known in zip(names, found, strict=True))
        rows.append(LayerRow(source, target, _order(source.shape, target.shape, a, b)))
    return LayerMap(tuple(rows))


def _order(mine: Sequence[int | None], theirs: Sequence[int | None], a: Opened, b: Opened) -> tuple[int, ...]:
    """Axis of the source at each axis of the target: as they are if the shapes say so, else channels first or last."""
    rank = len(mine)
    last, first = (0, *range(2, rank), 1), (0, rank - 1, *range(1, rank - 1))
    from metannvis_translate.frameworks import get_framework

    customs = [get_framework(opened.framework).channels_last for opened in (a, b)]
    orders = [tuple(range(rank)), last, first] if rank > 2 else [tuple(range(rank))]
    if rank > 3 and None not in customs and customs[0] != customs[1]:
        orders = [last if customs[1] else first, *orders]
    fits = (
        order
        for order in orders
        if len(theirs) == rank
        and all(None in (size, mine[axis]) or size == mine[axis] for axis, size in zip(order, theirs, strict=True))
    )
    return next(fits, tuple(range(rank)))


def _permutations(a: Opened, b: Opened) -> dict[str, list[tuple[int, ...]]] | None:
    """How each input of ``b`` lies to that of ``a``, where the declared shapes tell; ``None``: the frameworks' custom.

    An ONNX model may hold its channels first or last: there is no custom.
    """
    from metannvis_translate.frameworks import get_framework

    customs = [get_framework(opened.framework).channels_last for opened in (a, b)]
    if None not in customs or not a.specs or len(a.specs) != len(b.specs):
        return None
    found = []
    for mine, theirs in zip(a.specs, b.specs, strict=True):
        rank = len(mine.shape)
        last, first = (0, *range(2, rank), 1), (0, rank - 1, *range(1, rank - 1))
        for order in (tuple(range(rank)), last, first):
            if len(theirs.shape) == rank and all(
                None in (size, mine.shape[axis]) or size == mine.shape[axis]
                for axis, size in zip(order[1:], theirs.shape[1:], strict=True)
            ):
                found.append(order)
                break
        else:
            return None
    return {"inputs": found}
