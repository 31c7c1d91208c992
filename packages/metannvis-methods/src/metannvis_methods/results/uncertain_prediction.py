"""Uncertain predictions: what a network says over many thinned networks, or what its evidence says."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from metannvis_methods.results.shown import Result

__all__ = ["UncertainPrediction"]

Array = np.ndarray[Any, Any]


@dataclass(frozen=True, repr=False)
class UncertainPrediction(Result):
    """A prediction and how sure it is, in the layout of the caller's model.

    Attributes
    ----------
    mean, variance
        Of the output over the passes, shape ``(N, …)``, float64; the variance is divided by passes − 1. Of evidence: mean and
        variance of the Dirichlet distribution.
    probabilities
        Mean probabilities of the classes, shape ``(N, classes, …)``; ``None`` for an output that is no classification.
    probability_variance
        Variance of the probabilities, in their shape.
    entropy
        Of the mean probabilities, in nats: how unsure the prediction is. Shape ``(N,)``, or ``(N, …)`` of dense outputs and of
        outputs that are yes or no each.
    mutual_information
        Between the class and the network: how much of the entropy comes from not knowing the network, in nats, shape as
        ``entropy``.
    uncertainty
        Of evidence, the share that is left without any, ``classes / Σα``, shape ``(N,)``; ``None`` over passes.
    outputs
        The output of each pass, shape ``(passes, N, …)``, if they were kept.
    method
        ``"mc_dropout"`` or ``"evidential"``.
    framework
        Key of the framework of the model.
    passes
        Number of thinned networks; 1 of evidence.
    dropout
        Names of the layers that dropped.
    output
        Which of several outputs; ``None`` if there is one.
    labels
        Class names.
    seed
        Of the masks.
    seconds
        What it took.
    """

    mean: Array
    variance: Array
    probabilities: Array | None = None
    probability_variance: Array | None = None
    entropy: Array | None = None
    mutual_information: Array | None = None
    uncertainty: Array | None = None
    outputs: Array | None = None
    method: str = "mc_dropout"
    framework: str = ""
    passes: int = 1
    dropout: tuple[str, ...] = ()
    output: str | None = None
    labels: tuple[str, ...] | None = None
    seed: int | None = None
    seconds: float = 0.0
    #: Kind of the figure.
    figure: ClassVar[str] = "uncertain_prediction"

    @property
    def standard_deviation(self) -> Array:
        """Root of the variance, shape ``(N, …)``, float64."""
        return np.sqrt(self.variance)

    @property
    def classes(self) -> Array | None:
        """The most probable class of each sample, shape ``(N,)``; ``None`` if there are no classes."""
        known = self.probabilities
        return None if known is None or known.ndim != 2 or known.shape[1] < 2 else known.argmax(1)

    def name_of(self, place: int) -> str:
        """Name of a class, or its number."""
        return str(self.labels[place]) if self.labels is not None and place < len(self.labels) else f"class {place}"

    def __str__(self) -> str:
        over = f"over {self.passes} dropout masks" if self.method == "mc_dropout" else "by evidence"
        count = len(self.mean)
        return (
            f"{count} prediction{'s' if count > 1 else ''} of a {self.framework} model {over}, output {self.mean.shape}"
        )

    __repr__ = __str__

    def rows(self) -> list[tuple[str, object]]:
        """Passes, and of each sample its class, probability and uncertainty."""
        found: list[tuple[str, object]] = [("method", self.method), ("model", self.framework), ("passes", self.passes)]
        if self.dropout:
            found.append(("dropout", ", ".join(self.dropout)))
        classes = self.classes
        for sample, best in enumerate([] if classes is None else classes[:5].tolist()):
            text = self.name_of(best) + (
                "" if self.probabilities is None else f" ({self.probabilities[sample, best]:.3g})"
            )
            if self.entropy is not None and self.mutual_information is not None:
                text += (
                    f", entropy {self.entropy[sample]:.3g}, mutual information {self.mutual_information[sample]:.3g}"
                )
            if self.uncertainty is not None:
                text += f", uncertainty {self.uncertainty[sample]:.3g}"
            found.append((f"sample {sample}", text))
        found.append(("mean deviation", f"{float(self.standard_deviation.mean()):.3g}"))
        found.append(("seconds", f"{self.seconds:.2f}"))
        return found
