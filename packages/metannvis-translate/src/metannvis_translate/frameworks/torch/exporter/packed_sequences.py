"""Packed sequences: ``pack_padded_sequence`` … ``pad_packed_sequence`` around recurrent layers.

What is packed has as many rows as the lengths say, which are data. So while a model is traced, a sequence stays padded and
its lengths go with it, and a recurrent layer becomes an operator that takes both, as ONNX's do (``sequence_lens``). It needs
no order of lengths. Whatever else is done with a packed sequence is refused by name.

One thing is data still: without ``total_length`` a sequence is padded to its longest. The translation keeps the steps that
it was given, and refuses lengths of which none is as long.
"""

from __future__ import annotations

import contextlib
import functools
import threading
import types
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NoReturn

from metannvis_translate.graph.metadata import DOMAIN, WHOLE_SEQUENCE
from metannvis_translate.process import patched

__all__ = ["keeping_padded", "translations"]

FUNCTIONS = ("pack_padded_sequence", "pad_packed_sequence", "pack_sequence", "unpack_sequence")
#: What each kind of layer is in ONNX, and where PyTorch has ONNX's gates.
KINDS: dict[str, tuple[str, tuple[int, ...], dict[str, Any]]] = {
    "LSTM": ("LSTM", (0, 3, 1, 2), {}),
    "GRU": ("GRU", (1, 0, 2), {"linear_before_reset": 1}),
    "RNN_TANH": ("RNN", (0,), {"activations": "Tanh"}),
    "RNN_RELU": ("RNN", (0,), {"activations": "Relu"}),
}
#: The functions themselves, and the thread that traces.
_originals: dict[str, Any] = {}
_tracing: list[int] = []


@functools.cache
def sequence_class() -> Any:
    """The class of what stands for a packed sequence in a trace."""
    from torch.nn.utils.rnn import PackedSequence

    class PaddedSequence(PackedSequence):
        """Sequences that are padded still, and their lengths."""

        def __new__(cls, padded: Any, lengths: Any, batch_first: bool) -> Any:
            self = tuple.__new__(cls, (None, None, None, None))
            self.padded, self.lengths, self.batch_first = padded, lengths, batch_first
            return self

        def __iter__(self) -> NoReturn:
            _refuse("takes apart")

        def __getitem__(self, key: Any) -> NoReturn:
            _refuse("takes apart")

        def to(self, *args: Any, **kwargs: Any) -> NoReturn:
            _refuse("converts")

    def refusing(name: str) -> property:
        return property(lambda self: _refuse(f"reads .{name} of"))

    for name in ("data", "batch_sizes", "sorted_indices", "unsorted_indices"):
        setattr(PaddedSequence, name, refusing(name))
    return PaddedSequence


def _refuse(what: str) -> NoReturn:
    raise NotImplementedError(
        f"the model {what} a PackedSequence, whose rows depend on lengths that are data; between pack_padded_sequence and "
        "pad_packed_sequence recurrent layers are translated, and nothing else"
    )


@functools.cache
def operators() -> Any:
    """``metannvis::packed_recurrence`` and ``metannvis::whole_sequence``, which are traced and never run."""
    import torch

    library = torch.library.Library(DOMAIN, "FRAGMENT")
    library.define(
        "packed_recurrence(Tensor x, Tensor lengths, Tensor[] states, Tensor[] params, str kind, bool has_biases, "
        "int num_layers, bool bidirectional, bool batch_first) -> (Tensor, Tensor, Tensor)"
    )
    library.define("whole_sequence(Tensor x, Tensor lengths, int axis) -> Tensor")

    def recurrence(x: Any, lengths: Any, states: Any, params: Any, kind: str, biases: bool, layers: int, both: bool, first: bool) -> Any:  # noqa: E501  # fmt: skip
        units = states[0].shape[2] * (2 if both else 1)
        return x.new_empty((x.shape[0], x.shape[1], units)), *(
            torch.empty_like(states[k % len(states)]) for k in (0, 1)
        )

    library.impl("packed_recurrence", recurrence, "Meta")
    library.impl("whole_sequence", lambda x, lengths, axis: torch.empty_like(x), "Meta")
    operators.__dict__["library"] = library  # what was defined goes when this does
    return torch.ops.metannvis


