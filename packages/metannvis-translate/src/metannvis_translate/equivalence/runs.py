"""Model runs for the check, and what a failure in one means."""

from __future__ import annotations

import contextlib
import dataclasses
import logging
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, cast

import numpy as np

from metannvis_translate.data import Array, Arrays
from metannvis_translate.equivalence.ports import as_float
from metannvis_translate.equivalence.report import EquivalenceReport
from metannvis_translate.errors import EquivalenceError, MetannvisError, first_line
from metannvis_translate.frameworks.protocol import Cotangents, Framework, Run

log = logging.getLogger(__name__)


class WithConstants:
    """A framework that runs a model whose inputs are bound to constants in some places, as if it took only the others.

    Parameters
    ----------
    constants
        Values by their place among the model's inputs.
    """

    def __init__(self, framework: Framework, constants: Mapping[int, Array]) -> None:
        self._framework, self._constants = framework, dict(sorted(constants.items()))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._framework, name)

    def run(self, model: Any, inputs: Sequence[Array], **options: Any) -> Run:
        """See :meth:`~metannvis_translate.frameworks.Framework.run`; gradients are those of the other inputs."""
        given = list(inputs)
        double = any(array.dtype == np.float64 for array in inputs)
        for place, value in self._constants.items():
            given.insert(place, as_float(value, "float64") if double else value)
        run = self._framework.run(model, given, **options)
        if run.gradients is None:
            return run
        free = [gradient for place, gradient in enumerate(run.gradients) if place not in self._constants]
        return dataclasses.replace(run, gradients=free)


class ByName:
    """A framework that runs a model whose inputs have names, which matter where it takes others in front of them.

    Parameters
    ----------
    names
        Of the inputs, in their order.
    """

    runs_by_name = False

    def __init__(self, framework: Framework, names: Sequence[str]) -> None:
        self._framework, self._names = framework, list(names)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._framework, name)

    def run(self, model: Any, inputs: Sequence[Array], **options: Any) -> Run:
        """See :meth:`~metannvis_translate.frameworks.Framework.run`."""
        return self._framework.run(model, inputs, **options, names=self._names)  # type: ignore[call-arg]


def by_name(framework: Framework, names: Sequence[str]) -> Framework:
    """The framework, as it runs a model whose inputs have these names, if names mean something to it."""
    return cast("Framework", ByName(framework, names)) if getattr(framework, "runs_by_name", False) else framework


def recorded(
    framework: Framework, model: Any, inputs: Arrays, layers: Sequence[str], cotangents: Cotangents | None
) -> Run:
    """A run that records layers, with gradients if there are weights of the outputs for them and the model has any."""
    if cotangents is not None:
        try:
            # a function of the outputs only where the framework is one that takes it
            return framework.run(model, inputs[:], layers=layers, cotangents=cotangents)  # type: ignore[arg-type]
        # whatever stands in the way of gradients is told where they are asked for by themselves
        except Exception as error:  # noqa: BLE001
            log.debug("layers and gradients are had one after the other: %s", first_line(error))
    return framework.run(model, inputs[:], layers=layers)


class NoGradientError(Exception):
    """The source itself has no gradients, which the message tells."""


@contextlib.contextmanager
def target_runs(there: Framework, report: EquivalenceReport) -> Iterator[None]:
    """What the target's own kernels say inside, where the source's did their work, is a translation that is wrong."""
    try:
        yield
    except (MetannvisError, NoGradientError):
        raise
    except Exception as error:
        said = " ".join(str(error).split())[:400]
        _refuse_shortage(error, said)
        raise EquivalenceError(
            f"the translation is wrong: {there.label} cannot run it on inputs on which the source runs: "
            f"{type(error).__name__}: {said}",
            report,
        ) from error


@contextlib.contextmanager
def source_runs(here: Framework) -> Iterator[None]:
    """What the source's own kernels say inside, on the way to a gradient, is a source that has none."""
    try:
        yield
    except (MetannvisError, NoGradientError):
        raise
    except Exception as error:
        said = " ".join(str(error).split())[:200]
        _refuse_shortage(error, said)
        raise NoGradientError(f"{here.label} has none of the source: {said}") from error


def _refuse_shortage(error: Exception, said: str) -> None:
    """A lack of memory says nothing of either model."""
    if _is_shortage(error):
        raise MemoryError(
            f"there is not enough memory for the check, which runs both models: {said[:200]}. "
            "Give smaller example_inputs=, or verify=False."
        ) from error


def _is_shortage(error: Exception) -> bool:
    """Whether a framework had no memory left, which each of them tells in another way."""
    text = str(error)
    return (
        isinstance(error, MemoryError)
        or type(error).__name__ in ("ResourceExhaustedError", "OutOfMemoryError")
        or "DefaultCPUAllocator: " in text
    )
