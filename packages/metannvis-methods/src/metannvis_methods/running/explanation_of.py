"""What a method returned, in the caller's layout, as an explanation."""

from __future__ import annotations

from typing import Any, NamedTuple

from metannvis_methods.models.arrays import to_numpy
from metannvis_methods.models.registry import adapter_for
from metannvis_methods.registry.toolset import MethodOutput, Target
from metannvis_methods.results.explanation import Explanation
from metannvis_methods.results.plain import as_tuple, plain_positions
from metannvis_methods.running.call import RunningCall
from metannvis_methods.running.fitness import tell_incomplete, tell_unfit_values
from metannvis_methods.running.made_images import as_optimization
from metannvis_methods.running.prediction import Seen
from metannvis_methods.running.prepared import Prepared
from metannvis_methods.running.regions import dense_axes, target_region
from metannvis_methods.running.request import set_options
from metannvis_methods.running.restore import restore, translation_summary
from metannvis_methods.running.target import from_the_start

__all__ = ["CallerInputs", "explanation_of"]


class CallerInputs(NamedTuple):
    """Inputs as arrays in the caller's layout, a tuple where there are several, and letters of their axes."""

    arrays: Any
    axes: Any


def explanation_of(
    asked: RunningCall,
    call: RunningCall,
    prepared: Prepared,
    seen: Seen,
    caller: CallerInputs,
    target: Target,
    recorded: Any,
    output: MethodOutput,
    spread: MethodOutput | None,
    seconds: float,
) -> Explanation:
    """The result of a call, values that say nothing told.

    Parameters
    ----------
    asked, call
        The call in the terms of the caller's model, and as it ran.
    seen
        Outputs and the prediction.
    target, recorded
        What was asked for, and what the result says of it.
    spread
        Standard deviations over dropout masks.
    """
    inputs, input_axes = caller
    output_axes = dense_axes(
        seen.axes,
        seen.shape,
        channels_last=adapter_for(prepared.framework).channels_last,
        inputs=[]
        if inputs is None
        else [(a, x.shape) for a, x in zip(as_tuple(input_axes), as_tuple(inputs), strict=True)],
    )
    values, axes = restore(prepared, call, output)
    deviation = None if spread is None else restore(prepared, call, spread)[0]
    if output.over != "features":
        tell_unfit_values(asked.spec, as_tuple(values))
    delta = None if output.delta is None else to_numpy(output.delta)
    options = set_options(asked.words, asked.spec)
    tell_incomplete(asked.spec, options, as_tuple(values), delta)
    made = Explanation(
        values=values,
        axes=axes,
        inputs=inputs,
        input_axes=input_axes,
        method=asked.spec.key,
        toolset=asked.spec.toolset,
        framework=asked.framework,
        kind=asked.spec.kind if output.kind is None else output.kind,
        layer=prepared.row.source.name if prepared.row is not None else None,
        target=plain_positions(from_the_start(recorded, seen.shape[1:]) if recorded is target else recorded),
        labels=asked.words.labels,
        translation=translation_summary(prepared.translation),
        convergence_delta=delta,
        seconds=seconds,
        options={
            **options,
            **({"logits": True} if seen.logits else {}),
            **({} if asked.seed is None else {"seed": asked.seed}),
        },
        output=seen.output,
        prediction=seen.prediction,
        output_axes=output_axes,
        deviation=deviation,
        region=None if output_axes is None else target_region(target, call.score, output_axes, seen.shape),
        details={name: to_numpy(array) for name, array in output.details.items()},
    )
    return as_optimization(made, output, prepared, call)
