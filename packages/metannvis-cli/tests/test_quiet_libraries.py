from __future__ import annotations

import io
import logging
import os
import sys
import warnings

import pytest
from metannvis_cli.progress import Console
from metannvis_cli.quiet_libraries import quiet_libraries
from metannvis_methods import MethodChoiceWarning
from metannvis_translate.frameworks import library_messages


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


def test_debug_lets_libraries_speak():
    shown = []
    said(lambda: shown.append(library_messages.are_shown()), debug=True)
    assert shown == [True]
    assert library_messages.LIBRARY_MESSAGES not in os.environ
