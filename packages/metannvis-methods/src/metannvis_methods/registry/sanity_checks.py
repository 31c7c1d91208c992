"""Sanity checks of methods, as published: whether a map changes when the weights are drawn anew."""

from __future__ import annotations

_ADEBAYO = "Adebayo et al., 2018, arXiv:1810.03292"
_SIXT = "Sixt, Granz, Landgraf, 2020, arXiv:1912.09818"

PASSES_ADEBAYO = f"passes ({_ADEBAYO})"
FAILS_ADEBAYO = f"fails ({_ADEBAYO})"
#: Products with the input keep its edges whatever the weights are.
INPUT_ADEBAYO = f"partly: the input shows through ({_ADEBAYO})"
PASSES_SIXT = f"passes ({_SIXT})"
FAILS_SIXT = f"fails ({_SIXT})"
#: What fails there are the rules alpha-beta and z+; the epsilon rule was not among them.
RULES_SIXT = f"fails by other rules than epsilon ({_SIXT})"
