"""Functions that look at their data before they compute, or compute in parts, written as what they compute.

No trace knows whether a variance is negative, or whether there are degrees of freedom left: what depends on it is said
without a branch.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from metannvis_translate.frameworks.torch.exporter.stop_gradient import name_of

if TYPE_CHECKING:
    import torch

__all__ = ["rewritten"]


def covariance(
    input: torch.Tensor,
    *,
    correction: int = 1,
    fweights: torch.Tensor | None = None,
    aweights: torch.Tensor | None = None,
) -> torch.Tensor:
    """``torch.cov``."""
    import torch

    x = input if input.ndim == 2 else input.reshape(1, -1)
    shares = fweights
    if aweights is not None:
        shares = aweights if fweights is None else fweights * aweights
    if shares is None:
        apart = x - x.mean(1, keepdim=True)
        found = apart @ apart.T / max(x.shape[1] - correction, 0)
    else:
        total = shares.sum()
        apart = x - ((x * shares).sum(1) / total).unsqueeze(1)
        freedom = total - correction
        if aweights is not None and correction != 0:
            freedom = total - correction * (shares * aweights).sum() / total
        freedom = torch.where(freedom <= 0, torch.zeros_like(freedom), freedom)
        found = (apart * shares) @ apart.T / freedom
    return found.reshape(()) if x.shape[0] == 1 else found


def correlation(input: torch.Tensor) -> torch.Tensor:
    """``torch.corrcoef``."""
    found = covariance(input)
    if found.ndim == 0:
        return found / found
    deviation = found.diagonal().sqrt()
    return (found / deviation.unsqueeze(1) / deviation.unsqueeze(0)).clip(-1, 1)


def gaussian_nll_loss(
    input: torch.Tensor,
    target: torch.Tensor,
    var: torch.Tensor | float,
    full: bool = False,
    eps: float = 1e-6,
    reduction: str = "mean",
) -> torch.Tensor:
    """``F.gaussian_nll_loss``, of variances that are not negative: it was computed once before."""
    import torch

    if not isinstance(var, torch.Tensor):
        var = torch.full_like(input, var)
    if var.shape != input.shape and var.shape == input.shape[:-1]:
        var = var.unsqueeze(-1)
    # a bound that the derivative does not see
    var = torch.where(var.detach() < eps, var - var.detach() + eps, var)
    loss = 0.5 * (var.log() + (input - target) ** 2 / var)
    if full:
        loss = loss + 0.5 * math.log(2 * math.pi)
    return loss if reduction == "none" else getattr(loss, reduction)()


def linear_cross_entropy(*args: Any, options: Any = None, **kwargs: Any) -> torch.Tensor:
    """``F.linear_cross_entropy``, all at once."""
    from torch.nn import functional

    whole: Callable[..., torch.Tensor] = functional.linear_cross_entropy
    return whole(*args, **kwargs)


#: Name of a function → what it computes.
REWRITTEN: dict[str, Callable[..., Any]] = {
    "corrcoef": correlation,
    "cov": covariance,
    "gaussian_nll_loss": gaussian_nll_loss,
    "linear_cross_entropy": linear_cross_entropy,
}


@contextlib.contextmanager
def rewritten() -> Iterator[None]:
    """Inside, such functions are called as they are written here; whoever watches calls sees those that they make."""
    from torch.overrides import TorchFunctionMode

    class Rewritten(TorchFunctionMode):
        def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            return REWRITTEN.get(name_of(func), func)(*args, **(kwargs or {}))

    with Rewritten():
        yield
