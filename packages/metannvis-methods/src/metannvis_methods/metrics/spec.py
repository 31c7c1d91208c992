"""Metric rows: what is known of a metric before it runs, what it is given, and what it returns."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, Protocol, get_args

import numpy as np

from metannvis_methods.errors import InvalidArgumentError, near_misses
from metannvis_methods.registry.option_values import Values

if TYPE_CHECKING:
    from metannvis_methods.metrics.joined import Given, JoinedLayout
    from metannvis_methods.metrics.layout import Layout
    from metannvis_methods.results.explanation import Explanation

__all__ = [
    "CATEGORIES",
    "INPUTS",
    "NEEDS",
    "Again",
    "Inputs",
    "MetricCall",
    "MetricOutput",
    "MetricSpec",
    "Parameter",
    "Scores",
]

Array = np.ndarray[Any, Any]

#: What a metric is about.
Category = Literal["faithfulness", "robustness", "complexity", "localization", "randomization", "time"]
CATEGORIES: tuple[str, ...] = get_args(Category)
#: What a metric may need beside the explanation, and what that means.
NEEDS: Mapping[str, str] = {
    "predictions": "the model's outputs for other inputs",
    "method": "the method, to run it again on other inputs",
    "mask": "masks=…, where the object is",
    "weights": "a model whose weights can be drawn anew: of PyTorch, Keras or ONNX, not quantized",
    "torch": "PyTorch installed; models of any framework",
}
#: Of a model with several inputs: what a metric can be of, and what that means.
Inputs = Literal["any", "one", "alone"]
INPUTS: Mapping[str, str] = {
    "any": "all inputs that are explained, their places ranked together, or one of them, `of=`",
    "one": "one of the inputs, `of=` (or that of the masks); the others are held",
    "alone": "models with one input only",
}


class Scores(Protocol):
    """The explained number of a model for inputs like those that are explained."""

    def __call__(self, rows: Array, samples: Array, *, probabilities: bool = False) -> Array:
        """Numbers of shape ``(R,)``, float64.

        Parameters
        ----------
        rows
            Shape ``(R, places…, C)``.
        samples
            Which sample each row is made of, shape ``(R,)``: its target is what counts.
        probabilities
            Whether a softmax is taken of an output of classes that is no distribution yet.
        """

    def hits(self, rows: Array, samples: Array) -> Array:
        """Whether the target is the largest of the classes of each row, shape ``(R,)``, 0 or 1."""

    def classes(self, rows: Array, samples: Array | None = None, *, probabilities: bool = False) -> Array:
        """All classes of each row, shape ``(R, K)``, float64; one for a model with a single output.

        ``samples`` may be left out where the rows are made of all samples in order.
        """

    @property
    def targets(self) -> list[Any]:
        """Class of each sample; 0 of a single output."""


class Again(Protocol):
    """The method, run again with the words and the targets of the explanation."""

    def __call__(self, inputs: Array, *, model: Any = None, seed: int | None = None) -> Array:
        """Attributions of shape ``(N, places…, K)``, for inputs ``(N, places…, C)``; ``model`` in the other's stead."""


@dataclass(frozen=True)
class Parameter:
    """An option of a metric.

    Attributes
    ----------
    name, default
        As :func:`~metannvis_methods.metrics.evaluate.evaluate` takes it.
    summary
        One line for people.
    source
        Where the default is from: a paper, a library, or why it is ours.
    choices
        The only values that it may have; empty: any.
    takes
        What it has to be, told before anything runs; ``None``: its function looks. A default of ``None`` always fits.
    """

    name: str
    default: Any
    summary: str
    source: str
    choices: tuple[Any, ...] = ()
    takes: Values | None = None

    def check(self, value: Any, where: str) -> None:
        """Refuse a value that it may not have.

        Raises
        ------
        InvalidArgumentError
            The message says what fits.
        """
        if self.choices and (np.ndim(value) or value not in self.choices):
            raise InvalidArgumentError(f"{where} is one of {', '.join(map(repr, self.choices))}, not {value!r}")
        if self.takes is not None and not (value is None and self.default is None):
            self.takes.check(value, where)


