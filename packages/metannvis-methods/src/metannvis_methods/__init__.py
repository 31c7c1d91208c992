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
from metannvis_methods.results.calibration import Calibration
from metannvis_methods.results.comparison import Comparison
from metannvis_methods.results.dissection import Dissection, DissectionComparison
from metannvis_methods.results.explanation import Explanation
from metannvis_methods.results.pending import PendingExplanation
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
    "Argument",
    "Calibration",
    "ChoiceWarning",
    "ClassConcepts",
    "Comparison",
    "DeadlineError",
    "Dissection",
    "DissectionComparison",
    "EmbeddingConcepts",
    "EvidenceTarget",
    "Explanation",
    "FixedBatchWarning",
    "GradientWarning",
    "ImageConcepts",
    "Job",
    "LayerChoiceWarning",
    "MCDropout",
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
    "Segmentations",
    "SmoothGrad",
    "Toolset",
    "ToolsetError",
    "UncertainPrediction",
    "UnfitError",
    "UnfitWarning",
    "UnknownMethodError",
    "UnknownToolsetError",
    "__version__",
    "calibration",
    "compare",
    "describe_method",
    "dissect",
    "evidential_loss",
    "explain",
    "explain_many",
    "find_methods",
    "finish_execution_with_layer",
    "fit_temperature",
    "list_methods",
    "perform_attribution",
    "perform_feature_visualization",
    "predict_evidential",
    "predict_uncertain",
    "read_broden",
    "register_method",
    "register_toolset",
    "unregister_method",
]
