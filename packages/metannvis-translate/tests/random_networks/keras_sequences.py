"""Steps of random Keras graphs: dense layers, recurrent layers, attention, masks, layers applied step by step."""

from __future__ import annotations

from .keras import ANY, Draft, Value, step
from .keras_layers import activated


@step(*ANY, weight=7)
def dense(d: Draft, x: Value) -> None:
    d.call(f"L.Dense({d.integer(1, 9)}, use_bias={d.often(0.8)}{activated(d)})", x)


@step(3, 4)
def einsum_dense(d: Draft, x: Value) -> None:
    steps, out = x.shape[0], d.integer(1, 5)
    equations = {
        3: (("abc,cd->abd", (None, out), "d"), ("abc,bd->adc", (out, x.shape[1]), "dc"), ("abc,cde->abde", (None, 2, out), "de")),
        4: (("...x,xy->...y", out, "y"), ("abcd,cde->abe", (None, out), "e"), ("abcd,bcde->ae", out, None)),
    }  # fmt: skip
    equation, shape, bias = d.pick(*equations[x.rank])
    if steps > 1:
        d.call(f"L.EinsumDense({equation!r}, {shape}, bias_axes={d.pick(None, bias)!r}{activated(d)})", x)


# --- recurrent layers -----------------------------------------------------------------------------------------------------------

CELLS = {"LSTM": "LSTMCell", "GRU": "GRUCell", "SimpleRNN": "SimpleRNNCell"}


def recurrent_options(d: Draft, kind: str) -> str:
    """Options of a recurrent layer, but for what it returns."""
    options = ""
    if d.often(0.3):
        options += f", activation={d.pick('relu', 'sigmoid', 'silu', 'linear', 'softsign')!r}"
    if kind != "SimpleRNN" and d.often(0.2):
        options += ", recurrent_activation='hard_sigmoid'"
    if kind == "GRU" and d.often(0.3):
        options += ", reset_after=False"
    if d.often(0.2):
        options += d.pick(", use_bias=False", ", dropout=0.2, recurrent_dropout=0.1", ", unroll=True")
    return options + (", go_backwards=True" if d.often(0.2) else "")


@step(3, weight=9)
def recurrent(d: Draft, x: Value) -> None:
    kind = d.pick(*CELLS)
    options = recurrent_options(d, kind) + f", return_sequences={d.often()}"
    if d.often(0.1):
        options += ", zero_output_for_mask=True"
    d.call(f"L.{kind}({d.integer(1, 5)}{options})", x)


@step(3, weight=4)
def bidirectional(d: Draft, x: Value) -> None:
    kind = d.pick(*CELLS)
    options = recurrent_options(d, kind).replace(", go_backwards=True", "") + f", return_sequences={d.often()}"
    merge = d.pick("concat", "sum", "mul", "ave")
    d.call(f"L.Bidirectional(L.{kind}({d.integer(1, 4)}{options}), merge_mode={merge!r})", x)


@step(3, weight=3)
def states(d: Draft, x: Value) -> None:
    """What a recurrent layer returns beside its output, or is given."""
    kind, units = d.pick(*CELLS), d.integer(1, 4)
    count = 2 if kind == "LSTM" else 1
    flat = [value for value in d.values if value.rank == 2 and value.kind == "float"]
    if flat and d.often():
        y = d.pick(*flat)
        starts = ", ".join(f"{d.layer(f'L.Dense({units})')}({y.name})" for _ in range(count))
        layer = d.layer(f"L.{kind}({units}{recurrent_options(d, kind)}, return_sequences={d.often()})")
        d.add(f"{layer}({x.name}, initial_state=[{starts}])", x, y)
        return
    layer = d.layer(f"L.{kind}({units}{recurrent_options(d, kind)}, return_state=True)")
    names = "$a, $b, $c" if count == 2 else "$a, $b"
    before = [f"{names} = {layer}({x.name})"]
    d.add(d.pick(f"L.Concatenate()([{names}])", "K.add($a, 2.0 * $b)", "$b - 1.0"), x, before=before)


