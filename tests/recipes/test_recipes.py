"""Guides on networks of other libraries run as they stand, but for the download of weights."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.guides import PAGES, name_of, needs, run_page

ROWS = [page for page in PAGES if needs(page)]
#: What a page has that a test must not: a download.
INSTEAD = {
    "resnet18(weights=weights)": "resnet18()",
    "pretrained=True": "pretrained=False",
    'retinanet_resnet50_fpn(weights="DEFAULT")': "retinanet_resnet50_fpn(weights=None, weights_backbone=None)",
}


def test_there_are_recipes() -> None:
    assert {"timm", "torchvision"} <= {package for page in ROWS for package in needs(page)}


@pytest.mark.parametrize("page", ROWS, ids=name_of)
def test_a_page(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    run_page(page, tmp_path, INSTEAD)
