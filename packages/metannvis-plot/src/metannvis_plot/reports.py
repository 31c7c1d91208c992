"""HTML reports: a page of results that opens offline and loads nothing, its pictures and arrays inside it."""

from __future__ import annotations

import base64
import hashlib
import io
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from importlib.resources import files
from pathlib import Path
from typing import Any, Unpack

import jinja2
import numpy as np
from markupsafe import Markup
from metannvis_translate.errors import InvalidArgumentError
from metannvis_translate.writing import write_bytes

from metannvis_plot.canvas import check_path
from metannvis_plot.captions import layer_text, number, plain, target_text, translation_text
from metannvis_plot.dispatch import plot
from metannvis_plot.options import ReportOptions
from metannvis_plot.report_cards import Card, address, cards, drawn
from metannvis_plot.scores import is_evaluation, measured
from metannvis_plot.subjects import is_comparison, is_explanation

_LONG = 400  # characters of an option's value
_VALUES = 8  # numbers of a convergence delta
LONG = 11  # times the shorter side of a picture that its longer side is at most: one of a single row can be seen
ARRAYS = 4 * 2**20  # bytes of all arrays that a page holds


@dataclass(frozen=True)
class _Table:
    rows: list[tuple[str, ...]]
    head: tuple[str, ...] = ()


@dataclass(frozen=True)
class _File:
    """An array that the page holds, or why it does not."""

    name: str
    size: str
    href: str = ""


@dataclass(frozen=True)
class _Section:
    """One result of a page."""

    anchor: str
    heading: str
    method: str
    layer: str
    cards: list[Card]
    meaning: str = ""
    warnings: tuple[str, ...] = ()
    said: str = ""
    tables: list[_Table] = field(default_factory=list)
    repeat: str = ""
    files: list[_File] = field(default_factory=list)
    opened: bool = False


