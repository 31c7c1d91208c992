"""Files and folders are replaced whole or not at all, whatever happens in between."""

from __future__ import annotations

import errno
import os
import pickle
import stat
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from metannvis_translate.errors import InvalidArgumentError, MetannvisError, WriteError
from metannvis_translate.writing import (
    check_target,
    deferring,
    exchange,
    replace,
    replacing,
    replacing_folder,
    write_bytes,
)


def test_a_new_file_with_the_permissions_of_the_process(tmp_path):
    path = tmp_path / "a.bin"
    before = os.umask(0o027)
    try:
        write_bytes(path, b"new")
    finally:
        os.umask(before)
    assert path.read_bytes() == b"new"
    assert stat.S_IMODE(path.stat().st_mode) == 0o640
    assert list(tmp_path.iterdir()) == [path]


def test_the_old_one_stays_until_the_block_ends_and_its_permissions_after_it(tmp_path):
    path = tmp_path / "a.npz"
    path.write_bytes(b"old")
    path.chmod(0o604)
    with replacing(path) as new:
        assert new.parent == tmp_path and new.name.startswith(".") and new.suffix == ".npz"
        new.write_bytes(b"new")
        assert path.read_bytes() == b"old"
    assert path.read_bytes() == b"new"
    assert stat.S_IMODE(path.stat().st_mode) == 0o604
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("error", [ValueError("no"), KeyboardInterrupt(), SystemExit(3), MemoryError()])
def test_an_error_leaves_the_old_one_and_nothing_else(tmp_path, error):
    path = tmp_path / "a.bin"
    path.write_bytes(b"old")

    def file():
        with replacing(path) as new:
            new.write_bytes(b"half")
            raise error

    def folder():
        with replacing_folder(tmp_path / "folder") as new:
            (new / "part").write_bytes(b"half")
            raise error

    for write in (file, folder):
        with pytest.raises(type(error)):
            write()
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_links_are_followed(tmp_path):
    (tmp_path / "real").mkdir()
    real = tmp_path / "real" / "a.bin"
    real.write_bytes(b"old")
    link, hanging = tmp_path / "link.bin", tmp_path / "hanging.bin"
    link.symlink_to(Path("real", "a.bin"))
    hanging.symlink_to(Path("real", "b.bin"))
    for path in (link, hanging):
        with replacing(path) as new:
            assert new.parent == tmp_path / "real"
            new.write_bytes(b"new")
        assert path.is_symlink() and path.read_bytes() == b"new"
    assert sorted(path.name for path in real.parent.iterdir()) == ["a.bin", "b.bin"]
    (tmp_path / "x.bin").symlink_to("y.bin")
    (tmp_path / "y.bin").symlink_to("x.bin")
    with pytest.raises(WriteError, match="circle"):
        write_bytes(tmp_path / "x.bin", b"")


def test_existing_files_are_refused(tmp_path):
    path = tmp_path / "a.bin"
    path.write_bytes(b"old")
    with pytest.raises(InvalidArgumentError, match="exists already"):
        write_bytes(path, b"new", overwrite=False)
    with pytest.raises(InvalidArgumentError, match="exists already"):
        check_target(path, overwrite=False)
    assert path.read_bytes() == b"old"


@pytest.mark.parametrize("links", [True, False])
def test_one_that_came_in_the_meantime_is_refused_too(tmp_path, monkeypatch, links):
    path = tmp_path / "a.bin"

    def none(*args):
        raise OSError(errno.EPERM, "no hard links here")

    if not links:
        monkeypatch.setattr(os, "link", none)

    def write():
        with replacing(path, overwrite=False) as new:
            new.write_bytes(b"new")
            path.write_bytes(b"another's")

    with pytest.raises(InvalidArgumentError, match="exists already"):
        write()
    assert path.read_bytes() == b"another's"
    path.unlink()
    write_bytes(path, b"new", overwrite=False)
    assert path.read_bytes() == b"new"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize(
    ("name", "number", "says"),
    [
        ("missing/a.bin", errno.ENOENT, "the folder .*missing does not exist"),
        ("file/a.bin", errno.ENOTDIR, "file is not a folder"),
        ("folder", errno.EISDIR, "a folder of that name is there"),
        ("n" * 300, errno.ENAMETOOLONG, "its name is too long"),
    ],
)
def test_places_that_cannot_be_written_to(tmp_path, name, number, says):
    (tmp_path / "file").write_bytes(b"")
    (tmp_path / "folder").mkdir()
    for write in (lambda path: write_bytes(path, b"new"), check_target):
        with pytest.raises(WriteError, match=says) as caught:
            write(tmp_path / name)
        error = caught.value
        assert isinstance(error, OSError) and isinstance(error, MetannvisError)
        assert error.errno == number and error.filename == str(tmp_path / name)
        assert str(tmp_path / name) in str(error)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "folder"]


