"""HTML reports: a page of results that opens offline, with its pictures inside it, no scripts, nothing loaded."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable, Mapping
from html import escape
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from metannvis_translate.errors import InvalidArgumentError
from metannvis_translate.writing import write_bytes

from metannvis_plot.canvas import check_path, png
from metannvis_plot.captions import layer_text, number, plain, target_text, translation_text
from metannvis_plot.dispatch import plot
from metannvis_plot.subjects import is_comparison, is_explanation

# Nothing may be loaded but the pictures in the page itself, whatever a label says.
_POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"
_STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; color: #1a1a1a; background: #fff;
  max-width: 75rem; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.6rem; }
h2 { font-size: 1.2rem; margin-top: 2.5rem; border-top: 1px solid #ccc; padding-top: 1rem; }
img { max-width: 100%; height: auto; }
table { border-collapse: collapse; margin: 1rem 0; }
th, td { text-align: left; vertical-align: top; padding: 0.2rem 1rem 0.2rem 0;
  border-bottom: 1px solid #e5e5e5; }
th { font-weight: 600; white-space: nowrap; }
td { overflow-wrap: anywhere; }
td.number { text-align: right; font-variant-numeric: tabular-nums; }
pre { background: #f6f6f6; padding: 0.8rem; overflow-x: auto; font-size: 0.85rem; }
"""
_LONG = 400  # characters of an option's value
_VALUES = 8  # numbers of a convergence delta


def report(
    results: Any,
    path: str | Path | None = None,
    *,
    title: str = "MetaNNvis report",
    preface: str | None = None,
    dpi: int = 110,
    **options: Any,
) -> str:
    """A self-contained HTML page of results: for each a figure, and all that is known of it.

    Parameters
    ----------
    results : Explanation, Comparison, an iterable of them, or a mapping of headings to them
    path : str or Path, optional
        Also writes the page there, in UTF-8.
    title : str
    preface : str, optional
        Text above the results as it is, e.g. the translation's report.
    dpi : int
        Resolution of the figures.
    **options
        What :func:`~metannvis_plot.plot` takes, for every figure of the page.

    Returns
    -------
    str
        The page. It holds no script and no address, and every text in it is escaped.

    Raises
    ------
    InvalidArgumentError
        If there is nothing to report, something is no result, or the path cannot be written to.
    """
    target = _check(path)
    sections = _sections(results)
    bodies = []
    for number_, (heading, result) in enumerate(sections, 1):
        figure = plot(result, **options)
        bodies.append(_section(number_, heading, result, figure, dpi))
    index = ""
    if len(sections) > 1:
        items = "".join(f'<li><a href="#r{k}">{_text(head)}</a></li>' for k, (head, _) in enumerate(sections, 1))
        index = f"<nav><ol>{items}</ol></nav>\n"
    before = f"<pre>{_text(preface)}</pre>\n" if preface else ""
    page = (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8"/>\n'
        f'<meta http-equiv="Content-Security-Policy" content="{escape(_POLICY)}"/>\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1"/>\n'
        f"<title>{_text(title)}</title>\n<style>{_STYLE}</style>\n</head>\n<body>\n"
        f"<h1>{_text(title)}</h1>\n{before}{index}{''.join(bodies)}</body>\n</html>\n"
    )
    if target is not None:
        write_bytes(target, page.encode("utf-8"))
    return page


def facts(result: Any) -> list[tuple[str, str]]:
    """What is known of an explanation, as rows of name and text."""
    rows = [
        ("Method", plain(result.method)),
        ("Toolset", plain(result.toolset)),
        ("Kind", plain(getattr(result, "kind", None) or "not recorded")),
        ("Layer", layer_text(result).removeprefix("layer ")),
        ("Target", target_text(result).removeprefix("target ").removeprefix("targets ")),
        ("Translation", translation_text(result, layers=True)),
        ("Convergence delta", _delta(getattr(result, "convergence_delta", None))),
        ("Values", _shapes(result.values, result.axes)),
    ]
    seconds = getattr(result, "seconds", None)
    if seconds is not None:
        rows.append(("Time", f"{float(seconds):.2f} s"))
    options = getattr(result, "options", None) or {}
    rows += [(f"Option {plain(name)}", _option(value)) for name, value in options.items()]
    return rows if options else [*rows, ("Options", "defaults")]


