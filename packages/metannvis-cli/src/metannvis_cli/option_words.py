"""Words of the command line in place of Python's: ``--layer`` where a library says ``layer=``."""

from __future__ import annotations

import re

__all__ = ["WORDS", "in_options"]

#: Words of ``metannvis_methods.explain`` that have an option of their own.
WORDS = {
    "inputs": "--input",
    "target": "--target",
    "labels": "--labels",
    "layer": "--layer",
    "neuron": "--neuron",
    "baselines": "--baseline",
    "toolset": "--toolset",
    "seed": "--seed",
    "batch_size": "--batch-size",
    "output": "--model-output",
    "reshape": "--reshape",
    "feature_mask": "--feature-mask",
    "data": "--data",
    "value_range": "--value-range",
    "preprocess": "--preprocess",
    "device": "--device",
    "autocast": "--autocast",
    "noise": "--noise",
    "unfit": "--unfit",
    "deadline": "--deadline",
    "logits": "--logits",
    "translation": "--no-verify and others",
    "progress": "--quiet",
    "options": "--option, once for each",
}
#: Arguments of other functions that have one.
_OTHERS = {
    "example_inputs": "--input or --input-shape",
    "dummy_input": "--input or --input-shape",
    "architecture": "--architecture",
    "overwrite": "--overwrite",
    "tolerance": "--tolerance",
    "trust": "--trust",
    "method": "--method",
    "free_axes": "--free-axes",
}
_OPTIONS = {**{name: option.split(" and ")[0].split(",")[0] for name, option in WORDS.items()}, **_OTHERS}
_NAMES = "|".join(sorted(_OPTIONS, key=len, reverse=True))
#: ``layer=…``, ``device='cuda:5'``, ``trust=True``; not the options of a toolkit, such as ``n_steps=…``, nor ``-o layer=``.
_ASSIGNED = re.compile(rf"(?<![\w.'\"-])({_NAMES})=(…|'[^']*'|\"[^\"]*\"|True\b|False\b|[\w.]+)?")
#: ``'baselines'`` of ``takes no 'baselines'``; other words in quotes may be names of the caller's.
_QUOTED = re.compile(rf"(?<=takes no )'({_NAMES})'")
#: ``inputs, target`` of ``it takes: inputs, target`` and of ``needs inputs``.
_LISTED = re.compile(r"(?<=it takes: )[\w, ]+|(?<= needs )[\w, ]+")
#: Words that are none of English.
_PLAIN = re.compile(r"(?<![\w.'\"-])(value_range|batch_size|feature_mask|example_inputs|baselines)(?![\w=('-])")
#: The word that a message begins with, as ``deadline is a number of seconds``.
_FIRST = re.compile(rf"^({_NAMES})(?=:? (?:is|are|takes|has|say|says|names|and|stands)\b|:)")
#: Calls that are commands here.
_CALLS = {
    r"list_layers\(model\)|list_layers\(\)": "`metannvis layers MODEL`",
    r"describe_method\([^()]*\)": "`metannvis describe METHOD`",
    r"(?:list|find)_methods\([^()]*\)": "`metannvis methods`",
    r"\bexplain_many\b": "`metannvis explain`",
}


def in_options(text: str) -> str:
    """A message of a library in the words of the command line."""
    for call, command in _CALLS.items():
        text = re.sub(call, command, text)
    text = _FIRST.sub(lambda found: _OPTIONS[found[1]], text)
    text = _ASSIGNED.sub(_assigned, text)
    text = _QUOTED.sub(lambda found: _OPTIONS[found[1]], text)
    text = _LISTED.sub(lambda found: ", ".join(_OPTIONS.get(name, name) for name in found[0].split(", ")), text)
    return _PLAIN.sub(lambda found: _OPTIONS[found[1]], text)


def _assigned(found: re.Match[str]) -> str:
    option, value = _OPTIONS[found[1]], (found[2] or "").strip("'\"")
    return option if value in ("", "…", "True") else f"{option} {value}"
