"""Experiments: what methods show where it is known what they should, from one command each.

:func:`run` runs one by name; the digits come with scikit-learn, and nothing is downloaded.
"""

from __future__ import annotations

from metannvis_methods.experiments.results import ExperimentResult, Picture, Table
from metannvis_methods.experiments.running import EXPERIMENTS, run

__all__ = ["EXPERIMENTS", "ExperimentResult", "Picture", "Table", "run"]
