"""Preprocessing of a command's images: what was asked for, else what the model says, and never silently."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from metannvis_methods.inputs import InputSpec

from metannvis_cli.inputs import read_inputs
from metannvis_cli.options.inputs import InputOptions
from metannvis_cli.progress import Console

__all__ = ["preprocessing_of"]


def preprocessing_of(
    path: Path, model: Any, framework: str, specs: Sequence[InputSpec], options: InputOptions, console: Console
) -> Any:
    """What is done to images for a model that was not told: a preset or a record, which is told.

    Parameters
    ----------
    path, model, framework, specs
        The model, its file, and what it takes.
    options
        The images.
    console
        Told where the preprocessing is from.
    """
    from metannvis_methods.inputs import carried, customary, range_of_model
    from metannvis_methods.inputs.preprocessing import said

    found = carried(path, model)
    if found is not None:
        known, where = found
        console.note(f"images are preprocessed as {where} says: {said(known)}")
        return known
    raw = dataclasses.replace(options, preprocess="none")
    arrays = read_inputs(raw, specs, Console(quiet=True))
    arrays = arrays if isinstance(arrays, tuple) else (arrays,)
    spans = [range_of_model(model, framework, arrays, place) for place in range(len(arrays))]
    if (0.0, 255.0) in spans:
        console.note("the model normalises pixels of 0…255 itself, so images are left as they are (--preprocess none)")
        return "none"
    if (0.0, 1.0) in spans:
        console.note("the model normalises pixels of 0…1 itself, so images become that (--preprocess unit)")
        return "unit"
    found = customary(model)
    if found is not None:
        known, name = found
        console.note(
            f"images are preprocessed as the weights of {name} in keras.applications take them ({said(known)}); "
            "--preprocess says otherwise"
        )
        return known
    console.note("images become 0…1 (--preprocess unit): the model does not say what it was trained on")
    return "unit"
