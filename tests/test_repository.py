"""What the four packages and the top level have to keep in step."""

from __future__ import annotations

import ast
import re
import runpy
import sys
import tomllib
from itertools import chain
from pathlib import Path

import pytest
from packaging.requirements import Requirement

ROOT = Path(__file__).parents[1]
# Each may depend on those before it.
NAMES = ("metannvis-translate", "metannvis-methods", "metannvis-plot", "metannvis-cli")

each_package = pytest.mark.parametrize("name", NAMES)


def version(name: str) -> str:
    about = ROOT / "packages" / name / "src" / name.replace("-", "_") / "__about__.py"
    return runpy.run_path(str(about))["__version__"]


def siblings(name: str) -> list[Requirement]:
    """Requirements of `name` on the other packages, without an extra's on its own package."""
    project = tomllib.loads((ROOT / "packages" / name / "pyproject.toml").read_text())["project"]
    lines = chain(project["dependencies"], *project.get("optional-dependencies", {}).values())
    requirements = [Requirement(line) for line in lines]
    return [row for row in requirements if row.name in NAMES and row.name != name]


def test_these_are_all_packages():
    assert {path.name for path in (ROOT / "packages").iterdir() if path.is_dir()} == set(NAMES)


@each_package
def test_dependencies_go_one_way(name):
    assert {row.name for row in siblings(name)} <= set(NAMES[: NAMES.index(name)])


@each_package
def test_siblings_are_ranges_that_hold_their_present_versions(name):
    ranged = [row for row in siblings(name) if row.specifier]
    assert {row.name for row in ranged} == {row.name for row in siblings(name)}
    for row in ranged:
        assert {part.operator for part in row.specifier} == {">=", "<"}, row
        assert row.specifier.contains(version(row.name)), row


@each_package
def test_the_changelog_tells_of_the_present_version(name):
    log = (ROOT / "packages" / name / "CHANGELOG.md").read_text()
    headings = re.findall(r"^## \[(.+?)\]", log, re.MULTILINE)
    assert headings[:2] == ["Unreleased", version(name)]


@each_package
def test_a_package_carries_the_licence_and_its_types(name):
    package = ROOT / "packages" / name
    assert (package / "LICENSE").read_text() == (ROOT / "LICENSE").read_text()
    assert (package / "src" / name.replace("-", "_") / "py.typed").is_file()


def test_ci_runs_the_test_command_of_the_readme():
    command = (ROOT / ".ci/run").read_text().splitlines()[-1]
    assert command.endswith("/tox")
    assert f"\n{command}\n" in (ROOT / "README.md").read_text()


def test_every_seeded_fault_has_its_place():
    """A text that stands there once, so that ``tox -e faults`` can put the fault in."""
    faults = runpy.run_path(str(ROOT / "tools/faults.py"))["FAULTS"]
    assert len(faults) >= 10
    for fault in faults:
        package = ROOT / "packages" / fault.file.partition("/")[0].replace("_", "-")
        assert (package / "src" / fault.file).read_text().count(fault.right) == 1, fault.name
        assert all((ROOT / path).exists() for path in fault.first), fault.name


def test_every_condition_of_machines_has_its_tests():
    for condition in runpy.run_path(str(ROOT / "tools/machines.py"))["CONDITIONS"]:
        assert all((ROOT / test.partition("::")[0]).exists() for test in condition.tests), condition.name


def test_every_path_of_the_map_exists():
    """Paths in CONTRIBUTING stand as they are, or below the sources of a package, or below its tests."""
    text = (ROOT / "CONTRIBUTING.md").read_text()
    bases = [
        ROOT,
        *ROOT.glob("packages/*/src/*"),
        *ROOT.glob("packages/*/tests"),
        *ROOT.glob("packages/*"),
        ROOT / "tests",
    ]
    block = re.search(r"```\npackages/metannvis-translate/src.*?```", text, re.DOTALL)
    assert block is not None
    paths = set(re.findall(r"`([\w./-]+(?:\.py|/))`", text)) | set(re.findall(r"[\w./-]*\w(?:\.py\b|/)", block[0]))
    assert len(paths) > 60
    folders = {folder for base in bases[1:5] for folder in base.rglob("*") if folder.is_dir()}
    for path in sorted(paths):
        assert any((base / path).exists() for base in [*bases, *folders]), path


def test_helpers_are_imported_by_their_address():
    """Relatively within a package's folder, or as ``tests.<module>``: not by a bare name, which some setting would have to find."""
    tested = [
        path
        for folder in ("packages/*/*", "tests")
        for path in ROOT.glob(f"{folder}/**/*.py")
        if "src" not in path.parts
    ]
    helpers = {path.stem for path in tested if not path.stem.startswith(("test_", "__"))}
    helpers -= {"conftest", "torch", "keras", "onnx", *sys.stdlib_module_names}
    assert len(helpers) > 50
    scripts = {"benchmarks", "examples"}  # run by their own name, from their own folder
    for path in tested:
        if not scripts & set(path.parts):
            for node in ast.walk(ast.parse(path.read_text())):
                if isinstance(node, ast.ImportFrom) and node.level == 0:
                    assert node.module not in helpers, f"{path}: {node.module}"
                elif isinstance(node, ast.Import):
                    assert not helpers & {name.name for name in node.names}, path
