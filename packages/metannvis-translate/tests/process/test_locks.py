"""What belongs to the process: locks, streams, generators, patches, and the modes that a caller is in."""

from __future__ import annotations

import gc
import logging
import random
import sys
import threading
import warnings
from typing import Any

import numpy as np
import pytest
from metannvis_translate import InvalidArgumentError, check_equivalence, list_layers, translate
from metannvis_translate.frameworks.requirements import require
from metannvis_translate.process import WAITING, exclusive, generators_kept, generators_seeded, locks, using

from tests.caller_modes import caller_modes


class Thing:
    """Something that can be referred to weakly, as a model can."""


def in_a_thread(work: Any) -> threading.Thread:
    thread = threading.Thread(target=work)
    thread.start()
    return thread


def test_the_locks_are_reentrant_and_go_with_their_models() -> None:
    thing = Thing()
    with exclusive(thing), exclusive(thing), using(thing), using(thing):
        assert id(thing) in locks._models
    key = id(thing)
    del thing
    gc.collect()
    assert key not in locks._models


def test_a_model_is_used_by_one_thread_and_another_model_may_be_looked_at() -> None:
    ours, other, seen = Thing(), Thing(), []
    told = threading.Event()

    def look() -> None:
        with using(other):
            seen.append("other")
        with using(ours, progress=lambda *_: told.set()):
            seen.append("ours")

    with exclusive(ours):
        thread = in_a_thread(look)
        assert told.wait(10)
        assert seen == ["other"]
    thread.join(10)
    assert seen == ["other", "ours"]


def test_a_progress_that_fails_leaves_no_lock_behind() -> None:
    def fails(done: int, total: int, stage: str) -> None:
        assert stage == WAITING
        if done:
            raise KeyError

    failed = threading.Event()

    def work() -> None:
        try:
            with exclusive(progress=fails):
                pass
        except KeyError:
            failed.set()

    with exclusive():
        thread = in_a_thread(work)
        thread.join(0.2)
    assert failed.wait(10)
    with exclusive():
        pass


def small(torch: Any) -> Any:
    nn = torch.nn
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(4 * 4 * 3, 5)).eval()


def refused(torch: Any) -> Any:
    """A module that every exporter fails on, each in its own words."""

    class Branches(torch.nn.Module):
        def forward(self, x: Any) -> Any:
            return x.relu() if x.sum() > 0 else x.tanh()

    return Branches()


IMAGES = np.random.default_rng(0).standard_normal((2, 3, 6, 5)).astype("float32")


def test_concurrent_translations_leave_streams_filters_and_levels(capsys: pytest.CaptureFixture[str]) -> None:
    torch = require("torch")
    models = [small(torch), refused(torch), small(torch), small(torch)]
    targets = ["tensorflow", "tensorflow", "torch", "onnx"]
    translate(models[0], "tensorflow", example_inputs=IMAGES)  # imports, one of which adds a warnings filter
    names = ("torch.onnx", "torch.export", "onnxscript")
    streams, filters = (sys.stdout, sys.stderr), list(warnings.filters)
    levels = [logging.getLogger(name).level for name in names]
    functions = (torch.nn.functional.embedding_bag, torch.autograd.Function.__dict__["apply"])
    found: list[Any] = [None] * 4
    replaced: list[Any] = []

    def work(number: int) -> None:
        def progress(done: int, total: int, stage: str) -> None:
            if (sys.stdout, sys.stderr) != streams:
                replaced.append(stage)

        try:
            found[number] = translate(models[number], targets[number], example_inputs=IMAGES, progress=progress).report
        except NotImplementedError as error:
            found[number] = error

    for thread in [in_a_thread(lambda n=n: work(n)) for n in range(4)]:
        thread.join()
    assert [type(item).__name__ for item in found] == [
        "EquivalenceReport", "UnsupportedOperatorError", "EquivalenceReport", "EquivalenceReport",
    ]  # fmt: skip
    assert replaced == []
    assert (sys.stdout, sys.stderr) == streams
    assert list(warnings.filters) == filters
    assert [logging.getLogger(name).level for name in names] == levels
    assert (torch.nn.functional.embedding_bag, torch.autograd.Function.__dict__["apply"]) == functions
    assert capsys.readouterr().out == ""


def drawn() -> list[Any]:
    torch, tf = require("torch"), require("tensorflow")
    return [random.random(), np.random.random(), torch.rand(1).item(), tf.random.uniform([1]).numpy().item()]  # noqa: NPY002


def seed_all() -> None:
    random.seed(1)
    np.random.seed(1)  # noqa: NPY002
    require("torch").manual_seed(1)
    require("tensorflow").random.set_seed(1)


def test_generators_go_on_as_if_nothing_had_been_drawn() -> None:
    torch = require("torch")
    model = small(torch)
    seed_all()
    expected = drawn()
    seed_all()
    with generators_kept():
        drawn()
    with generators_seeded(3):
        first = drawn()
    with generators_seeded(3):
        assert drawn() == first
    translation = translate(model, "tensorflow", example_inputs=IMAGES)
    translate(translation.model, "torch")
    check_equivalence(model, translation, IMAGES, dtype="float64")
    list_layers(model, example_inputs=IMAGES)
    assert drawn() == expected


def test_other_threads_keep_the_derivatives_of_their_functions() -> None:
    """While a model is traced, a function's ``apply`` is another one, but not for who trains a model beside it."""
    torch = require("torch")
    from metannvis_translate.frameworks.torch.exporter.stop_gradient import functions_opened

    class Reversed(torch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, x: Any) -> Any:
            return x * 1

        @staticmethod
        def backward(ctx: Any, gradient: Any) -> Any:
            return -gradient

    found: list[float] = []

    def train() -> None:
        x = torch.ones(1, requires_grad=True)
        Reversed.apply(x).sum().backward()
        found.append(x.grad.item())

    with functions_opened(lambda *_: None):
        in_a_thread(train).join()
        train()
    train()
    assert found == [-1.0, 1.0, -1.0]


def test_modes_of_the_caller_do_not_count() -> None:
    torch, keras = require("torch"), require("keras")
    require("tensorflow")
    model = small(torch)
    layers = [keras.layers.Dense(3, activation="relu"), keras.layers.BatchNormalization(), keras.layers.Dense(2)]
    flat = keras.Sequential([keras.Input((4,)), *layers])
    for name, mode in caller_modes().items():
        with mode():
            reports = [translate(model, to, example_inputs=IMAGES).report for to in ("tensorflow", "torch", "onnx")]
            translations = [translate(flat, to) for to in ("tensorflow", "torch", "onnx")]
            reports += [translation.report for translation in translations]
            assert len(list_layers(model, example_inputs=IMAGES)) == 4, name
        assert all(report is not None and report.passed for report in reports), name
        assert {tensor.device.type for tensor in translations[1].model.state_dict().values()} == {"cpu"}, name


def test_a_model_that_was_made_in_inference_mode_says_so() -> None:
    torch = require("torch")
    with torch.inference_mode():
        model = small(torch)
        with pytest.raises(InvalidArgumentError, match=r"made inside torch.inference_mode\(\).*'0.weight'"):
            translate(model, "torch", example_inputs=IMAGES)


def test_a_symbolic_tensor_says_so() -> None:
    tf, keras = require("tensorflow"), require("keras")
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(3)])
    with tf.Graph().as_default(), pytest.raises(InvalidArgumentError, match="is symbolic: it stands in a graph"):
        translate(model, "torch", example_inputs=tf.ones((1, 4)))