@pytest.mark.parametrize(
    "name", ["n" * 251 + ".bin", "n" * 255, "ü" * 120 + ".npz", ".bin", "a." + "b" * 100, "a." + "b" * 253]
)
def test_long_and_odd_names(tmp_path, name):
    with replacing(tmp_path / name) as new:
        new.write_bytes(b"new")
        assert new.suffix == (Path(name).suffix if len(Path(name).suffix) < 127 else "")
    assert (tmp_path / name).read_bytes() == b"new"


def test_devices_and_pipes_stay_what_they_are(tmp_path):
    link = tmp_path / "null.bin"
    link.symlink_to(os.devnull)
    write_bytes(link, b"new")
    assert stat.S_ISCHR(Path(os.devnull).stat().st_mode)
    pipe = tmp_path / "pipe.bin"
    os.mkfifo(pipe)
    read = []
    reader = threading.Thread(target=lambda: read.append(pipe.read_bytes()))
    reader.start()
    write_bytes(pipe, b"new")
    reader.join()
    assert read == [b"new"] and pipe.is_fifo()


def test_the_error_says_what_and_why_and_can_be_pickled(tmp_path):
    path = tmp_path / "a.bin"
    path.write_bytes(b"old")
    with pytest.raises(WriteError) as caught, replacing(path):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    assert str(caught.value) == (
        f"{path} was not written: the disk is full; free some space, or write to another one. What was there is unchanged."
    )
    again = pickle.loads(pickle.dumps(caught.value))
    assert (str(again), again.errno, again.filename) == (str(caught.value), errno.ENOSPC, str(path))


def test_what_has_nothing_to_do_with_the_disk_passes_through(tmp_path):
    for error in (
        FileNotFoundError(errno.ENOENT, "no such font", "/fonts/none.ttf"),
        ConnectionError(errno.EPIPE, "gone"),
    ):
        with pytest.raises(type(error)) as caught, replacing(tmp_path / "a.bin"):
            raise error
        assert caught.value is error


@pytest.mark.parametrize("text", ["OUT_OF_RANGE: part-0; No space left on device", "basic_ios::clear: iostream error"])
def test_libraries_that_say_it_in_words_or_not_at_all(tmp_path, monkeypatch, text):
    if "space" not in text:  # it is tried
        monkeypatch.setattr(os, "fsync", lambda handle: (_ for _ in ()).throw(OSError(errno.ENOSPC, "full")))
    with pytest.raises(WriteError, match="the disk is full"), replacing(tmp_path / "a.bin"):
        raise RuntimeError(text)


def test_one_inside_the_other_names_the_outer_file(tmp_path, monkeypatch):
    path = tmp_path / "a.bin"
    monkeypatch.setattr(os, "fsync", lambda handle: (_ for _ in ()).throw(OSError(errno.EDQUOT, "over")))
    with pytest.raises(WriteError) as caught, replacing(path) as outer:
        write_bytes(outer, b"new")
    assert caught.value.filename == str(path) and "quota" in str(caught.value)
    assert not list(tmp_path.iterdir())


def test_a_stream_that_bears_a_full_disk(tmp_path):
    with deferring(tmp_path / "a.bin") as file:
        file.write(b"0123456789")
        file.seek(2)
        file.write(memoryview(b"xy"))
        assert file.tell() == 4
    assert (tmp_path / "a.bin").read_bytes() == b"01xy456789"

    def write(error):
        with deferring(tmp_path / "b.bin") as file:
            file._file.close()
            file._file = (tmp_path / "a.bin").open("rb", buffering=0)  # which cannot be written to
            assert file.write(b"x") == 1 and file.write(b"y") == 1 and file.tell() == 2
            assert file.seek(7) == 7
            if error:
                raise RuntimeError("the writer's own")

    for error in (False, True):
        with pytest.raises(OSError, match="not open for writing"):
            write(error)


# --- folders ----------------------------------------------------------------------------------------------------------


def _fill(folder, text):
    (folder / "sub").mkdir(parents=True, exist_ok=True)
    (folder / "sub" / "a").write_text(text)
    (folder / text).write_text(text)


@pytest.mark.parametrize("at_once", [True, False])
def test_folders(tmp_path, monkeypatch, at_once):
    if not at_once:
        monkeypatch.setattr(exchange, "_at_once", lambda new, old: False)
    path = tmp_path / "net"
    for text in ("one", "two", "three"):
        with replacing_folder(path) as new:
            _fill(new, text)
        assert sorted(entry.name for entry in path.iterdir()) == sorted(["sub", text])
        assert (path / "sub" / "a").read_text() == text
        assert list(tmp_path.iterdir()) == [path]


