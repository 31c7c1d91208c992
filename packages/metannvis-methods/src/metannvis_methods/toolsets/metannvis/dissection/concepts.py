"""Concepts of images: segmentation masks, classes, or embeddings of images and words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol, runtime_checkable

import numpy as np

from metannvis_methods.errors import InvalidArgumentError
from metannvis_methods.models.arrays import to_numpy

__all__ = ["ClassConcepts", "EmbeddingConcepts", "ImageConcepts", "Segmentations"]

Array = np.ndarray[Any, Any]


@runtime_checkable
class ImageConcepts(Protocol):
    """Concepts with masks, image by image: what dissection by overlap needs.

    Attributes
    ----------
    names, categories
        Of the concepts, in order: the name of each, and which category it belongs to (``"object"``, ``"color"``).
    """

    names: tuple[str, ...]
    categories: tuple[str, ...]

    def __len__(self) -> int:
        """Number of images."""

    def labels(self, index: int) -> Mapping[str, Array]:
        """What an image is labelled with, by category; a category that it is not labelled for is left out.

        Label maps, whole numbers of shape ``(layers, H, W)``, places of concepts or −1 for none; or of shape ``(layers,)`` for
        labels of the image as a whole.
        """


class Segmentations:
    """Concepts with masks in memory.

    Parameters
    ----------
    masks
        True and false, shape ``(N, concepts, H, W)``.
    names
        Of the concepts.
    categories
        Which category each belongs to; ``None``: all to one. Every image is taken to be labelled for every category.

    Raises
    ------
    InvalidArgumentError
        Numbers or shapes do not fit.
    """

    def __init__(self, masks: Any, names: Sequence[str], categories: Sequence[str] | None = None) -> None:
        self.masks = to_numpy(masks).astype(bool)
        self.names = names_of(names)
        self.categories = ("concept",) * len(self.names) if categories is None else tuple(map(str, categories))
        if self.masks.ndim != 4 or self.masks.shape[1] != len(self.names) or len(self.categories) != len(self.names):
            raise InvalidArgumentError(
                f"Segmentations: masks have shape (N, concepts, H, W), with a name and a category a concept; these are "
                f"{self.masks.shape}, {len(self.names)} names and {len(self.categories)} categories"
            )
        check_names(self.names)

    def __len__(self) -> int:
        return len(self.masks)

    def labels(self, index: int) -> Mapping[str, Array]:
        """Label maps of an image by category, shape ``(concepts of it, H, W)``, int64: the concept's place, −1 elsewhere.

        See :class:`ImageConcepts`: one map a concept, so that masks may overlap.
        """
        found: dict[str, list[Array]] = {}
        for place, category in enumerate(self.categories):
            found.setdefault(category, []).append(np.where(self.masks[index, place], place, -1))
        return {category: np.stack(maps) for category, maps in found.items()}


class EmbeddingConcepts:
    """Concepts as words (or whatever has a name) with embeddings, in one space with embeddings of the images.

    Whose they are is the caller's affair: nothing is downloaded.

    Parameters
    ----------
    names
        Of the concepts.
    images
        Embeddings of the images, shape ``(N, D)``.
    concepts
        Embeddings of the concepts, shape ``(concepts, D)``.

    Raises
    ------
    InvalidArgumentError
        Numbers or shapes do not fit, or an embedding is zero.
    """

    def __init__(self, names: Sequence[str], images: Any, concepts: Any) -> None:
        self.names = names_of(names)
        check_names(self.names)
        a, b = (to_numpy(x).astype(np.float64) for x in (images, concepts))
        if a.ndim != 2 or b.ndim != 2 or a.shape[1] != b.shape[1] or len(b) != len(self.names):
            raise InvalidArgumentError(
                f"EmbeddingConcepts: images (N, D) and concepts ({len(self.names)}, D), one a name, not {a.shape} and {b.shape}"
            )
        sizes = [np.linalg.norm(x, axis=1, keepdims=True) for x in (a, b)]
        if any((size == 0).any() or not np.isfinite(size).all() for size in sizes):
            raise InvalidArgumentError("EmbeddingConcepts: an embedding is zero or not finite")
        #: Cosines of images and concepts, shape ``(N, concepts)``.
        self.similarities: Array = (a / sizes[0]) @ (b / sizes[1]).T

    def __len__(self) -> int:
        return len(self.similarities)


class ClassConcepts:
    """Concepts as the classes of images: each image shows one.

    Parameters
    ----------
    classes
        Whole numbers, shape ``(N,)``, or names.
    names
        Of the classes; needed with whole numbers.

    Raises
    ------
    InvalidArgumentError
        There is no name for a class.
    """

    def __init__(self, classes: Sequence[Any], names: Sequence[str] | None = None) -> None:
        given = np.asarray(classes)
        if given.ndim != 1 or not len(given):
            raise InvalidArgumentError(f"ClassConcepts: one class an image, shape (N,), not {given.shape}")
        if given.dtype.kind in "US":
            self.names = names_of(np.unique(given) if names is None else names)
            unknown = sorted(set(map(str, given)) - set(self.names))
            if unknown:
                raise InvalidArgumentError(f"ClassConcepts: {', '.join(unknown[:5])} is none of the names")
            places = np.array([self.names.index(str(name)) for name in given])
        elif given.dtype.kind in "iu" and names is not None and given.min() >= 0 and given.max() < len(names):
            self.names, places = names_of(names), given.astype(int)
        else:
            raise InvalidArgumentError("ClassConcepts: classes are names, or whole numbers that index names=")
        check_names(self.names)
        self.similarities: Array = np.eye(len(self.names))[places]

    def __len__(self) -> int:
        return len(self.similarities)


def names_of(names: Any) -> tuple[str, ...]:
    """Names of concepts as a caller gives them, as texts; one text is no list of names."""
    if isinstance(names, (str, bytes)) or not isinstance(names, (Sequence, np.ndarray)):
        raise InvalidArgumentError(f"names are a list, one a concept, not {names!r}")
    return tuple(map(str, names))


def check_names(names: Sequence[str]) -> None:
    """Refuse no names, and names that are not one a concept."""
    if not names or len(set(names)) != len(names):
        raise InvalidArgumentError("concepts have names, each its own" if names else "there is no concept")