def _section(position: int, heading: str, result: Any, figure: Figure, dpi: int) -> str:
    picture = base64.b64encode(png(figure, dpi)).decode("ascii")
    width = int(figure.get_size_inches()[0] * 96)
    explained = list(result.explanations) if is_comparison(result) else [result]
    parts = [
        f'<section id="r{position}">\n<h2>{_text(heading)}</h2>\n',
        f'<img alt="{_text(heading)}" width="{width}" src="data:image/png;base64,{picture}"/>\n',
    ]
    if is_comparison(result):
        parts.append(_differences(result))
    parts.append(_table([facts(item) for item in explained]))
    return "".join([*parts, "</section>\n"])


def _table(columns: list[list[tuple[str, str]]]) -> str:
    """One row for each fact, one column for each result."""
    known = [dict(column) for column in columns]
    names = list(dict.fromkeys(name for column in columns for name, _ in column))
    rows = ""
    for name in names:
        cells = "".join(f"<td>{_text(column.get(name, '–'))}</td>" for column in known)
        rows += f"<tr><th>{_text(name)}</th>{cells}</tr>\n"
    return f"<table>\n{rows}</table>\n"


def _differences(result: Any) -> str:
    rows = [row for row in getattr(result, "rows", ()) if isinstance(row, Mapping)]
    aligned = "aligned" if getattr(result, "aligned", False) else "not aligned: each toolkit's own"
    notes = "".join(f" {_text(note)}." for note in getattr(result, "notes", ()))
    text = f"<p>Defaults {aligned}.{notes}</p>\n"
    if not rows:
        return text
    names = list(dict.fromkeys(name for row in rows for name in row))
    head = "".join(f"<th>{_text(name)}</th>" for name in names)
    body = "".join("<tr>" + "".join(_cell(row.get(name)) for name in names) + "</tr>\n" for row in rows)
    return f"{text}<table>\n<tr>{head}</tr>\n{body}</table>\n"


def _cell(value: Any) -> str:
    if isinstance(value, float | np.floating):
        shown = float(value)
        digits = 6 if 0.9 < abs(shown) < 1 else 3  # a cosine of 0.99999 is not 1
        return f'<td class="number">{_text(f"{shown:.{digits}g}")}</td>'
    return f"<td>{_text(value)}</td>"


def _sections(results: Any) -> list[tuple[str, Any]]:
    if is_explanation(results) or is_comparison(results):
        results = [results]
    if isinstance(results, Mapping):
        found = [(plain(heading), result) for heading, result in results.items()]
    elif isinstance(results, Iterable) and not isinstance(results, str | bytes):
        found = [(_heading(result), result) for result in results]
    else:
        raise InvalidArgumentError(f"a report is made of results, not of {type(results).__name__}")
    if not found:
        raise InvalidArgumentError("a report needs at least one result")
    for _, result in found:
        _check_result(result)
    return found


def _heading(result: Any) -> str:
    _check_result(result)
    if is_comparison(result):
        toolsets = ", ".join(dict.fromkeys(plain(item.toolset) for item in result.explanations))
        return f"{plain(getattr(result, 'method', 'comparison'))}: {toolsets} compared"
    layer = getattr(result, "layer", None)
    return f"{plain(result.method)} ({plain(result.toolset)})" + (f", layer {plain(layer)}" if layer else "")


def _check_result(result: Any) -> None:
    if not (is_explanation(result) or is_comparison(result)):
        raise InvalidArgumentError(f"a report is made of results, not of {type(result).__name__}")


def _check(path: str | Path | None) -> Path | None:
    target = check_path(path, endings=())
    if target is not None and target.is_dir():
        raise InvalidArgumentError(f"{str(target)!r} is a folder: name a file, such as report.html")
    return target


def _delta(delta: Any) -> str:
    if delta is None:
        return "none (the method has none)"
    values = np.asarray(delta, dtype=float).ravel()
    shown = ", ".join(number(value) for value in values[:_VALUES])
    return shown + (f", … ({values.size} samples)" if values.size > _VALUES else "")


def _shapes(values: Any, axes: Any) -> str:
    parts = values if isinstance(values, tuple) else (values,)
    letters = axes if isinstance(axes, tuple) else (axes,) * len(parts)
    return "; ".join(f"{np.shape(part)} {plain(letter)}" for part, letter in zip(parts, letters, strict=True))


def _option(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value, default=repr, ensure_ascii=False)
    text = plain(text)
    return text if len(text) <= _LONG else f"{text[:_LONG]}… ({len(text)} characters)"


def _text(value: Any) -> str:
    """`value` escaped, without the control characters and lone surrogates that no page may hold."""
    kept = (
        c if c in "\n\t" or c.isprintable() or c == "\N{NO-BREAK SPACE}" else "\N{REPLACEMENT CHARACTER}"
        for c in str(value)
    )
    return escape("".join(kept), quote=True)
