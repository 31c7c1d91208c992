"""Metric table: rows of ours and of the libraries that can be asked, and metrics registered by hand."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from metannvis_methods.errors import InvalidArgumentError, MetannvisError, UnknownMetricError, near_misses
from metannvis_methods.metrics.captum import rows as captum
from metannvis_methods.metrics.complexity import rows as complexity
from metannvis_methods.metrics.faithfulness import rows as faithfulness
from metannvis_methods.metrics.localization import rows as localization
from metannvis_methods.metrics.quantus import rows as quantus
from metannvis_methods.metrics.randomization import rows as randomization
from metannvis_methods.metrics.robustness import rows as robustness
from metannvis_methods.metrics.spec import CATEGORIES, MetricSpec
from metannvis_methods.registry.spec import fold

__all__ = ["describe_metric", "find_metric", "list_metrics", "register_metric", "unregister_metric"]

_rows: dict[tuple[str, str], MetricSpec] = {}


def register_metric(spec: MetricSpec) -> None:
    """Add a metric.

    Parameters
    ----------
    spec
        Its row.

    Raises
    ------
    MetannvisError
        Its provider has one of that name.
    """
    place = (fold(spec.provider), fold(spec.key))
    if place in _rows:
        raise MetannvisError(f"{spec.provider} has the metric {spec.key!r} already")
    _rows[place] = spec


def unregister_metric(key: str, provider: str) -> None:
    """Take a metric out again.

    Parameters
    ----------
    key, provider
        As in its row.

    Raises
    ------
    UnknownMetricError
        There is none.
    """
    if _rows.pop((fold(provider), fold(key)), None) is None:
        raise UnknownMetricError(f"{provider} has no metric {key!r}")


def list_metrics(*, category: str | None = None, provider: str | None = None) -> tuple[MetricSpec, ...]:
    """Every metric, or those of a category or a provider.

    Parameters
    ----------
    category
        ``"faithfulness"``, ``"robustness"``, ``"complexity"``, ``"localization"``, ``"randomization"``, …; ``None``: any.
    provider
        ``"metannvis"``, ``"captum"``, ``"quantus"``; ``None``: any.

    Returns
    -------
    tuple of MetricSpec
        In the order of the table.

    Raises
    ------
    InvalidArgumentError
        There is no such category or provider.
    """
    providers = tuple(dict.fromkeys(spec.provider for spec in _rows.values()))
    for name, value, known in (("category", category, CATEGORIES), ("provider", provider, providers)):
        if value is not None and fold(value) not in map(fold, known):
            raise InvalidArgumentError(f"{name} is one of {', '.join(known)}, not {value!r}")
    return tuple(
        spec
        for spec in _rows.values()
        if (category is None or fold(spec.category) == fold(category))
        and (provider is None or fold(spec.provider) == fold(provider))
    )


def find_metric(name: str) -> MetricSpec:
    """The metric of a name: a key, ours if several have it, or ``"provider:key"``.

    Parameters
    ----------
    name
        Case, ``-`` and ``_`` do not count.

    Returns
    -------
    MetricSpec
        Its row.

    Raises
    ------
    UnknownMetricError
        There is none; the message names close ones.
    """
    if not isinstance(name, str):
        raise InvalidArgumentError(f"a metric is named by a string, not {type(name).__name__}")
    provider, colon, key = name.rpartition(":")
    having = [
        spec for (owner, own), spec in _rows.items() if own == fold(key) and (not colon or owner == fold(provider))
    ]
    ours = [spec for spec in having if spec.provider == "metannvis"]
    if ours or len(having) == 1:
        return (ours or having)[0]
    if having:
        names = ", ".join(spec.name for spec in having)
        raise UnknownMetricError(f"several libraries have the metric {key!r}: say which, {names}")
    close = near_misses(name, [spec.name for spec in _rows.values()])
    hint = f" Did you mean {close[0]!r}?" if close else ""
    raise UnknownMetricError(
        f"there is no metric {name!r}.{hint} There are: {', '.join(s.name for s in _rows.values())}"
    )


def describe_metric(name: str) -> Mapping[str, Any]:
    """What is known of a metric, as JSON has it.

    Parameters
    ----------
    name
        As for :func:`find_metric`.

    Returns
    -------
    Mapping
        Key, provider, category, direction, needs, inputs, summary, reference, and the parameters with their defaults and
        sources.

    Raises
    ------
    UnknownMetricError
        There is none of that name.
    """
    spec = find_metric(name)
    return {
        "key": spec.key,
        "provider": spec.provider,
        "category": spec.category,
        "direction": spec.direction,
        "needs": list(spec.needs),
        "inputs": spec.inputs,
        "summary": spec.summary,
        "reference": spec.reference,
        "parameters": [
            {"name": p.name, "default": p.default, "summary": p.summary, "source": p.source} for p in spec.parameters
        ],
    }


for _module in (faithfulness, robustness, complexity, localization, randomization, captum, quantus):
    for _spec in _module.ROWS:
        register_metric(_spec)
