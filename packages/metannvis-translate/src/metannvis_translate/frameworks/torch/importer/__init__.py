"""ONNX → PyTorch. Import this package only when a PyTorch model is to be built: it loads PyTorch."""

from __future__ import annotations

from metannvis_translate.frameworks.requirements import require

require("torch")
