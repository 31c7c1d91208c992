"""Options of a run: whose method, at which layers, for which targets, and what it shares with the other methods of the call."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import click

from metannvis_cli.options import completion
from metannvis_cli.options.grouping import Function, as_one

__all__ = [
    "RunOptions",
    "as_run",
    "batch_size_option",
    "layers_option",
    "neuron_option",
    "seed_option",
    "toolsets_option",
]


@dataclass(frozen=True)
class RunOptions:
    """What is run, as it was typed; what a command has no option for is as if it was not given.

    Attributes
    ----------
    methods, toolsets, layers
        Names; no toolsets, or no layers, leave it to the method.
    targets, labels
        Classes or positions, and the file of the classes' names.
    neuron
        Position in a layer's output.
    baseline
        A number, a word or a file.
    options
        ``NAME=VALUE`` each.
    seed
        Of random numbers.
    batch_size
        Rows that go through the model at once, at most.
    """

    methods: tuple[str, ...] = ()
    toolsets: tuple[str, ...] = ()
    layers: tuple[str, ...] = ()
    targets: tuple[str, ...] = ()
    labels: Path | None = None
    neuron: str | None = None
    baseline: str | None = None
    options: tuple[str, ...] = ()
    seed: int | None = None
    batch_size: int | None = None

    def check_neuron(self) -> None:
        """Refuse a neuron without a layer.

        Raises
        ------
        click.BadParameter
            It has none.
        """
        if self.neuron is not None and not self.layers:
            raise click.BadParameter("a neuron is of a layer: give --layer", param_hint="--neuron")


#: Stands next to the command's function: the options above it, in whatever order the help has them, become ``run=``.
as_run = as_one("run", RunOptions)


def toolsets_option(text: str = "Whose method; several: each. Default: one that needs no translation.") -> Function:
    """``--toolset``, as often as wanted."""
    return click.option("--toolset", "toolsets", multiple=True, shell_complete=completion.toolsets, help=text)


def layers_option(text: str) -> Function:
    """``--layer``, as often as wanted; the text goes on behind the layer's name."""
    told = f"Name of a layer of this model, {text}"
    return click.option("--layer", "-l", "layers", multiple=True, shell_complete=completion.layers, help=told)


def neuron_option(text: str) -> Function:
    """``--neuron``: a position in what."""
    return click.option("--neuron", metavar="I,J,…", help=f"Position in {text}, the batch left out.")


def seed_option(text: str, default: int | None = None) -> Function:
    """``--seed``."""
    if default is None:
        return click.option("--seed", type=click.IntRange(0), help=text)
    return click.option("--seed", type=click.IntRange(0), default=default, show_default=True, help=text)


def batch_size_option(what: str = "Rows") -> Function:
    """``--batch-size``."""
    told = f"{what} that go through the model at once, at most."
    return click.option("--batch-size", type=click.IntRange(1), help=told)
