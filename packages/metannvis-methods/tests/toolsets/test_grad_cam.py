"""Rows of pytorch-grad-cam against the toolkit called directly on a native twin; their formulas: the folder matrix, test_matrix_core."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from metannvis_methods import DeadlineError, SmoothGrad, UnfitWarning, explain, list_methods
from metannvis_methods.errors import InvalidArgumentError, ToolsetError
from metannvis_translate.frameworks.requirements import require

torch = require("torch")
import pytorch_grad_cam as toolkit  # noqa: E402
from pytorch_grad_cam.utils.image import scale_cam_image  # noqa: E402
from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget, FinerWeightedTarget  # noqa: E402

TARGET = [1, 0, 3, 2]
#: The toolkit scales in single precision.
SINGLE = 2e-6
SIGNED = ("eigen_cam", "eigen_grad_cam", "kpca_cam")
ROWS = list_methods(toolset="grad-cam")
CLASSES = {
    "ablation_cam": "AblationCAM",
    "score_cam": "ScoreCAM",
    "full_grad": "FullGrad",
    "deep_feature_factorization": "DeepFeatureFactorization",
}
LAYER = "relu2"


def direct(key: str, model: Any, x: Any, layer: Any, words: dict[str, Any]) -> np.ndarray:
    """What a caller of the toolkit gets: rectified, scaled and enlarged."""
    cls = getattr(toolkit, CLASSES.get(key) or next(r.cls for r in ROWS if r.key == key).partition(":")[2])
    np.random.seed(3)  # noqa: NPY002  # what RandomCAM draws from
    if key == "deep_feature_factorization":
        return np.stack(cls(model, layer)(x, **words)[1])
    if key == "full_grad":
        return cls(model, [])(x, [ClassifierOutputTarget(k) for k in TARGET])
    method = cls(model, [layer], **({"k": 1.0} if key == "fem" else {}))
    targets = [ClassifierOutputTarget(k) for k in TARGET]
    if key == "finer_cam":
        targets = [finer(row, main) for row, main in zip(model(x).detach(), TARGET, strict=True)]
    return method(input_tensor=x, targets=targets, **words)


def finer(row: Any, main: int) -> Any:
    order = [k for k in (row - row[main]).abs().argsort().tolist() if k != main]
    return FinerWeightedTarget(main, order[:3], 1)


def scaled(values: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """A raw map as the toolkit would show it."""
    return scale_cam_image(scale_cam_image(np.maximum(values, 0), size))


@pytest.fixture
def quiet() -> Iterator[None]:
    """The toolkit's own bars, which we have none of."""
    import tqdm

    before = tqdm.tqdm
    tqdm.tqdm = lambda items: items
    yield
    tqdm.tqdm = before


@pytest.mark.filterwarnings("ignore:Maximum number of iterations")
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # the toolkit's, at its own end
@pytest.mark.parametrize("where", ["torch", "tensorflow"])
@pytest.mark.parametrize("spec", ROWS, ids=lambda spec: spec.key)
def test_maps_are_the_toolkits(spec: Any, where: str, twins: Any, quiet: None, capsys: Any) -> None:
    in_keras = where == "tensorflow"
    model = copy.deepcopy(twins.torch64)
    x = torch.from_numpy(twins.x)
    words: dict[str, Any] = {"layer": LAYER} if spec.by_role("layer") else {}
    words |= {"target": TARGET} if spec.by_role("target") else {}
    own = {"n_components": 3} if spec.key == "deep_feature_factorization" else {}
    words |= {"k": 1.0} if spec.key == "fem" else own
    capsys.readouterr()
    found = explain(
        twins.keras64 if in_keras else twins.torch64, spec.key, twins.x_last if in_keras else twins.x, toolset="grad-cam",
        seed=3, unfit="ignore", **words,
    )  # fmt: skip
    assert capsys.readouterr().out == ""
    assert (found.translation is None) != in_keras
    expected = direct(spec.key, model, x, model.get_submodule(LAYER), own)
    size = (twins.x.shape[3], twins.x.shape[2])
    if spec.key == "deep_feature_factorization":
        assert (found.axes, found.kind) == ("NCHW", "concepts")
        ours = np.stack([scale_cam_image(sample, size) for sample in found.values])
        assert np.abs(ours - expected).max() <= SINGLE
        concepts = found.details["concepts"]
        np.testing.assert_allclose(np.linalg.norm(concepts, axis=1), 1)
        with torch.no_grad():
            seen: list[Any] = []
            model.get_submodule(LAYER).register_forward_hook(lambda _m, _x, output: seen.append(output))
            model(x)
        assert concepts.shape == (3, seen[0].shape[1])
        activations = seen[0].numpy() - seen[0].numpy().min((0, 2, 3), keepdims=True)
        made = np.einsum("nkhw,kc->nchw", found.values, concepts)
        assert np.linalg.norm(made - activations) < 0.5 * np.linalg.norm(activations)
        other = np.einsum("nkhw,kc->nchw", found.values, concepts[::-1])
        assert np.linalg.norm(made - activations) < np.linalg.norm(other - activations)
        return
    assert found.axes == "NHW"
    candidates = [found.values, -found.values] if spec.key in SIGNED else [found.values]
    if spec.key == "full_grad":
        ours_of_each = [np.stack([scale_cam_image(x) for x in candidates])[0]]
    else:
        ours_of_each = [scaled(values, size) for values in candidates]
    for k in range(len(expected)):  # each sample's component has a sign of its own
        assert min(np.abs(ours[k] - expected[k]).max() for ours in ours_of_each) <= 1e-5
    assert expected.max() > 0.9


