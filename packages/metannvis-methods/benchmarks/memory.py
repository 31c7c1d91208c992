"""Memory and time of methods that multiply rows, bounded by ``batch_size``: ResNet-50 on 224 x 224, a process each.

Memory is the peak above the loaded model, against a forward and backward pass of as many rows; time is against the toolkit with
its own bound of as many, turn by turn in one process, of fewer steps.
"""

from __future__ import annotations

import argparse
import json
import sys
import threading
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "metannvis-translate" / "benchmarks"))

import calls

__all__ = ["FEW", "METHODS", "measure"]

ROWS, TARGET = 4, 3
#: Steps or draws, and turns, of a comparison of times.
FEW, TURNS = 16, 5
#: Words of ``explain``, and how often a sample passes.
METHODS: dict[str, dict[str, Any]] = {
    "integrated_gradients": {"n_steps": 200},
    "gradient_shap": {"n_samples": 50, "stdevs": 0.1, "seed": 0},
    "smoothgrad": {"seed": 0},
    "occlusion": {"sliding_window_shapes": (3, 32, 32), "strides": (3, 32, 32)},
}


def ours(method: str, model: Any, x: Any, words: dict[str, Any]) -> Callable[[], Any]:
    from metannvis_methods import SmoothGrad, explain

    more = {"baselines": 0 * x} if method == "gradient_shap" else {}
    if method == "smoothgrad":
        method, more = "saliency", {"noise": SmoothGrad(words.pop("n_samples", 50), 0.1)}
    return lambda: explain(model, method, x, target=TARGET, toolset="captum", batch_size=ROWS, **words, **more)


def theirs(method: str, model: Any, x: Any, words: dict[str, Any]) -> Callable[[], Any]:
    """The toolkit, with its own bound where it has one."""
    import captum.attr
    import torch

    tensor = torch.from_numpy(x)
    words.pop("seed", None)
    if method == "smoothgrad":
        tunnel = captum.attr.NoiseTunnel(captum.attr.Saliency(model))
        count = words.pop("n_samples", 50)
        return lambda: tunnel.attribute(
            tensor.clone(), nt_samples=count, nt_samples_batch_size=ROWS, stdevs=0.1, target=TARGET
        )
    if method == "occlusion":
        return lambda: captum.attr.Occlusion(model).attribute(
            tensor.clone(), target=TARGET, perturbations_per_eval=ROWS, **words
        )
    if method == "gradient_shap":  # which has none: a tunnel over as many draws at once
        shap = captum.attr.GradientShap(model)
        count = words.pop("n_samples")

        def run() -> Any:
            for _ in range(0, count, ROWS):
                shap.attribute(
                    tensor.clone(), 0 * tensor, n_samples=ROWS, target=TARGET, return_convergence_delta=True, **words
                )

        return run
    return lambda: captum.attr.IntegratedGradients(model).attribute(
        tensor.clone(), target=TARGET, internal_batch_size=ROWS, return_convergence_delta=True, **words
    )


def one_pass(model: Any, x: Any) -> Callable[[], Any]:
    import torch

    def run() -> None:
        inputs = torch.from_numpy(np.repeat(x, ROWS, axis=0)).requires_grad_()
        torch.autograd.grad(model(inputs)[:, TARGET].sum(), inputs)

    return run


def peak_of(run: Callable[[], Any]) -> dict[str, float]:
    """Megabytes above what the process holds."""
    import psutil

    process, done = psutil.Process(), threading.Event()
    before = peak = process.memory_info().rss

    def sample() -> None:
        nonlocal peak
        while not done.wait(0.005):
            peak = max(peak, process.memory_info().rss)

    thread = threading.Thread(target=sample, daemon=True)
    thread.start()
    run()
    done.set()
    thread.join()
    return {"megabytes": (peak - before) / 2**20}


def measure(who: str, method: str, count: int | None) -> dict[str, Any]:
    """Megabytes of a pass, of ours or of theirs, or the seconds of both."""
    import captum.attr  # noqa: F401  # what is loaded is no part of the peak
    import metannvis_methods  # noqa: F401
    import networks
    from metannvis_methods import explain

    model, x = networks.make("ResNet50"), networks.example()
    small = np.zeros((1, 3, 32, 32), np.float32)
    explain(model, "saliency", small, target=TARGET, toolset="captum", unfit="ignore")  # what is loaded late
    words = dict(METHODS.get(method, {}))
    if count is not None and method != "occlusion":
        words["n_steps" if method == "integrated_gradients" else "n_samples"] = count
    if who == "pass":
        return peak_of(one_pass(model, x))
    if who == "times":
        pair = [theirs(method, model, x, dict(words)), ours(method, model, x, dict(words))]
        return calls.turn_by_turn(pair, TURNS, calls.SECONDS)
    return peak_of((ours if who == "ours" else theirs)(method, model, x, words))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("who", choices=("pass", "ours", "theirs", "times"))
    parser.add_argument("method", choices=METHODS, nargs="?", default="integrated_gradients")
    parser.add_argument("--count", type=int, help="steps or draws, where fewer will do")
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")
    print(json.dumps(measure(arguments.who, arguments.method, arguments.count)))


if __name__ == "__main__":
    main()
