"""Random PyTorch networks become Keras models that compute the same, and come back; what cannot is refused, and that is seldom.

A few networks here, the same ones at every run; ``tox -e random`` draws 300 new ones
(``METANNVIS_RANDOM_NETWORKS=300``, and ``--hypothesis-seed=…`` to repeat a run). Nothing of the gate is used: ``verify=False``,
other inputs, other batch sizes.
"""

from __future__ import annotations

import pytest

from ..random_networks.run import EXAMPLES, run
from ..random_networks.torch import networks


@pytest.mark.timeout(0 if EXAMPLES else 300)
@pytest.mark.filterwarnings("ignore:.*was passed an input with a mask:UserWarning")
@pytest.mark.filterwarnings("ignore:(.|\n)*You are using a softmax over axis:UserWarning")
def test_random_networks() -> None:
    run(networks(), "keras", few=3)


@pytest.mark.full
@pytest.mark.filterwarnings("ignore:.*was passed an input with a mask:UserWarning")
@pytest.mark.filterwarnings("ignore:(.|\n)*You are using a softmax over axis:UserWarning")
def test_a_few_more() -> None:
    run(networks(), "keras", few=8)
