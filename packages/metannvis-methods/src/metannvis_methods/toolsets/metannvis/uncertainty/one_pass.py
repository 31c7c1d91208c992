"""One pass of a model of any framework: what it says as it is, beside what it says over masks or as evidence."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from metannvis_translate import Translation, detect_framework
from metannvis_translate.process import exclusive

from metannvis_methods.errors import InvalidArgumentError, MissingArgumentError
from metannvis_methods.models.arrays import in_order
from metannvis_methods.models.registry import adapter_for
from metannvis_methods.running.guard import guarded, set_aside
from metannvis_methods.running.image_words import preprocessed
from metannvis_methods.running.outputs import ChosenOutput, choose_output, predicted
from metannvis_methods.running.prepare import open_source
from metannvis_methods.running.prepared import Prepared
from metannvis_methods.running.word_checks import check_samples, load_word
from metannvis_methods.running.words import Words

__all__ = ["one_pass"]


def one_pass(
    model: Any, words: Words, load: Mapping[str, Any] | None = None, *, asked_by: str
) -> tuple[np.ndarray[Any, Any], ChosenOutput, str]:
    """The output of a model in inference mode.

    Parameters
    ----------
    words
        Checked: ``inputs``, and ``output``, ``preprocess``, ``batch_size``, ``progress`` where they are given.
    load
        Options of ``load_model`` for a file.
    asked_by
        What the caller called, for the message that inputs are missing.

    Returns
    -------
    tuple
        The output in the caller's layout, float64, shape ``(N, …)``; which of several it is; and the key of the framework.

    Raises
    ------
    InvalidArgumentError, MissingArgumentError
        The model does not predict as it is, the inputs do not fit it or are missing.
    """
    opening = load_word(load)
    if words.inputs is None:
        raise MissingArgumentError(f"{asked_by} takes inputs")
    check_samples(words.inputs)
    source = model.source if isinstance(model, Translation) else open_source(model, opening, words.progress)
    framework = detect_framework(source)
    adapter = adapter_for(framework)
    values, _ = preprocessed(words.inputs, words, source, framework)
    arrays = in_order(values, adapter.input_names(source) or None)
    with set_aside(), exclusive(source, progress=words.progress), guarded(adapter, source):
        if not adapter.predicts(source):
            raise InvalidArgumentError(
                f"a {type(source).__name__} does not predict as it is: give the model it was made of"
            )
        tensors = adapter.as_inputs(source, arrays)
        adapter.check_inputs(source, tensors)
        outputs = predicted(adapter, source, tensors, fixed=adapter.fixed_batch(source), bound=words.batch_size)
        chosen = choose_output(Prepared(source, framework, source, framework, adapter), adapter, words.output, outputs)
    return outputs[chosen.place][1].astype(np.float64), chosen, framework
