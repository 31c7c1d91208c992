"""Tables, tokens, IDX files, deep and transparent images, and parts of files."""

from __future__ import annotations

import gzip
import json
import struct
import sys
from types import SimpleNamespace

import numpy as np
import pytest
from metannvis_methods.inputs import InputSpec, read_files, read_image
from metannvis_methods.inputs.tokens import read_vocabulary
from metannvis_methods.vocabulary import Preprocessing
from metannvis_translate import DamagedFileError, InvalidArgumentError, LimitError, MissingFrameworkError, limits
from PIL import Image

FEATURES = InputSpec("x", (None, 3), channels_first=True)
GRAY = InputSpec("x", (None, 1, 4, 6), channels_first=True)
COLOR = InputSpec("x", (None, 4, 6, 3), channels_first=False)
TOKENS = InputSpec("x", (None, 5), channels_first=True)


def written(folder, name, text):
    (folder / name).write_text(text, encoding="utf-8")
    return str(folder / name)


@pytest.mark.parametrize(
    ("name", "text", "values", "names"),
    [
        ("a.csv", "width,height,age\n1,2,3\n4,5.5,-6e1\n", [[1, 2, 3], [4, 5.5, -60]], ("width", "height", "age")),
        ("a.csv", "1,2,3\n4,5,6\n", [[1, 2, 3], [4, 5, 6]], ()),
        ("a.tsv", "\ufeffa\tb b\tc\n1\t2\t3\n\n", [[1, 2, 3]], ("a", "b b", "c")),
        ("a.csv", '"a, b",c,d\r\n1,2,3\r\n', [[1, 2, 3]], ("a, b", "c", "d")),
        ("a.csv", "a,b,c,kind\n1,2,3,cat\n", [[1, 2, 3]], ("a", "b", "c")),
        ("a.csv", ",a,b,c\n0,1,2,3\n1,4,5,6\n", [[1, 2, 3], [4, 5, 6]], ("a", "b", "c")),
    ],
)
def test_tables(tmp_path, name, text, values, names):
    noted = []
    found = read_files([written(tmp_path, name, text)], [FEATURES], note=noted.append)
    np.testing.assert_array_equal(found.arrays, np.array(values, np.float32))
    assert found.arrays.dtype == np.float32
    assert found.features == names
    assert len(noted) == (len(text.split("\n")[0].split("\t" if name.endswith("tsv") else ",")) > 3 and '"' not in text)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "a.csv is empty"),
        ("a,b,c\n", "has names of columns and no row of numbers"),
        ("a,b,c\n1,2\n", r"a\.csv, line 2, has 2 cells, and line 1 has 3"),
        ("a,b,c\n1,,3\n", "line 2, column 'b', holds nothing, which is no number"),
        ("1,2,3\n4,five,6\n", "line 2, column 2, holds 'five', which is no number"),
        ("a,b\n1,2\n", r"a\.csv has 2 columns, and the model takes 3 features"),
        ("a,b,c,d\n1,2,3,4\n", r"a\.csv has 4 columns, and the model takes 3 features"),
    ],
)
def test_tables_that_are_none(tmp_path, text, said):
    with pytest.raises(InvalidArgumentError, match=said):
        read_files([written(tmp_path, "a.csv", text)], [FEATURES])


def test_several_tables_are_one_batch_if_their_columns_are_the_same(tmp_path):
    one, two = written(tmp_path, "a.csv", "a,b,c\n1,2,3\n"), written(tmp_path, "b.csv", "a,b,c\n4,5,6\n")
    assert read_files([one, two], [FEATURES]).features == ("a", "b", "c")
    other = written(tmp_path, "c.csv", "a,c,b\n4,5,6\n")
    with pytest.raises(InvalidArgumentError, match="name their columns differently"):
        read_files([one, other], [FEATURES])


WORDS = "[PAD]\n[UNK]\nthe\ncat\nsat\n"


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("words.txt", WORDS),
        ("words.json", json.dumps({word: k for k, word in enumerate(WORDS.split())})),
        ("words.json", json.dumps(WORDS.split())),
        ("tokenizer.json", json.dumps({"model": {"type": "Unigram", "vocab": [[w, -1.0] for w in WORDS.split()]}})),
        (
            "tokenizer.json",
            json.dumps(
                {
                    "model": {"type": "WordLevel", "vocab": {"the": 2, "cat": 3, "sat": 4}},
                    "added_tokens": [{"content": "[PAD]", "id": 0}, {"content": "[UNK]", "id": 1}],
                }
            ),
        ),
    ],
)
def test_ids_and_their_words(tmp_path, name, text):
    vocabulary = read_vocabulary(tmp_path / written(tmp_path, name, text))
    noted = []
    found = read_files([written(tmp_path, "x.ids", "2 3 4\n2 9\n")], [TOKENS], vocabulary=vocabulary, note=noted.append)
    np.testing.assert_array_equal(found.arrays, [[2, 3, 4, 0, 0], [2, 9, 0, 0, 0]])
    assert found.words == (("the", "cat", "sat", "[PAD]", "[PAD]"), ("the", "#9", "[PAD]", "[PAD]", "[PAD]"))
    assert noted == ["x.ids: filled up to 5 tokens with 0"]


