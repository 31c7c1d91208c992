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
    "VGG16, saliency": ("torch", "VGG16", "saliency", "torch"),
    "VGG16, saliency, PyTorch to Keras": ("torch", "VGG16", "saliency", "keras"),
    "VGG16, saliency, Keras to PyTorch": ("keras", "VGG16", "saliency", "torch"),
    "MobileNetV2, LIME, 1000 samples": ("torch", "torchvision", "lime", "torch"),
}
TARGET = 3
#: Turns of both sides, and seconds of a case.
COUNT, SECONDS = 100, 30.0
#: Seconds from which both are called once before they are measured.
LONG = 5.0
#: Samples of LIME, and how many pass at once.
SAMPLES, ROWS = 1000, 10


def network(framework: str, name: str) -> Any:
    """A network in a framework, and an input in its layout."""
    import networks

    if name == "small":
        return small(framework)
    x = networks.example()
    if framework == "keras":
        return networks.make_keras(name), np.moveaxis(x, 1, -1)
    if name in ("ResNet18", "torchvision"):
        import torchvision

        if name == "ResNet18":
            return torchvision.models.resnet18().eval(), x
        return torchvision.models.mobilenet_v2().eval(), photograph()
    return networks.make(name), x


def photograph() -> Any:
    """Part of the flower that comes with scikit-learn, 224 x 224, as networks of torchvision take it."""
    from sklearn.datasets import load_sample_image

    pixels = load_sample_image("flower.jpg")[100:324, 200:424].astype(np.float32) / 255
    return ((pixels - (0.485, 0.456, 0.406)) / (0.229, 0.224, 0.225)).transpose(2, 0, 1)[None].astype(np.float32)


def passes(model: Any, x: Any) -> Callable[[], Any]:
    """As many forward passes as LIME makes, so many samples at once."""
    import torch

    batch = torch.from_numpy(np.repeat(x, ROWS, axis=0))

    def run() -> None:
        with torch.no_grad():
            for _ in range(0, SAMPLES, ROWS):
                model(batch)

    return run


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


def measure(case: str, count: int, seconds: float) -> dict[str, Any]:
    """Seconds of the processor that both take at least, and medians of their differences and ratios, turn by turn.

    The processor's time is that on the clock where nothing else runs; where something does, it is still that of the calls.
    """
    from metannvis_methods import explain

    source, name, method, runs_in = CASES[case]
    model, x = network(source, name)
    twin, at = (model, x) if source == runs_in else network(runs_in, name)
    if source != runs_in:  # with the same numbers: those that are nearly zero take longer
        copy_weights(source, model, twin)
    words: dict[str, Any] = {"toolset": "captum" if runs_in == "torch" else "tf-keras-vis", "target": TARGET}
    words |= {"layer": "layer4"} if method == "grad_cam" else {}
    words |= {"batch_size": 10} if method == "integrated_gradients" else {}
    words |= {"num_samples": SAMPLES, "batch_size": ROWS, "seed": 0, "unfit": "ignore"} if method == "lime" else {}
    words |= {"translation": {"verify": False}} if source != runs_in else {}  # a check is no part of a later call
    calls = [bare(runs_in, twin, at, method), lambda: explain(model, method, x, **words)]
    if method == "lime":
        calls[0] = passes(twin, at)
    return turn_by_turn(calls, count, seconds)


def turn_by_turn(calls: list[Callable[[], Any]], count: int, seconds: float) -> dict[str, Any]:
    """The toolkit's call and ours, ``count`` times each, or as often as there is time for, three times at least."""
    began = time.perf_counter()
    for call in calls:
        call()
    end = time.perf_counter() + seconds
    if time.perf_counter() - began < LONG:  # what is made once is made by now; the rest is a matter of caches
        for call in calls * 2:
            call()
    work: list[list[float]] = [[], []]
    turn = 0
    while turn < 3 or (turn < count and time.perf_counter() < end):
        for k in (0, 1) if turn % 2 else (1, 0):
            began = time.process_time()
            calls[k]()
            work[k].append(time.process_time() - began)
        turn += 1
    pairs = list(zip(*work, strict=True))
    return {
        "turns": turn,
        "bare": min(work[0]),
        "explain": min(work[1]),
        "more": statistics.median(ours - theirs for theirs, ours in pairs),
        "ratio": statistics.median(ours / theirs for theirs, ours in pairs),
        "best": min(work[1]) / min(work[0]),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("case", choices=CASES)
    parser.add_argument("--count", type=int, default=COUNT, help="turns of both at most")
    parser.add_argument("--seconds", type=float, default=SECONDS, help="after which no turn begins, but for the third")
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")
    print(json.dumps(measure(arguments.case, arguments.count, arguments.seconds)))


if __name__ == "__main__":
    main()
