"""Overhearing: the model's output for what is explained, taken from a pass that the method makes anyway."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np

from metannvis_methods.errors import InvalidArgumentError, MetannvisError, MissingArgumentError
from metannvis_methods.models.arrays import count_of, in_order, to_numpy
from metannvis_methods.models.base import ModelAdapter
from metannvis_methods.models.registry import adapter_for
from metannvis_methods.registry.toolset import Target
from metannvis_methods.running.call import RunningCall
from metannvis_methods.running.fitness import tell_probabilities
from metannvis_methods.running.outputs import ChosenOutput, choose_output
from metannvis_methods.running.prepared import Prepared
from metannvis_methods.running.sharing import is_sharing
from metannvis_methods.running.target import settle_target, translated_target

__all__ = ["MisjudgedError", "Overheard", "Returned", "learn", "overhear"]

Array = np.ndarray[Any, Any]


class MisjudgedError(MetannvisError):
    """A pass has shown that the model returns something else than was taken for granted; nobody but us sees this."""


@dataclass(frozen=True)
class Returned:
    """What a model was seen to return, one an output.

    Attributes
    ----------
    names
        Paths in what it returns; one tensor and nothing around it has an empty one.
    shapes
        Without the batch; ``None`` if they were not seen yet.
    final
        Whether each is what a softmax or sigmoid returns; ``None`` if nobody has looked.
    """

    names: tuple[str, ...]
    shapes: tuple[tuple[int, ...], ...] | None
    final: tuple[bool, ...] | None = None


#: What models were seen to return. It is held against the first pass of each call, so that it may be out of date.
_known: WeakKeyDictionary[Any, Returned] = WeakKeyDictionary()
#: The number of which an array that takes no memory consists.
ZERO = bytes(4)
#: What is taken for granted of a model that was never seen to run.
PLAIN = Returned(("",), None)


def learn(model: Any, outputs: Sequence[tuple[str, Any]], final: tuple[bool, ...] | None = None) -> None:
    """Remember what a model returned."""
    try:
        before = _known.get(model)
        names, shapes = tuple(name for name, _ in outputs), tuple(tuple(x.shape)[1:] for _, x in outputs)
        if final is None and before is not None and before.names == names:
            final = before.final
        _known[model] = Returned(names, shapes, final)
    except TypeError:  # what cannot be referred to weakly, or compared
        return


class Overheard:
    """The model's output for what is explained, as far as it was heard.

    Parameters
    ----------
    call
        As it is given to the toolset, :attr:`RunningCall.target` settled.
    expected
        What the model is taken to return, which its first pass has to bear out.
    chosen
        The output that is explained.
    asked
        The target in plain numbers, in the terms of the caller's model.
    settled
        What was made of it.
    cut
        Whether what goes into a last activation is explained; ``None`` if that does not matter.
    """

    def __init__(
        self,
        call: RunningCall,
        adapter: ModelAdapter,
        expected: Returned,
        chosen: ChosenOutput,
        *,
        asked: Target,
        settled: Target,
        has_target: bool,
        cut: bool | None,
    ) -> None:
        self.call, self.adapter, self.expected, self.chosen = call, adapter, expected, chosen
        self.asked, self.settled, self.has_target, self.cut = asked, settled, has_target, cut
        self.given = (*call.inputs, *in_order(call.option("extra")))
        self.count = int(call.inputs[0].shape[0])
        self.looks_at_last, self.expects_last = cut is not None, bool(cut)
        #: Told at the first pass, where no activation that makes probabilities was found.
        self.tells_probabilities = "logits" in call.spec.needs and call.words.logits is None and not cut
        self.began = False
        self._rows: list[Array] = []
        self._have = 0

    @property
    def output(self) -> Array | None:
        """The output as the model that runs lays it out; ``None`` if not all of it was heard."""
        if self._have < self.count:
            return None
        return self._rows[0] if len(self._rows) == 1 else np.concatenate(self._rows)

    @property
    def wants(self) -> bool:
        """Whether the next pass is to be listened to."""
        return not self.began or (self._have < self.count and self._passes_are_plain)

    @property
    def _passes_are_plain(self) -> bool:
        """Whether every pass gives the model's own output; methods that look into the model may change later ones."""
        return self.call.spec.kind == "primary" and not self.call.spec.needs_canonical

    def hear(
        self, given: Sequence[Any], outputs: Sequence[tuple[str, Any]], final: tuple[bool, ...] | None = None
    ) -> None:
        """One pass through the model, its first rows perhaps those that are explained.

        Raises
        ------
        MisjudgedError
            The model returns something else than it was taken to.
        InvalidArgumentError
            The target is none of what it returns.
        """
        if not self.wants:
            return
        if not self.began:
            self.began = True
            self._check(given, outputs, final)
        rows = given[0].shape[0] if given and getattr(given[0], "shape", ()) else 0
        count = min(int(rows), self.count - self._have)
        if count and len(given) == len(self.given) and all(
            self.adapter.same_rows(x, y, count, self._have) for x, y in zip(given, self.given, strict=True)
        ):  # fmt: skip
            self.told(outputs[self.chosen.place][1], count)

    def told(self, output: Any, count: int | None = None) -> None:
        """The output for the rows that are next."""
        if self._have < self.count:
            rows = np.array(to_numpy(output)[:count])
            if self.tells_probabilities and not self._rows:
                tell_probabilities(self.call, rows)
            self._rows.append(rows)
            self._have += len(rows)
            self.began = True

    def _check(self, given: Sequence[Any], outputs: Sequence[tuple[str, Any]], final: tuple[bool, ...] | None) -> None:
        names, expected = tuple(name for name, _ in outputs), self.expected
        if names != expected.names or not all(getattr(x, "shape", ()) for _, x in outputs):
            raise MisjudgedError("the model returns other outputs than it was taken to")
        shapes = tuple(tuple(x.shape)[1:] for _, x in outputs)
        rows = {int(x.shape[0]) for x in given if getattr(x, "shape", ())}
        place = self.chosen.place
        if (expected.shapes is not None and shapes != expected.shapes) or rows != {int(outputs[place][1].shape[0])}:
            raise MisjudgedError("the model returns outputs of other shapes than it was taken to")
        if self.cut is not None and (final is None or final[place] != self.cut):
            raise MisjudgedError("the model ends in another activation than it was taken to")
        if self.has_target and settle_target(self.asked, self._like(shapes[place]))[0] != self.settled:
            raise MisjudgedError("the target is another one of this output")
        learn(self.call.model, outputs, final)

    def _like(self, shape: tuple[int, ...]) -> Array:
        return _like(self.count, shape, self.chosen.permutation)


