"""Results: explanations, comparisons, and files of them."""

from metannvis_methods.results.comparison import Comparison
from metannvis_methods.results.explanation import Explanation
from metannvis_methods.results.pending import PendingExplanation

__all__ = ["Comparison", "Explanation", "PendingExplanation"]
