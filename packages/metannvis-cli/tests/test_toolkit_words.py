"""Words for the objects of a toolkit, typed."""

from __future__ import annotations

import json

import numpy as np
import pytest
from metannvis_cli import models as opening
from metannvis_methods import Explanation

ASCENT = ("--target", 1, "--steps", 3, "--range", 0, 1, "--seed", 0)


@pytest.mark.parametrize("model", ["net.pt2", "net.onnx", "net.keras"])
def test_an_ascent_by_words(metannvis, models, tmp_path, model):
    found = {}
    for name, options in {
        "plain": (),
        "text": ("-o", "regularizers=total_variation:2,norm:0.3", "-o", "input_modifiers=jitter:2,rotate", "-o", "optimizer=adam:0.1"),
        "literal": (
            "-o", "regularizers={'total_variation': 2, 'norm': {'weight': 0.3}}", "-o", "input_modifiers=['jitter:2', 'rotate']",
            "-o", "optimizer={'adam': 0.1}",
        ),
        "guided": ("-o", "model_modifiers=guided", "-o", "gradient_modifier=l2_normalize", "-o", "activation_modifiers=none"),
    }.items():  # fmt: skip
        path = tmp_path / f"{name}.npz"
        metannvis("visualize", models / model, *ASCENT, *options, "--output", path)
        found[name] = Explanation.load(path)
    np.testing.assert_array_equal(found["text"].values, found["literal"].values)
    assert np.abs(found["plain"].values - found["text"].values).max() > 1e-3
    assert np.abs(found["plain"].values - found["guided"].values).max() > 1e-3
    np.testing.assert_array_equal(found["text"].rerun(models / model).values, found["text"].values)


def test_what_is_no_word_is_told_before_a_model_is_opened(metannvis, models, monkeypatch):
    def never(*_, **__):
        raise RuntimeError("opened")

    monkeypatch.setattr(opening, "open_model", never)
    arguments = ("explain", models / "net.pt2", "--toolset", "tf-keras-vis", "-i", models / "torch.npy", "-t", 1)
    for option, says in {
        "model_modifier=guide": "no model modifier 'guide'. Close: guided",
        "gradient_modifier=abz": "no function 'abz'. Close: abs",
        "smooth_samples=some": "smooth_samples of saliency is a whole number of at least 0, not 'some'",
        "keepdims=maybe": "keepdims of saliency is true or false, not 'maybe'",
    }.items():
        assert says in metannvis(*arguments, "-m", "saliency", "-o", option, code=2).stderr


def test_words_are_described(metannvis):
    text = metannvis("describe", "activation_maximization").stdout
    assert "input_modifiers, words: jitter(jitter), rotate(degree, axes), rotate2d(degree), scale(low, high)" in text
    rows = json.loads(metannvis("describe", "activation_maximization", "--json").stdout)
    (row,) = [row for row in rows if row["toolset"] == "tf-keras-vis"]
    takes = {argument["name"]: argument["takes"] for argument in row["arguments"]}
    assert takes["steps"] == "a whole number of at least 1"
    assert takes["regularizers"].startswith("words: total_variation")
    assert {"purpose", "passes", "needs", "sanity", "support", "caveats", "reference"} <= set(row)
