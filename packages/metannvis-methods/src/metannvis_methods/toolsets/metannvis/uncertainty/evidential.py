"""Evidential classification: outputs as evidence for a Dirichlet distribution (Sensoy et al., 2018, arXiv:1806.01768).

Evidence e ≥ 0 a class, α = e + 1, S = Σα, probabilities α / S, and K / S is left without evidence.
"""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from metannvis_translate.frameworks import require

from metannvis_methods.errors import InvalidArgumentError
from metannvis_methods.models.evidence import EVIDENCE
from metannvis_methods.registry.option_values import number, whole
from metannvis_methods.registry.toolset import Progress
from metannvis_methods.results.uncertain_prediction import UncertainPrediction
from metannvis_methods.running.words import Words
from metannvis_methods.toolsets.metannvis.uncertainty.one_pass import one_pass
from metannvis_methods.toolsets.metannvis.uncertainty.probabilities import entropy_of

__all__ = ["evidential_loss", "predict_evidential"]

Array = np.ndarray[Any, Any]
#: Steps after which the regulariser has its whole weight.
ANNEALING = 10


def evidential_loss(
    outputs: Any, targets: Any, step: Any = ANNEALING, *, annealing_steps: int = ANNEALING, evidence: str = "relu"
) -> Any:
    """Loss of an evidential head: expected squared error, its variance, and evidence for wrong classes.

    ``Σ (y − p)² + p (1 − p) / (S + 1) + min(1, step / annealing_steps) · KL(Dir(α̃) ‖ Dir(1))``, ``α̃ = y + (1 − y) α``, the mean
    over samples.

    Parameters
    ----------
    outputs
        What the head returns, before it is made evidence: a PyTorch or a TensorFlow tensor, shape ``(N, classes)``.
    targets
        Classes, whole numbers of shape ``(N,)``, or one-hot rows, in the same framework.
    step
        Epoch (or step), a number or a scalar tensor.
    annealing_steps
        Steps until the last term has its whole weight.
    evidence
        What makes evidence of outputs: ``"relu"``, ``"softplus"`` or ``"exp"``.

    Returns
    -------
    A scalar tensor of the framework of ``outputs``, which gradients pass through.

    Raises
    ------
    InvalidArgumentError
        Shapes do not fit, or there is no such evidence.
    """
    _check_evidence(evidence)
    whole(1).check(annealing_steps, "evidential_loss: annealing_steps")
    if not hasattr(step, "shape"):
        number().check(step, "evidential_loss: step")
    _check_shapes(_sizes(outputs, "outputs"), _sizes(targets, "targets"))
    if hasattr(outputs, "detach"):
        return _torch_loss(outputs, targets, step, annealing_steps, evidence)
    return _tensorflow_loss(outputs, targets, step, annealing_steps, evidence)


def _sizes(value: Any, name: str) -> tuple[int | None, ...] | None:
    """Shape of a tensor; ``None`` if TensorFlow does not know how many axes it has."""
    if not hasattr(value, "shape"):
        raise InvalidArgumentError(f"evidential_loss: {name} are a tensor, not {type(value).__name__}: {value!r}")
    return None if getattr(value.shape, "rank", 0) is None else tuple(value.shape)


def _check_shapes(outputs: tuple[int | None, ...] | None, targets: tuple[int | None, ...] | None) -> None:
    """Refuse outputs and targets that do not belong together; sizes that are not known fit."""

    def same(one: int | None, other: int | None) -> bool:
        return one is None or other is None or one == other

    if outputs is None or targets is None:
        return
    fits = len(outputs) == 2 and len(targets) in (1, 2) and same(outputs[0], targets[0])
    if not fits or (len(targets) == 2 and targets[1] != 1 and not same(outputs[1], targets[1])):
        raise InvalidArgumentError(
            "evidential_loss: outputs have shape (N, classes), and targets (N,) of whole numbers or (N, classes), not "
            f"{outputs} and {targets}"
        )


def _check_classes(lowest: Any, highest: Any, classes: int) -> None:
    if lowest < 0 or highest >= classes:
        raise InvalidArgumentError(
            f"evidential_loss: classes lie in 0…{classes - 1}, and the targets in {int(lowest)}…{int(highest)}"
        )


def _torch_loss(outputs: Any, targets: Any, step: Any, annealing_steps: int, evidence: str) -> Any:
    torch: Any = require("torch")
    classes = outputs.shape[1]
    if targets.ndim == 2 and targets.shape[1] == 1 and classes != 1:
        targets = targets[:, 0]
    if targets.ndim == 1 and len(targets):
        _check_classes(targets.min(), targets.max(), classes)
    y = targets if targets.ndim == 2 else torch.nn.functional.one_hot(targets.long(), classes)
    y = y.to(outputs)
    alpha = EVIDENCE[evidence](outputs) + 1
    total = alpha.sum(1, keepdim=True)
    p = alpha / total
    misses = ((y - p) ** 2 + p * (1 - p) / (total + 1)).sum(1)
    wrong = y + (1 - y) * alpha
    all_wrong = wrong.sum(1, keepdim=True)
    divergence = (
        torch.lgamma(all_wrong).squeeze(1)
        - math.lgamma(classes)
        - torch.lgamma(wrong).sum(1)
        + ((wrong - 1) * (torch.digamma(wrong) - torch.digamma(all_wrong))).sum(1)
    )
    weight = torch.clamp(torch.as_tensor(step, dtype=outputs.dtype) / annealing_steps, max=1.0)
    return (misses + weight.to(outputs.device) * divergence).mean()