def overhear(asked: RunningCall, call: RunningCall, prepared: Prepared) -> tuple[RunningCall, Overheard] | None:
    """The call with its target settled as far as that needs no prediction; ``None`` if it does.

    Parameters
    ----------
    asked
        In the terms of the caller's model.
    call
        In those of the model that runs.
    """
    spec, adapter, target = asked.spec, prepared.adapter, call.target
    has_target = spec.by_role("target", "score") is not None
    own = asked.option("target", "score") is not None  # a score of the toolkit's
    if asked.score is not None or own or asked.words.noise is not None or is_sharing():
        return None
    if not all(adapter.is_floating(x) for x in call.inputs):
        return None
    expected = _expected(adapter, prepared.model)
    # which modules need a rule is told before the first pass, and that depends on what is left out
    if "rules" in spec.needs and (expected is None or expected.final is None):
        return None
    ports = prepared.translation.outputs if prepared.translation is not None else ()
    if (
        expected is None
        or len(ports) not in (0, len(expected.names))
        or (len(expected.names) > 1 and asked.output is None)
    ):
        return None
    try:
        aimed = _aimed(asked, prepared, expected, target, has_target=has_target)
        if aimed is not None and has_target:
            call = dataclasses.replace(call, target=translated_target(prepared, aimed[1], aimed[0].index))
    except (InvalidArgumentError, MissingArgumentError):  # what is known may be out of date
        return None
    if aimed is None:
        return None
    chosen, settled = aimed
    cut: bool | None = None
    if asked.words.logits or (asked.words.logits is None and "logits" in spec.needs):
        cut = _cut(adapter, prepared.model, expected, chosen.place)
        if cut is None or (asked.words.logits and not cut) or (cut and not adapter.tells_passes):
            return None
    heard = Overheard(
        call if call.model is prepared.model else dataclasses.replace(call, model=prepared.model),
        adapter,
        expected,
        chosen,
        asked=target,
        settled=settled,
        has_target=has_target,
        cut=cut if adapter.tells_passes else None,
    )
    place = chosen.place if len(expected.names) > 1 or expected.names[0] else None
    return dataclasses.replace(call, output=place, logits=bool(cut), hear=heard.told), heard


def _aimed(
    asked: RunningCall, prepared: Prepared, expected: Returned, target: Target, *, has_target: bool
) -> tuple[ChosenOutput, Target] | None:
    """The output that is explained and the target, settled; ``None`` if that needs a prediction."""
    count = count_of(asked.inputs[0])
    if expected.shapes is None:
        if asked.output is not None or (has_target and target is None):
            return None
        ports = prepared.translation.outputs if prepared.translation is not None else ()
        return ChosenOutput(None, 0, 0, ports[0].permutation if ports else None), target
    empty = [(name, _like(count, shape)) for name, shape in zip(expected.names, expected.shapes, strict=True)]
    chosen = choose_output(prepared, adapter_for(prepared.framework), asked.output, empty)
    shape = expected.shapes[chosen.place]
    if not has_target or (target is None and shape not in ((), (1,))):
        return None if has_target else (chosen, target)
    return chosen, settle_target(target, _like(count, shape, chosen.permutation))[0]


def _expected(adapter: ModelAdapter, model: Any) -> Returned | None:
    """What a model is taken to return; ``None`` if that cannot be held against a pass and is not known for certain."""
    if not adapter.can_tell_passes(model):
        shapes = adapter.returns(model)
        return None if shapes is None else Returned(("",) * len(shapes), shapes)
    try:
        return _known.get(model, PLAIN)
    except TypeError:
        return PLAIN


def _cut(adapter: ModelAdapter, model: Any, expected: Returned, place: int) -> bool | None:
    if not adapter.tells_passes:
        return adapter.ends_in_probabilities(model, place, ())
    return False if expected.final is None else expected.final[place]


def _like(count: int, shape: tuple[int, ...], permutation: tuple[int, ...] | None = None) -> Array:
    """An array of that shape that takes no memory, in the layout of the caller's model."""
    array: Array = np.ndarray((count, *shape), np.float32, ZERO, strides=(0,) * (len(shape) + 1))
    if permutation is None or len(permutation) != array.ndim:
        return array
    return np.transpose(array, np.argsort(permutation))
