"""Parts of torchvision's detectors, to Keras and to canonical PyTorch: ``tox -e detection``.

In double precision all of them; in single, with the check as a caller has it, the boxes, behind which everything else lies.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from metannvis_translate import UnsupportedOperatorError, check_equivalence, translate

from .members import DETECTORS, Part, detector, parts
from .parts import Boxes, Proposals, RegionFeatures, features_of

ROWS = [
    (name, part, to, dtype)
    for name in DETECTORS
    for part in parts(name)
    for to in ("keras", "torch")
    for dtype in (("float64", "float32") if part == "boxes" else ("float64",))
]


@pytest.mark.timeout(900)
@pytest.mark.parametrize(("name", "part", "to", "dtype"), ROWS, ids=["-".join(row) for row in ROWS])
def test_part(name: str, part: str, to: str, dtype: str) -> None:
    row = parts(name)[part]
    model = row.make(detector(name))
    batch = 1 if name.startswith("ssd300") else 2  # its features are large
    translation = translate(model, to, example_inputs=row.inputs(batch, 0), dtype=dtype)
    assert not any("fixed" in note for note in translation.notes), translation.notes
    report = check_equivalence(model, translation, row.inputs(batch + 1, 1), dtype=dtype)
    assert report.passed, str(report)


@pytest.mark.timeout(900)
@pytest.mark.parametrize("name", DETECTORS)
def test_the_whole_is_refused_with_the_line_that_suppresses_boxes(name: str) -> None:
    images = Part(lambda model: model, parts(name)["backbone"].size).inputs(2, 0)
    heads = r"model\.backbone, model\.(rpn\.)?head"
    with pytest.raises(UnsupportedOperatorError, match=rf"(?s)\.py:\d+ in \w+: keep = .*nms\(.*{heads}"):
        translate(detector(name), "keras", example_inputs=images)


# --- the parts are what the detectors do themselves --------------------------------------------------------------------------


def unfiltered(model: Any) -> Any:
    """The detector, which keeps all boxes."""
    for stage in (model, getattr(model, "rpn", None)):
        for name, value in {"score_thresh": -1.0, "nms_thresh": 2.0, "min_size": 0.0}.items():
            if hasattr(stage, name):
                setattr(stage, name, value)
    return model


def as_handed_in(model: Any, images: torch.Tensor) -> list[torch.Tensor]:
    """Images that the detector's own normalisation turns into the given ones."""
    mean, std = (torch.tensor(v)[:, None, None] for v in (model.transform.image_mean, model.transform.image_std))
    return [image * std + mean for image in images]


def contained(rows: torch.Tensor, table: torch.Tensor) -> bool:
    """Whether each row stands in a table, up to the rounding of single precision."""
    return bool(torch.cdist(rows.double(), table.double()).amin(1).max() < 1e-3)


@pytest.mark.parametrize("name", [name for name in DETECTORS if "rcnn" not in name])
@torch.no_grad()
def test_boxes_are_the_detectors_own(name: str) -> None:
    model = unfiltered(detector(name))
    model.topk_candidates = model.detections_per_img = 100_000
    images = torch.from_numpy(parts(name)["boxes"].inputs(2, 0)[0])
    ours = Boxes(model, 12)(images)
    for k, theirs in enumerate(model(as_handed_in(model, images))):
        # labels of SSD start behind the background
        first = 1 if name.startswith("ssd") else 0
        rows = torch.cat([ours["boxes"][k], 100 * ours["scores"][k][:, None], 100.0 * ours["labels"][k][:, None]], 1)
        table = torch.cat(
            [theirs["boxes"], 100 * theirs["scores"][:, None], 100.0 * (theirs["labels"] - first)[:, None]], 1
        )
        assert contained(rows, table)
        assert torch.allclose(ours["scores"][k].max(), theirs["scores"].max())


@pytest.mark.parametrize("name", [name for name in DETECTORS if "rcnn" in name])
@torch.no_grad()
def test_regions_are_the_detectors_own(name: str) -> None:
    from torchvision.models.detection.image_list import ImageList

    model = unfiltered(detector(name))
    model.rpn._pre_nms_top_n = model.rpn._post_nms_top_n = {"testing": 100_000}
    images, regions = map(torch.from_numpy, parts(name)["regions"].inputs(2, 0))
    size = tuple(images.shape[-2:])
    boxes, scores = Proposals(model, 12)(images)
    features = model.backbone(images)
    theirs, _ = model.rpn(ImageList(images, [size] * 2), features)
    assert scores.shape == (2, 12)
    assert all(contained(a, b) for a, b in zip(boxes, theirs, strict=True))
    assert len(features_of(model, images)) == len(features)
    order = regions[:, 0].argsort(stable=True)
    pool = model.roi_heads.box_roi_pool
    wanted = pool(features, [regions[regions[:, 0] == k, 1:] for k in range(2)], [size] * 2)
    np.testing.assert_allclose(RegionFeatures(model, pool)(images, regions)[order], wanted, rtol=1e-5, atol=1e-6)
