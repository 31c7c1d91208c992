"""``metannvis evaluate``: scores of explanations, and where experiments come in."""

from __future__ import annotations

import csv
import json

import numpy as np
import pytest
from metannvis_methods import Evaluation, evaluate
from PIL import Image


@pytest.fixture(scope="module")
def mask(models, tmp_path_factory):
    folder = tmp_path_factory.mktemp("masks")
    found = np.zeros((6, 5), bool)
    found[1:4, 2:] = True
    np.save(folder / "mask.npy", found)
    Image.fromarray((found * 255).astype(np.uint8)).save(folder / "mask.png")
    return folder


@pytest.mark.parametrize(("model", "array"), [("net.pt2", "torch"), ("net.keras", "keras"), ("net.onnx", "torch")])
def test_a_table_of_scores(metannvis, models, mask, tmp_path, model, array):
    layer = "auto" if model == "net.onnx" else "conv"
    result = metannvis(
        *("evaluate", models / model, "-i", models / f"{array}.npy", "-t", 1, "--json"),
        *("-m", "saliency", "-m", "grad_cam", "--toolset", "captum", "--layer", layer),
        *("-M", "deletion", "-M", "mass_accuracy", "-O", "deletion:steps=5", "--masks", mask / "mask.npy"),
        *("--output", tmp_path / "s.csv", "--output", tmp_path / "s.npz"),
    )
    found = json.loads(result.stdout)
    assert found["methods"] == ["saliency of captum, target 1", f"grad_cam of captum at {layer}, target 1"]
    assert [metric["name"] for metric in found["metrics"]] == ["deletion", "mass_accuracy"]
    assert found["metrics"][0]["options"]["steps"] == 5
    assert all(len(row["scores"]) == 2 and row["error"] is None for row in found["results"])
    assert len(found["ranking"]) == 2
    with (tmp_path / "s.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 2 * 2 * 2
    kept = Evaluation.load(tmp_path / "s.npz")
    assert kept.scores[0, 0, 1] == pytest.approx(found["results"][0]["scores"][1])
    assert float(rows[1]["score"]) == found["results"][0]["scores"][1]
    if model != "net.onnx":
        from metannvis_translate import load_model

        words = {"method": "saliency", "toolset": "captum"}
        x = np.load(models / f"{array}.npy")
        expected = evaluate(load_model(models / model), words, x, metrics={"deletion": {"steps": 5}}, target=1)
        np.testing.assert_allclose(kept.scores[0, 0], expected.scores[0, 0], rtol=1e-6)


def test_weights_of_a_file_are_drawn_anew(metannvis, models):
    before = (models / "net.onnx").read_bytes()
    metric = "independent_randomization"
    found = {}
    for name in ("net.pt2", "net.onnx"):
        result = metannvis(
            *("evaluate", models / name, "-i", models / "torch.npy", "-t", 1, "--json"),
            *(
                "-m",
                "input_x_gradient",
                "--toolset",
                "captum",
                "-M",
                metric,
                "-O",
                f"{metric}:measure=spearman_absolute",
            ),
        )
        found[name] = json.loads(result.stdout)["results"][0]["scores"]
    assert (models / "net.onnx").read_bytes() == before
    assert all(-1 <= score < 0.99 for scores in found.values() for score in scores)


def test_text_figure_and_page(metannvis, models, mask, tmp_path):
    result = metannvis(
        *("evaluate", models / "net.pt2", "-i", models / "torch.npy", "-t", 1),
        *("-m", "saliency", "-m", "input_x_gradient", "--toolset", "captum", "--masks", mask / "mask.png"),
        *("--output", tmp_path / "s.png", "--output", tmp_path / "s.html"),
    )
    lines = result.stdout.splitlines()
    assert lines[0].startswith("method") and "deletion ↓" in lines[0] and "mass_accuracy ↑" in lines[0]
    assert any(line.startswith("rank 1.") for line in lines)
    assert lines[-1] == f"wrote {tmp_path / 's.html'}"
    with Image.open(tmp_path / "s.png") as picture:
        assert picture.width > 500
    page = (tmp_path / "s.html").read_text(encoding="utf-8")
    assert "deletion ↓" in page and "metannvis evaluate" in page


def test_the_list(metannvis):
    lines = metannvis("evaluate", "--list").stdout.splitlines()
    assert lines[0].split() == ["METRIC", "CATEGORY", "DIRECTION", "WHAT", "IT", "IS"]
    assert any(line.startswith("insertion ") and "higher is better" in line for line in lines)
    assert any(line.startswith("quantus:sparseness ") for line in lines)


def test_windows(metannvis, models):
    arguments = ("evaluate", models / "net.pt2", "-i", models / "torch.npy", "-t", 1, "-m", "saliency", "-M", "entropy")
    assert "windows overlap: give --window" in metannvis(*arguments, "--overlap", 0.5, code=2).stderr
    result = metannvis(*arguments, "--window", "6,5", "--toolset", "captum")
    assert "medians over 1 crops" in result.stdout


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("-M", "deletoin"), "Did you mean 'deletion'"),
        (("-M", "mass_accuracy"), "give --masks"),
        (("-M", "deletion", "-O", "deletion:stesp=3"), "did you mean 'steps'"),
        (("-M", "deletion", "-O", "steps=3"), "has to read METRIC:NAME=VALUE"),
        (("-M", "deletion", "-O", "insertion:steps=3"), "insertion is no metric of this call"),
        (("-m", "salienc"), "saliency"),
        (("--output", "x.gif"), "has no ending that is known"),
    ],
)
def test_wrong_usage_is_told_before_a_model_is_opened(metannvis, tmp_path, words, message):
    path = tmp_path / "net.keras"
    path.write_bytes(b"no model")
    common = () if "-m" in words else ("-m", "saliency")
    assert message in metannvis("evaluate", path, *common, *words, code=2).stderr


