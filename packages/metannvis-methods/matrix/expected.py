"""Cells of the matrix that are refused, and cells that are told of: why, and in which words. Everything else is compared."""

from __future__ import annotations

import re
from dataclasses import dataclass

from .cells import Cell

__all__ = ["NOTICES", "REFUSALS", "Notice", "Refusal", "refusal_of"]

ANY = ".*"
MAPS = r"grad_cam|grad_cam\+\+|score_cam|layer_cam"


@dataclass(frozen=True)
class Refusal:
    """Cells that end in an error.

    Attributes
    ----------
    networks, toolset, methods
        Regular expressions that match whole names; every source is meant.
    error, words
        Class of the error, with that of a toolkit's own behind it, and what its message says.
    because
        Why there is nothing to compute, for people.
    """

    networks: str
    toolset: str
    methods: str
    error: str
    words: str
    because: str

    def matches(self, cell: Cell) -> bool:
        """Whether it says something of a cell."""
        pairs = ((self.networks, cell.network), (self.toolset, cell.toolset), (self.methods, cell.method))
        return all(re.fullmatch(pattern, name) for pattern, name in pairs)


REFUSALS = (
    Refusal(
        "text",
        "zennit",
        "(?!layer).*",
        "InvalidArgumentError",
        r"has no rule for .*LSTM",
        "zennit has no rules for recurrent layers",
    ),
    Refusal(
        "vit",
        "zennit",
        ".*",
        "InvalidArgumentError",
        r"has no rule for .*LayerNorm",
        "zennit has no rules for the norms and the attention of a transformer",
    ),
    Refusal(
        "cnn|table|text|vit|two inputs|two outputs|unet",
        "metannvis",
        "cam",
        "InvalidArgumentError",
        "needs global average pooling and one dense layer behind the layer",
        "CAM is for networks that end in global average pooling and one dense layer; Grad-CAM is for all",
    ),
    Refusal(
        "table|two inputs",
        "metannvis",
        "extremal_perturbation|blur_integrated_gradients",
        "InvalidArgumentError",
        "blurs an input along its places, and input . .* has none|masks one input",
        "a row of features has no places that a blur could run along",
    ),
    Refusal(
        "text",
        "metannvis",
        "sobol|extremal_perturbation",
        "InvalidArgumentError",
        "(keeps parts of|blurs) numbers, and (an|the) input holds whole numbers",
        "indices have no parts and cannot be blurred",
    ),
    Refusal(
        "text",
        "metannvis",
        "activation_maximization|render|deep_dream|invert_representation",
        "InvalidArgumentError",
        "makes an input by gradient ascent, and the model takes whole numbers",
        "indices have no gradients",
    ),
    Refusal(
        "two inputs",
        "metannvis",
        "activation_maximization|render|deep_dream|invert_representation",
        "InvalidArgumentError",
        "makes one input",
        "an image is made beside inputs that are given",
    ),
    Refusal(
        "signal|table",
        "metannvis",
        "deep_dream",
        "InvalidArgumentError",
        "is of images, of shape",
        "octaves are sizes of an image",
    ),
    Refusal(
        "two inputs",
        "metannvis",
        "xrai",
        "InvalidArgumentError",
        "takes regions of one input",
        "regions are those of one image",
    ),
    Refusal(
        "resnet|table|text|vit",
        "metannvis",
        "simple_taylor",
        "InvalidArgumentError",
        "has no root on the line along its gradient",
        "the output of a random network need not be zero anywhere along its gradient",
    ),
    Refusal(
        "text|vit|unet",
        "metannvis",
        "deep_lift_linear|deep_lift_reveal_cancel",
        "InvalidArgumentError",
        "has no rule for (lstm|layer_norm|interpolate)",
        "the paper has no rules for recurrent layers, attention and norms of layers; of a resampling it says nothing",
    ),
    Refusal(
        "table",
        "grad-cam",
        "(?!full_grad).*",
        "InvalidArgumentError",
        "needs one that has places beside channels",
        "a row of features has no places that a map could show",
    ),
    Refusal(
        "table|text",
        "grad-cam",
        "full_grad",
        "InvalidArgumentError",
        "the model has none over the places of an input",
        "FullGrad is a map over the places of an image, from the biases of its convolutions",
    ),
    Refusal(
        "unet",
        "grad-cam",
        "finer_cam",
        "InvalidArgumentError",
        "compares a class with others, and what is explained has shape",
        "which of the classes at a place are others is not said by a position",
    ),
    Refusal(
        "text",
        "grad-cam",
        "score_cam",
        "InvalidArgumentError",
        "masks an input with the channels of a layer .* and no input has as many",
        "indices cannot be multiplied with a mask",
    ),
    Refusal(
        "table",
        "tf-keras-vis",
        MAPS,
        "InvalidArgumentError",
        "needs one that has places beside channels",
        "a row of features has no places that a map could show",
    ),
    Refusal(
        "text",
        "tf-keras-vis",
        "saliency|smooth_grad",
        "InvalidArgumentError",
        "needs gradients, and the model takes whole numbers",
        "tf-keras-vis has no way to start behind the layer that embeds; Captum's methods do",
    ),
    Refusal(
        "text",
        "tf-keras-vis",
        "activation_maximization",
        "InvalidArgumentError",
        "makes an input by gradient ascent, and the model takes whole numbers",
        "indices cannot be moved along a gradient",
    ),
    Refusal(
        "text",
        "tf-keras-vis",
        "score_cam",
        "InvalidArgumentError",
        "masks an input with the channels of layer .* and no input has as many",
        "indices cannot be multiplied with a mask",
    ),
    Refusal(
        "text",
        "captum",
        "guided_grad_cam",
        "InvalidArgumentError",
        "enlarges a layer's map to the places of an image",
        "indices have no places that a map could be enlarged to",
    ),
    Refusal(
        "signal|text|vit|unet",
        "captum",
        "lrp|layer_lrp",
        "ToolsetError from TypeError",
        "Module of type .*(Conv1d|Embedding|LayerNorm|ConvTranspose2d).* has no rule defined",
        "Captum has rules for convolutions of images, dense layers, pools, batch normalisation of images and additions",
    ),
)


