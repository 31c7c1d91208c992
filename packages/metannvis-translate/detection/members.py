"""Members of the detection table: torchvision's detectors, and the parts that each is translated in."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from torch import nn

__all__ = ["DETECTORS", "Part", "detector", "parts"]

Array = np.ndarray[Any, Any]
#: Few candidates and small images, of which every part takes the same.
ONE_STAGE = {"topk_candidates": 20, "detections_per_img": 10}
TWO_STAGES = {"rpn_pre_nms_top_n_test": 20, "rpn_post_nms_top_n_test": 10, "box_detections_per_img": 5}
SMALL = {"min_size": 64, "max_size": 96}
#: Image, height and width; the feature maps of all levels have more than one entry but the coarsest.
SIZE = (64, 96)

DETECTORS: dict[str, dict[str, Any]] = {
    "retinanet_resnet50_fpn": ONE_STAGE | SMALL,
    "retinanet_resnet50_fpn_v2": ONE_STAGE | SMALL,
    "fcos_resnet50_fpn": ONE_STAGE | SMALL,
    "ssd300_vgg16": ONE_STAGE,
    "ssdlite320_mobilenet_v3_large": ONE_STAGE,
    "fasterrcnn_resnet50_fpn": TWO_STAGES | SMALL,
    "fasterrcnn_resnet50_fpn_v2": TWO_STAGES | SMALL,
    "fasterrcnn_mobilenet_v3_large_fpn": TWO_STAGES | SMALL,
    "fasterrcnn_mobilenet_v3_large_320_fpn": TWO_STAGES | SMALL,
    "maskrcnn_resnet50_fpn": TWO_STAGES | SMALL,
    "maskrcnn_resnet50_fpn_v2": TWO_STAGES | SMALL,
    "keypointrcnn_resnet50_fpn": TWO_STAGES | SMALL,
}
#: Sizes of SSD's feature maps are fixed by its anchors.
SIZES = {"ssd300_vgg16": (300, 300), "ssdlite320_mobilenet_v3_large": (320, 320)}


@dataclass(frozen=True)
class Part:
    """A part of a detector.

    Attributes
    ----------
    make
        The module, from the detector.
    size
        Height and width of the images.
    regions
        Whether it takes regions beside the images.
    """

    make: Callable[[nn.Module], nn.Module]
    size: tuple[int, int] = SIZE
    regions: bool = False

    def inputs(self, batch: int, seed: int) -> tuple[Array, ...]:
        """Fresh images, and five regions of them, however many there are: a translation takes as many as in the example."""
        random = np.random.default_rng([seed, batch])
        height, width = self.size
        images = random.standard_normal((batch, 3, height, width)).astype("float32")
        if not self.regions:
            return (images,)
        corners = random.uniform(0, [width / 2, height / 2], (5, 2))
        sides = random.uniform([4, 4], [width / 2, height / 2], (5, 2))
        sample = np.arange(5)[:, None] % batch
        return images, np.concatenate([sample, corners, corners + sides], 1).astype("float32")


def detector(name: str) -> nn.Module:
    """A detector with random weights, in inference mode."""
    import torch
    from torchvision.models import detection

    torch.manual_seed(0)
    classes = {} if name.startswith("keypoint") else {"num_classes": 4}
    model = getattr(detection, name)(weights=None, weights_backbone=None, **classes, **DETECTORS[name]).eval()
    with torch.no_grad():
        # what is initialised to zero or one would hide an error; and no score is to be lost among those of a thousand
        for path, tensor in (*model.named_parameters(), *model.named_buffers()):
            if not tensor.is_floating_point() or tensor.ndim != 1:
                continue
            if path.endswith(("running_mean", "bias")):
                tensor += 0.1 * torch.randn_like(tensor)
            elif path.endswith(("running_var", "weight")):
                tensor *= 1 + 0.2 * torch.rand_like(tensor)
        if name.startswith("ssdlite"):
            _normalize(model, SIZES[name])
    return model


def _normalize(model: Any, size: tuple[int, int]) -> None:
    """Take the statistics of random images: with others nothing is left of an image so deep in a network, and all boxes tie."""
    import torch

    from .parts import Heads

    for module in model.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.momentum = None
            module.reset_running_stats()
    Heads(model).train()(torch.randn(4, 3, *size))
    model.eval()


def parts(name: str) -> dict[str, Part]:
    """The parts of a detector by name."""
    from . import parts as modules

    size = SIZES.get(name, SIZE)
    found = {
        "backbone": Part(lambda model: model.backbone, size),
        "heads": Part(modules.Heads, size),
    }
    if "rcnn" in name:
        found["proposals"] = Part(lambda model: modules.Proposals(model, 12), size)
        found["regions"] = Part(modules.Regions, size, regions=True)
        found["boxes"] = Part(modules.RegionBoxes, size, regions=True)
    else:
        found["boxes"] = Part(lambda model: modules.Boxes(model, 12), size)
    return found
