"""AttnLRP by hand on one block of a transformer, and conserved where attention is held constant."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from metannvis_methods import explain
from metannvis_translate import translate
from metannvis_translate.frameworks.requirements import require

from .networks import randomized

torch = require("torch")
nn = torch.nn
TOKENS, WIDTH = 5, 6
X = np.random.default_rng(0).standard_normal((2, TOKENS, WIDTH))


class Block(nn.Module):
    """Normalization, attention of one head, a residual connection, a dense layer with GELU, a mean and a head."""

    def __init__(self, *, constant: bool = False, bias: bool = True) -> None:
        super().__init__()
        self.constant = constant
        self.norm = nn.LayerNorm(WIDTH, bias=bias)
        self.q, self.k, self.v = (nn.Linear(WIDTH, WIDTH, bias=bias) for _ in range(3))
        self.up, self.act, self.down = nn.Linear(WIDTH, 9, bias=bias), nn.GELU(), nn.Linear(9, WIDTH, bias=bias)
        self.head = nn.Linear(WIDTH, 3, bias=bias)

    def forward(self, x: Any) -> Any:
        y = self.norm(x)
        weights = torch.softmax(self.q(y) @ self.k(y).transpose(1, 2) / WIDTH**0.5, -1)
        x = x + (weights.detach() if self.constant else weights) @ self.v(y)
        x = x + self.down(self.act(self.up(x)))
        return self.head(x.mean(1))


@pytest.mark.parametrize("product", ["matmul", "einsum"])
def test_a_layer_whose_bias_is_added_by_itself_is_stabilized_with_it(product: str) -> None:
    """As a dense layer over tokens arrives from ONNX."""

    class Apart(nn.Module):
        def __init__(self, dense: Any, head: Any) -> None:
            super().__init__()
            self.dense, self.head = dense, head

        def forward(self, x: Any) -> Any:
            if product == "matmul":
                x = x @ self.dense.weight.T
            else:
                x = torch.einsum("nti,oi->nto", x, self.dense.weight)
            return self.head(torch.relu(x + self.dense.bias).mean(1))

    class Together(Apart):
        def forward(self, x: Any) -> Any:
            return self.head(torch.relu(self.dense(x)).mean(1))

    torch.manual_seed(0)
    parts = nn.Linear(WIDTH, 7).double(), nn.Linear(7, 3).double()
    words = {"target": 1, "epsilon": 0.3, "toolset": "metannvis"}
    expected = explain(Together(*parts), "attn_lrp", X, **words).values
    np.testing.assert_allclose(explain(Apart(*parts), "attn_lrp", X, **words).values, expected, rtol=1e-9)


def by_hand(net: Any, x: np.ndarray, target: int) -> np.ndarray:
    """Relevance from layer to layer, each rule written out, of one sample."""
    weight = {name: p.detach().numpy() for name, p in net.named_parameters()}

    def dense(name: str, a: np.ndarray) -> np.ndarray:
        return a @ weight[f"{name}.weight"].T + weight[f"{name}.bias"]

    def back(name: str, a: np.ndarray, z: np.ndarray, r: np.ndarray) -> np.ndarray:
        return np.asarray(a * ((r / z) @ weight[f"{name}.weight"]))

    deviation = np.sqrt(x.var(-1, keepdims=True) + 1e-5)
    y = (x - x.mean(-1, keepdims=True)) / deviation * weight["norm.weight"] + weight["norm.bias"]
    q, k, v = (dense(name, y) for name in "qkv")
    logits = q @ k.T / WIDTH**0.5
    s = np.exp(logits) / np.exp(logits).sum(-1, keepdims=True)
    attended = s @ v
    z1 = x + attended
    up = dense("up", z1)
    act = np.asarray(nn.functional.gelu(torch.from_numpy(up)))
    down = dense("down", act)
    z2 = z1 + down
    mean = z2.mean(0)
    out = dense("head", mean)
    r_mean = mean * weight["head.weight"][target]  # R of the output is the output: the epsilon rule with its own z
    assert out.shape == (3,)
    r_z2 = z2 / TOKENS / mean * r_mean
    r_down, r_z1 = down / z2 * r_z2, z1 / z2 * r_z2
    r_up = back("down", act, down, r_down)  # GELU: as it is
    r_z1 = r_z1 + back("up", z1, up, r_up)
    r_x, r_attended = x / z1 * r_z1, attended / z1 * r_z1
    share = r_attended / attended
    r_s, r_v = s * (share @ v.T) / 2, v * (s.T @ share) / 2
    r_logits = logits * (r_s - s * r_s.sum(-1, keepdims=True))
    share = r_logits / logits / WIDTH**0.5
    r_q, r_k = q * (share @ k) / 2, k * (share.T @ q) / 2
    r_y = back("q", y, q, r_q) + back("k", y, k, r_k) + back("v", y, v, r_v)
    slope = r_y / y * weight["norm.weight"] / deviation
    return np.asarray(r_x + x * (slope - slope.mean(-1, keepdims=True)))


@pytest.mark.parametrize("target", [0, 2])
def test_one_block_by_hand(target: int) -> None:
    net = randomized(Block(), seed=2)
    found = explain(net, "attn_lrp", X, target=target, epsilon=1e-14).values
    for k in range(2):
        np.testing.assert_allclose(found[k], by_hand(net, X[k], target), rtol=1e-7, atol=1e-11)


class Vision(nn.Module):
    """A vision transformer of one block, without a bias anywhere."""

    def __init__(self, *, constant: bool) -> None:
        super().__init__()
        self.patches = nn.Conv2d(3, WIDTH, 4, 4, bias=False)
        self.block = Block(constant=constant, bias=False)

    def forward(self, x: Any) -> Any:
        return self.block(self.patches(x).flatten(2).transpose(1, 2))


IMAGE = np.random.default_rng(1).standard_normal((2, 3, 8, 12))


def test_relevance_is_conserved_where_attention_is_constant() -> None:
    for constant in (True, False):
        net = randomized(Vision(constant=constant), seed=3)
        found = explain(net, "attn_lrp", IMAGE, target=1, epsilon=1e-12, batch_size=1).values
        with torch.no_grad():
            output = net(torch.from_numpy(IMAGE))[:, 1].numpy()
        missed = np.abs(found.sum((1, 2, 3)) - output) / np.abs(output)
        assert (missed < 1e-6).all() if constant else (missed > 1e-4).all()  # which the rule of a softmax loses


def test_twins_of_every_framework_have_the_same_relevance() -> None:
    """In single precision: in double a Keras model has GELU as a composition, whose product is one of two tensors."""
    net = randomized(Vision(constant=False), seed=3).float()
    image = IMAGE.astype("float32")
    plain = explain(net, "attn_lrp", image, target=1).values
    near = {"rtol": 0, "atol": 1e-5 * np.abs(plain).max()}
    onnx = translate(net, "onnx", example_inputs=image).model
    np.testing.assert_allclose(explain(onnx, "attn_lrp", image, target=1).values, plain, **near)
    keras = translate(net, "tensorflow", example_inputs=image).model
    last = explain(keras, "attn_lrp", np.ascontiguousarray(np.moveaxis(image, 1, -1)), target=1).values
    np.testing.assert_allclose(np.moveaxis(last, -1, 1), plain, **near)


def test_attention_of_one_function_is_taken_apart() -> None:
    """The weights of a model are as they were, and its attention is that of separate steps."""

    class Attention(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.mha, self.fc = nn.MultiheadAttention(WIDTH, 2, batch_first=True), nn.Linear(WIDTH, 2)

        def forward(self, x: Any) -> Any:
            return self.fc(self.mha(x, x, x, need_weights=False)[0].mean(1))

    class Apart(nn.Module):
        def __init__(self, of: Any) -> None:
            super().__init__()
            self.of = of

        def forward(self, x: Any) -> Any:
            weights, biases = self.of.mha.in_proj_weight.chunk(3), self.of.mha.in_proj_bias.chunk(3)
            parts = [nn.functional.linear(x, w, b) for w, b in zip(weights, biases, strict=True)]
            q, k, v = (part.unflatten(-1, (2, WIDTH // 2)).transpose(1, 2) for part in parts)
            found = torch.softmax(q @ k.transpose(-2, -1) / (WIDTH // 2) ** 0.5, -1) @ v
            return self.of.fc(self.of.mha.out_proj(found.transpose(1, 2).flatten(2)).mean(1))

    net = randomized(Attention(), seed=4)
    found = explain(net, "attn_lrp", X, target=1)
    expected = explain(Apart(net).eval(), "attn_lrp", X, target=1).values
    np.testing.assert_allclose(found.values, expected, rtol=1e-7, atol=1e-10)
    assert found.translation is not None and all(p.requires_grad for p in net.parameters())
