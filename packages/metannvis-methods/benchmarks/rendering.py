"""``render`` against Lucent on ResNet-18 at 224, the same objective and optimiser: ``python benchmarks/rendering.py PYTHON``.

PYTHON is the interpreter of an environment of its own with torch-lucent, a yardstick only:
``pip install torch torchvision torch-lucent``. Without it ours alone is timed. Weights are random, the same in both. With the
transforms Lucent passes images of about 260 pixels at an edge and ours of 236; without them both pass 224.
"""

from __future__ import annotations

import subprocess
import sys
import time
from typing import Any

STEPS, SIDE, CHANNEL = 12, 224, 5
LAYERS = ("layer2", "layer4")
#: What runs in the other environment: it prints a line a layer, seconds a step and the loss after the last.
LUCENT = """
import sys, time, torch, torchvision
from lucent.optvis import objectives, param, render
torch.set_num_threads(1)
steps, side, channel = map(int, sys.argv[1:4])
torch.manual_seed(0)
model = torchvision.models.resnet18(weights=None).eval()
for layer in sys.argv[4:]:
    for name, transforms in (("transformed", None), ("plain", [])):
        def run(count):
            begun = time.process_time()
            render.render_vis(model, f"{layer}:{channel}", lambda: param.image(side), thresholds=(count,),
                              transforms=transforms, show_image=False, progress=False, verbose=False)
            return time.process_time() - begun
        run(1)
        print(layer, name, (run(steps + 2) - run(2)) / steps)
"""


def ours(layer: str, model: Any, options: dict[str, Any]) -> tuple[float, float, float]:
    """Seconds a step of ``render``, and the loss at the first and at the last step."""
    from metannvis_methods import explain

    words: dict[str, Any] = {"objective": f"{layer}:{CHANNEL}", "shape": (3, SIDE, SIDE), "preprocess": "imagenet"}
    words |= {"toolset": "metannvis", "seed": 0, "resize": False, **options}

    def run(steps: int) -> tuple[float, Any]:
        begun = time.process_time()
        found = explain(model, "render", steps=steps, **words)
        return time.process_time() - begun, found

    run(1)
    (long, found), (short, _) = run(STEPS + 2), run(2)
    return (long - short) / STEPS, float(found.losses[0, 0]), float(found.losses[-1, 0])


def main() -> None:
    """Print a line a layer, with the transforms and without: seconds of a step, ours and Lucent's, and their ratio."""
    from metannvis_translate.frameworks.requirements import require

    torch = require("torch")
    torchvision = require("torchvision")
    torch.set_num_threads(1)
    torch.manual_seed(0)
    model = torchvision.models.resnet18(weights=None).eval()
    theirs: dict[tuple[str, str], float] = {}
    if len(sys.argv) > 1:
        command = [sys.argv[1], "-W", "ignore", "-c", LUCENT, *map(str, (STEPS, SIDE, CHANNEL)), *LAYERS]
        out = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        lines = [line.split() for line in out.splitlines() if line.startswith(LAYERS)]
        theirs = {(layer, name): float(seconds) for layer, name, seconds in lines}
    for layer in LAYERS:
        for name, options in (("transformed", {}), ("plain", {"transforms": []})):
            seconds, first, last = ours(layer, model, options)
            text = f"{layer}:{CHANNEL}, {name}: {seconds:.3f} s a step, loss {first:.4f} to {last:.4f}"
            if (layer, name) in theirs:
                text += f"; Lucent {theirs[layer, name]:.3f} s, ratio {seconds / theirs[layer, name]:.2f}"
            sys.stdout.write(text + "\n")


if __name__ == "__main__":
    main()
