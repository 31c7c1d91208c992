"""Write the page of the docs from measured rows: ``python table.py zoo.jsonl zoo_keras.jsonl > ../docs/zoo.md``."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from .keras_members import names as keras_names
from .measure import read
from .members import LISTS, names

__all__ = ["keras_table", "table"]

#: What stands behind a miss whose row cannot tell.
CAUSES = {
    "timm/byoanet": "the check, in double precision at batch 5, takes more than the 24 GB of the machine; at batch 1 it agrees",
    "timm/deepseek_vit": "an epoch of `fit` on the saved model takes more than the 24 GB of the machine; all the rest agrees "
    "(float32 8e-7, float64 1e-14, 518 of 518 layers)",
}
HEAD = f"""# The zoo: PyTorch to Keras

Each network below was given random weights, translated to Keras without the check (`verify=False`), and compared with its
source on inputs that the translation had not seen, at batch sizes 1, 2 and 5. Figures are the largest relative error,
max|a − b| / max|b| a sample: of the outputs in single precision (at most 1e-5), and in double precision (at most 1e-9;
1e-6, marked *, where PyTorch itself computes an operator in single precision) of outputs, input gradients and every leaf
module that ran. *Saved* is the single-precision model, saved and opened in a fresh process in safe mode, without MetaNNvis
where none of its layers is needed (otherwise marked +); *Grad-CAM* is tf-keras-vis on the translation against the formula
on the source (at most 1e-4). The lists are frozen in `zoo/members.json`: torchvision {LISTS["torchvision"]["version"]},
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
            missed.append(f"- `{name}`: {CAUSES.get(name, row['failures'][0][:300])}")
            continue
        cams = list(row.get("grad_cam", {}).values())
        cells = [
            f"`{name}`",
            *_figures(row),
            f"{row['float32_reloaded_outputs']:.0e}{'+' if row['float32_custom'] else ''}",
            f"{max(cams):.0e}" if cams else "",
        ]
        lines.append(f"| {' | '.join(cells)} |")
    zoos = {name.partition("/")[0] for name in rows}
    return HEAD + _ending(lines, missed, sum(name.partition("/")[0] in zoos for name in names()))


KERAS_HEAD = """
# The zoo: Keras to PyTorch

The smallest member of each family of `keras.applications`, likewise: random weights, `verify=False`, unseen inputs, batch sizes
1, 2 and 5. `tox -e zoo-keras` measures them all. *Seconds* is the translation in single precision, *memory* what it takes
beyond the network itself, in multiples of its weights.

| network | parameters | float32 | float64 outputs | gradients | layers | leaf layers | seconds | memory |
| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |
"""


def keras_table(rows: dict[str, dict[str, Any]]) -> str:
    """The second half of the page."""
    lines, missed = [], []
    for row in (rows[name] for name in keras_names() if name in rows):
        if row["passed"]:
            cells = [f"`{row['name']}`", *_figures(row), str(row["seconds"]), f"{row['times_weights']:.1f} ×"]
            lines.append(f"| {' | '.join(cells)} |")
        else:
            missed.append(f"- `{row['name']}`: {row['failures'][0][:300]}")
    return KERAS_HEAD + _ending(lines, missed, len(keras_names()))


def _figures(row: dict[str, Any]) -> list[str]:
    """Cells that both tables have."""
    limit = "*" if row["limit"] > 1e-9 else ""
    return [
        f"{row['parameters'] / 1e6:.2f} M",
        f"{row['float32']:.0e}",
        *(f"{row[key]:.0e}{limit}" for key in ("float64_outputs", "float64_gradients", "float64_layers")),
        f"{row['leaves_mapped']} of {row['leaves']}",
    ]


def _ending(lines: list[str], missed: list[str], whole: int) -> str:
    """The rows, and what did not pass."""
    count = f"{len(lines)} of {len(lines) + len(missed)} measured networks passed; the lists hold {whole}.\n"
    return "\n".join([*lines, "", count, *(["Not passed:\n", *missed, ""] if missed else [])])


if __name__ == "__main__":
    found: dict[str, dict[str, Any]] = {}
    for given in sys.argv[1:]:
        found |= read(Path(given))
    sys.stdout.write(table(found) + keras_table(found))
