from __future__ import annotations

import sys

import numpy as np
import pytest
from metannvis_methods.errors import MissingFrameworkError
from metannvis_methods.examples import digits


def test_the_split():
    data = digits.load(0)
    assert (data.train_images.shape, data.test_images.shape) == ((1437, 8, 8), (360, 8, 8))
    assert (data.train_images.dtype, data.train_classes.dtype) == (np.float32, np.int64)
    assert (data.train_images.min(), data.train_images.max()) == (0, 1)
    assert set(data.test_classes) == set(range(10))


def test_a_seed_is_a_split():
    first, again, other = digits.load(0), digits.load(0), digits.load(1)
    np.testing.assert_array_equal(first.test_images, again.test_images)
    assert (first.test_classes != other.test_classes).any()


def test_the_first_of_each_class():
    data = digits.load(0)
    places = data.first_of_each((3, 8))
    assert list(data.test_classes[places]) == [3, 8]
    assert 3 not in data.test_classes[: places[0]]


def test_without_scikit_learn_it_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "sklearn", None)
    with pytest.raises(MissingFrameworkError, match=r"^scikit-learn .* pip install 'metannvis-methods\[examples\]'$"):
        digits.load(0)
