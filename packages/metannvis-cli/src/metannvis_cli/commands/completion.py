"""Completion of the shell: ``metannvis completion``."""

from __future__ import annotations

import click

from metannvis_cli.options.command import work
from metannvis_cli.options.examples import example
from metannvis_cli.progress import Console

SHELLS = ("bash", "zsh", "fish")


@click.command("completion", epilog=example("metannvis completion bash"))
@click.argument("shell", type=click.Choice(SHELLS))
@work
def command(shell: str, console: Console) -> None:
    """Print what makes SHELL complete commands, methods, toolsets, options, and the layers of the model that was typed.

    bash: add `eval "$(metannvis completion bash)"` to ~/.bashrc. zsh: the same with zsh in ~/.zshrc, below compinit. fish:
    `metannvis completion fish > ~/.config/fish/completions/metannvis.fish`.
    """
    from click.shell_completion import get_completion_class

    from metannvis_cli.main import cli

    found = get_completion_class(shell)
    assert found is not None
    made = found(cli, {}, "metannvis", "_METANNVIS_COMPLETE")
    click.echo(made.source_template % made.source_vars())
