"""Captum's methods, a row each, in the order of its documentation."""

from __future__ import annotations

from metannvis_methods.registry.spec import MethodSpec
from metannvis_methods.toolsets.captum.rows.layer import LAYERS
from metannvis_methods.toolsets.captum.rows.neuron import NEURONS
from metannvis_methods.toolsets.captum.rows.primary import PRIMARY

__all__ = ["ROWS"]

ROWS: tuple[MethodSpec, ...] = (*PRIMARY, *LAYERS, *NEURONS)
