"""Deadlines of several runs: those of a call share its time, and what did not run is told by its name."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import numpy as np
import pytest
from metannvis_methods import DeadlineError, Explanation, SmoothGrad, UnfitWarning, compare, explain, explain_many
from metannvis_methods.errors import InvalidArgumentError
from metannvis_methods.running import deadline as deadlines
from metannvis_translate.frameworks.requirements import require

torch = require("torch")
X = np.random.default_rng(0).standard_normal((1, 3, 8, 8)).astype("float32")
TOOLSETS = ["captum", "zennit", "metannvis"]


class Clock:
    """A clock that moves when a network runs."""

    def __init__(self) -> None:
        self.now = 0.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    found = Clock()
    monkeypatch.setattr(deadlines, "time", found)
    monkeypatch.setattr(Ticking, "clock", found)
    return found


class Ticking(torch.nn.Module):
    """A second of a clock for each pass, or a time in earnest."""

    clock: Clock | None = None  # of the class: what a model holds is put back after a call

    def __init__(self, pause: float = 0.0) -> None:
        super().__init__()
        self.conv, self.act, self.fc = torch.nn.Conv2d(3, 4, 3), torch.nn.ReLU(), torch.nn.Linear(144, 2)
        self.pause = pause

    def forward(self, x: Any) -> Any:
        if self.clock is not None:
            self.clock.now += 1
        time.sleep(self.pause)
        return self.fc(torch.flatten(self.act(self.conv(x)), 1))


def lasting(clock: Clock, call: Callable[[], Any]) -> float:
    """Seconds of the clock that a call takes when what it looks up of the model is known."""
    call()
    started = clock.now
    call()
    return clock.now - started


def test_toolsets_share_the_time(clock: Clock) -> None:
    model = Ticking().eval()
    words: dict[str, Any] = {"target": 1, "toolsets": TOOLSETS}
    assert len(compare(model, "lrp", X, deadline=1000, **words).explanations) == 3
    one = lasting(clock, lambda: explain_many(model, ["lrp"], X, target=1, toolset="captum"))
    two = lasting(clock, lambda: compare(model, "lrp", X, **{**words, "toolsets": TOOLSETS[:2]}))
    assert one < two
    started = clock.now
    with pytest.warns(UnfitWarning, match="^metannvis: attn_lrp was not done in time, and is not compared$"):
        found = compare(model, "lrp", X, deadline=two - 0.5, **words)
    assert clock.now - started == two
    assert [e.toolset for e in found.explanations] == TOOLSETS[:2]
    assert [(row["a"], row["b"]) for row in found.rows] == [("captum", "zennit")]
    assert "metannvis: attn_lrp was not done in time, and is not compared" in found.notes
    assert {e.record.words["deadline"] for e in found.explanations if e.record} == {two - 0.5}
    started = clock.now
    with pytest.raises(
        DeadlineError, match=r"captum: lrp was done in time; zennit: lrp was not.*metannvis: attn_lrp was not"
    ):
        compare(model, "lrp", X, deadline=one - 0.5, **words)
    assert clock.now - started == one


def test_what_explains_a_difference_is_looked_for_as_long_as_there_is_time(clock: Clock) -> None:
    model = Ticking().eval()
    words: dict[str, Any] = {"target": 1, "toolsets": ["captum", "zennit"], "align": False}
    assert "with one option after the other" in str(compare(model, "lrp", X, **words))
    for passes in range(9):  # the least in which both are done
        with suppress(DeadlineError):
            found = compare(model, "lrp", X, deadline=passes + 0.5, **words)
            break
    assert found.notes == ("captum − zennit: the time was over before the rest was looked at",)


def test_noise_of_each_toolset_gets_its_share() -> None:
    model = Ticking(pause=0.02).eval()
    words: dict[str, Any] = {"target": 1, "toolsets": ["captum", "zennit"], "noise": SmoothGrad(2000, 0.1), "seed": 0}
    compare(model, "lrp", X, **{**words, "noise": None})  # whatever is loaded first
    started = time.monotonic()
    with pytest.warns(UnfitWarning, match=r"the time was over after \d+ of 2000"):
        found = compare(model, "lrp", X, deadline=2, **words)
    assert time.monotonic() - started < 3
    assert [e.toolset for e in found.explanations] == ["captum", "zennit"]


def test_requests_share_the_time(clock: Clock) -> None:
    model = Ticking().eval()
    one = lasting(clock, lambda: explain_many(model, ["lrp"], X, target=1, toolset="captum"))
    requests = [{"method": "lrp", "toolset": toolset} for toolset in ("captum", "captum", "zennit")]
    started = clock.now
    found = explain_many(model, requests, X, target=1, deadline=one - 0.5)
    assert clock.now - started == one
    assert isinstance(found[0], Explanation)
    assert [type(result) for result in found[1:]] == [DeadlineError, DeadlineError]
    assert "lrp was not done in time" in str(found[2])
    assert all(isinstance(e, Explanation) for e in explain_many(model, requests, X, target=1, deadline=1000))


def test_a_translation_ends_when_the_time_is_over() -> None:
    stages: list[str] = []
    with pytest.raises(DeadlineError, match="saliency was not done in time"):
        explain(
            Ticking().eval(),
            "saliency",
            X,
            target=1,
            toolset="tf-keras-vis",
            deadline=1e-6,
            progress=lambda done, total, stage: stages.append(stage),
        )
    assert "check" not in stages


@pytest.mark.parametrize("deadline", [0, "soon"])
def test_a_deadline_is_a_number(deadline: Any) -> None:
    for call in (
        lambda: compare(Ticking(), "lrp", X, target=1, deadline=deadline),
        lambda: explain_many(Ticking(), ["saliency"], X, target=1, deadline=deadline),
    ):
        with pytest.raises(InvalidArgumentError, match="deadline is a number of seconds"):
            call()


def test_options_of_every_toolset_are_looked_at_before_one_runs(clock: Clock) -> None:
    with pytest.raises(InvalidArgumentError, match="'epsilonn'"):
        compare(
            Ticking().eval(),
            "lrp",
            X,
            target=1,
            toolsets=["captum", "metannvis"],
            options={"metannvis": {"epsilonn": 1}},
        )
    assert clock.now == 0
