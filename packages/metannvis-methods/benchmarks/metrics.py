"""What insertion and deletion cost beside the passes that they are made of.

``python packages/metannvis-methods/benchmarks/metrics.py``: a network like a ResNet-18 at random weights, 224 × 224 pixels,
32 rows a pass, one thread; processor time, the least of three, turn by turn. Prints a line of JSON: seconds of the passes
alone and of the metric, and their ratio.
"""

from __future__ import annotations

import json
import time
from typing import Any

import numpy as np
from metannvis_methods import evaluate, explain
from metannvis_translate.frameworks import require

ROWS, PASSES, TURNS = 32, 2, 3


def network(torch: Any) -> Any:
    """As deep and wide as a ResNet-18, without its shortcuts."""
    nn = torch.nn

    def block(before: int, after: int, stride: int) -> list[Any]:
        found: list[Any] = []
        for size, step in ((before, stride), (after, 1)):
            found += [nn.Conv2d(size, after, 3, stride=step, padding=1), nn.BatchNorm2d(after), nn.ReLU()]
        return found

    torch.manual_seed(0)
    layers = [nn.Conv2d(3, 64, 7, stride=2, padding=3), nn.BatchNorm2d(64), nn.ReLU(), nn.MaxPool2d(3, 2, 1)]
    for before, after, stride in ((64, 64, 1), (64, 128, 2), (128, 256, 2), (256, 512, 2)):
        layers += [*block(before, after, stride), *block(after, after, 1)]
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(512, 1000)).eval()


def main() -> None:
    """Measure and print."""
    torch = require("torch")
    torch.set_num_threads(1)
    model = network(torch)
    x = np.random.default_rng(0).random((1, 3, 224, 224), np.float32)
    explanation = explain(model, "saliency", x, target=3, toolset="captum")
    batch = torch.from_numpy(np.repeat(x, ROWS, 0))

    def passes() -> float:
        begun = time.process_time()
        with torch.no_grad():
            for _ in range(PASSES):
                model(batch)
        return time.process_time() - begun

    def measured(metric: str) -> float:
        begun = time.process_time()
        # one step more than places are replaced at, and one row of the first prediction
        found = evaluate(model, explanation, metrics={metric: {"steps": ROWS * PASSES - 2}}, batch_size=ROWS)
        seconds = time.process_time() - begun
        assert not found.errors
        assert found.curves[found.methods[0], metric].shape == (1, ROWS * PASSES - 1)
        return seconds

    passes()
    found = {}
    for metric in ("deletion", "insertion"):
        turns = [(passes(), measured(metric)) for _ in range(TURNS)]
        bare, whole = (min(column) for column in zip(*turns, strict=True))
        found[metric] = {"passes": round(bare, 3), "metric": round(whole, 3), "ratio": round(whole / bare, 3)}
    print(json.dumps(found))


if __name__ == "__main__":
    main()
