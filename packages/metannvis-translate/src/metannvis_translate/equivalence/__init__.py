"""Equivalence check: two models run on the same values; outputs, layers and gradients compared."""

from metannvis_translate.equivalence.report import EquivalenceReport, EquivalenceRow, Tolerance

__all__ = ["EquivalenceReport", "EquivalenceRow", "Tolerance"]
