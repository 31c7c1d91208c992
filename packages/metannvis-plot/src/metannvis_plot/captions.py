"""Captions: what was seen and asked, by which method and where, and how it was computed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from metannvis_plot.fonts import span
from metannvis_plot.subjects import Subject

_DOT = " · "
_OPTIONS = 6
_PLACES = {"D": "slice", "H": "row", "W": "column", "L": "position", "T": "token"}
#: Methods whose values are derivatives of the target, not shares of it.
_DERIVATIVES = frozenset(
    {"saliency", "guided_backprop", "deconvolution", "smooth_grad", "gradient", "vanilla_gradient"}
)


def number(value: Any) -> str:
    """A number in few characters: ``3e-7``, ``0.25``, ``1200``."""
    value = float(value)
    text = f"{value:.2g}"
    if 100 <= abs(float(text)) < 1e5:  # what rounds to 100 as well
        return f"{value:.0f}"
    if "e" not in text:
        return text
    mantissa, exponent = text.split("e")
    return f"{mantissa}e{int(exponent)}"


def plain(text: Any) -> str:
    """`text` on one line without control characters, as a title can hold it."""
    return " ".join("".join(c if c.isprintable() else " " for c in str(text)).split())


def method_text(result: Any) -> str:
    """``grad_cam · captum``."""
    return f"{plain(result.method)} · {plain(result.toolset)}"


def layer_text(result: Any) -> str:
    """``layer conv2``, ``layer fc, neuron 3``, or what stands in for a layer where there is none."""
    layer = getattr(result, "layer", None)
    if layer is None:
        return "synthetic input" if getattr(result, "kind", None) == "feature_visualization" else "input attribution"
    options = getattr(result, "options", None)
    neuron = getattr(result, "neuron", None)
    if neuron is None and isinstance(options, Mapping):
        neuron = options.get("neuron", options.get("neuron_selector"))
    return f"layer {plain(layer)}" + (f", neuron {plain(neuron)}" if neuron is not None else "")


def target_text(result: Any, sample: int | None = None, samples: int = 1) -> str:
    """``target 3``, with its label where labels are given; the sample's own where there is one a sample."""
    target: Any = getattr(result, "target", None)
    if isinstance(target, np.ndarray):
        target = target.tolist()
    many = isinstance(target, list)  # a tuple is one position in a dense output
    if many and len(target) == 1:
        target, many = target[0], False
    elif many and sample is not None and len(target) == samples:
        target, many = target[sample], False  # a position in a dense output may be a list itself
    if target is None:
        return "no target"
    labels, axes = getattr(result, "labels", None), getattr(result, "output_axes", None)
    if many:
        shown = ", ".join(_target(value, labels, axes) for value in target[:8])
        return f"targets {shown}" + (", …" if len(target) > 8 else "")
    return f"target {_target(target, labels, axes)}"


def translation_text(result: Any, *, layers: bool = False) -> str:
    """Whether the model was translated, and the relative error of the translation.

    Parameters
    ----------
    result : Explanation
    layers : bool
        Whether the layers' error is said too, after those of the outputs and gradients.
    """
    translation = getattr(result, "translation", None)
    if not translation:
        framework = getattr(result, "framework", None)
        return f"not translated ({plain(framework)})" if framework else "not translated"
    source, target = plain(translation.get("from", "?")), plain(translation.get("to", "?"))
    names = ("outputs", "gradients", "layers") if layers else ("outputs", "gradients")
    errors = [f"{name} {number(translation[name])}" for name in names if _is_number(translation.get(name))]
    verb = "made canonical" if source == target else "translated"
    route = f"({source})" if source == target else f"{source} → {target}"
    if translation.get("passed") is False:
        return f"{verb} {route}, FAILED its check" + (f": {', '.join(errors)}" if errors else "")
    return f"{verb} {route}, " + (f"relative error: {', '.join(errors)}" if errors else "not checked")


def seen_text(result: Any, sample: int | None) -> str:
    """What the model says of a sample: ``predicted 2 (tabby), 93 %``, ``output 1.5``; empty where it is not known."""
    predictions = getattr(result, "prediction", None)
    if not predictions or sample is None or sample >= len(predictions):
        return ""
    found = predictions[sample]
    number_, name = found.get("class"), found.get("name")
    if number_ is None:
        return f"output {number(found['value'])}" if _is_number(found.get("value")) else ""
    said = f"predicted {plain(number_)}" + (f" ({plain(name)})" if name is not None else "")
    if _is_number(found.get("probability")):
        return f"{said}, {number(100 * found['probability'])} %"
    return said


