"""Probabilities over passes: their mean, its entropy, and the mutual information of class and network, in nats."""

from __future__ import annotations

from typing import Any

import numpy as np

from metannvis_methods.errors import InvalidArgumentError

__all__ = ["FORMS", "Probabilities", "entropy_of", "softmax"]

Array = np.ndarray[Any, Any]
#: What an output may be.
FORMS = ("auto", "given", "softmax", "yes_no", "sigmoid")
#: How far from 1 the sum of a distribution may be, in single precision.
SUM = 1e-3


def softmax(logits: Array, axis: int = 1) -> Array:
    """Probabilities of logits, along an axis, in their shape, float64."""
    lowered = logits.astype(np.float64) - logits.max(axis, keepdims=True)
    powers = np.exp(lowered)
    found: Array = powers / powers.sum(axis, keepdims=True)
    return found


def entropy_of(probabilities: Array, axis: int | None) -> Array:
    """Entropy in nats along an axis, which is left out of the shape; ``None``: of each number as the probability of yes."""
    p = np.clip(np.asarray(probabilities, np.float64), 0.0, 1.0)

    def part(q: Array) -> Array:
        return -q * np.log(np.where(q > 0, q, 1.0))

    found: Array = part(p) + part(1 - p) if axis is None else part(p).sum(axis)
    return found


class Probabilities:
    """What is summed up of the probabilities of each pass."""

    def __init__(self, form: str, axis: int) -> None:
        self.form, self.axis = form, axis
        self.count = 0
        self._mean: Any = 0.0
        self._squares: Any = 0.0
        self._entropy: Any = 0.0

    @staticmethod
    def checked(form: Any) -> str | None:
        """A form, or ``None``.

        Raises
        ------
        InvalidArgumentError
            There is no such form.
        """
        if form is None or (isinstance(form, str) and form in FORMS):
            return form
        raise InvalidArgumentError(f"probabilities is one of {', '.join(FORMS)}, or None, not {form!r}")

    @classmethod
    def of(cls, output: Array, form: str | None, *, axis: int, ends_in_probabilities: bool) -> Probabilities | None:
        """For an output, whose form is looked at if it is ``"auto"``; ``None`` if it is no classification.

        Parameters
        ----------
        output
            Of one pass, ``(N, classes, …)``, or with the classes on another axis.
        axis
            Of the classes.
        ends_in_probabilities
            Whether a softmax or sigmoid returned it.

        Raises
        ------
        InvalidArgumentError
            It is not what it was said to be.
        """
        axis = axis if output.ndim > 2 else -1
        if output.ndim < 2:
            if form in (None, "auto"):
                return None
            raise InvalidArgumentError(f"an output of shape {output.shape} has no axis of classes: probabilities=None")
        inside = bool(output.size and output.min() >= -SUM and output.max() <= 1 + SUM)
        sums = inside and output.shape[axis] > 1 and bool((np.abs(output.sum(axis) - 1) < SUM).all())
        if form == "auto":
            several = output.shape[axis] > 1
            form = "given" if sums else "yes_no" if ends_in_probabilities and inside else "softmax" if several else None
        if form is None:
            return None
        if (form == "given" and not sums) or (form == "yes_no" and not inside):
            raise InvalidArgumentError(
                f"probabilities={form!r}, and the output ranges over {output.min()} … {output.max()}"
            )
        return cls(form, axis)

    def add(self, output: Array) -> None:
        """The output of one more pass."""
        if self.form == "softmax":
            p = softmax(output, self.axis)
        elif self.form == "sigmoid":
            p = 1 / (1 + np.exp(-np.clip(output.astype(np.float64), -700, 700)))
        else:
            p = output.astype(np.float64)
        self.count += 1
        apart = p - self._mean
        self._mean = self._mean + apart / self.count
        self._squares = self._squares + apart * (p - self._mean)
        self._entropy = self._entropy + self._entropy_of(p)

    def summary(self) -> dict[str, Array]:
        """Mean and variance of the probabilities, entropy of the mean, and mutual information, which is never below 0."""
        mean = self._mean
        entropy = self._entropy_of(mean)
        information = np.maximum(entropy - self._entropy / self.count, 0.0)
        return {
            "probabilities": mean,
            "probability_variance": self._squares / max(self.count - 1, 1),
            "entropy": entropy,
            "mutual_information": information,
        }

    def _entropy_of(self, p: Array) -> Array:
        return entropy_of(p, self.axis if self.form in ("given", "softmax") else None)
