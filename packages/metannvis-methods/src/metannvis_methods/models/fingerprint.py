"""Fingerprints: digests of what decides what a model computes."""

from __future__ import annotations

import functools
import hashlib
import operator
import types
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import suppress
from typing import Any, NamedTuple
from weakref import WeakKeyDictionary, ref

import numpy as np

from metannvis_methods.errors import InvalidArgumentError
from metannvis_methods.models.arrays import to_numpy

__all__ = ["NOTHING", "PLAIN", "digest", "folded", "plain_attributes"]

Array = np.ndarray[Any, Any]
#: Beside a text that says everything.
NOTHING = np.empty(0)
PLAIN = frozenset((type(None), bool, int, float, str))
FUNCTIONS = (types.FunctionType, types.MethodType)
#: Packages whose objects keep what they were made with: initializers, policies, constraints.
FRAMEWORKS = frozenset(("keras", "tensorflow", "torch"))
#: Bytes from which an array is folded.
LARGE = 1 << 16
#: Words in a row, a prime number, and rows that are folded at once: half a megabyte.
LANES, AT_ONCE = 1021, 64


def plain_attributes(
    owner: Any, known: dict[int, str], weights: Collection[int] = (), framework: Collection[str] = ()
) -> Iterator[tuple[str, Array]]:
    """What an object keeps of numbers, texts, functions and arrays beside its weights, for its fingerprint.

    ``forward`` may compute with any of it (``self.temperature``, ``self.options.alpha``). Names that begin with ``_`` are the
    framework's, as are those in ``framework``; ``weights`` are the identities of what is looked at by itself. ``known`` is what
    was told of objects that several layers hold (a network's options), by identity.
    """
    attributes = vars(owner)
    settled, others = _settled_text(owner, attributes, framework)
    found: list[Any] = []
    for name in others:
        value = attributes[name]
        if id(value) in weights:
            continue
        if hasattr(value, "dtype") and hasattr(value, "shape"):
            kind = type(value).__qualname__
            try:
                yield name, to_numpy(value)
            except (InvalidArgumentError, TypeError, AttributeError):  # complex numbers, symbolic tensors
                found += (name, f"{kind} {value.shape} {value.dtype}", "tensor")
        else:
            if id(value) not in known:
                known[id(value)] = _told(value)
            found += (name, known[id(value)], "told")
    yield f"{settled}{found}", NOTHING


class _Seen(NamedTuple):
    """What an object was seen to keep that says the same as long as the same values stand there.

    Functions and objects are held weakly: they may refer to the object that keeps them (``self.act = self._act``).
    """

    names: tuple[str, ...]
    get_plain: Callable[[Any], Any]
    plain: Any
    get_held: Callable[[Any], Any]
    held: list[ref[Any]]
    text: str
    others: list[str]

    def still(self, names: tuple[str, ...], attributes: Mapping[str, Any]) -> bool:
        return (
            self.names == names
            and all(map(operator.is_, self.get_plain(attributes), self.plain))
            and (not self.held or all(map(operator.is_, self.get_held(attributes), [held() for held in self.held])))
        )


_seen: WeakKeyDictionary[Any, _Seen] = WeakKeyDictionary()


def _settled_text(owner: Any, attributes: Mapping[str, Any], framework: Collection[str]) -> tuple[str, list[str]]:
    """The plain values and functions that an object keeps, as a text, and the names of what else it does.

    As long as the same values stand there the text is not made again: a model has thousands, and hardly one ever changes.
    """
    names = tuple(attributes)
    try:
        known = _seen.get(owner)
    except TypeError:  # what cannot be referred to weakly, or compared
        known = None
    if known is not None and known.still(names, attributes):
        return known.text, known.others
    own = [name for name in names if name[:1] != "_" and name not in framework]
    settled = [name for name in own if _is_settled(attributes[name])]
    text = repr([(name, _settled(attributes[name])) for name in settled])
    others = [name for name in own if name not in set(settled)]
    plain = [name for name in settled if _is_plain(attributes[name])]
    held = [name for name in settled if not _is_plain(attributes[name])]
    with suppress(TypeError):
        get_held = _getter(held)
        references = list(map(ref, get_held(attributes)))
        get = _getter(plain)
        _seen[owner] = _Seen(names, get, get(attributes), get_held, references, text, others)
    return text, others


def _getter(names: list[str]) -> Callable[[Any], Any]:
    """What gets the values of these names as a tuple."""
    return operator.itemgetter(*(names * 2 if len(names) == 1 else names)) if names else _nothing


