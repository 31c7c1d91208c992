"""Order of tied entries: what PyTorch's sorts and selections leave open, decided by place or by chance."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

from metannvis_translate.frameworks.protocol import TieOrder
from metannvis_translate.frameworks.requirements import require

__all__ = ["ties_in_order"]


@contextlib.contextmanager
def ties_in_order(order: TieOrder) -> Iterator[set[str]]:
    """Inside, operators that leave the order of equal entries open have it as ``order`` says; yields those that met any.

    PyTorch defines neither which of equal entries ``topk``, ``kthvalue``, ``median`` and ``mode`` pick, nor in which order
    ``sort`` leaves them. Derivatives follow, since they go where the indices point.
    """
    torch = require("torch")
    from torch.utils._python_dispatch import TorchDispatchMode

    met: set[str] = set()
    rules = _rules(order, met)

    class Ordered(TorchDispatchMode):
        def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            kwargs = kwargs or {}
            rule = rules.get(func)
            if rule is not None:
                said = dict(zip((a.name for a in func._schema.arguments), args, strict=False)) | kwargs
                x = said.pop("self")
                if isinstance(x, torch.Tensor) and x.ndim and x.numel() and not x.is_complex():
                    found = rule(x, **said)
                    if found is not None:
                        return found
            return func(*args, **kwargs)

    with Ordered():
        yield met


def _rules(order: TieOrder, met: set[str]) -> dict[Any, Callable[..., Any]]:
    """Operators and what takes their place; None from it where the operator's own result is the only one."""
    import torch

    aten = torch.ops.aten

    def arranged(name: str, x: Any, dim: int, descending: bool) -> tuple[Any, Any]:
        values, places = torch.sort(x, dim=dim, descending=descending, stable=True)
        count = values.shape[dim] - 1
        if not order.within:
            if bool((values.narrow(dim, 1, count) == values.narrow(dim, 0, count)).any()):
                met.add(name)
            return values, places
        keys = values.double()
        reach = order.within * keys.nan_to_num(0.0, 0.0, 0.0).abs().amax(dim, keepdim=True)
        gaps = (keys.narrow(dim, 1, count) - keys.narrow(dim, 0, count)).abs()
        groups = _groups(gaps, reach, dim)
        if not bool(groups.any()):
            return values, places
        met.add(name)
        noise = torch.rand(keys.shape, generator=torch.Generator().manual_seed(order.seed), dtype=torch.float64)
        noise = (1 - 2 * noise if order.opposite else 2 * noise - 1).to(keys.device)
        again = torch.sort(keys + reach * noise * groups, dim=dim, descending=descending, stable=True)[1]
        return torch.gather(values, dim, again), torch.gather(places, dim, again)

    def nth(name: str, x: Any, n: int, dim: int, keepdim: bool, descending: bool = False) -> tuple[Any, Any]:
        values, places = (part.narrow(dim, n, 1) for part in arranged(name, x, dim, descending))
        return (values, places) if keepdim else (values.squeeze(dim), places.squeeze(dim))

    def topk(x: Any, k: int, dim: int = -1, largest: bool = True, sorted: bool = True) -> Any:  # noqa: A002
        if not sorted:
            met.add("topk")
        values, places = arranged("topk", x, dim, largest)
        return values.narrow(dim, 0, k).contiguous(), places.narrow(dim, 0, k).contiguous()

    def sort(x: Any, dim: int = -1, descending: bool = False, stable: bool | None = None) -> Any:
        return None if stable and not order.within else arranged("sort", x, dim, descending)

    def kthvalue(x: Any, k: int, dim: int = -1, keepdim: bool = False) -> Any:
        return nth("kthvalue", x, k - 1, dim, keepdim)

    def median(x: Any, dim: int, keepdim: bool = False) -> Any:
        return None if x.isnan().any() else nth("median", x, (x.shape[dim] - 1) // 2, dim, keepdim)

    def mode(x: Any, dim: int = -1, keepdim: bool = False) -> Any:
        values, _ = aten.mode.default(x, dim, True)
        equal = x == values
        if not bool(equal.any(dim).all()):  # what is not a number
            return None
        met.add("mode")
        size = x.shape[dim]
        line = torch.arange(size, device=x.device).reshape([-1 if k == dim % x.ndim else 1 for k in range(x.ndim)])
        first = torch.where(equal, line, size).amin(dim, keepdim=True)
        last = torch.where(equal, line, -1).amax(dim, keepdim=True)
        places = first if order.opposite else last
        return (values, places) if keepdim else (values.squeeze(dim), places.squeeze(dim))

    def extreme(largest: bool) -> Callable[..., Any]:
        # of equal entries the first is defined; which of near ones is larger, rounding decides
        def found(x: Any, dim: int | None = None, keepdim: bool = False) -> Any:
            if not order.within or dim is None or x.isnan().any():
                return None
            return nth("max" if largest else "min", x, 0, dim, keepdim, descending=largest)

        return found

    def place_of_extreme(largest: bool) -> Callable[..., Any]:
        def found(x: Any, dim: int | None = None, keepdim: bool = False) -> Any:
            both = extreme(largest)(x, dim, keepdim)
            return None if both is None else both[1]

        return found

    return {
        aten.topk.default: topk,
        aten.sort.default: sort,
        aten.sort.stable: sort,
        aten.kthvalue.default: kthvalue,
        aten.median.dim: median,
        aten.nanmedian.dim: median,
        aten.mode.default: mode,
        aten.max.dim: extreme(largest=True),
        aten.min.dim: extreme(largest=False),
        aten.argmax.default: place_of_extreme(largest=True),
        aten.argmin.default: place_of_extreme(largest=False),
    }


def _groups(gaps: Any, reach: Any, dim: int) -> Any:
    """Which of sorted entries are near others without being equal to all of these, from the gaps between neighbours.

    Where all that are near each other are equal, they are so by what they are, not by rounding.
    """
    import torch

    near = gaps <= 2 * reach
    one = torch.zeros_like(near.narrow(dim, 0, 1), dtype=torch.int64)
    number = torch.cat([one, torch.cumsum(~near, dim)], dim)
    apart = (near & (gaps > 0)).to(torch.int64)
    several = torch.zeros_like(number).scatter_add(dim, number.narrow(dim, 1, apart.shape[dim]), apart)
    return torch.gather(several, dim, number) > 0
