from __future__ import annotations

import json


def test_of_every_kind_of_file(metannvis, models):
    for name, kind, axes in (("net.pt2", "Conv2d", "NCHW"), ("net.keras", "Conv2D", "NHWC")):
        rows = json.loads(metannvis("layers", models / name, "--json").stdout)
        (conv,) = [row for row in rows if row["name"] == "conv"]
        assert (conv["kind"], conv["axes"]) == (kind, axes)
    assert "Conv" in metannvis("layers", models / "net.onnx").stdout


def test_the_table(metannvis, models):
    lines = metannvis("layers", models / "net.pt2").stdout.splitlines()
    assert lines[0].split() == ["LAYER", "KIND", "SHAPE", "AXES"]
    assert "conv" in lines[1]
    assert "(?, 4, 6, 5)" in lines[1]


def test_a_state_dict_needs_its_module_and_a_shape(metannvis, models, monkeypatch):
    monkeypatch.chdir(models)
    assert "architecture" in metannvis("layers", models / "net.pt", code=1).stderr
    common = ("layers", models / "net.pt", "--architecture", "architecture:make", "--json")
    rows = json.loads(metannvis(*common, "--input-shape", "1,3,6,5").stdout)
    assert [row["name"] for row in rows] == ["conv", "relu", "pool", "flatten", "classes"]
    assert metannvis(*common, "-i", models / "torch.npy").stdout
