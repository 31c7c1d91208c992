"""The functions a caller uses: understand the call (steps 1 to 4 of a selection), then execute it."""

from __future__ import annotations

import dataclasses
import warnings
from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from metannvis_methods.errors import (
    InvalidArgumentError,
    LayerChoiceWarning,
    MissingArgumentError,
)
from metannvis_methods.execute import execute
from metannvis_methods.request import Request, batch_rows, understand
from metannvis_methods.results import Explanation, PendingExplanation
from metannvis_methods.toolset import Progress

if TYPE_CHECKING:
    from metannvis_translate import Translation

__all__ = ["explain", "finish_execution_with_layer", "perform_attribution", "perform_feature_visualization"]

Array = np.ndarray[Any, Any]
ATTRIBUTION = ("primary", "layer", "neuron")


def explain(
    model: Any,
    method: str,
    inputs: Any = None,
    *,
    target: Any = None,
    labels: Sequence[str] | None = None,
    layer: Any = None,
    neuron: Any = None,
    baselines: Any = None,
    feature_mask: Any = None,
    toolset: str | None = None,
    seed: int | None = None,
    batch_size: int | None = None,
    translation: Mapping[str, Any] | Translation | None = None,
    progress: Progress | None = None,
    init_args: Mapping[str, Any] | None = None,
    exec_args: Mapping[str, Any] | None = None,
    **options: Any,
) -> Explanation:
    """Explain a model of any framework by a method of any toolset, in one vocabulary.

    Parameters
    ----------
    model
        Anything that ``metannvis_translate.translate`` takes (a module, a Keras model, an ONNX model, the
        path of a model file), or a ``Translation``. It is left as it was.
    method
        Key of a method (:func:`list_methods`); case, ``-`` and ``_`` do not count. With ``layer`` or
        ``neuron``, ``"integrated_gradients"`` means its layer or neuron variant.
    inputs
        What is explained, shape ``(N, …)`` in the model's own layout: an array, a tensor, or a tuple, list or
        dict of them for several inputs. Numbers are brought to the dtype and device of the weights. A tensor
        of the *other* framework is taken to be in that framework's layout.
    target
        A class; a list of one a sample; a class name (with ``labels``); a tuple, which is a position in a
        dense output; ``None``: the only output, else the class predicted for each sample.
    labels
        Class names, in order.
    layer
        Name or object of a layer of ``model``, or ``"auto"``: the last convolutional or token layer.
    neuron
        Position in that layer's output, the batch left out, in the model's own layout: an int or a tuple.
    baselines, feature_mask
        As in Captum: a number, or an array in the layout of the inputs (of the layer, for a layer's
        ablation).
    toolset
        Key of the toolset; ``None`` takes one that has the method and says so.
    seed
        Makes random methods repeatable. The caller's own generators are left as they were.
    batch_size
        Rows that go through the model at once, at most, where the method allows it.
    translation
        Options of ``translate``, or a finished ``Translation`` of the model.
    progress
        Called as ``progress(done, total, stage)``. One thread at a time runs a toolkit in a process; the others wait, and are
        told so.
    init_args, exec_args
        Anything for the toolkit's constructor and call, by its own names.
    **options
        Options of the method, by the toolkit's names; an unknown one is refused.

    Returns
    -------
    Explanation
        Values as NumPy in the model's own layout.

    Raises
    ------
    UnknownMethodError, UnknownToolsetError, UnknownFrameworkError, UnknownLayerError
        There is no such thing; the message names close ones.
    MissingArgumentError, InvalidArgumentError
        An argument is missing or cannot be used.
    MissingFrameworkError
        A package is not installed; the message says what to install.
    ToolsetError
        The toolkit failed; its own error is chained.

    Warns
    -----
    MethodChoiceWarning
        Several toolsets have the method and none was named.
    """
    words = {
        "inputs": inputs,
        "target": target,
        "layer": layer,
        "neuron": neuron,
        "baselines": baselines,
        "feature_mask": feature_mask,
    }
    request = understand(
        model,
        method,
        toolset=toolset,
        words=words,
        options=options,
        init_args=init_args,
        exec_args=exec_args,
        translation=translation,
        may_find_target=True,
        progress=progress,
    )
    request.labels = None if labels is None else tuple(labels)
    request.seed, request.batch_size, request.progress = seed, batch_rows(batch_size), progress
    delta = request.spec.by_role("delta")
    if delta is not None:
        request.bound.call.setdefault(delta.name, True)
    result = execute(request)
    if isinstance(result, PendingExplanation):
        names = ", ".join(row.source.name for row in result.layers)
        raise MissingArgumentError(f"{result.method} of {result.toolset} needs layer=…; there are: {names}")
    return result


