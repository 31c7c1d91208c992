"""The four networks that the tests across packages share, made once a session.

Some environments run a folder of these tests with next to nothing installed, so imports stand in the fixtures."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

#: Enough training for weights that mean something.
EPOCHS, SEED = 4, 0


@pytest.fixture(scope="session")
def trained() -> dict[str, Any]:
    """The two example networks, trained, and digits that they have not seen, channels left out."""
    import numpy as np
    from metannvis_translate.frameworks.requirements import require

    for framework in ("torch", "tensorflow"):
        require(framework)
    from metannvis_methods.examples import digits, keras_network, torch_network

    data = digits.load(SEED)
    found: dict[str, Any] = {"digits": data.test_images}
    for name, module, channels in (("torch_digits", torch_network, 1), ("keras_digits", keras_network, 3)):
        images = np.expand_dims(data.train_images, channels)
        found[name] = module.train(images, data.train_classes, epochs=EPOCHS, seed=SEED, progress=lambda *_: None)
    return found


@pytest.fixture(scope="session")
def network(trained: dict[str, Any]) -> Callable[[str], Any]:
    """Any of the four networks, by name, with its twins (:class:`twins.Twins`)."""
    import numpy as np

    from . import twins

    made: dict[str, twins.Twins] = {}

    def get(name: str) -> twins.Twins:
        if name not in made:
            axis = 1 if name.startswith("torch") else 3
            if name.endswith("digits"):
                model, images = trained[name], np.expand_dims(trained["digits"][:5], axis)
            else:
                model = twins.torch_rgb() if axis == 1 else twins.keras_rgb()
                shape = (5, 3, *twins.SIZE) if axis == 1 else (5, *twins.SIZE, 3)
                images = np.random.default_rng(5).standard_normal(shape, "float32")
            made[name] = twins.twins_of(name, model, images)
        return made[name]

    return get


@pytest.fixture(params=["torch", "tensorflow"])
def framework(request: pytest.FixtureRequest) -> str:
    """Key of the framework of the caller's model."""
    key: str = request.param
    return key


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty current folder, which is the one for temporary files as well.

    PyTorch makes an empty folder for the cache of its compiler there; files count, therefore.
    """
    here = tmp_path / "here"
    here.mkdir()
    monkeypatch.chdir(here)
    monkeypatch.setattr(tempfile, "tempdir", str(here))
    monkeypatch.setenv("TMPDIR", str(here))
    return here
