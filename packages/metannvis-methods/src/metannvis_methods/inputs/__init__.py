"""Inputs from files: images, arrays, names of classes, and the preprocessing of pixels.

:func:`input_specs` tells what a model takes, :func:`carried` what it says of its preprocessing, :func:`range_of_model` what are
black and white to it, :func:`read_inputs` reads files for it. Images need the extra
``metannvis-methods[images]``.
"""

from __future__ import annotations

from metannvis_methods.inputs.carried import carried, customary
from metannvis_methods.inputs.files import read_inputs
from metannvis_methods.inputs.image_inputs import Preprocessed
from metannvis_methods.inputs.images import read_image
from metannvis_methods.inputs.input_specs import InputSpec, input_specs
from metannvis_methods.inputs.labels import read_labels
from metannvis_methods.inputs.pixel_range import range_of_model
from metannvis_methods.inputs.preprocessing import preprocessing
from metannvis_methods.inputs.wording import Wording

__all__ = [
    "InputSpec",
    "Preprocessed",
    "Wording",
    "carried",
    "customary",
    "input_specs",
    "preprocessing",
    "range_of_model",
    "read_image",
    "read_inputs",
    "read_labels",
]
