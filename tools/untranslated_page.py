"""The page of what cannot be translated, made of the registries of converters and of what the measurements found.

``python tools/untranslated_page.py`` writes it.
"""

from __future__ import annotations

import ast
import importlib
import json
import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import onnx.defs
from metannvis_translate.frameworks.requirements import require

PACKAGE = Path(__file__).parents[1] / "packages" / "metannvis-translate"
PAGE = PACKAGE / "docs" / "untranslated.md"
CONFORMANCE = PACKAGE / "conformance"
LAYERS = PACKAGE / "tests" / "frameworks" / "keras" / "exporter" / "test_layers.py"
#: The newest version of the standard that is looked at: operators of later ones come with later packages.
OPSET = 27
#: Operators of ONNX without a converter, by what they are; the reason stands behind them.
GROUPS: dict[str, tuple[str, ...]] = {
    "control flow; it is dissolved where its condition, or its number of steps, does not depend on data": ("If", "Loop", "Scan"),
    "sequences; they are dissolved where their length does not depend on data": (
        "ConcatFromSequence", "SequenceAt", "SequenceConstruct", "SequenceEmpty", "SequenceErase", "SequenceInsert",
        "SequenceLength", "SequenceMap", "SplitToSequence",
    ),
    "optional values": ("Optional", "OptionalGetElement", "OptionalHasElement"),
    "random numbers: two runs would not agree": (
        "Bernoulli", "Multinomial", "RandomNormal", "RandomNormalLike", "RandomUniform", "RandomUniformLike",
    ),
    "strings, of which no tensor of PyTorch consists": ("RegexFullMatch", "StringConcat", "StringNormalizer", "StringSplit"),
    "image files as data": ("ImageDecoder",),
    "pooling of regions by whole pixels; RoiAlign is translated": ("MaxRoiPool",),
}  # fmt: skip
HEAD = """# What cannot be translated

Written by `python tools/untranslated_page.py` from the registries of converters and from what `tox -e conformance`, `torch-operators` and
`keras-operators` have found. Everything here is refused with the operator, the layer that needs it and, for PyTorch, the line of code; nothing
is translated wrongly in silence. An operator may get [a converter of yours](extending.md).

In short: what depends on data in its *shape* or its *control flow*, strings, random numbers, complex numbers, most decompositions of
matrices, and numbers of 4 and 8 bits. Detectors are translated [in parts](detection.md).
"""


def page() -> str:
    """The page as text."""
    parts = [
        HEAD,
        "## From ONNX\n",
        *_operators(),
        *_node_tests(),
        "## From PyTorch\n",
        *_torch(),
        "## From Keras\n",
        *_keras(),
    ]
    return "\n".join(parts)


def missing(framework: str) -> set[str]:
    """Operators of ONNX's standard domain for which an importer has no converter."""
    require(framework)
    importer = f"metannvis_translate.frameworks.{framework}.importer"
    importlib.import_module(f"{importer}.importer")
    registry = importlib.import_module(f"{importer}.registry").registry
    known = {row.operator for row in registry if not row.domain}
    schemas = [schema for schema in onnx.defs.get_all_schemas_with_history() if not schema.domain]
    newest = {
        schema.name: schema
        for schema in sorted(schemas, key=lambda one: one.since_version)
        if schema.since_version <= OPSET
    }
    return {name for name, schema in newest.items() if not schema.deprecated} - known


def _operators() -> Iterable[str]:
    to_torch, to_keras = missing("torch"), missing("keras")
    named = {name for group in GROUPS.values() for name in group}
    unknown = sorted((to_torch | to_keras) - named)
    if unknown:
        raise SystemExit(f"no converter, and no reason in GROUPS: {', '.join(unknown)}")
    yield f"Operators of the standard, up to version {OPSET}, without a converter. Those of `ai.onnx.ml` have none either: the labels and tables of\nprobabilities that scikit-learn's exporter puts behind a network are left out, trees and SVMs are refused.\n"
    rows = []
    for reason, names in GROUPS.items():
        left = [name for name in names if name in to_torch | to_keras]
        if left:
            both = [f"`{name}`" + _one_sided(name, to_torch, to_keras) for name in left]
            rows.append((", ".join(both), reason))
    yield _table(("operators", "what they are"), rows)