def test_a_text_by_words(tmp_path):
    vocabulary = read_vocabulary(tmp_path / written(tmp_path, "words.txt", WORDS))
    found = read_files([written(tmp_path, "x.txt", "The cat purred the cat\n")], [TOKENS], vocabulary=vocabulary)
    np.testing.assert_array_equal(found.arrays, [[2, 3, 1, 2, 3]])
    assert found.arrays.dtype == np.int64


def test_a_text_by_a_tokenizer(tmp_path, monkeypatch):
    """By a stand-in for the package, which is asked to encode, and is not needed for ids."""
    ids = {"[UNK]": 0, "play": 1, "##ing": 2, "cat": 3}
    written(tmp_path, "tokenizer.json", json.dumps({"model": {"type": "WordPiece", "vocab": ids}}))
    vocabulary = read_vocabulary(tmp_path / "tokenizer.json")
    file = written(tmp_path, "x.txt", "playing cat cat cat\n")
    monkeypatch.setitem(sys.modules, "tokenizers", None)
    with pytest.raises(MissingFrameworkError, match=r"tokenizers is needed .* pip install 'metannvis-methods\[text\]'"):
        read_files([file], [TOKENS], vocabulary=vocabulary)
    encoding = SimpleNamespace(encode=lambda text: SimpleNamespace(ids=[1, 2, 3, 3, 3]))
    package = SimpleNamespace(Tokenizer=SimpleNamespace(from_file=lambda path: encoding))
    monkeypatch.setitem(sys.modules, "tokenizers", package)
    found = read_files([file], [TOKENS], vocabulary=vocabulary)
    np.testing.assert_array_equal(found.arrays, [[1, 2, 3, 3, 3]])
    assert found.words == (("play", "##ing", "cat", "cat", "cat"),)


@pytest.mark.parametrize(
    ("text", "words", "said"),
    [
        ("the cat", None, r"x\.txt is a text: say which words have which ids, vocabulary="),
        ("", WORDS, "is empty"),
        ("the dog", "the\ncat\n", "the word 'dog' has no id, and the list no"),
        ("1 2", "the\ncat\nsat", "have none to fill up with"),
        ("1 1 1 1 1 1", WORDS, "line 1, has 6 tokens, and the model takes 5"),
    ],
)
def test_texts_that_are_refused(tmp_path, text, words, said):
    vocabulary = None if words is None else read_vocabulary(tmp_path / written(tmp_path, "w.txt", words))
    with pytest.raises(InvalidArgumentError, match=said):
        read_files([written(tmp_path, "x.txt", text)], [TOKENS], vocabulary=vocabulary)


@pytest.mark.parametrize("text", ["", "{}", '{"a": "b"}', '{"a": true}', "[1, 2]"])
def test_vocabularies_that_are_none(tmp_path, text):
    with pytest.raises(InvalidArgumentError):
        read_vocabulary(tmp_path / written(tmp_path, "w.json", text))


def idx(array, code=0x08):
    return struct.pack(">BBBB", 0, 0, code, array.ndim) + struct.pack(f">{array.ndim}I", *array.shape) + array.tobytes()


@pytest.mark.parametrize("name", ["t10k-images-idx3-ubyte", "t10k-images.idx3-ubyte.gz", "digits.idx"])
def test_idx_files(tmp_path, name):
    pixels = np.random.default_rng(0).integers(0, 256, (3, 4, 6), dtype=np.uint8)
    data = idx(pixels)
    (tmp_path / name).write_bytes(gzip.compress(data) if name.endswith("gz") else data)
    found = read_files([str(tmp_path / name)], [GRAY], scale="symmetric").arrays
    np.testing.assert_allclose(found, pixels[:, None] / 127.5 - 1, rtol=1e-6)
    flat = InputSpec("x", (None, 24), channels_first=True)
    np.testing.assert_allclose(
        read_files([str(tmp_path / name)], [flat]).arrays, pixels.reshape(3, 24) / 255, rtol=1e-6
    )
    wide = InputSpec("x", (None, 8, 12, 1), channels_first=False)
    assert read_files([str(tmp_path / name)], [wide]).arrays.shape == (3, 8, 12, 1)


def test_an_idx_file_that_unpacks_to_much(tmp_path):
    (tmp_path / "x.idx.gz").write_bytes(gzip.compress(idx(np.zeros((10, 100, 100), np.uint8))))
    with (
        limits(unpacked_bytes=90_000),
        pytest.raises(LimitError, match=r"x\.idx\.gz unpacks to bytes, at least: 90,001"),
    ):
        read_files([str(tmp_path / "x.idx.gz")], [])


