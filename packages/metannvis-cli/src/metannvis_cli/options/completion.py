"""Completion of the shell: methods, toolsets, their options, layers of the given model, classes, words."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import click

__all__ = [
    "classes",
    "families",
    "frameworks",
    "kinds",
    "layers",
    "methods",
    "metrics",
    "options",
    "presets",
    "toolsets",
    "words",
]

Completion = Callable[[click.Context, click.Parameter, str], list[str]]


def _of(names: Callable[[click.Context], Iterable[str]]) -> Completion:
    """Completes what begins as typed; errors are nobody's to see here."""

    def complete(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[str]:
        try:
            return [name for name in dict.fromkeys(names(ctx)) if name.startswith(incomplete)]
        except Exception:  # noqa: BLE001
            return []

    return complete


def _rows(ctx: click.Context) -> list[Any]:
    """Methods of the toolsets that were typed before."""
    from metannvis_methods import list_methods

    typed = ctx.params.get("toolsets") or ctx.params.get("toolset") or ()
    wanted = (typed,) if isinstance(typed, str) else tuple(typed)
    return [row for row in list_methods() if not wanted or row.toolset in wanted]


def _methods(ctx: click.Context) -> Iterable[str]:
    kind = "feature_visualization" if ctx.info_name == "visualize" else None
    return (row.key for row in _rows(ctx) if kind in (None, row.kind))


def _metrics(ctx: click.Context) -> Iterable[str]:
    from metannvis_methods import list_metrics

    return (spec.name for spec in list_metrics())


def _toolsets(ctx: click.Context) -> Iterable[str]:
    from metannvis_methods import list_methods

    return sorted({row.toolset for row in list_methods()})


def _layers(ctx: click.Context) -> Iterable[str]:
    from metannvis_cli.layer_names import layer_names

    # an option that lacks its value ends the parsing: the model is then among the words that are left
    path = ctx.params.get("path") or ctx.params.get("source") or next(iter(ctx.args), None)
    return [*layer_names(Path(path)), "auto"] if path is not None else []


def _options(ctx: click.Context) -> Iterable[str]:
    from metannvis_cli.option_words import WORDS

    typed = ctx.params.get("methods") or ctx.params.get("method") or ()
    keys = (typed,) if isinstance(typed, str) else tuple(typed)
    for row in _rows(ctx):
        if not keys or row.key in keys:
            for argument in (*row.init, *row.call):
                if argument.role is None and argument.name not in WORDS:
                    yield f"{argument.name}="


def _classes(ctx: click.Context) -> Iterable[str]:
    path = ctx.params.get("labels")
    if path is None:
        return ["negative", "folder"]
    from metannvis_methods.inputs.labels import read_labels

    return read_labels(Path(path))


def _presets(ctx: click.Context) -> Iterable[str]:
    from metannvis_methods.inputs.preprocessing import PRESETS

    return [*PRESETS, *(str(path) for path in sorted(Path.cwd().glob("*.json")))]


def words(*names: str) -> Completion:
    """Completes words, and files in the current folder, which may stand there too."""
    return _of(lambda ctx: [*names, *(path.name for path in sorted(Path.cwd().glob("*.np[yz]")))])


def _known(name: str) -> Callable[[click.Context], Iterable[str]]:
    def found(ctx: click.Context) -> Iterable[str]:
        from metannvis_methods import list_methods

        rows = list_methods()
        values = (getattr(row, name) for row in rows)
        return sorted({one for value in values for one in (value if isinstance(value, tuple) else (value,))})

    return found


methods, toolsets, layers, options = _of(_methods), _of(_toolsets), _of(_layers), _of(_options)
classes, presets, metrics = _of(_classes), _of(_presets), _of(_metrics)
frameworks, families, kinds = _of(_known("frameworks")), _of(_known("family")), _of(_known("kind"))
