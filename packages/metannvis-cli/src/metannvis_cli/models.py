"""A model file, opened, with what it declares of its inputs."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from metannvis_cli.declared import Declared, declared_inputs
from metannvis_cli.inputs import read_inputs
from metannvis_cli.progress import Console

__all__ = ["Opened", "open_model"]


@dataclass(frozen=True)
class Opened:
    """A model, its framework's key, its declared inputs, and the shape that the caller stated for its one input."""

    model: Any
    framework: str
    declared: tuple[Declared, ...]
    stated: tuple[int, ...] | None = None

    def inputs(self, texts: Sequence[str], console: Console, *, scale: str = "unit", crop: bool = False) -> Any:
        """What ``--input`` names, as arrays; ``None`` if nothing."""
        return read_inputs(texts, self.declared, scale=scale, crop=crop, note=console.note)

    def inputs_or_examples(
        self,
        texts: Sequence[str],
        console: Console,
        *,
        scale: str = "unit",
        crop: bool = False,
        batch: int = 2,
        seed: int = 0,
    ) -> Any:
        """What ``--input`` names, else random inputs of the declared shapes.

        Raises
        ------
        MissingArgumentError
            Nothing is named, and the model declares no shapes.
        """
        import numpy as np
        from metannvis_translate.frameworks import get_framework

        given = self.inputs(texts, console, scale=scale, crop=crop)
        if given is not None:
            return given
        if self.stated is not None:
            return np.random.default_rng(seed).standard_normal(self.stated).astype(np.float32)
        arrays = get_framework(self.framework).example_inputs(self.model, batch, seed)
        return tuple(arrays) if len(arrays) > 1 else arrays[0]


def open_model(
    path: Path,
    console: Console,
    *,
    trust: bool = False,
    architecture: str | None = None,
    input_shape: tuple[int, ...] | None = None,
) -> Opened:
    """Load a model file.

    Raises
    ------
    UnknownFrameworkError, UntrustedModelError, MissingFrameworkError
        See ``metannvis_translate.load_model``.
    """
    from metannvis_translate import detect_framework, load_model

    console.progress(0, 1, f"open {path.name}")
    with _current_folder() if architecture is not None else nullcontext():
        model = load_model(path, trust=trust, architecture=architecture)
    framework = detect_framework(model)
    return Opened(model, framework, declared_inputs(model, framework, input_shape), input_shape)


@contextmanager
def _current_folder() -> Iterator[None]:
    """Import from the current folder too, where a user's own module lies, as ``python -m`` does."""
    here = str(Path.cwd())
    sys.path.insert(0, here)
    try:
        yield
    finally:
        sys.path.remove(here)
