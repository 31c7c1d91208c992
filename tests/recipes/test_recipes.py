"""Guides and scripts on networks of other libraries run as they stand, but for the download of weights."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.guides import PAGES, name_of, needs, run_page, run_script

ROWS = [page for page in PAGES if needs(page)]
#: What a page has that a test must not: a download.
INSTEAD = {
    "resnet18(weights=weights)": "resnet18()",
    "pretrained=True": "pretrained=False",
    'retinanet_resnet50_fpn(weights="DEFAULT")': "retinanet_resnet50_fpn(weights=None, weights_backbone=None)",
}


def test_there_are_recipes() -> None:
    assert {"timm", "torchvision"} <= {package for page in ROWS for package in needs(page)}


@pytest.mark.filterwarnings("ignore::metannvis_methods.UnfitWarning")  # random weights say little
@pytest.mark.parametrize(
    ("script", "arguments"),
    [
        ("imagenet", "--library torchvision --weights none --size 64 --steps 4"),
        ("imagenet", "--library timm --weights none --size 64 --steps 4"),
        ("feature_visualization", "--library torchvision --weights none --size 48 --steps 2 --filters 3 5"),
    ],
)
def test_a_script(script: str, arguments: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    run_script(script, f"{arguments} --output figure.png", monkeypatch)
    assert [path.name for path in tmp_path.iterdir()] == ["figure.png"]


@pytest.mark.parametrize("page", ROWS, ids=name_of)
def test_a_page(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    run_page(page, tmp_path, INSTEAD)
