"""Preprocessing: images, numbers, categories, signals, and augmentation in inference."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from metannvis_translate.frameworks.requirements import require

from .case import Network, one_layer

require("torch")  # before TensorFlow
keras = require("keras")

from keras import layers as L  # noqa: E402

__all__ = ["PREPROCESSING"]

IMAGE = (9, 12, 3)
RESIZED = "float32 in Keras"
FACTORS: dict[str, dict[str, Any]] = {
    "RandomBrightness": {"factor": 0.5},
    "RandomContrast": {"factor": 0.5},
    "RandomRotation": {"factor": 0.2},
    "RandomTranslation": {"height_factor": 0.2, "width_factor": 0.2},
    "RandomZoom": {"height_factor": 0.2},
    "RandomColorDegeneration": {"factor": 0.3},
    "RandomHue": {"factor": 0.3},
    "RandomSaturation": {"factor": 0.3},
    "RandomSharpness": {"factor": 0.3},
    "RandomPosterization": {"factor": 3},
    "RandomShear": {"x_factor": (0.1, 0.3)},
    "RandomCrop": {"height": 9, "width": 12},
    "MaxNumBoundingBoxes": {"max_number": 3},
}
IDENTITIES = (
    "AugMix", "CutMix", "MaxNumBoundingBoxes", "MixUp", "RandAugment", "RandomBrightness",
    "RandomColorDegeneration", "RandomColorJitter", "RandomContrast", "RandomCrop", "RandomElasticTransform", "RandomErasing",
    "RandomFlip", "RandomGaussianBlur", "RandomGrayscale", "RandomHue", "RandomInvert", "RandomPerspective",
    "RandomPosterization", "RandomRotation", "RandomSaturation", "RandomSharpness", "RandomShear", "RandomTranslation",
    "RandomZoom", "Solarization",
)  # fmt: skip


def augmented(name: str) -> Callable[[], Any]:
    """Augmentation between two layers, so that a gradient goes through it."""

    def build() -> Any:
        x = keras.Input(IMAGE)
        y = getattr(L, name)(**FACTORS.get(name, {}))(L.Rescaling(100.0, 80.0)(x))
        return keras.Model(x, L.Conv2D(2, 3)(y))

    return build


def row(key: str, name: str, make: Callable[[], Any], shape: tuple[int | None, ...], **rest: Any) -> Network:
    return Network(key, name, one_layer(make, shape), **rest)


def integers(key: str, name: str, make: Callable[[], Any], shape: tuple[int, ...], below: int) -> Network:
    return Network(key, name, one_layer(make, shape, dtype="int64"), below=below)


def _weighted() -> Any:
    x, factors = keras.Input((4,), dtype="int64"), keras.Input((4,))
    return keras.Model([x, factors], L.CategoryEncoding(6, "count")(x, count_weights=factors))


def resizing(height: int, width: int, **options: Any) -> Network:
    name = ",".join(f"{k}={v}" for k, v in {"size": (height, width), **options}.items())
    single = "" if options.get("interpolation") == "nearest" else RESIZED
    # TensorFlow has no derivative of these in double precision
    double = not options.get("antialias") and "lanczos" not in options.get("interpolation", "")
    return row("Resizing", name, lambda: L.Resizing(height, width, **options), IMAGE, single=single, double=double)


PREPROCESSING = [
    *[Network(name, "", augmented(name)) for name in IDENTITIES],
    row("AutoContrast", "", lambda: L.AutoContrast(), IMAGE),
    row("AutoContrast", "of one", lambda: L.AutoContrast((0, 1)), IMAGE),
    row("Pipeline", "", lambda: L.Pipeline([L.RandomFlip(), L.Rescaling(0.5), L.CenterCrop(5, 7)]), IMAGE),
    row("Rescaling", "a factor a channel", lambda: L.Rescaling([0.1, 0.2, 0.3], [1.0, -2.0, 0.5]), IMAGE),
    row("CenterCrop", "", lambda: L.CenterCrop(4, 7), IMAGE),
    row("CenterCrop", "too small", lambda: L.CenterCrop(10, 7), IMAGE, single=RESIZED),
    row("CenterCrop", "first", lambda: L.CenterCrop(4, 7, data_format="channels_first"), (3, 9, 12)),
    *[
        resizing(*size, interpolation=mode)
        for mode in ("nearest", "bilinear", "bicubic", "lanczos3", "lanczos5")
        for size in ((14, 7), (18, 36))
    ],
    resizing(5, 7, antialias=True),
    resizing(5, 7, interpolation="bicubic", antialias=True),
    resizing(8, 8, crop_to_aspect_ratio=True),
    resizing(8, 8, pad_to_aspect_ratio=True, fill_value=0.5),
    resizing(20, 6, pad_to_aspect_ratio=True, interpolation="nearest"),
    row("Resizing", "first", lambda: L.Resizing(14, 7, data_format="channels_first"), (3, 9, 12), single=RESIZED),
    Network(
        "Resizing",
        "bytes",
        one_layer(lambda: L.Resizing(14, 7, interpolation="nearest"), IMAGE, dtype="uint8"),
        below=256,
    ),
    row("UpSampling2D", "cubic by one", lambda: L.UpSampling2D(1, interpolation="bicubic"), IMAGE, single=RESIZED),
    row("UpSampling2D", "cubic", lambda: L.UpSampling2D(3, interpolation="bicubic"), IMAGE, single=RESIZED),
    row("UpSampling2D", "lanczos", lambda: L.UpSampling2D((2, 3), interpolation="lanczos3"), IMAGE, double=False),
    *[integers("CategoryEncoding", mode, lambda m=mode: L.CategoryEncoding(6, m), (4,), 6) for mode in ("multi_hot", "count")],
    integers("CategoryEncoding", "one_hot", lambda: L.CategoryEncoding(6, "one_hot"), (1,), 6),
    integers("CategoryEncoding", "one_hot of several", lambda: L.CategoryEncoding(6, "one_hot"), (4,), 6),
    integers("CategoryEncoding", "multi_hot of more axes", lambda: L.CategoryEncoding(6), (4, 3), 6),
    Network("CategoryEncoding", "weights", _weighted, below=6, double=False),
    *[
        row("Discretization", mode, lambda m=mode: L.Discretization([-1.0, -0.1, 0.3, 1.0], output_mode=m), (6,))
        for mode in ("int", "multi_hot", "count", "one_hot")
    ],
    integers("IntegerLookup", "", lambda: L.IntegerLookup(vocabulary=[4, 7, 2, 9]), (5,), 11),
    integers("IntegerLookup", "mask", lambda: L.IntegerLookup(vocabulary=[4, 7, 2, 9], mask_token=0), (5,), 11),
    integers("IntegerLookup", "multi_hot", lambda: L.IntegerLookup(vocabulary=[4, 7], output_mode="multi_hot"), (5,), 11),
    row("MelSpectrogram", "", lambda: L.MelSpectrogram(32, 12, 24, sampling_rate=8000, num_mel_bins=8, min_freq=100.0), (90,), double=False),
    row("MelSpectrogram", "power", lambda: L.MelSpectrogram(
        32, 12, None, "hamming", 8000, 8, power_to_db=False, mag_exp=1.0), (90,)),
    *[
        row("STFTSpectrogram", mode, lambda m=mode: L.STFTSpectrogram(m, 16, 5, 32), (60, 2))
        for mode in ("log", "magnitude", "psd", "real", "imag", "stft")
    ],
    row("STFTSpectrogram", "expanded", lambda: L.STFTSpectrogram("magnitude", 16, 5, expand_dims=True, padding="same"), (60, 2)),
]  # fmt: skip