def test_what_fails_is_told(metannvis, models):
    result = metannvis(
        *("evaluate", models / "net.pt2", "-i", models / "torch.npy", "-t", 1, "-m", "saliency", "--toolset", "captum"),
        *("-M", "sparseness", "-M", "relative_representation_stability"),
        *("-O", "relative_representation_stability:layer=nowhere", "-O", "relative_representation_stability:draws=1"),
        code=1,
    )
    assert "failed" in result.stdout and "sparseness" in result.stdout
    assert "nowhere" in result.stderr and "1 of 3 failed" in result.stderr


def test_all_may_fail(metannvis, models):
    result = metannvis(
        *("evaluate", models / "net.pt2", "-i", models / "torch.npy", "-t", 1, "-m", "grad_cam", "--toolset", "captum"),
        *("--layer", "nowhere", "-M", "sparseness"),
        code=1,
    )
    assert "nowhere" in result.stderr and "1 of 2 failed" in result.stderr


@pytest.fixture
def experiment(monkeypatch, tmp_path):
    """An experiment beside the others, a file as each is."""
    from metannvis_cli import experiments

    (tmp_path / "tea_time.py").write_text(
        "import click\n\n\n@click.command('tea-time')\n@click.option('--cups', default=1)\n"
        "def command(cups):\n    '''Brew.'''\n    click.echo(f'{cups} cups')\n"
    )
    monkeypatch.setattr(experiments, "__path__", [*experiments.__path__, str(tmp_path)])


def test_a_first_word_may_be_an_experiment(metannvis, experiment, monkeypatch, tmp_path):
    assert metannvis("evaluate", "tea-time", "--cups", 3).stdout == "3 cups\n"
    assert "evaluate tea-time" in " ".join(metannvis("evaluate", "tea-time", "--help").stdout.split())
    text = metannvis("evaluate", "--help").stdout
    assert "tea-time" in text and "Brew." in text
    assert "Did you mean 'tea-time'" in metannvis("evaluate", "tea-tim", "-m", "saliency", code=2).stderr
    monkeypatch.chdir(tmp_path)
    (tmp_path / "tea-time").mkdir()  # a model of that name is ./tea-time
    result = metannvis("evaluate", "./tea-time", "-m", "saliency", "-i", "tea_time.py", code=2)
    assert not result.stdout and "tea-time" in result.stderr


@pytest.fixture(scope="module")
def two_inputs(tmp_path_factory):
    """``net.onnx`` of an image beside a table, and ``image.npy``, ``table.npy``, ``mask.npy`` for it."""
    from metannvis_translate import save_model, translate
    from metannvis_translate.frameworks import require

    torch = require("torch")

    class Both(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.conv, self.head = torch.nn.Conv2d(1, 2, 3), torch.nn.Linear(2 * 12 + 3, 2)

        def forward(self, image, table):
            return self.head(torch.cat([torch.tanh(self.conv(image)).flatten(1), table], 1))

    folder = tmp_path_factory.mktemp("two_inputs")
    torch.manual_seed(0)
    drawn = np.random.default_rng(0)
    image, table = drawn.uniform(0, 1, (2, 1, 6, 5)).astype("f"), drawn.uniform(0, 1, (2, 3)).astype("f")
    mask = np.zeros((6, 5), bool)
    mask[:3] = True
    for name, array in (("image", image), ("table", table), ("mask", mask)):
        np.save(folder / f"{name}.npy", array)
    save_model(translate(Both().eval(), "onnx", example_inputs=(image, table)).model, folder / "net.onnx")
    return folder


def test_a_model_with_several_inputs(metannvis, two_inputs):
    common = (
        *("evaluate", two_inputs / "net.onnx", "-t", 1, "-m", "input_x_gradient", "--toolset", "captum", "--json"),
        *("-i", f"image={two_inputs / 'image.npy'}", "-i", f"table={two_inputs / 'table.npy'}"),
        *("-M", "deletion", "-M", "sparseness"),
    )
    from metannvis_translate import load_model

    model = load_model(two_inputs / "net.onnx")
    x = tuple(np.load(two_inputs / f"{name}.npy") for name in ("image", "table"))
    mask = np.load(two_inputs / "mask.npy")
    cases = (
        ((), {}),
        (("--of-input", "table"), {"of": "table"}),
        (("--of-input", 0), {"of": 0}),
        (("-M", "mass_accuracy", "--masks", f"image={two_inputs / 'mask.npy'}"), {"masks": {"image": mask}}),
        (
            ("-M", "mass_accuracy", "--masks", two_inputs / "mask.npy", "--of-input", "image"),
            {"masks": mask, "of": "image"},
        ),
    )
    for arguments, words in cases:
        found = json.loads(metannvis(*common, *arguments).stdout)
        metrics = ["deletion", "sparseness", *(["mass_accuracy"] if "masks" in words else [])]
        method = {"method": "input_x_gradient", "toolset": "captum"}
        expected = evaluate(model, method, x, metrics=metrics, target=1, **words)
        np.testing.assert_allclose([row["scores"] for row in found["results"]], expected.scores[0], rtol=1e-6)
    text = metannvis(*(word for word in common if word != "--json")).stdout
    assert "the places of the inputs image, table are ranked, and changed, together" in text
    assert "no input 'picture'" in metannvis(*common, "--of-input", "picture", code=1).stderr
    assert "there is no file 'x.npy'" in metannvis(*common, "--masks", "image=x.npy", code=2).stderr
