"""Dissection of networks with planted units: known answers, brute force, the same in all frameworks."""

from __future__ import annotations

import csv
import datetime
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from metannvis_methods import (
    ClassConcepts,
    Dissection,
    DissectionComparison,
    EmbeddingConcepts,
    Segmentations,
    UnfitWarning,
    dissect,
    read_broden,
)
from metannvis_methods.errors import InvalidArgumentError, UnknownLayerError, WriteError
from metannvis_methods.examples import concepts as planted
from metannvis_translate import list_layers, translate
from metannvis_translate.errors import DamagedFileError
from metannvis_translate.frameworks.requirements import require

torch = require("torch")
SET = planted.shapes(0)
LAST = np.ascontiguousarray(SET.images.transpose(0, 2, 3, 1))
MASKS = Segmentations(SET.masks, SET.names, SET.categories)
LAYERS = ["units", "deep"]


@pytest.fixture(scope="module")
def network() -> Any:
    return planted.torch_planted()


@pytest.fixture(scope="module")
def found(network: Any) -> Dissection:
    return dissect(network, LAYERS, SET.images, MASKS, batch_size=7)


def test_every_planted_unit_gets_its_concept(found: Dissection) -> None:
    for layer in LAYERS:
        assert [found.concept_of(layer, k) for k in range(len(planted.CONCEPTS))] == list(planted.CONCEPTS)
    assert all(found.detects[found.row_of("units", k)] for k in range(4))


def test_overlaps_are_those_of_brute_force(network: Any, found: Dissection) -> None:
    """Thresholds by sorting, enlargement by PyTorch, unions by sets of pixels, one pair after the other."""
    returned: dict[str, Any] = {}
    hooks = [
        network.get_submodule(name).register_forward_hook(lambda _, __, y, name=name: returned.update({name: y}))
        for name in LAYERS
    ]
    with torch.no_grad():
        network(torch.from_numpy(SET.images))
    for hook in hooks:
        hook.remove()
    for row, (layer, unit) in enumerate(zip(found.layer, found.unit, strict=True)):
        maps = returned[LAYERS[layer]][:, unit]
        values = np.sort(maps.numpy().reshape(-1))[::-1]
        threshold = values[int(0.005 * len(values))]
        assert found.activation_thresholds[row] == threshold
        large = torch.nn.functional.interpolate(maps[:, None].double(), SET.masks.shape[2:], mode="bilinear")
        on = large[:, 0].numpy() > threshold
        for concept in range(len(SET.names)):
            there = SET.masks[:, concept]
            assert found.scores[row, concept] == pytest.approx((on & there).sum() / (on | there).sum(), abs=1e-6)


@pytest.mark.parametrize("framework", ["tensorflow", "onnx"])
def test_twins_have_the_same_units_and_concepts(framework: str, network: Any, found: Dissection) -> None:
    if framework == "tensorflow":
        other = dissect(planted.keras_planted(), LAYERS, LAST, MASKS)
    else:
        graph = translate(network, "onnx", example_inputs=SET.images[:2]).model
        kinds = {info.kind: info.name for info in list_layers(graph)}
        deep = [info.name for info in list_layers(graph) if info.kind == "Conv"][1]
        other = dissect(graph, [kinds["Relu"], deep], SET.images, MASKS)
    assert other.framework == framework
    np.testing.assert_array_equal(other.best, found.best)
    np.testing.assert_array_equal(other.unit, found.unit)
    np.testing.assert_allclose(other.scores, found.scores, atol=1e-5)
    np.testing.assert_array_equal(other.top_images, found.top_images)


def test_batches_and_objects_change_nothing(network: Any, found: Dissection) -> None:
    again = dissect(network, [network.units, network.deep], SET.images, MASKS, batch_size=60)
    np.testing.assert_array_equal(again.scores, found.scores)
    assert dissect(network, "convolutions", SET.images, MASKS).layers == ("filters", "deep")
    assert not any(module._forward_hooks for module in network.modules())


def test_past_the_bound_of_memory_it_is_told(network: Any) -> None:
    with pytest.warns(UnfitWarning, match="more than memory allows"):
        rough = dissect(network, "units", SET.images, MASKS, memory=6000)
    assert rough.configuration["exact"] is False
    assert [rough.concept_of("units", k) for k in range(4)] == list(planted.CONCEPTS)


def test_classes_of_images_alone() -> None:
    one = planted.shapes(1, count=80, most=1)
    by_class = dissect(planted.torch_planted(), "units", one.images, ClassConcepts(one.classes, one.names), top=10)
    assert [by_class.concept_of("units", k) for k in range(4)] == list(planted.CONCEPTS)
    assert by_class.measure == "similarity"
    assert by_class.detects.all()


