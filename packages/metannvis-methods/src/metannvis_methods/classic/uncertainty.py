"""The classes of nn_interpretability for uncertainty. Any interpreter takes ``uncertainty=MCDropout(…)`` beside them."""

from __future__ import annotations

from typing import Any

import numpy as np

from metannvis_methods.errors import InvalidArgumentError
from metannvis_methods.running.words import Words
from metannvis_methods.toolsets.metannvis.uncertainty.evidential import evidential_loss, predict_evidential
from metannvis_methods.toolsets.metannvis.uncertainty.mc_dropout import predict_uncertain
from metannvis_methods.toolsets.metannvis.uncertainty.one_pass import one_pass
from metannvis_methods.toolsets.metannvis.uncertainty.probabilities import softmax
from metannvis_methods.vocabulary import MCDropout

__all__ = ["Evidential_DL", "MC_Dropout"]

Array = np.ndarray[Any, Any]


class MC_Dropout:  # noqa: N801  # as it is called there
    """Monte Carlo dropout of a network that returns logits, of any framework."""

    @staticmethod
    def mc_dropout_predict(model: Any, images: Any, T: int = 10, **words: Any) -> tuple[Array, Array]:  # noqa: N803
        """Logits and probabilities of every pass: ``predict_uncertain``, every pass kept.

        Parameters
        ----------
        images
            Shape ``(N, …)``, in the model's layout.
        T
            Passes, at least 2.
        **words
            Other words of ``predict_uncertain``, such as ``seed``.

        Returns
        -------
        tuple of arrays
            Both of shape ``(T, N, classes)``.

        Raises
        ------
        MetannvisError
            As for ``predict_uncertain``.
        """
        found = predict_uncertain(model, images, MCDropout(T), **words, keep=True)
        assert found.outputs is not None
        return found.outputs, softmax(_of_classes(found.outputs, 3), axis=2)

    @staticmethod
    def predict_class(model: Any, images: Any, top_k: int) -> tuple[Array, Array]:
        """Probabilities and numbers of the likeliest classes without dropout, both of shape ``(N, top_k)``.

        Raises
        ------
        InvalidArgumentError
            The output is no row of classes, or there are fewer than ``top_k``.
        """
        found, _, _ = one_pass(model, Words(inputs=images).checked(), asked_by="predict_class")
        return _top(softmax(_of_classes(found, 2)), top_k)


class Evidential_DL:  # noqa: N801  # as it is called there
    """Evidential classification of a network that returns evidence before its ReLU, of any framework."""

    @staticmethod
    def edl_mse_loss(outputs: Any, labels: Any, epoch_num: Any, annealing_step: int) -> Any:
        """The loss to train with, a scalar tensor: ``evidential_loss``."""
        return evidential_loss(outputs, labels, epoch_num, annealing_steps=annealing_step)

    @staticmethod
    def edl_predict(model: Any, images: Any, **words: Any) -> tuple[Array, Array, Array]:
        """Outputs, probabilities and the share without evidence: ``predict_evidential``.

        Returns
        -------
        tuple of arrays
            Of shapes ``(1, N, classes)``, ``(1, N, classes)`` and ``(1, N, 1)``.

        Raises
        ------
        MetannvisError
            As for ``predict_evidential``, whose other words ``words`` are.
        """
        found = predict_evidential(model, images, **words, keep=True)
        assert found.outputs is not None
        assert found.probabilities is not None
        assert found.uncertainty is not None
        return found.outputs, found.probabilities[None], found.uncertainty[None, :, None]

    @staticmethod
    def predict_class(model: Any, images: Any, top_k: int) -> tuple[Array, Array]:
        """Probabilities and numbers of the likeliest classes, both of shape ``(N, top_k)``.

        Raises
        ------
        InvalidArgumentError
            There are fewer than ``top_k``; or as for ``predict_evidential``.
        """
        found = predict_evidential(model, images)
        assert found.probabilities is not None
        return _top(found.probabilities, top_k)


def _of_classes(output: Array, ndim: int) -> Array:
    if output.ndim != ndim or output.shape[-1] < 2:
        raise InvalidArgumentError(f"the output is a row of classes, and this one has shape {output.shape[ndim - 2 :]}")
    return output


def _top(probabilities: Array, count: int) -> tuple[Array, Array]:
    classes = probabilities.shape[1]
    if isinstance(count, bool) or not isinstance(count, int) or not 1 <= count <= classes:
        raise InvalidArgumentError(f"top_k is a whole number from 1 to {classes}, the number of classes, not {count!r}")
    order = np.argsort(-probabilities, axis=1, kind="stable")[:, :count]
    return np.take_along_axis(probabilities, order, 1), order
