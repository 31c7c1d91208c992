"""zennit's rows against zennit itself on the same networks: ``python benchmarks/relevance.py``.

Time of the processor, turn by turn, the median of several. zennit has a network written for it: sums of its own, batch norms
merged by its canonizer, which it does anew at every call, as anybody who calls it has it done.
"""

from __future__ import annotations

import functools
import statistics
import sys
import time
from collections.abc import Callable

import numpy as np
from metannvis_methods import explain
from metannvis_translate.frameworks.requirements import require

torch = require("torch")
torchvision = require("torchvision")
from zennit.attribution import Gradient  # noqa: E402
from zennit.composites import COMPOSITES  # noqa: E402
from zennit.torchvision import ResNetCanonizer, VGGCanonizer  # noqa: E402

TURNS, SIDE = 9, 224
#: Networks, and what brings them into the form that zennit has rules for.
NETWORKS = {"resnet18": ResNetCanonizer, "vgg11_bn": VGGCanonizer}
#: Rows, and the composites that they stand for.
ROWS = {"lrp": "epsilon_plus", "excitation_backprop": "excitation_backprop"}


def seconds(run: Callable[[], object]) -> float:
    """Of the processor."""
    started = time.process_time()
    run()
    return time.process_time() - started


def bare(model: object, x: object, composite: object, *, of_score: bool) -> object:
    """Relevance of class 1 by zennit."""

    def start(output: object) -> object:
        chosen = torch.zeros_like(output)
        chosen[:, 1] = output[:, 1].detach() if of_score else 1.0
        return chosen

    with Gradient(model=model, composite=composite) as attributor:
        return attributor(x, start)[1]


def main() -> None:
    """Print a line a network and row: milliseconds of both, and their ratio."""
    torch.manual_seed(0)
    x = np.random.default_rng(0).standard_normal((1, 3, SIDE, SIDE)).astype("float32")
    for name, canonizer in NETWORKS.items():
        model = torchvision.models.get_model(name, weights=None).eval()
        for key, word in ROWS.items():
            options = {"zero_params": "bias"} if key == "excitation_backprop" else {}
            composite = COMPOSITES[word](canonizers=[canonizer()], **options)
            theirs = functools.partial(bare, model, torch.from_numpy(x), composite, of_score=key == "lrp")
            ours = functools.partial(explain, model, key, x, target=1, toolset="zennit", unfit="ignore")
            apart = np.abs(theirs().numpy() - ours().values).max()
            times = [(seconds(theirs), seconds(ours)) for _ in range(TURNS)]
            one, other = (statistics.median(column) for column in zip(*times, strict=True))
            ratio = statistics.median(b / a for a, b in times)
            sys.stdout.write(
                f"{name} {key}: zennit {1000 * one:.0f} ms, explain {1000 * other:.0f} ms, ratio {ratio:.3f}, "
                f"values apart by {apart:.0e}\n"
            )


if __name__ == "__main__":
    main()
