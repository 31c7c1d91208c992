"""Readers of files that others made: bounded, unambiguous, and without running anything."""

from __future__ import annotations

from metannvis_translate.reading.array_files import read_npy, read_npz
from metannvis_translate.reading.text_files import parse_json, read_text

__all__ = ["parse_json", "read_npy", "read_npz", "read_text"]
