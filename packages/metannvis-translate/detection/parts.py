"""Parts of torchvision's detectors: modules whose shapes no data decide, cut from a detector that is there.

A detector returns as many boxes as it finds, so that it cannot be translated whole. What it computes before boxes are dropped
can: the features, the outputs of the heads, the boxes with their scores. Each module here takes images of one size, as the
detector's own ``transform`` hands them on, with the batch on axis 0.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor, nn
from torchvision.models.detection.image_list import ImageList
from torchvision.ops import MultiScaleRoIAlign, roi_align
from torchvision.ops import boxes as box_ops

__all__ = ["Boxes", "Heads", "Proposals", "RegionBoxes", "RegionFeatures", "Regions"]


def features_of(detector: nn.Module, images: Tensor) -> list[Tensor]:
    """Feature maps of every level, the finest first."""
    features = detector.backbone(images)
    return [features] if isinstance(features, Tensor) else list(features.values())


def anchors_of(generator: nn.Module, images: Tensor, features: list[Tensor]) -> Tensor:
    """Anchors of one image, ``(anchors, 4)``: they depend on nothing but sizes, and are constants of a translation."""
    size = (images.shape[-2], images.shape[-1])
    anchors: Tensor = generator(ImageList(images[:1], [size]), features)[0]
    return anchors


def clipped(boxes: Tensor, images: Tensor) -> Tensor:
    """Boxes within the image."""
    found: Tensor = box_ops.clip_boxes_to_image(boxes, (images.shape[-2], images.shape[-1]))
    return found


class Heads(nn.Module):
    """What the heads of a detector of one stage, or the proposing head of one of two, return: raw numbers for each anchor."""

    def __init__(self, detector: nn.Module) -> None:
        super().__init__()
        self.detector = detector

    def forward(self, images: Tensor) -> Any:
        features = features_of(self.detector, images)
        return self.detector.rpn.head(features) if hasattr(self.detector, "rpn") else self.detector.head(features)


class Boxes(nn.Module):
    """Boxes, scores and labels of a detector of one stage: the ``count`` best of each image, nothing suppressed."""

    def __init__(self, detector: nn.Module, count: int) -> None:
        super().__init__()
        self.detector, self.count = detector, count

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        features = features_of(self.detector, images)
        heads = self.detector.head(features)
        anchors = anchors_of(self.detector.anchor_generator, images, features)
        logits, codes = heads["cls_logits"], heads["bbox_regression"]
        if "bbox_ctrness" in heads:  # FCOS
            boxes = self.detector.box_coder.decode(codes, anchors)
            scores = (logits.sigmoid() * heads["bbox_ctrness"].sigmoid()).sqrt()
        else:
            boxes = decoded(self.detector.box_coder, codes, anchors)
            # SSD: the first class is the background
            scores = (
                logits.sigmoid()
                if hasattr(self.detector.head.classification_head, "cls_logits")
                else logits.softmax(-1)[..., 1:]
            )
        best, labels = scores.max(-1)
        scores, places = best.topk(self.count, 1)
        boxes = clipped(boxes, images).gather(1, places.unsqueeze(-1).expand(-1, -1, 4))
        return {"boxes": boxes, "scores": scores, "labels": labels.gather(1, places)}


def decoded(coder: Any, codes: Tensor, anchors: Tensor) -> Tensor:
    """Boxes of codes ``(samples, anchors, 4)`` about the anchors of one image."""
    boxes: Tensor = coder.decode_single(codes.flatten(0, 1), anchors.repeat(codes.shape[0], 1))
    return boxes.reshape(codes.shape)


class Proposals(nn.Module):
    """Regions that the first stage proposes, the ``count`` best of each image, and their scores; nothing suppressed."""

    def __init__(self, detector: nn.Module, count: int) -> None:
        super().__init__()
        self.detector, self.count = detector, count

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        features = features_of(self.detector, images)
        objectness, codes = self.detector.rpn.head(features)
        anchors = anchors_of(self.detector.rpn.anchor_generator, images, features)
        # an anchor's numbers lie one behind another on the axis of channels
        scores = torch.cat([level.permute(0, 2, 3, 1).flatten(1) for level in objectness], 1)
        flat = torch.cat([level.permute(0, 2, 3, 1).reshape(level.shape[0], -1, 4) for level in codes], 1)
        boxes = clipped(decoded(self.detector.rpn.box_coder, flat, anchors), images)
        scores, places = scores.sigmoid().topk(self.count, 1)
        return boxes.gather(1, places.unsqueeze(-1).expand(-1, -1, 4)), scores


class RegionFeatures(nn.Module):
    """Features of regions ``(regions, 5)``, the number of the sample in front of the corners.

    torchvision sorts the regions by the level of features that they are read from, and how many belong to a level is data.
    Here every region is read from every level, and that of its own one is taken.
    """

    def __init__(self, detector: nn.Module, pool: MultiScaleRoIAlign) -> None:
        super().__init__()
        self.detector, self.pool = detector, pool

    def forward(self, images: Tensor, regions: Tensor) -> Tensor:
        features = self.detector.backbone(images)
        levels = [features[name] for name in self.pool.featmap_names if name in features]
        steps = [round(math.log2(images.shape[-2] / level.shape[-2])) for level in levels]
        size, points = self.pool.output_size, self.pool.sampling_ratio
        read = [roi_align(x, regions, size, 0.5**step, points) for x, step in zip(levels, steps, strict=True)]
        area = (regions[:, 3] - regions[:, 1]) * (regions[:, 4] - regions[:, 2])
        level = torch.floor(self.pool.canonical_level + torch.log2(area.sqrt() / self.pool.canonical_scale) + 1e-6)
        level = (level - steps[0]).clamp(0, len(read) - 1)[:, None, None, None]
        return torch.stack([(level == k).to(x.dtype) * x for k, x in enumerate(read)]).sum(0)


class Regions(nn.Module):
    """What the heads of the second stage return for regions: logits of classes and codes of boxes, masks, keypoints."""

    def __init__(self, detector: nn.Module) -> None:
        super().__init__()
        self.detector = detector
        heads = detector.roi_heads
        self.features = nn.ModuleDict()
        for kind in ("box", "mask", "keypoint"):
            if getattr(heads, f"{kind}_roi_pool", None) is not None:
                self.features[kind] = RegionFeatures(detector, getattr(heads, f"{kind}_roi_pool"))

    def forward(self, images: Tensor, regions: Tensor) -> dict[str, Tensor]:
        heads = self.detector.roi_heads
        found = {}
        for kind, features in self.features.items():
            x = getattr(heads, f"{kind}_head")(features(images, regions))
            result = getattr(heads, f"{kind}_predictor")(x)
            if kind == "box":
                found["class_logits"], found["box_regression"] = result
            else:
                found[f"{kind}_logits"] = result
        return found


class RegionBoxes(nn.Module):
    """Boxes of every class ``(regions, classes, 4)`` and scores of the second stage; nothing is dropped."""

    def __init__(self, detector: nn.Module) -> None:
        super().__init__()
        self.detector = detector
        self.features = RegionFeatures(detector, detector.roi_heads.box_roi_pool)

    def forward(self, images: Tensor, regions: Tensor) -> dict[str, Tensor]:
        heads = self.detector.roi_heads
        logits, codes = heads.box_predictor(heads.box_head(self.features(images, regions)))
        boxes = heads.box_coder.decode_single(codes, regions[:, 1:])
        return {"boxes": clipped(boxes.reshape(regions.shape[0], -1, 4), images), "scores": logits.softmax(-1)}
