"""Model files: opened, with the specifications of their inputs."""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from metannvis_methods.inputs import InputSpec, input_specs

from metannvis_cli.inputs import are_images, read_inputs
from metannvis_cli.options.inputs import InputOptions
from metannvis_cli.options.model import ModelOptions
from metannvis_cli.progress import Console

__all__ = ["Opened", "open_model"]


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

    def inputs(self, options: InputOptions, console: Console) -> Any:
        """What ``--input`` names, as arrays; ``None`` if nothing."""
        return read_inputs(self.settled(options, console), self.specs, console)

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

    def explained(self, options: InputOptions, console: Console) -> dict[str, Any]:
        """What ``--input`` names, and what was done to images, as words of ``explain``."""
        options = self.settled(options, console)
        arrays = self.inputs(options, console)
        if arrays is None or options.preprocess is None:
            return {"inputs": arrays}
        from metannvis_methods.inputs import Preprocessed, preprocessing

        known = preprocessing(options.preprocess)
        known = known if options.crop is None else dataclasses.replace(known, crop=options.crop)
        return {"inputs": Preprocessed(arrays), "preprocess": known}

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
    UnknownFrameworkError, UntrustedModelError, MissingFrameworkError
        See ``metannvis_translate.load_model``.
    """
    from metannvis_translate import detect_framework, load_model

    console.progress(0, 1, f"open {path.name}")
    with _current_folder() if options.architecture is not None else nullcontext():
        model = load_model(path, trust=options.trust, architecture=options.architecture)
    framework = detect_framework(model)
    return Opened(path, model, framework, input_specs(model, framework, shape), shape)


@contextmanager
def _current_folder() -> Iterator[None]:
    """Import from the current folder too, where a user's own module lies, as ``python -m`` does."""
    here = str(Path.cwd())
    sys.path.insert(0, here)
    try:
        yield
    finally:
        sys.path.remove(here)
