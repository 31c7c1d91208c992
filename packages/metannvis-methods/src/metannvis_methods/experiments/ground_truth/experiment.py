"""The ground-truth experiment: the error of every method in one table."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from metannvis_translate.frameworks import require

from metannvis_methods.experiments.ground_truth.measure import EXACT, LARGEST, RUNS, Error, measure, shares_in_patch
from metannvis_methods.experiments.ground_truth.methods import WITHOUT
from metannvis_methods.experiments.ground_truth.models import MODELS
from metannvis_methods.experiments.results import ExperimentResult, Picture, Table

__all__ = ["cell_of", "experiment", "wide"]

Progress = Callable[[int, int, str], None]
#: Chance in the planted patch: one cell of nine.
CHANCE = 1 / 9


def experiment(seed: int, size: str, progress: Progress) -> ExperimentResult:
    """Errors on all models, and where maps lie on the planted patch."""
    require("torch")
    require("tensorflow")
    errors = measure(seed, progress, RUNS if size == "full" else 5)
    shares = shares_in_patch(seed, progress)
    tables = (
        Table("ground-truth", "Errors", ("method", "toolset", "quantity", *MODELS), tuple(wide(errors))),
        Table(
            "ground-truth-errors",
            "Errors, one by one",
            ("toolset", "method", "model", "quantity", "relative error", "standard errors", "holds"),
            tuple((e.toolset, e.key, e.model, e.quantity, e.relative, e.standard_errors, e.holds) for e in errors),
        ),
        Table(
            "ground-truth-patch",
            "Share of each map in the planted cell, one of nine",
            ("method", "toolset", "share", "× chance"),
            tuple(
                (key, toolset, share, share / CHANCE) if isinstance(share, float) else (key, toolset, None, None)
                for (toolset, key), share in sorted(shares.items(), key=_by_share)
            ),
        ),
        Table(
            "ground-truth-without",
            "Methods without a closed form here",
            ("method", "toolset", "it"),
            tuple((key, toolset, why) for (toolset, key), why in WITHOUT.items()),
        ),
    )
    picture = Picture(
        "ground-truth-patch",
        "Share of each map in the planted cell (chance: 0.11)",
        "bars",
        {
            f"{key} ({toolset})": share
            for (toolset, key), share in sorted(shares.items(), key=_by_share)
            if isinstance(share, float)
        },
    )
    exact = [e for e in errors if e.standard_errors is None]
    estimates = [e for e in errors if e.standard_errors is not None]
    summary = [
        (
            f"{len(exact)} errors of exact methods, {max(e.relative for e in exact):.1e} at most (limit {EXACT:g}); "
            f"{len(estimates)} of estimators, {max(e.standard_errors or 0.0 for e in estimates):.1f} standard errors at most "
            f"(limit {LARGEST:g})."
        ),
        *(f"Beyond it: {e.key} ({e.toolset}) on the {e.model} model." for e in errors if not e.holds),
    ]
    return ExperimentResult("ground-truth", seed, size, tables, (picture,), tuple(summary))


def cell_of(error: Error) -> str:
    """An error as the table has it: a bound that does not depend on the machine, or standard errors."""
    if error.standard_errors is not None:
        return f"{error.standard_errors:.1f} s.e."
    return next((f"≤ {bound:g}" for bound in (1e-12, 1e-9, 1e-6) if error.relative <= bound), f"{error.relative:.0e}")


def wide(errors: Sequence[Error]) -> list[tuple[Any, ...]]:
    """A row a method and quantity, a column a model."""
    found: dict[tuple[str, str], dict[str, Error]] = {}
    for error in errors:
        found.setdefault((error.key, error.toolset), {})[error.model] = error
    return [
        (
            key,
            toolset,
            "; ".join(dict.fromkeys(error.quantity for error in by_model.values())),
            *(cell_of(by_model[model]) if model in by_model else None for model in MODELS),
        )
        for (key, toolset), by_model in found.items()
    ]


def _by_share(item: tuple[tuple[str, str], float | str]) -> tuple[float, tuple[str, str]]:
    return (-item[1] if isinstance(item[1], float) else 1.0, item[0])