@dataclass(frozen=True)
class Notice:
    """Cells whose result is told of: the same patterns, and the words of the warning."""

    networks: str
    toolset: str
    methods: str
    words: str

    matches = Refusal.matches


#: What differentiates by the inputs, or moves them.
MOVES = (
    "integrated_gradients|saliency|input_x_gradient|deep_lift|gradient_shap|deconvolution|deep_lift_shap|guided_backprop|lrp|"
    "neuron_(?!feature).*|layer_(gradient_shap|conductance)|internal_influence"
)
NOTICES = (
    Notice("text", "captum", MOVES, "indices have none: layer .*, which embeds them, is"),
    Notice("text", "metannvis", ".*", "indices have none: layer .*, which embeds them, is"),
    Notice("table", "metannvis", "linear_approximation", "which has no places beside channels"),
    Notice("table", "captum", "(guided_)?grad_cam", "which has no places beside channels"),
    Notice("table", "metannvis", "filter_guided_backprop", "are zero for sample"),
    Notice("cnn|signal|text|vit", "grad-cam", "fem", "no channel of the layer stands out there"),
    # of a target that nothing speaks for
    Notice("table|two outputs", "zennit", "(layer_)?(deep_taylor|excitation_backprop)", "are zero for sample"),
    Notice("text|vit", "zennit", ".*", "has no rule for|which embeds them, is"),
    # rectified maps and rectified gradients of random networks
    Notice("cnn|signal|resnet|vit|two outputs", "captum", "guided_grad_cam", "are zero for sample"),
    Notice("table|two outputs", "captum", "guided_backprop|deconvolution", "are zero for sample"),
)


def refusal_of(cell: Cell) -> Refusal | None:
    """Why a cell is refused, if it is."""
    return next((refusal for refusal in REFUSALS if refusal.matches(cell)), None)
