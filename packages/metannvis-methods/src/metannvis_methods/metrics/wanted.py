"""Metrics that a call asks for: names with options, checked before anything runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from metannvis_methods.errors import InvalidArgumentError, MissingArgumentError
from metannvis_methods.metrics.registry import find_metric
from metannvis_methods.metrics.spec import MetricSpec
from metannvis_methods.results.plain import jsonable
from metannvis_methods.running.word_checks import mapping_word

__all__ = ["DEFAULTS", "Wanted", "wanted_metrics"]

#: Metrics where nobody says: quick ones of each category that need no more than every call has.
DEFAULTS = ("deletion", "insertion", "sparseness", "entropy", "seconds")


@dataclass(frozen=True)
class Wanted:
    """A metric with its options, under the name that the table has."""

    name: str
    spec: MetricSpec
    options: Mapping[str, Any]

    def described(self) -> Mapping[str, Any]:
        """As a table says it beside the scores."""
        return {
            "metric": self.spec.key,
            "provider": self.spec.provider,
            "category": self.spec.category,
            "direction": self.spec.direction,
            "options": jsonable(self.options),
        }


def wanted_metrics(metrics: Any, options: Any, *, has_masks: bool) -> list[Wanted]:
    """Metrics with options, checked; those that nobody named are such as can run.

    ``options`` are of metrics by the metrics' names.
    """
    options = {
        name: mapping_word(f"options[{name!r}]")(value) or {}
        for name, value in (mapping_word("options")(options) or {}).items()
    }
    if metrics is None:
        metrics = [*DEFAULTS, *(["mass_accuracy", "pointing_game"] if has_masks else [])]
    if isinstance(metrics, str):
        metrics = [metrics]
    if isinstance(metrics, Mapping):
        pairs = [(str(name), dict(mapping_word(f"metrics[{name!r}]")(given) or {})) for name, given in metrics.items()]
    elif isinstance(metrics, Sequence) and metrics:
        pairs = [(name, {}) for name in metrics]
    else:
        raise InvalidArgumentError(f"metrics are names, or a dict of names and options, not {metrics!r}")
    found = []
    for name, given in pairs:
        spec = find_metric(given.pop("metric", name))
        known = {**options.get(spec.name, {}), **(options.get(name, {}) if name != spec.name else {}), **given}
        if "mask" in spec.needs and not has_masks:
            raise MissingArgumentError(f"metric {spec.name} is of where the object is: give masks=…")
        own = name if isinstance(metrics, Mapping) and name != spec.key else spec.name
        found.append(Wanted(own, spec, spec.options(known)))
    named = {one.name for one in found}
    if len(named) < len(found):
        raise InvalidArgumentError(f"a metric is named twice: {', '.join(one.name for one in found)}")
    for name in options:
        if name not in named and name not in {one.spec.key for one in found}:
            raise InvalidArgumentError(f"options are of metrics that are measured, and {name!r} is none of them")
    return found
