"""The graph that every translation passes through: ONNX, its metadata, its layout."""
