"""Packed sequences around recurrent layers: lengths from anywhere, several batches, and what is refused by name."""

from __future__ import annotations

import io
import warnings
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from metannvis_translate import InvalidArgumentError, UnsupportedOperatorError, translate
from torch import nn
from torch.nn.utils.rnn import PackedSequence
from torch.nn.utils.rnn import pack_padded_sequence as pack
from torch.nn.utils.rnn import pad_packed_sequence as unpack

STEPS, UNITS = 6, 4


class Packed(nn.Module):
    """A recurrent layer over packed sequences; ``gives`` says what of it is used."""

    def __init__(self, kind: str = "LSTM", gives: str = "steps", **options: Any) -> None:
        super().__init__()
        self.gives = gives
        self.batch_first = options.get("batch_first", True)
        self.enforce_sorted = options.pop("enforce_sorted", False)
        self.padding = options.pop("padding", {})
        self.lengths = options.pop("lengths", None)
        self.embed = nn.Embedding(10, 3, padding_idx=0) if options.pop("words", False) else None
        self.rnn = getattr(nn, kind)(3, UNITS, **{"batch_first": True, **options})

    def forward(self, x: torch.Tensor, lengths: torch.Tensor | None = None) -> Any:
        if self.embed is not None:
            lengths, x = (x != 0).sum(1).cpu(), self.embed(x)
        if self.lengths is not None:
            lengths = self.lengths
        start = self.start(x) if self.gives == "from a state" else None
        if not self.batch_first:
            x = x.transpose(0, 1)
        packed = pack(x, lengths, batch_first=self.batch_first, enforce_sorted=self.enforce_sorted)
        steps, last = self.rnn(packed, start)
        if self.gives == "data":
            steps = PackedSequence(steps.data.relu(), steps.batch_sizes, steps.sorted_indices, steps.unsorted_indices)
        if self.gives == "packed":
            return steps
        last = last if isinstance(last, tuple) else (last,)
        if self.gives == "states":
            return tuple(state.transpose(0, 1) for state in last)
        padded, counts = unpack(steps, batch_first=self.batch_first, **self.padding)
        if not self.batch_first:
            padded = padded.transpose(0, 1)
        if self.gives == "last steps":
            return padded[torch.arange(padded.shape[0]), counts - 1]
        if self.gives == "mean":
            return padded.sum(1) / counts[:, None]
        return padded

    def start(self, x: torch.Tensor) -> Any:
        count = self.rnn.num_layers * (2 if self.rnn.bidirectional else 1)
        state = x.mean((1, 2))[None, :, None].expand(count, x.shape[0], UNITS).contiguous()
        return (state, state * 2) if isinstance(self.rnn, nn.LSTM) else state


ROWS: dict[str, dict[str, Any]] = {
    "lstm": {},
    "gru": {"kind": "GRU"},
    "rnn": {"kind": "RNN"},
    "rnn of relu": {"kind": "RNN", "nonlinearity": "relu"},
    "sorted": {"enforce_sorted": True},
    "time first": {"batch_first": False, "kind": "GRU", "bidirectional": True},
    "both ways": {"bidirectional": True, "num_layers": 2},
    "both ways, no bias": {"kind": "GRU", "bidirectional": True, "bias": False},
    "words": {"words": True, "bidirectional": True, "gives": "states"},
    "written down": {"lengths": [4, 6]},
    "total length": {"padding": {"total_length": STEPS}},
    "longer in total": {"padding": {"total_length": STEPS + 2}, "kind": "RNN"},
    "another padding": {"padding": {"padding_value": -1.5}, "kind": "RNN"},
    "states": {"gives": "states", "num_layers": 2, "bidirectional": True},
    "from a state": {"gives": "from a state", "bidirectional": True},
    "last steps": {"gives": "last steps"},
    "mean": {"gives": "mean", "kind": "GRU"},
}
CORE = ("lstm", "both ways", "words", "time first", "from a state")
BATCHES = [[4, 6], [6, 6], [1, 6], [5, 2, 3, 6]]


