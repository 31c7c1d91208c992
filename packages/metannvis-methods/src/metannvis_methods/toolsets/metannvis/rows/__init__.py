"""Rows of our methods."""

from __future__ import annotations

from metannvis_methods.registry.spec import MethodSpec
from metannvis_methods.toolsets.metannvis.rows.backprop import BACKPROP
from metannvis_methods.toolsets.metannvis.rows.layers import LAYERS
from metannvis_methods.toolsets.metannvis.rows.perturbation import PERTURBATION
from metannvis_methods.toolsets.metannvis.rows.visualization import VISUALIZATION

__all__ = ["ROWS"]

ROWS: tuple[MethodSpec, ...] = (*PERTURBATION, *BACKPROP, *LAYERS, *VISUALIZATION)
