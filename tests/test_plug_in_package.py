"""A package of a third party, as the guide for plug-in authors has it: its parts are found by their entry points alone."""

from __future__ import annotations

import os
import subprocess
import sys
import tomllib
from pathlib import Path

import numpy as np
import pytest

from tests.guides import ROOT, blocks

GUIDE = ROOT / "packages/metannvis-methods/docs/extending.md"
USE = """
import sys
import numpy as np
from metannvis_methods import describe_metric, evaluate, explain, find_metric, list_methods, list_metrics
assert [row.key for row in list_methods(toolset="mine")] == ["squared_gradient"]
assert [row.key for row in list_metrics(provider="mine")] == ["share_above"]
assert find_metric("share_above").provider == "mine" and describe_metric("mine:share_above")["direction"] == "lower"
assert not {"torch", "tensorflow", "matplotlib"} & set(sys.modules)
import torch
from my_package import Rows
torch.manual_seed(0)
model = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(16, 3))
x = np.random.default_rng(0).random((2, 1, 4, 4), np.float32)
e = explain(model, "squared_gradient", x, target=1)
weight = model[1].weight[1].detach().numpy().reshape(4, 4)
np.testing.assert_allclose(e.values, np.broadcast_to(weight**2, x.shape), rtol=1e-6)
found = evaluate(model, e, x, metrics=["mine:share_above"])
np.testing.assert_allclose(found.scores.ravel(), (weight**2 > 0.5 * (weight**2).max()).mean(), rtol=1e-6)
Rows.of(e).plot(path="rows.png")
"""


@pytest.fixture
def installed(tmp_path: Path) -> dict[str, str]:
    """The environment of a process in which the guide's package is installed: its module, and what a wheel says of it."""
    (module,) = [block.code for block in blocks(GUIDE) if "class Mine(Toolset)" in block.code]
    (project,) = [tomllib.loads(block.code) for block in blocks(GUIDE) if block.language == "toml"]
    (tmp_path / "my_package.py").write_text(module, encoding="utf-8")
    told = tmp_path / "my_package-0.1.dist-info"
    told.mkdir()
    name, version = project["project"]["name"], project["project"]["version"]
    (told / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n", encoding="utf-8")
    groups = project["project"]["entry-points"]
    lines = [f"[{group}]\n" + "".join(f"{k} = {v}\n" for k, v in entries.items()) for group, entries in groups.items()]
    (told / "entry_points.txt").write_text("\n".join(lines), encoding="utf-8")
    assert project["tool"]["hatch"]["build"]["targets"]["wheel"]["include"] == ["my_package.py"]
    return {**os.environ, "PYTHONPATH": str(tmp_path)}


def test_a_package_as_the_guide_has_it(installed: dict[str, str], tmp_path: Path) -> None:
    done = subprocess.run([sys.executable, "-c", USE], env=installed, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "rows.png").stat().st_size > 1000


@pytest.mark.parametrize(
    ("arguments", "line"),
    [(("methods", "--toolset", "mine"), "squared_gradient"), (("evaluate", "--list"), "mine:share_above")],
)
def test_the_command_line_lists_it(arguments: tuple[str, ...], line: str, installed: dict[str, str]) -> None:
    metannvis = Path(sys.executable).with_name("metannvis")
    done = subprocess.run([metannvis, *arguments], env=installed, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert any(found.startswith(line) for found in done.stdout.splitlines())


def test_metrics_that_are_none_are_told(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    from metannvis_methods import list_metrics
    from metannvis_methods.errors import MetannvisError
    from metannvis_methods.metrics import registry

    class Entry:
        name, value, dist = "broken", "third_party:metrics", None

        def load(self) -> object:
            raise ImportError("its library is not installed")

    class Wrong(Entry):
        def load(self) -> object:
            return np.ones(3).tolist()

    for entry in (Entry(), Wrong()):
        monkeypatch.setattr(registry, "_groups", [registry.ENTRY_POINTS])
        monkeypatch.setattr(registry, "entry_points", lambda group, entry=entry: [entry])
        if isinstance(entry, Wrong):
            with pytest.raises(MetannvisError, match="of third_party:metrics are MetricSpecs, not 1.0"):
                list_metrics()
        else:
            assert len(list_metrics()) > 20
            assert "'broken' of third_party:metrics cannot be loaded: its library" in caplog.text