def _nothing(attributes: Any) -> tuple[()]:
    return ()


def _is_settled(value: Any) -> bool:
    """Whether a value says the same as long as it is the same object."""
    kind: Any = type(value)
    if kind in FUNCTIONS or _is_plain(value):
        return True
    return _is_bare(kind) and kind.__module__.partition(".")[0] in FRAMEWORKS


def _is_plain(value: Any) -> bool:
    """Whether a value is a number, a text or a tuple of them, which refers to nothing else."""
    kind = type(value)
    return kind in PLAIN or (kind is tuple and all(type(item) in PLAIN for item in value))


def _settled(value: Any) -> Any:
    return (
        value
        if type(value) in PLAIN or type(value) is tuple
        else getattr(value, "__qualname__", type(value).__qualname__)
    )


@functools.lru_cache(maxsize=1 << 10)
def _is_bare(kind: Any) -> bool:
    """Whether objects of a class are no numbers, arrays or containers of them: options, initializers, policies, constraints."""
    holds = (list, tuple, Mapping, bool, int, float, complex, str, bytes, np.generic, type)
    known = any(hasattr(kind, name) for name in ("dtype", "shape", "__getattr__", "__slots__"))
    return not known and hasattr(kind, "__dict__") and "__dict__" in dir(kind) and not issubclass(kind, holds)


def _told(value: Any, depth: int = 3) -> str:
    """Plain values by their content, functions by their names, other objects by their class and what they keep."""
    if isinstance(value, FUNCTIONS):
        return value.__qualname__
    if type(value) in PLAIN or isinstance(value, (bool, int, float, complex, str, bytes, np.generic)):
        return repr(value)
    if depth and isinstance(value, (list, tuple)):
        return f"[{', '.join(_told(item, depth - 1) for item in value)}]"
    if depth and isinstance(value, Mapping):
        return f"{{{', '.join(f'{key!r}: {_told(item, depth - 1)}' for key, item in value.items())}}}"
    if hasattr(value, "dtype") and hasattr(value, "shape"):
        try:
            return hashlib.sha1(np.ascontiguousarray(to_numpy(value)).tobytes(), usedforsecurity=False).hexdigest()
        except (InvalidArgumentError, TypeError, AttributeError):
            return type(value).__qualname__
    kind: Any = type(value)
    said = str(getattr(value, "__qualname__", None) or kind.__qualname__)
    if depth and _is_bare(kind) and kind.__module__.partition(".")[0] not in FRAMEWORKS:
        return f"{said}({_told(vars(value), depth - 1)})"
    return said


def digest(parts: Iterator[tuple[str, Array]]) -> str:
    """SHA-1 over the names and the :func:`folded` content of arrays; small ones are folded as one."""
    texts: list[str] = []
    small: list[bytes] = []
    sums: list[Any] = []
    for name, array in parts:
        if array is NOTHING:
            texts.append(name)
            continue
        texts.append(f"{name}|{array.dtype.str}|{array.shape}")
        if array.nbytes >= LARGE:
            sums += folded(np.ascontiguousarray(array).reshape(-1).view(np.uint8))
        elif array.size:
            small.append(array.tobytes())
    sums += folded(np.frombuffer(b"".join(small), np.uint8))
    return hashlib.sha1(b"".join(["|".join(texts).encode(), *sums]), usedforsecurity=False).hexdigest()


def folded(memory: Array) -> Iterator[Array]:
    """Checksums of memory that differ when what is in it does: SHA-1 would be the larger part of a call on a large model.

    Words of 8 bytes lie in rows of a prime number of lanes. Each row is summed, and each lane is folded by exclusive or: one
    word that is another changes both, and changes of several would have to cancel along rows and lanes at once. Whatever is
    done to a stretch of weights, or to every so many of them, moves over all lanes, since their number is prime.
    """
    words = memory[: memory.size // 8 * 8].view(np.uint64)
    count = words.size // LANES
    rows = words[: count * LANES].reshape(count, LANES)
    lanes, sums = np.zeros(LANES, np.uint64), np.empty(count, np.uint64)
    for start in range(0, count, AT_ONCE):  # what is summed is folded before it leaves the processor's cache
        piece = rows[start : start + AT_ONCE]
        np.add.reduce(piece, axis=1, out=sums[start : start + AT_ONCE])
        np.bitwise_xor(lanes, np.bitwise_xor.reduce(piece, axis=0), out=lanes)
    yield from (lanes, sums, memory[count * LANES * 8 :])
