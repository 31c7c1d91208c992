"""Keras and TensorFlow → ONNX."""
