"""Idioms of vision models that an exporter turns into something else: each is translated, and exact on other batch sizes."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from metannvis_translate import check_equivalence, translate
from torch.nn import functional


class Patches(torch.nn.Module):
    """Patches become samples of their own and come back, with a size left to be worked out beside the free batch."""

    def forward(self, x):
        b, c, h, w = x.shape
        x = x.reshape(b * c * h // 2, 2, w // 2, 2).transpose(1, 2).reshape(b, c, -1, 4).transpose(1, 3)
        x = x.reshape(b * 4, -1, c).softmax(-1).contiguous().view(b, 4, x.shape[2], -1).transpose(1, 3)
        return x.reshape(b * c * h // 2, w // 2, 2, 2).transpose(1, 2).reshape(b, c, h, w)


class Repeated(torch.nn.Module):
    """A position embedding, repeated for each sample."""

    def __init__(self) -> None:
        super().__init__()
        self.position = torch.nn.Parameter(torch.randn(1, 3, 1, 6))

    def forward(self, x):
        return x * self.position.repeat(x.shape[0], 1, 2, 1)


class Standardized(torch.nn.Conv2d):
    """Weight standardisation: the kernel goes through a batch normalisation."""

    def forward(self, x):
        weight = self.weight.reshape(1, self.out_channels, -1)
        weight = functional.batch_norm(weight, None, None, training=True, momentum=0.0, eps=1e-6)
        return functional.conv2d(x, weight.reshape_as(self.weight), self.bias)


class Biased(torch.nn.Module):
    """Attention with a learned bias."""

    def __init__(self) -> None:
        super().__init__()
        self.table = torch.nn.Parameter(torch.randn(2, 4, 4))

    def forward(self, x):
        q = x.flatten(2).reshape(x.shape[0], 2, 4, -1)
        y = functional.scaled_dot_product_attention(q, q, q, attn_mask=self.table[None])
        return y.transpose(1, 2).reshape(x.shape[0], 4, -1)


class Rows(torch.nn.Module):
    """Each row of an image is a sequence: there are more of them than samples, by a factor."""

    def __init__(self) -> None:
        super().__init__()
        self.rnn = torch.nn.LSTM(3, 4, batch_first=True, bidirectional=True)

    def forward(self, x):
        b, c, h, w = x.shape
        y, _ = self.rnn(x.permute(0, 2, 3, 1).reshape(-1, w, c))
        return y.reshape(b, h, w, -1)


class Unfolded(torch.nn.Module):
    """Padded patches with a stride, as attention over windows that overlap takes them."""

    def forward(self, x):
        b, c, h, w = x.shape
        y = functional.unfold(x, 3, padding=1, stride=2).reshape(b, c, 9, -1).mean(2).reshape(b, c, h // 2, w // 2)
        return functional.interpolate(y, scale_factor=2)


class Shared(torch.nn.Module):
    """One module on two paths, called by each."""

    def __init__(self) -> None:
        super().__init__()
        self.position = torch.nn.Conv2d(3, 3, 1)
        self.blocks = torch.nn.ModuleList([torch.nn.Sequential(self.position, torch.nn.Tanh()) for _ in range(2)])

    def forward(self, x):
        for block in self.blocks:
            x = block(x)
        return x


CASES = {
    "shared": (Shared, (3, 4, 6)),
    "unfolded": (Unfolded, (3, 4, 6)),
    "rows": (Rows, (3, 4, 6)),
    "patches": (Patches, (3, 4, 6)),
    "repeated": (Repeated, (3, 2, 6)),
    "standardized": (lambda: Standardized(3, 4, 3), (3, 6, 7)),
    "biased": (Biased, (4, 4, 6)),
}


@pytest.mark.core(*(f"float64-{name}" for name in CASES), "float32-patches")
@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_idiom_is_exact(name: str, dtype: str) -> None:
    make, shape = CASES[name]
    torch.manual_seed(0)
    model = make().eval()
    random = np.random.default_rng(1)
    example = random.standard_normal((2, *shape)).astype("float32")
    translation = translate(
        model, "keras", example_inputs=example, verify=False, dtype="float64" if dtype == "float64" else None
    )
    assert not any("fixed" in note for note in translation.notes)
    for batch in (1, 3):
        report = check_equivalence(
            model, translation, random.standard_normal((batch, *shape)).astype(dtype), dtype=dtype
        )
        assert report.passed, str(report)
        assert all(row.compared for row in report.layers), str(report)
