"""Subjects of a figure, from a result or an array: values, the input they belong to, the explanation they are of.

Results are recognised by their attributes, so this package needs no other one to be imported.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from metannvis_translate.errors import InvalidArgumentError

from metannvis_plot.arrays import Labelled, label


@dataclass(frozen=True)
class Subject:
    """One array to draw.

    Attributes
    ----------
    values : Labelled
    input : Labelled or None
        The input it belongs to, as the caller gave it.
    result : object or None
        The explanation, or None for a plain array.
    part : str
        Which of several inputs, or outputs of a layer, it belongs to, e.g. ``"input 1 of 2"``; else empty.
    names : tuple of str
        What the samples are called, such as the files that they are from; empty if they have no names.
    region : Labelled or None
        Weights of the positions of a dense output that the target lies at, 0 elsewhere; None of any other target.
    """

    values: Labelled
    input: Labelled | None = None
    result: Any = None
    part: str = ""
    names: tuple[str, ...] = ()
    region: Labelled | None = None

    def name(self, sample: int | None) -> str:
        """What a sample is called, empty if it has no name."""
        return self.names[sample] if sample is not None and sample < len(self.names) else ""


def is_explanation(value: Any) -> bool:
    """Whether `value` has what an explanation has (a table of pandas has values and axes, but no toolset)."""
    return all(hasattr(value, name) for name in ("values", "axes", "method", "toolset"))


def is_comparison(value: Any) -> bool:
    """Whether `value` holds explanations."""
    return hasattr(value, "explanations") and not is_explanation(value) and not hasattr(value, "metrics")


def subjects(
    values: Any,
    axes: str | tuple[str, ...] | None = None,
    *,
    image: Any = None,
    image_axes: str | None = None,
    input_index: int | None = None,
    sample_names: Sequence[str] | None = None,
) -> list[Subject]:
    """The subjects of an explanation (one for each input) or of an array (one).

    Parameters
    ----------
    values : Explanation or array_like
    axes : str or tuple of str, optional
        Letters of the values' axes; overrides those of an explanation.
    image : array_like, optional
        The image the values belong to; else the explanation's own input.
    image_axes : str, optional
    input_index : int, optional
        Which input of a model with several (of a layer: which output); all of them if missing.
    sample_names : sequence of str, optional
        What the samples are called, one each.

    Raises
    ------
    InvalidArgumentError
        If the values cannot be drawn, their axes are not known, or there is no such input.
    """
    if is_comparison(values):
        raise InvalidArgumentError("a comparison holds several results: use comparison(), or one of its .explanations")
    explained = is_explanation(values)
    result = values if explained else None
    parts, letters = _parts(values.values if explained else values, _first(axes, values.axes if explained else None))
    # Of several arrays each belongs to one input; those of a layer's outputs belong to all inputs together.
    of_layer = getattr(result, "kind", None) == "layer"
    part_name = "output" if of_layer else "input"
    sources = _inputs(result, 1) * len(parts) if of_layer else _inputs(result, len(parts))
    if image is not None:
        sources = [label(image, image_axes, "the image")] * len(parts)
    made = [
        Subject(
            label(part, letter, "values" if explained or len(parts) == 1 else f"values[{k}]"),
            sources[k],
            result,
            f"{part_name} {k} of {len(parts)}" if len(parts) > 1 else "",
            _sample_names(sample_names),
            _region(result),
        )
        if part is not None
        else None  # an input that was held: indices beside numbers
        for k, (part, letter) in enumerate(zip(parts, letters, strict=True))
    ]
    for subject in made:
        if sample_names is not None and subject is not None and len(subject.names) != subject.values.samples:
            raise InvalidArgumentError(
                f"sample_names must be {subject.values.samples}, one a sample, not {len(subject.names)}"
            )
    if input_index is None:
        return [subject for subject in made if subject is not None]
    if not -len(made) <= input_index < len(made):
        raise InvalidArgumentError(f"input_index {input_index}: the values are of {len(made)} {part_name}(s)")
    chosen = made[input_index]
    if chosen is None:
        raise InvalidArgumentError(f"input_index {input_index}: that input was held, as indices are, and has no values")
    return [chosen]


def single(values: Any, axes: str | tuple[str, ...] | None, **options: Any) -> Subject:
    """The one subject of a figure that takes one.

    Raises
    ------
    InvalidArgumentError
        If the values belong to several inputs and `input_index` does not say which.
    """
    found = subjects(values, axes, **options)
    if len(found) > 1:
        raise InvalidArgumentError(f"the values are {len(found)} arrays: say which with input_index=")
    return found[0]


def _parts(values: Any, axes: Any) -> tuple[list[Any], list[str | None]]:
    # A list is one nested array; only a tuple means several inputs, as in the results themselves.
    parts = list(values) if isinstance(values, tuple) else [values]
    if not parts:
        raise InvalidArgumentError("the values are an empty tuple: there is nothing to draw")
    letters = list(axes) if isinstance(axes, tuple) else [axes] * len(parts)
    if len(letters) != len(parts):
        raise InvalidArgumentError(f"{len(parts)} arrays of values, but axes for {len(letters)}: {axes!r}")
    return parts, letters


def _inputs(result: Any, count: int) -> list[Labelled | None]:
    """The inputs an explanation carries, one for each array of values, None where it carries none."""
    inputs = getattr(result, "pictures", None)  # as people see them, where a preprocessing made them something else
    inputs = getattr(result, "inputs", None) if inputs is None else inputs
    axes = getattr(result, "input_axes", None)
    if inputs is None or axes is None:
        return [None] * count
    parts, letters = _parts(inputs, axes)
    # A layer's values belong to all inputs together: show the first that is a picture.
    if count == 1 and len(parts) > 1:
        spatial = [k for k, letter in enumerate(letters) if letter and {"H", "W"} <= set(letter)]
        chosen = [spatial[0] if spatial else 0]
    else:
        chosen = list(range(min(count, len(parts))))
    found: list[Labelled | None] = [_readable(parts[k], letters[k]) for k in chosen]
    return found + [None] * (count - len(found))


def _readable(values: Any, axes: str | None) -> Labelled | None:
    # The values are drawn also where the input's axes are not known: only the input is left out.
    if axes is None or "?" in axes:
        return None
    return label(values, axes, "the input")


def _region(result: Any) -> Labelled | None:
    """Where in a dense output the target of a result lies, if it says so."""
    region, axes = getattr(result, "region", None), getattr(result, "output_axes", None)
    if region is None or not axes or "?" in axes:
        return None
    return label(region, axes.replace("C", ""), "the region")


def _sample_names(names: Sequence[str] | None) -> tuple[str, ...]:
    if isinstance(names, str):
        raise InvalidArgumentError(f"sample_names is a list of names, one a sample, not {names!r}")
    return () if names is None else tuple(map(str, names))


def _first(given: Any, own: Any) -> Any:
    return own if given is None else given


def input_sample(subject: Subject, sample: int) -> int | None:
    """The input's sample that belongs to the values' sample, or None if the two batches do not match."""
    if subject.input is None:
        return None
    if subject.input.samples == subject.values.samples:
        return sample
    return 0 if subject.input.samples == 1 else None


def as_list(results: Any) -> Sequence[Any]:
    """The explanations of a comparison, of a list or tuple of explanations, or of one."""
    if is_comparison(results):
        return tuple(results.explanations)
    if is_explanation(results):
        return (results,)
    if isinstance(results, list | tuple):
        return tuple(results)
    raise InvalidArgumentError(f"expected results, not {type(results).__name__}")
