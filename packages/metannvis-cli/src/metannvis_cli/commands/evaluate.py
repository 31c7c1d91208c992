"""Measurement of explanations, and the experiments: ``metannvis evaluate``."""

from __future__ import annotations

import difflib
from pathlib import Path
from typing import Any

import click

from metannvis_cli import experiments
from metannvis_cli.options.baseline import baseline_of, baseline_option, check_baseline
from metannvis_cli.options.check import CheckOptions, check_options
from metannvis_cli.options.command import json_option, work
from metannvis_cli.options.examples import example
from metannvis_cli.options.inputs import InputOptions, input_options
from metannvis_cli.options.method import method_names_option, method_option, target_options
from metannvis_cli.options.metrics import MetricOptions, metric_options
from metannvis_cli.options.model import ModelOptions, model_argument, model_options
from metannvis_cli.options.outputs import OutputOptions, output_options
from metannvis_cli.options.run import RunOptions, as_run, batch_size_option, layers_option, seed_option, toolsets_option
from metannvis_cli.options.vocabulary import VocabularyOptions, vocabulary_options
from metannvis_cli.progress import Console
from metannvis_cli.tables import echo_json, echo_table

KINDS = ("figure", "page", "result", "table")


class ModelOrExperiment(click.Command):
    """A command whose first word may be an experiment, which is a command of its own; a model of that name is ``./NAME``."""

    def make_context(
        self, info_name: str | None, args: list[str], parent: click.Context | None = None, **extra: Any
    ) -> click.Context:
        """That of the experiment if its name comes first."""
        known = experiments.names()
        if args and args[0] in known:
            command = experiments.experiment(args[0])
            return command.make_context(f"{info_name} {args[0]}", args[1:], parent, **extra)
        if args and not args[0].startswith("-") and not Path(args[0]).exists() and not Path(args[0]).suffix:
            close = difflib.get_close_matches(args[0], known, n=1)
            if close:
                context = click.Context(self, info_name=info_name, parent=parent)
                raise click.UsageError(
                    f"{args[0]!r} is neither a model file nor an experiment. Did you mean {close[0]!r}?", context
                )
        return super().make_context(info_name, args, parent, **extra)

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The experiments, then the example."""
        if names := experiments.names():
            with formatter.section("Experiments, in the stead of a model"):
                formatter.write_dl([(name, experiments.experiment(name).get_short_help_str(60)) for name in names])
        super().format_epilog(ctx, formatter)


@click.command(
    "evaluate",
    cls=ModelOrExperiment,
    epilog=example(
        "metannvis evaluate net.pt2 -m saliency -m grad_cam --toolset captum \\",
        "    --layer conv2 --input digit.npy --target 3 \\",
        "    --metric deletion --metric sparseness --output scores.csv",
    ),
)
@model_argument
@method_names_option("Key of a method; `metannvis methods` lists them. May be given several times.")
@toolsets_option()
@metric_options
@input_options
@target_options
@layers_option("as `metannvis layers` lists them, or auto; several: each.")
@baseline_option
@vocabulary_options()
@seed_option("Of all random numbers.", default=0)
@batch_size_option()
@method_option
@output_options(*KINDS)
@check_options
@model_options
@json_option
@work
@as_run
def command(
    path: Path,
    run: RunOptions,
    metrics: MetricOptions,
    inputs: InputOptions,
    vocabulary: VocabularyOptions,
    output: OutputOptions,
    check: CheckOptions,
    model: ModelOptions,
    as_json: bool,
    console: Console,
) -> None:
    """Measure how good explanations of MODEL are, by any metrics: a table of methods and metrics.

    Every method explains the inputs, and every metric gives each of them a score; what fails is told, and the rest goes on.
    Files of endings .csv (a line a score), .npz, .png and .html are written with --output.
    """
    from functools import partial

    from metannvis_methods import evaluate

    from metannvis_cli.errors import Failure, wrong_usage
    from metannvis_cli.inputs import check_files, check_request
    from metannvis_cli.models import open_model
    from metannvis_cli.outputs import check_output, check_paths, in_folders, write
    from metannvis_cli.requests import one_a_sample, requests
    from metannvis_cli.targets import read_aims, read_labels

    with wrong_usage():
        output = in_folders(output, "evaluation")
        check_output(output, KINDS)
        check_files(inputs)
        names = read_labels(run.labels)
        measured = metrics.words()
        said = vocabulary.words()
        deadline = said.pop("deadline", None)
        words = {"labels": names, "baselines": check_baseline(run.baseline), "batch_size": run.batch_size, **said}
        aims = one_a_sample(read_aims(run.targets, names, vocabulary))
        asked = requests(run, aims, words, partial(check_request, inputs=inputs), console.note)
    check_paths(output, KINDS)
    opened = open_model(path, model, console, shape=inputs.shape)
    given = opened.explained(inputs, console)
    methods_by_name = {}
    for request in asked:
        own = {name: value for name, value in request.words.items() if value is not None}
        if "baselines" in own:
            own["baselines"] = baseline_of(run.baseline, opened, request.layer is not None, inputs, console)
        if request.toolset is not None:
            own["toolset"] = request.toolset
        methods_by_name[request.shown] = {**own, **given.words, "method": request.method}
    found = evaluate(
        opened.model,
        methods_by_name,
        **{name: value for name, value in given.words.items() if name == "inputs"},
        **measured,
        target=aims[0].target if aims else None,
        labels=names,
        seed=run.seed,
        batch_size=run.batch_size,
        device=said.get("device"),
        deadline=deadline,
        translation=check.of_translate or None,
        progress=console.progress,
    )
    write(found, output, given.names)
    console.clear()
    if as_json:
        echo_json({**found.to_dict(), "files": [str(file) for file in output.paths]})
    else:
        header, cells = found.table()
        echo_table(header, cells)
        for row in found.rank() if len(found.methods) > 1 else ():
            click.echo(f"rank {row['rank']:.2f} ± {row['spread']:.2f}  {row['method']}")
        for note in found.notes:
            click.echo(note)
        for file in output.paths:
            click.echo(f"wrote {file}")
    for (method, metric), message in found.errors.items():
        console.error(f"error: {', '.join(filter(None, [metric, method]))}: {message}")
    if found.errors:
        raise Failure(f"{len(found.errors)} of {len(found.methods) * (1 + len(found.metrics))} failed, see above")
