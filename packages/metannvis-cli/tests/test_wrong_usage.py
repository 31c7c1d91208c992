"""Wrong usage that needs no model to be told: exit code 2, one message in the command line's words, nothing written."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

#: A model that cannot be opened: who opens it fails otherwise.
EXPLAIN = ["explain", "none.keras", "-i", "x.npy"]
SALIENCY = [*EXPLAIN, "-m", "saliency", "--toolset", "captum"]
GRADIENTS = [*EXPLAIN, "-m", "integrated_gradients", "--toolset", "captum"]
TOOLKIT = [*EXPLAIN, "-m", "saliency", "--toolset", "tf-keras-vis"]
COMPARE = ["compare", "none.keras", "-i", "x.npy", "-m", "saliency"]
VISUALIZE = ["visualize", "none.keras"]
TRANSLATE = ["translate", "none.keras"]
CHECK = ["check", "none.keras", "none.keras"]
LAYERS = ["layers", "none.keras"]
EVALUATE = ["evaluate", "none.keras", "-i", "x.npy", "-m", "saliency", "--toolset", "captum"]
DISSECT = ["dissect", "none.keras", "-l", "conv"]
MADE = [*VISUALIZE, "--toolset", "metannvis"]
DREAM = [*MADE, "-m", "deep_dream", "-l", "conv"]

ROWS: list[tuple[list[str], str]] = [
    # commands
    (["explian"], "No such command 'explian'. Did you mean 'explain'?"),
    (["nothing"], "No such command 'nothing'"),
    (["--loud"], "No such option '--loud'"),
    (["describe"], "Missing argument 'METHOD'"),
    (["describe", "grad_cma"], "no method 'grad_cma'. Close: grad_cam"),
    (["describe", "grad_cam", "--toolset", "captm"], "unknown toolset 'captm'"),
    (["methods", "--kind", "laier"], "unknown kind 'laier'"),
    (["methods", "--toolset", "captm"], "unknown toolset 'captm'"),
    (["methods", "--framework", "jaxx"], "unknown framework 'jaxx'"),
    (["methods", "--family", "gradients"], "unknown family 'gradients'"),
    (["methods", "extra"], "unexpected extra argument (extra)"),
    (["demo", "--epochs", "0"], "0 is not in the range x>=1"),
    (["demo", "--seed", "-1"], "-1 is not in the range x>=0"),
    (["demo", "--output", "x.npy"], "is a file"),
    (["export-help"], "Missing argument 'FILE'"),
    # the model, the method
    (["explain"], "Missing argument 'MODEL'"),
    (["explain", "gone.pt2", "-m", "saliency"], "'gone.pt2' does not exist"),
    (["explain", "none.keras"], "Missing option '--method'"),
    ([*EXPLAIN, "-m", "salience"], "no method 'salience'. Close: saliency"),
    ([*EXPLAIN, "-m", "saliency", "--toolset", "captun"], "unknown toolset 'captun'"),
    ([*EXPLAIN, "-m", "occlusion", "--toolset", "captum"], "occlusion of captum needs -o sliding_window_shapes=VALUE"),
    ([*SALIENCY, "--architecture", "a:b"], "a state dict needs one, and none.keras holds its own"),
    (["explain", "labels.txt", "-m", "saliency", "-i", "x.npy"], "'labels.txt' has no ending of a model file"),
    ([*EXPLAIN, "-m", "deep_lift", "--toolset", "tf-keras-vis"], "no method 'deep_lift' in toolset 'tf-keras-vis'"),
    ([*SALIENCY, "-m", "saliency"], "saliency is given twice"),
    ([*SALIENCY, "--toolset", "Captum"], "Captum is given twice"),
    ([*EXPLAIN, "-m", "grad_cam", "-l", "a", "-l", "a"], "a is given twice"),
    # inputs
    (["explain", "none.keras", "-m", "saliency", "--toolset", "captum"], "needs --input"),
    ([*SALIENCY, "-i", "gone.npy"], "no file at 'gone.npy'"),
    ([*SALIENCY, "-i", "image=gone.npy"], "no file at 'gone.npy'"),
    ([*SALIENCY, "-i", "empty"], "the folder 'empty' holds no file"),
    ([*SALIENCY, "-i", "texts"], "the folder 'texts' holds nothing that is an input"),
    ([*SALIENCY, "-i", "gone*.png"], "what 'gone*.png' matches is no file"),
    ([*SALIENCY, "-i", "image=texts"], "image= names one file, and 'texts' is a folder"),
    ([*SALIENCY, "--input-shape", "1,x"], "'1,x' is no list of sizes"),
    ([*SALIENCY, "--input-shape", "0,3"], "'0,3' is no list of sizes"),
    ([*SALIENCY, "--preprocess", "huge"], "--preprocess huge is no preprocessing; there are: unit"),
    ([*SALIENCY, "--preprocess", "gone.json"], "--preprocess gone.json cannot be read"),
    ([*SALIENCY, "--preprocess", "odd.json"], "no 'scale'; it has"),
    ([*SALIENCY, "--preprocess", "list.json"], "holds no preprocessing"),
    ([*SALIENCY, "--background", "loud"], "'loud' is no colour"),
    ([*SALIENCY, "--tokens", "gone.txt"], "'gone.txt' does not exist"),
    ([*SALIENCY, "-i", "x.npy[0:1]", "-i", "gone.npy[0:1]"], "no file"),
    # targets and labels
    ([*SALIENCY, "--labels", "folders"], "there is 1"),
    ([*SALIENCY, "--target", "folder"], "--labels FILE or --labels folders"),
    ([*SALIENCY, "-t", "cat"], "'cat' is no index; a name needs --labels FILE"),
    ([*SALIENCY, "-t", "rat", "--labels", "labels.txt"], "no class is called 'rat'; close: cat"),
    ([*SALIENCY, "-t", "twin", "--labels", "labels.txt"], "2 classes are called 'twin'"),
    ([*SALIENCY, "-t", "1,,2"], "'1,,2' is no index"),
    ([*SALIENCY, "--labels", "gone.txt"], "'gone.txt' does not exist"),
    ([*SALIENCY, "--labels", "void.txt"], "is empty"),
    ([*SALIENCY, "--labels", "list.json"], "its entries are not all text"),
    ([*SALIENCY, "--region", "argmax"], "a region is of one class: give --target CLASS"),
    ([*SALIENCY, "--region", "big", "-t", "1"], "'big' is no .npy file"),
    ([*SALIENCY, "--reduce", "max"], "'max' is not one of 'sum', 'mean', 'count'"),
    # layers
    ([*SALIENCY, "--layer", "conv"], "takes no --layer and has no layer variant"),
    ([*SALIENCY, "--layer", "a", "--neuron", "one"], "'one' is no position"),
    ([*GRADIENTS, "--neuron", "1"], "a neuron is of a layer: give --layer"),
    ([*EXPLAIN, "-m", "grad_cam", "--reshape", "14"], "'14' is neither auto nor a grid"),
    # words of methods
    ([*SALIENCY, "--baseline", "grey"], "'grey' is no number, no file, and none of black, white"),
    ([*SALIENCY, "--baseline", "0.5"], "takes no --baseline"),
    ([*SALIENCY, "--feature-mask", "grid:3"], "takes no --feature-mask"),
    ([*EXPLAIN, "-m", "feature_ablation", "--feature-mask", "tiles"], "or one of superpixels"),
    ([*EXPLAIN, "-m", "feature_ablation", "--feature-mask", "pixels:3"], "a number stands behind grid"),
    ([*GRADIENTS, "--baseline", "mean"], "--data"),
    ([*GRADIENTS, "--data", "gone.npy"], "'gone.npy' does not exist"),
    ([*GRADIENTS, "--data", "labels.txt"], "is no .npy file"),
    ([*SALIENCY, "--value-range", "1", "0"], "--value-range is (low, high) with low below high"),
    ([*SALIENCY, "--value-range", "1"], "requires 2 arguments"),
    ([*SALIENCY, "--noise", "loud"], "KIND[:SAMPLES[:STDEV]]"),
    ([*SALIENCY, "--uncertainty", "loud"], "mc-dropout[:SAMPLES]"),
    ([*SALIENCY, "--uncertainty", "mc-dropout:1"], "samples is a whole number of at least 2"),
    ([*SALIENCY, "--noise", "smoothgrad:0"], "samples is a whole number of at least 1"),
    ([*SALIENCY, "--noise", "smoothgrad:2:x"], "KIND[:SAMPLES[:STDEV]]"),
    ([*SALIENCY, "--seed", "-1"], "-1 is not in the range x>=0"),
    ([*SALIENCY, "--seed", "one"], "'one' is not a valid integer"),
    ([*SALIENCY, "--batch-size", "0"], "0 is not in the range x>=1"),
    ([*SALIENCY, "--deadline", "0"], "is not in the range"),
    ([*SALIENCY, "--logits", "perhaps"], "'perhaps' is not one of 'auto', 'yes', 'no'"),
    ([*SALIENCY, "--unfit", "hide"], "'hide' is not one of 'warn', 'raise', 'ignore'"),
    ([*SALIENCY, "--autocast", "float8"], "is not one of 'auto', 'bfloat16', 'float16'"),
    # options of the toolkit
    ([*SALIENCY, "-o", "abs"], "'abs' has to read NAME=VALUE"),
    ([*SALIENCY, "-o", "=3"], "'=3' has to read NAME=VALUE"),
    ([*SALIENCY, "-o", "abs=1", "-o", "abs=2"], "abs is given twice"),
    ([*SALIENCY, "-o", "abs=maybe"], "abs of saliency is true or false, not 'maybe'"),
    ([*SALIENCY, "-o", "abss=true"], "has no option 'abss'. Close: abs"),
    ([*SALIENCY, "-o", "seed=3"], "seed has an option of its own: --seed"),
    ([*SALIENCY, "-o", "device=cpu"], "device has an option of its own: --device"),
    ([*SALIENCY, "-o", "captun:abs=true"], "'captun' is none of this call's methods and toolsets: saliency, captum"),
    ([*GRADIENTS, "-o", "n_steps=0"], "n_steps"),
    ([*TOOLKIT, "-o", "model_modifier=guide"], "no model modifier 'guide'. Close: guided"),
    ([*TOOLKIT, "-o", "smooth_samples=some"], "is a whole number of at least 0, not 'some'"),
    # files to write
    ([*SALIENCY, "--output", "cam.gif"], "'cam.gif' has no ending that is known"),
    ([*SALIENCY, "--output", "gone/cam.png"], "the folder 'gone' does not exist"),
    ([*SALIENCY, "--output", "texts", "--format", "gif"], "'gif' is not one of 'png'"),
    ([*SALIENCY, "--output", "a.png", "--kind", "pie"], "'pie' is not one of"),
    ([*SALIENCY, "--output", "a.png", "--kind", "bars", "--cmap", "magma"], "a figure of kind bars has no cmap"),
    ([*SALIENCY, "--output", "a.png", "--cmap", "rainbows"], "'rainbows' is no name of a matplotlib colour map"),
    ([*SALIENCY, "--output", "a.png", "--clip", "101"], "101.0 is not in the range"),
    ([*SALIENCY, "--output", "a.png", "--alpha", "2"], "2.0 is not in the range"),
    ([*SALIENCY, "--output", "a.png", "--sign", "plus"], "'plus' is not one of"),
    ([*SALIENCY, "--output", "a.npz", "--title", "mine"], "say with --output where a figure or a page goes"),
    # what a translation may differ by, limits
    ([*SALIENCY, "--tolerance", "small"], "'small' has to read NUMBER or NAME=NUMBER"),
    ([*SALIENCY, "--tolerance", "-1"], "--tolerance: -1: a tolerance is a positive number"),
    ([*SALIENCY, "--tolerance", "edges=1"], "the limits are outputs, layers"),
    ([*SALIENCY, "--limit", "nodes"], "'nodes' has to read NAME=NUMBER"),
    ([*SALIENCY, "--limit", "wheels=4"], "wheels"),
    # the other commands
    ([*COMPARE, "-o", "captum:abs=maybe"], "abs of saliency is true or false, not 'maybe'"),
    ([*COMPARE, "-o", "captun:abs=true"], "'captun' is none of this call's"),
    ([*COMPARE, "-o", "keepdims=1"], "saliency of captum has no option 'keepdims'"),
    ([*COMPARE, "--baseline", "black"], "takes no --baseline"),
    ([*COMPARE, "--noise", "loud"], "KIND[:SAMPLES[:STDEV]]"),
    ([*COMPARE, "-m", "grad_cam"], "one method a run, not 2: saliency, grad_cam"),
    ([*COMPARE, "--toolset", "captum"], "a comparison is of two toolsets or more"),
    ([*COMPARE, "--output", "a.npz"], "'a.npz' has no ending that is known"),
    (["compare", "none.keras", "-i", "x.npy", "-m", "rise"], "a comparison is of two toolsets or more"),
    ([*VISUALIZE, "-o", "step=3"], "has no option 'step'"),
    ([*VISUALIZE, "-t", "cat"], "a name needs --labels FILE"),
    ([*VISUALIZE, "-m", "saliency"], "makes no input but explains one: use explain"),
    ([*VISUALIZE, "--steps", "0"], "0 is not in the range x>=1"),
    ([*VISUALIZE, "--range", "1", "0"], "1 0: LOW has to be below HIGH"),
    ([*VISUALIZE, "-i", "gone.npy"], "no file at 'gone.npy'"),
    ([*MADE, "-o", "parameterization=fourir"], "no parameterization 'fourir'. Close: fourier"),
    ([*MADE, "-o", "parameterization=fourier:3"], "fourier takes options by name: deviation, decay, decorrelate"),
    ([*MADE, "-o", "transforms=jiter"], "no transform 'jiter'. Close: jitter"),
    ([*MADE, "-o", "transforms=jitter:-1"], "pixels of jitter is a whole number of at least 0, not -1"),
    ([*MADE, "-o", "transforms=('scale', {'low': 2, 'high': 1})"], "low of Scale is at most its high"),
    ([*MADE, "-o", "objective=logt"], "did you mean 'logit'?"),
    ([*MADE, "-o", "regularizers=l3"], "no regularizer 'l3'. Close: l2"),
    ([*MADE, "-o", "regularizers=l2:x"], "weight of l2 is a number of at least 0, not 'x'"),
    ([*MADE, "-o", "optimizer=adm"], "no optimizer 'adm'. Close: adam"),
    ([*MADE, "-o", "optimizer=adam:-1"], "rate of adam is a number above 0, not -1"),
    ([*MADE, "-o", "probability=2"], "probability of activation_maximization is a number above 0, at most 1, not 2"),
    ([*MADE, "-o", "shape=3"], "shape of activation_maximization is the shape of an image without the batch"),
    ([*MADE, "-o", "images=0"], "images of activation_maximization is a whole number of at least 1"),
    ([*MADE, "-o", "resize=maybe"], "resize of activation_maximization is true or false, not 'maybe'"),
    ([*MADE, "-o", "stps=3"], "has no option 'stps'. Close: steps"),
    ([*MADE, "--deadline", "-1"], "is not in the range"),
    ([*MADE, "-o", "deadline=3"], "deadline has an option of its own: --deadline"),
    ([*DREAM, "-o", "octaves=0"], "octaves of deep_dream is a whole number of at least 1"),
    ([*DREAM, "-o", "octave_scale=1"], "octave_scale of deep_dream is a number above 1"),
    ([*DREAM, "-t", "1"], "deep_dream of metannvis takes no --target"),
    ([*MADE, "-m", "deep_drem"], "no method 'deep_drem'"),
    ([*MADE, "-m", "invert_representation", "-l", "a"], "invert_representation of metannvis needs --input"),
    ([*VISUALIZE, "--channel", "3"], "a channel is of a layer: give --layer"),
    ([*SALIENCY, "--along", "C"], "'C' is not one of"),
    ([*SALIENCY, "-o", "along=D"], "along has an option of its own: --along"),
    ([*SALIENCY, "-o", "uncertainty=3"], "uncertainty has an option of its own: --uncertainty"),
    ([*EVALUATE, "-M", "deletion", "-O", "deletion:steps=0"], "steps is a whole number of at least 1, not 0"),
    ([*EVALUATE, "-M", "deletion", "-O", "deletion:steps=some"], "steps is a whole number of at least 1, not 'some'"),
    ([*EVALUATE, "-M", "deletion", "-O", "deletion:baseline=blakc"], "did you mean 'black'?"),
    ([*EVALUATE, "-M", "deletion", "-O", "deletion:probabilities=maybe"], "probabilities is one of True, False"),
    ([*EVALUATE, "-M", "quantus:sparsness"], "Did you mean 'quantus:sparseness'?"),
    ([*EVALUATE, "-M", "mass_accuracy", "--masks", "gone.npy"], "there is no file 'gone.npy'"),
    ([*EVALUATE, "--window", "0,3"], "'0,3' is no list of sizes"),
    ([*EVALUATE, "--window", "3,3", "--overlap", "1"], "1.0 is not in the range 0<=x<1"),
    ([*EVALUATE, "-o", "abz=1"], "saliency of captum has no option 'abz'. Close: abs"),
    ([*EVALUATE, "--layer", "a"], "takes no --layer and has no layer variant"),
    ([*EVALUATE, "--uncertainty", "mc-dropout:x"], "has to read mc-dropout[:SAMPLES]"),
    ([*EVALUATE, "--deadline", "0"], "is not in the range"),
    (["evaluate", "none.keras", "-m", "saliency", "--toolset", "captum"], "saliency of captum needs --input"),
    ([*DISSECT], "give --concepts, or --images"),
    ([*DISSECT, "--concepts", "gone"], "'gone' does not exist"),
    ([*DISSECT, "--concepts", "empty"], "empty holds no index.csv"),
    ([*DISSECT, "--images", "texts"], "texts holds no images"),
    ([*DISSECT, "--concepts", "empty", "--share", "0"], "0.0 is not in the range 0<x<1"),
    ([*DISSECT, "--concepts", "empty", "--threshold", "x"], "'x' is not a valid float range"),
    ([*DISSECT, "--concepts", "empty", "--preprocess", "huge"], "--preprocess huge is no preprocessing"),
    (["dissect", "none.keras", "--concepts", "empty"], "Missing option '--layer'"),
    ([*TRANSLATE], "Missing argument 'TARGET'"),
    ([*TRANSLATE, "to.xyz"], ".keras"),
    ([*TRANSLATE, "gone/to.pt2"], "the folder 'gone' does not exist"),
    ([*TRANSLATE, "to.pt2", "--free-axes", "0"], "'0' is no list of axes"),
    ([*TRANSLATE, "to.pt2", "--dtype", "int8"], "'int8' is not one of 'float32', 'float64'"),
    ([*TRANSLATE, "to.pt2", "-i", "gone.npy"], "no file at 'gone.npy'"),
    ([*CHECK, "--batch", "0"], "0 is not in the range x>=1"),
    ([*CHECK, "-i", "gone.npy"], "no file at 'gone.npy'"),
    ([*CHECK, "--tolerance", "edges=1"], "the limits are outputs, layers"),
    ([*LAYERS, "-i", "gone.npy"], "no file at 'gone.npy'"),
    (["layers"], "Missing argument 'MODEL'"),
]


@pytest.fixture(scope="module")
def here(tmp_path_factory) -> Path:
    """A folder with files that are as wrong as the table needs them."""
    folder = tmp_path_factory.mktemp("here")
    (folder / "none.keras").write_text("no model")
    np.save(folder / "x.npy", np.zeros((1, 3, 6, 5), np.float32))
    Image.new("RGB", (5, 6)).save(folder / "x.png")
    (folder / "labels.txt").write_text("cat\ntwin\ntwin\n")
    (folder / "void.txt").write_text("")
    (folder / "odd.json").write_text(json.dumps({"scale": 255}))
    (folder / "list.json").write_text("[1, 2]")
    (folder / "empty").mkdir()
    (folder / "texts").mkdir()
    (folder / "texts" / "a.doc").write_text("no input")
    return folder


@pytest.mark.parametrize(("arguments", "said"), ROWS, ids=[" ".join(row[0][:1] + row[0][-2:]) for row in ROWS])
def test_wrong_usage_is_told_before_a_model_is_opened(arguments, said, metannvis, here, monkeypatch):
    monkeypatch.chdir(here)
    before = contents(here)
    result = metannvis(*arguments, code=2)
    assert said in " ".join(result.stderr.split())
    assert result.stderr.count("Error: ") == 1
    assert result.stdout == ""
    for python in ("layer=", "target=", "inputs=", "baselines", "value_range", "Traceback", "unexpected "):
        assert python not in result.stderr.replace("unexpected extra argument", "")
    assert contents(here) == before


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def test_the_table_is_of_eighty_rows_at_least():
    assert len({tuple(row[0]) for row in ROWS}) == len(ROWS) >= 80


def test_no_framework_is_imported_and_none_takes_a_second(here):
    """All of them in one process that has imported none; seconds are the processor's, whatever else the machine does."""
    code = f"""
import os, sys, time
from click.testing import CliRunner
from metannvis_cli.main import cli
os.chdir({str(here)!r})
for arguments in {[row[0] for row in ROWS]!r}:
    before = time.process_time()
    assert CliRunner().invoke(cli, arguments).exit_code == 2, arguments
    took = time.process_time() - before
    assert took < 1, (arguments, took)
    loaded = {{"torch", "tensorflow", "keras", "onnx", "captum", "tf_keras_vis"}} & set(sys.modules)
    assert not loaded, (arguments, loaded)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_debug_shows_where(here, monkeypatch):
    from metannvis_cli.main import cli

    monkeypatch.chdir(here)
    error = CliRunner().invoke(cli, ["--debug", *SALIENCY, "-o", "abs=maybe"]).exception
    assert type(error).__name__ == "InvalidArgumentError"
