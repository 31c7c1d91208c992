"""Network dissection: which concept each unit stands for (Bau et al., 2017, arXiv:1704.05796), by masks or by similarity."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from metannvis_translate import Translation, detect_framework
from metannvis_translate.process import exclusive

from metannvis_methods.errors import InvalidArgumentError, UnfitWarning
from metannvis_methods.models.base import ModelAdapter
from metannvis_methods.models.registry import adapter_for
from metannvis_methods.registry.option_values import Values, number
from metannvis_methods.registry.toolset import Progress
from metannvis_methods.results.dissection import Dissection
from metannvis_methods.results.plain import jsonable
from metannvis_methods.running.guard import guarded, set_aside
from metannvis_methods.running.notices import tell
from metannvis_methods.running.prepare import open_source
from metannvis_methods.running.word_checks import load_word
from metannvis_methods.running.words import Words
from metannvis_methods.toolsets.metannvis.dissection.concepts import ClassConcepts, EmbeddingConcepts, ImageConcepts
from metannvis_methods.toolsets.metannvis.dissection.image_streams import ImageStream
from metannvis_methods.toolsets.metannvis.dissection.overlap import Overlaps
from metannvis_methods.toolsets.metannvis.dissection.similarity import soft_wpmi
from metannvis_methods.toolsets.metannvis.dissection.top_share import TopShare
from metannvis_methods.toolsets.metannvis.dissection.units import Layer, activations, chosen_layers

__all__ = ["dissect"]

Array = np.ndarray[Any, Any]
#: Intersection over union from which a unit is a detector, and share of places above a unit's threshold.
IOU, SHARE = 0.04, 0.005
#: Images of a pass, images that are kept of each unit, images that a similarity looks at.
BATCH, SHOWN, TOP = 32, 5, 100
#: Bytes that the largest activations may come to.
BOUND = 1 << 30
#: Images that a result holds, and their longer side.
THUMBNAILS, SIDE = 256, 96


def dissect(
    model: Any,
    layers: Any,
    images: Any,
    concepts: ImageConcepts | EmbeddingConcepts | ClassConcepts,
    *,
    threshold: float | None = IOU,
    share: float = SHARE,
    top: int = TOP,
    preprocess: Any = None,
    batch_size: int = BATCH,
    memory: int = BOUND,
    thumbnails: int = THUMBNAILS,
    seed: int = 0,
    load: Mapping[str, Any] | None = None,
    progress: Progress | None = None,
) -> Dissection:
    """Tell for each unit of some layers which concept it stands for.

    Two passes through the images, batch after batch, so that memory does not grow with their number but for the largest
    activations of each unit. The model runs in its own framework (an ONNX graph in ONNX Runtime), in inference mode, and is
    left as it was.

    Parameters
    ----------
    model
        A PyTorch module or exported program, a Keras model, an ONNX graph, or a file of one.
    layers
        Name of a layer (as ``metannvis layers`` lists them), its object, a list of them, or ``"convolutions"``. Units are the
        channels of maps, the features of a dense layer, of tokens.
    images
        An array in the model's layout, shape ``(N, …)``; a list of image files (or of Pillow's images, or arrays of uint8), or
        their folder.
    concepts
        What is in the images. With masks, :class:`Segmentations` or :func:`read_broden`: the intersection over union of where
        the unit is above its threshold, its activations enlarged bilinearly, and where the concept is; the union runs over
        images that are labelled for the concept's category. :class:`ClassConcepts` or :class:`EmbeddingConcepts`: soft WPMI of
        the images that drive the unit most by its mean over places.
    threshold
        Intersection over union from which a unit is a detector; for similarities, which have no such scale, it is left out.
    share
        Share of all places and images that a unit's activations are above its threshold in, before they are enlarged.
    top
        Images that a similarity looks at.
    preprocess
        As for :func:`explain`, for images that are files or pixels.
    batch_size
        Images that pass through the model at once.
    memory
        Bytes that the largest activations may come to; they are kept exactly up to there, beyond it of a share of the places,
        which is told.
    thumbnails
        Images that the result holds to be drawn, at most.
    seed
        Of the places that are left out beyond ``memory``.
    load
        Options of ``load_model`` for a file (``trust``, ``architecture``).
    progress
        Called as ``progress(done, total, stage)``, counting images.

    Returns
    -------
    Dissection

    Raises
    ------
    InvalidArgumentError
        Images and concepts differ in number; a layer has no maps that masks could lie over; an argument cannot be used.
    UnknownLayerError
        There is no such layer; the message names close ones.
    """
    numbers: tuple[tuple[str, Any, int], ...] = (
        ("top", top, 1),
        ("batch_size", batch_size, 1),
        ("memory", memory, 1),
        ("thumbnails", thumbnails, 0),
    )
    for name, value, least in numbers:
        if isinstance(value, bool) or not isinstance(value, int) or value < least:
            raise InvalidArgumentError(f"{name} is a whole number of at least {least}, not {value!r}")
    if not isinstance(share, (int, float)) or not 0 < share < 1:
        raise InvalidArgumentError(f"share is above 0 and below 1, not {share!r}")
    by_mask = not isinstance(concepts, (ClassConcepts, EmbeddingConcepts))
    if by_mask and not isinstance(concepts, ImageConcepts):
        raise InvalidArgumentError(
            "concepts are Segmentations, what read_broden() gives, ClassConcepts or EmbeddingConcepts, not a "
            f"{type(concepts).__name__}"
        )
    if isinstance(layers, (list, tuple)) and not layers:
        raise InvalidArgumentError("layers is an empty list: name one or several")
    if threshold is not None:
        Values("a number in 0…1", lambda value: number(0).fits(value) and value <= 1).check(threshold, "threshold")
    words, opening = Words(preprocess=preprocess, progress=progress, seed=seed).checked(), load_word(load)
    if by_mask and words.preprocess is not None and words.preprocess.crop:
        raise InvalidArgumentError(
            "masks lie over whole images, and this preprocessing cuts them: take Preprocessing(…, crop=False)"
        )
    source = model.source if isinstance(model, Translation) else open_source(model, opening, progress)
    framework = detect_framework(source)
    adapter = adapter_for(framework)
    stream = ImageStream(images, words, source, framework, adapter)
    if len(stream) != len(concepts):
        raise InvalidArgumentError(f"there are {len(stream)} images, and concepts of {len(concepts)}")
    started = time.perf_counter()
    with set_aside(), exclusive(source, progress=progress), guarded(adapter, source):
        run = _Run(adapter, source, framework, stream, batch_size, progress)
        found, axes = chosen_layers(adapter, source, framework, layers, stream.batch(0, min(2, len(stream))))
        if by_mask and "H" not in axes and "W" not in axes:
            raise InvalidArgumentError(f"masks lie over images, and the model's input has the axes {axes!r}")
        seen = _first_pass(run, found, share, 1 if by_mask else top, memory, seed)
        overlaps = (
            Overlaps(concepts, found, seen.thresholds) if isinstance(concepts, ImageConcepts) and by_mask else None
        )
        shown = _second_pass(run, found, seen, overlaps, axes, thumbnails)
    if overlaps is not None:
        scores = overlaps.scores()
    else:
        scores = np.concatenate([soft_wpmi(seen.strongest[layer.name], _similarities(concepts)) for layer in found])
    categories = concepts.categories if isinstance(concepts, ImageConcepts) and by_mask else ("",) * len(concepts.names)
    return Dissection(
        layers=tuple(layer.name for layer in found),
        layer=np.repeat(np.arange(len(found)), [layer.units for layer in found]),
        unit=np.concatenate([np.arange(layer.units) for layer in found]),
        concepts=concepts.names,
        categories=categories,
        scores=scores,
        measure="iou" if by_mask else "similarity",
        threshold=threshold if by_mask else None,
        activation_thresholds=np.concatenate([seen.thresholds[layer.name] for layer in found]),
        top_images=np.concatenate([seen.images[layer.name] for layer in found]),
        top_values=np.concatenate([seen.values[layer.name] for layer in found]),
        image_names=stream.names,
        framework=framework,
        configuration={
            "layers": [layer.name for layer in found],
            "images": len(stream),
            "concepts": len(concepts.names),
            "kind": type(concepts).__name__,
            "measure": "iou" if by_mask else "similarity",
            "threshold": threshold if by_mask else None,
            "share": share,
            "top": None if by_mask else top,
            "batch_size": batch_size,
            "exact": seen.exact,
            "preprocess": jsonable(vars(stream.known)) if stream.known is not None else None,
            "framework": framework,
        },
        seconds=time.perf_counter() - started,
        **shown,
    )


def _similarities(concepts: Any) -> Array:
    found: Array = concepts.similarities
    return found


class _Run:
    """Batches of the images through the model."""

    def __init__(
        self,
        adapter: ModelAdapter,
        model: Any,
        framework: str,
        stream: ImageStream,
        size: int,
        progress: Progress | None,
    ) -> None:
        self.adapter, self.model, self.framework = adapter, model, framework
        self.stream, self.size, self.progress = stream, size, progress

    def batches(self, layers: Sequence[Layer], stage: str) -> Any:
        """Number of the first image, the images, and what each layer returns, a batch at a time."""
        count = len(self.stream)
        for start in range(0, count, self.size):
            if self.progress is not None:
                self.progress(start, count, stage)
            batch = self.stream.batch(start, min(start + self.size, count))
            yield start, batch, activations(self.adapter, self.model, self.framework, layers, batch)
        if self.progress is not None:
            self.progress(count, count, stage)


class _Seen:
    """What the first pass has shown, by layer."""

    def __init__(self) -> None:
        self.thresholds: dict[str, Array] = {}
        self.images: dict[str, Array] = {}
        self.values: dict[str, Array] = {}
        self.strongest: dict[str, Array] = {}
        self.exact = True


def _first_pass(run: _Run, layers: Sequence[Layer], share: float, top: int, memory: int, seed: int) -> _Seen:
    """Thresholds; images with the largest activation, for people, and with the largest mean, for similarities."""
    count, seen = len(run.stream), _Seen()
    sizes = [layer.units * layer.places[0] * layer.places[1] for layer in layers]
    tops = {
        layer.name: TopShare(
            layer.units, count * layer.places[0] * layer.places[1], share, max(1, memory * size // sum(sizes)), seed
        )
        for layer, size in zip(layers, sizes, strict=True)
    }
    largest = {layer.name: _Strongest(layer.units, min(SHOWN, count)) for layer in layers}
    means = {layer.name: _Strongest(layer.units, min(top, count)) for layer in layers}
    for start, _, outputs in run.batches(layers, "find thresholds"):
        for layer, maps in outputs:
            if not np.isfinite(maps).all():
                raise InvalidArgumentError(
                    f"layer {layer.name!r} returns numbers that are not finite (NaN or infinity)"
                )
            flat = maps.reshape(len(maps), layer.units, -1)
            tops[layer.name].add(flat.transpose(1, 0, 2).reshape(layer.units, -1))
            largest[layer.name].add(flat.max(2), start)
            means[layer.name].add(flat.mean(2, dtype=np.float64), start)
    for name, kept in tops.items():
        seen.thresholds[name] = kept.thresholds()
        seen.images[name], seen.values[name] = largest[name].images, largest[name].values
        seen.strongest[name] = means[name].images
        if not kept.is_exact:
            seen.exact = False
            tell(
                f"the largest activations of layer {name!r} would come to more than memory allows: its thresholds are those of "
                f"{kept.rate:.0%} of the places",
                UnfitWarning,
            )
    return seen


class _Strongest:
    """The images with the largest numbers of each unit, the largest first; of equal ones those that came first."""

    def __init__(self, units: int, count: int) -> None:
        self.count = count
        self.values = np.empty((units, 0))
        self.images = np.empty((units, 0), np.int64)

    def add(self, values: Array, start: int) -> None:
        """Numbers of a batch, shape ``(N, units)``, whose first image has a number."""
        together = np.concatenate([self.values, values.T], axis=1)
        places = np.broadcast_to(np.arange(start, start + len(values)), values.T.shape)
        images = np.concatenate([self.images, places], axis=1)
        order = np.argsort(-together, axis=1, kind="stable")[:, : self.count]
        self.values, self.images = np.take_along_axis(together, order, 1), np.take_along_axis(images, order, 1)


def _second_pass(
    run: _Run, layers: Sequence[Layer], seen: _Seen, overlaps: Overlaps | None, axes: str, thumbnails: int
) -> dict[str, Any]:
    """Overlaps with concepts, and what is to be drawn: maps of the images that drive each unit, and those images."""
    every = np.concatenate([seen.images[layer.name] for layer in layers])
    wanted = list(dict.fromkeys(every.T.reshape(-1).tolist()))[:thumbnails] if {"H", "W"} <= set(axes) else []
    pictures: dict[int, Array] = {}
    maps = {layer.name: np.zeros((*seen.images[layer.name].shape, *layer.places), np.float32) for layer in layers}
    asked = set(wanted)
    for start, batch, outputs in run.batches(layers, "compare with concepts"):
        stop = start + len(batch)
        here = [k for k in range(start, stop) if k in asked]
        if here:
            pictures |= zip(here, run.stream.pictures(batch[[k - start for k in here]], axes, SIDE), strict=True)
        size = tuple(batch.shape[axes.index(letter)] for letter in "HW") if {"H", "W"} <= set(axes) else (1, 1)
        returned = list(outputs)
        for layer, found in returned:
            units, slots = np.nonzero((seen.images[layer.name] >= start) & (seen.images[layer.name] < stop))
            maps[layer.name][units, slots] = found[seen.images[layer.name][units, slots] - start, units]
        if overlaps is not None:
            overlaps.add(returned, start, (size[0], size[1]))
    return {
        "maps": maps,
        "thumbnails": np.stack([pictures[k] for k in wanted]) if wanted else None,
        "thumbnail_images": np.array(wanted, np.int64) if wanted else None,
    }
