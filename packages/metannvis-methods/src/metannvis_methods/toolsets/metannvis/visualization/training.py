"""Training of experts on a small data set: a restricted Boltzmann machine, and a denoising auto-encoder in either framework.

Importing this loads no framework; the auto-encoder's is imported when one is trained.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from metannvis_translate.frameworks import require

from metannvis_methods.errors import InvalidArgumentError
from metannvis_methods.models.arrays import to_numpy
from metannvis_methods.toolsets.metannvis.visualization.experts import DenoisingAutoencoder, RestrictedBoltzmannMachine

__all__ = ["class_means", "train_denoising_autoencoder", "train_rbm"]

Array = np.ndarray[Any, Any]
Progress = Callable[[int, int, str], None]
#: Step and momentum of contrastive divergence, and the decay of its weights.
RATE, MOMENTUM, DECAY = 0.05, 0.8, 2e-4
STAGE = "train the expert"


def class_means(images: Any, classes: Any) -> Array:
    """Mean image of each class that there is, in order, shape ``(K, …)``: a start, or what L2 pulls towards (``baselines``).

    Parameters
    ----------
    images
        Shape ``(N, …)``, in the layout of the model.
    classes
        Shape ``(N,)``, whole numbers.
    """
    data, labels = to_numpy(images), to_numpy(classes)
    if labels.shape != data.shape[:1] or not len(labels):
        raise InvalidArgumentError(f"{len(data)} images have classes of shape ({len(data)},), not {labels.shape}")
    return np.stack([data[labels == label].mean(0) for label in np.unique(labels)])


def train_rbm(
    images: Any,
    *,
    hidden: int = 64,
    epochs: int = 30,
    batch: int = 32,
    seed: int = 0,
    channels_last: bool = False,
    progress: Progress | None = None,
) -> RestrictedBoltzmannMachine:
    """A restricted Boltzmann machine of images by contrastive divergence (Hinton, 2002, doi:10.1162/089976602760128018).

    Parameters
    ----------
    images
        Shape ``(N, …)`` in 0…1, which are taken for probabilities of its visible units.
    hidden
        Hidden units.
    epochs, batch
        Passes through the images, and images of a step.
    seed
        Of weights, order and samples.
    channels_last
        Whether the images are ``(N, H, W, C)``.
    progress
        Called as ``progress(done, total, stage)``.

    Raises
    ------
    InvalidArgumentError
        The images are not in 0…1.
    """
    data = _in_range(images).reshape(len(images), -1).astype(np.float64)
    generator = np.random.default_rng(seed)
    mean = data.mean(0).clip(0.01, 0.99)
    weights = generator.normal(0, 0.01, (hidden, data.shape[1]))
    visible, bias = np.log(mean / (1 - mean)), np.zeros(hidden)
    moving = [np.zeros_like(weights), np.zeros_like(visible), np.zeros_like(bias)]
    for epoch in range(epochs):
        if progress is not None:
            progress(epoch, epochs, STAGE)
        order = generator.permutation(len(data))
        for first in range(0, len(data), batch):
            x = data[order[first : first + batch]]
            on = _sigmoid(bias + x @ weights.T)
            drawn = (generator.random(on.shape) < on).astype(np.float64)
            y = _sigmoid(visible + drawn @ weights)
            off = _sigmoid(bias + y @ weights.T)
            slopes = ((on.T @ x - off.T @ y) / len(x) - DECAY * weights, (x - y).mean(0), (on - off).mean(0))
            for velocity, slope in zip(moving, slopes, strict=True):
                velocity *= MOMENTUM
                velocity += RATE * slope
            weights, visible, bias = weights + moving[0], visible + moving[1], bias + moving[2]
    if progress is not None:
        progress(epochs, epochs, STAGE)
    return RestrictedBoltzmannMachine(weights, visible, bias, channels_last)


def train_denoising_autoencoder(
    images: Any,
    *,
    framework: str = "torch",
    hidden: int = 128,
    noise: float = 0.2,
    epochs: int = 30,
    batch: int = 64,
    seed: int = 0,
    progress: Progress | None = None,
) -> DenoisingAutoencoder:
    """A small denoising auto-encoder of images (Vincent et al., 2008, doi:10.1145/1390156.1390294).

    Parameters
    ----------
    images
        In 0…1, shape ``(N, C, H, W)`` for PyTorch, ``(N, H, W, C)`` for Keras.
    framework
        ``"torch"`` or ``"tensorflow"``.
    hidden
        Numbers between encoder and decoder.
    noise
        Standard deviation of what is added to the images it is given.
    epochs, batch
        Passes through the images, and images of a step.
    seed
        Of weights, order and noise; it is the framework's from then on.
    progress
        Called as ``progress(done, total, stage)``.

    Raises
    ------
    InvalidArgumentError
        There is no such framework, or the images are not in 0…1.
    """
    data = _in_range(images).astype(np.float32)
    if data.ndim != 4:
        raise InvalidArgumentError(f"images have four axes, the first counting them, not shape {data.shape}")
    if framework not in TRAINERS:
        raise InvalidArgumentError(f"framework is {' or '.join(map(repr, TRAINERS))}, not {framework!r}")
    train = TRAINERS[framework]
    return DenoisingAutoencoder(train(data, hidden, noise, epochs, batch, seed, progress or (lambda *told: None)))


def _in_torch(data: Array, hidden: int, noise: float, epochs: int, batch: int, seed: int, progress: Progress) -> Any:
    torch: Any = require("torch")
    nn = torch.nn
    torch.manual_seed(seed)
    shape = data.shape[1:]
    size = int(np.prod(shape))
    model = nn.Sequential(
        nn.Flatten(),
        nn.Linear(size, hidden),
        nn.ReLU(),
        nn.Linear(hidden, size),
        nn.Sigmoid(),
        nn.Unflatten(1, shape),
    )
    update = torch.optim.Adam(model.parameters(), lr=2e-3)
    clean = torch.from_numpy(data)
    for epoch in range(epochs):
        progress(epoch, epochs, STAGE)
        for rows in torch.randperm(len(clean)).split(batch):
            update.zero_grad()
            x = clean[rows]
            nn.functional.mse_loss(model(x + noise * torch.randn_like(x)), x).backward()
            update.step()
    progress(epochs, epochs, STAGE)
    return model.eval()


def _in_keras(data: Array, hidden: int, noise: float, epochs: int, batch: int, seed: int, progress: Progress) -> Any:
    keras: Any = require("keras")
    layers = keras.layers
    keras.utils.set_random_seed(seed)
    shape = data.shape[1:]
    model = keras.Sequential(
        [
            keras.Input(shape),
            layers.Flatten(),
            layers.Dense(hidden, activation="relu"),
            layers.Dense(int(np.prod(shape)), activation="sigmoid"),
            layers.Reshape(shape),
        ]
    )
    model.compile(optimizer=keras.optimizers.Adam(2e-3), loss="mse")
    generator = np.random.default_rng(seed)
    progress(0, epochs, STAGE)
    for epoch in range(epochs):
        noisy = data + np.asarray(generator.normal(0, noise, data.shape), np.float32)
        model.fit(noisy, data, batch_size=batch, epochs=1, verbose=0)
        progress(epoch + 1, epochs, STAGE)
    return model


def _in_range(images: Any) -> Array:
    data = to_numpy(images)
    if not data.size or not np.isfinite(data).all() or data.min() < 0 or data.max() > 1:
        raise InvalidArgumentError("experts are trained on images in 0…1: bring yours there first")
    return data


def _sigmoid(x: Array) -> Array:
    return np.asarray(1 / (1 + np.exp(-x.clip(-60, 60))), np.float64)


#: What trains an auto-encoder, by framework.
TRAINERS: dict[str, Callable[..., Any]] = {"torch": _in_torch, "tensorflow": _in_keras}
