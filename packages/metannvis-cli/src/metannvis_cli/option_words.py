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
    "uncertainty": "--uncertainty",
    "along": "--along",
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
    "engine": "--engine",
}
_OPTIONS = {**{name: option.split(" and ")[0].split(",")[0] for name, option in WORDS.items()}, **_OTHERS}
_NAMES = "|".join(sorted(_OPTIONS, key=len, reverse=True))
#: ``layer=…``, ``device='cuda:5'``, ``trust=True``; not the options of a toolkit, such as ``n_steps=…``, nor ``-o layer=``.
_ASSIGNED = re.compile(rf"(?<![\w.'\"-])({_NAMES})=(…|'[^']*'|\"[^\"]*\"|True\b|False\b|[\w.]*\w)?")
#: ``'baselines'`` of ``takes no 'baselines'``; other words in quotes may be names of the caller's.
_QUOTED = re.compile(rf"(?<=takes no )'({_NAMES})'")
#: ``inputs, target`` of ``it takes: inputs, target`` and of ``needs inputs``.
_LISTED = re.compile(r"(?<=it takes: )[\w, ]+|(?<= needs )[\w, ]+")
#: What a row of a method's table says that it needs: ``occlusion of captum needs sliding_window_shapes``.
_NEEDED = re.compile(r"^(\w\S* of [\w-]+ needs) (\w+(?:, \w+)*)$")
#: Words that are none of English.
_PLAIN = re.compile(r"(?<![\w.'\"-])(value_range|batch_size|feature_mask|example_inputs|baselines)(?![\w=('-])")
#: The word that a message begins with, as ``deadline is a number of seconds``.
_FIRST = re.compile(rf"^({_NAMES})(?=:? (?:is|are|takes|has|holds|say|says|names|and|stands)\b|:)")
#: How a limit is raised in Python, which says how it is here.
_RAISED = re.compile(r"with metannvis_translate\.limits\(\w+=…\): … \(--limit (\w+)=…\)")
#: Calls that are commands here.
_CALLS = {
    r"list_layers\(model\)|list_layers\(\)": "`metannvis layers MODEL`",
    r"describe_method\([^()]*\)": "`metannvis describe METHOD`",
    r"(?:list|find)_methods\([^()]*\)": "`metannvis methods`",
    r"\bexplain_many\b": "`metannvis explain`",
    r"\bverify=False\b": "--no-verify",
    r"tolerance=Tolerance\(\.\.\.\)": "--tolerance",
    r"\bgive a list$": "give --target once a sample",
    # a message that has both words has Python's in front
    r"\btrust=True \(--trust\)": "--trust",
}
#: The target of a message that says which, as ``target 12 is out of range``.
_TARGET = re.compile(r"^target (?=-?\d|\()")


def in_options(text: str) -> str:
    """A message of a library in the words of the command line."""
    text = _RAISED.sub(r"--limit \1=NUMBER", text)
    for call, command in _CALLS.items():
        text = re.sub(call, command, text)
    text = _TARGET.sub("--target ", text)
    text = _FIRST.sub(lambda found: _OPTIONS[found[1]], text)
    text = _ASSIGNED.sub(_assigned, text)
    text = _QUOTED.sub(lambda found: _OPTIONS[found[1]], text)
    text = _NEEDED.sub(lambda found: f"{found[1]} {', '.join(map(_typed, found[2].split(', ')))}", text)
    text = _LISTED.sub(lambda found: ", ".join(_OPTIONS.get(name, name) for name in found[0].split(", ")), text)
    return _PLAIN.sub(lambda found: _OPTIONS[found[1]], text)


def _typed(name: str) -> str:
    """How an argument is given: by an option of its own, else by ``--option``."""
    return _OPTIONS.get(name, f"-o {name}=VALUE")


def _assigned(found: re.Match[str]) -> str:
    option, value = _OPTIONS[found[1]], (found[2] or "").strip("'\"")
    return option if value in ("", "…", "True") else f"{option} {value}"
