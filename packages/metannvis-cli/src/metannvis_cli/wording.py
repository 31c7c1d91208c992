"""Wording of the messages of readers: the command line's options."""

from __future__ import annotations

from metannvis_methods.inputs.wording import Wording

__all__ = ["WORDING"]

WORDING = Wording(name_files="Say --input NAME=FILE", scale="--preprocess {}", records="or a .json file that holds one")
