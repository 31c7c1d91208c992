"""Options of metrics: which ones, what they are told, and where the object is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from metannvis_cli.options import completion
from metannvis_cli.options.grouping import as_one
from metannvis_cli.options.method import literal
from metannvis_cli.options.values import shape_of

__all__ = ["MetricOptions", "metric_options"]


@dataclass(frozen=True)
class MetricOptions:
    """Metrics as they were typed.

    Attributes
    ----------
    metrics
        Names; none: a few quick ones.
    metric_options
        ``METRIC:NAME=VALUE`` each.
    masks
        File of an array of where the object is, and the input that it is said of; an empty name: the only one.
    of
        Name or place of the input that is measured, of a model with several.
    window, overlap
        Size of the windows that inputs are cut into, and the share that they have in common.
    """

    metrics: tuple[str, ...] = ()
    metric_options: tuple[str, ...] = ()
    masks: tuple[str, Path] | None = None
    of: str | None = None
    window: tuple[int, ...] | None = None
    overlap: float | None = None

    def words(self) -> dict[str, Any]:
        """What was given, as :func:`metannvis_methods.evaluate` takes it.

        Raises
        ------
        click.BadParameter
            An option does not read so, or is of no metric of the call; the file of masks is none.
        MetannvisError
            There is no such metric, or it has no such option.
        """
        from metannvis_methods import find_metric

        for name in self.metrics:
            spec = find_metric(name)
            if "mask" in spec.needs and self.masks is None:
                raise click.BadParameter(f"{spec.name} is of where the object is: give --masks", param_hint="--metric")
        options = _scoped(self.metric_options, self.metrics)
        for name, given in options.items():
            find_metric(name).options(given)
        found: dict[str, Any] = {"metrics": list(self.metrics) or None, "options": options, "masks": _masks(self.masks)}
        if self.of is not None:
            found["of"] = _place(self.of)
        if self.window is not None:
            found["crops"] = {"window": self.window, "overlap": self.overlap or 0.0}
        elif self.overlap is not None:
            raise click.BadParameter("windows overlap: give --window", param_hint="--overlap")
        return found


def _scoped(texts: Sequence[str], metrics: Sequence[str]) -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = {}
    for text in texts:
        left, sign, value = text.partition("=")
        metric, colon, name = left.rpartition(":")
        if not sign or not colon or not name.strip().isidentifier():
            raise click.BadParameter(f"{text!r} has to read METRIC:NAME=VALUE", param_hint="--metric-option")
        if metrics and metric not in metrics:
            raise click.BadParameter(f"{metric} is no metric of this call", param_hint="--metric-option")
        found.setdefault(metric, {})[name.strip()] = literal(value.strip())
    return found


def _masks(given: tuple[str, Path] | None) -> Any:
    if given is None:
        return None
    name, path = given
    array = _array(path)
    return {_place(name): array} if name else array


def _place(name: str) -> str | int:
    return int(name) if name.isdecimal() else name


def _named_file(ctx: click.Context, parameter: click.Parameter, value: str | None) -> tuple[str, Path] | None:
    """``FILE`` or ``NAME=FILE``; a file that is there is meant as it stands."""
    if value is None:
        return None
    name, sign, rest = value.partition("=")
    name, path = ("", Path(value)) if not sign or Path(value).exists() else (name, Path(rest))
    if not path.is_file():
        raise click.BadParameter(f"there is no file {str(path)!r}")
    return name, path


def _array(path: Path) -> Any:
    if path.suffix.lower() == ".npy":
        from metannvis_translate.reading import read_npy

        return read_npy(path)
    from metannvis_methods.inputs import read_image

    image, _ = read_image(path, None, scale="none")
    return (image[0] > 0).any(0)  # of (1, C, H, W)


def _list(ctx: click.Context, parameter: click.Parameter, value: bool) -> None:
    if not value or ctx.resilient_parsing:
        return
    from metannvis_methods import list_metrics

    from metannvis_cli.tables import echo_table

    better = {"higher": "higher is better", "lower": "lower is better", "": ""}
    echo_table(
        ("METRIC", "CATEGORY", "DIRECTION", "WHAT IT IS"),
        [(spec.name, spec.category, better[spec.direction], spec.summary) for spec in list_metrics()],
    )
    ctx.exit()


metric_options = as_one(
    "metrics",
    MetricOptions,
    click.option(
        "--metric",
        "-M",
        "metrics",
        multiple=True,
        shell_complete=completion.metrics,
        help="Name of a metric, see --list; of a library PROVIDER:NAME. May be given several times. Default: a few quick ones.",
    ),
    click.option(
        "--metric-option",
        "-O",
        "metric_options",
        multiple=True,
        metavar="METRIC:NAME=VALUE",
        help="Option of a metric, as the documentation's table of metrics lists them.",
    ),
    click.option(
        "--masks",
        metavar="[NAME=]FILE",
        callback=_named_file,
        help="Where the object is: an .npy array, (N, H, W) or (H, W) for all samples, or an image that is black elsewhere. "
        "NAME says which input of a model with several.",
    ),
    click.option(
        "--of-input",
        "of",
        metavar="NAME",
        help="Of a model with several inputs, the one that is changed and whose map is measured; default: the places of all "
        "that are explained, ranked together.",
    ),
    click.option(
        "--window",
        metavar="H,W|D,H,W",
        callback=lambda ctx, param, value: shape_of(value),
        help="Cut inputs that are larger than what the model takes into windows of this size; scores are medians over them.",
    ),
    click.option(
        "--overlap",
        type=click.FloatRange(0, 1, max_open=True),
        help="Share of a window that it has in common with the next; default: 0.",
    ),
    click.option(
        "--list", is_flag=True, is_eager=True, expose_value=False, callback=_list, help="List the metrics, and end."
    ),
)
