from __future__ import annotations

import io

import pytest
from metannvis_cli.errors import Failure, reported
from metannvis_cli.progress import Console
from metannvis_translate import InvalidArgumentError, UnknownLayerError


def message(error: Exception) -> str:
    with pytest.raises(Failure) as caught, reported(Console(stream=io.StringIO())):
        raise error
    assert caught.value.exit_code == 1
    assert caught.value.__cause__ is error
    return caught.value.message


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (InvalidArgumentError("no such thing"), "no such thing"),
        (
            UnknownLayerError("conv9", ["conv1"]),
            "no layer 'conv9' in the model. Close: 'conv1'. `metannvis layers MODEL` shows",
        ),
        (FileNotFoundError(2, "No such file or directory", "net.pt2"), "net.pt2: No such file or directory"),
        (OSError("disk on fire"), "disk on fire"),
        (TypeError("a bug"), "unexpected TypeError: a bug (--debug shows where)"),
        (KeyError(), "unexpected KeyError:  (--debug shows where)"),
    ],
)
def test_errors_become_messages(error, text):
    assert message(error).startswith(text)


@pytest.mark.parametrize("error", [InvalidArgumentError("x"), TypeError("x")])
def test_debug_lets_them_through(error):
    with pytest.raises(type(error)), reported(Console(debug=True, stream=io.StringIO())):
        raise error


def test_on_the_command_line(metannvis):
    assert "Error: no method 'nothing'" in metannvis("describe", "nothing", code=2).stderr
    for place in (["--debug", "describe", "nothing"], ["describe", "nothing", "--debug"]):
        result = metannvis(*place, code=1)
        assert type(result.exception).__name__ == "UnknownMethodError"
