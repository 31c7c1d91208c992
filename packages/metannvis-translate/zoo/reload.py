"""Translations saved, and opened again where nothing of ours is: what ``reload_apart.py`` finds, held against the source."""

from __future__ import annotations

import copy
import json
import subprocess
import sys
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

__all__ = ["Job", "keras_inputs", "run_apart", "source_run", "still_in_training"]

Array = np.ndarray[Any, Any]
HERE = Path(__file__).parent


@dataclass
class Job:
    """A saved model, and what its source does on the same inputs."""

    name: str
    path: Path
    #: in the source's layout
    outputs: list[Array]
    gradients: list[Array | None]
    cotangents: list[Array]
    #: in the model's own
    inputs: list[Array]
    #: port by port: axis k of the model's tensor is axis p[k] of the source's
    input_orders: list[tuple[int, ...]]
    output_orders: list[tuple[int, ...]]
    fit: bool = False
    #: weights of the source whose gradient is nothing but rounding, such as a bias that is added in front of a softmax
    still: frozenset[str] = frozenset()
    row: dict[str, Any] = field(default_factory=dict)

    @property
    def custom(self) -> bool:
        """Whether the file names a class that only we have."""
        with zipfile.ZipFile(self.path) as file:
            return "metannvis" in file.read("config.json").decode()

    def stuck(self) -> list[str]:
        """Weights that ``fit`` left as they were though the source's gradient moves them, once :func:`run_apart` ran."""
        return [path for path in self.row["unchanged"] if not self.still.intersection(_source_names(path))]

    def errors(self) -> dict[str, float]:
        """Largest relative error a sample of outputs and gradients, once :func:`run_apart` ran."""
        with np.load(self.path.with_suffix(".out.npz")) as file:
            found = dict(file)
        worst = {"outputs": 0.0, "gradients": 0.0}
        for k, expected in enumerate(self.outputs):
            ours = _back(found[f"y{k}"], self.output_orders[k])
            worst["outputs"] = max(worst["outputs"], relative(ours, expected))
        for k, gradient in enumerate(self.gradients):
            if gradient is not None:
                ours = _back(found[f"g{k}"], self.input_orders[k])
                worst["gradients"] = max(worst["gradients"], relative(ours, gradient))
        return worst


def _source_names(path: str) -> tuple[str, ...]:
    """What a weight of the translation may be called in the source: that of a layer, or a parameter that became a layer."""
    layer, _, part = path.rpartition("/")
    parts = {"kernel": "weight", "depthwise_kernel": "weight", "gamma": "weight", "beta": "bias"}
    return f"{layer}.{parts.get(part, part)}", layer, layer.rpartition(".")[0]  # the last without a number behind it


def relative(ours: Array, theirs: Array) -> float:
    """Largest relative error of a sample; infinite where shapes or what is not finite differ."""
    if ours.shape != theirs.shape:
        return np.inf
    a, b = (np.asarray(x, "float64").reshape(len(theirs) if theirs.ndim else 1, -1) for x in (ours, theirs))
    if a.size == 0:
        return 0.0
    if not np.isfinite(a).all():
        return np.inf
    error, scale = np.abs(a - b).max(axis=1), np.abs(b).max(axis=1)
    return float(np.where(error == 0, 0.0, error / np.maximum(scale, 1e-300)).max())


def _back(array: Array, order: Sequence[int]) -> Array:
    return array.transpose(np.argsort(order)) if array.ndim == len(order) else array


#: A weight's gradient is rounding where it is this much smaller than the largest one of the network, in single precision.
STILL = 1e-7


def source_run(model: Any, inputs: Any) -> tuple[list[Array], list[Array | None], list[Array], int, frozenset[str]]:
    """What a PyTorch module puts out, its input gradients and the cotangents they are for.

    Also how many elements of weights take part, and which weights have a gradient of nothing but rounding.
    """
    import torch
    from metannvis_translate.frameworks.torch.hooks import tensors_in

    keys = list(inputs) if isinstance(inputs, Mapping) else None
    arrays = list(inputs.values()) if isinstance(inputs, Mapping) else list(inputs)
    tensors = [torch.from_numpy(np.array(array)) for array in arrays]
    for tensor in tensors:
        tensor.requires_grad_(tensor.is_floating_point())
    found = tensors_in(model(**dict(zip(keys, tensors, strict=True))) if keys else model(*tensors))
    random = np.random.default_rng(7)
    cotangents = [np.asarray(random.standard_normal(tuple(y.shape))) for y in found]
    floats = [t for t in tensors if t.is_floating_point()]
    named = {name: p for name, p in model.named_parameters() if p.requires_grad}
    weights = list(named.values())
    ends = [(y * torch.from_numpy(c).to(y)).sum() for y, c in zip(found, cotangents, strict=True) if y.requires_grad]
    gradients: list[Any] = [None] * (len(floats) + len(weights))
    if ends and gradients:
        gradients = list(torch.autograd.grad(torch.stack(ends).sum(), [*floats, *weights], allow_unused=True))
    twice = {  # the second bias of such a layer, which Keras has summed up with the first one
        id(weight)
        for module in model.modules()
        if isinstance(module, (torch.nn.LSTM, torch.nn.RNN))
        for name, weight in module.named_parameters()
        if name.startswith("bias_hh")
    }
    used = sum(
        w.numel()
        for w, g in zip(weights, gradients[len(floats) :], strict=True)
        if g is not None and id(w) not in twice
    )
    still = _still(dict(zip(named, gradients[len(floats) :], strict=True)))
    of_inputs = iter(gradients[: len(floats)])
    rows: list[Array | None] = []
    for tensor in tensors:
        gradient = next(of_inputs) if tensor.is_floating_point() else None
        zeros = torch.zeros_like(tensor) if tensor.is_floating_point() and ends else None
        rows.append((gradient if gradient is not None else zeros).numpy() if zeros is not None else None)
    return [y.detach().numpy() for y in found], rows, cotangents, used, still


