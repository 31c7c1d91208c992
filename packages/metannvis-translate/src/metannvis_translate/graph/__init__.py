"""Graph: the ONNX graph that every translation passes through, its metadata, its layout."""
