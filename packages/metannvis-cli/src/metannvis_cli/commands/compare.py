"""Comparison of a method across toolsets: ``metannvis compare``."""

from __future__ import annotations

from pathlib import Path

import click

from metannvis_cli.options import completion
from metannvis_cli.options.baseline import baseline_of, baseline_option, check_baseline
from metannvis_cli.options.check import CheckOptions, check_options
from metannvis_cli.options.command import json_option, work
from metannvis_cli.options.examples import example
from metannvis_cli.options.inputs import InputOptions, input_options
from metannvis_cli.options.method import folded, method_name_option, method_option, scoped_options, target_options
from metannvis_cli.options.model import ModelOptions, model_argument, model_options
from metannvis_cli.options.outputs import OutputOptions, output_options
from metannvis_cli.options.run import RunOptions, as_run, batch_size_option, seed_option, toolsets_option
from metannvis_cli.options.vocabulary import VocabularyOptions, vocabulary_options
from metannvis_cli.progress import Console
from metannvis_cli.tables import echo_json

KINDS = ("figure", "page")


@click.command(
    "compare",
    epilog=example(
        "metannvis compare net.pt2 --method saliency --input digit.npy --target 3 \\", "    --output compare.png"
    ),
)
@model_argument
@method_name_option("Key of a method that several toolsets have.")
@toolsets_option("Two or more; default: every one that has the method.")
@input_options
@target_options
@click.option(
    "--layer",
    "-l",
    shell_complete=completion.layers,
    help="Name of a layer of this model; default: the last convolution.",
)
@baseline_option
@vocabulary_options()
@click.option("--no-align", is_flag=True, help="Leave each toolkit its own defaults.")
@click.option("--signed", is_flag=True, help="Keep signs, instead of absolute values and positive parts.")
@click.option("--expand", is_flag=True, help="A layer's maps as large as the input.")
@seed_option("Makes random methods repeatable.")
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
    method: str,
    run: RunOptions,
    inputs: InputOptions,
    layer: str | None,
    vocabulary: VocabularyOptions,
    no_align: bool,
    signed: bool,
    expand: bool,
    output: OutputOptions,
    check: CheckOptions,
    model: ModelOptions,
    as_json: bool,
    console: Console,
) -> None:
    """Run a method of several toolsets on one input, and say how far the results are apart.

    -o NAME=VALUE goes to every toolset, -o TOOLSET:NAME=VALUE to one.
    """
    from metannvis_methods import compare, find_methods
    from metannvis_methods.compare import compared_rows

    from metannvis_cli.errors import wrong_usage
    from metannvis_cli.inputs import check_files, check_request
    from metannvis_cli.models import open_model
    from metannvis_cli.outputs import check_output, check_paths, in_folders, write
    from metannvis_cli.summary import as_dict, with_file
    from metannvis_cli.targets import read_labels, read_targets

    with wrong_usage():
        output = in_folders(output, method)
        check_output(output, KINDS)
        rows = compared_rows(method, run.toolsets or None, align=not no_align)
        keys = {folded(row.toolset): row.key for row in rows}
        having = sorted({row.toolset for row in rows})
        everyone, own = scoped_options(run.options, (), run.toolsets or having)
        check_files(inputs)
        names = read_labels(run.labels)
        target = vocabulary.aimed(read_targets(run.targets, names))
        known = {
            "target": target,
            "labels": names,
            "seed": run.seed,
            "batch_size": run.batch_size,
            **vocabulary.words(),
        }
        for toolset in run.toolsets or having:
            options_there = {**everyone, **own.get(folded(toolset), {})}
            there = {"layer": layer, "baselines": check_baseline(run.baseline), "options": options_there}
            check_request(keys[folded(toolset)], inputs, toolset=toolset, **there, **known)
        if len(set(run.toolsets or having)) < 2:
            having = sorted({row.toolset for row in find_methods(method)})
            raise click.UsageError(
                f"a comparison is of two toolsets or more, and {method} is asked of one: it is in {', '.join(having)}"
            )
    check_paths(output, KINDS)
    opened = open_model(path, model, console, shape=inputs.shape)
    given = opened.explained(inputs, console)
    found = compare(
        opened.model,
        method,
        **given.words,
        toolsets=run.toolsets or None,
        align=not no_align,
        signed=signed,
        expand=expand,
        options={
            toolset: own[folded(toolset)]
            for toolset in run.toolsets or {row.toolset for row in rows}
            if folded(toolset) in own
        },
        layer=layer,
        baselines=baseline_of(run.baseline, opened, layer is not None, inputs, console),
        **known,
        translation=check.of_translate or None,
        progress=console.progress,
        **everyone,
    )
    write(found, output, given.names)
    console.clear()
    if as_json:
        results = [as_dict(with_file(result, path), (), inputs.files) for result in found.explanations]
        echo_json({**found.to_dict(), "explanations": results, "files": [str(file) for file in output.paths]})
        return
    click.echo(found)
    for file in output.paths:
        click.echo(f"wrote {file}")
