from __future__ import annotations

import json

import pytest
from metannvis_methods import list_methods


def test_every_method_is_listed(metannvis):
    lines = metannvis("methods").stdout.splitlines()
    assert lines[0].split()[:4] == ["METHOD", "TOOLSET", "KIND", "FAMILY"]
    assert len(lines) == 1 + len(list_methods())


def test_as_json(metannvis):
    rows = json.loads(metannvis("methods", "--json").stdout)
    assert [(row["key"], row["toolset"]) for row in rows] == [(row.key, row.toolset) for row in list_methods()]


@pytest.mark.parametrize(
    ("option", "value"), [("toolset", "captum"), ("framework", "tensorflow"), ("kind", "layer"), ("family", "cam")]
)
def test_filters(metannvis, option, value):
    rows = json.loads(metannvis("methods", f"--{option}", value, "--json").stdout)
    assert rows
    if option == "framework":  # what needs predictions only runs in any
        rows = [row for row in rows if row["frameworks"]]
    assert {row[option] for row in rows} == {value}


@pytest.mark.parametrize("arguments", [["--toolset", "captm"], ["--kind", "laier"]])
def test_what_is_not_there(metannvis, arguments):
    assert "Error: unknown" in metannvis("methods", *arguments, code=2).stderr


def test_describe(metannvis):
    text = metannvis("describe", "Grad-CAM").stdout
    assert "grad_cam (captum" in text
    assert "grad_cam (tf-keras-vis" in text
    assert "arXiv:1610.02391" in text
    (row,) = json.loads(metannvis("describe", "grad_cam", "--toolset", "captum", "--json").stdout)
    assert row["kind"] == "layer"


def test_describe_names_close_methods(metannvis):
    assert "grad_cam" in metannvis("describe", "grad_cma", code=2).stderr