def still_in_training(model: Any, inputs: Any) -> frozenset[str]:
    """Weights whose gradient is nothing but rounding in training mode, such as an offset in front of a normalisation."""
    import torch
    from metannvis_translate.frameworks.torch.hooks import tensors_in

    model = copy.deepcopy(model).train()
    arrays = inputs if isinstance(inputs, Mapping) else dict(enumerate(inputs))
    tensors = {key: torch.from_numpy(np.array(array)) for key, array in arrays.items()}
    found = tensors_in(model(**tensors) if isinstance(inputs, Mapping) else model(*tensors.values()))
    sum(y.square().sum() for y in found if y.requires_grad).backward()
    return _still({name: weight.grad for name, weight in model.named_parameters() if weight.requires_grad})


def _still(gradients: Mapping[str, Any]) -> frozenset[str]:
    sizes = {name: float(g.abs().max()) for name, g in gradients.items() if g is not None and g.numel()}
    return frozenset(name for name, size in sizes.items() if size <= STILL * max(sizes.values()))


def keras_inputs(translation: Any, inputs: Any) -> list[Array]:
    """Inputs in the order and the layout of the Keras model."""
    arrays = list(inputs.values()) if isinstance(inputs, Mapping) else list(inputs)
    return [
        np.ascontiguousarray(array.transpose(port.permutation)) if array.ndim == len(port.permutation) else array
        for array, port in zip(arrays, translation.inputs, strict=True)
    ]


def job_of(name: str, path: Path, model: Any, translation: Any, inputs: Any, *, fit: bool = False) -> tuple[Job, int]:
    """A job for a saved translation of a PyTorch module, and how many of the module's weights take part."""
    outputs, gradients, cotangents, used, still = source_run(model, inputs)
    ports = translation.outputs
    # Keras counts the entries of a dict in the order of their keys
    counted = sorted(range(len(ports)), key=lambda k: k if ports[k].place is None else ports[k].place)
    job = Job(
        name, path, [outputs[k] for k in counted], gradients, [cotangents[k] for k in counted],
        keras_inputs(translation, inputs), [port.permutation for port in translation.inputs],
        [ports[k].permutation for k in counted], fit, still,
    )  # fmt: skip
    return job, used


def run_apart(jobs: Sequence[Job], folder: Path, *, seconds: float = 1800) -> None:
    """Open every job's model in one fresh process for those without custom layers, and one for those with."""
    for custom in (False, True):
        chosen = [job for job in jobs if job.custom is custom]
        if not chosen:
            continue
        texts = []
        for job in chosen:
            cotangents = {
                f"c{k}": c.transpose(order) if c.ndim == len(order) else c
                for k, (c, order) in enumerate(zip(job.cotangents, job.output_orders, strict=True))
            }
            np.savez(job.path.with_suffix(".in.npz"), **{f"x{k}": x for k, x in enumerate(job.inputs)}, **cotangents)
            texts.append(
                {
                    "model": str(job.path),
                    "inputs": str(job.path.with_suffix(".in.npz")),
                    "outputs": str(job.path.with_suffix(".out.npz")),
                    "custom": custom,
                    "fit": job.fit,
                }
            )
        listed = folder / f"jobs_{int(custom)}.json"
        listed.write_text(json.dumps(texts))
        done = subprocess.run(
            [sys.executable, str(HERE / "reload_apart.py"), str(listed)],
            capture_output=True, text=True, timeout=seconds, check=False,
        )  # fmt: skip
        result = listed.with_suffix(".done")
        rows = json.loads(result.read_text()) if result.exists() else [{"error": done.stderr[-1000:]}] * len(chosen)
        for job, row in zip(chosen, rows, strict=True):
            job.row = row
