"""The classes of nn_interpretability that explain a decision, relevance propagation apart."""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum
from typing import Any

import numpy as np

from metannvis_methods import vocabulary
from metannvis_methods.classic.interpreter import Array, Interpreter
from metannvis_methods.errors import InvalidArgumentError
from metannvis_methods.explain import explain
from metannvis_methods.results.explanation import Explanation
from metannvis_methods.results.maps import SPACE, end_points, resized
from metannvis_methods.running.prepared import convolutions

__all__ = [
    "CAMInterpreter",
    "Deconvolution",
    "DeconvolutionPartialReconstruction",
    "DeepLIFT",
    "DeepLIFTRules",
    "GradCAMInterpreter",
    "GuidedBackprop",
    "IntegratedGrad",
    "OcclusionSensitivity",
    "SaliencyMap",
    "SmoothGrad",
    "VanillaBackprop",
]


class VanillaBackprop(Interpreter):
    """Gradient of the target with its signs: ``saliency`` of captum."""

    method, toolset, options = "saliency", "captum", {"abs": False}


class SaliencyMap(VanillaBackprop):
    """Largest gradient of the channels, brought to 0…1; with ``image_overlay`` times the image."""

    normalized = True

    def __init__(
        self, model: Any, classes: Any = None, preprocess: Any = None, image_overlay: bool = False, **words: Any
    ):
        super().__init__(model, classes, preprocess, **words)
        self.image_overlay = image_overlay

    def end_point(self, explanation: Explanation) -> Array:
        """Without the axis of channels, with the overlay as the image is."""
        values, axes = np.asarray(explanation.values), str(explanation.axes)
        if "C" in axes:
            values = values.max(axes.index("C"), keepdims=self.image_overlay)
        if self.image_overlay:
            values = values * np.asarray(explanation.inputs)
        return end_points(values) if self.normalize else values


class _Noisy(Interpreter):
    """A method over noisy copies, if it is asked for."""

    noise: vocabulary.SmoothGrad | None = None

    def request(self, image: Any) -> dict[str, Any]:
        """With the noise."""
        return {**super().request(image), "noise": self.noise}


class SmoothGrad(_Noisy):
    """Mean gradient over noisy copies; ``noise_level`` is the deviation of the noise as a share of the image's range."""

    method, toolset, options = "saliency", "captum", {"abs": False}

    def __init__(
        self,
        model: Any,
        classes: Any = None,
        preprocess: Any = None,
        noise_level: float = 0.2,
        number_samples: int = 100,
        **words: Any,
    ):
        super().__init__(model, classes, preprocess, **words)
        self.noise = vocabulary.SmoothGrad(number_samples, noise_level)


class GuidedBackprop(_Noisy):
    """Guided backpropagation, with ``smooth`` over noisy copies."""

    method, toolset = "guided_backprop", "captum"

    def __init__(
        self,
        model: Any,
        classes: Any = None,
        preprocess: Any = None,
        smooth: bool = False,
        noise_level: float = 0.2,
        number_samples: int = 100,
        **words: Any,
    ):
        super().__init__(model, classes, preprocess, **words)
        self.noise = vocabulary.SmoothGrad(number_samples, noise_level) if smooth else None


class IntegratedGrad(_Noisy):
    """Integrated gradients from a baseline, with ``smooth`` over ten noisy copies."""

    method, toolset = "integrated_gradients", "captum"

    def __init__(
        self,
        model: Any,
        classes: Any = None,
        preprocess: Any = None,
        baseline: Any = None,
        steps: int = 50,
        smooth: bool = False,
        noise_level: float = 0.2,
        **words: Any,
    ):
        super().__init__(model, classes, preprocess, **words)
        self.baseline, self.options = baseline, {"n_steps": steps}
        self.noise = vocabulary.SmoothGrad(10, noise_level) if smooth else None

    def request(self, image: Any) -> dict[str, Any]:
        """With the baseline."""
        return {**super().request(image), "baselines": self.baseline}


class _Map(Interpreter):
    """A class activation map of a layer, enlarged (linear, corners aligned) and brought to 0…1.

    ``input_size`` is height and width of the map; ``conv_layer_name`` the layer, ``None`` for the last convolution.
    """

    normalized = True

    def __init__(
        self,
        model: Any,
        classes: Any = None,
        preprocess: Any = None,
        input_size: Sequence[int] = (),
        conv_layer_name: str | None = None,
        **words: Any,
    ):
        super().__init__(model, classes, preprocess, **words)
        if len(input_size) == 0 or not all(isinstance(side, int) and side > 0 for side in input_size):
            raise InvalidArgumentError(f"input_size is the size of the map, (height, width), not {input_size!r}")
        self.input_size, self.layer = tuple(input_size), conv_layer_name or "auto"

    def request(self, image: Any) -> dict[str, Any]:
        """With the layer."""
        return {**super().request(image), "layer": self.layer}

    def end_point(self, explanation: Explanation) -> Array:
        """As large as was said."""
        values, axes = np.asarray(explanation.values), str(explanation.axes)
        if sum(letter in SPACE for letter in axes) != len(self.input_size):
            raise InvalidArgumentError(f"input_size has {len(self.input_size)} sizes, the map has the axes {axes}")
        sides = iter(self.input_size)
        sizes = [next(sides) if letter in SPACE else size for letter, size in zip(axes, values.shape, strict=True)]
        values = resized(values, sizes)
        return end_points(values) if self.normalize else values


