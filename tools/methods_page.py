"""The pages of methods, one by one and by what they are for, made of the rows: ``python tools/methods_page.py`` writes them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from metannvis_methods import MethodSpec, list_methods
from metannvis_methods.registry.needs import NEEDS
from metannvis_methods.registry.table import registry

DOCS = Path(__file__).parents[1] / "packages" / "metannvis-methods" / "docs"
PAGE = DOCS / "methods.md"
CHOICE = DOCS / "which_method.md"
TOOLSETS = ("captum", "grad-cam", "metannvis", "tf-keras-vis", "zennit")
HEAD = """# Methods

Written by `python tools/methods_page.py` from the rows; `metannvis describe METHOD` says the same of one.

Every method runs on models of every framework: *runs in* is where it runs without a translation. *Canonical* ones hook on
modules: a PyTorch model whose activations are functions, shared or in place is brought into canonical form first. *Passes* are
rows through the model for each sample, beside the prediction, *and back* where gradients are asked for; a test counts them. In
the formulas stand options of the method, `features` (groups of the feature mask, without one every element), `windows`,
`baselines` and `channels` (of the layer). *Needs* that a model or a call does not meet are told before the run. *Sanity checks*
say what the papers named there found of the method under weights drawn anew; *not studied*: none of them looked at it. Variants for a
layer or a neuron were in none.
"""
#: What is asked, by the purpose that rows have for it, and what to know when choosing.
QUESTIONS = {
    "which inputs the output comes from, or is sensitive to": (
        "Which inputs does the output come from?",
        (
            "Begin with `integrated_gradients` (what the output comes from, beside a baseline) and `saliency` (what it is sensitive to). With "
            'noise over them (`noise="smoothgrad"`) maps are calmer. DeepLift and LRP are cheap, and bound to layers that they have rules '
            "for. What guided backpropagation and deconvolution show depends little on what the network has learnt."
        ),
    ),
    "which inputs change the output when they are taken away": (
        "Which inputs change the output when they are taken away?",
        (
            'These need predictions only, and cost a pass a feature: group pixels (`feature_mask="superpixels"`, `"grid"`), and mind the '
            "[baseline](baselines.md), which is what *away* means."
        ),
    ),
    "where in an image a layer sees what speaks for the output": (
        "Where in the image is the class seen?",
        (
            "Class activation maps, of the last convolution as a rule ([layers](layers.md)). Begin with `grad_cam`; `layer_cam` for earlier "
            "layers, `score_cam` or `ablation_cam` where gradients mislead and time does not count; `eigen_cam` and `fem` look at the layer "
            "alone, whatever the class."
        ),
    ),
    "which parts of a layer the output comes from, or is sensitive to": (
        "Which parts of a layer does the output come from?",
        "`layer_conductance` adds up to the output; `layer_gradient_x_activation` is one pass.",
    ),
    "which parts of a layer change the output when they are taken away": (
        "Which parts of a layer change the output when they are taken away?",
        "A pass a neuron: mask them in groups (`feature_mask`).",
    ),
    "what a layer returns": ("What does a layer return?", "Not an explanation by itself, but a look at it."),
    "which inputs a neuron comes from, or is sensitive to": (
        "Which inputs does a neuron come from?",
        "As for an output, for one position of a layer (`layer`, `neuron`).",
    ),
    "which inputs change a neuron when they are taken away": (
        "Which inputs change a neuron when they are taken away?",
        "",
    ),
    "what the output responds to most": (
        "What does the network respond to most?",
        "An input made by gradient ascent. Of pixels alone it is noise: [what keeps it like an image](feature_visualization.md).",
    ),
}
CHOICE_HEAD = """# Which method for what

Written by `python tools/methods_page.py` from the rows of methods; [methods, one by one](methods.md) has what each does, its drawbacks and its
source. Every method runs on a model of any framework. *Passes* is what it costs, in rows through the model for each sample.

| question | begin with |
| --- | --- |
| what in the input speaks for this class? | `integrated_gradients`, `grad_cam` |
| is it the object or the background? | `grad_cam`, then `occlusion` or `feature_ablation` to be sure |
| how much does each feature of a table count? | `shapley_value_sampling`, `kernel_shap` |
| which words of a text? | `layer_integrated_gradients` of the embedding, `feature_ablation` |
| does another toolkit say the same? | [comparing toolkits](comparing.md) |
| what has a layer, a channel, a neuron learnt? | `render`, `activation_maximization`, `neuron_gradient` |
| is it the model at all, or only the edges of the picture? | a method that passes the sanity checks, on your network with weights drawn anew |

No map proves by itself what a network looks at. Two methods of different kinds that agree, and a change of the input that changes the output as
the map says, are worth more than one sharp picture.
"""


def page() -> str:
    """The page as text."""
    parts = [HEAD]
    for toolset in TOOLSETS:
        rows = list_methods(toolset=toolset)
        parts.append(f"## {toolset}\n")
        parts.append(
            _table(
                ("method", "type", "what for", "what it does", "runs in", "passes", "needs", "sanity checks"),
                [_cells(row) for row in rows],
            )
        )
    parts.append("## Drawbacks and sources\n")
    every = [row for toolset in TOOLSETS for row in list_methods(toolset=toolset)]
    cells = [(f"`{row.key}`", row.toolset, "; ".join(row.caveats) or "-", row.reference or "-") for row in every]
    parts.append(_table(("method", "toolset", "drawback", "source"), cells))
    parts.append("## Needs\n")
    parts.append(_table(("need", "what it is"), [(f"`{name}`", text) for name, text in NEEDS.items()]))
    parts.append("## What has no row\n")
    excluded = [
        (f"`{name}`", toolset, reason)
        for toolset in TOOLSETS
        for name, reason in registry.toolset(toolset).excluded.items()
    ]
    parts.append(_table(("class", "toolset", "why"), excluded))
    return "\n".join(parts)


def choice() -> str:
    """The page by purpose as text."""
    every = [row for toolset in TOOLSETS for row in list_methods(toolset=toolset)]
    unknown = sorted({row.purpose for row in every} - set(QUESTIONS))
    if unknown:
        raise SystemExit(f"no question in QUESTIONS for: {'; '.join(unknown)}")
    parts = [CHOICE_HEAD]
    for purpose, (question, advice) in QUESTIONS.items():
        parts.append(f"## {question}\n")
        if advice:
            parts.append(f"{advice}\n")
        rows = [row for row in every if row.purpose == purpose]
        cells = [
            (f"`{row.key}`", row.toolset, row.summary, _passes(row), ", ".join(row.needs) or "-", _verdict(row))
            for row in rows
        ]
        parts.append(_table(("method", "toolset", "what it does", "passes", "needs", "sanity checks"), cells))
    return "\n".join(parts)


def _verdict(row: MethodSpec) -> str:
    """The outcome of the sanity checks without its source."""
    return row.sanity.partition(" (")[0] or "not studied"


def _passes(row: MethodSpec) -> str:
    passes = row.passes.replace("*", "×").replace("factorial(features)", "features!")
    return passes + (" and back" if row.differentiates else "")


def _cells(row: MethodSpec) -> Sequence[str]:
    return (
        f"`{row.key}`",
        f"{row.kind.replace('_', ' ')}, {row.family}",
        row.purpose,
        row.summary,
        (" or ".join(row.frameworks) or "any framework") + (", canonical" if row.needs_canonical else ""),
        _passes(row),
        ", ".join(row.needs) or "-",
        row.sanity or "not studied",
    )


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines) + "\n"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
    CHOICE.write_text(choice(), encoding="utf-8")
