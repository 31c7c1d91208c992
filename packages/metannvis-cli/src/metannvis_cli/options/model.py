"""Options of a model file: which it is, and how it is opened."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import click

from metannvis_cli.options.grouping import as_one

__all__ = ["ModelOptions", "model_argument", "model_options"]


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


model_argument = click.argument("path", metavar="MODEL", type=click.Path(exists=True, path_type=Path))

model_options = as_one(
    "model",
    ModelOptions,
    click.option("--trust", is_flag=True, help="Open a model file that runs code when it is opened."),
    click.option(
        "--architecture", metavar="MODULE:FACTORY", help="What makes the module that a state dict belongs to."
    ),
)
