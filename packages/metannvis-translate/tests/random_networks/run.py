"""How many random networks are drawn, and what is asked of all of them together."""

from __future__ import annotations

import os
import sys
from collections import Counter
from typing import Any

from hypothesis import HealthCheck, Phase, given, note, settings

from .checks import AMPLIFIES, BACK, ONLY_SINGLE, check

__all__ = ["EXAMPLES", "run"]

#: How many networks are drawn.
EXAMPLES = int(os.environ.get("METANNVIS_RANDOM_NETWORKS", "0"))
#: Share of the networks that has to translate, and of these that has to come back.
SHARE = 0.95


def run(networks: Any, to: str, *, few: int) -> None:
    """Check ``few`` networks, the same ones at every run, or as many new ones as were asked for."""
    fates: Counter[str] = Counter()
    worst: dict[str, float] = {}

    @settings(
        max_examples=EXAMPLES or few,
        deadline=None,
        derandomize=not EXAMPLES,
        database=None,
        suppress_health_check=list(HealthCheck),
        phases=[Phase.generate, Phase.shrink] if EXAMPLES else [Phase.generate],
        print_blob=False,
    )
    @given(networks)
    def each(network: Any) -> None:
        note(repr(network))
        outcome = check(network, to)
        note(outcome.fate)
        fates[outcome.fate.split(":")[0]] += 1
        for name, figure in outcome.figures.items():
            worst[name] = max(figure, worst.get(name, 0.0))
        if "refused" in outcome.fate:
            sys.stdout.write(f"{outcome.fate}\n{network}\n")

    each()
    total = sum(fates.values())
    sys.stdout.write(f"{total} networks: {dict(fates)}\n")
    sys.stdout.write(", ".join(f"{name} {figure:.1e}" for name, figure in sorted(worst.items())) + "\n")
    assert total and fates["refused"] <= (1 - SHARE) * total, fates
    assert fates[BACK.rstrip(": ")] <= max(1, (1 - SHARE) * (total - fates["refused"])), fates
    for name in (AMPLIFIES, ONLY_SINGLE):
        assert fates[name] <= max(2, 0.15 * total), fates
