from __future__ import annotations

import json

import pytest
from metannvis_methods.inputs import read_labels
from metannvis_translate import InvalidArgumentError, limits

LABELS = ("tabby", "Tiger cat", "crane", "crane")


@pytest.mark.parametrize("text", ["tabby\nTiger cat\ncrane\ncrane\n\n", json.dumps(LABELS), " \n" + json.dumps(LABELS)])
def test_lines_or_a_list(tmp_path, text):
    (tmp_path / "labels.txt").write_text(text)
    assert read_labels(tmp_path / "labels.txt") == LABELS


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is empty"),
        (b"[]", "is empty"),
        (b"[1, 2]", "holds no list of names: its entries are not all text"),
        (b"[", "cannot be read as JSON"),
        (b"\xff\xfe\x00", "no text in UTF-8"),
    ],
)
def test_what_is_no_list_of_names(tmp_path, content, message):
    (tmp_path / "labels.txt").write_bytes(content)
    with pytest.raises(InvalidArgumentError, match=message):
        read_labels(tmp_path / "labels.txt")


def test_a_file_that_is_too_long(tmp_path):
    (tmp_path / "labels.txt").write_text("a\n" * 100)
    with limits(text_bytes=100), pytest.raises(InvalidArgumentError, match="text_bytes"):
        read_labels(tmp_path / "labels.txt")