def how_text(result: Any) -> str:
    """Toolset, translation, the options that were set and what was warned of: once a figure, in small letters."""
    if result is None:
        return ""
    options = getattr(result, "options", None)
    given = options if isinstance(options, Mapping) else {}
    shown = [f"{plain(name)}={_short(value)}" for name, value in given.items() if "neuron" not in str(name)]
    parts = [
        plain(result.toolset),
        translation_text(result),
        *shown[:_OPTIONS],
        *(["…"] if len(shown) > _OPTIONS else []),
    ]
    parts += [f"note: {plain(text)}" for text in getattr(result, "warnings", ()) or ()]
    return _DOT.join(parts)


def ends_of(result: Any) -> tuple[str, str] | None:
    """What negative and positive values mean: against and for the target; of derivatives, lowering and raising it.

    ``None`` where values say nothing of a target: arrays, activations, images.
    """
    if result is None or getattr(result, "kind", None) == "feature_visualization":
        return None
    method = str(result.method)
    if method.endswith("activation"):
        return None
    return (
        ("lowers", "raises")
        if method.removeprefix("layer_").removeprefix("neuron_") in _DERIVATIVES
        else ("against", "for")
    )


def caption(
    subject: Subject, sample: int | None, title: str | None = None, *, seen: bool = True, how: bool = False
) -> list[str]:
    """The lines above a panel; a `title` of the caller's takes the place of them all.

    Parameters
    ----------
    subject : Subject
    sample : int or None
        Which sample the panel shows; None where it shows all.
    title : str, optional
    seen : bool
        Whether they begin with what the model says of the sample.
    how : bool
        Whether they end with toolset and translation, which else stand below the figure.
    """
    name = subject.name(sample)
    which = f"sample {sample}" if sample is not None and subject.values.samples > 1 and not name else ""
    place = [text for text in (subject.part, which or plain(name)) if text]
    if title is not None:
        return [_DOT.join([plain(title), *place])]
    result = subject.result
    if result is None:
        return [_DOT.join(place)] if place else []
    first = [*place, *([seen_text(result, sample)] if seen else [])]
    lines = [_DOT.join(text for text in first if text)]
    method = method_text(result) if how else plain(result.method)
    lines.append(f"{method}{_DOT}{layer_text(result)}{_DOT}{target_text(result, sample, subject.values.samples)}")
    lines += [translation_text(result)] if how else []
    return [line for line in lines if line]


def wrap(lines: Sequence[str], width: int) -> str:
    """The lines broken to at most the width of so many characters on average; an endless name is cut in its middle."""
    width = max(12, width)
    broken: list[str] = []
    for line in lines:
        row = ""
        for part in line.split(_DOT):  # what belongs together stays together where it can
            text = " ".join(_cut(word, width) for word in part.split())
            if row and span(row + _DOT + text) <= width:
                row += _DOT + text
            else:
                *full, row = ([row] if row else []) + _filled(text.split(), width)
                broken += full
        broken += [row] if row else []
    return "\n".join(broken)


def _filled(words: Sequence[str], width: float) -> list[str]:
    """Words in rows, as many in each as there is room for."""
    rows = [""]
    for word in words:
        longer = f"{rows[-1]} {word}".lstrip()
        if span(longer) <= width:
            rows[-1] = longer
        else:
            rows.append(word)
    return [row for row in rows if row] or [""]


def _cut(word: str, width: float) -> str:
    """A word, or its two ends if it is wider."""
    kept, shown = len(word) // 2, word
    while kept and span(shown) > width:
        kept = min(kept - 1, int(kept * width / span(shown)))
        shown = f"{word[:kept]}…{word[len(word) - kept :]}"
    return shown


def _target(value: Any, labels: Any, axes: str | None = None) -> str:
    if isinstance(value, tuple) and axes and len(value) + 1 == len(axes) and "C" in axes:
        places = dict(zip(axes[1:], value, strict=True))
        asked = f"class {_target(places.pop('C'), labels)}"
        return f"{asked} at {', '.join(f'{_PLACES.get(axis, axis)} {plain(at)}' for axis, at in places.items())}"
    whole = isinstance(value, int | np.integer) and not isinstance(value, bool)
    if whole and labels is not None and 0 <= value < len(labels):
        return f"{int(value)} ({plain(labels[value])})"
    return plain(value)


def _short(value: Any) -> str:
    text = plain(number(value) if isinstance(value, float) else value)
    return text if len(text) <= 24 else f"{text[:11]}…{text[-11:]}"


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float | np.number) and not isinstance(value, bool)
