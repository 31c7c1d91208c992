"""Our infidelity and sensitivity are Captum's, on the same changes of the inputs; and so are the rows of Captum."""

from __future__ import annotations

from typing import Any

import captum.metrics
import numpy as np
from metannvis_methods import evaluate

from .planted import call_of, images, measured, torch


def network() -> Any:
    torch.manual_seed(0)
    nn = torch.nn
    return nn.Sequential(nn.Conv2d(3, 5, 3), nn.Tanh(), nn.Flatten(), nn.Linear(500, 4)).double().eval()


def maps(rows: Any) -> Any:
    return torch.sin(4 * rows) + rows**2


TARGETS = [2, 0, 3]


def test_infidelity() -> None:
    model, x = network(), images()
    noise = 0.1 * np.random.default_rng(0).standard_normal((6, *x.shape))
    drawn = iter(noise)

    def perturb(rows: Any) -> tuple[Any, Any]:
        change = torch.from_numpy(np.stack([next(drawn) for _ in range(6)], axis=1).reshape(rows.shape))
        return change, rows - change

    tensor = torch.from_numpy(x)
    values = maps(tensor)
    expected = captum.metrics.infidelity(
        model, perturb, tensor, values, target=torch.tensor(TARGETS), n_perturb_samples=6
    )
    call = call_of("infidelity", model, x, values.numpy(), target=TARGETS)
    found = measured(call, perturbations=noise).scores
    np.testing.assert_allclose(found, expected.detach().numpy(), rtol=1e-9)


def test_sensitivity() -> None:
    x = images()
    noise = np.random.default_rng(0).uniform(-0.02, 0.02, (6, *x.shape))

    def perturb(rows: Any, radius: float) -> Any:
        return rows + torch.from_numpy(noise.swapaxes(0, 1).reshape(rows.shape))

    expected = captum.metrics.sensitivity_max(
        lambda rows: (maps(rows[0] if isinstance(rows, tuple) else rows),),
        torch.from_numpy(x),
        perturb,
        n_perturb_samples=6,
    )

    def again(given: np.ndarray, **_: Any) -> np.ndarray:
        return maps(torch.from_numpy(given)).numpy()

    call = call_of("maximum_sensitivity", network(), x, again(x), again=again)
    np.testing.assert_allclose(measured(call, perturbations=noise).scores, expected.numpy(), rtol=1e-9)


def test_the_rows_are_what_captum_gives() -> None:
    model, x = network(), images()
    metrics = {
        "captum:infidelity": {"n_perturb_samples": 2000},
        "infidelity": {"draws": 2000},
        "captum:sensitivity_max": {"n_perturb_samples": 30},
        "maximum_sensitivity": {"draws": 30},
    }
    found = evaluate(
        model, {"method": "saliency", "abs": False, "toolset": "captum"}, x, target=TARGETS, metrics=metrics
    )
    assert not found.errors
    theirs, own, sensitivity, own_sensitivity = (found.scores[0, k] for k in range(4))
    # means of 2000 squares of nearly normal numbers each: a standard error of √(2/2000)
    assert (np.abs(theirs / own - 1) < 3 * np.sqrt(2) * np.sqrt(2 / 2000)).all()
    assert (np.abs(sensitivity / own_sensitivity - 1) < 0.2).all()  # maxima of 30 draws

    tensor = torch.from_numpy(x)

    def perturb(rows: Any) -> tuple[Any, Any]:
        noise = 0.1 * torch.randn(rows.movedim(1, -1).shape, dtype=rows.dtype).movedim(
            -1, 1
        )  # drawn as all frameworks' inputs lie alike
        return noise, rows - noise

    values = torch.from_numpy(found.explanations[0].values)
    torch.manual_seed(0)
    expected = captum.metrics.infidelity(
        model, perturb, tensor, values, target=torch.tensor(TARGETS), n_perturb_samples=20
    )
    torch.manual_seed(0)
    call = call_of("captum:infidelity", model, x, values.numpy(), target=TARGETS)
    np.testing.assert_allclose(measured(call, n_perturb_samples=20).scores, expected.detach().numpy(), rtol=1e-6)
