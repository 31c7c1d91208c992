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
    UnknownMetricError,
    UnknownToolsetError,
)
from metannvis_methods.explain import explain
from metannvis_methods.explain_many import explain_many
from metannvis_methods.metrics.agreement import agreement, score_board
from metannvis_methods.metrics.crops import Crops
from metannvis_methods.metrics.evaluate import evaluate
from metannvis_methods.metrics.registry import (
    describe_metric,
    find_metric,
    list_metrics,
    register_metric,
    unregister_metric,
)
from metannvis_methods.metrics.spec import MetricCall, MetricOutput, MetricSpec, Parameter
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
from metannvis_methods.results.agreement import Agreement, ScoreBoard
from metannvis_methods.results.comparison import Comparison
from metannvis_methods.results.evaluation import Evaluation
from metannvis_methods.results.explanation import Explanation
from metannvis_methods.results.image_optimization import ImageOptimization
from metannvis_methods.results.pending import PendingExplanation
from metannvis_methods.vocabulary import Preprocessing, SegmentationTarget, SmoothGrad

__all__ = [
    "Agreement",
    "Argument",
    "ChoiceWarning",
    "Comparison",
    "Crops",
    "DeadlineError",
    "Evaluation",
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
    "MetricCall",
    "MetricOutput",
    "MetricSpec",
    "ModelAdapter",
    "Outcome",
    "Parameter",
    "PendingExplanation",
    "PrecisionWarning",
    "Preprocessing",
    "ScoreBoard",
    "SegmentationTarget",
    "SmoothGrad",
    "Toolset",
    "ToolsetError",
    "UnfitError",
    "UnfitWarning",
    "UnknownMethodError",
    "UnknownMetricError",
    "UnknownToolsetError",
    "__version__",
    "agreement",
    "compare",
    "describe_method",
    "describe_metric",
    "evaluate",
    "explain",
    "explain_many",
    "find_methods",
    "find_metric",
    "finish_execution_with_layer",
    "list_methods",
    "list_metrics",
    "perform_attribution",
    "perform_feature_visualization",
    "register_method",
    "register_metric",
    "register_toolset",
    "score_board",
    "unregister_method",
    "unregister_metric",
]
