"""Calls on their way: what running needs beside what a toolset is given."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from metannvis_methods.registry.toolset import MethodCall
from metannvis_methods.running.words import Words

__all__ = ["RunningCall"]


@dataclass(frozen=True)
class RunningCall(MethodCall):
    """One call of one method, from where a caller's arguments are resolved to the toolset that runs it.

    It begins in the terms of the caller's model: tensors and layouts as they were given, a layer by its name, a target as a
    class name. Each step on the way replaces fields (:func:`dataclasses.replace`); what a toolset is given is
    :meth:`for_toolset`.

    Attributes
    ----------
    words
        What the caller said, checked.
    output
        Which of the model's outputs is explained: an index, a name or a path; ``None``: its only one.
    score
        A function of the output that is explained instead of a target, or one a sample.
    held
        Inputs by their places that are held as they are while the others are explained: indices, which have no gradients.
    embedding
        A layer of ``model`` whose output is the first input, for a model that takes indices alone.
    within
        Of a call for a slice, the volume that it stands in (:class:`metannvis_methods.models.view.Within`).
    logits
        ``True`` where what goes into the model's last softmax or sigmoid is explained; ``None`` until that is settled.
    deadline
        When the run ends, as ``time.monotonic`` counts; ``None``: when it is done.
    half
        Half precision for the passes of the method; ``None``: the model's own.
    translate_options
        Options of ``metannvis_translate.translate``, should the model be translated.
    """

    words: Words = field(default_factory=Words)
    output: Any = None
    score: Any = None
    held: Mapping[int, Any] = field(default_factory=dict)
    embedding: Any = None
    within: Any = None
    logits: bool | None = None
    deadline: float | None = None
    half: Any = None
    translate_options: Mapping[str, Any] = field(default_factory=dict)

    def for_toolset(self) -> MethodCall:
        """What a toolset is given of it."""
        return MethodCall(**{item.name: getattr(self, item.name) for item in dataclasses.fields(MethodCall)})