def test_the_ablation_of_the_paper_is_to_zero(rgb: Any) -> None:
    """The toolkit ablates to minus ten million where a layer returns anything negative."""
    model = rgb.torch64
    layer, x = model.conv2, torch.from_numpy(rgb.x)
    found = explain(model, "ablation_cam", rgb.x, target=TARGET, layer="conv2", toolset="grad-cam").values
    returned = []
    hook = layer.register_forward_hook(lambda _m, _a, out: returned.append(out.detach()))
    with torch.no_grad():
        whole = model(x)
    hook.remove()
    (maps,) = returned
    assert maps.min() < 0
    expected = np.zeros(found.shape)
    for sample, target in enumerate(TARGET):
        for channel in range(maps.shape[1]):
            without = maps[sample : sample + 1].clone()
            without[:, channel] = 0
            with torch.no_grad():
                score = model.fc(model.flatten(model.pool(model.relu3(without))))[0, target]
            share = (whole[sample, target] - score) / whole[sample, target]
            expected[sample] += float(share) * maps[sample, channel].numpy()
    np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-12)


def test_curvature_counts_where_the_rest_is_curved() -> None:
    """Of tanh the Hessian is known: Shapley-CAM by hand."""
    torch.manual_seed(0)
    conv, dense = torch.nn.Conv2d(1, 3, 3).double(), torch.nn.Linear(3, 2).double()
    model = torch.nn.Sequential(
        conv, torch.nn.Tanh(), torch.nn.AdaptiveAvgPool2d(1), torch.nn.Flatten(), dense, torch.nn.Softplus()
    ).eval()
    x = torch.randn(2, 1, 6, 6, dtype=torch.float64)
    found = explain(model, "shapley_cam", x.numpy(), target=1, layer="0", toolset="grad-cam").values
    a = conv(x).detach()
    places = a[0, 0].numel()
    t = torch.tanh(a)
    z = dense(t.mean((2, 3)))[:, 1]
    w = dense.weight[1].detach()[None, :, None, None] / places
    first, second = torch.sigmoid(z), torch.sigmoid(z) * (1 - torch.sigmoid(z))
    inner = w * (1 - t**2)
    gradient = first[:, None, None, None] * inner
    along = (inner * a).sum((1, 2, 3))
    product = (second * along)[:, None, None, None] * inner + first[:, None, None, None] * w * (-2 * t * (1 - t**2)) * a
    expected = ((gradient - product / 2).mean((2, 3), keepdim=True) * a).sum(1)
    np.testing.assert_allclose(found, expected.detach().numpy(), rtol=1e-9)
    plain = explain(model, "grad_cam", x.numpy(), target=1, layer="0", toolset="grad-cam").values
    assert np.abs(found - plain).max() > 1e-3 * np.abs(plain).max()


@pytest.mark.parametrize("spec", ROWS, ids=lambda spec: spec.key)
def test_words_of_explain(spec: Any, rgb: Any) -> None:
    """Pieces of samples, rows of a pass, further words, and the model is left as it was."""
    model, x = rgb.torch, rgb.x.astype("float32")
    before = {name: list(module._forward_hooks) for name, module in model.named_modules()}
    rows: list[int] = []
    counted = model.conv1.register_forward_pre_hook(lambda _m, given: rows.append(len(given[0])))
    words: dict[str, Any] = {"layer": [LAYER, "conv2"]} if spec.by_role("layer") else {}
    words |= {"target": TARGET} if spec.by_role("target") else {}
    words |= {"toolset": "grad-cam", "seed": 1, "unfit": "ignore"}
    whole = explain(model, spec.key, x, **words)
    del rows[:]
    parts = explain(model, spec.key, x, batch_size=2, **words)
    counted.remove()
    assert max(rows) <= 2
    pairs = [(whole, parts)] if not isinstance(whole, dict) else [(whole[name], parts[name]) for name in whole]
    for a, b in pairs:
        np.testing.assert_allclose(b.values, a.values, rtol=1e-4, atol=1e-5 * np.abs(a.values).max())
    words |= {"layer": LAYER} if "layer" in words else {}
    if spec.batchable:
        noisy = explain(model, spec.key, x, noise=SmoothGrad(2, 0.05), **words)
        assert noisy.values.shape == pairs[0][0].values.shape
    with pytest.raises(DeadlineError):
        explain(model, spec.key, x, deadline=1e-9, **words)
    assert {name: list(module._forward_hooks) for name, module in model.named_modules()} == before
    assert all(p.grad is None for p in model.parameters())


