"""Uncertainty of explanations: any method over dropout masks. A word of ``explain``.

Each mask is one thinned network, on which the method runs from beginning to end: inputs, baselines, steps and noisy copies meet
the same one (Gal & Ghahramani, 2016, arXiv:1506.02142; Bykov et al., 2020, arXiv:2006.09000).
"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
from metannvis_translate.frameworks import get_framework

from metannvis_methods.errors import DeadlineError, InvalidArgumentError, UnfitWarning, UnknownLayerError
from metannvis_methods.models.arrays import in_order, to_numpy
from metannvis_methods.models.base import ModelAdapter
from metannvis_methods.models.dropout import DropoutMask, DropoutMasks
from metannvis_methods.models.registry import adapter_for
from metannvis_methods.registry.toolset import MethodOutput
from metannvis_methods.running.call import RunningCall
from metannvis_methods.running.convert import caller_array
from metannvis_methods.running.guard import guarded, seeded
from metannvis_methods.running.notices import tell
from metannvis_methods.running.prepared import Prepared

__all__ = ["Thinning", "over_masks", "thinnable"]

#: Masks that a spread takes at least.
FEWEST = 2
#: How far a thinned translation may be from the thinned model, of the largest output.
TOLERANCE = 1e-3


@dataclasses.dataclass(frozen=True)
class Thinning:
    """A model that is ready to drop by masks.

    Attributes
    ----------
    masks
        Of the caller's model.
    layers
        For a translation, which of its layers returns what a dropout of the caller's model returns, with that dropout's name,
        the number of its call, and how the axes lie; empty for a model that runs as it is.
    """

    masks: DropoutMasks
    layers: tuple[tuple[str, str, int, tuple[int, ...]], ...] = ()

    @contextmanager
    def dropping(self, adapter: ModelAdapter, model: Any) -> Iterator[None]:
        """Inside, the model that runs drops by the masks that are in force."""
        if not self.layers:
            with adapter.dropping(model, self.masks):
                yield
            return
        known = adapter.layers_of(model)

        def mask_of(name: str, call: int, order: tuple[int, ...]) -> Callable[[], DropoutMask | None]:
            def current() -> DropoutMask | None:
                masks = self.masks.of(name)
                self.masks.applied[name] += 1
                return masks[call].transposed(order) if masks else None

            return current

        layers = [(known[target], mask_of(name, call, order)) for target, name, call, order in self.layers]
        with adapter.masking(layers):
            yield


def thinnable(call: RunningCall, prepared: Prepared) -> tuple[Prepared, Thinning]:
    """The model with layers where it drops, and what makes it do so.

    Raises
    ------
    InvalidArgumentError
        Nothing drops, or a dropout has no place in the translation.
    """
    if not call.inputs:
        raise InvalidArgumentError(f"uncertainty= is of explanations of inputs, and {call.spec.key} was given none")
    home, source = adapter_for(prepared.framework), prepared.source
    translation = prepared.translation
    model = prepared.model if translation is None else source
    arrays = [caller_array(prepared, value, index) for index, value in enumerate(call.inputs)]
    with guarded(home, model):
        inputs = home.as_inputs(model, [*arrays, *map(to_numpy, in_order(call.option("extra")))])
        sites = home.dropout_sites(model, inputs)
        left = home.dropout_left_off(model)
    if not sites:
        raise InvalidArgumentError(f"uncertainty: {home.no_dropout}")
    if left:
        tell(f"the dropout of its own of {', '.join(left)} stays off: masks do not reach it", UnfitWarning)
    if translation is None:
        return prepared, Thinning(DropoutMasks(sites))
    inside = dict.fromkeys(site.name for site in sites if site.call.inside)
    sites = tuple(site for site in sites if not site.call.inside)
    if not sites:
        raise InvalidArgumentError(
            "uncertainty: all that drops is inside layers, where a translation has no place for it: take a method that runs "
            f"in {prepared.framework}"
        )
    if inside:
        tell(
            f"the dropout inside {', '.join(map(repr, inside))} stays off: a translation has no place for it. A method that "
            f"runs in {prepared.framework} has",
            UnfitWarning,
        )
    masks = DropoutMasks(sites)
    adapter, plugin = prepared.adapter, get_framework(translation.target_framework)
    thinned, placed, seen = translation.model, [], dict[str, int]()
    for site in sites:
        call_number = seen[site.name] = seen.get(site.name, 0) + 1
        name = site.name if call_number == 1 else f"{site.name}:{call_number}"
        try:
            row = translation.layers.to_target(name)
        except UnknownLayerError as error:
            raise InvalidArgumentError(
                f"uncertainty: {name!r} drops by a function, which a translation has no place for: make it a layer "
                f"(nn.Dropout), or take a method that runs in {prepared.framework} on the model as it is"
            ) from error
        if row.permutation is None or len(row.permutation) != len(site.call.shape):
            raise InvalidArgumentError(
                f"uncertainty: what {name!r} returns lies otherwise in the translation; take a method that runs in "
                f"{prepared.framework}"
            )
        thinned, layer = plugin.attach(thinned, row.target.name)
        layer = adapter.maskable(thinned, layer)
        placed.append((adapter.layer_name(thinned, layer), site.name, call_number - 1, tuple(row.permutation)))
    thinning = Thinning(masks, tuple(placed))
    prepared = dataclasses.replace(prepared, model=thinned, translation=dataclasses.replace(translation, model=thinned))
    _check(prepared, thinning, home, inputs)
    return prepared, thinning


def _check(prepared: Prepared, thinning: Thinning, home: ModelAdapter, inputs: Sequence[Any]) -> None:
    """Hold a thinned translation against the thinned model: a dropout may share its place with what does not drop.

    Raises
    ------
    InvalidArgumentError
        They differ.
    """
    translation, masks, adapter = prepared.translation, thinning.masks, prepared.adapter
    assert translation is not None
    masks.draw(np.random.default_rng(0))
    rows = [to_numpy(x)[:1] for x in inputs]
    with guarded(home, prepared.source), home.dropping(prepared.source, masks) as model:
        expected = home.predict(model, home.as_inputs(model, rows))
    given = [
        adapter.as_input(prepared.model, translation.to_target(x, role="input", index=k), k) for k, x in enumerate(rows)
    ]
    with guarded(adapter, prepared.model), thinning.dropping(adapter, prepared.model):
        found = adapter.predict(prepared.model, given)
    for k, port in enumerate(translation.outputs):
        theirs = found[k if port.place is None else port.place]
        order = tuple(port.permutation)
        theirs = np.transpose(theirs, np.argsort(order)) if len(order) == theirs.ndim else theirs
        apart = float(np.abs(theirs - expected[k]).max(initial=0)) / max(
            float(np.abs(expected[k]).max(initial=0)), 1e-12
        )
        if not apart <= TOLERANCE:
            raise InvalidArgumentError(
                f"uncertainty: with a mask the translation is {apart:.1e} away from the model, since what a dropout gets is "
                f"used beside it as well; take a method that runs in {prepared.framework} on the model as it is"
            )


def over_masks(
    thinning: Thinning, call: RunningCall, adapter: ModelAdapter, run: Callable[[RunningCall], MethodOutput]
) -> tuple[MethodOutput, MethodOutput]:
    """Mean and standard deviation of a method over masks.

    Random numbers of the method's own begin anew with each mask, so that only masks make a difference.

    Raises
    ------
    InvalidArgumentError
        The method gives results of another form for each mask, or works on a copy that no mask reaches.
    """
    words = call.words.uncertainty
    seeds = np.random.SeedSequence(_entropy(call.seed)).spawn(words.samples + 1)
    own = int(seeds[-1].generate_state(1)[0]) if call.spec.stochastic or call.words.noise is not None else call.seed
    masks, means, squares, count = thinning.masks, list[Any](), list[Any](), 0
    first: MethodOutput | None = None
    for k in range(words.samples):
        masks.draw(np.random.default_rng(seeds[k]))
        masks.applied.clear()
        with thinning.dropping(adapter, call.model), seeded(own):
            try:
                output = run(call)
            except DeadlineError:
                if count < FEWEST:
                    raise
                break
        if not masks.applied:
            raise InvalidArgumentError(
                f"uncertainty: {call.spec.key} of {call.spec.toolset} works on a copy of the model that no mask reaches"
            )
        parts = output.values if isinstance(output.values, (tuple, list)) else (output.values,)
        arrays = [None if part is None else to_numpy(part).astype(np.float64) for part in parts]
        if first is None:
            first, means = output, [None if a is None else np.zeros_like(a) for a in arrays]
            squares = [None if a is None else np.zeros_like(a) for a in arrays]
        if [_shape(a) for a in arrays] != [_shape(a) for a in means]:
            raise InvalidArgumentError(f"uncertainty: {call.spec.key} gives values of another shape for each mask")
        count += 1
        for place, array in enumerate(arrays):  # Welford's
            if array is not None:
                apart = array - means[place]
                means[place] = means[place] + apart / count
                squares[place] = squares[place] + apart * (array - means[place])
        if call.deadline is not None and time.monotonic() > call.deadline and FEWEST <= count < words.samples:
            break
    if count < words.samples:
        tell(f"the time was over after {count} of {words.samples} masks, which the values are of", UnfitWarning)
    assert first is not None
    spread = [None if s is None else np.sqrt(s / (count - 1)) for s in squares]
    return _with(first, means), _with(first, spread)


def _with(output: MethodOutput, arrays: Sequence[Any]) -> MethodOutput:
    """An output with other values of the same form and dtype; what it was off by is that of one mask, and goes."""
    several = isinstance(output.values, (tuple, list))
    parts = output.values if several else (output.values,)
    found = tuple(
        None if a is None else a.astype(to_numpy(part).dtype if to_numpy(part).dtype.kind == "f" else a.dtype)
        for a, part in zip(arrays, parts, strict=True)
    )
    return dataclasses.replace(output, values=found if several else found[0], delta=None)


def _shape(array: Any) -> tuple[int, ...] | None:
    return None if array is None else array.shape


def _entropy(seed: int | None) -> int:
    return int(np.random.randint(2**31)) if seed is None else seed  # noqa: NPY002  # the process' own
