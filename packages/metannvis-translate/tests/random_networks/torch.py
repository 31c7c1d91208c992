"""Random PyTorch networks, as text: what the property test translates.

A network is drawn step by step. Each step is a line of a ``forward`` (and the modules it needs), tried on a real tensor at once, so
that nobody has to foresee shapes: a line that PyTorch refuses is left out. What is drawn in the end is source code; a network that
fails prints itself, and runs on its own.
"""

from __future__ import annotations

import itertools
import linecache
import warnings
from collections.abc import Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from hypothesis import strategies as st
from torch import nn

from ..networks.torch import randomize
from .draw import ANY, DISTURBANCE, IMAGES, TRIED, VOCABULARY, Choices, Steps, Value, sensible

__all__ = ["ANY", "IMAGES", "Draft", "Network", "Value", "draw_network", "networks", "step"]

HEADER = "import torch\nimport torch.nn.functional as F\nfrom torch import nn\n\n\n"
_numbers = itertools.count()


@dataclass(frozen=True)
class Network:
    """Source text of a module ``Net``, and its inputs."""

    text: str
    inputs: tuple[Value, ...]
    seed: int

    def make(self) -> nn.Module:
        """The module, randomised, in inference mode. Tracebacks through it show its lines."""
        name = f"<random network {next(_numbers)}>"
        linecache.cache[name] = (len(self.text), None, self.text.splitlines(keepends=True), name)
        namespace: dict[str, Any] = {"__name__": "random_network"}
        exec(compile(self.text, name, "exec"), namespace)  # noqa: S102  # text that this file wrote
        return randomize(namespace["Net"](), self.seed)

    def arrays(self, batch: int, seed: int, dtype: str = "float32") -> list[np.ndarray[Any, Any]]:
        """Inputs: normal floats, or integers below the size of every vocabulary."""
        random = np.random.default_rng(seed)
        return [
            random.integers(0, VOCABULARY, (batch, *value.shape))
            if value.kind == "ids"
            else random.standard_normal((batch, *value.shape)).astype(dtype)
            for value in self.inputs
        ]

    def __repr__(self) -> str:
        shapes = ", ".join(
            f"{value.name} (N, {', '.join(map(str, value.shape))}) {value.kind}" for value in self.inputs
        )
        return f"a random network, inputs: {shapes}\n{self.text}\nmodel = randomize(Net(), seed={self.seed})\n"