def test_a_score_of_the_callers(rgb: Any) -> None:
    words: dict[str, Any] = {"layer": LAYER, "toolset": "grad-cam"}
    for key in ("grad_cam", "ablation_cam", "score_cam", "shapley_cam"):
        by_class = explain(rgb.torch64, key, rgb.x, target=2, **words).values
        by_function = explain(rgb.torch64, key, rgb.x, target=lambda output: output[:, 2], **words).values
        np.testing.assert_allclose(by_function, by_class, rtol=1e-9, err_msg=key)
    with pytest.raises(InvalidArgumentError, match="finer_cam compares a class with others"):
        explain(rgb.torch64, "finer_cam", rgb.x, target=lambda output: output[:, 2], **words)


@pytest.mark.parametrize(
    ("key", "options", "says"),
    [
        ("kpca_cam", {"kernel": "sigmoidal"}, "did you mean 'sigmoid'"),
        ("fem", {"k": "two"}, "k of fem is a number"),
        ("finer_cam", {"base_method": "gradcam"}, "did you mean 'grad_cam'"),
        ("finer_cam", {"comparison_categories": [0]}, "ranks of at least 1"),
        ("grad_cam", {"relu": 1}, "relu of grad_cam is true or false"),
        ("eigen_cam", {"eigen_smooth": True}, "no option 'eigen_smooth'"),
        ("deep_feature_factorization", {"n_components": 0}, "a whole number of at least 1"),
    ],
)
def test_wrong_options_are_refused_before_a_model_is_opened(key: str, options: dict[str, Any], says: str) -> None:
    with pytest.raises(InvalidArgumentError, match=says):
        explain("no such file.pt2", key, np.zeros((1, 1, 8, 8)), toolset="grad-cam", **options)


def test_a_class_is_refused_where_none_is_looked_at(rgb: Any) -> None:
    with pytest.raises(InvalidArgumentError, match="eigen_cam of grad-cam takes no 'target'"):
        explain(rgb.torch, "eigen_cam", rgb.x, target=1, layer=LAYER, toolset="grad-cam")


def test_what_has_no_places_is_told_and_refused(rgb: Any) -> None:
    with pytest.raises(InvalidArgumentError, match="needs one that has places"):
        explain(rgb.torch, "hires_cam", rgb.x, target=1, layer="fc", toolset="grad-cam")


def test_rectified_and_projected(rgb: Any) -> None:
    words: dict[str, Any] = {"target": TARGET, "layer": LAYER, "toolset": "grad-cam"}
    plain = explain(rgb.torch64, "hires_cam", rgb.x, **words).values
    assert plain.min() < 0
    np.testing.assert_array_equal(
        explain(rgb.torch64, "hires_cam", rgb.x, relu=True, **words).values, np.maximum(plain, 0)
    )
    smooth = explain(rgb.torch64, "hires_cam", rgb.x, eigen_smooth=True, **words).values
    whole = explain(rgb.torch64, "eigen_grad_cam", rgb.x, **words).values
    np.testing.assert_allclose(smooth, whole, rtol=1e-9)


def test_a_reshape_transform_by_the_toolkits_name(rgb: Any) -> None:
    words: dict[str, Any] = {"target": TARGET, "layer": LAYER, "toolset": "grad-cam"}
    plain = explain(rgb.torch64, "xgrad_cam", rgb.x, **words).values
    turned = explain(rgb.torch64, "xgrad_cam", rgb.x, reshape_transform=lambda y: y.transpose(2, 3), **words)
    np.testing.assert_allclose(turned.values, plain.transpose(0, 2, 1), rtol=1e-9)


def test_a_layer_that_the_score_does_not_depend_on_is_told(rgb: Any) -> None:
    class Beside(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.a, self.b = torch.nn.Conv2d(3, 2, 3), torch.nn.Conv2d(3, 2, 3)

        def forward(self, x: Any) -> Any:
            self.b(x)
            return self.a(x).mean((2, 3))

    with pytest.warns(UnfitWarning, match="are zero for every sample"):
        found = explain(Beside(), "hires_cam", rgb.x.astype("float32"), target=1, layer="b", toolset="grad-cam")
    assert not found.values.any()


def test_an_absent_package_is_one_line(monkeypatch: pytest.MonkeyPatch, rgb: Any) -> None:
    from metannvis_methods.registry.table import registry

    monkeypatch.setattr(registry.toolset("grad-cam"), "packages", ("torch", "no_such_package"))
    assert len(list_methods(toolset="grad-cam")) == len(ROWS)
    with pytest.raises(ImportError, match=r"pip install 'metannvis-methods\[grad-cam\]'$") as raised:
        explain(rgb.torch, "hires_cam", rgb.x, target=1, layer=LAYER)
    assert "\n" not in str(raised.value)
    assert not isinstance(raised.value, ToolsetError)
