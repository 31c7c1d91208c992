"""Parts of dissection: thresholds, enlargement, similarity, each against an independent reference."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from metannvis_methods import ClassConcepts, EmbeddingConcepts, Segmentations
from metannvis_methods.errors import InvalidArgumentError
from metannvis_methods.results.enlarge import enlarged
from metannvis_methods.toolsets.metannvis.dissection.similarity import soft_wpmi
from metannvis_methods.toolsets.metannvis.dissection.top_share import TopShare
from metannvis_translate.frameworks.requirements import require

torch = require("torch")
RNG = np.random.default_rng(0)


@pytest.mark.parametrize("share", [0.005, 0.02, 0.5])
@pytest.mark.parametrize("batch", [1, 7, 400])
def test_the_threshold_is_exact(share: float, batch: int) -> None:
    values = RNG.normal(size=(5, 1000)).astype(np.float32)
    values[4] = np.round(values[4])  # ties
    top = TopShare(5, 1000, share, 1 << 20)
    for start in range(0, 1000, batch):
        top.add(values[:, start : start + batch])
    k = int(share * 1000)
    expected = np.sort(values, axis=1)[:, ::-1][:, k]
    np.testing.assert_array_equal(top.thresholds(), expected)
    assert ((values > expected[:, None]).sum(1)[:4] == k).all()
    assert (values > expected[:, None]).sum(1)[4] <= k


def test_past_the_bound_places_are_left_out() -> None:
    values = RNG.normal(size=(3, 200_000)).astype(np.float32)
    top = TopShare(3, 200_000, 0.02, 3 * 1000 * 4)
    assert not top.is_exact
    kept = 0
    for start in range(0, 200_000, 5000):
        top.add(values[:, start : start + 5000])
        kept = max(kept, top._top.nbytes)
    exact = np.sort(values, axis=1)[:, ::-1][:, 4000]
    np.testing.assert_allclose(top.thresholds(), exact, atol=0.1)
    assert kept < 3 * 1300 * 4


def test_memory_is_that_of_the_top_share() -> None:
    """All layers of a ResNet-18 from the second stage on, over 10,000 images."""
    sizes = [(128, 784), (256, 196), (512, 49)]
    kept = sum(units * TopShare(units, 10_000 * places, 0.005, 1 << 30).keep * 4 for units, places in sizes)
    assert kept < 36e6


@pytest.mark.parametrize(
    ("old", "new"), [((7, 7), (20, 31)), ((1, 1), (4, 5)), ((5, 3), (5, 3)), ((9, 8), (4, 3)), ((2, 6), (7, 6))]
)
def test_enlargement_is_that_of_both_frameworks(old: tuple[int, int], new: tuple[int, int]) -> None:
    maps = RNG.normal(size=(2, 3, *old))
    theirs = torch.nn.functional.interpolate(torch.from_numpy(maps), new, mode="bilinear", align_corners=False)
    np.testing.assert_allclose(enlarged(maps, new), theirs.numpy(), atol=1e-12)
    resized = require("tensorflow").image.resize(maps.transpose(0, 2, 3, 1), new).numpy().transpose(0, 3, 1, 2)
    np.testing.assert_allclose(enlarged(maps, new), resized, atol=1e-5)


def test_soft_wpmi_is_its_formula() -> None:
    images, concepts = RNG.normal(size=(30, 8)), RNG.normal(size=(6, 8))
    known = EmbeddingConcepts([f"word {k}" for k in range(6)], images, concepts)
    cosine = [[a @ b / np.sqrt((a @ a) * (b @ b)) for b in concepts] for a in images]
    np.testing.assert_allclose(known.similarities, cosine, atol=1e-12)
    top = np.stack([RNG.permutation(30)[:10] for _ in range(4)])
    found = soft_wpmi(top, known.similarities)
    given = np.zeros((4, 6))
    for unit in range(4):
        for concept in range(6):
            for place, image in enumerate(top[unit]):
                powers = [np.exp(10 * s) for s in cosine[image]]
                p = 0.998 - (0.998 - 0.97) * place / 9
                given[unit, concept] += np.log(1 - p + p * powers[concept] / sum(powers))
    prior = np.log(np.mean(np.exp(given), axis=0))
    np.testing.assert_allclose(found, given - prior, atol=1e-10)
    np.testing.assert_allclose(soft_wpmi(top, known.similarities, weight=0), given, atol=1e-10)


def test_concepts_that_cannot_be_are_refused() -> None:
    refused: list[tuple[Any, str]] = [
        (lambda: Segmentations(np.zeros((2, 3, 4, 4)), ["a", "b"]), r"\(N, concepts, H, W\)"),
        (lambda: Segmentations(np.zeros((2, 2, 4, 4)), ["a", "a"]), "each its own"),
        (lambda: EmbeddingConcepts(["a"], np.zeros((2, 3)), np.ones((1, 3))), "zero or not finite"),
        (lambda: EmbeddingConcepts(["a"], np.ones((2, 3)), np.ones((1, 4))), "one a name"),
        (lambda: ClassConcepts([0, 1, 5], ["a", "b"]), "index names"),
        (lambda: ClassConcepts(["a", "c"], ["a", "b"]), "c is none of the names"),
        (lambda: ClassConcepts([]), "one class an image"),
    ]
    for make, said in refused:
        with pytest.raises(InvalidArgumentError, match=said):
            make()
    assert ClassConcepts(["b", "a", "b"]).names == ("a", "b")
