"""What a toolset plug-in is, and what passes between it and us."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from metannvis_methods.registry.spec import MethodSpec

__all__ = ["Job", "Outcome", "Progress", "Target", "Toolset"]

#: ``progress(done, total, stage)``
Progress = Callable[[int, int, str], None]

#: The output that is explained: ``None`` the only one; a class; a position in a dense output; a list, one a
#: sample.
Target = None | int | tuple[int, ...] | list[int] | list[tuple[int, ...]]


@dataclass(frozen=True)
class Job:
    """One run of one method, everything in the terms of the model that is run.

    Attributes
    ----------
    spec
        The method.
    model
        A model of the toolset's framework, in inference mode. It may be edited: it is put back afterwards.
    inputs
        Tensors of the model's framework, dtype and device, one an input. Empty if the caller gave none.
    layer
        The layer object of ``model``, ``None`` for a method that wants none.
    init, call
        Keyword arguments of the constructor (model left out) and of the call, complete but for a ``score``,
        which the toolset makes from ``target``. Inputs are a tensor, or a tuple for several.
    target
        What is explained, if the method has a target.
    seed
        Seed for generators that the toolset makes itself; the global ones are seeded already.
    progress
        To be called with ``(done, total, stage)`` where the toolkit says how far it is.
    """

    spec: MethodSpec
    model: Any
    inputs: tuple[Any, ...] = ()
    layer: Any = None
    init: Mapping[str, Any] = field(default_factory=dict)
    call: Mapping[str, Any] = field(default_factory=dict)
    target: Target = None
    seed: int | None = None
    progress: Progress | None = None


@dataclass(frozen=True)
class Outcome:
    """What a method made, in the layout of the model that was run.

    Attributes
    ----------
    values
        An array or tensor, or a tuple of them.
    over
        Whose layout the values are in: the model's ``"input"`` or the ``"layer"``'s output; ``"features"`` are one a group of
        the mask, which have none.
    channels
        Whether they still have the channels axis (the last one of a channels-last model).
    delta
        Convergence delta, one a sample.
    """

    values: Any
    over: Literal["input", "layer", "features"] = "input"
    channels: bool = True
    delta: Any = None


class Toolset:
    """A toolset plug-in; the entry-point group ``metannvis.toolsets`` names instances.

    A subclass sets the attributes and writes :meth:`run`; ``metannvis_methods.testing`` checks it.

    Attributes
    ----------
    key
        Its name.
    framework
        Key of the framework its models have to be in.
    packages
        Modules that have to be importable for it to run.
    install
        What to type if they are not.
    rows
        Its methods.
    """

    key: str = ""
    framework: str = ""
    packages: tuple[str, ...] = ()
    install: str = ""
    rows: tuple[MethodSpec, ...] = ()

    def obstacles(self, spec: MethodSpec, model: Any, inputs: tuple[Any, ...] | None) -> tuple[str, ...]:
        """Why this model of the right framework has to be made canonical first; empty if it has not."""
        return ()

    def run(self, job: Job) -> Outcome:
        """Run one method. One thread at a time in a process does, so that global generators and filters may be used."""
        raise NotImplementedError
