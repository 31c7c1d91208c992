"""Model files: opened, with the specifications of their inputs."""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import click
from metannvis_methods.inputs import FileInputs, InputSpec, input_specs

from metannvis_cli.errors import Failure, message_of
from metannvis_cli.export_lines import lines_for, needs_lines
from metannvis_cli.inputs import are_images, read_files
from metannvis_cli.options.inputs import InputOptions
from metannvis_cli.options.model import ModelOptions
from metannvis_cli.outputs import Names
from metannvis_cli.progress import Console
from metannvis_cli.tables import shape_text

__all__ = ["Given", "Opened", "holds_weights", "open_model"]

#: What the message of a library says where a model file can be made of the file.
LINES = " (`metannvis export-help FILE` has the lines)"


@dataclass(frozen=True)
class Given:
    """What a model is given: words of ``explain``, and what samples, features and tokens are called."""

    words: dict[str, Any]
    names: Names


@dataclass(frozen=True)
class Opened:
    """A model file, opened: its framework's key, what it takes, the shape that the caller stated for its one input.

    What was found out about it is kept in ``known``.
    """

    path: Path
    model: Any
    framework: str
    specs: tuple[InputSpec, ...]
    stated: tuple[int, ...] | None = None
    known: dict[str, Any] = field(default_factory=dict)

    def read(self, options: InputOptions, console: Console) -> FileInputs:
        """What ``--input`` names, with the names of features and tokens."""
        return read_files(self.settled(options, console), self.specs, console)

    def inputs(self, options: InputOptions, console: Console) -> Any:
        """What ``--input`` names, as arrays; ``None`` if nothing."""
        return self.read(options, console).arrays

    def settled(self, options: InputOptions, console: Console) -> InputOptions:
        """The options with the preprocessing of images: where none was asked for, what the model says, which is told."""
        if options.preprocess is not None or not are_images(options):
            return options
        if "preprocess" not in self.known:
            from metannvis_cli.preprocessing import preprocessing_of

            self.known["preprocess"] = preprocessing_of(
                self.path, self.model, self.framework, self.specs, options, console
            )
        return dataclasses.replace(options, preprocess=self.known["preprocess"])

    def explained(self, options: InputOptions, console: Console) -> Given:
        """What ``--input`` names, and what was done to images, as words of ``explain``."""
        options = self.settled(options, console)
        read = self.read(options, console)
        names = Names(options.names, read.features, read.words)
        if read.arrays is None or options.preprocess is None:
            return Given({"inputs": read.arrays}, names)
        from metannvis_methods.inputs import Preprocessed, preprocessing

        known = options.of(preprocessing(options.preprocess))
        return Given({"inputs": Preprocessed(read.arrays), "preprocess": known}, names)

    def inputs_or_examples(self, options: InputOptions, console: Console, *, batch: int = 2, seed: int = 0) -> Any:
        """What ``--input`` names, else random inputs of the declared shapes.

        Raises
        ------
        MissingArgumentError
            Nothing is named, and the model declares no shapes.
        """
        import numpy as np
        from metannvis_translate.frameworks import get_framework

        arrays = self.inputs(options, console)
        if arrays is not None:
            return arrays
        if self.stated is not None:
            return np.random.default_rng(seed).standard_normal(self.stated).astype(np.float32)
        examples = get_framework(self.framework).example_inputs(self.model, batch, seed)
        return tuple(examples) if len(examples) > 1 else examples[0]


def open_model(path: Path, options: ModelOptions, console: Console, *, shape: tuple[int, ...] | None = None) -> Opened:
    """Load a model file.

    Parameters
    ----------
    path
        Of the file.
    options
        How it is opened.
    console
        Told the progress.
    shape
        Shape of its one input, if it declares none.

    Raises
    ------
    click.UsageError
        It is no model file by its name, or ``--architecture`` or ``--input-shape`` is not for it.
    Failure
        It holds weights, or what runs code when it is opened; the message shows the lines that make a model file of it.
    MetannvisError
        See ``metannvis_translate.load_model``.
    """
    from metannvis_translate import detect_framework, load_model
    from metannvis_translate.errors import MetannvisError

    _check_name(path, options)
    console.progress(0, 1, f"open {path.name}")
    try:
        with _current_folder() if options.architecture is not None else nullcontext():
            model = load_model(path, trust=options.trust, architecture=options.architecture)
    except MetannvisError as error:
        if console.debug or LINES not in str(error):
            raise
        raise Failure(f"{message_of(error).replace(LINES, '')}\n\n{lines_for(path)}".rstrip()) from error
    framework = detect_framework(model)
    return Opened(path, model, framework, _specs(model, framework, shape), shape)


def holds_weights(path: Path) -> bool:
    """Whether a file may hold a state dict, by its ending."""
    from metannvis_translate.frameworks import get_framework

    return path.suffix.lower() in get_framework("torch").suffixes and path.suffix.lower() != ".pt2"


def _check_name(path: Path, options: ModelOptions) -> None:
    """Refuse what is no model file, and an architecture of one that has its own."""
    from metannvis_translate.errors import UnknownFrameworkError
    from metannvis_translate.frameworks import framework_of_file

    try:
        framework_of_file(path)
    except UnknownFrameworkError as error:
        how = f"; `metannvis export-help {path}` says how to make one of it" if needs_lines(path) else ""
        raise click.UsageError(f"{error}{how}") from error
    if options.architecture is not None and not holds_weights(path):
        raise click.BadParameter(f"a state dict needs one, and {path.name} holds its own", param_hint="--architecture")


def _specs(model: Any, framework: str, shape: tuple[int, ...] | None) -> tuple[InputSpec, ...]:
    """What a model takes: as it declares, else as the caller stated, who is refused where the two differ."""
    declared = input_specs(model, framework)
    if shape is not None and declared:
        known = declared[0].shape
        fits = len(known) == len(shape) and all(size in (None, n) for size, n in zip(known, shape, strict=True))
        if len(declared) > 1 or not fits:
            said = ", ".join(shape_text(spec.shape) for spec in declared)
            raise click.BadParameter(f"the model takes {said}, not {shape_text(shape)}", param_hint="--input-shape")
    return input_specs(model, framework, shape)


@contextmanager
def _current_folder() -> Iterator[None]:
    """Import from the current folder too, where a user's own module lies, as ``python -m`` does."""
    here = str(Path.cwd())
    sys.path.insert(0, here)
    try:
        yield
    finally:
        sys.path.remove(here)
