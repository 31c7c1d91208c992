"""A run of an evaluation: what it is about, and what comes out beside the scores."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from metannvis_translate.process import exclusive

from metannvis_methods.errors import InvalidArgumentError, MetannvisError
from metannvis_methods.metrics.joined import JoinedLayout
from metannvis_methods.metrics.scoring import Scorer
from metannvis_methods.metrics.spec import INPUTS, MetricCall, MetricOutput, MetricSpec
from metannvis_methods.metrics.subjects import Asked, Subject, subject_of
from metannvis_methods.metrics.wanted import Wanted
from metannvis_methods.models.registry import adapter_for
from metannvis_methods.registry.toolset import Progress
from metannvis_methods.running.deadline import in_time
from metannvis_methods.running.guard import guarded, own_generators_kept, seeded, set_aside

__all__ = ["EvaluationRun"]

Array = np.ndarray[Any, Any]


@dataclass
class EvaluationRun:
    """One call of :func:`metannvis_methods.evaluate`.

    Attributes
    ----------
    model, framework
        The caller's model.
    names
        Of its inputs.
    of
        Place of the input that metrics change; ``None``: of all that are explained.
    masks, masked
        Where the object is, and the place of the input that this is said of; ``None`` where nobody says.
    seed, rows, device, progress
        As in the call; ``rows`` pass through the model at once, at most.
    end
        When it has to be done, of the monotonic clock.
    done, total
        Explanations and metrics.
    curves, steps, errors, notes
        As :class:`metannvis_methods.results.evaluation.Evaluation` has them.
    """

    model: Any
    framework: str
    names: Sequence[str]
    of: int | None
    masks: Any
    masked: int | None
    seed: int | None
    rows: int
    device: str | None
    end: float | None
    progress: Progress | None
    total: int
    done: int = 0
    curves: dict[tuple[str, str], Array] = field(default_factory=dict)
    steps: dict[tuple[str, str], tuple[Any, ...]] = field(default_factory=dict)
    errors: dict[tuple[str, str], str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.entropy = np.random.SeedSequence(self.seed).entropy  # the same for every metric

    def tell(self, stage: str) -> None:
        """Say to the caller how far it is."""
        if self.progress is not None:
            self.progress(self.done, self.total, stage)

    def left(self) -> float | None:
        """Seconds until the time is over."""
        return None if self.end is None else max(self.end - time.monotonic(), 1e-6)

    def explained(self, item: Asked, model: Any, inputs: Any, target: Any, labels: Any) -> Subject | None:
        """A method's explanation; ``None`` if it failed, which ``errors`` says."""
        self.tell(f"explain by {item.name}")
        try:
            if (left := self.left()) is not None and item.explanation is None:
                item = Asked(item.name, {**item.words, "deadline": left})
            return subject_of(item, model, inputs, target, labels, self.seed, self.of)
        except MetannvisError as error:
            self.errors[(item.name, "")] = str(error)
            return None
        finally:
            self.done += 1

    def measured(self, method: str, subject: Subject | None, metric: Wanted) -> MetricOutput | None:
        """A metric of an explanation; ``None`` if either failed, which ``errors`` says."""
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

    def with_mask(self, subject: Subject) -> Subject:
        """Of the input that masks are of.

        Raises
        ------
        InvalidArgumentError
            There are several, and nobody says of which one they are.
        """
        if self.masked is not None:
            return subject.alone(self.masked)
        if isinstance(subject.layout, JoinedLayout):
            raise InvalidArgumentError(
                "the model has several inputs: say of which one the masks are, "
                f"masks={{{self._named(subject.given.chosen[0])!r}: …}}"
            )
        return subject

    def _named(self, place: int) -> str:
        return self.names[place] if place < len(self.names) else str(place)

    def _fitting(self, subject: Subject, spec: MetricSpec) -> Subject:
        """What a metric is of: all inputs that are explained, or one.

        Raises
        ------
        InvalidArgumentError
            The model has several inputs, and the metric has no meaning for them.
        """
        several = len(subject.given.arrays) > 1
        if several and spec.inputs == "alone":
            raise InvalidArgumentError(f"metric {spec.name} is of {INPUTS['alone']}; this one has several")
        if "mask" in spec.needs:
            subject = self.with_mask(subject)
        if isinstance(subject.layout, JoinedLayout):
            named = [self._named(place) for place in subject.given.chosen]
            if spec.inputs != "any":
                raise InvalidArgumentError(
                    f"metric {spec.name} has no meaning for the places of several inputs at once: say of which one, "
                    f"of={' or '.join(map(repr, named))}"
                )
            self.notes.append(f"the places of the inputs {', '.join(named)} are ranked, and changed, together")
        elif several:
            held = [k for k in range(len(subject.given.arrays)) if k not in subject.given.chosen]
            self.notes.append(
                f"{spec.name} is of the input {self._named(subject.given.chosen[0])}; held: "
                f"{', '.join(map(self._named, held))}"
            )
        return subject

    def _measured(self, method: str, subject: Subject, metric: Wanted) -> MetricOutput:
        spec = metric.spec
        subject = self._fitting(subject, spec)
        layout, joined = subject.layout, isinstance(subject.layout, JoinedLayout)
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
                inputs=subject.inputs,
                attributions=subject.attributions,
                layout=layout,
                scores=_Late(lambda: self._scorer(subject, spec.name)),
                again=again,
                explanation=subject.explanation,
                mask=self._mask_of(subject),
                generator=np.random.default_rng(self.entropy),
                model=source,
                framework=self.framework,
                batch_size=self.rows,
                given=subject.given,
            )
            if joined:
                alone = [subject.alone(place) for place in subject.given.chosen]
                parts = [
                    dataclasses.replace(call, inputs=o.inputs, attributions=o.attributions, layout=o.layout)
                    for o in alone
                ]
                call = dataclasses.replace(call, parts=tuple(parts))
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

    def _mask_of(self, subject: Subject) -> Array | None:
        """Where the object is, if that is known of the input that is measured."""
        chosen = subject.given.chosen
        other = self.masked is not None and chosen != (self.masked,)
        if self.masks is None or other or isinstance(subject.layout, JoinedLayout):
            return None
        return subject.layout.arranged_mask(self.masks)

    def _scorer(self, subject: Subject, metric: str) -> Scorer:
        return Scorer(
            self.model,
            self.framework,
            subject.layout,
            subject.given,
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

    def classes(self, rows: Array, samples: Array | None = None, *, probabilities: bool = False) -> Array:
        return self.scorer.classes(rows, samples, probabilities=probabilities)

    @property
    def targets(self) -> list[Any]:
        return self.scorer.targets
