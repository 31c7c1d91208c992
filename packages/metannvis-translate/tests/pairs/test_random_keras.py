"""Random Keras graphs become PyTorch modules that compute the same, and come back; what cannot is refused, and that is seldom.

A few graphs here, the same ones at every run; ``tox -e random-keras`` draws 300 new ones (see ``test_random_networks``).
"""

from __future__ import annotations

import pytest

from ..random_networks.keras import networks
from ..random_networks.run import EXAMPLES, run


@pytest.mark.timeout(0 if EXAMPLES else 300)
@pytest.mark.filterwarnings("ignore:.*was passed an input with a mask:UserWarning")
@pytest.mark.filterwarnings("ignore:(.|\n)*You are using a softmax over axis:UserWarning")
def test_random_keras() -> None:
    run(networks(), "torch", few=5)


@pytest.mark.full
@pytest.mark.filterwarnings("ignore:.*was passed an input with a mask:UserWarning")
@pytest.mark.filterwarnings("ignore:(.|\n)*You are using a softmax over axis:UserWarning")
def test_a_few_more() -> None:
    run(networks(), "torch", few=12)
