"""Write the table of the package's docs from measured rows: ``python table.py zoo-results.jsonl > ../docs/zoo.md``."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from measure import read
from members import LISTS, names

__all__ = ["table"]

HEAD = f"""# The zoo

Each network below was given random weights, translated to Keras without the gate (`verify=False`), and compared with its
source on inputs that the translation had not seen, at batch sizes 1, 2 and 5. Figures are the largest relative error,
max|a − b| / max|b| a sample: of the outputs in single precision (at most 1e-5), and in double precision (at most 1e-9;
1e-6, marked *, where PyTorch itself computes an operator in single precision) of outputs, input gradients and every leaf
module that ran. The lists are frozen in `tests/zoo_lists.json`: torchvision {LISTS["torchvision"]["version"]}, timm
{LISTS["timm"]["version"]}. `tox -e zoo` measures them all.

| network | parameters | float32 | float64 outputs | gradients | layers | leaf layers | operations |
| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |
"""


def table(rows: dict[str, dict[str, Any]]) -> str:
    """The page: what was measured, in the order of the lists, and what did not pass, with its cause."""
    lines, missed = [], []
    for name in names():
        row = rows.get(name)
        if row is None:
            continue
        if not row["passed"]:
            missed.append(f"- `{name}`: {row['failures'][0][:300]}")
            continue
        limit = "*" if row["limit"] > 1e-9 else ""
        figures = [f"{row[key]:.0e}{limit}" for key in ("float64_outputs", "float64_gradients", "float64_layers")]
        lines.append(
            f"| `{name}` | {row['parameters'] / 1e6:.2f} M | {row['float32']:.0e} | {' | '.join(figures)} "
            f"| {row['leaves_mapped']} of {row['leaves']} | {row['operations']} |"
        )
    count = f"{len(lines)} of {len(lines) + len(missed)} measured networks passed.\n"
    return "\n".join([HEAD + "\n".join(lines), "", count, *(["Not passed:\n", *missed, ""] if missed else [])])


if __name__ == "__main__":
    sys.stdout.write(table(read(Path(sys.argv[1]))))
