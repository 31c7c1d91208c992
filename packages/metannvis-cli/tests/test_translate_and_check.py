from __future__ import annotations

import json

import pytest


@pytest.mark.parametrize(
    ("source", "target"),
    [("net.pt2", "to.keras"), ("net.keras", "to.pt2"), ("net.keras", "to.onnx"), ("net.onnx", "to.keras")],
)
def test_there_and_check(metannvis, models, tmp_path, source, target):
    result = metannvis("translate", models / source, tmp_path / target)
    assert "agree" in result.stdout
    assert result.stdout.splitlines()[-1] == f"wrote {tmp_path / target}"
    assert result.stderr == ""
    options = ["--no-gradients"] if "onnx" in source + target else []  # differences do not reach 1e-9
    arguments = ("check", models / source, tmp_path / target, "--float64", "--json", *options)
    report = json.loads(metannvis(*arguments).stdout)
    assert report["passed"]
    assert report["dtype"] == "float64"
    assert max(row["max_rel"] for row in report["outputs"]) < 1e-9


def test_json(metannvis, models, tmp_path):
    arguments = ("translate", models / "net.pt2", tmp_path / "to.keras", "--json")
    found = json.loads(metannvis(*arguments, "-i", models / "torch.npy").stdout)
    assert found["report"]["passed"]
    assert found["file"] == str(tmp_path / "to.keras")
    assert found["layers"] >= 5


def test_a_file_that_exists_stays(metannvis, models, tmp_path):
    (tmp_path / "to.keras").write_text("mine")
    assert "--overwrite" in metannvis("translate", models / "net.pt2", tmp_path / "to.keras", code=1).stderr
    assert (tmp_path / "to.keras").read_text() == "mine"
    metannvis("translate", models / "net.pt2", tmp_path / "to.keras", "--overwrite", "--no-verify")
    assert (tmp_path / "to.keras").stat().st_size > 4


def test_an_unknown_ending(metannvis, models, tmp_path):
    assert ".keras" in metannvis("translate", models / "net.pt2", tmp_path / "to.xyz", code=1).stderr
    metannvis("translate", models / "net.pt2", tmp_path / "missing" / "to.keras", code=2)


def test_models_that_disagree_end_with_1(metannvis, models, tmp_path):
    result = metannvis("check", models / "net.pt2", models / "net.keras", code=1)
    assert "DISAGREE" in result.stdout
    assert result.stderr.splitlines()[-1].endswith("disagree")
