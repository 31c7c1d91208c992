"""RISE and Sobol against the forward passes that they take, on MobileNetV2 at 224.

``python benchmarks/perturbation.py [torch] [keras]``, with one thread a process (``OMP_NUM_THREADS`` and the like).
"""

from __future__ import annotations

import functools
import sys
import time
from collections.abc import Callable

import numpy as np
from metannvis_methods import explain
from metannvis_translate import translate
from metannvis_translate.frameworks.requirements import require

keras = require("keras")
torch = require("torch")
#: A tenth of the masks that RISE takes, beside which what is done once a call counts little; rows a pass; designs of Sobol.
ROWS, CHUNK, DESIGNS = 384, 32, 24


def seconds(*runs: Callable[[], object]) -> list[float]:
    """Of the processor, the fastest of four of each, in turn: other processes change how much a run gets done in a second."""
    times = []
    for _ in range(4):
        taken = []
        for run in runs:
            started = time.process_time()
            run()
            taken.append(time.process_time() - started)
        times.append(taken)
    return [min(one) for one in zip(*times, strict=True)]


def main() -> None:
    """Print a line a framework and method: seconds of the method, of its passes alone, and their ratio."""
    source = keras.applications.MobileNetV2(weights=None)
    x = np.random.default_rng(0).uniform(-1, 1, (1, 224, 224, 3)).astype("float32")
    # of random weights without statistics of their own the numbers fade layer by layer, and nearly zero ones take longer
    for layer in source.layers:
        if hasattr(layer, "momentum"):
            layer.momentum = 0.0
    source(x, training=True)
    # masked as each method masks them
    drawn = np.random.default_rng(1).random((CHUNK, 7, 7, 1))
    masks = {
        "rise": np.kron(drawn < 0.5, np.ones((1, 32, 32, 1))),
        "sobol": np.kron(drawn[:, :4, :4], np.ones((1, 56, 56, 1))),
    }
    rows = {method: (x * mask).astype("float32") for method, mask in masks.items()}
    native = translate(source, "torch", example_inputs=x).model.eval()

    def passes_keras(method: str) -> None:
        for _ in range(ROWS // CHUNK):
            source(rows[method], training=False)

    def passes_torch(method: str) -> None:
        first = np.ascontiguousarray(rows[method].transpose(0, 3, 1, 2))
        with torch.no_grad():
            for _ in range(ROWS // CHUNK):
                native(torch.from_numpy(first))

    frameworks = {
        "torch": (native, np.ascontiguousarray(x.transpose(0, 3, 1, 2)), passes_torch),
        "keras": (source, x, passes_keras),
    }
    for name in sys.argv[1:] or frameworks:
        model, given, passes = frameworks[name]
        for method, words, count in (
            ("rise", {"n_masks": ROWS}, ROWS),
            ("sobol", {"n_designs": DESIGNS, "cells": 4}, DESIGNS * 17),
        ):
            run = functools.partial(explain, model, method, given, target=1, seed=0, batch_size=CHUNK, **words)
            alone, taken = seconds(functools.partial(passes, method), run)
            alone *= (count + 1) / ROWS
            sys.stdout.write(f"{name} {method}: {taken:.2f} s, {alone:.2f} s for its passes: {taken / alone:.3f}\n")
            sys.stdout.flush()


if __name__ == "__main__":
    main()
