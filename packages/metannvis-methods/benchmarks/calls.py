"""What a call costs beside its method: ``explain`` and the bare toolkit call, turn by turn in one process."""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "metannvis-translate" / "benchmarks"))

__all__ = ["CASES", "measure"]

#: Name of a case: the source's framework, a network, a method, the toolset's framework.
CASES = {
    "small CNN, saliency": ("torch", "small", "saliency", "torch"),
    "small CNN, saliency, Keras": ("keras", "small", "saliency", "keras"),
    "ResNet-18, saliency": ("torch", "ResNet18", "saliency", "torch"),
    "ResNet-50, saliency": ("torch", "ResNet50", "saliency", "torch"),
    "ResNet-50, Grad-CAM": ("torch", "ResNet50", "grad_cam", "torch"),
    "ResNet-18, integrated gradients, 50 steps": ("torch", "ResNet18", "integrated_gradients", "torch"),
    "MobileNetV2, saliency, Keras": ("keras", "MobileNetV2", "saliency", "keras"),
    "MobileNetV2, saliency, PyTorch to Keras": ("torch", "MobileNetV2", "saliency", "keras"),
    "MobileNetV2, saliency, Keras to PyTorch": ("keras", "MobileNetV2", "saliency", "torch"),
    "VGG16, saliency, PyTorch to Keras": ("torch", "VGG16", "saliency", "keras"),
    "VGG16, saliency, Keras to PyTorch": ("keras", "VGG16", "saliency", "torch"),
}
TARGET = 3


def network(framework: str, name: str) -> Any:
    """A network in a framework, and an input in its layout."""
    import networks

    if name == "small":
        return small(framework)
    x = networks.example()
    if framework == "keras":
        return networks.make_keras(name), np.moveaxis(x, 1, -1)
    if name == "ResNet18":
        import torchvision

        return torchvision.models.resnet18().eval(), x
    return networks.make(name), x


def copy_weights(source: str, model: Any, twin: Any) -> None:
    import networks

    if source == "keras":
        networks.copy_from_keras(model, twin)
    else:
        networks.copy_to_keras(model, twin)


def small(framework: str) -> Any:
    x = np.random.default_rng(0).standard_normal((1, 1, 28, 28)).astype(np.float32)
    if framework == "keras":
        import keras

        layers = keras.layers
        model = keras.Sequential(
            [keras.Input((28, 28, 1)), layers.Conv2D(4, 3), layers.ReLU(), layers.Flatten(), layers.Dense(10)]
        )
        return model, np.moveaxis(x, 1, -1)
    from torch import nn

    return nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(4 * 26 * 26, 10)).eval(), x


def bare(framework: str, model: Any, x: Any, method: str) -> Callable[[], Any]:
    """The toolkit's own call on a model of its framework."""
    if framework == "keras":
        from tf_keras_vis.saliency import Saliency
        from tf_keras_vis.utils.scores import CategoricalScore

        return lambda: Saliency(model)(CategoricalScore([TARGET]), x)
    import captum.attr
    import torch

    tensor = torch.from_numpy(x)
    if method == "grad_cam":
        return lambda: captum.attr.LayerGradCam(model, model.layer4).attribute(tensor.clone(), target=TARGET)
    if method == "integrated_gradients":
        return lambda: captum.attr.IntegratedGradients(model).attribute(
            tensor.clone(), target=TARGET, internal_batch_size=10, return_convergence_delta=True
        )
    return lambda: captum.attr.Saliency(model).attribute(tensor.clone(), target=TARGET)


def measure(case: str, count: int) -> dict[str, Any]:
    """Median seconds of both, and of their differences and ratios, which were taken turn by turn."""
    from metannvis_methods import explain

    source, name, method, runs_in = CASES[case]
    model, x = network(source, name)
    twin, at = (model, x) if source == runs_in else network(runs_in, name)
    if source != runs_in:  # with the same numbers: those that are nearly zero take longer
        copy_weights(source, model, twin)
    words: dict[str, Any] = {"toolset": "captum" if runs_in == "torch" else "tf-keras-vis", "target": TARGET}
    words |= {"layer": "layer4"} if method == "grad_cam" else {}
    words |= {"batch_size": 10} if method == "integrated_gradients" else {}
    words |= {"translation": {"verify": False}} if source != runs_in else {}  # a check is no part of a later call
    calls = [bare(runs_in, twin, at, method), lambda: explain(model, method, x, **words)]
    for call in calls * 2:
        call()
    seconds: list[list[float]] = [[], []]
    work: list[list[float]] = [[], []]
    for turn in range(count):
        for k in (0, 1) if turn % 2 else (1, 0):
            start, began = time.perf_counter(), time.process_time()
            calls[k]()
            seconds[k].append(time.perf_counter() - start)
            work[k].append(time.process_time() - began)
    pairs = list(zip(*seconds, strict=True))
    return {
        "bare": statistics.median(seconds[0]),
        "explain": statistics.median(seconds[1]),
        "ratio": statistics.median(ours / theirs for theirs, ours in pairs),
        "more": statistics.median(ours - theirs for theirs, ours in pairs),
        "best": min(seconds[1]) / min(seconds[0]),
        "cpu": statistics.median(ours / theirs for theirs, ours in zip(*work, strict=True)),
        "cpu_best": min(work[1]) / min(work[0]),
        "cpu_more_ms": 1000 * (min(work[1]) - min(work[0])),
        "cpu_bare_ms": 1000 * (min(work[0])),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("case", choices=CASES)
    parser.add_argument("--count", type=int, default=15)
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")
    print(json.dumps(measure(arguments.case, arguments.count)))


if __name__ == "__main__":
    main()
