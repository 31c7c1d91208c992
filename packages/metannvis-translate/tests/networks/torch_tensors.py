"""Operations on tensors: indexing, gathering, scattering, folding; structures of inputs and outputs."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import nn

from .torch_case import Row

__all__ = ["TENSORS"]


class Indexing(nn.Module):
    def forward(self, x):
        rows = torch.tensor([2, 0, 2])
        columns = torch.tensor([1, 3, 0])
        mask = torch.tensor([True, False, True, True, False])
        parts = [
            x[:, rows, columns], x[:, 1::2, -3:], x[..., None, ::2], x[:, -1], x[:, rows], x[:, :, mask], x[:, rows][:, :, columns],
            x[:, rows[:, None], columns], x[:, 1:3, [0, 4]],
        ]  # fmt: skip
        return torch.cat([part.flatten(1) for part in parts], 1)


class Algebra(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.core = nn.Parameter(torch.randn(4, 5, 3))
        self.bilinear = nn.Bilinear(5, 5, 2)

    def forward(self, x):
        a = torch.einsum("bij,ijk->bik", x, self.core)
        b = torch.einsum("bij,bkj->bik", x, x)
        c = torch.bmm(x, x.transpose(1, 2)) + torch.baddbmm(b, x, x.transpose(1, 2), beta=0.5)
        d = torch.outer(torch.arange(3.0, dtype=x.dtype), torch.ones(2, dtype=x.dtype))
        parts = [
            a,
            b,
            c,
            x.cumsum(1),
            torch.tril(b),
            torch.triu(b, 1),
            x.norm(dim=2),
            x.std(1),
            x.var(2, unbiased=False),
        ]
        parts += [
            torch.logsumexp(x, 2),
            x.prod(2),
            self.bilinear(x, x.flip(1)),
            F.normalize(x, dim=2),
        ]
        parts += [
            F.cosine_similarity(x, x.flip(2), dim=2),
            (x[:, :3, :2] * d),
            torch.diagonal(b, dim1=1, dim2=2),
            x.addcmul(x, x, value=0.3),
        ]
        return torch.cat([part.flatten(1) for part in parts], 1)


class Picking(nn.Module):
    """Gather, scatter, topk, sort, where, masks."""

    def forward(self, x):
        values, places = x.topk(3, 2)
        lowest = x.kthvalue(2, 2).values
        ordered, index = x.sort(1, descending=True)
        zeros = torch.zeros_like(x)
        parts = [
            values, lowest, ordered, x.gather(2, places), zeros.scatter(2, places, values), zeros.scatter_add(1, index, x),
            torch.where(x > 0, x, x * 0.1), x.masked_fill(x < -0.5, 2.0), x.clamp(-1.0, 0.5), x.index_select(2, torch.tensor([3, 1])), x.median(2).values,
            x.unfold(2, 3, 2), x.argmax(2).to(x.dtype),
        ]  # fmt: skip
        return torch.cat([part.flatten(1) for part in parts], 1)


class Moving(nn.Module):
    """Rolling, flipping, repeating, folding, views by strides."""

    def forward(self, x):
        n, c, h, w = x.shape
        columns = F.unfold(x, (2, 3), padding=1, stride=(1, 2))
        parts = [
            x.roll((1, -2), (2, 3)), x.flip(2, 3), x.rot90(1, (2, 3)), x.repeat(1, 2, 1, 1), x.repeat_interleave(2, 3), columns,
            F.fold(columns, (h, w), (2, 3), padding=1, stride=(1, 2)), x.unfold(3, 3, 2), torch.stack(x.unbind(1), 3), x.permute(0, 3, 1, 2),
            x.reshape(n, h, -1), x.movedim(1, -1), x.swapaxes(1, 2), x.expand(n, c, h, w) + x[:, :1], torch.cat(x.split([1, c - 1], 1)[::-1], 1),
            x.unflatten(1, (1, c)), x.narrow(2, 1, 2), torch.as_strided(x[0], (c, h), (h * w, w + 1)).sum() + x, x.diff(dim=3),
        ]  # fmt: skip
        return torch.cat([part.flatten(1) for part in parts], 1)


class Sampling(nn.Module):
    """An image sampled where a network says."""

    def __init__(self) -> None:
        super().__init__()
        self.where = nn.Linear(2, 6)

    def forward(self, image, code):
        theta = self.where(code).view(-1, 2, 3)
        grid = F.affine_grid(theta, (image.shape[0], 3, 5, 6), align_corners=False)
        a = F.grid_sample(image, grid, align_corners=False)
        b = F.grid_sample(image, grid * 0.8, mode="nearest", padding_mode="border", align_corners=True)
        c = F.grid_sample(image, grid, mode="bicubic", padding_mode="reflection", align_corners=False)
        return torch.cat([a, b, c], 1)


class InPlace(nn.Module):
    """Everything in place."""

    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Linear(5, 5)
        self.acts = nn.Sequential(nn.ReLU6(inplace=True), nn.Dropout(inplace=True))

    def forward(self, x):
        y = self.fc(x)
        y += x
        y.mul_(0.5).add_(1.0)
        y[:, 0] = 0.25
        y[:, 2:4] *= 2.0
        y[:, 1:2].copy_(x[:, :1])
        F.relu_(y)
        z = torch.zeros_like(y)
        z[:, ::2] = y[:, ::2]
        z.clamp_(max=3.0).masked_fill_(x > 1, -1.0)
        return self.acts(z.sub_(0.1))


class Structures(nn.Module):
    """Nested outputs: a dict with a tuple and a list."""

    def __init__(self) -> None:
        super().__init__()
        self.one, self.two = nn.Linear(5, 3), nn.Linear(5, 2)

    def forward(self, x):
        a, b = self.one(x), self.two(x)
        return {"logits": a, "aux": (b, [a.sum(1), x * 2]), "x": {"deep": b.tanh()}}


class Keywords(nn.Module):
    """Inputs by name; one is an index."""

    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Embedding(7, 4)
        self.fc = nn.Linear(4, 3)

    def forward(self, ids, weights, scale):
        return {"mean": self.fc((self.embed(ids) * weights.unsqueeze(-1)).sum(1)), "scaled": weights * scale}


class Shared(nn.Module):
    """Two modules with one weight; modules under two names; a block called with different inputs."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.b = nn.Linear(5, 5), nn.Linear(5, 5)
        self.b.weight = self.a.weight
        self.c = self.a
        self.block = nn.Sequential(nn.Linear(5, 5), nn.ReLU(), nn.LayerNorm(5))

    def forward(self, x):
        x = self.b(torch.tanh(self.a(x))) + self.c(x)
        return self.block(self.block(x) + self.block(x * 2))


