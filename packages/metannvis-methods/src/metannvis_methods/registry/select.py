"""Method selection: which row a call means. It imports no framework and looks at no model."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Collection, Sequence
from typing import Literal

from metannvis_methods.errors import MethodChoiceWarning, UnknownMethodError, near_misses
from metannvis_methods.registry.spec import KINDS, MethodSpec, fold

__all__ = ["PREFERRED", "candidates", "choose"]

#: Toolsets that are taken before others, if nothing else decides.
PREFERRED = ("captum", "tf-keras-vis")

#: Which function runs methods of a kind.
FUNCTIONS = {
    "primary": "perform_attribution",
    "layer": "perform_attribution",
    "neuron": "perform_attribution",
    "feature_visualization": "perform_feature_visualization",
}


def candidates(
    key: str,
    rows: Sequence[MethodSpec],
    *,
    kinds: Collection[str] = KINDS,
    toolset: str | None = None,
    wants: Literal["layer", "neuron"] | None = None,
) -> tuple[MethodSpec, ...]:
    """Rows that a key may mean, at most one a toolset.

    Parameters
    ----------
    key
        Method asked for; case, ``-`` and ``_`` do not count.
    rows
        All rows.
    kinds
        Kinds that the calling function is for.
    toolset
        Exact key of the toolset asked for, ``None`` for all of them.
    wants
        The caller named a layer, or a neuron: ``"integrated_gradients"`` then means
        ``layer_integrated_gradients`` or ``neuron_integrated_gradients`` where there is one.

    Raises
    ------
    UnknownMethodError
        There is none. The message lists near misses first, then the others, and says which other toolset or
        function has it.
    """
    folded = fold(key) if isinstance(key, str) else ""
    named = [row for row in rows if fold(row.key) == folded]
    found = [row for row in named if row.kind in kinds and toolset in (None, row.toolset)]
    if wants is not None:
        variants = [
            row
            for row in rows
            if not any(row.kind == wants for row in found)  # cam is no layer_cam
            and row.kind == wants
            and row.kind in kinds
            and fold(row.base) == folded
            and toolset in (None, row.toolset)
        ]
        exact = [row for row in found if row.by_role(wants)]
        found = _one_a_toolset(exact + variants) or found
    if not found:
        raise UnknownMethodError(_unknown(key, rows, named, kinds, toolset))
    return tuple(found)


def _one_a_toolset(rows: Sequence[MethodSpec]) -> list[MethodSpec]:
    first: dict[str, MethodSpec] = {}
    for row in rows:
        first.setdefault(row.toolset, row)
    return list(first.values())


def _unknown(
    key: object,
    rows: Sequence[MethodSpec],
    named: Sequence[MethodSpec],
    kinds: Collection[str],
    toolset: str | None,
) -> str:
    where = f" in toolset {toolset!r}" if toolset else ""
    if not isinstance(key, str):
        return f"a method is named by a string, not {type(key).__name__}"
    parts = [f"no method {key!r}{where}."]
    elsewhere = sorted({row.toolset for row in named if row.kind in kinds and row.toolset != toolset})
    if elsewhere and toolset:
        many = len(elsewhere) > 1
        who = f"Toolset{'s' if many else ''} {' and '.join(map(repr, elsewhere))} {'have' if many else 'has'} it"
        parts.append(f"{who}; name {'one of these' if many else 'that one'}, or none.")
    other_kind = [row for row in named if row.kind not in kinds and toolset in (None, row.toolset)]
    for row in other_kind[:1]:
        kind = row.kind.replace("_", " ")
        parts[0] = f"{key!r}{where} is a {kind} method, which this function does not run."
        parts.append(f"{FUNCTIONS[row.kind]} and explain do.")
    known = sorted({row.key for row in rows if row.kind in kinds and toolset in (None, row.toolset)})
    close = near_misses(key, known)
    if close:
        parts.append(f"Close: {', '.join(close)}.")
    rest = [name for name in known if name not in close]
    if rest:
        parts.append(f"{'Others' if close else 'There are'}: {', '.join(rest)}.")
    return " ".join(parts)


def choose(
    rows: Sequence[MethodSpec],
    framework: str,
    installed: Callable[[MethodSpec], bool],
    *,
    stacklevel: int = 2,
) -> MethodSpec:
    """Take one of several rows, and say so.

    First a row that needs no translation of a model of ``framework``, then one whose packages are installed,
    then Captum, tf-keras-vis, others by key.

    Warns
    -----
    MethodChoiceWarning
        There were several.
    """

    def order(row: MethodSpec) -> tuple[bool, bool, int, str]:
        rank = PREFERRED.index(row.toolset) if row.toolset in PREFERRED else len(PREFERRED)
        return not row.runs_on(framework), not installed(row), rank, row.toolset

    ranked = sorted(rows, key=order)
    first = ranked[0]
    if len(ranked) > 1:
        others = ", ".join(f"{row.key!r} of {row.toolset!r}" for row in ranked[1:])
        why = "it needs no translation" if first.runs_on(framework) else "the model is translated for it"
        warnings.warn(
            f"several toolsets have this method: took {first.key!r} of {first.toolset!r} ({why}); there is "
            f"also {others}. Name one with toolset=… to be sure.",
            MethodChoiceWarning,
            stacklevel=stacklevel + 1,
        )
    return first
