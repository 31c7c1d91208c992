"""Model files: opened, with the specifications of their inputs."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from metannvis_methods.inputs import InputSpec, input_specs

from metannvis_cli.inputs import read_inputs
from metannvis_cli.options.inputs import InputOptions
from metannvis_cli.options.model import ModelOptions
from metannvis_cli.progress import Console

__all__ = ["Opened", "open_model"]


@dataclass(frozen=True)
class Opened:
    """A model, its framework's key, what it takes, and the shape that the caller stated for its one input."""

    model: Any
    framework: str
    specs: tuple[InputSpec, ...]
    stated: tuple[int, ...] | None = None

    def inputs(self, options: InputOptions, console: Console) -> Any:
        """What ``--input`` names, as arrays; ``None`` if nothing."""
        return read_inputs(options, self.specs, console)

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
    return Opened(model, framework, input_specs(model, framework, shape), shape)


@contextmanager
def _current_folder() -> Iterator[None]:
    """Import from the current folder too, where a user's own module lies, as ``python -m`` does."""
    here = str(Path.cwd())
    sys.path.insert(0, here)
    try:
        yield
    finally:
        sys.path.remove(here)
