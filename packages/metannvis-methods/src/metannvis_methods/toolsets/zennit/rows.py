"""The methods of zennit, a row each, to the inputs and to any layer."""

from __future__ import annotations

from typing import Any

from metannvis_methods.registry.option_values import number, one_of
from metannvis_methods.registry.references import RELEVANCE
from metannvis_methods.registry.sanity_checks import RULES_SIXT
from metannvis_methods.registry.spec import Argument, MethodSpec
from metannvis_methods.toolsets.zennit.words import COMPOSITES, FIRST, LAYERS

__all__ = ["ROWS"]

CALL = (
    Argument("inputs", "input", required=True),
    Argument("target", "target"),
    Argument("additional_forward_args", "extra"),
)
DELTA = Argument("return_convergence_delta", "delta", flag=True)
LAYER = Argument("layer", "layer", required=True, own=True)
RULES = Argument("rules", takes=LAYERS)
STABILIZER = Argument("stabilizer", takes=number(above=0))
ZERO = Argument("zero_params", takes=one_of("bias", "weight"))

UNIQUE = "needs every activation and addition to be a module of its own; other models are brought into that form first"
KNOWN = "has no rules for attention, recurrent and normalisation layers beside batch norms: transformers are refused"
LOSES = "biases take relevance with them, and the stabilizer some more: the sum is the score without biases alone"
EXCITATION = "Zhang et al.: Top-down Neural Attention by Excitation Backprop, 2016, arXiv:1608.00507"
TAYLOR = "Montavon et al.: Explaining NonLinear Classification Decisions with Deep Taylor Decomposition, 2017, arXiv:1512.02479"


def _rows(key: str, cls: str, summary: str, *, init: tuple[Argument, ...], **fields: Any) -> tuple[MethodSpec, ...]:
    """A method to the inputs, and to a layer."""
    common: dict[str, Any] = {
        "toolset": "zennit",
        "framework": "torch",
        "cls": f"metannvis_methods.toolsets.zennit.methods:{cls}",
        "passes": "1",
        "rows_a_sample": 1,
        "needs_canonical": True,
        "needs": ("logits", "rules"),
        **fields,
    }
    return (
        MethodSpec(key, kind="primary", init=init, call=(*CALL, DELTA), summary=summary.format("input"), **common),
        MethodSpec(
            f"layer_{key}",
            kind="layer",
            init=(LAYER, *init),
            call=CALL,
            summary=summary.format("layer's output"),
            **{**common, "sanity": ""},
        ),
    )


ROWS: tuple[MethodSpec, ...] = (
    *_rows(
        "lrp",
        "LRP",
        "relevance of the {} for the output, carried back layer by layer, by a composite of rules",
        init=(Argument("composite", takes=COMPOSITES), RULES, STABILIZER, ZERO),
        sanity=RULES_SIXT,
        reference=RELEVANCE,
        caveats=(KNOWN, LOSES, UNIQUE),
    ),
    *_rows(
        "deep_taylor",
        "DeepTaylor",
        "relevance of the {} for the output by deep Taylor decomposition: what is positive, layer by layer",
        init=(Argument("first", takes=FIRST), RULES, STABILIZER, ZERO),
        sanity=RULES_SIXT,
        reference=TAYLOR,
        caveats=(
            "shows only what speaks for the target, and means something where its score is positive",
            "pixels have bounds, which first={'z_box': {'low': …, 'high': …}} takes, as the model takes them",
            KNOWN,
            LOSES,
            UNIQUE,
        ),
    ),
    *_rows(
        "excitation_backprop",
        "ExcitationBackprop",
        "probability that a winner among the neurons which excite the target lies at each place of the {}",
        init=(Argument("contrastive", flag=True), STABILIZER),
        sanity=RULES_SIXT,
        reference=EXCITATION,
        caveats=(
            "is hardly another one for another class: contrastive=True takes what speaks for all others off",
            "is meant for activations that are not negative",
            KNOWN,
            UNIQUE,
        ),
    ),
)
