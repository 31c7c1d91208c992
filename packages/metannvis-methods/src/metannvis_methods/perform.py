"""Methods by their toolkit's arguments: the functions of the 2022 tool."""

from __future__ import annotations

import dataclasses
import warnings
from collections.abc import Collection, Mapping
from typing import Any

from metannvis_methods.errors import (
    InvalidArgumentError,
    LayerChoiceWarning,
    MissingArgumentError,
)
from metannvis_methods.results.explanation import Explanation
from metannvis_methods.results.pending import PendingExplanation
from metannvis_methods.running.call import RunningCall
from metannvis_methods.running.deadline import end_of
from metannvis_methods.running.execute import execute
from metannvis_methods.running.request import resolve
from metannvis_methods.running.words import Words

__all__ = ["finish_execution_with_layer", "perform_attribution", "perform_feature_visualization"]

ATTRIBUTION = ("primary", "layer", "neuron")
#: Words that stand beside a toolkit's own arguments.
OWN_WORDS = (
    Words().names - {"inputs", "toolset", "init_args", "exec_args", "options", "translation"} - set(Words().arguments)
)


def perform_attribution(
    model: Any,
    method_key: str,
    toolset: str | None = None,
    init_args: Mapping[str, Any] | None = None,
    exec_args: Mapping[str, Any] | None = None,
    plot: Any = False,
    **words: Any,
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
    **words
        Words of :func:`explain` that no toolkit has: ``output``, ``logits`` (``False`` here, as toolkits have it), ``labels``,
        ``reshape``, ``data``, ``value_range``, ``preprocess``, ``noise``, ``along``, ``uncertainty``, ``seed``, ``batch_size``,
        ``device``, ``autocast``, ``deadline``, ``unfit``, ``progress``. And options of ``metannvis_translate.translate``;
        ``dummy_input`` are example inputs where the call has none.

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
    return _perform(model, method_key, toolset, init_args, exec_args, plot, words, ATTRIBUTION)


def perform_feature_visualization(
    model: Any,
    method_key: str,
    toolset: str | None = None,
    init_args: Mapping[str, Any] | None = None,
    exec_args: Mapping[str, Any] | None = None,
    plot: Any = False,
    **words: Any,
) -> Any:
    """Make inputs that a model responds to.

    Parameters
    ----------
    model, method_key, toolset, init_args, exec_args, plot, words
        As for :func:`perform_attribution`; the inputs, in the layout of ``model``, are where the ascent begins.

    Returns
    -------
    numpy.ndarray or tuple
        Inputs in the layout of ``model``, of the shape of those that it began with; a tuple for several.

    Raises
    ------
    MetannvisError
        As for :func:`explain`.
    """
    return _perform(model, method_key, toolset, init_args, exec_args, plot, words, ("feature_visualization",))


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
    asked: RunningCall = pending.request
    call = dataclasses.replace(
        asked, layer=layer, deadline=end_of(asked.words.deadline)
    )  # no time runs while one chooses
    result = execute(call, pending.prepared)
    return _returned(result, call, plot)


def _perform(
    model: Any,
    method: str,
    toolset: str | None,
    init_args: Mapping[str, Any] | None,
    exec_args: Mapping[str, Any] | None,
    plot: Any,
    given: Mapping[str, Any],
    kinds: Collection[str],
) -> Any:
    own = {name: value for name, value in given.items() if name in OWN_WORDS}
    translation = {name: value for name, value in given.items() if name not in own}
    words = Words(
        **{
            "logits": False,  # what the toolkit itself does
            **own,
            "toolset": toolset,
            "init_args": init_args,
            "exec_args": exec_args,
            "translation": translation,
        }
    )
    call = resolve(model, method, words, kinds=kinds, may_find_target=False, stacklevel=4)
    result = execute(call)
    if isinstance(result, PendingExplanation):
        warnings.warn(
            f"{result.method} of {result.toolset} needs a layer, and none was named: choose one of "
            "result.layers and call finish_execution_with_layer(result, layer)",
            LayerChoiceWarning,
            stacklevel=3,
        )
    return _returned(result, call, plot)


def _returned(result: Explanation | PendingExplanation, call: RunningCall, plot: Any) -> Any:
    if isinstance(result, PendingExplanation):
        return result
    if plot is not False and plot is not None:
        where = {} if plot is True else {"ax" if hasattr(plot, "get_figure") else "path": plot}
        result.plot(**where)
    if call.option("delta"):
        return result.values, result.convergence_delta
    return result.values
