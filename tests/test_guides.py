"""Every block of code in the guides and in the packages' READMEs runs, in order, as it stands."""

from __future__ import annotations

import importlib
import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from metannvis_methods import explain, list_methods
from metannvis_methods.examples import load
from metannvis_methods.registry.table import registry
from metannvis_translate.frameworks.requirements import require

from tests.guides import PAGES, blocks, is_run, name_of, needs, run_page, short_demo

RUN = [page for page in PAGES if is_run(page) and not needs(page)]
#: A network of 224 × 224 pixels, at a hundred times the cost of the digits.
DEAR = ("metannvis-cli/docs/recipe_keras.md",)
ROWS = [pytest.param(page, marks=pytest.mark.full) if name_of(page) in DEAR else page for page in RUN]
#: What a page has that a test must not: a download.
INSTEAD = {'weights="imagenet"': "weights=None"}


def test_there_are_guides() -> None:
    assert len(RUN) >= 15
    assert {"python", "sh"} <= {block.language for page in RUN for block in blocks(page)}


@pytest.fixture
def names_of_imagenet(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What Keras would download: names of a thousand classes in ImageNet's own form."""
    keras = require("keras")

    def get_file(name: str, origin: str) -> str:
        path = tmp_path / "downloaded.json"
        path.write_text(json.dumps({str(k): [f"n{k:08}", f"class_{k}"] for k in range(1000)}))
        return str(path)

    monkeypatch.setattr(keras.utils, "get_file", get_file)


@pytest.fixture
def nothing_stays_registered(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Converters, methods and toolsets of a guide are there for its own page only."""
    list_methods()  # toolsets are loaded when they are first asked for
    for table in ("_rows", "_toolsets"):
        monkeypatch.setattr(registry, table, dict(getattr(registry, table)))
    yield
    for framework in ("torch", "keras"):
        converters = importlib.import_module(f"metannvis_translate.frameworks.{framework}.importer.registry").registry
        for row in list(converters):
            if row.domain == "com.example":
                converters.remove(row.operator, since=row.since, domain=row.domain)


@pytest.fixture
def folder(page: Path, once: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A reader's current folder, with what an earlier page left there."""
    made = tmp_path / "reader"
    text = page.read_text(encoding="utf-8")
    if "metannvis-demo/" in text:
        shutil.copytree(once("readme-here", short_demo), made)
    else:
        made.mkdir()
    if '"explanation.npz"' in text and "e.save(" not in text:
        example = load("digits-torch")
        explain(example.model, "saliency", example.images[:1], toolset="captum").save(made / "explanation.npz")
    monkeypatch.chdir(made)
    return made


@pytest.mark.usefixtures("names_of_imagenet", "nothing_stays_registered")
@pytest.mark.filterwarnings(
    "ignore:__array__ implementation doesn't accept a copy:DeprecationWarning"
)  # Keras and NumPy 2
@pytest.mark.filterwarnings(
    "ignore:.*The structure of `inputs`:UserWarning"
)  # how tf-keras-vis alone calls a Keras model
@pytest.mark.parametrize("page", ROWS, ids=name_of)
def test_a_page(page: Path, folder: Path) -> None:
    run_page(page, folder, INSTEAD)
