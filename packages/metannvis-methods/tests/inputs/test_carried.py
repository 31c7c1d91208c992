"""Preprocessing that models carry, and the records that it is written in."""

from __future__ import annotations

import json
import math
import zipfile
from types import SimpleNamespace

import numpy as np
import pytest
from metannvis_methods.inputs import InputSpec, carried, customary, preprocessing, read_image
from metannvis_methods.inputs.preprocessing import PRESETS, said, scale_pixels
from metannvis_methods.vocabulary import Preprocessing
from metannvis_translate import InvalidArgumentError
from PIL import Image

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
#: As timm has it for ``resnet50.a1_in1k``, beside what does not matter here.
TIMM = {
    "input_size": [3, 224, 224],
    "crop_pct": 0.95,
    "interpolation": "bicubic",
    "mean": MEAN,
    "std": STD,
    "url": "",
    "num_classes": 1000,
    "pool_size": [7, 7],
    "first_conv": "conv1",
    "classifier": "fc",
    "crop_mode": "center",
}
#: Attributes of torchvision's ``ResNet50_Weights.IMAGENET1K_V2.transforms()``.
TORCHVISION = {
    "crop_size": [224],
    "resize_size": [232],
    "mean": MEAN,
    "std": STD,
    "interpolation": "InterpolationMode.BILINEAR",
    "antialias": True,
}
#: ``preprocessor_config.json`` of ``google/vit-base-patch16-224`` and of ``microsoft/resnet-50``, in essence.
VIT = {
    "do_normalize": True,
    "do_rescale": True,
    "do_resize": True,
    "image_mean": [0.5] * 3,
    "image_std": [0.5] * 3,
    "resample": 2,
    "rescale_factor": 1 / 255,
    "size": {"height": 224, "width": 224},
}
RESNET = {
    "do_normalize": True,
    "do_resize": True,
    "do_center_crop": True,
    "image_mean": MEAN,
    "image_std": STD,
    "resample": 3,
    "size": {"shortest_edge": 256},
    "crop_size": {"height": 224, "width": 224},
}


@pytest.mark.parametrize(
    ("record", "expected"),
    [
        (TIMM, Preprocessing(255, MEAN, STD, "RGB", (224, 224), True, 0.95, "bicubic")),
        ({"architecture": "resnet50", "pretrained_cfg": TIMM}, Preprocessing(255, MEAN, STD, "RGB", (224, 224), True, 0.95, "bicubic")),
        (TORCHVISION, Preprocessing(255, MEAN, STD, "RGB", (224, 224), True, 224 / 232)),
        (VIT, Preprocessing(255, (0.5,) * 3, (0.5,) * 3, "RGB", (224, 224))),
        (RESNET, Preprocessing(255, MEAN, STD, "RGB", (224, 224), True, 224 / 256, "bicubic")),
        ({"range": [-1, 1]}, Preprocessing(127.5, (1.0,))),
        ({"range": [0, 1], "mean": MEAN, "std": STD}, Preprocessing(255, MEAN, STD)),
        ({"range": [0, 255], "mean": [103.939, 116.779, 123.68], "channels": "bgr"}, PRESETS["imagenet-caffe"]),
        ({"divisor": 255, "size": 64, "order": "RGB"}, Preprocessing(255, size=(64, 64))),
    ],
    ids=["timm", "timm nested", "torchvision", "vit", "resnet", "range", "range and mean", "caffe", "ours"],
)  # fmt: skip
def test_records(record, expected):
    found = preprocessing(record)
    assert found == expected or all(
        getattr(found, name) == pytest.approx(getattr(expected, name))
        for name in ("divisor", "mean", "std", "crop_share")
    )
    assert (found.size, found.order, found.crop, found.interpolation) == (
        *(expected.size, expected.order, expected.crop, expected.interpolation),
    )


@pytest.mark.parametrize(
    ("record", "said"),
    [
        ({"scale": 255}, "no 'scale'; it has divisor"),
        ({"range": [0, 1], "divisor": 255}, "a divisor or a range, not both"),
        ({"range": [1, 0]}, "with low below high"),
        ({"range": "unit"}, "is two numbers"),
        ({"crop_share": 1.5}, "crop_share is above 0 and at most 1"),
        ({"interpolation": "cubic"}, "interpolation is one of nearest"),
        ({"crop": "yes"}, "crop is true or false"),
        ({**TIMM, "input_size": "large"}, "'input_size' cannot be read"),
        ({**VIT, "size": {}}, "'image_mean' cannot be read"),
    ],
)
def test_records_that_are_none(record, said):
    with pytest.raises(InvalidArgumentError, match=said):
        preprocessing(record)


def test_a_range_does_what_it_says():
    pixels = np.array([[[0.0, 127.5, 255.0]]])
    np.testing.assert_allclose(scale_pixels(pixels, {"range": [-1, 1]}), [[[-1, 0, 1]]], atol=1e-12)
    found = scale_pixels(pixels, {"range": [-1, 1], "mean": 0.5, "std": 2})
    np.testing.assert_allclose(found, (np.array([[[-1, 0, 1]]]) - 0.5) / 2, atol=1e-12)


