"""The twins are the networks: outputs and every named layer agree between the frameworks, in double precision."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from metannvis_translate.frameworks.requirements import require

require("tensorflow")
import keras  # noqa: E402

from .twins import SOURCES  # noqa: E402


@pytest.mark.parametrize("name", SOURCES)
def test_layers_of_the_twins_agree(name: str, network: Any) -> None:
    twins = network(name)
    flat = twins.in_keras()
    for in_torch, in_keras in twins.layers.values():
        seen: list[np.ndarray] = []
        hook = twins.in_torch.get_submodule(in_torch).register_forward_hook(lambda _m, _a, o, seen=seen: seen.append(o))
        with torch.no_grad():
            twins.in_torch(torch.from_numpy(twins.first(twins.images)))
        hook.remove()
        part = keras.Model(flat.inputs[0], flat.get_layer(in_keras).output)
        theirs = np.asarray(part(twins.last(twins.images), training=False))
        np.testing.assert_allclose(seen[0].numpy().transpose(0, 2, 3, 1), theirs, rtol=1e-10, atol=1e-10)