@dataclass(frozen=True)
class MetricSpec:
    """One metric of one provider.

    Attributes
    ----------
    key
        Name by which it is asked for.
    provider
        ``"metannvis"``, or the library whose code computes it: ``"captum"``, ``"quantus"``.
    category
        One of :data:`CATEGORIES`.
    direction
        ``"higher"`` or ``"lower"`` is better; ``""``: neither, as of seconds or of a score that only describes.
    function
        What is imported when it runs: ``"package.module:function"``, or the function itself. It is called as
        ``function(call, **options)``, and returns a :class:`MetricOutput`, or an array of shape ``(N,)``.
    summary
        One line for people.
    reference
        The paper that it follows.
    needs
        Keys of :data:`NEEDS`.
    parameters
        Its options.
    axes
        Letters of which the axes of the inputs must have all (``"HW"`` of images); empty: any inputs.
    inputs
        What it can be of where a model has several inputs, one of :data:`INPUTS`. With ``"any"`` places are those of all inputs
        that are explained, one input after the other, as of a table: ``(N, places, C)``.
    """

    key: str
    provider: str
    category: Category
    direction: Literal["higher", "lower", ""]
    function: str | Callable[..., Any]
    summary: str
    reference: str
    needs: tuple[str, ...] = ()
    parameters: tuple[Parameter, ...] = ()
    axes: str = ""
    inputs: Inputs = "one"

    def __post_init__(self) -> None:
        if self.inputs not in INPUTS:
            raise InvalidArgumentError(
                f"metric {self.key!r}: inputs is one of {', '.join(INPUTS)}, not {self.inputs!r}"
            )
        if self.category not in CATEGORIES:
            raise InvalidArgumentError(f"metric {self.key!r}: there is no category {self.category!r}")
        if unknown := set(self.needs) - set(NEEDS):
            raise InvalidArgumentError(f"metric {self.key!r}: there is no need {', '.join(sorted(unknown))}")

    @property
    def name(self) -> str:
        """What it is called in tables: its key, with the provider in front if that is a library."""
        return self.key if self.provider == "metannvis" else f"{self.provider}:{self.key}"

    def options(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """All options, those that are not given by their defaults.

        Raises
        ------
        InvalidArgumentError
            There is no such option, or it is none of its choices.
        """
        known = {parameter.name: parameter for parameter in self.parameters}
        for name, value in given.items():
            if name not in known:
                close = near_misses(name, known)
                hint = f"did you mean {close[0]!r}?" if close else f"it has {', '.join(known) or 'none'}"
                raise InvalidArgumentError(f"metric {self.name} has no option {name!r}: {hint}")
            known[name].check(value, f"metric {self.name}: {name}")
        return {**{parameter.name: parameter.default for parameter in self.parameters}, **given}

    def load(self) -> Callable[..., Any]:
        """The function, imported."""
        if not isinstance(self.function, str):
            return self.function
        module, _, name = self.function.partition(":")
        found: Callable[..., Any] = getattr(importlib.import_module(module), name)
        return found


@dataclass(frozen=True)
class MetricCall:
    """What a metric is given: an explanation of N samples, laid out so that the framework does not show.

    Attributes
    ----------
    spec
        Its row.
    inputs
        Shape ``(N, places…, C)``: channels last, one where the inputs have no channels; the model's own dtype.
    attributions
        Shape ``(N, places…, K)``, float64; K is C, or 1 for a map of the places. Smaller maps, as of layers, are enlarged by
        linear interpolation.
    layout
        How that lies to the caller's inputs.
    scores, again
        See :class:`Scores` and :class:`Again`.
    explanation
        What is judged, in the caller's layout.
    mask
        Shape ``(N, places…)``, booleans; ``None`` if there is none.
    generator
        For all random numbers: two metrics of one evaluation begin alike, whatever else is computed.
    model, framework
        The caller's model.
    batch_size
        Rows that pass through the model at once, at most.
    given
        All inputs of a model that has several; ``None`` of one with a single input.
    parts
        Where several inputs are measured together, the call of each alone.
    """

    spec: MetricSpec
    inputs: Array
    attributions: Array
    layout: Layout | JoinedLayout
    scores: Scores
    again: Again
    explanation: Explanation
    mask: Array | None
    generator: np.random.Generator
    model: Any
    framework: str
    batch_size: int
    given: Given | None = None
    parts: tuple[MetricCall, ...] = ()

    @property
    def samples(self) -> int:
        """Number of samples."""
        return len(self.inputs)

    @property
    def places(self) -> tuple[int, ...]:
        """Sizes of the places: height and width of images."""
        return self.inputs.shape[1:-1]

    def as_given(self, rows: Array, samples: Array | None = None) -> Any:
        """Rows ``(R, places…, C)`` as the model and ``explain`` take them: an array, or a tuple of one an input.

        ``samples`` as in :class:`Scores`; it may be left out where the rows are made of all samples in order.
        """
        changed = self.layout.restored(rows)
        found = changed if self.given is None else self.given.rows(changed, samples)
        return found[0] if isinstance(found, tuple) and len(found) == 1 else found

    def maps(self, sign: str = "both") -> Array:
        """Attributions summed over channels, shape ``(N, places…)``.

        Parameters
        ----------
        sign
            ``"both"``, ``"positive"`` for the positive ones alone, ``"absolute"`` for magnitudes.
        """
        found = self.attributions
        if sign == "positive":
            found = np.maximum(found, 0)
        elif sign == "absolute":
            found = np.abs(found)
        total: Array = found.sum(-1)
        return total


@dataclass(frozen=True)
class MetricOutput:
    """What a metric returns.

    Attributes
    ----------
    scores
        One a sample, shape ``(N,)``.
    curves
        What they are made of, shape ``(N, steps)``; ``None`` if there is no such thing.
    steps
        What the curve runs over, shape ``(steps,)``: the share of pixels that is removed, names of layers.
    notes
        What to know of the run.
    """

    scores: Array
    curves: Array | None = None
    steps: tuple[Any, ...] = ()
    notes: tuple[str, ...] = field(default=())
