"""Overlap of units and concepts: intersections and unions, image after image."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from metannvis_methods.errors import InvalidArgumentError
from metannvis_methods.results.enlarge import enlarged
from metannvis_methods.toolsets.metannvis.dissection.concepts import ImageConcepts
from metannvis_methods.toolsets.metannvis.dissection.units import Layer

__all__ = ["Overlaps"]

Array = np.ndarray[Any, Any]
#: Units whose enlarged maps are in memory at once.
UNITS = 64


@dataclass(frozen=True)
class _Labelled:
    """Concepts of one image.

    Attributes
    ----------
    present
        Places of the concepts that are in it.
    where
        Where each is, 0 or 1, shape ``(H · W, len(present))``, float32.
    categories
        Places of the categories that it is labelled for.
    size
        Height and width of the masks.
    """

    present: Array
    where: Array
    categories: Array
    size: tuple[int, int]


class Overlaps:
    """Intersection and union of each unit's masks and each concept's.

    Parameters
    ----------
    concepts
        With masks.
    layers
        Whose units.
    thresholds
        By layer, what a unit's activations are above where it is on, shape ``(units,)``.
    """

    def __init__(self, concepts: ImageConcepts, layers: Sequence[Layer], thresholds: Mapping[str, Array]) -> None:
        self.concepts, self.thresholds = concepts, thresholds
        self.names = sorted(set(concepts.categories))
        #: Place of each concept's category.
        self.category = np.array([self.names.index(name) for name in concepts.categories])
        self.areas = np.zeros(len(concepts.names), np.int64)
        self.intersections = {x.name: np.zeros((x.units, len(concepts.names)), np.int64) for x in layers}
        self.unit_areas = {x.name: np.zeros((x.units, len(self.names)), np.int64) for x in layers}

    def add(self, outputs: Sequence[tuple[Layer, Array]], start: int, size: tuple[int, int]) -> None:
        """What the layers return for a batch, shape ``(N, units, h, w)`` each.

        Parameters
        ----------
        start
            Number of the first image.
        size
            Of the images, for those that are labelled as a whole alone.
        """
        for place in range(len(outputs[0][1])):
            labelled = self._labelled(start + place, size)
            self.areas[labelled.present] += labelled.where.sum(0).astype(np.int64)
            if len(labelled.categories):
                for layer, maps in outputs:
                    self._add_image(layer, maps[place], labelled)

    def _add_image(self, layer: Layer, maps: Array, labelled: _Labelled) -> None:
        above = self.thresholds[layer.name]
        # interpolation goes nowhere above the largest value
        on = np.flatnonzero(maps.reshape(layer.units, -1).max(1) > above)
        for first in range(0, len(on), UNITS):
            units = on[first : first + UNITS]
            masks = enlarged(maps[units], labelled.size) > above[units, None, None]
            both = masks.reshape(len(units), -1).astype(np.float32) @ labelled.where
            self.intersections[layer.name][np.ix_(units, labelled.present)] += both.astype(np.int64)
            self.unit_areas[layer.name][np.ix_(units, labelled.categories)] += masks.sum((1, 2))[:, None]

    def scores(self) -> Array:
        """Intersection over union, shape ``(units of all layers, concepts)``, float64; 0 where the union is empty."""
        found = []
        for name, both in self.intersections.items():
            union = self.unit_areas[name][:, self.category] + self.areas - both
            found.append(np.divide(both, union, out=np.zeros(both.shape), where=union > 0))
        return np.concatenate(found)

    def _labelled(self, index: int, size: tuple[int, int]) -> _Labelled:
        labels = self.concepts.labels(index)
        maps = [np.asarray(x) for x in labels.values()]
        sizes = {x.shape[1:] for x in maps if x.ndim == 3}
        if len(sizes) > 1 or any(x.ndim not in (1, 3) for x in maps):
            raise InvalidArgumentError(
                f"image {index}: its label maps have the shapes {', '.join(str(x.shape) for x in maps)}, not one size"
            )
        height, width = next(iter(sizes), size)
        present = np.unique(np.concatenate([x.reshape(-1) for x in maps])) if maps else np.empty(0, np.int64)
        present = present[present >= 0].astype(np.int64)
        where = np.zeros((height * width, len(present)), np.float32)
        for labelled in maps:
            for layer in labelled:
                if layer.ndim == 0:
                    where[:, present == int(layer)] = 1
                    continue
                pixels = np.flatnonzero(layer.reshape(-1) >= 0)
                where[pixels, np.searchsorted(present, layer.reshape(-1)[pixels])] = 1
        known = np.array([self.names.index(name) for name in labels if name in self.names], np.int64)
        return _Labelled(present, where, known, (int(height), int(width)))
