from __future__ import annotations

import json

import click
import pytest
from metannvis_cli.targets import position, read_labels, read_targets

LABELS = ("tabby", "Tiger cat", "crane", "crane")


@pytest.mark.parametrize(
    ("texts", "target"),
    [
        ([], None),
        (["3"], 3),
        (["-1"], -1),
        (["3", "5"], [3, 5]),
        (["2,10,4"], (2, 10, 4)),
        (["tabby"], 0),
        (["tiger CAT"], 1),
        (["tabby", "1"], [0, 1]),
    ],
)
def test_targets(texts, target):
    assert read_targets(texts, LABELS) == target


@pytest.mark.parametrize(
    ("text", "labels", "message"),
    [
        ("tabby", None, "needs --labels"),
        ("tabi", LABELS, "close: tabby"),
        ("crane", LABELS, "2 classes are called 'crane'"),
        ("", LABELS, "no class is called"),
    ],
)
def test_what_is_no_target(text, labels, message):
    with pytest.raises(click.BadParameter, match=message):
        read_targets([text], labels)


@pytest.mark.parametrize("text", ["tabby\nTiger cat\ncrane\ncrane\n\n", json.dumps(LABELS)])
def test_labels(tmp_path, text):
    (tmp_path / "labels.txt").write_text(text)
    assert read_labels(tmp_path / "labels.txt") == LABELS


@pytest.mark.parametrize("content", [b"", b"[1, 2]", b"[", b"\xff\xfe\x00"])
def test_what_is_no_list_of_labels(tmp_path, content):
    (tmp_path / "labels.txt").write_bytes(content)
    with pytest.raises(click.BadParameter):
        read_labels(tmp_path / "labels.txt")


def test_positions():
    assert position(None, "--neuron") is None
    assert position("3", "--neuron") == 3
    assert position("3,0,2", "--neuron") == (3, 0, 2)
    with pytest.raises(click.BadParameter):
        position("three", "--neuron")
