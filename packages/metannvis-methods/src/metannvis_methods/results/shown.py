"""What results have in common: they draw themselves, and notebooks show them as a figure above a table."""

from __future__ import annotations

import base64
import html
import io
from collections.abc import Sequence
from os import PathLike
from pathlib import Path
from typing import Any, ClassVar, Self

from metannvis_methods.errors import InvalidArgumentError, MissingFrameworkError
from metannvis_methods.results.plotter import find_plotter
from metannvis_methods.results.result_files import read_result, write_result

__all__ = ["Drawn", "Result", "Shown"]


class Drawn:
    """A result that draws itself."""

    def plot(self, **options: Any) -> Any:
        """Draw it with metannvis-plot (or another plotter), which has the options; nothing is shown.

        Raises
        ------
        MissingFrameworkError
            No plotter is installed; the message says what to install.
        """
        return find_plotter()(self, **options)


class Shown(Drawn):
    """A result that notebooks show as a figure above a table."""

    def _table(self) -> Sequence[tuple[str, object]]:
        """What a person asks first: names and values."""
        return ()

    def _repr_html_(self) -> str:
        cells = "".join(f"<tr><th>{html.escape(k)}</th><td>{html.escape(str(v))}</td></tr>" for k, v in self._table())
        picture, shown = self._repr_png_(), ""
        if picture is not None:
            source = base64.b64encode(picture).decode()
            shown = f'<img alt="{html.escape(str(self))}" src="data:image/png;base64,{source}"/>'
        return f"{shown}<table>{cells}</table>"

    def _repr_png_(self) -> bytes | None:
        """The figure, for notebooks; ``None`` if no plotter is installed, or nothing can be drawn."""
        buffer = io.BytesIO()
        try:
            self.plot().savefig(buffer, format="png", dpi=96)
        except (MissingFrameworkError, InvalidArgumentError):
            return None
        return buffer.getvalue()


class Result(Shown):
    """A result that is a dataclass of arrays and plain values.

    Attributes
    ----------
    figure
        How it is drawn: the name of a figure of the plotter, or, of a result of another package, the function that draws it,
        which takes the result and options, ``path`` among them, and returns a figure; or where that is,
        ``"package.module:function"``.
    """

    figure: ClassVar[Any] = ""

    def rows(self) -> Sequence[tuple[str, object]]:
        """What a person asks first: names and values."""
        return ()

    def _table(self) -> Sequence[tuple[str, object]]:
        return self.rows()

    def save(self, path: str | PathLike[str], *, overwrite: bool = True) -> Path:
        """Write an ``.npz`` file, which :meth:`load` reads; returns the path, with the ending added if it lacked it.

        Raises
        ------
        InvalidArgumentError
            The file exists and ``overwrite`` is off.
        WriteError
            It cannot be written; what was there is unchanged.
        """
        return write_result(self, path, overwrite=overwrite)

    @classmethod
    def load(cls, path: str | PathLike[str]) -> Self:
        """Read what :meth:`save` wrote. Runs no code from the file.

        Raises
        ------
        InvalidArgumentError
            The file holds no such result.
        DamagedFileError
            It cannot be read, or holds something else than what such a result consists of.
        LimitError
            It unpacks to more than ``metannvis_translate.Limits.unpacked_bytes``.
        """
        return cls(**read_result(cls, path))
