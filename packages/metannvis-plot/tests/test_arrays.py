"""What is refused, and how arrays and axes are read."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
from metannvis_plot.arrays import as_array, label, reduce_to
from metannvis_plot.subjects import subjects
from metannvis_translate.errors import InvalidArgumentError, MetannvisError


@pytest.mark.parametrize(
    ("values", "axes", "match"),
    [
        (np.full((2, 2), np.nan), "HW", r"4 NaN or infinite of 4 values, the first at \(0, 0\)"),
        ([[1, 2], [3, np.inf]], "HW", r"first at \(1, 1\)"),
        (np.empty((0, 3)), "HW", "empty"),
        (np.ones((2, 2), complex), "HW", "real numbers"),
        ([["a", "b"]], "HW", "real numbers"),
        ([[1, 2], [3]], "HW", "real numbers"),
        (None, "HW", "real numbers"),
        (np.full((2, 2), 1e305), "HW", "scale it first"),
        (np.ones((2, 2)), "NHW", "2 axes, 'NHW' names 3"),
        (np.ones((2, 2)), "HX", "'X' is none of the letters"),
        (np.ones((2, 2)), "HH", "'H' twice"),
        (np.ones((2, 2, 2)), None, "not guessed"),
        (np.ones(()), None, "needs axes="),
        (np.ones((2, 2)), 3, "must be a string"),
        (np.ones((2, 3, 4)), "N??", "unknown axes 'N"),
    ],
)
def test_refused_with_a_reason(values, axes, match):
    with pytest.raises(InvalidArgumentError, match=match) as caught:
        label(values, axes)
    assert isinstance(caught.value, MetannvisError)
    assert isinstance(caught.value, ValueError)


@pytest.mark.parametrize("axes", ["NH", "NCW", "NHWL", "NTL", "NHWF", "NDH"])
def test_axes_that_make_no_figure(axes):
    with pytest.raises(InvalidArgumentError, match="cannot be drawn"):
        label(np.ones((2,) * len(axes)), axes).family  # noqa: B018


@pytest.mark.parametrize(
    ("axes", "family"),
    [
        ("HW", "image"),
        ("NDHWC", "image"),
        ("NLC", "signal"),
        ("NTF", "tokens"),
        ("NF", "features"),
        ("NC", "features"),
    ],
)
def test_families(axes, family):
    assert label(np.ones((2,) * len(axes)), axes).family == family


def test_unknown_axes_that_leave_no_doubt():
    assert label(np.ones((4, 7)), "N?").axes == "NF"
    assert label(np.ones((4, 1, 7)), "N?F").axes == "NF"


def test_canonical_order_is_a_transposition():
    values = np.arange(24).reshape(2, 3, 4)
    read = label(values, "WCH")
    assert read.axes == "NCHW"
    np.testing.assert_array_equal(read.data[0], values.transpose(1, 2, 0))


def test_the_callers_array_is_not_written_to():
    values = np.arange(6.0).reshape(2, 3)
    values.setflags(write=False)
    label(values, "HW").data.sum()
    reduced, _ = reduce_to(label(values, "CF"), "F")
    reduced += 1
    np.testing.assert_array_equal(values, np.arange(6.0).reshape(2, 3))


@pytest.mark.parametrize("dtype", [bool, np.int8, np.uint8, np.float16, np.float32, np.float64])
def test_every_real_dtype(dtype):
    assert as_array(np.ones((2, 2), dtype)).dtype == dtype


def test_tensors_that_need_detaching():
    """As of PyTorch: on a device, with a gradient, in a type that NumPy does not have."""

    class Tensor:
        def __init__(self, *, ready=False):
            self.ready = ready

        def detach(self):
            return self

        def cpu(self):
            return self

        def is_floating_point(self):
            return True

        def double(self):
            return Tensor(ready=True)

        def __array__(self, dtype=None, copy=None):
            if not self.ready:
                raise TypeError("bfloat16")
            return np.ones((2, 2))

    np.testing.assert_array_equal(as_array(Tensor()), 1)


class TestResults:
    def test_one_subject_an_input(self, explanation):
        result = explanation((np.ones((1, 2, 3)), np.ones((1, 5))), ("NHW", "NF"))
        image, vector = subjects(result)
        assert (image.part, vector.part) == ("input 0 of 2", "input 1 of 2")
        assert [s.values.axes for s in subjects(result, input_index=1)] == ["NF"]
        with pytest.raises(InvalidArgumentError, match="input_index 2"):
            subjects(result, input_index=2)

    def test_a_layer_of_a_model_with_several_inputs_shows_the_picture(self, explanation):
        result = explanation(
            np.ones((1, 2, 2)),
            "NHW",
            kind="layer",
            inputs=(np.ones((1, 5)), np.ones((1, 3, 4, 4))),
            input_axes=("NF", "NCHW"),
        )
        (subject,) = subjects(result)
        assert subject.input is not None
        assert subject.input.axes == "NCHW"

    def test_several_outputs_of_a_layer_belong_to_one_input(self, explanation):
        result = explanation(
            (np.ones((1, 2, 2)), np.ones((1, 3, 3))),
            "NHW",
            kind="layer",
            inputs=np.ones((1, 4, 4)),
            input_axes="NHW",
        )
        first, second = subjects(result)
        assert (first.part, second.part) == ("output 0 of 2", "output 1 of 2")
        assert first.input is second.input is not None

    def test_inputs_of_unknown_axes_are_left_out(self, explanation):
        (subject,) = subjects(explanation(np.ones((1, 2, 2)), "NHW", inputs=np.ones((1, 2, 2)), input_axes="N??"))
        assert subject.input is None

    def test_axes_given_override_those_of_the_result(self, explanation):
        (subject,) = subjects(explanation(np.ones((1, 2, 3)), "N??"), "NHW")
        assert subject.values.family == "image"

    @pytest.mark.parametrize(("values", "axes"), [((), ()), ((np.ones(2),), ("F", "F"))])
    def test_parts_that_do_not_fit(self, explanation, values, axes):
        with pytest.raises(InvalidArgumentError):
            subjects(explanation(values, axes))

    def test_a_table_is_no_result(self):
        table = SimpleNamespace(values=np.ones((2, 2)), axes=["rows", "columns"])
        with pytest.raises(InvalidArgumentError, match="real numbers"):
            subjects(table)


def test_a_feature_of_all_channels_is_shown_with_its_value():
    """Superpixels: each channel has the value of the whole segment."""
    segment = np.random.default_rng(0).standard_normal((1, 4, 5))
    values = np.broadcast_to(segment[:, None], (1, 3, 4, 5))
    shown, note = reduce_to(label(values, "NCHW", "values"), "HW")
    np.testing.assert_array_equal(shown, segment[0])
    assert note == "one of 3 equal channels"
    whole, note = reduce_to(label(values * [[[[1]], [[1]], [[2]]]], "NCHW", "values"), "HW")
    np.testing.assert_allclose(whole, segment[0] * 4)
    assert note.startswith("sum over 3")