@contextlib.contextmanager
def keeping_padded() -> Iterator[None]:
    """Inside, this thread packs nothing: sequences stay padded, and recurrent layers take them so.

    Models hold PyTorch's functions by their own names (``from torch.nn.utils.rnn import pack_padded_sequence``), so it is not
    the modules' entries that are replaced but what the functions do.
    """
    import torch
    from torch.nn.utils import rnn

    codes = {}
    with contextlib.ExitStack() as stack:
        for kind in (torch.nn.LSTM, torch.nn.GRU, torch.nn.RNN):
            stack.enter_context(patched(kind, "forward", _forward(kind.forward)))
        for name in FUNCTIONS:
            function = getattr(rnn, name)
            codes[name] = function.__code__
            _originals[name] = types.FunctionType(
                function.__code__, function.__globals__, name, function.__defaults__, function.__closure__
            )
            function.__code__ = STANDINS[name].__code__
        _tracing.append(threading.get_ident())
        try:
            yield
        finally:
            _tracing.pop()
            for name, code in codes.items():
                getattr(rnn, name).__code__ = code


def called(name: str, *args: Any) -> Any:
    """What a function of PyTorch does now: in the thread that traces the function of ours, in others its own."""
    if not _tracing or threading.get_ident() != _tracing[-1]:
        return _originals[name](*args)
    return OURS[name](*args)


# The code of these is put into PyTorch's functions of the same parameters, among whose globals it runs.
def pack_padded_sequence(input: Any, lengths: Any, batch_first: bool = False, enforce_sorted: bool = True) -> Any:
    from metannvis_translate.frameworks.torch.exporter.packed_sequences import called

    return called("pack_padded_sequence", input, lengths, batch_first, enforce_sorted)


def pad_packed_sequence(
    sequence: Any, batch_first: bool = False, padding_value: float = 0.0, total_length: Any = None
) -> Any:
    from metannvis_translate.frameworks.torch.exporter.packed_sequences import called

    return called("pad_packed_sequence", sequence, batch_first, padding_value, total_length)


def pack_sequence(sequences: Any, enforce_sorted: bool = True) -> Any:
    from metannvis_translate.frameworks.torch.exporter.packed_sequences import called

    return called("pack_sequence", sequences, enforce_sorted)


def unpack_sequence(packed_sequences: Any) -> Any:
    from metannvis_translate.frameworks.torch.exporter.packed_sequences import called

    return called("unpack_sequence", packed_sequences)


STANDINS = {f.__name__: f for f in (pack_padded_sequence, pad_packed_sequence, pack_sequence, unpack_sequence)}


def _pack(x: Any, lengths: Any, batch_first: bool, enforce_sorted: bool) -> Any:
    import torch

    size = x.shape[0 if batch_first else 1]
    if not isinstance(lengths, torch.Tensor):
        if any(not isinstance(length, int) for length in lengths):
            raise NotImplementedError(
                "lengths of packed sequences as a list of numbers that are data; give pack_padded_sequence the tensor"
            )
        lengths = torch.as_tensor(lengths, dtype=torch.int64)
    if isinstance(lengths.shape[0], int) and not isinstance(size, int):
        int(size)  # as many sequences as lengths are written down
    return sequence_class()(x, lengths.to(torch.int64), batch_first)


def _pad(sequence: Any, batch_first: bool, padding_value: float, total_length: Any) -> Any:
    import torch

    if not isinstance(sequence, sequence_class()):
        return _originals["pad_packed_sequence"](sequence, batch_first, padding_value, total_length)
    x, lengths = sequence.padded, sequence.lengths
    if batch_first != sequence.batch_first:
        x = x.transpose(0, 1)
    axis = 1 if batch_first else 0
    steps = x.shape[axis]
    if total_length is None:
        x = operators().whole_sequence(x, lengths, axis)
    elif isinstance(steps, int) and isinstance(total_length, int) and total_length > steps:
        sizes = list(x.shape)
        sizes[axis] = total_length - steps
        x = torch.cat([x, x.new_zeros(sizes)], axis)
    elif total_length != steps:
        x = x.narrow(axis, 0, total_length)
    time = torch.arange(x.shape[axis])
    goes_on = time < lengths[:, None] if batch_first else time[:, None] < lengths
    goes_on = goes_on.reshape(*goes_on.shape, *([1] * (x.ndim - 2)))
    return torch.where(goes_on, x, torch.full((), padding_value, dtype=x.dtype)), lengths


def _pack_list(sequences: Any, enforce_sorted: bool) -> NoReturn:
    raise NotImplementedError(
        "pack_sequence of a list of tensors, whose lengths are fixed by it; use pack_padded_sequence"
    )


def _unpack(sequences: Any) -> NoReturn:
    raise NotImplementedError("unpack_sequence gives tensors of lengths that are data; use pad_packed_sequence")


OURS: dict[str, Callable[..., Any]] = {
    "pack_padded_sequence": _pack,
    "pad_packed_sequence": _pad,
    "pack_sequence": _pack_list,
    "unpack_sequence": _unpack,
}


