"""Evaluation of explanations: every metric of every method, on every sample."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from metannvis_translate.process import exclusive

from metannvis_methods.errors import InvalidArgumentError, MetannvisError, MissingArgumentError
from metannvis_methods.metrics.crops import crops_of, medians
from metannvis_methods.metrics.layout import Layout
from metannvis_methods.metrics.registry import find_metric
from metannvis_methods.metrics.scoring import ROWS, Scorer
from metannvis_methods.metrics.spec import MetricCall, MetricOutput, MetricSpec
from metannvis_methods.metrics.subjects import Asked, Subject, asked, check_asked, subject_of
from metannvis_methods.models.arrays import to_numpy
from metannvis_methods.models.registry import adapter_for
from metannvis_methods.registry.toolset import Progress
from metannvis_methods.results.evaluation import Evaluation
from metannvis_methods.results.plain import jsonable
from metannvis_methods.running.deadline import end_of, in_time
from metannvis_methods.running.devices import check_device_words
from metannvis_methods.running.guard import guarded, own_generators_kept, seeded, set_aside
from metannvis_methods.running.prepare import LOAD_OPTIONS, open_source
from metannvis_methods.running.word_checks import mapping_word
from metannvis_methods.running.words import Words

__all__ = ["DEFAULTS", "evaluate"]

Array = np.ndarray[Any, Any]
#: Metrics where nobody says: quick ones of each category that need no more than every call has.
DEFAULTS = ("deletion", "insertion", "sparseness", "entropy", "seconds")


def evaluate(
    model: Any,
    methods: Any,
    inputs: Any = None,
    *,
    metrics: Any = None,
    masks: Any = None,
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
        Where the object is, for metrics of localization: shape ``(N, places…)``, or ``(places…)`` for all samples.
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
    wanted = _wanted(metrics, _options_by_metric(options), has_masks=masks is not None)
    items = asked(methods, shared)
    check_asked(items, {"inputs": inputs, "target": target, "labels": labels, "seed": seed})
    opening = dict(translation) if isinstance(translation, Mapping) else {}
    source = open_source(model, {name: opening[name] for name in LOAD_OPTIONS if name in opening}, progress)
    if isinstance(source, Translation):
        source = source.source
    framework = detect_framework(source)
    check_device_words(checked, adapter_for(framework))
    rows = checked.batch_size or ROWS
    windows = 0
    if crops is not None:
        inputs, masks, target, windows = _cut(crops, items, inputs, masks, target, source, framework)
    run = _Run(source, framework, masks, checked.seed, rows, checked.device, end, progress, len(items), len(wanted))
    found: list[Subject | None] = []
    for item in items:
        found.append(run.explained(item, model, inputs, target, labels))
    explained = [subject for subject in found if subject is not None]
    samples = {len(subject.inputs) for subject in explained}
    if len(samples) > 1:
        raise InvalidArgumentError(f"the explanations are of {sorted(samples)} samples: evaluate those of one batch")
    if masks is not None and explained:
        explained[0].layout.arranged_mask(masks)  # what does not lie like the inputs is refused before the metrics run
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


@dataclass(frozen=True)
class _Wanted:
    """A metric with its options, under the name that the table has."""

    name: str
    spec: MetricSpec
    options: Mapping[str, Any]

    def described(self) -> Mapping[str, Any]:
        """As a table says it beside the scores."""
        return {
            "metric": self.spec.key,
            "provider": self.spec.provider,
            "category": self.spec.category,
            "direction": self.spec.direction,
            "options": jsonable(self.options),
        }


def _options_by_metric(options: Any) -> dict[str, Mapping[str, Any]]:
    """Options of metrics by the metrics' names."""
    given = mapping_word("options")(options) or {}
    return {name: mapping_word(f"options[{name!r}]")(value) or {} for name, value in given.items()}


def _wanted(metrics: Any, options: Mapping[str, Any], *, has_masks: bool) -> list[_Wanted]:
    """Metrics with options, checked; those that nobody named are such as can run."""
    if metrics is None:
        metrics = [*DEFAULTS, *(["mass_accuracy", "pointing_game"] if has_masks else [])]
    if isinstance(metrics, str):
        metrics = [metrics]
    if isinstance(metrics, Mapping):
        pairs = [(str(name), dict(mapping_word(f"metrics[{name!r}]")(given) or {})) for name, given in metrics.items()]
    elif isinstance(metrics, Sequence) and metrics:
        pairs = [(name, {}) for name in metrics]
    else:
        raise InvalidArgumentError(f"metrics are names, or a dict of names and options, not {metrics!r}")
    found = []
    for name, given in pairs:
        spec = find_metric(given.pop("metric", name))
        known = {**options.get(spec.name, {}), **(options.get(name, {}) if name != spec.name else {}), **given}
        if "mask" in spec.needs and not has_masks:
            raise MissingArgumentError(f"metric {spec.name} is of where the object is: give masks=…")
        own = name if isinstance(metrics, Mapping) and name != spec.key else spec.name
        found.append(_Wanted(own, spec, spec.options(known)))
    named = {one.name for one in found}
    if len(named) < len(found):
        raise InvalidArgumentError(f"a metric is named twice: {', '.join(one.name for one in found)}")
    for name in options:
        if name not in named and name not in {one.spec.key for one in found}:
            raise InvalidArgumentError(f"options are of metrics that are measured, and {name!r} is none of them")
    return found