def test_folders_that_are_refused(tmp_path):
    path = tmp_path / "net"
    path.mkdir(mode=0o750)
    with replacing_folder(path, overwrite=False) as new:  # an empty one
        _fill(new, "one")
    assert stat.S_IMODE(path.stat().st_mode) == 0o750
    with pytest.raises(InvalidArgumentError, match="exists already"), replacing_folder(path, overwrite=False):
        pass
    with (
        pytest.raises(InvalidArgumentError, match="would be lost"),
        replacing_folder(path, replaceable=lambda old: False),
    ):
        pass

    def write():
        with replacing_folder(tmp_path / "b", overwrite=False) as new:
            _fill(new, "two")
            _fill(tmp_path / "b", "another's")

    with pytest.raises(InvalidArgumentError, match="exists already"):
        write()
    assert (tmp_path / "b" / "another's").exists()
    (tmp_path / "file").write_text("old")
    with pytest.raises(WriteError, match="a file of that name is there"), replacing_folder(tmp_path / "file"):
        pass
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["b", "file", "net"]


def test_an_exchange_that_fails_half_way_is_undone(tmp_path, monkeypatch):
    monkeypatch.setattr(exchange, "_at_once", lambda new, old: False)
    path = tmp_path / "net"
    _fill(path, "old")
    rename = Path.rename

    def failing(self, target):
        if Path(target) == path and not self.name.endswith(".old"):
            raise OSError(errno.ENOTEMPTY if path.exists() else errno.EIO, "failed", str(self))
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", failing)
    with pytest.raises(WriteError), replacing_folder(path) as new:
        _fill(new, "new")
    assert (path / "sub" / "a").read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


# --- several at once --------------------------------------------------------------------------------------------------


def test_threads_that_write_one_file(tmp_path):
    path, folder = tmp_path / "a.bin", tmp_path / "net"
    failed = []

    def write(k):
        try:
            for _ in range(15):
                write_bytes(path, bytes([k]) * 200_000)
                with replacing_folder(folder) as new:
                    _fill(new, str(k))
        except BaseException as error:
            failed.append(error)
            raise

    threads = [threading.Thread(target=write, args=(k,)) for k in range(4)]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        if path.exists():
            content = path.read_bytes()
            assert len(content) == 200_000 and len(set(content)) == 1
    assert not failed
    text = (folder / "sub" / "a").read_text()
    assert sorted(entry.name for entry in folder.iterdir()) == sorted([text, "sub"])
    assert sorted(tmp_path.iterdir()) == [path, folder]


def test_processes_that_write_one_file_first_come_first_served(tmp_path):
    code = (
        "import sys; from metannvis_translate.writing import write_bytes\n"
        "from metannvis_translate.errors import InvalidArgumentError\n"
        "sys.stdin.readline()\n"
        "try: write_bytes(sys.argv[1], sys.argv[2].encode() * 500_000, overwrite=False)\n"
        "except InvalidArgumentError: sys.exit(7)\n"
    )
    path = tmp_path / "a.bin"
    children = [
        subprocess.Popen([sys.executable, "-c", code, str(path), str(k)], stdin=subprocess.PIPE) for k in range(3)
    ]
    for child in children:
        child.stdin.write(b"\n")
        child.stdin.close()
    codes = [child.wait() for child in children]
    assert sorted(codes) == [0, 7, 7]
    assert path.read_bytes() == str(codes.index(0)).encode() * 500_000
    assert list(tmp_path.iterdir()) == [path]


def test_a_write_protected_file_stays(tmp_path):
    code = (
        "import os, sys\n"
        "from metannvis_translate.writing import write_bytes\n"
        "from metannvis_translate.errors import WriteError\n"
        "if os.geteuid() == 0: os.seteuid(65534)\n"
        "try: write_bytes(sys.argv[1], b'new')\n"
        "except WriteError as error: print(error)\n"
    )
    folder = tmp_path / "open"
    folder.mkdir()
    path = folder / "a.bin"
    path.write_bytes(b"old")
    path.chmod(0o444)
    folder.chmod(0o777)
    for parent in (tmp_path, tmp_path.parent, tmp_path.parent.parent):
        parent.chmod(0o755)
    done = subprocess.run([sys.executable, "-c", code, str(path)], capture_output=True, text=True, check=True)
    assert f"{path} was not written: you have no right to write to it" in done.stdout
    assert path.read_bytes() == b"old" and list(folder.iterdir()) == [path]


def test_hidden_names_differ(tmp_path):
    names = {replace._hidden(tmp_path / "a.bin") for _ in range(100)}
    assert len(names) == 100 and all(len(os.fsencode(name.name)) <= 255 for name in names)