def _forward(theirs: Any) -> Any:
    """The forward pass of a recurrent module, which takes a padded sequence for a packed one."""

    def forward(self: Any, input: Any, hx: Any = None) -> Any:

        if not isinstance(input, sequence_class()):
            return theirs(self, input, hx)
        if getattr(self, "proj_size", 0):
            raise NotImplementedError("a packed sequence in an LSTM with a projection (proj_size)")
        if self.training and self.dropout:
            raise NotImplementedError("a recurrent layer that drops at random (training)")
        self._update_flat_weights()
        is_lstm = self.mode == "LSTM"
        states = list(hx) if is_lstm and hx is not None else [hx] if hx is not None else []
        if not states:
            count = self.num_layers * (2 if self.bidirectional else 1)
            size = input.padded.shape[0 if input.batch_first else 1]
            states = [input.padded.new_zeros(count, size, self.hidden_size) for _ in range(2 if is_lstm else 1)]
        # pack_padded_sequence has the say over where the batch is, not the layer
        steps, hidden, cells = operators().packed_recurrence(
            input.padded, input.lengths, states, self._flat_weights, self.mode, self.bias, self.num_layers,
            self.bidirectional, input.batch_first,
        )  # fmt: skip
        packed = sequence_class()(steps, input.lengths, input.batch_first)
        return packed, ((hidden, cells) if is_lstm else hidden)

    return forward


def translations() -> dict[Any, Callable[..., Any]]:
    """Rows for ``torch.onnx.export(custom_translation_table=...)``."""
    from metannvis_translate.frameworks.torch.exporter.building_blocks import operator

    whole = operator(WHOLE_SEQUENCE, ("axis",), inputs=("X", "lengths"), kinds=("INT",), types=("T", "L"))

    # The exporter reads signatures: parameters are named and typed as the operator's schema in PyTorch has them.
    def packed_recurrence(  # type: ignore[no-untyped-def]
        x, lengths, states: Sequence[Any], params: Sequence[Any], kind: str, has_biases: bool, num_layers: int,
        bidirectional: bool, batch_first: bool,
    ):  # fmt: skip
        return _layers(x, lengths, states, params, kind, has_biases, num_layers, bidirectional, batch_first)

    def whole_sequence(x, lengths, axis: int):  # type: ignore[no-untyped-def]
        return whole(x, lengths, axis=axis)

    found = operators()
    return {found.packed_recurrence.default: packed_recurrence, found.whole_sequence.default: whole_sequence}


def _layers(
    x: Any,
    lengths: Any,
    states: Sequence[Any],
    params: Sequence[Any],
    kind: str,
    has_biases: bool,
    num_layers: int,
    bidirectional: bool,
    batch_first: bool,
) -> tuple[Any, Any, Any]:
    """All layers: steps of the last one, and the last states of every one."""
    import onnx_ir as ir
    from onnxscript import opset20 as op

    name, gates, options = KINDS[kind]
    directions, each = (2 if bidirectional else 1), (4 if has_biases else 2)
    units = int(states[0].shape[2])
    if batch_first:
        x = op.Transpose(x, perm=[1, 0, 2])
    counts = op.Cast(lengths, to=ir.DataType.INT32.value)
    more = {key: [value] * directions if key == "activations" else value for key, value in options.items()}

    def ordered(weight: Any) -> Any:
        """Gates in ONNX's order."""
        if len(gates) == 1:
            return weight
        parts = [op.Slice(weight, [k * units], [(k + 1) * units], [0]) for k in gates]
        return op.Concat(*parts, axis=0)

    ends: list[list[Any]] = [[] for _ in states]
    for layer in range(num_layers):
        rows = [params[(layer * directions + k) * each :][:each] for k in range(directions)]
        weights = [op.Concat(*(op.Unsqueeze(ordered(row[k]), [0]) for row in rows), axis=0) for k in (0, 1)]
        if has_biases:
            biases = (op.Unsqueeze(op.Concat(ordered(row[2]), ordered(row[3]), axis=0), [0]) for row in rows)
            weights.append(op.Concat(*biases, axis=0))
        else:
            weights.append(None)
        first = layer * directions
        initial = [op.Slice(state, [first], [first + directions], [0]) for state in states]
        direction = "bidirectional" if bidirectional else "forward"
        steps, *last = getattr(op, name)(x, *weights, counts, *initial, direction=direction, hidden_size=units, **more)
        for end, state in zip(ends, last, strict=True):
            end.append(state)
        # (steps, directions, batch, units)
        x = op.Reshape(op.Transpose(steps, perm=[0, 2, 1, 3]), [0, 0, -1])
    hidden = [op.Concat(*end, axis=0) if len(end) > 1 else end[0] for end in ends]
    if len(hidden) == 1:
        hidden.append(op.Identity(states[0]))
    return (op.Transpose(x, perm=[1, 0, 2]) if batch_first else x), hidden[0], hidden[1]