def report(
    results: Any,
    path: str | Path | None = None,
    *,
    title: str = "MetaNNvis report",
    lead: str | None = None,
    preface: str | None = None,
    command: str | None = None,
    arrays: bool = True,
    dpi: int = 110,
    **options: Unpack[ReportOptions],
) -> str:
    """A self-contained HTML page of results: pictures first, and all that is known of them folded away.

    Where values lie over an image, a card a sample has the map apart from the image, so that a reader can change its opacity;
    methods, layers, targets and samples can be chosen, pictures enlarged, by mouse or keyboard. Without JavaScript and in print
    every result is shown.

    Parameters
    ----------
    results : Explanation, Comparison, Evaluation, an iterable of them, or a mapping of headings to them
        Of an evaluation the table and the ranking are shown, and the explanations that were measured after it.
    path : str or Path, optional
        Also writes the page there, in UTF-8.
    title : str
    lead : str, optional
        What the page shows, in a sentence.
    preface : str, optional
        Text below the results as it is, folded away, e.g. the translation's report.
    command : str, optional
        The command line that makes the page.
    arrays : bool
        Whether the values can be saved from the page, as long as all of them come to at most 4 MiB.
    dpi : int
        Resolution of the figures.
    **options
        What :func:`~metannvis_plot.plot` takes, for every result of the page.

    Returns
    -------
    str
        The page. It holds no address but of itself, its one script is named by its hash, and every text in it is escaped.

    Raises
    ------
    InvalidArgumentError
        If there is nothing to report, something is no result, or the path cannot be written to.
    """
    target = _check(path)
    left = ARRAYS if arrays else 0
    sections = []
    for position, (heading, result) in enumerate(_sections(results), 1):
        if is_evaluation(result):
            shown = [drawn(plot(result), heading, dpi)]
            sections.append(_evaluated(position, heading, result, shown))
            continue
        kept, left = _files(result, position, left) if arrays else ([], 0)
        sections.append(_section(position, heading, result, cards(result, heading, dpi, options), kept))
    style, script = _own("report.css"), _own("report.js")
    inputs, shared = _shared([card for section in sections for card in section.cards if card.map])
    page = _template().render(
        title=title,
        lead=lead,
        preface=preface,
        command=command,
        sections=sections,
        inputs=inputs,
        shared=Markup(shared),
        style=Markup(style),
        script=Markup(script),
        policy=f"default-src 'none'; img-src data:; style-src {_hash(style)} {_hash(shared)}; script-src {_hash(script)}",
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


def _template() -> jinja2.Template:
    environment = jinja2.Environment(
        autoescape=True, undefined=jinja2.StrictUndefined, finalize=_clean, keep_trailing_newline=True
    )
    return environment.from_string(_own("report.html.j2"))


def _own(name: str) -> str:
    return files("metannvis_plot").joinpath("page", name).read_text(encoding="utf-8")


def _shared(blended: list[Card]) -> tuple[dict[str, str], str]:
    """Classes of the images beneath maps, by address, and the styles that give them their image: each stands once in a page."""
    sizes = {card.picture: (card.width, card.height) for card in blended}
    classes = {picture: f"image{k}" for k, picture in enumerate(sizes)}
    rules = []
    for picture, (width, height) in sizes.items():
        ratio = min(max(width / height, 1 / LONG), LONG)
        rules.append(
            f".{classes[picture]} {{ --ratio: {ratio:.6g}; aspect-ratio: var(--ratio); background-image: url({picture}); }}"
        )
    return classes, "\n".join(rules)


def _hash(text: str) -> str:
    """Name of a style or a script in a page's content security policy."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def _clean(value: Any) -> Any:
    """A text without the control characters and lone surrogates that no page may hold; it is escaped after it."""
    if not isinstance(value, str) or hasattr(value, "__html__"):
        return value
    return "".join(
        c if c in "\n\t" or c.isprintable() or c == "\N{NO-BREAK SPACE}" else "\N{REPLACEMENT CHARACTER}" for c in value
    )


def _section(position: int, heading: str, result: Any, shown: list[Card], kept: list[_File]) -> _Section:
    explained = list(result.explanations) if is_comparison(result) else [result]
    said, tables = "", [_table([facts(item) for item in explained])]
    if is_comparison(result):
        aligned = "aligned" if getattr(result, "aligned", False) else "not aligned: each toolkit's own"
        notes = "; ".join(getattr(result, "notes", ()))
        said = f"Defaults {aligned}" + (f" ({notes})." if notes else ".")
        tables = [*_differences(result), *tables]
    warnings = dict.fromkeys(plain(text) for item in explained for text in getattr(item, "warnings", ()) or ())
    return _Section(
        anchor=f"r{position}",
        heading=heading,
        method=plain(explained[0].method),
        layer=plain(getattr(explained[0], "layer", None) or ""),
        cards=shown,
        meaning=_meaning(explained[0]),
        warnings=tuple(warnings),
        said=said,
        tables=tables,
        repeat=_repeat(explained),
        files=kept,
    )


def _evaluated(position: int, heading: str, result: Any, shown: list[Card]) -> _Section:
    """The table of metrics, the ranking, the options of each metric, and what failed."""
    header, cells = result.table()
    ranked: list[tuple[str, ...]] = [
        (plain(row["method"]), _score(row["rank"]), _score(row["spread"]), f"{100 * row['scored']:.0f} %")
        for row in result.rank()
    ]
    about: list[tuple[str, ...]] = [
        (plain(name), plain(row["provider"]), plain(row["category"]), _option(row.get("options", {})))
        for name, row in zip(result.metrics, result.rows, strict=True)
    ]
    failed = [f"{' of '.join(plain(k) for k in key[::-1] if k)}: {plain(text)}" for key, text in result.errors.items()]
    return _Section(
        anchor=f"r{position}",
        heading=heading,
        method="evaluation",
        layer="",
        cards=shown,
        warnings=(*failed, *map(plain, result.notes)),
        tables=[
            _Table([tuple(map(plain, row)) for row in cells], tuple(map(plain, header))),
            _Table(ranked, ("method", "mean rank", "spread", "scores there are")),
            _Table(about, ("metric", "provider", "category", "options")),
        ],
        opened=True,
    )


def _score(value: float) -> str:
    return "–" if value != value else f"{value:.2f}"


def _meaning(result: Any) -> str:
    """What a method's values mean, and its caveats, in a line; empty for a method that nobody knows."""
    from metannvis_methods import find_methods

    try:
        row = find_methods(result.method, result.toolset)[0]
    except (LookupError, ValueError, TypeError, AttributeError):
        return ""
    sentences = [text[:1].upper() + text[1:].removesuffix(".") for text in (row.summary, *row.caveats) if text]
    return " ".join(f"{text}." for text in sentences)


def _repeat(explained: list[Any]) -> str:
    """Model, versions and words of the calls, as JSON."""
    records = [getattr(result, "record", None) for result in explained]
    found = [
        {
            "method": plain(result.method),
            "toolset": plain(result.toolset),
            "model": dict(record.model),
            "versions": dict(record.versions),
            "words": {name: _option(value) for name, value in record.words.items()},
        }
        for result, record in zip(explained, records, strict=True)
        if record is not None
    ]
    return (
        json.dumps(found[0] if len(found) == 1 else found, indent=1, ensure_ascii=False, default=str) if found else ""
    )


def _files(result: Any, position: int, left: int) -> tuple[list[_File], int]:
    """The values of a result as a file in the page, and how many bytes are left for others."""
    if is_comparison(result):
        return [], left
    parts = result.values if isinstance(result.values, tuple) else (result.values,)
    named = {
        "values" if len(parts) == 1 else f"values_{k}": np.asarray(v) for k, v in enumerate(parts) if v is not None
    }
    name = f"{position}-{''.join(c if c.isalnum() else '_' for c in str(result.method))}.npz"
    size = sum(array.nbytes for array in named.values())
    if size > left:
        return [
            _File(name, f"The values ({_size(size)}) are too large for the page: Explanation.save writes them.")
        ], left
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **named)  # type: ignore[arg-type]  # the stubs take it for allow_pickle
    return [_File(name, f"values, {_size(size)}", address(buffer.getvalue(), "application/octet-stream"))], left - size


