"""Sanity checks of methods, as published: whether a map changes when the weights are drawn anew.

What was studied is maps of an output over the input; variants of a method for a layer or a neuron were not.
"""

from __future__ import annotations

_ADEBAYO = "Adebayo et al., 2018, arXiv:1810.03292"
_SIXT = "Sixt, Granz, Landgraf, 2020, arXiv:1912.09818"
_WANG = "Wang et al., 2020, arXiv:1910.01279"

#: "Gradients & GradCAM pass the sanity checks, while Guided BackProp & Guided GradCAM fail."
PASSES_ADEBAYO = f"passes ({_ADEBAYO})"
FAILS_ADEBAYO = f"fails ({_ADEBAYO})"
#: The other methods there: what they look like hardly changes, the ranks of their values do.
RANKS_ADEBAYO = f"partly: ranks change, the picture hardly ({_ADEBAYO})"
#: All but DeepLIFT "are independent of the parameters of later layers".
PASSES_SIXT = f"passes ({_SIXT})"
FAILS_SIXT = f"fails ({_SIXT})"
FAILS_BOTH = f"fails ({_ADEBAYO}; {_SIXT})"
#: What fails there are the rules alpha-beta and z+; the epsilon rule was not among them.
RULES_SIXT = f"fails by other rules than epsilon ({_SIXT})"
PASSES_WANG = f"passes, by its authors ({_WANG})"
