"""What charts have in common: names that hold dollar signs are names, and a figure's title stands on one line."""

from __future__ import annotations

import pytest
from metannvis_plot import plot
from metannvis_plot.canvas import finish, new_figure, png
from metannvis_plot.charts import entitle, legend, name_rows

from .test_dissections import Found


def test_names_with_dollar_signs_are_no_formulas() -> None:
    figure = new_figure(3, 2)
    ax = figure.subplots()
    ax.barh([0, 1], [1, 2], label="$x^$")
    name_rows(ax, ["$a_$", "b"])
    entitle(ax, "$t_$", "$n_$")
    legend(ax)
    assert png(figure)  # matplotlib refuses what is no formula
    assert ax.get_ylim() == (1.6, -0.6)


@pytest.mark.parametrize("title", ["two\nlines", "a \x07bell"])
def test_a_title_of_a_dissection_stands_on_one_line(title: str) -> None:
    figure = plot(Found(), title=title)
    assert figure.get_suptitle() == " ".join(title.replace("\x07", " ").split())


def test_a_figure_is_finished_with_what_stands_above_and_below_it() -> None:
    figure = finish(new_figure(3, 2), None, title="above", note="below")
    assert (figure.get_suptitle(), figure.get_supxlabel()) == ("above", "below")
    assert finish(new_figure(3, 2), None).get_suptitle() == ""
