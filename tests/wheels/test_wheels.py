"""Build all four packages, install their wheels in an empty environment, run the command line there.

Runs in an environment that holds none of the packages, `tox -e wheels`.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
NAMES = ("metannvis-translate", "metannvis-methods", "metannvis-plot", "metannvis-cli")

each_package = pytest.mark.parametrize("name", NAMES)


def run(*command: str | Path, cwd: Path | None = None) -> str:
    """Run a command without what this environment would lend it and return what it printed."""
    environment = {key: value for key, value in os.environ.items() if key not in ("PYTHONPATH", "VIRTUAL_ENV")}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, cwd=cwd)
    assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
    return done.stdout


@pytest.fixture(scope="session")
def built(tmp_path_factory) -> Path:
    """A folder with a source distribution of each package and the wheel built from that."""
    folder = tmp_path_factory.mktemp("dist")
    for name in NAMES:
        package = ROOT / "packages" / name
        run(sys.executable, "-m", "build", "--installer", "uv", "--outdir", folder, package)
    return folder


@pytest.fixture(scope="session")
def metannvis(built, tmp_path_factory) -> Iterator[Callable[..., str]]:
    """Call `metannvis` as installed from the wheels; the current folder is not the repository."""
    folder = tmp_path_factory.mktemp("empty")
    uv = Path(sys.executable).with_name("uv")
    run(uv, "venv", "--python", sys.executable, folder / "env")
    python = folder / "env" / "bin" / "python"
    run(uv, "pip", "install", "--python", python, *sorted(built.glob("*.whl")))
    yield lambda *arguments: run(python.with_name("metannvis"), *arguments, cwd=folder)
    shutil.rmtree(folder)  # gigabytes, which pytest would keep


@each_package
def test_a_wheel_holds_the_package_and_nothing_else(built, name):
    (wheel,) = built.glob(f"{name.replace('-', '_')}-*.whl")
    files = zipfile.ZipFile(wheel).namelist()
    source = ROOT / "packages" / name / "src"
    expected = {str(path.relative_to(source)) for path in source.rglob("*.py")}

    assert {file for file in files if file.endswith(".py")} == expected
    assert {Path(file).parts[0].split("-")[0] for file in files} == {name.replace("-", "_")}
    assert any(file.endswith("py.typed") for file in files)
    assert any(file.endswith("licenses/LICENSE") for file in files)


@each_package
def test_a_source_distribution_brings_its_tests_and_changelog(built, name):
    (archive,) = built.glob(f"{name.replace('-', '_')}-*.tar.gz")
    with tarfile.open(archive) as opened:
        tops = {Path(file).parts[1] for file in opened.getnames()}
    assert tops >= {"src", "README.md", "CHANGELOG.md", "LICENSE", "pyproject.toml", "tests"}


def test_help_names_the_commands(metannvis):
    text = metannvis("--help")
    for command in ("demo", "methods", "layers", "translate", "check", "explain", "compare"):
        assert command in text


def test_version(metannvis):
    assert "0." in metannvis("--version")


def test_methods_of_both_toolsets_are_found(metannvis):
    rows = json.loads(metannvis("methods", "--json"))
    assert {row["toolset"] for row in rows} >= {"captum", "tf-keras-vis"}
