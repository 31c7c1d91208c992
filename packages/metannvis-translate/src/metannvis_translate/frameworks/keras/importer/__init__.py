"""ONNX → Keras. Import this package only when a Keras model is to be built: it loads TensorFlow."""

from metannvis_translate.frameworks.requirements import require

require("tensorflow")
