"""Ground truth: methods on models whose gradients, Integrated Gradients and Shapley values are known in closed form."""

from __future__ import annotations

from metannvis_methods.experiments.ground_truth.experiment import experiment

__all__ = ["experiment"]
