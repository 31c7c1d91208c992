"""Runs the matrix and writes ``docs/matrix.md``: ``python -m packages.metannvis-methods.matrix``, from the root.

``--results FILE`` keeps the outcome of each cell in a file of JSON lines and goes on where it was stopped; ``--only 'torch-cnn-.*'``
runs a part, which writes no page.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import re
import sys
import traceback
from pathlib import Path

from .cells import Cell, Outcome, cells, methods, outcome
from .checks import fault
from .expected import REFUSALS
from .networks import NETWORKS, SOURCES

DOCS = Path(__file__).parents[1] / "docs" / "matrix.md"
NAMES = {"torch": "PyTorch", "tensorflow": "Keras", "onnx": "ONNX"}
HEAD = """# Methods × models, measured

Written by `python -m packages.metannvis-methods.matrix`; the same is asserted by `tox -e matrix`, and for a twentieth of the cells by
the tests of this package.

Each method of every toolset was run by `explain` on nine small networks with random weights, biases and statistics, as PyTorch
modules, as Keras models and as ONNX models, and compared with the toolkit called directly on a twin written by hand in its own
framework, weights copied by hand: class activation maps, DeepLift of probabilities and guided maps of tokens with their papers'
formulas, since a toolkit is wrong or silent there; DeepLift of attention and recurrent layers, which Captum has no rules for, with
ours on the PyTorch network; our own methods, whose formulas have tests of their own, with themselves on the PyTorch network as it is.
Differences are max|a − b| / max|b| of a whole input, in double precision (the text network from ONNX in single precision, since ONNX
Runtime, which translations are checked by, has no recurrent operators in double).

A cell has the largest difference over PyTorch, Keras and ONNX. `refused` is an error that is documented below.

"""


def main() -> int:
    """Write the page; 1 if a cell is not as it should be."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--results", type=Path, help="file of outcomes, a line a cell; cells that stand there are not run again"
    )
    parser.add_argument(
        "--only", default=".*", help="regular expression that matches whole names: SOURCE-NETWORK-TOOLSET-METHOD"
    )
    options = parser.parse_args()
    before = _read(options.results)
    chosen = [cell for cell in cells() if re.fullmatch(options.only, str(cell))]
    found: dict[Cell, Outcome] = {}
    wrong = []
    for cell in chosen:
        found[cell] = before.get(str(cell)) or _run(cell, options.results)
        message = fault(cell, found[cell])
        if message:
            wrong.append(f"{cell}: {message}")
            print(wrong[-1], file=sys.stderr, flush=True)
    if options.only != ".*":
        print(f"{len(found)} cells, {len(wrong)} wrong")
        return 1 if wrong else 0
    compared = [result.difference for result in found.values() if result.difference is not None]
    refused = len(found) - len(compared)
    counts = f"{len(found)} cells: {len(compared)} compared, {refused} refused as documented, {len(wrong)} wrong"
    lines = [
        HEAD,
        f"**{counts}; largest difference {max(compared):.0e}.**\n\n",
        *_by_source(found),
        "\n",
        *_table(found),
        "\n## What is refused\n\n",
        "| networks | methods | error | because |\n|---|---|---|---|\n",
        *(
            f"| {_listed(row.networks)} | {_listed(row.methods)} ({row.toolset}) | `{row.error}` | {row.because} |\n"
            for row in REFUSALS
        ),
    ]
    if not wrong:
        DOCS.write_text("".join(lines), encoding="utf-8")
    print(lines[1], *wrong, sep="\n")
    return 1 if wrong else 0


def _read(results: Path | None) -> dict[str, Outcome]:
    if results is None or not results.exists():
        return {}
    lines = map(json.loads, results.read_text(encoding="utf-8").splitlines())
    return {line.pop("cell"): Outcome(**{**line, "told": tuple(line["told"])}) for line in lines}


def _run(cell: Cell, results: Path | None) -> Outcome:
    """The outcome of a cell, kept; an error that is none of ours is what is wrong with it, and the rest goes on."""
    try:
        found = outcome(cell)
    except Exception as error:  # noqa: BLE001  # whatever it is
        traceback.print_exc()
        found = Outcome(wrong=f"{type(error).__name__}: {error}")
    if results is not None:
        with results.open("a", encoding="utf-8") as file:
            file.write(json.dumps({"cell": str(cell), **dataclasses.asdict(found)}) + "\n")
    return found


def _listed(pattern: str) -> str:
    return ", ".join(pattern.replace("\\", "").split("|"))


def _by_source(found: dict[Cell, Outcome]) -> list[str]:
    lines = ["| model | compared | refused | largest difference |\n|---|---|---|---|\n"]
    for source in SOURCES:
        some = [result.difference for cell, result in found.items() if cell.source == source]
        numbers = [x for x in some if x is not None]
        lines.append(f"| {NAMES[source]} | {len(numbers)} | {len(some) - len(numbers)} | {max(numbers):.0e} |\n")
    return lines


def _table(found: dict[Cell, Outcome]) -> list[str]:
    lines = [
        f"| method | {' | '.join(NETWORKS)} |\n",
        f"|---|{'---|' * len(NETWORKS)}\n",
    ]
    for toolset, method in methods():
        row = []
        for name in NETWORKS:
            some = [found[Cell(source, name, toolset, method)].difference for source in SOURCES]
            numbers = [x for x in some if x is not None]
            row.append("refused" if not numbers else f"{max(numbers):.0e}" if max(numbers) else "0")
        lines.append(f"| {method} ({toolset}) | {' | '.join(row)} |\n")
    return lines


if __name__ == "__main__":
    sys.exit(main())