def test_given_embeddings() -> None:
    """Words have embeddings, and a picture has the sum of those of what it shows."""
    one = planted.shapes(1, count=80, most=1)
    words = np.random.default_rng(0).normal(size=(6, 16))
    names = (*one.names, "a cat", "a dog")
    images = words[one.classes] + 0.3 * np.random.default_rng(1).normal(size=(80, 16))
    by_word = dissect(
        planted.torch_planted(), ["units", "pool"], one.images, EmbeddingConcepts(names, images, words), top=10
    )
    for layer in ("units", "pool"):
        assert [by_word.concept_of(layer, k) for k in range(4)] == list(planted.CONCEPTS)


def test_a_set_in_brodens_form(tmp_path: Path, network: Any) -> None:
    folder = planted.write_broden(tmp_path / "set", SET)
    read = read_broden(folder)
    assert read.names == SET.names
    assert read.categories == SET.categories
    by_file = dissect(network, LAYERS, list(read.images), read, preprocess="unit", batch_size=16)
    in_memory = dissect(network, LAYERS, (SET.images * 255).round() / np.float32(255), MASKS)
    np.testing.assert_allclose(by_file.scores, in_memory.scores, atol=1e-5)
    assert by_file.image_names[0] == "00000.png"
    assert len(read_broden(folder, split="val")) == 12
    assert read_broden(folder, categories=["texture"]).names == ("yellow stripes",)
    with pytest.raises(InvalidArgumentError, match="no category scene"):
        read_broden(folder, categories=["scene"])
    with pytest.raises(InvalidArgumentError, match=r"holds no index\.csv"):
        read_broden(tmp_path)


def test_labels_of_images_as_a_whole_and_images_without_a_category(tmp_path: Path, network: Any) -> None:
    """The union of a category runs over images that are labelled for it."""
    folder = planted.write_broden(tmp_path / "set", SET)
    rows = list(csv.reader((folder / "index.csv").read_text(encoding="utf-8").splitlines()))
    rows = [[*rows[0], "scene"], *([*row, "9" if k < 20 else ""] for k, row in enumerate(rows[1:]))]
    for row in rows[31:]:
        row[rows[0].index("object")] = ""
    with (folder / "index.csv").open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows(rows)
    with (folder / "label.csv").open("a", encoding="utf-8") as file:
        file.write("9,day,scene(20),20,1,\n")
    read = read_broden(folder)
    found = dissect(network, "units", list(read.images), read, preprocess="unit")
    pictures = (SET.images * 255).round() / np.float32(255)
    with torch.no_grad():
        maps = network[:2](torch.from_numpy(pictures))[:, 0].numpy()
    on = maps > np.sort(maps.reshape(-1))[::-1][int(0.005 * maps.size)]
    red = SET.masks[:30, 0]
    assert found.scores[0, read.names.index("red square")] == pytest.approx(
        (on[:30] & red).sum() / (on[:30] | red).sum(), abs=1e-6
    )
    assert found.scores[0, read.names.index("day")] == pytest.approx(on[:20].sum() / (20 * 32 * 32), abs=1e-6)


@pytest.mark.parametrize(
    ("file", "old", "new", "said"),
    [
        ("index.csv", "00003.png", "../../secret.png", "lies outside"),
        ("index.csv", "00003_object.png", "../x.png", "lies outside"),
        (
            "label.csv",
            "1,red square,object",
            "99,red square,object",
            "label 1 of category 'object' is not in label.csv",
        ),
        ("label.csv", "number,", "id,", "no column number"),
        ("label.csv", "1,red", "one,red", "no number of a label"),
    ],
)
def test_damaged_sets_are_refused(file: str, old: str, new: str, said: str, tmp_path: Path, network: Any) -> None:
    folder = planted.write_broden(tmp_path / "set", planted.shapes(0, count=8))
    text = (folder / file).read_text(encoding="utf-8")
    assert old in text
    (folder / file).write_text(text.replace(old, new, 1), encoding="utf-8")

    def run() -> None:
        read = read_broden(folder)
        dissect(network, "units", list(read.images), read, preprocess="unit")

    with pytest.raises(DamagedFileError, match=said):
        run()


def test_tables_histograms_and_duplicates(found: Dissection) -> None:
    rows = found.table()
    assert len(rows) == 16
    assert rows[0] | {"iou": 0} == {
        "layer": "units", "unit": 0, "concept": "red square", "category": "object", "iou": 0, "detector": True
    }  # fmt: skip
    detectors = [row for row in rows if row["detector"]]
    for layer in (None, *LAYERS):
        of = [row["concept"] for row in detectors if layer in (None, row["layer"])]
        assert found.histogram(layer) == {name: of.count(name) for name in found.histogram(layer)}
        assert sum(found.histogram(layer).values()) == len(of)
    best = found.top_concepts(2)
    assert (
        list(best.values())
        == sorted((max(r["iou"] for r in detectors if r["concept"] == c) for c in set(of)), reverse=True)[:2]
    )
    red = found.neurons("red square")
    assert red[0][:2] == ("units", 0)
    assert [item[2] for item in red] == sorted((item[2] for item in red), reverse=True)
    for concept, units in found.duplicates().items():
        assert all(found.concept_of(layer, unit) == concept for layer, unit in units)
    assert "red square" not in found.duplicates("units")
    with pytest.raises(InvalidArgumentError, match="close: red square"):
        found.neurons("red squares")
    with pytest.raises(InvalidArgumentError, match="no unit 8"):
        found.concept_of("units", 8)


