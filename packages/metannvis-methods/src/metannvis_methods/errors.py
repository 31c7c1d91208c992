"""The errors and warnings of the methods package, below :class:`metannvis_translate.errors.MetannvisError`.

::

    MetannvisError                          (metannvis_translate)
    ├─ UnknownMethodError(LookupError)      no method of that name, of that kind, in that toolset
    ├─ UnknownToolsetError(LookupError)     no toolset of that name
    ├─ UnknownMetricError(LookupError)      no metric of that name
    ├─ UnfitError(ValueError)               a method does not fit, and ``unfit="raise"`` was asked for
    ├─ DeadlineError(TimeoutError)          the time that the caller gave is over, and there is nothing to show yet
    └─ ToolsetError(RuntimeError)           the toolkit itself failed; its own error is chained

    UserWarning
    ├─ UnfitWarning                         a method does not fit the model, or its result shows that it did not
    ├─ PrecisionWarning                     half precision was asked for and was not enough
    ├─ FixedBatchWarning                    a model takes one number of samples at a time; it is called in pieces
    ├─ GradientWarning                      a translation was taken whose gradients are not the model's
    └─ ChoiceWarning                        a choice was made for the caller, or is left to them
       ├─ MethodChoiceWarning               several toolsets have the method; one was taken
       └─ LayerChoiceWarning                the method needs a layer and none was named
"""

from __future__ import annotations

from metannvis_translate.errors import (
    InvalidArgumentError,
    MetannvisError,
    MissingArgumentError,
    MissingFrameworkError,
    UnknownFrameworkError,
    UnknownLayerError,
    WriteError,
    near_misses,
)

__all__ = [
    "ChoiceWarning",
    "DeadlineError",
    "FixedBatchWarning",
    "GradientWarning",
    "InvalidArgumentError",
    "LayerChoiceWarning",
    "MetannvisError",
    "MethodChoiceWarning",
    "MissingArgumentError",
    "MissingFrameworkError",
    "PrecisionWarning",
    "ToolsetError",
    "UnfitError",
    "UnfitWarning",
    "UnknownFrameworkError",
    "UnknownLayerError",
    "UnknownMethodError",
    "UnknownMetricError",
    "UnknownToolsetError",
    "WriteError",
    "near_misses",
]


class UnknownMethodError(MetannvisError, LookupError):
    """No method of that name, of the kind asked for, in the toolset asked for."""


class UnfitError(MetannvisError, ValueError):
    """A method does not fit the model or its result shows that it did not, and ``unfit="raise"`` was asked for."""


class DeadlineError(MetannvisError, TimeoutError):
    """The time that the caller gave is over, and the method has nothing to show yet."""


class UnknownToolsetError(MetannvisError, LookupError):
    """No toolset of that name is registered."""


class UnknownMetricError(MetannvisError, LookupError):
    """No metric of that name."""


class ToolsetError(MetannvisError, RuntimeError):
    """The toolkit raised an error of its own, which is chained (``error.__cause__``)."""


class FixedBatchWarning(UserWarning):
    """A model takes one number of samples at a time: samples and steps pass through it in pieces."""


class GradientWarning(UserWarning):
    """The gradients of a translation are not the model's, which a method that needs none was run on all the same."""


class PrecisionWarning(UserWarning):
    """Half precision was asked for and was not enough; the message says in what."""


class UnfitWarning(UserWarning):
    """A method does not fit the model, or its result shows that it did not; the message says in what."""


class ChoiceWarning(UserWarning):
    """Something was chosen for the caller, or is left to them."""


class MethodChoiceWarning(ChoiceWarning):
    """Several toolsets have the method; the message names them and the one taken."""


class LayerChoiceWarning(ChoiceWarning):
    """The method needs a layer and none was named; the message says how to go on."""
