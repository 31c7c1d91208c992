"""Metric table: rows of ours and of the libraries that can be asked, of other packages, and metrics registered by hand."""

from __future__ import annotations

import logging
import threading
from collections.abc import Mapping
from typing import Any

from metannvis_translate.frameworks import entry_points

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

logger = logging.getLogger("metannvis_methods")

#: Of other packages: a :class:`MetricSpec`, or several.
ENTRY_POINTS = "metannvis.metrics"

_rows: dict[tuple[str, str], MetricSpec] = {}
_groups: list[str] = [ENTRY_POINTS]
_loading = threading.RLock()


def _table() -> dict[tuple[str, str], MetricSpec]:
    """All rows; those of other packages are loaded when it is first asked for."""
    with _loading:  # a second thread that asks meanwhile has to see them all
        while _groups:
            for entry in entry_points(group=_groups.pop()):
                owner = entry.dist.name if entry.dist else entry.value
                try:
                    found = entry.load()
                except ImportError as error:
                    logger.warning("metrics %r of %s cannot be loaded: %s", entry.name, owner, error)
                    continue
                for spec in found if isinstance(found, (tuple, list)) else (found,):
                    if not isinstance(spec, MetricSpec):
                        raise MetannvisError(f"metrics {entry.name!r} of {owner} are MetricSpecs, not {spec!r}")
                    if _rows.get(_place(spec)) != spec:  # the same distribution may be found twice on the path
                        _add(spec)
    return _rows


def _place(spec: MetricSpec) -> tuple[str, str]:
    return fold(spec.provider), fold(spec.key)


def _add(spec: MetricSpec) -> None:
    if _place(spec) in _rows:
        raise MetannvisError(f"{spec.provider} has the metric {spec.key!r} already")
    _rows[_place(spec)] = spec


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
    _table()
    _add(spec)


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
    if _table().pop((fold(provider), fold(key)), None) is None:
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
    providers = tuple(dict.fromkeys(spec.provider for spec in _table().values()))
    for name, value, known in (("category", category, CATEGORIES), ("provider", provider, providers)):
        if value is not None and fold(value) not in map(fold, known):
            raise InvalidArgumentError(f"{name} is one of {', '.join(known)}, not {value!r}")
    return tuple(
        spec
        for spec in _table().values()
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
        spec for (owner, own), spec in _table().items() if own == fold(key) and (not colon or owner == fold(provider))
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
        _add(_spec)