def test_two_networks(network: Any, found: Dissection, tmp_path: Path) -> None:
    with torch.no_grad():
        other = planted.torch_planted(seed=3)
        other.filters.weight[0] = 0
        other.filters.weight[4:] = 0
    apart = found.compare(dissect(other, "units", SET.images, MASKS), ("whole", "colour-blind"))
    assert apart.exclusive(0) == ("red square",)
    assert apart.exclusive(1) == ()
    assert set(apart.shared) == {"green disc", "blue cross", "yellow stripes"}
    assert apart.detectors.tolist() == [int(found.detects.sum()), 3]
    back = DissectionComparison.load(apart.save(tmp_path / "two.npz"))
    assert str(back) == str(apart)
    assert "colour-blind alone" in apart._repr_html_()


def test_results_in_files(found: Dissection, tmp_path: Path) -> None:
    back = Dissection.load(found.save(tmp_path / "d"))
    np.testing.assert_array_equal(back.scores, found.scores)
    np.testing.assert_array_equal(back.maps["deep"], found.maps["deep"])
    assert back.table() == found.table()
    assert str(back) == str(found)
    folder = found.write(tmp_path / "runs", "planted")
    assert datetime.datetime.strptime(folder.name, "%Y-%m-%d_%H-%M-%S_planted").year > 2000  # of a name
    rows = list(csv.DictReader((folder / "descriptions.csv").read_text(encoding="utf-8").splitlines()))
    assert [row["concept"] for row in rows] == [row["concept"] for row in found.table()]
    assert [float(row["iou"]) for row in rows] == found.score.tolist()
    configuration = json.loads((folder / "configuration.json").read_text(encoding="utf-8"))
    assert configuration["layers"] == LAYERS
    assert configuration["share"] == 0.005
    assert Dissection.load(folder / "dissection.npz").layers == found.layers
    assert found.write(tmp_path / "runs", "planted") != folder
    assert "units detect" in found._repr_html_()


def test_a_folder_that_cannot_be_made_is_told(found: Dissection, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("here")
    with pytest.raises(WriteError, match="file"):
        found.write(tmp_path / "file" / "runs")


def test_cells_that_a_spreadsheet_would_compute(network: Any) -> None:
    names = ("=1+1", *SET.names[1:])
    text = dissect(network, "units", SET.images, Segmentations(SET.masks, names)).to_csv()
    assert "'=1+1" in text
    assert ",=1+1" not in text


def test_images_that_drive_a_unit(network: Any, found: Dissection) -> None:
    with torch.no_grad():
        maps = network[:2](torch.from_numpy(SET.images))[:, 1].numpy()
    largest = maps.reshape(len(maps), -1).max(1)
    row = found.row_of("units", 1)
    np.testing.assert_array_equal(found.top_images[row], np.argsort(-largest, kind="stable")[:5])
    np.testing.assert_allclose(found.top_values[row], np.sort(largest)[::-1][:5])
    np.testing.assert_array_equal(found.maps["units"][1, 0], maps[found.top_images[row, 0]])
    assert found.thumbnails is not None
    assert found.thumbnail_images is not None
    place = int(np.flatnonzero(found.thumbnail_images == found.top_images[row, 0])[0])
    expected = (SET.images[found.top_images[row, 0]].transpose(1, 2, 0) * 255).round()
    np.testing.assert_array_equal(found.thumbnails[place], expected)
    assert dissect(network, "units", SET.images, MASKS, thumbnails=0).thumbnails is None


def test_progress_counts_images_twice(network: Any) -> None:
    told: list[tuple[int, int, str]] = []
    dissect(network, "units", SET.images, MASKS, batch_size=30, progress=lambda *given: told.append(given))
    assert [one[:2] for one in told] == [(0, 60), (30, 60), (60, 60)] * 2


def test_what_cannot_be_is_refused(network: Any) -> None:
    refused: list[tuple[dict[str, Any], str]] = [
        ({"images": SET.images[:5]}, "5 images, and concepts of 60"),
        ({"concepts": SET.masks}, "concepts are Segmentations"),
        ({"share": 2.0}, "share is above 0"),
        ({"batch_size": 0}, "batch_size is a whole number"),
        ({"layers": []}, "empty list"),
        ({"images": np.full_like(SET.images, np.nan)}, "not finite"),
        ({"images": SET.images[:, :2]}, "does not run on inputs"),
        ({"images": []}, "there are no images"),
        ({"preprocess": "imagenet"}, "this preprocessing cuts them"),
    ]
    for words, said in refused:
        given: dict[str, Any] = {"layers": "units", "images": SET.images, "concepts": MASKS, **words}
        with pytest.raises(InvalidArgumentError, match=said):
            dissect(network, **given)
    with pytest.raises(UnknownLayerError, match="units"):
        dissect(network, "unit", SET.images, MASKS)
