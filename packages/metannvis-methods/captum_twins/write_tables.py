"""Measures everything in this folder and writes ``docs/captum.md``.

``python -m packages.metannvis-methods.captum_twins.write_tables``, from the root.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from metannvis_translate.frameworks.requirements import require

require("torch")
require("tensorflow")
from .canonical_pairs import CLASSES, figures, rows  # noqa: E402
from .captum_cases import CASES  # noqa: E402
from .captum_networks import NETWORKS  # noqa: E402
from .captum_pairs import TOLERANCES, Pair, faults, pairs, told  # noqa: E402

DOCS = Path(__file__).parents[1] / "docs" / "captum.md"
HEAD = """# Captum on translated networks, measured

Written by `python -m packages.metannvis-methods.captum_twins.write_tables`; the same is asserted by `tox -e captum-twins`.
Differences are max|a − b| / max|b| of the worst sample.

## Keras networks against native PyTorch twins

Each Keras network was translated without a check (`verify=False`) and explained through `explain`; the same class of Captum
was run on a twin written by hand in PyTorch, weights copied by hand. A class that asks for a layer was asked about each layer
of `captum_networks.py`. Random classes had the same seed. LayerFeaturePermutation, which refuses every target, was asked about
networks of one output as well. GuidedGradCam is empty, with a warning, where a layer has no places. DeepLift goes by rules of ours
on both sides (Captum's are wrong where two activations are adjacent, windows of a pool overlap, or an activation has none); that
these sum to the difference of the outputs is asserted in `tests/toolsets/test_deep_lift_rules.py`.

"""
CANONICAL = """
## PyTorch networks that were not written for hooks

Methods that hook on modules, against Captum on the same network with a module for each activation and addition (float64).
First what Captum makes of the network as it is, then what `explain` does, which brings it into canonical form (not for DeepLift,
whose rules of ours see functions as well; the reference has them, too).

"""


def main() -> int:
    """Write the page; 1 if anything is not as it should be."""
    parts, wrong = [HEAD], []
    for dtype in TOLERANCES:
        found = {cls: {name: list(pairs(name, cls, dtype)) for name in NETWORKS} for cls in CASES}
        every = [pair for by_name in found.values() for some in by_name.values() for pair in some]
        wrong += faults(every, dtype)
        worst = max(pair.difference for pair in every if pair.difference is not None)
        counts = f"{dtype}: {told(Counter(pair.kind for pair in every))}; worst {worst:.1e}"
        print(counts)
        parts += [f"**{counts}**\n\n"]
        if dtype == "float64":
            body = [[cls, *(cell(found[cls][name]) for name in NETWORKS)] for cls in CASES]
            parts += [table(["class", *NETWORKS], body), "\n", raising(every)]
    parts.append(CANONICAL)
    measured = [figures(*row) for row in rows()]
    places = list(dict.fromkeys((f.network, f.style) for f in measured))
    by_place = {(f.network, f.style, f.cls): f for f in measured}
    body = []
    for cls in CLASSES:
        figure = [by_place.get((*place, cls)) for place in places]
        body.append([cls, *("" if f is None else f"{shown(f.captum)} → {shown(f.ours)}" for f in figure)])
    parts.append(table(["class", *(f"{network}, {style}" for network, style in places)], body))
    DOCS.parent.mkdir(exist_ok=True)
    DOCS.write_text("".join(parts), encoding="utf-8")
    print(*wrong, sep="\n")
    return 1 if wrong else 0


def cell(some: Sequence[Pair]) -> str:
    """The worst difference of a class on a network, and how many of its layers raise."""
    differences = [pair.difference for pair in some if pair.difference is not None]
    raises = sum(pair.kind == "raising" for pair in some)
    parts = [shown(max(differences))] if differences else []
    parts += ["empty"] if any(pair.empty for pair in some) else []
    parts += [f"raises{f' ({raises} of {len(some)})' if differences else ''}"] if raises else []
    return ", ".join(parts)


def shown(figure: float | str) -> str:
    """A difference for people; the name of what was raised as it is."""
    if isinstance(figure, str):
        return f"`{figure}`"
    return "0" if figure == 0 else f"{figure:.0e}" if figure < 1e-3 else f"{figure:.2g}"


def raising(every: Sequence[Pair]) -> str:
    """What Captum raises, on the twin and on ours alike."""
    causes: dict[str, Counter[str]] = {}
    for pair in every:
        if pair.kind == "raising":
            causes.setdefault(pair.raised, Counter())[f"{pair.cls} on {pair.network}"] += 1
    lines = [
        f"- `{cause}`: {', '.join(place + (f' ({count} layers)' if count > 1 else '') for place, count in places.items())}"
        for cause, places in causes.items()
    ]
    return "Raised natively, and so by `ToolsetError` with that cause:\n\n" + "\n".join(lines) + "\n\n"


def table(head: Sequence[str], body: Sequence[Sequence[str]]) -> str:
    """Markdown."""
    return "\n".join("| " + " | ".join(row) + " |" for row in (head, ["---"] * len(head), *body)) + "\n"


if __name__ == "__main__":
    sys.exit(main())
