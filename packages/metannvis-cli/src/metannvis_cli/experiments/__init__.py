"""Experiments of ``metannvis evaluate``: each module has a ``command``, whose name is the module's with ``-`` for ``_``."""

from __future__ import annotations

import pkgutil
from importlib import import_module

import click

__all__ = ["experiment", "names"]


def names() -> tuple[str, ...]:
    """Names of the experiments there are; imports none."""
    return tuple(sorted(module.name.replace("_", "-") for module in pkgutil.iter_modules(__path__)))


def experiment(name: str) -> click.Command:
    """The command of an experiment, its module imported."""
    command: click.Command = import_module(f"{__name__}.{name.replace('-', '_')}").command
    return command