@pytest.mark.parametrize("size", [(300, 500), (500, 301), (224, 224), (100, 90)])
def test_the_middle_is_cut_as_torchvision_does(tmp_path, size):
    """``Resize(256)`` and ``CenterCrop(224)``, in Pillow's words; an image of the network's size is left as it is."""
    pixels = np.random.default_rng(0).integers(0, 256, (*size, 3), dtype=np.uint8)
    picture = Image.fromarray(pixels)
    picture.save(tmp_path / "x.png")
    high, wide = size
    short = min(size)
    whole = (int(256 * wide / short), 256) if wide > high else (256, int(256 * high / short))
    expected = picture
    if size != (224, 224):
        large = picture.resize(whole, Image.Resampling.BILINEAR)
        left, top = (round((side - 224) / 2) for side in large.size)
        expected = large.crop((left, top, left + 224, top + 224))
    spec = InputSpec("x", (None, 224, 224, 3), channels_first=False)
    found, _ = read_image(tmp_path / "x.png", spec, scale="imagenet-torch")
    np.testing.assert_allclose(found[0], (np.asarray(expected) / 255 - MEAN) / STD, rtol=1e-5, atol=1e-6)
    whole_image, _ = read_image(tmp_path / "x.png", spec, scale="imagenet-torch", crop=False)
    distorted = np.asarray(picture.resize((224, 224), Image.Resampling.BILINEAR))
    np.testing.assert_allclose(whole_image[0], (distorted / 255 - MEAN) / STD, rtol=1e-5, atol=1e-6)


def test_a_file_beside_the_model(tmp_path):
    model = tmp_path / "net.onnx"
    model.write_bytes(b"")
    assert carried(model) is None
    (tmp_path / "preprocessor_config.json").write_text(json.dumps(VIT))
    assert carried(model)[1] == "preprocessor_config.json beside the model"
    for name in ("net.preprocess.json", "net.onnx.preprocess.json"):
        (tmp_path / name).write_text(json.dumps({"range": [0, 1], "size": len(name)}))
        assert carried(model) == (Preprocessing(255.0, size=(len(name),) * 2), name)
    (tmp_path / "net.onnx.preprocess.json").write_text("[1]")
    with pytest.raises(InvalidArgumentError, match=r"^net\.onnx\.preprocess\.json holds no preprocessing"):
        carried(model)
    (tmp_path / "net.onnx.preprocess.json").write_text('{"divisor": 0}')
    with pytest.raises(InvalidArgumentError, match=r"^net\.onnx\.preprocess\.json: preprocess: divisor is"):
        carried(model)


def test_a_file_in_the_archive(tmp_path):
    with zipfile.ZipFile(tmp_path / "net.pt2", "w") as archive:
        archive.writestr("net/extra/pretrained_cfg.json", json.dumps(TIMM))
        archive.writestr("net/data/config.json", "{}")
    known, where = carried(tmp_path / "net.pt2")
    assert where == "pretrained_cfg.json in net.pt2"
    assert known.interpolation == "bicubic"


def test_what_pytorch_writes_into_its_archive(tmp_path):
    import torch

    program = torch.export.export(torch.nn.Linear(2, 2), (torch.zeros(1, 2),))
    torch.export.save(program, tmp_path / "net.pt2", extra_files={"preprocess.json": json.dumps({"range": [-1, 1]})})
    assert carried(tmp_path / "net.pt2") == (PRESETS["symmetric"], "preprocess.json in net.pt2")


def properties(**given):
    return SimpleNamespace(
        metadata_props=[SimpleNamespace(key=k.replace("__", "."), value=v) for k, v in given.items()]
    )


@pytest.mark.parametrize(
    ("model", "expected"),
    [
        (properties(preprocess='{"range": [-1, 1]}'), PRESETS["symmetric"]),
        (properties(pretrained_cfg=json.dumps(TIMM)), preprocessing(TIMM)),
        (properties(mean="[0.5, 0.5, 0.5]", std="[0.5, 0.5, 0.5]"), Preprocessing(255, (0.5,) * 3, (0.5,) * 3)),
        (properties(Image__NominalPixelRange="Normalized_0_1"), PRESETS["unit"]),
        (properties(Image__NominalPixelRange="Normalized_1_1"), PRESETS["symmetric"]),
        (
            properties(Image__NominalPixelRange="NominalRange_0_255", Image__BitmapPixelFormat="Bgr8"),
            Preprocessing(1.0, order="BGR"),
        ),
        (SimpleNamespace(pretrained_cfg=TIMM), preprocessing(TIMM)),
        (SimpleNamespace(pretrained_cfg=SimpleNamespace(to_dict=lambda: TIMM)), preprocessing(TIMM)),
    ],
)
def test_what_a_model_says_itself(model, expected):
    assert carried(None, model)[0] == expected


@pytest.mark.parametrize(
    "model", [object(), properties(mean="a photograph", std="2"), SimpleNamespace(pretrained_cfg={})]
)
def test_what_says_nothing(model):
    assert carried(None, model) is None


@pytest.mark.parametrize(
    ("name", "preset"),
    [
        ("resnet50", "imagenet-caffe"),
        ("vgg16", "imagenet-caffe"),
        ("resnet50v2", "imagenet-tf"),
        ("mobilenet_1.00_224", "imagenet-tf"),
        ("mobilenetv2_1.00_224", "imagenet-tf"),
        ("densenet121", "imagenet-torch"),
        ("MobileNetV3Small", None),
        ("efficientnetb0", None),
        ("my_resnet50", None),
        (None, None),
    ],
)
def test_networks_of_a_name(name, preset):
    found = customary(SimpleNamespace(name=name))
    assert found == (None if preset is None else (PRESETS[preset], name))


def test_in_words():
    assert said(PRESETS["imagenet-caffe"]) == "imagenet-caffe: pixels / 1 − (103.939, 116.779, 123.68), blue first"
    assert said(PRESETS["unit"]) == "unit: pixels of 0…1"
    assert said(PRESETS["imagenet-torch"]).endswith("/ (0.229, 0.224, 0.225), the middle 0.875 of the shorter side")
    assert math.isclose(preprocessing(RESNET).crop_share, 0.875)