@dataclass
class Draft(Choices):
    """A network being drawn. Steps call :meth:`module`, :meth:`parameter` and :meth:`add`."""

    random: Random
    values: list[Value] = field(default_factory=list)
    inputs: list[Value] = field(default_factory=list)
    init: list[str] = field(default_factory=list)
    forward: list[str] = field(default_factory=list)
    unused: dict[str, Value] = field(default_factory=dict)
    #: modules that may be called again: name, shape of their input
    again: list[tuple[str, tuple[int, ...]]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.owner = nn.Module()
        self.fed: dict[str, torch.Tensor] = {}
        self.pending: list[str] = []

    def name(self, prefix: str) -> str:
        """A name that is not in use."""
        return f"{prefix}{len(self.init) + len(self.pending) + len(self.forward)}"

    # --- what a network is made of -------------------------------------------------------------------------------------

    def module(self, text: str) -> str:
        """A submodule, to be called in the next line; returns its name in ``forward``."""
        return self._attribute("m", text)

    def parameter(self, *shape: int) -> str:
        """A free parameter; returns its name in ``forward``."""
        return self._attribute("p", f"nn.Parameter(torch.ones({', '.join(map(str, shape))}))")

    def buffer(self, text: str) -> str:
        """A buffer; returns its name in ``forward``."""
        name = self.name("b")
        self.pending.append(f"self.register_buffer({name!r}, {text})")
        return f"self.{name}"

    def _attribute(self, prefix: str, text: str) -> str:
        name = self.name(prefix)
        self.pending.append(f"self.{name} = {text}")
        return f"self.{name}"

    def add(self, expression: str, *uses: Value, before: Sequence[str] = (), calls: str = "") -> Value | None:
        """Try a line; keep it and return its value if PyTorch can run it and the result is of a sensible size.

        ``before`` are lines that come first, ``$`` in a line is the new value's name; ``calls`` a module that may be called again on values of this shape.
        """
        name = self.name("v")
        lines = [line.replace("$", name) for line in (*before, f"$ = {expression}")]
        pending, self.pending = self.pending, []
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # that an even kernel costs a copy
                for line in pending:
                    exec(line, {"torch": torch, "nn": nn, "self": self.owner})  # noqa: S102
                randomize(self.owner, len(self.init))
                tensors = self._run([*self.forward, *lines])
        except (RuntimeError, ValueError, IndexError, TypeError, AssertionError, NotImplementedError):
            return None
        tensor = tensors[name].detach()
        if not sensible(tensor.numpy()):
            return None
        if self._amplifies(lines, name, tensors, uses):
            return None
        value = Value(name, tuple(tensor.shape[1:]))
        self.init += pending
        self.forward += lines
        for used in uses:
            self.unused.pop(used.name, None)
        self.values.append(value)
        self.unused[name] = value
        if calls:
            self.again.append((calls, uses[0].shape))
        return value

    def _amplifies(
        self, lines: Sequence[str], name: str, tensors: dict[str, torch.Tensor], uses: Sequence[Value]
    ) -> bool:
        """Whether these lines enlarge a disturbance of what they use a hundredfold, as a normalisation of equal numbers does.

        Then any two ways to round what comes in differ in what comes out, and nothing can be said of a translation.
        """
        generator = torch.Generator().manual_seed(0)
        space: dict[str, Any] = {"torch": torch, "nn": nn, "F": F, "self": self.owner}
        space |= {value.name: self.fed[value.name].clone() for value in self.inputs}
        for line in self.forward:  # anew: the lines may have written into what they use
            exec(line, space)  # noqa: S102
        for value in uses:
            used = space[value.name].detach()
            if used.is_floating_point():
                space[value.name] = used + DISTURBANCE * used.abs().amax() * torch.randn(
                    used.shape, generator=generator
                )
        for line in lines:
            exec(line, space)  # noqa: S102
        moved = (space[name].detach() - tensors[name].detach()).flatten(1).abs().amax(1)
        return bool((moved > 100 * DISTURBANCE * tensors[name].detach().flatten(1).abs().amax(1)).any())

    def _run(self, lines: Sequence[str]) -> dict[str, torch.Tensor]:
        """The value of every variable; everything is computed anew, since a line may write into what another put out.

        Gradients have to exist: PyTorch refuses them where a value that they need was overwritten.
        """
        given = {v.name: self.fed[v.name].clone().requires_grad_(v.kind == "float") for v in self.inputs}
        space: dict[str, Any] = {"torch": torch, "nn": nn, "F": F, "self": self.owner, **given}
        for line in lines:
            exec(line, space)  # noqa: S102
        tensors = {name: value for name, value in space.items() if isinstance(value, torch.Tensor)}
        ends = [tensors[name] for name in (*self.unused, str(lines[-1]).partition(" ")[0]) if name not in given]
        torch.autograd.grad(
            sum(end.sum() for end in ends),
            [t for t in (*given.values(), *self.owner.parameters()) if t.requires_grad],
            allow_unused=True,
        )
        return tensors

    def feed(self, name: str, shape: tuple[int, ...], kind: str = "float") -> Value:
        """An input of the network."""
        generator = torch.Generator().manual_seed(len(self.inputs))
        if kind == "ids":
            self.fed[name] = torch.randint(0, VOCABULARY, (TRIED, *shape), generator=generator)
        else:
            self.fed[name] = torch.randn((TRIED, *shape), generator=generator)
        value = Value(name, shape, kind)
        self.inputs.append(value)
        self.values.append(value)
        self.unused[name] = value
        return value

    def network(self) -> Network:
        """What has been drawn. Whatever no line uses is put out, so that every module counts."""
        ends = [value for value in self.unused.values() if value not in self.inputs]
        if len(ends) > 3:
            parts = ", ".join(f"{value.name}.flatten(1)" for value in ends[2:])
            self.forward.append(f"rest = torch.cat([{parts}], 1)")
            outputs = [*(value.name for value in ends[:2]), "rest"]
        else:
            outputs = [value.name for value in ends]
        result = outputs[0] if len(outputs) == 1 else f"({', '.join(outputs)})"
        text = HEADER + "class Net(nn.Module):\n    def __init__(self):\n        super().__init__()\n"
        text += "".join(f"        {line}\n" for line in self.init)
        text += f"\n    def forward(self, {', '.join(value.name for value in self.inputs)}):\n"
        text += "".join(f"        {line}\n" for line in self.forward)
        text += f"        return {result}\n"
        return Network(text, tuple(self.inputs), len(self.init))


#: Every kind of line, by the ranks it fits.
step = Steps()


def draw_network(random: Random, *, most: int = 9) -> Network:
    """Draw a network of up to ``most`` kept lines."""
    from . import torch_steps as random_steps  # noqa: F401  # they register the steps

    draft = Draft(random)
    for number in range(draft.pick(1, 1, 1, 2, 2, 3)):
        _input(draft, number)
    wanted = draft.integer(1, most)
    for _ in range(4 * wanted):
        if len(draft.forward) >= wanted and not any(value in draft.inputs for value in draft.unused.values()):
            break
        waiting = list(draft.unused.values())
        value = draft.pick(*waiting) if waiting and draft.often(0.8) else draft.pick(*draft.values)
        if value.kind == "ids":
            _embed(draft, value)
            continue
        draft.pending = []
        draft.pick(*step.fitting(value)).function(draft, value)
    for value in list(draft.unused.values()):
        if value in draft.inputs:
            _embed(draft, value) if value.kind == "ids" else draft.add(f"{value.name} * 1.5", value)
    return draft.network()


def _input(draft: Draft, number: int) -> None:
    name = f"x{number}"
    kind = draft.pick("image", "image", "sequence", "volume", "tokens", "features", "ids")
    channels = draft.integer(1, 8)

    match kind:
        case "image":
            draft.feed(name, (channels, *draft.sizes(2, 4, 11)))
        case "sequence":
            draft.feed(name, (channels, *draft.sizes(1, 5, 18)))
        case "volume":
            draft.feed(name, (channels, *draft.sizes(3, 3, 6)))
        case "tokens":
            draft.feed(name, (*draft.sizes(1, 3, 8), 2 * draft.integer(1, 4)))
        case "features":
            draft.feed(name, draft.sizes(1, 2, 9))
        case "ids":
            draft.feed(name, draft.sizes(1, 2, 8), "ids")


def _embed(draft: Draft, value: Value) -> None:
    draft.pending = []
    padding = draft.pick("", ", padding_idx=0")
    layer = draft.module(f"nn.Embedding({VOCABULARY}, {2 * draft.integer(1, 4)}{padding})")
    draft.add(f"{layer}({value.name})", value, calls=layer)


def networks() -> st.SearchStrategy[Network]:
    """Networks, drawn by hypothesis: a failing one is made smaller."""
    return st.randoms(use_true_random=False).map(draw_network)
