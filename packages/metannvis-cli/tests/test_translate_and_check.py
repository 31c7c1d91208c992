from __future__ import annotations

import hashlib
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
    assert ".keras" in metannvis("translate", models / "net.pt2", tmp_path / "to.xyz", code=2).stderr
    metannvis("translate", models / "net.pt2", tmp_path / "missing" / "to.keras", code=2)


def test_models_that_disagree_end_with_1(metannvis, models, tmp_path):
    result = metannvis("check", models / "net.pt2", models / "net.keras", code=1)
    assert "DISAGREE" in result.stdout
    assert result.stderr.splitlines()[-1].endswith("disagree")


def test_images_of_any_size(metannvis, models, tmp_path, monkeypatch):
    monkeypatch.chdir(models)
    module = ("net.pt", tmp_path / "to.onnx", "--architecture", "architecture:make", "--input-shape", "2,3,6,5")
    metannvis("translate", *module, "--free-axes", "2,3")
    import onnx

    (image,) = onnx.load(tmp_path / "to.onnx").graph.input
    assert [dim.dim_value for dim in image.type.tensor_type.shape.dim] == [0, 3, 0, 0]
    for axes, says in (("4", "axes 1 to 3"), ("0", "beside the batch"), ("2,x", "beside the batch")):
        arguments = (*module, "--overwrite", "--free-axes", axes)
        assert says in metannvis("translate", *arguments, code=1 if axes == "4" else 2).stderr


def test_a_keras_model_says_itself_which_sizes_are_free(metannvis, models, tmp_path):
    arguments = ("translate", models / "net.keras", tmp_path / "to.onnx", "--free-axes", "1,2")
    assert "do not say what they take" in metannvis(*arguments, code=1).stderr
    assert not (tmp_path / "to.onnx").exists()


def test_layers_are_compared(metannvis, models, tmp_path):
    metannvis("translate", models / "net.pt2", tmp_path / "to.keras")
    arguments = ("check", models / "net.pt2", tmp_path / "to.keras", "--json")
    (row,) = json.loads(metannvis(*arguments, "--layer", "conv").stdout)["layers"]
    assert row["name"] == "conv" and row["passed"]
    (row,) = json.loads(metannvis(*arguments, "--layer", "conv=conv").stdout)["layers"]
    assert row["passed"]
    assert "no layer 'cnov'" in metannvis(*arguments, "--layer", "cnov", code=1).stderr


def test_the_limits_of_a_check(metannvis, models, tmp_path):
    arguments = ("translate", models / "net.pt2", tmp_path / "to.keras")
    assert "wrong" in metannvis(*arguments, "--tolerance", "1e-20", code=1).stderr
    assert not (tmp_path / "to.keras").exists()
    report = json.loads(
        metannvis(*arguments, "--tolerance", "1e-3", "--tolerance", "gradients_l2=0.5", "--json").stdout
    )
    assert [report["report"]["tolerance"][name] for name in ("outputs", "layers", "gradients_l2")] == [1e-3, 1e-3, 0.5]
    for wrong in ("x", "width=3", "-1"):
        assert "--tolerance" in metannvis(*arguments, "--overwrite", f"--tolerance={wrong}", code=2).stderr
    check = ("check", models / "net.pt2", models / "net.keras", "--no-gradients", "--tolerance", 1e9)
    metannvis(*check)


@pytest.mark.parametrize("command", ["explain", "compare"])
def test_the_check_of_what_a_method_translates(metannvis, models, tmp_path, command):
    toolset = ("--toolset", "tf-keras-vis") if command == "explain" else ()
    arguments = (command, models / "net.pt2", "-m", "saliency", *toolset, "-i", models / "torch.npy", "-t", 1)
    assert "wrong" in metannvis(*arguments, "--tolerance", "1e-20", code=1).stderr
    metannvis(*arguments, "--no-verify", "--tolerance", "1e-20")


def test_json_holds_what_repeats_a_command(metannvis, models, tmp_path):
    target = tmp_path / "net.onnx"
    common = ("--input", models / "torch.npy", "--json")
    made = json.loads(metannvis("translate", models / "net.pt2", target, *common, "--engine", "trace").stdout)["repeat"]
    checked = json.loads(metannvis("check", models / "net.pt2", target, *common, "--tolerance", "1e-3").stdout)[
        "repeat"
    ]
    for repeat in (made, checked):
        for name, path in (("source", models / "net.pt2"), ("target", target)):
            assert repeat[name] == {"file": str(path), "sha256": hashlib.sha256(path.read_bytes()).hexdigest()}
        assert [entry["file"] for entry in repeat["inputs"]] == [str(models / "torch.npy")]
        assert {"python", "metannvis-cli", "metannvis-translate", "torch", "onnx"} <= set(repeat["versions"])
        assert repeat["command"].startswith("metannvis ")
    assert made["options"]["engine"] == "trace"
    assert (checked["options"]["tolerance"]["outputs"], checked["options"]["seed"]) == (1e-3, 0)
