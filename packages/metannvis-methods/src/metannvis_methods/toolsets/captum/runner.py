"""Captum's runner, which runs every method of Captum."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import Any, Literal

from metannvis_methods.errors import UnfitWarning
from metannvis_methods.models.arrays import in_order
from metannvis_methods.registry.spec import MethodSpec
from metannvis_methods.registry.toolset import MethodCall, MethodOutput
from metannvis_methods.running.notices import tell
from metannvis_methods.toolsets.cam_formulas import MAP_AXES
from metannvis_methods.toolsets.load import load_class

__all__ = ["run"]

#: Methods whose draws are interpolated and differentiated in pieces.
GRADIENT_SHAP = ("gradient_shap", "layer_gradient_shap", "neuron_gradient_shap")
#: Share of the size of attributions by which their sum may miss what it should be; single precision has 1e-5 at most.
INCOMPLETE = 1e-3
#: What Captum says of its own doings, which the guard undoes or the caller knows.
EXPECTED = (
    "Setting forward, backward hooks and attributes on non-linear",
    "Setting backward hooks on ReLU activations",
    "This method computes finite differences between evaluations at consecutive steps",
    "Input Tensor .* did not already require gradients",
    "You are providing multiple inputs for Lime / Kernel SHAP",
)


def run(call: MethodCall) -> MethodOutput:
    """Construct the method on the model and call it."""
    if call.spec.key == "lime" and "num_features" in call.call_options:
        from metannvis_methods.toolsets.captum.lime_reference import lime

        return lime(call)
    from metannvis_methods.toolsets.captum.unused_inputs import zero_gradients_of_unused

    cls = load_class(call.spec)
    arguments = call.call_arguments
    for argument in call.spec.call:
        if argument.role == "neuron":
            arguments[argument.name] = _selector(arguments.get(argument.name))
        if argument.role == "target":
            arguments[argument.name] = _target(arguments.get(argument.name))
        if argument.role == "per_eval" and call.spec.kind == "layer" and isinstance(call.target, list):
            arguments[argument.name] = 1  # a layer's ablation does not repeat the targets for its copies of the batch
    if "stdevs" in arguments:  # Captum refuses whole numbers
        given = arguments["stdevs"]
        arguments["stdevs"] = tuple(map(float, given)) if isinstance(given, (tuple, list)) else float(given)
    asked = call.spec.by_role("delta")
    if call.spec.base == "lrp":
        from metannvis_methods.toolsets.captum.lrp_rules import ActivationLRP, attach_rules, is_activation

        attach_rules(call.model, (*call.inputs, *in_order(arguments.get("additional_forward_args"))))
        cls = ActivationLRP if is_activation(call.layer) else cls
    with warnings.catch_warnings():
        for message in EXPECTED:
            warnings.filterwarnings("ignore", message=message)
        with _rules(call), _bounded(call), zero_gradients_of_unused():
            values = _attribute(cls, call, arguments)
    delta = None
    if asked is not None and arguments.get(asked.name):
        values, delta = values
        samples = len(call.inputs[0])
        if len(delta) != samples:  # one a random draw
            delta = delta.reshape(samples, -1).mean(dim=1)
        if call.spec.key in ("deep_lift", "deep_lift_shap") and arguments.get("custom_attribution_func") is None:
            _tell_incomplete(call, values, delta)
    if call.arrange is not None and call.spec.key == "grad_cam":
        return MethodOutput(values, over="layer", channels=False, axes=MAP_AXES[values.ndim])
    return MethodOutput(values, over=_over(call.spec, arguments), delta=delta)


def _attribute(cls: Any, call: MethodCall, arguments: dict[str, Any]) -> Any:
    """Construct the method on the model and call it."""
    drawn = call.spec.by_role("distribution")
    if call.arrange is not None and call.spec.key in ("grad_cam", "guided_grad_cam"):
        from metannvis_methods.toolsets.captum.arranged_cams import arranged_cam

        return arranged_cam(call, arguments)
    if call.spec.key == "layer_conductance" and arguments.get("method") is None:
        from metannvis_methods.toolsets.captum.conductance import conductance

        return conductance(cls(call.model, **call.init_arguments), arguments)
    # Captum has no mean of one baseline, and asks for the gradients of its copies of the inputs, which indices have none of
    indices = any(not x.is_floating_point() for x in call.inputs)
    if (
        drawn is None
        or call.spec.base != "deep_lift_shap"
        or not (call.batch_size or indices or _single(arguments[drawn.name]))
    ):
        return cls(call.model, **call.init_arguments).attribute(**arguments)
    import captum.attr

    from metannvis_methods.toolsets.captum.row_bounds import baselines_one_by_one

    one = getattr(captum.attr, cls.__name__.replace("Shap", ""))(call.model, **call.init_arguments)
    return baselines_one_by_one(
        lambda baseline: one.attribute(**{**arguments, drawn.name: baseline}), arguments[drawn.name]
    )


def _single(baselines: Any) -> bool:
    """Whether there is one baseline, of which Captum has no mean."""
    first = baselines[0] if isinstance(baselines, tuple) else baselines
    return bool(getattr(first, "shape", ())) and len(first) == 1


def _bounded(call: MethodCall) -> AbstractContextManager[Any]:
    """What bounds the rows of a pass where the toolkit has no option for it."""
    if call.batch_size is None or call.spec.key not in GRADIENT_SHAP:
        return nullcontext()
    from metannvis_methods.toolsets.captum.row_bounds import draws_in_pieces

    return draws_in_pieces(call.batch_size)


def _rules(call: MethodCall) -> AbstractContextManager[Any]:
    """What stands in for rules that the toolkit lacks or gets wrong, and for sums of too few digits, while the method runs."""
    if call.spec.key in ("shapley_values", "shapley_value_sampling"):
        from metannvis_methods.toolsets.captum.shapley_sums import summed_as_computed

        return summed_as_computed(call.model)  # inputs that are indices have no precision of their own
    if call.spec.base == "lrp":
        from metannvis_methods.toolsets.captum.lrp_rules import rules_beside_captum

        return rules_beside_captum(call.model)
    if call.spec.base not in ("deep_lift", "deep_lift_shap"):
        return nullcontext()
    from metannvis_methods.toolsets.captum.deep_lift_interception import own_rules

    eps = call.init_arguments.get("eps")
    return own_rules(call.model) if eps is None else own_rules(call.model, eps)


def _tell_incomplete(call: MethodCall, values: Any, delta: Any) -> None:
    """Warn if attributions do not sum to what they are said to (equation 1 of DeepLift): a function had no rule."""
    if call.init_arguments.get("multiply_by_inputs") is False:
        return
    parts = values if isinstance(values, tuple) else (values,)
    size = sum(part.abs().flatten(1).sum(1) for part in parts)
    worst = float((delta.abs() / size.clamp_min(1e-30)).detach().max())
    if worst > INCOMPLETE:
        tell(
            f"the attributions of {call.spec.key} miss the difference of the outputs by {worst:.1e} of their size: the model "
            "computes something nonlinear that DeepLift has no rule for",
            UnfitWarning,
        )


def _over(spec: MethodSpec, arguments: Mapping[str, Any]) -> Literal["input", "layer", "features"]:
    """What the values lie like: coefficients of a model of the features lie like nothing of the model that is explained."""
    if spec.kind == "layer":
        return "layer"
    features = spec.key == "lime_base" or arguments.get("return_input_shape") is False
    return "features" if features else "input"


def _target(target: Any) -> Any:
    """A target as Captum wants it: it does not repeat a list of one for its copies of the batch."""
    same = isinstance(target, list) and all(item == target[0] for item in target)
    return target[0] if same else target


def _selector(neuron: Any) -> Any:
    """A position as Captum wants it: an int, or a tuple of ints and slices."""
    if isinstance(neuron, list):
        return tuple(neuron)
    return neuron
