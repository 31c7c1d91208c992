"""The zoo's members: what ``members.json`` freezes, how each is made, and what it is fed.

A member is called ``torchvision/resnet18``, ``timm/beit`` (the *module*) or ``hand/rgb`` (a row of ``tests/zoo_torch.py``).
Images are as small as the architecture allows and not square where it allows that, since a square hides a swapped axis.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

__all__ = ["COMPUTED", "LISTS", "Member", "find", "names"]

Array = np.ndarray[Any, Any]
LISTS: dict[str, Any] = json.loads(Path(__file__).with_name("members.json").read_text())


@dataclass(frozen=True)
class Member:
    """A network of the zoo.

    Attributes
    ----------
    make
        Makes the module, with weights that nobody trained.
    shapes
        Of the inputs, without the batch, where ``given`` does not make them.
    given
        ``given(batch, generator)`` makes the inputs: arrays in order, or a mapping of keywords to arrays.
    calibrated
        Biases and statistics are set by ``randomize.calibrate``; ``False`` if ``make`` has done that.
    single
        What the source computes in single precision, so that the model is held to 1e-6; empty: it must not.
    """

    name: str
    make: Callable[[], Any]
    shapes: tuple[tuple[int, ...], ...] = ((3, 64, 80),)
    given: Callable[[int, np.random.Generator], Any] | None = None
    integers: bool = False
    calibrated: bool = True
    single: str | None = None
    #: what a check may want to know of a member, e.g. that it is a convolutional network
    tags: frozenset[str] = field(default=frozenset())

    def inputs(self, batch: int, seed: int, dtype: str = "float32") -> Any:
        """Fresh inputs; floats in the precision asked for."""
        random = np.random.default_rng([seed, batch])
        if self.given is not None:
            made = self.given(batch, random)
            if isinstance(made, dict):
                return {key: _in(array, dtype) for key, array in made.items()}
            return [_in(array, dtype) for array in made]
        arrays = [random.standard_normal((batch, *shape)) for shape in self.shapes]
        return [(np.rint(2.5 * a) if self.integers else a).astype(dtype) for a in arrays]


def _in(array: Any, dtype: str) -> Array:
    array = np.asarray(array)
    return array.astype(dtype) if array.dtype.kind == "f" else array


def names() -> tuple[str, ...]:
    """Every member, torchvision first."""
    return (
        *(f"torchvision/{name}" for kind in LISTS["torchvision"]["members"].values() for name in kind),
        *(f"timm/{module}" for module in LISTS["timm"]["members"]),
        *(f"hand/{name}" for name in _hand()),
    )


def find(name: str) -> Member:
    """The member of that name."""
    family, _, key = name.partition("/")
    return {"torchvision": _torchvision, "timm": _timm, "hand": _hand_written}[family](name, key)


# --- torchvision ------------------------------------------------------------------------------------------------------------

#: Sizes where 64 × 80 does not do, and options of the builders.
SHAPES: dict[str, tuple[int, ...]] = {
    "inception_v3": (3, 80, 96),
    "vit_b_16": (3, 48, 48),
    "swin_t": (3, 84, 112),  # windows of 7: 21 × 28, then 11 × 14 and so on, some padded and some not
    "swin_v2_t": (3, 64, 96),
    "maxvit_t": (3, 224, 224),  # its windows of 7 have to divide each of four halvings
    "r3d_18": (3, 6, 48, 64),
    "mc3_18": (3, 6, 48, 64),
    "r2plus1d_18": (3, 6, 48, 64),
    "s3d": (3, 13, 209, 209),  # its last pool is 2 × 7 × 7
    "mvit_v1_b": (3, 8, 64, 64),
    "mvit_v2_s": (3, 8, 64, 64),
    "swin3d_t": (3, 8, 64, 96),
}
OPTIONS: dict[str, dict[str, Any]] = {
    "googlenet": {"transform_input": True, "init_weights": False},
    "inception_v3": {"transform_input": True, "init_weights": False},
    "vit_b_16": {"image_size": 48},
    "fcn_resnet50": {"weights_backbone": None, "aux_loss": True},
    "deeplabv3_mobilenet_v3_large": {"weights_backbone": None, "aux_loss": True},
    "lraspp_mobilenet_v3_large": {"weights_backbone": None},
}
#: Members that compute layers' weights of others, which the translation trains instead: the counts differ.
COMPUTED = {
    "timm/naflexvit": "a table of positions is resized; the resized one is trained",
    "timm/nfnet": "kernels are standardised weights times a gain; the kernels are trained",
}
#: Members that are no convolutional networks.
ATTENTION = ("vit", "swin", "maxvit", "mvit")


def _torchvision(name: str, key: str) -> Member:
    kind = next(kind for kind, members in LISTS["torchvision"]["members"].items() if key in members)

    def make() -> Any:
        import torchvision

        with _small_mvit(key):
            return torchvision.models.get_model(key, weights=None, **OPTIONS.get(key, {}))

    tags = {kind} | (set() if key.startswith(ATTENTION) else {"cnn"})
    return Member(name, make, (SHAPES.get(key, (3, 64, 80)),), tags=frozenset(tags))


@contextmanager
def _small_mvit(key: str) -> Iterator[None]:
    """The class takes any size, the builders of MViT fix 16 frames of 224 × 224."""
    if not key.startswith("mvit"):
        yield
        return
    from torchvision.models.video import mvit

    whole = mvit.MViT
    _, frames, *size = SHAPES[key]
    mvit.MViT = lambda **options: whole(**{**options, "spatial_size": tuple(size), "temporal_size": frames})
    try:
        yield
    finally:
        mvit.MViT = whole


# --- timm -------------------------------------------------------------------------------------------------------------------

#: Where 64 × 96 does not do: images, by module.
TIMM_SHAPES: dict[str, tuple[int, ...]] = {
    "byoanet": (3, 256, 256),  # its blocks of 8 have to divide what five halvings leave
    "convit": (3, 64, 64),  # takes squares alone
    "crossvit": (3, 240, 240),  # the two sizes of its branches are fixed
    "deepseek_vit": (3, 56, 84),  # patches of 14
    "efficientformer": (3, 224, 224),  # its attention biases are for 7 × 7
    "inception_resnet_v2": (3, 96, 128),
    "inception_v3": (3, 96, 128),
    "inception_v4": (3, 96, 128),
    "mvitv2": (3, 64, 64),
    "nest": (3, 64, 64),
}
#: Members that are convolutional networks: no tokens, no attention among places.
TIMM_CNN = frozenset({
    "byobnet", "convmixer", "convnext", "cspnet", "cspnext", "densenet", "dla", "dpn", "efficientnet", "fasternet", "fastvit",
    "ghostnet", "hardcorenas", "hgnet", "hrnet", "inception_next", "inception_resnet_v2", "inception_v3", "inception_v4",
    "lcnetv2", "mambaout", "metaformer", "mobilenetv3", "nasnet", "nfnet", "pnasnet", "rdnet", "regnet", "repghost", "repvit",
    "res2net", "resnest", "resnet", "resnetv2", "rexnet", "selecsls", "senet", "sknet", "starnet", "tresnet", "vgg", "vovnet",
    "xception", "xception_aligned",
})  # fmt: skip
#: Members of a fixed size that are built for their image's size; the others are built as they are.
TIMM_AS_THEY_ARE = ("crossvit", "efficientformer")


def _timm(name: str, key: str) -> Member:
    row = LISTS["timm"]["members"][key]

    def make() -> Any:
        import timm

        options = {"img_size": shape[1:]} if row["fixed_input_size"] and key not in TIMM_AS_THEY_ARE else {}
        return timm.create_model(row["model"], pretrained=False, **options)

    shape = TIMM_SHAPES.get(key, (3, 64, 96))
    return Member(name, make, (shape,), tags=frozenset({"cnn"} if key in TIMM_CNN else ()))


# --- hand-written -----------------------------------------------------------------------------------------------------------


def _hand() -> dict[str, Any]:
    from ..tests.networks.torch import ZOO

    return ZOO


def _hand_written(name: str, key: str) -> Member:
    row = _hand()[key]
    from ..tests.networks.torch import randomize

    return Member(
        name,
        lambda: randomize(row.make()),
        row.shapes,
        given=getattr(row, "given", None),
        integers=row.integers,
        calibrated=False,
        single=row.single,
    )
