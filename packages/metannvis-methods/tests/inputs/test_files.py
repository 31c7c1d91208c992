from __future__ import annotations

import numpy as np
import pytest
from metannvis_methods.inputs import InputSpec, Wording, read_inputs
from metannvis_translate import DamagedFileError, InvalidArgumentError, MissingArgumentError

FIRST = InputSpec("x", (None, 3, 6, 5), channels_first=True)
LAST = InputSpec("x", (None, 6, 5, 3), channels_first=False)


def save(path, *shape, dtype=np.float32):
    np.save(path, np.arange(np.prod(shape)).reshape(shape).astype(dtype))
    return str(path)


def test_no_input(tmp_path):
    assert read_inputs([], [FIRST]) is None


def test_an_array_as_it_is(tmp_path):
    file = save(tmp_path / "x.npy", 2, 3, 6, 5)
    np.testing.assert_array_equal(read_inputs([file], [FIRST]), np.load(file))


def test_a_sample_gets_a_batch_axis(tmp_path):
    assert read_inputs([save(tmp_path / "x.npy", 3, 6, 5)], [FIRST]).shape == (1, 3, 6, 5)


def test_several_files_make_a_batch(tmp_path):
    files = [save(tmp_path / "a.npy", 3, 6, 5), save(tmp_path / "b.npy", 2, 3, 6, 5)]
    assert read_inputs(files, [FIRST]).shape == (3, 3, 6, 5)


@pytest.mark.parametrize(("port", "turned"), [(FIRST, r"transpose\(0, 3, 1, 2\)"), (LAST, r"transpose\(0, 2, 3, 1\)")])
def test_the_wrong_layout_is_refused_with_a_hint(tmp_path, port, turned):
    shape = (1, 6, 5, 3) if port is FIRST else (1, 3, 6, 5)
    with pytest.raises(InvalidArgumentError, match=turned):
        read_inputs([save(tmp_path / "x.npy", *shape)], [port])


def test_the_wrong_shape_is_refused(tmp_path):
    with pytest.raises(InvalidArgumentError, match=r"x.npy has shape \(7, 7\), and the model takes \(\?, 3, 6, 5\)"):
        read_inputs([save(tmp_path / "x.npy", 7, 7)], [FIRST])


def test_a_model_that_declares_nothing_takes_anything(tmp_path):
    assert read_inputs([save(tmp_path / "x.npy", 7, 7)], []).shape == (7, 7)


def test_npz(tmp_path):
    np.savez(tmp_path / "one.npz", anything=np.zeros((1, 3, 6, 5)))
    assert read_inputs([str(tmp_path / "one.npz")], [FIRST]).shape == (1, 3, 6, 5)
    np.savez(tmp_path / "saved.npz", values=np.ones(3), inputs=np.zeros((1, 3, 6, 5)), meta=np.array("{}"))
    assert read_inputs([str(tmp_path / "saved.npz")], [FIRST]).shape == (1, 3, 6, 5)
    np.savez(tmp_path / "two.npz", a=np.ones(3), b=np.zeros((1, 3, 6, 5)))
    with pytest.raises(InvalidArgumentError, match="holds 2 arrays"):
        read_inputs([str(tmp_path / "two.npz")], [FIRST])


class TestSeveralInputs:
    specs = (InputSpec("a", (None, 4), channels_first=True), InputSpec("b", (None, 2), channels_first=True))

    def test_by_name(self, tmp_path):
        a, b = save(tmp_path / "1.npy", 3, 4), save(tmp_path / "2.npy", 3, 2)
        found = read_inputs([f"b={b}", f"a={a}"], self.specs)
        assert [array.shape for array in found] == [(3, 4), (3, 2)]

    def test_from_one_file(self, tmp_path):
        np.savez(tmp_path / "x.npz", b=np.zeros((3, 2)), a=np.zeros((3, 4)))
        found = read_inputs([str(tmp_path / "x.npz")], self.specs)
        assert [array.shape for array in found] == [(3, 4), (3, 2)]

    def test_not_named(self, tmp_path):
        with pytest.raises(MissingArgumentError, match="say which"):
            read_inputs([save(tmp_path / "1.npy", 3, 4)], self.specs)

    def test_one_missing(self, tmp_path):
        with pytest.raises(MissingArgumentError, match="without a file are: b"):
            read_inputs([f"a={save(tmp_path / '1.npy', 3, 4)}"], self.specs)

    def test_messages_speak_the_caller_s_words(self, tmp_path):
        files, words = [f"a={save(tmp_path / '1.npy', 3, 4)}"], Wording(name_files="Use --file NAME=FILE")
        with pytest.raises(
            MissingArgumentError, match=r"without a file are: b\. Name the input of each file, 'NAME=FILE', or"
        ):
            read_inputs(files, self.specs)
        with pytest.raises(
            MissingArgumentError, match=r"without a file are: b\. Use --file NAME=FILE, or give an .npz"
        ):
            read_inputs(files, self.specs, wording=words)

    def test_one_too_many(self, tmp_path):
        np.savez(tmp_path / "x.npz", a=np.zeros((3, 4)), b=np.zeros((3, 2)), c=np.zeros(3))
        with pytest.raises(InvalidArgumentError, match="holds c"):
            read_inputs([str(tmp_path / "x.npz")], self.specs)


@pytest.mark.parametrize(
    ("name", "content"),
    [("x.npy", b""), ("x.npy", b"text"), ("x.npz", b"text"), ("x.npz", b""), ("x.png", b"text"), ("x.txt", b"1 2 3")],
)
def test_files_that_hold_nothing_of_use(tmp_path, name, content):
    (tmp_path / name).write_bytes(content)
    with pytest.raises((DamagedFileError, InvalidArgumentError), match=name):
        read_inputs([str(tmp_path / name)], [FIRST])


def test_a_pickle_is_not_opened(tmp_path):
    np.save(tmp_path / "x.npy", np.array([{"code": 1}], dtype=object), allow_pickle=True)
    with pytest.raises(DamagedFileError, match="cannot be read as an array"):
        read_inputs([str(tmp_path / "x.npy")], [FIRST])


def test_text_is_no_number(tmp_path):
    np.save(tmp_path / "x.npy", np.array(["a", "b"]))
    with pytest.raises(InvalidArgumentError, match="not real numbers"):
        read_inputs([str(tmp_path / "x.npy")], [])


def test_a_missing_file(tmp_path):
    with pytest.raises(FileNotFoundError, match="no such file") as caught:
        read_inputs([str(tmp_path / "missing.npy")], [FIRST])
    assert caught.value.filename == str(tmp_path / "missing.npy")
