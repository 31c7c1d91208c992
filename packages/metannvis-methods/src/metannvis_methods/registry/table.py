"""Method table: rows of toolset plug-ins, and single methods registered by hand."""

from __future__ import annotations

import logging
import threading
from typing import Any

from metannvis_translate.frameworks import entry_points

from metannvis_methods.errors import InvalidArgumentError, MetannvisError, UnknownToolsetError, near_misses
from metannvis_methods.registry.spec import KINDS, MethodSpec, as_frameworks, fold
from metannvis_methods.registry.toolset import Toolset, runs_in

__all__ = [
    "ENTRY_POINTS",
    "Registry",
    "describe_method",
    "find_methods",
    "list_methods",
    "register_method",
    "register_toolset",
    "registry",
    "unregister_method",
]

logger = logging.getLogger("metannvis_methods")

ENTRY_POINTS = "metannvis.toolsets"


class Registry:
    """Toolsets by key and methods by toolset and key. Plug-ins are loaded when it is first asked."""

    def __init__(self, group: str | None = ENTRY_POINTS) -> None:
        self._group = group
        self._loading = threading.RLock()
        self._toolsets: dict[str, tuple[Toolset, str]] = {}
        self._rows: dict[tuple[str, str], tuple[MethodSpec, str]] = {}

    def _load(self) -> None:
        with self._loading:  # a second thread that asks meanwhile has to see them all
            if self._group is None:
                return
            group, self._group = self._group, None
            for entry in entry_points(group=group):
                owner = entry.dist.name if entry.dist else entry.value
                try:
                    toolset = entry.load()
                except ImportError as error:
                    logger.warning("toolset %r of %s cannot be loaded: %s", entry.name, owner, error)
                    continue
                self.add_toolset(toolset, owner=owner)

    def add_toolset(self, toolset: Toolset, *, owner: str) -> None:
        """Add a toolset and its rows; a key that is taken is refused, naming both owners."""
        self._load()
        folded = fold(toolset.key)
        if folded in self._toolsets:
            other = self._toolsets[folded][1]
            if other == owner:  # the same distribution, found twice on the path
                return
            raise MetannvisError(f"two packages register the toolset {toolset.key!r}: {other} and {owner}")
        self._toolsets[folded] = (toolset, owner)
        for spec in toolset.rows:
            self.add_method(spec, owner=owner)

    def add_method(self, spec: MethodSpec, *, owner: str) -> None:
        """Add one row to a toolset that is there."""
        toolset = self.toolset(spec.toolset)
        if not runs_in(toolset, spec):
            theirs, own = (" or ".join(map(repr, keys)) for keys in (as_frameworks(toolset.framework), spec.frameworks))
            raise InvalidArgumentError(
                f"method {spec.key!r}: toolset {toolset.key!r} runs models of {theirs}, not {own or 'of any framework'}"
            )
        place = (fold(toolset.key), fold(spec.key))
        if place in self._rows:
            raise MetannvisError(
                f"toolset {toolset.key!r} has {spec.key!r} twice, by {self._rows[place][1]} and {owner}"
            )
        self._rows[place] = (spec, owner)

    def remove_method(self, toolset: str, key: str) -> None:
        """Take a method out again."""
        del self._rows[(fold(toolset), fold(key))]

    def toolset(self, key: str) -> Toolset:
        """Toolset by key; case, ``-`` and ``_`` do not count.

        Raises
        ------
        UnknownToolsetError
            There is none; the message lists those there are.
        """
        self._load()
        if not isinstance(key, str):
            raise InvalidArgumentError(f"a toolset is named by a string, not {type(key).__name__}")
        if fold(key) in self._toolsets:
            return self._toolsets[fold(key)][0]
        keys = [toolset.key for toolset in self.toolsets()]
        close = near_misses(key, keys)
        meant = f" Did you mean {close[0]!r}?" if close else ""
        raise UnknownToolsetError(f"unknown toolset {key!r}.{meant} There are: {', '.join(keys) or 'none'}")

    def toolsets(self) -> tuple[Toolset, ...]:
        """Every toolset."""
        self._load()
        return tuple(toolset for toolset, _ in self._toolsets.values())

    def methods(self) -> tuple[MethodSpec, ...]:
        """Every row, toolset by toolset, in the order in which they were registered."""
        self._load()
        return tuple(spec for spec, _ in self._rows.values())


