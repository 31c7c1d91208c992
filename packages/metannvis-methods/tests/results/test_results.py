"""Results: what they hold, files, text."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from metannvis_methods import Comparison, Explanation
from metannvis_methods.compare import differences
from metannvis_methods.errors import InvalidArgumentError, MissingFrameworkError
from metannvis_methods.results import plain, plotter
from metannvis_methods.results.differences import iou_of_top, ssim
from metannvis_translate import LimitError, limits
from metannvis_translate.errors import DamagedFileError

ONE = Explanation(
    values=np.arange(24.0).reshape(1, 2, 3, 4),
    axes="NCHW",
    inputs=np.ones((1, 2, 3, 4), np.float32),
    input_axes="NCHW",
    method="saliency",
    toolset="captum",
    framework="torch",
    kind="primary",
    target=[1],
    labels=("a", "b"),
    translation={
        "from": "torch",
        "to": "tensorflow",
        "outputs": 3e-7,
        "gradients": None,
        "layers": 1e-7,
        "passed": True,
    },
    convergence_delta=np.array([0.5]),
    seconds=0.25,
    options={"abs": False},
)
TWO = Explanation(
    values=(np.zeros((1, 2)), np.ones((1, 3), np.int64)),
    axes=("NF", "NF"),
    inputs=(np.zeros((1, 2)), np.ones((1, 3))),
    input_axes=("NF", "NF"),
    method="m",
    toolset="t",
    framework="onnx",
    kind="primary",
)
BARE = Explanation(np.zeros((2, 3)), "NF", None, None, "m", "t", "tensorflow", "feature_visualization")


def same(a: Any, b: Any) -> bool:
    if isinstance(a, tuple) and a and isinstance(a[0], np.ndarray):
        return len(a) == len(b) and all(map(same, a, b))
    if isinstance(a, np.ndarray):
        return a.dtype == b.dtype and np.array_equal(a, b)
    return bool(a == b)


@pytest.mark.parametrize("explanation", [ONE, TWO, BARE], ids=["one", "two", "bare"])
def test_a_file_gives_it_all_back(explanation: Explanation, tmp_path: Path) -> None:
    path = explanation.save(tmp_path / "a.result")
    assert path == tmp_path / "a.result.npz"
    back = Explanation.load(path)
    for name, value in vars(explanation).items():
        assert same(value, getattr(back, name)), name


def test_another_file_is_refused(tmp_path: Path) -> None:
    np.savez(tmp_path / "b.npz", a=1)
    with pytest.raises(InvalidArgumentError, match="holds no explanation"):
        Explanation.load(tmp_path / "b.npz")


class Bomb:
    """A pickle that leaves a file."""

    def __init__(self, canary: Path) -> None:
        self.canary = canary

    def __reduce__(self) -> object:
        return (Path.touch, (self.canary,))


def test_pickles_in_a_file_are_not_opened(tmp_path: Path) -> None:
    path, canary = ONE.save(tmp_path / "e.npz"), tmp_path / "canary"
    for name in ("meta", "values", "inputs"):
        with np.load(path) as file:
            arrays = {key: file[key] for key in file.files}
        bomb = np.empty(1, object)
        bomb[0] = Bomb(canary)
        np.savez(tmp_path / "bad.npz", **{**arrays, name: bomb})
        with pytest.raises(DamagedFileError, match="bad"):
            Explanation.load(tmp_path / "bad.npz")
        assert not canary.exists()


@pytest.mark.parametrize("length", [0, 10, 300, -1, -100])
def test_a_file_that_is_cut_off(tmp_path: Path, length: int) -> None:
    path = ONE.save(tmp_path / "e.npz")
    path.write_bytes(path.read_bytes()[:length])
    with pytest.raises(DamagedFileError, match="e.npz"):
        Explanation.load(path)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("axes", 3), ("axes", "NC"), ("method", None), ("labels", [1]), ("seconds", "long"), ("options", []), ("values_count", 10**12),
        ("values_count", -1), ("nonsense", 1), ("translation", 3), ("target", {}),
    ],
)  # fmt: skip
def test_fields_that_are_none_of_an_explanation(tmp_path: Path, name: str, value: object) -> None:
    with np.load(ONE.save(tmp_path / "e.npz")) as file:
        arrays = {key: file[key] for key in file.files}
    arrays["meta"] = np.array(json.dumps({**json.loads(str(arrays["meta"])), name: value}))
    np.savez(tmp_path / "bad.npz", **arrays)
    with pytest.raises(DamagedFileError, match=r"bad\.npz is damaged"):
        Explanation.load(tmp_path / "bad.npz")


def test_what_it_unpacks_to_is_bounded(tmp_path: Path) -> None:
    path = dataclasses.replace(ONE, values=np.zeros((1, 2, 300, 400))).save(tmp_path / "e.npz")
    with limits(unpacked_bytes=100_000), pytest.raises(LimitError, match=r"e\.npz unpacks to bytes"):
        Explanation.load(path)
    assert Explanation.load(path).values.shape == (1, 2, 300, 400)


def test_objects_in_options_are_described(tmp_path: Path) -> None:
    options = plain.jsonable({"a": np.float32(1), "b": np.zeros((2, 3)), "c": print, "d": [object(), (1, None)]})
    assert json.loads(json.dumps(options)) == {
        "a": 1.0,
        "b": "array (2, 3) float64",
        "c": "print",
        "d": ["object", [1, None]],
    }


def test_text_says_what_ran() -> None:
    assert str(ONE) == "saliency of captum on a torch model, target [1], NCHW (1, 2, 3, 4), translated to tensorflow"
    page = ONE._repr_html_()
    for part in ("saliency", "captum", "torch → tensorflow", "3.0e-07", "NCHW (1, 2, 3, 4)"):
        assert part in page
    assert (
        "<script" not in Explanation(np.zeros((1, 1)), "NF", None, None, "<script>", "t", "f", "primary")._repr_html_()
    )


def test_without_a_plotter_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plotter, "entry_points", lambda **_: ())
    with pytest.raises(MissingFrameworkError, match="pip install metannvis-plot"):
        ONE.plot()


def test_the_plotter_is_found_through_its_entry_point(monkeypatch: pytest.MonkeyPatch) -> None:
    class Entry:
        def __init__(self, name: str) -> None:
            self.name = name

        def load(self) -> Any:
            return lambda result, **options: (self.name, result, options)

    monkeypatch.setattr(plotter, "entry_points", lambda **_: (Entry("other"), Entry("default")))
    assert ONE.plot(sample=0) == ("default", ONE, {"sample": 0})


def test_differences() -> None:
    b = np.array([[1.0, 2.0, 4.0], [0.0, 0.0, 0.0]])
    same = {"max_rel": 0.0, "rel_l2": 0.0, "cosine": 1.0, "spearman": 1.0, "iou": 1.0}
    assert differences(b, b) == pytest.approx(same)
    found = differences(np.array([[1.0, 2.0, 3.0]]), b[:1])
    assert found["max_rel"] == 0.25
    assert found["rel_l2"] == pytest.approx(1 / np.sqrt(21))
    assert found["cosine"] == pytest.approx(17 / np.sqrt(14 * 21))
    assert found["spearman"] == pytest.approx(1)
    assert differences(-b[:1], b[:1])["spearman"] == pytest.approx(-1)
    assert differences(np.array([[1.0, 1.0]]), np.array([[0.0, 0.0]]))["max_rel"] == np.inf


def test_ranks_share_ties() -> None:
    from scipy import stats

    generator = np.random.default_rng(0)
    a, b = generator.integers(0, 5, (2, 40)).astype(float)
    found = differences(a[None], b[None])["spearman"]
    assert found == pytest.approx(stats.spearmanr(a, b).statistic)


@pytest.mark.parametrize("shape", [(24, 17), (40, 40)])
def test_structural_similarity_is_that_of_scikit_image(shape: tuple[int, int]) -> None:
    from skimage.metrics import structural_similarity

    generator = np.random.default_rng(0)
    a = generator.standard_normal(shape).cumsum(0).cumsum(1)
    for b in (a + generator.standard_normal(shape), -a, a):
        low, size = min(a.min(), b.min()), max(a.max(), b.max()) - min(a.min(), b.min())
        words = {"gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False, "data_range": 1.0}
        expected = structural_similarity((a - low) / size, (b - low) / size, **words)
        assert ssim(a, b) == pytest.approx(expected, abs=1e-9)
    assert ssim(np.zeros((3, 3)), np.zeros((3, 3))) == 1
    assert ssim(np.eye(6), np.eye(6)[::-1]) < 0.5  # smaller than the window


def test_the_top_of_two_maps() -> None:
    a, b = np.zeros(20), np.zeros(20)
    a[[3, 5]], b[[5, 7]] = (2, -3), (1, 4)
    assert iou_of_top(a, b) == pytest.approx(1 / 3)
    assert iou_of_top(a, a) == 1
    assert iou_of_top(a, np.ones(20)) == pytest.approx(2 / 20)  # ties are all the top


def test_a_comparison_is_a_table() -> None:
    row = {"a": "captum", "b": "tf-keras-vis", "max_rel": 1e-9, "rel_l2": 2e-9, "cosine": 1.0, "spearman": 1.0}
    comparison = Comparison((ONE, ONE), (row,), True, "saliency", ("captum: abs=True",))
    text = str(comparison)
    assert "captum − tf-keras-vis" in text
    assert "1.00e-09" in text
    assert json.loads(json.dumps(comparison.to_dict()))["rows"] == [row]
    apart = Comparison((ONE, ONE), ({**row, "max_rel": np.inf},), False, "saliency")
    assert json.loads(json.dumps(apart.to_dict(), allow_nan=False))["rows"][0]["max_rel"] is None


def test_what_was_found_beside_the_values_is_kept(tmp_path: Path) -> None:
    one = dataclasses.replace(ONE, details={"concepts": np.eye(3), "detail_": np.arange(2)})
    found = Explanation.load(one.save(tmp_path / "one"))
    assert set(found.details) == {"concepts", "detail_"}
    np.testing.assert_array_equal(found.details["concepts"], np.eye(3))
    assert not Explanation.load(ONE.save(tmp_path / "two")).details