def inputs(row: dict[str, Any], lengths: list[int], seed: int = 0) -> tuple[np.ndarray[Any, Any], ...]:
    random = np.random.default_rng(seed)
    counts = np.array(sorted(lengths, reverse=True) if row.get("enforce_sorted") else lengths)
    if row.get("words"):
        words = random.integers(1, 10, (len(counts), STEPS))
        return (np.where(np.arange(STEPS) < counts[:, None], words, 0),)
    x = random.standard_normal((len(counts), STEPS, 3))
    return (x,) if "lengths" in row else (x, counts)


def run(model: Any, given: Any, framework: str) -> list[np.ndarray[Any, Any]]:
    if framework == "torch":
        found = model(*map(torch.as_tensor, given))
    else:
        found = model(list(given) if len(given) > 1 else given[0])
    found = found if isinstance(found, (tuple, list)) else [found]
    return [np.asarray(value.detach() if framework == "torch" else value) for value in found]


@pytest.mark.core(*(f"{to}-{row}" for to in ("torch", "keras") for row in CORE))
@pytest.mark.parametrize("row", ROWS)
@pytest.mark.parametrize("to", ["torch", "keras"])
def test_several_batches_of_different_lengths(row: str, to: str) -> None:
    options = ROWS[row]
    model = Packed(**options).eval().double()
    translation = translate(model, to, example_inputs=inputs(options, BATCHES[0]), dtype="float64")
    assert translation.report is not None
    assert translation.report.gradients
    for lengths in BATCHES[:1] if "lengths" in options else BATCHES:
        given = inputs(options, lengths, seed=1)
        for found, expected, port in zip(
            run(translation.model, given, to), run(model, given, "torch"), translation.outputs, strict=True
        ):
            np.testing.assert_allclose(found, expected.transpose(port.permutation), rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("to", ["torch", "keras"])
def test_a_batch_without_a_whole_sequence_is_refused(to: str) -> None:
    """The source returns fewer steps."""
    model = Packed("RNN").eval().double()
    translation = translate(model, to, example_inputs=inputs({}, [4, 6]), dtype="float64")
    with pytest.raises(InvalidArgumentError, match="longest sequence has 5 steps of 6"):
        run(translation.model, inputs({}, [5, 4]), to)


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ({"gives": "data"}, r"\.data of a PackedSequence"),
        ({"gives": "packed"}, "returns a PackedSequence"),
        ({"proj_size": 2}, "projection"),
    ],
)
def test_what_else_is_done_with_one_is_refused_by_name(row: dict[str, Any], said: str) -> None:
    with pytest.raises(UnsupportedOperatorError, match=said):
        translate(Packed(**row).eval(), "torch", example_inputs=(torch.randn(2, 6, 3), torch.tensor([4, 6])))
    assert pack(torch.ones(2, 3, 1), torch.tensor([3, 2]), batch_first=True).data.shape == (5, 1)  # it is itself again


@pytest.mark.parametrize("to", ["torch", "keras"])
def test_a_file_that_sorts_its_free_batch(to: str) -> None:
    """PyTorch's exporter through TorchScript writes the sort of the lengths: as many of the largest as there are samples."""
    model = Packed().eval()
    example = torch.randn(2, STEPS, 3), torch.tensor([4, 6])
    file = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            model, example, file, dynamo=False, opset_version=17, input_names=["x", "lengths"],
            dynamic_axes={"x": {0: "n"}, "lengths": {0: "n"}},
        )  # fmt: skip
    translation = translate(onnx.load_from_string(file.getvalue()), to, example_inputs=[x.numpy() for x in example])
    (port,) = translation.outputs
    for lengths in ([6, 4], [6, 1, 6, 2], [6]):
        given = torch.randn(len(lengths), STEPS, 3).numpy(), np.array(lengths)
        (found,), (expected,) = run(translation.model, given, to), run(model, given, "torch")
        np.testing.assert_allclose(found, expected.transpose(port.permutation), rtol=1e-4, atol=1e-6)


def test_both_ways_to_onnx() -> None:
    """The evaluator that takes derivatives in double precision knows lengths."""
    model = Packed(gives="states", bidirectional=True).eval()
    translation = translate(model, "onnx", example_inputs=(torch.randn(2, STEPS, 3), torch.tensor([4, 6])))
    assert translation.report is not None
    assert translation.report.gradients
