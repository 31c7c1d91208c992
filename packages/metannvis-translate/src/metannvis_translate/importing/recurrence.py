"""Recurrent layers: what the attributes of ONNX's RNN, GRU and LSTM say, with their defaults."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from metannvis_translate.errors import InvalidArgumentError

__all__ = ["ACTIVATIONS", "DEFAULTS", "Activation", "Recurrence", "check_longest"]

#: Activations of one direction, if the node names none.
DEFAULTS = {"LSTM": ("Sigmoid", "Tanh", "Tanh"), "GRU": ("Sigmoid", "Tanh"), "RNN": ("Tanh",)}
#: Activations by name in small letters, with the defaults of alpha and beta; ``None`` for those that take none.
ACTIVATIONS: dict[str, tuple[float | None, float | None]] = {
    "relu": (None, None),
    "tanh": (None, None),
    "sigmoid": (None, None),
    "softsign": (None, None),
    "softplus": (None, None),
    "affine": (1.0, 0.0),
    "leakyrelu": (0.01, None),
    "thresholdedrelu": (1.0, None),
    "scaledtanh": (1.0, 1.0),
    "hardsigmoid": (0.2, 0.5),
    "elu": (1.0, None),
}


class Activation(NamedTuple):
    """One of :data:`ACTIVATIONS`; alpha and beta are 0 where it takes none."""

    name: str
    alpha: float = 0.0
    beta: float = 0.0


@dataclass(frozen=True)
class Recurrence:
    """A recurrent node's attributes. Names of activations may be written in any letters.

    ``activation_alpha`` and ``activation_beta`` are listed for those activations alone that take them, in order.
    """

    kind: str
    direction: str = "forward"
    activations: tuple[str, ...] = ()
    activation_alpha: tuple[float, ...] = ()
    activation_beta: tuple[float, ...] = ()
    clip: float | None = None
    layout: int = 0
    linear_before_reset: bool = False
    input_forget: bool = False

    @classmethod
    def of(
        cls,
        kind: str,
        *,
        activation_alpha: Sequence[float] | None,
        activation_beta: Sequence[float] | None,
        activations: Sequence[str] | None,
        clip: float | None,
        direction: str,
        layout: int,
        linear_before_reset: int = 0,
        input_forget: int = 0,
    ) -> Recurrence:
        """From the attributes as they stand on the node."""
        names = activations or DEFAULTS[kind] * (2 if direction == "bidirectional" else 1)
        return cls(
            kind, direction, tuple(names), tuple(activation_alpha or ()), tuple(activation_beta or ()), clip, layout,
            bool(linear_before_reset), bool(input_forget),
        )  # fmt: skip

    @property
    def directions(self) -> int:
        """How many ways a sequence is read."""
        return 2 if self.direction == "bidirectional" else 1

    @property
    def reverse(self) -> bool:
        """Whether it is read backwards only."""
        return self.direction == "reverse"

    @property
    def batch_first(self) -> bool:
        """Whether the batch lies before the time."""
        return bool(self.layout)

    @property
    def usual(self) -> bool:
        """Whether the activations are those that a node has that names none."""
        usual = tuple(map(str.lower, DEFAULTS[self.kind]))
        return all(self.names(k) == usual for k in range(self.directions))

    @property
    def unknown(self) -> str | None:
        """The first activation that the standard does not have, if there is one."""
        return next((name for name in self.activations if name.lower() not in ACTIVATIONS), None)

    def names(self, direction: int) -> tuple[str, ...]:
        """The activations of a direction, in small letters."""
        each = len(DEFAULTS[self.kind])
        return tuple(name.lower() for name in self.activations[direction * each : (direction + 1) * each])

    def functions(self, direction: int) -> tuple[Activation, ...]:
        """The activations of a direction (f, g, h of the standard), each with its share of alpha and beta."""
        alphas, betas = iter(self.activation_alpha), iter(self.activation_beta)
        rows = []
        for name in map(str.lower, self.activations):
            alpha, beta = ACTIVATIONS[name]
            alpha = 0.0 if alpha is None else next(alphas, alpha)
            beta = 0.0 if beta is None else next(betas, beta)
            rows.append(Activation(name, alpha, beta))
        each = len(DEFAULTS[self.kind])
        return tuple(rows[direction * each : (direction + 1) * each])


#: What is said of sequences that are all shorter than what they are padded to.
TOO_SHORT = (
    "the source pads to the longest sequence, and this translation to as many steps as it is given: cut the input to the "
    "longest one, translate with shapes= that leave the steps free, or give pad_packed_sequence a total_length="
)


def check_longest(longest: int, steps: int) -> None:
    """Refuse lengths of which none is the number of steps.

    Raises
    ------
    InvalidArgumentError
        It says what to do.
    """
    if longest != steps:
        raise InvalidArgumentError(f"the longest sequence has {longest} steps of {steps}: {TOO_SHORT}")
