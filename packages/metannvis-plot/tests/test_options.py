"""Options of figures are named in signatures, typed, and the same everywhere."""

from __future__ import annotations

import inspect
from typing import get_type_hints

import metannvis_plot
import numpy as np
import pytest
from metannvis_plot import options
from metannvis_plot.dispatch import KINDS, options_of

BUNDLES = [
    value
    for value in vars(options).values()
    if isinstance(value, type) and hasattr(value, "__total__") and value.__module__ == options.__name__
]
#: Options of some kinds only, which stand in their own signatures.
OWN = {
    *("image", "names", "max_features", "show_input", "channels", "rank", "shared_scale", "at", "normalize"),
    *("max_pairs", "kind", "sample", "curves"),
}


@pytest.mark.parametrize("bundle", BUNDLES, ids=lambda bundle: bundle.__name__)
def test_an_option_is_of_one_type_in_every_bundle(bundle):
    known = get_type_hints(options.Asked)
    hints = get_type_hints(bundle)
    assert hints
    assert {name: known[name] for name in hints if name not in OWN} == {
        name: hint for name, hint in hints.items() if name not in OWN
    }


@pytest.mark.parametrize("kind", KINDS)
def test_signatures_name_the_options_and_plot_takes_them_all(kind):
    names = set(options_of(kind))
    assert {"sample", "title", "path"} <= names
    assert "options" not in names
    typed = {*get_type_hints(options.PlotOptions), *inspect.signature(metannvis_plot.plot).parameters}
    assert names <= typed


def test_defaults_stand_in_the_signature():
    parameters = inspect.signature(metannvis_plot.heatmap).parameters
    assert parameters["clip"].default == 99
    assert parameters["reduce"].default == "sum"
    assert parameters["ax"].kind is inspect.Parameter.KEYWORD_ONLY


@pytest.mark.parametrize("function", [metannvis_plot.heatmap, metannvis_plot.bars, metannvis_plot.channel_grid])
def test_an_option_that_a_figure_has_not_is_refused_as_python_does(function):
    with pytest.raises(TypeError, match=rf"{function.__name__}\(\).*'alpha'"):
        function(np.ones((1, 2)), axes="NF", alpha=0.5)
