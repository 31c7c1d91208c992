"""Wrong uses of `evaluate`, `dissect`, uncertainty, calibration, agreement and of the parts of image optimisations.

As ``test_wrong_uses.py`` does for the words of ``explain``: the error, what it says, and that no model ran if none is needed.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import pytest
from metannvis_methods import (
    ClassConcepts,
    Crops,
    EmbeddingConcepts,
    EvidenceTarget,
    MCDropout,
    Segmentations,
    SmoothGrad,
    agreement,
    calibration,
    dissect,
    evaluate,
    evidential_loss,
    explain,
    fit_temperature,
    predict_evidential,
    predict_uncertain,
    score_board,
)
from metannvis_methods import visualization as parts
from metannvis_methods.errors import (
    InvalidArgumentError,
    MetannvisError,
    MissingArgumentError,
    UnknownLayerError,
    UnknownMethodError,
    UnknownMetricError,
    UnknownToolsetError,
)
from metannvis_translate.errors import UnknownFrameworkError
from metannvis_translate.frameworks.requirements import require

torch = require("torch")

X = np.random.default_rng(0).standard_normal((2, 3, 8, 8)).astype("float32")
MASKS = np.zeros((2, 2, 8, 8), bool)
MASKS[:, 0, :4] = MASKS[:, 1, 4:] = True
I, M, L = InvalidArgumentError, MissingArgumentError, UnknownLayerError  # noqa: E741


class Network(torch.nn.Module):
    passes = 0

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.act = torch.nn.Conv2d(3, 4, 3), torch.nn.ReLU()
        self.drop, self.fc = torch.nn.Dropout(0.5), torch.nn.Linear(4, 3)

    def forward(self, x: Any) -> Any:
        type(self).passes += 1
        return self.fc(self.drop(self.act(self.conv(x)).mean((2, 3))))


class Certain(Network):
    """Without dropout."""

    def forward(self, x: Any) -> Any:
        return self.fc(self.act(self.conv(x)).mean((2, 3)))


torch.manual_seed(0)
NETWORK, CERTAIN = Network().eval(), Certain().eval()
TABLE_NETWORK = torch.nn.Sequential(torch.nn.Linear(5, 4), torch.nn.ReLU(), torch.nn.Linear(4, 3)).eval()
SALIENCY = {"method": "saliency", "toolset": "captum"}


def _evaluate(**given: Any) -> Any:
    words = {"methods": SALIENCY, "inputs": X, "target": 1, "metrics": ["sparseness"], **given}
    return evaluate(words.pop("model", NETWORK), words.pop("methods"), **words)


def _dissect(**given: Any) -> Any:
    words = {"layers": "conv", "images": X, "concepts": Segmentations(MASKS, ["top", "bottom"]), **given}
    return dissect(
        words.pop("model", NETWORK), words.pop("layers"), words.pop("images"), words.pop("concepts"), **words
    )


def _uncertain(**given: Any) -> Any:
    words = {"inputs": X, **given}
    return predict_uncertain(words.pop("model", NETWORK), words.pop("inputs"), **words)


def _evidential(**given: Any) -> Any:
    words = {"inputs": X, **given}
    return predict_evidential(words.pop("model", NETWORK), words.pop("inputs"), **words)


def _loss(**given: Any) -> Any:
    words = {"outputs": torch.ones(2, 3), "targets": torch.tensor([0, 1]), **given}
    return evidential_loss(words.pop("outputs"), words.pop("targets"), **words)


def _explain(**given: Any) -> Any:
    words = {"inputs": X, "target": 1, "toolset": "captum", **given}
    return explain(words.pop("model", NETWORK), words.pop("method", "saliency"), words.pop("inputs"), **words)


def _image(**given: Any) -> Any:
    words = {"target": 1, "shape": (3, 8, 8), "steps": 2, "seed": 0, "toolset": "metannvis", **given}
    words = {name: value for name, value in words.items() if value is not None}
    return explain(
        words.pop("model", NETWORK), words.pop("method", "activation_maximization"), words.pop("inputs", None), **words
    )


def _agreement(**given: Any) -> Any:
    words = {"first": np.ones((2, 8, 8)), "second": np.ones((2, 8, 8)), **given}
    return agreement(words.pop("first"), words.pop("second"), **words)


def _score_board(**given: Any) -> Any:
    words = {"runs": [], "target": np.ones((2, 8, 8), bool), **given}
    return score_board(words.pop("runs"), words.pop("target"), **words)


class Wrong(NamedTuple):
    """A call that is wrong: the function, the word, what is given, the error, words of its message.

    ``late``: it takes a run of the model to see it.
    """

    call: Callable[..., Any]
    word: str
    given: dict[str, Any]
    error: type[Exception]
    says: tuple[str, ...]
    late: bool = False


PROBABILITIES = np.eye(3)[:2]
TABLE: tuple[Wrong, ...] = (
    # --- evaluate
    Wrong(_evaluate, "model", {"model": 3}, UnknownFrameworkError, ("no model: builtins.int",)),
    Wrong(_evaluate, "methods", {"methods": "saliencyy"}, UnknownMethodError, ("no method 'saliencyy'. Close: saliency",)),
    Wrong(_evaluate, "methods", {"methods": [SALIENCY, "nothing"]}, UnknownMethodError, ("no method 'nothing'",)),
    Wrong(_evaluate, "methods", {"methods": {"method": "saliency", "toolset": "captm"}}, UnknownToolsetError, ("Did you mean 'captum'?",)),
    Wrong(_evaluate, "methods", {"methods": {**SALIENCY, "abz": True}}, I, ("no option 'abz'", "Close: abs")),
    Wrong(_evaluate, "methods", {"methods": {**SALIENCY, "options": 3}}, I, ("options is a dict of options",)),
    Wrong(_evaluate, "methods", {"methods": 3}, I, ("methods are names",)),
    Wrong(_evaluate, "methods", {"methods": [3]}, I, ("a method is a name",)),
    Wrong(_evaluate, "inputs", {"inputs": None}, M, ("saliency of captum needs inputs",)),
    Wrong(_evaluate, "inputs", {"inputs": X[:0]}, I, ("the input has shape (0, 3, 8, 8)", "no sample")),
    Wrong(_evaluate, "target", {"target": 1.5}, I, ("a target is whole numbers",)),
    Wrong(_evaluate, "target", {"target": "cat"}, I, ("target='cat' is a class name, which needs labels",)),
    Wrong(_evaluate, "labels", {"labels": 3}, I, ("labels is a list of the names of the classes",)),
    Wrong(_evaluate, "metrics", {"metrics": 3}, I, ("metrics are names, or a dict", "not 3")),
    Wrong(_evaluate, "metrics", {"metrics": [3]}, I, ("a metric is named by a string, not int",)),
    Wrong(_evaluate, "metrics", {"metrics": ["sparsness"]}, UnknownMetricError, ("Did you mean 'sparseness'?",)),
    Wrong(_evaluate, "metrics", {"metrics": {"deletion": 3}}, I, ("metrics['deletion'] is a dict of options by their names, not 3",)),
    Wrong(_evaluate, "metrics", {"metrics": {"deletion": {"stesp": 3}}}, I, ("no option 'stesp'", "did you mean 'steps'?")),
    Wrong(_evaluate, "metrics", {"metrics": {"deletion": {"steps": 0}}}, I, ("metric deletion: steps is a whole number of at least 1, not 0",)),
    Wrong(_evaluate, "metrics", {"metrics": {"deletion": {"steps": "x"}}}, I, ("steps is a whole number of at least 1, not 'x'",)),
    Wrong(_evaluate, "metrics", {"metrics": {"deletion": {"baseline": "blakc"}}}, I, ("baseline is a number, an array or one of", "did you mean 'black'?")),
    Wrong(_evaluate, "metrics", {"metrics": {"deletion": {"probabilities": "maybe"}}}, I, ("probabilities is one of True, False, not 'maybe'",)),
    Wrong(_evaluate, "metrics", {"metrics": {"infidelity": {"stdev": -1}}}, I, ("stdev is a number above 0, not -1",)),
    Wrong(_evaluate, "metrics", {"metrics": {"quantus:sparseness": {"abs": [True]}}}, I, ("abs is one of True, False",)),
    Wrong(_evaluate, "metrics", {"metrics": ["mass_accuracy"]}, M, ("give masks=",)),
    Wrong(_evaluate, "masks", {"masks": "x"}, I, ("masks have shape ()", "give (2, 8, 8)"), True),
    Wrong(_evaluate, "masks", {"masks": np.ones((2, 3, 3))}, I, ("masks have shape (2, 3, 3)",), True),
    Wrong(_evaluate, "crops", {"crops": "x"}, I, ("crops are a dict of window",)),
    Wrong(_evaluate, "crops", {"crops": {"windw": (4, 4)}}, I, ("crops are a dict of window",)),
    Wrong(_evaluate, "crops", {"crops": {"window": (4, 4), "overlap": 2}}, I, ("overlap is a share in 0…1",)),
    Wrong(_evaluate, "crops", {"crops": Crops((99, 99))}, I, ("the window (99, 99) does not fit places of (8, 8)",)),
    Wrong(_evaluate, "options", {"options": 3}, I, ("options is a dict of options by their names, not 3",)),
    Wrong(_evaluate, "options", {"options": {"sparseness": 3}}, I, ("options['sparseness'] is a dict of options",)),
    Wrong(_evaluate, "options", {"options": {"infidelity": {}}}, I, ("'infidelity' is none of them",)),
    Wrong(_evaluate, "seed", {"seed": "x"}, I, ("seed is a whole number of at least 0, not 'x'",)),
    Wrong(_evaluate, "batch_size", {"batch_size": 0}, I, ("batch_size is a whole number of at least 1",)),
    Wrong(_evaluate, "device", {"device": "cuda:97"}, I, ("device='cuda:97' is not there",)),
    Wrong(_evaluate, "deadline", {"deadline": "soon"}, I, ("deadline is a number of seconds",)),
    Wrong(_evaluate, "translation", {"translation": 3}, I, ("translation is a Translation, or a dict",)),
    Wrong(_evaluate, "translation", {"translation": {"dtyp": "float64"}}, I, ("no option 'dtyp'", "Close: dtype")),
    Wrong(_evaluate, "progress", {"progress": 3}, I, ("progress is a function",)),
    Wrong(_evaluate, "words", {"layr": "conv"}, I, ("no option 'layr'",)),
    Wrong(_evaluate, "words", {"noise": "loud"}, I, ("noise is a SmoothGrad",)),
    # --- dissect
    Wrong(_dissect, "model", {"model": 3}, UnknownFrameworkError, ("no model: builtins.int",)),
    Wrong(_dissect, "model", {"model": TABLE_NETWORK, "layers": "0", "images": X[:, 0, 0, :5]}, I, ("masks lie over images", "'NF'"), True),
    Wrong(_dissect, "layers", {"layers": 3}, L, ("no layer", "It has: 'conv'"), True),
    Wrong(_dissect, "layers", {"layers": "cnv"}, L, ("no layer 'cnv'", "Close: 'conv'"), True),
    Wrong(_dissect, "layers", {"layers": []}, I, ("layers is an empty list",)),
    Wrong(_dissect, "images", {"images": 3}, I, ("there are no images: give an array (N, …)",)),
    Wrong(_dissect, "images", {"images": None}, I, ("no array of real numbers",)),
    Wrong(_dissect, "images", {"images": "gone"}, I, ("gone is no folder of images",)),
    Wrong(_dissect, "images", {"images": X[:1]}, I, ("there are 1 images, and concepts of 2",)),
    Wrong(_dissect, "images", {"images": X[:, :2]}, I, ("the model does not run on inputs of shape (2, 2, 8, 8)",), True),
    Wrong(_dissect, "concepts", {"concepts": ["a"]}, I, ("concepts are Segmentations", "not a list")),
    Wrong(_dissect, "threshold", {"threshold": "x"}, I, ("threshold is a number in 0…1, not 'x'",)),
    Wrong(_dissect, "threshold", {"threshold": 2.0}, I, ("threshold is a number in 0…1, not 2.0",)),
    Wrong(_dissect, "threshold", {"threshold": float("nan")}, I, ("threshold is a number in 0…1",)),
    Wrong(_dissect, "share", {"share": 2}, I, ("share is above 0 and below 1, not 2",)),
    Wrong(_dissect, "top", {"top": 0}, I, ("top is a whole number of at least 1",)),
    Wrong(_dissect, "batch_size", {"batch_size": 1.5}, I, ("batch_size is a whole number of at least 1",)),
    Wrong(_dissect, "memory", {"memory": "x"}, I, ("memory is a whole number of at least 1",)),
    Wrong(_dissect, "thumbnails", {"thumbnails": -1}, I, ("thumbnails is a whole number of at least 0",)),
    Wrong(_dissect, "seed", {"seed": -1}, I, ("seed is a whole number of at least 0",)),
    Wrong(_dissect, "preprocess", {"preprocess": "imagenett"}, I, ("'imagenett' is no preprocessing",)),
    Wrong(_dissect, "load", {"load": 3}, I, ("load is a dict of options by their names, not 3",)),
    Wrong(_dissect, "load", {"load": {"trst": True}}, I, ("load: there is no option 'trst'. Close: trust",)),
    Wrong(_dissect, "progress", {"progress": 3}, I, ("progress is a function",)),
    Wrong(Segmentations, "masks", {"masks": "x", "names": ["a"]}, I, ("no array of real numbers",)),
    Wrong(Segmentations, "masks", {"masks": MASKS[0], "names": ["a"]}, I, ("masks have shape (N, concepts, H, W)", "(2, 8, 8)")),
    Wrong(Segmentations, "names", {"masks": MASKS, "names": 3}, I, ("names are a list, one a concept, not 3",)),
    Wrong(Segmentations, "names", {"masks": MASKS, "names": "ab"}, I, ("names are a list, one a concept, not 'ab'",)),
    Wrong(Segmentations, "names", {"masks": MASKS, "names": ["a", "a"]}, I, ("each its own",)),
    Wrong(ClassConcepts, "classes", {"classes": 3}, I, ("one class an image, shape (N,)",)),
    Wrong(ClassConcepts, "classes", {"classes": [0, 5], "names": ["a"]}, I, ("whole numbers that index names=",)),
    Wrong(ClassConcepts, "names", {"classes": ["a", "b"], "names": ["a"]}, I, ("b is none of the names",)),
    Wrong(EmbeddingConcepts, "images", {"names": ["a"], "images": np.zeros((2, 3)), "concepts": np.ones((1, 3))}, I, ("is zero or not finite",)),
    Wrong(EmbeddingConcepts, "concepts", {"names": ["a"], "images": np.ones((2, 3)), "concepts": "x"}, I, ("no array of real numbers",)),
    # --- uncertainty
    Wrong(MCDropout, "samples", {"samples": 1}, I, ("samples is a whole number of at least 2, not 1",)),
    Wrong(MCDropout, "samples", {"samples": "x"}, I, ("samples is a whole number of at least 2, not 'x'",)),
    Wrong(_explain, "uncertainty", {"uncertainty": "mc_dropot"}, I, ("uncertainty is an MCDropout(samples)", "'mc_dropot'")),
    Wrong(_explain, "uncertainty", {"uncertainty": MCDropout}, I, ("uncertainty is an MCDropout(samples)",)),
    Wrong(_explain, "uncertainty", {"uncertainty": MCDropout(3), "model": CERTAIN}, I, ("nothing in the model drops",), True),
    Wrong(_image, "uncertainty", {"uncertainty": MCDropout(3)}, I, ("uncertainty= is of explanations of inputs",)),
    Wrong(_uncertain, "model", {"model": CERTAIN}, I, ("nothing in the model drops",), True),
    Wrong(_uncertain, "inputs", {"inputs": None}, M, ("predict_uncertain takes inputs",)),
    Wrong(_uncertain, "inputs", {"inputs": "x"}, I, ("no array of real numbers",)),
    Wrong(_uncertain, "inputs", {"inputs": X[:, :2]}, I, ("the model does not run on inputs of shape",), True),
    Wrong(_uncertain, "how", {"how": None}, M, ("how is an MCDropout(samples)",)),
    Wrong(_uncertain, "how", {"how": 5}, I, ("MCDropout(samples), or 'mc_dropout', not 5",)),
    Wrong(_uncertain, "output", {"output": 1.5}, I, ("output is the index, the name or the path",)),
    Wrong(_uncertain, "output", {"output": "nothing"}, I, ("the model has no output 'nothing'",), True),
    Wrong(_uncertain, "probabilities", {"probabilities": "softmx"}, I, ("probabilities is one of auto", "'softmx'")),
    Wrong(_uncertain, "labels", {"labels": 3}, I, ("labels is a list of the names",)),
    Wrong(_uncertain, "preprocess", {"preprocess": "imagenett"}, I, ("is no preprocessing",)),
    Wrong(_uncertain, "seed", {"seed": -1}, I, ("seed is a whole number",)),
    Wrong(_uncertain, "batch_size", {"batch_size": 0}, I, ("batch_size is a whole number",)),
    Wrong(_uncertain, "device", {"device": "cuda:97"}, I, ("is not there",)),
    Wrong(_uncertain, "load", {"load": "trust"}, I, ("load is a dict of options",)),
    Wrong(_uncertain, "progress", {"progress": 3}, I, ("progress is a function",)),
    Wrong(_evidential, "evidence", {"evidence": "rel"}, I, ("evidence is one of relu, softplus, exp, not 'rel'",)),
    Wrong(_evidential, "inputs", {"inputs": None}, M, ("predict_evidential takes inputs",)),
    Wrong(_evidential, "output", {"output": 9}, I, ("the model has no output 9",), True),
    Wrong(_evidential, "load", {"load": {"trst": 1}}, I, ("load: there is no option 'trst'",)),
    Wrong(_loss, "outputs", {"outputs": "x"}, I, ("evidential_loss: outputs are a tensor, not str",)),
    Wrong(_loss, "outputs", {"outputs": torch.ones(3)}, I, ("outputs have shape (N, classes)",)),
    Wrong(_loss, "targets", {"targets": [0, 1]}, I, ("evidential_loss: targets are a tensor, not list",)),
    Wrong(_loss, "targets", {"targets": torch.ones(2, 2)}, I, ("(2, 3) and (2, 2)",)),
    Wrong(_loss, "targets", {"targets": torch.tensor([5, 1])}, I, ("classes lie in 0…2, and the targets in 1…5",)),
    Wrong(_loss, "step", {"step": "x"}, I, ("step is a number, not 'x'",)),
    Wrong(_loss, "annealing_steps", {"annealing_steps": 0}, I, ("annealing_steps is a whole number of at least 1, not 0",)),
    Wrong(_loss, "evidence", {"evidence": 3}, I, ("evidence is one of relu, softplus, exp, not 3",)),
    Wrong(EvidenceTarget, "class_", {"class_": "x"}, I, ("class_ is the index of a class", "'x'")),
    Wrong(EvidenceTarget, "evidence", {"class_": 1, "evidence": "rel"}, I, ("evidence is one of relu",)),
    Wrong(_explain, "target", {"target": EvidenceTarget(9)}, I, ("class 9 of an output of shape (2, 3)",), True),
    Wrong(fit_temperature, "logits", {"logits": "x", "classes": [0]}, I, ("no array of real numbers",)),
    Wrong(fit_temperature, "logits", {"logits": np.ones(3), "classes": [0, 1, 2]}, I, ("shapes (N, classes) and (N,)",)),
    Wrong(fit_temperature, "logits", {"logits": np.full((2, 3), np.nan), "classes": [0, 1]}, I, ("logits are finite numbers",)),
    Wrong(fit_temperature, "classes", {"logits": np.ones((2, 3)), "classes": [0, 9]}, I, ("classes lie in 0…2",)),
    Wrong(fit_temperature, "classes", {"logits": np.ones((2, 3)), "classes": [0.5, 1]}, I, ("of whole numbers",)),
    Wrong(calibration, "probabilities", {"probabilities": np.ones((2, 3)), "classes": [0, 1]}, I, ("rows that sum to 1; of logits take the softmax",)),
    Wrong(calibration, "probabilities", {"probabilities": [[1, 0], [1]], "classes": [0, 1]}, I, ("no array of numbers",)),
    Wrong(calibration, "classes", {"probabilities": PROBABILITIES, "classes": [0]}, I, ("a class for each sample",)),
    Wrong(calibration, "bins", {"probabilities": PROBABILITIES, "classes": [0, 1], "bins": 2.5}, I, ("bins is a whole number",)),
    # --- slices
    Wrong(_explain, "along", {"along": ["D"]}, I, ("along is an axis of a volume",)),
    Wrong(_explain, "along", {"along": "D"}, I, ("along='D' is for volumes", "NCHW"), True),
    Wrong(_explain, "along", {"along": "D", "method": "grad_cam", "layer": "conv"}, I, ("grad_cam explains a layer: leave it out",)),
    Wrong(_image, "along", {"along": "D"}, I, ("activation_maximization makes an input: leave it out",)),
    # --- agreement
    Wrong(_agreement, "first", {"first": "x"}, I, ("a map is an explanation, or an array",)),
    Wrong(_agreement, "first", {"first": np.full((2, 8, 8), np.nan)}, I, ("not finite",)),
    Wrong(_agreement, "second", {"second": np.ones((2, 4, 4))}, I, ("(2, 8, 8) and (2, 4, 4) are not of the same inputs",)),
    Wrong(_agreement, "threshold", {"threshold": "otsuu"}, I, ("threshold is one of quantile, otsu, mean, not 'otsuu'",)),
    Wrong(_agreement, "quantile", {"quantile": "x"}, I, ("quantile is a number in 0…1, not 'x'",)),
    Wrong(_agreement, "quantile", {"quantile": 2}, I, ("quantile is a number in 0…1, not 2",)),
    Wrong(_agreement, "sign", {"sign": "abs"}, I, ("sign is one of absolute, positive, both, not 'abs'",)),
    Wrong(_agreement, "names", {"names": "ab"}, I, ("names are two",)),
    Wrong(_agreement, "names", {"names": ("a",)}, I, ("names are two",)),
    Wrong(_score_board, "runs", {"runs": []}, I, ("there is no run to score",)),
    Wrong(_score_board, "runs", {"runs": 3}, I, ("runs are explanations in a list", "not one int")),
    Wrong(_score_board, "runs", {"runs": {"mine": 3}}, I, ("run 'mine' is no explanation",)),
    # --- images that are made
    Wrong(_image, "parameterization", {"parameterization": "fourir"}, I, ("no parameterization 'fourir'. Close: fourier",)),
    Wrong(_image, "parameterization", {"parameterization": 3}, I, ("takes a word: pixels(noise)", "not 3")),
    Wrong(_image, "parameterization", {"parameterization": ("fourier", {"decy": 1})}, I, ("fourier has no option 'decy'; close: decay",)),
    Wrong(_image, "parameterization", {"parameterization": ("fourier", {"decay": -1})}, I, ("decay of fourier is a number of at least 0",)),
    Wrong(_image, "parameterization", {"parameterization": ["pixels", "fourier"]}, I, ("is one parameterization, not 2",)),
    Wrong(_image, "parameterization", {"parameterization": "fourier", "model": TABLE_NETWORK, "shape": (5,)}, I, ("is of images, of shape (N, C, H, W), not (1, 5)",)),
    Wrong(parts.Pixels, "noise", {"noise": -1}, I, ("noise of Pixels is a number of at least 0, not -1",)),
    Wrong(parts.Fourier, "decay", {"decay": "x"}, I, ("decay of Fourier is a number of at least 0, not 'x'",)),
    Wrong(parts.Fourier, "deviation", {"deviation": 0}, I, ("deviation of Fourier is a number above 0",)),
    Wrong(parts.Fourier, "decorrelate", {"decorrelate": "yes"}, I, ("decorrelate of Fourier is true or false",)),
    Wrong(parts.GeneratorCode, "model", {"model": "gone.pt2"}, I, ("there is no generator 'gone.pt2'",)),
    Wrong(parts.GeneratorCode, "code", {"model": None, "code": "x"}, I, ("code is the shape of a code", "'x'")),
    Wrong(parts.GeneratorCode, "tries", {"model": None, "tries": 0}, I, ("tries is how many codes",)),
    Wrong(parts.GeneratorCode, "weight", {"model": None, "weight": "x"}, I, ("weight of GeneratorCode is a number of at least 0",)),
    Wrong(parts.GeneratorCode, "image_range", {"model": None, "image_range": 3}, I, ("image_range of GeneratorCode is a pair of numbers",)),
    Wrong(parts.GeneratorCode, "image_range", {"model": None, "image_range": (1, 0)}, I, ("black the lower",)),
    Wrong(parts.GeneratorCode, "options", {"model": None, "options": 3}, I, ("options of GeneratorCode is a dict",)),
    Wrong(_image, "transforms", {"transforms": "jiter"}, I, ("no transform 'jiter'. Close: jitter",)),
    Wrong(_image, "transforms", {"transforms": 3}, I, ("takes words: pad(pixels)",)),
    Wrong(_image, "transforms", {"transforms": [("jitter", -1)]}, I, ("pixels of jitter is a whole number of at least 0",)),
    Wrong(_image, "transforms", {"transforms": [parts.Jitter(99)]}, I, ("jitter of 99 pixels leaves nothing of images of 8 × 8",), True),
    Wrong(_image, "transforms", {"transforms": [("scale", {"low": 2, "high": 1})]}, I, ("low of Scale is at most its high",)),
    Wrong(_image, "transforms", {"transforms": [lambda images: images]}, I, ("a function is called as transform(images, generator, middle)",)),
    Wrong(_image, "transforms", {"transforms": [lambda images, generator, middle: images[:, :1]]}, I, ("a transform returns as many images of as many channels",), True),
    Wrong(_image, "transforms", {"transforms": [lambda images, generator, middle: 3]}, I, ("returned int",), True),
    Wrong(_image, "transforms", {"transforms": "jitter", "model": TABLE_NETWORK, "shape": (5,)}, I, ("transforms are of images", "(1, 5)")),
    Wrong(parts.Pad, "pixels", {"pixels": -3}, I, ("pixels of Pad is a whole number of at least 0, not -3",)),
    Wrong(parts.Jitter, "pixels", {"pixels": "x"}, I, ("pixels of Jitter is a whole number of at least 0, not 'x'",)),
    Wrong(parts.Roll, "pixels", {"pixels": 1.5}, I, ("pixels of Roll is a whole number",)),
    Wrong(parts.Scale, "low", {"low": 0}, I, ("low of Scale is a number above 0",)),
    Wrong(parts.Scale, "high", {"low": 2, "high": 1}, I, ("low of Scale is at most its high",)),
    Wrong(parts.Rotate, "degrees", {"degrees": "x"}, I, ("degrees of Rotate is a number of at least 0",)),
    Wrong(_image, "objective", {"objective": "logt"}, I, ("did you mean 'logit'?",)),
    Wrong(_image, "objective", {"objective": 3}, I, ("is one of logit, log_probability, output", "not 3")),
    Wrong(_image, "objective", {"objective": []}, I, ("not []",)),
    Wrong(_image, "objective", {"objective": "conv:1"}, I, ("each say what is made large: give one",), True),
    Wrong(_image, "objective", {"objective": "cnv:1", "target": None}, L, ("no layer 'cnv'", "Close: 'conv'"), True),
    Wrong(_image, "objective", {"objective": "conv:99", "target": None}, I, ("conv has the channels 0 to 3, and no channel 99",), True),
    Wrong(_image, "objective", {"objective": parts.Neuron("conv", (0, 99, 0)), "target": None}, I, ("neuron (0, 99, 0) is none of conv",), True),
    Wrong(_image, "objective", {"objective": parts.Diversity("conv"), "target": None}, I, ("ask for two or more (images=…)",), True),
    Wrong(_image, "objective", {"objective": parts.Direction("conv", [1, 2]), "target": None}, I, ("a direction in conv has 4 numbers",), True),
    Wrong(_image, "objective", {"objective": parts.Logit(99), "target": None}, I, ("target 99 is none of an output",), True),
    Wrong(parts.Channel, "channel", {"layer": "conv", "channel": "x"}, I, ("channel of Channel is a whole number, not 'x'",)),
    Wrong(parts.Neuron, "position", {"layer": "conv", "position": 1.5}, I, ("position of Neuron is a whole number, or a tuple",)),
    Wrong(parts.Direction, "vector", {"layer": "conv", "vector": "x"}, I, ("vector of Direction is numbers, one a channel",)),
    Wrong(parts.Energy, "channel", {"layer": "conv", "channel": 0.5}, I, ("channel of Energy is a whole number, or None",)),
    Wrong(parts.Logit, "target", {"target": "cat"}, I, ("target of Logit is a whole number, or a tuple of them, or None",)),
    Wrong(_image, "regularizers", {"regularizers": "l3"}, I, ("no regularizer 'l3'. Close: l2",)),
    Wrong(_image, "regularizers", {"regularizers": 3}, I, ("takes words: l2(weight)",)),
    Wrong(_image, "regularizers", {"regularizers": [("norm", {"q": 1})]}, I, ("norm has no option 'q'; it has: weight, p",)),
    Wrong(_image, "regularizers", {"regularizers": [("l2", -1)]}, I, ("weight of l2 is a number of at least 0",)),
    Wrong(_image, "regularizers", {"regularizers": "tv", "model": TABLE_NETWORK, "shape": (5,)}, I, ("total variation is of inputs with places",)),
    Wrong(parts.L2, "weight", {"weight": "x"}, I, ("weight of L2 is a number of at least 0, not 'x'",)),
    Wrong(parts.L2, "mean", {"mean": np.ones((9, 9))}, I, ("mean of L2 is a tensor of the model's (baselines= takes any image)",)),
    Wrong(parts.Norm, "p", {"p": 0.5}, I, ("p of Norm is a number of at least 1",)),
    Wrong(parts.TotalVariation, "exponent", {"exponent": 0}, I, ("exponent of TotalVariation is a number above 0",)),
    Wrong(parts.Expert, "expert", {"expert": 3}, I, ("expert of Expert is an object with log_likelihood(images), not 3",)),
    Wrong(_image, "optimizer", {"optimizer": "adm"}, I, ("no optimizer 'adm'. Close: adam",)),
    Wrong(_image, "optimizer", {"optimizer": 3}, I, ("takes a word: adam(rate)",)),
    Wrong(_image, "optimizer", {"optimizer": ["adam", "sgd"]}, I, ("is one optimizer, not 2",)),
    Wrong(_image, "optimizer", {"optimizer": ("adam", -1)}, I, ("rate of adam is a number above 0",)),
    Wrong(parts.Adam, "rate", {"rate": "x"}, I, ("rate of Adam is a number above 0, not 'x'",)),
    Wrong(parts.Adam, "betas", {"betas": (0.9, 1)}, I, ("betas of Adam is two numbers in 0…1 without 1",)),
    Wrong(parts.Sgd, "every", {"every": 0}, I, ("every of Sgd is a whole number of at least 1, or None",)),
    Wrong(parts.Normalized, "rate", {"rate": 0}, I, ("rate of Normalized is a number above 0",)),
    Wrong(_image, "probability", {"probability": 2}, I, ("probability of activation_maximization is a number above 0, at most 1, not 2",)),
    Wrong(_image, "probability", {"probability": 0.9, "layer": "conv", "target": None}, I, ("probability ends a run at that of a class: give a target",), True),
    Wrong(_image, "steps", {"steps": "x"}, I, ("steps of activation_maximization is a whole number of at least 1",)),
    Wrong(_image, "deadline", {"deadline": -1}, I, ("deadline is a number of seconds above 0",)),
    Wrong(_image, "snapshots", {"snapshots": -1}, I, ("snapshots of activation_maximization is a whole number of at least 0",)),
    Wrong(_image, "images", {"images": 0}, I, ("images of activation_maximization is a whole number of at least 1",)),
    Wrong(_image, "shape", {"shape": "x"}, I, ("the shape of an image without the batch",)),
    Wrong(_image, "shape", {"shape": None}, M, ("the model does not say what it takes: give shape=…",)),
    Wrong(_image, "channel", {"channel": 1, "target": None}, M, ("channel is of a layer: name it (layer=…)",), True),
    Wrong(_image, "channel", {"channel": 99, "layer": "conv", "target": None}, I, ("no channel 99",), True),
    Wrong(_image, "target", {"target": None}, I, ("name a class (target=…)",), True),
    Wrong(_image, "noise", {"noise": SmoothGrad(2)}, I, ("noise= is over those that are explained: leave it out",)),
    Wrong(_image, "options", {"stps": 3}, I, ("has no option 'stps'. Close: steps",)),
    Wrong(_image, "layer", {"method": "deep_dream", "target": None}, M, ("deep_dream of metannvis needs layer=…",)),
    Wrong(_image, "octaves", {"method": "deep_dream", "target": None, "layer": "conv", "octaves": 0}, I, ("octaves of deep_dream",)),
    Wrong(_image, "octave_scale", {"method": "deep_dream", "target": None, "layer": "conv", "octave_scale": 1}, I, ("a number above 1",)),
    Wrong(_image, "target", {"method": "deep_dream", "layer": "conv"}, I, ("takes no 'target'",)),
    Wrong(_image, "inputs", {"method": "invert_representation", "target": None, "layer": "conv", "shape": None}, M, ("needs inputs",)),
)  # fmt: skip


@pytest.fixture(autouse=True)
def no_pass() -> None:
    Network.passes = 0


def name_of(call: Callable[..., Any]) -> str:
    return call.__name__.removeprefix("_")


@pytest.mark.parametrize(
    "wrong", [pytest.param(wrong, id=f"{name_of(wrong.call)}-{wrong.word}-{k}") for k, wrong in enumerate(TABLE)]
)
def test_a_wrong_use_says_what_is_wrong(wrong: Wrong) -> None:
    with pytest.raises(wrong.error) as caught:
        wrong.call(**wrong.given)
    assert isinstance(caught.value, MetannvisError)
    for part in wrong.says:
        assert part in str(caught.value), str(caught.value)
    assert len(str(caught.value)) < 900 or issubclass(wrong.error, LookupError), (
        "only what lists all there is may be long"
    )
    assert wrong.late or not Network.passes, "it was seen after the model had run"


@pytest.mark.parametrize(
    "part",
    [one for one in vars(parts).values() if isinstance(one, type) and dataclasses.is_dataclass(one)],
    ids=lambda part: part.__name__,
)
def test_every_part_looks_at_its_fields(part: type) -> None:
    """But what names a layer, which the model has to say, and networks and arrays, which are looked at as such."""
    fields = {field.name for field in dataclasses.fields(part) if not field.name.startswith("_")}
    looked = {wrong.word for wrong in TABLE if wrong.call is part} | set(getattr(part, "takes", ()))
    assert fields - looked <= {
        "layer",
        "model",
        "options",
        "code",
        "tries",
        "weights",
        "visible",
        "hidden",
        "channels_last",
    }


def test_a_score_board_of_batches_takes_the_target_of_all() -> None:
    found = _explain()
    with pytest.raises(InvalidArgumentError, match="run 'mine' is of 2 batches, and the target an explanation of one"):
        score_board({"mine": [found, found]}, found)
    with pytest.raises(InvalidArgumentError, match="runs are explanations in a list, or in a dict"):
        score_board(found, found)


def test_one_of_several_methods_fails_alone() -> None:
    """A word that one of them does not take is that one's error."""
    found = _evaluate(methods=["saliency", "grad_cam"], toolset="captum", layer="conv")
    assert [method for method, _ in found.errors] == ["saliency"]
    assert "takes no 'layer'" in found.errors["saliency", ""]


def test_options_of_files_may_stand_beside_those_of_translations(tmp_path: Any) -> None:
    torch.save(TABLE_NETWORK, tmp_path / "net.pt")
    values = explain(
        tmp_path / "net.pt",
        "saliency",
        np.ones((1, 5), "float32"),
        target=1,
        toolset="captum",
        translation={"trust": True},
    ).values
    assert values.shape == (1, 5)


def test_a_column_of_classes_is_one_class_a_sample() -> None:
    column = evidential_loss(torch.ones(2, 3), torch.tensor([[0], [1]]))
    torch.testing.assert_close(column, evidential_loss(torch.ones(2, 3), torch.tensor([0, 1])))
