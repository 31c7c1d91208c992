"""Translations saved and opened in safe mode by a fresh process without us and PyTorch: they still agree, and can be trained."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from metannvis_translate import translate

from ...zoo.reload import job_of, run_apart
from ..networks.torch import ZOO, randomize

#: Networks of one kind each, so that one process opens them in a few seconds.
ROWS = ("rgb", "tokens", "two_inputs")


def test_saved_in_safe_mode_and_trained(tmp_path: Path) -> None:
    rows = []
    for name in ROWS:
        row = ZOO[name]
        model = randomize(row.make())
        random = np.random.default_rng(3)
        inputs = [random.standard_normal((2, *shape)).astype("float32") for shape in row.shapes]
        translation = translate(model, "keras", example_inputs=inputs, verify=False)
        path = tmp_path / f"{name}.keras"
        translation.save(path)
        rows.append(job_of(name, path, model, translation, inputs, fit=name == "rgb"))
    run_apart([job for job, _ in rows], tmp_path)
    for job, used in rows:
        assert "error" not in job.row, f"{job.name}: {job.row}"
        assert not job.custom, f"{job.name} needs classes of ours"
        assert job.errors()["outputs"] <= 1e-5, job.name
        if not job.fit:
            continue
        assert job.row["finite"] and not job.row["unchanged"], f"{job.name}: {job.row}"
        assert job.row["trainable"] == used, f"{job.name}: {job.row['trainable']} of {used}"
