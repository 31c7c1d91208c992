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
from metannvis_methods.results.calibration import Calibration
from metannvis_methods.results.comparison import Comparison
from metannvis_methods.results.dissection import Dissection, DissectionComparison
from metannvis_methods.results.evaluation import Evaluation
from metannvis_methods.results.explanation import Explanation
from metannvis_methods.results.image_optimization import ImageOptimization
from metannvis_methods.results.pending import PendingExplanation
from metannvis_methods.results.shown import Result
from metannvis_methods.results.uncertain_prediction import UncertainPrediction
from metannvis_methods.toolsets.metannvis.dissection.broden import read_broden
from metannvis_methods.toolsets.metannvis.dissection.concepts import (
    ClassConcepts,
    EmbeddingConcepts,
    ImageConcepts,
    Segmentations,
)
from metannvis_methods.toolsets.metannvis.dissection.dissect import dissect
from metannvis_methods.toolsets.metannvis.uncertainty.calibrate import calibration, fit_temperature
from metannvis_methods.toolsets.metannvis.uncertainty.evidential import evidential_loss, predict_evidential
from metannvis_methods.toolsets.metannvis.uncertainty.mc_dropout import predict_uncertain
from metannvis_methods.vocabulary import EvidenceTarget, MCDropout, Preprocessing, SegmentationTarget, SmoothGrad

__all__ = [
    "Agreement",
    "Argument",
    "Calibration",
    "ChoiceWarning",
    "ClassConcepts",
    "Comparison",
    "Crops",
    "DeadlineError",
    "Dissection",
    "DissectionComparison",
    "EmbeddingConcepts",
    "Evaluation",
    "EvidenceTarget",
    "Explanation",
    "FixedBatchWarning",
    "GradientWarning",
    "ImageConcepts",
    "ImageOptimization",
    "Job",
    "LayerChoiceWarning",
    "MCDropout",
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
    "Result",
    "ScoreBoard",
    "SegmentationTarget",
    "Segmentations",
    "SmoothGrad",
    "Toolset",
    "ToolsetError",
    "UncertainPrediction",
    "UnfitError",
    "UnfitWarning",
    "UnknownMethodError",
    "UnknownMetricError",
    "UnknownToolsetError",
    "__version__",
    "agreement",
    "calibration",
    "compare",
    "describe_method",
    "describe_metric",
    "dissect",
    "evaluate",
    "evidential_loss",
    "explain",
    "explain_many",
    "find_methods",
    "find_metric",
    "finish_execution_with_layer",
    "fit_temperature",
    "list_methods",
    "list_metrics",
    "perform_attribution",
    "perform_feature_visualization",
    "predict_evidential",
    "predict_uncertain",
    "read_broden",
    "register_method",
    "register_metric",
    "register_toolset",
    "score_board",
    "unregister_method",
    "unregister_metric",
]