class CAMInterpreter(_Map):
    """Class activation map: for networks with global average pooling and one dense layer behind it."""

    method, toolset = "cam", "metannvis"


class GradCAMInterpreter(_Map):
    """Grad-CAM, what speaks for the target."""

    method, toolset, options = "grad_cam", "captum", {"relu_attributions": True}


class Deconvolution(Interpreter):
    """What a layer, ``None`` for the last convolution, has seen of the image, by a deconvolutional network; 0…1."""

    normalized = True
    method, toolset = "deconvnet", "metannvis"

    def __init__(self, model: Any, classes: Any = None, preprocess: Any = None, layer: str | None = None, **words: Any):
        super().__init__(model, classes, preprocess, **words)
        self.layer = layer or "auto"

    def request(self, image: Any) -> dict[str, Any]:
        """With the layer."""
        return {**super().request(image), "layer": self.layer}


class DeconvolutionPartialReconstruction(Deconvolution):
    """What each feature map of a convolution has seen: a list, one a filter.

    ``layer_number`` counts convolutions from 1, or is the name of a layer.
    """

    def __init__(
        self, model: Any, classes: Any = None, preprocess: Any = None, layer_number: int | str = 1, **words: Any
    ):
        super().__init__(model, classes, preprocess, **words)
        if not isinstance(layer_number, str) and (isinstance(layer_number, bool) or layer_number < 1):
            raise InvalidArgumentError(f"layer_number counts convolutions from 1, or is a name, not {layer_number!r}")
        self.layer_number = layer_number

    def interpret(self, image: Any) -> list[Array]:  # type: ignore[override]  # as nn_interpretability has it
        """End points of all filters, in their order."""
        given = self.preprocessed(image)
        self.layer = self._name(given)
        seen = explain(self.model, "layer_activation", given, toolset="captum", layer=self.layer, **self.words)
        channels = np.asarray(seen.values).shape[str(seen.axes).index("C")]
        found = []
        for channel in range(channels):
            self.options = {"channel": channel}
            self.explanation = self._explained(given)
            found.append(self.end_point(self.explanation))
        return found

    def _name(self, image: Any) -> str:
        if isinstance(self.layer_number, str):
            return self.layer_number
        names = convolutions(self._layers(self.method, self.toolset, image))
        if self.layer_number > len(names):
            raise InvalidArgumentError(f"there is no convolution {self.layer_number}: {', '.join(names)}")
        return names[self.layer_number - 1]


class DeepLIFTRules(Enum):
    """Rules of DeepLIFT; RevealCancel takes the Linear rule with it, as in the paper."""

    NoRule = ("saliency", "captum")
    Rescale = ("deep_lift", "captum")
    LinearRescale = ("deep_lift_linear", "metannvis")
    LinearRevealCancel = ("deep_lift_reveal_cancel", "metannvis")
    RevealCancel = LinearRevealCancel


class DeepLIFT(Interpreter):
    """Contributions of the differences from a baseline, 0 if none is given; without a rule the gradient."""

    def __init__(
        self,
        model: Any,
        classes: Any = None,
        preprocess: Any = None,
        rule: DeepLIFTRules = DeepLIFTRules.Rescale,
        baseline: Any = None,
        **words: Any,
    ):
        super().__init__(model, classes, preprocess, **words)
        if not isinstance(rule, DeepLIFTRules):
            raise InvalidArgumentError(f"rule is one of DeepLIFTRules: {', '.join(DeepLIFTRules.__members__)}")
        self.rule, self.baseline = rule, baseline
        self.method, self.toolset = rule.value
        self.options = {"abs": False} if rule is DeepLIFTRules.NoRule else {}

    def request(self, image: Any) -> dict[str, Any]:
        """With the baseline."""
        own = {} if self.rule is DeepLIFTRules.NoRule else {"baselines": self.baseline}
        return {**super().request(image), **own}


class OcclusionSensitivity(Interpreter):
    """How much each block of the image counts: the change of the output when it is filled.

    ``block_size`` divides ``input_size``, both height and width; blocks are of all channels.
    """

    method, toolset = "feature_ablation", "captum"

    def __init__(
        self,
        model: Any,
        classes: Any = None,
        preprocess: Any = None,
        input_size: Sequence[int] = (),
        block_size: Sequence[int] = (),
        fill_value: float = 0.0,
        target: Any = None,
        **words: Any,
    ):
        super().__init__(model, classes, preprocess, target=target, **words)
        if not input_size or len(input_size) != len(block_size) or any(map(_rest, input_size, block_size)):
            raise InvalidArgumentError(f"block_size {block_size!r} does not divide input_size {input_size!r}")
        self.input_size, self.block_size, self.fill_value = tuple(input_size), tuple(block_size), fill_value

    def request(self, image: Any) -> dict[str, Any]:
        """With blocks as groups of features, which every layout has."""
        indices = np.indices([size // block for size, block in zip(self.input_size, self.block_size, strict=True)])
        shape = indices.shape[1:]
        blocks = np.ravel_multi_index(tuple(indices), shape)
        for axis, block in enumerate(self.block_size):
            blocks = blocks.repeat(block, axis)
        return {**super().request(image), "feature_mask": blocks, "baselines": self.fill_value}


def _rest(size: int, block: int) -> int:
    return size % block if block else 1
