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
    ("name", "text"),
    [
        ("class_index.json", '{"0": ["n01440764", "tench"], "1": ["n02", "goldfish"]}'),
        ("names.json", '{"1": "goldfish", "0": "tench"}'),
        ("indices.json", '{"goldfish": 1, "tench": 0}'),
        ("imagenet.txt", "{0: 'tench',\n 1: 'goldfish'}"),
        ("names.csv", "tench\ngoldfish\n"),
        ("head.csv", "name\ntench\ngoldfish\n"),
        ("both.csv", "1,goldfish\n0,tench\n"),
        ("columns.csv", "index,color,label\n1,gold,goldfish\n0,grey,tench\n"),
        ("columns.tsv", "class_id\tsynset\n0\ttench\n1\tgoldfish\n"),
        ("bom.csv", "\ufeffname\ntench\n\ngoldfish\n"),
    ],
)
def test_tables_and_objects(tmp_path, name, text):
    (tmp_path / name).write_text(text, encoding="utf-8")
    assert read_labels(tmp_path / name) == ("tench", "goldfish")


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("a.json", '{"0": "a", "2": "c"}', "2 names, but none of index 1"),
        ("a.json", '{"a": "b"}', "'a' is no index"),
        ("a.json", '{"0": 1.5}', "the name of 0 is 1.5, no text"),
        ("a.json", "{0: print('x')}", "neither JSON nor a dict of literals"),
        ("a.csv", "index,name\n0,a\n0,b\n", "an index stands in two rows"),
        ("a.csv", "index,name\nx,a\n", "holds something that is no index"),
        ("a.csv", "index,name\n0\n", "a row of its table is too short"),
        ("a.csv", "1\n2\n", "no column of names"),
        ("a.csv", "\n\n", "is empty"),
    ],
)
def test_tables_and_objects_that_name_no_classes(tmp_path, name, text, message):
    (tmp_path / name).write_text(text)
    with pytest.raises(InvalidArgumentError, match=message):
        read_labels(tmp_path / name)


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
