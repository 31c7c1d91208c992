"""Quantus' metrics: a module that asks the model for predictions is handed over, never the model itself.

Quantus keeps hooks and state on a model, and takes PyTorch's and Keras' alone. What it gets here predicts as the caller's model
does, whatever that is.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from types import ModuleType
from typing import Any

import numpy as np
from metannvis_translate.frameworks import is_installed, require

from metannvis_methods.errors import InvalidArgumentError, MetannvisError, MissingFrameworkError, ToolsetError
from metannvis_methods.extras import HEADLESS, about_opencv, require_extra
from metannvis_methods.metrics.faithfulness.removal import area
from metannvis_methods.metrics.quantus.rows import CLASSES, TAKES_MAPS
from metannvis_methods.metrics.spec import MetricCall, MetricOutput

__all__ = ["run"]

Array = np.ndarray[Any, Any]
#: What a curve of these is made into, one number a sample.
FROM_CURVES: dict[str, Callable[[Array], Array]] = {
    "pixel_flipping": area,
    "region_perturbation": lambda curves: np.asarray(curves.mean(1)),
    "selectivity": area,
}
#: Metrics of faithfulness that Quantus does not take probabilities for by itself.
OF_OUTPUTS = ("infidelity", "faithfulness_correlation", "faithfulness_estimate")


def run(call: MetricCall, **options: Any) -> MetricOutput:
    """The metric of Quantus that the row of a call names, with options by its names.

    Raises
    ------
    MissingFrameworkError
        Quantus or PyTorch is not installed.
    ToolsetError
        Quantus raised an error of its own, which is chained.
    """
    spec = call.spec
    torch = require("torch")
    quantus = _imported()
    x = _channels_first(call.inputs)
    maps = spec.category in TAKES_MAPS
    values = call.maps()[:, None] if maps else _channels_first(call.attributions)
    if spec.key == "top_k_intersection" and options["k"] > call.maps()[0].size:
        raise InvalidArgumentError(
            f"quantus:top_k_intersection: k is {options['k']}, and a map has {call.maps()[0].size}"
        )
    if "perturb_patch_sizes" in options:
        options = {**options, "perturb_patch_sizes": list(options["perturb_patch_sizes"])}
    probabilities = spec.category == "faithfulness" and spec.key not in OF_OUTPUTS
    asked: list[MetannvisError] = []

    class Predictions(torch.nn.Module):  # type: ignore[name-defined]  # of an optional framework
        """What Quantus takes for the model."""

        def forward(self, rows: Any) -> Any:
            given = np.moveaxis(rows.numpy(), 1, -1).astype(call.inputs.dtype)
            try:
                return torch.from_numpy(call.scores.classes(given, probabilities=probabilities))
            except MetannvisError as error:
                asked.append(error)
                raise

    def explain(model: Any, inputs: Any, targets: Any, **_: Any) -> Array:
        try:
            return _channels_first(call.again(np.moveaxis(np.asarray(inputs), 1, -1).astype(call.inputs.dtype)))
        except MetannvisError as error:
            asked.append(error)
            raise

    needs_model = spec.category not in TAKES_MAPS
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            metric = getattr(quantus, CLASSES[spec.key])(
                **options, return_aggregate=False, disable_warnings=True, display_progressbar=False
            )
            found = metric(
                model=Predictions().eval() if needs_model else None,
                x_batch=np.zeros_like(values) if maps else x,
                y_batch=np.array(call.scores.targets) if needs_model else np.zeros(call.samples, int),
                a_batch=values.copy(),
                s_batch=None if call.mask is None else call.mask[:, None].astype(float),
                channel_first=True,
                explain_func=explain,
                softmax=False,
                batch_size=call.samples,
            )
    except Exception as error:  # whatever Quantus raises
        if asked:  # an error of ours, on its way through Quantus
            raise asked[0] from error
        raise ToolsetError(f"Quantus' {CLASSES[spec.key]} failed: {type(error).__name__}: {error}") from error
    array = np.asarray(found, np.float64)
    notes: tuple[str, ...] = ()
    if not maps and call.inputs.shape[-1] > 1 and spec.category == "faithfulness":
        notes = ("Quantus takes each channel of a pixel for a feature of its own",)
    if spec.key in FROM_CURVES:
        curves = array.reshape(call.samples, -1)
        return MetricOutput(FROM_CURVES[spec.key](curves), curves, tuple(range(1, curves.shape[1] + 1)), notes)
    return MetricOutput(array.reshape(-1), notes=notes)


def _imported() -> ModuleType:
    """Quantus, imported; it imports TensorFlow where that is installed, and Python warns of its docstrings.

    Raises
    ------
    MissingFrameworkError
        It is not installed, or the OpenCV that it asks for lacks libraries of a desktop (``libGL``).
    """
    if is_installed("tensorflow"):
        require("tensorflow")  # after PyTorch, which is safe
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return require_extra("quantus", "quantus", "Quantus")
        except MissingFrameworkError as error:
            raise MissingFrameworkError(
                f"{error}. It brings opencv-python, which takes the place of the opencv-python-headless that grad-cam asks for "
                f"and cannot be imported without a desktop's libGL; there, do this after it: {HEADLESS}"
            ) from error
        except ImportError as error:
            raise MissingFrameworkError(f"Quantus cannot be imported: {error}{about_opencv(error)}") from error


def _channels_first(array: Array) -> Array:
    return np.ascontiguousarray(np.moveaxis(array, -1, 1))
