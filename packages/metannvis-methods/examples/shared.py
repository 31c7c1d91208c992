"""Arguments that the scripts share, the network and the digit that they are about, and a photograph."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

import numpy as np
from metannvis_methods import examples


def parser(description: str | None, output: str) -> argparse.ArgumentParser:
    """A parser with the arguments of every script."""
    made = argparse.ArgumentParser(description=description, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    made.add_argument("--output", type=Path, default=Path(output), help="figure to write: .png, .pdf or .svg")
    return made


def digits_parser(description: str | None, output: str) -> argparse.ArgumentParser:
    """A parser with the arguments of the scripts about digits."""
    made = parser(description, output)
    made.add_argument("--network", choices=examples.names(), default="digits-torch", help="trained in some seconds")
    made.add_argument("--digit", type=int, choices=range(10), default=3, metavar="0…9", help="which digit to explain")
    made.add_argument("--epochs", type=int, default=6, help="passes through the training images")
    return made


def network_and_digit(arguments: argparse.Namespace) -> tuple[examples.Example, np.ndarray[Any, Any]]:
    """The trained network, and the first test image of the digit, a batch of one in the network's layout."""
    example = examples.load(arguments.network, epochs=arguments.epochs)
    place = np.flatnonzero(example.classes == arguments.digit)[:1]
    print(f"{example.name}: {example.accuracy:.0%} of the test digits are recognised")
    return example, example.images[place]


def photograph(path: Path | None) -> Any:
    """A photograph as an array of bytes with the colours last: a file, or the flower that comes with scikit-learn."""
    if path is not None:
        from PIL import Image

        return np.asarray(Image.open(path).convert("RGB"))
    from sklearn.datasets import load_sample_image

    return load_sample_image("flower.jpg")


def shout(reason: object) -> None:
    """Say that the weights are random, so that nobody takes the figure for an explanation."""
    line = "=" * 79
    nothing = "The network has learnt nothing: the figure shows that the program runs, and nothing else."
    print(f"{line}\nRANDOM WEIGHTS ({reason}).\n{nothing}\n{line}", file=sys.stderr)