def _one_sided(name: str, to_torch: set[str], to_keras: set[str]) -> str:
    if name not in to_torch:
        return " (to Keras)"
    return "" if name in to_keras else " (to PyTorch)"


def _node_tests() -> Iterable[str]:
    """What of ONNX's own node tests is refused, by kind."""
    counts = {side: {row["kind"]: 0 for row in _read(f"{side}.json")} for side in ("torch", "keras")}
    for side, kinds in counts.items():
        for row in _read(f"{side}.json"):
            kinds[row["kind"]] += len(row["tests"])
    yield "Of ONNX's own tests of nodes these are refused; none comes out wrong. `conformance/torch.json` and `keras.json` have each reason.\n"
    every = sorted({kind for kinds in counts.values() for kind in kinds})
    cells = [(kind, str(counts["torch"].get(kind, 0)), str(counts["keras"].get(kind, 0))) for kind in every]
    yield _table(("kind of test", "to PyTorch", "to Keras"), cells)


def _torch() -> Iterable[str]:
    """Operators of PyTorch's database that no exporter brings over."""
    sides = {side: _by_kind(_read(f"torch_operators_{side}.json")) for side in ("keras", "torch")}
    yield (
        "Functions of PyTorch, by its own database of operators, of which some samples or all are refused to Keras, to canonical PyTorch, or both; the reasons stand "
        "in\n`conformance/torch_operators_keras.json` and `torch_operators_torch.json`, and [the operators' page](torch_operators.md) says how it was measured.\n"
    )
    rows = []
    for kind in sorted({kind for side in sides.values() for kind in side}):
        keras, torch = (sides[side].get(kind, set()) for side in ("keras", "torch"))
        for names, where in ((keras & torch, "either"), (keras - torch, "Keras"), (torch - keras, "PyTorch")):
            if names:
                rows.append((kind, where, ", ".join(f"`{name}`" for name in sorted(names))))
    yield _table(("kind", "refused to", "functions"), rows)
    yield (
        "Besides: control flow that depends on data (`if x.sum() > 0:`), sizes that do (`nonzero`, boolean masks as indices, boxes that are kept), "
        "a tensor that was\ndetached and is changed in place, and a `torch.autograd.Function` whose derivative is not that of what it computes.\n"
    )


def _by_kind(rows: Sequence[dict[str, Any]]) -> dict[str, set[str]]:
    found: dict[str, set[str]] = defaultdict(set)
    for row in rows:
        if row["status"] == "refused":
            found[row["kind"]] |= {re.sub(r"-\d+$", "", name) for name in row["operators"]}
    return found


def _keras() -> Iterable[str]:
    reasons = _reasons()
    yield "Classes of `keras.layers`:\n"
    yield _table(("layer", "it"), [(f"`{name}`", reason) for name, reason in sorted(reasons.items())])
    yield "Functions of `keras.ops`:\n"
    rows: dict[tuple[str, str], list[str]] = defaultdict(list)
    for row in _read("keras_operators.json"):
        if row["status"] == "refused":
            reason = (
                re.sub(r"^.*? cannot be translated: ", "", row["reason"]).split(" (A KerasT")[0].split(" (Exception")[0]
            )
            rows[row["kind"], reason] += [re.sub(r"-\d+$", "", name) for name in row["samples"]]
    cells = [
        (", ".join(f"`{name}`" for name in sorted(set(names))), kind, reason)
        for (kind, reason), names in sorted(rows.items())
    ]
    yield _table(("function", "kind", "why"), cells)
    yield "A model on another Keras backend than TensorFlow is refused.\n"


def _reasons() -> dict[str, str]:
    """The table of classes that are not translated, which stands beside their tests."""
    for node in ast.parse(LAYERS.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") == "REASONS":
            reasons: dict[str, str] = ast.literal_eval(node.value)
            return reasons
    raise SystemExit(f"{LAYERS} has no table REASONS")


def _read(name: str) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = json.loads((CONFORMANCE / name).read_text(encoding="utf-8"))
    return rows


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines) + "\n"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
