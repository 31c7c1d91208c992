from __future__ import annotations

import io
import logging
import os
import subprocess
import sys
import warnings

import pytest
from metannvis_cli.progress import Console
from metannvis_cli.quiet_libraries import native_stderr_kept_back, quiet_libraries
from metannvis_methods import MethodChoiceWarning


def said(act, **options) -> str:
    console = Console(stream=io.StringIO(), **options)
    with quiet_libraries(console):
        act()
    return console.stream.getvalue()


def test_our_warnings_are_one_line():
    assert said(lambda: warnings.warn("two\n have it", MethodChoiceWarning, stacklevel=1)) == "warning: two have it\n"


@pytest.mark.parametrize("category", [DeprecationWarning, UserWarning, FutureWarning])
def test_others_are_not_shown(category):
    assert said(lambda: warnings.warn("old", category, stacklevel=1)) == ""


def test_log_messages():
    ours, theirs = logging.getLogger("metannvis_methods"), logging.getLogger("absl")

    def act() -> None:
        ours.info("translating")
        ours.warning("careful")
        theirs.warning("noise")

    assert said(act) == "warning: careful\n"
    assert said(act, verbose=True) == "translating\nwarning: careful\n"
    assert said(act, quiet=True) == ""


def test_everything_is_put_back():
    root = logging.getLogger()
    before = (root.handlers[:], root.level, sys.meta_path[:], dict(os.environ), warnings.showwarning)
    said(lambda: None)
    assert before == (root.handlers[:], root.level, sys.meta_path, dict(os.environ), warnings.showwarning)


def test_native_noise_is_dropped(capfd):
    with native_stderr_kept_back():
        os.write(2, b"noise\n")
    os.write(2, b"after\n")
    assert capfd.readouterr().err == "after\n"


def test_native_noise_is_shown_if_it_ends_badly(capfd):
    def fail() -> None:
        os.write(2, b"why\n")
        raise ImportError

    with pytest.raises(ImportError), native_stderr_kept_back():
        fail()
    assert capfd.readouterr().err == "why\n"


def test_tensorflow_starts_quietly():
    code = """
from importlib.util import find_spec
from metannvis_cli.progress import Console
from metannvis_cli.quiet_libraries import quiet_libraries
with quiet_libraries(Console()):
    find_spec("tensorflow")  # looking whether it is there must not use up what keeps it quiet
    import tensorflow
    tensorflow.zeros(3)
"""
    environment = {key: value for key, value in os.environ.items() if key != "TF_CPP_MIN_LOG_LEVEL"}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment)
    assert (done.returncode, done.stderr) == (0, "")
