"""The contract of toolset plug-ins, held by every toolset that is here as by one of a third party (``test_extension.py``)."""

from __future__ import annotations

from typing import Any

import pytest
from metannvis_methods import find_methods, list_methods
from metannvis_methods.registry.table import registry
from metannvis_methods.testing import check_explanation, check_row, check_toolset

#: The toolsets that are here, and the method that their runners call on an instance, if that has the row's arguments.
OURS = {"captum": "attribute", "grad-cam": None, "metannvis": "attribute", "tf-keras-vis": None, "zennit": None}


@pytest.mark.parametrize("key", OURS)
def test_every_toolset_holds_to_the_contract(key: str) -> None:
    toolset = registry.toolset(key)
    check_toolset(toolset)
    for spec in toolset.rows:
        check_row(toolset, spec, call=OURS[key])


def test_no_toolset_is_left_out() -> None:
    assert {spec.toolset for spec in list_methods()} == set(OURS)


#: A method of each toolset, one that draws at random where there is one.
ONE_OF_EACH: dict[str, dict[str, Any]] = {
    "captum": {"method": "gradient_shap", "baselines": "uniform", "value_range": (-1, 1), "n_samples": 3},
    "grad-cam": {"method": "random_cam", "layer": "conv2", "target": None},
    "metannvis": {"method": "rise", "n_masks": 8, "cells": 3},
    "tf-keras-vis": {"method": "smooth_grad", "smooth_samples": 2},
    "zennit": {"method": "lrp"},
}


@pytest.mark.parametrize("framework", ["torch", "tensorflow"])
@pytest.mark.parametrize("key", OURS)
def test_explanations_of_every_toolset_hold_to_the_contract(key: str, framework: str, digits: Any) -> None:
    model, x = (digits.torch, digits.x) if framework == "torch" else (digits.keras, digits.x_last)
    words = {"target": 1, "unfit": "ignore", **ONE_OF_EACH[key]}
    (spec,) = find_methods(words.pop("method"), key)
    check_explanation(model, spec, x.astype("float32"), **words)