#: The registry that :func:`metannvis_methods.explain` and the others look into.
registry = Registry()


def list_methods(
    *,
    toolset: str | None = None,
    framework: str | None = None,
    kind: str | None = None,
    family: str | None = None,
) -> tuple[MethodSpec, ...]:
    """Methods there are, narrowed down by any of the arguments. Loads no framework.

    Parameters
    ----------
    toolset, kind, family
        As in the row.
    framework
        Those that run on models of this framework without a translation, so those that need predictions only are
        among them.

    Returns
    -------
    tuple of MethodSpec

    Raises
    ------
    UnknownToolsetError
        There is no such toolset.
    InvalidArgumentError
        There is no such kind.
    """
    if kind is not None and kind not in KINDS:
        raise InvalidArgumentError(f"unknown kind {kind!r}; there are {', '.join(KINDS)}")
    wanted: dict[str, Any] = {"kind": kind, "family": family}
    if toolset is not None:
        wanted["toolset"] = registry.toolset(toolset).key
    return tuple(
        spec
        for spec in registry.methods()
        if (framework is None or spec.runs_on(framework))
        and all(value is None or getattr(spec, name) == value for name, value in wanted.items())
    )


def find_methods(key: str, toolset: str | None = None) -> tuple[MethodSpec, ...]:
    """Rows of that name, in one toolset or in all.

    Parameters
    ----------
    key
        Name of a method, such as ``"grad_cam"``; case, ``-`` and ``_`` do not count.
    toolset
        Where to look, such as ``"captum"``; everywhere without it.

    Returns
    -------
    tuple of MethodSpec
        One or more.

    Raises
    ------
    UnknownMethodError, UnknownToolsetError
        There is none; the message lists close ones.
    """
    from metannvis_methods.registry.select import candidates

    return candidates(key, registry.methods(), toolset=None if toolset is None else registry.toolset(toolset).key)


def describe_method(key: str, toolset: str | None = None) -> str:
    """What a method is, what it takes, its paper and its caveats, as text.

    :meth:`MethodSpec.to_dict` of a row of :func:`find_methods` is the same for machines.

    Parameters
    ----------
    key, toolset
        As for :func:`find_methods`; without a toolset every row of that name is described.

    Returns
    -------
    str
        Lines, without colours.

    Raises
    ------
    UnknownMethodError, UnknownToolsetError
        There is none; the message lists close ones.
    """
    return "\n\n".join(str(spec) for spec in find_methods(key, toolset))


def register_method(spec: MethodSpec) -> MethodSpec:
    """Add a method to a toolset that is there, for this process.

    A package registers a whole toolset instead, through the entry-point group ``metannvis.toolsets``.

    Parameters
    ----------
    spec
        The row.

    Returns
    -------
    MethodSpec
        The row, so that the call can be used as an expression.

    Raises
    ------
    MetannvisError
        The toolset has a method of that name; the message names both owners.
    UnknownToolsetError
        There is no such toolset.
    """
    registry.add_method(spec, owner=str(spec.to_dict()["class"]))
    return spec


def unregister_method(spec: MethodSpec) -> None:
    """Take a method out again.

    Parameters
    ----------
    spec
        The row that :func:`register_method` added.
    """
    registry.remove_method(spec.toolset, spec.key)


def register_toolset(toolset: Toolset) -> Toolset:
    """Add a toolset for this process, as its entry point would.

    Parameters
    ----------
    toolset
        An object with a key, a framework, rows and a runner.

    Returns
    -------
    Toolset
        The same.

    Raises
    ------
    MetannvisError
        There is one of that key; the message names both owners.
    """
    registry.add_toolset(toolset, owner=type(toolset).__module__)
    return toolset
