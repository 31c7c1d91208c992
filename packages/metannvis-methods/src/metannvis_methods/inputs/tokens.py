"""Tokens: texts and ids of words from files, by a vocabulary."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from metannvis_translate.errors import InvalidArgumentError
from metannvis_translate.reading import parse_json, read_text

from metannvis_methods.extras import require_extra
from metannvis_methods.inputs.wording import ARGUMENTS, Wording

__all__ = ["SUFFIXES", "Vocabulary", "read_tokens", "read_vocabulary"]

Array = np.ndarray[Any, Any]
SUFFIXES = (".txt", ".ids")
#: Names of the token that fills up what is too short, and of the one for words that there are not.
PADS = ("[PAD]", "<pad>", "<PAD>", "")
UNKNOWNS = ("[UNK]", "<unk>", "<UNK>")


@dataclass(frozen=True)
class Vocabulary:
    """Words and their ids.

    Attributes
    ----------
    ids
        By the words.
    tokenizer
        File of a tokenizer that splits texts; ``None``: they are split at white space.
    """

    ids: Mapping[str, int]
    tokenizer: Path | None = None

    def words(self, ids: Sequence[int]) -> tuple[str, ...]:
        """The words of ids; ``#7`` stands for an id that has none."""
        names = {number: word for word, number in self.ids.items()}
        return tuple(names.get(number, f"#{number}") for number in ids)

    def encoded(self, text: str, name: str) -> list[int]:
        """The ids of a text.

        Raises
        ------
        InvalidArgumentError
            A word has no id, and there is none for words that there are not.
        MissingFrameworkError
            The package ``tokenizers`` is needed and is not installed.
        """
        if self.tokenizer is not None:
            tokenizers = require_extra("tokenizers", "text", "the package tokenizers")
            return list(tokenizers.Tokenizer.from_file(str(self.tokenizer)).encode(text).ids)
        unknown = next((self.ids[word] for word in UNKNOWNS if word in self.ids), None)
        found = []
        for word in text.split():
            number = self.ids.get(word, self.ids.get(word.lower(), unknown))
            if number is None:
                raise InvalidArgumentError(
                    f"{name}: the word {word!r} has no id, and the list no {' or '.join(UNKNOWNS)}"
                )
            found.append(number)
        return found

    @property
    def pad(self) -> int | None:
        """Id of the token that fills up, if there is one."""
        return next((self.ids[word] for word in PADS if word in self.ids), None)


def read_vocabulary(path: Path) -> Vocabulary:
    """Words and ids from a file.

    Parameters
    ----------
    path
        A word a line, whose number, from 0, is its id; or, ending in ``.json``, an object from words to ids, a list of words,
        or a ``tokenizer.json`` as the package ``tokenizers`` writes it, which is needed for texts, not for ids.

    Raises
    ------
    InvalidArgumentError
        It is none of these.
    """
    text = read_text(path)
    if not text.strip():
        raise InvalidArgumentError(f"{path.name} is empty")
    if path.suffix.lower() != ".json":
        words = text.rstrip("\n").split("\n")
        return Vocabulary({word.rstrip("\r"): number for number, word in reversed(list(enumerate(words)))})
    found = parse_json(text, path.name)
    model = found.get("model") if isinstance(found, dict) else None
    if isinstance(model, dict) and "vocab" in model:
        vocabulary = model["vocab"]
        ids = (
            {str(row[0]): number for number, row in enumerate(vocabulary)}
            if isinstance(vocabulary, list)
            else dict(vocabulary)
        )
        ids |= {str(row["content"]): row["id"] for row in found.get("added_tokens", ())}
        return Vocabulary(_checked(ids, path), path)
    if isinstance(found, list):
        return Vocabulary(_checked({word: number for number, word in enumerate(found)}, path))
    return Vocabulary(_checked(found, path))


def _checked(ids: Any, path: Path) -> Mapping[str, int]:
    whole = isinstance(ids, dict) and all(isinstance(key, str) and type(value) is int for key, value in ids.items())
    if not whole or not ids:
        raise InvalidArgumentError(f"{path.name} holds no words with their ids")
    return dict(ids)


def read_tokens(
    path: Path, length: int | None, vocabulary: Vocabulary | None, *, wording: Wording = ARGUMENTS
) -> tuple[Array, tuple[tuple[str, ...], ...], str]:
    """The ids of a file's tokens, a line a sample.

    Parameters
    ----------
    path
        Whole numbers at white space, which are ids; else a text, which needs a vocabulary.
    length
        Number of tokens that the model takes; ``None``: any.
    vocabulary
        Words and ids.
    wording
        How messages name the vocabulary.

    Returns
    -------
    array
        Shape ``(lines, tokens)``, int64.
    words
        Those of each line's tokens; empty without a vocabulary.
    note
        What was filled up, empty if nothing.

    Raises
    ------
    InvalidArgumentError
        A text has no vocabulary; lines differ in length or are longer than the model takes, and there is no token to fill up.
    """
    lines = [line for line in read_text(path).splitlines() if line.strip()]
    if not lines:
        raise InvalidArgumentError(f"{path.name} is empty")
    are_ids = all(word.isdecimal() for line in lines for word in line.split())
    if are_ids:
        rows = [[int(word) for word in line.split()] for line in lines]
    elif vocabulary is None:
        raise InvalidArgumentError(f"{path.name} is a text: say which words have which ids, {wording.vocabulary}")
    else:
        rows = [vocabulary.encoded(line, path.name) for line in lines]
    longest = max(map(len, rows)) if length is None else length
    for number, row in enumerate(rows, 1):
        if len(row) > longest:
            raise InvalidArgumentError(
                f"{path.name}, line {number}, has {len(row)} tokens, and the model takes {longest}"
            )
    note = ""
    if any(len(row) < longest for row in rows):
        pad = vocabulary.pad if vocabulary is not None else None
        if pad is None:
            raise InvalidArgumentError(
                f"{path.name}: lines of {min(map(len, rows))} to {max(map(len, rows))} tokens, and {longest} are needed; the "
                f"words have none to fill up with ({', '.join(filter(None, PADS))})"
            )
        note = f"{path.name}: filled up to {longest} tokens with {pad}"
        rows = [[*row, *[pad] * (longest - len(row))] for row in rows]
    words = () if vocabulary is None else tuple(map(vocabulary.words, rows))
    return np.array(rows, np.int64), words, note
