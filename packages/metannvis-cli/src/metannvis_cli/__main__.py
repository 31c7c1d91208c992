"""Entry point of ``python -m metannvis_cli``."""

from __future__ import annotations

from metannvis_cli.main import cli

cli(prog_name="metannvis")
