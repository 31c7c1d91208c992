"""Stack traces: which line of the user's code something came from, in an exporter's trace or in the traceback of an error."""

from __future__ import annotations

import linecache
import os
import re
import sys
import traceback
from collections.abc import Iterator
from pathlib import Path
from types import FrameType
from typing import Any

__all__ = ["described_frame", "is_the_users", "line_of_error", "line_of_frame", "line_of_trace", "written_line"]

FRAME = re.compile(r'File "([^"]+)", line (\d+), in (\S+)[^\S\n]*(?:\n[^\S\n]+([^\n]+))?')
OURS = str(Path(__file__).parents[1]) + os.sep
#: Exporters and what they are run by: a line in there is not the user's.
LIBRARIES = ("torch", "onnxscript", "onnx", "onnx_ir", "torchvision.ops", "contextlib", "functools", "warnings")
#: The same where they are installed on any machine: the trace in a file may be from another one. A folder of the user's that
#: happens to be named like a library is none.
INSTALLED = re.compile(
    r"[\\/](?:site|dist)-packages[\\/](?:torch|onnxscript|onnx|onnx_ir|torchvision[\\/]ops)[\\/]"
    r"|[\\/](?:python[\d.]*|Lib)[\\/](?:contextlib|functools|warnings)\.py$"
)


def line_of_trace(text: str) -> str | None:
    """``file:line in function: code`` of the innermost frame that is the user's, from a stack trace as Python prints it."""
    found = [match for match in FRAME.finditer(text) if is_the_users(match[1])]
    if not found:
        return None
    file, number, function, code = found[-1].groups()
    return _described(file, int(number), function, code)


def written_line(file: str, number: int, function: str) -> str:
    """A line as Python prints it in a stack trace."""
    return f'File "{file}", line {number}, in {function}\n    {linecache.getline(file, number).strip()}'


def line_of_error(error: BaseException | None) -> tuple[str | None, Any]:
    """The same from the tracebacks of an error and its causes, and the ``self`` of that frame."""
    for cause in _chain(error):
        frames = list(traceback.walk_tb(cause.__traceback__))
        for frame, number in reversed(frames):
            if is_the_users(frame.f_code.co_filename) and _is_called_by_torch(frames, frame):
                line = _described(frame.f_code.co_filename, number, frame.f_code.co_name, None)
                return line, frame.f_locals.get("self")
    return None, None


def described_frame(frame: FrameType) -> str:
    """``file:line in function: code`` of a frame that runs."""
    return _described(frame.f_code.co_filename, frame.f_lineno, frame.f_code.co_name, None)


def line_of_frame(frame: FrameType | None) -> str | None:
    """The same of the innermost frame that is the user's, from a frame that runs outwards; none outside a module's call."""
    frames = []
    while frame is not None:
        frames.append((frame, frame.f_lineno))
        frame = frame.f_back
    for inner, _ in frames:
        if is_the_users(inner.f_code.co_filename):
            return described_frame(inner) if _is_called_by_torch(frames[::-1], inner) else None
    return None


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    """The error and its causes, the first cause first."""
    found: list[BaseException] = []
    while error is not None and error not in found:
        found.append(error)
        error = error.__cause__ or error.__context__
    yield from reversed(found)


def _is_called_by_torch(frames: list[tuple[FrameType, int]], frame: FrameType) -> bool:
    """Whether the frame is inside a module's call: the caller's own lines that led to the translation are not meant."""
    for outer, _ in frames:
        if outer is frame:
            return False
        if outer.f_code.co_name in ("_call_impl", "_wrapped_call_impl"):
            return True
    return False


def is_the_users(file: str) -> bool:
    """Whether a file is the user's, or of a library of models, and neither ours nor an exporter's."""
    return not file.startswith((OURS, "<frozen", "<string>", "<eval_with_key>", *_loaded())) and not INSTALLED.search(
        file
    )


def _loaded() -> Iterator[str]:
    """Where the libraries are that this process has loaded: a folder, or a file."""
    for name in LIBRARIES:
        file = getattr(sys.modules.get(name), "__file__", None)
        if file is not None:
            yield os.path.join(os.path.dirname(file), "") if os.path.basename(file) == "__init__.py" else file  # noqa: PTH118, PTH119, PTH120


def _described(file: str, number: int, function: str, code: str | None) -> str:
    code = (code or linecache.getline(file, number)).strip()
    return f"{file}:{number} in {function}" + (f": {code}" if code else "")