@step(3, weight=2)
def cells(d: Draft, x: Value) -> None:
    chosen = ", ".join(f"L.{d.pick(*CELLS.values())}({d.integer(1, 4)})" for _ in range(d.integer(1, 2)))
    d.call(f"L.RNN([{chosen}], return_sequences={d.often()}, go_backwards={d.often(0.2)})", x)


@step(4, 5, weight=2)
def recurrent_conv(d: Draft, x: Value) -> None:
    n = x.rank - 3
    d.call(
        f"L.ConvLSTM{n}D({d.integer(1, 3)}, {d.integer(1, 3)}, padding={d.pick('valid', 'same')!r}, strides={d.pick(1, 1, 2)}, "
        f"return_sequences={d.often()}{', go_backwards=True' if d.often(0.2) else ''})",
        x,
    )


@step(3, 4, 5, weight=3)
def time_distributed(d: Draft, x: Value) -> None:
    """A layer, or a network, applied to every step."""
    inner = [f"L.Dense({d.integer(1, 5)}{activated(d)})", "L.BatchNormalization()", "L.Flatten()"]
    if x.rank > 3:
        n, rest = x.rank - 3, tuple(x.shape[1:])
        conv = f"L.Conv{n}D({d.integer(1, 4)}, 2, padding='same'{activated(d)})"
        inner += [
            conv,
            f"keras.Sequential([keras.Input({rest}), {conv}, L.GlobalMaxPooling{n}D()])",
            f"L.MaxPooling{n}D(2)",
        ]
    if x.rank == 4:
        inner.append(f"L.{d.pick(*CELLS)}({d.integer(1, 4)})")
    d.call(f"L.TimeDistributed({d.pick(*inner)})", x)


# --- attention --------------------------------------------------------------------------------------------------------------------


@step(3, weight=5)
def heads(d: Draft, x: Value) -> None:
    size, options = (
        d.integer(1, 4),
        d.pick("", "", ", dropout=0.1", ", use_bias=False", ", use_gate=True", ", sliding_window=2"),
    )
    if d.often(0.6):
        values = f", value_dim={d.integer(1, 4)}, output_shape={d.integer(2, 6)}" if d.often(0.2) else ""
        layer = d.layer(f"L.MultiHeadAttention({d.integer(1, 3)}, {size}{values}{options})")
    else:
        groups = d.integer(1, 2)
        layer = d.layer(f"L.GroupQueryAttention({size}, {groups * d.integer(1, 2)}, {groups}{options})")
    y = _another(d, x)
    causal = ", use_causal_mask=True" if d.often(0.25) else ""
    if d.often(0.2):
        d.add("$a", x, y, before=[f"$a, $s = {layer}({x.name}, {y.name}{causal}, return_attention_scores=True)"])
    else:
        called = f"{layer}({x.name}, {y.name}{causal})"
        d.add(d.pick(called, called, f"L.Add()([{x.name}, {called}])"), x, y)


@step(4, weight=1)
def heads_of_an_image(d: Draft, x: Value) -> None:
    layer = d.layer(f"L.MultiHeadAttention(2, {d.integer(1, 3)}, attention_axes={d.pick((1,), (2,), (1, 2))})")
    d.add(f"{layer}({x.name}, {x.name})", x)


@step(3, weight=3)
def dot_attention(d: Draft, x: Value) -> None:
    y = _another(d, x)
    kind = d.pick(
        "L.Attention()",
        "L.Attention(use_scale=True)",
        "L.Attention(score_mode='concat', use_scale=True)",
        "L.AdditiveAttention()",
    )
    causal = f", use_causal_mask={d.often(0.3)}"
    d.add(f"{d.layer(kind)}([{x.name}, {y.name}]{causal})", x, y)


@step(4, weight=1)
def attention_of_ops(d: Draft, x: Value) -> None:
    n = x.name
    d.add(f"K.dot_product_attention({n}, {n}, {n}, is_causal={d.often(0.3)})", x)


def _another(d: Draft, x: Value) -> Value:
    """A sequence to attend to: another one of as many features, or the same."""
    others = [v for v in d.values if v.rank == 3 and v.shape[-1] == x.shape[-1] and v.kind == "float"]
    return d.pick(*others, x) if others else x
