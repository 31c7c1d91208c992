"""Alignments: options with which a method of one toolset means what that of another does; methods that only share a name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations
from typing import Any

from metannvis_methods.errors import InvalidArgumentError
from metannvis_methods.registry.spec import MethodSpec, fold
from metannvis_methods.registry.table import find_methods

__all__ = ["ALIGNMENTS", "DIFFERENT", "Alignment", "Different", "alignment_of", "check_same_quantity", "elsewhere"]


@dataclass(frozen=True)
class Alignment:
    """Options with which a toolset's method means the same as the other toolsets'.

    Attributes
    ----------
    method, toolset
        Which row of the registry.
    options
        Set for every comparison of that method.
    signed
        Set as well if signs are to be kept.
    expand
        Set as well if a layer's map is to be as large as the input; ``None``: we enlarge it (linear, corners
        aligned).
    row
        The key of the row, where the toolset calls the method otherwise.
    """

    method: str
    toolset: str
    options: Mapping[str, Any] = field(default_factory=dict)
    signed: Mapping[str, Any] = field(default_factory=dict)
    expand: Mapping[str, Any] | None = None
    row: str | None = None


#: Measured to agree to 4e-9 (saliency) and 9e-10 (Grad-CAM) in float64 on twins with copied weights.
ALIGNMENTS: tuple[Alignment, ...] = (
    Alignment("saliency", "captum", {"abs": True}, {"abs": False}),
    Alignment("saliency", "tf-keras-vis", {"keepdims": True, "normalize_map": False}, {"gradient_modifier": None}),
    Alignment("grad_cam", "captum", {"relu_attributions": True}, {"relu_attributions": False}),
    Alignment(
        "grad_cam",
        "tf-keras-vis",
        {"expand_cam": False, "normalize_cam": False},
        {"activation_modifier": None},
        {"expand_cam": True},
    ),
    Alignment("grad_cam", "grad-cam", {"relu": True}, {"relu": False}),
    Alignment("layer_cam", "grad-cam", {"relu": True}),
    Alignment("layer_cam", "tf-keras-vis", {"expand_cam": False, "normalize_cam": False}, {}, {"expand_cam": True}),
    Alignment("hires_cam", "grad-cam", {"relu": False}),
    Alignment("hires_cam", "metannvis", row="linear_approximation"),
    Alignment("linear_approximation", "metannvis"),
    Alignment("linear_approximation", "grad-cam", {"relu": False}, row="hires_cam"),
    Alignment("lrp", "captum", {}),  # whose rule is epsilon, with that epsilon
    Alignment("lrp", "zennit", {"composite": "epsilon", "stabilizer": 1e-9}),
    Alignment("lrp", "metannvis", {"epsilon": 1e-9}, row="attn_lrp"),
    Alignment("layer_lrp", "captum", {}),
    Alignment("layer_lrp", "zennit", {"composite": "epsilon", "stabilizer": 1e-9}),
    Alignment("deep_lift", "captum", {}),
    Alignment("deep_lift", "metannvis", row="deep_lift_linear"),
)


@dataclass(frozen=True)
class Different:
    """A method that two toolsets have by one name and that is not the same quantity in both."""

    method: str
    toolsets: tuple[str, str]
    reason: str


DIFFERENT: tuple[Different, ...] = (
    Different(
        "activation_maximization",
        ("metannvis", "tf-keras-vis"),
        "each begins from noise of its own and takes its own steps, penalties and transforms: both images are ones that the "
        "network responds to, and there are many",
    ),
    Different(
        "grad_cam++",
        ("grad-cam", "tf-keras-vis"),
        "tf-keras-vis weights the gradients of exp(score) and divides the weights of each channel by their sum, grad-cam "
        "those of the score and does not",
    ),
    Different(
        "score_cam",
        ("grad-cam", "tf-keras-vis"),
        "grad-cam weights channels by a softmax of their scores over the channels, tf-keras-vis by the probability of the "
        "class for the input masked with each",
    ),
)


def alignment_of(method: str, row: MethodSpec) -> Alignment | None:
    """What makes a row mean what a method does; ``None`` if nothing is known."""
    for known in ALIGNMENTS:
        if fold(known.method) == fold(method) and fold(known.toolset) == fold(row.toolset):
            return known
    return None


def elsewhere(method: str) -> list[MethodSpec]:
    """Rows of other names that mean what a method does."""
    named = [known for known in ALIGNMENTS if known.row is not None and fold(known.method) == fold(method)]
    return [row for known in named for row in find_methods(str(known.row), known.toolset)]


def check_same_quantity(method: str, toolsets: Sequence[str]) -> None:
    """Refuse toolsets that mean something else by the name of a method.

    Raises
    ------
    InvalidArgumentError
        Two of them do; the message says in what they differ.
    """
    pairs = {frozenset(map(fold, pair)) for pair in combinations(toolsets, 2)}
    for known in DIFFERENT:
        if fold(known.method) == fold(method) and frozenset(map(fold, known.toolsets)) in pairs:
            raise InvalidArgumentError(
                f"{method} of {' and of '.join(known.toolsets)} is not the same quantity: {known.reason}; align=False compares "
                "what each of them gives"
            )