def perform_attribution(
    model: Any,
    method_key: str,
    toolset: str | None = None,
    init_args: Mapping[str, Any] | None = None,
    exec_args: Mapping[str, Any] | None = None,
    plot: Any = False,
    **translation: Any,
) -> Any:
    """Run an attribution method with the toolkit's own arguments, whatever framework the model is of.

    Parameters
    ----------
    model
        As for :func:`explain`.
    method_key, toolset
        Which method, of which toolset; ``None`` takes one that has it and says so.
    init_args, exec_args
        Arguments of the toolkit's constructor and call, by its own names or those of :func:`explain`. Arrays
        are in the layout of ``model``, and layers are ``model``'s own.
    plot
        ``True`` draws the result without showing it; an ``Axes`` is drawn on, a path is written to.
    **translation
        Options of ``metannvis_translate.translate``; ``dummy_input`` are example inputs where the call has
        none.

    Returns
    -------
    numpy.ndarray, tuple of them, or PendingExplanation
        Values in the layout of ``model``; a tuple for several inputs; ``(values, delta)`` if the convergence
        delta was asked for. If the method needs a layer and none was named, what to choose one from.

    Raises
    ------
    MetannvisError
        As for :func:`explain`.

    Warns
    -----
    LayerChoiceWarning
        A layer has to be named: see :func:`finish_execution_with_layer`.
    MethodChoiceWarning
        Several toolsets have the method and none was named.
    """
    return _perform(model, method_key, toolset, init_args, exec_args, plot, translation, ATTRIBUTION)


def perform_feature_visualization(
    model: Any,
    method_key: str,
    toolset: str | None = None,
    init_args: Mapping[str, Any] | None = None,
    exec_args: Mapping[str, Any] | None = None,
    plot: Any = False,
    **translation: Any,
) -> Any:
    """Make inputs that a model responds to; arguments and result as for :func:`perform_attribution`."""
    return _perform(model, method_key, toolset, init_args, exec_args, plot, translation, ("feature_visualization",))


def finish_execution_with_layer(pending: PendingExplanation, layer: Any, plot: Any = False) -> Any:
    """Go on with a run that waited for a layer.

    Parameters
    ----------
    pending
        What :func:`perform_attribution` returned.
    layer
        A row of ``pending.layers``, or the name or object of a layer of the caller's model.
    plot
        As for :func:`perform_attribution`.

    Returns
    -------
    numpy.ndarray or tuple
        As :func:`perform_attribution` does.

    Raises
    ------
    UnknownLayerError
        There is no such layer; the message names close ones.
    """
    if not isinstance(pending, PendingExplanation):
        raise InvalidArgumentError(
            f"no pending explanation but a {type(pending).__name__}: perform_attribution returns one"
        )
    if layer is None:
        raise MissingArgumentError("name a layer, one of pending.layers")
    request: Request = dataclasses.replace(pending.request, layer=layer)
    result = execute(request)
    return _returned(result, request, plot)


def _perform(
    model: Any,
    method: str,
    toolset: str | None,
    init_args: Mapping[str, Any] | None,
    exec_args: Mapping[str, Any] | None,
    plot: Any,
    translation: Mapping[str, Any],
    kinds: Collection[str],
) -> Any:
    request = understand(
        model,
        method,
        kinds=kinds,
        toolset=toolset,
        words={},
        init_args=init_args,
        exec_args=exec_args,
        translation=translation,
        may_find_target=False,
        stacklevel=4,
    )
    result = execute(request)
    if isinstance(result, PendingExplanation):
        warnings.warn(
            f"{result.method} of {result.toolset} needs a layer, and none was named: choose one of "
            "result.layers and call finish_execution_with_layer(result, layer)",
            LayerChoiceWarning,
            stacklevel=3,
        )
    return _returned(result, request, plot)


def _returned(result: Explanation | PendingExplanation, request: Request, plot: Any) -> Any:
    if isinstance(result, PendingExplanation):
        return result
    if plot is not False and plot is not None:
        where = {} if plot is True else {"ax" if hasattr(plot, "get_figure") else "path": plot}
        result.plot(**where)
    delta = request.spec.by_role("delta")
    if delta is not None and request.bound.call.get(delta.name):
        return result.values, result.convergence_delta
    return result.values
