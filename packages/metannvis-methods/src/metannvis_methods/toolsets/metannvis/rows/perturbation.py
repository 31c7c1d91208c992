"""Our methods that need predictions only, a row each."""

from __future__ import annotations

from metannvis_methods.registry.option_values import Values, one_of, whole
from metannvis_methods.registry.references import RISE, SOBOL
from metannvis_methods.registry.spec import Argument, MethodSpec
from metannvis_methods.toolsets.metannvis.rows.arguments import CHANGING, ESTIMATE, PROBABILITIES, SHARE, masking

__all__ = ["PERTURBATION"]

MASKS = Values(
    "an array of masks, shape (n, places…), or a tuple of them, one an input",
    lambda value: (
        hasattr(value, "shape") or (isinstance(value, tuple) and all(hasattr(item, "shape") for item in value))
    ),
)

SHARE_OR_AUTO = Values(
    f"{SHARE}, or 'auto'", lambda value: value == "auto" if isinstance(value, str) else SHARE.fits(value)
)

PERTURBATION: tuple[MethodSpec, ...] = (
    masking(
        "rise",
        "rise:Rise",
        Argument("n_masks", takes=whole(1)),
        Argument("cells", takes=whole(1)),
        Argument("p", takes=SHARE_OR_AUTO),
        Argument("masks", takes=MASKS),
        summary="random masks, weighted by the output for what each leaves of the input, in the mean",
        passes="n_masks",
        reference=RISE,
        caveats=(CHANGING, ESTIMATE, PROBABILITIES, "is above zero everywhere: read its differences, not its values"),
    ),
    masking(
        "sobol",
        "sobol:Sobol",
        Argument("n_designs", takes=whole(2)),
        Argument("cells", takes=whole(1)),
        Argument("sampler", takes=one_of("latin_hypercube", "random")),
        summary="share of the output's variance that a cell takes part in when all are faded at random",
        passes="n_designs * (features + 1)",
        reference=SOBOL,
        caveats=(
            CHANGING,
            ESTIMATE,
            "says how much a region counts, not for or against what",
            "is coarse: a number a cell",
        ),
    ),
)
