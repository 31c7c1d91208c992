"""Which module imports which: no circles, packages and folders one way, and other packages by public names only.

Imports inside functions count as well, those for type checkers do not. That a module's package is imported before it is left out.
"""

from __future__ import annotations

import ast
import tomllib
from collections.abc import Iterator
from functools import cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

PACKAGES = Path(__file__).parents[1] / "packages"
NAMES = ("metannvis_translate", "metannvis_methods", "metannvis_plot", "metannvis_cli")
#: What other packages may import of the translator.
FACES = {
    "metannvis_translate",
    "metannvis_translate.errors",
    "metannvis_translate.frameworks",
    "metannvis_translate.frameworks.keras",
    "metannvis_translate.frameworks.onnx",
    "metannvis_translate.frameworks.torch",
    "metannvis_translate.process",
    "metannvis_translate.reading",
    "metannvis_translate.writing",
}
#: Folders of the translator that know no framework's name.
NEUTRAL = ("graph", "passes", "importing", "equivalence")
FRAMEWORKS = ("torch", "keras", "onnx")


def folder(name: str) -> Path:
    return PACKAGES / name.replace("_", "-")


@cache
def modules() -> dict[str, tuple[ast.Module, str]]:
    """Every module of the four packages, parsed, with the package that its relative imports start from."""
    found = {}
    for name in NAMES:
        source = folder(name) / "src"
        for path in source.rglob("*.py"):
            package = ".".join(path.parent.relative_to(source).parts)
            module = package if path.stem == "__init__" else f"{package}.{path.stem}"
            found[module] = ast.parse(path.read_text(encoding="utf-8")), package
    return found


def imports(tree: ast.AST, package: str = "") -> Iterator[tuple[str, str | None]]:
    """Modules and the names taken from them, ``None`` for a module as a whole."""
    if isinstance(tree, ast.If) and "TYPE_CHECKING" in ast.unparse(tree.test):
        for statement in tree.orelse:
            yield from imports(statement, package)
        return
    if isinstance(tree, ast.ImportFrom):
        above = package.split(".")[: len(package.split(".")) + 1 - tree.level] if tree.level else []
        place = ".".join([*above, *([tree.module] if tree.module else [])])
        yield from ((place, alias.name) for alias in tree.names)
    elif isinstance(tree, ast.Import):
        yield from ((alias.name, None) for alias in tree.names)
    for child in ast.iter_child_nodes(tree):
        yield from imports(child, package)


@cache
def public(module: str) -> tuple[str, ...]:
    """A module's ``__all__``."""
    for statement in modules()[module][0].body:
        if isinstance(statement, ast.Assign) and ast.unparse(statement.targets[0]) == "__all__":
            return tuple(ast.literal_eval(statement.value))
    return ()


def arrows(module: str) -> set[tuple[str, str | None]]:
    """Modules of ours that a module imports, each with a name that is taken from it."""
    found = set()
    for place, name in imports(*modules()[module]):
        inner = f"{place}.{name}"
        if inner in modules() and name not in public(place):  # a function may hide the module that it comes from
            found.add((inner, None))
        elif place in modules() and place != module:
            found.add((place, name))
    return found


@cache
def graph() -> dict[str, set[str]]:
    return {module: {place for place, _ in arrows(module)} for module in modules()}


def within(module: str, *packages: str) -> bool:
    return any(f"{module}.".startswith(f"{package}.") for package in packages)


def test_imports_in_functions_count_and_those_for_types_do_not() -> None:
    text = (
        "if TYPE_CHECKING:\n import a\nelse:\n import b\ndef f():\n from c import d\nfrom .e import f\nfrom .. import g"
    )
    found = [("b", None), ("c", "d"), ("here.there.e", "f"), ("here", "g")]
    assert list(imports(ast.parse(text), "here.there")) == found
    assert (
        "metannvis_translate.frameworks.torch.importer.importer"
        in graph()["metannvis_translate.frameworks.torch.plugin"]
    )
    assert len(graph()) > 300


def test_there_is_no_circle() -> None:
    try:
        TopologicalSorter(graph()).prepare()
    except CycleError as error:
        pytest.fail(" imports ".join(reversed(error.args[1])))


@pytest.mark.parametrize("name", NEUTRAL)
def test_what_is_shared_knows_no_framework(name: str) -> None:
    frameworks = [f"metannvis_translate.frameworks.{framework}" for framework in FRAMEWORKS]
    own = [module for module in graph() if within(module, f"metannvis_translate.{name}")]
    assert own
    assert not [(module, place) for module in own for place in graph()[module] if within(place, *frameworks)]


def test_other_packages_take_public_names_of_the_translator() -> None:
    taken = [
        (module, place, name)
        for module in graph()
        if not within(module, "metannvis_translate")
        for place, name in arrows(module)
        if within(place, "metannvis_translate")
    ]
    assert {place for _, place, _ in taken} >= {"metannvis_translate", "metannvis_translate.frameworks"}
    inner = [f"{module} imports {place}" for module, place, _ in taken if place not in FACES]
    hidden = [
        f"{module} takes {name} from {place}"
        for module, place, name in taken
        if place in FACES and name not in (None, *public(place))
    ]
    assert not inner + hidden


@pytest.mark.parametrize("name", NAMES)
def test_packages_import_what_they_depend_on(name: str) -> None:
    def dependencies(package: str) -> set[str]:
        project = tomllib.loads((folder(package) / "pyproject.toml").read_text(encoding="utf-8"))["project"]
        direct = {known for known in NAMES for text in project["dependencies"] if text.startswith(folder(known).name)}
        return direct.union(*map(dependencies, direct))

    known = {name, *dependencies(name)}
    own = [module for module in graph() if within(module, name)]
    assert not [(module, place) for module in own for place in graph()[module] if not within(place, *known)]
