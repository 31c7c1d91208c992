"""Opens saved Keras models as somebody would who never heard of MetaNNvis: ``python reload_apart.py jobs.json``.

Only Keras and NumPy are imported; whatever of ours (or PyTorch) somebody asks for is refused, unless the job's model needs
our custom layers: then ``import metannvis_translate.keras_objects`` comes first and nothing else. Each job is a file of inputs
in the model's own layout; outputs and, for floats, input gradients are written back.
"""

from __future__ import annotations

import gc
import hashlib
import json
import sys
from importlib.abc import MetaPathFinder
from pathlib import Path
from typing import Any

OURS = ("metannvis", "torch", "onnx")


class Refusing(MetaPathFinder):
    """Stands in for an environment in which neither MetaNNvis nor PyTorch is installed."""

    def find_spec(self, fullname: str, path: Any = None, target: Any = None) -> None:
        """Refuse our names, know no other."""
        if fullname.startswith(OURS):
            raise ModuleNotFoundError(f"{fullname} must not be needed")


def load(path: str, *, custom: bool) -> Any:
    """The model of a ``.keras`` file, in safe mode."""
    import keras

    if custom:
        import metannvis_translate.keras_objects  # noqa: F401
    return keras.saving.load_model(path, compile=False)


def compute(model: Any, job: dict[str, Any]) -> None:
    """Outputs and input gradients, of the scalar product with given cotangents."""
    import keras
    import numpy as np
    import tensorflow as tf

    with np.load(job["inputs"]) as file:
        arrays = dict(file)
    inputs = [tf.convert_to_tensor(arrays[f"x{k}"]) for k in range(sum(name.startswith("x") for name in arrays))]
    floats = [x for x in inputs if x.dtype.is_floating]
    with tf.GradientTape(watch_accessed_variables=False) as tape:  # no gradients of weights are asked for
        for x in floats:
            tape.watch(x)
        structure = keras.tree.pack_sequence_as(model._inputs_struct, inputs)
        outputs = keras.tree.flatten(model(structure, training=False))
        ends = [(k, y) for k, y in enumerate(outputs) if y.dtype.is_floating]
        total = tf.add_n([tf.reduce_sum(y * tf.cast(arrays[f"c{k}"], y.dtype)) for k, y in ends]) if ends else None
    found = {f"y{k}": y.numpy() for k, y in enumerate(outputs)}
    if total is not None and floats:
        gradients = iter(tape.gradient(total, floats, unconnected_gradients=tf.UnconnectedGradients.ZERO))
        for k, x in enumerate(inputs):
            if x.dtype.is_floating:
                found[f"g{k}"] = tf.convert_to_tensor(next(gradients)).numpy()
    np.savez(job["outputs"], **found)


def fit(model: Any, job: dict[str, Any]) -> dict[str, Any]:
    """One epoch on random targets: how many elements can be trained, and which weights stayed as they were."""
    import keras
    import numpy as np

    with np.load(job["inputs"]) as file:
        inputs = [file[f"x{k}"] for k in range(sum(name.startswith("x") for name in file.files))]
    random = np.random.default_rng(0)
    given = keras.tree.pack_sequence_as(model._inputs_struct, inputs)
    outputs = model(given, training=False)
    targets = keras.tree.map_structure(lambda y: random.standard_normal(y.shape).astype(str(y.dtype.name)), outputs)
    model.compile(optimizer=keras.optimizers.Adam(1e-3), loss="mse")  # of each output
    before = [_digest(weight) for weight in model.trainable_weights]
    history = model.fit(given, targets, epochs=1, batch_size=2, verbose=0)
    same = [weight.path for weight, old in zip(model.trainable_weights, before, strict=True) if _digest(weight) == old]
    finite = bool(np.isfinite(history.history["loss"]).all()) and all(
        np.isfinite(weight.numpy()).all() for weight in model.trainable_weights
    )
    size = sum(int(np.prod(weight.shape)) for weight in model.trainable_weights)
    return {"trainable": size, "unchanged": same, "finite": finite}


def _digest(weight: Any) -> bytes:
    """Of a weight's values: a copy of all of them would be as large as the model."""
    return hashlib.blake2b(weight.numpy().tobytes()).digest()


def main() -> None:
    """Do the jobs of a file, and write beside it what came of each."""
    path = Path(sys.argv[1])
    jobs: list[dict[str, Any]] = json.loads(path.read_text())
    if not any(job["custom"] for job in jobs):
        sys.meta_path.insert(0, Refusing())
    rows: list[dict[str, Any]] = []
    for job in jobs:
        row: dict[str, Any] = {}
        try:
            model = load(job["model"], custom=job["custom"])
            compute(model, job)
            if job.get("fit"):
                row |= fit(model, job)
            del model  # the next one may be as large as the memory that is left
            gc.collect()
        except Exception as error:  # noqa: BLE001
            # whatever Keras raises is what the row has to say
            row["error"] = f"{type(error).__name__}: {' '.join(str(error).split())[:1000]}"
        loaded = [name for name in sys.modules if name.startswith(OURS)]
        if not job["custom"] and loaded:
            row["error"] = f"loaded {loaded[:3]}"
        rows.append(row)
    path.with_suffix(".done").write_text(json.dumps(rows))


if __name__ == "__main__":
    main()
