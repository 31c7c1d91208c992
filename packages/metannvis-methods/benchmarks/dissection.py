"""What dissection costs: ResNet-18 (random weights, 224 × 224) over 125, 250 and 500 pictures, in a process of its own each.

Pictures and masks are made when they are asked for, so that the memory is that of :func:`metannvis_methods.dissect`.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

SIZE = 224
LAYERS = ("layer2", "layer3", "layer4")


class Labels:
    """Masks of the pictures, drawn anew from their numbers."""

    def __init__(self, count: int) -> None:
        from metannvis_methods.examples import concepts

        self.count = count
        self.names = tuple(concepts.CONCEPTS)
        self.categories = tuple(category for category, _ in concepts.CONCEPTS.values())

    def __len__(self) -> int:
        return self.count

    def labels(self, index: int) -> Mapping[str, np.ndarray[Any, Any]]:
        """Label maps by category."""
        from metannvis_methods import Segmentations
        from metannvis_methods.examples import concepts

        found = concepts.shapes(index, 1, SIZE)
        return Segmentations(found.masks, found.names, found.categories).labels(0)


def run(count: int, batch: int) -> dict[str, float]:
    """Processor seconds of both passes and the largest memory in MB of a dissection of so many pictures."""
    import torch
    from metannvis_methods import dissect
    from metannvis_methods.examples import concepts
    from PIL import Image
    from torchvision.models import resnet18

    torch.manual_seed(0)
    model = resnet18(weights=None).eval()
    with tempfile.TemporaryDirectory() as folder:
        files = []
        for k in range(count):
            picture = concepts.shapes(k, 1, SIZE).images[0].transpose(1, 2, 0)
            files.append(Path(folder) / f"{k:05}.png")
            Image.fromarray((picture * 255).round().astype(np.uint8)).save(files[-1])
        dissect(model, "layer4", files[:2], Labels(2), preprocess="unit")  # imports and first calls
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        started = time.process_time()  # of one thread: other programs do not count
        found = dissect(model, list(LAYERS), files, Labels(count), preprocess="unit", batch_size=batch)
        seconds = time.process_time() - started
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {"images": count, "units": len(found.unit), "seconds": seconds, "before_mb": before, "peak_mb": peak}


def main() -> None:
    """Print a row a number of pictures, and what 10,000 come to."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--counts", type=int, nargs="+", default=[125, 250, 500])
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--one", type=int, help="run so many pictures in this process, and write JSON")
    arguments = parser.parse_args()
    if arguments.one is not None:
        print(json.dumps(run(arguments.one, arguments.batch)))
        return
    rows = []
    print("images  units  seconds  ms an image  peak MB")
    for count in arguments.counts:
        command = [sys.executable, __file__, "--one", str(count), "--batch", str(arguments.batch)]
        out = subprocess.run(command, check=True, capture_output=True, text=True).stdout
        row = json.loads(out.splitlines()[-1])
        rows.append(row)
        per = 1000 * row["seconds"] / count
        print(f"{count:6}  {row['units']:5}  {row['seconds']:7.1f}  {per:11.0f}  {row['peak_mb']:7.0f}", flush=True)
    print(f"10,000 images: {rows[-1]['seconds'] / rows[-1]['images'] * 10_000 / 60:.0f} minutes")


if __name__ == "__main__":
    main()
