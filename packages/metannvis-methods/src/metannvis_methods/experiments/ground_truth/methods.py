"""Ground truth of methods: which quantity each of them computes, and how it is asked for it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

__all__ = ["OPTIONS", "PARTS", "ROWS", "WITHOUT", "Row"]


@dataclass(frozen=True)
class Row:
    """What a method computes on the ground-truth models.

    Attributes
    ----------
    toolset, key
        Of the method.
    truth
        Name of the quantity (:attr:`~metannvis_methods.experiments.ground_truth.models.GroundTruth.quantities`), or a name by
        model where they differ.
    options
        Of the method, by the toolkit's names.
    where
        Names of the models, where what the method computes is known on some of those that have the quantity only.
    groups
        Models on which it needs features in groups, those of the model's mask; without a mask every feature is one.
    """

    toolset: str
    key: str
    truth: str | Mapping[str, str]
    options: Mapping[str, Any] = field(default_factory=dict)
    where: tuple[str, ...] = ("linear", "additive", "gated", "planted patch")
    groups: tuple[str, ...] = ()

    def quantity(self, model: str) -> str | None:
        """Name of the quantity on a model, ``None`` if it is not known there."""
        if model not in self.where:
            return None
        return self.truth if isinstance(self.truth, str) else self.truth.get(model)


TABLES = ("linear", "additive", "gated")
ADDITIVE = ("linear", "additive")
PATCH = ("planted patch",)
#: Networks of dense and convolutional layers with activations, for which rules are defined.
LAYERED = ("linear", "additive", "planted patch")
ABLATED = {**dict.fromkeys(TABLES, "ablation"), "planted patch": "ablation of pixels"}
#: Where a row is not enlarged and not scaled.
PLAIN_CAM = {"expand_cam": False}


def _captum(key: str, truth: str | Mapping[str, str], **fields: Any) -> Row:
    return Row("captum", key, truth, **fields)


def _layer(key: str, truth: str, **fields: Any) -> Row:
    return Row("captum", key, truth, where=PATCH, **fields)


def _grad_cam(key: str, truth: str = "map", **fields: Any) -> Row:
    return Row("grad-cam", key, truth, where=PATCH, **fields)


def _keras(key: str, truth: str, options: Mapping[str, Any], **fields: Any) -> Row:
    return Row("tf-keras-vis", key, truth, options, **fields)


def _ours(key: str, truth: str | Mapping[str, str], **fields: Any) -> Row:
    return Row("metannvis", key, truth, **fields)


ROWS: tuple[Row, ...] = (
    _captum("saliency", "|gradient|"),
    _captum("input_x_gradient", "input × gradient"),
    _captum("integrated_gradients", "integrated gradients"),
    _captum("gradient_shap", "integrated gradients", options={"stdevs": 0.0, "n_samples": 20}),
    _captum("deep_lift", "rescale"),
    _captum("deep_lift_shap", "rescale"),
    _captum("lrp", "relevance"),
    _captum("guided_backprop", "gradient", where=PATCH),
    _captum("deconvolution", "gradient through every ReLU", where=PATCH),
    _captum("guided_grad_cam", "gradient × map", options={"interpolate_mode": "nearest"}, where=PATCH),
    _captum("feature_ablation", ABLATED),
    _captum(
        "occlusion",
        {**dict.fromkeys(TABLES, "ablation"), "planted patch": "ablation of cells"},
    ),
    _captum("feature_permutation", "permutation", where=TABLES),
    _captum("shapley_values", "shapley", groups=PATCH, where=(*ADDITIVE, "planted patch")),
    _captum("shapley_value_sampling", "shapley", options={"n_samples": 10}, groups=PATCH),
    _captum("kernel_shap", "shapley", options={"n_samples": 50}, groups=PATCH),
    _captum("lime", "shapley", options={"n_samples": 60}, groups=LAYERED, where=(*ADDITIVE, "planted patch")),
    _layer("grad_cam", "map"),
    _layer("layer_activation", "activation"),
    _layer("layer_gradient_x_activation", "channels"),
    _layer("layer_integrated_gradients", "channels"),
    _layer("layer_conductance", "channels"),
    _layer("internal_influence", "channel gradient"),
    _layer("layer_deep_lift", "channels"),
    _layer("layer_deep_lift_shap", "channels"),
    _layer("layer_gradient_shap", "channels", options={"stdevs": 0.0, "n_samples": 20}),
    _layer("layer_feature_ablation", "channels"),
    _layer("layer_lrp", "channels"),
    *(
        _grad_cam(key)
        for key in (
            "grad_cam",
            "hires_cam",
            "grad_cam_elementwise",
            "xgrad_cam",
            "layer_cam",
            "shapley_cam",
            "ablation_cam",
        )
    ),
    _grad_cam("grad_cam++", "map by grad_cam++"),
    _grad_cam("finer_cam", "map − other map", options={"alpha": 1.0, "comparison_categories": (1,)}),
    _ours("sensitivity_analysis", "gradient squared"),
    _ours("simple_taylor", "taylor"),
    # elsewhere a sum over its path, which comes near with more steps
    _ours("guided_integrated_gradients", "integrated gradients", where=("linear",)),
    _ours("deep_lift_linear", "rescale"),
    _ours("deep_lift_reveal_cancel", "rescale"),
    _ours("attn_lrp", "relevance", options={"epsilon": 1e-12}),
    _ours("sobol", "total indices", options={"n_designs": 64, "cells": 3, "sampler": "random"}, groups=("linear",)),
    _ours("cam", "9 × map", where=PATCH),
    _ours("linear_approximation", "map", where=PATCH),
    _ours("deconvnet", "gradient × map", options={"channel": 0}, where=PATCH),
    _ours("filter_guided_backprop", "gradient", options={"channel": 0}, where=PATCH),
    _keras("saliency", "|gradient|", {"keepdims": True, "normalize_map": False}),
    _keras("smooth_grad", "|gradient|", {"keepdims": True, "normalize_map": False}, where=("linear",)),
    _keras("grad_cam", "map", {**PLAIN_CAM, "normalize_cam": False}, where=PATCH),
    _keras("layer_cam", "map", {**PLAIN_CAM, "normalize_cam": False}, where=PATCH),
    _keras("grad_cam++", "map ÷ maximum", PLAIN_CAM, where=PATCH),
    Row("zennit", "lrp", "relevance", {"composite": "epsilon", "stabilizer": 1e-12}, where=LAYERED),
    Row("zennit", "deep_taylor", "taylor", {"stabilizer": 1e-12}, where=PATCH),
    Row("zennit", "excitation_backprop", "winner", {"stabilizer": 1e-12}, where=PATCH),
    Row("zennit", "layer_lrp", "channels", {"composite": "epsilon", "stabilizer": 1e-12}, where=PATCH),
    Row("zennit", "layer_deep_taylor", "channels", {"stabilizer": 1e-12}, where=PATCH),
    Row("zennit", "layer_excitation_backprop", "channel winner", {"stabilizer": 1e-12}, where=PATCH),
)

_MASKS = "averages masks drawn at random, whose edges are smooth: it has no closed form on these models"
_COMPONENT = "is a component of the layer's activations, whatever the output"
#: Methods of which nothing is known here in closed form, and why; what can be asked of all is where their values lie.
WITHOUT: Mapping[tuple[str, str], str] = {
    ("captum", "lime_base"): "consists of parts that the caller gives",
    ("captum", "layer_feature_permutation"): "is refused by Captum for models of several outputs",
    ("metannvis", "rise"): _MASKS,
    ("metannvis", "extremal_perturbation"): "is what a descent of a fixed number of steps ends at",
    ("metannvis", "blur_integrated_gradients"): "follows a path of blurred images",
    ("metannvis", "xrai"): "ranks segments",
    ("metannvis", "layer_vanilla_gradient"): "is taken at an image of noise",
    ("tf-keras-vis", "score_cam"): "weighs channels by the output for images under masks that are enlarged bilinearly",
    ("grad-cam", "score_cam"): "weighs channels by the output for images under masks that are enlarged bilinearly",
    ("grad-cam", "full_grad"): "makes maps of biases, and the network of images has none",
    ("grad-cam", "random_cam"): "has random weights",
    **dict.fromkeys(
        [
            ("grad-cam", key)
            for key in (
                "eigen_cam",
                "eigen_grad_cam",
                "seg_eigen_cam",
                "kpca_cam",
                "fem",
                "deep_feature_factorization",
            )
        ],
        _COMPONENT,
    ),
}
#: Those that have no map of the planted patch at all.
PARTS = (
    ("captum", "lime_base"),
    ("captum", "layer_feature_permutation"),
    ("grad-cam", "full_grad"),
    ("grad-cam", "deep_feature_factorization"),
    ("metannvis", "layer_vanilla_gradient"),
)
#: Options of the others.
OPTIONS: Mapping[tuple[str, str], Mapping[str, Any]] = {
    ("metannvis", "rise"): {"n_masks": 500, "cells": 3},
    ("metannvis", "extremal_perturbation"): {"n_steps": 200},
    ("tf-keras-vis", "score_cam"): PLAIN_CAM,
}
