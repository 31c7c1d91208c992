"""Words of ``explain``: the signature and the table of words say the same, and what a record holds of them."""

from __future__ import annotations

import dataclasses
import inspect

import numpy as np
import pytest
from metannvis_methods import MethodCall, explain
from metannvis_methods.errors import InvalidArgumentError
from metannvis_methods.running.call import RunningCall
from metannvis_methods.running.words import Words


def test_the_signature_of_explain_is_the_table_of_words() -> None:
    parameters = inspect.signature(explain).parameters
    signature = {name: p.default for name, p in parameters.items() if name not in ("model", "method", "more")}
    assert signature == {field.name: field.default for field in dataclasses.fields(Words)}


def test_a_record_holds_what_was_given_and_is_no_default() -> None:
    x = np.zeros((1, 3))
    words = Words(inputs=x, baselines=x, toolset="captum", seed=0, logits=False, progress=print)
    assert set(words.to_record()) == {"baselines", "seed", "logits"}
    assert dict(Words().to_record()) == {}


def test_words_are_checked_together() -> None:
    checked = Words(labels=["a", "b"], noise="SmoothGrad-sq", value_range=[0, 1], logits="auto").checked()
    assert (checked.labels, checked.noise.kind, checked.value_range) == (("a", "b"), "smoothgrad_sq", (0.0, 1.0))
    assert checked.logits is None
    with pytest.raises(InvalidArgumentError, match="batch_size is a whole number"):
        Words(batch_size=0).checked()


def test_a_toolset_gets_what_it_needs() -> None:
    ours = {field.name for field in dataclasses.fields(RunningCall)} - {f.name for f in dataclasses.fields(MethodCall)}
    call = RunningCall(None, "a model", inputs=(1,), seed=3, words=Words(noise="smoothgrad"))  # type: ignore[arg-type]
    given = call.for_toolset()
    assert type(given) is MethodCall
    assert (given.model, given.inputs, given.seed) == ("a model", (1,), 3)
    assert not any(hasattr(given, name) for name in ours)