def _size(count: int) -> str:
    return f"{count} bytes" if count < 1000 else f"{count / 1e3:.0f} kB" if count < 1e6 else f"{count / 1e6:.1f} MB"


def _table(columns: list[list[tuple[str, str]]]) -> _Table:
    """One row for each fact, one column for each result."""
    known = [dict(column) for column in columns]
    names = dict.fromkeys(name for column in columns for name, _ in column)
    return _Table([(name, *(column.get(name, "–") for column in known)) for name in names])


def _differences(result: Any) -> list[_Table]:
    rows = [row for row in getattr(result, "rows", ()) if isinstance(row, Mapping)]
    names = tuple(dict.fromkeys(name for row in rows for name in row))
    return [_Table([tuple(_cell(row.get(name)) for name in names) for row in rows], names)] if rows else []


def _cell(value: Any) -> str:
    if isinstance(value, float | np.floating):
        shown = float(value)
        digits = 6 if 0.9 < abs(shown) < 1 else 3  # a cosine of 0.99999 is not 1
        return f"{shown:.{digits}g}"
    return str(value)


def _sections(results: Any) -> list[tuple[str, Any]]:
    if is_explanation(results) or is_comparison(results) or is_evaluation(results):
        results = [results]
    if isinstance(results, Mapping):
        found = [(plain(heading), result) for heading, result in results.items()]
    elif isinstance(results, Iterable) and not isinstance(results, str | bytes):
        found = [(_heading(result), result) for result in results]
    else:
        raise InvalidArgumentError(f"a report is made of results, not of {type(results).__name__}")
    found = [
        pair
        for heading, result in found
        for pair in [(heading, result), *(measured(result) if is_evaluation(result) else ())]
    ]
    if not found:
        raise InvalidArgumentError("a report needs at least one result")
    for _, result in found:
        _check_result(result)
    return found


def _heading(result: Any) -> str:
    _check_result(result)
    if is_evaluation(result):
        return "Evaluation"
    if is_comparison(result):
        toolsets = ", ".join(dict.fromkeys(plain(item.toolset) for item in result.explanations))
        return f"{plain(getattr(result, 'method', 'comparison'))}: {toolsets} compared"
    layer = getattr(result, "layer", None)
    return f"{plain(result.method)} ({plain(result.toolset)})" + (f", layer {plain(layer)}" if layer else "")


def _check_result(result: Any) -> None:
    if not (is_explanation(result) or is_comparison(result) or is_evaluation(result)):
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
