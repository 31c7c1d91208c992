"""Several explanations of one model: one translation, one prediction, each failing alone."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from metannvis_methods.errors import InvalidArgumentError, MetannvisError
from metannvis_methods.explain import explain
from metannvis_methods.registry.toolset import Progress
from metannvis_methods.results.explanation import Explanation
from metannvis_methods.running.deadline import end_of, in_time, until
from metannvis_methods.running.sharing import sharing
from metannvis_methods.running.streams import is_stream
from metannvis_methods.running.words import Words

__all__ = ["explain_many"]


def explain_many(
    model: Any,
    requests: Iterable[Mapping[str, Any] | str],
    inputs: Any = None,
    *,
    progress: Progress | None = None,
    **words: Any,
) -> list[Explanation | dict[str, Explanation] | MetannvisError]:
    """Explain a model by several requests, which share its translation and its predictions.

    Parameters
    ----------
    model
        As for :func:`metannvis_methods.explain`.
    requests
        One a run: the name of a method, or the words of :func:`metannvis_methods.explain` as a dict with ``method``.
    inputs, **words
        For every request that does not say otherwise. The requests share the ``deadline``: the time that one leaves goes to the
        next, and those that did not run end in a ``DeadlineError``. One in a request is of that request.
    progress
        Called as ``progress(done, total, stage)``, ``done`` and ``total`` counting requests.

    Returns
    -------
    list
        One a request, in their order: an explanation, or the error that the request ended in.

    Raises
    ------
    InvalidArgumentError
        A request is none. Nothing was run.
    """
    asked = [{"method": request} if isinstance(request, str) else dict(request) for request in requests]
    if is_stream(inputs):
        raise InvalidArgumentError("explain_many takes one batch: call it for each that an iterator gives")
    for place, request in enumerate(asked):
        if not isinstance(request.get("method"), str):
            raise InvalidArgumentError(f"request {place} names no method: {request!r}")
    end = end_of(Words(deadline=words.get("deadline")).checked().deadline)
    results: list[Explanation | dict[str, Explanation] | MetannvisError] = []
    with sharing(), until(end):
        for place, request in enumerate(asked):
            if progress is not None:
                progress(place, len(asked), request["method"])
            try:
                in_time(end, request["method"])
                results.append(explain(model, **{"inputs": inputs, **words, **request}))
            except MetannvisError as error:
                results.append(error)
    if progress is not None:
        progress(len(asked), len(asked), "done")
    return results
