"""Extremal perturbation of the package torchray, in an environment of its own, beside ours: numbers and time.

torchray is for other purposes than ours only (CC BY-NC): it is a yardstick, and nothing of it is here.

pip install torchray==1.0.0.2 torch==2.15.0
python yardsticks/extremal_perturbation.py torchray mask.npz 800
and then, where ours is installed
python yardsticks/extremal_perturbation.py ours mask.npz 800
"""

from __future__ import annotations

import sys
import time
from typing import Any

import numpy as np
import torch

TARGET, AREA, SCORES = 1, 0.1, 1000.0


def network() -> Any:
    """A small network of images of 224 × 224, at which both have the same widths."""
    torch.manual_seed(0)
    nn = torch.nn
    body = [nn.Conv2d(3, 8, 7, stride=4, padding=3), nn.ReLU(), nn.Conv2d(8, 12, 3, stride=2, padding=1), nn.ReLU()]
    network = nn.Sequential(*body, nn.AdaptiveAvgPool2d(4), nn.Flatten(), nn.Linear(12 * 16, 5)).eval()
    with torch.no_grad():  # scores beside which the weight of the area, 300, does not decide alone
        network[-1].weight.mul_(SCORES)
    return network


def image() -> Any:
    """Soft, with a mean of zero and a deviation of one, shape (1, 3, 224, 224)."""
    noise = np.random.default_rng(0).standard_normal((1, 3, 224, 224)).astype("float32")
    summed = torch.from_numpy(noise).cumsum(2).cumsum(3)
    return (summed - summed.mean()) / summed.std()


def theirs(path: str, steps: int) -> float:
    """Write the mask that torchray finds; seconds of the processor."""
    from torchray.attribution.extremal_perturbation import extremal_perturbation, simple_reward

    started = time.process_time()
    words = {"areas": [AREA], "max_iter": steps, "reward_func": simple_reward, "print_iter": None}
    mask, _ = extremal_perturbation(network(), image(), TARGET, **words)
    seconds = time.process_time() - started
    np.savez_compressed(path, mask=mask[0, 0].detach().numpy())
    return seconds


def ours(path: str, steps: int) -> tuple[float, str]:
    """Seconds of the processor, and how far our mask is from that of torchray."""
    from metannvis_methods import explain

    words = {"target": TARGET, "areas": (AREA,), "toolset": "metannvis", "unfit": "ignore"}
    explain(network(), "extremal_perturbation", image(), n_steps=1, **words)
    started = time.process_time()
    found = explain(network(), "extremal_perturbation", image(), n_steps=steps, **words).values[0]
    seconds = time.process_time() - started
    mask = np.load(path)["mask"]
    one, other = found > 0.5, mask > 0.5
    overlap = (one & other).sum() / (one | other).sum()
    correlation = np.corrcoef(found.ravel(), mask.ravel())[0, 1]
    figures = f"mean {found.mean():.3f} and {mask.mean():.3f}, overlap {overlap:.3f}, correlation {correlation:.3f}"
    return seconds, figures


def main(which: str, path: str, steps: str) -> None:
    """Print what was measured."""
    torch.set_num_threads(1)
    if which == "torchray":
        sys.stdout.write(f"torchray: {theirs(path, int(steps)):.1f} s\n")
        return
    seconds, figures = ours(path, int(steps))
    sys.stdout.write(f"ours: {seconds:.1f} s; {figures}\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
