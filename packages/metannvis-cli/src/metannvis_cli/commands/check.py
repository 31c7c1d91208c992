"""``metannvis check``."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from metannvis_cli.errors import Failure
from metannvis_cli.options import input_options, json_option, model_options, work
from metannvis_cli.progress import Console
from metannvis_cli.tables import echo_json

if TYPE_CHECKING:
    from metannvis_cli.models import Opened


@click.command("check")
@click.argument("source", type=click.Path(exists=True, path_type=Path))
@click.argument("target", type=click.Path(exists=True, path_type=Path))
@input_options
@click.option("--float64", "double", is_flag=True, help="Compare copies in double precision: the proof.")
@click.option("--no-gradients", is_flag=True, help="Compare outputs only.")
@click.option("--batch", type=click.IntRange(1), default=2, show_default=True, help="Number of random inputs.")
@click.option("--seed", type=int, default=0, show_default=True, help="Of random inputs.")
@model_options
@json_option
@work
def command(
    source: Path,
    target: Path,
    inputs: Sequence[str],
    scale: str,
    crop: bool,
    input_shape: tuple[int, ...] | None,
    double: bool,
    no_gradients: bool,
    batch: int,
    seed: int,
    trust: bool,
    architecture: str | None,
    as_json: bool,
    console: Console,
) -> None:
    """Compare two model files on --input, or on random inputs: outputs and input gradients.

    Exit code 1 if they disagree.
    """
    from metannvis_translate import check_equivalence

    from metannvis_cli.models import open_model

    a = open_model(source, console, trust=trust, architecture=architecture, input_shape=input_shape)
    b = open_model(target, console, trust=trust, architecture=architecture)
    console.progress(0, 1, "compare")
    report = check_equivalence(
        a.model,
        b.model,
        a.inputs_or_examples(inputs, console, scale=scale, crop=crop, batch=batch, seed=seed),
        gradients=not no_gradients,
        permutations=_permutations(a, b),
        dtype="float64" if double else None,
    )
    console.clear()
    if as_json:
        echo_json(report.to_dict())
    else:
        click.echo(report)
    if not report.passed:
        raise Failure(f"{source} and {target} disagree")


def _permutations(a: Opened, b: Opened) -> dict[str, list[tuple[int, ...]]] | None:
    """How each input of ``b`` lies to that of ``a``, where the declared shapes tell; ``None``: the frameworks' custom.

    An ONNX model may hold its channels first or last: there is no custom.
    """
    from metannvis_translate.frameworks import get_framework

    customs = [get_framework(opened.framework).channels_last for opened in (a, b)]
    if None not in customs or not a.declared or len(a.declared) != len(b.declared):
        return None
    found = []
    for mine, theirs in zip(a.declared, b.declared, strict=True):
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
