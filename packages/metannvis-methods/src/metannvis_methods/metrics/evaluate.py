"""Evaluation of explanations: every metric of every method, on every sample."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from metannvis_methods.errors import InvalidArgumentError
from metannvis_methods.metrics.crops import crops_of, medians
from metannvis_methods.metrics.evaluation_run import EvaluationRun
from metannvis_methods.metrics.layout import Layout
from metannvis_methods.metrics.scoring import ROWS
from metannvis_methods.metrics.subjects import Asked, Subject, asked, check_asked, place_of
from metannvis_methods.metrics.wanted import wanted_metrics
from metannvis_methods.models.arrays import to_numpy
from metannvis_methods.models.registry import adapter_for
from metannvis_methods.registry.toolset import Progress
from metannvis_methods.results.evaluation import Evaluation
from metannvis_methods.running.deadline import end_of
from metannvis_methods.running.devices import check_device_words
from metannvis_methods.running.prepare import LOAD_OPTIONS, open_source
from metannvis_methods.running.words import Words

__all__ = ["evaluate"]

Array = np.ndarray[Any, Any]


def evaluate(
    model: Any,
    methods: Any,
    inputs: Any = None,
    *,
    metrics: Any = None,
    masks: Any = None,
    of: str | int | None = None,
    crops: Any = None,
    target: Any = None,
    labels: Sequence[str] | str | Path | None = None,
    options: Mapping[str, Mapping[str, Any]] | None = None,
    seed: int | None = 0,
    batch_size: int | None = None,
    device: Any = None,
    deadline: float | None = None,
    translation: Any = None,
    progress: Progress | None = None,
    **words: Any,
) -> Evaluation:
    """Measure explanations of a model: a table of methods, metrics and samples.

    Parameters
    ----------
    model
        As for :func:`metannvis_methods.explain`. It is left as it was.
    methods
        The name of a method; a dict of words of :func:`metannvis_methods.explain` with ``method``; an explanation of this
        model; a list of these; or a dict of them by the names that the table has.
    inputs
        What is explained, as :func:`metannvis_methods.explain` takes it; explanations have their own.
    metrics
        Names (:func:`list_metrics`): ``"insertion"``, ``"quantus:sparseness"``; a dict of them with the options of each, in
        which the key ``"metric"`` of the options says which metric is meant under another name; ``None``: a few quick ones, and
        the mass accuracy and pointing game if there are masks.
    masks
        Where the object is, for metrics of localization: shape ``(N, places…)``, or ``(places…)`` for all samples. Of a model
        with several inputs a dict of one, by the input's name or place: ``{"image": mask}``.
    of
        Of a model with several inputs, name or place of the one whose places are changed and whose map is measured, while the
        others are held; ``None``: the places of all inputs that are explained are ranked together. What a metric can be of is
        said in its row.
    crops
        For inputs that are larger than what the model takes, or volumes: windows that they are cut into, each explained and
        measured, and a sample's score is the median over them. A dict of ``window``, its size along each place, and
        ``overlap``, the share that it has in common with the next; or a :class:`~metannvis_methods.metrics.crops.Crops`.
    target, labels
        As for :func:`metannvis_methods.explain`; the same number of the output is what metrics predict.
    options
        Options of metrics, by name, beside those in ``metrics``.
    seed
        Of the metrics' and the methods' random numbers; ``None``: other ones at each call.
    batch_size
        Rows that pass through the model at once, at most, for metrics (64 if it is ``None``) and methods.
    device, translation
        As for :func:`metannvis_methods.explain`.
    deadline
        Seconds for the whole call; metrics that are not done by then have no scores, which ``errors`` says.
    progress
        Called as ``progress(done, total, stage)``, ``done`` and ``total`` counting explanations and metrics.
    **words
        Of :func:`metannvis_methods.explain`, for every method that does not say otherwise: ``toolset``, ``layer``,
        ``baselines``.

    Returns
    -------
    Evaluation
        Scores of shape (methods, metrics, samples), float64. What failed is NaN there, and its message in ``errors``.

    Raises
    ------
    UnknownMetricError, UnknownMethodError, UnknownToolsetError, InvalidArgumentError, MissingArgumentError
        There is no such metric, option or method, no method takes the words that are given, or a metric needs masks; nothing
        was run. What one of several methods does not take is an error of that one.

    Notes
    -----
    Predictions are made by the model as it is, in its own framework, with the softmax taken where a metric wants probabilities
    and the output has none. Methods are translated as :func:`metannvis_methods.explain` does.
    """
    from metannvis_translate import Translation, detect_framework

    checked = Words(
        seed=seed,
        batch_size=batch_size,
        device=device,
        deadline=deadline,
        translation=translation,
        progress=progress,
    ).checked()
    end = end_of(checked.deadline)
    shared = {
        **words,
        **{name: value for name, value in (("batch_size", batch_size), ("device", device)) if value is not None},
        **({} if translation is None else {"translation": translation}),
    }
    wanted = wanted_metrics(metrics, options, has_masks=masks is not None)
    items = asked(methods, shared)
    check_asked(items, {"inputs": inputs, "target": target, "labels": labels, "seed": seed})
    opening = dict(translation) if isinstance(translation, Mapping) else {}
    source = open_source(model, {name: opening[name] for name in LOAD_OPTIONS if name in opening}, progress)
    if isinstance(source, Translation):
        source = source.source
    framework = detect_framework(source)
    check_device_words(checked, adapter_for(framework))
    names = adapter_for(framework).input_names(source)
    place = None if of is None else place_of(of, names)
    masks, masked = _masks_of_input(masks, names, place)
    windows = 0
    if crops is not None:
        inputs, masks, target, windows = _cut(crops, items, inputs, masks, target, source, framework)
    run = EvaluationRun(
        model=source,
        framework=framework,
        names=names,
        of=place,
        masks=masks,
        masked=masked,
        seed=checked.seed,
        rows=checked.batch_size or ROWS,
        device=checked.device,
        end=end,
        progress=progress,
        total=len(items) * (1 + len(wanted)),
    )
    found: list[Subject | None] = []
    for item in items:
        found.append(run.explained(item, model, inputs, target, labels))
    explained = [subject for subject in found if subject is not None]
    samples = {subject.samples for subject in explained}
    if len(samples) > 1:
        raise InvalidArgumentError(f"the explanations are of {sorted(samples)} samples: evaluate those of one batch")
    if masks is not None and explained:
        run.with_mask(explained[0]).layout.arranged_mask(
            masks
        )  # what does not lie like the inputs is refused before the metrics run
    scores = np.full((len(items), len(wanted), max(samples, default=0)), np.nan)
    for place, (item, subject) in enumerate(zip(items, found, strict=True)):
        for column, metric in enumerate(wanted):
            output = run.measured(item.name, subject, metric)
            if output is not None:
                scores[place, column] = output.scores
    run.tell("done")
    if windows:
        scores, run.curves, found = medians(scores, windows), {}, []
        run.notes.append(f"scores are medians over {windows} crops of a sample")
    return Evaluation(
        scores=scores,
        methods=tuple(item.name for item in items),
        metrics=tuple(metric.name for metric in wanted),
        rows=tuple(metric.described() for metric in wanted),
        curves=run.curves,
        steps=run.steps,
        errors=run.errors,
        notes=tuple(dict.fromkeys(run.notes)),
        seed=checked.seed,
        framework=framework,
        explanations=tuple(None if subject is None else subject.explanation for subject in found),
    )


def _masks_of_input(masks: Any, names: Sequence[str], of: int | None) -> tuple[Any, int | None]:
    """Masks, and the place of the input that they are of; ``None`` where nobody says."""
    if not isinstance(masks, Mapping):
        return masks, of
    if len(masks) != 1:
        raise InvalidArgumentError(f"masks are of one input, {{name: mask}}, not of {len(masks)}")
    ((name, array),) = masks.items()
    place = place_of(name, names)
    if of is not None and of != place:
        raise InvalidArgumentError(f"the masks are of input {name!r}, and of= names another one")
    return array, place


def _cut(
    crops: Any, items: Sequence[Asked], inputs: Any, masks: Any, target: Any, model: Any, framework: str
) -> tuple[Array, Array | None, Any, int]:
    """Inputs, masks and targets of the crops, and how many a sample has."""
    known = crops_of(crops)
    if any(item.explanation is not None for item in items):
        raise InvalidArgumentError("crops are explained one by one: name methods instead of giving explanations")
    array = to_numpy(inputs) if hasattr(inputs, "shape") else None
    if array is None or array.ndim < 2:
        raise InvalidArgumentError("crops are of one input, an array of shape (N, …)")
    layout = Layout(adapter_for(framework).input_axes(model, array.shape), array.shape)
    number = len(known.places(layout.places))
    each = [one for one in target for _ in range(number)] if isinstance(target, list) else target
    return known.cut(array, layout), None if masks is None else known.cut_masks(masks, layout), each, number