class Activations(nn.Module):
    """The classes of ``torch.nn.modules.activation`` that the other row leaves out."""

    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Linear(6, 6)
        self.acts = nn.ModuleList(
            [
                nn.Softmin(1),
                nn.RReLU(),
                nn.Softmax2d(),
                nn.GLU(1),
                nn.Hardtanh(),
                nn.Softplus(2.0, 5.0),
                nn.Sigmoid(),
                nn.Threshold(0.2, -1.0),
            ]
        )

    def forward(self, x):
        x = self.fc(x)
        image = x.view(-1, 6, 1, 1)
        parts = [act(image if isinstance(act, nn.Softmax2d) else x).flatten(1) for act in self.acts]
        more = [torch.special.expit(x), x.sinc(), torch.logit(x.sigmoid()), x.erf(), x.expm1(), (x * x).log1p()]
        return torch.cat([*parts, *more, (x.square() + 0.1).rsqrt()], 1)


TENSORS: dict[str, Row] = {
    "indexing": Row(Indexing, ((4, 5),)),
    "algebra": Row(Algebra, ((4, 5),)),
    "picking": Row(Picking, ((4, 5),)),
    "moving": Row(Moving, ((3, 4, 6),)),
    "sampling": Row(Sampling, ((3, 6, 7), (2,))),
    "in_place": Row(InPlace, ((5,),)),
    "structures": Row(Structures, ((5,),)),
    "keywords": Row(Keywords, ((6,), (6,), (6,)), below=(7, 0, 0), names=("ids", "weights", "scale")),
    "shared_weights": Row(Shared, ((5,),)),
    "more_activations": Row(Activations, ((6,),)),
}
