"""Runs of a call: each request for each input, with one open model, each failing alone."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from metannvis_cli.errors import Failure, message_of
from metannvis_cli.file_names import distinct
from metannvis_cli.input_files import InputSet
from metannvis_cli.options.outputs import SUFFIXES, OutputOptions
from metannvis_cli.outputs import check_paths, in_folders, is_folder, write
from metannvis_cli.progress import Console
from metannvis_cli.requests import Request

__all__ = ["Outcome", "Plan", "fail_if_some_failed", "planned", "run"]

#: Kinds of figures that hold several results.
TOGETHER = ("grid", "comparison")


@dataclass(frozen=True)
class Job:
    """One request for one input, and the files that its result goes to."""

    inputs: InputSet
    request: Request
    output: OutputOptions

    @property
    def shown(self) -> str:
        """What people are told."""
        return ", ".join(filter(None, [self.inputs.shown, self.request.shown]))


@dataclass(frozen=True)
class Plan:
    """What is run, in order, and the files that hold several results.

    Attributes
    ----------
    jobs
        Those of an input stand one after the other.
    of_input
        Figures of all results of an input, by its name.
    of_all
        Pages of all results.
    """

    jobs: tuple[Job, ...]
    of_input: Mapping[str, OutputOptions] = field(default_factory=dict)
    of_all: OutputOptions = field(default_factory=OutputOptions)


@dataclass(frozen=True)
class Outcome:
    """What became of a job: a result and the files that hold it, or an error."""

    job: Job
    result: Any = None
    files: tuple[Any, ...] = ()
    error: str | None = None


def planned(sets: Sequence[InputSet], asked: Sequence[Request], output: OutputOptions, kinds: Sequence[str]) -> Plan:
    """Every request for every input, and what its files are called.

    Raises
    ------
    click.BadParameter, InvalidArgumentError, WriteError
        A file could not be written, see :func:`metannvis_cli.outputs.check_paths`.
    """
    pairs = [(inputs, request) for inputs in sets for request in asked]
    if len(pairs) == 1:
        output = in_folders(output, asked[0].method)
        check_paths(output, kinds)
        return Plan((Job(sets[0], asked[0], output),))
    together = output.kind in TOGETHER and len(asked) > 1
    shared = [*SUFFIXES["page"], *(SUFFIXES["figure"] if together else ())]
    alone = _of_endings(output, [suffix for kind in kinds for suffix in SUFFIXES[kind] if suffix not in shared])
    names = distinct(["-".join(filter(None, [inputs.name, *request.parts(asked)])) for inputs, request in pairs])
    full = distinct(["-".join(filter(None, [inputs.name, *_said(request, asked)])) for inputs, request in pairs])
    jobs = [
        Job(inputs, request, _called(alone, name, in_folder))
        for (inputs, request), name, in_folder in zip(pairs, names, full, strict=True)
    ]
    of_all = _of_endings(output, SUFFIXES["page"])
    plan = Plan(
        tuple(jobs),
        _of_inputs(sets, output) if together else {},
        in_folders(of_all, "report") if any(map(is_folder, of_all.paths)) else of_all,
    )
    for one in (*(job.output for job in plan.jobs), *plan.of_input.values(), plan.of_all):
        check_paths(one, kinds)
    return plan


def _of_endings(output: OutputOptions, wanted: Sequence[str]) -> OutputOptions:
    """The paths of some endings; folders stay if files in them have such."""
    formats = tuple(ending for ending in output.formats if f".{ending}" in wanted)
    paths = tuple(path for path in output.paths if (formats if is_folder(path) else path.suffix.lower() in wanted))
    return dataclasses.replace(output, paths=paths, formats=formats)


def _said(request: Request, beside: Sequence[Request]) -> list[str]:
    """Parts of the name of a file in a folder: the method, and the toolset if it tells requests apart, layer, target."""
    toolset = [request.toolset] if request.toolset in request.parts(beside) and request.toolset else []
    return [request.method, *toolset, *filter(None, [request.layer, request.aim])]


def _called(output: OutputOptions, name: str, in_folder: str) -> OutputOptions:
    """The files of one of several results."""
    files = tuple(
        path if is_folder(path) else path.with_name(f"{path.stem}-{name}{path.suffix}") for path in output.paths
    )
    return in_folders(dataclasses.replace(output, paths=files), in_folder)


def _of_inputs(sets: Sequence[InputSet], output: OutputOptions) -> dict[str, OutputOptions]:
    """The figures of all results of each input."""
    figures = _of_endings(output, SUFFIXES["figure"])
    names = distinct([inputs.name for inputs in sets])
    if len(sets) == 1:
        return {sets[0].name: in_folders(figures, output.kind or "")}
    return {
        inputs.name: _called(figures, name, f"{name}-{output.kind}") for inputs, name in zip(sets, names, strict=True)
    }


def run(
    plan: Plan,
    prepare: Callable[[InputSet], Callable[[Request], Any]],
    console: Console,
    tell: Callable[[Outcome], None],
) -> list[Outcome]:
    """Run a plan and write its files.

    Parameters
    ----------
    plan
        See :func:`planned`.
    prepare
        Reads an input; what it returns explains it by a request. Predictions are shared among the requests of an input.
    console
        Told the progress, and errors as they come.
    tell
        Called with each outcome that is no error.

    Raises
    ------
    Exception
        The error of the only job, if there is one job.
    """
    from metannvis_methods.running.sharing import sharing

    outcomes: list[Outcome] = []
    kept: dict[str, Any] = {}
    names: tuple[str, ...] = ()
    for inputs, jobs in _by_input(plan):
        first = len(outcomes)
        with sharing():
            explain: Callable[[Request], Any] | None = None
            for job in jobs:
                console.begin(f"{len(outcomes) + 1} of {len(plan.jobs)}" if len(plan.jobs) > 1 else "")
                try:
                    explain = explain or prepare(inputs)
                    result = explain(job.request)
                    written = _written(result, job, inputs.options.names)
                except Exception as error:
                    if len(plan.jobs) == 1 or console.debug:
                        raise
                    outcomes.append(Outcome(job, error=message_of(error)))
                    console.error(f"error: {job.shown}: {outcomes[-1].error}")
                    continue
                outcomes.append(Outcome(job, result))
                for one in written:
                    tell(one)
        done = _headed(outcomes[first:])
        if inputs.name in plan.of_input and done:
            write(done, plan.of_input[inputs.name], inputs.options.names)
        if plan.of_all.paths:
            kept |= done
            names = inputs.options.names
        outcomes[first:] = [dataclasses.replace(one, result=None) for one in outcomes[first:]]
    console.begin("")
    if kept:
        write(kept, plan.of_all, names if len({job.inputs.name for job in plan.jobs}) == 1 else ())
    return outcomes


def _written(result: Any, job: Job, names: Sequence[str]) -> list[Outcome]:
    """The result in its files; of one for each of several classes, which a method may give, each in its own."""
    if not isinstance(result, dict):
        write(result, job.output, names)
        return [Outcome(job, result, tuple(job.output.paths))]
    outputs = {name: _called(job.output, str(name), str(name)) for name in result}
    for name, one in result.items():
        write(one, outputs[name], names)
    return [Outcome(job, one, tuple(outputs[name].paths)) for name, one in result.items()]


def _headed(outcomes: Sequence[Outcome]) -> dict[str, Any]:
    """Results by what people are told that they are."""
    found: dict[str, Any] = {}
    for outcome in outcomes:
        if outcome.error is None:
            several = outcome.result if isinstance(outcome.result, dict) else {"": outcome.result}
            found |= {f"{outcome.job.shown}{f', {name}' if name else ''}": one for name, one in several.items()}
    return found


def _by_input(plan: Plan) -> Iterator[tuple[InputSet, list[Job]]]:
    found: dict[str, list[Job]] = {}
    for job in plan.jobs:
        found.setdefault(job.inputs.name, []).append(job)
    for jobs in found.values():
        yield jobs[0].inputs, jobs


def fail_if_some_failed(outcomes: Sequence[Outcome]) -> None:
    """End with exit code 1 where a job failed.

    Raises
    ------
    Failure
        Some did; each was told when it did.
    """
    failed = sum(outcome.error is not None for outcome in outcomes)
    if failed:
        raise Failure(f"{failed} of {len(outcomes)} failed, see above")