def test_idx_numbers_of_other_kinds(tmp_path):
    values = np.array([[1.5, -2, 3]], ">f4")
    (tmp_path / "x.idx").write_bytes(idx(values, 0x0D))
    found = read_files([str(tmp_path / "x.idx")], [FEATURES]).arrays
    np.testing.assert_array_equal(found, [[1.5, -2, 3]])
    assert found.dtype == np.float32


@pytest.mark.parametrize(
    "data", [b"", b"\x01\x00\x08\x01", idx(np.zeros((3, 4), np.uint8))[:-1], idx(np.zeros(3, np.uint8)) + b"x"]
)
def test_idx_files_that_are_damaged(tmp_path, data):
    (tmp_path / "x.idx").write_bytes(data)
    with pytest.raises(DamagedFileError, match=r"x\.idx"):
        read_files([str(tmp_path / "x.idx")], [])
    (tmp_path / "x.idx").write_bytes(gzip.compress(idx(np.zeros(3, np.uint8)))[:-4])
    with pytest.raises(DamagedFileError, match=r"x\.idx cannot be unpacked"):
        read_files([str(tmp_path / "x.idx")], [])


def test_sixteen_bits(tmp_path):
    deep = np.linspace(0, 65535, 24).round().astype(np.uint16).reshape(4, 6)
    Image.fromarray(deep).save(tmp_path / "deep.png")
    found, note = read_image(tmp_path / "deep.png", GRAY)
    np.testing.assert_allclose(found[0, 0], deep / 65535, rtol=1e-6)
    assert note == "deep.png: 16 bits made 0…255"
    found, _ = read_image(tmp_path / "deep.png", COLOR)
    np.testing.assert_allclose(found[0], np.repeat(deep[..., None] / 65535, 3, axis=-1), rtol=1e-6)
    found, note = read_image(tmp_path / "deep.png", InputSpec("x", (None, 1, 2, 3), channels_first=True))
    assert note == "deep.png: 16 bits made 0…255, 6 × 4 pixels made 3 × 2"
    assert found.shape == (1, 1, 2, 3)


@pytest.mark.parametrize(("background", "beneath"), [(None, 255), ("black", 0), ("#808080", 128)])
def test_transparent_images_lie_over_a_background(tmp_path, background, beneath):
    pixels = np.zeros((4, 6, 4), np.uint8)
    pixels[:, :3] = (200, 100, 50, 255)
    pixels[:, 3:] = (9, 9, 9, 0)
    Image.fromarray(pixels).save(tmp_path / "x.png")
    known = Preprocessing(255.0) if background is None else Preprocessing(255.0, background=background)
    found, note = read_image(tmp_path / "x.png", COLOR, scale=known)
    np.testing.assert_allclose(found[0, 0, 0] * 255, [200, 100, 50], rtol=1e-5)
    np.testing.assert_allclose(found[0, 0, 5] * 255, [beneath] * 3, rtol=1e-5)
    assert note == f"x.png: transparent, laid over {background or 'white'}"
    four, note = read_image(tmp_path / "x.png", InputSpec("x", (None, 4, 6, 4), channels_first=False), scale="none")
    np.testing.assert_array_equal(four[0], pixels)
    assert note == ""
    with pytest.raises(InvalidArgumentError, match="background 'loud' is no colour"):
        read_image(tmp_path / "x.png", COLOR, scale=Preprocessing(255.0, background="loud"))


def test_opaque_images_with_alpha_need_no_background(tmp_path):
    Image.new("RGBA", (6, 4), (1, 2, 3, 255)).save(tmp_path / "x.png")
    assert read_image(tmp_path / "x.png", COLOR)[1] == ""


def test_parts_of_files(tmp_path):
    values = np.arange(30, dtype=np.float32).reshape(10, 3)
    np.save(tmp_path / "x.npy", values)
    np.savez(tmp_path / "x.npz", train=values, test=values[:2])
    for text, expected in (
        ("x.npy[3]", values[3:4]),
        ("x.npy[-1]", values[-1:]),
        ("x.npy[2:4]", values[2:4]),
        ("x.npy[:2]", values[:2]),
        ("x.npz[test]", values[:2]),
    ):
        np.testing.assert_array_equal(read_files([str(tmp_path / text)], [FEATURES]).arrays, expected)
    for text, said in (
        (
            "x.npz",
            r"holds 2 arrays \(train, test\), and one is needed: say which in brackets behind it, x\.npz\[train\]",
        ),
        ("x.npz[tes]", r"x\.npz holds no 'tes'; it holds train, test"),
        ("x.npy[20]", r"x\.npy has 10 samples, none of them in \[20\]"),
        ("x.npy[test]", "an .npz has arrays with names"),
    ):
        with pytest.raises(InvalidArgumentError, match=said):
            read_files([str(tmp_path / text)], [FEATURES])
