"""One interface to the introspection methods of Captum and tf-keras-vis, for models of any framework.

Importing it loads no framework.
"""

from __future__ import annotations

from metannvis_methods.__about__ import __version__
from metannvis_methods.compare import compare
from metannvis_methods.errors import (
    ChoiceWarning,
    DeadlineError,
    FixedBatchWarning,
    GradientWarning,
    LayerChoiceWarning,
    MethodChoiceWarning,
    PrecisionWarning,
    ToolsetError,
    UnfitError,
    UnfitWarning,
    UnknownMethodError,
    UnknownToolsetError,
)
from metannvis_methods.explain import explain
from metannvis_methods.explain_many import explain_many
from metannvis_methods.models.base import ModelAdapter
from metannvis_methods.perform import finish_execution_with_layer, perform_attribution, perform_feature_visualization
from metannvis_methods.registry.spec import Argument, MethodSpec
from metannvis_methods.registry.table import (
    describe_method,
    find_methods,
    list_methods,
    register_method,
    register_toolset,
    unregister_method,
)
from metannvis_methods.registry.toolset import Job, MethodCall, MethodOutput, Outcome, Toolset
from metannvis_methods.results.comparison import Comparison
from metannvis_methods.results.explanation import Explanation
from metannvis_methods.results.image_optimization import ImageOptimization
from metannvis_methods.results.pending import PendingExplanation
from metannvis_methods.vocabulary import Preprocessing, SegmentationTarget, SmoothGrad

__all__ = [
    "Argument",
    "ChoiceWarning",
    "Comparison",
    "DeadlineError",
    "Explanation",
    "FixedBatchWarning",
    "GradientWarning",
    "ImageOptimization",
    "Job",
    "LayerChoiceWarning",
    "MethodCall",
    "MethodChoiceWarning",
    "MethodOutput",
    "MethodSpec",
    "ModelAdapter",
    "Outcome",
    "PendingExplanation",
    "PrecisionWarning",
    "Preprocessing",
    "SegmentationTarget",
    "SmoothGrad",
    "Toolset",
    "ToolsetError",
    "UnfitError",
    "UnfitWarning",
    "UnknownMethodError",
    "UnknownToolsetError",
    "__version__",
    "compare",
    "describe_method",
    "explain",
    "explain_many",
    "find_methods",
    "finish_execution_with_layer",
    "list_methods",
    "perform_attribution",
    "perform_feature_visualization",
    "register_method",
    "register_toolset",
    "unregister_method",
]
