"""RISE and Sobol against the forward passes that they take, on MobileNetV2 at 224: ``python benchmarks/perturbation.py``."""

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


def seconds(run: Callable[[], object]) -> float:
    """Of the processor, which other processes do not change; the fastest of three."""
    times = []
    for _ in range(3):
        started = time.process_time()
        run()
        times.append(time.process_time() - started)
    return min(times)


def main() -> None:
    """Print a line a framework and method: seconds of the method, of its passes alone, and their ratio."""
    source = keras.applications.MobileNetV2(weights=None)
    x = np.random.default_rng(0).uniform(-1, 1, (1, 224, 224, 3)).astype("float32")
    # masked as RISE masks them: a pass of numbers that are nearly zero takes longer than one of others
    grids = np.random.default_rng(1).random((CHUNK, 7, 7, 1)) < 0.5
    rows = (x * np.kron(grids, np.ones((1, 32, 32, 1)))).astype("float32")
    first = np.ascontiguousarray(rows.transpose(0, 3, 1, 2))
    native = translate(source, "torch", example_inputs=x).model.eval()

    def passes_keras() -> None:
        for _ in range(ROWS // CHUNK):
            source(rows, training=False)

    def passes_torch() -> None:
        with torch.no_grad():
            for _ in range(ROWS // CHUNK):
                native(torch.from_numpy(first))

    for name, model, given, passes in (("torch", native, first[:1], passes_torch), ("keras", source, x, passes_keras)):
        one = seconds(passes) / ROWS
        for method, words, count in (
            ("rise", {"n_masks": ROWS}, ROWS),
            ("sobol", {"n_designs": DESIGNS, "cells": 4}, DESIGNS * 17),
        ):
            run = functools.partial(explain, model, method, given, target=1, seed=0, batch_size=CHUNK, **words)
            taken, alone = seconds(run), one * (count + 1)
            sys.stdout.write(f"{name} {method}: {taken:.2f} s, {alone:.2f} s for its passes: {taken / alone:.3f}\n")


if __name__ == "__main__":
    main()
