"""Rows of matrix products and of what is computed of matrices."""

from __future__ import annotations

import numpy as np

from .arrays import BIG, integers, uniform
from .case import Case

__all__ = ["CASES"]

#: of which single precision holds no product
_LARGE = integers(3, 4, low=-(2**28), high=2**28)


CASES: list[Case] = [
    Case("Gemm", (uniform(2, 5), uniform(3, 5), uniform(3)), {"transB": 1}, 13, tag="linear"),
    Case("Gemm", (uniform(2, 5), uniform(5, 3)), {"alpha": 0.5}, 13, tag="scaled"),
    Case("Gemm", (uniform(2, 5), uniform(5, 3), uniform(2, 3)), {"alpha": 0.5, "beta": 2.0}, 13, 3, tag="dynamic"),
    Case(
        "Gemm", (uniform(5, 2), uniform(5, 3), uniform(1, 3)), {"transA": 1}, 13, tag="transposed", batch_is_free=False
    ),
    Case("Gemm", (uniform(2, 5), uniform(3, 5), uniform(2, 3)), {"transB": 1}, 13, tag="bias-a-row", batch_is_free=False),
    Case("Gemm", (uniform(2, 5), uniform(3, 5)), {"transB": 1}, 13, 2, tag="both-computed", batch_is_free=False),
    Case("MatMul", (uniform(2, 5), uniform(5, 3)), {}, 13, tag="constant"),
    Case("MatMul", (uniform(2, 4, 5), uniform(5, 3)), {}, 13, tag="tokens"),
    Case("MatMul", (uniform(2, 3, 4, 5), uniform(2, 3, 5, 4)), {}, 13, 2, tag="heads"),
    Case("MatMul", (uniform(3, 4, 5), uniform(5)), {}, 13, 2, tag="vector", batch_is_free=False),
    Case("MatMul", (uniform(4, 5), uniform(2, 5, 3)), {}, 13, 2, tag="more-axes", batch_is_free=False),
    Case(
        "Linear",
        (uniform(2, 4, 5), uniform(5, 3), uniform(3)),
        {},
        20,
        domain="metannvis",
        formula=lambda x, w, b: x @ w + b,
    ),
    Case("Einsum", (uniform(2, 3, 4), uniform(2, 4, 5)), {"equation": "bij, bjk"}, 12, 2, formula=lambda a, b: np.einsum("bij,bjk->ik", a, b)),
    Case("Einsum", (uniform(2, 3, 4), uniform(4, 5)), {"equation": "...j,jk->...k"}, 12, 1, tag="ellipsis"),
    Case("Einsum", (uniform(2, 3, 4), uniform(2, 4, 5)), {"equation": "bij,bjk->bik"}, 12, 2),
    Case("Einsum", (uniform(2, 3, 4), uniform(4, 5)), {"equation": "...j, jk"}, 12, tag="implicit"),
    Case("Det", (uniform(2, 3, 4, 4),), {}, 22, formula=np.linalg.det),
    *(
        Case("MatMul", (_LARGE, _LARGE.T.copy()), {}, 13, dynamic, tag=f"integers-{dynamic}", batch_is_free=False, formula=np.matmul)
        for dynamic in (1, 2)
    ),
    Case("MatMul", (_LARGE.astype(np.int32) % 5000, np.arange(4, dtype=np.int32)), {}, 13, 2, tag="int32-vector", batch_is_free=False, formula=np.matmul),
    Case("MatMul", (BIG, BIG.T.copy()), {}, 13, 2, tag="uint64", batch_is_free=False, formula=np.matmul),
    *(
        Case("Gemm", (_LARGE, _LARGE.T.copy(), _LARGE[0, :3]), {"alpha": 2.0, "beta": 3.0}, 13, dynamic, tag=f"integers-{dynamic}", batch_is_free=False, formula=lambda a, b, c: 2 * (a @ b) + 3 * c)
        for dynamic in (1, 3)
    ),
    Case("Gemm", (_LARGE, _LARGE.T.copy(), _LARGE[0, :3]), {}, 13, tag="integers-plain", batch_is_free=False, formula=lambda a, b, c: a @ b + c),
    Case("Linear", (uniform(5), uniform(5, 3), uniform(3)), {}, 20, domain="metannvis", tag="vector", formula=lambda x, w, b: x @ w + b),
]  # fmt: skip
