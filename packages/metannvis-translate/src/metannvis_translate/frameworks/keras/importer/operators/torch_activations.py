"""Activations of PyTorch that neither the standard nor Keras has as they are: composed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import keras
import numpy as np

from metannvis_translate.frameworks.keras.importer.registry import converter
from metannvis_translate.graph.layout import Placed
from metannvis_translate.graph.metadata import DOMAIN
from metannvis_translate.importing.values import Value

if TYPE_CHECKING:
    from metannvis_translate.frameworks.keras.importer.context import KerasImporter

layers, ops = keras.layers, keras.ops


@converter("Softplus", domain=DOMAIN)
def Softplus(ctx: KerasImporter, X: Value, *, beta: float = 1.0, threshold: float = 20.0) -> Placed:
    """log(1 + exp(beta · x)) / beta, and x itself where beta · x is above the threshold."""
    x = ctx.placed(X)
    scaled = x.tensor if beta == 1 else ops.multiply(x.tensor, beta)
    curve = ctx.layer_of(layers.Activation, scaled, activation="softplus")
    curve = curve if beta == 1 else ops.divide(curve, beta)
    above = ops.greater(scaled, np.asarray(threshold, ctx.compute))
    return ctx.keep(x, ops.where(above, x.tensor, curve))


@converter("Threshold", domain=DOMAIN)
def Threshold(ctx: KerasImporter, X: Value, *, threshold: float, value: float) -> Placed:
    """A number in place of whatever is not above the threshold."""
    x = ctx.placed(X)
    below = ops.less_equal(x.tensor, np.asarray(threshold, ctx.compute))
    return ctx.keep(x, ops.where(below, np.asarray(value, ctx.compute), x.tensor))


@converter("GLU", domain=DOMAIN)
def GLU(ctx: KerasImporter, X: Value, *, axis: int = -1) -> Placed:
    """The first half along an axis, gated by the sigmoid of the second."""
    x = ctx.placed(X)
    first, second = ops.split(x.tensor, 2, axis=x.axis(axis))
    return ctx.keep(x, ops.multiply(first, ops.sigmoid(second)))
