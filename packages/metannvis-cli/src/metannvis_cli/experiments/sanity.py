"""Weights drawn anew: ``metannvis evaluate sanity``."""

from __future__ import annotations

from metannvis_cli.experiment_commands import experiment_command

command = experiment_command(
    "sanity",
    """Do maps change when what a network has learnt is taken away?

    Weights are drawn anew, layer by layer from the output down (Adebayo et al., 2018), and every method explains
    each network: rank correlation with and without signs, SSIM and HOG to the map of the trained network, over
    three seeds.
    """,
)
