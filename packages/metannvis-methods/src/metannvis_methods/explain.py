"""Explanations: one function for every method, in one vocabulary."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from metannvis_methods.errors import InvalidArgumentError, MissingArgumentError
from metannvis_methods.inputs.image_inputs import Preprocessed
from metannvis_methods.registry.table import find_methods
from metannvis_methods.registry.toolset import Progress
from metannvis_methods.results.explanation import Explanation
from metannvis_methods.results.pending import PendingExplanation
from metannvis_methods.results.record import repeats_records
from metannvis_methods.running.deadline import end_of
from metannvis_methods.running.execute import execute, layers_for
from metannvis_methods.running.prepared import CONVOLUTIONS, convolutions
from metannvis_methods.running.records import record_of, recorded_file
from metannvis_methods.running.request import resolve
from metannvis_methods.running.sharing import recalled, sharing
from metannvis_methods.running.streams import batches, is_stream, told_in_time
from metannvis_methods.running.word_checks import mapping_word
from metannvis_methods.running.words import Words
from metannvis_methods.vocabulary import MCDropout, SmoothGrad

if TYPE_CHECKING:
    from metannvis_translate import Translation

__all__ = ["WORDS", "explain", "rerun"]

#: Names of the words.
WORDS = Words().names


def explain(
    model: Any,
    method: str,
    inputs: Any = None,
    *,
    target: Any = None,
    output: int | str | None = None,
    logits: bool | str = "auto",
    labels: Sequence[str] | str | Path | None = None,
    layer: Any = None,
    neuron: Any = None,
    reshape: Any = None,
    baselines: Any = None,
    feature_mask: Any = None,
    data: Any = None,
    value_range: tuple[float, float] | None = None,
    preprocess: Any = None,
    toolset: str | None = None,
    noise: SmoothGrad | str | None = None,
    uncertainty: MCDropout | str | None = None,
    along: str | None = None,
    seed: int | None = None,
    batch_size: int | None = None,
    device: Any = None,
    autocast: bool | str | None = None,
    deadline: float | None = None,
    unfit: str = "warn",
    translation: Mapping[str, Any] | Translation | None = None,
    progress: Progress | None = None,
    init_args: Mapping[str, Any] | None = None,
    exec_args: Mapping[str, Any] | None = None,
    options: Mapping[str, Any] | None = None,
    **more: Any,
) -> Explanation:
    """Explain a model of any framework by a method of any toolset, in one vocabulary.

    Parameters
    ----------
    model
        Anything that ``metannvis_translate.translate`` takes (a module, a Keras model, an ONNX model, the
        path of a model file), or a ``Translation``. It is left as it was.
    method
        Key of a method (:func:`list_methods`); case, ``-`` and ``_`` do not count. With ``layer`` or
        ``neuron``, ``"integrated_gradients"`` means its layer or neuron variant.
    inputs
        What is explained, shape ``(N, …)`` in the model's own layout: an array, a tensor, or a tuple, list or
        dict of them for several inputs. Numbers are brought to the dtype and device of the weights. A tensor
        of the *other* framework is taken to be in that framework's layout. Or images, see ``preprocess``. Or what gives
        batches of them, an iterator or a loader (a PyTorch ``DataLoader``, a ``tf.data.Dataset``): then an iterator of
        explanations is returned, each made when it is asked for, so that a data set is never held as a whole. A batch may come
        with a target, ``(inputs, target)``; ``seed`` counts up from batch to batch.
    target
        A class; a list of one a sample; a class name (with ``labels``); a tuple, which is a position in a
        dense output (numbers below 0 count from the end, and are recorded as the class that they mean); ``None``: the only
        output, else the class predicted for each sample. ``"negative"``: what speaks against
        the only output. A :class:`SegmentationTarget`: a class over a region of a dense output. A function of the output:
        it gets a tensor of the model's framework in the model's own layout, shape ``(N, …)``, whichever framework the
        method runs in (of that framework for an ONNX model), and returns one number a sample. ``"given"``: the class that
        comes with each batch.
    output
        Which output of several: its index, its name, or its path in nested dicts, tuples, named tuples and dataclasses
        (``"logits"``, ``"scores.0"``). One tensor in such a wrapping needs none.
    logits
        Whether what goes into the softmax or sigmoid that the model ends in is explained, instead of what comes out: ``True``,
        ``False``, or ``"auto"``, for methods that are defined by the score before it (class activation maps, relevance
        propagation). The result has it in ``options``.
    labels
        Class names, in order, or the file that has them (:func:`~metannvis_methods.inputs.read_labels`).
    layer
        Name or object of a layer of ``model``, or ``"auto"``: the last convolutional or token layer that has several places. A
        list of them, or ``"convolutions"``, all convolutional layers from deep to shallow: one explanation each, from one
        translation and one prediction.
    neuron
        Position in that layer's output, the batch left out, in the model's own layout: an int or a tuple.
    reshape
        How the tokens of a layer lie on the image, for class activation maps: ``"auto"``, the grid of the layer of patches,
        prefix tokens left out; ``(h, w)``; or a function of the layer's output, a tensor of the model's framework in its
        layout, that returns maps with the channels where the framework has them.
    baselines
        A number, or an array in the layout of the inputs (of the layer, for a layer's ablation), or a word: ``"black"``,
        ``"white"``, ``"mean"``, ``"blur"``, ``"noise"``, ``"uniform"``, ``"neutral"``
        (:func:`metannvis_methods.inputs.baselines.baseline`).
    feature_mask
        Which elements are one feature: an array of whole numbers in the layout of the inputs (of the layer, for a layer's
        ablation), one of shape ``(H, W)`` or ``(N, H, W)`` for every channel, or a word, alone or with a dict of options:
        ``"superpixels"`` (the default of LIME and KernelShap for images), ``"grid"``, ``"pixels"``, ``"channels"``
        (:data:`metannvis_methods.inputs.feature_masks.MASKS`).
    data
        Samples like the inputs, for the baselines ``"mean"`` and ``"neutral"``.
    value_range
        What black and white are, and inputs beyond it are told of; ``None``: what ``preprocess`` makes of them, else what the
        model brings to its own range first (a Rescaling or a normalization), else 0…1 or 0…255, if the inputs lie there.
    preprocess
        What the network was trained to get of an image's pixels, for inputs that are images: files, images of Pillow's, arrays
        of uint8 with the channels last, or a list of them, which is a batch. ``"unit"`` 0…1, ``"symmetric"`` −1…1
        (``"imagenet-tf"``), ``"imagenet"`` that data set's mean 0 and deviation 1 (``"imagenet-torch"``),
        ``"imagenet-caffe"`` its mean 0, blue first, ``"none"`` 0…255; a :class:`Preprocessing`, a dict of its fields, or a
        JSON file with them. Images are brought to the size that the model declares. A model that normalises 0…255 itself
        needs none.
    toolset
        Key of the toolset; ``None`` takes one that has the method and says so.
    noise
        A :class:`SmoothGrad`, or ``"smoothgrad"``, ``"smoothgrad_sq"``, ``"vargrad"``: the method over noisy copies of the
        inputs.
    uncertainty
        An :class:`MCDropout`, or ``"mc_dropout"``: the method once for each of so many dropout masks, each the same for input
        and baseline. ``values`` are the mean, and the result has a ``deviation`` and a ``coefficient_of_variation``.
    along
        An axis of volumes, ``"D"``, ``"H"`` or ``"W"``: a method for images, slice by slice, the rest of the volume as it is.
        Words for baselines and features (``"superpixels"``), windows and masks are those of a slice; each begins from the same
        seed.
    seed
        Makes random methods repeatable. The caller's own generators are left as they were.
    batch_size
        Rows that pass through the model at once, at most, whatever the method multiplies: steps, draws, windows, the
        prediction itself; two where input and baseline share a pass. The result does not depend on it.
    device
        Where the method runs: ``"cpu"``, ``"cuda:0"``; ``None`` or ``"auto"``: where the model is. It is put back.
    autocast
        ``True``, ``"bfloat16"`` or ``"float16"``: passes through the model in half precision, for methods that run in
        PyTorch (of Captum); what is not finite then is run in single precision, which is told. The prediction is never in half.
    deadline
        Seconds for the whole call, translation and all layers included. ``noise`` ends with the copies that were done by then,
        which is told; everything else in a ``DeadlineError``, at the next pass through the model.
    unfit
        What is done about a method that does not fit the model or the inputs, or whose values say nothing: ``"warn"``,
        ``"raise"`` (``UnfitError``), or ``"ignore"``. The result has it in ``warnings`` as well.
    translation
        Options of ``translate``, and of ``load_model`` for a file (``trust``, ``architecture``); or a finished ``Translation``
        of the model.
    progress
        Called as ``progress(done, total, stage)``. One thread at a time runs a toolkit in a process; the others wait, and are
        told so.
    init_args, exec_args
        Anything for the toolkit's constructor and call, by its own names.
    options, **more
        Options of the method, by the toolkit's names; an unknown one is refused, and so is what it does not take. Objects of a
        toolkit have words (``regularizers={"norm": 0.3}``, ``model_modifier="guided"``; :func:`describe_method` lists them).
        One whose name is a word here (``method`` of integrated gradients) goes into ``options``.

    Returns
    -------
    Explanation, dict, or iterator
        Values as NumPy in the model's own layout; of methods of ours that make images an :class:`ImageOptimization`.
        For several layers a dict of explanations by the layers' names, with
        ``top_labels`` (LIME, KernelShap) one by the classes, the largest output first; for batches an iterator of these.

    Raises
    ------
    UnknownMethodError, UnknownToolsetError, UnknownFrameworkError, UnknownLayerError
        There is no such thing; the message names close ones.
    MissingArgumentError, InvalidArgumentError
        An argument is missing or cannot be used.
    MissingFrameworkError
        A package is not installed; the message says what to install.
    DeadlineError
        The time is over.
    ToolsetError
        The toolkit failed; its own error is chained.

    Warns
    -----
    MethodChoiceWarning
        Several toolsets have the method and none was named.
    UnfitWarning
        The method does not fit, see ``unfit``.
    PrecisionWarning
        Half precision was not enough, see ``autocast``.
    """
    given = {name: value for name, value in locals().items() if name in WORDS}
    words = Words(**{**given, "options": {**(mapping_word("options")(options) or {}), **more} or None})
    if is_stream(inputs):
        find_methods(method, toolset)  # a misspelt name is told before anything comes
        stream: Any = _over_stream(model, method, words.checked(), words)
        one: Explanation = stream  # an iterator of them, which callers that give arrays need not look out for
        return one
    return _asked(model, method, words)


def _asked(model: Any, method: str, words: Words, end: float | None = None) -> Explanation:
    """An explanation, or one for each of several layers, or of the largest outputs; ``end`` is when the time is over."""
    if "top_labels" in (words.options or {}):
        by_class: Any = _of_top_labels(model, method, words, end or end_of(words.checked().deadline))
        several: Explanation = by_class  # a dict of them, as for several layers
        return several
    if isinstance(words.layer, str) and words.layer == CONVOLUTIONS:
        end = end or end_of(words.checked().deadline)
        words = _at_convolutions(model, method, words, end)
    if not isinstance(words.layer, (list, tuple, set)):
        return _explained(model, method, words, end)
    at_layers: Any = _at_layers(model, method, list(words.layer), words, end or end_of(words.checked().deadline))
    found: Explanation = at_layers  # a dict of them, which callers that name one layer need not look out for
    return found


def _over_stream(model: Any, method: str, checked: Words, words: Words) -> Iterator[Explanation]:
    """An explanation of each batch, made when it is asked for."""
    end = end_of(checked.deadline)

    def found() -> Iterator[Explanation]:
        for batch in batches(model, words):
            yield _asked(model, method, batch, end)

    return told_in_time(found(), checked.deadline)


def _explained(model: Any, method: str, words: Words, end: float | None, *, stacklevel: int = 5) -> Explanation:
    """An explanation at one layer, or at none, with the record of its words."""
    call = resolve(model, method, words, may_find_target=True, asks_delta=True, end=end, stacklevel=stacklevel)
    result = execute(call)
    if isinstance(result, PendingExplanation):
        names = ", ".join(row.source.name for row in result.layers)
        raise MissingArgumentError(
            f"{result.method} of {result.toolset} needs layer=…; there are: {names}. Or layer='auto'"
        )
    if words.layer is not None and not isinstance(words.layer, (str, int)):
        words = dataclasses.replace(words, layer=result.layer)
    if call.words.preprocess is not words.preprocess or call.words.device != words.device:
        words = dataclasses.replace(words, preprocess=call.words.preprocess, device=call.words.device)
    return dataclasses.replace(result, record=record_of(model, words.to_record(), result))


def _at_layers(model: Any, method: str, layers: list[Any], words: Words, end: float | None) -> dict[str, Explanation]:
    """An explanation a layer, from one translation and one prediction."""
    if not layers:
        raise InvalidArgumentError("layer is an empty list: name one or several")
    found = {}
    with sharing():
        for layer in layers:
            explanation = _explained(model, method, dataclasses.replace(words, layer=layer), end, stacklevel=6)
            found[str(explanation.layer)] = explanation
    return found


def _at_convolutions(model: Any, method: str, words: Words, end: float | None) -> Words:
    """The words with the names of all convolutional layers, the last to run first; as they are if a layer is called so."""
    auto = dataclasses.replace(words, layer="auto")
    call = resolve(model, method, auto, may_find_target=True, end=end, stacklevel=5)
    rows = layers_for(call)
    if any(row.source.name == CONVOLUTIONS for row in rows):
        return words
    return dataclasses.replace(words, layer=convolutions(rows)[::-1], toolset=call.spec.toolset)


def _of_top_labels(model: Any, method: str, words: Words, end: float | None) -> dict[Any, Explanation]:
    """An explanation of each of the classes with the largest outputs, from the same passes, the largest first."""
    options = dict(words.options or {})
    count = options.pop("top_labels")
    if isinstance(count, bool) or not isinstance(count, int) or count < 1:
        raise InvalidArgumentError(f"top_labels is how many classes are explained, at least 1, not {count!r}")
    if words.target is not None:
        raise InvalidArgumentError("top_labels and target both say what is explained: give one of them")
    if words.baselines is None:
        options.setdefault("hide_color", None)
    words = dataclasses.replace(words, options=options)
    with sharing():
        first = _asked(model, method, words, end)
        output = recalled("output")
        if output.ndim != 2 or len(output) != 1 or output.shape[1] < 2:
            raise InvalidArgumentError(
                f"top_labels explains classes of one sample, and the output has shape {output.shape}: give one sample at a "
                "time, or target=…"
            )
        best, *others = (int(k) for k in np.argsort(-output[0], kind="stable")[:count])
        found = {best: first}
        for other in others:
            found[other] = _asked(model, method, dataclasses.replace(words, target=other), end)
    return found


@repeats_records
def rerun(explanation: Explanation, model: Any, **changes: Any) -> Explanation:
    """See :meth:`metannvis_methods.Explanation.rerun`."""
    record = explanation.record
    if record is None:
        raise InvalidArgumentError(
            "the explanation has no record of its call: it was made by an older version, or by hand"
        )
    lost = [name for name in record.lost if name not in changes]
    if lost:
        raise InvalidArgumentError(
            f"the record holds no functions or objects: give {', '.join(f'{name}=…' for name in lost)} again"
        )
    if model is None:
        model = recorded_file(record)
    inputs = explanation.inputs if "preprocess" not in record.words else Preprocessed(explanation.inputs)
    again = {"inputs": inputs, "toolset": explanation.toolset, **record.words, **changes}
    found: Explanation = explain(model, explanation.method, **again)
    return found
