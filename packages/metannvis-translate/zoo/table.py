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
module that ran. *Saved* is the single-precision model, saved and opened in a fresh process in safe mode, without MetaNNvis
where none of its layers is needed (otherwise marked +); *Grad-CAM* is tf-keras-vis on the translation against the formula
on the source (at most 1e-4). The lists are frozen in `tests/zoo_lists.json`: torchvision {LISTS["torchvision"]["version"]},
timm {LISTS["timm"]["version"]}. `tox -e zoo` measures them all.

| network | parameters | float32 | float64 outputs | gradients | layers | leaf layers | saved | Grad-CAM |
| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |
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
        cams = list(row.get("grad_cam", {}).values())
        cells = [
            f"`{name}`",
            f"{row['parameters'] / 1e6:.2f} M",
            f"{row['float32']:.0e}",
            *figures,
            f"{row['leaves_mapped']} of {row['leaves']}",
            f"{row['float32_reloaded_outputs']:.0e}{'+' if row['float32_custom'] else ''}",
            f"{max(cams):.0e}" if cams else "",
        ]
        lines.append(f"| {' | '.join(cells)} |")
    whole = [name for name in names() if name.partition("/")[0] in {row.partition("/")[0] for row in rows}]
    count = f"{len(lines)} of {len(lines) + len(missed)} measured networks passed; the lists hold {len(whole)}.\n"
    return "\n".join([HEAD + "\n".join(lines), "", count, *(["Not passed:\n", *missed, ""] if missed else [])])


if __name__ == "__main__":
    sys.stdout.write(table(read(Path(sys.argv[1]))))
