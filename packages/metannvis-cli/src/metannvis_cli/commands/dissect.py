"""Network dissection: ``metannvis dissect``."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from metannvis_cli.options import completion
from metannvis_cli.options.command import json_option, work
from metannvis_cli.options.examples import example
from metannvis_cli.options.inputs import InputOptions, preprocess_option
from metannvis_cli.options.model import ModelOptions, model_argument, model_options
from metannvis_cli.progress import Console
from metannvis_cli.tables import echo_json, echo_table

if TYPE_CHECKING:
    from metannvis_methods import Dissection

#: Concepts that are named of each layer.
NAMED = 5
FOLDER = click.Path(exists=True, file_okay=False, path_type=Path)


@click.command(
    "dissect",
    epilog=example(
        "metannvis dissect net.pt2 --layer conv2 --concepts shapes --output units",
        "metannvis dissect net.pt2 --with net.onnx --layer convolutions --concepts shapes",
    ),
)
@model_argument
@click.option(
    "--layer",
    "-l",
    "layers",
    multiple=True,
    required=True,
    shell_complete=completion.layers,
    help="Name of a layer, as `metannvis layers` lists them, or convolutions; several: all of them.",
)
@click.option(
    "--with",
    "other",
    metavar="MODEL",
    type=click.Path(exists=True, path_type=Path),
    help="Another model, to be compared: which concepts both have, and which one alone.",
)
@click.option("--with-layer", "other_layers", multiple=True, help="Its layers; default: those of --layer.")
@click.option("--concepts", type=FOLDER, help="Labelled images in Broden's form: index.csv, label.csv and images/.")
@click.option("--split", help="Images of one split (train, val) of --concepts.")
@click.option("--category", "categories", multiple=True, help="Category of --concepts that counts; default: all.")
@click.option(
    "--images", type=FOLDER, help="Images without masks: a folder a class, or with --embeddings a folder of images."
)
@click.option(
    "--embeddings",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="An .npz file with the arrays names, concepts (a row a name) and images (a row an image, by file name).",
)
@click.option("--threshold", type=click.FloatRange(0, 1), help="Intersection over union of a detector; default: 0.04.")
@click.option(
    "--share", type=click.FloatRange(0, 1, min_open=True, max_open=True), help="Share of places in which a unit is on."
)
@click.option("--batch-size", type=click.IntRange(1), default=32, show_default=True, help="Images of a pass.")
@preprocess_option
@click.option(
    "--output",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("dissection"),
    show_default=True,
    help="Folder in which a dated folder is made: descriptions.csv, configuration.json, figures, result.",
)
@model_options
@json_option
@work
def command(
    path: Path,
    layers: Sequence[str],
    other: Path | None,
    other_layers: Sequence[str],
    concepts: Path | None,
    split: str | None,
    categories: Sequence[str],
    images: Path | None,
    embeddings: Path | None,
    threshold: float | None,
    share: float | None,
    batch_size: int,
    preprocess: Any,
    output: Path,
    model: ModelOptions,
    as_json: bool,
    console: Console,
) -> None:
    """Tell for each unit of some layers of MODEL which concept it stands for.

    By masks (--concepts), the classes of images (--images), or given embeddings of images and words (--images, --embeddings).
    """
    from metannvis_cli.errors import wrong_usage

    if (concepts is None) == (images is None):
        raise click.UsageError("give --concepts, or --images")
    if embeddings is not None and images is None:
        raise click.BadParameter("embeddings are of --images", param_hint="--embeddings")
    if (split is not None or categories) and concepts is None:
        raise click.UsageError("--split and --category are of --concepts")
    if other_layers and other is None:
        raise click.BadParameter("they are of a second model: give --with", param_hint="--with-layer")
    with wrong_usage():
        _check_folder(output)
        files, known = (
            _labelled(concepts, split, categories)
            if concepts is not None
            else _unlabelled(images or Path(), embeddings)
        )
    options = {"batch_size": batch_size, "threshold": threshold, "share": share}
    words = {name: value for name, value in options.items() if value is not None}
    asked = [(path, layers), *([(other, other_layers or layers)] if other is not None else [])]
    found = [
        _dissected(file, names, files, known, preprocess, model, console, masks=concepts is not None, **words)
        for file, names in asked
    ]
    folders = [_write(result, output, file) for result, (file, _) in zip(found, asked, strict=True)]
    console.clear()
    apart = None
    if other is not None:
        from metannvis_plot import plot

        apart = found[0].compare(found[1], (path.name, other.name))
        apart.save(folders[0] / "comparison.npz")
        if apart.concepts:
            plot(apart, path=folders[0] / "comparison.png")
    if as_json:
        echo_json(_as_dict(found, asked, folders, apart))
        return
    for result, (file, _), folder in zip(found, asked, folders, strict=True):
        _echo(result, file, folder)
    if apart is not None:
        click.echo(f"{apart}")
        for name, value in apart.rows():
            click.echo(f"{name}: {value}")


def _check_folder(folder: Path) -> None:
    """Refuse a folder in which nothing can be made, before time is spent."""
    from metannvis_translate.writing import check_target

    there = next(path for path in (folder.absolute(), *folder.absolute().parents) if path.exists())
    check_target(there / "dissection")


def _labelled(folder: Path, split: str | None, categories: Sequence[str]) -> tuple[list[Path], Any]:
    from metannvis_methods import read_broden

    found = read_broden(folder, split=split, categories=categories or None)
    return list(found.images), found


def _unlabelled(folder: Path, embeddings: Path | None) -> tuple[list[Path], Any]:
    """Images of a folder, with their classes or their embeddings."""
    from metannvis_methods import ClassConcepts, EmbeddingConcepts
    from metannvis_methods.errors import InvalidArgumentError
    from metannvis_methods.toolsets.metannvis.dissection.image_streams import files_of
    from metannvis_translate.reading import read_npz

    files = files_of(folder)
    if embeddings is None:
        inner = [file.relative_to(folder).parts[:-1] for file in files]
        if not all(inner):
            raise InvalidArgumentError(f"{folder}: images lie in a folder a class; for others give --embeddings")
        return files, ClassConcepts([parts[0] for parts in inner])
    arrays = read_npz(embeddings)
    lacking = [name for name in ("names", "concepts", "images") if name not in arrays]
    if lacking:
        raise InvalidArgumentError(f"{embeddings.name} lacks {', '.join(lacking)}: it holds names, concepts and images")
    return files, EmbeddingConcepts([str(name) for name in arrays["names"]], arrays["images"], arrays["concepts"])


def _dissected(
    path: Path,
    layers: Sequence[str],
    files: Sequence[Path],
    known: Any,
    preprocess: Any,
    options: ModelOptions,
    console: Console,
    *,
    masks: bool,
    **words: Any,
) -> Dissection:
    from metannvis_methods import dissect
    from metannvis_methods.inputs import preprocessing

    from metannvis_cli.models import open_model
    from metannvis_cli.preprocessing import preprocessing_of

    opened = open_model(path, options, console)
    if preprocess is None:
        first = InputOptions(files=(str(files[0]),))
        preprocess = preprocessing_of(path, opened.model, opened.framework, opened.specs, first, console)
    pixels = preprocessing(preprocess)
    if masks and pixels.crop:
        console.note("images are not cut, since masks lie over whole ones")
        pixels = dataclasses.replace(pixels, crop=False)
    asked: Any = "convolutions" if tuple(layers) == ("convolutions",) else list(layers)
    console.begin(path.name)
    return dissect(opened.model, asked, list(files), known, preprocess=pixels, progress=console.progress, **words)


def _write(result: Dissection, output: Path, path: Path) -> Path:
    """The dated folder of a result, with its figures."""
    from metannvis_plot import plot

    folder = result.write(output, path.stem)
    plot(result, path=folder / "concepts.png")
    if result.detects.any() and result.thumbnails is not None:
        plot(result, kind="units", path=folder / "units.png")
    return folder


def _echo(result: Dissection, path: Path, folder: Path) -> None:
    rows = []
    for number, name in enumerate(result.layers):
        most = list(result.histogram(name).items())
        said = ", ".join(f"{concept} ({count})" for concept, count in most[:NAMED]) + (
            ", …" if len(most) > NAMED else ""
        )
        inside = result.layer == number
        rows.append((name, str(int(inside.sum())), str(int(result.detects[inside].sum())), str(len(most)), said))
    click.echo(f"{path.name}:")
    echo_table(("LAYER", "UNITS", "DETECTORS", "CONCEPTS", "MOST UNITS"), rows)
    click.echo(f"wrote {folder}")


def _as_dict(found: Sequence[Any], asked: Sequence[Any], folders: Sequence[Path], apart: Any) -> dict[str, Any]:
    models = [
        {
            "model": str(file),
            "folder": str(folder),
            "configuration": dict(result.configuration),
            "histograms": {name: result.histogram(name) for name in result.layers},
            "units": result.table(),
            "seconds": result.seconds,
        }
        for result, (file, _), folder in zip(found, asked, folders, strict=True)
    ]
    shared = None if apart is None else {"shared": apart.shared, "exclusive": [apart.exclusive(0), apart.exclusive(1)]}
    return {"models": models, "comparison": shared}