def _tensorflow_loss(outputs: Any, targets: Any, step: Any, annealing_steps: int, evidence: str) -> Any:
    tf: Any = require("tensorflow")
    classes = outputs.shape[1]
    targets = tf.convert_to_tensor(targets)
    if len(targets.shape) == 2 and targets.shape[1] == 1 and classes != 1:  # as Keras hands labels on
        targets = targets[:, 0]
    if len(targets.shape) == 1 and tf.executing_eagerly() and len(targets):
        _check_classes(tf.reduce_min(targets), tf.reduce_max(targets), classes)
    y = targets if len(targets.shape) == 2 else tf.one_hot(tf.cast(targets, "int32"), classes)
    y = tf.cast(y, outputs.dtype)
    alpha = EVIDENCE[evidence](outputs) + 1
    total = tf.reduce_sum(alpha, 1, keepdims=True)
    p = alpha / total
    misses = tf.reduce_sum((y - p) ** 2 + p * (1 - p) / (total + 1), 1)
    wrong = y + (1 - y) * alpha
    all_wrong = tf.reduce_sum(wrong, 1, keepdims=True)
    divergence = (
        tf.math.lgamma(all_wrong)[:, 0]
        - math.lgamma(classes)
        - tf.reduce_sum(tf.math.lgamma(wrong), 1)
        + tf.reduce_sum((wrong - 1) * (tf.math.digamma(wrong) - tf.math.digamma(all_wrong)), 1)
    )
    weight = tf.minimum(tf.cast(step, outputs.dtype) / annealing_steps, 1)
    return tf.reduce_mean(misses + weight * divergence)


def predict_evidential(
    model: Any,
    inputs: Any,
    *,
    evidence: str = "relu",
    output: int | str | None = None,
    labels: Sequence[str] | str | Path | None = None,
    preprocess: Any = None,
    batch_size: int | None = None,
    keep: bool = False,
    load: Mapping[str, Any] | None = None,
    progress: Progress | None = None,
) -> UncertainPrediction:
    """Predict with an evidential head: probabilities and what is left without evidence, from one pass.

    Parameters
    ----------
    model
        Of any framework; its output, shape ``(N, classes)``, is made evidence.
    inputs, output, labels, preprocess, batch_size, load, progress
        As for :func:`predict_uncertain`.
    keep
        Whether what the head returned is kept as ``outputs``, shape ``(1, N, classes)``.
    evidence
        ``"relu"``, ``"softplus"``, ``"exp"``, as it was trained (:func:`evidential_loss`).

    Returns
    -------
    UncertainPrediction
        ``mean`` are the expected probabilities α / S, ``variance`` is theirs in the Dirichlet distribution,
        ``uncertainty`` K / S; ``mutual_information`` is the entropy of the mean less the expected entropy.

    Raises
    ------
    InvalidArgumentError
        The output is no row of classes, or an argument cannot be used.
    """
    _check_evidence(evidence)
    words = Words(
        inputs=inputs, output=output, labels=labels, preprocess=preprocess, batch_size=batch_size, progress=progress
    ).checked()
    started = time.perf_counter()
    found, chosen, framework = one_pass(model, words, load, asked_by="predict_evidential")
    if found.ndim != 2 or found.shape[1] < 2:
        raise InvalidArgumentError(f"evidence is of classes, and the output has shape {found.shape}")
    alpha = EVIDENCE[evidence](found) + 1
    total = alpha.sum(1, keepdims=True)
    p = alpha / total
    return UncertainPrediction(
        mean=p,
        variance=p * (1 - p) / (total + 1),
        probabilities=p,
        probability_variance=p * (1 - p) / (total + 1),
        entropy=entropy_of(p, 1),
        mutual_information=np.maximum(entropy_of(p, 1) - _expected_entropy(alpha), 0.0),
        uncertainty=alpha.shape[1] / total[:, 0],
        outputs=found[None] if keep else None,
        method="evidential",
        framework=framework,
        output=chosen.name,
        labels=None if words.labels is None else tuple(map(str, words.labels)),
        seconds=time.perf_counter() - started,
    )


def _expected_entropy(alpha: Array) -> Array:
    """Mean entropy of distributions drawn from Dirichlet distributions, ``ψ(S + 1) − Σ p ψ(α + 1)``, shape ``(N,)``."""
    total = alpha.sum(1)
    found: Array = _digamma(total + 1) - (alpha / total[:, None] * _digamma(alpha + 1)).sum(1)
    return found


def _digamma(x: Array) -> Array:
    """The logarithmic derivative of the gamma function for numbers of at least 1, to 1e-12: recurrence, then its series."""
    found = np.zeros_like(x, np.float64)
    x = np.array(x, np.float64)
    for _ in range(10):
        low = x < 10
        found = np.where(low, found - 1 / x, found)
        x = np.where(low, x + 1, x)
    square = 1 / (x * x)
    series = square * (1 / 12 - square * (1 / 120 - square * (1 / 252 - square * (1 / 240 - square / 132))))
    digamma: Array = found + np.log(x) - 0.5 / x - series
    return digamma


def _check_evidence(evidence: Any) -> None:
    if evidence not in EVIDENCE:
        raise InvalidArgumentError(f"evidence is one of {', '.join(EVIDENCE)}, not {evidence!r}")
