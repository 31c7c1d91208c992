"""Readers of each kind of file that is no model."""

from __future__ import annotations

from pathlib import Path

__all__ = ["array", "explanation", "image", "labels"]


def array(path: Path) -> None:
    """An input of ``explain``."""
    from metannvis_methods.inputs import read_inputs

    read_inputs([str(path)], [])


def image(path: Path) -> None:
    """An image as an input."""
    from metannvis_methods.inputs import read_image

    read_image(path, None, scale="unit", crop=False)


def labels(path: Path) -> None:
    """Names of classes."""
    from metannvis_methods.inputs import read_labels

    read_labels(path)


def explanation(path: Path) -> None:
    """A saved explanation, as the command line and a notebook show it."""
    from metannvis_methods import Explanation

    opened = Explanation.load(path)
    str(opened), opened._repr_html_()
