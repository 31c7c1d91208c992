"""The notebook of the user guide runs, cell by cell, and is kept without its outputs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import nbclient
import nbformat
import pytest

NOTEBOOK = Path(__file__).parents[1] / "packages/metannvis-methods/docs/user_guide.ipynb"


def test_it_is_kept_without_outputs() -> None:
    cells = [cell for cell in nbformat.read(NOTEBOOK, as_version=4).cells if cell.cell_type == "code"]
    assert len(cells) >= 10
    assert not any(cell.outputs or cell.execution_count for cell in cells)


@pytest.fixture(scope="module")
def executed(tmp_path_factory: pytest.TempPathFactory) -> Any:
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    folder = tmp_path_factory.mktemp("notebook")
    nbclient.NotebookClient(notebook, timeout=240, resources={"metadata": {"path": str(folder)}}).execute()
    return notebook


def outputs(notebook: Any, code: str) -> list[Any]:
    """Outputs of the one cell that begins with some code."""
    (cell,) = [cell for cell in notebook.cells if cell.cell_type == "code" and cell.source.startswith(code)]
    return list(cell.outputs)


@pytest.mark.full  # a process of its own, which loads both frameworks and trains three networks
@pytest.mark.filterwarnings("default")  # Jupyter's own
def test_it_runs_and_shows(executed: Any) -> None:
    for code in ("explain(cheat.model", "cam = explain", "from metannvis_plot", "c = compare", "explain(\n"):
        assert any("image/png" in one.get("data", {}) for one in outputs(executed, code)), code
    (equal,) = outputs(executed, "from metannvis_methods import Explanation")
    assert equal["data"]["text/plain"] == "True"
    assert any("agree" in one.get("text", "") for one in outputs(executed, "from metannvis_translate"))


@pytest.mark.full
@pytest.mark.filterwarnings("default")
def test_nothing_is_said_on_the_side(executed: Any) -> None:
    """No warning in what a reader is shown; libraries that greet do so before ours is reached."""
    said = [
        one.text
        for cell in executed.cells
        if cell.cell_type == "code"
        for one in cell.outputs
        if one.get("name") == "stderr"
    ]
    # tqdm's, of a Jupyter without widgets
    assert not [text for text in said if "Warning" in text and "IProgress" not in text]
