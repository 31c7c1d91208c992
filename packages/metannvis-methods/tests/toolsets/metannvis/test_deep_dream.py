"""DeepDream and inverted representations, against loops in PyTorch."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from metannvis_methods import UnfitWarning, explain
from metannvis_methods import visualization as parts
from metannvis_methods.errors import InvalidArgumentError
from metannvis_translate.frameworks.requirements import require

torch = require("torch")
resize = torch.nn.functional.interpolate


def maps_of(digits: Any, x: Any) -> Any:
    net = digits.torch64
    return net.conv2(net.pool(net.relu1(net.conv1(x))))


def of_any_size(digits: Any) -> Any:
    net = digits.torch64
    return torch.nn.Sequential(
        net.conv1, net.relu1, net.pool, net.conv2, torch.nn.AdaptiveAvgPool2d(1), torch.nn.Flatten()
    )


def test_octaves_add_detail_to_detail(digits: Any) -> None:
    start = np.random.default_rng(0).uniform(0.3, 0.7, (2, 1, 12, 16))
    words: dict[str, Any] = {
        "layer": "3",
        "channel": 3,
        "steps": 4,
        "octaves": 2,
        "octave_scale": 1.5,
        "rate": 0.02,
    }
    found = explain(
        of_any_size(digits), "deep_dream", start, toolset="metannvis", jitter=0, seed=0, snapshots=2, **words
    )
    image, detail = torch.from_numpy(start), torch.zeros(2, 1, 12, 16).double()
    kept = []
    for sizes in ((8, 11), (12, 16)):
        base, added = (resize(x, size=sizes, mode="bilinear") if x.shape[2:] != sizes else x for x in (image, detail))
        x = (base + added).clamp(0, 1)
        for _ in range(4):
            x.requires_grad_()
            (slope,) = torch.autograd.grad((maps_of(digits, x)[:, 3] ** 2).mean((1, 2)).sum() / 2, x)
            x = (x.detach() + 0.02 * slope / slope.abs().mean((1, 2, 3), keepdim=True)).clamp(0, 1)
        detail = x - base
        full = resize(detail, size=(12, 16), mode="bilinear") if detail.shape != image.shape else detail
        kept.append((image + full).clamp(0, 1).numpy())
    np.testing.assert_allclose(found.values, x, atol=1e-10)
    np.testing.assert_allclose(found.snapshots, kept, atol=1e-10)
    assert found.snapshot_steps == (4, 8) and found.losses.shape == (8, 2) and list(found.steps) == [8, 8]
    assert (found.losses[3] < found.losses[0]).all() and (found.losses[7] < found.losses[4]).all()


def test_a_dream_is_the_same_for_twins_and_bounded_by_batch_size(digits: Any) -> None:
    x = digits.x.clip(0, 1)
    words: dict[str, Any] = {
        "layer": "conv2",
        "octaves": 2,
        "octave_scale": 1.2,
        "steps": 5,
        "seed": 1,
        "toolset": "metannvis",
    }
    there = explain(digits.torch64, "deep_dream", x, **words)
    here = explain(digits.keras64, "deep_dream", np.moveaxis(x, 1, -1), batch_size=3, **words)
    np.testing.assert_allclose(np.moveaxis(here.values, -1, 1), there.values, atol=1e-4)
    assert np.abs(there.values - x).max() > 0.01
    again = explain(digits.torch64, "deep_dream", shape=(1, 8, 8), images=2, **words)  # from noise
    assert again.values.shape == (2, 1, 8, 8) and again.values.std() > 0


def test_dreams_that_cannot_be(digits: Any) -> None:
    for words, message in (
        ({"octaves": 6}, "take fewer"),
        ({"channel": [1, 2, 3]}, "3 channels and 4 images"),
        ({"channel": 8, "octaves": 1}, "no channel 8"),
    ):
        with pytest.raises(InvalidArgumentError, match=message):
            explain(digits.torch64, "deep_dream", digits.x, layer="conv2", toolset="metannvis", seed=0, **words)
    with pytest.raises(InvalidArgumentError, match="is of images"):
        explain(
            torch.nn.Sequential(torch.nn.Linear(4, 2)),
            "deep_dream",
            np.ones((1, 4)),
            layer="0",
            toolset="metannvis",
            seed=0,
        )
    with pytest.warns(UnfitWarning, match="time was over"):
        late = explain(
            digits.torch64, "deep_dream", digits.x, layer="conv2", steps=10**6, octaves=1, deadline=0.3, seed=0
        )
    assert set(late.ended) == {"deadline"}


def test_a_representation_is_inverted(digits: Any) -> None:
    x = np.random.default_rng(0).uniform(0, 1, (2, 1, 8, 8))
    words: dict[str, Any] = {"layer": "conv2", "steps": 5, "seed": 2, "optimizer": parts.Sgd(0.5, 0.9)}
    found = explain(digits.torch64, "invert_representation", x, snapshots=1, **words)
    generator = np.random.default_rng(2)
    generator.integers(2**63)
    begin = torch.from_numpy(0.5 + 0.1 * generator.uniform(-0.5, 0.5, x.shape))
    made = torch.nn.Parameter(begin.clone())
    with torch.no_grad():
        wanted = maps_of(digits, torch.from_numpy(x))
    optimizer = torch.optim.SGD([made], lr=0.5, momentum=0.9)

    def apart() -> Any:
        return (maps_of(digits, made) - wanted).square().sum((1, 2, 3)) / wanted.square().sum((1, 2, 3))

    for _ in range(5):
        optimizer.zero_grad()
        grey = made - 0.5
        variation = (grey.diff(dim=2) ** 2).sum((1, 2, 3)) + (grey.diff(dim=3) ** 2).sum((1, 2, 3))
        (0.1 * apart() + 1e-7 * grey.pow(6).sum((1, 2, 3)) + 1e-8 * variation).sum().backward()
        optimizer.step()
        with torch.no_grad():
            made.clamp_(0, 1)
    np.testing.assert_allclose(found.values, made.detach(), atol=1e-10)
    np.testing.assert_allclose(found.scores, apart().detach().sqrt(), rtol=1e-8)
    assert found.score == "relative error"
    best = explain(digits.torch64, "invert_representation", x, layer="conv2", seed=2, batch_size=1)
    assert best.scores.max() < 0.05
    twin = explain(digits.keras64, "invert_representation", np.moveaxis(x, 1, -1), layer="conv2", seed=2)
    np.testing.assert_allclose(np.moveaxis(twin.values, -1, 1), best.values, atol=1e-4)


@pytest.mark.parametrize(
    ("key", "words"),
    [
        ("deep_dream", {"octaves": 1}),
        ("invert_representation", {"regularizers": []}),
        ("activation_maximization", {"parameterization": "pixels", "transforms": []}),
    ],
)
def test_steps_are_shares_of_the_range(digits: Any, key: str, words: dict[str, Any]) -> None:
    """A network of −1…3 gets the image that the same network behind a rescaling of 0…1 gets."""

    class Rescaled(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.net = digits.torch64

        def forward(self, x: Any) -> Any:
            return self.net(4 * x - 1)

    x = np.random.default_rng(0).uniform(0, 1, (2, 1, 8, 8))
    known: dict[str, Any] = {"toolset": "metannvis", "steps": 5, "seed": 1, **words}
    one = explain(Rescaled().eval(), key, x, layer="net.conv2", value_range=(0.0, 1.0), **known)
    two = explain(digits.torch64, key, 4 * x - 1, layer="conv2", value_range=(-1.0, 3.0), **known)
    np.testing.assert_allclose((two.values + 1) / 4, one.values, atol=1e-9)
    assert np.abs(one.values - x).max() > 1e-3
