"""Explanations of all inputs by all requests of ``metannvis explain``: one open model, files, and what is told."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from metannvis_cli.input_files import InputSet, input_sets
from metannvis_cli.options.baseline import baseline_of
from metannvis_cli.options.inputs import InputOptions
from metannvis_cli.options.model import ModelOptions
from metannvis_cli.options.outputs import OutputOptions
from metannvis_cli.progress import Console
from metannvis_cli.requests import Aim, Request
from metannvis_cli.runs import Outcome, Plan, Prepared, fail_if_some_failed, planned, run
from metannvis_cli.summary import as_dict, as_text, failed, with_file
from metannvis_cli.tables import echo_json

if TYPE_CHECKING:
    from metannvis_cli.models import Given, Opened

__all__ = ["Call", "checked_sets", "explain_all"]


@dataclass(frozen=True)
class Call:
    """A call of the command.

    Attributes
    ----------
    path, model
        The model's file, and how it is opened.
    sets, requests, aims
        What is explained, and how; several targets stand in the requests as one each a sample.
    baseline
        As it was typed.
    translation
        Options of a translation.
    output, kinds
        Files to write, and which kinds of them the command can write.
    more
        Further words for a request, that depend on the open model.
    """

    path: Path
    model: ModelOptions
    sets: Sequence[InputSet]
    requests: Sequence[Request]
    aims: Sequence[Aim]
    baseline: str | None
    translation: Mapping[str, Any] | None
    output: OutputOptions
    kinds: Sequence[str]
    more: Callable[[Opened, InputSet, Request], Mapping[str, Any]] = lambda opened, inputs, request: {}


def checked_sets(inputs: InputOptions, output: OutputOptions, console: Console) -> list[InputSet]:
    """The inputs of a call, whose files are there; each by itself if there are folders to write to.

    Raises
    ------
    click.BadParameter
        There is no file of a name.
    """
    from metannvis_cli.inputs import check_files
    from metannvis_cli.outputs import is_folder

    sets = input_sets(inputs, console, apart=any(map(is_folder, output.paths)))
    for one in sets:
        check_files(one.options)
    return sets


def explain_all(call: Call, console: Console, *, as_json: bool) -> None:
    """Run a call, write its files, and tell on stdout what was found.

    Raises
    ------
    Failure
        One of several explanations failed.
    """
    from metannvis_cli.models import open_model

    plan = planned(call.sets, call.requests, call.output, call.kinds)
    opened = open_model(call.path, call.model, console, shape=call.sets[0].options.shape)
    prepare = _Preparation(call, opened, console)
    if len(call.sets) == 1 and len(call.aims) > 1 and prepare.samples(call.sets[0]) != len(call.aims):
        plan = planned(call.sets, _each(call.requests, call.aims), call.output, call.kinds)
    told: list[dict[str, Any]] = []

    def tell(outcome: Outcome) -> None:
        console.clear()
        if as_json:
            told.append(as_dict(outcome.result, outcome.files, outcome.job.inputs.options.files, outcome.names))
            return
        text = as_text(outcome.result, outcome.files, outcome.job.inputs.shown)
        click.echo(f"\n{text}" if told else text)
        told.append({})

    outcomes = run(plan, prepare, console, tell)
    console.clear()
    _end(plan, outcomes, told, as_json=as_json)


def _end(plan: Plan, outcomes: Sequence[Outcome], told: list[dict[str, Any]], *, as_json: bool) -> None:
    """What is told when all is done."""
    shared = [*(path for output in plan.of_input.values() for path in output.paths), *plan.of_all.paths]
    if as_json:
        for entry in told if shared else ():
            entry["files"] += map(str, shared)
        told += [failed(one.job.request, one.job.inputs, one.error) for one in outcomes if one.error is not None]
        echo_json(told[0] if len(outcomes) == 1 else told)
    elif told and shared:
        click.echo("\n" + "\n".join(f"wrote {path}" for path in shared))
    fail_if_some_failed(outcomes)


def _each(requests: Sequence[Request], aims: Sequence[Aim]) -> list[Request]:
    """Requests for one target each, instead of one target a sample."""
    return [
        dataclasses.replace(request, words={**request.words, "target": aim.target}, aim=aim.text)
        for request in requests
        for aim in aims
    ]


class _Preparation:
    """Reads inputs for the open model, and explains them."""

    def __init__(self, call: Call, opened: Opened, console: Console) -> None:
        self.call, self.opened, self.console = call, opened, console
        self.baselines: dict[bool, Any] = {}
        self.read: dict[str, Given] = {}

    def samples(self, inputs: InputSet) -> int:
        """Number of samples of an input."""
        arrays = self.given(inputs).words["inputs"]
        arrays = getattr(arrays, "inputs", arrays)
        first = arrays[0] if isinstance(arrays, tuple) else arrays
        return 0 if first is None else len(first)

    def given(self, inputs: InputSet) -> Given:
        """What the model is given; the last is kept."""
        if inputs.name not in self.read:
            self.read = {inputs.name: self.opened.explained(inputs.options, self.console)}
        return self.read[inputs.name]

    def __call__(self, inputs: InputSet) -> Prepared:
        from metannvis_methods import explain

        given = self.given(inputs)

        def by(request: Request) -> Any:
            words = {
                "toolset": request.toolset,
                "translation": self.call.translation,
                "progress": self.console.progress,
                **request.words,
                **given.words,
                "baselines": self.baseline(request),
                **self.call.more(self.opened, inputs, request),
            }
            result = explain(self.opened.model, request.method, **words)
            return with_file(result, self.call.path)

        return Prepared(by, given.names)

    def baseline(self, request: Request) -> Any:
        """The baseline of a request: a file is read as it suits the layer or the input."""
        if request.words.get("baselines") is None:
            return None
        at_layer = request.layer is not None
        if at_layer not in self.baselines:
            options = self.call.sets[0].options
            self.baselines[at_layer] = baseline_of(self.call.baseline, self.opened, at_layer, options, self.console)
        return self.baselines[at_layer]
