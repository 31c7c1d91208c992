"""The classes of nn_interpretability: ``X(model, classes, preprocess, …).interpret(image)``, over ``explain``.

For those who come from there. A class sets the words of ``explain`` that its name stands for; models may be of any framework.
"""

from metannvis_methods.classic.decisions import (
    CAMInterpreter,
    Deconvolution,
    DeconvolutionPartialReconstruction,
    DeepLIFT,
    DeepLIFTRules,
    GradCAMInterpreter,
    GuidedBackprop,
    IntegratedGrad,
    OcclusionSensitivity,
    SaliencyMap,
    SmoothGrad,
    VanillaBackprop,
)
from metannvis_methods.classic.images import ActivationMaximization, ActivationMaximizationCodespace, DeepDream
from metannvis_methods.classic.interpreter import Interpreter
from metannvis_methods.classic.relevance import LRP0, LRPAlphaBeta, LRPEpsilon, LRPGamma, LRPMix
from metannvis_methods.classic.uncertainty import Evidential_DL, MC_Dropout

__all__ = [
    "LRP0",
    "ActivationMaximization",
    "ActivationMaximizationCodespace",
    "CAMInterpreter",
    "Deconvolution",
    "DeconvolutionPartialReconstruction",
    "DeepDream",
    "DeepLIFT",
    "DeepLIFTRules",
    "Evidential_DL",
    "GradCAMInterpreter",
    "GuidedBackprop",
    "IntegratedGrad",
    "Interpreter",
    "LRPAlphaBeta",
    "LRPEpsilon",
    "LRPGamma",
    "LRPMix",
    "MC_Dropout",
    "OcclusionSensitivity",
    "SaliencyMap",
    "SmoothGrad",
    "VanillaBackprop",
]
