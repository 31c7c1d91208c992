"""Monte Carlo dropout: the prediction of many thinned networks (Gal & Ghahramani, 2016, arXiv:1506.02142)."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from metannvis_translate import Translation, detect_framework
from metannvis_translate.process import exclusive

from metannvis_methods.errors import InvalidArgumentError, MissingArgumentError, UnfitWarning
from metannvis_methods.models.arrays import in_order
from metannvis_methods.models.base import ModelAdapter
from metannvis_methods.models.dropout import DropoutMasks
from metannvis_methods.models.registry import adapter_for
from metannvis_methods.registry.toolset import Progress
from metannvis_methods.results.uncertain_prediction import UncertainPrediction
from metannvis_methods.running.devices import check_device_words
from metannvis_methods.running.guard import guarded, own_generators_kept, set_aside
from metannvis_methods.running.image_words import preprocessed
from metannvis_methods.running.notices import noticing, tell
from metannvis_methods.running.outputs import choose_output, predicted
from metannvis_methods.running.prepare import open_source
from metannvis_methods.running.prepared import Prepared
from metannvis_methods.running.word_checks import check_samples, load_word
from metannvis_methods.running.words import Words
from metannvis_methods.toolsets.metannvis.uncertainty.probabilities import Probabilities
from metannvis_methods.vocabulary import MCDropout

__all__ = ["predict_uncertain"]

Array = np.ndarray[Any, Any]
STAGE = "predict"


def predict_uncertain(
    model: Any,
    inputs: Any,
    how: MCDropout | str = "mc_dropout",
    *,
    output: int | str | None = None,
    probabilities: str | None = "auto",
    labels: Sequence[str] | str | Path | None = None,
    preprocess: Any = None,
    seed: int | None = None,
    batch_size: int | None = None,
    device: Any = None,
    keep: bool = False,
    load: Mapping[str, Any] | None = None,
    progress: Progress | None = None,
) -> UncertainPrediction:
    """Predict with many thinned networks: mean, variance, entropy and mutual information.

    Only what drops is active (layers and functions; PyTorch's ``Dropout`` to ``Dropout3d``, ``AlphaDropout``,
    ``FeatureAlphaDropout``, within ``MultiheadAttention`` and between the layers of ``LSTM``, ``GRU``, ``RNN``; Keras'
    ``Dropout``, ``SpatialDropout1D`` to ``3D``, ``AlphaDropout``, ``GaussianDropout``, within ``MultiHeadAttention`` and
    recurrent layers): batch normalisation and everything else stays in inference mode, and the model is left as it was. Each
    pass has a mask of its own, which all samples share, so that the result depends on the seed and neither on ``batch_size``
    nor on the other samples. The cost is one prediction a pass.

    Parameters
    ----------
    model
        A PyTorch module, a Keras model, an ONNX graph that has its ``Dropout`` still, or a file of one.
    inputs
        As for :func:`metannvis_methods.explain`.
    how
        :class:`MCDropout`, or ``"mc_dropout"``, which is 50 passes.
    output
        Which of several outputs: index, name or path.
    probabilities
        What the output is, for entropy and mutual information: ``"given"``, a distribution over classes; ``"softmax"``, logits;
        ``"yes_no"``, probabilities that are each of their own; ``"sigmoid"``, logits of such; ``None``, no classification.
        ``"auto"`` looks: rows that sum to 1 are given, numbers behind a sigmoid are yes or no, other outputs of several numbers
        are logits, one number is none.
    labels
        Class names, or a file of them.
    preprocess
        For inputs that are images.
    seed
        Of the masks. The caller's generators are left as they were.
    batch_size
        Samples that pass through the model at once, at most.
    device
        Where it runs; ``None``: where the model is.
    keep
        Whether the output of each pass is kept as ``outputs``.
    load
        Options of ``load_model`` for a file (``trust``, ``architecture``).
    progress
        Called as ``progress(done, total, stage)`` before each pass, and at the end.

    Returns
    -------
    UncertainPrediction

    Raises
    ------
    InvalidArgumentError
        Nothing in the model drops; the message says why and what to do. Or an argument cannot be used.

    Warns
    -----
    UnfitWarning
        A layer drops where no mask reaches (a recurrent layer of Keras with a cell of the caller's own): that stays off.
    """
    words = Words(
        inputs=inputs,
        output=output,
        labels=labels,
        preprocess=preprocess,
        uncertainty=how,
        seed=seed,
        batch_size=batch_size,
        device=device,
        progress=progress,
    ).checked()
    if words.uncertainty is None:
        raise MissingArgumentError("how is an MCDropout(samples), or 'mc_dropout'")
    form, opening = Probabilities.checked(probabilities), load_word(load)
    if inputs is None:
        raise MissingArgumentError("predict_uncertain takes inputs")
    check_samples(inputs)
    source = model.source if isinstance(model, Translation) else open_source(model, opening, progress)
    framework = detect_framework(source)
    adapter = adapter_for(framework)
    check_device_words(words, adapter)
    values, _ = preprocessed(inputs, words, source, framework)
    arrays = in_order(values, adapter.input_names(source) or None)
    started = time.perf_counter()
    with (
        set_aside(),
        noticing("warn"),
        exclusive(source, progress=progress),
        own_generators_kept(adapter, source),
        adapter.on_device(source, words.device),
        guarded(adapter, source),
    ):
        found = _passes(adapter, source, framework, arrays, words, form, keep=keep)
    return UncertainPrediction(
        **found,
        framework=framework,
        passes=words.uncertainty.samples,
        labels=None if words.labels is None else tuple(map(str, words.labels)),
        seed=words.seed,
        seconds=time.perf_counter() - started,
    )


def _passes(
    adapter: ModelAdapter,
    model: Any,
    framework: str,
    arrays: Sequence[Any],
    words: Words,
    form: str | None,
    *,
    keep: bool,
) -> dict[str, Any]:
    """What is known after all passes."""
    inputs = adapter.as_inputs(model, arrays)
    adapter.check_inputs(model, inputs)
    if adapter.fixed_batch(model) is None:  # a wrong shape is said here
        adapter.predict(model, [x[:1] for x in inputs])
    sites = adapter.dropout_sites(model, inputs)
    if not sites:
        raise InvalidArgumentError(adapter.no_dropout)
    left = adapter.dropout_left_off(model)
    if left:
        tell(f"the dropout of its own of {', '.join(left)} stays off: masks do not reach it", UnfitWarning)
    count, masks = words.uncertainty.samples, DropoutMasks(sites)
    entropy = int(np.random.randint(2**31)) if words.seed is None else words.seed  # noqa: NPY002  # the process' own
    seeds = np.random.SeedSequence(entropy).spawn(count)
    prepared = Prepared(model, framework, model, framework, adapter)
    bound, fixed = words.batch_size, adapter.fixed_batch(model)
    mean: Any = 0.0
    squares: Any = 0.0
    known: Probabilities | None = None
    chosen, kept = None, []
    for k in range(count):
        if words.progress is not None:
            words.progress(k, count, STAGE)
        masks.draw(np.random.default_rng(seeds[k]))
        with adapter.dropping(model, masks) as thinned:
            outputs = predicted(adapter, thinned, inputs, fixed=fixed, bound=bound)
        if chosen is None:
            chosen = choose_output(prepared, adapter, words.output, outputs)
            array = outputs[chosen.place][1]
            ends = array.ndim > 1 and adapter.ends_in_probabilities(model, chosen.place, inputs)
            known = Probabilities.of(array, form, axis=-1 if adapter.channels_last else 1, ends_in_probabilities=ends)
        array = outputs[chosen.place][1].astype(np.float64)
        apart = array - mean
        mean = mean + apart / (k + 1)
        squares = squares + apart * (array - mean)
        if known is not None:
            known.add(array)
        if keep:
            kept.append(outputs[chosen.place][1])
    if words.progress is not None:
        words.progress(count, count, STAGE)
    assert chosen is not None
    return {
        "mean": mean,
        "variance": squares / (count - 1),
        **({} if known is None else known.summary()),
        "outputs": np.stack(kept) if keep else None,
        "dropout": tuple(dict.fromkeys(site.name for site in sites)),
        "output": chosen.name,
    }
