"""Random methods whose draws cannot be made equal: means of 200 runs of ours against 200 of the toolkit on a native twin.

What is averaged is fixed in advance: of a map, the means of every row and column; of an image that activation maximisation
makes, its mean and how alike its neighbours are, down and across (its jitter moves an image of 8×8 by up to a half, so that
places mean little). Each mean has to lie within 4 standard errors of the other side's. Independent runs of the same method
fail that by chance with a probability of 6.3e-5 a number: activation maximisation, five numbers, once in three thousand
tests, the others never, since they are seeded. Transposing an image exchanges rows and columns, down and across, and the same
test then has to fail.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from metannvis_methods import explain
from metannvis_methods.toolsets.load import import_quietly
from metannvis_translate import Translation, translate
from metannvis_translate.frameworks.requirements import require

require("tensorflow")
import captum.attr  # noqa: E402

import_quietly("tf_keras_vis")  # it warns when it is imported
from tf_keras_vis.activation_maximization import ActivationMaximization  # noqa: E402
from tf_keras_vis.saliency import Saliency  # noqa: E402
from tf_keras_vis.utils.scores import CategoricalScore  # noqa: E402

from .twins import Twins  # noqa: E402

Array = np.ndarray[Any, Any]
RUNS, LIMIT, TARGET = 200, 4.0, 3
#: The class whose images differ most from their transposes.
ASCENT = 7
#: The image of the target's class among the five.
IMAGE = slice(3, 4)


def rows_and_columns(images: Array) -> Array:
    """Their means, shape (runs, 16), of images of shape (runs, 8, 8)."""
    return np.concatenate([images.mean(axis=2), images.mean(axis=1)], axis=1)


def neighbours(images: Array) -> Array:
    """Mean, and mean distance and product of neighbours down and across, shape (runs, 5)."""
    x = images.astype("float64")
    pairs = ((x[:, 1:], x[:, :-1]), (x[:, :, 1:], x[:, :, :-1]))
    found = [np.abs(a - b) for a, b in pairs] + [a * b for a, b in pairs]
    return np.stack([part.mean(axis=(1, 2)) for part in (x, *found)], axis=1)


def apart(ours: Array, theirs: Array, statistics: Callable[[Array], Array] = rows_and_columns) -> float:
    """Largest difference of a mean, in standard errors."""
    assert ours.shape == theirs.shape == (RUNS, 8, 8)
    a, b = statistics(ours), statistics(theirs)
    error = np.sqrt((a.var(axis=0, ddof=1) + b.var(axis=0, ddof=1)) / RUNS)
    return float((np.abs(a.mean(axis=0) - b.mean(axis=0)) / error).max())


def repeated(run: Callable[[int], Any]) -> Array:
    """Results of all runs, their axes of length 1 left out; each run is given a seed."""
    return np.stack([np.squeeze(np.asarray(run(seed))) for seed in range(RUNS)])


def seeded(seed: int) -> None:
    """Seeds of the direct calls, none of which ours uses."""
    np.random.seed(10_000 + seed)  # noqa: NPY002  # what the toolkits draw from
    torch.manual_seed(10_000 + seed)


@pytest.fixture(scope="module")
def translation(network: Any) -> Callable[[str], Translation]:
    """A network's translation, which a caller may give instead of the network."""
    made: dict[str, Translation] = {}

    def get(name: str) -> Translation:
        if name not in made:
            twins: Twins = network(name)
            to = "keras" if twins.framework == "torch" else "torch"
            made[name] = translate(twins.model, to, example_inputs=twins.images[:2].astype("float32"))
        return made[name]

    return get


def judge(ours: Array, theirs: Array, wrong: dict[str, Array], statistics: Any = rows_and_columns) -> None:
    """Both sides agree in the mean, and ours disagrees with what is wrong on purpose."""
    assert apart(ours, theirs, statistics) <= LIMIT
    for what, values in wrong.items():
        assert apart(ours, values, statistics) > LIMIT, f"the test does not notice {what}"


@pytest.mark.full
@pytest.mark.filterwarnings("ignore:The structure of `inputs`:UserWarning")
def test_default_activation_maximization(network: Any, translation: Callable[[str], Translation]) -> None:
    """Not reproducible even when seeded: its seed image, jitter and rotation are random."""
    twins: Twins = network("torch_digits")
    words = {"target": ASCENT, "toolset": "tf-keras-vis", "steps": 3}
    ours = repeated(lambda _: explain(translation("torch_digits"), "activation_maximization", **words).values)
    method, score = ActivationMaximization(twins.in_keras("float32")), CategoricalScore([ASCENT])
    theirs = repeated(lambda _: method(score, steps=3))
    judge(ours, theirs, {"a transposed result": theirs.swapaxes(1, 2)}, neighbours)


@pytest.mark.full
@pytest.mark.filterwarnings("ignore:The structure of `inputs`:UserWarning")
def test_smooth_grad(network: Any, translation: Callable[[str], Translation]) -> None:
    twins: Twins = network("torch_digits")
    x = twins.images[IMAGE].astype("float32")
    options = {"smooth_samples": 3, "normalize_map": False}
    words = {"target": TARGET, "toolset": "tf-keras-vis", **options}
    ours = repeated(lambda seed: explain(translation("torch_digits"), "smooth_grad", x, seed=seed, **words).values)
    method, score = Saliency(twins.in_keras("float32")), CategoricalScore([TARGET])

    def direct(seed: int, image: Array) -> Any:
        seeded(seed)
        return method(score, image, **options)

    theirs = repeated(lambda seed: direct(seed, twins.last(x)))
    transposed = repeated(lambda seed: direct(seed, twins.last(x).swapaxes(1, 2)))
    judge(ours, theirs, {"a transposed input": transposed, "a transposed result": theirs.swapaxes(1, 2)})


def test_gradient_shap(network: Any, translation: Callable[[str], Translation]) -> None:
    twins: Twins = network("keras_digits")
    x, baselines = twins.images[IMAGE], twins.images[:2] * 0.5
    options = {"n_samples": 5, "stdevs": 0.1, "target": TARGET}
    words = {"toolset": "captum", "baselines": baselines, **options}
    ours = repeated(lambda seed: explain(translation("keras_digits"), "gradient_shap", x, seed=seed, **words).values)
    method = captum.attr.GradientShap(twins.in_torch)
    base = torch.from_numpy(twins.first(baselines))

    def direct(seed: int, image: Array) -> Any:
        seeded(seed)
        return method.attribute(torch.from_numpy(image.copy()), base, **options).detach()

    theirs = repeated(lambda seed: direct(seed, twins.first(x)))
    transposed = repeated(lambda seed: direct(seed, twins.first(x).swapaxes(2, 3)))
    judge(ours, theirs, {"a transposed input": transposed, "a transposed result": theirs.swapaxes(1, 2)})
