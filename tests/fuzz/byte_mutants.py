"""Bytes of a file, changed at random places: cut off, flipped, overwritten, moved, repeated."""

from __future__ import annotations

import random

__all__ = ["mutate"]

WORDS = (
    b"\0",
    b"\xff",
    b"\xff" * 4,
    b"\xff" * 8,
    b"\0" * 8,
    b"\x7f\xff\xff\xff",
    b"-1",
    b"99999999999999",
    b"[" * 64,
    b"PK\x01\x02",
)


def mutate(content: bytes, draw: random.Random) -> bytes:
    """One to four changes."""
    data = bytearray(content)
    for _ in range(draw.choice((1, 1, 2, 4))):
        if not data:
            break
        at = draw.randrange(len(data))
        match draw.randrange(8):
            case 0:
                del data[at:]
            case 1:
                data[at] ^= 1 << draw.randrange(8)
            case 2:
                data[at] = draw.randrange(256)
            case 3:
                word = draw.choice(WORDS)
                data[at : at + len(word)] = word
            case 4:
                data[at:at] = draw.choice(WORDS)
            case 5:
                del data[at : at + draw.choice((1, 4, 100))]
            case 6:
                data += data[at : at + 200]
            case 7:
                other = draw.randrange(len(data))
                data[at : at + 16] = data[other : other + 16]
    return bytes(data)
