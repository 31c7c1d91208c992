"""Experiments by name, and how one is run."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import import_module
from types import MappingProxyType

from metannvis_methods.errors import InvalidArgumentError
from metannvis_methods.experiments.results import ExperimentResult

__all__ = ["EXPERIMENTS", "SIZES", "Experiment", "Progress", "run"]

Progress = Callable[[int, int, str], None]
#: How much of an experiment is run.
SIZES = ("small", "full")


@dataclass(frozen=True)
class Experiment:
    """An experiment: the module that runs it, and what it asks in one line."""

    module: str
    question: str


#: By name.
EXPERIMENTS: Mapping[str, Experiment] = MappingProxyType(
    {
        "clever-hans": Experiment(
            "clever_hans", "Do methods point at a square that gives the label away, in both directions of translation?"
        ),
        "toolsets": Experiment(
            "toolsets", "How far apart are Saliency and Grad-CAM of all toolkits, by default and aligned?"
        ),
        "sanity": Experiment("sanity", "Do maps change when the weights are drawn anew, layer by layer?"),
        "translation": Experiment("translation", "Do translated networks say what their sources say?"),
        "depth": Experiment(
            "depth", "Where does Grad-CAM tell two digits of an image apart, from deep to shallow layers?"
        ),
        "ground-truth": Experiment("ground_truth", "How far are methods from values that are known in closed form?"),
    }
)


def run(name: str, *, seed: int = 0, size: str = "full", progress: Progress | None = None) -> ExperimentResult:
    """Run an experiment: train what it takes, explain, measure.

    Parameters
    ----------
    name
        See :data:`EXPERIMENTS`.
    seed
        Of data, weights, trainings and random methods.
    size
        ``"full"``, in minutes, or ``"small"``: fewer images and passes, in which figures are rough.
    progress
        Called as ``progress(done, total, stage)``.

    Raises
    ------
    InvalidArgumentError
        There is no such experiment or size.
    MissingFrameworkError
        A package is not installed.
    """
    if name not in EXPERIMENTS:
        raise InvalidArgumentError(f"there is no experiment {name!r}; there are {', '.join(EXPERIMENTS)}")
    if size not in SIZES:
        raise InvalidArgumentError(f"size is {' or '.join(map(repr, SIZES))}, not {size!r}")
    module = import_module(f"metannvis_methods.experiments.{EXPERIMENTS[name].module}")
    start = time.monotonic()
    result: ExperimentResult = module.experiment(seed, size, progress or _silent)
    return dataclasses.replace(result, seconds=time.monotonic() - start)


def _silent(done: int, total: int, stage: str) -> None:
    """No progress."""
