"""Parts of image optimisations, each against NumPy, a brute force, or PyTorch's own."""

from __future__ import annotations

import itertools
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from metannvis_methods import visualization as parts
from metannvis_methods.errors import InvalidArgumentError
from metannvis_methods.registry.option_words import FoundLayer
from metannvis_methods.toolsets.metannvis.visualization.bounds import Bounds
from metannvis_methods.toolsets.metannvis.visualization.parameterizations import Canvas
from metannvis_methods.toolsets.metannvis.visualization.transforms import transformed
from metannvis_translate.frameworks.requirements import require

torch = require("torch")
RNG = np.random.default_rng(0)
ALL = torch.arange(2)


def tensor(*shape: int) -> Any:
    return torch.from_numpy(np.random.default_rng(sum(shape)).uniform(0, 1, shape))


@pytest.mark.parametrize("sizes", [(6, 8), (7, 5)])
@pytest.mark.parametrize("channels", [1, 3])
def test_the_fourier_parameterization_is_numpys(sizes: tuple[int, int], channels: int) -> None:
    generator = np.random.default_rng(3)
    shape = (2, channels, *sizes)
    drawn = 0.01 * np.random.default_rng(3).standard_normal((2, channels, sizes[0], sizes[1] // 2 + 1, 2))
    canvas = parts.Fourier().begin(shape, tensor(1), Bounds(-1.0, 2.0), generator, None)
    frequency = np.hypot(np.fft.fftfreq(sizes[0])[:, None], np.fft.rfftfreq(sizes[1])[None])
    scaled = (drawn[..., 0] + 1j * drawn[..., 1]) / np.maximum(frequency, 1 / max(sizes))
    image = np.fft.irfft2(scaled, sizes, norm="ortho") / 4
    if channels == 3:
        matrix = np.array([[0.26, 0.09, 0.02], [0.27, 0.0, -0.05], [0.27, -0.09, 0.03]])
        matrix /= np.sqrt((matrix**2).sum(0)).max()
        image = np.moveaxis(np.moveaxis(image, 1, -1) @ matrix.T, -1, 1)
    expected = -1 + 3 / (1 + np.exp(-image))
    np.testing.assert_allclose(canvas.images(canvas.numbers).numpy(), expected, atol=1e-12)


@pytest.mark.parametrize("channels", [1, 3])
def test_a_spectrum_begins_with_an_image(channels: int) -> None:
    start = tensor(2, channels, 6, 7) * 2 - 1
    canvas = parts.Fourier().begin((2, channels, 6, 7), start, Bounds(-1.0, 1.0), RNG, start)
    np.testing.assert_allclose(canvas.images(canvas.numbers), start, atol=5e-3)


def test_pixels_stay_between_black_and_white() -> None:
    low, high = (
        torch.tensor([0.0, -1.0]).reshape(1, 2, 1, 1).double(),
        torch.tensor([1.0, 3.0]).reshape(1, 2, 1, 1).double(),
    )
    canvas = parts.Pixels(0.5).begin((2, 2, 3, 3), tensor(1), Bounds(low, high), np.random.default_rng(1), None)
    drawn = 0.5 + 0.5 * np.random.default_rng(1).uniform(-0.5, 0.5, (2, 2, 3, 3))
    np.testing.assert_allclose(canvas.images(canvas.numbers), low.numpy() + (high - low).numpy() * drawn)
    moved = canvas.images(canvas.allowed(canvas.numbers + 100))
    np.testing.assert_allclose(moved, high.expand_as(moved))


def test_regularizers_are_their_formulas() -> None:
    x, bounds = tensor(2, 3, 4, 5), Bounds(0.0, 1.0)
    array = x.numpy()
    variation = np.zeros(2)
    for n, c, i, j in itertools.product(range(2), range(3), range(4), range(5)):
        down = array[n, c, i + 1, j] - array[n, c, i, j] if i < 3 else 0
        right = array[n, c, i, j + 1] - array[n, c, i, j] if j < 4 else 0
        variation[n] += down**2 + right**2
    found = parts.TotalVariation(0.5).penalty(x, ALL, bounds)
    np.testing.assert_allclose(found, 0.5 * variation)
    rooted = parts.TotalVariation(1.0, 1.0).penalty(x, ALL, bounds)
    down, right = np.diff(array, axis=2, append=array[:, :, -1:]), np.diff(array, axis=3, append=array[..., -1:])
    steps = np.sqrt(down**2 + right**2)
    np.testing.assert_allclose(rooted, steps.sum((1, 2, 3)), rtol=1e-6)
    np.testing.assert_allclose(parts.Norm(2.0, 6).penalty(x, ALL, bounds), 2 * ((array - 0.5) ** 6).sum((1, 2, 3)))
    np.testing.assert_allclose(parts.L2(2.0).penalty(x, ALL, bounds), 2 * ((array - 0.5) ** 2).sum((1, 2, 3)))
    mean = tensor(2, 3, 4, 5) / 2
    towards = parts.L2(2.0, mean).penalty(x[1:], ALL[1:], bounds)
    np.testing.assert_allclose(towards, 2 * ((array[1:] - mean.numpy()[1:]) ** 2).sum((1, 2, 3)))
    with pytest.raises(InvalidArgumentError, match="places"):
        parts.TotalVariation().penalty(tensor(2, 3), ALL, bounds)


def test_a_boltzmann_machine_is_the_sum_over_its_hidden_units(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    weights, visible, hidden = rng.normal(size=(3, 8)), rng.normal(size=8), rng.normal(size=3)
    images = tensor(2, 2, 2, 2)
    flat = images.numpy().reshape(2, -1)
    states = np.array(list(itertools.product([0, 1], repeat=3)))
    energies = flat @ visible + (states @ hidden)[:, None] + states @ weights @ flat.T
    machine = parts.RestrictedBoltzmannMachine(weights, visible, torch.from_numpy(hidden))
    np.testing.assert_allclose(machine.log_likelihood(images), np.log(np.exp(energies).sum(0)))
    again = parts.RestrictedBoltzmannMachine.load(machine.save(tmp_path / "rbm.npz"))
    np.testing.assert_array_equal(again.log_likelihood(images), machine.log_likelihood(images))
    last = parts.RestrictedBoltzmannMachine(weights, visible, hidden, channels_last=True)
    np.testing.assert_allclose(last.log_likelihood(images.movedim(-1, 1)), machine.log_likelihood(images))
    with pytest.raises(InvalidArgumentError, match=r"weights of shape \(hidden, pixels\)"):
        parts.RestrictedBoltzmannMachine(weights.T, visible, hidden)
    with pytest.raises(InvalidArgumentError, match="of 8 pixels, and the images have 4"):
        machine.log_likelihood(images[:, :1])


def test_training_makes_images_likelier_than_noise() -> None:
    rng = np.random.default_rng(0)
    stripes = np.kron(rng.random((200, 1, 1, 4)) > 0.5, np.ones((1, 1, 4, 1))).astype("float32")
    told: list[tuple[int, int, str]] = []
    machine = parts.train_rbm(stripes, hidden=16, epochs=20, progress=lambda *a: told.append(a))
    coder = parts.train_denoising_autoencoder(stripes, hidden=32, epochs=40)
    for expert in (machine, coder):
        real, noise = (
            expert.log_likelihood(torch.from_numpy(x)).mean() for x in (stripes, rng.random(stripes.shape, "float32"))
        )
        assert real > noise + 0.1
    assert told[-1] == (20, 20, "train the expert")
    again = parts.train_rbm(stripes, hidden=16, epochs=20)
    np.testing.assert_array_equal(again.weights, machine.weights)
    with pytest.raises(InvalidArgumentError, match="0…1"):
        parts.train_rbm(stripes * 255)
    with pytest.raises(InvalidArgumentError, match="'torch' or 'tensorflow'"):
        parts.train_denoising_autoencoder(stripes, framework="jax")


@pytest.mark.parametrize("framework", ["torch", "tensorflow"])
def test_an_auto_encoder_pulls_to_what_it_returns(framework: str) -> None:
    images = RNG.random((20, 1, 4, 4)).astype("float32")
    given = images if framework == "torch" else np.moveaxis(images, 1, -1)
    expert = parts.train_denoising_autoencoder(given, framework=framework, hidden=4, epochs=1)
    x = torch.from_numpy(images[:3]).requires_grad_()
    (slope,) = torch.autograd.grad(expert.log_likelihood(x).sum(), x)
    with torch.no_grad():
        own = expert.model(torch.from_numpy(given[:3])) if framework == "torch" else expert.model(given[:3])
    returned = np.asarray(own) if framework == "torch" else np.moveaxis(np.asarray(own), -1, 1)
    np.testing.assert_allclose(slope, returned - images[:3], atol=1e-6)


def test_updates_are_pytorchs() -> None:
    for ours, theirs in (
        (parts.Adam(0.1), lambda p: torch.optim.Adam(p, lr=0.1)),
        (parts.Sgd(0.1, 0.9), lambda p: torch.optim.SGD(p, lr=0.1, momentum=0.9)),
    ):
        point, other = tensor(2, 5), torch.nn.Parameter(tensor(2, 5))
        state, optimizer = ours.begin(point), theirs([other])
        for step in range(6):
            point = point - ours.step(point.sin(), state, step)
            other.grad = other.detach().sin()
            optimizer.step()
        np.testing.assert_allclose(point, other.detach(), rtol=1e-10)
    step = parts.Sgd(1.0, 0.0, every=2, decay=0.1)
    assert [float(step.step(torch.ones(1), {"velocity": torch.zeros(1)}, k)) for k in range(4)] == pytest.approx(
        [1, 1, 0.1, 0.1]
    )
    slope = tensor(2, 3, 4)
    found = parts.Normalized(0.5).step(slope, {}, 0)
    np.testing.assert_allclose(found.abs().mean((1, 2)), [0.5, 0.5])


def test_transforms_move_as_they_say() -> None:
    x = tensor(2, 3, 8, 8)
    grown = parts.Pad(2)(x, RNG, 0.5)
    assert grown.shape == (2, 3, 12, 12)
    np.testing.assert_array_equal(grown[:, :, 2:-2, 2:-2], x)
    assert (grown[:, :, :2] == 0.5).all()
    windows = [x[:, :, i : i + 6, j : j + 6] for i in range(3) for j in range(3)]
    drawn = [parts.Jitter(2)(x, RNG, 0.5) for _ in range(100)]
    assert {next(k for k, window in enumerate(windows) if torch.equal(window, one)) for one in drawn} == set(range(9))
    rolled = parts.Roll(3)(x, RNG, 0.5)
    assert any(torch.equal(rolled, x.roll((i, j), (2, 3))) for i in range(-3, 4) for j in range(-3, 4))
    turned = parts.Rotate(90.0)(x, SimpleNamespace(uniform=lambda low, high: high), 0.5)  # type: ignore[arg-type]
    sides = [np.rot90(x.numpy(), k, (2, 3)) for k in (1, -1)]
    assert min(np.abs(turned.numpy() - side).max() for side in sides) < 1e-12
    flat = torch.full((1, 1, 8, 8), 0.5)
    for one in (parts.Scale(), parts.Rotate(), parts.Pad(1)):
        np.testing.assert_allclose(one(flat, RNG, 0.5), 0.5, atol=1e-6)
    doubled = parts.Scale(2.0, 2.0)(x, RNG, 0.5)
    expected = torch.nn.functional.interpolate(x[:, :, 2:6, 2:6], size=(8, 8), mode="bilinear", align_corners=False)
    np.testing.assert_allclose(doubled[:, :, 2:-2, 2:-2], expected[:, :, 2:-2, 2:-2], atol=1e-12)
    smaller = transformed(x, [parts.Jitter(2)], RNG, 0.5, resize=False)
    assert smaller.shape[2:] == (6, 6)
    assert transformed(x, [parts.Jitter(2)], RNG, 0.5).shape == x.shape
    assert transformed(x, parts.shifts(1), RNG, 0.5).shape == x.shape
    assert [type(one).__name__ for one in parts.standard(224)] == ["Pad", "Jitter", "Scale", "Rotate", "Jitter"]
    with pytest.raises(InvalidArgumentError, match="leaves nothing"):
        parts.Jitter(8)(x, RNG, 0.5)


def seen(maps: Any) -> tuple[Any, FoundLayer]:
    from metannvis_methods.toolsets.metannvis.visualization.observer import Seen

    layer = FoundLayer(object(), "NCHW", "conv")
    return Seen(None, None, {id(layer.layer): maps}, torch.arange(len(maps))), layer


def test_objectives_are_their_formulas() -> None:
    maps = tensor(3, 4, 5, 2) - 0.5
    shown, layer = seen(maps)
    array = maps.numpy()
    vector = np.arange(4.0) - 1
    cosines = np.einsum("nchw,c->nhw", array, vector) / np.linalg.norm(array, axis=1) / np.linalg.norm(vector)
    grams = np.einsum("nihw,njhw->nij", array, array).reshape(3, -1)
    grams /= np.linalg.norm(grams, axis=1, keepdims=True)
    pairs = grams @ grams.T
    for objective, expected in (
        (parts.Channel(layer, 2), array[:, 2].mean((1, 2))),
        (parts.Neuron(layer, (1, 3, 0)), array[:, 1, 3, 0]),
        (parts.Neuron(layer, 1), array[:, 1, 2, 1]),
        (parts.Layer(layer), array.mean((1, 2, 3))),
        (parts.Energy(layer), (array**2).mean((1, 2, 3)) / 2),
        (parts.Energy(layer, 3), (array[:, 3] ** 2).mean((1, 2)) / 2),
        (parts.Direction(layer, vector), cosines.mean((1, 2))),
        (parts.Diversity(layer), -(pairs.sum(1) - 1) / 2),
    ):
        np.testing.assert_allclose(objective.value(shown), expected, err_msg=str(objective))
    total = parts.Channel(layer, 2) - 0.5 * parts.Channel(layer, 1) + 3 * parts.Layer(layer)
    expected = array[:, 2].mean((1, 2)) - 0.5 * array[:, 1].mean((1, 2)) + 3 * array.mean((1, 2, 3))
    np.testing.assert_allclose(total.value(shown), expected)
    assert str(parts.Channel("conv", 2) - 0.5 * parts.Channel("conv", 1)) == "conv:2 -0.5 conv:1"
    for wrong, message in (
        (parts.Channel(layer, 4), "channels 0 to 3, and no channel 4"),
        (parts.Neuron(layer, (0, 5, 0)), "none of conv"),
        (parts.Direction(layer, [1.0]), "has 4 numbers, one a channel, not 1"),
    ):
        with pytest.raises(InvalidArgumentError, match=message):
            wrong.value(shown)
    with pytest.raises(InvalidArgumentError, match="between images"):
        parts.Diversity(layer).value(shown.at(0))
    with pytest.raises(InvalidArgumentError, match="added to another"):
        parts.Layer("conv") + 3  # type: ignore[operator]


def test_a_generator_says_what_is_wrong_with_it() -> None:
    for given, message in (
        ({"model": "nowhere.onnx"}, "there is no generator"),
        ({"model": None, "code": 0}, "the shape of a code"),
        ({"model": None, "tries": 0}, "tries is how many codes"),
        ({"model": None, "image_range": (1, 0)}, "black, white"),
    ):
        with pytest.raises(InvalidArgumentError, match=message):
            parts.GeneratorCode(**given)  # type: ignore[arg-type]
    canvas: Canvas = parts.GeneratorCode(torch.nn.Unflatten(1, (1, 2, 2)), 4).begin(
        (1, 3, 2, 2), tensor(1), Bounds(), RNG, None
    )
    with pytest.raises(
        InvalidArgumentError,
        match=r"makes images of shape \(1, 2, 2\), channels first, and the network takes \(3, 2, 2\)",
    ):
        canvas.images(canvas.numbers)