class _Run:
    """One call: what it is about, and what came out beside the scores."""

    def __init__(
        self,
        model: Any,
        framework: str,
        masks: Any,
        seed: int | None,
        rows: int,
        device: str | None,
        end: float | None,
        progress: Progress | None,
        methods: int,
        metrics: int,
    ) -> None:
        self.model, self.framework, self.masks, self.rows, self.device = model, framework, masks, rows, device
        self.seed, self.end, self.progress = seed, end, progress
        self.entropy = np.random.SeedSequence(seed).entropy
        self.done, self.total = 0, methods * (1 + metrics)
        self.curves: dict[tuple[str, str], Array] = {}
        self.steps: dict[tuple[str, str], tuple[Any, ...]] = {}
        self.errors: dict[tuple[str, str], str] = {}
        self.notes: list[str] = []

    def tell(self, stage: str) -> None:
        if self.progress is not None:
            self.progress(self.done, self.total, stage)

    def left(self) -> float | None:
        """Seconds until the time is over."""
        return None if self.end is None else max(self.end - time.monotonic(), 1e-6)

    def explained(self, item: Asked, model: Any, inputs: Any, target: Any, labels: Any) -> Subject | None:
        self.tell(f"explain by {item.name}")
        try:
            if (left := self.left()) is not None and item.explanation is None:
                item = Asked(item.name, {**item.words, "deadline": left})
            return subject_of(item, model, inputs, target, labels, self.seed)
        except MetannvisError as error:
            self.errors[(item.name, "")] = str(error)
            return None
        finally:
            self.done += 1

    def measured(self, method: str, subject: Subject | None, metric: _Wanted) -> MetricOutput | None:
        self.tell(f"{metric.name} of {method}")
        try:
            if subject is None:
                return None
            return self._measured(method, subject, metric)
        except MetannvisError as error:
            self.errors[(method, metric.name)] = str(error)
            return None
        finally:
            self.done += 1

    def _measured(self, method: str, subject: Subject, metric: _Wanted) -> MetricOutput:
        spec, layout = metric.spec, subject.layout
        if not set(spec.axes) <= set(layout.axes):
            raise InvalidArgumentError(f"metric {spec.name} is of inputs with the axes {spec.axes}, not {layout.axes}")
        self._before_pass(spec.name)
        adapter, source = adapter_for(self.framework), self.model
        with ExitStack() as stack:
            stack.enter_context(set_aside())
            stack.enter_context(exclusive(source, progress=self.progress))
            stack.enter_context(own_generators_kept(adapter, source))
            stack.enter_context(adapter.on_device(source, self.device))
            stack.enter_context(guarded(adapter, source))
            stack.enter_context(seeded(self.seed))

            def again(inputs: Array, *, model: Any = None, seed: int | None = None) -> Array:
                self._before_pass(spec.name)
                return subject.again(source if model is None else model, inputs, seed=seed)

            call = MetricCall(
                spec=spec,
                inputs=layout.arranged(subject.inputs),
                attributions=subject.attributions,
                layout=layout,
                scores=_Late(lambda: self._scorer(subject, spec.name)),
                again=again,
                explanation=subject.explanation,
                mask=None if self.masks is None else layout.arranged_mask(self.masks),
                generator=np.random.default_rng(self.entropy),
                model=source,
                framework=self.framework,
                batch_size=self.rows,
            )
            found = spec.load()(call, **metric.options)
        output = found if isinstance(found, MetricOutput) else MetricOutput(np.asarray(found, np.float64))
        if output.scores.shape != (call.samples,):
            raise InvalidArgumentError(
                f"metric {spec.name} returned shape {output.scores.shape}: one number a sample, ({call.samples},)"
            )
        if output.curves is not None:
            self.curves[(method, metric.name)] = output.curves
            self.steps[(method, metric.name)] = output.steps
        self.notes += [f"{metric.name} of {method}: {note}" for note in output.notes]
        return output

    def _scorer(self, subject: Subject, metric: str) -> Scorer:
        return Scorer(
            self.model,
            self.framework,
            subject.layout,
            subject.inputs,
            subject.aim,
            batch_size=self.rows,
            before_pass=lambda: self._before_pass(metric),
        )

    def _before_pass(self, metric: str) -> None:
        if self.end is not None:
            in_time(self.end, metric)


class _Late:
    """Scores whose model is asked when the first are wanted."""

    def __init__(self, make: Callable[[], Scorer]) -> None:
        self.make = make
        self.made: Scorer | None = None

    @property
    def scorer(self) -> Scorer:
        """Made when it is first asked."""
        self.made = self.made or self.make()
        return self.made

    def __call__(self, rows: Array, samples: Array, *, probabilities: bool = False) -> Array:
        return self.scorer(rows, samples, probabilities=probabilities)

    def hits(self, rows: Array, samples: Array) -> Array:
        return self.scorer.hits(rows, samples)

    def classes(self, rows: Array, *, probabilities: bool = False) -> Array:
        return self.scorer.classes(rows, probabilities=probabilities)

    @property
    def targets(self) -> list[Any]:
        return self.scorer.targets
