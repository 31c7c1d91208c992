"""Temperature scaling and calibration error against brute force."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from metannvis_methods import Calibration, calibration, fit_temperature
from metannvis_methods.errors import InvalidArgumentError

RNG = np.random.default_rng(0)


def softmax(z: np.ndarray) -> np.ndarray:
    powers = np.exp(z - z.max(1, keepdims=True))
    return powers / powers.sum(1, keepdims=True)


@pytest.mark.parametrize("planted", [0.4, 1.0, 2.5])
def test_a_planted_temperature_is_found(planted: float) -> None:
    """Classes are drawn from softmax(z), and the network says planted · z."""
    logits = RNG.normal(0, 2, (60_000, 6))
    classes = (softmax(logits).cumsum(1) > RNG.random((60_000, 1))).argmax(1)
    assert fit_temperature(planted * logits, classes) == pytest.approx(planted, rel=0.01)


def test_it_is_the_minimum_of_the_likelihood() -> None:
    logits, classes = RNG.normal(0, 2, (300, 4)), RNG.integers(0, 4, 300)
    logits[np.arange(300), classes] += 1.5

    def loss(temperature: float) -> float:
        return -float(np.log(softmax(logits / temperature)[np.arange(300), classes]).mean())

    best = fit_temperature(logits, classes)
    assert all(loss(best) < loss(best * factor) for factor in (0.99, 0.999, 1.001, 1.01))


@pytest.mark.parametrize("bins", [1, 5, 15])
def test_the_error_is_that_of_a_count(bins: int) -> None:
    p = softmax(RNG.normal(0, 2, (500, 3)))
    p[0], p[1] = (1.0, 0, 0), (0.5, 0.5, 0)
    classes = RNG.integers(0, 3, 500)
    found = calibration(p, classes, bins=bins)
    total, largest = 0.0, 0.0
    for k in range(bins):
        inside = [i for i in range(500) if k / bins < p[i].max() <= (k + 1) / bins]
        if inside:
            right = sum(p[i].argmax() == classes[i] for i in inside) / len(inside)
            apart = abs(right - sum(p[i].max() for i in inside) / len(inside))
            total, largest = total + apart * len(inside) / 500, max(largest, apart)
        assert found.counts[k] == len(inside)
    assert found.error == pytest.approx(total, abs=1e-12)
    assert found.largest_error == pytest.approx(largest, abs=1e-12)


def test_scaling_lowers_the_error() -> None:
    logits = RNG.normal(0, 2, (5000, 5))
    classes = (softmax(logits).cumsum(1) > RNG.random((5000, 1))).argmax(1)
    loud = 3 * logits
    temperature = fit_temperature(loud[:2500], classes[:2500])
    before, after = (
        calibration(softmax(loud[2500:]), classes[2500:]),
        calibration(softmax(loud[2500:] / temperature), classes[2500:]),
    )
    assert after.error < 0.2 * before.error


def test_a_result_in_a_file(tmp_path: Any) -> None:
    found = calibration(softmax(RNG.normal(0, 2, (50, 3))), RNG.integers(0, 3, 50))
    back = Calibration.load(found.save(tmp_path / "c.npz"))
    np.testing.assert_array_equal(back.accuracy, found.accuracy)
    assert back.error == found.error
    assert "expected calibration error" in found._repr_html_()


def test_what_cannot_be_is_refused() -> None:
    z, y = np.eye(3)[[0, 1, 2]] * 5, np.array([0, 1, 2])
    with pytest.raises(InvalidArgumentError, match="every sample is classified right"):
        fit_temperature(z, y)
    with pytest.raises(InvalidArgumentError, match="less about the classes"):
        fit_temperature(-z, y)
    with pytest.raises(InvalidArgumentError, match="rows that sum to 1"):
        calibration(z, y)
    with pytest.raises(InvalidArgumentError, match="0…2"):
        calibration(softmax(z), y + 1)
    with pytest.raises(InvalidArgumentError, match="whole numbers"):
        fit_temperature(z, y.astype(float))
    with pytest.raises(InvalidArgumentError, match="bins"):
        calibration(softmax(z), y, bins=0)
