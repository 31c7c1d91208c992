"""Translate neural networks between PyTorch, TensorFlow/Keras and ONNX, with proof that the two agree."""
