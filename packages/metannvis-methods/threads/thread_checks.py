"""Four threads against one after the other: the same to the bit, and everything around as it was."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np
from metannvis_methods import Explanation
from metannvis_methods.running.translation_cache import cache

from .thread_cases import CASES, THREADS, Key, at_once, called, hurried, made, model_state, surroundings

__all__ = ["faults", "mixed_faults"]


def faults(key: Key, framework: str, models: int) -> list[str]:
    """What is wrong when four threads call a method on one model, or each on its own; empty if nothing is."""
    nets = [made(framework, score=CASES[key].score, pooled=CASES[key].pooled, seed=number) for number in range(models)]
    calls = [(key, number, nets[number % models]) for number in range(THREADS)]
    return _compared(calls, framework, nets, 1)


def mixed_faults(keys: Sequence[Key], framework: str, models: int) -> list[str]:
    """The same where the threads are at different methods at a time."""
    nets = [made(framework, seed=number) for number in range(models)]
    calls = [
        (key, number, nets[number % models])
        for number, key in enumerate(keys)
        if not CASES[key].score and not CASES[key].pooled
    ]
    return _compared(calls, framework, nets, -(-len(calls) // THREADS))


def _compared(calls: Sequence[tuple[Key, int, Any]], framework: str, nets: Sequence[Any], each: int) -> list[str]:
    with warnings.catch_warnings():
        # of captum's Lime, about what it was given; pytest makes errors of warnings
        warnings.filterwarnings("ignore", message="You are providing multiple inputs for Lime")
        return _found(calls, framework, nets, each)


def _found(calls: Sequence[tuple[Key, int, Any]], framework: str, nets: Sequence[Any], each: int) -> list[str]:
    tasks = [partial(called, key, framework, net, number) for key, number, net in calls]
    found: list[str] = []
    with hurried():
        before, states = surroundings(), [model_state(net) for net in nets]
        # the threads come first, so that translations are made by them
        chunks = [tasks[k * each : (k + 1) * each] for k in range(THREADS)]
        together = [item for part in at_once([partial(_in_turn, chunk) for chunk in chunks]) for item in part]
        found += _changed("of the process", before, surroundings())
        found += [line for k, net in enumerate(nets) for line in _changed(f"of model {k}", states[k], model_state(net))]
        cache.clear()
        serial = _in_turn(tasks)
    for (key, number, _), ours, alone in zip(calls, together, serial, strict=True):
        found += [f"{key[1]} {number}: {line}" for line in _apart(ours, alone, CASES[key].refused)]
    return found


def _in_turn(tasks: Sequence[Any]) -> list[Any]:
    found: list[Any] = []
    for task in tasks:
        try:
            found.append(task())
        except Exception as error:  # noqa: BLE001  # told to the test, whatever it is
            found.append(error)
    return found


def _changed(whose: str, before: dict[str, Any], after: dict[str, Any]) -> list[str]:
    names = {**before, **after}
    return [
        f"{name!r} {whose}: {_short(before.get(name))} became {_short(after.get(name))}"
        for name in names
        if before.get(name) != after.get(name)
    ]


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) < 300 else f"{text[:300]} …"


def _apart(ours: Any, alone: Any, refused: str) -> list[str]:
    if refused and refused in str(alone) and (type(ours), str(ours)) == (type(alone), str(alone)):
        return []
    if not isinstance(alone, Explanation):
        return [f"alone: {type(alone).__name__}: {alone}"]
    if not isinstance(ours, Explanation):
        return [f"in threads: {type(ours).__name__}: {ours}"]
    a, b = np.asarray(ours.values), np.asarray(alone.values)
    if a.shape != b.shape or a.dtype != b.dtype or a.tobytes() != b.tobytes():
        return [f"{np.abs(a - b).max() if a.shape == b.shape else a.shape} off"]
    if (ours.target, ours.layer, ours.axes) != (alone.target, alone.layer, alone.axes):
        return [f"target {ours.target}, layer {ours.layer}, not {alone.target}, {alone.layer}"]
    return []
